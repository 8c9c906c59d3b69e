/* job.c - training jobs seen from a session; see job.h. What a worker does stands in worker.c */
#include "training/job.h"

#include <signal.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/access.h"
#include "base/compat.h"
#include "schedule/launcher.h"
#include "schedule/visitor.h"

PG_FUNCTION_INFO_V1(xmcoh_worker_is_alive);
PG_FUNCTION_INFO_V1(xmcoh_job_state);
PG_FUNCTION_INFO_V1(xmcoh_queue_id);
PG_FUNCTION_INFO_V1(xmcoh_settle_job);
PG_FUNCTION_INFO_V1(xmcoh_start_worker);
PG_FUNCTION_INFO_V1(xmcoh_signal_worker);
PG_FUNCTION_INFO_V1(xmcoh_wait_for_job);

#define WAIT_MS 50
#define IS_ACTIVE " OPERATOR(pg_catalog.=) ANY ('{queued,starting,running,cancelling}'::pg_catalog.text[])"

/* ---- what happens at commit ---- */

typedef enum ActionKind
{
	ACTION_START,				/* start a worker: before commit, because it may fail */
	ACTION_SIGNAL,				/* interrupt a worker: after commit, when it can see why */
	ACTION_WAKE					/* wake the launcher: after commit */
} ActionKind;

/* Queued in TopTransactionContext, so that an end of transaction frees it. */
typedef struct Action
{
	struct Action *next;
	ActionKind	kind;
	SubTransactionId subxact;	/* dropped if this one rolls back */
	JobStart	start;
	PGPROC	   *proc;			/* whom to signal, and the pid it had: a slot and a pid are not reused together */
	int			pid;
} Action;

static Action *actions = NULL;

static Action *
queue_action(ActionKind kind)
{
	Action	   *action = MemoryContextAllocZero(TopTransactionContext, sizeof(Action));

	action->kind = kind;
	action->subxact = GetCurrentSubTransactionId();
	action->next = actions;
	actions = action;
	return action;
}

void
xmcoh_wake_at_commit(void)
{
	/* once is enough, and a transaction may hold many statements */
	if (actions == NULL || actions->kind != ACTION_WAKE || actions->subxact != GetCurrentSubTransactionId())
		(void) queue_action(ACTION_WAKE);
}

static void
register_worker(const JobStart *start)
{
	BackgroundWorker worker = {0};
	BackgroundWorkerHandle *handle;

	snprintf(worker.bgw_name, BGW_MAXLEN, XMCOH_WORKER_NAME, start->job_id);
	strlcpy(worker.bgw_type, XMCOH_WORKER_TYPE, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "xmcoh", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "xmcoh_worker_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;	/* a new incarnation tells the world that the old one died: see worker.c */
	worker.bgw_main_arg = Int32GetDatum(start->job_id);
	StaticAssertStmt(sizeof(JobStart) <= BGW_EXTRALEN, "bgw_extra is too small");
	memcpy(worker.bgw_extra, start, sizeof(JobStart));

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg("no background worker is free for training job %d", start->job_id),
				errdetail("All max_worker_processes (%d) slots are taken.", max_worker_processes),
				errhint("Raise max_worker_processes, or train when other workers have finished."));
}

/*
 * A pid that still belongs to the worker it belonged to when the action was queued. Allocates nothing: runs after
 * commit.
 */
static void
signal_worker(const Action *action)
{
	if (action->proc->pid == action->pid && xmcoh_proc_is_worker(action->proc))
		kill(action->pid, SIGINT);
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	(void) arg;
	if (actions == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			for (Action *action = actions; action; action = action->next)
				if (action->kind == ACTION_START)
					register_worker(&action->start);
			break;
		case XACT_EVENT_COMMIT:
			for (Action *action = actions; action; action = action->next)
				if (action->kind == ACTION_SIGNAL)
					signal_worker(action);
				else if (action->kind == ACTION_WAKE)
					xmcoh_launcher_wake(MyDatabaseId);
			actions = NULL;
			break;
		case XACT_EVENT_ABORT:
			actions = NULL;
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("cannot PREPARE a transaction that has started or cancelled a training job, or changed a"
						   " schedule"));
			break;
		default:
			break;
	}
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	(void) arg;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Action *action = actions; action; action = action->next)
			if (action->subxact == mine)
				action->subxact = parent;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		for (Action **link = &actions; *link;)
			if ((*link)->subxact == mine)
				*link = (*link)->next;
			else
				link = &(*link)->next;
	}
}

