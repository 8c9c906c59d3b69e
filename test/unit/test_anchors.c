/*
 * Anchors of the alignment: similarity against a plain computation in double, filling, storing, and matching where no linear
 * map can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counting.h"
#include "align/match.h"
#include "align/space.h"
#include "xmcoh/align.h"
#include "xmcoh/random.h"
#include "align/anchors.h"

#define DIM 8
#define ROWS 2500				/* more anchors than are compared with at a time */
#define ITEMS 4

/* n random unit vectors; every seventh vector is 0. */
static void
unit_vectors(xmc_random *random, int n, float *z)
{
	for (int i = 0; i < n; i++)
	{
		double		square = 0;

		for (int k = 0; k < DIM; k++)
		{
			z[i * DIM + k] = (float) xmc_random_normal(random);
			square += (double) z[i * DIM + k] * z[i * DIM + k];
		}
		for (int k = 0; k < DIM; k++)
			z[i * DIM + k] = i % 7 == 6 ? 0 : (float) (z[i * DIM + k] / sqrt(square));
	}
}

/* A model with a shared space and at most `rows` anchors. */
static xmc_model *
shared_space(xmc_ctx *ctx, int32_t rows)
{
	xmc_options options;
	xmc_model  *model;

	xmc_options_default(&options);
	options.image_dim = options.text_dim = DIM;
	options.shared_space = 1;
	options.align_memory = rows;
	options.words = 0;
	options.d_model = options.feed_forward = 8;
	options.bilinear_dim = 0;
	assert_int_equal(xmc_model_new(ctx, &options, false, &model), XMC_OK);
	model->has_alignment = true;
	return model;
}

static double
relative(const float *z, const float *remembered)
{
	double		c = 0;

	for (int k = 0; k < DIM; k++)
		c += (double) z[k] * remembered[k];
	return c > 0 ? pow(c, 4) : 0;
}

static void
similarity(const xmc_model *model, int32_t n_image, const float *image, int32_t n_text, const float *text, float *out)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_arena	arena;

	xmc_arena_init(&arena, &ctx);
	assert_int_equal(xmc_anchors_similarity(&arena, model, 1, image, text,
										   &(xmc_comparison) {.n_image = n_image,.n_text = n_text,.by_anchors = out}), XMC_OK);
	xmc_arena_free(&arena);
}

/* Several documents at once, one without images: each gets what it gets alone. */
static void
check_several(const xmc_model *model, const float *image, const float *text, const float *all)
{
	static const int32_t images[] = {4, 0, 5};
	static const int32_t texts[] = {2, 1, 2};
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_arena	arena;
	xmc_comparison compared[3];
	int32_t		i0 = 0;
	int32_t		t0 = 0;

	for (int d = 0; d < 3; d++)
		compared[d] = (xmc_comparison) {.n_image = images[d],.n_text = texts[d]};
	xmc_arena_init(&arena, &ctx);
	assert_int_equal(xmc_align_compare(&arena, &arena, model, 3, image, text, compared), XMC_OK);
	for (int d = 0; d < 3; d++)
	{
		for (int i = 0; i < images[d]; i++)
			for (int t = 0; t < texts[d]; t++)
				assert_true(fabs(compared[d].by_anchors[i * texts[d] + t] - all[(i0 + i) * 5 + t0 + t]) < 1e-6);
		i0 += images[d];
		t0 += texts[d];
	}
	xmc_arena_free(&arena);
}

static void
test_similarity(void **state)
{
	static float remembered[XMC_MODALITIES][ROWS * DIM];
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_model  *model = shared_space(&ctx, ROWS);
	xmc_random	random;
	float		image[9 * DIM];
	float		text[5 * DIM];
	float		got[9 * 5];
	double		least = 1;

	(void) state;
	xmc_random_seed(&random, 1);
	unit_vectors(&random, ROWS, remembered[XMC_TEXT]);
	unit_vectors(&random, ROWS, remembered[XMC_IMAGE]);
	unit_vectors(&random, 9, image);
	unit_vectors(&random, 5, text);
	similarity(model, 9, image, 5, text, got);
	for (int c = 0; c < 9 * 5; c++)
		assert_true(got[c] == 0);	/* without anchors */
	model->anchors = (xmc_anchors) {.n = ROWS,.z = {remembered[XMC_TEXT], remembered[XMC_IMAGE]}};
	similarity(model, 9, image, 5, text, got);
	for (int i = 0; i < 9; i++)
		for (int t = 0; t < 5; t++)
		{
			double		product = 0;
			double		squares[2] = {0};
			double		want;

			for (int r = 0; r < ROWS; r++)
			{
				double		a = relative(image + i * DIM, remembered[XMC_IMAGE] + r * DIM);
				double		b = relative(text + t * DIM, remembered[XMC_TEXT] + r * DIM);

				product += a * b;
				squares[0] += a * a;
				squares[1] += b * b;
			}
			want = squares[0] > 0 && squares[1] > 0 ? product / sqrt(squares[0] * squares[1]) : 0;
			if (fabs(got[i * 5 + t] - want) > 1e-5)
				fail_msg("similarity %d %d is %.9g, not %.9g", i, t, got[i * 5 + t], want);
			assert_true((want == 0) == (i == 6));	/* a vector of 0 */
			least = want > 0 && want < least ? want : least;
		}
	assert_true(least < 0.5);
	check_several(model, image, text, got);
	xmc_model_free(&ctx, model);
}

