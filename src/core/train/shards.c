/* shards.c - see shards.h */
#include "xmcoh/shards.h"
#include "train/gradient.h"
#include "network/term.h"
#include "xmcoh/scorer.h"
#include "numeric/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 64
#define SUM_VALUES 4096			/* that are added up at a time: their sum is still in the cache when it is squared */

/* ---- the block ---- */

static int32_t
score_items(const xmc_shards_shape *shape)
{
	return (int32_t) ((shape->held_out_documents + shape->score_documents - 1) / shape->score_documents);
}

/* Leads the view's pointers into a block, and gives the block's size. */
static size_t
lay_out(xmc_shards *s, void *block)
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
	PLACE(score_start, score_items(shape));
	PLACE(score, shape->held_out_pairs);
#undef PLACE
	return at - (uintptr_t) block;
}

static xmc_status
new_layout(xmc_arena *arena, const xmc_options *options, bool has_bag, xmc_model **out)
{
	*out = xmc_arena_alloc(arena, 1, sizeof **out);
	XMC_NEED(*out, arena->ctx);
	return xmc_model_layout(arena->ctx, options, has_bag, *out);
}

static xmc_adamw
adamw_of(const xmc_shards *s)
{
	return (xmc_adamw){.n = s->values,.first = s->adamw,.second = s->adamw + s->stride,
		.average = s->adamw + 2 * s->stride};
}

xmc_status
xmc_shards_attach(xmc_arena *arena, xmc_arena *scratch, const xmc_options *options, const xmc_shards_shape *shape,
				  void *block, xmc_shards *out)
{
	*out = (xmc_shards){.shape = *shape,.scratch = scratch};
	XMC_TRY(new_layout(arena, options, shape->has_bag, &out->model));
	XMC_TRY(new_layout(arena, options, shape->has_bag, &out->grad));
	lay_out(out, block);
	xmc_model_lead(out->model, out->parameters);
	return XMC_OK;
}

/* ---- items ---- */

static xmc_status
gradient_item(xmc_shards *s, const xmc_task *task, int32_t item)
{
	const xmc_shard *shard = &task->shard[item];
	int64_t		d_bag_size = s->shape.bag_rows * s->model->options.bag_dim;
	float	   *gradient = s->gradient + (s->shape.shared || item == 0 ? item : 1) * s->stride;
	xmc_random	random;
	xmc_batch	batch;

	xmc_arena_reset(s->scratch);
	xmc_random_seed(&random, shard->seed);
	memset(gradient, 0, (size_t) s->values * sizeof(float));
	xmc_model_lead_term(s->grad, s->shape.term, gradient);
	XMC_TRY(xmc_batch_init(s->scratch, &s->model->options, xmc_term_modality(s->shape.term), shard->n_documents, shard->document,
						   &batch));
	XMC_TRY(xmc_term_gradient(s->scratch, s->model, &batch, s->shape.term, task->divisor, &random, s->grad, NULL,
							  s->d_bag + item * d_bag_size, &s->loss[item]));
	if (!s->shape.shared && item > 0)	/* at once, since the next slice's comes to the same place */
		xmc_add(s->values, gradient, s->gradient);
	return XMC_OK;
}

/* Where a share of the parameters begins; that of the next is its end. */
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

