/*
 * Alignment: gradients against finite differences, and training on documents whose images and texts were made from the same
 * hidden steps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "manuals.h"
#include "align/match.h"
#include "align/space.h"
#include "xmcoh/align.h"
#include "train/align_fit.h"
#include "xmcoh/scorer.h"

/* ---- gradient ---- */

static double
info_nce(fixture *f, const xmc_model *model, const xmc_model *grad, int32_t *items)
{
	xmc_arena	arena;
	const xmc_document *pointer[4];
	double		loss;

	for (int k = 0; k < 4; k++)
		pointer[k] = &f->document[k];
	xmc_arena_init(&arena, &f->ctx);
	assert_int_equal(xmc_align_gradient(&arena, model, 4, pointer, grad, &loss, items), XMC_OK);
	xmc_arena_free(&arena);
	return loss;
}

static void
check_gradient(fixture *f, const xmc_options *options)
{
	xmc_model  *model;
	xmc_model  *grad;
	xmc_model  *unused;
	int32_t		items;
	double		largest = 0;

	assert_int_equal(xmc_model_new(&f->ctx, options, false, &model), XMC_OK);
	assert_int_equal(xmc_model_new(&f->ctx, options, false, &grad), XMC_OK);
	assert_int_equal(xmc_model_new(&f->ctx, options, false, &unused), XMC_OK);
	for (int32_t t = 0; t < grad->n_tensors; t++)
		memset(*grad->tensor[t].slot, 0, (size_t) grad->tensor[t].n_values * sizeof(float));
	model->align_scale[XMC_ALIGN_TEMPERATURE] = 1.5f;
	assert_true(info_nce(f, model, grad, &items) > 0.1);
	assert_true(items >= 16);
	for (int32_t t = 0; t < model->n_tensors; t++)
	{
		const xmc_tensor *tensor = &model->tensor[t];
		float	   *w = *tensor->slot;

		for (int64_t k = 0; k < tensor->n_values && tensor->term == XMC_TERM_ALIGNMENT; k += tensor->n_values > XMC_ALIGN_SCALES ? 37 : 1)
		{
			float		kept = w[k];
			double		step = 5e-3;
			double		up;
			double		down;

			w[k] = (float) (kept + step);
			up = info_nce(f, model, unused, &items);
			w[k] = (float) (kept - step);
			down = info_nce(f, model, unused, &items);
			w[k] = kept;
			largest = fmax(largest, fabs((up - down) / (2 * step)));
			assert_near((*grad->tensor[t].slot)[k], (up - down) / (2 * step), 2e-4);
		}
	}
	assert_true(largest > 0.01);
	xmc_model_free(&f->ctx, model);
	xmc_model_free(&f->ctx, grad);
	xmc_model_free(&f->ctx, unused);
}

static void
test_gradient(void **state)
{
	fixture    *f = *state;

	check_gradient(f, &f->options);
}

/* ---- trained ---- */

/* The share of pairs of the images of a document (or of all items, by their steps) that score e orders rightly. */
static double
right_pairs(int d, const xmc_document *document, const float *score, bool photos_only)
{
	steps		s;
	int32_t		n = document->n;
	int32_t		step[16];
	double		right = 0;
	double		all = 0;

	deal(d, &s);
	for (int32_t i = 0; i < n; i++)
	{
		int32_t		k = i < s.n ? i : 2 * s.n - 1 - i;

		step[i] = (k * (s.n % 3 == 0 ? 5 : 3) + d) % s.n;
	}
	for (int32_t a = photos_only ? s.n : 0; a < n; a++)
		for (int32_t b = photos_only ? s.n : 0; b < n; b++)
			if (step[a] < step[b])
			{
				all++;
				right += score[a * n + b] > 0;
				assert_true(score[a * n + b] == -score[b * n + a]);
			}
	return right / all;
}

