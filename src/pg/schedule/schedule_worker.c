/*
 * schedule_worker.c - the short-lived process that the launcher starts in a database: it reconciles the jobs of dead
 * workers, resumes the jobs that the end of a server run has interrupted, starts due schedules, begins queued jobs, and looks
 * for alerts.
 *
 * The process is the bootstrap superuser, so it runs only code of the extension, each step in a short transaction that
 * waits for no lock for long. A schedule's job is submitted as the role that made the schedule.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/access.h"
#include "base/statement.h"
#include "schedule/launcher.h"
#include "schedule/schedule.h"
#include "training/job.h"
#include "training/job_process.h"
#include "training/queue.h"
#include "training/session.h"

PGDLLEXPORT void xmcoh_schedule_worker_main(Datum argument);

#define LOCK_TIMEOUT "500ms"	/* for the other locks of train(): rows that another transaction has locked are skipped */
#define STEP_MS 5000			/* at most for one transaction: what users have defined may be slow to evaluate */
#define PART_MS 10000			/* at most for each of the four parts; the rest is for the next schedule worker */
#define PATIENCE_MS 1000		/* for rows that are locked after a crash, and for processes that start */
#define SLOT_MS 300				/* for slots of processes that have just ended */
#define NAP_MS 10
#define WAITING_MS 10000		/* until the next schedule worker while jobs wait for their turn */
#define LONGEST_MS INT64CONST(3600000)	/* until the next schedule worker where a change wakes no launcher (replication) */

/* What is needed of a row of xmcoh.schedule, in `memory`. */
typedef struct Schedule
{
	int32		schedule_id;
	char	   *model;
	char	   *cron;
	char	   *timezone;
	TimestampTz since;			/* when it was made, or came due last */
} Schedule;

static ScheduleWorkerStart self;
static MemoryContext memory;	/* of the whole process */

/* ---- transactions ---- */

static void
begin(void)
{
	worker_begin_transaction();
	enable_timeout_after(STATEMENT_TIMEOUT, STEP_MS);
}

static void
commit(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	worker_commit_transaction();
}

/* Rolls back the transaction after an error, and returns the error. */
static ErrorData *
rollback(void)
{
	ErrorData  *error;

	disable_timeout(STATEMENT_TIMEOUT, false);
	QueryCancelPending = false;
	MemoryContextSwitchTo(memory);
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(memory);
	return error;
}

/* A column, from 1, of a row of the last result; none of those asked for is null. */
static Datum
value_of(uint64 row, int column)
{
	bool		is_null;

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
}

static bool
extension_exists(void)
{
	bool		exists;

	begin();
	exists = OidIsValid(xmcoh_extension_table("schedule"));
	commit();
	return exists;
}

