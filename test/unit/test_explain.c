/*
 * test_explain.c - explanations of pairs: the parts sum to the fused score for models with all kinds of terms and documents of
 * all kinds of items, networks by their inputs and as a whole; each word is named by its own text; lack of memory and interrupts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "models.h"
#include "xmcoh/explain.h"
#include "xmcoh/random.h"
#include "xmcoh/seen.h"

#define ITEMS 7
#define IMAGE_DIM 3
#define TEXT_DIM 2

/* Networks by their inputs; no text encoder. */
static const xmc_explain_inputs by_inputs = {.image_text = NULL};

/* Explanations that outlive the call, in an arena. */
typedef struct collected
{
	xmc_arena	arena;
	int32_t		n;
	xmc_explanation explanation[ITEMS * ITEMS];
} collected;

static void *
copied(xmc_arena *arena, const void *bytes, size_t size)
{
	void	   *copy = xmc_arena_alloc(arena, size, 1);

	assert_non_null(copy);
	return size > 0 ? memcpy(copy, bytes, size) : copy;
}

static void
collect(void *arg, const xmc_pair *pair, xmc_explanation *explanation)
{
	collected  *c = arg;
	xmc_explanation *to = &c->explanation[c->n++];

	(void) pair;
	*to = *explanation;
	to->part = copied(&c->arena, explanation->part, (size_t) explanation->n * sizeof(xmc_part));
	for (int32_t k = 0; k < to->n; k++)
	{
		xmc_part   *part = &to->part[k];

		if (part->term)
			part->term = copied(&c->arena, part->term, part->word_length);
		for (int side = 0; side < 2; side++)
			if (part->beside[side])
				part->beside[side] = copied(&c->arena, part->beside[side], part->beside_length[side]);
	}
}

/* For what must fail. */
static void
ignore(void *arg, const xmc_pair *pair, xmc_explanation *explanation)
{
	(void) arg;
	(void) pair;
	(void) explanation;
}

/* A document of items whose inputs are there or missing by chance. */
typedef struct drawn
{
	char		key[ITEMS][12];
	float		image[ITEMS][IMAGE_DIM];
	float		embedding[ITEMS][TEXT_DIM];
	xmc_item	item[ITEMS];
	xmc_document document;
	xmc_scores	scores;
} drawn;

typedef struct explaining
{
	counting	counts;
	xmc_ctx		ctx;
	xmc_tokeniser *tokeniser;
	xmc_random	random;
	char	   *long_word;		/* longer than a window of the tokeniser */
} explaining;

#define LONG_WORD 40000
#define KNOWN_GROUP 77

static int
set_up(void **state)
{
	explaining *e = test_calloc(1, sizeof *e);

	e->ctx = counting_ctx(&e->counts);
	assert_int_equal(xmc_tokeniser_new(&e->ctx, &e->tokeniser), XMC_OK);
	xmc_random_seed(&e->random, 11);
	e->long_word = test_malloc(LONG_WORD + 1);
	memset(e->long_word, 'w', LONG_WORD);
	e->long_word[LONG_WORD] = 0;
	*state = e;
	return 0;
}

static int
tear_down(void **state)
{
	explaining *e = *state;

	xmc_tokeniser_free(e->tokeniser);
	assert_int_equal(e->counts.live, 0);
	test_free(e->long_word);
	test_free(e);
	return 0;
}

/* A model of these inputs whose parameters and calibration are drawn. */
static xmc_model *
draw_model(explaining *e, int inputs)
{
	xmc_options options = small_options();
	xmc_model  *model;

	options.words = inputs & 1;
	options.text_dim = inputs & 2 ? TEXT_DIM : 0;
	options.image_dim = inputs & 4 ? IMAGE_DIM : 0;
	options.bilinear_dim = inputs & 8 ? 5 : 0;
	assert_int_equal(xmc_model_new(&e->ctx, &options, inputs & 16, &model), XMC_OK);
	for (int32_t t = 0; t < model->n_tensors; t++)
		for (int64_t k = 0; k < model->tensor[t].n_values; k++)
			(*model->tensor[t].slot)[k] += (float) (0.5 * xmc_random_normal(&e->random));
	for (size_t k = 0; k < sizeof(xmc_calibration) / sizeof(double); k++)
	{
		((double *) &model->calibration)[k] = 0.1 + xmc_random_uniform(&e->random);
		((double *) &model->known)[k] = 0.1 + xmc_random_uniform(&e->random);
	}
	model->has_alignment = options.image_dim > 0 && (options.words || options.text_dim > 0);
	assert_int_equal(xmc_seen_fill_groups(&e->ctx, model, 1, &(xmc_document) {.n_pairs = 1}, &(uint64_t) {KNOWN_GROUP}, &(uint8_t) {0}),
					 XMC_OK);
	return model;
}

