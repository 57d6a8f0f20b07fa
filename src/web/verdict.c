#include "config.h"

#include "web/web_priv.h"

#include "web/standing.h"

#include "base/clock.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GRACE_MS       INT64_C(120000)
#define DISK_SHARE_LOW 20 /* less than one part in so many is low */

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

bool place_fails(const json_t *place)
{
	const char *ok = json_str(place, "ok_at", NULL), *failed = json_str(place, "failed_at", NULL);

	return failed != NULL && (ok == NULL || strcmp(failed, ok) > 0); /* one form, so texts sort as times */
}

static void add(struct verdict *v, const char *state, const char *href, json_t *text)
{
	json_array_append_new(v->problems, json_pack("{s:o, s:s}", "text", text, "href", href));
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
		add(v, "failed", "/sensors",
		    json_sprintf("Sensor %s is late by %" PRId64 " minutes.", name, late / 60000));
	}
	if (strcmp(json_str(last, "outcome", ""), "failed") == 0)
		add(v, "failed", "/sensors",
		    json_sprintf(
		        "Sensor %s cannot look: %s", name, json_str(last, "reason", "no reason given")));
	if (json_str(s, "paused", NULL) != NULL)
		add(v, "warnings", "/sensors",
		    json_sprintf("Sensor %s is paused by %s.", name, json_str(s, "paused", "")));
	if (json_int(keys, "stale", 0) > 0)
		add(v, "warnings", "/sensors",
		    json_sprintf("Sensor %s waits for the rest of %" PRId64 " upload%s for too long.", name,
		        json_int(keys, "stale", 0), json_int(keys, "stale", 0) == 1 ? "" : "s"));
	if (json_int(keys, "invalid", 0) > 0)
		add(v, "warnings", "/sensors",
		    json_sprintf("Sensor %s found %" PRId64 " upload%s it cannot use.", name,
		        json_int(keys, "invalid", 0), json_int(keys, "invalid", 0) == 1 ? "" : "s"));
}

static void judge_asset(const struct web *w, const struct conf_asset *a, struct verdict *v)
{
	int64_t late = query_asset_late(&w->query, a);

	if (late > 0)
		add(v, "failed", "/assets",
		    json_sprintf("Asset %s was to be made every %" PRId64 " hours, and is late by %" PRId64
		                 " minutes.",
		        a->name, a->fresh_within / 3600000, late / 60000));
}

static void judge_nights(const struct nights *m, struct verdict *v)
{
	struct strbuf text = STRBUF_INIT(4096);

	for (size_t i = 0; i < m->nrows; i++) {
		const struct night_row *row = &m->row[i];

		if (strcmp(row->standing, "late") != 0)
			continue;
		strbuf_reset(&text);
		strbuf_addf(&text, "%s is late: its newest night is that of ", row->name);
		part_date(&text, row->newest);
		strbuf_addch(&text, '.');
		add(v, "warnings", "/nights", json_text_new(text.buf));
	}
	if (m->nstuck > 0)
		add(v, "warnings", "/nights",
		    json_sprintf("%zu night%s stuck.", m->nstuck, m->nstuck == 1 ? " is" : "s are"));
	strbuf_release(&text);
}

static void judge_outbox(const json_t *outbox, struct verdict *v)
{
	if (json_int(outbox, "retrying", 0) > 0)
		add(v, "warnings", "/outbox",
		    json_sprintf("%" PRId64 " notifications could not be delivered yet.",
		        json_int(outbox, "retrying", 0)));
	if (json_int(outbox, "failed", 0) > 0)
		add(v, "warnings", "/outbox",
		    json_sprintf("%" PRId64 " notifications were given up.", json_int(outbox, "failed", 0)));
}

/* A store or database whose last answer was a failure. */
static void judge_places(const json_t *list, const char *kind, struct verdict *v)
{
	const json_t *place;
	size_t i;

	json_array_foreach(list, i, place)
	{
		if (!place_fails(place))
			continue;
		add(v, "failed", "/",
		    json_sprintf("%s %s does not answer: %s", kind, json_str(place, "name", ""),
		        json_str(json_object_get(place, "error"), "text", "no reason given")));
	}
}

static void judge_disk(const json_t *disk, struct verdict *v)
{
	int64_t free_bytes = json_int(disk, "free_bytes", 0), total = json_int(disk, "total_bytes", 0);

	if (total > 0 && free_bytes < total / DISK_SHARE_LOW)
		add(v, "warnings", "/",
		    json_sprintf("The disk of the state is nearly full: %" PRId64 " MB are left.",
		        free_bytes / 1000000));
}

