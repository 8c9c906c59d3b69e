/*
 * network.h - the deep score of one modality over a batch: encoder and pair head; forward and backward.
 */
#ifndef XMCOH_NETWORK_H
#define XMCOH_NETWORK_H

#include "xmcoh/base.h"
#include "xmcoh/batch.h"
#include "network/encoder.h"
#include "network/inputs.h"
#include "network/pairhead.h"
#include "xmcoh/sparse.h"

typedef struct xmc_network_state
{
	xmc_encoder_state encoder;
	xmc_pairhead_state head;
	float	   *g;				/* (ordered pairs) */
} xmc_network_state;

/*
 * The score s(i,j) = g(i,j) - g(j,i) of rows i, j of document k is read with xmc_network_score. x (R, input_dim) is from
 * xmc_inputs_gather. `random` NULL: no dropout; `learn`: keep what the backward pass needs. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_network_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch,
								   const float *x, xmc_random *random, bool learn, xmc_network_state *state);

static inline float
xmc_network_score(const xmc_batch *batch, const xmc_network_state *state, int32_t k, int32_t i, int32_t j)
{
	int32_t		n = batch->row_start[k + 1] - batch->row_start[k];
	const float *g = state->g + batch->pair_start[k];

	return g[xmc_pair_index(n, i, j)] - g[xmc_pair_index(n, j, i)];
}

/*
 * From dg (ordered pairs): adds to the dense gradients in `grad` and, if the model has a bag, to bag_grad; where that is
 * NULL, sets d_bag (rows, bag_dim), the gradient by the bags of the rows.
 */
extern xmc_status xmc_network_backward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch,
									const xmc_network_state *state, const float *dg, const xmc_network *grad,
									xmc_adagrad *bag_grad, float *d_bag);

#endif
