/*
 * counting.h - an xmc_ctx for tests that counts what is allocated, fails the allocation it is told to fail, fills fresh memory
 * with rubbish, and stops after as many questions as it is told. It has OpenBLAS, as in the server. Included after cmocka.h.
 */
#ifndef COUNTING_H
#define COUNTING_H

#include "../openblas.h"
#include "xmcoh/base.h"

#include <stdlib.h>
#include <string.h>

typedef struct counting
{
	long		live;			/* allocations not yet given back */
	long		calls;			/* allocations asked for */
	long		fail_at;		/* the call that gets NULL, counted from 1; 0: none */
	long		questions;		/* whether to stop */
	long		stop_at;		/* the question that is answered with yes, counted from 1; 0: none */
} counting;

static void *
counting_alloc(void *arg, size_t size)
{
	counting   *c = arg;
	void	   *pointer;

	if (++c->calls == c->fail_at)
		return NULL;
	pointer = malloc(size);
	if (pointer)
	{
		memset(pointer, 0xa5, size);
		c->live++;
	}
	return pointer;
}

static void
counting_release(void *arg, void *pointer)
{
	if (pointer)
		((counting *) arg)->live--;
	free(pointer);
}

static bool
counting_stop(void *arg)
{
	counting   *c = arg;

	return ++c->questions == c->stop_at;
}

static inline xmc_ctx
counting_ctx(counting *c)
{
	*c = (counting){0};
	return (xmc_ctx){.alloc = counting_alloc, .release = counting_release, .stop = counting_stop, .arg = c, .gemm = openblas_gemm};
}

/*
 * Every allocation of a call fails once; every question of the call is answered with "stop" once. The status of the call says which,
 * and nothing more is allocated than before. A call without either succeeds.
 */
static inline void
assert_fails_everywhere(counting *c, xmc_status (*call) (void *arg), void *arg)
{
	long		live = c->live;

	for (int stopped = 0; stopped < 2; stopped++)
		for (long at = 1;; at++)
		{
			xmc_status	status;

			*c = (counting){.live = live, .fail_at = stopped ? 0 : at, .stop_at = stopped ? at : 0};
			status = call(arg);
			assert_int_equal(c->live, live);
			if (status == XMC_OK)
			{
				assert_true(at > 1);
				break;
			}
			assert_int_equal(status, stopped ? XMC_STOPPED : XMC_NO_MEMORY);
		}
	c->fail_at = c->stop_at = 0;
}

/* The same bytes in an allocation of exactly that size, so that a sanitizer sees a read one byte too far. */
static inline void *
exact_copy(const void *bytes, size_t size)
{
	void	   *copy = malloc(size ? size : 1);

	if (copy && size)
		memcpy(copy, bytes, size);
	return copy;
}

#endif
