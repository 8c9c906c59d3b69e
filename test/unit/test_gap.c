/*
 * test_gap.c - gaps: the features of a place when a step is taken out, probabilities by the definition, the fit of a step into
 * a place; what training learns of documents whose first step is known by its words, and of which nothing tells the rest
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "xmcoh/gap.h"
#include "xmcoh/random.h"
#include "xmcoh/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 5
#define DOCUMENTS 160

static xmc_options
small_options(void)
{
	xmc_options o;

	xmc_options_default(&o);
	o.image_dim = 0;
	o.d_model = o.feed_forward = 8;
	o.heads = 2;
	o.hash_bits = 10;
	o.bag_dim = 0;
	o.epochs = 2;
	return o;
}

/* A document of n items with these texts; item k has key k. */
static void
build(xmc_ctx *ctx, const xmc_options *o, int32_t n, const char *const *text, xmc_document *out)
{
	xmc_tokeniser *tokeniser;
	xmc_item	item[STEPS + 4];
	char		key[STEPS + 4][12];

	assert_int_equal(xmc_tokeniser_new(ctx, &tokeniser), XMC_OK);
	for (int32_t i = 0; i < n; i++)
	{
		snprintf(key[i], sizeof key[i], "%d", (int) i);
		item[i] = (xmc_item) {.key = key[i],.key_length = strlen(key[i]),.text = text[i],.text_length = text[i] ? strlen(text[i]) : 0};
	}
	assert_int_equal(xmc_document_build(ctx, o, tokeniser, n, item, out), XMC_OK);
	xmc_tokeniser_free(tokeniser);
}

/* The features without a step are those of a document that never had the step. */
static void
test_taken_out(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	static const char *const text[STEPS + 1] = {"open the cover", "drain all the oil", NULL, "take out the filter", "clean it", "close the cover"};
	const char *fewer[STEPS];
	int32_t		order[STEPS + 1] = {0, 1, 2, 3, 4, 5};
	xmc_model  *model;
	xmc_document document;
	xmc_arena	arena;
	xmc_steps	all;
	xmc_steps	less;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, false, &model), XMC_OK);
	xmc_arena_init(&arena, &ctx);
	build(&ctx, &options, STEPS + 1, text, &document);
	assert_int_equal(xmc_steps_read(&arena, model, &document, STEPS + 1, order, &all), XMC_OK);
	xmc_document_free(&ctx, &document);
	assert_int_equal(all.n, STEPS);	/* an item without a text is no step */
	assert_int_equal(all.item[2], 3);
	for (int32_t out = 0; out < STEPS; out++)
	{
		int32_t		n = 0;

		for (int32_t k = 0; k < STEPS; k++)
			if (k != out)
				fewer[n++] = text[all.item[k]];
		build(&ctx, &options, n, fewer, &document);
		assert_int_equal(xmc_steps_read(&arena, model, &document, n, order, &less), XMC_OK);
		xmc_document_free(&ctx, &document);
		for (int32_t place = 0; place <= n; place++)
		{
			float		a[1024] = {0};
			float		b[1024] = {0};
			static const float none[1024];

			assert_int_equal(xmc_gap_kind_of(n, place), place == 0 ? XMC_GAP_FIRST : place == n ? XMC_GAP_LAST : XMC_GAP_BETWEEN);
			xmc_gap_read(&all, out, place, a);
			xmc_gap_read(&less, -1, place, b);
			assert_memory_equal(a, b, sizeof a);
			assert_memory_not_equal(a, none, sizeof a);
		}
	}
	xmc_arena_free(&arena);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* Probabilities follow from scores by Bayes; a kind near chance has a score alone, one that was not measured neither. */
static void
test_probability(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	static const char *const text[3] = {"open", "drain the oil", "close"};
	static const int32_t order[3] = {0, 1, 2};
	xmc_model  *model;
	xmc_document document;
	xmc_arena	arena;
	xmc_steps	steps;
	double		score[4];
	double		p[4];
	int64_t		columns;
	float	   *last;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, false, &model), XMC_OK);
	xmc_arena_init(&arena, &ctx);
	build(&ctx, &options, 3, text, &document);
	assert_int_equal(xmc_steps_read(&arena, model, &document, 3, order, &steps), XMC_OK);
	xmc_document_free(&ctx, &document);
	assert_int_equal(xmc_gap_score(&ctx, model, &steps, score, p), XMC_OK);
	for (int k = 0; k < 4; k++)
		assert_true(isnan(score[k]) && isnan(p[k]));
	assert_int_equal(xmc_model_new_gaps(&ctx, model), XMC_OK);
	/* The intercepts are the scores: 2 before the first step, -1 between two, near chance at the end. */
	columns = XMC_GAP_WEIGHTS + steps.dim + 2;
	memcpy(model->gaps.row, (float[]) {0.9f, 0.8f, 0.95f}, 3 * sizeof(float));
	model->gaps.row[XMC_GAP_WEIGHTS + steps.dim + 1] = 2;
	memcpy(model->gaps.row + columns, (float[]) {0.7f, 0.65f, 0.75f}, 3 * sizeof(float));
	model->gaps.row[columns + XMC_GAP_WEIGHTS + 7] = -1;
	last = model->gaps.row + 2 * columns;
	memcpy(last, (float[]) {0.62f, 0.59f, 0.65f}, 3 * sizeof(float));
	last[XMC_GAP_WEIGHTS + steps.dim + 1] = 3;
	assert_int_equal(xmc_gap_score(&ctx, model, &steps, score, p), XMC_OK);
	assert_true(score[0] == 2 && score[1] == -1 && score[2] == -1 && score[3] == 3);
	assert_true(xmc_gap_is_told(model, XMC_GAP_FIRST) && xmc_gap_is_told(model, XMC_GAP_BETWEEN));
	assert_true(xmc_gap_is_measured(model, XMC_GAP_LAST) && !xmc_gap_is_told(model, XMC_GAP_LAST));
	/* half of the documents lack a step, at one of 4 places; the last place tells nothing */
	{
		double		each = 0.5 / 4;
		double		all = 0.5 + each * (exp(2) + 2 * exp(-1) + 1);

		assert_true(fabs(p[0] - each * exp(2) / all) < 1e-12);
		assert_true(fabs(p[1] - each * exp(-1) / all) < 1e-12 && p[2] == p[1]);
		assert_true(isnan(p[3]));
	}
	xmc_arena_free(&arena);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* The mean of the similarities of the neighbours; two ends are half as similar as two equal steps. */
