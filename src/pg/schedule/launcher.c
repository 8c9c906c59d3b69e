/*
 * launcher.c - starts schedule workers in databases where something comes due; see launcher.h
 *
 * The launcher keeps what it knows of each database in its own memory. Shared memory holds only which databases want a
 * schedule worker, and the report of the last one, so no table of fixed size can overflow. There is one schedule worker at
 * a time. The launcher can be ended and restarted at any time: it then starts a schedule worker in every database, whose
 * report tells it what it has to know. What comes due while the launcher runs is never left out: what could not be started
 * is tried again. What came due while the server was down is not made up for.
 */
#include "schedule/launcher.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/launcher_hooks.h"
#include "base/processes.h"

PGDLLEXPORT void xmcoh_launcher_main(Datum argument);

#define WANTED 64				/* databases that shared memory can name; when more want a worker, all of them get one */
#define SLEEP_MS (5 * 60 * 1000)	/* at most: new databases are looked for then, and the clock may have been set */
#define BACKWARDS_MS (60 * 1000)	/* a clock that went back by more than this was set */
#define SLOT_SOON_MS 500		/* until the slot of a process that has just ended is free */
#define NO_SLOT_MS (10 * 1000)	/* until the next attempt when there is no slot */
#define FAILURE_MS 5000			/* until the next attempt after one failure; twice as long after each further one */
#define FAILURE_LIMIT_MS (10 * 60 * 1000)
#define WORKER_MS (60 * 1000)	/* a schedule worker that needs longer is terminated */
#define PATIENT_TURNS 3			/* a database lets so many others go before it */
#define RECOVERY_MS (10 * 1000)

typedef struct Shared
{
	slock_t		lock;
	TimestampTz created_at;
	TimestampTz run_began;		/* when the launcher first started in this server run, less RECOVERY_MS; 0 before */
	Latch	   *launcher;		/* NULL: it does not run */
	int			n_wanted;		/* WANTED + 1: too many */
	Oid			wanted[WANTED];
	int32		number;			/* of the last schedule worker */
	bool		reported;		/* the next four are its report */
	bool		again;
	bool		waiting;
	bool		began;
	TimestampTz next_due;
	bool		job_ended;		/* since the launcher last looked */
} Shared;

typedef struct Database
{
	Oid			oid;
	TimestampTz next_due;		/* what came due before this time has been dealt with */
	TimestampTz next_start;		/* next_due, or earlier where something that is due could not be started */
	TimestampTz not_before;		/* after a schedule worker that failed */
	TimestampTz turn_at;		/* when a job of its queue was last begun */
	int			passed_over;	/* how often in a row its time had come and another database was chosen */
	int			failures;		/* in a row */
	bool		wanted;			/* something has changed since the last schedule worker */
	bool		waiting;		/* jobs in its queue wait for their turn */
	bool		first;			/* it has had no schedule worker in this launcher's life */
	bool		listed;			/* in pg_database, at the last look */
} Database;

static Shared *shared = NULL;
static shmem_request_hook_type next_request_hook;
static shmem_startup_hook_type next_startup_hook;

static Database *database;		/* (n_databases) */
static int	n_databases;
static int	capacity;
static TimestampTz list_at;		/* when to look for new databases */
static TimestampTz slot_at;		/* when to try for a slot again */
static int	no_slot;			/* how often in a row there was none */

static BackgroundWorkerHandle *handle = NULL;	/* of the schedule worker; NULL: there is none now */
static Oid	served;				/* the database where the schedule worker is */
static TimestampTz terminate_at;	/* when the schedule worker is terminated */

/* ---- shared memory ---- */

static void
request_memory(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(sizeof(Shared));
}

static const LauncherHooks hooks;

/* Runs at the server's start, and after a crash, when all shared memory is made anew. */
static void
make_memory(void)
{
	bool		found;

	if (next_startup_hook)
		next_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("xmcoh launcher", sizeof(Shared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(Shared));
		SpinLockInit(&shared->lock);
		shared->created_at = GetCurrentTimestamp();
	}
	LWLockRelease(AddinShmemInitLock);
	xmcoh_launcher_hooks = &hooks;
}

bool
xmcoh_launcher_loaded(void)
{
	return shared != NULL;
}

