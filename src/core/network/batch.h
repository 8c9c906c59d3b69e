/*
 * batch.h - several documents as one modality reads them: the items that hold the modality, as rows of one matrix. For
 * XMC_JOINT, the bilinear term, these are the items that hold all inputs of the model.
 */
#ifndef XMCOH_BATCH_H
#define XMCOH_BATCH_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"
#include "xmcoh/random.h"

typedef struct xmc_batch
{
	xmc_modality modality;
	int32_t		n_documents;
	const xmc_document **document;	/* (n_documents) */
	int32_t		rows;			/* rows of all documents together */
	int32_t		most_items;		/* rows of the largest document */
	int32_t    *row_start;		/* (n_documents + 1) */
	int32_t    *item;			/* (rows) the number of the row's item in its document */
	/* (n_documents + 1) into the ordered pairs (i, j), i != j; a document of n rows has n (n - 1) */
	int64_t    *pair_start;
} xmc_batch;

/* Whether a batch of that modality, or of XMC_JOINT, takes an item with these XMC_HAS_... flags. */
static inline bool
xmc_batch_takes(const xmc_options *options, xmc_modality modality, uint8_t has)
{
	bool		text = has & XMC_HAS_TEXT;
	bool		image = has & XMC_HAS_IMAGE;

	if (modality != XMC_JOINT)
		return modality == XMC_TEXT ? text : image;
	return (text || !(options->words || options->text_dim > 0)) && (image || options->image_dim == 0);
}

/* Whether it takes both items of a labelled pair. */
static inline bool
xmc_batch_takes_pair(const xmc_options *options, xmc_modality modality, const xmc_document *document, const xmc_pair *pair)
{
	return xmc_batch_takes(options, modality, document->has[pair->before]) &&
		xmc_batch_takes(options, modality, document->has[pair->after]);
}

/* The weight of these pairs of a document together. */
extern double xmc_batch_pair_weight(const xmc_options *options, xmc_modality modality, const xmc_document *document);

/* Lays out a batch in the arena. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_batch_init(xmc_arena *arena, const xmc_options *options, xmc_modality modality, int32_t n_documents,
								 const xmc_document *const *document, xmc_batch *out);

/*
 * The number of documents in a batch, of n training documents: `wanted`, or fewer if an epoch would otherwise have fewer
 * than XMC_LEAST_STEPS steps, but at least `least`.
 */
#define XMC_LEAST_STEPS 16
extern int32_t xmc_batch_size(int32_t n, int32_t wanted, int32_t least);

/* Puts documents into a random order (Fisher and Yates). */
extern void xmc_shuffle_documents(xmc_random *random, int32_t n, const xmc_document **document);

/* The index of the ordered pair (i, j), i != j, among the n (n - 1) pairs of a document with n rows. */
static inline int64_t
xmc_pair_index(int32_t n, int32_t i, int32_t j)
{
	return (int64_t) i * (n - 1) + (j < i ? j : j - 1);
}

#endif
