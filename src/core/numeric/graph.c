/*
 * graph.c - cycles of a directed graph, by depth-first search, and reachability and paths, by breadth-first search; graph.h
 * is the contract.
 *
 * No search has recursion: a cycle may be as long as a document has items.
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
	int64_t    *edge;			/* (n_edges) the edges, by number, grouped by their first node */
	int64_t    *next;			/* (n_nodes) the next edge of each node, as an index into edge */
	int64_t    *path;			/* (n_nodes) the nodes from the root to the current node; breadth-first: the queue */
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
		s->edge[s->next[graph->from[e]]++] = e;
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
		v = s->graph->to[s->edge[s->next[v]++]];
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

/* Allocates what a search needs and groups the edges. */
static xmc_status
begin_search(xmc_ctx *ctx, search *s, const xmc_graph *graph)
{
	size_t		nodes = (size_t) graph->n_nodes;

	*s = (search){.graph = graph};
	s->start = xmc_zalloc(ctx, nodes + 1, sizeof(int64_t));
	s->edge = xmc_alloc(ctx, (size_t) graph->n_edges, sizeof(int64_t));
	s->next = xmc_alloc(ctx, nodes, sizeof(int64_t));
	s->path = xmc_alloc(ctx, nodes, sizeof(int64_t));
	s->state = xmc_zalloc(ctx, nodes, sizeof(uint8_t));
	if (!s->start || !s->edge || !s->next || !s->path || !s->state)
		return xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	return group_edges(ctx, s);
}

static xmc_status
end_search(xmc_ctx *ctx, search *s, xmc_status status)
{
	xmc_release(ctx, s->start);
	xmc_release(ctx, s->edge);
	xmc_release(ctx, s->next);
	xmc_release(ctx, s->path);
	xmc_release(ctx, s->state);
	return status;
}

static xmc_status
find_cycles(xmc_ctx *ctx, search *s, xmc_cycle_visitor visit, void *arg)
{
	bool		more = true;

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
	search		s;
	xmc_status	status = begin_search(ctx, &s, graph);

	if (status == XMC_OK)
		status = find_cycles(ctx, &s, visit, arg);
	return end_search(ctx, &s, status);
}

/* ---- breadth-first ---- */

/*
 * The nodes that can be reached from the root, into path, in the order of their distance; the root is among them if it can
 * be reached from itself. by (n_nodes), if not NULL: the edge that reaches each. The search ends at `goal`; -1: at none.
 */
static xmc_status
reach_from(xmc_ctx *ctx, search *s, int64_t root, int64_t goal, int64_t *by, int64_t *reached)
{
	int64_t		n = 0;
	int64_t		v = root;

	for (int64_t k = 0; k <= n; k++)
	{
		for (int64_t e = s->start[v]; e < s->start[v + 1]; e++)
		{
			int64_t		to = s->graph->to[s->edge[e]];

			if (s->state[to] != NODE_NEW)
				continue;
			s->state[to] = NODE_DONE;
			s->path[n++] = to;
			if (by)
				by[to] = s->edge[e];
			if (to == goal)
				break;
		}
		XMC_TRY(xmc_spend(ctx, &s->work, 1 + s->start[v + 1] - s->start[v]));
		if (k == n || (goal >= 0 && s->state[goal] == NODE_DONE))
			break;
		v = s->path[k];
	}
	*reached = n;
	return XMC_OK;
}

static xmc_status
close_graph(xmc_ctx *ctx, search *s, xmc_reach_visitor visit, void *arg)
{
	for (int64_t root = 0; root < s->graph->n_nodes; root++)
	{
		int64_t		n;

		XMC_TRY(reach_from(ctx, s, root, -1, NULL, &n));
		visit(arg, root, n, s->path);
		for (int64_t k = 0; k < n; k++)
			s->state[s->path[k]] = NODE_NEW;
	}
	return XMC_OK;
}

xmc_status
xmc_close_graph(xmc_ctx *ctx, const xmc_graph *graph, xmc_reach_visitor visit, void *arg)
{
	search		s;
	xmc_status	status = begin_search(ctx, &s, graph);

	if (status == XMC_OK)
		status = close_graph(ctx, &s, visit, arg);
	return end_search(ctx, &s, status);
}

/* by (n_nodes): scratch. */
static xmc_status
find_path(xmc_ctx *ctx, search *s, int64_t from, int64_t to, int64_t *by, int64_t *n, int64_t *edge)
{
	int64_t		reached;
	int64_t		v = to;

	XMC_TRY(reach_from(ctx, s, from, to, by, &reached));
	if (s->state[to] != NODE_DONE)
		return XMC_OK;
	/* back along the edges that reached each node, then turned round */
	do
	{
		edge[(*n)++] = by[v];
		v = s->graph->from[by[v]];
	} while (v != from);
	for (int64_t k = 0; k < *n / 2; k++)
	{
		int64_t		last = edge[*n - 1 - k];

		edge[*n - 1 - k] = edge[k];
		edge[k] = last;
	}
	return XMC_OK;
}

xmc_status
xmc_find_path(xmc_ctx *ctx, const xmc_graph *graph, int64_t from, int64_t to, int64_t *n, int64_t *edge)
{
	int64_t    *by = xmc_alloc(ctx, (size_t) graph->n_nodes, sizeof(int64_t));
	search		s;
	xmc_status	status = begin_search(ctx, &s, graph);

	*n = 0;
	if (status == XMC_OK && !by)
		status = xmc_fail(ctx, XMC_NO_MEMORY, "out of memory");
	if (status == XMC_OK)
		status = find_path(ctx, &s, from, to, by, n, edge);
	xmc_release(ctx, by);
	return end_search(ctx, &s, status);
}
