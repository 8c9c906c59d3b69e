/*
 * test_gradient.c - gradients against finite differences, equivariance of the encoder, and properties of scores for any
 * weights: antisymmetry, independence of the batch, score 0 without input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "numeric/dense.h"
#include "xmcoh/random.h"
#include "network/term.h"
#include "train/gradient.h"
#include "xmcoh/scorer.h"
#include "random_transformer.h"

#define DOCUMENTS 3

static const int32_t sizes[DOCUMENTS] = {2, 5, 4};

static xmc_options
small_options(void)
{
	xmc_options o;

	xmc_options_default(&o);
	o.image_dim = 5;
	o.text_dim = 3;
	o.words = 1;
	o.d_model = 8;
	o.heads = 2;
	o.layers = 2;
	o.feed_forward = 12;
	o.hash_bits = 8;
	o.bag_bits = 8;
	o.bag_dim = 4;
	o.bilinear_dim = 6;
	o.dropout = 0;
	return o;
}

/* Documents with random embeddings and features; item 1 of the last lacks its image, item 2 its text. */
static void
make_documents(xmc_ctx *ctx, const xmc_options *o, xmc_document *document)
{
	xmc_random	random;

	xmc_random_seed(&random, 42);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		int32_t		n = sizes[d];
		xmc_document *doc = &document[d];
		int32_t		order[8];

		*doc = (xmc_document){.n = n};
		doc->has = xmc_alloc(ctx, (size_t) n, 1);
		memset(doc->has, XMC_HAS_TEXT | XMC_HAS_IMAGE, (size_t) n);
		doc->feature_start = xmc_alloc(ctx, (size_t) n + 1, sizeof(int32_t));
		doc->feature = xmc_alloc(ctx, (size_t) n * 3, sizeof(uint32_t));
		doc->text_embedding = xmc_zalloc(ctx, (size_t) (n * o->text_dim), sizeof(float));
		doc->image = xmc_zalloc(ctx, (size_t) (n * o->image_dim), sizeof(float));
		for (int32_t i = 0; i <= n; i++)
			doc->feature_start[i] = 3 * i;
		for (int32_t k = 0; k < 3 * n; k++)
			doc->feature[k] = ((uint32_t) xmc_random_next(&random) & ~7u) | XMC_FEATURE_WORD;
		for (int32_t k = 0; k < n * o->text_dim; k++)
			doc->text_embedding[k] = (float) xmc_random_normal(&random);
		for (int32_t k = 0; k < n * o->image_dim; k++)
			doc->image[k] = (float) xmc_random_normal(&random);
		for (int32_t k = 0; k < n; k++)
			order[k] = n - 1 - k;
		assert_int_equal(xmc_document_label_order(ctx, doc, order), XMC_OK);
		for (int32_t p = 0; p < doc->n_pairs; p++)
			doc->pair[p].weight = 1 + (float) p;
	}
	for (int d = 0; o->fine_tune > 0 && d < DOCUMENTS; d++)
	{
		xmc_document *doc = &document[d];

		/* item i has i tokens; the first of each document has only its supplied embedding */
		doc->token_start = xmc_zalloc(ctx, (size_t) doc->n + 1, sizeof(int32_t));
		doc->token = xmc_alloc(ctx, (size_t) (doc->n * doc->n), sizeof(int32_t));
		for (int32_t i = 0; i < doc->n; i++)
			doc->token_start[i + 1] = doc->token_start[i] + i;
		for (int32_t k = 0; k < doc->token_start[doc->n]; k++)
			doc->token[k] = (int32_t) xmc_random_below(&random, VOCABULARY);
	}
	document[DOCUMENTS - 1].has[1] &= (uint8_t) ~XMC_HAS_IMAGE;
	document[DOCUMENTS - 1].has[2] &= (uint8_t) ~XMC_HAS_TEXT;
}

