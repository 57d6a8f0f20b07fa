/*
 * What bounds each table of the state (HACKING.md): more than may stay is put in, the clock goes on, and what is
 * left is counted.
 */
#include "config.h"

#include "engine/announce.h"
#include "engine/engine_priv.h"
#include "engine/made.h"
#include "notify/sink.h"

#include "tests/tap.h"

#include <dirent.h>
#include <sys/stat.h>

#define DAY  INT64_C(86400000)
#define NOW  (INT64_C(20000) * DAY)
#define MANY 450 /* more than one piece of any kind */

static struct engine engine;
static struct conf conf;
static struct conf_sensor sensors[1];

static void world_open(void)
{
	struct err err = ERR_INIT;
	char dir[320];

	snprintf(dir, sizeof(dir), "%s/state", test_dir());
	conf = (struct conf){.limits = {.keep_runs = 10,
	                         .keep_materializations = 5,
	                         .keep_ticks = 30 * DAY,
	                         .keep_run_keys = 700 * DAY},
	    .sensors = sensors,
	    .nsensors = 1};
	sensors[0].name = (char *)"present";
	engine = (struct engine){.conf = &conf, .now = NOW, .in_turn = true, .prune = prune_new()};
	STAILQ_INIT(&engine.after);
	if ((engine.state = state_open(dir, &err)) == NULL)
		tap_bail("%s", err.text);
}

static void world_close(void)
{
	ok(sql_error(engine.state->sql) == NULL, "no statement failed");
	prune_free(engine.prune);
	state_close(engine.state);
	fs_remove_tree(test_dir(), NULL);
	fs_mkdirs(test_dir(), 0700, NULL);
}

/* What the engine does with a turn; whether it was committed. */
static void end_turn(bool committed)
{
	struct err err = ERR_INIT;
	struct after *a;

	if (committed && sql_commit(engine.state->sql, &err) == -1)
		tap_bail("%s", err.text);
	if (!committed)
		prune_undone(engine.prune);
	sql_rollback(engine.state->sql);
	while ((a = STAILQ_FIRST(&engine.after)) != NULL) {
		STAILQ_REMOVE_HEAD(&engine.after, link);
		err_set(&err, ERR_TRANSIENT, "disk full");
		a->fn(committed ? NULL : &err, a->arg);
		free(a);
	}
}

/* Turns until there is nothing more to do for now. */
static void prune_all(void)
{
	tm_ms next;

	for (int turns = 0; turns < 100000; turns++) {
		next = prune_turn(&engine);
		end_turn(true);
		engine.now += 20;
		if (next > engine.now)
			return;
	}
	ok(false, "it comes to an end");
}

#define put(...)   sql_do(engine.state->sql, __VA_ARGS__)
#define count(...) sql_get_int(engine.state->sql, -1, __VA_ARGS__)

static void test_by_age(void)
{
	static const struct {
		const char *what, *insert, *count;
		tm_ms age; /* how old it may be */
	} rows[] = {
	    {"tick",
	        "INSERT INTO tick(sensor, first_at, last_at, n, outcome, requested, duration_ms)"
	        " VALUES('present', ?1, ?1, 1, 'skipped', ?2, 1)",
	        "SELECT count(*) FROM tick", 30 * DAY},
	    {"event of no run", "INSERT INTO event(at, kind, text) VALUES(?1, 'hold', ?2)",
	        "SELECT count(*) FROM event", 30 * DAY},
	    {"outbox, sent",
	        "INSERT INTO outbox(sink, event, kind, subject, data, state, created_at, next_at, ended_at)"
	        " VALUES('s', ?2, 'failed', 'x', '{}', 'sent', ?1, ?1, ?1)",
	        "SELECT count(*) FROM outbox", 30 * DAY},
	    {"sensor_key, gone",
	        "INSERT INTO sensor_key(sensor, key, verdict, first_at, since, gone_at)"
	        " VALUES('present', ?2, 'complete', ?1, ?1, ?1)",
	        "SELECT count(*) FROM sensor_key", 30 * DAY},
	    {"trouble",
	        "INSERT INTO trouble(sink, team, job, label, since, told_at) VALUES('s', '', 'j', ?2, ?1, ?1)",
	        "SELECT count(*) FROM trouble", 180 * DAY},
	    {"hint", "INSERT INTO hint(sensor, hint, at) VALUES('gone', ?2, ?1)", "SELECT count(*) FROM hint",
	        180 * DAY},
	    {"run_key, of an upload that is gone",
	        "INSERT INTO run_key(sensor, run_key, generation, run_id, at, key)"
	        " VALUES('present', ?2, 'g', 1, ?1, ?2)",
	        "SELECT count(*) FROM run_key", 700 * DAY},
	};

	world_open();
	for (size_t i = 0; i < NITEMS(rows); i++)
		for (int64_t n = 0; n < MANY; n++)
			put(rows[i].insert, "ti", NOW - rows[i].age + DAY, n);
	prune_all();
	for (size_t i = 0; i < NITEMS(rows); i++)
		is_int(count(rows[i].count, ""), MANY, rows[i].what);
	engine.now += 2 * DAY;
	prune_all();
	for (size_t i = 0; i < NITEMS(rows); i++)
		is_int(count(rows[i].count, ""), 0, rows[i].what);
	world_close();
}

