/*
 * inputs.h - the inputs of the terms: of each row the bag and the standardised embedding, and for comparisons of items one
 * side of an item, that is, its standardised embedding and a random projection of its words (design section 4,
 * "Embeddings", "Parts").
 */
#ifndef XMCOH_INPUTS_H
#define XMCOH_INPUTS_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "model/dims.h"
#include "xmcoh/model.h"

/*
 * Sets the network's input_mean to the mean of its embeddings over these documents, and input_scale to 1 / (root of their
 * mean variance), one number for all dimensions (0 if all inputs are constant). Then inputs have size 1 whatever their
 * units, and the geometry of the embedding space stays. A scale per dimension would enlarge the weak dimensions, which are
 * mostly noise (doc/method.md). The bag's dimensions keep mean 0 and scale 1. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_inputs_fit(xmc_arena *scratch, xmc_model *model, xmc_modality modality, int32_t n_documents,
								 const xmc_document *const *document);

/* The embedding of one item in one modality, not standardised; NULL: it has none (a text item may have words alone). */
extern const float *xmc_inputs_embedding(const xmc_options *options, xmc_modality modality, const xmc_document *document,
										 int32_t item);

/* x (rows, input_dim) = bag, then standardised embedding, of each row; a missing embedding counts as the mean. */
extern void xmc_inputs_gather(const xmc_model *model, const xmc_batch *batch, float *x);

/* x (embedding_dim) = the standardised embedding */
extern void xmc_inputs_standardise(const xmc_network *network, const float *embedding, float *x);

/*
 * One side (text or image) of one item, for the bilinear term and the alignment: x (xmc_inputs_side_dim) = the standardised
 * embedding, then, if `words`, a random projection of the words (Achlioptas 2003): the sum of XMC_WORD_SIGNS signs per
 * word, divided by the square root of the number of words, so that the values have size 1, too. The signs are bits of a
 * hash, so there is no table, and they are the same on every machine. A missing input is 0. Nothing here is trained.
 */
extern void xmc_inputs_side(const xmc_model *model, xmc_modality side, bool words, const xmc_document *document, int32_t item,
							float *x);

/* The work of xmc_inputs_side, in cells of xmc_spend. */
static inline int64_t
xmc_inputs_side_work(const xmc_options *options, xmc_modality side, bool words, const xmc_document *document, int32_t item)
{
	int64_t		features = words ? document->feature_start[item + 1] - document->feature_start[item] : 0;

	return xmc_inputs_side_dim(options, side, words) + features * (XMC_WORD_SIGNS / 16);
}

#endif
