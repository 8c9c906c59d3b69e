/* test_graph.c - cycles of directed graphs, against a count by peeling; reachability and paths, against all distances; memory, stopping */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "counting.h"
#include "xmcoh/graph.h"
#include "xmcoh/random.h"

#include <stdio.h>
#include <string.h>

#define MOST_NODES 12
#define MOST_EDGES 40
#define TEXT 200

/* What a visitor saw: each cycle as its nodes, such as "0 1 2;". */
typedef struct seen
{
	const xmc_graph *graph;
	int			n;
	int			most;			/* the search is ended after so many */
	char		text[TEXT];
} seen;

static bool
has_edge(const xmc_graph *graph, int64_t from, int64_t to)
{
	for (int64_t e = 0; e < graph->n_edges; e++)
		if (graph->from[e] == from && graph->to[e] == to)
			return true;
	return false;
}

static bool
note_cycle(void *arg, int64_t n, const int64_t *node)
{
	seen	   *s = arg;

	assert_true(n >= 1);
	for (int64_t k = 0; k < n; k++)
	{
		assert_true(has_edge(s->graph, node[k], node[(k + 1) % n]));
		for (int64_t j = 0; j < k; j++)
			assert_true(node[j] != node[k]);
		if (strlen(s->text) < TEXT - 24)
			snprintf(s->text + strlen(s->text), 24, "%s%d", k ? " " : "", (int) node[k]);
	}
	strcat(s->text, ";");
	return ++s->n < s->most;
}

static seen
search(int64_t n_nodes, int64_t n_edges, const int64_t *from, const int64_t *to, int most)
{
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_graph	graph = {n_nodes, n_edges, from, to};
	seen		s = {.graph = &graph,.most = most};

	assert_int_equal(xmc_find_cycles(&ctx, &graph, note_cycle, &s), XMC_OK);
	assert_int_equal(counts.live, 0);
	return s;
}

static void
test_known(void **state)
{
	seen		s;

	(void) state;
	assert_int_equal(search(0, 0, NULL, NULL, 10).n, 0);
	assert_int_equal(search(3, 0, NULL, NULL, 10).n, 0);
	/* a path, and the same pair twice */
	assert_int_equal(search(3, 3, (int64_t[]) {0, 1, 0}, (int64_t[]) {1, 2, 1}, 10).n, 0);
	/* two ways to one node are no cycle */
	assert_int_equal(search(4, 4, (int64_t[]) {0, 0, 1, 2}, (int64_t[]) {1, 2, 3, 3}, 10).n, 0);
	/* a node before itself */
	s = search(2, 1, (int64_t[]) {1}, (int64_t[]) {1}, 10);
	assert_string_equal(s.text, "1;");
	/* a pair both ways, beside a path */
	s = search(4, 3, (int64_t[]) {2, 3, 0}, (int64_t[]) {3, 2, 1}, 10);
	assert_string_equal(s.text, "2 3;");
	/* the cycle does not hold the path that leads to it */
	s = search(5, 5, (int64_t[]) {0, 1, 2, 3, 3}, (int64_t[]) {1, 2, 3, 4, 1}, 10);
	assert_string_equal(s.text, "1 2 3;");
	/* two cycles; the search ends when the visitor says so */
	s = search(4, 4, (int64_t[]) {0, 1, 2, 3}, (int64_t[]) {1, 0, 3, 2}, 10);
	assert_string_equal(s.text, "0 1;2 3;");
	s = search(4, 4, (int64_t[]) {0, 1, 2, 3}, (int64_t[]) {1, 0, 3, 2}, 1);
	assert_string_equal(s.text, "0 1;");
}

