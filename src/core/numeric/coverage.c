/* coverage.c - see coverage.h (doc/method.md, "Coverage") */
#include "xmcoh/coverage.h"
#include "base/sort.h"
#include "numeric/beta.h"

#include <math.h>
#include <string.h>

#define TAIL 0.025				/* of a 95% interval */
#define MOST_TESTS 1024			/* thresholds that are tested; of more units not each one is */
#define MOST_WRONG 2			/* groups that may be wrong at the first threshold */
#define UNIT 0x1p20				/* a share of 1 as a whole number */
#define FINE_UNIT 0x1p40		/* the same, where squares are not needed */

/* ---- intervals ---- */

xmc_interval
xmc_share_bounds(double mean, double n)
{
	double		right = mean * n;
	double		wrong = n - right;

	return (xmc_interval) {
		.mean = mean,
		.low = right > 0 ? xmc_beta_quantile(TAIL, right, wrong + 1) : 0,
		.high = wrong > 0 ? xmc_beta_quantile(1 - TAIL, right + 1, wrong) : 1
	};
}

/* Sums over shares in whole numbers of 1 / UNIT, so that they do not depend on the order. */
typedef struct share_sum
{
	int32_t		n;
	int64_t		sum;
	int64_t		squares;		/* in 1 / UNIT^2 */
	int64_t		lowest;
	int64_t		highest;
} share_sum;

static void
add_share(share_sum *s, double share)
{
	int64_t		whole = llround(share * UNIT);

	s->lowest = s->n == 0 || whole < s->lowest ? whole : s->lowest;
	s->highest = s->n == 0 || whole > s->highest ? whole : s->highest;
	s->sum += whole;
	s->squares += whole * whole;
	s->n++;
}

static xmc_interval
share_bounds(const share_sum *s)
{
	double		n = s->n;
	double		mean = (double) s->sum / UNIT / n;
	double		variance;
	double		ratio;

	if (s->n == 0)
		return (xmc_interval) {NAN, NAN, NAN};
	variance = ((double) s->squares / (UNIT * UNIT) - n * mean * mean) / (n - 1);
	if (s->lowest == s->highest || variance <= 0)
		return xmc_share_bounds(mean, n);
	/* the normal quantile against Student's: the variance is itself an estimate */
	ratio = XMC_NORMAL_975 / xmc_student_quantile(1 - TAIL, n - 1);
	return xmc_share_bounds(mean, fmax(n, n * mean * (1 - mean) / variance * ratio * ratio));
}

xmc_interval
xmc_share_interval(int32_t n, const double *share)
{
	share_sum	s = {0};

	for (int32_t k = 0; k < n; k++)
		add_share(&s, share[k]);
	return share_bounds(&s);
}

/* The fewest groups with `wrong` wrong ones that pass the test. */
static int32_t
groups_for(int wrong, double precision)
{
	int32_t		n = wrong + 1;

	while (n < INT32_MAX / 2 && xmc_beta(precision, n - wrong, wrong + 1) > 1 - XMC_COVERAGE_SURE)
		n++;
	return n;
}

int32_t
xmc_coverage_needed(double precision)
{
	return groups_for(0, precision);
}

xmc_interval
xmc_nothing_passes(xmc_coverage_state state)
{
	double		share = state == XMC_COVERAGE_NOT_REACHED ? 0 : NAN;

	return (xmc_interval) {share, share, share};
}

/* ---- counts ---- */

/* What passes so far, by group. */
typedef struct counts
{
	int32_t		n_groups;		/* numbers of groups */
	int32_t		groups;			/* with a unit */
	int32_t    *all;			/* (n_groups) units */
	int32_t    *passing;		/* (n_groups) units that pass */
	int32_t    *right;			/* (n_groups) of these, those that are right */
	int32_t		passing_groups;
	int64_t		right_share;	/* the sum over groups of right / passing, in 1 / FINE_UNIT */
	int64_t		passing_units;
} counts;

static xmc_status
count_all(xmc_ctx *ctx, int32_t n, const xmc_judged *unit, counts *c)
{
	int64_t		work = 0;

	*c = (counts) {0};
	for (int32_t k = 0; k < n; k++)
		c->n_groups = unit[k].group >= c->n_groups ? unit[k].group + 1 : c->n_groups;
	c->all = xmc_zalloc(ctx, 3 * (size_t) c->n_groups, sizeof(int32_t));
	XMC_NEED(c->all, ctx);
	c->passing = c->all + c->n_groups;
	c->right = c->passing + c->n_groups;
	for (int32_t k = 0; k < n; k++)
	{
		c->groups += c->all[unit[k].group]++ == 0;
		XMC_TRY(xmc_spend(ctx, &work, 1));
	}
	return XMC_OK;
}

