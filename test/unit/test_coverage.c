/*
 * test_coverage.c - the threshold above which a promised share is right: the promise is kept in at least 90% of samples, of single
 * units and of groups; and the distributions that the bounds are made of
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "numeric/beta.h"
#include "permutations.h"
#include "xmcoh/coverage.h"
#include "xmcoh/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- distributions ---- */

static void
test_beta_known_values(void **state)
{
	(void) state;
	assert_near(xmc_beta(0.5, 2, 3), 0.6875, 1e-14);
	assert_near(xmc_beta(0.3, 1, 1), 0.3, 1e-14);
	assert_near(xmc_beta(0.7, 5, 1), pow(0.7, 5), 1e-14);
	assert_near(xmc_beta(0.7, 1, 5), 1 - pow(0.3, 5), 1e-14);
	assert_near(xmc_beta(0.5, 0.5, 0.5), 0.5, 1e-14);
	/* the arcsine distribution: 2 / pi asin(sqrt(x)) */
	assert_near(xmc_beta(0.1, 0.5, 0.5), 0.6366197723675814 * asin(sqrt(0.1)), 1e-14);
	assert_near(xmc_beta(0.5, 500000, 500000), 0.5, 1e-8);
	assert_true(xmc_beta(0, 2, 3) == 0 && xmc_beta(1, 2, 3) == 1);
}

/* Binomial tails by their sum. */
static void
test_beta_is_binomial(void **state)
{
	(void) state;
	for (int n = 1; n <= 60; n += 7)
		for (int k = 1; k <= n; k++)
			for (double p = 0.05; p < 1; p += 0.3)
			{
				double		tail = 0;

				for (int i = k; i <= n; i++)
					tail += exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log(1 - p));
				assert_near(xmc_beta(p, k, n - k + 1), tail, 1e-12);
			}
}

static void
test_quantiles(void **state)
{
	(void) state;
	for (double a = 0.5; a < 300; a *= 3)
		for (double b = 0.5; b < 300; b *= 4)
			for (double p = 0.025; p < 1; p += 0.19)
				assert_near(xmc_beta(xmc_beta_quantile(p, a, b), a, b), p, 1e-12);
	/* tables of Student's distribution */
	assert_near(xmc_student_quantile(0.975, 1), 12.7062047364, 1e-8);
	assert_near(xmc_student_quantile(0.975, 5), 2.5705818356, 1e-8);
	assert_near(xmc_student_quantile(0.95, 30), 1.6972608866, 1e-8);
	assert_near(xmc_student_quantile(0.975, 1e6), 1.9599664, 1e-6);
	assert_near(xmc_student_quantile(0.5, 4), 0, 1e-12);
}

/* ---- intervals ---- */

static void
test_share_interval(void **state)
{
	double		share[20] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0};
	xmc_interval found = xmc_share_interval(10, share);

	(void) state;
	/* 8 of 10 by Clopper and Pearson */
	assert_near(found.mean, 0.8, 1e-12);
	assert_near(found.low, 0.4439045, 1e-6);
	assert_near(found.high, 0.9747893, 1e-6);
	memset(share, 0, sizeof share);
	found = xmc_share_interval(20, share);
	assert_true(found.mean == 0 && found.low == 0);
	assert_near(found.high, 0.1684335, 1e-6);
	/* equal shares say nothing of how far others may lie, so they count as few observations */
	for (int k = 0; k < 20; k++)
		share[k] = 1.0 / 3;
	found = xmc_share_interval(20, share);
	assert_true(found.low < 0.2 && found.high > 0.5);
	/* shares that lie near each other have a narrower interval than those of 0 and 1 */
	for (int k = 0; k < 20; k++)
		share[k] = 0.4 + 0.02 * (k % 11);
	found = xmc_share_interval(20, share);
	assert_true(found.high - found.low < 0.1 && found.low < found.mean && found.mean < found.high);
	assert_true(isnan(xmc_share_interval(0, share).mean) && isnan(xmc_share_interval(0, share).low));
	found = xmc_share_interval(1, share);
	assert_true(found.low < 0.05 && found.high > 0.95);
}

/* ---- the threshold ---- */

