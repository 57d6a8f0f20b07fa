#include "config.h"

#include "query/query_priv.h"

#include "sensor/sensor.h"

#include <string.h>

static json_t *tick_row(const struct sql_row *row)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "first_at", col_time(row, 0), "last_at",
	    col_time(row, 1), "n", col_int(row, 2), "outcome", col_text(row, 3), "reason", col_text(row, 4),
	    "requested", col_int(row, 5), "duration_ms", col_int(row, 6));
}

static json_t *last_tick(const struct query *q, const char *name)
{
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT first_at, last_at, n, outcome, reason, requested, duration_ms FROM tick"
	    " WHERE id = (SELECT max(id) FROM tick WHERE sensor = ?1)",
	    "s", name);
	json_t *tick = sql_next(row) ? tick_row(row) : json_null();

	sql_end(row);
	return tick;
}

static json_t *key_counts(const struct query *q, const char *name)
{
	json_t *obj = json_object();
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT verdict, n FROM sensor_key_count WHERE sensor = ?1 AND n > 0 ORDER BY verdict", "s", name);

	while (sql_next(row))
		json_object_set_new(obj, sql_text(row, 0), col_int(row, 1));
	sql_end(row);
	return obj;
}

static json_t *sensor_row(const struct query *q, const struct conf_sensor *s)
{
	json_t *obj = json_object();
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT paused, cursor, last_tick_at, last_ok_at, next_tick_at FROM sensor WHERE name = ?1", "s",
	    s->name);
	bool there = sql_next(row);

	json_object_set_new(obj, "name", json_string(s->name));
	json_object_set_new(obj, "type", json_string(s->type->name));
	json_object_set_new(obj, "job", json_text_new(s->job));
	json_object_set_new(obj, "description", json_text_new(s->description));
	json_object_set_new(obj, "every_ms", json_integer(s->every));
	json_object_set_new(obj, "paused", there ? col_text(row, 0) : json_null());
	json_object_set_new(obj, "cursor", there ? col_text(row, 1) : json_null());
	json_object_set_new(obj, "last_tick_at", there ? col_time(row, 2) : json_null());
	json_object_set_new(obj, "last_ok_at", there ? col_time(row, 3) : json_null());
	json_object_set_new(obj, "next_tick_at", there ? col_time(row, 4) : json_null());
	sql_end(row);
	json_object_set_new(obj, "last", last_tick(q, s->name));
	json_object_set_new(obj, "keys", key_counts(q, s->name));
	return obj;
}

json_t *query_sensors(const struct query *q, struct err *err)
{
	json_t *obj = query_object(), *list = json_array();

	for (size_t i = 0; i < q->conf->nsensors; i++)
		json_array_append_new(list, sensor_row(q, &q->conf->sensors[i]));
	json_object_set_new(obj, "sensors", list);
	return query_failed(q, obj, err);
}

static int need_sensor(const struct query *q, const char *name, struct err *err)
{
	if (conf_sensor_find(q->conf, name) != NULL)
		return 0;
	return err_code(err, ERR_PERMANENT, "not_found", "no sensor '%s' in the configuration", name);
}

json_t *query_ticks(const struct query *q, const char *sensor, int64_t limit, struct err *err)
{
	json_t *obj, *list = json_array();
	struct sql_row *row;

	if (need_sensor(q, sensor, err) == -1) {
		json_decref(list);
		return NULL;
	}
	row = sql_query(q->state->sql,
	    "SELECT first_at, last_at, n, outcome, reason, requested, duration_ms FROM tick WHERE sensor = ?1"
	    " ORDER BY id DESC LIMIT ?2",
	    "si", sensor, limit <= 0 ? (int64_t)50 : MIN(limit, (int64_t)QUERY_LIMIT_MAX));
	while (sql_next(row))
		json_array_append_new(list, tick_row(row));
	sql_end(row);
	obj = query_object();
	json_object_set_new(obj, "sensor", json_string(sensor));
	json_object_set_new(obj, "ticks", list);
	return query_failed(q, obj, err);
}

json_t *query_key_row(const struct sql_row *row)
{
	json_t *obj = json_object();

	json_object_set_new(obj, "key", col_text(row, 0));
	json_object_set_new(obj, "verdict", col_text(row, 1));
	json_object_set_new(obj, "reason", col_text(row, 2));
	json_object_set_new(obj, "present", col_int(row, 3));
	json_object_set_new(obj, "expected", col_int(row, 4));
	json_object_set_new(obj, "bytes", col_int(row, 5));
	json_object_set_new(obj, "newest", col_time(row, 6));
	json_object_set_new(obj, "first_at", col_time(row, 7));
	json_object_set_new(obj, "since", col_time(row, 8));
	json_object_set_new(obj, "gone_at", col_time(row, 9));
	json_object_set_new(obj, "run", col_int(row, 10));
	return obj;
}

json_t *query_keys(const struct query *q, const char *sensor, const char *verdict, const char *after,
    int64_t limit, struct err *err)
{
	bool gone = verdict != NULL && strcmp(verdict, "gone") == 0;
	json_t *obj, *list = json_array();
	struct sql_row *row;

	if (need_sensor(q, sensor, err) == -1) {
		json_decref(list);
		return NULL;
	}
	limit = limit <= 0 ? QUERY_LIMIT_MAX : MIN(limit, (int64_t)QUERY_LIMIT_MAX);
	/* A text for each, so that each finds its index. */
	if (gone)
		row = sql_query(q->state->sql,
		    "SELECT " KEY_COLUMNS " FROM sensor_key INDEXED BY sensor_key_left WHERE sensor = ?1"
		    " AND key > ?2 AND gone_at IS NOT NULL ORDER BY key LIMIT ?3",
		    "ssi", sensor, after ? after : "", limit);
	else if (verdict != NULL)
		row = sql_query(q->state->sql,
		    "SELECT " KEY_COLUMNS " FROM sensor_key INDEXED BY sensor_key_verdict WHERE sensor = ?1"
		    " AND verdict = ?2 AND key > ?3 AND gone_at IS NULL ORDER BY key LIMIT ?4",
		    "sssi", sensor, verdict, after ? after : "", limit);
	else
		row = sql_query(q->state->sql,
		    "SELECT " KEY_COLUMNS " FROM sensor_key INDEXED BY sensor_key_there WHERE sensor = ?1"
		    " AND key > ?2 AND gone_at IS NULL ORDER BY key LIMIT ?3",
		    "ssi", sensor, after ? after : "", limit);
	while (sql_next(row))
		json_array_append_new(list, query_key_row(row));
	sql_end(row);
	obj = query_object();
	json_object_set_new(obj, "sensor", json_string(sensor));
	json_object_set_new(obj, "next",
	    (int64_t)json_array_size(list) == limit
	        ? json_incref(json_object_get(json_array_get(list, json_array_size(list) - 1), "key"))
	        : json_null());
	json_object_set_new(obj, "keys", list);
	return query_failed(q, obj, err);
}
