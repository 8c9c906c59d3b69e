/*
 * test_encoder_words.c - what the embedding of a text adds to a score, by words: the parts sum to the fused score for an imported and
 * for a fine-tuned encoder, each word has what its absence changes, the word that decides has the largest part; texts whose
 * embedding is not the encoder's; images that are texts; long texts; lack of memory and interrupts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "../encoder/published.h"
#include "models.h"
#include "network/inputs.h"
#include "score/encoder_words.h"
#include "xmcoh/explain.h"

#define ITEMS 3
#define DIM 16					/* of published_tiny */
#define PARTS 4096

typedef struct fixture
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_tokeniser *tokeniser;
	xmc_random	random;
	void	   *file;
	xmc_text_encoder *encoder;
	xmc_encoder_text text[ITEMS];
	float		vector[ITEMS][DIM];
	int32_t		token[ITEMS][64];
	xmc_item	item[ITEMS];
	xmc_document document;
	xmc_scores	scores;
} fixture;

/* The parts of one pair; their terms are copied. */
typedef struct collected
{
	int32_t		n;
	xmc_part	part[PARTS];
	char		term[PARTS][16];
} collected;

static void
collect(void *arg, const xmc_pair *pair, xmc_explanation *explanation)
{
	collected  *c = arg;

	(void) pair;
	assert_true(explanation->n <= PARTS);
	c->n = explanation->n;
	for (int32_t k = 0; k < c->n; k++)
	{
		const xmc_part *part = &explanation->part[k];

		c->part[k] = *part;
		assert_true(part->contribution != 0);
		if (part->term)
			snprintf(c->term[k], sizeof c->term[k], "%.*s", (int) part->term_length, part->term);
	}
}

static int
set_up(void **state)
{
	fixture    *f = test_calloc(1, sizeof *f);
	published_files files;
	xmc_published_encoder published;
	size_t		size;

	f->ctx = counting_ctx(&f->counts);
	published_make(&published_tiny, &files);
	published = published_encoder(&files);
	assert_int_equal(xmc_text_encoder_compile(&f->ctx, &published, &f->file, &size), XMC_OK);
	published_free(&files);
	assert_int_equal(xmc_text_encoder_open(&f->ctx, f->file, size, &f->encoder), XMC_OK);
	assert_int_equal(xmc_tokeniser_new(&f->ctx, &f->tokeniser), XMC_OK);
	xmc_random_seed(&f->random, 3);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	fixture    *f = *state;

	xmc_tokeniser_free(f->tokeniser);
	xmc_text_encoder_close(&f->ctx, f->encoder);
	xmc_release(&f->ctx, f->file);
	assert_int_equal(f->counts.live, 0);
	test_free(f);
	return 0;
}

/* A model that reads such vectors in place of texts, or of images, without words; its parameters are drawn. */
static xmc_model *
draw_model(fixture *f, bool images, bool tuned)
{
	xmc_options options = small_options();
	xmc_model  *model;

	options.words = 0;
	options.text_dim = images ? 0 : DIM;
	options.image_dim = images ? DIM : 0;
	options.bilinear_dim = 0;
	options.fine_tune = tuned ? 2 : 0;
	options.adapter_rank = 2;
	assert_int_equal(xmc_model_new(&f->ctx, &options, false, &model), XMC_OK);
	for (int32_t t = 0; t < model->n_tensors; t++)
		for (int64_t k = 0; k < model->tensor[t].n_values; k++)
			(*model->tensor[t].slot)[k] += (float) (0.5 * xmc_random_normal(&f->random));
	for (size_t k = 0; k < sizeof(xmc_calibration) / sizeof(double); k++)
		((double *) &model->calibration)[k] = 0.1 + xmc_random_uniform(&f->random);
	model->known = model->calibration;
	model->base_encoder = xmc_text_encoder_transformer(f->encoder);
	model->network[XMC_TEXT].uses_changes = tuned;
	return model;
}

/* The network scores 0. */
static void
without_network(const xmc_model *model)
{
	const xmc_tensor *head = find(model, "text.head.v");

	assert_non_null(head);
	memset(*head->slot, 0, (size_t) head->n_values * sizeof(float));
}

