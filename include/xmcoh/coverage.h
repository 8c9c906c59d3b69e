/*
 * coverage.h - how much may pass without a person: the lowest confidence above which a promised share is right, from units
 * (documents or pairs) whose truth is known and which were judged by models that did not learn from them.
 *
 * Units of one group depend on each other: documents of one product line, pairs of one document. So every figure is a mean over
 * groups, each of weight 1, and every bound is over groups. Without groups these are the shares of units.
 */
#ifndef XMCOH_COVERAGE_H
#define XMCOH_COVERAGE_H

#include "xmcoh/base.h"
#include "xmcoh/metrics.h"

/* One unit. Units pass by falling confidence. */
typedef struct xmc_judged
{
	float		confidence;		/* not NaN */
	int32_t		group;			/* from 0 to groups - 1 */
	bool		right;
} xmc_judged;

typedef enum xmc_coverage_state
{
	XMC_COVERAGE_REACHED,		/* a share passes */
	XMC_COVERAGE_TOO_FEW,		/* so few groups that no threshold can be shown to keep the promise, even if all is right */
	XMC_COVERAGE_NOT_REACHED	/* no threshold keeps the promise for sure */
} xmc_coverage_state;

typedef struct xmc_coverage
{
	int32_t		groups;			/* with a unit */
	int32_t		passing_groups; /* with a unit that passes */
	int32_t		needed_groups;	/* fewer, all right, cannot tell */
	int64_t		judged;			/* units */
	int64_t		passing;		/* units whose confidence is at least the threshold */
	double		threshold;		/* INFINITY: nothing passes */
	xmc_interval share;			/* that passes: mean over groups and its 95% interval; see xmc_nothing_passes */
	xmc_interval precision;		/* of what passes, the share that is right; NaN where nothing passes */
	xmc_coverage_state state;
} xmc_coverage;

/* The probability with which the precision is reached. */
#define XMC_COVERAGE_SURE 0.9

/*
 * The lowest threshold at which a share of at least `precision` (0 < precision < 1) of what passes of new groups is right, with
 * probability XMC_COVERAGE_SURE: an exact binomial test (Clopper and Pearson 1934) at one threshold after the other, from the most
 * confident units down, until one fails (fixed-sequence testing: Bauer 1991; Angelopoulos et al. 2021). So the probability holds
 * although the threshold was chosen. unit (n) is sorted. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_coverage_find(xmc_ctx *ctx, int32_t n, xmc_judged *unit, double precision, xmc_coverage *out);

/*
 * The lowest threshold at which, with probability XMC_COVERAGE_SURE, a share of at least `precision` (0 < precision < 1) of the
 * units of new groups raises no alarm; INFINITY: too few groups to tell. A unit raises an alarm where its confidence reaches the
 * threshold. The bound is the same binomial one over groups. A lower threshold never raises fewer alarms, so the bound holds for
 * all thresholds above the found one (Bates et al. 2021). unit (n) is sorted, `right` is not read. Errors: as above.
 */
extern xmc_status xmc_alarm_threshold(xmc_ctx *ctx, int32_t n, xmc_judged *unit, double precision, double *threshold);

/* The share where no threshold was found: 0, and so are its bounds, or NaN if there are too few groups to tell. */
extern xmc_interval xmc_nothing_passes(xmc_coverage_state state);

/* The figures of xmc_coverage_find at a threshold that was chosen elsewhere; the state is XMC_COVERAGE_REACHED. Errors: as above. */
extern xmc_status xmc_coverage_at(xmc_ctx *ctx, int32_t n, const xmc_judged *unit, double threshold, xmc_coverage *out);

/* The 95% interval of Clopper and Pearson (1934) for a mean of n values of [0, 1]; n may be no whole number. */
extern xmc_interval xmc_share_bounds(double mean, double n);

/*
 * The mean over groups of shares in [0, 1] and its 95% interval: that of Clopper and Pearson for groups whose shares are 0 or 1;
 * else with the number of observations that the variance of the shares stands for (Korn and Graubard 1998). n = 0: NaN.
 */
extern xmc_interval xmc_share_interval(int32_t n, const double *share);

/* How many groups, all right, show that the precision is reached with probability XMC_COVERAGE_SURE. */
extern int32_t xmc_coverage_needed(double precision);

#endif
