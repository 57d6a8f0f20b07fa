/* The story of a key or a partition, told from what was recorded. */
#include "config.h"

#include "query/query_priv.h"

#include "base/utctime.h"
#include "engine/partition.h"

#include <inttypes.h>
#include <string.h>

#define RUNS_TOLD 20
#define KEYS_TOLD 100

static void line(json_t *lines, tm_ms at, const char *fmt, ...) PRINTF(3, 4);
static void line(json_t *lines, tm_ms at, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT(8192);
	char stamp[UTCTIME_MAX];
	va_list ap;

	strbuf_addf(&text, "%s  ", at ? utctime_format_sql(at, stamp) : "                   ");
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	json_array_append_new(lines, json_text_new(text.buf));
	strbuf_release(&text);
}

static void tell_keys(const struct query *q, const char *what, json_t *lines, json_t *keys)
{
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT " KEY_COLUMNS ", sensor FROM"
	    " (SELECT name AS of, ?1 AS named FROM sensor UNION SELECT r.sensor, r.sensor_key FROM"
	    "  (SELECT run_id AS run FROM run_place WHERE place = ?1 ORDER BY run_id DESC LIMIT ?2) AS p"
	    "  CROSS JOIN run AS r ON r.id = p.run WHERE r.sensor_key IS NOT NULL) AS w"
	    " CROSS JOIN sensor_key ON sensor = w.of AND key = w.named ORDER BY key LIMIT ?2",
	    "si", what, (int64_t)KEYS_TOLD);

	while (sql_next(row)) {
		const char *reason = sql_text(row, 2);

		json_array_append_new(keys, column_object(row, key_columns));
		line(lines, sql_int(row, 7), "sensor %s saw %s first", sql_text(row, 11), sql_text(row, 0));
		line(lines, sql_int(row, 8), "  judged %s%s%s", sql_text(row, 1), reason ? ": " : "",
		    reason ? reason : "");
		if (!sql_is_null(row, 9))
			line(lines, sql_int(row, 9), "  gone from the store");
		if (!sql_is_null(row, 10))
			line(lines, 0, "  belongs to run %" PRId64, sql_int(row, 10));
	}
	sql_end(row);
}

static void tell_run(const struct query *q, int64_t id, json_t *lines)
{
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT at, asset, kind, text FROM event WHERE run_id = ?1 AND kind IN ('run', 'step', 'cancel', "
	    "'warning')"
	    " ORDER BY id LIMIT 200",
	    "i", id);

	while (sql_next(row)) {
		const char *asset = sql_text(row, 1);

		line(lines, sql_int(row, 0), "  %s%s%s: %s", sql_text(row, 2), asset ? " " : "",
		    asset ? asset : "", sql_text(row, 3));
	}
	sql_end(row);
}

static void tell_runs(const struct query *q, const char *what, json_t *lines, json_t *runs)
{
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT " RUN_COLUMNS " FROM run WHERE id IN (SELECT id FROM"
	    " (SELECT run_id AS id FROM run_place WHERE place = ?1 ORDER BY run_id DESC LIMIT ?2)"
	    " UNION SELECT id FROM (SELECT id FROM run WHERE sensor_key = ?1 ORDER BY id DESC LIMIT ?2)"
	    " ORDER BY 1 DESC LIMIT ?2) ORDER BY id",
	    "si", what, (int64_t)RUNS_TOLD);

	while (sql_next(row)) {
		const char *why = sql_text(row, 7), *job = sql_text(row, 1);

		json_array_append_new(runs, query_run_row(q, row));
		line(lines, sql_int(row, 11), "run %" PRId64 " of %s for %s, asked for by %s%s%s",
		    sql_int(row, 0), job ? job : sql_text(row, 2), sql_text(row, 3), sql_text(row, 6),
		    why ? ": " : "", why ? why : "");
		tell_run(q, sql_int(row, 0), lines);
	}
	sql_end(row);
}

static void tell_holds(const struct query *q, const char *what, json_t *lines, json_t *holds)
{
	struct sql_row *row =
	    sql_query(q->state->sql, "SELECT " HOLD_COLUMNS " FROM hold ORDER BY partition", "");

	while (sql_next(row)) {
		if (!partition_excludes(sql_text(row, 0), what))
			continue;
		json_array_append_new(holds, column_object(row, hold_columns));
		line(lines, sql_int(row, 3), "%s is on hold by %s: %s", sql_text(row, 0), sql_text(row, 2),
		    sql_text(row, 1));
	}
	sql_end(row);
}

/* An asset that some run of exactly this partition was about. */
static bool was_asked_for(const json_t *runs, const char *what, const char *asset)
{
	const json_t *run, *name;
	size_t i, k;

	json_array_foreach(runs, i, run)
	{
		if (strcmp(json_str(run, "partition", ""), what) != 0 || json_bool(run, "dry_run", false))
			continue;
		json_array_foreach(json_object_get(run, "assets"), k, name)
		{
			if (strcmp(json_string_value(name), asset) == 0)
				return true;
		}
	}
	return false;
}

static json_t *asset_of(const struct query *q, struct stale *st, const struct conf_asset *a, const char *what)
{
	static const struct column columns[] = {
	    {"at", COLUMN_TIME}, {"run", COLUMN_INT}, {"outcome", COLUMN_TEXT}, {0}};
	json_t *obj = json_pack("{s:s, s:o}", "name", a->name, "freshness", stale_freshness(st, a, what));
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT at, run_id, outcome FROM materialization WHERE asset = ?1 AND partition = ?2 ORDER BY id "
	    "DESC"
	    " LIMIT 1",
	    "ss", a->name, what);

	column_members(obj, sql_next(row) ? row : NULL, 0, columns);
	sql_end(row);
	return obj;
}

static json_t *assets_of(const struct query *q, const char *what, const json_t *runs)
{
	json_t *list = json_array();
	struct stale *st = stale_new(q);

	for (size_t i = 0; i < q->conf->nassets; i++)
		if (was_asked_for(runs, what, q->conf->assets[i].name))
			json_array_append_new(list, asset_of(q, st, &q->conf->assets[i], what));
	stale_free(st);
	return list;
}

json_t *query_why(const struct query *q, const char *what, struct err *err)
{
	json_t *obj = query_object(), *lines = json_array(), *keys = json_array(), *runs = json_array(),
	       *holds = json_array();

	tell_keys(q, what, lines, keys);
	tell_runs(q, what, lines, runs);
	tell_holds(q, what, lines, holds);
	json_object_set_new(obj, "what", json_text_new(what));
	json_object_set_new(obj, "lines", lines);
	json_object_set_new(obj, "keys", keys);
	json_object_set_new(obj, "runs", runs);
	json_object_set_new(obj, "holds", holds);
	json_object_set_new(obj, "assets", assets_of(q, what, runs));
	if (json_array_size(lines) == 0) {
		err_code(err, ERR_PERMANENT, "not_found",
		    "nothing is known of '%s': no key, no partition with runs or holds", what);
		json_decref(obj);
		obj = NULL;
	}
	return query_failed(q, obj, err);
}
