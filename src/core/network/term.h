/*
 * term.h - the scores of one term of a model over a batch, with one interface for all terms: sparse, mention, linear
 * term or network of a modality, bilinear term. Scoring adds the scores of a modality's terms; training trains one term at a time.
 */
#ifndef XMCOH_TERM_H
#define XMCOH_TERM_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "network/bilinear.h"
#include "network/linear.h"
#include "network/mentions.h"
#include "network/network.h"
#include "xmcoh/model.h"
#include "network/sparse.h"

typedef struct xmc_term_state
{
	xmc_term	term;
	double	   *u;				/* (rows) of an additive term, sparse or linear; else NULL */
	xmc_network_state network;	/* of a network */
	float	  **mentions;		/* (documents) of the mention term: xmc_mentions_forward; else NULL */
	xmc_bilinear_state bilinear;	/* of the bilinear term */
} xmc_term_state;

/* Whether the model has that term. */
extern bool xmc_has_term(const xmc_model *model, xmc_term term);

/* Computes the scores; random and learn are those of xmc_network_forward. Errors: XMC_NO_MEMORY, XMC_STOPPED. */
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
	if (state->mentions)
	{
		const int32_t *item = batch->item + batch->row_start[k];

		return xmc_mentions_score(batch->document[k]->n, state->mentions[k], item[i], item[j]);
	}
	return state->term == XMC_TERM_BILINEAR ? xmc_bilinear_score(batch, &state->bilinear, k, i, j)
		: xmc_network_score(batch, &state->network, k, i, j);
}

/*
 * Sets s to the term's score of every labelled pair of n_documents documents, one document after the other; 0 where an item
 * is not in the term's modality. The arena is not reset. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_term_pair_scores(xmc_arena *arena, const xmc_model *model, xmc_term term, int32_t n_documents,
									   const xmc_document *const *document, float *s);

/*
 * The row of each item of document k, counted from the document's first row; -1 if the item has none. The result (items) is
 * in the arena; NULL: out of memory.
 */
extern int32_t *xmc_batch_rows(xmc_arena *arena, const xmc_batch *batch, int32_t k);

#endif
