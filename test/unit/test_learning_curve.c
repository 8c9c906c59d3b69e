/* test_learning_curve.c - unit tests of power laws (numeric/power_law.h) and of learning curves (xmcoh/learning_curve.h) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "numeric/power_law.h"
#include "xmcoh/learning_curve.h"
#include "xmcoh/random.h"

#include <math.h>
#include <stdlib.h>

static const double sizes[5] = {20, 40, 80, 160, 320};

static bool
fit(int32_t n, const double *y, double weight, double most, xmc_power_law *law)
{
	xmc_power_grid grid;
	double		w[5] = {weight, weight, weight, weight, weight};

	xmc_power_grid_init(n, sizes, &grid);
	return xmc_fit_power_law(&grid, y, w, most, law);
}

static void
exact_points_are_found_again(void **state)
{
	static const double exponent[] = {0.2, 0.5, 1, 1.7};
	xmc_power_law law;
	double		y[5];

	(void) state;
	for (int k = 0; k < 4; k++)
	{
		for (int i = 0; i < 5; i++)
			y[i] = 0.6 - 1.5 * pow(sizes[i] / 10, -exponent[k]);
		/* so sure that the prior does not count */
		assert_true(fit(5, y, 1e9, 1, &law));
		assert_float_equal(law.c, exponent[k], 0.1 * exponent[k]);
		assert_float_equal(xmc_power_law_at(&law, 640), 0.6 - 1.5 * pow(64, -exponent[k]), 0.006);
	}
}

static void
parameters_keep_their_bounds(void **state)
{
	const double falling[5] = {0.5, 0.4, 0.3, 0.2, 0.1};
	const double steep[5] = {0.1, 0.4, 0.7, 0.95, 0.99};
	xmc_power_law law;

	(void) state;
	/* a figure that falls: the law is the mean */
	assert_true(fit(5, falling, 100, 1, &law));
	assert_true(law.b == 0);
	assert_float_equal(xmc_power_law_at(&law, 640), 0.3, 1e-9);
	assert_true(fit(5, steep, 1e4, 1, &law));
	assert_true(law.a <= 1 && law.b >= 0 && law.c >= XMC_LEAST_EXPONENT && law.c <= XMC_MOST_EXPONENT);
	assert_true(xmc_power_law_at(&law, 1e9) <= 1);
	/* without weight the prior decides */
	assert_true(fit(5, steep, 1e-9, 1, &law));
	assert_float_equal(law.c, 0.3, 0.02);
}

static void
two_points_are_no_curve(void **state)
{
	const double y[5] = {0.1, 0.2, 0.3, 0.4, 0.5};
	const double weight[5] = {1, 0, 1, 0, 0};
	xmc_power_grid grid;
	xmc_power_law law;

	(void) state;
	assert_false(fit(2, y, 1, 1, &law));
	assert_true(fit(3, y, 1, 1, &law));
	xmc_power_grid_init(5, sizes, &grid);
	assert_false(xmc_fit_power_law(&grid, y, weight, 1, &law));
	assert_true(isnan(xmc_power_law_at(&law, 1)));
}

/* ---- curves ---- */

enum
{
	SIZES = 4, SAMPLES = 3
};

typedef struct study
{
	xmc_curve_cell cell[SIZES * SAMPLES];
	double		sum[SIZES * SAMPLES][XMC_CURVE_SUMS];
} study;

/* Cells of documents whose tau is that of the law 0.5 - (size / 10)^-0.5 / 2, with noise of each document, cell and sample. */
static study *
simulate(uint64_t seed, int32_t documents, double noise)
{
	study	   *s = calloc(1, sizeof *s);
	double	   *easy = calloc((size_t) documents, sizeof *easy);
	xmc_random	random;

	xmc_random_seed(&random, seed);
	for (int32_t d = 0; d < documents; d++)
		easy[d] = noise * xmc_random_normal(&random);
	for (int k = 0; k < SIZES * SAMPLES; k++)
	{
		s->cell[k] = (xmc_curve_cell) {(int32_t) sizes[k / SAMPLES], 1 + k % SAMPLES, s->sum[k]};
		for (int32_t d = 0; d < documents; d++)
		{
			double	   *to = s->sum[k] + d % XMC_CURVE_BLOCKS * XMC_CURVE_FIGURES * 2;
			double		tau = 0.5 - pow(sizes[k / SAMPLES] / 10, -0.5) / 2 + easy[d] + noise * xmc_random_normal(&random);

			to[2 * XMC_CURVE_TAU] += tau;
			to[2 * XMC_CURVE_TAU + 1]++;
			to[2 * XMC_CURVE_PMR + 1]++;
		}
	}
	free(easy);
	return s;
}

