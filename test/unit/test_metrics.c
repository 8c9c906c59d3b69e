/*
 * test_metrics.c - metrics, and that the result of decoding and measuring does not depend on how the true order numbers
 * items
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "permutations.h"
#include "numeric/decode.h"
#include "xmcoh/random.h"
#include "xmcoh/metrics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* place[k] = where in `order` the k-th item of `gold` stands */
static void
places(int32_t n, const int32_t *gold, const int32_t *order, int32_t *place)
{
	int32_t		at[64];

	for (int32_t k = 0; k < n; k++)
		at[order[k]] = k;
	for (int32_t k = 0; k < n; k++)
		place[k] = at[gold[k]];
}

static double
kendall_tau(int32_t n, const int32_t *place, int32_t *scratch)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	double		tau;

	assert_int_equal(xmc_kendall_tau(&ctx, n, place, scratch, &tau), XMC_OK);
	return tau;
}

static double
tau_by_pairs(int32_t n, const int32_t *place)
{
	int32_t		inversions = 0;

	for (int32_t a = 0; a < n; a++)
		for (int32_t b = a + 1; b < n; b++)
			inversions += place[a] > place[b];
	return 1 - 4.0 * inversions / (n * (n - 1.0));
}

static void
test_known_values(void **state)
{
	int32_t		scratch[5];

	(void) state;
	assert_true(isnan(kendall_tau(0, NULL, scratch)));
	assert_true(isnan(kendall_tau(1, (int32_t[]) {0}, scratch)));
	assert_true(kendall_tau(2, (int32_t[]) {0, 1}, scratch) == 1);
	assert_true(kendall_tau(2, (int32_t[]) {1, 0}, scratch) == -1);
	assert_true(kendall_tau(5, (int32_t[]) {4, 3, 2, 1, 0}, scratch) == -1);
	assert_near(kendall_tau(4, (int32_t[]) {1, 0, 2, 3}, scratch), 2.0 / 3, 1e-15);
	assert_int_equal(xmc_position_matches(0, NULL), 0);
	assert_int_equal(xmc_position_matches(4, (int32_t[]) {1, 0, 2, 3}), 2);
}

static void
test_tau_equals_pairs(void **state)
{
	xmc_random	random;
	int32_t		place[64];
	int32_t		scratch[64];

	(void) state;
	xmc_random_seed(&random, 1);
	for (int32_t n = 2; n <= 64; n++)
		for (int32_t r = 0; r < 20; r++)
		{
			shuffle(&random, n, place);
			assert_near(kendall_tau(n, place, scratch), tau_by_pairs(n, place), 1e-14);
		}
}

/* 100,000 reversed items: 5e9 inversions, more than 32 bits hold, in O(n log n) */
static void
test_tau_large(void **state)
{
	int32_t		n = 100000;
	int32_t    *place = malloc(sizeof(int32_t) * n);
	int32_t    *scratch = malloc(sizeof(int32_t) * n);

	(void) state;
	for (int32_t k = 0; k < n; k++)
		place[k] = n - 1 - k;
	assert_true(kendall_tau(n, place, scratch) == -1);
	free(place);
	free(scratch);
}

/* The random baselines, by enumeration: tau 0, Acc 1 / n, PMR 1 / n! */
static void
test_random_baselines(void **state)
{
	int32_t		scratch[6];

	(void) state;
	for (int32_t n = 2; n <= 6; n++)
	{
		int32_t		place[6];
		int32_t		orders = 0;
		int32_t		matches = 0;
		int32_t		perfect = 0;
		double		tau = 0;

		for (int32_t k = 0; k < n; k++)
			place[k] = k;
		do
		{
			orders++;
			matches += xmc_position_matches(n, place);
			perfect += xmc_position_matches(n, place) == n;
			tau += kendall_tau(n, place, scratch);
		} while (next_permutation(n, place));
		assert_int_equal(perfect, 1);
		assert_int_equal(matches, orders);	/* 1 of n each, on average */
		assert_near(xmc_random_perfect_match(n), 1.0 / orders, 1e-16);
		assert_near(tau / orders, 0, 1e-14);
	}
	assert_true(xmc_random_perfect_match(0) == 1 && xmc_random_perfect_match(1) == 1);
	assert_true(xmc_random_perfect_match(1000000000) == 0);
}

