/* test_agreement.c - how often people agree with a model, with its interval; drift of a score; words that a model has not seen */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "counting.h"
#include "xmcoh/agreement.h"
#include "xmcoh/drift.h"
#include "xmcoh/random.h"
#include "xmcoh/train.h"
#include "xmcoh/unknown_words.h"

static void
assert_near(double a, double b, double tolerance)
{
	if (!(fabs(a - b) <= tolerance))
		fail_msg("%.12g is not %.12g within %g", a, b, tolerance);
}

/* ---- agreement ---- */

/* One answer for each document: Wilson's interval of independent answers. 8 of 10: 0.4902 to 0.9433 (Newcombe 1998). */
static void
test_independent_answers(void **state)
{
	xmc_answers sums = {0};
	double		share;
	double		low;
	double		high;

	(void) state;
	for (int k = 0; k < 10; k++)
		xmc_answers_add(&sums, 1, k < 8);
	xmc_answers_add(&sums, 0, 0);
	xmc_agreement(&sums, &share, &low, &high);
	assert_near(share, 0.8, 1e-12);
	assert_near(low, 0.4902, 1e-4);
	assert_near(high, 0.9433, 1e-4);
}

/* Nothing is known without an answer, and no interval with one document; all that agree are as many answers as documents. */
static void
test_few_answers(void **state)
{
	xmc_answers sums = {0};
	double		share;
	double		low;
	double		high;

	(void) state;
	xmc_agreement(&sums, &share, &low, &high);
	assert_true(isnan(share) && isnan(low) && isnan(high));
	xmc_answers_add(&sums, 50, 40);
	xmc_agreement(&sums, &share, &low, &high);
	assert_near(share, 0.8, 1e-12);
	assert_true(isnan(low) && isnan(high));
	sums = (xmc_answers) {0};
	for (int k = 0; k < 10; k++)
		xmc_answers_add(&sums, 100, 100);
	xmc_agreement(&sums, &share, &low, &high);
	assert_near(low, 0.7225, 1e-4);		/* 10 of 10 */
	assert_near(high, 1, 1e-12);
}

/* Documents of which some are easy and others hard: the interval covers the true share as often as it promises. */
static void
test_answers_of_documents(void **state)
{
	enum
	{
		RUNS = 2000, DOCUMENTS = 30
	};
	xmc_random	random;
	int			covered = 0;

	(void) state;
	xmc_random_seed(&random, 5);
	for (int run = 0; run < RUNS; run++)
	{
		xmc_answers sums = {0};
		double		share;
		double		low;
		double		high;

		for (int d = 0; d < DOCUMENTS; d++)
		{
			double		easy = xmc_random_uniform(&random) < 0.5 ? 0.6 : 0.95;	/* 0.775 on average */
			int			agreed = 0;

			for (int k = 0; k < 20; k++)
				agreed += xmc_random_uniform(&random) < easy;
			xmc_answers_add(&sums, 20, agreed);
		}
		xmc_agreement(&sums, &share, &low, &high);
		covered += low <= 0.775 && 0.775 <= high;
	}
	if (covered < 0.925 * RUNS || covered > 0.985 * RUNS)
		fail_msg("%d of %d intervals cover the share", covered, RUNS);
}

/* ---- drift ---- */

static void
test_drift(void **state)
{
	int64_t		a[4] = {10, 0, 0, 10};
	int64_t		b[4] = {5, 5, 0, 0};
	int64_t		nothing[4] = {0};

	(void) state;
	assert_near(xmc_drift(4, a, a), 0, 0);
	assert_near(xmc_drift(4, a, b), 0.5, 1e-12);	/* after the second bin 1/2 of a, all of b */
	assert_near(xmc_drift(4, b, a), 0.5, 1e-12);
	assert_true(isnan(xmc_drift(4, a, nothing)));
	assert_int_equal(xmc_coherence_bin(-1), 0);
	assert_int_equal(xmc_coherence_bin(-7), 0);
	assert_int_equal(xmc_coherence_bin(0), 100);
	assert_int_equal(xmc_coherence_bin(0.999), 199);
	assert_int_equal(xmc_coherence_bin(1), 199);
	assert_near(xmc_drift_by_chance(100, 100), 1.6276 * sqrt(0.02), 1e-4);
	assert_true(isinf(xmc_drift_by_chance(0, 10)));
}

/* Samples of one population rarely drift so far; other ones do. */
static void
test_drift_by_chance(void **state)
{
	enum
	{
		RUNS = 2000, N = 200
	};
	xmc_random	random;
	int			same = 0;
	int			other = 0;

	(void) state;
	xmc_random_seed(&random, 6);
	for (int run = 0; run < RUNS; run++)
	{
		int64_t		count[3][XMC_COHERENCE_BINS] = {{0}};

		for (int k = 0; k < N; k++)
			for (int s = 0; s < 3; s++)
				count[s][xmc_coherence_bin(0.5 + 0.2 * xmc_random_normal(&random) - (s == 2 ? 0.15 : 0))]++;
		same += xmc_drift(XMC_COHERENCE_BINS, count[0], count[1]) > xmc_drift_by_chance(N, N);
		other += xmc_drift(XMC_COHERENCE_BINS, count[0], count[2]) > xmc_drift_by_chance(N, N);
	}
	if (same > 0.012 * RUNS || other < 0.99 * RUNS)
		fail_msg("of %d: %d of one population, %d of two", RUNS, same, other);
}

