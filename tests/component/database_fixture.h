/*
 * database_fixture.h: what the tests of databases share; part of a test program, like tap.h.
 *
 * A fixture is a place where each case gets an empty database of its own.  One row per kind of database; the same cases
 * run on all of them.
 */
#ifndef DATABASE_FIXTURE_H
#define DATABASE_FIXTURE_H

#include "tests/tap.h"

#include "assets/fpi/fpi_schema.h"
#include "base/log.h"
#include "base/utctime.h"
#include "database/sqlite.h"
#include "tests/component/mariadb_server.h"

#include <sys/types.h>
#include <sys/wait.h>

struct fixture {
	const char *name;
	void (*fresh)(void); /* forget the last one, make an empty one */
	struct database *(*open)(struct err *err); /* a new connection to it; also from forked children */
};

static char fixture_sqlite_path[512];
static char fixture_mysql_database[32];

static inline void fixture_sqlite_fresh(void)
{
	static int serial;

	snprintf(fixture_sqlite_path, sizeof(fixture_sqlite_path), "%s/results-%d.db", test_dir(), serial++);
}

static inline struct database *fixture_sqlite_open(struct err *err)
{
	return db_open(&db_type_sqlite, "results", &(struct sqlite_conf){fixture_sqlite_path, 30000}, err);
}

static const struct fixture on_sqlite = {"sqlite", fixture_sqlite_fresh, fixture_sqlite_open};

static inline void fixture_mysql_fresh(void)
{
	static int serial;
	char sql[128];

	snprintf(fixture_mysql_database, sizeof(fixture_mysql_database), "orch_%d", serial++);
	snprintf(sql, sizeof(sql), "CREATE DATABASE %s CHARACTER SET utf8mb4", fixture_mysql_database);
	mariadb_root_sql(sql);
}

static inline struct database *fixture_mysql_open(struct err *err)
{
	struct mysql_conf conf = mariadb_conf(fixture_mysql_database);

	return mariadb_open(&conf, err);
}

static const struct fixture on_mysql UNUSED = {"mysql", fixture_mysql_fresh, fixture_mysql_open};

/* Run every case on every kind of database this machine has. */
static inline void fixture_run(void (*const *cases)(const struct fixture *), size_t n)
{
	const struct fixture *all[] = {&on_sqlite, &on_mysql};

	for (size_t f = 0; f < NITEMS(all); f++) {
		if (all[f] == &on_mysql && !mariadb_start(test_dir(), NULL)) {
			tap_skip("no MariaDB server on this machine");
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			all[f]->fresh();
			printf("# %s, case %zu\n", all[f]->name, i + 1);
			cases[i](all[f]);
		}
	}
	mariadb_kill();
}

static inline struct database *fixture_open(const struct fixture *f)
{
	struct err err = ERR_INIT;
	struct database *db = f->open(&err);

	if (db == NULL)
		tap_bail("%s: %s", f->name, err.text);
	return db;
}

static inline struct database *open_migrated(const struct fixture *f)
{
	struct database *db = fixture_open(f);
	struct err err = ERR_INIT;

	if (db_migrate(db, &fpi_schema, &err) == -1)
		tap_bail("%s: migrate: %s", f->name, err.text);
	return db;
}

/* The statement's number, or -1 with a diagnosis. */
static inline int64_t count(struct database *db, const char *sql)
{
	struct err err = ERR_INIT;
	int64_t n = -1;

	if (db_query_int(db, sql, NULL, 0, &n, &err) == -1)
		diag("%s: %s", sql, err.text);
	return n;
}

static inline bool run_sql(struct database *db, const char *sql)
{
	struct err err = ERR_INIT;

	if (db_exec(db, sql, NULL, 0, NULL, &err) == 0)
		return true;
	diag("%s: %s", sql, err.text);
	return false;
}

/* A result: the call failed with this class and code. */
static inline void is_err(
    int rc, const struct err *err, enum err_class class, const char *code, const char *what)
{
	if (!ok(rc == -1 && err->class == class && strcmp(err->code, code) == 0, "%s: %s", what, code))
		diag("rc %d class %s code %s: %s", rc, err_class_name(err->class), err->code, err->text);
}

static inline int put_sky(struct database *db, const char *tag, tm_ms t, const char *night, double wind,
    const char *run, struct err *err)
{
	static const char *const columns[] = {"instrument", "line_tag", "time_utc", "site", "night",
	    "direction", "los_wind", "wind_flag", "run_id"};
	char text[UTCTIME_MAX];

	return db_upsert(db, &fpi_sky_table, columns,
	    (struct db_value[]){DBV_TEXT("minime13"), DBV_TEXT(tag), DBV_TEXT(utctime_format_sql_ms(t, text)),
	        DBV_TEXT("uao"), DBV_TEXT(night), DBV_TEXT("Zenith"), DBV_DOUBLE(wind), DBV_INT(0),
	        DBV_TEXT(run)},
	    NITEMS(columns), err);
}

/* Run a function in a forked child that leaves with its result. */
static inline pid_t child_start(int (*fn)(const struct fixture *, int arg), const struct fixture *f, int arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == -1)
		tap_bail("fork failed");
	if (pid == 0)
		_exit(fn(f, arg));
	return pid;
}

/* Its exit status; 128 + n when signal n ended it. */
static inline int child_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
