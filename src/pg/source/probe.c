/*
 * probe.c - the checks of attach_source and attach_pairs on the first rows of a relation: probe_source, probe_pairs,
 * shared_item.
 *
 * The queries run as the role that attaches the relation (the last argument), because they run code of the relation's
 * owner.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/restricted.h"
#include "source/columns.h"
#include "source/embedding.h"
#include "source/rows.h"

PG_FUNCTION_INFO_V1(xmcoh_probe_source);
PG_FUNCTION_INFO_V1(xmcoh_probe_pairs);
PG_FUNCTION_INFO_V1(xmcoh_shared_item);

/* How many rows are read, so that the time that attaching takes does not grow with the relation. */
#define PROBED_ROWS 1000		/* of the relation that is being attached */
#define OTHER_ROWS 100000		/* of a relation that is attached already */

/* An argument that names a column; NULL: the argument is NULL. */
static const char *
column_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : NameStr(*PG_GETARG_NAME(n));
}

/* The qualified name of the relation that an argument names. */
static char *
relation_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *name;

	if (PG_ARGISNULL(n))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("relation must not be NULL"));
	name = xmcoh_relation_name(PG_GETARG_OID(n));
	if (name == NULL)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", PG_GETARG_OID(n)));
	return name;
}

/* Checks the n columns that the arguments from `first` on name; then reads the first row with the casts of their uses. */
static void
probe_columns(FunctionCallInfo fcinfo, int first, int n, const ColumnUse *use)
{
	Oid			relation = PG_GETARG_OID(0);
	char	   *name = xmcoh_relation_name(relation);
	StringInfoData query;
	Oid			types[16];
	int			n_columns = 0;

	initStringInfo(&query);
	for (int c = 0; c < n; c++)
	{
		const char *column = column_argument(fcinfo, first + c);

		if (column == NULL || (use[c] == COLUMN_APPROVED && strcmp(column, "all") == 0))
			continue;
		xmcoh_check_column(relation, column, use[c], NULL);
		appendStringInfo(&query, "%s %s", n_columns ? "," : "SELECT", xmcoh_column_value(column, use[c]));
		types[n_columns++] = xmcoh_column_type(use[c]);
	}
	appendStringInfo(&query, " FROM %s AS t LIMIT 1", name);
	if (n_columns > 0)
		xmcoh_rows_end(xmcoh_rows_read(query.data, NULL, n_columns, types, psprintf("first row of %s", name)));
}

/* The same for the columns of the argument that names those of the group; NULL: there are none. */
static void
probe_group(FunctionCallInfo fcinfo, int argument)
{
	static const Oid types[1] = {TEXTOID};
	Oid			relation = PG_GETARG_OID(0);
	List	   *columns = NIL;
	ArrayIterator iterator;
	Datum		column;
	bool		is_null;

	if (PG_ARGISNULL(argument))
		return;
	iterator = array_create_iterator(PG_GETARG_ARRAYTYPE_P(argument), 0, NULL);
	while (array_iterate(iterator, &column, &is_null))
		if (!is_null)
		{
			columns = lappend(columns, pstrdup(NameStr(*DatumGetName(column))));
			xmcoh_check_column(relation, llast(columns), COLUMN_GROUP, NULL);
		}
	array_free_iterator(iterator);
	if (columns != NIL)
		xmcoh_rows_end(xmcoh_rows_read(psprintf("SELECT %s FROM %s AS t LIMIT 1", xmcoh_group_value(columns),
												xmcoh_relation_name(relation)),
									   NULL, 1, types, psprintf("first row of %s", xmcoh_relation_name(relation))));
}

static void
check_dim(FunctionCallInfo fcinfo, const char *column, ColumnUse use, int32 found, int32 wanted)
{
	if (found != wanted)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("column \"%s\" of %s holds embeddings of %d numbers as %s, but the model reads %d",
					   column, xmcoh_relation_name(PG_GETARG_OID(0)), found, xmcoh_column_role(use), wanted),
				errhint("Create a model with %s => %d, or name another column.", use == COLUMN_IMAGE ? "image_dim" : "text_dim", found));
}

/*
 * Checks the embeddings of a column: those that its type declares, and the first one in its rows, must have the `dim` numbers that
 * the model reads; 0: any number. Returns the number; 0: neither type nor rows tell.
 */
static int32
probe_embedding(FunctionCallInfo fcinfo, int argument, ColumnUse use, int32 dim)
{
	static const Oid types[1] = {FLOAT4ARRAYOID};
	const char *column = column_argument(fcinfo, argument);
	char	   *name = xmcoh_relation_name(PG_GETARG_OID(0));
	int32		declared;
	bool		is_null;
	Rows	   *rows;

	if (column == NULL)
		return dim;
	declared = xmcoh_declared_dim(PG_GETARG_OID(0), column);
	if (declared > 0 && dim > 0)
		check_dim(fcinfo, column, use, declared, dim);
	if (dim == 0)
		dim = declared;
	rows = xmcoh_rows_read(psprintf("SELECT %s FROM (SELECT t.%s FROM %s AS t LIMIT %d) AS t"
									" WHERE t.%s IS DISTINCT FROM NULL LIMIT 1",
									xmcoh_column_value(column, use), quote_identifier(column), name, PROBED_ROWS,
									quote_identifier(column)),
						   NULL, 1, types, psprintf("first %s of %s", xmcoh_column_role(use), name));
	if (xmcoh_rows_next(rows))
	{
		Datum		datum = xmcoh_rows_value(rows, 1, &is_null);

		if (!is_null)
		{
			ArrayType  *array = DatumGetArrayTypeP(datum);

			if (ARR_NDIM(array) == 1 && dim == 0)
				dim = ARR_DIMS(array)[0];
			if (ARR_NDIM(array) == 1)
				check_dim(fcinfo, column, use, ARR_DIMS(array)[0], dim);
			(void) xmcoh_check_embedding(array, dim,
										 psprintf("the first %s in column \"%s\" of %s", xmcoh_column_role(use), column, name));
		}
	}
	xmcoh_rows_end(rows);
	return dim;
}

