/*
 * evaluate.c - the SQL function evaluate: how good the recovered orders of a model are against the stored orders.
 *
 * A version is better on the documents that it was trained on than on others, and on new documents of groups that it was trained
 * on than on new groups. So these sets of documents have rows of their own.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/xmcoh.h"
#include "model/versions.h"
#include "query/arguments.h"
#include "query/bulk.h"
#include "query/encoded.h"
#include "query/metrics.h"
#include "query/tally.h"
#include "source/decisions.h"

#include "xmcoh/align.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/hash.h"
#include "xmcoh/metrics.h"
#include "xmcoh/order.h"
#include "xmcoh/results.h"
#include "xmcoh/seen.h"

PG_FUNCTION_INFO_V1(xmcoh_evaluate);

/* Documents that are evaluated together. */
typedef enum DocumentSet
{
	UNSEEN,						/* the model was not trained on them, or that is not recorded */
	KNOWN_GROUP,				/* the same, but on other documents of their groups */
	SEEN,						/* the model was trained on them */
	DOCUMENT_SETS
} DocumentSet;

typedef struct Evaluation
{
	MemoryContext memory;
	const xmc_model *model;		/* of the version; with held_out_only as it was measured, before the refit */
	bool		inferred;		/* the alignment of every document is inferred */
	bool		held_out_only;
	HeldOutRule held_out;		/* with held_out_only */
	bool		from_record;	/* the first XMC_RESULT_KINDS kinds of score are those of the version's record */
	const Decisions *decisions;
	ByGroups   *by;				/* the groups of the documents by the caller's column */
	int32		documents[DOCUMENT_SETS];
	Tally		tally[DOCUMENT_SETS][XMC_SCORE_KINDS];
} Evaluation;

/* The filter: documents with a stored order, and with held_out_only those that are approved and were held out. */
static bool
is_evaluated(void *arg, const SourceDocument *document)
{
	const Evaluation *evaluation = arg;

	if (document->order == NULL)
		return false;
	return !evaluation->held_out_only
		|| (document->approved && xmcoh_was_held_out(&evaluation->held_out, evaluation->model, document->key,
													 xmcoh_source_group_name(document)));
}

/* The pairs of items that people have decided to have no order, as a matrix (n, n); NULL: there is none. */
static uint8 *
free_pairs(const Evaluation *evaluation, const BulkDocument *scored)
{
	const Decisions *decisions = evaluation->decisions;
	Size		n = (Size) scored->document.n;
	uint8	   *either = NULL;

	for (int64 d = xmcoh_first_of_document(decisions->decision, decisions->n, sizeof(Decision), scored->key);
		 d < decisions->n && strcmp(decisions->decision[d].document, scored->key) == 0; d++)
	{
		const Decision *decision = &decisions->decision[d];
		bool		is_free = decision->kind == DECISION_EITHER && decision->n == 2;
		int32		a = is_free ? xmcoh_scored_item(scored, decision->item[0]) : -1;
		int32		b = is_free ? xmcoh_scored_item(scored, decision->item[1]) : -1;

		if (a < 0 || b < 0)
			continue;
		if (either == NULL)
			either = palloc0(n * n);
		either[a * n + b] = either[b * n + a] = 1;
	}
	return either;
}

/*
 * Measures an order of m items of the document, order[k] the item at place k, against its stored positions. Items without a
 * position do not count, because their right place is not known. Returns how many count.
 */
static int32
measure_order(const BulkDocument *scored, const uint8 *either, int32 m, const int32 *order, xmc_order_quality *quality)
{
	Size		n = (Size) scored->document.n;
	int32	   *item = palloc(sizeof(int32) * Max(m, 1));	/* (placed) */
	double	   *position = palloc(sizeof(double) * Max(m, 1));
	uint8	   *among = NULL;	/* (placed, placed) */
	xmc_ctx		ctx = xmcoh_context();
	int32		placed = 0;

	for (int32 k = 0; k < m; k++)
		if (!isnan(scored->position[order[k]]))
		{
			item[placed] = order[k];
			position[placed++] = scored->position[order[k]];
		}
	if (either != NULL)
	{
		among = palloc((Size) placed * placed + 1);
		for (int32 a = 0; a < placed; a++)
			for (int32 b = 0; b < placed; b++)
				among[(Size) a * placed + b] = either[item[a] * n + item[b]];
	}
	if (placed > 0)
		XMCOH_TRY(xmc_measure_order(&ctx, placed, position, among, quality), &ctx);
	return placed;
}

