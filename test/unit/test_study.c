/* test_study.c - unit tests of the cells of a learning curve (xmcoh/study.h): sizes, draws, whole groups, what is measured */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "xmcoh/groups.h"
#include "xmcoh/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 80
#define STEPS 5

typedef struct fixture
{
	xmc_ctx		ctx;
	xmc_options options;
	xmc_document document[N];
	char		name[N][16];
	char	   *group[N];
} fixture;

/*
 * A document of a set has the words of the set, in this order: who was taught another document of it knows its order, and nobody
 * else does.
 */
static void
build(fixture *f, xmc_tokeniser *tokeniser, int d, int set)
{
	static const int32_t order[STEPS] = {0, 1, 2, 3, 4};
	xmc_item	item[STEPS];
	char		text[STEPS][64];
	int32_t		at[STEPS];

	for (int i = 0; i < STEPS; i++)
	{
		snprintf(text[i], sizeof text[i], "w%dx%d v%dx%d", set, i, set, i);
		item[i] = (xmc_item) {.key = &"01234"[i],.key_length = 1,.text = text[i],.text_length = strlen(text[i])};
		at[i] = order[(i + set) % STEPS];
	}
	assert_int_equal(xmc_document_build(&f->ctx, &f->options, tokeniser, STEPS, item, &f->document[d]), XMC_OK);
	assert_int_equal(xmc_document_label_order(&f->ctx, &f->document[d], at), XMC_OK);
}

/* n_sets sets of documents; in_groups: each set is a group. */
static int
setup(fixture *f, int n_sets, bool in_groups)
{
	xmc_tokeniser *tokeniser;

	memset(f, 0, sizeof *f);
	f->ctx = xmc_ctx_malloc();
	xmc_options_default(&f->options);
	f->options.hash_bits = 12;
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < N; d++)
	{
		build(f, tokeniser, d, d % n_sets);
		snprintf(f->name[d], sizeof f->name[d], "%d", in_groups ? d % n_sets : d);
		f->group[d] = f->name[d];
		f->document[d].group = in_groups ? xmc_group_of(f->name[d], strlen(f->name[d])) : 0;
	}
	xmc_tokeniser_free(tokeniser);
	return 0;
}

static void
teardown(fixture *f)
{
	for (int d = 0; d < N; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
}

static xmc_study_cell
run(fixture *f, int32_t size, int32_t sample)
{
	xmc_study_cell cell = {.size = size,.sample = sample};

	assert_int_equal(xmc_study_run_cell(&f->ctx, &f->options, N, f->document, f->group, NULL, &cell), XMC_OK);
	return cell;
}

static double
figure(const xmc_study_cell *cell, xmc_curve_figure figure)
{
	return xmc_curve_value(&(xmc_curve_cell) {cell->size, cell->sample, cell->sum}, figure);
}

static double
weight(const xmc_study_cell *cell, xmc_curve_figure figure)
{
	double		sum = 0;

	for (int b = 0; b < XMC_CURVE_BLOCKS; b++)
		sum += cell->sum[(b * XMC_CURVE_FIGURES + (int) figure) * 2 + 1];
	return sum;
}

static void
default_sizes_double(void **state)
{
	static const int32_t expected[][2 + XMC_STUDY_DEFAULT_SIZES] = {
		{15, 0}, {16, 1, 12}, {20, 3, 12, 14, 16}, {30, 3, 12, 17, 24}, {59, 3, 12, 24, 47}, {60, 3, 12, 24, 48}, {200, 4, 20, 40, 80, 160},
		{1000, 5, 50, 100, 200, 400, 800}, {INT32_MAX, 5, 107374182, 214748365, 429496729, 858993459, 1717986917}
	};
	int32_t		size[XMC_STUDY_DEFAULT_SIZES];

	(void) state;
	for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++)
	{
		assert_int_equal(xmc_study_sizes(expected[k][0], size), expected[k][1]);
		for (int i = 0; i < expected[k][1]; i++)
			assert_int_equal(size[i], expected[k][2 + i]);
	}
}

static void
the_same_cell_is_the_same(void **state)
{
	fixture		f;
	xmc_study_cell a;
	xmc_study_cell b;

	(void) state;
	setup(&f, 10, false);
	a = run(&f, 20, 1);
	b = run(&f, 20, 1);
	assert_memory_equal(&a, &b, sizeof a);
	assert_int_equal(a.taught, 20);
	assert_int_equal(a.measured, N - 20);
	assert_true(weight(&a, XMC_CURVE_TAU) == N - 20 && weight(&a, XMC_CURVE_ACC) == (N - 20) * STEPS);
	/* eight documents share their words, so most were taught another one */
	assert_true(figure(&a, XMC_CURVE_TAU) > 0.5);
	assert_true(figure(&a, XMC_CURVE_PMR) > 0.3 && figure(&a, XMC_CURVE_PMR) <= figure(&a, XMC_CURVE_ACC));
	b = run(&f, 20, 2);
	assert_memory_not_equal(a.sum, b.sum, sizeof a.sum);
	f.options.seed++;
	b = run(&f, 20, 1);
	assert_memory_not_equal(a.sum, b.sum, sizeof a.sum);
	teardown(&f);
}

