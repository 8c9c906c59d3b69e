/*
 * checkpoint.h - where the state of a training run is kept while it is unfinished: xmcoh.job_checkpoint.
 *
 * A checkpoint is a stream of bytes, cut into chunks. A new one takes the old one's place in one transaction.
 */
#ifndef XMCOH_PG_CHECKPOINT_H
#define XMCOH_PG_CHECKPOINT_H

#include "training/worker.h"

#include "datatype/timestamp.h"

typedef struct Checkpoint
{
	WorkerJob  *job;
	bytea	   *chunk;			/* the one being filled, or read from */
	int32		n_chunks;		/* written or read in full */
	int64		bytes;			/* of all chunks, when one is being written */
	Size		used;			/* bytes of the chunk that are written, or read */
	Size		filled;			/* bytes of the chunk that is read from */
	char	   *error;			/* why the last one could not be written; NULL: it could */
	TimestampTz started_at;		/* training was */
	TimestampTz begun_at;		/* the last one was */
	TimestampTz written_at;		/* in full; to begin with, when training began */
	int64		cost;			/* microseconds that all of them have taken */
	double		speed;			/* bytes per microsecond of the last one */
} Checkpoint;

/* Lays it out in CurrentMemoryContext. */
extern void xmcoh_checkpoint_init(Checkpoint *checkpoint, WorkerJob *job);

/* Whether it is time for another one, of so many bytes, by xmcoh.checkpoint_interval and by what they cost. */
extern bool xmcoh_checkpoint_is_due(const Checkpoint *checkpoint, int64 bytes);

/*
 * begin opens a transaction, in which the old checkpoint goes; end leaves it open, for the caller to add to it and to
 * commit. Each returns to the core, which allocates in CurrentMemoryContext: that stays what it was.
 *
 * An error such as a full disk is no reason to lose the training too: the transaction is rolled back, so that the old
 * checkpoint stays, what follows is ignored, and end gives false, with the reason in checkpoint->error. Only a cancel goes
 * on as an ERROR.
 */
extern void xmcoh_checkpoint_begin(Checkpoint *checkpoint);
extern void xmcoh_checkpoint_write(Checkpoint *checkpoint, const void *data, Size size);
extern bool xmcoh_checkpoint_end(Checkpoint *checkpoint);
extern void xmcoh_checkpoint_commit(Checkpoint *checkpoint);

/* The next bytes of the stored one, from its beginning on; fewer than `size` at its end. A short transaction per chunk. */
extern Size xmcoh_checkpoint_read(Checkpoint *checkpoint, void *data, Size size);

#endif
