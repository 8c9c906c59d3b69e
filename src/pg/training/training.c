/*
 * training.c - one training run: documents and approved pairs in, core called, version out; see training.h
 *
 * Four kinds of transactions: one that reads (under one snapshot), many short ones that write progress, some that write a
 * checkpoint, one that saves (save.c). None is open while the core trains.
 */
#include "training/training.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/pairingheap.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "training/checkpoint.h"
#include "training/workers.h"
#include "training/document_file.h"
#include "source/pairs.h"
#include "training/save.h"
#include "source/source.h"
#include "base/statement.h"

#include "xmcoh/hash.h"
#include "xmcoh/seen.h"
#include "xmcoh/train.h"

#define PROGRESS_MS 500
#define WAITING_EPOCHS 100		/* epochs whose figures may wait to be written: tiny ones end a thousand times a second */

#define POOL_SEED UINT64_C(0x706f6f6c00000000)

/* A document of the pool, those without labels. */
typedef struct PoolDocument
{
	pairingheap_node node;		/* the highest hash comes first */
	uint64		hash;			/* of its key and the seed */
	int32		number;			/* in documents */
} PoolDocument;

/* What training is given: all documents that have labels, and the pool, with their keys. */
typedef struct TrainingSet
{
	Documents  *documents;
	int32		capacity;		/* of key */
	char	  **key;			/* (documents->n); NULL while they are read: it has left the pool again */
	pairingheap *pool;			/* of PoolDocument; NULL: training has no use for one */
	bool		all_sources;	/* whose documents without labels are read */
	List	   *sources;		/* else: those of these relations */
	int32		n_pool;
	uint8	   *held_out;		/* (documents->n) */
	double		threshold;		/* a document is held out when xmc_held_out says so of its key, the seed and this */
	int64		ignored_pairs;
} TrainingSet;

typedef struct Run
{
	WorkerJob  *job;
	xmc_options options;
	char	   *on_success;		/* 'deploy', 'challenge' or 'keep' */
	TrainingSet set;
	MemoryContext memory;		/* documents; also the core's, while it trains */
	MemoryContext building;		/* one document while it is built */
	Workers	   *workers;
	TimestampTz written_at;		/* progress was, last */
	const char *phase;			/* as it was written then; one of the core's constants */
	xmc_train_progress epoch[WAITING_EPOCHS];	/* ended since then */
	int			n_epochs;
	xmc_train_progress progress;	/* as last told */
	int32		shards;
	bool		resuming;		/* from a checkpoint, which has not been loaded yet */
	int64		done_before;	/* work units that were done when this worker began */
	int64		saved_done;		/* and at the last checkpoint */
	Checkpoint	checkpoint;
	char	   *note;			/* for the job's message; NULL: nothing to say */
} Run;

/* Something about this run that the job's message says now, and to its end. */
static void
note(Run *run, char *text)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		values[2];

	run->note = MemoryContextStrdup(run->memory, text);
	worker_begin(run->job, false);
	values[0] = Int32GetDatum(run->job->job_id);
	values[1] = CStringGetTextDatum(run->note);
	execute("UPDATE xmcoh.job_record SET message = $2 WHERE job_id = $1", SPI_OK_UPDATE, 2, types, values, NULL);
	worker_commit(run->job);
}

/* Training is not continued after all: what the interrupted one has left goes, and the job says why. */
static void
begin_anew(Run *run, const char *why)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(run->job->job_id)};

	worker_begin(run->job, false);
	execute("DELETE FROM xmcoh.job_checkpoint WHERE job_id = $1", SPI_OK_DELETE, 1, types, values, NULL);
	execute("DELETE FROM xmcoh.training_metric WHERE job_id = $1", SPI_OK_DELETE, 1, types, values, NULL);
	worker_commit(run->job);
	run->resuming = false;
	note(run, psprintf("began anew: %s", why));
}

/* ---- reading ---- */

