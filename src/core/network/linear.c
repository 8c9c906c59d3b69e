/* linear.c - the additive linear term over an embedding, see linear.h */
#include "network/linear.h"

#include "numeric/vector.h"

void
xmc_linear_term_forward(const xmc_model *model, const xmc_batch *batch, const float *x, double *u)
{
	const xmc_network *network = &model->network[batch->modality];
	int64_t		bag = network->input_dim - network->embedding_dim;

	for (int64_t r = 0; r < batch->rows; r++)
	{
		const float *row = x + r * network->input_dim + bag;	/* the bag's dimensions come first */

		u[r] = xmc_dot(network->embedding_dim, network->linear, row);
	}
}
