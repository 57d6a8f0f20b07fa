/*
 * sql.h: SQLite with the two things the state needs: statements prepared once, and one error that sticks.
 *
 * A write that fails is remembered and makes the commit fail, so that a turn of many small writes checks one result.
 * Statement texts must be string literals: their address is the cache's key.
 *
 * Arguments follow a letter each: i int64_t, t tm_ms (an int64_t), s const char * (NULL is NULL), d double, n nothing (NULL).
 */
#ifndef SQL_H
#define SQL_H

#include "base/err.h"

#include <sqlite3.h>

struct sql;
struct sql_row;

enum sql_mode { SQL_WRITER, SQL_READER };

/* A writer creates the file, in WAL mode with synchronous=FULL; a reader opens it read-only with query_only set. */
struct sql *sql_open(const char *path, enum sql_mode mode, struct err *err);
void sql_close(struct sql *); /* rolls back; NULL is fine */

/* Run a statement; -1 when it, or an earlier one of this transaction, failed.  Opens a transaction when none is open. */
int sql_do(struct sql *, const char *literal, const char *letters, ...);
int64_t sql_last_id(struct sql *);
int64_t sql_changes(struct sql *);
/* Several statements at once, without arguments, outside any cache (schema). */
int sql_script(struct sql *, const char *text, struct err *err);

/* Rows; sql_end ends the walk at any row.  NULL after an error, which sticks like those of sql_do. */
struct sql_row *sql_query(struct sql *, const char *literal, const char *letters, ...);
bool sql_next(struct sql_row *);
void sql_end(struct sql_row *); /* NULL is fine */
int64_t sql_int(const struct sql_row *, int col);
double sql_double(const struct sql_row *, int col);
const char *sql_text(const struct sql_row *, int col); /* lent until the next row; NULL for NULL */
bool sql_is_null(const struct sql_row *, int col);
/* The first column of the first row, or def when there is none. */
int64_t sql_get_int(struct sql *, int64_t def, const char *literal, const char *letters, ...);
/*
 * As sql_query for a text put together at run time (filters of a page); it must hold no data, only ?s.  args are
 * bound in order as text (NULL is NULL).
 */
struct sql_row *sql_query_dynamic(struct sql *, const char *text, const char *const *args, size_t n);

/*
 * Between the two all queries of a reader see the same state, and do not ask for the database's lock one by one.  Short: what the
 * writer commits meanwhile cannot be folded into the database.
 */
void sql_snapshot(struct sql *);
void sql_snapshot_end(struct sql *);

/* The connection itself, for tests that look at what is asked of it. */
sqlite3 *sql_handle(struct sql *);

bool sql_in_transaction(const struct sql *);
int sql_begin(struct sql *);
/* Make everything since the transaction began durable.  On failure all of it is undone and err says why. */
int sql_commit(struct sql *, struct err *err);
void sql_rollback(struct sql *);
/* The error that sticks, or NULL. */
const struct err *sql_error(const struct sql *);

#endif
