/*
 * network.h - the network of one modality, encoder and pair head together, over a batch: forward and backward pass (design
 * section 4, "Encoder", "Pair head"). One of the terms of term.h.
 */
#ifndef XMCOH_NETWORK_H
#define XMCOH_NETWORK_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "network/encoder.h"
#include "network/inputs.h"
#include "network/pairhead.h"
#include "network/sparse.h"

typedef struct xmc_network_state
{
	xmc_encoder_state encoder;
	xmc_pairhead_state head;
	float	   *g;				/* (ordered pairs) */
	struct xmc_tuned_inputs *tuned; /* of xmc_network_gather, set by its caller before a backward pass; NULL: x is of an unchanged encoder */
} xmc_network_state;

/*
 * Computes g of all ordered pairs; xmc_network_score then gives the score s(i,j) = g(i,j) - g(j,i) of rows i and j of
 * document k. x (R, input_dim) is from xmc_inputs_gather. random NULL: no dropout. learn: what the backward pass needs is
 * stored. Errors: XMC_NO_MEMORY, XMC_STOPPED.
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
 * dg (ordered pairs) is the gradient by g. Adds to the dense gradients in grad. If the model has a bag, also adds to
 * bag_grad; if bag_grad is NULL, sets d_bag (rows, bag_dim) to the gradient by the rows' bags instead.
 */
extern xmc_status xmc_network_backward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch,
									   const xmc_network_state *state, const float *dg, const xmc_network *grad,
									   xmc_adagrad *bag_grad, float *d_bag);

#endif
