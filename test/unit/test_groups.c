/*
 * test_groups.c - no group is on both sides of a split: held-out documents, folds and rounds, over random groups
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "manuals.h"
#include "xmcoh/groups.h"
#include "xmcoh/hold_out.h"
#include "train/crossfit.h"
#include "train/folds.h"
#include "train/rounds.h"
#include "train/trainer.h"

/* Documents of the split alone: they have groups and pairs, but no items. */
#define MANY 400

typedef struct split
{
	xmc_document document[MANY];
	char		text[MANY][24];
	char	   *name[MANY];
	uint8_t		held_out[MANY];
	xmc_hold_out_rule rule;
} split;

/* Gives each document a group among `groups`, skewed: the first groups are large. One in `own` is a group of its own. */
static void
deal_split(xmc_random *random, split *s, uint32_t groups, uint32_t own)
{
	for (int d = 0; d < MANY; d++)
	{
		uint32_t	g = xmc_random_below(random, groups);

		if (xmc_random_below(random, 2))
			g = xmc_random_below(random, g + 1);
		s->document[d] = (xmc_document){.n_pairs = xmc_random_below(random, 3) > 0};
		if (own && xmc_random_below(random, own) == 0)
			snprintf(s->text[d], sizeof s->text[d], "document %d", d);
		else
		{
			snprintf(s->text[d], sizeof s->text[d], "group %u", (unsigned) g);
			s->document[d].group = xmc_group_of(s->text[d], strlen(s->text[d]));
		}
		s->name[d] = s->text[d];
	}
}

static void
test_numbers(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	uint64_t	group[8] = {0, 7, 5, 7, 0, 5, 9, 7};
	const int32_t expected[8] = {0, 1, 2, 1, 3, 2, 4, 1};
	const int32_t expected_size[5] = {1, 3, 2, 1, 1};
	int32_t		number[8];
	int32_t		size[5];
	int32_t		n_groups;

	(void) state;
	assert_int_equal(xmc_number_groups(&ctx, 8, group, number, &n_groups), XMC_OK);
	assert_int_equal(n_groups, 5);
	assert_memory_equal(number, expected, sizeof number);
	xmc_group_sizes(8, number, n_groups, size);
	assert_memory_equal(size, expected_size, sizeof size);
	assert_int_equal(xmc_number_groups(&ctx, 0, NULL, NULL, &n_groups), XMC_OK);
	assert_int_equal(n_groups, 0);
}

/*
 * Held-out documents over random groups: a group is held out as a whole, its documents without pairs too; enough is held
 * out and enough is left; the rule alone tells again which documents are held out.
 */
static void
test_held_out_groups(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	split	   *s = test_calloc(1, sizeof *s);
	xmc_options options;
	xmc_random	random;

	(void) state;
	xmc_options_default(&options);
	xmc_random_seed(&random, 1);
	for (int run = 0; run < 300; run++)
	{
		int32_t		approved = 0;
		int32_t		held_out = 0;
		uint32_t	groups = 4 + xmc_random_below(&random, 100);

		options.seed = run;
		deal_split(&random, s, groups, xmc_random_below(&random, 4));
		assert_int_equal(xmc_hold_out(&ctx, &options, MANY, s->document, s->name, s->held_out, &s->rule), XMC_OK);
		for (int d = 0; d < MANY; d++)
		{
			bool		by_rule = xmc_held_out(s->name[d], strlen(s->name[d]), s->rule.seed, s->rule.threshold);

			approved += s->document[d].n_pairs > 0;
			held_out += s->document[d].n_pairs > 0 && s->held_out[d];
			assert_true(s->document[d].n_pairs > 0 ? s->held_out[d] == by_rule : s->held_out[d] <= by_rule);
			for (int e = 0; e < d && s->document[d].group; e++)
				assert_true(s->document[e].group != s->document[d].group || s->held_out[d] == s->held_out[e]);
		}
		assert_in_range(held_out, XMC_MIN_HELD_OUT_DOCUMENTS, approved * 2 / 3);
	}
	test_free(s);
}

