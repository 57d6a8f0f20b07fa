/*
 * sync.h: store calls as plain functions, for steps.  Each runs the store's own loop until its operation has ended,
 * so they must not be called from a callback, nor from two threads with one store.
 */
#ifndef STORE_SYNC_H
#define STORE_SYNC_H

#include "store/store.h"

/*
 * From now on every call asks `stop` a few times a second while it waits, and ends with class CANCELLED soon after it
 * says yes.  For the process as a whole: a step sets it once to its own "was I told to end".  NULL: never.
 */
void store_sync_stop_when(bool (*stop)(void *arg), void *arg);

/* Owned copy of what a callback lends. */
struct store_entry {
	char *key;
	int64_t size;
	char etag[STORE_ETAG_MAX];
	char sha256[SHA256_HEX]; /* empty when the store does not know it */
	tm_ms modified;
};
struct store_listing {
	struct store_entry *v;
	size_t n;
};
void store_listing_release(struct store_listing *);
void store_entry_release(struct store_entry *);

/* All keys under the prefix, in order; more than limit is an error of class BAD_DATA code "limit". */
int store_sync_list(
    struct store *, const char *prefix, size_t limit, struct store_listing *out, struct err *err);
int store_sync_head(struct store *, const char *key, struct store_entry *out, struct err *err);
/* The whole object appended to out (whose limit holds); if_match may be NULL; entry may be NULL. */
int store_sync_get(struct store *, const char *key, const char *if_match, struct strbuf *out,
    struct store_entry *entry, struct err *err);
int store_sync_get_file(
    struct store *, const char *key, const char *if_match, int fd, int64_t limit, struct err *err);
/* sha256 of the object as read back from the store: the independent re-read. */
int store_sync_digest(struct store *, const char *key, char sha256[SHA256_HEX], int64_t *size, struct err *err);
int store_sync_put(struct store *, const char *key, const void *p, size_t n, const struct store_put_opts *opts,
    struct store_entry *out, struct err *err);
int store_sync_put_file(struct store *, const char *key, const char *path, const struct store_put_opts *opts,
    struct store_entry *out, struct err *err);
int store_sync_copy(struct store *, const char *from, const char *if_match, const char *to,
    struct store_entry *out, struct err *err);
int store_sync_delete(struct store *, const char *key, const char *if_match, struct err *err);
/* on_item is called as each is settled, see store_delete_many; -1 only when told to stop. */
int store_sync_delete_many(struct store *, const struct store_deletion *, size_t n,
    void (*on_item)(size_t i, const struct err *err, void *arg), void *arg, struct err *err);
int store_sync_barrier(struct store *, struct err *err);

#endif
