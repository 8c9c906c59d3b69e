/*
 * training.c - one training run: documents and approved pairs in, core called, version out; see training.h
 *
 * Three kinds of transactions: one that reads (under one snapshot), many short ones that write progress, one that
 * saves. None is open while the core trains.
 */
#include "training.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "crew.h"
#include "documents.h"
#include "evidence.h"
#include "model_store.h"
#include "pairs.h"
#include "source.h"

#include "xmcoh/train.h"

#define PROGRESS_MS 500
#define WAITING_EPOCHS 100		/* epochs whose figures may wait to be written: tiny ones end a thousand times a second */

/* What training is given: all documents that have labels, with their keys. */
typedef struct TrainingSet
{
	Documents  *documents;
	int32		capacity;		/* of key */
	char	  **key;			/* (documents->n) */
	uint8	   *held_out;		/* (documents->n) */
	double		threshold;		/* a document is held out when xmc_held_out says so of its key, the seed and this */
	int64		ignored_pairs;
} TrainingSet;

typedef struct Run
{
	WorkerJob  *job;
	xmc_options options;
	bool		deploy;			/* on success */
	TrainingSet set;
	MemoryContext memory;		/* documents; also the core's, while it trains */
	MemoryContext building;		/* one document while it is built */
	Crew	   *crew;
	TimestampTz written_at;		/* progress was, last */
	xmc_train_progress epoch[WAITING_EPOCHS];	/* ended since then */
	int			n_epochs;
	int64		total;
	int32		round;
} Run;

/* Runs one statement; *count rows were read or written. `expected` is its SPI result code. */
static uint64
execute(const char *query, int expected, int n, Oid *types, Datum *values, const char *nulls)
{
	int			result = SPI_execute_with_args(query, n, types, values, nulls, false, 0);

	if (result != expected)
		elog(ERROR, "unexpected result of \"%s\": %s", query, SPI_result_code_string(result));
	return SPI_processed;
}

static Datum
first_value(int column, bool *is_null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, is_null);
}

/* ---- reading ---- */

/* The options of the model with those of the job over them; and from now on the job is running. */
static void
read_job(Run *run)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(run->job->job_id)};
	bool		is_null;
	Jsonb	   *options;
	char	   *on_success;

	worker_begin(run->job, true);
	if (execute("UPDATE xmcoh.job_record AS j SET state = 'running', phase = 'reading'"
				" FROM xmcoh.model AS m WHERE j.job_id = $1 AND j.state = 'starting' AND m.model_id = j.model_id"
				" RETURNING m.image_dim, m.text_dim, m.words, m.options || j.options, j.on_success",
				SPI_OK_UPDATE_RETURNING, 1, types, values, NULL) == 0)
	{
		uint64		found = execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1", SPI_OK_SELECT,
									1, types, values, NULL);

		worker_check_state(run->job, found ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL);
		worker_give_up(run->job);
	}
	options = DatumGetJsonbP(first_value(4, &is_null));
	xmcoh_make_options(DatumGetInt32(first_value(1, &is_null)), DatumGetInt32(first_value(2, &is_null)),
					   DatumGetBool(first_value(3, &is_null)), options, &run->options);
	on_success = TextDatumGetCString(first_value(5, &is_null));
	run->deploy = strcmp(on_success, "deploy") == 0;
	worker_commit(run->job);
}

static void
add_document(Run *run, xmc_ctx *ctx, ApprovedPairs *pairs, const SourceDocument *source)
{
	TrainingSet *set = &run->set;
	MemoryContext caller;
	xmc_document document;

	if (!source->approved && !xmcoh_has_pairs(pairs, source->key) && run->options.rounds == 0)
		return;
	caller = MemoryContextSwitchTo(run->building);
	XMCOH_TRY(xmc_document_build(ctx, &run->options, xmcoh_tokeniser(), source->n, source->item, &document), ctx);
	xmcoh_label_document(ctx, pairs, source, &document);
	if (document.n_pairs > 0 || (run->options.rounds > 0 && xmc_can_be_guided(&document)))
	{
		if (set->documents->n == set->capacity)
		{
			set->capacity *= 2;
			set->key = repalloc_huge(set->key, set->capacity * sizeof(char *));
		}
		set->key[set->documents->n] = MemoryContextStrdup(run->memory, source->key);
		xmcoh_documents_append(set->documents, &document);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->building);
}

