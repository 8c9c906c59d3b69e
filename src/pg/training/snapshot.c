/*
 * snapshot.c - the job of kind 'snapshot'; see snapshot.h
 *
 * One transaction reads the documents with the submitter's rights and measures them, another one stores the figures as the
 * owner of the extension. So no code of a source runs in a transaction that writes.
 */
#include "training/snapshot.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/statement.h"
#include "query/quality.h"
#include "training/training_set.h"

/* The name of the model as it is now, in `memory`. */
static char *
read_name(WorkerJob *job, MemoryContext memory)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(job->model_id)};

	if (execute("SELECT name FROM xmcoh.model WHERE model_id = $1", SPI_OK_SELECT, 1, types, values, NULL) == 0)
		worker_give_up(job);
	return MemoryContextStrdup(memory, first_text(1));
}

/* A field of the job's options as text, in `memory`; NULL: there is none. */
static char *
read_option(const WorkerJob *job, const char *name, MemoryContext memory)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		values[2] = {Int32GetDatum(job->job_id), CStringGetTextDatum(name)};

	execute("SELECT options ->> $2 FROM xmcoh.job_record WHERE job_id = $1", SPI_OK_SELECT, 2, types, values, NULL);
	return first_text(1) != NULL ? MemoryContextStrdup(memory, first_text(1)) : NULL;
}

/* Measures the documents with the submitter's rights; the result is in the memory context of the caller. */
static Jsonb *
measure(WorkerJob *job, const char *by)
{
	MemoryContext memory = CurrentMemoryContext;
	MemoryContext spi;
	QualityNotes *notes;
	Jsonb	   *measured;
	char	   *model;

	worker_begin(false);
	xmcoh_check_job_sources(job);
	model = read_name(job, memory);
	notes = xmcoh_quality_notes(job->model_id);
	worker_become_submitter(job);
	measured = xmcoh_quality_measure(model, by, notes);
	spi = MemoryContextSwitchTo(memory);
	measured = (Jsonb *) pg_detoast_datum_copy((struct varlena *) measured);
	MemoryContextSwitchTo(spi);
	worker_commit();
	return measured;
}

void
xmcoh_run_snapshot(WorkerJob *job)
{
	MemoryContext memory = CurrentMemoryContext;
	Oid			types[5] = {OIDOID, INT4OID, TEXTOID, TEXTOID, JSONBOID};
	Datum		values[5];
	char		nulls[6] = "     ";
	Jsonb	   *measured;
	char	   *by;
	char	   *keep;

	worker_begin(true);
	(void) worker_start(job, "checking documents");
	by = read_option(job, "by", memory);
	keep = read_option(job, "keep", memory);
	worker_commit();
	measured = measure(job, by);
	worker_begin(true);
	values[0] = ObjectIdGetDatum(job->role);
	values[1] = Int32GetDatum(job->model_id);
	values[2] = by != NULL ? CStringGetTextDatum(by) : (Datum) 0;
	nulls[2] = by != NULL ? ' ' : 'n';
	values[3] = CStringGetTextDatum(keep != NULL ? keep : "");
	values[4] = JsonbPGetDatum(measured);
	execute("SELECT format('checked %s documents in %s groups', $5 #>> '{groups,0,documents}',"
			" jsonb_array_length($5 -> 'groups') - 1)"
			" FROM xmcoh_internal.store_snapshot($1, $2, $3, $4::integer, $5)", SPI_OK_SELECT, 5, types, values, nulls);
	worker_succeed(job, first_text(1));
	worker_commit();
	worker_log(job, "ended succeeded");
}
