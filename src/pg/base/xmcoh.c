/* xmcoh.c - loading, settings, the core's context on palloc, errors, the session's tokeniser; see xmcoh.h */
#include "base/xmcoh.h"

#include <cblas.h>
#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "training/commit_actions.h"
#include "schedule/launcher.h"

#include "xmcoh/shards.h"

XMCOH_MODULE_MAGIC;

int			xmcoh_max_document_items = 256;
int			xmcoh_training_memory = 256 * 1024;
int			xmcoh_checkpoint_interval = 30;
int			xmcoh_max_running_jobs = 4;
int			xmcoh_max_running_jobs_per_role = 2;
int			xmcoh_nice = 0;
int			xmcoh_training_workers = 1;

#define CORE_ALIGN 16

/*
 * palloc aligns to MAXALIGN (8 bytes on most machines), the core wants 16. So each allocation is a little larger than
 * asked for, and the address that palloc gave stands in the word before the aligned one.
 */
static void *
core_alloc(void *arg, size_t size)
{
	char	   *chunk;
	uintptr_t	aligned;

	(void) arg;
	if (size > MaxAllocHugeSize - CORE_ALIGN - sizeof(void *))
		return NULL;
	chunk = MemoryContextAllocExtended(CurrentMemoryContext, size + CORE_ALIGN + sizeof(void *),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (chunk == NULL)
		return NULL;
	aligned = ((uintptr_t) chunk + sizeof(void *) + CORE_ALIGN - 1) & ~(uintptr_t) (CORE_ALIGN - 1);
	((void **) aligned)[-1] = chunk;
	return (void *) aligned;
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
	/* No new server starts while a process of the old one lives: a worker may be hours from its end. */
	if (MyBackendType == B_BG_WORKER && !PostmasterIsAlive())
		proc_exit(1);
	return false;
}

xmc_ctx
xmcoh_context(void)
{
	return (xmc_ctx){.alloc = core_alloc, .release = core_release, .stop = xmcoh_stop};
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
 * ICU allocates its objects by malloc, so the tokeniser lives outside memory contexts, for the session's whole life;
 * an error while it is being made leaves nothing behind that a later call could trip over.
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

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	/*
	 * A threaded OpenBLAS starts threads in the server process, with PostgreSQL's signals unblocked in them: a signal
	 * may then run its handler in a thread that PostgreSQL knows nothing of. So it must be the serial one.
	 */
	if (openblas_get_parallel() != 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("xmcoh cannot be loaded with a threaded OpenBLAS"),
				errdetail("A PostgreSQL process must have one thread only, and this build of OpenBLAS starts more."),
				errhint("Install the serial OpenBLAS and link xmcoh with it (Debian: libopenblas-serial-dev)."));

	DefineCustomIntVariable("xmcoh.max_document_items",
							"Most items that one document may have.",
							"Work and memory of a document grow with the square of its items.",
							&xmcoh_max_document_items,
							256, 2, 4096,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.training_memory",
							"How much of the training documents each training process keeps in its memory.",
							"They lie in a temporary file, which is read again and again: a data set may be many times as"
							" large. The model and the state of its training come on top.",
							&xmcoh_training_memory,
							256 * 1024, 1024, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.checkpoint_interval",
							"Time between two checkpoints of a training job; 0: one after every epoch.",
							"They are written after epochs. Unless this is 0, one is also put off for as long as all of them "
							"together would take more than 2 % of the time since the worker began.",
							&xmcoh_checkpoint_interval,
							30, 0, 86400,
							PGC_USERSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.max_running_jobs",
							"Most training jobs that run at the same time in the whole server.",
							"Each takes one core. A job beyond that stays queued until its turn comes.",
							&xmcoh_max_running_jobs,
							4, 1, 1024,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.max_running_jobs_per_role",
							"Most training jobs of one role that run at the same time.",
							"With a launcher a job beyond that stays queued until its turn comes; without one it is refused, since it"
							" would hold a worker slot while it waits.",
							&xmcoh_max_running_jobs_per_role,
							2, 1, 1024,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.nice",
							"Nice value of the processes of training jobs.",
							"With a higher one the operating system gives queries the processor first.",
							&xmcoh_nice,
							0, 0, 19,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("xmcoh.training_workers",
							"How many processes compute the training of networks, the job's own one included.",
							"Each minibatch is cut into as many slices, on whose number the result depends; slices for which no"
							" background worker is free are computed by the job itself. A slot is left for each job that may still begin.",
							&xmcoh_training_workers,
							1, 1, XMC_MAX_SHARDS,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("xmcoh");
	xmcoh_commit_actions_init();
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		xmcoh_launcher_init();
}
