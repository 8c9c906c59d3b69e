/* Guidance: against sums written out; the rules against each other on documents of known structure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "manuals.h"
#include "score/guidance.h"
#include "xmcoh/random.h"
#include "score/guidance_paper.h"
#include "xmcoh/order.h"
#include "xmcoh/scorer.h"

/* ---- guidance ---- */

static void
test_guidance(void **state)
{
	enum {IMAGES = 4, TEXTS = 5};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_arena	arena;
	xmc_random	random;
	xmc_guides	guides;
	float		p[IMAGES * TEXTS];
	float		s_text[TEXTS * TEXTS];
	float		s_image[IMAGES * IMAGES];

	(void) state;
	xmc_arena_init(&arena, &ctx);
	xmc_random_seed(&random, 9);
	for (int k = 0; k < IMAGES * TEXTS; k++)
		p[k] = (float) xmc_random_uniform(&random);
	for (int a = 0; a < TEXTS; a++)
		for (int b = 0; b <= a; b++)
			s_text[b * TEXTS + a] = -(s_text[a * TEXTS + b] = a == b ? 0 : (float) xmc_random_normal(&random));
	for (int a = 0; a < IMAGES; a++)
		for (int b = 0; b <= a; b++)
			s_image[b * IMAGES + a] = -(s_image[a * IMAGES + b] = a == b ? 0 : (float) xmc_random_normal(&random));
	assert_int_equal(xmc_guidance(&arena, IMAGES, TEXTS, (const float *[]) {p, p}, s_text, s_image, &guides), XMC_OK);
	for (int i = 0; i < IMAGES; i++)
		for (int j = 0; j < IMAGES; j++)
		{
			double		want = 0;

			for (int t = 0; t < TEXTS; t++)
				for (int u = 0; u < TEXTS; u++)
					want += p[i * TEXTS + t] * s_text[t * TEXTS + u] * p[j * TEXTS + u];
			assert_near(guides.image[i * IMAGES + j], want, 1e-5);
		}
	for (int t = 0; t < TEXTS; t++)
		for (int u = 0; u < TEXTS; u++)
		{
			double		want = 0;

			for (int i = 0; i < IMAGES; i++)
				for (int j = 0; j < IMAGES; j++)
					want += p[i * TEXTS + t] * s_image[i * IMAGES + j] * p[j * TEXTS + u];
			assert_near(guides.text[t * TEXTS + u], want, 1e-5);
		}
	for (int j = 0; j < IMAGES; j++)
		for (int i = 0; i < TEXTS; i++)
		{
			double		by_text = 0;
			double		by_image = 0;

			for (int t = 0; t < TEXTS; t++)
				by_text += p[j * TEXTS + t] * s_text[t * TEXTS + i];
			for (int k = 0; k < IMAGES; k++)
				by_image += s_image[j * IMAGES + k] * p[k * TEXTS + i];
			assert_near(guides.cross_modal[XMC_TEXT][j * TEXTS + i], by_text, 1e-5);
			assert_near(guides.cross_modal[XMC_IMAGE][j * TEXTS + i], by_image, 1e-5);
		}
	xmc_arena_free(&arena);
	assert_int_equal(counts.live, 0);
}

/* Items 0 and 1 are images, 2 and 3 texts, 4 holds both; by p one image has most likely no text, and two texts have one image. */
static void
test_counterparts(void **state)
{
	static uint8_t has[] = {XMC_HAS_IMAGE, XMC_HAS_IMAGE, XMC_HAS_WORDS, XMC_HAS_TEXT_EMBEDDING, XMC_HAS_IMAGE | XMC_HAS_WORDS};
	static const int32_t want[2][2][5] = {{{-1, -1, 0, 0, 4}, {2, 2, -1, -1, 4}}, {{-1, -1, 0, -1, 4}, {2, -1, -1, -1, 4}}};
	double		p[] = {0.5, 0.3, 0.2, 0.2, 0.1, 0.7, 0.3, 0.6, 0};
	int32_t		image[] = {0, 1};
	int32_t		text[] = {2, 3};
	int32_t		counterpart[5];
	const xmc_document document = {.n = 5,.has = has};
	xmc_ctx		ctx = xmc_ctx_malloc();
	const xmc_alignment inferred = {.n_image = 2,.image = image,.n_text = 2,.text = text,.p = p};

	(void) state;
	for (int or_none = 0; or_none < 2; or_none++)
		for (int m = 0; m < XMC_MODALITIES; m++)
		{
			assert_int_equal(xmc_align_counterparts(&ctx, &document, false, &inferred, (xmc_modality) m, or_none, counterpart), XMC_OK);
			assert_memory_equal(counterpart, want[or_none][m], sizeof counterpart);
			assert_int_equal(xmc_align_counterparts(&ctx, &document, true, &inferred, (xmc_modality) m, or_none, counterpart), XMC_OK);
			assert_int_equal(counterpart[4], -1);
		}
}

