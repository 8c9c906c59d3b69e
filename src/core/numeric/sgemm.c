/*
 * sgemm.c - the product of two matrices; see sgemm.h
 *
 * Two kinds of loops. Where B is transposed, the rows of both operands are contiguous in memory: a value of the result is one dot
 * product, and the weights of a layer are read in place, so few rows cost little. Otherwise a row of B, times a number of A, is added
 * to a row of the result (outer products).
 */
#include "numeric/sgemm.h"

#include <string.h>

#define STEP_MULTIPLY_ADDS INT64_C(50000000)	/* between two calls of the stop callback: 10 ms on a slow processor */

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

/* A panel of C: m rows and few columns, to which outer products are added. Value (i, p) of A stands at i row + p step. */
typedef struct panel
{
	bool		wide;			/* several vectors of columns, or one */
	bool		add;
	int64_t		m;
	int64_t		k;
	const float *a;
	int64_t		row;
	int64_t		step;
	const float *b;				/* (k, columns), rows ldb apart */
	int64_t		ldb;
	float	   *c;
	int64_t		ldc;
} panel;

typedef float four_lanes __attribute__((vector_size(16), aligned(4), may_alias));

/* The loops for one kind of processor: see sgemm_kernel.h. */
typedef struct kernel
{
	void		(*dots) (const product *of, int64_t m, int64_t n, const float *a, const float *b, float *c);
	void		(*outer) (const product *of, const panel *p);
	int64_t		lanes;			/* columns of a narrow panel */
	int64_t		columns;		/* columns of a wide one */
} kernel;

/*
 * A tile of dot products has DOT_ROWS DOT_COLUMNS sums, each a vector register; with DOT_COLUMNS registers for values of B and one for
 * a value of A these are nearly all that the processor has. The same for outer products. Each value that is loaded takes part in
 * several multiplications.
 */
#define AHEAD 2048				/* values of B that are fetched from memory before they are needed; measured */

#define NAME(x) x##_plain
#define TARGET
#define LANES 4
#define DOT_ROWS 4
#define DOT_COLUMNS 2
#define OUTER_ROWS 4
#define OUTER_VECTORS 2
#include "numeric/sgemm_kernel.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define NAME(x) x##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define DOT_ROWS 4
#define DOT_COLUMNS 3
#define OUTER_ROWS 6
#define OUTER_VECTORS 2
#include "numeric/sgemm_kernel.h"

#define NAME(x) x##_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")))
#define LANES 16
#define DOT_ROWS 6
#define DOT_COLUMNS 4
#define OUTER_ROWS 6
#define OUTER_VECTORS 4
#include "numeric/sgemm_kernel.h"
#endif

/* The loops that this processor can run, the fastest first. */
static int
find_kernels(const kernel *found[3])
{
	int			n = 0;

#if defined(__x86_64__) && defined(__GNUC__)
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq"))
		found[n++] = &kernel_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		found[n++] = &kernel_avx2;
#endif
	found[n++] = &kernel_plain;
	return n;
}

static void
copy_rows(int64_t rows, int64_t columns, const float *from, int64_t from_stride, float *to, int64_t to_stride)
{
	for (int64_t r = 0; r < rows; r++)
		memcpy(to + r * to_stride, from + r * from_stride, (size_t) columns * sizeof(float));
}

/*
 * For dot products: copies of rows that start at cache lines, because a vector that is read across two lines is read twice. The rows
 * of A pass through those of B, so they stay in the second-level cache. The arrays stay within what PostgreSQL allows a function on
 * the stack beyond its own checks (512 kB).
 */
#define ALIGNMENT 16			/* floats of a cache line */
#define A_VALUES 65536
#define B_VALUES 24576
#define WORTH_COPYING 48		/* rows or columns of the result for which a copy is read */
#define TILE_MULTIPLE 12		/* rows and columns of a block are a multiple of those of any tile */

typedef struct dot_copies
{
	float		a[A_VALUES];
	float		b[B_VALUES];
} dot_copies;

/* As many rows of the stride as the number of values holds, at least those of a tile. */
static int64_t
rows_within(int64_t values, int64_t stride)
{
	int64_t		rows = values / stride / TILE_MULTIPLE * TILE_MULTIPLE;

	return rows < TILE_MULTIPLE ? TILE_MULTIPLE : rows;
}

/* C = alpha A B^T, or is added to C. */
static xmc_status
multiply_dots(xmc_ctx *ctx, const kernel *loops, const product *of, int64_t m, int64_t n, const float *a, const float *b, float *c)
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
		bool		copy_b = rows >= WORTH_COPYING && TILE_MULTIPLE * stride <= B_VALUES;
		int64_t		columns = copy_b ? rows_within(B_VALUES, stride) : step;

		if (rows > m - i)
			rows = m - i;
		if (n >= WORTH_COPYING && rows * stride <= A_VALUES)
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
			loops->dots(&block, rows, columns, a_block, b_block, c + i * of->ldc + j);
		}
	}
	return XMC_OK;
}

