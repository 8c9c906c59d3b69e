/* crew.c - training with several processes; see crew.h */
#include "crew.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/s_lock.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "job.h"
#include "worker.h"

#include "xmcoh/scorer.h"

#include "compat.h"

PGDLLEXPORT void xmcoh_gradient_main(Datum argument);

/*
 * How often to look before going to sleep, some tens of microseconds: waking up takes about as long, and the tasks of
 * a small network hardly longer.
 */
#define SPINS 1000

/* A document in a slice. */
typedef struct BoardDocument
{
	uint64		offset;			/* of its record */
	int64		pairs;			/* where its own pairs begin among the board's; -1: the record's are right */
	int32		n_pairs;
} BoardDocument;

typedef struct BoardSlice
{
	int32		first;			/* among the board's documents */
	int32		n_documents;
	uint64		seed;
} BoardSlice;

typedef struct Board
{
	/* Set before anybody else attaches. */
	DocumentsFile documents;
	xmc_options options;
	xmc_slices_shape shape;
	int32		job_id;
	int32		batch_documents;
	int			training_memory;	/* the leader's settings are the crew's */
	int			nice;
	PGPROC	   *leader;
	Size		held_out_at;	/* uint64 (held_out_documents), offsets of records */
	Size		document_at;	/* BoardDocument (batch_documents) */
	Size		pair_at;		/* xmc_pair */
	Size		block_at;		/* of xmc_slices */

	/* Who takes what; under the lock. */
	slock_t		lock;
	int32		items;			/* of the task */
	int32		next;			/* that nobody has taken yet */
	int32		done;
	int32		n_returned;
	int32		returned[XMC_MAX_SLICES];	/* items whose taker died */
	int32		n_members;
	int32		n_left;
	PGPROC	   *member[XMC_MAX_SLICES]; /* NULL: left */
	bool		over;

	/* The task. It stays as long as one of its items is open. */
	xmc_task_kind kind;
	double		divisor;
	xmc_adamw_update update;
	BoardSlice	slice[XMC_MAX_SLICES];
} Board;

struct Crew
{
	xmc_crew	callbacks;
	Documents  *documents;
	int32		job_id;
	dsm_segment *segment;		/* NULL: no crew now */
	Board	   *board;
	BackgroundWorkerHandle *handle[XMC_MAX_SLICES];
	int			n_handles;
	int			fewest;			/* processes that any network was trained by; 0: none was yet */
	int			wanted;
	const char *reason;			/* for fewer */
};

static inline void *
board_part(Board *board, Size at)
{
	return (char *) board + at;
}

/* ---- taking items ---- */

/* An item that is to be computed; -1: there is none now. */
static int32
take(Board *board)
{
	int32		item = -1;

	SpinLockAcquire(&board->lock);
	if (board->n_returned > 0)
		item = board->returned[--board->n_returned];
	else if (board->next < board->items)
		item = board->next++;
	SpinLockRelease(&board->lock);
	return item;
}

static void
give_back(Board *board, int32 item)
{
	SpinLockAcquire(&board->lock);
	board->returned[board->n_returned++] = item;
	SpinLockRelease(&board->lock);
}

/* An item is done. The last one wakes the leader. */
static void
finish(Board *board)
{
	bool		last;

	SpinLockAcquire(&board->lock);
	last = ++board->done == board->items;
	SpinLockRelease(&board->lock);
	if (last)
		SetLatch(&board->leader->procLatch);
}

/* Looks without the lock, which whoever sees something takes. */
static bool
has_open_items(const volatile Board *board)
{
	return board->next < board->items || board->n_returned > 0;
}

static bool
is_done(const volatile Board *board)
{
	return board->done == board->items;
}

