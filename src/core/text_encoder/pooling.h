/*
 * pooling.h - from the vectors of a text's tokens to the vector of the text: their mean, or the first; divided by its length where
 * the encoder says so. Forward and backward.
 */
#ifndef XMCOH_POOLING_H
#define XMCOH_POOLING_H

#include "xmcoh/text_encoder.h"

/*
 * x (rows, dim) are the tokens' vectors, out (dim) that of the text; without tokens it is 0. sum (dim) is scratch. *length, unless
 * NULL, is the length by which the vector was divided: 1 where vectors are not normalised. Errors: XMC_BAD_MODEL (not finite).
 */
extern xmc_status xmc_pool(xmc_ctx *ctx, const xmc_text_encoder_shape *shape, int64_t rows, const float *x, double *sum, float *out,
						   double *length);

/*
 * Sets dx (rows, dim) to the gradient by the tokens' vectors. y (dim) and length are those of the forward pass, dy (dim) is the
 * gradient by y.
 */
extern void xmc_pool_backward(const xmc_text_encoder_shape *shape, int64_t rows, const float *y, double length, const float *dy,
							  float *dx);

#endif