/* ---- rules of guidance ---- */

static void
score_by(fixture *f, const xmc_model *model, xmc_guidance_mode mode, bool inferred, const xmc_document *document,
		 xmc_scores *scores)
{
	const xmc_guidance_rule rule = {.mode = mode,.inferred = inferred,.rounds = 2};

	assert_int_equal(xmc_score_documents_by(&f->ctx, model, &rule, 1, document, scores), XMC_OK);
}

/* The largest difference between the guided scores of two modes on split documents. */
static double
guided_difference(fixture *f, const xmc_model *model, xmc_guidance_mode one, xmc_guidance_mode other)
{
	double		largest = 0;

	for (int d = DOCUMENTS; d < DOCUMENTS + 10; d++)
	{
		xmc_document document;
		xmc_scores	a;
		xmc_scores	b;

		build(&f->ctx, &f->options, f->tokeniser, d, false, false, false, &document);
		score_by(f, model, one, false, &document, &a);
		score_by(f, model, other, false, &document, &b);
		for (int e = XMC_SCORE_FUSED; e < XMC_SCORE_KINDS; e++)
			for (int32_t k = 0; k < document.n * document.n; k++)
				largest = fmax(largest, fabs(a.score[e][k] - b.score[e][k]));
		xmc_scores_free(&f->ctx, &a);
		xmc_scores_free(&f->ctx, &b);
		xmc_document_free(&f->ctx, &document);
	}
	return largest;
}

/* With inferred alignment, items that hold both score as the same items split; and these score nearly as by the known alignment. */
static void
check_inferred(fixture *f, const xmc_model *model, xmc_guidance_mode mode)
{
	double		guidance = 0;

	for (int d = DOCUMENTS; d < DOCUMENTS + 10; d++)
	{
		xmc_document linked;
		xmc_document split;
		xmc_scores	of_linked;
		xmc_scores	of_split;
		xmc_scores	known;
		size_t		cells;

		build(&f->ctx, &f->options, f->tokeniser, d, true, false, false, &linked);
		build(&f->ctx, &f->options, f->tokeniser, d, false, false, false, &split);
		cells = (size_t) (split.n * split.n);
		score_by(f, model, mode, true, &linked, &of_linked);
		score_by(f, model, mode, true, &split, &of_split);
		score_by(f, model, mode, false, &split, &known);
		for (int e = 0; e < XMC_SCORE_KINDS; e++)
			if (e != XMC_SCORE_FUSED)
				assert_memory_equal(of_split.score[e], known.score[e], cells * sizeof(float));
		for (size_t k = 0; k < cells; k++)
			assert_true(of_split.score[XMC_SCORE_FUSED][k] == 0);
		for (int32_t a = 0; a < linked.n; a++)
			for (int32_t b = 0; b < linked.n; b++)
			{
				int32_t		texts = a * split.n + b;
				int32_t		images = (split.n - 1 - a) * split.n + split.n - 1 - b;
				int32_t		at = a * linked.n + b;

				assert_true(of_linked.score[XMC_SCORE_FUSED][at] == 0);
				assert_near(of_linked.score[XMC_SCORE_TEXT][at], of_split.score[XMC_SCORE_TEXT][texts], 1e-4);
				assert_near(of_linked.score[XMC_SCORE_IMAGE][at], of_split.score[XMC_SCORE_IMAGE][images], 1e-4);
				assert_near(of_linked.score[XMC_SCORE_TEXT_GUIDED][at], of_split.score[XMC_SCORE_TEXT_GUIDED][texts], 1e-3);
				assert_near(of_linked.score[XMC_SCORE_IMAGE_GUIDED][at], of_split.score[XMC_SCORE_IMAGE_GUIDED][images],
							1e-3);
				guidance = fmax(guidance, fabs(of_linked.score[XMC_SCORE_IMAGE_GUIDED][at] -
											   of_linked.score[XMC_SCORE_IMAGE][at]));
			}
		xmc_scores_free(&f->ctx, &of_linked);
		xmc_scores_free(&f->ctx, &of_split);
		xmc_scores_free(&f->ctx, &known);
		xmc_document_free(&f->ctx, &linked);
		xmc_document_free(&f->ctx, &split);
	}
	assert_true(guidance > 0.5);
}

