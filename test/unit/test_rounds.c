/*
 * test_rounds.c - what a round reports is true: photos that say nothing of the order have a tau near 0 before a round, too, though
 * few held-out documents have chosen the epochs of their terms
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "counting.h"
#include "xmcoh/random.h"
#include "xmcoh/train.h"

#define APPROVED 24
#define DOCUMENTS 60			/* the rest is the pool */
#define ITEMS 5
#define DIM 6
#define SAMPLES 100

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
	o->bilinear_dim = 0;
	o->heads = 2;
	o->hash_bits = 8;
	o->epochs = 12;
	o->rounds = 1;
	o->folds = 2;
	o->evaluation_documents = 0;
}

/* Texts say the place of a step, now and then another one; photos say nothing. */
static void
make(xmc_ctx *ctx, const xmc_options *o, uint64_t seed, sample *out)
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
			bool		is_right = xmc_random_below(&random, 10) < 7;

			order[place] = i;
			snprintf(key[i], sizeof key[i], "%d", (int) i);
			snprintf(text[i], sizeof text[i], "word%u", is_right ? (unsigned) place : (unsigned) xmc_random_below(&random, ITEMS));
			for (int k = 0; k < DIM; k++)
				image[i][k] = (float) xmc_random_normal(&random);
			item[i] = (xmc_item) {.key = key[i],.key_length = strlen(key[i]),.text = text[i],.text_length = strlen(text[i]),
				.image = image[i]};
		}
		assert_int_equal(xmc_document_build(ctx, o, tokeniser, ITEMS, item, &out->document[d]), XMC_OK);
		if (d < APPROVED)
			assert_int_equal(xmc_document_label_order(ctx, &out->document[d], order), XMC_OK);
		out->held_out[d] = d % 4 == 0;
	}
	xmc_tokeniser_free(tokeniser);
}

static void
test_nothing_to_see(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options o;
	double		before = 0;
	double		after = 0;

	(void) state;
	small_options(&o);
	for (int k = 0; k < SAMPLES; k++)
	{
		sample		s;
		xmc_train_report report;
		xmc_model  *model;

		make(&ctx, &o, (uint64_t) k, &s);
		o.seed = k + 1;
		assert_int_equal(xmc_train(&ctx, &o, DOCUMENTS, s.document, s.held_out, NULL, &model, &report), XMC_OK);
		assert_int_equal(report.n_rounds, 1);
		assert_int_equal(report.round[0].pupil, XMC_IMAGE);
		before += report.round[0].tau_before / SAMPLES;
		after += report.round[0].tau_after / SAMPLES;
		xmc_model_free(&ctx, model);
		for (int d = 0; d < DOCUMENTS; d++)
			xmc_document_free(&ctx, &s.document[d]);
	}
	print_message("tau of noise before a round %.3f, after it %.3f\n", before, after);
	assert_true(fabs(before) < 0.015);	/* where the documents choose themselves: .027 */
	assert_true(fabs(after) < 0.015);
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_see),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