/* All labelled documents of all sources, and for rounds the unlabelled ones that can take part, in one transaction and under one snapshot. */
static void
read_documents(Run *run)
{
	xmc_ctx		ctx = xmcoh_context();
	TrainingSet *set = &run->set;
	ApprovedPairs *pairs;
	List	   *sources;
	ListCell   *cell;

	MemoryContext caller;

	set->capacity = 1024;
	set->key = MemoryContextAlloc(run->memory, set->capacity * sizeof(char *));

	worker_begin(run->job, false);
	caller = MemoryContextSwitchTo(run->memory);
	set->documents = xmcoh_documents_create(&run->options);
	MemoryContextSwitchTo(caller);
	pairs = xmcoh_read_pairs(run->job->model_id);
	xmcoh_refuse_cycles(pairs);
	sources = xmcoh_source_columns(run->job->model_id, InvalidOid);
	foreach(cell, sources)
	{
		SourceReader *reader = xmcoh_source_open(lfirst(cell), &run->options, NULL);
		const SourceDocument *document;

		while ((document = xmcoh_source_next(reader)) != NULL)
			add_document(run, &ctx, pairs, document);
		xmcoh_source_close(reader);
	}
	set->ignored_pairs = xmcoh_ignored_pairs(pairs);
	xmcoh_documents_map(set->documents);
	worker_commit(run->job);
}

static int32
count_held_out(const TrainingSet *set, int32 seed, double threshold)
{
	int32		count = 0;

	for (int32 d = 0; d < set->documents->n; d++)
		count += set->documents->document[d].n_pairs > 0 &&
			xmc_held_out(set->key[d], strlen(set->key[d]), seed, threshold);
	return count;
}

/*
 * Chooses the held-out documents: those whose hash, as a fraction, lies below a threshold. It is the option held_out,
 * raised, if there are documents enough, until it leaves as many as training needs to judge itself. So one number,
 * kept in the version's report, tells for ever which documents a version has not been trained on.
 */
static void
hold_out(Run *run)
{
	TrainingSet *set = &run->set;
	double		low = run->options.held_out;

	set->threshold = low;
	if (set->documents->n >= XMC_MIN_TRAINING_DOCUMENTS + XMC_MIN_HELD_OUT_DOCUMENTS &&
		count_held_out(set, run->options.seed, low) < XMC_MIN_HELD_OUT_DOCUMENTS)
	{
		set->threshold = 1;
		for (int step = 0; step < 52; step++)	/* bisection, to the last bit */
		{
			double		middle = low + (set->threshold - low) / 2;

			if (count_held_out(set, run->options.seed, middle) < XMC_MIN_HELD_OUT_DOCUMENTS)
				low = middle;
			else
				set->threshold = middle;
		}
	}
	set->held_out = MemoryContextAlloc(run->memory, Max(set->documents->n, 1));
	for (int32 d = 0; d < set->documents->n; d++)
		set->held_out[d] = set->documents->document[d].n_pairs > 0 &&
			xmc_held_out(set->key[d], strlen(set->key[d]), run->options.seed, set->threshold);
}

/* ---- progress ---- */

static const char *const modality_name[XMC_MODALITIES] = {"text", "image"};

/* A number, or NULL where it is not known: nulls[column] is set accordingly. */
static Datum
number_or_null(double value, char *null)
{
	*null = isfinite(value) ? ' ' : 'n';
	return Float8GetDatum(value);
}

