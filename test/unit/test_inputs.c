/* test_inputs.c - the projection of an item's words by its definition, for few features and for more than a byte counts */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "network/inputs.h"
#include "xmcoh/random.h"
#include "xmcoh/text.h"

#define MOST_FEATURES 2000

/* x (XMC_WORD_SIGNS): the sum of the signs of the features that name things, divided by the square root of their number. */
static void
project(int32_t n, const uint32_t *feature, float *x)
{
	int32_t		sum[XMC_WORD_SIGNS] = {0};
	int32_t		count = 0;

	for (int32_t f = 0; f < n; f++)
	{
		xmc_feature_kind kind = xmc_feature_kind_of(feature[f]);
		uint64_t	state = feature[f];
		uint64_t	bits = 0;

		if (kind != XMC_FEATURE_WORD && kind != XMC_FEATURE_CHARACTERS)
			continue;
		count++;
		for (int k = 0; k < XMC_WORD_SIGNS; k++)
		{
			if (k % 64 == 0)
				bits = xmc_splitmix64(&state);
			sum[k] += bits >> k % 64 & 1 ? 1 : -1;
		}
	}
	for (int k = 0; k < XMC_WORD_SIGNS; k++)
		x[k] = count > 0 ? (float) sum[k] / sqrtf((float) count) : 0;
}

static void
test_words_are_projected(void **state)
{
	static const int32_t counts[] = {0, 1, 40, 254, 255, 256, 511, MOST_FEATURES};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_options options;
	xmc_model  *model;
	xmc_random	random;
	uint32_t	feature[MOST_FEATURES];

	(void) state;
	xmc_options_default(&options);
	options.hash_bits = 12;
	assert_int_equal(xmc_model_new(&ctx, &options, false, &model), XMC_OK);
	xmc_random_seed(&random, 11);
	for (int naming = 0; naming < 2; naming++)
		for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
		{
			int32_t		start[2] = {0, counts[c]};
			uint8_t		has = XMC_HAS_WORDS;
			const xmc_document document = {.n = 1,.has = &has,.feature_start = start,.feature = feature};
			float		x[XMC_WORD_SIGNS];
			float		expected[XMC_WORD_SIGNS];

			for (int32_t f = 0; f < counts[c]; f++)
			{
				feature[f] = (uint32_t) xmc_random_next(&random);
				if (naming)
					feature[f] = (feature[f] & ~XMC_FEATURE_KIND_MASK) | XMC_FEATURE_WORD;
			}
			project(counts[c], feature, expected);
			xmc_inputs_side(model, XMC_TEXT, true, &document, 0, x);
			assert_memory_equal(x, expected, sizeof x);
		}
	xmc_model_free(&ctx, model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_projected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
