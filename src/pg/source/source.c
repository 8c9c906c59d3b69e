/*
 * source.c - the documents of a source, read, checked and given one at a time; source.h is the contract.
 *
 * Each relation of a source is a part: its rows, sorted by document and item. The reader merges the parts.
 */
#include "source/source.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "source/embedding.h"
#include "source/rows.h"

#include "xmcoh/groups.h"

#define DOCUMENT_COLUMN 1		/* of each part's query */
#define ITEM_COLUMN 2
#define MAX_COLUMNS 9

/* One row while its document is being collected. The item is the first member, so that xmc_item_compare can sort rows. */
typedef struct SourceRow
{
	xmc_item	item;
	xmc_encoder_text image_text;	/* text NULL: none */
	double		position;		/* NaN: none */
	int			part;
} SourceRow;

static bool
has_image(const SourceRow *row)
{
	return row->item.image != NULL || row->image_text.text != NULL;
}

/* The rows of the document that is being collected. */
typedef struct SourceRows
{
	SourceRow  *row;			/* (n of the document) */
	int32		capacity;
	bool		ordered;		/* each row whose relation has a position column has a position */
	bool		approved;		/* and each of these positions is approved */
	struct RowsName
	{
		bool		is_read;	/* a row of a relation that has the column was read; `value` is its value */
		char	   *value;
	}			group, by;
} SourceRows;

/* One relation; its rows come in the order of their documents' and items' keys. */
typedef struct SourcePart
{
	const SourceColumns *columns;
	char	   *relation;		/* quoted and qualified; for queries and messages */
	Rows	   *rows;
	bool		has_row;		/* the current row has not been used yet */
	int			text_column;	/* numbers of the query's output columns; 0: not read */
	int			image_column;
	bool		has_image_texts;	/* that column holds texts that stand for the images */
	int			text_embedding_column;
	int			position_column;
	int			approved_column;
	int			group_column;
	int			by_column;
} SourcePart;

struct SourceReader
{
	int32		image_dim;
	int32		text_dim;
	bool		noticed;		/* the NOTICE about an item without evidence was given */
	MemoryContext memory;		/* of this reader */
	MemoryContext document_memory;	/* of the last document given; the next call resets it */
	SourceDocument document;
	int			n_parts;
	SourcePart	part[FLEXIBLE_ARRAY_MEMBER];
};

/* ---- the reader ---- */

#define HINT_RENAMED "Rename the column back, or detach the source and attach it again with its present columns."

/* The query of a part while it is being written: its output columns and their types. */
typedef struct PartQuery
{
	StringInfoData text;
	int			n;
	Oid			type[MAX_COLUMNS];
} PartQuery;

/* Adds an output column and gives its number; 0 for a column that is not to be read. */
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

/* The same for the group of a document, which several columns may give. */
static int
add_group(PartQuery *query, Oid relation, List *columns)
{
	ListCell   *cell;

	if (columns == NIL)
		return 0;
	foreach(cell, columns)
		xmcoh_check_column(relation, lfirst(cell), COLUMN_GROUP, HINT_RENAMED);
	appendStringInfo(&query->text, ", %s", xmcoh_group_value(columns));
	query->type[query->n] = xmcoh_column_type(COLUMN_GROUP);
	return ++query->n;
}

