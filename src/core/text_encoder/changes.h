/*
 * changes.h - what fine-tuning changes in the last layers of an encoder, which itself stays as it was imported. Of these layers
 * - all parameters change: each gets a difference added, rounded to half precision, in which a model file stores it; or,
 * - with a rank above 0, adapters of this rank learn (LoRA: Hu et al. 2021, arXiv:2106.09685): of the projections to queries and
 *   to values, W becomes W + XMC_ADAPTER_SCALE B A.
 *
 * The changed parameters are computed for each pass: of all layers where a backward pass follows, else of one layer at a time. Because
 * differences are rounded there, scores are the same before a model is stored and after. The gradient by A and B comes from that by the
 * queries and values without that by W, which would cost d / rank times as much.
 */
#ifndef XMCOH_CHANGES_H
#define XMCOH_CHANGES_H

#include "text_encoder/transformer.h"

#define XMC_ADAPTER_SCALE 2.0f	/* alpha / rank of the paper, with alpha twice the rank */

/* The changes of the encoder's last n layers, the first of these first; n 0: there are none. */
struct xmc_changes
{
	int32_t		n;
	int32_t		rank;			/* of adapters; 0: all parameters change */
	const xmc_change *layer;	/* (n) */
};

/*
 * Whether a model with these changes fits to the encoder: so many layers of this width, and, where all parameters change, a
 * feed-forward network of the usual width, four times that of the vectors. Errors: XMC_BAD_MODEL.
 */
extern xmc_status xmc_changes_check(xmc_ctx *ctx, const xmc_transformer *base, int32_t dim, int32_t n, int32_t rank);

/* *out is layer l of the encoder with its changes, otherwise as below. */
extern xmc_status xmc_changed_layer(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes, int32_t l, xmc_layer *out);

/*
 * *out is the encoder with its changes: parameters that differ are allocated in the arena, all others are those of `base`. Errors:
 * XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_changes_apply(xmc_arena *arena, const xmc_transformer *base, const xmc_changes *changes, xmc_transformer *out);

/* The parameters of layer l of the encoder in `values`, which holds them in the order of the tensors of the encoder's file. */
extern xmc_layer xmc_layer_at(const xmc_transformer *base, int32_t l, float *values);

/*
 * Adds to grad the gradient by A and B of one layer. d_qkv (rows, 3 d) is the gradient by its queries, keys and values, input
 * (rows, d) what they are computed of; scratch (rows, rank). Errors: XMC_STOPPED.
 */
extern xmc_status xmc_adapter_gradient(xmc_ctx *ctx, int32_t d, int32_t rank, const xmc_change *adapter, int64_t rows,
									   const float *input, const float *d_qkv, float *scratch, const xmc_change *grad);

#endif
