/*
 * visitor.c - what the launcher has done in a database: jobs of dead workers settled, those that a restart has ended
 * taken up again, due schedules started; see visitor.h
 *
 * A visitor is the bootstrap superuser, and so runs nothing but what belongs to the extension, each thing in a short
 * transaction that waits for no lock for long. What a schedule starts, it starts as the role that made it.
 */
#include "schedule/visitor.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/access.h"
#include "training/job.h"
#include "schedule/launcher.h"
#include "schedule/schedule.h"
#include "base/statement.h"
#include "training/worker.h"

PGDLLEXPORT void xmcoh_visitor_main(Datum argument);

#define LOCK_TIMEOUT "500ms"	/* rows that somebody holds are passed over; this is for what train() waits for besides */
#define STEP_MS 5000			/* most for one transaction: what users have defined may take for ever to look at */
#define PART_MS 10000			/* for each part of a visit: then it is the next one's turn, and what is left is for the next visit */
#define PATIENCE_MS 1000		/* with rows that somebody holds after a crash, and with processes that start */
#define SLOT_MS 300				/* with slots of processes that have just ended */
#define NAP_MS 10
#define WAITING_MS 10000		/* until the next visit while jobs wait for their turn */
#define LONGEST_MS INT64CONST(3600000)	/* until the next visit, should a change not wake the launcher (replication) */

/* A row of xmcoh.schedule as far as it matters here, in the visitor's memory. */
typedef struct Schedule
{
	int32		schedule_id;
	char	   *model;
	char	   *cron;
	char	   *timezone;
	TimestampTz since;			/* it was made, or came due last */
} Schedule;

static Visit visit;
static MemoryContext memory;

bool
xmcoh_in_visitor(void)
{
	return MyBgworkerEntry != NULL && strcmp(MyBgworkerEntry->bgw_type, XMCOH_VISITOR_TYPE) == 0;
}

/* ---- transactions ---- */

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, NULL);
	enable_timeout_after(STATEMENT_TIMEOUT, STEP_MS);
}

static void
commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	disable_timeout(STATEMENT_TIMEOUT, false);
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(memory);
}

/* Ends the transaction that an error has stopped, and gives the error. */
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
extension_is_here(void)
{
	bool		here;

	StartTransactionCommand();
	here = OidIsValid(xmcoh_extension_table("schedule"));
	CommitTransactionCommand();
	MemoryContextSwitchTo(memory);
	return here;
}

