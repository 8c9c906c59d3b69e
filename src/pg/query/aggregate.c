/*
 * aggregate.c - the aggregates coherence and recover_order: step, combine, serialize, deserialize and final functions.
 *
 * state.h is what they collect.
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/xmcoh.h"
#include "model/weights.h"
#include "query/arguments.h"
#include "query/item.h"
#include "query/item_input.h"
#include "query/scored_document.h"
#include "query/state.h"
#include "query/wire.h"

#include "xmcoh/order.h"

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

/*
 * The state of this row's document, made at the first row. Argument 1 is the model, argument 6 of the longest form
 * evidence.
 */
static OrderState *
row_state(FunctionCallInfo fcinfo, bool by_position)
{
	MemoryContext context = aggregate_context(fcinfo);
	OrderState *state = PG_ARGISNULL(0) ? NULL : (OrderState *) PG_GETARG_POINTER(0);
	text	   *model = xmcoh_model_argument(fcinfo->args[1]);
	xmc_score_kind kind = xmcoh_score_kind_argument(PG_NARGS() > 6 ? fcinfo->args[6] : absent);

	if (state == NULL)
	{
		state = xmcoh_state_new(context, by_position, kind, VARDATA_ANY(model), (int32) VARSIZE_ANY_EXHDR(model));
		state->takes_embedding = PG_NARGS() > 5;
		return state;
	}
	if (state->model_length != (int32) VARSIZE_ANY_EXHDR(model)
		|| memcmp(state->model, VARDATA_ANY(model), state->model_length) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model must be the same for all rows of a document"),
				 errdetail("Got \"%s\" and \"%s\".", pnstrdup(state->model, state->model_length),
						   text_to_cstring(model))));
	if (state->score_kind != kind)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("evidence must be the same for all rows of a document"),
				 errdetail("Got \"%s\" and \"%s\".", xmcoh_score_kind_name(state->score_kind),
						   xmcoh_score_kind_name(kind))));
	return state;
}

/* A position in digits. This is the key of the item: errors name it, and ties are broken by it. */
static const char *
position_text(double position)
{
	char	   *digits = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);

	/* not float8out, which gives fewer digits under some values of extra_float_digits */
	double_to_shortest_decimal_buf(position, digits);
	return digits;
}

static const char *
position_name(void *arg)
{
	return position_text(*(const double *) arg);
}

/* Adds an item with the inputs in arguments 3 to 5: text, image and, in the longer forms, text embedding. */
static void
add_row(FunctionCallInfo fcinfo, OrderState *state, StateItem *item, ItemNamer name, void *arg)
{
	xmcoh_item_input_read(fcinfo->args[3], fcinfo->args[4], PG_NARGS() > 5 ? fcinfo->args[5] : absent, name, arg,
						&item->input);
	xmcoh_state_add(state, item);
}

Datum
xmcoh_coherence_step(PG_FUNCTION_ARGS)
{
	OrderState *state = row_state(fcinfo, true);
	StateItem	item = {0};

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("position must not be NULL"),
				 errhint("Leave out rows without a position: FILTER (WHERE position IS NOT NULL).")));
	item.position = PG_GETARG_FLOAT8(2) + 0.0;	/* -0 becomes 0 */
	if (isnan(item.position))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("position must not be NaN")));
	add_row(fcinfo, state, &item, position_name, &item.position);
	PG_RETURN_POINTER(state);
}

/* The type of the argument `item` of recover_order, looked up once in a call site. */
static ItemType *
item_type(FunctionCallInfo fcinfo, ItemType *type)
{
	if (!OidIsValid(type->type))
	{
		Oid			declared = get_fn_expr_argtype(fcinfo->flinfo, 2);

		if (!OidIsValid(declared))
			elog(ERROR, "could not determine the type of item");
		xmcoh_item_type(declared, fcinfo->flinfo->fn_mcxt, type);
	}
	return type;
}

typedef struct NamedItem
{
	ItemType   *type;
	Datum		item;
} NamedItem;

