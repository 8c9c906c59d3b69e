/*
 * test_results.c - the record of what a training measured: found by key as long as the document is the same, kept by a stored model,
 * checked when it is read
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "counting.h"
#include "toys.h"
#include "model/safetensors.h"
#include "xmcoh/results.h"

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	toys		toys;
	xmc_model  *model;
	char	   *key[TOYS];
	char		name[TOYS][24];
} fixture;

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);
	xmc_train_report report;

	f->ctx = counting_ctx(&f->counts);
	assert_int_equal(toys_make(&f->ctx, &f->toys), XMC_OK);
	assert_int_equal(xmc_train(&f->ctx, &f->toys.options, TOYS, f->toys.document, f->toys.held_out, NULL, &f->model, &report), XMC_OK);
	for (int d = 0; d < TOYS; d++)
	{
		snprintf(f->name[d], sizeof f->name[d], "toy %d", d);
		f->key[d] = f->name[d];
	}
	xmc_results_name(f->model, f->key);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	xmc_model_free(&f->ctx, f->model);
	toys_free(&f->ctx, &f->toys);
	assert_int_equal(f->counts.live, 0);
	test_free(f);
	return 0;
}

/* Whether the numbers of a result fit together. */
static void
check_result(const xmc_document *document, const xmc_found_result *found)
{
	const xmc_recorded_order *fused = &found->result.order[XMC_SCORE_FUSED];
	int			right = 0;

	assert_int_equal(fused->items, document->n);
	assert_true(fused->perfect == (fused->tau == 1) && fused->perfect == (fused->matches == fused->items));
	assert_true(fused->perfect == (fused->neighbours == fused->items - 1));
	assert_true(fused->random_matches == 1);
	assert_true(found->result.confidence < 0);
	/* in an order without a mistake most pairs are right */
	assert_int_equal(found->n_pairs, document->n_pairs);
	for (int k = 0; k < found->n_pairs; k++)
		right += found->log_odds[k] > 0;
	assert_true(fused->perfect != 1 || right > found->n_pairs / 2);
}

static void
test_find(void **state)
{
	fixture    *f = *state;
	xmc_document *document = f->toys.document;
	double		sum = 0;
	xmc_found_result found;

	assert_int_equal(f->model->results.n, TOYS / 2);
	assert_int_equal(xmc_measured(f->model)->results.n, TOYS / 2);
	for (int d = 0; d < TOYS; d++)
	{
		assert_int_equal(xmc_results_find(f->model, f->key[d], &document[d], &found), d < TOYS / 2);
		if (d < TOYS / 2)
		{
			sum += found.result.order[XMC_SCORE_FUSED].tau;
			check_result(&document[d], &found);
		}
	}
	assert_true(sum > 0.3 * TOYS / 2);	/* the toys can be learned */
	assert_false(xmc_results_find(f->model, "another", &document[0], &found));
	/* another document under this key; other labels; another input */
	assert_false(xmc_results_find(f->model, f->key[0], &document[1], &found));
	document[0].pair[0].weight *= 0.5f;
	assert_false(xmc_results_find(f->model, f->key[0], &document[0], &found));
	document[1].image[0] += 1;
	assert_false(xmc_results_find(f->model, f->key[1], &document[1], &found));
}

static void
test_stored(void **state)
{
	fixture    *f = *state;
	unsigned char *blob;
	size_t		size;
	xmc_model  *opened;
	xmc_found_result found[2];

	assert_int_equal(xmc_model_save(&f->ctx, f->model, NULL, &size), XMC_OK);
	blob = xmc_alloc(&f->ctx, size, 1);
	assert_int_equal(xmc_model_save(&f->ctx, f->model, blob, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&f->ctx, blob, size, true, &opened), XMC_OK);
	assert_true(xmc_results_find(f->model, f->key[3], &f->toys.document[3], &found[0]));
	assert_true(xmc_results_find(opened, f->key[3], &f->toys.document[3], &found[1]));
	assert_memory_equal(&found[0].result, &found[1].result, sizeof found[0].result);
	assert_int_equal(found[0].n_pairs, found[1].n_pairs);
	assert_memory_equal(found[0].log_odds, found[1].log_odds, sizeof(float) * (size_t) found[0].n_pairs);
	xmc_release(&f->ctx, opened);
	xmc_release(&f->ctx, blob);
}

