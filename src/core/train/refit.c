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

/*
 * The documents that teach a term of the modality, in an order that no earlier term has changed: all approved ones and, if it was a
 * pupil, the weakly labelled ones of the rounds that were kept. all (*n): NULL to count them only.
 */
static xmc_status
find_documents(xmc_trainer *t, xmc_modality modality, const xmc_document **all, int32_t *n)
{
	if (all)
	{
		memcpy(all, t->approved, (size_t) t->n_approved * sizeof *all);
		memcpy(all + t->n_approved, t->held_out.document, (size_t) t->held_out.n_documents * sizeof *all);
	}
	*n = t->n_approved + t->held_out.n_documents;
	for (int32_t d = 0; d < xmc_weakly_taught(t, modality); d++)
	{
		const xmc_document *document = &t->round->weak[modality].document[d];

		XMC_TRY(xmc_check_stop(t->ctx));
		if (!xmc_is_weakly_labelled(document))
			continue;
		if (all)
			all[*n] = document;
		(*n)++;
	}
	return XMC_OK;
}

static xmc_status
fit_terms(xmc_trainer *t, const xmc_document **all)
{
	for (int p = 0; p < XMC_TERMS; p++)
		if (is_fitted_again(t, (xmc_term) p))
		{
			xmc_modality modality = xmc_term_modality((xmc_term) p);

			t->train = all;
			XMC_TRY(find_documents(t, modality, all, &t->n_train));
			if (xmc_weakly_taught(t, modality) > 0)
				t->round->pupil = modality;
			XMC_TRY(xmc_train_term_again(t, (xmc_term) p));
			if (modality != XMC_JOINT)
				xmc_train_scale_term(t->model, (xmc_term) p, t->term_weight[p]);
		}
	return XMC_OK;
}

xmc_status
xmc_train_refit(xmc_trainer *t)
{
	const xmc_document **all;
	int32_t		most = 0;		/* documents of a term */
	xmc_status	status = XMC_OK;

	for (int p = 0; p < XMC_TERMS; p++)
		if (is_fitted_again(t, (xmc_term) p))
		{
			int32_t		n;

			XMC_TRY(find_documents(t, xmc_term_modality((xmc_term) p), NULL, &n));
			t->progress.total += (int64_t) xmc_refit_epochs(t, (xmc_term) p) * n;
			most = n > most ? n : most;
		}
	if (most > 0)
	{
		all = xmc_arena_alloc(&t->run_arena, (size_t) most, sizeof *all);
		XMC_NEED(all, t->ctx);
		XMC_TRY(xmc_model_keep_measured(t->ctx, t->model));
		status = fit_terms(t, all);
		t->train = t->approved;
		t->n_train = t->n_approved;
		xmc_model_share(t->model);
	}
	t->round = NULL;
	return status;
}