void
xmcoh_job_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
}

/* ---- which worker lives ---- */

static bool
bears_name(const char *application_name, const char *name)
{
	size_t		length = strlen(name);

	return strncmp(application_name, name, length) == 0 &&
		(application_name[length] == '\0' || strcmp(application_name + length, XMCOH_WAITING) == 0);
}

/*
 * The process table entry of this database's process with this pid and start; NULL when there is none (any more). Another
 * database's is not meant: jobs are dumped and restored with their workers' pids. `name` (may be NULL): only if it goes by
 * this application_name. pid 0: the background worker of that name, whatever its pid.
 */
static PGPROC *
find_worker(int pid, TimestampTz started_at, const char *name)
{
	int			n;

	pgstat_clear_backend_activity_snapshot();	/* the local copy may be as old as the transaction */
	n = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= n; i++)
	{
		LocalPgBackendStatus *entry = xmcoh_backend_entry(i);

		if (entry && entry->backendStatus.st_databaseid == MyDatabaseId &&
			(pid == 0 ? entry->backendStatus.st_backendType == B_BG_WORKER :
			 entry->backendStatus.st_procpid == pid && entry->backendStatus.st_proc_start_timestamp == started_at) &&
			(name == NULL || bears_name(entry->backendStatus.st_appname, name)))
			return BackendPidGetProc(entry->backendStatus.st_procpid);
	}
	return NULL;
}

bool
xmcoh_job_has_worker(int32 job_id)
{
	char		name[BGW_MAXLEN];

	snprintf(name, sizeof name, XMCOH_WORKER_NAME, job_id);
	return find_worker(0, 0, name) != NULL;
}

bool
xmcoh_is_job_worker(const PgBackendStatus *process)
{
	const char *type = process->st_backendType == B_BG_WORKER ? GetBackgroundWorkerTypeByPid(process->st_procpid) : NULL;

	return type != NULL && strcmp(type, XMCOH_WORKER_TYPE) == 0;
}

int
xmcoh_count_workers(void)
{
	int			count = 0;
	int			n;

	pgstat_clear_backend_activity_snapshot();
	n = pgstat_fetch_stat_numbackends();
	for (int i = 1; i <= n; i++)
	{
		LocalPgBackendStatus *entry = xmcoh_backend_entry(i);

		count += entry != NULL && xmcoh_is_job_worker(&entry->backendStatus);
	}
	return count;
}

/* worker_is_alive(pid integer, started_at timestamptz): NULL on a standby, whose workers are another server's */
Datum
xmcoh_worker_is_alive(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		PG_RETURN_NULL();
	PG_RETURN_BOOL(find_worker(PG_GETARG_INT32(0), PG_GETARG_TIMESTAMPTZ(1), NULL) != NULL);
}

static bool
is_active(const char *state)
{
	return strcmp(state, "queued") == 0 || strcmp(state, "starting") == 0 ||
		strcmp(state, "running") == 0 || strcmp(state, "cancelling") == 0;
}

/* Runs one statement that sees everything committed so far, also where the transaction's own snapshot is older. */
static int
execute_latest(const char *query, int32 job_id, bool read_only)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job_id)};
	SPIPlanPtr	plan = SPI_prepare(query, 1, types);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", query, SPI_result_code_string(SPI_result));
	return SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, read_only, true, 0);
}

/* queue_id(): database, table (DROP EXTENSION makes an end of its workers), run of the server */
static char *
queue_id(void)
{
	return psprintf("%u.%u." INT64_FORMAT, MyDatabaseId, get_relname_relid("job_record", get_namespace_oid("xmcoh", false)),
					PgStartTime);
}

Datum
xmcoh_queue_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(queue_id()));
}

/* Why a job that no worker has begun will never begin; NULL: it still may. asked_at 0: the launcher has not asked for a worker yet. */
static const char *
why_unstarted(int32 job_id, TimestampTz asked_at, const char *queue)
{
	if (strcmp(queue, queue_id()) != 0)
		return "the server was restarted, or the database copied, before a worker began";
	if (asked_at != 0 && TimestampDifferenceExceeds(asked_at, GetCurrentTimestamp(), XMCOH_CONNECT_PATIENCE_MS + 5000) &&
		!xmcoh_job_has_worker(job_id))
		return "no worker could begin; the server's log says why";
	return NULL;
}

