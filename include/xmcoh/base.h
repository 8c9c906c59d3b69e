/*
 * base.h - what every module of the core needs: status values, the caller's context, an arena, random numbers.
 *
 * The core is plain C11. It allocates only through the xmc_ctx that its caller passes in, reports errors by
 * a status value with a message in that context, and asks the context between tiles whether it should stop.
 * It keeps no global state and holds nothing but memory from the context's allocator (the tokeniser, which owns
 * ICU objects, is the one exception), so a caller may also leave it by longjmp and free that memory wholesale:
 * this is what the PostgreSQL side does with memory contexts.
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
	XMC_STOPPED,				/* the context's stop callback said so */
	XMC_BAD_INPUT,				/* the caller's data is not usable; message says what was got and wanted */
	XMC_BAD_MODEL,				/* damaged, foreign or mismatched weights */
	XMC_LIMIT,					/* a stated limit is exceeded */
	XMC_CHANGED					/* a checkpoint of other documents, options or slices (checkpoint.h) */
} xmc_status;

typedef struct xmc_ctx
{
	void	   *(*alloc) (void *arg, size_t size);	/* 16-byte aligned, uninitialised; NULL when out of memory */
	void		(*release) (void *arg, void *pointer);	/* gives one allocation back; pointer may be NULL */
	/*
	 * Asked at least every 50 ms of work, and in training for each document or batch that is read, so that its caller can
	 * keep mapped documents in bounds. True: unwind with XMC_STOPPED. May be NULL.
	 */
	bool		(*stop) (void *arg);
	void	   *arg;			/* passed to all three */
	char		message[512];	/* what went wrong, when a status is not XMC_OK */
} xmc_ctx;

/* A context on malloc and free that never stops: for unit tests and command-line tools. */
extern xmc_ctx xmc_ctx_malloc(void);

/* Allocates `count` elements of `size` bytes, zeroed; NULL when out of memory or when the product overflows. */
extern void *xmc_zalloc(xmc_ctx *ctx, size_t count, size_t size);

/* The same, not zeroed. */
extern void *xmc_alloc(xmc_ctx *ctx, size_t count, size_t size);

extern void xmc_release(xmc_ctx *ctx, void *pointer);

/* Sets ctx->message (printf form) and returns `status`, so that callers write `return xmc_fail(...)`. */
extern xmc_status xmc_fail(xmc_ctx *ctx, xmc_status status, const char *format,...)
			__attribute__((format(printf, 3, 4)));

/* XMC_STOPPED when the context's stop callback says so, else XMC_OK. */
extern xmc_status xmc_check_stop(xmc_ctx *ctx);

/*
 * Loops over pairs ask so often: their rows are added up in *work, which begins at 0, and after XMC_STOP_CELLS cells the
 * callback is asked. A cell takes some 2 to 100 ns, the slowest where exp meets a cache miss; so that is 26 ms at most.
 */
#define XMC_STOP_CELLS 262144

static inline xmc_status
xmc_spend(xmc_ctx *ctx, int64_t *work, int64_t cells)
{
	*work += cells;
	if (*work < XMC_STOP_CELLS)
		return XMC_OK;
	*work = 0;
	return xmc_check_stop(ctx);
}

/* Zeroes what may be large and never touched before, asking like that. */
extern xmc_status xmc_clear(xmc_ctx *ctx, void *pointer, size_t bytes);

#define XMC_TRY(expression) \
	do { xmc_status try_status_ = (expression); if (try_status_ != XMC_OK) return try_status_; } while (0)
#define XMC_NEED(pointer, ctx) \
	do { if ((pointer) == NULL) return xmc_fail((ctx), XMC_NO_MEMORY, "out of memory"); } while (0)

/*
 * Arena: scratch memory for one batch. Allocations are given back all at once by reset, which keeps the blocks,
 * so a training loop stops asking the allocator after its largest batch.
 */
typedef struct xmc_arena
{
	xmc_ctx    *ctx;
	struct xmc_arena_block *first;
	struct xmc_arena_block *current;
} xmc_arena;

extern void xmc_arena_init(xmc_arena *arena, xmc_ctx *ctx);
extern void *xmc_arena_alloc(xmc_arena *arena, size_t count, size_t size);	/* 64-byte aligned, uninitialised; NULL: no memory */
extern void *xmc_arena_zalloc(xmc_arena *arena, size_t count, size_t size);
extern void xmc_arena_reset(xmc_arena *arena);
extern void xmc_arena_free(xmc_arena *arena);

/*
 * The same, asking after each block: giving a gigabyte back takes the operating system 100 ms. What is left when it says
 * stop is still to be freed. Errors: XMC_STOPPED.
 */
extern xmc_status xmc_arena_drain(xmc_arena *arena);

#endif