/*
 * Evaluates one kind of score on one document, over the items that this kind covers: those that hold its modality; for the
 * fused score all, unless none of them has anything that the model reads. Items without a position are ordered too, but do
 * not count. either (n, n): pairs without an order, which count neither; or NULL.
 */
static void
evaluate_score_kind(Evaluation *evaluation, DocumentSet set, const BulkDocument *scored, const uint8 *either,
					xmc_score_kind kind)
{
	const xmc_document *document = &scored->document;
	Tally	   *tally = &evaluation->tally[set][kind];
	int32		by = xmcoh_by_number(evaluation->by, scored->by);
	xmc_reliability *reliability = xmcoh_tally_reliability(tally, by);
	Size		n = (Size) document->n;
	int32	   *item = palloc(sizeof(int32) * n);	/* (m) */
	int32	   *order = palloc(sizeof(int32) * n);
	int32		m = xmc_score_kind_items(document, kind, item);
	const float *s = scored->scores.score[kind];	/* (n, n) */
	uint64_t	tie_seed = xmc_hash_bytes(scored->key, strlen(scored->key), XMCOH_BOOTSTRAP_SEED);
	xmc_ctx		ctx = xmcoh_context();
	xmc_order_quality quality;
	bool		any = false;
	int32		placed = 0;

	/* does any item have something that the model reads? */
	for (int32 k = 0; k < m; k++)
		any |= document->has[item[k]] != 0;
	if (any)
	{
		/* the recovered order; ties are broken by chance, so that the numbers of the items cannot help */
		XMCOH_TRY(xmc_recover_order(&ctx, document, &scored->scores, kind, NULL, &tie_seed, order, &m), &ctx);
		placed = measure_order(scored, either, m, order, &quality);
	}
	if (placed > 0)
	{
		xmcoh_tally_add(tally, &(TalliedDocument) {.items = placed,.matches = quality.matches,.neighbours = quality.neighbours,
						.perfect = quality.perfect,.tau = quality.tau,.random_matches = quality.random_matches,
						.random_perfect = quality.random_perfect,.unit = document->group,.by = by});
		/* calibration: the probability of each pair in its stored order */
		for (int32 a = 0; a < m; a++)
		{
			CHECK_FOR_INTERRUPTS();
			for (int32 b = 0; b < m; b++)
				if (scored->position[item[a]] < scored->position[item[b]] && !(either && either[item[a] * n + item[b]]))
					xmc_reliability_add(reliability, xmc_probability(s[(int64) item[a] * document->n + item[b]]));
		}
	}
}

/*
 * Training uses a document without approved pairs for the alignment alone, unless rounds make weak labels of it. If no
 * alignment of the document is inferred either, its scores cannot be better for that, and it counts as unseen.
 */
static DocumentSet
set_of(const Evaluation *evaluation, const BulkDocument *scored)
{
	DocumentSet unseen = xmc_seen_group(evaluation->model, scored->document.group) ? KNOWN_GROUP : UNSEEN;

	switch (xmc_seen_find(evaluation->model, scored->key, strlen(scored->key)))
	{
		case XMC_UNSEEN:
			return unseen;
		case XMC_SEEN_LABELLED:
			return SEEN;
		case XMC_SEEN_UNLABELLED:
			break;
	}
	if (evaluation->model->options.rounds > 0 || evaluation->inferred || xmc_align_is_open(&scored->document, false))
		return SEEN;
	return unseen;
}

static void
evaluate_document(void *arg, const BulkDocument *scored)
{
	Evaluation *evaluation = arg;
	DocumentSet set = set_of(evaluation, scored);
	const uint8 *either = free_pairs(evaluation, scored);

	evaluation->documents[set] += !evaluation->from_record;
	for (int e = evaluation->from_record ? XMC_RESULT_KINDS : 0; e < XMC_SCORE_KINDS; e++)
		evaluate_score_kind(evaluation, set, scored, either, (xmc_score_kind) e);
}

/* ERROR for a version of which nobody knows what its training held out. */
static void
refuse_unknown_held_out(const Evaluation *evaluation, int32 version)
{
	if (!evaluation->held_out.is_known)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d was not trained here, so no documents are held out from it", version),
				 errhint("Name a source that the version was not trained on: xmcoh.evaluate(model, source).")));
}

