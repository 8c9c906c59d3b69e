/*
 * Training on documents of known structure: the model learns the structure, and learns nothing from noise. The same training
 * gives the same model to the bit. A training that is stopped ends with XMC_STOPPED and frees all memory.
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
#include "xmcoh/check.h"
#include "xmcoh/hash.h"
#include "xmcoh/random.h"
#include "xmcoh/text.h"
#include "xmcoh/train.h"

#define DOCUMENTS 120
#define IMAGE_DIM 32

static const char *const opener[] = {"first open the cover", "begin with the power switched off", "first drain the tank"};
static const char *const middle[] = {"remove the screw", "clean the seal", "check the valve", "grease the shaft"};
static const char *const closer[] = {"finally close the cover", "last run a test", "finally switch the power on"};

/*
 * Documents of 3 to 7 items. The text of an item shows whether the item is the first, the last, or one between. The first
 * `informative` numbers of its image are its place, plus an offset of the document, plus noise of the given size; the other
 * numbers are noise. Item keys are random, so that they do not show the order.
 */
static void
make_documents(xmc_ctx *ctx, const xmc_options *o, double noise, int informative, xmc_document *document,
			   uint8_t *held_out)
{
	xmc_random	random;
	xmc_tokeniser *tokeniser;

	xmc_random_seed(&random, 5);
	assert_int_equal(xmc_tokeniser_new(ctx, &tokeniser), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		int32_t		n = 3 + (int32_t) xmc_random_below(&random, 5);
		float		image[8][IMAGE_DIM];
		char		key[8][16];
		int32_t		place[8];	/* place of item i */
		int32_t		order[8];
		xmc_item	item[8];
		double		offset = xmc_random_normal(&random);

		for (int32_t i = 0; i < n; i++)
			place[i] = i;
		for (int32_t i = n - 1; i > 0; i--)
		{
			int32_t		j = (int32_t) xmc_random_below(&random, (uint32_t) i + 1);
			int32_t		kept = place[i];

			place[i] = place[j];
			place[j] = kept;
		}
		for (int32_t i = 0; i < n; i++)
		{
			const char *text = place[i] == 0 ? opener[xmc_random_below(&random, 3)]
				: place[i] == n - 1 ? closer[xmc_random_below(&random, 3)] : middle[xmc_random_below(&random, 4)];

			order[place[i]] = i;
			snprintf(key[i], sizeof key[i], "%d", (int) i);
			for (int k = 0; k < IMAGE_DIM; k++)
				image[i][k] = (float) ((k < informative ? (k % 2 ? 1 : -0.5) * place[i] / (n - 1.0) : 0) + offset +
										noise * xmc_random_normal(&random));
			item[i] = (xmc_item){.key = key[i],.key_length = strlen(key[i]),.image = image[i]};
			item[i].text = text;
			item[i].text_length = strlen(text);
		}
		assert_int_equal(xmc_document_build(ctx, o, tokeniser, n, item, &document[d]), XMC_OK);
		assert_int_equal(xmc_document_label_order(ctx, &document[d], order), XMC_OK);
		held_out[d] = d % 4 == 0;
	}
	xmc_tokeniser_free(tokeniser);
}

static xmc_options
small_options(void)
{
	xmc_options o;

	xmc_options_default(&o);
	o.image_dim = IMAGE_DIM;
	o.d_model = 16;
	o.heads = 2;
	o.feed_forward = 16;
	o.hash_bits = 12;
	o.epochs = 12;
	o.folds = 3;				/* the evaluation has six, fewer than of five */
	o.learning_rate = 0.005;
	return o;
}

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_options options;
	xmc_document document[DOCUMENTS];
	uint8_t		held_out[DOCUMENTS];
} fixture;

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);

	f->ctx = counting_ctx(&f->counts);
	f->options = small_options();
	make_documents(&f->ctx, &f->options, 0.15, IMAGE_DIM, f->document, f->held_out);
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

static xmc_model *
train(fixture *f, xmc_train_report *report)
{
	xmc_model  *model;

	assert_int_equal(xmc_train(&f->ctx, &f->options, DOCUMENTS, f->document, f->held_out, NULL, &model, report),
					 XMC_OK);
	return model;
}

/*
 * The rows of one kind stand in the order of their levels; mistakes become fewer, and what is confident is more often right.
 * At the threshold of a precision at most so many of the documents are mistaken, by the definition.
 */
