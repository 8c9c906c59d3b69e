/*
 * test_evaluation.c - the figures of few approved documents: all of them are measured, and a model that has nothing to learn
 * shows a tau near 0, although its weights, penalties and epochs are chosen on so few
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "counting.h"
#include "xmcoh/groups.h"
#include "xmcoh/random.h"
#include "xmcoh/train.h"

#define DOCUMENTS 24
#define ITEMS 5
#define DIM 6
#define SAMPLES 20

typedef struct sample
{
	xmc_document document[DOCUMENTS];
	uint8_t		held_out[DOCUMENTS];
} sample;

static void
small_options(xmc_options *o)
{
	xmc_options_default(o);
	o->image_dim = DIM;
	o->d_model = o->feed_forward = o->align_dim = 8;
	o->bilinear_dim = 2;
	o->heads = 2;
	o->hash_bits = 8;
	o->epochs = 8;
}

/*
 * Documents whose texts and photos say nothing of the order, or, with `signal`, photos that say a little. `apart`: a text and a
 * photo are items of their own.
 */
static void
make(xmc_ctx *ctx, const xmc_options *o, uint64_t seed, double signal, bool apart, sample *out)
{
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	xmc_random_seed(&random, seed);
	assert_int_equal(xmc_tokeniser_new(ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		xmc_item	item[ITEMS];
		char		key[ITEMS][12];
		char		text[ITEMS][32];
		float		image[ITEMS][DIM];
		int32_t		order[ITEMS];

		for (int32_t i = 0; i < ITEMS; i++)
		{
			int32_t		place = (i + d) % ITEMS;

			order[place] = i;
			snprintf(key[i], sizeof key[i], "%d", (int) i);
			snprintf(text[i], sizeof text[i], "word%u word%u", (unsigned) xmc_random_below(&random, 30),
					 (unsigned) xmc_random_below(&random, 30));
			for (int k = 0; k < DIM; k++)
				image[i][k] = (float) (xmc_random_normal(&random) + signal * place);
			item[i] = (xmc_item) {.key = key[i],.key_length = strlen(key[i])};
			if (!apart || i == 0)
			{
				item[i].text = text[i];
				item[i].text_length = strlen(text[i]);
			}
			if (!apart || i > 0)
				item[i].image = image[i];
		}
		assert_int_equal(xmc_document_build(ctx, o, tokeniser, ITEMS, item, &out->document[d]), XMC_OK);
		assert_int_equal(xmc_document_label_order(ctx, &out->document[d], order), XMC_OK);
		out->held_out[d] = d % 5 == 0;
	}
	xmc_tokeniser_free(tokeniser);
}

static xmc_train_report
train(xmc_ctx *ctx, const xmc_options *o, sample *s)
{
	xmc_train_report report;
	xmc_model  *model;

	assert_int_equal(xmc_train(ctx, o, DOCUMENTS, s->document, s->held_out, NULL, &model, &report), XMC_OK);
	xmc_model_free(ctx, model);
	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(ctx, &s->document[d]);
	return report;
}

/* Without the evaluation the figures are those of cross-fitting with weights that were fitted on the same documents. */
static void
test_nothing_to_learn(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options o;
	double		with = 0;
	double		without = 0;
	int			covered = 0;

	(void) state;
	small_options(&o);
	for (int k = 0; k < SAMPLES; k++)
	{
		sample		s;
		xmc_train_report report;

		make(&ctx, &o, (uint64_t) k, 0, false, &s);
		o.evaluation_documents = DOCUMENTS;
		report = train(&ctx, &o, &s);
		assert_int_equal(report.new_groups.documents, DOCUMENTS);
		with += report.new_groups.tau[XMC_SCORE_FUSED].mean / SAMPLES;
		covered += report.new_groups.tau[XMC_SCORE_FUSED].low <= 0 && report.new_groups.tau[XMC_SCORE_FUSED].high >= 0;
		make(&ctx, &o, (uint64_t) k, 0, false, &s);
		o.evaluation_documents = DOCUMENTS - 1;
		without += train(&ctx, &o, &s).new_groups.tau[XMC_SCORE_FUSED].mean / SAMPLES;
	}
	print_message("fused tau of noise: %.3f, without the evaluation %.3f; %d of %d intervals have 0\n", with, without, covered,
				  SAMPLES);
	assert_true(fabs(with) < 0.05);
	assert_true(without > with + 0.05);
	assert_true(covered >= 0.85 * SAMPLES);
	assert_int_equal(counts.live, 0);
}

/* Trains on one sample and checks that all memory has been given back. */
static xmc_train_report
report_of(double signal, bool apart)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options o;
	sample		s;
	xmc_train_report report;

	small_options(&o);
	make(&ctx, &o, 1, signal, apart, &s);
	report = train(&ctx, &o, &s);
	assert_int_equal(counts.live, 0);
	return report;
}

static void
test_learns(void **state)
{
	xmc_train_report report = report_of(1, false);

	(void) state;
	assert_true(report.new_groups.tau[XMC_SCORE_IMAGE].mean > 0.7 && report.new_groups.tau[XMC_SCORE_FUSED].mean > 0.7);
	assert_true(fabs(report.new_groups.tau[XMC_SCORE_TEXT].mean) < 0.4);
	assert_true(report.new_groups.tau[XMC_SCORE_IMAGE].low > 0.5 && report.new_groups.tau[XMC_SCORE_IMAGE].high <= 1);
}

/* Where texts and photos are items of their own, the models of the folds have the version's alignment. */
static void
test_apart(void **state)
{
	xmc_train_report report = report_of(2, true);

	(void) state;
	assert_int_equal(report.new_groups.documents, DOCUMENTS);
	assert_true(report.new_groups.tau[XMC_SCORE_IMAGE].mean > 0.4);	/* 6 of 10 pairs are of two photos */
}

/* Groups are whole; with fewer than three of them there is no model without two. */
static void
test_groups(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options o;
	sample		s;
	xmc_train_report report;

	(void) state;
	small_options(&o);
	for (int groups = 2; groups <= 6; groups += 4)
	{
		make(&ctx, &o, 1, 1, false, &s);
		for (int d = 0; d < DOCUMENTS; d++)
		{
			s.document[d].group = (uint64_t) (1 + d % groups);
			s.held_out[d] = d % groups == 0;
		}
		report = train(&ctx, &o, &s);
		assert_int_equal(report.new_groups.groups, groups == 2 ? 1 : groups);
		assert_int_equal(report.new_groups.documents, groups == 2 ? DOCUMENTS / 2 : DOCUMENTS);
	}
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_learn),
		cmocka_unit_test(test_learns),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
