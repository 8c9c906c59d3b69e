/* folds.c - see folds.h */
#include "train/folds.h"

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

xmc_status
xmc_deal_groups(xmc_trainer *t, int32_t n_documents, const xmc_document *const *document, int32_t *n_folds, int32_t *fold)
{
	size_t		n = (size_t) n_documents;
	int32_t    *number = xmc_arena_alloc(&t->term_arena, n, sizeof *number);
	int32_t    *size = xmc_arena_alloc(&t->term_arena, n, sizeof *size);	/* (groups) */
	int32_t    *fold_of = xmc_arena_alloc(&t->term_arena, n, sizeof *fold_of);	/* (groups) */
	sized_group *sorted = xmc_arena_alloc(&t->term_arena, n, sizeof *sorted);
	int32_t		in_fold[XMC_MAX_FOLDS] = {0};	/* documents */
	int32_t		n_groups;

	if (!number || !size || !fold_of || !sorted)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_number_document_groups(t->ctx, n_documents, document, number, &n_groups));
	xmc_group_sizes(n_documents, number, n_groups, size);
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
	for (int32_t d = 0; d < n_documents; d++)
		fold[d] = fold_of[number[d]];
	for (int32_t f = 0; f < *n_folds; f++)
		if (in_fold[f] == 0 || n_documents - in_fold[f] < LEAST_IN_FOLD)
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
	XMC_TRY(xmc_deal_groups(t, t->n_approved, t->approved, &n_folds, fold));
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

/* ---- who learns and who is scored ---- */

int32_t
xmc_fold_teaches(const xmc_trainer *t, int32_t f, bool probes, const xmc_document **train)
{
	int32_t		n = 0;

	for (int32_t d = 0; d < t->n_approved; d++)
	{
		bool		is_left_out = d >= t->fold_start[f] && d < t->fold_start[f + 1];
		bool		is_probe = t->probe_fold && t->probe_fold[d] == f;

		if (!is_left_out && (probes || !is_probe))
			train[n++] = t->out_of_fold.document[d];
	}
	return n;
}

xmc_labels
xmc_fold_labels(const xmc_labels *l, const int32_t *start, int32_t f)
{
	xmc_labels	part = {.n_documents = start[f + 1] - start[f]};

	if (part.n_documents > 0)
		part.document = l->document + start[f];
	for (int32_t d = 0; d < part.n_documents; d++)
		part.n += part.document[d]->n_pairs;
	return part;
}

int32_t
xmc_scored_sets(const xmc_trainer *t, const xmc_labels *l, xmc_scored_set set[XMC_MAX_FOLDS + 1])
{
	const int32_t *start = l == &t->probes ? t->probe_start : t->fold_start;
	int32_t		n = 0;
	int32_t		first = 0;

	for (int32_t f = 0; f < t->n_folds && l != &t->held_out; f++)
	{
		set[n++] = (xmc_scored_set){t->fold[f], start[f + 1] - start[f], l->document + start[f]};
		first = start[f + 1];
	}
	if (first < l->n_documents)
		set[n++] = (xmc_scored_set){t->model, l->n_documents - first, l->document + first};
	return n;
}

void
xmc_calibrate_folds(xmc_trainer *t, const xmc_calibration *calibration)
{
	for (int32_t f = 0; f < t->n_folds; f++)
		t->fold[f]->calibration = *calibration;
}
