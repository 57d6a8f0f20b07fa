/* opt_bind.h: binding one mapping to several tables at once: the engine's options and those of a type. */
#ifndef OPT_BIND_H
#define OPT_BIND_H

#include "conf/diag.h"
#include "conf/node.h"
#include "conf/opt.h"

struct opt_part {
	const struct opt *opts; /* NULL: none */
	void *conf;
};

/* In the place of `also`: keys that no part knows are passed over. */
extern const char *const opt_also_anything[1];

/*
 * As opt_bind, with the members shared out among the parts; a key that no part knows and that is not among `also`
 * (NULL-terminated, may be NULL: read by the caller) is an error.
 */
int opt_bind_parts(const struct opt_part *parts, size_t n, const char *const *also, const struct node *map,
    const char *where, struct diags *diags);

/* One value by its row.  A conf of NULL checks without keeping anything. */
int opt_bind_value(
    const struct opt *opt, const struct node *value, const char *where, void *conf, struct diags *diags);

/* "unknown key 'x' in WHERE; did you mean 'y'?", or the known names when none is near. */
void opt_unknown(const struct opt_part *parts, size_t n, const char *const *also, const struct node *key,
    const char *where, struct diags *diags);

/*
 * Report required rows that map (may be NULL) does not give, each name once; one that an unknown key of the map most
 * likely means is left out, since that key is reported.  mark is the place; -1 when any is missing.
 */
int opt_require(const struct opt_part *parts, size_t n, const struct node *map, const struct mark *mark,
    const char *where, struct diags *diags);

#endif