/* Whether an error may be gone at the next attempt: no slot, no memory, a lock. */
static bool
is_temporary(const ErrorData *error)
{
	int			class = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return class == ERRCODE_INSUFFICIENT_RESOURCES || class == ERRCODE_TRANSACTION_ROLLBACK ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/* ---- jobs ---- */

/* Reads numbers of jobs into `memory`; returns how many. $1 of the query is the beginning of the server run. */
static int
list_jobs(const char *query, int32 **job)
{
	Oid			types[1] = {TIMESTAMPTZOID};
	Datum		values[1] = {TimestampTzGetDatum(self.run_began)};
	int			n;

	begin();
	n = (int) execute(query, SPI_OK_SELECT, 1, types, values, NULL);
	*job = MemoryContextAlloc(memory, (n + 1) * sizeof(int32));
	for (int k = 0; k < n; k++)
		(*job)[k] = DatumGetInt32(value_of(k, 1));
	commit();
	return n;
}

typedef enum Outcome
{
	DONE,
	NOTHING_DONE,				/* there was nothing to do */
	HELD,						/* another transaction has locked the row, or what is needed to look at the job */
	LATER,						/* a temporary error */
	TIMED_OUT,					/* the look at the job may take for ever, or the machine has stood still */
	REFUSED						/* another error */
} Outcome;

static char *later_message;		/* of the last temporary error, in `memory` */
static char *refusal_message;	/* of the last other error or timeout, in `memory` */

/*
 * Does something with one job in a transaction of its own; `act` returns whether there was something to do. A job whose
 * row is locked is skipped, so that neither a lock nor an error of one job delays the others.
 */
static Outcome
with_job(int32 job_id, bool (*act) (int32 job_id), const char *what)
{
	volatile Outcome outcome = NOTHING_DONE;

	PG_TRY();
	{
		Oid			types[1] = {INT4OID};
		Datum		values[1] = {Int32GetDatum(job_id)};

		begin();
		if (execute("SELECT FROM xmcoh.job_record WHERE job_id = $1 FOR NO KEY UPDATE SKIP LOCKED", SPI_OK_SELECT, 1, types,
					values, NULL) == 1)
			outcome = act(job_id) ? DONE : NOTHING_DONE;
		else if (execute("SELECT FROM xmcoh.job_record WHERE job_id = $1", SPI_OK_SELECT, 1, types, values, NULL) == 1)
			outcome = HELD;
		commit();
	}
	PG_CATCH();
	{
		ErrorData  *error = rollback();

		outcome = error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ? HELD :
			error->sqlerrcode == ERRCODE_QUERY_CANCELED ? TIMED_OUT : is_temporary(error) ? LATER : REFUSED;
		if (outcome == LATER)
			later_message = worker_error_text(error);
		else if (outcome != HELD)
			refusal_message = worker_error_text(error);
		ereport(outcome == REFUSED ? LOG : DEBUG1, errmsg("job %d %s: %s", job_id, what, error->message));
	}
	PG_END_TRY();
	return outcome;
}

static void
nap(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, NAP_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Reconciles the jobs of dead workers. After a crash the restarted worker of a job does the same, and may have locked the
 * row. The first schedule worker of a server run waits for that, since it resumes the jobs that are interrupted then.
 * false: a row was locked for longer.
 */
static bool
reconcile_jobs(void)
{
	int32	   *job;
	int			n = list_jobs("SELECT r.job_id FROM xmcoh.job_record AS r JOIN xmcoh.job AS j USING (job_id) WHERE $1 IS NOT NULL"
							  " AND xmcoh_internal.is_active(r.state) AND j.state <> r.state"
							  " ORDER BY r.job_id", &job);
	int			naps = self.first ? PATIENCE_MS / NAP_MS : 0;
	bool		all = true;

	for (int k = 0; k < n; k++)
	{
		Outcome		outcome = with_job(job[k], xmcoh_reconcile, "could not be looked at");

		while (outcome == HELD && naps-- > 0)
		{
			nap();
			outcome = with_job(job[k], xmcoh_reconcile, "could not be looked at");
		}
		all &= outcome != HELD && outcome != LATER && outcome != TIMED_OUT;
	}
	return all;
}

/* Writes into a job's row why it still waits, though its turn has come; true: the reason is new. */
static bool
write_why_later(int32 job_id)
{
	return execute("UPDATE xmcoh.job_record SET message = $2"
				   " WHERE job_id = $1 AND state IN ('queued', 'interrupted') AND message IS DISTINCT FROM $2",
				   SPI_OK_UPDATE, 2, (Oid[]) {INT4OID, TEXTOID},
				   (Datum[]) {Int32GetDatum(job_id), CStringGetTextDatum(later_message)}, NULL) == 1;
}

/*
 * What a timeout means: the first one is written into the job's row, since the machine may have stood still; a second one in a
 * row is a refusal.
 */
static Outcome
second_timeout_refuses(int32 job_id)
{
	later_message = refusal_message;
	return with_job(job_id, write_why_later, "cannot be told why it waits") == NOTHING_DONE ? REFUSED : TIMED_OUT;
}

/*
 * Resumes the jobs that the end of the last server run has interrupted: their workers were of that run, and were found
 * dead in this one. Jobs that were interrupted before stay so, because somebody wanted that; so do jobs that were copied
 * with the database (their queue_id is of another database or table). false: not all of them could be resumed.
 */
static bool
resume_jobs(void)
{
	int32	   *job;
	int			n = list_jobs("SELECT job_id FROM xmcoh.job_record WHERE state = 'interrupted' AND finished_at >= $1"
							  " AND (queue_id <> xmcoh_internal.queue_id() OR coalesce(worker_started_at, queued_at) < $1)"
							  " AND regexp_replace(queue_id, '[^.]*$', '')"
							  " = regexp_replace(xmcoh_internal.queue_id(), '[^.]*$', '')"
							  " ORDER BY random()", &job);
	TimestampTz began = GetCurrentTimestamp();
	bool		all = true;

	for (int k = 0; k < n; k++)
	{
		Outcome		outcome;

		if (TimestampDifferenceExceeds(began, GetCurrentTimestamp(), PART_MS))
			return false;
		outcome = with_job(job[k], xmcoh_resume, "was interrupted and cannot be resumed");
		if (outcome == TIMED_OUT)
			outcome = second_timeout_refuses(job[k]);
		all &= outcome != HELD && outcome != LATER && outcome != TIMED_OUT;
	}
	return all;
}

/* How many more jobs may begin now in the whole server. */
static int
free_turns(void)
{
	int			count;

	begin();
	count = xmcoh_count_workers();
	commit();
	return xmcoh_max_running_jobs - count;
}

/*
 * Waits until the workers that were asked for are in the table of processes, in which the next schedule worker counts
 * them. The wait is short, since a worker may be unable to connect.
 */
static void
await_workers(void)
{
	for (int k = 0; k < PATIENCE_MS / NAP_MS; k++)
	{
		int32	   *job;
		int			n = list_jobs("SELECT job_id FROM xmcoh.job_record WHERE $1 IS NOT NULL AND state = 'queued'"
								  " AND queue_id = xmcoh_internal.queue_id()"
								  " AND asked_at > clock_timestamp() - interval '2 s'", &job);
		bool		all = true;

		begin();
		for (int j = 0; j < n && all; j++)
			all = xmcoh_job_has_worker(job[j]);
		commit();
		if (all)
			break;
		nap();
	}
}

/* A job that cannot be begun fails, because every schedule worker would try it first. */
static bool
fail_refused(int32 job_id)
{
	return xmcoh_fail_queued(job_id, refusal_message);
}

/*
 * The jobs whose turn comes next, in this order: those of the roles that have the fewest workers first, and of these the
 * oldest job. Workers in other databases count for the role as which they are connected, which is all that is known of
 * them here. No role gets more than xmcoh.max_running_jobs_per_role.
 */
static int
list_next_jobs(int32 **job)
{
	return list_jobs("SELECT q.job_id FROM (SELECT j.job_id, j.queued_at,"
					 " j.state = 'queued' AND j.asked_at IS NULL AS waits, coalesce(e.workers, 0)"
					 " + row_number() OVER (PARTITION BY xmcoh_internal.object_oid(j.submitted_by)"
					 " ORDER BY j.state = 'queued' AND j.asked_at IS NULL, j.queued_at, j.job_id) AS place"
					 " FROM xmcoh.job_record AS j LEFT JOIN (SELECT a.usesysid, count(*) AS workers"
					 " FROM pg_stat_activity AS a WHERE a.backend_type = '" XMCOH_WORKER_TYPE "'"
					 " AND a.datname <> current_database() GROUP BY a.usesysid) AS e"
					 " ON e.usesysid = xmcoh_internal.object_oid(j.login_role) WHERE $1 IS NOT NULL"
					 " AND xmcoh_internal.is_active(j.state)"
					 " AND j.queue_id = xmcoh_internal.queue_id()) AS q WHERE q.waits"
					 " AND q.place <= current_setting('xmcoh.max_running_jobs_per_role')::integer"
					 " ORDER BY q.place, q.queued_at, q.job_id", job);
}

/*
 * Has workers started for queued jobs, as many as have a turn. Sets *waiting when jobs stay queued; returns whether any
 * was begun.
 */
static bool
begin_jobs(bool *waiting)
{
	int32	   *job;
	int			n = list_next_jobs(&job);
	int			turns = n > 0 ? free_turns() : 0;
	int			naps = SLOT_MS / NAP_MS;
	int			begun = 0;
	TimestampTz began = GetCurrentTimestamp();

	for (int k = 0; k < n && begun < turns && !TimestampDifferenceExceeds(began, GetCurrentTimestamp(), PART_MS); k++)
	{
		Outcome		outcome = with_job(job[k], xmcoh_begin_queued, "cannot be begun");

		/* The slot of the worker whose end has woken the launcher may not be free yet. */
		for (; outcome == LATER && naps > 0; naps--)
		{
			nap();
			outcome = with_job(job[k], xmcoh_begin_queued, "cannot be begun");
		}
		if (outcome == DONE)
			begun++;
		if (outcome == TIMED_OUT)
			outcome = second_timeout_refuses(job[k]);
		if (outcome == REFUSED)
			(void) with_job(job[k], fail_refused, "cannot be marked as failed");
		if (outcome == LATER)
		{
			/* There is no slot, so the next job would have none either. */
			if (with_job(job[k], write_why_later, "cannot be given the reason why it waits") == DONE)
				ereport(LOG, errmsg("job %d has to wait: %s", job[k], later_message));
			break;
		}
	}
	*waiting = list_jobs("SELECT job_id FROM xmcoh.job_record WHERE $1 IS NOT NULL AND state = 'queued' AND asked_at IS NULL"
						 " AND queue_id = xmcoh_internal.queue_id()", &job) > 0;
	if (begun > 0)
		await_workers();
	return begun > 0;
}

/* ---- schedules ---- */

static char *
find_login(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	char	   *name = NULL;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_authid row = (Form_pg_authid) GETSTRUCT(tuple);

		if (row->rolcanlogin)
			name = pstrdup(NameStr(row->rolname));
		ReleaseSysCache(tuple);
	}
	return name;
}

static void
set_locally(const char *setting, const char *value)
{
	(void) set_config_option(setting, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Makes the session what it would be if `login` had logged in and become `role`, which `login` must still be allowed to.
 * The job's worker logs in as `login`; if that role is gone or may not log in any more, as `role` itself.
 */
static void
become(Oid login, Oid role)
{
	char	   *login_name = find_login(login);
	char	   *role_name = GetUserNameFromId(role, true);

	if (role_name == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("the role that made the schedule does not exist any more"));
	if (login_name == NULL && find_login(role) == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				errmsg("role \"%s\" cannot log in, nor can the role that made the schedule for it", role_name));
	set_locally("session_authorization", login_name ? login_name : role_name);
	if (login_name && strcmp(login_name, role_name) != 0)
		set_locally("role", role_name);
}

/* Submits the job of the schedule in row 0 of the current result; returns the job's number. */
static int32
submit(void)
{
	Oid			types[6] = {TEXTOID, JSONBOID, TEXTOID, REGCLASSARRAYOID, TEXTOID, INT4OID};
	Datum		values[6];
	char		nulls[7] = "      ";
	static const int column[6] = {1, 2, 3, 4, 9, 10};
	bool		is_null;
	Oid			role = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 5, &is_null));
	Oid			login = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 6, &is_null));
	bool		snapshot = strcmp(first_text(8), "snapshot") == 0;
	int			level = NewGUCNestLevel();
	int32		job_id;

	for (int k = 0; k < 6; k++)
	{
		values[k] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column[k], &is_null);
		nulls[k] = is_null ? 'n' : ' ';
	}
	become(login, role);
	execute(snapshot ? "SELECT xmcoh.queue_snapshot(model => $1, by => $5, keep => $6)" :
			"SELECT xmcoh.train(model => $1, options => $2, on_success => $3, unlabelled => $4)", SPI_OK_SELECT, 6, types,
			values, nulls);
	job_id = DatumGetInt32(value_of(0, 1));
	AtEOXact_GUC(true, level);
	if (GetUserId() != BOOTSTRAP_SUPERUSERID || GetSessionUserId() != BOOTSTRAP_SUPERUSERID)
		elog(FATAL, "the schedule worker did not get its own role back");
	return job_id;
}

