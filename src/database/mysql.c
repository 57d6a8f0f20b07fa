/* A results database on a MySQL or MariaDB server: prepared statements only, one connection, never made anew unasked. */
#include "config.h"

#include "database/mysql_client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "database/dialect.h"
#include "database/mysql_error.h"
#include "metric/metric.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define VALUES_MAX  256
#define ROW_COLUMNS 256
#define TEXT_MAX    (16 * 1024 * 1024)
#define TEXT_FIRST  256
#define VALUE_BYTES 12 /* a number, or the length of a text, with its type */

static struct mysql *mysql_of(struct database *db)
{
	return CONTAINER_OF(db, struct mysql, base);
}

static int fail_with(struct mysql *m, unsigned number, const char *text, struct err *err)
{
	m->lost |= mysql_error_is_lost(number);
	return mysql_error_set(number, text, m->location, err);
}

static int fail_stmt(struct mysql *m, MYSQL_STMT *stmt, struct err *err)
{
	return fail_with(m, mysql_stmt_errno(stmt), mysql_stmt_error(stmt), err);
}

static int check_connected(const struct mysql *m, struct err *err)
{
	if (m->h != NULL && !m->lost)
		return 0;
	return err_code(err, ERR_TRANSIENT, "lost", "%s: the connection is lost", m->location);
}

static void close_stmt(void *stmt)
{
	mysql_stmt_close(stmt);
}

static MYSQL_STMT *prepare(struct mysql *m, const char *sql, struct err *err)
{
	MYSQL_STMT *stmt = stmtcache_get(&m->cache, sql);

	if (stmt != NULL)
		return stmt;
	stmt = mysql_stmt_init(m->h);
	if (stmt == NULL) {
		err_set(err, ERR_TRANSIENT, "%s: out of memory", m->location);
		return NULL;
	}
	if (mysql_stmt_prepare(stmt, sql, strlen(sql)) != 0) {
		fail_stmt(m, stmt, err);
		mysql_stmt_close(stmt);
		return NULL;
	}
	stmtcache_put(&m->cache, sql, stmt);
	return stmt;
}

/* The library reads the value in place when the statement is executed. */
static void bind_value(MYSQL_BIND *bind, const struct db_value *v)
{
	switch (v->kind) {
	case DB_INT:
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = (void *)&v->i;
		return;
	case DB_DOUBLE:
		bind->buffer_type = isfinite(v->d) ? MYSQL_TYPE_DOUBLE : MYSQL_TYPE_NULL;
		bind->buffer = (void *)&v->d;
		return;
	case DB_TEXT:
		bind->buffer_type = MYSQL_TYPE_STRING;
		bind->buffer = (void *)v->s;
		bind->buffer_length = v->n;
		return;
	case DB_NULL: break;
	}
	bind->buffer_type = MYSQL_TYPE_NULL;
}

static int execute(
    struct mysql *m, MYSQL_STMT *stmt, const char *sql, const struct db_value *v, size_t n, struct err *err)
{
	MYSQL_BIND bind[VALUES_MAX];
	uint64_t bytes = 0;

	if (n > VALUES_MAX || mysql_stmt_param_count(stmt) != n)
		return err_set(err, ERR_BUG, "%s: %zu values for: %s", m->location, n, sql);
	memset(bind, 0, n * sizeof(bind[0]));
	for (size_t i = 0; i < n; i++) {
		if (v[i].kind == DB_TEXT && v[i].n > TEXT_MAX)
			return err_code(
			    err, ERR_PERMANENT, "bad_value", "%s: a text of %zu bytes", m->location, v[i].n);
		bind_value(&bind[i], &v[i]);
		bytes += VALUE_BYTES + (v[i].kind == DB_TEXT ? v[i].n : 0);
	}
	if (m->packet > 0 && bytes > m->packet)
		return err_code(err, ERR_PERMANENT, "bad_value",
		    "%s: a statement with %" PRIu64
		    " bytes of values is larger than the server's max_allowed_packet",
		    m->location, bytes);
	if (n > 0 && mysql_stmt_bind_param(stmt, bind))
		return fail_stmt(m, stmt, err);
	if (mysql_stmt_execute(stmt) != 0)
		return fail_stmt(m, stmt, err);
	return 0;
}