/* A document of these texts, whose vectors are those of the encoder. */
static void
make_document(fixture *f, const xmc_model *model, const char *const text[ITEMS])
{
	static const char *const key[ITEMS] = {"0", "1", "2"};

	for (int i = 0; i < ITEMS; i++)
	{
		f->text[i] = (xmc_encoder_text) {text[i], strlen(text[i])};
		assert_int_equal(xmc_text_encoder_embed(&f->ctx, f->encoder, 1, &f->text[i], f->vector[i]), XMC_OK);
		f->item[i] = (xmc_item) {.key = key[i],.key_length = 1};
		if (model->options.image_dim > 0)
			f->item[i].image = f->vector[i];
		else
		{
			f->item[i].text = text[i];
			f->item[i].text_length = strlen(text[i]);
			f->item[i].text_embedding = f->vector[i];
			f->item[i].token = f->token[i];
			assert_int_equal(xmc_text_encoder_tokens(&f->ctx, f->encoder, text[i], strlen(text[i]), f->token[i],
													 &f->item[i].n_tokens), XMC_OK);
		}
	}
}

static void
score(fixture *f, const xmc_model *model)
{
	assert_int_equal(xmc_document_build(&f->ctx, &model->options, f->tokeniser, ITEMS, f->item, &f->document), XMC_OK);
	assert_int_equal(xmc_score_documents(&f->ctx, model, 1, &f->document, &f->scores), XMC_OK);
}

static void
forget(fixture *f)
{
	xmc_scores_free(&f->ctx, &f->scores);
	xmc_document_free(&f->ctx, &f->document);
}

static xmc_status
explain(fixture *f, const xmc_model *model, bool images, xmc_explanation_visitor visit, void *arg)
{
	static const xmc_guidance_rule usual = {0};
	const xmc_explain_inputs inputs = {.encoder = {images ? NULL : f->encoder, images ? f->encoder : NULL},.image_text = f->text};
	const xmc_pair pair = {0, 1, 1};

	return xmc_explain(&f->ctx, model, &usual, f->tokeniser, &f->document, f->item, &f->scores, &inputs, 1, &pair, visit, arg);
}

/* Scores the document, explains its first two items, and checks the sum. */
static void
explain_first(fixture *f, const xmc_model *model, bool images, collected *out)
{
	double		sum = 0;

	score(f, model);
	assert_int_equal(explain(f, model, images, collect, out), XMC_OK);
	for (int32_t k = 0; k < out->n; k++)
		sum += out->part[k].contribution;
	assert_true(fabs(sum - f->scores.score[XMC_SCORE_FUSED][1]) < 1e-5);
	forget(f);
}

/* Whether a part is of a kind, of this item of the pair alone, and names this word; NULL: it names none. */
static bool
is_part(const collected *c, int32_t k, xmc_part_kind kind, int side, const char *term)
{
	return c->part[k].kind == kind && c->part[k].in[side] && !c->part[k].in[!side] &&
		(term ? c->part[k].term && strcmp(c->term[k], term) == 0 : !c->part[k].term);
}

static void
assert_count(const collected *c, xmc_part_kind kind, int side, const char *term, int expected)
{
	int			count = 0;

	for (int32_t k = 0; k < c->n; k++)
		count += is_part(c, k, kind, side, term);
	assert_int_equal(count, expected);
}

/* What the encoder's part of an item's word adds; there is one. */
static double
effect_of(const collected *c, int side, const char *term)
{
	double		sum = 0;

	assert_count(c, XMC_PART_ENCODER, side, term, 1);
	for (int32_t k = 0; k < c->n; k++)
		sum += is_part(c, k, XMC_PART_ENCODER, side, term) ? c->part[k].contribution : 0;
	return sum;
}

static const char *const texts[ITEMS] = {"w1 w2 w1, w3", "w4 w5 w2", "w6"};

