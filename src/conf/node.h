/*
 * node.h: a parsed document: mappings, lists and texts, each with its place in the file.
 *
 * YAML by libyaml at event level, with our own limits (below); aliases, anchors, tags, merge keys, duplicate keys,
 * second documents, NUL and control characters (but for tab and line feed) are refused.  JSON values become the same
 * tree, so a step binds its context with the same option tables.
 */
#ifndef NODE_H
#define NODE_H

#include "base/json.h"
#include "conf/diag.h"

#define NODE_FILE_MAX  (1 << 20) /* bytes of a document */
#define NODE_DEPTH_MAX 64
#define NODE_COUNT_MAX 100000
#define NODE_VALUE_MAX 4096 /* bytes of one text */

enum node_kind { NODE_NULL, NODE_TEXT, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	struct mark mark;
	char *text; /* NODE_TEXT: as written, whatever it looks like */
	bool quoted; /* NODE_TEXT: '...', "..." or a block */
	struct node **item; /* NODE_LIST: items; NODE_MAP: values */
	struct node **key; /* NODE_MAP: texts, same order as item */
	size_t n;
	char *file; /* of the root alone: the name that the marks below it lend */
};

/*
 * The document, or NULL with every problem in diags; one without content (empty, comments alone) is a NODE_NULL.  The
 * file name is copied.  Free with node_free.
 */
struct node *node_parse_yaml(const char *file, const char *text, size_t n, struct diags *diags);
struct node *node_load_yaml(const char *path, struct diags *diags);
/* Numbers become plain decimal texts; what names the source in marks. */
struct node *node_from_json(const json_t *j, const char *what);
void node_free(struct node *); /* NULL is fine */

const struct node *node_get(const struct node *map, const char *key); /* NULL: absent or not a map */
const char *node_text(const struct node *map, const char *key); /* NULL: absent or not a text */
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
 * Replace ${NAME} and ${NAME:-default} in every value below (not in keys), once: what a variable holds is text, never
 * YAML and never expanded again.  The default stands in for an unset or empty variable and cannot hold '}'.  An unset
 * variable without default is an error that names it.  A literal ${ is written $${.
 */
void node_expand_env(struct node *, struct diags *diags);

#endif