/* Errors that pass by themselves: no slot, no memory, a lock. */
static bool
is_passing(const ErrorData *error)
{
	int			class = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return class == ERRCODE_INSUFFICIENT_RESOURCES || class == ERRCODE_TRANSACTION_ROLLBACK ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/* ---- jobs ---- */

/* Reads numbers of jobs, in the visitor's memory; gives how many. */
static int
list_jobs(const char *query, int32 **job)
{
	Oid			types[1] = {TIMESTAMPTZOID};
	Datum		values[1] = {TimestampTzGetDatum(visit.life_began)};
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
	NOTHING_DONE,				/* and nothing to be done */
	HELD,						/* somebody holds the row, or what looking at the job takes */
	LATER,						/* an error that passes by itself */
	TIMED_OUT,					/* it may take for ever, or the machine has stood still */
	REFUSED						/* another error */
} Outcome;

static char *later_message;		/* of the last error that passes by itself, in the visitor's memory */

static char *refusal_message;		/* and of the last error that does not, or of a timeout */

/*
 * Does something with one job in a transaction of its own: `act` says whether there was something to do. A job whose row
 * somebody holds is passed over: no waiting for it, and no error of one job, keeps the others from their turn.
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
			error->sqlerrcode == ERRCODE_QUERY_CANCELED ? TIMED_OUT : is_passing(error) ? LATER : REFUSED;
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
 * Writes down what has become of jobs whose workers are dead. After a crash the next incarnation of the worker does the same,
 * and may hold the row just now; the first visit waits for that, since it takes up what it finds interrupted. false: some row is
 * held for longer.
 */
static bool
settle_jobs(void)
{
	int32	   *job;
	int			n = list_jobs("SELECT r.job_id FROM xmcoh.job_record AS r JOIN xmcoh.job AS j USING (job_id) WHERE $1 IS NOT NULL"
							  " AND r.state IN ('queued', 'starting', 'running', 'cancelling') AND j.state <> r.state"
							  " ORDER BY r.job_id", &job);
	int			naps = visit.first ? PATIENCE_MS / NAP_MS : 0;
	bool		all = true;

	for (int k = 0; k < n; k++)
	{
		Outcome		outcome = with_job(job[k], xmcoh_settle, "could not be looked at");

		while (outcome == HELD && naps-- > 0)
		{
			nap();
			outcome = with_job(job[k], xmcoh_settle, "could not be looked at");
		}
		all &= outcome != HELD && outcome != LATER && outcome != TIMED_OUT;
	}
	return all;
}

/* Tells in a job's row why it goes on waiting, though its turn has come; true: that is new. */
static bool
note_why_later(int32 job_id)
{
	return execute("UPDATE xmcoh.job_record SET message = $2"
				   " WHERE job_id = $1 AND state IN ('queued', 'interrupted') AND message IS DISTINCT FROM $2",
				   SPI_OK_UPDATE, 2, (Oid[]) {INT4OID, TEXTOID},
				   (Datum[]) {Int32GetDatum(job_id), CStringGetTextDatum(later_message)}, NULL) == 1;
}

/* A timeout alone says little of a job; its row tells of the first one. One more makes it a refusal. */
static Outcome
judge_timeout(int32 job_id)
{
	later_message = refusal_message;
	return with_job(job_id, note_why_later, "cannot be told why it waits") == NOTHING_DONE ? REFUSED : TIMED_OUT;
}

/*
 * Takes up the jobs that the end of the server's last life has interrupted: their workers were of that life, and were
 * found dead in this one. What was interrupted before stays so, because somebody wanted it; and so do jobs that were
 * copied with the database (their queue_id is of another database or table). false: not all of them could be taken up.
 */
static bool
resume_jobs(void)
{
	int32	   *job;
	int			n = list_jobs("SELECT job_id FROM xmcoh.job_record WHERE state = 'interrupted' AND finished_at >= $1"
							  " AND (queue_id <> xmcoh_internal.queue_id() OR coalesce(worker_started_at, queued_at) < $1)"
							  " AND regexp_replace(queue_id, '[^.]*$', '') = regexp_replace(xmcoh_internal.queue_id(), '[^.]*$', '')"
							  " ORDER BY random()", &job);
	TimestampTz began = GetCurrentTimestamp();
	bool		all = true;

	for (int k = 0; k < n; k++)
	{
		Outcome		outcome;

		if (TimestampDifferenceExceeds(began, GetCurrentTimestamp(), PART_MS))
			return false;
		outcome = with_job(job[k], xmcoh_resume, "was interrupted and cannot be taken up");
		if (outcome == TIMED_OUT)
			outcome = judge_timeout(job[k]);
		all &= outcome != HELD && outcome != LATER && outcome != TIMED_OUT;
	}
	return all;
}

/* How many more jobs may begin now in the whole server. */
static int
free_turns(void)
{
	int			count;

	StartTransactionCommand();
	count = xmcoh_count_workers();
	CommitTransactionCommand();
	MemoryContextSwitchTo(memory);
	return xmcoh_max_running_jobs - count;
}

/*
 * Waits until the workers that were asked for are in the table of processes, where the next visitor counts them. One that
 * cannot connect is not waited for for long.
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

		StartTransactionCommand();
		for (int j = 0; j < n && all; j++)
			all = xmcoh_job_has_worker(job[j]);
		CommitTransactionCommand();
		MemoryContextSwitchTo(memory);
		if (all)
			break;
		nap();
	}
}

/* A job that cannot be begun must not be tried first at every visit. */
static bool
give_up(int32 job_id)
{
	return xmcoh_fail_queued(job_id, refusal_message);
}

/*
 * Has workers started for the jobs in the queue, as far as there are turns: of the roles that have the fewest workers first, and
 * of these the oldest job. Workers in other databases count for the role as which they have logged in, since no more is known
 * of them here. Sets *waiting when others stay in the queue; gives whether any was begun.
 */
static bool
begin_jobs(bool *waiting)
{
	int32	   *job;
	int			n = list_jobs("SELECT q.job_id FROM (SELECT j.job_id, j.queued_at,"
							  " j.state = 'queued' AND j.asked_at IS NULL AS waits, coalesce(e.workers, 0)"
							  " + row_number() OVER (PARTITION BY xmcoh_internal.object_oid(j.submitted_by)"
							  " ORDER BY j.state = 'queued' AND j.asked_at IS NULL, j.queued_at, j.job_id) AS place"
							  " FROM xmcoh.job_record AS j LEFT JOIN (SELECT a.usesysid, count(*) AS workers"
							  " FROM pg_stat_activity AS a WHERE a.backend_type = '" XMCOH_WORKER_TYPE "'"
							  " AND a.datname <> current_database() GROUP BY a.usesysid) AS e"
							  " ON e.usesysid = xmcoh_internal.object_oid(j.login_role) WHERE $1 IS NOT NULL"
							  " AND j.state IN ('queued', 'starting', 'running', 'cancelling')"
							  " AND j.queue_id = xmcoh_internal.queue_id()) AS q WHERE q.waits"
							  " AND q.place <= current_setting('xmcoh.max_running_jobs_per_role')::integer"
							  " ORDER BY q.place, q.queued_at, q.job_id", &job);
	int			turns = n > 0 ? free_turns() : 0;
	int			naps = SLOT_MS / NAP_MS;
	int			begun = 0;
	TimestampTz began = GetCurrentTimestamp();

	for (int k = 0; k < n && begun < turns && !TimestampDifferenceExceeds(began, GetCurrentTimestamp(), PART_MS); k++)
	{
		Outcome		outcome = with_job(job[k], xmcoh_begin_queued, "cannot be begun");

		/* The slot of the worker whose end has brought us here may not be free yet. */
		for (; outcome == LATER && naps > 0; naps--)
		{
			nap();
			outcome = with_job(job[k], xmcoh_begin_queued, "cannot be begun");
		}
		if (outcome == DONE)
			begun++;
		if (outcome == TIMED_OUT)
			outcome = judge_timeout(job[k]);
		if (outcome == REFUSED)
			(void) with_job(job[k], give_up, "cannot be told why it was not begun");
		if (outcome == LATER)
		{
			/* There is no slot, nor will there be one for the next. */
			if (with_job(job[k], note_why_later, "cannot be told why it waits") == DONE)
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
 * From here on this session is as it would be if `login` had logged in and become `role`, which it must still be allowed
 * to. The job's worker logs in as that role; if it is gone or may not log in any more, as `role` itself.
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

/* Calls xmcoh.train for the schedule in row 0 of the current result; the job's number. */
static int32
train(void)
{
	Oid			types[4] = {TEXTOID, JSONBOID, TEXTOID, REGCLASSARRAYOID};
	Datum		values[4] = {value_of(0, 1), value_of(0, 2), value_of(0, 3)};
	char		nulls[5] = "    ";
	bool		no_list;
	Oid			role = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 5, &no_list));
	Oid			login = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 6, &no_list));
	int			level = NewGUCNestLevel();
	int32		job_id;

	values[3] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4, &no_list);
	if (no_list)
		nulls[3] = 'n';
	become(login, role);
	execute("SELECT xmcoh.train(model => $1, options => $2, on_success => $3, unlabelled => $4)", SPI_OK_SELECT, 4, types,
			values, nulls);
	job_id = DatumGetInt32(value_of(0, 1));
	AtEOXact_GUC(true, level);
	if (GetUserId() != BOOTSTRAP_SUPERUSERID || GetSessionUserId() != BOOTSTRAP_SUPERUSERID)
		elog(FATAL, "the visitor is not itself any more");
	return job_id;
}

