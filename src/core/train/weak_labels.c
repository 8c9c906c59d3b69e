/* weak_labels.c - see weak_labels.h */
#include "train/weak_labels.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#include <math.h>

#define BINS 2000				/* of confidence, from 0.5 to 1 */

/* The round to which the d-th document of the pool is assigned: in turn. */
static int32_t
round_of(const xmc_trainer *t, int32_t d)
{
	return 1 + d % t->options->rounds;
}

int32_t
xmc_weak_labels_assigned(const xmc_trainer *t, const xmc_weak_labels *w, int32_t round)
{
	int32_t		n = 0;

	while (n < w->n && round_of(t, w->from[n]) <= round)
		n++;
	return n;
}

/* How many ordered pairs of items that hold both modalities the pool has. */
static size_t
count_pairs(const xmc_trainer *t)
{
	size_t		pairs = 0;

	for (int32_t d = 0; d < t->n_pool; d++)
	{
		size_t		both = 0;

		for (int32_t i = 0; i < t->pool[d]->n; i++)
			both += xmc_has_both(t->pool[d]->has[i]);
		pairs += both * (both - 1);	/* both >= 2: see xmc_can_be_guided */
	}
	return pairs;
}

xmc_status
xmc_weak_labels_init(xmc_trainer *t, xmc_weak_labels *w)
{
	xmc_pair   *pair = xmc_train_spill_alloc(t, count_pairs(t), sizeof *pair);

	w->document = xmc_arena_alloc(&t->run_arena, (size_t) t->n_pool, sizeof(xmc_document));
	w->from = xmc_arena_alloc(&t->run_arena, (size_t) t->n_pool, sizeof(int32_t));
	if (!pair || !w->document || !w->from)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t round = 1; round <= t->options->rounds; round++)
		for (int32_t d = 0; d < t->n_pool; d++)
			if (round_of(t, d) == round)
			{
				xmc_document *copy = &w->document[w->n];

				XMC_TRY(xmc_check_stop(t->ctx));
				*copy = *t->pool[d];
				copy->pair = pair;
				for (int32_t i = 0; i < copy->n; i++)
					for (int32_t j = i + 1; j < copy->n && xmc_has_both(copy->has[i]); j++)
						if (xmc_has_both(copy->has[j]))
						{
							*pair++ = (xmc_pair){i, j, 0};
							*pair++ = (xmc_pair){j, i, 0};
						}
				copy->n_pairs = (int32_t) (pair - copy->pair);
				w->n_pairs += copy->n_pairs;
				w->from[w->n++] = d;
			}
	return XMC_OK;
}

bool
xmc_is_weakly_labelled(const xmc_document *document)
{
	for (int32_t k = 0; k < document->n_pairs; k++)
		if (document->pair[k].weight > 0)
			return true;
	return false;
}

/*
 * A histogram of the confidence max(p, 1 - p) of unordered pairs: their number and the sum of their confidence in each
 * bin.
 */
typedef struct histogram
{
	int64_t		pairs;
	int64_t		agreeing;		/* pairs that the pupil, as it was, orders like the guide */
	int64_t		count[BINS];
	double		confidence[BINS];
} histogram;

static int
bin_of(double confidence)
{
	int			bin = (int) ((confidence - 0.5) * 2 * BINS);

	return bin < BINS ? bin : BINS - 1;
}

/* Labels one document. guide, own (n, n): raw scores of guide and pupil; scale * guide are the log-odds of the guide. */
static void
label(xmc_document *document, const float *guide, double scale, const float *own, histogram *count)
{
	for (int32_t k = 0; k < document->n_pairs; k += 2)
	{
		xmc_pair   *pair = &document->pair[k];
		int64_t		at = (int64_t) pair->before * document->n + pair->after;
		double		p = xmc_probability(scale * guide[at]);
		int			bin = bin_of(fmax(p, 1 - p));

		pair[0].weight = (float) p;
		pair[1].weight = (float) (1 - p);
		count->pairs++;
		count->agreeing += (p > 0.5) == (own[at] > 0);
		count->count[bin]++;
		count->confidence[bin] += fmax(p, 1 - p);
	}
}

/*
 * Scores up to XMC_SCORE_BATCH documents by the model. sum[d][m] (n, n): its raw scores or, if by_folds, the sum of the raw
 * scores of the models of the folds.
 */
static xmc_status
score_batch(xmc_trainer *t, int32_t n, const xmc_document *document, bool by_folds, xmc_scores *own,
			float *sum[][XMC_MODALITIES])
{
	xmc_status	status = XMC_OK;

	XMC_TRY(xmc_score_documents(t->ctx, t->model, n, document, own));
	xmc_arena_reset(&t->batch_arena);
	for (int32_t d = 0; d < n && status == XMC_OK; d++)
		for (int m = 0; m < XMC_MODALITIES && status == XMC_OK; m++)
		{
			size_t		cells = (size_t) document[d].n * (size_t) document[d].n;

			sum[d][m] = by_folds ? xmc_arena_zalloc(&t->batch_arena, cells, sizeof(float)) : own[d].raw[m];
			if (!sum[d][m])
				status = xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
		}
	for (int32_t f = 0; by_folds && f < t->n_folds && status == XMC_OK; f++)
	{
		xmc_scores	scores[XMC_SCORE_BATCH];

		status = xmc_score_documents(t->ctx, t->fold[f], n, document, scores);
		for (int32_t d = 0; d < n && status == XMC_OK; d++)
		{
			for (int m = 0; m < XMC_MODALITIES; m++)
				for (int64_t k = 0; k < (int64_t) document[d].n * document[d].n; k++)
					sum[d][m][k] += scores[d].raw[m][k];
			xmc_scores_free(t->ctx, &scores[d]);
		}
	}
	if (status != XMC_OK)
		for (int32_t d = 0; d < n; d++)
			xmc_scores_free(t->ctx, &own[d]);
	return status;
}

