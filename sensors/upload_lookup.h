/*
 * upload_lookup.h: the few uploads that were announced, listed one by one instead of everything.
 *
 * First the check file, for without it no upload is whole and nothing can be asked for; then what begins like its pieces.
 * Both by listings: a verdict must rest on the same ETags whichever tick made it.
 */
#ifndef UPLOAD_LOOKUP_H
#define UPLOAD_LOOKUP_H

#include "sensors/upload_walk.h"

struct upload_lookups;

struct upload_looked_up {
	int64_t nkeys; /* objects listed */
	size_t unchecked; /* uploads without check file: they are in no group */
};

/* groups: those that were found, NULL-terminated, in the sensor's table; the array is the receiver's to free(). */
typedef void upload_looked_up_cb(
    struct upload_group **groups, const struct upload_looked_up *what, const struct err *err, void *arg);

/* Whether these are uploads of this configuration that can be listed by name; hints may be older than it. */
bool upload_lookups_can(struct chunked_upload *, const char *const *hints, size_t n);
/* n > 0; hints are lent until it is freed.  Exactly one call of cb, from the loop, after the last listing or a failed one. */
struct upload_lookups *upload_lookups_start(struct chunked_upload *, struct store *, const char *const *hints,
    size_t n, upload_looked_up_cb *cb, void *arg);
/* Also from cb; NULL is fine. */
void upload_lookups_free(struct upload_lookups *);

#endif
