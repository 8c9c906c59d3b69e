/*
 * gradient.h - the pairwise logistic loss of some documents and its gradient (design section 4, "Loss"): softplus(-s) of
 * each labelled pair with its weight, mean over the document's labelled pairs, mean over documents.
 */
#ifndef XMCOH_GRADIENT_H
#define XMCOH_GRADIENT_H

#include "xmcoh/base.h"
#include "xmcoh/batch.h"
#include "xmcoh/model.h"
#include "xmcoh/sparse.h"

/*
 * The loss of one part alone. Adds to the part's dense gradients in `grad` (laid out like model) and its hashed ones in
 * `hashed` (of the sparse term, or of the bag; NULL where the part has none) the gradient of (sum over these documents of
 * the document's mean loss) / divisor, and sets *loss to that sum. Pairs whose items lack what the part reads do not
 * count. `random` NULL: no dropout. Of a network with a bag and without `hashed`, the gradient by the bags of the rows goes
 * to d_bag (rows, bag_dim), see xmc_bag_backward. The arena is not reset. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_term_gradient(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, xmc_term term,
									double divisor, xmc_random *random, const xmc_model *grad, xmc_adagrad *hashed,
									float *d_bag, double *loss);

#endif
