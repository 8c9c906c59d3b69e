/*
 * worker.c - the background worker of one job: it claims the job, does what its kind asks for, and writes how the job ended.
 *
 * README.md of this folder has the diagram of the states. A process that claims a job may be its second one. The postmaster
 * restarts a worker that ends with any exit code but 0 (kill -9, pg_terminate_backend, FATAL): the next process finds the
 * row in the hands of a dead process, writes that the job is interrupted, and exits with 0.
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/access.h"
#include "base/launcher_hooks.h"
#include "base/processes.h"
#include "base/statement.h"
#include "training/after_job.h"
#include "training/commit_actions.h"
#include "training/job.h"
#include "training/job_process.h"
#include "training/session.h"
#include "training/snapshot.h"
#include "training/study.h"
#include "training/training.h"

PGDLLEXPORT void xmcoh_worker_main(Datum argument);

/* What a worker does for a job of a kind. The job is in state 'starting'; it is over afterwards, or there was an ERROR. */
static const struct
{
	const char *kind;
	void		(*run) (WorkerJob *job);
}			kinds[] =
{
	{"training", xmcoh_run_training},
	{"study", xmcoh_run_study},
	{"snapshot", xmcoh_run_snapshot},
};

#define TURN_MS 500				/* between two looks whether it is this worker's turn */

static bool begun = false;		/* this process has claimed the job, or found that it is not to run it */
static bool hopeless = false;	/* the error that kept this process from claiming the job will be the same the next time */
static emit_log_hook_type next_log_hook;
static TimestampTz queued_at;

/* ---- claiming the job ---- */

/* Makes the settings xmcoh.* of the session that submitted the job. A setting that is gone, or not allowed, is left out. */
static void
make_settings(const WorkerJob *job)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job->job_id)};

	execute("SELECT s.key, s.value FROM xmcoh.job_record AS j, jsonb_each_text(j.settings) AS s"
			" WHERE j.job_id = $1 AND s.key LIKE 'xmcoh.%'", SPI_OK_SELECT, 1, types, values, NULL);
	for (uint64 k = 0; k < SPI_processed; k++)
		(void) set_config_option(SPI_getvalue(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 1),
								 SPI_getvalue(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 2),
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, WARNING, false);
}

/* Makes this process the worker of the job, if the job is queued. */
static bool
take_job(WorkerJob *job)
{
	Oid			types[3] = {INT4OID, INT4OID, TIMESTAMPTZOID};
	Datum		values[3];
	bool		is_null;

	values[0] = Int32GetDatum(job->job_id);
	values[1] = Int32GetDatum(MyProcPid);
	values[2] = TimestampTzGetDatum(MyStartTimestamp);
	if (execute("UPDATE xmcoh.job_record SET state = 'starting', worker_pid = $2, worker_started_at = $3,"
				" started_at = clock_timestamp(), attempts = attempts + 1, message = NULL"
				" WHERE job_id = $1 AND state = 'queued' RETURNING model_id, kind,"
				" (SELECT m.name FROM xmcoh.model AS m WHERE m.model_id = job_record.model_id)",
				SPI_OK_UPDATE_RETURNING, 3, types, values, NULL) != 1)
		return false;
	job->model_id = DatumGetInt32(first_value(1, &is_null));
	job->kind = MemoryContextStrdup(TopMemoryContext, first_text(2));
	if (first_text(3) != NULL)
		job->model = MemoryContextStrdup(TopMemoryContext, first_text(3));
	return true;
}

/*
 * The number of workers ahead of this one in the whole server: those that started earlier, and those that run a job
 * already, whenever they started.
 */
static int
count_ahead(void)
{
	ProcessScan scan = xmcoh_scan_processes();
	const PgBackendStatus *other;
	int			ahead = 0;

	while ((other = xmcoh_next_process(&scan)) != NULL)
	{
		if (other->st_procpid == MyProcPid || !xmcoh_is_job_worker(other))
			continue;
		if (other->st_proc_start_timestamp < MyStartTimestamp ||
			(other->st_proc_start_timestamp == MyStartTimestamp && other->st_procpid < MyProcPid) ||
			strstr(other->st_appname, XMCOH_WAITING) == NULL)
			ahead++;
	}
	return ahead;
}