static void
sum_item(xmc_shards *s, int32_t item)
{
	int64_t		end = share_end(s, item);
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

static xmc_status
score_item(xmc_shards *s, const xmc_task *task, int32_t item)
{
	int64_t		first = (int64_t) item * s->shape.score_documents;
	int64_t		left = s->shape.held_out_documents - first;
	int32_t		n = left < s->shape.score_documents ? (int32_t) left : s->shape.score_documents;

	float	   *weights;
	xmc_status	status;

	xmc_arena_reset(s->scratch);
	weights = xmc_model_lead_term(s->model, s->shape.term, adamw_of(s).average);
	status = xmc_term_pair_scores(s->scratch, s->model, s->shape.term, n,
								  task->document + (first - task->first_document), s->score + s->score_start[item]);
	xmc_model_lead_term(s->model, s->shape.term, weights);
	return status;
}

xmc_status
xmc_task_item(xmc_shards *s, const xmc_task *task, int32_t item)
{
	xmc_adamw	adamw;

	switch (task->kind)
	{
		case XMC_TASK_GRADIENT:
			return gradient_item(s, task, item);
		case XMC_TASK_SUM:
			sum_item(s, item);
			return XMC_OK;
		case XMC_TASK_UPDATE:
			adamw = adamw_of(s);
			xmc_adamw_apply(&adamw, &task->update, s->model, s->shape.term, s->gradient, share_start(s, item),
							share_end(s, item));
			return XMC_OK;
		default:
			return score_item(s, task, item);
	}
}

static xmc_status
run(xmc_shards *s, const xmc_task *task)
{
	if (s->workers)
		return s->workers->run(s->workers->arg, s, task);
	for (int32_t item = 0; item < task->items; item++)
		XMC_TRY(xmc_task_item(s, task, item));
	return XMC_OK;
}

/* ---- dealing ---- */

struct xmc_assignment
{
	const xmc_document *document;
	int64_t		work;
	int32_t		place;			/* in the minibatch */
	int32_t		shard;
};

/* The most work first; then as in the minibatch. */
static int
compare_deals(const void *a, const void *b)
{
	const struct xmc_assignment *x = a;
	const struct xmc_assignment *y = b;

	return x->work != y->work ? (x->work > y->work ? -1 : 1) : x->place - y->place;
}

static int
compare_places(const void *a, const void *b)
{
	return ((const struct xmc_assignment *) a)->place - ((const struct xmc_assignment *) b)->place;
}

/* Deals a minibatch to the slices: the most work first, each to the slice with the least so far (Graham 1969). */
static void
deal(xmc_shards *s, int32_t n, const xmc_document *const *document)
{
	int64_t		work[XMC_MAX_SHARDS] = {0};
	int32_t		used = 0;

	for (int32_t d = 0; d < n; d++)
	{
		int64_t		items = document[d]->n;

		/* An item's products outweigh those of its pairs until there are some hundred. */
		s->deal[d] = (struct xmc_assignment){.document = document[d],.work = items * (256 + items),.place = d};
	}
	qsort(s->deal, (size_t) n, sizeof *s->deal, compare_deals);
	for (int32_t d = 0; d < n; d++)
	{
		int32_t		least = 0;

		for (int32_t k = 1; k < s->shape.shards; k++)
			if (work[k] < work[least])
				least = k;
		work[least] += s->deal[d].work;
		s->deal[d].shard = least;
	}
	qsort(s->deal, (size_t) n, sizeof *s->deal, compare_places);
	for (int32_t k = 0; k < s->shape.shards; k++)
	{
		xmc_shard  *shard = &s->shard[k];

		shard->document = s->dealt + used;
		shard->n_documents = 0;
		for (int32_t d = 0; d < n; d++)
			if (s->deal[d].shard == k)
				s->dealt[used++] = s->deal[d].document;
		shard->n_documents = (int32_t) (s->dealt + used - shard->document);
	}
}

/* ---- the process that trains ---- */

static int
compare_sizes(const void *a, const void *b)
{
	return *(const int32_t *) b - *(const int32_t *) a;
}

/* The most items that `most_documents` of these documents can have together. */
static xmc_status
most_items(xmc_arena *scratch, int32_t n, const xmc_document *const *document, int32_t most_documents, int64_t *items)
{
	int32_t    *size;			/* (n) */

	xmc_arena_reset(scratch);
	size = xmc_arena_alloc(scratch, (size_t) n, sizeof(int32_t));
	XMC_NEED(size, scratch->ctx);
	for (int32_t d = 0; d < n; d++)
		size[d] = document[d]->n;
	qsort(size, (size_t) n, sizeof(int32_t), compare_sizes);
	*items = 0;
	for (int32_t d = 0; d < n && d < most_documents; d++)
		*items += size[d];
	return XMC_OK;
}

xmc_status
xmc_shards_begin(xmc_arena *arena, xmc_arena *scratch, const xmc_workers *workers, int32_t shards, xmc_term term,
				 xmc_model *model, int32_t batch_documents, int32_t n_train, const xmc_document *const *train,
				 int32_t n_held_out, const xmc_document *const *held_out, xmc_adamw *adamw, xmc_shards *out)
{
	xmc_shards	s = {.shape = {.term = term,.shards = shards < XMC_MAX_SHARDS ? shards : XMC_MAX_SHARDS,.shared = true,
	.has_bag = model->has_bag,.held_out_documents = n_held_out},.scratch = scratch,.model = model};
	void	   *block = NULL;
	int64_t		at = 0;

	for (int32_t d = 0; d < n_held_out; d++)
		s.shape.held_out_pairs += held_out[d]->n_pairs;
	/* Two items or more for each slice, that nobody waits long for the last one. */
	s.shape.score_documents = n_held_out / (2 * s.shape.shards) + 1;
	if (s.shape.score_documents > XMC_SCORE_BATCH)
		s.shape.score_documents = XMC_SCORE_BATCH;
	if (term == XMC_TERM_TEXT_NETWORK && model->has_bag)
		XMC_TRY(most_items(scratch, n_train, train, batch_documents, &s.shape.bag_rows));
	s.dealt = xmc_arena_alloc(arena, (size_t) batch_documents, sizeof *s.dealt);
	s.deal = xmc_arena_alloc(arena, (size_t) batch_documents, sizeof *s.deal);
	if (!s.dealt || !s.deal)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(new_layout(arena, &model->options, model->has_bag, &s.grad));

	if (workers)
		block = workers->begin(workers->arg, &s.shape, lay_out(&s, NULL), batch_documents, n_train, train, held_out);
	if (block)
		s.workers = workers;
	else
	{
		s.shape.shared = false;
		block = xmc_arena_alloc(arena, lay_out(&s, NULL), 1);
		XMC_NEED(block, arena->ctx);
	}
	lay_out(&s, block);
	for (int32_t d = 0; d < n_held_out; d++)
	{
		if (d % s.shape.score_documents == 0)
			s.score_start[d / s.shape.score_documents] = at;
		at += held_out[d]->n_pairs;
	}
	if (s.shape.shared)
	{
		memcpy(s.parameters, xmc_model_own_block(model), (size_t) model->n_parameters * sizeof(float));
		xmc_model_lead(model, s.parameters);
	}
	memset(s.adamw, 0, 3 * (size_t) s.stride * sizeof(float));
	*adamw = adamw_of(&s);
	*out = s;
	return XMC_OK;
}

void
xmc_shards_end(xmc_shards *s)
{
	if (s->workers)
	{
		float	   *own = xmc_model_own_block(s->model);

		memcpy(own, s->parameters, (size_t) s->model->n_parameters * sizeof(float));
		xmc_model_lead(s->model, own);
		s->workers->end(s->workers->arg);
	}
	*s = (xmc_shards){0};
}

xmc_status
xmc_shards_step(xmc_shards *s, int32_t n_documents, const xmc_document *const *document, xmc_random *random,
				xmc_adamw *adamw, double rate, double weight_decay, xmc_adagrad *bag, double bag_rate, double *loss)
{
	xmc_task	task = {.kind = XMC_TASK_GRADIENT,.items = s->shape.shards,.shard = s->shard,.divisor = n_documents};
	double		squares = 0;

	deal(s, n_documents, document);
	for (int32_t k = 0; k < s->shape.shards; k++)
		s->shard[k].seed = xmc_random_next(random);
	XMC_TRY(run(s, &task));
	task.kind = XMC_TASK_SUM;
	XMC_TRY(run(s, &task));
	*loss = 0;
	for (int32_t k = 0; k < s->shape.shards; k++)
	{
		*loss += s->loss[k];
		squares += s->squares[k];
	}
	task.kind = XMC_TASK_UPDATE;
	if (xmc_adamw_prepare(adamw, sqrt(squares), rate, weight_decay, &task.update))
		XMC_TRY(run(s, &task));
	for (int32_t k = 0; k < s->shape.shards && bag; k++)
	{
		xmc_batch	batch;

		xmc_arena_reset(s->scratch);
		XMC_TRY(xmc_batch_init(s->scratch, &s->model->options, XMC_TEXT, s->shard[k].n_documents, s->shard[k].document, &batch));
		xmc_bag_backward(s->model, &batch, s->d_bag + k * s->shape.bag_rows * s->model->options.bag_dim,
						 s->model->options.bag_dim, bag);
	}
	if (bag)
		xmc_adagrad_step(bag, s->model->bag, bag_rate, 0);
	return XMC_OK;
}

xmc_status
xmc_shards_score(xmc_shards *s, const xmc_document **held_out, float *score)
{
	xmc_task	task = {.kind = XMC_TASK_SCORE,.items = score_items(&s->shape),.document = held_out};

	XMC_TRY(run(s, &task));
	memcpy(score, s->score, (size_t) s->shape.held_out_pairs * sizeof(float));
	return XMC_OK;
}
