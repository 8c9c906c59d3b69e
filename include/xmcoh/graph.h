/*
 * graph.h - cycles, reachability and shortest paths of a directed graph.
 *
 * Approved pairs of one document are such a graph: items are its nodes, and a pair is an edge from the item before to the
 * item after. An order that fulfils all pairs exists exactly if the graph has no cycle.
 */
#ifndef XMCOH_GRAPH_H
#define XMCOH_GRAPH_H

#include "xmcoh/base.h"

/* A directed graph. An edge from a node to itself and several edges between the same nodes are allowed. */
typedef struct xmc_graph
{
	int64_t		n_nodes;
	int64_t		n_edges;
	const int64_t *from;		/* (n_edges) node numbers */
	const int64_t *to;			/* (n_edges) */
} xmc_graph;

/*
 * Receives one cycle: node[0] -> node[1] -> ... -> node[n - 1] -> node[0], n >= 1. The array is valid during the call.
 * False: the search ends.
 */
typedef bool (*xmc_cycle_visitor) (void *arg, int64_t n, const int64_t *node);

/*
 * Visits a cycle for each back edge of a depth-first search that takes nodes by number and a node's edges in the order in
 * which they are given. So a graph without cycles has no visit, and a graph with cycles has at least one; not every cycle
 * is visited. Time and memory are linear in nodes and edges, besides the lengths of the visited cycles. Errors:
 * XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_find_cycles(xmc_ctx *ctx, const xmc_graph *graph, xmc_cycle_visitor visit, void *arg);

/* Receives the nodes to which a path of one or more edges leads from `from`. The array is valid during the call. */
typedef void (*xmc_reach_visitor) (void *arg, int64_t from, int64_t n, const int64_t *node);

/*
 * Visits each node, by number, with what can be reached from it: the transitive closure. Takes O(nodes * (nodes + edges))
 * time and linear memory. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_close_graph(xmc_ctx *ctx, const xmc_graph *graph, xmc_reach_visitor visit, void *arg);

/*
 * A shortest path of one or more edges from one node to another, or to itself, by breadth-first search: *n edges into edge
 * (n_nodes), by number; *n is 0 when there is none. Errors: XMC_NO_MEMORY, XMC_STOPPED.
 */
extern xmc_status xmc_find_path(xmc_ctx *ctx, const xmc_graph *graph, int64_t from, int64_t to, int64_t *n, int64_t *edge);

#endif
