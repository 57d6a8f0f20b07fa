/*
 * shared.h: objects that belong to a site's night, not to one instrument: who may delete them.
 */
#ifndef ASSETS_CLEANUP_SHARED_H
#define ASSETS_CLEANUP_SHARED_H

#include "assets/cleanup/conf.h"
#include "assets/run_names.h"
#include "base/json.h"
#include "store/sync.h"

struct step;

struct shared {
	struct step *step;
	struct store *store;
	const struct cleanup_conf *conf;
	const struct run_names *names;
	const json_t *manifest; /* of this instrument's unpacking */
};

/*
 * Append to items ({"key", "etag", "size"}) every shared object that this run has copied along, whose copy is
 * there with the same content, and that nobody else needs any more; say in *checked what was decided and why.
 */
int shared_decide(const struct shared *, json_t *items, json_t **checked, struct err *err);

#endif
