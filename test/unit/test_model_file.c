/* test_model_file.c - saving and opening models, and refusing files that are no models */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <math.h>

#include "models.h"
#include "model/dims.h"
#include "model/safetensors.h"
#include "xmcoh/seen.h"
#include "xmcoh/text.h"

/* A saved model of small_options. */
static unsigned char *
small_file(xmc_ctx *ctx, size_t *size)
{
	xmc_options options = small_options();
	xmc_model  *model;
	unsigned char *file;

	assert_int_equal(xmc_model_new(ctx, &options, true, &model), XMC_OK);
	file = save(ctx, model, size);
	xmc_model_free(ctx, model);
	return file;
}

/* ---- saving and opening ---- */

static void
test_round_trip(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model;
	xmc_model  *opened;
	unsigned char *file;
	unsigned char *original;
	unsigned char *again;
	size_t		size;
	size_t		again_size;
	uint64_t	length;

	(void) state;
	options.dropout = 1.0 / 3;	/* not to be written in few digits */
	options.learning_rate = 1e-7;
	options.seed = 2147483647;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	model->calibration = (xmc_calibration){{0.1, 0}, {1e-300, 12345.678901234567, 1.0 / 7}, {{0.3, 1e-17, 5}, {2, 1.0 / 3, 1e17}}, {0.7, 0, 1.0 / 9, 3}};
	model->has_alignment = true;
	memset(model->encoder[XMC_TEXT], 'a', XMC_ENCODER_NAME);
	file = save(&ctx, model, &size);
	original = exact_copy(file, size);
	memcpy(&length, file, 8);
	assert_int_equal(size, 8 + length + 4 * (uint64_t) model->n_parameters);

	if (xmc_model_open(&ctx, file, size, true, &opened) != XMC_OK)
		fail_msg("%s", ctx.message);
	assert_int_equal(counts.live, 2);	/* the parser's memory is gone, the opened model is one allocation */
	assert_memory_equal(&opened->options, &options, sizeof options);
	assert_memory_equal(&opened->calibration, &model->calibration, sizeof model->calibration);
	assert_memory_equal(opened->encoder, model->encoder, sizeof model->encoder);
	assert_true(opened->has_bag);
	assert_true(opened->has_alignment);
	assert_int_equal(opened->n_tensors, model->n_tensors);
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const float *data = *opened->tensor[t].slot;

		assert_string_equal(opened->tensor[t].name, model->tensor[t].name);
		assert_memory_equal(data, *model->tensor[t].slot, (size_t) model->tensor[t].n_values * sizeof(float));
		assert_true((const unsigned char *) data >= file + 8 + length && (const unsigned char *) data < file + size);
	}
	assert_ptr_equal(opened->network[XMC_IMAGE].head_v, *find(opened, "image.head.v")->slot);
	again = save(&ctx, opened, &again_size);
	assert_int_equal(again_size, size);
	assert_memory_equal(again, original, size);
	assert_memory_equal(file, original, size);
	xmc_release(&ctx, opened);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
	free(file);
	free(original);
	free(again);
}

/* The gaps are kept, a file without them has none, and a tensor of another shape is refused. */
static void
test_gaps(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model;
	xmc_model  *opened;
	xmc_safetensors st;
	unsigned char *file;
	unsigned char *changed;
	size_t		size;
	size_t		columns;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	columns = (size_t) xmc_gap_columns(&model->options);
	file = save(&ctx, model, &size);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	assert_null(opened->gaps.row);
	xmc_release(&ctx, opened);
	free(file);

	assert_int_equal(xmc_model_new_gaps(&ctx, model), XMC_OK);
	for (size_t k = 0; k < XMC_GAP_KINDS * columns; k++)
		model->gaps.row[k] = (float) k;
	file = save(&ctx, model, &size);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	assert_memory_equal(opened->gaps.row, model->gaps.row, XMC_GAP_KINDS * columns * sizeof(float));
	xmc_release(&ctx, opened);

	/* the same values in another shape */
	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st), XMC_OK);
	for (int32_t k = 0; k < st.n_tensors; k++)
		if (strcmp(st.tensor[k].name, "gaps") == 0)
		{
			st.tensor[k].shape[0] = (int64_t) columns;
			st.tensor[k].shape[1] = XMC_GAP_KINDS;
		}
	changed = malloc(size + 64);
	size += 64;
	assert_int_equal(xmc_safetensors_write(&ctx, st.n_tensors, st.tensor, st.n_metadata, st.metadata, changed, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&ctx, changed, size, true, &opened), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "tensor \"gaps\" has shape"));
	xmc_safetensors_free(&ctx, &st);
	free(changed);
	free(file);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/*
 * The model as it was measured is kept: tensors of terms that differ are stored a second time, the others are shared, and the
 * record of held-out documents means for it that they are unseen.
 */
