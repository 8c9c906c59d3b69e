/*
 * metrics.c - Kendall tau, matching places, bootstrap intervals over documents or groups; see metrics.h (design section 4,
 * "Metrics")
 */
#include "xmcoh/metrics.h"
#include "numeric/beta.h"
#include "xmcoh/random.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Inversions are counted with a Fenwick tree (Fenwick 1994). The tree needs n counters and leaves the input as it is, where
 * a merge sort would need two copies. scratch[k] counts the places seen so far in the range of node k + 1.
 */
xmc_status
xmc_kendall_tau(xmc_ctx *ctx, int32_t n, const int32_t *place, int32_t *scratch, double *tau)
{
	int64_t		inversions = 0;
	int64_t		work = 0;

	*tau = NAN;
	if (n < 2)
		return XMC_OK;
	XMC_TRY(xmc_clear(ctx, scratch, sizeof(int32_t) * n));
	for (int32_t k = 0; k < n; k++)
	{
		int32_t		before = 0;

		/* Of the k places seen so far, `before` are smaller; the others are inversions. Then this place is counted. */
		for (int32_t p = place[k]; p > 0; p &= p - 1)
			before += scratch[p - 1];
		inversions += k - before;
		for (int32_t p = place[k] + 1; p <= n; p += p & -p)
			scratch[p - 1]++;
		XMC_TRY(xmc_spend(ctx, &work, 32));	/* two walks of up to 31 steps each */
	}
	*tau = 1 - 4 * (double) inversions / ((double) n * (n - 1));
	return XMC_OK;
}

int32_t
xmc_position_matches(int32_t n, const int32_t *place)
{
	int32_t		matches = 0;

	for (int32_t k = 0; k < n; k++)
		matches += place[k] == k;
	return matches;
}

double
xmc_random_perfect_match(int32_t n)
{
	double		chance = 1;

	for (int32_t k = 2; k <= n && chance > 0; k++)
		chance /= k;
	return chance;
}

/* ---- an order against stored positions ---- */

/* What is known of the true order, by places of the order that is measured. */
typedef struct truth
{
	int32_t		n;
	const double *position;		/* (n) */
	const uint8_t *either;		/* (n, n) pairs without an order; NULL: those with equal positions alone */
	const uint8_t *precedes;	/* (n, n) labels in place of positions, which then say how many items precede; or NULL */
} truth;

static bool
must_precede(const truth *t, int32_t a, int32_t b)
{
	if (t->precedes)
		return t->precedes[(int64_t) a * t->n + b];
	return t->position[a] < t->position[b] && !(t->either && t->either[(int64_t) a * t->n + b]);
}

#define EXACT_ITEMS 12

/*
 * The share of the g! orders of a piece's items that put no pair into the wrong order. count (1 << g): scratch, for g <=
 * EXACT_ITEMS: count[set] is the number of right orders of a set of items that nothing outside of the set must precede
 * (dynamic programming over subsets, Held and Karp 1962). Of a longer piece the share is at least 1 / product over items of
 * how many must not stand before it, itself included (Knuth 1973, section 5.1.4, for forests with equality).
 */
static double
piece_share(const truth *t, int32_t g, const int32_t *item, double *count)
{
	double		share = 1;

	if (g > EXACT_ITEMS)
	{
		for (int32_t a = 0; a < g; a++)
		{
			int32_t		after = 1;

			for (int32_t b = 0; b < g; b++)
				after += must_precede(t, item[a], item[b]);
			share /= after;
		}
		return share;
	}
	memset(count, 0, sizeof(double) << g);
	count[0] = 1;
	for (int32_t set = 0; set < 1 << g; set++)
		for (int32_t b = 0; b < g && count[set] > 0; b++)
		{
			bool		ready = !(set >> b & 1);

			/* item b may follow the set if all that must precede it are in the set */
			for (int32_t a = 0; a < g && ready; a++)
				ready = set >> a & 1 || !must_precede(t, item[a], item[b]);
			if (ready)
				count[set | 1 << b] += count[set];
		}
	return count[(1 << g) - 1] * xmc_random_perfect_match(g);
}

/*
 * The share of right orders. by_position (n): the places by position. A piece ends where all items so far must precede all
 * that follow; so a right order is one right order of each piece after the other.
 */