static void
write_metric(Run *run, const xmc_train_progress *progress, const char *metric, double value)
{
	Oid			types[7] = {INT4OID, TEXTOID, TEXTOID, INT4OID, TEXTOID, FLOAT8OID, INT4OID};
	Datum		values[7];

	if (!isfinite(value))
		return;
	values[0] = Int32GetDatum(run->job->job_id);
	values[1] = CStringGetTextDatum(progress->phase);
	values[2] = CStringGetTextDatum(modality_name[progress->modality]);
	values[3] = Int32GetDatum(progress->epoch);
	values[4] = CStringGetTextDatum(metric);
	values[5] = Float8GetDatum(value);
	values[6] = Int32GetDatum(progress->round);
	execute("INSERT INTO xmcoh.training_metric (job_id, phase, modality, epoch, metric, value, round)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7)", SPI_OK_INSERT, 7, types, values, NULL);
}

/* The figures of the epochs that have ended since the last write. */
static void
write_epochs(Run *run)
{
	for (int k = 0; k < run->n_epochs; k++)
	{
		write_metric(run, &run->epoch[k], "train_loss", run->epoch[k].train_loss);
		write_metric(run, &run->epoch[k], "held_out_loss", run->epoch[k].held_out_loss);
		write_metric(run, &run->epoch[k], "held_out_tau", run->epoch[k].held_out_tau);
	}
	run->n_epochs = 0;
}

/* What each round did: one row per figure, which the view xmcoh.training_round turns into one row per round. */
static void
write_rounds(Run *run, const xmc_train_report *report)
{
	for (int k = 0; k < report->n_rounds; k++)
	{
		const xmc_round_report *round = &report->round[k];
		xmc_train_progress at = {.round = round->round,.phase = round->pupil == XMC_IMAGE ? "text teaches image" : "image teaches text",
			.modality = round->pupil};

		write_metric(run, &at, "documents", round->documents);
		write_metric(run, &at, "guide_precision", round->guide_precision);
		write_metric(run, &at, "confident", round->confident);
		write_metric(run, &at, "agreement", round->agreement);
		write_metric(run, &at, "tau_before", round->tau_before);
		write_metric(run, &at, "tau_after", round->tau_after);
		write_metric(run, &at, "difference_low", round->difference_low);
		write_metric(run, &at, "difference_high", round->difference_high);
		write_metric(run, &at, "loss_before", round->loss_before);
		write_metric(run, &at, "loss_after", round->loss_after);
		write_metric(run, &at, "kept", round->kept);
	}
}

/*
 * One short transaction. If somebody holds the row (cancel_job in a transaction still open), this write is left out
 * rather than waited for. The losses of the last epoch stay until the next one ends.
 */
static void
write_progress(Run *run, const xmc_train_progress *progress)
{
	Oid			types[10] = {INT4OID, TEXTOID, INT4OID, INT4OID, INT8OID, INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, INT4OID};
	Datum		values[10];
	char		nulls[11] = "          ";
	const xmc_train_progress *last = run->n_epochs ? &run->epoch[run->n_epochs - 1] : NULL;

	worker_begin(run->job, false);
	values[0] = Int32GetDatum(run->job->job_id);
	values[1] = CStringGetTextDatum(progress->phase);
	values[2] = Int32GetDatum(progress->epoch);
	values[3] = Int32GetDatum(progress->epochs);
	values[4] = Int64GetDatum(progress->done);
	values[5] = Int64GetDatum(progress->total);
	values[6] = number_or_null(last ? last->train_loss : NAN, &nulls[6]);
	values[7] = number_or_null(last ? last->held_out_loss : NAN, &nulls[7]);
	values[8] = number_or_null(last ? last->held_out_tau : NAN, &nulls[8]);
	values[9] = Int32GetDatum(progress->round);
	if (execute("WITH mine AS (SELECT job_id FROM xmcoh.job_record WHERE job_id = $1 FOR NO KEY UPDATE SKIP LOCKED)"
				" UPDATE xmcoh.job_record AS j SET phase = $2, epoch = $3, epochs = $4, done = $5, total = $6,"
				" train_loss = coalesce($7, j.train_loss), held_out_loss = coalesce($8, j.held_out_loss),"
				" held_out_tau = coalesce($9, j.held_out_tau), round = $10"
				" FROM mine WHERE j.job_id = mine.job_id RETURNING j.state",
				SPI_OK_UPDATE_RETURNING, 10, types, values, nulls) == 0)
		execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
	worker_check_state(run->job, SPI_processed ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL);
	write_epochs(run);
	worker_commit(run->job);
	run->written_at = GetCurrentTimestamp();
}

