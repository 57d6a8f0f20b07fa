/*
 * durable.h: independent re-reads of what a run has made: objects in the store, rows in the database.
 *
 * Nothing here believes a record; every function looks at the world and says what it saw.
 */
#ifndef ASSETS_CLEANUP_DURABLE_H
#define ASSETS_CLEANUP_DURABLE_H

#include "base/err.h"
#include "base/json.h"
#include "conf/opt.h"

struct look;
struct step;
struct store;

/* HEAD of many objects (store/look.h), with progress, until the step is cancelled. */
int durable_look(struct step *, struct store *, struct look *v, size_t n, struct err *err);

/*
 * Every object of a manifest is there with its size and sha256.  read_back: its bytes are read and hashed;
 * otherwise the store's own record of the sum is enough where it keeps one.  *checked: {"objects", "bytes",
 * "read_back"}.  Class BAD_DATA code "not_durable" names the first object that is missing or different.
 */
int durable_objects(
    struct step *, struct store *, const json_t *manifest, bool read_back, json_t **checked, struct err *err);

/*
 * The effect row of each manifest is in the database, and the tables named in `rows` (table -> column of the
 * run) hold together as many rows of the run as the manifests say.  On a connection of its own.  manifests: an
 * array of {"sha256", "manifest"}.
 */
int durable_rows(struct step *, const char *database, const struct strmap *rows, const json_t *manifests,
    json_t **checked, struct err *err);

#endif
