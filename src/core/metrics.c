/* metrics.c - Kendall tau, places, bootstrap intervals; see metrics.h */
#include "xmcoh/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STOP_DRAWS 1000000		/* bootstrap draws between two questions whether to stop */

/*
 * Inversions are counted with a Fenwick tree (1994) rather than a merge sort: it needs n counters beside the input, not
 * a copy to sort and a buffer to merge into. scratch[k] holds how many places of its range have been seen.
 */
double
xmc_kendall_tau(int32_t n, const int32_t *place, int32_t *scratch)
{
	int64_t		inversions = 0;

	if (n < 2)
		return NAN;
	memset(scratch, 0, sizeof(int32_t) * n);
	for (int32_t k = 0; k < n; k++)
	{
		int32_t		before = 0;

		for (int32_t p = place[k]; p > 0; p &= p - 1)
			before += scratch[p - 1];
		inversions += k - before;
		for (int32_t p = place[k] + 1; p <= n; p += p & -p)
			scratch[p - 1]++;
	}
	return 1 - 4 * (double) inversions / ((double) n * (n - 1));
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

/* ---- bootstrap ---- */

typedef struct term
{
	double		value;
	double		weight;
} term;

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
 * The share of replicates below a 95% interval over n documents, and above. A plain percentile interval, which leaves 2.5%,
 * is as much too narrow as a normal one with the variance's divisor n: here the same factor and Student's quantile widen it
 * (Hesterberg 2015, "What Teachers Should Know about the Bootstrap", expanded percentile interval). With a handful of
 * documents it spans all that they give.
 */
static double
tail(int32_t n)
{
	double		z = 1.959963984540054;	/* normal quantile of 97.5% */
	double		v = n - 1;
	double		z3 = z * z * z;
	double		z5 = z3 * z * z;
	double		t;				/* Student's with v degrees of freedom (Abramowitz and Stegun 26.7.5) */

	if (n < 2)
		return 0;
	t = z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v) + (3 * z5 * z * z + 19 * z5 + 17 * z3 - 15 * z) / (384 * v * v * v);
	return erfc(t * sqrt(n / v) / sqrt(2)) / 2;
}

xmc_status
xmc_bootstrap(xmc_ctx *ctx, int32_t n, const double *value, const double *weight, int32_t replicates, uint64_t seed,
			  xmc_interval *out)
{
	term	   *terms = xmc_alloc(ctx, n > 0 ? n : 0, sizeof(term));
	double	   *ratio = xmc_alloc(ctx, replicates > 0 ? replicates : 0, sizeof(double));
	int32_t		kept = 0;
	int32_t		ratios = 0;
	int64_t		draws = 0;
	term		sum = {0, 0};
	xmc_random	random;
	xmc_status	status = XMC_OK;

	*out = (xmc_interval){NAN, NAN, NAN};
	if (!terms || !ratio)
	{
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
		goto done;
	}
	for (int32_t k = 0; k < n; k++)
	{
		term		next = {value[k], weight ? weight[k] : 1};

		if (isnan(next.value) || isnan(next.weight))
			continue;
		terms[kept++] = next;
		sum.value += next.value;
		sum.weight += next.weight;
	}
	if (sum.weight == 0)
		goto done;

	xmc_random_seed(&random, seed);
	for (int32_t r = 0; r < replicates; r++)
	{
		term		drawn = {0, 0};

		for (int32_t k = 0; k < kept; k++)
		{
			const term *t = &terms[xmc_random_below(&random, kept)];

			drawn.value += t->value;
			drawn.weight += t->weight;
		}
		if (drawn.weight != 0)	/* else the ratio is not defined: only when nearly all weights are 0 */
			ratio[ratios++] = drawn.value / drawn.weight;
		draws += kept;
		if (draws >= STOP_DRAWS)
		{
			draws = 0;
			status = xmc_check_stop(ctx);
			if (status != XMC_OK)
				goto done;
		}
	}
	out->mean = sum.value / sum.weight;
	if (ratios > 0)
	{
		double		share = tail(kept);

		qsort(ratio, ratios, sizeof(double), compare_double);
		out->low = quantile(ratios, ratio, share);
		out->high = quantile(ratios, ratio, 1 - share);
	}
done:
	xmc_release(ctx, ratio);
	xmc_release(ctx, terms);
	return status;
}
