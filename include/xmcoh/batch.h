/*
 * batch.h - some documents as one modality sees them, or all together (XMC_JOINT): only the items that have it, or have all
 * that the model reads; their rows side by side.
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
	int32_t		rows;			/* of all documents together */
	int32_t		most_items;		/* rows of the largest document */
	int32_t    *row_start;		/* (n_documents + 1) */
	int32_t    *item;			/* (rows) the row's item number in its document */
	int64_t    *pair_start;		/* (n_documents + 1) into the ordered pairs (i, j), i != j, of rows: n (n - 1) each */
} xmc_batch;

/* Whether a batch of that modality, or of all together, takes an item with these XMC_HAS_... */
static inline bool
xmc_batch_takes(const xmc_options *options, xmc_modality modality, uint8_t has)
{
	bool		text = has & XMC_HAS_TEXT;
	bool		image = has & XMC_HAS_IMAGE;

	if (modality != XMC_JOINT)
		return modality == XMC_TEXT ? text : image;
	return (text || !(options->words || options->text_dim > 0)) && (image || options->image_dim == 0);
}

/* Lays out a batch in the arena. Errors: XMC_NO_MEMORY. */
extern xmc_status xmc_batch_init(xmc_arena *arena, const xmc_options *options, xmc_modality modality, int32_t n_documents,
								 const xmc_document *const *document, xmc_batch *out);

/*
 * How many of n training documents make a batch: `wanted`, or fewer, but not fewer than `least`, where an epoch would
 * otherwise have less than XMC_LEAST_STEPS steps and get nowhere.
 */
#define XMC_LEAST_STEPS 16
extern int32_t xmc_batch_size(int32_t n, int32_t wanted, int32_t least);

/* Puts documents into a random order (Fisher and Yates). */
extern void xmc_shuffle_documents(xmc_random *random, int32_t n, const xmc_document **document);

/* Where the ordered pair (i, j), i != j, of a document with n rows stands among its n (n - 1). */
static inline int64_t
xmc_pair_index(int32_t n, int32_t i, int32_t j)
{
	return (int64_t) i * (n - 1) + (j < i ? j : j - 1);
}

#endif