static void
test_measured(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	static const xmc_document document[3] = {{.n_pairs = 1}, {.n_pairs = 1}, {.n_pairs = 0}};
	static char *const key[3] = {(char *) "taught", (char *) "held out", (char *) "neither"};
	static const uint8_t held_out[3] = {0, 1, 1};
	static const uint64_t group[3] = {UINT64_C(7) << 32, UINT64_C(8) << 32, UINT64_C(8) << 32};
	const xmc_model *measured;
	xmc_model  *model;
	xmc_model  *opened;
	unsigned char *file;
	unsigned char *again;
	char	   *name;
	size_t		size;
	size_t		size_without;
	size_t		again_size;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	assert_ptr_equal(xmc_measured(model), model);
	file = save(&ctx, model, &size_without);
	free(file);
	assert_int_equal(xmc_model_keep_measured(&ctx, model), XMC_OK);
	for (int32_t k = 0; k < model->tensor[0].n_values; k++)
		(*find(model, "sparse.weight")->slot)[k] = 1;
	model->network[XMC_IMAGE].head_v[0] = 17;
	model->align_scale[0] = 2;	/* of no term: shared */
	assert_int_equal(xmc_seen_fill(&ctx, model, 3, document, key, held_out), XMC_OK);
	assert_int_equal(xmc_seen_fill_groups(&ctx, model, 3, document, group, held_out), XMC_OK);
	file = save(&ctx, model, &size);
	assert_in_range(size - size_without, 4 * (size_t) model->tensor[0].n_values, 4 * (size_t) model->tensor[0].n_values + 2500);

	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	measured = xmc_measured(opened);
	assert_ptr_not_equal(measured, opened);
	assert_true(measured->is_measured && !opened->is_measured);
	assert_true(opened->sparse[3] == 1 && measured->sparse[3] == 0);
	assert_true(opened->network[XMC_IMAGE].head_v[0] == 17 && measured->network[XMC_IMAGE].head_v[0] != 17);
	assert_ptr_equal(measured->network[XMC_TEXT].head_v, opened->network[XMC_TEXT].head_v);
	assert_true(measured->align_scale[0] == 2);
	assert_memory_equal(&measured->calibration, &opened->calibration, sizeof opened->calibration);
	assert_int_equal(xmc_seen_find(opened, "held out", 8), XMC_SEEN_LABELLED);
	assert_int_equal(xmc_seen_find(measured, "held out", 8), XMC_UNSEEN);
	assert_int_equal(xmc_seen_find(measured, "taught", 6), XMC_SEEN_LABELLED);
	assert_int_equal(xmc_seen_find(opened, "neither", 7), XMC_UNSEEN);
	assert_true(xmc_seen_group(opened, group[1]) && !xmc_seen_group(measured, group[1]) && xmc_seen_group(measured, group[0]));
	again = save(&ctx, opened, &again_size);
	assert_int_equal(again_size, size);
	assert_memory_equal(again, file, size);
	xmc_release(&ctx, opened);
	free(again);

	/* no other tensors as measured than those of the model */
	name = strstr((char *) file + 8, "measured.image.head.v");
	assert_non_null(name);
	name[strlen("measured.image.head.")] = 'w';
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "unrecognized tensor \"measured.image.head.w\""));
	free(file);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* The table of reliability is kept, a file without one has none, and a table that cannot be one is refused. */
