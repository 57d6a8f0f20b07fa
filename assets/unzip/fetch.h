/*
 * fetch.h: the bytes of all pieces in their order.
 *
 * While one piece arrives, the next one is already on its way and waits in memory up to a limit, so the store's
 * latency between two pieces is hidden.  Every piece is pinned to the ETag of its listing.
 */
#ifndef ASSETS_UNZIP_FETCH_H
#define ASSETS_UNZIP_FETCH_H

#include "assets/unzip/pieces.h"

#define FETCH_AHEAD_MAX (4 << 20) /* bytes of the next piece that may wait */

struct fetch;

struct fetch_cbs {
	/* In order, never empty, lent for the call. */
	void (*on_data)(size_t piece, const void *p, size_t n, void *arg);
	/*
	 * Once, after the last byte or a failure: class TRANSIENT code "chunks.changed" when a piece is not what was
	 * listed.  fetch_free may be called from within.
	 */
	void (*on_end)(const struct err *err, void *arg);
};

/* Everything is lent until fetch_free; callbacks run from the store's loop. */
struct fetch *fetch_start(struct store *, const struct pieces *, const struct fetch_cbs *, void *arg);
/* Back-pressure: soon no more on_data. */
void fetch_hold(struct fetch *, bool hold);
void fetch_free(struct fetch *); /* cancels; NULL is fine */

#endif