static void
test_rules(void **state)
{
	static const xmc_calibration none = {{1, 1}, {1, 1}, {{1, 1}, {1, 1}}, {1, 1}};
	fixture    *f = *state;
	const xmc_document *document = &f->document[1];
	size_t		cells = (size_t) (document->n * document->n);
	int32_t		self[8] = {0, 1, 2, 3, 4, 5, 6, 7};
	xmc_calibration fitted;
	xmc_model  *model;
	xmc_train_report report;
	xmc_scores	soft;
	xmc_scores	other;

	train(f, DOCUMENTS, &model, &report);
	for (int mode = 0; mode < XMC_GUIDANCE_STORED; mode++)	/* test_stored tests that one */
		check_inferred(f, model, (xmc_guidance_mode) mode);

	/* Known alignment: the rule of the paper on the own scores, each item its own counterpart. */
	score_by(f, model, XMC_GUIDANCE_SOFT, false, document, &soft);
	score_by(f, model, XMC_GUIDANCE_PAPER, false, document, &other);
	assert_int_equal(xmc_guidance_paper(&f->ctx, document->n, self, self, 2, soft.score[XMC_SCORE_TEXT],
										soft.score[XMC_SCORE_IMAGE]), XMC_OK);
	assert_memory_equal(soft.score[XMC_SCORE_TEXT], other.score[XMC_SCORE_TEXT_GUIDED], cells * sizeof(float));
	assert_memory_equal(soft.score[XMC_SCORE_IMAGE], other.score[XMC_SCORE_IMAGE_GUIDED], cells * sizeof(float));
	assert_true(memcmp(other.score[XMC_SCORE_IMAGE], other.score[XMC_SCORE_IMAGE_GUIDED], cells * sizeof(float)) != 0);
	for (size_t k = 0; k < cells; k++)
		assert_true(other.score[XMC_SCORE_FUSED][k] == 0);
	xmc_scores_free(&f->ctx, &soft);
	xmc_scores_free(&f->ctx, &other);

	/* Uncalibrated: as by a calibration of ones; items that hold both by the sum of the raw scores. */
	score_by(f, model, XMC_GUIDANCE_UNCALIBRATED, false, document, &other);
	for (size_t k = 0; k < cells; k++)
		assert_near(other.score[XMC_SCORE_FUSED][k], other.raw[XMC_TEXT][k] + other.raw[XMC_IMAGE][k] + other.raw[XMC_JOINT][k], 1e-5);
	xmc_scores_free(&f->ctx, &other);
	assert_true(guided_difference(f, model, XMC_GUIDANCE_SOFT, XMC_GUIDANCE_UNCALIBRATED) > 0.01);
	fitted = model->calibration;
	model->calibration = none;
	assert_true(guided_difference(f, model, XMC_GUIDANCE_SOFT, XMC_GUIDANCE_UNCALIBRATED) == 0);
	model->calibration = fitted;

	/* Hard and soft are equal where P is 0 or 1, here by the cosine alone. */
	model->align_scale[XMC_ALIGN_MEMORY] = -20;
	model->align_scale[XMC_ALIGN_TEMPERATURE] = (float) log(4);
	model->align_scale[XMC_ALIGN_DUSTBIN] = 0;
	assert_true(guided_difference(f, model, XMC_GUIDANCE_SOFT, XMC_GUIDANCE_HARD) > 0.01);
	model->align_scale[XMC_ALIGN_TEMPERATURE] = (float) log(2000);
	model->align_scale[XMC_ALIGN_DUSTBIN] = 2000 * 0.25f;
	assert_true(guided_difference(f, model, XMC_GUIDANCE_SOFT, XMC_GUIDANCE_HARD) < 1e-4);
	xmc_model_free(&f->ctx, model);
}

