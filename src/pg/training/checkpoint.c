/* checkpoint.c - writes and reads the state of a training run in chunks of bytea; see checkpoint.h */
#include "training/checkpoint.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/statement.h"

/* Large enough that a row's overhead does not matter, small enough that the memory does not. */
#define CHUNK_BYTES 4194304

/*
 * All checkpoints together take at most one part in so many of the time since training began; see
 * xmcoh.checkpoint_interval.
 */
#define TIMES_COST 50

/* Bytes per microsecond, assumed until the first checkpoint has been written: few machines are slower. */
#define FIRST_SPEED 100.0

void
xmcoh_checkpoint_init(Checkpoint *checkpoint, WorkerJob *job)
{
	*checkpoint = (Checkpoint) {.job = job,.chunk = palloc(VARHDRSZ + CHUNK_BYTES)};
	checkpoint->started_at = checkpoint->begun_at = checkpoint->written_at = GetCurrentTimestamp();
	checkpoint->speed = FIRST_SPEED;
}

bool
xmcoh_checkpoint_is_due(const Checkpoint *checkpoint, int64 bytes)
{
	TimestampTz now = GetCurrentTimestamp();

	return xmcoh_checkpoint_interval == 0 ||
		(now - checkpoint->written_at >= (int64) xmcoh_checkpoint_interval * USECS_PER_SEC &&
		 now - checkpoint->started_at >= TIMES_COST * (checkpoint->cost + bytes / checkpoint->speed));
}

/* ---- writing ---- */

static void
begin(Checkpoint *checkpoint)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(checkpoint->job->job_id)};

	worker_begin(false);
	execute("DELETE FROM xmcoh.job_checkpoint WHERE job_id = $1", SPI_OK_DELETE, 1, types, values, NULL);
}

static void
write_chunk(Checkpoint *checkpoint)
{
	Oid			types[3] = {INT4OID, INT4OID, BYTEAOID};
	Datum		values[3];

	SET_VARSIZE(checkpoint->chunk, VARHDRSZ + checkpoint->used);
	values[0] = Int32GetDatum(checkpoint->job->job_id);
	values[1] = Int32GetDatum(checkpoint->n_chunks);
	values[2] = PointerGetDatum(checkpoint->chunk);
	execute("INSERT INTO xmcoh.job_checkpoint (job_id, chunk, data) VALUES ($1, $2, $3)", SPI_OK_INSERT,
			3, types, values, NULL);
	checkpoint->n_chunks++;
	checkpoint->bytes += checkpoint->used;
	checkpoint->used = 0;
}

/* Does one step of writing, unless an earlier one has failed; an error of the step is kept in checkpoint->error. */
static void
attempt(Checkpoint *checkpoint, void (*step) (Checkpoint *))
{
	MemoryContext caller = CurrentMemoryContext;

	if (checkpoint->error)
		return;
	PG_TRY();
	{
		step(checkpoint);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(caller);
		checkpoint->error = pstrdup(error->message);
		checkpoint->written_at = GetCurrentTimestamp();
		checkpoint->cost += checkpoint->written_at - checkpoint->begun_at;
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
}

void
xmcoh_checkpoint_begin(Checkpoint *checkpoint)
{
	if (checkpoint->error)
		pfree(checkpoint->error);
	checkpoint->error = NULL;
	checkpoint->n_chunks = 0;
	checkpoint->bytes = 0;
	checkpoint->used = 0;
	checkpoint->begun_at = GetCurrentTimestamp();
	attempt(checkpoint, begin);
}

void
xmcoh_checkpoint_write(Checkpoint *checkpoint, const void *data, Size size)
{
	while (size > 0 && !checkpoint->error)
	{
		Size		n = Min(size, CHUNK_BYTES - checkpoint->used);

		memcpy(VARDATA(checkpoint->chunk) + checkpoint->used, data, n);
		checkpoint->used += n;
		data = (const char *) data + n;
		size -= n;
		if (checkpoint->used == CHUNK_BYTES)
			attempt(checkpoint, write_chunk);
	}
}

bool
xmcoh_checkpoint_end(Checkpoint *checkpoint)
{
	if (checkpoint->used > 0)
		attempt(checkpoint, write_chunk);
	return checkpoint->error == NULL;
}

void
xmcoh_checkpoint_commit(Checkpoint *checkpoint)
{
	int64		took;

	worker_commit();
	checkpoint->written_at = GetCurrentTimestamp();
	took = Max(checkpoint->written_at - checkpoint->begun_at, 1);
	checkpoint->cost += took;
	checkpoint->speed = (double) checkpoint->bytes / (double) took;
	ereport(DEBUG1,
			errmsg_internal("checkpoint of training job %d: %lld bytes in %lld ms", checkpoint->job->job_id,
							(long long) checkpoint->bytes, (long long) took / 1000));
}

/* ---- reading ---- */

/* Reads the next chunk; false if there is none. A chunk larger than write_chunk makes is not read. */
static bool
read_chunk(Checkpoint *checkpoint)
{
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2];
	bool		is_null;
	bool		found;

	values[0] = Int32GetDatum(checkpoint->job->job_id);
	values[1] = Int32GetDatum(checkpoint->n_chunks++);
	worker_begin(false);
	found = execute("SELECT data FROM xmcoh.job_checkpoint WHERE job_id = $1 AND chunk = $2"
					" AND octet_length(data) BETWEEN 1 AND " CppAsString2(CHUNK_BYTES),
					SPI_OK_SELECT, 2, types, values, NULL) == 1;
	if (found)
	{
		bytea	   *data = DatumGetByteaPP(first_value(1, &is_null));

		checkpoint->filled = VARSIZE_ANY_EXHDR(data);
		memcpy(VARDATA(checkpoint->chunk), VARDATA_ANY(data), checkpoint->filled);
	}
	worker_commit();
	checkpoint->used = 0;
	return found;
}

Size
xmcoh_checkpoint_read(Checkpoint *checkpoint, void *data, Size size)
{
	Size		got = 0;

	while (got < size)
	{
		Size		n = Min(size - got, checkpoint->filled - checkpoint->used);

		if (n == 0)
		{
			checkpoint->filled = checkpoint->used = 0;
			if (!read_chunk(checkpoint))
				break;
			continue;
		}
		memcpy((char *) data + got, VARDATA(checkpoint->chunk) + checkpoint->used, n);
		checkpoint->used += n;
		got += n;
	}
	return got;
}
