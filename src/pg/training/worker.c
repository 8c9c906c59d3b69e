/*
 * worker.c - the background worker of one training job: its identity, its transactions, its last word.
 *
 *      (no row)    interrupted
 *          | train       | resume_job, or the launcher; a checkpoint says where to go on
 *          v <-----------+
 *          |              cancel_job
 *       queued -----------------------------------------------------> cancelled
 *          | a worker claims it                                           ^
 *          v              cancel_job                   the worker stops   |
 *      starting -------------------------> cancelling --------------------+
 *          | its options are good              ^       or dies
 *          v              cancel_job           |
 *       running -------------------------------+
 *          | version, deployment and this, in one transaction
 *          v
 *      succeeded, or rejected: compared with the deployed version, and worse (champion.h)
 *
 *      starting, running --- ERROR in the worker --------------------> failed
 *      starting, running --- worker died, or pg_cancel_backend ------> interrupted
 *      queued -------------- no worker will come --------------------> interrupted
 *
 * succeeded, rejected, failed and cancelled are for ever: a trigger removes the job's checkpoint in the same transaction.
 *
 * Every change is one UPDATE in a short transaction that says which state it comes from, so that of two writers one
 * wins and the other sees it; a trigger keeps them all in xmcoh.job_transition. A worker never trusts that it is the
 * first of its job. The postmaster starts it anew whenever it ends by anything but exit code 0 (kill -9,
 * pg_terminate_backend, FATAL): the new incarnation finds the row in the hands of a dead process, writes that down,
 * and exits. After a restart of the server nobody is started anew: then xmcoh.job derives the state from the dead
 * worker's pid and start time, or of a queued job from where and when it was queued, and train, wait_for_job,
 * cancel_job and resume_job write it down.
 *
 * cancel_job sets `cancelling` and sends SIGINT when it commits. The core asks for interrupts every 50 ms of work, so
 * the resulting ERROR comes at once; should the signal be lost, the next write of progress sees the state.
 */
#include "training/worker.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "base/access.h"
#include "training/job.h"
#include "schedule/launcher.h"
#include "base/restricted.h"
#include "base/statement.h"
#include "training/training.h"

PGDLLEXPORT void xmcoh_worker_main(Datum argument);

#define TURN_MS 500				/* between two looks whether it is this worker's turn */

static bool begun = false;		/* the job is ours */
static bool hopeless = false;	/* the error that keeps us from beginning will be the same the next time */
static emit_log_hook_type next_log_hook;
static TimestampTz queued_at;

/* ---- transactions ---- */

static MemoryContext outside;	/* CurrentMemoryContext before worker_begin */
static bool restricted = false; /* by worker_become_submitter, in this transaction */
static RestrictState before_restriction;

void
worker_begin(WorkerJob *job, bool durable)
{
	Oid			table;

	(void) job;
	outside = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (!durable)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
								 true, 0, false);

	/*
	 * After DROP EXTENSION there is no row left to write to: an error would only have us started anew, for ever. And while this
	 * transaction lasts, the table's name must not come to be somebody else's.
	 */
	table = xmcoh_extension_table("job_record");
	if (OidIsValid(table))
		LockRelationOid(table, AccessShareLock);
	if (!OidIsValid(table) || xmcoh_extension_table("job_record") != table)
		proc_exit(0);
	/* What is written of a job is nobody's to write but the extension's; no code of a user runs as its owner. */
	SetUserIdAndSecContext(xmcoh_extension_owner(), SECURITY_LOCAL_USERID_CHANGE);
	restricted = false;
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, NULL);
}

/*
 * No way back: code that a source brings along (views, policies, casts) must not get at the session's role, by SET ROLE or by
 * a deferred trigger, which would fire at commit, when we are that role again.
 */
void
worker_become_submitter(WorkerJob *job)
{
	xmcoh_restrict_begin_as(&before_restriction, job->role);
	restricted = true;
}

void
worker_commit(WorkerJob *job)
{
	(void) job;
	if (restricted)
		xmcoh_restrict_end(&before_restriction);
	restricted = false;
	SPI_finish();
	PopActiveSnapshot();
	SetUserIdAndSecContext(GetSessionUserId(), 0);
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(outside);
}

void
worker_give_up(WorkerJob *job)
{
	job->gone = true;
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("job %d is not there any more", job->job_id));
}