/* ---- stored orders ---- */

/* Labels the texts (or all items) of a split document, forwards or backwards; photo of text k is item 2 n - 1 - k. */
static void
store_order(fixture *f, int d, bool backwards, bool photos, xmc_document *split)
{
	xmc_document linked;
	double		position[16];

	build(&f->ctx, &f->options, f->tokeniser, d, true, false, false, &linked);
	for (int32_t i = 0; i < split->n; i++)
		position[i] = i < linked.n || photos ? 0 : NAN;
	for (int32_t k = 0; k < linked.n_pairs; k++)
		position[backwards ? linked.pair[k].before : linked.pair[k].after]++;
	for (int32_t k = 0; k < linked.n && photos; k++)
		position[2 * linked.n - 1 - k] = position[k];
	assert_int_equal(xmc_document_label_positions(&f->ctx, split, position), XMC_OK);
	xmc_document_free(&f->ctx, &linked);
}

/* Positions, some missing, some equal, become labels. */
static void
test_labels_of_positions(void **state)
{
	static const xmc_pair want[] = {{0, 2, 1}, {0, 4, 1}, {3, 0, 1}, {3, 2, 1}, {3, 4, 1}};
	fixture    *f = *state;
	xmc_document document;
	const double position[] = {1, NAN, 7, -2, 7};
	const float o[] = {0, 0, 1, -1, 0, 0, 0, 0, 0, 0, -1, 0, 0, -1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0};
	const float *stored;
	xmc_arena	arena;

	build(&f->ctx, &f->options, f->tokeniser, 1, true, false, false, &document);
	assert_true(document.n >= 5);
	document.n = 5;
	assert_int_equal(xmc_document_label_positions(&f->ctx, &document, position), XMC_OK);
	assert_int_equal(document.n_pairs, 5);
	for (int k = 0; k < 5; k++)
	{
		assert_int_equal(document.pair[k].before, want[k].before);
		assert_int_equal(document.pair[k].after, want[k].after);
		assert_true(document.pair[k].weight == 1);
	}
	document.has[4] = XMC_HAS_IMAGE;	/* so its labels do not count for texts */
	xmc_arena_init(&arena, &f->ctx);
	assert_int_equal(xmc_guidance_stored(&arena, &document, XMC_HAS_TEXT, &stored), XMC_OK);
	assert_memory_equal(stored, o, sizeof o);
	xmc_arena_free(&arena);
	xmc_document_free(&f->ctx, &document);
}

/* Labelled items are sorted within the places that they have; other items stay, and equal ones keep their order. */
static void
test_keep_stored(void **state)
{
	static const double position[] = {5, NAN, 1, 3, NAN, 1, 0};
	static const int32_t want[] = {1, 6, 5, 4, 2, 3, 0};
	int32_t		order[] = {1, 0, 5, 4, 3, 2, 6};
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_document document = {.n = 7};

	(void) state;
	assert_int_equal(xmc_document_label_positions(&ctx, &document, position), XMC_OK);
	assert_int_equal(xmc_keep_stored_order(&ctx, &document, 7, order), XMC_OK);
	assert_memory_equal(order, want, sizeof want);
	document.n_pairs = 0;
	assert_int_equal(xmc_keep_stored_order(&ctx, &document, 7, order), XMC_OK);
	assert_memory_equal(order, want, sizeof want);
	counts.fail_at = counts.calls + 1;
	assert_int_equal(xmc_keep_stored_order(&ctx, &document, 7, order), XMC_NO_MEMORY);
	xmc_release(&ctx, document.pair);
	assert_int_equal(counts.live, 0);
}

