/*
 * inputs.h - what the parts read: the trained bag and the embedding of each row, standardised; the signs of words; and the
 * linear term, which reads nothing but the embedding.
 */
#ifndef XMCOH_INPUTS_H
#define XMCOH_INPUTS_H

#include "xmcoh/base.h"
#include "xmcoh/batch.h"
#include "model/dims.h"
#include "xmcoh/model.h"

/*
 * Sets the network's input_mean to the mean of its embedding inputs over these documents, and input_scale to 1 / their root
 * mean variance, one number for all dimensions (0 if they are all constant). So training sees inputs of size 1 whatever
 * their units, while the geometry of the embedding space stays: scaling each dimension by itself would blow up the weak
 * ones, which are mostly noise (guides: tau of a linear image model .134 so, .143 with one scale). The bag's dimensions are
 * left as they are (mean 0, scale 1). Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_inputs_fit(xmc_arena *scratch, xmc_model *model, xmc_modality modality, int32_t n_documents,
								 const xmc_document *const *document);

/* x (rows, input_dim): bag, then standardised embedding; a missing embedding counts as the mean. */
extern void xmc_inputs_gather(const xmc_model *model, const xmc_batch *batch, float *x);

/*
 * One side of one item without anything trained, x (xmc_inputs_side_dim), for the parts that compare items rather than
 * describe them: the embedding, standardised as above; and behind it, if asked for, a random projection of the words to
 * signs (Achlioptas 2003), over the square root of their number: so these have size 1, too. The signs are bits of a hash,
 * so there is no table and they are the same on every machine. What is missing is 0.
 */
extern void xmc_inputs_side(const xmc_model *model, xmc_modality side, bool words, const xmc_document *document, int32_t item,
							float *x);

/* How long that takes, for xmc_spend. */
static inline int64_t
xmc_inputs_side_work(const xmc_options *options, xmc_modality side, bool words, const xmc_document *document, int32_t item)
{
	int64_t		features = words ? document->feature_start[item + 1] - document->feature_start[item] : 0;

	return xmc_inputs_side_dim(options, side, words) + features * (XMC_WORD_SIGNS / 16);
}

/*
 * The additive linear term over the embedding: u (rows) = x . linear; like the sparse term it contributes u(j) - u(i) to
 * s(i,j). Few labels suffice for it where the encoder needs many.
 */
extern void xmc_linear_term_forward(const xmc_model *model, const xmc_batch *batch, const float *x, double *u);
extern void xmc_linear_term_backward(const xmc_model *model, const xmc_batch *batch, const float *x, const double *du,
									 float *dlinear);

#endif
