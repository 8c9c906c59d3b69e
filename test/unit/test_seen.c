/* test_seen.c - the record of a model's training documents: filling, finding, storing, and refusing invalid records */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "models.h"
#include "xmcoh/seen.h"

#define DOCUMENTS 3000

/* Documents 0, 3, 6, ... have labels, every other one of these is held out; the rest is the pool. */
static xmc_document document[DOCUMENTS];
static char key_bytes[DOCUMENTS][16];
static char *key[DOCUMENTS];
static uint8_t held_out[DOCUMENTS];

static xmc_seen_as
expected(int d)
{
	return d % 3 != 0 ? XMC_SEEN_UNLABELLED : d % 2 ? XMC_UNSEEN : XMC_SEEN_LABELLED;
}

static xmc_model *
taught_model(xmc_ctx *ctx)
{
	xmc_options options = small_options();
	xmc_model  *model;

	for (int d = 0; d < DOCUMENTS; d++)
	{
		document[d] = (xmc_document){.n_pairs = d % 3 == 0};
		held_out[d] = expected(d) == XMC_UNSEEN;
		snprintf(key_bytes[d], sizeof key_bytes[d], "%d", d);
		key[d] = key_bytes[d];
	}
	assert_int_equal(xmc_model_new(ctx, &options, true, &model), XMC_OK);
	assert_int_equal(xmc_seen_fill(ctx, model, DOCUMENTS, document, key, held_out), XMC_OK);
	return model;
}

static unsigned char *
saved(xmc_ctx *ctx, const xmc_model *model, size_t *size)
{
	unsigned char *file;

	assert_int_equal(xmc_model_save(ctx, model, NULL, size), XMC_OK);
	file = malloc(*size);
	assert_int_equal(xmc_model_save(ctx, model, file, size), XMC_OK);
	return file;
}

static void
assert_found(const xmc_model *model)
{
	char		other[16];

	for (int d = 0; d < DOCUMENTS; d++)
	{
		assert_int_equal(xmc_seen_find(model, key[d], strlen(key[d])), expected(d));
		snprintf(other, sizeof other, "%d", DOCUMENTS + d);
		assert_int_equal(xmc_seen_find(model, other, strlen(other)), XMC_UNSEEN);
	}
	assert_int_equal(xmc_seen_find(model, "", 0), XMC_UNSEEN);
}

