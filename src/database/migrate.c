/*
 * Bring tables to the program's version.
 *
 * Each piece looks before it acts (is the table, column, key there?), because MySQL commits every CREATE and ALTER by
 * itself: a migration that was killed there is simply done again, and the version row, written last, says when it is
 * whole.  SQLite does the same in one transaction.
 */
#include "config.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utctime.h"
#include "database/catalog.h"
#include "database/database.h"
#include "database/dialect.h"
#include "database/effect.h"
#include "database/migrate.h"

#define SQL_MAX 65536

static const struct dialect *dialect_of(const struct database *db)
{
	return db->type->dialect;
}

/* Run the SQL in sb and empty it. */
static int run_sql(struct database *db, struct strbuf *sb, struct err *err)
{
	int rc = -1;

	if (sb->overflowed)
		err_set(err, ERR_BUG, "a statement of a migration has more than %d bytes", SQL_MAX);
	else
		rc = db_exec(db, sb->buf, NULL, 0, NULL, err);
	strbuf_release(sb);
	return rc;
}

int migrate_check_unique(
    struct database *db, const struct schema_table *table, const struct schema_key *key, struct err *err)
{
	struct strbuf names = STRBUF_INIT(ERR_TEXT_MAX);
	int rc = catalog_duplicates(db, table, key, &names, err);

	if (rc == 0 && names.len > 0)
		rc = err_code(err, ERR_PERMANENT, "duplicates",
		    "table %s holds several rows with the same %s: %s; keep one of each and start again",
		    table->name, key->columns[0], names.buf);
	strbuf_release(&names);
	return rc;
}

static int create_key(struct database *db, const struct schema_table *table, const struct schema_key *key,
    unsigned prefix, struct err *err)
{
	struct strbuf sql = STRBUF_INIT(SQL_MAX);

	schema_create_key(table, key, dialect_of(db), prefix, &sql);
	return run_sql(db, &sql, err);
}

static int ensure_key(
    struct database *db, const struct schema_table *table, const struct schema_key *key, struct err *err)
{
	struct err local = ERR_INIT;
	bool has;

	if (catalog_has_key(db, table, key, &has, err) == -1)
		return -1;
	if (has)
		return 0;
	if (key->unique && migrate_check_unique(db, table, key, err) == -1)
		return -1;
	if (create_key(db, table, key, 0, &local) == 0)
		return 0;
	/* Somebody else's table may have a column of a type that cannot be indexed whole (TEXT). */
	if (err_is(&local, "key_too_long") && dialect_of(db)->key_prefix > 0)
		return create_key(db, table, key, dialect_of(db)->key_prefix, err);
	return err_code(err, local.class, local.code, "%s", local.text);
}

int migrate_check_fits(struct database *db, const struct schema_table *table, struct err *err)
{
	struct strbuf missing = STRBUF_INIT(ERR_TEXT_MAX), extra = STRBUF_INIT(ERR_TEXT_MAX);
	struct strvec have = STRVEC_INIT, required = STRVEC_INIT;
	int rc = catalog_columns(db, table->name, &have, &required, err);

	for (const struct schema_column *c = table->columns; rc == 0 && c->name != NULL; c++)
		if (!catalog_is_among(&have, c->name))
			catalog_add_name(&missing, c->name);
	for (size_t i = 0; i < required.n; i++) {
		const struct schema_column *c = schema_find_column(table, required.v[i]);

		if (c == NULL || c->type == COL_ID)
			catalog_add_name(&extra, required.v[i]);
	}
	if (rc == 0 && missing.len > 0)
		rc = err_code(err, ERR_PERMANENT, "schema_mismatch",
		    "table %s exists but lacks %s; another program made it, and it was left as it is",
		    table->name, missing.buf);
	else if (rc == 0 && extra.len > 0)
		rc = err_code(err, ERR_PERMANENT, "schema_mismatch",
		    "table %s wants a value for %s in every new row, and there is none: give the column a "
		    "default (a row number: AUTO_INCREMENT)",
		    table->name, extra.buf);
	strbuf_release(&missing);
	strbuf_release(&extra);
	strvec_release(&have);
	strvec_release(&required);
	return rc;
}

static int ensure_table(struct database *db, const struct schema_table *table, struct err *err)
{
	struct strbuf sql = STRBUF_INIT(SQL_MAX);
	bool has;

	if (catalog_has_table(db, table->name, &has, err) == -1)
		return -1;
	if (has) {
		if (migrate_check_fits(db, table, err) == -1)
			return -1;
	} else {
		schema_create_table(table, dialect_of(db), &sql);
		if (run_sql(db, &sql, err) == -1)
			return -1;
	}
	for (const struct schema_key *k = table->keys; k != NULL && k->name != NULL; k++)
		if (ensure_key(db, table, k, err) == -1)
			return -1;
	return 0;
}

static int ensure_column(
    struct database *db, const struct schema_table *table, const char *name, struct err *err)
{
	struct strbuf sql = STRBUF_INIT(SQL_MAX);
	struct strvec have = STRVEC_INIT;
	int rc = catalog_columns(db, table->name, &have, NULL, err);
	bool has = catalog_is_among(&have, name);

