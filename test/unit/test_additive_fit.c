/*
 * The convex fit of additive terms: L-BFGS finds the minimum of known functions; the fit is the minimum of its objective,
 * which is computed here from the scores of pairs; a larger penalty gives smaller weights; rare words may weigh more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "network/term.h"
#include "numeric/dense.h"
#include "numeric/lbfgs.h"
#include "train/additive_fit.h"
#include "xmcoh/random.h"
#include "xmcoh/text.h"

/* The same fit once more, which keeps the features of some documents only and reads those of the others anew. */
#define KEPT_CELLS 2000
#define xmc_additive_begin begin_keeping_few
#define xmc_additive_step step_keeping_few
#define xmc_penalty penalty_keeping_few
#define xmc_idf idf_keeping_few
#define objective objective_keeping_few
#include "../../src/core/train/additive_fit.c"
#undef xmc_additive_begin
#undef xmc_additive_step
#undef xmc_penalty
#undef xmc_idf
#undef objective

#define DOCUMENTS 24
#define TEXT_DIM 6
#define MEAN 3.0f				/* of the embeddings; an item without one counts as the mean */

/* ---- L-BFGS ---- */

#define VALLEY 40

/* sum_k (k + 1) (x_k - k)^2 + ridge / 2 x_k^2 + log(1 + e^x_0): without a ridge the minimum over x_k, k > 0, is k. */
static xmc_status
valley(void *arg, const double *x, double *value, double *gradient)
{
	double		ridge = *(double *) arg;

	*value = log1p(exp(x[0]));
	for (int k = 0; k < VALLEY; k++)
	{
		*value += (k + 1) * (x[k] - k) * (x[k] - k) + ridge / 2 * x[k] * x[k];
		gradient[k] = 2 * (k + 1) * (x[k] - k) + ridge * x[k];
	}
	gradient[0] += 1 / (1 + exp(-x[0]));
	return XMC_OK;
}

static void
test_lbfgs(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_arena	arena;
	xmc_lbfgs	lbfgs;
	double		ridge = 0;
	double		x[VALLEY];
	double		value;

	(void) state;
	xmc_arena_init(&arena, &ctx);
	assert_int_equal(xmc_lbfgs_init(&arena, VALLEY, &lbfgs), XMC_OK);
	for (int k = 0; k < VALLEY; k++)
		x[k] = -5;
	assert_int_equal(xmc_lbfgs_minimise(&lbfgs, valley, &ridge, 500, 1e-15, x, &value), XMC_OK);
	for (int k = 1; k < VALLEY; k++)
		assert_true(fabs(x[k] - k) < 1e-5);
	assert_true(fabs(2 * x[0] + 1 / (1 + exp(-x[0]))) < 1e-5);	/* the slope at the minimum */
	xmc_arena_free(&arena);
}

/* 10 + (x - 0.5001)^2, from 0: the first step, of length 1, ends as far behind the minimum, where the objective is hardly lower. */
static xmc_status
bowl(void *arg, const double *x, double *value, double *gradient)
{
	(void) arg;
	*value = 10 + (x[0] - 0.5001) * (x[0] - 0.5001);
	gradient[0] = 2 * (x[0] - 0.5001);
	return XMC_OK;
}

static void
test_lbfgs_first_step(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_arena	arena;
	xmc_lbfgs	lbfgs;
	double		x = 0;
	double		value;

	(void) state;
	xmc_arena_init(&arena, &ctx);
	assert_int_equal(xmc_lbfgs_init(&arena, 1, &lbfgs), XMC_OK);
	assert_int_equal(xmc_lbfgs_minimise(&lbfgs, bowl, NULL, 40, 1e-4, &x, &value), XMC_OK);
	assert_true(fabs(x - 0.5001) < 1e-6);
	xmc_arena_free(&arena);
}

