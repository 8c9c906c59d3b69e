/* scoring_workers.c - a ring of batches that several processes compute; see scoring_workers.h */
#include "query/scoring_workers.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "base/members.h"
#include "base/xmcoh.h"

#define SCORING_TYPE "xmcoh scoring"

PGDLLEXPORT void xmcoh_scoring_main(Datum argument);

/* A batch is full when it has so many items, which is a few matrix products of full speed (score/scorer.c), or so many bytes. */
#define BATCH_ITEMS 1024
#define BATCH_LEAST_BYTES ((Size) 1 << 18)
#define BATCH_MOST_BYTES ((Size) 1 << 21)
#define BYTES_OF_ITEM 512		/* besides its embeddings: keys, text, records */

#define MAX_SLOTS (2 * XMCOH_MAX_SCORING_WORKERS + 2)

/* How often a process looks at the ring before it sleeps. */
#define SPINS 1000

typedef enum SlotState
{
	SLOT_FREE,					/* or the leader fills it */
	SLOT_READY,					/* full */
	SLOT_TAKEN,					/* a process computes it */
	SLOT_DONE,
	SLOT_FAILED					/* an error: the leader computes it when its turn comes */
} SlotState;

typedef struct Ring
{
	MemberTable table;			/* its lock is that of the slots, too */

	/* Set before another process attaches. */
	SharedModel model;
	BatchTask	task;
	int32		slots;
	Size		slot_size;

	/* Under the lock. Batch b is in slot b % slots. */
	int64		first;			/* the batch that is visited next */
	int64		last;			/* the batch that the leader fills */
	SlotState	state[MAX_SLOTS];
} Ring;

#define RING_HEAD TYPEALIGN(64, sizeof(Ring))

struct ScoringWorkers
{
	const DeployedModel *deployed;
	BatchTask	task;
	BatchVisitor visit;
	void	   *arg;
	MemoryContext memory;		/* of one batch */
	Size		capacity;		/* of a batch, in bytes */
	int64		batches;		/* full ones so far */
	bool		asked;			/* for workers */
	bool		encodes[XMC_MODALITIES];	/* a batch has lacked vectors of texts */
	Batch	   *own;			/* a block of this process, for when there is no ring */
	Batch	   *filled;			/* the batch that documents are added to; NULL: none yet */
	Members		members;
	Ring	   *ring;			/* NULL: this process computes alone */
};

static inline int32
slot_of(const Ring *ring, int64 batch)
{
	return (int32) (batch % ring->slots);
}

static inline Batch *
slot_batch(Ring *ring, int32 slot)
{
	return (Batch *) ((char *) ring + RING_HEAD + (Size) slot * ring->slot_size);
}

/* ---- slots ---- */

/* Takes the oldest batch that is ready and gives its slot; -1: there is none now. */
static int32
take(Ring *ring)
{
	int32		found = -1;

	SpinLockAcquire(&ring->table.lock);
	for (int64 b = ring->first; b < ring->last && found < 0; b++)
		if (ring->state[slot_of(ring, b)] == SLOT_READY)
			found = slot_of(ring, b);
	if (found >= 0)
		ring->state[found] = SLOT_TAKEN;
	SpinLockRelease(&ring->table.lock);
	return found;
}

static void
set_state(Ring *ring, int32 slot, SlotState state)
{
	SpinLockAcquire(&ring->table.lock);
	ring->state[slot] = state;
	SpinLockRelease(&ring->table.lock);
}

/* Read without the lock; take() then holds it. */
static bool
has_ready(const volatile MemberTable *table)
{
	const volatile Ring *ring = (const volatile Ring *) table;

	for (int32 s = 0; s < ring->slots; s++)
		if (ring->state[s] == SLOT_READY)
			return true;
	return false;
}

static SlotState
first_state(const volatile Ring *ring)
{
	return ring->state[ring->first % ring->slots];
}

/* Whether the leader has something to do. */
static bool
is_due(const volatile MemberTable *table)
{
	SlotState	state = first_state((const volatile Ring *) table);

	return state == SLOT_DONE || state == SLOT_FAILED || has_ready(table);
}

/* ---- the leader ---- */

/* Computes a batch in the memory of one batch. */
static xmc_status
compute(ScoringWorkers *workers, xmc_ctx *ctx, Batch *batch)
{
	MemoryContext caller = MemoryContextSwitchTo(workers->memory);
	const OpenEncoder *encoder[XMC_MODALITIES] = {NULL, NULL};
	xmc_status	status;

	for (int m = 0; m < XMC_MODALITIES; m++)
		if (batch->encodes[m])
			encoder[m] = xmcoh_open_encoder(workers->deployed->encoder[m]);
	*ctx = xmcoh_context();
	status = xmcoh_batch_compute(ctx, workers->deployed->model, encoder, &workers->task, batch);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(workers->memory);
	return status;
}

