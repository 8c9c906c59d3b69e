/* workers.c - assigns the items of a training step to several processes; see workers.h */
#include "training/workers.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/s_lock.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

#include "base/processes.h"
#include "training/job_process.h"
#include "training/session.h"

#include "xmcoh/scorer.h"

PGDLLEXPORT void xmcoh_gradient_main(Datum argument);

/*
 * How often a process looks at the queue before it sleeps: some tens of microseconds. Waking a process takes about as long,
 * and a task of a small network little longer.
 */
#define SPINS 1000

/* A document in a shard. */
typedef struct QueuedDocument
{
	uint64		offset;			/* of its record */
	int64		pairs;			/* where its own pairs begin among the queue's; -1: it has the record's pairs */
	int32		n_pairs;
} QueuedDocument;

typedef struct QueuedShard
{
	int32		first;			/* among the queue's documents */
	int32		n_documents;
	uint64		seed;
} QueuedShard;

typedef struct TaskQueue
{
	/* Set before another process attaches. */
	DocumentsFile documents;
	xmc_options options;
	xmc_shards_shape shape;
	int32		job_id;
	int32		batch_documents;
	int			training_memory;	/* the leader's settings, which the others take over */
	int			nice;
	PGPROC	   *leader;
	Size		held_out_at;	/* uint64 (held_out_documents), offsets of records */
	Size		document_at;	/* QueuedDocument (batch_documents) */
	Size		pair_at;		/* xmc_pair */
	Size		block_at;		/* of xmc_shards */

	/* The assignment of items to processes; under the lock. */
	slock_t		lock;
	int32		items;			/* of the task */
	int32		next;			/* the first item that no process has taken */
	int32		done;
	int32		n_returned;
	int32		returned[XMC_MAX_SHARDS];	/* items of processes that died */
	int32		n_members;
	int32		n_left;
	PGPROC	   *member[XMC_MAX_SHARDS]; /* NULL: left */
	bool		over;

	/* The task. It does not change while one of its items is open. */
	xmc_task_kind kind;
	double		divisor;
	xmc_adamw_update update;
	QueuedShard	shard[XMC_MAX_SHARDS];
} TaskQueue;

struct Workers
{
	xmc_workers	callbacks;
	Documents  *documents;
	int32		job_id;
	dsm_segment *segment;		/* NULL: no other processes now */
	TaskQueue  *queue;
	BackgroundWorkerHandle *handle[XMC_MAX_SHARDS];
	int			n_handles;
	int			fewest;			/* the lowest number of processes that trained a network; 0: none has been trained yet */
	int			wanted;
	const char *reason;			/* for `fewest` */
};

static inline void *
queue_part(TaskQueue *queue, Size at)
{
	return (char *) queue + at;
}

/* ---- taking items ---- */

/* Takes an item that is to be computed; -1: there is none now. */
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

/* Counts an item as done. The process that finishes the last one wakes the leader. */
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

/* Reads without the lock; take() then holds it. */
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

/* Waits until `seen` may be true, or this process is woken for another reason. */
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
 * How many workers may still be started. One slot stays free for each job that may still begin in the server, so that a
 * role's gradient workers keep no other role's job waiting, and one for a schedule worker. Workers that are connected
 * count as taken. A worker that is just being started does not, but then a registration fails.
 */
static int
spare_slots(void)
{
	ProcessScan scan = xmcoh_scan_processes();
	const PgBackendStatus *process;
	int			taken = 0;
	int			jobs = 0;		/* of these */

	while ((process = xmcoh_next_process(&scan)) != NULL)
	{
		taken += process->st_backendType == B_BG_WORKER;
		jobs += xmcoh_is_job_worker(process);
	}
	return max_worker_processes - taken - 1 - Max(0, xmcoh_max_running_jobs - jobs);
}

static void
wake_members(TaskQueue *queue)
{
	for (int k = 0; k < queue->n_members; k++)
	{
		PGPROC	   *member = queue->member[k];

		if (member != NULL)
			SetLatch(&member->procLatch);
	}
}

/* The leader ends, by whatever exit: the others end, too. */
static void
leader_left(dsm_segment *segment, Datum argument)
{
	TaskQueue  *queue = (TaskQueue *) DatumGetPointer(argument);

	(void) segment;
	SpinLockAcquire(&queue->lock);
	queue->over = true;
	SpinLockRelease(&queue->lock);
	wake_members(queue);
}