static xmc_coverage
find(int32_t n, xmc_judged *unit, double precision)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_coverage found;

	assert_int_equal(xmc_coverage_find(&ctx, n, unit, precision, &found), XMC_OK);
	return found;
}

/* n right units, each a group of its own, by falling confidence. */
static void
all_right(int32_t n, xmc_judged *unit)
{
	for (int32_t k = 0; k < n; k++)
		unit[k] = (xmc_judged) {.confidence = (float) (n - k),.group = k,.right = true};
}

/* 0.95^45 < 0.1 < 0.95^44: so many right ones are needed. */
static void
test_too_few(void **state)
{
	xmc_judged	unit[45];
	xmc_coverage found;

	(void) state;
	assert_int_equal(xmc_coverage_needed(0.95), 45);
	assert_int_equal(xmc_coverage_needed(0.9), 22);
	all_right(44, unit);
	found = find(44, unit, 0.95);
	assert_int_equal(found.state, XMC_COVERAGE_TOO_FEW);
	assert_int_equal(found.needed_groups, 45);
	assert_true(isinf(found.threshold) && isnan(found.share.mean) && isnan(found.precision.mean) && found.passing == 0);
	all_right(45, unit);
	found = find(45, unit, 0.95);
	assert_int_equal(found.state, XMC_COVERAGE_REACHED);
	assert_true(found.threshold == 1 && found.share.mean == 1 && found.precision.mean == 1 && found.judged == 45);
	/* without a unit */
	found = find(0, unit, 0.95);
	assert_int_equal(found.state, XMC_COVERAGE_TOO_FEW);
	assert_true(isnan(found.share.mean));
}

/* Sixty right ones and then wrong ones: the wrong ones do not pass, but for as many as the bound bears. */
static void
test_ends_where_wrong(void **state)
{
	xmc_judged	unit[100];
	xmc_coverage found;
	xmc_coverage again;
	xmc_ctx		ctx = xmc_ctx_malloc();

	(void) state;
	all_right(100, unit);
	for (int k = 60; k < 100; k++)
		unit[k].right = false;
	found = find(100, unit, 0.95);
	assert_int_equal(found.state, XMC_COVERAGE_REACHED);
	assert_int_equal(found.passing, 60);
	assert_true(found.threshold == 41 && found.precision.mean == 1);
	assert_near(found.share.mean, 0.6, 1e-6);
	assert_int_equal(xmc_coverage_at(&ctx, 100, unit, found.threshold, &again), XMC_OK);
	assert_true(again.passing == found.passing && again.share.low == found.share.low && again.precision.high == found.precision.high);
	/* a wrong one at the top: nothing passes, though there are enough */
	unit[0].right = false;
	found = find(60, unit, 0.95);
	assert_int_equal(found.state, XMC_COVERAGE_NOT_REACHED);
	assert_true(found.passing == 0 && found.share.mean == 0 && found.share.high == 0);
	/* equal confidences pass together or not at all */
	all_right(100, unit);
	for (int k = 50; k < 100; k++)
		unit[k] = (xmc_judged) {.confidence = 20,.group = k,.right = k < 75};
	found = find(100, unit, 0.95);
	assert_int_equal(found.passing, 50);
}

/* A thousand right pairs of one document are one group: nothing can be said of others. */
static void
test_counts_groups(void **state)
{
	xmc_judged	unit[1000];
	xmc_coverage found;

	(void) state;
	all_right(1000, unit);
	for (int k = 0; k < 1000; k++)
		unit[k].group = k % 40;
	found = find(1000, unit, 0.95);
	assert_int_equal(found.state, XMC_COVERAGE_TOO_FEW);
	assert_int_equal(found.groups, 40);
	for (int k = 0; k < 1000; k++)
		unit[k].group = k % 50;
	found = find(1000, unit, 0.95);
	assert_int_equal(found.state, XMC_COVERAGE_REACHED);
	assert_int_equal(found.passing_groups, 50);
}

static double
alarm_threshold(int32_t n, xmc_judged *unit, double precision)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	double		threshold;

	assert_int_equal(xmc_alarm_threshold(&ctx, n, unit, precision, &threshold), XMC_OK);
	return threshold;
}

