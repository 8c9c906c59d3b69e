/* guidance.c - see guidance.h */
#include "xmcoh/guidance.h"
#include "align/match.h"
#include "align/space.h"
#include "numeric/blas.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/scorer.h"

#include <math.h>

bool
xmc_guidance_has_fused(const xmc_guidance_rule *rule)
{
	return !rule->inferred && rule->mode != XMC_GUIDANCE_PAPER;
}

xmc_status
xmc_guidance(xmc_arena *arena, int32_t n_image, int32_t n_text, const float *const p[XMC_MODALITIES], const float *s_text,
			 const float *s_image, xmc_guides *out)
{
	size_t		images = (size_t) n_image;
	size_t		texts = (size_t) n_text;
	xmc_ctx    *ctx = arena->ctx;

	out->image = xmc_arena_alloc(arena, images * images, sizeof(float));
	out->text = xmc_arena_alloc(arena, texts * texts, sizeof(float));
	for (int m = 0; m < XMC_MODALITIES; m++)
		out->cross_modal[m] = xmc_arena_alloc(arena, images * texts, sizeof(float));
	if (!out->image || !out->text || !out->cross_modal[XMC_TEXT] || !out->cross_modal[XMC_IMAGE])
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_PLAIN, n_image, n_text, n_text, 1, p[XMC_IMAGE], n_text, s_text, n_text, 0,
					  out->cross_modal[XMC_TEXT], n_text));
	XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_TRANSPOSED, n_image, n_image, n_text, 1, out->cross_modal[XMC_TEXT], n_text,
					  p[XMC_IMAGE], n_text, 0, out->image, n_image));
	XMC_TRY(xmc_sgemm(ctx, XMC_PLAIN, XMC_PLAIN, n_image, n_text, n_image, 1, s_image, n_image, p[XMC_TEXT], n_text,
					  0, out->cross_modal[XMC_IMAGE], n_text));
	return xmc_sgemm(ctx, XMC_TRANSPOSED, XMC_PLAIN, n_text, n_text, n_image, 1, p[XMC_TEXT], n_text,
					 out->cross_modal[XMC_IMAGE], n_text, 0, out->text, n_text);
}

/* (n, n) of zeros in the arena. */
static xmc_status
zeros(xmc_arena *arena, int64_t n, float **out)
{
	*out = xmc_arena_alloc(arena, (size_t) (n * n), sizeof(float));
	XMC_NEED(*out, arena->ctx);
	return xmc_clear(arena->ctx, *out, (size_t) (n * n) * sizeof(float));
}

xmc_status
xmc_guidance_alignment(xmc_arena *arena, const xmc_document *document, bool split, const xmc_alignment *inferred,
					   const float **out)
{
	int64_t		n = document->n;
	int64_t		work = 0;
	float	   *p;

	XMC_TRY(zeros(arena, n, &p));
	for (int64_t i = 0; !split && i < n; i++)
		if ((document->has[i] & XMC_HAS_TEXT) && (document->has[i] & XMC_HAS_IMAGE))
			p[i * n + i] = 1;
	for (int64_t r = 0; r < inferred->n_image; r++)
	{
		for (int64_t c = 0; c < inferred->n_text; c++)
			p[inferred->image[r] * n + inferred->text[c]] = (float) inferred->p[r * (inferred->n_text + 1) + c];
		XMC_TRY(xmc_spend(arena->ctx, &work, inferred->n_text));
	}
	*out = p;
	return XMC_OK;
}

xmc_status
xmc_guidance_stored(xmc_arena *arena, const xmc_document *document, int has, const float **out)
{
	int64_t		n = document->n;
	int64_t		work = 0;
	float	   *o;

	XMC_TRY(zeros(arena, n, &o));
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		int32_t		a = document->pair[k].before;
		int32_t		b = document->pair[k].after;

		if ((document->has[a] & has) && (document->has[b] & has))
		{
			o[a * n + b] = 1;
			o[b * n + a] = -1;
		}
		XMC_TRY(xmc_spend(arena->ctx, &work, 1));
	}
	*out = o;
	return XMC_OK;
}