/* ---- rows: one at a time, straight from the connection, so a large result costs one row's memory */

struct cell {
	enum db_kind kind;
	int64_t i;
	double d;
	char *text;
	size_t room;
	unsigned long n;
	my_bool is_null, truncated;
};

struct row {
	struct cell cell[ROW_COLUMNS];
	MYSQL_BIND bind[ROW_COLUMNS];
	unsigned n;
};

/* SUM of whole numbers is a DECIMAL without decimals; it is a number here, as in SQLite. */
static enum db_kind kind_of(const MYSQL_FIELD *f)
{
	switch (f->type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_LONGLONG:
	case MYSQL_TYPE_YEAR: return DB_INT;
	case MYSQL_TYPE_DECIMAL:
	case MYSQL_TYPE_NEWDECIMAL: return f->decimals == 0 ? DB_INT : DB_DOUBLE;
	case MYSQL_TYPE_FLOAT:
	case MYSQL_TYPE_DOUBLE: return DB_DOUBLE;
	default: return DB_TEXT;
	}
}

static void bind_cell(struct cell *c, MYSQL_BIND *b)
{
	b->is_null = &c->is_null;
	b->error = &c->truncated;
	b->length = &c->n;
	if (c->kind == DB_INT) {
		b->buffer_type = MYSQL_TYPE_LONGLONG;
		b->buffer = &c->i;
	} else if (c->kind == DB_DOUBLE) {
		b->buffer_type = MYSQL_TYPE_DOUBLE;
		b->buffer = &c->d;
	} else {
		b->buffer_type = MYSQL_TYPE_STRING;
		b->buffer = c->text;
		b->buffer_length = c->room;
	}
}

static struct row *row_new(const MYSQL_FIELD *fields, unsigned n)
{
	struct row *row = xcalloc(1, sizeof(*row));

	row->n = MIN(n, (unsigned)ROW_COLUMNS);
	for (unsigned i = 0; i < row->n; i++) {
		row->cell[i].kind = kind_of(&fields[i]);
		if (row->cell[i].kind == DB_TEXT) {
			row->cell[i].room = TEXT_FIRST;
			row->cell[i].text = xmalloc(TEXT_FIRST + 1);
		}
		bind_cell(&row->cell[i], &row->bind[i]);
	}
	return row;
}

static void row_free(struct row *row)
{
	for (unsigned i = 0; i < row->n; i++)
		free(row->cell[i].text);
	free(row);
}

/* A text longer than its buffer is fetched again into one that fits; the larger buffer stays for the rows after it. */
static int refetch(struct mysql *m, MYSQL_STMT *stmt, struct row *row, unsigned i, struct err *err)
{
	struct cell *c = &row->cell[i];

	if (c->kind != DB_TEXT || c->n > TEXT_MAX)
		return err_code(err, ERR_PERMANENT, "bad_value", "%s: column %u of the answer is out of range",
		    m->location, i + 1);
	c->room = c->n;
	c->text = xreallocarray(c->text, c->room + 1, 1);
	bind_cell(c, &row->bind[i]);
	if (mysql_stmt_fetch_column(stmt, &row->bind[i], i, 0) != 0)
		return fail_stmt(m, stmt, err);
	return 0;
}

static struct db_value cell_value(struct cell *c)
{
	if (c->is_null)
		return DBV_NULL;
	if (c->kind == DB_INT)
		return DBV_INT(c->i);
	if (c->kind == DB_DOUBLE)
		return DBV_DOUBLE(c->d);
	c->text[c->n] = '\0';
	return (struct db_value){.kind = DB_TEXT, .s = c->text, .n = c->n};
}

