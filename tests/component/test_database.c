/* What every database promises, on each of them. */
#include "config.h"

#include "database/dialect.h"
#include "database/effect.h"
#include "tests/component/database_fixture.h"
#include "tests/component/grow_schema.h"

#include <float.h>
#include <math.h>

/* ---- values */

struct seen {
	struct db_value v[16];
	char text[16][512];
	size_t columns, rows;
};

static int see_row(const struct db_value *v, size_t n, void *arg)
{
	struct seen *seen = arg;

	seen->rows++;
	seen->columns = n;
	for (size_t i = 0; i < n && i < NITEMS(seen->v); i++) {
		seen->v[i] = v[i];
		if (v[i].kind == DB_TEXT) {
			snprintf(seen->text[i], sizeof(seen->text[i]), "%s", v[i].s);
			seen->v[i].s = seen->text[i];
			if (v[i].s[v[i].n] != '\0')
				tap_bail("a text without its NUL");
		}
	}
	return 0;
}

static void test_values(const struct fixture *fx)
{
	static const double doubles[] = {0, -1.5, 0.1, 1.0 / 3, DBL_MAX, -DBL_MAX, DBL_MIN, 630.0304e-9,
	    6.02214076e23, NAN, INFINITY, -INFINITY};
	static const int64_t ints[] = {0, -1, 1, INT64_MAX, INT64_MIN, INT64_C(1) << 53};
	static const char *const texts[] = {
	    "", "a", "üñí", "\xf0\x9f\x94\xad night", "it's \"quoted\" \\ `x` ; -- ?", NULL};
	struct database *db = fixture_open(fx);
	struct err err = ERR_INIT;
	struct seen seen;

	ok(run_sql(db,
	       "CREATE TABLE v (k INTEGER NOT NULL PRIMARY KEY, d DOUBLE PRECISION, i BIGINT, t VARCHAR(191))"),
	    "a table");
	for (size_t k = 0; k < NITEMS(doubles); k++) {
		ok(db_exec(db, "INSERT INTO v (k, d) VALUES (?, ?)",
		       (struct db_value[]){DBV_INT((int64_t)k), DBV_DOUBLE(doubles[k])}, 2, NULL, &err) == 0,
		    "insert %g: %s", doubles[k], err.text);
		seen = (struct seen){0};
		db_query(db, "SELECT d FROM v WHERE k = ?", &DBV_INT((int64_t)k), 1, see_row, &seen, &err);
		if (isfinite(doubles[k]))
			ok(seen.v[0].kind == DB_DOUBLE && seen.v[0].d == doubles[k], "%.17g comes back",
			    doubles[k]);
		else
			ok(seen.rows == 1 && seen.v[0].kind == DB_NULL, "%g is stored as NULL", doubles[k]);
	}
	for (size_t k = 0; k < NITEMS(ints); k++) {
		int64_t got = 7;

		db_exec(db, "UPDATE v SET i = ? WHERE k = 0", &DBV_INT(ints[k]), 1, NULL, &err);
		db_query_int(db, "SELECT i FROM v WHERE k = 0", NULL, 0, &got, &err);
		is_int(got, ints[k], "an integer comes back");
	}
	for (size_t k = 0; k < NITEMS(texts); k++) {
		db_exec(db, "UPDATE v SET t = ? WHERE k = 0", &DBV_TEXT(texts[k]), 1, NULL, &err);
		seen = (struct seen){0};
		db_query(db, "SELECT t FROM v WHERE k = 0", NULL, 0, see_row, &seen, &err);
		if (texts[k] == NULL)
			ok(seen.rows == 1 && seen.v[0].kind == DB_NULL, "no text is NULL");
		else
			is_str(seen.v[0].kind == DB_TEXT ? seen.v[0].s : NULL, texts[k], "a text comes back");
	}
	db_close(db);
}