static void
visit_batch(ScoringWorkers *workers, const Batch *batch)
{
	MemoryContext caller = MemoryContextSwitchTo(workers->memory);

	xmcoh_batch_visit(batch, workers->task.wants_order, workers->visit, workers->arg);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(workers->memory);
}

static void
compute_and_visit(ScoringWorkers *workers, Batch *batch)
{
	xmc_ctx		ctx;

	XMCOH_TRY(compute(workers, &ctx, batch), &ctx);
	visit_batch(workers, batch);
}

/* Computes a batch that this process has taken. An error waits for the batch's turn. */
static void
compute_slot(ScoringWorkers *workers, int32 slot)
{
	xmc_ctx		ctx;
	bool		done = compute(workers, &ctx, slot_batch(workers->ring, slot)) == XMC_OK;

	set_state(workers->ring, slot, done ? SLOT_DONE : SLOT_FAILED);
}

/* Visits the first batch if its answers are there, or if it is to be computed by this process; false: neither. */
static bool
visit_first(ScoringWorkers *workers)
{
	Ring	   *ring = workers->ring;
	int32		slot = slot_of(ring, ring->first);
	SlotState	state = first_state(ring);

	if (ring->first == ring->last || (state != SLOT_DONE && state != SLOT_FAILED))
		return false;
	/* what the process that set the state has written */
	pg_read_barrier();
	if (state == SLOT_DONE)
		visit_batch(workers, slot_batch(ring, slot));
	else
		compute_and_visit(workers, slot_batch(ring, slot));
	SpinLockAcquire(&ring->table.lock);
	ring->state[slot] = SLOT_FREE;
	ring->first++;
	SpinLockRelease(&ring->table.lock);
	return true;
}

/* Goes on until at most `left` batches are in the ring. */
static void
drain(ScoringWorkers *workers, int64 left)
{
	Ring	   *ring = workers->ring;

	while (ring->last - ring->first > left)
	{
		int32		slot;

		if (visit_first(workers))
			continue;
		slot = take(ring);
		if (slot >= 0)
			compute_slot(workers, slot);
		else
			xmcoh_members_wait(&ring->table, is_due, SPINS);
	}
	while (visit_first(workers))
		;
}

/* Starts workers, if some are wanted and can be had. */
static void
start_workers(ScoringWorkers *workers)
{
	int			wanted = Min(xmcoh_scoring_workers, xmcoh_spare_slots());
	int32		slots = 2 * wanted + 2;
	SharedModel model;
	char		name[BGW_MAXLEN];
	MemoryContext caller;
	Ring	   *ring;

	workers->asked = true;
	if (wanted < 1 || !xmcoh_share_deployed(workers->deployed, workers->encodes, &model))
		return;
	ring = xmcoh_members_create(&workers->members, RING_HEAD + (Size) slots * workers->capacity);
	if (ring == NULL)
		return;
	memset(ring, 0, sizeof *ring);
	ring->model = model;
	ring->task = workers->task;
	ring->slots = slots;
	ring->slot_size = workers->capacity;
	snprintf(name, sizeof name, SCORING_TYPE " process of session %d", MyProcPid);
	caller = MemoryContextSwitchTo(GetMemoryChunkContext(workers));
	/* on a standby, too */
	xmcoh_members_start(&workers->members, wanted, SCORING_TYPE, name, "xmcoh_scoring_main", BgWorkerStart_ConsistentState);
	MemoryContextSwitchTo(caller);
	if (workers->members.segment != NULL)
		workers->ring = ring;
}

/* The batch that documents are added to is full, or the last one. */
static void
submit(ScoringWorkers *workers)
{
	Batch	   *batch = workers->filled;
	Ring	   *ring = workers->ring;

	workers->filled = NULL;
	workers->batches++;
	for (int m = 0; m < XMC_MODALITIES; m++)
		workers->encodes[m] |= batch->encodes[m];
	if (ring != NULL && batch == slot_batch(ring, slot_of(ring, ring->last)))
	{
		SpinLockAcquire(&ring->table.lock);
		ring->state[slot_of(ring, ring->last)] = SLOT_READY;
		ring->last++;
		SpinLockRelease(&ring->table.lock);
		xmcoh_members_wake(&ring->table);
		while (visit_first(workers))
			;
		return;
	}
	if (ring != NULL)
		drain(workers, 0);
	compute_and_visit(workers, batch);
	if (batch != workers->own)
		pfree(batch);
}