/* After a ridge the kept steps have the changes of the gradient that the new objective has, and its minimum is found. */
static void
test_lbfgs_add_ridge(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_arena	arena;
	xmc_lbfgs	lbfgs;
	double		ridge = 40;
	double		x[VALLEY] = {0};
	double		value;

	(void) state;
	xmc_arena_init(&arena, &ctx);
	assert_int_equal(xmc_lbfgs_init(&arena, VALLEY, &lbfgs), XMC_OK);
	assert_int_equal(xmc_lbfgs_minimise(&lbfgs, valley, &ridge, 500, 1e-12, x, &value), XMC_OK);
	assert_true(lbfgs.made >= XMC_LBFGS_HISTORY);
	ridge = 10;
	xmc_lbfgs_add_ridge(&lbfgs, -30);
	for (int at = 0; at < XMC_LBFGS_HISTORY; at++)
	{
		const double *step = lbfgs.step + at * VALLEY;
		const double *change = lbfgs.change + at * VALLEY;
		double		sum = 0;

		for (int k = 0; k < VALLEY; k++)
			sum += step[k] * change[k];
		for (int k = 1; k < VALLEY; k++)
			assert_true(fabs(change[k] - (2 * (k + 1) + ridge) * step[k]) < 1e-9);
		assert_true(fabs(lbfgs.curvature[at] - sum) < 1e-9 * sum);
	}
	assert_int_equal(xmc_lbfgs_minimise(&lbfgs, valley, &ridge, 500, 1e-15, x, &value), XMC_OK);
	for (int k = 1; k < VALLEY; k++)
		assert_true(fabs(x[k] - 2 * (k + 1) * k / (2 * (k + 1) + ridge)) < 1e-5);
	xmc_arena_free(&arena);
}

/* ---- the fit ---- */

typedef struct fixture
{
	xmc_ctx		ctx;
	xmc_arena	arena;
	xmc_options options;
	xmc_model  *model;
	float	   *idf;			/* (2^hash_bits) */
	xmc_document document[DOCUMENTS];
	const xmc_document *pointer[DOCUMENTS];
} fixture;

/* Documents of five steps; the first and the last often say so, and the first number of the embedding is the place and noise. */
static void
make_documents(fixture *f)
{
	static const char *const middle[] = {"remove the screw", "clean the seal", "check the valve", "grease the shaft"};
	static const int32_t order[] = {0, 1, 2, 3, 4};
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	xmc_random_seed(&random, 3);
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		static const char *const key[] = {"0", "1", "2", "3", "4"};
		float		embedding[5][TEXT_DIM];
		xmc_item	item[5];

		for (int i = 0; i < 5; i++)
		{
			const char *text = i == 0 && d % 5 ? "first open the cover" : i == 4 && d % 7 ? "finally close the cover"
				: middle[xmc_random_below(&random, 4)];

			for (int k = 0; k < TEXT_DIM; k++)
				embedding[i][k] = (float) (MEAN + (k == 0 ? i : 0) + 2 * xmc_random_normal(&random));
			item[i] = (xmc_item){.key = key[i],.key_length = 1,.text = text,.text_length = strlen(text)};
			if (i != 2 || d % 3)
				item[i].text_embedding = embedding[i];
		}
		assert_int_equal(xmc_document_build(&f->ctx, &f->options, tokeniser, 5, item, &f->document[d]), XMC_OK);
		assert_int_equal(xmc_document_label_order(&f->ctx, &f->document[d], order), XMC_OK);
		if (d % 4 == 0)
			f->document[d].n_pairs = 1;	/* one answer; an order of five items stands for four */
		f->pointer[d] = &f->document[d];
	}
	xmc_tokeniser_free(tokeniser);
}

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);

	f->ctx = xmc_ctx_malloc();
	xmc_arena_init(&f->arena, &f->ctx);
	xmc_options_default(&f->options);
	f->options.text_dim = TEXT_DIM;
	f->options.hash_bits = 16;
	assert_int_equal(xmc_model_new(&f->ctx, &f->options, false, &f->model), XMC_OK);
	for (int k = 0; k < TEXT_DIM; k++)
	{
		f->model->network[XMC_TEXT].input_mean[k] = MEAN;
		f->model->network[XMC_TEXT].input_scale[k] = 0.5f;
	}
	make_documents(f);
	f->idf = xmc_alloc(&f->ctx, (size_t) 1 << f->options.hash_bits, sizeof(float));
	assert_int_equal(xmc_idf(&f->ctx, &f->options, DOCUMENTS, f->document, f->idf), XMC_OK);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
	xmc_release(&f->ctx, f->idf);
	xmc_model_free(&f->ctx, f->model);
	xmc_arena_free(&f->arena);
	test_free(f);
	return 0;
}

