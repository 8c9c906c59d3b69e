/* refit.c - see refit.h */
#include "train/refit.h"
#include "train/checkpoint.h"
#include "train/term_fit.h"
#include "train/weak_labels.h"
#include "train/weigh.h"

#include <string.h>

/* Of a training that is resumed here, what decides is in the checkpoint, which the first term that is not left out loads. */
static bool
is_fitted_again(const xmc_trainer *t, xmc_term term)
{
	if (xmc_is_resuming(t))
		return !xmc_leaves_out(t, xmc_stage(XMC_REFIT, term));
	return t->has_term[term] && xmc_refit_epochs(t, term) > 0;
}

/* How many weakly labelled documents have taught the modality in rounds that were kept, the first ones of its weak labels. */
static int32_t
weakly_taught(const xmc_trainer *t, xmc_modality modality)
{
	return t->round && modality != XMC_JOINT ? t->round->taught[modality] : 0;
}

/*
 * Sets t->train, in an order that no earlier term has changed, to what teaches a term of the modality: all approved documents and,
 * if it was a pupil, the weakly labelled ones.
 */
static xmc_status
choose_documents(xmc_trainer *t, xmc_modality modality, const xmc_document **all)
{
	int32_t		n_weak = weakly_taught(t, modality);

	memcpy(all, t->approved, (size_t) t->n_approved * sizeof *all);
	memcpy(all + t->n_approved, t->held_out.document, (size_t) t->held_out.n_documents * sizeof *all);
	t->train = all;
	t->n_train = t->n_approved + t->held_out.n_documents;
	if (n_weak > 0)
		t->round->pupil = modality;
	for (int32_t d = 0; d < n_weak; d++)
	{
		XMC_TRY(xmc_check_stop(t->ctx));
		if (xmc_is_weakly_labelled(&t->round->weak[modality].document[d]))
			all[t->n_train++] = &t->round->weak[modality].document[d];
	}
	return XMC_OK;
}

static xmc_status
fit_terms(xmc_trainer *t, const xmc_document **all)
{
	for (int p = 0; p < XMC_TERMS; p++)
		if (is_fitted_again(t, (xmc_term) p))
		{
			XMC_TRY(choose_documents(t, xmc_term_modality((xmc_term) p), all));
			XMC_TRY(xmc_train_term_again(t, (xmc_term) p));
			if (xmc_term_modality((xmc_term) p) != XMC_JOINT)
				xmc_train_scale_term(t->model, (xmc_term) p, t->term_weight[p]);
		}
	return XMC_OK;
}

xmc_status
xmc_train_refit(xmc_trainer *t)
{
	int32_t		n_approved = t->n_approved + t->held_out.n_documents;
	int32_t		n_text = weakly_taught(t, XMC_TEXT);
	int32_t		n_image = weakly_taught(t, XMC_IMAGE);
	const xmc_document **all = xmc_arena_alloc(&t->run_arena, (size_t) n_approved + (size_t) (n_text > n_image ? n_text : n_image),
											   sizeof *all);
	bool		any = false;
	xmc_status	status = XMC_OK;

	XMC_NEED(all, t->ctx);
	for (int p = 0; p < XMC_TERMS; p++)
		if (is_fitted_again(t, (xmc_term) p))
		{
			t->progress.total += (int64_t) xmc_refit_epochs(t, (xmc_term) p) *
				(n_approved + weakly_taught(t, xmc_term_modality((xmc_term) p)));
			any = true;
		}
	if (any)
	{
		XMC_TRY(xmc_model_keep_measured(t->ctx, t->model));
		status = fit_terms(t, all);
		t->train = t->approved;
		t->n_train = t->n_approved;
		xmc_model_share(t->model);
	}
	t->round = NULL;
	return status;
}