static void
test_trained(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;
	xmc_train_report report;
	double		guided = 0;
	double		solo = 0;
	double		together = 0;
	int			missing_found = 0;
	int			foreign_found = 0;

	train(f, DOCUMENTS, &model, &report);
	assert_true(model->has_alignment);
	assert_true(report.alignment.documents == DOCUMENTS / 4);
	assert_true(report.alignment.chance < 0.25);
	assert_true(report.alignment.accuracy > 0.95);
	assert_true(model->calibration.guided[XMC_IMAGE][1] > 0.3);
	assert_true(model->calibration.cross_modal[XMC_TEXT] > 0.3);
	for (int d = DOCUMENTS; d < DOCUMENTS + 20; d++)
	{
		xmc_document document;
		xmc_scores	scores;
		xmc_arena	arena;
		xmc_alignment alignment;
		steps		s;
		int32_t		first_text = -1;

		deal(d, &s);
		for (int32_t k = 0; k < s.n; k++)
			if ((k * (s.n % 3 == 0 ? 5 : 3) + d) % s.n == 0)
				first_text = k;
		xmc_arena_init(&arena, &f->ctx);
		build(&f->ctx, &f->options, f->tokeniser, d, false, false, false, &document);
		assert_int_equal(xmc_score_documents(&f->ctx, model, 1, &document, &scores), XMC_OK);
		solo += right_pairs(d, &document, scores.score[XMC_SCORE_IMAGE], true) / 20;
		guided += right_pairs(d, &document, scores.score[XMC_SCORE_IMAGE_GUIDED], true) / 20;
		together += right_pairs(d, &document, scores.score[XMC_SCORE_FUSED], false) / 20;
		xmc_scores_free(&f->ctx, &scores);
		xmc_document_free(&f->ctx, &document);

		build(&f->ctx, &f->options, f->tokeniser, d, false, true, false, &document);
		assert_int_equal(xmc_align_documents(&arena, model, 1, &document, false, &alignment), XMC_OK);
		assert_int_equal(alignment.n_image, s.n - 1);
		if (d == DOCUMENTS)
		{
			float		kept = document.image[s.n * IMAGE_DIM];

			document.image[s.n * IMAGE_DIM] = 3e38f;	/* finite, but no product with it */
			document.image[s.n * IMAGE_DIM + 1] = -3e38f;
			assert_int_equal(xmc_align_documents(&arena, model, 1, &document, false, &alignment), XMC_BAD_INPUT);
			document.image[s.n * IMAGE_DIM] = document.image[s.n * IMAGE_DIM + 1] = kept;
			assert_int_equal(xmc_align_documents(&arena, model, 1, &document, false, &alignment), XMC_OK);
		}
		missing_found += alignment.p[(s.n - 1) * (s.n + 1) + first_text] > 0.5;
		xmc_document_free(&f->ctx, &document);

		build(&f->ctx, &f->options, f->tokeniser, d, false, false, true, &document);
		assert_int_equal(xmc_align_documents(&arena, model, 1, &document, false, &alignment), XMC_OK);
		for (int32_t r = 0; r < s.n && s.n < 8; r++)
			foreign_found += alignment.image[r] == 2 * s.n - 1 - first_text && alignment.p[r * (s.n + 1) + s.n] > 0.5;
		xmc_document_free(&f->ctx, &document);
		xmc_arena_free(&arena);
	}
	print_message("photos: solo %.3f guided %.3f all %.3f missing %d foreign %d\n", solo, guided, together, missing_found,
				  foreign_found);
	assert_true(solo < 0.7);
	assert_true(guided > 0.9);
	assert_true(together > 0.9);
	assert_true(missing_found >= 16);
	assert_true(foreign_found >= 16);
	xmc_model_free(&f->ctx, model);
}

/* Documents of items that hold both, or of one kind alone, are scored as without an alignment, to the bit. */
static void
test_linked_unchanged(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;
	xmc_train_report report;

	train(f, DOCUMENTS, &model, &report);
	for (int kind = 0; kind < 3; kind++)
		for (int d = 0; d < 10; d++)
		{
			xmc_scores	with;
			xmc_scores	without;
			xmc_document document = f->document[d];
			size_t		bytes = (size_t) (document.n * document.n) * sizeof(float);
			uint8_t		has[8];

			memcpy(has, document.has, (size_t) document.n);
			document.has = has;
			for (int32_t i = 1; i < document.n; i++)
				has[i] &= (uint8_t) (kind == 0 ? 255 : kind == 1 ? ~XMC_HAS_IMAGE : ~XMC_HAS_TEXT);
			model->has_alignment = true;
			assert_int_equal(xmc_score_documents(&f->ctx, model, 1, &document, &with), XMC_OK);
			model->has_alignment = false;
			assert_int_equal(xmc_score_documents(&f->ctx, model, 1, &document, &without), XMC_OK);
			for (int e = 0; e < XMC_SCORE_KINDS; e++)
				assert_memory_equal(with.score[e], without.score[e], bytes);
			for (int m = 0; m < XMC_MODALITIES; m++)
				for (int32_t a = 0; a < document.n; a++)
					for (int32_t b = 0; b < document.n; b++)
					{
						int			wanted = m == XMC_TEXT ? XMC_HAS_TEXT : XMC_HAS_IMAGE;
						bool		both = (has[a] & wanted) && (has[b] & wanted);

						assert_true(with.score[XMC_SCORE_TEXT_GUIDED + m][a * document.n + b] ==
									(both ? with.score[XMC_SCORE_FUSED][a * document.n + b] : 0));
					}
			xmc_scores_free(&f->ctx, &with);
			xmc_scores_free(&f->ctx, &without);
		}
	xmc_model_free(&f->ctx, model);
}

