/* Runs beyond their number, with all that is theirs; attempts of a step beyond theirs; folders of no run. */
#include "config.h"

#include "engine/prune_priv.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/place.h"
#include "engine/remover.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>

#define RUNS_PER_PIECE   8
#define EVENTS_PER_PIECE 300
#define WALK_EVERY_MS    DAY_MS /* the runs that stay are looked at again */
/* Of a step that asks to be started again and again, the attempts that did so; those that failed or worked stay. */
#define AGAINS_KEPT    100
#define AGAINS_PER_ONE 4
#define ORPHANS_MAX    16384 /* at one start */

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
	prune_dir(e, xasprintf("%s/runs/%" PRId64, e->state->dir, id));
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

/* Runs that may go, as they are found, and then gone. */
struct victims {
	int64_t id[RUNS_PER_PIECE];
	char *partition[RUNS_PER_PIECE];
	size_t n;
};

static void victims_add(struct victims *v, int64_t id, const char *partition)
{
	v->id[v->n] = id;
	v->partition[v->n++] = xstrdup(partition);
}

/* False: one of them, in *stopped, has to wait for the next piece. */
static bool victims_go(struct engine *e, struct victims *v, int64_t *stopped)
{
	bool whole = true;

	for (size_t i = 0; i < v->n; i++) {
		if (whole && !(whole = prune_run(e, v->id[i], v->partition[i])))
			*stopped = v->id[i];
		free(v->partition[i]);
	}
	return whole;
}

/* From the oldest run to the last that may go. */
static enum piece walk_runs(struct engine *e, int64_t last)
{
	struct prune *p = e->prune;
	struct victims v = {.n = 0};
	int64_t seen = 0, stopped = 0;
	struct sql_row *row = sql_query(e->state->sql,
	    "SELECT id, partition, dry_run FROM run WHERE id > ?1 AND id <= ?2 AND ended_at IS NOT NULL ORDER "
	    "BY id LIMIT ?3",
	    "iii", p->runs_to, last, (int64_t)SEEN_PER_PIECE);

	while (v.n < RUNS_PER_PIECE && sql_next(row)) {
		seen++;
		p->runs_to = sql_int(row, 0);
		if (!is_newest(e, p->runs_to, sql_text(row, 1), sql_int(row, 2) != 0))
			victims_add(&v, p->runs_to, sql_text(row, 1));
	}
	sql_end(row);
	if (!victims_go(e, &v, &stopped))
		p->runs_to = stopped - 1;
	else if (v.n < RUNS_PER_PIECE && seen < SEEN_PER_PIECE)
		return PIECE_LAST;
	return PIECE_MORE;
}

/* Those of the partition that the walk has left because they were its newest. */
static void find_replaced(struct engine *e, const char *partition, struct victims *v)
{
	struct sql_row *row = sql_query(e->state->sql,
	    "SELECT id, dry_run FROM run WHERE partition = ?1 AND id <= ?2 AND ended_at IS NOT NULL ORDER BY "
	    "id",
	    "si", partition, e->prune->runs_to);

	while (v->n < RUNS_PER_PIECE && sql_next(row))
		if (!is_newest(e, sql_int(row, 0), partition, sql_int(row, 1) != 0))
			victims_add(v, sql_int(row, 0), partition);
	sql_end(row);
}

/* One new run at a time: hardly ever does more than one go for it. */
static enum piece follow_news(struct engine *e)
{
	struct prune *p = e->prune;
	struct victims v = {.n = 0};
	int64_t id = 0, stopped;
	struct sql_row *row = sql_query(
	    e->state->sql, "SELECT id, partition FROM run WHERE id > ?1 ORDER BY id LIMIT 1", "i", p->news_to);
	char *partition = NULL;

	if (sql_next(row)) {
		id = sql_int(row, 0);
		partition = xstrdup(sql_text(row, 1));
	}
	sql_end(row);
	if (id == 0)
		return PIECE_LAST;
	if (partition[0] != '\0')
		find_replaced(e, partition, &v);
	free(partition);
	if (victims_go(e, &v, &stopped) && v.n < RUNS_PER_PIECE)
		p->news_to = id;
	return PIECE_MORE;
}

enum piece prune_runs(struct engine *e)
{
	struct sql *sql = e->state->sql;
	struct prune *p = e->prune;
	int64_t keep = e->conf->limits.keep_runs, newest;
	enum piece piece;

	if (sql_get_int(sql, 0, "SELECT sum(n) FROM run_count", "") <= keep)
		return PIECE_LAST;
	if (!remover_has_room(p->remover))
		return PIECE_WAITS;
	newest = sql_get_int(sql, 0, "SELECT max(id) FROM run", "");
	if (e->now >= p->next_walk || e->now < p->next_walk - WALK_EVERY_MS) {
		p->runs_to = 0;
		p->news_to = newest;
		p->next_walk = e->now + WALK_EVERY_MS;
	}
	piece = walk_runs(e, newest - keep);
	return piece == PIECE_LAST ? follow_news(e) : piece;
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
		prune_dir(
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