/*
 * The leak test. Random scores hold no information on the true order, so the decoded order must hold none. ties: every
 * score is -1 or 1, so orders often tie; ties go by number, so the items' numbers are independent of the true order.
 * Otherwise scores differ in size and nothing ties; then the items are numbered in the true order, by which the paper's
 * evaluator leaks.
 */
static void
assert_coin_flips_score_nothing(bool ties, uint64_t seed)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	double		sum = 0;
	double		square = 0;
	double		acc = 0;
	double		acc_expected = 0;
	double		perfect = 0;
	double		perfect_expected = 0;
	int32_t		documents = 0;
	double		mean;
	double		error;

	xmc_random_seed(&random, seed);
	for (int32_t n = 5; n <= 12; n++)
		for (int32_t r = 0; r < 4000; r++)
		{
			float		s[12 * 12];
			int32_t		order[12];
			int32_t		gold[12];
			int32_t		place[12];
			int32_t		scratch[12];
			double		tau;

			for (int32_t i = 0; i < n; i++)
			{
				gold[i] = i;
				s[i * n + i] = 0;
				for (int32_t j = i + 1; j < n; j++)
				{
					s[i * n + j] = xmc_random_next(&random) >> 63 ? 1 : -1;
					if (!ties)
						s[i * n + j] *= 0.1f + (float) xmc_random_uniform(&random);
					s[j * n + i] = -s[i * n + j];
				}
			}
			if (ties)
				shuffle(&random, n, gold);
			assert_int_equal(xmc_decode(&ctx, n, s, NULL, order, NULL), XMC_OK);
			places(n, gold, order, place);
			tau = kendall_tau(n, place, scratch);
			sum += tau;
			square += tau * tau;
			acc += (double) xmc_position_matches(n, place) / n;
			acc_expected += 1.0 / n;
			perfect += xmc_position_matches(n, place) == n;
			perfect_expected += xmc_random_perfect_match(n);
			documents++;
		}
	mean = sum / documents;
	error = sqrt((square / documents - mean * mean) / documents);
	print_message("coin flips: %d documents, tau %.4f (standard error %.4f), Acc %.4f (chance %.4f), "
				  "perfect %g (chance %.1f)\n",
				  documents, mean, error, acc / documents, acc_expected / documents, perfect, perfect_expected);
	assert_true(fabs(mean) < 3 * error);
	assert_true(error < 0.003);
	assert_true(fabs(acc - acc_expected) / documents < 0.005);
	assert_true(fabs(perfect - perfect_expected) < 4 * sqrt(perfect_expected));
}

static void
test_coin_flips_score_nothing(void **state)
{
	(void) state;
	assert_coin_flips_score_nothing(false, 1);
}

static void
test_coin_flips_with_ties_score_nothing(void **state)
{
	(void) state;
	assert_coin_flips_score_nothing(true, 1);
}

/* The same renumbering of true and predicted order changes no metric; without ties it changes no decoded order. */
static void
test_relabelling_changes_nothing(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 3);
	for (int32_t r = 0; r < 400; r++)
	{
		int32_t		n = 2 + r % 11;
		float		s[12 * 12];
		float		renamed[12 * 12];
		int32_t		name[12];
		int32_t		gold[12];
		int32_t		gold_renamed[12];
		int32_t		order[12];
		int32_t		order_renamed[12];
		int32_t		place[12];
		int32_t		place_renamed[12];

		for (int32_t i = 0; i < n; i++)
			for (int32_t j = i; j < n; j++)
			{
				s[i * n + j] = i == j ? 0 : (float) xmc_random_normal(&random);
				s[j * n + i] = -s[i * n + j];
			}
		shuffle(&random, n, name);
		shuffle(&random, n, gold);
		for (int32_t i = 0; i < n; i++)
		{
			gold_renamed[i] = name[gold[i]];
			for (int32_t j = 0; j < n; j++)
				renamed[name[i] * n + name[j]] = s[i * n + j];
		}
		assert_int_equal(xmc_decode(&ctx, n, s, NULL, order, NULL), XMC_OK);
		assert_int_equal(xmc_decode(&ctx, n, renamed, NULL, order_renamed, NULL), XMC_OK);
		places(n, gold, order, place);
		places(n, gold_renamed, order_renamed, place_renamed);
		for (int32_t k = 0; k < n; k++)
			assert_int_equal(order_renamed[k], name[order[k]]);
		assert_memory_equal(place, place_renamed, sizeof(int32_t) * n);	/* every metric is a function of place */
	}
}