#define OLD_COLUMNS 7			/* of the record of older versions, which was one tensor */

/* Opens the model with the tensor of this name in another shape of its values; returns the status. */
static xmc_status
open_reshaped(fixture *f, const char *name, int32_t n_dimensions, int64_t rows, int64_t columns, xmc_model **opened)
{
	size_t		size;
	size_t		changed_size;
	unsigned char *blob;
	unsigned char *changed;
	xmc_safetensors st;
	xmc_status	status;
	int32_t		kept = 0;

	assert_int_equal(xmc_model_save(&f->ctx, f->model, NULL, &size), XMC_OK);
	blob = xmc_alloc(&f->ctx, size, 1);
	assert_int_equal(xmc_model_save(&f->ctx, f->model, blob, &size), XMC_OK);
	assert_int_equal(xmc_safetensors_parse(&f->ctx, blob, size, XMC_TENSORS_OF_MODEL, &st), XMC_OK);
	for (int32_t k = 0; k < st.n_tensors; k++)
	{
		if (strcmp(st.tensor[k].name, name) == 0)
		{
			st.tensor[k].n_dimensions = n_dimensions;
			st.tensor[k].shape[0] = rows;
			st.tensor[k].shape[1] = columns;
			st.tensor[k].n_values = rows * columns;
		}
		if (columns != OLD_COLUMNS || strncmp(st.tensor[k].name, "results.", 8) != 0)
			st.tensor[kept++] = st.tensor[k];
	}
	assert_int_equal(xmc_safetensors_write(&f->ctx, kept, st.tensor, st.n_metadata, st.metadata, NULL, &changed_size), XMC_OK);
	changed = xmc_alloc(&f->ctx, changed_size, 1);
	assert_int_equal(xmc_safetensors_write(&f->ctx, kept, st.tensor, st.n_metadata, st.metadata, changed, &changed_size),
					 XMC_OK);
	status = xmc_model_open(&f->ctx, changed, changed_size, true, opened);
	xmc_safetensors_free(&f->ctx, &st);
	xmc_release(&f->ctx, blob);
	/* an opened model lies in the file; the tests look at its numbers of rows alone */
	xmc_release(&f->ctx, changed);
	return status;
}

/* A record of another shape is refused; one of an older version, which had less of a document, is as none. */
static void
test_shapes(void **state)
{
	fixture    *f = *state;
	int64_t		n = f->model->results.n;
	int64_t		pairs = f->model->results.n_pairs;
	xmc_model  *opened;

	assert_true(pairs > 0);
	assert_int_equal(open_reshaped(f, "results", 2, n, XMC_RESULT_COLUMNS, &opened), XMC_OK);
	assert_int_equal(opened->results.n, n);
	assert_int_equal(opened->results.n_pairs, pairs);
	xmc_release(&f->ctx, opened);
	assert_int_equal(open_reshaped(f, "results", 2, n, XMC_RESULT_COLUMNS - 1, &opened), XMC_BAD_MODEL);
	assert_int_equal(open_reshaped(f, "results", 2, 0, XMC_RESULT_COLUMNS, &opened), XMC_BAD_MODEL);
	assert_int_equal(open_reshaped(f, "results.pairs", 1, pairs - 1, 1, &opened), XMC_BAD_MODEL);
	assert_int_equal(open_reshaped(f, "results.pairs", 2, pairs, 1, &opened), XMC_BAD_MODEL);
	assert_int_equal(open_reshaped(f, "results.widening", 1, 2, 1, &opened), XMC_BAD_MODEL);
	assert_int_equal(open_reshaped(f, "results", 2, n, OLD_COLUMNS, &opened), XMC_OK);
	assert_int_equal(opened->results.n, 0);
	xmc_release(&f->ctx, opened);
}

