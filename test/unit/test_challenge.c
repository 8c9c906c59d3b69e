/*
 * test_challenge.c - a challenger against a champion: models whose only weights are those of words that show the place of an
 * item, so that the tau of each model is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "counting.h"
#include "xmcoh/challenge.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

#define DOCUMENTS 60
#define ITEMS 5

static const char *const word[ITEMS] = {"alpha", "bravo", "charlie", "delta", "echo"};

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_options options;
	xmc_document document[DOCUMENTS];
	const xmc_document *all[DOCUMENTS];
} fixture;

/* Item keys are permuted in each document, so that they do not show the order. */
static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);
	xmc_tokeniser *tokeniser;

	f->ctx = counting_ctx(&f->counts);
	xmc_options_default(&f->options);
	f->options.hash_bits = 12;
	f->options.bag_dim = f->options.bilinear_dim = 0;	/* the words show the whole order */
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		char		key[ITEMS];
		xmc_item	item[ITEMS];
		int32_t		order[ITEMS];

		for (int i = 0; i < ITEMS; i++)
		{
			int			place = (i * (1 + d % (ITEMS - 1)) + d) % ITEMS;	/* 5 is prime: a permutation */

			key[i] = (char) ('0' + i);
			item[i] = (xmc_item){.key = &key[i],.key_length = 1,.text = word[place],.text_length = strlen(word[place])};
			order[place] = i;
		}
		assert_int_equal(xmc_document_build(&f->ctx, &f->options, tokeniser, ITEMS, item, &f->document[d]), XMC_OK);
		assert_int_equal(xmc_document_label_order(&f->ctx, &f->document[d], order), XMC_OK);
		f->all[d] = &f->document[d];
	}
	xmc_tokeniser_free(tokeniser);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
	assert_int_equal(f->counts.live, 0);
	test_free(f);
	return 0;
}

/* A model whose sparse term scores word k of `word` by weight[k]. */
static xmc_model *
model_of(fixture *f, const float *weight)
{
	xmc_model  *model;

	assert_int_equal(xmc_model_new(&f->ctx, &f->options, false, &model), XMC_OK);
	for (int place = 0; place < ITEMS; place++)
	{
		const xmc_document *document = &f->document[0];
		int			i = place;	/* in document 0, item i has place i */

		for (int32_t k = document->feature_start[i]; k < document->feature_start[i + 1]; k++)
			model->sparse[document->feature[k] >> (32 - f->options.hash_bits)] += weight[place];
	}
	return model;
}

static const float right[ITEMS] = {-2, -1, 0, 1, 2};
static const float wrong[ITEMS] = {2, 1, 0, -1, -2};
static const float nothing[ITEMS];
static const float nearly[ITEMS] = {-2, -1, 0, 2, 1};	/* the last two exchanged: tau 0.8 */

static xmc_challenge
challenge(fixture *f, const float *champion_weight, const float *challenger_weight, double margin)
{
	xmc_model  *champion = model_of(f, champion_weight);
	xmc_model  *challenger = model_of(f, challenger_weight);
	xmc_challenge result;

	assert_int_equal(xmc_challenge_run(&f->ctx, champion, challenger, DOCUMENTS, f->all, margin, &result), XMC_OK);
	assert_int_equal(result.documents, DOCUMENTS);
	assert_true(fabs(result.difference.mean - (result.challenger.mean - result.champion.mean)) < 1e-12);
	assert_true(result.difference.low <= result.difference.mean && result.difference.mean <= result.difference.high);
	xmc_model_free(&f->ctx, champion);
	xmc_model_free(&f->ctx, challenger);
	return result;
}

static void
test_tau(void **state)
{
	fixture    *f = *state;
	const float *const weight[] = {right, wrong, nearly};
	const double wanted[] = {1, -1, 0.8};

	for (int k = 0; k < 3; k++)
	{
		xmc_model  *model = model_of(f, weight[k]);

		for (int d = 0; d < DOCUMENTS; d++)
		{
			xmc_scores	scores;
			double		tau;

			assert_int_equal(xmc_score_documents(&f->ctx, model, 1, f->all[d], &scores), XMC_OK);
			assert_int_equal(xmc_decoded_tau(&f->ctx, f->all[d], scores.score[XMC_SCORE_FUSED], 7, &tau), XMC_OK);
			assert_true(fabs(tau - wanted[k]) < 1e-12);
			xmc_scores_free(&f->ctx, &scores);
		}
		xmc_model_free(&f->ctx, model);
	}
}

