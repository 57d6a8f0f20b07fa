/* Every upload that was complete has a run with an end, and every one that is gone has its deletion proved. */
#include "config.h"

#include "audit/audit_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "engine/partition.h"
#include "step/asset.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A complete upload gets its run in the tick that finds it complete; a full queue may hold it back for some ticks. */
#define GRACE_MS (INT64_C(10) * 60000)

struct key {
	char *sensor, *key, *verdict;
	int64_t present, expected, run;
	tm_ms since, gone, newest;
	/* of its run; state NULL: the history does not reach back so far, or there was none */
	char *state, *partition;
	tm_ms created;
};

struct keys {
	struct key *v;
	size_t n, cap;
};

static char *dup_text(const struct sql_row *row, int col)
{
	const char *s = sql_text(row, col);

	return s ? xstrdup(s) : NULL;
}

static void take(struct keys *keys, const struct sql_row *row)
{
	if (keys->n == keys->cap) {
		keys->cap = keys->cap ? keys->cap * 2 : 256;
		keys->v = xreallocarray(keys->v, keys->cap, sizeof(*keys->v));
	}
	keys->v[keys->n++] = (struct key){
	    .sensor = dup_text(row, 0),
	    .key = dup_text(row, 1),
	    .verdict = dup_text(row, 2),
	    .present = sql_int(row, 3),
	    .expected = sql_int(row, 4),
	    .since = sql_int(row, 5),
	    .gone = sql_int(row, 6),
	    .newest = sql_int(row, 7),
	    .run = sql_int(row, 8),
	    .state = dup_text(row, 9),
	    .partition = dup_text(row, 10),
	    .created = sql_int(row, 11),
	};
}

/* Those that were complete once: their verdict is, or they have a run. */
static void read_keys(struct audit *a, struct keys *keys)
{
	struct sql_row *row = sql_query(a->state->sql,
	    "SELECT k.sensor, k.key, k.verdict, k.present, k.expected, k.since, k.gone_at, k.newest, k.run_id,"
	    " r.state, r.partition, r.created_at"
	    " FROM sensor_key AS k LEFT JOIN run AS r ON r.id = k.run_id"
	    " WHERE (k.verdict = 'complete' OR k.run_id IS NOT NULL)"
	    " AND max(k.since, coalesce(k.gone_at, 0)) >= ?1 ORDER BY k.sensor, k.key",
	    "t", a->opts->since);

	while (sql_next(row)) {
		const char *partition = sql_text(row, 10);

		if (a->opts->partition == NULL ||
		    (partition != NULL && partition_covers(a->opts->partition, partition)))
			take(keys, row);
	}
	sql_end(row);
}

static void tell(
    struct audit *a, const struct key *k, const char *what, const char *expected, const char *found, char *next)
{
	audit_find(a, &(struct finding){.kind = FOUND_MISSING,
	                  .what = what,
	                  .where = k->sensor,
	                  .key = k->key,
	                  .partition = k->partition,
	                  .run = k->run,
	                  .expected = expected,
	                  .found = found,
	                  .next = next});
}

static char *why_of(const struct key *k)
{
	return xasprintf("orchctl why '%s'", k->partition && k->partition[0] ? k->partition : k->key);
}

/* ---- gone */

static bool proves(const char *metadata_text)
{
	json_t *metadata = json_loads(metadata_text, 0, NULL);
	const json_t *stage;
	bool durable = false;
	size_t i;

	json_array_foreach(json_object_get(metadata, "evidence"), i, stage) durable |=
	    strcmp(json_str(stage, "stage", ""), "DURABLE") == 0;
	durable = durable && json_object_get(metadata, "kept_because") == NULL;
	json_decref(metadata);
	return durable;
}

static bool any_proves(struct sql_row *row)
{
	bool proved = false;

	while (!proved && sql_next(row))
		proved = proves(sql_text(row, 0));
	sql_end(row);
	return proved;
}