static int64_t
right_share(const counts *c, int32_t group)
{
	return c->passing[group] ? llround(FINE_UNIT * c->right[group] / c->passing[group]) : 0;
}

static void
pass(counts *c, const xmc_judged *unit)
{
	c->right_share -= right_share(c, unit->group);
	c->passing_groups += c->passing[unit->group]++ == 0;
	c->right[unit->group] += unit->right;
	c->right_share += right_share(c, unit->group);
	c->passing_units++;
}

static xmc_status
sum_up(xmc_ctx *ctx, const counts *c, xmc_coverage *out)
{
	share_sum	share = {0};
	int64_t		work = 0;

	for (int32_t g = 0; g < c->n_groups; g++)
	{
		if (c->all[g] > 0)
			add_share(&share, (double) c->passing[g] / c->all[g]);
		out->judged += c->all[g];
		XMC_TRY(xmc_spend(ctx, &work, 1));
	}
	out->groups = share.n;
	out->passing_groups = c->passing_groups;
	out->passing = c->passing_units;
	out->share = share_bounds(&share);
	out->precision = c->passing_groups == 0 ? (xmc_interval) {NAN, NAN, NAN} :
		xmc_share_bounds((double) c->right_share / FINE_UNIT / c->passing_groups, c->passing_groups);
	return XMC_OK;
}

/* ---- the threshold ---- */

/* By falling confidence. Equal ones pass together, so their order does not matter. */
static int
compare_judged(const void *a, const void *b)
{
	float		x = ((const xmc_judged *) a)->confidence;
	float		y = ((const xmc_judged *) b)->confidence;

	return (x < y) - (x > y);
}

/*
 * How many groups must pass at the first threshold. With as many as are needed if all is right, one chance mistake ends the
 * sequence; where there are many groups it begins with a number that allows for up to MOST_WRONG. The choice is by the number of
 * groups alone, so the tests remain valid.
 */
static int32_t
first_groups(int32_t groups, double precision)
{
	int32_t		first = groups_for(0, precision);

	for (int wrong = 1; wrong <= MOST_WRONG; wrong++)
	{
		int32_t		more = groups_for(wrong, precision);

		if (4 * (int64_t) more <= groups)
			first = more;
	}
	return first;
}

/* Whether so many of the groups are right often enough: the binomial tail with a number of right groups that need not be whole. */
static bool
is_reached(double right, int32_t groups, double precision)
{
	return right > 0 && xmc_beta(precision, right, groups - right + 1) <= 1 - XMC_COVERAGE_SURE;
}

/* The number of sorted units that pass at the lowest threshold that keeps the promise. */
static xmc_status
find_passing(xmc_ctx *ctx, int32_t n, const xmc_judged *unit, double precision, int32_t first, counts *c, int32_t *passing)
{
	int32_t		step = (n + MOST_TESTS - 1) / MOST_TESTS;
	int32_t		tested = 0;		/* units at the last test */
	int64_t		work = 0;

	*passing = 0;
	for (int32_t k = 0; k < n; k++)
	{
		bool		last = k + 1 == n || unit[k + 1].confidence != unit[k].confidence;

		pass(c, &unit[k]);
		XMC_TRY(xmc_spend(ctx, &work, 1));
		if (!last || c->passing_groups < first || (k + 1 < n && k + 1 - tested < step))
			continue;
		tested = k + 1;
		XMC_TRY(xmc_spend(ctx, &work, 256));
		if (!is_reached((double) c->right_share / FINE_UNIT, c->passing_groups, precision))
			break;
		*passing = k + 1;
	}
	return XMC_OK;
}