bool
xmcoh_in_schedule_worker(void)
{
	return MyBgworkerEntry != NULL && strcmp(MyBgworkerEntry->bgw_type, XMCOH_SCHEDULE_WORKER_TYPE) == 0;
}

/* ---- what other processes write there ---- */

/* Makes the launcher start a schedule worker in this database soon. */
static void
wake(Oid oid)
{
	Latch	   *launcher;
	bool		there = false;

	if (xmcoh_in_schedule_worker())
		return;					/* its report and its next steps cover what it changes itself */
	SpinLockAcquire(&shared->lock);
	for (int k = 0; k < Min(shared->n_wanted, WANTED) && !there; k++)
		there = shared->wanted[k] == oid;
	if (!there && shared->n_wanted < WANTED)
		shared->wanted[shared->n_wanted++] = oid;
	else if (!there)
		shared->n_wanted = WANTED + 1;
	launcher = shared->launcher;
	SpinLockRelease(&shared->lock);
	if (launcher)
		SetLatch(launcher);		/* of a process table entry, which may be another process's by now: that does no harm */
}

static void
note_job_end(void)
{
	Latch	   *launcher;

	SpinLockAcquire(&shared->lock);
	shared->job_ended = true;
	launcher = shared->launcher;
	SpinLockRelease(&shared->lock);
	if (launcher)
		SetLatch(launcher);
}

static const LauncherHooks hooks = {.wake = wake,.job_ended = note_job_end};

void
xmcoh_launcher_report(const ScheduleWorkerStart *start, TimestampTz next_due, bool again, bool waiting, bool began)
{
	SpinLockAcquire(&shared->lock);
	if (shared->number == start->number)
	{
		shared->reported = true;
		shared->next_due = next_due;
		shared->again = again;
		shared->waiting = waiting;
		shared->began = began;
	}
	SpinLockRelease(&shared->lock);
}

void
xmcoh_launcher_init(void)
{
	BackgroundWorker worker = xmcoh_background_worker(XMCOH_LAUNCHER_TYPE, "xmcoh_launcher_main", NULL, 0);

	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_memory;

	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
}

/* ---- databases ---- */

static Database *
find_database(Oid oid)
{
	for (int k = 0; k < n_databases; k++)
		if (database[k].oid == oid)
			return &database[k];
	return NULL;
}

/* A database that has just been found gets a schedule worker at once, and nothing before now counts as due there. */
static void
list_database(Oid oid, TimestampTz now)
{
	Database   *known = find_database(oid);

	if (known == NULL)
	{
		if (n_databases == capacity)
		{
			capacity = Max(16, 2 * capacity);
			database = database ? repalloc(database, capacity * sizeof(Database)) :
				MemoryContextAlloc(TopMemoryContext, capacity * sizeof(Database));
		}
		known = &database[n_databases++];
		*known = (Database) {.oid = oid,.next_due = now,.next_start = now,.first = true};
	}
	known->listed = true;
}

/* Updates the list of databases: those that can be connected to, without templates. */
static void
list_databases(TimestampTz now)
{
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;
	int			n = 0;

	for (int k = 0; k < n_databases; k++)
		database[k].listed = false;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);

		if (row->datallowconn && !row->datistemplate && row->datconnlimit >= -1)	/* -2: half dropped */
			list_database(row->oid, now);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	for (int k = 0; k < n_databases; k++)
		if (database[k].listed)
			database[n++] = database[k];
	n_databases = n;
	list_at = TimestampTzPlusMilliseconds(now, SLEEP_MS);
}

/*
 * Has a schedule worker started wherever jobs wait, because something has changed that they may have waited for. The
 * schedule worker that is running now may have looked before the change.
 */
static void
want_queues(void)
{
	for (int k = 0; k < n_databases; k++)
		database[k].wanted = database[k].wanted || database[k].waiting || (handle && database[k].oid == served);
}