typedef struct fixture
{
	xmc_ctx		ctx;
	xmc_options options;
	xmc_arena	arena;
	xmc_model  *model;
	xmc_model  *grad;
	xmc_document document[DOCUMENTS];
	const xmc_document *pointer[DOCUMENTS];
	xmc_arena	run_arena;
	xmc_adagrad bag;
	xmc_transformer encoder;
	float	   *encoder_memory;
} fixture;

static int
set_up_with(void **state, int32_t fine_tune)
{
	fixture    *f = test_calloc(1, sizeof *f);
	xmc_random	random;

	f->ctx = xmc_ctx_malloc();
	f->options = small_options();
	f->options.fine_tune = fine_tune;
	f->options.adapter_rank = 8;
	if (fine_tune > 0)
		f->options.text_dim = 4;
	make_transformer(f->options.text_dim, 1, 6, 3, &f->encoder, &f->encoder_memory);
	xmc_arena_init(&f->arena, &f->ctx);
	xmc_arena_init(&f->run_arena, &f->ctx);
	assert_int_equal(xmc_model_new(&f->ctx, &f->options, true, &f->model), XMC_OK);
	assert_int_equal(xmc_model_new(&f->ctx, &f->options, true, &f->grad), XMC_OK);
	xmc_random_seed(&random, 7);
	for (int32_t t = 0; t < f->model->n_tensors; t++)
		for (int64_t k = 0; k < f->model->tensor[t].n_values; k++)
		{
			(*f->model->tensor[t].slot)[k] += (float) (0.3 * xmc_random_normal(&random));
			(*f->grad->tensor[t].slot)[k] = 0;
		}
	make_documents(&f->ctx, &f->options, f->document);
	for (int d = 0; d < DOCUMENTS; d++)
		f->pointer[d] = &f->document[d];
	assert_int_equal(xmc_adagrad_init(&f->run_arena, 1 << f->options.bag_bits, f->options.bag_dim, &f->bag), XMC_OK);
	f->model->base_encoder = &f->encoder;
	xmc_model_note_changes(f->model);
	*state = f;
	return 0;
}

static int
set_up(void **state)
{
	return set_up_with(state, 0);
}

static int
set_up_tuned(void **state)
{
	return set_up_with(state, 2);
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
	xmc_arena_free(&f->run_arena);
	xmc_model_free(&f->ctx, f->model);
	xmc_model_free(&f->ctx, f->grad);
	xmc_arena_free(&f->arena);
	free(f->encoder_memory);
	test_free(f);
	return 0;
}

/* The loss and its gradients; with seed > 0 each call has the same dropout masks. */
static double
loss(fixture *f, xmc_term term, uint64_t seed)
{
	xmc_batch	batch;
	xmc_random	random;
	double		value;

	xmc_random_seed(&random, seed);
	xmc_arena_reset(&f->arena);
	assert_int_equal(xmc_batch_init(&f->arena, &f->options, xmc_term_modality(term), DOCUMENTS, f->pointer, &batch), XMC_OK);
	assert_int_equal(xmc_term_gradient(&f->arena, f->model, &batch, term, 1, seed ? &random : NULL, f->grad,
									   term == XMC_TERM_TEXT_NETWORK ? &f->bag : NULL, NULL,
									   &value), XMC_OK);
	return value;
}

static bool
agree(double numeric, double wanted)
{
	return fabs(numeric - wanted) <= 2e-3 + 0.02 * fabs(wanted);
}

/*
 * Finite differences of a few values of every tensor; float32 forward passes leave noise of about 1e-4. Where a step crosses
 * the kink of a ReLU, only the one-sided difference away from the kink is the derivative.
 */
