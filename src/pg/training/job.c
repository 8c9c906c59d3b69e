/*
 * job.c - the state of a training job: derived from its row and its worker, reconciled with the row, awaited; see job.h
 */
#include "training/job.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/access.h"
#include "base/statement.h"
#include "training/commit_actions.h"
#include "training/job_process.h"

PG_FUNCTION_INFO_V1(xmcoh_job_is_active);
PG_FUNCTION_INFO_V1(xmcoh_worker_is_alive);
PG_FUNCTION_INFO_V1(xmcoh_job_state);
PG_FUNCTION_INFO_V1(xmcoh_queue_id);
PG_FUNCTION_INFO_V1(xmcoh_reconcile_job);
PG_FUNCTION_INFO_V1(xmcoh_signal_worker);
PG_FUNCTION_INFO_V1(xmcoh_wait_for_job);

#define WAIT_MS 50				/* between two looks of wait_for_job */
#define REGISTRATION_MS 5000	/* after XMCOH_CONNECT_PATIENCE_MS: a worker that is not there by then will not come */

bool
xmcoh_is_active(const char *state)
{
	return strcmp(state, "queued") == 0 || strcmp(state, "starting") == 0 ||
		strcmp(state, "running") == 0 || strcmp(state, "cancelling") == 0;
}

/* is_active(state text) RETURNS boolean */
Datum
xmcoh_job_is_active(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(xmcoh_is_active(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

uint64
xmcoh_query_job(const char *query, int32 job_id, bool read_only)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job_id)};
	SPIPlanPtr	plan = SPI_prepare(query, 1, types);

	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", query, SPI_result_code_string(SPI_result));
	(void) SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, read_only, true, 0);
	return SPI_processed;
}

/* ---- the derived state ---- */