/* Reads from shared memory which databases want a schedule worker. */
static void
read_wanted(TimestampTz now)
{
	Oid			wanted[WANTED];
	int			n;
	bool		job_ended;

	SpinLockAcquire(&shared->lock);
	n = shared->n_wanted;
	memcpy(wanted, shared->wanted, Min(n, WANTED) * sizeof(Oid));
	shared->n_wanted = 0;
	job_ended = shared->job_ended;
	shared->job_ended = false;
	SpinLockRelease(&shared->lock);

	if (job_ended)
		want_queues();
	for (int k = 0; k < Min(n, WANTED); k++)
	{
		Database   *known = find_database(wanted[k]);

		if (known == NULL)
		{
			list_databases(now);
			known = find_database(wanted[k]);
		}
		if (known)
			known->wanted = true;
	}
	if (n > WANTED)
		for (int k = 0; k < n_databases; k++)
			database[k].wanted = true;
}

/* When a database's next schedule worker is to be started. */
static TimestampTz
start_at(const Database *known)
{
	return known->wanted ? known->not_before : Max(known->next_start, known->not_before);
}

/*
 * Whether of two databases this one is served first. Among databases whose time is the same, the one in which a job was
 * begun longest ago comes first, so that a long queue in one database delays no other. A database that was passed over
 * PATIENT_TURNS times comes before others, so that none that always wants a schedule worker delays the others.
 */
static bool
comes_before(const Database *a, const Database *b, TimestampTz now)
{
	if (start_at(a) <= now && start_at(b) <= now && a->passed_over != b->passed_over &&
		Max(a->passed_over, b->passed_over) >= PATIENT_TURNS)
		return a->passed_over > b->passed_over;
	return start_at(a) < start_at(b) || (start_at(a) == start_at(b) && a->turn_at < b->turn_at);
}

/* The database that is served first; NULL: there is none. */
static Database *
next_database(TimestampTz now)
{
	Database   *first = NULL;

	for (int k = 0; k < n_databases; k++)
		if (first == NULL || comes_before(&database[k], first, now))
			first = &database[k];
	return first;
}

/* ---- schedule workers ---- */

/* Says that there was no slot for a schedule worker, and sets the time of the next attempt. */
static void
put_off(TimestampTz now)
{
	ereport(no_slot == 1 ? LOG : DEBUG1,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("no background worker is free to look for due schedules of xmcoh"),
			errdetail("All max_worker_processes (%d) slots are taken. The next attempt is in %d seconds.",
					  max_worker_processes, NO_SLOT_MS / 1000),
			errhint("Raise max_worker_processes."));
	slot_at = TimestampTzPlusMilliseconds(now, no_slot == 0 ? SLOT_SOON_MS : NO_SLOT_MS);
	no_slot = Min(no_slot + 1, 2);
}

static void
start_worker(Database *known, TimestampTz now)
{
	BackgroundWorker worker;
	ScheduleWorkerStart start = {.database = known->oid,.first = known->first};

	StaticAssertStmt(sizeof(ScheduleWorkerStart) <= BGW_EXTRALEN, "bgw_extra is too small");
	/* In a known database nothing came due before next_due; in a new one schedules begin now. A failure changes neither. */
	start.considered = Min(now, known->next_due - 1);
	known->next_due = start.considered + 1;
	SpinLockAcquire(&shared->lock);
	start.run_began = shared->run_began;
	start.number = ++shared->number;
	shared->reported = false;
	SpinLockRelease(&shared->lock);

	/* The worker is not restarted, since its database may have been dropped: the launcher decides. */
	worker = xmcoh_background_worker(XMCOH_SCHEDULE_WORKER_TYPE, "xmcoh_schedule_worker_main", &start, sizeof start);
	worker.bgw_notify_pid = MyProcPid;
	MemoryContextSwitchTo(TopMemoryContext);	/* of the handle */
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		handle = NULL;
		put_off(now);
		return;
	}
	known->wanted = false;
	for (int k = 0; k < n_databases; k++)
		database[k].passed_over += start_at(&database[k]) <= now;
	known->passed_over = 0;
	served = known->oid;
	terminate_at = TimestampTzPlusMilliseconds(now, WORKER_MS);
	slot_at = 0;
	no_slot = 0;
}