/* Whether nodes are left when those without an incoming edge are taken away again and again. */
static bool
is_cyclic(const xmc_graph *graph)
{
	bool		gone[MOST_NODES] = {false};

	for (int64_t pass = 0; pass < graph->n_nodes; pass++)
		for (int64_t v = 0; v < graph->n_nodes; v++)
		{
			bool		has_incoming = false;

			for (int64_t e = 0; e < graph->n_edges; e++)
				has_incoming |= graph->to[e] == v && !gone[graph->from[e]];
			gone[v] |= !has_incoming;
		}
	for (int64_t v = 0; v < graph->n_nodes; v++)
		if (!gone[v])
			return true;
	return false;
}

static void
test_random_graphs(void **state)
{
	xmc_random	random;
	int			cyclic = 0;

	(void) state;
	xmc_random_seed(&random, 11);
	for (int k = 0; k < 5000; k++)
	{
		int64_t		from[MOST_EDGES];
		int64_t		to[MOST_EDGES];
		uint32_t	nodes = 1 + xmc_random_below(&random, MOST_NODES);
		xmc_graph	graph = {nodes, xmc_random_below(&random, 2 * nodes), from, to};

		for (int64_t e = 0; e < graph.n_edges; e++)
		{
			from[e] = xmc_random_below(&random, nodes);
			to[e] = xmc_random_below(&random, nodes);
		}
		assert_int_equal(search(graph.n_nodes, graph.n_edges, from, to, 100).n > 0, is_cyclic(&graph));
		cyclic += is_cyclic(&graph);
	}
	assert_in_range(cyclic, 500, 4500);
}

/* The length of the shortest path of at least one edge between any two nodes, by relaxing (Floyd 1962); 0: none. */
static void
find_distances(const xmc_graph *graph, int distance[MOST_NODES][MOST_NODES])
{
	memset(distance, 0, sizeof(int) * MOST_NODES * MOST_NODES);
	for (int64_t e = 0; e < graph->n_edges; e++)
		distance[graph->from[e]][graph->to[e]] = 1;
	for (int64_t k = 0; k < graph->n_nodes; k++)
		for (int64_t a = 0; a < graph->n_nodes; a++)
			for (int64_t b = 0; b < graph->n_nodes; b++)
			{
				int			by_k = distance[a][k] + distance[k][b];

				if (distance[a][k] && distance[k][b] && (!distance[a][b] || by_k < distance[a][b]))
					distance[a][b] = by_k;
			}
}

typedef struct reached
{
	const xmc_graph *graph;
	int			(*distance)[MOST_NODES];
	int64_t		visits;
} reached;

/* Nearer nodes come first, so the number at each distance and the order are seen. */
static void
compare_reached(void *arg, int64_t from, int64_t n, const int64_t *node)
{
	reached    *r = arg;
	int64_t		expected = 0;

	assert_int_equal(from, r->visits++);
	for (int64_t v = 0; v < r->graph->n_nodes; v++)
		expected += r->distance[from][v] > 0;
	assert_int_equal(n, expected);
	for (int64_t k = 0; k < n; k++)
	{
		assert_true(r->distance[from][node[k]] > 0);
		if (k > 0)
			assert_true(r->distance[from][node[k - 1]] <= r->distance[from][node[k]]);
		for (int64_t j = 0; j < k; j++)
			assert_true(node[j] != node[k]);
	}
}

static void
test_reachability_and_paths(void **state)
{
	xmc_random	random;

	(void) state;
	xmc_random_seed(&random, 13);
	for (int k = 0; k < 1000; k++)
	{
		int64_t		from[MOST_EDGES];
		int64_t		to[MOST_EDGES];
		uint32_t	nodes = 1 + xmc_random_below(&random, MOST_NODES);
		xmc_graph	graph = {nodes, xmc_random_below(&random, 2 * nodes), from, to};
		int			distance[MOST_NODES][MOST_NODES];
		counting	counts;
		xmc_ctx		ctx = counting_ctx(&counts);
		reached		r = {.graph = &graph,.distance = distance};

		for (int64_t e = 0; e < graph.n_edges; e++)
		{
			from[e] = xmc_random_below(&random, nodes);
			to[e] = xmc_random_below(&random, nodes);
		}
		find_distances(&graph, distance);
		assert_int_equal(xmc_close_graph(&ctx, &graph, compare_reached, &r), XMC_OK);
		assert_int_equal(r.visits, nodes);
		for (int64_t a = 0; a < nodes; a++)
			for (int64_t b = 0; b < nodes; b++)
			{
				int64_t		edge[MOST_NODES];
				int64_t		n;

				assert_int_equal(xmc_find_path(&ctx, &graph, a, b, &n, edge), XMC_OK);
				assert_int_equal(n, distance[a][b]);
				for (int64_t e = 0; e < n; e++)
				{
					assert_int_equal(from[edge[e]], e > 0 ? to[edge[e - 1]] : a);
					if (e == n - 1)
						assert_int_equal(to[edge[e]], b);
				}
			}
		assert_int_equal(counts.live, 0);
	}
}