/* Sleeps until `seen`, or something else, may be so. */
static void
wait_for(Board *board, bool (*seen) (const volatile Board *board))
{
	for (int spin = 0; spin < SPINS; spin++)
	{
		if (seen(board) || ((volatile Board *) board)->over)
			return;
		SPIN_DELAY();
	}
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* ---- the leader: beginning ---- */

/*
 * How many workers may still be started. Left free are a slot for each job that may still begin in the server, so that a role's
 * gradient workers keep no other role's job waiting, and one for a visitor. Counted are the workers that are connected or were
 * a moment ago; a worker that is being started just now is not, but then a registration will fail.
 */
static int
spare_slots(void)
{
	int			taken = 0;
	int			n;

	pgstat_clear_backend_activity_snapshot();
	n = pgstat_fetch_stat_numbackends();
	for (int k = 1; k <= n; k++)
	{
		LocalPgBackendStatus *entry = xmcoh_backend_entry(k);

		taken += entry != NULL && entry->backendStatus.st_backendType == B_BG_WORKER;
	}
	pgstat_clear_backend_activity_snapshot();
	return max_worker_processes - taken - 1 - Max(0, xmcoh_max_running_jobs - xmcoh_count_workers());
}

/* The leader goes, by whatever exit: so do the others. */
static void
leader_left(dsm_segment *segment, Datum argument)
{
	Board	   *board = (Board *) DatumGetPointer(argument);

	(void) segment;
	SpinLockAcquire(&board->lock);
	board->over = true;
	SpinLockRelease(&board->lock);
	for (int k = 0; k < board->n_members; k++)
	{
		PGPROC	   *member = board->member[k];

		if (member != NULL)
			SetLatch(&member->procLatch);
	}
}

/* NULL: there is not so much shared memory. */
static dsm_segment *
create_segment(Size size)
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
	return segment;
}

static bool
has_own_pairs(const Documents *documents, const xmc_document *document)
{
	xmc_document record;

	xmcoh_documents_view(documents, xmcoh_documents_offset(documents, document), &record);
	return document->pair != record.pair;
}

static int
compare_counts(const void *a, const void *b)
{
	return *(const int32 *) b - *(const int32 *) a;
}

/* The most pairs of their own that the documents of a minibatch can have together. */
static int64
most_own_pairs(const Crew *crew, int32 batch_documents, int32 n, const xmc_document *const *document)
{
	int32	   *pairs = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(int32));
	int64		sum = 0;

	for (int32 d = 0; d < n; d++)
	{
		pairs[d] = has_own_pairs(crew->documents, document[d]) ? document[d]->n_pairs : 0;
		CHECK_FOR_INTERRUPTS();
		xmcoh_documents_glance(crew->documents);
	}
	qsort(pairs, n, sizeof(int32), compare_counts);
	for (int32 d = 0; d < Min(n, batch_documents); d++)
		sum += pairs[d];
	pfree(pairs);
	return sum;
}

/* Sends for the others; they come when they come. */
static void
call_members(Crew *crew, int wanted)
{
	BackgroundWorker worker = {0};
	Oid			user = GetSessionUserId();

	snprintf(worker.bgw_name, BGW_MAXLEN, XMCOH_GRADIENT_TYPE " process of job %d", crew->job_id);
	strlcpy(worker.bgw_type, XMCOH_GRADIENT_TYPE, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "xmcoh", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "xmcoh_gradient_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(crew->segment));
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &user, sizeof user);
	for (crew->n_handles = 0; crew->n_handles < wanted; crew->n_handles++)
		if (!RegisterDynamicBackgroundWorker(&worker, &crew->handle[crew->n_handles]))
			break;
}

static void
remember(Crew *crew, int processes, const char *reason)
{
	if (crew->fewest == 0 || processes < crew->fewest)
	{
		crew->fewest = processes;
		crew->reason = reason;
	}
}

