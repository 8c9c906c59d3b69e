/*
 * test_group_mean.c - means of groups of documents: their intervals cover the truth in groups of two to ten documents, whatever
 * the measure, and a group of one document has none
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "counting.h"
#include "xmcoh/coverage.h"
#include "xmcoh/group_mean.h"
#include "xmcoh/random.h"

/* ---- simulated documents: items whose true places are blurred, more in some processes than in others ---- */

#define ITEMS 8
#define SMALLEST 2
#define LARGEST 10
#define GROUPS (LARGEST - SMALLEST + 1)
#define DOCUMENTS 54			/* 2 + 3 + ... + 10 */
#define ROUNDS 1000
#define TRUTH_DOCUMENTS 40000

typedef enum measure
{
	ACC,
	PMR,
	NEIGHBOURS,
	TAU,
	MEASURES
} measure;

static const char *const measure_name[MEASURES] = {"acc", "pmr", "neighbours", "tau"};

static const double blur[GROUPS] = {0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5};

/* A document of a process whose documents are blurred that much, some more and some less. */
static void
draw(xmc_ctx *ctx, xmc_random *random, double blurred, double value[MEASURES])
{
	double		own = blurred * exp(0.4 * xmc_random_normal(random));
	double		at[ITEMS];
	double		position[ITEMS];
	xmc_order_quality quality;

	for (int k = 0; k < ITEMS; k++)
	{
		double		here = k + own * xmc_random_normal(random);
		int			to = k;

		/* by insertion: the order of the blurred places; position keeps the true ones */
		for (; to > 0 && at[to - 1] > here; to--)
		{
			at[to] = at[to - 1];
			position[to] = position[to - 1];
		}
		at[to] = here;
		position[to] = k;
	}
	assert_int_equal(xmc_measure_order(ctx, ITEMS, position, NULL, &quality), XMC_OK);
	value[ACC] = (double) quality.matches / ITEMS;
	value[PMR] = quality.perfect;
	value[NEIGHBOURS] = (double) quality.neighbours / (ITEMS - 1);
	value[TAU] = quality.tau;
}

/*
 * In each round every process has a group of another size. Of all intervals of groups of one size at least 93% contain the mean of
 * the process, for each measure. 93 and not 95: of 1000 rounds, 1.4 is two standard deviations.
 */
static void
test_coverage(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_random	random;
	double		truth[GROUPS][MEASURES] = {{0}};
	int			covered[MEASURES][LARGEST + 1] = {{0}};

	(void) state;
	xmc_random_seed(&random, 1);
	for (int g = 0; g < GROUPS; g++)
		for (int d = 0; d < TRUTH_DOCUMENTS; d++)
		{
			double		value[MEASURES];

			draw(&ctx, &random, blur[g], value);
			for (int m = 0; m < MEASURES; m++)
				truth[g][m] += value[m] / TRUTH_DOCUMENTS;
		}
	for (int r = 0; r < ROUNDS; r++)
	{
		double		value[MEASURES][DOCUMENTS];
		int32_t		group[DOCUMENTS];
		int32_t		n = 0;

		for (int g = 0; g < GROUPS; g++)
			for (int d = 0; d < SMALLEST + (g + r) % GROUPS; d++)
			{
				double		of[MEASURES];

				draw(&ctx, &random, blur[g], of);
				for (int m = 0; m < MEASURES; m++)
					value[m][n] = of[m];
				group[n++] = g;
			}
		assert_int_equal(n, DOCUMENTS);
		for (int m = 0; m < MEASURES; m++)
		{
			xmc_interval of[GROUPS];
			xmc_group_values values = {.n = n,.value = value[m],.group = group,.lowest = m == TAU ? -1 : 0,.highest = 1,
				.is_binary = m == PMR};

			assert_int_equal(xmc_group_means(&ctx, &values, GROUPS, of), XMC_OK);
			for (int g = 0; g < GROUPS; g++)
			{
				assert_true(of[g].low <= of[g].mean && of[g].mean <= of[g].high);
				covered[m][SMALLEST + (g + r) % GROUPS] += of[g].low <= truth[g][m] && truth[g][m] <= of[g].high;
			}
		}
	}
	for (int m = 0; m < MEASURES; m++)
	{
		char		line[200];
		int			used = snprintf(line, sizeof line, "%s, groups of %d to %d:", measure_name[m], SMALLEST, LARGEST);

		for (int size = SMALLEST; size <= LARGEST; size++)
			used += snprintf(line + used, sizeof line - (size_t) used, " %.3f", (double) covered[m][size] / ROUNDS);
		print_message("%s\n", line);
		for (int size = SMALLEST; size <= LARGEST; size++)
			assert_true(covered[m][size] >= 0.93 * ROUNDS);
	}
	assert_int_equal(counts.live, 0);
}

