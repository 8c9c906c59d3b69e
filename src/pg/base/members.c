/* members.c - processes that compute for a leader in shared memory: started, woken, ended; see members.h */
#include "base/members.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/s_lock.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "base/processes.h"
#include "base/settings.h"

/* ---- the leader ---- */

int
xmcoh_spare_slots(void)
{
	ProcessScan scan = xmcoh_scan_processes();
	const PgBackendStatus *process;
	int			taken = 0;
	int			jobs = 0;		/* of these */

	while ((process = xmcoh_next_process(&scan)) != NULL)
	{
		taken += process->st_backendType == B_BG_WORKER;
		jobs += xmcoh_is_worker_of_type(process, XMCOH_WORKER_TYPE);
	}
	return max_worker_processes - taken - 1 - Max(0, xmcoh_max_running_jobs - jobs);
}

void *
xmcoh_members_create(Members *members, Size size)
{
	MemoryContext caller = CurrentMemoryContext;
	dsm_segment *volatile segment = NULL;

	PG_TRY();
	{
		segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_INSUFFICIENT_RESOURCES)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
	}
	PG_END_TRY();
	members->segment = segment;
	members->table = segment == NULL ? NULL : dsm_segment_address(segment);
	return members->table;
}

void
xmcoh_members_wake(MemberTable *table)
{
	for (int k = 0; k < table->n_members; k++)
	{
		PGPROC	   *member = table->member[k];

		if (member != NULL)
			SetLatch(&member->procLatch);
	}
}

/* The leader ends, by whatever exit: the others end, too. */
static void
leader_left(dsm_segment *segment, Datum argument)
{
	MemberTable *table = (MemberTable *) DatumGetPointer(argument);

	(void) segment;
	SpinLockAcquire(&table->lock);
	table->over = true;
	SpinLockRelease(&table->lock);
	xmcoh_members_wake(table);
}

void
xmcoh_members_abandon(Members *members)
{
	if (members->segment != NULL)
		dsm_detach(members->segment);
	members->segment = NULL;
	members->table = NULL;
}

void
xmcoh_members_start(Members *members, int wanted, const char *type, const char *name, const char *function,
					BgWorkerStartTime start_time)
{
	Oid			user = GetSessionUserId();
	BackgroundWorker worker = xmcoh_background_worker(type, function, &user, sizeof user);
	MemberTable *table = members->table;

	memset(table, 0, sizeof *table);
	table->leader = MyProc;
	SpinLockInit(&table->lock);
	on_dsm_detach(members->segment, leader_left, PointerGetDatum(table));
	strlcpy(worker.bgw_name, name, BGW_MAXLEN);
	worker.bgw_start_time = start_time;
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(members->segment));
	worker.bgw_notify_pid = MyProcPid;
	for (members->n_handles = 0; members->n_handles < Min(wanted, XMCOH_MAX_MEMBERS); members->n_handles++)
		if (!RegisterDynamicBackgroundWorker(&worker, &members->handle[members->n_handles]))
			break;
	if (members->n_handles == 0)
		xmcoh_members_abandon(members);
}

void
xmcoh_members_end(Members *members)
{
	leader_left(members->segment, PointerGetDatum(members->table));
	for (int k = 0; k < members->n_handles; k++)
	{
		pid_t		pid;

		if (GetBackgroundWorkerPid(members->handle[k], &pid) == BGWH_NOT_YET_STARTED)
			TerminateBackgroundWorker(members->handle[k]);
	}
	/* Wait, so that slots and memory are free when the next ones are asked for. */
	for (int k = 0; k < members->n_handles; k++)
	{
		(void) WaitForBackgroundWorkerShutdown(members->handle[k]);
		pfree(members->handle[k]);
	}
	members->n_handles = 0;
	xmcoh_members_abandon(members);
}

/* ---- a member ---- */

dsm_segment *
xmcoh_member_begin(Datum argument, const char *context_name)
{
	dsm_segment *segment;
	Oid			user;

	memcpy(&user, MyBgworkerEntry->bgw_extra, sizeof user);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(InvalidOid, user, 0);

	CurrentResourceOwner = ResourceOwnerCreate(NULL, context_name);
	MemoryContextSwitchTo(AllocSetContextCreateInternal(TopMemoryContext, context_name, ALLOCSET_DEFAULT_SIZES));
	segment = dsm_attach(DatumGetUInt32(argument));
	if (segment == NULL)
		proc_exit(0);			/* the leader has ended */
	return segment;
}

int32
xmcoh_member_join(MemberTable *table)
{
	int32		number = -1;

	SpinLockAcquire(&table->lock);
	if (!table->over)
	{
		number = table->n_members;
		table->member[number] = MyProc;
		table->n_members++;
	}
	SpinLockRelease(&table->lock);
	if (number < 0)
		proc_exit(0);
	return number;
}

void
xmcoh_member_leave(MemberTable *table, int32 number)
{
	SpinLockAcquire(&table->lock);
	table->member[number] = NULL;
	table->n_left++;
	SpinLockRelease(&table->lock);
	SetLatch(&table->leader->procLatch);
}

/* ---- all processes ---- */

void
xmcoh_members_wait(MemberTable *table, bool (*seen) (const volatile MemberTable *table), int spins)
{
	for (int spin = 0; spin < spins; spin++)
	{
		if (seen(table) || ((volatile MemberTable *) table)->over)
			return;
		SPIN_DELAY();
	}
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}
