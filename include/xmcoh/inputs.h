/*
 * inputs.h - what a modality's parts read: the trained bag and the embedding of each row, standardised; and the linear term,
 * which reads nothing else.
 */
#ifndef XMCOH_INPUTS_H
#define XMCOH_INPUTS_H

#include "xmcoh/base.h"
#include "xmcoh/batch.h"
#include "xmcoh/model.h"

/*
 * Sets the network's input_mean and input_scale to the mean and 1 / deviation of its embedding inputs over these documents
 * (scale 0 where a dimension is constant), so that training sees standardised inputs whatever their units. The bag's
 * dimensions are left as they are (mean 0, scale 1). Errors: XMC_NO_MEMORY.
 */
extern xmc_status xmc_inputs_fit(xmc_ctx *ctx, xmc_model *model, xmc_modality modality, int32_t n_documents,
								 const xmc_document *const *document);

/* x (rows, input_dim): bag, then standardised embedding; a missing embedding counts as the mean. */
extern void xmc_inputs_gather(const xmc_model *model, const xmc_batch *batch, float *x);

/*
 * The additive linear term over the embedding: u (rows) = x . linear; like the sparse term it contributes u(j) - u(i) to
 * s(i,j). Few labels suffice for it where the encoder needs many.
 */
extern void xmc_linear_term_forward(const xmc_model *model, const xmc_batch *batch, const float *x, double *u);
extern void xmc_linear_term_backward(const xmc_model *model, const xmc_batch *batch, const float *x, const double *du,
									 float *dlinear);

#endif
