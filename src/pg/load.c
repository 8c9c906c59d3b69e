/*
 * load.c - what happens when a process loads the library: settings, and what must be ready before the first call.
 *
 * This file stands above all layers of src/pg: it calls the start functions of any of them, and none of them calls it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "base/compat.h"
#include "base/settings.h"
#include "schedule/launcher.h"
#include "training/commit_actions.h"

XMCOH_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	xmcoh_define_settings();
	xmcoh_commit_actions_init();
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
		xmcoh_launcher_init();
}
