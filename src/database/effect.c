#include "config.h"

#include "database/effect.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utctime.h"
#include "database/dialect.h"

#include <string.h>
#include <time.h>

static const struct schema_table schema_table_row = {
    .name = "orch_schema",
    .help = "version of each component's tables",
    .columns =
        (const struct schema_column[]){
            {"component", COL_TEXT, 64, 0, NULL, "who owns the tables"},
            {"version", COL_INT, 0, COL_REQUIRED, NULL, "version they have"},
            {"applied_at", COL_DATETIME_MS, 0, COL_REQUIRED, NULL, "when they got it"},
            {"program", COL_TEXT, 64, 0, NULL, "program that did it"},
            {0},
        },
    .primary = {"component"},
};

static const struct schema_table effect_table = {
    .name = "orch_effect",
    .help = "one row for each transaction of results, written with them",
    .columns =
        (const struct schema_column[]){
            {"run_uid", COL_TEXT, 64, 0, NULL,
                "identity of the work: equal inputs and settings give equal results"},
            {"asset", COL_TEXT, 255, 0, NULL, "asset whose step wrote the rows"},
            {"partition_key", COL_TEXT, 255, COL_REQUIRED, NULL, "partition, or empty"},
            {"manifest_sha256", COL_TEXT, 64, COL_REQUIRED, NULL, "manifest of the same results in the store"},
            {"committed_at", COL_DATETIME_MS, 0, COL_REQUIRED, NULL, "when the rows were written"},
            {0},
        },
    .primary = {"run_uid", "asset"},
    .keys =
        (const struct schema_key[]){
            {"orch_effect_partition", {"partition_key", "asset"}, false},
            {0},
        },
};

const struct schema orch_schema = {
    .component = "orch",
    .version = 1,
    .tables = (const struct schema_table *const[]){&schema_table_row, &effect_table, NULL},
};

int db_effect_record(struct database *db, const struct db_effect *e, struct err *err)
{
	static const char *const columns[] = {
	    "run_uid", "asset", "partition_key", "manifest_sha256", "committed_at"};
	char now[UTCTIME_MAX];

	return db_upsert(db, &effect_table, columns,
	    (struct db_value[]){
	        DBV_TEXT(e->run_uid),
	        DBV_TEXT(e->asset),
	        DBV_TEXT(e->partition_key != NULL ? e->partition_key : ""),
	        DBV_TEXT(e->manifest_sha256),
	        DBV_TEXT(utctime_format_sql_ms(clock_now(), now)),
	    },
	    NITEMS(columns), err);
}

struct effect_search {
	const char *want;
	bool found;
};

static int compare_manifest(const struct db_value *v, size_t n, void *arg)
{
	struct effect_search *s = arg;

	s->found = v[0].kind == DB_TEXT && strcmp(v[0].s, s->want) == 0;
	return 0;
}

int db_effect_exists(struct database *db, const struct db_effect *e, bool *exists, struct err *err)
{
	struct effect_search s = {.want = e->manifest_sha256};
	struct strbuf sql = STRBUF_INIT(256);
	int rc;

	strbuf_addf(&sql, "SELECT manifest_sha256 FROM orch_effect WHERE run_uid = ? AND asset = ?%s",
	    db->type->dialect->lock_read);
	rc = db_query(db, sql.buf, (struct db_value[]){DBV_TEXT(e->run_uid), DBV_TEXT(e->asset)}, 2,
	    compare_manifest, &s, err);
	strbuf_release(&sql);
	if (rc == 0)
		*exists = s.found;
	return rc;
}

static void wait_ms(tm_ms ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* A server that restarts is back within seconds; one that is down for longer is for the next attempt. */
#define LOOK_TRIES   6
#define LOOK_WAIT_MS 500

static int look_for_effect(struct database *db, const struct db_effect *e, bool *exists, struct err *err)
{
	for (int i = 0; i < LOOK_TRIES; i++) {
		if (i > 0)
			wait_ms(LOOK_WAIT_MS);
		if (db_reconnect(db, err) == 0 && db_effect_exists(db, e, exists, err) == 0)
			return 0;
		if (err != NULL && err->class != ERR_TRANSIENT)
			break;
	}
	return -1;
}

int db_effect_commit(struct database *db, const struct db_effect *e, struct err *err)
{
	struct err commit = ERR_INIT, look = ERR_INIT;
	bool exists = false;

	if (db_effect_record(db, e, err) == -1)
		return -1;
	if (db_commit(db, &commit) == 0)
		return 0;
	if (err_is(&commit, "commit_unknown")) {
		if (look_for_effect(db, e, &exists, &look) == -1)
			return err_code(err, ERR_TRANSIENT, "commit_unknown",
			    "%s; then, looking for the rows: %s", commit.text, look.text);
		if (exists)
			return 0;
		return err_code(err, ERR_TRANSIENT, "not_committed", "%s; the rows are not there", commit.text);
	}
	if (err != NULL)
		*err = commit;
	return -1;
}

#define FIRST_WAIT_MS 100
#define LAST_WAIT_MS  5000

static int transact_once(
    struct database *db, const struct db_effect *e, db_work_fn *work, void *arg, struct err *err)
{
	if (db_begin(db, err) == -1)
		return -1;
	if (work(db, arg, err) == 0 && db_effect_commit(db, e, err) == 0)
		return 0;
	db_rollback(db);
	return -1;
}

/* 1: the effect is there after all; 0: try again; the errors of a server that is away are for the next try to report. */
static int back_again(struct database *db, const struct db_effect *e)
{
	bool exists = false;

	return db_reconnect(db, NULL) == 0 && db_effect_exists(db, e, &exists, NULL) == 0 && exists;
}

int db_transact(struct database *db, const struct db_effect *e, db_work_fn *work, void *arg, tm_ms patience,
    struct err *err)
{
	tm_ms deadline = clock_mono() + patience, wait = FIRST_WAIT_MS;

	for (;;) {
		struct err local = ERR_INIT;

		if (transact_once(db, e, work, arg, &local) == 0)
			return 0;
		if (local.class != ERR_TRANSIENT || clock_mono() + wait > deadline)
			return err_code(err, local.class, local.code, "%s", local.text);
		log_info("database %s: trying again in %lld ms: %s", db->name, (long long)wait, local.text);
		wait_ms(wait);
		wait = MIN(wait * 2, (tm_ms)LAST_WAIT_MS);
		if (back_again(db, e))
			return 0;
	}
}
