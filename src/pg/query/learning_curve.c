/* learning_curve.c - the SQL function learning_curve_points: the rows of a learning curve from the sums of its cells */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"

#include "base/xmcoh.h"

#include "xmcoh/learning_curve.h"

PG_FUNCTION_INFO_V1(xmcoh_learning_curve_points);

/* The elements of an array; NULL is 0. */
static int
elements(ArrayType *array, Oid type, int16 length, char align, Datum **out)
{
	bool	   *nulls;
	int			n;

	deconstruct_array(array, type, length, type == INT4OID ? true : FLOAT8PASSBYVAL, align, out, &nulls, &n);
	for (int k = 0; k < n; k++)
		if (nulls[k])
			(*out)[k] = type == INT4OID ? Int32GetDatum(0) : Float8GetDatum(0);
	return n;
}

static void
put_point(ReturnSetInfo *result, const xmc_curve_point *point)
{
	Datum		values[15];
	bool		nulls[15] = {false};

	values[0] = Int32GetDatum(point->size);
	values[1] = Int32GetDatum(point->samples);
	for (int f = 0; f < XMC_CURVE_FIGURES; f++)
	{
		const xmc_interval *figure = &point->figure[f];
		const double value[3] = {figure->mean, figure->low, figure->high};

		for (int k = 0; k < 3; k++)
		{
			values[2 + 3 * f + k] = Float8GetDatum(value[k]);
			nulls[2 + 3 * f + k] = isnan(value[k]) || isnan(figure->mean);
		}
	}
	values[14] = BoolGetDatum(point->extrapolated);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * learning_curve_points(sizes integer[], samples integer[], sums float8[], target integer). A view calls this, so arrays that do
 * not fit are no error: they have no rows.
 */
Datum
xmcoh_learning_curve_points(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	xmc_ctx		ctx = xmcoh_context();
	Datum	   *size;
	Datum	   *sample;
	Datum	   *sum;
	int			n = elements(PG_GETARG_ARRAYTYPE_P(0), INT4OID, sizeof(int32), TYPALIGN_INT, &size);
	xmc_curve_cell *cell = palloc(sizeof(xmc_curve_cell) * Max(n, 1));
	double	   *sums;
	xmc_curve_point point[XMC_CURVE_SIZES + 1];
	int32		n_points;

	InitMaterializedSRF(fcinfo, 0);
	if (elements(PG_GETARG_ARRAYTYPE_P(1), INT4OID, sizeof(int32), TYPALIGN_INT, &sample) != n ||
		elements(PG_GETARG_ARRAYTYPE_P(2), FLOAT8OID, sizeof(float8), TYPALIGN_DOUBLE, &sum) != (int64) n * XMC_CURVE_SUMS)
		return (Datum) 0;
	sums = palloc(sizeof(double) * XMC_CURVE_SUMS * Max(n, 1));
	for (int k = 0; k < n * XMC_CURVE_SUMS; k++)
		sums[k] = DatumGetFloat8(sum[k]);
	for (int k = 0; k < n; k++)
		cell[k] = (xmc_curve_cell) {DatumGetInt32(size[k]), DatumGetInt32(sample[k]), sums + (Size) k * XMC_CURVE_SUMS};
	if (xmc_learning_curve(&ctx, n, cell, PG_GETARG_INT32(3), point, &n_points) == XMC_OK)
		for (int k = 0; k < n_points; k++)
			put_point(result, &point[k]);
	return (Datum) 0;
}
