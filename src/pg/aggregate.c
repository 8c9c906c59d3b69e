/* aggregate.c - the aggregates coherence and recover_order; state.h has what they collect */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "evidence.h"
#include "state.h"
#include "weights.h"
#include "xmcoh.h"

PG_FUNCTION_INFO_V1(xmcoh_coherence_step);
PG_FUNCTION_INFO_V1(xmcoh_recover_order_step);
PG_FUNCTION_INFO_V1(xmcoh_aggregate_combine);
PG_FUNCTION_INFO_V1(xmcoh_aggregate_serialize);
PG_FUNCTION_INFO_V1(xmcoh_aggregate_deserialize);
PG_FUNCTION_INFO_V1(xmcoh_coherence_final);
PG_FUNCTION_INFO_V1(xmcoh_recover_order_final);

/* ---- collecting ---- */

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function called in non-aggregate context");
	return context;
}

static const NullableDatum absent = {.isnull = true};

/* The state of this row's document, made at its first row. Arguments: state, model, ..., in the longest form 6: evidence. */
static OrderState *
row_state(FunctionCallInfo fcinfo, bool by_position)
{
	MemoryContext context = aggregate_context(fcinfo);
	OrderState *state = PG_ARGISNULL(0) ? NULL : (OrderState *) PG_GETARG_POINTER(0);
	text	   *model = xmcoh_model_argument(fcinfo->args[1]);
	xmc_evidence evidence = xmcoh_evidence_argument(PG_NARGS() > 6 ? fcinfo->args[6] : absent);

	if (state == NULL)
		return xmcoh_state_new(context, by_position, evidence, VARDATA_ANY(model), (int32) VARSIZE_ANY_EXHDR(model));
	if (state->model_length != (int32) VARSIZE_ANY_EXHDR(model)
		|| memcmp(state->model, VARDATA_ANY(model), state->model_length) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model must be the same for all rows of a document"),
				 errdetail("Got \"%s\" and \"%s\".", pnstrdup(state->model, state->model_length),
						   text_to_cstring(model))));
	if (state->evidence != evidence)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("evidence must be the same for all rows of a document"),
				 errdetail("Got \"%s\" and \"%s\".", xmcoh_evidence_name(state->evidence),
						   xmcoh_evidence_name(evidence))));
	return state;
}

/* Arguments 3 to 5: text, image and, in the longer forms, text embedding. `key` is zero-terminated. */
static void
add_row(FunctionCallInfo fcinfo, OrderState *state, double position, const char *key)
{
	StateItem	item = {.position = position, .key = key, .key_length = (int32) strlen(key)};

	xmcoh_evidence_read(fcinfo->args[3], fcinfo->args[4], PG_NARGS() > 5 ? fcinfo->args[5] : absent, key,
						&item.evidence);
	xmcoh_state_add(state, &item);
}

Datum
xmcoh_coherence_step(PG_FUNCTION_ARGS)
{
	OrderState *state = row_state(fcinfo, true);
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	double		position;

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("position must not be NULL"),
				 errhint("Leave rows without a position out: FILTER (WHERE position IS NOT NULL).")));
	position = PG_GETARG_FLOAT8(2) + 0.0;	/* -0 becomes 0 */
	if (isnan(position))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("position must not be NaN")));
	double_to_shortest_decimal_buf(position, digits);	/* see item_key */
	add_row(fcinfo, state, position, digits);
	PG_RETURN_POINTER(state);
}

typedef struct OutputSite
{
	Oid			type;			/* under its domain, if it is one */
	FmgrInfo	output;
} OutputSite;

/* An item as text, from which its type's input function makes the same item again. */
static char *
item_key(OutputSite *site, Datum item)
{
	char	   *key;

	/* Not by their output functions, which extra_float_digits can make forget digits. */
	switch (site->type)
	{
		case FLOAT4OID:
			key = palloc(FLOAT_SHORTEST_DECIMAL_LEN);
			float_to_shortest_decimal_buf(DatumGetFloat4(item), key);
			return key;
		case FLOAT8OID:
			key = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);
			double_to_shortest_decimal_buf(DatumGetFloat8(item), key);
			return key;
		default:
			return OutputFunctionCall(&site->output, item);
	}
}