/* A text of the longest column, read after a short one: the buffer of the row must follow. */
static void test_long_text(const struct fixture *fx)
{
	struct database *db = fixture_open(fx);
	struct err err = ERR_INIT;
	struct seen seen = {0};
	char text[401];

	memset(text, 'x', 400);
	text[400] = '\0';
	run_sql(db, "CREATE TABLE v (k INTEGER NOT NULL PRIMARY KEY, t TEXT)");
	for (int k = 0; k < 3; k++)
		db_exec(db, "INSERT INTO v VALUES (?, ?)",
		    (struct db_value[]){DBV_INT(k), DBV_TEXT(k == 1 ? text : "short")}, 2, NULL, &err);
	db_query(db, "SELECT k, t FROM v WHERE k = 1", NULL, 0, see_row, &seen, &err);
	is_str(seen.v[1].kind == DB_TEXT ? seen.v[1].s : NULL, text, "a long text comes back");
	seen.rows = 0;
	db_query(db, "SELECT k, t FROM v ORDER BY k", NULL, 0, see_row, &seen, &err);
	is_int(seen.rows, 3, "three rows");
	is_str(seen.v[1].s, "short", "and a short one after it");
	db_close(db);
}

static int stop_at_two(const struct db_value *v, size_t n, void *arg)
{
	int *rows = arg;

	return ++*rows == 2 ? 42 : 0;
}

static int query_again(const struct db_value *v, size_t n, void *arg)
{
	struct err err = ERR_INIT;
	int64_t one;

	return db_query_int(arg, "SELECT 1", NULL, 0, &one, &err) == -1 && err.class == ERR_BUG ? 9 : 8;
}

static void test_statements(const struct fixture *fx)
{
	struct database *db = fixture_open(fx);
	struct err err = ERR_INIT;
	int64_t affected = -1, n;
	int rows = 0, bad = 0;

	run_sql(db, "CREATE TABLE s (k INTEGER NOT NULL PRIMARY KEY, t VARCHAR(10) NOT NULL)");
	for (int i = 0; i < 5; i++)
		db_exec(db, "INSERT INTO s VALUES (?, ?)", (struct db_value[]){DBV_INT(i), DBV_TEXT("a")}, 2,
		    NULL, &err);
	ok(db_exec(db, "UPDATE s SET t = ? WHERE k < 3", &DBV_TEXT("b"), 1, &affected, &err) == 0 &&
	        affected == 3,
	    "three rows updated");
	ok(db_exec(db, "UPDATE s SET t = ? WHERE k < 3", &DBV_TEXT("b"), 1, &affected, &err) == 0 &&
	        affected == 3,
	    "and found again when nothing changes");
	ok(db_exec(db, "DELETE FROM s WHERE k = 4", NULL, 0, &affected, &err) == 0 && affected == 1,
	    "one deleted");
	is_int(db_query(db, "SELECT k FROM s ORDER BY k", NULL, 0, stop_at_two, &rows, &err), 42,
	    "a walk can stop");
	is_int(rows, 2, "at its row");
	is_int(count(db, "SELECT COUNT(*) FROM s"), 4, "and the next statement works");
	is_int(db_query(db, "SELECT k FROM s", NULL, 0, query_again, db, &err), 9,
	    "no statement from inside a walk");
	is_err(db_query_int(db, "SELECT k FROM s WHERE k = 99", NULL, 0, &n, &err), &err, ERR_PERMANENT,
	    "not_found", "no row");
	ok(db_exec(db, "SELECT k FROM s", NULL, 0, NULL, &err) == 0, "rows nobody wants are dropped");
	is_int(count(db, "SELECT COUNT(*) FROM s"), 4, "and the connection is in step");
	is_err(db_exec(db, "INSERT INTO nowhere VALUES (1)", NULL, 0, NULL, &err), &err, ERR_PERMANENT,
	    "no_table", "a missing table");
	is_err(db_exec(db, "INSERT INTO s VALUES (?, 'x')", &DBV_INT(1), 1, NULL, &err), &err, ERR_PERMANENT,
	    "duplicate", "a second row");
	is_err(db_exec(db, "INSERT INTO s VALUES (9, NULL)", NULL, 0, NULL, &err), &err, ERR_PERMANENT,
	    "constraint", "a NULL");
	is_err(db_exec(db, "SELEKT 1", NULL, 0, NULL, &err), &err, ERR_PERMANENT, "bad_sql", "no SQL");
	ok(db_exec(db, "SELECT ?", NULL, 0, NULL, &err) == -1 && err.class == ERR_BUG, "a value is missing");
	for (int i = 0; i < 50; i++) {
		char sql[64];

		snprintf(sql, sizeof(sql), "SELECT COUNT(*) + %d FROM s", i);
		if (count(db, sql) != 4 + i)
			bad++;
	}
	is_int(bad, 0, "more statements than are kept");
	db_close(db);
}