static void
a_curve_has_a_point_for_each_size(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	study	   *s = simulate(1, 100, 0.1);
	xmc_curve_point point[XMC_CURVE_SIZES + 1];
	xmc_curve_point again[XMC_CURVE_SIZES + 1];
	xmc_curve_cell turned[SIZES * SAMPLES];
	int32_t		n;

	(void) state;
	assert_int_equal(xmc_learning_curve(&ctx, SIZES * SAMPLES, s->cell, 320, point, &n), XMC_OK);
	assert_int_equal(n, SIZES + 1);
	for (int i = 0; i < SIZES; i++)
	{
		const xmc_interval *tau = &point[i].figure[XMC_CURVE_TAU];

		assert_int_equal(point[i].size, (int32_t) sizes[i]);
		assert_int_equal(point[i].samples, SAMPLES);
		assert_false(point[i].extrapolated);
		assert_true(tau->low < tau->mean && tau->mean < tau->high);
		assert_float_equal(tau->mean, 0.5 - pow(sizes[i] / 10, -0.5) / 2, 0.05);
		assert_true(point[i].figure[XMC_CURVE_PMR].mean == 0);
		assert_true(isnan(point[i].figure[XMC_CURVE_COVERAGE].mean) && isnan(point[i].figure[XMC_CURVE_COVERAGE].low));
	}
	assert_true(point[SIZES].extrapolated);
	assert_int_equal(point[SIZES].size, 320);
	assert_true(point[SIZES].figure[XMC_CURVE_PMR].mean == 0 && isnan(point[SIZES].figure[XMC_CURVE_COVERAGE].mean));
	assert_float_equal(xmc_curve_value(&s->cell[0], XMC_CURVE_TAU), 0.5 - pow(2, -0.5) / 2, 0.1);

	/* in any order */
	for (int k = 0; k < SIZES * SAMPLES; k++)
		turned[k] = s->cell[SIZES * SAMPLES - 1 - k];
	assert_int_equal(xmc_learning_curve(&ctx, SIZES * SAMPLES, turned, 320, again, &n), XMC_OK);
	for (int i = 0; i <= SIZES; i++)
		assert_memory_equal(&point[i].figure[XMC_CURVE_TAU], &again[i].figure[XMC_CURVE_TAU], sizeof(xmc_interval));

	/* two sizes are not extrapolated */
	assert_int_equal(xmc_learning_curve(&ctx, 2 * SAMPLES, s->cell, 320, point, &n), XMC_OK);
	assert_int_equal(n, 2);
	assert_int_equal(xmc_learning_curve(&ctx, 0, s->cell, 320, point, &n), XMC_OK);
	assert_int_equal(n, 0);
	free(s);
}

static void
damaged_cells_are_left_out(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	study	   *s = simulate(1, 100, 0.1);
	xmc_curve_point point[XMC_CURVE_SIZES + 1];
	int32_t		n;

	(void) state;
	s->sum[0][1] = NAN;
	s->sum[1][1] = -1;
	s->cell[2].sample = 0;
	s->cell[3].size = 0;
	assert_int_equal(xmc_learning_curve(&ctx, SIZES * SAMPLES, s->cell, 320, point, &n), XMC_OK);
	assert_int_equal(n, SIZES - 1 + 1);
	assert_int_equal(point[0].samples, SAMPLES - 1);
	free(s);
}

/* Of simulated studies the intervals hold the truth in at least nine of ten cases. */
static void
intervals_hold_the_truth(void **state)
{
	enum
	{
		STUDIES = 200
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	int			measured = 0;
	int			extrapolated = 0;

	(void) state;
	for (int k = 0; k < STUDIES; k++)
	{
		study	   *s = simulate(100 + (uint64_t) k, 100, 0.4);
		xmc_curve_point point[XMC_CURVE_SIZES + 1];
		const xmc_interval *last;
		const xmc_interval *beyond;
		int32_t		n;

		assert_int_equal(xmc_learning_curve(&ctx, SIZES * SAMPLES, s->cell, 320, point, &n), XMC_OK);
		last = &point[SIZES - 1].figure[XMC_CURVE_TAU];
		beyond = &point[SIZES].figure[XMC_CURVE_TAU];
		measured += last->low <= 0.375 && 0.375 <= last->high;
		extrapolated += beyond->low <= 0.5 - pow(32, -0.5) / 2 && 0.5 - pow(32, -0.5) / 2 <= beyond->high;
		free(s);
	}
	print_message("measured %d, extrapolated %d of %d\n", measured, extrapolated, STUDIES);
	assert_true(measured >= 180 && extrapolated >= 180);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_points_are_found_again),
		cmocka_unit_test(parameters_keep_their_bounds),
		cmocka_unit_test(two_points_are_no_curve),
		cmocka_unit_test(a_curve_has_a_point_for_each_size),
		cmocka_unit_test(damaged_cells_are_left_out),
		cmocka_unit_test(intervals_hold_the_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
