/*
 * relay.h: the one place where the two threads of the unpacker meet.
 *
 * The loop's thread feeds archive bytes in and takes finished members out; the worker inflates between the two.
 * Both directions are bounded by bytes, so memory is bounded whatever the archive holds.  Whoever waits is
 * woken by the other side or by relay_stop.
 */
#ifndef ASSETS_UNZIP_RELAY_H
#define ASSETS_UNZIP_RELAY_H

#include "base/digest.h"
#include "base/err.h"

/* Members up to this size travel in memory; larger ones in an unlinked file of the step's folder. */
#define RELAY_SMALL    (4 << 20)
#define RELAY_FEED_MAX (4 << 20)
#define RELAY_OUT_MAX  (20 << 20)

/* A complete member on its way to the store. */
struct parcel {
	struct parcel *next;
	int64_t size, cost;
	char *bytes; /* small: the content */
	int fd; /* large: a file with the content and its sum; -1 otherwise */
	char sha256[SHA256_HEX];
	char path[]; /* below the destination */
};
struct relay;

struct relay *relay_new(struct err *err);
void relay_free(struct relay *); /* after the worker has ended; frees what is queued */
void relay_stop(struct relay *); /* both sides give up; from either thread */

/* The loop's side.  relay_fd becomes readable after every step of the worker; relay_heard clears it. */
int relay_fd(const struct relay *);
void relay_heard(struct relay *);
bool relay_hungry(struct relay *); /* there is room for more of the archive */
void relay_feed(struct relay *, size_t piece, const void *p, size_t n); /* copies */
void relay_feed_end(struct relay *);
struct parcel *relay_take(struct relay *); /* NULL: none at present */
/* The parcel's bytes are in the store (or not needed): its share of the memory may be used again. */
void relay_settle(struct relay *, struct parcel *);
/* The worker has failed, or it has ended well and everything was taken. */
bool relay_ended(struct relay *, int *rc, struct err *err);

/* The worker's side.  Blocks; 1: bytes, lent until the next call; 0: the archive has ended; -1: stopped. */
int relay_read(struct relay *, size_t *piece, const void **p, size_t *n);
/* Room for a member of this size; blocks until there is; NULL: stopped. */
struct parcel *relay_parcel(struct relay *, const char *path, int64_t size);
void relay_send(struct relay *, struct parcel *); /* takes it over */
void relay_drop(struct relay *, struct parcel *); /* it will not be finished; NULL is fine */
void relay_end(struct relay *, int rc, const struct err *err);

#endif