static void
ignore_reached(void *arg, int64_t from, int64_t n, const int64_t *node)
{
	(void) arg;
	(void) from;
	(void) n;
	(void) node;
}

static void
test_paths_without_memory(void **state)
{
	xmc_graph	graph = {3, 2, (int64_t[]) {0, 1}, (int64_t[]) {1, 2}};
	int64_t		edge[3];
	int64_t		n;
	counting	counts;
	xmc_ctx		ctx;

	(void) state;
	for (long fail_at = 1; fail_at <= 5; fail_at++)
	{
		ctx = counting_ctx(&counts);
		counts.fail_at = fail_at;
		assert_int_equal(xmc_close_graph(&ctx, &graph, ignore_reached, NULL), XMC_NO_MEMORY);
		assert_int_equal(counts.live, 0);
	}
	for (long fail_at = 1; fail_at <= 6; fail_at++)
	{
		ctx = counting_ctx(&counts);
		counts.fail_at = fail_at;
		assert_int_equal(xmc_find_path(&ctx, &graph, 0, 2, &n, edge), XMC_NO_MEMORY);
		assert_int_equal(n, 0);
		assert_int_equal(counts.live, 0);
	}
}

static bool
note_length(void *arg, int64_t n, const int64_t *node)
{
	(void) node;
	*(int64_t *) arg = n;
	return true;
}

/* A long path and a long cycle: no recursion, questions in between, nothing left over whatever fails. */
static void
test_large(void **state)
{
	int64_t		n = 1000000;
	int64_t    *from = test_malloc(sizeof(int64_t) * (size_t) n);
	int64_t    *to = test_malloc(sizeof(int64_t) * (size_t) n);
	counting	counts;
	xmc_ctx		ctx = counting_ctx(&counts);
	xmc_graph	graph = {n, n, from, to};
	int64_t		length = 0;
	long		questions;

	(void) state;
	for (int64_t v = 0; v < n; v++)
	{
		from[v] = v;
		to[v] = (v + 1) % n;
	}
	assert_int_equal(xmc_find_cycles(&ctx, &graph, note_length, &length), XMC_OK);
	assert_int_equal(length, n);
	questions = counts.questions;
	assert_true(questions >= 4 * n / XMC_STOP_CELLS);
	for (long stop_at = 1; stop_at <= questions; stop_at++)
	{
		ctx = counting_ctx(&counts);
		counts.stop_at = stop_at;
		assert_int_equal(xmc_find_cycles(&ctx, &graph, note_length, &length), XMC_STOPPED);
		assert_int_equal(counts.live, 0);
	}
	for (long fail_at = 1; fail_at <= 5; fail_at++)
	{
		ctx = counting_ctx(&counts);
		counts.fail_at = fail_at;
		assert_int_equal(xmc_find_cycles(&ctx, &graph, note_length, &length), XMC_NO_MEMORY);
		assert_int_equal(counts.live, 0);
	}
	test_free(from);
	test_free(to);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_random_graphs),
		cmocka_unit_test(test_reachability_and_paths),
		cmocka_unit_test(test_paths_without_memory),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
