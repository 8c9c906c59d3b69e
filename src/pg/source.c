/* source.c - documents from a relation, one at a time, checked; see source.h */
#include "source.h"

#include <errno.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#define FETCH_ROWS 1000

/* One row while its document is being collected. The item comes first: xmc_item_compare sorts these as they are. */
typedef struct SourceRow
{
	xmc_item	item;
	double		position;
} SourceRow;

struct SourceReader
{
	const SourceColumns *columns;
	int32		image_dim;
	int32		text_dim;
	char	   *relation;		/* quoted, qualified: for messages too */
	Portal		portal;
	SPITupleTable *batch;		/* rows fetched and not yet consumed from `next` on; NULL: none */
	uint64		batch_rows;
	uint64		next;
	int			text_column;	/* numbers of the query's output columns; 0: not read */
	int			image_column;
	int			text_embedding_column;
	int			position_column;
	int			approved_column;
	bool		noticed;		/* the NOTICE about an item without evidence was given */
	MemoryContext memory;		/* this reader */
	MemoryContext document_memory;	/* the document last given; reset by the next */
	SourceDocument document;
};

/* ---- embeddings ---- */

/* Where an embedding is wrong, told apart without building any message: most are right. */
static bool
embedding_is_good(ArrayType *array, int dim)
{
	const uint32 *bits = (const uint32 *) ARR_DATA_PTR(array);
	uint32		bad = 0;

	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != dim || ARR_HASNULL(array))
		return false;
	for (int i = 0; i < dim; i++)	/* an exponent of all ones: infinity or NaN */
		bad |= (bits[i] & 0x7f800000) == 0x7f800000;
	return !bad;
}

const float *
xmcoh_check_embedding(ArrayType *array, int dim, const char *what)
{
	const float *value = (const float *) ARR_DATA_PTR(array);

	if (ARR_ELEMTYPE(array) != FLOAT4OID)
		elog(ERROR, "%s is not an array of real", what);
	if (embedding_is_good(array, dim))
		return value;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("%s has %d dimensions instead of one", what, ARR_NDIM(array)),
				errdetail("Wanted is a one-dimensional array of %d numbers.", dim));
	if (ARR_NDIM(array) == 0 || ARR_DIMS(array)[0] != dim)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("%s has %d numbers, but the model wants %d", what,
					   ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0], dim));
	if (ARR_HASNULL(array))
	{
		const bits8 *bitmap = ARR_NULLBITMAP(array);

		for (int i = 0; bitmap && i < dim; i++)
			if (!(bitmap[i / 8] & (1 << (i % 8))))
				ereport(ERROR,
						errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("%s has a NULL as number %d of %d", what, i + 1, dim),
						errdetail("Wanted are %d finite numbers.", dim));
		return value;			/* a bitmap with no NULL in it; the values stand without gaps */
	}
	for (int i = 0; i < dim; i++)
		if (!isfinite(value[i]))
			ereport(ERROR,
					errcode(ERRCODE_DATA_EXCEPTION),
					errmsg("%s has %s as number %d of %d", what, isnan(value[i]) ? "NaN" : "infinity", i + 1, dim),
					errdetail("Wanted are %d finite numbers.", dim));
	return value;
}

/* ---- what xmcoh.source says ---- */

/* For messages: of a relation that is gone only its number is left. */
static const char *
relation_name(Oid relation)
{
	char	   *name = get_rel_name(relation);

	return name ? quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name)
		: psprintf("with OID %u", relation);
}