/* Called by the core at least every 50 ms of work. */
static bool
on_stop(void *arg)
{
	CHECK_FOR_INTERRUPTS();
	xmcoh_documents_glance(((Run *) arg)->set.documents);
	return false;
}

/* Called by the core at least once per batch. */
static xmc_status
on_progress(void *arg, const xmc_train_progress *progress)
{
	Run		   *run = arg;

	CHECK_FOR_INTERRUPTS();
	if (!PostmasterIsAlive())
		proc_exit(1);
	xmcoh_documents_watch(run->set.documents);
	run->total = progress->total;
	run->round = progress->round;
	if (progress->epoch_ended)
		run->epoch[run->n_epochs++] = *progress;
	if (run->n_epochs == WAITING_EPOCHS ||
		TimestampDifferenceExceeds(run->written_at, GetCurrentTimestamp(), PROGRESS_MS))
		write_progress(run, progress);
	return XMC_OK;
}

/* ---- saving ---- */

static void
append_field(StringInfo out, const char *name, double value)
{
	if (out->data[out->len - 1] != '{')
		appendStringInfoString(out, ", ");
	appendStringInfo(out, "\"%s\": ", name);
	xmcoh_append_json_number(out, value);
}

/* model_version.report: what xmcoh.versions and xmcoh.evaluate read, and people */
static char *
make_report(const Run *run, const xmc_train_report *report)
{
	StringInfoData out;
	int64		pairs = 0;

	for (int32 d = 0; d < run->set.documents->n; d++)
		pairs += run->set.documents->document[d].n_pairs;
	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	append_field(&out, "documents", report->approved_documents);
	append_field(&out, "held_out_documents", report->held_out_documents);
	append_field(&out, "pool_documents", report->pool_documents);
	append_field(&out, "labelled_pairs", (double) pairs);
	append_field(&out, "ignored_pairs", (double) run->set.ignored_pairs);
	append_field(&out, "seed", run->options.seed);
	append_field(&out, "held_out_threshold", run->set.threshold);
	for (int e = 0; e < XMC_EVIDENCES; e++)
	{
		appendStringInfo(&out, ", \"%s\": {", xmcoh_evidence_name((xmc_evidence) e));
		append_field(&out, "tau", report->tau[e].mean);
		append_field(&out, "tau_low", report->tau[e].low);
		append_field(&out, "tau_high", report->tau[e].high);
		append_field(&out, "pair_accuracy", report->pair_accuracy[e]);
		append_field(&out, "calibration_error", report->calibration_error[e]);
		if (e < XMC_MODALITIES)
		{
			append_field(&out, "best_epoch", report->best_epoch[e]);
			append_field(&out, "train_loss", report->train_loss[e]);
			append_field(&out, "held_out_loss", report->held_out_loss[e]);
		}
		appendStringInfoChar(&out, '}');
	}
	if (report->alignment.documents > 0)
	{
		appendStringInfoString(&out, ", \"alignment\": {");
		append_field(&out, "documents", report->alignment.documents);
		append_field(&out, "accuracy", report->alignment.accuracy);
		append_field(&out, "chance", report->alignment.chance);
		appendStringInfoChar(&out, '}');
	}
	appendStringInfoChar(&out, '}');
	return out.data;
}

