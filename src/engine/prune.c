/*
 * The history has a length: rows beyond the limits go, a little in each turn of the loop, and folders in a thread.
 *
 * What bounds each table of the state is told in HACKING.md; tests/unit/test_prune.c goes through them.
 */
#include "config.h"

#include "engine/engine_priv.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/place.h"
#include "engine/remover.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASS_EVERY_MS 60000 /* between two looks at everything */
#define REST_MS       20 /* between two turns of one look: others have the loop meanwhile */
#define TURN_US       5000 /* of a turn for pruning, and what one piece more takes */

/* A piece takes about a millisecond. */
#define RUNS_PER_PIECE   8
#define EVENTS_PER_PIECE 300
#define SEEN_PER_PIECE   100
#define ROWS_PER_PIECE   200

#define DAY_MS INT64_C(86400000)
/* Trouble that nobody has seen for so long is forgotten: its end will not be told.  So are sensors that are no more. */
#define FORGOTTEN_MS (180 * DAY_MS)
/* Run keys are many and live long: once a day is enough. */
#define RUN_KEYS_EVERY_MS DAY_MS
/* Of a step that asks to be started again and again, the attempts that did so; those that failed or worked stay. */
#define AGAINS_KEPT    100
#define AGAINS_PER_ONE 4

#define ORPHANS_MAX 16384 /* at one start */

struct prune {
	tm_ms next; /* the next turn */
	size_t kind; /* where it goes on */
	int64_t runs_to; /* runs up to this one have been looked at in this pass */
	tm_ms next_run_keys; /* the next walk over the run keys */
	char *key_sensor, *key, *key_generation; /* the last one looked at in this walk; NULL: none yet */
	struct remover *remover;
};

struct prune *prune_new(void)
{
	struct prune *p = xcalloc(1, sizeof(*p));

	p->remover = remover_new();
	return p;
}

void prune_free(struct prune *p)
{
	if (p == NULL)
		return;
	remover_free(p->remover);
	free(p->key_sensor);
	free(p->key);
	free(p->key_generation);
	free(p);
}

/* ---- folders ---- */

struct doomed {
	struct remover *remover;
	char *dir;
};

static void remove_after_commit(const struct err *failed, void *arg)
{
	struct doomed *d = arg;

	if (failed == NULL)
		remover_add(d->remover, d->dir);
	else
		free(d->dir);
	free(d);
}

/* Rows first, the folder after the commit: what a crash leaves is a folder without a row. */
static void remove_dir(struct engine *e, char *dir)
{
	struct doomed *d = xcalloc(1, sizeof(*d));

	*d = (struct doomed){e->prune->remover, dir};
	engine_after_commit(e, remove_after_commit, d);
}

static void tell_failures(struct prune *p)
{
	char *text;

	while ((text = remover_failure(p->remover)) != NULL) {
		log_warn("prune: it stays until the next start: %s", text);
		free(text);
	}
}

/* ---- runs ---- */

enum piece {
	PIECE_LAST, /* of its kind, in this pass */
	PIECE_MORE,
	PIECE_WAITS, /* there is more, later */
};

/* False: it has more events than go at once, so it stays for the next piece. */
static bool prune_run(struct engine *e, int64_t id, const char *partition)
{
	struct sql *sql = e->state->sql;

	sql_do(sql, "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE run_id = ?1 LIMIT ?2)", "ii", id,
	    (int64_t)EVENTS_PER_PIECE);
	if (sql_changes(sql) == EVENTS_PER_PIECE)
		return false;
	places_delete(e->state, partition, id);
	sql_do(sql, "DELETE FROM run WHERE id = ?1", "i", id);
	remove_dir(e, xasprintf("%s/runs/%" PRId64, e->state->dir, id));
	return true;
}

/*
 * The newest run of a partition stays whatever its age: it tells what happened to that partition.  A dry run tells only what
 * would have, so it takes no other's place.
 */
