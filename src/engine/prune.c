/* The history has a length: runs, ticks and keys beyond the limits go, a bounded number per turn. */
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
#define RUNS_PER_TURN  20
#define SEEN_PER_TURN  500
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

/* The newest run of a partition stays whatever its age: it tells what happened to that partition. */
static bool is_newest(struct engine *e, int64_t id, const char *partition)
{
	return partition[0] != '\0' &&
	       sql_get_int(e->state->sql, 0, "SELECT max(id) FROM run WHERE partition = ?1", "s", partition) ==
	           id;
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
	    "SELECT id, partition FROM run WHERE id > ?1 AND id <= (SELECT max(id) FROM run) - ?2"
	    " AND ended_at IS NOT NULL ORDER BY id LIMIT ?3",
	    "iii", e->pruned_to, keep, (int64_t)SEEN_PER_TURN);
	while (n < RUNS_PER_TURN && sql_next(row)) {
		seen++;
		e->pruned_to = sql_int(row, 0);
		if (is_newest(e, e->pruned_to, sql_text(row, 1)))
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

static void prune_rows(struct engine *e)
{
	tm_ms old = e->now - e->conf->limits.keep_ticks;

	sql_do(e->state->sql,
	    "DELETE FROM tick WHERE id IN (SELECT id FROM tick WHERE last_at < ?1 LIMIT 1000)", "t", old);
	sql_do(e->state->sql,
	    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE run_id IS NULL AND at < ?1 LIMIT 1000)",
	    "t", old);
	sql_do(e->state->sql,
	    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE state <> 'pending' AND ended_at < ?1"
	    " LIMIT 1000)",
	    "t", old);
	sql_do(e->state->sql,
	    "DELETE FROM trouble WHERE (sink, team, job, label) IN"
	    " (SELECT sink, team, job, label FROM trouble WHERE told_at < ?1 LIMIT 1000)",
	    "t", e->now - FORGOTTEN_MS);
	/* Of sensors that are gone: any other has looked at everything long since. */
	sql_do(e->state->sql, "DELETE FROM hint WHERE at < ?1", "t", e->now - FORGOTTEN_MS);
	sql_do(e->state->sql,
	    "DELETE FROM sensor_key WHERE (sensor, key) IN"
	    " (SELECT sensor, key FROM sensor_key WHERE gone_at IS NOT NULL AND gone_at < ?1 LIMIT 1000)",
	    "t", old);
}

tm_ms prune_turn(struct engine *e)
{
	if (e->local)
		return TIME_NEVER;
	if (e->now < e->next_prune)
		return e->next_prune;
	prune_rows(e);
	e->next_prune = e->now + (prune_runs(e) ? 1000 : PRUNE_EVERY_MS);
	return e->next_prune;
}

void prune_orphans(struct engine *e)
{
	char *path = fs_join(e->state->dir, "runs");
	DIR *d = opendir(path);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		char *end, *dir;
		int64_t id = strtoll(de->d_name, &end, 10);

		if (end == de->d_name || *end != '\0' ||
		    sql_get_int(e->state->sql, 0, "SELECT 1 FROM run WHERE id = ?1", "i", id) == 1)
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
