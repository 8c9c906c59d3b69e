/* refit.c - see refit.h */
#include "train/refit.h"
#include "train/checkpoint.h"
#include "train/term_fit.h"
#include "train/weigh.h"

#include <string.h>

/* Whether a round that was kept has taught the modality. */
static bool
was_pupil(const xmc_train_report *report, xmc_modality modality)
{
	bool		was = false;

	for (int k = 0; k < report->n_rounds; k++)
		was = was || (report->round[k].kept && report->round[k].pupil == modality);
	return was;
}

/* Of a training that is resumed here, what decides is in the checkpoint, which the first term that is not left out loads. */
static bool
is_fitted_again(const xmc_trainer *t, xmc_term term)
{
	if (xmc_is_resuming(t))
		return !xmc_leaves_out(t, xmc_stage(XMC_REFIT, term));
	return t->has_term[term] && t->best_epoch[term] > 0 && !was_pupil(t->report, xmc_term_modality(term));
}

/* Fits the terms on t->train. */
static xmc_status
fit_terms(xmc_trainer *t)
{
	for (int p = 0; p < XMC_TERMS; p++)
		if (is_fitted_again(t, (xmc_term) p))
		{
			XMC_TRY(xmc_train_term_again(t, (xmc_term) p));
			if (xmc_term_modality((xmc_term) p) != XMC_JOINT)
				xmc_train_scale_term(t->model, (xmc_term) p, t->term_weight[p]);
		}
	return XMC_OK;
}

xmc_status
xmc_train_refit(xmc_trainer *t)
{
	int32_t		n_held_out = t->held_out.n_documents;
	const xmc_document **all = xmc_arena_alloc(&t->run_arena, (size_t) (t->n_approved + n_held_out), sizeof *all);
	bool		any = false;
	xmc_status	status;

	XMC_NEED(all, t->ctx);
	for (int p = 0; p < XMC_TERMS; p++)
		if (is_fitted_again(t, (xmc_term) p))
		{
			t->progress.total += (int64_t) t->best_epoch[p] * (t->n_approved + n_held_out);
			any = true;
		}
	if (!any)
		return XMC_OK;
	XMC_TRY(xmc_model_keep_measured(t->ctx, t->model));
	memcpy(all, t->approved, (size_t) t->n_approved * sizeof *all);
	memcpy(all + t->n_approved, t->held_out.document, (size_t) n_held_out * sizeof *all);
	t->train = all;
	t->n_train = t->n_approved + n_held_out;
	status = fit_terms(t);
	t->train = t->approved;
	t->n_train = t->n_approved;
	xmc_model_share(t->model);
	return status;
}
