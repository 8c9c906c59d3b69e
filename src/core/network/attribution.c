/* attribution.c - the mean gradient of a network's score on the line from the baseline; see attribution.h */
#include "network/attribution.h"
#include "network/encoder.h"
#include "network/pairhead.h"

#include <string.h>

/* Several nodes are computed at a time, as documents of one batch, up to so many rows together. */
#define ROWS_AT_A_TIME 128

/* Nodes and weights in [0, 1]; the other half is symmetric. */
static const double half_node[XMC_ATTRIBUTION_NODES / 2] = {
	0.005299532504175031, 0.0277124884633837, 0.06718439880608412, 0.1222977958224985, 0.19106187779867811,
	0.2709916111713863, 0.35919822461037054, 0.4524937450811813
};
static const double half_weight[XMC_ATTRIBUTION_NODES / 2] = {
	0.013576229705877088, 0.031126761969323728, 0.0475792558412463, 0.062314485627767036, 0.07479799440828835,
	0.08457825969750132, 0.09130170752246182, 0.09472530522753432
};

static double
node_of(int32_t k)
{
	return k < XMC_ATTRIBUTION_NODES / 2 ? half_node[k] : 1 - half_node[XMC_ATTRIBUTION_NODES - 1 - k];
}

static double
weight_of(int32_t k)
{
	return half_weight[k < XMC_ATTRIBUTION_NODES / 2 ? k : XMC_ATTRIBUTION_NODES - 1 - k];
}

/* `count` documents of the two rows of the pair alone, for the pair head. */
static xmc_status
lay_out_pairs(xmc_arena *arena, int32_t count, xmc_batch *pairs)
{
	*pairs = (xmc_batch){.n_documents = count,.rows = 2 * count,.most_items = 2};
	pairs->row_start = xmc_arena_alloc(arena, (size_t) count + 1, sizeof(int32_t));
	pairs->pair_start = xmc_arena_alloc(arena, (size_t) count + 1, sizeof(int64_t));
	if (!pairs->row_start || !pairs->pair_start)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k <= count; k++)
		pairs->pair_start[k] = pairs->row_start[k] = 2 * k;
	return XMC_OK;
}

/*
 * From the encoder's output h (R, d) of `count` copies of a document to the gradient dh (R, d) by it, each copy with the
 * weight of its node. The pair head sees the two rows of the pair alone: it would compute all pairs of a document.
 */
static xmc_status
differentiate_head(xmc_arena *arena, const xmc_model *model, const xmc_network *network, int32_t first, int32_t count,
				   int32_t rows, const int32_t pair[2], const float *h, float *dh)
{
	static const xmc_network none = {0};
	size_t		d = (size_t) model->options.d_model;
	xmc_batch	pairs;
	xmc_pairhead_state state;
	float	   *two = xmc_arena_alloc(arena, 2 * (size_t) count * d, sizeof(float));	/* (2 count, d) */
	float	   *d_two = xmc_arena_alloc(arena, 2 * (size_t) count * d, sizeof(float));
	float	   *g = xmc_arena_alloc(arena, 2 * (size_t) count, sizeof(float));

	if (!two || !d_two || !g)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(lay_out_pairs(arena, count, &pairs));
	for (int32_t k = 0; k < count; k++)
		for (int32_t side = 0; side < 2; side++)
			memcpy(two + (size_t) (2 * k + side) * d, h + (size_t) (k * rows + pair[side]) * d, d * sizeof(float));
	XMC_TRY(xmc_pairhead_forward(arena, model->options.d_model, network, &pairs, two, true, &state, g));
	/* s(i,j) = g(i,j) - g(j,i) */
	for (int32_t k = 0; k < count; k++)
	{
		g[2 * k] = (float) weight_of(first + k);
		g[2 * k + 1] = -g[2 * k];
	}
	XMC_TRY(xmc_pairhead_backward(arena, model->options.d_model, network, &pairs, &state, g, &none, d_two));
	XMC_TRY(xmc_clear(arena->ctx, dh, (size_t) count * (size_t) rows * d * sizeof(float)));
	for (int32_t k = 0; k < count; k++)
		for (int32_t side = 0; side < 2; side++)
			memcpy(dh + (size_t) (k * rows + pair[side]) * d, d_two + (size_t) (2 * k + side) * d, d * sizeof(float));
	return XMC_OK;
}

/* Adds the share of nodes first to first + count - 1. */
static xmc_status
add_nodes(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, const float *x, int32_t first, int32_t count,
		  const int32_t pair[2], double *gradient)
{
	static const xmc_network none = {0};
	const xmc_document *document[XMC_ATTRIBUTION_NODES];
	const xmc_network *network = &model->network[batch->modality];
	size_t		values = (size_t) batch->rows * (size_t) network->input_dim;
	xmc_batch	copies;
	xmc_encoder_state state;
	float	   *scaled = xmc_arena_alloc(arena, (size_t) count * values, sizeof(float));
	float	   *dx = xmc_arena_alloc(arena, (size_t) count * values, sizeof(float));
	size_t		rows = (size_t) count * (size_t) batch->rows;
	float	   *dh = xmc_arena_alloc(arena, rows * (size_t) model->options.d_model, sizeof(float));

	if (!scaled || !dx || !dh)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k < count; k++)
	{
		float		node = (float) node_of(first + k);

		document[k] = batch->document[0];
		for (size_t c = 0; c < values; c++)
			scaled[(size_t) k * values + c] = node * x[c];
	}
	XMC_TRY(xmc_batch_init(arena, &model->options, batch->modality, count, document, &copies));
	XMC_TRY(xmc_encoder_forward(arena, &model->options, network, &copies, scaled, NULL, &state));
	XMC_TRY(differentiate_head(arena, model, network, first, count, batch->rows, pair, state.output, dh));
	XMC_TRY(xmc_encoder_backward(arena, &model->options, network, &copies, &state, dh, &none, dx));
	for (int32_t k = 0; k < count; k++)
		for (size_t c = 0; c < values; c++)
			gradient[c] += dx[(size_t) k * values + c];
	return XMC_OK;
}

xmc_status
xmc_network_mean_gradient(xmc_ctx *ctx, const xmc_model *model, const xmc_batch *batch, const float *x, int32_t i, int32_t j,
						  double *gradient)
{
	const int32_t pair[2] = {i, j};
	int32_t		at_a_time = ROWS_AT_A_TIME / batch->rows < 1 ? 1 : ROWS_AT_A_TIME / batch->rows;
	size_t		values = (size_t) batch->rows * (size_t) model->network[batch->modality].input_dim;
	xmc_arena	arena;
	xmc_status	status = xmc_clear(ctx, gradient, values * sizeof *gradient);

	xmc_arena_init(&arena, ctx);
	for (int32_t k = 0; k < XMC_ATTRIBUTION_NODES && status == XMC_OK; k += at_a_time)
	{
		int32_t		count = XMC_ATTRIBUTION_NODES - k < at_a_time ? XMC_ATTRIBUTION_NODES - k : at_a_time;

		status = add_nodes(&arena, model, batch, x, k, count, pair, gradient);
		xmc_arena_reset(&arena);
	}
	xmc_arena_free(&arena);
	return status;
}
