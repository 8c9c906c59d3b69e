/*
 * tuned.h - vectors of texts by a fine-tuned encoder, and the gradient of a loss by its changes.
 *
 * Texts are taken a few at a time, so that memory is bounded. What the backward pass needs of the last of these parts is kept; the
 * forward pass of the other parts is computed once more (Chen et al. 2016, arXiv:1604.06174). A small minibatch is one part.
 */
#ifndef XMCOH_TUNED_H
#define XMCOH_TUNED_H

#include "text_encoder/changes.h"

/*
 * out (texts of the batch, dim): the vectors. A text without tokens has vector 0. What was allocated in the arena before stays.
 * Errors: XMC_NO_MEMORY, XMC_BAD_MODEL (not finite), XMC_STOPPED.
 */
extern xmc_status xmc_tuned_vectors(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes,
									const xmc_token_batch *batch, float *out);

/* A forward pass that a backward pass follows, in the arena. The encoder, the changes and the batch must not change in between. */
typedef struct xmc_tuned_pass xmc_tuned_pass;

/*
 * The same vectors, but with dropout in the layers that are changed (xmc_transformer_learning); 0: none. Equal seeds give equal
 * masks. Errors: the same.
 */
extern xmc_status xmc_tuned_forward(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes,
									const xmc_token_batch *batch, double dropout, uint64_t seed, float *out, xmc_tuned_pass **pass);

/* Adds to grad (changes->n) the gradient of a loss whose gradient by the vectors is d_vector (texts, dim). Errors: the same. */
extern xmc_status xmc_tuned_backward(xmc_arena *arena, xmc_tuned_pass *pass, const float *d_vector, const xmc_change *grad);

#endif
