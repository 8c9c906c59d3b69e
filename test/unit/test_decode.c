/* test_decode.c - orders against brute force and an independent dynamic program; failures */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "permutations.h"
#include "numeric/decode.h"
#include "xmcoh/decided.h"
#include "xmcoh/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Antisymmetric scores around a hidden order, drift * sign + noise; levels > 0: whole numbers in -levels..levels, ties. */
static void
scores(xmc_random *random, int32_t n, double drift, int32_t levels, const int32_t *truth, float *s)
{
	for (int32_t i = 0; i < n; i++)
	{
		s[i * n + i] = 0;
		for (int32_t j = i + 1; j < n; j++)
		{
			if (levels)
				s[i * n + j] = (float) xmc_random_below(random, 2 * levels + 1) - levels;
			else
				s[i * n + j] = (float) (xmc_random_normal(random) + (truth[i] < truth[j] ? drift : -drift));
			s[j * n + i] = -s[i * n + j];
		}
	}
}

/* The sum over the order's pairs, in double and by the definition: the objective that decode.c maximises. */
static double
order_value(int32_t n, const float *s, const int32_t *order)
{
	double		sum = 0;

	for (int32_t a = 0; a < n; a++)
		for (int32_t b = a + 1; b < n; b++)
			sum += nearbyint(s[order[a] * n + order[b]] / XMC_SCORE_GRID) * XMC_SCORE_GRID;
	return sum;
}

static void
assert_permutation(int32_t n, const int32_t *order)
{
	bool		seen[512] = {false};

	for (int32_t k = 0; k < n; k++)
	{
		assert_in_range(order[k], 0, n - 1);
		assert_false(seen[order[k]]);
		seen[order[k]] = true;
	}
}

static bool
is_identity(int32_t n, const int32_t *order)
{
	for (int32_t k = 0; k < n; k++)
		if (order[k] != k)
			return false;
	return true;
}

static void
test_small_sizes(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		one[1] = {NAN};		/* the diagonal is not read */
	float		two[4] = {NAN, -0.5f, 0.5f, NAN};
	int32_t		order[2] = {-1, -1};
	double		value = -1;

	(void) state;
	assert_int_equal(xmc_decode(&ctx, 0, NULL, NULL, NULL, &value), XMC_OK);
	assert_true(value == 0);
	assert_int_equal(xmc_decode_search(&ctx, 0, NULL, NULL, NULL, &value), XMC_OK);
	assert_true(value == 0);
	assert_int_equal(xmc_decode(&ctx, 1, one, NULL, order, &value), XMC_OK);
	assert_true(order[0] == 0 && value == 0);
	order[0] = -1;
	assert_int_equal(xmc_decode_search(&ctx, 1, one, NULL, order, &value), XMC_OK);
	assert_true(order[0] == 0 && value == 0);
	assert_int_equal(xmc_decode(&ctx, 2, two, NULL, order, &value), XMC_OK);
	assert_true(order[0] == 1 && order[1] == 0 && value == 0.5);
	assert_int_equal(xmc_decode_search(&ctx, 2, two, NULL, order, &value), XMC_OK);
	assert_true(order[0] == 1 && order[1] == 0 && value == 0.5);
	assert_int_equal(xmc_decode(&ctx, 2, two, NULL, order, NULL), XMC_OK);
}

/* The best of all permutations, and of those the first: with and without ties, and for scores that are not antisymmetric */
static void
test_exact_against_brute_force(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 1);
	for (int32_t r = 0; r < 600; r++)
	{
		int32_t		n = 1 + r % 7;
		int32_t		levels = r % 4;
		int32_t		truth[7];
		int32_t		p[7];
		int32_t		best[7];
		int32_t		order[7];
		float		s[49];
		double		most = -INFINITY;
		double		value;

		shuffle(&random, n, truth);
		scores(&random, n, 0.3, levels, truth, s);
		if (r % 5 == 0)
			for (int32_t k = 0; k < n * n; k++)
				s[k] += xmc_random_below(&random, 3);
		for (int32_t k = 0; k < n; k++)
			p[k] = k;
		do
		{
			double		sum = order_value(n, s, p);

			if (sum > most)
			{
				most = sum;
				memcpy(best, p, sizeof p);
			}
		} while (next_permutation(n, p));
		assert_int_equal(xmc_decode(&ctx, n, s, NULL, order, &value), XMC_OK);
		assert_true(value == most);
		assert_memory_equal(order, best, sizeof(int32_t) * n);
		assert_int_equal(xmc_decode_search(&ctx, n, s, NULL, order, &value), XMC_OK);
		assert_permutation(n, order);
		assert_true(value == most);
		assert_true(value == order_value(n, s, order));
	}
}

