/*
 * database_fixture.h: a place where each case gets an empty database of its own.
 *
 * One row per kind of database; the same cases run on all of them.
 */
#ifndef DATABASE_FIXTURE_H
#define DATABASE_FIXTURE_H

#include "database/database.h"

struct fixture {
	const char *name;
	void (*fresh)(void); /* forget the last one, make an empty one */
	struct database *(*open)(struct err *err); /* a new connection to it; also from forked children */
};

/* Opens or ends the test program. */
struct database *fixture_open(const struct fixture *);

/* Run a function in a forked child that leaves with its result. */
typedef int child_fn(const struct fixture *, int arg);
pid_t child_start(child_fn *fn, const struct fixture *f, int arg);
/* Its exit status; 128 + n when signal n ended it. */
int child_wait(pid_t pid);

#endif
