/*
 * report_rows.h - the rows of the queries by which pictures and reports read what is recorded: as the caller, read-only.
 *
 * All texts come as UTF-8, whatever the encoding of the database is, because pictures and pages are made in UTF-8.
 */
#ifndef XMCOH_PG_REPORT_ROWS_H
#define XMCOH_PG_REPORT_ROWS_H

#include "postgres.h"

typedef struct ReportRows
{
	int			n;
	struct SPITupleTable *table;
} ReportRows;

/*
 * Runs a query with text arguments in the encoding of the database; NULL is an argument that is NULL. The query names what it
 * reads with its schema. Functions and operators are those of pg_catalog, because picture and report pin the search path. Needs
 * SPI.
 */
extern ReportRows xmcoh_report_query(const char *query, int n, const char *const *argument);

/* Frees the rows. */
extern void xmcoh_report_done(ReportRows *rows);

/* A column, from 1, of a row, from 0: as text in UTF-8 (NULL: it is NULL), as a number (NaN: it is NULL), as truth. */
extern char *xmcoh_report_text(const ReportRows *rows, int row, int column);
extern double xmcoh_report_number(const ReportRows *rows, int row, int column);
extern bool xmcoh_report_true(const ReportRows *rows, int row, int column);

/* A column as text in the encoding of the database, as an argument of a query; NULL: it is NULL. */
extern char *xmcoh_report_argument(const ReportRows *rows, int row, int column);

/* A text of the database, in UTF-8, as a copy; NULL: the empty text. */
extern char *xmcoh_to_utf8(const char *text);

#endif