/* Whether the row is held by somebody, rather than gone or changed. */
static bool
is_held(int32 schedule_id)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(schedule_id)};

	return execute("SELECT FROM xmcoh.schedule WHERE schedule_id = $1", SPI_OK_SELECT, 1, types, values, NULL) == 1 &&
		execute("SELECT FROM xmcoh.schedule WHERE schedule_id = $1 FOR UPDATE SKIP LOCKED", SPI_OK_SELECT, 1, types, values, NULL) == 0;
}

/*
 * Starts a job for a schedule that is due, and writes that down, in one transaction. false: somebody holds its row. Nothing is
 * started while the sources are not those for which the schedule was made. It stays active: a restore may be under way, which
 * has brought the schedule, but not yet all that its sources are made of.
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
	/* It may have been changed or started since it was read. */
	if (execute("SELECT m.name, s.options, s.on_success, CASE WHEN s.unlabelled IS NOT NULL"
				" THEN ARRAY(SELECT xmcoh_internal.object_oid(u)::regclass FROM unnest(s.unlabelled) AS u) END, coalesce(xmcoh_internal.object_oid(s.submitted_by), 0),"
				" coalesce(xmcoh_internal.object_oid(s.login_role), 0), xmcoh_internal.is_defined_as(m.model_id, s.source_definition)"
				" FROM xmcoh.schedule AS s JOIN xmcoh.model AS m USING (model_id)"
				" WHERE s.schedule_id = $1 AND s.active AND s.cron = $2 AND s.timezone = $3"
				" AND greatest(s.created_at, s.last_run_at) = $4 FOR UPDATE OF s SKIP LOCKED", SPI_OK_SELECT, 4,
				(Oid[]) {INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID},
				(Datum[]) {values[0], CStringGetTextDatum(schedule->cron), CStringGetTextDatum(schedule->timezone),
						   TimestampTzGetDatum(schedule->since)}, NULL) == 0)
		held = is_held(schedule->schedule_id);
	else if (DatumGetBool(first_value(7, &is_null)) && !is_null)
	{
		values[2] = Int32GetDatum(train());
		execute("UPDATE xmcoh.schedule SET last_run_at = $2, last_job_id = $3, message = NULL WHERE schedule_id = $1",
				SPI_OK_UPDATE, 3, types, values, NULL);
	}
	else
		execute("UPDATE xmcoh.schedule SET last_run_at = $2, message = 'skipped: the sources of the model are defined otherwise than"
				" when the schedule was made; xmcoh.alter_schedule(' || schedule_id || ', active => true) takes them as they are now'"
				" WHERE schedule_id = $1", SPI_OK_UPDATE, 2, types, values, NULL);
	commit();
	return !held;
}

