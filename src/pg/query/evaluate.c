/*
 * evaluate.c - evaluate(model, source, guidance, alignment, rounds): how good the recovered orders are against the stored ones
 *
 * What taught a version is scored better than anything that it will meet, so the documents that it has seen and those that
 * it has not are judged apart.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "query/bulk.h"
#include "query/metrics.h"
#include "base/xmcoh.h"
#include "xmcoh/calibrate.h"
#include "xmcoh/metrics.h"
#include "xmcoh/seen.h"

PG_FUNCTION_INFO_V1(xmcoh_evaluate);

/* What one evidence got on each of its documents. */
typedef struct Tally
{
	int32		documents;
	int32		capacity;
	double	   *items;			/* (documents) */
	double	   *matches;		/* (documents) items at their place */
	double	   *perfect;		/* (documents) 1 or 0 */
	double	   *tau;			/* (documents) NaN where no item stands before another */
	double		all_items;
	double		random_matches; /* what a random order is expected to have of matches, and of perfect */
	double		random_perfect;
	xmc_reliability reliability;	/* of all pairs' probabilities */
} Tally;

/* How good one order is. */
typedef struct Verdict
{
	int32		n;
	int32		matches;		/* items at their place */
	double		tau;
	double		random_matches;
	double		random_perfect;
} Verdict;

/* Documents that are judged together. */
typedef enum DocumentGroup
{
	UNSEEN,						/* or nobody knows */
	SEEN,						/* they taught the version */
	GROUPS
} DocumentGroup;

typedef struct Evaluation
{
	MemoryContext memory;
	const xmc_model *model;
	bool		inferred;		/* the alignment of every document */
	bool		held_out_only;
	int32		seed;
	double		held_out_threshold;
	int32		documents[GROUPS];
	Tally		tally[GROUPS][XMC_EVIDENCES];
} Evaluation;

static bool
is_judged(void *arg, const SourceDocument *document)
{
	const Evaluation *evaluation = arg;

	if (document->order == NULL)
		return false;
	return !evaluation->held_out_only
		|| (document->approved && xmc_held_out(document->key, strlen(document->key), evaluation->seed,
											   evaluation->held_out_threshold));
}

static void
grow(MemoryContext memory, double **values, int32 capacity)
{
	Size		size = sizeof(double) * (Size) capacity;

	*values = *values ? repalloc_huge(*values, size) : MemoryContextAllocHuge(memory, size);
}

/*
 * position (n): the items' stored positions in the order to be judged. Where g items share a position they share g places,
 * and are right at each of them; a pair of them is neither right nor wrong. So g! of the n! orders are right where there
 * was one.
 */
static Verdict
judge_order(int32 n, const double *position)
{
	Verdict		verdict = {.n = n,.random_perfect = xmc_random_perfect_match(n)};
	int64		wrong = 0;
	int64		pairs = 0;
	int64		shared = 0;		/* sum over items of how many share their position */

	for (int32 k = 0; k < n; k++)
	{
		int32		before = 0; /* items that should stand before this one, and those that may */
		int32		equal = 0;

		CHECK_FOR_INTERRUPTS();
		for (int32 j = 0; j < n; j++)
		{
			before += position[j] < position[k];
			equal += position[j] == position[k];
			if (j < k)
			{
				wrong += position[j] > position[k];
				pairs += position[j] != position[k];
			}
			if (j == k)
				verdict.random_perfect *= equal;
		}
		verdict.matches += before <= k && k < before + equal;
		shared += equal;
	}
	verdict.tau = pairs ? 1 - 2.0 * wrong / pairs : NAN;
	verdict.random_matches = (double) shared / n;
	return verdict;
}

static void
tally_up(MemoryContext memory, Tally *tally, const Verdict *verdict)
{
	if (tally->documents == tally->capacity)
	{
		tally->capacity = Max(64, 2 * tally->capacity);
		grow(memory, &tally->items, tally->capacity);
		grow(memory, &tally->matches, tally->capacity);
		grow(memory, &tally->perfect, tally->capacity);
		grow(memory, &tally->tau, tally->capacity);
	}
	tally->items[tally->documents] = verdict->n;
	tally->matches[tally->documents] = verdict->matches;
	tally->perfect[tally->documents] = verdict->matches == verdict->n;
	tally->tau[tally->documents] = verdict->tau;
	tally->documents++;
	tally->all_items += verdict->n;
	tally->random_matches += verdict->random_matches;
	tally->random_perfect += verdict->random_perfect;
}

/*
 * Judges one evidence by the items that it speaks of, as if there were no others; of the fused one all, if any says
 * something. Those without a position are ordered too, but nobody knows where they belong.
 */
