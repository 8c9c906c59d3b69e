/*
 * adapters.h - changes of low rank to an encoder's layers, by which it is fine-tuned (LoRA: Hu et al. 2021, arXiv:2106.09685):
 * of the projections to queries and to values, W becomes W + XMC_ADAPTER_SCALE B A. The encoder itself stays as it was imported.
 *
 * The changed weights are computed once for each pass, so the passes know nothing of adapters. The gradient by A and B comes
 * from that by the queries and values without that by W, which would cost d / rank times as much.
 */
#ifndef XMCOH_ADAPTERS_H
#define XMCOH_ADAPTERS_H

#include "text_encoder/transformer.h"

#define XMC_ADAPTER_SCALE 2.0f	/* alpha / rank of the paper, with alpha twice the rank */

/* The adapters of the encoder's last n layers, the first of these first; n 0: there are none. */
typedef struct xmc_adapters
{
	int32_t		n;
	int32_t		rank;
	const xmc_adapter *layer;	/* (n) */
} xmc_adapters;

/*
 * *out is the encoder with its adapters: weights that differ are allocated in the arena, all others are those of `base`. Errors:
 * XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_adapters_apply(xmc_arena *arena, const xmc_transformer *base, const xmc_adapters *adapters,
									 xmc_transformer *out);

/*
 * Adds to grad the gradient by A and B of one layer. d_qkv (rows, 3 d) is the gradient by its queries, keys and values, input
 * (rows, d) what they are computed of; scratch (rows, rank). Errors: XMC_STOPPED.
 */
extern xmc_status xmc_adapter_gradient(xmc_ctx *ctx, int32_t d, int32_t rank, const xmc_adapter *adapter, int64_t rows,
									   const float *input, const float *d_qkv, float *scratch, const xmc_adapter *grad);

#endif
