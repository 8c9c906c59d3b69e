/* shared_words.c - the mention term of a pair as a sum over named words; see shared_words.h */
#include "score/shared_words.h"
#include "network/mentions.h"
#include "score/words.h"

#include <math.h>
#include <string.h>

/* The words of both texts, one after the other, of which some are wanted by name. */
typedef struct named_words
{
	int32_t		n;
	bool	   *is_wanted;		/* (n) */
	const char **name;			/* (n) NULL: not named yet */
	size_t	   *length;			/* (n) */
	int32_t		next;			/* the word that is visited next */
	xmc_names	names;
	xmc_status	status;			/* the error so far: the visitor cannot return one */
} named_words;

/* The mention that a part tells of: its place among the words of both texts, and the place beside it; -1: text ends there. */
typedef struct told_mention
{
	int32_t		word;
	int32_t		beside;
} told_mention;

/* A document of items a and b alone, without anything but their words: they have the score that they have in their document. */
static xmc_status
take_pair(xmc_arena *arena, const xmc_document *document, int32_t a, int32_t b, xmc_document *two)
{
	int32_t		first = xmc_item_words(document, a);
	int32_t		second = xmc_item_words(document, b);

	*two = (xmc_document){.n = 2};
	two->word_start = xmc_arena_alloc(arena, 3, sizeof(int32_t));
	two->word = xmc_arena_alloc(arena, (size_t) (first + second), sizeof(uint32_t));
	if (!two->word_start || !two->word)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	two->word_start[0] = 0;
	two->word_start[1] = first;
	two->word_start[2] = first + second;
	if (first > 0)
		memcpy(two->word, document->word + document->word_start[a], (size_t) first * sizeof(uint32_t));
	if (second > 0)
		memcpy(two->word + first, document->word + document->word_start[b], (size_t) second * sizeof(uint32_t));
	return XMC_OK;
}

/* The mean over the mentions of a holder of the weight of the word before (after: of that after). */
static double
mean_weight(const float *weight, const xmc_mention_links *links, int32_t holder, bool after)
{
	double		sum = 0;

	for (int32_t k = links->mention_start[holder]; k < links->mention_start[holder + 1]; k++)
		sum += weight[links->context[2 * (int64_t) k + after]];
	return sum / (links->mention_start[holder + 1] - links->mention_start[holder]);
}

/* The mention of a holder whose weight times `sign` is the largest; of equals, the first one. */
static told_mention
telling_mention(const float *weight, const xmc_mention_links *links, int32_t holder, bool after, double sign)
{
	const int32_t *start = links->document->word_start;
	int32_t		side = links->item[holder];
	int32_t		best = links->mention_start[holder];
	told_mention told;

	for (int32_t k = best + 1; k < links->mention_start[holder + 1]; k++)
		if (sign * weight[links->context[2 * (int64_t) k + after]] > sign * weight[links->context[2 * (int64_t) best + after]])
			best = k;
	told.word = links->place[best];
	told.beside = after ? told.word + 1 : told.word - 1;
	if (told.beside < start[side] || told.beside >= start[side + 1])
		told.beside = -1;
	return told;
}

/* A part without names, and the mentions that it tells of. */
static void
take_word(const float *weight, const xmc_mention_links *links, int32_t w, double factor, xmc_part *part, told_mention told[2])
{
	int32_t		holder = links->holder_start[w];	/* item a; the next one is item b */
	double		by_before = mean_weight(weight, links, holder + 1, false) - mean_weight(weight, links, holder, false);
	double		by_after = mean_weight(weight, links, holder + 1, true) - mean_weight(weight, links, holder, true);
	bool		after = fabs(by_after) > fabs(by_before);
	double		sign = (after ? by_after : by_before) < 0 ? -1 : 1;

	*part = (xmc_part){.kind = XMC_PART_MENTIONS,.modality = XMC_TEXT,.feature_kind = XMC_FEATURE_WORD,.in = {true, true},
		.beside_after = after};
	part->contribution = factor * links->scale[1] * links->idf[w] * (by_before + by_after);
	/* v(b) - v(a): a large weight counts in b, a small one in a */
	for (int side = 0; side < 2; side++)
		told[side] = telling_mention(weight, links, holder + side, after, side ? sign : -sign);
}

