/* linear.c - the additive linear term over an embedding, see linear.h */
#include "network/linear.h"

#include "network/inputs.h"
#include "numeric/vector.h"

xmc_status
xmc_linear_term_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, double *u)
{
	const xmc_network *network = &model->network[batch->modality];
	float	   *x = xmc_arena_alloc(arena, (size_t) network->embedding_dim, sizeof(float));
	int64_t		work = 0;

	XMC_NEED(x, arena->ctx);
	for (int32_t d = 0; d < batch->n_documents; d++)
	{
		for (int32_t r = batch->row_start[d]; r < batch->row_start[d + 1]; r++)
		{
			const float *embedding = xmc_inputs_embedding(&model->options, batch->modality, batch->document[d], batch->item[r]);

			u[r] = 0;
			if (embedding)
			{
				xmc_inputs_standardise(network, embedding, x);
				u[r] = xmc_dot(network->embedding_dim, network->linear, x);
			}
		}
		XMC_TRY(xmc_spend(arena->ctx, &work, (int64_t) (batch->row_start[d + 1] - batch->row_start[d]) * network->embedding_dim));
	}
	return XMC_OK;
}
