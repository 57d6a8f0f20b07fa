#include "config.h"

#include "graph/select.h"

#include "base/mem.h"
#include "base/suggest.h"

#include <stdlib.h>
#include <string.h>

#define TAG "tag:"

struct entry {
	const char *name;
	size_t node;
};

struct entries {
	struct entry *v;
	size_t n;
};

struct selector {
	const struct select_node *nodes;
	const struct graph *graph;
	struct entries names; /* and aliases */
	size_t
	    *slots; /* hash table over names: index + 1, 0 for a free one; a power of two, at most half full */
	size_t nslots;
	struct entries tags; /* sorted by name, then node */
};

static size_t hash(const char *s)
{
	uint64_t h = 14695981039346656037ULL;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	return (size_t)(h ^ h >> 32);
}

/* The slot of a name, or the free one where it would go. */
static size_t slot_of(const struct selector *s, const char *name)
{
	size_t i = hash(name) & (s->nslots - 1);

	while (s->slots[i] != 0 && strcmp(s->names.v[s->slots[i] - 1].name, name) != 0)
		i = (i + 1) & (s->nslots - 1);
	return i;
}

static void index_names(struct selector *s)
{
	for (s->nslots = 8; s->nslots < 2 * s->names.n; s->nslots *= 2)
		;
	s->slots = xcalloc(s->nslots, sizeof(*s->slots));
	for (size_t i = 0; i < s->names.n; i++) {
		size_t slot = slot_of(s, s->names.v[i].name);

		if (s->slots[slot] == 0)
			s->slots[slot] = i + 1;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c != 0 ? c : x->node < y->node ? -1 : x->node > y->node;
}

static size_t count(const struct strvec *v)
{
	return v != NULL ? v->n : 0;
}

static void add(struct entries *e, const struct strvec *v, size_t node)
{
	for (size_t i = 0; i < count(v); i++)
		e->v[e->n++] = (struct entry){v->v[i], node};
}

struct selector *selector_new(const struct select_node *nodes, const struct graph *graph)
{
	struct selector *s = xcalloc(1, sizeof(*s));
	size_t names = graph->n, tags = 0;

	*s = (struct selector){.nodes = nodes, .graph = graph};
	for (size_t i = 0; i < graph->n; i++) {
		names += count(nodes[i].aliases);
		tags += count(nodes[i].tags);
	}
	s->names.v = xcalloc(names + 1, sizeof(*s->names.v));
	s->tags.v = xcalloc(tags + 1, sizeof(*s->tags.v));
	for (size_t i = 0; i < graph->n; i++) {
		s->names.v[s->names.n++] = (struct entry){nodes[i].name, i};
		add(&s->names, nodes[i].aliases, i);
		add(&s->tags, nodes[i].tags, i);
	}
	index_names(s);
	qsort(s->tags.v, s->tags.n, sizeof(*s->tags.v), by_name);
	return s;
}

void selector_free(struct selector *s)
{
	if (s == NULL)
		return;
	free(s->names.v);
	free(s->slots);
	free(s->tags.v);
	free(s);
}

/* Index of the first entry of that name; e->n when there is none. */
static size_t first_of(const struct entries *e, const char *name)
{
	size_t lo = 0, hi = e->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(e->v[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < e->n && strcmp(e->v[lo].name, name) == 0 ? lo : e->n;
}

size_t selector_find(const struct selector *s, const char *name)
{
	size_t i = s->slots[slot_of(s, name)];

	return i > 0 ? s->names.v[i - 1].node : SIZE_MAX;
}

static const char *entry_name(const void *arg, size_t i)
{
	const struct entries *e = arg;

	return i < e->n ? e->v[i].name : NULL;
}

const char *selector_nearest(const struct selector *s, const char *name)
{
	if (strncmp(name, TAG, strlen(TAG)) == 0)
		return suggest_nearest(name + strlen(TAG), entry_name, &s->tags);
	return suggest_nearest(name, entry_name, &s->names);
}

struct pick {
	bool *chosen, *up, *down; /* up and down: seeds of what lies upstream and downstream */
};

static void take(struct pick *p, size_t node, bool up, bool down)
{
	p->chosen[node] = true;
	p->up[node] |= up;
	p->down[node] |= down;
}

static int unknown(const struct selector *s, const char *term, struct err *err)
{
	bool is_tag = strncmp(term, TAG, strlen(TAG)) == 0;
	const char *near = selector_nearest(s, term), *what = is_tag ? "no asset has" : "there is no asset";

	if (near != NULL)
		return err_code(err, ERR_USAGE, "not_found", "%s '%.100s'; did you mean '%s%s'?", what, term,
		    is_tag ? TAG : "", near);
	return err_code(err, ERR_USAGE, "not_found", "%s '%.100s'", what, term);
}

static int pick_name(
    const struct selector *s, struct pick *p, const char *name, bool up, bool down, struct err *err)
{
	size_t i;

	if (strcmp(name, "*") == 0) {
		for (i = 0; i < s->graph->n; i++)
			take(p, i, false, false);
		return 0;
	}
	if (strncmp(name, TAG, strlen(TAG)) == 0) {
		const char *tag = name + strlen(TAG);

		if ((i = first_of(&s->tags, tag)) == s->tags.n)
			return unknown(s, name, err);
		for (; i < s->tags.n && strcmp(s->tags.v[i].name, tag) == 0; i++)
			take(p, s->tags.v[i].node, up, down);
		return 0;
	}
	if ((i = selector_find(s, name)) == SIZE_MAX)
		return unknown(s, name, err);
	take(p, i, up, down);
	return 0;
}

static int pick_term(const struct selector *s, struct pick *p, const char *term, struct err *err)
{
	bool up = term[0] == '+', down;
	size_t n = strlen(term += up);
	char *name;
	int rc;

	down = n > 0 && term[n - 1] == '+';
	name = xstrndup(term, n - down);
	if (name[0] == '\0' || strchr(name, '+') != NULL)
		rc = err_code(err, ERR_USAGE, "selection",
		    "'%.100s' is not a selection: NAME, +NAME, NAME+, +NAME+, tag:X or *", term - up);
	else
		rc = pick_name(s, p, name, up, down, err);
	free(name);
	return rc;
}

static void extend(const struct selector *s, struct pick *p)
{
	struct graph dependents;

	graph_init_reverse(&dependents, s->graph);
	graph_reach(s->graph, p->up);
	graph_reach(&dependents, p->down);
	graph_release(&dependents);
	for (size_t i = 0; i < s->graph->n; i++)
		p->chosen[i] |= p->up[i] || p->down[i];
}

size_t selector_run(const struct selector *s, char *const *terms, size_t nterms, size_t *out, struct err *err)
{
	size_t n = s->graph->n, found = 0;
	struct pick p = {xcalloc(n + 1, 1), xcalloc(n + 1, 1), xcalloc(n + 1, 1)};
	int rc = 0;

	for (size_t i = 0; i < nterms && rc == 0; i++)
		rc = pick_term(s, &p, terms[i], err);
	if (rc == 0) {
		extend(s, &p);
		for (size_t i = 0; i < n; i++)
			if (p.chosen[i])
				out[found++] = i;
		if (found == 0)
			err_code(err, ERR_USAGE, "selection", "the selection is empty");
	}
	free(p.chosen);
	free(p.up);
	free(p.down);
	return found;
}
