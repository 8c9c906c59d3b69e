/*
 * The mention term: scores by their definition, computed here from the words alone; the gradient against finite differences;
 * the fit is the minimum of its objective and learns that "a" stands before "the"; a document without shared words has no score.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "network/mentions.h"
#include "network/term.h"
#include "numeric/dense.h"
#include "train/additive_fit.h"
#include "train/mention_fit.h"
#include "xmcoh/random.h"

#define DOCUMENTS 12
#define ITEMS 5
#define PENALTY_STEP 3
#define STRONGER_PENALTIES 4	/* mention_fit.c: the first penalty is the fifth of xmc_penalty */

typedef struct fixture
{
	xmc_ctx		ctx;
	xmc_arena	arena;
	xmc_options options;
	xmc_model  *model;
	xmc_document document[DOCUMENTS];
	const xmc_document *pointer[DOCUMENTS];
} fixture;

static void
build(fixture *f, xmc_tokeniser *tokeniser, const char *const text[ITEMS], xmc_document *out)
{
	static const char *const key[ITEMS] = {"0", "1", "2", "3", "4"};
	static const int32_t order[ITEMS] = {3, 0, 2, 1, 4};
	xmc_item	item[ITEMS];

	for (int i = 0; i < ITEMS; i++)
		item[i] = (xmc_item){.key = key[i],.key_length = 1,.text = text[i],.text_length = text[i] ? strlen(text[i]) : 0};
	assert_int_equal(xmc_document_build(&f->ctx, &f->options, tokeniser, ITEMS, item, out), XMC_OK);
	assert_int_equal(xmc_document_label_order(&f->ctx, out, order), XMC_OK);
}

/* In the order of `build`, a thing is introduced with "a" and stands with "the" afterwards. The last document has other texts. */
static int
set_up(void **state)
{
	static const char *const thing[] = {"valve", "cover", "shaft", "seal", "hose", "filter", "pump"};
	static const char *const mixed[ITEMS] = {"", NULL, "the valve the valve a valve", "Valve", "!"};
	fixture    *f = test_calloc(1, sizeof *f);
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	f->ctx = xmc_ctx_malloc();
	xmc_arena_init(&f->arena, &f->ctx);
	xmc_options_default(&f->options);
	f->options.hash_bits = 12;
	assert_int_equal(xmc_model_new(&f->ctx, &f->options, false, &f->model), XMC_OK);
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &tokeniser), XMC_OK);
	xmc_random_seed(&random, 5);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		char		buffer[ITEMS][80];
		const char *text[ITEMS];
		const char *a = thing[d % 7];
		const char *b = thing[(d + 3) % 7];

		snprintf(buffer[3], sizeof buffer[3], "take a %s out of the box", a);
		snprintf(buffer[0], sizeof buffer[0], "fit the %s to a %s", a, b);
		snprintf(buffer[2], sizeof buffer[2], "turn the %s until the %s moves", b, a);
		snprintf(buffer[1], sizeof buffer[1], "check the %s and the %s and the %s", a, b, thing[xmc_random_below(&random, 7)]);
		snprintf(buffer[4], sizeof buffer[4], "wait for ten minutes");
		for (int i = 0; i < ITEMS; i++)
			text[i] = buffer[i];
		build(f, tokeniser, d == DOCUMENTS - 1 ? mixed : text, &f->document[d]);
		f->pointer[d] = &f->document[d];
	}
	xmc_tokeniser_free(tokeniser);
	assert_int_equal(xmc_mention_idf(&f->ctx, DOCUMENTS, f->document, f->model->mention_idf), XMC_OK);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
	xmc_model_free(&f->ctx, f->model);
	xmc_arena_free(&f->arena);
	test_free(f);
	return 0;
}

static void
random_weights(fixture *f, uint64_t seed)
{
	xmc_random	random;

	xmc_random_seed(&random, seed);
	for (int k = 0; k < XMC_CONTEXTS; k++)
		f->model->mentions[k] = (float) xmc_random_normal(&random);
}

/* v(i,w) and whether item i has the word. */
static bool
mean_weight(const fixture *f, const xmc_document *d, int i, uint32_t word, double *mean)
{
	int			mentions = 0;

	*mean = 0;
	for (int at = d->word_start[i]; at < d->word_start[i + 1]; at++)
		if (d->word[at] == word)
		{
			uint32_t	before = at > d->word_start[i] ? d->word[at - 1] : 0;
			uint32_t	after = at + 1 < d->word_start[i + 1] ? d->word[at + 1] : 0;

			*mean += f->model->mentions[before % (XMC_CONTEXTS / 2)];
			*mean += f->model->mentions[after % (XMC_CONTEXTS / 2) + XMC_CONTEXTS / 2];
			mentions++;
		}
	*mean /= mentions > 0 ? mentions : 1;
	return mentions > 0;
}