/*
 * Whether this worker may begin: fewer than xmcoh.max_running_jobs are ahead of it. The worker takes the name of a running
 * one before it counts, so that of two workers that count at the same time at least one sees the other.
 */
static bool
take_turn(void)
{
	char		name[BGW_MAXLEN + sizeof XMCOH_WAITING];

	SetConfigOption("application_name", MyBgworkerEntry->bgw_name, PGC_USERSET, PGC_S_SESSION);
	if (count_ahead() < xmcoh_max_running_jobs)
		return true;
	snprintf(name, sizeof name, "%s" XMCOH_WAITING, MyBgworkerEntry->bgw_name);
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_SESSION);
	return false;
}

static bool
is_queued(const WorkerJob *job)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job->job_id)};

	return execute("SELECT FROM xmcoh.job_record WHERE job_id = $1 AND state = 'queued'", SPI_OK_SELECT,
				   1, types, values, NULL) == 1;
}

/*
 * Makes this process the job's worker when its turn has come. false: the job is another process's, or over, or its
 * transaction was rolled back.
 */
static bool
claim_job(WorkerJob *job, TransactionId submitter)
{
	bool		mine = false;
	bool		over = false;

	/* The worker is registered before the submitter's commit, which may still be under way, and may fail. */
	if (TransactionIdIsValid(submitter))
	{
		worker_begin(false);
		XactLockTableWait(submitter, NULL, NULL, XLTW_None);
		worker_commit();
	}
	for (;;)
	{
		bool		turn = take_turn();

		worker_begin(true);
		mine = turn && take_job(job);
		over = !mine && (turn || !is_queued(job));
		if (mine)
			make_settings(job);
		else if (over)
			xmcoh_reconcile(job->job_id);	/* this process follows a dead worker, or the job needs none */
		worker_commit();
		if (mine || over)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, TURN_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
	begun = true;
	if (mine)
		worker_log(job, "begins");
	return mine;
}

/* ---- the end of the job by an error ---- */

/*
 * Writes how the job ended. A job that somebody was cancelling ends cancelled, whatever the error was. Where ALTER EXTENSION has
 * overtaken this library, the job is interrupted, so that the checkpoint stays: a worker with the newer library can go on from there.
 */
static void
record_failure(WorkerJob *job, const ErrorData *error)
{
	bool		cancelled = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	Oid			types[5] = {INT4OID, INT4OID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[5];
	char		nulls[6] = "     ";

	values[0] = Int32GetDatum(job->job_id);
	values[1] = Int32GetDatum(MyProcPid);
	values[4] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	nulls[4] = cancelled ? 'n' : ' ';
	values[3] = CStringGetTextDatum(cancelled ? "cancelled by pg_cancel_backend" : worker_error_text(error));

	HOLD_CANCEL_INTERRUPTS();	/* a second SIGINT must not stop this write */
	worker_begin(true);
	values[2] = CStringGetTextDatum(cancelled || xmcoh_library_is_older() ? "interrupted" : "failed");
	execute("UPDATE xmcoh.job_record SET finished_at = clock_timestamp(),"
			" message = CASE WHEN state = 'cancelling'"
			" THEN 'cancelled' || coalesce(' while ' || phase, '') ELSE $4 END,"
			" error_code = CASE WHEN state <> 'cancelling' THEN $5 END,"
			" state = CASE WHEN state = 'cancelling' THEN 'cancelled' ELSE $3 END"
			" WHERE job_id = $1 AND (worker_pid = $2 OR worker_pid IS NULL)"
			" AND xmcoh_internal.is_active(state) RETURNING 'ended ' || state",
			SPI_OK_UPDATE_RETURNING, 5, types, values, nulls);
	if (first_text(1) != NULL)
		worker_log(job, first_text(1));
	worker_commit();
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();
}

/* ---- the process ---- */

static void
run_job(WorkerJob *job)
{
	for (int k = 0; k < (int) lengthof(kinds); k++)
		if (strcmp(job->kind, kinds[k].kind) == 0)
		{
			kinds[k].run(job);
			return;
		}
	ereport(ERROR,
			errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			errmsg("jobs of kind \"%s\" are not supported", job->kind),
			errhint("Install the files of the version of xmcoh that the database has, and restart the server."));
}

/* The CONTEXT of every error of the worker. */
static void
report_job(void *arg)
{
	const WorkerJob *job = arg;

	if (job->model)
		errcontext("%s job %d of model \"%s\"", job->kind, job->job_id, job->model);
	else
		errcontext("job %d", job->job_id);
}

/* A log hook, because it is the only code that sees why connecting failed: that error is FATAL. */
static void
note_hopeless_error(ErrorData *error)
{
	if (error->elevel >= ERROR &&
		(error->sqlerrcode == ERRCODE_UNDEFINED_DATABASE ||	/* dropped */
		 error->sqlerrcode == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION ||	/* so is the role, or it may not log in */
		 error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE))
		hopeless = true;
	if (next_log_hook)
		next_log_hook(error);
}

/*
 * The postmaster restarts a process that cannot connect, or cannot claim its job, every second. That is right for a
 * while, since there may be too many connections. If the database or the role is gone, or a minute has passed, exit code 0
 * ends the restarts; xmcoh.job then derives the job's state. This callback is registered first, so it is called last, when
 * shared memory has been detached.
 */
static void
end_unbegun(int code, Datum arg)
{
	(void) code;
	(void) arg;
	if (!begun && (hopeless ||
				   TimestampDifferenceExceeds(queued_at, GetCurrentTimestamp(), XMCOH_CONNECT_PATIENCE_MS)))
		_exit(0);
}

/*
 * Registered before the process is connected, so that the callback runs after the process has left the table of processes,
 * in which the next schedule worker counts the workers.
 */
static void
report_job_end(int code, Datum arg)
{
	(void) code;
	(void) arg;
	xmcoh_launcher_hooks->job_ended();
}

/* What the postmaster and a session may send: end, cancel, reload the configuration. */
static void
set_signal_handlers(void)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
}

void
xmcoh_worker_main(Datum argument)
{
	JobStart	start;
	WorkerJob	job = {0};
	MemoryContext memory;
	ErrorContextCallback context = {.callback = report_job,.arg = &job};

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof start);
	job.job_id = DatumGetInt32(argument);
	job.role = start.role;
	queued_at = start.queued_at;

	on_proc_exit(end_unbegun, 0);
	if (xmcoh_launcher_hooks != NULL)
		on_shmem_exit(report_job_end, 0);
	next_log_hook = emit_log_hook;
	emit_log_hook = note_hopeless_error;
	set_signal_handlers();
	BackgroundWorkerInitializeConnectionByOid(start.database, start.session_user, 0);
	worker_pin_settings(MyBgworkerEntry->bgw_name);

	context.previous = error_context_stack;
	error_context_stack = &context;
	memory = AllocSetContextCreate(TopMemoryContext, "xmcoh job", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		if (claim_job(&job, start.xid))
		{
			worker_be_nice(xmcoh_nice);
			run_job(&job);
		}
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		EmitErrorReport();		/* to the server's log */
		FlushErrorState();
		AbortCurrentTransaction();
		MemoryContextReset(memory); /* documents and weights: little memory may be left */
		MemoryContextSwitchTo(memory);
		if (!job.gone)
			record_failure(&job, error);
	}
	PG_END_TRY();
	if (job.kind != NULL)		/* it was this process's */
		xmcoh_after_job(&job);
	proc_exit(0);
}
