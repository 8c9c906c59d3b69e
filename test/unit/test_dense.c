/* test_dense.c - the parts of text encoders: GELU, softmax, layer norm, attention */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "numeric/dense.h"

static float *
random_values(xmc_random *random, int64_t n)
{
	float	   *value = malloc((size_t) n * sizeof(float) + 1);

	for (int64_t k = 0; k < n; k++)
		value[k] = (float) (2 * xmc_random_uniform(random) - 1);
	return value;
}

/* The stated error of GELU, and its derivative against finite differences of the exact function. */
static void
test_gelu(void **state)
{
	(void) state;
	for (double at = -12; at <= 12; at += 0.00037)
	{
		float		x = (float) at;
		double		exact = x * 0.5 * erfc(-x / sqrt(2.0));
		double		h = 1e-5;
		double		slope = ((x + h) * erfc(-(x + h) / sqrt(2.0)) - (x - h) * erfc(-(x - h) / sqrt(2.0))) / (4 * h);
		float		y;
		float		dy = 3;

		xmc_gelu(1, &x, &y);
		assert_true(fabs(y - exact) <= 0.5 * fabs(x) * 4e-7 + 1e-7 * fabs(exact));
		xmc_gelu_backward(1, &x, &dy);
		assert_true(fabs(dy - 3 * slope) < 5e-6);
		xmc_gelu(1, &x, &x);	/* in place */
		assert_true(x == y);
	}
}

static void
test_softmax(void **state)
{
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 2);
	for (int64_t n = 1; n < 100; n++)
	{
		float	   *x = random_values(&random, n);
		double	   *exact = malloc((size_t) n * sizeof(double));
		double		sum = 0;
		double		scale = n % 2 ? 3 : 200;

		for (int64_t k = 0; k < n; k++)
		{
			x[k] = (float) (x[k] * scale + 1000);
			sum += exact[k] = exp(x[k] - 1000.0);
		}
		xmc_softmax(n, x);
		for (int64_t k = 0; k < n; k++)
			assert_true(fabs(x[k] - exact[k] / sum) <= 5e-7 * exact[k] / sum + 1e-30);
		free(exact);
		free(x);
	}
}

static void
test_layer_norm(void **state)
{
	float		x[4] = {1, 2, 3, 6};
	float		w[4] = {1, 1, 2, 1};
	float		b[4] = {0, 0, 1, 0};
	float		y[4];
	float		normal[4];
	float		inverse;

	(void) state;
	xmc_layer_norm(1, 4, 0.5, x, w, b, y, normal, &inverse);
	assert_true(fabs(inverse - 0.5) < 1e-7);	/* variance 3.5, epsilon 0.5 */
	assert_true(fabs(y[2] - (0 * 2 + 1)) < 1e-6 && fabs(y[3] - 1.5) < 1e-6);
	xmc_layer_norm(1, 4, 0.5, x, w, b, x, x, &inverse);
	assert_memory_equal(x, y, sizeof x);
}

/* Both forms of the attention agree, for texts of more rows than one block, too. */
static void
test_attention(void **state)
{
	static const int64_t lengths[] = {1, 2, 20, XMC_ATTENTION_ROWS, XMC_ATTENTION_ROWS + 1, 600};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	int64_t		d = 12;

	(void) state;
	xmc_random_seed(&random, 3);
	for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
	{
		int64_t		n = lengths[l];
		float	   *qkv = random_values(&random, n * 3 * d);
		float	   *probability = random_values(&random, 3 * n * n);
		float	   *scratch = random_values(&random, XMC_ATTENTION_ROWS * n);
		float	   *first = random_values(&random, n * d);
		float	   *second = random_values(&random, n * d);

		assert_int_equal(xmc_attention(&ctx, n, d, 3, qkv, probability, NULL, NULL, first), XMC_OK);
		assert_int_equal(xmc_attention_only(&ctx, n, d, 3, qkv, scratch, second), XMC_OK);
		for (int64_t k = 0; k < n * d; k++)
			assert_true(fabsf(first[k] - second[k]) < 1e-6f);
		for (int64_t r = 0; r < 3 * n; r++)
		{
			double		sum = 0;

			for (int64_t k = 0; k < n; k++)
				sum += probability[r * n + k];
			assert_true(fabs(sum - 1) < 1e-6);
		}
		free(qkv);
		free(probability);
		free(scratch);
		free(first);
		free(second);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gelu),
		cmocka_unit_test(test_softmax),
		cmocka_unit_test(test_layer_norm),
		cmocka_unit_test(test_attention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
