/*
 * queue.c - puts jobs into the queue and asks for their workers; see queue.h
 *
 * With a launcher a queued job has no worker: the schedule worker asks for one when the job's turn has come. Without a
 * launcher the transaction that submits or resumes a job asks for its worker.
 */
#include "training/queue.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/launcher_hooks.h"
#include "base/statement.h"
#include "training/commit_actions.h"
#include "training/job.h"

PG_FUNCTION_INFO_V1(xmcoh_start_worker);

/* ---- asking for a worker ---- */

/* Has a worker started at commit, and writes the time into the job's row. Needs SPI. */
static void
ask_for_worker(int32 job_id, Oid session_user, Oid role)
{
	JobStart	start = {.database = MyDatabaseId,.session_user = session_user,.role = role,.job_id = job_id};
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job_id)};

	execute("UPDATE xmcoh.job_record SET asked_at = pg_catalog.clock_timestamp()"
			" WHERE job_id OPERATOR(pg_catalog.=) $1", SPI_OK_UPDATE, 1, types, values, NULL);
	start.xid = GetTopTransactionId();
	start.queued_at = GetCurrentTimestamp();
	xmcoh_start_worker_at_commit(&start);
}

/*
 * Without a launcher a queued job holds a worker slot while it waits, so the number of a role's jobs is limited. Needs
 * SPI.
 */
static void
check_limit_of_role(Oid role)
{
	Oid			types[1] = {OIDOID};
	Datum		values[1] = {ObjectIdGetDatum(role)};

	SPI_execute_with_args("SELECT FROM xmcoh.job_record AS j WHERE xmcoh_internal.is_active(j.state)"
						  " AND xmcoh_internal.object_oid(j.submitted_by) OPERATOR(pg_catalog.=) $1"
						  " AND j.queue_id OPERATOR(pg_catalog.=) xmcoh_internal.queue_id()", 1, types, values, NULL, true, 0);
	if (SPI_processed > (uint64) xmcoh_max_running_jobs_per_role)
		ereport(ERROR,
				errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				errmsg_plural("role \"%s\" already has %d training job", "role \"%s\" already has %d training jobs",
							  xmcoh_max_running_jobs_per_role, GetUserNameFromId(role, false), xmcoh_max_running_jobs_per_role),
				errdetail("xmcoh.max_running_jobs_per_role is %d, and this server has no launcher that would let a job wait"
						  " without a worker.", xmcoh_max_running_jobs_per_role),
				errhint("Wait for one of them, or set shared_preload_libraries = 'xmcoh' and restart the server."));
}

/* Takes the step that follows when the current transaction has put a job into the queue. Needs SPI. */
static void
start_job(int32 job_id, Oid session_user, Oid role)
{
	/*
	 * Code in such an operation, as of an index expression under maintenance, runs for somebody who did not ask for a
	 * job.
	 */
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("cannot start a training job within a security-restricted operation"));
	if (xmcoh_launcher_hooks != NULL)
	{
		xmcoh_wake_at_commit();
		return;
	}
	check_limit_of_role(role);
	ask_for_worker(job_id, session_user, role);
}

/*
 * start_worker(job_id integer, role oid): the last step of xmcoh.train, which has written the job's row in this
 * transaction
 */
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

/* ---- jobs that are begun without a person ---- */

typedef struct Beginning
{
	int32		attempts;
	Oid			login_role;		/* the worker connects as this role */
	Oid			role;			/* the worker reads as this role */
	char	   *obstacle;		/* why the job cannot be begun, in SPI's memory; NULL: it can */
} Beginning;

static bool
is_true(int column)
{
	const char *value = first_text(column);

	return value != NULL && strcmp(value, "t") == 0;
}

/* Reads the row of read_beginning. */
static char *
find_obstacle(void)
{
	const char *login = first_text(3);
	const char *role = first_text(5);

	if (SPI_processed != 1)
		return pstrdup("there is no such job");
	if (login == NULL || role == NULL)
		return pstrdup("the role that submitted it does not exist any more");
	if (!is_true(4))
		return psprintf("role \"%s\", who submitted it, can no longer connect to the database", login);
	if (!is_true(6))
		return psprintf("role \"%s\" is no longer a member of role \"%s\", as which it submitted it", login, role);
	if (!is_true(7))
		return psprintf("role \"%s\", which submitted it, may no longer train model \"%s\"", role, first_text(8));
	if (!is_true(9))
		return psprintf("the sources of model \"%s\" are defined otherwise than when the job was submitted", first_text(8));
	return NULL;
}

/* Needs SPI. */
static Beginning
read_beginning(int32 job_id)
{
	Beginning	result = {0};
	bool		is_null;

	(void) xmcoh_query_job("SELECT r.attempts, l.oid, l.rolname,"
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
		result.attempts = DatumGetInt32(first_value(1, &is_null));
		result.login_role = DatumGetObjectId(first_value(2, &is_null));
		result.role = DatumGetObjectId(first_value(10, &is_null));
	}
	return result;
}

/* Writes why a job goes no further. `change` sets more columns. A job in another state than `state` is left alone. */
static void
write_obstacle(int32 job_id, const char *state, const char *change, const char *message)
{
	Oid			types[3] = {INT4OID, TEXTOID, TEXTOID};
	Datum		values[3] = {Int32GetDatum(job_id), CStringGetTextDatum(message), CStringGetTextDatum(state)};

	execute(psprintf("UPDATE xmcoh.job_record SET message = $2%s WHERE job_id OPERATOR(pg_catalog.=) $1"
					 " AND state OPERATOR(pg_catalog.=) $3", change), SPI_OK_UPDATE, 3, types, values, NULL);
}

bool
xmcoh_resume(int32 job_id)
{
	Beginning	beginning;
	bool		possible;

	SPI_connect();
	beginning = read_beginning(job_id);
	if (beginning.obstacle == NULL && beginning.attempts >= XMCOH_MAX_ATTEMPTS)
		beginning.obstacle = psprintf("begun %d times since its last checkpoint, it never came to another",
									  beginning.attempts);
	if (beginning.obstacle == NULL)
		execute("SELECT xmcoh_internal.requeue_job($1, false)", SPI_OK_SELECT, 1, (Oid[]) {INT4OID},
				(Datum[]) {Int32GetDatum(job_id)}, NULL);
	else
	{
		xmcoh_reconcile(job_id);
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
	write_obstacle(job_id, "queued", ", state = 'failed', finished_at = pg_catalog.clock_timestamp()",
				   psprintf("not begun: %s", why));
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
	beginning = read_beginning(job_id);
	if (beginning.obstacle == NULL)
		ask_for_worker(job_id, beginning.login_role, beginning.role);
	else
		fail_queued(job_id, beginning.obstacle);
	possible = beginning.obstacle == NULL;
	SPI_finish();
	return possible;
}
