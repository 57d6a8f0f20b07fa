/* What only a server can do to a step: go away, say no, be slow, be somebody else. */
#include "config.h"

#include "base/clock.h"
#include "database/effect.h"
#include "tests/component/cut_proxy.h"
#include "tests/component/database_fixture.h"

#define SOON 20000 /* ms; what has no limit takes longer, and a busy machine does not */

/* The text must help, and must not tell the password. */
static void is_failure(const struct err *err, enum err_class class, const char *code, const char *what)
{
	is_err(-1, err, class, code, what);
	ok(strstr(err->text, "orchpw") == NULL, "and the password stays out of the text");
}

static void make_database(const char *name)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "CREATE OR REPLACE DATABASE %s CHARACTER SET utf8mb4", name);
	mariadb_root_sql(sql);
}

static struct database *must_open(const struct mysql_conf *conf)
{
	struct err err = ERR_INIT;
	struct database *db = mariadb_open(conf, &err);

	if (db == NULL)
		tap_bail("open: %s", err.text);
	return db;
}

/* Opening fails in this way, within this time. */
static void refused(
    struct mysql_conf conf, enum err_class class, const char *code, tm_ms within, const char *what)
{
	struct err err = ERR_INIT;
	tm_ms t0 = clock_mono();
	struct database *db = mariadb_open(&conf, &err);

	if (db != NULL) {
		ok(false, "%s: connected", what);
		db_close(db);
		return;
	}
	is_failure(&err, class, code, what);
	ok(clock_mono() - t0 <= within, "after %lld ms", (long long)(clock_mono() - t0));
}

static void test_refusals(void)
{
	struct mysql_conf good = mariadb_conf("orch"), c;

	c = good;
	c.password.name = (char *)"wrong";
	refused(c, ERR_PERMANENT, "denied", SOON, "a wrong password");
	c = good;
	c.password = (struct secret_ref){SECRET_NONE, NULL};
	refused(c, ERR_PERMANENT, "denied", SOON, "no password");
	c = good;
	c.password = (struct secret_ref){SECRET_ENV, (char *)"ORCH_TEST_NO_SUCH_VARIABLE"};
	refused(c, ERR_CONFIG, "secret", SOON, "a password that is not there");
	c = good;
	c.database = (char *)"orch_nowhere";
	refused(c, ERR_PERMANENT, "no_database", SOON, "an unknown database");
	c = good;
	c.database = (char *)"mysql";
	refused(c, ERR_PERMANENT, "denied", SOON, "somebody else's database");
	c = good;
	c.port = 1;
	refused(c, ERR_TRANSIENT, "unreachable", SOON, "a closed port");
	c = good;
	c.host = (char *)"no-such-host.invalid";
	refused(c, ERR_TRANSIENT, "unreachable", 60000, "an unknown host");
	c = good;
	c.socket = (char *)"/nonexistent/s.sock";
	refused(c, ERR_TRANSIENT, "unreachable", SOON, "no socket");
}

static int copy_second(const struct db_value *v, size_t n, void *arg)
{
	snprintf(arg, 64, "%s", n > 1 && v[1].kind == DB_TEXT ? v[1].s : "");
	return 0;
}

static const char *cipher(struct database *db)
{
	static char text[64];
	struct err err = ERR_INIT;

	text[0] = '\0';
	if (db_query(db, "SHOW STATUS LIKE 'Ssl_cipher'", NULL, 0, copy_second, text, &err) == -1)
		diag("%s", err.text);
	return text;
}

static void encrypted(struct mysql_conf conf, bool want, const char *what)
{
	struct err err = ERR_INIT;
	struct database *db = mariadb_open(&conf, &err);

	if (!ok(db != NULL, "%s: %s", what, err.text))
		return;
	ok((cipher(db)[0] != '\0') == want, "%s", want ? cipher(db) : "plain text");
	db_close(db);
}

