#include "config.h"

#include "conf/conf.h"

#include "base/mem.h"
#include "graph/select.h"

#include <stdlib.h>

static size_t count_edges(const struct conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->nassets; i++)
		n += conf->assets[i].ndep;
	return n;
}

static void asset_graph(const struct conf *conf, struct graph *g)
{
	struct graph_edge *edges = xcalloc(count_edges(conf), sizeof(*edges));
	size_t n = 0;

	for (size_t i = 0; i < conf->nassets; i++)
		for (size_t k = 0; k < conf->assets[i].ndep; k++)
			edges[n++] = (struct graph_edge){.node = i, .dep = conf->assets[i].dep[k]->index};
	graph_init(g, conf->nassets, edges, n);
	free(edges);
}

size_t conf_select(const struct conf *conf, const struct strvec *terms, size_t *picked, struct err *err)
{
	struct select_node *nodes = xcalloc(conf->nassets, sizeof(*nodes));
	struct selector *sel;
	struct graph g;
	size_t n;

	for (size_t i = 0; i < conf->nassets; i++) {
		const struct conf_asset *a = &conf->assets[i];

		nodes[i] = (struct select_node){.name = a->name, .aliases = &a->aliases, .tags = &a->tags};
	}
	asset_graph(conf, &g);
	sel = selector_new(nodes, &g);
	n = selector_run(sel, terms->v, terms->n, picked, err);
	selector_free(sel);
	graph_release(&g);
	free(nodes);
	return n;
}
