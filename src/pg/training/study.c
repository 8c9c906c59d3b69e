/*
 * study.c - the worker of a study: reads the documents as a training does, and measures one cell after the other; see study.h
 *
 * A cell is stored in one transaction when it is measured, so a resumed study goes on with the first cell that is missing. Cells
 * do not depend on each other, so the result is the same as without an interruption. Small sizes come first: the curve grows while
 * the study runs.
 */
#include "training/study.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/statement.h"
#include "training/training_job.h"

#include "xmcoh/study.h"

#define PROGRESS_MS 500			/* between two writes of progress within a cell */
#define PHASE "study"

typedef struct Study
{
	WorkerJob  *job;
	TrainingJob of;
	TrainingSet set;
	int32		approved;		/* documents */
	int32		n_sizes;
	int32		size[XMC_CURVE_SIZES];	/* (n_sizes) ascending */
	int32		samples;
	int64		fingerprint;
	bool		stored[XMC_CURVE_SIZES][XMC_CURVE_SAMPLES + 1];	/* cells, by place of the size and number of the sample */
	int32		cells;			/* stored, of this job */
	int32		forgotten;		/* that an interrupted run had stored of other documents or options */
	int32		without_figures;	/* cells for which there was no model */
	char	   *why;			/* the reason of the last of them */
	int64		done;			/* work of the stored cells: sums of their sizes */
	int64		total;
	const xmc_study_cell *cell; /* that is being measured */
	const char *phase;			/* that was written last */
	TimestampTz written_at;
} Study;

/* ---- progress ---- */

static void
write_progress(Study *study, const char *phase, int64 done, int64 total)
{
	if (study->phase == phase && !TimestampDifferenceExceeds(study->written_at, GetCurrentTimestamp(), PROGRESS_MS))
		return;
	worker_begin(false);
	worker_progress(study->job, phase, done, total, false);
	worker_commit();
	study->phase = phase;
	study->written_at = GetCurrentTimestamp();
}

/* Called by the core at least every 50 ms of work. */
static bool
on_stop(void *arg)
{
	(void) arg;
	(void) xmcoh_stop(NULL);
	xmcoh_documents_maybe_trim();
	return false;
}

/* Called by the core at least once per batch. The work of a cell is about proportional to its size. */
static xmc_status
on_progress(void *arg, const xmc_train_progress *progress)
{
	Study	   *study = arg;
	double		share = progress->total > 0 ? Min(1.0, (double) progress->done / (double) progress->total) : 0;

	CHECK_FOR_INTERRUPTS();
	xmcoh_documents_trim();
	write_progress(study, PHASE, study->done + (int64) (share * study->cell->size), study->total);
	return XMC_OK;
}

/* Called before the first batch of texts is encoded, and after each. */
static void
on_texts(void *arg, int64 done, int64 total)
{
	write_progress(arg, "embedding texts", done, total);
}

/* ---- what is studied ---- */

/* The arguments: sizes, none by default, and the number of samples. */
static void
read_arguments(Study *study)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(study->job->job_id)};
	bool		is_null;
	ArrayType  *sizes;
	Datum	   *size;
	int			n;

	worker_begin(false);
	if (execute("SELECT (j.options ->> 'samples')::integer,"
				" ARRAY(SELECT s.size::integer FROM jsonb_array_elements_text(CASE jsonb_typeof(j.options -> 'sizes')"
				" WHEN 'array' THEN j.options -> 'sizes' ELSE '[]' END) AS s (size) ORDER BY 1)"
				" FROM xmcoh.job_record AS j WHERE j.job_id = $1", SPI_OK_SELECT, 1, types, values, NULL) == 0)
		worker_give_up(study->job);
	study->samples = DatumGetInt32(first_value(1, &is_null));
	sizes = DatumGetArrayTypeP(first_value(2, &is_null));
	deconstruct_array(sizes, INT4OID, sizeof(int32), true, TYPALIGN_INT, &size, NULL, &n);
	/* xmcoh_internal.study_learning_curve has refused these with better messages */
	if (study->samples < 1 || study->samples > XMC_CURVE_SAMPLES || n > XMC_CURVE_SIZES)
		elog(ERROR, "a study of %d sizes and %d samples is out of bounds", n, study->samples);
	for (int k = 0; k < n; k++)
		study->size[k] = DatumGetInt32(size[k]);
	study->n_sizes = n;
	worker_commit();
}

