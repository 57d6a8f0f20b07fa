/* Effect rows, and as many rows as the manifests together say were written. */
#include "config.h"

#include "audit/audit_priv.h"

#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_MAX 100

/* ---- the effect */

static int take_text(const struct db_value *v, size_t n, void *arg)
{
	char *out = arg;

	snprintf(out, 100, "%s", n > 0 && v[0].kind == DB_TEXT ? v[0].s : "");
	return 1;
}

static void check_effect(struct audit *a, const struct made *m, const json_t *manifest, struct database *db)
{
	const char *asset = json_str(manifest, "asset", ""), *uid = json_str(manifest, "run_uid", "");
	char have[100] = "";
	struct err err = ERR_INIT;
	int rc = db_query(db, "SELECT manifest_sha256 FROM orch_effect WHERE run_uid = ? AND asset = ?",
	    (struct db_value[]){db_text(uid), db_text(asset)}, 2, take_text, have, &err);

	a->n.effects++;
	if (rc == -1 && !err_is(&err, "no_table"))
		audit_unknown(a, "effect", m->database, asset, &err);
	else if (have[0] == '\0')
		audit_tell(a, m, m->database, FOUND_MISSING, "effect", asset, m->sha256,
		    rc == -1 ? "no table orch_effect" : "no such row in orch_effect");
	else if (strcmp(have, m->sha256) != 0)
		audit_tell(a, m, m->database, FOUND_MISMATCHED, "effect", asset, m->sha256, have);
}

/* ---- rows: gathered first, because the lines of one night share a table and a run */

static bool is_identifier(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 64 || isdigit((unsigned char)*s))
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '_')
			return false;
	return true;
}

static void gather(struct audit *a, const struct made *m, const char *table, int64_t rows, const json_t *where)
{
	const char *column = json_str(where, "column", "");
	const json_t *values = json_object_get(where, "values");
	char *text, *name;
	json_t *group;

	if (!is_identifier(table) || !is_identifier(column) || json_array_size(values) == 0 ||
	    json_array_size(values) > VALUES_MAX)
		return;
	text = json_text(values);
	name = xasprintf("%s\n%s\n%s\n%s", m->database, table, column, text);
	group = json_object_get(a->tables, name);
	if (group == NULL) {
		group = json_pack("{s:s, s:s, s:s, s:O, s:s, s:s, s:I}", "database", m->database, "table",
		    table, "column", column, "values", values, "asset", m->asset, "partition", m->partition,
		    "run", (json_int_t)m->run);
		json_object_set_new(a->tables, name, group);
	}
	json_object_set_new(group, "rows", json_integer(json_int(group, "rows", 0) + rows));
	free(name);
	free(text);
}

void audit_rows_note(struct audit *a, const struct made *m, const json_t *manifest)
{
	const json_t *rows = json_object_get(manifest, "rows"),
	             *where = json_object_get(manifest, "rows_where"), *n;
	struct database *db;
	const char *table;

	if (m->database == NULL || json_object_size(rows) == 0 || (db = audit_database(a, m->database)) == NULL)
		return;
	check_effect(a, m, manifest, db);
	json_object_foreach((json_t *)rows, table, n)
	    gather(a, m, table, json_integer_value(n), json_object_get(where, table));
}

/* ---- counting */

static int count(struct database *db, const json_t *group, int64_t *out, struct err *err)
{
	const json_t *values = json_object_get(group, "values"), *value;
	struct strbuf sql = STRBUF_INIT(2048);
	struct db_value v[VALUES_MAX];
	size_t i;
	int rc;

	/* Both names are identifiers; gather has looked. */
	strbuf_addf(&sql, "SELECT COUNT(*) FROM %s WHERE %s IN (", json_str(group, "table", ""),
	    json_str(group, "column", ""));
	json_array_foreach(values, i, value)
	{
		strbuf_addstr(&sql, i ? ", ?" : "?");
		v[i] = db_text(json_is_string(value) ? json_string_value(value) : "");
	}
	strbuf_addstr(&sql, ")");
	rc = db_query_int(db, sql.buf, v, i, out, err);
	strbuf_release(&sql);
	return rc;
}

static void check_group(struct audit *a, const json_t *group)
{
	const char *database = json_str(group, "database", ""), *table = json_str(group, "table", "");
	const struct made m = {.asset = (char *)json_str(group, "asset", ""),
	    .partition = (char *)json_str(group, "partition", ""),
	    .run = json_int(group, "run", 0)};
	struct database *db = audit_database(a, database);
	int64_t want = json_int(group, "rows", 0), have = 0;
	char expected[400], found[100];
	struct err err = ERR_INIT;

	if (db == NULL)
		return;
	a->n.tables++;
	if (count(db, group, &have, &err) == -1 && !err_is(&err, "no_table")) {
		audit_unknown(a, "rows", database, table, &err);
		return;
	}
	if (have == want)
		return;
	snprintf(expected, sizeof(expected), "%" PRId64 " rows with %s %s%s", want,
	    json_str(group, "column", ""),
	    json_string_value(json_array_get(json_object_get(group, "values"), 0)),
	    json_array_size(json_object_get(group, "values")) > 1 ? " and others" : "");
	snprintf(found, sizeof(found), "%" PRId64 " rows", have);
	audit_tell(
	    a, &m, database, have < want ? FOUND_MISSING : FOUND_MISMATCHED, "rows", table, expected, found);
}

int audit_rows(struct audit *a, struct err *err)
{
	int64_t done = 0, total = (int64_t)json_object_size(a->tables);
	const char *name;
	json_t *group;

	json_object_foreach(a->tables, name, group)
	{
		audit_progress(a, "tables", done++, total);
		if (audit_stopped(a))
			return err_code(err, ERR_CANCELLED, "interrupted", "interrupted");
		check_group(a, group);
	}
	return 0;
}
