/* workers.c - training with several processes; see workers.h */
#include "training/workers.h"

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

#include "training/job.h"
#include "training/worker.h"

#include "xmcoh/scorer.h"

#include "base/compat.h"

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

typedef struct TaskQueue
{
	/* Set before anybody else attaches. */
	DocumentsFile documents;
	xmc_options options;
	xmc_shards_shape shape;
	int32		job_id;
	int32		batch_documents;
	int			training_memory;	/* the leader's settings are the crew's */
	int			nice;
	PGPROC	   *leader;
	Size		held_out_at;	/* uint64 (held_out_documents), offsets of records */
	Size		document_at;	/* BoardDocument (batch_documents) */
	Size		pair_at;		/* xmc_pair */
	Size		block_at;		/* of xmc_shards */

	/* Who takes what; under the lock. */
	slock_t		lock;
	int32		items;			/* of the task */
	int32		next;			/* that nobody has taken yet */
	int32		done;
	int32		n_returned;
	int32		returned[XMC_MAX_SHARDS];	/* items whose taker died */
	int32		n_members;
	int32		n_left;
	PGPROC	   *member[XMC_MAX_SHARDS]; /* NULL: left */
	bool		over;

	/* The task. It stays as long as one of its items is open. */
	xmc_task_kind kind;
	double		divisor;
	xmc_adamw_update update;
	BoardSlice	shard[XMC_MAX_SHARDS];
} TaskQueue;

struct Workers
{
	xmc_workers	callbacks;
	Documents  *documents;
	int32		job_id;
	dsm_segment *segment;		/* NULL: no crew now */
	TaskQueue	   *queue;
	BackgroundWorkerHandle *handle[XMC_MAX_SHARDS];
	int			n_handles;
	int			fewest;			/* processes that any network was trained by; 0: none was yet */
	int			wanted;
	const char *reason;			/* for fewer */
};

static inline void *
queue_part(TaskQueue *queue, Size at)
{
	return (char *) queue + at;
}

/* ---- taking items ---- */

/* An item that is to be computed; -1: there is none now. */
static int32
take(TaskQueue *queue)
{
	int32		item = -1;

	SpinLockAcquire(&queue->lock);
	if (queue->n_returned > 0)
		item = queue->returned[--queue->n_returned];
	else if (queue->next < queue->items)
		item = queue->next++;
	SpinLockRelease(&queue->lock);
	return item;
}

static void
give_back(TaskQueue *queue, int32 item)
{
	SpinLockAcquire(&queue->lock);
	queue->returned[queue->n_returned++] = item;
	SpinLockRelease(&queue->lock);
}

/* An item is done. The last one wakes the leader. */
static void
finish(TaskQueue *queue)
{
	bool		last;

	SpinLockAcquire(&queue->lock);
	last = ++queue->done == queue->items;
	SpinLockRelease(&queue->lock);
	if (last)
		SetLatch(&queue->leader->procLatch);
}

/* Looks without the lock, which whoever sees something takes. */
static bool
has_open_items(const volatile TaskQueue *queue)
{
	return queue->next < queue->items || queue->n_returned > 0;
}

static bool
is_done(const volatile TaskQueue *queue)
{
	return queue->done == queue->items;
}

