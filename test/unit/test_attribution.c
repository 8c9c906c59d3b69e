/*
 * test_attribution.c - integrated gradients of a network's score: inputs times mean gradients sum to the score (completeness), an
 * input that the network does not read has none (sensitivity), and documents of one node at a time give what small ones give
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "models.h"
#include "network/attribution.h"
#include "network/term.h"
#include "xmcoh/dataset.h"
#include "xmcoh/random.h"

#define DIM 6
#define MOST_ITEMS 150

typedef struct attributing
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_random	random;
	float		image[MOST_ITEMS][DIM];
	char		key[MOST_ITEMS][16];
	xmc_item	item[MOST_ITEMS];
} attributing;

static int
set_up(void **state)
{
	attributing *a = test_calloc(1, sizeof *a);

	a->ctx = counting_ctx(&a->counts);
	xmc_random_seed(&a->random, 5);
	*state = a;
	return 0;
}

static int
tear_down(void **state)
{
	attributing *a = *state;

	assert_int_equal(a->counts.live, 0);
	test_free(a);
	return 0;
}

/* A model of images whose parameters are those of the beginning and some noise. */
static xmc_model *
draw_model(attributing *a, double noise)
{
	xmc_options options = small_options();
	xmc_model  *model;

	options.words = false;
	options.text_dim = 0;
	options.image_dim = DIM;
	options.d_model = 32;		/* layer normalisation of few dimensions is too curved for the quadrature */
	options.feed_forward = 64;
	assert_int_equal(xmc_model_new(&a->ctx, &options, false, &model), XMC_OK);
	for (int32_t t = 0; t < model->n_tensors; t++)
		for (int64_t k = 0; k < model->tensor[t].n_values; k++)
			(*model->tensor[t].slot)[k] += (float) (noise * xmc_random_normal(&a->random));
	for (int k = 0; k < DIM; k++)
		model->network[XMC_IMAGE].input_mean[k] = 0;
	return model;
}

static void
draw_document(attributing *a, const xmc_model *model, int32_t n, double size, xmc_document *document)
{
	for (int32_t i = 0; i < n; i++)
	{
		snprintf(a->key[i], sizeof a->key[i], "%03d", (int) i);
		for (int k = 0; k < DIM; k++)
			a->image[i][k] = (float) (size * xmc_random_normal(&a->random));
		a->item[i] = (xmc_item){.key = a->key[i],.key_length = 3,.image = a->image[i]};
	}
	assert_int_equal(xmc_document_build(&a->ctx, &model->options, NULL, n, a->item, document), XMC_OK);
}

/* Inputs times mean gradients of a pair: by dimension, over all items. Returns their sum less the score; *score is that. */
static double
attribute(attributing *a, const xmc_model *model, const xmc_document *document, int32_t i, int32_t j, double by_dimension[DIM],
		  double *score)
{
	xmc_document labelled = *document;
	const xmc_document *one = &labelled;
	xmc_pair	pair = {i, j, 1};
	xmc_arena	arena;
	xmc_batch	batch;
	float		s;
	float	   *x;
	double	   *gradient;
	double		sum = 0;

	labelled.n_pairs = 1;
	labelled.pair = &pair;
	xmc_arena_init(&arena, &a->ctx);
	assert_int_equal(xmc_term_pair_scores(&arena, model, XMC_TERM_IMAGE_NETWORK, 1, &one, &s), XMC_OK);
	*score = s;
	assert_int_equal(xmc_batch_init(&arena, &model->options, XMC_IMAGE, 1, &one, &batch), XMC_OK);
	x = xmc_arena_alloc(&arena, (size_t) batch.rows * DIM, sizeof *x);
	gradient = xmc_arena_alloc(&arena, (size_t) batch.rows * DIM, sizeof *gradient);
	xmc_inputs_gather(model, &batch, x);
	assert_int_equal(xmc_network_mean_gradient(&a->ctx, model, &batch, x, i, j, gradient), XMC_OK);
	memset(by_dimension, 0, DIM * sizeof *by_dimension);
	for (int32_t k = 0; k < batch.rows * DIM; k++)
	{
		by_dimension[k % DIM] += x[k] * gradient[k];
		sum += x[k] * gradient[k];
	}
	xmc_arena_free(&arena);
	return sum - *score;
}

/*
 * What the quadrature leaves of 24 pairs, by the root of the mean squares: of small documents, whose nodes are computed together, and
 * of large ones.
 */
static double
error_left(attributing *a, double size)
{
	static const int32_t sizes[] = {2, 5, 8, MOST_ITEMS};
	double		squares = 0;
	double		errors = 0;

	for (int draw = 0; draw < 24; draw++)
	{
		xmc_model  *model = draw_model(a, 0.1);
		xmc_document document;
		double		by_dimension[DIM];
		double		score;
		double		error;

		draw_document(a, model, sizes[draw % 4], size, &document);
		error = attribute(a, model, &document, 1, 0, by_dimension, &score);
		errors += error * error;
		squares += score * score;
		xmc_document_free(&a->ctx, &document);
		xmc_release(&a->ctx, model);
	}
	assert_true(squares > 0);
	return sqrt(errors / squares);
}

/* Near the baseline the score is smooth, so little is left; further away kinks of ReLU lie on the line. */
static void
test_completeness(void **state)
{
	assert_true(error_left(*state, 0.003) < 0.002);
	assert_true(error_left(*state, 1) < 0.1);
}

/* What the first layer does not read has no share, however large it is; and nothing has one where all items are alike. */
static void
test_sensitivity(void **state)
{
	attributing *a = *state;
	xmc_model  *model = draw_model(a, 0.1);
	xmc_document document;
	double		by_dimension[DIM];
	double		score;

	for (int r = 0; r < model->options.d_model; r++)
		(*find(model, "image.input.weight")->slot)[r * DIM + 2] = 0;
	draw_document(a, model, 6, 1, &document);
	for (int i = 0; i < 6; i++)
		document.image[i * DIM + 2] = 100;
	(void) attribute(a, model, &document, 2, 4, by_dimension, &score);
	assert_true(by_dimension[2] == 0);
	assert_true(by_dimension[1] != 0);
	for (int k = 0; k < 6 * DIM; k++)
		document.image[k] = 3;
	assert_true(fabs(attribute(a, model, &document, 2, 4, by_dimension, &score)) < 1e-5);
	assert_true(fabs(score) < 1e-5);
	xmc_document_free(&a->ctx, &document);
	xmc_release(&a->ctx, model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_completeness, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sensitivity, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
