/*
 * decision_graph.c - the order that decisions and pairs give the items of one document, as a graph; decision_graph.h is the
 * contract.
 */
#include "source/decision_graph.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/xmcoh.h"

#include "xmcoh/dataset.h"

/* ---- building ---- */

static int
compare_names(const void *a, const void *b)
{
	const char *na = *(const char *const *) a;
	const char *nb = *(const char *const *) b;

	return xmc_key_compare(na, strlen(na), nb, strlen(nb));
}

static int64
node_of(const DecisionGraph *graph, const char *name)
{
	return (const char **) bsearch(&name, graph->name, graph->graph.n_nodes, sizeof(char *), compare_names) - graph->name;
}

/* The nodes: the distinct items, in the order of their keys. `most`: how many items are named, each time they are. */
static void
add_nodes(DecisionGraph *graph, int64 most, const Decision *decision, int64 n_decisions, const NamedPair *pair,
		  int64 n_pairs)
{
	int64		n = 0;
	int64		kept = 0;

	graph->name = MemoryContextAllocHuge(CurrentMemoryContext, Max(most, 1) * sizeof(char *));
	for (int64 d = 0; d < n_decisions; d++)
		for (int32 k = 0; k < decision[d].n; k++)
			graph->name[n++] = decision[d].item[k];
	for (int64 p = 0; p < n_pairs; p++)
	{
		graph->name[n++] = pair[p].before;
		graph->name[n++] = pair[p].after;
	}
	qsort(graph->name, n, sizeof(char *), compare_names);
	for (int64 k = 0; k < n; k++)
		if (kept == 0 || compare_names(&graph->name[kept - 1], &graph->name[k]) != 0)
			graph->name[kept++] = graph->name[k];
	graph->graph.n_nodes = kept;
}

static int
compare_either(const void *a, const void *b)
{
	const EitherPair *ea = a;
	const EitherPair *eb = b;

	if (ea->a != eb->a)
		return ea->a < eb->a ? -1 : 1;
	return (ea->b > eb->b) - (ea->b < eb->b);
}

/* The pairs without an order; they stand before the edges, of which they take some away. */
static void
add_either(DecisionGraph *graph, const Decision *decision, int64 n_decisions)
{
	graph->either = palloc(Max(n_decisions, 1) * sizeof(EitherPair));
	for (int64 d = 0; d < n_decisions; d++)
		if (decision[d].kind == DECISION_EITHER && decision[d].n == 2)
		{
			int64		a = node_of(graph, decision[d].item[0]);
			int64		b = node_of(graph, decision[d].item[1]);

			graph->either[graph->n_either++] = (EitherPair) {Min(a, b), Max(a, b), &decision[d]};
		}
	qsort(graph->either, graph->n_either, sizeof(EitherPair), compare_either);
}

static bool
is_either(const DecisionGraph *graph, int64 a, int64 b)
{
	EitherPair	wanted = {Min(a, b), Max(a, b), NULL};

	return bsearch(&wanted, graph->either, graph->n_either, sizeof(EitherPair), compare_either) != NULL;
}

/* The edges while they are added. */
typedef struct Edges
{
	int64	   *from;
	int64	   *to;
	int64		n;
} Edges;

static void
add_edge(DecisionGraph *graph, Edges *edges, int64 from, int64 to, const Decision *by)
{
	edges->from[edges->n] = from;
	edges->to[edges->n] = to;
	graph->by[edges->n++] = by;
}

static void
add_order(DecisionGraph *graph, Edges *edges, const Decision *decision)
{
	int64	   *node = palloc(Max(decision->n, 1) * sizeof(int64));

	for (int32 k = 0; k < decision->n; k++)
		node[k] = node_of(graph, decision->item[k]);
	for (int32 a = 0; a < decision->n; a++)
		for (int32 b = a + 1; b < decision->n; b++)
		{
			if (decision->kind == DECISION_ORDER && (is_either(graph, node[a], node[b]) ||
													 (decision->place && decision->place[a] == decision->place[b])))
				continue;
			add_edge(graph, edges, node[a], node[b], decision);
		}
	pfree(node);
}

