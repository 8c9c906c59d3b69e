/* manuals.h - documents of known structure, whose texts and images were made from the same hidden steps, and a model of them */
#ifndef XMCOH_TEST_MANUALS_H
#define XMCOH_TEST_MANUALS_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "counting.h"
#include "xmcoh/random.h"
#include "xmcoh/train.h"
#include "xmcoh/random.h"

static void
assert_near(double a, double b, double tolerance)
{
	if (!(fabs(a - b) <= tolerance))
		fail_msg("%.12g is not %.12g within %g", a, b, tolerance);
}

#define DOCUMENTS 120
#define SUBJECTS 12
#define IMAGE_DIM 16

static const char *const verb[] = {"open", "check", "fit", "turn", "press", "close", "clean", "pack"};
static const char *const subject[SUBJECTS] = {"valve", "screw", "seal", "pump", "hose", "motor", "filter", "sensor",
	"cable", "spring", "gauge", "panel"};

/*
 * The text of a step is a verb, which shows its place, and a subject. The image of a step shows the subject, by one number of
 * its own, and no order. Linked documents hold both in one item; otherwise texts are items 0 .. n - 1 and images n .. 2 n - 1.
 * The number of the document decides its steps. `missing`: the first step has no image. `foreign`: its image shows a subject
 * that the document does not have. A text embedding, if the model reads one, is made like an image: both share a space.
 */
typedef struct steps
{
	int32_t		n;
	int32_t		subject[8];
} steps;

static void
deal(int d, steps *s)
{
	xmc_random	random;
	int32_t		all[SUBJECTS];

	xmc_random_seed(&random, (uint64_t) d);
	s->n = 4 + (int32_t) xmc_random_below(&random, 4);
	for (int32_t k = 0; k < SUBJECTS; k++)
		all[k] = k;
	for (int32_t k = 0; k < 8; k++)
	{
		int32_t		other = k + (int32_t) xmc_random_below(&random, (uint32_t) (SUBJECTS - k));
		int32_t		kept = all[k];

		s->subject[k] = all[other];
		all[k] = all[other];
		all[other] = kept;
	}
}

static void
draw_photo(xmc_random *random, int32_t of, float *image)
{
	for (int k = 0; k < IMAGE_DIM; k++)
		image[k] = (float) ((k == of) + 0.1 * xmc_random_normal(random));
}

/* Linked documents are labelled. */
static void
build(xmc_ctx *ctx, const xmc_options *o, xmc_tokeniser *tokeniser, int d, bool linked, bool missing, bool foreign,
	  xmc_document *out)
{
	steps		s;
	xmc_random	random;
	xmc_item	item[16];
	char		key[16][16];
	char		text[8][40];
	float		image[8][IMAGE_DIM];
	float		embedding[8][IMAGE_DIM];
	int32_t		order[8];
	int32_t		n = 0;

	deal(d, &s);
	xmc_random_seed(&random, (uint64_t) d + 1000);
	for (int32_t k = 0; k < s.n; k++)
	{
		int32_t		step = (k * 3 + d) % s.n;	/* a permutation but for n = 6 */

		if (s.n % 3 == 0)
			step = (k * 5 + d) % s.n;
		snprintf(text[k], sizeof text[k], "%s the %s", verb[step * 8 / s.n], subject[s.subject[step]]);
		draw_photo(&random, foreign && step == 0 ? s.subject[7] : s.subject[step], image[k]);
		if (o->text_dim > 0)
			draw_photo(&random, s.subject[step], embedding[k]);
		order[step] = k;
	}
	for (int32_t k = 0; k < s.n; k++)
	{
		snprintf(key[n], sizeof key[n], "%d", (int) n);
		item[n] = (xmc_item){.key = key[n],.key_length = strlen(key[n]),.text = text[k],.text_length = strlen(text[k]),
			.text_embedding = o->text_dim > 0 ? embedding[k] : NULL,.image = linked ? image[k] : NULL};
		n++;
	}
	for (int32_t k = s.n - 1; k >= 0 && !linked; k--)	/* the image of text k is item 2 n - 1 - k */
	{
		snprintf(key[n], sizeof key[n], "%d", (int) (2 * s.n - 1 - k));
		if (missing && k == order[0])
			continue;
		item[n] = (xmc_item){.key = key[n],.key_length = strlen(key[n]),.image = image[k]};
		n++;
	}
	assert_int_equal(xmc_document_build(ctx, o, tokeniser, n, item, out), XMC_OK);
	if (linked)
		assert_int_equal(xmc_document_label_order(ctx, out, order), XMC_OK);
}

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_options options;
	xmc_tokeniser *tokeniser;
	xmc_document document[DOCUMENTS];
	uint8_t		held_out[DOCUMENTS];
} fixture;

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);

	f->ctx = counting_ctx(&f->counts);
	xmc_options_default(&f->options);
	f->options.image_dim = IMAGE_DIM;
	f->options.d_model = 16;
	f->options.heads = 2;
	f->options.feed_forward = 16;
	f->options.hash_bits = 12;
	f->options.epochs = 12;
	f->options.align_dim = 16;
	f->options.align_learning_rate = 0.01;
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &f->tokeniser), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
	{
		build(&f->ctx, &f->options, f->tokeniser, d, true, false, false, &f->document[d]);
		f->held_out[d] = d % 4 == 0;
	}
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &f->document[d]);
	xmc_tokeniser_free(f->tokeniser);
	assert_int_equal(f->counts.live, 0);
	test_free(f);
	return 0;
}

static void
train(fixture *f, int32_t n, xmc_model **model, xmc_train_report *report)
{
	if (xmc_train(&f->ctx, &f->options, n, f->document, f->held_out, NULL, model, report) != XMC_OK)
		fail_msg("%s", f->ctx.message);
}

#endif