Datum
xmcoh_recover_order_step(PG_FUNCTION_ARGS)
{
	OrderState *state = row_state(fcinfo, false);
	OutputSite *site = fcinfo->flinfo->fn_extra;

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("item must not be NULL")));
	if (site == NULL)
	{
		Oid			output;
		bool		is_varlena;

		site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(OutputSite));
		site->type = get_fn_expr_argtype(fcinfo->flinfo, 2);
		if (!OidIsValid(site->type))
			elog(ERROR, "could not determine the type of item");
		site->type = getBaseType(site->type);
		getTypeOutputInfo(site->type, &output, &is_varlena);
		fmgr_info_cxt(output, &site->output, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = site;
	}
	add_row(fcinfo, state, 0, item_key(site, PG_GETARG_DATUM(2)));
	PG_RETURN_POINTER(state);
}

/* ---- partial aggregation ---- */

Datum
xmcoh_aggregate_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	OrderState *state = PG_ARGISNULL(0) ? NULL : (OrderState *) PG_GETARG_POINTER(0);
	const OrderState *more = PG_ARGISNULL(1) ? NULL : (OrderState *) PG_GETARG_POINTER(1);

	if (more != NULL)
	{
		if (state == NULL)
			state = xmcoh_state_new(context, more->by_position, more->evidence, more->model, more->model_length);
		xmcoh_state_merge(state, more);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
xmcoh_aggregate_serialize(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(xmcoh_state_write((OrderState *) PG_GETARG_POINTER(0)));
}

Datum
xmcoh_aggregate_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *written = PG_GETARG_BYTEA_PP(0);
	StringInfoData from;

	(void) aggregate_context(fcinfo);
	/* The combine function copies it, so it may live where this call lives. */
	from = (StringInfoData){.data = VARDATA_ANY(written), .len = (int) VARSIZE_ANY_EXHDR(written)};
	PG_RETURN_POINTER(xmcoh_state_read(CurrentMemoryContext, &from));
}

/* ---- answering ---- */

typedef struct FinalSite
{
	ModelLookup lookup;
	bool		noticed;
	Oid			type;			/* of the items of recover_order */
	int16		length;
	bool		by_value;
	char		alignment;
	Oid			io_parameter;
	FmgrInfo	input;
} FinalSite;

static FinalSite *
final_site(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(FinalSite));
	return fcinfo->flinfo->fn_extra;
}

static int
compare_keys(const void *a, const void *b)
{
	const StateItem *const *left = a;
	const StateItem *const *right = b;

	return xmc_key_compare((*left)->key, (*left)->key_length, (*right)->key, (*right)->key_length);
}

