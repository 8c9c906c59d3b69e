/*
 * encoder.h - the encoder of one modality: input projection, then post-norm Transformer layers without positional encoding,
 * so a permutation of the items permutes the output (design section 4, "Encoder"; Vaswani et al. 2017). Items attend to
 * items of their own document only.
 */
#ifndef XMCOH_ENCODER_H
#define XMCOH_ENCODER_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "xmcoh/model.h"

/*
 * What the forward pass stores for the backward pass, all in the arena. R = rows of the batch, d = d_model. Masks are those
 * of dropout; NULL without.
 */
typedef struct xmc_layer_state
{
	const float *input;			/* (R, d) */
	float	   *qkv;			/* (R, 3 d) */
	float	   *probability;	/* per document (heads, n, n) */
	float	   *probability_mask;	/* the same shape; NULL without dropout */
	float	   *attended;		/* (R, d) */
	float	   *attention_mask; /* (R, d) */
	float	   *normal1;		/* (R, d) */
	float	   *inverse1;		/* (R) */
	float	   *middle;			/* (R, d) output of the first normalisation */
	float	   *hidden;			/* (R, feed_forward) after ReLU and dropout */
	float	   *hidden_mask;	/* (R, feed_forward) */
	float	   *output_mask;	/* (R, d) */
	float	   *normal2;		/* (R, d) */
	float	   *inverse2;		/* (R) */
	float	   *output;			/* (R, d) */
} xmc_layer_state;

typedef struct xmc_encoder_state
{
	const float *x;				/* (R, input_dim) */
	float	   *projected;		/* (R, d) after dropout */
	float	   *projected_mask; /* (R, d) */
	int64_t    *probability_start;	/* (n_documents) into each layer's probability */
	xmc_layer_state layer[XMC_MAX_LAYERS];
	float	   *output;			/* (R, d) */
} xmc_encoder_state;

/* x (R, input_dim) to state->output (R, d). `random` NULL: no dropout (scoring). Errors: XMC_NO_MEMORY, XMC_STOPPED. */
extern xmc_status xmc_encoder_forward(xmc_arena *arena, const xmc_options *options, const xmc_network *network,
									  const xmc_batch *batch, const float *x, xmc_random *random,
									  xmc_encoder_state *state);

/* Adds to the gradients in `grad` that are not NULL; d_output (R, d) is overwritten; dx (R, input_dim) is set unless NULL. */
extern xmc_status xmc_encoder_backward(xmc_arena *arena, const xmc_options *options, const xmc_network *network,
									   const xmc_batch *batch, const xmc_encoder_state *state,
									   float *d_output, const xmc_network *grad, float *dx);

#endif
