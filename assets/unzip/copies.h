/*
 * copies.h: objects that are copied along with an archive, such as the weather sensor's file of the night.
 */
#ifndef ASSETS_UNZIP_COPIES_H
#define ASSETS_UNZIP_COPIES_H

#include "assets/run_names.h"
#include "assets/unzip/conf.h"
#include "base/json.h"
#include "store/sync.h"

struct step;

/*
 * Copy what there is, server-side, unless the same is there already.  *out is an array of {"from", "to",
 * "etag", "size"}.  In a dry run it says what it would do.  A missing source of `copies` is a warning.
 */
int copies_run(struct step *, struct store *, const struct unzip_conf *, const struct unzip_run_conf *,
    const struct run_names *, json_t **out, struct err *err);

#endif
