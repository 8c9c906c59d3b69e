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
#include "toys.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

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

/* A pupil keeps what a round has taught it; the other terms are fitted again. */
static void
test_pupil_stays(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	toys		t;
	xmc_model  *model;
	xmc_train_report report;
	bool		was_pupil[XMC_MODALITIES] = {false};

	(void) state;
	assert_int_equal(toys_make(&ctx, &t), XMC_OK);
	t.options.rounds = 1;
	assert_int_equal(xmc_train(&ctx, &t.options, TOYS, t.document, t.held_out, NULL, &model, &report), XMC_OK);
	for (int k = 0; k < report.n_rounds; k++)
		was_pupil[report.round[k].pupil] |= report.round[k].kept;
	assert_true(was_pupil[XMC_TEXT] || was_pupil[XMC_IMAGE]);
	assert_non_null(model->measured);
	for (int32_t k = 0; k < model->n_tensors; k++)
	{
		const xmc_tensor *tensor = &model->tensor[k];
		bool		same = memcmp(*tensor->slot, *model->measured->tensor[k].slot, (size_t) tensor->n_values * sizeof(float)) == 0;

		if (tensor->term >= XMC_TERMS || (tensor->term != XMC_TERM_BILINEAR && was_pupil[xmc_term_modality(tensor->term)]))
			assert_true(same);
		else if (tensor->n_dimensions == 2)
			assert_false(same);
	}
	xmc_model_free(&ctx, model);
	toys_free(&ctx, &t);
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_teach),
		cmocka_unit_test(test_pupil_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
