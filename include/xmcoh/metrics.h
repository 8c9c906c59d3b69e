/*
 * metrics.h - measures of an order against the true one (design section 4, "Metrics"): Kendall tau, Acc, PMR, their random
 * baselines, and bootstrap intervals over documents or groups of documents. The measures do not depend on how items are
 * numbered, and random scores get tau 0 on average.
 */
#ifndef XMCOH_METRICS_H
#define XMCOH_METRICS_H

#include "xmcoh/base.h"

/*
 * Kendall tau of two orders of the same n items: 1 - 4 inversions / (n (n - 1)), in [-1, 1]. place[k] is the place in the
 * second order of the item at place k of the first; so place is a permutation of 0..n-1. NaN for n < 2, where tau is not
 * defined. Takes O(n log n) time. scratch holds n int32_t. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_kendall_tau(xmc_ctx *ctx, int32_t n, const int32_t *place, int32_t *scratch, double *tau);

/*
 * The number of items at their true place, place[k] == k. Acc = matches / n; PMR is the share of documents with matches ==
 * n.
 */
extern int32_t xmc_position_matches(int32_t n, const int32_t *place);

/* 1 / n!, the probability that a random order is the true one. */
extern double xmc_random_perfect_match(int32_t n);

/* How good one order is against stored positions, which may be equal. */
typedef struct xmc_order_quality
{
	int32_t		matches;		/* items at a place where they may be */
	int32_t		neighbours;		/* of the n - 1 pairs of neighbours those that are neighbours, this way round, in some right order */
	bool		perfect;		/* no pair is in the wrong order */
	double		tau;			/* over pairs that have an order; NaN where there is no such pair */
	double		random_matches; /* what a random order is expected to have of matches */
	double		random_perfect; /* the chance that a random order is perfect */
} xmc_order_quality;

/*
 * position[k] (n): the stored position of the item at place k of the order. Two items have no order if their positions are
 * equal, or if either[a * n + b] (n, n) is not 0 for their places a and b; NULL: no pair is meant. Such a pair counts
 * neither as right nor as wrong. An item may be at any place that leaves room for those which must stand before and after it:
 * g items with one position share g places. So several orders are right. Without such pairs tau is that of xmc_kendall_tau.
 *
 * random_perfect counts the right orders. That takes O(n^2) time, and exponential time in the items of one piece of the
 * document that such pairs link to each other, up to 12 of them; of a longer piece it is a lower bound. Errors: XMC_STOPPED,
 * XMC_NO_MEMORY.
 */
extern xmc_status xmc_measure_order(xmc_ctx *ctx, int32_t n, const double *position, const uint8_t *either,
									xmc_order_quality *out);

/*
 * The same against labels: precedes[a * n + b] (n, n) is not 0 if the item at place a of the order must precede the one at
 * place b. All other pairs have no order. Labels that contradict each other have no right order: random_perfect is 0.
 */
extern xmc_status xmc_measure_labels(xmc_ctx *ctx, int32_t n, const uint8_t *precedes, xmc_order_quality *out);

#define XMC_BOOTSTRAP_REPLICATES 1000

typedef struct xmc_interval
{
	double		mean;
	double		low;
	double		high;
} xmc_interval;

/*
 * The ratio sum(value) / sum(weight) over documents and its bootstrap 95% interval. Documents are drawn with replacement
 * `replicates` times, from a fixed seed; the interval is the expanded percentile interval (Hesterberg 2015). weight NULL: 1
 * each, so the ratio is the mean. A document whose value or weight is NaN is left out. If no document is left or the
 * weights sum to 0, all three results are NaN; if there are no replicates, the bounds are NaN. For a paired difference
 * value = a - b of each document. Values must be finite; a mean and its bounds are finite, too, even where a sum would
 * overflow. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_bootstrap(xmc_ctx *ctx, int32_t n, const double *value, const double *weight,
								int32_t replicates, uint64_t seed, xmc_interval *out);

/*
 * The same over groups of documents (cluster bootstrap, Davison and Hinkley 1997, section 3.8): groups are drawn with
 * replacement, each with all its documents, because the documents of one group are not independent. group[k] is the number
 * of the group of document k, from 0 to n - 1. NULL, or a group for each document: the result is that of xmc_bootstrap, to
 * the bit.
 */
extern xmc_status xmc_bootstrap_groups(xmc_ctx *ctx, int32_t n, const double *value, const double *weight,
									   const int32_t *group, int32_t replicates, uint64_t seed, xmc_interval *out);

/* The fewest groups over which an interval is reported where documents share groups: fewer say too little of new ones. */
#define XMC_MIN_INTERVAL_GROUPS 4

#endif