static void
assert_reliability(fixture *f, const xmc_model *model)
{
	double		threshold = xmc_check_threshold(model, XMC_SCORE_TEXT, 0.9);
	int			mistaken = 0;
	int			documents = 0;
	int			rows[XMC_SCORE_KINDS] = {0};

	assert_true(xmc_has_reliability(model));
	for (int32_t r = 0; r < model->reliability.n; r++)
	{
		const float *row = model->reliability.row[r];
		const float *last = r > 0 ? model->reliability.row[r - 1] : row;

		assert_true(row[XMC_RELIABILITY_GROUPS] == DOCUMENTS);
		assert_true(row[XMC_RELIABILITY_MISTAKEN] >= 0 && row[XMC_RELIABILITY_MISTAKEN] <= DOCUMENTS);
		if (rows[(int) row[XMC_RELIABILITY_KIND]]++ == 0)
		{
			assert_true(row[XMC_RELIABILITY_LEVEL] == 0);
			assert_true(row[XMC_RELIABILITY_CONFIDENT] > 0.9);	/* level 0: every pair with a score */
			continue;
		}
		assert_true(row[XMC_RELIABILITY_LEVEL] > last[XMC_RELIABILITY_LEVEL]);
		assert_true(row[XMC_RELIABILITY_MISTAKEN] <= last[XMC_RELIABILITY_MISTAKEN]);
		assert_true(row[XMC_RELIABILITY_CONFIDENT] <= last[XMC_RELIABILITY_CONFIDENT]);
	}
	for (int e = 0; e < XMC_SCORE_KINDS; e++)
		assert_true(rows[e] >= 1);
	assert_true(rows[XMC_SCORE_TEXT] > 1);	/* by image there is no mistake at all, so one row says all */
	/* The threshold, on the held-out documents, which are a quarter of those that it was chosen on. */
	assert_true(threshold >= log(9) && isfinite(threshold));
	for (int d = 0; d < DOCUMENTS; d++)
	{
		const xmc_document *document = &f->document[d];
		xmc_scores	scores;
		bool		wrong = false;

		if (!f->held_out[d])
			continue;
		assert_int_equal(xmc_score_documents(&f->ctx, model, 1, document, &scores), XMC_OK);
		for (int32_t k = 0; k < document->n_pairs; k++)
			wrong |= scores.score[XMC_SCORE_TEXT][document->pair[k].before * document->n + document->pair[k].after] <= -threshold;
		xmc_scores_free(&f->ctx, &scores);
		documents++;
		mistaken += wrong;
	}
	assert_true(mistaken <= 0.25 * documents);
}

static void
test_learns(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model = train(f, &report);

	assert_int_equal(report.approved_documents, DOCUMENTS);
	assert_int_equal(report.held_out_documents, DOCUMENTS / 4);
	/* The words distinguish the ends from the middle; the images show nearly the whole order. */
	assert_true(report.new_groups.tau[XMC_SCORE_TEXT].mean > 0.4 && report.new_groups.tau[XMC_SCORE_TEXT].mean < 0.95);
	assert_true(report.new_groups.tau[XMC_SCORE_IMAGE].mean > 0.7);
	assert_true(report.new_groups.tau[XMC_SCORE_FUSED].mean >= report.new_groups.tau[XMC_SCORE_TEXT].mean);
	assert_true(report.new_groups.tau[XMC_SCORE_FUSED].mean >= report.new_groups.tau[XMC_SCORE_IMAGE].mean - 0.02);
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
	{
		assert_true(report.new_groups.tau[e].low <= report.new_groups.tau[e].mean && report.new_groups.tau[e].mean <= report.new_groups.tau[e].high);
		assert_true(report.new_groups.calibration_error[e] < 0.1);
		assert_true(report.new_groups.pair_accuracy[e] > 0.65);
	}
	/* So the share of confident pairs is smaller by text than by image. */
	assert_true(report.new_groups.confident[XMC_SCORE_TEXT] > 0 && report.new_groups.confident[XMC_SCORE_TEXT] < 0.9);
	assert_true(report.new_groups.confident[XMC_SCORE_FUSED] > report.new_groups.confident[XMC_SCORE_TEXT]);
	for (int m = 0; m < XMC_MODALITIES; m++)
		assert_true(model->calibration.solo[m] > 0 && model->calibration.fused[m] > 0);
	assert_reliability(f, xmc_measured(model));
	xmc_model_free(&f->ctx, model);
}

