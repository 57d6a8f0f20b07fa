/* The graph of assets: dependencies by name, cycles, the order, and what each job selects. */
#include "config.h"

#include "conf/conf_loader.h"

#include "base/mem.h"
#include "conf/conf_index.h"

#include <stdlib.h>
#include <string.h>

static const struct mark *mark_of(const struct node *body, const char *key)
{
	const struct node *v = node_get(body, key);

	return v != NULL ? &v->mark : &body->mark;
}

/* The place of the i-th item of a list option, or of its one text. */
static const struct mark *item_mark(const struct node *body, const char *key, size_t i)
{
	const struct node *v = node_get(body, key);

	if (v == NULL)
		return &body->mark;
	return v->kind == NODE_LIST && i < v->n ? &v->item[i]->mark : &v->mark;
}

/* Names and aliases are one set of words. */
static void check_names(struct loader *l)
{
	struct conf *c = l->conf;
	size_t n = 0, total = c->nassets;
	struct conf_named *v;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < c->nassets; i++)
		total += c->assets[i].aliases.n;
	v = xcalloc(total + 1, sizeof(*v));
	for (size_t i = 0; i < c->nassets; i++) {
		const struct conf_asset *a = &c->assets[i];

		v[n++] = (struct conf_named){a->name, &l->asset_decl[i]->key->mark};
		for (size_t k = 0; k < a->aliases.n; k++) {
			const struct mark *m = item_mark(l->asset_decl[i]->body, "aliases", k);

			if (conf_name_check(a->aliases.v[k], &err) == -1)
				diag_add(l->diags, DIAG_ERROR, m, "value", "alias of asset '%s': %s", a->name,
				    err.text);
			v[n++] = (struct conf_named){a->aliases.v[k], m};
		}
	}
	conf_names_distinct(v, n, "asset", l->diags);
	free(v);
}

struct edges {
	struct graph_edge *v;
	size_t n;
};

/* An asset's dependencies become edges; unknown and doubled ones are reported. */
static void add_edges(struct loader *l, const struct selector *names, size_t i, size_t *seen, struct edges *out)
{
	const struct conf_asset *a = &l->conf->assets[i];

	for (size_t k = 0; k < a->deps.n; k++) {
		const struct mark *m = item_mark(l->asset_decl[i]->body, "deps", k);
		size_t dep = selector_find(names, a->deps.v[k]);
		const char *near;

		if (dep == SIZE_MAX) {
			near = diags_full(l->diags) ? NULL : selector_nearest(names, a->deps.v[k]);
			diag_add(l->diags, DIAG_ERROR, m, "graph",
			    "asset '%s' depends on '%.100s', which does not exist%s%s%s", a->name, a->deps.v[k],
			    near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
			    near != NULL ? "'?" : "");
		} else if (seen[dep] == i + 1) {
			diag_add(l->diags, DIAG_ERROR, m, "duplicate", "asset '%s' depends twice on '%s'",
			    a->name, l->conf->assets[dep].name);
		} else {
			seen[dep] = i + 1;
			out->v[out->n++] = (struct graph_edge){i, dep};
		}
	}
}

static void report_cycle(void *arg, const size_t *nodes, size_t n)
{
	struct loader *l = arg;
	struct strbuf sb = STRBUF_INIT(600);

	for (size_t i = 0; i < n && sb.len < 400; i++)
		strbuf_addf(&sb, "%s -> ", l->conf->assets[nodes[i]].name);
	if (sb.len >= 400)
		strbuf_addstr(&sb, "... -> ");
	diag_add(l->diags, DIAG_ERROR, mark_of(l->asset_decl[nodes[0]]->body, "deps"), "graph",
	    "assets depend on each other in a circle: %s%s", sb.buf, l->conf->assets[nodes[0]].name);
	strbuf_release(&sb);
}