static bool is_newest(struct engine *e, int64_t id, const char *partition, bool dry_run)
{
	return partition[0] != '\0' &&
	       sql_get_int(e->state->sql, 0,
	           "SELECT 1 FROM run WHERE partition = ?1 AND id > ?2 AND dry_run <= ?3 LIMIT 1", "sii",
	           partition, id, (int64_t)dry_run) == 0;
}

/* From the oldest run to the last that may go: most of a long history are runs that stay. */
static enum piece prune_runs(struct engine *e)
{
	struct sql *sql = e->state->sql;
	struct prune *p = e->prune;
	int64_t keep = e->conf->limits.keep_runs, seen = 0, ids[RUNS_PER_PIECE];
	char *partitions[RUNS_PER_PIECE];
	struct sql_row *row;
	bool whole = true;
	size_t n = 0;

	if (sql_get_int(sql, 0, "SELECT sum(n) FROM run_count", "") <= keep)
		return PIECE_LAST;
	if (!remover_has_room(p->remover))
		return PIECE_WAITS;
	row = sql_query(sql,
	    "SELECT id, partition, dry_run FROM run WHERE id > ?1 AND id <= (SELECT max(id) FROM run) - ?2"
	    " AND ended_at IS NOT NULL ORDER BY id LIMIT ?3",
	    "iii", p->runs_to, keep, (int64_t)SEEN_PER_PIECE);
	while (n < RUNS_PER_PIECE && sql_next(row)) {
		seen++;
		p->runs_to = sql_int(row, 0);
		if (is_newest(e, p->runs_to, sql_text(row, 1), sql_int(row, 2) != 0))
			continue;
		ids[n] = p->runs_to;
		partitions[n++] = xstrdup(sql_text(row, 1));
	}
	sql_end(row);
	for (size_t i = 0; i < n; i++) {
		if (whole && !(whole = prune_run(e, ids[i], partitions[i])))
			p->runs_to = ids[i] - 1;
		free(partitions[i]);
	}
	if (n == RUNS_PER_PIECE || seen == SEEN_PER_PIECE || !whole)
		return PIECE_MORE;
	p->runs_to = 0;
	return PIECE_LAST;
}

/* ---- what goes by its age ---- */

static enum piece prune_older(struct engine *e, const char *literal, tm_ms age)
{
	struct sql *sql = e->state->sql;

	if (sql_do(sql, literal, "ti", e->now - age, (int64_t)ROWS_PER_PIECE) == -1)
		return PIECE_LAST;
	return sql_changes(sql) == ROWS_PER_PIECE ? PIECE_MORE : PIECE_LAST;
}

static enum piece prune_ticks(struct engine *e)
{
	return prune_older(e, "DELETE FROM tick WHERE id IN (SELECT id FROM tick WHERE last_at < ?1 LIMIT ?2)",
	    e->conf->limits.keep_ticks);
}

static enum piece prune_events(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE run_id IS NULL AND at < ?1 LIMIT ?2)",
	    e->conf->limits.keep_ticks);
}

static enum piece prune_outbox(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM outbox WHERE id IN"
	    " (SELECT id FROM outbox WHERE state <> 'pending' AND ended_at < ?1 LIMIT ?2)",
	    e->conf->limits.keep_ticks);
}

static enum piece prune_sensor_keys(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM sensor_key WHERE (sensor, key) IN"
	    " (SELECT sensor, key FROM sensor_key WHERE gone_at IS NOT NULL AND gone_at < ?1 LIMIT ?2)",
	    e->conf->limits.keep_ticks);
}

static enum piece prune_trouble(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM trouble WHERE (sink, team, job, label) IN"
	    " (SELECT sink, team, job, label FROM trouble WHERE told_at < ?1 LIMIT ?2)",
	    FORGOTTEN_MS);
}

/* Of sensors that are gone: any other has looked at everything long since. */
static enum piece prune_hints(struct engine *e)
{
	return prune_older(e,
	    "DELETE FROM hint WHERE (sensor, hint) IN (SELECT sensor, hint FROM hint WHERE at < ?1 LIMIT ?2)",
	    FORGOTTEN_MS);
}

