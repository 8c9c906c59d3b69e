/* test_covered.c - how much may pass by the record of a training: which documents and pairs count, and what the check finds */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "permutations.h"
#include "xmcoh/check.h"
#include "xmcoh/covered.h"
#include "xmcoh/results.h"

#include <math.h>
#include <string.h>

#define DOCUMENTS 60
#define PAIRS 3					/* of three items each */

/* A record of documents; document d has the confidence -d - 1 and is right unless d % 6 == 5. */
typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_model	model;
	xmc_document document[DOCUMENTS];
	int32_t		none[1];		/* where the features of no item begin */
	xmc_pair	pair[PAIRS];
	xmc_result	result[DOCUMENTS];
	float		log_odds[DOCUMENTS * PAIRS];
} fixture;

static void
set_up(fixture *f)
{
	memset(f, 0, sizeof *f);
	f->ctx = counting_ctx(&f->counts);
	xmc_options_default(&f->model.options);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		f->document[d] = (xmc_document) {.feature_start = f->none,.word_start = f->none,.n_pairs = PAIRS,.pair = f->pair};
		for (int e = 0; e < XMC_RESULT_KINDS; e++)
			f->result[d].order[e] = (xmc_recorded_order) {.items = 3,.perfect = d % 6 != 5};
		f->result[d].confidence = (float) -d - 1;
		for (int k = 0; k < PAIRS; k++)
			f->log_odds[d * PAIRS + k] = (float) (k + 1) + (float) d / DOCUMENTS;
	}
}

static void
fill(fixture *f)
{
	assert_int_equal(xmc_results_fill(&f->ctx, &f->model, DOCUMENTS, f->document, f->result, f->log_odds, NULL), XMC_OK);
}

static xmc_covered
cover(fixture *f, xmc_coverage_level level, double precision, const int32_t *part, int32_t of, const double *threshold)
{
	xmc_covered out;

	assert_int_equal(xmc_covered_by_record(&f->ctx, &f->model, level, precision, part, of, threshold, &out), XMC_OK);
	return out;
}

static void
tear_down(fixture *f)
{
	xmc_results_forget(&f->ctx, &f->model);
	assert_int_equal(f->counts.live, 0);
}

static void
test_documents(void **state)
{
	fixture		f;
	xmc_covered all;
	xmc_covered first;
	int32_t		part[DOCUMENTS];

	(void) state;
	set_up(&f);
	/* an order of one item is right whatever the model */
	f.result[3].order[XMC_RESULT_KINDS - 1].items = 1;
	fill(&f);
	all = cover(&f, XMC_COVERED_DOCUMENTS, 0.6, NULL, 0, NULL);
	assert_int_equal(all.documents, DOCUMENTS - 1);
	assert_int_equal(all.coverage.judged, DOCUMENTS - 1);
	assert_int_equal(all.coverage.state, XMC_COVERAGE_REACHED);
	assert_true(all.coverage.threshold == -DOCUMENTS && all.coverage.share.mean == 1);
	assert_near(xmc_covered_probability(XMC_COVERED_DOCUMENTS, -2), exp(-2), 1e-15);
	/* a part of them, at the threshold of all; and at one that nothing reaches */
	for (int d = 0; d < DOCUMENTS; d++)
		part[d] = d < 12;
	first = cover(&f, XMC_COVERED_DOCUMENTS, 0.6, part, 1, &(double) {-6});
	assert_int_equal(first.documents, 11);
	assert_int_equal(first.coverage.passing, 5);
	assert_near(first.coverage.precision.mean, 0.8, 1e-6);
	first = cover(&f, XMC_COVERED_DOCUMENTS, 0.6, part, 1, &(double) {INFINITY});
	assert_true(first.coverage.passing == 0 && isnan(xmc_covered_probability(XMC_COVERED_DOCUMENTS, first.coverage.threshold)));
	tear_down(&f);
}

/* Pairs pass by the size of their log-odds, and a document of many pairs counts once. */
static void
test_pairs(void **state)
{
	fixture		f;
	xmc_covered found;

	(void) state;
	set_up(&f);
	/* the weakest pair of each third document is wrong */
	for (int d = 0; d < DOCUMENTS; d += 3)
		f.log_odds[d * PAIRS] *= -1;
	f.document[7].n_pairs = 0;
	memmove(&f.log_odds[7 * PAIRS], &f.log_odds[8 * PAIRS], sizeof f.log_odds - 8 * PAIRS * sizeof *f.log_odds);
	fill(&f);
	found = cover(&f, XMC_COVERED_PAIRS, 0.95, NULL, 0, NULL);
	assert_int_equal(found.documents, DOCUMENTS - 1);
	assert_int_equal(found.coverage.groups, DOCUMENTS - 1);
	assert_int_equal(found.coverage.judged, PAIRS * (DOCUMENTS - 1));
	assert_int_equal(found.coverage.state, XMC_COVERAGE_REACHED);
	assert_true(found.coverage.threshold >= 1.8 && found.coverage.threshold <= 2.01);
	assert_true(found.coverage.precision.mean > 0.95);
	/* the documents of one group are one observation */
	for (int d = 0; d < DOCUMENTS; d++)
		f.document[d].group = 1 + (uint64_t) d % 20;
	fill(&f);
	found = cover(&f, XMC_COVERED_PAIRS, 0.95, NULL, 0, NULL);
	assert_int_equal(found.coverage.groups, 20);
	assert_int_equal(found.coverage.state, XMC_COVERAGE_TOO_FEW);
	tear_down(&f);
}

