/*
 * job_process.h - the process of a training job as the table of processes shows it: its type, its name, whether it lives.
 */
#ifndef XMCOH_PG_JOB_PROCESS_H
#define XMCOH_PG_JOB_PROCESS_H

#include "base/processes.h"
#include "base/xmcoh.h"

#include "datatype/timestamp.h"
#include "storage/proc.h"
#include "utils/backend_status.h"

#define XMCOH_WORKER_NAME "xmcoh job %d"	/* bgw_name and application_name; the number is the job's */
#define XMCOH_WAITING " (queued)"	/* the end of the application_name while xmcoh.max_running_jobs keeps the job waiting */

/*
 * A worker that cannot connect is restarted for this long, ms: the server may have too many connections for a moment. A
 * job that is still queued some seconds later, and has no worker, gets none.
 */
#define XMCOH_CONNECT_PATIENCE_MS 60000

/*
 * The process of this database with this pid and start time; NULL: there is none. Processes of other databases are left
 * out, because a dump carries the pids of jobs' workers to other databases.
 */
extern PGPROC *xmcoh_find_worker(int pid, TimestampTz started_at);

/* The same, if the process is the worker of this job. */
extern PGPROC *xmcoh_find_worker_of_job(int32 job_id, int pid, TimestampTz started_at);

/* Whether a job of this database has a process, whatever its pid. */
extern bool xmcoh_job_has_worker(int32 job_id);

/* Whether a process is the worker of a job of any database; a worker that waits for its turn counts. */
extern bool xmcoh_is_job_worker(const PgBackendStatus *process);

/* How many workers of jobs the whole server has; workers that wait for their turn count. */
extern int	xmcoh_count_workers(void);

#endif
