/*
 * additive_fit.h - the convex fit of an additive term, sparse or linear (design section 4, "Loss"): the mean loss of the
 * documents and a ridge penalty, minimised by L-BFGS, for a sequence of ever smaller penalties.
 *
 * Objective: sum over documents of a_d (sum over labelled pairs of weight softplus(u(before) - u(after))) / sum over documents
 * of a_d + penalty / 2 sum_k (w_k / scale_k)^2. The weights of one document's pairs sum to 1; a_d, the number of its labelled
 * items less one, is how many answers of a person these pairs stand for. The scale of a feature is its inverse document
 * frequency, so that a rare word costs less than a frequent one; all numbers of an embedding have one scale.
 */
#ifndef XMCOH_ADDITIVE_FIT_H
#define XMCOH_ADDITIVE_FIT_H

#include "xmcoh/base.h"
#include "xmcoh/dataset.h"
#include "xmcoh/model.h"

#define XMC_PENALTIES 15
#define XMC_MENTION_PENALTIES 7	/* of the mention term (mention_fit.h) */

/* The number of penalties that are tried for a linear term. */
static inline int32_t
xmc_penalties(xmc_term term)
{
	return term == XMC_TERM_MENTIONS ? XMC_MENTION_PENALTIES : XMC_PENALTIES;
}

/* The penalty of a step, from 1: half of the one before. */
extern double xmc_penalty(int32_t step);

/*
 * The inverse document frequency of each bucket of text features over the items of all documents, log((1 + items) / (1 +
 * items with the feature)) + 1, into idf (2^hash_bits). Errors: XMC_STOPPED.
 */
extern xmc_status xmc_idf(xmc_ctx *ctx, const xmc_options *options, int32_t n_documents, const xmc_document *document,
						  float *idf);

/* Fits of one term to the same documents, one penalty after the other. */
typedef struct xmc_additive_fit xmc_additive_fit;

/*
 * Prepares fits to n documents, which begin from the weights that `model` has. idf is for the sparse term alone. All memory is
 * in the arena, until this is reset; the documents and idf must last as long. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_additive_begin(xmc_arena *arena, xmc_model *model, xmc_term term, const float *idf, int32_t n_documents,
									 const xmc_document *const *document, xmc_additive_fit **out);

/*
 * Fits with the penalty of `step`, beginning from the last fit, and puts the weights into the model. *loss is the documents'
 * weighted mean loss without the penalty. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_additive_step(xmc_additive_fit *fit, int32_t step, double *loss);

#endif
