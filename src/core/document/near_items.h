/*
 * near_items.h - images and texts that are nearly the same, such as a photo that was encoded again or a text with a changed
 * word, found by locality-sensitive hashing; every pair is verified
 */
#ifndef XMCOH_NEAR_ITEMS_H
#define XMCOH_NEAR_ITEMS_H

#include "xmcoh/base.h"

/* The features of one text, sorted (text.h). */
typedef struct xmc_text_view
{
	const uint32_t *feature;	/* (n) */
	int32_t		n;
} xmc_text_view;

/*
 * Joins images whose embeddings, less the mean of all n, have a cosine of at least XMC_NEAR_IMAGE: joined.h says what leader
 * (n) becomes. image[k] is one of n different embeddings of `dim` numbers. Their order must be one of content, such as that
 * of their hashes: then the result does not depend on the order of the documents.
 *
 * A pair at the threshold is found with a probability of .99. Time grows with n log n, since an image is compared with at
 * most 16 neighbours in each of 12 tables. Scratch memory: 16 bytes an image. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_join_near_images(xmc_arena *scratch, int32_t n, const float *const *image, int32_t dim,
									   int32_t *leader);

/*
 * The same of texts whose sets of words (in scripts without spaces of character n-grams) have a Jaccard similarity of at
 * least XMC_NEAR_TEXT: shared ones / all.
 */
extern xmc_status xmc_join_near_texts(xmc_arena *scratch, int32_t n, const xmc_text_view *text, int32_t *leader);

#endif
