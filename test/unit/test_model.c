/* test_model.c - layout and initial values of models */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>

#include "models.h"

/* ---- layout ---- */

static void
test_layout(void **state)
{
	static const struct
	{
		const char *name;
		int64_t		rows;
		int64_t		columns;
	}			expected[] = {
		{"sparse.weight", 256, 0}, {"mentions.weight", XMC_CONTEXTS, 0}, {"mentions.idf", XMC_MENTION_WORDS, 0},
		{"text.bag.weight", 256, 4},
		{"text.input.mean", 6, 0}, {"text.input.scale", 6, 0}, {"text.linear.weight", 2, 0},
		{"text.input.weight", 8, 6}, {"text.input.bias", 8, 0},
		{"text.layer.0.qkv.weight", 24, 8}, {"text.layer.0.qkv.bias", 24, 0},
		{"text.layer.0.out.weight", 8, 8}, {"text.layer.0.out.bias", 8, 0},
		{"text.layer.0.norm1.weight", 8, 0}, {"text.layer.0.norm1.bias", 8, 0},
		{"text.layer.0.ff1.weight", 12, 8}, {"text.layer.0.ff1.bias", 12, 0},
		{"text.layer.0.ff2.weight", 8, 12}, {"text.layer.0.ff2.bias", 8, 0},
		{"text.layer.0.norm2.weight", 8, 0}, {"text.layer.0.norm2.bias", 8, 0},
		{"text.layer.1.qkv.weight", 24, 8}, {"text.layer.1.norm2.bias", 8, 0},
		{"text.head.ab.weight", 16, 8}, {"text.head.c", 8, 0}, {"text.head.v", 8, 0},
		{"image.input.weight", 8, 3}, {"image.layer.1.ff1.weight", 12, 8},
		{"image.head.ab.weight", 16, 8}, {"image.head.c", 8, 0}, {"image.head.v", 8, 0},
		{"bilinear.weight", 10, 2 + 256 + 3}, {"bilinear.bias", 10, 0},
		{"align.text.weight", 8, 2 + 256}, {"align.image.weight", 8, 3}, {"align.scale", XMC_ALIGN_SCALES, 0},
	};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model = malloc(sizeof *model);
	int64_t		total = 0;

	(void) state;
	assert_int_equal(xmc_model_layout(&ctx, &options, true, model), XMC_OK);
	assert_int_equal(counts.calls, 0);
	assert_int_equal(model->n_tensors, 4 + 2 * (8 + 12 * 2) + 2 + 3);
	for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++)
	{
		const xmc_tensor *tensor = find(model, expected[k].name);

		if (!tensor)
			fail_msg("no %s", expected[k].name);
		assert_int_equal(tensor->shape[0], expected[k].rows);
		assert_int_equal(tensor->shape[1], expected[k].columns);
		assert_int_equal(tensor->n_dimensions, expected[k].columns ? 2 : 1);
		assert_int_equal(tensor->hashed, k < 4);
	}
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const xmc_tensor *tensor = &model->tensor[t];

		assert_int_equal(tensor->n_values, tensor->shape[0] * (tensor->n_dimensions == 2 ? tensor->shape[1] : 1));
		assert_null(*tensor->slot);
		total += tensor->n_values;
		for (int32_t other = 0; other < t; other++)
		{
			assert_string_not_equal(tensor->name, model->tensor[other].name);
			assert_ptr_not_equal(tensor->slot, model->tensor[other].slot);
		}
	}
	assert_int_equal(model->n_parameters, total);
	assert_ptr_equal(find(model, "image.layer.1.ff2.bias")->slot, &model->network[XMC_IMAGE].layer[1].ff2_b);
	assert_ptr_equal(find(model, "text.head.v")->slot, &model->network[XMC_TEXT].head_v);
	assert_ptr_equal(find(model, "text.bag.weight")->slot, &model->bag);

	options.layers = XMC_MAX_LAYERS;	/* the most tensors of all */
	assert_int_equal(xmc_model_layout(&ctx, &options, true, model), XMC_OK);
	assert_int_equal(model->n_tensors, 4 + 2 * (8 + 12 * XMC_MAX_LAYERS) + 2 + 3);
	assert_string_equal(model->tensor[model->n_tensors - 9].name, "image.layer.11.norm2.bias");
	free(model);
}