/* before[i] (n): how many items stand before the item; -1: no label. slot (n): scratch. */
static xmc_status
keep_stored(xmc_ctx *ctx, const xmc_document *document, int32_t n, int32_t *before, int32_t *slot, int32_t *order)
{
	int32_t		placed = 0;		/* slot (placed): their places, ascending */
	int64_t		work = 0;

	for (int32_t i = 0; i < document->n; i++)
		before[i] = -1;
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		before[document->pair[k].before] += before[document->pair[k].before] < 0;
		before[document->pair[k].after] += 1 + (before[document->pair[k].after] < 0);
		XMC_TRY(xmc_spend(ctx, &work, 1));
	}
	for (int32_t k = 0; k < n; k++)
		if (before[order[k]] >= 0)
			slot[placed++] = k;
	for (int32_t k = 1; k < placed; k++)	/* insertion keeps equals as they are, and there is mostly nothing to do */
	{
		int32_t		item = order[slot[k]];
		int32_t		to = k;

		for (; to > 0 && before[order[slot[to - 1]]] > before[item]; to--)
			order[slot[to]] = order[slot[to - 1]];
		order[slot[to]] = item;
		XMC_TRY(xmc_spend(ctx, &work, k - to));
	}
	return XMC_OK;
}

xmc_status
xmc_guidance_keep_stored(xmc_ctx *ctx, const xmc_document *document, int32_t n, int32_t *order)
{
	int32_t    *before = xmc_alloc(ctx, 2 * (size_t) document->n, sizeof(int32_t));	/* (n), then slot (n) */
	xmc_status	status;

	XMC_NEED(before, ctx);
	status = keep_stored(ctx, document, n, before, before + document->n, order);
	xmc_release(ctx, before);
	return status;
}

xmc_status
xmc_guidance_counterparts(xmc_ctx *ctx, const xmc_document *document, bool split, const xmc_alignment *inferred,
						  xmc_modality side, bool or_none, int32_t *counterpart)
{
	bool		image = side == XMC_IMAGE;
	const int32_t *own = image ? inferred->image : inferred->text;
	const int32_t *other = image ? inferred->text : inferred->image;
	int32_t		n_own = image ? inferred->n_image : inferred->n_text;
	int32_t		n_other = image ? inferred->n_text : inferred->n_image;
	int64_t		width = (int64_t) inferred->n_text + 1;
	int64_t		step = image ? 1 : width;	/* from one possible counterpart's cell to the next one's; the last is none's */
	int64_t		work = 0;

	for (int32_t i = 0; i < document->n; i++)
		counterpart[i] = !split && (document->has[i] & XMC_HAS_TEXT) && (document->has[i] & XMC_HAS_IMAGE) ? i : -1;
	for (int32_t k = 0; k < n_own; k++)
	{
		const double *p = inferred->p + k * (image ? width : 1);
		int32_t		best = 0;

		for (int32_t c = 1; c < n_other; c++)
			if (p[c * step] > p[best * step])
				best = c;
		if (n_other > 0 && !(or_none && p[n_other * step] > p[best * step]))
			counterpart[own[k]] = other[best];
		XMC_TRY(xmc_spend(ctx, &work, n_other));
	}
	return XMC_OK;
}

/* ---- fitting ---- */

/* Rows of a regression: own or crossed scores and what guides them, each turned so that the truth is "before". */
typedef struct rows
{
	int32_t		n;
	int32_t		k;				/* columns: GUIDED or CROSSED */
	float	   *x;				/* (capacity, k) */
	float	   *weight;			/* (capacity) */
} rows;

#define GUIDED XMC_GUIDED_COEFFICIENTS
#define CROSSED XMC_CROSSED_COEFFICIENTS
#define ROWS_OF_PAIR 3			/* of each regression; a pair's of one modality are guided by scores, by an order, and not at all */

static void
add_row(rows *to, const double *x, double weight)
{
	for (int32_t k = 0; k < to->k; k++)
		to->x[(int64_t) to->n * to->k + k] = (float) x[k];
	to->weight[to->n++] = (float) weight;
}

