/*
 * metrics.c - the SQL functions kendall_tau, perfect_match and position_accuracy on two orders given as arrays, and
 * bootstrap_mean and paired_bootstrap on figures of documents.
 *
 * The formulas are in xmcoh/metrics.h. Here elements of any comparable type become places.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/xmcoh.h"
#include "query/metrics.h"

#include "xmcoh/coverage.h"
#include "xmcoh/metrics.h"

PG_FUNCTION_INFO_V1(xmcoh_kendall_tau);
PG_FUNCTION_INFO_V1(xmcoh_perfect_match);
PG_FUNCTION_INFO_V1(xmcoh_position_accuracy);
PG_FUNCTION_INFO_V1(xmcoh_bootstrap_mean);
PG_FUNCTION_INFO_V1(xmcoh_paired_bootstrap);
PG_FUNCTION_INFO_V1(xmcoh_share_interval);

typedef struct Element
{
	Datum		value;
	int32		place;			/* in its array, from 0 */
} Element;

typedef struct Comparison
{
	FmgrInfo   *compare;
	Oid			collation;
} Comparison;

static int
compare_elements(const void *a, const void *b, void *arg)
{
	const Comparison *comparison = arg;

	CHECK_FOR_INTERRUPTS();		/* an array may hold tens of millions */
	return DatumGetInt32(FunctionCall2Coll(comparison->compare, comparison->collation,
										   ((const Element *) a)->value, ((const Element *) b)->value));
}

/* The elements of one order, sorted by value. ERROR for more than one dimension, a NULL, or two equal elements. */
static Element *
sorted_elements(ArrayType *array, TypeCacheEntry *type, Comparison *comparison, const char *what, int32 *n)
{
	Datum	   *values;
	bool	   *nulls;
	Element    *element;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s order has %d dimensions instead of one", what, ARR_NDIM(array))));
	deconstruct_array(array, type->type_id, type->typlen, type->typbyval, type->typalign, &values, &nulls, n);
	element = palloc(sizeof(Element) * (Size) (*n + 1));
	for (int32 i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s order has a NULL at place %d", what, i + 1)));
		element[i] = (Element){.value = values[i], .place = i};
	}
	qsort_arg(element, (size_t) *n, sizeof(Element), compare_elements, comparison);
	for (int32 i = 1; i < *n; i++)
		if (compare_elements(&element[i - 1], &element[i], comparison) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_CARDINALITY_VIOLATION),
					 errmsg("%s order has the same item at places %d and %d", what,
							Min(element[i - 1].place, element[i].place) + 1,
							Max(element[i - 1].place, element[i].place) + 1)));
	return element;
}

/*
 * The two orders of a call as numbers: place[k] is the place in the true order (argument 1) of the item at place k of the
 * predicted order (argument 0); -1: the true order does not have the item.
 */
static int32 *
places(FunctionCallInfo fcinfo, int32 *n_predicted, int32 *n_true)
{
	ArrayType  *predicted = PG_GETARG_ARRAYTYPE_P(0);
	ArrayType  *truth = PG_GETARG_ARRAYTYPE_P(1);
	TypeCacheEntry *type = fcinfo->flinfo->fn_extra;
	Comparison	comparison = {.collation = PG_GET_COLLATION()};
	Element    *left;
	Element    *right;
	int32	   *place;
	int32		r = 0;

	if (type == NULL || type->type_id != ARR_ELEMTYPE(predicted))
	{
		type = lookup_type_cache(ARR_ELEMTYPE(predicted), TYPECACHE_CMP_PROC_FINFO);
		if (!OidIsValid(type->cmp_proc_finfo.fn_oid))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("could not identify a comparison function for type %s", format_type_be(type->type_id))));
		fcinfo->flinfo->fn_extra = type;
	}
	comparison.compare = &type->cmp_proc_finfo;
	/* a merge of the two orders, both sorted by value */
	left = sorted_elements(predicted, type, &comparison, "first (predicted)", n_predicted);
	right = sorted_elements(truth, type, &comparison, "second (true)", n_true);
	place = palloc(sizeof(int32) * (Size) (*n_predicted + 1));
	for (int32 l = 0; l < *n_predicted; l++)
	{
		int			sign = 1;

		while (r < *n_true && (sign = compare_elements(&left[l], &right[r], &comparison)) > 0)
			r++;
		place[left[l].place] = r < *n_true && sign == 0 ? right[r].place : -1;
	}
	return place;
}

