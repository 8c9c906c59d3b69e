/*
 * graph.c - cycles of a directed graph, by depth-first search; graph.h is the contract.
 *
 * The search has no recursion: a cycle may be as long as a document has items.
 */
#include "xmcoh/graph.h"

typedef enum node_state
{
	NODE_NEW,
	NODE_ON_PATH,
	NODE_DONE
} node_state;

typedef struct search
{
	const xmc_graph *graph;
	int64_t    *start;			/* (n_nodes + 1) where each node's edges begin in target */
	int64_t    *target;			/* (n_edges) where each edge leads, edges grouped by their first node */
	int64_t    *next;			/* (n_nodes) the next edge of each node, as an index into target */
	int64_t    *path;			/* (n_nodes) the nodes from the root to the current node */
	uint8_t    *state;			/* (n_nodes) node_state */
	int64_t		work;			/* for xmc_spend */
} search;

/* Groups the edges by their first node, with a counting sort, which keeps the order of the edges of one node. */
static xmc_status
group_edges(xmc_ctx *ctx, search *s)
{
	const xmc_graph *graph = s->graph;

	/* start[v + 1]: how many edges leave node v */
	for (int64_t e = 0; e < graph->n_edges; e++)
	{
		s->start[graph->from[e] + 1]++;
		XMC_TRY(xmc_spend(ctx, &s->work, 1));
	}
	/* their running sums: start[v] is the index of the first edge of node v */
	for (int64_t v = 0; v < graph->n_nodes; v++)
	{
		s->start[v + 1] += s->start[v];
		s->next[v] = s->start[v];
		XMC_TRY(xmc_spend(ctx, &s->work, 1));
	}
	/* next[v] is here the index of the first free place of node v */
	for (int64_t e = 0; e < graph->n_edges; e++)
	{
		s->target[s->next[graph->from[e]]++] = graph->to[e];
		XMC_TRY(xmc_spend(ctx, &s->work, 1));
	}
	for (int64_t v = 0; v < graph->n_nodes; v++)
		s->next[v] = s->start[v];
	return XMC_OK;
}

/* Everything that can be reached from the root and is new. *more: false when the visitor ended the search. */
static xmc_status
search_from(xmc_ctx *ctx, search *s, int64_t root, xmc_cycle_visitor visit, void *arg, bool *more)
{
	int64_t		depth = 0;

	s->path[depth++] = root;
	s->state[root] = NODE_ON_PATH;
	while (depth > 0)
	{
		int64_t		v = s->path[depth - 1];

		XMC_TRY(xmc_spend(ctx, &s->work, 1));
		/* all edges of the last node are done: one step back */
		if (s->next[v] == s->start[v + 1])
		{
			s->state[v] = NODE_DONE;
			depth--;
			continue;
		}
		v = s->target[s->next[v]++];
		if (s->state[v] == NODE_NEW)
		{
			s->state[v] = NODE_ON_PATH;
			s->path[depth++] = v;
		}
		/* an edge to a node of the path closes a cycle: the path from that node on */
		else if (s->state[v] == NODE_ON_PATH)
		{
			int64_t		k = depth - 1;

			while (s->path[k] != v)
				k--;
			XMC_TRY(xmc_spend(ctx, &s->work, depth - k));
			*more = visit(arg, depth - k, &s->path[k]);
			if (!*more)
				return XMC_OK;
		}
	}
	return XMC_OK;
}

static xmc_status
find_cycles(xmc_ctx *ctx, search *s, xmc_cycle_visitor visit, void *arg)
{
	bool		more = true;

	XMC_TRY(group_edges(ctx, s));
	for (int64_t root = 0; root < s->graph->n_nodes && more; root++)
	{
		XMC_TRY(xmc_spend(ctx, &s->work, 1));
		if (s->state[root] == NODE_NEW)
			XMC_TRY(search_from(ctx, s, root, visit, arg, &more));
	}
	return XMC_OK;
}

xmc_status
xmc_find_cycles(xmc_ctx *ctx, const xmc_graph *graph, xmc_cycle_visitor visit, void *arg)
{
	size_t		nodes = (size_t) graph->n_nodes;
	search		s = {.graph = graph};
	xmc_status	status;

	s.start = xmc_zalloc(ctx, nodes + 1, sizeof(int64_t));
	s.target = xmc_alloc(ctx, (size_t) graph->n_edges, sizeof(int64_t));
	s.next = xmc_alloc(ctx, nodes, sizeof(int64_t));
	s.path = xmc_alloc(ctx, nodes, sizeof(int64_t));
	s.state = xmc_zalloc(ctx, nodes, sizeof(uint8_t));
	if (s.start && s.target && s.next && s.path && s.state)
		status = find_cycles(ctx, &s, visit, arg);
	else
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	xmc_release(ctx, s.start);
	xmc_release(ctx, s.target);
	xmc_release(ctx, s.next);
	xmc_release(ctx, s.path);
	xmc_release(ctx, s.state);
	return status;
}