static void test_tls(void)
{
	struct mysql_conf good = mariadb_conf("orch"), c;

	encrypted(good, false, "to this machine itself plain text will do");
	c = good;
	c.tls_ca = (char *)mariadb_tls_file("ca.pem");
	encrypted(c, true, "an authority is given");
	c.tls = (char *)"verify";
	encrypted(c, true, "verified");
	c.tls_ca = (char *)mariadb_tls_file("other.pem");
	refused(c, ERR_CONFIG, "tls", SOON, "another authority");
	c.tls = (char *)"auto";
	refused(c, ERR_CONFIG, "tls", SOON, "another authority, auto");
	c.tls_ca = NULL;
	c.tls = (char *)"verify";
	refused(c, ERR_CONFIG, "tls", SOON, "the system's authorities");
	c.tls_ca = (char *)"/nonexistent/ca.pem";
	refused(c, ERR_CONFIG, "tls", SOON, "a missing file of authorities");
	c.tls_ca = NULL;
	c.tls = (char *)"encrypt";
	encrypted(c, true, "any certificate");
	c = good;
	c.host = (char *)"0.0.0.0"; /* reaches this machine, but not by one of its own names */
	refused(c, ERR_CONFIG, "tls", SOON, "another machine is verified unasked");
	c.tls_ca = (char *)mariadb_tls_file("ca.pem");
	refused(c, ERR_CONFIG, "tls", SOON, "a name the certificate does not have");
	c.tls = (char *)"off";
	c.tls_ca = NULL;
	encrypted(c, false, "plain text if asked for");
	c = good;
	c.host = (char *)"127.0.0.2";
	c.port = cut_proxy_start("127.0.0.2", mariadb_port());
	c.tls_ca = (char *)mariadb_tls_file("ca.pem");
	refused(c, ERR_CONFIG, "tls", SOON, "an address the certificate does not have");
}

/* A server without TLS gets no password of ours unless plain text was asked for. */
static void test_tls_stripped(void)
{
	struct mysql_conf c = mariadb_conf("orch");

	mariadb_kill();
	mariadb_start(test_dir(), "--skip-ssl");
	c.host = (char *)"0.0.0.0";
	refused(c, ERR_CONFIG, "tls", SOON, "a server without TLS");
	c.tls = (char *)"encrypt";
	refused(c, ERR_CONFIG, "tls", SOON, "a server without TLS, encrypt");
	c.tls = (char *)"off";
	encrypted(c, false, "plain text if asked for");
	mariadb_kill();
	mariadb_start(test_dir(), NULL);
}

static void test_names(void)
{
	struct mysql_conf c;
	struct database *db;
	struct err err = ERR_INIT;
	const struct db_effect e = {"uid", "größe", "nächte/\xf0\x9f\x94\xad", "aa"};
	bool exists = false;

	make_database("`orch_nächte`");
	c = mariadb_conf("orch_nächte");
	db = must_open(&c);
	ok(strstr(db_location(db), "/orch_nächte") != NULL, "at %s", db_location(db));
	ok(db_migrate(db, &fpi_schema, &err) == 0, "tables: %s", err.text);
	db_begin(db, &err);
	ok(db_effect_commit(db, &e, &err) == 0, "an effect: %s", err.text);
	ok(db_effect_exists(db, &e, &exists, &err) == 0 && exists, "found");
	is_int(count(db, "SELECT COUNT(*) FROM orch_effect WHERE partition_key = 'nächte/\xf0\x9f\x94\xad'"), 1,
	    "whole");
	db_close(db);
}

/* Whatever the server's defaults, a bad value is an error and not a changed value. */
static void test_strict(void)
{
	struct mysql_conf c = mariadb_conf("orch_strict");
	struct database *db;
	struct err err = ERR_INIT;

	make_database("orch_strict");
	mariadb_root_sql("SET GLOBAL sql_mode = ''");
	db = must_open(&c);
	run_sql(db, "CREATE TABLE s (t VARCHAR(3), n TINYINT, at DATETIME(3))");
	ok(db_exec(db, "INSERT INTO s (t) VALUES (?)", &DBV_TEXT("abcd"), 1, NULL, &err) == -1, "too long");
	is_failure(&err, ERR_PERMANENT, "bad_value", "too long");
	ok(db_exec(db, "INSERT INTO s (n) VALUES (?)", &DBV_INT(1000), 1, NULL, &err) == -1, "too large");
	is_failure(&err, ERR_PERMANENT, "bad_value", "too large");
	ok(db_exec(db, "INSERT INTO s (at) VALUES (?)", &DBV_TEXT("0000-00-00 00:00:00"), 1, NULL, &err) == -1,
	    "no date");
	is_failure(&err, ERR_PERMANENT, "bad_value", "no date");
	is_int(count(db, "SELECT COUNT(*) FROM s"), 0, "nothing was stored");
	db_close(db);
	mariadb_root_sql("SET GLOBAL sql_mode = DEFAULT");
}

