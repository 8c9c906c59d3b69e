/* test_calibrate.c - calibration against a grid search, optimality conditions and known solutions; calibration error */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "xmcoh/calibrate.h"
#include "xmcoh/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In double: cmocka's assert_float_equal compares floats. */
#define assert_near(got, want, tolerance) assert_true(fabs((got) - (want)) <= (tolerance))

#define ROWS 2000

static double
sigmoid(double z)
{
	return 1 / (1 + exp(-z));
}

/* The default prior, a ridge. */
static const xmc_prior *
ridge_of(double precision)
{
	static xmc_prior prior[XMC_CALIBRATE_MAX];

	for (int32_t k = 0; k < XMC_CALIBRATE_MAX; k++)
		prior[k] = (xmc_prior) {0, precision};
	return prior;
}

static double
objective(int32_t n, int32_t k, const float *x, const float *weight, double ridge, const double *c)
{
	double		sum = 0;

	for (int32_t r = 0; r < n; r++)
	{
		double		z = 0;

		for (int32_t a = 0; a < k; a++)
			z += c[a] * x[r * k + a];
		sum += (weight ? weight[r] : 1) * (z > 0 ? log1p(exp(-z)) : log1p(exp(z)) - z);
	}
	for (int32_t a = 0; a < k; a++)
		sum += ridge * c[a] * c[a] / 2;
	return sum;
}

/*
 * Rows in true orientation: the truth is drawn from the log-odds sum of c * x, and x is negated where the truth is "after".
 */
static void
rows(xmc_random *random, int32_t n, int32_t k, const double *truth, float *x)
{
	for (int32_t r = 0; r < n; r++)
	{
		double		z = 0;

		for (int32_t a = 0; a < k; a++)
		{
			x[r * k + a] = (float) (2 * xmc_random_normal(random));
			z += truth[a] * x[r * k + a];
		}
		if (xmc_random_uniform(random) >= sigmoid(z))
			for (int32_t a = 0; a < k; a++)
				x[r * k + a] = -x[r * k + a];
	}
}

/* The first-order conditions by central differences: slope 0 inside, >= 0 at the bound. */
static void
assert_optimal(int32_t n, int32_t k, const float *x, const float *weight, double ridge, const double *c)
{
	for (int32_t a = 0; a < k; a++)
	{
		double		h = 1e-4;
		double		up[XMC_CALIBRATE_MAX];
		double		down[XMC_CALIBRATE_MAX];
		double		slope;

		memcpy(up, c, sizeof(double) * k);
		memcpy(down, c, sizeof(double) * k);
		up[a] += h;
		down[a] -= h;
		slope = (objective(n, k, x, weight, ridge, up) - objective(n, k, x, weight, ridge, down)) / (2 * h);
		assert_true(c[a] >= 0);
		if (c[a] > 0)
			assert_near(slope, 0, 1e-5 * n);
		else
			assert_true(slope > -1e-5 * n);
	}
}

static void
test_one_feature_known_solution(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		x[4] = {1, 1, 1, -1};
	double		c;

	(void) state;
	/* 3 of 4 right at x = 1: sigmoid(c) = 3/4 */
	assert_int_equal(xmc_calibrate(&ctx, 4, 1, x, NULL, ridge_of(0), &c), XMC_OK);
	assert_near(c, log(3), 1e-9);
	/* at x = 100 the same, a hundredth */
	for (int32_t r = 0; r < 4; r++)
		x[r] *= 100;
	assert_int_equal(xmc_calibrate(&ctx, 4, 1, x, NULL, ridge_of(0), &c), XMC_OK);
	assert_near(c, log(3) / 100, 1e-11);
	/* a score that is wrong more often than right is worth nothing */
	for (int32_t r = 0; r < 4; r++)
		x[r] = -x[r];
	assert_int_equal(xmc_calibrate(&ctx, 4, 1, x, NULL, ridge_of(0), &c), XMC_OK);
	assert_true(c == 0);
}

static void
test_recovers_temperature(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static float x[20 * ROWS];
	double		truth = 0.4;
	double		c;

	(void) state;
	xmc_random_seed(&random, 1);
	rows(&random, 20 * ROWS, 1, &truth, x);
	assert_int_equal(xmc_calibrate(&ctx, 20 * ROWS, 1, x, NULL, ridge_of(0), &c), XMC_OK);
	assert_near(c, 0.4, 0.02);
}

