/*
 * state.h: the state directory and its database: what is true of runs, sensors and keys.
 *
 *     STATE/lock        exclusive lock of the owner (a daemon, or orchctl working without one)
 *     STATE/state.db    this database
 *     STATE/control.sock
 *     STATE/runs/...    folders of attempts (step/attempt_dir.h)
 *
 * One process owns a state directory and writes; others may read through state_open_reader.  Tables and their
 * history are in schema.c; the words in columns (run states, outcomes, verdicts) are those of the outside contract.
 */
#ifndef STATE_H
#define STATE_H

#include "base/err.h"
#include "state/sql.h"

struct state {
	char *dir;
	struct sql *sql;
	int lock_fd; /* -1 for a reader */
	int64_t
	    epoch; /* counts owners since the directory was made; fences what an earlier owner left behind */
	char instance[17]; /* names this state directory for ever: makes run ids unique between machines */
};

/*
 * Create what is missing, take the lock (waiting at most half a second for it), bring the schema up to date in one transaction, begin a new epoch.  Fails with
 * code "locked" when another process owns the directory, "schema_newer" when a newer program has written it.
 */
struct state *state_open(const char *dir, struct err *err);
/* Read-only, without the lock; fails with "not_found" when there is no state yet. */
struct state *state_open_reader(const char *dir, struct err *err);
/* What a reader sees before there is a state: an empty one, in memory. */
struct state *state_open_empty(const char *dir, struct err *err);
void state_close(struct state *); /* NULL is fine */

/* The newest schema version this program knows; schema_sql(v) leads from v - 1 to v. */
int schema_version(void);
const char *schema_sql(int version);

#endif
