/* crossfit.c - see crossfit.h */
#include "train/crossfit.h"
#include "network/inputs.h"
#include "train/term_fit.h"

#include "xmcoh/groups.h"
#include "xmcoh/hash.h"

#include <stdlib.h>
#include <string.h>

#define ENOUGH_HELD_OUT 150		/* groups; from here on cross-fitting would change little */
#define LEAST_IN_FOLD 4			/* documents */
#define PROBES_IN 10			/* documents of known groups: a fold takes one of them as a probe */
#define LEAST_OF_GROUP 2		/* documents of a group that teach a fold beside its probes */
#define PROBE_SEED UINT64_C(0x70726f6265000000)

/* A group of approved documents, for sorting. */
typedef struct sized_group
{
	int32_t		number;
	int32_t		size;			/* documents */
} sized_group;

/* Large groups first, then by number. */
static int
compare_sizes(const void *a, const void *b)
{
	const sized_group *x = a;
	const sized_group *y = b;

	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	return (x->number > y->number) - (x->number < y->number);
}

/*
 * Sets fold[d] (n_approved) for each approved document, group by group, so that folds are about equally large: large groups
 * first, each to the fold that has fewest documents so far. Groups of one document are dealt in turn. *n_folds becomes 0 if
 * a fold would be empty, or would leave fewer than LEAST_IN_FOLD documents to train on.
 */
static xmc_status
deal_groups(xmc_trainer *t, int32_t *n_folds, int32_t *fold)
{
	size_t		n = (size_t) t->n_approved;
	int32_t    *number = xmc_arena_alloc(&t->term_arena, n, sizeof *number);
	int32_t    *size = xmc_arena_alloc(&t->term_arena, n, sizeof *size);	/* (groups) */
	int32_t    *fold_of = xmc_arena_alloc(&t->term_arena, n, sizeof *fold_of);	/* (groups) */
	sized_group *sorted = xmc_arena_alloc(&t->term_arena, n, sizeof *sorted);
	int32_t		in_fold[XMC_MAX_FOLDS] = {0};	/* documents */
	int32_t		n_groups;

	if (!number || !size || !fold_of || !sorted)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_number_document_groups(t->ctx, t->n_approved, t->approved, number, &n_groups));
	xmc_group_sizes(t->n_approved, number, n_groups, size);
	for (int32_t g = 0; g < n_groups; g++)
		sorted[g] = (sized_group){g, size[g]};
	qsort(sorted, (size_t) n_groups, sizeof *sorted, compare_sizes);
	for (int32_t g = 0; g < n_groups; g++)
	{
		int32_t		smallest = 0;

		for (int32_t f = 1; f < *n_folds; f++)
			if (in_fold[f] < in_fold[smallest])
				smallest = f;
		in_fold[smallest] += sorted[g].size;
		fold_of[sorted[g].number] = smallest;
	}
	for (int32_t d = 0; d < t->n_approved; d++)
		fold[d] = fold_of[number[d]];
	for (int32_t f = 0; f < *n_folds; f++)
		if (in_fold[f] == 0 || t->n_approved - in_fold[f] < LEAST_IN_FOLD)
			*n_folds = 0;		/* which ends the loop */
	xmc_arena_reset(&t->term_arena);
	return XMC_OK;
}

/*
 * Sets t->probe_fold: the fold that an approved document is a probe of, by a hash of its place among all documents, so that
 * a training that is resumed has the same probes. One in PROBES_IN is a probe of each fold that its group teaches, as long as
 * LEAST_OF_GROUP others of the group teach it. *n: how many there are.
 */
