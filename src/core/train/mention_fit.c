/* mention_fit.c - see mention_fit.h */
#include "train/mention_fit.h"
#include "network/batch.h"
#include "network/mentions.h"
#include "numeric/dense.h"
#include "numeric/lbfgs.h"
#include "train/additive_fit.h"
#include "xmcoh/text.h"

#include <string.h>

#define CONTEXTS (1 << XMC_CONTEXT_BITS)
#define MAX_STEPS 40			/* of L-BFGS for one penalty */
#define TOLERANCE 1e-4			/* relative: a smaller decrease of the objective moves no order */

typedef struct mention_fit
{
	xmc_ctx    *ctx;
	const xmc_model *model;
	int32_t		n_documents;
	const xmc_document *const *document;	/* (n_documents) */
	double		penalty;
	xmc_mention_links links;
	float	   *weight;			/* (CONTEXTS) */
	float	   *s;				/* (n, n) of the largest document */
	double	   *ds;				/* (n, n) of the largest document */
	double		loss;
} mention_fit;

/* Adds a document's loss to fit->loss, and sets ds above the diagonal. */
static xmc_status
score_pairs(mention_fit *fit, const xmc_document *document)
{
	const xmc_options *options = &fit->model->options;
	int64_t		n = document->n;
	double		total = 0;		/* weight of the pairs that count */
	int64_t		work = 0;

	XMC_TRY(xmc_clear(fit->ctx, fit->ds, (size_t) (n * n) * sizeof *fit->ds));
	for (int pass = 0; pass < 2; pass++)
		for (int32_t p = 0; p < document->n_pairs; p++)
		{
			const xmc_pair *pair = &document->pair[p];
			double		weight;
			double		s;

			XMC_TRY(xmc_spend(fit->ctx, &work, 1));
			if (!xmc_batch_takes(options, XMC_TEXT, document->has[pair->before]) ||
				!xmc_batch_takes(options, XMC_TEXT, document->has[pair->after]))
				continue;
			if (pass == 0)
			{
				total += pair->weight;
				continue;
			}
			weight = pair->weight / total / fit->n_documents;
			s = xmc_mentions_score(n, fit->s, pair->before, pair->after);
			fit->loss += weight * xmc_softplus(-s);
			if (pair->before < pair->after)
				fit->ds[pair->before * n + pair->after] -= weight * xmc_sigmoid(-s);
			else
				fit->ds[pair->after * n + pair->before] += weight * xmc_sigmoid(-s);
		}
	return XMC_OK;
}

/* The objective at v (CONTEXTS), for xmc_lbfgs_minimise. */
static xmc_status
objective(void *arg, const double *v, double *value, double *gradient)
{
	mention_fit *fit = arg;
	double		squares = 0;

	for (int32_t k = 0; k < CONTEXTS; k++)
		fit->weight[k] = (float) v[k];
	memset(gradient, 0, CONTEXTS * sizeof *gradient);
	fit->loss = 0;
	for (int32_t d = 0; d < fit->n_documents; d++)
	{
		XMC_TRY(xmc_check_stop(fit->ctx));
		XMC_TRY(xmc_mentions_link(fit->ctx, fit->model->mention_idf, fit->document[d], &fit->links));
		XMC_TRY(xmc_mentions_forward(fit->ctx, fit->weight, &fit->links, fit->s));
		XMC_TRY(score_pairs(fit, fit->document[d]));
		XMC_TRY(xmc_mentions_backward(fit->ctx, &fit->links, fit->ds, gradient));
	}
	for (int32_t k = 0; k < CONTEXTS; k++)
	{
		gradient[k] += fit->penalty * v[k];
		squares += v[k] * v[k];
	}
	*value = fit->loss + fit->penalty / 2 * squares;
	return XMC_OK;
}

xmc_status
xmc_mention_fit(xmc_arena *arena, xmc_model *model, int32_t n_documents, const xmc_document *const *document, int32_t step,
				double *loss)
{
	mention_fit fit = {.ctx = arena->ctx,.model = model,.n_documents = n_documents,.document = document,
		.penalty = xmc_penalty(step)};
	xmc_lbfgs	lbfgs;
	size_t		items = 0;		/* of the largest document */
	double	   *v = xmc_arena_alloc(arena, CONTEXTS, sizeof *v);
	double		value;

	for (int32_t d = 0; d < n_documents; d++)
		if (items < (size_t) document[d]->n)
			items = (size_t) document[d]->n;
	fit.weight = xmc_arena_alloc(arena, CONTEXTS, sizeof *fit.weight);
	fit.s = xmc_arena_alloc(arena, items * items, sizeof *fit.s);
	fit.ds = xmc_arena_alloc(arena, items * items, sizeof *fit.ds);
	if (!v || !fit.weight || !fit.s || !fit.ds)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_mentions_init(arena, n_documents, document, &fit.links));
	XMC_TRY(xmc_lbfgs_init(arena, CONTEXTS, &lbfgs));
	for (int32_t k = 0; k < CONTEXTS; k++)
		v[k] = model->mentions[k];
	XMC_TRY(xmc_lbfgs_minimise(&lbfgs, objective, &fit, MAX_STEPS, TOLERANCE, v, &value));
	for (int32_t k = 0; k < CONTEXTS; k++)
		model->mentions[k] = (float) v[k];
	*loss = fit.loss;			/* of the last trial, which is the minimum or beside it */
	return XMC_OK;
}