static void
test_reliability(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model;
	xmc_model  *opened;
	unsigned char *file;
	size_t		size;
	static const float bad[][XMC_RELIABILITY_COLUMNS] = {
		{2, -1, 40, 1, 0.5f, 1}, {2, 1, 40, 41, 0.5f, 1}, {2, 1, 40, -1, 0.5f, 1}, {2, 1, 40, 1, 1.5f, 1}, {2, 1, 40, 1, 0.5f, 2},
		{-1, 1, 40, 1, 0.5f, 1}, {2, 1, -40, -41, 0.5f, 1}
	};

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	file = save(&ctx, model, &size);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	assert_int_equal(opened->reliability.n, 0);
	xmc_release(&ctx, opened);
	free(file);

	model->reliability.n = XMC_RELIABILITY_MAX_ROWS;
	for (int32_t r = 0; r < model->reliability.n; r++)
		memcpy(model->reliability.row[r], (float[]) {2, 0.25f * (float) r, 40, 1.0f / (float) (r + 1), 0.5f, 1}, sizeof bad[0]);
	file = save(&ctx, model, &size);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	assert_int_equal(opened->reliability.n, model->reliability.n);
	assert_memory_equal(opened->reliability.row, model->reliability.row, sizeof model->reliability.row);
	xmc_release(&ctx, opened);
	free(file);

	model->reliability.n = 1;
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
	{
		memcpy(model->reliability.row[0], bad[k], sizeof bad[k]);
		assert_int_equal(xmc_model_save(&ctx, model, NULL, &size), XMC_OK);
		file = malloc(size);
		assert_int_equal(xmc_model_save(&ctx, model, file, &size), XMC_BAD_MODEL);
		assert_string_equal(ctx.message, "stored model: row 0 of tensor \"reliability\" is invalid");
		free(file);
	}
	xmc_model_free(&ctx, model);
}

/* Models with every kind of input are the same after saving and opening. */
static void
test_round_trip_terms(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);

	(void) state;
	for (int kind = 1; kind < 16; kind++)
	{
		xmc_options options = small_options();
		xmc_model  *model;
		xmc_model  *opened;
		unsigned char *file;
		size_t		size;

		options.words = kind & 1;
		options.text_dim = kind & 2 ? 2 : 0;
		options.image_dim = kind & 4 ? 3 : 0;
		if ((kind & 7) == 0)
			continue;
		assert_int_equal(xmc_model_new(&ctx, &options, (kind & 8) != 0, &model), XMC_OK);
		file = save(&ctx, model, &size);
		if (xmc_model_open(&ctx, file, size, true, &opened) != XMC_OK)
			fail_msg("%s", ctx.message);
		assert_int_equal(opened->has_bag, model->has_bag);
		assert_int_equal(opened->n_parameters, model->n_parameters);
		xmc_release(&ctx, opened);
		xmc_model_free(&ctx, model);
		free(file);
	}
	assert_int_equal(counts.live, 0);
}

static void
test_save_refuses(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	static const double wrong[] = {NAN, INFINITY, -1e-9};
	xmc_model  *model;
	unsigned char *file;
	size_t		size;
	size_t		less;

	(void) state;
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	file = save(&ctx, model, &size);
	for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
	{
		model->calibration.fused[XMC_IMAGE] = wrong[k];
		assert_int_equal(xmc_model_save(&ctx, model, file, &size), XMC_BAD_MODEL);
		assert_non_null(strstr(ctx.message, "calibration.fused.image"));
	}
	model->calibration.fused[XMC_IMAGE] = 1;
	model->network[XMC_TEXT].layer[1].ff1_b[3] = NAN;
	assert_int_equal(xmc_model_save(&ctx, model, file, &size), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "\"text.layer.1.ff1.bias\": value 3 is not a number"));
	model->network[XMC_TEXT].layer[1].ff1_b[3] = 0;
	less = size - 1;
	assert_int_equal(xmc_model_save(&ctx, model, file, &less), XMC_BAD_INPUT);
	assert_int_equal(xmc_model_save(&ctx, model, file, &size), XMC_OK);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
	free(file);
}

