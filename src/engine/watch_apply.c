/* What a tick has brought: reports into the index, requests into runs, a row of history, and when the next one is. */
#include "config.h"

#include "engine/watch_priv.h"

#include "engine/announce.h"
#include "engine/hints.h"
#include "engine/keyindex.h"
#include "engine/request.h"
#include "engine/tick.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sensor/sensor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FAIL_BACKOFF_MS INT64_C(10000) /* first wait after a failed tick; doubles up to the sensor's interval */
#define PUSH_BACKOFF_MS INT64_C(1000) /* the same for what was announced, up to WATCH_PUSH_WAIT_MAX */
#define PUSH_REST_MAX   60000 /* a pushed tick rests as long as the one before it took, up to this */

/* ---- history ---- */

static void record_tick(
    struct watch *w, const struct tick *t, const char *outcome, const char *reason, int64_t requested)
{
	struct sql *sql = w->engine->state->sql;
	tm_ms took = clock_mono() - t->mono;
	struct metric_batch *counts = &w->engine->counts;
	int64_t last = sql_get_int(sql, 0, "SELECT max(id) FROM tick WHERE sensor = ?1", "s", w->conf->name);

	metric_batch_count(counts, METRIC_SENSOR_TICKS, w->conf->name, outcome);
	metric_batch_observe(counts, METRIC_SENSOR_TICK_DURATION, (double)took / 1000, w->conf->name, NULL);
	/* A tick like the one before lengthens its row. */
	sql_do(sql,
	    "UPDATE tick SET last_at = ?2, n = n + 1, duration_ms = ?5"
	    " WHERE id = ?1 AND outcome = ?3 AND reason IS ?4 AND requested = 0 AND ?6 = 0",
	    "itssti", last, t->at, outcome, reason, took, requested);
	if (sql_changes(sql) == 0)
		sql_do(sql,
		    "INSERT INTO tick(sensor, first_at, last_at, n, outcome, reason, requested, duration_ms)"
		    " VALUES(?1, ?2, ?2, 1, ?3, ?4, ?5, ?6)",
		    "stssit", w->conf->name, t->at, outcome, reason, requested, took);
	sql_do(sql,
	    "INSERT INTO sensor(name, cursor, last_tick_at, last_ok_at, next_tick_at) VALUES(?1, ?2, ?3, "
	    "nullif(?4, 0), ?5)"
	    " ON CONFLICT(name) DO UPDATE SET cursor = ?2, last_tick_at = ?3, last_ok_at = coalesce(nullif(?4, "
	    "0), last_ok_at),"
	    " next_tick_at = ?5",
	    "ssttt", w->conf->name, w->cursor, t->at, t->err.class ? (tm_ms)0 : t->at, w->next);
}

/* ---- applying a tick ---- */

struct tally {
	int64_t made, duplicate, changed, no_room, bad;
	struct strbuf text;
	json_t *runs;
};

static void apply_request(struct watch *w, const struct run_request *req, bool dry_run, struct tally *tally)
{
	struct err err = ERR_INIT;
	int64_t run_id = 0;

	switch (request_from_sensor(w->engine, w->conf, req, dry_run, &run_id, &err)) {
	case REQUEST_MADE:
		tally->made++;
		strbuf_addf(&tally->text, "%s%s: %s", tally->text.len ? "; " : "", req->key,
		    req->why ? req->why : "complete");
		json_array_append_new(
		    tally->runs, json_pack("{s:s, s:o, s:s?}", "key", req->key, "run",
		                     dry_run ? json_null() : json_integer(run_id), "why", req->why));
		return;
	case REQUEST_DUPLICATE: tally->duplicate++; return;
	case REQUEST_CHANGED: tally->changed++; return;
	case REQUEST_NO_ROOM: tally->no_room++; break;
	case REQUEST_BAD: tally->bad++; break;
	}
	strbuf_addf(&tally->text, "%s%s: %s", tally->text.len ? "; " : "", req->key, err.text);
	log_warn("sensor %s key=%s: no run: %s", w->conf->name, req->key, err.text);
}

static const char *tick_outcome(const struct tick *t, const struct tally *tally)
{
	if (tally->made > 0)
		return "requested";
	return t->err.class != ERR_NONE || tally->bad > 0 || tally->no_room > 0 ? "failed" : "skipped";
}

static char *tick_reason(const struct tick *t, struct tally *tally)
{
	struct strbuf s = STRBUF_INIT(8192);
	char *text;

	if (t->err.class != ERR_NONE) {
		strbuf_addstr(&s, t->err.text);
	} else if (tally->text.len > 0) {
		strbuf_add(&s, tally->text.buf, MIN(tally->text.len, (size_t)2000));
	} else if (t->skip_reason != NULL) {
		strbuf_add(&s, t->skip_reason, MIN(strlen(t->skip_reason), (size_t)2000));
	}
	if (tally->changed > 0)
		strbuf_addf(&s, "%s%" PRId64 " changed after their run (not run again)", s.len ? "; " : "",
		    tally->changed);
	if (t->pushed)
		text = xasprintf("pushed%s%s", s.len > 0 ? ": " : "", s.buf);
	else
		text = s.len > 0 ? xstrdup(s.buf) : NULL;
	strbuf_release(&s);
	return text;
}

static void answer_waiters(
    struct watch *w, const struct tick *t, const char *outcome, const char *reason, json_t *runs)
{
	STAILQ_HEAD(, waiter) rest = STAILQ_HEAD_INITIALIZER(rest);
	struct waiter *wt;
	json_t *summary = json_pack("{s:s, s:s, s:s?, s:I, s:O, s:b}", "sensor", w->conf->name, "outcome",
	    outcome, "reason", reason, "keys", (json_int_t)t->seen, "runs", runs, "dry_run", t->dry_run);

