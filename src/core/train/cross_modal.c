/* cross_modal.c - see cross_modal.h */
#include "train/cross_modal.h"
#include "align/anchors.h"
#include "numeric/dense.h"
#include "train/align_fit.h"
#include "train/checkpoint.h"
#include "train/folds.h"
#include "train/guidance_fit.h"
#include "xmcoh/scorer.h"

#include <math.h>
#include <string.h>

#define SPARE_APPROVED 2		/* documents of the pool per approved document that the alignment spares */

static xmc_status
report_alignment(void *arg, const xmc_align_progress *progress)
{
	xmc_trainer *t = arg;

	t->progress.epoch = progress->epoch;
	t->progress.epoch_ended = progress->epoch_ended;
	t->progress.train_loss = progress->train_loss;
	t->progress.held_out_loss = progress->held_out_loss;
	t->progress.held_out_tau = NAN;
	t->progress.done += progress->documents;
	return xmc_train_report_progress(t);
}

static xmc_status
alignment_checkpoint(void *arg, xmc_epochs *e)
{
	return xmc_checkpoint_load_or_save(arg, xmc_stage(0, XMC_TERM_ALIGNMENT), e);
}

/*
 * The alignment needs linked items, not approved orders. Where there are folds and enough documents in the pool, the
 * alignment is trained neither on approved documents nor on others of their groups, so that the approved ones can tell
 * how reliable the alignment and the guidance are.
 */
static bool
alignment_spares_approved(const xmc_trainer *t)
{
	return t->out_of_fold.n > 0 && t->n_pool_new >= SPARE_APPROVED * t->n_approved;
}

int32_t
xmc_train_count_alignment_documents(const xmc_trainer *t)
{
	return alignment_spares_approved(t) ? t->n_pool_new : t->n_pool + t->n_approved;
}

/* Those documents, in the order in which they were given; NULL: no memory. */
static const xmc_document **
alignment_documents(xmc_trainer *t)
{
	int32_t		n = xmc_train_count_alignment_documents(t);
	const xmc_document **all = xmc_arena_alloc(&t->run_arena, (size_t) n, sizeof *all);
	bool		spares = alignment_spares_approved(t);
	int32_t		at = 0;

	if (all)
	{
		for (int32_t d = 0; d < t->n_pool; d++)
			if (!spares || !t->pool_is_known[d])
				all[at++] = t->pool[d];
		memcpy(all + at, t->approved, (size_t) (n - at) * sizeof *all);
		xmc_train_sort_documents(n, all);
	}
	return all;
}

xmc_status
xmc_train_fill_anchors(xmc_trainer *t)
{
	const xmc_document **all;

	if (!t->model->has_alignment || t->model->anchors.n > 0 || t->options->align_memory == 0)
		return XMC_OK;
	all = alignment_documents(t);
	XMC_NEED(all, t->ctx);
	return xmc_anchors_fill(t->ctx, t->model, xmc_train_count_alignment_documents(t), all);
}

xmc_status
xmc_train_fit_alignment(xmc_trainer *t)
{
	int32_t		n = xmc_train_count_alignment_documents(t);
	const xmc_labels *validation = alignment_spares_approved(t) ? &t->out_of_fold : &t->held_out;
	int64_t		phase_end = t->progress.done + (int64_t) t->options->epochs * n;
	xmc_align_hooks hooks = {.arg = t,.progress = report_alignment,.checkpoint = alignment_checkpoint};
	const xmc_document **all;

	if (xmc_leaves_out(t, xmc_stage(0, XMC_TERM_ALIGNMENT)))
		return XMC_OK;
	all = alignment_documents(t);
	XMC_NEED(all, t->ctx);
	t->progress.phase = "training alignment";
	t->progress.modality = XMC_IMAGE;
	t->progress.epochs = t->options->epochs;
	XMC_TRY(xmc_align_train(&t->run_arena, t->model, t->grad, n, all, validation->n_documents, validation->document, &hooks,
							&t->report->alignment));
	t->progress.done = phase_end;
	return XMC_OK;
}

