/* test_dataset.c - documents as flat records: a view equals the document that was flattened, whatever inputs are missing */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "counting.h"
#include "xmcoh/dataset.h"

#define MOST_ITEMS 6

static void
assert_same_bytes(const void *a, const void *b, size_t size)
{
	if (size)
		assert_memory_equal(a, b, size);
}

static void
assert_same(const xmc_options *o, const xmc_document *a, const xmc_document *b)
{
	size_t		n = (size_t) a->n;

	assert_int_equal(a->n, b->n);
	assert_same_bytes(a->has, b->has, n);
	assert_same_bytes(a->feature_start, b->feature_start, (n + 1) * sizeof(int32_t));
	assert_same_bytes(a->feature, b->feature, (size_t) a->feature_start[n] * sizeof(uint32_t));
	assert_same_bytes(a->word_start, b->word_start, (n + 1) * sizeof(int32_t));
	assert_same_bytes(a->word, b->word, (size_t) a->word_start[n] * sizeof(uint32_t));
	assert_int_equal(a->text_embedding == NULL, b->text_embedding == NULL);
	assert_int_equal(a->image == NULL, b->image == NULL);
	assert_same_bytes(a->text_embedding, b->text_embedding, n * (size_t) o->text_dim * sizeof(float));
	assert_same_bytes(a->image, b->image, n * (size_t) o->image_dim * sizeof(float));
	assert_int_equal(a->n_pairs, b->n_pairs);
	assert_true(a->group == b->group);
	assert_same_bytes(a->pair, b->pair, (size_t) a->n_pairs * sizeof(xmc_pair));
}

/* n items; every `missing`-th has no text, every `missing` + 1st no picture, every `missing` + 2nd no text embedding. */
static void
build(xmc_ctx *ctx, const xmc_options *o, int32_t n, int32_t missing, xmc_document *out)
{
	static const char *const text[MOST_ITEMS] = {"open the lid", "", "ネジを外す", "clean", "close it", "run a test run"};
	static const char *const key[MOST_ITEMS] = {"1", "2", "3", "4", "5", "6"};
	float		image[MOST_ITEMS][5];
	float		embedding[MOST_ITEMS][3];
	xmc_item	item[MOST_ITEMS] = {0};
	xmc_tokeniser *tokeniser;

	assert_int_equal(xmc_tokeniser_new(ctx, &tokeniser), XMC_OK);
	for (int32_t i = 0; i < n; i++)
	{
		for (int k = 0; k < 5; k++)
			image[i][k] = (float) (i * 10 + k);
		for (int k = 0; k < 3; k++)
			embedding[i][k] = (float) (i - k);
		item[i] = (xmc_item){.key = key[i],.key_length = 1,.text = text[i],.text_length = strlen(text[i]),
			.text_embedding = embedding[i],.image = image[i]};
		if (i % missing == 0)
			item[i].text = NULL;
		if (i % (missing + 1) == 0)
			item[i].image = NULL;
		if (i % (missing + 2) == 0)
			item[i].text_embedding = NULL;
	}
	assert_int_equal(xmc_document_build(ctx, o, tokeniser, n, item, out), XMC_OK);
	xmc_tokeniser_free(tokeniser);
}

static void
test_round_trip(void **state)
{
	/* words, text_dim, image_dim: all of them, and each alone */
	static const int32_t inputs[][3] = {{1, 3, 5}, {1, 0, 0}, {0, 3, 0}, {0, 0, 5}};
	static const int32_t order[MOST_ITEMS] = {2, 0, 1, 5, 4, 3};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);

	(void) state;
	for (size_t k = 0; k < sizeof inputs / sizeof *inputs; k++)
		for (int32_t n = 0; n <= MOST_ITEMS; n++)
			for (int labelled = 0; labelled < 2; labelled++)
				for (int32_t missing = 1; missing < 4; missing++)
				{
					xmc_options o;
					xmc_document document;
					xmc_document view;
					xmc_document copy;
					size_t		size;
					char	   *block;

					xmc_options_default(&o);
					o.words = inputs[k][0];
					o.text_dim = inputs[k][1];
					o.image_dim = inputs[k][2];
					build(&ctx, &o, n, missing, &document);
					if (labelled && (n == 3 || n == MOST_ITEMS))
						assert_int_equal(xmc_document_label_order(&ctx, &document, order), XMC_OK);

					document.group = labelled ? UINT64_C(0x123456789abcdef0) : 0;
					size = xmc_document_flatten(&document, &o, NULL);
					assert_int_equal(size % XMC_RECORD_ALIGN, 0);
					/* Two records, one behind the other, in exactly their size; the second is a view's. */
					block = aligned_alloc(XMC_RECORD_ALIGN, 2 * size);
					assert_non_null(block);
					memset(block, 0xa5, 2 * size);
					assert_int_equal(xmc_document_flatten(&document, &o, block), size);
					xmc_document_view(block, &o, &view);
					assert_same(&o, &document, &view);
					assert_ptr_equal(xmc_document_record(&view), block);
					assert_int_equal(xmc_document_flatten(&view, &o, block + size), size);
					xmc_document_view(block + size, &o, &copy);
					assert_same(&o, &document, &copy);
					assert_memory_equal(block, block + size, size);
					free(block);
					xmc_document_free(&ctx, &document);
				}
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
