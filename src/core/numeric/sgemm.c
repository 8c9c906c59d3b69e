/*
 * sgemm.c - the product of two matrices; see sgemm.h
 *
 * Where B is transposed, the rows of both operands are contiguous in memory: a value of the result is one dot product, and the
 * weights of a layer are read in place, so few rows cost little (sgemm_kernel.h). Otherwise rows of B, times values of A, are added
 * to a row of the result; a BLAS is several times as fast there, from 8 x 8 x 8 on (measured), so the backward pass takes that of
 * the context.
 */
#include "numeric/sgemm.h"
#include "numeric/vector.h"

#include <string.h>

#define STEP_MULTIPLY_ADDS INT64_C(50000000)	/* between two calls of the stop callback: 40 ms on a slow processor */

/* The operands of one product, as the loops read them. */
typedef struct product
{
	int64_t		k;
	int64_t		lda;
	int64_t		ldb;
	int64_t		ldc;
	float		alpha;
	bool		add;			/* to C; otherwise C is set */
} product;

typedef float four_lanes __attribute__((vector_size(16), aligned(4), may_alias));

/* The dot products of m rows of A and n rows of B, by one kind of processor: see sgemm_kernel.h. */
typedef void (*kernel) (const product *of, int64_t m, int64_t n, const float *a, const float *b, float *c);

/*
 * A tile of dot products has DOT_ROWS DOT_COLUMNS sums, each a vector register; with DOT_COLUMNS registers for values of B and one for
 * a value of A these are nearly all that the processor has. Each value that is loaded takes part in several multiplications.
 */
#define AHEAD 2048				/* values of B that are fetched from memory before they are needed; measured */
#define SPREAD_TILE 4096		/* values of the rows of B of one tile, up to which they are fetched evenly */

#define NAME(x) x##_plain
#define TARGET
#define LANES 4
#define DOT_ROWS 4
#define DOT_COLUMNS 2
#include "numeric/sgemm_kernel.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define DOT_ROWS 4
#define DOT_COLUMNS 3
#include "numeric/sgemm_kernel.h"

#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")))
#define LANES 16
#define DOT_ROWS 6
#define DOT_COLUMNS 4
#include "numeric/sgemm_kernel.h"
#endif

/* The loops that this processor can run, the fastest first. */
static int
find_kernels(kernel found[3])
{
	int			n = 0;

#if defined(__x86_64__) && defined(__GNUC__)
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq"))
		found[n++] = dots_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		found[n++] = dots_avx2;
#endif
	found[n++] = dots_plain;
	return n;
}

static void
copy_rows(int64_t rows, int64_t columns, const float *from, int64_t from_stride, float *to, int64_t to_stride)
{
	for (int64_t r = 0; r < rows; r++)
		memcpy(to + r * to_stride, from + r * from_stride, (size_t) columns * sizeof(float));
}

/*
 * For dot products: copies of rows that start at cache lines, because a vector that is read across two lines is read twice. Rows that
 * start there are read where they are. The rows of A pass through those of B, so they stay in the second-level cache. The arrays stay
 * within what PostgreSQL allows a function on the stack beyond its own checks (512 kB).
 */
#define ALIGNMENT 16			/* floats of a cache line */
#define A_VALUES 49152
#define B_VALUES 12288
#define WORTH_COPYING 48		/* rows or columns of the result for which a copy is read */
#define TILE_MULTIPLE 12		/* rows and columns of a block are a multiple of those of any tile */

typedef struct dot_copies
{
	float		a[A_VALUES];
	float		b[B_VALUES];
} dot_copies;

/* Whether rows of this stride start at cache lines. */
static bool
start_at_lines(const float *rows, int64_t stride)
{
	return (uintptr_t) rows % (ALIGNMENT * sizeof(float)) == 0 && stride % ALIGNMENT == 0;
}

/* As many rows of the stride as the number of values holds, at least those of a tile. */
static int64_t
rows_within(int64_t values, int64_t stride)
{
	int64_t		rows = values / stride / TILE_MULTIPLE * TILE_MULTIPLE;

	return rows < TILE_MULTIPLE ? TILE_MULTIPLE : rows;
}