static xmc_status
share_of_right_orders(xmc_ctx *ctx, const truth *t, const int32_t *by_position, double *count, double *share)
{
	int64_t		work = 0;
	int32_t		first = 0;		/* of the piece */
	int32_t		last = 0;		/* the last item that some item of the piece need not precede */

	*share = xmc_random_perfect_match(t->n);
	for (int32_t k = 0; k < t->n; k++)
	{
		for (int32_t j = t->n - 1; j > last; j--)
			if (!must_precede(t, by_position[k], by_position[j]))
				last = j;
		XMC_TRY(xmc_spend(ctx, &work, t->n));
		if (last > k)
			continue;
		/* of g! orders of the piece, this share is right */
		for (int32_t g = 2; g <= k + 1 - first; g++)
			*share *= g;
		*share *= piece_share(t, k + 1 - first, by_position + first, count);
		XMC_TRY(xmc_spend(ctx, &work, k - first < EXACT_ITEMS ? 1 << (k - first) : 1));
		first = last = k + 1;
	}
	return XMC_OK;
}

/* The places sorted by position; stable, and fast for an order that is nearly right. */
static xmc_status
sort_by_position(xmc_ctx *ctx, const truth *t, int32_t *by_position)
{
	int64_t		work = 0;

	for (int32_t k = 0; k < t->n; k++)
	{
		int32_t		to = k;

		for (; to > 0 && t->position[by_position[to - 1]] > t->position[k]; to--)
			by_position[to] = by_position[to - 1];
		by_position[to] = k;
		XMC_TRY(xmc_spend(ctx, &work, 1 + k - to));
	}
	return XMC_OK;
}

/* Whether the item at place b can stand directly behind the one at place a: nothing must stand between them. */
static bool
may_follow(const truth *t, int32_t a, int32_t b)
{
	bool		may = !must_precede(t, b, a);

	for (int32_t c = 0; c < t->n && may; c++)
		may = !(must_precede(t, a, c) && must_precede(t, c, b));
	return may;
}

/* The figures over pairs and places. */
static xmc_status
measure_pairs(xmc_ctx *ctx, const truth *t, xmc_order_quality *out)
{
	int64_t		wrong = 0;		/* pairs in the wrong order */
	int64_t		pairs = 0;		/* pairs that have an order */
	int64_t		free_places = 0;	/* sum over items of the places where they may be */
	int64_t		work = 0;

	for (int32_t k = 0; k < t->n; k++)
	{
		int32_t		before = 0; /* items that must precede item k */
		int32_t		after = 0;	/* items that it must precede */

		for (int32_t j = 0; j < t->n; j++)
		{
			bool		precedes = must_precede(t, j, k);
			bool		follows = must_precede(t, k, j);

			before += precedes;
			after += follows;
			if (j < k)
			{
				wrong += follows;
				pairs += precedes || follows;
			}
		}
		out->matches += before <= k && k < t->n - after;
		out->neighbours += k > 0 && may_follow(t, k - 1, k);
		free_places += t->n - after - before;
		XMC_TRY(xmc_spend(ctx, &work, 2 * t->n));
	}
	out->perfect = wrong == 0;
	out->tau = pairs ? 1 - 2.0 * wrong / pairs : NAN;
	/* an item is at one of its g places with probability g / n */
	out->random_matches = t->n > 0 ? (double) free_places / t->n : 0;
	return XMC_OK;
}

static xmc_status
measure(xmc_ctx *ctx, const truth *t, xmc_order_quality *out)
{
	int32_t		n = t->n;
	int32_t    *by_position = xmc_alloc(ctx, n > 0 ? n : 0, sizeof(int32_t));
	double	   *count = xmc_alloc(ctx, 1 << (n < EXACT_ITEMS ? n : EXACT_ITEMS), sizeof(double));
	xmc_status	status = XMC_OK;

	*out = (xmc_order_quality){0};
	if (!by_position || !count)
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	if (status == XMC_OK)
		status = measure_pairs(ctx, t, out);
	if (status == XMC_OK)
		status = sort_by_position(ctx, t, by_position);
	if (status == XMC_OK)
		status = share_of_right_orders(ctx, t, by_position, count, &out->random_perfect);
	xmc_release(ctx, count);
	xmc_release(ctx, by_position);
	return status;
}

xmc_status
xmc_measure_order(xmc_ctx *ctx, int32_t n, const double *position, const uint8_t *either, xmc_order_quality *out)
{
	return measure(ctx, &(truth) {.n = n,.position = position,.either = either}, out);
}

