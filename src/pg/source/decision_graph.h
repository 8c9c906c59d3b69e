/*
 * decision_graph.h - the order that decisions and pairs give the items of one document, as a graph; and its
 * contradictions, with who decided what.
 */
#ifndef XMCOH_PG_DECISION_GRAPH_H
#define XMCOH_PG_DECISION_GRAPH_H

#include "source/decisions.h"

#include "lib/stringinfo.h"

#include "xmcoh/graph.h"

/* A pair of a relation of approved pairs. */
typedef struct NamedPair
{
	const char *document;
	const char *before;
	const char *after;
	bool		used;			/* for the caller */
} NamedPair;

/* Two items that were decided to have no order. */
typedef struct EitherPair
{
	int64		a;				/* node numbers, a < b */
	int64		b;
	const Decision *by;
} EitherPair;

/*
 * Nodes are items, numbered in the order of their keys. An edge leads from an item to one that stands after it. An approved
 * order has an edge for each of its pairs but those that were decided 'either'.
 */
typedef struct DecisionGraph
{
	const char *document;
	const char **name;			/* (graph.n_nodes) */
	xmc_graph	graph;
	const Decision **by;		/* (graph.n_edges) NULL: a pair of a relation */
	int64		n_either;
	EitherPair *either;			/* (n_either) */
} DecisionGraph;

/* The graph of decisions and pairs of one document, in CurrentMemoryContext. The strings are shared. */
extern DecisionGraph *xmcoh_decision_graph(const char *document, const Decision *decision, int64 n_decisions,
										   const NamedPair *pair, int64 n_pairs);

/*
 * Whether the graph has a contradiction: a cycle, or a path between two items that were decided 'either'. Then the text has
 * one of them, link by link, with who decided it and when. `present`: the decision that is being made, 0: none.
 */
extern bool xmcoh_find_contradiction(const DecisionGraph *graph, int64 present, StringInfo text);

#endif
