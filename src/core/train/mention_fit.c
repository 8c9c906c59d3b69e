/* mention_fit.c - see mention_fit.h */
#include "train/mention_fit.h"
#include "network/batch.h"
#include "network/mentions.h"
#include "numeric/dense.h"
#include "numeric/lbfgs.h"
#include "train/additive_fit.h"

#include <string.h>

#define STRONGER_PENALTIES 4	/* of xmc_penalty that would teach this term nothing */
#define KEPT_CELLS 8388608		/* of links that are kept from one evaluation to the next, 4 to 20 bytes each */
#define MAX_STEPS 40			/* of L-BFGS for one penalty */
#define TOLERANCE 1e-4			/* relative: a smaller decrease of the objective moves no order */

struct xmc_mention_fit
{
	xmc_ctx    *ctx;
	xmc_model  *model;
	int32_t		n_documents;
	const xmc_document *const *document;	/* (n_documents) */
	double	   *pair_weight;	/* (n_documents) xmc_batch_pair_weight */
	double		penalty;
	xmc_mention_links links;	/* of a document whose links are not kept */
	int32_t		n_kept;
	xmc_mention_links *kept;	/* (n_kept) of the first documents */
	float	   *weight;			/* (XMC_CONTEXTS) */
	float	   *s;				/* (n, n) of the largest document */
	double	   *ds;				/* (n, n) of the largest document */
	double		loss;
	xmc_lbfgs	lbfgs;
	double	   *v;				/* (XMC_CONTEXTS) */
};

/* Adds the loss of document d to fit->loss, and sets ds above the diagonal. */
static xmc_status
score_pairs(xmc_mention_fit *fit, int32_t d)
{
	const xmc_document *document = fit->document[d];
	int64_t		n = document->n;
	int64_t		work = 0;

	XMC_TRY(xmc_clear(fit->ctx, fit->ds, (size_t) (n * n) * sizeof *fit->ds));
	for (int32_t p = 0; p < document->n_pairs; p++)
	{
		const xmc_pair *pair = &document->pair[p];
		double		weight;
		double		s;
		double		slope;

		XMC_TRY(xmc_spend(fit->ctx, &work, 1));
		if (!xmc_batch_takes_pair(&fit->model->options, XMC_TEXT, document, pair))
			continue;
		weight = pair->weight / fit->pair_weight[d] / fit->n_documents;
		s = xmc_mentions_score(n, fit->s, pair->before, pair->after);
		fit->loss += weight * xmc_softplus_slope(-s, &slope);
		if (pair->before < pair->after)
			fit->ds[pair->before * n + pair->after] -= weight * slope;
		else
			fit->ds[pair->after * n + pair->before] += weight * slope;
	}
	return XMC_OK;
}

/* The objective at v (XMC_CONTEXTS), for xmc_lbfgs_minimise. */
static xmc_status
objective(void *arg, const double *v, double *value, double *gradient)
{
	xmc_mention_fit *fit = arg;
	double		squares = 0;

	for (int32_t k = 0; k < XMC_CONTEXTS; k++)
		fit->weight[k] = (float) v[k];
	memset(gradient, 0, XMC_CONTEXTS * sizeof *gradient);
	fit->loss = 0;
	for (int32_t d = 0; d < fit->n_documents; d++)
	{
		xmc_mention_links *links = d < fit->n_kept ? &fit->kept[d] : &fit->links;

		XMC_TRY(xmc_check_stop(fit->ctx));
		if (d >= fit->n_kept)
			XMC_TRY(xmc_mentions_link(fit->ctx, fit->model->mention_idf, fit->document[d], links));
		XMC_TRY(xmc_mentions_forward(fit->ctx, fit->weight, links, fit->s));
		XMC_TRY(score_pairs(fit, d));
		XMC_TRY(xmc_mentions_backward(fit->ctx, links, fit->ds, gradient));
	}
	for (int32_t k = 0; k < XMC_CONTEXTS; k++)
	{
		gradient[k] += fit->penalty * v[k];
		squares += v[k] * v[k];
	}
	*value = fit->loss + fit->penalty / 2 * squares;
	return XMC_OK;
}