static void test_transactions(const struct fixture *fx)
{
	struct database *db = fixture_open(fx), *other = fixture_open(fx);
	struct err err = ERR_INIT;

	run_sql(db, "CREATE TABLE t (k INTEGER NOT NULL PRIMARY KEY)");
	ok(db_begin(db, &err) == 0 && run_sql(db, "INSERT INTO t VALUES (1)"), "begin");
	is_int(count(other, "SELECT COUNT(*) FROM t"), 0, "others do not see it");
	ok(db_begin(db, &err) == -1 && err.class == ERR_BUG, "no transaction in a transaction");
	ok(db_commit(db, &err) == 0, "commit");
	is_int(count(other, "SELECT COUNT(*) FROM t"), 1, "others see it");
	ok(db_begin(db, &err) == 0 && run_sql(db, "INSERT INTO t VALUES (2)"), "begin");
	db_rollback(db);
	is_int(count(db, "SELECT COUNT(*) FROM t"), 1, "rolled back");
	db_rollback(db);
	ok(db_commit(db, &err) == -1 && err.class == ERR_BUG, "no commit without begin");

	ok(db_begin(db, &err) == 0 && run_sql(db, "INSERT INTO t VALUES (2)"), "begin");
	ok(db_exec(db, "INSERT INTO t VALUES (1)", NULL, 0, NULL, &err) == -1, "an error inside");
	ok(db_exec(db, "INSERT INTO t VALUES (3)", NULL, 0, NULL, &err) == -1 && err.class == ERR_BUG,
	    "then no statement");
	ok(db_commit(db, &err) == -1 && err.class == ERR_BUG, "and no commit");
	db_rollback(db);
	is_int(count(db, "SELECT COUNT(*) FROM t"), 1, "nothing of it is left");

	ok(db_begin(db, &err) == 0 && run_sql(db, "INSERT INTO t VALUES (2)"), "begin");
	ok(db_reconnect(db, &err) == 0, "reconnect");
	is_int(count(db, "SELECT COUNT(*) FROM t"), 1, "the transaction went with the connection");
	ok(db_begin(db, &err) == 0 && run_sql(db, "INSERT INTO t VALUES (2)"), "begin");
	db_close(db);
	is_int(count(other, "SELECT COUNT(*) FROM t"), 1, "close rolls back");
	db_close(other);
}

/* ---- schema */

static void test_migrate(const struct fixture *fx)
{
	struct database *db = open_migrated(fx);
	struct err err = ERR_INIT;

	is_int(count(db, "SELECT version FROM orch_schema WHERE component = 'fpi'"), 1, "version of fpi");
	is_int(count(db, "SELECT version FROM orch_schema WHERE component = 'orch'"), 1, "version of orch");
	for (const struct schema_table *const *t = fpi_schema.tables; *t != NULL; t++) {
		struct seen seen = {0};

		db_query(db, db->type->dialect->list_table, &DBV_TEXT((*t)->name), 1, see_row, &seen, &err);
		is_str(seen.text[0], (*t)->name, "the table is there");
	}
	ok(db_migrate(db, &fpi_schema, &err) == 0, "again: nothing to do");
	ok(put_sky(db, "XR", 1000, "20260417", 12.5, "r1", &err) == 0, "a row: %s", err.text);
	ok(db_migrate(db, &fpi_schema, &err) == 0 && count(db, "SELECT COUNT(*) FROM fpi_sky") == 1,
	    "rows stay");
	run_sql(db, "UPDATE orch_schema SET version = 2 WHERE component = 'fpi'");
	is_err(db_migrate(db, &fpi_schema, &err), &err, ERR_PERMANENT, "schema_newer",
	    "a newer schema is refused");
	ok(strstr(err.text, "fpi") != NULL && strstr(err.text, "version 2") != NULL, "by name: %s", err.text);
	db_close(db);
}

