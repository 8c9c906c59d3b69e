/*
 * worker.h - what a training run (training.c) gets from the background worker it runs in (worker.c).
 */
#ifndef XMCOH_PG_WORKER_H
#define XMCOH_PG_WORKER_H

#include "base/xmcoh.h"

typedef struct WorkerJob
{
	int32		job_id;
	int32		model_id;
	char	   *model;			/* its name when the job began, for the log; NULL before */
	Oid			role;			/* the submitter: documents are read as this one */
	bool		gone;			/* the job's row is not ours any more: there is nobody to tell anything */
} WorkerJob;

/*
 * One short transaction as the owner of the extension, connected to SPI, with a snapshot. Not durable: its commit need not
 * have reached the disk when worker_commit returns, which is good enough for progress. Memory that
 * CurrentMemoryContext was set to before worker_begin is current again after worker_commit.
 */
extern void worker_begin(WorkerJob *job, bool durable);
extern void worker_commit(WorkerJob *job);

/* From here to the end of this transaction it runs as the submitting role, under xmcoh_restrict_begin. */
extern void worker_become_submitter(WorkerJob *job);

/* ERROR unless the job is still ours to run: its row is there (else job->gone) and nobody has cancelled it. */
extern void worker_check_state(WorkerJob *job, const char *state);

/* ERROR unless the submitter is still there, and may still train the model, which has this name. */
extern void worker_check_submitter(const WorkerJob *job, bool may_train, const char *model);

/* What somebody is told of an error who only sees one text: message, detail and hint. */
extern char *worker_error_text(const ErrorData *error);

/* Sets back the settings of the database or the role that would change what a process of ours means or can do. */
extern void worker_pin_settings(const char *application_name);

/* Lets queries go first (xmcoh.nice). A process ends with its job, so it need not be undone. */
extern void worker_be_nice(int nice);

/* Tells the server's log (log_min_messages = info) how the job stands; `what` begins with a verb. */
extern void worker_log(const WorkerJob *job, const char *what);

/* Raises the ERROR that a vanished or foreign row ends the worker with. */
extern _Noreturn void worker_give_up(WorkerJob *job);

#endif