/* worker_is_alive(pid integer, started_at timestamptz): NULL on a standby, whose workers are another server's */
Datum
xmcoh_worker_is_alive(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		PG_RETURN_NULL();
	PG_RETURN_BOOL(xmcoh_find_worker(PG_GETARG_INT32(0), PG_GETARG_TIMESTAMPTZ(1)) != NULL);
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

/* Why no worker will begin a queued job; NULL: one still may. asked_at 0: the launcher has not asked for a worker yet. */
static const char *
why_unstarted(int32 job_id, TimestampTz asked_at, const char *queue)
{
	if (strcmp(queue, queue_id()) != 0)
		return "the server was restarted, or the database copied, before a worker began";
	if (asked_at != 0 &&
		TimestampDifferenceExceeds(asked_at, GetCurrentTimestamp(), XMCOH_CONNECT_PATIENCE_MS + REGISTRATION_MS) &&
		!xmcoh_job_has_worker(job_id))
		return "no worker could begin; the server's log says why";
	return NULL;
}

/* Why an active job will not go on, by the arguments of job_state; NULL: it will. */
static const char *
why_lost(FunctionCallInfo fcinfo)
{
	bool		has_worker = !PG_ARGISNULL(5);

	if (has_worker)
		return !PG_ARGISNULL(6) && xmcoh_find_worker(PG_GETARG_INT32(5), PG_GETARG_TIMESTAMPTZ(6)) == NULL ?
			"worker died (crash or termination)" : NULL;
	return PG_ARGISNULL(4) ? NULL :
		why_unstarted(PG_GETARG_INT32(0), PG_ARGISNULL(3) ? 0 : PG_GETARG_TIMESTAMPTZ(3),
					  text_to_cstring(PG_GETARG_TEXT_PP(4)));
}

/* Whether a job's row has another state or another worker now. */
static bool
has_changed(int32 job_id, const char *state, int worker_pid)
{
	bool		changed;

	SPI_connect();
	changed = xmcoh_query_job("SELECT state, coalesce(worker_pid, 0) FROM xmcoh.visible_job"
							  " WHERE job_id OPERATOR(pg_catalog.=) $1", job_id, true) == 1 &&
		(strcmp(first_text(1), state) != 0 || atoi(first_text(2)) != worker_pid);
	SPI_finish();
	return changed;
}

/*
 * job_state(job_id, state, message, asked_at, queue_id, worker_pid, worker_started_at, OUT real_state, OUT real_message)
 *
 * The state of a job as its row has it, unless its worker is dead. The row may have been read just before the worker wrote
 * the last state and exited, so the row is read again after the worker was found dead. If the row has changed, the state
 * that the query's snapshot has stays: with the job's end the query would also have to show a version that its snapshot
 * does not contain.
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

	if (xmcoh_is_active(state) && !RecoveryInProgress())
		lost = why_lost(fcinfo);
	if (lost != NULL && !has_changed(PG_GETARG_INT32(0), state, PG_ARGISNULL(5) ? 0 : PG_GETARG_INT32(5)))
	{
		/* A job that somebody was cancelling ends cancelled, whatever ended its worker. */
		values[0] = CStringGetTextDatum(strcmp(state, "cancelling") == 0 ? "cancelled" : "interrupted");
		values[1] = CStringGetTextDatum(lost);
		nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ---- reconciling ---- */

#define IS_OUTDATED_BY "r.job_id OPERATOR(pg_catalog.=) $1 AND v.job_id OPERATOR(pg_catalog.=) $1" \
					   " AND r.state OPERATOR(pg_catalog.<>) v.state AND xmcoh_internal.is_active(r.state)"

bool
xmcoh_reconcile(int32 job_id)
{
	Oid			user;
	int			security;
	bool		outdated;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	/* A row that is up to date is not locked. */
	outdated = xmcoh_query_job("SELECT FROM xmcoh.job_record AS r, xmcoh.job AS v WHERE " IS_OUTDATED_BY, job_id, true) > 0;
	if (outdated)
	{
		/*
		 * The row is locked before the view is evaluated: another process, such as the schedule worker that queues the job
		 * again, may be changing the row, and what the view derives from the older row must not overwrite that change.
		 */
		xmcoh_query_job("SELECT FROM xmcoh.job_record AS r WHERE r.job_id OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE",
						job_id, false);
		outdated = xmcoh_query_job("UPDATE xmcoh.job_record AS r SET state = v.state, message = v.message,"
								   " finished_at = pg_catalog.clock_timestamp() FROM xmcoh.job AS v WHERE " IS_OUTDATED_BY,
								   job_id, false) > 0;
	}
	SetUserIdAndSecContext(user, security);
	return outdated;
}

/* reconcile_job(job_id integer) RETURNS boolean */
Datum
xmcoh_reconcile_job(PG_FUNCTION_ARGS)
{
	bool		outdated;

	SPI_connect();
	outdated = xmcoh_reconcile(PG_GETARG_INT32(0));
	SPI_finish();
	PG_RETURN_BOOL(outdated);
}

/* ---- cancelling ---- */

/*
 * signal_worker(job_id integer): interrupts the job's worker when this transaction commits. No process but the worker of
 * this job is ever signalled, whatever pid the job's row has.
 */
Datum
xmcoh_signal_worker(PG_FUNCTION_ARGS)
{
	SPI_connect();
	if (xmcoh_query_job("SELECT worker_pid, worker_started_at FROM xmcoh.job_record"
						" WHERE job_id OPERATOR(pg_catalog.=) $1 AND worker_pid IS NOT NULL"
						" AND xmcoh_internal.is_active(state)",
						PG_GETARG_INT32(0), true) == 1)
	{
		bool		is_null;
		int			pid = DatumGetInt32(first_value(1, &is_null));
		TimestampTz started_at = DatumGetTimestampTz(first_value(2, &is_null));
		PGPROC	   *proc = is_null ? NULL : xmcoh_find_worker_of_job(PG_GETARG_INT32(0), pid, started_at);

		if (proc != NULL)
			xmcoh_interrupt_worker_at_commit(proc, pid);
	}
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- waiting ---- */

/*
 * One look at a job, under a snapshot of its own: its state, in `memory`. Reconciles the row of a job with a dead worker.
 */
static char *
look_at_job(int32 job_id, MemoryContext memory)
{
	char	   *state;
	bool		is_null;
	bool		lost;
	TransactionId writer;

	if (xmcoh_query_job("SELECT v.state, r.xmin, v.state OPERATOR(pg_catalog.<>) r.state"
						" FROM xmcoh.job AS v, xmcoh.job_record AS r"
						" WHERE v.job_id OPERATOR(pg_catalog.=) $1 AND r.job_id OPERATOR(pg_catalog.=) $1",
						job_id, true) != 1)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("job %d does not exist", job_id),
				errhint("Only who may train its model sees a job."));
	state = MemoryContextStrdup(memory, first_text(1));
	writer = DatumGetTransactionId(first_value(2, &is_null));
	lost = DatumGetBool(first_value(3, &is_null));

	if (xmcoh_is_active(state) && TransactionIdIsCurrentTransactionId(writer))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("job %d was started or cancelled by this very transaction, which it waits for", job_id),
				errhint("Commit before waiting for the job."));
	if (lost && !XactReadOnly)
		xmcoh_reconcile(job_id);
	return state;
}

/*
 * wait_for_job(job_id integer, timeout interval DEFAULT NULL, INOUT state text DEFAULT NULL), a procedure: the state at the
 * end, or at the timeout.
 *
 * A wait may take hours, and a snapshot that is held for hours keeps vacuum from removing dead rows in the whole database.
 * So each look is a transaction of its own, and the procedure has no snapshot while it sleeps. Where the procedure cannot
 * commit (in a transaction block, in a function), the caller's transaction keeps its snapshot during the wait.
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
			SPI_commit();		/* what the caller has done so far: perhaps the very start of the job */
			PushActiveSnapshot(GetTransactionSnapshot());
		}
		state = look_at_job(PG_GETARG_INT32(0), caller);
		if (may_commit)
		{
			PopActiveSnapshot();
			SPI_commit();
		}
		SPI_finish();
		if (!xmcoh_is_active(state) || GetCurrentTimestamp() >= end)
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
