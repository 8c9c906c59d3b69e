/*
 * gradient.h - the pairwise logistic loss of some documents and its gradient (design section 4, "Loss"): softplus(-s) of each
 * labelled pair with its weight, mean over the document's labelled pairs, mean over documents.
 */
#ifndef XMCOH_GRADIENT_H
#define XMCOH_GRADIENT_H

#include "xmcoh/base.h"
#include "xmcoh/batch.h"
#include "xmcoh/deep.h"
#include "xmcoh/sparse.h"

/*
 * The deep score alone. Adds to grad (laid out like model; zero it first) and bag_grad (NULL without a bag) the gradient of
 * (sum over these documents of the document's mean loss) / divisor, and sets *loss to that sum. Pairs whose items lack the modality
 * do not count. `random` NULL: no dropout. The arena is not reset. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_deep_gradient(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, double divisor,
									xmc_random *random, const xmc_model *grad, xmc_adagrad *bag_grad, double *loss);

/* The same for the sparse term alone. */
extern xmc_status xmc_sparse_gradient(xmc_arena *arena, const xmc_model *model, const xmc_batch *batch, double divisor,
									  xmc_adagrad *sparse_grad, double *loss);

#endif
