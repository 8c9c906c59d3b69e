/*
 * xmcoh.c - the core's context on palloc, its errors as errors of PostgreSQL, the session's tokeniser.
 *
 * xmcoh.h is the contract.
 */
#include "base/xmcoh.h"
#include "base/blas.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"

#define CORE_ALIGN 16

/*
 * palloc aligns to MAXALIGN (8 bytes on most machines), and the core needs 16 bytes. Each allocation is therefore larger
 * than asked for, and the word before the aligned address holds the address that palloc gave.
 */
static void *
alloc_in(void *memory, size_t size)
{
	char	   *chunk;
	uintptr_t	aligned;

	if (size > MaxAllocHugeSize - CORE_ALIGN - sizeof(void *))
		return NULL;
	chunk = MemoryContextAllocExtended((MemoryContext) memory, size + CORE_ALIGN + sizeof(void *),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (chunk == NULL)
		return NULL;
	aligned = ((uintptr_t) chunk + sizeof(void *) + CORE_ALIGN - 1) & ~(uintptr_t) (CORE_ALIGN - 1);
	((void **) aligned)[-1] = chunk;
	return (void *) aligned;
}

/* arg belongs to the stop callback. */
static void *
core_alloc(void *arg, size_t size)
{
	(void) arg;
	return alloc_in(CurrentMemoryContext, size);
}

static void
core_release(void *arg, void *pointer)
{
	(void) arg;
	if (pointer)
		pfree(((void **) pointer)[-1]);
}

bool
xmcoh_stop(void *arg)
{
	(void) arg;
	CHECK_FOR_INTERRUPTS();
	/* A new server cannot start while a process of the old one lives, and a training may take hours. */
	if (MyBackendType == B_BG_WORKER && !PostmasterIsAlive())
		proc_exit(1);
	return false;
}

xmc_ctx
xmcoh_context(void)
{
	return (xmc_ctx){.alloc = core_alloc, .release = core_release, .stop = xmcoh_stop, .gemm = xmcoh_gemm};
}

xmc_ctx
xmcoh_context_in(MemoryContext memory)
{
	return (xmc_ctx){.alloc = alloc_in, .release = core_release, .stop = xmcoh_stop, .arg = memory, .gemm = xmcoh_gemm};
}

void
xmcoh_raise(xmc_status status, const xmc_ctx *ctx)
{
	int			code = ERRCODE_INTERNAL_ERROR;

	switch (status)
	{
		case XMC_OK:
			break;
		case XMC_NO_MEMORY:
			code = ERRCODE_OUT_OF_MEMORY;
			break;
		case XMC_STOPPED:
			code = ERRCODE_QUERY_CANCELED;
			break;
		case XMC_BAD_INPUT:
			code = ERRCODE_DATA_EXCEPTION;
			break;
		case XMC_BAD_MODEL:
			code = ERRCODE_DATA_CORRUPTED;
			break;
		case XMC_CHANGED:
			code = ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
			break;
		case XMC_LIMIT:
			code = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
			break;
	}
	ereport(ERROR, errcode(code), errmsg("%s", ctx->message[0] ? ctx->message : "out of memory"));
	pg_unreachable();
}

/*
 * ICU allocates by malloc. So the tokeniser lives outside memory contexts, until the session ends. After an error in
 * xmc_tokeniser_new the pointer is still NULL, and the next call tries again.
 */
xmc_tokeniser *
xmcoh_tokeniser(void)
{
	static xmc_tokeniser *tokeniser = NULL;
	static xmc_ctx ctx;

	if (tokeniser == NULL)
	{
		ctx = xmc_ctx_malloc();
		XMCOH_TRY(xmc_tokeniser_new(&ctx, &tokeniser), &ctx);
	}
	return tokeniser;
}
