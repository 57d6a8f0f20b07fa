/* Several processes on one database, some of them killed. */
#include "config.h"

#include "base/clock.h"
#include "database/dialect.h"
#include "tests/component/database_fixture.h"
#include "tests/component/grow_schema.h"

#include <signal.h>

static int child_migrate(const struct fixture *f, int arg)
{
	struct err err = ERR_INIT;
	struct database *db = f->open(&err);
	int rc = db == NULL ? -1 : db_migrate(db, &grow_v3, &err);

	if (rc == 0)
		rc = db_migrate(db, &fpi_schema, &err);
	if (rc == -1)
		diag("child: %s", err.text);
	db_close(db);
	return rc == 0 ? 0 : 1;
}

static void test_migrate_at_once(const struct fixture *fx)
{
	for (int round = 0; round < 3; round++) {
		pid_t pid[6];
		int bad = 0;

		fx->fresh();
		for (size_t i = 0; i < NITEMS(pid); i++)
			pid[i] = child_start(child_migrate, fx, (int)i);
		for (size_t i = 0; i < NITEMS(pid); i++)
			bad += child_wait(pid[i]) != 0;
		is_int(bad, 0, "six processes make the tables at once");
	}
}

/* Pairs of rows that belong together, each pair in one transaction. */
#define PAIRS 40

static int child_write_pairs(const struct fixture *f, int arg)
{
	struct err err = ERR_INIT;
	struct database *db = f->open(&err);
	int rc = db == NULL ? -1 : 0;

	for (int i = 0; rc == 0 && i < PAIRS; i++) {
		const struct db_value v[] = {DBV_INT(arg * 1000000 + i)};

		rc = db_begin(db, &err);
		if (rc == 0)
			rc = db_exec(db, "INSERT INTO l (k) VALUES (?)", v, 1, NULL, &err);
		if (rc == 0)
			rc = db_exec(db, "INSERT INTO r (k) VALUES (?)", v, 1, NULL, &err);
		if (rc == 0)
			rc = db_commit(db, &err);
	}
	if (rc == -1)
		diag("child: %s", err.text);
	db_close(db);
	return rc == 0 ? 0 : 1;
}

static struct database *open_pairs(const struct fixture *fx)
{
	struct database *db = fixture_open(fx);

	run_sql(db, "CREATE TABLE l (k BIGINT NOT NULL PRIMARY KEY)");
	run_sql(db, "CREATE TABLE r (k BIGINT NOT NULL PRIMARY KEY)");
	return db;
}

/* Rows on the left without their partner on the right and the other way round. */
#define SQL_UNPAIRED                                                          \
	"SELECT (SELECT COUNT(*) FROM l WHERE k NOT IN (SELECT k FROM r)) + " \
	"(SELECT COUNT(*) FROM r WHERE k NOT IN (SELECT k FROM l))"

static void test_write_at_once(const struct fixture *fx)
{
	struct database *db = open_pairs(fx);
	int64_t seen = 0, torn = 0;
	pid_t pid[4];
	int bad = 0;

	for (size_t i = 0; i < NITEMS(pid); i++)
		pid[i] = child_start(child_write_pairs, fx, (int)i);
	/* A reader beside them never waits and never sees half a transaction. */
	for (int tries = 0; seen < PAIRS * (int)NITEMS(pid) && tries < 100000; tries++) {
		torn += count(db, SQL_UNPAIRED);
		seen = count(db, "SELECT COUNT(*) FROM r");
		if (tries % 64 == 0)
			usleep(1000);
	}
	for (size_t i = 0; i < NITEMS(pid); i++)
		bad += child_wait(pid[i]) != 0;
	is_int(bad, 0, "four writers at once");
	is_int(torn, 0, "no reader sees half a transaction");
	is_int(count(db, "SELECT COUNT(*) FROM l"), PAIRS * (int)NITEMS(pid), "every row is there");
	db_close(db);
}

static int child_write_for_ever(const struct fixture *f, int arg)
{
	struct err err = ERR_INIT;
	struct database *db = f->open(&err);

	for (int i = 0; db != NULL; i++) {
		const struct db_value v[] = {DBV_INT((int64_t)arg * 1000000 + i)};

		if (db_begin(db, &err) == -1 ||
		    db_exec(db, "INSERT INTO l (k) VALUES (?)", v, 1, NULL, &err) == -1 ||
		    db_exec(db, "INSERT INTO r (k) VALUES (?)", v, 1, NULL, &err) == -1 ||
		    db_commit(db, &err) == -1)
			break;
	}
	return 1;
}

