/* after_job.c - what a worker does when its job is over; see after_job.h */
#include "training/after_job.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/guc.h"

#include "base/statement.h"

#define LOCK_TIMEOUT "2s"

static void
do_after_job(const WorkerJob *job, const char *statement)
{
	MemoryContext memory = CurrentMemoryContext;

	PG_TRY();
	{
		Oid			types[3] = {INT4OID, INT4OID, OIDOID};
		Datum		values[3] = {Int32GetDatum(job->job_id), Int32GetDatum(job->model_id), ObjectIdGetDatum(job->role)};

		worker_begin(true);
		SetConfigOption("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION);
		execute(statement, SPI_OK_SELECT, 3, types, values, NULL);
		worker_commit();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(memory);
		ereport(LOG, errmsg("job %d is over, but what follows has failed: %s", job->job_id, error->message));
	}
	PG_END_TRY();
}

void
xmcoh_after_job(const WorkerJob *job)
{
	do_after_job(job, "SELECT xmcoh_internal.prune_after_job($1, $3) WHERE $2 IS NOT NULL");
	do_after_job(job, "SELECT xmcoh_internal.refresh_alerts($2) WHERE $1 IS NOT NULL AND $3 IS NOT NULL");
}