/* By the run of this upload, or a later one of its partition: a retry, or a run that a released hold took up. */
static bool deletion_is_proved(struct audit *a, const struct key *k)
{
	bool proved = any_proves(
	    sql_query(a->state->sql, "SELECT metadata FROM materialization WHERE run_id = ?1", "i", k->run));

	for (size_t i = 0; !proved && k->partition != NULL && i < a->conf->nassets; i++)
		if ((a->conf->assets[i].type->flags & ASSET_DELETES) != 0)
			proved = any_proves(sql_query(a->state->sql,
			    "SELECT metadata FROM materialization WHERE asset = ?1 AND partition = ?2 AND "
			    "run_id > ?3",
			    "ssi", a->conf->assets[i].name, k->partition, k->run));
	return proved;
}

/* Where nothing of ours deletes, what leaves the store is the affair of whoever takes it away. */
static bool job_deletes(const struct audit *a, const char *sensor)
{
	const struct conf_sensor *cs = conf_sensor_find(a->conf, sensor);
	const struct conf_job *job = cs && cs->job ? conf_job_find(a->conf, cs->job) : NULL;

	for (size_t i = 0; job != NULL && i < job->nasset; i++)
		if ((job->asset[i]->type->flags & ASSET_DELETES) != 0)
			return true;
	return false;
}

static void check_gone(struct audit *a, const struct key *k)
{
	char found[200], at[UTCTIME_MAX];

	if (!job_deletes(a, k->sensor))
		return;
	a->n.deletions++;
	if (deletion_is_proved(a, k))
		return;
	snprintf(found, sizeof(found), "gone at %s, and no such record", utctime_format(k->gone, at));
	tell(a, k, "deletion", "the record of a deletion that proved the results durable first", found,
	    why_of(k));
}

/* ---- there */

static bool has_asked(struct audit *a, const struct key *k)
{
	return sql_get_int(a->state->sql, 0, "SELECT 1 FROM run WHERE sensor = ?1 AND sensor_key = ?2 LIMIT 1",
	           "ss", k->sensor, k->key) == 1;
}

static void check_has_run(struct audit *a, const struct key *k)
{
	const struct conf_sensor *cs = conf_sensor_find(a->conf, k->sensor);
	char found[200], at[UTCTIME_MAX];

	if (cs == NULL || k->since + 2 * cs->every + cs->timeout + GRACE_MS > a->started || has_asked(a, k))
		return;
	snprintf(found, sizeof(found), "none, although it is complete since %s", utctime_format(k->since, at));
	tell(
	    a, k, "run", "a run for a complete upload", found, xasprintf("orchctl sensors tick %s", k->sensor));
}

/*
 * Fewer pieces than when its run was asked for, and nothing newer: somebody has taken some away.  A new upload of the
 * same name would have brought newer ones; our own deletion takes all, and has its record.
 */
static void check_pieces(struct audit *a, const struct key *k)
{
	char expected[100], found[100];

	if (k->state == NULL || strcmp(k->verdict, "complete") == 0 || k->expected <= 0 ||
	    k->present >= k->expected || k->newest > k->created || deletion_is_proved(a, k))
		return;
	snprintf(expected, sizeof(expected), "%" PRId64 " pieces, as when run %" PRId64 " was asked for",
	    k->expected, k->run);
	snprintf(found, sizeof(found), "%" PRId64 " pieces", k->present);
	tell(a, k, "piece", expected, found, why_of(k));
}

static void check_key(struct audit *a, const struct key *k)
{
	a->n.keys++;
	if (k->gone != 0)
		check_gone(a, k);
	else if (k->run == 0)
		check_has_run(a, k);
	else
		check_pieces(a, k);
}

int audit_keys(struct audit *a, struct err *err)
{
	struct keys keys = {0};

	/* Read whole before the first is judged: what is judged must see runs that begin meanwhile. */
	if (a->opts->asset == NULL)
		read_keys(a, &keys);
	for (size_t i = 0; i < keys.n; i++) {
		struct key *k = &keys.v[i];

		audit_progress(a, "uploads", (int64_t)i, (int64_t)keys.n);
		check_key(a, k);
		free(k->sensor);
		free(k->key);
		free(k->verdict);
		free(k->state);
		free(k->partition);
	}
	free(keys.v);
	if (sql_error(a->state->sql) == NULL)
		return 0;
	*err = *sql_error(a->state->sql);
	return -1;
}