/* Put the assets into the order and resolve each dependency to its new place. */
static void arrange(struct loader *l, const struct graph *g, const size_t *order)
{
	struct conf *c = l->conf;
	struct conf_asset *assets = xcalloc(c->nassets + 1, sizeof(*assets));
	const struct conf_decl **decls = xcalloc(c->nassets + 1, sizeof(*decls));
	size_t *place = xcalloc(c->nassets + 1, sizeof(*place));

	for (size_t i = 0; i < c->nassets; i++) {
		place[order[i]] = i;
		assets[i] = c->assets[order[i]];
		assets[i].index = i;
		decls[i] = l->asset_decl[order[i]];
	}
	for (size_t i = 0; i < c->nassets; i++) {
		size_t from = g->start[order[i]];

		assets[i].ndep = g->start[order[i] + 1] - from;
		assets[i].dep = xcalloc(assets[i].ndep + 1, sizeof(*assets[i].dep));
		for (size_t k = 0; k < assets[i].ndep; k++)
			assets[i].dep[k] = &assets[place[g->dep[from + k]]];
	}
	free(c->assets);
	free(l->asset_decl);
	free(place);
	c->assets = assets;
	l->asset_decl = decls;
}

/* Names without edges: enough to look dependencies up. */
static struct selector *name_index(const struct conf *c, struct select_node **nodes, struct graph *g)
{
	*nodes = xcalloc(c->nassets + 1, sizeof(**nodes));
	for (size_t i = 0; i < c->nassets; i++)
		(*nodes)[i] = (struct select_node){.name = c->assets[i].name, .aliases = &c->assets[i].aliases};
	graph_init(g, c->nassets, NULL, 0);
	return selector_new(*nodes, g);
}

void conf_graph_make(struct loader *l)
{
	struct conf *c = l->conf;
	size_t total = 0;
	size_t *order = xcalloc(c->nassets + 1, sizeof(*order)), *seen = xcalloc(c->nassets + 1, sizeof(*seen));
	struct select_node *nodes;
	struct selector *names;
	struct graph none, g;
	struct edges edges;

	check_names(l);
	names = name_index(c, &nodes, &none);
	for (size_t i = 0; i < c->nassets; i++)
		total += c->assets[i].deps.n;
	edges = (struct edges){xcalloc(total + 1, sizeof(*edges.v)), 0};
	for (size_t i = 0; i < c->nassets; i++)
		add_edges(l, names, i, seen, &edges);
	graph_init(&g, c->nassets, edges.v, edges.n);
	graph_order(&g, order, report_cycle, l);
	arrange(l, &g, order);
	c->index = conf_index_new(c);
	selector_free(names);
	graph_release(&none);
	graph_release(&g);
	free(nodes);
	free(edges.v);
	free(order);
	free(seen);
}

void conf_jobs_resolve(struct loader *l)
{
	struct conf *c = l->conf;
	bool *used = xcalloc(c->nassets + 1, 1);

	for (size_t i = 0; i < c->njobs; i++) {
		struct conf_job *j = &c->jobs[i];
		struct err err = ERR_INIT;

		if (j->assets.n == 0)
			continue; /* already reported */
		if ((j->nasset = conf_select(c, j->assets.v, j->assets.n, &j->asset, &err)) == 0)
			diag_add(l->diags, DIAG_ERROR, mark_of(l->decls[CONF_JOB].v[i].body, "assets"), "graph",
			    "job '%s': %s", j->name, err.text);
		for (size_t k = 0; k < j->nasset; k++)
			used[j->asset[k]->index] = true;
	}
	/* Beside errors this would say nothing.  A partition of its own tells that an asset is meant so. */
	for (size_t i = 0; i < c->nassets && l->diags->errors == 0; i++)
		if (!used[i] && c->assets[i].partition == NULL)
			diag_add(l->diags, DIAG_WARNING, &l->asset_decl[i]->key->mark, "graph",
			    "asset '%s' is in no job; it can only be materialized by hand", c->assets[i].name);
	free(used);
}