/* Images of pure noise get weight 0. */
static void
test_noise_modality(void **state)
{
	fixture    *f = *state;
	xmc_random	random;
	xmc_train_report report;
	xmc_model  *model;

	xmc_random_seed(&random, 11);
	for (int d = 0; d < DOCUMENTS; d++)
		for (int32_t k = 0; k < f->document[d].n * IMAGE_DIM; k++)
			f->document[d].image[k] = (float) xmc_random_normal(&random);
	model = train(f, &report);
	assert_true(fabs(report.new_groups.tau[XMC_SCORE_IMAGE].mean) < 0.3);
	assert_true(report.new_groups.tau[XMC_SCORE_FUSED].mean > report.new_groups.tau[XMC_SCORE_TEXT].mean - 0.05);
	xmc_model_free(&f->ctx, model);
}

/* The model as a blob of *size bytes, to be released. */
static unsigned char *
save_and_free(fixture *f, xmc_model *model, size_t *size)
{
	unsigned char *blob;

	assert_int_equal(xmc_model_save(&f->ctx, model, NULL, size), XMC_OK);
	blob = xmc_alloc(&f->ctx, *size, 1);
	assert_int_equal(xmc_model_save(&f->ctx, model, blob, size), XMC_OK);
	xmc_model_free(&f->ctx, model);
	return blob;
}

static void
test_same_bytes(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	unsigned char *blob[2];
	size_t		size[2];

	for (int k = 0; k < 2; k++)
	{
		xmc_model  *model = train(f, &report);

		blob[k] = save_and_free(f, model, &size[k]);
	}
	assert_int_equal(size[0], size[1]);
	assert_memory_equal(blob[0], blob[1], size[0]);
	xmc_release(&f->ctx, blob[0]);
	xmc_release(&f->ctx, blob[1]);
}

static void
test_text_only(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model;

	f->options.image_dim = 0;
	f->options.bilinear_dim = 0;
	model = train(f, &report);
	assert_true(report.new_groups.tau[XMC_SCORE_TEXT].mean > 0.4);
	assert_true(report.new_groups.tau[XMC_SCORE_FUSED].mean == report.new_groups.tau[XMC_SCORE_TEXT].mean);
	xmc_model_free(&f->ctx, model);
}

/*
 * Images that run forwards or backwards, and a word for the direction: neither shows the order alone, nor does a sum of
 * scores. The bilinear term learns it, and so the fused score; without the bilinear term the fused score is at chance.
 */
static void
test_bilinear(void **state)
{
	fixture    *f = *state;
	xmc_random	random;
	xmc_train_report report;
	xmc_model  *model;

	xmc_random_seed(&random, 12);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		xmc_document *document = &f->document[d];
		int32_t		place[8] = {0};
		int			backwards = xmc_random_uniform(&random) < 0.5;

		for (int32_t p = 0; p < document->n_pairs; p++)
			place[document->pair[p].after]++;
		for (int32_t k = 0; k < document->feature_start[document->n]; k++)
			document->feature[k] = (backwards ? 4711u : 815u) << 8 | XMC_FEATURE_WORD;
		for (int32_t k = 0; k < document->word_start[document->n]; k++)
			document->word[k] = backwards ? 4711u : 815u;
		for (int32_t i = 0; i < document->n; i++)
			for (int32_t k = 0; k < IMAGE_DIM; k++)
				document->image[i * IMAGE_DIM + k] = (float) ((k % 2 ? 1 : -1) * (backwards ? -1 : 1) *
															  (place[i] / (document->n - 1.0) - 0.5) +
															  0.15 * xmc_random_normal(&random));
	}
	f->options.bilinear_learning_rate = 0.005;
	model = train(f, &report);
	assert_true(fabs(report.new_groups.tau[XMC_SCORE_TEXT].mean) < 0.3);
	assert_true(fabs(report.new_groups.tau[XMC_SCORE_IMAGE].mean) < 0.3);
	assert_true(report.new_groups.tau[XMC_SCORE_FUSED].mean > 0.8);
	assert_true(model->calibration.fused[XMC_JOINT] > 0);
	assert_true(report.best_epoch[XMC_SCORE_FUSED] > 0);
	xmc_model_free(&f->ctx, model);

	f->options.bilinear_dim = 0;
	model = train(f, &report);
	assert_true(fabs(report.new_groups.tau[XMC_SCORE_FUSED].mean) < 0.3);
	assert_true(model->calibration.fused[XMC_JOINT] == 0);
	xmc_model_free(&f->ctx, model);
}

