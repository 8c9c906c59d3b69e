/* base.c - allocation through a context, error messages, the stop callback, and arenas; see base.h */
#include "xmcoh/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
malloc_alloc(void *arg, size_t size)
{
	(void) arg;
	return malloc(size ? size : 1);
}

static void
malloc_release(void *arg, void *pointer)
{
	(void) arg;
	free(pointer);
}

xmc_ctx
xmc_ctx_malloc(void)
{
	return (xmc_ctx){.alloc = malloc_alloc, .release = malloc_release};
}

void *
xmc_alloc(xmc_ctx *ctx, size_t count, size_t size)
{
	size_t		bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return ctx->alloc(ctx->arg, bytes ? bytes : 1);
}

void *
xmc_zalloc(xmc_ctx *ctx, size_t count, size_t size)
{
	void	   *pointer = xmc_alloc(ctx, count, size);

	if (pointer)
		memset(pointer, 0, count * size);
	return pointer;
}

void
xmc_release(xmc_ctx *ctx, void *pointer)
{
	if (pointer)
		ctx->release(ctx->arg, pointer);
}

xmc_status
xmc_fail(xmc_ctx *ctx, xmc_status status, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	vsnprintf(ctx->message, sizeof ctx->message, format, args);
	va_end(args);
	return status;
}

xmc_status
xmc_check_stop(xmc_ctx *ctx)
{
	if (ctx->stop && ctx->stop(ctx->arg))
		return xmc_fail(ctx, XMC_STOPPED, "stopped");
	return XMC_OK;
}

xmc_status
xmc_clear(xmc_ctx *ctx, void *pointer, size_t bytes)
{
	const size_t tile = XMC_STOP_CELLS * sizeof(float);
	int64_t		work = 0;

	for (size_t at = 0; at < bytes; at += tile)
	{
		size_t		size = bytes - at < tile ? bytes - at : tile;

		memset((char *) pointer + at, 0, size);
		XMC_TRY(xmc_spend(ctx, &work, (int64_t) (size / sizeof(float))));
	}
	return XMC_OK;
}

/* ---- arena ---- */

#define ARENA_ALIGN 64
#define ARENA_BLOCK ((size_t) 1 << 20)

typedef struct xmc_arena_block
{
	struct xmc_arena_block *next;
	size_t		capacity;
	size_t		used;
	unsigned char *bytes;		/* (capacity), aligned to ARENA_ALIGN, behind this header */
} xmc_arena_block;

void
xmc_arena_init(xmc_arena *arena, xmc_ctx *ctx)
{
	*arena = (xmc_arena){.ctx = ctx};
}

static xmc_arena_block *
new_block(xmc_ctx *ctx, size_t capacity)
{
	xmc_arena_block *block = xmc_alloc(ctx, sizeof(xmc_arena_block) + ARENA_ALIGN + capacity, 1);

	if (block)
	{
		uintptr_t	start = (uintptr_t) (block + 1);

		block->next = NULL;
		block->capacity = capacity;
		block->used = 0;
		block->bytes = (unsigned char *) ((start + ARENA_ALIGN - 1) & ~(uintptr_t) (ARENA_ALIGN - 1));
	}
	return block;
}

/* Frees the blocks behind the current one, which are empty. */
static void
free_behind(xmc_arena *arena)
{
	xmc_arena_block **behind = arena->current ? &arena->current->next : &arena->first;

	while (*behind)
	{
		xmc_arena_block *block = *behind;

		*behind = block->next;
		xmc_release(arena->ctx, block);
	}
}

void *
xmc_arena_alloc(xmc_arena *arena, size_t count, size_t size)
{
	size_t		bytes;
	xmc_arena_block *block = arena->current;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;

	/*
	 * Find a block with enough room, from the current one on, or append a new block. A new one takes the place of those that were
	 * too small: otherwise batches that become larger little by little would leave the blocks of all of them.
	 */
	bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t) (ARENA_ALIGN - 1);
	while (block && block->capacity - block->used < bytes)
		block = block->next;	/* blocks behind the current one are empty */
	if (!block)
	{
		free_behind(arena);
		block = new_block(arena->ctx, bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK);
		if (!block)
			return NULL;
		if (arena->current)
			arena->current->next = block;
		else
			arena->first = block;
	}
	arena->current = block;
	block->used += bytes;
	return block->bytes + block->used - bytes;
}

void *
xmc_arena_zalloc(xmc_arena *arena, size_t count, size_t size)
{
	void	   *pointer = xmc_arena_alloc(arena, count, size);

	if (pointer)
		memset(pointer, 0, count * size);
	return pointer;
}

void
xmc_arena_reset(xmc_arena *arena)
{
	for (xmc_arena_block *block = arena->first; block; block = block->next)
		block->used = 0;
	arena->current = arena->first;
}

xmc_arena_mark
xmc_arena_here(const xmc_arena *arena)
{
	return (xmc_arena_mark) {.block = arena->current, .used = arena->current ? arena->current->used : 0};
}

void
xmc_arena_return(xmc_arena *arena, xmc_arena_mark mark)
{
	if (!mark.block)
	{
		xmc_arena_reset(arena);
		return;
	}
	for (xmc_arena_block *block = mark.block->next; block; block = block->next)
		block->used = 0;
	mark.block->used = mark.used;
	arena->current = mark.block;
}

void
xmc_arena_free(xmc_arena *arena)
{
	for (xmc_arena_block *block = arena->first, *next; block; block = next)
	{
		next = block->next;
		xmc_release(arena->ctx, block);
	}
	arena->first = arena->current = NULL;
}

xmc_status
xmc_arena_drain(xmc_arena *arena)
{
	while (arena->first)
	{
		xmc_arena_block *block = arena->first;

		arena->first = arena->current = block->next;
		xmc_release(arena->ctx, block);
		XMC_TRY(xmc_check_stop(arena->ctx));
	}
	return XMC_OK;
}
