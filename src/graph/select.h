/*
 * select.h: which nodes of a graph a person means.
 *
 * A term is a name or alias, `tag:x`, or `*`; a leading + adds everything upstream, a trailing + everything
 * downstream.  Several terms add up.
 */
#ifndef SELECT_H
#define SELECT_H

#include "base/err.h"
#include "base/strvec.h"
#include "graph/graph.h"

struct select_node {
	const char *name;
	const struct strvec *aliases, *tags; /* NULL: none */
};

struct selector; /* an index over nodes and a graph, both lent and unchanged for its life */

/* Names and aliases must be unique among themselves. */
struct selector *selector_new(const struct select_node *nodes, const struct graph *graph);
void selector_free(struct selector *); /* NULL is fine */

/* The node of a name or alias, SIZE_MAX when there is none. */
size_t selector_find(const struct selector *, const char *name);
/* The nearest name, alias or (with "tag:" before it) tag, for "did you mean"; NULL when none is near; lent. */
const char *selector_nearest(const struct selector *, const char *name);

/*
 * The chosen nodes by rising number into out (room for all); returns how many.  0 is an error, class USAGE: code
 * "not_found" for an unknown name or tag (with the nearest), "selection" for a term that is none or no terms at all.
 */
size_t selector_run(const struct selector *, char *const *terms, size_t nterms, size_t *out, struct err *err);

#endif