static void judge_audit(const json_t *audit, struct verdict *v)
{
	int64_t missing = json_int(audit, "missing", 0), mismatched = json_int(audit, "mismatched", 0);

	if (missing > 0)
		add(v, "failed", "/audit", json_sprintf("The last audit found %" PRId64 " missing.", missing));
	if (mismatched > 0)
		add(v, "failed", "/audit",
		    json_sprintf("The last audit found %" PRId64 " different from the records.", mismatched));
	if (missing + mismatched == 0 && json_int(audit, "unknown", 0) > 0)
		add(v, "warnings", "/audit",
		    json_sprintf(
		        "The last audit could not look at %" PRId64 " places.", json_int(audit, "unknown", 0)));
}

/* "3 of 4 sources are current: 1 late." */
static json_t *not_all_current(const struct nights *nights, int64_t current, int64_t all)
{
	int64_t stuck = standing_count(nights, "stuck"), late = standing_count(nights, "late");
	char told[2][40] = {"", ""};

	if (stuck > 0)
		snprintf(told[0], sizeof(told[0]), "%" PRId64 " stuck", stuck);
	if (late > 0)
		snprintf(told[1], sizeof(told[1]), "%s%" PRId64 " late", stuck > 0 ? ", " : "", late);
	return json_sprintf("%" PRId64 " of %" PRId64 " source%s current: %s%s.", current, all,
	    all == 1 ? " is" : "s are", told[0], told[1]);
}

/* What people look for first; without nights it is about the sensors. */
static json_t *headline_of(const struct verdict *v, const struct nights *nights)
{
	int64_t rows = (int64_t)nights->nrows, quiet = standing_count(nights, "quiet"),
	        current = standing_count(nights, "current");
	size_t problems = json_array_size(v->problems);

	if (rows > quiet && current == rows - quiet)
		return problems == 0
		           ? json_sprintf("All is well: %s%" PRId64
		                          " source%s %s current and no failure of the last day is left.",
		                 current == 1 ? "the " : "all ", current, current == 1 ? "" : "s",
		                 current == 1 ? "is" : "are")
		           : json_sprintf("%s%" PRId64 " source%s %s current, but look at this:",
		                 current == 1 ? "The " : "All ", current, current == 1 ? "" : "s",
		                 current == 1 ? "is" : "are");
	if (rows > quiet)
		return not_all_current(nights, current, rows - quiet);
	if (problems > 0)
		return json_string("Something needs a look.");
	return json_string(
	    v->sensors == 0   ? "All is well: there is no sensor, runs are asked for by people."
	    : v->sensors == 1 ? "All is well: the sensor is on time and no failure of the last day is left."
	                      : "All is well: all sensors are on time and no failure of the last day is left.");
}

static void judge_conf(const json_t *status, struct verdict *v)
{
	const char *problem = json_str(status, "config_problem", NULL);

	if (problem != NULL)
		add(v, "warnings", "/",
		    json_sprintf(
		        "The configuration has errors, so the one before it stays in use: %s", problem));
}

void verdict_of(const struct web *w, const json_t *status, const struct nights *nights, struct verdict *v)
{
	int64_t failed = json_int(status, "failed_unmended", 0);
	const json_t *s;
	size_t i;

	*v = (struct verdict){.state = "ok", .problems = json_array()};
	if (w->engine != NULL && json_int(status, "commit_failures", 0) > 0)
		add(v, "failed", "/",
		    json_sprintf("The state database refused %" PRId64 " commits since the start; see the log.",
		        json_int(status, "commit_failures", 0)));
	if (failed > 0)
		add(v, "failed", "/runs?state=failed",
		    json_sprintf("%" PRId64 " run%s failed in the last day and %s not made good since.", failed,
		        failed == 1 ? "" : "s", failed == 1 ? "was" : "were"));
	judge_conf(status, v);
	json_array_foreach(json_object_get(status, "sensors"), i, s) judge_sensor(w, s, v);
	for (i = 0; i < w->conf->nassets; i++)
		judge_asset(w, &w->conf->assets[i], v);
	judge_nights(nights, v);
	judge_outbox(json_object_get(status, "outbox"), v);
	judge_places(json_object_get(status, "stores"), "Store", v);
	judge_places(json_object_get(status, "databases"), "Database", v);
	judge_disk(json_object_get(status, "disk"), v);
	judge_audit(json_object_get(status, "audit"), v);
	if (json_bool(status, "draining", false))
		add(v, "warnings", "/", json_string("The daemon is stopping and starts nothing new."));
	v->headline = headline_of(v, nights);
}

void verdict_release(struct verdict *v)
{
	json_decref(v->problems);
	json_decref(v->headline);
}