/* Without groups: the seed is the option's; the threshold is the option's, or the least that holds out four documents. */
static void
test_held_out_documents(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	split	   *s = test_calloc(1, sizeof *s);
	xmc_options options;
	xmc_random	random;

	(void) state;
	xmc_options_default(&options);
	xmc_random_seed(&random, 2);
	for (int run = 0; run < 100; run++)
	{
		int32_t		n = 12 + (int32_t) xmc_random_below(&random, 200);
		int32_t		held_out = 0;
		int32_t		by_option = 0;
		int32_t		below = 0;	/* held out by a threshold that is a little lower */

		options.seed = run;
		deal_split(&random, s, 10, 1);
		for (int d = 0; d < n; d++)
			s->document[d].n_pairs = 1;
		assert_int_equal(xmc_hold_out(&ctx, &options, n, s->document, s->name, s->held_out, &s->rule), XMC_OK);
		assert_int_equal(s->rule.seed, run);
		for (int d = 0; d < n; d++)
		{
			held_out += s->held_out[d];
			by_option += xmc_held_out(s->name[d], strlen(s->name[d]), run, options.held_out);
			below += xmc_held_out(s->name[d], strlen(s->name[d]), run, s->rule.threshold - 0x1.0p-50);
		}
		if (by_option >= XMC_MIN_HELD_OUT_DOCUMENTS)
			assert_true(s->rule.threshold == options.held_out);
		else
			assert_true(held_out == XMC_MIN_HELD_OUT_DOCUMENTS && below == XMC_MIN_HELD_OUT_DOCUMENTS - 1);
	}
	test_free(s);
}

static void
test_one_group(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	split	   *s = test_calloc(1, sizeof *s);
	xmc_options options;
	xmc_random	random;

	(void) state;
	xmc_options_default(&options);
	xmc_random_seed(&random, 3);
	deal_split(&random, s, 1, 0);
	assert_int_equal(xmc_hold_out(&ctx, &options, MANY, s->document, s->name, s->held_out, &s->rule), XMC_BAD_INPUT);
	assert_non_null(strstr(ctx.message, "one group"));
	/* documents without pairs are no group to hold out */
	for (int d = 0; d < MANY; d++)
		if (s->document[d].n_pairs == 0)
			s->document[d].group = 0;
	assert_int_equal(xmc_hold_out(&ctx, &options, MANY, s->document, s->name, s->held_out, &s->rule), XMC_BAD_INPUT);
	/* too few documents: xmc_train says so */
	assert_int_equal(xmc_hold_out(&ctx, &options, 9, s->document, s->name, s->held_out, &s->rule), XMC_OK);
	test_free(s);
}

/* Folds over random groups: no group is in two folds, no fold is empty, and without groups documents are dealt in turn. */
static void
test_folds(void **state)
{
	fixture    *f = *state;
	split	   *s = test_calloc(1, sizeof *s);
	xmc_random	random;
	int			with_folds = 0;

	xmc_random_seed(&random, 4);
	for (int run = 0; run < 200; run++)
	{
		xmc_train_report report = {0};
		const xmc_document *approved[MANY];
		xmc_trainer t = {.ctx = &f->ctx,.options = &f->options,.report = &report,.approved = approved,
		.held_out = {.document = approved}};	/* none of these is held out */
		bool		own = run % 4 == 0;

		xmc_arena_init(&t.run_arena, &f->ctx);
		xmc_arena_init(&t.term_arena, &f->ctx);
		deal_split(&random, s, 1 + xmc_random_below(&random, 60), own);
		for (int d = 0; d < MANY; d++)
		{
			s->document[d].n_pairs = 0;
			if (xmc_random_below(&random, 4))
				approved[t.n_approved++] = &s->document[d];
		}
		assert_int_equal(xmc_train_assign_folds(&t), XMC_OK);
		with_folds += report.folds > 0;
		for (int k = 0; k < report.folds; k++)
		{
			assert_true(t.fold_start[k] < t.fold_start[k + 1]);
			for (int a = t.fold_start[k]; a < t.fold_start[k + 1]; a++)
			{
				if (own)
					assert_ptr_equal(t.out_of_fold.document[a], approved[k + (a - t.fold_start[k]) * report.folds]);
				for (int b = t.fold_start[k + 1]; b < t.fold_start[report.folds]; b++)
					assert_true(t.out_of_fold.document[a]->group == 0 ||
								t.out_of_fold.document[a]->group != t.out_of_fold.document[b]->group);
			}
		}
		xmc_arena_free(&t.run_arena);
		xmc_arena_free(&t.term_arena);
	}
	assert_in_range(with_folds, 150, 199);	/* of one group there are no folds */
	test_free(s);
}

/*
 * Validation documents of a round: whole groups, about one in seven documents, at most half; exactly one in seven without groups. The
 * approved documents of these groups are spared.
 */
