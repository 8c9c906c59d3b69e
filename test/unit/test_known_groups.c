/*
 * test_known_groups.c - new documents of known groups and of new groups: each kind has figures of its own and a calibration of
 * its own, both near what constructed documents of that kind show
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "counting.h"
#include "train/crossfit.h"
#include "train/folds.h"
#include "train/trainer.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/groups.h"
#include "xmcoh/order.h"
#include "xmcoh/random.h"
#include "xmcoh/scorer.h"
#include "xmcoh/seen.h"
#include "xmcoh/train.h"

static void
assert_near(double a, double b, double tolerance)
{
	if (!(fabs(a - b) <= tolerance))
		fail_msg("%.12g is not %.12g within %g", a, b, tolerance);
}

#define ALBUMS 60				/* the second half is new */
#define STORIES 12				/* of an album; of known albums the last third is new, too */
#define DOCUMENTS (ALBUMS * STORIES)
#define PLACES 6
#define DIM 32

/*
 * The photos of an album have an order that says nothing of other albums, and that a model can learn by heart. A story has four of
 * them. A text says its place in one of four cases, else any place.
 */
typedef struct albums
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_options options;
	xmc_document document[DOCUMENTS];
	uint64_t	group[DOCUMENTS];
	int			training[DOCUMENTS];	/* numbers of the documents that training reads */
	int32_t		n_training;
	xmc_model  *model;
	xmc_train_report report;
} albums;

static bool
is_new_album(int d)
{
	return d / STORIES >= ALBUMS / 2;
}

static bool
is_new(int d)
{
	return is_new_album(d) || d % STORIES >= STORIES * 2 / 3;
}

static void
build_story(albums *a, xmc_tokeniser *tokeniser, xmc_random *random, float photo[PLACES][DIM], int d)
{
	static const char *const word[PLACES] = {"one", "two", "three", "four", "five", "six"};
	xmc_item	item[PLACES];
	char		key[PLACES][8];
	int32_t		order[PLACES];
	int32_t		n = 0;

	for (uint32_t p = 0; p < PLACES; p++)
	{
		uint32_t	said = xmc_random_below(random, 4) == 0 ? p : xmc_random_below(random, PLACES);

		if (xmc_random_below(random, 3) == 0 && n + (int32_t) (PLACES - p) > 3)
			continue;
		snprintf(key[n], sizeof key[n], "%u", (unsigned) (p * 5 % 7));
		item[n] = (xmc_item){.key = key[n],.key_length = strlen(key[n]),.text = word[said],.text_length = strlen(word[said]),
			.image = photo[p]};
		order[n] = n;
		n++;
	}
	assert_int_equal(xmc_document_build(&a->ctx, &a->options, tokeniser, n, item, &a->document[d]), XMC_OK);
	assert_int_equal(xmc_document_label_order(&a->ctx, &a->document[d], order), XMC_OK);
	a->document[d].group = a->group[d];
}

static void
train_albums(albums *a)
{
	xmc_document *document = test_calloc(DOCUMENTS, sizeof *document);
	uint64_t   *group = test_calloc(DOCUMENTS, sizeof *group);
	uint8_t    *held_out = test_calloc(DOCUMENTS, 1);

	a->n_training = 0;
	for (int d = 0; d < DOCUMENTS; d++)
		if (!is_new(d))
		{
			document[a->n_training] = a->document[d];
			group[a->n_training] = a->group[d];
			held_out[a->n_training++] = d / STORIES % 6 == 0;
		}
	assert_int_equal(xmc_train(&a->ctx, &a->options, a->n_training, document, held_out, NULL, &a->model, &a->report), XMC_OK);
	assert_int_equal(xmc_seen_fill_groups(&a->ctx, a->model, a->n_training, document, group, held_out), XMC_OK);
	test_free(document);
	test_free(group);
	test_free(held_out);
}

static int
set_up(void **state)
{
	albums	   *a = test_calloc(1, sizeof *a);
	xmc_tokeniser *tokeniser;
	xmc_random	random;

	a->ctx = counting_ctx(&a->counts);
	xmc_options_default(&a->options);
	a->options.image_dim = DIM;
	a->options.d_model = a->options.feed_forward = 32;
	a->options.heads = 2;
	a->options.layers = 1;
	a->options.hash_bits = 8;
	a->options.bag_dim = 0;
	a->options.epochs = 20;
	a->options.dropout = 0;
	a->options.pool_documents = 0;
	xmc_random_seed(&random, 1);
	assert_int_equal(xmc_tokeniser_new(&a->ctx, &tokeniser), XMC_OK);
	for (int album = 0; album < ALBUMS; album++)
	{
		float		photo[PLACES][DIM];
		char		name[24];

		snprintf(name, sizeof name, "album %d", album);
		for (int p = 0; p < PLACES; p++)
			for (int k = 0; k < DIM; k++)
				photo[p][k] = (float) xmc_random_normal(&random);
		for (int d = album * STORIES; d < (album + 1) * STORIES; d++)
		{
			a->group[d] = xmc_group_of(name, strlen(name));
			build_story(a, tokeniser, &random, photo, d);
		}
	}
	xmc_tokeniser_free(tokeniser);
	train_albums(a);
	*state = a;
	return 0;
}