static void
check_values(fixture *f, xmc_term term, uint64_t seed, float *values, const float *gradient,
			 int64_t n, const char *name)
{
	const double step = 5e-4;
	int64_t		stride = n > 12 ? n / 12 : 1;

	for (int64_t k = 0; k < n; k += stride)
	{
		float		kept = values[k];
		double		here = loss(f, term, seed);
		double		up;
		double		down;
		double		wanted = gradient[k];

		values[k] = (float) (kept + step);
		up = loss(f, term, seed);
		values[k] = (float) (kept - step);
		down = loss(f, term, seed);
		values[k] = kept;
		if (!agree((up - down) / (2 * step), wanted) && !agree((up - here) / step, wanted) &&
			!agree((here - down) / step, wanted))
			fail_msg("%s[%lld]: gradient %g, finite difference %g", name, (long long) k, wanted, (up - down) / (2 * step));
	}
}

/* Every tensor of one term. The gradient of one pass is copied before the passes of the finite differences add theirs. */
static void
check_part(fixture *f, xmc_term term, uint64_t seed, int tensors)
{
	int			checked = 0;

	for (int32_t t = 0; t < f->model->n_tensors; t++)
	{
		const xmc_tensor *tensor = &f->model->tensor[t];
		float	   *values = *tensor->slot;
		float	   *kept;
		bool		is_bag = tensor->slot == &f->model->bag;

		if (tensor->term != term)
			continue;
		kept = xmc_alloc(&f->ctx, (size_t) tensor->n_values, sizeof(float));
		memset(is_bag ? f->bag.grad : *f->grad->tensor[t].slot, 0, (size_t) tensor->n_values * sizeof(float));
		loss(f, term, seed);
		memcpy(kept, is_bag ? f->bag.grad : *f->grad->tensor[t].slot, (size_t) tensor->n_values * sizeof(float));
		if (is_bag)
		{
			/* only touched rows have gradients; look at those */
			for (int32_t k = 0; k < f->bag.n_touched && k < 6; k++)
			{
				int64_t		first = (int64_t) f->bag.touched[k] * f->options.bag_dim;

				check_values(f, term, seed, values + first, kept + first, f->options.bag_dim, tensor->name);
			}
		}
		else
			check_values(f, term, seed, values, kept, tensor->n_values, tensor->name);
		xmc_release(&f->ctx, kept);
		checked++;
	}
	assert_int_equal(checked, tensors);
}

static void
test_image_gradient(void **state)
{
	check_part(*state, XMC_TERM_IMAGE_NETWORK, 0, 29);
}

static void
test_text_gradient(void **state)
{
	check_part(*state, XMC_TERM_TEXT_NETWORK, 0, 30);
}

/* The gradient goes on through the inputs to the adapters of the text encoder. */
static void
test_tuned_gradient(void **state)
{
	fixture    *f = *state;

	check_part(f, XMC_TERM_TEXT_NETWORK, 0, 30 + 2 * 4);
	f->model->options.fine_tune_dropout = 0.3;
	check_part(f, XMC_TERM_TEXT_NETWORK, 99, 30 + 2 * 4);
}

/*
 * While the encoder learns, its dropout is that of the network, too: it changes the loss of a pass with random numbers alone, and without
 * it there is none.
 */
static void
test_tuned_dropout(void **state)
{
	fixture    *f = *state;
	double		without = loss(f, XMC_TERM_TEXT_NETWORK, 0);
	double		seeded = loss(f, XMC_TERM_TEXT_NETWORK, 99);

	f->model->options.fine_tune_dropout = 0.3;
	assert_true(loss(f, XMC_TERM_TEXT_NETWORK, 0) == without);
	assert_true(loss(f, XMC_TERM_TEXT_NETWORK, 99) != seeded);
	assert_true(loss(f, XMC_TERM_TEXT_NETWORK, 99) == loss(f, XMC_TERM_TEXT_NETWORK, 99));
	f->model->options.dropout = 0.3;
	f->model->options.fine_tune_dropout = 0;
	assert_true(loss(f, XMC_TERM_TEXT_NETWORK, 99) == without);
	f->model->network[XMC_TEXT].uses_changes = false;
	assert_true(loss(f, XMC_TERM_TEXT_NETWORK, 99) != loss(f, XMC_TERM_TEXT_NETWORK, 0));
}