/* The sizes, which must leave documents to measure on. */
static void
plan(Study *study)
{
	int32		least = XMC_STUDY_LEAST + XMC_STUDY_LEAST_MEASURED;

	for (int32 d = 0; d < study->set.documents->n; d++)
		study->approved += study->set.documents->document[d].n_pairs > 0;
	if (study->approved < least)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("%d approved documents, a study needs %d", study->approved, least));
	if (study->n_sizes == 0)
		study->n_sizes = xmc_study_sizes(study->approved, study->size);
	if (study->size[study->n_sizes - 1] > study->approved - XMC_STUDY_LEAST_MEASURED)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("size %d leaves fewer than %d of %d approved documents to measure on", study->size[study->n_sizes - 1],
					   XMC_STUDY_LEAST_MEASURED, study->approved),
				errhint("Leave out sizes: by default they go up to 80%% of the approved documents."));
	for (int32 k = 0; k < study->n_sizes; k++)
		study->total += (int64) study->size[k] * study->samples;
}

static void
count_cell(Study *study, int32 place, int32 sample)
{
	study->stored[place][sample] = true;
	study->cells++;
	study->done += study->size[place];
}

/* Reads which cells an interrupted run has stored, and forgets those of other documents, options or sizes. */
static void
find_stored(Study *study)
{
	Oid			types[2] = {INT4OID, INT8OID};
	Datum		values[2] = {Int32GetDatum(study->job->job_id), Int64GetDatum(study->fingerprint)};
	bool		is_null;
	uint64		n;

	worker_begin(true);
	study->forgotten = (int32) execute("DELETE FROM xmcoh.learning_curve_record WHERE job_id = $1 AND fingerprint <> $2",
									   SPI_OK_DELETE, 2, types, values, NULL);
	n = execute("SELECT size, sample FROM xmcoh.learning_curve_record WHERE job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
	for (uint64 r = 0; r < n; r++)
	{
		HeapTuple	row = SPI_tuptable->vals[r];
		int32		size = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null));
		int32		sample = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null));

		for (int32 k = 0; k < study->n_sizes && sample >= 1 && sample <= study->samples; k++)
			if (study->size[k] == size)
				count_cell(study, k, sample);
	}
	study->job->done_before = study->done;
	worker_progress(study->job, PHASE, study->done, study->total, false);
	worker_commit();
	study->phase = PHASE;
	study->written_at = GetCurrentTimestamp();
}

/* ---- cells ---- */

/* The job's row stays as it is until the commit: a model that is dropped meanwhile takes this cell along. */
static void
lock_job(WorkerJob *job)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job->job_id)};

	execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1 FOR KEY SHARE", SPI_OK_SELECT, 1, types, values, NULL);
	worker_check_state(job, first_text(1));
}