/* Users' tables of an older make: a TEXT cannot be indexed whole, MyISAM knows no transactions. */
static void test_old_dataset(void)
{
	static const char *const columns[] = {"SummaryImage", "LogFile"};
	struct mysql_conf c = mariadb_conf("orch_old");
	struct database *db;
	struct err err = ERR_INIT;

	make_database("orch_old");
	db = must_open(&c);
	run_sql(db, "CREATE TABLE DataSet (id INT AUTO_INCREMENT PRIMARY KEY, Site INT, Instrument INT, "
	            "StartUTTime DATETIME, "
	            "StopUTTime DATETIME, SummaryImage TEXT, LogFile TEXT) ENGINE=MyISAM CHARACTER SET latin1");
	run_sql(db, "INSERT INTO DataSet (SummaryImage) VALUES ('a.png'), ('a.png')");
	ok(db_migrate(db, &fpi_schema, &err) == -1, "duplicates are refused");
	is_failure(&err, ERR_PERMANENT, "duplicates", "old table");
	run_sql(db, "DELETE FROM DataSet WHERE id = 2");
	ok(db_migrate(db, &fpi_schema, &err) == 0, "a key on the first part of a TEXT: %s", err.text);
	for (int i = 0; i < 2; i++)
		ok(db_upsert(db, &fpi_dataset_table, columns,
		       (struct db_value[]){DBV_TEXT("a.png"), DBV_TEXT(i == 0 ? "one.log" : "two.log")}, 2,
		       &err) == 0,
		    "upsert: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM DataSet WHERE LogFile = 'two.log'"), 1, "finds its row");
	is_int(count(db, "SELECT COUNT(*) FROM DataSet"), 1, "and adds none");
	ok(db_migrate(db, &fpi_schema, &err) == 0, "again");
	db_close(db);
}

static int stop_at_ten(const struct db_value *v, size_t n, void *arg)
{
	return ++*(int *)arg == 10;
}

static void test_large_answer(void)
{
	struct mysql_conf c = mariadb_conf("orch");
	struct database *db = must_open(&c);
	struct err err = ERR_INIT;
	int rows = 0;

	is_int(db_query(
	           db, "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_100000", NULL, 0, stop_at_ten, &rows, &err),
	    1, "stopped");
	is_int(
	    count(db, "SELECT SUM(seq) FROM seq_1_to_100000"), INT64_C(5000050000), "a sum is a whole number");
	db_close(db);
}

/* ---- a server that says no */

static void test_read_only(void)
{
	struct mysql_conf c = mariadb_conf("orch_ro");
	struct database *db;
	struct err err = ERR_INIT;

	make_database("orch_ro");
	db = must_open(&c);
	run_sql(db, "CREATE TABLE r (k INT PRIMARY KEY)");
	db_begin(db, &err);
	run_sql(db, "INSERT INTO r VALUES (1)");
	mariadb_root_sql("SET GLOBAL read_only = 1");
	ok(db_exec(db, "INSERT INTO r VALUES (2)", NULL, 0, NULL, &err) == -1, "read-only");
	is_failure(&err, ERR_TRANSIENT, "read_only", "a statement");
	db_rollback(db);
	is_int(count(db, "SELECT COUNT(*) FROM r"), 0, "reading works");
	mariadb_root_sql("SET GLOBAL read_only = 0");
	ok(run_sql(db, "INSERT INTO r VALUES (2)"), "and writing again");

	/* The switch between the rows and their COMMIT. */
	db_begin(db, &err);
	run_sql(db, "INSERT INTO r VALUES (3)");
	db_close(db);
	db = must_open(&c);
	is_int(count(db, "SELECT COUNT(*) FROM r"), 1, "an unfinished transaction leaves nothing");
	db_close(db);
}

