/* test_sort.c - the stable sort of sort.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sort.h"
#include "counting.h"
#include "xmcoh/random.h"

typedef struct pair
{
	uint32_t	key;
	uint32_t	place;
} pair;

static int
compare(const void *a, const void *b)
{
	uint32_t	x = ((const pair *) a)->key;
	uint32_t	y = ((const pair *) b)->key;

	return (x > y) - (x < y);
}

/* Equal keys keep their order, for every number of values. */
static void
test_stable(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	pair		values[300];
	pair		scratch[300];
	uint64_t	seed = 1;

	(void) state;
	for (uint32_t n = 0; n <= 300; n++)
	{
		for (uint32_t k = 0; k < n; k++)
			values[k] = (pair){(uint32_t) (xmc_splitmix64(&seed) % 20), k};
		assert_int_equal(xmc_sort(&ctx, values, scratch, n, sizeof(pair), compare), XMC_OK);
		for (uint32_t k = 1; k < n; k++)
			assert_true(values[k - 1].key < values[k].key ||
						(values[k - 1].key == values[k].key && values[k - 1].place < values[k].place));
	}
}

static void
test_stop(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		n = 100000;
	pair	   *values = calloc(2 * n, sizeof(pair));

	(void) state;
	counts.stop_at = 2;
	assert_int_equal(xmc_sort(&ctx, values, values + n, n, sizeof(pair), compare), XMC_STOPPED);
	free(values);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stable),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
