/* order.c - see order.h */
#include "xmcoh/order.h"
#include "numeric/dense.h"
#include "numeric/decode.h"
#include "xmcoh/decided.h"

#include <math.h>
#include <string.h>

double
xmc_probability(double log_odds)
{
	return xmc_sigmoid(log_odds);
}

int32_t
xmc_score_kind_items(const xmc_document *document, xmc_score_kind kind, int32_t *item)
{
	bool		text = kind == XMC_SCORE_TEXT || kind == XMC_SCORE_TEXT_GUIDED;
	int			wanted = text ? XMC_HAS_TEXT : XMC_HAS_IMAGE;
	int32_t		m = 0;

	for (int32_t i = 0; i < document->n; i++)
		if (kind == XMC_SCORE_FUSED || (document->has[i] & wanted))
			item[m++] = i;
	return m;
}

xmc_status
xmc_submatrix(xmc_ctx *ctx, int32_t n, const float *s, int32_t m, const int32_t *item, float *to)
{
	int64_t		work = 0;

	for (int64_t a = 0; a < m; a++)
	{
		for (int64_t b = 0; b < m; b++)
			to[a * m + b] = s[(int64_t) item[a] * n + item[b]];
		XMC_TRY(xmc_spend(ctx, &work, m));
	}
	return XMC_OK;
}

/* The decisions among m of n items: to (m, m) from decided (n, n). */
static xmc_status
decided_among(xmc_ctx *ctx, int32_t n, const uint8_t *decided, int32_t m, const int32_t *item, uint8_t *to)
{
	int64_t		work = 0;

	for (int64_t a = 0; a < m; a++)
	{
		for (int64_t b = 0; b < m; b++)
			to[a * m + b] = decided[(int64_t) item[a] * n + item[b]];
		XMC_TRY(xmc_spend(ctx, &work, m));
	}
	return XMC_OK;
}

/* submatrix (m, m) and among (m, m), NULL if nothing is decided: scratch. */
static xmc_status
order_items(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, const uint64_t *tie_seed, int32_t m,
			const int32_t *item, float *submatrix, uint8_t *among, int32_t *order)
{
	XMC_TRY(xmc_submatrix(ctx, n, s, m, item, submatrix));
	if (decided)
		XMC_TRY(decided_among(ctx, n, decided, m, item, among));
	if (tie_seed)
		XMC_TRY(xmc_decode_shuffled(ctx, m, submatrix, among, *tie_seed, order));
	else
		XMC_TRY(xmc_decode(ctx, m, submatrix, among, order, NULL));
	for (int32_t k = 0; k < m; k++)
		order[k] = item[order[k]];
	return XMC_OK;
}

xmc_status
xmc_order_items(xmc_ctx *ctx, int32_t n, const float *s, const uint8_t *decided, const uint64_t *tie_seed, int32_t m,
				const int32_t *item, int32_t *order)
{
	size_t		cells = (size_t) m * (size_t) m;
	float	   *submatrix = xmc_alloc(ctx, cells, sizeof(float));
	uint8_t    *among = decided ? xmc_alloc(ctx, cells, 1) : NULL;
	xmc_status	status;

	status = submatrix && (among || !decided)
		? order_items(ctx, n, s, decided, tie_seed, m, item, submatrix, among, order)
		: xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	xmc_release(ctx, submatrix);
	xmc_release(ctx, among);
	return status;
}

/* item (document->n): the items that the kind speaks of, then scratch. */
static xmc_status
recover(xmc_ctx *ctx, const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind, const uint8_t *decided,
		const uint64_t *tie_seed, int32_t m, int32_t *item, int32_t *order)
{
	XMC_TRY(xmc_order_items(ctx, document->n, scores->score[kind], decided, tie_seed, m, item, order));
	if (kind != XMC_SCORE_FUSED || document->n_pairs == 0)
		return XMC_OK;
	XMC_TRY(xmc_keep_stored_order(ctx, document, m, order));
	if (!decided)
		return XMC_OK;
	/* Decisions stand above labels: the nearest order that fulfils them. */
	memcpy(item, order, sizeof(int32_t) * (size_t) m);
	return xmc_decided_extend(ctx, document->n, decided, m, item, order);
}

xmc_status
xmc_recover_order(xmc_ctx *ctx, const xmc_document *document, const xmc_scores *scores, xmc_score_kind kind,
				  const uint8_t *decided, const uint64_t *tie_seed, int32_t *order, int32_t *m)
{
	int32_t    *item = xmc_alloc(ctx, (size_t) document->n, sizeof(int32_t));
	xmc_status	status;

	XMC_NEED(item, ctx);
	*m = xmc_score_kind_items(document, kind, item);
	status = recover(ctx, document, scores, kind, decided, tie_seed, *m, item, order);
	xmc_release(ctx, item);
	return status;
}

