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

#include "reference.h"

#define FETCH_ROWS 1000

/* One row while its document is being collected. The item comes first: xmc_item_compare sorts these as they are. */
typedef struct SourceRow
{
	xmc_item	item;
	double		position;		/* NaN: none */
	int			part;
} SourceRow;

/* The rows of the document that is being collected. */
typedef struct SourceRows
{
	SourceRow  *row;			/* (n of the document) */
	int32		capacity;
	bool		ordered;		/* no row lacks a position that its relation has a column for */
	bool		approved;		/* nor the approval of its position */
} SourceRows;

/* One relation, read in the order of its documents. */
typedef struct SourcePart
{
	const SourceColumns *columns;
	char	   *relation;		/* quoted, qualified: for messages too */
	Portal		portal;
	SPITupleTable *batch;		/* rows fetched and not yet consumed from `next` on; NULL: none */
	uint64		batch_rows;
	uint64		next;
	bool		at_end;
	int			text_column;	/* numbers of the query's output columns; 0: not read */
	int			image_column;
	int			text_embedding_column;
	int			position_column;
	int			approved_column;
} SourcePart;

struct SourceReader
{
	int32		image_dim;
	int32		text_dim;
	bool		noticed;		/* the NOTICE about an item without evidence was given */
	MemoryContext memory;		/* this reader */
	MemoryContext document_memory;	/* the document last given; reset by the next */
	SourceDocument document;
	int			n_parts;
	SourcePart	part[FLEXIBLE_ARRAY_MEMBER];
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

/* Hangs a source on the one whose documents its rows belong to. */
static void
add_member(List *list, SourceColumns *columns, Oid main, bool is_wanted)
{
	ListCell   *cell;

	if (is_wanted)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the rows of %s belong to the documents of %s", relation_name(columns->relation), relation_name(main)),
				errhint("Name that one: its documents have all their rows."));
	foreach(cell, list)
	{
		SourceColumns *other = lfirst(cell);

		if (other->relation == main)
		{
			other->members = lappend(other->members, columns);
			return;
		}
	}
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("the rows of %s belong to the documents of %s, which is no source of this model",
				   relation_name(columns->relation), relation_name(main)),
			errhint("Detach it, or attach the other."));
}

/* The present name of a column of the table; NULL where that is. */
static char *
column_name(SPITupleTable *rows, uint64 row, int column)
{
	bool		is_null;
	Datum		datum = SPI_getbinval(rows->vals[row], rows->tupdesc, column, &is_null);

	return is_null ? NULL : xmcoh_referenced_name(datum);
}

/* The relation that a column of the table names; InvalidOid where it is NULL. What is not there is an error: who asks needs it. */
static Oid
named_relation(SPITupleTable *rows, uint64 row, int column)
{
	bool		is_null;
	Datum		datum = SPI_getbinval(rows->vals[row], rows->tupdesc, column, &is_null);
	Oid			relation = is_null ? InvalidOid : xmcoh_referenced_oid(datum);

	if (!is_null && !OidIsValid(relation))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("source relation %s does not exist any more", xmcoh_referenced_name(datum)),
				errhint("Make it again, or detach it with xmcoh.detach_source(model, %s).",
						quote_literal_cstr(xmcoh_referenced_name(datum))));
	return relation;
}

List *
xmcoh_source_columns(int32 model_id, Oid relation)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(model_id)};
	List	   *list = NIL;
	SPITupleTable *rows;
	uint64		n;
	bool		is_null;

	if (SPI_execute_with_args("SELECT relation, document, item, text, image, text_embedding, position, approved, documents_of,"
							  " all_approved FROM xmcoh.source_record WHERE model_id OPERATOR(pg_catalog.=) $1"
							  " ORDER BY documents_of IS NOT NULL, source_id",
							  1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.source_record");
	rows = SPI_tuptable;
	n = SPI_processed;
	MemoryContextSwitchTo(caller);	/* SPI left its own one */
	for (uint64 i = 0; i < n; i++)
	{
		SourceColumns *columns;
		Oid			main;

		if (OidIsValid(relation) &&
			xmcoh_referenced_oid(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null)) != relation &&
			(column_name(rows, i, 9) == NULL ||
			 xmcoh_referenced_oid(SPI_getbinval(rows->vals[i], rows->tupdesc, 9, &is_null)) != relation))
			continue;
		columns = palloc0(sizeof(SourceColumns));
		columns->relation = named_relation(rows, i, 1);
		columns->document = column_name(rows, i, 2);
		columns->item = column_name(rows, i, 3);
		columns->text = column_name(rows, i, 4);
		columns->image = column_name(rows, i, 5);
		columns->text_embedding = column_name(rows, i, 6);
		columns->position = column_name(rows, i, 7);
		columns->approved = column_name(rows, i, 8);
		columns->all_approved = DatumGetBool(SPI_getbinval(rows->vals[i], rows->tupdesc, 10, &is_null));
		main = named_relation(rows, i, 9);
		if (!OidIsValid(main))
			list = lappend(list, columns);
		else
			add_member(list, columns, main, columns->relation == relation);
	}
	SPI_freetuptable(rows);
	if (list == NIL && OidIsValid(relation))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("relation %s is not a source of this model", relation_name(relation)),
				errhint("xmcoh.source lists its sources."));
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

