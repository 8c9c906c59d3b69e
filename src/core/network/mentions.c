/* mentions.c - see mentions.h */
#include "network/mentions.h"
#include "xmcoh/text.h"

#include <math.h>
#include <string.h>

#define USUAL_IDF 6.0			/* makes scores about as large as those of the sparse term, for which the penalties are made */

/* The number of mentions of all items. */
static int32_t
count_mentions(const xmc_document *document)
{
	return document->mention_start ? document->mention_start[document->n] : 0;
}

/* The first mention after `first` that is of another word, at most `end`. */
static int32_t
word_end(const xmc_document *document, int32_t first, int32_t end)
{
	int32_t		next = first + 1;

	while (next < end && xmc_mention_word(document->mention[next]) == xmc_mention_word(document->mention[first]))
		next++;
	return next;
}

/* The bucket of a word in the table of idf. */
static uint32_t
idf_row(uint32_t mention)
{
	return (uint32_t) (((uint64_t) mention * XMC_MENTION_WORDS) >> 32);
}

/* The size of the hash table for so many mentions, a power of two. */
static size_t
table_size(int32_t mentions)
{
	size_t		size = 4;

	while (size < 2 * (size_t) mentions)
		size *= 2;
	return size;
}

xmc_status
xmc_mentions_init(xmc_arena *arena, int32_t n_documents, const xmc_document *const *document, xmc_mention_links *out)
{
	int32_t		mentions = 0;	/* the most of a document */
	size_t		items = 0;

	for (int32_t d = 0; d < n_documents; d++)
	{
		if (mentions < count_mentions(document[d]))
			mentions = count_mentions(document[d]);
		if (items < (size_t) document[d]->n)
			items = (size_t) document[d]->n;
	}
	*out = (xmc_mention_links){0};
	out->word_start = xmc_arena_alloc(arena, (size_t) mentions + 1, sizeof(int32_t));
	out->idf = xmc_arena_alloc(arena, (size_t) mentions, sizeof(float));
	out->item = xmc_arena_alloc(arena, (size_t) mentions, sizeof(int32_t));
	out->first = xmc_arena_alloc(arena, (size_t) mentions, sizeof(int32_t));
	out->end = xmc_arena_alloc(arena, (size_t) mentions, sizeof(int32_t));
	out->shared = xmc_arena_alloc(arena, items * items, sizeof(int32_t));
	out->value = xmc_arena_alloc(arena, (size_t) mentions, sizeof(double));
	out->slot = xmc_arena_alloc(arena, table_size(mentions), sizeof(int32_t));
	out->scratch = xmc_arena_alloc(arena, 5 * (size_t) mentions, sizeof(int32_t));
	if (!out->word_start || !out->idf || !out->item || !out->first || !out->end || !out->shared || !out->value || !out->slot ||
		!out->scratch)
		return xmc_fail(arena->ctx, XMC_NO_MEMORY, "out of memory");
	return XMC_OK;
}

/* The words of a document's items, one entry for each item and word, in `scratch`. */
typedef struct word_entries
{
	int32_t		n;
	int32_t		n_words;
	int32_t    *word;			/* (n) numbered by first occurrence */
	int32_t    *item;			/* (n) */
	int32_t    *first;			/* (n) into document->mention */
	int32_t    *count;			/* (n_words) entries of the word */
	int32_t    *example;		/* (n_words) a mention of the word */
} word_entries;

