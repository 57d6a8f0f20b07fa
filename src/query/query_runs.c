#include "config.h"

#include "query/query_priv.h"

#include "base/fs.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "query/run_filter.h"
#include "step/asset.h"
#include "step/attempt_dir.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS_SHOWN 1000

static const struct column run_columns[] = {
    {"id", COLUMN_INT},
    {"job", COLUMN_TEXT},
    {"assets", COLUMN_JSON},
    {"partition", COLUMN_TEXT},
    {"state", COLUMN_TEXT},
    {"outcome", COLUMN_TEXT},
    {"origin", COLUMN_TEXT},
    {"why", COLUMN_TEXT},
    {"dry_run", COLUMN_BOOL},
    {"retry_of", COLUMN_INT},
    {"cancel", COLUMN_TEXT},
    {"created_at", COLUMN_TIME},
    {"started_at", COLUMN_TIME},
    {"ended_at", COLUMN_TIME},
    {"error", COLUMN_ERROR},
    {0},
};

json_t *query_run_row(const struct query *q, const struct sql_row *row)
{
	json_t *obj = column_object(row, run_columns);
	int64_t id = sql_int(row, 0);

	json_object_set_new(obj, "uid", json_sprintf("%s-%" PRId64, q->state->instance, id));
	json_object_set_new(
	    obj, "wait_reason", json_text_new(q->engine ? engine_wait_reason(q->engine, id, NULL) : NULL));
	return obj;
}

/* Below which id the filter's runs are not looked at: 0 when all are. */
static int64_t floor_of(const struct query *q, const struct run_filter *f)
{
	struct run_statement st;
	struct sql_row *row;
	int64_t floor = 0;

	if (run_filter_floor(&st, f)) {
		row = sql_query_dynamic(q->state->sql, st.text.buf, st.args, st.nargs);
		floor = sql_next(row) ? sql_int(row, 0) : 0;
		sql_end(row);
	}
	run_statement_release(&st);
	return floor;
}

json_t *query_runs(const struct query *q, const struct run_filter *filter, struct err *err)
{
	struct run_filter f = *filter;
	struct run_statement st;
	struct sql_row *row;
	int64_t floor, last = 0;
	json_t *obj, *list;

	if (query_need_word("state", f.state, query_run_states, err) == -1)
		return NULL;
	obj = query_object();
	list = json_array();
	f.limit = f.limit <= 0 ? 50 : MIN(f.limit, QUERY_LIMIT_MAX);
	floor = floor_of(q, &f);
	run_filter_rows(&st, &f, RUN_COLUMNS, floor);
	row = sql_query_dynamic(q->state->sql, st.text.buf, st.args, st.nargs);
	while (sql_next(row)) {
		last = sql_int(row, 0);
		json_array_append_new(list, query_run_row(q, row));
	}
	sql_end(row);
	run_statement_release(&st);
	if ((int64_t)json_array_size(list) < f.limit)
		last = floor;
	json_object_set_new(obj, "next", last > 0 ? json_integer(last) : json_null());
	json_object_set_new(obj, "runs", list);
	return query_failed(q, obj, err);
}

static json_t *attempts_of(const struct query *q, int64_t id, const char *asset)
{
	static const struct column columns[] = {
	    {"n", COLUMN_INT},
	    {"started_at", COLUMN_TIME},
	    {"ended_at", COLUMN_TIME},
	    {"outcome", COLUMN_TEXT},
	    {"kill_reason", COLUMN_TEXT},
	    {"error", COLUMN_ERROR},
	    {"exit_code", COLUMN_INT},
	    {"signal", COLUMN_INT},
	    {"utime_s", COLUMN_REAL},
	    {"stime_s", COLUMN_REAL},
	    {"maxrss_kib", COLUMN_INT},
	    {"warnings", COLUMN_INT},
	    {0},
	};

	return column_list(
	    sql_query(q->state->sql,
	        "SELECT n, started_at, ended_at, outcome, kill_reason, err_class, err_code, err_text, "
	        "exit_code,"
	        " signal, utime_s, stime_s, maxrss_kib, warnings FROM attempt WHERE run_id = ?1 AND asset = ?2"
	        " ORDER BY n",
	        "is", id, asset),
	    columns);
}

static void add_definition(const struct query *q, const char *asset, json_t *step)
{
	const struct conf_asset *ca = conf_asset_find(q->conf, asset);
	json_t *deps = json_array();

	for (size_t i = 0; ca != NULL && i < ca->deps.n; i++)
		json_array_append_new(deps, json_string(ca->deps.v[i]));
	json_object_set_new(step, "type", json_text_new(ca ? ca->type->name : NULL));
	json_object_set_new(step, "deps", deps);
}

static json_t *step_row(const struct query *q, int64_t id, const struct sql_row *row)
{
	static const struct column columns[] = {
	    {"asset", COLUMN_TEXT},
	    {"state", COLUMN_TEXT},
	    {"outcome", COLUMN_TEXT},
	    {"started_at", COLUMN_TIME},
	    {"ended_at", COLUMN_TIME},
	    {"not_before", COLUMN_TIME},
	    {"error", COLUMN_ERROR},
	    {"run_uid", COLUMN_TEXT},
	    {"code_version", COLUMN_TEXT},
	    {"metadata", COLUMN_JSON},
	    {0},
	};
	const char *asset = sql_text(row, 0);
	json_t *s = column_object(row, columns),
	       *live = q->engine ? engine_live_step(q->engine, id, asset) : NULL;

	add_definition(q, asset, s);
	json_object_set_new(
	    s, "wait_reason", json_text_new(q->engine ? engine_wait_reason(q->engine, id, asset) : NULL));
	json_object_set_new(s, "live", live ? live : json_null());
	json_object_set_new(s, "attempts", attempts_of(q, id, asset));
	return s;
}