static void
notice_no_record(int32 version)
{
	ereport(NOTICE,
			(errmsg("version %d has no record of how its training measured each document", version),
			 errdetail("The figures are those of the held-out documents alone."),
			 errhint("Train the model again.")));
}

/* ---- the record of the version ---- */

/* What reads the documents of the record. */
typedef struct RecordReading
{
	Evaluation *evaluation;
	ApprovedPairs *pairs;
	MemoryContext memory;		/* reset after each document */
} RecordReading;

/* The filter, before any vector is computed: documents that are labelled, and that the training measured. */
static bool
may_be_recorded(void *arg, const SourceDocument *document)
{
	const RecordReading *reading = arg;

	return (document->approved || xmcoh_has_pairs(reading->pairs, document->key)) &&
		xmc_results_has(reading->evaluation->model, document->key);
}

/* Adds what the training measured of a document. */
static void
add_recorded(Evaluation *evaluation, const SourceDocument *from, const xmc_found_result *found)
{
	int32		by = xmcoh_by_number(evaluation->by, from->by);

	evaluation->documents[UNSEEN]++;
	for (int e = 0; e < XMC_RESULT_KINDS; e++)
	{
		const xmc_recorded_order *order = &found->result.order[e];

		if (order->items > 0)
			xmcoh_tally_add(&evaluation->tally[UNSEEN][e], &(TalliedDocument) {.items = order->items,.matches = order->matches,
							.neighbours = order->neighbours,.perfect = order->perfect,
							.tau = order->tau == XMC_NOT_MEASURED ? NAN : order->tau,.random_matches = order->random_matches,
							.random_perfect = order->random_perfect,.unit = (uint64) found->group + 1,.by = by});
	}
	for (int32 k = 0; k < found->n_pairs; k++)
		xmc_reliability_add(xmcoh_tally_reliability(&evaluation->tally[UNSEEN][XMC_SCORE_FUSED], by),
							xmc_probability(found->log_odds[k]));
}

/* The record is of a document with these labels and inputs: it is built as the training builds it. */
static bool
visit_recorded(void *arg, const SourceDocument *from)
{
	RecordReading *reading = arg;
	const xmc_options *options = &reading->evaluation->model->options;
	MemoryContext caller = MemoryContextSwitchTo(reading->memory);
	xmc_ctx		ctx = xmcoh_context();
	xmc_document document;
	xmc_found_result found;

	CHECK_FOR_INTERRUPTS();
	XMCOH_TRY(xmc_document_build(&ctx, options, xmcoh_tokeniser(), from->n, from->item, &document), &ctx);
	xmcoh_label_document(&ctx, reading->pairs, (StaleRule) options->stale, from, &document);
	if (document.n_pairs > 0 && xmc_results_find(reading->evaluation->model, from->key, &document, &found))
		add_recorded(reading->evaluation, from, &found);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(reading->memory);
	return true;
}

/*
 * The figures of text, image and fused evidence by the version's record, of the documents that are as they were. false: there
 * are none.
 */
