/*
 * test_refit.c - in the end all approved documents teach: the model has learned from the held-out ones, and as it was
 * measured it has not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "xmcoh/order.h"
#include "xmcoh/random.h"
#include "xmcoh/scorer.h"
#include "xmcoh/train.h"

#include <stdio.h>
#include <string.h>

#define DOCUMENTS 60
#define STEPS 4

/* Three kinds of documents, each with words of its own; the third kind is held out. */
static const char *const word[3][STEPS] = {
	{"unpack", "mount", "connect", "test"}, {"drain", "loosen", "replace", "refill"}, {"preheat", "mix", "bake", "serve"}
};

static void
make_documents(xmc_ctx *ctx, const xmc_options *options, xmc_document *document, uint8_t *held_out)
{
	xmc_tokeniser *tokeniser;

	assert_int_equal(xmc_tokeniser_new(ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		xmc_item	item[STEPS];
		char		key[STEPS][12];
		int32_t		order[STEPS];

		for (int32_t i = 0; i < STEPS; i++)
		{
			const char *text = word[d % 3][(i + d) % STEPS];

			order[(i + d) % STEPS] = i;
			snprintf(key[i], sizeof key[i], "%d", (int) i);
			item[i] = (xmc_item) {.key = key[i],.key_length = strlen(key[i]),.text = text,.text_length = strlen(text)};
		}
		assert_int_equal(xmc_document_build(ctx, options, tokeniser, STEPS, item, &document[d]), XMC_OK);
		assert_int_equal(xmc_document_label_order(ctx, &document[d], order), XMC_OK);
		held_out[d] = d % 3 == 2;
	}
	xmc_tokeniser_free(tokeniser);
}

/* The mean tau of documents of one kind. */
static double
tau_of_kind(xmc_ctx *ctx, const xmc_model *model, const xmc_document *document, int kind)
{
	double		sum = 0;

	for (int d = kind; d < DOCUMENTS; d += 3)
	{
		xmc_scores	scores;
		double		tau;

		assert_int_equal(xmc_score_documents(ctx, model, 1, &document[d], &scores), XMC_OK);
		assert_int_equal(xmc_decoded_tau(ctx, &document[d], scores.score[XMC_SCORE_TEXT], (uint64_t) d, &tau), XMC_OK);
		xmc_scores_free(ctx, &scores);
		sum += tau;
	}
	return sum / (DOCUMENTS / 3.0);
}

static void
test_all_teach(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options;
	xmc_document document[DOCUMENTS];
	uint8_t		held_out[DOCUMENTS];
	xmc_model  *model;
	xmc_train_report report;

	(void) state;
	xmc_options_default(&options);
	options.hash_bits = 12;
	make_documents(&ctx, &options, document, held_out);
	assert_int_equal(xmc_train(&ctx, &options, DOCUMENTS, document, held_out, NULL, &model, &report), XMC_OK);
	assert_true(tau_of_kind(&ctx, model, document, 0) > 0.99);
	assert_true(tau_of_kind(&ctx, xmc_measured(model), document, 0) > 0.99);
	assert_true(tau_of_kind(&ctx, model, document, 2) > 0.99);
	assert_true(tau_of_kind(&ctx, xmc_measured(model), document, 2) < 0.5);
	/* one calibration: that of scores of documents that taught no model */
	assert_memory_equal(&model->calibration, &xmc_measured(model)->calibration, sizeof model->calibration);
	xmc_model_free(&ctx, model);
	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&ctx, &document[d]);
	assert_int_equal(counts.live, 0);
}

/*
 * A pupil learns from the held-out documents, too, and from the weakly labelled ones as before. All documents have the same texts;
 * photos of the pool are of a kind of their own, and so are those of the held-out documents, which resemble the others in reverse.
 */
#define PHOTO_DOCUMENTS 136
#define PHOTO_APPROVED 36		/* the rest is the pool */
#define PHOTO_KINDS 4			/* two teach, one is held out, one is in the pool */
#define PHOTO_DIM 24

