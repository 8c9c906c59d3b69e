/*
 * base.h - status values, the caller's context (allocator, stop callback, error message), and arenas. Every file of the
 * core uses them.
 *
 * The core is plain C11 without global state. It allocates only through the xmc_ctx that its caller passes in. It reports
 * an error by a status value and a message in that context. It calls the context's stop callback between pieces of work.
 * The core owns nothing but memory from that allocator; the one exception is the tokeniser, which owns ICU objects. So a
 * caller may leave the core by longjmp and free all its memory at once, as the PostgreSQL side does with memory contexts.
 */
#ifndef XMCOH_BASE_H
#define XMCOH_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum xmc_status
{
	XMC_OK = 0,
	XMC_NO_MEMORY,				/* the allocator returned NULL */
	XMC_STOPPED,				/* the context's stop callback returned true */
	XMC_BAD_INPUT,				/* the caller's data are not usable; the message says what was found and what is needed */
	XMC_BAD_MODEL,				/* the weights are damaged, foreign or of another shape */
	XMC_LIMIT,					/* a documented limit is exceeded */
	XMC_CHANGED					/* the checkpoint is of other documents, options or shards (checkpoint.h) */
} xmc_status;

struct xmc_ctx;

typedef enum xmc_transpose
{
	XMC_PLAIN = 0,
	XMC_TRANSPOSED = 1
} xmc_transpose;

/* A BLAS: C = alpha op(A) op(B) + beta C, with the arguments of xmc_sgemm (numeric/sgemm.h), which has checked them. */
typedef xmc_status (*xmc_gemm) (struct xmc_ctx *ctx, xmc_transpose transpose_a, xmc_transpose transpose_b,
								int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
								const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

typedef struct xmc_ctx
{
	void	   *(*alloc) (void *arg, size_t size);	/* 16-byte aligned, uninitialised; NULL when out of memory */
	void		(*release) (void *arg, void *pointer);	/* frees one allocation; pointer may be NULL */
	/*
	 * Stop callback. The core calls it at least every 50 ms of work, and in training for each document or batch that it
	 * reads, so that the callback can also unmap documents. If it returns true, the core returns XMC_STOPPED. May be NULL.
	 */
	bool		(*stop) (void *arg);
	void	   *arg;			/* passed to all three */
	xmc_gemm	gemm;			/* for products of the backward pass; NULL: the core uses a plain loop */
	char		message[512];	/* the error, when a status is not XMC_OK */
} xmc_ctx;

/* A context on malloc and free that never stops: for unit tests and benchmarks. */
extern xmc_ctx xmc_ctx_malloc(void);

/* Allocates `count` elements of `size` bytes, zeroed. NULL: out of memory, or the product overflows. */
extern void *xmc_zalloc(xmc_ctx *ctx, size_t count, size_t size);

/* The same, not zeroed. */
extern void *xmc_alloc(xmc_ctx *ctx, size_t count, size_t size);

extern void xmc_release(xmc_ctx *ctx, void *pointer);

/* Sets ctx->message (printf form) and returns `status`, so that callers write `return xmc_fail(...)`. */
extern xmc_status xmc_fail(xmc_ctx *ctx, xmc_status status, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* XMC_STOPPED if the stop callback returns true, else XMC_OK. */
extern xmc_status xmc_check_stop(xmc_ctx *ctx);

/*
 * Loops over the cells of matrices call xmc_spend for each row. *work begins at 0 and counts cells; after XMC_STOP_CELLS of
 * them the stop callback is called. A cell takes 2 to 100 ns (100 ns: exp and a cache miss), so the time between two calls
 * is at most 26 ms. With sanitizers a cell takes longer, and the Makefile sets a smaller number.
 */
#ifndef XMC_STOP_CELLS
#define XMC_STOP_CELLS 262144
#endif

static inline xmc_status
xmc_spend(xmc_ctx *ctx, int64_t *work, int64_t cells)
{
	*work += cells;
	if (*work < XMC_STOP_CELLS)
		return XMC_OK;
	*work = 0;
	return xmc_check_stop(ctx);
}

/* Sets memory to zero and calls the stop callback in between: fresh memory takes the operating system time. */
extern xmc_status xmc_clear(xmc_ctx *ctx, void *pointer, size_t bytes);

#define XMC_TRY(expression) \
	do { xmc_status try_status_ = (expression); if (try_status_ != XMC_OK) return try_status_; } while (0)
#define XMC_NEED(pointer, ctx) \
	do { if ((pointer) == NULL) return xmc_fail((ctx), XMC_NO_MEMORY, "out of memory"); } while (0)

/*
 * Arena: scratch memory for one batch. xmc_arena_reset frees all allocations at once and keeps the blocks for reuse, so a
 * training loop calls the allocator only until its largest batch has been seen. A larger batch replaces the blocks that are too
 * small for it, so an arena holds about what its largest batch takes.
 */
typedef struct xmc_arena
{
	xmc_ctx    *ctx;
	struct xmc_arena_block *first;
	struct xmc_arena_block *current;
} xmc_arena;

extern void xmc_arena_init(xmc_arena *arena, xmc_ctx *ctx);
/* 64-byte aligned, uninitialised; NULL: out of memory */
extern void *xmc_arena_alloc(xmc_arena *arena, size_t count, size_t size);
extern void *xmc_arena_zalloc(xmc_arena *arena, size_t count, size_t size);
#define XMC_ARENA_FLOATS(pointer, arena, count) \
	do { \
		(pointer) = xmc_arena_alloc((arena), (size_t) (count), sizeof(float)); \
		XMC_NEED((pointer), (arena)->ctx); \
	} while (0)
extern void xmc_arena_reset(xmc_arena *arena);

/* What is allocated now; xmc_arena_return frees all that was allocated since, and keeps the blocks, too. */
typedef struct xmc_arena_mark
{
	struct xmc_arena_block *block;	/* NULL: nothing was allocated */
	size_t		used;			/* of the block */
} xmc_arena_mark;

extern xmc_arena_mark xmc_arena_here(const xmc_arena *arena);
extern void xmc_arena_return(xmc_arena *arena, xmc_arena_mark mark);
extern void xmc_arena_free(xmc_arena *arena);

/*
 * Frees the arena block by block and calls the stop callback after each: to free a gigabyte takes the operating system 100
 * ms. After XMC_STOPPED the remaining blocks are still allocated. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_arena_drain(xmc_arena *arena);

#endif