/* ---- bootstrap ---- */

static void
test_bootstrap_edges(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_interval interval;
	double		nan_only[2] = {NAN, NAN};
	double		with_nan[3] = {1, NAN, 3};
	double		one[1] = {0.25};
	double		zero[2] = {0, 0};

	(void) state;
	assert_int_equal(xmc_bootstrap(&ctx, 0, NULL, NULL, 100, 1, &interval), XMC_OK);
	assert_true(isnan(interval.mean) && isnan(interval.low) && isnan(interval.high));
	assert_int_equal(xmc_bootstrap(&ctx, 2, nan_only, NULL, 100, 1, &interval), XMC_OK);
	assert_true(isnan(interval.mean) && isnan(interval.low) && isnan(interval.high));
	assert_int_equal(xmc_bootstrap(&ctx, 2, zero, zero, 10, 1, &interval), XMC_OK);
	assert_true(isnan(interval.mean));
	assert_int_equal(xmc_bootstrap(&ctx, 3, with_nan, NULL, 1000, 1, &interval), XMC_OK);
	assert_true(interval.mean == 2 && interval.low == 1 && interval.high == 3);
	assert_int_equal(xmc_bootstrap(&ctx, 1, one, NULL, 10, 1, &interval), XMC_OK);
	assert_true(interval.mean == 0.25 && interval.low == 0.25 && interval.high == 0.25);
	assert_int_equal(xmc_bootstrap(&ctx, 1, one, NULL, 0, 1, &interval), XMC_OK);
	assert_true(interval.mean == 0.25 && isnan(interval.low) && isnan(interval.high));
}

/* Finite values have finite means, even if their sum would overflow; and the same means in another unit. */
static void
test_bootstrap_large(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	double		largest[3] = {DBL_MAX, DBL_MAX, DBL_MAX};
	double		opposite[2] = {DBL_MAX, -DBL_MAX};
	double		small[50];
	double		large[50];
	xmc_interval of_small;
	xmc_interval of_large;
	xmc_interval interval;

	(void) state;
	assert_int_equal(xmc_bootstrap(&ctx, 3, largest, NULL, 1000, 1, &interval), XMC_OK);
	assert_true(interval.mean == DBL_MAX && interval.low == DBL_MAX && interval.high == DBL_MAX);
	assert_int_equal(xmc_bootstrap(&ctx, 2, opposite, NULL, 1000, 1, &interval), XMC_OK);
	assert_true(interval.mean == 0 && interval.low == -DBL_MAX && interval.high == DBL_MAX);
	xmc_random_seed(&random, 5);
	for (int k = 0; k < 50; k++)
	{
		small[k] = xmc_random_normal(&random);
		large[k] = ldexp(small[k], 1020);
	}
	assert_int_equal(xmc_bootstrap(&ctx, 50, small, NULL, 1000, 1, &of_small), XMC_OK);
	assert_int_equal(xmc_bootstrap(&ctx, 50, large, NULL, 1000, 1, &of_large), XMC_OK);
	assert_true(of_large.mean == ldexp(of_small.mean, 1020));
	assert_true(of_large.low == ldexp(of_small.low, 1020) && of_large.high == ldexp(of_small.high, 1020));
}

/* Against the normal approximation; a weight of 2 with twice the value is the same ratio. */
static void
test_bootstrap_width(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	xmc_interval interval;
	xmc_interval again;
	xmc_interval other;
	xmc_interval weighted;
	int32_t		n = 2500;
	double		value[2500];
	double		doubled[2500];
	double		weight[2500];
	double		square = 0;
	double		error;
	double		best_ms = INFINITY;

	(void) state;
	xmc_random_seed(&random, 4);
	for (int32_t k = 0; k < n; k++)
	{
		value[k] = 0.3 + xmc_random_normal(&random);
		doubled[k] = 2 * value[k];
		weight[k] = 2;
	}
	for (int32_t r = 0; r < 3; r++)
	{
		clock_t		start = clock();
		double		ms;

		assert_int_equal(xmc_bootstrap(&ctx, n, value, NULL, 1000, 9, &interval), XMC_OK);
		ms = (double) (clock() - start) * 1e3 / CLOCKS_PER_SEC;
		best_ms = ms < best_ms ? ms : best_ms;
	}
	print_message("bootstrap: 2500 documents x 1000 replicates in %.1f ms\n", best_ms);
	for (int32_t k = 0; k < n; k++)
		square += (value[k] - interval.mean) * (value[k] - interval.mean);
	error = sqrt(square / n / n);
	assert_near(interval.low, interval.mean - 1.96 * error, 0.25 * error);
	assert_near(interval.high, interval.mean + 1.96 * error, 0.25 * error);
	assert_int_equal(xmc_bootstrap(&ctx, n, value, NULL, 1000, 9, &again), XMC_OK);
	assert_memory_equal(&again, &interval, sizeof interval);
	assert_int_equal(xmc_bootstrap(&ctx, n, value, NULL, 1000, 10, &other), XMC_OK);
	assert_true(other.low != interval.low);
	assert_int_equal(xmc_bootstrap(&ctx, n, doubled, weight, 1000, 9, &weighted), XMC_OK);
	assert_near(weighted.mean, interval.mean, 1e-12);
	assert_near(weighted.low, interval.low, 1e-12);
	assert_near(weighted.high, interval.high, 1e-12);
}

