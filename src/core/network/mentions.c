/* mentions.c - see mentions.h */
#include "network/mentions.h"

#include <math.h>
#include <string.h>

#define USUAL_IDF 6.0			/* makes scores about as large as those of the sparse term, for which the penalties are made */
#define EMPTY UINT64_MAX

/* The number of words of all items. */
static int32_t
count_words(const xmc_document *document)
{
	return document->word_start ? document->word_start[document->n] : 0;
}

/* The row of a word beside a shared word; `word` 0: the text begins or ends there. */
static int32_t
context_row(uint32_t word, bool after)
{
	return (int32_t) (word % (XMC_CONTEXTS / 2)) + (after ? XMC_CONTEXTS / 2 : 0);
}

/* The row of a shared word in the table of idf. */
static int32_t
idf_row(uint32_t word)
{
	return (int32_t) ((uint64_t) word * XMC_MENTION_WORDS >> 32);
}

/* The size of the hash table for so many words, a power of two. */
static size_t
table_size(int32_t words)
{
	size_t		size = 4;

	while (size < 2 * (size_t) words)
		size *= 2;
	return size;
}

xmc_status
xmc_mentions_init(xmc_arena *arena, int32_t n_documents, const xmc_document *const *document, xmc_mention_links *out)
{
	int32_t		most = 0;		/* words of a document */
	size_t		words;
	size_t		items = 0;

	for (int32_t d = 0; d < n_documents; d++)
	{
		if (most < count_words(document[d]))
			most = count_words(document[d]);
		if (items < (size_t) document[d]->n)
			items = (size_t) document[d]->n;
	}
	words = (size_t) most;
	*out = (xmc_mention_links){0};
	out->holder_start = xmc_arena_alloc(arena, words + 1, sizeof(int32_t));
	out->idf = xmc_arena_alloc(arena, words, sizeof(float));
	out->item = xmc_arena_alloc(arena, words, sizeof(int32_t));
	out->mention_start = xmc_arena_alloc(arena, words + 1, sizeof(int32_t));
	out->context = xmc_arena_alloc(arena, 2 * words, sizeof(int32_t));
	out->place = xmc_arena_alloc(arena, words, sizeof(int32_t));
	out->scale = xmc_arena_alloc(arena, items * items, sizeof(float));
	out->value = xmc_arena_alloc(arena, words, sizeof(double));
	out->slot = xmc_arena_alloc(arena, table_size(most), sizeof(uint64_t));
	out->scratch = xmc_arena_alloc(arena, 6 * words, sizeof(int32_t));
	if (!out->holder_start || !out->idf || !out->item || !out->mention_start || !out->context || !out->place || !out->scale ||
		!out->value || !out->slot || !out->scratch)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

/* The different words of a document, numbered by first occurrence. */
typedef struct numbered_words
{
	int32_t		n;
	int32_t    *number;			/* (words of all items) */
	int32_t    *example;		/* (n) an occurrence of the word */
	int32_t    *mentions;		/* (n) how often the word occurs */
	int32_t    *items;			/* (n) in how many items */
	int32_t    *last_item;		/* (n) the last item that has the word */
	int32_t    *next;			/* (n) the place of the word's next mention, or -1 */
} numbered_words;

/* Finds the number of the word at `at`, by linear probing; a new word gets the next number. */
static int32_t
number_word(uint64_t *table, size_t mask, const uint32_t *word, int32_t at, numbered_words *w)
{
	size_t		slot = (word[at] * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;

	for (; table[slot] != EMPTY; slot = (slot + 1) & mask)
		if (table[slot] >> 32 == word[at])
			return (int32_t) (uint32_t) table[slot];
	table[slot] = (uint64_t) word[at] << 32 | (uint32_t) w->n;
	w->example[w->n] = at;
	w->mentions[w->n] = w->items[w->n] = 0;
	w->last_item[w->n] = -1;
	return w->n++;
}

static xmc_status
number_words(xmc_ctx *ctx, const xmc_document *document, xmc_mention_links *links, numbered_words *w)
{
	size_t		all = (size_t) count_words(document);
	size_t		size = table_size((int32_t) all);
	int32_t    *scratch = links->scratch;
	int64_t		work = 0;

	*w = (numbered_words){.number = scratch,.example = scratch + all,.mentions = scratch + 2 * all,.items = scratch + 3 * all,
		.last_item = scratch + 4 * all,.next = scratch + 5 * all};
	memset(links->slot, 0xff, size * sizeof *links->slot);
	for (int32_t i = 0; i < document->n && all > 0; i++)
	{
		for (int32_t at = document->word_start[i]; at < document->word_start[i + 1]; at++)
		{
			int32_t		k = number_word(links->slot, size - 1, document->word, at, w);

			w->number[at] = k;
			w->mentions[k]++;
			w->items[k] += w->last_item[k] != i;
			w->last_item[k] = i;
		}
		XMC_TRY(xmc_spend(ctx, &work, document->word_start[i + 1] - document->word_start[i]));
	}
	return XMC_OK;
}

/*
 * Lays out holders and mentions of the words of several items. For put_mentions: w->next, the holder before the word's first
 * in `items`, and -1 in `last_item`.
 */
static void
lay_out(const float *idf, xmc_mention_links *links, numbered_words *w)
{
	int32_t		holders = 0;
	int32_t		mentions = 0;

	links->n_words = 0;
	for (int32_t k = 0; k < w->n; k++)
	{
		float		weight;

		w->next[k] = -1;
		if (w->items[k] < 2)	/* most words: their weights need not be looked up */
			continue;
		weight = idf[idf_row(links->document->word[w->example[k]])];
		if (weight == 0)
			continue;
		links->holder_start[links->n_words] = holders;
		links->idf[links->n_words++] = weight;
		w->next[k] = mentions;
		mentions += w->mentions[k];
		holders += w->items[k];
		w->items[k] = holders - w->items[k] - 1;
		w->last_item[k] = -1;
	}
	links->holder_start[links->n_words] = holders;
	links->mention_start[holders] = mentions;
}

/* Puts each mention of a word of several items to the holder that it belongs to. */
static xmc_status
put_mentions(xmc_ctx *ctx, const xmc_document *document, xmc_mention_links *links, numbered_words *w)
{
	const uint32_t *word = document->word;
	int64_t		work = 0;

	for (int32_t i = 0; i < document->n && links->n_words > 0; i++)
	{
		for (int32_t at = document->word_start[i]; at < document->word_start[i + 1]; at++)
		{
			int32_t		k = w->number[at];
			int32_t    *context;

			if (w->next[k] < 0)
				continue;
			if (w->last_item[k] != i)
			{
				w->last_item[k] = i;
				w->items[k]++;
				links->item[w->items[k]] = i;
				links->mention_start[w->items[k]] = w->next[k];
			}
			links->place[w->next[k]] = at;
			context = links->context + 2 * (int64_t) w->next[k]++;
			context[0] = context_row(at > document->word_start[i] ? word[at - 1] : 0, false);
			context[1] = context_row(at + 1 < document->word_start[i + 1] ? word[at + 1] : 0, true);
		}
		XMC_TRY(xmc_spend(ctx, &work, document->word_start[i + 1] - document->word_start[i]));
	}
	return XMC_OK;
}

xmc_status
xmc_mentions_link(xmc_ctx *ctx, const float *idf, const xmc_document *document, xmc_mention_links *links)
{
	int64_t		n = document->n;
	int64_t		work = 0;
	numbered_words words;

	links->document = document;
	XMC_TRY(xmc_clear(ctx, links->scale, (size_t) (n * n) * sizeof *links->scale));
	XMC_TRY(number_words(ctx, document, links, &words));
	lay_out(idf, links, &words);
	XMC_TRY(put_mentions(ctx, document, links, &words));
	for (int32_t w = 0; w < links->n_words; w++)
		for (int32_t a = links->holder_start[w]; a < links->holder_start[w + 1]; a++)
		{
			float	   *row = links->scale + links->item[a] * n;

			for (int32_t b = a + 1; b < links->holder_start[w + 1]; b++)
				row[links->item[b]]++;	/* m, for now */
			XMC_TRY(xmc_spend(ctx, &work, links->holder_start[w + 1] - a));
		}
	for (int64_t i = 0; i < n; i++)
	{
		for (int64_t at = i * n + i + 1; at < (i + 1) * n; at++)
			if (links->scale[at] > 0)
				links->scale[at] = 1 / sqrtf(links->scale[at]);
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

/* A copy of n numbers of `size` bytes, in the arena. */
static void *
copy(xmc_arena *arena, const void *from, size_t n, size_t size)
{
	void	   *to = xmc_arena_alloc(arena, n, size);

	if (to && n > 0)
		memcpy(to, from, n * size);
	return to;
}

xmc_status
xmc_mentions_copy(xmc_arena *arena, const xmc_mention_links *from, xmc_mention_links *to)
{
	size_t		words = (size_t) from->n_words;
	size_t		holders = (size_t) from->holder_start[words];
	size_t		n = (size_t) from->document->n;

	*to = (xmc_mention_links){.document = from->document,.n_words = from->n_words,.value = from->value};
	to->holder_start = copy(arena, from->holder_start, words + 1, sizeof(int32_t));
	to->idf = copy(arena, from->idf, words, sizeof(float));
	to->item = copy(arena, from->item, holders, sizeof(int32_t));
	to->mention_start = copy(arena, from->mention_start, holders + 1, sizeof(int32_t));
	to->context = copy(arena, from->context, 2 * (size_t) from->mention_start[holders], sizeof(int32_t));
	to->scale = copy(arena, from->scale, n * n, sizeof(float));
	if (!to->holder_start || !to->idf || !to->item || !to->mention_start || !to->context || !to->scale)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

xmc_status
xmc_mentions_forward(xmc_ctx *ctx, const float *weight, xmc_mention_links *links, float *s)
{
	int64_t		n = links->document->n;
	int64_t		work = 0;

	XMC_TRY(xmc_clear(ctx, s, (size_t) (n * n) * sizeof *s));
	for (int32_t h = 0; h < links->holder_start[links->n_words]; h++)
	{
		int32_t		mentions = links->mention_start[h + 1] - links->mention_start[h];
		double		sum = 0;

		for (int64_t c = 2 * (int64_t) links->mention_start[h]; c < 2 * (int64_t) links->mention_start[h + 1]; c++)
			sum += weight[links->context[c]];
		links->value[h] = sum / mentions;
		XMC_TRY(xmc_spend(ctx, &work, mentions));
	}
	for (int32_t w = 0; w < links->n_words; w++)
		for (int32_t a = links->holder_start[w]; a < links->holder_start[w + 1]; a++)
		{
			float	   *row = s + links->item[a] * n;

			for (int32_t b = a + 1; b < links->holder_start[w + 1]; b++)
				row[links->item[b]] += (float) (links->idf[w] * (links->value[b] - links->value[a]));
			XMC_TRY(xmc_spend(ctx, &work, links->holder_start[w + 1] - a));
		}
	for (int64_t i = 0; i < n; i++)
	{
		for (int64_t at = i * n + i + 1; at < (i + 1) * n; at++)
			s[at] *= links->scale[at];
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

xmc_status
xmc_mentions_backward(xmc_ctx *ctx, xmc_mention_links *links, const double *ds, double *gradient)
{
	int64_t		n = links->document->n;
	int64_t		work = 0;

	memset(links->value, 0, (size_t) links->holder_start[links->n_words] * sizeof *links->value);
	for (int32_t w = 0; w < links->n_words; w++)
		for (int32_t a = links->holder_start[w]; a < links->holder_start[w + 1]; a++)
		{
			for (int32_t b = a + 1; b < links->holder_start[w + 1]; b++)
			{
				int64_t		at = links->item[a] * n + links->item[b];
				double		d = links->idf[w] * links->scale[at] * ds[at];

				links->value[b] += d;
				links->value[a] -= d;
			}
			XMC_TRY(xmc_spend(ctx, &work, links->holder_start[w + 1] - a));
		}
	for (int32_t h = 0; h < links->holder_start[links->n_words]; h++)
	{
		int32_t		mentions = links->mention_start[h + 1] - links->mention_start[h];

		for (int64_t c = 2 * (int64_t) links->mention_start[h]; c < 2 * (int64_t) links->mention_start[h + 1]; c++)
			gradient[links->context[c]] += links->value[h] / mentions;
		XMC_TRY(xmc_spend(ctx, &work, mentions));
	}
	return XMC_OK;
}

xmc_status
xmc_mention_idf(xmc_ctx *ctx, int32_t n_documents, const xmc_document *document, float *idf)
{
	int32_t    *last = xmc_alloc(ctx, XMC_MENTION_WORDS, sizeof *last);	/* item that was counted, over all documents */
	int32_t		items = 0;
	xmc_status	status = XMC_OK;

	XMC_NEED(last, ctx);
	memset(last, 0xff, XMC_MENTION_WORDS * sizeof *last);
	memset(idf, 0, XMC_MENTION_WORDS * sizeof *idf);
	for (int32_t d = 0; d < n_documents && status == XMC_OK; d++)
	{
		status = xmc_check_stop(ctx);
		for (int32_t i = 0; i < document[d].n && document[d].word_start; i++, items++)
			for (int32_t at = document[d].word_start[i]; at < document[d].word_start[i + 1]; at++)
			{
				int32_t		k = idf_row(document[d].word[at]);

				idf[k] += last[k] != items;
				last[k] = items;
			}
	}
	for (int32_t k = 0; k < XMC_MENTION_WORDS; k++)
		idf[k] = idf[k] < (float) items ? (float) (log((1.0 + items) / (1.0 + idf[k])) / USUAL_IDF) : 0;
	xmc_release(ctx, last);
	return status;
}