/* The guided score of images whose texts have a stored order, written out: a s + c P O P^T. */
static void
check_stored_formula(fixture *f, const xmc_model *model, const xmc_document *document, const xmc_scores *scores)
{
	const double *c = model->calibration.guided[XMC_IMAGE];
	int32_t		n = document->n / 2;
	xmc_alignment alignment;
	xmc_arena	arena;
	const float *o;

	xmc_arena_init(&arena, &f->ctx);
	assert_int_equal(xmc_guidance_stored(&arena, document, XMC_HAS_TEXT, &o), XMC_OK);
	assert_int_equal(xmc_align_documents(&arena, model, 1, document, false, &alignment), XMC_OK);
	for (int32_t a = 0; a < n; a++)
		for (int32_t b = 0; b < n; b++)
		{
			int32_t		at = alignment.image[a] * document->n + alignment.image[b];
			double		carried = 0;

			for (int32_t t = 0; t < n; t++)
				for (int32_t u = 0; u < n; u++)
					carried += alignment.p[a * (n + 1) + t] * o[alignment.text[t] * document->n + alignment.text[u]] *
						alignment.p[b * (n + 1) + u];
			assert_near(scores->score[XMC_SCORE_IMAGE_GUIDED][at],
						a == b ? 0 : c[0] * scores->score[XMC_SCORE_IMAGE][at] + c[2] * carried, 1e-4);
		}
	xmc_arena_free(&arena);
}

/* The share of pairs of images that are ordered as their texts in the stored order. */
static double
right_photos(const xmc_document *document, const float *s)
{
	int32_t		n = document->n / 2;
	double		right = 0;
	double		all = 0;

	for (int32_t k = 0; k < document->n_pairs; k++)
	{
		int32_t		a = 2 * n - 1 - document->pair[k].before;
		int32_t		b = 2 * n - 1 - document->pair[k].after;

		if (document->pair[k].before >= n || document->pair[k].after >= n)
			continue;
		right += s[a * document->n + b] > 0;
		all++;
	}
	return right / all;
}

/*
 * Items that hold both, with a stored order. By the known alignment their order decides; by an inferred one they are scored
 * as `stored` scores the same items split.
 */
static void
check_linked(fixture *f, const xmc_model *model, int d, const xmc_document *split, const xmc_scores *stored)
{
	int32_t		n = split->n / 2;
	xmc_document linked;
	xmc_scores	scores;

	build(&f->ctx, &f->options, f->tokeniser, d, true, false, false, &linked);
	score_by(f, model, XMC_GUIDANCE_STORED, false, &linked, &scores);
	for (int32_t k = 0; k < linked.n_pairs; k++)
		for (int e = XMC_SCORE_FUSED; e < XMC_SCORE_KINDS; e++)
			assert_true(scores.score[e][linked.pair[k].before * n + linked.pair[k].after] == XMC_STORED_LOG_ODDS);
	xmc_scores_free(&f->ctx, &scores);
	score_by(f, model, XMC_GUIDANCE_STORED, true, &linked, &scores);
	for (int32_t a = 0; a < n; a++)
		for (int32_t b = 0; b < n; b++)
		{
			assert_near(scores.score[XMC_SCORE_TEXT_GUIDED][a * n + b], stored->score[XMC_SCORE_TEXT_GUIDED][a * split->n + b], 1e-3);
			assert_near(scores.score[XMC_SCORE_IMAGE_GUIDED][a * n + b],
						stored->score[XMC_SCORE_IMAGE_GUIDED][(split->n - 1 - a) * split->n + split->n - 1 - b], 1e-3);
			assert_true(scores.score[XMC_SCORE_FUSED][a * n + b] == 0);
		}
	xmc_scores_free(&f->ctx, &scores);
	xmc_document_free(&f->ctx, &linked);
}