static void
test_find(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = taught_model(&ctx);

	(void) state;
	assert_int_equal(model->seen.n, DOCUMENTS - DOCUMENTS / 6);
	assert_null(find(model, "seen"));	/* it is no parameter */
	assert_found(model);
	/* filled again, nothing is left of what was there */
	assert_int_equal(xmc_seen_fill(&ctx, model, 1, document, key, held_out), XMC_OK);
	assert_int_equal(model->seen.n, 1);
	assert_int_equal(xmc_seen_find(model, "0", 1), XMC_SEEN_LABELLED);
	assert_int_equal(xmc_seen_find(model, "1", 1), XMC_UNSEEN);
	xmc_seen_forget(&ctx, model);
	assert_int_equal(xmc_seen_find(model, "0", 1), XMC_UNSEEN);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* One key in two sources: the labelled use counts, whichever comes first. */
static void
test_key_twice(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = taught_model(&ctx);
	char	   *same[3] = {"7", "7", "8"};
	uint8_t		nobody[3] = {0};

	(void) state;
	for (int first = 0; first < 2; first++)
	{
		xmc_document two[3] = {{.n_pairs = first},{.n_pairs = !first},{.n_pairs = 0}};

		assert_int_equal(xmc_seen_fill(&ctx, model, 3, two, same, nobody), XMC_OK);
		assert_int_equal(xmc_seen_find(model, "7", 1), XMC_SEEN_LABELLED);
		assert_int_equal(xmc_seen_find(model, "8", 1), XMC_SEEN_UNLABELLED);
	}
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* Groups of labelled documents that are not held out, each once; what is found in the stored model; damaged records. */
static void
test_groups(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = taught_model(&ctx);
	static uint64_t group[DOCUMENTS];
	xmc_model  *opened;
	size_t		size;
	unsigned char *file;

	(void) state;
	/* groups of ten documents; every tenth group is none */
	for (int d = 0; d < DOCUMENTS; d++)
		group[d] = d / 10 % 10 == 0 ? 0 : UINT64_C(0x9e3779b97f4a7c15) * (uint64_t) (1 + d / 10);
	assert_int_equal(xmc_seen_fill_groups(&ctx, model, DOCUMENTS, document, group, held_out), XMC_OK);
	assert_int_equal(model->seen_groups.n, 270);
	assert_int_equal(xmc_seen_fill_groups(&ctx, model, DOCUMENTS / 2, document, group, held_out), XMC_OK);
	assert_int_equal(model->seen_groups.n, 135);
	model->known.solo[XMC_TEXT] = 7;
	model->known.guided[XMC_TEXT][0] = model->calibration.guided[XMC_TEXT][0] = 5;
	file = saved(&ctx, model, &size);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	assert_found(opened);
	assert_memory_equal(&opened->known, &model->known, sizeof opened->known);
	for (int d = 0; d < DOCUMENTS; d++)
		assert_int_equal(xmc_seen_group(opened, group[d]), group[d] != 0 && d < DOCUMENTS / 2);
	xmc_release(&ctx, opened);
	free(file);

	/* only held-out documents, and only unlabelled ones */
	assert_int_equal(xmc_seen_fill_groups(&ctx, model, 2, document + 1, group + 11, held_out), XMC_OK);
	assert_int_equal(model->seen_groups.n, 0);
	assert_false(xmc_seen_group(model, group[11]));

	/* a negative scale, and a number out of order */
	assert_int_equal(xmc_seen_fill_groups(&ctx, model, DOCUMENTS, document, group, held_out), XMC_OK);
	model->known.solo[XMC_TEXT] = -1;
	assert_int_equal(xmc_model_save(&ctx, model, NULL, &size), XMC_BAD_MODEL);
	model->known.solo[XMC_TEXT] = 1;
	file = malloc(size);
	model->seen_groups.row[3] = 0;
	assert_int_equal(xmc_model_save(&ctx, model, file, &size), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "tensor \"seen.groups\""));
	free(file);
	counts.fail_at = counts.calls + 1;
	assert_int_equal(xmc_seen_fill_groups(&ctx, model, DOCUMENTS, document, group, held_out), XMC_NO_MEMORY);
	assert_int_equal(model->seen_groups.n, 0);
	assert_int_equal(model->seen.n, DOCUMENTS - DOCUMENTS / 6);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

static void
test_stored(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = taught_model(&ctx);
	xmc_model  *opened;
	size_t		size;
	size_t		again_size;
	unsigned char *file = saved(&ctx, model, &size);
	unsigned char *again;

	(void) state;
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	assert_int_equal(opened->seen.n, model->seen.n);
	assert_found(opened);
	again = saved(&ctx, opened, &again_size);
	assert_int_equal(again_size, size);
	assert_memory_equal(again, file, size);
	free(again);
	xmc_release(&ctx, opened);

	/* a version without a record knows nothing */
	xmc_seen_forget(&ctx, model);
	free(file);
	file = saved(&ctx, model, &size);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_OK);
	assert_int_equal(opened->seen.n, 0);
	xmc_release(&ctx, opened);
	free(file);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* Sets one number of the record, which lies at the end of the file, and tries to open and to save such a model. */
static void
assert_refused(int32_t row, int column, float value)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = taught_model(&ctx);
	xmc_model  *opened;
	size_t		size;
	unsigned char *file = saved(&ctx, model, &size);
	size_t		at = size - sizeof(float) * (size_t) ((model->seen.n - row) * XMC_SEEN_COLUMNS - column);

	memcpy(file + at, &value, sizeof value);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "\"seen\""));
	model->seen.row[row * XMC_SEEN_COLUMNS + column] = value;
	assert_int_equal(xmc_model_save(&ctx, model, file, &size), XMC_BAD_MODEL);
	/* opened unchecked, as from a cache file, it answers something */
	assert_int_equal(xmc_model_open(&ctx, file, size, false, &opened), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
		assert_in_range(xmc_seen_find(opened, key[d], strlen(key[d])), XMC_UNSEEN, XMC_SEEN_LABELLED);
	xmc_release(&ctx, opened);
	free(file);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

static void
test_refused(void **state)
{
	(void) state;
	assert_refused(0, 0, -1);
	assert_refused(0, 0, 16777216);
	assert_refused(0, 1, 0.5f);
	assert_refused(0, 1, 16777216);
	assert_refused(17, 2, 3);
	assert_refused(17, 2, -1);
	assert_refused(17, 0, 16777215);	/* not in its place */
	assert_refused(2499, 0, 0);
}

static void
test_shape(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = taught_model(&ctx);
	xmc_model  *opened;
	size_t		size;
	unsigned char *file;
	char	   *shape;

	(void) state;
	file = saved(&ctx, model, &size);
	shape = strstr((char *) file + 8, "[2500,3]");
	assert_non_null(shape);
	memcpy(shape, "[3,2500]", 8);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "\"seen\" has shape (3, 2500)"));
	memcpy(shape, "[7500]  ", 8);
	assert_int_equal(xmc_model_open(&ctx, file, size, true, &opened), XMC_BAD_MODEL);
	free(file);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

static void
test_no_memory(void **state)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = taught_model(&ctx);

	(void) state;
	counts.fail_at = counts.calls + 1;
	assert_int_equal(xmc_seen_fill(&ctx, model, DOCUMENTS, document, key, held_out), XMC_NO_MEMORY);
	assert_int_equal(model->seen.n, 0);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_key_twice),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_stored),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