/* C = alpha A B^T, or is added to C. */
static xmc_status
multiply_dots(xmc_ctx *ctx, kernel dots, const product *of, int64_t m, int64_t n, const float *a, const float *b, float *c)
{
	dot_copies	copy __attribute__((aligned(64)));
	int64_t		stride = (of->k + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	int64_t		rows = rows_within(A_VALUES, stride);
	int64_t		step;

	if (rows > m)
		rows = m;
	step = rows_within(STEP_MULTIPLY_ADDS, rows * stride);
	for (int64_t i = 0; i < m; i += rows)
	{
		product		block = *of;
		const float *a_block = a + i * of->lda;
		bool		copy_b = rows >= WORTH_COPYING && TILE_MULTIPLE * stride <= B_VALUES && !start_at_lines(b, of->ldb);
		int64_t		columns = copy_b ? rows_within(B_VALUES, stride) : step;

		if (rows > m - i)
			rows = m - i;
		if (n >= WORTH_COPYING && rows * stride <= A_VALUES && !start_at_lines(a_block, of->lda))
		{
			copy_rows(rows, of->k, a_block, of->lda, copy.a, stride);
			a_block = copy.a;
			block.lda = stride;
		}
		for (int64_t j = 0; j < n; j += columns)
		{
			const float *b_block = b + j * of->ldb;

			if (columns > n - j)
				columns = n - j;
			XMC_TRY(xmc_check_stop(ctx));
			if (copy_b)
			{
				copy_rows(columns, of->k, b_block, of->ldb, copy.b, stride);
				b_block = copy.b;
				block.ldb = stride;
			}
			dots(&block, rows, columns, a_block, b_block, c + i * of->ldc + j);
		}
	}
	return XMC_OK;
}

/*
 * C = C + alpha op(A) B. Value (i, p) of op(A) stands at i row + p step. A value of C adds its products in the order of p, so its last
 * bits do not depend on the tiles of multiply_tiles.
 */
XMC_FOR_THIS_PROCESSOR static void
add_rows(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t row, int64_t step, const float *b, int64_t ldb, float *c,
		 int64_t ldc)
{
	for (int64_t i = 0; i < m; i++)
	{
		const float *x = a + i * row;
		const float *y = b;
		float	   *z = c + i * ldc;
		int64_t		p = 0;

		for (; p + 4 <= k; p += 4, x += 4 * step, y += 4 * ldb)
		{
			float		x0 = alpha * x[0];
			float		x1 = alpha * x[step];
			float		x2 = alpha * x[2 * step];
			float		x3 = alpha * x[3 * step];

#pragma omp simd
			for (int64_t j = 0; j < n; j++)
				z[j] = z[j] + x0 * y[j] + x1 * y[ldb + j] + x2 * y[2 * ldb + j] + x3 * y[3 * ldb + j];
		}
		for (; p < k; p++, x += step, y += ldb)
		{
			float		x0 = alpha * x[0];

#pragma omp simd
			for (int64_t j = 0; j < n; j++)
				z[j] = z[j] + x0 * y[j];
		}
	}
}

/* C = C + alpha op(A) B, in tiles between which the stop callback is called; `gemm` may be NULL. */
static xmc_status
multiply_tiles(xmc_ctx *ctx, xmc_gemm gemm, xmc_transpose transpose_a, int64_t m, int64_t n, int64_t k, float alpha,
			   const float *a, int64_t lda, const float *b, int64_t ldb, float *c, int64_t ldc)
{
	int64_t		m_tile = m;
	int64_t		n_tile = n;
	int64_t		k_tile = k;
	int64_t		row = transpose_a ? 1 : lda;
	int64_t		step = transpose_a ? lda : 1;

	/*
	 * Halve the longest side until the tile is small enough. The tile stays near a cube, so a BLAS copies the fewest values per
	 * multiplication. If only rows were cut, B would be copied again for every few rows.
	 */
	while (m_tile * n_tile * k_tile > STEP_MULTIPLY_ADDS)
	{
		int64_t    *longest = m_tile >= n_tile && m_tile >= k_tile ? &m_tile : n_tile >= k_tile ? &n_tile : &k_tile;

		*longest = (*longest + 1) / 2;
	}
	for (int64_t i = 0; i < m; i += m_tile)
		for (int64_t j = 0; j < n; j += n_tile)
			for (int64_t p = 0; p < k; p += k_tile)
			{
				int64_t		rows = m - i < m_tile ? m - i : m_tile;
				int64_t		columns = n - j < n_tile ? n - j : n_tile;
				int64_t		depth = k - p < k_tile ? k - p : k_tile;
				const float *x = a + i * row + p * step;
				const float *y = b + p * ldb + j;
				float	   *z = c + i * ldc + j;

				XMC_TRY(xmc_check_stop(ctx));
				if (gemm)
					XMC_TRY(gemm(ctx, transpose_a, XMC_PLAIN, rows, columns, depth, alpha, x, lda, y, ldb, 1, z, ldc));
				else
					add_rows(rows, columns, depth, alpha, x, row, step, y, ldb, z, ldc);
			}
	return XMC_OK;
}

static xmc_status
multiply(xmc_ctx *ctx, kernel dots, xmc_gemm gemm, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n,
		 int64_t k, float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	product		of = {.k = k,.lda = lda,.ldb = ldb,.ldc = ldc,.alpha = alpha,.add = beta != 0};
	bool		dot;

	if (m < 0 || n < 0 || k < 0 || m > INT32_MAX || n > INT32_MAX || k > INT32_MAX ||
		lda < (transpose_a ? m : k) || ldb < (transpose_b ? k : n) || ldc < n ||
		lda > INT32_MAX || ldb > INT32_MAX || ldc > INT32_MAX || (transpose_a && transpose_b))
		return xmc_fail(ctx, XMC_BAD_INPUT,
						"matrix product (%lld, %lld, %lld) with strides %lld, %lld, %lld does not fit",
						(long long) m, (long long) n, (long long) k, (long long) lda, (long long) ldb, (long long) ldc);
	/* One column without gaps is also a row. */
	dot = k > 0 && !transpose_a && (transpose_b || (n == 1 && ldb == 1));
	/* C = beta C, unless C is set by dot products or stays as C is */
	for (int64_t i = 0; i < m && (beta != 0 ? beta != 1 : !dot); i++)
		for (int64_t j = 0; j < n; j++)
			c[i * ldc + j] = beta != 0 ? beta * c[i * ldc + j] : 0;
	if (m == 0 || n == 0 || k == 0)
		return XMC_OK;
	if (dot)
		return multiply_dots(ctx, dots, &of, m, n, a, b, c);
	return multiply_tiles(ctx, gemm, transpose_a, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

xmc_status
xmc_sgemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k,
		  float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	kernel		dots[3];

	(void) find_kernels(dots);
	return multiply(ctx, dots[0], ctx->gemm, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

xmc_status
xmc_sgemm_forward(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k,
				  float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	kernel		dots[3];

	(void) find_kernels(dots);
	return multiply(ctx, dots[0], NULL, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