static void test_what_stays(void)
{
	world_open();
	put("INSERT INTO outbox(sink, event, kind, subject, data, created_at, next_at)"
	    " VALUES('s', 'e', 'failed', 'x', '{}', 1, 1)",
	    "");
	put("INSERT INTO sensor_key(sensor, key, verdict, first_at, since) VALUES('present', 'there', "
	    "'complete', 1, 1)",
	    "");
	/* Known while the upload is there, by the newest generation; of one that was never linked to an upload as well. */
	for (int64_t n = 1; n <= MANY; n++)
		put("INSERT INTO run_key(sensor, run_key, generation, run_id, at, key)"
		    " VALUES('present', 'k', ?1, ?1, ?1, 'there')",
		    "i", n);
	put("INSERT INTO run_key(sensor, run_key, generation, run_id, at) VALUES('present', 'young', 'g', 7, "
	    "?1)",
	    "t", NOW - 699 * DAY);
	put("INSERT INTO run_key(sensor, run_key, generation, run_id, at) VALUES('present', 'old', 'g', 7, 1)",
	    "");
	prune_all();
	is_int(count("SELECT count(*) FROM outbox", ""), 1, "what waits to be told");
	is_int(count("SELECT count(*) FROM sensor_key", ""), 1, "a key that is there");
	is_int(
	    count("SELECT count(*) FROM run_key WHERE run_key = 'k'", ""), 1, "one run key of what is there");
	is_int(count("SELECT run_id FROM run_key WHERE run_key = 'k'", ""), MANY, "the newest");
	is_int(count("SELECT count(*) FROM run_key WHERE run_key <> 'k'", ""), 1,
	    "and one that is not old enough");
	world_close();
}

static void test_sensors_that_are_no_more(void)
{
	world_open();
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "former" : "present";

		put("INSERT INTO sensor(name, last_tick_at) VALUES(?1, ?2)", "st", name, NOW - 179 * DAY);
		for (int64_t n = 0; n < MANY; n++) {
			put("INSERT INTO sensor_key(sensor, key, verdict, first_at, since)"
			    " VALUES(?1, ?2, 'complete', 1, 1)",
			    "si", name, n);
			put("INSERT INTO run_key(sensor, run_key, generation, run_id, at, key)"
			    " VALUES(?1, ?2, 'g', 1, ?3, ?2)",
			    "sit", name, n, NOW);
		}
	}
	prune_all();
	is_int(count("SELECT count(*) FROM sensor", ""), 2, "sensor: for half a year");
	is_int(count("SELECT count(*) FROM sensor_key", ""), 2 * MANY, "sensor_key");
	engine.now += 2 * DAY;
	prune_all();
	is_int(count("SELECT count(*) FROM sensor", ""), 1, "sensor: then the one that is configured");
	is_int(count("SELECT count(*) FROM sensor WHERE name = 'present'", ""), 1, "it is that one");
	is_int(count("SELECT count(*) FROM sensor_key", ""), MANY, "sensor_key");
	is_int(count("SELECT count(*) FROM run_key", ""), MANY, "run_key");
	is_int(count("SELECT sum(n) FROM sensor_key_count", ""), MANY, "sensor_key_count has what is there");
	is_int(count("SELECT count(*) FROM sensor_key_count", ""), 1, "and no row of what is not");
	world_close();
}

/* ---- runs ---- */

