/* guidance_fit.c - see guidance_fit.h */
#include "train/guidance_fit.h"
#include "align/match.h"
#include "align/space.h"
#include "score/guidance.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#define GUIDED XMC_GUIDED_COEFFICIENTS
#define CROSS_MODAL XMC_CROSS_MODAL_COEFFICIENTS
#define ROWS_OF_PAIR 3			/* in the regression of a modality: guided by scores, by an order, not guided */

/* Rows of a regression, each turned so that the truth is "before". */
typedef struct rows
{
	int32_t		n;
	int32_t		k;				/* columns: GUIDED or CROSS_MODAL */
	float	   *x;				/* (capacity, k) */
	float	   *weight;			/* (capacity) */
} rows;

/* The three regressions. */
typedef struct regressions
{
	rows		own[XMC_MODALITIES];	/* pairs that share a modality */
	rows		cross_modal;	/* pairs of a text-only and an image-only item */
} regressions;

/* One document as the regressions see it: its n linked items as if their link were not known. */
typedef struct guided_document
{
	int32_t		n;
	int32_t    *place;			/* (document->n) number among the linked items; -1: not linked */
	double		weight;			/* of its labelled pairs of linked items */
	bool		is_order;		/* all its pairs of linked items are labelled */
	float	   *s[XMC_MODALITIES];	/* (n, n) own scores */
	xmc_guides	by_score;		/* own scores carried through the inferred alignment */
	xmc_guides	by_order;		/* the labelled order carried, if is_order */
} guided_document;

static void
add_row(rows *to, const double *x, double weight)
{
	for (int32_t k = 0; k < to->k; k++)
		to->x[(int64_t) to->n * to->k + k] = (float) x[k];
	to->weight[to->n++] = (float) weight;
}

/* The inferred alignment p (n, n) of the linked items, without the dustbins. */
static xmc_status
infer(xmc_arena *arena, const xmc_model *model, const xmc_document *document, int32_t n, const int32_t *item, float **p)
{
	double	   *all = xmc_arena_alloc(arena, ((size_t) n + 1) * ((size_t) n + 1), sizeof(double));
	int64_t		work = 0;

	*p = xmc_arena_alloc(arena, (size_t) n * (size_t) n, sizeof(float));
	if (!all || !*p)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_align_items(arena, model, document, n, item, n, item, all));
	for (int64_t r = 0; r < n; r++)
	{
		for (int64_t c = 0; c < n; c++)
			(*p)[r * n + c] = (float) all[r * (n + 1) + c];
		XMC_TRY(xmc_spend(arena->ctx, &work, n));
	}
	return XMC_OK;
}

/* Finds the linked items, into item (document->n), and how much of their order is labelled. */
static xmc_status
find_linked(xmc_arena *arena, const xmc_options *options, const xmc_document *document, int32_t *item, guided_document *out)
{
	int64_t		labelled = 0;	/* pairs of linked items */
	int64_t		work = 0;

	out->n = xmc_align_linked_items(options, document, item);
	for (int32_t i = 0; i < document->n; i++)
		out->place[i] = -1;
	for (int32_t k = 0; k < out->n; k++)
		out->place[item[k]] = k;
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		XMC_TRY(xmc_spend(arena->ctx, &work, 1));
		if (out->place[document->pair[k].before] >= 0 && out->place[document->pair[k].after] >= 0)
		{
			labelled++;
			out->weight += document->pair[k].weight;
		}
	}
	/* Single pairs do not tell how much a whole order is worth. */
	out->is_order = labelled == (int64_t) out->n * (out->n - 1) / 2;
	return XMC_OK;
}

