#include "config.h"

#include "state/sql.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_SLOTS 256 /* statements are literals of this program; there are far fewer */

struct cached {
	const char *literal;
	sqlite3_stmt *stmt;
	bool busy;
};

struct sql {
	sqlite3 *db;
	struct cached cache[CACHE_SLOTS];
	bool in_transaction;
	struct err err; /* sticks until commit or rollback */
};

struct sql_row {
	struct sql *sql;
	sqlite3_stmt *stmt;
	struct cached *slot; /* NULL: a statement of its own, finalized at the end */
};

static int fail(struct sql *s, const char *what)
{
	int rc = sqlite3_extended_errcode(s->db);
	enum err_class class = ERR_TRANSIENT;

	if (s->err.class != ERR_NONE)
		return -1;
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: class = ERR_PERMANENT; break;
	case SQLITE_CONSTRAINT:
	case SQLITE_ERROR:
	case SQLITE_MISUSE:
	case SQLITE_RANGE: class = ERR_BUG; break;
	default: break;
	}
	return err_code(&s->err, class, "state", "state database: %s: %s", sqlite3_errmsg(s->db), what);
}

static int set_up(struct sql *s, enum sql_mode mode, struct err *err)
{
	static const char writer[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
	                             "PRAGMA wal_autocheckpoint=1000; PRAGMA journal_size_limit=67108864;"
	                             "PRAGMA cache_size=-2048; PRAGMA temp_store=MEMORY;";
	static const char reader[] = "PRAGMA query_only=ON; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;";

	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, mode == SQL_WRITER ? 5000 : 1000);
	return sql_script(s, mode == SQL_WRITER ? writer : reader, err);
}

struct sql *sql_open(const char *path, enum sql_mode mode, struct err *err)
{
	int flags = mode == SQL_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	struct sql *s = xcalloc(1, sizeof(*s));

	if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		err_code(err, ERR_TRANSIENT, "state", "%s: %s", path, sqlite3_errmsg(s->db));
		sql_close(s);
		return NULL;
	}
	if (set_up(s, mode, err) == -1) {
		err_wrap(err, "%s", path);
		sql_close(s);
		return NULL;
	}
	return s;
}

void sql_close(struct sql *s)
{
	if (s == NULL)
		return;
	sql_rollback(s);
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		sqlite3_finalize(s->cache[i].stmt);
	sqlite3_close(s->db);
	free(s);
}

int sql_script(struct sql *s, const char *text, struct err *err)
{
	char *message = NULL;

	if (sqlite3_exec(s->db, text, NULL, NULL, &message) == SQLITE_OK)
		return 0;
	err_code(err, ERR_TRANSIENT, "state", "state database: %s", message ? message : "failed");
	sqlite3_free(message);
	return -1;
}

/* The slot of a literal, with its statement prepared; NULL after a failure. */
static struct cached *prepare(struct sql *s, const char *literal)
{
	size_t start = ((uintptr_t)literal >> 3) % CACHE_SLOTS;

	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		struct cached *c = &s->cache[(start + i) % CACHE_SLOTS];

		if (c->literal == literal && !c->busy)
			return c;
		if (c->literal != NULL)
			continue;
		if (sqlite3_prepare_v3(s->db, literal, -1, SQLITE_PREPARE_PERSISTENT, &c->stmt, NULL) !=
		    SQLITE_OK) {
			fail(s, literal);
			return NULL;
		}
		c->literal = literal;
		return c;
	}
	abort(); /* more statements than slots: raise CACHE_SLOTS */
}

static void bind_all(sqlite3_stmt *stmt, const char *letters, va_list ap)
{
	for (int i = 0; letters[i] != '\0'; i++) {
		switch (letters[i]) {
		case 'i':
		case 't': sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t)); break;
		case 's': sqlite3_bind_text(stmt, i + 1, va_arg(ap, const char *), -1, SQLITE_TRANSIENT); break;
		case 'd': sqlite3_bind_double(stmt, i + 1, va_arg(ap, double)); break;
		case 'n': sqlite3_bind_null(stmt, i + 1); break;
		default: abort();
		}
	}
}

static void give_back(struct cached *c)
{
	sqlite3_reset(c->stmt);
	sqlite3_clear_bindings(c->stmt);
	c->busy = false;
}

int sql_begin(struct sql *s)
{
	char *message = NULL;

	if (s->in_transaction)
		return s->err.class == ERR_NONE ? 0 : -1;
	if (sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, &message) != SQLITE_OK) {
		fail(s, "BEGIN");
		sqlite3_free(message);
	}
	s->in_transaction = true;
	return s->err.class == ERR_NONE ? 0 : -1;
}