/* Opens one relation; `reader` has its options. */
static void
open_part(SourceReader *reader, SourcePart *part, const SourceColumns *columns, const xmc_options *options, const char *document)
{
	MemoryContext caller = MemoryContextSwitchTo(reader->memory);
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
	part->columns = columns;
	part->relation = quote_qualified_identifier(get_namespace_name(get_rel_namespace(columns->relation)), name);

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT (t.%s)::pg_catalog.text", quote_identifier(columns->document));
	appendStringInfo(&query, ", (t.%s)::pg_catalog.text", quote_identifier(columns->item));
	if (options->words)
		part->text_column = add_column(&query, &n_columns, columns->text, "text");
	if (options->image_dim > 0)
		part->image_column = add_column(&query, &n_columns, columns->image, "float4[]");
	if (options->text_dim > 0)
		part->text_embedding_column = add_column(&query, &n_columns, columns->text_embedding, "float4[]");
	part->position_column = add_column(&query, &n_columns, columns->position, "float8");
	part->approved_column = add_column(&query, &n_columns, columns->approved, "bool");
	appendStringInfo(&query, " FROM %s AS t", part->relation);
	if (document != NULL)
		add_document_filter(&query, columns, document);
	appendStringInfo(&query, " ORDER BY (t.%s)::pg_catalog.text COLLATE pg_catalog.\"C\"",
					 quote_identifier(columns->document));

	MemoryContextSwitchTo(caller);
	values[0] = document ? CStringGetTextDatum(document) : (Datum) 0;
	part->portal = SPI_cursor_open_with_args(NULL, query.data, document ? 1 : 0, types, values, NULL, true,
											 CURSOR_OPT_NO_SCROLL);
	MemoryContextSwitchTo(caller);
}

SourceReader *
xmcoh_source_open(const SourceColumns *columns, const xmc_options *options, const char *document)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh source reader", ALLOCSET_SMALL_SIZES);
	int			n_parts = 1 + list_length(columns->members);
	SourceReader *reader = MemoryContextAllocZero(memory, offsetof(SourceReader, part) + n_parts * sizeof(SourcePart));
	ListCell   *cell;

	reader->memory = memory;
	reader->document_memory = AllocSetContextCreate(memory, "xmcoh source document", ALLOCSET_DEFAULT_SIZES);
	reader->image_dim = options->image_dim;
	reader->text_dim = options->text_dim;
	open_part(reader, &reader->part[reader->n_parts++], columns, options, document);
	foreach(cell, columns->members)
		open_part(reader, &reader->part[reader->n_parts++], lfirst(cell), options, document);
	return reader;
}

/* Makes the row at `next` available; false at the end. */
static bool
fetch(SourcePart *part)
{
	MemoryContext caller = CurrentMemoryContext;

	if (part->batch != NULL && part->next < part->batch_rows)
		return true;
	if (part->at_end)
		return false;
	if (part->batch != NULL)
		SPI_freetuptable(part->batch);
	part->batch = NULL;
	CHECK_FOR_INTERRUPTS();
	SPI_cursor_fetch(part->portal, true, FETCH_ROWS);
	MemoryContextSwitchTo(caller);	/* SPI leaves its own one, which lives as long as the connection */
	part->batch = SPI_tuptable;
	part->batch_rows = SPI_processed;
	part->next = 0;
	part->at_end = part->batch_rows == 0;
	return !part->at_end;
}

/* A column of the current row; Datum 0 and *is_null for one that is not read. */
static Datum
value_at(const SourcePart *part, int column, bool *is_null)
{
	*is_null = true;
	if (column == 0)
		return (Datum) 0;
	return SPI_getbinval(part->batch->vals[part->next], part->batch->tupdesc, column, is_null);
}

