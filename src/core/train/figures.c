/* figures.c - see figures.h */
#include "train/figures.h"
#include "numeric/dense.h"
#include "train/folds.h"
#include "xmcoh/align.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/order.h"
#include "xmcoh/results.h"
#include "xmcoh/scorer.h"

#include <math.h>

/*
 * The tau of one document by each kind of score, tau[e * tau_stride], and the probabilities of its pairs, p[e * p_stride
 * + pair].
 */
static xmc_status
measure_document(xmc_trainer *t, const xmc_document *document, const xmc_scores *scores, uint64_t seed,
				  double *tau, int64_t tau_stride, double *p, int64_t p_stride)
{
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
	{
		XMC_TRY(xmc_decoded_tau(t->ctx, document, scores->score[e], seed, &tau[e * tau_stride]));
		for (int32_t k = 0; k < document->n_pairs; k++)
		{
			const xmc_pair *pair = &document->pair[k];

			p[e * p_stride + k] = xmc_sigmoid(scores->score[e][(int64_t) pair->before * document->n + pair->after]);
		}
	}
	return XMC_OK;
}

xmc_status
xmc_train_measure_documents(xmc_trainer *t, const xmc_scored_set *set, int32_t first, int32_t pair, const xmc_labels *l,
							double *tau, double *p)
{
	for (int32_t d = first; d < first + set->n; d++)
	{
		const xmc_document *document = l->document[d];
		xmc_scores	scores;
		xmc_status	status;

		XMC_TRY(xmc_train_report_progress(t));
		XMC_TRY(xmc_score_documents(t->ctx, set->scorer, 1, document, &scores));
		status = measure_document(t, document, &scores, (uint64_t) d, tau + d, l->n_documents, p + pair, l->n);
		xmc_scores_free(t->ctx, &scores);
		XMC_TRY(status);
		pair += document->n_pairs;
	}
	return XMC_OK;
}

_Static_assert(XMC_RESULT_KINDS == XMC_REPORTED_SCORE_KINDS, "a result has a tau for each reported kind of score");
_Static_assert(XMC_SCORE_FUSED == XMC_RESULT_KINDS - 1, "the last of them is the fused one");

static void
keep_results(xmc_trainer *t, const xmc_labels *l, const double *tau)
{
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
		for (int32_t d = 0; d < l->n_documents; d++)
			t->result[(int64_t) e * t->n_documents + (l->document[d] - t->document)] = tau[(int64_t) e * l->n_documents + d];
}

xmc_status
xmc_train_sum_up(xmc_trainer *t, const xmc_labels *l, const double *tau, const double *p, xmc_figures *figures)
{
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
	{
		const double *evidence_p = p + (int64_t) e * l->n;
		double		right = 0;
		int32_t		confident = 0;

		XMC_TRY(xmc_labels_interval(t, l, tau + (int64_t) e * l->n_documents, &figures->tau[e]));
		if (l->n_groups < l->n_documents && l->n_groups < XMC_MIN_INTERVAL_GROUPS)
			figures->tau[e].low = figures->tau[e].high = NAN;
		for (int32_t k = 0; k < l->n; k++)
		{
			right += (evidence_p[k] > 0.5) + 0.5 * (evidence_p[k] == 0.5);
			confident += fmax(evidence_p[k], 1 - evidence_p[k]) >= t->options->precision;
		}
		figures->pair_accuracy[e] = right / l->n;
		figures->confident[e] = (double) confident / l->n;
		figures->calibration_error[e] = xmc_calibration_error(l->n, evidence_p, XMC_CALIBRATION_BINS);
	}
	figures->documents = l->n_documents;
	figures->groups = l->n_groups;
	if (figures == &t->report->new_groups)
		keep_results(t, l, tau);
	return XMC_OK;
}

/* Sets figures of the report: tau of the decoded orders of l's documents; the rest from the probabilities of pairs. */
static xmc_status
evaluate(xmc_trainer *t, const xmc_labels *l, xmc_figures *figures)
{
	size_t		kinds = XMC_REPORTED_SCORE_KINDS;
	double	   *tau = xmc_arena_alloc(&t->run_arena, (size_t) l->n_documents * kinds, sizeof(double));	/* (kinds, documents) */
	double	   *p = xmc_arena_alloc(&t->run_arena, (size_t) l->n * kinds, sizeof(double));	/* (kinds, pairs) */
	xmc_scored_set set[XMC_MAX_FOLDS + 1];
	int32_t		n_sets = xmc_scored_sets(t, l, set);
	int32_t		first = 0;
	int32_t		pair = 0;

	if (!tau || !p)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	for (int32_t k = 0; k < n_sets; k++)
	{
		XMC_TRY(xmc_train_measure_documents(t, &set[k], first, pair, l, tau, p));
		for (int32_t d = first; d < first + set[k].n; d++)
			pair += l->document[d]->n_pairs;
		first += set[k].n;
	}
	return xmc_train_sum_up(t, l, tau, p, figures);
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
