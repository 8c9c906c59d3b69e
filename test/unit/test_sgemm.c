/* test_sgemm.c - the product of two matrices, by the loops for each kind of processor that this one can run, and by a BLAS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "counting.h"
#include "xmcoh/random.h"

#include "../openblas.h"
#include "../../src/core/numeric/sgemm.c"

#define GAP 3					/* values between the rows of a matrix, which stay as they are */

typedef struct matrix
{
	int64_t		rows;
	int64_t		stride;
	float	   *value;			/* allocated to the last value, so that a sanitizer sees a read or write beyond it */
} matrix;

static matrix
random_matrix(xmc_random *random, int64_t rows, int64_t columns)
{
	matrix		of = {rows, columns + GAP, NULL};
	int64_t		n = rows * of.stride - GAP;

	of.value = malloc((size_t) n * sizeof(float));
	for (int64_t k = 0; k < n; k++)
		of.value[k] = (float) (2 * xmc_random_uniform(random) - 1);
	return of;
}

static matrix
copy_of(const matrix *of)
{
	matrix		copy = *of;

	copy.value = exact_copy(of->value, (size_t) (of->rows * of->stride - GAP) * sizeof(float));
	return copy;
}

/* One product against sums in double; then, without a BLAS, some of its rows alone, which are the same to the bit. */
static void
check_product(kernel dots, xmc_gemm gemm, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k,
			  float alpha, float beta)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	matrix		a;
	matrix		b;
	matrix		c;
	matrix		before;

	xmc_random_seed(&random, (uint64_t) (m + n + k));
	a = transpose_a ? random_matrix(&random, k, m) : random_matrix(&random, m, k);
	b = transpose_b ? random_matrix(&random, n, k) : random_matrix(&random, k, n);
	before = random_matrix(&random, m, n);
	c = copy_of(&before);
	assert_int_equal(multiply(&ctx, dots, gemm, transpose_a, transpose_b, m, n, k, alpha, a.value, a.stride, b.value, b.stride, beta,
							  c.value, c.stride), XMC_OK);
	for (int64_t i = 0; i < m; i++)
	{
		for (int64_t j = 0; j < n; j++)
		{
			double		sum = beta != 0 ? beta * before.value[i * c.stride + j] : 0;

			for (int64_t p = 0; p < k; p++)
				sum += (double) alpha * a.value[transpose_a ? p * a.stride + i : i * a.stride + p] *
					b.value[transpose_b ? j * b.stride + p : p * b.stride + j];
			if (fabs(c.value[i * c.stride + j] - sum) > 4e-6 * sqrt((double) k))
				fail_msg("(%d, %d, %d): %g is not %g", (int) m, (int) n, (int) k, c.value[i * c.stride + j], sum);
		}
		if (i < m - 1)
			assert_memory_equal(c.value + i * c.stride + n, before.value + i * c.stride + n, GAP * sizeof(float));
	}
	for (int64_t rows = 1; rows < m && !gemm; rows += 1 + rows / 4)
	{
		int64_t		first = rows * 7 % (m - rows + 1);
		matrix		other = copy_of(&before);

		assert_int_equal(multiply(&ctx, dots, gemm, transpose_a, transpose_b, rows, n, k, alpha,
								  a.value + first * (transpose_a ? 1 : a.stride), a.stride, b.value, b.stride, beta,
								  other.value + first * c.stride, c.stride), XMC_OK);
		for (int64_t i = first; i < first + rows; i++)
			assert_memory_equal(other.value + i * c.stride, c.value + i * c.stride, (size_t) n * sizeof(float));
		free(other.value);
	}
	free(a.value);
	free(b.value);
	free(c.value);
	free(before.value);
}

static void
test_products(void **state)
{
	static const int64_t shapes[][3] = {{1, 1, 1}, {1, 768, 40}, {101, 48, 16}, {101, 32, 384}, {13, 7, 13}, {7, 3, 8}, {5, 1, 7},
	{100, 100, 100}, {9, 20, 1536}, {97, 65, 257}, {12, 64, 64}, {11, 33, 9}, {200, 16, 513}, {3, 130, 1}};
	static const xmc_transpose kinds[][2] = {{XMC_PLAIN, XMC_TRANSPOSED}, {XMC_PLAIN, XMC_PLAIN}, {XMC_TRANSPOSED, XMC_PLAIN}};
	kernel		dots[3];
	int			n = find_kernels(dots);

	(void) state;
	for (int l = 0; l <= n; l++)
		for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
			for (size_t t = 0; t < sizeof kinds / sizeof *kinds; t++)
			{
				kernel		loops = dots[l < n ? l : 0];
				xmc_gemm	gemm = l < n ? NULL : openblas_gemm;

				check_product(loops, gemm, kinds[t][0], kinds[t][1], shapes[s][0], shapes[s][1], shapes[s][2], 1, 0);
				check_product(loops, gemm, kinds[t][0], kinds[t][1], shapes[s][0], shapes[s][1], shapes[s][2], 1, 1);
				check_product(loops, gemm, kinds[t][0], kinds[t][1], shapes[s][0], shapes[s][1], shapes[s][2], 0.5f, -0.25f);
			}
}

