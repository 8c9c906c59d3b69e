/*
 * space.h - the space in which the texts and the images of documents are compared (design section 4, "Alignment"): the
 * space of the supplied embeddings (option shared_space), or one into which a linear map per modality leads.
 */
#ifndef XMCOH_SPACE_H
#define XMCOH_SPACE_H

#include "model/dims.h"
#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

/* Whether an item with these XMC_HAS_... has a text that can be compared; in a shared space only a text embedding can. */
extern bool xmc_align_reads_text(const xmc_options *options, uint8_t has);

/*
 * The linked items of a document, which have a text and an image that can be compared, into item (document->n). Returns
 * their number.
 */
extern int32_t xmc_align_linked_items(const xmc_options *options, const xmc_document *document, int32_t *item);

/*
 * The inputs x (n, xmc_align_input_dim) of the linear map of one side for n items: see xmc_inputs_side. Errors:
 * XMC_STOPPED.
 */
extern xmc_status xmc_align_inputs(xmc_ctx *ctx, const xmc_model *model, xmc_modality side, const xmc_document *document,
								   int32_t n, const int32_t *item, float *x);

/*
 * Maps inputs x into the space and divides each vector by its length: z (n, xmc_align_space_dim), length (n) before the
 * division. A vector of length 0 stays 0. x and z may be the same array in a shared space. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_align_unit_vectors(xmc_ctx *ctx, const xmc_model *model, xmc_modality side, int32_t n, const float *x,
										 float *z, double *length);

/*
 * Unit vectors of n items in the space, z (n, xmc_align_space_dim): their products are cosines. An item without anything
 * that is compared gets zeros. Errors: XMC_BAD_INPUT (embeddings so large that a length is not finite), XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_align_project(xmc_arena *arena, const xmc_model *model, xmc_modality side, const xmc_document *document,
									int32_t n, const int32_t *item, float *z);

#endif