/* A document in right order is suspect by one pair that surely contradicts it. */
static void
test_violations(void **state)
{
	fixture		f;
	xmc_covered found;
	int32_t		part[DOCUMENTS];
	float	   *row;

	(void) state;
	set_up(&f);
	f.log_odds[0] = -5;
	f.log_odds[10 * PAIRS] = -4;
	f.log_odds[20 * PAIRS] = -3;
	f.result[1].order[XMC_RESULT_KINDS - 1].items = 4;	/* 3 of 6 pairs are labelled: it counts */
	f.result[2].order[XMC_RESULT_KINDS - 1].items = 5;	/* 3 of 10: it does not */
	fill(&f);
	/* at 0.9 two of 59 documents may be suspect: the binomial tail is 0.053 for two mistakes, 0.13 for three */
	found = cover(&f, XMC_COVERED_VIOLATIONS, 0.9, NULL, 0, NULL);
	assert_int_equal(found.documents, DOCUMENTS - 1);
	assert_near(found.coverage.threshold, 3, 1e-6);
	assert_true(found.coverage.threshold > 3);
	assert_near(found.coverage.precision.mean, 57 / 59.0, 1e-6);
	assert_int_equal(found.coverage.needed_groups, 22);
	/* found are pairs with more than 3: the third of each document but the first one */
	assert_near(found.coverage.share.mean, 58 / 3.0 / 59, 1e-6);
	assert_true(found.coverage.share.low < found.coverage.share.mean && found.coverage.share.high > found.coverage.share.mean);
	/* at 0.8 all three may, so the threshold is that of the check, which without a table of reliability is the precision itself */
	found = cover(&f, XMC_COVERED_VIOLATIONS, 0.8, NULL, 0, NULL);
	assert_near(found.coverage.threshold, log(4), 1e-12);
	/* a part of them, at the threshold of all */
	for (int d = 0; d < DOCUMENTS; d++)
		part[d] = d >= 12;
	found = cover(&f, XMC_COVERED_VIOLATIONS, 0.9, part, 1, &(double) {2.5});
	assert_int_equal(found.documents, 48);
	assert_true(found.coverage.threshold == 2.5);
	assert_near(found.coverage.precision.mean, 47 / 48.0, 1e-6);
	/* by a table of the check no threshold is good enough */
	f.model.reliability.n = 1;
	row = f.model.reliability.row[0];
	row[XMC_RELIABILITY_KIND] = XMC_SCORE_FUSED;
	row[XMC_RELIABILITY_GROUPS] = row[XMC_RELIABILITY_MISTAKEN] = 59;
	found = cover(&f, XMC_COVERED_VIOLATIONS, 0.9, NULL, 0, NULL);
	assert_int_equal(found.coverage.state, XMC_COVERAGE_NOT_REACHED);
	assert_true(found.coverage.share.mean == 0 && isnan(found.coverage.precision.mean));
	found = cover(&f, XMC_COVERED_VIOLATIONS, 0.99, NULL, 0, NULL);
	assert_int_equal(found.coverage.state, XMC_COVERAGE_TOO_FEW);
	assert_int_equal(found.coverage.needed_groups, 230);
	tear_down(&f);
}

static void
test_damaged(void **state)
{
	fixture		f;
	xmc_covered out;

	(void) state;
	set_up(&f);
	fill(&f);
	f.model.results.row[XMC_RESULT_COLUMNS - 1] = 1;	/* the log of a probability is not positive */
	out = cover(&f, XMC_COVERED_PAIRS, 0.9, NULL, 0, NULL);
	assert_int_equal(out.documents, DOCUMENTS - 1);
	tear_down(&f);
	/* no record: nothing is judged */
	out = cover(&f, XMC_COVERED_DOCUMENTS, 0.9, NULL, 0, NULL);
	assert_true(out.documents == 0 && out.coverage.state == XMC_COVERAGE_TOO_FEW);
	out = cover(&f, XMC_COVERED_VIOLATIONS, 0.9, NULL, 0, NULL);
	assert_true(out.documents == 0 && isnan(out.coverage.share.mean));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_violations),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
