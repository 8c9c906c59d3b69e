/* encoder.c - forward and backward pass of the Transformer encoder; see encoder.h (design section 4, "Encoder") */
#include "network/encoder.h"
#include "numeric/dense.h"

#include <string.h>

/* Dropout of x in place. *mask is allocated only if there is dropout, else NULL. */
static xmc_status
drop(xmc_arena *arena, int64_t n, double p, xmc_random *random, float *x, float **mask)
{
	*mask = NULL;
	if (p > 0)
	{
		XMC_ARENA_FLOATS(*mask, arena, n);
		xmc_dropout(n, p, random, x, *mask);
	}
	return XMC_OK;
}

/* The backward pass of drop. */
static void
undrop(int64_t n, const float *mask, float *dx)
{
	if (mask)
		xmc_multiply(n, mask, dx);
}

/* Self-attention of each document. The caller computes the products over all rows. */
static xmc_status
attend(xmc_arena *arena, const xmc_options *options, const xmc_batch *batch, const int64_t *probability_start,
	   xmc_layer_state *layer)
{
	int64_t		d = options->d_model;
	float	   *scratch;		/* (n, n) of the largest document */

	XMC_ARENA_FLOATS(scratch, arena, (int64_t) batch->most_items * batch->most_items);
	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		int64_t		first = batch->row_start[k];
		int64_t		n = batch->row_start[k + 1] - first;

		if (n == 0)
			continue;
		XMC_TRY(xmc_attention(arena->ctx, n, d, options->heads, layer->qkv + first * 3 * d,
							  layer->probability + probability_start[k],
							  layer->probability_mask ? layer->probability_mask + probability_start[k] : NULL,
							  scratch, layer->attended + first * d));
	}
	return XMC_OK;
}

/* The share that is dropped; random NULL: nothing. */
static double
dropout_of(const xmc_options *options, const xmc_network *network, const xmc_random *random)
{
	if (!random)
		return 0;
	return network->uses_changes ? options->fine_tune_dropout : options->dropout;
}

static xmc_status
layer_forward(xmc_arena *arena, const xmc_options *options, const xmc_layer *w, const xmc_batch *batch,
			  const int64_t *probability_start, int64_t probabilities, const float *input, double dropout, xmc_random *random,
			  xmc_layer_state *layer)
{
	xmc_ctx    *ctx = arena->ctx;
	int64_t		rows = batch->rows;
	int64_t		d = options->d_model;
	int64_t		wide = options->feed_forward;
	float	   *sum;			/* (R, d) input of each normalisation */

	*layer = (xmc_layer_state){.input = input};
	XMC_ARENA_FLOATS(layer->qkv, arena, rows * 3 * d);
	XMC_ARENA_FLOATS(layer->probability, arena, probabilities);
	XMC_ARENA_FLOATS(layer->attended, arena, rows * d);
	XMC_ARENA_FLOATS(layer->normal1, arena, rows * d);
	XMC_ARENA_FLOATS(layer->inverse1, arena, rows);
	XMC_ARENA_FLOATS(layer->middle, arena, rows * d);
	XMC_ARENA_FLOATS(layer->hidden, arena, rows * wide);
	XMC_ARENA_FLOATS(layer->normal2, arena, rows * d);
	XMC_ARENA_FLOATS(layer->inverse2, arena, rows);
	XMC_ARENA_FLOATS(layer->output, arena, rows * d);
	XMC_ARENA_FLOATS(sum, arena, rows * d);

	/* middle = norm1(input + drop(out(attend(qkv(input))))) */
	XMC_TRY(xmc_linear(ctx, rows, d, 3 * d, input, w->qkv_w, w->qkv_b, layer->qkv));
	if (dropout > 0)
	{
		/* The masks of all documents are drawn at once, before the probabilities exist. */
		XMC_ARENA_FLOATS(layer->probability_mask, arena, probabilities);
		xmc_dropout_mask(probabilities, dropout, random, layer->probability_mask);
	}
	XMC_TRY(attend(arena, options, batch, probability_start, layer));
	XMC_TRY(xmc_linear(ctx, rows, d, d, layer->attended, w->out_w, w->out_b, sum));
	XMC_TRY(drop(arena, rows * d, dropout, random, sum, &layer->attention_mask));
	xmc_add(rows * d, input, sum);
	xmc_layer_norm(rows, d, XMC_LAYER_NORM_EPSILON, sum, w->norm1_w, w->norm1_b, layer->middle, layer->normal1,
				   layer->inverse1);

	/* output = norm2(middle + drop(ff2(drop(relu(ff1(middle)))))) */
	XMC_TRY(xmc_linear(ctx, rows, d, wide, layer->middle, w->ff1_w, w->ff1_b, layer->hidden));
	xmc_relu(rows * wide, layer->hidden);
	XMC_TRY(drop(arena, rows * wide, dropout, random, layer->hidden, &layer->hidden_mask));
	XMC_TRY(xmc_linear(ctx, rows, wide, d, layer->hidden, w->ff2_w, w->ff2_b, sum));
	XMC_TRY(drop(arena, rows * d, dropout, random, sum, &layer->output_mask));
	xmc_add(rows * d, layer->middle, sum);
	xmc_layer_norm(rows, d, XMC_LAYER_NORM_EPSILON, sum, w->norm2_w, w->norm2_b, layer->output, layer->normal2,
				   layer->inverse2);
	return XMC_OK;
}