/*
 * The heuristic shrinkage of van Houwelingen and le Cessie (1990): max(0, 1 - 1 / chi^2) of the test whether the scale of a
 * calibrated score is 0. The variance of the gradient is taken over whole groups, since the pairs of one group depend on
 * each other. of_group (n_groups) is scratch.
 */
static double
reliability(const xmc_labels *l, const float *score, double *of_group)
{
	double		information = 0;
	double		variance = 0;	/* of the gradient with respect to the scale */

	memset(of_group, 0, (size_t) l->n_groups * sizeof *of_group);
	for (int32_t d = 0, r = 0; d < l->n_documents; d++)
	{
		double		gradient = 0;

		for (int32_t k = 0; k < l->document[d]->n_pairs; k++, r++)
		{
			double		p = xmc_sigmoid(score[r]);

			gradient += l->weight[r] * (1 - p) * score[r];
			information += l->weight[r] * p * (1 - p) * score[r] * score[r];
		}
		of_group[l->group[d]] += gradient;
	}
	for (int32_t g = 0; g < l->n_groups; g++)
		variance += of_group[g] * of_group[g];
	return information > 0 ? fmax(0, 1 - variance / (information * information)) : 0;
}

xmc_status
xmc_train_fit_guidance(xmc_trainer *t)
{
	const xmc_labels *l = alignment_spares_approved(t) && t->n_folds > 0 ? &t->out_of_fold : &t->held_out;
	xmc_scored_set set[XMC_MAX_FOLDS + 1];
	double		reliability_of[XMC_MODALITIES];
	double	   *of_group;

	if (!t->model->has_alignment)
		return XMC_OK;
	of_group = xmc_arena_alloc(&t->run_arena, (size_t) l->n_groups, sizeof *of_group);
	XMC_NEED(of_group, t->ctx);
	for (int m = 0; m < XMC_MODALITIES; m++)
		reliability_of[m] = reliability(l, l->score[m], of_group);
	xmc_calibrate_folds(t, &t->model->calibration);
	XMC_TRY(xmc_train_fill_anchors(t));
	return xmc_guidance_fit(t->ctx, t->model, reliability_of, xmc_scored_sets(t, l, set), set);
}

xmc_status
xmc_train_guided_tau(xmc_trainer *t, xmc_modality modality, double *tau)
{
	static const xmc_guidance_rule inferred = {.inferred = true};
	const xmc_labels *l = &t->held_out;
	int32_t		r = 0;			/* pairs scored, into l->s */
	double		loss;

	*tau = NAN;
	if (!t->model->has_alignment)
		return XMC_OK;
	XMC_TRY(xmc_train_fill_anchors(t));
	for (int32_t first = 0; first < l->n_documents; first += XMC_SCORE_BATCH)
	{
		int32_t		count = l->n_documents - first < XMC_SCORE_BATCH ? l->n_documents - first : XMC_SCORE_BATCH;
		xmc_document batch[XMC_SCORE_BATCH];
		xmc_scores	scores[XMC_SCORE_BATCH];

		for (int32_t d = 0; d < count; d++)
			batch[d] = *l->document[first + d];
		/* Items that hold both are scored as if split, so that the alignment must be inferred. */
		XMC_TRY(xmc_score_documents_by(t->ctx, t->model, &inferred, count, batch, scores));
		for (int32_t d = 0; d < count; d++)
		{
			for (int32_t k = 0; k < batch[d].n_pairs; k++)
			{
				const xmc_pair *pair = &batch[d].pair[k];

				l->s[r++] = scores[d].score[XMC_SCORE_TEXT_GUIDED + modality][(int64_t) pair->before * batch[d].n + pair->after];
			}
			xmc_scores_free(t->ctx, &scores[d]);
		}
	}
	xmc_labels_evaluate(l, l->s, 1, &loss, tau, NULL, NULL);
	return XMC_OK;
}
