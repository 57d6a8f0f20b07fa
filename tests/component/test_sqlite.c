/* What only a file can do to a step: be missing, full, moved, damaged, or in somebody else's hands. */
#include "config.h"

#include "base/clock.h"
#include "database/effect.h"
#include "tests/component/database_fixture.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

static struct database *open_for(tm_ms busy_timeout, struct err *err)
{
	return db_open(
	    &db_type_sqlite, "results", &(struct sqlite_conf){fixture_sqlite_path, busy_timeout}, err);
}

static int copy_first(const struct db_value *v, size_t n, void *arg)
{
	snprintf(arg, 128, "%s", v[0].kind == DB_TEXT ? v[0].s : "");
	return 0;
}

static const char *text_of(struct database *db, const char *sql)
{
	static char text[128];
	struct err err = ERR_INIT;

	text[0] = '\0';
	if (db_query(db, sql, NULL, 0, copy_first, text, &err) == -1)
		diag("%s: %s", sql, err.text);
	return text;
}

static void refused(const char *p, enum err_class class, const char *code, const char *what)
{
	struct err err = ERR_INIT;
	struct database *db = db_open(&db_type_sqlite, "results", &(struct sqlite_conf){(char *)p, 1000}, &err);

	ok(db == NULL && (p[0] == '\0' || strstr(err.text, p) != NULL), "%s: %s", what, err.text);
	is_err(-1, &err, class, code, what);
	db_close(db);
}

static void test_refusals(void)
{
	char p[600], garbage[4096];

	snprintf(p, sizeof(p), "%s/no/such/folder/r.db", test_dir());
	refused(p, ERR_CONFIG, "", "a missing folder");
	refused(test_dir(), ERR_CONFIG, "", "a folder");
	refused("", ERR_CONFIG, "", "no path");
	memset(garbage, 'g', sizeof(garbage));
	snprintf(p, sizeof(p), "%s/garbage.db", test_dir());
	fs_write_atomic(p, garbage, sizeof(garbage), 0644, NULL);
	refused(p, ERR_PERMANENT, "corrupt", "a file of another kind");
}

static void test_settings(void)
{
	struct err err = ERR_INIT;
	struct database *db = fixture_open(&on_sqlite);

	is_str(text_of(db, "PRAGMA journal_mode"), "wal", "journal");
	is_int(count(db, "PRAGMA synchronous"), 2, "synchronous=FULL");
	ok(db_migrate(db, &fpi_schema, &err) == 0, "tables: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name "
	                 "NOT LIKE 'sqlite%'"),
	    0, "all tables are STRICT");
	ok(db_exec(db,
	       "INSERT INTO fpi_sky (instrument, line_tag, time_utc, site, night, los_wind) VALUES "
	       "('i', 'X', '2026-04-17 00:00:00.000', 'uao', '20260417', 'fast')",
	       NULL, 0, NULL, &err) == -1,
	    "a text is no number");
	is_err(-1, &err, ERR_PERMANENT, "bad_value", "STRICT");
	db_close(db);
	ok(fs_exists(fixture_sqlite_path), "the file was made");
}

/* A reader is not held up by a writer, not even when it connects in the middle of a transaction. */
static void test_reader_beside_writer(void)
{
	struct err err = ERR_INIT;
	struct database *writer = fixture_open(&on_sqlite), *reader;
	tm_ms t0;

	run_sql(writer, "CREATE TABLE t (k INTEGER)");
	db_begin(writer, &err);
	run_sql(writer, "INSERT INTO t VALUES (1)");
	t0 = clock_mono();
	reader = fixture_open(&on_sqlite);
	ok(reader != NULL && count(reader, "SELECT COUNT(*) FROM t") == 0, "reads the old state");
	ok(clock_mono() - t0 < 10000, "at once (%lld ms)", (long long)(clock_mono() - t0));
	db_close(reader);
	ok(clock_mono() - t0 < 20000, "and leaves at once");
	ok(db_commit(writer, &err) == 0, "the writer commits: %s", err.text);
	db_close(writer);
}

