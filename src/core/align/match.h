/*
 * match.h - from the unit vectors of images and texts (space.h) to P, the probability that an image shows the same step
 * as a text: similarity by cosine and by anchors (anchors.h), then optimal transport with a dustbin (numeric/sinkhorn.h).
 */
#ifndef XMCOH_MATCH_H
#define XMCOH_MATCH_H

#include "align/anchors.h"
#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/*
 * Compares images with texts within each of n documents, whose n_image and n_text are set. The unit vectors lie one
 * document behind the other in image_z (sum of n_image, dim) and text_z (sum of n_text, dim). The matrices are allocated
 * in result_arena. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_align_compare(xmc_arena *result_arena, xmc_arena *scratch, const xmc_model *model, int32_t n,
									const float *image_z, const float *text_z, xmc_comparison *compared);

/*
 * p (n_image + 1, n_text + 1) of xmc_sinkhorn over the scores exp(scale[TEMPERATURE]) * cosine + exp(scale[MEMORY]) *
 * by_anchors, with the dustbin's score scale[DUSTBIN]; scale as the align_scale of a model. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_align_transport(xmc_arena *arena, const xmc_comparison *comparison,
									  const double scale[XMC_ALIGN_SCALES], double *p);

/* The same with the scales of the model. */
extern xmc_status xmc_align_transport_by(xmc_arena *arena, const xmc_model *model, const xmc_comparison *comparison, double *p);

/* Comparison and transport of one document, with the scales of the model. Errors: XMC_NO_MEMORY, XMC_STOPPED. */
extern xmc_status xmc_align_match(xmc_arena *arena, const xmc_model *model, int32_t n_image, const float *image_z,
								  int32_t n_text, const float *text_z, double *p);

/* Projection and matching of some image items of a document with some text items. Errors: as xmc_align_project. */
extern xmc_status xmc_align_items(xmc_arena *arena, const xmc_model *model, const xmc_document *document, int32_t n_image,
								  const int32_t *image, int32_t n_text, const int32_t *text, double *p);

#endif
