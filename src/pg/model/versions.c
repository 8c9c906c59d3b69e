/* versions.c - weights between bytea and the core; see versions.h */
#include "model/versions.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(xmcoh_inspect_weights);

void
xmcoh_append_json_number(StringInfo out, double value)
{
	if (isfinite(value))
		appendStringInfoString(out, float8out_internal(value));
	else
		appendStringInfoString(out, "null");
}

/* The options that differ from their defaults, as create_model takes them. */
static void
append_options(StringInfo out, const xmc_options *options)
{
	int32_t		count;
	const xmc_option_info *table = xmc_option_table(&count);
	bool		first = true;

	appendStringInfoChar(out, '{');
	for (int32_t i = 0; i < count; i++)
	{
		double		value = xmc_options_get(options, &table[i]);

		if (table[i].is_input || value == table[i].default_value)
			continue;
		appendStringInfo(out, "%s\"%s\": ", first ? "" : ", ", table[i].name);
		xmcoh_append_json_number(out, value);
		first = false;
	}
	appendStringInfoChar(out, '}');
}

/* inspect_weights(weights bytea): everything in it is checked, then described */
Datum
xmcoh_inspect_weights(PG_FUNCTION_ARGS)
{
	bytea	   *weights = PG_GETARG_BYTEA_P(0);	/* with its 4-byte header: the values are then aligned */
	xmc_ctx		ctx = xmcoh_context();
	xmc_model  *model;
	StringInfoData out;
	int64		parameters = 0;

	XMCOH_TRY(xmc_model_open(&ctx, VARDATA(weights), VARSIZE(weights) - VARHDRSZ, true, &model), &ctx);

	initStringInfo(&out);
	for (int32_t i = 0; i < model->n_tensors; i++)
		parameters += model->tensor[i].n_values;
	appendStringInfo(&out, "{\"image_dim\": %d, \"text_dim\": %d, \"words\": %s, \"options\": ",
					 model->options.image_dim, model->options.text_dim, model->options.words ? "true" : "false");
	append_options(&out, &model->options);
	appendStringInfo(&out, ", \"feature_version\": %d, \"tensors\": %d, \"parameters\": %lld, \"bytes\": %lld",
					 XMC_FEATURE_VERSION, (int) model->n_tensors, (long long) parameters,
					 (long long) (VARSIZE(weights) - VARHDRSZ));
	appendStringInfoString(&out, ", \"calibration\": {\"text\": ");
	xmcoh_append_json_number(&out, model->calibration.solo[XMC_TEXT]);
	appendStringInfoString(&out, ", \"image\": ");
	xmcoh_append_json_number(&out, model->calibration.solo[XMC_IMAGE]);
	appendStringInfoString(&out, ", \"fused_text\": ");
	xmcoh_append_json_number(&out, model->calibration.fused[XMC_TEXT]);
	appendStringInfoString(&out, ", \"fused_image\": ");
	xmcoh_append_json_number(&out, model->calibration.fused[XMC_IMAGE]);
	appendStringInfoString(&out, ", \"fused_bilinear\": ");
	xmcoh_append_json_number(&out, model->calibration.fused[XMC_JOINT]);
	appendStringInfoString(&out, "}}");
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}

int32
xmcoh_store_version(int32 model_id, const xmc_model *model, int32 job_id, const char *report)
{
	xmc_ctx		ctx = xmcoh_context();
	Oid			types[4] = {INT4OID, BYTEAOID, INT4OID, JSONBOID};
	Datum		values[4];
	char		nulls[5] = "    ";
	size_t		size;
	bytea	   *weights;
	bool		is_null;
	int32		version;

	XMCOH_TRY(xmc_model_save(&ctx, model, NULL, &size), &ctx);
	if (size > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("the model has %zu bytes, more than a bytea can hold", size),
				errhint("Train with smaller d_model, layers, hash_bits or bag_bits."));
	weights = palloc(size + VARHDRSZ);
	SET_VARSIZE(weights, size + VARHDRSZ);
	XMCOH_TRY(xmc_model_save(&ctx, model, VARDATA(weights), &size), &ctx);

	values[0] = Int32GetDatum(model_id);
	values[1] = PointerGetDatum(weights);
	values[2] = Int32GetDatum(job_id);
	if (job_id == 0)
		nulls[2] = 'n';
	values[3] = DirectFunctionCall1(jsonb_in, CStringGetDatum(report));
	if (SPI_execute_with_args("SELECT xmcoh_internal.store_version($1, $2, $3, $4)", 4, types, values, nulls, false, 1)
		!= SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not store a version");
	version = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	pfree(weights);
	return version;
}