static xmc_status
find(xmc_ctx *ctx, int32_t n, xmc_judged *unit, xmc_judged *scratch, double precision, counts *c, xmc_coverage *out)
{
	int32_t		passing;

	XMC_TRY(xmc_sort(ctx, unit, scratch, (size_t) n, sizeof *unit, compare_judged));
	XMC_TRY(count_all(ctx, n, unit, c));
	XMC_TRY(find_passing(ctx, n, unit, precision, first_groups(c->groups, precision), c, &passing));
	/* The counts have gone on to the first threshold that failed. */
	memset(c->passing, 0, 2 * sizeof(int32_t) * (size_t) c->n_groups);
	c->passing_groups = 0;
	c->right_share = c->passing_units = 0;
	for (int32_t k = 0; k < passing; k++)
		pass(c, &unit[k]);
	XMC_TRY(sum_up(ctx, c, out));
	out->needed_groups = groups_for(0, precision);
	out->threshold = passing > 0 ? (double) unit[passing - 1].confidence : INFINITY;
	out->state = passing > 0 ? XMC_COVERAGE_REACHED : c->groups < out->needed_groups ? XMC_COVERAGE_TOO_FEW
		: XMC_COVERAGE_NOT_REACHED;
	if (passing == 0)
		out->share = xmc_nothing_passes(out->state);
	return XMC_OK;
}

xmc_status
xmc_coverage_find(xmc_ctx *ctx, int32_t n, xmc_judged *unit, double precision, xmc_coverage *out)
{
	xmc_judged *scratch = xmc_alloc(ctx, (size_t) (n > 0 ? n : 1), sizeof *scratch);
	counts		c = {0};
	xmc_status	status;

	*out = (xmc_coverage) {.threshold = INFINITY};
	XMC_NEED(scratch, ctx);
	status = find(ctx, n, unit, scratch, precision, &c, out);
	xmc_release(ctx, c.all);
	xmc_release(ctx, scratch);
	return status;
}

/* ---- alarms ---- */

/* The share of its units with which a group is without an alarm, in 1 / FINE_UNIT. */
static int64_t
quiet_share(const counts *c, int32_t group)
{
	return llround(FINE_UNIT * (c->all[group] - c->passing[group]) / c->all[group]);
}

static xmc_status
find_alarm(xmc_ctx *ctx, int32_t n, xmc_judged *unit, xmc_judged *scratch, double precision, counts *c, double *threshold)
{
	int64_t		quiet;			/* the sum over groups of quiet_share */
	int64_t		work = 0;

	XMC_TRY(xmc_sort(ctx, unit, scratch, (size_t) n, sizeof *unit, compare_judged));
	XMC_TRY(count_all(ctx, n, unit, c));
	quiet = c->groups * (int64_t) FINE_UNIT;
	if (!is_reached(c->groups, c->groups, precision))
		return XMC_OK;
	for (int32_t k = 0; k < n; k++)
	{
		quiet -= quiet_share(c, unit[k].group);
		c->passing[unit[k].group]++;
		quiet += quiet_share(c, unit[k].group);
		XMC_TRY(xmc_spend(ctx, &work, 256));
		/* any threshold above this unit will do, and none that the unit reaches */
		*threshold = nextafterf(unit[k].confidence, INFINITY);
		if (!is_reached((double) quiet / FINE_UNIT, c->groups, precision))
			break;
	}
	return XMC_OK;
}

xmc_status
xmc_alarm_threshold(xmc_ctx *ctx, int32_t n, xmc_judged *unit, double precision, double *threshold)
{
	xmc_judged *scratch = xmc_alloc(ctx, (size_t) (n > 0 ? n : 1), sizeof *scratch);
	counts		c = {0};
	xmc_status	status;

	*threshold = INFINITY;
	XMC_NEED(scratch, ctx);
	status = find_alarm(ctx, n, unit, scratch, precision, &c, threshold);
	xmc_release(ctx, c.all);
	xmc_release(ctx, scratch);
	return status;
}

/* ---- a threshold chosen elsewhere ---- */

static xmc_status
measure(xmc_ctx *ctx, int32_t n, const xmc_judged *unit, double threshold, counts *c, xmc_coverage *out)
{
	int64_t		work = 0;

	XMC_TRY(count_all(ctx, n, unit, c));
	for (int32_t k = 0; k < n; k++)
	{
		if (unit[k].confidence >= threshold)
			pass(c, &unit[k]);
		XMC_TRY(xmc_spend(ctx, &work, 1));
	}
	return sum_up(ctx, c, out);
}

xmc_status
xmc_coverage_at(xmc_ctx *ctx, int32_t n, const xmc_judged *unit, double threshold, xmc_coverage *out)
{
	counts		c = {0};
	xmc_status	status;

	*out = (xmc_coverage) {.threshold = threshold};
	status = measure(ctx, n, unit, threshold, &c, out);
	xmc_release(ctx, c.all);
	return status;
}