void
worker_check_state(WorkerJob *job, const char *state)
{
	if (state == NULL)
		worker_give_up(job);
	if (strcmp(state, "cancelling") == 0)
		ereport(ERROR, errcode(ERRCODE_QUERY_CANCELED), errmsg("job %d was cancelled", job->job_id));
	if (strcmp(state, "starting") != 0 && strcmp(state, "running") != 0)
		worker_give_up(job);	/* somebody took this worker for dead */
}

void
worker_log(const WorkerJob *job, const char *what)
{
	ereport(INFO, errmsg("training job %d of model \"%s\" %s", job->job_id, job->model ? job->model : "?", what), errhidecontext(true));
}

/* The CONTEXT of every error of the worker. */
static void
tell_job(void *arg)
{
	const WorkerJob *job = arg;

	if (job->model)
		errcontext("training job %d of model \"%s\"", job->job_id, job->model);
	else
		errcontext("training job %d", job->job_id);
}

void
worker_check_submitter(const WorkerJob *job, bool may_train, const char *model)
{
	char	   *name = GetUserNameFromId(job->role, true);

	if (name == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("the role that submitted the job does not exist any more"));
	if (!may_train)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("role \"%s\", which submitted the job, may no longer train model \"%s\"", name, model));
}

/* ---- begin and end of a job ---- */

/* The settings xmcoh.* of the session that submitted the job. One that is not there any more, or not allowed, is left out. */
static void
make_settings(WorkerJob *job)
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

/* Makes this process the worker of a job in the queue, if it is there. */
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
				" WHERE job_id = $1 AND state = 'queued' RETURNING model_id,"
				" (SELECT m.name FROM xmcoh.model AS m WHERE m.model_id = job_record.model_id)",
				SPI_OK_UPDATE_RETURNING, 3, types, values, NULL) != 1)
		return false;
	job->model_id = DatumGetInt32(first_value(1, &is_null));
	if (first_text(2) != NULL)
		job->model = MemoryContextStrdup(TopMemoryContext, first_text(2));
	return true;
}

/* Workers ahead of this one in the whole server: those that began earlier, and those that have had their turn. */
static int
count_ahead(void)
{
	int			ahead = 0;
	int			n;

	pgstat_clear_backend_activity_snapshot();
	n = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= n; i++)
	{
		LocalPgBackendStatus *local = xmcoh_backend_entry(i);
		const PgBackendStatus *other = local ? &local->backendStatus : NULL;

		if (other == NULL || other->st_procpid == MyProcPid || !xmcoh_is_job_worker(other))
			continue;
		if (other->st_proc_start_timestamp < MyStartTimestamp ||
			(other->st_proc_start_timestamp == MyStartTimestamp && other->st_procpid < MyProcPid) ||
			strstr(other->st_appname, XMCOH_WAITING) == NULL)
			ahead++;
	}
	return ahead;
}

/*
 * Whether this worker may begin: fewer than xmcoh.max_running_jobs are ahead of it. It says so (by its
 * application_name) before it counts: of two workers that count at the same time, at least one so sees the other.
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

/* Whether the job is still in the queue. */
static bool
is_queued(const WorkerJob *job)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job->job_id)};

	return execute("SELECT FROM xmcoh.job_record WHERE job_id = $1 AND state = 'queued'", SPI_OK_SELECT,
				   1, types, values, NULL) == 1;
}

