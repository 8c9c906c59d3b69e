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

/* An item of which the model reads nothing is not asked about, though nothing is as uncertain. */
static void
test_empty_item(void **state)
{
	static const uint8_t has[] = {1, 0, 2, 1};
	example		e;
	xmc_review_pair pair[PAIRS];
	int32_t		n;

	(void) state;
	begin(&e, 4);
	set_score(4, e.fused, 0, 2, 4);
	set_score(4, e.fused, 2, 3, 4);
	set_score(4, e.fused, 0, 3, 4);
	for (int strategy = 0; strategy < 2; strategy++)
	{
		e.document.has = NULL;
		ask(&e, (xmc_review_strategy) strategy, pair, &n);
		assert_true(n > 0);
		if (strategy == XMC_REVIEW_LEARN)
			assert_true(pair[0].before == 1 || pair[0].after == 1);
		e.document.has = has;
		ask(&e, (xmc_review_strategy) strategy, pair, &n);
		assert_true(n > 0);
		for (int32_t k = 0; k < n; k++)
			assert_true(pair[k].before != 1 && pair[k].after != 1);
	}
}

/* ---- to correct ---- */

/* The stored order of a document without NaN positions: the item at each place. */
static void
stored_order(const example *e, int32_t *item)
{
	int32_t		n = e->document.n;

	for (int32_t k = 0; k < n; k++)
		item[k] = k;
	for (int32_t k = 1; k < n; k++)
		for (int32_t l = k; l > 0 && e->position[item[l - 1]] > e->position[item[l]]; l--)
		{
			int32_t		t = item[l];

			item[l] = item[l - 1];
			item[l - 1] = t;
		}
}

/*
 * The weight of the fault that the item at place k belongs just past place l, 0 if that is no fault of its own; turned[m]:
 * whether the pair of it and the item at place m is turned.
 */
static double
weigh_fault(const example *e, const int32_t *item, int32_t k, int32_t l, bool *turned)
{
	int32_t		n = e->document.n;
	double		sum = 0;
	int			pairs = 0;

	for (int32_t m = 0; m < n; m++)
	{
		int32_t		first = item[k < m ? k : m];
		int32_t		second = item[k < m ? m : k];

		turned[m] = m != k && (k < l ? k < m && m <= l : l <= m && m < k);
		if (turned[m] && e->decided[first * n + second] == XMC_DECIDED_BEFORE)
			return 0;
		turned[m] = turned[m] && e->decided[first * n + second] == XMC_UNDECIDED && e->position[first] < e->position[second];
		sum += turned[m] ? -e->fused[first * n + second] : 0;
		pairs += turned[m];
	}
	return turned[l] ? exp(sum / pairs) : 0;
}

/* The probability that each pair is stored the wrong way round, by the definition. wrong (n, n), by items. */
static void
find_wrong(const example *e, double *wrong)
{
	int32_t		n = e->document.n;
	int32_t		item[MOST];
	double		total = 0;
	int			faults = 0;

	stored_order(e, item);
	memset(wrong, 0, sizeof(double) * MOST * MOST);
	for (int32_t k = 0; k < n; k++)
		for (int32_t l = 0; l < n; l++)
		{
			bool		turned[MOST];
			double		weight = l == k || l == k - 1 ? 0 : weigh_fault(e, item, k, l, turned);

			faults += weight > 0;
			total += weight;
			for (int32_t m = 0; m < n && weight > 0; m++)
				if (turned[m])
				{
					wrong[item[k] * n + item[m]] += weight;
					wrong[item[m] * n + item[k]] += weight;
				}
		}
	for (int32_t at = 0; at < n * n; at++)
		wrong[at] /= 4 * faults + total;
}

static void
test_wrong(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_random	random;
	example		e;

	(void) state;
	xmc_random_seed(&random, 3);
	for (int32_t r = 1; r < 2000; r++)
	{
		double		wrong[MOST * MOST];
		xmc_review_pair pair[PAIRS];
		int32_t		n;

		if (r % 5 == 0)
			continue;
		make_random(&ctx, &random, r, &e);
		e.document.flag = NULL;
		find_wrong(&e, wrong);
		ask(&e, XMC_REVIEW_CORRECT, pair, &n);
		for (int32_t k = 0; k < n; k++)
			assert_near(pair[k].value, wrong[pair[k].before * e.document.n + pair[k].after], 1e-6);
	}
}

/* Scores that agree with the stored order, but for one item that belongs to the front. */
static void
begin_with_fault(example *e, int32_t n, int32_t misplaced)
{
	begin(e, n);
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = i + 1; j < n; j++)
			set_score(n, e->fused, i, j, j == misplaced ? -2 : 1);
}

