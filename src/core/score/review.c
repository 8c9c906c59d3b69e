/*
 * review.c - which pairs of a document are worth a person's time: review.h is the contract. Pairs are chosen one by
 * one, the one of the largest value first; what would follow from the likely answer counts as known from then on.
 * doc/method.md, "Review", has the strategies that were compared.
 */
#include "xmcoh/review.h"
#include "xmcoh/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED_SHARE 0.1		/* of the value of a pair that nobody skipped: another person may know the answer */
#define STALE_DOUBT 0.5			/* of neighbours, at least: whether an old decision still holds is not known */
#define RIGHT_ODDS 4			/* that the stored order of a document is right, before the scores are looked at */

/* An item in the stored order. */
typedef struct stored_item
{
	double		position;
	int32_t		item;
} stored_item;

/* The document, and what is known of it. */
typedef struct review
{
	const xmc_review_document *document;
	uint8_t    *known;			/* (n, n) xmc_decision: decisions and likely answers, closed */
	int32_t		answers;		/* from which all that is known follows */
	int32_t		m;				/* items with a position */
	stored_item *stored;		/* (m) the stored order */
	int32_t    *place;			/* (n) how many items are stored before the item */
	int32_t    *likely_place;	/* (n) the same of the order by the sums of fused scores */
	float	   *wrong;			/* (n, n) that the pair i < j is stored the wrong way round; NULL: to learn */
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

/* Whether the model reads anything of the item. */
static bool
has_any(const review *r, int32_t i)
{
	return !r->document->has || r->document->has[i] != 0;
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

/* How far apart two items stand, as a share of the document: in the stored order, else in that by the scores. */
static double
distance(const review *r, int32_t i, int32_t j)
{
	if (!isnan(r->document->position[i]) && !isnan(r->document->position[j]))
		return abs(r->place[i] - r->place[j]) / (double) (r->m - 1);
	return abs(r->likely_place[i] - r->likely_place[j]) / (double) (r->document->n - 1);
}

/*
 * What the answer teaches: its entropy, times the square root of the distance of the items. The order of distant items
 * follows from what they say, that of neighbours often from chance. So answers about neighbours teach little, although they
 * are the least certain. The k-th answer in a document counts 1 / k, since other documents hold other words.
 */
static double
value_to_learn(const review *r, int32_t i, int32_t j)
{
	return uncertainty(r->document->fused[cell(r, i, j)]) * sqrt(distance(r, i, j)) / (1 + r->answers);
}

static double
value_to_correct(const review *r, int32_t i, int32_t j)
{
	double		wrong = r->wrong[cell(r, i, j)];

	if (!has_flag(r, i, j, XMC_REVIEW_IS_STALE))
		return wrong;
	/* neighbours first: the order of the others follows */
	return fmax(wrong, STALE_DOUBT / abs(r->place[i] - r->place[j]));
}

/* The value of asking; negative: the pair is not asked. */
static double
value_of(const review *r, int32_t i, int32_t j)
{
	double		value;

	if (r->known[cell(r, i, j)] != XMC_UNDECIDED || !has_any(r, i) || !has_any(r, j) || (r->wrong && stored_order(r, i, j) == 0))
		return -1;
	value = r->wrong ? value_to_correct(r, i, j) : value_to_learn(r, i, j);
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
		r->answers++;
		XMC_TRY(likely_answer(r, i, j) ? learn(ctx, r, i, j) : learn(ctx, r, j, i));
	}
	return XMC_OK;
}

/* ---- places ---- */

static int
compare_stored(const void *a, const void *b)
{
	const stored_item *x = a;
	const stored_item *y = b;

	if (x->position != y->position)
		return x->position < y->position ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item);
}

/* stored, m and place. */
static void
find_places(review *r)
{
	const double *position = r->document->position;

	for (int32_t i = 0; i < r->document->n; i++)
		if (!isnan(position[i]))
			r->stored[r->m++] = (stored_item) {position[i], i};
	qsort(r->stored, (size_t) r->m, sizeof *r->stored, compare_stored);
	for (int32_t k = 0; k < r->m; k++)
		r->place[r->stored[k].item] = k > 0 && r->stored[k].position == r->stored[k - 1].position
			? r->place[r->stored[k - 1].item] : k;
}

