/* test_base.c - allocation, messages, the stop callback and arenas of base.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "counting.h"
#include "xmcoh/base.h"
#include "xmcoh/random.h"

static void
test_alloc_refuses_overflow(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();

	(void) state;
	assert_null(xmc_alloc(&ctx, SIZE_MAX / 2, 3));
	assert_null(xmc_zalloc(&ctx, SIZE_MAX, 2));
}

static void
test_zalloc_is_zero(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	unsigned char *bytes = xmc_zalloc(&ctx, 1000, 1);

	(void) state;
	assert_non_null(bytes);
	for (int k = 0; k < 1000; k++)
		assert_int_equal(bytes[k], 0);
	xmc_release(&ctx, bytes);
	xmc_release(&ctx, NULL);
}

static void
test_fail_keeps_message(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	char		longer[1000];

	(void) state;
	assert_int_equal(xmc_fail(&ctx, XMC_LIMIT, "got %d, want %s", 7, "8"), XMC_LIMIT);
	assert_string_equal(ctx.message, "got 7, want 8");
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	xmc_fail(&ctx, XMC_BAD_INPUT, "%s", longer);
	assert_int_equal(strlen(ctx.message), sizeof ctx.message - 1);
}

static bool
stop_when_set(void *arg)
{
	return *(bool *) arg;
}

static void
test_stop(void **state)
{
	bool		stop = false;
	xmc_ctx		ctx = xmc_ctx_malloc();

	(void) state;
	assert_int_equal(xmc_check_stop(&ctx), XMC_OK);
	ctx.stop = stop_when_set;
	ctx.arg = &stop;
	assert_int_equal(xmc_check_stop(&ctx), XMC_OK);
	stop = true;
	assert_int_equal(xmc_check_stop(&ctx), XMC_STOPPED);
}

/* Allocations are aligned, do not overlap, and come from the same blocks again after a reset. */
static void
test_arena(void **state)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	xmc_arena	arena;
	unsigned char *piece[300];
	size_t		size[300];
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 1);
	xmc_arena_init(&arena, &ctx);
	for (int k = 0; k < 300; k++)
	{
		size[k] = k % 50 == 49 ? (size_t) 3 << 20 : 1 + xmc_random_below(&random, 60000);
		piece[k] = xmc_arena_alloc(&arena, size[k], 1);
		assert_non_null(piece[k]);
		assert_int_equal((uintptr_t) piece[k] % 64, 0);
		memset(piece[k], k & 255, size[k]);
	}
	for (int k = 0; k < 300; k++)
	{
		assert_int_equal(piece[k][0], k & 255);
		assert_int_equal(piece[k][size[k] - 1], k & 255);
	}
	xmc_arena_reset(&arena);
	assert_ptr_equal(xmc_arena_alloc(&arena, size[0], 1), piece[0]);
	assert_int_equal(*(unsigned char *) xmc_arena_zalloc(&arena, 100, 8), 0);
	for (int round = 0; round < 2; round++)	/* the second time through all blocks, which exist */
	{
		xmc_arena_mark mark = xmc_arena_here(&arena);
		void	   *next = xmc_arena_alloc(&arena, 1, 1);

		for (int k = 0; k < 300 && round; k++)
			memset(xmc_arena_alloc(&arena, size[k], 1), 7, size[k]);
		xmc_arena_return(&arena, mark);
		assert_ptr_equal(xmc_arena_alloc(&arena, 1, 1), next);
	}
	xmc_arena_return(&arena, (xmc_arena_mark) {0});	/* of an arena that was empty */
	assert_ptr_equal(xmc_arena_alloc(&arena, size[0], 1), piece[0]);
	assert_null(xmc_arena_alloc(&arena, SIZE_MAX / 2, 4));
	xmc_arena_free(&arena);
	assert_null(arena.first);
}

/* Batches that become larger little by little leave nothing behind: the arena has no more blocks than the last one needs. */
static void
test_arena_of_growing_batches(void **state)
{
	counting	c;
	xmc_ctx		ctx = counting_ctx(&c);
	xmc_arena	arena;
	long		calls;

	(void) state;
	xmc_arena_init(&arena, &ctx);
	for (int batch = 0; batch <= 20; batch++)
	{
		xmc_arena_reset(&arena);
		for (int k = 0; k < 4; k++)
			memset(xmc_arena_alloc(&arena, ((size_t) 2 << 20) + (size_t) batch * 100000, 1), k, 100000);
		assert_in_range(c.live, 4, 5);	/* the first block stays, though it is too small */
	}
	calls = c.calls;
	for (int batch = 20; batch >= 0; batch--)	/* smaller ones find room */
	{
		xmc_arena_reset(&arena);
		for (int k = 0; k < 4; k++)
			assert_non_null(xmc_arena_alloc(&arena, ((size_t) 2 << 20) + (size_t) batch * 100000, 1));
	}
	assert_int_equal(c.calls, calls);
	xmc_arena_free(&arena);
	assert_int_equal(c.live, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc_refuses_overflow),
		cmocka_unit_test(test_zalloc_is_zero),
		cmocka_unit_test(test_fail_keeps_message),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_arena_of_growing_batches),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
