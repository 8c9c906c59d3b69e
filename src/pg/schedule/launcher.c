/*
 * launcher.c - the launcher; see launcher.h
 *
 * What it knows of each database it keeps to itself. Shared memory holds no more than who wants to be visited and what
 * the last visitor has reported, so it needs no table that might fill up. One visitor at a time.
 *
 * The launcher can be ended and started anew at any time: it then visits every database, and asks each visitor what it
 * needs to know. Nothing that comes due while it lives is left out: what no visitor could start is tried again. What came
 * due while the server was down is not made up for.
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

#include "schedule/visitor.h"

PGDLLEXPORT void xmcoh_launcher_main(Datum argument);

#define WANTED 64				/* databases that want to be visited, by name; when more do, all of them are */
#define SLEEP_MS (5 * 60 * 1000)	/* at most: new databases are looked for then, and the clock may have been set */
#define BACKWARDS_MS (60 * 1000)	/* a clock that went back by more was set */
#define SLOT_SOON_MS 500		/* the slot of a process that has just ended becomes free */
#define NO_SLOT_MS (10 * 1000)
#define FAILURE_MS 5000			/* after one failure; twice as long after each further one */
#define FAILURE_LIMIT_MS (10 * 60 * 1000)
#define VISIT_MS (60 * 1000)	/* a visitor that needs longer is ended */
#define PATIENT_VISITS 3		/* others that a database lets pass before it */
#define RECOVERY_MS (10 * 1000)

typedef struct Shared
{
	slock_t		lock;
	TimestampTz created_at;
	TimestampTz life_began;		/* when the launcher first started, more or less; 0 before */
	Latch	   *launcher;		/* NULL: it does not run */
	int			n_wanted;		/* WANTED + 1: too many */
	Oid			wanted[WANTED];
	int32		visit;			/* number of the last one */
	bool		reported;
	bool		again;
	bool		waiting;
	bool		began;
	TimestampTz next_due;
	bool		job_ended;		/* since the launcher last looked */
} Shared;

typedef struct Database
{
	Oid			oid;
	TimestampTz next_due;		/* what came due before has been seen to */
	TimestampTz next_visit;		/* next_due, or earlier where something that is due could not be started */
	TimestampTz not_before;		/* after a visit in vain */
	TimestampTz turn_at;		/* a job of its queue was last begun */
	int			passed_over;	/* how often in a row its time had come and another one was visited */
	int			failures;		/* in a row */
	bool		wanted;			/* something has changed since it was last visited */
	bool		waiting;		/* jobs in its queue wait for their turn */
	bool		first;			/* it has not been visited yet */
	bool		listed;
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

static BackgroundWorkerHandle *visitor = NULL;
static Oid	visited;			/* where it is */
static TimestampTz visit_ends;

/* ---- shared memory ---- */

static void
request_memory(void)
{
	if (next_request_hook)
		next_request_hook();
	RequestAddinShmemSpace(sizeof(Shared));
}

/* Also after a crash, when all of it is made anew. */
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
}

bool
xmcoh_launcher_loaded(void)
{
	return shared != NULL;
}

void
xmcoh_launcher_wake(Oid oid)
{
	Latch	   *launcher;
	bool		there = false;

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
		SetLatch(launcher);		/* a process table entry's: whoever has it by now takes no harm */
}

void
xmcoh_launcher_job_ended(void)
{
	Latch	   *launcher;

	SpinLockAcquire(&shared->lock);
	shared->job_ended = true;
	launcher = shared->launcher;
	SpinLockRelease(&shared->lock);
	if (launcher)
		SetLatch(launcher);
}