/* Sleeps until `seen`, or something else, may be so. */
static void
wait_for(TaskQueue *queue, bool (*seen) (const volatile TaskQueue *queue))
{
	for (int spin = 0; spin < SPINS; spin++)
	{
		if (seen(queue) || ((volatile TaskQueue *) queue)->over)
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
	TaskQueue	   *queue = (TaskQueue *) DatumGetPointer(argument);

	(void) segment;
	SpinLockAcquire(&queue->lock);
	queue->over = true;
	SpinLockRelease(&queue->lock);
	for (int k = 0; k < queue->n_members; k++)
	{
		PGPROC	   *member = queue->member[k];

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
most_own_pairs(const Workers *workers, int32 batch_documents, int32 n, const xmc_document *const *document)
{
	int32	   *pairs = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(int32));
	int64		sum = 0;

	for (int32 d = 0; d < n; d++)
	{
		pairs[d] = has_own_pairs(workers->documents, document[d]) ? document[d]->n_pairs : 0;
		CHECK_FOR_INTERRUPTS();
		xmcoh_documents_glance(workers->documents);
	}
	qsort(pairs, n, sizeof(int32), compare_counts);
	for (int32 d = 0; d < Min(n, batch_documents); d++)
		sum += pairs[d];
	pfree(pairs);
	return sum;
}

/* Sends for the others; they come when they come. */
static void
call_members(Workers *workers, int wanted)
{
	BackgroundWorker worker = {0};
	Oid			user = GetSessionUserId();

	snprintf(worker.bgw_name, BGW_MAXLEN, XMCOH_GRADIENT_TYPE " process of job %d", workers->job_id);
	strlcpy(worker.bgw_type, XMCOH_GRADIENT_TYPE, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "xmcoh", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "xmcoh_gradient_main", sizeof(worker.bgw_function_name));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(workers->segment));
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &user, sizeof user);
	for (workers->n_handles = 0; workers->n_handles < wanted; workers->n_handles++)
		if (!RegisterDynamicBackgroundWorker(&worker, &workers->handle[workers->n_handles]))
			break;
}

static void
remember(Workers *workers, int processes, const char *reason)
{
	if (workers->fewest == 0 || processes < workers->fewest)
	{
		workers->fewest = processes;
		workers->reason = reason;
	}
}

static void *
workers_begin(void *arg, const xmc_shards_shape *shape, size_t size, int32_t batch_documents, int32_t n_train,
		   const xmc_document *const *train, const xmc_document *const *held_out)
{
	Workers	   *workers = arg;
	int			wanted = Min(shape->shards - 1, spare_slots());
	TaskQueue		head = {.documents = workers->documents->file,.options = *workers->documents->options,.shape = *shape,
	.job_id = workers->job_id,.batch_documents = batch_documents,.training_memory = xmcoh_training_memory,.leader = MyProc};
	uint64	   *offset;

	workers->wanted = shape->shards;
	if (wanted < 1)
	{
		remember(workers, 1, "no background worker slot was free");
		return NULL;
	}
	head.held_out_at = TYPEALIGN(64, sizeof(TaskQueue));
	head.document_at = TYPEALIGN(64, head.held_out_at + shape->held_out_documents * sizeof(uint64));
	head.pair_at = TYPEALIGN(64, head.document_at + batch_documents * sizeof(BoardDocument));
	head.block_at = TYPEALIGN(64, head.pair_at +
							  most_own_pairs(workers, batch_documents, n_train, train) * sizeof(xmc_pair));
	workers->segment = create_segment(head.block_at + size);
	if (workers->segment == NULL)
	{
		remember(workers, 1, psprintf("%zu MB of dynamic shared memory were not to be had", (head.block_at + size) >> 20));
		return NULL;
	}
	workers->queue = dsm_segment_address(workers->segment);
	*workers->queue = head;
	workers->queue->nice = xmcoh_nice;
	SpinLockInit(&workers->queue->lock);
	on_dsm_detach(workers->segment, leader_left, PointerGetDatum(workers->queue));
	offset = queue_part(workers->queue, head.held_out_at);
	for (int64 d = 0; d < shape->held_out_documents; d++)
		offset[d] = xmcoh_documents_offset(workers->documents, held_out[d]);

	call_members(workers, wanted);
	if (workers->n_handles < shape->shards - 1)
		remember(workers, 1 + workers->n_handles, "no background worker slot was free");
	if (workers->n_handles > 0)
		return queue_part(workers->queue, head.block_at);
	dsm_detach(workers->segment);
	workers->segment = NULL;
	return NULL;
}

/* ---- the leader: working ---- */

