/*
 * session.h - the database session of a background worker: its settings, its transactions, the job that it works for.
 */
#ifndef XMCOH_PG_SESSION_H
#define XMCOH_PG_SESSION_H

#include "base/xmcoh.h"

#include "utils/jsonb.h"

/* ---- any background worker ---- */

/* Fixes the settings by which the database or the role would change what the worker's statements mean or may do. */
extern void worker_pin_settings(const char *application_name);

/* Gives this process at least this nice value (xmcoh.nice). The process ends with its job, so nothing is undone. */
extern void worker_be_nice(int nice);

/*
 * One short transaction, connected to SPI, with a snapshot. The memory context of begin is current again after commit.
 */
extern void worker_begin_transaction(void);
extern void worker_commit_transaction(void);

/* An error as one text, for a column: message, detail and hint. */
extern char *worker_error_text(const ErrorData *error);

/* ---- the worker of a job ---- */

typedef struct WorkerJob
{
	int32		job_id;
	int32		model_id;
	char	   *model;			/* its name when the job began, for the log; NULL before */
	char	   *kind;			/* 'training', 'study' or 'snapshot'; NULL before the job began */
	Oid			role;			/* the submitter, with whose rights documents are read */
	int64		done_before;	/* work units that were done when this worker began; for worker_progress */
	bool		gone;			/* the job's row is gone, or another process's: this one writes there no more */
} WorkerJob;

/*
 * A transaction as the owner of the extension. Not durable: the commit need not have reached the disk when worker_commit
 * returns, which is enough for progress. Ends the process after DROP EXTENSION.
 */
extern void worker_begin(bool durable);
extern void worker_commit(void);

/* From here to the end of this transaction statements run as the submitting role, under xmcoh_restrict_begin. */
extern void worker_become_submitter(const WorkerJob *job);

/*
 * ERROR unless the job is still this process's: query_canceled if the state is cancelling; worker_give_up if the row is
 * gone (`state` NULL) or has any other state than starting and running; xmcoh_check_version.
 */
extern void worker_check_state(WorkerJob *job, const char *state);

/* Sets job->gone and raises the ERROR that ends the process then. */
extern _Noreturn void worker_give_up(WorkerJob *job);

/* ERROR unless the submitter exists and may still train the model, which has this name; xmcoh_check_version. */
extern void worker_check_submitter(const WorkerJob *job, bool may_train, const char *model);

/*
 * What jobs of other kinds than training write into their rows; each function needs a transaction of worker_begin.
 *
 * worker_start makes the job running and gives its options, in the memory context that was current before the transaction.
 * ERROR: those of worker_check_state and worker_check_submitter.
 * worker_progress writes how far the job is, unless another transaction has locked the row. `moved_on`: this transaction stores
 * what was done, so attempts count anew. ERROR: those of worker_check_state.
 * worker_succeed locks the row and ends the job, in the transaction that stores its last result.
 */
extern Jsonb *worker_start(WorkerJob *job, const char *phase);
extern void worker_progress(WorkerJob *job, const char *phase, int64 done, int64 total, bool moved_on);
extern void worker_succeed(WorkerJob *job, const char *message);

/* Writes to the server's log (log_min_messages = info); `what` begins with a verb. */
extern void worker_log(const WorkerJob *job, const char *what);

#endif