static void test_refused_values(const struct fixture *fx)
{
	static const char *const columns[] = {
	    "run_uid", "asset", "partition_key", "manifest_sha256", "committed_at"};
	static const struct {
		const char *uid, *at, *code;
	} cases[] = {
	    {"0123456789012345678901234567890123456789012345678901234567890123", "2026-04-17 21:03:05.123",
	        NULL},
	    {"01234567890123456789012345678901234567890123456789012345678901234", "2026-04-17 21:03:05.123",
	        "bad_value"},
	    {"a", "2026-02-30 21:03:05.123", "bad_value"},
	    {"a", "yesterday", "bad_value"},
	    {"a", NULL, "constraint"},
	};
	struct database *db = open_migrated(fx);
	const struct schema_table *table = schema_find_table(&orch_schema, "orch_effect");

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct err err = ERR_INIT;
		int rc = db_upsert(db, table, columns,
		    (struct db_value[]){DBV_TEXT(cases[i].uid), DBV_TEXT("analyze"), DBV_TEXT(""),
		        DBV_TEXT("00"), DBV_TEXT(cases[i].at)},
		    5, &err);

		if (cases[i].code == NULL)
			ok(rc == 0, "a row that fits: %s", err.text);
		else
			is_err(rc, &err, ERR_PERMANENT, cases[i].code, cases[i].at ? cases[i].at : "no time");
	}
	db_close(db);
}

static void test_times(const struct fixture *fx)
{
	struct database *db = open_migrated(fx);
	struct err err = ERR_INIT;
	tm_ms t0;
	int bad = 0;

	utctime_parse("2024-02-29 23:59:59.000", &t0);
	db_begin(db, &err);
	for (int ms = 0; ms < 1000; ms++) {
		char want[UTCTIME_MAX];
		struct seen seen = {0};

		utctime_format_sql_ms(t0 + ms, want);
		if (put_sky(db, "X", t0 + ms, "20240229", 0, "r", &err) == -1 ||
		    db_query(db, "SELECT time_utc FROM fpi_sky WHERE time_utc = ?", &DBV_TEXT(want), 1, see_row,
		        &seen, &err) == -1 ||
		    strcmp(seen.text[0], want) != 0)
			bad++;
	}
	ok(bad == 0 && db_commit(db, &err) == 0, "every millisecond is stored and found: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM fpi_sky WHERE time_utc >= '2024-02-29 23:59:59.500'"), 500,
	    "and compares");
	db_close(db);
}

static void test_upsert(const struct fixture *fx)
{
	static const char *const dataset[] = {
	    "Site", "Instrument", "StartUTTime", "StopUTTime", "SummaryImage", "LogFile"};
	static const char *const partial[] = {
	    "instrument", "line_tag", "time_utc", "site", "night", "temperature"};
	static const char *const keyless[] = {"instrument", "line_tag", "site", "night"};
	static const char *const unknown[] = {"instrument", "line_tag", "time_utc", "no_such"};
	struct database *db = open_migrated(fx);
	struct err err = ERR_INIT;
	struct seen seen = {0};
	struct db_value row[] = {DBV_INT(6), DBV_INT(2), DBV_TEXT("2026-04-17 02:00:00"),
	    DBV_TEXT("2026-04-17 10:00:00"), DBV_TEXT("SummaryImages/2026/a.png"), DBV_TEXT("one.log")};
	struct db_value v[] = {DBV_TEXT("minime13"), DBV_TEXT("XR"), DBV_TEXT("1970-01-01 00:00:01.000"),
	    DBV_TEXT("uao"), DBV_TEXT("20260417"), DBV_DOUBLE(812.5)};

	ok(put_sky(db, "XR", 1000, "20260417", 12.5, "r1", &err) == 0, "insert: %s", err.text);
	ok(put_sky(db, "XR", 1000, "20260417", -3, "r2", &err) == 0, "again: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM fpi_sky"), 1, "one row");
	is_int(count(db, "SELECT COUNT(*) FROM fpi_sky WHERE los_wind = -3 AND run_id = 'r2'"), 1,
	    "the second's values");
	ok(put_sky(db, "xr", 1000, "20260417", 1, "r3", &err) == 0, "keys tell capitals");
	is_int(count(db, "SELECT COUNT(*) FROM fpi_sky"), 2, "two rows");
	ok(db_upsert(db, &fpi_sky_table, partial, v, NITEMS(v), &err) == 0, "some columns: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM fpi_sky WHERE los_wind = -3 AND temperature = 812.5"), 1,
	    "the others keep theirs");
	ok(db_upsert(db, &fpi_sky_table, keyless, v, 4, &err) == -1 && err.class == ERR_BUG,
	    "the key is needed");
	ok(db_upsert(db, &fpi_sky_table, unknown, v, 4, &err) == -1 && err.class == ERR_BUG,
	    "unknown columns are bugs");

	ok(db_upsert(db, &fpi_dataset_table, dataset, row, NITEMS(row), &err) == 0, "a picture: %s", err.text);
	row[0] = DBV_INT(7);
	row[2] = DBV_TEXT("2026-04-17 03:00:00");
	row[5] = DBV_TEXT("two.log");
	ok(db_upsert(db, &fpi_dataset_table, dataset, row, NITEMS(row), &err) == 0, "again: %s", err.text);
	row[4] = DBV_TEXT("SummaryImages/2026/b.png");
	ok(db_upsert(db, &fpi_dataset_table, dataset, row, NITEMS(row), &err) == 0, "another: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM DataSet"), 2, "two pictures");
	db_query(db, "SELECT Site, StartUTTime, LogFile, id FROM DataSet WHERE SummaryImage = ?",
	    &DBV_TEXT("SummaryImages/2026/a.png"), 1, see_row, &seen, &err);
	ok(seen.v[0].i == 6 && strcmp(seen.text[1], "2026-04-17 02:00:00") == 0 &&
	        strcmp(seen.text[2], "two.log") == 0,
	    "a second run changes the log's name and leaves the times");
	ok(seen.v[3].kind == DB_INT && seen.v[3].i == 1, "ids count");
	db_close(db);
}