/* Links the first documents once for all evaluations, as far as memory is meant for that. */
static xmc_status
keep_links(xmc_arena *arena, xmc_mention_fit *fit)
{
	int64_t		cells = 0;

	fit->kept = xmc_arena_alloc(arena, (size_t) fit->n_documents, sizeof *fit->kept);
	XMC_NEED(fit->kept, arena->ctx);
	for (int32_t d = 0; d < fit->n_documents; d++)
	{
		const xmc_document *document = fit->document[d];

		cells += (int64_t) document->n * document->n + (document->word_start ? document->word_start[document->n] : 0);
		if (cells > KEPT_CELLS)
			return XMC_OK;
		XMC_TRY(xmc_check_stop(fit->ctx));
		XMC_TRY(xmc_mentions_link(fit->ctx, fit->model->mention_idf, document, &fit->links));
		XMC_TRY(xmc_mentions_copy(arena, &fit->links, &fit->kept[d]));
		fit->n_kept++;
	}
	return XMC_OK;
}

xmc_status
xmc_mention_begin(xmc_arena *arena, xmc_model *model, int32_t n_documents, const xmc_document *const *document,
				  xmc_mention_fit **out)
{
	xmc_mention_fit *fit = xmc_arena_alloc(arena, 1, sizeof *fit);
	size_t		items = 0;		/* of the largest document */

	XMC_NEED(fit, arena->ctx);
	*fit = (xmc_mention_fit) {.ctx = arena->ctx,.model = model,.n_documents = n_documents,.document = document};
	fit->pair_weight = xmc_arena_alloc(arena, (size_t) n_documents, sizeof *fit->pair_weight);
	XMC_NEED(fit->pair_weight, arena->ctx);
	for (int32_t d = 0; d < n_documents; d++)
	{
		XMC_TRY(xmc_check_stop(arena->ctx));
		fit->pair_weight[d] = xmc_batch_pair_weight(&model->options, XMC_TEXT, document[d]);
		if (items < (size_t) document[d]->n)
			items = (size_t) document[d]->n;
	}
	fit->v = xmc_arena_alloc(arena, XMC_CONTEXTS, sizeof *fit->v);
	fit->weight = xmc_arena_alloc(arena, XMC_CONTEXTS, sizeof *fit->weight);
	fit->s = xmc_arena_alloc(arena, items * items, sizeof *fit->s);
	fit->ds = xmc_arena_alloc(arena, items * items, sizeof *fit->ds);
	if (!fit->v || !fit->weight || !fit->s || !fit->ds)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_mentions_init(arena, n_documents, document, &fit->links));
	XMC_TRY(keep_links(arena, fit));
	XMC_TRY(xmc_lbfgs_init(arena, XMC_CONTEXTS, &fit->lbfgs));
	for (int32_t k = 0; k < XMC_CONTEXTS; k++)
		fit->v[k] = model->mentions[k];
	*out = fit;
	return XMC_OK;
}

xmc_status
xmc_mention_step(xmc_mention_fit *fit, int32_t step, double *loss)
{
	double		penalty = xmc_penalty(step + STRONGER_PENALTIES);
	double		value;

	xmc_lbfgs_add_ridge(&fit->lbfgs, penalty - fit->penalty);
	fit->penalty = penalty;
	XMC_TRY(xmc_lbfgs_minimise(&fit->lbfgs, objective, fit, MAX_STEPS, TOLERANCE, fit->v, &value));
	for (int32_t k = 0; k < XMC_CONTEXTS; k++)
		fit->model->mentions[k] = (float) fit->v[k];
	*loss = fit->loss;			/* of the last trial, which is the minimum or beside it */
	return XMC_OK;
}