static bool
read_record(const DeployedModel *deployed, const DocumentKeys *keys, const char *by, Evaluation *evaluation)
{
	RecordReading reading = {.evaluation = evaluation,.pairs = xmcoh_read_pairs(deployed->model_id, keys, true),
		.memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh recorded document", ALLOCSET_DEFAULT_SIZES)};
	List	   *sources = xmcoh_bulk_sources(deployed->model_id, InvalidOid);
	const xmc_results *results = &evaluation->model->results;

	xmcoh_sources_by(sources, by);
	for (int e = 0; e < XMC_RESULT_KINDS; e++)
		evaluation->tally[UNSEEN][e].widening = results->widening[e];
	xmcoh_encoded_visit(sources, &(EncodedRequest) {.options = &evaluation->model->options,.deployed = deployed,.keys = keys,
						.filter = may_be_recorded,.arg = &reading}, visit_recorded, &reading);
	MemoryContextDelete(reading.memory);
	if (keys == NULL && evaluation->documents[UNSEEN] < results->n)
		ereport(NOTICE,
				(errmsg("%d of the %d documents that the training of version %d measured are as they were",
						evaluation->documents[UNSEEN], results->n, deployed->version),
				 errdetail("The others have changed or are not in the sources, and do not count."),
				 errhint("Train the model again.")));
	return evaluation->documents[UNSEEN] > 0;
}

/* ---- rows ---- */

/* The columns before those of a tally. */
enum
{
	GROUP, MODALITY, GUIDANCE, DOCUMENTS, DOCUMENTS_SEEN, DOCUMENTS_KNOWN, FIGURES, COLUMNS = FIGURES + TALLY_COLUMNS
};

/* The rows of all groups by each kind of score of one set. */
typedef struct SetRows
{
	TallyRow   *row[XMC_SCORE_KINDS];	/* (groups) */
} SetRows;

static void
put_row(ReturnSetInfo *result, const Evaluation *evaluation, DocumentSet set, int32 group, const char *modality,
		const char *guidance, const TallyRow *row)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	const char *name = evaluation->by->n > 0 ? evaluation->by->name[group] : NULL;

	nulls[GROUP] = name == NULL;
	values[GROUP] = name ? CStringGetTextDatum(name) : (Datum) 0;
	values[MODALITY] = CStringGetTextDatum(modality);
	values[GUIDANCE] = CStringGetTextDatum(guidance);
	values[DOCUMENTS] = Int32GetDatum(row->documents);
	values[DOCUMENTS_SEEN] = Int32GetDatum(set == SEEN ? row->documents : 0);
	nulls[DOCUMENTS_SEEN] = evaluation->model->seen.n == 0;
	values[DOCUMENTS_KNOWN] = Int32GetDatum(set == KNOWN_GROUP ? row->documents : 0);
	nulls[DOCUMENTS_KNOWN] = evaluation->model->seen_groups.n == 0;
	memcpy(&values[FIGURES], row->values, sizeof row->values);
	memcpy(&nulls[FIGURES], row->nulls, sizeof row->nulls);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* One row for each kind of score that the model's inputs and the rule allow. */
static void
put_rows(ReturnSetInfo *result, const Evaluation *evaluation, DocumentSet set, int32 group, const SetRows *rows, bool has_fused)
{
	const xmc_options *options = &evaluation->model->options;
	bool		reads_text = options->words || options->text_dim > 0;
	bool		reads_image = options->image_dim > 0;

	if (reads_text)
		put_row(result, evaluation, set, group, "text", "solo", &rows->row[XMC_SCORE_TEXT][group]);
	if (reads_image)
		put_row(result, evaluation, set, group, "image", "solo", &rows->row[XMC_SCORE_IMAGE][group]);
	if (reads_text && reads_image)
	{
		put_row(result, evaluation, set, group, "text", "guided", &rows->row[XMC_SCORE_TEXT_GUIDED][group]);
		put_row(result, evaluation, set, group, "image", "guided", &rows->row[XMC_SCORE_IMAGE_GUIDED][group]);
	}
	if (has_fused)
		put_row(result, evaluation, set, group, "fused", "fused", &rows->row[XMC_SCORE_FUSED][group]);
}

/* The figures of all groups of one set; returns the row of the kind of score that covers most documents, of all groups together. */
static TallyRow
find_rows(const Evaluation *evaluation, DocumentSet set, int32 groups, bool by_column, SetRows *rows)
{
	TallyRow	most = {0};

	for (int e = 0; e < XMC_SCORE_KINDS; e++)
	{
		int32		documents = 0;
		int32		units = 0;

		rows->row[e] = palloc_extended(sizeof(TallyRow) * (Size) groups, MCXT_ALLOC_HUGE);
		xmcoh_tally_rows(&evaluation->tally[set][e], groups, by_column, rows->row[e]);
		for (int32 g = 0; g < groups; g++)
		{
			documents += rows->row[e][g].documents;
			units += rows->row[e][g].units;
		}
		if (documents > most.documents)
			most = (TallyRow) {.documents = documents,.units = units};
	}
	return most;
}

/* A NOTICE where the evaluated documents are of so few groups that nothing can be told of others. */
static void
notice_few_groups(const TallyRow *most)
{
	if (most->units < most->documents && most->units < XMC_MIN_INTERVAL_GROUPS)
		ereport(NOTICE,
				(errmsg_plural("the %d documents are of %d group", "the %d documents are of %d groups", most->units, most->documents,
							   most->units),
				 errdetail("How good the orders of other groups are cannot be told, so there are no intervals.")));
}

/* A NOTICE where figures are too good, because the column documents_seen is easily overlooked. */
static void
notice_seen(const Evaluation *evaluation, int32 version)
{
	int32		seen = evaluation->documents[SEEN];
	int32		unseen = evaluation->documents[UNSEEN] + evaluation->documents[KNOWN_GROUP];

	if (evaluation->model->seen.n == 0 && unseen > 0)
		ereport(NOTICE,
				(errmsg("the documents that version %d was trained on are not recorded", version),
				 errdetail("The version is better on these documents than on others.")));
	else if (seen > 0)
		ereport(NOTICE,
				(errmsg("version %d was trained on %d of these %d documents", version, seen, seen + unseen),
				 errdetail("The version is better on these documents than on others."),
				 unseen > 0 ? errhint("Use the rows whose documents_seen is 0.") :
				 errhint("Use xmcoh.evaluate(model), or a source that the version was not trained on.")));
}

/* Scores the documents that are to be scored, and tallies them. */
static void
score_documents(DeployedModel *deployed, const xmc_guidance_rule *rule, Oid source, const DocumentKeys *keys, const char *by,
				Evaluation *evaluation)
{
	const xmc_options *options = &deployed->model->options;
	bool		is_guided = options->image_dim > 0 && (options->words || options->text_dim > 0);

	if (evaluation->from_record && !is_guided)
		return;
	if (evaluation->held_out_only)
	{
		evaluation->held_out = xmcoh_held_out_rule(deployed->model_id, deployed->version);
		if (!evaluation->held_out.is_known && evaluation->from_record)
			return;
		refuse_unknown_held_out(evaluation, deployed->version);
	}
	xmcoh_bulk_score(deployed, rule, &(BulkRequest) {.source = source,.keys = keys,.by = by,.filter = is_evaluated,
					 .visit = evaluate_document,.arg = evaluation});
}

/* All rows: the groups in the order of their names, of each one after the other those sets that have documents. */
static void
put_all(ReturnSetInfo *result, const Evaluation *evaluation, bool by_column, bool has_fused)
{
	int32		groups = Max(evaluation->by->n, by_column ? 0 : 1);
	int32	   *order = xmcoh_by_order(evaluation->by);
	SetRows		rows[DOCUMENT_SETS];
	TallyRow	most[DOCUMENT_SETS];

	for (int k = 0; k < DOCUMENT_SETS; k++)
		most[k] = find_rows(evaluation, (DocumentSet) k, groups, by_column, &rows[k]);
	for (int32 g = 0; g < groups; g++)
		for (int k = 0; k < DOCUMENT_SETS; k++)
		{
			int32		group = evaluation->by->n > 0 ? order[g] : 0;
			int32		documents = 0;

			for (int e = 0; e < XMC_SCORE_KINDS; e++)
				documents = Max(documents, rows[k].row[e][group].documents);
			/* a set without documents has no rows; but without any document the first set has */
			if (documents > 0 || (k == UNSEEN && evaluation->by->n == 0))
				put_rows(result, evaluation, (DocumentSet) k, group, &rows[k], has_fused);
		}
	for (int k = 0; k < DOCUMENT_SETS && !by_column; k++)
		notice_few_groups(&most[k]);
}

Datum
xmcoh_evaluate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			source = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	xmc_guidance_rule rule = xmcoh_guidance_arguments(fcinfo, 2);
	bool		is_default = rule.mode == XMC_GUIDANCE_SOFT && !rule.inferred;
	Evaluation	evaluation = {.inferred = rule.inferred,.held_out_only = !OidIsValid(source)};
	DeployedModel deployed;
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	const DocumentKeys *keys = xmcoh_document_keys(fcinfo->args[5]);
	const char *by = xmcoh_by_argument(fcinfo->args[6]);

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	if (evaluation.held_out_only)
		deployed.model = xmc_measured(deployed.model);
	evaluation.model = deployed.model;
	evaluation.by = xmcoh_by_groups(CurrentMemoryContext);
	for (int k = 0; k < DOCUMENT_SETS; k++)
		for (int e = 0; e < XMC_SCORE_KINDS; e++)
			evaluation.tally[k][e] = (Tally) {.memory = CurrentMemoryContext,.widening = 1};
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	evaluation.decisions = xmcoh_read_decisions(deployed.model_id, keys);
	if (evaluation.held_out_only && is_default && deployed.model->results.n > 0)
		evaluation.from_record = read_record(&deployed, keys, by, &evaluation);
	else if (evaluation.held_out_only && is_default)
		notice_no_record(deployed.version);
	score_documents(&deployed, &rule, source, keys, by, &evaluation);
	put_all(result, &evaluation, by != NULL, xmc_guidance_has_fused(&rule));
	notice_seen(&evaluation, deployed.version);
	SPI_finish();
	return (Datum) 0;
}