/* Finds the number of the word of a mention, by linear probing; a new word gets the next number. */
static int32_t
number_word(xmc_mention_links *links, size_t mask, word_entries *e, int32_t at)
{
	const uint32_t *mention = links->document->mention;
	size_t		slot = (xmc_mention_word(mention[at]) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;

	for (; links->slot[slot] >= 0; slot = (slot + 1) & mask)
		if (xmc_mention_word(mention[e->example[links->slot[slot]]]) == xmc_mention_word(mention[at]))
			return links->slot[slot];
	links->slot[slot] = e->n_words;
	e->example[e->n_words] = at;
	e->count[e->n_words] = 0;
	return e->n_words++;
}

static void
list_entries(xmc_mention_links *links, word_entries *e)
{
	const xmc_document *document = links->document;
	int32_t		mentions = count_mentions(document);
	size_t		size = table_size(mentions);

	*e = (word_entries){.word = links->scratch,.item = links->scratch + mentions,.first = links->scratch + 2 * (int64_t) mentions,
		.count = links->scratch + 3 * (int64_t) mentions,.example = links->scratch + 4 * (int64_t) mentions};
	memset(links->slot, 0xff, size * sizeof *links->slot);
	for (int32_t i = 0; i < document->n && mentions > 0; i++)
		for (int32_t at = document->mention_start[i]; at < document->mention_start[i + 1];
			 at = word_end(document, at, document->mention_start[i + 1]))
		{
			int32_t		word = number_word(links, size - 1, e, at);

			e->count[word]++;
			e->word[e->n] = word;
			e->item[e->n] = i;
			e->first[e->n++] = at;
		}
}

xmc_status
xmc_mentions_link(xmc_ctx *ctx, const float *idf, const xmc_document *document, xmc_mention_links *links)
{
	int64_t		n = document->n;
	int64_t		work = 0;
	int32_t		holders = 0;
	word_entries e;

	links->document = document;
	links->n_words = 0;
	XMC_TRY(xmc_clear(ctx, links->shared, (size_t) (n * n) * sizeof *links->shared));
	list_entries(links, &e);
	/* The words of several items; `count` becomes the place of the word's next holder, or -1. */
	for (int32_t w = 0; w < e.n_words; w++)
	{
		int32_t		count = e.count[w];
		float		weight = idf[idf_row(document->mention[e.example[w]])];

		e.count[w] = -1;
		if (count < 2 || weight == 0)
			continue;
		e.count[w] = links->word_start[links->n_words] = holders;
		links->idf[links->n_words++] = weight;
		holders += count;
	}
	links->word_start[links->n_words] = holders;
	for (int32_t k = 0; k < e.n; k++)
	{
		int32_t		place = e.count[e.word[k]];

		if (place < 0)
			continue;
		e.count[e.word[k]]++;
		links->item[place] = e.item[k];
		links->first[place] = e.first[k];
		links->end[place] = word_end(document, e.first[k], document->mention_start[e.item[k] + 1]);
	}
	for (int32_t w = 0; w < links->n_words; w++)
		for (int32_t a = links->word_start[w]; a < links->word_start[w + 1]; a++)
		{
			for (int32_t b = a + 1; b < links->word_start[w + 1]; b++)
				links->shared[links->item[a] * n + links->item[b]]++;
			XMC_TRY(xmc_spend(ctx, &work, links->word_start[w + 1] - a));
		}
	return XMC_OK;
}

xmc_status
xmc_mentions_forward(xmc_ctx *ctx, const float *weight, xmc_mention_links *links, float *s)
{
	int64_t		n = links->document->n;
	int64_t		work = 0;

	XMC_TRY(xmc_clear(ctx, s, (size_t) (n * n) * sizeof *s));
	for (int32_t h = 0; h < links->word_start[links->n_words]; h++)
	{
		double		sum = 0;

		for (int32_t m = links->first[h]; m < links->end[h]; m++)
			sum += weight[xmc_mention_context(links->document->mention[m])];
		links->value[h] = sum / (links->end[h] - links->first[h]);
	}
	for (int32_t w = 0; w < links->n_words; w++)
		for (int32_t a = links->word_start[w]; a < links->word_start[w + 1]; a++)
		{
			float	   *row = s + links->item[a] * n;

			for (int32_t b = a + 1; b < links->word_start[w + 1]; b++)
				row[links->item[b]] += (float) (links->idf[w] * (links->value[b] - links->value[a]));
			XMC_TRY(xmc_spend(ctx, &work, links->word_start[w + 1] - a));
		}
	for (int64_t i = 0; i < n; i++)
	{
		for (int64_t at = i * n + i + 1; at < (i + 1) * n; at++)
			if (links->shared[at] > 1)
				s[at] /= sqrtf((float) links->shared[at]);
		XMC_TRY(xmc_spend(ctx, &work, n));
	}
	return XMC_OK;
}

xmc_status
xmc_mentions_backward(xmc_ctx *ctx, xmc_mention_links *links, const double *ds, double *gradient)
{
	int64_t		n = links->document->n;
	int64_t		work = 0;

	memset(links->value, 0, (size_t) links->word_start[links->n_words] * sizeof *links->value);
	for (int32_t w = 0; w < links->n_words; w++)
		for (int32_t a = links->word_start[w]; a < links->word_start[w + 1]; a++)
		{
			for (int32_t b = a + 1; b < links->word_start[w + 1]; b++)
			{
				int64_t		at = links->item[a] * n + links->item[b];
				double		d = links->idf[w] * ds[at] / sqrt(links->shared[at]);

				links->value[b] += d;
				links->value[a] -= d;
			}
			XMC_TRY(xmc_spend(ctx, &work, links->word_start[w + 1] - a));
		}
	for (int32_t h = 0; h < links->word_start[links->n_words]; h++)
		for (int32_t m = links->first[h]; m < links->end[h]; m++)
			gradient[xmc_mention_context(links->document->mention[m])] += links->value[h] / (links->end[h] - links->first[h]);
	return XMC_OK;
}

xmc_status
xmc_mention_idf(xmc_ctx *ctx, int32_t n_documents, const xmc_document *document, float *idf)
{
	double		items = 0;

	memset(idf, 0, XMC_MENTION_WORDS * sizeof *idf);
	for (int32_t d = 0; d < n_documents; d++)
	{
		XMC_TRY(xmc_check_stop(ctx));
		items += document[d].n;
		for (int32_t i = 0; i < document[d].n && document[d].mention_start; i++)
			for (int32_t at = document[d].mention_start[i]; at < document[d].mention_start[i + 1];
				 at = word_end(&document[d], at, document[d].mention_start[i + 1]))
				idf[idf_row(document[d].mention[at])]++;
	}
	for (int32_t k = 0; k < XMC_MENTION_WORDS; k++)
		idf[k] = idf[k] < items ? (float) (log((1 + items) / (1 + idf[k])) / USUAL_IDF) : 0;
	return XMC_OK;
}