/* 95% intervals cover the truth in about 95% of repetitions: micro accuracy over documents of unequal length */
static void
test_bootstrap_coverage(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	int32_t		covered = 0;

	(void) state;
	xmc_random_seed(&random, 5);
	for (int32_t r = 0; r < 400; r++)
	{
		double		value[200];
		double		weight[200];
		xmc_interval interval;

		for (int32_t k = 0; k < 200; k++)
		{
			weight[k] = 1 + xmc_random_below(&random, 10);
			value[k] = 0;
			for (int32_t i = 0; i < weight[k]; i++)
				value[k] += xmc_random_uniform(&random) < 0.4;
		}
		assert_int_equal(xmc_bootstrap(&ctx, 200, value, weight, 300, r, &interval), XMC_OK);
		covered += interval.low <= 0.4 && 0.4 <= interval.high;
	}
	print_message("bootstrap: %d of 400 intervals cover the truth\n", covered);
	assert_in_range(covered, 360, 396);
}

/* Intervals over very few documents, where plain percentiles cover the truth in only 80% of repetitions. */
static void
test_bootstrap_of_few(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	int32_t		covered = 0;
	xmc_interval interval;
	double		all_but_one[4] = {-1, -1, -1, 0.5};

	(void) state;
	xmc_random_seed(&random, 6);
	for (int32_t r = 0; r < 1000; r++)
	{
		double		value[6];

		for (int32_t k = 0; k < 6; k++)
			value[k] = xmc_random_normal(&random);
		assert_int_equal(xmc_bootstrap(&ctx, 6, value, NULL, 1000, (uint64_t) r, &interval), XMC_OK);
		covered += interval.low <= 0 && 0 <= interval.high;
	}
	print_message("bootstrap of 6: %d of 1000 intervals cover the truth\n", covered);
	assert_in_range(covered, 915, 985);
	assert_int_equal(xmc_bootstrap(&ctx, 4, all_but_one, NULL, 1000, 1, &interval), XMC_OK);
	assert_true(interval.high > 0);
}