/* ---- unknown words ---- */

static xmc_document
build(xmc_ctx *ctx, const xmc_options *options, xmc_tokeniser *tokeniser, const char *first, const char *second)
{
	xmc_item	item[2] = {{.key = "1",.key_length = 1,.text = first,.text_length = strlen(first)},
	{.key = "2",.key_length = 1,.text = second,.text_length = strlen(second)}};
	xmc_document document;

	assert_int_equal(xmc_document_build(ctx, options, tokeniser, 2, item, &document), XMC_OK);
	return document;
}

/* A word has a weight of its own. */
static void
learn(xmc_model *model, const char *word)
{
	model->sparse[xmc_feature_of(XMC_FEATURE_WORD, word, strlen(word)) >> (32 - model->options.hash_bits)] = 0.5f;
}

static void
test_unknown_words(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options;
	xmc_tokeniser *tokeniser;
	xmc_model  *model;
	xmc_document document;
	int64_t		words = 0;
	int64_t		unknown = 0;

	(void) state;
	xmc_options_default(&options);
	options.hash_bits = 18;
	assert_int_equal(xmc_tokeniser_new(&ctx, &tokeniser), XMC_OK);
	assert_int_equal(xmc_model_new(&ctx, &options, false, &model), XMC_OK);
	assert_near(xmc_used_rows(model), 0, 0);
	learn(model, "open");
	learn(model, "the");
	learn(model, "valve");
	assert_near(xmc_used_rows(model), 3.0 / (1 << 18), 1e-12);
	document = build(&ctx, &options, tokeniser, "Open the valve", "OPEN the Sesame, open!");
	xmc_count_unknown_words(model, &document, &words, &unknown);
	assert_int_equal(words, 7);
	assert_int_equal(unknown, 1);
	assert_near(xmc_unknown_share(xmc_used_rows(model), (double) words, (double) unknown), 1.0 / 7, 1e-5);
	/* half of the rows are in use, so half of the unknown words pass for known ones */
	assert_near(xmc_unknown_share(0.5, 100, 10), 0.2, 1e-12);
	assert_near(xmc_unknown_share(0.5, 100, 80), 1, 0);
	assert_true(isnan(xmc_unknown_share(0.5, 0, 0)));
	assert_true(isnan(xmc_unknown_share(0, 100, 100)));
	assert_true(isnan(xmc_unknown_share(0.96, 100, 1)));
	xmc_document_free(&ctx, &document);
	xmc_model_free(&ctx, model);
	xmc_tokeniser_free(tokeniser);
	assert_int_equal(counts.live, 0);
}

/* A training gives each word of its labelled pairs a weight, and no other one. */
static void
test_trained_words(void **state)
{
	enum
	{
		DOCUMENTS = 24
	};
	static const char *const verb[] = {"open", "turn", "close"};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options;
	xmc_tokeniser *tokeniser;
	xmc_document document[DOCUMENTS];
	uint8_t		held_out[DOCUMENTS] = {0};
	xmc_train_report report;
	xmc_model  *model;
	int64_t		words = 0;
	int64_t		unknown = 0;

	(void) state;
	xmc_options_default(&options);
	options.hash_bits = 18;
	options.epochs = 2;
	assert_int_equal(xmc_tokeniser_new(&ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		char		text[2][40];
		const int32_t order[2] = {d % 2, 1 - d % 2};

		for (int i = 0; i < 2; i++)
			snprintf(text[i], sizeof text[i], "%s piece%d", verb[(i == d % 2 ? 0 : 1) + (d % 3 == 0)], d);
		document[d] = build(&ctx, &options, tokeniser, text[0], text[1]);
		assert_int_equal(xmc_document_label_order(&ctx, &document[d], order), XMC_OK);
		held_out[d] = d % 4 == 0;
	}
	assert_int_equal(xmc_train(&ctx, &options, DOCUMENTS, document, held_out, NULL, &model, &report), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&ctx, &document[d]);
	document[0] = build(&ctx, &options, tokeniser, "turn sesame", "close");
	xmc_count_unknown_words(model, &document[0], &words, &unknown);
	assert_int_equal(words, 3);
	assert_int_equal(unknown, 1);
	xmc_document_free(&ctx, &document[0]);
	xmc_model_free(&ctx, model);
	xmc_tokeniser_free(tokeniser);
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_independent_answers),
		cmocka_unit_test(test_few_answers),
		cmocka_unit_test(test_answers_of_documents),
		cmocka_unit_test(test_drift),
		cmocka_unit_test(test_drift_by_chance),
		cmocka_unit_test(test_unknown_words),
		cmocka_unit_test(test_trained_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