static void *
crew_begin(void *arg, const xmc_slices_shape *shape, size_t size, int32_t batch_documents, int32_t n_train,
		   const xmc_document *const *train, const xmc_document *const *held_out)
{
	Crew	   *crew = arg;
	int			wanted = Min(shape->slices - 1, spare_slots());
	Board		head = {.documents = crew->documents->file,.options = *crew->documents->options,.shape = *shape,
	.job_id = crew->job_id,.batch_documents = batch_documents,.training_memory = xmcoh_training_memory,.leader = MyProc};
	uint64	   *offset;

	crew->wanted = shape->slices;
	if (wanted < 1)
	{
		remember(crew, 1, "no background worker slot was free");
		return NULL;
	}
	head.held_out_at = TYPEALIGN(64, sizeof(Board));
	head.document_at = TYPEALIGN(64, head.held_out_at + shape->held_out_documents * sizeof(uint64));
	head.pair_at = TYPEALIGN(64, head.document_at + batch_documents * sizeof(BoardDocument));
	head.block_at = TYPEALIGN(64, head.pair_at +
							  most_own_pairs(crew, batch_documents, n_train, train) * sizeof(xmc_pair));
	crew->segment = create_segment(head.block_at + size);
	if (crew->segment == NULL)
	{
		remember(crew, 1, psprintf("%zu MB of dynamic shared memory were not to be had", (head.block_at + size) >> 20));
		return NULL;
	}
	crew->board = dsm_segment_address(crew->segment);
	*crew->board = head;
	crew->board->nice = xmcoh_nice;
	SpinLockInit(&crew->board->lock);
	on_dsm_detach(crew->segment, leader_left, PointerGetDatum(crew->board));
	offset = board_part(crew->board, head.held_out_at);
	for (int64 d = 0; d < shape->held_out_documents; d++)
		offset[d] = xmcoh_documents_offset(crew->documents, held_out[d]);

	call_members(crew, wanted);
	if (crew->n_handles < shape->slices - 1)
		remember(crew, 1 + crew->n_handles, "no background worker slot was free");
	if (crew->n_handles > 0)
		return board_part(crew->board, head.block_at);
	dsm_detach(crew->segment);
	crew->segment = NULL;
	return NULL;
}

/* ---- the leader: working ---- */

/* The slices of a task, for the others. */
static void
write_slices(Crew *crew, const xmc_task *task)
{
	Board	   *board = crew->board;
	BoardDocument *to = board_part(board, board->document_at);
	xmc_pair   *pair = board_part(board, board->pair_at);
	int32		n = 0;
	int64		n_pairs = 0;

	for (int32 k = 0; k < task->items; k++)
	{
		const xmc_slice *slice = &task->slice[k];

		board->slice[k] = (BoardSlice) {.first = n,.n_documents = slice->n_documents,.seed = slice->seed};
		for (int32 d = 0; d < slice->n_documents; d++, n++)
		{
			const xmc_document *document = slice->document[d];

			to[n] = (BoardDocument) {.offset = xmcoh_documents_offset(crew->documents, document),.pairs = -1};
			if (!has_own_pairs(crew->documents, document))
				continue;
			to[n].pairs = n_pairs;
			to[n].n_pairs = document->n_pairs;
			memcpy(pair + n_pairs, document->pair, document->n_pairs * sizeof(xmc_pair));
			n_pairs += document->n_pairs;
		}
	}
}

static xmc_status
crew_run(void *arg, xmc_slices *mine, const xmc_task *task)
{
	Crew	   *crew = arg;
	Board	   *board = crew->board;

	if (task->kind == XMC_TASK_GRADIENT)
		write_slices(crew, task);
	board->kind = task->kind;
	board->divisor = task->divisor;
	board->update = task->update;
	SpinLockAcquire(&board->lock);
	board->items = task->items;
	board->next = board->done = 0;
	SpinLockRelease(&board->lock);
	for (int k = 0; k < board->n_members; k++)
	{
		PGPROC	   *member = board->member[k];

		if (member != NULL)
			SetLatch(&member->procLatch);
	}

	while (!is_done(board))
	{
		int32		item = take(board);

		if (item >= 0)
		{
			xmc_status	status = xmc_task_item(mine, task, item);

			if (status != XMC_OK)
				return status;
			finish(board);
			xmcoh_documents_watch(crew->documents);
		}
		else
			wait_for(board, is_done);
	}
	pg_read_barrier();
	return XMC_OK;
}

