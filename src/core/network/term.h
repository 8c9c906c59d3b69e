/*
 * term.h - the scores of one part of a model (sparse term, linear term or network of a modality, bilinear term) over a
 * batch, alike for all of them: scoring adds the parts' scores up, training takes them one by one.
 */
#ifndef XMCOH_TERM_H
#define XMCOH_TERM_H

#include "xmcoh/base.h"
#include "xmcoh/batch.h"
#include "network/bilinear.h"
#include "network/linear.h"
#include "network/network.h"
#include "xmcoh/model.h"
#include "xmcoh/sparse.h"

typedef struct xmc_term_state
{
	xmc_term	term;
	const float *x;				/* (rows, input_dim) as of xmc_inputs_gather; NULL for the sparse and the bilinear term */
	double	   *u;				/* (rows) of an additive part */
	xmc_network_state deep;		/* of a network */
	xmc_bilinear_state bilinear;
} xmc_term_state;

/* Whether the model has that part. */
extern bool xmc_has_term(const xmc_model *model, xmc_term term);

/* `random` and `learn` as in xmc_network_forward. Errors: XMC_NO_MEMORY, XMC_STOPPED. */
extern xmc_status xmc_term_forward(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_term term,
								   xmc_random *random, bool learn, xmc_term_state *state);

/* s(i,j) of rows i and j, i != j, of the batch's document k. */
static inline double
xmc_term_score(const xmc_batch *batch, const xmc_term_state *state, int32_t k, int32_t i, int32_t j)
{
	if (state->u)
	{
		const double *u = state->u + batch->row_start[k];

		return u[j] - u[i];
	}
	return state->term == XMC_TERM_BILINEAR ? xmc_bilinear_score(batch, &state->bilinear, k, i, j)
		: xmc_network_score(batch, &state->deep, k, i, j);
}

/* That score for every labelled pair of some documents, into s (their pairs one after the other). The arena is not reset. */
extern xmc_status xmc_term_pair_scores(xmc_arena *arena, const xmc_model *model, xmc_term term, int32_t n_documents,
									   const xmc_document *const *document, float *s);

/*
 * Row of each item of document k in the batch, counted from its first; -1 where the item has none. (items) in the
 * arena; NULL: no memory.
 */
extern int32_t *xmc_batch_rows(xmc_arena *arena, const xmc_batch *batch, int32_t k);

#endif