/* Makes this process the job's worker, when its turn has come. False: it is another's, or over, or was never committed. */
static bool
claim_job(WorkerJob *job, TransactionId submitter)
{
	bool		mine = false;
	bool		over = false;

	/* We are registered before the commit: it may still be going on, and still fail. */
	if (TransactionIdIsValid(submitter))
	{
		worker_begin(job, false);
		XactLockTableWait(submitter, NULL, NULL, XLTW_None);
		worker_commit(job);
	}
	for (;;)
	{
		bool		turn = take_turn();

		worker_begin(job, true);
		mine = turn && take_job(job);
		over = !mine && (turn || !is_queued(job));
		if (mine)
			make_settings(job);
		else if (over)
			xmcoh_settle(job->job_id);	/* we are the new incarnation of a dead worker, or superfluous */
		worker_commit(job);
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

/*
 * Linux may share the processor among sessions first, and every process of a server is a session of its own: then what
 * counts is the nice value of that. Where there is no such file nothing is to be done.
 */
static void
be_nice_as_a_session(int nice)
{
	char		text[12];
	int			length = snprintf(text, sizeof text, "%d", nice);
	int			file = open("/proc/self/autogroup", O_WRONLY);

	if (file < 0)
		return;
	if (write(file, text, length) < 0)
		ereport(DEBUG1, errmsg("could not write \"/proc/self/autogroup\": %m"));
	close(file);
}

void
worker_be_nice(int nice)
{
	if (getpriority(PRIO_PROCESS, 0) >= nice)
		return;
	if (setpriority(PRIO_PROCESS, 0, nice) != 0)
		ereport(LOG, errmsg("could not set the priority of a training process to %d: %m", nice));
	be_nice_as_a_session(nice);
}

#define TEXT_LIMIT 4096			/* bytes of each part: code of a user may raise an error with any text */

static void
append_clipped(StringInfo out, const char *format, const char *text)
{
	appendStringInfo(out, format, pnstrdup(text, pg_mbcliplen(text, strlen(text), TEXT_LIMIT)));
}

char *
worker_error_text(const ErrorData *error)
{
	StringInfoData text;

	initStringInfo(&text);
	append_clipped(&text, "%s", error->message ? error->message : "unknown error");
	if (error->detail)
		append_clipped(&text, "\n%s", error->detail);
	if (error->hint)
		append_clipped(&text, "\nHint: %s", error->hint);
	return text.data;
}

/* Writes how the job ended. A job that somebody was cancelling ends cancelled, whatever stopped it. */
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
	values[2] = CStringGetTextDatum(cancelled ? "interrupted" : "failed");
	values[3] = CStringGetTextDatum(cancelled ? "cancelled by pg_cancel_backend" : worker_error_text(error));

	HOLD_CANCEL_INTERRUPTS();	/* a second SIGINT must not keep us from saying what the first one did */
	worker_begin(job, true);
	execute("UPDATE xmcoh.job_record SET finished_at = clock_timestamp(),"
			" message = CASE WHEN state = 'cancelling'"
			" THEN 'cancelled' || coalesce(' while ' || phase, '') ELSE $4 END,"
			" error_code = CASE WHEN state <> 'cancelling' THEN $5 END,"
			" state = CASE WHEN state = 'cancelling' THEN 'cancelled' ELSE $3 END"
			" WHERE job_id = $1 AND (worker_pid = $2 OR worker_pid IS NULL)"
			" AND state IN ('queued', 'starting', 'running', 'cancelling') RETURNING 'ended ' || state",
			SPI_OK_UPDATE_RETURNING, 5, types, values, nulls);
	if (first_text(1) != NULL)
		worker_log(job, first_text(1));
	worker_commit(job);
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();
}

/* ---- the process ---- */

/* The only look at why connecting failed: the FATAL error itself ends the process. */
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
 * A process that cannot connect, or not write that it has begun, is started anew by the postmaster every second. For a
 * while that is right: there may be too many connections. But if the database or the role is gone, or nothing helps for a
 * minute, it must not go on for ever: exit code 0 ends it, and xmcoh.job tells what has become of the job. This callback is
 * the first registered, so the last called: shared memory is let go of by then.
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
 * Registered before the process is connected, so it runs when the process has left the table of processes, where the next
 * visitor counts the workers.
 */
static void
tell_launcher(int code, Datum arg)
{
	(void) code;
	(void) arg;
	xmcoh_launcher_job_ended();
}

void
worker_pin_settings(const char *application_name)
{
	static const char *const setting[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"row_security", "on"},
		{"lock_timeout", "0"},
		{"statement_timeout", "0"},
#if PG_VERSION_NUM >= 170000
		{"transaction_timeout", "0"},	/* the only one of its kind that is kept outside sessions, too */
#endif
	};

	for (int i = 0; i < (int) lengthof(setting); i++)
		SetConfigOption(setting[i][0], setting[i][1], PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("application_name", application_name, PGC_USERSET, PGC_S_SESSION);
}

void
xmcoh_worker_main(Datum argument)
{
	JobStart	start;
	WorkerJob	job = {0};
	MemoryContext memory;
	ErrorContextCallback context = {.callback = tell_job,.arg = &job};

	memcpy(&start, MyBgworkerEntry->bgw_extra, sizeof start);
	job.job_id = DatumGetInt32(argument);
	job.role = start.role;
	queued_at = start.queued_at;

	on_proc_exit(end_unbegun, 0);
	if (xmcoh_launcher_loaded())
		on_shmem_exit(tell_launcher, 0);
	next_log_hook = emit_log_hook;
	emit_log_hook = note_hopeless_error;
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
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
			xmcoh_run_training(&job);
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
		MemoryContextReset(memory); /* documents and weights: there may be little memory left */
		MemoryContextSwitchTo(memory);
		if (!job.gone)
			record_failure(&job, error);
	}
	PG_END_TRY();
	proc_exit(0);
}
