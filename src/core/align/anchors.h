/*
 * anchors.h - the training rows that hold both a text and an image, remembered: an image that resembles images whose texts
 * resemble a text belongs to that text (design section 4, "Alignment").
 *
 * Relative representations (Moschella et al. 2023; Norelli et al. 2023, ASIF): an item is described by how much it
 * resembles each remembered row's item of its own modality, and rows are the same rows on both sides. What pictures repeat
 * from document to document - a dialogue, a tool, a place - is found again this way, which no map of a few hundred numbers
 * can hold.
 */
#ifndef XMCOH_ANCHORS_H
#define XMCOH_ANCHORS_H

#include "xmcoh/align.h"
#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/*
 * Fills model->memory with the linked items of these documents as unit vectors in the alignment's space, whole documents in
 * a random order until option align_memory, or what a stored model may hold, is reached; the maps must have been trained.
 * What was remembered before is forgotten. The same documents, in the same order, give the same memory. Errors: as
 * xmc_align_project.
 */
extern xmc_status xmc_anchors_fill(xmc_ctx *ctx, xmc_model *model, int32_t n_documents, const xmc_document *const *document);
extern void xmc_anchors_forget(xmc_ctx *ctx, xmc_model *model);

/*
 * compared[d].recalled of n documents, each cell from 0 to 1, of images and texts given by their unit vectors, one document's
 * behind the other's, image_z (sum of n_image, dim) and text_z (sum of n_text, dim): the cosine of their relative
 * representations r_m(x) = max(0, Z_m x)^4, where Z_m (memory.n, dim) holds the remembered items of modality m. All 0
 * without memory. The memory is read once for all of them, and that is what takes the time. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_anchors_similarity(xmc_arena *arena, const xmc_model *model, int32_t n, const float *image_z,
										const float *text_z, const xmc_comparison *compared);

#endif
