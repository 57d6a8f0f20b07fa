/*
 * conf_loader.h: what the parts of conf_load share.  Order: files are read (conf_files), their sections gathered into
 * declarations (conf_decl), objects bound (conf_bind), the graph made (conf_graph), and the whole checked (conf_check).
 */
#ifndef CONF_LOADER_H
#define CONF_LOADER_H

#include "conf/conf.h"
#include "conf/node.h"
#include "conf/opt_bind.h"

#include <sys/types.h>

#define CONF_FILES_MAX 200
#define CONF_NAME_MAX  100 /* bytes of a name */

struct conf_file {
	char *shown; /* as in messages: like the user wrote it */
	char *path; /* absolute */
	struct node *root; /* NULL: could not be read */
	dev_t dev;
	ino_t ino;
	const struct conf_file *parent;
	const struct node *from; /* the include entry, NULL for the first */
};

/* One `name: {...}` of a section. */
struct conf_decl {
	const struct node *key, *body;
};

enum conf_kind {
	CONF_POOL,
	CONF_STORE,
	CONF_DATABASE,
	CONF_SENSOR,
	CONF_ASSET,
	CONF_JOB,
	CONF_NOTIFICATION,
	CONF_NKINDS
};

/* "pool" ... "notification" */
extern const char *const conf_kind_name[CONF_NKINDS];

struct conf_decls {
	struct conf_decl *v;
	size_t n, cap;
};

enum conf_single { CONF_STATE_DIR, CONF_WEB, CONF_PUSH, CONF_LIMITS, CONF_NSINGLES };

struct loader {
	struct conf *conf;
	struct diags *diags;
	struct conf_file *files[CONF_FILES_MAX];
	size_t nfiles;
	const char *shown; /* the first file's name as it was given */
	bool too_many;
	bool whole; /* every file was read: only then can be said what does not exist */
	struct conf_decls
	    decls[CONF_NKINDS]; /* sorted by name; the same order as the arrays of conf, but for assets */
	struct conf_decl single[CONF_NSINGLES]; /* key NULL: absent */
	const struct conf_decl **asset_decl; /* of conf->assets[i] */
	const struct node **section_key; /* of conf->sections[i] */
};

void conf_files_read(struct loader *);
void conf_files_free(struct loader *);
void conf_decls_gather(struct loader *);
void conf_bind_objects(struct loader *);
/*
 * Resolves dependencies, puts conf->assets into their order and makes conf->index; what is wrong is left out, so that
 * the rest can still be checked.
 */
void conf_graph_make(struct loader *);
void conf_jobs_resolve(struct loader *);
void conf_check_all(struct loader *);
/* exposed: what a warning says of an address that other machines can reach. */
/* web.time_zones, which is given. */
void conf_check_time_zones(struct loader *l, const struct mark *mark);
void conf_check_listen(const char *listen, const char *exposed, const struct mark *mark, struct diags *diags);

/* "asset 'unzip'" */
const char *conf_where(enum conf_kind kind, const char *name, char out[CONF_NAME_MAX + 32]);
/* A name somebody may give: letters, digits, '_', '-', '.', beginning with a letter, digit or '_'. */
int conf_name_check(const char *name, struct err *err);

/* Names that must differ by more than case. */
struct conf_named {
	const char *name;
	const struct mark *mark;
};
/* Sorts v. */
void conf_names_distinct(struct conf_named *v, size_t n, const char *what, struct diags *diags);

/* The run options of several assets: each table once. */
struct run_rows {
	struct opt_part *parts; /* without a conf */
	size_t n;
	bool any; /* keys that no row knows are accepted */
};
void run_rows_init(struct run_rows *, struct conf_asset *const *assets, size_t n);
void run_rows_release(struct run_rows *);
/* Whether any row has that name. */
bool run_rows_has(const struct run_rows *, const char *name);
/* Check one value against every row of its name. -1 with the first offence. */
int run_rows_check(const struct run_rows *, const struct node *key, const struct node *value, const char *where,
    struct diags *diags);

#endif