static void
connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

/*
 * probe_source(relation, document, item, text, image, text_embedding, position, approved, image_dim, text_dim, caller,
 * group, image_texts): with image_texts the image column may hold texts. Returns how many numbers the embeddings of an image and
 * of a text have, as an array: image_dim and text_dim, or, where these are 0, what the columns tell.
 */
Datum
xmcoh_probe_source(PG_FUNCTION_ARGS)
{
	ColumnUse	use[7] = {COLUMN_DOCUMENT, COLUMN_ITEM, COLUMN_TEXT, COLUMN_IMAGE, COLUMN_TEXT_EMBEDDING,
	COLUMN_POSITION, COLUMN_APPROVED};
	RestrictState before;
	Datum		dim[2] = {PG_GETARG_DATUM(8), PG_GETARG_DATUM(9)};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("a source needs a relation, a document column and an item column"));
	(void) relation_argument(fcinfo, 0);
	use[3] = xmcoh_image_use(PG_GETARG_OID(0), column_argument(fcinfo, 4), PG_GETARG_BOOL(12));
	xmcoh_restrict_begin_as(&before, PG_GETARG_OID(10));
	connect();
	probe_columns(fcinfo, 1, 7, use);
	probe_group(fcinfo, 11);
	if (use[3] == COLUMN_IMAGE)
		dim[0] = Int32GetDatum(probe_embedding(fcinfo, 4, COLUMN_IMAGE, PG_GETARG_INT32(8)));
	dim[1] = Int32GetDatum(probe_embedding(fcinfo, 5, COLUMN_TEXT_EMBEDDING, PG_GETARG_INT32(9)));
	SPI_finish();
	xmcoh_restrict_end(&before);
	PG_RETURN_ARRAYTYPE_P(construct_array(dim, 2, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* probe_pairs(relation, document, before, after, caller) */
Datum
xmcoh_probe_pairs(PG_FUNCTION_ARGS)
{
	static const ColumnUse use[3] = {COLUMN_DOCUMENT, COLUMN_BEFORE, COLUMN_AFTER};
	RestrictState before;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("approved pairs need a relation, a document column, a before column and an after column"));
	(void) relation_argument(fcinfo, 0);
	xmcoh_restrict_begin_as(&before, PG_GETARG_OID(4));
	connect();
	probe_columns(fcinfo, 1, 3, use);
	SPI_finish();
	xmcoh_restrict_end(&before);
	PG_RETURN_VOID();
}

/*
 * A query for the keys of the first `limit` rows of a relation. The three arguments from `first` on name the relation, its
 * document column and its item column.
 */
static char *
keys_query(FunctionCallInfo fcinfo, int first, int limit)
{
	char	   *name = relation_argument(fcinfo, first);
	const char *document = column_argument(fcinfo, first + 1);
	const char *item = column_argument(fcinfo, first + 2);

	if (document == NULL || item == NULL)
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("a source needs a relation, a document column and an item column"));
	xmcoh_check_column(PG_GETARG_OID(first), document, COLUMN_DOCUMENT, NULL);
	xmcoh_check_column(PG_GETARG_OID(first), item, COLUMN_ITEM, NULL);
	return psprintf("SELECT %s COLLATE pg_catalog.\"C\" AS document, %s COLLATE pg_catalog.\"C\" AS item FROM %s AS t LIMIT %d",
					xmcoh_column_value(document, COLUMN_DOCUMENT), xmcoh_column_value(item, COLUMN_ITEM), name, limit);
}

/*
 * shared_item(relation, document, item, other, other_document, other_item, caller): an item of one document that is among
 * the first rows of both relations, in words; NULL: no such item was found. (xmcoh_source_open compares all rows.)
 */
Datum
xmcoh_shared_item(PG_FUNCTION_ARGS)
{
	static const Oid types[2] = {TEXTOID, TEXTOID};
	MemoryContext caller = CurrentMemoryContext;
	char	   *mine = keys_query(fcinfo, 0, PROBED_ROWS);
	char	   *other = keys_query(fcinfo, 3, OTHER_ROWS);
	text	   *found = NULL;
	Rows	   *rows;
	RestrictState before;

	xmcoh_restrict_begin_as(&before, PG_GETARG_OID(6));
	connect();
	rows = xmcoh_rows_read(psprintf("SELECT a.document, a.item FROM (%s) AS a JOIN (%s) AS b"
									" ON b.document OPERATOR(pg_catalog.=) a.document AND b.item OPERATOR(pg_catalog.=) a.item"
									" ORDER BY 1, 2 LIMIT 1", mine, other), NULL, 2, types, "keys of two sources");
	if (xmcoh_rows_next(rows))
	{
		bool		is_null;
		char	   *document = TextDatumGetCString(xmcoh_rows_value(rows, 1, &is_null));
		char	   *item = TextDatumGetCString(xmcoh_rows_value(rows, 2, &is_null));
		MemoryContext spi = MemoryContextSwitchTo(caller);

		found = cstring_to_text(psprintf("item \"%s\" of document \"%s\"", item, document));
		MemoryContextSwitchTo(spi);
	}
	xmcoh_rows_end(rows);
	SPI_finish();
	xmcoh_restrict_end(&before);
	if (found == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(found);
}
