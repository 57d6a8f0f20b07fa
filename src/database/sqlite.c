/*
 * A results database in one file: WAL, synchronous=FULL, read by whoever likes at the same time.
 *
 * Writers take turns by a lock on a file of their own (PATH-writer), held from BEGIN to the end of COMMIT and while the
 * last connection checkpoints: SQLite before 3.51.3 can damage a WAL database when two connections write and
 * checkpoint in the same instant, and waiting on a lock beats polling for BEGIN anyway.  The lock goes with its
 * process, so a killed writer never leaves one.
 */
#include "config.h"

#include "database/sqlite.h"

#include "base/mem.h"
#include "database/dialect.h"
#include "database/sqlite_error.h"
#include "database/stmtcache.h"
#include "database/writer_turn.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX    (16 * 1024 * 1024)
#define ROW_COLUMNS 256

struct sqlite {
	struct database base;
	sqlite3 *h;
	char *path, *location;
	tm_ms busy_timeout;
	dev_t dev; /* the file that h has open */
	ino_t ino;
	struct writer_turn turn;
	struct stmtcache cache;
};

static struct sqlite *sqlite_of(struct database *db)
{
	return CONTAINER_OF(db, struct sqlite, base);
}

static int fail(struct sqlite *s, int rc, struct err *err)
{
	return sqlite_error(s->h, rc, s->location, err);
}

/* Rows written to a file that was deleted or replaced under us would be lost without a word. */
static int check_same_file(const struct sqlite *s, struct err *err)
{
	struct stat st;

	if (s->h == NULL || (stat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino))
		return 0;
	return err_code(err, ERR_TRANSIENT, "lost",
	    "%s: the file was moved, deleted or replaced while it was open", s->location);
}

static int lock_writer(struct sqlite *s, tm_ms patience, struct err *err)
{
	if (writer_turn_take(&s->turn, patience, err) == -1)
		return err_wrap(err, "%s", s->location);
	if (check_same_file(s, err) == 0)
		return 0;
	writer_turn_give(&s->turn);
	return -1;
}

static void finalize(void *stmt)
{
	sqlite3_finalize(stmt);
}

static sqlite3_stmt *prepare(struct sqlite *s, const char *sql, struct err *err)
{
	sqlite3_stmt *stmt = stmtcache_get(&s->cache, sql);
	const char *tail;
	int rc;

	if (stmt != NULL)
		return stmt;
	if (s->h == NULL) {
		err_code(err, ERR_TRANSIENT, "lost", "%s: not connected", s->location);
		return NULL;
	}
	rc = sqlite3_prepare_v3(s->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, &tail);
	if (rc != SQLITE_OK) {
		fail(s, rc, err);
		return NULL;
	}
	if (stmt == NULL || tail[strspn(tail, " \t\n;")] != '\0') {
		sqlite3_finalize(stmt);
		err_set(err, ERR_BUG, "%s: not one statement: %s", s->location, sql);
		return NULL;
	}
	stmtcache_put(&s->cache, sql, stmt);
	return stmt;
}

static int bind_value(sqlite3_stmt *stmt, int i, const struct db_value *v)
{
	switch (v->kind) {
	case DB_INT: return sqlite3_bind_int64(stmt, i, v->i);
	case DB_DOUBLE: return isfinite(v->d) ? sqlite3_bind_double(stmt, i, v->d) : sqlite3_bind_null(stmt, i);
	case DB_TEXT:
		return v->n > TEXT_MAX ? SQLITE_TOOBIG
		                       : sqlite3_bind_text(stmt, i, v->s, (int)v->n, SQLITE_STATIC);
	case DB_NULL: break;
	}
	return sqlite3_bind_null(stmt, i);
}

static int bind_values(
    struct sqlite *s, sqlite3_stmt *stmt, const struct db_value *v, size_t n, struct err *err)
{
	if ((size_t)sqlite3_bind_parameter_count(stmt) != n)
		return err_set(err, ERR_BUG, "%s: %zu values for: %s", s->location, n, sqlite3_sql(stmt));
	for (size_t i = 0; i < n; i++) {
		int rc = bind_value(stmt, (int)i + 1, &v[i]);

		if (rc != SQLITE_OK)
			return sqlite_error(NULL, rc, s->location, err);
	}
	return 0;
}

/* Lent until the statement moves on. */
static struct db_value column_value(sqlite3_stmt *stmt, int i)
{
	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER: return DBV_INT(sqlite3_column_int64(stmt, i));
	case SQLITE_FLOAT: return DBV_DOUBLE(sqlite3_column_double(stmt, i));
	case SQLITE_NULL: return DBV_NULL;
	}
	return (struct db_value){
	    .kind = DB_TEXT,
	    .s = (const char *)sqlite3_column_text(stmt, i),
	    .n = (size_t)sqlite3_column_bytes(stmt, i),
	};
}

