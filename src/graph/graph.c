#include "config.h"

#include "graph/graph.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Bucket edges by their owner: `dep` of each owner in the order given. */
static void fill(struct graph *g, size_t n, const struct graph_edge *edges, size_t nedges, bool reverse)
{
	size_t *next = xcalloc(n + 1, sizeof(*next));

	*g = (struct graph){n, xcalloc(n + 1, sizeof(*g->start)), xcalloc(nedges + 1, sizeof(*g->dep))};
	for (size_t i = 0; i < nedges; i++) {
		size_t owner = reverse ? edges[i].dep : edges[i].node;

		assert(edges[i].node < n && edges[i].dep < n);
		g->start[owner + 1]++;
	}
	for (size_t i = 0; i < n; i++) {
		g->start[i + 1] += g->start[i];
		next[i] = g->start[i];
	}
	for (size_t i = 0; i < nedges; i++) {
		size_t owner = reverse ? edges[i].dep : edges[i].node;

		g->dep[next[owner]++] = reverse ? edges[i].node : edges[i].dep;
	}
	free(next);
}

void graph_init(struct graph *g, size_t n, const struct graph_edge *edges, size_t nedges)
{
	fill(g, n, edges, nedges, false);
}

void graph_init_reverse(struct graph *g, const struct graph *of)
{
	size_t nedges = of->start[of->n], k = 0;
	struct graph_edge *edges = xcalloc(nedges + 1, sizeof(*edges));

	for (size_t i = 0; i < of->n; i++)
		for (size_t e = of->start[i]; e < of->start[i + 1]; e++)
			edges[k++] = (struct graph_edge){i, of->dep[e]};
	fill(g, of->n, edges, nedges, true);
	free(edges);
}

void graph_release(struct graph *g)
{
	free(g->start);
	free(g->dep);
	*g = (struct graph){0};
}

/* ---- the nodes that could come next: a heap, lowest number on top ---- */

struct heap {
	size_t *v, n;
};

static void heap_push(struct heap *h, size_t node)
{
	size_t i = h->n++;

	for (; i > 0 && h->v[(i - 1) / 2] > node; i = (i - 1) / 2)
		h->v[i] = h->v[(i - 1) / 2];
	h->v[i] = node;
}

static size_t heap_pop(struct heap *h)
{
	size_t top = h->v[0], last = h->v[--h->n], i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->n)
			break;
		child += child + 1 < h->n && h->v[child + 1] < h->v[child];
		if (h->v[child] >= last)
			break;
		h->v[i] = h->v[child];
		i = child;
	}
	h->v[i] = last;
	return top;
}

struct sort {
	const struct graph *g;
	struct graph dependents;
	struct heap ready;
	size_t *waiting; /* dependencies not yet placed */
	bool *placed;
	size_t *order, norder;
	size_t *path, *seen_at; /* of the walk that looks for a cycle; seen_at 0: not on the path */
	size_t lowest; /* no unplaced node is below */
};

static void place(struct sort *s, size_t node)
{
	s->placed[node] = true;
	s->order[s->norder++] = node;
	for (size_t e = s->dependents.start[node]; e < s->dependents.start[node + 1]; e++) {
		size_t d = s->dependents.dep[e];

		if (--s->waiting[d] == 0 && !s->placed[d])
			heap_push(&s->ready, d);
	}
}

static size_t unplaced_dep(const struct sort *s, size_t node)
{
	size_t best = SIZE_MAX;

	for (size_t e = s->g->start[node]; e < s->g->start[node + 1]; e++)
		if (!s->placed[s->g->dep[e]])
			best = MIN(best, s->g->dep[e]);
	return best;
}

/*
 * Nothing is ready, so every unplaced node has an unplaced dependency: walking along them must come back.  The cycle
 * is told from its lowest node on, and placed.
 */
static void break_cycle(struct sort *s, graph_cycle_fn *on_cycle, void *arg)
{
	size_t n = 0, node, first, low;

	while (s->placed[s->lowest])
		s->lowest++;
	for (node = s->lowest; s->seen_at[node] == 0; node = unplaced_dep(s, node)) {
		s->path[n++] = node;
		s->seen_at[node] = n;
	}
	first = low = s->seen_at[node] - 1;
	for (size_t i = first; i < n; i++)
		if (s->path[i] < s->path[low])
			low = i;
	for (size_t i = 0; i < n; i++)
		s->seen_at[s->path[i]] = 0;
	size_t len = n - first, *cycle = xcalloc(len, sizeof(*cycle));
	for (size_t i = 0; i < len; i++)
		cycle[i] = s->path[first + (low - first + i) % len];
	if (on_cycle != NULL)
		on_cycle(arg, cycle, len);
	for (size_t i = 0; i < len; i++)
		s->placed[cycle[i]] = true; /* all at once, so that none of them becomes ready */
	for (size_t i = 0; i < len; i++)
		place(s, cycle[i]);
	free(cycle);
}

size_t graph_order(const struct graph *g, size_t *order, graph_cycle_fn *on_cycle, void *arg)
{
	struct sort s = {.g = g, .order = order};
	size_t cycles = 0;

	graph_init_reverse(&s.dependents, g);
	s.ready.v = xcalloc(g->n + 1, sizeof(*s.ready.v));
	s.waiting = xcalloc(g->n + 1, sizeof(*s.waiting));
	s.placed = xcalloc(g->n + 1, sizeof(*s.placed));
	s.path = xcalloc(g->n + 1, sizeof(*s.path));
	s.seen_at = xcalloc(g->n + 1, sizeof(*s.seen_at));
	for (size_t i = 0; i < g->n; i++)
		if ((s.waiting[i] = g->start[i + 1] - g->start[i]) == 0)
			heap_push(&s.ready, i);
	while (s.norder < g->n && cycles < GRAPH_CYCLES_MAX) {
		while (s.ready.n > 0)
			place(&s, heap_pop(&s.ready));
		if (s.norder < g->n) {
			cycles++;
			break_cycle(&s, on_cycle, arg);
		}
	}
	for (size_t i = 0; i < g->n && s.norder < g->n; i++)
		if (!s.placed[i])
			order[s.norder++] = i;
	graph_release(&s.dependents);
	free(s.ready.v);
	free(s.waiting);
	free(s.placed);
	free(s.path);
	free(s.seen_at);
	return cycles;
}

void graph_reach(const struct graph *g, bool *marked)
{
	size_t *todo = xcalloc(g->n + 1, sizeof(*todo)), n = 0;

	for (size_t i = 0; i < g->n; i++)
		if (marked[i])
			todo[n++] = i;
	while (n > 0) {
		size_t node = todo[--n];

		for (size_t e = g->start[node]; e < g->start[node + 1]; e++) {
			if (marked[g->dep[e]])
				continue;
			marked[g->dep[e]] = true;
			todo[n++] = g->dep[e];
		}
	}
	free(todo);
}