static void
test_no_evidence_keeps_the_numbering(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	static float s[256 * 256];
	int32_t		order[256];
	double		value;
	static const int32_t sizes[] = {3, 8, 9, 16, 17, 256};

	(void) state;
	for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
	{
		assert_int_equal(xmc_decode(&ctx, sizes[z], s, NULL, order, &value), XMC_OK);
		assert_true(is_identity(sizes[z], order) && value == 0);
		assert_int_equal(xmc_decode_search(&ctx, sizes[z], s, NULL, order, &value), XMC_OK);
		assert_true(is_identity(sizes[z], order) && value == 0);
	}
}

/* Noise below half the grid, such as rounding errors of a matrix product, changes nothing. */
static void
test_rounding_noise_decides_nothing(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 2);
	for (int32_t r = 0; r < 100; r++)
	{
		int32_t		n = 2 + r % 23;
		float		s[24 * 24];
		int32_t		clean[24];
		int32_t		noisy[24];

		scores(&random, n, 0, 1, NULL, s);
		assert_int_equal(xmc_decode(&ctx, n, s, NULL, clean, NULL), XMC_OK);
		for (int32_t k = 0; k < n * n; k++)
			s[k] += (float) (1e-6 * (xmc_random_uniform(&random) - 0.5));
		assert_int_equal(xmc_decode(&ctx, n, s, NULL, noisy, NULL), XMC_OK);
		assert_memory_equal(clean, noisy, sizeof(int32_t) * n);
	}
}

/* The same items with other numbers get the same order, by both methods. */
static void
test_renumbering_changes_nothing(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static const int32_t sizes[] = {2, 5, 9, 12, 16, 17, 24, 60, 120};
	static float s[120 * 120];
	static float renamed[120 * 120];

	(void) state;
	xmc_random_seed(&random, 3);
	for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
		for (int32_t r = 0; r < 6; r++)
		{
			int32_t		n = sizes[z];
			int32_t		name[120];
			int32_t		order[120];
			int32_t		order_renamed[120];

			shuffle(&random, n, name);
			scores(&random, n, r * 0.1, 0, name, s);
			shuffle(&random, n, name);
			for (int32_t i = 0; i < n; i++)
				for (int32_t j = 0; j < n; j++)
					renamed[name[i] * n + name[j]] = s[i * n + j];
			assert_int_equal(xmc_decode(&ctx, n, s, NULL, order, NULL), XMC_OK);
			assert_int_equal(xmc_decode(&ctx, n, renamed, NULL, order_renamed, NULL), XMC_OK);
			for (int32_t k = 0; k < n; k++)
				assert_int_equal(order_renamed[k], name[order[k]]);
			assert_int_equal(xmc_decode_search(&ctx, n, s, NULL, order, NULL), XMC_OK);
			assert_int_equal(xmc_decode_search(&ctx, n, renamed, NULL, order_renamed, NULL), XMC_OK);
			for (int32_t k = 0; k < n; k++)
				assert_int_equal(order_renamed[k], name[order[k]]);
		}
}

/* Copies of one step are in the order of their numbers, wherever they are. */
static void
test_copies_go_by_number(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 4);
	for (int32_t r = 0; r < 20; r++)
	{
		enum {N = 30};
		float		s[N * N];
		float		step[N / 3 * N / 3];
		int32_t		kind[N];
		int32_t		truth[N / 3];
		int32_t		order[N];

		shuffle(&random, N / 3, truth);
		scores(&random, N / 3, 3, 0, truth, step);
		shuffle(&random, N, kind);
		for (int32_t i = 0; i < N; i++)
			for (int32_t j = 0; j < N; j++)
				s[i * N + j] = step[kind[i] % (N / 3) * (N / 3) + kind[j] % (N / 3)];
		assert_int_equal(xmc_decode(&ctx, N, s, NULL, order, NULL), XMC_OK);
		assert_permutation(N, order);
		for (int32_t k = 1; k < N; k++)
			if (kind[order[k - 1]] % (N / 3) == kind[order[k]] % (N / 3))
				assert_true(order[k - 1] < order[k]);
	}
}