	while ((wt = STAILQ_FIRST(&w->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->waiters, link);
		if (!wt->served) {
			STAILQ_INSERT_TAIL(&rest, wt, link);
			continue;
		}
		wt->fn(summary, t->err.class ? &t->err : NULL, wt->arg);
		free(wt);
	}
	STAILQ_CONCAT(&w->waiters, &rest);
	json_decref(summary);
}

void watch_reload_keys(struct watch *w)
{
	keyindex_free(w->keys);
	w->keys = keyindex_load(w->engine->state, w->conf->name, w->engine->conf->limits.keep_keys);
}

/* By the interval, or by the calendar of types that have one. */
static tm_ms next_by_plan(const struct watch *w)
{
	const struct sensor_calendar *calendar = w->conf->type->calendar;
	struct calendar_time next;
	tm_ms now = w->engine->now;

	if (calendar != NULL && calendar->next(w->conf->opts, now, &next, 1) == 1)
		return next.at;
	return now + w->conf->every;
}

/* Pushed ticks come besides the plan: they leave it alone. */
static void plan_next(struct watch *w, const struct tick *t, bool failed)
{
	if (t->pushed)
		return;
	w->planned = w->engine->now;
	w->next = next_by_plan(w);
	if (failed) {
		tm_ms backoff = FAIL_BACKOFF_MS << MIN(w->failures, 20);

		w->next = MIN(w->next, w->engine->now + MIN(backoff, w->conf->every));
		w->failures++;
	} else {
		w->failures = 0;
	}
}

/*
 * A wall clock set back must not silence a sensor for longer than its interval.  A calendar is asked again only then, and
 * at a start: it may have been written anew.
 */
void watch_replan(struct watch *w)
{
	if (w->conf->type->calendar == NULL || w->engine->now < w->planned) {
		w->planned = w->engine->now;
		w->next = MIN(w->next, next_by_plan(w));
	}
}

/* What the tick saw needs no other; what it could not see is tried again, at the latest when the interval is over. */
static void settle_hints(struct watch *w, const struct tick *t, bool seen)
{
	tm_ms wait;

	if (seen) {
		hints_settle(w->hints);
		w->push_failures = 0;
		wait = MIN(clock_mono() - t->mono, (tm_ms)PUSH_REST_MAX);
	} else {
		hints_give_back(w->hints);
		wait = MIN(PUSH_BACKOFF_MS << MIN(w->push_failures, 20), WATCH_PUSH_WAIT_MAX);
		w->push_failures++;
	}
	w->push_next = w->engine->now + wait;
}

static void apply_good(struct watch *w, struct tick *t, struct tally *tally)
{
	struct engine *e = w->engine;

	for (size_t i = 0; i < t->nreports && !t->dry_run; i++) {
		keyindex_write(w->keys, e->state, &t->reports[i], e->now);
		announce_key(e->state, e->conf, w->conf, &t->reports[i], e->now);
	}
	if (t->whole && !t->cut && !t->dry_run)
		keyindex_sweep(w->keys, e->state, e->now);
	for (size_t i = 0; i < t->nrequests; i++)
		apply_request(w, &t->requests[i].req, t->dry_run, tally);
}

static void count_schedule(const struct watch *w, const struct tick *t, const struct tally *tally)
{
	struct metric_batch *counts = &w->engine->counts;
	const struct {
		const char *outcome;
		int64_t n;
	} rows[] = {
	    {"run", tally->made}, {"skipped", tally->duplicate + tally->changed}, {"missed", t->missed}};

	for (size_t i = 0; w->conf->type->calendar != NULL && i < NITEMS(rows); i++)
		metric_batch_add(
		    counts, METRIC_SCHEDULE_TICKS, (double)rows[i].n, w->conf->name, rows[i].outcome);
}

void watch_apply(struct watch *w)
{
	struct tick *t = w->tick;
	struct tally tally = {.text = STRBUF_INIT(65536), .runs = json_array()};
	const char *outcome;
	char *reason;
	bool good = t->err.class == ERR_NONE, all_taken;

	w->tick = NULL;
	if (good)
		apply_good(w, t, &tally);
	all_taken = good && tally.no_room == 0;
	outcome = tick_outcome(t, &tally);
	reason = tick_reason(t, &tally);
	if (!t->dry_run) {
		settle_hints(w, t, all_taken && !t->again);
		plan_next(w, t, !all_taken);
		/* Where there was no room the sensor must ask again for what lies behind the old cursor. */
		if (all_taken)
			xstrset(&w->cursor, t->cursor);
		record_tick(w, t, outcome, reason, tally.made);
		count_schedule(w, t, &tally);
		engine_note(w->engine, "sensor", 0, w->conf->name,
		    json_pack("{s:s, s:s?, s:I}", "outcome", outcome, "reason", reason, "requested",
		        (json_int_t)tally.made));
	}
	/* What the index saw in a tick that does not count must not hide the next one's changes. */
	if (t->dry_run || !good)
		watch_reload_keys(w);
	if (!good)
		log_warn("sensor %s: tick failed, next in %" PRId64 " s: %s", w->conf->name,
		    ((t->pushed ? w->push_next : w->next) - w->engine->now) / 1000, reason);
	answer_waiters(w, t, outcome, reason, tally.runs);
	free(reason);
	json_decref(tally.runs);
	strbuf_release(&tally.text);
	tick_free(t);
}