DecisionGraph *
xmcoh_decision_graph(const char *document, const Decision *decision, int64 n_decisions, const NamedPair *pair, int64 n_pairs)
{
	DecisionGraph *graph = palloc0(sizeof(DecisionGraph));
	MemoryContext memory = CurrentMemoryContext;
	int64		names = 2 * n_pairs;
	int64		most = n_pairs;
	Edges		edges = {0};

	graph->document = document;
	for (int64 d = 0; d < n_decisions; d++)
	{
		names += decision[d].n;
		if (decision[d].kind != DECISION_EITHER)
			most += (int64) decision[d].n * (decision[d].n - 1) / 2;
	}
	edges.from = MemoryContextAllocHuge(memory, Max(most, 1) * sizeof(int64));
	edges.to = MemoryContextAllocHuge(memory, Max(most, 1) * sizeof(int64));
	graph->by = MemoryContextAllocHuge(memory, Max(most, 1) * sizeof(Decision *));

	add_nodes(graph, names, decision, n_decisions, pair, n_pairs);
	add_either(graph, decision, n_decisions);
	for (int64 p = 0; p < n_pairs; p++)
		add_edge(graph, &edges, node_of(graph, pair[p].before), node_of(graph, pair[p].after), NULL);
	for (int64 d = 0; d < n_decisions; d++)
		if (decision[d].kind != DECISION_EITHER)
			add_order(graph, &edges, &decision[d]);
	graph->graph.n_edges = edges.n;
	graph->graph.from = edges.from;
	graph->graph.to = edges.to;
	return graph;
}

/* ---- contradictions ---- */

static void
append_who(StringInfo text, const Decision *by, int64 present)
{
	if (by == NULL)
		appendStringInfoString(text, " (a relation of approved pairs)");
	else if (by->id == present)
		appendStringInfoString(text, " (this decision)");
	else
		appendStringInfo(text, " (decision %lld, %s, %s)", (long long) by->id, by->decided_by,
						 timestamptz_to_str(by->decided_at));
}

/* The links of a path, such as: "3" before "4" (decision 7, alice, 2026-11-29 12:00:00+00). */
static void
append_path(StringInfo text, const DecisionGraph *graph, int64 n, const int64 *edge, int64 present)
{
	for (int64 k = 0; k < n; k++)
	{
		appendStringInfo(text, "%s\"%s\" before \"%s\"", k ? ", " : "", graph->name[graph->graph.from[edge[k]]],
						 graph->name[graph->graph.to[edge[k]]]);
		append_who(text, graph->by[edge[k]], present);
	}
}

/* The first cycle that the search found, copied. */
typedef struct FoundCycle
{
	int64		n;
	int64	   *node;
} FoundCycle;

static bool
take_cycle(void *arg, int64_t n, const int64_t *node)
{
	FoundCycle *cycle = arg;

	cycle->n = n;
	cycle->node = palloc_extended(n * sizeof(int64), MCXT_ALLOC_HUGE);
	memcpy(cycle->node, node, n * sizeof(int64));
	return false;
}

/* A shortest cycle through one of the nodes of a cycle that was found. */
static void
append_cycle(StringInfo text, const DecisionGraph *graph, const FoundCycle *found, int64 present)
{
	xmc_ctx		ctx = xmcoh_context();
	Size		size = Max(graph->graph.n_nodes, 1) * sizeof(int64);
	int64	   *edge = palloc_extended(size, MCXT_ALLOC_HUGE);
	int64	   *best = palloc_extended(size, MCXT_ALLOC_HUGE);
	int64		best_n = 0;

	for (int64 k = 0; k < found->n; k++)
	{
		int64		n;

		XMCOH_TRY(xmc_find_path(&ctx, &graph->graph, found->node[k], found->node[k], &n, edge), &ctx);
		if (best_n == 0 || n < best_n)
		{
			memcpy(best, edge, n * sizeof(int64));
			best_n = n;
		}
	}
	append_path(text, graph, best_n, best, present);
}

bool
xmcoh_find_contradiction(const DecisionGraph *graph, int64 present, StringInfo text)
{
	xmc_ctx		ctx = xmcoh_context();
	FoundCycle	found = {0};
	int64	   *edge;

	XMCOH_TRY(xmc_find_cycles(&ctx, &graph->graph, take_cycle, &found), &ctx);
	appendStringInfo(text, "Document \"%s\": ", graph->document);
	if (found.n > 0)
	{
		append_cycle(text, graph, &found, present);
		appendStringInfoChar(text, '.');
		return true;
	}
	edge = palloc_extended(Max(graph->graph.n_nodes, 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	for (int64 e = 0; e < graph->n_either; e++)
	{
		const EitherPair *either = &graph->either[e];
		int64		n;

		XMCOH_TRY(xmc_find_path(&ctx, &graph->graph, either->a, either->b, &n, edge), &ctx);
		if (n == 0)
			XMCOH_TRY(xmc_find_path(&ctx, &graph->graph, either->b, either->a, &n, edge), &ctx);
		if (n > 0)
		{
			appendStringInfo(text, "no order of \"%s\" and \"%s\"", graph->name[either->a], graph->name[either->b]);
			append_who(text, either->by, present);
			appendStringInfoString(text, ", ");
			append_path(text, graph, n, edge, present);
			appendStringInfoChar(text, '.');
			return true;
		}
	}
	pfree(edge);
	return false;
}
