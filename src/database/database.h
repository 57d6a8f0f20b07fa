/*
 * database.h: results databases.  Public: steps write their rows through this.
 *
 * Two implementations, `sqlite` and `mysql`, with the same tables from one schema description (database/schema.h) and
 * the same statements: standard SQL with ? for every value; no SQL is ever built from data.  Calls block, so they
 * belong in steps (and in orchctl without a daemon), never on the daemon's loop.
 *
 * A night's results go in like this:
 *
 *     db_migrate(db, &fpi_schema, err)               tables are there and of this program's version
 *     db_transact(db, &effect, write_night, ...)     the rows and their effect row, database/effect.h
 *
 * where write_night deletes the rows of an earlier analysis and calls db_upsert for each new one.
 *
 * Errors.  Server down, lock, deadlock, read-only, lost connection, disk full: TRANSIENT.  Constraint violated, no such
 * table, access denied: PERMANENT.  A lost answer to COMMIT is TRANSIENT with code "commit_unknown": reconnect and look
 * for the effect row before doing anything again (db_effect_commit does).  Codes worth branching on: "busy" "deadlock"
 * "lock_timeout" "lost" "unreachable" "read_only" "disk_full" "too_many" "denied" "duplicate" "constraint" "no_table"
 * "bad_value" "corrupt" "not_found".  After any error inside a transaction only db_rollback or db_close may follow.  A
 * lost connection stays lost: only db_reconnect makes a new one.
 */
#ifndef DATABASE_H
#define DATABASE_H

#include "base/err.h"
#include "conf/opt.h"

struct database;
struct dialect;
struct schema;
struct schema_table;

enum db_kind { DB_NULL, DB_INT, DB_DOUBLE, DB_TEXT };

struct db_value {
	enum db_kind kind;
	int64_t i;
	double d; /* NaN and infinities are stored as NULL */
	const char *s; /* UTF-8; lent */
	size_t n;
};
#define DBV_NULL      ((struct db_value){.kind = DB_NULL})
#define DBV_INT(x)    ((struct db_value){.kind = DB_INT, .i = (x)})
#define DBV_DOUBLE(x) ((struct db_value){.kind = DB_DOUBLE, .d = (x)})
#define DBV_TEXT(x) \
	(((struct db_value[]){db_text(x)})[0]) /* an lvalue like the others: &DBV_TEXT(s) is one value */
struct db_value db_text(const char *s); /* NULL gives DBV_NULL */

struct db_type {
	const char *name, *summary;
	const struct opt *opts;
	size_t conf_size;
	const struct dialect *dialect; /* database/dialect.h */
	/* Cross-checks of a bound conf beyond the rows; may be NULL. */
	int (*check)(const void *conf, struct err *err);
	struct database *(*open)(const void *conf, struct err *err);
};
extern const struct db_type *const db_types[]; /* NULL-terminated */
const struct db_type *db_type_find(const char *name);

/* One row; values are lent for the call.  Non-zero stops the walk and is returned by db_query.  It must not use db. */
typedef int db_row_fn(const struct db_value *v, size_t n, void *arg);

struct db_ops {
	int (*begin)(struct database *, struct err *);
	int (*commit)(struct database *, struct err *);
	void (*rollback)(struct database *);
	int (*exec)(struct database *, const char *sql, const struct db_value *v, size_t n, int64_t *affected,
	    struct err *);
	int (*query)(struct database *, const char *sql, const struct db_value *v, size_t n, db_row_fn *,
	    void *arg, struct err *);
	int (*reconnect)(struct database *, struct err *);
	void (*close)(struct database *);
	const char *(*location)(struct database *);
};

/* Every implementation begins with this. */
struct database {
	const struct db_ops *ops;
	const struct db_type *type;
	char *name;
	bool in_transaction;
	bool failed; /* an error inside the transaction: it can only be rolled back */
	bool in_query; /* a row callback is running */
};

/* Connect.  Does not create or change tables: that is db_migrate.  conf (type->conf_size bytes) is lent for the call. */
struct database *db_open(const struct db_type *type, const char *name, const void *conf, struct err *err);
void db_close(struct database *); /* rolls back; NULL is fine */
/* Drop the connection, with the transaction in it, and make a new one. */
int db_reconnect(struct database *, struct err *err);
/*
 * Bring the tables of a component (and those of the engine, database/effect.h) to this program's version, in one
 * transaction where the server can; where it cannot, every piece is safe to repeat.  A newer schema is refused
 * (PERMANENT code "schema_newer"), as are tables of these names that do not fit ("schema_mismatch") and rows that forbid
 * a unique key ("duplicates").  Cheap when there is nothing to do.  Safe when several processes do it at once.
 */
int db_migrate(struct database *, const struct schema *schema, struct err *err);

enum db_note { DB_NOTE_FINE, DB_NOTE_WARNING, DB_NOTE_BAD };
typedef void db_note_fn(enum db_note, const char *text, void *arg);
/*
 * What would db_migrate, and a night after it, meet?  Looks at server, tables, rows and rights, tells each thing worth
 * knowing to note, and changes nothing.  schema NULL: the engine's own tables only.  -1 when looking itself failed.
 */
int db_preflight(struct database *, const struct schema *schema, db_note_fn *note, void *arg, struct err *err);

int db_begin(struct database *, struct err *err);
int db_commit(struct database *, struct err *err);
void db_rollback(struct database *); /* nothing happens outside a transaction */
/* One statement; affected (may be NULL) gets the number of rows inserted, changed or deleted. */
int db_exec(
    struct database *, const char *sql, const struct db_value *v, size_t n, int64_t *affected, struct err *err);
int db_query(struct database *, const char *sql, const struct db_value *v, size_t n, db_row_fn *fn, void *arg,
    struct err *err);
/* First column of the first row as an integer; -1 with code "not_found" when there is no row. */
int db_query_int(
    struct database *, const char *sql, const struct db_value *v, size_t n, int64_t *out, struct err *err);
/*
 * Insert one row, or update the one with the same identity (the table's primary key, or its `identity` columns).
 * Columns not named keep their value, and so do COL_KEEP columns of an existing row.  columns has n names.
 */
int db_upsert(struct database *, const struct schema_table *table, const char *const *columns,
    const struct db_value *v, size_t n, struct err *err);
/* No secrets: "sqlite:/srv/results.db", "mysql://db.example:3306/fpi". */
const char *db_location(struct database *);

#endif