/* ---- files that are no models ---- */

static void
expect_refused(const void *file, size_t size, const char *expected)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model;
	xmc_status	status = xmc_model_open(&ctx, file, size, true, &model);

	if (status != XMC_BAD_MODEL)
		fail_msg("status %d, expected: %s", (int) status, expected);
	if (!strstr(ctx.message, expected))
		fail_msg("message is \"%s\", not \"%s\"", ctx.message, expected);
	assert_null(model);
	assert_int_equal(counts.live, 0);
}

/* The small file is parsed, changed in one place, written and opened. Pass one change, NULL for the others. */
typedef struct change
{
	const char *key;			/* metadata to change, or to add */
	const char *value;			/* NULL: take it out */
	const char *tensor;			/* tensor to change */
	const char *name;			/* its new name; NULL: take it out */
	int32_t		n_dimensions;	/* with name: its new shape */
	int64_t		shape[XMC_TENSOR_MAX_DIMENSIONS];
} change;

static void
expect_changed(const change *what, const char *expected)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		size;
	unsigned char *file = small_file(&ctx, &size);
	xmc_safetensors st;
	unsigned char *changed;
	size_t		changed_size;
	int32_t		kept;
	static xmc_tensor_view tensor[XMC_SAFETENSORS_MAX_ENTRIES];
	static xmc_metadata metadata[XMC_SAFETENSORS_MAX_ENTRIES];
	static const float zero[XMC_CONTEXTS + 1];
	bool		found = false;

	assert_int_equal(xmc_safetensors_parse(&ctx, file, size, XMC_TENSORS_OF_MODEL, &st), XMC_OK);
	kept = 0;
	for (int32_t k = 0; k < st.n_metadata; k++)
	{
		metadata[kept] = st.metadata[k];
		if (what->key && strcmp(what->key, st.metadata[k].key) == 0)
		{
			found = true;
			if (!what->value)
				continue;
			metadata[kept].value = what->value;
		}
		kept++;
	}
	if (what->key && !found)
		metadata[kept++] = (xmc_metadata){what->key, what->value};
	st.n_metadata = kept;
	kept = 0;
	found = false;
	for (int32_t k = 0; k < st.n_tensors; k++)
	{
		tensor[kept] = st.tensor[k];
		if (what->tensor && strcmp(what->tensor, st.tensor[k].name) == 0)
		{
			found = true;
			if (!what->name)
				continue;
			tensor[kept].name = what->name;
			tensor[kept].n_dimensions = what->n_dimensions;
			tensor[kept].n_values = 1;
			memcpy(tensor[kept].shape, what->shape, sizeof what->shape);
			for (int32_t d = 0; d < what->n_dimensions; d++)
				tensor[kept].n_values *= what->shape[d];
			assert_true(tensor[kept].n_values <= XMC_CONTEXTS + 1);
			tensor[kept].data = zero;
		}
		kept++;
	}
	if (what->tensor && !found)
		tensor[kept++] = (xmc_tensor_view){.name = what->tensor,.n_dimensions = 1,.shape = {1},.n_values = 1,.data = zero};
	assert_int_equal(xmc_safetensors_write(&ctx, kept, tensor, st.n_metadata, metadata, NULL, &changed_size), XMC_OK);
	changed = malloc(changed_size);
	assert_int_equal(xmc_safetensors_write(&ctx, kept, tensor, st.n_metadata, metadata, changed, &changed_size), XMC_OK);
	if (expected)
		expect_refused(changed, changed_size, expected);
	else
	{
		xmc_model  *model;

		if (xmc_model_open(&ctx, changed, changed_size, true, &model) != XMC_OK)
			fail_msg("%s", ctx.message);
		xmc_release(&ctx, model);
	}
	xmc_safetensors_free(&ctx, &st);
	assert_int_equal(counts.live, 0);
	free(changed);
	free(file);
}

