/* tuned.c - a fine-tuned encoder, forward and backward over texts; see tuned.h (design section 4, "Fine-tuning") */
#include "text_encoder/tuned.h"
#include "text_encoder/pooling.h"
#include "text_encoder/transformer_backward.h"

#include <string.h>

#define FORWARD_TOKENS 2048		/* taken at a time: about 15 kB each for 384 numbers */
#define LEARNING_TOKENS 512		/* about 160 kB each for 6 layers of 384 numbers; a long text has more, for its attention */

/*
 * What the backward pass needs of the layers takes no more than that, as long as it is more than that of one layer, besides the layers'
 * inputs. The state of other layers is computed once more, one layer at a time (Chen et al. 2016); and that of the last of several
 * parts where it could not stay beside that of another one. A test compiles this file with less.
 */
#ifndef KEPT_BYTES
#define KEPT_BYTES ((int64_t) 160 << 20)
#endif

struct xmc_tuned_pass
{
	xmc_changes changes;
	xmc_transformer transformer;	/* with the changes if it learns, else without */
	xmc_token_batch batch;
	xmc_transformer_learning learning;
	uint64_t	seed;
	int32_t		part;			/* the first text of the part whose state this is */
	int32_t		part_texts;
	bool		is_kept;		/* that state is in the arena when the backward pass begins */
	int32_t    *row_start;		/* (texts + 1) of that part */
	double	   *sum;			/* (dim) scratch */
	xmc_transformer_state state;
};

/* The texts from `first` on that have at most `tokens` tokens together, or one text. */
static int32_t
texts_at_a_time(const xmc_token_batch *batch, int32_t first, int32_t tokens)
{
	int32_t		n = 1;

	while (first + n < batch->n_texts && batch->row_start[first + n + 1] - batch->row_start[first] <= tokens)
		n++;
	return n;
}

static xmc_status
begin_pass(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes, const xmc_token_batch *batch, bool learns,
		   xmc_tuned_pass **out)
{
	xmc_tuned_pass *p = xmc_arena_zalloc(arena, 1, sizeof *p);

	XMC_NEED(p, arena->ctx);
	p->changes = *changes;
	p->batch = *batch;
	p->row_start = xmc_arena_alloc(arena, (size_t) batch->n_texts + 1, sizeof *p->row_start);
	p->sum = xmc_arena_alloc(arena, (size_t) base->settings.shape.dim, sizeof *p->sum);
	if (!p->row_start || !p->sum)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	*out = p;
	p->transformer = *base;
	return learns ? xmc_changes_apply(arena, base, changes, &p->transformer) : XMC_OK;
}

/* The tokens of the present part. */
static xmc_token_batch
part_of(const xmc_tuned_pass *p)
{
	return (xmc_token_batch) {.n_texts = p->part_texts, .row_start = p->row_start, .token = p->batch.token + p->batch.row_start[p->part]};
}

/* The first layer whose state is kept, where that of one takes so many bytes. */
static int32_t
first_kept(const xmc_tuned_pass *p, int64_t bytes)
{
	int64_t		layers = p->transformer.settings.shape.layers;
	int64_t		kept = bytes > 0 ? KEPT_BYTES / bytes : layers;

	return (int32_t) (kept < layers ? layers - kept : 0);
}

/* Whether the state of the present part may stay while that of another one is computed. */
static bool
fits_twice(const xmc_tuned_pass *p, int64_t bytes)
{
	int32_t		first = p->learning.first > p->learning.kept ? p->learning.first : p->learning.kept;

	return 2 * bytes * (p->transformer.settings.shape.layers - first) <= KEPT_BYTES;
}

/* The forward pass of the texts from `first` on, at most so many tokens, which become the present part. */
static xmc_status
part_forward(xmc_arena *arena, xmc_tuned_pass *p, int32_t first, int32_t tokens, bool learns)
{
	xmc_token_batch part;
	int64_t		bytes;

	p->part = first;
	p->part_texts = texts_at_a_time(&p->batch, first, tokens);
	for (int32_t t = 0; t <= p->part_texts; t++)
		p->row_start[t] = p->batch.row_start[first + t] - p->batch.row_start[first];
	part = part_of(p);
	p->learning.seed = p->seed + (uint64_t) first;
	bytes = xmc_transformer_layer_bytes(&p->transformer, &part, p->learning.dropout);
	p->learning.kept = first_kept(p, bytes);
	p->is_kept = p->part_texts == p->batch.n_texts || fits_twice(p, bytes);
	return xmc_transformer_forward(arena, &p->transformer, learns ? NULL : &p->changes, &part, learns ? &p->learning : NULL, &p->state);
}