List *
xmcoh_source_columns(int32 model_id, Oid relation)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[2] = {INT4OID, OIDOID};
	Datum		values[2] = {Int32GetDatum(model_id), ObjectIdGetDatum(relation)};
	List	   *list = NIL;
	SPITupleTable *rows;
	uint64		n;

	if (SPI_execute_with_args("SELECT relation::pg_catalog.oid, document, item, text, image, text_embedding, position,"
							  " approved FROM xmcoh.source WHERE model_id OPERATOR(pg_catalog.=) $1"
							  " AND ($2 OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR relation OPERATOR(pg_catalog.=) $2)"
							  " ORDER BY source_id",
							  2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.source");
	rows = SPI_tuptable;
	n = SPI_processed;
	if (n == 0 && OidIsValid(relation))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("relation %s is not a source of this model", relation_name(relation)),
				errhint("xmcoh.source lists its sources."));
	MemoryContextSwitchTo(caller);	/* SPI left its own one */
	for (uint64 i = 0; i < n; i++)
	{
		SourceColumns *columns = palloc0(sizeof(SourceColumns));
		const char *name[7];
		bool		is_null;

		for (int c = 0; c < 7; c++)	/* NULL where the column is */
			name[c] = SPI_getvalue(rows->vals[i], rows->tupdesc, c + 2);
		columns->relation = DatumGetObjectId(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null));
		columns->document = name[0];
		columns->item = name[1];
		columns->text = name[2];
		columns->image = name[3];
		columns->text_embedding = name[4];
		columns->position = name[5];
		columns->all_approved = name[6] != NULL && strcmp(name[6], "all") == 0;
		columns->approved = columns->all_approved ? NULL : name[6];
		list = lappend(list, columns);
	}
	SPI_freetuptable(rows);
	return list;
}

/* ---- the reader ---- */

/* Appends `, (t.column)::type` and gives the output column's number; 0 when the column is not read. */
static int
add_column(StringInfo query, int *n_columns, const char *column, const char *type)
{
	if (column == NULL)
		return 0;
	appendStringInfo(query, ", (t.%s)::pg_catalog.%s", quote_identifier(column), type);
	return ++*n_columns;
}

/*
 * The key of the wanted document is compared as text: by the column's collation, so that its index may serve, and by
 * bytes, because a nondeterministic collation takes other documents for this one. On an integer column an index can
 * only serve a comparison of integers, so one is added when the key is a number.
 */
static void
add_document_filter(StringInfo query, const SourceColumns *columns, const char *document)
{
	const char *column = quote_identifier(columns->document);
	AttrNumber	number = get_attnum(columns->relation, columns->document);
	Oid			type = number == InvalidAttrNumber ? InvalidOid : get_atttype(columns->relation, number);

	appendStringInfo(query, " WHERE (t.%s)::pg_catalog.text OPERATOR(pg_catalog.=) $1"
					 " AND (t.%s)::pg_catalog.text COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) $1", column, column);
	if (type == INT2OID || type == INT4OID || type == INT8OID)
	{
		char	   *end;
		long long	key;

		errno = 0;
		key = strtoll(document, &end, 10);
		if (errno == 0 && end != document && *end == '\0')
			appendStringInfo(query, " AND t.%s OPERATOR(pg_catalog.=) '%lld'::pg_catalog.int8", column, key);
	}
}

SourceReader *
xmcoh_source_open(const SourceColumns *columns, const xmc_options *options, const char *document)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh source reader", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	SourceReader *reader = palloc0(sizeof(SourceReader));
	char	   *name = get_rel_name(columns->relation);
	int			n_columns = 2;
	StringInfoData query;
	Oid			types[1] = {TEXTOID};
	Datum		values[1];

	if (name == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("source relation with OID %u does not exist any more", columns->relation),
				errhint("Detach it with xmcoh.detach_source(model, %u).", columns->relation));
	reader->memory = memory;
	reader->document_memory = AllocSetContextCreate(memory, "xmcoh source document", ALLOCSET_DEFAULT_SIZES);
	reader->columns = columns;
	reader->image_dim = options->image_dim;
	reader->text_dim = options->text_dim;
	reader->relation = quote_qualified_identifier(get_namespace_name(get_rel_namespace(columns->relation)), name);

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT (t.%s)::pg_catalog.text", quote_identifier(columns->document));
	appendStringInfo(&query, ", (t.%s)::pg_catalog.text", quote_identifier(columns->item));
	if (options->words)
		reader->text_column = add_column(&query, &n_columns, columns->text, "text");
	if (options->image_dim > 0)
		reader->image_column = add_column(&query, &n_columns, columns->image, "float4[]");
	if (options->text_dim > 0)
		reader->text_embedding_column = add_column(&query, &n_columns, columns->text_embedding, "float4[]");
	reader->position_column = add_column(&query, &n_columns, columns->position, "float8");
	reader->approved_column = add_column(&query, &n_columns, columns->approved, "bool");
	appendStringInfo(&query, " FROM %s AS t", reader->relation);
	if (document != NULL)
		add_document_filter(&query, columns, document);
	appendStringInfo(&query, " ORDER BY (t.%s)::pg_catalog.text COLLATE pg_catalog.\"C\"",
					 quote_identifier(columns->document));

	MemoryContextSwitchTo(caller);
	values[0] = document ? CStringGetTextDatum(document) : (Datum) 0;
	reader->portal = SPI_cursor_open_with_args(NULL, query.data, document ? 1 : 0, types, values, NULL, true,
											   CURSOR_OPT_NO_SCROLL);
	MemoryContextSwitchTo(caller);
	return reader;
}