static int
compare_numbers(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/*
 * Groups are drawn with all their documents: against a bootstrap that draws groups by the same random numbers and then adds
 * the documents one by one. The bounds lie between the 1st and the 50th of 2000 sorted replicates, since the interval over
 * few groups is wider than a percentile interval.
 */
static void
test_bootstrap_of_groups(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 11);
	for (int run = 0; run < 100; run++)
	{
		enum
		{
			N = 60, REPLICATES = 2000
		};
		double		value[N];
		double		weight[N];
		int32_t		group[N];
		int32_t		name[N];	/* the groups in the order in which they first occur */
		int32_t		n_groups = 0;
		double		ratio[REPLICATES];
		bool		weighted = run % 2;
		bool		found = false;
		double		sum = 0;
		double		sum_weight = 0;
		xmc_interval interval;
		xmc_random	draw;

		for (int k = 0; k < N; k++)
		{
			bool		known = false;

			group[k] = (int32_t) xmc_random_below(&random, (uint32_t) (5 + run / 2));
			value[k] = xmc_random_below(&random, 9) == 0 ? NAN : xmc_random_normal(&random) + group[k] % 3;
			weight[k] = weighted ? 1 + xmc_random_below(&random, 4) : 1;
			if (isnan(value[k]))
				continue;
			for (int g = 0; g < n_groups; g++)
				known |= name[g] == group[k];
			if (!known)
				name[n_groups++] = group[k];
			sum += value[k];
			sum_weight += weight[k];
		}
		xmc_random_seed(&draw, 3);
		for (int r = 0; r < REPLICATES; r++)
		{
			double		drawn = 0;
			double		drawn_weight = 0;

			for (int g = 0; g < n_groups; g++)
			{
				int32_t		which = name[xmc_random_below(&draw, (uint32_t) n_groups)];

				for (int k = 0; k < N; k++)
					if (group[k] == which && !isnan(value[k]))
					{
						drawn += value[k];
						drawn_weight += weight[k];
					}
			}
			ratio[r] = drawn / drawn_weight;
		}
		qsort(ratio, REPLICATES, sizeof(double), compare_numbers);
		assert_int_equal(xmc_bootstrap_groups(&ctx, N, value, weighted ? weight : NULL, group, REPLICATES, 3, &interval),
						 XMC_OK);
		assert_near(interval.mean, sum / sum_weight, 1e-12);
		/* each bound lies between two neighbours among the replicates, equally far from both ends */
		for (int r = 0; r < 50 && !found; r++)
			found = ratio[r] - 1e-9 <= interval.low && interval.low <= ratio[r + 1] + 1e-9 &&
				ratio[REPLICATES - 2 - r] - 1e-9 <= interval.high && interval.high <= ratio[REPLICATES - 1 - r] + 1e-9;
		assert_true(found);
	}
}

/* Where each document is its own group, intervals are the same to the bit; over groups of copies they are wider. */
static void
test_bootstrap_of_own_groups(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	double		value[200];
	double		weight[200];
	int32_t		own[200];
	int32_t		shared[200];
	xmc_interval by_document;
	xmc_interval by_group;

	(void) state;
	xmc_random_seed(&random, 12);
	for (int k = 0; k < 200; k++)
	{
		value[k] = k % 10 == 0 ? xmc_random_normal(&random) : value[k - 1];
		weight[k] = 1 + k % 3;
		own[k] = 199 - k;
		shared[k] = k / 10;
	}
	value[7] = NAN;
	for (int w = 0; w < 2; w++)
	{
		assert_int_equal(xmc_bootstrap(&ctx, 200, value, w ? weight : NULL, 1000, 1, &by_document), XMC_OK);
		assert_int_equal(xmc_bootstrap_groups(&ctx, 200, value, w ? weight : NULL, own, 1000, 1, &by_group), XMC_OK);
		assert_memory_equal(&by_document, &by_group, sizeof by_group);
		assert_int_equal(xmc_bootstrap_groups(&ctx, 200, value, w ? weight : NULL, shared, 1000, 1, &by_group), XMC_OK);
		assert_near(by_group.mean, by_document.mean, 1e-12);
		assert_true(by_group.high - by_group.low > 2.5 * (by_document.high - by_document.low));
	}
}

static bool
stop_at_once(void *arg)
{
	(void) arg;
	return true;
}

static void *
no_memory(void *arg, size_t size)
{
	(void) arg;
	(void) size;
	return NULL;
}

static void
test_bootstrap_errors(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	double		value[2] = {0, 1};
	xmc_interval interval;

	(void) state;
	ctx.stop = stop_at_once;
	assert_int_equal(xmc_bootstrap(&ctx, 2, value, NULL, 10000000, 1, &interval), XMC_STOPPED);
	ctx.stop = NULL;
	ctx.alloc = no_memory;
	assert_int_equal(xmc_bootstrap(&ctx, 2, value, NULL, 10, 1, &interval), XMC_NO_MEMORY);
}

/* In the evaluation of models ties are broken at random, not by number; without ties nothing changes. */
static void
test_shuffled_ties(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	double		sum = 0;
	int			documents = 3000;

	(void) state;
	xmc_random_seed(&random, 3);
	for (int d = 0; d < documents; d++)
	{
		float		s[36] = {0};
		int32_t		order[6];
		int32_t		plain[6];
		int32_t		scratch[6];

		assert_int_equal(xmc_decode_shuffled(&ctx, 6, s, NULL, (uint64_t) d, order), XMC_OK);
		sum += kendall_tau(6, order, scratch);
		for (int32_t i = 0; i < 6; i++)
			for (int32_t j = i + 1; j < 6; j++)
			{
				s[i * 6 + j] = (float) xmc_random_normal(&random);
				s[j * 6 + i] = -s[i * 6 + j];
			}
		assert_int_equal(xmc_decode(&ctx, 6, s, NULL, plain, NULL), XMC_OK);
		assert_int_equal(xmc_decode_shuffled(&ctx, 6, s, NULL, (uint64_t) d, order), XMC_OK);
		assert_memory_equal(order, plain, sizeof plain);
	}
	/* tau of a random order of 6 has standard deviation sqrt(2 (2n + 5) / (9 n (n - 1))) = 0.355 */
	assert_true(fabs(sum / documents) < 4 * 0.355 / sqrt(documents));
}