/* The slices of a task, for the others. */
static void
write_shards(Workers *workers, const xmc_task *task)
{
	TaskQueue	   *queue = workers->queue;
	BoardDocument *to = queue_part(queue, queue->document_at);
	xmc_pair   *pair = queue_part(queue, queue->pair_at);
	int32		n = 0;
	int64		n_pairs = 0;

	for (int32 k = 0; k < task->items; k++)
	{
		const xmc_shard *shard = &task->shard[k];

		queue->shard[k] = (BoardSlice) {.first = n,.n_documents = shard->n_documents,.seed = shard->seed};
		for (int32 d = 0; d < shard->n_documents; d++, n++)
		{
			const xmc_document *document = shard->document[d];

			to[n] = (BoardDocument) {.offset = xmcoh_documents_offset(workers->documents, document),.pairs = -1};
			if (!has_own_pairs(workers->documents, document))
				continue;
			to[n].pairs = n_pairs;
			to[n].n_pairs = document->n_pairs;
			memcpy(pair + n_pairs, document->pair, document->n_pairs * sizeof(xmc_pair));
			n_pairs += document->n_pairs;
		}
	}
}

static xmc_status
workers_run(void *arg, xmc_shards *mine, const xmc_task *task)
{
	Workers	   *workers = arg;
	TaskQueue	   *queue = workers->queue;

	if (task->kind == XMC_TASK_GRADIENT)
		write_shards(workers, task);
	queue->kind = task->kind;
	queue->divisor = task->divisor;
	queue->update = task->update;
	SpinLockAcquire(&queue->lock);
	queue->items = task->items;
	queue->next = queue->done = 0;
	SpinLockRelease(&queue->lock);
	for (int k = 0; k < queue->n_members; k++)
	{
		PGPROC	   *member = queue->member[k];

		if (member != NULL)
			SetLatch(&member->procLatch);
	}

	while (!is_done(queue))
	{
		int32		item = take(queue);

		if (item >= 0)
		{
			xmc_status	status = xmc_task_item(mine, task, item);

			if (status != XMC_OK)
				return status;
			finish(queue);
			xmcoh_documents_watch(workers->documents);
		}
		else
			wait_for(queue, is_done);
	}
	pg_read_barrier();
	return XMC_OK;
}

/* ---- the leader: ending ---- */

static void
workers_end(void *arg)
{
	Workers	   *workers = arg;
	int			left;

	left = workers->queue->n_left;
	if (left > 0)
		remember(workers, 1 + workers->n_handles - left, "the others were terminated");
	leader_left(workers->segment, PointerGetDatum(workers->queue));
	for (int k = 0; k < workers->n_handles; k++)
	{
		pid_t		pid;

		if (GetBackgroundWorkerPid(workers->handle[k], &pid) == BGWH_NOT_YET_STARTED)
			TerminateBackgroundWorker(workers->handle[k]);
	}
	/* Their slots are free, and their memory is given back, before the next network, or the next job, asks for some. */
	for (int k = 0; k < workers->n_handles; k++)
	{
		(void) WaitForBackgroundWorkerShutdown(workers->handle[k]);
		pfree(workers->handle[k]);
	}
	workers->n_handles = 0;
	dsm_detach(workers->segment);
	workers->segment = NULL;
}

/* After an error: nobody is waited for. */
static void
at_reset(void *arg)
{
	Workers	   *workers = arg;

	if (workers->segment != NULL)
		dsm_detach(workers->segment);
	workers->segment = NULL;
}

Workers *
xmcoh_workers_create(Documents *documents, int32 job_id)
{
	Workers	   *workers = palloc0(sizeof(Workers));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	workers->callbacks = (xmc_workers) {.arg = workers,.begin = workers_begin,.run = workers_run,.end = workers_end};
	workers->documents = documents;
	workers->job_id = job_id;
	callback->func = at_reset;
	callback->arg = workers;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return workers;
}

const xmc_workers *
xmcoh_workers_callbacks(Workers *workers)
{
	return &workers->callbacks;
}

const char *
xmcoh_workers_remark(const Workers *workers)
{
	if (workers->fewest == 0 || workers->fewest >= workers->wanted)
		return NULL;
	return psprintf("%d of %d training processes: %s", workers->fewest, workers->wanted, workers->reason);
}

/* ---- the others ---- */

/* Of a process that computes for a leader. */
typedef struct Member
{
	TaskQueue	   *queue;
	Documents  *documents;
	int32		number;			/* among the board's members */
	int32		item;			/* that it is computing; -1: none */
	xmc_shards	shards;
	xmc_document *view;			/* of an item's documents */
	const xmc_document **pointer;	/* to them */
} Member;

