/* Texts as documents of their sentences: where sentences end, which pairs are labelled, what is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "xmcoh/sentences.h"

/* The sentences of a text, each in brackets. */
static const char *
divide(const char *text)
{
	static char out[400];
	size_t		length = strlen(text);
	size_t		used = 0;

	for (size_t at = 0, end; at < length; at = end)
	{
		end = at + xmc_sentence_length(text + at, length - at);
		assert_true(end > at && end <= length);
		used += (size_t) snprintf(out + used, sizeof out - used, "[%.*s]", (int) (end - at), text + at);
	}
	return out;
}

static void
test_division(void **state)
{
	(void) state;
	assert_string_equal(divide("Remove the lid. Then clean it!  Is it dry?"), "[Remove the lid. ][Then clean it!  ][Is it dry?]");
	assert_string_equal(divide("Use M2.5 screws: four of them; see fig.3"), "[Use M2.5 screws: ][four of them; ][see fig.3]");
	assert_string_equal(divide("cut\nbend"), "[cut\n][bend]");
	assert_string_equal(divide("\u84cb\u3092\u958b\u3051\u308b\u3002\u62ed\u304f\uff01"), "[\u84cb\u3092\u958b\u3051\u308b\u3002][\u62ed\u304f\uff01]");
	assert_string_equal(divide("no mark"), "[no mark]");
	assert_int_equal(xmc_sentence_length("", 0), 0);
	assert_int_equal(xmc_sentence_length("\xe3\x80", 2), 2);	/* a cut character is no mark */
}

/* The document of a text. */
static void
build(xmc_ctx *ctx, const char *text, size_t length, xmc_document *out)
{
	xmc_options options;
	xmc_tokeniser *tokeniser;

	xmc_options_default(&options);
	options.text_dim = 300;		/* sentences have no embedding */
	options.image_dim = 300;
	assert_int_equal(xmc_tokeniser_new(ctx, &tokeniser), XMC_OK);
	assert_int_equal(xmc_document_of_sentences(ctx, &options, tokeniser, text, length, out), XMC_OK);
	xmc_tokeniser_free(tokeniser);
}

/* A text of a gigabyte must not hold a training up: what lies behind the bytes that are read is not looked at. */
static void
test_long_text(void **state)
{
	static char text[XMC_SENTENCE_BYTES + 1];
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_document document;

	(void) state;
	memset(text, 'a', sizeof text);
	assert_false(xmc_has_sentences(text, (size_t) 1 << 40));
	build(&ctx, text, (size_t) 1 << 40, &document);
	assert_int_equal(document.n, 0);
	xmc_document_free(&ctx, &document);
	memcpy(text, "Cut it. ", 8);
	assert_true(xmc_has_sentences(text, (size_t) 1 << 40));
	assert_true(xmc_has_sentences(text, 9));
	assert_false(xmc_has_sentences(text, 8));
	assert_false(xmc_has_sentences(text, 0));
}

static void
test_labels(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	const char *text = "1. Open the cover. Ok. Clean the seal. Close it.";
	xmc_document document;

	(void) state;
	build(&ctx, text, strlen(text), &document);
	assert_int_equal(document.n, 5);
	assert_null(document.text_embedding);
	assert_null(document.image);
	/* "1." and "Ok." are no sentences of two words. */
	assert_int_equal(document.n_pairs, 3);
	for (int32_t p = 0; p < 3; p++)
	{
		static const int32_t before[] = {1, 1, 3};
		static const int32_t after[] = {3, 4, 4};

		assert_int_equal(document.pair[p].before, before[p]);
		assert_int_equal(document.pair[p].after, after[p]);
	}
	xmc_document_free(&ctx, &document);
	build(&ctx, "One sentence alone", 18, &document);
	assert_int_equal(document.n_pairs, 0);
	xmc_document_free(&ctx, &document);
	build(&ctx, "", 0, &document);
	assert_int_equal(document.n, 0);
	xmc_document_free(&ctx, &document);
}

/* A flattened document is the same: training keeps texts in this form. */
static void
test_flat(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	const char *text = "Open the cover. Clean the seal.";
	xmc_options options;
	xmc_options words;
	xmc_document document;
	xmc_document view;
	void	   *record;

	(void) state;
	xmc_options_default(&options);
	options.image_dim = 7;
	words = xmc_sentence_options(&options);
	build(&ctx, text, strlen(text), &document);
	record = test_malloc(xmc_document_flatten(&document, &words, NULL));
	xmc_document_flatten(&document, &words, record);
	xmc_document_view(record, &words, &view);
	assert_int_equal(view.n, 2);
	assert_int_equal(view.n_pairs, 1);
	assert_int_equal(view.feature_start[2], document.feature_start[2]);
	assert_memory_equal(view.feature, document.feature, (size_t) view.feature_start[2] * sizeof *view.feature);
	test_free(record);
	xmc_document_free(&ctx, &document);
}

/* A long text: so many sentences, and so many bytes. */
static void
test_bounds(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	size_t		length = 3 * XMC_SENTENCE_BYTES;
	char	   *text = test_malloc(length);
	xmc_document document;

	(void) state;
	for (size_t k = 0; k < length; k++)
		text[k] = "cut it. "[k % 8];
	build(&ctx, text, length, &document);
	assert_int_equal(document.n, XMC_MOST_SENTENCES);
	assert_int_equal(document.n_pairs, XMC_MOST_SENTENCES * (XMC_MOST_SENTENCES - 1) / 2);
	xmc_document_free(&ctx, &document);
	for (size_t k = 16; k < length; k++)
		text[k] = "cut it "[k % 7];
	build(&ctx, text, length, &document);
	assert_int_equal(document.n, 2);
	xmc_document_free(&ctx, &document);
	test_free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_division),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_flat),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
