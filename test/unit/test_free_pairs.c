/* test_free_pairs.c - an order against stored positions when some pairs have no order: against all orders of few items */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "permutations.h"
#include "xmcoh/metrics.h"

#include <math.h>

#define MOST_FREE 6

/* What all orders of some items have together. Items stand by their number, but some pairs have no order. */
typedef struct all_orders
{
	bool		either[MOST_FREE][MOST_FREE];
	int32_t		orders;
	int32_t		perfect;
	int32_t		matches;
	bool		may_be[MOST_FREE][MOST_FREE];	/* a right order has item i at place k */
	bool		may_follow[MOST_FREE][MOST_FREE];	/* a right order has item j directly behind item i */
	double		random_perfect;
	double		random_matches;
	int			pass;			/* the second pass knows may_be and may_follow of the first */
} all_orders;

/* Measures one order, item[k] the item at place k. */
static void
measure_free(all_orders *all, int32_t n, const int32_t *item)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_order_quality quality;
	xmc_order_quality by_labels;
	double		position[MOST_FREE];
	uint8_t		either[MOST_FREE * MOST_FREE];
	uint8_t		precedes[MOST_FREE * MOST_FREE];
	int32_t		wrong = 0;
	int32_t		right = 0;
	int32_t		matches = 0;
	int32_t		neighbours = 0;

	for (int32_t a = 0; a < n; a++)
	{
		position[a] = item[a] * 10;
		for (int32_t b = 0; b < n; b++)
		{
			either[a * n + b] = all->either[item[a]][item[b]];
			if (a < b && !all->either[item[a]][item[b]])
			{
				wrong += item[a] > item[b];
				right += item[a] < item[b];
			}
		}
	}
	if (wrong == 0)
		for (int32_t k = 0; k < n; k++)
		{
			all->may_be[item[k]][k] = true;
			if (k > 0)
				all->may_follow[item[k - 1]][item[k]] = true;
		}
	if (all->pass == 0)
		return;
	for (int32_t k = 0; k < n; k++)
	{
		matches += all->may_be[item[k]][k];
		neighbours += k > 0 && all->may_follow[item[k - 1]][item[k]];
		for (int32_t b = 0; b < n; b++)
			precedes[k * n + b] = item[k] < item[b] && !either[k * n + b];
	}
	assert_int_equal(xmc_measure_labels(&ctx, n, precedes, &by_labels), XMC_OK);
	assert_int_equal(xmc_measure_order(&ctx, n, position, either, &quality), XMC_OK);
	assert_int_equal(quality.neighbours, neighbours);
	assert_true(by_labels.matches == matches && by_labels.neighbours == neighbours && by_labels.perfect == quality.perfect);
	assert_true(by_labels.random_perfect == quality.random_perfect && by_labels.random_matches == quality.random_matches);
	assert_true(by_labels.tau == quality.tau || wrong + right == 0);
	assert_int_equal(quality.perfect, wrong == 0);
	assert_int_equal(quality.matches, matches);
	if (wrong + right == 0)
		assert_true(isnan(quality.tau));
	else
		assert_true(fabs(quality.tau - (double) (right - wrong) / (right + wrong)) < 1e-12);
	all->orders++;
	all->perfect += quality.perfect;
	all->matches += quality.matches;
	all->random_perfect = quality.random_perfect;
	all->random_matches = quality.random_matches;
}

/* Pairs without an order: places, perfect orders and baselines against all orders. What must precede is transitive here. */
static void
test_order_with_free_pairs(void **state)
{
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 5);
	for (int k = 0; k < 60; k++)
	{
		all_orders	all = {.pass = 0};
		int32_t		item[MOST_FREE];
		int32_t		n = 2 + (int32_t) xmc_random_below(&random, MOST_FREE - 1);

		/* a pair is free unless it is drawn, or follows from two that are */
		for (int32_t a = 0; a < n; a++)
			for (int32_t b = a + 1; b < n; b++)
				all.either[a][b] = xmc_random_below(&random, 3) == 0;
		for (int pass = 0; pass < n; pass++)	/* until nothing follows any more */
			for (int32_t a = 0; a < n; a++)
				for (int32_t b = a + 1; b < n; b++)
					for (int32_t c = b + 1; c < n; c++)
						if (!all.either[a][b] && !all.either[b][c])
							all.either[a][c] = false;
		for (int32_t a = 0; a < n; a++)
			for (int32_t b = 0; b < a; b++)
				all.either[a][b] = all.either[b][a];
		for (; all.pass < 2; all.pass++)
		{
			for (int32_t i = 0; i < n; i++)
				item[i] = i;
			do
				measure_free(&all, n, item);
			while (next_permutation(n, item));
		}
		assert_true(fabs(all.random_perfect - (double) all.perfect / all.orders) < 1e-12);
		assert_true(fabs(all.random_matches - (double) all.matches / all.orders) < 1e-12);
	}
}

/* A long piece: one item is free of a chain of 19. So 1 of 19! orders is right, which the bound gives exactly. */
static void
test_order_with_long_pieces(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_order_quality quality;
	double		position[20];
	uint8_t    *either = test_calloc(20 * 20, 1);

	(void) state;
	for (int32_t k = 0; k < 20; k++)
	{
		position[k] = k;
		either[k] = either[k * 20] = k > 0;
	}
	assert_int_equal(xmc_measure_order(&ctx, 20, position, either, &quality), XMC_OK);
	assert_true(fabs(quality.random_perfect / xmc_random_perfect_match(19) - 1) < 1e-9);
	assert_true(quality.perfect && quality.matches == 20);
	test_free(either);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_with_free_pairs),
		cmocka_unit_test(test_order_with_long_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
