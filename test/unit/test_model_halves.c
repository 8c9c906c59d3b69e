/* test_model_halves.c - differences to a text encoder in the file of a model, where they have half precision */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "models.h"
#include "model/dtype.h"
#include "model/safetensors.h"

static xmc_options
whole_layer_options(void)
{
	xmc_options options = small_options();

	options.text_dim = 3;
	options.fine_tune = 2;
	options.adapter_rank = 0;
	return options;
}

/* A value of the difference of a layer, of a model that was opened. */
static float
half_at(const xmc_model *model, int layer, int64_t k)
{
	float		value;

	xmc_dtype_to_float(XMC_F16, 1, (const unsigned char *) model->network[XMC_TEXT].change[layer].half + 2 * k, &value);
	return value;
}

/* Differences are rounded, also those that were measured, and stay in the file when it is opened. */
static void
test_round_trip(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = whole_layer_options();
	xmc_model  *model;
	xmc_model  *opened;
	unsigned char *file;
	unsigned char *again;
	size_t		size;
	size_t		again_size;
	int64_t		n = 3 * (12 * 3 + 13);	/* odd */

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	assert_int_equal(find(model, "text.encoder.1.difference")->n_values, n);
	assert_null(find(model, "text.adapter.0.query.a"));
	xmc_model_note_changes(model);
	assert_false(xmc_reads_tokens(model));
	for (int64_t k = 0; k < n; k++)
		model->network[XMC_TEXT].change[1].difference[k] = 0.001f * (float) k - 0.1f;
	assert_int_equal(xmc_model_keep_measured(&ctx, model), XMC_OK);
	model->network[XMC_TEXT].change[0].difference[7] = 1.0f / 3;
	file = save(&ctx, model, &size);

	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	assert_true(xmc_reads_tokens(opened));
	assert_true(half_at(opened, 0, 7) == 0.333251953125f);
	assert_true(half_at(opened->measured, 0, 7) == 0);
	for (int64_t k = 0; k < n; k++)
	{
		uint16_t	half;
		float		rounded;

		xmc_dtype_to_half(1, &model->network[XMC_TEXT].change[1].difference[k], &half);
		xmc_dtype_to_float(XMC_F16, 1, &half, &rounded);
		assert_true(half_at(opened, 1, k) == rounded);
	}
	assert_ptr_equal(opened->measured->network[XMC_TEXT].change[1].half, opened->network[XMC_TEXT].change[1].half);
	/* They stay in the file, of which all sessions have one copy. */
	for (int k = 0; k < 2; k++)
	{
		const unsigned char *half = opened->network[XMC_TEXT].change[k].half;

		assert_null(opened->network[XMC_TEXT].change[k].difference);
		assert_true(half >= file && half + 2 * n <= file + size);
	}
	again = save(&ctx, opened, &again_size);
	assert_int_equal(again_size, size);
	assert_memory_equal(again, file, size);
	free(again);
	xmc_release(&ctx, opened);
	free(file);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* A difference must not be beyond half precision. */
static void
test_too_large(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_options options = whole_layer_options();
	xmc_model  *model;
	unsigned char *file;
	size_t		size;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	assert_int_equal(xmc_model_save(&ctx, model, NULL, &size), XMC_OK);
	model->network[XMC_TEXT].change[1].difference[3] = 65520;	/* infinite in half precision */
	file = malloc(size);
	assert_int_equal(xmc_model_save(&ctx, model, file, &size), XMC_BAD_MODEL);
	assert_string_equal(ctx.message, "tensor \"text.encoder.1.difference\": value 3 is not finite in half precision");
	free(file);
	xmc_model_free(&ctx, model);
}

/* No other tensor may be of half precision. */
static void
test_other_tensors(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_options options = whole_layer_options();
	xmc_model  *model;
	xmc_model  *opened;
	xmc_safetensors st;
	unsigned char *file;
	unsigned char *again;
	size_t		size;
	size_t		again_size;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	file = save(&ctx, model, &size);
	xmc_model_free(&ctx, model);
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st), XMC_OK);
	for (int32_t k = 0; k < st.n_tensors; k++)
		if (strncmp(st.tensor[k].name, "text.encoder.", 13) == 0)
			assert_int_equal(st.tensor[k].dtype, XMC_F16);
		else
			assert_int_equal(st.tensor[k].dtype, XMC_F32);
	for (int32_t k = 0; k < st.n_tensors; k++)
		if (strcmp(st.tensor[k].name, "text.linear.weight") == 0)
			st.tensor[k].dtype = XMC_F16;
	again = malloc(size);
	for (int32_t k = 0; k < st.n_tensors; k++)	/* narrow tensors come last */
		for (int32_t l = k + 1; l < st.n_tensors; l++)
			if (st.tensor[k].dtype == XMC_F16 && st.tensor[l].dtype == XMC_F32)
			{
				xmc_tensor_view other = st.tensor[k];

				st.tensor[k] = st.tensor[l];
				st.tensor[l] = other;
			}
	again_size = size;
	if (xmc_safetensors_write(&ctx, st.n_tensors, st.tensor, st.n_metadata, st.metadata, again, &again_size) != XMC_OK)
		fail_msg("%s", ctx.message);
	xmc_safetensors_free(&ctx, &st);
	assert_int_equal(xmc_model_open(&ctx, again, again_size, true, &opened), XMC_BAD_MODEL);
	assert_string_equal(ctx.message, "stored model: tensor \"text.linear.weight\" has dtype \"F16\", but must have \"F32\"");
	free(again);
	free(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_other_tensors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
