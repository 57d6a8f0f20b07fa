/*
 * loader.h: one pass over an archive: pieces from the store through the worker, members into the store.
 *
 * Runs the store's loop until the pass has ended.  The next piece is fetched while the last one is still being
 * inflated, and members are hashed and put meanwhile, so both cores and the store have work; memory is bounded
 * by the relay.
 */
#ifndef ASSETS_UNZIP_LOADER_H
#define ASSETS_UNZIP_LOADER_H

#include "assets/archive/members.h"
#include "assets/unzip/pieces.h"
#include "assets/unzip/written.h"

struct step;

struct loader_conf {
	struct step *step;
	struct store *store;
	const struct unzip_conf *conf;
	const struct pieces *pieces;
	const char *destination;
	const struct store_listing *existing; /* objects under destination */
	struct written *written;
	bool write; /* false: look only; what would be written is counted */
	bool report; /* tell each effect */
};

struct loader_result {
	struct members *members; /* owned; NULL on failure */
	int64_t written; /* objects put, or that would be */
	int64_t present; /* objects that were there already with the same content */
	int64_t repeated; /* members that came twice with the same content */
};

/*
 * Lazy puts: the caller commits them with a barrier.  Class TRANSIENT code "chunks.changed" when a piece is not
 * what was listed; errors of the archive as in archive/unpack.h, with the piece's name.
 */
int loader_run(const struct loader_conf *, struct loader_result *out, struct err *err);

#endif
