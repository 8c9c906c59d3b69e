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
#include "query/scored_document.h"

#include "xmcoh/order.h"

PG_FUNCTION_INFO_V1(xmcoh_order_documents);
PG_FUNCTION_INFO_V1(xmcoh_pair_scores);

/* ---- order_documents(model, source, evidence, guidance, alignment, rounds) ---- */

typedef struct OrderOutput
{
	ReturnSetInfo *result;
	xmc_score_kind score_kind;
} OrderOutput;

static void
put_order(void *arg, const BulkDocument *scored)
{
	OrderOutput *output = arg;
	int32	   *order = palloc(sizeof(int32) * (Size) (scored->document.n + 1));
	int32		n = xmcoh_decode_scores(&scored->document, &scored->scores, output->score_kind, order);
	Datum		values[4] = {CStringGetTextDatum(scored->key)};

	for (int32 k = 0; k < n; k++)
	{
		int32		i = order[k];
		bool		nulls[4] = {false, false, false, isnan(scored->position[i])};

		values[1] = CStringGetTextDatum(scored->item[i]);
		values[2] = Int32GetDatum(k + 1);
		values[3] = nulls[3] ? (Datum) 0 : Float8GetDatum(scored->position[i]);
		tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
	}
}

Datum
xmcoh_order_documents(PG_FUNCTION_ARGS)
{
	OrderOutput output = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	Oid			source = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	xmc_guidance_rule rule = xmcoh_guidance_arguments(fcinfo, 3);
	DeployedModel deployed;

	output.score_kind = xmcoh_score_kind_argument(fcinfo->args[2]);
	if (output.score_kind == XMC_SCORE_FUSED && !xmc_guidance_has_fused(&rule))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no fused order with guidance \"paper\" or alignment \"inferred\""),
				 errhint("Ask for the order of one modality: evidence => 'text guided' or 'image guided'.")));
	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(&deployed, &rule, source, NULL, NULL, put_order, &output);
	SPI_finish();
	return (Datum) 0;
}

/* ---- pair_scores(model, document, source, guidance, alignment, rounds) ---- */

typedef struct PairOutput
{
	ReturnSetInfo *result;
	bool		has_fused;
} PairOutput;

static void
put_pairs(void *arg, const BulkDocument *scored)
{
	const PairOutput *output = arg;
	const xmc_document *document = &scored->document;
	int64		n = document->n;

	for (int64 a = 0; a < n; a++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int64 b = a + 1; b < n; b++)
		{
			float	   *const *score = scored->scores.score;
			int64		at = a * n + b;
			bool		text = (document->has[a] & XMC_HAS_TEXT) && (document->has[b] & XMC_HAS_TEXT);
			bool		image = document->has[a] & document->has[b] & XMC_HAS_IMAGE;
			Datum		values[8];
			bool		nulls[8] = {false, false, !text, !image, !text, !image, !output->has_fused, !output->has_fused};

			values[0] = CStringGetTextDatum(scored->item[a]);
			values[1] = CStringGetTextDatum(scored->item[b]);
			values[2] = Float8GetDatum(score[XMC_SCORE_TEXT][at]);
			values[3] = Float8GetDatum(score[XMC_SCORE_IMAGE][at]);
			values[4] = Float8GetDatum(score[XMC_SCORE_TEXT_GUIDED][at]);
			values[5] = Float8GetDatum(score[XMC_SCORE_IMAGE_GUIDED][at]);
			values[6] = Float8GetDatum(score[XMC_SCORE_FUSED][at]);
			values[7] = Float8GetDatum(xmc_probability(score[XMC_SCORE_FUSED][at]));
			tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
			pfree(DatumGetPointer(values[0]));
			pfree(DatumGetPointer(values[1]));
		}
	}
}

Datum
xmcoh_pair_scores(PG_FUNCTION_ARGS)
{
	xmc_guidance_rule rule = xmcoh_guidance_arguments(fcinfo, 3);
	PairOutput	output = {.result = (ReturnSetInfo *) fcinfo->resultinfo,.has_fused = xmc_guidance_has_fused(&rule)};
	DeployedModel deployed;

	xmcoh_bulk_one(fcinfo, &deployed, &rule, put_pairs, &output);
	return (Datum) 0;
}