/* ---- filled from documents ---- */

typedef struct books
{
	int			n;
	xmc_document *document;		/* (n) of ITEMS items each, which hold both */
	const xmc_document **pointer;	/* (n) */
} books;

/* Item i of document d shows subject[d * ITEMS + i]; its text and image are the two vectors of the subject plus noise. */
static books
write_books(xmc_ctx *ctx, const xmc_options *options, int n, const int *subject, const float *text, const float *image, double noise,
			uint64_t seed)
{
	books		b = {.n = n,.document = calloc((size_t) n, sizeof(xmc_document)),.pointer = calloc((size_t) n, sizeof(xmc_document *))};
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	xmc_random_seed(&random, seed);
	assert_int_equal(xmc_tokeniser_new(ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < n; d++)
	{
		char		key[ITEMS][12];
		float		embedding[ITEMS][XMC_MODALITIES][DIM];
		xmc_item	item[ITEMS];

		for (int i = 0; i < ITEMS; i++)
		{
			const float *own[XMC_MODALITIES] = {text + subject[d * ITEMS + i] * DIM, image + subject[d * ITEMS + i] * DIM};

			for (int m = 0; m < XMC_MODALITIES; m++)
				for (int k = 0; k < DIM; k++)
					embedding[i][m][k] = own[m][k] + (float) (noise * xmc_random_normal(&random));
			snprintf(key[i], sizeof key[i], "%d", i);
			item[i] = (xmc_item) {.key = key[i],.key_length = strlen(key[i]),.text_embedding = embedding[i][XMC_TEXT],
				.image = embedding[i][XMC_IMAGE]};
		}
		assert_int_equal(xmc_document_build(ctx, options, tokeniser, ITEMS, item, &b.document[d]), XMC_OK);
		b.pointer[d] = &b.document[d];
	}
	xmc_tokeniser_free(tokeniser);
	return b;
}

static void
burn(xmc_ctx *ctx, books *b)
{
	for (int d = 0; d < b->n; d++)
		xmc_document_free(ctx, &b->document[d]);
	free(b->document);
	free(b->pointer);
}

/*
 * Images of 60 subjects that do not resemble their texts; all subjects are among the anchors. By cosine the matches are at
 * chance, by anchors nearly all are right.
 */
static void
test_finds_again(void **state)
{
	enum {SUBJECTS = 60, BOOKS = 150, NEW = 50};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = shared_space(&ctx, 16384);
	xmc_random	random;
	static float text[SUBJECTS * DIM];
	static float image[SUBJECTS * DIM];
	static int	subject[(BOOKS + NEW) * ITEMS];
	books		old;
	books		new;
	int			by_memory = 0;
	int			by_cosine = 0;

	(void) state;
	xmc_random_seed(&random, 2);
	for (int k = 0; k < SUBJECTS * DIM; k++)
	{
		text[k] = (float) xmc_random_normal(&random);
		image[k] = (float) xmc_random_normal(&random);
	}
	for (int d = 0; d < BOOKS + NEW; d++)
		for (int i = 0; i < ITEMS; i++)
			subject[d * ITEMS + i] = (int) (((int64_t) d * 13 + i * 17) % SUBJECTS);
	old = write_books(&ctx, &model->options, BOOKS, subject, text, image, 0.3, 1);
	new = write_books(&ctx, &model->options, NEW, subject + BOOKS * ITEMS, text, image, 0.3, 2);
	assert_int_equal(xmc_anchors_fill(&ctx, model, BOOKS, old.pointer), XMC_OK);
	assert_int_equal(model->anchors.n, BOOKS * ITEMS);
	model->align_scale[XMC_ALIGN_DUSTBIN] = -20;
	for (int by = 0; by < 2; by++)
	{
		model->align_scale[XMC_ALIGN_TEMPERATURE] = by ? (float) log(20) : -20;
		model->align_scale[XMC_ALIGN_MEMORY] = by ? -20 : (float) log(20);
		for (int d = 0; d < NEW; d++)
		{
			xmc_arena	arena;
			xmc_alignment a;

			xmc_arena_init(&arena, &ctx);
			assert_int_equal(xmc_align_documents(&arena, model, 1, new.pointer[d], true, &a), XMC_OK);
			for (int r = 0; r < ITEMS; r++)
			{
				int			best = 0;

				for (int c = 1; c < ITEMS; c++)
					best = a.p[r * (ITEMS + 1) + c] > a.p[r * (ITEMS + 1) + best] ? c : best;
				*(by ? &by_cosine : &by_memory) += best == r;
			}
			xmc_arena_free(&arena);
		}
	}
	print_message("of %d photos memory finds %d, cosine %d\n", NEW * ITEMS, by_memory, by_cosine);
	assert_true(by_memory > 0.9 * NEW * ITEMS);
	assert_true(by_cosine < 0.5 * NEW * ITEMS);
	burn(&ctx, &old);
	burn(&ctx, &new);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

/* The anchors are a random sample of whole documents, as many as fit, the same ones each time; they survive storing. */
static void
test_fill_and_store(void **state)
{
	enum {BOOKS = 40};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_model  *model = shared_space(&ctx, 50);
	xmc_model  *opened;
	xmc_random	random;
	float		own[DIM * 2];
	static float vectors[BOOKS * ITEMS * DIM];
	int			subject[BOOKS * ITEMS];
	float		kept[48 * DIM];
	float		got[2][4];
	size_t		size;
	void	   *blob;
	books		b;

	(void) state;
	xmc_random_seed(&random, 3);
	for (int k = 0; k < BOOKS * ITEMS; k++)
		subject[k] = k;
	unit_vectors(&random, BOOKS * ITEMS, vectors);
	unit_vectors(&random, 2, own);
	b = write_books(&ctx, &model->options, BOOKS, subject, vectors, vectors, 0.1, 4);
	assert_int_equal(xmc_anchors_fill(&ctx, model, BOOKS, b.pointer), XMC_OK);
	assert_int_equal(model->anchors.n, 48);
	for (int r = 0; r < 48; r++)
	{
		double		square = 0;

		for (int k = 0; k < DIM; k++)
			square += pow(model->anchors.z[XMC_IMAGE][r * DIM + k], 2);
		assert_true(fabs(square - 1) < 1e-5);
	}
	memcpy(kept, model->anchors.z[XMC_TEXT], sizeof kept);
	assert_int_equal(xmc_anchors_fill(&ctx, model, BOOKS, b.pointer), XMC_OK);
	assert_memory_equal(kept, model->anchors.z[XMC_TEXT], sizeof kept);
	assert_int_equal(xmc_anchors_fill(&ctx, model, 12, b.pointer), XMC_OK);
	assert_int_equal(model->anchors.n, 48);
	assert_memory_not_equal(kept, model->anchors.z[XMC_TEXT], sizeof kept);

	similarity(model, 2, own, 2, own, got[0]);
	assert_int_equal(xmc_model_save(&ctx, model, NULL, &size), XMC_OK);
	blob = malloc(size);
	assert_int_equal(xmc_model_save(&ctx, model, blob, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&ctx, blob, size, true, &opened), XMC_OK);
	assert_int_equal(opened->anchors.n, 48);
	similarity(opened, 2, own, 2, own, got[1]);
	assert_memory_equal(got[0], got[1], sizeof got[0]);
	xmc_release(&ctx, opened);
	model->has_alignment = false;	/* then a stored model has no anchors */
	assert_int_equal(xmc_model_save(&ctx, model, blob, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&ctx, blob, size, true, &opened), XMC_BAD_MODEL);
	assert_non_null(strstr(ctx.message, "align.text.memory"));
	model->has_alignment = true;
	model->options.align_memory = 47;
	assert_int_equal(xmc_model_save(&ctx, model, blob, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&ctx, blob, size, true, &opened), XMC_BAD_MODEL);
	model->options.align_memory = 0;
	assert_int_equal(xmc_anchors_fill(&ctx, model, BOOKS, b.pointer), XMC_OK);
	assert_int_equal(model->anchors.n, 0);
	free(blob);
	burn(&ctx, &b);
	xmc_model_free(&ctx, model);
	assert_int_equal(counts.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_similarity),
		cmocka_unit_test(test_finds_again),
		cmocka_unit_test(test_fill_and_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