/* p (n, n) of the linked items as if they were not, without the dustbins. */
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

static xmc_status
add_document(xmc_arena *arena, const xmc_model *model, const xmc_document *document, const xmc_scores *scores,
			 rows own[XMC_MODALITIES], rows *cross_modal)
{
	int32_t    *item = xmc_arena_alloc(arena, (size_t) document->n, sizeof(int32_t));
	int32_t    *place = xmc_arena_alloc(arena, (size_t) document->n, sizeof(int32_t));	/* among the linked; -1 */
	int64_t		n;
	int64_t		labelled = 0;	/* pairs of linked items */
	double		total = 0;		/* their weight */
	float	   *p;
	float	   *s[XMC_MODALITIES];	/* (n, n) */
	xmc_guides	by_score;
	xmc_guides	by_order;
	bool		is_order;
	int64_t		work = 0;

	if (!item || !place)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	n = xmc_align_linked_items(&model->options, document, item);
	for (int32_t i = 0; i < document->n; i++)
		place[i] = -1;
	for (int32_t k = 0; k < n; k++)
		place[item[k]] = k;
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		XMC_TRY(xmc_spend(arena->ctx, &work, 1));
		if (place[document->pair[k].before] >= 0 && place[document->pair[k].after] >= 0)
		{
			labelled++;
			total += document->pair[k].weight;
		}
	}
	if (!(total > 0))
		return XMC_OK;
	XMC_TRY(infer(arena, model, document, (int32_t) n, item, &p));
	for (int m = 0; m < XMC_MODALITIES; m++)
	{
		s[m] = xmc_arena_alloc(arena, (size_t) (n * n), sizeof(float));
		XMC_NEED(s[m], arena->ctx);
		/* the first evidences are the modalities */
		XMC_TRY(xmc_submatrix(arena->ctx, document->n, scores->score[m], (int32_t) n, item, s[m]));
	}
	XMC_TRY(xmc_guidance(arena, (int32_t) n, (int32_t) n, (const float *[]) {p, p}, s[XMC_TEXT], s[XMC_IMAGE], &by_score));
	is_order = labelled == n * (n - 1) / 2; /* single pairs do not say what a whole order is worth */
	if (is_order)
	{
		const float *labels;
		float	   *o = xmc_arena_alloc(arena, (size_t) (n * n), sizeof(float));	/* (n, n) */

		XMC_NEED(o, arena->ctx);
		XMC_TRY(xmc_guidance_stored(arena, document, ~0, &labels));
		XMC_TRY(xmc_submatrix(arena->ctx, document->n, labels, (int32_t) n, item, o));
		XMC_TRY(xmc_guidance(arena, (int32_t) n, (int32_t) n, (const float *[]) {p, p}, o, o, &by_order));
	}
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		int64_t		a = place[document->pair[k].before];
		int64_t		b = place[document->pair[k].after];
		int64_t		at = a * n + b;
		int64_t		back = b * n + a;
		double		weight = document->pair[k].weight / total;

		XMC_TRY(xmc_spend(arena->ctx, &work, 1));
		if (a < 0 || b < 0)
			continue;
		for (int m = 0; m < XMC_MODALITIES; m++)
		{
			const float *score = m == XMC_TEXT ? by_score.text : by_score.image;

			add_row(&own[m], (double[GUIDED]) {s[m][at], score[at], 0}, weight);
			if (is_order)
				add_row(&own[m], (double[GUIDED]) {s[m][at], 0, (m == XMC_TEXT ? by_order.text : by_order.image)[at]}, weight);
			/* And as if the counterparts were missing: the own score alone is calibrated, and stays so. */
			add_row(&own[m], (double[GUIDED]) {s[m][at], 0, 0}, weight);
		}
		/* Either item of the pair may be the photo. Its place is rarely known besides the text's: each order has its own row. */
		for (int turned = 0; turned < 2; turned++)
		{
			int64_t		cell = turned ? back : at;
			int			sign = turned ? -1 : 1;

			add_row(cross_modal, (double[CROSSED]) {sign * by_score.cross_modal[XMC_TEXT][cell], sign * by_score.cross_modal[XMC_IMAGE][cell], 0, 0},
					weight / 2);
			if (!is_order)
				continue;
			add_row(cross_modal, (double[CROSSED]) {0, 0, sign * by_order.cross_modal[XMC_TEXT][cell], 0}, weight / 2);
			add_row(cross_modal, (double[CROSSED]) {0, 0, 0, sign * by_order.cross_modal[XMC_IMAGE][cell]}, weight / 2);
		}
	}
	return XMC_OK;
}