static int64_t add_run(const char *partition, const char *job)
{
	struct strbuf dir = STRBUF_INIT(400);
	int64_t id;

	sql_do(engine.state->sql,
	    "INSERT INTO run(job, assets, partition, state, origin, config, tags, created_at, ended_at)"
	    " VALUES(?2, '[]', ?1, 'succeeded', 'user:test', '{}', '{}', 1, 1)",
	    "ss", partition, job);
	id = sql_last_id(engine.state->sql);
	sql_do(engine.state->sql, "INSERT INTO step(run_id, asset, ord, state) VALUES(?1, 'a', 0, 'succeeded')",
	    "i", id);
	sql_do(engine.state->sql,
	    "INSERT INTO attempt(run_id, asset, n, epoch, started_at) VALUES(?1, 'a', 1, 1, 1)", "i", id);
	sql_do(engine.state->sql, "INSERT INTO event(at, run_id, kind, text) VALUES(1, ?1, 'run', 'queued')",
	    "i", id);
	sql_do(engine.state->sql,
	    "INSERT INTO asset_check(run_id, asset, attempt, n, at, name, passed) VALUES(?1, 'a', 1, 1, 1, "
	    "'c', 1)",
	    "i", id);
	if (partition[0] != '\0')
		sql_do(engine.state->sql, "INSERT INTO run_place(place, run_id) VALUES(?1, ?2)", "si",
		    partition, id);
	strbuf_addf(&dir, "%s/runs/%" PRId64 "/a/1", engine.state->dir, id);
	fs_mkdirs(dir.buf, 0700, NULL);
	strbuf_release(&dir);
	return id;
}

static int folders(void)
{
	char *path = fs_join(engine.state->dir, "runs");
	DIR *d = opendir(path);
	struct dirent *de;
	int n = 0;

	while (d != NULL && (de = readdir(d)) != NULL)
		n += de->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	free(path);
	return n;
}

/* They are removed by a thread. */
static bool folders_become(int n)
{
	for (int i = 0; i < 60000 && folders() != n; i++)
		usleep(1000);
	return folders() == n;
}

static void test_runs(void)
{
	int64_t loud;

	world_open();
	loud = add_run("p", "j");
	for (int64_t n = 0; n < 5000; n++)
		sql_do(engine.state->sql, "INSERT INTO event(at, run_id, kind, text) VALUES(1, ?1, 'log', 'x')",
		    "i", loud);
	for (int n = 0; n < MANY; n++)
		add_run(n % 2 ? "p" : "", "j");
	add_run("alone", "former");
	add_run("p", "j");
	for (int n = 0; n < 10; n++)
		add_run("", "j");
	sql_commit(engine.state->sql, NULL);
	is_int(folders(), MANY + 13, "a folder each");

	prune_turn(&engine);
	end_turn(false);
	is_int(count("SELECT count(*) FROM run", ""), MANY + 13, "a commit that fails leaves all");
	is_int(folders(), MANY + 13, "and its folders");

	prune_all();
	is_int(count("SELECT count(*) FROM run", ""), 12, "limits.keep_runs, and the newest of each partition");
	is_int(count("SELECT count(*) FROM run WHERE partition <> ''", ""), 2, "they are two");
	is_int(count("SELECT count(*) FROM step", ""), 12, "step");
	is_int(count("SELECT count(*) FROM attempt", ""), 12, "attempt");
	is_int(count("SELECT count(*) FROM asset_check", ""), 12, "asset_check");
	is_int(count("SELECT count(*) FROM event", ""), 12, "event");
	is_int(count("SELECT count(*) FROM run_place", ""), 2, "run_place");
	is_int(count("SELECT sum(n) FROM run_count", ""), 12, "run_count");
	ok(folders_become(12), "and their folders");
	world_close();
}

/* Runs that stay as the newest of their partition are not looked at again until there is a newer one. */
static void test_runs_that_are_replaced(void)
{
	world_open();
	for (int n = 0; n < MANY; n++) {
		char partition[32];

		snprintf(partition, sizeof(partition), "night/%d", n);
		add_run(partition, "j");
	}
	for (int n = 0; n < 10; n++)
		add_run("", "j");
	prune_all();
	is_int(count("SELECT count(*) FROM run", ""), MANY + 10, "each is the newest of its partition");

	add_run("night/7", "j");
	add_run("night/9", "j");
	sql_do(engine.state->sql, "UPDATE run SET dry_run = 1 WHERE id = ?1", "i", add_run("night/8", "j"));
	engine.now += 60000;
	prune_all();
	is_int(count("SELECT count(*) FROM run", ""), MANY + 1 + 7,
	    "replaced ones go, and those that have become too old");
	is_int(count("SELECT count(*) FROM run WHERE partition IN ('night/7', 'night/9')", ""), 2,
	    "the right ones");
	is_int(count("SELECT count(*) FROM run WHERE partition = 'night/8'", ""), 2, "a dry run replaces none");
	is_int(
	    count("SELECT count(*) FROM run WHERE partition = ''", ""), 7, "without a partition by age alone");
	world_close();
}

