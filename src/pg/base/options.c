/*
 * options.c - the options of models and training in SQL: out of jsonb, and as rows.
 *
 * The table of options is in src/core/document/options.c.
 */
#include "base/xmcoh.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(xmcoh_options);
PG_FUNCTION_INFO_V1(xmcoh_check_options);

/* Numbers are themselves, true and false are 1 and 0; anything else is an error. */
static double
option_value(const char *name, const JsonbValue *value)
{
	if (value->type == jbvNumeric)
		return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (value->type == jbvBool)
		return value->val.boolean ? 1 : 0;
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("option \"%s\" must be a number or a boolean", name));
}

/* XMC_BAD_INPUT of an option is ERROR invalid_parameter_value, not data_exception. */
static void
check(xmc_status status, const xmc_ctx *ctx)
{
	if (status == XMC_BAD_INPUT)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", ctx->message));
	if (status != XMC_OK)
		xmcoh_raise(status, ctx);
}

void
xmcoh_make_options(int32 image_dim, int32 text_dim, bool words, Jsonb *jsonb, xmc_options *out)
{
	xmc_ctx		ctx = xmcoh_context();

	xmc_options_default(out);
	check(xmc_options_set(&ctx, out, "image_dim", image_dim), &ctx);
	check(xmc_options_set(&ctx, out, "text_dim", text_dim), &ctx);
	check(xmc_options_set(&ctx, out, "words", words ? 1 : 0), &ctx);

	if (jsonb != NULL)
	{
		JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
		JsonbValue	key;
		JsonbValue	value;
		JsonbIteratorToken token;

		if (!JB_ROOT_IS_OBJECT(jsonb))
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("options must be a JSON object"),
					errhint("An example is '{\"epochs\": 20}'."));
		while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
		{
			const xmc_option_info *info;
			char		known[XMC_OPTION_NAMES];
			char	   *name;

			if (token != WJB_KEY)
				continue;
			name = pnstrdup(key.val.string.val, key.val.string.len);
			if (JsonbIteratorNext(&iterator, &value, true) != WJB_VALUE)
				elog(ERROR, "unexpected jsonb iterator token");
			info = xmc_option_find(name);
			if (info == NULL || info->is_input)
				ereport(ERROR,
						errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("unknown option \"%s\"", name),
						errdetail("Known options: %s.", xmc_option_names(known)),
						errhint("xmcoh.options() lists them with defaults, bounds and meaning."));
			check(xmc_options_set(&ctx, out, name, option_value(name, &value)), &ctx);
			pfree(name);
		}
	}
	check(xmc_options_check(&ctx, out), &ctx);
}

/* options(): one row for each key that `options` may have */
Datum
xmcoh_options(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int32_t		count;
	const xmc_option_info *table = xmc_option_table(&count);

	InitMaterializedSRF(fcinfo, 0);
	for (int32_t i = 0; i < count; i++)
	{
		Datum		values[5];
		bool		nulls[5] = {0};

		if (table[i].is_input)
			continue;
		values[0] = CStringGetTextDatum(table[i].name);
		values[1] = Float8GetDatum(table[i].default_value);
		values[2] = Float8GetDatum(table[i].low);
		values[3] = Float8GetDatum(table[i].high);
		values[4] = CStringGetTextDatum(table[i].meaning);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* check_options(image_dim integer, text_dim integer, words boolean, options jsonb) */
Datum
xmcoh_check_options(PG_FUNCTION_ARGS)
{
	xmc_options options;

	xmcoh_make_options(PG_GETARG_INT32(0), PG_GETARG_INT32(1), PG_GETARG_BOOL(2), PG_GETARG_JSONB_P(3), &options);
	PG_RETURN_VOID();
}