static void
test_optimal_for_each_k(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static float x[ROWS * XMC_CALIBRATE_MAX];
	static float weight[ROWS];
	/* with negative truths, so that every number of bounds is active somewhere */
	static const double truths[][XMC_CALIBRATE_MAX] = {
		{0.5, 1, 0.2, 0.1}, {0.5, -1, 0.2, -0.1}, {-0.5, -1, -0.2, -0.1}, {-1, 0.7, 0, 2}, {3, 3, 3, 3}
	};

	(void) state;
	xmc_random_seed(&random, 2);
	for (int32_t k = 1; k <= XMC_CALIBRATE_MAX; k++)
		for (size_t t = 0; t < sizeof truths / sizeof *truths; t++)
		{
			double		c[XMC_CALIBRATE_MAX];

			rows(&random, ROWS, k, truths[t], x);
			for (int32_t r = 0; r < ROWS; r++)
				weight[r] = (float) (2 * xmc_random_uniform(&random));
			for (double ridge = 0; ridge <= 10; ridge += 10)
			{
				assert_int_equal(xmc_calibrate(&ctx, ROWS, k, x, NULL, ridge_of(ridge), c), XMC_OK);
				assert_optimal(ROWS, k, x, NULL, ridge, c);
				assert_int_equal(xmc_calibrate(&ctx, ROWS, k, x, weight, ridge_of(ridge), c), XMC_OK);
				assert_optimal(ROWS, k, x, weight, ridge, c);
			}
		}
}

static void
test_grid_search(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static float x[300 * 2];
	static const double truths[][2] = {{0.8, 0.3}, {0.8, -0.6}};

	(void) state;
	xmc_random_seed(&random, 3);
	for (int32_t t = 0; t < 2; t++)
	{
		double		c[2];
		double		best[2] = {0, 0};
		double		least = INFINITY;

		rows(&random, 300, 2, truths[t], x);
		for (int32_t a = 0; a <= 200; a++)
			for (int32_t b = 0; b <= 200; b++)
			{
				double		at[2] = {a / 100.0, b / 100.0};
				double		value = objective(300, 2, x, NULL, 1, at);

				if (value < least)
				{
					least = value;
					memcpy(best, at, sizeof best);
				}
			}
		assert_int_equal(xmc_calibrate(&ctx, 300, 2, x, NULL, ridge_of(1), c), XMC_OK);
		assert_true(objective(300, 2, x, NULL, 1, c) <= least);
		assert_near(c[0], best[0], 0.011);
		assert_near(c[1], best[1], 0.011);
	}
}

/* The prior decides without rows, matters with few rows, and hardly matters with many. */
static void
test_prior(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static float x[10 * ROWS * 2];
	double		truth[2] = {0.5, 2};
	const xmc_prior prior[2] = {{1, 2}, {1, 20}};
	double		c[2];
	double		best[2] = {0, 0};
	double		least = INFINITY;

	(void) state;
	xmc_random_seed(&random, 7);
	rows(&random, 10 * ROWS, 2, truth, x);
	assert_int_equal(xmc_calibrate(&ctx, 0, 2, x, NULL, prior, c), XMC_OK);
	assert_near(c[0], 1, 1e-9);
	assert_near(c[1], 1, 1e-9);
	for (int32_t a = 0; a <= 200; a++)
		for (int32_t b = 0; b <= 200; b++)
		{
			double		at[2] = {a / 100.0, b / 100.0};
			double		value = objective(100, 2, x, NULL, 0, at) + (at[0] - 1) * (at[0] - 1) + 10 * (at[1] - 1) * (at[1] - 1);

			if (value < least)
			{
				least = value;
				memcpy(best, at, sizeof best);
			}
		}
	assert_int_equal(xmc_calibrate(&ctx, 100, 2, x, NULL, prior, c), XMC_OK);
	assert_near(c[0], best[0], 0.011);
	assert_near(c[1], best[1], 0.011);
	assert_true(c[1] > 1 && c[1] < 2);
	assert_int_equal(xmc_calibrate(&ctx, 10 * ROWS, 2, x, NULL, prior, c), XMC_OK);
	assert_near(c[0], 0.5, 0.05);
	assert_near(c[1], 2, 0.1);
}

