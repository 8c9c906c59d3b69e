/* test_check.c - what is wrong with a stored order: against the definitions, by brute force; thresholds; failures */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "permutations.h"
#include "xmcoh/check.h"
#include "xmcoh/order.h"
#include "xmcoh/random.h"

#include <math.h>

#define MOST 9

static void
random_scores(xmc_random *random, int32_t n, const int32_t *truth, float *s)
{
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = i; j < n; j++)
		{
			s[i * n + j] = i == j ? 0 : (float) (2 * xmc_random_normal(random) + (truth[i] < truth[j] ? 2 : -2));
			s[j * n + i] = -s[i * n + j];
		}
}

/* The probability that i stands before j, by the definition. */
static double
p_of(int32_t n, const float *s, const uint8_t *decided, int32_t i, int32_t j)
{
	switch (decided[i * n + j])
	{
		case XMC_DECIDED_BEFORE:
			return 1;
		case XMC_DECIDED_AFTER:
			return 0;
		case XMC_DECIDED_EITHER:
			return 0.5;
		default:
			return 1 / (1 + exp(-(double) s[i * n + j]));
	}
}

/* The mean of 2p - 1 over pairs with two positions, in the order by `place`. */
static double
coherence_of(int32_t n, const float *s, const uint8_t *decided, const double *position, const int32_t *place)
{
	double		sum = 0;
	int			pairs = 0;

	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
			if (position[i] < position[j])
			{
				double		p = p_of(n, s, decided, i, j);

				pairs++;
				sum += decided[i * n + j] == XMC_DECIDED_EITHER ? 1 : place[i] < place[j] ? 2 * p - 1 : 1 - 2 * p;
			}
	return sum / pairs;
}

/* The most items that keep their order, by trying all sets. */
static int32_t
most_kept(int32_t n, const double *position, const int32_t *place)
{
	int32_t		most = 0;

	for (uint32_t set = 1; set < 1u << n; set++)
	{
		bool		agrees = true;

		for (int32_t i = 0; i < n; i++)
			for (int32_t j = 0; j < n; j++)
				if (set >> i & set >> j & 1 && position[i] < position[j] && place[i] > place[j])
					agrees = false;
		if (agrees && __builtin_popcount(set) > most)
			most = __builtin_popcount(set);
	}
	return most;
}

/* A random document, its check, and its recovered order by place. */
typedef struct example
{
	int32_t		n;
	double		threshold;
	float		s[MOST * MOST];
	uint8_t		decided[MOST * MOST];
	int32_t		stored[MOST];
	double		position[MOST];
	int32_t		place[MOST];
	xmc_check	check;
} example;

static void
make_example(xmc_ctx *ctx, xmc_random *random, int32_t r, example *e)
{
	int32_t		truth[MOST];
	int32_t		item[MOST];
	int32_t		order[MOST];
	int32_t		n = 2 + r % (MOST - 1);

	*e = (example) {.n = n,.threshold = 0.5 + r % 4};
	shuffle(random, n, truth);
	shuffle(random, n, e->stored);
	random_scores(random, n, truth, e->s);
	/* some items side by side: every other document has two items at position 0 */
	for (int32_t i = 0; i < n; i++)
	{
		e->position[i] = r % 2 && e->stored[i] == 1 ? 0 : e->stored[i];
		item[i] = i;
	}
	if (r % 3 == 0)
		xmc_decide(n, e->decided, 0, 1, r % 2 ? XMC_DECIDED_BEFORE : XMC_DECIDED_EITHER);
	assert_int_equal(xmc_check_order(ctx, n, e->s, e->decided, e->position, e->threshold, &e->check), XMC_OK);
	assert_int_equal(xmc_order_items(ctx, n, e->s, e->decided, NULL, n, item, order), XMC_OK);
	for (int32_t k = 0; k < n; k++)
		e->place[order[k]] = k;
}