static void
judge_evidence(Evaluation *evaluation, DocumentGroup group, const BulkDocument *scored, xmc_score_kind evidence)
{
	const xmc_document *document = &scored->document;
	Tally	   *tally = &evaluation->tally[group][evidence];
	Size		n = (Size) document->n;
	int32	   *item = palloc(sizeof(int32) * n);	/* (m) */
	int32	   *order = palloc(sizeof(int32) * n);
	double	   *position = palloc(sizeof(double) * n);	/* (placed) stored positions, as the items are ordered */
	int32		m = xmc_score_kind_items(document, evidence, item);
	const float *s = scored->scores.score[evidence];	/* (n, n) */
	uint64_t	tie_seed = xmc_hash_bytes(scored->key, strlen(scored->key), XMCOH_BOOTSTRAP_SEED);
	xmc_ctx		ctx = xmcoh_context();
	bool		any = false;
	int32		placed = 0;

	for (int32 k = 0; k < m; k++)
		any |= document->has[item[k]] != 0;
	if (any)
	{
		XMCOH_TRY(xmc_recover_order(&ctx, document, &scored->scores, evidence, &tie_seed, order, &m), &ctx);
		for (int32 k = 0; k < m; k++)
			if (!isnan(scored->position[order[k]]))
				position[placed++] = scored->position[order[k]];
	}
	if (placed > 0)
	{
		Verdict		verdict = judge_order(placed, position);

		tally_up(evaluation->memory, tally, &verdict);
		for (int32 a = 0; a < m; a++)
		{
			CHECK_FOR_INTERRUPTS();
			for (int32 b = 0; b < m; b++)
				if (scored->position[item[a]] < scored->position[item[b]])
					xmc_reliability_add(&tally->reliability, xmc_probability(s[(int64) item[a] * document->n + item[b]]));
		}
	}
}

/* Whether texts are matched with images, because neither stands in the other's row. */
static bool
is_aligned(const xmc_document *document)
{
	bool		text = false;
	bool		image = false;

	for (int32 i = 0; i < document->n; i++)
	{
		text |= document->has[i] && !(document->has[i] & XMC_HAS_IMAGE);
		image |= document->has[i] == XMC_HAS_IMAGE;
	}
	return text && image;
}

/*
 * A document without approved pairs taught only the alignment, unless rounds made weak labels of it: where nothing is
 * aligned, no score of it can be better for that.
 */
static DocumentGroup
group_of(const Evaluation *evaluation, const BulkDocument *scored)
{
	switch (xmc_seen_find(evaluation->model, scored->key, strlen(scored->key)))
	{
		case XMC_UNSEEN:
			return UNSEEN;
		case XMC_SEEN_LABELLED:
			return SEEN;
		case XMC_SEEN_UNLABELLED:
			break;
	}
	return evaluation->model->options.rounds > 0 || evaluation->inferred || is_aligned(&scored->document) ? SEEN : UNSEEN;
}

static void
judge(void *arg, const BulkDocument *scored)
{
	Evaluation *evaluation = arg;
	DocumentGroup group = group_of(evaluation, scored);

	evaluation->documents[group]++;
	for (int e = 0; e < XMC_EVIDENCES; e++)
		judge_evidence(evaluation, group, scored, (xmc_score_kind) e);
}

/* Which documents training held out stands in the version's report; an imported version has none. */
static void
read_held_out(const DeployedModel *deployed, Evaluation *evaluation)
{
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2] = {Int32GetDatum(deployed->model_id), Int32GetDatum(deployed->version)};
	bool		no_seed = true;
	bool		no_threshold = true;

	if (SPI_execute_with_args("SELECT xmcoh.report_integer(report, 'seed'), xmcoh.report_number(report, 'held_out_threshold')"
							  " FROM xmcoh.model_version WHERE model_id OPERATOR(pg_catalog.=) $1"
							  " AND version OPERATOR(pg_catalog.=) $2",
							  2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.model_version");
	if (SPI_processed == 1)
	{
		HeapTuple	row = SPI_tuptable->vals[0];

		evaluation->seed = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &no_seed));
		evaluation->held_out_threshold = DatumGetFloat8(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &no_threshold));
	}
	if (no_seed || no_threshold)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("version %d was not trained here, so no documents are held out from it", deployed->version),
				 errhint("Name a source that it was not trained on: xmcoh.evaluate(model, source).")));
}

