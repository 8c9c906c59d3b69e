/*
 * mentions.h - the mention term: how two items mention the words that they share (design section 4, "Parts"). "A dialog" is
 * introduced before "the dialog" is used, and the words beside a word tell which of the two a mention is.
 *
 * s(i,j) = 1 / sqrt(m) sum over the m words w of both items of idf(w) (v(j,w) - v(i,w)); v(i,w) is the mean over the mentions
 * of w in item i of the weight of the word before and that of the word after. The beginning and the end of a text have weights,
 * too. A word of most items has little idf.
 */
#ifndef XMCOH_MENTIONS_H
#define XMCOH_MENTIONS_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/*
 * The words that several items of one document share. A holder is an item with such a word; its mentions follow each other.
 */
typedef struct xmc_mention_links
{
	const xmc_document *document;
	int32_t		n_words;
	int32_t    *holder_start;	/* (n_words + 1) into the holders of all words */
	float	   *idf;			/* (n_words) */
	int32_t    *item;			/* (holders) ascending for each word */
	int32_t    *mention_start;	/* (holders + 1) into context */
	int32_t    *context;		/* (mentions, 2) into the weights: the word before and the word after */
	int32_t    *place;			/* (mentions) which of the document's words that is */
	float	   *scale;			/* (n, n) for i < j 1 / sqrt(m); 0 where items i and j share no word */
	double	   *value;			/* (holders) v(i,w), or the gradient by that */
	uint64_t   *slot;			/* hash table: a word above its number, or EMPTY */
	int32_t    *scratch;		/* (6, words of all items) */
} xmc_mention_links;

/* Allocates links that have room for each of these documents. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_mentions_init(xmc_arena *arena, int32_t n_documents, const xmc_document *const *document,
									xmc_mention_links *out);

/* Sets the links of one document by the idf (XMC_MENTION_WORDS) of words. Errors: XMC_STOPPED. */
extern xmc_status xmc_mentions_link(xmc_ctx *ctx, const float *idf, const xmc_document *document, xmc_mention_links *links);

/* A copy in the arena that has room for this document alone, without `place`, and that shares `value`. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_mentions_copy(xmc_arena *arena, const xmc_mention_links *from, xmc_mention_links *to);

/* Sets s (n, n) above the diagonal, from the weights (XMC_CONTEXTS). Errors: XMC_STOPPED. */
extern xmc_status xmc_mentions_forward(xmc_ctx *ctx, const float *weight, xmc_mention_links *links, float *s);

/* Adds to gradient (XMC_CONTEXTS) that of ds (n, n), which is read above the diagonal. Errors: XMC_STOPPED. */
extern xmc_status xmc_mentions_backward(xmc_ctx *ctx, xmc_mention_links *links, const double *ds, double *gradient);

/* s(i,j) of two items, from the s that xmc_mentions_forward has set. */
static inline double
xmc_mentions_score(int64_t n, const float *s, int32_t i, int32_t j)
{
	return i < j ? s[i * n + j] : -s[j * n + i];
}

/*
 * What a shared word counts, from its inverse document frequency over the items of all documents: log((1 + items) / (1 + items
 * with the word)) / 6, into idf (XMC_MENTION_WORDS). Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_mention_idf(xmc_ctx *ctx, int32_t n_documents, const xmc_document *document, float *idf);

#endif
