#include "config.h"

#include "query/query_priv.h"

#include "base/clock.h"
#include "base/utctime.h"
#include "sensor/sensor.h"

#include <string.h>

#define TICK_COLUMNS "first_at, last_at, n, outcome, reason, requested, duration_ms"
static const struct column tick_columns[] = {
    {"first_at", COLUMN_TIME},
    {"last_at", COLUMN_TIME},
    {"n", COLUMN_INT},
    {"outcome", COLUMN_TEXT},
    {"reason", COLUMN_TEXT},
    {"requested", COLUMN_INT},
    {"duration_ms", COLUMN_INT},
    {0},
};

const struct column key_columns[] = {
    {"key", COLUMN_TEXT},
    {"verdict", COLUMN_TEXT},
    {"reason", COLUMN_TEXT},
    {"present", COLUMN_INT},
    {"expected", COLUMN_INT},
    {"bytes", COLUMN_INT},
    {"newest", COLUMN_TIME},
    {"first_at", COLUMN_TIME},
    {"since", COLUMN_TIME},
    {"gone_at", COLUMN_TIME},
    {"run", COLUMN_INT},
    {0},
};

static json_t *last_tick(const struct query *q, const char *name)
{
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT " TICK_COLUMNS " FROM tick WHERE id = (SELECT max(id) FROM tick WHERE sensor = ?1)", "s",
	    name);
	json_t *tick = sql_next(row) ? column_object(row, tick_columns) : json_null();

	sql_end(row);
	return tick;
}

static json_t *key_counts(const struct query *q, const char *name)
{
	json_t *obj = json_object();
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT verdict, n FROM sensor_key_count WHERE sensor = ?1 AND n > 0 ORDER BY verdict", "s", name);

	while (sql_next(row))
		json_object_set_new(obj, sql_text(row, 0), json_integer(sql_int(row, 1)));
	sql_end(row);
	return obj;
}

#define NEXT_TIMES     5
#define NEXT_TIMES_MAX 100

/* The calendar of a schedule and its next n times; null for a sensor that looks at an interval. */
static json_t *schedule_of(const struct conf_sensor *s, size_t n)
{
	const struct sensor_calendar *calendar = s->type->calendar;
	struct calendar_time times[NEXT_TIMES_MAX];
	struct strbuf text = STRBUF_INIT(4096);
	json_t *obj, *list;

	if (calendar == NULL)
		return json_null();
	calendar->describe(s->opts, &text);
	obj = json_pack("{s:s, s:o}", "text", text.buf, "next", list = json_array());
	n = calendar->next(s->opts, clock_now(), times, MIN(n, (size_t)NEXT_TIMES_MAX));
	for (size_t i = 0; i < n; i++) {
		char at[UTCTIME_MAX];

		json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "at", utctime_format(times[i].at, at),
		                                "local", times[i].local, "clock_changed", times[i].changed));
	}
	strbuf_release(&text);
	return obj;
}

static json_t *sensor_row(const struct query *q, const struct conf_sensor *s, size_t next)
{
	static const struct column columns[] = {
	    {"paused", COLUMN_TEXT},
	    {"cursor", COLUMN_TEXT},
	    {"last_tick_at", COLUMN_TIME},
	    {"last_ok_at", COLUMN_TIME},
	    {"next_tick_at", COLUMN_TIME},
	    {0},
	};
	json_t *obj = json_object();
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT paused, cursor, last_tick_at, last_ok_at, next_tick_at FROM sensor WHERE name = ?1", "s",
	    s->name);
	bool there = sql_next(row);

	json_object_set_new(obj, "name", json_string(s->name));
	json_object_set_new(obj, "type", json_string(s->type->name));
	json_object_set_new(obj, "job", json_text_new(s->job));
	json_object_set_new(obj, "description", json_text_new(s->description));
	json_object_set_new(obj, "every_ms", s->type->calendar ? json_null() : json_integer(s->every));
	json_object_set_new(obj, "schedule", schedule_of(s, next));
	column_members(obj, there ? row : NULL, 0, columns);
	sql_end(row);
	json_object_set_new(obj, "last", last_tick(q, s->name));
	json_object_set_new(obj, "keys", key_counts(q, s->name));
	return obj;
}

json_t *query_sensors(const struct query *q, struct err *err)
{
	json_t *obj = query_object(), *list = json_array();

	for (size_t i = 0; i < q->conf->nsensors; i++)
		json_array_append_new(list, sensor_row(q, &q->conf->sensors[i], NEXT_TIMES));
	json_object_set_new(obj, "sensors", list);
	return query_failed(q, obj, err);
}

json_t *query_schedules(const struct query *q, int64_t n, struct err *err)
{
	json_t *obj = query_object(), *list = json_array();
	size_t next = n <= 0 ? NEXT_TIMES : (size_t)MIN(n, (int64_t)NEXT_TIMES_MAX);

	for (size_t i = 0; i < q->conf->nsensors; i++)
		if (q->conf->sensors[i].type->calendar != NULL)
			json_array_append_new(list, sensor_row(q, &q->conf->sensors[i], next));
	json_object_set_new(obj, "schedules", list);
	return query_failed(q, obj, err);
}

static int need_sensor(const struct query *q, const char *name, struct err *err)
{
	if (conf_sensor_find(q->conf, name) != NULL)
		return 0;
	return conf_missing(q->conf, "sensor", name, err);
}

json_t *query_ticks(const struct query *q, const char *sensor, int64_t limit, struct err *err)
{
	json_t *obj;

	if (need_sensor(q, sensor, err) == -1)
		return NULL;
	obj = query_object();
	json_object_set_new(obj, "sensor", json_string(sensor));
	json_object_set_new(obj, "ticks",
	    column_list(sql_query(q->state->sql,
	                    "SELECT " TICK_COLUMNS " FROM tick WHERE sensor = ?1 ORDER BY id DESC LIMIT ?2",
	                    "si", sensor, limit <= 0 ? (int64_t)50 : MIN(limit, (int64_t)QUERY_LIMIT_MAX)),
	        tick_columns));
	return query_failed(q, obj, err);
}

json_t *query_keys(const struct query *q, const char *sensor, const char *verdict, const char *after,
    int64_t limit, struct err *err)
{
	bool gone = verdict != NULL && strcmp(verdict, "gone") == 0;
	json_t *obj, *list;
	struct sql_row *row;

	if (need_sensor(q, sensor, err) == -1 ||
	    query_need_word("verdict", verdict, query_key_verdicts, err) == -1)
		return NULL;
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
	list = column_list(row, key_columns);
	obj = query_object();
	json_object_set_new(obj, "sensor", json_string(sensor));
	json_object_set_new(obj, "next",
	    (int64_t)json_array_size(list) == limit
	        ? json_incref(json_object_get(json_array_get(list, json_array_size(list) - 1), "key"))
	        : json_null());
	json_object_set_new(obj, "keys", list);
	return query_failed(q, obj, err);
}
