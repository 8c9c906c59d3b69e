/* text_order.c - see text_order.h */
#include "train/text_order.h"
#include "train/additive_fit.h"
#include "train/weigh.h"

#include <string.h>

#define PENALTY_STEP 12			/* orders of items are predicted alike by any from 9 to 13 */

/* Fits a sparse term to the order of sentences, in t->grad, since t->model may have what a checkpoint contained. */
static xmc_status
fit_sentences(xmc_trainer *t)
{
	size_t		bytes = sizeof(float) << t->options->hash_bits;
	const xmc_document **text;
	xmc_additive_fit *fit;
	double		loss;

	xmc_arena_reset(&t->fit_arena);
	text = xmc_arena_alloc(&t->fit_arena, (size_t) t->hooks.n_texts, sizeof *text);
	XMC_NEED(text, t->ctx);
	for (int32_t k = 0; k < t->hooks.n_texts; k++)
		text[k] = &t->hooks.text[k];
	XMC_TRY(xmc_additive_begin(&t->fit_arena, t->grad, XMC_TERM_SPARSE, t->idf, t->hooks.n_texts, text, &fit));
	XMC_TRY(xmc_additive_step(fit, PENALTY_STEP, &loss));
	t->text_order = xmc_arena_alloc(&t->run_arena, bytes, 1);
	XMC_NEED(t->text_order, t->ctx);
	memcpy(t->text_order, t->grad->sparse, bytes);
	memset(t->grad->sparse, 0, bytes);
	xmc_arena_reset(&t->fit_arena);
	return XMC_OK;
}

xmc_status
xmc_train_learn_texts(xmc_trainer *t)
{
	if (t->idf)
		return XMC_OK;
	t->idf = xmc_arena_alloc(&t->run_arena, (size_t) 1 << t->options->hash_bits, sizeof(float));
	XMC_NEED(t->idf, t->ctx);
	XMC_TRY(xmc_idf(t->ctx, t->options, t->n_documents, t->document, t->idf));
	return t->hooks.n_texts > 0 ? fit_sentences(t) : XMC_OK;
}

/* The scores of l's pairs by what texts teach alone: *s (l->n), in t->term_arena. */
static xmc_status
score_by_texts(xmc_trainer *t, const xmc_labels *l, float **s)
{
	float	   *sparse = t->model->sparse;
	xmc_status	status;

	*s = xmc_arena_alloc(&t->term_arena, (size_t) l->n, sizeof **s);
	XMC_NEED(*s, t->ctx);
	t->model->sparse = t->text_order;
	status = xmc_train_score_term(t, l, XMC_TERM_SPARSE, *s);
	t->model->sparse = sparse;
	return status;
}

/* Adds the scores by texts to those s (n) by labels. */
static void
add_scores(const xmc_trainer *t, int32_t n, const float *by_texts, float *s)
{
	for (int32_t r = 0; r < n && t->text_weight[1] > 0; r++)
		s[r] = (float) (t->text_weight[0] * s[r] + t->text_weight[1] * by_texts[r]);
}

xmc_status
xmc_train_weigh_texts(xmc_trainer *t, const xmc_labels *l, float *s)
{
	const float *score[2] = {s};
	float	   *by_texts;

	t->text_weight[1] = 0;
	if (!t->text_order)
		return XMC_OK;
	XMC_TRY(score_by_texts(t, l, &by_texts));
	score[1] = by_texts;
	XMC_TRY(xmc_train_weigh_scores(t, l, 2, score, t->text_weight));
	add_scores(t, l->n, by_texts, s);
	return XMC_OK;
}

xmc_status
xmc_train_add_text_scores(xmc_trainer *t, const xmc_labels *l, float *s)
{
	float	   *by_texts;

	if (t->text_weight[1] == 0 || l->n == 0)
		return XMC_OK;
	XMC_TRY(score_by_texts(t, l, &by_texts));
	add_scores(t, l->n, by_texts, s);
	return XMC_OK;
}

void
xmc_train_add_texts(xmc_trainer *t)
{
	if (t->text_weight[1] == 0)
		return;
	for (int64_t k = 0; k < INT64_C(1) << t->options->hash_bits; k++)
		t->model->sparse[k] = (float) (t->text_weight[0] * t->model->sparse[k] + t->text_weight[1] * t->text_order[k]);
}