/* Without items that hold both no alignment is trained: its tensors are 0, and the guided scores are the own ones. */
static void
test_untrained(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;
	xmc_train_report report;
	xmc_document document;
	xmc_scores	scores;

	for (int d = 0; d < DOCUMENTS; d++)
		for (int32_t i = 0; i < f->document[d].n; i++)
			f->document[d].has[i] &= (uint8_t) (d % 2 ? ~XMC_HAS_IMAGE : ~XMC_HAS_TEXT);
	for (int d = 0; d < DOCUMENTS; d++)
		f->held_out[d] = d % 5 == 0;
	train(f, DOCUMENTS, &model, &report);
	assert_false(model->has_alignment);
	assert_int_equal(report.alignment.documents, 0);
	for (int64_t k = 0; k < f->options.align_dim * IMAGE_DIM; k++)
		assert_true(model->align_image_w[k] == 0);
	build(&f->ctx, &f->options, f->tokeniser, 3, false, false, false, &document);
	assert_int_equal(xmc_score_documents(&f->ctx, model, 1, &document, &scores), XMC_OK);
	assert_true(scores.score[XMC_SCORE_FUSED][document.n - 1] == 0);
	xmc_scores_free(&f->ctx, &scores);
	xmc_document_free(&f->ctx, &document);
	xmc_model_free(&f->ctx, model);
}

/* In a shared space there are no linear maps; only temperatures and dustbin are fitted. */
static void
test_shared_space(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;
	xmc_train_report report;
	xmc_document document;
	xmc_scores	scores;

	f->options.text_dim = IMAGE_DIM + 1;
	f->options.shared_space = 1;
	assert_int_equal(xmc_options_check(&f->ctx, &f->options), XMC_BAD_INPUT);
	assert_non_null(strstr(f->ctx.message, "shared_space"));
	f->options.text_dim = IMAGE_DIM;
	for (int d = 0; d < DOCUMENTS; d++)
	{
		xmc_document_free(&f->ctx, &f->document[d]);
		build(&f->ctx, &f->options, f->tokeniser, d, true, false, false, &f->document[d]);
	}
	check_gradient(f, &f->options);
	train(f, DOCUMENTS, &model, &report);
	assert_true(model->has_alignment);
	assert_null(model->align_text_w);
	assert_null(model->align_image_w);
	assert_true(report.alignment.accuracy > 0.95);
	build(&f->ctx, &f->options, f->tokeniser, DOCUMENTS, false, false, false, &document);
	assert_int_equal(xmc_score_documents(&f->ctx, model, 1, &document, &scores), XMC_OK);
	assert_true(right_pairs(DOCUMENTS, &document, scores.score[XMC_SCORE_IMAGE_GUIDED], true) > 0.9);
	xmc_scores_free(&f->ctx, &scores);
	xmc_document_free(&f->ctx, &document);
	xmc_model_free(&f->ctx, model);
}

/* The same documents give the same alignment; a failed allocation leaks nothing. */
static void
test_repeat_and_memory(void **state)
{
	fixture    *f = *state;
	xmc_model  *model;
	xmc_model  *again;
	xmc_train_report report;
	xmc_document document;
	long		live;

	f->options.epochs = 2;
	train(f, 60, &model, &report);
	train(f, 60, &again, &report);
	assert_memory_equal(*model->tensor[0].slot, *again->tensor[0].slot, (size_t) model->n_parameters * sizeof(float));
	assert_memory_equal(&model->calibration, &again->calibration, sizeof model->calibration);
	xmc_model_free(&f->ctx, again);
	build(&f->ctx, &f->options, f->tokeniser, 3, false, false, false, &document);
	live = f->counts.live;
	for (int mode = 0; mode < XMC_GUIDANCE_MODES; mode++)
		for (long fail = 1;; fail++)
		{
			const xmc_guidance_rule rule = {.mode = (xmc_guidance_mode) mode,.rounds = 1};
			xmc_scores	scores;
			xmc_status	status;

			f->counts.fail_at = f->counts.calls + fail;
			status = xmc_score_documents_by(&f->ctx, model, &rule, 1, &document, &scores);
			if (status == XMC_OK)
			{
				assert_true(fail > 2);
				xmc_scores_free(&f->ctx, &scores);
				break;
			}
			assert_int_equal(status, XMC_NO_MEMORY);
			assert_int_equal(f->counts.live, live);
		}
	f->counts.fail_at = 0;
	xmc_document_free(&f->ctx, &document);
	xmc_model_free(&f->ctx, model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gradient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_trained, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_linked_unchanged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_untrained, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shared_space, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_repeat_and_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
