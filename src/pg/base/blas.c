/*
 * blas.c - the serial OpenBLAS, loaded at its first use by the full path that the Makefile found; blas.h is the contract.
 */
#include "base/blas.h"

#include <cblas.h>
#include <dlfcn.h>

/*
 * An ERROR in the middle of a product (a lost mapping: mapping.h) leaves the product's buffer in use in OpenBLAS's table of buffers,
 * which has about a hundred entries, until the process ends. So the session is ended (FATAL) long before the table is full.
 */
#define MOST_UNFINISHED 16

typedef __typeof__(&cblas_sgemm) Sgemm;
typedef __typeof__(&openblas_get_parallel) GetParallel;

static Sgemm
load_sgemm(void)
{
	void	   *library = dlopen(XMCOH_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
	GetParallel get_parallel = library ? (GetParallel) dlsym(library, "openblas_get_parallel") : NULL;
	Sgemm		sgemm = get_parallel ? (Sgemm) dlsym(library, "cblas_sgemm") : NULL;

	if (sgemm == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_FILE),
				errmsg("could not load library \"%s\": %s", XMCOH_OPENBLAS, dlerror()),
				errdetail("Training and explanations multiply matrices by this library; scoring does not."),
				errhint("Install the serial OpenBLAS (Debian: libopenblas0-serial)."));

	/*
	 * A threaded OpenBLAS starts threads in the server process, with PostgreSQL's signals unblocked in them. A signal handler
	 * may then run in a thread that PostgreSQL knows nothing of.
	 */
	if (get_parallel() != 0)
	{
		(void) dlclose(library);
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("xmcoh cannot use a threaded OpenBLAS"),
				errdetail("A PostgreSQL process must have one thread only, and \"%s\" starts more.", XMCOH_OPENBLAS),
				errhint("Install the serial OpenBLAS (Debian: libopenblas0-serial)."));
	}
	return sgemm;
}

xmc_status
xmcoh_gemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
		   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	static Sgemm sgemm = NULL;
	static int	unfinished = 0;

	(void) ctx;
	if (sgemm == NULL)
		sgemm = load_sgemm();
	if (unfinished >= MOST_UNFINISHED)
		ereport(FATAL,
				errcode(ERRCODE_IO_ERROR),
				errmsg("too many errors within products of matrices"),
				errdetail("Each has left a buffer of OpenBLAS in use."),
				errhint("Connect again."));
	unfinished++;
	sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans,
		  (int) m, (int) n, (int) k, alpha, a, (int) lda, b, (int) ldb, beta, c, (int) ldc);
	unfinished--;
	return XMC_OK;
}