static void
test_noise_and_empty_features(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static float x[10 * ROWS * 3];
	double		truth[3] = {0.7, 0, 0};
	double		c[3];

	(void) state;
	xmc_random_seed(&random, 4);
	rows(&random, 10 * ROWS, 3, truth, x);
	for (int32_t r = 0; r < 10 * ROWS; r++)
		x[r * 3 + 2] = 0;
	for (double ridge = 0; ridge <= 1; ridge++)
	{
		assert_int_equal(xmc_calibrate(&ctx, 10 * ROWS, 3, x, NULL, ridge_of(ridge), c), XMC_OK);
		assert_near(c[0], 0.7, 0.05);
		assert_near(c[1], 0, 0.03);
		assert_true(c[2] == 0);
	}
	memset(x, 0, sizeof x);
	assert_int_equal(xmc_calibrate(&ctx, ROWS, 3, x, NULL, ridge_of(0), c), XMC_OK);
	assert_true(c[0] == 0 && c[1] == 0 && c[2] == 0);
	assert_int_equal(xmc_calibrate(&ctx, 0, 3, NULL, NULL, ridge_of(0), c), XMC_OK);
	assert_true(c[0] == 0 && c[1] == 0 && c[2] == 0);
}

/* Two copies of one feature: the data determine only their sum; the ridge makes them equal. */
static void
test_collinear_features(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static float one[ROWS];
	static float two[ROWS * 2];
	double		truth = 1;
	double		single;
	double		c[2];

	(void) state;
	xmc_random_seed(&random, 5);
	rows(&random, ROWS, 1, &truth, one);
	for (int32_t r = 0; r < ROWS; r++)
		two[2 * r] = two[2 * r + 1] = one[r];
	assert_int_equal(xmc_calibrate(&ctx, ROWS, 1, one, NULL, ridge_of(0), &single), XMC_OK);
	assert_int_equal(xmc_calibrate(&ctx, ROWS, 2, two, NULL, ridge_of(0), c), XMC_OK);
	assert_near(c[0] + c[1], single, 1e-6);
	assert_int_equal(xmc_calibrate(&ctx, ROWS, 2, two, NULL, ridge_of(0.1), c), XMC_OK);
	assert_near(c[0], c[1], 1e-6);
}

static void
test_separable_stays_finite(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		x[6] = {1, 0.5f, 2, 0.1f, 3, 1};
	double		weak[2];
	double		strong[2];
	double		none[2];

	(void) state;
	assert_int_equal(xmc_calibrate(&ctx, 3, 2, x, NULL, ridge_of(1e-3), weak), XMC_OK);
	assert_int_equal(xmc_calibrate(&ctx, 3, 2, x, NULL, ridge_of(1), strong), XMC_OK);
	assert_int_equal(xmc_calibrate(&ctx, 3, 2, x, NULL, ridge_of(0), none), XMC_OK);
	assert_optimal(3, 2, x, NULL, 1e-3, weak);
	assert_optimal(3, 2, x, NULL, 1, strong);
	assert_true(weak[0] > strong[0] && strong[0] > 0);
	assert_true(isfinite(none[0]) && isfinite(none[1]));	/* no minimum exists: it ends where the loss is nothing */
	assert_true(objective(3, 2, x, NULL, 0, none) < 1e-9);
}

static void
test_weights_equal_duplication(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static float x[500 * 2];
	static float weight[500];
	static float copies[2000 * 2];
	double		truth[2] = {0.6, 0.3};
	double		weighted[2];
	double		duplicated[2];
	int32_t		n = 0;

	(void) state;
	xmc_random_seed(&random, 6);
	rows(&random, 500, 2, truth, x);
	for (int32_t r = 0; r < 500; r++)
	{
		weight[r] = (float) xmc_random_below(&random, 4);
		for (int32_t q = 0; q < weight[r]; q++, n++)
			memcpy(copies + 2 * n, x + 2 * r, 2 * sizeof(float));
	}
	assert_int_equal(xmc_calibrate(&ctx, 500, 2, x, weight, ridge_of(0.5), weighted), XMC_OK);
	assert_int_equal(xmc_calibrate(&ctx, n, 2, copies, NULL, ridge_of(0.5), duplicated), XMC_OK);
	assert_near(weighted[0], duplicated[0], 1e-9);
	assert_near(weighted[1], duplicated[1], 1e-9);
}

