/* Optimal transport with a dustbin: against cases that are solved by hand, by another iteration, and by its properties. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "counting.h"
#include "numeric/sinkhorn.h"
#include "xmcoh/random.h"

static void
assert_near(double a, double b, double tolerance)
{
	if (!(fabs(a - b) <= tolerance))
		fail_msg("%.12g is not %.12g within %g", a, b, tolerance);
}

static void
sinkhorn(int32_t rows, int32_t columns, const double *score, double dustbin, double *p)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_arena	arena;

	xmc_arena_init(&arena, &ctx);
	assert_int_equal(xmc_sinkhorn(&arena, rows, columns, score, dustbin, p), XMC_OK);
	xmc_arena_free(&arena);
	assert_int_equal(counts.live, 0);
}

/* One item on each side: by symmetry p = x^2 with x^2 + x exp(dustbin - score / 2) = 1. */
static void
test_one_by_one(void **state)
{
	static const double score[] = {-50, -3, 0, 0.7, 4, 50};

	(void) state;
	for (int k = 0; k < 6; k++)
	{
		double		p[4];
		double		s = score[k];
		double		y = exp(1 - s / 2);
		double		x = 2 / (y + sqrt(y * y + 4));

		sinkhorn(1, 1, &s, 1, p);
		assert_near(p[0], x * x, 1e-9);
		assert_near(p[1], 1 - p[0], 1e-12);
		assert_near(p[2], 1 - p[0], 1e-12);
		assert_true(p[3] == 0);
	}
}

static void
test_permutation(void **state)
{
	static const int32_t to[] = {2, 0, 4, 1};	/* column 3 has no row */
	double		score[4 * 5];
	double		p[5 * 6];

	(void) state;
	for (int r = 0; r < 4; r++)
		for (int c = 0; c < 5; c++)
			score[r * 5 + c] = c == to[r] ? 60 : -60;
	sinkhorn(4, 5, score, 0, p);
	for (int r = 0; r < 4; r++)
		for (int c = 0; c < 6; c++)
			assert_near(p[r * 6 + c], c == to[r], 1e-9);
	for (int c = 0; c < 5; c++)
		assert_near(p[4 * 6 + c], c == 3, 1e-9);
}

/* The same fixed point by plain scaling of the exponentials, from another start. */
static void
scale_plainly(int rows, int columns, const double *score, double dustbin, double *p)
{
	int			width = columns + 1;
	double		a[6] = {1, 1, 1, 1, 1, 1};
	double		b[6] = {1, 1, 1, 1, 1, 1};

	memset(p, 0, sizeof(double) * (size_t) ((rows + 1) * width));
	for (int step = 0; step < 20000; step++)
	{
		for (int c = 0; c < columns; c++)
		{
			double		sum = exp(dustbin);

			for (int r = 0; r < rows; r++)
				sum += a[r] * exp(score[r * columns + c]);
			b[c] = 1 / sum;
		}
		for (int r = 0; r < rows; r++)
		{
			double		sum = exp(dustbin);

			for (int c = 0; c < columns; c++)
				sum += b[c] * exp(score[r * columns + c]);
			a[r] = 1 / sum;
		}
	}
	for (int r = 0; r < rows; r++)
		for (int c = 0; c < columns; c++)
			p[r * width + c] = a[r] * b[c] * exp(score[r * columns + c]);
	for (int r = 0; r < rows; r++)
		p[r * width + columns] = a[r] * exp(dustbin);
	for (int c = 0; c < columns; c++)
		p[rows * width + c] = b[c] * exp(dustbin);
}

static void
test_fixed_point(void **state)
{
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 3);
	for (int run = 0; run < 30; run++)
	{
		int			rows = 1 + (int) xmc_random_below(&random, 6);
		int			columns = 1 + (int) xmc_random_below(&random, 6);
		double		score[36];
		double		p[49];
		double		want[49];
		double		dustbin = 2 * xmc_random_normal(&random);

		for (int k = 0; k < rows * columns; k++)
			score[k] = 2 * xmc_random_normal(&random);
		sinkhorn(rows, columns, score, dustbin, p);
		scale_plainly(rows, columns, score, dustbin, want);
		for (int k = 0; k < (rows + 1) * (columns + 1); k++)
			assert_near(p[k], want[k], 1e-6);
	}
}

/* For any scores: rows and columns sum to 1, and a permutation of the items permutes the result. */
static void
test_masses_and_names(void **state)
{
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 4);
	for (int run = 0; run < 40; run++)
	{
		int			rows = 2 + (int) xmc_random_below(&random, 8);
		int			columns = 2 + (int) xmc_random_below(&random, 8);
		int			width = columns + 1;
		double		size = run % 2 ? 1 : 300;
		double		score[81];
		double		turned[81];
		double		p[100];
		double		q[100];

		for (int r = 0; r < rows; r++)
			for (int c = 0; c < columns; c++)
				turned[(rows - 1 - r) * columns + (c + 1) % columns] = score[r * columns + c] =
					size * xmc_random_normal(&random);
		sinkhorn(rows, columns, score, size * 0.1, p);
		sinkhorn(rows, columns, turned, size * 0.1, q);
		for (int r = 0; r <= rows; r++)
		{
			double		sum = 0;

			for (int c = 0; c <= columns; c++)
			{
				int			r2 = r < rows ? rows - 1 - r : r;
				int			c2 = c < columns ? (c + 1) % columns : c;

				assert_true(p[r * width + c] >= 0);
				sum += p[r * width + c];
				assert_near(p[r * width + c], q[r2 * width + c2], 1e-6);
			}
			if (r < rows)
				assert_near(sum, 1, 1e-9);
		}
		for (int c = 0; c < columns; c++)
		{
			double		sum = 0;
			double		items = 0;

			for (int r = 0; r <= rows; r++)
				sum += p[r * width + c];
			for (int r = 0; r < rows; r++)
				items += p[r * width + c];
			assert_near(sum, 1, 1e-9);
			assert_true(items <= 1 + 1e-12);
		}
	}
}

static void
test_empty_side(void **state)
{
	double		p[4];

	(void) state;
	sinkhorn(0, 3, NULL, 7, p);
	for (int c = 0; c < 3; c++)
		assert_true(p[c] == 1);
	sinkhorn(2, 0, NULL, 7, p);
	assert_true(p[0] == 1 && p[1] == 1 && p[2] == 0);
	sinkhorn(0, 0, NULL, 7, p);
	assert_true(p[0] == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_permutation),
		cmocka_unit_test(test_fixed_point),
		cmocka_unit_test(test_masses_and_names),
		cmocka_unit_test(test_empty_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
