/*
 * check.c - the SQL function check_documents: what is wrong with the stored orders of documents, and how sure that is.
 */
#include "postgres.h"

#include <math.h>

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "base/xmcoh.h"
#include "query/arguments.h"
#include "query/bulk.h"

#include "xmcoh/check.h"

PG_FUNCTION_INFO_V1(xmcoh_check_documents);

/* The columns of the result. */
enum
{
	DOCUMENT, ITEMS, APPROVED, COHERENCE, BEST_COHERENCE, GAIN, CONFIDENT_PAIRS, VIOLATED_PAIRS, WORST_BEFORE, WORST_AFTER,
	WORST_PROBABILITY, VERDICT, MOVES, GROUP, COLUMNS
};

typedef struct CheckOutput
{
	ReturnSetInfo *result;
	double		threshold;
} CheckOutput;

static const char *const verdict_names[] = {
	[XMC_VERDICT_OK] = "ok", [XMC_VERDICT_SUSPECT] = "suspect", [XMC_VERDICT_UNSURE] = "unsure"
};

/* A JSON array of the moves, each an object. */
static Datum
moves_json(const BulkDocument *scored, const xmc_check *check)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '[');
	for (int32 k = 0; k < check->n_moves; k++)
	{
		const xmc_move *move = &check->move[k];

		appendStringInfoString(&text, k ? ", {\"item\": " : "{\"item\": ");
		escape_json(&text, scored->item[move->item]);
		appendStringInfo(&text, ", \"from\": %d, \"to\": %d, \"probability\": %s}", move->from, move->to,
						 float8out_internal(move->probability));
	}
	appendStringInfoChar(&text, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
}

static void
put_check(void *arg, const BulkDocument *scored)
{
	const CheckOutput *output = arg;
	xmc_ctx		ctx = xmcoh_context();
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	xmc_check	check;
	bool		all_decided;
	const char *verdict;

	XMCOH_TRY(xmc_check_order(&ctx, scored->document.n, scored->scores.score[XMC_SCORE_FUSED], xmcoh_decided_with_order(scored),
							  scored->position, output->threshold, &check), &ctx);
	all_decided = check.pairs > 0 && check.decided_pairs == check.pairs && check.violated_pairs == 0;
	verdict = check.violated_pairs > 0 ? verdict_names[XMC_VERDICT_SUSPECT]
		: scored->stale ? "stale" : all_decided ? "approved" : verdict_names[check.verdict];
	values[DOCUMENT] = CStringGetTextDatum(scored->key);
	values[ITEMS] = Int32GetDatum(scored->document.n);
	values[APPROVED] = BoolGetDatum(all_decided && !scored->stale);
	values[COHERENCE] = Float8GetDatum(check.coherence);
	values[BEST_COHERENCE] = Float8GetDatum(check.best_coherence);
	values[GAIN] = Float8GetDatum(check.gain);
	values[CONFIDENT_PAIRS] = Int32GetDatum((int32) check.confident_pairs);
	values[VIOLATED_PAIRS] = Int32GetDatum((int32) check.violated_pairs);
	values[WORST_BEFORE] = check.worst_before >= 0 ? CStringGetTextDatum(scored->item[check.worst_before]) : (Datum) 0;
	values[WORST_AFTER] = check.worst_after >= 0 ? CStringGetTextDatum(scored->item[check.worst_after]) : (Datum) 0;
	values[WORST_PROBABILITY] = Float8GetDatum(check.worst_probability);
	values[VERDICT] = CStringGetTextDatum(verdict);
	values[MOVES] = moves_json(scored, &check);
	values[GROUP] = scored->by ? CStringGetTextDatum(scored->by) : (Datum) 0;
	nulls[COHERENCE] = nulls[BEST_COHERENCE] = nulls[GAIN] = check.pairs == 0;
	nulls[GROUP] = scored->by == NULL;
	nulls[WORST_BEFORE] = nulls[WORST_AFTER] = nulls[WORST_PROBABILITY] = check.violated_pairs == 0;
	tuplestore_putvalues(output->result->setResult, output->result->setDesc, values, nulls);
}

/* The threshold for a precision, with a NOTICE where the version does not know it. */
static double
find_threshold(const DeployedModel *deployed, double precision)
{
	double		threshold = xmc_check_threshold(deployed->model, XMC_SCORE_FUSED, precision);

	if (!xmc_has_reliability(deployed->model))
		ereport(NOTICE,
				(errmsg("version %d has no record of how reliable its scores are", deployed->version),
				 errdetail("A pair counts as confident if its probability is at least %g. More documents in right order may be"
						   " suspect than the precision allows.", precision),
				 errhint("Train the model again.")));
	else if (isinf(threshold))
		ereport(NOTICE,
				(errmsg("version %d does not reach the precision %g", deployed->version, precision),
				 errdetail("At no probability were pairs of approved documents right that often, scored by a model that was not"
						   " trained on them. Only decided pairs count as confident."),
				 errhint("Approve more documents and train again, or ask for a lower precision.")));
	return threshold;
}

Datum
xmcoh_check_documents(PG_FUNCTION_ARGS)
{
	static const xmc_guidance_rule as_new = {.as_new = true};	/* as the table of reliability was made */
	CheckOutput output = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	BulkRequest request = {.source = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1),.decided = true,.visit = put_check,
		.arg = &output,.keys = xmcoh_document_keys(fcinfo->args[2]),.by = xmcoh_by_argument(fcinfo->args[4])};
	double		precision = xmcoh_precision_argument(fcinfo->args[3]);
	DeployedModel deployed;

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	output.threshold = find_threshold(&deployed, precision);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(&deployed, &as_new, &request);
	SPI_finish();
	return (Datum) 0;
}