/* Walk the rows; fn may be NULL.  0, the callback's answer, or -1. */
static int step_rows(struct sqlite *s, sqlite3_stmt *stmt, db_row_fn *fn, void *arg, struct err *err)
{
	struct db_value row[ROW_COLUMNS];
	int columns = MIN(sqlite3_column_count(stmt), ROW_COLUMNS);
	int rc, answer = 0;

	while (answer == 0 && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
		if (rc != SQLITE_ROW)
			return fail(s, rc, err);
		if (fn == NULL)
			continue;
		for (int i = 0; i < columns; i++)
			row[i] = column_value(stmt, i);
		answer = fn(row, (size_t)columns, arg);
	}
	return answer;
}

static int run(struct sqlite *s, const char *sql, const struct db_value *v, size_t n, db_row_fn *fn, void *arg,
    int64_t *affected, struct err *err)
{
	sqlite3_stmt *stmt = prepare(s, sql, err);
	int rc;

	if (stmt == NULL)
		return -1;
	rc = bind_values(s, stmt, v, n, err);
	if (rc == 0)
		rc = step_rows(s, stmt, fn, arg, err);
	if (affected != NULL)
		*affected = sqlite3_stmt_readonly(stmt) ? 0 : sqlite3_changes64(s->h);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc;
}

static int run_word(struct sqlite *s, const char *sql, struct err *err)
{
	return run(s, sql, NULL, 0, NULL, NULL, NULL, err);
}

/* A statement that is a transaction of its own takes its turn like any other. */
static int take_turn(struct sqlite *s, const char *sql, bool *taken, struct err *err)
{
	sqlite3_stmt *stmt;

	*taken = false;
	if (s->base.in_transaction)
		return 0;
	stmt = prepare(s, sql, err);
	if (stmt == NULL)
		return -1;
	if (sqlite3_stmt_readonly(stmt))
		return 0;
	*taken = true;
	return lock_writer(s, s->busy_timeout, err);
}

static int sqlite_exec(struct database *db, const char *sql, const struct db_value *v, size_t n,
    int64_t *affected, struct err *err)
{
	struct sqlite *s = sqlite_of(db);
	bool taken;
	int rc;

	if (take_turn(s, sql, &taken, err) == -1)
		return -1;
	rc = run(s, sql, v, n, NULL, NULL, affected, err);
	if (taken)
		writer_turn_give(&s->turn);
	return rc;
}

static int sqlite_query(struct database *db, const char *sql, const struct db_value *v, size_t n, db_row_fn *fn,
    void *arg, struct err *err)
{
	struct sqlite *s = sqlite_of(db);
	bool taken;
	int rc;

	if (take_turn(s, sql, &taken, err) == -1)
		return -1;
	rc = run(s, sql, v, n, fn, arg, NULL, err);
	if (taken)
		writer_turn_give(&s->turn);
	return rc;
}

static int sqlite_begin(struct database *db, struct err *err)
{
	struct sqlite *s = sqlite_of(db);

	if (lock_writer(s, s->busy_timeout, err) == -1)
		return -1;
	if (run_word(s, "BEGIN IMMEDIATE", err) == -1) {
		writer_turn_give(&s->turn);
		return -1;
	}
	return 0;
}

static void sqlite_rollback(struct database *db)
{
	struct sqlite *s = sqlite_of(db);

	/* Some errors (disk full, I/O) have rolled back already. */
	if (s->h != NULL && !sqlite3_get_autocommit(s->h))
		run_word(s, "ROLLBACK", NULL);
	writer_turn_give(&s->turn);
}

static int sqlite_commit(struct database *db, struct err *err)
{
	struct sqlite *s = sqlite_of(db);

	struct err local = ERR_INIT;

	if (run_word(s, "COMMIT", &local) == 0) {
		writer_turn_give(&s->turn);
		return 0;
	}
	/* When a write or fsync of the log fails, the frames may or may not be on disk for the next reader. */
	return err_code(
	    err, local.class, err_is(&local, "io") ? "commit_unknown" : local.code, "%s", local.text);
}