xmc_status
xmc_measure_labels(xmc_ctx *ctx, int32_t n, const uint8_t *precedes, xmc_order_quality *out)
{
	double	   *position = xmc_zalloc(ctx, n > 0 ? n : 0, sizeof(double));	/* (n) how many items precede */
	int64_t		work = 0;
	xmc_status	status = XMC_OK;

	XMC_NEED(position, ctx);
	for (int32_t a = 0; a < n && status == XMC_OK; a++)
	{
		for (int32_t b = 0; b < n; b++)
			position[b] += precedes[(int64_t) a * n + b] != 0;
		status = xmc_spend(ctx, &work, n);
	}
	if (status == XMC_OK)
		status = measure(ctx, &(truth) {.n = n,.position = position,.precedes = precedes}, out);
	xmc_release(ctx, position);
	return status;
}

/* ---- bootstrap ---- */

typedef struct ratio_term
{
	double		value;
	double		weight;
} ratio_term;

static int
compare_double(const void *left, const void *right)
{
	double		a = *(const double *) left;
	double		b = *(const double *) right;

	return (a > b) - (a < b);
}

/* Linear interpolation between order statistics (Hyndman and Fan 1996, type 7); sorted (n), n >= 1. */
static double
quantile(int32_t n, const double *sorted, double q)
{
	double		at = q * (n - 1);
	int32_t		k = (int32_t) at;

	if (k + 1 >= n)
		return sorted[n - 1];
	return sorted[k] + (at - k) * (sorted[k + 1] - sorted[k]);
}

/*
 * The share of replicates below the 95% interval over n documents or groups, and the share above. A plain percentile
 * interval leaves 2.5% on each side. For small n such an interval is too narrow, by the factor sqrt((n - 1) / n) and by the
 * use of the normal instead of Student's quantile; here both are corrected (Hesterberg 2015, "What Teachers Should Know
 * about the Bootstrap", expanded percentile interval). For very small n the interval spans nearly all replicates.
 */
static double
tail(int32_t n)
{
	if (n < 2)
		return 0;
	return erfc(xmc_student_quantile(0.975, n - 1) * sqrt(n / (n - 1.0)) / sqrt(2)) / 2;
}

/*
 * If values are so large that their sum could overflow, all values are divided by 2^LARGE_UNIT first. Then the sum of up to
 * INT32_MAX values is finite. The precision that small values lose is negligible beside the large value.
 */
#define LARGE_UNIT 40

typedef struct sample
{
	int32_t		n;				/* documents that are not left out; with groups: groups that have such a document */
	ratio_term *terms;			/* (n) */
	int			unit;			/* values are in units of 2^unit */
	double		largest;		/* largest abs(value), in units of 1 */
} sample;

/* Collects the terms of the documents whose value and weight are not NaN. */
static xmc_status
gather(xmc_ctx *ctx, int32_t n, const double *value, const double *weight, sample *out)
{
	int64_t		work = 0;

	for (int32_t k = 0; k < n; k++)
	{
		ratio_term	next = {value[k], weight ? weight[k] : 1};

		XMC_TRY(xmc_spend(ctx, &work, 1));
		if (isnan(next.value) || isnan(next.weight))
			continue;
		out->terms[out->n++] = next;
		out->largest = fmax(out->largest, fabs(next.value));
	}
	out->unit = out->largest > ldexp(DBL_MAX, -LARGE_UNIT) ? LARGE_UNIT : 0;
	for (int32_t k = 0; k < out->n && out->unit > 0; k++)
	{
		XMC_TRY(xmc_spend(ctx, &work, 1));
		out->terms[k].value = ldexp(out->terms[k].value, -out->unit);
	}
	return XMC_OK;
}

/* Replaces the terms of documents by the sums over their groups; `at` (n) is scratch. */
static xmc_status
sum_groups(xmc_ctx *ctx, int32_t n, const double *value, const double *weight, const int32_t *group, int32_t *at,
		   sample *all)
{
	int64_t		work = 0;
	int32_t		n_groups = 0;
	int32_t		document = 0;	/* among those that are not left out */

	for (int32_t k = 0; k < n; k++)
		at[k] = -1;
	/* A group's sum never stands behind the terms that are still to be read, so one array holds both. */
	for (int32_t k = 0; k < n; k++)
	{
		ratio_term	term;
		int32_t    *place = &at[group[k]];

		XMC_TRY(xmc_spend(ctx, &work, 1));
		if (isnan(value[k]) || (weight && isnan(weight[k])))
			continue;
		term = all->terms[document++];
		if (*place < 0)
		{
			*place = n_groups++;
			all->terms[*place] = term;
		}
		else
		{
			all->terms[*place].value += term.value;
			all->terms[*place].weight += term.weight;
		}
	}
	all->n = n_groups;
	return XMC_OK;
}