static const char *
item_name(void *arg)
{
	const NamedItem *named = arg;
	char	   *text;

	xmcoh_item_texts(named->type, 1, &named->item, &text);
	return text;
}

Datum
xmcoh_recover_order_step(PG_FUNCTION_ARGS)
{
	OrderState *state = row_state(fcinfo, false);
	NamedItem	named;
	StateItem	item = {0};

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("item must not be NULL")));
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ItemType));
	named.type = item_type(fcinfo, fcinfo->flinfo->fn_extra);
	named.item = PG_GETARG_DATUM(2);
	if (named.type->length == -1)
		named.item = PointerGetDatum(PG_DETOAST_DATUM(named.item));	/* this makes expanded objects flat, too */
	if (!OidIsValid(state->item_type))
		xmcoh_state_set_item_type(state, named.type->type);
	item.item = named.item;
	add_row(fcinfo, state, &item, item_name, &named);
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
			state = xmcoh_state_new(context, more->by_position, more->score_kind, more->model, more->model_length);
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
	/* The combine function copies the state, so the state may live in the memory context of this call. */
	from = (StringInfoData){.data = VARDATA_ANY(written), .len = (int) VARSIZE_ANY_EXHDR(written)};
	PG_RETURN_POINTER(xmcoh_state_read(CurrentMemoryContext, &from));
}

/* ---- answering ---- */

/* What one call site keeps between calls. */
typedef struct FinalSite
{
	ModelLookup lookup;
	InputNotices notices;
	ItemType	type;			/* of the items of recover_order */
} FinalSite;

static FinalSite *
final_site(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(FinalSite));
	return fcinfo->flinfo->fn_extra;
}

/* ERROR for a state of the other aggregate, which bytes from elsewhere may hold. */
static void
check_kind(const OrderState *state, bool by_position)
{
	if (state->by_position != by_position)
		xmcoh_wire_bad("The state is of another aggregate.");
}

/* An item with its key. */
typedef struct KeyedItem
{
	const StateItem *item;
	const char *key;
	size_t		key_length;
	Datum		value;			/* recover_order only */
} KeyedItem;

static int
compare_keys(const void *a, const void *b)
{
	const KeyedItem *left = a;
	const KeyedItem *right = b;

	return xmc_key_compare(left->key, left->key_length, right->key, right->key_length);
}

/* The items as values; those that came from another process are made from their bytes. */
static Datum *
item_values(const OrderState *state, ItemType *type)
{
	Datum	   *value = palloc(sizeof(Datum) * (Size) (state->n + 1));
	StringInfo *wire = palloc0(sizeof(StringInfo) * (Size) (state->n + 1));
	bool		any = false;

	for (int32 i = 0; i < state->n; i++)
	{
		const StateItem *item = &state->item[i];

		value[i] = item->item;
		if (item->wire == NULL)
			continue;
		wire[i] = palloc0(sizeof(StringInfoData));
		wire[i]->data = unconstify(char *, item->wire);
		wire[i]->len = item->wire_length;
		any = true;
	}
	if (any)
		xmcoh_item_read(type, state->n, wire, value);
	return value;
}

/*
 * The items in key order. The state does not change, because a moving window frame finishes it several times. Making items
 * from bytes runs users' code, so the model is looked up only afterwards.
 */