/* The weights of a term, and their number. */
static float *
weights_of(fixture *f, xmc_term term, int64_t *n)
{
	*n = xmc_model_copy_term(f->model, term, NULL, true);
	return term == XMC_TERM_SPARSE ? f->model->sparse : f->model->network[XMC_TEXT].linear;
}

/* The objective of additive_fit.h by its definition, from the scores of the pairs. */
static double
objective(fixture *f, xmc_term term, int32_t step)
{
	float		s[DOCUMENTS * 10];
	double		sum = 0;
	double		answers = 0;
	double		squares = 0;
	int64_t		n;
	const float *w = weights_of(f, term, &n);

	xmc_arena_reset(&f->arena);
	assert_int_equal(xmc_term_pair_scores(&f->arena, f->model, term, DOCUMENTS, f->pointer, s), XMC_OK);
	for (int d = 0, k = 0; d < DOCUMENTS; d++)
	{
		double		of_document = d % 4 == 0 ? 1 : 4;

		answers += of_document;
		for (int p = 0; p < f->document[d].n_pairs; p++, k++)
			sum += of_document * xmc_softplus(-s[k]) / f->document[d].n_pairs;
	}
	sum /= answers;
	for (int64_t k = 0; k < n; k++)
	{
		double		scale = term == XMC_TERM_SPARSE ? f->idf[k] / 5.5 : 1 / sqrt(TEXT_DIM);

		squares += w[k] / scale * (w[k] / scale);
	}
	return sum + xmc_penalty(step) / 2 * squares;
}

/* One fit, which begins from the weights that the model has. */
static void
fit_from_here(fixture *f, xmc_term term, int32_t step, double *loss)
{
	xmc_additive_fit *path;

	xmc_arena_reset(&f->arena);
	assert_int_equal(xmc_additive_begin(&f->arena, f->model, term, f->idf, DOCUMENTS, f->pointer, &path), XMC_OK);
	assert_int_equal(xmc_additive_step(path, step, loss), XMC_OK);
}

static void
fit(fixture *f, xmc_term term, int32_t step)
{
	double		loss;

	fit_from_here(f, term, step, &loss);
	assert_true(loss > 0 && loss < log(2));
}

/* No weight can be moved to lower the objective by more than the tolerance of the fit. */
static void
check_minimum(fixture *f, xmc_term term)
{
	int64_t		n;
	float	   *w = weights_of(f, term, &n);
	double		nothing = objective(f, term, 6);
	double		here;
	int			moved = 0;

	fit(f, term, 6);
	here = objective(f, term, 6);
	assert_true(here < nothing - 0.01);
	for (int64_t k = 0; k < n; k++)
		if (w[k] != 0)
			for (int sign = -1; sign <= 1; sign += 2)
			{
				float		kept = w[k];

				w[k] += (float) (sign * 0.1);
				assert_true(objective(f, term, 6) > here - 2e-4);
				w[k] = kept;
				moved++;
			}
	assert_true(moved >= 2 * (term == XMC_TERM_SPARSE ? 30 : TEXT_DIM));
}

static void
test_minimum(void **state)
{
	check_minimum(*state, XMC_TERM_SPARSE);
	check_minimum(*state, XMC_TERM_TEXT_LINEAR);
}

/*
 * A path of penalties: each further step has a lower loss on the documents and larger weights, and ends where a fit with this penalty
 * alone ends, within twice the tolerance of a fit.
 */
