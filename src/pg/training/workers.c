/* workers.c - assigns the items of a training step to several processes; see workers.h */
#include "training/workers.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/members.h"
#include "model/encoders.h"
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
	MemberTable table;			/* its lock is that of the assignment below, too */

	/* Set before another process attaches. */
	DocumentsFile documents;
	SharedFile	encoder;		/* where shape.has_changes */
	xmc_options options;
	xmc_shards_shape shape;
	int32		job_id;
	int32		batch_documents;
	int			training_memory;	/* the leader's settings, which the others take over */
	int			nice;
	Size		held_out_at;	/* uint64 (held_out_documents), offsets of records */
	Size		document_at;	/* QueuedDocument (batch_documents) */
	Size		pair_at;		/* xmc_pair */
	Size		block_at;		/* of xmc_shards */

	/* The assignment of items to processes; under the lock. */
	int32		items;			/* of the task */
	int32		next;			/* the first item that no process has taken */
	int32		done;
	int32		n_returned;
	int32		returned[XMC_MAX_SHARDS];	/* items of processes that died */

	/* The task. It does not change while one of its items is open. */
	xmc_task_kind kind;
	bool		uses_changes;
	double		divisor;
	xmc_adamw_update update;
	QueuedShard	shard[XMC_MAX_SHARDS];
} TaskQueue;

struct Workers
{
	xmc_workers	callbacks;
	Documents  *documents;
	int32		job_id;
	const SharedFile *encoder;	/* NULL: there is none to share */
	Members		members;
	TaskQueue  *queue;			/* at the beginning of their segment */
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

	SpinLockAcquire(&queue->table.lock);
	if (queue->n_returned > 0)
		item = queue->returned[--queue->n_returned];
	else if (queue->next < queue->items)
		item = queue->next++;
	SpinLockRelease(&queue->table.lock);
	return item;
}

static void
give_back(TaskQueue *queue, int32 item)
{
	SpinLockAcquire(&queue->table.lock);
	queue->returned[queue->n_returned++] = item;
	SpinLockRelease(&queue->table.lock);
}

/* Counts an item as done. The process that finishes the last one wakes the leader. */
static void
finish(TaskQueue *queue)
{
	bool		last;

	SpinLockAcquire(&queue->table.lock);
	last = ++queue->done == queue->items;
	SpinLockRelease(&queue->table.lock);
	if (last)
		SetLatch(&queue->table.leader->procLatch);
}

/* Reads without the lock; take() then holds it. */
static bool
has_open_items(const volatile MemberTable *table)
{
	const volatile TaskQueue *queue = (const volatile TaskQueue *) table;

	return queue->next < queue->items || queue->n_returned > 0;
}

static bool
is_done(const volatile MemberTable *table)
{
	const volatile TaskQueue *queue = (const volatile TaskQueue *) table;

	return queue->done == queue->items;
}

/* ---- the leader: beginning ---- */

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
		xmcoh_documents_maybe_trim();
	}
	qsort(pairs, n, sizeof(int32), compare_counts);
	for (int32 d = 0; d < Min(n, batch_documents); d++)
		sum += pairs[d];
	pfree(pairs);
	return sum;
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
	int			wanted = Min(shape->shards - 1, xmcoh_spare_slots());
	TaskQueue	head = {.documents = workers->documents->file,.options = *workers->documents->options,.shape = *shape,
	.job_id = workers->job_id,.batch_documents = batch_documents,.training_memory = xmcoh_training_memory,.nice = xmcoh_nice};
	char		name[BGW_MAXLEN];
	uint64	   *offset;

	workers->wanted = shape->shards;
	if (shape->has_changes && workers->encoder == NULL)
	{
		keep_fewest(workers, 1, "the file of the text encoder could not be written");
		return NULL;
	}
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
	workers->queue = xmcoh_members_create(&workers->members, head.block_at + size);
	if (workers->queue == NULL)
	{
		keep_fewest(workers, 1, psprintf("%zu MB of dynamic shared memory were not available", (head.block_at + size) >> 20));
		return NULL;
	}

	/* Fill in what does not change from task to task. */
	*workers->queue = head;
	if (shape->has_changes)
		workers->queue->encoder = *workers->encoder;
	offset = queue_part(workers->queue, head.held_out_at);
	for (int64 d = 0; d < shape->held_out_documents; d++)
		offset[d] = xmcoh_documents_offset(workers->documents, held_out[d]);

	snprintf(name, sizeof name, XMCOH_GRADIENT_TYPE " process of job %d", workers->job_id);
	xmcoh_members_start(&workers->members, wanted, XMCOH_GRADIENT_TYPE, name, "xmcoh_gradient_main",
						BgWorkerStart_RecoveryFinished);
	if (workers->members.n_handles < shape->shards - 1)
		keep_fewest(workers, 1 + workers->members.n_handles, "no background worker slot was free");
	return workers->members.segment == NULL ? NULL : queue_part(workers->queue, head.block_at);
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
	queue->uses_changes = task->uses_changes;
	queue->divisor = task->divisor;
	queue->update = task->update;
	SpinLockAcquire(&queue->table.lock);
	queue->items = task->items;
	queue->next = queue->done = 0;
	SpinLockRelease(&queue->table.lock);
	xmcoh_members_wake(&queue->table);

	/* Compute items like every other process, until all are done. */
	while (!is_done(&queue->table))
	{
		int32		item = take(queue);

		if (item >= 0)
		{
			xmc_status	status = xmc_task_item(mine, task, item);

			if (status != XMC_OK)
				return status;
			finish(queue);
			xmcoh_documents_trim();
		}
		else
			xmcoh_members_wait(&queue->table, is_done, SPINS);
	}
	pg_read_barrier();
	return XMC_OK;
}