Datum
xmcoh_kendall_tau(PG_FUNCTION_ARGS)
{
	int32		n_predicted;
	int32		n_true;
	int32	   *place = places(fcinfo, &n_predicted, &n_true);
	int32	   *rank = palloc0(sizeof(int32) * (Size) (n_true + 1));	/* (n_true) among common items */
	int32	   *scratch;
	int32		common = 0;
	int32		before = 0;
	double		tau;
	xmc_ctx		ctx = xmcoh_context();

	/* the items that both orders have: place[k] of the k-th of them, rank[p] 1 where the true order has one at place p */
	for (int32 k = 0; k < n_predicted; k++)
		if (place[k] >= 0)
		{
			rank[place[k]] = 1;
			place[common++] = place[k];
		}
	/* rank[p]: how many common items stand before place p of the true order */
	for (int32 k = 0; k < n_true; k++)
	{
		int32		is_common = rank[k];

		rank[k] = before;
		before += is_common;
	}
	for (int32 k = 0; k < common; k++)
		place[k] = rank[place[k]];
	scratch = palloc(sizeof(int32) * (Size) (common + 1));
	XMCOH_TRY(xmc_kendall_tau(&ctx, common, place, scratch, &tau), &ctx);
	if (isnan(tau))
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(tau);
}

Datum
xmcoh_perfect_match(PG_FUNCTION_ARGS)
{
	int32		n_predicted;
	int32		n_true;
	int32	   *place = places(fcinfo, &n_predicted, &n_true);

	if (n_true == 0)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(n_predicted == n_true && xmc_position_matches(n_predicted, place) == n_true);
}

Datum
xmcoh_position_accuracy(PG_FUNCTION_ARGS)
{
	int32		n_predicted;
	int32		n_true;
	int32	   *place = places(fcinfo, &n_predicted, &n_true);

	if (n_true == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8((double) xmc_position_matches(n_predicted, place) / n_true);
}

/* ---- intervals ---- */

/* One value for each document; NaN, which is left out, for NULL. */
static double *
document_values(ArrayType *array, const char *what, int32 *n)
{
	Datum	   *values;
	bool	   *nulls;
	double	   *result;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("%s has %d dimensions instead of one", what, ARR_NDIM(array))));
	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls, n);
	result = palloc(sizeof(double) * (Size) (*n + 1));
	for (int32 i = 0; i < *n; i++)
	{
		result[i] = nulls[i] ? NAN : DatumGetFloat8(values[i]);
		if (isinf(result[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("%s has infinity at place %d", what, i + 1)));
	}
	return result;
}

/* The mean of the values and its interval, as a record. */
static Datum
interval_record(FunctionCallInfo fcinfo, int32 n, const double *value)
{
	xmc_ctx		ctx = xmcoh_context();
	xmc_interval interval;
	TupleDesc	type;
	Datum		values[3];
	bool		nulls[3];

	if (get_call_result_type(fcinfo, NULL, &type) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	XMCOH_TRY(xmc_bootstrap(&ctx, n, value, NULL, XMC_BOOTSTRAP_REPLICATES, XMCOH_BOOTSTRAP_SEED, &interval), &ctx);
	values[0] = Float8GetDatum(interval.mean);
	values[1] = Float8GetDatum(interval.low);
	values[2] = Float8GetDatum(interval.high);
	nulls[0] = nulls[1] = nulls[2] = isnan(interval.mean);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(type), values, nulls));
}

Datum
xmcoh_bootstrap_mean(PG_FUNCTION_ARGS)
{
	int32		n;
	double	   *value = document_values(PG_GETARG_ARRAYTYPE_P(0), "array of values", &n);

	PG_RETURN_DATUM(interval_record(fcinfo, n, value));
}

Datum
xmcoh_paired_bootstrap(PG_FUNCTION_ARGS)
{
	int32		n;
	int32		n_b;
	double	   *a = document_values(PG_GETARG_ARRAYTYPE_P(0), "first array", &n);
	double	   *b = document_values(PG_GETARG_ARRAYTYPE_P(1), "second array", &n_b);

	if (n != n_b)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("the arrays have different lengths, %d and %d", n, n_b),
				 errdetail("Each document needs a value in both arrays.")));
	for (int32 i = 0; i < n; i++)
	{
		a[i] -= b[i];
		if (isinf(a[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("the difference at place %d is out of range", i + 1)));
	}
	PG_RETURN_DATUM(interval_record(fcinfo, n, a));
}

/* The interval of a share of documents. Fewer than two have none, as everywhere. */
Datum
xmcoh_share_interval(PG_FUNCTION_ARGS)
{
	int64		part = PG_GETARG_INT64(0);
	int64		whole = PG_GETARG_INT64(1);
	bool		is_share = whole >= 2 && part >= 0 && part <= whole;
	xmc_interval interval = is_share ? xmc_share_bounds((double) part / (double) whole, (double) whole) : (xmc_interval) {0};
	bool		nulls[2] = {!is_share, !is_share};
	Datum		values[2] = {Float8GetDatum(interval.low), Float8GetDatum(interval.high)};
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
