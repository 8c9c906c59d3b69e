/*
 * versions.c - the rows of xmcoh.model_version: stored, described, and which documents were held out; versions.h is the
 * contract.
 */
#include "model/versions.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "base/json_object.h"
#include "base/xmcoh.h"

#include "xmcoh/seen.h"

PG_FUNCTION_INFO_V1(xmcoh_inspect_weights);

/* The field options: the options that differ from their defaults, as create_model takes them. */
static void
add_options(JsonbParseState **json, const xmc_options *options)
{
	int32_t		count;
	const xmc_option_info *table = xmc_option_table(&count);

	xmcoh_json_begin(json, "options");
	for (int32_t i = 0; i < count; i++)
	{
		double		value = xmc_options_get(options, &table[i]);

		if (!table[i].is_input && value != table[i].default_value)
			xmcoh_json_number(json, table[i].name, value);
	}
	(void) xmcoh_json_end(json);
}

/* inspect_weights(weights bytea): checks the weights in full, then describes the model */
Datum
xmcoh_inspect_weights(PG_FUNCTION_ARGS)
{
	bytea	   *weights = PG_GETARG_BYTEA_P(0);	/* with its 4-byte header: the values are then aligned */
	xmc_ctx		ctx = xmcoh_context();
	JsonbParseState *json = NULL;
	xmc_model  *model;
	int64		parameters = 0;

	XMCOH_TRY(xmc_model_open(&ctx, VARDATA(weights), VARSIZE(weights) - VARHDRSZ, true, &model), &ctx);
	for (int32_t i = 0; i < model->n_tensors; i++)
		parameters += model->tensor[i].n_values;

	xmcoh_json_begin(&json, NULL);
	xmcoh_json_number(&json, "image_dim", model->options.image_dim);
	xmcoh_json_number(&json, "text_dim", model->options.text_dim);
	xmcoh_json_bool(&json, "words", model->options.words);
	add_options(&json, &model->options);
	if (model->encoder[XMC_TEXT][0] != '\0')
		xmcoh_json_text(&json, "encoder", model->encoder[XMC_TEXT]);
	if (model->encoder[XMC_IMAGE][0] != '\0')
		xmcoh_json_text(&json, "image_encoder", model->encoder[XMC_IMAGE]);
	xmcoh_json_number(&json, "feature_version", XMC_FEATURE_VERSION);
	xmcoh_json_number(&json, "tensors", model->n_tensors);
	xmcoh_json_number(&json, "parameters", (double) parameters);
	xmcoh_json_bool(&json, "learned_from_held_out", model->measured != NULL);
	xmcoh_json_number(&json, "bytes", VARSIZE(weights) - VARHDRSZ);
	xmcoh_json_begin(&json, "calibration");
	xmcoh_json_number(&json, "text", model->calibration.solo[XMC_TEXT]);
	xmcoh_json_number(&json, "image", model->calibration.solo[XMC_IMAGE]);
	xmcoh_json_number(&json, "fused_text", model->calibration.fused[XMC_TEXT]);
	xmcoh_json_number(&json, "fused_image", model->calibration.fused[XMC_IMAGE]);
	xmcoh_json_number(&json, "fused_bilinear", model->calibration.fused[XMC_JOINT]);
	(void) xmcoh_json_end(&json);
	PG_RETURN_JSONB_P(xmcoh_json_end(&json));
}

HeldOutRule
xmcoh_held_out_rule(int32 model_id, int32 version)
{
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2] = {Int32GetDatum(model_id), Int32GetDatum(version)};
	bool		no_seed = true;
	bool		no_threshold = true;
	bool		is_null;
	HeldOutRule rule = {0};

	if (SPI_execute_with_args("SELECT coalesce(xmcoh.report_integer(report, 'held_out_seed'),"
							  " xmcoh.report_integer(report, 'seed')),"
							  " xmcoh.report_number(report, 'held_out_threshold'),"
							  " xmcoh.report_integer(report, 'groups') IS NOT NULL,"
							  " xmcoh.report_integer(report, 'documents_joined') IS NOT NULL"
							  " FROM xmcoh.model_version WHERE model_id OPERATOR(pg_catalog.=) $1"
							  " AND version OPERATOR(pg_catalog.=) $2",
							  2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.model_version");
	if (SPI_processed == 1)
	{
		HeapTuple	row = SPI_tuptable->vals[0];

		rule.hash.seed = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &no_seed));
		rule.hash.threshold = DatumGetFloat8(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &no_threshold));
		rule.by_group = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &is_null));
		rule.by_record = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 4, &is_null));
	}
	SPI_freetuptable(SPI_tuptable);
	rule.is_known = !no_seed && !no_threshold;
	return rule;
}

bool
xmcoh_was_held_out(const HeldOutRule *rule, const xmc_model *model, const char *key, const char *group_name)
{
	const char *name = rule->by_group ? group_name : key;

	if (rule->by_record)
		return xmc_seen_find(model, key, strlen(key)) == XMC_UNSEEN;
	return xmc_held_out(name, strlen(name), rule->hash.seed, rule->hash.threshold);
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
				errhint("Train with a smaller d_model, layers, hash_bits or bag_bits."));
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
