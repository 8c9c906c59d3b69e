/*
 * guidance.h - order scores of one modality carried through the alignment to the other (design section 4, "Guidance").
 *
 * One-shot and extrinsic: what is carried is the other modality's own score, never one that was itself guided, so no evidence is
 * counted twice.
 */
#ifndef XMCOH_GUIDANCE_H
#define XMCOH_GUIDANCE_H

#include "xmcoh/align.h"
#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

typedef struct xmc_guides
{
	float	   *image;			/* (n_image, n_image) P S_text P^T */
	float	   *text;			/* (n_text, n_text) P^T S_image P */
	float	   *crossed[XMC_MODALITIES];	/* (n_image, n_text) that image j stands before text i: P S_text, S_image P */
} xmc_guides;

/*
 * Carries text scores s_text (n_text, n_text) and image scores s_image (n_image, n_image) through p (n_image, n_text): the
 * expected score of the counterparts, where no counterpart has no opinion. Matrices in the arena. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance(xmc_arena *arena, int32_t n_image, int32_t n_text, const float *p, const float *s_text,
							   const float *s_image, xmc_guides *out);

/*
 * The whole alignment of a document, p (n, n) over all its items, image item by text item: 1 for rows that hold both, else what
 * was inferred. In the arena; NULL: no memory.
 */
extern float *xmc_guidance_alignment(xmc_arena *arena, const xmc_document *document, const xmc_alignment *inferred);

/*
 * Fits calibration.guided and .crossed of a model that has_alignment, by logistic regression on the labelled pairs of these
 * documents, which it has not been trained on, as if each row that holds both had been split into a text-only and an image-only
 * one, and once more as if the counterparts were missing; with a ridge on the guide's weight. Both hold few documents back from
 * trading a modality's own weight for its guide's on the strength of chance. Documents without such rows do not count. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_guidance_fit(xmc_ctx *ctx, xmc_model *model, int32_t n_documents, const xmc_document *const *document);

#endif