/* Carries the own scores of the linked items through the inferred alignment, and their labelled order if there is one. */
static xmc_status
carry_document(xmc_arena *arena, const xmc_model *model, const xmc_document *document, const xmc_scores *scores,
			   const int32_t *item, guided_document *out)
{
	int32_t		n = out->n;
	size_t		cells = (size_t) n * (size_t) n;
	const float *labels;
	float	   *o;				/* (n, n) the labelled order */
	float	   *p;

	XMC_TRY(infer(arena, model, document, n, item, &p));
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		out->s[m] = xmc_arena_alloc(arena, cells, sizeof(float));
		XMC_NEED(out->s[m], arena->ctx);
		/* XMC_SCORE_TEXT and XMC_SCORE_IMAGE have the numbers of the modalities. */
		XMC_TRY(xmc_submatrix(arena->ctx, document->n, scores->score[m], n, item, out->s[m]));
	}
	XMC_TRY(xmc_guidance(arena, n, n, (const float *[]) {p, p}, out->s[XMC_TEXT], out->s[XMC_IMAGE], &out->by_score));
	if (!out->is_order)
		return XMC_OK;
	o = xmc_arena_alloc(arena, cells, sizeof(float));
	XMC_NEED(o, arena->ctx);
	XMC_TRY(xmc_guidance_stored(arena, document, ~0, &labels));
	XMC_TRY(xmc_submatrix(arena->ctx, document->n, labels, n, item, o));
	return xmc_guidance(arena, n, n, (const float *[]) {p, p}, o, o, &out->by_order);
}

/* Adds the rows of the pair of which linked item a stands before linked item b. */
static void
add_pair(const guided_document *d, int64_t a, int64_t b, double weight, regressions *to)
{
	int64_t		at = a * d->n + b;
	int64_t		back = b * d->n + a;

	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		const float *by_score = m == XMC_TEXT ? d->by_score.text : d->by_score.image;
		const float *by_order = m == XMC_TEXT ? d->by_order.text : d->by_order.image;
		double		own = d->s[m][at];

		add_row(&to->own[m], (double[GUIDED]) {own, by_score[at], 0}, weight);
		if (d->is_order)
			add_row(&to->own[m], (double[GUIDED]) {own, 0, by_order[at]}, weight);
		/* As if the counterparts were missing: the own score is calibrated, and this row keeps it so. */
		add_row(&to->own[m], (double[GUIDED]) {own, 0, 0}, weight);
	}
	/* Either item may be the image. Rarely both have a stored order, so each order has a row of its own. */
	for (int turned = 0; turned < 2; turned++)
	{
		int64_t		cell = turned ? back : at;
		int			sign = turned ? -1 : 1;
		float	   *const *by_score = d->by_score.cross_modal;
		float	   *const *by_order = d->by_order.cross_modal;

		add_row(&to->cross_modal,
				(double[CROSS_MODAL]) {sign * by_score[XMC_TEXT][cell], sign * by_score[XMC_IMAGE][cell], 0, 0}, weight / 2);
		if (!d->is_order)
			continue;
		add_row(&to->cross_modal, (double[CROSS_MODAL]) {0, 0, sign * by_order[XMC_TEXT][cell], 0}, weight / 2);
		add_row(&to->cross_modal, (double[CROSS_MODAL]) {0, 0, 0, sign * by_order[XMC_IMAGE][cell]}, weight / 2);
	}
}

static xmc_status
add_document(xmc_arena *arena, const xmc_model *model, const xmc_document *document, const xmc_scores *scores,
			 regressions *to)
{
	int32_t    *item = xmc_arena_alloc(arena, (size_t) document->n, sizeof(int32_t));
	guided_document d = {.place = xmc_arena_alloc(arena, (size_t) document->n, sizeof(int32_t))};
	int64_t		work = 0;

	if (!item || !d.place)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(find_linked(arena, &model->options, document, item, &d));
	if (!(d.weight > 0))
		return XMC_OK;
	XMC_TRY(carry_document(arena, model, document, scores, item, &d));
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		int32_t		a = d.place[document->pair[k].before];
		int32_t		b = d.place[document->pair[k].after];

		XMC_TRY(xmc_spend(arena->ctx, &work, 1));
		if (a >= 0 && b >= 0)
			add_pair(&d, a, b, document->pair[k].weight / d.weight, to);
	}
	return XMC_OK;
}