/*
 * Each word stands in one document only: a model can memorise the words, but they show nothing about another document. A
 * calibration on documents that the model was trained on would give probabilities near 0 and 1.
 */
static void
test_folds(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model;
	double		scale[2];

	f->options.image_dim = 0;
	model = train(f, &report);
	assert_int_equal(report.folds, f->options.folds);
	assert_true(model->calibration.solo[XMC_TEXT] > 0.5);
	xmc_model_free(&f->ctx, model);

	for (int d = 0; d < DOCUMENTS; d++)
	{
		for (int32_t k = 0; k < f->document[d].feature_start[f->document[d].n]; k++)
			f->document[d].feature[k] = (uint32_t) xmc_hash_bytes(&k, sizeof k, (uint64_t) d);
		for (int32_t k = 0; k < f->document[d].word_start[f->document[d].n]; k++)
			f->document[d].word[k] = (uint32_t) xmc_hash_bytes(&k, sizeof k, (uint64_t) d) | 1;
	}
	f->options.patience = f->options.epochs;
	for (int k = 0; k < 2; k++)
	{
		f->options.folds = k ? 4 : 0;
		model = train(f, &report);
		assert_int_equal(report.folds, f->options.folds);
		scale[k] = model->calibration.solo[XMC_TEXT];
		assert_true(report.new_groups.calibration_error[XMC_SCORE_TEXT] < 0.1);
		xmc_model_free(&f->ctx, model);
	}
	assert_true(scale[1] < 0.2);
	assert_true(scale[0] != scale[1]);	/* cross-fitting has changed the scale */

	/* With few documents there are fewer folds. */
	f->options.folds = 5;
	for (int d = 0; d < DOCUMENTS; d++)
		f->held_out[d] = d >= XMC_MIN_TRAINING_DOCUMENTS;
	xmc_model_free(&f->ctx, train(f, &report));
	assert_int_equal(report.folds, 2);
}

static void
test_bag(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model;

	f->options.image_dim = 0;
	f->options.bag_documents = 0;
	f->options.bag_dim = 8;
	f->options.bag_bits = 10;
	model = train(f, &report);
	assert_true(model->has_bag);
	assert_true(report.new_groups.tau[XMC_SCORE_TEXT].mean > 0.4);
	xmc_model_free(&f->ctx, model);
}

static void
test_missing_images(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model;

	for (int d = 0; d < DOCUMENTS; d++)
		for (int32_t i = 0; i < f->document[d].n; i++)
			f->document[d].has[i] &= (uint8_t) ~XMC_HAS_IMAGE;
	model = train(f, &report);
	assert_true(report.new_groups.tau[XMC_SCORE_TEXT].mean > 0.4);
	assert_true(model->calibration.solo[XMC_IMAGE] == 0);
	assert_true(model->calibration.fused[XMC_JOINT] == 0);
	for (int32_t k = 0; k < 2 * f->options.bilinear_dim; k++)	/* a term that was not trained scores 0 under every rule */
		assert_true(model->bilinear_w[k] == 0 && model->bilinear_b[k] == 0);
	assert_true(fabs(report.new_groups.tau[XMC_SCORE_IMAGE].mean) < 0.35);	/* ties fall by chance, not by key */
	xmc_model_free(&f->ctx, model);
}

static void
test_too_few(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model;

	assert_int_equal(xmc_train(&f->ctx, &f->options, 9, f->document, f->held_out, NULL, &model, &report),
					 XMC_BAD_INPUT);
	assert_string_equal(f->ctx.message,
						"9 approved documents, 12 are needed");
	assert_null(model);

	/* enough of them, but not on either side */
	for (int side = 0; side < 2; side++)
	{
		for (int d = 0; d < 14; d++)
			f->held_out[d] = side == 0 ? d < 3 : d >= 7;
		assert_int_equal(xmc_train(&f->ctx, &f->options, 14, f->document, f->held_out, NULL, &model, &report),
						 XMC_BAD_INPUT);
		assert_memory_equal(f->ctx.message, side == 0 ? "3" : "7", 1);
		assert_string_equal(f->ctx.message + 1, " of 14 approved documents are held out: that must be at least 4 and leave 8"
							" to train on; option held_out says how many");
		assert_null(model);
	}
}

