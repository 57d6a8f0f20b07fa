#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "state/state.h"

#include <inttypes.h>
#include <string.h>

#define GRACE_MS INT64_C(120000)

static int64_t late_by(const struct conf_sensor *s, tm_ms due, tm_ms now)
{
	return MAX(now - (due + s->timeout + GRACE_MS), (tm_ms)0);
}

struct sensor_times sensor_times(const struct web *w, const struct conf_sensor *s)
{
	struct sensor_times t = {0};
	struct sql_row *row = sql_query(w->query.state->sql,
	    "SELECT paused IS NOT NULL, last_ok_at, next_tick_at FROM sensor WHERE name = ?1", "s", s->name);

	if (sql_next(row)) {
		t.paused = sql_int(row, 0) != 0;
		t.last_ok_at = sql_int(row, 1);
		t.late_ms = t.paused || sql_is_null(row, 2) ? 0 : late_by(s, sql_int(row, 2), clock_now());
	}
	sql_end(row);
	return t;
}

int64_t sensor_late_ms(const json_t *sensor, const struct conf *conf, tm_ms now)
{
	const struct conf_sensor *cs = conf_sensor_find(conf, json_str(sensor, "name", ""));
	const char *next = json_str(sensor, "next_tick_at", NULL);
	tm_ms due;

	if (cs == NULL || json_str(sensor, "paused", NULL) != NULL || next == NULL ||
	    utctime_parse(next, &due) == -1)
		return 0;
	return late_by(cs, due, now);
}

static void add(struct verdict *v, const char *state, json_t *text)
{
	json_array_append_new(v->problems, text);
	if (strcmp(v->state, "failed") != 0)
		v->state = state;
}

static void judge_sensor(const struct web *w, const json_t *s, struct verdict *v)
{
	const json_t *last = json_object_get(s, "last"), *keys = json_object_get(s, "keys");
	const char *name = json_str(s, "name", "");
	int64_t late = sensor_late_ms(s, w->conf, clock_now());

	v->sensors++;
	if (late > 0) {
		v->late++;
		add(v, "failed", json_sprintf("Sensor %s is late by %" PRId64 " minutes.", name, late / 60000));
	}
	if (strcmp(json_str(last, "outcome", ""), "failed") == 0)
		add(v, "failed",
		    json_sprintf(
		        "Sensor %s cannot look: %s", name, json_str(last, "reason", "no reason given")));
	if (json_str(s, "paused", NULL) != NULL)
		add(v, "warnings", json_sprintf("Sensor %s is paused by %s.", name, json_str(s, "paused", "")));
	if (json_int(keys, "stale", 0) > 0)
		add(v, "warnings",
		    json_sprintf("Sensor %s waits for the rest of %" PRId64 " uploads for too long.", name,
		        json_int(keys, "stale", 0)));
	if (json_int(keys, "invalid", 0) > 0)
		add(v, "warnings",
		    json_sprintf("Sensor %s found %" PRId64 " uploads it cannot use.", name,
		        json_int(keys, "invalid", 0)));
}

static void judge_asset(const struct web *w, const struct conf_asset *a, struct verdict *v)
{
	int64_t late = query_asset_late(&w->query, a);

	if (late > 0)
		add(v, "failed",
		    json_sprintf("Asset %s was to be made every %" PRId64 " hours, and is late by %" PRId64
		                 " minutes.",
		        a->name, a->fresh_within / 3600000, late / 60000));
}

void verdict_of(const struct web *w, const json_t *status, struct verdict *v)
{
	int64_t failed = json_int(status, "failed_last_day", 0);
	const json_t *s;
	size_t i;

	*v = (struct verdict){.state = "ok", .problems = json_array()};
	if (w->engine != NULL && json_int(status, "commit_failures", 0) > 0)
		add(v, "failed",
		    json_sprintf("The state database refused %" PRId64 " commits since the start; see the log.",
		        json_int(status, "commit_failures", 0)));
	if (failed > 0)
		add(v, "failed",
		    json_sprintf("%" PRId64 " run%s failed in the last day.", failed, failed == 1 ? "" : "s"));
	json_array_foreach(json_object_get(status, "sensors"), i, s) judge_sensor(w, s, v);
	for (i = 0; i < w->conf->nassets; i++)
		judge_asset(w, &w->conf->assets[i], v);
	if (json_bool(status, "draining", false))
		add(v, "warnings", json_string("The daemon is stopping and starts nothing new."));
}

void verdict_release(struct verdict *v)
{
	json_decref(v->problems);
}