static void test_busy(void)
{
	struct err err = ERR_INIT;
	struct database *db = open_for(300, &err), *other = open_for(300, &err);
	sqlite3 *alien;
	tm_ms t0;

	run_sql(db, "CREATE TABLE t (k INTEGER)");
	db_begin(db, &err);
	t0 = clock_mono();
	ok(db_begin(other, &err) == -1, "one writer at a time");
	is_err(-1, &err, ERR_TRANSIENT, "busy", "ours");
	ok(clock_mono() - t0 >= 300 && clock_mono() - t0 < 20000, "after busy_timeout");
	ok(db_exec(other, "INSERT INTO t VALUES (1)", NULL, 0, NULL, &err) == -1, "nor a single statement");
	is_err(-1, &err, ERR_TRANSIENT, "busy", "ours");
	db_rollback(db);
	ok(run_sql(other, "INSERT INTO t VALUES (1)"), "then it goes");

	sqlite3_open(fixture_sqlite_path, &alien);
	sqlite3_exec(alien, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	ok(db_begin(db, &err) == -1, "another program writes");
	is_err(-1, &err, ERR_TRANSIENT, "busy", "theirs");
	sqlite3_exec(alien, "ROLLBACK", NULL, NULL, NULL);
	ok(db_begin(db, &err) == 0 && db_commit(db, &err) == 0, "then it goes");
	sqlite3_close(alien);
	db_close(db);
	db_close(other);
}

static void test_full(void)
{
	struct err err = ERR_INIT;
	struct database *db = fixture_open(&on_sqlite);
	const struct db_effect e = {"uid", "analyze", "", "aa"};
	char text[4000];
	int rc;

	db_migrate(db, &fpi_schema, &err);
	run_sql(db, "CREATE TABLE t (k TEXT)");
	ok(db_query(db, "PRAGMA max_page_count = 60", NULL, 0, copy_first, text, &err) == 0, "a small disk");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	rc = db_begin(db, &err);
	for (int i = 0; rc == 0 && i < 100; i++)
		rc = db_exec(db, "INSERT INTO t VALUES (?)", &DBV_TEXT(text), 1, NULL, &err);
	ok(rc == -1, "is full");
	is_err(-1, &err, ERR_TRANSIENT, "disk_full", "a statement");
	db_rollback(db);
	is_int(count(db, "SELECT COUNT(*) FROM t"), 0, "nothing is left");
	db_begin(db, &err);
	ok(db_effect_commit(db, &e, &err) == 0, "what fits goes in: %s", err.text);
	db_close(db);
}

/* Writes fail at some size of the file, wherever in a transaction that is. */
static int child_write_limited(const struct fixture *f, int limit)
{
	struct err err = ERR_INIT;
	struct database *db = f->open(&err);
	int rc = db == NULL ? -1 : 0;

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)limit, RLIM_INFINITY});
	for (int i = 0; rc == 0 && i < 1000; i++) {
		rc = db_begin(db, &err);
		for (int k = 0; rc == 0 && k < 50; k++)
			rc = db_exec(db, "INSERT INTO l VALUES (?, 'some text that takes room in the log')",
			    &DBV_INT(k), 1, NULL, &err);
		if (rc == 0)
			rc = db_commit(db, &err);
	}
	if (rc == 0 || err.class != ERR_TRANSIENT) {
		diag("limit %d: %s", limit, err.text);
		return 1;
	}
	db_rollback(db);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
	if (db_reconnect(db, &err) == -1 || count(db, "SELECT COUNT(*) % 50 FROM l") != 0)
		return 2;
	db_close(db);
	return 0;
}

static void test_failing_writes(void)
{
	int bad = 0;

	for (int i = 0; i < 30; i++) {
		struct database *db;

		on_sqlite.fresh();
		db = fixture_open(&on_sqlite);
		run_sql(db, "CREATE TABLE l (k INTEGER, t TEXT)");
		db_close(db);
		bad += child_wait(child_start(child_write_limited, &on_sqlite, 40000 + i * 1777)) != 0;
		db = fixture_open(&on_sqlite);
		bad += strcmp(text_of(db, "PRAGMA integrity_check"), "ok") != 0 ||
		       count(db, "SELECT COUNT(*) % 50 FROM l") != 0;
		db_close(db);
	}
	is_int(bad, 0, "whole transactions, a sound file and a transient error wherever writing fails");
}