/* The users' table as it stands on their server. */
static bool make_users_dataset(struct database *db)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	    "CREATE TABLE DataSet (id INTEGER PRIMARY KEY%s, Site INT, Instrument INT, StartUTTime DATETIME, "
	    "StopUTTime DATETIME, SummaryImage VARCHAR(255), LogFile VARCHAR(255))",
	    db->type->dialect->ddl_in_transaction ? "" : " AUTO_INCREMENT");
	return run_sql(db, sql);
}

struct index_search {
	const char *name;
	bool found;
};

static int match_index(const struct db_value *v, size_t n, void *arg)
{
	struct index_search *s = arg;

	s->found |= strcmp(v[1].s, s->name) == 0;
	return 0;
}

static bool has_index(struct database *db, const char *table, const char *name)
{
	struct index_search s = {.name = name};
	struct err err = ERR_INIT;

	return db_query(db, db->type->dialect->list_keys, &DBV_TEXT(table), 1, match_index, &s, &err) == 0 &&
	       s.found;
}

static void test_existing_dataset(const struct fixture *fx)
{
	struct database *db = fixture_open(fx);
	struct err err = ERR_INIT;

	make_users_dataset(db);
	run_sql(db, "INSERT INTO DataSet (id, SummaryImage) VALUES (1, 'x.png'), (2, 'x.png'), (3, 'y.png'), "
	            "(4, 'z.png'), (5, 'z.png'), (6, 'z.png'), (7, NULL), (8, NULL)");
	is_err(db_migrate(db, &fpi_schema, &err), &err, ERR_PERMANENT, "duplicates", "duplicates are refused");
	ok(strstr(err.text, "'x.png' (2 rows), 'z.png' (3 rows)") != NULL, "by name: %s", err.text);
	ok(strstr(err.text, "y.png") == NULL, "and only they");
	is_int(count(db, "SELECT COUNT(*) FROM DataSet"), 8, "no row is touched");
	run_sql(db, "DELETE FROM DataSet WHERE id IN (2, 5, 6)");
	ok(db_migrate(db, &fpi_schema, &err) == 0, "without them: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM DataSet"), 5, "the other rows are there");
	is_err(db_exec(db, "INSERT INTO DataSet (id, SummaryImage) VALUES (9, 'y.png')", NULL, 0, NULL, &err),
	    &err, ERR_PERMANENT, "duplicate", "the key holds");
	db_close(db);

	fx->fresh();
	db = fixture_open(fx);
	make_users_dataset(db);
	run_sql(db, "CREATE UNIQUE INDEX theirs ON DataSet (SummaryImage)");
	ok(db_migrate(db, &fpi_schema, &err) == 0, "a key of another name serves: %s", err.text);
	ok(has_index(db, "DataSet", "theirs") && !has_index(db, "DataSet", "DataSet_SummaryImage"),
	    "and no second one is made");
	db_close(db);

	fx->fresh();
	db = fixture_open(fx);
	run_sql(db, "CREATE TABLE DataSet (id INTEGER PRIMARY KEY, Site INT, SummaryImage VARCHAR(255))");
	is_err(db_migrate(db, &fpi_schema, &err), &err, ERR_PERMANENT, "schema_mismatch",
	    "a table of another shape");
	ok(strstr(err.text, "StartUTTime") != NULL && strstr(err.text, "LogFile") != NULL, "says why: %s",
	    err.text);
	db_close(db);
}