/* Of 100 single units 4 may raise an alarm at a precision of 0.9: the binomial tail is 0.024 for 4 mistakes, 0.058 for 5, 0.117 for 6. */
static void
test_alarm(void **state)
{
	xmc_judged	unit[100];
	double		threshold;

	(void) state;
	for (int k = 0; k < 100; k++)
		unit[k] = (xmc_judged) {.confidence = (float) (k * 37 % 100),.group = k};
	threshold = alarm_threshold(100, unit, 0.9);
	assert_true(threshold > 94 && threshold < 94.001);
	/* equal ones raise their alarms together */
	for (int k = 0; k < 100; k++)
		unit[k].confidence = fminf(unit[k].confidence, 96);
	threshold = alarm_threshold(100, unit, 0.9);
	assert_true(threshold > 94 && threshold < 94.001);
	for (int k = 0; k < 100; k++)
		unit[k].confidence = fminf(unit[k].confidence, 90);
	threshold = alarm_threshold(100, unit, 0.9);
	assert_true(threshold > 90 && threshold < 90.001);
	/* groups count: as many mistakes in groups of ten are two mistaken groups of twenty */
	for (int k = 0; k < 100; k++)
		unit[k] = (xmc_judged) {.confidence = (float) (k / 10 < 2 ? 100 : k),.group = k / 10};
	assert_true(isinf(alarm_threshold(100, unit, 0.9)));
	assert_true(isinf(alarm_threshold(0, unit, 0.9)));
}

/* ---- simulation ---- */

#define SAMPLES 400

/* A population in which a unit of confidence c is right with probability 1 / (1 + exp(-slope c - shift - its group's effect)). */
typedef struct population
{
	double		slope;
	double		shift;
	double		spread;			/* standard deviation of the effect */
	int32_t		most_units;		/* of a group: 1 to that many */
} population;

static int32_t
draw(xmc_random *random, const population *p, int32_t groups, xmc_judged *unit)
{
	int32_t		n = 0;

	for (int32_t g = 0; g < groups; g++)
	{
		double		effect = p->shift + p->spread * xmc_random_normal(random);
		int32_t		units = 1 + (int32_t) xmc_random_below(random, (uint32_t) p->most_units);

		for (int32_t k = 0; k < units; k++)
		{
			double		c = xmc_random_normal(random);

			unit[n++] = (xmc_judged) {.confidence = (float) c,.group = g,
				.right = xmc_random_uniform(random) < 1 / (1 + exp(-p->slope * c - effect))};
		}
	}
	return n;
}

/* Units whose confidence has the effect of their group. */
static int32_t
draw_alarms(xmc_random *random, const population *p, int32_t groups, xmc_judged *unit)
{
	int32_t		n = 0;

	for (int32_t g = 0; g < groups; g++)
	{
		double		effect = p->spread * xmc_random_normal(random);
		int32_t		units = 1 + (int32_t) xmc_random_below(random, (uint32_t) p->most_units);

		for (int32_t k = 0; k < units; k++)
			unit[n++] = (xmc_judged) {.confidence = (float) (effect + xmc_random_normal(random)),.group = g};
	}
	return n;
}

