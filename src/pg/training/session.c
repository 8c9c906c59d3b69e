/* session.c - the database session of a background worker; see session.h */
#include "training/session.h"

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
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/access.h"
#include "base/compat.h"
#include "base/restricted.h"
#include "base/statement.h"

#define TEXT_LIMIT 4096			/* bytes of each part of an error: code of a user may raise an error with any text */

static MemoryContext outside;	/* CurrentMemoryContext before the transaction */
static bool restricted = false; /* by worker_become_submitter, in this transaction */
static RestrictState before_restriction;

/* ---- settings ---- */

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
		XMCOH_LATER_TIMEOUTS
	};

	for (int i = 0; i < (int) lengthof(setting); i++)
		SetConfigOption(setting[i][0], setting[i][1], PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("application_name", application_name, PGC_USERSET, PGC_S_SESSION);
}

/*
 * Linux can share the processor among sessions first (autogroup), and each process of a server is a session of its own:
 * then the nice value of the session counts. Without that file the process's own value counts.
 */
static void
set_autogroup_nice(int nice)
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
	set_autogroup_nice(nice);
}

/* ---- transactions ---- */

void
worker_begin_transaction(void)
{
	outside = CurrentMemoryContext;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	xmcoh_hold_extension();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, NULL);
}

void
worker_commit_transaction(void)
{
	SPI_finish();
	PopActiveSnapshot();
	SetUserIdAndSecContext(GetSessionUserId(), 0);
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(outside);
}

void
worker_begin(bool durable)
{
	worker_begin_transaction();
	if (!durable)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
								 true, 0, false);

	/*
	 * After DROP EXTENSION there is no row to write to, and an ERROR would make the postmaster start this worker again and
	 * again. While this transaction lasts, the extension is held: its tables' names do not become those of somebody else's tables.
	 */
	if (!OidIsValid(xmcoh_extension_table("job_record")))
		proc_exit(0);
	/* Nobody but the extension writes rows of jobs, and no code of a user runs as its owner. */
	SetUserIdAndSecContext(xmcoh_extension_owner(), SECURITY_LOCAL_USERID_CHANGE);
	restricted = false;
}

/*
 * There is no way back before the commit: code that a source brings along (views, policies, casts) must not get the
 * session's role, neither by SET ROLE nor by a deferred trigger, which would run at the commit as that role.
 */
void
worker_become_submitter(const WorkerJob *job)
{
	xmcoh_restrict_begin_as(&before_restriction, job->role);
	restricted = true;
}

void
worker_commit(void)
{
	if (restricted)
		xmcoh_restrict_end(&before_restriction);
	restricted = false;
	worker_commit_transaction();
}

/* ---- the job ---- */

void
worker_give_up(WorkerJob *job)
{
	job->gone = true;
	ereport(ERROR,
			errcode(ERRCODE_UNDEFINED_OBJECT),
			errmsg("job %d does not exist any more", job->job_id));
}

void
worker_check_state(WorkerJob *job, const char *state)
{
	if (state == NULL)
		worker_give_up(job);
	if (strcmp(state, "cancelling") == 0)
		ereport(ERROR, errcode(ERRCODE_QUERY_CANCELED), errmsg("job %d was cancelled", job->job_id));
	if (strcmp(state, "starting") != 0 && strcmp(state, "running") != 0)
		worker_give_up(job);	/* another process has taken this worker for dead */
	xmcoh_check_version();		/* here, too: what a long training would compute after the update, it could not store */
}

void
worker_check_submitter(const WorkerJob *job, bool may_train, const char *model)
{
	char	   *name = GetUserNameFromId(job->role, true);

	xmcoh_check_version();
	if (name == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("the role that submitted the job does not exist any more"));
	if (!may_train)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("role \"%s\", which submitted the job, may no longer train model \"%s\"", name, model));
}

/* ---- the row of a job of another kind than training ---- */

/* The result of the last statement is the job's state, or it has no row and the row of the job tells. */
static void
check_returned_state(WorkerJob *job)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job->job_id)};

	if (SPI_processed == 0)
		execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
	worker_check_state(job, first_text(1));
}

Jsonb *
worker_start(WorkerJob *job, const char *phase)
{
	Oid			types[3] = {INT4OID, TEXTOID, OIDOID};
	Datum		values[3] = {Int32GetDatum(job->job_id), CStringGetTextDatum(phase), ObjectIdGetDatum(job->role)};
	MemoryContext spi;
	Jsonb	   *options;
	bool		is_null;

	if (execute("UPDATE xmcoh.job_record AS j SET state = 'running', phase = $2 FROM xmcoh.model AS m"
				" WHERE j.job_id = $1 AND j.state = 'starting' AND m.model_id = j.model_id"
				" RETURNING m.name, xmcoh_internal.may(m.owner, m.model_id, 'train', $3), j.options",
				SPI_OK_UPDATE_RETURNING, 3, types, values, NULL) == 0)
	{
		check_returned_state(job);
		worker_give_up(job);
	}
	worker_check_submitter(job, DatumGetBool(first_value(2, &is_null)), first_text(1));
	spi = MemoryContextSwitchTo(outside);
	options = DatumGetJsonbPCopy(first_value(3, &is_null));
	MemoryContextSwitchTo(spi);
	return options;
}

void
worker_progress(WorkerJob *job, const char *phase, int64 done, int64 total, bool moved_on)
{
	Oid			types[6] = {INT4OID, TEXTOID, INT8OID, INT8OID, BOOLOID, INT8OID};
	Datum		values[6] = {Int32GetDatum(job->job_id), CStringGetTextDatum(phase), Int64GetDatum(done), Int64GetDatum(total),
	BoolGetDatum(moved_on), Int64GetDatum(job->done_before)};

	execute("WITH mine AS (SELECT job_id FROM xmcoh.job_record WHERE job_id = $1 FOR NO KEY UPDATE SKIP LOCKED)"
			" UPDATE xmcoh.job_record AS j SET phase = $2, done = $3, total = $4, done_before = $6,"
			" attempts = CASE WHEN $5 THEN 0 ELSE j.attempts END"
			" FROM mine WHERE j.job_id = mine.job_id RETURNING j.state", SPI_OK_UPDATE_RETURNING, 6, types, values, NULL);
	check_returned_state(job);
}

void
worker_succeed(WorkerJob *job, const char *message)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		values[2] = {Int32GetDatum(job->job_id), CStringGetTextDatum(message)};

	execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1 FOR NO KEY UPDATE", SPI_OK_SELECT, 1, types, values, NULL);
	worker_check_state(job, first_text(1));
	execute("UPDATE xmcoh.job_record SET state = 'succeeded', message = $2, phase = 'done', done = coalesce(total, done),"
			" finished_at = clock_timestamp() WHERE job_id = $1", SPI_OK_UPDATE, 2, types, values, NULL);
}

void
worker_log(const WorkerJob *job, const char *what)
{
	ereport(INFO,
			errmsg("%s job %d of model \"%s\" %s", job->kind, job->job_id, job->model ? job->model : "?", what),
			errhidecontext(true));
}

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
