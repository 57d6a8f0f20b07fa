/*
 * effect.h: the row that proves a transaction happened.  Public.
 *
 * It is written in the same transaction as the rows it speaks for, so it is there exactly when they are.  Who lost the
 * answer to a COMMIT, or comes back after a crash, looks for it instead of guessing; who is about to delete raw data
 * looks for it on a connection of its own (step_database_fresh).
 */
#ifndef EFFECT_H
#define EFFECT_H

#include "database/database.h"
#include "database/schema.h"

struct db_effect {
	const char *run_uid, *asset; /* together the key */
	const char *partition_key;
	const char *manifest_sha256; /* hex, of the manifest that names the same results in the store */
};

/* The engine's own tables, orch_effect and orch_schema; db_migrate brings them along. */
extern const struct schema orch_schema;

/* Insert or replace the effect's row, inside the caller's transaction. */
int db_effect_record(struct database *, const struct db_effect *, struct err *err);
/*
 * Is the effect durable?  True only for a row with the same manifest.  A transaction that is still open elsewhere and
 * holds the row is waited for (error "lock_timeout" when it does not end), so false means: not there and not on its way.
 */
int db_effect_exists(struct database *, const struct db_effect *, bool *exists, struct err *err);
/*
 * Record the effect and commit.  When the answer to COMMIT is lost, reconnect and look: 0 if it is there, TRANSIENT
 * "not_committed" if it is not (the whole transaction can be done again), and "commit_unknown" if the server stays away,
 * which the next attempt settles with db_effect_exists.
 */
int db_effect_commit(struct database *, const struct db_effect *, struct err *err);

/* The statements of one transaction.  It may run several times, each time on a database without its rows. */
typedef int db_work_fn(struct database *, void *arg, struct err *err);
/*
 * Begin, work, record the effect, commit; and as long as the failure is TRANSIENT (deadlock, lost connection, a server
 * that restarts) do it again from the start on a new connection, for up to `patience`.  So results of an hour are not
 * thrown away for a second's trouble.  Whoever comes back after a failure finds the effect durable or not at all.
 */
int db_transact(
    struct database *, const struct db_effect *, db_work_fn *work, void *arg, tm_ms patience, struct err *err);

#endif
