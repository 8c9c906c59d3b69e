/*
 * rows.h - the rows of a query over a user's relation, read in full before the first of them is looked at.
 *
 * Such a query runs code of whoever made the relation: functions of views, casts, output functions, policies; also while
 * it is planned and while its executor starts. This code may close any cursor of the session by its name (CLOSE ALL, or
 * PL/pgSQL's CLOSE, which a security-restricted operation allows), or fetch from it. PostgreSQL protects a portal that is
 * just being run, and one that is pinned (PinPortal); but SPI_cursor_open plans and starts its query in a portal that is
 * neither, so pinning what it returns comes too late, and a pinned portal can still be fetched from. So there is no portal:
 * SPI_execute_extended lets the executor write to a tuplestore, which has no name. While user code runs nothing is held but
 * what its own query holds; while rows are looked at no user code runs. An error needs no cleaning up: the store's memory
 * goes with its context, its file with the resource owner. Memory is at most work_mem, the rest goes to that file.
 */
#ifndef XMCOH_PG_ROWS_H
#define XMCOH_PG_ROWS_H

#include "postgres.h"

typedef struct Rows Rows;

/*
 * Runs the query (between xmcoh_restrict_begin and xmcoh_restrict_end, under the active snapshot) and gives its rows, whose
 * columns have these types, in a memory context of its own below CurrentMemoryContext. `purpose` stands in the CONTEXT of
 * errors, such as: documents of public.step. Needs SPI, and leaves nothing in SPI_tuptable.
 */
extern Rows *xmcoh_rows_read(const char *query, int n_columns, const Oid *types, const char *purpose);

/* Goes to the next row; false: there is none. */
extern bool xmcoh_rows_next(Rows *rows);

/* A column, from 1, of the current row; valid until the next xmcoh_rows_next. May be toasted. */
extern Datum xmcoh_rows_value(const Rows *rows, int column, bool *is_null);

/* Back to before the first row. */
extern void xmcoh_rows_rewind(Rows *rows);

extern void xmcoh_rows_end(Rows *rows);

#endif
