/*
 * What texts teach without labels: words that no approved document has are ordered as the sentences of texts are, but not where
 * texts contradict what is approved. An approved document has no part in the figures that it is measured by.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "xmcoh/order.h"
#include "xmcoh/random.h"
#include "xmcoh/results.h"
#include "xmcoh/scorer.h"
#include "xmcoh/sentences.h"
#include "xmcoh/train.h"

#include <stdio.h>

#define DOCUMENTS 40
#define TEXTS 60
#define STEPS 4

/* Words of two kinds of approved documents, and words that only texts have. */
enum
{
	FIRST, SECOND, ONLY_TEXTS, KINDS
};
static const char *const word[KINDS][STEPS] = {
	{"unpack", "mount", "connect", "test"}, {"drain", "loosen", "replace", "refill"}, {"preheat", "mix", "bake", "serve"}
};

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_options options;
	xmc_tokeniser *tokeniser;
	xmc_document document[DOCUMENTS];	/* approved */
	uint8_t		held_out[DOCUMENTS];
	xmc_document text[TEXTS];
} fixture;

/* A document of the words of one kind, labelled in the order in which they stand above. */
static void
make_document(fixture *f, int kind, int shift, xmc_document *out)
{
	xmc_item	item[STEPS];
	char		key[STEPS][12];
	int32_t		order[STEPS];

	for (int32_t i = 0; i < STEPS; i++)
	{
		const char *text = word[kind][(i + shift) % STEPS];

		order[(i + shift) % STEPS] = i;
		snprintf(key[i], sizeof key[i], "%d", (int) i);
		item[i] = (xmc_item) {.key = key[i],.key_length = strlen(key[i]),.text = text,.text_length = strlen(text)};
	}
	assert_int_equal(xmc_document_build(&f->ctx, &f->options, f->tokeniser, STEPS, item, out), XMC_OK);
	assert_int_equal(xmc_document_label_order(&f->ctx, out, order), XMC_OK);
}

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);

	f->ctx = counting_ctx(&f->counts);
	xmc_options_default(&f->options);
	f->options.hash_bits = 14;
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &f->tokeniser), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		make_document(f, d % 2 == 0 ? FIRST : SECOND, d, &f->document[d]);
		f->held_out[d] = d % 5 == 4;
	}
	for (int k = 0; k < TEXTS; k++)
	{
		char		text[100] = "";
		int			kind = k % KINDS;

		for (int i = 0; i < STEPS; i++)
			snprintf(text + strlen(text), sizeof text - strlen(text), "Now %s it. ", word[kind][i]);
		assert_int_equal(xmc_document_of_sentences(&f->ctx, &f->options, f->tokeniser, text, strlen(text), &f->text[k]), XMC_OK);
		assert_int_equal(f->text[k].n_pairs, STEPS * (STEPS - 1) / 2);
	}
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
	for (int k = 0; k < TEXTS; k++)
		xmc_document_free(&f->ctx, &f->text[k]);
	xmc_tokeniser_free(f->tokeniser);
	assert_int_equal(f->counts.live, 0);
	test_free(f);
	return 0;
}

static void
reverse_labels(xmc_document *document)
{
	for (int32_t p = 0; p < document->n_pairs; p++)
	{
		xmc_pair   *pair = &document->pair[p];
		int32_t		before = pair->before;

		pair->before = pair->after;
		pair->after = before;
	}
}

static xmc_train_report
train(fixture *f, int32_t n_texts, xmc_model **model)
{
	const xmc_train_hooks hooks = {.n_texts = n_texts,.text = f->text};
	xmc_train_report report;

	assert_int_equal(xmc_train(&f->ctx, &f->options, DOCUMENTS, f->document, f->held_out, &hooks, model, &report), XMC_OK);
	return report;
}

