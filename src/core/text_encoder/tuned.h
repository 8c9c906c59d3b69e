/*
 * tuned.h - vectors of texts by an encoder with adapters, and the gradient of a loss by the adapters.
 *
 * Texts are taken a few at a time, so that memory is bounded. The backward pass computes the forward pass of these texts once more
 * instead of keeping what it needs of all of them (Chen et al. 2016, arXiv:1604.06174).
 */
#ifndef XMCOH_TUNED_H
#define XMCOH_TUNED_H

#include "text_encoder/adapters.h"

/*
 * out (texts of the batch, dim): the vectors. A text without tokens has vector 0. What was allocated in the arena before stays.
 * Errors: XMC_NO_MEMORY, XMC_BAD_MODEL (not finite), XMC_STOPPED.
 */
extern xmc_status xmc_tuned_vectors(xmc_arena *arena, const xmc_transformer *base, const xmc_adapters *adapters,
									const xmc_token_batch *batch, float *out);

/* Adds to grad (adapters->n) the gradient of a loss whose gradient by the vectors is d_vector (texts, dim). Errors: the same. */
extern xmc_status xmc_tuned_gradient(xmc_arena *arena, const xmc_transformer *base, const xmc_adapters *adapters,
									 const xmc_token_batch *batch, const float *d_vector, const xmc_adapter *grad);

#endif