/* The options of the model with those of the job over them; and from now on the job is running. */
static void
read_job(Run *run)
{
	Oid			types[3] = {INT4OID, INT4OID, OIDOID};
	Datum		values[3] = {Int32GetDatum(run->job->job_id), Int32GetDatum(xmcoh_training_workers),
	ObjectIdGetDatum(run->job->role)};
	bool		is_null;
	Jsonb	   *options;
	bool		was_interrupted;

	worker_begin(run->job, true);
	if (execute("UPDATE xmcoh.job_record AS j SET state = 'running', phase = 'reading', slices = coalesce(j.slices, $2)"
				" FROM xmcoh.model AS m WHERE j.job_id = $1 AND j.state = 'starting' AND m.model_id = j.model_id"
				" RETURNING m.image_dim, m.text_dim, m.words, m.options || j.options, j.on_success, j.slices,"
				" j.resumed_at IS NOT NULL,"
				" EXISTS (SELECT FROM xmcoh.job_checkpoint AS c WHERE c.job_id = j.job_id), m.name,"
				" xmcoh_internal.may(m.owner, m.model_id, 'train', $3)",
				SPI_OK_UPDATE_RETURNING, 3, types, values, NULL) == 0)
	{
		uint64		found = execute("SELECT state FROM xmcoh.job_record WHERE job_id = $1", SPI_OK_SELECT,
									1, types, values, NULL);

		worker_check_state(run->job, found ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL);
		worker_give_up(run->job);
	}
	options = DatumGetJsonbP(first_value(4, &is_null));
	xmcoh_make_options(DatumGetInt32(first_value(1, &is_null)), DatumGetInt32(first_value(2, &is_null)),
					   DatumGetBool(first_value(3, &is_null)), options, &run->options);
	run->on_success = MemoryContextStrdup(run->memory, TextDatumGetCString(first_value(5, &is_null)));
	run->shards = DatumGetInt32(first_value(6, &is_null));
	was_interrupted = DatumGetBool(first_value(7, &is_null));
	run->resuming = was_interrupted && DatumGetBool(first_value(8, &is_null));
	worker_check_submitter(run->job, DatumGetBool(first_value(10, &is_null)), first_text(9));
	worker_commit(run->job);
	if (was_interrupted && !run->resuming)
		begin_anew(run, "there is no checkpoint");
}

/* ---- the pool ----
 *
 * Its sample is the pool_documents documents with the lowest hashes: the same ones in whatever order they come, without
 * knowing how many will come. Those that lower ones push out stay in the file: with a sample of k of n, k (1 + ln(n / k))
 * documents go there.
 */

static int
compare_pooled(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	const PoolDocument *pa = pairingheap_const_container(PoolDocument, node, a);
	const PoolDocument *pb = pairingheap_const_container(PoolDocument, node, b);

	(void) arg;
	return pa->hash != pb->hash ? (pa->hash > pb->hash ? 1 : -1) : (pa->number > pb->number) - (pa->number < pb->number);
}

static uint64
pool_hash(const Run *run, const char *key)
{
	return xmc_hash_bytes(key, strlen(key), (uint64) run->options.seed + POOL_SEED);
}

static bool
pool_takes(const Run *run, uint64 hash)
{
	const TrainingSet *set = &run->set;

	return set->n_pool < run->options.pool_documents ||
		hash < pairingheap_container(PoolDocument, node, pairingheap_first(set->pool))->hash;
}

/* The document that is appended next goes into the pool, and if that is full the one with the highest hash goes out. */
static void
add_to_pool(Run *run, uint64 hash)
{
	TrainingSet *set = &run->set;
	PoolDocument *pooled;

	if (set->n_pool < run->options.pool_documents)
	{
		pooled = MemoryContextAlloc(run->memory, sizeof(PoolDocument));
		set->n_pool++;
	}
	else
	{
		pooled = pairingheap_container(PoolDocument, node, pairingheap_remove_first(set->pool));
		pfree(set->key[pooled->number]);
		set->key[pooled->number] = NULL;
	}
	pooled->hash = hash;
	pooled->number = set->documents->n;
	pairingheap_add(set->pool, &pooled->node);
}

