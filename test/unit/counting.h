/*
 * counting.h - an xmc_ctx for tests that counts what is allocated, fails the allocation it is told to fail, fills fresh memory
 * with rubbish, and stops after as many questions as it is told. It has OpenBLAS, as in the server.
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
