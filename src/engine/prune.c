/*
 * The history has a length: runs, ticks and keys beyond the limits go, a bounded number per turn.
 *
 * What was made stays on record though its run goes: audits compare it with the world, and freshness is judged by it.  Run
 * keys stay, or an upload that is still there would be worked on again.
 */
#include "config.h"

#include "engine/engine_priv.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/place.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRUNE_EVERY_MS 60000
#define PRUNE_MORE_MS  1000
#define RUNS_PER_TURN  20
#define SEEN_PER_TURN  500
#define ROWS_PER_TURN  1000
/* Trouble that nobody has seen for so long is forgotten: its end will not be told. */
#define FORGOTTEN_MS (INT64_C(180) * 86400000)

struct doomed {
	char *dir;
};

static void remove_dir(const struct err *failed, void *arg)
{
	struct doomed *d = arg;
	struct err err = ERR_INIT;

	if (failed == NULL && fs_remove_tree(d->dir, &err) == -1)
		log_warn("prune: %s stays until the next start: %s", d->dir, err.text);
	free(d->dir);
	free(d);
}

/* Rows first, the folder after the commit: what a crash leaves is a folder without a row, removed at the next start. */
static void prune_run(struct engine *e, int64_t id, const char *partition)
{
	struct doomed *d = xcalloc(1, sizeof(*d));

	sql_do(e->state->sql, "DELETE FROM event WHERE run_id = ?1", "i", id);
	places_delete(e->state, partition, id);
	sql_do(e->state->sql, "DELETE FROM run WHERE id = ?1", "i", id);
	d->dir = xasprintf("%s/runs/%" PRId64, e->state->dir, id);
	engine_after_commit(e, remove_dir, d);
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

/*
 * A piece of the history at a time, from the oldest run to the last that may go: most of a long one are runs that stay, and a
 * turn has no time to walk past all of them.  True: the next piece can be looked at soon.
 */
static bool prune_runs(struct engine *e)
{
	struct sql *sql = e->state->sql;
	int64_t keep = e->conf->limits.keep_runs, seen = 0, ids[RUNS_PER_TURN];
	char *partitions[RUNS_PER_TURN];
	struct sql_row *row;
	size_t n = 0;

	if (sql_get_int(sql, 0, "SELECT sum(n) FROM run_count", "") <= keep)
		return false;
	row = sql_query(sql,
	    "SELECT id, partition, dry_run FROM run WHERE id > ?1 AND id <= (SELECT max(id) FROM run) - ?2"
	    " AND ended_at IS NOT NULL ORDER BY id LIMIT ?3",
	    "iii", e->pruned_to, keep, (int64_t)SEEN_PER_TURN);
	while (n < RUNS_PER_TURN && sql_next(row)) {
		seen++;
		e->pruned_to = sql_int(row, 0);
		if (is_newest(e, e->pruned_to, sql_text(row, 1), sql_int(row, 2) != 0))
			continue;
		ids[n] = e->pruned_to;
		partitions[n++] = xstrdup(sql_text(row, 1));
	}
	sql_end(row);
	for (size_t i = 0; i < n; i++) {
		prune_run(e, ids[i], partitions[i]);
		free(partitions[i]);
	}
	if (n == RUNS_PER_TURN || seen == SEEN_PER_TURN)
		return true;
	e->pruned_to = 0;
	return false;
}

/* What goes by its age.  ?1: before that; ?2: as many of a turn. */
static const struct {
	const char *sql;
	bool forgotten; /* after FORGOTTEN_MS, all else after limits.keep_ticks */
} aged[] = {
    {"DELETE FROM tick WHERE id IN (SELECT id FROM tick WHERE last_at < ?1 LIMIT ?2)", false},
    {"DELETE FROM event WHERE id IN (SELECT id FROM event WHERE run_id IS NULL AND at < ?1 LIMIT ?2)", false},
    {"DELETE FROM outbox WHERE id IN"
     " (SELECT id FROM outbox WHERE state <> 'pending' AND ended_at < ?1 LIMIT ?2)",
        false},
    {"DELETE FROM sensor_key WHERE (sensor, key) IN"
     " (SELECT sensor, key FROM sensor_key WHERE gone_at IS NOT NULL AND gone_at < ?1 LIMIT ?2)",
        false},
    {"DELETE FROM trouble WHERE (sink, team, job, label) IN"
     " (SELECT sink, team, job, label FROM trouble WHERE told_at < ?1 LIMIT ?2)",
        true},
    /* Of sensors that are gone: any other has looked at everything long since. */
    {"DELETE FROM hint WHERE (sensor, hint) IN (SELECT sensor, hint FROM hint WHERE at < ?1 LIMIT ?2)", true},
};

/* True: there may be more of a kind. */
static bool prune_rows(struct engine *e)
{
	bool more = false;

	for (size_t i = 0; i < NITEMS(aged); i++) {
		tm_ms age = aged[i].forgotten ? FORGOTTEN_MS : e->conf->limits.keep_ticks;

		if (sql_do(e->state->sql, aged[i].sql, "ti", e->now - age, (int64_t)ROWS_PER_TURN) == 0)
			more |= sql_changes(e->state->sql) == ROWS_PER_TURN;
	}
	return more;
}

tm_ms prune_turn(struct engine *e)
{
	bool more;

	if (e->local)
		return TIME_NEVER;
	if (e->now < e->next_prune)
		return e->next_prune;
	more = prune_rows(e);
	more |= prune_runs(e);
	e->next_prune = e->now + (more ? PRUNE_MORE_MS : PRUNE_EVERY_MS);
	return e->next_prune;
}

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

	while (d != NULL && (de = readdir(d)) != NULL) {
		char *end, *dir;
		int64_t id = strtoll(de->d_name, &end, 10);

		if (end == de->d_name || *end != '\0' || is_known(e, id))
			continue;
		dir = fs_join(path, de->d_name);
		log_info("prune: %s belongs to no run", dir);
		fs_remove_tree(dir, NULL);
		free(dir);
	}
	if (d != NULL)
		closedir(d);
	free(path);
}