int sql_do(struct sql *s, const char *literal, const char *letters, ...)
{
	struct cached *c;
	va_list ap;
	int rc;

	if (sql_begin(s) == -1 || (c = prepare(s, literal)) == NULL)
		return -1;
	va_start(ap, letters);
	bind_all(c->stmt, letters, ap);
	va_end(ap);
	rc = sqlite3_step(c->stmt);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		fail(s, literal);
	give_back(c);
	return s->err.class == ERR_NONE ? 0 : -1;
}

int64_t sql_last_id(struct sql *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

int64_t sql_changes(struct sql *s)
{
	return sqlite3_changes64(s->db);
}

struct sql_row *sql_query(struct sql *s, const char *literal, const char *letters, ...)
{
	struct cached *c = prepare(s, literal);
	struct sql_row *row;
	va_list ap;

	if (c == NULL)
		return NULL;
	va_start(ap, letters);
	bind_all(c->stmt, letters, ap);
	va_end(ap);
	c->busy = true;
	row = xcalloc(1, sizeof(*row));
	*row = (struct sql_row){.sql = s, .stmt = c->stmt, .slot = c};
	return row;
}

struct sql_row *sql_query_dynamic(struct sql *s, const char *text, const char *const *args, size_t n)
{
	struct sql_row *row;
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(s->db, text, -1, &stmt, NULL) != SQLITE_OK) {
		fail(s, text);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		sqlite3_bind_text(stmt, (int)i + 1, args[i], -1, SQLITE_TRANSIENT);
	row = xcalloc(1, sizeof(*row));
	*row = (struct sql_row){.sql = s, .stmt = stmt};
	return row;
}

bool sql_next(struct sql_row *row)
{
	int rc;

	if (row == NULL)
		return false;
	rc = sqlite3_step(row->stmt);
	if (rc == SQLITE_ROW)
		return true;
	if (rc != SQLITE_DONE)
		fail(row->sql, sqlite3_sql(row->stmt));
	return false;
}

void sql_end(struct sql_row *row)
{
	if (row == NULL)
		return;
	if (row->slot != NULL)
		give_back(row->slot);
	else
		sqlite3_finalize(row->stmt);
	free(row);
}

int64_t sql_int(const struct sql_row *row, int col)
{
	return sqlite3_column_int64(row->stmt, col);
}

double sql_double(const struct sql_row *row, int col)
{
	return sqlite3_column_double(row->stmt, col);
}

const char *sql_text(const struct sql_row *row, int col)
{
	return (const char *)sqlite3_column_text(row->stmt, col);
}

bool sql_is_null(const struct sql_row *row, int col)
{
	return sqlite3_column_type(row->stmt, col) == SQLITE_NULL;
}

int64_t sql_get_int(struct sql *s, int64_t def, const char *literal, const char *letters, ...)
{
	struct cached *c = prepare(s, literal);
	va_list ap;

	if (c == NULL)
		return def;
	va_start(ap, letters);
	bind_all(c->stmt, letters, ap);
	va_end(ap);
	if (sqlite3_step(c->stmt) == SQLITE_ROW && sqlite3_column_type(c->stmt, 0) != SQLITE_NULL)
		def = sqlite3_column_int64(c->stmt, 0);
	give_back(c);
	return def;
}

static void step_once(struct sql *s, const char *literal)
{
	struct cached *c = prepare(s, literal);

	if (c == NULL)
		return;
	if (sqlite3_step(c->stmt) != SQLITE_DONE)
		fail(s, literal);
	give_back(c);
}

void sql_snapshot(struct sql *s)
{
	if (sqlite3_get_autocommit(s->db))
		step_once(s, "BEGIN");
}

void sql_snapshot_end(struct sql *s)
{
	if (!s->in_transaction && !sqlite3_get_autocommit(s->db))
		step_once(s, "COMMIT");
}

sqlite3 *sql_handle(struct sql *s)
{
	return s->db;
}

bool sql_in_transaction(const struct sql *s)
{
	return s->in_transaction;
}

int sql_commit(struct sql *s, struct err *err)
{
	char *message = NULL;

	if (!s->in_transaction && s->err.class == ERR_NONE)
		return 0;
	if (s->err.class == ERR_NONE && sqlite3_exec(s->db, "COMMIT", NULL, NULL, &message) != SQLITE_OK) {
		fail(s, "COMMIT");
		sqlite3_free(message);
	}
	if (s->err.class != ERR_NONE) {
		if (err != NULL)
			*err = s->err;
		sql_rollback(s);
		return -1;
	}
	s->in_transaction = false;
	return 0;
}

void sql_rollback(struct sql *s)
{
	if (s->in_transaction && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	s->in_transaction = false;
	s->err = ERR_INIT;
}

const struct err *sql_error(const struct sql *s)
{
	return s->err.class == ERR_NONE ? NULL : &s->err;
}