static void test_folders_of_no_run(void)
{
	char dir[400];

	world_open();
	add_run("p", "j");
	sql_commit(engine.state->sql, NULL);
	snprintf(dir, sizeof(dir), "%s/runs/77/a/1", engine.state->dir);
	fs_mkdirs(dir, 0700, NULL);
	is_int(folders(), 2, "a folder of a run, and one of none");
	prune_orphans(&engine);
	ok(folders_become(1), "the one goes at the start");
	ok(!fs_exists(dir), "the right one");
	world_close();
}

/* A step that asks to be started again every minute, for ever. */
static void test_agains(void)
{
	struct run run = {.partition = (char *)"p"};
	struct run_step step = {.run = &run, .asset = (char *)"a"};
	char dir[400];

	world_open();
	run.id = add_run("p", "j");
	for (int64_t n = 2; n <= MANY; n++) {
		bool failed = n == 3;

		sql_do(engine.state->sql,
		    "INSERT INTO attempt(run_id, asset, n, epoch, started_at, ended_at, outcome) VALUES(?1, "
		    "'a', ?2, 1, 1, 1, ?3)",
		    "iis", run.id, n, failed ? "failed" : STEP_AGAIN);
		sql_do(engine.state->sql,
		    "INSERT INTO event(at, run_id, asset, attempt, kind, text) VALUES(1, ?1, 'a', ?2, 'step', "
		    "'waits')",
		    "ii", run.id, n);
		sql_do(engine.state->sql,
		    "INSERT INTO asset_check(run_id, asset, attempt, n, at, name, passed) VALUES(?1, 'a', ?2, "
		    "1, 1, 'c', 1)",
		    "ii", run.id, n);
		snprintf(dir, sizeof(dir), "%s/runs/%" PRId64 "/a/%" PRId64, engine.state->dir, run.id, n);
		fs_mkdirs(dir, 0700, NULL);
		step.attempts = n;
		prune_agains(&engine, &step);
		end_turn(true);
	}
	is_int(count("SELECT count(*) FROM attempt WHERE outcome = 'again'", ""), 100,
	    "attempt: the newest hundred");
	is_int(count("SELECT max(n) FROM attempt", ""), MANY, "with the newest");
	is_int(count("SELECT count(*) FROM attempt WHERE outcome = 'failed'", ""), 1, "one that failed stays");
	is_int(count("SELECT count(*) FROM event WHERE attempt IS NOT NULL", ""), 101, "event: theirs");
	is_int(count("SELECT count(*) FROM asset_check WHERE attempt > 1", ""), 101, "asset_check: theirs");
	snprintf(dir, sizeof(dir), "%s/runs/%" PRId64 "/a/2", engine.state->dir, run.id);
	for (int i = 0; i < 60000 && fs_exists(dir); i++)
		usleep(1000);
	ok(!fs_exists(dir), "and the folders");
	snprintf(dir, sizeof(dir), "%s/runs/%" PRId64 "/a/%d", engine.state->dir, run.id, MANY);
	ok(fs_exists(dir), "not the newest's");
	world_close();
}

/* ---- what is bounded where it is written ---- */

static void test_audits(void)
{
	json_t *report = json_pack("{s:s, s:b, s:{}, s:{}, s:[], s:{s:i, s:i, s:i, s:i, s:i}}", "started_at",
	    "2026-11-27T00:00:00Z", "clean", 1, "scope", "checked", "findings", "found", "missing", 0,
	    "mismatched", 0, "extra", 0, "leftover", 0, "unknown", 0);
	struct err err = ERR_INIT;
	int64_t id = 0;

	world_open();
	for (int n = 0; n < 120; n++)
		if (engine_audit(&engine, report, "user:test", &id, &err) == -1)
			tap_bail("%s", err.text);
	is_int(count("SELECT count(*) FROM audit", ""), 50, "audit");
	is_int(count("SELECT max(id) FROM audit", ""), 120, "the newest");
	end_turn(true);
	json_decref(report);
	world_close();
}

