/*
 * training.c - one training run: reads documents, calls the core, writes progress and checkpoints, saves the version;
 * see training.h
 *
 * There are four kinds of transactions: one reads (training_set.c), many short ones write progress, some write a checkpoint
 * (checkpoint.c), one saves (save.c). None is open while the core trains.
 */
#include "training/training.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/statement.h"
#include "model/encoders.h"
#include "training/checkpoint.h"
#include "training/save.h"
#include "training/training_job.h"
#include "training/workers.h"

#include "xmcoh/hash.h"
#include "xmcoh/results.h"
#include "xmcoh/seen.h"
#include "xmcoh/train.h"

#define PROGRESS_MS 500			/* between two writes of progress within a phase */
#define WAITING_EPOCHS 100		/* epochs whose figures may wait to be written: tiny ones end a thousand times a second */

typedef struct Run
{
	WorkerJob  *job;
	TrainingJob of;
	TrainingSet set;
	MemoryContext memory;		/* of the documents, and of the core while it trains */
	Workers	   *workers;
	TimestampTz written_at;		/* when progress was written last */
	const char *phase;			/* the phase that was written then; one of the core's constants */
	xmc_train_progress epoch[WAITING_EPOCHS];	/* that have ended since then */
	int			n_epochs;
	xmc_train_progress progress;	/* the last report of the core */
	bool		resuming;		/* from a checkpoint, which the core has not loaded yet */
	int64		done_before;	/* work units that were done when this worker began */
	int64		saved_done;		/* work units that were done at the last checkpoint */
	Checkpoint	checkpoint;
	char	   *note;			/* for the job's message; NULL: nothing to say */
} Run;

/* Keeps a remark about this run, for the job's message now and at its end. */
static void
note(Run *run, char *text)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		values[2];

	run->note = MemoryContextStrdup(run->memory, text);
	worker_begin(false);
	values[0] = Int32GetDatum(run->job->job_id);
	values[1] = CStringGetTextDatum(run->note);
	execute("UPDATE xmcoh.job_record SET message = $2 WHERE job_id = $1", SPI_OK_UPDATE, 2, types, values, NULL);
	worker_commit();
}

/* The interrupted training is not continued: what it has stored is removed, and the job's message says why. */
static void
begin_anew(Run *run, const char *why)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(run->job->job_id)};

	worker_begin(false);
	execute("DELETE FROM xmcoh.job_checkpoint WHERE job_id = $1", SPI_OK_DELETE, 1, types, values, NULL);
	execute("DELETE FROM xmcoh.training_metric WHERE job_id = $1", SPI_OK_DELETE, 1, types, values, NULL);
	worker_commit();
	run->resuming = false;
	note(run, psprintf("began anew: %s", why));
}

/* ---- progress ---- */

static const char *const modality_name[XMC_MODALITIES + 1] = {"text", "image", "fused"};