/* Every number of a row has bounds, and a damaged row gives no result, because it could point outside of the pairs. */
static void
test_checked(void **state)
{
	fixture    *f = *state;
	xmc_results *record = &f->model->results;
	static const float wrong_order[] = {-1, 1e6f, 1e6f, 0.5f, 1.1f, -1, 2};
	static const float wrong_head[] = {0.5f, -1, 16777216, 0.5f, 1e6f, 1e7f, 1e7f};
	const int	head = sizeof wrong_head / sizeof *wrong_head;
	const int	kind = sizeof wrong_order / sizeof *wrong_order;
	xmc_found_result found;
	float		first_key;

	assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_OK);
	for (int c = 0; c < XMC_RESULT_COLUMNS; c++)
	{
		float	   *cell = &record->row[XMC_RESULT_COLUMNS + c];
		float		right = *cell;

		*cell = c < head ? wrong_head[c] : c == XMC_RESULT_COLUMNS - 1 ? 1 : wrong_order[(c - head) % kind];
		assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_BAD_MODEL);
		assert_false(xmc_results_get(f->model, 1, &found));
		*cell = NAN;
		assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_BAD_MODEL);
		assert_false(xmc_results_get(f->model, 1, &found));
		*cell = right;
		assert_true(xmc_results_get(f->model, 1, &found));
	}
	/* a widening that is none */
	record->widening[1] = -0.5f;
	assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_BAD_MODEL);
	record->widening[1] = 1;
	/* out of order */
	first_key = record->row[0];
	record->row[0] = record->row[XMC_RESULT_COLUMNS] + 1;
	assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_BAD_MODEL);
	record->row[0] = first_key;
	/* pairs of two documents */
	record->row[XMC_RESULT_COLUMNS + 6] += record->row[6];
	record->row[XMC_RESULT_COLUMNS + 5] = 0;
	assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_BAD_MODEL);
	/* a model of zeros is a model, and its record says nothing */
	memset(record->row, 0, (size_t) record->n * XMC_RESULT_COLUMNS * sizeof(float));
	memset(record->widening, 0, sizeof record->widening);
	assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_OK);
	assert_false(xmc_results_get(f->model, 1, &found));
}

/* Documents of one group have one number in the record; the others have one each. */
static void
test_groups(void **state)
{
	fixture    *f = *state;
	xmc_result *result = test_calloc(TOYS, sizeof *result);
	float	   *log_odds = test_calloc(TOYS * 1000, sizeof *log_odds);
	xmc_found_result found[4];

	for (int d = 0; d < TOYS; d++)
	{
		f->toys.document[d].group = d == 1 || d == 3 ? 7 : 0;
		result[d].order[XMC_SCORE_FUSED].items = d < 4 && d != 2 ? 3 : 0;	/* document 2 was not measured */
	}
	for (int k = 0; k < f->toys.document[0].n_pairs + 1; k++)
		log_odds[k] = (float) k;
	assert_int_equal(xmc_results_fill(&f->ctx, f->model, TOYS, f->toys.document, result, log_odds, (const float[]) {0, 1.5f, 2}), XMC_OK);
	assert_int_equal(f->model->results.n, 3);
	assert_true(f->model->results.widening[0] == 1 && f->model->results.widening[2] == 2);
	xmc_results_name(f->model, f->key);
	for (int d = 0; d < 4; d++)
		assert_int_equal(xmc_results_find(f->model, f->key[d], &f->toys.document[d], &found[d]), d != 2);
	assert_int_equal(found[1].group, found[3].group);
	assert_int_not_equal(found[0].group, found[1].group);
	assert_true(found[0].log_odds[0] == 0 && found[1].log_odds[0] == (float) f->toys.document[0].n_pairs);
	test_free(result);
	test_free(log_odds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shapes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_groups, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