/* A block for the next batch, whose first document takes `room` bytes. */
static Batch *
new_batch(ScoringWorkers *workers, Size room)
{
	MemoryContext home = GetMemoryChunkContext(workers);
	Batch	   *batch;

	if (!workers->asked && workers->batches > 0 && xmcoh_scoring_workers > 0)
		start_workers(workers);
	if (XMCOH_BATCH_HEAD + room > workers->capacity)
		batch = MemoryContextAllocHuge(home, XMCOH_BATCH_HEAD + room);
	else if (workers->ring == NULL)
	{
		if (workers->own == NULL)
			workers->own = MemoryContextAlloc(home, workers->capacity);
		batch = workers->own;
	}
	else
	{
		drain(workers, workers->ring->slots - 1);
		batch = slot_batch(workers->ring, slot_of(workers->ring, workers->ring->last));
	}
	xmcoh_batch_begin(batch);
	return batch;
}

ScoringWorkers *
xmcoh_scoring_begin(const DeployedModel *deployed, const BatchTask *task, BatchVisitor visit, void *arg)
{
	ScoringWorkers *workers = palloc0(sizeof(ScoringWorkers));
	const xmc_options *options = &deployed->model->options;
	Size		item = BYTES_OF_ITEM + sizeof(float) * (Size) (options->image_dim + options->text_dim);

	workers->deployed = deployed;
	workers->task = *task;
	workers->visit = visit;
	workers->arg = arg;
	workers->memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh batch", ALLOCSET_DEFAULT_SIZES);
	workers->capacity = TYPEALIGN(64, Max(BATCH_LEAST_BYTES, Min(BATCH_MOST_BYTES, BATCH_ITEMS * item)));
	return workers;
}

void
xmcoh_scoring_add(ScoringWorkers *workers, const BatchInput *input)
{
	const xmc_options *options = &workers->deployed->model->options;
	Size		room = xmcoh_batch_room(options, input);

	if (workers->filled != NULL &&
		(workers->filled->items >= BATCH_ITEMS || workers->filled->size + room > workers->capacity))
		submit(workers);
	if (workers->filled == NULL)
		workers->filled = new_batch(workers, room);
	xmcoh_batch_add(workers->filled, options, input);
}

void
xmcoh_scoring_end(ScoringWorkers *workers)
{
	if (workers->filled != NULL)
		submit(workers);
	if (workers->ring != NULL)
	{
		drain(workers, 0);
		xmcoh_members_end(&workers->members);
	}
	MemoryContextDelete(workers->memory);
	if (workers->own != NULL)
		pfree(workers->own);
	pfree(workers);
}

/* ---- the workers ---- */

typedef struct ScoringMember
{
	Ring	   *ring;
	int32		number;
	int32		slot;			/* whose batch it computes; -1: none */
} ScoringMember;

static void
member_left(dsm_segment *segment, Datum argument)
{
	ScoringMember *member = (ScoringMember *) DatumGetPointer(argument);

	(void) segment;
	if (member->slot >= 0)
		set_state(member->ring, member->slot, SLOT_READY);
	xmcoh_member_leave(&member->ring->table, member->number);
}

static bool
on_stop(void *arg)
{
	const ScoringMember *member = arg;

	return xmcoh_stop(NULL) || ((volatile Ring *) member->ring)->table.over;
}

/* Computes batches until the leader ends. */
static void
work(ScoringMember *member, const xmc_model *model, const OpenEncoder *const encoder[XMC_MODALITIES])
{
	Ring	   *ring = member->ring;
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh batch", ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(memory);
	while (!((volatile Ring *) ring)->table.over)
	{
		xmc_ctx		ctx = xmcoh_context();
		xmc_status	status;
		int32		slot = take(ring);

		if (slot < 0)
		{
			xmcoh_members_wait(&ring->table, has_ready, SPINS);
			continue;
		}
		member->slot = slot;
		ctx.stop = on_stop;
		ctx.arg = member;
		status = xmcoh_batch_compute(&ctx, model, encoder, &ring->task, slot_batch(ring, slot));
		MemoryContextReset(memory);
		if (status == XMC_STOPPED)
			return;
		member->slot = -1;
		set_state(ring, slot, status == XMC_OK ? SLOT_DONE : SLOT_FAILED);
		SetLatch(&ring->table.leader->procLatch);
	}
}

void
xmcoh_scoring_main(Datum argument)
{
	dsm_segment *segment = xmcoh_member_begin(argument, "xmcoh scoring process");
	ScoringMember *member = palloc0(sizeof(ScoringMember));
	const OpenEncoder *encoder[XMC_MODALITIES];
	const xmc_model *model;

	member->ring = dsm_segment_address(segment);
	member->slot = -1;
	member->number = xmcoh_member_join(&member->ring->table);
	on_dsm_detach(segment, member_left, PointerGetDatum(member));
	model = xmcoh_open_shared_model(&member->ring->model, encoder);
	if (model != NULL)
		work(member, model, encoder);
	proc_exit(0);
}
