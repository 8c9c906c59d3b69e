/*
 * openblas.h - the serial OpenBLAS as the BLAS of a context, for programs that are linked with it: unit tests and benchmarks.
 */
#ifndef OPENBLAS_H
#define OPENBLAS_H

#include "xmcoh/base.h"

#include <cblas.h>

static inline xmc_status
openblas_gemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
			  const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	(void) ctx;
	cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
				(int) m, (int) n, (int) k, alpha, a, (int) lda, b, (int) ldb, beta, c, (int) ldc);
	return XMC_OK;
}

/* A context on malloc and free that never stops, with OpenBLAS. */
static inline xmc_ctx
openblas_ctx(void)
{
	xmc_ctx		ctx = xmc_ctx_malloc();

	ctx.gemm = openblas_gemm;
	return ctx;
}

#endif
