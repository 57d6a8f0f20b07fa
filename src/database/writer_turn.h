/*
 * writer_turn.h: processes that write the same file take turns.  Internal to database/.
 *
 * The turn is a lock on a file of its own beside the database.  It goes with its process, so a killed writer never
 * leaves one behind.
 */
#ifndef WRITER_TURN_H
#define WRITER_TURN_H

#include "base/err.h"

struct writer_turn {
	char *path;
	int fd; /* -1: not ours */
};

/* For the database file at path. */
void writer_turn_init(struct writer_turn *, const char *path);
void writer_turn_release(struct writer_turn *);
/* Wait up to patience; TRANSIENT "busy" when that was not enough. */
int writer_turn_take(struct writer_turn *, tm_ms patience, struct err *err);
void writer_turn_give(struct writer_turn *); /* nothing happens when it is not ours */

#endif