/* Removes the labels of most documents that are not held out; these become the pool. */
static int
make_pool(fixture *f)
{
	int			pool = 0;

	for (int d = 0; d < DOCUMENTS; d++)
		if (!f->held_out[d] && d % 4 != 1)
		{
			xmc_release(&f->ctx, f->document[d].pair);
			f->document[d].pair = NULL;
			f->document[d].n_pairs = 0;
			pool++;
		}
	return pool;
}

/* The guided tau that rounds report: 2 * (share of image pairs ordered rightly) - 1, with inferred alignment, mean over held-out documents. */
static double
guided_tau(fixture *f, const xmc_model *model)
{
	const xmc_guidance_rule rule = {.inferred = true};
	double		sum = 0;
	int			n = 0;

	for (int d = 0; d < DOCUMENTS; d++)
		if (f->held_out[d])
		{
			const xmc_document *document = &f->document[d];
			xmc_scores	scores;
			double		right = 0;

			assert_int_equal(xmc_score_documents_by(&f->ctx, model, &rule, 1, document, &scores), XMC_OK);
			for (int32_t k = 0; k < document->n_pairs; k++)
				right += scores.score[XMC_SCORE_IMAGE_GUIDED][document->pair[k].before * document->n + document->pair[k].after] > 0;
			sum += 2 * right / document->n_pairs - 1;
			n++;
			xmc_scores_free(&f->ctx, &scores);
		}
	return sum / n;
}

/* Words need few labels, and guide the images, which show the order in one noisy direction of many. */
static void
test_text_teaches_image(void **state)
{
	fixture    *f = *state;
	xmc_train_report alone;
	xmc_train_report with_rounds;
	xmc_model  *model;
	double		guided_alone;
	int			pool;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
	make_documents(&f->ctx, &f->options, 0.8, 2, f->document, f->held_out);
	pool = make_pool(f);
	f->options.epochs = 20;
	model = train(f, &alone);
	guided_alone = guided_tau(f, xmc_measured(model));
	xmc_model_free(&f->ctx, model);
	assert_int_equal(alone.n_rounds, 0);
	assert_int_equal(alone.pool_documents, pool);

	f->options.rounds = 1;
	model = train(f, &with_rounds);
	assert_int_equal(with_rounds.n_rounds, 1);
	assert_true(fabs(with_rounds.round[0].guided_tau_before - guided_alone) < 1e-6);
	assert_true(fabs(with_rounds.round[0].guided_tau_after - guided_tau(f, xmc_measured(model))) < 1e-6);
	assert_true(with_rounds.round[0].guided_tau_after != guided_alone);
	xmc_model_free(&f->ctx, model);
	assert_int_equal(with_rounds.round[0].pupil, XMC_IMAGE);
	assert_int_equal(with_rounds.round[0].documents, pool);
	assert_true(with_rounds.round[0].kept);
	assert_int_equal(with_rounds.rounds_end, XMC_ROUNDS_DONE);
	assert_true(with_rounds.round[0].weak.selected > 0 && with_rounds.round[0].weak.selected < 1);
	assert_true(with_rounds.round[0].weak.threshold > 0.5 && with_rounds.round[0].weak.threshold < f->options.precision);
	assert_true(fabs(with_rounds.round[0].weak.selected_precision - f->options.precision) < 0.08);
	assert_true(with_rounds.round[0].flips > 0 && with_rounds.round[0].flips < 0.5);
	assert_true(with_rounds.round[0].agreement_after > 0.5 && with_rounds.round[0].agreement_before > 0.5);
	assert_true(with_rounds.round[0].tau_after > with_rounds.round[0].tau_before);
	/* The figures are those of cross-fitting, before the rounds, over all approved documents. */
	assert_int_equal(with_rounds.new_groups.documents, with_rounds.approved_documents);
	assert_true(with_rounds.new_groups.tau[XMC_SCORE_IMAGE].mean == alone.new_groups.tau[XMC_SCORE_IMAGE].mean);
	assert_true(with_rounds.new_groups.tau[XMC_SCORE_TEXT].mean == alone.new_groups.tau[XMC_SCORE_TEXT].mean);

	f->options.unselected = 0;	/* selected pairs alone */
	xmc_model_free(&f->ctx, train(f, &alone));
	assert_int_equal(alone.n_rounds, 1);
	assert_true(alone.round[0].loss_after != with_rounds.round[0].loss_after);
	f->options.precision = 1;	/* no pair is selected */
	xmc_model_free(&f->ctx, train(f, &alone));
	assert_int_equal(alone.n_rounds, 0);
	assert_int_equal(alone.rounds_end, XMC_ROUNDS_NOTHING_TO_SAY);
	f->options.precision = 0.9;
	f->options.unselected = 1;

	f->options.rounds = 3;		/* a third of the pool each; no document is labelled twice */
	xmc_model_free(&f->ctx, train(f, &with_rounds));
	assert_true(with_rounds.n_rounds >= 2);
	assert_true(with_rounds.round[0].documents < with_rounds.round[1].documents);
	assert_true(with_rounds.round[with_rounds.n_rounds - 1].documents <= pool);
}

