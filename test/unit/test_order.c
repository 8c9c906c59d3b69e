/* From scores to an order: which items take part, how ties fall, what labels decide; coherence; tau against labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "counting.h"
#include "numeric/decode.h"
#include "xmcoh/decided.h"
#include "xmcoh/order.h"

#define N 5

static uint8_t has[N] = {XMC_HAS_WORDS, XMC_HAS_IMAGE, XMC_HAS_WORDS | XMC_HAS_IMAGE, 0, XMC_HAS_TEXT_EMBEDDING};

/* Scores by which item places[0] stands first, places[1] second, and so on; `by` log-odds a pair. */
static void
fill_scores(float *s, const int *places, float by)
{
	for (int a = 0; a < N; a++)
		for (int b = 0; b < N; b++)
			s[places[a] * N + places[b]] = a == b ? 0 : a < b ? by : -by;
}

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_document document;
	float		s[XMC_SCORE_KINDS][N * N];
	xmc_scores	scores;
} fixture;

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);

	f->ctx = counting_ctx(&f->counts);
	f->document = (xmc_document) {.n = N,.has = has};
	f->scores.n = N;
	for (int e = 0; e < XMC_SCORE_KINDS; e++)
		f->scores.score[e] = f->s[e];
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	assert_int_equal(f->counts.live, 0);
	test_free(f);
	return 0;
}

static void
check_order(fixture *f, xmc_score_kind kind, const uint64_t *tie_seed, int32_t n, const int32_t *want)
{
	int32_t		order[N];
	int32_t		m;

	assert_int_equal(xmc_recover_order(&f->ctx, &f->document, &f->scores, kind, NULL, tie_seed, order, &m), XMC_OK);
	assert_int_equal(m, n);
	assert_memory_equal(order, want, sizeof(int32_t) * (size_t) n);
}

/* A kind of score orders the items that hold its modality; the fused one orders all. */
static void
test_items(void **state)
{
	fixture    *f = *state;
	static const int places[N] = {4, 3, 2, 1, 0};

	for (int e = 0; e < XMC_SCORE_KINDS; e++)
		fill_scores(f->s[e], places, 1);
	check_order(f, XMC_SCORE_TEXT, NULL, 3, (int32_t[]) {4, 2, 0});
	check_order(f, XMC_SCORE_TEXT_GUIDED, NULL, 3, (int32_t[]) {4, 2, 0});
	check_order(f, XMC_SCORE_IMAGE, NULL, 2, (int32_t[]) {2, 1});
	check_order(f, XMC_SCORE_IMAGE_GUIDED, NULL, 2, (int32_t[]) {2, 1});
	check_order(f, XMC_SCORE_FUSED, NULL, N, (int32_t[]) {4, 3, 2, 1, 0});
}

/* Ties go to the smaller number, or fall as xmc_decode_shuffled lets them fall. */
static void
test_ties(void **state)
{
	fixture    *f = *state;
	bool		differs = false;

	check_order(f, XMC_SCORE_FUSED, NULL, N, (int32_t[]) {0, 1, 2, 3, 4});
	for (uint64_t seed = 0; seed < 20; seed++)
	{
		int32_t		shuffled[N];

		assert_int_equal(xmc_decode_shuffled(&f->ctx, N, f->s[XMC_SCORE_FUSED], NULL, seed, shuffled), XMC_OK);
		check_order(f, XMC_SCORE_FUSED, &seed, N, shuffled);
		differs |= shuffled[0] != 0;
	}
	assert_true(differs);
}

/* Labels decide the fused order of their items, within the places that these have together, and no other order. */
static void
test_labels(void **state)
{
	fixture    *f = *state;
	static const int places[N] = {4, 3, 2, 1, 0};
	xmc_pair	pair[] = {{0, 2, 1}, {2, 4, 1}, {0, 4, 1}};

	for (int e = 0; e < XMC_SCORE_KINDS; e++)
		fill_scores(f->s[e], places, 1);
	f->document.pair = pair;
	f->document.n_pairs = 3;
	check_order(f, XMC_SCORE_FUSED, NULL, N, (int32_t[]) {0, 3, 2, 1, 4});
	check_order(f, XMC_SCORE_FUSED, &(uint64_t) {7}, N, (int32_t[]) {0, 3, 2, 1, 4});
	check_order(f, XMC_SCORE_TEXT, NULL, 3, (int32_t[]) {4, 2, 0});
}