static const struct schema_table no_key = {
    .name = "t", .help = "t", .columns = (const struct schema_column[]){{"a", COL_INT, 0, 0, NULL, "a"}, {0}}};
static const struct schema_table bad_name = {.name = "t",
    .help = "t",
    .columns = (const struct schema_column[]){{"a\"b", COL_INT, 0, 0, NULL, "a"}, {0}},
    .primary = {"a\"b"}};
static const struct schema_table loose_identity = {.name = "t",
    .help = "t",
    .columns =
        (const struct schema_column[]){{"a", COL_INT, 0, 0, NULL, "a"}, {"b", COL_INT, 0, 0, NULL, "b"}, {0}},
    .primary = {"a"},
    .identity = {"b"}};

static void test_schema_check(void)
{
	static const struct schema *const good[] = {&fpi_schema, &orch_schema, &grow_v1, &grow_v3};
	static const struct schema_table *const bad[] = {&no_key, &bad_name, &loose_identity};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < NITEMS(good); i++)
		ok(schema_check(good[i], &err) == 0, "%s: %s", good[i]->component, err.text);
	for (size_t i = 0; i < NITEMS(bad); i++) {
		const struct schema s = {.component = "s",
		    .version = 1,
		    .tables = (const struct schema_table *const[]){bad[i], NULL}};

		ok(schema_check(&s, &err) == -1 && err.class == ERR_BUG, "refused: %s", err.text);
	}
}

static void test_grow(const struct fixture *fx)
{
	struct database *db = fixture_open(fx);
	struct err err = ERR_INIT;

	ok(db_migrate(db, &grow_v1, &err) == 0, "version 1: %s", err.text);
	run_sql(db, "INSERT INTO grow_a (k, x) VALUES ('one', 1), ('two', 2)");
	ok(db_migrate(db, &grow_v3, &err) == 0, "to version 3: %s", err.text);
	is_int(count(db, "SELECT version FROM orch_schema WHERE component = 'grow'"), 3, "says so");
	is_int(count(db, "SELECT COUNT(*) FROM grow_a WHERE y IS NULL AND at IS NULL"), 2,
	    "rows kept, columns new");
	ok(run_sql(db, "UPDATE grow_a SET y = 1.5, at = '2026-01-01 00:00:00.001'"), "columns usable");
	ok(run_sql(db, "INSERT INTO grow_b (n) VALUES ('x')"), "table new");
	is_err(db_exec(db, "INSERT INTO grow_a (k, x, y) VALUES ('three', 1, 1.5)", NULL, 0, NULL, &err), &err,
	    ERR_PERMANENT, "duplicate", "key new");
	is_err(
	    db_migrate(db, &grow_v1, &err), &err, ERR_PERMANENT, "schema_newer", "the old program stays away");

	/* As a killed migration leaves it where DDL commits by itself. */
	run_sql(db, "UPDATE orch_schema SET version = 1 WHERE component = 'grow'");
	ok(db_migrate(db, &grow_v3, &err) == 0, "steps that are done already: %s", err.text);
	run_sql(db, "DELETE FROM orch_schema");
	ok(db_migrate(db, &grow_v3, &err) == 0, "tables that are there already: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM grow_a"), 2, "rows kept");
	db_close(db);
}

/* ---- effects */

static void test_effect(const struct fixture *fx)
{
	struct database *db = open_migrated(fx), *other = fixture_open(fx);
	struct db_effect e = {"uid1", "analyze", "uao/20260417/minime13", "aa"};
	struct db_effect none = {"uid2", "analyze", "", "aa"}, newer = e;
	struct err err = ERR_INIT;
	bool exists = true;

	ok(db_effect_exists(other, &e, &exists, &err) == 0 && !exists, "not there yet");
	db_begin(db, &err);
	put_sky(db, "XR", 1000, "20260417", 1, "r", &err);
	ok(db_effect_commit(db, &e, &err) == 0, "rows and effect: %s", err.text);
	ok(db_effect_exists(other, &e, &exists, &err) == 0 && exists, "there");
	ok(db_effect_exists(other, &none, &exists, &err) == 0 && !exists, "another run is not");
	newer.manifest_sha256 = "bb";
	ok(db_effect_exists(other, &newer, &exists, &err) == 0 && !exists, "nor other results of this one");
	db_begin(db, &err);
	ok(db_effect_commit(db, &newer, &err) == 0, "the same run again: %s", err.text);
	ok(db_effect_exists(other, &newer, &exists, &err) == 0 && exists, "replaces it");
	is_int(count(other, "SELECT COUNT(*) FROM orch_effect"), 1, "one row");
	db_begin(db, &err);
	db_effect_record(db, &none, &err);
	db_rollback(db);
	ok(db_effect_exists(other, &none, &exists, &err) == 0 && !exists, "goes with its transaction");
	db_close(db);
	db_close(other);
}

