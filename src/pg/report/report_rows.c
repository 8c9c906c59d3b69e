/* report_rows.c - the rows of the queries by which pictures and reports read what is recorded; see report_rows.h */
#include "report/report_rows.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/float.h"

#define MOST_ARGUMENTS 8

ReportRows
xmcoh_report_query(const char *query, int n, const char *const *argument)
{
	Oid			types[MOST_ARGUMENTS];
	Datum		values[MOST_ARGUMENTS];
	char		nulls[MOST_ARGUMENTS + 1] = {0};
	int			result;

	Assert(n <= MOST_ARGUMENTS);
	for (int k = 0; k < n; k++)
	{
		types[k] = TEXTOID;
		nulls[k] = argument[k] == NULL ? 'n' : ' ';
		values[k] = argument[k] == NULL ? (Datum) 0 : CStringGetTextDatum(argument[k]);
	}
	result = SPI_execute_with_args(query, n, types, values, nulls, true, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "unexpected result of \"%s\": %s", query, SPI_result_code_string(result));
	return (ReportRows) {.n = (int) SPI_processed,.table = SPI_tuptable};
}

void
xmcoh_report_done(ReportRows *rows)
{
	SPI_freetuptable(rows->table);
	*rows = (ReportRows) {0};
}

char *
xmcoh_report_argument(const ReportRows *rows, int row, int column)
{
	return SPI_getvalue(rows->table->vals[row], rows->table->tupdesc, column);
}

char *
xmcoh_report_text(const ReportRows *rows, int row, int column)
{
	char	   *text = xmcoh_report_argument(rows, row, column);

	return text ? xmcoh_to_utf8(text) : NULL;
}

double
xmcoh_report_number(const ReportRows *rows, int row, int column)
{
	char	   *text = xmcoh_report_argument(rows, row, column);

	return text ? DatumGetFloat8(DirectFunctionCall1(float8in, CStringGetDatum(text))) : get_float8_nan();
}

bool
xmcoh_report_true(const ReportRows *rows, int row, int column)
{
	bool		is_null;
	Datum		value = SPI_getbinval(rows->table->vals[row], rows->table->tupdesc, column, &is_null);

	return !is_null && DatumGetBool(value);
}

char *
xmcoh_to_utf8(const char *text)
{
	if (text == NULL)
		return pstrdup("");
	return pstrdup(pg_server_to_any(text, (int) strlen(text), PG_UTF8));
}