/* What there is none of any more: names of jobs and sensors come from configurations, which change. */
static enum piece prune_counts(struct engine *e)
{
	sql_do(e->state->sql, "DELETE FROM run_count WHERE n = 0", "");
	sql_do(e->state->sql, "DELETE FROM sensor_key_count WHERE n = 0", "");
	return PIECE_LAST;
}

/* ---- run keys ---- */

/*
 * A run key is used once, also by an upload that comes again after its raw data was deleted: it stays for limits.keep_run_keys,
 * and longer while the upload is there, or it would be worked on again.  Of an upload that is there and changes again and
 * again, the newest generation is enough to know it by.
 */
static void judge_run_key(struct engine *e, const struct sql_row *row)
{
	if (sql_int(row, 3) >= e->now - e->conf->limits.keep_run_keys)
		return;
	sql_do(e->state->sql,
	    "DELETE FROM run_key WHERE sensor = ?1 AND run_key = ?2 AND generation = ?3"
	    " AND (NOT EXISTS (SELECT 1 FROM sensor_key AS k WHERE k.sensor = ?1 AND k.key = run_key.key)"
	    "  OR EXISTS (SELECT 1 FROM run_key AS n WHERE n.sensor = ?1 AND n.run_key = ?2 AND n.run_id > "
	    "?4))",
	    "sssi", sql_text(row, 0), sql_text(row, 1), sql_text(row, 2), sql_int(row, 4));
}

static enum piece prune_run_keys(struct engine *e)
{
	struct prune *p = e->prune;
	struct sql_row *row;
	int64_t seen = 0;

	if (p->key == NULL && e->now < p->next_run_keys)
		return PIECE_LAST;
	row = sql_query(e->state->sql,
	    "SELECT sensor, run_key, generation, at, run_id FROM run_key"
	    " WHERE (sensor, run_key, generation) > (?1, ?2, ?3) ORDER BY sensor, run_key, generation LIMIT ?4",
	    "sssi", p->key ? p->key_sensor : "", p->key ? p->key : "", p->key ? p->key_generation : "",
	    (int64_t)SEEN_PER_PIECE);
	while (sql_next(row)) {
		seen++;
		xstrset(&p->key_sensor, sql_text(row, 0));
		xstrset(&p->key, sql_text(row, 1));
		xstrset(&p->key_generation, sql_text(row, 2));
		judge_run_key(e, row);
	}
	sql_end(row);
	if (seen == SEEN_PER_PIECE)
		return PIECE_MORE;
	xstrset(&p->key, NULL);
	p->next_run_keys = e->now + RUN_KEYS_EVERY_MS;
	return PIECE_LAST;
}

/* ---- sensors that are no more ---- */

/* One that the configuration has no longer, and that has not ticked for long; free() it.  NULL: none. */
static char *forgotten_sensor(struct engine *e)
{
	struct sql_row *row = sql_query(
	    e->state->sql, "SELECT name FROM sensor WHERE last_tick_at < ?1", "t", e->now - FORGOTTEN_MS);
	char *name = NULL;

	while (name == NULL && sql_next(row))
		if (conf_sensor_find(e->conf, sql_text(row, 0)) == NULL)
			name = xstrdup(sql_text(row, 0));
	sql_end(row);
	return name;
}

/* Its own row goes last, so that a crash in between finds it again. */
static enum piece prune_sensors(struct engine *e)
{
	static const char *const rows_of[] = {
	    "DELETE FROM sensor_key WHERE sensor = ?1 AND key IN"
	    " (SELECT key FROM sensor_key WHERE sensor = ?1 LIMIT ?2)",
	    "DELETE FROM run_key WHERE sensor = ?1 AND run_key IN"
	    " (SELECT run_key FROM run_key WHERE sensor = ?1 LIMIT ?2)",
	    "DELETE FROM sensor WHERE name = ?1 AND ?2",
	};
	char *name = forgotten_sensor(e);
	bool more = name != NULL;