struct flaky {
	int runs, failures;
	enum err_class class;
};

static int flaky_work(struct database *db, void *arg, struct err *err)
{
	struct flaky *f = arg;

	if (put_sky(db, "XR", 1000 + f->runs, "20260417", 1, "r", err) == -1)
		return -1;
	return f->runs++ < f->failures ? err_code(err, f->class, "flaky", "not yet") : 0;
}

static void test_transact(const struct fixture *fx)
{
	const struct db_effect e = {"uid1", "analyze", "", "aa"};
	struct database *db = open_migrated(fx);
	struct flaky f = {0, 2, ERR_TRANSIENT};
	struct err err = ERR_INIT;

	ok(db_transact(db, &e, flaky_work, &f, 60000, &err) == 0 && f.runs == 3, "third time lucky: %s",
	    err.text);
	is_int(count(db, "SELECT COUNT(*) FROM fpi_sky"), 1, "the rows of the third time");
	is_int(count(db, "SELECT COUNT(*) FROM orch_effect"), 1, "and the effect");
	f = (struct flaky){0, 2, ERR_PERMANENT};
	is_err(db_transact(db, &e, flaky_work, &f, 60000, &err), &err, ERR_PERMANENT, "flaky",
	    "what will not pass");
	is_int(f.runs, 1, "is not tried again");
	f = (struct flaky){0, 1000, ERR_TRANSIENT};
	is_err(db_transact(db, &(struct db_effect){"uid2", "analyze", "", "aa"}, flaky_work, &f, 500, &err),
	    &err, ERR_TRANSIENT, "flaky", "patience ends");
	ok(f.runs > 1, "after some tries");
	ok(db_begin(db, &err) == 0 && db_commit(db, &err) == 0, "and the connection is in order: %s", err.text);
	db_close(db);
}

/* A reanalysis of one night replaces its rows and nobody else's. */
static void test_replace_night(const struct fixture *fx)
{
	struct database *db = open_migrated(fx);
	struct err err = ERR_INIT;

	for (int run = 0; run < 2; run++) {
		const struct db_value night[] = {DBV_TEXT("minime13"), DBV_TEXT("XR"), DBV_TEXT("20260417")};
		int rows = run == 0 ? 180 : 150, rc = db_begin(db, &err);

		if (rc == 0)
			rc = db_exec(db,
			    "DELETE FROM fpi_sky WHERE instrument = ? AND line_tag = ? AND night = ?", night, 3,
			    NULL, &err);
		for (int i = 0; rc == 0 && i < rows; i++)
			rc =
			    put_sky(db, "XR", 1000000 + i * 60123, "20260417", i, run == 0 ? "r1" : "r2", &err);
		if (rc == 0 && run == 0)
			rc = put_sky(db, "XR", 0, "20260416", 1, "r1", &err);
		ok(rc == 0 && db_effect_commit(db, &(struct db_effect){"u", "analyze", "", "cc"}, &err) == 0,
		    "run %d: %s", run, err.text);
	}
	is_int(count(db, "SELECT COUNT(*) FROM fpi_sky WHERE night = '20260417'"), 150, "the night's new rows");
	is_int(count(db, "SELECT COUNT(*) FROM fpi_sky WHERE night = '20260416' AND run_id = 'r1'"), 1,
	    "the other night");
	db_close(db);
}

int main(void)
{
	static void (*const cases[])(const struct fixture *) = {
	    test_values,
	    test_long_text,
	    test_statements,
	    test_transactions,
	    test_migrate,
	    test_refused_values,
	    test_times,
	    test_upsert,
	    test_existing_dataset,
	    test_grow,
	    test_effect,
	    test_transact,
	    test_replace_night,
	};

	log_open(LOG_WARN_);
	tap_run(test_schema_check);
	fixture_run(cases, NITEMS(cases));
	return tap_done();
}
