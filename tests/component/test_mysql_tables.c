/* Tables that the users' own programs made, and what happens to a transaction of results in the middle of it. */
#include "config.h"

#include "base/clock.h"
#include "database/effect.h"
#include "tests/component/database_fixture.h"

#define PATIENCE 60000

static char database_name[32];

/* An empty database with the users' table in it, and a connection. */
static struct database *with_dataset(const char *table)
{
	static int serial;
	struct err err = ERR_INIT;
	struct database *db;
	struct mysql_conf conf;
	char sql[128];

	snprintf(database_name, sizeof(database_name), "orch_tables_%d", serial++);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s CHARACTER SET utf8mb4", database_name);
	mariadb_root_sql(sql);
	conf = mariadb_conf(database_name);
	if ((db = mariadb_open(&conf, &err)) == NULL)
		tap_bail("open: %s", err.text);
	if (table != NULL)
		run_sql(db, table);
	return db;
}

static int put_dataset(struct database *db, const char *image, const char *log, struct err *err)
{
	static const char *const columns[] = {
	    "Site", "Instrument", "StartUTTime", "StopUTTime", "SummaryImage", "LogFile"};

	return db_upsert(db, &fpi_dataset_table, columns,
	    (struct db_value[]){DBV_INT(1), DBV_INT(2), DBV_TEXT("2026-04-08 03:00:00"),
	        DBV_TEXT("2026-04-08 11:00:00"), DBV_TEXT(image), DBV_TEXT(log)},
	    NITEMS(columns), err);
}

/* ---- tables */

/* Another order, another alphabet, columns of their own, rows that are there. */
static void test_their_table(void)
{
	struct database *db = with_dataset(
	    "CREATE TABLE DataSet (LogFile VARCHAR(200), Comment TEXT, SummaryImage VARCHAR(200) NOT NULL, "
	    "Shown "
	    "TINYINT NOT NULL DEFAULT 1, Changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, StopUTTime "
	    "DATETIME, "
	    "StartUTTime DATETIME, Instrument SMALLINT, Site SMALLINT, id INT UNSIGNED NOT NULL "
	    "AUTO_INCREMENT, "
	    "PRIMARY KEY (id), KEY (Site)) ENGINE=InnoDB CHARACTER SET latin1 COLLATE latin1_swedish_ci");
	struct err err = ERR_INIT;

	run_sql(db,
	    "INSERT INTO DataSet (Site, SummaryImage, LogFile, Comment) VALUES (7, 'a.png', 'old', 'keep')");
	ok(db_migrate(db, &fpi_schema, &err) == 0, "used as it is: %s", err.text);
	ok(put_dataset(db, "a.png", "new", &err) == 0, "a picture that is there: %s", err.text);
	ok(put_dataset(db, "b.png", "new", &err) == 0, "and a new one: %s", err.text);
	is_int(
	    count(db, "SELECT COUNT(*) FROM DataSet WHERE Site = 7 AND LogFile = 'new' AND Comment = 'keep'"),
	    1, "only its log is another");
	is_int(count(db, "SELECT COUNT(*) FROM DataSet WHERE Site = 1 AND Instrument = 2 AND Shown = 1 AND "
	                 "StartUTTime = '2026-04-08 03:00:00' AND Comment IS NULL"),
	    1, "the new one is whole");
	is_err(put_dataset(db, "\xf0\x9f\x94\xad.png", "x", &err), &err, ERR_PERMANENT, "bad_value",
	    "a letter that their table cannot hold");
	is_int(count(db, "SELECT COUNT(*) FROM DataSet"), 2, "is not stored as another");
	ok(db_migrate(db, &fpi_schema, &err) == 0, "again");
	db_close(db);
}