/* Rows that start at cache lines are read in place, others are copied: the product is the same to the bit, and no operand changes. */
static void
test_rows_at_cache_lines(void **state)
{
	enum
	{
		SIDE = 96,
		VALUES = SIDE * SIDE
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	float	   *value = aligned_alloc(64, (4 * VALUES + ALIGNMENT) * sizeof(float));
	float	   *kept;
	float	   *c = value + 2 * VALUES + ALIGNMENT;
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 3);
	for (int k = 0; k < 2 * VALUES; k++)
		value[k] = (float) xmc_random_uniform(&random);
	kept = exact_copy(value, 2 * VALUES * sizeof(float));
	assert_true(start_at_lines(value, SIDE) && !start_at_lines(value + 1, SIDE) && !start_at_lines(value, SIDE + 1));
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_TRANSPOSED, SIDE, SIDE, SIDE, 1, value, SIDE, value + VALUES, SIDE, 0, c, SIDE), XMC_OK);
	assert_memory_equal(value, kept, 2 * VALUES * sizeof(float));
	memmove(value + 1, value, 2 * VALUES * sizeof(float));
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_TRANSPOSED, SIDE, SIDE, SIDE, 1, value + 1, SIDE, value + 1 + VALUES, SIDE, 0,
							   c + VALUES, SIDE), XMC_OK);
	assert_memory_equal(c, c + VALUES, VALUES * sizeof(float));
	free(kept);
	free(value);
}

/* A BLAS that computes nothing, counts its calls in the context's argument, and fails at a call that the argument says. */
static xmc_status
counting_gemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
			  const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	counting   *counts = ctx->arg;

	(void) alpha, (void) a, (void) lda, (void) b, (void) ldb, (void) c, (void) ldc, (void) transpose_a;
	assert_int_equal(transpose_b, XMC_PLAIN);
	assert_true(beta == 1);
	assert_true(m * n * k <= STEP_MULTIPLY_ADDS);
	return ++counts->calls == counts->fail_at ? xmc_fail(ctx, XMC_NO_MEMORY, "no BLAS") : XMC_OK;
}

/* Products of the backward pass are for the BLAS; those of the forward pass and those with B^T are not. */
static void
test_who_multiplies(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	float	   *zero = calloc(3 * 1024 * 1024, sizeof(float));
	float	   *c = zero + 2 * 1024 * 1024;

	(void) state;
	ctx.gemm = counting_gemm;
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_TRANSPOSED, 64, 64, 64, 1, zero, 64, zero, 64, 0, c, 64), XMC_OK);
	assert_int_equal(xmc_sgemm_forward(&ctx, XMC_PLAIN, XMC_PLAIN, 64, 64, 64, 1, zero, 64, zero, 64, 0, c, 64), XMC_OK);
	assert_int_equal(xmc_sgemm_forward(&ctx, XMC_TRANSPOSED, XMC_PLAIN, 64, 64, 64, 1, zero, 64, zero, 64, 0, c, 64), XMC_OK);
	assert_int_equal(counts.calls, 0);
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 4, 4, 4, 1, zero, 4, zero, 4, 0, c, 4), XMC_OK);
	assert_int_equal(xmc_sgemm(&ctx, XMC_TRANSPOSED, XMC_PLAIN, 32, 32, 32, 1, zero, 32, zero, 32, 1, c, 32), XMC_OK);
	assert_int_equal(counts.calls, 2);
	/* a large one in tiles; the failure of a tile is passed on */
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 1024, 1024, 1024, 1, zero, 1024, zero, 1024, 0, c, 1024), XMC_OK);
	assert_true(counts.calls >= 2 + 1024 / 50);
	assert_int_equal(counts.questions, counts.calls + 3);
	counts = (counting){.fail_at = 3};
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 1024, 1024, 1024, 1, zero, 1024, zero, 1024, 0, c, 1024), XMC_NO_MEMORY);
	assert_int_equal(counts.calls, 3);
	free(zero);
}