	for (size_t i = 0; more && i < NITEMS(rows_of); i++) {
		sql_do(e->state->sql, rows_of[i], "si", name, (int64_t)ROWS_PER_PIECE);
		if (sql_error(e->state->sql) != NULL)
			more = false;
		else if (sql_changes(e->state->sql) >= ROWS_PER_PIECE)
			break;
	}
	free(name);
	return more ? PIECE_MORE : PIECE_LAST;
}

/* ---- the turn ---- */

static enum piece (*const kinds[])(struct engine *) = {prune_ticks, prune_events, prune_outbox,
    prune_sensor_keys, prune_trouble, prune_hints, prune_run_keys, prune_sensors, prune_runs, prune_counts};

tm_ms prune_turn(struct engine *e)
{
	struct prune *p = e->prune;
	int64_t until;

	if (e->now < p->next && e->now > p->next - 2 * PASS_EVERY_MS)
		return p->next;
	tell_failures(p);
	until = clock_mono_us() + TURN_US;
	while (p->kind < NITEMS(kinds)) {
		enum piece piece = kinds[p->kind](e);

		if (piece == PIECE_LAST)
			p->kind++;
		if (piece == PIECE_WAITS || clock_mono_us() >= until)
			break;
	}
	if (p->kind == NITEMS(kinds)) {
		p->kind = 0;
		p->next = e->now + PASS_EVERY_MS;
	} else {
		p->next = e->now + REST_MS;
	}
	return p->next;
}

/* ---- attempts ---- */

void prune_agains(struct engine *e, const struct run_step *step)
{
	struct sql *sql = e->state->sql;
	int64_t ns[AGAINS_PER_ONE], run = step->run->id;
	size_t n = 0;
	struct sql_row *row = sql_query(sql,
	    "SELECT n FROM attempt WHERE run_id = ?1 AND asset = ?2 AND n <= ?3 AND outcome = '" STEP_AGAIN
	    "' ORDER BY n LIMIT ?4",
	    "isii", run, step->asset, step->attempts - AGAINS_KEPT, (int64_t)AGAINS_PER_ONE);

	while (n < NITEMS(ns) && sql_next(row))
		ns[n++] = sql_int(row, 0);
	sql_end(row);
	for (size_t i = 0; i < n; i++) {
		sql_do(sql, "DELETE FROM asset_check WHERE run_id = ?1 AND asset = ?2 AND attempt = ?3", "isi",
		    run, step->asset, ns[i]);
		sql_do(sql, "DELETE FROM event WHERE run_id = ?1 AND asset = ?2 AND attempt = ?3", "isi", run,
		    step->asset, ns[i]);
		sql_do(sql, "DELETE FROM attempt WHERE run_id = ?1 AND asset = ?2 AND n = ?3", "isi", run,
		    step->asset, ns[i]);
		remove_dir(
		    e, xasprintf("%s/runs/%" PRId64 "/%s/%" PRId64, e->state->dir, run, step->asset, ns[i]));
	}
}

/* ---- at the start ---- */

/* What cannot be asked is taken for known: its folder may be the one that a step works in. */
static bool is_known(struct engine *e, int64_t id)
{
	return sql_get_int(e->state->sql, 1, "SELECT count(*) FROM run WHERE id = ?1", "i", id) != 0;
}

void prune_orphans(struct engine *e)
{
	char *path = fs_join(e->state->dir, "runs");
	DIR *d = opendir(path);
	struct dirent *de;
	int n = 0;

	while (d != NULL && n < ORPHANS_MAX && (de = readdir(d)) != NULL) {
		char *end;
		int64_t id = strtoll(de->d_name, &end, 10);

		if (end == de->d_name || *end != '\0' || is_known(e, id))
			continue;
		n++;
		remover_add(e->prune->remover, fs_join(path, de->d_name));
	}
	if (n > 0)
		log_info("prune: %d folder%s of no run", n, n == 1 ? "" : "s");
	if (d != NULL)
		closedir(d);
	free(path);
}