static void
test_validation(void **state)
{
	fixture    *f = *state;
	split	   *s = test_calloc(1, sizeof *s);
	xmc_random	random;
	int64_t		marked[2] = {0};	/* of all weakly labelled documents, where half of the groups have approved ones; where all have */
	int64_t		weak[2] = {0};
	int			spares = 0;

	xmc_random_seed(&random, 5);
	for (int run = 0; run < 200; run++)
	{
		xmc_trainer t = {.ctx = &f->ctx,.options = &f->options};
		const xmc_document *approved[MANY];
		uint8_t		validates[MANY] = {0};
		uint8_t		spared[MANY] = {0};
		xmc_weak_labels w = {.n = MANY,.document = s->document};
		int32_t		n_weak = MANY / 4 + (int32_t) xmc_random_below(&random, MANY / 4);
		int32_t		n_spared = 0;
		int32_t		all = 0;
		bool		own = run % 4 == 0;
		bool		all_known = run % 2;

		xmc_arena_init(&t.run_arena, &f->ctx);
		deal_split(&random, s, 20 + xmc_random_below(&random, 40), own);
		t.approved = approved;
		for (int d = MANY - 1; d >= n_weak; d--)
			if (all_known || s->document[d].group % 2)
				approved[t.n_approved++] = &s->document[d];
		assert_int_equal(xmc_rounds_choose_validation(&t, &w, n_weak, validates, spared), XMC_OK);
		for (int d = 0; d < n_weak; d++)
		{
			all += validates[d];
			if (own)
				assert_int_equal(validates[d], d % 7 == 0);
			for (int e = 0; e < d && !own; e++)
				assert_true(s->document[e].group != s->document[d].group || validates[e] == validates[d]);
			for (int e = 0; e < t.n_approved && !own; e++)
				assert_true(approved[e]->group != s->document[d].group || spared[e] == validates[d]);
		}
		for (int e = 0; e < t.n_approved; e++)
			n_spared += spared[e];
		assert_in_range(all, 1, n_weak / 2 + 1);
		assert_in_range(n_spared, 0, t.n_approved / 2);
		marked[all_known] += own ? 0 : all;
		weak[all_known] += own ? 0 : n_weak;
		spares += n_spared > 0;
		xmc_arena_free(&t.run_arena);
	}
	for (int k = 0; k < 2; k++)
		assert_in_range(1000 * marked[k] / weak[k], 100, 160);	/* where none of a known group validated: 0 of all known ones */
	assert_true(spares > 50);
	test_free(s);
}

/* Documents that share an image or a long text are joined, and no others; what would join most of them is left out. */
static void
test_found_groups(void **state)
{
	fixture    *f = *state;
	xmc_found_groups found;
	int32_t		leader[DOCUMENTS];
	float		image[IMAGE_DIM];
	const size_t bytes = sizeof image;

	f->options.find_groups = XMC_FIND_TEXTS;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, f->document, leader, &found), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
		assert_int_equal(leader[d], d); /* their texts are short, and no two images are equal */
	assert_int_equal(found.documents, 0);

	/* given groups alone are nothing that was found */
	f->document[50].group = f->document[80].group = 5;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, f->document, leader, &found), XMC_OK);
	assert_int_equal(leader[80], 50);
	assert_int_equal(found.documents, 0);

	/* an image in 3, 7; another in 7, 50; a given group of 50, 80 */
	memcpy(f->document[7].image, f->document[3].image + IMAGE_DIM, bytes);
	memcpy(f->document[50].image, f->document[7].image + IMAGE_DIM, bytes);
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, f->document, leader, &found), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
		assert_int_equal(leader[d], d == 7 || d == 50 || d == 80 ? 3 : d);
	assert_int_equal(found.documents, 4);
	assert_int_equal(found.limit, INT32_MAX);

	/* a placeholder in every document: it is left out, the others still join */
	memset(image, 0, bytes);
	for (int d = 0; d < DOCUMENTS; d++)
		memcpy(f->document[d].image + 3 * IMAGE_DIM, image, bytes);
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, f->document, leader, &found), XMC_OK);
	for (int d = 0; d < DOCUMENTS; d++)
		assert_int_equal(leader[d], d == 7 || d == 50 || d == 80 ? 3 : d);
	assert_int_equal(found.limit, DOCUMENTS / 2);
	assert_int_equal(found.left_out, 1);

	/* exactly half of the documents may be joined: 57 by the placeholder, which 80 joins with 3, 7 and 50 */
	for (int d = 0; d < DOCUMENTS / 2 + 3; d++)
		f->document[d].has[3] &= (uint8_t) ~XMC_HAS_IMAGE;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, f->document, leader, &found), XMC_OK);
	assert_int_equal(leader[DOCUMENTS - 1], 3);
	assert_int_equal(found.documents, DOCUMENTS / 2);
	assert_int_equal(found.limit, INT32_MAX);

	/* but then not if those are most of the labelled documents */
	for (int d = 0; d < DOCUMENTS / 4; d++)
		f->document[d].n_pairs = 0;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, f->document, leader, &found), XMC_OK);
	assert_int_equal(leader[DOCUMENTS - 1], DOCUMENTS - 1);
	assert_int_equal(found.left_out, 1);
}

