/*
 * review.c - which pairs of a document are worth a person's time: review.h is the contract. Pairs are chosen one by one, the
 * one of the largest value first; what would follow from the likely answer counts as known from then on.
 */
#include "xmcoh/review.h"
#include "xmcoh/order.h"

#include <math.h>
#include <string.h>

#define SKIPPED_SHARE 0.1		/* of the value of a pair that nobody skipped: another person may know the answer */
#define STALE_DOUBT 0.5			/* at least: whether an old decision still holds is not known */

/* The document, and what is known of it: decisions and likely answers, closed. */
typedef struct review
{
	const xmc_review_document *document;
	xmc_review_strategy strategy;
	uint8_t    *known;			/* (n, n) xmc_decision */
} review;

/* ---- a pair, i < j ---- */

static size_t
cell(const review *r, int32_t i, int32_t j)
{
	return (size_t) i * (size_t) r->document->n + (size_t) j;
}

static bool
has_flag(const review *r, int32_t i, int32_t j, uint8_t flag)
{
	const uint8_t *all = r->document->flag;

	return all && ((all[cell(r, i, j)] | all[cell(r, j, i)]) & flag);
}

/* 1: item i is stored before item j; -1: after it; 0: the pair has no stored order. */
static int
stored_order(const review *r, int32_t i, int32_t j)
{
	double		a = r->document->position[i];
	double		b = r->document->position[j];

	return (a < b) - (a > b);
}

/* Whether a confident score contradicts the stored order. */
static bool
is_suspect(const review *r, int32_t i, int32_t j)
{
	return -stored_order(r, i, j) * (double) r->document->fused[cell(r, i, j)] >= r->document->threshold &&
		stored_order(r, i, j) != 0;
}

/* Whether the model thinks that item i stands before item j. */
static bool
model_order(const review *r, int32_t i, int32_t j)
{
	float		s = r->document->fused[cell(r, i, j)];

	return s > 0 || (s == 0 && stored_order(r, i, j) >= 0);
}

/* The answer that a person will probably give: whether item i stands before item j. */
static bool
likely_answer(const review *r, int32_t i, int32_t j)
{
	int			stored = stored_order(r, i, j);

	return stored != 0 && !is_suspect(r, i, j) ? stored > 0 : model_order(r, i, j);
}

static xmc_review_reason
reason_of(const review *r, int32_t i, int32_t j)
{
	const xmc_review_document *d = r->document;

	if (has_flag(r, i, j, XMC_REVIEW_IS_STALE))
		return XMC_REVIEW_STALE;
	if (has_flag(r, i, j, XMC_REVIEW_IS_SKIPPED))
		return XMC_REVIEW_SKIPPED;
	if (is_suspect(r, i, j))
		return XMC_REVIEW_SUSPECT;
	if (d->text && d->image && d->text[cell(r, i, j)] * d->image[cell(r, i, j)] < 0)
		return XMC_REVIEW_DISAGREE;
	return XMC_REVIEW_UNCERTAIN;
}

/* The entropy of the answer, in bits. */
static double
uncertainty(double log_odds)
{
	double		p = xmc_probability(fabs(log_odds));

	return p < 1 ? -(p * log2(p) + (1 - p) * log2(1 - p)) : 0;
}

/* The value of asking; negative: the pair is not asked. */
static double
value_of(const review *r, int32_t i, int32_t j)
{
	double		s = r->document->fused[cell(r, i, j)];
	double		value;

	if (r->known[cell(r, i, j)] != XMC_UNDECIDED)
		return -1;
	if (r->strategy == XMC_REVIEW_CORRECT)
	{
		if (stored_order(r, i, j) == 0)
			return -1;
		value = xmc_probability(-stored_order(r, i, j) * s);
		if (has_flag(r, i, j, XMC_REVIEW_IS_STALE))
			value = fmax(value, STALE_DOUBT);
	}
	else
		value = uncertainty(s);
	return has_flag(r, i, j, XMC_REVIEW_IS_SKIPPED) ? SKIPPED_SHARE * value : value;
}

/* ---- the list ---- */

/* The best pair, before < after here; value negative: none is left. */
static xmc_status
find_best(xmc_ctx *ctx, const review *r, xmc_review_pair *best)
{
	int64_t		work = 0;

	*best = (xmc_review_pair){.value = -1};
	for (int32_t i = 0; i < r->document->n; i++)
	{
		for (int32_t j = i + 1; j < r->document->n; j++)
		{
			double		value = value_of(r, i, j);

			if (value > best->value)
				*best = (xmc_review_pair){.before = i,.after = j,.value = value};
		}
		XMC_TRY(xmc_spend(ctx, &work, r->document->n - i));
	}
	return XMC_OK;
}

static bool
is_before_or_same(const review *r, int32_t a, int32_t b)
{
	return a == b || r->known[cell(r, a, b)] == XMC_DECIDED_BEFORE;
}

/* Adds that item a stands before item b, with all that follows: each item up to a stands before each item from b on. */
static xmc_status
learn(xmc_ctx *ctx, review *r, int32_t a, int32_t b)
{
	int32_t		n = r->document->n;
	int64_t		work = 0;

	for (int32_t x = 0; x < n; x++)
	{
		for (int32_t y = 0; y < n && is_before_or_same(r, x, a); y++)
			if (is_before_or_same(r, b, y))
				xmc_decide(n, r->known, x, y, XMC_DECIDED_BEFORE);
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

static xmc_status
list_pairs(xmc_ctx *ctx, review *r, int32_t most, xmc_review_pair *pair, int32_t *n)
{
	for (*n = 0; *n < most; ++*n)
	{
		xmc_review_pair best;
		int32_t		i;
		int32_t		j;

		XMC_TRY(find_best(ctx, r, &best));
		if (best.value < 0)
			return XMC_OK;
		i = best.before;
		j = best.after;
		best.probability = xmc_probability(fabs((double) r->document->fused[cell(r, i, j)]));
		best.reason = reason_of(r, i, j);
		if (!model_order(r, i, j))
		{
			best.before = j;
			best.after = i;
		}
		pair[*n] = best;
		XMC_TRY(likely_answer(r, i, j) ? learn(ctx, r, i, j) : learn(ctx, r, j, i));
	}
	return XMC_OK;
}

xmc_status
xmc_review_pairs(xmc_ctx *ctx, const xmc_review_document *document, xmc_review_strategy strategy, int32_t most,
				 xmc_review_pair *pair, int32_t *n)
{
	size_t		cells = (size_t) document->n * (size_t) document->n;
	review		r = {.document = document,.strategy = strategy};
	xmc_status	status;

	*n = 0;
	if (document->n > XMC_REVIEW_MAX_ITEMS)
		return xmc_fail(ctx, XMC_LIMIT, "the document has %d items; pairs to review are chosen from at most %d", document->n,
						XMC_REVIEW_MAX_ITEMS);
	r.known = xmc_zalloc(ctx, cells, 1);
	XMC_NEED(r.known, ctx);
	if (document->decided)
		memcpy(r.known, document->decided, cells);
	status = list_pairs(ctx, &r, most, pair, n);
	xmc_release(ctx, r.known);
	return status;
}
