/*
 * attribution.h - which inputs of a network make up its score of a pair: integrated gradients (Sundararajan et al. 2017).
 *
 * The baseline is the document whose items have no words and mean embeddings. All its items are alike, so the antisymmetric
 * score of each pair is 0 there. Hence s(i,j) is the sum over all inputs of x times the mean gradient of s(i,j) on the
 * straight line from the baseline to the document.
 */
#ifndef XMCOH_ATTRIBUTION_H
#define XMCOH_ATTRIBUTION_H

#include "xmcoh/base.h"
#include "network/batch.h"
#include "xmcoh/model.h"

/*
 * gradient (rows, input_dim) = the mean gradient of the score s(i,j) of rows i and j by each input, for a batch of one document
 * whose inputs are x (rows, input_dim), by Gauss-Legendre quadrature with XMC_ATTRIBUTION_NODES nodes. Errors: XMC_NO_MEMORY,
 * XMC_STOPPED.
 */
#define XMC_ATTRIBUTION_NODES 16
extern xmc_status xmc_network_mean_gradient(xmc_ctx *ctx, const xmc_model *model, const xmc_batch *batch, const float *x,
											int32_t i, int32_t j, double *gradient);

#endif