xmc_status
xmc_encoder_forward(xmc_arena *arena, const xmc_options *options, const xmc_network *network, const xmc_batch *batch,
					const float *x, xmc_random *random, xmc_encoder_state *state)
{
	int64_t		rows = batch->rows;
	int64_t		d = options->d_model;
	int64_t		probabilities = 0;
	double		dropout = dropout_of(options, network, random);

	*state = (xmc_encoder_state){.x = x};
	/* Where the attention probabilities of each document begin. */
	state->probability_start = xmc_arena_alloc(arena, (size_t) batch->n_documents, sizeof(int64_t));
	XMC_NEED(state->probability_start, arena->ctx);
	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		int64_t		n = batch->row_start[k + 1] - batch->row_start[k];

		state->probability_start[k] = probabilities;
		probabilities += options->heads * n * n;
	}
	/* The input projection, then the layers. */
	XMC_ARENA_FLOATS(state->projected, arena, rows * d);
	XMC_TRY(xmc_linear(arena->ctx, rows, network->input_dim, d, x, network->input_w, network->input_b,
					   state->projected));
	XMC_TRY(drop(arena, rows * d, dropout, random, state->projected, &state->projected_mask));
	state->output = state->projected;
	for (int32_t l = 0; l < options->layers; l++)
	{
		XMC_TRY(layer_forward(arena, options, &network->layer[l], batch, state->probability_start, probabilities,
							  state->output, dropout, random, &state->layer[l]));
		state->output = state->layer[l].output;
	}
	return XMC_OK;
}

/* d_output (R, d) is the gradient by the layer's output and is replaced by the gradient by its input. */
static xmc_status
layer_backward(xmc_arena *arena, const xmc_options *options, const xmc_layer *w, const xmc_batch *batch,
			   const int64_t *probability_start, const xmc_layer_state *layer, float *d_output, const xmc_layer *grad)
{
	xmc_ctx    *ctx = arena->ctx;
	int64_t		rows = batch->rows;
	int64_t		d = options->d_model;
	int64_t		wide = options->feed_forward;
	float	   *d_sum;			/* (R, d) */
	float	   *d_branch;		/* (R, d) d_sum taken back through dropout */
	float	   *d_hidden;		/* (R, feed_forward) */
	float	   *d_attended;		/* (R, d) */
	float	   *d_qkv;			/* (R, 3 d) */
	float	   *scratch;		/* (2, n, n) of the largest document */

	XMC_ARENA_FLOATS(d_sum, arena, rows * d);
	XMC_ARENA_FLOATS(d_branch, arena, rows * d);
	XMC_ARENA_FLOATS(d_hidden, arena, rows * wide);
	XMC_ARENA_FLOATS(d_attended, arena, rows * d);
	XMC_ARENA_FLOATS(d_qkv, arena, rows * 3 * d);
	XMC_ARENA_FLOATS(scratch, arena, 2 * (int64_t) batch->most_items * batch->most_items);

	/* Backward through output = norm2(middle + drop(ff2(hidden))). */
	xmc_layer_norm_backward(rows, d, d_output, w->norm2_w, layer->normal2, layer->inverse2,
							grad->norm2_w, grad->norm2_b, d_sum);
	memcpy(d_branch, d_sum, (size_t) (rows * d) * sizeof(float));
	undrop(rows * d, layer->output_mask, d_branch);
	XMC_TRY(xmc_linear_backward(ctx, rows, wide, d, layer->hidden, w->ff2_w, d_branch,
								grad->ff2_w, grad->ff2_b, d_hidden, false));
	undrop(rows * wide, layer->hidden_mask, d_hidden);
	xmc_relu_backward(rows * wide, layer->hidden, d_hidden);
	XMC_TRY(xmc_linear_backward(ctx, rows, d, wide, layer->middle, w->ff1_w, d_hidden,
								grad->ff1_w, grad->ff1_b, d_sum, true));

	/* Backward through middle = norm1(input + drop(out(attended))). */
	xmc_layer_norm_backward(rows, d, d_sum, w->norm1_w, layer->normal1, layer->inverse1,
							grad->norm1_w, grad->norm1_b, d_output);
	memcpy(d_branch, d_output, (size_t) (rows * d) * sizeof(float));
	undrop(rows * d, layer->attention_mask, d_branch);
	XMC_TRY(xmc_linear_backward(ctx, rows, d, d, layer->attended, w->out_w, d_branch,
								grad->out_w, grad->out_b, d_attended, false));
	for (int32_t k = 0; k < batch->n_documents; k++)
	{
		int64_t		first = batch->row_start[k];
		int64_t		n = batch->row_start[k + 1] - first;

		if (n == 0)
			continue;
		XMC_TRY(xmc_attention_backward(ctx, n, d, options->heads, layer->qkv + first * 3 * d,
									   layer->probability + probability_start[k],
									   layer->probability_mask ? layer->probability_mask + probability_start[k] : NULL,
									   d_attended + first * d, scratch, d_qkv + first * 3 * d));
	}
	return xmc_linear_backward(ctx, rows, d, 3 * d, layer->input, w->qkv_w, d_qkv,
							   grad->qkv_w, grad->qkv_b, d_output, true);
}

xmc_status
xmc_encoder_backward(xmc_arena *arena, const xmc_options *options, const xmc_network *network, const xmc_batch *batch,
					 const xmc_encoder_state *state, float *d_output, const xmc_network *grad, float *dx)
{
	int64_t		rows = batch->rows;
	int64_t		d = options->d_model;

	for (int32_t l = options->layers - 1; l >= 0; l--)
		XMC_TRY(layer_backward(arena, options, &network->layer[l], batch, state->probability_start, &state->layer[l],
							   d_output, &grad->layer[l]));
	undrop(rows * d, state->projected_mask, d_output);
	return xmc_linear_backward(arena->ctx, rows, network->input_dim, d, state->x, network->input_w, d_output,
							   grad->input_w, grad->input_b, dx, false);
}