/* Whether another transaction has locked the row; else the row is gone or changed. */
static bool
is_held(int32 schedule_id)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(schedule_id)};

	return execute("SELECT FROM xmcoh.schedule WHERE schedule_id = $1", SPI_OK_SELECT, 1, types, values, NULL) == 1 &&
		execute("SELECT FROM xmcoh.schedule WHERE schedule_id = $1 FOR UPDATE SKIP LOCKED", SPI_OK_SELECT,
				1, types, values, NULL) == 0;
}

/*
 * Starts a job for a schedule that is due, and writes that into its row, in one transaction. false: its row is locked. No
 * job is started while the sources are defined otherwise than when the schedule was made. The schedule stays active then: a
 * restore may have brought the schedule, but not yet all tables of its sources.
 */
static bool
start(const Schedule *schedule, TimestampTz now)
{
	Oid			types[3] = {INT4OID, TIMESTAMPTZOID, INT4OID};
	Datum		values[3];
	bool		held = false;
	bool		is_null;

	values[0] = Int32GetDatum(schedule->schedule_id);
	values[1] = TimestampTzGetDatum(now);
	begin();
	/* The schedule may have been changed or started since it was read. */
	if (execute("SELECT m.name, s.options, s.on_success, CASE WHEN s.unlabelled IS NOT NULL"
				" THEN ARRAY(SELECT xmcoh_internal.object_oid(u)::regclass FROM unnest(s.unlabelled) AS u) END,"
				" coalesce(xmcoh_internal.object_oid(s.submitted_by), 0),"
				" coalesce(xmcoh_internal.object_oid(s.login_role), 0),"
				" xmcoh_internal.is_defined_as(m.model_id, s.source_definition), s.kind, s.by, s.keep"
				" FROM xmcoh.schedule AS s JOIN xmcoh.model AS m USING (model_id)"
				" WHERE s.schedule_id = $1 AND s.active AND s.cron = $2 AND s.timezone = $3"
				" AND greatest(s.created_at, s.last_run_at) = $4 FOR UPDATE OF s SKIP LOCKED", SPI_OK_SELECT, 4,
				(Oid[]) {INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID},
				(Datum[]) {values[0], CStringGetTextDatum(schedule->cron), CStringGetTextDatum(schedule->timezone),
						   TimestampTzGetDatum(schedule->since)}, NULL) == 0)
		held = is_held(schedule->schedule_id);
	else if (DatumGetBool(first_value(7, &is_null)) && !is_null)
	{
		values[2] = Int32GetDatum(submit());
		/*
		 * The job's definition of the sources is the schedule's, which was compared above. submit() writes down the present
		 * one, and another transaction may have changed the sources since the comparison.
		 */
		execute("UPDATE xmcoh.job_record AS j SET source_definition = s.source_definition, keep = s.keep FROM xmcoh.schedule AS s"
				" WHERE s.schedule_id = $1 AND j.job_id = $2", SPI_OK_UPDATE, 2, (Oid[]) {INT4OID, INT4OID},
				(Datum[]) {values[0], values[2]}, NULL);
		execute("UPDATE xmcoh.schedule SET last_run_at = $2, last_job_id = $3, message = NULL WHERE schedule_id = $1",
				SPI_OK_UPDATE, 3, types, values, NULL);
	}
	else
		execute("UPDATE xmcoh.schedule SET last_run_at = $2,"
				" message = 'skipped: the sources of the model are defined otherwise than when the schedule was made;"
				" xmcoh.alter_schedule(' || schedule_id || ', active => true) takes them as they are now'"
				" WHERE schedule_id = $1", SPI_OK_UPDATE, 2, types, values, NULL);
	commit();
	return !held;
}