static void
test_better_and_equal(void **state)
{
	fixture    *f = *state;
	xmc_challenge better = challenge(f, wrong, right, 0);
	xmc_challenge equal = challenge(f, nearly, nearly, 0);

	assert_true(better.challenger.mean == 1 && better.champion.mean == -1 && better.difference.mean == 2);
	assert_false(better.rejected);
	assert_true(equal.difference.mean == 0 && equal.difference.low == 0 && equal.difference.high == 0);
	assert_false(equal.rejected);
}

/* Two models with weights of 0: ties fall alike for both, and tau is about 0. */
static void
test_nothing(void **state)
{
	xmc_challenge blind = challenge(*state, nothing, nothing, 0);

	assert_true(blind.difference.mean == 0);
	assert_true(blind.champion.low < 0 && blind.champion.high > 0);
	assert_false(blind.rejected);
}

static void
test_worse(void **state)
{
	assert_true(challenge(*state, right, wrong, 0).rejected);
	assert_true(challenge(*state, right, nothing, 0).rejected);
	assert_true(challenge(*state, right, nearly, 0).rejected);	/* by 0.2 on every document */
}

/* Rejected only when the whole interval, here the point -0.2, lies below -margin. */
static void
test_margin(void **state)
{
	assert_true(challenge(*state, right, nearly, 0.19).rejected);
	assert_false(challenge(*state, right, nearly, 0.21).rejected);
	assert_false(challenge(*state, right, nothing, 1).rejected);
	assert_true(challenge(*state, right, wrong, 1).rejected);
}

/* Worse on some documents, better on others: the interval contains 0, so the challenger is not rejected. */
static void
test_doubt(void **state)
{
	fixture    *f = *state;
	xmc_challenge doubtful;

	for (int d = 0; d < DOCUMENTS / 2 - 1; d++)	/* these run backwards */
		for (int32_t p = 0; p < f->document[d].n_pairs; p++)
		{
			xmc_pair   *pair = &f->document[d].pair[p];

			*pair = (xmc_pair){pair->after, pair->before, pair->weight};
		}
	doubtful = challenge(f, right, wrong, 0);
	assert_true(doubtful.difference.mean < 0 && doubtful.difference.low < 0 && doubtful.difference.high > 0);
	assert_false(doubtful.rejected);
}

static void
test_refused(void **state)
{
	fixture    *f = *state;
	xmc_model  *model = model_of(f, right);
	xmc_model  *other = model_of(f, wrong);
	xmc_challenge result;

	assert_int_equal(xmc_challenge_run(&f->ctx, model, other, 0, f->all, 0, &result), XMC_BAD_INPUT);
	assert_int_equal(xmc_challenge_run(&f->ctx, model, other, 1, f->all, 0, &result), XMC_OK);
	assert_true(result.difference.high < 0);
	assert_false(result.rejected);	/* one document tells nothing of others */
	other->options.image_dim = 3;
	assert_int_equal(xmc_challenge_run(&f->ctx, model, other, DOCUMENTS, f->all, 0, &result), XMC_BAD_INPUT);
	other->options.image_dim = 0;
	xmc_model_free(&f->ctx, model);
	xmc_model_free(&f->ctx, other);
}

/* Without memory or stopped at any point, it ends with that status and frees all memory. */
static void
test_ends_early(void **state)
{
	fixture    *f = *state;
	xmc_model  *model = model_of(f, right);
	xmc_challenge result;
	xmc_status	status;
	long		live = f->counts.live;
	int			failures = 0;

	do
	{
		f->counts.fail_at = f->counts.calls + ++failures;
		status = xmc_challenge_run(&f->ctx, model, model, 3, f->all, 0, &result);
		f->counts.fail_at = 0;
		assert_true(status == XMC_OK || status == XMC_NO_MEMORY);
		assert_int_equal(f->counts.live, live);
	} while (status != XMC_OK);
	assert_true(failures > 10);
	for (int question = 1; question <= 6; question++)
	{
		f->counts.stop_at = f->counts.questions + question;
		assert_int_equal(xmc_challenge_run(&f->ctx, model, model, 3, f->all, 0, &result), XMC_STOPPED);
		assert_int_equal(f->counts.live, live);
	}
	f->counts.stop_at = 0;
	xmc_model_free(&f->ctx, model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tau, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_better_and_equal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_worse, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_margin, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_doubt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ends_early, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
