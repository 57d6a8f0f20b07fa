/*
 * look.h: HEAD of many objects, several at a time, so that a store's latency is paid once per dozen and not once per
 * object.
 */
#ifndef ASSETS_CLEANUP_LOOK_H
#define ASSETS_CLEANUP_LOOK_H

#include "base/digest.h"
#include "base/err.h"
#include "store/store.h"

struct step;

struct look {
	const char *key; /* lent */
	bool there;
	int64_t size;
	tm_ms modified;
	char etag[STORE_ETAG_MAX];
	char sha256[SHA256_HEX]; /* empty when the store does not keep it */
};

/* Fill v[0..n-1].  A missing object is no error; any other failure, or a cancelled step, ends the look. */
int look_all(struct step *, struct store *, struct look *v, size_t n, struct err *err);

#endif