static double
tau_of_kind(fixture *f, const xmc_model *model, int kind)
{
	double		sum = 0;

	for (int shift = 0; shift < STEPS; shift++)
	{
		xmc_document document;
		xmc_scores	scores;
		double		tau;

		make_document(f, kind, shift, &document);
		assert_int_equal(xmc_score_documents(&f->ctx, model, 1, &document, &scores), XMC_OK);
		assert_int_equal(xmc_decoded_tau(&f->ctx, &document, scores.score[XMC_SCORE_TEXT], (uint64_t) shift, &tau), XMC_OK);
		xmc_scores_free(&f->ctx, &scores);
		xmc_document_free(&f->ctx, &document);
		sum += tau / STEPS;
	}
	return sum;
}

static void
test_learned(void **state)
{
	fixture    *f = *state;
	xmc_model  *without;
	xmc_model  *with;

	train(f, 0, &without);
	train(f, TEXTS, &with);
	assert_true(tau_of_kind(f, without, ONLY_TEXTS) < 0.5);
	assert_true(tau_of_kind(f, with, ONLY_TEXTS) > 0.99);
	for (int kind = FIRST; kind <= SECOND; kind++)
	{
		assert_true(tau_of_kind(f, without, kind) > 0.99);
		assert_true(tau_of_kind(f, with, kind) > 0.99);
	}
	xmc_model_free(&f->ctx, without);
	xmc_model_free(&f->ctx, with);
}

/* Without folds the held-out documents weigh what texts teach. */
static void
test_without_folds(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;

	f->options.folds = 0;
	assert_int_equal(train(f, TEXTS, &model).folds, 0);
	for (int kind = 0; kind < KINDS; kind++)
		assert_true(tau_of_kind(f, model, kind) > 0.99);
	xmc_model_free(&f->ctx, model);
}

/* Texts that contradict all approved documents have no weight. */
static void
test_contradicting(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;

	for (int k = 0; k < TEXTS; k++)
		if (k % KINDS != ONLY_TEXTS)
			reverse_labels(&f->text[k]);
	train(f, TEXTS, &model);
	assert_true(tau_of_kind(f, model, FIRST) > 0.99);
	assert_true(tau_of_kind(f, model, SECOND) > 0.99);
	assert_true(tau_of_kind(f, model, ONLY_TEXTS) < 0.5);
	xmc_model_free(&f->ctx, model);
}

/* The same texts give the same model, to the bit. */
static void
test_same(void **state)
{
	fixture    *f = *state;
	unsigned char *blob[2];
	size_t		size[2];

	for (int k = 0; k < 2; k++)
	{
		xmc_model  *model;

		train(f, TEXTS, &model);
		assert_int_equal(xmc_model_save(&f->ctx, model, NULL, &size[k]), XMC_OK);
		blob[k] = xmc_alloc(&f->ctx, size[k], 1);
		assert_int_equal(xmc_model_save(&f->ctx, model, blob[k], &size[k]), XMC_OK);
		xmc_model_free(&f->ctx, model);
	}
	assert_int_equal(size[0], size[1]);
	assert_memory_equal(blob[0], blob[1], size[0]);
	xmc_release(&f->ctx, blob[0]);
	xmc_release(&f->ctx, blob[1]);
}

/*
 * The factor of what texts teach is chosen by all approved documents in the final model, but not in the one that measures a
 * document: its labels the other way round are as improbable as they were probable.
 */
static void
test_measured_apart(void **state)
{
	fixture    *f = *state;
	xmc_found_result found[2];
	xmc_model  *model[2];

	for (int d = 1; d < DOCUMENTS; d += 3)	/* so many that the strongest penalty is the best, with one document more, too */
		reverse_labels(&f->document[d]);
	for (int k = 0; k < 2; k++)
	{
		assert_int_equal(train(f, TEXTS, &model[k]).new_groups.documents, DOCUMENTS);
		assert_true(xmc_results_get(model[k], 0, &found[k]));
		assert_int_equal(found[k].n_pairs, STEPS * (STEPS - 1) / 2);
		reverse_labels(&f->document[0]);
	}
	for (int32_t p = 0; p < found[0].n_pairs; p++)
		assert_true(found[0].log_odds[p] != 0 && found[0].log_odds[p] == -found[1].log_odds[p]);
	xmc_model_free(&f->ctx, model[0]);
	xmc_model_free(&f->ctx, model[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_learned, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_folds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_contradicting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_measured_apart, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