static void
draw_document(explaining *e, const xmc_options *options, drawn *d)
{
	const char *const text[] = {"Tighten the bolts, tightening the bolt.", "the bolts", "", "...", "ねじを締める。ねじ締め",
		"Ｆｕｌｌ width ½ µm x\xcc\x81\xcc\x81\xcc\x81", e->long_word, "a a a a a a a a a a a a a a a a b", "กขค ok\xe2\x80\x8b zero"};

	for (int i = 0; i < ITEMS; i++)
	{
		uint32_t	has = xmc_random_below(&e->random, 12);
		const char *of = text[xmc_random_below(&e->random, sizeof text / sizeof text[0])];

		snprintf(d->key[i], sizeof d->key[i], "%d", i);
		for (int k = 0; k < IMAGE_DIM; k++)
			d->image[i][k] = (float) xmc_random_normal(&e->random);
		for (int k = 0; k < TEXT_DIM; k++)
			d->embedding[i][k] = (float) xmc_random_normal(&e->random);
		/* 0: nothing; 1, 2, 3: a text, an embedding, an image alone; 4: an image; 5, 6: texts; then all */
		d->item[i] = (xmc_item){.key = d->key[i],.key_length = 1,
			.text = has == 1 || has > 4 ? of : NULL,.text_length = strlen(of),
			.text_embedding = has == 2 || has > 4 ? d->embedding[i] : NULL,
			.image = has == 3 || has == 4 || has > 6 ? d->image[i] : NULL};
	}
	assert_int_equal(xmc_document_build(&e->ctx, options, e->tokeniser, ITEMS, d->item, &d->document), XMC_OK);
}

/* The sum of a pair's parts, but for rounding. */
static double
sum_of(const xmc_explanation *explanation, double *size)
{
	double		sum = 0;

	*size = 0;
	for (int32_t k = 0; k < explanation->n; k++)
	{
		assert_true(explanation->part[k].contribution != 0);
		if (explanation->part[k].kind != XMC_PART_ROUNDING)
			sum += explanation->part[k].contribution;
		*size += fabs(explanation->part[k].contribution);
	}
	return sum;
}

/* What the documents of a test had; each kind of part must come. */
static int	seen_parts[XMC_PART_KINDS];
static int	without_parts;
static int	seen_inputs[4];		/* of networks: words, embeddings, other items; networks as a whole */

static void
see_part(const xmc_part *part, bool networks)
{
	seen_parts[part->kind]++;
	if (part->kind == XMC_PART_NETWORK)
		seen_inputs[!networks ? 3 : part->term ? 0 : part->in[0] != part->in[1] ? 1 : 2]++;
	if (part->kind == XMC_PART_MENTIONS)
		assert_true(part->term && part->in[0] && part->in[1]);
}

