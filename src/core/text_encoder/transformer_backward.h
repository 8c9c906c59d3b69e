/*
 * transformer_backward.h - the backward pass of a text encoder, for fine-tuning: the gradient of a loss by the parameters of its
 * last layers.
 *
 * The gradient of a layer is an xmc_layer whose pointers are added to. A pointer that is NULL is a parameter that is not trained:
 * its gradient is not computed.
 */
#ifndef XMCOH_TRANSFORMER_BACKWARD_H
#define XMCOH_TRANSFORMER_BACKWARD_H

#include "text_encoder/transformer.h"

/*
 * state: of xmc_transformer_forward with `keep`. d_output (R, d), the gradient by the output of the last layer, is overwritten.
 * Adds to grad[l] for the layers l from `first` to the last one; grad has the transformer's layers. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_transformer_backward(xmc_arena *arena, const xmc_transformer *transformer, const xmc_token_batch *batch,
										   const xmc_transformer_state *state, int32_t first, float *d_output, const xmc_layer *grad);

#endif
