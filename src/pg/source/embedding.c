/*
 * embedding.c - embeddings as arrays of real, checked; embedding.h is the contract.
 *
 * The usual case, a good embedding, builds no message.
 */
#include "source/embedding.h"

#include <math.h>

#include "catalog/pg_type.h"

bool
xmcoh_embedding_is_good(ArrayType *array, int dim)
{
	const uint32 *bits = (const uint32 *) ARR_DATA_PTR(array);
	uint32		bad = 0;

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != dim || ARR_HASNULL(array))
		return false;
	/* IEEE 754: NaN and infinity are the numbers whose exponent bits are all ones; the loop has no branch */
	for (int i = 0; i < dim; i++)
		bad |= (bits[i] & 0x7f800000) == 0x7f800000;
	return !bad;
}

static void
refuse_dimensions(ArrayType *array, int dim, const char *what)
{
	int			got = ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0];

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("%s has %d dimensions instead of one", what, ARR_NDIM(array)),
				errdetail("The array must have one dimension and %d numbers.", dim));
	if (got != dim)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("%s has %d numbers, but the model reads %d", what, got, dim));
}

static void
refuse_nulls(ArrayType *array, int dim, const char *what)
{
	const bits8 *bitmap = ARR_NULLBITMAP(array);

	for (int i = 0; bitmap && i < dim; i++)
		if (!(bitmap[i / 8] & (1 << (i % 8))))
			ereport(ERROR,
					errcode(ERRCODE_DATA_EXCEPTION),
					errmsg("%s has a NULL as number %d of %d", what, i + 1, dim),
					errdetail("All %d numbers must be finite.", dim));
}

const float *
xmcoh_check_embedding(ArrayType *array, int dim, const char *what)
{
	const float *value = (const float *) ARR_DATA_PTR(array);

	if (ARR_ELEMTYPE(array) != FLOAT4OID)
		elog(ERROR, "%s is not an array of real", what);
	if (xmcoh_embedding_is_good(array, dim))
		return value;
	refuse_dimensions(array, dim, what);
	/* without a NULL in it, the null bitmap does not move the numbers */
	refuse_nulls(array, dim, what);
	for (int i = 0; i < dim; i++)
		if (!isfinite(value[i]))
			ereport(ERROR,
					errcode(ERRCODE_DATA_EXCEPTION),
					errmsg("%s has %s as number %d of %d", what, isnan(value[i]) ? "NaN" : "infinity", i + 1, dim),
					errdetail("All %d numbers must be finite.", dim));
	return value;
}
