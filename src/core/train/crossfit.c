/* crossfit.c - see crossfit.h */
#include "train/crossfit.h"
#include "network/inputs.h"
#include "train/folds.h"
#include "train/term_fit.h"

#include <string.h>

xmc_status
xmc_train_terms_on(xmc_trainer *t, int32_t n, const xmc_document **train, const int32_t *epochs)
{
	const float *mention_idf = t->model->mention_idf;
	xmc_model  *model;

	XMC_TRY(xmc_model_new(t->ctx, t->options, t->model->has_bag, &model));
	model->base_encoder = t->model->base_encoder;
	t->model = model;
	t->n_train = n;
	t->train = train;
	for (int m = 0; m < XMC_MODALITIES; m++)
		if (model->network[m].input_dim > 0)
			XMC_TRY(xmc_inputs_fit(&t->run_arena, model, (xmc_modality) m, n, train));
	if (mention_idf)			/* over all documents: the words that are common need no labels */
		memcpy(model->mention_idf, mention_idf, XMC_MENTION_WORDS * sizeof *mention_idf);
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p])
			XMC_TRY(xmc_train_term_for_epochs(t, (xmc_term) p, epochs[p]));
	return XMC_OK;
}

/*
 * Trains t->fold[f] on the documents that teach it, and scores those of the fold and its probes, whose pairs begin at `pair`
 * and at `probe_pair`.
 */
static xmc_status
train_fold(xmc_trainer *t, int32_t f, const xmc_labels *fold, int32_t pair, const xmc_labels *probes, int32_t probe_pair)
{
	const xmc_document **train = xmc_arena_alloc(&t->run_arena, (size_t) t->n_approved, sizeof *train);
	xmc_model  *model = t->model;
	xmc_status	status;

	XMC_NEED(train, t->ctx);
	status = xmc_train_terms_on(t, xmc_fold_teaches(t, f, false, train), train, t->best_epoch);
	if (t->model != model)
	{
		t->fold[f] = t->model;
		t->n_folds = f + 1;
	}
	XMC_TRY(status);
	for (int p = 0; p < XMC_TERMS; p++)
		if (t->has_term[p])
		{
			XMC_TRY(xmc_train_score_term(t, fold, (xmc_term) p, t->out_of_fold.term_s[p] + pair));
			if (probes->n > 0)
				XMC_TRY(xmc_train_score_term(t, probes, (xmc_term) p, t->probes.term_s[p] + probe_pair));
		}
	return XMC_OK;
}

xmc_status
xmc_train_crossfit(xmc_trainer *t)
{
	int32_t		n_folds = t->report->folds;
	int32_t		pair = 0;
	int32_t		probe_pair = 0;
	xmc_model  *model = t->model;
	xmc_status	status = XMC_OK;

	if (n_folds == 0)
		return XMC_OK;
	t->progress.phase = "cross-fitting";
	for (int p = 0; p < XMC_TERMS; p++)
		t->progress.total += (int64_t) t->best_epoch[p] * (n_folds - 1) * t->n_approved;
	for (int32_t f = 0; f < n_folds && status == XMC_OK; f++)
	{
		xmc_labels	fold = xmc_fold_labels(&t->out_of_fold, t->fold_start, f);
		xmc_labels	probes = xmc_fold_labels(&t->probes, t->probe_start, f);

		status = train_fold(t, f, &fold, pair, &probes, probe_pair);
		pair += fold.n;
		probe_pair += probes.n;
	}
	t->model = model;
	t->train = t->approved;
	t->n_train = t->n_approved;
	XMC_TRY(status);
	/* The held-out documents have been scored by the model of all: it was not trained on them. */
	for (int p = 0; p < XMC_TERMS; p++)
		memcpy(t->out_of_fold.term_s[p] + pair, t->held_out.term_s[p], (size_t) t->held_out.n * sizeof(float));
	return XMC_OK;
}

void
xmc_train_free_folds(xmc_trainer *t)
{
	while (t->n_folds > 0)
		xmc_model_free(t->ctx, t->fold[--t->n_folds]);
}
