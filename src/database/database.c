/* What every database does alike: the state of a transaction, and conveniences built from exec and query. */
#include "config.h"

#include "database/database.h"

#include "base/mem.h"
#include "database/schema.h"
#include "metric/health.h"

#include <string.h>

struct db_value db_text(const char *s)
{
	return s == NULL ? DBV_NULL : (struct db_value){.kind = DB_TEXT, .s = s, .n = strlen(s)};
}

const struct db_type *db_type_find(const char *name)
{
	for (const struct db_type *const *t = db_types; *t != NULL; t++)
		if (strcmp((*t)->name, name) == 0)
			return *t;
	return NULL;
}

struct database *db_open(const struct db_type *type, const char *name, const void *conf, struct err *err)
{
	struct err local = ERR_INIT;
	struct database *db = type->open(conf, &local);

	health_note(HEALTH_DATABASE, name, db == NULL ? &local : NULL);
	if (db == NULL) {
		err_code(err, local.class, local.code, "database %s: %s", name, local.text);
		return NULL;
	}
	db->type = type;
	db->name = xstrdup(name);
	return db;
}

void db_close(struct database *db)
{
	if (db == NULL)
		return;
	db_rollback(db);
	free(db->name);
	db->ops->close(db);
}

int db_reconnect(struct database *db, struct err *err)
{
	db_rollback(db);
	return db->ops->reconnect(db, err);
}

/* Calls that a transaction's state or a running query forbids are ours to fix, not the operator's. */
static int check_usable(const struct database *db, const char *what, struct err *err)
{
	if (db->in_query)
		return err_set(err, ERR_BUG, "database %s: %s from inside a query", db->name, what);
	if (db->failed)
		return err_set(err, ERR_BUG, "database %s: %s in a transaction that failed", db->name, what);
	return 0;
}

/* What hides the whole database; a deadlock or a constraint is an answer. */
static void note_health(const struct database *db, int rc, const struct err *err)
{
	static const char *const hidden[] = {"lost", "unreachable", "read_only", "disk_full", "io", "corrupt"};

	for (size_t i = 0; rc == -1 && err != NULL && i < NITEMS(hidden); i++)
		if (err_is(err, hidden[i]))
			health_note(HEALTH_DATABASE, db->name, err);
	if (rc != -1)
		health_note(HEALTH_DATABASE, db->name, NULL);
}

/* rc < 0 is the database's error; a callback's own answer leaves the transaction whole. */
static int note_result(struct database *db, int rc, const struct err *err)
{
	note_health(db, rc, err);
	if (rc == -1 && db->in_transaction)
		db->failed = true;
	return rc;
}

int db_begin(struct database *db, struct err *err)
{
	if (check_usable(db, "begin", err) == -1)
		return -1;
	if (db->in_transaction)
		return err_set(err, ERR_BUG, "database %s: begin inside a transaction", db->name);
	if (db->ops->begin(db, err) == -1)
		return -1;
	db->in_transaction = true;
	return 0;
}

int db_commit(struct database *db, struct err *err)
{
	if (check_usable(db, "commit", err) == -1)
		return -1;
	if (!db->in_transaction)
		return err_set(err, ERR_BUG, "database %s: commit outside a transaction", db->name);
	if (db->ops->commit(db, err) == -1)
		return note_result(db, -1, err);
	db->in_transaction = false;
	return 0;
}

void db_rollback(struct database *db)
{
	assert(!db->in_query);
	if (db->in_transaction)
		db->ops->rollback(db);
	db->in_transaction = db->failed = false;
}

int db_exec(struct database *db, const char *sql, const struct db_value *v, size_t n, int64_t *affected,
    struct err *err)
{
	int64_t count = 0;

	if (check_usable(db, "a statement", err) == -1)
		return -1;
	if (note_result(db, db->ops->exec(db, sql, v, n, &count, err), err) == -1)
		return -1;
	if (affected != NULL)
		*affected = count;
	return 0;
}

int db_query(struct database *db, const char *sql, const struct db_value *v, size_t n, db_row_fn *fn, void *arg,
    struct err *err)
{
	int rc;

	if (check_usable(db, "a query", err) == -1)
		return -1;
	db->in_query = true;
	rc = db->ops->query(db, sql, v, n, fn, arg, err);
	db->in_query = false;
	return note_result(db, rc, err);
}

struct first_int {
	int64_t value;
	bool found, is_int;
};

static int take_first_int(const struct db_value *v, size_t n, void *arg)
{
	struct first_int *first = arg;

	first->found = true;
	first->is_int = n > 0 && v[0].kind == DB_INT;
	first->value = first->is_int ? v[0].i : 0;
	return 1;
}

int db_query_int(
    struct database *db, const char *sql, const struct db_value *v, size_t n, int64_t *out, struct err *err)
{
	struct first_int first = {0};

	if (db_query(db, sql, v, n, take_first_int, &first, err) == -1)
		return -1;
	if (!first.found)
		return err_code(err, ERR_PERMANENT, "not_found", "database %s: no row for: %s", db->name, sql);
	if (!first.is_int)
		return err_code(
		    err, ERR_PERMANENT, "bad_value", "database %s: no whole number from: %s", db->name, sql);
	*out = first.value;
	return 0;
}

int db_upsert(struct database *db, const struct schema_table *table, const char *const *columns,
    const struct db_value *v, size_t n, struct err *err)
{
	struct strbuf sql = STRBUF_INIT(16384);
	int rc = schema_upsert(table, columns, n, db->type->dialect, &sql, err);

	if (rc == 0 && sql.overflowed)
		rc = err_set(err, ERR_BUG, "table %s: the upsert is too long", table->name);
	rc = rc == -1 ? note_result(db, -1, NULL) : db_exec(db, sql.buf, v, n, NULL, err);
	strbuf_release(&sql);
	return rc == -1 ? err_wrap(err, "table %s", table->name) : 0;
}

const char *db_location(struct database *db)
{
	return db->ops->location(db);
}