static xmc_status
add_group(xmc_arena *scratch, const xmc_model *model, const xmc_scored_set *group, regressions *to)
{
	for (int32_t first = 0; first < group->n; first += XMC_SCORE_BATCH)
	{
		int32_t		count = group->n - first < XMC_SCORE_BATCH ? group->n - first : XMC_SCORE_BATCH;
		xmc_document batch[XMC_SCORE_BATCH];
		xmc_scores	scores[XMC_SCORE_BATCH];
		xmc_status	status = XMC_OK;

		for (int32_t k = 0; k < count; k++)
			batch[k] = *group->document[first + k];
		XMC_TRY(xmc_score_documents(scratch->ctx, group->scorer, count, batch, scores));
		for (int32_t k = 0; k < count; k++)
		{
			xmc_arena_reset(scratch);
			if (status == XMC_OK)
				status = add_document(scratch, model, &batch[k], &scores[k], to);
			xmc_scores_free(scratch->ctx, &scores[k]);
		}
		XMC_TRY(status);
	}
	return XMC_OK;
}

static xmc_status
alloc_rows(xmc_arena *arena, int32_t k, size_t capacity, rows *out)
{
	*out = (rows){.k = k};
	out->x = xmc_arena_alloc(arena, capacity * (size_t) k, sizeof(float));
	out->weight = xmc_arena_alloc(arena, capacity, sizeof(float));
	return out->x && out->weight ? XMC_OK : xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
}

static xmc_status
fit(xmc_arena *rows_arena, xmc_arena *scratch, xmc_model *model, const double reliability[XMC_MODALITIES], int32_t n_groups,
	const xmc_scored_set *group)
{
	size_t		pairs = 0;
	regressions r;
	xmc_ctx    *ctx = rows_arena->ctx;

	for (int32_t g = 0; g < n_groups; g++)
		for (int32_t d = 0; d < group[g].n; d++)
			pairs += (size_t) group[g].document[d]->n_pairs;
	if (pairs > INT32_MAX / (2 * ROWS_OF_PAIR))
		return xmc_fail(ctx, XMC_LIMIT, "%zu labelled pairs to weigh guidance by; at most %d", pairs,
						INT32_MAX / (2 * ROWS_OF_PAIR));
	for (int m = 0; m < XMC_MODALITIES; m++)
		XMC_TRY(alloc_rows(rows_arena, GUIDED, pairs * ROWS_OF_PAIR, &r.own[m]));
	XMC_TRY(alloc_rows(rows_arena, CROSS_MODAL, pairs * 2 * ROWS_OF_PAIR, &r.cross_modal));
	for (int32_t g = 0; g < n_groups; g++)
		XMC_TRY(add_group(scratch, model, &group[g], &r));
	if (r.cross_modal.n == 0)
		return XMC_OK;
	/*
	 * The prior is that calibrated log-odds of independent evidence add up, each as far as it is reliable. Each prior has the
	 * precision of one document: more than a few documents outweigh it.
	 */
	for (int m = 0; m < XMC_MODALITIES; m++)
		XMC_TRY(xmc_calibrate(ctx, r.own[m].n, GUIDED, r.own[m].x, r.own[m].weight,
							  (xmc_prior[GUIDED]) {{1, 1}, {reliability[m == XMC_TEXT ? XMC_IMAGE : XMC_TEXT], 1}, {2, 1}},
							  model->calibration.guided[m]));
	return xmc_calibrate(ctx, r.cross_modal.n, CROSS_MODAL, r.cross_modal.x, r.cross_modal.weight,
						 (xmc_prior[CROSS_MODAL]) {{reliability[XMC_TEXT], 1}, {reliability[XMC_IMAGE], 1}, {2, 1}, {2, 1}},
						 model->calibration.cross_modal);
}

xmc_status
xmc_guidance_fit(xmc_ctx *ctx, xmc_model *model, const double reliability[XMC_MODALITIES], int32_t n_groups,
				 const xmc_scored_set *group)
{
	xmc_arena	rows_arena;
	xmc_arena	scratch;
	xmc_status	status;

	xmc_arena_init(&rows_arena, ctx);
	xmc_arena_init(&scratch, ctx);
	status = fit(&rows_arena, &scratch, model, reliability, n_groups, group);
	xmc_arena_free(&rows_arena);
	xmc_arena_free(&scratch);
	return status;
}