/* ---- what an interval is made of ---- */

static xmc_interval
interval_of(int32_t n, const double *value, const int32_t *unit, const int32_t *group, bool is_binary, int32_t which)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_interval out[8];
	xmc_group_values values = {.n = n,.value = value,.unit = unit,.group = group,.lowest = 0,.highest = 1,.is_binary = is_binary};

	assert_int_equal(xmc_group_means(&ctx, &values, 8, out), XMC_OK);
	assert_int_equal(counts.live, 0);
	return out[which];
}

static void
test_small(void **state)
{
	static const double value[] = {0.5, 0.5, 0.4, 0.6, 0.45, 0.55, 0.3, NAN};
	static const int32_t group[] = {0, 0, 1, 1, 1, 1, 2, 3};
	static const int32_t units[] = {0, 0, 1, 2, 3, 4, 5, 6};
	static const double binary[] = {1, 1, 1, 0, 0, 1, 0, 0};
	double		whole = 0;
	double		mean = 0;
	xmc_interval two = interval_of(8, value, NULL, group, false, 0);

	(void) state;
	/* Two equal documents: Student's half width with 1 + 2 degrees of freedom and two thirds of the variance of all seven. */
	for (int k = 0; k < 7; k++)
		mean += value[k] / 7;
	for (int k = 0; k < 7; k++)
		whole += (value[k] - mean) * (value[k] - mean) / 6;
	assert_true(two.mean == 0.5);
	assert_true(fabs(two.high - 0.5 - 3.182446305284263 * sqrt(whole * 2 / 3 / 2)) < 1e-9);
	assert_true(fabs(two.low + two.high - 1) < 1e-12);
	/* one document; none; a group that nobody is in */
	assert_true(interval_of(8, value, NULL, group, false, 2).mean == 0.3);
	assert_true(isnan(interval_of(8, value, NULL, group, false, 2).low));
	assert_true(isnan(interval_of(8, value, NULL, group, false, 3).mean));
	assert_true(isnan(interval_of(8, value, NULL, group, false, 7).mean));
	/* the two are one unit: no interval */
	assert_true(isnan(interval_of(8, value, units, group, false, 0).low));
	assert_true(!isnan(interval_of(8, value, units, group, false, 1).low));
	/* Clopper and Pearson for shares of documents, though both are right */
	two = interval_of(8, binary, NULL, group, true, 0);
	assert_true(two.mean == 1 && two.high == 1 && fabs(two.low - sqrt(0.025)) < 1e-9);
	assert_true(fabs(interval_of(8, binary, NULL, group, true, 1).low - xmc_share_bounds(0.5, 4).low) < 1e-12);
}

/* Units that depend on each other: the interval is that of their sums, and its mean is over documents. */
static void
test_units(void **state)
{
	static const double value[] = {0.1, 0.3, 0.8, 0.4, 0.2, 0.6, 0.9, 0.7};
	static const int32_t group[] = {0, 0, 0, 0, 0, 0, 0, 0};
	static const int32_t units[] = {3, 3, 1, 1, 2, 2, 0, 0};
	static const double of_unit[] = {0.8, 0.6, 0.4, 0.2};
	static const int32_t group_of_unit[] = {0, 0, 0, 0};
	xmc_interval by_units = interval_of(8, value, units, group, false, 0);
	xmc_interval of_means = interval_of(4, of_unit, NULL, group_of_unit, false, 0);

	(void) state;
	assert_true(fabs(by_units.mean - 0.5) < 1e-12 && fabs(by_units.low - of_means.low) < 1e-12);
	assert_true(fabs(by_units.high - of_means.high) < 1e-12);
}

/* Weights: the mean is a ratio of sums, as of items at their place to all items. */
static void
test_weights(void **state)
{
	static const double matches[] = {2, 8, 1, 3};
	static const double items[] = {4, 8, 2, 6};
	static const int32_t group[] = {0, 0, 0, 0};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_interval out;
	xmc_group_values values = {.n = 4,.value = matches,.weight = items,.group = group,.lowest = 0,.highest = 1};

	(void) state;
	assert_int_equal(xmc_group_means(&ctx, &values, 1, &out), XMC_OK);
	assert_true(fabs(out.mean - 14.0 / 20) < 1e-12 && out.low > 0 && out.high <= 1);
	xmc_widen(&out, 1000, 0, 1);
	assert_true(out.low == 0 && out.high == 1);
	out = (xmc_interval) {0.5, NAN, NAN};
	xmc_widen(&out, 1000, 0, 1);
	assert_true(isnan(out.low) && isnan(out.high));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_weights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
