/*
 * reliability.c - see reliability.h
 *
 * A document is mistaken at a level if one labelled pair has a score that contradicts the label with at least so many
 * log-odds. Documents are counted and not pairs, because the pairs of one document depend on each other: a process that the
 * model does not know has many wrong pairs at once.
 */
#include "train/reliability.h"
#include "train/cross_modal.h"
#include "train/folds.h"
#include "xmcoh/align.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#define LEVELS 80
#define LEVEL_STEP 0.125		/* log-odds; so the last level is 9.875, a probability of 0.99995 */

_Static_assert(LEVELS * XMC_SCORE_KINDS <= XMC_RELIABILITY_MAX_ROWS, "the table has a row for each level and kind");

/* Sums over documents, of one kind of score; each document with the weight 1 / (counted documents of its group). */
typedef struct tally
{
	int32_t    *size;			/* (groups) counted documents of each group */
	int32_t		groups;			/* with a counted document */
	double		mistaken[LEVELS];	/* weight of the documents with a mistake at the level */
	double		confident[LEVELS];	/* weighted share of the pairs at the level */
	double		right[LEVELS];	/* of these, those in the order of their label */
} tally;

/* How many of the pairs of the document are of items that the kind speaks of, and labelled. item (n): scratch. */
static int32_t
labelled_pairs(const xmc_document *document, xmc_score_kind kind, int32_t *item, int64_t *all)
{
	int64_t		m = xmc_score_kind_items(document, kind, item);
	uint8_t		wanted = kind == XMC_SCORE_FUSED ? 0
		: kind == XMC_SCORE_TEXT || kind == XMC_SCORE_TEXT_GUIDED ? XMC_HAS_TEXT : XMC_HAS_IMAGE;
	int32_t		labelled = 0;

	*all = m * (m - 1) / 2;
	for (int32_t k = 0; k < document->n_pairs; k++)
		labelled += !wanted || ((document->has[document->pair[k].before] & wanted) &&
								(document->has[document->pair[k].after] & wanted));
	return labelled;
}

/*
 * The labelled pairs of a document by which it counts; 0: it does not count. A model of a fold has no alignment, so its
 * scores are not those of the model where an alignment must be inferred.
 */
static int32_t
counted_pairs(const xmc_trainer *t, const xmc_scored_set *set, const xmc_document *document, xmc_score_kind kind, int32_t *item)
{
	int64_t		all;
	int32_t		labelled = labelled_pairs(document, kind, item, &all);

	if (set->scorer != t->model && t->model->has_alignment && xmc_align_is_open(document, false))
		return 0;
	return 2 * (int64_t) labelled >= all ? labelled : 0;
}

static void
add_document(tally *to, const xmc_document *document, const float *s, int32_t pairs, double weight)
{
	int32_t		confident[LEVELS] = {0};	/* pairs whose highest level is this one */
	int32_t		wrong[LEVELS] = {0};
	int32_t		all = 0;
	int32_t		all_wrong = 0;

	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		double		score = s[(int64_t) document->pair[k].before * document->n + document->pair[k].after];
		double		level = (score < 0 ? -score : score) / LEVEL_STEP;
		int32_t		highest = level < LEVELS - 1 ? (int32_t) level : LEVELS - 1;

		if (score == 0)
			continue;
		confident[highest]++;
		wrong[highest] += score < 0;
	}
	for (int32_t l = LEVELS - 1; l >= 0; l--)
	{
		all += confident[l];
		all_wrong += wrong[l];
		to->mistaken[l] += all_wrong > 0 ? weight : 0;
		to->confident[l] += weight * all / pairs;
		to->right[l] += weight * (all - all_wrong) / pairs;
	}
}

/* Adds a batch of documents, from labels->document[first] on. */
static xmc_status
add_batch(xmc_trainer *t, const xmc_labels *l, const xmc_scored_set *set, int32_t first, int32_t count, int32_t *item,
		  tally *kinds)
{
	xmc_document batch[XMC_SCORE_BATCH];
	xmc_scores	scores[XMC_SCORE_BATCH];

	for (int32_t d = 0; d < count; d++)
		batch[d] = *l->document[first + d];
	XMC_TRY(xmc_score_documents(t->ctx, set->scorer, count, batch, scores));
	for (int32_t d = 0; d < count; d++)
	{
		for (int e = 0; e < XMC_SCORE_KINDS; e++)
		{
			int32_t		pairs = counted_pairs(t, set, &batch[d], (xmc_score_kind) e, item);

			if (pairs > 0)
				add_document(&kinds[e], &batch[d], scores[d].score[e], pairs, 1.0 / kinds[e].size[l->group[first + d]]);
		}
		xmc_scores_free(t->ctx, &scores[d]);
	}
	return XMC_OK;
}