/*
 * Writes why a schedule's job was not started; true: the row was written, and the reason is new. run_at NULL: the start will
 * be tried again. If the row is locked, or after an error, the row is left as it is, and the next schedule worker comes here
 * again.
 */
static bool
write_message(const Schedule *schedule, const TimestampTz *run_at, const char *message)
{
	volatile bool written = false;

	PG_TRY();
	{
		Oid			types[3] = {INT4OID, TEXTOID, TIMESTAMPTZOID};
		Datum		values[3] = {Int32GetDatum(schedule->schedule_id), CStringGetTextDatum(message)};

		begin();
		if (run_at)
			values[2] = TimestampTzGetDatum(*run_at);
		if (execute("SELECT FROM xmcoh.schedule WHERE schedule_id = $1 FOR UPDATE SKIP LOCKED", SPI_OK_SELECT,
					1, types, values, NULL) == 1)
			written = execute(run_at ? "UPDATE xmcoh.schedule SET last_run_at = $3, message = $2 WHERE schedule_id = $1" :
							  "UPDATE xmcoh.schedule SET message = $2 WHERE schedule_id = $1 AND message IS DISTINCT FROM $2",
							  SPI_OK_UPDATE, run_at ? 3 : 2, types, values, NULL) == 1;
		commit();
	}
	PG_CATCH();
	{
		ErrorData  *error = rollback();

		ereport(LOG,
				errmsg("could not write why the job of schedule %d was not started: %s", schedule->schedule_id, error->message));
	}
	PG_END_TRY();
	return written;
}