/* NULL: there is not enough shared memory. */
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

/* Whether a document's pairs are not those of its record in the file: weak labels of a round. */
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

/* The largest number of own pairs that the documents of one minibatch can have together. */
static int64
most_own_pairs(const Workers *workers, int32 batch_documents, int32 n, const xmc_document *const *document)
{
	int32	   *pairs = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(int32));
	int64		sum = 0;

	for (int32 d = 0; d < n; d++)
	{
		pairs[d] = has_own_pairs(workers->documents, document[d]) ? document[d]->n_pairs : 0;
		CHECK_FOR_INTERRUPTS();
		xmcoh_documents_maybe_trim(workers->documents);
	}
	qsort(pairs, n, sizeof(int32), compare_counts);
	for (int32 d = 0; d < Min(n, batch_documents); d++)
		sum += pairs[d];
	pfree(pairs);
	return sum;
}

/* Registers the other processes, as many as there are slots for. The leader does not wait for them. */
static void
start_members(Workers *workers, int wanted)
{
	Oid			user = GetSessionUserId();
	BackgroundWorker worker = xmcoh_background_worker(XMCOH_GRADIENT_TYPE, "xmcoh_gradient_main", &user, sizeof user);

	snprintf(worker.bgw_name, BGW_MAXLEN, XMCOH_GRADIENT_TYPE " process of job %d", workers->job_id);
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(workers->segment));
	worker.bgw_notify_pid = MyProcPid;
	for (workers->n_handles = 0; workers->n_handles < wanted; workers->n_handles++)
		if (!RegisterDynamicBackgroundWorker(&worker, &workers->handle[workers->n_handles]))
			break;
}

/* Keeps the lowest number of processes that a network was trained by, and the reason. */
static void
keep_fewest(Workers *workers, int processes, const char *reason)
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
	TaskQueue	head = {.documents = workers->documents->file,.options = *workers->documents->options,.shape = *shape,
	.job_id = workers->job_id,.batch_documents = batch_documents,.training_memory = xmcoh_training_memory,.leader = MyProc};
	uint64	   *offset;

	workers->wanted = shape->shards;
	if (wanted < 1)
	{
		keep_fewest(workers, 1, "no background worker slot was free");
		return NULL;
	}

	/* Lay out the segment: queue, offsets of held-out documents, a minibatch's documents and pairs, the core's block. */
	head.held_out_at = TYPEALIGN(64, sizeof(TaskQueue));
	head.document_at = TYPEALIGN(64, head.held_out_at + shape->held_out_documents * sizeof(uint64));
	head.pair_at = TYPEALIGN(64, head.document_at + batch_documents * sizeof(QueuedDocument));
	head.block_at = TYPEALIGN(64, head.pair_at +
							  most_own_pairs(workers, batch_documents, n_train, train) * sizeof(xmc_pair));
	workers->segment = create_segment(head.block_at + size);
	if (workers->segment == NULL)
	{
		keep_fewest(workers, 1, psprintf("%zu MB of dynamic shared memory were not available", (head.block_at + size) >> 20));
		return NULL;
	}

	/* Fill in what does not change from task to task. */
	workers->queue = dsm_segment_address(workers->segment);
	*workers->queue = head;
	workers->queue->nice = xmcoh_nice;
	SpinLockInit(&workers->queue->lock);
	on_dsm_detach(workers->segment, leader_left, PointerGetDatum(workers->queue));
	offset = queue_part(workers->queue, head.held_out_at);
	for (int64 d = 0; d < shape->held_out_documents; d++)
		offset[d] = xmcoh_documents_offset(workers->documents, held_out[d]);

	start_members(workers, wanted);
	if (workers->n_handles < shape->shards - 1)
		keep_fewest(workers, 1 + workers->n_handles, "no background worker slot was free");
	if (workers->n_handles > 0)
		return queue_part(workers->queue, head.block_at);
	dsm_detach(workers->segment);
	workers->segment = NULL;
	return NULL;
}

/* ---- the leader: working ---- */

