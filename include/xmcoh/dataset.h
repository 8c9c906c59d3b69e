/*
 * dataset.h - documents as the core uses them: items in key order with their text features and embeddings, and labelled
 * pairs. Documents are built from items, labelled, and flattened to records that several processes can map.
 */
#ifndef XMCOH_DATASET_H
#define XMCOH_DATASET_H

#include "xmcoh/base.h"
#include "xmcoh/hash.h"
#include "xmcoh/options.h"
#include "xmcoh/text.h"

/* The input of one item. Text and embeddings may be missing (NULL). */
typedef struct xmc_item
{
	const char *key;			/* the item's name in its document; need not be zero-terminated */
	size_t		key_length;
	const char *text;			/* UTF-8 */
	size_t		text_length;
	const float *text_embedding;	/* (text_dim) */
	const float *image;			/* (image_dim) */
	const int32_t *token;		/* (n_tokens) the text as the text encoder reads it; a model that fine-tunes it needs them */
	int32_t		n_tokens;
} xmc_item;

/*
 * The order of keys: whole numbers that are not negative come first, by value, then all other keys, by bytes. Items are
 * numbered in this order, and ties between items go to the smaller number. xmc_item_compare is for qsort.
 */
extern int	xmc_item_compare(const void *a, const void *b);
extern int	xmc_key_compare(const char *a, size_t a_length, const char *b, size_t b_length);

enum
{
	XMC_HAS_WORDS = 1, XMC_HAS_TEXT_EMBEDDING = 2, XMC_HAS_IMAGE = 4,
	XMC_HAS_TEXT = XMC_HAS_WORDS | XMC_HAS_TEXT_EMBEDDING
};

/* Whether an item with these XMC_HAS_... holds a text and an image. */
static inline bool
xmc_has_both(uint8_t has)
{
	return (has & XMC_HAS_TEXT) && (has & XMC_HAS_IMAGE);
}

typedef struct xmc_pair
{
	int32_t		before;			/* item numbers in the document */
	int32_t		after;
	float		weight;
} xmc_pair;

typedef struct xmc_document
{
	int32_t		n;				/* items, numbered in key order */
	uint8_t    *has;			/* (n) XMC_HAS_... */
	int32_t    *feature_start;	/* (n + 1) into feature */
	uint32_t   *feature;		/* the sorted distinct features of each item, one item after the other; see text.h */
	int32_t    *word_start;	/* (n + 1) into word; NULL: no words are read */
	uint32_t   *word;		/* the words of each item in reading order, one item after the other; see text.h */
	float	   *text_embedding; /* (n, text_dim), zero where missing; NULL if the model reads none */
	float	   *image;			/* (n, image_dim), zero where missing; NULL if the model reads none */
	int32_t    *token_start;	/* (n + 1) into token; NULL if the model reads no text embedding */
	int32_t    *token;			/* the tokens of each item, one item after the other; none where the item has no text */
	int32_t		n_pairs;		/* labelled pairs; 0 if the document is only to be scored */
	xmc_pair   *pair;
	uint64_t	group;			/* documents with the same number are one group (groups.h); 0: a group of its own */
} xmc_document;

/* The sorted distinct text features (count) of an item. */
static inline const uint32_t *
xmc_item_features(const xmc_document *document, int32_t item, int32_t *count)
{
	*count = document->feature_start[item + 1] - document->feature_start[item];
	return document->feature + document->feature_start[item];
}

/*
 * Builds a document of n items, which the caller has sorted by xmc_item_compare. Only the inputs that the options name are
 * read. Text features are computed; embeddings are copied. Everything is allocated by ctx; free it with xmc_document_free,
 * after an error, too. Errors: XMC_BAD_INPUT (NaN or infinity in an embedding, equal keys, invalid UTF-8), XMC_LIMIT (too
 * many features), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_document_build(xmc_ctx *ctx, const xmc_options *options, xmc_tokeniser *tokeniser, int32_t n,
									 const xmc_item *item, xmc_document *out);
extern void xmc_document_free(xmc_ctx *ctx, xmc_document *document);

/* Adds all options to a checksum. */
extern void xmc_options_checksum(xmc_checksum *sum, const xmc_options *options);

/*
 * Adds to a checksum all that a document holds but its group: items, inputs, labels. The options are those that the document
 * was built with.
 */
extern void xmc_document_checksum(xmc_checksum *sum, const xmc_options *options, const xmc_document *document);

/*
 * Labels every pair of a document whose full order is known: order[k] = the item number at place k, weight 1.
 * Replaces the document's pairs. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_document_label_order(xmc_ctx *ctx, xmc_document *document, const int32_t *order);

/*
 * Labels every pair of items that have two different positions, weight 1; position[i] NaN: item i has none. Replaces the
 * document's pairs. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_document_label_positions(xmc_ctx *ctx, xmc_document *document, const double *position);

/*
 * Flat records: a document as one block of bytes without pointers, for a file that several processes map.
 *
 * xmc_document_flatten writes a record to `buffer` and returns its size; with buffer NULL it only returns the size. Sizes
 * are multiples of XMC_RECORD_ALIGN, and records must begin at such multiples. xmc_document_view sets the pointers of *out
 * into the record and copies nothing. The record must outlive the view; a view is read-only and must not be given to
 * xmc_document_free. The options must be those with which the document was built. xmc_document_record returns the record of
 * a view.
 */
#define XMC_RECORD_ALIGN 64
extern size_t xmc_document_flatten(const xmc_document *document, const xmc_options *options, void *buffer);
extern void xmc_document_view(const void *record, const xmc_options *options, xmc_document *out);
extern const void *xmc_document_record(const xmc_document *view);

/*
 * Whether a group of documents is held out. This depends on the name of the group, the seed and the share alone, so it can
 * be computed again later. The name of the group of a document that is a group of its own is the document's key.
 */
extern bool xmc_held_out(const char *key, size_t key_length, int32_t seed, double share);

#endif
