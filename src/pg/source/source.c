/* source.c - documents from a relation, one at a time, checked; see source.h */
#include "source/source.h"

#include <errno.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "source/rows.h"

#define DOCUMENT_COLUMN 1		/* of each part's query */
#define ITEM_COLUMN 2
#define MAX_COLUMNS 7

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

/* One relation, in the order of its documents' and items' keys. */
typedef struct SourcePart
{
	const SourceColumns *columns;
	char	   *relation;		/* quoted, qualified: for messages too */
	Rows	   *rows;
	bool		has_row;		/* the current row is not consumed yet */
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
bool
xmcoh_embedding_is_good(ArrayType *array, int dim)
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
	if (xmcoh_embedding_is_good(array, dim))
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

/* ---- the reader ---- */

#define HINT_RENAMED "Rename it back, or detach the source and attach it again with the columns that it has now."

/* The query of a part while it is written: its output columns and their types. */
typedef struct PartQuery
{
	StringInfoData text;
	int			n;
	Oid			type[MAX_COLUMNS];
} PartQuery;

/* Adds an output column and gives its number; 0 when there is none to be read. */
static int
add_column(PartQuery *query, Oid relation, const char *column, ColumnUse use)
{
	if (column == NULL)
		return 0;
	xmcoh_check_column(relation, column, use, HINT_RENAMED);
	appendStringInfo(&query->text, "%s %s", query->n ? "," : "SELECT", xmcoh_column_value(column, use));
	query->type[query->n] = xmcoh_column_type(use);
	return ++query->n;
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
	const char *literal = quote_literal_cstr(document);
	Oid			type = get_atttype(columns->relation, get_attnum(columns->relation, columns->document));

	appendStringInfo(query, " WHERE (t.%s)::pg_catalog.text OPERATOR(pg_catalog.=) %s::pg_catalog.text"
					 " AND (t.%s)::pg_catalog.text COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) %s::pg_catalog.text",
					 column, literal, column, literal);
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

/* Reads one relation into `part`. */
static void
read_part(SourcePart *part, const SourceColumns *columns, const xmc_options *options, const char *document)
{
	Oid			relation = columns->relation;
	PartQuery	query = {0};

	part->relation = xmcoh_relation_name(relation);
	if (part->relation == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("source relation with OID %u does not exist any more", relation),
				errhint("Detach it with xmcoh.detach_source(model, %u).", relation));
	part->columns = columns;

	initStringInfo(&query.text);
	add_column(&query, relation, columns->document, COLUMN_DOCUMENT);
	add_column(&query, relation, columns->item, COLUMN_ITEM);
	if (options->words)
		part->text_column = add_column(&query, relation, columns->text, COLUMN_TEXT);
	if (options->image_dim > 0)
		part->image_column = add_column(&query, relation, columns->image, COLUMN_IMAGE);
	if (options->text_dim > 0)
		part->text_embedding_column = add_column(&query, relation, columns->text_embedding, COLUMN_TEXT_EMBEDDING);
	part->position_column = add_column(&query, relation, columns->position, COLUMN_POSITION);
	part->approved_column = add_column(&query, relation, columns->approved, COLUMN_APPROVED);
	appendStringInfo(&query.text, " FROM %s AS t", part->relation);
	if (document != NULL)
		add_document_filter(&query.text, columns, document);
	appendStringInfo(&query.text, " ORDER BY (t.%s)::pg_catalog.text COLLATE pg_catalog.\"C\","
					 " (t.%s)::pg_catalog.text COLLATE pg_catalog.\"C\"",
					 quote_identifier(columns->document), quote_identifier(columns->item));
	part->rows = xmcoh_rows_read(query.text.data, query.n, query.type, psprintf("documents of %s", part->relation));
}

/* A reader over one source and its members, all read. */
static SourceReader *
open_reader(const SourceColumns *columns, const xmc_options *options, const char *document)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh source reader", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	int			n_parts = 1 + list_length(columns->members);
	SourceReader *reader = palloc0(offsetof(SourceReader, part) + n_parts * sizeof(SourcePart));
	ListCell   *cell;

	reader->memory = memory;
	reader->document_memory = AllocSetContextCreate(memory, "xmcoh source document", ALLOCSET_DEFAULT_SIZES);
	reader->image_dim = options->image_dim;
	reader->text_dim = options->text_dim;
	read_part(&reader->part[reader->n_parts++], columns, options, document);
	foreach(cell, columns->members)
		read_part(&reader->part[reader->n_parts++], lfirst(cell), options, document);
	MemoryContextSwitchTo(caller);
	return reader;
}

/* Makes a row current that is not consumed; false at the end. */
static bool
fetch(SourcePart *part)
{
	if (!part->has_row)
		part->has_row = xmcoh_rows_next(part->rows);
	return part->has_row;
}

/* A column of the current row; Datum 0 and *is_null for one that is not read. */
static Datum
value_at(const SourcePart *part, int column, bool *is_null)
{
	*is_null = true;
	if (column == 0)
		return (Datum) 0;
	return xmcoh_rows_value(part->rows, column, is_null);
}

static const float *
read_embedding(const SourceReader *reader, const SourcePart *part, int column, int dim, const char *name, const char *item)
{
	bool		is_null;
	Datum		datum = value_at(part, column, &is_null);
	ArrayType  *array;

	if (is_null)
		return NULL;
	array = DatumGetArrayTypePCopy(datum);	/* the row is gone before the document is used */
	if (xmcoh_embedding_is_good(array, dim))
		return (const float *) ARR_DATA_PTR(array);
	return xmcoh_check_embedding(array, dim,
								 psprintf("%s of item \"%s\" of document \"%s\"", name, item, reader->document.key));
}

/* The item of the current row, copied to the document's memory. */
static void
read_item(SourceReader *reader, const SourcePart *part, xmc_item *item)
{
	bool		is_null;
	Datum		datum = value_at(part, ITEM_COLUMN, &is_null);

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
	Datum		datum = value_at(part, DOCUMENT_COLUMN, &is_null);

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

	for (; fetch(part); part->has_row = false)
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

/* ---- several sources ---- */

/* Goes to the next row that has both keys; false at the end. Rows without are reported when their document is read. */
static bool
fetch_keys(SourcePart *part)
{
	bool		no_document;
	bool		no_item;

	while (fetch(part))
	{
		(void) value_at(part, DOCUMENT_COLUMN, &no_document);
		(void) value_at(part, ITEM_COLUMN, &no_item);
		if (!no_document && !no_item)
			return true;
		part->has_row = false;
	}
	return false;
}

/* By bytes, as COLLATE "C" in the queries orders rows: a merge needs the order of its inputs. */
static int
compare_texts(const SourcePart *a, const SourcePart *b, int column)
{
	bool		is_null;
	text	   *ta = DatumGetTextPP(value_at(a, column, &is_null));
	text	   *tb = DatumGetTextPP(value_at(b, column, &is_null));

	int			size_a = VARSIZE_ANY_EXHDR(ta);
	int			size_b = VARSIZE_ANY_EXHDR(tb);
	int			c = memcmp(VARDATA_ANY(ta), VARDATA_ANY(tb), Min(size_a, size_b));

	return c ? c : (size_a > size_b) - (size_a < size_b);
}

/* By document and item, bytes, as the queries sort them. */
static int
compare_keys(const SourcePart *a, const SourcePart *b)
{
	int			c = compare_texts(a, b, DOCUMENT_COLUMN);

	return c ? c : compare_texts(a, b, ITEM_COLUMN);
}

/*
 * An item of a document that stands in two sources would be given, and taught, twice: two views of one table. All relations
 * of all sources are gone through side by side in the order of their keys, so that equal ones meet; memory is flat.
 */
static void
refuse_shared_items(const SourceSet *set)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh keys", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);

	for (;;)
	{
		SourcePart *lowest = NULL;
		int			source = -1;	/* where that is */
		const SourcePart *same = NULL;	/* of another source, with the same keys */

		MemoryContextReset(memory);
		for (int s = 0; s < set->n; s++)
			for (int p = 0; p < set->reader[s]->n_parts; p++)
			{
				SourcePart *part = &set->reader[s]->part[p];
				int			c = !fetch_keys(part) ? 1 : lowest == NULL ? -1 : compare_keys(part, lowest);

				if (c == 0 && s != source)
					same = part;
				if (c >= 0)
					continue;
				lowest = part;
				source = s;
				same = NULL;
			}
		if (lowest == NULL)
			break;
		if (same != NULL)
		{
			bool		is_null;

			ereport(ERROR,
					errcode(ERRCODE_UNIQUE_VIOLATION),
					errmsg("item \"%s\" of document \"%s\" stands in two sources, %s and %s",
						   TextDatumGetCString(value_at(lowest, ITEM_COLUMN, &is_null)),
						   TextDatumGetCString(value_at(lowest, DOCUMENT_COLUMN, &is_null)), lowest->relation, same->relation),
					errdetail("Each source has documents of its own: this one would be read twice."),
					errhint("Detach one of them; or attach it with documents_of, if it holds further items of the same documents;"
							" or attach a view that gives its documents keys of their own."));
		}
		lowest->has_row = false;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
	for (int s = 0; s < set->n; s++)
		for (int p = 0; p < set->reader[s]->n_parts; p++)
			xmcoh_rows_rewind(set->reader[s]->part[p].rows);
}

SourceReader *
xmcoh_source_open(const SourceColumns *columns, const xmc_options *options, const char *document)
{
	SourceSet  *set = columns->set;
	SourceReader *reader;

	if (set->reader[columns->number] == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(set->memory);

		for (int s = 0; s < set->n; s++)
			if (set->reader[s] == NULL)
				set->reader[s] = open_reader(set->columns[s], options, document);
		if (set->n > 1)
			refuse_shared_items(set);
		MemoryContextSwitchTo(caller);
	}
	reader = set->reader[columns->number];
	set->reader[columns->number] = NULL;
	return reader;
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
		xmcoh_rows_end(reader->part[p].rows);
	MemoryContextDelete(reader->memory);
}
