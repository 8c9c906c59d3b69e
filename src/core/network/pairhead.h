/*
 * pairhead.h - the pair head (design section 4, "Pair head"): g(i,j) = v . tanh(A h_i + B h_j + c), s(i,j) = g(i,j) -
 * g(j,i), so s is antisymmetric. A h and B h of all rows are one matrix product; only the tanh is per pair.
 */
#ifndef XMCOH_PAIRHEAD_H
#define XMCOH_PAIRHEAD_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "xmcoh/model.h"

typedef struct xmc_pairhead_state
{
	const float *h;				/* (R, d) */
	float	   *ab;				/* (R, 2 d) A h beside B h */
	float	   *t;				/* (ordered pairs, d) tanh values of every document, see xmc_pair_index */
} xmc_pairhead_state;

/*
 * Sets g (ordered pairs of all documents) from h (R, d). keep_t: the tanh values are stored for the backward pass.
 * Otherwise (scoring) only those of one item's pairs are in memory at a time, and state->t is NULL. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_pairhead_forward(xmc_arena *arena, int32_t d, const xmc_network *network, const xmc_batch *batch,
									   const float *h, bool keep_t, xmc_pairhead_state *state, float *g);

/* From dg (ordered pairs): adds to grad, where that is not NULL, and sets dh (R, d). */
extern xmc_status xmc_pairhead_backward(xmc_arena *arena, int32_t d, const xmc_network *network,
										const xmc_batch *batch, const xmc_pairhead_state *state, const float *dg,
										const xmc_network *grad, float *dh);

#endif
