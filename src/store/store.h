/*
 * store.h: objects by key.  Public: sensors and steps reach the world's objects through this and nothing else.
 *
 * Two implementations: `dir` (a folder) and `s3`.  All calls are asynchronous on the loop the store was opened with:
 * they return an operation at once (never NULL), and the callback runs later from the loop, never from inside the
 * call, exactly once (list: once per page; get: zero or more on_data, then on_done once), also after an error.  The
 * operation is gone when its last callback returns.  store_op_cancel ends it without any further callback.  Everything
 * passed to a callback is lent for its duration; everything passed to a call is copied unless it says otherwise.
 * store/sync.h has the same calls as plain functions for steps.
 *
 * Keys are bytes: valid UTF-8, 1 to 1024 bytes, no NUL; never normalised.  `dir` refuses with class PERMANENT code
 * "bad_key" what a file name cannot hold safely (absolute, empty, '.' or '..' components, components over 255 bytes,
 * the reserved name ".orch").  A listing is in bytewise key order on every store.
 *
 * Errors.  A missing object is class PERMANENT code "not_found"; a failed condition PERMANENT code "precondition";
 * no access PERMANENT code "denied"; what may pass (network, 5xx, an answer cut or garbled on its way, disk full) is
 * TRANSIENT; bytes that do not hash to what they should are BAD_DATA code "corrupt".
 */
#ifndef STORE_H
#define STORE_H

#include "base/digest.h"
#include "base/err.h"
#include "conf/opt.h"

struct event_base;
struct store;
struct store_op;

#define STORE_KEY_MAX  1024
#define STORE_ETAG_MAX 96

struct store_object {
	const char *key;
	int64_t size;
	const char
	    *etag; /* unquoted; changes whenever the content does; equal only for equal content history */
	tm_ms modified; /* display only: stores round it differently */
	const char *sha256; /* hex, when the store keeps it (written by put); NULL otherwise */
};

enum {
	STORE_CAP_DELETE_IF_MATCH =
	    1 << 0, /* delete is conditional in the store itself, not look-then-delete */
	STORE_CAP_PUT_IF_ABSENT = 1 << 1,
};

struct store_type {
	const char *name, *summary;
	const struct opt *opts;
	size_t conf_size;
	/* Variables its code reads itself ("AWS_*"), handed to steps that use such a store; NULL-terminated; may be NULL. */
	const char *const *environment;
	/* Cross-checks of a bound conf beyond the rows; may be NULL. */
	int (*check)(const void *conf, struct err *err);
	/* What those who tell of new objects call it, lent; NULL: by the store's name. */
	const char *(*bucket)(const void *conf);
	/* conf stays the caller's and must outlive the store. */
	struct store *(*open)(const char *name, const void *conf, struct event_base *base, struct err *err);
};
extern const struct store_type *const store_types[]; /* NULL-terminated */
const struct store_type *store_type_find(const char *name);

/* Every implementation begins with this. */
struct store {
	const struct store_ops *ops;
	char *name; /* as in the configuration */
	struct event_base *base;
	unsigned caps;
	char *origin; /* store_set_origin */
};

typedef void store_list_cb(
    const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg);
typedef void store_info_cb(const struct store_object *obj, const struct err *err, void *arg);
typedef void store_done_cb(const struct err *err, void *arg); /* err NULL: success */

struct store_get_cbs {
	/* Once before the first data; size is known and will be delivered exactly, or on_done has an error. */
	void (*on_start)(const struct store_object *obj, void *arg); /* may be NULL */
	void (*on_data)(const void *p, size_t n, void *arg);
	void (*on_done)(const struct err *err, void *arg);
};

struct store_put_opts {
	const char *content_type; /* NULL: application/octet-stream */
	const char *if_match; /* overwrite only this ETag */
	bool if_absent; /* create only */
	/*
	 * A crash of the machine may lose or tear this object until store_barrier has answered.  For many objects that a
	 * manifest commits later.  Without it the object is durable when the callback says so.
	 */
	bool lazy;
	const char *sha256; /* hex of the content when the caller knows it; checked and kept */
	/*
	 * store_put only: the bytes stay valid until the callback, so they are not copied; and a sha256 given with them is
	 * taken as just made from them, not checked again here (an S3 server still does).
	 */
	bool lent;
};

/* One of many deletions; if_match NULL: whatever it holds. */
struct store_deletion {
	const char *key, *if_match;
};

struct store_delete_cbs {
	/*
	 * Once for each, in no order.  err NULL: deleted.  "not_found": it was not there (told only with if_match);
	 * "precondition": it has changed; otherwise what kept this one from being deleted.
	 */
	void (*on_item)(size_t i, const struct err *err, void *arg);
	void (*on_done)(void *arg); /* after the last of them */
};

