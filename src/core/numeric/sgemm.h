/*
 * sgemm.h - the product of two matrices, in one thread: the forward pass by loops of our own for several generations of
 * processors, the backward pass by the BLAS that the context offers.
 *
 * The stop callback is called at least every 50 ms.
 */
#ifndef XMCOH_SGEMM_H
#define XMCOH_SGEMM_H

#include "xmcoh/base.h"

/*
 * C = alpha op(A) op(B) + beta C, row-major: op(A) is (m, k), op(B) is (k, n), C is (m, n); lda, ldb, ldc are the strides
 * of the rows, in values. m, n or k may be 0. At most one of A and B is transposed. Errors: XMC_BAD_INPUT (a stride shorter than its
 * row, both transposed), XMC_STOPPED, and those of ctx->gemm.
 *
 * A B^T is never given to ctx->gemm. A row of such a product is the same to the bit whatever other rows are computed with it.
 */
extern xmc_status xmc_sgemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b,
							int64_t m, int64_t n, int64_t k,
							float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
							float beta, float *c, int64_t ldc);

/*
 * The same without ctx->gemm, whatever the size: for the forward pass. So a row never depends on other rows, and a session that only
 * scores needs no BLAS.
 */
extern xmc_status xmc_sgemm_forward(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b,
									int64_t m, int64_t n, int64_t k,
									float alpha, const float *a, int64_t lda, const float *b, int64_t ldb,
									float beta, float *c, int64_t ldc);

#endif