/* Without an encoder, or with one of another shape, a model with adapters scores nothing. */
static void
test_tuned_without_encoder(void **state)
{
	fixture    *f = *state;
	xmc_batch	batch;
	xmc_term_state term_state;

	assert_int_equal(xmc_batch_init(&f->arena, &f->options, XMC_TEXT, DOCUMENTS, f->pointer, &batch), XMC_OK);
	f->model->base_encoder = NULL;
	assert_int_equal(xmc_term_forward(&f->arena, f->model, &batch, XMC_TERM_TEXT_NETWORK, NULL, false, &term_state), XMC_BAD_MODEL);
	assert_string_equal(f->ctx.message, "the model fine-tunes a text encoder, but no encoder is given");
	f->encoder.settings.shape.layers = 1;
	f->model->base_encoder = &f->encoder;
	assert_int_equal(xmc_term_forward(&f->arena, f->model, &batch, XMC_TERM_TEXT_NETWORK, NULL, false, &term_state), XMC_BAD_MODEL);
	assert_string_equal(f->ctx.message, "the model fine-tunes 2 layers of a text encoder of 4 numbers, but the encoder has 1 layers of 4 numbers");
}

static void
test_bilinear_gradient(void **state)
{
	fixture    *f = *state;

	check_part(f, XMC_TERM_BILINEAR, 0, 2);
	f->model->options.dropout = 0.3;
	check_part(f, XMC_TERM_BILINEAR, 99, 2);
}

static void
test_gradient_with_dropout(void **state)
{
	fixture    *f = *state;

	f->model->options.dropout = 0.3;
	check_part(f, XMC_TERM_IMAGE_NETWORK, 99, 29);
}

static void
test_scores(void **state)
{
	fixture    *f = *state;
	xmc_scores	together[DOCUMENTS];

	f->model->calibration = (xmc_calibration){.solo = {0.5, 0.25},.fused = {0.75, 0.125, 0.5}};
	assert_int_equal(xmc_score_documents(&f->ctx, f->model, DOCUMENTS, f->document, together), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		int32_t		n = sizes[d];
		xmc_scores	alone;
		double		sum = 0;

		assert_int_equal(xmc_score_documents(&f->ctx, f->model, 1, &f->document[d], &alone), XMC_OK);
		for (int e = 0; e < XMC_SCORE_KINDS; e++)
			for (int32_t i = 0; i < n; i++)
				for (int32_t j = 0; j < n; j++)
				{
					float		s = together[d].score[e][i * n + j];

					assert_true(s == -together[d].score[e][j * n + i]);
					assert_true(fabsf(s - alone.score[e][i * n + j]) < 1e-4);
					sum += fabs(s);
				}
		assert_true(sum > 0.1);
		xmc_scores_free(&f->ctx, &alone);
	}
	/* Items without a modality have a score of 0 by it; the fused score is that of the other modality. */
	{
		xmc_scores *s = &together[DOCUMENTS - 1];
		int32_t		n = sizes[DOCUMENTS - 1];

		for (int32_t j = 0; j < n; j++)
		{
			assert_true(s->score[XMC_SCORE_IMAGE][1 * n + j] == 0);
			assert_true(s->score[XMC_SCORE_TEXT][2 * n + j] == 0);
			assert_true(s->raw[XMC_JOINT][1 * n + j] == 0 && s->raw[XMC_JOINT][2 * n + j] == 0);
			assert_true(s->score[XMC_SCORE_FUSED][1 * n + j] == s->score[XMC_SCORE_TEXT][1 * n + j]);
			assert_true(s->score[XMC_SCORE_FUSED][2 * n + j] == s->score[XMC_SCORE_IMAGE][2 * n + j]);
		}
		assert_true(fabsf(s->raw[XMC_JOINT][3]) > 0.01);
		assert_true(fabs(s->score[XMC_SCORE_FUSED][3] -
						 (0.75 * s->raw[XMC_TEXT][3] + 0.125 * s->raw[XMC_IMAGE][3] + 0.5 * s->raw[XMC_JOINT][3])) < 1e-5);
	}
	for (int d = 0; d < DOCUMENTS; d++)
		xmc_scores_free(&f->ctx, &together[d]);
}