static int
tear_down(void **state)
{
	albums	   *a = *state;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&a->ctx, &a->document[d]);
	xmc_model_free(&a->ctx, a->model);
	assert_int_equal(a->counts.live, 0);
	test_free(a);
	return 0;
}

/* What new documents of one kind show. */
typedef struct truth
{
	double		tau;
	double		slope;			/* 1: probabilities are calibrated; below 1: too certain */
	double		calibration_error;
} truth;

static truth
measure(albums *a, const xmc_model *model, bool new_albums, int kind)
{
	float	   *s = test_calloc(DOCUMENTS * PLACES * PLACES, sizeof *s);
	double	   *p = test_calloc(DOCUMENTS * PLACES * PLACES, sizeof *p);
	truth		t = {0};
	int32_t		documents = 0;
	int32_t		n = 0;

	for (int d = 0; d < DOCUMENTS; d++)
	{
		xmc_document *document = &a->document[d];
		xmc_scores	scores;
		double		tau;

		if (!is_new(d) || is_new_album(d) != new_albums || (!new_albums && d / STORIES % 6 == 0))
			continue;
		assert_int_equal(xmc_score_documents(&a->ctx, model, 1, document, &scores), XMC_OK);
		assert_int_equal(xmc_decoded_tau(&a->ctx, document, scores.score[kind], (uint64_t) d, &tau), XMC_OK);
		t.tau += tau;
		documents++;
		for (int32_t k = 0; k < document->n_pairs; k++, n++)
		{
			s[n] = scores.score[kind][document->pair[k].before * document->n + document->pair[k].after];
			p[n] = 1 / (1 + exp(-s[n]));
		}
		xmc_scores_free(&a->ctx, &scores);
	}
	t.tau /= documents;
	assert_int_equal(xmc_calibrate(&a->ctx, n, 1, s, NULL, NULL, &t.slope), XMC_OK);
	t.calibration_error = xmc_calibration_error(n, p, XMC_CALIBRATION_BINS);
	test_free(s);
	test_free(p);
	return t;
}

/* The photos are worth much in known albums and nothing in new ones, and each figure says so. */
static void
test_figures(void **state)
{
	albums	   *a = *state;
	const xmc_figures *of_new = &a->report.new_groups;
	const xmc_figures *of_known = &a->report.known_groups;

	assert_true(a->report.folds > 0);
	assert_int_equal(of_new->documents, a->n_training);
	assert_in_range(of_known->documents, a->n_training / 5, a->n_training / 2);
	assert_in_range(of_known->groups, 20, 25);
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
	{
		truth		in_new = measure(a, a->model, true, e);
		truth		in_known = measure(a, a->model, false, e);

		assert_true(fabs(of_new->tau[e].mean - in_new.tau) < 0.1);
		assert_true(fabs(of_known->tau[e].mean - in_known.tau) < 0.15);
		assert_true(of_known->tau[e].low - 0.05 < in_known.tau && in_known.tau < of_known->tau[e].high + 0.05);
		assert_true(of_known->calibration_error[e] < 0.1 && in_known.calibration_error < 0.1);
		assert_true(of_known->pair_accuracy[e] > 0.5 && of_known->confident[e] >= 0);
	}
	assert_true(of_known->tau[XMC_SCORE_FUSED].mean > of_new->tau[XMC_SCORE_FUSED].mean + 0.4);
	assert_true(of_known->confident[XMC_SCORE_FUSED] > of_new->confident[XMC_SCORE_FUSED]);
}