static const float *
read_embedding(const SourceReader *reader, const SourcePart *part, int column, int dim, const char *name, const char *item)
{
	bool		is_null;
	Datum		datum = value_at(part, column, &is_null);
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
read_item(SourceReader *reader, const SourcePart *part, xmc_item *item)
{
	bool		is_null;
	Datum		datum = value_at(part, 2, &is_null);

	*item = (xmc_item) {0};
	if (is_null)
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("item is NULL in a row of document \"%s\" of %s", reader->document.key, part->relation),
				errdetail("Column \"%s\" names the items of a document.", part->columns->item));
	item->key = TextDatumGetCString(datum);
	item->key_length = strlen(item->key);

	datum = value_at(part, part->text_column, &is_null);
	if (!is_null)
	{
		char	   *stored = TextDatumGetCString(datum);

		item->text = pg_server_to_any(stored, strlen(stored), PG_UTF8);
		item->text_length = strlen(item->text);
	}
	item->text_embedding = read_embedding(reader, part, part->text_embedding_column, reader->text_dim,
										  "text embedding", item->key);
	item->image = read_embedding(reader, part, part->image_column, reader->image_dim, "image", item->key);

	if (item->text == NULL && item->text_embedding == NULL && item->image == NULL && !reader->noticed)
	{
		reader->noticed = true;
		ereport(NOTICE,
				errmsg("item \"%s\" of document \"%s\" has neither text nor image", item->key, reader->document.key),
				errdetail("It takes part without evidence. Further items of this kind in %s are not reported.",
						  part->relation));
	}
}

/* The key of the current row's document. */
static const char *
document_key(const SourcePart *part)
{
	bool		is_null;
	Datum		datum = value_at(part, 1, &is_null);

	if (is_null)
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("document is NULL in a row of %s", part->relation),
				errdetail("Column \"%s\" names the documents.", part->columns->document),
				errhint("Attach a view that leaves such rows out."));
	return TextDatumGetCString(datum);
}

/* Adds the rows that a relation has of the document. */
static void
read_rows(SourceReader *reader, SourcePart *part, SourceRows *rows)
{
	SourceDocument *document = &reader->document;
	bool		is_null;

	for (; fetch(part); part->next++)
	{
		const char *key = document_key(part);
		SourceRow  *this;
		Datum		datum;

		if (strcmp(key, document->key) != 0)
			break;
		pfree(unconstify(char *, key));
		if (document->n >= xmcoh_max_document_items)
			ereport(ERROR,
					errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("document \"%s\" of %s has more than %d items", document->key, part->relation,
						   xmcoh_max_document_items),
					errhint("Check that column \"%s\" names documents, or raise xmcoh.max_document_items.",
							part->columns->document));
		if (document->n == rows->capacity)
			rows->row = repalloc(rows->row, (rows->capacity *= 2) * sizeof(SourceRow));
		this = &rows->row[document->n];
		this->part = (int) (part - reader->part);
		read_item(reader, part, &this->item);

		datum = value_at(part, part->position_column, &is_null);
		this->position = is_null ? NAN : DatumGetFloat8(datum);
		if (!is_null && isnan(this->position))
			ereport(ERROR,
					errcode(ERRCODE_DATA_EXCEPTION),
					errmsg("position of item \"%s\" of document \"%s\" of %s is NaN", this->item.key, document->key,
						   part->relation));
		/* Where a relation has no positions, there is nothing that its rows could lack or that could be approved. */
		if (part->position_column != 0)
		{
			rows->ordered = rows->ordered && !is_null;
			datum = value_at(part, part->approved_column, &is_null);
			rows->approved = rows->approved && (part->columns->all_approved || (!is_null && DatumGetBool(datum)));
		}
		document->n++;
	}
}

/* ---- checks, and the stored order ---- */

static void
refuse_equal_items(const SourceReader *reader, const SourceRow *row)
{
	for (int32 i = 1; i < reader->document.n; i++)
		if (xmc_item_compare(&row[i - 1], &row[i]) == 0)
		{
			const char *first = reader->part[Min(row[i - 1].part, row[i].part)].relation;
			const char *second = reader->part[Max(row[i - 1].part, row[i].part)].relation;

			if (row[i - 1].part == row[i].part)
				ereport(ERROR,
						errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("item \"%s\" stands twice in document \"%s\" of %s", row[i].item.key, reader->document.key, first));
			ereport(ERROR,
					errcode(ERRCODE_UNIQUE_VIOLATION),
					errmsg("item \"%s\" of document \"%s\" stands in %s and in %s", row[i].item.key, reader->document.key,
						   first, second),
					errdetail("The items of a document need keys of their own, over all its relations."),
					errhint("Attach a view that tells them apart, for example by a letter before the number."));
		}
}

