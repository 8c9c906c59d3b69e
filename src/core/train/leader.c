/* leader.c - see leader.h */
#include "train/leader.h"
#include "train/block.h"
#include "train/epochs.h"
#include "network/batch.h"
#include "xmcoh/scorer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Has all items of a task computed. */
static xmc_status
run(xmc_leader *leader, xmc_task *task)
{
	task->uses_changes = leader->view.model->network[XMC_TEXT].uses_changes;
	if (leader->workers)
		return leader->workers->run(leader->workers->arg, &leader->view, task);
	for (int32_t item = 0; item < task->items; item++)
		XMC_TRY(xmc_task_item(&leader->view, task, item));
	return XMC_OK;
}

/* ---- assigning documents to shards ---- */

#define TOKEN_WORK 65536		/* of a text encoder, in the unit of work_of, about */

struct xmc_assignment
{
	const xmc_document *document;
	int64_t		work;
	int32_t		place;			/* in the minibatch */
	int32_t		shard;
};

/* The most work first; then as in the minibatch. */
static int
compare_work(const void *a, const void *b)
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

/* Of a document, in products of an item's vectors with weights, about. */
static int64_t
work_of(const xmc_document *document, bool reads_tokens)
{
	int64_t		items = document->n;
	int64_t		tokens = reads_tokens && document->token_start ? document->token_start[items] : 0;

	/* The products of an item cost more than its pairs, up to some hundred items. */
	return items * (256 + items) + TOKEN_WORK * tokens;
}

/*
 * Divides a minibatch into shards of about equal work: the document with the most work first, each to the shard with the
 * least work so far (Graham 1969).
 */
static void
divide(xmc_leader *leader, int32_t n, const xmc_document *const *document)
{
	struct xmc_assignment *assignment = leader->assignment;
	int32_t		n_shards = leader->view.shape.shards;
	int64_t		work[XMC_MAX_SHARDS] = {0};
	int32_t		used = 0;
	bool		reads_tokens = leader->view.shape.has_changes && leader->view.model->network[XMC_TEXT].uses_changes;

	for (int32_t d = 0; d < n; d++)
		assignment[d] = (struct xmc_assignment){.document = document[d],.work = work_of(document[d], reads_tokens),.place = d};
	qsort(assignment, (size_t) n, sizeof *assignment, compare_work);
	for (int32_t d = 0; d < n; d++)
	{
		int32_t		least = 0;

		for (int32_t k = 1; k < n_shards; k++)
			if (work[k] < work[least])
				least = k;
		work[least] += assignment[d].work;
		assignment[d].shard = least;
	}
	/* Within a shard the documents stand in the order of the minibatch. */
	qsort(assignment, (size_t) n, sizeof *assignment, compare_places);
	for (int32_t k = 0; k < n_shards; k++)
	{
		xmc_shard  *shard = &leader->shard[k];

		shard->document = leader->document + used;
		for (int32_t d = 0; d < n; d++)
			if (assignment[d].shard == k)
				leader->document[used++] = assignment[d].document;
		shard->n_documents = (int32_t) (leader->document + used - shard->document);
	}
}

/* ---- training ---- */

static int
compare_sizes(const void *a, const void *b)
{
	return *(const int32_t *) b - *(const int32_t *) a;
}

/* The most items that any most_documents of these documents have together. */
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

/* Leads the view of the leader into the block of the workers, or into one of its own. */
static xmc_status
find_block(xmc_arena *arena, xmc_leader *leader, const xmc_workers *workers, int32_t batch_documents, int32_t n_train,
		   const xmc_document *const *train, const xmc_document *const *held_out)
{
	xmc_shards *s = &leader->view;
	void	   *block = NULL;

	if (workers)
		block = workers->begin(workers->arg, &s->shape, xmc_shards_lay_out(s, NULL), batch_documents, n_train, train, held_out);
	if (block)
		leader->workers = workers;
	else
	{
		s->shape.shared = false;
		block = xmc_arena_alloc(arena, xmc_shards_lay_out(s, NULL), 1);
		XMC_NEED(block, arena->ctx);
	}
	xmc_shards_lay_out(s, block);
	return XMC_OK;
}