/* s(i,j) by the definition in mentions.h. */
static double
by_definition(const fixture *f, const xmc_document *d, int i, int j)
{
	double		sum = 0;
	int			shared = 0;

	for (int at = d->word_start[i]; at < d->word_start[i + 1]; at++)
	{
		bool		again = false;
		double		x;
		double		y;

		for (int k = d->word_start[i]; k < at; k++)
			again |= d->word[k] == d->word[at];
		if (again || !mean_weight(f, d, i, d->word[at], &x) || !mean_weight(f, d, j, d->word[at], &y))
			continue;
		sum += f->model->mention_idf[(uint64_t) d->word[at] * XMC_MENTION_WORDS >> 32] * (y - x);
		shared++;
	}
	return shared ? sum / sqrt(shared) : 0;
}

static void
test_scores(void **state)
{
	fixture    *f = *state;
	xmc_batch	batch;
	xmc_term_state scores;
	int			not_zero = 0;

	random_weights(f, 1);
	assert_int_equal(xmc_batch_init(&f->arena, &f->options, XMC_TEXT, DOCUMENTS, f->pointer, &batch), XMC_OK);
	assert_int_equal(xmc_term_forward(&f->arena, f->model, &batch, XMC_TERM_MENTIONS, NULL, false, &scores), XMC_OK);
	for (int32_t d = 0; d < DOCUMENTS; d++)
		for (int32_t i = 0; i < batch.row_start[d + 1] - batch.row_start[d]; i++)
			for (int32_t j = 0; j < batch.row_start[d + 1] - batch.row_start[d]; j++)
				if (i != j)
				{
					const int32_t *item = batch.item + batch.row_start[d];
					double		s = xmc_term_score(&batch, &scores, d, i, j);

					assert_true(fabs(s - by_definition(f, &f->document[d], item[i], item[j])) < 1e-5);
					assert_true(s == -xmc_term_score(&batch, &scores, d, j, i));
					not_zero += s != 0;
				}
	assert_true(not_zero >= 12 * (DOCUMENTS - 1));
}

/* A word of every item counts nothing; one of fewer items counts more. */
static void
test_idf(void **state)
{
	fixture    *f = *state;
	xmc_document one = f->document[DOCUMENTS - 1];	/* "valve" stands in two of its items, one of which has it three times */
	float		idf[XMC_MENTION_WORDS];
	int			present = 0;

	assert_int_equal(xmc_mention_idf(&f->ctx, 1, &one, idf), XMC_OK);
	for (int k = 0; k < XMC_MENTION_WORDS; k++)
	{
		double		expected[] = {log(6.0 / 1) / 6, log(6.0 / 2) / 6, log(6.0 / 3) / 6};

		assert_true(fabs(idf[k] - expected[0]) < 1e-6 || fabs(idf[k] - expected[1]) < 1e-6 || fabs(idf[k] - expected[2]) < 1e-6);
		present += fabs(idf[k] - expected[0]) > 1e-6;
	}
	assert_int_equal(present, 3);	/* valve, the, a */
	one.n = 0;
	assert_int_equal(xmc_mention_idf(&f->ctx, 1, &one, idf), XMC_OK);
	assert_true(idf[0] == 0);
}

/* The objective of mention_fit.h by its definition. */
static double
objective(fixture *f)
{
	float		s[DOCUMENTS * ITEMS * (ITEMS - 1) / 2];
	const float *at = s;
	double		sum = 0;

	xmc_arena_reset(&f->arena);
	assert_int_equal(xmc_term_pair_scores(&f->arena, f->model, XMC_TERM_MENTIONS, DOCUMENTS, f->pointer, s), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		int			pairs = d < DOCUMENTS - 1 ? 10 : 6;	/* one item of the last document has no text */

		for (int p = 0; p < 10; p++, at++)
			if (f->document[d].has[f->document[d].pair[p].before] && f->document[d].has[f->document[d].pair[p].after])
				sum += xmc_softplus(-*at) / pairs / DOCUMENTS;
	}
	for (int k = 0; k < XMC_CONTEXTS; k++)
		sum += xmc_penalty(PENALTY_STEP + STRONGER_PENALTIES) / 2 * f->model->mentions[k] * f->model->mentions[k];
	return sum;
}