/* A row that has a position, for sorting. */
typedef struct PlacedItem
{
	double		position;
	int32		item;
} PlacedItem;

static int
compare_places(const void *a, const void *b)
{
	const PlacedItem *pa = a;
	const PlacedItem *pb = b;

	if (pa->position != pb->position)
		return pa->position > pb->position ? 1 : -1;
	return (pa->item > pb->item) - (pa->item < pb->item);
}

/* A step and its photo may have the same position: a text and an image, or what two relations hold, if not in one modality. */
static bool
may_be_side_by_side(const SourceRow *a, const SourceRow *b)
{
	int			text_a = a->item.text != NULL || a->item.text_embedding != NULL;
	int			text_b = b->item.text != NULL || b->item.text_embedding != NULL;
	int			image_a = a->item.image != NULL;
	int			image_b = b->item.image != NULL;

	if (a->part != b->part)
		return !(text_a && text_b) && !(image_a && image_b);
	return text_a != image_a && text_a == image_b && text_b == image_a;
}

/* The stored positions; and where no row lacks one that should have one, the stored order. */
static void
set_stored_order(SourceReader *reader, const SourceRow *row, bool ordered)
{
	SourceDocument *document = &reader->document;
	int32		n = document->n;
	PlacedItem *placed = palloc(n * sizeof(PlacedItem));

	document->position = palloc(n * sizeof(double));
	for (int32 i = 0; i < n; i++)
	{
		document->position[i] = row[i].position;
		if (!isnan(row[i].position))
			placed[document->n_placed++] = (PlacedItem) {row[i].position, i};
	}
	document->is_total = document->n_placed == n;
	document->order = palloc(n * sizeof(int32));
	qsort(placed, document->n_placed, sizeof(PlacedItem), compare_places);
	for (int32 k = 0; k < document->n_placed; k++)
	{
		document->order[k] = placed[k].item;
		for (int32 j = k - 1; j >= 0 && placed[j].position == placed[k].position; j--)
		{
			document->is_total = false;
			if (!may_be_side_by_side(&row[placed[j].item], &row[placed[k].item]))
				ereport(ERROR,
						errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("position %s is taken twice in document \"%s\" of %s",
							   float8out_internal(placed[k].position), document->key,
							   reader->part[row[placed[k].item].part].relation),
						errdetail("Items \"%s\" and \"%s\" have it.", row[placed[j].item].item.key,
								  row[placed[k].item].item.key));
		}
	}
	if (document->n_placed == 0 || !ordered)
	{
		document->order = NULL;
		document->n_placed = 0;
		document->is_total = false;
	}
	pfree(placed);
}

/* ---- documents ---- */

const SourceDocument *
xmcoh_source_next(SourceReader *reader)
{
	SourceDocument *document = &reader->document;
	SourceRows	rows = {.capacity = 32,.ordered = true,.approved = true};
	MemoryContext caller = MemoryContextSwitchTo(reader->document_memory);

	MemoryContextReset(reader->document_memory);
	*document = (SourceDocument) {0};
	for (int p = 0; p < reader->n_parts; p++)
		if (fetch(&reader->part[p]))
		{
			const char *key = document_key(&reader->part[p]);

			if (document->key == NULL || strcmp(key, document->key) < 0)
				document->key = key;
		}
	if (document->key != NULL)
	{
		rows.row = palloc(rows.capacity * sizeof(SourceRow));
		for (int p = 0; p < reader->n_parts; p++)
			read_rows(reader, &reader->part[p], &rows);
		qsort(rows.row, document->n, sizeof(SourceRow), xmc_item_compare);
		refuse_equal_items(reader, rows.row);
		document->item = palloc(document->n * sizeof(xmc_item));
		for (int32 i = 0; i < document->n; i++)
			document->item[i] = rows.row[i].item;
		set_stored_order(reader, rows.row, rows.ordered);
		document->approved = document->order != NULL && rows.approved;
	}
	MemoryContextSwitchTo(caller);
	return document->key ? document : NULL;
}

void
xmcoh_source_close(SourceReader *reader)
{
	for (int p = 0; p < reader->n_parts; p++)
	{
		if (reader->part[p].batch != NULL)
			SPI_freetuptable(reader->part[p].batch);
		SPI_cursor_close(reader->part[p].portal);
	}
	MemoryContextDelete(reader->memory);
}
