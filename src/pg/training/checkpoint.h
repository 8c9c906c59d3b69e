/*
 * checkpoint.h - the state of an unfinished training run in the table xmcoh.job_checkpoint.
 *
 * A checkpoint is a stream of bytes, cut into chunks. A new checkpoint replaces the old one in one transaction.
 */
#ifndef XMCOH_PG_CHECKPOINT_H
#define XMCOH_PG_CHECKPOINT_H

#include "training/session.h"

#include "datatype/timestamp.h"

typedef struct Checkpoint
{
	WorkerJob  *job;
	bytea	   *chunk;			/* the one being filled, or read from */
	int32		n_chunks;		/* written or read in full */
	int64		bytes;			/* of all chunks, when one is being written */
	Size		used;			/* bytes of the chunk that are written, or read */
	Size		filled;			/* bytes of the chunk that is read from */
	char	   *error;			/* why the last checkpoint could not be written; NULL: it was written */
	TimestampTz started_at;		/* when training began */
	TimestampTz begun_at;		/* when the last checkpoint was begun */
	TimestampTz written_at;		/* when the last checkpoint was complete, or failed; at first, when training began */
	int64		cost;			/* microseconds that all checkpoints have taken */
	double		speed;			/* bytes per microsecond of the last checkpoint */
} Checkpoint;

/* Allocates in CurrentMemoryContext. */
extern void xmcoh_checkpoint_init(Checkpoint *checkpoint, WorkerJob *job);

/*
 * Whether it is time for a checkpoint of so many bytes, by xmcoh.checkpoint_interval and by the time that checkpoints
 * take.
 */
extern bool xmcoh_checkpoint_is_due(const Checkpoint *checkpoint, int64 bytes);

/*
 * begin opens a transaction and deletes the old checkpoint; end leaves the transaction open, for the caller to write more
 * and to commit. CurrentMemoryContext stays the same, since the core allocates there.
 *
 * An error such as a full disk does not end the training: the transaction is rolled back, so that the old checkpoint
 * stays, what is written next is ignored, and end returns false, with the reason in checkpoint->error. A cancel is raised
 * as an ERROR.
 */
extern void xmcoh_checkpoint_begin(Checkpoint *checkpoint);
extern void xmcoh_checkpoint_write(Checkpoint *checkpoint, const void *data, Size size);
extern bool xmcoh_checkpoint_end(Checkpoint *checkpoint);
extern void xmcoh_checkpoint_commit(Checkpoint *checkpoint);

/* Reads the next bytes of the stored checkpoint; fewer than `size` at its end. One short transaction for each chunk. */
extern Size xmcoh_checkpoint_read(Checkpoint *checkpoint, void *data, Size size);

#endif