/* The optimum by the textbook recursion, from the last item on and in double: no code is shared with decode.c. */
static double
optimum(int32_t n, const float *s)
{
	double	   *f = malloc(sizeof(double) << n);
	double		result;

	f[0] = 0;
	for (uint32_t set = 1; set < 1u << n; set++)
	{
		f[set] = -INFINITY;
		for (int32_t last = 0; last < n; last++)
		{
			double		sum;

			if (!(set >> last & 1))
				continue;
			sum = f[set ^ (1u << last)];
			for (int32_t i = 0; i < n; i++)
				if (i != last && set >> i & 1)
					sum += s[i * n + last];
			if (sum > f[set])
				f[set] = sum;
		}
	}
	result = f[(1u << n) - 1];
	free(f);
	return result;
}

static void
test_search_against_optimum(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	int32_t		instances = 0;
	int32_t		optimal = 0;
	double		worst = 0;

	(void) state;
	xmc_random_seed(&random, 5);
	for (int32_t n = 14; n <= 18; n++)
		for (int32_t r = 0; r < (n < 17 ? 8 : 4); r++)
		{
			float		s[18 * 18];
			int32_t		truth[18];
			int32_t		order[18];
			double		total = 0;
			double		value;
			double		best;
			double		gap;

			shuffle(&random, n, truth);
			scores(&random, n, r % 4 * 0.3, 0, truth, s);
			for (int32_t k = 0; k < n * n; k++)
				total += fabs(s[k]) / 2;
			assert_int_equal(xmc_decode_search(&ctx, n, s, NULL, order, &value), XMC_OK);
			assert_permutation(n, order);
			assert_true(value == order_value(n, s, order));
			best = optimum(n, s);
			gap = (best - value) / total;
			/* double and float sums without rounding differ from the grid's by at most n^2 / 2 half steps */
			assert_true(gap > -1e-4);
			if (n <= XMC_EXACT_ITEMS)
			{
				double		exact;

				assert_int_equal(xmc_decode_exact(&ctx, n, s, NULL, order, &exact), XMC_OK);
				assert_near(exact, best, n * n * XMC_SCORE_GRID / 4);
			}
			assert_true(gap <= 0.001);
			instances++;
			optimal += gap < 1e-5;
			worst = gap > worst ? gap : worst;
		}
	print_message("search: optimal in %d of %d instances of 14 to 18 items, worst gap %.4f%%\n", optimal, instances,
				  100 * worst);
	assert_true(optimal >= instances * 9 / 10);
}

/* No insertion improves the order found, and it is at least as good as the hidden one. */
static void
test_search_large(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static const int32_t sizes[] = {50, 200, 256};
	static float s[256 * 256];

	(void) state;
	xmc_random_seed(&random, 6);
	for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
		for (int32_t r = 0; r < 3; r++)
		{
			int32_t		n = sizes[z];
			int32_t		place[256];
			int32_t		truth[256];
			int32_t		order[256];
			int32_t		again[256];
			double		value;

			shuffle(&random, n, place);
			for (int32_t i = 0; i < n; i++)
				truth[place[i]] = i;
			scores(&random, n, r * 0.4, 0, place, s);
			assert_int_equal(xmc_decode(&ctx, n, s, NULL, order, &value), XMC_OK);
			assert_permutation(n, order);
			assert_true(value == order_value(n, s, order));
			assert_true(value >= order_value(n, s, truth));
			for (int32_t from = 0; from < n; from++)
				for (int32_t step = -1; step <= 1; step += 2)
				{
					double		gain = 0;

					for (int32_t to = from + step; to >= 0 && to < n; to += step)
					{
						gain -= step * 2.0 * s[order[from] * n + order[to]];
						assert_true(gain < 0.01);	/* the grid's rounding of at most 256 scores */
					}
				}
			assert_int_equal(xmc_decode(&ctx, n, s, NULL, again, NULL), XMC_OK);
			assert_memory_equal(again, order, sizeof(int32_t) * n);
			/* without noise the hidden order itself is found */
			for (int32_t i = 0; i < n; i++)
				for (int32_t j = 0; j < n; j++)
					s[i * n + j] = place[i] < place[j] ? 0.25f : -0.25f;
			assert_int_equal(xmc_decode(&ctx, n, s, NULL, order, NULL), XMC_OK);
			assert_memory_equal(order, truth, sizeof(int32_t) * n);
		}
}