static void
test_path(void **state)
{
	fixture    *f = *state;
	xmc_arena	arena;
	xmc_additive_fit *path;
	double		last_loss = log(2);
	double		last_size = 0;

	xmc_arena_init(&arena, &f->ctx);
	assert_int_equal(xmc_additive_begin(&arena, f->model, XMC_TERM_SPARSE, f->idf, DOCUMENTS, f->pointer, &path), XMC_OK);
	for (int32_t step = 1; step <= 8; step++)
	{
		int64_t		n;
		const float *w = weights_of(f, XMC_TERM_SPARSE, &n);
		double		size = 0;
		double		alone;
		double		loss;

		assert_int_equal(xmc_model_renew_term(&f->ctx, f->model, XMC_TERM_SPARSE), XMC_OK);
		fit_from_here(f, XMC_TERM_SPARSE, step, &loss);
		alone = objective(f, XMC_TERM_SPARSE, step);
		assert_int_equal(xmc_additive_step(path, step, &loss), XMC_OK);
		assert_true(fabs(objective(f, XMC_TERM_SPARSE, step) - alone) < 2e-4 * alone);
		for (int64_t k = 0; k < n; k++)
			size += w[k] * w[k];
		assert_true(loss < last_loss);
		assert_true(size > last_size);
		last_loss = loss;
		last_size = size;
	}
	xmc_arena_free(&arena);
}

/* The order of the documents does not matter, beyond rounding. */
static void
test_order_of_documents(void **state)
{
	fixture    *f = *state;
	int64_t		n;
	float	   *w = weights_of(f, XMC_TERM_SPARSE, &n);
	float	   *kept = xmc_alloc(&f->ctx, (size_t) n, sizeof *kept);

	fit(f, XMC_TERM_SPARSE, 5);
	memcpy(kept, w, (size_t) n * sizeof *w);
	assert_int_equal(xmc_model_renew_term(&f->ctx, f->model, XMC_TERM_SPARSE), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
		f->pointer[d] = &f->document[DOCUMENTS - 1 - d];
	fit(f, XMC_TERM_SPARSE, 5);
	for (int64_t k = 0; k < n; k++)
		assert_true(fabsf(w[k] - kept[k]) < 1e-5f);
	xmc_release(&f->ctx, kept);
}

/* What is kept in memory does not matter, beyond rounding. */
static void
test_kept_documents(void **state)
{
	fixture    *f = *state;
	int64_t		n;
	float	   *w = weights_of(f, XMC_TERM_SPARSE, &n);
	float	   *all_kept = xmc_alloc(&f->ctx, (size_t) n, sizeof *all_kept);
	xmc_additive_fit *path;
	double		loss;

	fit(f, XMC_TERM_SPARSE, 5);
	memcpy(all_kept, w, (size_t) n * sizeof *w);
	assert_int_equal(xmc_model_renew_term(&f->ctx, f->model, XMC_TERM_SPARSE), XMC_OK);
	xmc_arena_reset(&f->arena);
	assert_int_equal(begin_keeping_few(&f->arena, f->model, XMC_TERM_SPARSE, f->idf, DOCUMENTS, f->pointer, &path), XMC_OK);
	assert_int_equal(step_keeping_few(path, 5, &loss), XMC_OK);
	for (int64_t k = 0; k < n; k++)
		assert_true(fabsf(w[k] - all_kept[k]) < 1e-5f);
	xmc_release(&f->ctx, all_kept);
}

/* A word of every text has the least inverse document frequency, a word of no text the largest. */
static void
test_idf(void **state)
{
	fixture    *f = *state;
	double		items = 5 * DOCUMENTS;
	double		least = 100;
	double		most = 0;

	for (int64_t k = 0; k < INT64_C(1) << f->options.hash_bits; k++)
	{
		least = fmin(least, f->idf[k]);
		most = fmax(most, f->idf[k]);
	}
	assert_true(fabs(least - 1) < 1e-6);	/* "the", and that a text has at least one word */
	assert_true(fabs(most - (log(1 + items) + 1)) < 1e-5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lbfgs),
		cmocka_unit_test(test_lbfgs_first_step),
		cmocka_unit_test(test_lbfgs_add_ridge),
		cmocka_unit_test_setup_teardown(test_minimum, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order_of_documents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept_documents, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_idf, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
