#include "config.h"

#include "state/state.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOCK_PATIENCE_MS 500

static int read_version(struct sql *sql)
{
	return (int)sql_get_int(sql, 0, "PRAGMA user_version", "");
}

static int set_version(struct sql *sql, int version, struct err *err)
{
	char text[64];

	snprintf(text, sizeof(text), "PRAGMA user_version=%d", version);
	return sql_script(sql, text, err);
}

/* All steps in one transaction: a kill at any statement leaves the version that was. */
static int migrate(struct sql *sql, struct err *err)
{
	int have = read_version(sql), want = schema_version();

	if (have > want)
		return err_code(err, ERR_CONFIG, "schema_newer",
		    "the state was written by a newer orchd (schema %d, this program knows %d): upgrade this "
		    "program",
		    have, want);
	if (have == want)
		return 0;
	if (sql_begin(sql) == -1)
		return sql_commit(sql, err);
	for (int v = have + 1; v <= want; v++)
		if (sql_script(sql, schema_sql(v), err) == -1 || set_version(sql, v, err) == -1) {
			sql_rollback(sql);
			return err_wrap(err, "schema %d", v);
		}
	log_info("state: schema %d -> %d", have, want);
	return sql_commit(sql, err);
}

static void read_instance(struct state *st)
{
	struct sql_row *row = sql_query(st->sql, "SELECT value FROM meta WHERE key = 'instance'", "");

	if (sql_next(row))
		snprintf(st->instance, sizeof(st->instance), "%s", sql_text(row, 0));
	sql_end(row);
}

/*
 * What a predecessor wrote and could not sync may be read back from the kernel's cache as if it were committed: before
 * anybody acts on it, it is put into the database and synced anew.  A reader may keep some of it back; it is no error.
 */
static int settle_log(struct state *st, struct err *err)
{
	return sql_script(st->sql, "PRAGMA wal_checkpoint(PASSIVE)", err);
}

static int begin_epoch(struct state *st, struct err *err)
{
	unsigned char raw[4];
	char hex[9];

	arc4random_buf(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), hex);
	sql_do(st->sql, "INSERT INTO meta(key, value) VALUES('instance', ?1) ON CONFLICT DO NOTHING", "s", hex);
	sql_do(st->sql,
	    "INSERT INTO meta(key, value) VALUES('epoch', 1) ON CONFLICT(key) DO UPDATE SET value = value + 1",
	    "");
	if (sql_commit(st->sql, err) == -1)
		return -1;
	st->epoch = sql_get_int(st->sql, 0, "SELECT value FROM meta WHERE key = 'epoch'", "");
	read_instance(st);
	return 0;
}

static struct state *state_new(const char *dir)
{
	struct state *st = xcalloc(1, sizeof(*st));

	st->dir = xstrdup(dir);
	st->lock_fd = -1;
	return st;
}

/*
 * A process that was killed while it started a step leaves its descriptors to the half-born child until that has become
 * the step's program: so a lock that is held is looked at again for a moment before it counts as held.
 */
static int lock_state(const char *path, struct err *err)
{
	tm_ms until = clock_mono() + LOCK_PATIENCE_MS;
	int fd;

	while ((fd = fs_lock(path, err)) == -1 && err_is(err, "locked") && clock_mono() < until)
		nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000}, NULL);
	return fd;
}

struct state *state_open(const char *dir, struct err *err)
{
	struct state *st = state_new(dir);
	char *lock = fs_join(dir, "lock"), *db = fs_join(dir, "state.db");

	if (fs_mkdirs(dir, 0700, err) == -1 || (st->lock_fd = lock_state(lock, err)) == -1 ||
	    (st->sql = sql_open(db, SQL_WRITER, err)) == NULL || settle_log(st, err) == -1 ||
	    migrate(st->sql, err) == -1 || begin_epoch(st, err) == -1) {
		state_close(st);
		st = NULL;
	}
	free(lock);
	free(db);
	return st;
}

struct state *state_open_reader(const char *dir, struct err *err)
{
	struct state *st = state_new(dir);
	char *db = fs_join(dir, "state.db");

	if (!fs_exists(db))
		err_code(err, ERR_PERMANENT, "not_found", "%s: no state yet", dir);
	else
		st->sql = sql_open(db, SQL_READER, err);
	free(db);
	if (st->sql != NULL && read_version(st->sql) != schema_version())
		err_code(err, ERR_CONFIG, "schema", "%s: the state has schema %d, this program wants %d", dir,
		    read_version(st->sql), schema_version());
	else if (st->sql != NULL) {
		read_instance(st);
		return st;
	}
	state_close(st);
	return NULL;
}

struct state *state_open_empty(const char *dir, struct err *err)
{
	struct state *st = state_new(dir);

	if ((st->sql = sql_open(":memory:", SQL_WRITER, err)) == NULL || migrate(st->sql, err) == -1) {
		state_close(st);
		st = NULL;
	}
	return st;
}

void state_close(struct state *st)
{
	if (st == NULL)
		return;
	sql_close(st->sql);
	if (st->lock_fd != -1)
		close(st->lock_fd);
	free(st->dir);
	free(st);
}