/* Reads one relation into `part`. */
static void
read_part(SourcePart *part, const SourceColumns *columns, const xmc_options *options, const DocumentKeys *keys)
{
	Oid			relation = columns->relation;
	ColumnUse	image_use = xmcoh_image_use(relation, columns->image, columns->encoder[XMC_IMAGE] > 0);
	PartQuery	query = {0};

	part->relation = xmcoh_relation_name(relation);
	if (part->relation == NULL)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("source relation with OID %u does not exist any more", relation),
				errhint("Detach the source with xmcoh.detach_source(model, %u).", relation));
	part->columns = columns;

	initStringInfo(&query.text);
	add_column(&query, relation, columns->document, COLUMN_DOCUMENT);
	add_column(&query, relation, columns->item, COLUMN_ITEM);
	if (options->words || columns->encoder[XMC_TEXT] > 0)
		part->text_column = add_column(&query, relation, columns->text, COLUMN_TEXT);
	if (options->image_dim > 0)
		part->image_column = add_column(&query, relation, columns->image, image_use);
	part->has_image_texts = image_use == COLUMN_IMAGE_TEXT;
	if (options->text_dim > 0)
		part->text_embedding_column = add_column(&query, relation, columns->text_embedding, COLUMN_TEXT_EMBEDDING);
	part->position_column = add_column(&query, relation, columns->position, COLUMN_POSITION);
	part->approved_column = add_column(&query, relation, columns->approved, COLUMN_APPROVED);
	part->group_column = add_group(&query, relation, columns->group);
	part->by_column = add_column(&query, relation, columns->by, COLUMN_BY);
	appendStringInfo(&query.text, " FROM %s AS t", part->relation);
	if (keys != NULL)
		xmcoh_append_key_filter(&query.text, relation, columns->document, keys);
	appendStringInfo(&query.text, " ORDER BY (t.%s)::pg_catalog.text COLLATE pg_catalog.\"C\","
					 " (t.%s)::pg_catalog.text COLLATE pg_catalog.\"C\"",
					 quote_identifier(columns->document), quote_identifier(columns->item));
	part->rows = xmcoh_rows_read(query.text.data, xmcoh_key_parameters(relation, columns->document, keys), query.n,
								 query.type, psprintf("documents of %s", part->relation));
}

/* A reader over one source and its members, whose relations it reads. */
static SourceReader *
open_reader(const SourceColumns *columns, const xmc_options *options, const DocumentKeys *keys)
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
	read_part(&reader->part[reader->n_parts++], columns, options, keys);
	foreach(cell, columns->members)
		read_part(&reader->part[reader->n_parts++], lfirst(cell), options, keys);
	MemoryContextSwitchTo(caller);
	return reader;
}

/* Makes a row current that has not been used; false at the end. */
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
	array = DatumGetArrayTypePCopy(datum);	/* a copy, because the row's memory is freed before the document is used */
	if (xmcoh_embedding_is_good(array, dim))
		return (const float *) ARR_DATA_PTR(array);
	return xmcoh_check_embedding(array, dim,
								 psprintf("%s of item \"%s\" of document \"%s\"", name, item, reader->document.key));
}

/* A text of the current row in UTF-8, copied to the document's memory; NULL: there is none. */
static const char *
read_text(const SourcePart *part, int column, size_t *length)
{
	bool		is_null;
	Datum		datum = value_at(part, column, &is_null);
	char	   *stored;
	char	   *utf8;

	*length = 0;
	if (is_null)
		return NULL;
	stored = TextDatumGetCString(datum);
	utf8 = pg_server_to_any(stored, strlen(stored), PG_UTF8);
	*length = strlen(utf8);
	return utf8;
}

/* The image of the current row: an embedding, or a text that is not empty. */
static void
read_image(const SourceReader *reader, const SourcePart *part, SourceRow *row)
{
	row->image_text = (xmc_encoder_text) {0};
	if (!part->has_image_texts)
		row->item.image = read_embedding(reader, part, part->image_column, reader->image_dim, "image", row->item.key);
	else
	{
		row->image_text.text = read_text(part, part->image_column, &row->image_text.length);
		if (row->image_text.length == 0)
			row->image_text.text = NULL;
	}
}

