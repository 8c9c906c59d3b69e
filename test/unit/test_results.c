/*
 * test_results.c - the record of what a training measured: found by key as long as the document is the same, kept by a stored model,
 * checked when it is read
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "toys.h"
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

static void
test_find(void **state)
{
	fixture    *f = *state;
	xmc_document *document = f->toys.document;
	double		sum = 0;
	double		tau[XMC_RESULT_KINDS];

	assert_int_equal(f->model->results.n, TOYS / 2);
	assert_int_equal(xmc_measured(f->model)->results.n, TOYS / 2);
	for (int d = 0; d < TOYS; d++)
	{
		assert_int_equal(xmc_results_find(f->model, f->key[d], &document[d], tau), d < TOYS / 2);
		sum += d < TOYS / 2 ? tau[XMC_SCORE_FUSED] : 0;
	}
	assert_true(sum > 0.3 * TOYS / 2);	/* the toys can be learned */
	assert_false(xmc_results_find(f->model, "another", &document[0], tau));
	/* another document under this key; other labels; another input */
	assert_false(xmc_results_find(f->model, f->key[0], &document[1], tau));
	document[0].pair[0].weight *= 0.5f;
	assert_false(xmc_results_find(f->model, f->key[0], &document[0], tau));
	document[1].image[0] += 1;
	assert_false(xmc_results_find(f->model, f->key[1], &document[1], tau));
}

static void
test_stored(void **state)
{
	fixture    *f = *state;
	unsigned char *blob;
	size_t		size;
	xmc_model  *opened;
	double		tau[2][XMC_RESULT_KINDS];

	assert_int_equal(xmc_model_save(&f->ctx, f->model, NULL, &size), XMC_OK);
	blob = xmc_alloc(&f->ctx, size, 1);
	assert_int_equal(xmc_model_save(&f->ctx, f->model, blob, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&f->ctx, blob, size, true, &opened), XMC_OK);
	assert_true(xmc_results_find(f->model, f->key[3], &f->toys.document[3], tau[0]));
	assert_true(xmc_results_find(opened, f->key[3], &f->toys.document[3], tau[1]));
	assert_memory_equal(tau[0], tau[1], sizeof tau[0]);
	xmc_release(&f->ctx, opened);
	xmc_release(&f->ctx, blob);
}

static void
test_checked(void **state)
{
	fixture    *f = *state;
	static const float wrong[XMC_RESULT_COLUMNS] = {0.5f, -1, 16777216, 0.5f, 1.1f, -1.1f, -3};

	assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_OK);
	for (int c = 0; c < XMC_RESULT_COLUMNS; c++)
	{
		float	   *cell = &f->model->results.row[XMC_RESULT_COLUMNS + c];
		float		right = *cell;

		*cell = wrong[c];
		assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_BAD_MODEL);
		*cell = right;
	}
	/* out of order */
	f->model->results.row[0] = f->model->results.row[XMC_RESULT_COLUMNS] + 1;
	assert_int_equal(xmc_results_check(&f->ctx, f->model), XMC_BAD_MODEL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_find, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_checked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
