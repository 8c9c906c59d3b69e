/*
 * rows.h - the rows of a query over a user's relation, read in full before the caller sees the first row.
 *
 * Such a query runs code of the relation's owner: functions of views, casts, output functions, policies. The code runs
 * while the query is planned, started and executed. It could close or read any cursor of the session by name (CLOSE ALL, or
 * CLOSE and FETCH in PL/pgSQL). PostgreSQL protects a portal that is running or pinned (PinPortal), but SPI_cursor_open
 * plans and starts its query in a portal that is neither, and a pinned portal can still be read. So no portal is used:
 * SPI_execute_extended writes to a tuplestore, which has no name. No user code runs after xmcoh_rows_read.
 *
 * An error needs no cleaning up: the store's memory belongs to its memory context, and its file to the resource owner. The
 * store takes at most work_mem of memory; further rows go to the file.
 */
#ifndef XMCOH_PG_ROWS_H
#define XMCOH_PG_ROWS_H

#include "postgres.h"

typedef struct Rows Rows;

/* The parameters $1, $2, ... of a query. */
#define MAX_ROWS_PARAMETERS 2
typedef struct RowsParameters
{
	int			n;
	Oid			type[MAX_ROWS_PARAMETERS];
	Datum		value[MAX_ROWS_PARAMETERS];
	char		null[MAX_ROWS_PARAMETERS];	/* 'n': NULL, else ' ' */
	bool		keep_plan;		/* the session keeps a plan for all values: the query comes again */
} RowsParameters;

/*
 * Runs the query under the active snapshot, between xmcoh_restrict_begin and xmcoh_restrict_end, and gives its rows. Their
 * columns have these types. `parameters` NULL: the query has none. The rows live in a new memory context below
 * CurrentMemoryContext. `purpose` is part of the CONTEXT of errors, such as: documents of public.step. Needs SPI, and leaves
 * nothing in SPI_tuptable.
 */
extern Rows *xmcoh_rows_read(const char *query, const RowsParameters *parameters, int n_columns, const Oid *types,
							 const char *purpose);

/* Goes to the next row; false: there is no further row. */
extern bool xmcoh_rows_next(Rows *rows);

/* A column, from 1, of the current row; valid until the next xmcoh_rows_next. The value may be toasted. */
extern Datum xmcoh_rows_value(const Rows *rows, int column, bool *is_null);

/* Goes back to before the first row. */
extern void xmcoh_rows_rewind(Rows *rows);

extern void xmcoh_rows_end(Rows *rows);

#endif
