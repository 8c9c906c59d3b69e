/*
 * anchors.h - similarity of images and texts by anchors, the linked items of the training documents (design section 4,
 * "Alignment"): an image that resembles images whose texts resemble a text belongs to that text.
 *
 * Relative representations (Moschella et al. 2023; Norelli et al. 2023, ASIF): an item is described by its similarities to
 * the anchors of its own modality, and the anchors are the same linked items in both modalities. What pictures repeat from
 * document to document - a dialogue, a tool, a place - is found again in this way; a linear map of a few hundred numbers
 * cannot hold that.
 */
#ifndef XMCOH_ANCHORS_H
#define XMCOH_ANCHORS_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/* The similarity of the images of a document with its texts, by cosine and by anchors. */
typedef struct xmc_comparison
{
	int32_t		n_image;
	int32_t		n_text;
	float	   *cosine;			/* (n_image, n_text) */
	float	   *by_anchors;		/* (n_image, n_text) 0 to 1 */
} xmc_comparison;

/*
 * Fills model->anchors with the linked items of these documents as unit vectors of the space: whole documents in a random
 * order, until option align_memory or the limit of a stored model is reached. The linear maps must be trained. Anchors that
 * the model had are given back. The same documents in the same order give the same anchors. Errors: as xmc_align_project.
 */
extern xmc_status xmc_anchors_fill(xmc_ctx *ctx, xmc_model *model, int32_t n_documents, const xmc_document *const *document);

/*
 * Sets compared[d].by_anchors of n documents, whose unit vectors lie one document behind the other in image_z (sum of
 * n_image, dim) and text_z (sum of n_text, dim). A cell is the cosine of the relative representations
 *
 *     r_m(x) = max(0, Z_m x)^4,  Z_m (anchors.n, dim): the anchors of modality m,
 *
 * and 0 without anchors. The anchors are read once for all documents, since that takes the time. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_anchors_similarity(xmc_arena *arena, const xmc_model *model, int32_t n, const float *image_z,
										const float *text_z, const xmc_comparison *compared);

#endif