static void
test_fit(void **state)
{
	static const float cosine[2 * 3] = {1, 0.5f, 0.25f, 0, -1, 0.125f};	/* (2, 3) */

	(void) state;
	assert_true(xmc_gap_fit(cosine, 2, 0, 3, 0) == (0.5 + 0.5) / 2);	/* before step 0; step 0 stands before step 1 */
	assert_true(xmc_gap_fit(cosine, 2, 1, 3, 1) == (1 + 0.125) / 2);
	assert_true(xmc_gap_fit(cosine, 2, 2, 3, 2) == (-1 + 0.5) / 2);
	assert_true(xmc_gap_fit(cosine, 2, 0, 3, 1) == (0 + 0.25) / 2);
	assert_true(xmc_gap_fit(cosine, 2, 2, 3, 0) == 0);
}

/* The first step is always of one kind; all others are drawn from the same texts. */
static void
test_learns(void **state)
{
	static const char *const opener[] = {"first open the cover", "begin with the power off", "first drain the tank"};
	static const char *const other[] = {"remove the screw", "clean the seal", "check the valve", "grease the shaft", "turn the nut", "lift the lid"};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	static xmc_document document[DOCUMENTS];
	uint8_t		held_out[DOCUMENTS];
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 4);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		const char *text[STEPS + 3];
		int32_t		order[STEPS + 3];
		int32_t		n = 4 + (int32_t) xmc_random_below(&random, 4);

		for (int32_t k = 0; k < n; k++)
		{
			text[k] = k == 0 ? opener[xmc_random_below(&random, 3)] : other[xmc_random_below(&random, 6)];
			order[k] = k;
		}
		build(&ctx, &options, n, text, &document[d]);
		assert_int_equal(xmc_document_label_order(&ctx, &document[d], order), XMC_OK);
		held_out[d] = d % 5 == 0;
	}
	/* With folds and with held-out documents alone; both ways no document is scored by weights that it taught. */
	for (int folds = 0; folds <= 5; folds += 5)
	{
		xmc_train_report report;
		xmc_model  *model;
		xmc_interval first;

		options.folds = folds;
		assert_int_equal(xmc_train(&ctx, &options, DOCUMENTS, document, held_out, NULL, &model, &report), XMC_OK);
		first = xmc_gap_auroc(model, XMC_GAP_FIRST);
		assert_true(first.mean > 0.95 && first.low <= first.mean && first.mean <= first.high && first.high <= 1);
		assert_true(xmc_gap_is_told(model, XMC_GAP_FIRST));
		for (int kind = XMC_GAP_BETWEEN; kind < XMC_GAP_KINDS; kind++)
		{
			xmc_interval chance = xmc_gap_auroc(model, (xmc_gap_kind) kind);

			assert_true(xmc_gap_is_measured(model, (xmc_gap_kind) kind) && !xmc_gap_is_told(model, (xmc_gap_kind) kind));
			/* at the ends an opener is never beside the gap, between two steps it may be */
			assert_true(chance.low < 0.55 && chance.high > 0.45);
		}
		xmc_model_free(&ctx, model);
	}
	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&ctx, &document[d]);
	assert_int_equal(counts.live, 0);
}

/* Too few groups measure nothing: what they teach is not kept. */
static void
test_few_groups(void **state)
{
	static const char *const text[] = {"open the cover", "drain the oil", "clean it", "close the cover"};
	static const int32_t order[] = {0, 1, 2, 3};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_document document[16];
	uint8_t		held_out[16];
	xmc_train_report report;
	xmc_model  *model;

	(void) state;
	for (int d = 0; d < 16; d++)
	{
		build(&ctx, &options, 4, text, &document[d]);
		assert_int_equal(xmc_document_label_order(&ctx, &document[d], order), XMC_OK);
		document[d].group = 1 + (uint64_t) d / 8;
		held_out[d] = d >= 8;
	}
	assert_int_equal(xmc_train(&ctx, &options, 16, document, held_out, NULL, &model, &report), XMC_OK);
	for (int kind = 0; kind < XMC_GAP_KINDS; kind++)
		assert_false(xmc_gap_is_measured(model, (xmc_gap_kind) kind));
	xmc_model_free(&ctx, model);
	for (int d = 0; d < 16; d++)
		xmc_document_free(&ctx, &document[d]);
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_out), cmocka_unit_test(test_probability), cmocka_unit_test(test_fit),
		cmocka_unit_test(test_learns), cmocka_unit_test(test_few_groups)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