static void test_too_many(void)
{
	struct mysql_conf c = mariadb_conf("orch");
	struct database *db[12] = {NULL};
	struct err err = ERR_INIT;
	size_t n = 0;

	mariadb_root_sql("SET GLOBAL max_connections = 10");
	while (n < NITEMS(db) && (db[n] = mariadb_open(&c, &err)) != NULL)
		n++;
	ok(n < NITEMS(db), "%zu connections fit", n);
	is_failure(&err, ERR_TRANSIENT, "too_many", "one more");
	while (n > 0)
		db_close(db[--n]);
	mariadb_root_sql("SET GLOBAL max_connections = 50");
}

/* Until root reads something other than 0.  InnoDB renews these views only when nobody has looked for 0.1 s. */
static void wait_for(const char *sql)
{
	struct database *root = mariadb_root();

	for (int i = 0; i < 100 && count(root, sql) == 0; i++)
		usleep(120000);
	db_close(root);
}

static int lock_other_way(const struct fixture *f, int arg)
{
	struct err err = ERR_INIT;
	struct mysql_conf c = mariadb_conf("orch_lock");
	struct database *db = mariadb_open(&c, &err);
	bool fine = db != NULL && db_begin(db, &err) == 0 &&
	            db_exec(db, "UPDATE d SET n = n + 1 WHERE k = 2", NULL, 0, NULL, &err) == 0;

	/* Until the other side waits for us; then want its row. */
	if (fine)
		wait_for("SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS");
	fine = fine && db_exec(db, "UPDATE d SET n = n + 1 WHERE k = 1", NULL, 0, NULL, &err) == 0 &&
	       db_commit(db, &err) == 0;
	db_close(db);
	return fine ? 0 : err_is(&err, "deadlock") && err.class == ERR_TRANSIENT ? 1 : 2;
}

static void test_deadlock(void)
{
	struct mysql_conf c = mariadb_conf("orch_lock");
	struct database *db;
	struct err err = ERR_INIT;
	bool mine;
	int theirs;
	pid_t pid;

	make_database("orch_lock");
	db = must_open(&c);
	run_sql(db, "CREATE TABLE d (k INT PRIMARY KEY, n INT) ENGINE=InnoDB");
	run_sql(db, "INSERT INTO d VALUES (1, 0), (2, 0)");
	db_begin(db, &err);
	run_sql(db, "UPDATE d SET n = n + 1 WHERE k = 1");
	pid = child_start(lock_other_way, NULL, 0);
	wait_for("SELECT COUNT(*) > 1 FROM information_schema.INNODB_TRX WHERE trx_rows_modified > 0");
	mine = db_exec(db, "UPDATE d SET n = n + 1 WHERE k = 2", NULL, 0, NULL, &err) == 0 &&
	       db_commit(db, &err) == 0;
	theirs = child_wait(pid);
	ok(mine == (theirs != 0), "one of two goes through (mine %d, theirs %d)", mine, theirs);
	if (!mine)
		is_failure(&err, ERR_TRANSIENT, "deadlock", "the victim");
	else
		is_int(theirs, 1, "the victim: deadlock");
	db_rollback(db);
	is_int(count(db, "SELECT SUM(n) FROM d"), 2, "the survivor's two changes are there");
	db_close(db);
}

static void test_lock_timeout(void)
{
	struct mysql_conf c = mariadb_conf("orch_lock"), slow = c;
	struct database *db = must_open(&c), *other;
	struct err err = ERR_INIT;
	tm_ms t0 = clock_mono();

	slow.timeout = 2000;
	other = must_open(&slow);
	db_begin(db, &err);
	run_sql(db, "UPDATE d SET n = 7 WHERE k = 1");
	ok(db_exec(other, "UPDATE d SET n = 8 WHERE k = 1", NULL, 0, NULL, &err) == -1,
	    "a row that somebody holds");
	is_failure(&err, ERR_TRANSIENT, "lock_timeout", "waited for");
	ok(clock_mono() - t0 < SOON, "for less than the time limit (%lld ms)", (long long)(clock_mono() - t0));
	is_int(count(other, "SELECT COUNT(*) FROM d"), 2, "the connection is good");
	db_close(db);
	db_close(other);
}

