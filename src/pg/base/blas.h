/*
 * blas.h - products of matrices of the backward pass by the serial OpenBLAS, which a session loads when the first of them comes.
 *
 * Training and the explain functions have a backward pass. A session that only scores does not load the library (6 ms, and memory).
 */
#ifndef XMCOH_PG_BLAS_H
#define XMCOH_PG_BLAS_H

#include "postgres.h"

#include "xmcoh/base.h"

/*
 * The BLAS of xmcoh_context(). ERROR undefined_file where the library is missing, object_not_in_prerequisite_state where the library
 * has threads, and FATAL after many errors within products.
 */
extern xmc_status xmcoh_gemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k,
							 float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

#endif