/*
 * Why a schedule's job was not started; true: that was written, and is new. NULL as time of the run: it will be tried again. Where
 * somebody holds the row, and after any error, it stays as it is: the next visit comes by here again.
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
		if (execute("SELECT FROM xmcoh.schedule WHERE schedule_id = $1 FOR UPDATE SKIP LOCKED", SPI_OK_SELECT, 1, types, values, NULL) == 1)
			written = execute(run_at ? "UPDATE xmcoh.schedule SET last_run_at = $3, message = $2 WHERE schedule_id = $1" :
							  "UPDATE xmcoh.schedule SET message = $2 WHERE schedule_id = $1 AND message IS DISTINCT FROM $2",
							  SPI_OK_UPDATE, run_at ? 3 : 2, types, values, NULL) == 1;
		commit();
	}
	PG_CATCH();
	{
		ErrorData  *error = rollback();

		ereport(LOG, errmsg("schedule %d could not be told why its job was not started: %s", schedule->schedule_id, error->message));
	}
	PG_END_TRY();
	return written;
}

/* false: it is still due */
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

		done = !is_passing(error);
		timed_out = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
		message = error->sqlerrcode == ERRCODE_OBJECT_IN_USE ? psprintf("skipped: %s", error->message) : worker_error_text(error);
		ereport(error->sqlerrcode == ERRCODE_OBJECT_IN_USE ? DEBUG1 : LOG,
				errmsg("schedule %d of model \"%s\" %s: %s", schedule->schedule_id, schedule->model,
					   done ? "did not start a job" : "will be tried again", error->message));
	}
	PG_END_TRY();
	/* A timeout may come of a machine that has stood still: it counts when it comes again. */
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
	/* However many schedules a role has, each role has its first before any has its second; and which is first is left to chance. */
	*n = (int) execute("SELECT s.schedule_id, m.name, s.cron, s.timezone, greatest(s.created_at, s.last_run_at)"
					   " FROM xmcoh.schedule AS s JOIN xmcoh.model AS m USING (model_id) WHERE s.active"
					   " ORDER BY row_number() OVER (PARTITION BY xmcoh_internal.object_oid(s.submitted_by) ORDER BY random()), random()",
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

/* Starts what is due. false: not all of it could be started. *next_due: when the next one comes due. */
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
		problem = xmcoh_next_due(s->cron, s->timezone, s->since, visit.considered, &next);
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

/* ---- the process ---- */

void
xmcoh_visitor_main(Datum argument)
{
	TimestampTz next_due = DT_NOEND;
	bool		all = true;
	bool		waiting = false;
	bool		began = false;

	(void) argument;
	memcpy(&visit, MyBgworkerEntry->bgw_extra, sizeof visit);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(visit.database, InvalidOid, 0);
	memory = AllocSetContextCreate(TopMemoryContext, "xmcoh visitor", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(memory);
	worker_pin_settings(XMCOH_VISITOR_TYPE);
	SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION);

	if (extension_is_here())
	{
		/* What train() sets aside while it runs as somebody else must have a name to go back to. */
		StartTransactionCommand();
		SetConfigOption("session_authorization", GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false), PGC_SUSET,
						PGC_S_OVERRIDE);
		CommitTransactionCommand();
		MemoryContextSwitchTo(memory);

		next_due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LONGEST_MS);
		all = settle_jobs() || !visit.first;
		if (visit.first)
			all &= resume_jobs();
		all &= run_schedules(&next_due);
		began = begin_jobs(&waiting);
		if (waiting)			/* its turn comes when another job ends, which wakes the launcher; should that be lost, soon */
			next_due = Min(next_due, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WAITING_MS));
	}
	xmcoh_launcher_report(&visit, next_due, !all, waiting, began);
	proc_exit(0);
}