/* Without a network the share of a word is the change of the linear term when the word is taken out, and the rest is one part. */
static void
test_linear(void **state)
{
	static const char *const word[ITEMS] = {"w1", "w2", "w3"};
	static const char *const without[ITEMS] = {"w2 , w3", "w1 w1, w3", "w1 w2 w1, "};
	fixture    *f = *state;
	xmc_model  *model = draw_model(f, false, false);
	const xmc_network *network = &model->network[XMC_TEXT];
	collected	out;
	int			parts = 0;

	without_network(model);
	make_document(f, model, texts);
	explain_first(f, model, false, &out);
	for (int k = 0; k < 3; k++)
	{
		const xmc_encoder_text text = {without[k], strlen(without[k])};
		const float *scale = network->input_scale + network->input_dim - DIM;
		float		vector[DIM];
		double		expected = 0;

		assert_int_equal(xmc_text_encoder_embed(&f->ctx, f->encoder, 1, &text, vector), XMC_OK);
		for (int c = 0; c < DIM; c++)
			expected -= model->calibration.fused[XMC_TEXT] * network->linear[c] * scale[c] * ((double) f->vector[0][c] - vector[c]);
		assert_true(fabs(effect_of(&out, 0, word[k]) - expected) < 1e-6);
	}
	for (int side = 0; side < 2; side++)
		assert_count(&out, XMC_PART_ENCODER, side, NULL, 1);
	/* nothing else: six words, two rests */
	for (int32_t k = 0; k < out.n; k++)
		parts += out.part[k].kind == XMC_PART_ENCODER;
	assert_int_equal(parts, 8);
	assert_int_equal(out.n, 8);
	xmc_release(&f->ctx, model);
}

/* change (DIM) = what a text's vector loses when its words become `without`. */
static void
change_of(fixture *f, int item, const char *without, double *change)
{
	const xmc_encoder_text text = {without, strlen(without)};
	float		vector[DIM];

	assert_int_equal(xmc_text_encoder_embed(&f->ctx, f->encoder, 1, &text, vector), XMC_OK);
	for (int c = 0; c < DIM; c++)
		change[c] = (double) f->vector[item][c] - vector[c];
}

static double
product(const double *a, const double *b)
{
	double		sum = 0;

	for (int c = 0; c < DIM; c++)
		sum += a[c] * b[c];
	return sum;
}

/* The word that decides: the weights see what w3 does to the vector, and nothing of what the five other words do. */
static void
test_deciding_word(void **state)
{
	static const char *const other[5] = {"w2 , w3", "w1 w1, w3", "w5 w2", "w4 w2", "w4 w5 "};
	fixture    *f = *state;
	xmc_model  *model = draw_model(f, false, false);
	const xmc_network *network = &model->network[XMC_TEXT];
	double		change[6][DIM];	/* those of the other words made orthogonal (Gram-Schmidt), then that of w3 */
	collected	out;
	double		decides;

	without_network(model);
	make_document(f, model, texts);
	for (int k = 0; k < 6; k++)
	{
		change_of(f, k < 2 || k == 5 ? 0 : 1, k < 5 ? other[k] : "w1 w2 w1, ", change[k]);
		for (int twice = 0; twice < 2; twice++)
			for (int l = 0; l < k; l++)
			{
				double		along = product(change[k], change[l]) / product(change[l], change[l]);

				for (int c = 0; c < DIM; c++)
					change[k][c] -= along * change[l][c];
			}
	}
	for (int c = 0; c < DIM; c++)
		network->linear[c] = (float) (-change[5][c] / network->input_scale[network->input_dim - DIM + c]);
	explain_first(f, model, false, &out);
	decides = effect_of(&out, 0, "w3");
	assert_true(decides > 0);
	for (int32_t k = 0; k < out.n; k++)
		assert_true(!out.part[k].term || strcmp(out.term[k], "w3") == 0 || fabs(out.part[k].contribution) < 1e-4 * decides);
	xmc_release(&f->ctx, model);
}

