/* figures.c - see figures.h */
#include "train/figures.h"
#include "numeric/dense.h"
#include "train/folds.h"
#include "xmcoh/align.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/order.h"

#include <math.h>
#include <string.h>

_Static_assert(XMC_RESULT_KINDS == XMC_REPORTED_SCORE_KINDS, "a result has an order for each reported kind of score");
_Static_assert(XMC_SCORE_FUSED == XMC_RESULT_KINDS - 1, "the last of them is the fused one");

xmc_status
xmc_measure_recovered(xmc_ctx *ctx, const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind, uint64_t seed,
					  xmc_recovered *out)
{
	int32_t    *item = xmc_alloc(ctx, 2 * (size_t) document->n, sizeof *item);	/* items (n), then an order of them (n) */
	int32_t    *order;
	xmc_status	status;

	XMC_NEED(item, ctx);
	order = item + document->n;
	out->items = xmc_score_kind_items(document, kind, item);
	status = xmc_order_items(ctx, document->n, scores->score[kind], NULL, &seed, out->items, item, order);
	if (status == XMC_OK)
		status = xmc_measure_by_labels(ctx, document, out->items, order, &out->labelled, &out->quality);
	if (status == XMC_OK)
		out->confidence = fmaxf((float) xmc_order_confidence(document->n, scores->score[kind], NULL, out->items, order),
								XMC_LEAST_CONFIDENCE);
	xmc_release(ctx, item);
	return status;
}

/*
 * The order of the items that a kind of score speaks of, against the labels. *tau is that of an order of all items, where
 * those that the kind does not speak of stand by chance.
 */
static xmc_status
measure_order(xmc_ctx *ctx, const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind, uint64_t seed,
			  xmc_result *out, double *tau)
{
	xmc_recovered found;
	const xmc_order_quality *quality = &found.quality;
	bool		any;

	XMC_TRY(xmc_measure_recovered(ctx, document, scores, kind, seed, &found));
	any = found.labelled > 0;
	out->order[kind] = (xmc_recorded_order) {.items = (float) found.labelled,.matches = (float) quality->matches,
		.neighbours = (float) quality->neighbours,.perfect = any && quality->perfect,
		.tau = any && !isnan(quality->tau) ? (float) quality->tau : XMC_NOT_MEASURED,
		.random_matches = (float) quality->random_matches,.random_perfect = any ? (float) quality->random_perfect : 0};
	if (kind == XMC_SCORE_FUSED)
		out->confidence = found.confidence;
	*tau = quality->tau;
	return found.items == document->n ? XMC_OK : xmc_decoded_tau(ctx, document, scores->score[kind], seed, tau);
}

/* Measures document d of l, whose pairs begin at `pair`. */
static xmc_status
measure_document(xmc_ctx *ctx, const xmc_labels *l, int32_t d, int32_t pair, const xmc_scores *scores, xmc_measures *out)
{
	const xmc_document *document = l->document[d];

	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
	{
		const float *s = scores->score[e];
		float	   *to = out->s + (int64_t) e * l->n + pair;

		for (int32_t k = 0; k < document->n_pairs; k++)
			to[k] = s[(int64_t) document->pair[k].before * document->n + document->pair[k].after];
		XMC_TRY(measure_order(ctx, document, scores, (xmc_score_kind) e, (uint64_t) d, &out->result[d],
							  &out->tau[(int64_t) e * l->n_documents + d]));
	}
	return XMC_OK;
}

xmc_status
xmc_train_new_measures(xmc_trainer *t, const xmc_labels *l, xmc_measures *out)
{
	size_t		kinds = XMC_REPORTED_SCORE_KINDS;

	out->tau = xmc_arena_zalloc(&t->run_arena, kinds * (size_t) l->n_documents, sizeof *out->tau);
	out->s = xmc_arena_zalloc(&t->run_arena, kinds * (size_t) l->n, sizeof *out->s);
	out->result = xmc_arena_zalloc(&t->run_arena, (size_t) l->n_documents, sizeof *out->result);
	return out->tau && out->s && out->result ? XMC_OK : xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
}

xmc_status
xmc_train_measure_documents(xmc_trainer *t, const xmc_scored_set *set, int32_t first, int32_t pair, const xmc_labels *l,
							xmc_measures *out)
{
	for (int32_t d = first; d < first + set->n; d++)
	{
		xmc_scores	scores;
		xmc_status	status;

		XMC_TRY(xmc_train_report_progress(t));
		XMC_TRY(xmc_score_documents(t->ctx, set->scorer, 1, l->document[d], &scores));
		status = measure_document(t->ctx, l, d, pair, &scores, out);
		xmc_scores_free(t->ctx, &scores);
		XMC_TRY(status);
		pair += l->document[d]->n_pairs;
	}
	return XMC_OK;
}