/* Scores far outside what a model gives: no overflow, no NaN */
static void
test_extreme_scores(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		x[6] = {1e30f, -1e30f, 1e-30f, 1e30f, 1e4f, -1e4f};
	double		c;

	(void) state;
	assert_int_equal(xmc_calibrate(&ctx, 6, 1, x, NULL, ridge_of(0), &c), XMC_OK);
	assert_true(isfinite(c) && c >= 0);
	assert_true(objective(6, 1, x, NULL, 0, &c) <= 6 * log(2));
}

static bool
stop_at_once(void *arg)
{
	(void) arg;
	return true;
}

static void
test_errors(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		x[2] = {1, NAN};
	float		weight[2] = {1, -1};
	double		c[XMC_CALIBRATE_MAX];
	int32_t		many = 300000;
	float	   *zeros = calloc(many, sizeof(float));

	(void) state;
	assert_int_equal(xmc_calibrate(&ctx, 2, 0, x, NULL, ridge_of(0), c), XMC_BAD_INPUT);
	assert_int_equal(xmc_calibrate(&ctx, 2, XMC_CALIBRATE_MAX + 1, x, NULL, ridge_of(0), c), XMC_BAD_INPUT);
	assert_int_equal(xmc_calibrate(&ctx, 2, 1, x, NULL, ridge_of(0), c), XMC_BAD_INPUT);
	assert_int_equal(xmc_calibrate(&ctx, -1, 1, x, NULL, ridge_of(0), c), XMC_BAD_INPUT);
	assert_int_equal(xmc_calibrate(&ctx, 1, 1, x, NULL, ridge_of(-1), c), XMC_BAD_INPUT);
	assert_int_equal(xmc_calibrate(&ctx, 1, 1, x, NULL, ridge_of(NAN), c), XMC_BAD_INPUT);
	assert_int_equal(xmc_calibrate(&ctx, 1, 1, x, NULL, &(xmc_prior) {-1, 1}, c), XMC_BAD_INPUT);
	x[1] = 1;
	assert_int_equal(xmc_calibrate(&ctx, 2, 1, x, weight, ridge_of(0), c), XMC_BAD_INPUT);
	ctx.stop = stop_at_once;
	assert_int_equal(xmc_calibrate(&ctx, many, 1, zeros, NULL, ridge_of(0), c), XMC_STOPPED);
	free(zeros);
}

/* ---- calibration error ---- */

static void
test_calibration_error(void **state)
{
	xmc_random	random;
	static double good[50000];
	static double turned[50000];
	static double sure[50000];
	double		error;

	(void) state;
	xmc_random_seed(&random, 7);
	for (int32_t r = 0; r < 50000; r++)
	{
		double		z = 2 * xmc_random_normal(&random);
		double		p = sigmoid(z);
		double		too_sure = sigmoid(4 * z);
		bool		before = xmc_random_uniform(&random) < p;

		good[r] = before ? p : 1 - p;
		turned[r] = 1 - good[r];
		sure[r] = before ? too_sure : 1 - too_sure;
	}
	error = xmc_calibration_error(50000, good, 10);
	assert_true(error < 0.01);
	assert_true(xmc_calibration_error(50000, sure, 10) > 0.1);
	/* turned round: as sure as before, wrong where it was right */
	assert_true(xmc_calibration_error(50000, turned, 10) > 0.4);
	/* more bins than fit one walk over the rows, and one bin, which only sees the means */
	assert_true(xmc_calibration_error(50000, good, 200) < 0.03);
	assert_true(xmc_calibration_error(50000, sure, 200) > 0.1);
	assert_true(xmc_calibration_error(50000, good, 1) <= error + 1e-12);
}