static void
write_metric(Run *run, const xmc_train_progress *progress, const char *metric, double value)
{
	static SPIPlanPtr plan = NULL;	/* kept: an epoch of a small training is shorter than the planning of this */
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
	/* A resumed job repeats the epochs since its checkpoint. */
	prepared(&plan, "INSERT INTO xmcoh.training_metric (job_id, phase, modality, epoch, metric, value, round)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (job_id, round, phase, epoch, metric)"
			 " DO UPDATE SET value = excluded.value", 7, types);
	if (SPI_execute_plan(plan, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write xmcoh.training_metric");
}

/* Writes the figures of the epochs that have ended since the last write. */
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

/* Writes what each round did: one row per figure. The view xmcoh.training_round shows one row per round. */
static void
write_rounds(Run *run, const xmc_train_report *report)
{
	for (int k = 0; k < report->n_rounds; k++)
	{
		const xmc_round_report *round = &report->round[k];
		xmc_train_progress at = {.round = round->round,.modality = round->pupil,
			.phase = round->pupil == XMC_IMAGE ? "text teaches image" : "image teaches text"};

		write_metric(run, &at, "documents", round->documents);
		write_metric(run, &at, "threshold", round->weak.threshold);
		write_metric(run, &at, "selected", round->weak.selected);
		write_metric(run, &at, "selected_precision", round->weak.selected_precision);
		write_metric(run, &at, "pool_agreement", round->weak.agreement);
		write_metric(run, &at, "tau_before", round->tau_before);
		write_metric(run, &at, "tau_after", round->tau_after);
		write_metric(run, &at, "difference_low", round->difference_low);
		write_metric(run, &at, "difference_high", round->difference_high);
		write_metric(run, &at, "loss_before", round->loss_before);
		write_metric(run, &at, "loss_after", round->loss_after);
		write_metric(run, &at, "fused_tau_before", round->fused_tau_before);
		write_metric(run, &at, "fused_tau_after", round->fused_tau_after);
		write_metric(run, &at, "fused_low", round->fused_low);
		write_metric(run, &at, "fused_high", round->fused_high);
		write_metric(run, &at, "guided_tau_before", round->guided_tau_before);
		write_metric(run, &at, "guided_tau_after", round->guided_tau_after);
		write_metric(run, &at, "flips", round->flips);
		write_metric(run, &at, "agreement_before", round->agreement_before);
		write_metric(run, &at, "agreement_after", round->agreement_after);
		write_metric(run, &at, "kept", round->kept);
	}
}

/*
 * Writes progress into the job's row. If another transaction has locked the row (cancel_job in a transaction that is still
 * open), this write is left out, so that training does not wait. The losses of the last epoch stay until the next epoch
 * ends. A checkpoint sets attempts to 0, because the job has moved on.
 */
static void
update_progress(Run *run, bool at_checkpoint)
{
	const xmc_train_progress *progress = &run->progress;
	Oid			types[12] = {INT4OID, TEXTOID, INT4OID, INT4OID, INT8OID, INT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID,
		INT4OID, INT8OID, BOOLOID};
	Datum		values[12];
	char		nulls[13] = "            ";
	const xmc_train_progress *last = run->n_epochs ? &run->epoch[run->n_epochs - 1] : NULL;

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
	values[10] = Int64GetDatum(run->done_before);
	values[11] = BoolGetDatum(at_checkpoint);
	if (execute("WITH mine AS (SELECT job_id FROM xmcoh.job_record WHERE job_id = $1 FOR NO KEY UPDATE SKIP LOCKED)"
				" UPDATE xmcoh.job_record AS j SET phase = $2, epoch = $3, epochs = $4, done = $5, total = $6,"
				" train_loss = coalesce($7, j.train_loss), held_out_loss = coalesce($8, j.held_out_loss),"
				" held_out_tau = coalesce($9, j.held_out_tau), round = $10, done_before = $11,"
				" attempts = CASE WHEN $12 THEN 0 ELSE j.attempts END"
				" FROM mine WHERE j.job_id = mine.job_id RETURNING j.state",
				SPI_OK_UPDATE_RETURNING, 12, types, values, nulls) == 0)
		execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
	worker_check_state(run->job, first_text(1));
	write_epochs(run);
}

static void
write_progress(Run *run)
{
	worker_begin(false);
	update_progress(run, false);
	worker_commit();
	run->written_at = GetCurrentTimestamp();
	run->phase = run->progress.phase;
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

/* Called by the core at least once per batch. */
static xmc_status
on_progress(void *arg, const xmc_train_progress *progress)
{
	Run		   *run = arg;

	CHECK_FOR_INTERRUPTS();
	xmcoh_documents_trim();
	run->progress = *progress;
	if (progress->epoch_ended)
		run->epoch[run->n_epochs++] = *progress;
	if (run->resuming)
	{
		/* The checkpoint has just been loaded. */
		run->resuming = false;
		run->done_before = run->saved_done = progress->done;
		write_progress(run);
	}
	/* A phase is written at its beginning: some phases, such as calibration, are long and report nothing more. */
	else if (progress->phase != run->phase || run->n_epochs == WAITING_EPOCHS ||
			 TimestampDifferenceExceeds(run->written_at, GetCurrentTimestamp(), PROGRESS_MS))
		write_progress(run);
	return XMC_OK;
}

/* Called before the first batch of texts is encoded, and after each. */
static void
on_texts(void *arg, int64 done, int64 total)
{
	Run		   *run = arg;

	run->progress = (xmc_train_progress) {.phase = "embedding texts",.done = done,.total = total};
	if (done == 0 || TimestampDifferenceExceeds(run->written_at, GetCurrentTimestamp(), PROGRESS_MS))
		write_progress(run);
}

/* ---- checkpoints: hooks of the core ---- */

/*
 * A checkpoint without new work is not written, because it would set the job's attempts to 0: a job that always dies in its
 * first epoch must reach XMCOH_MAX_ATTEMPTS.
 */
static bool
on_checkpoint_due(void *arg, int64_t bytes)
{
	Run		   *run = arg;

	if (run->progress.done <= run->saved_done || !xmcoh_checkpoint_is_due(&run->checkpoint, bytes))
		return false;
	xmcoh_checkpoint_begin(&run->checkpoint);
	return true;
}

static xmc_status
on_checkpoint_write(void *arg, const void *data, size_t size)
{
	Run		   *run = arg;
	MemoryContext caller = CurrentMemoryContext;

	if (data)
		xmcoh_checkpoint_write(&run->checkpoint, data, size);
	else if (xmcoh_checkpoint_end(&run->checkpoint))
	{
		update_progress(run, true);	/* in the same transaction, so that no epoch before the checkpoint lacks its figures */
		xmcoh_checkpoint_commit(&run->checkpoint);
		run->written_at = GetCurrentTimestamp();
		run->saved_done = run->progress.done;
	}
	else
		note(run, psprintf("could not write a checkpoint: %s", run->checkpoint.error));
	MemoryContextSwitchTo(caller);
	return XMC_OK;
}

static xmc_status
on_checkpoint_read(void *arg, void *data, size_t size, size_t *got)
{
	*got = xmcoh_checkpoint_read(&((Run *) arg)->checkpoint, data, size);
	return XMC_OK;
}

static void *
on_spill(void *arg, size_t size)
{
	Run		   *run = arg;
	void	   *memory;

	worker_begin(false);		/* temporary files are created in a transaction */
	memory = xmcoh_documents_spill(run->set.documents, size);
	worker_commit();
	return memory;
}

/* What is left to write in the last transaction of a job. */
static void
write_figures(void *arg, const xmc_train_report *report)
{
	Run		   *run = arg;

	write_epochs(run);
	write_rounds(run, report);
}

/* ---- the run ---- */

static void
start(Run *run)
{
	xmcoh_start_training_job(run->job, run->memory, &run->of);
	run->resuming = run->of.was_interrupted && run->of.has_checkpoint;
	run->of.encoder.progress = on_texts;
	run->of.encoder.arg = run;
	if (run->of.was_interrupted && !run->resuming)
		begin_anew(run, "there is no checkpoint");
}

static xmc_status
train(Run *run, xmc_ctx *ctx, const xmc_train_hooks *hooks, xmc_model **model, xmc_train_report *report)
{
	return xmc_train(ctx, &run->of.options, run->set.documents->n, run->set.documents->document, run->set.held_out, hooks, model,
					 report);
}

/* Trains from the checkpoint, if there is one that fits; else from the beginning. */
static void
train_or_resume(Run *run, xmc_ctx *ctx, xmc_model **model, xmc_train_report *report)
{
	xmc_train_hooks hooks = {.arg = run,.progress = on_progress,.checkpoint_due = on_checkpoint_due,
		.write = on_checkpoint_write,.spill = on_spill,.shards = run->of.shards,.encoder = run->of.base_encoder,
		.n_texts = run->set.n_texts,.text = run->set.text,
		.workers = xmcoh_workers_callbacks(run->workers),.read = run->resuming ? on_checkpoint_read : NULL};
	xmc_status	status = train(run, ctx, &hooks, model, report);

	/* The checkpoint is damaged, or of other documents or options. */
	if (hooks.read && (status == XMC_BAD_MODEL || status == XMC_CHANGED))
	{
		begin_anew(run, ctx->message);
		xmcoh_documents_forget_spilled(run->set.documents);
		hooks.read = NULL;
		status = train(run, ctx, &hooks, model, report);
	}
	XMCOH_TRY(status, ctx);
}

void
xmcoh_run_training(WorkerJob *job)
{
	Run			run = {.job = job};
	xmc_ctx		ctx = xmcoh_context();
	xmc_model  *model;
	xmc_train_report report;
	const char *remark;
	MemoryContext caller = CurrentMemoryContext;

	/* What is trained on. */
	run.memory = AllocSetContextCreate(caller, "xmcoh training", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(run.memory);
	start(&run);
	xmcoh_read_training_set(job, &run.of.options, &run.of.encoder, &run.set);
	xmcoh_hold_out(&run.set);
	run.written_at = GetCurrentTimestamp();
	run.progress = (xmc_train_progress) {0};

	/* Training. */
	ctx.stop = on_stop;
	ctx.arg = &run;
	xmcoh_checkpoint_init(&run.checkpoint, job);
	run.workers = xmcoh_workers_create(run.set.documents, job->job_id,
									   run.of.shares_encoder ? &run.of.shared_encoder : NULL);
	train_or_resume(&run, &ctx, &model, &report);

	/* What made the embeddings, and what the version has learned from, by the refit too, for xmcoh.evaluate. */
	memcpy(model->encoder, run.of.encoder_name, sizeof run.of.encoder_name);
	XMCOH_TRY(xmc_seen_fill_groups(&ctx, model, run.set.documents->n, run.set.documents->document, run.set.given_group,
								   run.set.held_out), &ctx);
	XMCOH_TRY(xmc_seen_fill(&ctx, model, run.set.documents->n, run.set.documents->document, run.set.key, run.set.held_out),
			  &ctx);

	xmc_results_name(model, run.set.key);

	remark = xmcoh_workers_remark(run.workers);
	if (remark)
		run.note = run.note ? psprintf("%s; %s", run.note, remark) : pstrdup(remark);
	xmcoh_save(&(FinishedTraining) {
		.job = job,.ctx = &ctx,.options = &run.of.options,.on_success = run.of.on_success,.model = model,.report = &report,
		.n = run.set.documents->n,.document = run.set.documents->document,.key = run.set.key,
		.group = run.set.group,.has_groups = run.set.has_groups,
		.found = run.set.groups_found ? &run.set.found : NULL,
		.held_out = run.set.held_out,.held_out_rule = run.set.rule,.ignored_pairs = run.set.ignored_pairs,
		.stale_decisions = run.set.stale_decisions,
		.last = run.n_epochs ? &run.epoch[run.n_epochs - 1] : NULL,.total = run.progress.total,.round = run.progress.round,
		.note = run.note,.write_figures = write_figures,.arg = &run
	});
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(run.memory);
}