/* Mean, low and high of a ratio into three columns, NULL where there is nothing to average. */
static void
put_interval(const Tally *tally, const double *value, const double *weight, Datum *values, bool *nulls)
{
	xmc_ctx		ctx = xmcoh_context();
	xmc_interval interval;

	XMCOH_TRY(xmc_bootstrap(&ctx, tally->documents, value, weight, XMC_BOOTSTRAP_REPLICATES, XMCOH_BOOTSTRAP_SEED,
							&interval), &ctx);
	values[0] = Float8GetDatum(interval.mean);
	values[1] = Float8GetDatum(interval.low);
	values[2] = Float8GetDatum(interval.high);
	nulls[0] = nulls[1] = nulls[2] = isnan(interval.mean);
}

static void
put_row(ReturnSetInfo *result, const Evaluation *evaluation, DocumentGroup group, const char *modality, const char *guidance,
		xmc_score_kind evidence)
{
	const Tally *tally = &evaluation->tally[group][evidence];
	Datum		values[18];
	bool		nulls[18] = {false};

	values[0] = CStringGetTextDatum(modality);
	values[1] = CStringGetTextDatum(guidance);
	values[2] = Int32GetDatum(tally->documents);
	values[3] = Int32GetDatum(group == SEEN ? tally->documents : 0);
	nulls[3] = evaluation->model->seen.n == 0;
	values[4] = Int64GetDatum((int64) tally->all_items);
	put_interval(tally, tally->matches, tally->items, &values[5], &nulls[5]);
	put_interval(tally, tally->perfect, NULL, &values[8], &nulls[8]);
	put_interval(tally, tally->tau, NULL, &values[11], &nulls[11]);
	values[14] = Float8GetDatum(tally->random_matches / tally->all_items);
	values[15] = Float8GetDatum(tally->random_perfect / tally->documents);
	values[16] = Float8GetDatum(0);
	nulls[14] = nulls[15] = tally->documents == 0;
	nulls[16] = nulls[11];
	values[17] = Float8GetDatum(xmc_reliability_error(&tally->reliability));
	nulls[17] = tally->reliability.n == 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* One row for each evidence that there is by the model's inputs and the rule. */
static void
put_rows(ReturnSetInfo *result, const Evaluation *evaluation, DocumentGroup group, bool has_fused)
{
	const xmc_options *options = &evaluation->model->options;
	bool		reads_text = options->words || options->text_dim > 0;
	bool		reads_image = options->image_dim > 0;

	if (reads_text)
		put_row(result, evaluation, group, "text", "solo", XMC_EVIDENCE_TEXT);
	if (reads_image)
		put_row(result, evaluation, group, "image", "solo", XMC_EVIDENCE_IMAGE);
	if (reads_text && reads_image)
	{
		put_row(result, evaluation, group, "text", "guided", XMC_EVIDENCE_TEXT_GUIDED);
		put_row(result, evaluation, group, "image", "guided", XMC_EVIDENCE_IMAGE_GUIDED);
	}
	if (has_fused)
		put_row(result, evaluation, group, "fused", "fused", XMC_EVIDENCE_FUSED);
}

/* What flatters is said aloud: a column is easily overlooked. */
static void
tell_seen(const Evaluation *evaluation, int32 version)
{
	int32		seen = evaluation->documents[SEEN];
	int32		unseen = evaluation->documents[UNSEEN];

	if (evaluation->model->seen.n == 0 && unseen > 0)
		ereport(NOTICE,
				(errmsg("which documents taught version %d is not recorded; it is better on those than it will be on others",
						version)));
	else if (seen > 0)
		ereport(NOTICE,
				(errmsg("%d of these %d documents taught version %d, which is better on them than it will be on others", seen,
						seen + unseen, version),
				 unseen > 0 ? errhint("Go by the rows whose documents_seen is 0.") :
				 errhint("Go by documents that it has not seen: xmcoh.evaluate(model), or a source that it was not trained"
						 " on.")));
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

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	evaluation.model = deployed.model;
	for (int g = 0; g < GROUPS; g++)
		for (int e = 0; e < XMC_EVIDENCES; e++)
			evaluation.tally[g][e].reliability.bins = XMC_CALIBRATION_BINS;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (evaluation.held_out_only)
		read_held_out(&deployed, &evaluation);
	xmcoh_bulk_score(&deployed, &rule, source, NULL, is_judged, judge, &evaluation);
	for (int g = 0; g < GROUPS; g++)
		if (evaluation.documents[g] > 0 || (g == UNSEEN && evaluation.documents[SEEN] == 0))
			put_rows(result, &evaluation, (DocumentGroup) g, xmc_guidance_has_fused(&rule));
	tell_seen(&evaluation, deployed.version);
	SPI_finish();
	return (Datum) 0;
}