/* Vectors of all texts; the state of the last part stays in the arena, if it is kept. */
static xmc_status
forward(xmc_arena *arena, xmc_tuned_pass *p, int32_t tokens, bool learns, float *out)
{
	const xmc_text_encoder_shape *shape = &p->transformer.settings.shape;
	xmc_arena_mark mark = xmc_arena_here(arena);

	for (int32_t first = 0; first < p->batch.n_texts; first += p->part_texts)
	{
		xmc_arena_return(arena, mark);
		XMC_TRY(part_forward(arena, p, first, tokens, learns));
		for (int32_t t = 0; t < p->part_texts; t++)
			XMC_TRY(xmc_pool(arena->ctx, shape, p->row_start[t + 1] - p->row_start[t],
							 p->state.output + (int64_t) p->row_start[t] * shape->dim, p->sum,
							 out + (int64_t) (first + t) * shape->dim, NULL));
	}
	if (!p->is_kept)
		xmc_arena_return(arena, mark);
	return XMC_OK;
}

xmc_status
xmc_tuned_vectors(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes, const xmc_token_batch *batch,
				  float *out)
{
	xmc_arena_mark mark = xmc_arena_here(arena);
	xmc_tuned_pass *p = NULL;

	XMC_TRY(begin_pass(arena, base, changes, batch, false, &p));
	XMC_TRY(forward(arena, p, FORWARD_TOKENS, false, out));
	xmc_arena_return(arena, mark);
	return XMC_OK;
}

xmc_status
xmc_tuned_forward(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes, const xmc_token_batch *batch,
				  double dropout, uint64_t seed, float *out, xmc_tuned_pass **pass)
{
	XMC_TRY(begin_pass(arena, base, changes, batch, true, pass));
	(*pass)->learning = (xmc_transformer_learning) {.first = base->settings.shape.layers - changes->n, .dropout = dropout};
	(*pass)->seed = seed;
	return forward(arena, *pass, LEARNING_TOKENS, true, out);
}

/* What takes the gradient of a layer that has an adapter. */
typedef struct receiver
{
	xmc_ctx    *ctx;
	const xmc_tuned_pass *pass;
	float	   *scratch;		/* (rows of the part, rank) */
	const xmc_change *grad;
} receiver;

static xmc_status
take(void *arg, int32_t layer, int64_t rows, const float *input, const float *d_qkv)
{
	const receiver *r = arg;
	const xmc_changes *changes = &r->pass->changes;
	int32_t		k = layer - r->pass->learning.first;

	return xmc_adapter_gradient(r->ctx, r->pass->transformer.settings.shape.dim, changes->rank, &changes->layer[k], rows, input,
								d_qkv, r->scratch, &r->grad[k]);
}

/* The backward pass of the present part, whose gradient by the vectors is d_vector (texts, dim). */
static xmc_status
part_backward(xmc_arena *arena, xmc_tuned_pass *p, const float *d_vector, const xmc_change *grad)
{
	xmc_layer	layer_grad[XMC_ENCODER_MAX_LAYERS] = {0};	/* of layers whose parameters all learn; NULL: is not computed */
	const xmc_text_encoder_shape *shape = &p->transformer.settings.shape;
	xmc_token_batch part = part_of(p);
	int64_t		rows = part.row_start[part.n_texts];
	int64_t		d = shape->dim;
	receiver	r = {.ctx = arena->ctx, .pass = p, .grad = grad};
	const xmc_qkv_taker taker = {.arg = &r, .take = take};
	float	   *y;
	float	   *dx;				/* (rows, d) */

	XMC_ARENA_FLOATS(y, arena, d);
	XMC_ARENA_FLOATS(dx, arena, rows * d);
	XMC_ARENA_FLOATS(r.scratch, arena, rows * p->changes.rank);
	for (int32_t k = 0; k < p->changes.n && p->changes.rank == 0; k++)
		layer_grad[p->learning.first + k] = xmc_layer_at(&p->transformer, p->learning.first + k, grad[k].difference);
	for (int32_t t = 0; t < part.n_texts; t++)
	{
		int64_t		row = part.row_start[t];
		int64_t		length_of_text = part.row_start[t + 1] - row;
		double		length;

		XMC_TRY(xmc_pool(arena->ctx, shape, length_of_text, p->state.output + row * d, p->sum, y, &length));
		xmc_pool_backward(shape, length_of_text, y, length, d_vector + t * d, dx + row * d);
	}
	return xmc_transformer_backward(arena, &p->transformer, &part, &p->learning, &p->state, dx, layer_grad,
									p->changes.rank > 0 ? &taker : NULL);
}

xmc_status
xmc_tuned_backward(xmc_arena *arena, xmc_tuned_pass *p, const float *d_vector, const xmc_change *grad)
{
	int64_t		d = p->transformer.settings.shape.dim;
	int32_t		last = p->part;
	xmc_arena_mark mark = xmc_arena_here(arena);

	if (p->batch.n_texts == 0)
		return XMC_OK;
	if (!p->is_kept)
		XMC_TRY(part_forward(arena, p, last, LEARNING_TOKENS, true));
	XMC_TRY(part_backward(arena, p, d_vector + last * d, grad));
	for (int32_t first = 0; first < last; first += p->part_texts)
	{
		xmc_arena_return(arena, mark);
		XMC_TRY(part_forward(arena, p, first, LEARNING_TOKENS, true));
		XMC_TRY(part_backward(arena, p, d_vector + first * d, grad));
	}
	xmc_arena_return(arena, mark);
	return XMC_OK;
}