	strvec_release(&have);
	if (rc == -1 || has)
		return rc;
	schema_add_column(table, schema_find_column(table, name), dialect_of(db), &sql);
	return run_sql(db, &sql, err);
}

static int apply_step(
    struct database *db, const struct schema *schema, const struct schema_step *step, struct err *err)
{
	const struct schema_table *table = schema_find_table(schema, step->table);

	switch (step->verb) {
	case SCHEMA_ADD_TABLE: return ensure_table(db, table, err);
	case SCHEMA_ADD_COLUMN: return ensure_column(db, table, step->name, err);
	case SCHEMA_ADD_KEY: return ensure_key(db, table, schema_find_key(table, step->name), err);
	}
	return err_set(err, ERR_BUG, "schema %s: a step of no known kind", schema->component);
}

/* 0: no table of versions, or no row of this component. */
static int read_version(struct database *db, const struct schema *schema, int64_t *version, struct err *err)
{
	struct err local = ERR_INIT;
	bool has;

	*version = 0;
	if (catalog_has_table(db, "orch_schema", &has, err) == -1)
		return -1;
	if (!has || db_query_int(db, "SELECT version FROM orch_schema WHERE component = ?",
	                &DBV_TEXT(schema->component), 1, version, &local) == 0)
		return 0;
	if (err_is(&local, "not_found"))
		return 0;
	if (err != NULL)
		*err = local;
	return -1;
}

static int write_version(struct database *db, const struct schema *schema, struct err *err)
{
	static const char *const columns[] = {"component", "version", "applied_at", "program"};
	char now[UTCTIME_MAX];

	return db_upsert(db, schema_find_table(&orch_schema, "orch_schema"), columns,
	    (struct db_value[]){
	        DBV_TEXT(schema->component),
	        DBV_INT(schema->version),
	        DBV_TEXT(utctime_format_sql_ms(clock_now(), now)),
	        DBV_TEXT(PACKAGE_STRING),
	    },
	    NITEMS(columns), err);
}

/* 1: there is something to do. */
static int needs_work(struct database *db, const struct schema *schema, int64_t *version, struct err *err)
{
	if (read_version(db, schema, version, err) == -1)
		return -1;
	if (*version > schema->version)
		return err_code(err, ERR_PERMANENT, "schema_newer",
		    "%s: the tables of %s have version %lld, this program knows %d: use the newer program",
		    db_location(db), schema->component, (long long)*version, schema->version);
	return *version < schema->version;
}

static int migrate_schema(struct database *db, const struct schema *schema, struct err *err)
{
	int64_t version;
	int rc = needs_work(db, schema, &version, err);

	if (rc != 1)
		return rc;
	if (version == 0)
		for (const struct schema_table *const *t = schema->tables; *t != NULL; t++)
			if (ensure_table(db, *t, err) == -1)
				return -1;
	for (const struct schema_step *s = schema->steps; version > 0 && s != NULL && s->table != NULL; s++)
		if (s->version > version && apply_step(db, schema, s, err) == -1)
			return -1;
	if (write_version(db, schema, err) == -1)
		return -1;
	log_info("database %s: schema=%s version=%lld->%d", db->name, schema->component, (long long)version,
	    schema->version);
	return 0;
}

static int migrate_all(struct database *db, const struct schema *const *all, struct err *err)
{
	for (; *all != NULL; all++)
		if (migrate_schema(db, *all, err) == -1)
			return err_wrap(err, "schema %s", (*all)->component);
	return 0;
}

static int migrate_in_transaction(struct database *db, const struct schema *const *all, struct err *err)
{
	if (db_begin(db, err) == -1)
		return -1;
	if (migrate_all(db, all, err) == -1) {
		db_rollback(db);
		return -1;
	}
	return db_commit(db, err);
}

static int migrate_under_lock(struct database *db, const struct schema *const *all, struct err *err)
{
	int64_t got = 0;
	int rc;

	if (db_query_int(db, dialect_of(db)->migrate_lock, NULL, 0, &got, err) == -1 &&
	    !err_is(err, "not_found"))
		return -1;
	if (got != 1)
		return err_code(
		    err, ERR_TRANSIENT, "busy", "%s: another process is changing the tables", db_location(db));
	rc = migrate_all(db, all, err);
	/* A connection that broke has given the lock back. */
	db_query_int(db, dialect_of(db)->migrate_unlock, NULL, 0, &got, NULL);
	return rc;
}

void migrate_list(const struct schema *component, const struct schema *all[MIGRATE_SCHEMAS])
{
	all[0] = &orch_schema;
	all[1] = component;
	all[2] = NULL;
}

int db_migrate(struct database *db, const struct schema *schema, struct err *err)
{
	const struct schema *all[MIGRATE_SCHEMAS];
	int64_t version;
	int work = 0;

	if (db->in_transaction)
		return err_set(err, ERR_BUG, "database %s: a migration inside a transaction", db->name);
	migrate_list(schema, all);
	for (size_t i = 0; all[i] != NULL && work == 0; i++)
		work = needs_work(db, all[i], &version, err);
	if (work != 1)
		return work;
	if (dialect_of(db)->ddl_in_transaction)
		return migrate_in_transaction(db, all, err);
	return migrate_under_lock(db, all, err);
}
