/*
 * job.h - training jobs seen from a session: start a worker at commit, signal one at commit, tell whether one lives,
 * wait.
 */
#ifndef XMCOH_PG_JOB_H
#define XMCOH_PG_JOB_H

#include "base/xmcoh.h"

#include "datatype/timestamp.h"
#include "utils/backend_status.h"

#define XMCOH_WORKER_TYPE "xmcoh job"
#define XMCOH_WORKER_NAME "xmcoh job %d"	/* and its application_name: of the job */
#define XMCOH_WAITING " (queued)"	/* at the end of that: its turn has not come yet (xmcoh.max_running_jobs) */

/*
 * How long a worker that cannot connect is started anew, ms: there may be too many connections for the moment. A job that
 * is still queued some seconds later, and has no worker, gets none.
 */
#define XMCOH_CONNECT_PATIENCE_MS 60000

/* What a worker is told by bgw_extra. */
typedef struct JobStart
{
	Oid			database;
	Oid			session_user;	/* connects as this role: it can log in, the next perhaps not */
	Oid			role;			/* works as this role: the one that called xmcoh.train */
	int32		job_id;
	TransactionId xid;			/* the transaction that writes the job's row */
	TimestampTz queued_at;
} JobStart;

/* Registers the transaction callbacks; once, when the library is loaded. */
extern void xmcoh_job_init(void);

/* Wakes the launcher when this transaction commits, unless the current subtransaction rolls back. */
extern void xmcoh_wake_at_commit(void);

/*
 * Writes the truth into the row of a job whose worker is dead; gives whether it had to. Needs SPI. A job that is
 * over, or whose worker lives, is left alone.
 */
extern bool xmcoh_settle(int32 job_id);

/* A job that ended early this often since its last checkpoint is not taken up again by itself. */
#define XMCOH_MAX_ATTEMPTS 3

/*
 * Puts an interrupted job back into the queue, for the launcher, from a superuser's transaction: the worker connects as the
 * role that the submitting session had logged in as. A job that has failed to move on too often, or whose roles cannot do what they could, is left
 * interrupted with a message that says so: false. ERROR if resume_job refuses. Needs no SPI connection.
 */
extern bool xmcoh_resume(int32 job_id);

/*
 * Asks for the worker of a queued job, for the launcher; or ends the job, if it cannot be begun any more: false. Needs no SPI
 * connection.
 */
extern bool xmcoh_begin_queued(int32 job_id);

/* Ends a job in the queue that could not be asked for. Needs no SPI connection. */
extern bool xmcoh_fail_queued(int32 job_id, const char *why);

/* Whether the process of a job of this database is there. */
extern bool xmcoh_job_has_worker(int32 job_id);

/* Whether a process is a job's worker, in whichever database, also one that waits for its turn. */
extern bool xmcoh_is_job_worker(const PgBackendStatus *process);

/* How many workers of jobs are at work, or about to be, in the whole server. */
extern int	xmcoh_count_workers(void);

#endif