static KeyedItem *
sorted_items(FunctionCallInfo fcinfo, const OrderState *state)
{
	KeyedItem  *sorted = palloc0(sizeof(KeyedItem) * (Size) (state->n + 1));
	char	  **text = palloc(sizeof(char *) * (Size) (state->n + 1));
	Datum	   *value = NULL;

	if (!state->by_position)
	{
		ItemType   *type = item_type(fcinfo, &final_site(fcinfo)->type);

		value = item_values(state, type);
		xmcoh_item_texts(type, state->n, value, text);
	}
	for (int32 i = 0; i < state->n; i++)
	{
		const char *key = state->by_position ? position_text(state->item[i].position) : text[i];

		sorted[i] = (KeyedItem) {.item = &state->item[i],.key = key,.key_length = strlen(key)};
		if (value != NULL)
			sorted[i].value = value[i];
	}
	qsort(sorted, state->n, sizeof(KeyedItem), compare_keys);
	for (int32 i = 1; i < state->n; i++)
		if (compare_keys(&sorted[i - 1], &sorted[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("%s \"%s\" stands twice in a document", state->by_position ? "position" : "item",
							sorted[i].key),
					 errhint("All rows of a group are one document. Check that the query has GROUP BY document.")));
	return sorted;
}

/* Scores the document of a state. `sorted`: its items in key order. */
static void
score_state(FunctionCallInfo fcinfo, const OrderState *state, const KeyedItem *sorted, ScoredDocument *out)
{
	FinalSite  *site = final_site(fcinfo);
	const DeployedModel *deployed = xmcoh_lookup_deployed(&site->lookup, fcinfo->flinfo->fn_mcxt, state->model,
														  state->model_length, false);
	xmc_item   *item = palloc(sizeof(xmc_item) * (Size) (state->n + 1));

	for (int32 i = 0; i < state->n; i++)
		xmcoh_item_of_input(&sorted[i].item->input, deployed, sorted[i].key, sorted[i].key_length,
							!state->by_position, &item[i]);
	xmcoh_score_items(deployed, state->n, item, out);
	xmcoh_notice_missing_input(deployed, state->takes_embedding, state->score_kind, &out->document,
						  &site->notices);
}

/* An item with its position, for sorting. */
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
	const KeyedItem *sorted;
	ScoredDocument scored;
	Placed	   *placed;
	int32	   *order;			/* first the items that the kind of score covers, in key order; then these by position */
	int32		m;
	double		coherence;
	xmc_ctx		ctx = xmcoh_context();

	if (state == NULL)
		PG_RETURN_NULL();
	check_kind(state, true);
	sorted = sorted_items(fcinfo, state);
	score_state(fcinfo, state, sorted, &scored);
	placed = palloc(sizeof(Placed) * (Size) (state->n + 1));
	order = palloc(sizeof(int32) * (Size) (state->n + 1));
	m = xmc_score_kind_items(&scored.document, state->score_kind, order);
	if (m < 2)
		PG_RETURN_NULL();
	/* the order to be measured: the items by position */
	for (int32 k = 0; k < m; k++)
		placed[k] = (Placed){.position = sorted[order[k]].item->position, .item = order[k]};
	qsort(placed, m, sizeof(Placed), compare_positions);
	for (int32 k = 0; k < m; k++)
		order[k] = placed[k].item;
	XMCOH_TRY(xmc_coherence(&ctx, state->n, scored.scores.score[state->score_kind], m, order, &coherence), &ctx);
	PG_RETURN_FLOAT8(coherence);
}

Datum
xmcoh_recover_order_final(PG_FUNCTION_ARGS)
{
	const OrderState *state = PG_ARGISNULL(0) ? NULL : (OrderState *) PG_GETARG_POINTER(0);
	const KeyedItem *sorted;
	ScoredDocument scored;
	const ItemType *type;
	Datum	   *value;
	int32	   *order;
	int32		m;

	if (state == NULL)
		PG_RETURN_NULL();
	check_kind(state, false);
	sorted = sorted_items(fcinfo, state);
	score_state(fcinfo, state, sorted, &scored);
	order = palloc(sizeof(int32) * (Size) (state->n + 1));
	m = xmcoh_decode_scores(&scored.document, &scored.scores, state->score_kind, NULL, order);
	value = palloc(sizeof(Datum) * (Size) (m + 1));
	for (int32 k = 0; k < m; k++)
		value[k] = sorted[order[k]].value;
	type = &final_site(fcinfo)->type;
	PG_RETURN_ARRAYTYPE_P(construct_array(value, m, type->type, type->length, type->by_value, type->alignment));
}
