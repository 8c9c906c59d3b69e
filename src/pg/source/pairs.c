/*
 * pairs.c - the approved pairs of a model: read, checked for contradictions, turned into labels; pairs.h is the contract.
 *
 * A contradiction is a cycle of the graph whose edges are the pairs of one document (xmcoh/graph.h).
 */
#include "source/pairs.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/reference.h"
#include "base/statement.h"
#include "source/columns.h"
#include "source/rows.h"

#include "xmcoh/graph.h"

#define LISTED_CYCLES 10

/* ---- reading ---- */

/* The pairs while they are being read. */
typedef struct PairList
{
	ApprovedPairs *pairs;
	int64		capacity;		/* of pairs->pair */
	MemoryContext memory;		/* of the pairs */
} PairList;

/* Appends the rows of a query: document, before, after. */
static void
append_query(PairList *list, const char *query, const RowsParameters *parameters, const char *purpose)
{
	static const Oid types[3] = {TEXTOID, TEXTOID, TEXTOID};
	MemoryContext caller = MemoryContextSwitchTo(list->memory);
	Rows	   *rows = xmcoh_rows_read(query, parameters, 3, types, purpose);

	while (xmcoh_rows_next(rows))
	{
		Datum		value[3];
		bool		any_null = false;

		for (int c = 0; c < 3; c++)
		{
			bool		is_null;

			value[c] = xmcoh_rows_value(rows, c + 1, &is_null);
			any_null |= is_null;
		}
		if (any_null)
		{
			list->pairs->null_rows++;
			continue;
		}
		if (list->pairs->n == list->capacity)
		{
			list->capacity *= 2;
			list->pairs->pair = repalloc_huge(list->pairs->pair, list->capacity * sizeof(ApprovedPair));
		}
		list->pairs->pair[list->pairs->n++] = (ApprovedPair) {TextDatumGetCString(value[0]), TextDatumGetCString(value[1]),
			TextDatumGetCString(value[2]), false};
	}
	xmcoh_rows_end(rows);
	MemoryContextSwitchTo(caller);
}