static int give_row(
    struct mysql *m, MYSQL_STMT *stmt, struct row *row, db_row_fn *fn, void *arg, struct err *err)
{
	struct db_value v[ROW_COLUMNS];
	bool grown = false;

	for (unsigned i = 0; i < row->n; i++) {
		struct cell *c = &row->cell[i];

		if (!c->is_null && (c->kind == DB_TEXT ? c->n > c->room : c->truncated)) {
			if (refetch(m, stmt, row, i, err) == -1)
				return -1;
			grown = true;
		}
		v[i] = cell_value(c);
	}
	if (grown && mysql_stmt_bind_result(stmt, row->bind))
		return fail_stmt(m, stmt, err);
	return fn(v, row->n, arg);
}

static int walk_rows(
    struct mysql *m, MYSQL_STMT *stmt, MYSQL_RES *meta, db_row_fn *fn, void *arg, struct err *err)
{
	struct row *row = row_new(mysql_fetch_fields(meta), mysql_num_fields(meta));
	int rc = 0;

	if (mysql_num_fields(meta) > ROW_COLUMNS)
		rc = err_set(err, ERR_BUG, "%s: an answer of more than %d columns", m->location, ROW_COLUMNS);
	else if (mysql_stmt_bind_result(stmt, row->bind))
		rc = fail_stmt(m, stmt, err);
	while (rc == 0) {
		int got = mysql_stmt_fetch(stmt);

		if (got == MYSQL_NO_DATA)
			break;
		rc = got == 1 ? fail_stmt(m, stmt, err) : give_row(m, stmt, row, fn, arg, err);
	}
	row_free(row);
	return rc;
}

static int no_rows(const struct db_value *v, size_t n, void *arg)
{
	return 0;
}

/* ---- the interface */

/* With its rows, so also with the time the caller takes for them. */
static int run(struct mysql *m, const char *sql, const struct db_value *v, size_t n, db_row_fn *fn, void *arg,
    int64_t *affected, struct err *err)
{
	int64_t began = clock_mono_us();
	MYSQL_STMT *stmt;
	MYSQL_RES *meta;
	int rc;

	if (check_connected(m, err) == -1 || (stmt = prepare(m, sql, err)) == NULL)
		return -1;
	rc = execute(m, stmt, sql, v, n, err);
	meta = rc == 0 ? mysql_stmt_result_metadata(stmt) : NULL;
	if (meta != NULL) {
		rc = walk_rows(m, stmt, meta, fn, arg, err);
		mysql_free_result(meta);
	} else if (rc == 0 && affected != NULL) {
		*affected = (int64_t)mysql_stmt_affected_rows(stmt);
	}
	/* Also reads away what a stopped walk left on the connection. */
	mysql_stmt_free_result(stmt);
	metric_observe(METRIC_MYSQL_STATEMENT_DURATION, (double)(clock_mono_us() - began) / 1e6, NULL, NULL);
	return rc;
}

static int mydb_exec(struct database *db, const char *sql, const struct db_value *v, size_t n,
    int64_t *affected, struct err *err)
{
	return run(mysql_of(db), sql, v, n, no_rows, NULL, affected, err);
}

static int mydb_query(struct database *db, const char *sql, const struct db_value *v, size_t n, db_row_fn *fn,
    void *arg, struct err *err)
{
	return run(mysql_of(db), sql, v, n, fn, arg, NULL, err);
}

/* START TRANSACTION and its ends, which take no values. */
static int run_word(struct mysql *m, const char *sql, unsigned *number, struct err *err)
{
	int64_t began = clock_mono_us();
	int rc;

	*number = 0;
	if (check_connected(m, err) == -1)
		return -1;
	rc = mysql_real_query(m->h, sql, strlen(sql));
	metric_observe(METRIC_MYSQL_STATEMENT_DURATION, (double)(clock_mono_us() - began) / 1e6, NULL, NULL);
	if (rc == 0)
		return 0;
	*number = mysql_errno(m->h);
	return fail_with(m, *number, mysql_error(m->h), err);
}