/* Starts a due schedule. false: the schedule is still due. */
static bool
run(const Schedule *schedule, TimestampTz now)
{
	volatile bool done = true;
	volatile bool timed_out = false;
	char	   *volatile message = NULL;

	PG_TRY();
	{
		done = start(schedule, now);
	}
	PG_CATCH();
	{
		ErrorData  *error = rollback();

		done = !is_temporary(error);
		timed_out = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
		message = error->sqlerrcode == ERRCODE_OBJECT_IN_USE ? psprintf("skipped: %s", error->message) :
			worker_error_text(error);
		ereport(error->sqlerrcode == ERRCODE_OBJECT_IN_USE ? DEBUG1 : LOG,
				errmsg("schedule %d of model \"%s\" %s: %s", schedule->schedule_id, schedule->model,
					   done ? "did not start a job" : "will be tried again", error->message));
	}
	PG_END_TRY();
	/* The machine may have stood still: a timeout counts when it happens twice in a row. */
	if (timed_out && write_message(schedule, NULL, message))
		return false;
	if (message != NULL)
		(void) write_message(schedule, done ? &now : NULL, message);
	return done;
}

static Schedule *
read_schedules(int *n)
{
	Schedule   *schedule;

	begin();
	/* Each role's first schedule comes before any role's second, in random order, however many schedules a role has. */
	*n = (int) execute("SELECT s.schedule_id, m.name, s.cron, s.timezone, greatest(s.created_at, s.last_run_at)"
					   " FROM xmcoh.schedule AS s JOIN xmcoh.model AS m USING (model_id) WHERE s.active"
					   " ORDER BY row_number() OVER (PARTITION BY xmcoh_internal.object_oid(s.submitted_by)"
					   " ORDER BY random()), random()",
					   SPI_OK_SELECT, 0, NULL, NULL, NULL);
	schedule = MemoryContextAlloc(memory, (*n + 1) * sizeof(Schedule));
	for (int k = 0; k < *n; k++)
		schedule[k] = (Schedule) {
			.schedule_id = DatumGetInt32(value_of(k, 1)),
			.model = MemoryContextStrdup(memory, TextDatumGetCString(value_of(k, 2))),
			.cron = MemoryContextStrdup(memory, TextDatumGetCString(value_of(k, 3))),
			.timezone = MemoryContextStrdup(memory, TextDatumGetCString(value_of(k, 4))),
			.since = DatumGetTimestampTz(value_of(k, 5)),
		};
	commit();
	return schedule;
}

