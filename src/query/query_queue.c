/* query_queue.c: the steps of active runs, and how full the pools are. */
#include "config.h"

#include "query/query_priv.h"

#include "engine/engine.h"

#include <string.h>

#define STEPS_SHOWN 200

static json_t *step_row(const struct query *q, const struct sql_row *row)
{
	static const struct column columns[] = {
	    {"run", COLUMN_INT},
	    {"job", COLUMN_TEXT},
	    {"partition", COLUMN_TEXT},
	    {"asset", COLUMN_TEXT},
	    {"state", COLUMN_TEXT},
	    {"attempt", COLUMN_INT},
	    {"started_at", COLUMN_TIME},
	    {"not_before", COLUMN_TIME},
	    {"error", COLUMN_ERROR},
	    {0},
	};
	int64_t run = sql_int(row, 0);
	const char *asset = sql_text(row, 3);
	const struct conf_asset *a = conf_asset_find(q->conf, asset);
	json_t *obj = column_object(row, columns),
	       *live = q->engine ? engine_live_step(q->engine, run, asset) : NULL;

	json_object_set_new(obj, "pool", json_text_new(a ? a->pool : NULL));
	json_object_set_new(
	    obj, "wait_reason", json_text_new(q->engine ? engine_wait_reason(q->engine, run, asset) : NULL));
	json_object_set_new(obj, "live", live ? live : json_null());
	return obj;
}

static void count_into(json_t *pools, const struct query *q, const char *asset)
{
	const struct conf_asset *a = conf_asset_find(q->conf, asset);
	json_t *pool;
	size_t i;

	json_array_foreach(pools, i, pool)
	{
		if (a != NULL && a->pool != NULL && strcmp(a->pool, json_str(pool, "name", "")) == 0)
			json_object_set_new(pool, "used", json_integer(json_int(pool, "used", 0) + 1));
	}
}

static json_t *pools_of(const struct query *q)
{
	json_t *list = json_array();

	for (size_t i = 0; i < q->conf->npools; i++)
		json_array_append_new(
		    list, json_pack("{s:o, s:I, s:i}", "name", json_text_new(q->conf->pools[i].name), "slots",
		              (json_int_t)q->conf->pools[i].slots, "used", 0));
	return list;
}

json_t *query_queue(const struct query *q, struct err *err)
{
	const struct conf_limits *l = &q->conf->limits;
	json_t *obj = query_object(), *steps = json_array(), *pools = pools_of(q);
	int64_t running = 0;
	/* Active runs are few: limits.max_runs of them, by their own index. */
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT r.id, r.job, r.partition, s.asset, s.state, s.attempts, s.started_at, s.not_before, "
	    "s.err_class,"
	    " s.err_code, s.err_text FROM run AS r INDEXED BY run_active JOIN step AS s ON s.run_id = r.id"
	    " WHERE r.ended_at IS NULL AND r.state = 'running' AND s.state IN ('running', 'ready', 'retrying')"
	    " ORDER BY r.id, s.ord",
	    "");

	while (sql_next(row)) {
		if (strcmp(sql_text(row, 4), "running") == 0) {
			running++;
			count_into(pools, q, sql_text(row, 3));
		}
		if (json_array_size(steps) < STEPS_SHOWN)
			json_array_append_new(steps, step_row(q, row));
	}
	sql_end(row);
	json_object_set_new(obj, "steps", steps);
	json_object_set_new(obj, "steps_running", json_integer(running));
	json_object_set_new(obj, "pools", pools);
	json_object_set_new(obj, "limits",
	    json_pack("{s:I, s:I, s:I}", "max_runs", (json_int_t)l->max_runs, "max_steps",
	        (json_int_t)l->max_steps, "max_queued", (json_int_t)l->max_queued));
	return query_failed(q, obj, err);
}