static char *
make_message(const Run *run, const xmc_train_report *report)
{
	StringInfoData out;
	const char *remark = xmcoh_crew_remark(run->crew);

	initStringInfo(&out);
	appendStringInfo(&out, "trained on %d documents, %d held out",
					 report->approved_documents - report->held_out_documents, report->held_out_documents);
	if (run->set.ignored_pairs > 0)
		appendStringInfo(&out, "; %lld approved pairs ignored: they name unknown documents or items",
						 (long long) run->set.ignored_pairs);
	if (remark)
		appendStringInfo(&out, "; %s", remark);
	return out.data;
}

/* The version, its deployment and the job's end: all or nothing. */
static void
save(Run *run, const xmc_model *model, const xmc_train_report *report)
{
	Oid			types[9] = {INT4OID, INT4OID, TEXTOID, FLOAT8OID, INT4OID, FLOAT8OID, FLOAT8OID, INT8OID, INT4OID};
	Datum		values[9];
	char		nulls[10] = "         ";
	const xmc_train_progress *last = run->n_epochs ? &run->epoch[run->n_epochs - 1] : NULL;
	double		tau = report->tau[XMC_EVIDENCE_FUSED].mean;
	uint64		found;
	int32		version;

	worker_begin(run->job, true);
	values[0] = Int32GetDatum(run->job->job_id);
	found = execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1 FOR UPDATE", SPI_OK_SELECT,
					1, types, values, NULL);
	worker_check_state(run->job, found ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL);

	write_epochs(run);
	write_rounds(run, report);
	version = xmcoh_store_version(run->job->model_id, model, run->job->job_id, make_report(run, report));
	values[1] = Int32GetDatum(version);
	values[2] = CStringGetTextDatum(make_message(run, report));
	values[3] = number_or_null(tau, &nulls[3]);
	values[4] = Int32GetDatum(run->job->model_id);
	values[5] = number_or_null(last ? last->train_loss : NAN, &nulls[5]);
	values[6] = number_or_null(last ? last->held_out_loss : NAN, &nulls[6]);
	values[7] = Int64GetDatum(run->total);
	values[8] = Int32GetDatum(run->round);
	if (run->deploy)
		execute("SELECT xmcoh.deploy(name, $2) FROM xmcoh.model WHERE model_id = $5", SPI_OK_SELECT,
				5, types, values, nulls);
	execute("UPDATE xmcoh.job_record SET state = 'succeeded', version = $2, message = $3, phase = 'done',"
			" train_loss = coalesce($6, train_loss), held_out_loss = coalesce($7, held_out_loss),"
			" held_out_tau = coalesce($4, held_out_tau), total = coalesce(total, $8), done = coalesce(total, $8),"
			" round = $9, finished_at = clock_timestamp() WHERE job_id = $1", SPI_OK_UPDATE, 9, types, values, nulls);
	worker_commit(run->job);
}

void
xmcoh_run_training(WorkerJob *job)
{
	Run			run = {.job = job};
	xmc_train_hooks hooks = {.arg = &run,.progress = on_progress};
	xmc_ctx		ctx = xmcoh_context();
	xmc_model  *model;
	xmc_train_report report;
	MemoryContext caller = CurrentMemoryContext;

	run.memory = AllocSetContextCreate(caller, "xmcoh training", ALLOCSET_DEFAULT_SIZES);
	run.building = AllocSetContextCreate(run.memory, "xmcoh document", ALLOCSET_DEFAULT_SIZES);
	read_job(&run);
	read_documents(&run);
	hold_out(&run);
	run.written_at = GetCurrentTimestamp();

	MemoryContextSwitchTo(run.memory);
	ctx.stop = on_stop;
	ctx.arg = &run;
	run.crew = xmcoh_crew_create(run.set.documents, job->job_id);
	hooks.slices = xmcoh_training_workers;
	hooks.crew = xmcoh_crew_callbacks(run.crew);
	XMCOH_TRY(xmc_train(&ctx, &run.options, run.set.documents->n, run.set.documents->document, run.set.held_out, &hooks,
						&model, &report), &ctx);
	save(&run, model, &report);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(run.memory);
}