static void
test_wrong_metadata(void **state)
{
	static const char *const no_number[] = {"", " 1", "1 ", "0x1p3", "nan", "NAN", "inf", "-inf", "1e999", "infinity", "1,5", "one",
	"+", "1-1"};
	int32_t		n;
	const xmc_option_info *info = xmc_option_table(&n);
	static const char *const other_keys[] = {"format", "feature_version", "has_bag", "has_alignment", "calibration.solo.text",
	"calibration.solo.image", "calibration.fused.text", "calibration.fused.image", "calibration.fused.bilinear", "calibration.guided.text.own",
		"calibration.guided.text.other", "calibration.guided.text.stored", "calibration.guided.image.own",
		"calibration.guided.image.other", "calibration.guided.image.stored", "calibration.crossed.text",
	"calibration.crossed.image", "calibration.crossed.text.stored", "calibration.crossed.image.stored"};
	static const char sha256[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	char		key[64];
	char		expected[128];

	(void) state;
	expect_changed(&(change){0}, NULL);	/* sorted, as it is now, it is still the model */
	for (int32_t k = 0; k < n + (int32_t) (sizeof other_keys / sizeof other_keys[0]); k++)
	{
		if (k < n)
			snprintf(key, sizeof key, "option.%s", info[k].name);
		else
			snprintf(key, sizeof key, "%s", other_keys[k - n]);
		if (k < n && info[k].is_later)
			continue;
		snprintf(expected, sizeof expected, "metadata has no \"%s\"", key);
		expect_changed(&(change){.key = key}, expected);
		snprintf(expected, sizeof expected, "metadata \"%s\" is", key);
		for (size_t v = 0; v < sizeof no_number / sizeof no_number[0]; v++)
			expect_changed(&(change){.key = key,.value = no_number[v]}, expected);
		if (k < n)
		{
			char		value[32];

			snprintf(value, sizeof value, "%.17g", info[k].high + 1);
			snprintf(expected, sizeof expected, "option \"%s\" is", info[k].name);
			expect_changed(&(change){.key = key,.value = value}, expected);
			if (info[k].is_integer)
				expect_changed(&(change){.key = key,.value = "0.5"}, expected);
		}
		else if (k >= n + 4)
			expect_changed(&(change){.key = key,.value = "-1"}, "must be finite and not negative");
	}
	expect_changed(&(change){.key = "format",.value = "xmcoh2"}, "\"format\" is \"xmcoh2\"");
	expect_changed(&(change){.key = "feature_version",.value = "0"}, "have version 0");
	expect_changed(&(change){.key = "has_bag",.value = "2"}, "\"has_bag\" is 2");
	expect_changed(&(change){.key = "has_alignment",.value = "-1"}, "\"has_alignment\" is -1");
	expect_changed(&(change){.key = "has_bag",.value = "0"}, "shape (6), but its options require (2)");
	expect_changed(&(change){.key = "option.heads",.value = "3"}, "multiple of option \"heads\"");
	expect_changed(&(change){.key = "option.bag_dim",.value = "0"}, "allow no bag");
	expect_changed(&(change){.key = "option.words",.value = "0"}, "allow no bag");
	expect_changed(&(change){.key = "option.image_dim",.value = "0"}, "\"bilinear.weight\" has shape (10, 261), but its options require (10, 258)");
	expect_changed(&(change){.key = "option.bilinear_dim",.value = "0"}, "unrecognized tensor \"bilinear.");
	expect_changed(&(change){.key = "option.layers",.value = "1"}, "unrecognized tensor \"image.layer.1");
	expect_changed(&(change){.key = "option.layers",.value = "3"}, "\"text.layer.2.qkv.weight\" is missing");
	expect_changed(&(change){.key = "option.d_model",.value = "16"}, "\"text.input.weight\" has shape (8, 6)");
	expect_changed(&(change){.key = "option.hash_bits",.value = "24"}, "require (16777216)");
	expect_changed(&(change){.key = "option.bag_bits",.value = "9"}, "\"text.bag.weight\" has shape (256, 4)");
	expect_changed(&(change){.key = "option.feed_forward",.value = "8192"}, "ff1.weight\" has shape (12, 8)");
	expect_changed(&(change){.key = "option.find_groups",.value = "2"}, NULL);	/* older files do not have the option */
	expect_changed(&(change){.key = "option.find_groups",.value = "4"}, "must be from 0 to 3");
	expect_changed(&(change){.key = "option.momentum",.value = "0"}, "unrecognized metadata \"option.momentum\"");
	expect_changed(&(change){.key = "encoder.text",.value = sha256}, NULL);
	expect_changed(&(change){.key = "encoder.image",.value = sha256}, NULL);
	expect_changed(&(change){.key = "encoder.image",.value = sha256 + 1}, "\"encoder.image\" is \"123");
	expect_changed(&(change){.key = "encoder.text",.value = "minilm"}, "\"encoder.text\" is \"minilm\", not a SHA-256");
	expect_changed(&(change){.key = "author",.value = "x"}, "unrecognized metadata \"author\"");
	expect_changed(&(change){.key = "option.seed",.value = "8"}, NULL);	/* another model, but one */
}

static void
test_wrong_tensors(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model = malloc(sizeof *model);

	(void) state;
	assert_int_equal(xmc_model_layout(&ctx, &options, true, model), XMC_OK);
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const char *name = model->tensor[t].name;
		int32_t		n_dimensions = model->tensor[t].n_dimensions;
		int64_t		rows = model->tensor[t].shape[0];
		int64_t		columns = model->tensor[t].shape[1];
		char		missing[96];
		char		shape[96];

		snprintf(missing, sizeof missing, "\"%s\" is missing", name);
		snprintf(shape, sizeof shape, "\"%s\" has shape", name);
		expect_changed(&(change){.tensor = name}, missing);
		expect_changed(&(change){.tensor = name,.name = "other",.n_dimensions = n_dimensions,.shape = {rows, columns}}, missing);
		expect_changed(&(change){.tensor = name,.name = name,.n_dimensions = n_dimensions,.shape = {rows + 1, columns}}, shape);
		expect_changed(&(change){.tensor = name,.name = name,.n_dimensions = n_dimensions,.shape = {0, columns}}, shape);
		expect_changed(&(change){.tensor = name,.name = name,.n_dimensions = 1,
					   .shape = {n_dimensions == 1 ? 1 : rows * columns}}, shape);
		expect_changed(&(change){.tensor = name,.name = name,.n_dimensions = n_dimensions + 1,.shape = {rows, n_dimensions == 1 ?
					   1 : columns, 1}}, shape);
		expect_changed(&(change){.tensor = name,.name = name,.n_dimensions = 0}, shape);
		if (rows != columns && n_dimensions == 2)
			expect_changed(&(change){.tensor = name,.name = name,.n_dimensions = 2,.shape = {columns, rows}}, shape);
		expect_changed(&(change){.tensor = name,.name = name,.n_dimensions = n_dimensions,.shape = {rows, columns}}, NULL);
	}
	expect_changed(&(change){.tensor = "extra.weight"}, "unrecognized tensor \"extra.weight\"");
	expect_changed(&(change){.tensor = ""}, "unrecognized tensor \"\"");
	expect_changed(&(change){.tensor = "reliability"}, "tensor \"reliability\" has shape");
	free(model);
}