/* Nobody takes them away: what is told beyond the limit is on record as dropped, and goes by its age like any other. */
static void test_outbox_that_is_full(void)
{
	static const struct sink_type type;
	struct conf_notification note = {.name = (char *)"s", .type = &type, .group = (char *)"g"};
	struct run run = {.id = 1,
	    .state = RUN_FAILED,
	    .partition = (char *)"p",
	    .origin = (char *)"user:test",
	    .job = (char *)"j"};

	world_open();
	strvec_push(&note.on, "failed");
	run.config = json_object();
	run.tags = json_object();
	conf.notifications = &note;
	conf.nnotifications = 1;
	for (int64_t n = 0; n < 9999; n++)
		put("INSERT INTO outbox(sink, event, kind, subject, data, created_at, next_at)"
		    " VALUES('s', ?1, 'failed', 'x', '{}', 1, 1)",
		    "i", n);
	for (run.id = 1; run.id <= 3; run.id++)
		announce_run(engine.state, &conf, &run, engine.now);
	is_int(count("SELECT count(*) FROM outbox WHERE state = 'pending'", ""), 10000, "outbox: so many wait");
	is_int(count("SELECT count(*) FROM outbox WHERE state = 'failed' AND err_code = 'full'", ""), 2,
	    "others are dropped");
	engine.now += 31 * DAY;
	prune_all();
	is_int(count("SELECT count(*) FROM outbox", ""), 10000, "and forgotten");
	json_decref(run.config);
	json_decref(run.tags);
	strvec_release(&note.on);
	world_close();
}

/* A table that nobody has thought of would grow. */
static void test_every_table_is_told(void)
{
	struct strbuf text = STRBUF_INIT(1 << 20);
	struct sql_row *row;

	world_open();
	ok(fs_read(test_src("HACKING.md"), &text, NULL) == 0, "there is HACKING.md");
	row = sql_query(engine.state->sql,
	    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
	    "");
	while (sql_next(row)) {
		char *quoted = xasprintf("`%s`", sql_text(row, 0));

		ok(strstr(text.buf, quoted) != NULL, "HACKING.md tells what bounds %s", quoted);
		free(quoted);
	}
	sql_end(row);
	strbuf_release(&text);
	world_close();
}

/* ---- the files ---- */

static int64_t size_of(const char *name)
{
	char *path = fs_join(engine.state->dir, name);
	struct stat st = {0};
	int64_t size = stat(path, &st) == 0 ? st.st_size : -1;

	free(path);
	return size;
}

/* Three weeks of ticks that are never kept longer than one: each takes the place of the one before. */
static void test_files(void)
{
	int64_t size[3];

	world_open();
	conf.limits.keep_ticks = 7 * DAY;
	for (int week = 0; week < 3; week++) {
		for (int64_t n = 0; n < 20000; n++) {
			put("INSERT INTO tick(sensor, first_at, last_at, n, outcome, reason, requested, "
			    "duration_ms)"
			    " VALUES('present', ?1, ?1, 1, 'skipped', 'a reason of some length', ?2, 1)",
			    "ti", engine.now, n);
			if (n % 1000 == 999)
				sql_commit(engine.state->sql, NULL);
		}
		engine.now += 8 * DAY;
		prune_all();
		is_int(count("SELECT count(*) FROM tick", ""), 0, "a week's ticks are gone");
		sql_script(engine.state->sql, "PRAGMA wal_checkpoint(PASSIVE)", NULL);
		size[week] = size_of("state.db");
	}
	ok(size[0] > 1000000, "they took %" PRId64 " bytes", size[0]);
	ok(size[2] <= size[0] + size[0] / 10, "state.db does not grow: %" PRId64, size[2]);
	ok(size_of("state.db-wal") < 8000000, "nor does its log: %" PRId64, size_of("state.db-wal"));
	world_close();
}

/* ---- what was made ---- */

static void make(const char *partition, enum result outcome, const char *metadata)
{
	struct run run = {.partition = (char *)partition};
	struct run_step step = {.run = &run, .asset = (char *)"a", .outcome = outcome};
	static int64_t id;

	run.id = ++id;
	step.metadata = json_loads(metadata, 0, NULL);
	made_record(engine.state, &step, &conf.limits, engine.now);
	json_decref(step.metadata);
}