static void
make_photos(xmc_ctx *ctx, const xmc_options *options, xmc_document *document, uint8_t *held_out)
{
	float		photo[PHOTO_KINDS][STEPS][PHOTO_DIM];
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	xmc_random_seed(&random, 1);
	for (int kind = 0; kind < PHOTO_KINDS; kind++)
		for (int place = 0; place < STEPS; place++)
			for (int k = 0; k < PHOTO_DIM; k++)
				photo[kind][place][k] = (float) xmc_random_normal(&random);
	for (int place = 0; place < STEPS; place++)
		for (int k = 0; k < PHOTO_DIM; k++)
			photo[2][place][k] += 2 * photo[0][STEPS - 1 - place][k];
	assert_int_equal(xmc_tokeniser_new(ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < PHOTO_DOCUMENTS; d++)
	{
		int			kind = d < PHOTO_APPROVED ? d % 3 : 3;
		xmc_item	item[STEPS];
		char		key[STEPS][12];
		int32_t		order[STEPS];

		for (int32_t i = 0; i < STEPS; i++)
		{
			int32_t		place = (i + d / 3) % STEPS;

			order[place] = i;
			snprintf(key[i], sizeof key[i], "%d", (int) i);
			item[i] = (xmc_item) {.key = key[i],.key_length = strlen(key[i]),.text = word[0][place],.text_length = strlen(word[0][place]),
				.image = photo[kind][place]};
		}
		assert_int_equal(xmc_document_build(ctx, options, tokeniser, STEPS, item, &document[d]), XMC_OK);
		if (d < PHOTO_APPROVED)
			assert_int_equal(xmc_document_label_order(ctx, &document[d], order), XMC_OK);
		held_out[d] = kind == 2;
	}
	xmc_tokeniser_free(tokeniser);
}

/* Of every third document from `first` to `end`, the share whose photos the model puts in the order of the texts. */
static double
photos_in_order(xmc_ctx *ctx, const xmc_model *model, const xmc_document *document, int first, int end)
{
	double		right = 0;
	int			n = 0;

	for (int d = first; d < end; d += 3, n++)
	{
		xmc_scores	scores;
		bool		all = true;

		assert_int_equal(xmc_score_documents(ctx, model, 1, &document[d], &scores), XMC_OK);
		for (int i = 0; i < STEPS; i++)
			for (int j = 0; j < STEPS; j++)
				if ((i + d / 3) % STEPS < (j + d / 3) % STEPS)
					all = all && scores.score[XMC_SCORE_IMAGE][i * STEPS + j] > 0;
		right += all;
		xmc_scores_free(ctx, &scores);
	}
	return right / n;
}

static void
test_pupil_learns_all(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options;
	xmc_document document[PHOTO_DOCUMENTS];
	uint8_t		held_out[PHOTO_DOCUMENTS];
	xmc_model  *model;
	xmc_train_report report;

	(void) state;
	xmc_options_default(&options);
	options.image_dim = PHOTO_DIM;
	options.hash_bits = 12;
	options.bilinear_dim = 0;
	options.rounds = 1;
	options.evaluation_documents = 0;
	make_photos(&ctx, &options, document, held_out);
	assert_int_equal(xmc_train(&ctx, &options, PHOTO_DOCUMENTS, document, held_out, NULL, &model, &report), XMC_OK);
	assert_int_equal(report.n_rounds, 1);
	assert_true(report.round[0].kept);
	assert_int_equal(report.round[0].pupil, XMC_IMAGE);
	assert_true(photos_in_order(&ctx, model, document, 2, PHOTO_APPROVED) > 0.99);
	assert_true(photos_in_order(&ctx, xmc_measured(model), document, 2, PHOTO_APPROVED) < 0.01);
	assert_true(photos_in_order(&ctx, model, document, PHOTO_APPROVED, PHOTO_DOCUMENTS) > 0.99);
	/* one calibration: that of scores of documents that taught no model */
	assert_memory_equal(&model->calibration, &xmc_measured(model)->calibration, sizeof model->calibration);
	xmc_model_free(&ctx, model);
	for (int d = 0; d < PHOTO_DOCUMENTS; d++)
		xmc_document_free(&ctx, &document[d]);
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_teach),
		cmocka_unit_test(test_pupil_learns_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