/* Each kind has its calibration: neither is too certain, and what is of no use in new albums is used in known ones. */
static void
test_calibrations(void **state)
{
	albums	   *a = *state;
	truth		in_new = measure(a, a->model, true, XMC_SCORE_FUSED);
	truth		in_known = measure(a, a->model, false, XMC_SCORE_FUSED);
	truth		as_new;
	xmc_model  *opened;
	unsigned char *file;
	size_t		size;

	assert_near(in_new.slope, 1, 0.25);
	assert_near(in_known.slope, 1, 0.25);
	assert_true(a->model->calibration.fused[XMC_IMAGE] < a->model->known.fused[XMC_IMAGE] / 10);

	/* stored, the model does the same */
	assert_int_equal(a->model->seen_groups.n, 30);	/* the held-out ones, too: they have taught the model in the end */
	assert_int_equal(xmc_model_save(&a->ctx, a->model, NULL, &size), XMC_OK);
	file = test_malloc(size);
	assert_int_equal(xmc_model_save(&a->ctx, a->model, file, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&a->ctx, file, size, true, &opened), XMC_OK);
	assert_memory_equal(&opened->known, &a->model->known, sizeof opened->known);
	as_new = measure(a, opened, false, XMC_SCORE_FUSED);
	assert_near(as_new.tau, in_known.tau, 0);
	xmc_release(&a->ctx, opened);
	test_free(file);

	/* without the record of groups, and without a group, all documents are of the new kind */
	for (int d = 0; d < DOCUMENTS; d++)
		a->document[d].group = 0;
	as_new = measure(a, a->model, false, XMC_SCORE_FUSED);
	assert_true(as_new.tau < in_known.tau - 0.3);
	for (int d = 0; d < DOCUMENTS; d++)
		a->document[d].group = a->group[d];
	xmc_seen_forget(&a->ctx, a->model);
	assert_near(measure(a, a->model, false, XMC_SCORE_FUSED).tau, as_new.tau, 0);
	assert_int_equal(xmc_model_save(&a->ctx, a->model, NULL, &size), XMC_OK);
	file = test_malloc(size);
	assert_int_equal(xmc_model_save(&a->ctx, a->model, file, &size), XMC_OK);
	assert_int_equal(xmc_model_open(&a->ctx, file, size, true, &opened), XMC_OK);
	assert_int_equal(opened->seen_groups.n, 0);
	assert_memory_equal(&opened->known, &opened->calibration, sizeof opened->known);
	xmc_release(&a->ctx, opened);
	test_free(file);
}

/* Where groups have few documents, or there are no folds, there is no figure, and both kinds have one calibration. */
static void
test_no_probes(void **state)
{
	albums	   *a = *state;

	for (int none = 0; none < 2; none++)
	{
		xmc_model_free(&a->ctx, a->model);
		for (int d = 0; d < DOCUMENTS; d++)
			a->document[d].group = none ? a->group[d] : a->group[d] + (uint64_t) (d % STORIES / 2);
		a->options.folds = none ? 0 : 5;
		train_albums(a);
		assert_int_equal(a->report.folds, a->options.folds);
		assert_int_equal(a->report.known_groups.documents, 0);
		assert_memory_equal(&a->model->known, &a->model->calibration, sizeof a->model->known);
	}
}

/* A probe is of a fold that is not its own, and leaves two others of its group to teach; about one in ten for each fold. */
static void
test_probes(void **state)
{
	albums	   *a = *state;
	xmc_train_report report = {0};
	const xmc_document *approved[DOCUMENTS];
	xmc_trainer t = {.ctx = &a->ctx,.options = &a->options,.report = &report,.approved = approved,.n_approved = DOCUMENTS,
	.document = a->document,.n_documents = DOCUMENTS,.held_out = {.document = approved}};
	int32_t		in_fold = 0;

	a->options.folds = 5;
	for (int d = 0; d < DOCUMENTS; d++)
	{
		/* groups of 1, 2, 3, 3, 3 documents, and of 12 */
		a->document[d].group = d >= DOCUMENTS / 2 ? a->group[d] : a->group[d] + (uint64_t) ((d % 12 > 0) + (d % 12 + 3) / 3);
		approved[d] = &a->document[d];
	}
	xmc_arena_init(&t.run_arena, &a->ctx);
	xmc_arena_init(&t.term_arena, &a->ctx);
	assert_int_equal(xmc_train_assign_folds(&t), XMC_OK);
	assert_int_equal(report.folds, 5);
	for (int f = 0; f < 5; f++)
	{
		assert_in_range(t.probe_start[f + 1] - t.probe_start[f], 30, 80);
		for (int k = t.probe_start[f]; k < t.probe_start[f + 1]; k++, in_fold++)
		{
			int			teach = 0;

			for (int d = 0; d < DOCUMENTS; d++)
			{
				bool		own = d >= t.fold_start[f] && d < t.fold_start[f + 1];

				if (t.out_of_fold.document[d] == t.probes.document[k])
					assert_true(!own && t.probe_fold[d] == f);
				else if (t.out_of_fold.document[d]->group == t.probes.document[k]->group)
					teach += !own && t.probe_fold[d] != f;
			}
			assert_true(teach >= 2);
		}
	}
	assert_int_equal(in_fold, t.probes.n_documents);
	xmc_arena_free(&t.run_arena);
	xmc_arena_free(&t.term_arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_calibrations),
		cmocka_unit_test(test_no_probes),
		cmocka_unit_test(test_probes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
