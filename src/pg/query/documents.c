/*
 * documents.c - the set-returning functions order_documents and pair_scores: orders and scores of the documents of sources.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "query/arguments.h"
#include "query/bulk.h"

#include "xmcoh/decided.h"
#include "xmcoh/order.h"

PG_FUNCTION_INFO_V1(xmcoh_order_documents);
PG_FUNCTION_INFO_V1(xmcoh_pair_scores);

/* ---- order_documents(model, source, evidence, guidance, alignment, rounds, documents) ---- */

static void
put_order(void *arg, const BatchDocument *answered)
{
	const ReturnSetInfo *result = arg;
	Datum		values[5] = {CStringGetTextDatum(answered->key)};

	for (int32 k = 0; k < answered->n_ordered; k++)
	{
		int32		i = answered->order[k];
		bool		nulls[5] = {[3] = isnan(answered->position[i])};

		values[1] = CStringGetTextDatum(answered->item[i]);
		values[2] = Int32GetDatum(k + 1);
		values[3] = nulls[3] ? (Datum) 0 : Float8GetDatum(answered->position[i]);
		values[4] = Float8GetDatum(answered->confidence);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

Datum
xmcoh_order_documents(PG_FUNCTION_ARGS)
{
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	xmc_guidance_rule rule = xmcoh_guidance_arguments(fcinfo, 3);
	BatchTask	task = {.wants_order = true,.kind = xmcoh_score_kind_argument(fcinfo->args[2])};
	BulkRequest request = {.source = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1),.decided = true,.task = &task,
		.answer = put_order,.arg = fcinfo->resultinfo,.keys = xmcoh_document_keys(fcinfo->args[6])};
	DeployedModel deployed;

	if (task.kind == XMC_SCORE_FUSED && !xmc_guidance_has_fused(&rule))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no fused order with guidance \"paper\" or alignment \"inferred\""),
				 errhint("Ask for the order of one modality: evidence => 'text guided' or 'image guided'.")));
	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(&deployed, &rule, &request);
	SPI_finish();
	return (Datum) 0;
}

/* ---- pair_scores(model, document, source, guidance, alignment, rounds, documents) ---- */

typedef struct PairOutput
{
	ReturnSetInfo *result;
	bool		has_fused;
} PairOutput;

/* The probability of a pair: 1 or 0 where an order was approved, else by its fused score. */
static double
pair_probability(const BulkDocument *scored, int64 at)
{
	xmc_decision decision = scored->decided ? (xmc_decision) scored->decided[at] : XMC_UNDECIDED;

	if (decision == XMC_DECIDED_BEFORE || decision == XMC_DECIDED_AFTER)
		return decision == XMC_DECIDED_BEFORE;
	return xmc_probability(scored->scores.score[XMC_SCORE_FUSED][at]);
}

static void
put_pair(const PairOutput *output, const BulkDocument *scored, Datum document_key, int64 a, int64 b)
{
	const xmc_document *document = &scored->document;
	float	   *const *score = scored->scores.score;
	int64		at = a * document->n + b;
	bool		text = (document->has[a] & XMC_HAS_TEXT) && (document->has[b] & XMC_HAS_TEXT);
	bool		image = document->has[a] & document->has[b] & XMC_HAS_IMAGE;
	const char *approved = xmcoh_decision_name(scored, at);
	Datum		values[12] = {document_key};
	bool		nulls[12] = {[3] = isnan(scored->position[a]), isnan(scored->position[b]), !text, !image, !text, !image,
		!output->has_fused, !output->has_fused && approved == NULL, approved == NULL};

	values[1] = CStringGetTextDatum(scored->item[a]);
	values[2] = CStringGetTextDatum(scored->item[b]);
	values[3] = Float8GetDatum(scored->position[a]);
	values[4] = Float8GetDatum(scored->position[b]);
	values[5] = Float8GetDatum(score[XMC_SCORE_TEXT][at]);
	values[6] = Float8GetDatum(score[XMC_SCORE_IMAGE][at]);
	values[7] = Float8GetDatum(score[XMC_SCORE_TEXT_GUIDED][at]);
	values[8] = Float8GetDatum(score[XMC_SCORE_IMAGE_GUIDED][at]);
	values[9] = Float8GetDatum(score[XMC_SCORE_FUSED][at]);
	values[10] = Float8GetDatum(pair_probability(scored, at));
	values[11] = approved ? CStringGetTextDatum(approved) : (Datum) 0;
	tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
	pfree(DatumGetPointer(values[1]));
	pfree(DatumGetPointer(values[2]));
	if (approved)
		pfree(DatumGetPointer(values[11]));
}

static void
put_pairs(void *arg, const BulkDocument *scored)
{
	Datum		document_key = CStringGetTextDatum(scored->key);

	for (int64 a = 0; a < scored->document.n; a++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int64 b = a + 1; b < scored->document.n; b++)
			put_pair(arg, scored, document_key, a, b);
	}
}

Datum
xmcoh_pair_scores(PG_FUNCTION_ARGS)
{
	xmc_guidance_rule rule = xmcoh_guidance_arguments(fcinfo, 3);
	PairOutput	output = {.result = (ReturnSetInfo *) fcinfo->resultinfo,.has_fused = xmc_guidance_has_fused(&rule)};
	DeployedModel deployed;

	xmcoh_bulk_few(fcinfo, 6, true, &deployed, &rule, put_pairs, &output);
	return (Datum) 0;
}