static void
expect_sums(explaining *e, const xmc_model *model, const xmc_guidance_rule *rule, bool networks, drawn *d)
{
	enum {PAIRS = ITEMS * (ITEMS - 1)};
	xmc_pair	pair[PAIRS];
	collected	out = {.n = 0};
	int			n = 0;

	for (int a = 0; a < ITEMS; a++)
		for (int b = 0; b < ITEMS; b++)
			if (a != b)
				pair[n++] = (xmc_pair){a, b, 1};
	xmc_arena_init(&out.arena, &e->ctx);
	assert_int_equal(xmc_explain(&e->ctx, model, rule, e->tokeniser, &d->document, d->item, &d->scores, networks ? &by_inputs : NULL, n, pair, collect, &out),
					 XMC_OK);
	assert_int_equal(out.n, n);
	for (int k = 0; k < n; k++)
	{
		double		size;
		double		sum = sum_of(&out.explanation[k], &size);
		double		fused = d->scores.score[XMC_SCORE_FUSED][pair[k].before * ITEMS + pair[k].after];

		if (!(fabs(sum - fused) <= 1e-5 + 1e-6 * size))
			fail_msg("the parts of pair %d, %d sum to %.9g instead of %.9g", (int) pair[k].before, (int) pair[k].after, sum, fused);
		without_parts += out.explanation[k].n == 0;
		for (int32_t p = 0; p < out.explanation[k].n; p++)
			see_part(&out.explanation[k].part[p], networks);
	}
	xmc_arena_free(&out.arena);
}

/* All kinds of models, documents of known and of new groups. */
static void
test_sums(void **state)
{
	explaining *e = *state;

	for (int inputs = 1; inputs < 32; inputs++)
	{
		xmc_model  *model;

		if ((inputs & 7) == 0)
			continue;
		model = draw_model(e, inputs);
		for (int k = 0; k < 12; k++)
		{
			const xmc_guidance_rule rule = {.as_new = k % 2};
			drawn		d;

			draw_document(e, &model->options, &d);
			d.document.group = k % 3 ? KNOWN_GROUP : 0;
			assert_int_equal(xmc_score_documents_by(&e->ctx, model, &rule, 1, &d.document, &d.scores), XMC_OK);
			expect_sums(e, model, &rule, k % 4 < 2, &d);
			xmc_scores_free(&e->ctx, &d.scores);
			xmc_document_free(&e->ctx, &d.document);
		}
		xmc_seen_forget(&e->ctx, model);
		xmc_release(&e->ctx, model);
	}
	for (int kind = 0; kind < XMC_PART_ROUNDING; kind++)
		assert_true(seen_parts[kind] > 10 || kind == XMC_PART_ENCODER);	/* see test_encoder_words.c */
	for (int kind = 0; kind < 4; kind++)
		assert_true(seen_inputs[kind] > 10);
	assert_true(without_parts > 10);
}

/* Numbers that are as large as a score allows: what float32 loses is a part of its own. */
static void
test_rounding(void **state)
{
	explaining *e = *state;
	xmc_model  *model = draw_model(e, 7);
	static const xmc_guidance_rule usual = {0};
	drawn		d;
	int			rounded = 0;

	for (int k = 0; k < 20; k++)
	{
		xmc_pair	pair = {0, 1, 1};
		collected	all = {.n = 0};
		const xmc_explanation *out = all.explanation;
		double		size;

		draw_document(e, &model->options, &d);
		xmc_document_free(&e->ctx, &d.document);
		for (int i = 0; i < ITEMS; i++)
			for (int c = 0; c < IMAGE_DIM; c++)
				d.image[i][c] *= 1e7f;
		assert_int_equal(xmc_document_build(&e->ctx, &model->options, e->tokeniser, ITEMS, d.item, &d.document), XMC_OK);
		assert_int_equal(xmc_score_documents(&e->ctx, model, 1, &d.document, &d.scores), XMC_OK);
		xmc_arena_init(&all.arena, &e->ctx);
		assert_int_equal(xmc_explain(&e->ctx, model, &usual, e->tokeniser, &d.document, d.item, &d.scores, NULL, 1, &pair, collect, &all),
						 XMC_OK);
		if (out->n > 0 && out->part[out->n - 1].kind == XMC_PART_ROUNDING)
		{
			rounded++;
			assert_true(fabs(sum_of(out, &size) + out->part[out->n - 1].contribution - d.scores.score[XMC_SCORE_FUSED][1]) < 1e-6);
			assert_true(fabs(out->part[out->n - 1].contribution) < 1e-6 * size);
		}
		xmc_arena_free(&all.arena);
		xmc_scores_free(&e->ctx, &d.scores);
		xmc_document_free(&e->ctx, &d.document);
	}
	assert_true(rounded > 0);
	xmc_seen_forget(&e->ctx, model);
	xmc_release(&e->ctx, model);
}