/* Images follow the stored order of their texts, even against the scores of the texts; without a stored order nothing changes. */
static void
test_stored(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;
	xmc_train_report report;
	double		forwards = 0;
	double		backwards = 0;
	double		soft_backwards = 0;
	double		placed = 0;
	double		texts = 0;

	train(f, DOCUMENTS, &model, &report);
	assert_true(model->calibration.guided[XMC_IMAGE][2] > 1);
	assert_true(model->calibration.cross_modal[XMC_MODALITIES + XMC_TEXT] > 1);
	for (int d = DOCUMENTS; d < DOCUMENTS + 10; d++)
	{
		xmc_document split;
		xmc_scores	soft;
		xmc_scores	stored;
		size_t		cells;

		build(&f->ctx, &f->options, f->tokeniser, d, false, false, false, &split);
		cells = (size_t) (split.n * split.n);
		score_by(f, model, XMC_GUIDANCE_SOFT, false, &split, &soft);
		score_by(f, model, XMC_GUIDANCE_STORED, false, &split, &stored);
		for (int e = 0; e < XMC_SCORE_KINDS; e++)
			assert_memory_equal(soft.score[e], stored.score[e], cells * sizeof(float));
		xmc_scores_free(&f->ctx, &soft);
		xmc_scores_free(&f->ctx, &stored);

		store_order(f, d, false, false, &split);
		score_by(f, model, XMC_GUIDANCE_STORED, false, &split, &stored);
		check_stored_formula(f, model, &split, &stored);
		forwards += right_photos(&split, stored.score[XMC_SCORE_IMAGE_GUIDED]) / 10;
		xmc_scores_free(&f->ctx, &stored);

		store_order(f, d, true, false, &split);
		score_by(f, model, XMC_GUIDANCE_SOFT, false, &split, &soft);
		score_by(f, model, XMC_GUIDANCE_STORED, false, &split, &stored);
		backwards += right_photos(&split, stored.score[XMC_SCORE_IMAGE_GUIDED]) / 10;
		soft_backwards += right_photos(&split, soft.score[XMC_SCORE_IMAGE_GUIDED]) / 10;
		assert_memory_equal(soft.score[XMC_SCORE_TEXT], stored.score[XMC_SCORE_TEXT], cells * sizeof(float));
		for (int32_t k = 0; k < split.n_pairs; k++)
			assert_true(stored.score[XMC_SCORE_FUSED][split.pair[k].before * split.n + split.pair[k].after] == XMC_STORED_LOG_ODDS);
		/* An image stands before the texts that follow its own text in the stored order. */
		for (int32_t k = 0; k < split.n_pairs; k++)
			placed += stored.score[XMC_SCORE_FUSED][(split.n - 1 - split.pair[k].before) * split.n + split.pair[k].after] > 0;
		texts += split.n_pairs;
		xmc_scores_free(&f->ctx, &soft);
		xmc_scores_free(&f->ctx, &stored);

		/* Where the order of all items is stored, images are still guided by the order of the texts, and all pairs are decided. */
		store_order(f, d, false, true, &split);
		score_by(f, model, XMC_GUIDANCE_STORED, false, &split, &stored);
		check_stored_formula(f, model, &split, &stored);
		for (int32_t k = 0; k < split.n_pairs; k++)
			assert_true(stored.score[XMC_SCORE_FUSED][split.pair[k].before * split.n + split.pair[k].after] == XMC_STORED_LOG_ODDS);

		check_linked(f, model, d, &split, &stored);
		xmc_scores_free(&f->ctx, &stored);
		xmc_document_free(&f->ctx, &split);
	}
	print_message("photos by the stored order %.3f, turned round %.3f, then by scores %.3f\n", forwards, backwards, soft_backwards);
	assert_true(forwards > 0.9);
	assert_true(backwards > 0.9);
	assert_true(soft_backwards < 0.1);
	assert_true(placed / texts > 0.9);
	xmc_model_free(&f->ctx, model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guidance),
		cmocka_unit_test(test_counterparts),
		cmocka_unit_test_setup_teardown(test_rules, set_up, tear_down),
		cmocka_unit_test(test_keep_stored),
		cmocka_unit_test_setup_teardown(test_labels_of_positions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stored, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
