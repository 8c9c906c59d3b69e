/*
 * metrics.h - how good an order is (design section 4, "Metrics"): Acc, PMR, Kendall tau, their random baselines, and
 * bootstrap intervals over documents. All are free of the gold order's labels: relabelling items changes nothing, and
 * coin-flip scores get tau 0.
 */
#ifndef XMCOH_METRICS_H
#define XMCOH_METRICS_H

#include "xmcoh/base.h"

/*
 * Kendall tau between two orders of the same n items: 1 - 4 inversions / (n (n - 1)), in [-1, 1]. `place[k]` is the place
 * in the second order of the item at place k of the first; a permutation of 0..n-1. NaN for n < 2 (not defined).
 * O(n log n). `scratch` holds n int32_t. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_kendall_tau(xmc_ctx *ctx, int32_t n, const int32_t *place, int32_t *scratch, double *tau);

/* How many items stand at their place: counts k with place[k] == k. Acc = matches / n; PMR counts documents with matches == n. */
extern int32_t xmc_position_matches(int32_t n, const int32_t *place);

/* 1 / n!, the chance that a random order is fully right. */
extern double xmc_random_perfect_match(int32_t n);

/* How good one order is against stored positions, which may be equal. */
typedef struct xmc_order_quality
{
	int32_t		matches;		/* items at their place */
	double		tau;			/* over pairs with different positions; NaN where there is no such pair */
	double		random_matches; /* what a random order is expected to have of matches */
	double		random_perfect; /* the chance that a random order has all items at their place */
} xmc_order_quality;

/*
 * position[k] (n): the stored position of the item at place k of the order. g items with the same position share g places:
 * each is right at any of these, and a pair of them counts neither as right nor as wrong. So g! times as many orders are
 * right. Without equal positions tau is that of xmc_kendall_tau. O(n^2). Errors: XMC_STOPPED.
 */
extern xmc_status xmc_measure_order(xmc_ctx *ctx, int32_t n, const double *position, xmc_order_quality *out);

#define XMC_BOOTSTRAP_REPLICATES 1000

typedef struct xmc_interval
{
	double		mean;
	double		low;
	double		high;
} xmc_interval;

/*
 * Ratio sum(value) / sum(weight) over documents with its bootstrap 95% interval (expanded percentile, Hesterberg 2015;
 * documents drawn with replacement `replicates` times, fixed seed). weight NULL means 1 each: the mean. Documents whose
 * value is NaN are left out, and those whose weight is. With no document or no weight left all three are NaN, without
 * replicates the bounds. For a paired difference pass value = a - b per document. Values are finite; then so are all three
 * without weights, however large their sum would be.
 * Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_bootstrap(xmc_ctx *ctx, int32_t n, const double *value, const double *weight,
								int32_t replicates, uint64_t seed, xmc_interval *out);

#endif