/* Values of a product of 100 million multiply-adds, whose sums are whole numbers. */
static void
check_tiles(xmc_gemm gemm, xmc_transpose transpose)
{
	enum
	{
		SIDE = 465
	};
	xmc_ctx		ctx = xmc_ctx_malloc();
	float	   *a = malloc(3 * SIDE * SIDE * sizeof(float));
	float	   *b = a + SIDE * SIDE;
	float	   *c = b + SIDE * SIDE;

	ctx.gemm = gemm;
	for (int k = 0; k < SIDE * SIDE; k++)
	{
		a[k] = (float) (k % 7 - 3);
		b[k] = (float) (k % 11 - 5);
		c[k] = 1;
	}
	assert_int_equal(xmc_sgemm(&ctx, transpose, XMC_PLAIN, SIDE, SIDE, SIDE, 2, a, SIDE, b, SIDE, 3, c, SIDE), XMC_OK);
	for (int i = 0; i < SIDE; i++)
		for (int j = i % 13; j < SIDE; j += 13)
		{
			double		sum = 3;

			for (int p = 0; p < SIDE; p++)
				sum += 2.0 * (double) a[transpose ? p * SIDE + i : i * SIDE + p] * b[p * SIDE + j];
			assert_true(c[i * SIDE + j] == sum);
		}
	free(a);
}

/* Several tiles, along each side, by either kind of loop. */
static void
test_tiles(void **state)
{
	(void) state;
	for (int blas = 0; blas < 2; blas++)
		for (int transposed = 0; transposed < 2; transposed++)
			check_tiles(blas ? openblas_gemm : NULL, transposed ? XMC_TRANSPOSED : XMC_PLAIN);
}

/* A column without gaps is read as a row. */
static void
test_one_column(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	const float a[] = {1, 2, 3, 4, 5, 6};
	const float b[] = {1, 10, 100};
	float		c[] = {1, 1};

	(void) state;
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 2, 1, 3, 2, a, 3, b, 1, 1, c, 1), XMC_OK);
	assert_true(c[0] == 643 && c[1] == 1309);
}

/* Without products C is scaled; what is not a number stays none, unless beta is 0: then C is not read. */
static void
test_nothing(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		c[] = {2, 3, NAN};
	const float one = 1;

	(void) state;
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 1, 3, 0, 1, &one, 1, &one, 3, 2, c, 3), XMC_OK);
	assert_true(c[0] == 4 && c[1] == 6 && isnan(c[2]));
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 0, 3, 1, 1, &one, 1, c, 3, 0, c, 3), XMC_OK);
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 3, 0, 1, 1, c, 1, &one, 1, 0, c, 1), XMC_OK);
	assert_true(c[0] == 4 && c[1] == 6 && isnan(c[2]));
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_TRANSPOSED, 1, 3, 1, 1, &one, 1, (float[]) {1, 2, 3}, 1, 0, c, 3), XMC_OK);
	assert_true(c[0] == 1 && c[1] == 2 && c[2] == 3);
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 1, 3, 0, 1, &one, 1, &one, 3, 0, c, 3), XMC_OK);
	assert_true(c[0] == 0 && c[1] == 0 && c[2] == 0);
}

static void
test_bad_input(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	const float a[8] = {0};
	float		c[8] = {0};

	(void) state;
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 2, 2, 2, 1, a, 1, a, 2, 0, c, 2), XMC_BAD_INPUT);
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 2, 2, 2, 1, a, 2, a, 1, 0, c, 2), XMC_BAD_INPUT);
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, 2, 2, 2, 1, a, 2, a, 2, 0, c, 1), XMC_BAD_INPUT);
	assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, XMC_PLAIN, -1, 2, 2, 1, a, 2, a, 2, 0, c, 2), XMC_BAD_INPUT);
	assert_int_equal(xmc_sgemm(&ctx, XMC_TRANSPOSED, XMC_TRANSPOSED, 2, 2, 2, 1, a, 2, a, 2, 0, c, 2), XMC_BAD_INPUT);
	assert_string_equal(ctx.message, "matrix product (2, 2, 2) with strides 2, 2, 2 does not fit");
}

/* A product of 400 million multiplications asks at least 8 times whether to stop. */
static void
test_stops(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	float	   *zero = calloc(4096 * 1024, sizeof(float));
	float	   *c = malloc(100 * 4096 * sizeof(float));

	(void) state;
	for (int transposed = 0; transposed < 2; transposed++)
	{
		xmc_transpose transpose = transposed ? XMC_TRANSPOSED : XMC_PLAIN;
		int64_t		stride = transposed ? 1024 : 4096;

		counts = (counting){0};
		assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, transpose, 100, 4096, 1024, 1, zero, 1024, zero, stride, 0, c, 4096), XMC_OK);
		assert_true(counts.questions >= 8);
		counts = (counting){.stop_at = 3};
		assert_int_equal(xmc_sgemm(&ctx, XMC_PLAIN, transpose, 100, 4096, 1024, 1, zero, 1024, zero, stride, 0, c, 4096), XMC_STOPPED);
	}
	free(zero);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_products),
		cmocka_unit_test(test_rows_at_cache_lines),
		cmocka_unit_test(test_who_multiplies),
		cmocka_unit_test(test_tiles),
		cmocka_unit_test(test_one_column),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