/* Which terms the model has, for every kind of input. */
static void
test_terms(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = malloc(sizeof *model);

	(void) state;
	for (int kind = 0; kind < 32; kind++)
	{
		xmc_options options = small_options();
		bool		has_bag = (kind & 16) != 0;
		bool		bag;
		int32_t		text_input;

		options.words = kind & 1;
		options.text_dim = kind & 2 ? 2 : 0;
		options.image_dim = kind & 4 ? 3 : 0;
		options.bag_dim = kind & 8 ? 4 : 0;
		options.bilinear_dim = kind & 8 ? 5 : 0;
		if ((kind & 7) == 0)
		{
			assert_int_equal(xmc_model_layout(&ctx, &options, has_bag, model), XMC_BAD_INPUT);
			continue;
		}
		assert_int_equal(xmc_model_layout(&ctx, &options, has_bag, model), XMC_OK);
		bag = has_bag && options.words && options.bag_dim;
		text_input = (bag ? 4 : 0) + options.text_dim;
		assert_int_equal(model->has_bag, bag);
		assert_int_equal(find(model, "sparse.weight") != NULL, options.words);
		assert_int_equal(find(model, "mentions.weight") != NULL, options.words);
		assert_int_equal(find(model, "mentions.idf") != NULL, options.words);
		assert_int_equal(find(model, "text.bag.weight") != NULL, bag);
		assert_int_equal(model->network[XMC_TEXT].input_dim, text_input);
		assert_int_equal(find(model, "text.input.weight") != NULL, text_input > 0);
		assert_int_equal(find(model, "text.linear.weight") != NULL, options.text_dim > 0);
		assert_int_equal(find(model, "text.layer.1.qkv.weight") != NULL, text_input > 0);
		assert_int_equal(model->network[XMC_IMAGE].input_dim, options.image_dim);
		assert_int_equal(find(model, "image.head.v") != NULL, options.image_dim > 0);
		assert_int_equal(model->n_tensors, 3 * options.words + bag + 31 * ((text_input > 0) + (options.image_dim > 0)) +
						 (options.text_dim > 0) + (options.image_dim > 0) + (options.bilinear_dim ? 2 : 0) +
						 (options.image_dim && (options.words || options.text_dim) ? 3 : 0));
		assert_int_equal(find(model, "bilinear.weight") != NULL, options.bilinear_dim > 0);
		assert_int_equal(find(model, "align.scale") != NULL, options.image_dim && (options.words || options.text_dim));
		assert_false(model->has_alignment);
	}
	free(model);
}

/* Options within their bounds whose model would be too large to store are refused before anything is allocated. */
static void
test_too_large(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model;
	int32_t		n;
	const xmc_option_info *info = xmc_option_table(&n);

	(void) state;
	options.bag_bits = 22;
	options.bag_dim = 512;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_LIMIT);
	assert_null(model);
	assert_int_equal(counts.live, 0);
	for (int32_t k = 0; k < n; k++)
		assert_int_equal(xmc_options_set(&ctx, &options, info[k].name, info[k].high), XMC_OK);
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_LIMIT);
	assert_int_equal(counts.live, 0);
}

/* ---- initial values ---- */

static void
moments(const float *value, int64_t n, double *mean, double *deviation, double *largest)
{
	double		sum = 0;
	double		squares = 0;

	*largest = 0;
	for (int64_t k = 0; k < n; k++)
	{
		sum += value[k];
		squares += (double) value[k] * value[k];
		*largest = fmax(*largest, fabs(value[k]));
	}
	*mean = sum / (double) n;
	*deviation = sqrt(squares / (double) n - *mean * *mean);
}

/*
 * Uniform in +-bound: the largest value is near the bound, none exceeds it, and the deviation is that of the distribution.
 */
static void
expect_uniform(const xmc_model *model, const char *name, double bound)
{
	const xmc_tensor *tensor = find(model, name);
	double		mean;
	double		deviation;
	double		largest;

	moments(*tensor->slot, tensor->n_values, &mean, &deviation, &largest);
	assert_true(largest <= bound * 1.000001 && largest > 0.95 * bound);
	assert_true(fabs(mean) < 4 * bound / sqrt(3.0 * (double) tensor->n_values));
	assert_true(fabs(deviation / (bound / sqrt(3.0)) - 1) < 0.15);
}

static void
expect_constant(const xmc_model *model, const char *name, float wanted)
{
	const xmc_tensor *tensor = find(model, name);

	for (int64_t k = 0; k < tensor->n_values; k++)
		assert_true((*tensor->slot)[k] == wanted);
}