/* With networks, of the encoder as it is and of a changed one, whose base vectors the linear term still reads. */
static void
test_networks(void **state)
{
	fixture    *f = *state;
	collected	out[2];
	collected	whole;
	int32_t		k;

	for (int tuned = 0; tuned < 2; tuned++)
	{
		xmc_model  *model = draw_model(f, false, tuned);

		make_document(f, model, texts);
		explain_first(f, model, false, &out[tuned]);
		for (int side = 0; side < 2; side++)
		{
			assert_count(&out[tuned], XMC_PART_NETWORK, side, NULL, 0);
			assert_count(&out[tuned], XMC_PART_ENCODER, side, side ? "w5" : "w1", 1);
		}

		/* vectors that are not those of the texts: only a fine-tuned network reads the texts */
		for (int i = 0; i < ITEMS; i++)
			for (int c = 0; c < DIM; c++)
				f->vector[i][c] = (float) xmc_random_normal(&f->random);
		explain_first(f, model, false, &whole);
		assert_count(&whole, XMC_PART_ENCODER, 0, "w1", tuned);
		assert_count(&whole, XMC_PART_NETWORK, 0, NULL, !tuned);
		for (k = 0; k < whole.n; k++)
			if (whole.part[k].kind == XMC_PART_TEXT_EMBEDDING)
				break;
		assert_true(k < whole.n);
		xmc_release(&f->ctx, model);
	}
}

/* One item has the vector of its text, rounded as a column of half precision rounds; the other has another one. */
static void
test_one_item(void **state)
{
	fixture    *f = *state;
	xmc_model  *model = draw_model(f, false, false);
	collected	out;

	make_document(f, model, texts);
	for (int c = 0; c < DIM; c++)
	{
		f->vector[0][c] *= 1 + 0x1p-11f;
		f->vector[1][c] += 0.1f;
	}
	explain_first(f, model, false, &out);
	assert_count(&out, XMC_PART_ENCODER, 0, "w1", 1);
	assert_count(&out, XMC_PART_ENCODER, 1, "w5", 0);
	assert_count(&out, XMC_PART_NETWORK, 1, NULL, 1);
	xmc_release(&f->ctx, model);
}

/* Images that are texts. */
static void
test_images(void **state)
{
	fixture    *f = *state;
	xmc_model  *model = draw_model(f, true, false);
	collected	out;

	make_document(f, model, texts);
	explain_first(f, model, true, &out);
	assert_count(&out, XMC_PART_ENCODER, 0, "w3", 1);
	for (int32_t k = 0; k < out.n; k++)
		assert_int_equal(out.part[k].kind == XMC_PART_ENCODER ? out.part[k].modality : XMC_IMAGE, XMC_IMAGE);
	xmc_release(&f->ctx, model);
}

/* Texts of one word, of none, and of many: as the user writes them, not as the encoder cuts them. */
static void
test_texts(void **state)
{
	fixture    *f = *state;
	xmc_model  *model = draw_model(f, false, false);
	char	   *long_text = test_malloc(40000);
	size_t		used = 0;
	collected	out;
	int			words = 0;

	while (used < 39000)
		used += (size_t) sprintf(long_text + used, "unknown%d w7 ", (int) (used % 1000));
	make_document(f, model, (const char *const[ITEMS]) {"Ｗ８", long_text, "..."});
	explain_first(f, model, false, &out);
	assert_count(&out, XMC_PART_ENCODER, 0, "w8", 1);
	for (int32_t k = 0; k < out.n; k++)
		words += out.part[k].kind == XMC_PART_ENCODER && out.part[k].in[1] && out.part[k].term;
	assert_true(words > 10 && words <= XMC_OCCLUDED_WORDS);

	make_document(f, model, (const char *const[ITEMS]) {"...", "", "w1"});
	explain_first(f, model, false, &out);
	assert_count(&out, XMC_PART_ENCODER, 0, NULL, 1);
	xmc_release(&f->ctx, model);
	test_free(long_text);
}

/* For what must fail. */
static void
ignore(void *arg, const xmc_pair *pair, xmc_explanation *explanation)
{
	(void) arg;
	(void) pair;
	(void) explanation;
}

typedef struct explained
{
	fixture    *f;
	const xmc_model *model;
} explained;

static xmc_status
explain_again(void *arg)
{
	const explained *e = arg;

	return explain(e->f, e->model, false, ignore, NULL);
}

static void
test_failures(void **state)
{
	fixture    *f = *state;
	xmc_model  *model = draw_model(f, false, true);

	make_document(f, model, texts);
	score(f, model);
	assert_fails_everywhere(&f->counts, explain_again, &(explained) {f, model});
	forget(f);
	xmc_release(&f->ctx, model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_linear, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deciding_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_networks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_item, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_images, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