xmc_status
xmc_leader_begin(xmc_arena *arena, xmc_arena *scratch, const xmc_workers *workers, int32_t shards, xmc_term term,
				 xmc_model *model, int32_t batch_documents, int32_t n_train, const xmc_document *const *train,
				 int32_t n_held_out, const xmc_document *const *held_out, xmc_adamw *adamw, xmc_leader *out)
{
	xmc_leader	leader = {.view = {.shape = {.term = term,.shards = shards < XMC_MAX_SHARDS ? shards : XMC_MAX_SHARDS,
		.shared = true,.has_bag = model->has_bag,.has_changes = xmc_has_changes(model, term),.held_out_documents = n_held_out},
		.scratch = scratch,.model = model}};
	xmc_shards *s = &leader.view;
	int64_t		at = 0;

	for (int32_t d = 0; d < n_held_out; d++)
		s->shape.held_out_pairs += held_out[d]->n_pairs;
	/* At least two items per shard, so that no process waits long for the last item. */
	s->shape.score_documents = n_held_out / (2 * s->shape.shards) + 1;
	if (s->shape.score_documents > XMC_SCORE_BATCH)
		s->shape.score_documents = XMC_SCORE_BATCH;
	if (term == XMC_TERM_TEXT_NETWORK && model->has_bag)
		XMC_TRY(most_items(scratch, n_train, train, batch_documents, &s->shape.bag_rows));
	leader.document = xmc_arena_alloc(arena, (size_t) batch_documents, sizeof *leader.document);
	leader.assignment = xmc_arena_alloc(arena, (size_t) batch_documents, sizeof *leader.assignment);
	if (!leader.document || !leader.assignment)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_shards_new_layout(arena, &model->options, model->has_bag, &s->grad));
	XMC_TRY(find_block(arena, &leader, workers, batch_documents, n_train, train, held_out));
	for (int32_t d = 0; d < n_held_out; d++)
	{
		if (d % s->shape.score_documents == 0)
			s->score_start[d / s->shape.score_documents] = at;
		at += held_out[d]->n_pairs;
	}
	if (s->shape.shared)
	{
		memcpy(s->parameters, xmc_model_own_block(model), (size_t) model->n_parameters * sizeof(float));
		xmc_model_lead(model, s->parameters);
	}
	memset(s->adamw, 0, 3 * (size_t) s->stride * sizeof(float));
	*adamw = xmc_shards_adamw(s);
	*out = leader;
	return XMC_OK;
}

void
xmc_leader_end(xmc_leader *leader)
{
	xmc_shards *s = &leader->view;

	if (leader->workers)
	{
		float	   *own = xmc_model_own_block(s->model);

		memcpy(own, s->parameters, (size_t) s->model->n_parameters * sizeof(float));
		xmc_model_lead(s->model, own);
		leader->workers->end(leader->workers->arg);
	}
	*leader = (xmc_leader){0};
}

xmc_status
xmc_leader_step(xmc_leader *leader, int32_t n_documents, const xmc_document *const *document, xmc_random *random,
				xmc_adamw *adamw, double rate, double weight_decay, xmc_adagrad *bag, double bag_rate, double *loss)
{
	xmc_shards *s = &leader->view;
	int32_t		bag_dim = s->model->options.bag_dim;
	xmc_task	task = {.kind = XMC_TASK_GRADIENT,.items = s->shape.shards,.shard = leader->shard,.divisor = n_documents};
	double		squares = 0;

	divide(leader, n_documents, document);
	for (int32_t k = 0; k < s->shape.shards; k++)
		leader->shard[k].seed = xmc_random_next(random);
	XMC_TRY(run(leader, &task));
	task.kind = XMC_TASK_SUM;
	XMC_TRY(run(leader, &task));
	*loss = 0;
	for (int32_t k = 0; k < s->shape.shards; k++)
	{
		*loss += s->loss[k];
		squares += s->squares[k];
	}
	/* The squared norm of the gradient is known now: clipping and update. */
	task.kind = XMC_TASK_UPDATE;
	if (xmc_adamw_prepare(adamw, sqrt(squares), rate, weight_decay, &task.update))
		XMC_TRY(run(leader, &task));
	for (int32_t k = 0; k < s->shape.shards && bag; k++)
	{
		xmc_batch	batch;

		xmc_arena_reset(s->scratch);
		XMC_TRY(xmc_batch_init(s->scratch, &s->model->options, XMC_TEXT, leader->shard[k].n_documents, leader->shard[k].document,
							   &batch));
		xmc_bag_backward(s->model, &batch, s->d_bag + k * s->shape.bag_rows * bag_dim, bag_dim, bag);
	}
	if (bag)
		xmc_adagrad_step(bag, s->model->bag, bag_rate);
	return XMC_OK;
}

xmc_status
xmc_leader_score(xmc_leader *leader, const xmc_document **held_out, float *score)
{
	xmc_task	task = {.kind = XMC_TASK_SCORE,.items = xmc_shards_score_items(&leader->view.shape),.document = held_out};

	XMC_TRY(run(leader, &task));
	memcpy(score, leader->view.score, (size_t) leader->view.shape.held_out_pairs * sizeof(float));
	return XMC_OK;
}