/* Plans the next schedule worker of a database from the report of the last one. */
static void
plan_next(Database *known, bool reported, bool again, TimestampTz next_due, TimestampTz now)
{
	int64		ms = Min((int64) FAILURE_MS << Min(known->failures, 10), FAILURE_LIMIT_MS);

	if (reported && !again)
	{
		known->next_due = known->next_start = next_due;
		known->not_before = 0;
		known->failures = 0;
		known->first = false;
		return;
	}
	known->failures++;
	if (reported)
	{
		/* What could not be started is tried again later; the rest keeps its time. */
		known->next_start = Min(next_due, TimestampTzPlusMilliseconds(now, ms));
		known->not_before = 0;
	}
	else
	{
		known->wanted = true;
		known->not_before = TimestampTzPlusMilliseconds(now, ms);
	}
}

/* Reads the report of a schedule worker that has ended; terminates one that takes too long. */
static void
check_worker(TimestampTz now)
{
	Database   *known = find_database(served);
	bool		reported;
	bool		again;
	TimestampTz next_due;
	pid_t		pid;

	if (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
	{
		if (now >= terminate_at)
		{
			TerminateBackgroundWorker(handle);
			terminate_at = TimestampTzPlusMilliseconds(now, WORKER_MS);
		}
		return;
	}
	pfree(handle);
	handle = NULL;
	if (known == NULL)
		return;					/* the database was dropped */
	SpinLockAcquire(&shared->lock);
	reported = shared->reported;
	again = shared->again;
	next_due = shared->next_due;
	if (reported)
	{
		known->waiting = shared->waiting;
		if (shared->began)
			known->turn_at = now;
	}
	SpinLockRelease(&shared->lock);
	plan_next(known, reported, again, next_due, now);
}

/* ---- the process ---- */

static void
unregister_launcher(int code, Datum argument)
{
	(void) code;
	(void) argument;
	SpinLockAcquire(&shared->lock);
	shared->launcher = NULL;
	SpinLockRelease(&shared->lock);
}

/*
 * Writes this process into shared memory. A server run begins when its shared memory is made; on a standby it begins with
 * the promotion, when workers of jobs and the launcher are started. RECOVERY_MS allows for workers of jobs that were
 * restarted after a crash and began a moment before the launcher.
 */
static void
register_launcher(void)
{
	SpinLockAcquire(&shared->lock);
	shared->launcher = MyLatch;
	if (shared->run_began == 0)
		shared->run_began = Max(shared->created_at, TimestampTzPlusMilliseconds(MyStartTimestamp, -RECOVERY_MS));
	SpinLockRelease(&shared->lock);
	before_shmem_exit(unregister_launcher, 0);
}

/* How long the launcher can sleep. */
static long
idle_ms(TimestampTz now)
{
	TimestampTz until = list_at;

	if (handle)
		until = terminate_at;	/* the end of the schedule worker sets the latch */
	else if (n_databases > 0)
		until = Min(until, Max(start_at(next_database(now)), slot_at));
	return Min(TimestampDifferenceMilliseconds(now, until), SLEEP_MS);
}

/* The clock was set back: no time that the launcher knows means anything any more. */
static void
forget_times(TimestampTz now)
{
	list_at = slot_at = 0;
	for (int k = 0; k < n_databases; k++)
		database[k] = (Database) {.oid = database[k].oid,.next_due = now,.next_start = now,
			.first = database[k].first,.wanted = database[k].waiting,.waiting = database[k].waiting};
}

/* Starts the next schedule worker, if one is due now. */
static void
start_due(TimestampTz now)
{
	/* The list is read anew before each start: the database may have been dropped. */
	if (now >= list_at || (n_databases > 0 && start_at(next_database(now)) <= now))
		list_databases(now);
	if (n_databases > 0 && start_at(next_database(now)) <= now)
		start_worker(next_database(now), now);
}

void
xmcoh_launcher_main(Datum argument)
{
	TimestampTz last = 0;

	(void) argument;
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	register_launcher();

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (ShutdownRequestPending)
			proc_exit(1);		/* 0 would mean that it is not to be restarted */
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			want_queues();		/* xmcoh.max_running_jobs may be higher now */
		}
		if (now < TimestampTzPlusMilliseconds(last, -BACKWARDS_MS))
			forget_times(now);
		last = now;

		if (handle)
			check_worker(now);
		read_wanted(now);
		if (handle == NULL && now >= slot_at)
			start_due(now);

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, idle_ms(now), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