/* A visitor that names the wanted words. */
static void
name_word(void *arg, xmc_feature_kind kind, const char *term, size_t length, uint64_t hash)
{
	named_words *named = arg;
	int32_t		k = named->next;

	(void) hash;
	if (kind != XMC_FEATURE_WORD || named->status != XMC_OK || k >= named->n)
		return;
	named->next++;
	if (!named->is_wanted[k])
		return;
	named->length[k] = length;
	named->name[k] = xmc_name_copy(&named->names, term, length);
	if (!named->name[k])
		named->status = xmc_fail(named->names.arena->ctx, XMC_NO_MEMORY, "out of memory");
}

static xmc_status
name_words(xmc_tokeniser *tokeniser, const xmc_document *two, const xmc_item *const item[2], named_words *named)
{
	for (int side = 0; side < 2; side++)
	{
		named->next = two->word_start[side];
		if (item[side]->text)
			XMC_TRY(xmc_text_visit(named->names.arena->ctx, tokeniser, item[side]->text, item[side]->text_length, name_word,
								   named));
		XMC_TRY(named->status);
	}
	return XMC_OK;
}

static xmc_status
begin_names(xmc_arena *arena, const xmc_document *two, named_words *named)
{
	size_t		n = (size_t) two->word_start[2];

	*named = (named_words){.n = two->word_start[2],.names = {.arena = arena}};
	named->is_wanted = xmc_arena_zalloc(arena, n, sizeof(bool));
	named->name = xmc_arena_zalloc(arena, n, sizeof(char *));
	named->length = xmc_arena_zalloc(arena, n, sizeof(size_t));
	if (!named->is_wanted || !named->name || !named->length)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

/* Gives a part its names. */
static void
put_names(const named_words *named, const told_mention told[2], xmc_part *part)
{
	part->term = named->name[told[0].word];
	part->term_length = part->word_length = named->length[told[0].word];
	for (int side = 0; side < 2; side++)
		if (told[side].beside >= 0)
		{
			part->beside[side] = named->name[told[side].beside];
			part->beside_length[side] = named->length[told[side].beside];
		}
}

xmc_status
xmc_shared_word_parts(xmc_arena *arena, const xmc_model *model, xmc_tokeniser *tokeniser, const xmc_document *document,
					  const xmc_item *item, int32_t a, int32_t b, double factor, int32_t *n, xmc_part *part)
{
	xmc_document two;
	const xmc_document *one = &two;
	const xmc_item *const texts[2] = {&item[a], &item[b]};
	xmc_mention_links links;
	named_words named;
	told_mention (*told)[2];
	int32_t		count = 0;

	XMC_TRY(take_pair(arena, document, a, b, &two));
	XMC_TRY(xmc_mentions_init(arena, 1, &one, &links));
	XMC_TRY(xmc_mentions_link(arena->ctx, model->mention_idf, &two, &links));
	told = xmc_arena_alloc(arena, (size_t) links.n_words, sizeof *told);
	XMC_NEED(told, arena->ctx);
	XMC_TRY(begin_names(arena, &two, &named));
	part += *n;
	for (int32_t w = 0; w < links.n_words; w++)
	{
		take_word(model->mentions, &links, w, factor, &part[count], told[count]);
		if (part[count].contribution == 0)
			continue;
		for (int side = 0; side < 2; side++)
		{
			named.is_wanted[told[count][side].word] = true;
			if (told[count][side].beside >= 0)
				named.is_wanted[told[count][side].beside] = true;
		}
		count++;
	}
	if (count > 0)
		XMC_TRY(name_words(tokeniser, &two, texts, &named));
	for (int32_t k = 0; k < count; k++)
		put_names(&named, told[k], &part[k]);
	*n += count;
	return XMC_OK;
}