/* The items in key order. The state itself stays as it is: a moving window frame asks it again. */
static const StateItem **
sorted_items(const OrderState *state)
{
	const StateItem **sorted = palloc(sizeof(StateItem *) * (Size) (state->n + 1));

	for (int32 i = 0; i < state->n; i++)
		sorted[i] = &state->item[i];
	qsort(sorted, state->n, sizeof(StateItem *), compare_keys);
	for (int32 i = 1; i < state->n; i++)
		if (compare_keys(&sorted[i - 1], &sorted[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("%s \"%s\" stands twice in a document", state->by_position ? "position" : "item",
							pnstrdup(sorted[i]->key, sorted[i]->key_length)),
					 errhint("All rows of a group are one document: does the query GROUP BY the document?")));
	return sorted;
}

/* Scores the document of a state whose items are in `sorted`. */
static void
score_state(FunctionCallInfo fcinfo, const OrderState *state, const StateItem **sorted, ScoredDocument *out)
{
	FinalSite  *site = final_site(fcinfo);
	const DeployedModel *deployed = xmcoh_lookup_deployed(&site->lookup, fcinfo->flinfo->fn_mcxt, state->model,
														  state->model_length);
	xmc_item   *item = palloc(sizeof(xmc_item) * (Size) (state->n + 1));

	for (int32 i = 0; i < state->n; i++)
		xmcoh_evidence_item(&sorted[i]->evidence, &deployed->model->options, sorted[i]->key, sorted[i]->key_length,
							!state->by_position, &item[i]);
	xmcoh_score_items(deployed->model, state->n, item, out);
	if (state->evidence == XMC_EVIDENCE_FUSED)
		xmcoh_notice_no_evidence(&out->document, &site->noticed);
}

typedef struct Placed
{
	double		position;
	int32		item;			/* its number in key order */
} Placed;

static int
compare_positions(const void *a, const void *b)
{
	double		left = ((const Placed *) a)->position;
	double		right = ((const Placed *) b)->position;

	return (left > right) - (left < right);
}

Datum
xmcoh_coherence_final(PG_FUNCTION_ARGS)
{
	const OrderState *state = PG_ARGISNULL(0) ? NULL : (OrderState *) PG_GETARG_POINTER(0);
	const StateItem **sorted;
	ScoredDocument scored;
	Placed	   *placed;
	int32	   *order;			/* at first the items that the evidence speaks of, in key order */
	int32		m;
	double		coherence;
	xmc_ctx		ctx = xmcoh_context();

	if (state == NULL)
		PG_RETURN_NULL();
	sorted = sorted_items(state);
	score_state(fcinfo, state, sorted, &scored);
	placed = palloc(sizeof(Placed) * (Size) (state->n + 1));
	order = palloc(sizeof(int32) * (Size) (state->n + 1));
	m = xmc_evidence_items(&scored.document, state->evidence, order);
	if (m < 2)
		PG_RETURN_NULL();
	for (int32 k = 0; k < m; k++)
		placed[k] = (Placed){.position = sorted[order[k]]->position, .item = order[k]};
	qsort(placed, m, sizeof(Placed), compare_positions);
	for (int32 k = 0; k < m; k++)
		order[k] = placed[k].item;
	XMCOH_TRY(xmc_coherence(&ctx, state->n, scored.scores.score[state->evidence], m, order, &coherence), &ctx);
	PG_RETURN_FLOAT8(coherence);
}

/* Keys became text by the type's output function; its input function makes items of them again. */
static Datum
items_array(FunctionCallInfo fcinfo, int32 n, const StateItem **sorted, const int32 *order)
{
	FinalSite  *site = final_site(fcinfo);
	Datum	   *values = palloc(sizeof(Datum) * (Size) (n + 1));

	if (!OidIsValid(site->type))
	{
		Oid			input;
		char		delimiter;
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 2);

		if (!OidIsValid(type))
			elog(ERROR, "could not determine the type of item");
		get_type_io_data(type, IOFunc_input, &site->length, &site->by_value, &site->alignment, &delimiter,
						 &site->io_parameter, &input);
		fmgr_info_cxt(input, &site->input, fcinfo->flinfo->fn_mcxt);
		site->type = type;
	}
	for (int32 k = 0; k < n; k++)
	{
		const StateItem *item = sorted[order[k]];

		values[k] = InputFunctionCall(&site->input, pnstrdup(item->key, item->key_length), site->io_parameter, -1);
	}
	return PointerGetDatum(construct_array(values, n, site->type, site->length, site->by_value, site->alignment));
}

Datum
xmcoh_recover_order_final(PG_FUNCTION_ARGS)
{
	const OrderState *state = PG_ARGISNULL(0) ? NULL : (OrderState *) PG_GETARG_POINTER(0);
	const StateItem **sorted;
	ScoredDocument scored;
	int32	   *order;
	int32		m;

	if (state == NULL)
		PG_RETURN_NULL();
	sorted = sorted_items(state);
	score_state(fcinfo, state, sorted, &scored);
	order = palloc(sizeof(int32) * (Size) (state->n + 1));
	m = xmcoh_decode_evidence(&scored.document, &scored.scores, state->evidence, order);
	PG_RETURN_DATUM(items_array(fcinfo, m, sorted, order));
}