/*
 * Starts due schedules. false: not all of them could be started. *next_due: when the next one comes due, if before
 * *next_due.
 */
static bool
run_schedules(TimestampTz *next_due)
{
	int			n;
	Schedule   *schedule = read_schedules(&n);
	TimestampTz began = GetCurrentTimestamp();
	bool		all = true;

	for (int k = 0; k < n; k++)
	{
		const Schedule *s = &schedule[k];
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz next;
		char	   *problem;

		if (TimestampDifferenceExceeds(began, now, PART_MS))
		{
			*next_due = now;
			return false;
		}
		problem = xmcoh_next_due(s->cron, s->timezone, s->since, self.considered, &next);
		if (problem == NULL && next <= now)
		{
			all &= run(s, now);
			problem = xmcoh_next_due(s->cron, s->timezone, now, now, &next);
		}
		if (problem)
			(void) write_message(s, NULL, problem);
		else
			*next_due = Min(*next_due, next);
	}
	return all;
}

/* ---- alerts ---- */

/* Notifies of the alerts that have opened or closed, because time has passed or a job has ended. An error is only logged. */
static void
refresh_alerts(void)
{
	PG_TRY();
	{
		begin();
		execute("SELECT xmcoh_internal.refresh_alerts()", SPI_OK_SELECT, 0, NULL, NULL, NULL);
		commit();
	}
	PG_CATCH();
	{
		ErrorData  *error = rollback();

		ereport(LOG, errmsg("could not look for alerts: %s", error->message));
	}
	PG_END_TRY();
}