#define STORE_BATCH_MAX 1000

struct store_ops {
	void (*close)(struct store *);
	struct store_op *(*list)(struct store *, const char *prefix, const char *start_after, size_t max,
	    store_list_cb *, void *arg);
	struct store_op *(*head)(struct store *, const char *key, store_info_cb *, void *arg);
	struct store_op *(*get)(struct store *, const char *key, const char *if_match, int64_t offset,
	    const struct store_get_cbs *, void *arg);
	struct store_op *(*put)(struct store *, const char *key, const void *p, size_t n,
	    const struct store_put_opts *, store_info_cb *, void *arg);
	struct store_op *(*put_file)(struct store *, const char *key, int fd, int64_t size,
	    const struct store_put_opts *, store_info_cb *, void *arg);
	struct store_op *(*copy)(
	    struct store *, const char *from, const char *if_match, const char *to, store_info_cb *, void *arg);
	struct store_op *(*del)(
	    struct store *, const char *key, const char *if_match, store_done_cb *, void *arg);
	struct store_op *(*delete_many)(struct store *, const struct store_deletion *, size_t n,
	    const struct store_delete_cbs *, void *arg);
	/* At most STORE_BATCH_MAX at once, without looking first; "unsupported": one by one.  NULL: the store has none. */
	struct store_op *(*delete_batch)(struct store *, const struct store_deletion *, size_t n,
	    const struct store_delete_cbs *, void *arg);
	struct store_op *(*barrier)(struct store *, store_done_cb *, void *arg);
	void (*tend)(struct store *, bool deletes); /* may be NULL */
	void (*pause)(struct store_op *, bool paused);
	void (*cancel)(struct store_op *);
	/* A short public location for people and lineage, no secrets: "file:///srv/store", "s3://bucket". */
	const char *(*location)(struct store *);
};

struct store *store_open(const struct store_type *type, const char *name, const void *conf,
    struct event_base *base, struct err *err);
/*
 * What a store does on its own behalf when it is opened for work, in the background: clear away what a crash left behind,
 * and, when conditional deletes are to follow, find out how this server does them.  Nothing waits for it.
 */
void store_tend(struct store *, bool deletes);
void store_close(struct store *); /* cancels what is under way; NULL is fine */

/*
 * Walk the keys under a prefix in order, a page (at most 1000) per callback, until `last`.  start_after may be NULL;
 * max 0 means all.  A failed listing reports the error with n = 0 and last set; pages already delivered are then
 * incomplete knowledge and the caller must drop them.
 */
struct store_op *store_list(
    struct store *, const char *prefix, const char *start_after, size_t max, store_list_cb *cb, void *arg);
struct store_op *store_head(struct store *, const char *key, store_info_cb *cb, void *arg);
/* From offset to the end; if_match (may be NULL) pins the ETag: a changed object fails with "precondition". */
struct store_op *store_get(struct store *, const char *key, const char *if_match, int64_t offset,
    const struct store_get_cbs *cbs, void *arg);
/* The object appears whole or not at all.  The bytes are copied unless opts->lent.  opts may be NULL. */
struct store_op *store_put(struct store *, const char *key, const void *p, size_t n,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg);
/* The same from a file's first `size` bytes; the descriptor stays the caller's and must stay open until the callback. */
struct store_op *store_put_file(struct store *, const char *key, int fd, int64_t size,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg);
/* Server-side copy; if_match (may be NULL) pins the source. */
struct store_op *store_copy(
    struct store *, const char *from, const char *if_match, const char *to, store_info_cb *cb, void *arg);
/* With if_match: delete only that content, "precondition" when it changed.  A missing key is success. */
struct store_op *store_delete(
    struct store *, const char *key, const char *if_match, store_done_cb *cb, void *arg);
/*
 * Any number of deletions, copied.  Each object is looked at and compared first, also where the store deletes
 * conditionally: one that is not there is told from one that has changed.
 */
struct store_op *store_delete_many(
    struct store *, const struct store_deletion *, size_t n, const struct store_delete_cbs *cbs, void *arg);
/* All lazy puts that succeeded before this call are durable when it answers. */
struct store_op *store_barrier(struct store *, store_done_cb *cb, void *arg);

void store_op_pause(struct store_op *, bool paused); /* get only: back-pressure */
void store_op_cancel(struct store_op *); /* NULL is fine */
/* Who puts from now on: a word kept with each object where the store keeps more than bytes (s3: metadata run-uid). */
void store_set_origin(struct store *, const char *run_uid);
const char *store_location(struct store *);
int store_key_check(const char *key, struct err *err);

/* Every operation begins with this; implementations embed it. */
struct store_op {
	struct store *store;
};

#endif
