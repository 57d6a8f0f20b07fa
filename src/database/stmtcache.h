/*
 * stmtcache.h: a few prepared statements by their text.  Internal to database/.
 *
 * A step repeats a handful of statements hundreds of times; the least recently used one makes room.
 */
#ifndef STMTCACHE_H
#define STMTCACHE_H

#include "base/util.h"

#define STMTCACHE_SLOTS 16

struct stmtcache {
	void (*free)(void *stmt);
	uint64_t turn;
	struct {
		char *sql;
		void *stmt;
		uint64_t used;
	} slot[STMTCACHE_SLOTS];
};

/* Lent until the next put or clear; NULL when it is not there. */
void *stmtcache_get(struct stmtcache *, const char *sql);
/* Takes over stmt. */
void stmtcache_put(struct stmtcache *, const char *sql, void *stmt);
void stmtcache_clear(struct stmtcache *);

#endif
