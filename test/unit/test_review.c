/* test_review.c - which pairs of a document are asked: values, reasons, what follows from others, ties; failures */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "permutations.h"
#include "xmcoh/review.h"

#define MOST 9
#define PAIRS (MOST * (MOST - 1) / 2)

/* A random document, closed decisions and positions included. */
typedef struct example
{
	xmc_review_document document;
	float		fused[MOST * MOST];
	float		text[MOST * MOST];
	float		image[MOST * MOST];
	uint8_t		decided[MOST * MOST];
	uint8_t		flag[MOST * MOST];
	double		position[MOST];
} example;

static void
set_score(int32_t n, float *s, int32_t i, int32_t j, double value)
{
	s[i * n + j] = (float) value;
	s[j * n + i] = (float) -value;
}

static void
begin(example *e, int32_t n)
{
	*e = (example) {.document = {.n = n,.fused = e->fused,.text = e->text,.image = e->image,.decided = e->decided,
		.position = e->position,.flag = e->flag,.threshold = 1.5}};
	for (int32_t i = 0; i < n; i++)
		e->position[i] = i;
}

static void
make_random(xmc_ctx *ctx, xmc_random *random, int32_t r, example *e)
{
	int32_t		n = 2 + r % (MOST - 1);
	int32_t		stored[MOST];
	int32_t		truth[MOST];

	begin(e, n);
	shuffle(random, n, stored);
	shuffle(random, n, truth);
	for (int32_t i = 0; i < n; i++)
	{
		e->position[i] = r % 5 == 0 && stored[i] == 0 ? NAN : r % 3 == 0 ? stored[i] / 2 : stored[i];
		for (int32_t j = i + 1; j < n; j++)
		{
			set_score(n, e->fused, i, j, 2 * xmc_random_normal(random));
			set_score(n, e->text, i, j, xmc_random_normal(random));
			set_score(n, e->image, i, j, xmc_random_normal(random));
			e->flag[i * n + j] = (uint8_t) (xmc_random_below(random, 8) == 0 ? 1 + xmc_random_below(random, 2) : 0);
			if (xmc_random_below(random, 6) == 0)
				xmc_decide(n, e->decided, i, j, xmc_random_below(random, 5) == 0 ? XMC_DECIDED_EITHER
						   : truth[i] < truth[j] ? XMC_DECIDED_BEFORE : XMC_DECIDED_AFTER);
		}
	}
	assert_int_equal(xmc_decided_close(ctx, n, e->decided), XMC_OK);
}

/* Every list obeys its contract, against the definitions. */
static void
test_contract(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	example		e;

	(void) state;
	xmc_random_seed(&random, 1);
	for (int32_t r = 0; r < 2000; r++)
		for (xmc_review_strategy strategy = XMC_REVIEW_LEARN; strategy <= XMC_REVIEW_CORRECT; strategy++)
		{
			uint8_t		known[MOST * MOST];
			xmc_review_pair pair[PAIRS];
			xmc_review_pair some[PAIRS];
			int32_t		n;
			int32_t		n_some;

			make_random(&ctx, &random, r, &e);
			memcpy(known, e.decided, sizeof known);
			assert_int_equal(xmc_review_pairs(&ctx, &e.document, strategy, PAIRS, pair, &n), XMC_OK);
			/* a shorter list is the beginning of the longer one */
			assert_int_equal(xmc_review_pairs(&ctx, &e.document, strategy, 2, some, &n_some), XMC_OK);
			assert_int_equal(n_some, n < 2 ? n : 2);
			assert_memory_equal(some, pair, sizeof(xmc_review_pair) * (size_t) n_some);
			for (int32_t k = 0; k < n; k++)
			{
				int32_t		at = pair[k].before * e.document.n + pair[k].after;
				double		s = e.fused[at];
				double		a = e.position[pair[k].before];
				double		b = e.position[pair[k].after];
				bool		turned = b < a && s < e.document.threshold;	/* the likely answer is the stored order */

				assert_int_equal(known[at], XMC_UNDECIDED);
				assert_true(s >= 0);
				assert_near(pair[k].probability, 1 / (1 + exp(-s)), 1e-12);
				assert_true(k == 0 || pair[k].value <= pair[k - 1].value);
				assert_true(strategy == XMC_REVIEW_LEARN || a < b || b < a);
				/* the likely answer and what follows */
				xmc_decide(e.document.n, known, pair[k].before, pair[k].after, turned ? XMC_DECIDED_AFTER
						   : XMC_DECIDED_BEFORE);
				assert_int_equal(xmc_decided_close(&ctx, e.document.n, known), XMC_OK);
			}
			/* nothing is left out that does not follow */
			for (int32_t i = 0; i < e.document.n; i++)
				for (int32_t j = 0; j < e.document.n; j++)
					if (i != j && (strategy == XMC_REVIEW_LEARN || e.position[i] < e.position[j]))
						assert_int_not_equal(known[i * e.document.n + j], XMC_UNDECIDED);
		}
}

static void
ask(const example *e, xmc_review_strategy strategy, xmc_review_pair *pair, int32_t *n)
{
	xmc_ctx		ctx = xmc_ctx_malloc();

	assert_int_equal(xmc_review_pairs(&ctx, &e->document, strategy, PAIRS, pair, n), XMC_OK);
}

