/*
 * gradient.h - the pairwise logistic loss of some documents by a network or the bilinear term, and its gradient (design
 * section 4, "Loss"): softplus(-s) of each labelled pair times its weight, mean over the labelled pairs of a document, mean
 * over documents. additive_fit.c has the other terms.
 */
#ifndef XMCOH_GRADIENT_H
#define XMCOH_GRADIENT_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "xmcoh/model.h"
#include "network/sparse.h"

/*
 * Sets *loss to the sum over these documents of the mean loss of a document, by the scores of this term alone, and adds
 * the gradient of *loss / divisor: of the dense parameters to `grad` (laid out like model), of the hashed ones to
 * `hashed` (of the bag; NULL where the term has none). Pairs of which an item lacks what the term
 * reads do not count. `random` NULL: no dropout. For a network with a bag and without `hashed`, the gradient by the bags
 * of the rows goes to d_bag (rows, bag_dim): see xmc_bag_backward. The arena is not reset. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
extern xmc_status xmc_term_gradient(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_term term,
									double divisor, xmc_random *random, const xmc_model *grad, xmc_adagrad *hashed,
									float *d_bag, double *loss);

#endif
