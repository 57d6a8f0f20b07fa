/*
 * database.h: results databases.  Public: steps write their rows through this.
 *
 * Two implementations, `sqlite` and `mysql`, with the same tables from one schema description (database/schema.h) and
 * the same statements: standard SQL with ? for every value; no SQL is ever built from data.  Calls block, so they
 * belong in steps (and in orchctl without a daemon), never on the daemon's loop.
 *
 * Errors.  Server down, lock, deadlock, read-only, lost connection, disk full: TRANSIENT.  Constraint violated, no such
 * table: PERMANENT.  A lost answer to COMMIT is TRANSIENT with code "commit_unknown": reconnect and look for the
 * effect row before doing anything again.  After any error inside a transaction only db_rollback or db_close may follow.
 */
#ifndef DATABASE_H
#define DATABASE_H

#include "base/err.h"
#include "conf/opt.h"

struct database;

enum db_kind { DB_NULL, DB_INT, DB_DOUBLE, DB_TEXT };

struct db_value {
	enum db_kind kind;
	int64_t i;
	double d;	 /* NaN and infinities are stored as NULL */
	const char *s; /* UTF-8; lent */
	size_t n;
};
#define DBV_NULL      ((struct db_value){.kind = DB_NULL})
#define DBV_INT(x)    ((struct db_value){.kind = DB_INT, .i = (x)})
#define DBV_DOUBLE(x) ((struct db_value){.kind = DB_DOUBLE, .d = (x)})
#define DBV_TEXT(x)   (db_text(x))
struct db_value db_text(const char *s); /* NULL gives DBV_NULL */

struct db_type {
	const char *name, *summary;
	const struct opt *opts;
	size_t conf_size;
	struct database *(*open)(const char *name, const void *conf, struct err *err);
};
extern const struct db_type *const db_types[]; /* NULL-terminated */
const struct db_type *db_type_find(const char *name);

/* One row; values are lent for the call.  Non-zero stops the walk and is returned by db_query. */
typedef int db_row_fn(const struct db_value *v, size_t n, void *arg);

struct db_ops {
	int (*begin)(struct database *, struct err *);
	int (*commit)(struct database *, struct err *);
	void (*rollback)(struct database *);
	int (*exec)(struct database *, const char *sql, const struct db_value *v, size_t n, int64_t *affected, struct err *);
	int (*query)(struct database *, const char *sql, const struct db_value *v, size_t n, db_row_fn *, void *arg,
	    struct err *);
	void (*close)(struct database *);
	const char *(*location)(struct database *);
};

/* Every implementation begins with this. */
struct database {
	const struct db_ops *ops;
	const struct db_type *type;
	char *name;
	bool in_transaction;
};

/* Connect.  Does not create or change tables: that is db_migrate. */
struct database *db_open(const struct db_type *type, const char *name, const void *conf, struct err *err);
void db_close(struct database *); /* rolls back; NULL is fine */
/*
 * Bring the tables to this program's version, in one transaction where the server can; a newer schema is refused
 * (PERMANENT code "schema_newer").  Safe when several processes do it at once.
 */
int db_migrate(struct database *, struct err *err);

int db_begin(struct database *, struct err *err);
int db_commit(struct database *, struct err *err);
void db_rollback(struct database *);
int db_exec(struct database *, const char *sql, const struct db_value *v, size_t n, int64_t *affected, struct err *err);
int db_query(
    struct database *, const char *sql, const struct db_value *v, size_t n, db_row_fn *fn, void *arg, struct err *err);
/* First column of the first row as an integer; -1 with code "not_found" when there is no row. */
int db_query_int(
    struct database *, const char *sql, const struct db_value *v, size_t n, int64_t *out, struct err *err);
/*
 * Insert or replace one row by its table's primary key, table and column names from the schema description.  The
 * dialects' upsert differs; this hides it.
 */
int db_upsert(struct database *, const char *table, const char *const *columns, const struct db_value *v, size_t n,
    struct err *err);
/* No secrets: "sqlite:/srv/results.db", "mysql://db.example:3306/fpi". */
const char *db_location(struct database *);

#endif