/* Whether the current role may read the relation, or all of its columns that are read. */
static bool
may_read(Oid relation, int n_columns, const char *const *column)
{
	bool		may = pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	bool		may_columns = true;

	for (int c = 0; c < n_columns && !may; c++)
		may_columns = may_columns &&
			pg_attribute_aclcheck(relation, get_attnum(relation, column[c]), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	return may || may_columns;
}

/*
 * Appends the pairs of one relation on these documents. `row` is a row of xmcoh.pair_source_record: relation, document,
 * before, after. For `lenient`, see xmcoh_read_relation_pairs.
 */
static void
append_pair_source(PairList *list, HeapTuple row, TupleDesc desc, const DocumentKeys *keys, bool lenient)
{
	static const ColumnUse use[3] = {COLUMN_DOCUMENT, COLUMN_BEFORE, COLUMN_AFTER};
	bool		is_null;
	Datum		datum = SPI_getbinval(row, desc, 1, &is_null);
	Oid			relation = xmcoh_referenced_oid(datum);
	char	   *name = xmcoh_referenced_name(datum);
	const char *column[3];
	StringInfoData query;

	if (!OidIsValid(relation))
	{
		ereport(lenient ? NOTICE : ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation of approved pairs %s does not exist any more", name),
				errhint("Create the relation again, or detach it with xmcoh.detach_pairs(model, %s).",
						quote_literal_cstr(name)));
		return;
	}
	initStringInfo(&query);
	for (int c = 0; c < 3; c++)
	{
		column[c] = xmcoh_referenced_name(SPI_getbinval(row, desc, c + 2, &is_null));
		xmcoh_check_column(relation, column[c], use[c],
						   "Rename the column back, or detach the pairs and attach them again with the present columns.");
		appendStringInfo(&query, "%s %s", c ? "," : "SELECT", xmcoh_column_value(column[c], use[c]));
	}
	if (lenient && !may_read(relation, 3, column))
	{
		ereport(NOTICE,
				errmsg("approved pairs of %s are left out, because you may not read them", name),
				errdetail("Orders can contradict these pairs."));
		return;
	}
	appendStringInfo(&query, " FROM %s AS t", name);
	if (keys != NULL)
		xmcoh_append_key_filter(&query, relation, column[0], keys);
	append_query(list, query.data, xmcoh_key_parameters(relation, column[0], keys), psprintf("approved pairs of %s", name));
}

static int
compare_pairs(const void *a, const void *b)
{
	const ApprovedPair *pa = a;
	const ApprovedPair *pb = b;
	int			c = strcmp(pa->document, pb->document);

	if (c == 0)
		c = strcmp(pa->before, pb->before);
	return c ? c : strcmp(pa->after, pb->after);
}

/* Appends the pairs of all relations of the model. */
static void
append_relations(PairList *list, int32 model_id, const DocumentKeys *keys, bool lenient)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(model_id)};
	SPITupleTable *sources;
	uint64		n_sources;

	prepared(&plan, "SELECT relation, document, before, after FROM xmcoh.pair_source_record"
			 " WHERE model_id OPERATOR(pg_catalog.=) $1 ORDER BY pair_source_id", 1, types);
	if (SPI_execute_plan(plan, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.pair_source_record");
	sources = SPI_tuptable;
	n_sources = SPI_processed;
	for (uint64 i = 0; i < n_sources; i++)
		append_pair_source(list, sources->vals[i], sources->tupdesc, keys, lenient);
	SPI_freetuptable(sources);
	MemoryContextSwitchTo(list->memory);	/* SPI left its own memory context */
}

ApprovedPairs *
xmcoh_read_relation_pairs(int32 model_id, const DocumentKeys *keys, bool lenient)
{
	ApprovedPairs *pairs = palloc0(sizeof(ApprovedPairs));
	PairList	list = {pairs, 64, CurrentMemoryContext};

	pairs->pair = palloc(list.capacity * sizeof(ApprovedPair));
	append_relations(&list, model_id, keys, lenient);
	return pairs;
}

ApprovedPairs *
xmcoh_read_pairs(int32 model_id)
{
	ApprovedPairs *pairs = palloc0(sizeof(ApprovedPairs));
	PairList	list = {pairs, 64, CurrentMemoryContext};
	int64		kept = 0;

	pairs->pair = palloc(list.capacity * sizeof(ApprovedPair));
	append_query(&list, psprintf("SELECT document, before, after FROM xmcoh.approved_pair"
								 " WHERE model_id OPERATOR(pg_catalog.=) %d", model_id), NULL, "approved pairs");
	append_relations(&list, model_id, NULL, false);

	/* sorted by document, before, after; equal pairs of several relations are one */
	qsort(pairs->pair, pairs->n, sizeof(ApprovedPair), compare_pairs);
	for (int64 i = 0; i < pairs->n; i++)
		if (kept == 0 || compare_pairs(&pairs->pair[kept - 1], &pairs->pair[i]) != 0)
			pairs->pair[kept++] = pairs->pair[i];
	pairs->n = kept;
	return pairs;
}

/* The first pair whose document is not before `document`; n when there is none. */
static int64
first_pair(const ApprovedPairs *pairs, const char *document)
{
	int64		low = 0;
	int64		high = pairs->n;

	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (strcmp(pairs->pair[middle].document, document) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
xmcoh_has_pairs(const ApprovedPairs *pairs, const char *document)
{
	int64		first = first_pair(pairs, document);

	return first < pairs->n && strcmp(pairs->pair[first].document, document) == 0;
}

int64
xmcoh_ignored_pairs(const ApprovedPairs *pairs)
{
	int64		ignored = pairs->null_rows;

	for (int64 i = 0; i < pairs->n; i++)
		ignored += !pairs->pair[i].used;
	return ignored;
}

/* ---- contradictions ---- */

static int
compare_names(const void *a, const void *b)
{
	const char *na = *(const char *const *) a;
	const char *nb = *(const char *const *) b;

	return xmc_key_compare(na, strlen(na), nb, strlen(nb));
}

static int64
name_number(const char **name, int64 n, const char *wanted)
{
	return (const char **) bsearch(&wanted, name, n, sizeof(char *), compare_names) - name;
}

/* The contradictions of all documents, as far as they are listed. */
typedef struct CycleList
{
	StringInfoData text;		/* a line for each cycle */
	int			n;
	const char *document;		/* that is being searched */
	const char **name;			/* of its items, by node number */
} CycleList;

static bool
append_cycle(void *arg, int64_t n, const int64_t *node)
{
	CycleList  *list = arg;

	appendStringInfo(&list->text, "%sDocument \"%s\":", list->n ? "\n" : "", list->document);
	for (int64 k = 0; k < n; k++)
		appendStringInfo(&list->text, " \"%s\" before", list->name[node[k]]);
	appendStringInfo(&list->text, " \"%s\".", list->name[node[0]]);
	return ++list->n < LISTED_CYCLES;
}

/* Appends the cycles of one document's pairs, pair[0..n-1]. O(n log n). */
static void
list_cycles(const ApprovedPair *pair, int64 n, CycleList *list)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh cycles", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	const char **name = MemoryContextAllocHuge(memory, 2 * n * sizeof(char *));
	int64	   *from = MemoryContextAllocHuge(memory, n * sizeof(int64));
	int64	   *to = MemoryContextAllocHuge(memory, n * sizeof(int64));
	int64		nodes = 0;
	xmc_ctx		ctx = xmcoh_context();

	/* nodes: the distinct items, numbered in the order of their keys */
	for (int64 i = 0; i < n; i++)
	{
		name[2 * i] = pair[i].before;
		name[2 * i + 1] = pair[i].after;
	}
	qsort(name, 2 * n, sizeof(char *), compare_names);
	for (int64 i = 0; i < 2 * n; i++)
		if (nodes == 0 || compare_names(&name[nodes - 1], &name[i]) != 0)
			name[nodes++] = name[i];
	/* edges: the pairs */
	for (int64 i = 0; i < n; i++)
	{
		from[i] = name_number(name, nodes, pair[i].before);
		to[i] = name_number(name, nodes, pair[i].after);
	}
	list->document = pair[0].document;
	list->name = name;
	MemoryContextSwitchTo(caller);
	XMCOH_TRY(xmc_find_cycles(&ctx, &(xmc_graph) {nodes, n, from, to}, append_cycle, list), &ctx);
	MemoryContextDelete(memory);
}

void
xmcoh_refuse_cycles(const ApprovedPairs *pairs)
{
	CycleList	list = {0};

	initStringInfo(&list.text);
	/* document by document: the pairs are sorted by it */
	for (int64 first = 0, last; first < pairs->n && list.n < LISTED_CYCLES; first = last)
	{
		for (last = first + 1; last < pairs->n; last++)
			if (strcmp(pairs->pair[first].document, pairs->pair[last].document) != 0)
				break;
		list_cycles(&pairs->pair[first], last - first, &list);
	}
	if (list.n > 0)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("approved pairs contradict each other"),
				errdetail("%s", list.text.data),
				errhint("Take back one pair of each cycle. At most %d cycles are listed.", LISTED_CYCLES));
	pfree(list.text.data);
}

/* ---- labels ---- */

/* The number of the item with this key; -1 when the document has none. */
static int32
item_number(const SourceDocument *source, const char *key)
{
	xmc_item	wanted = {.key = key, .key_length = strlen(key)};
	xmc_item   *item = bsearch(&wanted, source->item, source->n, sizeof(xmc_item), xmc_item_compare);

	return item ? (int32) (item - source->item) : -1;
}

void
xmcoh_label_document(xmc_ctx *ctx, ApprovedPairs *pairs, const SourceDocument *source, xmc_document *document)
{
	int32		n = source->n;
	bool	   *precedes;		/* (n, n) i is labelled to stand before j */
	int64		n_labels = 0;
	int32		k = 0;

	if (!xmcoh_has_pairs(pairs, source->key))
	{
		if (!source->approved)
			return;
		if (source->is_total)
		{
			XMCOH_TRY(xmc_document_label_order(ctx, document, source->order), ctx);
			return;
		}
	}

	/* the pairs of the approved stored order */
	precedes = palloc0((Size) n * n * sizeof(bool));
	if (source->approved)
		for (int32 a = 0; a < source->n_placed; a++)
			for (int32 b = a + 1; b < source->n_placed; b++)
				precedes[(Size) source->order[a] * n + source->order[b]] =
					source->position[source->order[a]] < source->position[source->order[b]];
	/* the approved pairs, in place of these where they differ */
	for (int64 i = first_pair(pairs, source->key);
		 i < pairs->n && strcmp(pairs->pair[i].document, source->key) == 0; i++)
	{
		int32		before = item_number(source, pairs->pair[i].before);
		int32		after = item_number(source, pairs->pair[i].after);

		if (before < 0 || after < 0)
			continue;
		pairs->pair[i].used = true;
		precedes[(Size) before * n + after] = true;
		precedes[(Size) after * n + before] = false;
	}

	/* the matrix as a list */
	for (Size i = 0; i < (Size) n * n; i++)
		n_labels += precedes[i];
	if (n_labels > 0)
	{
		document->pair = xmc_alloc(ctx, n_labels, sizeof(xmc_pair));
		if (document->pair == NULL)
			xmcoh_raise(XMC_NO_MEMORY, ctx);
		for (int32 i = 0; i < n; i++)
			for (int32 j = 0; j < n; j++)
				if (precedes[(Size) i * n + j])
					document->pair[k++] = (xmc_pair) {i, j, 1};
		document->n_pairs = k;
	}
	pfree(precedes);
}
