/* transformer_backward.c - the backward pass of a text encoder; see transformer_backward.h (design section 4, "Fine-tuning") */
#include "text_encoder/transformer_backward.h"
#include "numeric/dense.h"

#include <string.h>

/* Scratch of one pass, which all layers use. R = rows of the batch, d = dim. */
typedef struct pass
{
	xmc_ctx    *ctx;
	const xmc_transformer *transformer;
	const xmc_token_batch *batch;
	int64_t		rows;
	float	   *d_sum;			/* (R, d) */
	float	   *d_branch;		/* (R, d) d_sum taken back through dropout; NULL: there is none */
	float	   *d_hidden;		/* (R, feed_forward) */
	float	   *d_attended;		/* (R, d) */
	float	   *d_qkv;			/* (R, 3 d) */
	float	   *scratch;		/* (2, n, n) of the longest text */
	float	   *unwanted;		/* (2, d) gradients of a normalisation that is not trained */
} pass;

static xmc_status
begin_pass(xmc_arena *arena, const xmc_transformer *transformer, const xmc_token_batch *batch, pass *p)
{
	const xmc_text_encoder_shape *shape = &transformer->settings.shape;
	int64_t		rows = batch->row_start[batch->n_texts];
	int64_t		most = 0;

	*p = (pass) {.ctx = arena->ctx, .transformer = transformer, .batch = batch, .rows = rows};
	for (int32_t t = 0; t < batch->n_texts; t++)
		if (batch->row_start[t + 1] - batch->row_start[t] > most)
			most = batch->row_start[t + 1] - batch->row_start[t];
	XMC_ARENA_FLOATS(p->d_sum, arena, rows * shape->dim);
	XMC_ARENA_FLOATS(p->d_hidden, arena, rows * shape->feed_forward);
	XMC_ARENA_FLOATS(p->d_attended, arena, rows * shape->dim);
	XMC_ARENA_FLOATS(p->d_qkv, arena, rows * 3 * shape->dim);
	XMC_ARENA_FLOATS(p->scratch, arena, 2 * most * most);
	XMC_ARENA_FLOATS(p->unwanted, arena, 2 * shape->dim);
	memset(p->unwanted, 0, (size_t) (2 * shape->dim) * sizeof(float));	/* added to, never read */
	return XMC_OK;
}

/* Backward through a normalisation, in steps; its parameters' gradients are dw and db, or NULL. */
static xmc_status
normalise_backward(const pass *p, const float *dy, const float *w, const float *normal, const float *inverse, float *dw,
				   float *db, float *dx)
{
	int64_t		d = p->transformer->settings.shape.dim;

	for (int64_t r = 0; r < p->rows; r += XMC_STEP_ROWS)
	{
		XMC_TRY(xmc_check_stop(p->ctx));
		xmc_layer_norm_backward(xmc_step_rows(p->rows, r), d, dy + r * d, w, normal + r * d, inverse + r,
								dw ? dw : p->unwanted, db ? db : p->unwanted + d, dx + r * d);
	}
	return XMC_OK;
}

static xmc_status
attend_backward(const pass *p, const xmc_transformer_layer_state *layer)
{
	int64_t		d = p->transformer->settings.shape.dim;
	int64_t		heads = p->transformer->settings.shape.heads;
	const float *probability = layer->probability;
	const float *mask = layer->probability_mask;

	for (int32_t t = 0; t < p->batch->n_texts; t++)
	{
		int64_t		first = p->batch->row_start[t];
		int64_t		n = p->batch->row_start[t + 1] - first;

		if (n == 0)
			continue;
		XMC_TRY(xmc_attention_backward(p->ctx, n, d, heads, layer->qkv + first * 3 * d, probability, mask,
									   p->d_attended + first * d, p->scratch, p->d_qkv + first * 3 * d));
		probability += heads * n * n;
		mask = mask ? mask + heads * n * n : NULL;
	}
	return XMC_OK;
}