#define SPILLS 3				/* labels for two pupils, and scores of the validation documents */

/* Memory that a training took from hook spill. */
typedef struct spilled
{
	int			n;				/* calls */
	int			most;			/* calls that get memory */
	void	   *memory[SPILLS];
	size_t		size[SPILLS];
} spilled;

static void *
spill(void *arg, size_t size)
{
	spilled    *s = arg;

	if (s->n == s->most)
		return NULL;
	s->size[s->n] = size;
	s->memory[s->n] = calloc(size, 1);
	return s->memory[s->n++];
}

/* What grows with the pool lies in memory of the hook, pairs either way round, and the training is the same to the bit. */
static void
test_spill(void **state)
{
	fixture    *f = *state;
	size_t		pairs = 0;
	size_t		validating = 0;	/* of the validation documents */
	int32_t		pool = 0;
	long		live;
	xmc_train_report report;
	xmc_model  *model;

	make_pool(f);
	f->document[2].has[0] &= (uint8_t) ~XMC_HAS_IMAGE;
	f->options.rounds = 1;
	for (int d = 0; d < DOCUMENTS; d++)
		if (f->document[d].n_pairs == 0)
		{
			int			both = f->document[d].n - (d == 2);

			pairs += (size_t) (both * (both - 1));
			if (pool % 7 == 0)	/* see VALIDATION_EVERY in rounds.c */
				validating += (size_t) (both * (both - 1));
			pool++;
		}
	live = f->counts.live;
	for (int most = 0; most < SPILLS; most++)
	{
		spilled		s = {.most = most};

		assert_int_equal(xmc_train(&f->ctx, &f->options, DOCUMENTS, f->document, f->held_out,
								   &(xmc_train_hooks) {.arg = &s,.spill = spill}, &model, &report), XMC_NO_MEMORY);
		assert_int_equal(s.n, most);
		assert_int_equal(f->counts.live, live);
		free(s.memory[0]);
		free(s.memory[1]);
	}
	{
		spilled		s = {.most = SPILLS};
		unsigned char *blob[2];
		size_t		size[2];

		for (int k = 0; k < 2; k++)
		{
			assert_int_equal(xmc_train(&f->ctx, &f->options, DOCUMENTS, f->document, f->held_out,
									   &(xmc_train_hooks) {.arg = &s,.spill = k ? spill : NULL}, &model, &report), XMC_OK);
			assert_int_equal(report.n_rounds, 1);
			blob[k] = save_and_free(f, model, &size[k]);
		}
		assert_int_equal(size[0], size[1]);
		assert_memory_equal(blob[0], blob[1], size[0]);
		assert_int_equal(s.n, SPILLS);
		assert_int_equal(s.size[2], validating * (2 + XMC_TERMS + XMC_MODALITIES) * sizeof(float));
		free(s.memory[2]);
		for (int m = 0; m < XMC_MODALITIES; m++)
		{
			assert_int_equal(s.size[m], pairs * sizeof(xmc_pair));
			for (size_t k = 0; k < pairs; k += 2)
			{
				const xmc_pair *pair = (const xmc_pair *) s.memory[m] + k;

				assert_true(pair[0].before < pair[0].after && pair[0].before == pair[1].after && pair[0].after == pair[1].before);
				assert_true(pair[0].weight >= 0 && pair[0].weight <= 1 && fabs(pair[0].weight + pair[1].weight - 1) < 1e-6);
			}
			free(s.memory[m]);
		}
		xmc_release(&f->ctx, blob[0]);
		xmc_release(&f->ctx, blob[1]);
	}
}

