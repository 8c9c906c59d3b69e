/*
 * launcher_hooks.h - what the launcher (schedule/launcher.h) does for layers below its own.
 *
 * The launcher sets the hooks where it has shared memory. NULL: this server has no launcher.
 */
#ifndef XMCOH_PG_LAUNCHER_HOOKS_H
#define XMCOH_PG_LAUNCHER_HOOKS_H

#include "postgres.h"

/* Neither function allocates or fails: wake is called after a commit, job_ended while a process exits. */
typedef struct LauncherHooks
{
	void		(*wake) (Oid database); /* the queue or a schedule of this database has changed */
	void		(*job_ended) (void);	/* the process of a job ends: another job may begin, in any database */
} LauncherHooks;

extern const LauncherHooks *xmcoh_launcher_hooks;

#endif