/* ---- words ---- */

static const xmc_part *
find_word(const xmc_explanation *explanation, xmc_feature_kind kind, const char *term)
{
	for (int32_t k = 0; k < explanation->n; k++)
	{
		const xmc_part *part = &explanation->part[k];

		if (part->kind == XMC_PART_WORD && part->feature_kind == kind && part->term_length == strlen(term) &&
			memcmp(part->term, term, part->term_length) == 0)
			return part;
	}
	return NULL;
}

static void
expect_word(const xmc_explanation *explanation, xmc_feature_kind kind, const char *term, bool in_first, bool in_second)
{
	const xmc_part *part = find_word(explanation, kind, term);

	if (!part)
		fail_msg("no part is named %s", term);
	assert_int_equal(part->in[0], in_first);
	assert_int_equal(part->in[1], in_second);
}

/* Two texts, explained by a model of words; the weights are drawn once. */
static void
explain_texts(explaining *e, const xmc_model *model, xmc_arena *arena, const char *a, const char *b, xmc_explanation *out)
{
	static const xmc_guidance_rule usual = {0};
	xmc_item	item[2] = {{.key = "1",.key_length = 1,.text = a,.text_length = strlen(a)},
	{.key = "2",.key_length = 1,.text = b,.text_length = strlen(b)}};
	xmc_pair	pair = {0, 1, 1};
	collected	all = {.n = 0};
	xmc_document document;
	xmc_scores	scores;

	assert_int_equal(xmc_document_build(&e->ctx, &model->options, e->tokeniser, 2, item, &document), XMC_OK);
	assert_int_equal(xmc_score_documents(&e->ctx, model, 1, &document, &scores), XMC_OK);
	all.arena = *arena;
	assert_int_equal(xmc_explain(&e->ctx, model, &usual, e->tokeniser, &document, item, &scores, NULL, 1, &pair, collect, &all), XMC_OK);
	*arena = all.arena;
	*out = all.explanation[0];
	xmc_scores_free(&e->ctx, &scores);
	xmc_document_free(&e->ctx, &document);
}

static void
test_words(void **state)
{
	explaining *e = *state;
	xmc_model  *model = draw_model(e, 1);
	xmc_arena	arena;
	xmc_explanation out;

	xmc_arena_init(&arena, &e->ctx);
	explain_texts(e, model, &arena, "Tighten the bolt", "The bolt holds", &out);
	expect_word(&out, XMC_FEATURE_WORD, "tighten", true, false);
	expect_word(&out, XMC_FEATURE_STEM, "tight", true, false);
	assert_memory_equal(find_word(&out, XMC_FEATURE_STEM, "tight")->term, "tighten", 7);
	assert_int_equal(find_word(&out, XMC_FEATURE_STEM, "tight")->word_length, 7);
	expect_word(&out, XMC_FEATURE_BIGRAM, "tighten the", true, false);
	expect_word(&out, XMC_FEATURE_BIGRAM, "bolt holds", false, true);
	expect_word(&out, XMC_FEATURE_FIRST_WORD, "the", false, true);
	expect_word(&out, XMC_FEATURE_WORD, "holds", false, true);
	/* both texts have three words: what both hold cancels, and no beginning that is all of a word is told twice */
	assert_null(find_word(&out, XMC_FEATURE_WORD, "bolt"));
	assert_null(find_word(&out, XMC_FEATURE_STEM, "bolt"));
	assert_null(find_word(&out, XMC_FEATURE_STEM, "holds"));
	assert_null(find_word(&out, XMC_FEATURE_LENGTH, "2"));

	/* in texts of different length it is one part, the difference */
	explain_texts(e, model, &arena, "bolt", "the bolt holds well", &out);
	expect_word(&out, XMC_FEATURE_WORD, "bolt", true, true);
	expect_word(&out, XMC_FEATURE_LENGTH, "4", false, true);

	/* n-grams; the one that is a whole word is told with the word */
	explain_texts(e, model, &arena, "ねじを締める", "ふた", &out);
	expect_word(&out, XMC_FEATURE_CHARACTERS, "を締める", true, false);
	expect_word(&out, XMC_FEATURE_WORD, "締める", true, false);
	assert_null(find_word(&out, XMC_FEATURE_CHARACTERS, "締める"));

	/* equal texts */
	explain_texts(e, model, &arena, "the bolt", "the bolt", &out);
	assert_int_equal(out.n, 0);
	xmc_arena_free(&arena);
	xmc_seen_forget(&e->ctx, model);
	xmc_release(&e->ctx, model);
}