static char *
row_value(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

/*
 * job_state(job_id, state, message, asked_at, queue_id, worker_pid, worker_started_at, OUT real_state, OUT real_message)
 *
 * The state of a job as its row has it, unless its worker is dead. A row may be read just before its worker writes
 * the last state and exits; so once the worker was seen dead, the row is read again. If it has changed, the query's
 * snapshot is older than that, and what it has seen was true then: with the job's end it would also have to show a version
 * that it does not see.
 */
Datum
xmcoh_job_state(PG_FUNCTION_ARGS)
{
	char	   *state;
	const char *lost = NULL;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, PG_ARGISNULL(2)};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();		/* the row of no job */
	state = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = PG_GETARG_DATUM(1);
	values[1] = nulls[1] ? (Datum) 0 : PG_GETARG_DATUM(2);

	if (is_active(state) && !RecoveryInProgress())
	{
		if (PG_ARGISNULL(5) && !PG_ARGISNULL(4))
			lost = why_unstarted(PG_GETARG_INT32(0), PG_ARGISNULL(3) ? 0 : PG_GETARG_TIMESTAMPTZ(3),
								 text_to_cstring(PG_GETARG_TEXT_PP(4)));
		else if (!PG_ARGISNULL(5) && !PG_ARGISNULL(6) &&
				 find_worker(PG_GETARG_INT32(5), PG_GETARG_TIMESTAMPTZ(6), NULL) == NULL)
			lost = "worker died (crash or termination)";
	}
	if (lost != NULL)
	{
		bool		changed = false;

		SPI_connect();
		execute_latest("SELECT state, coalesce(worker_pid, 0) FROM xmcoh.visible_job WHERE job_id OPERATOR(pg_catalog.=) $1",
					   PG_GETARG_INT32(0), true);
		if (SPI_processed == 1)
			changed = strcmp(row_value(1), state) != 0 || atoi(row_value(2)) != (PG_ARGISNULL(5) ? 0 : PG_GETARG_INT32(5));
		SPI_finish();
		if (!changed)
		{
			/* who asked for the end of a job has got it, whatever became of the worker */
			values[0] = CStringGetTextDatum(strcmp(state, "cancelling") == 0 ? "cancelled" : "interrupted");
			values[1] = CStringGetTextDatum(lost);
			nulls[1] = false;
		}
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

#define IS_SETTLED_BY "r.job_id OPERATOR(pg_catalog.=) $1 AND v.job_id OPERATOR(pg_catalog.=) $1" \
					   " AND r.state OPERATOR(pg_catalog.<>) v.state AND r.state" IS_ACTIVE

/*
 * The row is locked before it is judged: what the view makes of an older row must not be written over what another has made of it
 * meanwhile, such as the launcher, which puts the job into the queue again. A row that is as it should be is not locked.
 */
bool
xmcoh_settle(int32 job_id)
{
	Oid			user;
	int			security;
	bool		settled;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	execute_latest("SELECT FROM xmcoh.job_record AS r, xmcoh.job AS v WHERE " IS_SETTLED_BY, job_id, true);
	settled = SPI_processed > 0;
	if (settled)
	{
		execute_latest("SELECT FROM xmcoh.job_record AS r WHERE r.job_id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE", job_id, false);
		execute_latest("UPDATE xmcoh.job_record AS r SET state = v.state, message = v.message,"
					   " finished_at = pg_catalog.clock_timestamp() FROM xmcoh.job AS v WHERE " IS_SETTLED_BY, job_id, false);
		settled = SPI_processed > 0;
	}
	SetUserIdAndSecContext(user, security);
	return settled;
}

/* settle_job(job_id integer) RETURNS boolean */
Datum
xmcoh_settle_job(PG_FUNCTION_ARGS)
{
	bool		settled;

	SPI_connect();
	settled = xmcoh_settle(PG_GETARG_INT32(0));
	SPI_finish();
	PG_RETURN_BOOL(settled);
}

/* ---- start and signal ---- */

/* Notes that a worker is asked for now. Needs SPI. */
static void
ask_for_worker(int32 job_id, Oid session_user, Oid role)
{
	Action	   *action = queue_action(ACTION_START);
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job_id)};

	if (SPI_execute_with_args("UPDATE xmcoh.job_record SET asked_at = pg_catalog.clock_timestamp()"
							  " WHERE job_id OPERATOR(pg_catalog.=) $1", 1, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write xmcoh.job_record");
	action->start.database = MyDatabaseId;
	action->start.session_user = session_user;
	action->start.role = role;
	action->start.job_id = job_id;
	action->start.xid = GetTopTransactionId();
	action->start.queued_at = GetCurrentTimestamp();
}

/* Without a launcher a queued job holds a worker slot while it waits, so how many a role may have is limited. Needs SPI. */
static void
check_limit_of_role(Oid role)
{
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(role)};

	SPI_execute_with_args("SELECT FROM xmcoh.job_record AS j WHERE j.state" IS_ACTIVE
						  " AND xmcoh_internal.object_oid(j.submitted_by) OPERATOR(pg_catalog.=) $1"
						  " AND j.queue_id OPERATOR(pg_catalog.=) xmcoh_internal.queue_id()", 1, types, values, NULL, true, 0);
	if (SPI_processed > (uint64) xmcoh_max_running_jobs_per_role)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg_plural("role \"%s\" already has %d training job", "role \"%s\" already has %d training jobs",
							  xmcoh_max_running_jobs_per_role, GetUserNameFromId(role, false), xmcoh_max_running_jobs_per_role),
				errdetail("xmcoh.max_running_jobs_per_role is %d, and this server has no launcher that would let a job wait without a"
						  " worker.", xmcoh_max_running_jobs_per_role),
				errhint("Wait for one of them, or set shared_preload_libraries = 'xmcoh' and restart the server."));
}

