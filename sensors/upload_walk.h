/*
 * upload_walk.h: one tick of the chunked_upload sensor.
 *
 * A tick for everything lists the prefixes, several at a time, page by page: an object is a piece, a check file or
 * nobody's (reported at once and forgotten).  A tick for a few announced uploads lists those alone: first the check file, for without it no
 * upload is whole and there is nothing to ask for; then what begins like its pieces.  What it does not see it says nothing
 * of: a piece that is missed makes an upload pending, never complete, and the next tick for everything puts it right.
 *
 * Then the check files not read before are read, a few at a time; then every upload is judged.  The world decides anew in
 * every tick: a complete upload asks for its run each time, and the engine drops what it has had.
 */
#ifndef UPLOAD_WALK_H
#define UPLOAD_WALK_H

#include "sensors/chunked_upload.h"
#include "sensors/upload_names.h"
#include "sensors/upload_table.h"

struct store;
struct upload_walk;

/* What lives from tick to tick. */
struct chunked_upload {
	const struct chunked_upload_conf *conf;
	struct upload_names *names;
	struct strvec prefixes; /* each empty or with a slash at the end; none lies in another */
	unsigned complete_when;
	struct upload_table table;
	struct upload_walk *walk; /* the tick under way */
};

/* What templates know the prefix of an upload by, unless a group has that name. */
#define UPLOAD_PREFIX_NAME "prefix"

/* Where the name begins in a key that lies directly below one of the prefixes; NULL: it lies elsewhere. */
const char *upload_base(const struct chunked_upload *, const char *key);

/* What templates know of the upload whose check file has this key, its name beginning at base; n 0: it is no such key. */
void upload_values_of(struct chunked_upload *, const char *key, size_t base, struct upload_values *out);

/* Ends with tick_done, and is gone then; cu->walk is NULL again. */
struct upload_walk *upload_walk_start(struct chunked_upload *, struct store *, struct tick *);
void upload_walk_free(struct upload_walk *); /* dropped, without tick_done */
const struct tick *upload_walk_tick(const struct upload_walk *);

#endif