static void
test_not_finite(void **state)
{
	static const float wrong[] = {NAN, INFINITY, -INFINITY};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		size;
	unsigned char *file = small_file(&ctx, &size);
	xmc_model  *model;
	char		expected[96];

	(void) state;
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &model), XMC_OK);
	for (int32_t t = 0; t < model->n_tensors; t++)
		for (size_t k = 0; k < 3; k++)
		{
			float	   *last = *model->tensor[t].slot + model->tensor[t].n_values - 1;
			float		kept = *last;
			xmc_model  *other;

			*last = wrong[k];
			snprintf(expected, sizeof expected, "tensor \"%s\": value %lld is", model->tensor[t].name,
					 (long long) model->tensor[t].n_values - 1);
			expect_refused(file, size, expected);
			assert_int_equal(xmc_model_open(&ctx, file, size, false, &other), XMC_OK);	/* values are not checked */
			xmc_release(&ctx, other);
			*last = kept;
		}
	xmc_release(&ctx, model);
	free(file);
}

static void
test_truncated(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		size;
	unsigned char *file = small_file(&ctx, &size);

	(void) state;
	for (size_t length = 0; length < size; length++)
	{
		unsigned char *cut = exact_copy(file, length);

		expect_refused(cut, length, " ");
		free(cut);
	}
	free(file);
}

