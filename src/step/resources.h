/*
 * resources.h: the stores and databases of a step's context, opened by name when first asked for.
 */
#ifndef RESOURCES_H
#define RESOURCES_H

#include "base/err.h"
#include "base/json.h"
#include "conf/opt.h"

struct database;
struct resources;
struct store;

/* Both mappings {name: {"type", "options"}} are lent and must outlive the resources; so is run_uid, the stores' origin. */
struct resources *resources_new(const json_t *stores, const json_t *databases, const char *run_uid);
void resources_free(struct resources *); /* closes all; NULL is fine */

/* Owned by the resources.  An unknown name or type, or options that do not bind, are class CONFIG. */
struct store *resources_store(struct resources *, const char *name, struct err *err);
struct database *resources_database(struct resources *, const char *name, struct err *err);
/* A connection of the caller's own. */
struct database *resources_database_fresh(struct resources *, const char *name, struct err *err);

/* Bind a JSON mapping to a new struct of `size` bytes: opt_release and free it.  where names it in messages. */
int bind_options(
    const struct opt *opts, size_t size, const json_t *values, const char *where, void **out, struct err *err);

#endif