void
xmcoh_launcher_report(const Visit *visit, TimestampTz next_due, bool again, bool waiting, bool began)
{
	SpinLockAcquire(&shared->lock);
	if (shared->visit == visit->number)
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
	BackgroundWorker worker = {0};

	next_request_hook = shmem_request_hook;
	shmem_request_hook = request_memory;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = make_memory;

	strlcpy(worker.bgw_name, "xmcoh launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "xmcoh launcher", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "xmcoh", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "xmcoh_launcher_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
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

/* A database that has just been found wants to be visited at once, and nothing before now counts as due there. */
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
		*known = (Database) {.oid = oid,.next_due = now,.next_visit = now,.first = true};
	}
	known->listed = true;
}

/* Brings the list up to date: databases that can be connected to, but no templates. */
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
 * Something has changed that jobs in the queues may have waited for. Where a visitor is at work now it may have come too early
 * to see that.
 */
static void
visit_queues(void)
{
	for (int k = 0; k < n_databases; k++)
		database[k].wanted = database[k].wanted || database[k].waiting || (visitor && database[k].oid == visited);
}

static void
take_wishes(TimestampTz now)
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
		visit_queues();
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

static TimestampTz
visit_at(const Database *known)
{
	return known->wanted ? known->not_before : Max(known->next_visit, known->not_before);
}

/*
 * Whether of two databases this one is to be visited first. Of several where jobs wait it is the one whose turn was longest ago, so
 * that a long queue in one of them keeps no other from its turn; but one that has been passed over too often goes before others, so that
 * none which wants a visit all the time keeps others from theirs.
 */
static bool
comes_before(const Database *a, const Database *b, TimestampTz now)
{
	if (visit_at(a) <= now && visit_at(b) <= now && a->passed_over != b->passed_over &&
		Max(a->passed_over, b->passed_over) >= PATIENT_VISITS)
		return a->passed_over > b->passed_over;
	return visit_at(a) < visit_at(b) || (visit_at(a) == visit_at(b) && a->turn_at < b->turn_at);
}

/* The database that is to be visited first; NULL if there is none. */
static Database *
next_database(TimestampTz now)
{
	Database   *first = NULL;

	for (int k = 0; k < n_databases; k++)
		if (first == NULL || comes_before(&database[k], first, now))
			first = &database[k];
	return first;
}

/* ---- visits ---- */