/* Has a worker started when this transaction commits, which must have put the job into the queue, or when the launcher finds it is time. Needs SPI. */
static void
start_job(int32 job_id, Oid session_user, Oid role)
{
	/*
	 * Such code runs on behalf of somebody who did not ask for it: index expressions under maintenance, and the like.
	 */
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("cannot start a training job within a security-restricted operation"));
	if (xmcoh_launcher_loaded())
	{
		if (!xmcoh_in_visitor())	/* which sees to the queue next */
			xmcoh_wake_at_commit();
		return;
	}
	check_limit_of_role(role);
	ask_for_worker(job_id, session_user, role);
}

/* start_worker(job_id integer, role oid): the last step of xmcoh.train, which has written the job's row in this transaction */
Datum
xmcoh_start_worker(PG_FUNCTION_ARGS)
{
	PreventCommandDuringRecovery("xmcoh.train()");
	PreventCommandIfReadOnly("xmcoh.train()");
	SPI_connect();
	start_job(PG_GETARG_INT32(0), GetSessionUserId(), PG_GETARG_OID(1));
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- resuming ---- */

/* Puts an interrupted job back into the queue, or ERROR says why not; gives the role that it works as. Needs SPI. */
static Oid
requeue(int32 job_id, bool by_person)
{
	Oid			types[2] = {INT4OID, BOOLOID};
	Datum		values[2];
	bool		is_null;

	values[0] = Int32GetDatum(job_id);
	values[1] = BoolGetDatum(by_person);
	if (SPI_execute_with_args("SELECT xmcoh_internal.requeue_job($1, $2)", 2, types, values, NULL, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not call xmcoh_internal.requeue_job");
	return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

/* What a job needs to be begun without a person. */
typedef struct Beginning
{
	int32		attempts;
	Oid			login_role;		/* the worker connects as this one */
	Oid			role;			/* and reads as this one */
	char	   *obstacle;		/* why it cannot be begun, in SPI's memory; NULL: it can */
} Beginning;

static char *
find_obstacle(void)
{
	if (SPI_processed != 1)
		return pstrdup("there is no such job");
	if (row_value(3) == NULL || row_value(5) == NULL)
		return pstrdup("the role that submitted it does not exist any more");
	if (strcmp(row_value(4), "t") != 0)
		return psprintf("role \"%s\", who submitted it, can no longer connect to the database", row_value(3));
	if (strcmp(row_value(6), "t") != 0)
		return psprintf("role \"%s\" is no longer a member of role \"%s\", as which it submitted it", row_value(3), row_value(5));
	if (strcmp(row_value(7), "t") != 0)
		return psprintf("role \"%s\", which submitted it, may no longer train model \"%s\"", row_value(5), row_value(8));
	if (row_value(9) == NULL || strcmp(row_value(9), "t") != 0)
		return psprintf("the sources of model \"%s\" are defined otherwise than when the job was submitted", row_value(8));
	return NULL;
}

/* Needs SPI. */
static Beginning
look_at_beginning(int32 job_id)
{
	Beginning	result = {0};
	bool		is_null;

	execute_latest("SELECT r.attempts, l.oid, l.rolname,"
				   " l.rolcanlogin AND pg_catalog.has_database_privilege(l.oid, pg_catalog.current_database(), 'CONNECT'),"
				   " s.rolname, xmcoh_internal.may_become(l.oid, s.oid),"
				   " xmcoh_internal.may(m.owner, m.model_id, 'train', s.oid), m.name,"
				   " xmcoh_internal.is_defined_as(m.model_id, r.source_definition), s.oid"
				   " FROM xmcoh.job_record AS r JOIN xmcoh.model AS m ON m.model_id OPERATOR(pg_catalog.=) r.model_id"
				   " LEFT JOIN pg_catalog.pg_roles AS l ON l.oid OPERATOR(pg_catalog.=) xmcoh_internal.object_oid(r.login_role)"
				   " LEFT JOIN pg_catalog.pg_roles AS s ON s.oid OPERATOR(pg_catalog.=) xmcoh_internal.object_oid(r.submitted_by)"
				   " WHERE r.job_id OPERATOR(pg_catalog.=) $1", job_id, true);
	result.obstacle = find_obstacle();
	if (SPI_processed == 1)
	{
		result.attempts = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
		result.login_role = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null));
		result.role = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 10, &is_null));
	}
	return result;
}

