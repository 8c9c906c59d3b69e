/*
 * guidance.h - order scores of one modality carried through the alignment P to the other modality (design section 4,
 * "Guidance"). Only the own scores of a modality are carried, never guided ones: otherwise evidence would count twice.
 */
#ifndef XMCOH_GUIDANCE_H
#define XMCOH_GUIDANCE_H

#include "xmcoh/align.h"
#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/* Scores after they were carried through P. */
typedef struct xmc_guides
{
	float	   *image;			/* (n_image, n_image) P S_text P^T */
	float	   *text;			/* (n_text, n_text) P^T S_image P */
	float	   *cross_modal[XMC_MODALITIES];	/* (n_image, n_text) image i before text j: P S_text, and S_image P */
} xmc_guides;

/*
 * Carries text scores s_text (n_text, n_text) and image scores s_image (n_image, n_image) through P (n_image, n_text). p[m]
 * is the P that guides modality m; both may be the same. A carried score is the expected score of the counterparts; an item
 * without a counterpart gets weight 0. Matrices in the arena. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance(xmc_arena *arena, int32_t n_image, int32_t n_text,
							   const float *const p[XMC_MODALITIES], const float *s_text, const float *s_image, xmc_guides *out);

/*
 * P over all items of a document, p (n, n), image item by text item: the inferred alignment (xmc_align_documents, with the
 * same `split`), and without `split` 1 for items that hold both. In the arena. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance_alignment(xmc_arena *arena, const xmc_document *document, bool split,
										 const xmc_alignment *inferred, const float **p);

/*
 * The order O that the labels of a document tell, (n, n): 1 where the row stands before the column, -1 where after, 0 for
 * pairs without a label and pairs of which an item holds nothing of `has` (XMC_HAS_...). In the arena. Errors:
 * XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance_stored(xmc_arena *arena, const xmc_document *document, int has, const float **stored);

#endif