/* ---- decisions ---- */

/* Random decisions that some order fulfils: each pair with the given probability, along a random order; some are 'either'. */
static void
decide_at_random(xmc_random *random, int32_t n, double share, uint8_t *decided)
{
	int32_t		hidden[256];

	memset(decided, XMC_UNDECIDED, (size_t) n * n);
	shuffle(random, n, hidden);
	for (int32_t a = 0; a < n; a++)
		for (int32_t b = a + 1; b < n; b++)
			if (xmc_random_uniform(random) < share)
				xmc_decide(n, decided, hidden[a], hidden[b],
						   xmc_random_below(random, 5) == 0 ? XMC_DECIDED_EITHER : XMC_DECIDED_BEFORE);
}

/* Whether the order contradicts no decision. */
static bool
fulfils(int32_t n, const uint8_t *decided, const int32_t *order)
{
	for (int32_t a = 0; a < n; a++)
		for (int32_t b = a + 1; b < n; b++)
			if (decided[(size_t) order[a] * n + order[b]] == XMC_DECIDED_AFTER)
				return false;
	return true;
}

/* The best of all permutations that fulfil the decisions, and of those the first; closing the decisions changes nothing. */
static void
test_decided_exact_against_brute_force(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 20);
	for (int32_t r = 0; r < 600; r++)
	{
		int32_t		n = 1 + r % 7;
		int32_t		truth[7];
		int32_t		p[7];
		int32_t		best[7];
		int32_t		order[7];
		uint8_t		decided[49];
		float		s[49];
		double		most = -INFINITY;
		double		value;

		shuffle(&random, n, truth);
		scores(&random, n, 1.0, r % 4, truth, s);
		decide_at_random(&random, n, r % 3 * 0.25 + 0.1, decided);
		for (int32_t k = 0; k < n; k++)
			p[k] = k;
		do
		{
			double		sum = order_value(n, s, p);

			if (fulfils(n, decided, p) && sum > most)
			{
				most = sum;
				memcpy(best, p, sizeof p);
			}
		} while (next_permutation(n, p));
		for (int32_t closed = 0; closed < 2; closed++)
		{
			assert_int_equal(xmc_decode(&ctx, n, s, decided, order, &value), XMC_OK);
			assert_true(value == most);
			assert_memory_equal(order, best, sizeof(int32_t) * n);
			assert_int_equal(xmc_decode_search(&ctx, n, s, decided, order, &value), XMC_OK);
			assert_permutation(n, order);
			assert_true(fulfils(n, decided, order));
			assert_true(value == most);
			assert_int_equal(xmc_decode_shuffled(&ctx, n, s, decided, (uint64_t) r, order), XMC_OK);
			assert_permutation(n, order);
			assert_true(fulfils(n, decided, order));
			assert_int_equal(xmc_decided_close(&ctx, n, decided), XMC_OK);
		}
	}
}

/*
 * Scores that contradict most decisions, in documents of all sizes: no order contradicts a decision, none can be improved by
 * a move that decisions allow, and few decisions cost little.
 */
