/* tuned.c - an encoder with adapters, forward and backward over texts; see tuned.h (design section 4, "Fine-tuning") */
#include "text_encoder/tuned.h"
#include "text_encoder/pooling.h"
#include "text_encoder/transformer_backward.h"

#include <string.h>

#define FORWARD_TOKENS 2048		/* taken at a time: about 15 kB each for 384 numbers */
#define BACKWARD_TOKENS 512		/* about 160 kB each for 6 layers of 384 numbers */

/* The texts from `first` on that have at most `tokens` tokens together, or one text. */
static int32_t
texts_at_a_time(const xmc_token_batch *batch, int32_t first, int32_t tokens)
{
	int32_t		n = 1;

	while (first + n < batch->n_texts && batch->row_start[first + n + 1] - batch->row_start[first] <= tokens)
		n++;
	return n;
}

/* The batch of n texts from `first` on; row_start (n + 1) is scratch. */
static xmc_token_batch
part_of(const xmc_token_batch *batch, int32_t first, int32_t n, int32_t *row_start)
{
	for (int32_t t = 0; t <= n; t++)
		row_start[t] = batch->row_start[first + t] - batch->row_start[first];
	return (xmc_token_batch) {.n_texts = n, .row_start = row_start, .token = batch->token + batch->row_start[first]};
}

/* What both passes need: the changed encoder, and scratch. */
typedef struct pass
{
	xmc_arena	scratch;		/* reset after each part */
	xmc_transformer *transformer;
	xmc_transformer_state *state;
	int32_t    *row_start;		/* (texts + 1) */
	double	   *sum;			/* (dim) */
} pass;

static xmc_status
begin_pass(xmc_arena *arena, const xmc_transformer *base, const xmc_adapters *adapters, const xmc_token_batch *batch, pass *p)
{
	xmc_arena_init(&p->scratch, arena->ctx);
	p->transformer = xmc_arena_alloc(arena, 1, sizeof *p->transformer);
	p->state = xmc_arena_alloc(arena, 1, sizeof *p->state);
	p->row_start = xmc_arena_alloc(arena, (size_t) batch->n_texts + 1, sizeof *p->row_start);
	p->sum = xmc_arena_alloc(arena, (size_t) base->settings.shape.dim, sizeof *p->sum);
	if (!p->transformer || !p->state || !p->row_start || !p->sum)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return xmc_adapters_apply(arena, base, adapters, p->transformer);
}

static xmc_status
forward(pass *p, const xmc_token_batch *batch, float *out)
{
	const xmc_text_encoder_shape *shape = &p->transformer->settings.shape;

	for (int32_t first = 0, n; first < batch->n_texts; first += n)
	{
		xmc_token_batch part;

		n = texts_at_a_time(batch, first, FORWARD_TOKENS);
		part = part_of(batch, first, n, p->row_start);
		xmc_arena_reset(&p->scratch);
		XMC_TRY(xmc_transformer_forward(&p->scratch, p->transformer, &part, false, p->state));
		for (int32_t t = 0; t < n; t++)
			XMC_TRY(xmc_pool(p->scratch.ctx, shape, part.row_start[t + 1] - part.row_start[t],
							 p->state->output + (int64_t) part.row_start[t] * shape->dim, p->sum,
							 out + (int64_t) (first + t) * shape->dim, NULL));
	}
	return XMC_OK;
}

xmc_status
xmc_tuned_vectors(xmc_arena *arena, const xmc_transformer *base, const xmc_adapters *adapters, const xmc_token_batch *batch,
				  float *out)
{
	pass		p;
	xmc_status	status = begin_pass(arena, base, adapters, batch, &p);

	if (status == XMC_OK)
		status = forward(&p, batch, out);
	xmc_arena_free(&p.scratch);
	return status;
}

/* Forward and backward pass of some texts, whose gradient by the vectors is d_vector (texts, dim). */
static xmc_status
part_backward(pass *p, const xmc_token_batch *part, const float *d_vector, int32_t adapted, const xmc_layer *grad)
{
	const xmc_text_encoder_shape *shape = &p->transformer->settings.shape;
	int64_t		d = shape->dim;
	float	   *y = xmc_arena_alloc(&p->scratch, (size_t) d, sizeof(float));
	float	   *dx = xmc_arena_alloc(&p->scratch, (size_t) (part->row_start[part->n_texts] * d), sizeof(float));	/* (rows, d) */

	XMC_NEED(y, p->scratch.ctx);
	XMC_NEED(dx, p->scratch.ctx);
	XMC_TRY(xmc_transformer_forward(&p->scratch, p->transformer, part, true, p->state));
	for (int32_t t = 0; t < part->n_texts; t++)
	{
		int64_t		row = part->row_start[t];
		int64_t		rows = part->row_start[t + 1] - row;
		double		length;

		XMC_TRY(xmc_pool(p->scratch.ctx, shape, rows, p->state->output + row * d, p->sum, y, &length));
		xmc_pool_backward(shape, rows, y, length, d_vector + t * d, dx + row * d);
	}
	return xmc_transformer_backward(&p->scratch, p->transformer, part, p->state, shape->layers - adapted, dx, grad);
}

static xmc_status
backward(xmc_arena *arena, pass *p, const xmc_adapters *adapters, const xmc_token_batch *batch, const float *d_vector,
		 const xmc_adapter *grad)
{
	const xmc_text_encoder_shape *shape = &p->transformer->settings.shape;
	size_t		values = 3 * (size_t) shape->dim * (size_t) shape->dim;
	xmc_layer  *d_layer = xmc_arena_zalloc(arena, (size_t) shape->layers, sizeof *d_layer);
	float	  **d_qkv = xmc_arena_zalloc(arena, (size_t) adapters->n, sizeof *d_qkv);

	XMC_NEED(d_layer, arena->ctx);
	XMC_NEED(d_qkv, arena->ctx);
	for (int32_t k = 0; k < adapters->n; k++)
	{
		d_qkv[k] = xmc_arena_zalloc(arena, values, sizeof(float));
		XMC_NEED(d_qkv[k], arena->ctx);
		d_layer[shape->layers - adapters->n + k].qkv_w = d_qkv[k];
	}
	for (int32_t first = 0, n; first < batch->n_texts; first += n)
	{
		xmc_token_batch part;

		n = texts_at_a_time(batch, first, BACKWARD_TOKENS);
		part = part_of(batch, first, n, p->row_start);
		xmc_arena_reset(&p->scratch);
		XMC_TRY(part_backward(p, &part, d_vector + (int64_t) first * shape->dim, adapters->n, d_layer));
	}
	return xmc_adapters_gradient(arena->ctx, shape->dim, adapters, d_qkv, grad);
}

xmc_status
xmc_tuned_gradient(xmc_arena *arena, const xmc_transformer *base, const xmc_adapters *adapters, const xmc_token_batch *batch,
				   const float *d_vector, const xmc_adapter *grad)
{
	pass		p;
	xmc_status	status = begin_pass(arena, base, adapters, batch, &p);

	if (status == XMC_OK)
		status = backward(arena, &p, adapters, batch, d_vector, grad);
	xmc_arena_free(&p.scratch);
	return status;
}