/*
 * Finds the lowest confidence threshold at which the pairs above it are right often enough (option precision) by two
 * estimates: their mean confidence, and the share of approved pairs above it that the guide orders rightly, scored by
 * models that were not trained on them. Returns the bin of the threshold, BINS if there is none, and sets the figures.
 */
static int
find_threshold(double precision, const xmc_labels *approved, xmc_modality guide, const histogram *count,
			   xmc_weak_figures *figures)
{
	double		right[BINS] = {0};	/* weight of the approved pairs in each bin that are ordered rightly */
	double		all[BINS] = {0};	/* weight of all approved pairs in the bin */
	int64_t		pairs = 0;
	double		confidence = 0;
	double		sum_right = 0;
	double		sum_all = 0;
	int			lowest = BINS;

	for (int32_t r = 0; r < approved->n; r++)
	{
		double		p = xmc_probability(approved->score[guide][r]);
		int			bin = bin_of(fmax(p, 1 - p));

		if (approved->score[guide][r] == 0)	/* an item of the pair lacks the modality */
			continue;
		all[bin] += approved->weight[r];
		right[bin] += (p > 0.5) * approved->weight[r];
	}
	*figures = (xmc_weak_figures){.threshold = 1,.selected_precision = NAN,
		.agreement = count->pairs ? (double) count->agreeing / (double) count->pairs : NAN};
	for (int bin = BINS - 1; bin >= 0; bin--)
	{
		pairs += count->count[bin];
		confidence += count->confidence[bin];
		sum_all += all[bin];
		sum_right += right[bin];
		if (pairs > 0 && confidence >= precision * (double) pairs && sum_all > 0 && sum_right >= precision * sum_all)
		{
			lowest = bin;
			figures->threshold = 0.5 + 0.5 * bin / BINS;
			figures->selected = (double) pairs / (double) count->pairs;
			figures->selected_precision = sum_right / sum_all;
		}
	}
	return lowest;
}

/* Selects pairs; the weights of the others are multiplied by option unselected. */
static xmc_status
select_pairs(const xmc_trainer *t, xmc_weak_labels *w, const xmc_labels *approved, xmc_modality guide, int32_t first,
			 int32_t end, const histogram *count)
{
	int			lowest = find_threshold(t->options->precision, approved, guide, count, &w->figures);

	for (int32_t d = first; d < end && t->options->unselected < 1; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		for (int32_t k = 0; k < w->document[d].n_pairs; k++)
		{
			xmc_pair   *pair = &w->document[d].pair[k];

			if (bin_of(fmax(pair->weight, 1 - pair->weight)) < lowest)
				pair->weight *= (float) t->options->unselected;
		}
	}
	return XMC_OK;
}

xmc_status
xmc_weak_labels_give(xmc_trainer *t, xmc_weak_labels *const w[XMC_MODALITIES], int32_t first, int32_t end,
					 bool by_folds)
{
	histogram  *count = xmc_arena_zalloc(&t->run_arena, XMC_MODALITIES, sizeof *count);
	const xmc_document *document = w[XMC_TEXT] ? w[XMC_TEXT]->document : w[XMC_IMAGE]->document;

	XMC_NEED(count, t->ctx);
	by_folds = by_folds && t->n_folds > 0;
	t->progress.phase = "labelling";
	t->progress.total += end - first;
	for (int32_t at = first; at < end; at += XMC_SCORE_BATCH)
	{
		int32_t		n = end - at < XMC_SCORE_BATCH ? end - at : XMC_SCORE_BATCH;
		xmc_scores	own[XMC_SCORE_BATCH];
		float	   *sum[XMC_SCORE_BATCH][XMC_MODALITIES];

		XMC_TRY(score_batch(t, n, document + at, by_folds, own, sum));
		for (int m = 0; m < XMC_MODALITIES; m++)
			for (int32_t d = 0; d < n && w[m]; d++)
			{
				xmc_modality guide = xmc_guide_of((xmc_modality) m);

				label(&w[m]->document[at + d], sum[d][guide],
					  t->model->calibration.solo[guide] / (by_folds ? t->n_folds : 1), own[d].raw[m], &count[m]);
			}
		for (int32_t d = 0; d < n; d++)
			xmc_scores_free(t->ctx, &own[d]);
		t->progress.done += n;
		XMC_TRY(xmc_train_report_progress(t));
	}
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (w[m])
			XMC_TRY(select_pairs(t, w[m], by_folds ? &t->out_of_fold : &t->held_out, xmc_guide_of((xmc_modality) m), first,
								 end, &count[m]));
	return XMC_OK;
}
