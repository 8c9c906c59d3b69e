/*
 * transformer.h - the forward pass of a text encoder: embeddings of tokens and positions, then post-norm Transformer layers
 * with GELU (Vaswani et al. 2017; Devlin et al. 2019).
 *
 * The rows of all texts of a batch stand one under the other, without padding. Tokens attend to tokens of their own text
 * only, and every other step takes each row alone, so the rows of a text are the same to the bit in any batch (see
 * numeric/sgemm.h).
 */
#ifndef XMCOH_TRANSFORMER_H
#define XMCOH_TRANSFORMER_H

#include "text_encoder/encoder_model.h"

#include "xmcoh/random.h"

typedef struct xmc_token_batch
{
	int32_t		n_texts;
	const int32_t *row_start;	/* (n_texts + 1) */
	const int32_t *token;		/* (rows) each below the vocabulary; a text has at most max_tokens */
} xmc_token_batch;

/* A forward pass that a backward pass of the last layers follows; these have dropout (Srivastava et al. 2014). */
typedef struct xmc_transformer_learning
{
	int32_t		first;			/* the first of these layers */
	int32_t		kept;			/* the first of them whose state is kept; that of the layers before it is computed once more */
	double		dropout;		/* of attention probabilities, and of what attention and feed-forward network add to their input */
	uint64_t	seed;			/* of the dropout: the same seed and batch give the same masks */
} xmc_transformer_learning;

/*
 * What the forward pass of a layer computes. R = rows of the batch, d = dim. A layer that learns and is kept has arrays of its own;
 * one that learns and is not kept has those of the last layer, but its own output. Other layers share arrays, probability is NULL,
 * before is hidden, and normal1 and normal2 are middle and output. A mask has the factors of the dropout; NULL: there is none.
 */
typedef struct xmc_transformer_layer_state
{
	xmc_random	random;			/* of the dropout, as it was before the layer */
	const float *input;			/* (R, d) */
	float	   *qkv;			/* (R, 3 d) */
	float	   *probability;	/* per text (heads, n, n), one text after the other */
	float	   *probability_mask;	/* like probability */
	float	   *attention_mask; /* (R, d) of what attention adds */
	float	   *output_mask;	/* (R, d) of what the feed-forward network adds */
	float	   *attended;		/* (R, d) */
	float	   *normal1;		/* (R, d) */
	float	   *inverse1;		/* (R) */
	float	   *middle;			/* (R, d) output of the first normalisation */
	float	   *before;			/* (R, feed_forward) before GELU */
	float	   *hidden;			/* (R, feed_forward) after GELU */
	float	   *normal2;		/* (R, d) */
	float	   *inverse2;		/* (R) */
	float	   *output;			/* (R, d) */
} xmc_transformer_layer_state;

typedef struct xmc_transformer_state
{
	float	   *inverse;		/* (R) */
	float	   *embedded;		/* (R, d) */
	xmc_transformer_layer_state layer[XMC_ENCODER_MAX_LAYERS];
	const float *output;		/* (R, d) of the last layer */
} xmc_transformer_state;

/* Loops without a product call the stop callback after so many rows. The number of rows in the step that begins at row r. */
#define XMC_STEP_ROWS 64
static inline int64_t
xmc_step_rows(int64_t rows, int64_t r)
{
	return rows - r < XMC_STEP_ROWS ? rows - r : XMC_STEP_ROWS;
}

typedef struct xmc_changes xmc_changes; /* changes.h */

/*
 * Sets state->output; with `learning` also all that a backward pass needs. NULL: none follows. `changes` are made to each layer when its
 * turn comes, so that there is room for one; NULL: none, as it must be with `learning`. Everything is allocated in the arena. Errors:
 * XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_transformer_forward(xmc_arena *arena, const xmc_transformer *transformer, const xmc_changes *changes,
										  const xmc_token_batch *batch, const xmc_transformer_learning *learning,
										  xmc_transformer_state *state);

/* The bytes of the state of one layer that learns, where it is kept. */
extern int64_t xmc_transformer_layer_bytes(const xmc_transformer *transformer, const xmc_token_batch *batch, double dropout);

/*
 * Computes the state of layer l once more, to the bit, after a forward pass that did not keep it. It takes the place of that of the
 * layer that was computed or kept last. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_transformer_again(xmc_arena *arena, const xmc_transformer *transformer, const xmc_token_batch *batch,
										const xmc_transformer_learning *learning, const xmc_transformer_state *state, int32_t l);

#endif
