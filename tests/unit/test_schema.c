/* The state of every earlier version becomes one of today's, with what was in it. */
#include "config.h"

#include "state/state.h"

#include "tests/tap.h"

static char dir[320];

/* A state as the program of that version left it. */
static struct sql *old_open(int version)
{
	struct err err = ERR_INIT;
	struct sql *sql;
	char path[400], text[64];

	snprintf(dir, sizeof(dir), "%s/%d", test_dir(), version);
	snprintf(path, sizeof(path), "%s/state.db", dir);
	fs_mkdirs(dir, 0700, NULL);
	if ((sql = sql_open(path, SQL_WRITER, &err)) == NULL)
		tap_bail("%s", err.text);
	for (int v = 1; v <= version; v++)
		if (sql_script(sql, schema_sql(v), &err) == -1)
			tap_bail("version %d: %s", v, err.text);
	snprintf(text, sizeof(text), "PRAGMA user_version=%d", version);
	sql_script(sql, text, &err);
	return sql;
}

/* What every version can hold. */
static const char rows[] =
    "INSERT INTO run(job, assets, partition, state, origin, sensor, sensor_key, run_key, config, tags, "
    "created_at, ended_at)"
    " VALUES('j', '[\"a\"]', 'uao/1', 'succeeded', 'sensor:s', 's', 'upload 1', 'k1', '{}', '{}', 1, 2);"
    "INSERT INTO step(run_id, asset, ord, state, outcome, run_uid) VALUES(1, 'a', 0, 'succeeded', 'ok', 'uid');"
    "INSERT INTO attempt(run_id, asset, n, epoch, started_at) VALUES(1, 'a', 1, 1, 1);"
    "INSERT INTO materialization(asset, partition, run_id, at, outcome, metadata) VALUES('a', 'uao/1', 1, 2, "
    "'ok', '{}');"
    "INSERT INTO event(at, run_id, asset, attempt, kind, text) VALUES(1, 1, 'a', 1, 'check', 'good: passed');"
    "INSERT INTO event(at, run_id, asset, attempt, kind, text) VALUES(1, 1, 'a', 1, 'check', 'a: b: failed');"
    "INSERT INTO run_key(sensor, run_key, generation, run_id, at) VALUES('s', 'k1', 'g', 1, 1);"
    "INSERT INTO run_key(sensor, run_key, generation, run_id, at) VALUES('s', 'k2', 'g', 98, 1);"
    "INSERT INTO run_key(sensor, run_key, generation, run_id, at) VALUES('s', 'k3', 'g', 99, 1);"
    "INSERT INTO sensor_key(sensor, key, verdict, first_at, since, run_id) VALUES('s', 'upload 2', 'complete', "
    "1, 1, 98);";

static void check_row(struct state *st, const char *literal, const char *want)
{
	struct sql_row *row = sql_query(st->sql, literal, "");

	is_str(sql_next(row) ? sql_text(row, 0) : "no row", want, literal);
	sql_end(row);
}

static void test_version(int version)
{
	struct sql *sql = old_open(version);
	struct err err = ERR_INIT;
	struct state *st;

	if (sql_script(sql, rows, &err) == -1)
		tap_bail("version %d: %s", version, err.text);
	sql_close(sql);
	ok((st = state_open(dir, &err)) != NULL, "version %d: %s", version, err.text);
	if (st == NULL)
		return;
	is_int(sql_get_int(st->sql, 0, "PRAGMA user_version", ""), schema_version(), "it has today's schema");
	check_row(st, "SELECT state FROM run WHERE id = 1", "succeeded");
	check_row(
	    st, "SELECT count(*) FROM run_place WHERE place IN ('uao', 'uao/1')", version < 4 ? "2" : "0");
	check_row(st, "SELECT key FROM run_key WHERE run_key = 'k1'", version < 6 ? "upload 1" : NULL);
	check_row(st, "SELECT key FROM run_key WHERE run_key = 'k2'", version < 6 ? "upload 2" : NULL);
	check_row(st, "SELECT key FROM run_key WHERE run_key = 'k3'", NULL);
	check_row(st, "SELECT run_uid FROM step", "uid");
	check_row(st, "SELECT code_version FROM step", NULL);
	check_row(st, "SELECT group_concat(name || passed || (severity IS NULL), ',') FROM asset_check",
	    version < 8 ? "good11,a: b01" : NULL);
	check_row(st, "PRAGMA integrity_check", "ok");
	state_close(st);
}

static void test_every_version(void)
{
	for (int v = 1; v < schema_version(); v++)
		test_version(v);
}

static void test_newer(void)
{
	struct err err = ERR_INIT;
	char text[64];
	struct sql *sql = old_open(schema_version());

	snprintf(text, sizeof(text), "PRAGMA user_version=%d", schema_version() + 1);
	sql_script(sql, text, NULL);
	sql_close(sql);
	ok(state_open(dir, &err) == NULL && err_is(&err, "schema_newer"), "a newer state is refused: %s",
	    err.text);
}

int main(void)
{
	tap_run(test_every_version);
	tap_run(test_newer);
	return tap_done();
}