static void
test_gradient(void **state)
{
	fixture    *f = *state;
	xmc_mention_links links;
	double		gradient[XMC_CONTEXTS] = {0};
	double		ds[ITEMS * ITEMS] = {0};
	float		s[ITEMS * ITEMS];
	int			checked = 0;

	random_weights(f, 2);
	for (int k = 0; k < ITEMS * ITEMS; k++)
		ds[k] = 1 + 0.1 * k;
	assert_int_equal(xmc_mentions_init(&f->arena, DOCUMENTS, f->pointer, &links), XMC_OK);
	assert_int_equal(xmc_mentions_link(&f->ctx, f->model->mention_idf, &f->document[0], &links), XMC_OK);
	assert_int_equal(xmc_mentions_backward(&f->ctx, &links, ds, gradient), XMC_OK);
	for (int k = 0; k < XMC_CONTEXTS; k++)
	{
		double		sum[2] = {0};
		float		kept = f->model->mentions[k];

		for (int side = 0; side < 2; side++)
		{
			f->model->mentions[k] = kept + (side ? 0.25f : -0.25f);	/* the scores are linear: any step is exact */
			assert_int_equal(xmc_mentions_forward(&f->ctx, f->model->mentions, &links, s), XMC_OK);
			for (int i = 0; i < ITEMS; i++)
				for (int j = i + 1; j < ITEMS; j++)
					sum[side] += ds[i * ITEMS + j] * s[i * ITEMS + j];
		}
		f->model->mentions[k] = kept;
		assert_true(fabs((sum[1] - sum[0]) / 0.5 - gradient[k]) < 1e-4);
		checked += gradient[k] != 0;
	}
	assert_true(checked >= 8);
}

static void
fit(fixture *f, double *loss)
{
	xmc_mention_fit *path;

	xmc_arena_reset(&f->arena);
	assert_int_equal(xmc_mention_begin(&f->arena, f->model, DOCUMENTS, f->pointer, &path), XMC_OK);
	assert_int_equal(xmc_mention_step(path, PENALTY_STEP, loss), XMC_OK);
}

/* No weight can be moved to lower the objective by more than the tolerance of the fit. The order of documents does not matter. */
static void
test_fit(void **state)
{
	fixture    *f = *state;
	double		nothing = objective(f);
	double		here;
	double		loss;
	float		first;
	int			moved = 0;

	fit(f, &loss);
	assert_true(loss > 0 && loss < log(2) - 0.05);
	here = objective(f);
	assert_true(here < nothing - 0.05);
	for (int k = 0; k < XMC_CONTEXTS; k++)
		if (f->model->mentions[k] != 0)
			for (int sign = -1; sign <= 1; sign += 2)
			{
				float		kept = f->model->mentions[k];

				f->model->mentions[k] += (float) (sign * 0.1);
				assert_true(objective(f) > here - 2e-4);
				f->model->mentions[k] = kept;
				moved++;
			}
	assert_true(moved >= 20);
	first = f->model->mentions[0];
	assert_int_equal(xmc_model_renew_term(&f->ctx, f->model, XMC_TERM_MENTIONS), XMC_OK);
	assert_true(f->model->mentions[0] == 0);
	for (int d = 0; d < DOCUMENTS; d++)
		f->pointer[d] = &f->document[DOCUMENTS - 1 - d];
	fit(f, &loss);
	assert_true(fabsf(f->model->mentions[0] - first) < 1e-5f);
}

/* "a" and "the" tell the order of a word that stands in no document of the fit. */
static void
test_learned(void **state)
{
	static const char *const text[ITEMS] = {"remove the engine now", "look at this", "there is a engine here", "rest", "go"};
	fixture    *f = *state;
	const xmc_document *document;
	xmc_document d;
	xmc_tokeniser *tokeniser;
	float		s[ITEMS * (ITEMS - 1) / 2];
	double		loss;

	assert_int_equal(xmc_tokeniser_new(&f->ctx, &tokeniser), XMC_OK);
	build(f, tokeniser, text, &d);
	xmc_tokeniser_free(tokeniser);
	document = &d;
	fit(f, &loss);
	assert_int_equal(xmc_term_pair_scores(&f->arena, f->model, XMC_TERM_MENTIONS, 1, &document, s), XMC_OK);
	for (int p = 0; p < d.n_pairs; p++)
	{
		int			items = d.pair[p].before * ITEMS + d.pair[p].after;

		/* The only word that two items share is "engine", in items 0 and 2. */
		assert_true(items == 0 * ITEMS + 2 ? s[p] < -0.1f : items == 2 * ITEMS + 0 ? s[p] > 0.1f : s[p] == 0);
	}
	xmc_document_free(&f->ctx, &d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scores, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_idf, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gradient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_learned, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