static void
assert_pairs(const example *e)
{
	const xmc_check *check = &e->check;
	int32_t		n = e->n;
	int64_t		violated = 0;
	int64_t		confident = 0;
	int64_t		pairs = 0;
	double		worst = 0;

	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
			if (e->position[i] < e->position[j])
			{
				bool		is_decided = e->decided[i * n + j] != XMC_UNDECIDED;
				bool		is_confident = is_decided || fabs((double) e->s[i * n + j]) >= e->threshold;
				double		p = p_of(n, e->s, e->decided, i, j);

				pairs++;
				confident += is_confident;
				violated += is_confident && p < 0.5;
				if (is_confident && p < 0.5)
					worst = fmax(worst, 1 - p);
			}
	assert_int_equal(check->items, n);
	assert_int_equal(check->pairs, pairs);
	assert_int_equal(check->confident_pairs, confident);
	assert_int_equal(check->violated_pairs, violated);
	if (violated > 0)
	{
		assert_int_equal(check->verdict, XMC_VERDICT_SUSPECT);
		assert_true(e->position[check->worst_after] < e->position[check->worst_before]);
		assert_near(check->worst_probability, worst, 1e-12);
		assert_near(p_of(n, e->s, e->decided, check->worst_before, check->worst_after), worst, 1e-12);
	}
	else
	{
		assert_true(isnan(check->worst_probability) && check->worst_before == -1 && check->worst_after == -1);
		assert_int_equal(check->verdict, pairs > 0 && 2 * confident >= pairs ? XMC_VERDICT_OK : XMC_VERDICT_UNSURE);
	}
}

static void
assert_coherence(const example *e)
{
	double		stored;
	double		best;

	if (e->check.pairs == 0)
	{
		assert_true(isnan(e->check.coherence) && isnan(e->check.gain));
		return;
	}
	stored = coherence_of(e->n, e->s, e->decided, e->position, e->stored);
	best = fmax(coherence_of(e->n, e->s, e->decided, e->position, e->place), stored);
	assert_near(e->check.coherence, stored, 1e-12);
	assert_near(e->check.best_coherence, best, 1e-12);
	assert_near(e->check.gain, best - stored, 1e-12);
}

static bool
is_moved(const xmc_check *check, int32_t item)
{
	for (int32_t k = 0; k < check->n_moves; k++)
		if (check->move[k].item == item)
			return true;
	return false;
}

/* The moves are as few as possible, and the items that stay are in order. */
static void
assert_moves(const example *e)
{
	const xmc_check *check = &e->check;
	int32_t		n = e->n;

	assert_int_equal(check->n_moves, n - most_kept(n, e->position, e->place));
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
			if (e->position[i] < e->position[j] && !is_moved(check, i) && !is_moved(check, j))
				assert_true(e->place[i] < e->place[j]);
	for (int32_t k = 0; k < check->n_moves; k++)
	{
		const xmc_move *move = &check->move[k];
		int32_t		i = move->item;
		double		surest = 0;

		assert_int_equal(move->to, e->place[i] + 1);
		assert_in_range(move->from, 1, n);
		assert_true(k == 0 || check->move[k - 1].from < move->from);
		for (int32_t j = 0; j < n; j++)
			if (e->position[j] != e->position[i] &&
				(e->position[j] < e->position[i]) != (e->place[j] < e->place[i]))
				surest = fmax(surest, e->position[j] < e->position[i] ? p_of(n, e->s, e->decided, i, j)
							  : p_of(n, e->s, e->decided, j, i));
		assert_near(move->probability, surest, 1e-12);
	}
}

static void
test_against_definitions(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_random	random;
	int32_t		suspects = 0;

	(void) state;
	xmc_random_seed(&random, 1);
	for (int32_t r = 0; r < 500; r++)
	{
		example		e;

		make_example(&ctx, &random, r, &e);
		assert_pairs(&e);
		assert_coherence(&e);
		assert_moves(&e);
		suspects += e.check.verdict == XMC_VERDICT_SUSPECT;
		xmc_release(&ctx, e.check.move);
	}
	assert_in_range(suspects, 100, 450);
	assert_int_equal(counts.live, 0);
}

