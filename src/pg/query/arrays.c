/*
 * arrays.c - order_coherence and order_holds: a document whose items are given in arrays, in its order.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/xmcoh.h"
#include "model/weights.h"
#include "query/arguments.h"
#include "query/item_input.h"
#include "query/scored_document.h"

#include "xmcoh/check.h"
#include "xmcoh/order.h"

PG_FUNCTION_INFO_V1(xmcoh_order_coherence);
PG_FUNCTION_INFO_V1(xmcoh_order_holds);

/* An argument: one text, or one row of numbers, for each item. */
typedef struct ItemArray
{
	ArrayType  *array;			/* NULL: the argument is NULL */
	int			n;				/* items */
	int			width;			/* numbers of each item */
} ItemArray;

/* ERROR unless an argument has `dimensions` dimensions; `name` names it. */
static ItemArray
read_array(NullableDatum argument, int dimensions, const char *name)
{
	ItemArray	read = {0};

	if (argument.isnull)
		return read;
	read.array = DatumGetArrayTypeP(argument.value);
	if (ARR_NDIM(read.array) == 0)
		return read;
	if (ARR_NDIM(read.array) != dimensions)
		ereport(ERROR,
				errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				errmsg("%s has %d dimensions instead of %d", name, ARR_NDIM(read.array), dimensions),
				dimensions == 2 ? errhint("The first dimension is the item, the second one the numbers of its embedding.") : 0);
	read.n = ARR_DIMS(read.array)[0];
	read.width = dimensions == 2 ? ARR_DIMS(read.array)[1] : 1;
	return read;
}

/* Item i of an array as a value of its own: a text, or an array of numbers; NULL where all of it is NULL. */
static NullableDatum
item_value(const ItemArray *from, const Datum *value, const bool *is_null, int i)
{
	NullableDatum item = {.isnull = true};
	int			lower = 1;
	int			width = from->width;
	bool		all_null = true;

	for (int k = 0; k < width; k++)
		all_null = all_null && is_null[i * width + k];
	if (all_null)
		return item;
	item.isnull = false;
	if (ARR_NDIM(from->array) == 1)
		item.value = value[i];
	else
		item.value = PointerGetDatum(construct_md_array(unconstify(Datum *, value) + i * width,
														unconstify(bool *, is_null) + i * width, 1, &width, &lower,
														FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
	return item;
}

/* The values of an array, one for each item, n of them; all NULL for an argument that is NULL or empty. */
static NullableDatum *
item_values(const ItemArray *from, int n)
{
	NullableDatum *item = palloc(sizeof(NullableDatum) * (n + 1));
	bool		is_text = from->array && ARR_ELEMTYPE(from->array) == TEXTOID;
	Datum	   *value = NULL;
	bool	   *is_null = NULL;
	int			n_values;

	if (from->n > 0)
		deconstruct_array(from->array, ARR_ELEMTYPE(from->array), is_text ? -1 : (int) sizeof(float4), !is_text, TYPALIGN_INT,
						  &value, &is_null, &n_values);
	for (int i = 0; i < n; i++)
		item[i] = from->n > 0 ? item_value(from, value, is_null, i) : (NullableDatum) {.isnull = true};
	return item;
}

static const char *
item_name(void *arg)
{
	return psprintf("%d", *(int *) arg + 1);
}

/* The n items of the arguments texts, images and text_embeddings, in `from` 1 to 3, with the keys 1 to n. */
static xmc_item *
read_items(FunctionCallInfo fcinfo, const DeployedModel *deployed, int *n)
{
	static const char *const name[3] = {"texts", "images", "text_embeddings"};
	ItemArray	array[3];
	NullableDatum *value[3];
	xmc_item   *item;

	*n = 0;
	for (int k = 0; k < 3; k++)
	{
		array[k] = read_array(fcinfo->args[1 + k], k == 0 ? 1 : 2, name[k]);
		if (array[k].n > 0 && *n > 0 && array[k].n != *n)
			ereport(ERROR,
					errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					errmsg("%s is of %d items, but an array before is of %d", name[k], array[k].n, *n));
		*n = Max(*n, array[k].n);
	}
	xmcoh_check_item_count(*n);
	for (int k = 0; k < 3; k++)
		value[k] = item_values(&array[k], *n);
	item = palloc(sizeof(xmc_item) * (*n + 1));
	for (int i = 0; i < *n; i++)
	{
		const char *key = psprintf("%d", i + 1);
		ItemInput	input;

		xmcoh_item_input_read(value[0][i], value[1][i], value[2][i], item_name, &i, &input);
		xmcoh_item_of_input(&input, deployed, key, strlen(key), true, &item[i]);
	}
	return item;
}

/* Scores the n items of the call, if there are two or more. No deployed version is an ERROR unless may_lack. */
static const DeployedModel *
score_call(FunctionCallInfo fcinfo, bool may_lack, ScoredDocument *scored, int *n)
{
	ModelLookup *lookup = fcinfo->flinfo->fn_extra;
	text	   *model = xmcoh_model_argument(fcinfo->args[0]);
	const DeployedModel *deployed;
	xmc_item   *item;

	if (lookup == NULL)
		lookup = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(ModelLookup));
	deployed = xmcoh_lookup_deployed(lookup, fcinfo->flinfo->fn_mcxt, VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model), may_lack);
	if (deployed->model == NULL)
		return deployed;
	item = read_items(fcinfo, deployed, n);
	if (*n >= 2)
		xmcoh_score_items(deployed, *n, item, scored);
	return deployed;
}

/* order_coherence(model, texts, images, text_embeddings) */
Datum
xmcoh_order_coherence(PG_FUNCTION_ARGS)
{
	ScoredDocument scored;
	xmc_ctx		ctx = xmcoh_context();
	double		coherence;
	int32	   *order;
	int			n;

	(void) score_call(fcinfo, false, &scored, &n);
	if (n < 2)
		PG_RETURN_NULL();
	order = palloc(sizeof(int32) * n);
	for (int k = 0; k < n; k++)
		order[k] = k;
	XMCOH_TRY(xmc_coherence(&ctx, n, scored.scores.score[XMC_SCORE_FUSED], n, order, &coherence), &ctx);
	PG_RETURN_FLOAT8(coherence);
}

/* order_holds(model, texts, images, text_embeddings, precision) */
Datum
xmcoh_order_holds(PG_FUNCTION_ARGS)
{
	double		precision = xmcoh_precision_argument(fcinfo->args[4]);
	xmc_ctx		ctx = xmcoh_context();
	const DeployedModel *deployed;
	ScoredDocument scored;
	double	   *position;
	int64		violated;
	int			n;

	deployed = score_call(fcinfo, true, &scored, &n);
	if (deployed->model == NULL)
		PG_RETURN_NULL();
	if (n < 2)
		PG_RETURN_BOOL(true);
	position = palloc(sizeof(double) * n);
	for (int k = 0; k < n; k++)
		position[k] = k;
	XMCOH_TRY(xmc_list_violated(&ctx, n, scored.scores.score[XMC_SCORE_FUSED], NULL, position,
								xmc_check_threshold(deployed->model, XMC_SCORE_FUSED, precision), 0, NULL, &violated), &ctx);
	PG_RETURN_BOOL(violated == 0);
}