/* ---- shared words ---- */

static const xmc_part *
find_shared(const xmc_explanation *explanation, const char *term)
{
	for (int32_t k = 0; k < explanation->n; k++)
		if (explanation->part[k].kind == XMC_PART_MENTIONS && explanation->part[k].term_length == strlen(term) &&
			memcmp(explanation->part[k].term, term, strlen(term)) == 0)
			return &explanation->part[k];
	return NULL;
}

/* The words beside a shared word: before it in each text, or after it in each; NULL: the text begins or ends there. */
static void
expect_beside(const xmc_explanation *explanation, const char *term, const char *const before[2], const char *const after[2])
{
	const xmc_part *part = find_shared(explanation, term);

	if (!part)
		fail_msg("no part is named %s", term);
	for (int side = 0; side < 2; side++)
	{
		const char *beside = (part->beside_after ? after : before)[side];

		if (!beside)
			assert_null(part->beside[side]);
		else
		{
			assert_int_equal(part->beside_length[side], strlen(beside));
			assert_memory_equal(part->beside[side], beside, strlen(beside));
		}
	}
}

static void
test_shared_words(void **state)
{
	explaining *e = *state;
	xmc_model  *model = draw_model(e, 1);
	xmc_arena	arena;
	xmc_explanation out;
	xmc_explanation reverse;
	int			sides[2] = {0};

	for (int k = 0; k < XMC_MENTION_WORDS; k++)
		model->mention_idf[k] = 1;
	xmc_arena_init(&arena, &e->ctx);
	for (int draw = 0; draw < 8; draw++)
	{
		for (int k = 0; k < XMC_CONTEXTS; k++)
			model->mentions[k] = (float) xmc_random_normal(&e->random);
		explain_texts(e, model, &arena, "Open a dialog box", "Close the Dialog now and open it", &out);
		expect_beside(&out, "dialog", (const char *[]) {"a", "the"}, (const char *[]) {"box", "now"});
		expect_beside(&out, "open", (const char *[]) {NULL, "and"}, (const char *[]) {"a", "it"});
		assert_null(find_shared(&out, "box"));
		sides[find_shared(&out, "dialog")->beside_after]++;

		/* the other way round the same words speak for the opposite */
		explain_texts(e, model, &arena, "Close the Dialog now and open it", "Open a dialog box", &reverse);
		assert_true(fabs(find_shared(&out, "dialog")->contribution + find_shared(&reverse, "dialog")->contribution) < 1e-6);

		/* a word ends the text; scripts without spaces */
		explain_texts(e, model, &arena, "ねじ", "ねじを締める", &out);
		expect_beside(&out, "ねじ", (const char *[]) {NULL, NULL}, (const char *[]) {NULL, "を"});
		assert_true(find_shared(&out, "ねじ")->beside_after);

		/* of several mentions the one that counts most: those before the same word are the same */
		explain_texts(e, model, &arena, "the knob, a knob", "the knob the knob", &out);
		if (!find_shared(&out, "knob")->beside_after)
			expect_beside(&out, "knob", (const char *[]) {"a", "the"}, NULL);
	}
	assert_true(sides[0] > 0 && sides[1] > 0);

	/* a word that no idf counts is no part */
	memset(model->mention_idf, 0, XMC_MENTION_WORDS * sizeof(float));
	explain_texts(e, model, &arena, "Open a dialog box", "Close the dialog now", &out);
	assert_null(find_shared(&out, "dialog"));
	xmc_arena_free(&arena);
	xmc_seen_forget(&e->ctx, model);
	xmc_release(&e->ctx, model);
}

