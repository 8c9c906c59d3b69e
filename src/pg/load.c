/*
 * load.c - what happens when a process loads the library: checks, settings, and what must be ready before the first call.
 *
 * This file stands above all layers of src/pg: it calls the start functions of any of them, and none of them calls it.
 */
#include "postgres.h"

#include <cblas.h>

#include "fmgr.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "base/settings.h"
#include "schedule/launcher.h"
#include "training/commit_actions.h"

XMCOH_MODULE_MAGIC;

/*
 * A threaded OpenBLAS starts threads in the server process, with PostgreSQL's signals unblocked in them. A signal handler
 * may then run in a thread that PostgreSQL knows nothing of.
 */
static void
refuse_threads(void)
{
	if (openblas_get_parallel() != 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("xmcoh cannot be loaded with a threaded OpenBLAS"),
				errdetail("A PostgreSQL process must have one thread only, and this build of OpenBLAS starts more."),
				errhint("Install the serial OpenBLAS and link xmcoh with it (Debian: libopenblas-serial-dev)."));
}

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	refuse_threads();
	xmcoh_define_settings();
	xmcoh_commit_actions_init();
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		xmcoh_launcher_init();
}