static void unfit(const char *table, const char *word, const char *what)
{
	struct database *db = with_dataset(table);
	struct err err = ERR_INIT;

	is_err(db_migrate(db, &fpi_schema, &err), &err, ERR_PERMANENT, "schema_mismatch", what);
	ok(strstr(err.text, word) != NULL && strstr(err.text, "DataSet") != NULL, "says what: %s", err.text);
	db_close(db);
}

/* What no row of ours could get into is told before the first night, not by its last statement. */
static void test_unfit_tables(void)
{
	struct database *db;
	struct err err = ERR_INIT;

#define COLUMNS "Site INT, Instrument INT, StartUTTime DATETIME, StopUTTime DATETIME, LogFile VARCHAR(255), "
	unfit("CREATE TABLE DataSet (" COLUMNS
	      "id INT AUTO_INCREMENT PRIMARY KEY, SummaryImage VARCHAR(255), Observer VARCHAR(20) NOT NULL)",
	    "Observer", "a column that wants a value which we do not have");
	unfit("CREATE TABLE DataSet (" COLUMNS "id INT PRIMARY KEY, SummaryImage VARCHAR(255))", "id",
	    "a row number that the server does not give");

	db = with_dataset(
	    "CREATE TABLE Pictures (" COLUMNS "id INT AUTO_INCREMENT PRIMARY KEY, SummaryImage VARCHAR(255))");
	run_sql(db, "CREATE VIEW DataSet AS SELECT * FROM Pictures");
	is_err(db_migrate(db, &fpi_schema, &err), &err, ERR_PERMANENT, "schema_mismatch", "a view");
	ok(strstr(err.text, "view") != NULL, "says so: %s", err.text);
	is_int(count(db, "SELECT COUNT(*) FROM Pictures"), 0, "nothing went through it");
	db_close(db);

	db = with_dataset("CREATE TABLE DataSet (" COLUMNS "id INT AUTO_INCREMENT PRIMARY KEY, SummaryImage "
	                  "VARCHAR(255), Path VARCHAR(300) AS (CONCAT('x/', SummaryImage)) STORED)");
	ok(db_migrate(db, &fpi_schema, &err) == 0 && put_dataset(db, "a.png", "l", &err) == 0,
	    "a column that the server computes is no obstacle: %s", err.text);
	db_close(db);
#undef COLUMNS
}

static int migrate_as(const char *grants, struct err *err)
{
	char sql[256];
	struct mysql_conf conf = mariadb_conf(database_name);
	struct database *db;
	int rc;

	mariadb_root_sql("CREATE OR REPLACE USER 'less'@'127.0.0.1' IDENTIFIED BY 'orchpw'");
	snprintf(sql, sizeof(sql), "GRANT %s ON %s.* TO 'less'@'127.0.0.1'", grants, database_name);
	mariadb_root_sql(sql);
	conf.user = (char *)"less";
	if ((db = mariadb_open(&conf, err)) == NULL)
		return -1;
	rc = db_migrate(db, &fpi_schema, err);
	if (rc == 0)
		rc = put_dataset(db, "a.png", "l", err);
	db_close(db);
	return rc;
}

static void test_rights(void)
{
	struct mysql_conf conf;
	struct err err = ERR_INIT;

	db_close(with_dataset(NULL));
	conf = mariadb_conf(database_name);
	mariadb_root_sql("CREATE OR REPLACE USER 'less'@'127.0.0.1' IDENTIFIED BY 'orchpw' ACCOUNT LOCK");
	conf.user = (char *)"less";
	ok(mariadb_open(&conf, &err) == NULL, "an account that is locked");
	is_err(-1, &err, ERR_PERMANENT, "denied", "says so");
	ok(strstr(err.text, "locked") != NULL, "in words: %s", err.text);
	is_err(migrate_as("SELECT", &err), &err, ERR_PERMANENT, "denied", "an account that may only read");
	ok(strstr(err.text, "CREATE") != NULL, "what it needs: %s", err.text);
	ok(migrate_as("SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX", &err) == 0,
	    "what is asked for will do: %s", err.text);
	ok(migrate_as("SELECT, INSERT, UPDATE, DELETE", &err) == 0, "and less once the tables are there: %s",
	    err.text);
	is_err(migrate_as("SELECT, INSERT", &err), &err, ERR_PERMANENT, "denied", "not less than that");
}