/* ---- the process ---- */

/* xmcoh.train must be able to set the session's role back: what it sets aside must be the name of a role. */
static void
name_session(void)
{
	begin();
	SetConfigOption("session_authorization", GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false), PGC_SUSET,
					PGC_S_OVERRIDE);
	commit();
}

void
xmcoh_schedule_worker_main(Datum argument)
{
	TimestampTz next_due = DT_NOEND;
	bool		all = true;
	bool		waiting = false;
	bool		began = false;

	(void) argument;
	memcpy(&self, MyBgworkerEntry->bgw_extra, sizeof self);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(self.database, InvalidOid, 0);
	memory = AllocSetContextCreate(TopMemoryContext, XMCOH_SCHEDULE_WORKER_TYPE, ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(memory);
	worker_pin_settings(XMCOH_SCHEDULE_WORKER_TYPE);
	SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION);

	if (extension_exists())
	{
		name_session();
		next_due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LONGEST_MS);
		all = reconcile_jobs() || !self.first;
		if (self.first)
			all &= resume_jobs();
		all &= run_schedules(&next_due);
		began = begin_jobs(&waiting);
		refresh_alerts();
		/* The end of another job wakes the launcher; should that signal be lost, the next schedule worker comes soon. */
		if (waiting)
			next_due = Min(next_due, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WAITING_MS));
	}
	xmcoh_launcher_report(&self, next_due, !all, waiting, began);
	proc_exit(0);
}
