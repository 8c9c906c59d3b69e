/* test_random.c - the random numbers of random.c: reproducible, and of the right distributions */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "xmcoh/random.h"

static void
test_random_is_reproducible(void **state)
{
	xmc_random	a,
				b,
				c;

	(void) state;
	xmc_random_seed(&a, 42);
	xmc_random_seed(&b, 42);
	xmc_random_seed(&c, 43);
	for (int k = 0; k < 100; k++)
	{
		uint64_t	value = xmc_random_next(&a);

		assert_true(value == xmc_random_next(&b));
		assert_true(value != xmc_random_next(&c));
	}
}

/* Mean and variance within five standard errors; every value below the bound, and every value reached. */
static void
test_random_distributions(void **state)
{
	enum { N = 200000, BOUND = 7 };
	xmc_random	random;
	double		sum = 0.0,
				squares = 0.0,
				uniform = 0.0;
	int			count[BOUND] = {0};

	(void) state;
	xmc_random_seed(&random, 5);
	for (int k = 0; k < N; k++)
	{
		double		x = xmc_random_normal(&random);
		double		u = xmc_random_uniform(&random);
		uint32_t	r = xmc_random_below(&random, BOUND);

		sum += x;
		squares += x * x;
		assert_true(u >= 0.0 && u < 1.0);
		uniform += u;
		assert_true(r < BOUND);
		count[r]++;
	}
	assert_true(sum / N > -0.0112 && sum / N < 0.0112);
	assert_true(squares / N > 0.9842 && squares / N < 1.0158);
	assert_true(uniform / N > 0.4967 && uniform / N < 0.5033);
	for (int k = 0; k < BOUND; k++)
		assert_in_range(count[k], N / BOUND - 800, N / BOUND + 800);
	assert_int_equal(xmc_random_below(&random, 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_is_reproducible),
		cmocka_unit_test(test_random_distributions),
	};

	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