static void
test_decided_are_respected(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static const int32_t sizes[] = {9, 13, 16, 17, 18, 30, 60, 200};
	static float s[200 * 200];
	static uint8_t decided[200 * 200];

	(void) state;
	xmc_random_seed(&random, 21);
	for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
		for (int32_t r = 0; r < 12; r++)
		{
			static const double shares[] = {0, 0.01, 0.1, 0.9};
			int32_t		n = sizes[z];
			int32_t		truth[200];
			int32_t		order[200];

			shuffle(&random, n, truth);
			scores(&random, n, r % 3, 0, truth, s);
			decide_at_random(&random, n, shares[r % 4], decided);
			assert_int_equal(xmc_decode(&ctx, n, s, decided, order, NULL), XMC_OK);
			assert_permutation(n, order);
			assert_true(fulfils(n, decided, order));
			for (int32_t from = 0; from < n; from++)
				for (int32_t step = -1; step <= 1; step += 2)
				{
					double		gain = 0;

					for (int32_t to = from + step; to >= 0 && to < n; to += step)
					{
						size_t		passed = (size_t) order[from] * n + order[to];

						if (decided[passed] == XMC_DECIDED_BEFORE || decided[passed] == XMC_DECIDED_AFTER)
							break;
						gain -= step * 2.0 * s[passed];
						assert_true(gain < 0.01);
					}
				}
			if (n <= XMC_EXACT_ITEMS)
			{
				double		exact;
				double		searched;

				assert_int_equal(xmc_decode_exact(&ctx, n, s, decided, order, &exact), XMC_OK);
				assert_int_equal(xmc_decode_search(&ctx, n, s, decided, order, &searched), XMC_OK);
				assert_true(fulfils(n, decided, order));
				assert_true(searched <= exact && searched >= exact - 0.02 * n * n);
			}
			assert_int_equal(xmc_decode_shuffled(&ctx, n, s, decided, 7, order), XMC_OK);
			assert_true(fulfils(n, decided, order));
		}
}

/* A matrix without a decision, or with 'either' alone, gives the order of none, to the bit. */
static void
test_nothing_decided_is_the_same(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	static const int32_t sizes[] = {5, 12, 17, 80};
	static float s[80 * 80];
	static uint8_t decided[80 * 80];

	(void) state;
	xmc_random_seed(&random, 22);
	for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
		for (int32_t r = 0; r < 4; r++)
		{
			int32_t		n = sizes[z];
			int32_t		truth[80];
			int32_t		without[80];
			int32_t		order[80];
			double		value;
			double		value_without;

			shuffle(&random, n, truth);
			scores(&random, n, 0.3, r % 2, truth, s);
			memset(decided, r < 2 ? XMC_UNDECIDED : XMC_DECIDED_EITHER, sizeof decided);
			assert_int_equal(xmc_decode(&ctx, n, s, NULL, without, &value_without), XMC_OK);
			assert_int_equal(xmc_decode(&ctx, n, s, decided, order, &value), XMC_OK);
			assert_memory_equal(order, without, sizeof(int32_t) * n);
			assert_true(value == value_without);
		}
}

/* What follows from decisions, and that a cycle is an error everywhere. */
static void
test_closure_and_cycles(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	static float s[100 * 100];
	static uint8_t decided[100 * 100];
	int32_t		order[100];
	int32_t		sorted[100];
	static const int32_t sizes[] = {5, 100};

	(void) state;
	for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
	{
		int32_t		n = sizes[z];

		memset(decided, XMC_UNDECIDED, sizeof decided);
		for (int32_t i = 1; i < n; i++)
			xmc_decide(n, decided, i, i - 1, XMC_DECIDED_BEFORE);
		xmc_decide(n, decided, 0, 2, XMC_DECIDED_EITHER);
		for (int32_t i = 0; i < n; i++)
			order[i] = i;
		assert_int_equal(xmc_decided_extend(&ctx, n, decided, n, order, sorted), XMC_OK);
		for (int32_t i = 0; i < n; i++)
			assert_int_equal(sorted[i], n - 1 - i);
		assert_int_equal(xmc_decided_close(&ctx, n, decided), XMC_OK);
		for (int32_t i = 0; i < n; i++)
			for (int32_t j = 0; j < n; j++)
				assert_int_equal(decided[i * n + j],
								 i == j ? XMC_UNDECIDED : i > j ? XMC_DECIDED_BEFORE : XMC_DECIDED_AFTER);
		/* some of the items: the closed decisions between them */
		order[0] = 1;
		order[1] = 4;
		assert_int_equal(xmc_decided_extend(&ctx, n, decided, 2, order, sorted), XMC_OK);
		assert_true(sorted[0] == 4 && sorted[1] == 1);
		/* a cycle of all items */
		decided[0 * n + n - 1] = XMC_DECIDED_BEFORE;
		assert_int_equal(xmc_decode(&ctx, n, s, decided, order, NULL), XMC_BAD_INPUT);
		assert_string_equal(ctx.message, "decided pairs contradict each other: no order fulfils them");
		assert_int_equal(xmc_decode_search(&ctx, n, s, decided, order, NULL), XMC_BAD_INPUT);
		assert_int_equal(xmc_decided_close(&ctx, n, decided), XMC_BAD_INPUT);
	}
}

