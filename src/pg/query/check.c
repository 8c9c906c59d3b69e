/*
 * check.c - the SQL function check_documents: what is wrong with the stored orders of documents, and how sure that is; check.h has
 * what document_state.c shares.
 */
#include "query/check.h"

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

StaticAssertDecl(GROUP == XMCOH_CHECK_COLUMNS, "the columns that others keep come first");

static const char *const verdict_names[] = {
	[XMC_VERDICT_OK] = "ok", [XMC_VERDICT_SUSPECT] = "suspect", [XMC_VERDICT_UNSURE] = "unsure"
};

/* A JSON array of the moves, each an object. */
static Datum
moves_json(const BatchDocument *checked)
{
	const xmc_check *check = &checked->check;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '[');
	for (int32 k = 0; k < check->n_moves; k++)
	{
		const xmc_move *move = &check->move[k];

		appendStringInfoString(&text, k ? ", {\"item\": " : "{\"item\": ");
		escape_json(&text, checked->item[move->item]);
		appendStringInfo(&text, ", \"from\": %d, \"to\": %d, \"probability\": %s}", move->from, move->to,
						 float8out_internal(move->probability));
	}
	appendStringInfoChar(&text, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
}

void
xmcoh_check_columns(const BatchDocument *checked, Datum *values, bool *nulls)
{
	const xmc_check *check = &checked->check;
	bool		all_decided = check->pairs > 0 && check->decided_pairs == check->pairs && check->violated_pairs == 0;
	const char *verdict = check->violated_pairs > 0 ? verdict_names[XMC_VERDICT_SUSPECT]
		: checked->stale ? "stale" : all_decided ? "approved" : verdict_names[check->verdict];

	memset(nulls, 0, sizeof(bool) * XMCOH_CHECK_COLUMNS);
	values[DOCUMENT] = CStringGetTextDatum(checked->key);
	values[ITEMS] = Int32GetDatum(checked->n);
	values[APPROVED] = BoolGetDatum(all_decided && !checked->stale);
	values[COHERENCE] = Float8GetDatum(check->coherence);
	values[BEST_COHERENCE] = Float8GetDatum(check->best_coherence);
	values[GAIN] = Float8GetDatum(check->gain);
	values[CONFIDENT_PAIRS] = Int32GetDatum((int32) check->confident_pairs);
	values[VIOLATED_PAIRS] = Int32GetDatum((int32) check->violated_pairs);
	values[WORST_BEFORE] = check->worst_before >= 0 ? CStringGetTextDatum(checked->item[check->worst_before]) : (Datum) 0;
	values[WORST_AFTER] = check->worst_after >= 0 ? CStringGetTextDatum(checked->item[check->worst_after]) : (Datum) 0;
	values[WORST_PROBABILITY] = Float8GetDatum(check->worst_probability);
	values[VERDICT] = CStringGetTextDatum(verdict);
	values[MOVES] = moves_json(checked);
	nulls[COHERENCE] = nulls[BEST_COHERENCE] = nulls[GAIN] = check->pairs == 0;
	nulls[WORST_BEFORE] = nulls[WORST_AFTER] = nulls[WORST_PROBABILITY] = check->violated_pairs == 0;
}

/* ---- check_documents(model, source, documents, precision) ---- */

static void
put_check(void *arg, const BatchDocument *checked)
{
	const ReturnSetInfo *result = arg;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	xmcoh_check_columns(checked, values, nulls);
	values[GROUP] = checked->by ? CStringGetTextDatum(checked->by) : (Datum) 0;
	nulls[GROUP] = checked->by == NULL;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

double
xmcoh_check_threshold(const DeployedModel *deployed, double precision)
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
	BatchTask	task = {0};
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	BulkRequest request = {.source = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1),.decided = true,.task = &task,
		.answer = put_check,.arg = fcinfo->resultinfo,.keys = xmcoh_document_keys(fcinfo->args[2]),
	.by = xmcoh_by_argument(fcinfo->args[4])};
	double		precision = xmcoh_precision_argument(fcinfo->args[3]);
	DeployedModel deployed;

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model));
	task.threshold = xmcoh_check_threshold(&deployed, precision);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	xmcoh_bulk_score(&deployed, &as_new, &request);
	SPI_finish();
	return (Datum) 0;
}
