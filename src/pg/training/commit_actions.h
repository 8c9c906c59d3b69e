/*
 * commit_actions.h - what a transaction does when it commits: start a job's worker, interrupt one, wake the launcher.
 */
#ifndef XMCOH_PG_COMMIT_ACTIONS_H
#define XMCOH_PG_COMMIT_ACTIONS_H

#include "base/xmcoh.h"

#include "datatype/timestamp.h"
#include "storage/proc.h"

/* What a job's worker receives in bgw_extra. */
typedef struct JobStart
{
	Oid			database;
	Oid			session_user;	/* the worker connects as this role: it can log in, `role` perhaps cannot */
	Oid			role;			/* the worker reads as this role: the one that called xmcoh.train */
	int32		job_id;
	TransactionId xid;			/* the transaction that writes the job's row */
	TimestampTz queued_at;
} JobStart;

/*
 * Each of these is done when the current transaction commits, unless the current subtransaction rolls back. A worker is
 * registered before the commit, since that may fail: ERROR configuration_limit_exceeded. A transaction with such an action
 * cannot be prepared.
 */
extern void xmcoh_start_worker_at_commit(const JobStart *start);
extern void xmcoh_interrupt_worker_at_commit(PGPROC *proc, int pid);
extern void xmcoh_wake_at_commit(void);

/* Registers the transaction callbacks; once, when the library is loaded. */
extern void xmcoh_commit_actions_init(void);

#endif