static void
store_cell(Study *study, const xmc_study_cell *cell)
{
	static const Oid types[] = {INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, INT4OID, FLOAT8ARRAYOID, INT8OID,
	FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types) + 1] = "            ";
	Datum	   *sum = palloc(sizeof(Datum) * XMC_CURVE_SUMS);
	const xmc_curve_cell curve = {cell->size, cell->sample, cell->sum};

	for (int k = 0; k < XMC_CURVE_SUMS; k++)
		sum[k] = Float8GetDatum(cell->sum[k]);
	worker_begin(true);
	lock_job(study->job);
	values[0] = Int32GetDatum(study->job->job_id);
	values[1] = Int32GetDatum(cell->size);
	values[2] = Int32GetDatum(cell->sample);
	values[3] = Int32GetDatum(study->approved);
	values[4] = Int32GetDatum(cell->taught);
	values[5] = Int32GetDatum(cell->measured);
	values[6] = PointerGetDatum(construct_array(sum, XMC_CURVE_SUMS, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[7] = Int64GetDatum(study->fingerprint);
	for (int f = 0; f < XMC_CURVE_FIGURES; f++)
		values[8 + f] = number_or_null(xmc_curve_value(&curve, (xmc_curve_figure) f), &nulls[8 + f]);
	execute("INSERT INTO xmcoh.learning_curve_record (job_id, size, sample, approved, taught, measured, sums, fingerprint,"
			" tau, acc, pmr, coverage) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", SPI_OK_INSERT,
			lengthof(types), (Oid *) types, values, nulls);
	worker_progress(study->job, PHASE, study->done + cell->size, study->total, true);
	worker_commit();
	study->written_at = GetCurrentTimestamp();
	pfree(sum);
}

static void
run_cell(Study *study, int32 place, int32 sample)
{
	xmc_study_cell *cell = palloc0(sizeof(xmc_study_cell));
	xmc_ctx		ctx = xmcoh_context();
	xmc_train_hooks hooks = {.arg = study,.progress = on_progress,.shards = study->of.shards,.encoder = study->of.base_encoder,
		.n_texts = study->set.n_texts,.text = study->set.text};

	ctx.stop = on_stop;
	ctx.arg = study;
	cell->size = study->size[place];
	cell->sample = sample;
	study->cell = cell;
	XMCOH_TRY(xmc_study_run_cell(&ctx, &study->of.options, study->set.documents->n, study->set.documents->document,
								 study->set.group, &hooks, cell), &ctx);
	if (cell->measured == 0)
	{
		study->without_figures++;
		study->why = MemoryContextStrdup(GetMemoryChunkContext(study->set.group), ctx.message);
	}
	store_cell(study, cell);
	count_cell(study, place, sample);
}

/* ---- the study ---- */

static char *
make_message(const Study *study)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "%d %s taught from %d to %d of %d approved documents", study->cells,
					 study->cells == 1 ? "model was" : "models were", study->size[0], study->size[study->n_sizes - 1], study->approved);
	if (study->forgotten > 0)
		appendStringInfoString(&out, "; began anew: documents or options have changed since the interruption");
	if (study->without_figures > 0)
		appendStringInfo(&out, "; %d of them could not be measured: %s", study->without_figures, study->why);
	if (study->set.ignored_pairs > 0)
		appendStringInfo(&out, "; approved pairs ignored because they name unknown documents or items: %lld",
						 (long long) study->set.ignored_pairs);
	return out.data;
}

static void
finish(Study *study)
{
	char	   *message = make_message(study);

	if (study->without_figures == study->cells)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("no model of the study could be measured: %s", study->why),
				errhint("Name other sizes, or attach the source with a finer group."));
	worker_begin(true);
	worker_succeed(study->job, message);
	worker_commit();
	worker_log(study->job, psprintf("ended succeeded, %s", message));
}

void
xmcoh_run_study(WorkerJob *job)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext memory = AllocSetContextCreate(caller, "xmcoh study", ALLOCSET_DEFAULT_SIZES);
	MemoryContext of_cell = AllocSetContextCreate(memory, "xmcoh cell of a study", ALLOCSET_DEFAULT_SIZES);
	Study	   *study;
	xmc_ctx		ctx = xmcoh_context();
	uint64		fingerprint;

	MemoryContextSwitchTo(memory);
	study = palloc0(sizeof(Study));
	study->job = job;
	xmcoh_start_training_job(job, memory, &study->of);
	study->of.encoder.progress = on_texts;
	study->of.encoder.arg = study;
	read_arguments(study);
	xmcoh_read_training_set(job, &study->of.options, &study->of.encoder, &study->set);
	plan(study);
	XMCOH_TRY(xmc_study_fingerprint(&ctx, &study->of.options, study->set.documents->n, study->set.documents->document,
									study->set.group, &fingerprint), &ctx);
	study->fingerprint = (int64) fingerprint;
	find_stored(study);
	for (int32 k = 0; k < study->n_sizes; k++)
		for (int32 sample = 1; sample <= study->samples; sample++)
			if (!study->stored[k][sample])
			{
				MemoryContextSwitchTo(of_cell);
				run_cell(study, k, sample);
				MemoryContextSwitchTo(memory);
				MemoryContextReset(of_cell);
			}
	finish(study);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}