static void
test_calibration_error_known(void **state)
{
	double		p[4] = {0.9, 0.9, 0.9, 0.1};	/* folded 0.9 each, 3 of 4 right */
	double		mixed[3] = {0.6, 0.95, 0.5};

	(void) state;
	assert_near(xmc_calibration_error(4, p, 10), 0.15, 1e-12);
	/* 0.5 is half right and adds nothing; the others are alone in their bins */
	assert_near(xmc_calibration_error(3, mixed, 10), (0.4 + 0.05) / 3, 1e-12);
	assert_near(xmc_calibration_error(1, (double[]) {1}, 10), 0, 1e-12);
	assert_near(xmc_calibration_error(1, (double[]) {0}, 10), 1, 1e-12);
	assert_true(isnan(xmc_calibration_error(0, NULL, 10)));
	assert_true(isnan(xmc_calibration_error(1, (double[]) {1}, 0)));
	assert_true(isnan(xmc_calibration_error(1, (double[]) {1}, XMC_CALIBRATION_MAX_BINS + 1)));
	assert_true(isnan(xmc_calibration_error(1, (double[]) {NAN}, 10)));
}

/* The smoothed objective of a scale, by its definition. */
static double
scale_objective(int32_t n, const float *s, const float *weight, double e, double scale)
{
	double		sum = 0;

	for (int32_t r = 0; r < n; r++)
		sum += weight[r] * ((1 - e) * log1p(exp(-scale * s[r])) + e * log1p(exp(scale * s[r])));
	return sum;
}

/* A scale is the minimum, does not depend on the unit of the score, is finite where all pairs are right, and never negative. */
static void
test_scale(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		s[40];
	float		larger[40];
	float		weight[40];
	double		scale;
	double		of_larger;

	(void) state;
	for (int r = 0; r < 40; r++)
	{
		s[r] = (float) ((r % 4 == 0 ? -0.5 : 1) * (0.5 + r % 7));
		larger[r] = s[r] * 1e6f;
		weight[r] = (float) (1 + r % 3);
	}
	assert_int_equal(xmc_calibrate_scale(&ctx, 40, s, weight, 8, &scale), XMC_OK);
	for (double factor = 0.9; factor < 1.2; factor += 0.19)
		assert_true(scale_objective(40, s, weight, 0.1, scale * factor) > scale_objective(40, s, weight, 0.1, scale));
	assert_int_equal(xmc_calibrate_scale(&ctx, 40, larger, weight, 8, &of_larger), XMC_OK);
	assert_true(fabs(of_larger * 1e6 - scale) < 1e-5 * scale);
	/* All pairs right by the same score, in eight groups: the probability is 9 of 10. */
	for (int r = 0; r < 40; r++)
		s[r] = 0.001f;
	assert_int_equal(xmc_calibrate_scale(&ctx, 40, s, weight, 8, &scale), XMC_OK);
	assert_true(fabs(1 / (1 + exp(-scale * 0.001)) - 0.9) < 1e-5);
	/* Random scores of all sizes: a finite minimum. */
	for (int trial = 1; trial < 200; trial++)
	{
		double		size = pow(10, trial % 12 - 8);

		for (int r = 0; r < 40; r++)
			s[r] = (float) (size * (sin(trial * 7 + r * r) + 0.3));
		assert_int_equal(xmc_calibrate_scale(&ctx, 40, s, weight, trial, &scale), XMC_OK);
		assert_true(scale > 0 && isfinite(scale));
		for (double factor = 0.9; factor < 1.2; factor += 0.19)
			assert_true(scale_objective(40, s, weight, 1 / (trial + 2.0), scale * factor) >
						scale_objective(40, s, weight, 1 / (trial + 2.0), scale));
	}
	/* All wrong; all 0. */
	for (int r = 0; r < 40; r++)
		s[r] = -0.001f;
	assert_int_equal(xmc_calibrate_scale(&ctx, 40, s, weight, 8, &scale), XMC_OK);
	assert_true(scale == 0);
	memset(s, 0, sizeof s);
	assert_int_equal(xmc_calibrate_scale(&ctx, 40, s, weight, 8, &scale), XMC_OK);
	assert_true(scale == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_one_feature_known_solution),
		cmocka_unit_test(test_recovers_temperature),
		cmocka_unit_test(test_optimal_for_each_k),
		cmocka_unit_test(test_grid_search),
		cmocka_unit_test(test_prior),
		cmocka_unit_test(test_noise_and_empty_features),
		cmocka_unit_test(test_collinear_features),
		cmocka_unit_test(test_separable_stays_finite),
		cmocka_unit_test(test_weights_equal_duplication),
		cmocka_unit_test(test_extreme_scores),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_calibration_error),
		cmocka_unit_test(test_calibration_error_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
