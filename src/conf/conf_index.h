/* conf_index.h: names and graph of the assets of a conf, for lookups and selections. */
#ifndef CONF_INDEX_H
#define CONF_INDEX_H

#include "conf/conf.h"
#include "graph/select.h"

struct conf_index {
	struct graph graph;
	struct select_node *nodes;
	struct selector *selector;
};

/* Over conf->assets with their dep resolved. */
struct conf_index *conf_index_new(const struct conf *);
void conf_index_free(struct conf_index *);

#endif