/* Two of five steps are swapped: one pair is violated, one item moves. */
static void
test_one_swap(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		s[25];
	double		position[5] = {10, 30, 20, 40, NAN};
	xmc_check	check;

	(void) state;
	for (int32_t i = 0; i < 5; i++)
		for (int32_t j = 0; j < 5; j++)
			s[i * 5 + j] = i == j ? 0 : i < j ? 3 : -3;
	assert_int_equal(xmc_check_order(&ctx, 5, s, NULL, position, 2, &check), XMC_OK);
	assert_int_equal(check.items, 4);
	assert_int_equal(check.pairs, 6);
	assert_int_equal(check.violated_pairs, 1);
	assert_int_equal(check.worst_before, 1);
	assert_int_equal(check.worst_after, 2);
	assert_near(check.gain, 2 * (2 * xmc_probability(3) - 1) / 6, 1e-12);
	assert_int_equal(check.n_moves, 1);
	assert_true(check.move[0].from == 3 && check.move[0].item == 1 && check.move[0].to == 2);
	xmc_release(&ctx, check.move);
	/* at a level that no score reaches, nothing is confident */
	assert_int_equal(xmc_check_order(&ctx, 5, s, NULL, position, INFINITY, &check), XMC_OK);
	assert_int_equal(check.verdict, XMC_VERDICT_UNSURE);
	assert_int_equal(check.confident_pairs, 0);
	assert_int_equal(check.n_moves, 1);
	xmc_release(&ctx, check.move);
}

static void
test_nothing_to_check(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	float		s[4] = {0, 1, -1, 0};
	double		position[2] = {NAN, 1};
	xmc_check	check;

	(void) state;
	for (int32_t n = 0; n <= 2; n++)
	{
		assert_int_equal(xmc_check_order(&ctx, n, s, NULL, position, 1, &check), XMC_OK);
		assert_int_equal(check.items, n == 2 ? 1 : 0);
		assert_true(isnan(check.coherence) && isnan(check.best_coherence) && isnan(check.gain));
		assert_int_equal(check.verdict, XMC_VERDICT_UNSURE);
		assert_int_equal(check.n_moves, 0);
		assert_null(check.move);
	}
}

static void
add_level(xmc_model *model, xmc_score_kind kind, double level, double groups, double mistaken)
{
	float	   *row = model->reliability.row[model->reliability.n++];

	row[XMC_RELIABILITY_KIND] = (float) kind;
	row[XMC_RELIABILITY_LEVEL] = (float) level;
	row[XMC_RELIABILITY_GROUPS] = (float) groups;
	row[XMC_RELIABILITY_MISTAKEN] = (float) mistaken;
}

static void
test_threshold(void **state)
{
	static xmc_model model;

	(void) state;
	assert_false(xmc_has_reliability(&model));
	assert_near(xmc_check_threshold(&model, XMC_SCORE_FUSED, 0.9), log(9), 1e-9);
	/* 99 groups: 5 % of 100 are 5, of which the new document is one */
	add_level(&model, XMC_SCORE_FUSED, 2, 99, 30);
	add_level(&model, XMC_SCORE_FUSED, 4, 99, 9);
	add_level(&model, XMC_SCORE_FUSED, 5, 99, 4.5);
	add_level(&model, XMC_SCORE_FUSED, 6, 99, 4);
	add_level(&model, XMC_SCORE_FUSED, 7, 99, 0);
	add_level(&model, XMC_SCORE_TEXT, 3, 5, 0);
	assert_true(xmc_has_reliability(&model));
	assert_near(xmc_check_threshold(&model, XMC_SCORE_FUSED, 0.9), 4, 0);
	assert_near(xmc_check_threshold(&model, XMC_SCORE_FUSED, 0.95), 6, 0);
	assert_near(xmc_check_threshold(&model, XMC_SCORE_FUSED, 0.99), 7, 0);
	assert_true(isinf(xmc_check_threshold(&model, XMC_SCORE_FUSED, 0.995)));
	/* five groups cannot show 95 %, and another kind has no row */
	assert_near(xmc_check_threshold(&model, XMC_SCORE_TEXT, 0.8), 3, 0);
	assert_true(isinf(xmc_check_threshold(&model, XMC_SCORE_TEXT, 0.95)));
	assert_true(isinf(xmc_check_threshold(&model, XMC_SCORE_IMAGE, 0.5)));
	/* never below the precision itself */
	add_level(&model, XMC_SCORE_IMAGE, 0, 1000, 0);
	assert_near(xmc_check_threshold(&model, XMC_SCORE_IMAGE, 0.9), log(9), 1e-9);
}