/* ---- the leader: ending ---- */

static void
workers_end(void *arg)
{
	Workers	   *workers = arg;
	int			left = workers->queue->table.n_left;

	if (left > 0)
		keep_fewest(workers, 1 + workers->members.n_handles - left, "the others were terminated");
	xmcoh_members_end(&workers->members);
}

/* After an error: no process is waited for. */
static void
at_reset(void *arg)
{
	xmcoh_members_abandon(&((Workers *) arg)->members);
}

Workers *
xmcoh_workers_create(Documents *documents, int32 job_id, const SharedFile *encoder)
{
	Workers	   *workers = palloc0(sizeof(Workers));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

	workers->callbacks = (xmc_workers) {.arg = workers,.begin = workers_begin,.run = workers_run,.end = workers_end};
	workers->documents = documents;
	workers->job_id = job_id;
	workers->encoder = encoder;
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
	xmcoh_member_leave(&queue->table, member->number);
}

static bool
on_stop(void *arg)
{
	Member	   *member = arg;

	CHECK_FOR_INTERRUPTS();
	xmcoh_documents_maybe_trim();
	return ((volatile TaskQueue *) member->queue)->table.over;
}

/* Makes the task as xmc_task_item needs it for one item, from the queue and the file of documents. */
static void
read_task(Member *member, int32 item, xmc_shard *shard, xmc_task *task)
{
	TaskQueue  *queue = member->queue;

	*task = (xmc_task) {.kind = queue->kind,.items = queue->items,.uses_changes = queue->uses_changes,.shard = shard,
		.divisor = queue->divisor,.update = queue->update,.document = member->pointer};
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

/* The text encoder that the network fine-tunes; NULL: none. Ends the process if the file that the leader has mapped is gone. */
static const struct xmc_transformer *
shared_encoder(const TaskQueue *queue)
{
	const OpenEncoder *encoder;

	if (!queue->shape.has_changes)
		return NULL;
	encoder = xmcoh_open_shared_encoder(&queue->encoder);
	if (encoder == NULL)
		proc_exit(0);
	return xmcoh_transformer_of(encoder);
}

/* Computes items until the leader ends training. */
static void
work(Member *member, xmc_ctx *ctx)
{
	TaskQueue  *queue = member->queue;

	while (!((volatile TaskQueue *) queue)->table.over)
	{
		xmc_shard	shard[XMC_MAX_SHARDS];
		xmc_task	task;
		xmc_status	status;

		member->item = take(queue);
		if (member->item < 0)
		{
			xmcoh_members_wait(&queue->table, has_open_items, SPINS);
			continue;
		}
		read_task(member, member->item, shard, &task);
		status = xmc_task_item(&member->shards, &task, member->item);
		if (status == XMC_STOPPED)
			return;
		XMCOH_TRY(status, ctx);
		member->item = -1;
		finish(queue);
		xmcoh_documents_trim();
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
	char		name[64];
	int32		most;

	segment = xmcoh_member_begin(argument, "xmcoh gradient process");
	member = palloc0(sizeof(Member));
	member->item = -1;
	queue = member->queue = dsm_segment_address(segment);
	member->number = xmcoh_member_join(&queue->table);
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
								shared_encoder(queue), &member->shards), &ctx);
	work(member, &ctx);
	proc_exit(0);
}