static int mydb_begin(struct database *db, struct err *err)
{
	unsigned number;

	return run_word(mysql_of(db), "START TRANSACTION", &number, err);
}

/*
 * Only a few answers to COMMIT say that nothing happened.  After any other error, above all a broken connection, the
 * rows may be there or not, and somebody has to look.
 */
static int mydb_commit(struct database *db, struct err *err)
{
	struct mysql *m = mysql_of(db);
	struct err local = ERR_INIT;
	unsigned number;

	if (run_word(m, "COMMIT", &number, &local) == 0)
		return 0;
	if (number == 0 || mysql_error_is_rollback(number))
		return err_code(err, local.class, local.code, "%s", local.text);
	return err_code(err, ERR_TRANSIENT, "commit_unknown", "%s; COMMIT was not answered", local.text);
}

static void mydb_rollback(struct database *db)
{
	unsigned number;

	/* Where it does not arrive, the server rolls back as it misses the connection. */
	run_word(mysql_of(db), "ROLLBACK", &number, NULL);
}

static void disconnect(struct mysql *m)
{
	stmtcache_clear(&m->cache);
	if (m->h != NULL)
		mysql_close(m->h);
	m->h = NULL;
}

static int mydb_reconnect(struct database *db, struct err *err)
{
	disconnect(mysql_of(db));
	return mysql_connect_to(mysql_of(db), err);
}

static void mydb_free(struct database *db)
{
	struct mysql *m = mysql_of(db);

	disconnect(m);
	opt_release(mysql_opts, &m->conf);
	free(m->location);
	free(m);
}

static const char *mydb_location(struct database *db)
{
	return mysql_of(db)->location;
}

static const struct db_ops mysql_ops = {
    .begin = mydb_begin,
    .commit = mydb_commit,
    .rollback = mydb_rollback,
    .exec = mydb_exec,
    .query = mydb_query,
    .reconnect = mydb_reconnect,
    .close = mydb_free,
    .location = mydb_location,
};

static void copy_conf(struct mysql_conf *to, const struct mysql_conf *from)
{
	*to = (struct mysql_conf){
	    .port = from->port,
	    .connect_timeout = from->connect_timeout,
	    .timeout = from->timeout,
	    .password.source = from->password.source,
	};
	xstrset(&to->host, from->host);
	xstrset(&to->socket, from->socket);
	xstrset(&to->user, from->user);
	xstrset(&to->database, from->database);
	xstrset(&to->password.name, from->password.name);
	xstrset(&to->tls, from->tls);
	xstrset(&to->tls_ca, from->tls_ca);
	xstrset(&to->tls_cert, from->tls_cert);
	xstrset(&to->tls_key, from->tls_key);
}

static struct database *mydb_open(const void *p, struct err *err)
{
	const struct mysql_conf *conf = p;
	struct mysql *m = xcalloc(1, sizeof(*m));

	m->base.ops = &mysql_ops;
	m->cache.free = close_stmt;
	copy_conf(&m->conf, conf);
	if (conf->socket != NULL)
		m->location = xasprintf("mysql:%s:%s", conf->socket, conf->database);
	else
		m->location =
		    xasprintf("mysql://%s:%lld/%s", conf->host, (long long)conf->port, conf->database);
	if (mysql_connect_to(m, err) == -1) {
		mydb_free(&m->base);
		return NULL;
	}
	return &m->base;
}

const struct db_type db_type_mysql = {
    .name = "mysql",
    .summary = "results on a MySQL or MariaDB server",
    .opts = mysql_opts,
    .conf_size = sizeof(struct mysql_conf),
    .dialect = &dialect_mysql,
    .open = mydb_open,
};