static void test_small_packets(void)
{
	struct mysql_conf conf;
	struct database *db = with_dataset("CREATE TABLE big (t LONGTEXT)");
	struct err err = ERR_INIT;
	size_t n = 300000;
	char *text = calloc(1, n + 1);
	int64_t packet = count(db, "SELECT @@max_allowed_packet");
	char sql[80];

	db_close(db);
	memset(text, 'x', n);
	mariadb_root_sql("SET GLOBAL max_allowed_packet = 65536");
	conf = mariadb_conf(database_name);
	if ((db = mariadb_open(&conf, &err)) == NULL)
		tap_bail("open: %s", err.text);
	ok(db_migrate(db, &fpi_schema, &err) == 0 && put_dataset(db, "a.png", "l", &err) == 0,
	    "rows of ours are small: %s", err.text);
	is_err(db_exec(db, "INSERT INTO big VALUES (?)", &DBV_TEXT(text), 1, NULL, &err), &err, ERR_PERMANENT,
	    "bad_value", "what does not fit is no reason to try again");
	ok(strstr(err.text, "max_allowed_packet") != NULL, "and why: %s", err.text);
	db_close(db);
	snprintf(sql, sizeof(sql), "SET GLOBAL max_allowed_packet = %lld", (long long)packet);
	mariadb_root_sql(sql);
	free(text);
}

/* ---- transactions that are disturbed once or twice, and done in the end */

struct disturbed {
	void (*disturb)(struct database *, int attempt); /* between the first row and the second */
	int attempts;
	struct database *other; /* a connection of somebody else's */
};

static struct disturbed now;

static int write_two(struct database *db, void *arg, struct err *err)
{
	if (db_exec(db, "INSERT INTO t (k) VALUES (1)", NULL, 0, NULL, err) == -1) {
		now.disturb(db, ++now.attempts);
		return -1;
	}
	now.disturb(db, ++now.attempts);
	return db_exec(db, "INSERT INTO t (k) VALUES (2)", NULL, 0, NULL, err);
}

static void survives(void (*disturb)(struct database *, int attempt), int attempts, const char *what)
{
	const struct db_effect e = {"uid", "analyze", "p", "aa"};
	struct database *db = with_dataset("CREATE TABLE t (k INT PRIMARY KEY) ENGINE=InnoDB");
	struct err err = ERR_INIT;

	ok(db_migrate(db, &fpi_schema, &err) == 0, "tables: %s", err.text);
	now = (struct disturbed){.disturb = disturb};
	ok(db_transact(db, &e, write_two, NULL, PATIENCE, &err) == 0, "%s: %s", what, err.text);
	is_int(now.attempts, attempts, "attempts");
	is_int(count(db, "SELECT COUNT(*) FROM t"), 2, "every row once");
	is_int(count(db, "SELECT COUNT(*) FROM orch_effect"), 1, "and the effect");
	db_close(now.other);
	db_close(db);
}

static void kill_own(struct database *db, int attempt)
{
	char sql[64];

	if (attempt > 1)
		return;
	snprintf(sql, sizeof(sql), "KILL %lld", (long long)count(db, "SELECT CONNECTION_ID()"));
	mariadb_root_sql(sql);
}

static void restart_server(struct database *db, int attempt)
{
	if (attempt > 1)
		return;
	mariadb_kill();
	mariadb_start(test_dir(), NULL);
}