/* For outer products: values of A and B that are read at a time, copied where they are far apart. */
#define DEPTH 256
#define BLOCK_ROWS 96
#define MOST_COLUMNS 64
#define FEW_ROWS 12				/* with fewer, copying costs more than reading in place */

typedef struct copies
{
	float		a[DEPTH * BLOCK_ROWS];	/* (k, BLOCK_ROWS) */
	float		b[DEPTH * MOST_COLUMNS];
	float		c[BLOCK_ROWS * MOST_COLUMNS];
} copies;

/* One panel of n columns, which may be fewer than its vectors hold. */
static void
multiply_panel(const kernel *loops, const product *of, panel p, int64_t n, copies *copy)
{
	int64_t		whole = p.wide ? loops->columns : loops->lanes;
	float	   *c = p.c;

	if (n < whole || p.m >= FEW_ROWS)
	{
		for (int64_t r = 0; n < whole && r < p.k; r++)
			memset(copy->b + r * whole + n, 0, (size_t) (whole - n) * sizeof(float));
		copy_rows(p.k, n, p.b, p.ldb, copy->b, whole);
		p.b = copy->b;
		p.ldb = whole;
	}
	if (n < whole)
	{
		for (int64_t r = 0; r < p.m; r++)
			memset(copy->c + r * whole, 0, (size_t) whole * sizeof(float));
		if (p.add)
			copy_rows(p.m, n, c, p.ldc, copy->c, whole);
		p.c = copy->c;
		p.ldc = whole;
	}
	loops->outer(of, &p);
	if (n < whole)
		copy_rows(p.m, n, copy->c, whole, c, of->ldc);
}

/* C = alpha op(A) B, or is added to C; op(A) is A^T where `transposed`. */
static xmc_status
multiply_outer(xmc_ctx *ctx, const kernel *loops, const product *of, bool transposed, int64_t m, int64_t n, const float *a,
			   const float *b, float *c)
{
	copies		copy;

	for (int64_t first = 0; first < of->k; first += DEPTH)
		for (int64_t i = 0; i < m; i += BLOCK_ROWS)
		{
			panel		p = {.add = of->add || first > 0,.m = m - i < BLOCK_ROWS ? m - i : BLOCK_ROWS,
				.k = of->k - first < DEPTH ? of->k - first : DEPTH,.ldb = of->ldb,.ldc = of->ldc,.row = of->lda,.step = 1,
				.a = a + i * of->lda + first
			};
			int64_t		width;

			if (transposed)
			{
				p.a = a + first * of->lda + i;
				p.row = 1;
				p.step = of->lda;
				if (n > loops->columns)
				{
					copy_rows(p.k, p.m, p.a, of->lda, copy.a, BLOCK_ROWS);
					p.a = copy.a;
					p.step = BLOCK_ROWS;
				}
			}
			for (int64_t j = 0; j < n; j += width)
			{
				if (j % 1024 == 0)
					XMC_TRY(xmc_check_stop(ctx));
				p.wide = n - j > 2 * loops->lanes || n - j >= loops->columns;
				width = p.wide ? loops->columns : loops->lanes;
				p.b = b + first * of->ldb + j;
				p.c = c + i * of->ldc + j;
				multiply_panel(loops, of, p, n - j < width ? n - j : width, &copy);
			}
		}
	return XMC_OK;
}

static xmc_status
multiply(xmc_ctx *ctx, const kernel *loops, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k,
		 float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	product		of = {.k = k,.lda = lda,.ldb = ldb,.ldc = ldc,.alpha = alpha,.add = beta != 0};

	if (m < 0 || n < 0 || k < 0 || m > INT32_MAX || n > INT32_MAX || k > INT32_MAX ||
		lda < (transpose_a ? m : k) || ldb < (transpose_b ? k : n) || ldc < n ||
		lda > INT32_MAX || ldb > INT32_MAX || ldc > INT32_MAX || (transpose_a && transpose_b))
		return xmc_fail(ctx, XMC_BAD_INPUT,
						"matrix product (%lld, %lld, %lld) with strides %lld, %lld, %lld does not fit",
						(long long) m, (long long) n, (long long) k, (long long) lda, (long long) ldb, (long long) ldc);
	/* C = beta C, unless the product sets C or adds to C as C is */
	for (int64_t i = 0; i < m && (k == 0 || (beta != 0 && beta != 1)); i++)
		for (int64_t j = 0; j < n; j++)
			c[i * ldc + j] = beta != 0 ? beta * c[i * ldc + j] : 0;
	if (m == 0 || n == 0 || k == 0)
		return XMC_OK;
	/* One column without gaps is also a row. */
	if (!transpose_a && (transpose_b || (n == 1 && ldb == 1)))
		return multiply_dots(ctx, loops, &of, m, n, a, b, c);
	return multiply_outer(ctx, loops, &of, transpose_a, m, n, a, b, c);
}

xmc_status
xmc_sgemm(xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b, int64_t m, int64_t n, int64_t k,
		  float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
	const kernel *loops[3];

	(void) find_kernels(loops);
	return multiply(ctx, loops[0], transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