static void test_moved(void)
{
	struct err err = ERR_INIT;
	struct database *db = fixture_open(&on_sqlite);

	run_sql(db, "CREATE TABLE t (k INTEGER)");
	unlink(fixture_sqlite_path);
	ok(db_exec(db, "INSERT INTO t VALUES (1)", NULL, 0, NULL, &err) == -1, "the file was deleted");
	is_err(-1, &err, ERR_TRANSIENT, "lost", "a statement");
	ok(db_reconnect(db, &err) == 0 && run_sql(db, "CREATE TABLE t (k INTEGER)"), "a new one is made: %s",
	    err.text);
	db_close(db);
}

static int child_write_for_ever(const struct fixture *f, int arg)
{
	struct err err = ERR_INIT;

	for (;;) {
		struct database *db = f->open(&err);

		/* Leaves and comes back now and then, so that closing checkpoints are among what is interrupted. */
		for (int i = 0; db != NULL && i < 20; i++) {
			if (db_begin(db, &err) == -1 ||
			    db_exec(db, "INSERT INTO l VALUES (?, hex(randomblob(2000)))", &DBV_INT(arg), 1,
			        NULL, &err) == -1 ||
			    db_exec(db, "INSERT INTO l VALUES (?, hex(randomblob(2000)))", &DBV_INT(arg), 1,
			        NULL, &err) == -1 ||
			    db_commit(db, &err) == -1) {
				diag("child: %s", err.text);
				return 1;
			}
		}
		db_close(db);
	}
}

static void test_kill_writers(void)
{
	unsigned seed = (unsigned)getpid();
	struct database *db = fixture_open(&on_sqlite);
	int bad = 0;

	diag("seed %u", seed);
	run_sql(db, "CREATE TABLE l (k INTEGER, t TEXT)");
	db_close(db);
	for (int round = 0; round < 15; round++) {
		pid_t pid[3];

		for (size_t i = 0; i < NITEMS(pid); i++)
			pid[i] = child_start(child_write_for_ever, &on_sqlite, round * 10 + (int)i);
		for (size_t i = 0; i < NITEMS(pid); i++) {
			usleep((useconds_t)rand_r(&seed) % 40000);
			kill(pid[i], SIGKILL);
			bad += child_wait(pid[i]) != 128 + SIGKILL;
		}
		db = fixture_open(&on_sqlite);
		bad += strcmp(text_of(db, "PRAGMA integrity_check"), "ok") != 0 ||
		       count(db,
		           "SELECT COUNT(*) FROM (SELECT k FROM l GROUP BY k HAVING COUNT(*) % 2 <> 0)") != 0;
		if (round == 14)
			diag("%lld rows", (long long)count(db, "SELECT COUNT(*) FROM l"));
		db_close(db);
	}
	is_int(bad, 0, "three writers at once, killed: a sound file and whole transactions");
}

static void test_types(void)
{
	for (const struct db_type *const *t = db_types; *t != NULL; t++) {
		ok(db_type_find((*t)->name) == *t && (*t)->summary != NULL && (*t)->dialect != NULL &&
		        (*t)->open != NULL,
		    "type %s is whole", (*t)->name);
		ok(t[1] == NULL || strcmp(t[0]->name, t[1]->name) < 0, "types are sorted");
		for (const struct opt *o = (*t)->opts; o->name != NULL; o++) {
			void *conf = calloc(1, (*t)->conf_size);
			struct err err = ERR_INIT;

			ok(o->help != NULL && o->off < (*t)->conf_size, "%s.%s has help", (*t)->name, o->name);
			if (o->def != NULL)
				ok(opt_parse_text(o, o->def, conf, &err) == 0, "its default is good: %s",
				    err.text);
			opt_release((*t)->opts, conf);
			free(conf);
		}
	}
	ok(db_type_find("oracle") == NULL, "no other types");
}

int main(void)
{
	static void (*const cases[])(void) = {
	    test_types,
	    test_refusals,
	    test_settings,
	    test_reader_beside_writer,
	    test_busy,
	    test_full,
	    test_failing_writes,
	    test_moved,
	    test_kill_writers,
	};

	log_open(LOG_ERROR_);
	for (size_t i = 0; i < NITEMS(cases); i++) {
		on_sqlite.fresh();
		cases[i]();
	}
	return tap_done();
}