/* d_sum, taken back through a dropout; the result is d_sum itself or d_branch. */
static xmc_status
undrop(const pass *p, const float *d_sum, const float *mask, const float **out)
{
	int64_t		d = p->transformer->settings.shape.dim;

	*out = mask ? p->d_branch : d_sum;
	for (int64_t r = 0; mask && r < p->rows; r += XMC_STEP_ROWS)
	{
		int64_t		n = xmc_step_rows(p->rows, r) * d;

		XMC_TRY(xmc_check_stop(p->ctx));
		memcpy(p->d_branch + r * d, d_sum + r * d, (size_t) n * sizeof(float));
		xmc_multiply(n, mask + r * d, p->d_branch + r * d);
	}
	return XMC_OK;
}

/* d_output becomes the gradient by the layer's input, but in the first layer that learns, where nobody needs it. */
static xmc_status
layer_backward(const pass *p, int32_t l, const xmc_transformer_layer_state *layer, bool is_first, float *d_output,
			   const xmc_layer *grad, const xmc_qkv_taker *taker)
{
	const xmc_layer *w = &p->transformer->layer[l];
	const float *d_branch;
	int64_t		d = p->transformer->settings.shape.dim;
	int64_t		wide = p->transformer->settings.shape.feed_forward;

	/* Backward through output = norm2(middle + drop(ff2(gelu(ff1(middle))))). */
	XMC_TRY(normalise_backward(p, d_output, w->norm2_w, layer->normal2, layer->inverse2, grad->norm2_w, grad->norm2_b, p->d_sum));
	XMC_TRY(undrop(p, p->d_sum, layer->output_mask, &d_branch));
	XMC_TRY(xmc_linear_backward(p->ctx, p->rows, wide, d, layer->hidden, w->ff2_w, d_branch,
								grad->ff2_w, grad->ff2_b, p->d_hidden, false));
	for (int64_t r = 0; r < p->rows; r += XMC_STEP_ROWS)
	{
		XMC_TRY(xmc_check_stop(p->ctx));
		xmc_gelu_backward(xmc_step_rows(p->rows, r) * wide, layer->before + r * wide, p->d_hidden + r * wide);
	}
	XMC_TRY(xmc_linear_backward(p->ctx, p->rows, d, wide, layer->middle, w->ff1_w, p->d_hidden,
								grad->ff1_w, grad->ff1_b, p->d_sum, true));

	/* Backward through middle = norm1(input + drop(out(attend(qkv(input))))). */
	XMC_TRY(normalise_backward(p, p->d_sum, w->norm1_w, layer->normal1, layer->inverse1, grad->norm1_w, grad->norm1_b, d_output));
	XMC_TRY(undrop(p, d_output, layer->attention_mask, &d_branch));
	XMC_TRY(xmc_linear_backward(p->ctx, p->rows, d, d, layer->attended, w->out_w, d_branch,
								grad->out_w, grad->out_b, p->d_attended, false));
	XMC_TRY(attend_backward(p, layer));
	if (taker)
		XMC_TRY(taker->take(taker->arg, l, p->rows, layer->input, p->d_qkv));
	return xmc_linear_backward(p->ctx, p->rows, d, 3 * d, layer->input, w->qkv_w, p->d_qkv,
							   grad->qkv_w, grad->qkv_b, is_first ? NULL : d_output, true);
}

xmc_status
xmc_transformer_backward(xmc_arena *arena, const xmc_transformer *transformer, const xmc_token_batch *batch,
						 const xmc_transformer_learning *learning, const xmc_transformer_state *state, float *d_output,
						 const xmc_layer *grad, const xmc_qkv_taker *taker)
{
	int32_t		first = learning->first;
	int32_t		last = transformer->settings.shape.layers - 1;
	pass		p;

	XMC_TRY(begin_pass(arena, transformer, batch, &p));
	if (first < transformer->settings.shape.layers && state->layer[first].output_mask)
		XMC_ARENA_FLOATS(p.d_branch, arena, p.rows * transformer->settings.shape.dim);
	for (int32_t l = last; l >= first; l--)
	{
		if (l < learning->kept && l < last)
			XMC_TRY(xmc_transformer_again(arena, transformer, batch, learning, state, l));
		XMC_TRY(layer_backward(&p, l, &state->layer[l], l == first, d_output, &grad[l], taker));
	}
	return XMC_OK;
}
