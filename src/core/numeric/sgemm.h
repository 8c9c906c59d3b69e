/*
 * sgemm.h - the product of two matrices, in one thread, by loops of our own for several generations of processors.
 *
 * A row of the result is the same to the bit whatever other rows are computed with it. The stop callback is called at least every
 * 10 ms.
 */
#ifndef XMCOH_SGEMM_H
#define XMCOH_SGEMM_H

#include "xmcoh/base.h"

typedef enum xmc_transpose
{
	XMC_PLAIN = 0,
	XMC_TRANSPOSED = 1
} xmc_transpose;

/*
 * C = alpha op(A) op(B) + beta C, row-major: op(A) is (m, k), op(B) is (k, n), C is (m, n); lda, ldb, ldc are the strides
 * of the rows, in values. m, n or k may be 0. At most one of A and B is transposed. Errors: XMC_BAD_INPUT (a stride shorter than its
 * row, both transposed), XMC_STOPPED.
 */
extern xmc_status xmc_sgemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b,
							int64_t m, int64_t n, int64_t k,
							float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
							float beta, float *c, int64_t ldc);

#endif