/* ---- the leader: ending ---- */

static void
crew_end(void *arg)
{
	Crew	   *crew = arg;
	int			left;

	left = crew->board->n_left;
	if (left > 0)
		remember(crew, 1 + crew->n_handles - left, "the others were terminated");
	leader_left(crew->segment, PointerGetDatum(crew->board));
	for (int k = 0; k < crew->n_handles; k++)
	{
		pid_t		pid;

		if (GetBackgroundWorkerPid(crew->handle[k], &pid) == BGWH_NOT_YET_STARTED)
			TerminateBackgroundWorker(crew->handle[k]);
	}
	/* Their slots are free, and their memory is given back, before the next network, or the next job, asks for some. */
	for (int k = 0; k < crew->n_handles; k++)
	{
		(void) WaitForBackgroundWorkerShutdown(crew->handle[k]);
		pfree(crew->handle[k]);
	}
	crew->n_handles = 0;
	dsm_detach(crew->segment);
	crew->segment = NULL;
}

/* After an error: nobody is waited for. */
static void
at_reset(void *arg)
{
	Crew	   *crew = arg;

	if (crew->segment != NULL)
		dsm_detach(crew->segment);
	crew->segment = NULL;
}

Crew *
xmcoh_crew_create(Documents *documents, int32 job_id)
{
	Crew	   *crew = palloc0(sizeof(Crew));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	crew->callbacks = (xmc_crew) {.arg = crew,.begin = crew_begin,.run = crew_run,.end = crew_end};
	crew->documents = documents;
	crew->job_id = job_id;
	callback->func = at_reset;
	callback->arg = crew;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return crew;
}

const xmc_crew *
xmcoh_crew_callbacks(Crew *crew)
{
	return &crew->callbacks;
}

const char *
xmcoh_crew_remark(const Crew *crew)
{
	if (crew->fewest == 0 || crew->fewest >= crew->wanted)
		return NULL;
	return psprintf("%d of %d training processes: %s", crew->fewest, crew->wanted, crew->reason);
}

/* ---- the others ---- */

/* Of a process that computes for a leader. */
typedef struct Member
{
	Board	   *board;
	Documents  *documents;
	int32		number;			/* among the board's members */
	int32		item;			/* that it is computing; -1: none */
	xmc_slices	slices;
	xmc_document *view;			/* of an item's documents */
	const xmc_document **pointer;	/* to them */
} Member;

static void
member_left(dsm_segment *segment, Datum argument)
{
	Member	   *member = (Member *) DatumGetPointer(argument);
	Board	   *board = member->board;

	(void) segment;
	if (member->item >= 0)
		give_back(board, member->item);
	SpinLockAcquire(&board->lock);
	board->member[member->number] = NULL;
	board->n_left++;
	SpinLockRelease(&board->lock);
	SetLatch(&board->leader->procLatch);
}

static bool
on_stop(void *arg)
{
	Member	   *member = arg;

	CHECK_FOR_INTERRUPTS();
	xmcoh_documents_glance(member->documents);
	return ((volatile Board *) member->board)->over;
}

