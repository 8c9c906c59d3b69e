/*
 * pairs.c - the approved pairs of a model: read, checked for contradictions, turned into labels; pairs.h is the contract.
 *
 * A contradiction is a cycle of the graph whose edges are the pairs of one document (decision_graph.h).
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
#include "base/xmcoh.h"
#include "source/columns.h"
#include "source/rows.h"
#include "source/seen.h"

#include "xmcoh/decided.h"

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
			list->pairs->pair = repalloc_huge(list->pairs->pair, list->capacity * sizeof(NamedPair));
		}
		list->pairs->pair[list->pairs->n++] = (NamedPair) {TextDatumGetCString(value[0]), TextDatumGetCString(value[1]),
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
 * before, after. For `lenient`, see xmcoh_read_pairs.
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
		if (lenient && get_attnum(relation, column[c]) <= 0)
		{
			ereport(NOTICE,
					errcode(ERRCODE_UNDEFINED_COLUMN),
					errmsg("approved pairs of %s are left out, because column \"%s\" is missing", name, column[c]),
					errhint("Rename the column back, or detach the pairs with xmcoh.detach_pairs(model, %s).",
							quote_literal_cstr(name)));
			return;
		}
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
	const NamedPair *pa = a;
	const NamedPair *pb = b;
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
xmcoh_read_pairs(int32 model_id, const DocumentKeys *keys, bool lenient)
{
	ApprovedPairs *pairs = palloc0(sizeof(ApprovedPairs));
	PairList	list = {pairs, 64, CurrentMemoryContext};
	int64		kept = 0;

	pairs->decisions = xmcoh_read_decisions(model_id, keys);
	pairs->used = palloc_extended(Max(pairs->decisions->n, 1) * sizeof(int64), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	pairs->pair = palloc(list.capacity * sizeof(NamedPair));
	append_relations(&list, model_id, keys, lenient);

	/* sorted by document, before, after; equal pairs of several relations are one */
	qsort(pairs->pair, pairs->n, sizeof(NamedPair), compare_pairs);
	for (int64 i = 0; i < pairs->n; i++)
		if (kept == 0 || compare_pairs(&pairs->pair[kept - 1], &pairs->pair[i]) != 0)
			pairs->pair[kept++] = pairs->pair[i];
	pairs->n = kept;
	return pairs;
}

/* ---- what there is about a document ---- */

/* The decisions and the pairs of one document. */
typedef struct DocumentPairs
{
	const char *document;
	int64		first_decision;
	int64		n_decisions;
	int64		first_pair;
	int64		n_pairs;
} DocumentPairs;

static int64
count_of_document(const void *array, int64 n, Size size, int64 first, const char *document)
{
	int64		k = first;

	while (k < n && strcmp(*(const char *const *) ((const char *) array + k * size), document) == 0)
		k++;
	return k - first;
}

static DocumentPairs
pairs_of(const ApprovedPairs *pairs, const char *document)
{
	const Decisions *decisions = pairs->decisions;
	DocumentPairs of = {.document = document};

	of.first_decision = xmcoh_first_of_document(decisions->decision, decisions->n, sizeof(Decision), document);
	of.n_decisions = count_of_document(decisions->decision, decisions->n, sizeof(Decision), of.first_decision, document);
	of.first_pair = xmcoh_first_of_document(pairs->pair, pairs->n, sizeof(NamedPair), document);
	of.n_pairs = count_of_document(pairs->pair, pairs->n, sizeof(NamedPair), of.first_pair, document);
	return of;
}

bool
xmcoh_has_pairs(const ApprovedPairs *pairs, const char *document)
{
	DocumentPairs of = pairs_of(pairs, document);
	bool		any = of.n_pairs > 0;

	for (int64 d = 0; d < of.n_decisions && !any; d++)
		any = pairs->decisions->decision[of.first_decision + d].kind != DECISION_EITHER;
	return any;
}