/* The misplaced item comes first; a pair that a person could not answer comes last; neighbours of an old decision early. */
static void
test_correct(void **state)
{
	xmc_review_pair pair[PAIRS];
	example		e;
	int32_t		n;

	(void) state;
	begin_with_fault(&e, 5, 3);
	ask(&e, XMC_REVIEW_CORRECT, pair, &n);
	assert_pair(&pair[0], 3, 2, XMC_REVIEW_SUSPECT);
	assert_near(pair[0].probability, 1 / (1 + exp(-2)), 1e-12);
	assert_pair(&pair[1], 3, 1, XMC_REVIEW_SUSPECT);
	assert_pair(&pair[2], 3, 0, XMC_REVIEW_SUSPECT);
	e.flag[2 * 5 + 3] = XMC_REVIEW_IS_SKIPPED;
	e.flag[1 * 5 + 0] = e.flag[0 * 5 + 2] = XMC_REVIEW_IS_STALE;
	ask(&e, XMC_REVIEW_CORRECT, pair, &n);
	assert_pair(&pair[0], 0, 1, XMC_REVIEW_STALE);
	assert_near(pair[0].value, 0.5, 1e-12);
	assert_pair(&pair[1], 0, 2, XMC_REVIEW_STALE);
	assert_pair(&pair[2], 3, 1, XMC_REVIEW_SUSPECT);
	for (int32_t k = 0; k < n; k++)
		assert_true(pair[k].reason != XMC_REVIEW_SKIPPED || k > 3);
}

/* ---- to learn ---- */

/* The ends of a document come first, then what stands in between; certain answers and further answers are worth less. */
static void
test_learn(void **state)
{
	xmc_review_pair pair[PAIRS];
	example		e;
	int32_t		n;

	(void) state;
	begin(&e, 5);
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 0, 4, XMC_REVIEW_UNCERTAIN);
	assert_near(pair[0].value, 1, 1e-12);
	assert_pair(&pair[1], 0, 3, XMC_REVIEW_UNCERTAIN);
	assert_near(pair[1].value, sqrt(3. / 4) / 2, 1e-12);
	/* two decisions, three answers with what links them */
	xmc_decide(5, e.decided, 0, 4, XMC_DECIDED_BEFORE);
	xmc_decide(5, e.decided, 0, 3, XMC_DECIDED_BEFORE);
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 1, 4, XMC_REVIEW_UNCERTAIN);
	assert_near(pair[0].value, sqrt(3. / 4) / 3, 1e-12);
	/* without positions, the places in the order by the scores: item 4, then 0, ... 3 */
	begin(&e, 5);
	for (int32_t i = 0; i < 5; i++)
	{
		e.position[i] = NAN;
		for (int32_t j = i + 1; j < 5; j++)
			set_score(5, e.fused, i, j, j == 4 ? -0.1 : 0.1);
	}
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 4, 3, XMC_REVIEW_UNCERTAIN);
	/* certain */
	set_score(5, e.fused, 4, 3, 9);
	ask(&e, XMC_REVIEW_LEARN, pair, &n);
	assert_pair(&pair[0], 0, 3, XMC_REVIEW_UNCERTAIN);
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
	for (xmc_review_strategy strategy = XMC_REVIEW_LEARN; strategy <= XMC_REVIEW_CORRECT; strategy++)
	{
		long		calls = c.calls;

		assert_int_equal(xmc_review_pairs(&ctx, &e.document, strategy, PAIRS, pair, &n), XMC_OK);
		calls = c.calls - calls;
		for (long at = 1; at <= calls; at++)
		{
			c.fail_at = c.calls + at;
			assert_int_equal(xmc_review_pairs(&ctx, &e.document, strategy, PAIRS, pair, &n), XMC_NO_MEMORY);
			assert_int_equal(n, 0);
			assert_int_equal(c.live, 0);
		}
	}
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
	for (int32_t i = 0; i < ITEMS; i++)
		position[i] = i % (ITEMS / 2);
	for (xmc_review_strategy strategy = XMC_REVIEW_LEARN; strategy <= XMC_REVIEW_CORRECT; strategy++)
	{
		c.questions = c.stop_at = 0;
		assert_int_equal(xmc_review_pairs(&ctx, &document, strategy, 2, pair, &n), XMC_OK);
		questions = c.questions;
		assert_true(questions > 4);
		for (long at = 1; at <= questions; at++)
		{
			c.questions = 0;
			c.stop_at = at;
			assert_int_equal(xmc_review_pairs(&ctx, &document, strategy, 2, pair, &n), XMC_STOPPED);
			assert_int_equal(c.live, 0);
		}
	}
	free(s);
	free(position);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_item),
		cmocka_unit_test(test_contract),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_correct),
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