static int64_t made_of(const char *partition)
{
	return count("SELECT count(*) FROM materialization WHERE partition = ?1", "s", partition);
}

static void test_made(void)
{
	world_open();
	make("other", RESULT_OK, "{}");
	for (int n = 0; n < MANY; n++)
		make("", RESULT_OK, "{}");
	is_int(made_of(""), 5, "materialization: limits.keep_materializations of an asset and partition");
	is_int(count("SELECT max(run_id) - min(run_id) FROM materialization WHERE partition = ''", ""), 4,
	    "the newest");
	is_int(made_of("other"), 1, "another partition is not concerned");

	for (int n = 0; n < 40; n++)
		make("", RESULT_NO_DATA, "{}");
	is_int(made_of(""), 6, "the newest good one stays behind any number without data");
	make("", RESULT_WARNINGS, "{}");
	for (int n = 0; n < 40; n++)
		make("", RESULT_NO_DATA, "{}");
	is_int(made_of(""), 7, "so does one with warnings");
	make("", RESULT_OK, "{}");
	for (int n = 0; n < 5; n++)
		make("", RESULT_NO_DATA, "{}");
	is_int(made_of(""), 6, "until there is a better one");

	/* Many are there from before there was a limit. */
	conf.limits.keep_materializations = 1000;
	for (int n = 0; n < MANY; n++)
		make("q", RESULT_OK, "{}");
	is_int(made_of("q"), MANY, "a larger limit");
	conf.limits.keep_materializations = 5;
	for (int n = 0; n < 20; n++)
		make("q", RESULT_OK, "{}");
	is_int(made_of("q"), 5, "a smaller one is reached as it goes on");
	sql_commit(engine.state->sql, NULL);
	world_close();
}

#define MADE(store, keys) "{\"store\": \"" store "\", \"manifests\": [" keys "]}"
#define KEY(k)            "{\"key\": \"" k "\", \"sha256\": \"x\"}"

static void test_made_and_still_needed(void)
{
	static const char proof[] = "{\"evidence\": [{\"stage\": \"DURABLE\"}]}";

	world_open();
	make("m", RESULT_OK, MADE("data", KEY("x") "," KEY("green")));
	for (int n = 0; n < 20; n++)
		make("m", RESULT_OK, MADE("data", KEY("x")));
	is_int(made_of("m"), 6, "one that names a manifest which no newer one names");
	for (int n = 0; n < 20; n++)
		make("m", RESULT_OK, MADE("elsewhere", KEY("x") "," KEY("green")));
	is_int(made_of("m"), 7, "in another store it is another one");
	for (int n = 0; n < 5; n++)
		make("m", RESULT_OK, MADE("data", KEY("x") "," KEY("green")));
	is_int(
	    count("SELECT count(*) FROM materialization WHERE partition = 'm' AND metadata LIKE '%\"data\"%'",
	        ""),
	    5, "until newer ones name it");
	make("n", RESULT_OK, "{\"store\": \"data\", \"manifest\": " KEY("one") "}");
	for (int n = 0; n < 20; n++)
		make("n", RESULT_OK, "{}");
	is_int(made_of("n"), 6, "a single manifest as well");

	make("d", RESULT_OK, proof);
	for (int n = 0; n < 20; n++)
		make("d", RESULT_OK, "{\"evidence\": [], \"kept_because\": \"hold\"}");
	is_int(made_of("d"), 6, "the newest proof of a deletion");
	for (int n = 0; n < 20; n++)
		make("d", RESULT_OK, proof);
	is_int(made_of("d"), 21, "and any that is young");
	engine.now += 40 * DAY;
	for (int n = 0; n < 20; n++)
		make("d", RESULT_OK, "{}");
	is_int(made_of("d"), 6, "later the newest is enough");
	sql_commit(engine.state->sql, NULL);
	world_close();
}

int main(void)
{
	tap_run(test_by_age);
	tap_run(test_what_stays);
	tap_run(test_sensors_that_are_no_more);
	tap_run(test_runs);
	tap_run(test_runs_that_are_replaced);
	tap_run(test_folders_of_no_run);
	tap_run(test_agains);
	tap_run(test_audits);
	tap_run(test_outbox_that_is_full);
	tap_run(test_every_table_is_told);
	tap_run(test_files);
	tap_run(test_made);
	tap_run(test_made_and_still_needed);
	return tap_done();
}