static void
test_no_memory_leaves_nothing(void **state)
{
	float		s[25];
	double		position[5] = {5, 4, 3, 2, 1};
	uint8_t		decided[25] = {0};
	xmc_status	status = XMC_NO_MEMORY;
	long		failures = 0;

	(void) state;
	for (int32_t i = 0; i < 5; i++)
		for (int32_t j = 0; j < 5; j++)
			s[i * 5 + j] = i == j ? 0 : i < j ? 3 : -3;
	while (status != XMC_OK)
	{
		counting	counts;
		xmc_ctx		ctx = counting_ctx(&counts);
		xmc_check	check;

		counts.fail_at = ++failures;
		status = xmc_check_order(&ctx, 5, s, decided, position, 1, &check);
		assert_true(status == XMC_OK || status == XMC_NO_MEMORY);
		xmc_release(&ctx, check.move);
		assert_int_equal(counts.live, 0);
	}
	assert_int_equal(failures, 6);	/* five allocations */
}

/* The list has the pairs that the check counts, the worst first, and each is a violated one by the definition. */
static void
test_list_of_violated(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 11);
	for (int round = 0; round < 300; round++)
	{
		int32_t		n = 1 + (int32_t) xmc_random_below(&random, MOST);
		float		s[MOST * MOST];
		uint8_t		decided[MOST * MOST] = {0};
		double		position[MOST];
		int32_t		truth[MOST];
		xmc_violated_pair pair[MOST * MOST];
		xmc_violated_pair few[2];
		int64_t		violated;
		int64_t		again;
		xmc_check	check;

		for (int32_t i = 0; i < n; i++)
		{
			truth[i] = i;
			position[i] = xmc_random_below(&random, 6) == 0 ? NAN : (double) xmc_random_below(&random, 6);
		}
		random_scores(&random, n, truth, s);
		for (int32_t i = 0; i + 1 < n; i++)
			if (xmc_random_below(&random, 3) == 0)
				xmc_decide(n, decided, i, i + 1, xmc_random_below(&random, 2) ? XMC_DECIDED_BEFORE : XMC_DECIDED_EITHER);
		assert_int_equal(xmc_decided_close(&ctx, n, decided), XMC_OK);
		assert_int_equal(xmc_check_order(&ctx, n, s, decided, position, 1.5, &check), XMC_OK);
		assert_int_equal(xmc_list_violated(&ctx, n, s, decided, position, 1.5, MOST * MOST, pair, &violated), XMC_OK);
		assert_int_equal(violated, check.violated_pairs);
		for (int64_t k = 0; k < violated; k++)
		{
			int32_t		i = pair[k].before;
			int32_t		j = pair[k].after;

			assert_true(position[i] > position[j]);
			assert_near(pair[k].probability, p_of(n, s, decided, i, j), 1e-9);
			assert_true(pair[k].probability > 0.5 && decided[i * n + j] != XMC_DECIDED_EITHER);
			assert_true(decided[i * n + j] == XMC_DECIDED_BEFORE || s[i * n + j] >= 1.5f);
			assert_true(k == 0 || pair[k - 1].probability >= pair[k].probability);
		}
		assert_int_equal(violated > 0 ? pair[0].before : -1, check.worst_before);
		assert_int_equal(violated > 0 ? pair[0].after : -1, check.worst_after);
		/* a shorter list is the beginning of the whole one */
		assert_int_equal(xmc_list_violated(&ctx, n, s, decided, position, 1.5, 2, few, &again), XMC_OK);
		assert_int_equal(again, violated);
		for (int64_t k = 0; k < violated && k < 2; k++)
			assert_true(few[k].before == pair[k].before && few[k].after == pair[k].after);
		xmc_release(&ctx, check.move);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_definitions),
		cmocka_unit_test(test_one_swap),
		cmocka_unit_test(test_nothing_to_check),
		cmocka_unit_test(test_threshold),
		cmocka_unit_test(test_no_memory_leaves_nothing),
		cmocka_unit_test(test_list_of_violated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
