/*
 * deletion.h: a list of objects that is going to be deleted, made durable first and then carried out to its
 * end, by this attempt or a later one.
 */
#ifndef ASSETS_CLEANUP_DELETION_H
#define ASSETS_CLEANUP_DELETION_H

#include "base/err.h"
#include "base/json.h"

struct step;
struct store;

struct deletion {
	struct step *step;
	struct store *store;
	const char *trash; /* prefix of the copies; NULL: none */
	json_t *items; /* [{"key", "etag", "size"}, ...] */
	json_t *
	    kept; /* [{"key", "etag", "now"}, ...]: changed since the list was made: another generation, not ours to delete */
	int64_t deleted, absent, bytes;
	char *path;
};

/* name is the intent's file in the ledger folder.  *replay: an earlier attempt has written it, items are its list. */
int deletion_init(struct deletion *, struct step *, struct store *, const char *trash, const char *name,
    bool *replay, struct err *err);
void deletion_release(struct deletion *);
/* INTENT: from when this returns the list is carried out whatever happens. */
int deletion_intend(struct deletion *, struct err *err);
/* DELETING: each object that is still the listed one.  A failure leaves the rest for the next attempt. */
int deletion_run(struct deletion *, struct err *err);
/* VERIFIED: nothing of the list is there any more but what was kept. */
int deletion_verify(struct deletion *, struct err *err);
/* {"objects", "deleted", "absent", "bytes", "kept": [...]}; the caller's. */
json_t *deletion_summary(const struct deletion *);

#endif
