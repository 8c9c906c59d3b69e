/*
 * blas.h - the product of two matrices by a serial CBLAS. Dimensions are checked before the call, because OpenBLAS only
 * prints a message and continues when they are wrong. Large products are cut into tiles, so that the stop callback is
 * called at least every 50 ms.
 */
#ifndef XMCOH_BLAS_H
#define XMCOH_BLAS_H

#include "xmcoh/base.h"

typedef enum xmc_transpose
{
	XMC_PLAIN = 0,
	XMC_TRANSPOSED = 1
} xmc_transpose;

/*
 * C = alpha op(A) op(B) + beta C, row-major: op(A) is (m, k), op(B) is (k, n), C is (m, n); lda, ldb, ldc are the strides
 * of the rows, in values. m, n or k may be 0. Errors: XMC_BAD_INPUT (a stride shorter than its row), XMC_STOPPED.
 */
extern xmc_status xmc_sgemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b,
							int64_t m, int64_t n, int64_t k,
							float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
							float beta, float *c, int64_t ldc);

#endif