/* Long texts: equal but for case and punctuation they join; one word more and they do not; short ones never do. */
static void
test_found_texts(void **state)
{
	fixture    *f = *state;
	static const char *const text[8] = {"Take out the four screws and lift the old cover.",
		"take out the four screws, and lift the old cover", "Take out the four screws and lift the very old cover.",
		"Clean it.", "Clean it.", "電源を切ってから古いベルトを外します。", "電源を切ってから古いベルトを外します", "外します"};
	const int32_t expected[8] = {0, 0, 2, 3, 4, 5, 5, 7};
	xmc_document document[8];
	int32_t		leader[8];
	xmc_found_groups found;

	for (int d = 0; d < 8; d++)
	{
		xmc_item	item = {.key = "1",.key_length = 1,.text = text[d],.text_length = strlen(text[d])};

		assert_int_equal(xmc_document_build(&f->ctx, &f->options, f->tokeniser, 1, &item, &document[d]), XMC_OK);
	}
	f->options.find_groups = XMC_FIND_TEXTS;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, 8, document, leader, &found), XMC_OK);
	assert_memory_equal(leader, expected, sizeof leader);
	assert_int_equal(found.documents, 4);
	for (int d = 0; d < 8; d++)
		xmc_document_free(&f->ctx, &document[d]);
}

/* The image of item `to` becomes that of item `from`, but for noise; `how_far` is the noise's share of its length. */
static void
copy_image(xmc_random *random, const float *from, float *to, double how_far)
{
	double		length = 0;
	double		noise[IMAGE_DIM];
	double		noise_length = 0;

	for (int k = 0; k < IMAGE_DIM; k++)
	{
		noise[k] = xmc_random_normal(random);
		length += from[k] * from[k];
		noise_length += noise[k] * noise[k];
	}
	for (int k = 0; k < IMAGE_DIM; k++)
		to[k] = (float) (from[k] + noise[k] * how_far * sqrt(length / noise_length));
}

/* A copy with a little noise joins where near duplicates are asked for, and only there; a similar image does not. */
static void
test_near_images(void **state)
{
	fixture    *f = *state;
	xmc_found_groups found;
	int32_t		leader[DOCUMENTS];
	xmc_random	random;

	xmc_random_seed(&random, 6);
	for (int d = 0; d < 10; d++)
	{
		copy_image(&random, f->document[d].image, f->document[20 + d].image, 0.05);
		copy_image(&random, f->document[d].image, f->document[40 + d].image, 0.5);
	}
	for (f->options.find_groups = XMC_FIND_TEXTS; f->options.find_groups <= XMC_FIND_NEAR; f->options.find_groups++)
	{
		bool		near = f->options.find_groups == XMC_FIND_NEAR;

		assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, f->document, leader, &found), XMC_OK);
		for (int d = 0; d < DOCUMENTS; d++)
			assert_int_equal(leader[d], near && d >= 20 && d < 30 ? d - 20 : d);
		assert_int_equal(found.near_images, near ? 10 : 0);
		assert_int_equal(found.near_texts, 0);
	}

	/* near copies of a placeholder in every document: they are left out as one */
	for (int d = 0; d < DOCUMENTS; d++)
		copy_image(&random, f->document[0].image + IMAGE_DIM, f->document[d].image + 3 * IMAGE_DIM, 0.01);
	f->options.find_groups = XMC_FIND_NEAR;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, f->document, leader, &found), XMC_OK);
	for (int d = 1; d < DOCUMENTS; d++)
		assert_int_equal(leader[d], d >= 20 && d < 30 ? d - 20 : d);
	assert_int_equal(found.left_out, 1);
}

