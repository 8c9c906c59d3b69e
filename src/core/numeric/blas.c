/* blas.c - checked, tiled sgemm; see blas.h */
#include "numeric/blas.h"

#include <cblas.h>

/* On a slow processor with 5 GFLOP/s a tile of this many multiply-adds takes 40 ms. */
#define TILE_MULTIPLY_ADDS INT64_C(100000000)

/*
 * OpenBLAS (0.3.17 and later, on processors for which it has such kernels) multiplies products of at most this size without
 * copying the operands first. For one document, whose rows are few, copying the weights would take most of the time. So
 * such a product is cut into tiles of some columns each: 1.4 times as fast for 8 rows of a paper-size layer (measured).
 */
#define UNCOPIED_MULTIPLY_ADDS INT64_C(900000)
#define FEW_ROWS 16
#define FEWEST_COLUMNS 32		/* with fewer, the calls cost more than the copies */

xmc_status
xmc_sgemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k,
		  float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	int64_t		m_tile = m;
	int64_t		n_tile = n;
	int64_t		k_tile = k;

	if (m < 0 || n < 0 || k < 0 || m > INT32_MAX || n > INT32_MAX || k > INT32_MAX ||
		lda < (transpose_a ? m : k) || ldb < (transpose_b ? k : n) || ldc < n ||
		lda > INT32_MAX || ldb > INT32_MAX || ldc > INT32_MAX)
		return xmc_fail(ctx, XMC_BAD_INPUT,
						"matrix product (%lld, %lld, %lld) with strides %lld, %lld, %lld does not fit",
						(long long) m, (long long) n, (long long) k, (long long) lda, (long long) ldb, (long long) ldc);
	if (m == 0 || n == 0)
		return XMC_OK;

	/*
	 * Halve the longest side until the tile is small enough. The tile stays near a cube, so CBLAS copies the fewest values
	 * per multiplication. If only rows were cut, CBLAS would copy the whole weight matrix again for every few rows.
	 */
	while (m_tile * n_tile * k_tile > TILE_MULTIPLY_ADDS)
	{
		int64_t    *longest = m_tile >= n_tile && m_tile >= k_tile ? &m_tile : n_tile >= k_tile ? &n_tile : &k_tile;

		*longest = (*longest + 1) / 2;
	}

	/* Few rows: tiles of columns that are multiplied without copies. */
	if (m <= FEW_ROWS && m * n * k > UNCOPIED_MULTIPLY_ADDS && UNCOPIED_MULTIPLY_ADDS / (m * k) >= FEWEST_COLUMNS)
	{
		n_tile = UNCOPIED_MULTIPLY_ADDS / (m * k);
		k_tile = k;
	}

	/* Add up the tiles. beta scales C once, in the first tile along k. */
	for (int64_t i = 0; i < m; i += m_tile)
		for (int64_t j = 0; j < n; j += n_tile)
		{
			int64_t		p = 0;

			do					/* at least once: for k = 0, too, C is scaled by beta */
			{
				int64_t		rows = m - i < m_tile ? m - i : m_tile;
				int64_t		columns = n - j < n_tile ? n - j : n_tile;
				int64_t		depth = k - p < k_tile ? k - p : k_tile;

				XMC_TRY(xmc_check_stop(ctx));
				cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
							transpose_b ? CblasTrans : CblasNoTrans,
							(int) rows, (int) columns, (int) depth, alpha,
							a + (transpose_a ? p * lda + i : i * lda + p), (int) lda,
							b + (transpose_b ? j * ldb + p : p * ldb + j), (int) ldb,
							p == 0 ? beta : 1.0f, c + i * ldc + j, (int) ldc);
				p += k_tile;
			} while (p < k);
		}
	return XMC_OK;
}