static void disconnect(struct sqlite *s)
{
	if (s->h == NULL)
		return;
	stmtcache_clear(&s->cache);
	/* The last one out copies the log back; only under the lock, and it may as well be left to the next. */
	if (s->turn.fd == -1 && writer_turn_take(&s->turn, 100, NULL) == -1)
		sqlite3_db_config(s->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(s->h);
	s->h = NULL;
	writer_turn_give(&s->turn);
}

static void sqlite_free(struct database *db)
{
	struct sqlite *s = sqlite_of(db);

	disconnect(s);
	writer_turn_release(&s->turn);
	free(s->path);
	free(s->location);
	free(s);
}

static int copy_text(const struct db_value *v, size_t n, void *arg)
{
	snprintf(arg, 16, "%s", v[0].kind == DB_TEXT ? v[0].s : "");
	return 0;
}

/* The switch to WAL is kept in the file.  SQLite's busy handler does not cover it, hence the lock around it. */
static int set_wal(struct sqlite *s, struct err *err)
{
	char mode[16] = "";
	int rc;

	if (run(s, "PRAGMA journal_mode", NULL, 0, copy_text, mode, NULL, err) == -1)
		return -1;
	if (strcmp(mode, "wal") == 0)
		return 0;
	if (lock_writer(s, s->busy_timeout, err) == -1)
		return -1;
	rc = run(s, "PRAGMA journal_mode = WAL", NULL, 0, copy_text, mode, NULL, err);
	writer_turn_give(&s->turn);
	if (rc == 0 && strcmp(mode, "wal") != 0)
		return err_set(err, ERR_CONFIG,
		    "%s: this file system cannot hold a WAL database (shared memory)", s->location);
	return rc;
}

static int set_up(struct sqlite *s, struct err *err)
{
	static const char *const pragmas[] = {
	    "PRAGMA synchronous = FULL",
	    "PRAGMA trusted_schema = OFF",
	    "PRAGMA journal_size_limit = 16777216",
	};

	sqlite3_extended_result_codes(s->h, 1);
	sqlite3_busy_timeout(s->h, (int)s->busy_timeout);
	sqlite3_db_config(s->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (set_wal(s, err) == -1)
		return -1;
	for (size_t i = 0; i < NITEMS(pragmas); i++)
		if (run_word(s, pragmas[i], err) == -1)
			return -1;
	return 0;
}

static int check_folder(const struct sqlite *s, struct err *err)
{
	const char *slash = strrchr(s->path, '/');
	char *folder =
	    slash == NULL ? xstrdup(".") : xstrndup(s->path, MAX((size_t)(slash - s->path), (size_t)1));
	struct stat st;
	int rc = 0;

	if (stat(folder, &st) == -1)
		rc = err_set(err, ERR_CONFIG, "path %s: folder %s: %s", s->path, folder, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		rc = err_set(err, ERR_CONFIG, "path %s: %s is no folder", s->path, folder);
	else if (access(folder, W_OK | X_OK) == -1)
		rc = err_set(
		    err, ERR_CONFIG, "path %s: folder %s is not writable for this user", s->path, folder);
	else if (stat(s->path, &st) == 0 && !S_ISREG(st.st_mode))
		rc = err_set(err, ERR_CONFIG, "path %s is no regular file", s->path);
	free(folder);
	return rc;
}

static int note_file(struct sqlite *s, struct err *err)
{
	struct stat st;

	if (stat(s->path, &st) == -1)
		return err_errno(err, "%s", s->location);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

static int connect_file(struct sqlite *s, struct err *err)
{
	int rc;

	if (check_folder(s, err) == -1)
		return -1;
	rc = sqlite3_open_v2(
	    s->path, &s->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		fail(s, rc, err);
	else if (note_file(s, err) == 0 && set_up(s, err) == 0)
		return 0;
	disconnect(s);
	return -1;
}

static int sqlite_reconnect(struct database *db, struct err *err)
{
	struct sqlite *s = sqlite_of(db);

	disconnect(s);
	return connect_file(s, err);
}

static const char *sqlite_location(struct database *db)
{
	return sqlite_of(db)->location;
}

static const struct db_ops sqlite_ops = {
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .exec = sqlite_exec,
    .query = sqlite_query,
    .reconnect = sqlite_reconnect,
    .close = sqlite_free,
    .location = sqlite_location,
};

static struct database *sqlite_open(const void *p, struct err *err)
{
	const struct sqlite_conf *conf = p;
	struct sqlite *s;

	if (conf->path == NULL || conf->path[0] == '\0') {
		err_set(err, ERR_CONFIG, "path is missing");
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	s->base.ops = &sqlite_ops;
	s->cache.free = finalize;
	/* A name like ":memory:" is a file here. */
	s->path = conf->path[0] == '/' ? xstrdup(conf->path) : xasprintf("./%s", conf->path);
	s->location = xasprintf("sqlite:%s", conf->path);
	writer_turn_init(&s->turn, s->path);
	s->busy_timeout = conf->busy_timeout;
	if (connect_file(s, err) == -1) {
		sqlite_free(&s->base);
		return NULL;
	}
	return &s->base;
}

static const struct opt sqlite_opts[] = {
    {.name = "path",
        .type = OPT_PATH,
        .off = offsetof(struct sqlite_conf, path),
        .flags = OPT_REQUIRED,
        .help = "database file; made when missing, its folder must exist and be on a local file system"},
    {.name = "busy_timeout",
        .type = OPT_DURATION,
        .off = offsetof(struct sqlite_conf, busy_timeout),
        .def = "30s",
        .min = "0s",
        .max = "10m",
        .help = "how long to wait for another program that is writing"},
    OPT_END,
};

const struct db_type db_type_sqlite = {
    .name = "sqlite",
    .summary = "results in one SQLite file, no server needed",
    .opts = sqlite_opts,
    .conf_size = sizeof(struct sqlite_conf),
    .dialect = &dialect_sqlite,
    .open = sqlite_open,
};