/* No document of a group that teaches is measured: nobody was taught the words of the others. */
static void
groups_are_not_divided(void **state)
{
	fixture		f;

	(void) state;
	setup(&f, 10, true);
	for (int32_t sample = 1; sample <= 3; sample++)
	{
		xmc_study_cell cell = run(&f, 30, sample);

		/* eight documents a group: 32 are nearer to 30 than 24 */
		assert_int_equal(cell.taught, 32);
		assert_int_equal(cell.measured, N - 32);
		assert_true(fabs(figure(&cell, XMC_CURVE_TAU)) < 0.5);
	}
	teardown(&f);
}

/* Coverage is known where enough documents are measured, and all pass where all is known. */
static void
coverage_needs_documents(void **state)
{
	fixture		f;
	xmc_study_cell cell;

	(void) state;
	setup(&f, 1, false);
	cell = run(&f, 20, 1);
	assert_true(figure(&cell, XMC_CURVE_PMR) == 1 && figure(&cell, XMC_CURVE_COVERAGE) == 1);
	cell = run(&f, 60, 1);
	assert_true(figure(&cell, XMC_CURVE_PMR) == 1 && isnan(figure(&cell, XMC_CURVE_COVERAGE)));
	teardown(&f);
}

static void
one_group_cannot_be_measured(void **state)
{
	fixture		f;
	xmc_study_cell cell;

	(void) state;
	setup(&f, 1, true);
	cell = run(&f, 20, 1);
	assert_int_equal(cell.taught, N);
	assert_int_equal(cell.measured, 0);
	assert_true(isnan(figure(&cell, XMC_CURVE_TAU)));
	assert_non_null(strstr(f.ctx.message, "0 approved documents of other groups are left"));
	teardown(&f);
	/* two groups: one teaches, and nothing can be held out of it */
	setup(&f, 2, true);
	cell = run(&f, 40, 1);
	assert_int_equal(cell.taught, 40);
	assert_int_equal(cell.measured, 0);
	teardown(&f);
}

static void
fingerprints_differ(void **state)
{
	fixture		f;
	uint64_t	before;
	uint64_t	after;

	(void) state;
	setup(&f, 10, true);
	assert_int_equal(xmc_study_fingerprint(&f.ctx, &f.options, N, f.document, f.group, &before), XMC_OK);
	assert_int_equal(xmc_study_fingerprint(&f.ctx, &f.options, N, f.document, f.group, &after), XMC_OK);
	assert_true(before == after);
	f.options.seed++;
	assert_int_equal(xmc_study_fingerprint(&f.ctx, &f.options, N, f.document, f.group, &after), XMC_OK);
	assert_true(before != after);
	f.options.seed--;
	f.group[3] = f.group[4];
	assert_int_equal(xmc_study_fingerprint(&f.ctx, &f.options, N, f.document, f.group, &after), XMC_OK);
	assert_true(before != after);
	f.group[3] = f.name[3];
	f.document[3].pair[0].before = 1 - f.document[3].pair[0].before;
	assert_int_equal(xmc_study_fingerprint(&f.ctx, &f.options, N, f.document, f.group, &after), XMC_OK);
	assert_true(before != after);
	teardown(&f);
}

/* The last allocations of a cell, and the last questions whether to stop, come while documents are ordered and measured. */
static void
an_error_while_measuring_is_returned(void **state)
{
	fixture		f;
	counting	c;
	xmc_ctx		usual;
	xmc_study_cell cell = {.size = 30,.sample = 1};
	long		calls;
	long		questions;

	(void) state;
	setup(&f, 4, false);
	usual = f.ctx;
	f.ctx = counting_ctx(&c);
	assert_int_equal(xmc_study_run_cell(&f.ctx, &f.options, N, f.document, f.group, NULL, &cell), XMC_OK);
	calls = c.calls;
	questions = c.questions;
	for (int k = 0; k < 30; k++)
	{
		c = (counting) {.fail_at = calls - k};
		assert_int_equal(xmc_study_run_cell(&f.ctx, &f.options, N, f.document, f.group, NULL, &cell), XMC_NO_MEMORY);
		assert_int_equal(c.live, 0);
		c = (counting) {.stop_at = questions - k};
		assert_int_equal(xmc_study_run_cell(&f.ctx, &f.options, N, f.document, f.group, NULL, &cell), XMC_STOPPED);
		assert_int_equal(c.live, 0);
	}
	f.ctx = usual;
	teardown(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_sizes_double),
		cmocka_unit_test(the_same_cell_is_the_same),
		cmocka_unit_test(groups_are_not_divided),
		cmocka_unit_test(coverage_needs_documents),
		cmocka_unit_test(one_group_cannot_be_measured),
		cmocka_unit_test(fingerprints_differ),
		cmocka_unit_test(an_error_while_measuring_is_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
