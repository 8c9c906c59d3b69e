/*
 * row_linear.h - a linear layer in which a row of the result is the same to the bit whatever other rows are computed with
 * it.
 *
 * OpenBLAS does not promise that: with AVX2, a row of a product differs in its last bits between 20 rows and 24 rows, and
 * between the places in one call (measured, 0.3.21). Here each value is one dot product, computed in the same order for
 * every number of rows and every place. Weights are read in place, without the copy that a general product makes, so the
 * layer is as fast for few rows as for many.
 */
#ifndef XMCOH_ROW_LINEAR_H
#define XMCOH_ROW_LINEAR_H

#include "xmcoh/base.h"

/* y (rows, outputs) = x (rows, inputs) w^T + bias; w (outputs, inputs), bias (outputs). Errors: XMC_STOPPED. */
extern xmc_status xmc_row_linear(xmc_ctx *ctx, int64_t rows, int64_t inputs, int64_t outputs,
								 const float *x, const float *w, const float *bias, float *y);

#endif