static xmc_status
choose_probes(xmc_trainer *t, int32_t *n)
{
	int32_t		n_folds = t->report->folds;
	size_t		approved = (size_t) t->n_approved;
	int32_t    *number = xmc_arena_alloc(&t->term_arena, approved, sizeof *number);
	int32_t    *size = xmc_arena_alloc(&t->term_arena, approved, sizeof *size);	/* (groups) */
	int32_t    *probes = xmc_arena_zalloc(&t->term_arena, approved * (size_t) n_folds, sizeof *probes);	/* (groups, folds) */
	int32_t		n_groups;

	*n = 0;
	t->probe_fold = xmc_arena_alloc(&t->run_arena, approved, sizeof *t->probe_fold);
	if (!number || !size || !probes || !t->probe_fold)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_number_document_groups(t->ctx, t->n_approved, t->out_of_fold.document, number, &n_groups));
	xmc_group_sizes(t->n_approved, number, n_groups, size);
	for (int32_t f = 0; f < n_folds; f++)
		for (int32_t d = t->fold_start[f]; d < t->fold_start[f + 1]; d++)
		{
			int32_t		place = (int32_t) (t->out_of_fold.document[d] - t->document);
			int32_t		slots = n_folds - 1 > PROBES_IN ? n_folds - 1 : PROBES_IN;
			int32_t		slot = (int32_t) (xmc_hash_bytes((const char *) &place, sizeof place, PROBE_SEED) % (uint64_t) slots);
			int32_t		fold = slot < f ? slot : slot + 1;	/* not its own */
			int32_t    *count = &probes[(int64_t) number[d] * n_folds + fold % n_folds];

			t->probe_fold[d] = -1;
			if (fold >= n_folds || *count >= size[number[d]] - LEAST_OF_GROUP)
				continue;
			t->probe_fold[d] = fold;
			(*count)++;
			(*n)++;
		}
	xmc_arena_reset(&t->term_arena);
	return XMC_OK;
}

/* Lays out t->probes, unless there are too few to tell anything. */
static xmc_status
assign_probes(xmc_trainer *t)
{
	int32_t		n_probes;
	int32_t		n = 0;

	XMC_TRY(choose_probes(t, &n_probes));
	if (n_probes < XMC_MIN_HELD_OUT_DOCUMENTS)
	{
		t->probe_fold = NULL;
		return XMC_OK;
	}
	t->probes.n_documents = n_probes;
	t->probes.document = xmc_arena_alloc(&t->run_arena, (size_t) n_probes, sizeof *t->probes.document);
	XMC_NEED(t->probes.document, t->ctx);
	for (int32_t f = 0; f < t->report->folds; f++)
	{
		t->probe_start[f] = n;
		for (int32_t d = 0; d < t->n_approved; d++)
			if (t->probe_fold[d] == f)
				t->probes.document[n++] = t->out_of_fold.document[d];
	}
	t->probe_start[t->report->folds] = n;
	return xmc_labels_init(t, &t->probes, false);
}

xmc_status
xmc_train_assign_folds(xmc_trainer *t)
{
	int32_t		n_folds = t->options->folds;
	int32_t		n = 0;
	int32_t    *fold;
	const xmc_document **document;

	if (n_folds > t->n_approved / LEAST_IN_FOLD)
		n_folds = t->n_approved / LEAST_IN_FOLD;
	if (n_folds < 2 || t->held_out.n_groups >= ENOUGH_HELD_OUT)
		return XMC_OK;
	fold = xmc_arena_alloc(&t->run_arena, (size_t) t->n_approved, sizeof *fold);
	XMC_NEED(fold, t->ctx);
	XMC_TRY(deal_groups(t, &n_folds, fold));
	if (n_folds == 0)
		return XMC_OK;
	t->report->folds = n_folds;
	t->out_of_fold.n_documents = t->n_approved + t->held_out.n_documents;
	document = t->out_of_fold.document = xmc_arena_alloc(&t->run_arena, (size_t) t->out_of_fold.n_documents, sizeof *document);
	XMC_NEED(document, t->ctx);
	/* In each fold by the order in which the documents were given: a training that is resumed assigns the same. */
	for (int32_t f = 0; f < n_folds; f++)
	{
		t->fold_start[f] = n;
		for (int32_t d = 0; d < t->n_approved; d++)
			if (fold[d] == f)
				document[n++] = t->approved[d];
	}
	t->fold_start[n_folds] = n;
	memcpy(document + n, t->held_out.document, (size_t) t->held_out.n_documents * sizeof *document);
	XMC_TRY(xmc_labels_init(t, &t->out_of_fold, false));
	return assign_probes(t);
}