/* ---- a server that goes away */

static void test_killed_connection(void)
{
	struct mysql_conf c = mariadb_conf("orch");
	struct database *db = must_open(&c);
	struct err err = ERR_INIT;
	char sql[64];

	db_begin(db, &err);
	snprintf(sql, sizeof(sql), "KILL %lld", (long long)count(db, "SELECT CONNECTION_ID()"));
	mariadb_root_sql(sql);
	ok(db_exec(db, "SELECT 1", NULL, 0, NULL, &err) == -1, "killed by an administrator");
	is_failure(&err, ERR_TRANSIENT, "lost", "the next statement");
	db_rollback(db);
	ok(db_begin(db, &err) == -1, "stays lost");
	is_failure(&err, ERR_TRANSIENT, "lost", "and the next");
	ok(db_reconnect(db, &err) == 0 && count(db, "SELECT 1") == 1, "until it is asked to reconnect");
	db_close(db);
}

static void test_server_killed(void)
{
	struct mysql_conf c = mariadb_conf("orch_kill");
	struct database *db;
	struct err err = ERR_INIT;
	const struct db_effect e = {"uid", "analyze", "", "aa"};
	bool exists = false;

	make_database("orch_kill");
	db = must_open(&c);
	db_migrate(db, &fpi_schema, &err);
	db_begin(db, &err);
	ok(db_effect_commit(db, &e, &err) == 0, "an effect: %s", err.text);
	db_begin(db, &err);
	db_effect_record(db, &(struct db_effect){"uid2", "analyze", "", "aa"}, &err);
	mariadb_kill();
	ok(db_exec(db, "SELECT 1", NULL, 0, NULL, &err) == -1, "the server was killed");
	is_failure(&err, ERR_TRANSIENT, "lost", "a statement");
	ok(db_reconnect(db, &err) == -1, "it is down");
	is_failure(&err, ERR_TRANSIENT, "unreachable", "reconnect");
	ok(db_query_int(db, "SELECT 1", NULL, 0, &(int64_t){0}, &err) == -1, "no connection");
	is_failure(&err, ERR_TRANSIENT, "lost", "a statement without connection");
	mariadb_start(test_dir(), NULL);
	ok(db_reconnect(db, &err) == 0, "up again: %s", err.text);
	ok(db_effect_exists(db, &e, &exists, &err) == 0 && exists, "what was committed is there");
	is_int(count(db, "SELECT COUNT(*) FROM orch_effect"), 1, "what was not is gone");
	db_close(db);
}

static void test_server_stopped(void)
{
	struct mysql_conf c = mariadb_conf("orch");
	struct database *db;
	struct err err = ERR_INIT;
	tm_ms t0;

	c.timeout = 2000;
	c.connect_timeout = 1000;
	db = must_open(&c);
	mariadb_freeze();
	t0 = clock_mono();
	ok(db_exec(db, "SELECT 1", NULL, 0, NULL, &err) == -1, "the server hangs");
	is_failure(&err, ERR_TRANSIENT, "lost", "a statement");
	ok(clock_mono() - t0 < SOON, "after %lld ms", (long long)(clock_mono() - t0));
	refused(c, ERR_TRANSIENT, "lost", SOON, "a new connection");
	mariadb_thaw();
	ok(db_reconnect(db, &err) == 0, "and back: %s", err.text);
	db_close(db);
}

static int wake_server(const struct fixture *f, int arg)
{
	usleep((useconds_t)arg * 1000);
	mariadb_thaw();
	return 0;
}