bool
xmcoh_is_decided(const ApprovedPairs *pairs, const char *document)
{
	return pairs_of(pairs, document).n_decisions > 0;
}

void
xmcoh_digest_pairs(const ApprovedPairs *pairs, const char *document, pg_cryptohash_ctx *digest)
{
	DocumentPairs of = pairs_of(pairs, document);

	xmcoh_digest_number(digest, (uint32) of.n_decisions);
	for (int64 d = 0; d < of.n_decisions; d++)
		xmcoh_digest_bytes(digest, &pairs->decisions->decision[of.first_decision + d].id, sizeof(int64));
	for (int64 p = 0; p < of.n_pairs; p++)
	{
		const NamedPair *pair = &pairs->pair[of.first_pair + p];

		xmcoh_digest_string(digest, pair->before, strlen(pair->before));
		xmcoh_digest_string(digest, pair->after, strlen(pair->after));
	}
}

/* The pairs of a decision among `items` of its items. */
static int64
count_pairs(const Decision *decision, int64 items)
{
	return decision->kind == DECISION_EITHER ? 0 : items * (items - 1) / 2;
}

int64
xmcoh_ignored_pairs(const ApprovedPairs *pairs)
{
	int64		ignored = pairs->null_rows;

	for (int64 d = 0; d < pairs->decisions->n; d++)
		ignored += count_pairs(&pairs->decisions->decision[d], pairs->decisions->decision[d].n) - pairs->used[d];
	for (int64 i = 0; i < pairs->n; i++)
		ignored += !pairs->pair[i].used;
	return ignored;
}

/* ---- contradictions ---- */

/* The contradictions of all documents, as far as they are listed. */
typedef struct CycleList
{
	StringInfoData text;		/* a line for each cycle */
	int			n;
	const DecisionGraph *graph; /* that is being searched */
} CycleList;

static bool
append_cycle(void *arg, int64_t n, const int64_t *node)
{
	CycleList  *list = arg;

	appendStringInfo(&list->text, "%sDocument \"%s\":", list->n ? "\n" : "", list->graph->document);
	for (int64 k = 0; k < n; k++)
		appendStringInfo(&list->text, " \"%s\" before", list->graph->name[node[k]]);
	appendStringInfo(&list->text, " \"%s\".", list->graph->name[node[0]]);
	return ++list->n < LISTED_CYCLES;
}

/* Appends the cycles of one document. O(n log n) in its pairs. */
static void
list_cycles(const ApprovedPairs *pairs, const DocumentPairs *of, CycleList *list)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "xmcoh cycles", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(memory);
	xmc_ctx		ctx = xmcoh_context();

	list->graph = xmcoh_decision_graph(of->document, &pairs->decisions->decision[of->first_decision], of->n_decisions,
									   &pairs->pair[of->first_pair], of->n_pairs);
	MemoryContextSwitchTo(caller);
	XMCOH_TRY(xmc_find_cycles(&ctx, &list->graph->graph, append_cycle, list), &ctx);
	MemoryContextDelete(memory);
}

