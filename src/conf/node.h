/*
 * node.h: a parsed document: mappings, lists and texts, each with its place in the file.
 *
 * YAML by libyaml at event level, with our own limits (file 1 MiB, depth 64, 100,000 nodes, 4 KiB a value unless the
 * caller allows more); aliases, anchors, tags, merge keys, duplicate keys, second documents, NUL and control characters
 * are refused.  JSON values become the same tree, so a step binds its context with the same option tables.
 */
#ifndef NODE_H
#define NODE_H

#include "base/json.h"
#include "conf/diag.h"

enum node_kind { NODE_NULL, NODE_TEXT, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	struct mark mark;
	char *text;	    /* NODE_TEXT: as written, whatever it looks like */
	bool quoted;	    /* NODE_TEXT: '...', "..." or a block */
	struct node **item; /* NODE_LIST: items; NODE_MAP: values */
	struct node **key;  /* NODE_MAP: texts, same order as item */
	size_t n;
};

/* The document, or NULL with every problem in diags.  Free with node_free. */
struct node *node_parse_yaml(const char *file, const char *text, size_t n, struct diags *diags);
struct node *node_load_yaml(const char *path, struct diags *diags);
struct node *node_from_json(const json_t *j, const char *what);
void node_free(struct node *);

const struct node *node_get(const struct node *map, const char *key); /* NULL: absent or not a map */
const char *node_text(const struct node *map, const char *key);	       /* NULL: absent or not a text */
const char *node_kind_name(enum node_kind kind);
/*
 * Numbers for data files such as the site table; strict: the whole text must be one decimal number (floats as strtod
 * takes them in the C locale, no hex, no inf or nan).
 */
int node_as_double(const struct node *, double *out);
int node_as_int(const struct node *, int64_t *out);
int node_as_bool(const struct node *, bool *out);
bool node_is_null(const struct node *); /* also the plain texts null and ~ */

/*
 * Replace ${NAME} and ${NAME:-default} in every text below, once; an unset variable without default is an error that
 * names it.  A literal ${ is written $${.
 */
void node_expand_env(struct node *, struct diags *diags);

#endif