/* Writes why a job goes no further. `change` sets more columns; only a job in this state is meant. */
static void
write_obstacle(int32 job_id, const char *state, const char *change, const char *message)
{
	Oid			types[3] = {INT4OID, TEXTOID, TEXTOID};
	Datum		values[3] = {Int32GetDatum(job_id), CStringGetTextDatum(message), CStringGetTextDatum(state)};
	char	   *query = psprintf("UPDATE xmcoh.job_record SET message = $2%s WHERE job_id OPERATOR(pg_catalog.=) $1"
								 " AND state OPERATOR(pg_catalog.=) $3", change);

	if (SPI_execute_with_args(query, 3, types, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write xmcoh.job_record");
}

bool
xmcoh_resume(int32 job_id)
{
	Beginning	beginning;
	bool		possible;

	SPI_connect();
	beginning = look_at_beginning(job_id);
	if (beginning.obstacle == NULL && beginning.attempts >= XMCOH_MAX_ATTEMPTS)
		beginning.obstacle = psprintf("begun %d times since its last checkpoint, it never came to another", beginning.attempts);
	if (beginning.obstacle == NULL)
		(void) requeue(job_id, false);
	else
	{
		xmcoh_settle(job_id);
		write_obstacle(job_id, "interrupted", "",
					   psprintf("not resumed: %s; xmcoh.resume_job(%d) tries again", beginning.obstacle, job_id));
	}
	possible = beginning.obstacle == NULL;
	SPI_finish();
	return possible;
}

static void
fail_queued(int32 job_id, const char *why)
{
	write_obstacle(job_id, "queued", ", state = 'failed', finished_at = pg_catalog.clock_timestamp()", psprintf("not begun: %s", why));
}

bool
xmcoh_fail_queued(int32 job_id, const char *why)
{
	SPI_connect();
	fail_queued(job_id, why);
	SPI_finish();
	return true;
}

bool
xmcoh_begin_queued(int32 job_id)
{
	Beginning	beginning;
	bool		possible;

	SPI_connect();
	beginning = look_at_beginning(job_id);
	if (beginning.obstacle == NULL)
		ask_for_worker(job_id, beginning.login_role, beginning.role);
	else
		fail_queued(job_id, beginning.obstacle);
	possible = beginning.obstacle == NULL;
	SPI_finish();
	return possible;
}

/*
 * signal_worker(job_id integer): interrupts the job's worker when this transaction commits. Only the worker of this very
 * job is ever signalled, whatever pid stands in its row.
 */
Datum
xmcoh_signal_worker(PG_FUNCTION_ARGS)
{
	char		name[BGW_MAXLEN];

	snprintf(name, sizeof name, XMCOH_WORKER_NAME, PG_GETARG_INT32(0));
	SPI_connect();
	execute_latest("SELECT worker_pid, worker_started_at FROM xmcoh.job_record"
				   " WHERE job_id OPERATOR(pg_catalog.=) $1 AND worker_pid IS NOT NULL AND state" IS_ACTIVE,
				   PG_GETARG_INT32(0), true);
	if (SPI_processed == 1)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		is_null;
		int			pid = DatumGetInt32(SPI_getbinval(row, desc, 1, &is_null));
		TimestampTz started_at = DatumGetTimestampTz(SPI_getbinval(row, desc, 2, &is_null));
		PGPROC	   *proc = is_null ? NULL : find_worker(pid, started_at, name);
		const char *type = proc ? GetBackgroundWorkerTypeByPid(pid) : NULL;

		if (type != NULL && strcmp(type, XMCOH_WORKER_TYPE) == 0)
		{
			Action	   *action = queue_action(ACTION_SIGNAL);

			action->proc = proc;
			action->pid = pid;
		}
	}
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- waiting ---- */

/* One look at a job, under a snapshot of its own: its state, in `memory`. Writes down what became of a dead worker's job. */
static char *
look_at_job(int32 job_id, MemoryContext memory)
{
	char	   *state;
	bool		is_null;
	bool		lost;
	TransactionId writer;

	execute_latest("SELECT v.state, r.xmin, v.state OPERATOR(pg_catalog.<>) r.state"
				   " FROM xmcoh.job AS v, xmcoh.job_record AS r"
				   " WHERE v.job_id OPERATOR(pg_catalog.=) $1 AND r.job_id OPERATOR(pg_catalog.=) $1",
				   job_id, true);
	if (SPI_processed != 1)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("job %d does not exist", job_id),
				errhint("Only who may train its model sees a job."));
	state = MemoryContextStrdup(memory, row_value(1));
	writer = DatumGetTransactionId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null));
	lost = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &is_null));

	if (is_active(state) && TransactionIdIsCurrentTransactionId(writer))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("job %d was started or cancelled by this very transaction, which it waits for", job_id),
				errhint("Commit before waiting for the job."));
	if (lost && !XactReadOnly)
		xmcoh_settle(job_id);
	return state;
}