/* Makes the row at `next` available; false at the end. */
static bool
fetch(SourceReader *reader)
{
	MemoryContext caller = CurrentMemoryContext;

	if (reader->batch != NULL && reader->next < reader->batch_rows)
		return true;
	if (reader->batch != NULL)
		SPI_freetuptable(reader->batch);
	reader->batch = NULL;
	CHECK_FOR_INTERRUPTS();
	SPI_cursor_fetch(reader->portal, true, FETCH_ROWS);
	MemoryContextSwitchTo(caller);	/* SPI leaves its own one, which lives as long as the connection */
	reader->batch = SPI_tuptable;
	reader->batch_rows = SPI_processed;
	reader->next = 0;
	return reader->batch_rows > 0;
}

/* A column of the current row; Datum 0 and *is_null for one that is not read. */
static Datum
value_at(SourceReader *reader, int column, bool *is_null)
{
	*is_null = true;
	if (column == 0)
		return (Datum) 0;
	return SPI_getbinval(reader->batch->vals[reader->next], reader->batch->tupdesc, column, is_null);
}

static const float *
read_embedding(SourceReader *reader, int column, int dim, const char *name, const char *item)
{
	bool		is_null;
	Datum		datum = value_at(reader, column, &is_null);
	ArrayType  *array;

	if (is_null)
		return NULL;
	array = DatumGetArrayTypePCopy(datum);	/* the batch may be gone before the document is used */
	if (embedding_is_good(array, dim))
		return (const float *) ARR_DATA_PTR(array);
	return xmcoh_check_embedding(array, dim,
								 psprintf("%s of item \"%s\" of document \"%s\"", name, item, reader->document.key));
}

/* The item of the current row, copied to the document's memory. */
static void
read_item(SourceReader *reader, xmc_item *item)
{
	bool		is_null;
	Datum		datum = value_at(reader, 2, &is_null);

	*item = (xmc_item) {0};
	if (is_null)
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("item is NULL in a row of document \"%s\" of %s", reader->document.key, reader->relation),
				errdetail("Column \"%s\" names the items of a document.", reader->columns->item));
	item->key = TextDatumGetCString(datum);
	item->key_length = strlen(item->key);

	datum = value_at(reader, reader->text_column, &is_null);
	if (!is_null)
	{
		char	   *stored = TextDatumGetCString(datum);

		item->text = pg_server_to_any(stored, strlen(stored), PG_UTF8);
		item->text_length = strlen(item->text);
	}
	item->text_embedding = read_embedding(reader, reader->text_embedding_column, reader->text_dim,
										  "text embedding", item->key);
	item->image = read_embedding(reader, reader->image_column, reader->image_dim, "image", item->key);

	if (item->text == NULL && item->text_embedding == NULL && item->image == NULL && !reader->noticed)
	{
		reader->noticed = true;
		ereport(NOTICE,
				errmsg("item \"%s\" of document \"%s\" has neither text nor image", item->key, reader->document.key),
				errdetail("It takes part without evidence. Further items of this kind in %s are not reported.",
						  reader->relation));
	}
}

typedef struct PlacedItem
{
	double		position;
	int32		item;
} PlacedItem;

static int
compare_places(const void *a, const void *b)
{
	double		pa = ((const PlacedItem *) a)->position;
	double		pb = ((const PlacedItem *) b)->position;

	return (pa > pb) - (pa < pb);
}

