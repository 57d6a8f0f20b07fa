/*
 * upload_table.h: the uploads of one sensor by the names of their check files.
 *
 * Groups keep what they know of their check file from tick to tick, so that it is read once per ETag; pieces are
 * forgotten after every tick.  A tick that fails half-way harms nothing: the next begin starts afresh.
 */
#ifndef UPLOAD_TABLE_H
#define UPLOAD_TABLE_H

#include "sensors/upload_group.h"

struct upload_table {
	struct upload_group **slot; /* open addressing; size is a power of two */
	size_t size, n;
	uint64_t tick; /* counts upload_table_begin */
};

/* Zeroed is empty. */
void upload_table_release(struct upload_table *);
/* A new tick: no member of any group is seen yet. */
void upload_table_begin(struct upload_table *);
/* The group of that key, made when it is new; in a tick its first use empties it.  Lent until release or sweep. */
struct upload_group *upload_table_get(struct upload_table *, const char *key, size_t n);
/*
 * After a whole listing: groups without a member in this tick are freed, the others returned oldest date first,
 * then by key, NULL-terminated; free() the array, not the groups.
 */
struct upload_group **upload_table_sweep(struct upload_table *);
/* Give the memory of the pieces back. */
void upload_table_end(struct upload_table *);

#endif
