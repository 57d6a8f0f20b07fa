/*
 * asset.h: asset types.  Public: one row per type, in assets/NAME.c.
 *
 * The row is known to the daemon (validation, `orchctl types`); the work runs only in orch-step, as the function
 * asset_NAME_run.  Both are named by one line in assets/types.def.
 */
#ifndef ASSET_H
#define ASSET_H

#include "base/err.h"
#include "conf/opt.h"

struct schema;
struct step;

enum {
	ASSET_COMMAND = 1 << 0, /* runs a program of the user's: started by orch-exec, not by orch-step */
	ASSET_DELETES = 1 << 1, /* removes inputs: refused while the partition is on hold */
	ASSET_ANY_CONFIG =
	    1 << 2, /* takes any run config: a key that no row knows is passed on as the text it is */
};

struct asset_type {
	const char *name, *summary;
	/* Settings in the pipeline file, bound to conf_size bytes. */
	const struct opt *opts;
	size_t conf_size;
	/* What a run may set: the `config:` of run.yaml, a sensor's run request, --set.  All assets of a run share one mapping. */
	const struct opt *run_opts;
	size_t run_conf_size;
	unsigned flags;
	/*
	 * The version of its work: another text when the same inputs and options give other results than before.  What was made
	 * with an earlier one is stale then; a new version of the software alone makes nothing so.
	 */
	const char *code_version;
	/* Top-level sections of the configuration files this type reads itself ("sites"), NULL-terminated; may be NULL. */
	const char *const *sections;
	/* The tables its work writes, in the database that its option of type OPT_DATABASE names; may be NULL. */
	const struct schema *schema;
	/* Cross-checks of a bound conf beyond the rows; may be NULL. */
	int (*check)(const void *conf, struct err *err);
};
extern const struct asset_type *const asset_types[]; /* NULL-terminated; assets/registry.c */
const struct asset_type *asset_type_find(const char *name);

/* The work.  0: done; -1: err says what and its class decides on a retry.  Must be safe to run twice. */
typedef int asset_run_fn(struct step *step, const void *conf, const void *run_conf, struct err *err);

#endif
