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
#include "query/metrics.h"
#include "source/decisions.h"

#include "xmcoh/align.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/groups.h"
#include "xmcoh/hash.h"
#include "xmcoh/metrics.h"
#include "xmcoh/order.h"
#include "xmcoh/seen.h"

PG_FUNCTION_INFO_V1(xmcoh_evaluate);

/* The figures of one kind of score, over its documents. */
typedef struct Tally
{
	int32		documents;
	int32		capacity;
	double	   *items;			/* (documents) */
	double	   *matches;		/* (documents) items at their place */
	double	   *perfect;		/* (documents) 1 or 0 */
	double	   *tau;			/* (documents) NaN where no item stands before another */
	uint64	   *group;			/* (documents) 0: the document is a group of its own */
	double		all_items;
	double		random_matches; /* sums over documents of what a random order is expected to have */
	double		random_perfect;
	xmc_reliability reliability;	/* of the probabilities of all pairs */
} Tally;

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
	const Decisions *decisions;
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

static void
grow(MemoryContext memory, double **values, int32 capacity)
{
	Size		size = sizeof(double) * (Size) capacity;

	*values = *values ? repalloc_huge(*values, size) : MemoryContextAllocHuge(memory, size);
}

/* Adds the order of one document of a group, which has n items. */
static void
tally_up(MemoryContext memory, Tally *tally, int32 n, uint64 group, const xmc_order_quality *quality)
{
	if (tally->documents == tally->capacity)
	{
		tally->capacity = Max(64, 2 * tally->capacity);
		grow(memory, &tally->items, tally->capacity);
		grow(memory, &tally->matches, tally->capacity);
		grow(memory, &tally->perfect, tally->capacity);
		grow(memory, &tally->tau, tally->capacity);
		tally->group = tally->group ? repalloc_huge(tally->group, sizeof(uint64) * (Size) tally->capacity) :
			MemoryContextAllocHuge(memory, sizeof(uint64) * (Size) tally->capacity);
	}
	tally->items[tally->documents] = n;
	tally->matches[tally->documents] = quality->matches;
	tally->perfect[tally->documents] = quality->perfect;
	tally->tau[tally->documents] = quality->tau;
	tally->group[tally->documents] = group;
	tally->documents++;
	tally->all_items += n;
	tally->random_matches += quality->random_matches;
	tally->random_perfect += quality->random_perfect;
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
		tally_up(evaluation->memory, tally, placed, document->group, &quality);
		/* calibration: the probability of each pair in its stored order */
		for (int32 a = 0; a < m; a++)
		{
			CHECK_FOR_INTERRUPTS();
			for (int32 b = 0; b < m; b++)
				if (scored->position[item[a]] < scored->position[item[b]] && !(either && either[item[a] * n + item[b]]))
					xmc_reliability_add(&tally->reliability, xmc_probability(s[(int64) item[a] * document->n + item[b]]));
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

	evaluation->documents[set]++;
	for (int e = 0; e < XMC_SCORE_KINDS; e++)
		evaluate_score_kind(evaluation, set, scored, either, (xmc_score_kind) e);
}

/* Which documents the version's training held out. */
static void
find_held_out(const DeployedModel *deployed, Evaluation *evaluation)
{
	evaluation->held_out = xmcoh_held_out_rule(deployed->model_id, deployed->version);
	if (!evaluation->held_out.is_known)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d was not trained here, so no documents are held out from it", deployed->version),
				 errhint("Name a source that the version was not trained on: xmcoh.evaluate(model, source).")));
}

/* The groups of a tally's documents, by number. */
typedef struct TallyGroups
{
	int32		n;
	int32	   *number;			/* (documents) */
	bool		too_few;		/* for an interval */
} TallyGroups;

static TallyGroups
groups_of(const Tally *tally)
{
	xmc_ctx		ctx = xmcoh_context();
	TallyGroups groups = {.number = palloc_extended(sizeof(int32) * (Size) Max(tally->documents, 1), MCXT_ALLOC_HUGE)};

	XMCOH_TRY(xmc_number_groups(&ctx, tally->documents, tally->group, groups.number, &groups.n), &ctx);
	groups.too_few = groups.n < tally->documents && groups.n < XMC_MIN_INTERVAL_GROUPS;
	return groups;
}

/*
 * The mean of a ratio and its interval (mean, low, high) into three columns; NULL where there is nothing to average. Too
 * few groups have no interval.
 */
static void
put_interval(const Tally *tally, const TallyGroups *groups, const double *value, const double *weight, Datum *values,
			 bool *nulls)
{
	xmc_ctx		ctx = xmcoh_context();
	xmc_interval interval;

	XMCOH_TRY(xmc_bootstrap_groups(&ctx, tally->documents, value, weight, groups->number, XMC_BOOTSTRAP_REPLICATES,
								   XMCOH_BOOTSTRAP_SEED, &interval), &ctx);
	values[0] = Float8GetDatum(interval.mean);
	values[1] = Float8GetDatum(interval.low);
	values[2] = Float8GetDatum(interval.high);
	nulls[0] = isnan(interval.mean);
	nulls[1] = nulls[2] = nulls[0] || groups->too_few;
}

