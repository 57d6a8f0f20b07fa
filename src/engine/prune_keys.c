/* Run keys of what is long gone, and all of sensors that are no more. */
#include "config.h"

#include "engine/prune_priv.h"

#include "base/mem.h"

#include <stdlib.h>

#define RUN_KEYS_EVERY_MS DAY_MS /* they are many and live long */

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

enum piece prune_run_keys(struct engine *e)
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
enum piece prune_sensors(struct engine *e)
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