/* ---- failures ---- */

static void
test_bad_input(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	static float s[20 * 20];
	int32_t		order[20];
	double		value;
	static const float bad[] = {NAN, INFINITY, -INFINITY};

	(void) state;
	for (int32_t b = 0; b < 3; b++)
	{
		s[1] = bad[b];
		for (int32_t n = 2; n <= 20; n += 18)
		{
			assert_int_equal(xmc_decode(&ctx, n, s, NULL, order, &value), XMC_BAD_INPUT);
			assert_string_equal(ctx.message, "order score of items 0 and 1 is not finite");
			assert_int_equal(xmc_decode_search(&ctx, n, s, NULL, order, &value), XMC_BAD_INPUT);
		}
	}
	s[1] = 0;
	assert_int_equal(xmc_decode_exact(&ctx, 17, s, NULL, order, &value), XMC_LIMIT);
	assert_int_equal(xmc_decode(&ctx, 5000, s, NULL, order, &value), XMC_LIMIT);
	assert_int_equal(xmc_decode(&ctx, -1, s, NULL, order, &value), XMC_BAD_INPUT);
}

/* An allocator that fails at the given allocation and counts allocations that are not freed. */
typedef struct meter
{
	int32_t		until_failure;
	int32_t		live;
	int32_t		until_stop;
} meter;

static void *
metered_alloc(void *arg, size_t size)
{
	meter	   *m = arg;

	if (m->until_failure-- == 0)
		return NULL;
	m->live++;
	return malloc(size);
}

static void
metered_release(void *arg, void *pointer)
{
	meter	   *m = arg;

	m->live -= pointer != NULL;
	free(pointer);
}

static bool
metered_stop(void *arg)
{
	meter	   *m = arg;

	return m->until_stop-- == 0;
}

static void
test_no_memory_and_stop_leave_nothing(void **state)
{
	static const int32_t sizes[] = {8, 16, 100};
	static float s[100 * 100];
	xmc_random	random;
	int32_t		truth[100];
	int32_t		order[100];

	(void) state;
	xmc_random_seed(&random, 10);
	for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
	{
		int32_t		n = sizes[z];
		int32_t		failures = 0;
		int32_t		stops = 0;
		meter		m = {.until_stop = -1};
		xmc_ctx		ctx = {.alloc = metered_alloc, .release = metered_release, .stop = metered_stop, .arg = &m};
		xmc_status	status = XMC_NO_MEMORY;

		shuffle(&random, n, truth);
		scores(&random, n, 0.2, 0, truth, s);
		for (int32_t k = 0; status != XMC_OK; k++)
		{
			m.until_failure = k;
			status = xmc_decode(&ctx, n, s, NULL, order, NULL);
			assert_true(status == XMC_OK || status == XMC_NO_MEMORY);
			assert_int_equal(m.live, 0);
			failures += status == XMC_NO_MEMORY;
		}
		m.until_failure = -1;
		status = XMC_STOPPED;
		for (int32_t k = 0; status != XMC_OK; k++)
		{
			m.until_stop = k;
			status = xmc_decode(&ctx, n, s, NULL, order, NULL);
			assert_true(status == XMC_OK || status == XMC_STOPPED);
			assert_int_equal(m.live, 0);
			stops += status == XMC_STOPPED;
		}
		assert_int_equal(failures, n == 8 ? 0 : n == 16 ? 1 : 5);	/* decoding 8 items does not call the allocator */
		assert_true(stops >= (n == 8 ? 0 : n == 16 ? 15 : 30));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_sizes),
		cmocka_unit_test(test_exact_against_brute_force),
		cmocka_unit_test(test_no_evidence_keeps_the_numbering),
		cmocka_unit_test(test_rounding_noise_decides_nothing),
		cmocka_unit_test(test_renumbering_changes_nothing),
		cmocka_unit_test(test_copies_go_by_number),
		cmocka_unit_test(test_search_against_optimum),
		cmocka_unit_test(test_search_large),
		cmocka_unit_test(test_decided_exact_against_brute_force),
		cmocka_unit_test(test_decided_are_respected),
		cmocka_unit_test(test_nothing_decided_is_the_same),
		cmocka_unit_test(test_closure_and_cycles),
		cmocka_unit_test(test_bad_input),
		cmocka_unit_test(test_no_memory_and_stop_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
