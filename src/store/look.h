/*
 * look.h: HEAD of many objects, several at a time, so that a store's latency is paid once per dozen and not once per
 * object.  Public.
 */
#ifndef STORE_LOOK_H
#define STORE_LOOK_H

#include "store/store.h"

struct look {
	const char *key; /* lent */
	bool there;
	int64_t size;
	tm_ms modified;
	char etag[STORE_ETAG_MAX];
	char sha256[SHA256_HEX]; /* empty when the store does not keep it */
};

/* Who waits for a look; both may be NULL. */
struct look_watch {
	bool (*stop)(void *arg); /* yes: the look ends with class CANCELLED */
	void (*progress)(size_t done, size_t n, void *arg);
	void *arg;
};

/* Fill v[0..n-1].  A missing object is no error; any other failure ends the look. */
int look_all(struct store *, struct look *v, size_t n, const struct look_watch *watch, struct err *err);

#endif