/* COMMIT was sent and the server hangs: the answer is found out as soon as it is back. */
static void test_stopped_at_commit(void)
{
	struct mysql_conf c = mariadb_conf("orch_kill");
	struct database *db;
	struct err err = ERR_INIT;
	const struct db_effect e = {"stopped", "analyze", "", "bb"};
	pid_t pid;
	int rc;

	c.timeout = 2000;
	c.connect_timeout = 1000;
	db = must_open(&c);
	db_begin(db, &err);
	db_effect_record(db, &e, &err);
	mariadb_freeze();
	ok(db_commit(db, &err) == -1, "the server hangs at COMMIT");
	is_failure(&err, ERR_TRANSIENT, "commit_unknown", "COMMIT");
	pid = child_start(wake_server, NULL, 100);
	child_wait(pid);
	for (int i = 0; (rc = db_reconnect(db, &err)) == -1 && i < 100; i++)
		usleep(20000);
	ok(rc == 0, "back: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM orch_effect WHERE run_uid = 'stopped' LOCK IN SHARE MODE"), 1,
	    "the COMMIT it had received counts");
	db_close(db);
}

/* ---- the lost answer to COMMIT */

/* Rows that may be there once: plain INSERTs, so that doing a transaction twice is an error. */
static int write_set(struct database *db, int set, const struct db_effect *e, struct err *err)
{
	int rc = db_begin(db, err);

	for (int i = 0; rc == 0 && i < 3; i++)
		rc = db_exec(db, "INSERT INTO c (s, i) VALUES (?, ?)",
		    (struct db_value[]){DBV_INT(set), DBV_INT(i)}, 2, NULL, err);
	return rc == 0 ? db_effect_commit(db, e, err) : -1;
}

struct tally {
	int cuts[CUT_NKINDS];
	int resolved, not_committed, lost_before, unknown, wrong;
};

/* As a step and its retries would: done when the effect is there, otherwise again from the start. */
static void settle(struct database *db, struct database *witness, int set, struct tally *t)
{
	char uid[32];
	const struct db_effect e = {uid, "analyze", "", "cc"};
	struct err err = ERR_INIT;

	snprintf(uid, sizeof(uid), "set-%d", set);
	for (int attempt = 0; attempt < 20; attempt++) {
		bool exists = false;

		if (attempt > 0 &&
		    (db_reconnect(db, &err) == -1 || db_effect_exists(db, &e, &exists, &err) == -1))
			continue;
		if (exists)
			return;
		if (write_set(db, set, &e, &err) == 0) {
			t->resolved += attempt == 0;
			t->wrong += db_effect_exists(witness, &e, &exists, &err) == -1 || !exists;
			return;
		}
		if (err.class != ERR_TRANSIENT) {
			diag("set %d: %s", set, err.text);
			db_rollback(db);
			t->wrong++;
			return;
		}
		t->not_committed += err_is(&err, "not_committed");
		t->unknown += err_is(&err, "commit_unknown");
		t->lost_before += !err_is(&err, "not_committed") && !err_is(&err, "commit_unknown");
		db_rollback(db);
	}
	diag("set %d is not settled: %s", set, err.text);
	t->wrong++;
}

static void test_cut_at_commit(void)
{
	const char *env = getenv("ORCH_TEST_CUTS");
	int sets = env != NULL ? (int)strtol(env, NULL, 10) : 300;
	unsigned seed = (unsigned)getpid();
	struct mysql_conf c = mariadb_conf("orch_cut"), straight = c;
	struct database *db, *witness;
	struct err err = ERR_INIT;
	struct tally t = {0};
	tm_ms t0 = clock_mono();

	make_database("orch_cut");
	c.port = cut_proxy_start("127.0.0.1", mariadb_port());
	witness = must_open(&straight);
	ok(db_migrate(witness, &fpi_schema, &err) == 0, "tables: %s", err.text);
	run_sql(witness, "CREATE TABLE c (s INT, i INT, PRIMARY KEY (s, i)) ENGINE=InnoDB");
	db = must_open(&c);
	diag("seed %u, %d sets", seed, sets);
	for (int set = 0; set < sets; set++) {
		enum cut kind = (enum cut)(rand_r(&seed) % CUT_NKINDS);

		/* Late by more than a reconnect takes, so that only the lock on the effect row tells the truth. */
		cut_proxy_set(kind, rand_r(&seed) % 1200, 20 + rand_r(&seed) % 60);
		t.cuts[kind]++;
		settle(db, witness, set, &t);
	}
	cut_proxy_set(CUT_NONE, 0, 0);
	for (int k = 0; k < CUT_NKINDS; k++)
		diag("%-15s %d", cut_names[k], t.cuts[k]);
	diag("settled in the first attempt %d, found not committed %d, unknown %d, lost before COMMIT %d; %lld "
	     "ms",
	    t.resolved, t.not_committed, t.unknown, t.lost_before, (long long)(clock_mono() - t0));
	is_int(t.wrong, 0, "no set is lost, doubled or misreported");
	is_int(count(witness, "SELECT COUNT(*) FROM c"), 3 * sets, "every row once");
	is_int(count(witness, "SELECT COUNT(*) FROM orch_effect"), sets, "every effect once");
	is_int(count(witness, "SELECT COUNT(*) FROM (SELECT s FROM c GROUP BY s HAVING COUNT(*) <> 3) AS torn"),
	    0, "no set in part");
	ok(t.not_committed > 0 && t.resolved > t.cuts[CUT_NONE], "both outcomes of a lost answer were seen");
	db_close(db);
	db_close(witness);
}