static void
test_empty(void **state)
{
	fixture    *f = *state;
	int32_t		m = -1;
	int32_t		order;

	f->document.n = 0;
	for (int e = 0; e < XMC_SCORE_KINDS; e++)
	{
		assert_int_equal(xmc_recover_order(&f->ctx, &f->document, &f->scores, (xmc_score_kind) e, NULL, NULL, &order, &m), XMC_OK);
		assert_int_equal(m, 0);
	}
}

/* Coherence is the mean of 2p - 1 over the pairs of the given order. */
static void
test_coherence(void **state)
{
	fixture    *f = *state;
	static const int places[N] = {0, 1, 2, 3, 4};
	double		coherence;
	double		each = 2 / (1 + exp(-0.5)) - 1;

	fill_scores(f->s[0], places, 0.5f);
	assert_int_equal(xmc_coherence(&f->ctx, N, f->s[0], N, (int32_t[]) {0, 1, 2, 3, 4}, &coherence), XMC_OK);
	assert_float_equal(coherence, each, 1e-6);
	assert_int_equal(xmc_coherence(&f->ctx, N, f->s[0], 3, (int32_t[]) {4, 2, 0}, &coherence), XMC_OK);
	assert_float_equal(coherence, -each, 1e-6);
	assert_int_equal(xmc_coherence(&f->ctx, N, f->s[0], 1, (int32_t[]) {4}, &coherence), XMC_OK);
	assert_true(isnan(coherence));
	assert_float_equal(xmc_probability(0.5), 1 / (1 + exp(-0.5)), 1e-6);
}

/* The probability of all neighbours; a decided pair is certain. */
static void
test_confidence(void **state)
{
	fixture    *f = *state;
	static const int places[N] = {0, 1, 2, 3, 4};
	uint8_t		decided[N * N] = {0};
	double		p = 1 / (1 + exp(-0.5));

	fill_scores(f->s[0], places, 0.5f);
	assert_float_equal(xmc_order_confidence(N, f->s[0], NULL, N, (int32_t[]) {0, 1, 2, 3, 4}), 4 * log(p), 1e-6);
	assert_float_equal(xmc_order_confidence(N, f->s[0], NULL, 3, (int32_t[]) {2, 4, 0}), log(p) + log(1 - p), 1e-6);
	xmc_decide(N, decided, 4, 0, XMC_DECIDED_BEFORE);
	assert_float_equal(xmc_order_confidence(N, f->s[0], decided, 3, (int32_t[]) {2, 4, 0}), log(p), 1e-6);
	assert_true(xmc_order_confidence(N, f->s[0], NULL, 1, (int32_t[]) {3}) == 0);
}

/* tau counts labelled pairs alone. */
static void
test_tau(void **state)
{
	fixture    *f = *state;
	static const int places[N] = {0, 1, 2, 3, 4};
	xmc_pair	pair[] = {{0, 1, 1}, {1, 3, 1}, {4, 2, 1}, {0, 4, 1}};
	double		tau;

	fill_scores(f->s[0], places, 1);
	f->document.pair = pair;
	f->document.n_pairs = 4;
	assert_int_equal(xmc_decoded_tau(&f->ctx, &f->document, f->s[0], 1, &tau), XMC_OK);
	assert_float_equal(tau, 0.5, 1e-12);
}

/* Without memory every function says so and gives back what it had. */
static void
test_no_memory(void **state)
{
	fixture    *f = *state;
	int32_t		order[N];
	int32_t		m;
	xmc_status	status = XMC_NO_MEMORY;

	for (long fail_at = 1; fail_at < 20 && status != XMC_OK; fail_at++)
	{
		f->counts.calls = 0;
		f->counts.fail_at = fail_at;
		status = xmc_recover_order(&f->ctx, &f->document, &f->scores, XMC_SCORE_FUSED, NULL, NULL, order, &m);
		assert_true(status == XMC_OK || status == XMC_NO_MEMORY);
		assert_int_equal(f->counts.live, 0);
	}
	assert_int_equal(status, XMC_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_items, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ties, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_labels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_coherence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_confidence, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tau, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
