/*
 * graph.h: orders and closures of a dependency graph; pure functions over numbers, nothing recursive, linear but for the
 * order's ties.
 *
 * Nodes are 0 .. n-1.  What the numbers stand for is the caller's: whoever wants ties broken by name numbers by name.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include "base/util.h"

struct graph_edge {
	size_t node, dep; /* node depends on dep */
};

/* Dependencies of node i are dep[start[i]] .. dep[start[i + 1] - 1], in the order the edges were given. */
struct graph {
	size_t n;
	size_t *start, *dep;
};

/* Every edge must name nodes below n. */
void graph_init(struct graph *, size_t n, const struct graph_edge *edges, size_t nedges);
/* The same nodes with every edge turned round: "dependencies" become dependents. */
void graph_init_reverse(struct graph *, const struct graph *of);
void graph_release(struct graph *);

/* nodes[0] depends on nodes[1] ... on nodes[n - 1], which depends on nodes[0], the lowest number of them. */
typedef void graph_cycle_fn(void *arg, const size_t *nodes, size_t n);

#define GRAPH_CYCLES_MAX 20

/*
 * All nodes into order, dependencies first; among those that could come next the lowest number does, so that the order
 * is the same every time.  Returns how many cycles there are (0: fine; counting ends at GRAPH_CYCLES_MAX), each told to
 * on_cycle (may be NULL); each is then taken out, so that independent ones are found too.  With cycles the order is a
 * permutation of the nodes and nothing more.
 */
size_t graph_order(const struct graph *, size_t *order, graph_cycle_fn *on_cycle, void *arg);

/* Mark whatever marked nodes depend on, directly or not. */
void graph_reach(const struct graph *, bool *marked);

#endif