static int write_three(struct database *db, void *arg, struct err *err)
{
	for (int i = 0; i < 3; i++)
		if (db_exec(db, "INSERT INTO c (s, i) VALUES (?, ?)",
		        (struct db_value[]){DBV_INT(*(int *)arg), DBV_INT(i)}, 2, NULL, err) == -1)
			return -1;
	return 0;
}

/* A transaction outlives a connection that an idle hour broke, a restart of the server, and a cut at COMMIT. */
static void test_transact(void)
{
	struct mysql_conf c = mariadb_conf("orch_cut");
	struct database *db = must_open(&c);
	struct err err = ERR_INIT;
	int set = -1;
	char sql[64];

	snprintf(sql, sizeof(sql), "KILL %lld", (long long)count(db, "SELECT CONNECTION_ID()"));
	mariadb_root_sql(sql);
	ok(db_transact(db, &(struct db_effect){"t1", "a", "", "aa"}, write_three, &set, 60000, &err) == 0,
	    "a broken connection: %s", err.text);
	set = -2;
	mariadb_kill();
	is_failure(
	    (db_transact(db, &(struct db_effect){"t2", "a", "", "aa"}, write_three, &set, 500, &err), &err),
	    ERR_TRANSIENT, "lost", "a server that stays away");
	mariadb_start(test_dir(), NULL);
	ok(db_transact(db, &(struct db_effect){"t2", "a", "", "aa"}, write_three, &set, 60000, &err) == 0,
	    "and is back: %s", err.text);
	db_close(db);
	c.port = cut_proxy_start("127.0.0.1", mariadb_port());
	db = must_open(&c);
	for (enum cut kind = CUT_NONE; kind < CUT_ANYWHERE; kind++) {
		char uid[16];

		set = -10 - (int)kind;
		snprintf(uid, sizeof(uid), "cut-%d", (int)kind);
		cut_proxy_set(kind, 0, 50);
		ok(db_transact(db, &(struct db_effect){uid, "a", "", "aa"}, write_three, &set, 60000, &err) ==
		        0,
		    "%s: %s", cut_names[kind], err.text);
	}
	is_int(count(db, "SELECT COUNT(*) FROM c WHERE s < 0"), 3 * (2 + CUT_ANYWHERE), "every row once");
	db_close(db);
}

int main(void)
{
	log_open(LOG_ERROR_);
	if (!mariadb_start(test_dir(), NULL)) {
		tap_skip("no MariaDB server on this machine");
		return tap_done();
	}
	tap_run(test_refusals);
	tap_run(test_tls);
	tap_run(test_names);
	tap_run(test_strict);
	tap_run(test_old_dataset);
	tap_run(test_large_answer);
	tap_run(test_read_only);
	tap_run(test_too_many);
	tap_run(test_deadlock);
	tap_run(test_lock_timeout);
	tap_run(test_killed_connection);
	tap_run(test_server_killed);
	tap_run(test_server_stopped);
	tap_run(test_stopped_at_commit);
	tap_run(test_cut_at_commit);
	tap_run(test_transact);
	tap_run(test_tls_stripped);
	mariadb_kill();
	return tap_done();
}