/* The task as this process needs it for one item. */
static void
read_task(Member *member, int32 item, xmc_slice *slice, xmc_task *task)
{
	Board	   *board = member->board;

	*task = (xmc_task) {.kind = board->kind,.items = board->items,.slice = slice,.divisor = board->divisor,
		.update = board->update,.document = member->pointer};
	if (task->kind == XMC_TASK_GRADIENT)
	{
		const BoardSlice *from = &board->slice[item];
		const BoardDocument *document = (const BoardDocument *) board_part(board, board->document_at) + from->first;
		xmc_pair   *pair = board_part(board, board->pair_at);

		slice[item] = (xmc_slice) {.n_documents = from->n_documents,.document = member->pointer,.seed = from->seed};
		for (int32 d = 0; d < from->n_documents; d++)
		{
			xmcoh_documents_view(member->documents, document[d].offset, &member->view[d]);
			if (document[d].pairs < 0)
				continue;
			member->view[d].pair = pair + document[d].pairs;
			member->view[d].n_pairs = document[d].n_pairs;
		}
	}
	else if (task->kind == XMC_TASK_SCORE)
	{
		const uint64 *offset = board_part(board, board->held_out_at);

		task->first_document = item * board->shape.score_documents;
		for (int32 d = 0; d < board->shape.score_documents &&
			 task->first_document + d < board->shape.held_out_documents; d++)
			xmcoh_documents_view(member->documents, offset[task->first_document + d], &member->view[d]);
	}
}

/* Joins the leader whose board it is; false: it is over already. */
static bool
join(Member *member)
{
	Board	   *board = member->board;
	bool		over;

	SpinLockAcquire(&board->lock);
	over = board->over;
	if (!over)
	{
		member->number = board->n_members;
		board->member[member->number] = MyProc;
		board->n_members++;
	}
	SpinLockRelease(&board->lock);
	return !over;
}

static void
work(Member *member, xmc_ctx *ctx)
{
	Board	   *board = member->board;

	while (!((volatile Board *) board)->over)
	{
		xmc_slice	slice[XMC_MAX_SLICES];
		xmc_task	task;
		xmc_status	status;

		member->item = take(board);
		if (member->item < 0)
		{
			wait_for(board, has_open_items);
			continue;
		}
		read_task(member, member->item, slice, &task);
		status = xmc_task_item(&member->slices, &task, member->item);
		if (status == XMC_STOPPED)
			return;
		XMCOH_TRY(status, ctx);
		member->item = -1;
		finish(board);
		xmcoh_documents_watch(member->documents);
	}
}

void
xmcoh_gradient_main(Datum argument)
{
	Member	   *member;
	Board	   *board;
	dsm_segment *segment;
	xmc_ctx		ctx = xmcoh_context();
	xmc_arena	arena;
	xmc_arena	scratch;
	Oid			user;
	char		name[64];
	int32		most;

	memcpy(&user, MyBgworkerEntry->bgw_extra, sizeof user);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(InvalidOid, user, 0);

	CurrentResourceOwner = ResourceOwnerCreate(NULL, "xmcoh gradient process");
	MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext, "xmcoh gradient process", ALLOCSET_DEFAULT_SIZES));
	segment = dsm_attach(DatumGetUInt32(argument));
	if (segment == NULL)
		proc_exit(0);			/* the leader has gone */
	member = palloc0(sizeof(Member));
	member->item = -1;
	board = member->board = dsm_segment_address(segment);
	if (!join(member))
		proc_exit(0);
	on_dsm_detach(segment, member_left, PointerGetDatum(member));

	snprintf(name, sizeof name, "xmcoh job %d", board->job_id);
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_SESSION);
	xmcoh_training_memory = board->training_memory;
	worker_be_nice(board->nice);
	member->documents = xmcoh_documents_attach(&board->documents, &board->options);
	most = Max(board->batch_documents, XMC_SCORE_BATCH);
	member->view = palloc(most * sizeof(xmc_document));
	member->pointer = palloc(most * sizeof(xmc_document *));
	for (int32 d = 0; d < most; d++)
		member->pointer[d] = &member->view[d];
	ctx.stop = on_stop;
	ctx.arg = member;
	xmc_arena_init(&arena, &ctx);
	xmc_arena_init(&scratch, &ctx);
	XMCOH_TRY(xmc_slices_attach(&arena, &scratch, &board->options, &board->shape, board_part(board, board->block_at),
								&member->slices), &ctx);
	work(member, &ctx);
	proc_exit(0);
}