/* The item of the current row, copied to the document's memory. */
static void
read_item(SourceReader *reader, const SourcePart *part, SourceRow *row)
{
	xmc_item   *item = &row->item;
	bool		is_null;
	Datum		datum = value_at(part, ITEM_COLUMN, &is_null);

	*item = (xmc_item) {0};
	if (is_null)
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("item is NULL in a row of document \"%s\" of %s", reader->document.key, part->relation),
				errdetail("Column \"%s\" holds the keys of the items.", part->columns->item));
	item->key = TextDatumGetCString(datum);
	item->key_length = strlen(item->key);

	item->text = read_text(part, part->text_column, &item->text_length);
	item->text_embedding = read_embedding(reader, part, part->text_embedding_column, reader->text_dim,
										  "text embedding", item->key);
	read_image(reader, part, row);

	if (item->text == NULL && item->text_embedding == NULL && !has_image(row) && !reader->noticed)
	{
		reader->noticed = true;
		ereport(NOTICE,
				errmsg("item \"%s\" of document \"%s\" has neither text nor image", item->key, reader->document.key),
				errdetail("The item takes part without evidence. Further items of this kind in %s are not reported.",
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
				errdetail("Column \"%s\" holds the keys of the documents.", part->columns->document),
				errhint("Attach a view without such rows."));
	return TextDatumGetCString(datum);
}

/* What the current row names in an output column: all rows of the document must name the same, or all none. */
static void
read_name(const SourceReader *reader, const SourcePart *part, int column, const char *column_name, const char *item,
		  struct RowsName *name)
{
	bool		is_null;
	Datum		datum = value_at(part, column, &is_null);
	char	   *value = is_null ? NULL : TextDatumGetCString(datum);

	if (!name->is_read)
		name->value = value;
	else if ((value == NULL) != (name->value == NULL) || (value && strcmp(value, name->value) != 0))
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("rows of document \"%s\" of %s are of different groups", reader->document.key, part->relation),
				errdetail("Item \"%s\" is of another group than an item before.", item),
				errhint("Give all rows of a document the same value in column \"%s\", or NULL.", column_name));
	else if (value)
		pfree(value);
	name->is_read = true;
}

/* Adds the rows of one relation that belong to the document. */
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

		/* the rows of a document are consecutive */
		if (strcmp(key, document->key) != 0)
			break;
		pfree(unconstify(char *, key));
		if (document->n >= xmcoh_max_document_items)
			ereport(ERROR,
					errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					errmsg("document \"%s\" of %s has more than %d items", document->key, part->relation,
						   xmcoh_max_document_items),
					errhint("Check that column \"%s\" holds the keys of documents, or raise xmcoh.max_document_items.",
							part->columns->document));
		if (document->n == rows->capacity)
			rows->row = repalloc(rows->row, (rows->capacity *= 2) * sizeof(SourceRow));
		this = &rows->row[document->n];
		this->part = (int) (part - reader->part);
		read_item(reader, part, this);
		if (part->group_column != 0)
			read_name(reader, part, part->group_column, linitial(part->columns->group), this->item.key, &rows->group);
		if (part->by_column != 0)
			read_name(reader, part, part->by_column, part->columns->by, this->item.key, &rows->by);

		datum = value_at(part, part->position_column, &is_null);
		this->position = is_null ? NAN : DatumGetFloat8(datum);
		if (!is_null && isnan(this->position))
			ereport(ERROR,
					errcode(ERRCODE_DATA_EXCEPTION),
					errmsg("position of item \"%s\" of document \"%s\" of %s is NaN", this->item.key, document->key,
						   part->relation));
		/* Rows of a relation without a position column count neither against the order nor against its approval. */
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
					errdetail("The keys of a document's items must be distinct over all its relations."),
					errhint("Attach a view that makes the keys distinct, for example by a letter before the number."));
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

/*
 * Whether two items may have the same position, as a step and its photo have. Within one relation one of the two must be a
 * text and the other an image. Items of two relations must have no modality in common.
 */
static bool
may_be_side_by_side(const SourceRow *a, const SourceRow *b)
{
	int			text_a = a->item.text != NULL || a->item.text_embedding != NULL;
	int			text_b = b->item.text != NULL || b->item.text_embedding != NULL;
	int			image_a = has_image(a);
	int			image_b = has_image(b);

	if (a->part != b->part)
		return !(text_a && text_b) && !(image_a && image_b);
	return text_a != image_a && text_a == image_b && text_b == image_a;
}