/* likely_place; sum (n): scratch. Of equal sums the smaller item number stands first. */
static xmc_status
find_likely_places(xmc_ctx *ctx, review *r, double *sum)
{
	int32_t		n = r->document->n;
	int64_t		work = 0;

	for (int32_t i = 0; i < n; i++)
	{
		sum[i] = 0;
		for (int32_t j = 0; j < n; j++)
			sum[i] += i == j ? 0 : r->document->fused[cell(r, i, j)];
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	for (int32_t i = 0; i < n; i++)
	{
		r->likely_place[i] = 0;
		for (int32_t j = 0; j < n; j++)
			r->likely_place[i] += sum[j] > sum[i] || (sum[j] == sum[i] && j < i);
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

/* answers: items less the pieces that known orders link. piece (n): scratch. */
static xmc_status
count_answers(xmc_ctx *ctx, review *r, int32_t *piece)
{
	int32_t		n = r->document->n;
	int64_t		work = 0;

	for (int32_t i = 0; i < n; i++)
		piece[i] = i;
	for (int32_t i = 0; i < n; i++)
	{
		for (int32_t j = i + 1; j < n; j++)
		{
			uint8_t		known = r->known[cell(r, i, j)];
			int32_t		joined = piece[j];

			if ((known != XMC_DECIDED_BEFORE && known != XMC_DECIDED_AFTER) || joined == piece[i])
				continue;
			r->answers++;
			for (int32_t k = 0; k < n; k++)
				piece[k] = piece[k] == joined ? piece[i] : piece[k];
			XMC_TRY(xmc_spend(ctx, &work, n));
		}
		XMC_TRY(xmc_spend(ctx, &work, n - i));
	}
	return XMC_OK;
}

/* ---- stored the wrong way round ---- */

/* What speaks for an item being misplaced. */
typedef struct misplaced
{
	double		sum;			/* over the pairs that its move turns: the log-odds that they are wrong */
	int32_t		pairs;
} misplaced;

/*
 * Adds the pair of the stored places k < l to what a move turns. *weight: how much likelier the scores are if the item was
 * misplaced so far than if the order is right; 0: the move turns no further pair. The pairs of one item are not independent
 * of each other, so all of them count as one, by their mean. False: the move would turn a decided pair.
 */
static bool
turn(const review *r, int32_t k, int32_t l, misplaced *move, double *weight)
{
	size_t		at = cell(r, r->stored[k].item, r->stored[l].item);

	*weight = 0;
	if (r->known[at] == XMC_DECIDED_BEFORE)
		return false;
	if (r->known[at] != XMC_UNDECIDED || r->stored[k].position == r->stored[l].position)
		return true;
	move->sum += fmin(fmax(-(double) r->document->fused[at], -XMC_STORED_LOG_ODDS), XMC_STORED_LOG_ODDS);
	move->pairs++;
	*weight = exp(move->sum / move->pairs);
	return true;
}

static float *
wrong_at(const review *r, int32_t k, int32_t l)
{
	int32_t		i = r->stored[k].item;
	int32_t		j = r->stored[l].item;

	return &r->wrong[i < j ? cell(r, i, j) : cell(r, j, i)];
}

/*
 * wrong: the probability that each pair is stored the wrong way round, if at most one item of the document is misplaced and
 * every such fault is as likely as any other. weight (n): scratch, of the moves of one item past another.
 */
static xmc_status
find_wrong(xmc_ctx *ctx, review *r, double *weight)
{
	double		total = 0;		/* weight of all faults */
	int64_t		faults = 0;
	int64_t		work = 0;

	for (int32_t k = 0; k < r->m; k++)
	{
		misplaced	backward = {0};
		misplaced	forward = {0};
		double		sum = 0;
		int32_t		end = k + 1;
		int32_t		begin = k - 1;

		/* the item at place k belongs behind that at place l, or before it; of two neighbours the first way stands for both */
		for (; end < r->m && turn(r, k, end, &forward, &weight[end]); end++)
			faults += weight[end] > 0;
		for (; begin >= 0 && turn(r, begin, k, &backward, &weight[begin]); begin--)
			if (begin == k - 1)
				weight[begin] = 0;
			else
				faults += weight[begin] > 0;
		/* a pair is turned by all moves that end at the other item or beyond it */
		for (int32_t l = end - 1; l > k; l--)
			*wrong_at(r, k, l) += (float) (sum += weight[l]);
		total += sum;
		sum = 0;
		for (int32_t l = begin + 1; l < k; l++)
			*wrong_at(r, l, k) += (float) (sum += weight[l]);
		total += sum;
		XMC_TRY(xmc_spend(ctx, &work, r->m));
	}
	for (int32_t i = 0; i < r->document->n; i++)
	{
		for (int32_t j = i + 1; j < r->document->n; j++)
			r->wrong[cell(r, i, j)] = (float) (r->wrong[cell(r, i, j)] / fmax(RIGHT_ODDS * (double) faults + total, 1));
		XMC_TRY(xmc_spend(ctx, &work, r->document->n));
	}
	return XMC_OK;
}

/* ---- a document ---- */

/* scratch (n) */
static xmc_status
review_document(xmc_ctx *ctx, review *r, double *scratch, int32_t most, xmc_review_pair *pair, int32_t *n)
{
	size_t		cells = (size_t) r->document->n * (size_t) r->document->n;

	if (r->document->decided)
		memcpy(r->known, r->document->decided, cells);
	find_places(r);
	XMC_TRY(find_likely_places(ctx, r, scratch));
	XMC_TRY(count_answers(ctx, r, (int32_t *) scratch));
	if (r->wrong)
		XMC_TRY(find_wrong(ctx, r, scratch));
	return list_pairs(ctx, r, most, pair, n);
}

xmc_status
xmc_review_pairs(xmc_ctx *ctx, const xmc_review_document *document, xmc_review_strategy strategy, int32_t most,
				 xmc_review_pair *pair, int32_t *n)
{
	size_t		items = (size_t) document->n;
	bool		corrects = strategy == XMC_REVIEW_CORRECT;
	review		r = {.document = document};
	double	   *scratch;
	xmc_status	status;

	*n = 0;
	if (document->n > XMC_REVIEW_MAX_ITEMS)
		return xmc_fail(ctx, XMC_LIMIT, "the document has %d items; pairs to review are chosen from at most %d", document->n,
						XMC_REVIEW_MAX_ITEMS);
	r.known = xmc_zalloc(ctx, items * items, 1);
	r.stored = xmc_alloc(ctx, items, sizeof *r.stored);
	r.place = xmc_alloc(ctx, 2 * items, sizeof(int32_t));
	r.wrong = corrects ? xmc_zalloc(ctx, items * items, sizeof(float)) : NULL;
	scratch = xmc_alloc(ctx, items, sizeof(double));
	if (r.known && r.stored && r.place && scratch && (r.wrong || !corrects))
	{
		r.likely_place = r.place + items;
		status = review_document(ctx, &r, scratch, most, pair, n);
	}
	else
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	xmc_release(ctx, r.known);
	xmc_release(ctx, r.stored);
	xmc_release(ctx, r.place);
	xmc_release(ctx, r.wrong);
	xmc_release(ctx, scratch);
	return status;
}