/* After the documents have been mapped: those that have left the pool are no documents of this training. */
static void
forget_pushed_out(TrainingSet *set)
{
	Documents  *documents = set->documents;
	int32		kept = 0;

	for (int32 d = 0; d < documents->n; d++)
		if (set->key[d] != NULL)
		{
			set->key[kept] = set->key[d];
			documents->document[kept++] = documents->document[d];
		}
	documents->n = kept;
}

/*
 * The sources as they were defined when the job was submitted, or it is not for them: nobody who can define a source otherwise
 * has a job of somebody else read it. They are locked against that until they are read. Also which of them are for the pool.
 */
static void
check_sources(Run *run)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(run->job->job_id)};
	bool		is_null;
	uint64		n;
	MemoryContext spi;

	n = execute("SELECT xmcoh_internal.object_oid(s.relation) FROM xmcoh.job_record AS j,"
				" LATERAL (SELECT d.relation FROM xmcoh.source_record AS d WHERE d.model_id = j.model_id UNION ALL"
				" SELECT p.relation FROM xmcoh.pair_source_record AS p WHERE p.model_id = j.model_id) AS s"
				" WHERE j.job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
	for (uint64 k = 0; k < n; k++)
	{
		Oid			relation = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 1, &is_null));

		if (!is_null)
			LockRelationOid(relation, AccessShareLock);
	}
	if (execute("SELECT FROM xmcoh.job_record AS j WHERE j.job_id = $1"
				" AND xmcoh_internal.is_defined_as(j.model_id, j.source_definition)", SPI_OK_SELECT, 1, types, values, NULL) == 0)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the sources of the model are defined otherwise than when the job was submitted"),
				errhint("Train anew with xmcoh.train."));

	n = execute("SELECT j.unlabelled IS NULL, xmcoh_internal.object_oid(u) FROM xmcoh.job_record AS j"
				" LEFT JOIN unnest(j.unlabelled) AS u ON true WHERE j.job_id = $1", SPI_OK_SELECT, 1, types, values, NULL);
	run->set.all_sources = DatumGetBool(first_value(1, &is_null));
	spi = MemoryContextSwitchTo(run->memory);
	for (uint64 k = 0; k < n; k++)
	{
		Oid			relation = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[k], SPI_tuptable->tupdesc, 2, &is_null));

		if (!is_null)
			run->set.sources = lappend_oid(run->set.sources, relation);
	}
	MemoryContextSwitchTo(spi);
}

/* Whether a source's documents without approved pairs are wanted. */
static bool
is_pool_source(const TrainingSet *set, Oid relation)
{
	return set->pool != NULL && (set->all_sources || list_member_oid(set->sources, relation));
}

/* ---- documents ---- */

