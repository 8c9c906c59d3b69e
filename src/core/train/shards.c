/* shards.c - see shards.h, block.h */
#include "xmcoh/shards.h"
#include "network/term.h"
#include "numeric/vector.h"
#include "train/block.h"
#include "train/gradient.h"

#include <string.h>

#define ALIGN 64
#define SUM_VALUES 4096			/* added up at a time: their sum is still in the cache when it is squared */

/* ---- the block ---- */

int32_t
xmc_shards_score_items(const xmc_shards_shape *shape)
{
	return (int32_t) ((shape->held_out_documents + shape->score_documents - 1) / shape->score_documents);
}

size_t
xmc_shards_lay_out(xmc_shards *s, void *block)
{
	const xmc_shards_shape *shape = &s->shape;
	int64_t		shards = shape->shards;
	uintptr_t	at = (uintptr_t) block;

	s->values = xmc_model_term_values(s->model, shape->term);
	s->stride = (s->values + ALIGN - 1) & ~(int64_t) (ALIGN - 1);
#define PLACE(member, count) \
	do { \
		s->member = (void *) at; \
		at += ((size_t) (count) * sizeof *s->member + ALIGN - 1) & ~(size_t) (ALIGN - 1); \
	} while (0)
	PLACE(parameters, shape->shared ? s->model->n_parameters : 0);
	PLACE(gradient, (shape->shared ? shards : 2) * s->stride);
	PLACE(adamw, 3 * s->stride);
	PLACE(loss, shards);
	PLACE(squares, shards);
	PLACE(d_bag, shards * shape->bag_rows * s->model->options.bag_dim);
	PLACE(score_start, xmc_shards_score_items(shape));
	PLACE(score, shape->held_out_pairs);
#undef PLACE
	return at - (uintptr_t) block;
}

xmc_status
xmc_shards_new_layout(xmc_arena *arena, const xmc_options *options, bool has_bag, xmc_model **out)
{
	*out = xmc_arena_alloc(arena, 1, sizeof **out);
	XMC_NEED(*out, arena->ctx);
	return xmc_model_layout(arena->ctx, options, has_bag, *out);
}

xmc_adamw
xmc_shards_adamw(const xmc_shards *s)
{
	return (xmc_adamw){.n = s->values,.first = s->adamw,.second = s->adamw + s->stride,
		.average = s->adamw + 2 * s->stride};
}

xmc_status
xmc_shards_attach(xmc_arena *arena, xmc_arena *scratch, const xmc_options *options, const xmc_shards_shape *shape,
				  void *block, const struct xmc_transformer *encoder, xmc_shards *out)
{
	*out = (xmc_shards){.shape = *shape,.scratch = scratch};
	XMC_TRY(xmc_shards_new_layout(arena, options, shape->has_bag, &out->model));
	XMC_TRY(xmc_shards_new_layout(arena, options, shape->has_bag, &out->grad));
	xmc_shards_lay_out(out, block);
	xmc_model_lead(out->model, out->parameters);
	out->model->base_encoder = encoder;
	return XMC_OK;
}

/* ---- items ---- */

/* The gradient of the loss of one shard. */
static xmc_status
gradient_item(xmc_shards *s, const xmc_task *task, int32_t item)
{
	const xmc_shard *shard = &task->shard[item];
	int64_t		d_bag_size = s->shape.bag_rows * s->model->options.bag_dim;
	float	   *gradient = s->gradient + (s->shape.shared || item == 0 ? item : 1) * s->stride;
	int64_t		values = xmc_model_learning_values(s->model, s->shape.term);
	xmc_random	random;
	xmc_batch	batch;

	xmc_arena_reset(s->scratch);
	xmc_random_seed(&random, shard->seed);
	memset(gradient, 0, (size_t) values * sizeof(float));
	xmc_model_lead_term(s->grad, s->shape.term, gradient);
	XMC_TRY(xmc_batch_init(s->scratch, &s->model->options, xmc_term_modality(s->shape.term), shard->n_documents, shard->document,
						   &batch));
	XMC_TRY(xmc_term_gradient(s->scratch, s->model, &batch, s->shape.term, task->divisor, &random, s->grad, NULL,
							  s->d_bag + item * d_bag_size, &s->loss[item]));
	/* Without workers there are two gradients: the sum so far, and that of the present shard. */
	if (!s->shape.shared && item > 0)
		xmc_add(values, gradient, s->gradient);
	return XMC_OK;
}

/* The start of a share of the parameters. */
static int64_t
share_start(const xmc_shards *s, int32_t share)
{
	return s->stride / ALIGN * share / s->shape.shards * ALIGN;
}

static int64_t
share_end(const xmc_shards *s, int32_t share)
{
	return share + 1 < s->shape.shards ? share_start(s, share + 1) : s->values;
}

/* The sum of the gradients over one share of the parameters, and its square. */
static void
sum_item(xmc_shards *s, int32_t item)
{
	int64_t		values = xmc_model_learning_values(s->model, s->shape.term);
	int64_t		end = share_end(s, item) < values ? share_end(s, item) : values;
	double		squares = 0;

	for (int64_t first = share_start(s, item); first < end; first += SUM_VALUES)
	{
		int64_t		n = end - first < SUM_VALUES ? end - first : SUM_VALUES;
		float	   *sum = s->gradient + first;

		for (int32_t k = 1; k < s->shape.shards && s->shape.shared; k++)
			xmc_add(n, sum + k * s->stride, sum);
		squares += xmc_dot(n, sum, sum);
	}
	s->squares[item] = squares;
}

/* The scores of the pairs of some held-out documents. */
static xmc_status
score_item(xmc_shards *s, const xmc_task *task, int32_t item)
{
	int64_t		first = (int64_t) item * s->shape.score_documents;
	int64_t		left = s->shape.held_out_documents - first;
	int32_t		n = left < s->shape.score_documents ? (int32_t) left : s->shape.score_documents;
	float	   *weights;
	xmc_status	status;

	xmc_arena_reset(s->scratch);
	/* By the running average of the weights. */
	weights = xmc_model_lead_term(s->model, s->shape.term, xmc_shards_adamw(s).average);
	status = xmc_term_pair_scores(s->scratch, s->model, s->shape.term, n,
								  task->document + (first - task->first_document), s->score + s->score_start[item]);
	xmc_model_lead_term(s->model, s->shape.term, weights);
	return status;
}

xmc_status
xmc_task_item(xmc_shards *s, const xmc_task *task, int32_t item)
{
	xmc_adamw	adamw;

	s->model->network[XMC_TEXT].uses_changes = task->uses_changes;
	switch (task->kind)
	{
		case XMC_TASK_GRADIENT:
			return gradient_item(s, task, item);
		case XMC_TASK_SUM:
			sum_item(s, item);
			return XMC_OK;
		case XMC_TASK_UPDATE:
			adamw = xmc_shards_adamw(s);
			xmc_adamw_apply(&adamw, &task->update, s->model, s->shape.term, s->gradient, share_start(s, item),
							share_end(s, item));
			return XMC_OK;
		default:
			return score_item(s, task, item);
	}
}