static xmc_status
collect(xmc_arena *scratch, const xmc_model *model, const xmc_guidance_group *group, rows own[XMC_MODALITIES], rows *cross_modal)
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
				status = add_document(scratch, model, &batch[k], &scores[k], own, cross_modal);
			xmc_scores_free(scratch->ctx, &scores[k]);
		}
		XMC_TRY(status);
	}
	return XMC_OK;
}

static xmc_status
fit(xmc_arena *run_arena, xmc_arena *scratch, xmc_model *model, const double trust[XMC_MODALITIES], int32_t n_groups,
	const xmc_guidance_group *group)
{
	size_t		pairs = 0;
	rows		own[XMC_MODALITIES];
	rows		cross_modal;

	for (int32_t g = 0; g < n_groups; g++)
		for (int32_t d = 0; d < group[g].n; d++)
			pairs += (size_t) group[g].document[d]->n_pairs;
	if (pairs > INT32_MAX / (2 * ROWS_OF_PAIR))
		return xmc_fail(run_arena->ctx, XMC_LIMIT, "%zu labelled pairs to weigh guidance by; at most %d", pairs, INT32_MAX / (2 * ROWS_OF_PAIR));
	for (int k = 0; k < 3; k++)
	{
		rows	   *r = k < XMC_MODALITIES ? &own[k] : &cross_modal;
		size_t		capacity = pairs * (k < XMC_MODALITIES ? ROWS_OF_PAIR : 2 * ROWS_OF_PAIR);

		*r = (rows){.k = k < XMC_MODALITIES ? GUIDED : CROSSED};
		r->x = xmc_arena_alloc(run_arena, capacity * (size_t) r->k, sizeof(float));
		r->weight = xmc_arena_alloc(run_arena, capacity, sizeof(float));
		if (!r->x || !r->weight)
			return xmc_fail(run_arena->ctx, XMC_NO_MEMORY, "out of memory");
	}
	for (int32_t g = 0; g < n_groups; g++)
		XMC_TRY(collect(scratch, model, &group[g], own, &cross_modal));
	if (cross_modal.n == 0)
		return XMC_OK;
	/*
	 * Calibrated log-odds of evidence that is independent as far as anybody knows add up, as far as they can be believed:
	 * so it is until documents say otherwise, and more than a few.
	 */
	for (int m = 0; m < XMC_MODALITIES; m++)
		XMC_TRY(xmc_calibrate(run_arena->ctx, own[m].n, GUIDED, own[m].x, own[m].weight,
							  (xmc_prior[GUIDED]) {{1, 1}, {trust[m == XMC_TEXT ? XMC_IMAGE : XMC_TEXT], 1}, {2, 1}},
							  model->calibration.guided[m]));
	return xmc_calibrate(run_arena->ctx, cross_modal.n, CROSSED, cross_modal.x, cross_modal.weight,
						 (xmc_prior[CROSSED]) {{trust[XMC_TEXT], 1}, {trust[XMC_IMAGE], 1}, {2, 1}, {2, 1}},
						 model->calibration.cross_modal);
}

xmc_status
xmc_guidance_fit(xmc_ctx *ctx, xmc_model *model, const double trust[XMC_MODALITIES], int32_t n_groups,
				 const xmc_guidance_group *group)
{
	xmc_arena	run_arena;
	xmc_arena	scratch;
	xmc_status	status;

	xmc_arena_init(&run_arena, ctx);
	xmc_arena_init(&scratch, ctx);
	status = fit(&run_arena, &scratch, model, trust, n_groups, group);
	xmc_arena_free(&run_arena);
	xmc_arena_free(&scratch);
	return status;
}