/* The stored order from the stored positions. */
static void
set_stored_order(SourceReader *reader)
{
	SourceDocument *document = &reader->document;
	PlacedItem *placed = palloc(document->n * sizeof(PlacedItem));

	for (int32 i = 0; i < document->n; i++)
		placed[i] = (PlacedItem) {document->position[i], i};
	qsort(placed, document->n, sizeof(PlacedItem), compare_places);
	for (int32 k = 1; k < document->n; k++)
		if (placed[k].position == placed[k - 1].position)
			ereport(ERROR,
					errcode(ERRCODE_UNIQUE_VIOLATION),
					errmsg("position %s is taken twice in document \"%s\" of %s",
						   float8out_internal(placed[k].position), document->key, reader->relation),
					errdetail("Items \"%s\" and \"%s\" have it.",
							  document->item[Min(placed[k].item, placed[k - 1].item)].key,
							  document->item[Max(placed[k].item, placed[k - 1].item)].key));
	document->order = palloc(document->n * sizeof(int32));
	for (int32 k = 0; k < document->n; k++)
		document->order[k] = placed[k].item;
	pfree(placed);
}

/* Collects the rows of the document that the current row begins. */
static void
read_document(SourceReader *reader)
{
	SourceDocument *document = &reader->document;
	int32		capacity = 32;
	SourceRow  *row = palloc(capacity * sizeof(SourceRow));
	bool		ordered = reader->position_column != 0;
	bool		approved = reader->columns->all_approved || reader->approved_column != 0;
	bool		is_null;

	do
	{
		Datum		datum = value_at(reader, 1, &is_null);
		SourceRow  *this;

		if (is_null)
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("document is NULL in a row of %s", reader->relation),
					errdetail("Column \"%s\" names the documents.", reader->columns->document),
					errhint("Attach a view that leaves such rows out."));
		if (document->n == 0)
			document->key = TextDatumGetCString(datum);
		else
		{
			text	   *key = DatumGetTextPP(datum);
			bool		same = strlen(document->key) == VARSIZE_ANY_EXHDR(key) &&
				memcmp(document->key, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)) == 0;

			if ((Pointer) key != DatumGetPointer(datum))
				pfree(key);
			if (!same)
				break;
		}

		if (document->n >= xmcoh_max_document_items)
			ereport(ERROR,
					errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("document \"%s\" of %s has more than %d items", document->key, reader->relation,
						   xmcoh_max_document_items),
					errhint("Check that column \"%s\" names documents, or raise xmcoh.max_document_items.",
							reader->columns->document));
		if (document->n == capacity)
			row = repalloc(row, (capacity *= 2) * sizeof(SourceRow));
		this = &row[document->n];
		read_item(reader, &this->item);
		if (document->n > 0 && strcmp(this->item.key, row[document->n - 1].item.key) == 0)
			ereport(ERROR,
					errcode(ERRCODE_UNIQUE_VIOLATION),
					errmsg("item \"%s\" stands twice in document \"%s\" of %s", this->item.key, document->key,
						   reader->relation));

		datum = value_at(reader, reader->position_column, &is_null);
		this->position = is_null ? 0 : DatumGetFloat8(datum);
		if (is_null)
			ordered = false;
		else if (isnan(this->position))
			ereport(ERROR,
					errcode(ERRCODE_DATA_EXCEPTION),
					errmsg("position of item \"%s\" of document \"%s\" of %s is NaN", this->item.key, document->key,
						   reader->relation));
		datum = value_at(reader, reader->approved_column, &is_null);
		if (reader->approved_column != 0 && (is_null || !DatumGetBool(datum)))
			approved = false;
		document->n++;
		reader->next++;
	} while (fetch(reader));

	qsort(row, document->n, sizeof(SourceRow), xmc_item_compare);
	document->item = palloc(document->n * sizeof(xmc_item));
	for (int32 i = 0; i < document->n; i++)
		document->item[i] = row[i].item;
	if (ordered)
	{
		document->position = palloc(document->n * sizeof(double));
		for (int32 i = 0; i < document->n; i++)
			document->position[i] = row[i].position;
		set_stored_order(reader);
	}
	document->approved = ordered && approved;
	pfree(row);
}

const SourceDocument *
xmcoh_source_next(SourceReader *reader)
{
	MemoryContext caller;

	MemoryContextReset(reader->document_memory);
	reader->document = (SourceDocument) {0};
	if (!fetch(reader))
		return NULL;
	caller = MemoryContextSwitchTo(reader->document_memory);
	read_document(reader);
	MemoryContextSwitchTo(caller);
	return &reader->document;
}

void
xmcoh_source_close(SourceReader *reader)
{
	if (reader->batch != NULL)
		SPI_freetuptable(reader->batch);
	SPI_cursor_close(reader->portal);
	MemoryContextDelete(reader->memory);
}