/* The labels of l from document `first` to before `end`. */
static xmc_labels
part_of(const xmc_labels *l, int32_t first, int32_t end)
{
	return (xmc_labels) {.n_documents = end - first,.document = l->document ? l->document + first : NULL};
}

static int32_t
pairs_of(const xmc_labels *l)
{
	int32_t		pairs = 0;

	for (int32_t d = 0; d < l->n_documents; d++)
		pairs += l->document[d]->n_pairs;
	return pairs;
}

/*
 * Trains t->fold[f] on all assigned documents but those of the fold and its probes, and scores both, whose pairs begin at
 * `pair` and at `probe_pair`.
 */
static xmc_status
train_fold(xmc_trainer *t, int32_t f, int32_t pair, int32_t probe_pair)
{
	xmc_labels	fold = part_of(&t->out_of_fold, t->fold_start[f], t->fold_start[f + 1]);
	xmc_labels	probes = part_of(&t->probes, t->probe_start[f], t->probe_start[f + 1]);
	const xmc_document **train = xmc_arena_alloc(&t->run_arena, (size_t) t->n_approved, sizeof *train);
	int32_t		n = 0;

	XMC_NEED(train, t->ctx);
	for (int32_t d = 0; d < t->n_approved; d++)
		if ((d < t->fold_start[f] || d >= t->fold_start[f + 1]) && (!t->probe_fold || t->probe_fold[d] != f))
			train[n++] = t->out_of_fold.document[d];
	XMC_TRY(xmc_model_new(t->ctx, t->options, t->model->has_bag, &t->fold[f]));
	t->n_folds = f + 1;
	t->model = t->fold[f];
	t->train = train;
	t->n_train = n;
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (t->model->network[m].input_dim > 0)
			XMC_TRY(xmc_inputs_fit(&t->run_arena, t->model, (xmc_modality) m, n, train));
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p])
		{
			XMC_TRY(xmc_train_term_for_epochs(t, (xmc_term) p, t->best_epoch[p]));
			XMC_TRY(xmc_train_score_term(t, &fold, (xmc_term) p, t->out_of_fold.term_s[p] + pair));
			if (probes.n_documents > 0)
				XMC_TRY(xmc_train_score_term(t, &probes, (xmc_term) p, t->probes.term_s[p] + probe_pair));
		}
	return XMC_OK;
}

xmc_status
xmc_train_crossfit(xmc_trainer *t)
{
	int32_t		n_folds = t->report->folds;
	int32_t		pair = 0;
	int32_t		probe_pair = 0;
	xmc_model  *model = t->model;
	xmc_status	status = XMC_OK;

	if (n_folds == 0)
		return XMC_OK;
	t->progress.phase = "cross-fitting";
	for (int p = 0; p < XMC_TERMS; p++)
		t->progress.total += (int64_t) t->best_epoch[p] * (n_folds - 1) * t->n_approved;
	for (int32_t f = 0; f < n_folds && status == XMC_OK; f++)
	{
		xmc_labels	fold = part_of(&t->out_of_fold, t->fold_start[f], t->fold_start[f + 1]);
		xmc_labels	probes = part_of(&t->probes, t->probe_start[f], t->probe_start[f + 1]);

		status = train_fold(t, f, pair, probe_pair);
		pair += pairs_of(&fold);
		probe_pair += pairs_of(&probes);
	}
	t->model = model;
	t->train = t->approved;
	t->n_train = t->n_approved;
	XMC_TRY(status);
	/* The held-out documents have been scored by the model of all: it was not trained on them. */
	for (int p = 0; p < XMC_TERMS; p++)
		memcpy(t->out_of_fold.term_s[p] + pair, t->held_out.term_s[p], (size_t) t->held_out.n * sizeof(float));
	return XMC_OK;
}

void
xmc_train_free_folds(xmc_trainer *t)
{
	while (t->n_folds > 0)
		xmc_model_free(t->ctx, t->fold[--t->n_folds]);
}