/*
 * Every bit of length and header is flipped, one at a time. A file that is still accepted is a whole model: saved, it opens
 * again. A changed name or key must be refused; a changed digit may be another valid option or calibration.
 */
static void
test_flipped(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	size_t		size;
	unsigned char *file = small_file(&ctx, &size);
	uint64_t	length;
	long		taken = 0;

	(void) state;
	memcpy(&length, file, 8);
	for (size_t at = 0; at < 8 + length; at++)
		for (int bit = 0; bit < 8; bit++)
		{
			xmc_model  *model;

			file[at] ^= (unsigned char) (1 << bit);
			if (xmc_model_open(&ctx, file, size, true, &model) == XMC_OK)
			{
				size_t		again_size;
				unsigned char *again = save(&ctx, model, &again_size);
				xmc_model  *reopened;
				unsigned char original = file[at] ^ (unsigned char) (1 << bit);

				if (!strchr("0123456789.", original))
					fail_msg("header byte %zu may be '%c' instead of '%c'", at - 8, file[at], original);
				assert_int_equal(xmc_model_open(&ctx, again, again_size, true, &reopened), XMC_OK);
				assert_memory_equal(*reopened->tensor[0].slot, *model->tensor[0].slot, 256 * sizeof(float));
				xmc_release(&ctx, reopened);
				xmc_release(&ctx, model);
				free(again);
				taken++;
			}
			file[at] ^= (unsigned char) (1 << bit);
		}
	assert_int_equal(counts.live, 0);
	assert_true(taken > 0);		/* the seed, for one */
	free(file);
}

static void
test_no_memory(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model;
	xmc_model  *opened;
	unsigned char *file;
	size_t		size;
	long		calls;

	(void) state;
	for (long k = 1; k <= 2; k++)
	{
		counts = (counting){.fail_at = k};
		assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_NO_MEMORY);
		assert_null(model);
		assert_int_equal(counts.live, 0);
	}
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	file = save(&ctx, model, &size);
	counts = (counting){.fail_at = 1};
	assert_int_equal(xmc_model_save(&ctx, model, file, &size), XMC_NO_MEMORY);
	counts = (counting){0};
	xmc_model_free(&ctx, model);
	counts = (counting){0};
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	xmc_release(&ctx, opened);
	calls = counts.calls;
	for (long k = 1; k <= calls; k++)
	{
		counts = (counting){.fail_at = k};
		assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_NO_MEMORY);
		assert_null(opened);
		assert_int_equal(counts.live, 0);
	}
	free(file);
}

/* A stop at any call of the stop callback leaks nothing. */
static void
test_stop(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_options options = small_options();
	xmc_model  *model;
	size_t		size;
	unsigned char *file;
	long		questions;

	(void) state;
	options.hash_bits = 20;		/* long enough to be asked several times in one tensor */
	assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_OK);
	questions = counts.questions;
	assert_true(questions >= model->n_tensors + 3);
	file = save(&ctx, model, &size);
	xmc_model_free(&ctx, model);
	for (long k = 1; k <= questions; k += 7)
	{
		counts = (counting){.stop_at = k};
		assert_int_equal(xmc_model_new(&ctx, &options, true, &model), XMC_STOPPED);
		assert_null(model);
		assert_int_equal(counts.live, 0);
	}
	counts = (counting){.stop_at = 2};
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &model), XMC_STOPPED);
	assert_int_equal(counts.live, 0);
	free(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_measured),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_reliability),
		cmocka_unit_test(test_round_trip_terms),
		cmocka_unit_test(test_save_refuses),
		cmocka_unit_test(test_wrong_metadata),
		cmocka_unit_test(test_wrong_tensors),
		cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