/*
 * wait_for_job(job_id integer, timeout interval DEFAULT NULL, INOUT state text DEFAULT NULL), a procedure: the state at the
 * end, or when time is up.
 *
 * A wait may take hours, and a snapshot that is held for hours keeps vacuum from removing anything, in the whole database.
 * So every look is a transaction of its own, and none of them has a snapshot while the procedure sleeps. Where the caller
 * does not let it commit (in a transaction block, in a function), the caller's own transaction holds the snapshot, and it
 * waits all the same.
 */
Datum
xmcoh_wait_for_job(PG_FUNCTION_ARGS)
{
	bool		may_commit = fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!castNode(CallContext, fcinfo->context)->atomic && !IsSubTransaction();
	TimestampTz end = DT_NOEND;
	MemoryContext caller = CurrentMemoryContext;
	char	   *state = NULL;
	TupleDesc	desc;
	Datum		values[1];
	bool		nulls[1];

	if (!PG_ARGISNULL(1))
		end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													  TimestampTzGetDatum(GetCurrentTimestamp()), PG_GETARG_DATUM(1)));
	while (!PG_ARGISNULL(0))
	{
		SPI_connect_ext(may_commit ? SPI_OPT_NONATOMIC : 0);
		if (may_commit)
		{
			SPI_commit();		/* what the caller has done so far: it may be the very start of the job */
			PushActiveSnapshot(GetTransactionSnapshot());
		}
		state = look_at_job(PG_GETARG_INT32(0), caller);
		if (may_commit)
		{
			PopActiveSnapshot();
			SPI_commit();
		}
		SPI_finish();
		if (!is_active(state) || GetCurrentTimestamp() >= end)
			break;
		pfree(state);

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, WAIT_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	nulls[0] = state == NULL;
	values[0] = state ? CStringGetTextDatum(state) : (Datum) 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