static void
assert_pair(const xmc_review_pair *pair, int32_t before, int32_t after, xmc_review_reason reason)
{
	assert_int_equal(pair->before, before);
	assert_int_equal(pair->after, after);
	assert_int_equal(pair->reason, reason);
}

/* What is probably wrong comes first; a pair that a person could not answer comes later; one of an old decision early. */
static void
test_correct(void **state)
{
	xmc_review_pair pair[PAIRS];
	example		e;
	int32_t		n;

	(void) state;
	begin(&e, 4);
	for (int32_t i = 0; i < 4; i++)
		for (int32_t j = i + 1; j < 4; j++)
			set_score(4, e.fused, i, j, 1);
	set_score(4, e.fused, 0, 2, -2);
	ask(&e, XMC_REVIEW_CORRECT, pair, &n);
	assert_pair(&pair[0], 2, 0, XMC_REVIEW_SUSPECT);
	assert_near(pair[0].probability, 1 / (1 + exp(-2)), 1e-12);
	assert_near(pair[0].value, 1 / (1 + exp(-2)), 1e-12);
	assert_pair(&pair[1], 0, 1, XMC_REVIEW_UNCERTAIN);
	/* 2 before 0 before 1: 1 and 2 are not asked */
	for (int32_t k = 0; k < n; k++)
		assert_false(pair[k].before == 1 && pair[k].after == 2);
	e.flag[3 * 4 + 1] = XMC_REVIEW_IS_STALE;
	e.flag[0 * 4 + 2] = XMC_REVIEW_IS_SKIPPED;
	ask(&e, XMC_REVIEW_CORRECT, pair, &n);
	assert_pair(&pair[0], 1, 3, XMC_REVIEW_STALE);
	assert_near(pair[0].value, 0.5, 1e-12);
	for (int32_t k = 0; k < n; k++)
		assert_true(pair[k].reason != XMC_REVIEW_SKIPPED || k == n - 1);
}

static void
test_reasons(void **state)
{
	xmc_review_pair pair[PAIRS];
	example		e;
	int32_t		n;

	(void) state;
	begin(&e, 2);
	set_score(2, e.text, 0, 1, 1);
	set_score(2, e.image, 0, 1, -1);
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_int_equal(n, 1);
	assert_pair(&pair[0], 0, 1, XMC_REVIEW_DISAGREE);
	set_score(2, e.fused, 0, 1, -1.5);
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 1, 0, XMC_REVIEW_SUSPECT);
	e.document.threshold = INFINITY;
	e.document.image = NULL;
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 1, 0, XMC_REVIEW_UNCERTAIN);
	e.document.decided = NULL;
	e.document.flag = NULL;
	e.document.text = NULL;
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 1, 0, XMC_REVIEW_UNCERTAIN);
	/* a score of 0: the stored order, else the smaller number */
	set_score(2, e.fused, 0, 1, 0);
	e.position[0] = 2;
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 1, 0, XMC_REVIEW_UNCERTAIN);
	e.position[0] = NAN;
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 0, 1, XMC_REVIEW_UNCERTAIN);
	ask(&e, XMC_REVIEW_CORRECT, pair, &n);
	assert_int_equal(n, 0);
}

static void
test_failures(void **state)
{
	xmc_review_pair pair[PAIRS];
	xmc_review_document large = {.n = XMC_REVIEW_MAX_ITEMS + 1};
	counting	c;
	xmc_ctx		ctx = counting_ctx(&c);
	xmc_random	random;
	example		e;
	int32_t		n;

	(void) state;
	xmc_random_seed(&random, 2);
	make_random(&ctx, &random, 7, &e);
	c.fail_at = c.calls + 1;
	assert_int_equal(xmc_review_pairs(&ctx, &e.document, XMC_REVIEW_LEARN, PAIRS, pair, &n), XMC_NO_MEMORY);
	assert_int_equal(n, 0);
	assert_int_equal(xmc_review_pairs(&ctx, &large, XMC_REVIEW_LEARN, PAIRS, pair, &n), XMC_LIMIT);
	assert_int_equal(c.live, 0);
	e.document.n = 0;
	assert_int_equal(xmc_review_pairs(&ctx, &e.document, XMC_REVIEW_LEARN, PAIRS, pair, &n), XMC_OK);
	assert_int_equal(n, 0);
}

/* A large document asks whether to stop, and leaves nothing allocated. */
static void
test_stop(void **state)
{
	enum
	{
		ITEMS = 700
	};
	xmc_review_pair pair[2];
	counting	c;
	xmc_ctx		ctx = counting_ctx(&c);
	float	   *s = calloc((size_t) ITEMS * ITEMS, sizeof(float));
	double	   *position = calloc(ITEMS, sizeof(double));
	xmc_review_document document = {.n = ITEMS,.fused = s,.position = position,.threshold = 1};
	int32_t		n;
	long		questions;

	(void) state;
	assert_int_equal(xmc_review_pairs(&ctx, &document, XMC_REVIEW_LEARN, 2, pair, &n), XMC_OK);
	questions = c.questions;
	assert_true(questions > 1);
	for (long at = 1; at <= questions; at++)
	{
		c.questions = 0;
		c.stop_at = at;
		assert_int_equal(xmc_review_pairs(&ctx, &document, XMC_REVIEW_LEARN, 2, pair, &n), XMC_STOPPED);
		assert_int_equal(c.live, 0);
	}
	free(s);
	free(position);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contract),
		cmocka_unit_test(test_correct),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