/* Documents of one text each. */
static void
build_texts(fixture *f, int n, const char *const *text, xmc_document *document)
{
	for (int d = 0; d < n; d++)
	{
		xmc_item	item = {.key = "1",.key_length = 1,.text = text[d],.text_length = strlen(text[d])};

		assert_int_equal(xmc_document_build(&f->ctx, &f->options, f->tokeniser, 1, &item, &document[d]), XMC_OK);
	}
}

static void
test_near_texts(void **state)
{
	fixture    *f = *state;
	static const char *const text[7] = {"Remove the four rear screws with a hex key and lift off the old cover.",
		"Remove the four rear screws with a torx key and lift off the old cover.",	/* one of 13 words is another */
		"Remove the two front screws with a torx key and slide off the new cover.",	/* five of 13 */
		"Loosen both nuts until this clamp opens, then pull its hose straight down.",
		"Then loosen both nuts until this clamp opens; pull its hose straight down",	/* another order */
		"電源を切ってからカバーを外し、古いベルトを右側のプーリーから取り外してください。",
		"電源を切ってからカバーを外し、古いベルトを左側のプーリーから取り外してください。"};
	const int32_t expected[7] = {0, 0, 2, 3, 3, 5, 5};
	xmc_document document[7];
	int32_t		leader[7];
	xmc_found_groups found;

	build_texts(f, 7, text, document);
	f->options.find_groups = XMC_FIND_TEXTS;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, 7, document, leader, &found), XMC_OK);
	assert_int_equal(found.documents, 0);
	f->options.find_groups = XMC_FIND_NEAR;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, 7, document, leader, &found), XMC_OK);
	assert_memory_equal(leader, expected, sizeof leader);
	assert_int_equal(found.documents, 6);
	assert_int_equal(found.near_texts, 3);
	for (int d = 0; d < 7; d++)
		xmc_document_free(&f->ctx, &document[d]);
}

/* Documents of one random text and one random image each, some of them near. */
static void
build_random(fixture *f, xmc_random *random, xmc_document *document)
{
	static const char *const word[16] = {"take", "out", "the", "four", "screws", "and", "lift", "old", "cover", "from", "its",
		"frame", "then", "clean", "both", "sides"};

	for (int d = 0; d < DOCUMENTS; d++)
	{
		char		text[200] = "";
		float		image[IMAGE_DIM];
		xmc_item	item = {.key = "1",.key_length = 1,.text = text,.image = image};

		for (int k = 0; k < 16; k++)
			if (xmc_random_below(random, 8) > (uint32_t) d % 8)
				strcat(strcat(text, word[k]), " ");
		item.text_length = strlen(text);
		copy_image(random, f->document[d % 70].image, image, 0.2 * xmc_random_uniform(random));
		assert_int_equal(xmc_document_build(&f->ctx, &f->options, f->tokeniser, 1, &item, &document[d]), XMC_OK);
	}
}

static void
test_any_order(void **state)
{
	fixture    *f = *state;
	xmc_document document[DOCUMENTS];
	xmc_document shuffled[DOCUMENTS];
	int32_t		first[DOCUMENTS];	/* as leader, of the documents in their first order */
	int32_t		leader[DOCUMENTS];
	int32_t		at[DOCUMENTS];	/* where a document has moved */
	xmc_found_groups found[2];
	xmc_random	random;

	xmc_random_seed(&random, 7);
	build_random(f, &random, document);
	f->options.find_groups = XMC_FIND_NEAR;
	assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, document, first, &found[0]), XMC_OK);
	assert_in_range(found[0].near_images, 10, 60);
	assert_in_range(found[0].near_texts, 5, 100);
	for (int run = 0; run < 20; run++)
	{
		memcpy(shuffled, document, sizeof shuffled);
		for (int d = 0; d < DOCUMENTS; d++)
			at[d] = d;
		for (int d = 0; d < DOCUMENTS; d++)
		{
			int			to = d + (int) xmc_random_below(&random, (uint32_t) (DOCUMENTS - d));
			int32_t		moved = at[d];

			at[d] = at[to];
			at[to] = moved;
		}
		for (int d = 0; d < DOCUMENTS; d++)
			shuffled[at[d]] = document[d];
		assert_int_equal(xmc_find_groups(&f->ctx, &f->options, DOCUMENTS, shuffled, leader, &found[1]), XMC_OK);
		assert_memory_equal(&found[0], &found[1], sizeof found[0]);
		for (int d = 0; d < DOCUMENTS; d++)
			for (int e = 0; e < d; e++)
				assert_int_equal(first[d] == first[e], leader[at[d]] == leader[at[e]]);
	}
	for (int d = 0; d < DOCUMENTS; d++)
		xmc_document_free(&f->ctx, &document[d]);
}

