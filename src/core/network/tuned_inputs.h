/*
 * tuned_inputs.h - the embeddings of the text network where it fine-tunes the text encoder: vectors of the items' tokens by the
 * encoder as the network changes it, standardised like the embeddings that they replace.
 */
#ifndef XMCOH_TUNED_INPUTS_H
#define XMCOH_TUNED_INPUTS_H

#include "network/batch.h"
#include "text_encoder/transformer.h"
#include "xmcoh/model.h"

/* Whether the text network of the model reads its texts by a changed encoder. */
static inline bool
xmc_is_tuned(const xmc_model *model, xmc_modality modality)
{
	return modality != XMC_JOINT && model->network[modality].uses_changes;
}

/* Whether the model's encoder, if it has one, is one that the text network can change. Errors: XMC_BAD_MODEL. */
extern xmc_status xmc_tuned_check(xmc_ctx *ctx, const xmc_model *model);

/* A forward pass of the changed encoder that a backward pass follows, in the arena. */
typedef struct xmc_tuned_inputs xmc_tuned_inputs;

/*
 * x (rows, input_dim) of the batch's network, as xmc_inputs_gather sets it; where the network changes the encoder, the embedding of each row
 * that has tokens is the vector that the changed encoder makes of them. tuned NULL: no backward pass follows, and there is no
 * dropout. Else *tuned is set for xmc_tuned_inputs_backward; NULL where the network changes none. Dropout takes one number of
 * `random`; random NULL: none. Errors: XMC_BAD_MODEL (the model has no encoder, or one of another width), XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_network_gather(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_random *random,
									 float *x, xmc_tuned_inputs **tuned);

/* vector (texts, embedding_dim): those of texts by the changed encoder, not standardised. Errors: the same. */
extern xmc_status xmc_tuned_text_vectors(xmc_arena *arena, const xmc_model *model, const xmc_token_batch *text, float *vector);

/* Adds to the changes of grad; dx (rows, input_dim) is the gradient by x. Errors: the same. */
extern xmc_status xmc_tuned_inputs_backward(xmc_arena *arena, const xmc_model *model, xmc_tuned_inputs *tuned, const float *dx,
											const xmc_network *grad);

#endif
