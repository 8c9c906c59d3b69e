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

/* Takes the gradient by queries, keys and values of each layer: d_qkv (rows, 3 d), where the layer's input is input (rows, d). */
typedef struct xmc_qkv_taker
{
	void	   *arg;
	xmc_status	(*take) (void *arg, int32_t layer, int64_t rows, const float *input, const float *d_qkv);
} xmc_qkv_taker;

/*
 * state: of xmc_transformer_forward with the same learning. d_output (R, d), the gradient by the output of the last layer, is
 * overwritten. Adds to grad[l] of the layers l that learn; grad has the transformer's layers. taker NULL: none. Errors:
 * XMC_NO_MEMORY, XMC_STOPPED, those of the taker.
 */
extern xmc_status xmc_transformer_backward(xmc_arena *arena, const xmc_transformer *transformer, const xmc_token_batch *batch,
										   const xmc_transformer_learning *learning, const xmc_transformer_state *state,
										   float *d_output, const xmc_layer *grad, const xmc_qkv_taker *taker);

#endif