/* before[i] (document->n): how many items stand before the item by its labels; -1: it has no label. slot (n): scratch. */
static xmc_status
keep_stored(xmc_ctx *ctx, const xmc_document *document, int32_t n, int32_t *before, int32_t *slot, int32_t *order)
{
	int32_t		placed = 0;
	int64_t		work = 0;

	for (int32_t i = 0; i < document->n; i++)
		before[i] = -1;
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		before[document->pair[k].before] += before[document->pair[k].before] < 0;
		before[document->pair[k].after] += 1 + (before[document->pair[k].after] < 0);
		XMC_TRY(xmc_spend(ctx, &work, 1));
	}
	/* slot (placed): the places of the items with labels, ascending */
	for (int32_t k = 0; k < n; k++)
		if (before[order[k]] >= 0)
			slot[placed++] = k;
	/* Insertion sort within these places: stable, and fast where little is out of order, as here. */
	for (int32_t k = 1; k < placed; k++)
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
xmc_keep_stored_order(xmc_ctx *ctx, const xmc_document *document, int32_t n, int32_t *order)
{
	int32_t    *before = xmc_alloc(ctx, 2 * (size_t) document->n, sizeof(int32_t));	/* before (n), then slot (n) */
	xmc_status	status;

	XMC_NEED(before, ctx);
	status = keep_stored(ctx, document, n, before, before + document->n, order);
	xmc_release(ctx, before);
	return status;
}

xmc_status
xmc_coherence(xmc_ctx *ctx, int32_t n, const float *s, int32_t m, const int32_t *order, double *coherence)
{
	double		sum = 0;
	int64_t		work = 0;

	for (int32_t a = 0; a < m; a++)
	{
		for (int32_t b = a + 1; b < m; b++)
			sum += 2 * xmc_sigmoid(s[(int64_t) order[a] * n + order[b]]) - 1;
		XMC_TRY(xmc_spend(ctx, &work, m - a));
	}
	*coherence = m < 2 ? NAN : sum / ((double) m * (m - 1) / 2);
	return XMC_OK;
}

double
xmc_order_confidence(int32_t n, const float *s, const uint8_t *decided, int32_t m, const int32_t *order)
{
	double		sum = 0;

	for (int32_t k = 1; k < m; k++)
	{
		int64_t		at = (int64_t) order[k - 1] * n + order[k];

		/* a recovered order fulfils what is decided */
		if (!decided || decided[at] == XMC_UNDECIDED)
			sum -= xmc_softplus(-s[at]);
	}
	return sum;
}

xmc_status
xmc_decoded_tau(xmc_ctx *ctx, const xmc_document *document, const float *s, uint64_t seed, double *tau)
{
	int32_t		n = document->n;
	int32_t    *order = xmc_alloc(ctx, 2 * (size_t) n, sizeof(int32_t));	/* order (n), then the place of each item (n) */
	int32_t    *place;
	int32_t		right = 0;
	xmc_status	status;

	XMC_NEED(order, ctx);
	place = order + n;
	status = xmc_decode_shuffled(ctx, n, s, NULL, seed, order);
	if (status == XMC_OK)
	{
		for (int32_t k = 0; k < n; k++)
			place[order[k]] = k;
		for (int32_t k = 0; k < document->n_pairs; k++)
			right += place[document->pair[k].before] < place[document->pair[k].after];
		*tau = 2.0 * right / document->n_pairs - 1;
	}
	xmc_release(ctx, order);
	return status;
}

/* place (document->n): the place of each labelled item among those of the order, or -1; n is their number. */
static xmc_status
measure_places(xmc_ctx *ctx, const xmc_document *document, const int32_t *place, int32_t n, xmc_order_quality *out)
{
	uint8_t    *precedes = xmc_zalloc(ctx, (size_t) n * (size_t) n, 1);
	xmc_status	status;

	XMC_NEED(precedes, ctx);
	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		int64_t		before = place[document->pair[k].before];
		int64_t		after = place[document->pair[k].after];

		if (before >= 0 && after >= 0)
			precedes[before * n + after] = 1;
	}
	status = xmc_measure_labels(ctx, n, precedes, out);
	xmc_release(ctx, precedes);
	return status;
}

xmc_status
xmc_measure_by_labels(xmc_ctx *ctx, const xmc_document *document, int32_t m, const int32_t *order, int32_t *n,
					  xmc_order_quality *out)
{
	int32_t    *place = xmc_alloc(ctx, (size_t) document->n, sizeof(int32_t));	/* (document->n) */
	xmc_status	status;

	XMC_NEED(place, ctx);
	for (int32_t i = 0; i < document->n; i++)
		place[i] = -1;
	/* 0: the item has a label */
	for (int32_t k = 0; k < document->n_pairs; k++)
		place[document->pair[k].before] = place[document->pair[k].after] = 0;
	*n = 0;
	for (int32_t k = 0; k < m; k++)
		if (place[order[k]] == 0)
			place[order[k]] = ++*n;
	for (int32_t i = 0; i < document->n; i++)
		place[i] = place[i] > 0 ? place[i] - 1 : -1;
	status = measure_places(ctx, document, place, *n, out);
	xmc_release(ctx, place);
	return status;
}