static void
begin_visit(Database *known, TimestampTz now)
{
	BackgroundWorker worker = {0};
	Visit		visit = {.database = known->oid,.first = known->first};

	/* Of what is known nothing came due before next_due; what is new begins now. So it stays if this visit is in vain. */
	visit.considered = Min(now, known->next_due - 1);
	known->next_due = visit.considered + 1;
	SpinLockAcquire(&shared->lock);
	visit.life_began = shared->life_began;
	visit.number = ++shared->visit;
	shared->reported = false;
	SpinLockRelease(&shared->lock);

	strlcpy(worker.bgw_name, XMCOH_VISITOR_TYPE, BGW_MAXLEN);
	strlcpy(worker.bgw_type, XMCOH_VISITOR_TYPE, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "xmcoh", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "xmcoh_visitor_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;	/* of a dropped database, too: whether to come again is our affair */
	worker.bgw_notify_pid = MyProcPid;
	StaticAssertStmt(sizeof(Visit) <= BGW_EXTRALEN, "bgw_extra is too small");
	memcpy(worker.bgw_extra, &visit, sizeof(Visit));

	MemoryContextSwitchTo(TopMemoryContext);	/* where the handle goes */
	if (RegisterDynamicBackgroundWorker(&worker, &visitor))
	{
		known->wanted = false;
		for (int k = 0; k < n_databases; k++)
			database[k].passed_over += visit_at(&database[k]) <= now;
		known->passed_over = 0;
		visited = known->oid;
		visit_ends = TimestampTzPlusMilliseconds(now, VISIT_MS);
		slot_at = 0;
		no_slot = 0;
		return;
	}
	visitor = NULL;
	ereport(no_slot == 1 ? LOG : DEBUG1,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("no background worker is free to look for due schedules of xmcoh"),
			errdetail("All max_worker_processes (%d) slots are taken. It is tried again every %d seconds.",
					  max_worker_processes, NO_SLOT_MS / 1000),
			errhint("Raise max_worker_processes."));
	slot_at = TimestampTzPlusMilliseconds(now, no_slot == 0 ? SLOT_SOON_MS : NO_SLOT_MS);
	no_slot = Min(no_slot + 1, 2);
}

/* Draws the conclusions from a visit, once its visitor has ended; ends one that takes too long. */
static void
end_visit(TimestampTz now)
{
	Database   *known = find_database(visited);
	bool		reported;
	bool		again;
	TimestampTz next_due;
	pid_t		pid;
	int64		ms;

	if (GetBackgroundWorkerPid(visitor, &pid) != BGWH_STOPPED)
	{
		if (now >= visit_ends)
		{
			TerminateBackgroundWorker(visitor);
			visit_ends = TimestampTzPlusMilliseconds(now, VISIT_MS);
		}
		return;
	}
	pfree(visitor);
	visitor = NULL;
	if (known == NULL)
		return;					/* dropped meanwhile */
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

	if (reported && !again)
	{
		known->next_due = known->next_visit = next_due;
		known->not_before = 0;
		known->failures = 0;
		known->first = false;
		return;
	}
	ms = Min((int64) FAILURE_MS << Min(known->failures, 10), FAILURE_LIMIT_MS);
	known->failures++;
	if (reported)
	{
		/* What could not be started is tried again later; the rest comes due when it does. */
		known->next_visit = Min(next_due, TimestampTzPlusMilliseconds(now, ms));
		known->not_before = 0;
	}
	else
	{
		known->wanted = true;
		known->not_before = TimestampTzPlusMilliseconds(now, ms);
	}
}

/* ---- the process ---- */

static void
retire(int code, Datum argument)
{
	(void) code;
	(void) argument;
	SpinLockAcquire(&shared->lock);
	shared->launcher = NULL;
	SpinLockRelease(&shared->lock);
}

/*
 * A life of the server begins when its shared memory is made, except on a standby, whose life as a primary begins with
 * its promotion: then job workers, and we, are started. Those that were started anew after a crash may have been at work
 * for a moment already, hence the allowance.
 */
static void
report_for_duty(void)
{
	SpinLockAcquire(&shared->lock);
	shared->launcher = MyLatch;
	if (shared->life_began == 0)
		shared->life_began = Max(shared->created_at, TimestampTzPlusMilliseconds(MyStartTimestamp, -RECOVERY_MS));
	SpinLockRelease(&shared->lock);
	before_shmem_exit(retire, 0);
}

/* How long there is nothing to do. */
static long
idle_ms(TimestampTz now)
{
	TimestampTz until = list_at;

	if (visitor)
		until = visit_ends;		/* its end wakes us */
	else if (n_databases > 0)
		until = Min(until, Max(visit_at(next_database(now)), slot_at));
	return Min(TimestampDifferenceMilliseconds(now, until), SLEEP_MS);
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
	report_for_duty();

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (ShutdownRequestPending)
			proc_exit(1);		/* 0 would mean that it is not to be started again */
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			visit_queues();		/* more jobs may run now, perhaps */
		}
		/* If the clock was set back, no time that we know means anything. */
		if (now < TimestampTzPlusMilliseconds(last, -BACKWARDS_MS))
		{
			list_at = slot_at = 0;
			for (int k = 0; k < n_databases; k++)
				database[k] = (Database) {.oid = database[k].oid,.next_due = now,.next_visit = now,
					.first = database[k].first,.wanted = database[k].waiting,.waiting = database[k].waiting};
		}
		last = now;

		if (visitor)
			end_visit(now);
		take_wishes(now);
		if (visitor == NULL && now >= slot_at)
		{
			/* A database to be visited may be gone by now. */
			if (now >= list_at || (n_databases > 0 && visit_at(next_database(now)) <= now))
				list_databases(now);
			if (n_databases > 0 && visit_at(next_database(now)) <= now)
				begin_visit(next_database(now), now);
		}

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, idle_ms(now), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}
