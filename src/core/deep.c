/* deep.c - see deep.h */
#include "xmcoh/deep.h"

#include <math.h>
#include <string.h>

/* How many leading input dimensions are the trained bag's. */
static int32_t
bag_width(const xmc_model *model, xmc_modality modality)
{
	return modality == XMC_TEXT && model->has_bag ? model->options.bag_dim : 0;
}

/* The embedding of one item that follows the bag in the input, (input_dim - bag_width). */
static const float *
item_embedding(const xmc_model *model, xmc_modality modality, const xmc_document *document, int32_t item)
{
	return modality == XMC_TEXT ? document->text_embedding + (int64_t) item * model->options.text_dim
		: document->image + (int64_t) item * model->options.image_dim;
}

/* Whether that item has one; a text item may have words alone. */
static bool
has_embedding(xmc_modality modality, const xmc_document *document, int32_t item)
{
	return (document->has[item] & (modality == XMC_TEXT ? XMC_HAS_TEXT_EMBEDDING : XMC_HAS_IMAGE)) != 0;
}

xmc_status
xmc_deep_fit_inputs(xmc_ctx *ctx, xmc_model *model, xmc_modality modality, int32_t n_documents,
					const xmc_document *const *document)
{
	const xmc_network *network = &model->network[modality];
	int32_t		input_dim = network->input_dim;
	int32_t		bag = bag_width(model, modality);
	double	   *sum = xmc_zalloc(ctx, (size_t) input_dim, sizeof(double));
	double	   *squares = xmc_zalloc(ctx, (size_t) input_dim, sizeof(double));
	int64_t		rows = 0;

	if (!sum || !squares)
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	for (int pass = 0; pass < 2; pass++)	/* the mean first: one-pass variances cancel badly */
		for (int32_t d = 0; d < n_documents; d++)
			for (int32_t i = 0; i < document[d]->n; i++)
			{
				const float *x;

				if (input_dim == bag || !has_embedding(modality, document[d], i))
					continue;
				x = item_embedding(model, modality, document[d], i);
				rows += pass == 0;
				for (int32_t k = bag; k < input_dim; k++)
					if (pass == 0)
						sum[k] += x[k - bag];
					else
						squares[k] += (x[k - bag] - sum[k] / (double) rows) * (x[k - bag] - sum[k] / (double) rows);
			}
	for (int32_t k = bag; k < input_dim; k++)
	{
		double		mean = rows ? sum[k] / (double) rows : 0;
		double		deviation = rows ? sqrt(squares[k] / (double) rows) : 0;

		network->input_mean[k] = (float) mean;
		/* A deviation within rounding of the mean is a constant. */
		network->input_scale[k] = deviation > 1e-6 * fabs(mean) && deviation > 1e-30 ? (float) (1 / deviation) : 0;
	}
	xmc_release(ctx, sum);
	xmc_release(ctx, squares);
	return XMC_OK;
}

static void
gather(const xmc_model *model, const xmc_batch *batch, float *x)
{
	const xmc_network *network = &model->network[batch->modality];
	int32_t		input_dim = network->input_dim;
	int32_t		bag = bag_width(model, batch->modality);

	if (bag)
		xmc_bag_forward(model, batch, x, input_dim);
	for (int32_t d = 0; d < batch->n_documents && input_dim > bag; d++)
		for (int32_t r = batch->row_start[d]; r < batch->row_start[d + 1]; r++)
		{
			float	   *row = x + (int64_t) r * input_dim + bag;
			bool		has = has_embedding(batch->modality, batch->document[d], batch->item[r]);
			const float *from;

			if (!has)
			{
				memset(row, 0, (size_t) (input_dim - bag) * sizeof(float));	/* as the mean */
				continue;
			}
			from = item_embedding(model, batch->modality, batch->document[d], batch->item[r]);
			for (int32_t k = bag; k < input_dim; k++)
				row[k - bag] = (from[k - bag] - network->input_mean[k]) * network->input_scale[k];
		}
}

xmc_status
xmc_deep_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch,
				 xmc_random *random, bool learn, xmc_deep_state *state)
{
	const xmc_network *network = &model->network[batch->modality];

	*state = (xmc_deep_state){0};
	state->x = xmc_arena_alloc(arena, (size_t) batch->rows * (size_t) network->input_dim, sizeof(float));
	state->g = xmc_arena_alloc(arena, (size_t) batch->pair_start[batch->n_documents], sizeof(float));
	if (!state->x || !state->g)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	gather(model, batch, state->x);
	XMC_TRY(xmc_encoder_forward(arena, &model->options, network, batch, state->x, random, &state->encoder));
	return xmc_pairhead_forward(arena, model->options.d_model, network, batch, state->encoder.output, learn,
								&state->head, state->g);
}

xmc_status
xmc_deep_backward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, const xmc_deep_state *state,
				  const float *dg, const xmc_network *grad, xmc_adagrad *bag_grad)
{
	const xmc_network *network = &model->network[batch->modality];
	size_t		rows = (size_t) batch->rows;
	float	   *dh = xmc_arena_alloc(arena, rows * (size_t) model->options.d_model, sizeof(float));
	float	   *dx = NULL;

	XMC_NEED(dh, arena->ctx);
	if (bag_width(model, batch->modality))
	{
		dx = xmc_arena_alloc(arena, rows * (size_t) network->input_dim, sizeof(float));
		XMC_NEED(dx, arena->ctx);
	}
	XMC_TRY(xmc_pairhead_backward(arena, model->options.d_model, network, batch, &state->head, dg, grad, dh));
	XMC_TRY(xmc_encoder_backward(arena, &model->options, network, batch, &state->encoder, dh, grad, dx));
	if (dx)
		xmc_bag_backward(model, batch, dx, network->input_dim, bag_grad);
	return XMC_OK;
}
