/* penalty.c - see penalty.h */
#include "train/penalty.h"
#include "train/additive_fit.h"
#include "train/choice.h"
#include "train/folds.h"
#include "train/mention_fit.h"
#include "train/text_order.h"
#include "xmcoh/calibrate.h"

/* Fits of a linear term to t->train: of the mention term, or of an additive one. */
typedef struct penalty_path
{
	xmc_mention_fit *mentions;	/* NULL: additive */
	xmc_additive_fit *additive;
} penalty_path;

/* The memory is in t->fit_arena, until the next path begins. */
static xmc_status
begin_path(xmc_trainer *t, xmc_term term, penalty_path *out)
{
	*out = (penalty_path) {0};
	if (term == XMC_TERM_SPARSE)
		XMC_TRY(xmc_train_learn_texts(t));
	xmc_arena_reset(&t->fit_arena);
	if (term == XMC_TERM_MENTIONS)
		return xmc_mention_begin(&t->fit_arena, t->model, t->n_train, t->train, &out->mentions);
	return xmc_additive_begin(&t->fit_arena, t->model, term, t->idf, t->n_train, t->train, &out->additive);
}

static xmc_status
fit_step(xmc_trainer *t, const penalty_path *path, int32_t step, double *loss)
{
	if (path->mentions)
		XMC_TRY(xmc_mention_step(path->mentions, step, loss));
	else
		XMC_TRY(xmc_additive_step(path->additive, step, loss));
	return xmc_train_report_progress(t);
}

xmc_status
xmc_train_fit_penalty(xmc_trainer *t, xmc_term term, int32_t step, double *loss)
{
	penalty_path path;

	if (term == XMC_TERM_SPARSE && t->text_weight[1] > 0)	/* the weights have texts in them, which the fit would take for labels */
		XMC_TRY(xmc_model_renew_term(t->ctx, t->model, term));
	XMC_TRY(begin_path(t, term, &path));
	XMC_TRY(fit_step(t, &path, step, loss));
	xmc_arena_reset(&t->fit_arena);
	if (term == XMC_TERM_SPARSE)
		xmc_train_add_texts(t);
	return XMC_OK;
}

/*
 * The scores of all documents of the folds, each by the fits without its fold, for each penalty: s (penalties, out_of_fold.n).
 * train (n_approved): scratch. *n: the pairs that are scored. Probes teach: what is chosen is for new groups.
 */
static xmc_status
score_folds(xmc_trainer *t, xmc_term term, const xmc_document **train, float *s, int32_t *n)
{
	*n = 0;
	for (int32_t f = 0; f < t->report->folds; f++)
	{
		xmc_labels	fold = xmc_fold_labels(&t->out_of_fold, t->fold_start, f);
		penalty_path path;

		t->n_train = xmc_fold_teaches(t, f, true, train);
		t->train = train;
		XMC_TRY(xmc_model_renew_term(t->ctx, t->model, term));
		XMC_TRY(begin_path(t, term, &path));
		for (int32_t step = 1; step <= xmc_penalties(term); step++)
		{
			double		train_loss;

			XMC_TRY(fit_step(t, &path, step, &train_loss));
			XMC_TRY(xmc_train_score_term(t, &fold, term, s + (int64_t) (step - 1) * t->out_of_fold.n + *n));
		}
		*n += fold.n;
	}
	xmc_arena_reset(&t->fit_arena);
	return xmc_model_renew_term(t->ctx, t->model, term);
}

/*
 * Cross-validation over all approved documents that are not held out, since the held-out ones are too few to choose by. All
 * folds have one scale, as in early stopping.
 */
xmc_status
xmc_train_choose_penalty(xmc_trainer *t, xmc_term term, int32_t *step)
{
	xmc_labels	l = t->out_of_fold;
	const xmc_document **train;
	float	   *s;				/* (penalties, pairs) */
	double	   *document_loss;	/* (n_approved) */
	double		least = 0;

	*step = 0;
	if (t->report->folds == 0 || t->progress.round > 0)
		return XMC_OK;
	train = xmc_arena_alloc(&t->term_arena, (size_t) t->n_approved, sizeof *train);
	s = xmc_arena_zalloc(&t->term_arena, (size_t) l.n * (size_t) xmc_penalties(term), sizeof *s);
	document_loss = xmc_arena_alloc(&t->term_arena, (size_t) t->n_approved, sizeof *document_loss);
	if (!train || !s || !document_loss)
		return xmc_fail(t->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(score_folds(t, term, train, s, &l.n));
	l.n_documents = t->n_approved;	/* the held-out ones come last */
	t->train = t->approved;
	t->n_train = t->n_approved;
	for (int32_t k = 1; k <= xmc_penalties(term); k++)
	{
		const float *x = s + (int64_t) (k - 1) * t->out_of_fold.n;
		double		scale;
		double		loss;
		double		tau;

		XMC_TRY(xmc_calibrate_scale(t->ctx, l.n, x, l.weight, xmc_labels_groups(&l), &scale));
		xmc_labels_evaluate(&l, x, scale, &loss, &tau, document_loss, NULL);
		xmc_train_note_losses(t, term, k, document_loss);
		if (*step == 0 || loss < least)
		{
			*step = k;
			least = loss;
		}
	}
	return term == XMC_TERM_SPARSE ? xmc_train_weigh_texts(t, &l, s + (int64_t) (*step - 1) * t->out_of_fold.n) : XMC_OK;
}
