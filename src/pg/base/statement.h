/*
 * statement.h - one SQL statement through SPI, and the values of its first row.
 */
#ifndef XMCOH_PG_STATEMENT_H
#define XMCOH_PG_STATEMENT_H

#include "postgres.h"

#include <math.h>

#include "executor/spi.h"

/* Runs one statement; returns how many rows it read or wrote. ERROR if its SPI result code is not `expected`. */
static inline uint64
execute(const char *query, int expected, int n, Oid *types, Datum *values, const char *nulls)
{
	int			result = SPI_execute_with_args(query, n, types, values, nulls, false, 0);

	if (result != expected)
		elog(ERROR, "unexpected result of \"%s\": %s", query, SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * The plan of a statement, kept for the session in *plan, which is NULL at first. The errors of SPI for a missing privilege,
 * table or column are good messages for the user.
 */
static inline SPIPlanPtr
prepared(SPIPlanPtr *plan, const char *query, int n, Oid *types)
{
	if (*plan == NULL)
	{
		SPIPlanPtr	made = SPI_prepare(query, n, types);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", query, SPI_result_code_string(SPI_result));
		*plan = made;
	}
	return *plan;
}

/* A column, from 1, of the first row of the last result. */
static inline Datum
first_value(int column, bool *is_null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, is_null);
}

/* The same as text; NULL: the value is NULL, or the result has no row. */
static inline char *
first_text(int column)
{
	return SPI_processed ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column) : NULL;
}

/* A number as an argument of execute(); *null is set to 'n' for NaN and infinity, which become NULL. */
static inline Datum
number_or_null(double value, char *null)
{
	*null = isfinite(value) ? ' ' : 'n';
	return Float8GetDatum(value);
}

#endif