/*
 * If a model reads one modality, the fused score is that modality's score and the bilinear term's, of all items that hold
 * it.
 */
static void
test_one_modality(void **state)
{
	fixture    *f = *state;
	xmc_options options = f->options;
	xmc_model  *model;
	xmc_scores	s;
	int32_t		n = sizes[DOCUMENTS - 1];

	options.image_dim = 0;
	assert_int_equal(xmc_model_new(&f->ctx, &options, true, &model), XMC_OK);
	model->calibration = (xmc_calibration){.solo = {0.5, 0.25},.fused = {0.75, 0.125, 0.5}};
	assert_int_equal(xmc_score_documents(&f->ctx, model, 1, &f->document[DOCUMENTS - 1], &s), XMC_OK);
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
		{
			float		fused = s.score[XMC_SCORE_FUSED][i * n + j];

			assert_true((s.raw[XMC_JOINT][i * n + j] != 0) == (i != j && i != 2 && j != 2));
			assert_true(fabs(fused - (0.75 * s.raw[XMC_TEXT][i * n + j] + 0.5 * s.raw[XMC_JOINT][i * n + j])) < 1e-5);
		}
	xmc_scores_free(&f->ctx, &s);
	xmc_model_free(&f->ctx, model);
}

/* Exchanging two items exchanges their scores and nothing else, because the encoder has no positional encoding. */
static void
test_equivariance(void **state)
{
	fixture    *f = *state;
	xmc_document *doc = &f->document[1];
	int32_t		n = doc->n;
	xmc_scores	before;
	xmc_scores	after;

	assert_int_equal(xmc_score_documents(&f->ctx, f->model, 1, doc, &before), XMC_OK);
	for (int32_t k = 0; k < f->options.image_dim; k++)
	{
		float		kept = doc->image[k];

		doc->image[k] = doc->image[3 * f->options.image_dim + k];
		doc->image[3 * f->options.image_dim + k] = kept;
	}
	assert_int_equal(xmc_score_documents(&f->ctx, f->model, 1, doc, &after), XMC_OK);
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < n; j++)
		{
			int32_t		a = i == 0 ? 3 : i == 3 ? 0 : i;
			int32_t		b = j == 0 ? 3 : j == 3 ? 0 : j;

			assert_true(fabsf(before.raw[XMC_IMAGE][i * n + j] - after.raw[XMC_IMAGE][a * n + b]) < 1e-5);
		}
	xmc_scores_free(&f->ctx, &before);
	xmc_scores_free(&f->ctx, &after);
}

static void
test_tanh(void **state)
{
	(void) state;
	for (double x = -12; x <= 12; x += 0.00037)
	{
		float		y[9];

		for (int k = 0; k < 9; k++)
			y[k] = (float) x;
		xmc_tanh(9, y);
		for (int k = 0; k < 9; k++)
			assert_true(fabs(y[k] - tanh((float) x)) <= 4 * 6e-8 * fabs(tanh((float) x)) + 1e-12);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_image_gradient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_text_gradient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bilinear_gradient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tuned_dropout, set_up_tuned, tear_down),
		cmocka_unit_test_setup_teardown(test_tuned_gradient, set_up_tuned, tear_down),
		cmocka_unit_test_setup_teardown(test_tuned_without_encoder, set_up_tuned, tear_down),
		cmocka_unit_test_setup_teardown(test_gradient_with_dropout, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_scores, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_modality, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_equivariance, set_up, tear_down),
		cmocka_unit_test(test_tanh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