static void
member_left(dsm_segment *segment, Datum argument)
{
	Member	   *member = (Member *) DatumGetPointer(argument);
	TaskQueue	   *queue = member->queue;

	(void) segment;
	if (member->item >= 0)
		give_back(queue, member->item);
	SpinLockAcquire(&queue->lock);
	queue->member[member->number] = NULL;
	queue->n_left++;
	SpinLockRelease(&queue->lock);
	SetLatch(&queue->leader->procLatch);
}

static bool
on_stop(void *arg)
{
	Member	   *member = arg;

	CHECK_FOR_INTERRUPTS();
	xmcoh_documents_glance(member->documents);
	return ((volatile TaskQueue *) member->queue)->over;
}

/* The task as this process needs it for one item. */
static void
read_task(Member *member, int32 item, xmc_shard *shard, xmc_task *task)
{
	TaskQueue	   *queue = member->queue;

	*task = (xmc_task) {.kind = queue->kind,.items = queue->items,.shard = shard,.divisor = queue->divisor,
		.update = queue->update,.document = member->pointer};
	if (task->kind == XMC_TASK_GRADIENT)
	{
		const BoardSlice *from = &queue->shard[item];
		const BoardDocument *document = (const BoardDocument *) queue_part(queue, queue->document_at) + from->first;
		xmc_pair   *pair = queue_part(queue, queue->pair_at);

		shard[item] = (xmc_shard) {.n_documents = from->n_documents,.document = member->pointer,.seed = from->seed};
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
		const uint64 *offset = queue_part(queue, queue->held_out_at);

		task->first_document = item * queue->shape.score_documents;
		for (int32 d = 0; d < queue->shape.score_documents &&
			 task->first_document + d < queue->shape.held_out_documents; d++)
			xmcoh_documents_view(member->documents, offset[task->first_document + d], &member->view[d]);
	}
}

/* Joins the leader whose board it is; false: it is over already. */
static bool
join(Member *member)
{
	TaskQueue	   *queue = member->queue;
	bool		over;

	SpinLockAcquire(&queue->lock);
	over = queue->over;
	if (!over)
	{
		member->number = queue->n_members;
		queue->member[member->number] = MyProc;
		queue->n_members++;
	}
	SpinLockRelease(&queue->lock);
	return !over;
}

static void
work(Member *member, xmc_ctx *ctx)
{
	TaskQueue	   *queue = member->queue;

	while (!((volatile TaskQueue *) queue)->over)
	{
		xmc_shard	shard[XMC_MAX_SHARDS];
		xmc_task	task;
		xmc_status	status;

		member->item = take(queue);
		if (member->item < 0)
		{
			wait_for(queue, has_open_items);
			continue;
		}
		read_task(member, member->item, shard, &task);
		status = xmc_task_item(&member->shards, &task, member->item);
		if (status == XMC_STOPPED)
			return;
		XMCOH_TRY(status, ctx);
		member->item = -1;
		finish(queue);
		xmcoh_documents_watch(member->documents);
	}
}

void
xmcoh_gradient_main(Datum argument)
{
	Member	   *member;
	TaskQueue	   *queue;
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
	queue = member->queue = dsm_segment_address(segment);
	if (!join(member))
		proc_exit(0);
	on_dsm_detach(segment, member_left, PointerGetDatum(member));

	snprintf(name, sizeof name, "xmcoh job %d", queue->job_id);
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_SESSION);
	xmcoh_training_memory = queue->training_memory;
	worker_be_nice(queue->nice);
	member->documents = xmcoh_documents_attach(&queue->documents, &queue->options);
	most = Max(queue->batch_documents, XMC_SCORE_BATCH);
	member->view = palloc(most * sizeof(xmc_document));
	member->pointer = palloc(most * sizeof(xmc_document *));
	for (int32 d = 0; d < most; d++)
		member->pointer[d] = &member->view[d];
	ctx.stop = on_stop;
	ctx.arg = member;
	xmc_arena_init(&arena, &ctx);
	xmc_arena_init(&scratch, &ctx);
	XMCOH_TRY(xmc_shards_attach(&arena, &scratch, &queue->options, &queue->shape, queue_part(queue, queue->block_at),
								&member->shards), &ctx);
	work(member, &ctx);
	proc_exit(0);
}