static void
add_document(Run *run, xmc_ctx *ctx, ApprovedPairs *pairs, const SourceDocument *source, bool pool)
{
	TrainingSet *set = &run->set;
	uint64		hash = pool_hash(run, source->key);
	MemoryContext caller;
	xmc_document document;

	pool = pool && pool_takes(run, hash);
	if (!source->approved && !xmcoh_has_pairs(pairs, source->key) && !pool)
		return;
	caller = MemoryContextSwitchTo(run->building);
	XMCOH_TRY(xmc_document_build(ctx, &run->options, xmcoh_tokeniser(), source->n, source->item, &document), ctx);
	xmcoh_label_document(ctx, pairs, source, &document);
	pool = pool && xmc_can_be_guided(&document);
	if (document.n_pairs > 0 || pool)
	{
		if (set->documents->n == set->capacity)
		{
			set->capacity *= 2;
			set->key = repalloc_huge(set->key, set->capacity * sizeof(char *));
		}
		if (pool)
			add_to_pool(run, hash);
		set->key[set->documents->n] = MemoryContextStrdup(run->memory, source->key);
		xmcoh_documents_append(set->documents, &document);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextReset(run->building);
}

/* All labelled documents of all sources, and the pool, in one transaction and under one snapshot. */
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
	check_sources(run);
	worker_become_submitter(run->job);
	caller = MemoryContextSwitchTo(run->memory);
	set->documents = xmcoh_documents_create(&run->options);
	set->pool = xmc_wants_pool(&run->options) ? pairingheap_allocate(compare_pooled, NULL) : NULL;
	MemoryContextSwitchTo(caller);
	pairs = xmcoh_read_pairs(run->job->model_id);
	xmcoh_refuse_cycles(pairs);
	sources = xmcoh_source_columns(run->job->model_id, InvalidOid);
	foreach(cell, sources)
	{
		const SourceColumns *columns = lfirst(cell);
		bool		pool = is_pool_source(set, columns->relation);
		SourceReader *reader = xmcoh_source_open(columns, &run->options, NULL);
		const SourceDocument *document;

		while ((document = xmcoh_source_next(reader)) != NULL)
			add_document(run, &ctx, pairs, document, pool);
		xmcoh_source_close(reader);
	}
	set->ignored_pairs = xmcoh_ignored_pairs(pairs);
	xmcoh_documents_map(set->documents);
	forget_pushed_out(set);
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

/* Who has approved pairs that name nothing must be told that, not that documents are missing. Else the core refuses. */
static void
refuse_ignored_pairs(const TrainingSet *set)
{
	int32		approved = count_held_out(set, 0, 1);	/* all */

	if (approved < XMC_MIN_APPROVED_DOCUMENTS && set->ignored_pairs > 0)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("%d approved documents, %d are needed; %lld approved pairs name unknown documents or items", approved,
					   XMC_MIN_APPROVED_DOCUMENTS, (long long) set->ignored_pairs),
				errhint("The documents and items of pairs are compared with those of the sources as text."));
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
	if (count_held_out(set, run->options.seed, 1) >= XMC_MIN_APPROVED_DOCUMENTS &&
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

static const char *const modality_name[XMC_MODALITIES + 1] = {"text", "image", "fused"};

static void
write_metric(Run *run, const xmc_train_progress *progress, const char *metric, double value)
{
	static SPIPlanPtr plan = NULL;	/* small trainings end an epoch in less time than it takes to plan this */
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
	if (plan == NULL)
	{
		/* A resumed job does the epochs since its checkpoint again. */
		plan = SPI_prepare("INSERT INTO xmcoh.training_metric (job_id, phase, modality, epoch, metric, value, round)"
						   " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (job_id, round, phase, epoch, metric)"
						   " DO UPDATE SET value = excluded.value", 7, types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare to write xmcoh.training_metric: %s", SPI_result_code_string(SPI_result));
	}
	if (SPI_execute_plan(plan, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write xmcoh.training_metric");
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
 * If somebody holds the row (cancel_job in a transaction still open), this write is left out rather than waited for. The
 * losses of the last epoch stay until the next one ends. At a checkpoint the job has moved on: its attempts are counted
 * anew.
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
	worker_check_state(run->job, SPI_processed ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL);
	write_epochs(run);
}

static void
write_progress(Run *run)
{
	worker_begin(run->job, false);
	update_progress(run, false);
	worker_commit(run->job);
	run->written_at = GetCurrentTimestamp();
	run->phase = run->progress.phase;
}

/* Called by the core at least every 50 ms of work. */
static bool
on_stop(void *arg)
{
	(void) xmcoh_stop(NULL);
	xmcoh_documents_glance(((Run *) arg)->set.documents);
	return false;
}

/* Called by the core at least once per batch. */
static xmc_status
on_progress(void *arg, const xmc_train_progress *progress)
{
	Run		   *run = arg;

	CHECK_FOR_INTERRUPTS();
	xmcoh_documents_watch(run->set.documents);
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
	/* A phase is told at its beginning: it may be long and tell nothing more, as calibrating does. */
	else if (progress->phase != run->phase || run->n_epochs == WAITING_EPOCHS ||
			 TimestampDifferenceExceeds(run->written_at, GetCurrentTimestamp(), PROGRESS_MS))
		write_progress(run);
	return XMC_OK;
}

/* ---- checkpoints: hooks of the core ---- */

/* One that does not move on is none: a job that always dies in its first epoch must not look as if it did. */
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
		update_progress(run, true);	/* so that no epoch before the checkpoint lacks its figures */
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

	worker_begin(run->job, false);	/* temporary files are made in a transaction */
	memory = xmcoh_documents_spill(run->set.documents, size);
	worker_commit(run->job);
	return memory;
}

/* What the last transaction of a job still has to write of it. */
static void
write_figures(void *arg, const xmc_train_report *report)
{
	Run		   *run = arg;

	write_epochs(run);
	write_rounds(run, report);
}

static xmc_status
train(Run *run, xmc_ctx *ctx, const xmc_train_hooks *hooks, xmc_model **model, xmc_train_report *report)
{
	return xmc_train(ctx, &run->options, run->set.documents->n, run->set.documents->document, run->set.held_out, hooks, model,
					 report);
}

void
xmcoh_run_training(WorkerJob *job)
{
	Run			run = {.job = job};
	xmc_train_hooks hooks = {.arg = &run,.progress = on_progress,.checkpoint_due = on_checkpoint_due,
		.write = on_checkpoint_write,.spill = on_spill};
	xmc_ctx		ctx = xmcoh_context();
	xmc_model  *model;
	xmc_train_report report;
	xmc_status	status;
	const char *remark;
	MemoryContext caller = CurrentMemoryContext;

	run.memory = AllocSetContextCreate(caller, "xmcoh training", ALLOCSET_DEFAULT_SIZES);
	run.building = AllocSetContextCreate(run.memory, "xmcoh document", ALLOCSET_DEFAULT_SIZES);
	read_job(&run);
	read_documents(&run);
	refuse_ignored_pairs(&run.set);
	hold_out(&run);
	run.written_at = GetCurrentTimestamp();

	MemoryContextSwitchTo(run.memory);
	ctx.stop = on_stop;
	ctx.arg = &run;
	xmcoh_checkpoint_init(&run.checkpoint, job);
	hooks.shards = run.shards;
	run.workers = xmcoh_workers_create(run.set.documents, job->job_id);
	hooks.workers = xmcoh_workers_callbacks(run.workers);
	hooks.read = run.resuming ? on_checkpoint_read : NULL;
	status = train(&run, &ctx, &hooks, &model, &report);
	if (hooks.read && (status == XMC_BAD_MODEL || status == XMC_CHANGED))
	{
		begin_anew(&run, ctx.message);
		xmcoh_documents_forget_spilled(run.set.documents);
		hooks.read = NULL;
		status = train(&run, &ctx, &hooks, &model, &report);
	}
	XMCOH_TRY(status, &ctx);
	XMCOH_TRY(xmc_seen_fill(&ctx, model, run.set.documents->n, run.set.documents->document, run.set.key, run.set.held_out),
			  &ctx);
	remark = xmcoh_workers_remark(run.workers);
	if (remark)
		run.note = run.note ? psprintf("%s; %s", run.note, remark) : pstrdup(remark);
	xmcoh_save(&(FinishedTraining) {
		.job = job,.ctx = &ctx,.options = &run.options,.on_success = run.on_success,.model = model,.report = &report,
		.n = run.set.documents->n,.document = run.set.documents->document,.key = run.set.key,
		.held_out = run.set.held_out,.held_out_threshold = run.set.threshold,.ignored_pairs = run.set.ignored_pairs,
		.last = run.n_epochs ? &run.epoch[run.n_epochs - 1] : NULL,.total = run.progress.total,.round = run.progress.round,
		.note = run.note,.write_figures = write_figures,.arg = &run
	});
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(run.memory);
}