/* Writes the shards of a task into the queue. */
static void
write_shards(Workers *workers, const xmc_task *task)
{
	TaskQueue  *queue = workers->queue;
	QueuedDocument *to = queue_part(queue, queue->document_at);
	xmc_pair   *pair = queue_part(queue, queue->pair_at);
	int32		n = 0;
	int64		n_pairs = 0;

	for (int32 k = 0; k < task->items; k++)
	{
		const xmc_shard *shard = &task->shard[k];

		queue->shard[k] = (QueuedShard) {.first = n,.n_documents = shard->n_documents,.seed = shard->seed};
		for (int32 d = 0; d < shard->n_documents; d++, n++)
		{
			const xmc_document *document = shard->document[d];

			to[n] = (QueuedDocument) {.offset = xmcoh_documents_offset(workers->documents, document),.pairs = -1};
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
	TaskQueue  *queue = workers->queue;

	/* Publish the task: its data first, then, under the lock, the number of its items. */
	if (task->kind == XMC_TASK_GRADIENT)
		write_shards(workers, task);
	queue->kind = task->kind;
	queue->divisor = task->divisor;
	queue->update = task->update;
	SpinLockAcquire(&queue->lock);
	queue->items = task->items;
	queue->next = queue->done = 0;
	SpinLockRelease(&queue->lock);
	wake_members(queue);

	/* Compute items like every other process, until all are done. */
	while (!is_done(queue))
	{
		int32		item = take(queue);

		if (item >= 0)
		{
			xmc_status	status = xmc_task_item(mine, task, item);

			if (status != XMC_OK)
				return status;
			finish(queue);
			xmcoh_documents_trim(workers->documents);
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
		keep_fewest(workers, 1 + workers->n_handles - left, "the others were terminated");
	leader_left(workers->segment, PointerGetDatum(workers->queue));
	for (int k = 0; k < workers->n_handles; k++)
	{
		pid_t		pid;

		if (GetBackgroundWorkerPid(workers->handle[k], &pid) == BGWH_NOT_YET_STARTED)
			TerminateBackgroundWorker(workers->handle[k]);
	}
	/* Wait, so that slots and memory are free when the next network, or the next job, asks for some. */
	for (int k = 0; k < workers->n_handles; k++)
	{
		(void) WaitForBackgroundWorkerShutdown(workers->handle[k]);
		pfree(workers->handle[k]);
	}
	workers->n_handles = 0;
	dsm_detach(workers->segment);
	workers->segment = NULL;
}

/* After an error: no process is waited for. */
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

/* The state of a process that computes for a leader. */
typedef struct Member
{
	TaskQueue  *queue;
	Documents  *documents;
	int32		number;			/* among the queue's members */
	int32		item;			/* the item that it is computing; -1: none */
	xmc_shards	shards;
	xmc_document *view;			/* of an item's documents */
	const xmc_document **pointer;	/* to them */
} Member;

static void
member_left(dsm_segment *segment, Datum argument)
{
	Member	   *member = (Member *) DatumGetPointer(argument);
	TaskQueue  *queue = member->queue;

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
	xmcoh_documents_maybe_trim(member->documents);
	return ((volatile TaskQueue *) member->queue)->over;
}

/* Makes the task as xmc_task_item needs it for one item, from the queue and the file of documents. */
static void
read_task(Member *member, int32 item, xmc_shard *shard, xmc_task *task)
{
	TaskQueue  *queue = member->queue;

	*task = (xmc_task) {.kind = queue->kind,.items = queue->items,.shard = shard,.divisor = queue->divisor,
		.update = queue->update,.document = member->pointer};
	if (task->kind == XMC_TASK_GRADIENT)
	{
		const QueuedShard *from = &queue->shard[item];
		const QueuedDocument *document = (const QueuedDocument *) queue_part(queue, queue->document_at) + from->first;
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

/* Joins the members of the queue; false: training is over already. */
static bool
join(Member *member)
{
	TaskQueue  *queue = member->queue;
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

/* Computes items until the leader ends training. */
static void
work(Member *member, xmc_ctx *ctx)
{
	TaskQueue  *queue = member->queue;

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
		xmcoh_documents_trim(member->documents);
	}
}

void
xmcoh_gradient_main(Datum argument)
{
	Member	   *member;
	TaskQueue  *queue;
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
		proc_exit(0);			/* the leader has ended */
	member = palloc0(sizeof(Member));
	member->item = -1;
	queue = member->queue = dsm_segment_address(segment);
	if (!join(member))
		proc_exit(0);
	on_dsm_detach(segment, member_left, PointerGetDatum(member));

	snprintf(name, sizeof name, XMCOH_WORKER_NAME, queue->job_id);
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