static void
test_start(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model;
	double		mean;
	double		deviation;
	double		largest;
	const float *place;

	(void) state;
	options.d_model = 64;
	options.feed_forward = 96;
	options.image_dim = 32;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	expect_uniform(model, "image.input.weight", sqrt(6.0 / (64 + 32)));
	expect_uniform(model, "text.input.weight", sqrt(6.0 / (64 + 6)));
	expect_uniform(model, "text.layer.0.qkv.weight", sqrt(6.0 / (64 + 64)));
	expect_uniform(model, "text.layer.1.out.weight", sqrt(6.0 / (64 + 64)));
	expect_uniform(model, "image.layer.0.ff1.weight", sqrt(6.0 / (64 + 96)));
	expect_uniform(model, "image.layer.0.ff2.weight", sqrt(6.0 / (64 + 96)));
	expect_uniform(model, "image.head.ab.weight", sqrt(6.0 / (64 + 64)));
	expect_uniform(model, "image.head.v", 0.1 * sqrt(6.0 / (64 + 1)));
	expect_constant(model, "sparse.weight", 0);
	expect_constant(model, "text.input.bias", 0);
	expect_constant(model, "text.layer.0.qkv.bias", 0);
	expect_constant(model, "text.layer.0.norm1.weight", 1);
	expect_constant(model, "text.layer.0.norm1.bias", 0);
	expect_constant(model, "image.layer.1.norm2.weight", 1);
	expect_constant(model, "image.layer.1.ff2.bias", 0);
	expect_constant(model, "image.head.c", 0);
	expect_uniform(model, "bilinear.weight", sqrt(6.0 / (2 + 256 + 32 + 5)));
	expect_constant(model, "bilinear.bias", 0);
	moments(model->bag, 256 * 4, &mean, &deviation, &largest);
	assert_true(fabs(mean) < 0.0125 && fabs(deviation - 0.1) < 0.01 && largest > 0.25 && largest < 0.6);
	for (int m = 0; m < XMC_MODALITIES; m++)
		assert_true(model->calibration.solo[m] == 1 && model->calibration.fused[m] == 1);

	/* one aligned block without gaps, in storage order */
	place = *model->tensor[0].slot;
	assert_int_equal((uintptr_t) place % 64, 0);
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		assert_ptr_equal(*model->tensor[t].slot, place);
		place += model->tensor[t].n_values;
	}
	assert_int_equal(place - *model->tensor[0].slot, model->n_parameters);
	assert_int_equal(counts.live, 1);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* Initial values depend on the seed, and not on other tensors of the model. */
static void
test_seed(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *first;
	xmc_model  *same;
	xmc_model  *other;
	xmc_model  *alone;
	size_t		bytes;
	const xmc_tensor *tensor;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &first), XMC_OK);
	assert_int_equal(xmc_model_new(&ctx, &options, true, &same), XMC_OK);
	options.seed = 8;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &other), XMC_OK);
	options.seed = 7;
	options.words = 0;
	options.text_dim = 0;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &alone), XMC_OK);
	assert_memory_equal(*first->tensor[0].slot, *same->tensor[0].slot, (size_t) first->n_parameters * sizeof(float));
	tensor = find(first, "image.layer.0.qkv.weight");
	bytes = (size_t) tensor->n_values * sizeof(float);
	assert_memory_not_equal(*tensor->slot, *find(other, tensor->name)->slot, bytes);
	assert_memory_equal(*tensor->slot, *find(alone, tensor->name)->slot, bytes);
	assert_memory_not_equal(*tensor->slot, *find(first, "image.layer.1.qkv.weight")->slot, bytes);
	assert_memory_not_equal(*tensor->slot, *find(first, "text.layer.0.qkv.weight")->slot, bytes);
	xmc_model_free(&ctx, first);
	xmc_model_free(&ctx, same);
	xmc_model_free(&ctx, other);
	xmc_model_free(&ctx, alone);
	assert_int_equal(counts.live, 0);
}

/* Renewing a term gives its tensors the values of a new model, and leaves all others as they are. */
static void
test_renew(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model;
	xmc_model  *fresh;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &fresh), XMC_OK);
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	for (int p = 0; p < XMC_TERMS; p++)
	{
		for (int32_t t = 0; t < model->n_tensors; t++)
			for (int64_t k = 0; k < model->tensor[t].n_values; k++)
				(*model->tensor[t].slot)[k] = 17;
		assert_int_equal(xmc_model_renew_term(&ctx, model, (xmc_term) p), XMC_OK);
		for (int32_t t = 0; t < model->n_tensors; t++)
			for (int64_t k = 0; k < model->tensor[t].n_values; k++)
				assert_true((*model->tensor[t].slot)[k] ==
							(model->tensor[t].term == (xmc_term) p ? (*fresh->tensor[t].slot)[k] : 17));
	}
	xmc_model_free(&ctx, fresh);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_renew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