/* Counts the documents of each group, then adds them all. */
static xmc_status
add_sets(xmc_trainer *t, const xmc_labels *l, int32_t n_sets, const xmc_scored_set *set, int32_t *item, tally *kinds)
{
	int32_t		at = 0;			/* among all documents of l */

	for (int32_t k = 0; k < n_sets; k++)
		for (int32_t d = 0; d < set[k].n; d++, at++)
		{
			XMC_TRY(xmc_check_stop(t->ctx));
			for (int e = 0; e < XMC_SCORE_KINDS; e++)
				if (counted_pairs(t, &set[k], l->document[at], (xmc_score_kind) e, item) > 0)
					kinds[e].groups += kinds[e].size[l->group[at]]++ == 0;
		}
	at = 0;
	for (int32_t k = 0; k < n_sets; k++)
		for (int32_t left = set[k].n, count; left > 0; left -= count, at += count)
		{
			count = left < XMC_SCORE_BATCH ? left : XMC_SCORE_BATCH;
			XMC_TRY(xmc_train_report_progress(t));
			XMC_TRY(add_batch(t, l, &set[k], at, count, item, kinds));
		}
	return XMC_OK;
}

/* The rows of one kind. From the first level without a mistake on, further levels would say the same. */
static void
put_rows(xmc_score_kind kind, const tally *from, xmc_reliability_table *table)
{
	for (int32_t l = 0; l < LEVELS && from->groups > 0; l++)
	{
		float	   *row = table->row[table->n++];

		row[XMC_RELIABILITY_KIND] = (float) kind;
		row[XMC_RELIABILITY_LEVEL] = (float) (l * LEVEL_STEP);
		row[XMC_RELIABILITY_GROUPS] = (float) from->groups;
		/* Sums of weights such as 1/3 may exceed a whole number by a rounding error. */
		row[XMC_RELIABILITY_MISTAKEN] = (float) (from->mistaken[l] < from->groups ? from->mistaken[l] : from->groups);
		row[XMC_RELIABILITY_CONFIDENT] = (float) (from->confident[l] < from->groups ? from->confident[l] / from->groups : 1);
		row[XMC_RELIABILITY_RIGHT] = (float) (from->confident[l] > 0 ? from->right[l] / from->confident[l] : 0);
		if (row[XMC_RELIABILITY_RIGHT] > 1)
			row[XMC_RELIABILITY_RIGHT] = 1;
		if (from->mistaken[l] == 0)
			break;
	}
}

xmc_status
xmc_train_fit_reliability(xmc_trainer *t)
{
	xmc_labels *l = t->n_folds > 0 ? &t->out_of_fold : &t->held_out;
	xmc_scored_set set[XMC_MAX_FOLDS + 1];
	tally		kinds[XMC_SCORE_KINDS] = {0};
	int32_t		most_items = 0;
	int32_t    *item;

	XMC_TRY(xmc_train_fill_anchors(t));
	xmc_calibrate_folds(t, &t->model->calibration);
	for (int32_t d = 0; d < l->n_documents; d++)
		most_items = l->document[d]->n > most_items ? l->document[d]->n : most_items;
	xmc_arena_reset(&t->term_arena);
	item = xmc_arena_alloc(&t->term_arena, (size_t) most_items, sizeof *item);
	XMC_NEED(item, t->ctx);
	for (int e = 0; e < XMC_SCORE_KINDS; e++)
	{
		kinds[e].size = xmc_arena_zalloc(&t->term_arena, (size_t) l->n_groups, sizeof(int32_t));
		XMC_NEED(kinds[e].size, t->ctx);
	}
	XMC_TRY(add_sets(t, l, xmc_scored_sets(t, l, set), set, item, kinds));
	t->model->reliability.n = 0;
	for (int e = 0; e < XMC_SCORE_KINDS; e++)
		put_rows((xmc_score_kind) e, &kinds[e], &t->model->reliability);
	return XMC_OK;
}