/* The connection's idle time runs out, and the server has closed it. */
static void idle_out(struct database *db, int attempt)
{
	struct database *root;
	char sql[100];
	tm_ms deadline = clock_mono() + PATIENCE;

	if (attempt > 1)
		return;
	snprintf(sql, sizeof(sql), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = %lld",
	    (long long)count(db, "SELECT CONNECTION_ID()"));
	run_sql(db, "SET SESSION wait_timeout = 1");
	root = mariadb_root();
	while (count(root, sql) > 0 && clock_mono() < deadline)
		usleep(20000);
	db_close(root);
}

/* An administrator at work, from the middle of the first attempt to the end of the third. */
static void read_only(struct database *db, int attempt)
{
	mariadb_root_sql(attempt < 3 ? "SET GLOBAL read_only = 1" : "SET GLOBAL read_only = 0");
}

/* Somebody holds the row that comes next, and lets it go when we have given up once. */
static void held(struct database *db, int attempt)
{
	struct mysql_conf conf = mariadb_conf(database_name);
	struct err err = ERR_INIT;

	if (attempt == 1) {
		run_sql(db, "SET SESSION innodb_lock_wait_timeout = 1");
		now.other = mariadb_open(&conf, &err);
		db_begin(now.other, &err);
		run_sql(now.other, "INSERT INTO t (k) VALUES (2)");
	} else if (now.other != NULL) {
		db_rollback(now.other);
	}
}

/* A backup has locked the table, and is over when we have given up once. */
static void locked_table(struct database *db, int attempt)
{
	struct mysql_conf conf = mariadb_conf(database_name);
	struct err err = ERR_INIT;

	if (attempt == 1) {
		run_sql(db, "ROLLBACK");
		run_sql(db, "SET SESSION lock_wait_timeout = 1");
		now.other = mariadb_open(&conf, &err);
		run_sql(now.other, "LOCK TABLES t READ");
	} else if (now.other != NULL) {
		db_close(now.other);
		now.other = NULL;
	}
}

/* Twice as many rows as the other: the server picks the smaller transaction as its victim. */
static int cross(const struct fixture *f, int arg)
{
	struct mysql_conf conf = mariadb_conf(database_name);
	struct err err = ERR_INIT;
	struct database *db = mariadb_open(&conf, &err);
	bool fine = db != NULL && db_begin(db, &err) == 0 &&
	            run_sql(db, "INSERT INTO t (k) VALUES (2), (3), (4), (5)") &&
	            run_sql(db, "INSERT INTO t (k) VALUES (1)"); /* waits for the row that the parent holds */

	db_rollback(db);
	db_close(db);
	return fine ? 0 : 1;
}

static pid_t crossing;

static void deadlock(struct database *db, int attempt)
{
	struct database *root;
	tm_ms deadline = clock_mono() + PATIENCE;

	if (attempt > 1)
		return;
	crossing = child_start(cross, NULL, 0);
	root = mariadb_root();
	/* InnoDB renews this view only when nobody has looked for 0.1 s. */
	while (count(root, "SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS") == 0 &&
	       clock_mono() < deadline)
		usleep(120000);
	db_close(root);
}

static void test_disturbed(void)
{
	survives(kill_own, 2, "a connection killed in the middle");
	survives(idle_out, 2, "a connection that was idle for too long");
	survives(restart_server, 2, "a server that restarts in the middle");
	survives(read_only, 4, "a server that is read-only for a while");
	survives(held, 2, "a row that somebody holds for too long");
	survives(locked_table, 3, "a table that a backup has locked");
	survives(deadlock, 2, "a deadlock");
	is_int(child_wait(crossing), 0, "the other went through");
}

int main(void)
{
	log_open(LOG_ERROR_);
	if (!mariadb_start(test_dir(), NULL)) {
		tap_skip("no MariaDB server on this machine");
		return tap_done();
	}
	tap_run(test_their_table);
	tap_run(test_unfit_tables);
	tap_run(test_rights);
	tap_run(test_small_packets);
	tap_run(test_disturbed);
	mariadb_kill();
	return tap_done();
}