/* Keeps what was measured of l's documents for the record, by their numbers in the training. */
static xmc_status
keep_results(xmc_trainer *t, const xmc_labels *l, const xmc_measures *measures)
{
	const float *s = measures->s + (int64_t) XMC_SCORE_FUSED * l->n;
	int64_t    *first = xmc_arena_alloc(&t->run_arena, (size_t) t->n_documents, sizeof *first);	/* of each document's pairs */
	int64_t		pairs = 0;

	XMC_NEED(first, t->ctx);
	for (int32_t d = 0; d < t->n_documents; d++)
	{
		first[d] = pairs;
		pairs += t->document[d].n_pairs;
	}
	for (int32_t d = 0; d < l->n_documents; d++)
	{
		int32_t		number = (int32_t) (l->document[d] - t->document);

		t->result[number] = measures->result[d];
		memcpy(t->log_odds + first[number], s, (size_t) l->document[d]->n_pairs * sizeof *s);
		s += l->document[d]->n_pairs;
	}
	return XMC_OK;
}

xmc_status
xmc_train_sum_up(xmc_trainer *t, const xmc_labels *l, const xmc_measures *measures, xmc_figures *figures)
{
	double	   *p = xmc_arena_alloc(&t->run_arena, (size_t) l->n, sizeof *p);	/* (n) of the labelled orders of the pairs */

	XMC_NEED(p, t->ctx);
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
	{
		double		right = 0;
		int32_t		confident = 0;

		for (int32_t k = 0; k < l->n; k++)
			p[k] = xmc_sigmoid(measures->s[(int64_t) e * l->n + k]);
		XMC_TRY(xmc_labels_interval(t, l, measures->tau + (int64_t) e * l->n_documents, &figures->tau[e]));
		if (l->n_groups < l->n_documents && l->n_groups < XMC_MIN_INTERVAL_GROUPS)
			figures->tau[e].low = figures->tau[e].high = NAN;
		for (int32_t k = 0; k < l->n; k++)
		{
			right += (p[k] > 0.5) + 0.5 * (p[k] == 0.5);
			confident += fmax(p[k], 1 - p[k]) >= t->options->precision;
		}
		figures->pair_accuracy[e] = right / l->n;
		figures->confident[e] = (double) confident / l->n;
		figures->calibration_error[e] = xmc_calibration_error(l->n, p, XMC_CALIBRATION_BINS);
	}
	figures->documents = l->n_documents;
	figures->groups = l->n_groups;
	return figures == &t->report->new_groups ? keep_results(t, l, measures) : XMC_OK;
}

/* Sets figures of the report: tau of the decoded orders of l's documents; the rest from the probabilities of pairs. */
static xmc_status
evaluate(xmc_trainer *t, const xmc_labels *l, xmc_figures *figures)
{
	xmc_measures measures;
	xmc_scored_set set[XMC_MAX_FOLDS + 1];
	int32_t		n_sets = xmc_scored_sets(t, l, set);
	int32_t		first = 0;
	int32_t		pair = 0;

	XMC_TRY(xmc_train_new_measures(t, l, &measures));
	for (int32_t k = 0; k < n_sets; k++)
	{
		XMC_TRY(xmc_train_measure_documents(t, &set[k], first, pair, l, &measures));
		for (int32_t d = first; d < first + set[k].n; d++)
			pair += l->document[d]->n_pairs;
		first += set[k].n;
	}
	return xmc_train_sum_up(t, l, &measures, figures);
}

xmc_status
xmc_train_cross_fitted_figures(xmc_trainer *t)
{
	for (int32_t d = 0; d < t->out_of_fold.n_documents; d++)
		if (xmc_align_is_open(t->out_of_fold.document[d], false))
			return XMC_OK;
	if (t->probes.n > 0)
	{
		xmc_calibrate_folds(t, &t->model->known);
		XMC_TRY(evaluate(t, &t->probes, &t->report->known_groups));
	}
	xmc_calibrate_folds(t, &t->model->calibration);
	return t->n_folds > 0 && t->evaluation.n_folds == 0 ? evaluate(t, &t->out_of_fold, &t->report->new_groups) : XMC_OK;
}

xmc_status
xmc_train_held_out_figures(xmc_trainer *t)
{
	return t->report->new_groups.documents > 0 || t->evaluation.n_folds > 0 ? XMC_OK : evaluate(t, &t->held_out, &t->report->new_groups);
}
