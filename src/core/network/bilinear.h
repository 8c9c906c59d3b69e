/*
 * bilinear.h - the bilinear term, which reads all inputs of an item together and is part of the fused score alone (design
 * section 4, "Parts").
 *
 * s(i,j) = c (q_i . k_j - q_j . k_i), where q_i = Q x_i + b and k_i = K x_i + d are divided by their lengths. x_i is text
 * embedding, projected words and image embedding side by side, as far as the model reads them.
 */
#ifndef XMCOH_BILINEAR_H
#define XMCOH_BILINEAR_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "xmcoh/model.h"
#include "numeric/vector.h"

#define XMC_BILINEAR_SCALE 3.0	/* c: makes differences of cosines about as large as log-odds; calibration fits the rest */

typedef struct xmc_bilinear_state
{
	int32_t		dim;			/* of q and of k, option bilinear_dim */
	const float *x;				/* (rows, xmc_bilinear_input_dim) after dropout */
	float	   *qk;				/* (rows, 2 dim) q, then k, of length 1 */
	double	   *length;			/* (rows, 2) the lengths of q and k before the division */
} xmc_bilinear_state;

/* `random` NULL: no dropout of inputs. A vector of length 0 stays 0. Errors: XMC_NO_MEMORY, XMC_STOPPED. */
extern xmc_status xmc_bilinear_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_random *random,
									   xmc_bilinear_state *state);

/* s(i,j) of rows i and j of the batch's document k; exactly antisymmetric. */
static inline double
xmc_bilinear_score(const xmc_batch *batch, const xmc_bilinear_state *state, int32_t k, int32_t i, int32_t j)
{
	int64_t		dim = state->dim;
	const float *a = state->qk + (batch->row_start[k] + i) * 2 * dim;
	const float *b = state->qk + (batch->row_start[k] + j) * 2 * dim;

	return XMC_BILINEAR_SCALE * (xmc_dot(dim, a, b + dim) - xmc_dot(dim, b, a + dim));
}

/* Adds to the bilinear tensors of grad; dg (ordered pairs, see batch.h) is the gradient by c q_i . k_j. */
extern xmc_status xmc_bilinear_backward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch,
										const xmc_bilinear_state *state, const float *dg, const xmc_model *grad);

#endif
