/*
 * pieces.h: which objects are the archive of this run: listed, held against the check file, in order.
 */
#ifndef ASSETS_UNZIP_PIECES_H
#define ASSETS_UNZIP_PIECES_H

#include "assets/run_names.h"
#include "assets/unzip/conf.h"
#include "store/sync.h"

struct step;

struct pieces {
	struct store_entry *v; /* in order of their numbers */
	size_t n;
	int64_t bytes;
	struct store_entry check; /* key NULL: there is none */
	bool no_data; /* the check file says that there is nothing; v may hold stray pieces all the same */
};

/*
 * Find the pieces (given by the run, or listed) and compare them with the check file.  Keys that do not belong
 * are dropped with a warning.  Class BAD_DATA with the codes of formats/checkfile.h; "not_found" when there are
 * no pieces.
 */
int pieces_find(struct step *, struct store *, const struct unzip_conf *, const struct unzip_run_conf *,
    const struct run_names *, struct pieces *out, struct err *err);
void pieces_release(struct pieces *);
/* The last component of a key; lent from it. */
const char *pieces_base_name(const char *key);

#endif