static void wait_for_growth(struct database *db, int64_t before)
{
	tm_ms deadline = clock_mono() + 20000;

	while (count(db, "SELECT COUNT(*) FROM l") <= before && clock_mono() < deadline)
		usleep(1000);
}

static void test_kill_writer(const struct fixture *fx)
{
	struct database *db = open_pairs(fx);
	int64_t before = 0, after = 0;
	int grown = 0, torn = 0;
	unsigned seed = (unsigned)getpid();

	diag("seed %u", seed);
	for (int round = 0; round < 25; round++) {
		pid_t pid = child_start(child_write_for_ever, fx, round + 1);

		/* Every other time it has begun to write; otherwise it may still be connecting. */
		if (round % 2 == 0)
			wait_for_growth(db, before);
		usleep((useconds_t)(rand_r(&seed) % 20000));
		kill(pid, SIGKILL);
		child_wait(pid);
		torn += count(db, SQL_UNPAIRED) != 0;
		after = count(db, "SELECT COUNT(*) FROM l");
		grown += after > before;
		torn += after < before;
		before = after;
	}
	is_int(torn, 0, "a killed writer leaves all of a transaction or nothing");
	ok(grown >= 13, "and the next one can write (%d of 25 did, %lld rows)", grown, (long long)after);
	db_close(db);
}

static int child_migrate_both(const struct fixture *f, int arg)
{
	struct err err = ERR_INIT;
	struct database *db = f->open(&err);

	if (db == NULL || db_migrate(db, &grow_v3, &err) == -1 || db_migrate(db, &fpi_schema, &err) == -1)
		return 1;
	db_close(db);
	return 0;
}

/* Where DDL is part of the transaction: no tables, those of the first migration, or all. */
static bool is_whole(struct database *db)
{
	int64_t n =
	    count(db, "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'");

	return n == 0 || n == 4 || n == 7;
}

static void test_kill_migration(const struct fixture *fx)
{
	unsigned seed = (unsigned)getpid();
	int killed = 0, bad = 0;
	int64_t whole;

	/* The first one warms the server up; it may take much longer than those that will be killed. */
	child_wait(child_start(child_migrate_both, fx, 0));
	fx->fresh();
	whole = clock_mono_us();
	child_wait(child_start(child_migrate_both, fx, 0));
	whole = clock_mono_us() - whole;
	diag("seed %u, a whole migration takes %lld us", seed, (long long)whole);
	for (int round = 0; round < 20; round++) {
		struct err err = ERR_INIT;
		struct database *db;

		fx->fresh();
		for (int kills = 0; kills < 3; kills++) {
			pid_t pid = child_start(child_migrate_both, fx, 0);

			usleep((useconds_t)((unsigned)rand_r(&seed) % (uint64_t)whole));
			kill(pid, SIGKILL);
			killed += child_wait(pid) == 128 + SIGKILL;
		}
		db = fixture_open(fx);
		bad += db->type->dialect->ddl_in_transaction && !is_whole(db);
		if (db_migrate(db, &grow_v3, &err) == -1 || db_migrate(db, &fpi_schema, &err) == -1) {
			diag("round %d: %s", round, err.text);
			bad++;
		}
		bad += count(db, "SELECT COUNT(*) FROM orch_schema") != 3 ||
		       !run_sql(db, "INSERT INTO grow_a (k, x, y, at) VALUES ('a', 1, 2, NULL)") ||
		       !run_sql(db, "INSERT INTO grow_b (n) VALUES ('a')") ||
		       put_sky(db, "X", 1, "20260101", 1, "r", &err) == -1;
		db_close(db);
	}
	is_int(bad, 0, "after a migration was killed the next one completes it");
	ok(killed > 3, "%d of 60 were killed before they were done", killed);
}

int main(void)
{
	static void (*const cases[])(const struct fixture *) = {
	    test_migrate_at_once,
	    test_write_at_once,
	    test_kill_writer,
	    test_kill_migration,
	};

	log_open(LOG_WARN_);
	fixture_run(cases, NITEMS(cases));
	return tap_done();
}
