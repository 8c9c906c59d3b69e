/* processes.c - a scan over the table of processes, and the description of a background worker; see processes.h */
#include "base/processes.h"

#include "pgstat.h"

#include "base/compat.h"

ProcessScan
xmcoh_scan_processes(void)
{
	/* The local copy may be as old as the transaction. */
	pgstat_clear_backend_activity_snapshot();
	return (ProcessScan) {.n = pgstat_fetch_stat_numbackends(),.next = 1};
}

const PgBackendStatus *
xmcoh_next_process(ProcessScan *scan)
{
	while (scan->next <= scan->n)
	{
		LocalPgBackendStatus *entry = xmcoh_backend_entry(scan->next++);

		if (entry != NULL)
			return &entry->backendStatus;
	}
	return NULL;
}

bool
xmcoh_is_worker_of_type(const PgBackendStatus *process, const char *type)
{
	const char *actual = process->st_backendType == B_BG_WORKER ? GetBackgroundWorkerTypeByPid(process->st_procpid) : NULL;

	return actual != NULL && strcmp(actual, type) == 0;
}

BackgroundWorker
xmcoh_background_worker(const char *type, const char *function, const void *extra, Size extra_size)
{
	BackgroundWorker worker = {0};

	strlcpy(worker.bgw_name, type, sizeof worker.bgw_name);
	strlcpy(worker.bgw_type, type, sizeof worker.bgw_type);
	strlcpy(worker.bgw_library_name, "xmcoh", sizeof worker.bgw_library_name);
	strlcpy(worker.bgw_function_name, function, sizeof worker.bgw_function_name);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	Assert(extra_size <= BGW_EXTRALEN);
	if (extra != NULL)
		memcpy(worker.bgw_extra, extra, extra_size);
	return worker;
}
