/* job_process.c - finds and counts the processes of training jobs; see job_process.h */
#include "training/job_process.h"

#include "miscadmin.h"
#include "storage/procarray.h"

static bool
has_name(const PgBackendStatus *process, int32 job_id)
{
	char		name[BGW_MAXLEN];
	size_t		length = (size_t) snprintf(name, sizeof name, XMCOH_WORKER_NAME, job_id);

	return strncmp(process->st_appname, name, length) == 0 &&
		(process->st_appname[length] == '\0' || strcmp(process->st_appname + length, XMCOH_WAITING) == 0);
}

static bool
has_identity(const PgBackendStatus *process, int pid, TimestampTz started_at)
{
	return process->st_databaseid == MyDatabaseId && process->st_procpid == pid &&
		process->st_proc_start_timestamp == started_at;
}

PGPROC *
xmcoh_find_worker(int pid, TimestampTz started_at)
{
	ProcessScan scan = xmcoh_scan_processes();
	const PgBackendStatus *process;

	while ((process = xmcoh_next_process(&scan)) != NULL)
		if (has_identity(process, pid, started_at))
			return BackendPidGetProc(pid);
	return NULL;
}

PGPROC *
xmcoh_find_worker_of_job(int32 job_id, int pid, TimestampTz started_at)
{
	ProcessScan scan = xmcoh_scan_processes();
	const PgBackendStatus *process;

	while ((process = xmcoh_next_process(&scan)) != NULL)
		if (has_identity(process, pid, started_at) && has_name(process, job_id) && xmcoh_is_job_worker(process))
			return BackendPidGetProc(pid);
	return NULL;
}

bool
xmcoh_job_has_worker(int32 job_id)
{
	ProcessScan scan = xmcoh_scan_processes();
	const PgBackendStatus *process;

	while ((process = xmcoh_next_process(&scan)) != NULL)
		if (process->st_databaseid == MyDatabaseId && process->st_backendType == B_BG_WORKER && has_name(process, job_id))
			return BackendPidGetProc(process->st_procpid) != NULL;
	return false;
}

bool
xmcoh_is_job_worker(const PgBackendStatus *process)
{
	return xmcoh_is_worker_of_type(process, XMCOH_WORKER_TYPE);
}

int
xmcoh_count_workers(void)
{
	ProcessScan scan = xmcoh_scan_processes();
	const PgBackendStatus *process;
	int			count = 0;

	while ((process = xmcoh_next_process(&scan)) != NULL)
		count += xmcoh_is_job_worker(process);
	return count;
}