/* The table has 256 rows, so most features of a long text share theirs; yet each is named by its own text. */
static void
test_collisions(void **state)
{
	explaining *e = *state;
	xmc_model  *model = draw_model(e, 1);
	xmc_arena	arena;
	xmc_explanation out;
	char		text[2][4000] = {"", ""};

	assert_int_equal(find(model, "sparse.weight")->n_values, 256);
	for (int k = 0; k < 600; k++)
		snprintf(text[k % 2] + strlen(text[k % 2]), 16, "%c%dx ", k % 2 ? 'b' : 'a', k);
	xmc_arena_init(&arena, &e->ctx);
	explain_texts(e, model, &arena, text[0], text[1], &out);
	for (int k = 0; k < 600; k++)
	{
		char		word[16];

		snprintf(word, sizeof word, "%c%dx", k % 2 ? 'b' : 'a', k);
		expect_word(&out, XMC_FEATURE_WORD, word, k % 2 == 0, k % 2 == 1);
	}
	xmc_arena_free(&arena);
	xmc_seen_forget(&e->ctx, model);
	xmc_release(&e->ctx, model);
}

/* The effects of the features of two texts are what their parts are made of. */
static void
test_effects(void **state)
{
	explaining *e = *state;
	xmc_model  *model = draw_model(e, 1);
	xmc_arena	arena;
	xmc_explanation out;
	uint32_t   *feature;
	int32_t		count;
	double		effect[64];
	double		total = 0;
	double		size;

	model->calibration.fused[XMC_TEXT] = model->calibration.solo[XMC_TEXT];
	model->calibration.fused[XMC_JOINT] = 0;
	model->known = model->calibration;
	xmc_arena_init(&arena, &e->ctx);
	explain_texts(e, model, &arena, "", "turn the knob", &out);
	assert_int_equal(xmc_text_features(&e->ctx, e->tokeniser, "turn the knob", 13, &feature, &count, NULL, NULL), XMC_OK);
	xmc_word_effects(model, count, feature, effect);
	for (int32_t k = 0; k < count; k++)
		total += effect[k];
	assert_true(out.n == 0 || fabs(total - sum_of(&out, &size)) < 1e-6);
	xmc_release(&e->ctx, feature);

	explain_texts(e, model, &arena, "x", "turn the knob", &out);
	assert_int_equal(xmc_text_features(&e->ctx, e->tokeniser, "x", 1, &feature, &count, NULL, NULL), XMC_OK);
	xmc_word_effects(model, count, feature, effect);
	for (int32_t k = 0; k < count; k++)
		total -= effect[k];
	assert_true(fabs(total - sum_of(&out, &size)) < 1e-6);
	xmc_release(&e->ctx, feature);
	xmc_arena_free(&arena);
	xmc_seen_forget(&e->ctx, model);
	xmc_release(&e->ctx, model);
}

typedef struct explained
{
	explaining *e;
	const xmc_model *model;
	const drawn *d;
} explained;

static xmc_status
explain_again(void *arg)
{
	static const xmc_guidance_rule usual = {0};
	static const xmc_pair pair[2] = {{0, 1, 1}, {2, 0, 1}};
	const explained *of = arg;

	return xmc_explain(&of->e->ctx, of->model, &usual, of->e->tokeniser, &of->d->document, of->d->item, &of->d->scores, &by_inputs, 2, pair,
					   ignore, NULL);
}

static void
test_failures(void **state)
{
	explaining *e = *state;
	xmc_model  *model = draw_model(e, 31);
	drawn		d;

	do
	{
		draw_document(e, &model->options, &d);
		if (!(d.document.has[0] & XMC_HAS_IMAGE) || (d.document.has[0] & XMC_HAS_TEXT))
			xmc_document_free(&e->ctx, &d.document);
		else
			break;
	} while (true);
	assert_int_equal(xmc_score_documents(&e->ctx, model, 1, &d.document, &d.scores), XMC_OK);
	assert_fails_everywhere(&e->counts, explain_again, &(explained) {e, model, &d});
	xmc_scores_free(&e->ctx, &d.scores);
	xmc_document_free(&e->ctx, &d.document);
	xmc_seen_forget(&e->ctx, model);
	xmc_release(&e->ctx, model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sums, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rounding, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shared_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_collisions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_effects, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