/* Documents from `first` on lose their pairs and become the pool; the group of document d is d % groups. */
static void
deal_manuals(fixture *f, int first, int groups)
{
	for (int d = 0; d < DOCUMENTS; d++)
	{
		char		name[16];

		snprintf(name, sizeof name, "%d", d % groups);
		f->document[d].group = xmc_group_of(name, strlen(name));
		f->held_out[d] = d % groups < groups / 5;
		if (d >= first)
			f->document[d].n_pairs = 0;
	}
}

/* A whole training by groups: what the report says; documents of held-out groups leave the pool. */
static void
test_training(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model;

	f->options.epochs = 3;
	f->options.rounds = 2;
	deal_manuals(f, 60, 15);
	train(f, DOCUMENTS, &model, &report);
	assert_int_equal(report.groups, 15);
	assert_int_equal(report.held_out_groups, 3);
	assert_int_equal(report.largest_group, 4);
	assert_int_equal(report.approved_documents, 60);
	assert_int_equal(report.held_out_documents, 12);
	assert_int_equal(report.pool_documents, 48);
	assert_true(report.folds > 0);
	/* three groups are too few for an interval, but the figures are of all */
	assert_int_equal(report.new_groups.groups, 15);
	assert_false(isnan(report.new_groups.tau[XMC_SCORE_FUSED].low));
	xmc_model_free(&f->ctx, model);

	deal_manuals(f, 60, 20);
	train(f, DOCUMENTS, &model, &report);
	assert_int_equal(report.held_out_groups, 4);
	assert_false(isnan(report.new_groups.tau[XMC_SCORE_FUSED].low));
	xmc_model_free(&f->ctx, model);

	/* without folds they are of the held-out ones */
	f->options.folds = 0;
	deal_manuals(f, 60, 15);
	train(f, DOCUMENTS, &model, &report);
	assert_int_equal(report.new_groups.groups, 3);
	assert_true(!isnan(report.new_groups.tau[XMC_SCORE_FUSED].mean) && isnan(report.new_groups.tau[XMC_SCORE_FUSED].low));
	xmc_model_free(&f->ctx, model);
}

static void
test_split_group(void **state)
{
	fixture    *f = *state;
	xmc_train_report report;
	xmc_model  *model;

	deal_manuals(f, DOCUMENTS, 15);
	f->held_out[15] = 0;
	assert_int_equal(xmc_train(&f->ctx, &f->options, DOCUMENTS, f->document, f->held_out, NULL, &model, &report),
					 XMC_BAD_INPUT);
	assert_non_null(strstr(f->ctx.message, "one group"));
}

/* A group for each document changes nothing. */
static void
test_own_groups(void **state)
{
	fixture    *f = *state;
	xmc_train_report report[2];
	xmc_model  *model[2];

	f->options.epochs = 3;
	f->options.rounds = 2;
	for (int k = 0; k < 2; k++)
	{
		for (int d = 0; d < DOCUMENTS; d++)
		{
			f->document[d].group = k ? (uint64_t) (1000 - d) : 0;
			if (d >= 60)
				f->document[d].n_pairs = 0;
		}
		train(f, DOCUMENTS, &model[k], &report[k]);
	}
	for (int k = 0; k < model[0]->n_tensors; k++)
		assert_memory_equal(*model[0]->tensor[k].slot, *model[1]->tensor[k].slot,
							(size_t) model[0]->tensor[k].n_values * sizeof(float));
	assert_memory_equal(report[0].new_groups.tau, report[1].new_groups.tau, sizeof report[0].new_groups.tau);
	for (int e = 0; e < XMC_REPORTED_SCORE_KINDS; e++)
		assert_near(report[0].held_out_loss[e], report[1].held_out_loss[e], 0);
	assert_memory_equal(&model[0]->calibration, &model[1]->calibration, sizeof model[0]->calibration);
	for (int k = 0; k < 2; k++)
		xmc_model_free(&f->ctx, model[k]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_held_out_groups),
		cmocka_unit_test(test_held_out_documents),
		cmocka_unit_test(test_one_group),
		cmocka_unit_test_setup_teardown(test_folds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_validation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_found_groups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_found_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_near_images, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_near_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_training, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_split_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_own_groups, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