/* The sum of all terms; if random is not NULL, of as many terms drawn with replacement. */
static xmc_status
sum_terms(xmc_ctx *ctx, const sample *from, xmc_random *random, int64_t *work, ratio_term *sum)
{
	*sum = (ratio_term) {0, 0};
	for (int32_t k = 0, end; k < from->n; k = end)
	{
		end = from->n - k < XMC_STOP_CELLS ? from->n : k + XMC_STOP_CELLS;
		for (int32_t i = k; i < end; i++)
		{
			const ratio_term *t = &from->terms[random ? (int32_t) xmc_random_below(random, (uint32_t) from->n) : i];

			sum->value += t->value;
			sum->weight += t->weight;
		}
		XMC_TRY(xmc_spend(ctx, work, end - k));
	}
	return XMC_OK;
}

/* Converts to units of 1. A mean that rounding made larger than the largest value, or infinite, becomes that value. */
static double
in_ones(const sample *from, bool is_mean, double x)
{
	double		result = ldexp(x, from->unit);

	return is_mean && fabs(result) > from->largest ? copysign(from->largest, result) : result;
}

void
xmc_replicate_interval(int32_t replicates, double *value, int32_t n, xmc_interval *out)
{
	double		share = tail(n);

	out->low = out->high = NAN;
	if (replicates < 1)
		return;
	qsort(value, (size_t) replicates, sizeof(double), compare_double);
	out->low = quantile(replicates, value, share);
	out->high = quantile(replicates, value, 1 - share);
}

/* Computes the ratio of the sample and of its replicates; ratio (replicates) is scratch. */
static xmc_status
resample(xmc_ctx *ctx, const sample *from, bool is_mean, int32_t replicates, uint64_t seed, double *ratio,
		 xmc_interval *out)
{
	int32_t		ratios = 0;
	int64_t		work = 0;
	ratio_term	sum;
	xmc_random	random;

	XMC_TRY(sum_terms(ctx, from, NULL, &work, &sum));
	if (sum.weight == 0)
		return XMC_OK;
	out->mean = in_ones(from, is_mean, sum.value / sum.weight);
	xmc_random_seed(&random, seed);
	for (int32_t r = 0; r < replicates; r++)
	{
		ratio_term	drawn;

		XMC_TRY(sum_terms(ctx, from, &random, &work, &drawn));
		if (drawn.weight != 0)	/* else the ratio is not defined; this happens only if nearly all weights are 0 */
			ratio[ratios++] = drawn.value / drawn.weight;
	}
	xmc_replicate_interval(ratios, ratio, from->n, out);
	out->low = in_ones(from, is_mean, out->low);
	out->high = in_ones(from, is_mean, out->high);
	return XMC_OK;
}

xmc_status
xmc_bootstrap(xmc_ctx *ctx, int32_t n, const double *value, const double *weight, int32_t replicates, uint64_t seed,
			  xmc_interval *out)
{
	return xmc_bootstrap_groups(ctx, n, value, weight, NULL, replicates, seed, out);
}

xmc_status
xmc_bootstrap_groups(xmc_ctx *ctx, int32_t n, const double *value, const double *weight, const int32_t *group,
					 int32_t replicates, uint64_t seed, xmc_interval *out)
{
	sample		all = {.terms = xmc_alloc(ctx, n > 0 ? n : 0, sizeof(ratio_term))};
	double	   *ratio = xmc_alloc(ctx, replicates > 0 ? replicates : 0, sizeof(double));
	int32_t    *at = xmc_alloc(ctx, group && n > 0 ? n : 0, sizeof(int32_t));
	xmc_status	status = XMC_OK;

	*out = (xmc_interval){NAN, NAN, NAN};
	if (!all.terms || !ratio || !at)
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	if (status == XMC_OK)
		status = gather(ctx, n, value, weight, &all);
	if (status == XMC_OK && group)
		status = sum_groups(ctx, n, value, weight, group, at, &all);
	if (status == XMC_OK)
		status = resample(ctx, &all, !weight, replicates, seed, ratio, out);
	xmc_release(ctx, at);
	xmc_release(ctx, ratio);
	xmc_release(ctx, all.terms);
	return status;
}