/* Without equal positions: matches and tau as the other functions give them, and the baselines of n! orders. */
static void
test_order_without_ties(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 9);
	for (int32_t n = 1; n <= 40; n++)
	{
		int32_t		place[40];
		int32_t		scratch[40];
		double		position[40];
		xmc_order_quality quality;
		double		tau;

		for (int32_t k = 0; k < n; k++)
		{
			int32_t		j = (int32_t) xmc_random_below(&random, (uint32_t) k + 1);

			place[k] = place[j];
			place[j] = k;
		}
		for (int32_t k = 0; k < n; k++)
			position[k] = 10.5 * place[k] - 3;
		tau = kendall_tau(n, place, scratch);
		assert_int_equal(xmc_measure_order(&ctx, n, position, NULL, &quality), XMC_OK);
		assert_int_equal(quality.matches, xmc_position_matches(n, place));
		assert_true(isnan(tau) ? isnan(quality.tau) : fabs(quality.tau - tau) < 1e-12);
		assert_true(quality.random_matches == 1);
		assert_true(quality.random_perfect == xmc_random_perfect_match(n));
	}
}

/* Items that share a position share their places; the baselines against all 24 orders of four items. */
static void
test_order_with_ties(void **state)
{
	static const double all_equal[3] = {2, 2, 2};
	static const double stored[4] = {1, 2, 2, 3};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_order_quality quality;
	int32_t		orders = 0;
	int32_t		perfect = 0;
	int32_t		matches = 0;

	(void) state;
	assert_int_equal(xmc_measure_order(&ctx, 3, all_equal, NULL, &quality), XMC_OK);
	assert_true(quality.matches == 3 && isnan(quality.tau) && quality.random_matches == 3);
	assert_true(fabs(quality.random_perfect - 1) < 1e-12);

	for (int32_t code = 0; code < 256; code++)
	{
		int32_t		item[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
		double		position[4];
		int32_t		wrong = 0;

		if ((1 << item[0] | 1 << item[1] | 1 << item[2] | 1 << item[3]) != 15)
			continue;
		for (int32_t k = 0; k < 4; k++)
			position[k] = stored[item[k]];
		for (int32_t a = 0; a < 4; a++)
			for (int32_t b = a + 1; b < 4; b++)
				wrong += position[a] > position[b];
		assert_int_equal(xmc_measure_order(&ctx, 4, position, NULL, &quality), XMC_OK);
		assert_true(fabs(quality.tau - (1 - 2.0 * wrong / 5)) < 1e-12);	/* five of the six pairs have an order */
		assert_int_equal(quality.matches == 4, wrong == 0);
		orders++;
		perfect += quality.matches == 4;
		matches += quality.matches;
	}
	assert_int_equal(orders, 24);
	assert_true(fabs(quality.random_perfect - (double) perfect / orders) < 1e-12);
	assert_true(fabs(quality.random_matches - (double) matches / orders) < 1e-12);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shuffled_ties),
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_tau_equals_pairs),
		cmocka_unit_test(test_tau_large),
		cmocka_unit_test(test_random_baselines),
		cmocka_unit_test(test_order_without_ties),
		cmocka_unit_test(test_order_with_ties),
		cmocka_unit_test(test_coin_flips_score_nothing),
		cmocka_unit_test(test_coin_flips_with_ties_score_nothing),
		cmocka_unit_test(test_relabelling_changes_nothing),
		cmocka_unit_test(test_bootstrap_edges),
		cmocka_unit_test(test_bootstrap_large),
		cmocka_unit_test(test_bootstrap_width),
		cmocka_unit_test(test_bootstrap_coverage),
		cmocka_unit_test(test_bootstrap_of_few),
		cmocka_unit_test(test_bootstrap_of_groups),
		cmocka_unit_test(test_bootstrap_of_own_groups),
		cmocka_unit_test(test_bootstrap_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