/* One row of the result; the numbers are those of the columns of xmcoh.evaluate. */
static void
put_row(ReturnSetInfo *result, const Evaluation *evaluation, DocumentSet set, const char *modality, const char *guidance,
		xmc_score_kind kind)
{
	const Tally *tally = &evaluation->tally[set][kind];
	Datum		values[19];
	bool		nulls[19] = {false};
	TallyGroups groups = groups_of(tally);

	values[0] = CStringGetTextDatum(modality);
	values[1] = CStringGetTextDatum(guidance);
	values[2] = Int32GetDatum(tally->documents);
	values[3] = Int32GetDatum(set == SEEN ? tally->documents : 0);
	nulls[3] = evaluation->model->seen.n == 0;
	values[4] = Int32GetDatum(set == KNOWN_GROUP ? tally->documents : 0);
	nulls[4] = evaluation->model->seen_groups.n == 0;
	values[5] = Int64GetDatum((int64) tally->all_items);
	put_interval(tally, &groups, tally->matches, tally->items, &values[6], &nulls[6]);
	put_interval(tally, &groups, tally->perfect, NULL, &values[9], &nulls[9]);
	put_interval(tally, &groups, tally->tau, NULL, &values[12], &nulls[12]);
	values[15] = Float8GetDatum(tally->random_matches / tally->all_items);
	values[16] = Float8GetDatum(tally->random_perfect / tally->documents);
	values[17] = Float8GetDatum(0);
	nulls[15] = nulls[16] = tally->documents == 0;
	nulls[17] = nulls[12];
	values[18] = Float8GetDatum(xmc_reliability_error(&tally->reliability));
	nulls[18] = tally->reliability.n == 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	pfree(groups.number);
}

/* One row for each kind of score that the model's inputs and the rule allow. */
static void
put_rows(ReturnSetInfo *result, const Evaluation *evaluation, DocumentSet set, bool has_fused)
{
	const xmc_options *options = &evaluation->model->options;
	bool		reads_text = options->words || options->text_dim > 0;
	bool		reads_image = options->image_dim > 0;

	if (reads_text)
		put_row(result, evaluation, set, "text", "solo", XMC_SCORE_TEXT);
	if (reads_image)
		put_row(result, evaluation, set, "image", "solo", XMC_SCORE_IMAGE);
	if (reads_text && reads_image)
	{
		put_row(result, evaluation, set, "text", "guided", XMC_SCORE_TEXT_GUIDED);
		put_row(result, evaluation, set, "image", "guided", XMC_SCORE_IMAGE_GUIDED);
	}
	if (has_fused)
		put_row(result, evaluation, set, "fused", "fused", XMC_SCORE_FUSED);
}

/* A NOTICE where the evaluated documents are of so few groups that nothing can be told of others. */
static void
notice_few_groups(const Evaluation *evaluation)
{
	for (int k = 0; k < DOCUMENT_SETS; k++)
	{
		int32		documents = 0;
		TallyGroups most = {0};

		/* Of the kinds of score the one that covers most documents. */
		for (int e = 0; e < XMC_SCORE_KINDS; e++)
			if (evaluation->tally[k][e].documents > documents)
			{
				documents = evaluation->tally[k][e].documents;
				most = groups_of(&evaluation->tally[k][e]);
			}
		if (most.too_few)
			ereport(NOTICE,
					(errmsg_plural("the %d documents are of %d group", "the %d documents are of %d groups", most.n, documents,
								   most.n),
					 errdetail("How good the orders of other groups are cannot be told, so there are no intervals.")));
	}
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

Datum
xmcoh_evaluate(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid			source = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	xmc_guidance_rule rule = xmcoh_guidance_arguments(fcinfo, 2);
	Evaluation	evaluation = {.memory = CurrentMemoryContext,.inferred = rule.inferred,.held_out_only = !OidIsValid(source)};
	DeployedModel deployed;
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	const DocumentKeys *keys = xmcoh_document_keys(fcinfo->args[5]);

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	evaluation.model = deployed.model;
	for (int k = 0; k < DOCUMENT_SETS; k++)
		for (int e = 0; e < XMC_SCORE_KINDS; e++)
			evaluation.tally[k][e].reliability.bins = XMC_CALIBRATION_BINS;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	evaluation.decisions = xmcoh_read_decisions(deployed.model_id, keys);
	if (evaluation.held_out_only)
	{
		find_held_out(&deployed, &evaluation);
		evaluation.model = deployed.model = xmc_measured(deployed.model);
	}
	xmcoh_bulk_score(&deployed, &rule, &(BulkRequest) {.source = source,.keys = keys,.filter = is_evaluated,
					 .visit = evaluate_document,.arg = &evaluation});
	/* a set without documents has no rows; but without any document the first set has */
	for (int k = 0; k < DOCUMENT_SETS; k++)
		if (evaluation.documents[k] > 0 || (k == UNSEEN && evaluation.documents[SEEN] + evaluation.documents[KNOWN_GROUP] == 0))
			put_rows(result, &evaluation, (DocumentSet) k, xmc_guidance_has_fused(&rule));
	notice_seen(&evaluation, deployed.version);
	notice_few_groups(&evaluation);
	SPI_finish();
	return (Datum) 0;
}