void
xmcoh_refuse_cycles(const ApprovedPairs *pairs)
{
	const Decisions *decisions = pairs->decisions;
	CycleList	list = {0};
	int64		d = 0;
	int64		p = 0;

	initStringInfo(&list.text);
	/* document by document: both arrays are sorted by it */
	while ((d < decisions->n || p < pairs->n) && list.n < LISTED_CYCLES)
	{
		const char *document = d < decisions->n ? decisions->decision[d].document : pairs->pair[p].document;
		DocumentPairs of;

		if (p < pairs->n && strcmp(pairs->pair[p].document, document) < 0)
			document = pairs->pair[p].document;
		of = pairs_of(pairs, document);
		list_cycles(pairs, &of, &list);
		d = of.first_decision + of.n_decisions;
		p = of.first_pair + of.n_pairs;
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

/*
 * What the rule for changed documents leaves of a decision: all of it, or the items whose texts are unchanged, or none of
 * them.
 */
static Decision
without_stale(const Decision *decision, StaleRule rule, const SourceDocument *source, const Seen *seen)
{
	Decision	left = *decision;
	int32	   *place;

	if (rule == STALE_USE || !xmcoh_is_stale(decision, seen))
		return left;
	left.n = 0;
	left.item = palloc(Max(decision->n, 1) * sizeof(char *));
	place = palloc(Max(decision->n, 1) * sizeof(int32));
	for (int32 k = 0; k < decision->n; k++)
		if (rule == STALE_UNCHANGED && xmcoh_item_change(decision, k, source, seen) == ITEM_SAME)
		{
			place[left.n] = decision->place ? decision->place[k] : k;
			left.item[left.n++] = decision->item[k];
		}
	left.place = place;
	return left;
}

/* The item of the document for each node of the graph; -1: the document has none. */
static int32 *
items_of_nodes(const DecisionGraph *graph, const SourceDocument *source)
{
	int32	   *item = palloc_extended(Max(graph->graph.n_nodes, 1) * sizeof(int32), MCXT_ALLOC_HUGE);

	for (int64 v = 0; v < graph->graph.n_nodes; v++)
		item[v] = xmcoh_item_number(source, graph->name[v]);
	return item;
}

/* The matrix of labels, for a visitor. */
typedef struct LabelMatrix
{
	int32		n;
	bool	   *precedes;		/* (n, n) i is labelled to stand before j */
	const int32 *item;			/* (nodes of the graph) the item of the document; -1: it has none */
} LabelMatrix;

static void
label_reached(void *arg, int64_t from, int64_t n, const int64_t *node)
{
	const LabelMatrix *matrix = arg;
	int32		before = matrix->item[from];

	for (int64 k = 0; k < n && before >= 0; k++)
	{
		int32		after = matrix->item[node[k]];

		if (after < 0)
			continue;
		matrix->precedes[(Size) before * matrix->n + after] = true;
		matrix->precedes[(Size) after * matrix->n + before] = false;
	}
}

/* Sets the labels of what was decided about the document, in place of those of its stored order where they differ. */
static void
label_decided(xmc_ctx *ctx, ApprovedPairs *pairs, const DocumentPairs *of, StaleRule rule, const SourceDocument *source,
			  bool *precedes)
{
	LabelMatrix matrix = {.n = source->n,.precedes = precedes};
	Decision   *decision = palloc(Max(of->n_decisions, 1) * sizeof(Decision));
	DecisionGraph *graph;
	int32	   *item;
	Seen		seen;

	if (of->n_decisions > 0)
		xmcoh_see(source, &seen);
	for (int64 d = 0; d < of->n_decisions; d++)
	{
		const Decision *whole = &pairs->decisions->decision[of->first_decision + d];
		int64		known = 0;

		decision[d] = without_stale(whole, rule, source, &seen);
		for (int32 k = 0; k < whole->n; k++)
			known += xmcoh_item_number(source, whole->item[k]) >= 0;
		pairs->stale += known > 0 && decision[d].n < whole->n;
		pairs->used[of->first_decision + d] += count_pairs(whole, known);
	}
	for (int64 p = of->first_pair; p < of->first_pair + of->n_pairs; p++)
		if (xmcoh_item_number(source, pairs->pair[p].before) >= 0 && xmcoh_item_number(source, pairs->pair[p].after) >= 0)
			pairs->pair[p].used = true;

	graph = xmcoh_decision_graph(source->key, decision, of->n_decisions, &pairs->pair[of->first_pair], of->n_pairs);
	matrix.item = item = items_of_nodes(graph, source);
	XMCOH_TRY(xmc_close_graph(ctx, &graph->graph, label_reached, &matrix), ctx);
	for (int64 e = 0; e < graph->n_either; e++)
	{
		int32		a = item[graph->either[e].a];
		int32		b = item[graph->either[e].b];

		if (a >= 0 && b >= 0)
			precedes[(Size) a * source->n + b] = precedes[(Size) b * source->n + a] = false;
	}
}

void
xmcoh_label_document(xmc_ctx *ctx, ApprovedPairs *pairs, StaleRule rule, const SourceDocument *source,
					 xmc_document *document)
{
	DocumentPairs of = pairs_of(pairs, source->key);
	int32		n = source->n;
	bool	   *precedes;		/* (n, n) i is labelled to stand before j */
	int64		n_labels = 0;
	int32		k = 0;

	if (of.n_decisions + of.n_pairs == 0)
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
	if (of.n_decisions + of.n_pairs > 0)
		label_decided(ctx, pairs, &of, rule, source, precedes);

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

/* ---- decided pairs ---- */

/* The matrix of decisions, for a visitor. */
typedef struct DecidedMatrix
{
	int32		n;
	uint8	   *decided;		/* (n, n) xmc_decision */
	const int32 *item;			/* (nodes of the graph) the item of the document; -1: it has none */
	bool		contradicts;	/* a node reaches itself */
} DecidedMatrix;

static void
decide_reached(void *arg, int64_t from, int64_t n, const int64_t *node)
{
	DecidedMatrix *matrix = arg;
	int32		before = matrix->item[from];

	for (int64 k = 0; k < n; k++)
	{
		int32		after = matrix->item[node[k]];

		if (node[k] == from)
			matrix->contradicts = true;
		else if (before >= 0 && after >= 0)
			xmc_decide(matrix->n, matrix->decided, before, after, XMC_DECIDED_BEFORE);
	}
}

/* What the decisions and pairs of a document leave to be decided: 'either' first, since an order that follows counts more. */
static void
fill_decided(xmc_ctx *ctx, const DecisionGraph *graph, const SourceDocument *source, DecidedMatrix *matrix)
{
	matrix->item = items_of_nodes(graph, source);
	for (int64 e = 0; e < graph->n_either; e++)
	{
		int32		a = matrix->item[graph->either[e].a];
		int32		b = matrix->item[graph->either[e].b];

		if (a >= 0 && b >= 0)
			xmc_decide(matrix->n, matrix->decided, a, b, XMC_DECIDED_EITHER);
	}
	XMCOH_TRY(xmc_close_graph(ctx, &graph->graph, decide_reached, matrix), ctx);
}

uint8 *
xmcoh_decided(xmc_ctx *ctx, const ApprovedPairs *pairs, StaleRule rule, const SourceDocument *source, bool *stale)
{
	DocumentPairs of = pairs_of(pairs, source->key);
	DecidedMatrix matrix = {.n = source->n};
	Decision   *decision;
	Seen		seen;

	*stale = false;
	if (of.n_decisions + of.n_pairs == 0)
		return NULL;
	decision = palloc(Max(of.n_decisions, 1) * sizeof(Decision));
	if (of.n_decisions > 0)
		xmcoh_see(source, &seen);
	for (int64 d = 0; d < of.n_decisions; d++)
	{
		const Decision *whole = &pairs->decisions->decision[of.first_decision + d];

		*stale |= xmcoh_is_stale(whole, &seen);
		decision[d] = without_stale(whole, rule, source, &seen);
	}
	matrix.decided = xmc_zalloc(ctx, (size_t) source->n * source->n, 1);
	if (matrix.decided == NULL)
		xmcoh_raise(XMC_NO_MEMORY, ctx);
	fill_decided(ctx, xmcoh_decision_graph(source->key, decision, of.n_decisions, &pairs->pair[of.first_pair], of.n_pairs),
				 source, &matrix);
	if (!matrix.contradicts)
		return matrix.decided;
	ereport(WARNING,
			errmsg("approved pairs of document \"%s\" contradict each other", source->key),
			errdetail("No order fulfils them, so they are left out."),
			errhint("Take back one pair of each cycle. xmcoh.train lists the cycles."));
	xmc_release(ctx, matrix.decided);
	return NULL;
}
