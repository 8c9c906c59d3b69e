/*
 * processes.h - the server's table of processes: a scan over it, and the description of a background worker of xmcoh.
 */
#ifndef XMCOH_PG_PROCESSES_H
#define XMCOH_PG_PROCESSES_H

#include "postgres.h"

#include "postmaster/bgworker.h"
#include "utils/backend_status.h"

#define XMCOH_WORKER_TYPE "xmcoh job"	/* bgw_type of the workers of jobs */

typedef struct ProcessScan
{
	int			n;				/* entries of the local copy of the table */
	int			next;			/* from 1 */
} ProcessScan;

/*
 * A scan over the processes that are connected to the server now:
 *
 *     ProcessScan scan = xmcoh_scan_processes();
 *     while ((process = xmcoh_next_process(&scan)) != NULL)
 *
 * The entries belong to PostgreSQL's copy of the table. The copy lasts until the next xmcoh_scan_processes() or the end of
 * the transaction.
 */
extern ProcessScan xmcoh_scan_processes(void);
extern const PgBackendStatus *xmcoh_next_process(ProcessScan *scan);

/* Whether a process is a background worker of this bgw_type. */
extern bool xmcoh_is_worker_of_type(const PgBackendStatus *process, const char *type);

/*
 * A background worker that runs `function` of this library, with access to shared memory and to a database. Its name is
 * its type, it starts after recovery, and it is not started again: the caller changes what it wants otherwise. `extra`
 * (may be NULL) is copied to bgw_extra.
 */
extern BackgroundWorker xmcoh_background_worker(const char *type, const char *function, const void *extra, Size extra_size);

#endif