/* In the pool the images run backwards, so the weak labels of the words are wrong: the round is undone, to the bit. */
static void
test_round_is_put_back(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	unsigned char *blob[2];
	size_t		size[2];

	make_pool(f);
	for (int d = 0; d < DOCUMENTS; d++)
		for (int32_t k = 0; f->document[d].n_pairs == 0 && k < f->document[d].n * IMAGE_DIM; k++)
			f->document[d].image[k] = -f->document[d].image[k];
	for (int rounds = 0; rounds < 2; rounds++)
	{
		xmc_model  *model;

		f->options.rounds = rounds;
		model = train(f, &report);
		model->options.rounds = 0;	/* the only difference */
		blob[rounds] = save_and_free(f, model, &size[rounds]);
	}
	assert_int_equal(report.n_rounds, 1);
	assert_false(report.round[0].kept);
	assert_true(report.round[0].difference_high < 0);
	assert_int_equal(report.rounds_end, XMC_ROUNDS_PUPIL_LOST);
	assert_int_equal(size[0], size[1]);
	assert_memory_equal(blob[0], blob[1], size[0]);
	xmc_release(&f->ctx, blob[0]);
	xmc_release(&f->ctx, blob[1]);
}

/* A modality whose calibrated score is 0 is no guide. */
static void
test_noise_teaches_nobody(void **state)
{
	fixture    *f = *state;
	xmc_random	random;
	xmc_train_report report;

	xmc_random_seed(&random, 12);
	make_pool(f);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		for (int32_t k = 0; k < f->document[d].feature_start[f->document[d].n]; k++)
			f->document[d].feature[k] = (uint32_t) xmc_random_next(&random);
		for (int32_t k = 0; k < f->document[d].word_start[f->document[d].n]; k++)
			f->document[d].word[k] = (uint32_t) xmc_random_next(&random) | 1;
	}
	f->options.rounds = 2;
	xmc_model_free(&f->ctx, train(f, &report));
	assert_true(report.n_rounds > 0);
	for (int k = 0; k < report.n_rounds; k++)
		assert_int_equal(report.round[k].pupil, XMC_TEXT);
}

static xmc_status
stop_after(void *arg, const xmc_train_progress *progress)
{
	assert_true(progress->done <= progress->total);
	return --*(int *) arg > 0 ? XMC_OK : XMC_STOPPED;
}

/* Stopped at any point, the training ends with XMC_STOPPED and frees all memory. */
static void
test_stop(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model;
	long		live = f->counts.live;

	for (int calls = 1; calls < 60; calls += 7)
	{
		int			left = calls;

		assert_int_equal(xmc_train(&f->ctx, &f->options, DOCUMENTS, f->document, f->held_out, &(xmc_train_hooks) {.arg = &left,.progress = stop_after},
								   &model, &report), XMC_STOPPED);
		assert_null(model);
		assert_int_equal(left, 0);
		assert_int_equal(f->counts.live, live);
	}
}

/* Without memory at any point, it ends with XMC_NO_MEMORY and frees all memory. */
static void
test_no_memory(void **state)
{
	fixture    *f = *state;
	long		live = f->counts.live;
	int			refused = 0;

	f->options.epochs = 2;
	for (long k = 1; k < 400; k += k < 30 ? 1 : k < 60 ? 5 : 37)
	{
		xmc_train_report report;
		xmc_model  *model;
		xmc_status	status;

		f->counts.fail_at = f->counts.calls + k;
		status = xmc_train(&f->ctx, &f->options, DOCUMENTS, f->document, f->held_out, NULL, &model, &report);
		f->counts.fail_at = 0;
		if (status == XMC_OK)
		{
			xmc_model_free(&f->ctx, model);
			k = 400;			/* more than all allocations */
		}
		else
		{
			assert_int_equal(status, XMC_NO_MEMORY);
			refused++;
		}
		assert_int_equal(f->counts.live, live);
	}
	assert_true(refused > 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_learns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_noise_modality, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_same_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_text_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_folds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bilinear, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bag, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_missing_images, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_text_teaches_image, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_spill, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_round_is_put_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_noise_teaches_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_few, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