/* The share of samples in which a large new sample has the promised precision at the threshold; *share passes on average. */
static double
kept(const population *p, int32_t groups, double precision, double *share)
{
	enum
	{
		NEW_GROUPS = 6000
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_judged *new = malloc(sizeof *new * NEW_GROUPS * (size_t) p->most_units);
	xmc_judged *unit = malloc(sizeof *unit * (size_t) (groups * p->most_units));
	xmc_random	random;
	int32_t		n_new;
	int			good = 0;

	xmc_random_seed(&random, 7);
	n_new = draw(&random, p, NEW_GROUPS, new);
	*share = 0;
	for (int s = 0; s < SAMPLES; s++)
	{
		int32_t		n = draw(&random, p, groups, unit);
		xmc_coverage found = find(n, unit, precision);
		xmc_coverage truth;

		assert_int_equal(xmc_coverage_at(&ctx, n_new, new, found.threshold, &truth), XMC_OK);
		good += truth.passing == 0 || truth.precision.mean >= precision;
		*share += truth.share.mean / SAMPLES;
	}
	free(new);
	free(unit);
	return (double) good / SAMPLES;
}

/* The standard error of a share of 0.9 in 400 samples is 0.015. */
static void
test_promise_is_kept(void **state)
{
	static const population populations[] = {
		{3, 2, 0, 1},			/* single units, which the confidence tells apart well */
		{3, 0, 0, 1},
		{1, 3, 0, 1},			/* nearly all right, whatever the confidence */
		{2, 2, 1, 8},			/* groups that differ */
		{2, 3, 2, 30}
	};
	double		most = 0;

	(void) state;
	for (size_t k = 0; k < sizeof populations / sizeof *populations; k++)
		for (int32_t groups = 60; groups <= 240; groups *= 2)
		{
			double		share;
			double		good = kept(&populations[k], groups, 0.9, &share);

			assert_true(good >= 0.87);
			most = share > most ? share : most;
		}
	assert_true(most > 0.5);	/* the promise is not kept by passing nothing */
}

/* The share of new groups' units without an alarm is the promised one, in 90% of samples; groups differ, and some are large. */
static void
test_alarm_keeps_its_promise(void **state)
{
	enum
	{
		NEW_GROUPS = 6000, MOST_UNITS = 8
	};
	xmc_judged *new = malloc(sizeof *new * NEW_GROUPS * MOST_UNITS);
	xmc_judged	unit[240 * MOST_UNITS];
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 11);
	for (double spread = 0; spread <= 2; spread++)
	{
		const population p = {1, 0, spread, spread > 0 ? MOST_UNITS : 1};
		int32_t		n_new = draw_alarms(&random, &p, NEW_GROUPS, new);

		for (int32_t groups = 30; groups <= 240; groups *= 2)
		{
			int			good = 0;
			int			raised = 0;

			for (int s = 0; s < SAMPLES; s++)
			{
				int32_t		n = draw_alarms(&random, &p, groups, unit);
				double		threshold = alarm_threshold(n, unit, 0.9);
				xmc_coverage truth;

				/* the share that raises an alarm: a mean over groups */
				assert_int_equal(xmc_coverage_at(&ctx, n_new, new, threshold, &truth), XMC_OK);
				good += truth.share.mean <= 0.1;
				raised += truth.share.mean > 0.02;
			}
			assert_true(good >= 0.87 * SAMPLES);
			assert_true(groups < 60 || raised > 0.5 * SAMPLES);	/* not by no alarms at all */
		}
	}
	free(new);
}

/* The same units in another order give the same figures, to the bit. */
static void
test_order_does_not_matter(void **state)
{
	static const population p = {2, 2, 1, 8};
	xmc_judged	unit[800];
	xmc_judged	shuffled[800];
	int32_t		place[800];
	xmc_random	random;
	xmc_coverage a;
	xmc_coverage b;
	int32_t		n;

	(void) state;
	xmc_random_seed(&random, 3);
	n = draw(&random, &p, 100, unit);
	for (int32_t k = 0; k < n; k++)
		unit[k].confidence = roundf(unit[k].confidence * 8);
	shuffle(&random, n, place);
	for (int32_t k = 0; k < n; k++)
	{
		shuffled[k] = unit[place[k]];
		shuffled[k].group = 99 - shuffled[k].group;
	}
	a = find(n, unit, 0.8);
	b = find(n, shuffled, 0.8);
	assert_int_equal(a.state, XMC_COVERAGE_REACHED);
	assert_true(a.threshold == b.threshold && a.passing == b.passing && a.share.mean == b.share.mean &&
				a.share.low == b.share.low && a.share.high == b.share.high && a.precision.low == b.precision.low);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beta_known_values),
		cmocka_unit_test(test_beta_is_binomial),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_share_interval),
		cmocka_unit_test(test_too_few),
		cmocka_unit_test(test_ends_where_wrong),
		cmocka_unit_test(test_counts_groups),
		cmocka_unit_test(test_alarm),
		cmocka_unit_test(test_promise_is_kept),
		cmocka_unit_test(test_alarm_keeps_its_promise),
		cmocka_unit_test(test_order_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