/* The stored positions; and the stored order, if `ordered` says that each row that needs a position has one. */
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
	/* the order: items by position; each item is compared with those before it that have the same position */
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
						errdetail("Items \"%s\" and \"%s\" have this position.", row[placed[j].item].item.key,
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

/*
 * Goes to the next row that has both keys; false at the end. A row without a key is an error later, when its document is
 * read.
 */
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

/* By document, then by item. */
static int
compare_keys(const SourcePart *a, const SourcePart *b)
{
	int			c = compare_texts(a, b, DOCUMENT_COLUMN);

	return c ? c : compare_texts(a, b, ITEM_COLUMN);
}

/*
 * ERROR when two sources hold one item of one document, as two views of one table do: its document would be read, and
 * trained on, twice. This is a merge of all relations of all sources in the order of their keys, so that equal keys meet.
 * Memory does not depend on the number of rows.
 */
static void
refuse_shared_items(const SourceSet *set)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh keys", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);

	for (;;)
	{
		SourcePart *lowest = NULL;
		int			source = -1;	/* whose part `lowest` is */
		const SourcePart *same = NULL;	/* a part of another source whose row has the same keys */

		MemoryContextReset(memory);
		/* the part whose current row has the lowest keys */
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
					errdetail("The document would be read twice, once from each source."),
					errhint("Detach one of the two sources. If it holds further items of the same documents, attach it again with"
							" documents_of. If its documents are others, attach a view that gives them other keys."));
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
xmcoh_source_open(const SourceColumns *columns, const xmc_options *options, const DocumentKeys *keys)
{
	SourceSet  *set = columns->set;
	SourceReader *reader;

	if (set->reader[columns->number] == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(set->memory);

		for (int s = 0; s < set->n; s++)
			if (set->reader[s] == NULL)
				set->reader[s] = open_reader(set->columns[s], options, keys);
		if (set->n > 1)
			refuse_shared_items(set);
		MemoryContextSwitchTo(caller);
	}
	reader = set->reader[columns->number];
	set->reader[columns->number] = NULL;
	return reader;
}

/* ---- documents ---- */

/* The items of the document out of its rows; and the texts that stand for images, if a row has one. */
static void
set_items(SourceDocument *document, const SourceRow *row)
{
	document->item = palloc(document->n * sizeof(xmc_item));
	for (int32 i = 0; i < document->n; i++)
	{
		document->item[i] = row[i].item;
		if (row[i].image_text.text == NULL)
			continue;
		if (document->image_text == NULL)
			document->image_text = palloc0(document->n * sizeof(xmc_encoder_text));
		document->image_text[i] = row[i].image_text;
	}
}

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
		set_items(document, rows.row);
		set_stored_order(reader, rows.row, rows.ordered);
		document->approved = document->order != NULL && rows.approved;
		document->group = rows.group.value;
		document->by = rows.by.value;
	}
	MemoryContextSwitchTo(caller);
	return document->key ? document : NULL;
}

void
xmcoh_source_keep(SourceReader *reader, MemoryContext parent, SourceDocument *document)
{
	*document = reader->document;
	MemoryContextSetParent(reader->document_memory, parent);
	reader->document_memory = AllocSetContextCreate(reader->memory, "xmcoh source document", ALLOCSET_DEFAULT_SIZES);
}

uint64
xmcoh_source_group(const SourceDocument *document)
{
	return document->group ? xmc_group_of(document->group, strlen(document->group)) : 0;
}

const char *
xmcoh_source_group_name(const SourceDocument *document)
{
	return document->group ? document->group : document->key;
}

void
xmcoh_source_close(SourceReader *reader)
{
	for (int p = 0; p < reader->n_parts; p++)
		xmcoh_rows_end(reader->part[p].rows);
	MemoryContextDelete(reader->memory);
}

void
xmcoh_source_visit(List *sources, const xmc_options *options, const DocumentKeys *keys, SourceVisitor visit, void *arg)
{
	ListCell   *cell;
	bool		more = true;

	foreach(cell, sources)
	{
		SourceReader *reader = xmcoh_source_open(lfirst(cell), options, keys);
		const SourceDocument *document;

		while (more && (document = xmcoh_source_next(reader)) != NULL)
			more = visit(arg, document);
		xmcoh_source_close(reader);
	}
}