static json_t *steps_of(const struct query *q, int64_t id)
{
	json_t *list = json_array();
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT asset, state, outcome, started_at, ended_at, not_before, err_class, err_code, err_text, "
	    "run_uid, code_version, metadata"
	    " FROM step WHERE run_id = ?1 ORDER BY ord",
	    "i", id);

	while (sql_next(row))
		json_array_append_new(list, step_row(q, id, row));
	sql_end(row);
	return list;
}

static json_t *events_of(const struct query *q, int64_t id)
{
	static const struct column columns[] = {
	    {"id", COLUMN_INT},
	    {"at", COLUMN_TIME},
	    {"asset", COLUMN_TEXT},
	    {"attempt", COLUMN_INT},
	    {"kind", COLUMN_TEXT},
	    {"text", COLUMN_TEXT},
	    {0},
	};

	return column_list(
	    sql_query(q->state->sql,
	        "SELECT id, at, asset, attempt, kind, text FROM event WHERE run_id = ?1 ORDER BY id LIMIT ?2",
	        "ii", id, (int64_t)EVENTS_SHOWN),
	    columns);
}

json_t *query_run(const struct query *q, int64_t id, struct err *err)
{
	static const struct column columns[] = {
	    {"config", COLUMN_JSON},
	    {"tags", COLUMN_JSON},
	    {"sensor", COLUMN_TEXT},
	    {"sensor_key", COLUMN_TEXT},
	    {"run_key", COLUMN_TEXT},
	    {"generation", COLUMN_TEXT},
	    {0},
	};
	json_t *obj = query_object(), *run = NULL;
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT " RUN_COLUMNS
	    ", config, tags, sensor, sensor_key, run_key, generation FROM run WHERE id = ?1",
	    "i", id);

	if (sql_next(row)) {
		run = query_run_row(q, row);
		column_members(run, row, RUN_NCOLUMNS, columns);
	}
	sql_end(row);
	if (run == NULL) {
		err_code(err, ERR_PERMANENT, "not_found", "no run %" PRId64, id);
		return json_decref(obj), query_failed(q, NULL, err);
	}
	json_object_update(obj, run);
	json_decref(run);
	json_object_set_new(obj, "steps", steps_of(q, id));
	json_object_set_new(obj, "checks", query_checks(q, id, NULL));
	json_object_set_new(obj, "events", events_of(q, id));
	return query_failed(q, obj, err);
}

/* The last `most` bytes of a file, or NULL when it is not there or empty. */
static json_t *tail_of(const char *path, size_t most, json_t *entry)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	char *text;
	off_t from;
	ssize_t n;

	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		close(fd);
		return NULL;
	}
	from = st.st_size > (off_t)most ? st.st_size - (off_t)most : 0;
	text = xmalloc(most + 1);
	n = pread(fd, text, most, from);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	json_object_set_new(entry, "text", json_text_new(text));
	json_object_set_new(entry, "size", json_integer(st.st_size));
	json_object_set_new(entry, "from", json_integer(from));
	free(text);
	return entry;
}

static void add_logs(const struct query *q, int64_t id, const char *asset, int64_t n, size_t most, json_t *list)
{
	static const char *const streams[] = {ATTEMPT_STDOUT, ATTEMPT_STDERR, ATTEMPT_JOURNAL};
	char run[32], *dir;

	snprintf(run, sizeof(run), "%" PRId64, id);
	dir = attempt_dir_path(q->state->dir, run, asset, (int)n);
	for (size_t i = 0; i < NITEMS(streams); i++) {
		char *path = fs_join(dir, streams[i]);
		json_t *entry = json_pack("{s:s, s:I, s:s}", "asset", asset, "attempt", (json_int_t)n, "stream",
		    i == 2 ? "journal" : streams[i]);

		if (tail_of(path, most, entry) != NULL)
			json_array_append(list, entry);
		json_decref(entry);
		free(path);
	}
	free(dir);
}

json_t *query_run_logs(const struct query *q, int64_t id, const char *asset, size_t most, struct err *err)
{
	json_t *obj = query_object(), *list = json_array();
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT a.asset, a.n FROM attempt AS a JOIN step AS s ON s.run_id = a.run_id AND s.asset = a.asset"
	    " WHERE a.run_id = ?1 AND (?2 IS NULL OR a.asset = ?2) ORDER BY s.ord, a.n",
	    "is", id, asset);

	while (sql_next(row))
		add_logs(q, id, sql_text(row, 0), sql_int(row, 1), most, list);
	sql_end(row);
	json_object_set_new(obj, "logs", list);
	if (json_array_size(list) == 0 &&
	    sql_get_int(q->state->sql, 0, "SELECT 1 FROM run WHERE id = ?1", "i", id) == 0) {
		err_code(err, ERR_PERMANENT, "not_found", "no run %" PRId64, id);
		json_decref(obj);
		obj = NULL;
	}
	return query_failed(q, obj, err);
}
