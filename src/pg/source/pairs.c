/* pairs.c - approved pairs: read, checked for contradictions, turned into labels; see pairs.h */
#include "source/pairs.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "source/columns.h"
#include "base/reference.h"
#include "source/rows.h"

#define LISTED_CYCLES 10

/* ---- reading ---- */

typedef struct PairList
{
	ApprovedPairs *pairs;
	int64		capacity;
	MemoryContext memory;
} PairList;

static void
append_query(PairList *list, const char *query, const char *purpose)
{
	static const Oid types[3] = {TEXTOID, TEXTOID, TEXTOID};
	MemoryContext caller = MemoryContextSwitchTo(list->memory);
	Rows	   *rows = xmcoh_rows_read(query, 3, types, purpose);

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

/* Appends what one row of xmcoh.pair_source_record tells of: relation, document, before, after. */
static void
append_pair_source(PairList *list, HeapTuple row, TupleDesc desc)
{
	static const ColumnUse use[3] = {COLUMN_DOCUMENT, COLUMN_BEFORE, COLUMN_AFTER};
	bool		is_null;
	Datum		datum = SPI_getbinval(row, desc, 1, &is_null);
	Oid			relation = xmcoh_referenced_oid(datum);
	char	   *name = xmcoh_referenced_name(datum);
	StringInfoData query;

	if (!OidIsValid(relation))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation of approved pairs %s does not exist any more", name),
				errhint("Make it again, or detach it with xmcoh.detach_pairs(model, %s).", quote_literal_cstr(name)));
	initStringInfo(&query);
	for (int c = 0; c < 3; c++)
	{
		const char *column = xmcoh_referenced_name(SPI_getbinval(row, desc, c + 2, &is_null));

		xmcoh_check_column(relation, column, use[c],
						   "Rename it back, or detach the pairs and attach them again with the columns that there are now.");
		appendStringInfo(&query, "%s %s", c ? "," : "SELECT", xmcoh_column_value(column, use[c]));
	}
	appendStringInfo(&query, " FROM %s AS t", name);
	append_query(list, query.data, psprintf("approved pairs of %s", name));
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

ApprovedPairs *
xmcoh_read_pairs(int32 model_id)
{
	ApprovedPairs *pairs = palloc0(sizeof(ApprovedPairs));
	PairList	list = {pairs, 64, CurrentMemoryContext};
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(model_id)};
	SPITupleTable *sources;
	uint64		n_sources;
	int64		kept = 0;

	pairs->pair = palloc(list.capacity * sizeof(ApprovedPair));
	append_query(&list, psprintf("SELECT document, before, after FROM xmcoh.approved_pair"
								 " WHERE model_id OPERATOR(pg_catalog.=) %d", model_id), "approved pairs");

	if (SPI_execute_with_args("SELECT relation, document, before, after FROM xmcoh.pair_source_record"
							  " WHERE model_id OPERATOR(pg_catalog.=) $1 ORDER BY pair_source_id",
							  1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read xmcoh.pair_source_record");
	sources = SPI_tuptable;
	n_sources = SPI_processed;
	for (uint64 i = 0; i < n_sources; i++)
		append_pair_source(&list, sources->vals[i], sources->tupdesc);
	SPI_freetuptable(sources);

	MemoryContextSwitchTo(list.memory); /* SPI left its own one */

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

/*
 * Depth-first search over one document's pairs, pair[0..n-1]. An edge into a node on the current path closes a cycle,
 * which is appended to `list`. *found counts cycles over all documents; the search ends at LISTED_CYCLES. O(pairs log
 * pairs).
 */
static void
find_cycles(const ApprovedPair *pair, int64 n, StringInfo list, int *found)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh cycles", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	const char **name = MemoryContextAllocHuge(memory, 2 * n * sizeof(char *));
	int64	   *start;			/* (nodes + 1) into edge */
	int64	   *edge;			/* (n) where each pair leads */
	int64	   *from;			/* (n) where it comes from */
	int64	   *path;			/* (nodes) */
	int64	   *next;			/* (nodes) next edge to follow from each node */
	char	   *state;			/* (nodes) 0: new, 1: on the path, 2: done */
	int64		nodes = 0;

	for (int64 i = 0; i < n; i++)
	{
		name[2 * i] = pair[i].before;
		name[2 * i + 1] = pair[i].after;
	}
	qsort(name, 2 * n, sizeof(char *), compare_names);
	for (int64 i = 0; i < 2 * n; i++)
		if (nodes == 0 || compare_names(&name[nodes - 1], &name[i]) != 0)
			name[nodes++] = name[i];

	start = MemoryContextAllocExtended(memory, (nodes + 2) * sizeof(int64), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	edge = MemoryContextAllocHuge(memory, n * sizeof(int64));
	from = MemoryContextAllocHuge(memory, n * sizeof(int64));
	path = MemoryContextAllocHuge(memory, nodes * sizeof(int64));
	next = MemoryContextAllocHuge(memory, nodes * sizeof(int64));
	state = MemoryContextAllocExtended(memory, nodes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int64 i = 0; i < n; i++)
		start[(from[i] = name_number(name, nodes, pair[i].before)) + 1]++;
	for (int64 v = 0; v < nodes; v++)
	{
		start[v + 1] += start[v];
		next[v] = start[v];
	}
	for (int64 i = 0; i < n; i++)	/* next is a cursor here, and set back below */
		edge[next[from[i]]++] = name_number(name, nodes, pair[i].after);
	for (int64 v = 0; v < nodes; v++)
		next[v] = start[v];

	for (int64 root = 0; root < nodes && *found < LISTED_CYCLES; root++)
	{
		int64		depth = 0;

		if (state[root] != 0)
			continue;
		path[depth++] = root;
		state[root] = 1;
		while (depth > 0 && *found < LISTED_CYCLES)
		{
			int64		v = path[depth - 1];

			CHECK_FOR_INTERRUPTS();
			if (next[v] == start[v + 1])
			{
				state[v] = 2;
				depth--;
				continue;
			}
			v = edge[next[v]++];
			if (state[v] == 0)
			{
				state[v] = 1;
				path[depth++] = v;
			}
			else if (state[v] == 1)
			{
				int64		k = depth - 1;

				while (path[k] != v)
					k--;
				appendStringInfo(list, "%sDocument \"%s\":", *found ? "\n" : "", pair[0].document);
				for (; k < depth; k++)
					appendStringInfo(list, " \"%s\" before", name[path[k]]);
				appendStringInfo(list, " \"%s\".", name[v]);
				++*found;
			}
		}
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(memory);
}

void
xmcoh_refuse_cycles(const ApprovedPairs *pairs)
{
	StringInfoData list;
	int			found = 0;

	initStringInfo(&list);
	for (int64 first = 0, last; first < pairs->n && found < LISTED_CYCLES; first = last)
	{
		for (last = first + 1; last < pairs->n; last++)
			if (strcmp(pairs->pair[first].document, pairs->pair[last].document) != 0)
				break;
		find_cycles(&pairs->pair[first], last - first, &list, &found);
	}
	if (found > 0)
		ereport(ERROR,
				errcode(ERRCODE_DATA_EXCEPTION),
				errmsg("approved pairs contradict each other"),
				errdetail("%s", list.data),
				errhint("Take back one pair of each cycle. At most %d cycles are listed.", LISTED_CYCLES));
	pfree(list.data);
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

	precedes = palloc0((Size) n * n * sizeof(bool));
	if (source->approved)
		for (int32 a = 0; a < source->n_placed; a++)
			for (int32 b = a + 1; b < source->n_placed; b++)
				precedes[(Size) source->order[a] * n + source->order[b]] =
					source->position[source->order[a]] < source->position[source->order[b]];
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
