/* When sensors tick, and what is asked of them. */
#include "config.h"

#include "engine/watch_priv.h"

#include "engine/hints.h"
#include "engine/keyindex.h"
#include "engine/tick.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sensor/sensor.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- starting ticks ---- */

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	struct err err = ERR_INIT;

	if (w->tick == NULL || w->tick->done)
		return;
	w->conf->type->cancel(w->mem, w->tick);
	err_code(
	    &err, ERR_TRANSIENT, "timeout", "the tick took longer than %" PRId64 " s", w->conf->timeout / 1000);
	tick_done(w->tick, NULL, &err);
}

static void start_tick(struct watch *w, bool dry_run, bool pushed)
{
	struct timeval tv = {.tv_sec = w->conf->timeout / 1000, .tv_usec = w->conf->timeout % 1000 * 1000};
	struct tick *t = xcalloc(1, sizeof(*t));
	struct err err = ERR_INIT;
	struct waiter *wt;

	t->engine = w->engine;
	t->conf = w->conf;
	t->keys = w->keys;
	t->timeout = w->timeout;
	t->at = w->engine->now;
	t->mono = clock_mono();
	t->hints = w->hints;
	t->dry_run = dry_run;
	t->pushed = pushed;
	t->cursor = xstrdup(w->cursor);
	w->tick = t;
	STAILQ_FOREACH(wt, &w->waiters, link)
	wt->served = wt->dry_run == dry_run;
	keyindex_begin(w->keys);
	if (!dry_run)
		hints_take(w->hints);
	if (w->conf->timeout > 0)
		event_add(w->timeout, &tv);
	if (w->conf->type->tick(w->mem, t, &err) == -1)
		tick_done(t, NULL, &err);
}

static void start_due(struct watch *w)
{
	struct waiter *wt = STAILQ_FIRST(&w->waiters);
	struct engine *e = w->engine;

	if (w->tick != NULL || e->draining)
		return;
	watch_replan(w);
	w->push_next = MIN(w->push_next, e->now + WATCH_PUSH_WAIT_MAX);
	if (wt != NULL)
		start_tick(w, wt->dry_run, false);
	else if (w->paused != NULL || e->local)
		return;
	else if (w->next <= e->now)
		start_tick(w, false, false);
	else if (hints_waiting(w->hints) && w->push_next <= e->now)
		start_tick(w, false, true);
}

tm_ms watch_turn(struct engine *e)
{
	tm_ms due = TIME_NEVER;

	for (size_t i = 0; i < e->nwatches; i++) {
		struct watch *w = &e->watches[i];

		if (w->tick != NULL && w->tick->done)
			watch_apply(w);
		start_due(w);
		if (w->tick == NULL && w->paused == NULL && !e->local)
			due = MIN(due, hints_waiting(w->hints) ? MIN(w->next, w->push_next) : w->next);
	}
	return e->draining ? TIME_NEVER : due;
}

static void load_row(struct watch *w)
{
	struct sql_row *row = sql_query(w->engine->state->sql,
	    "SELECT cursor, paused, next_tick_at FROM sensor WHERE name = ?1", "s", w->conf->name);

	if (sql_next(row)) {
		xstrset(&w->cursor, sql_text(row, 0));
		xstrset(&w->paused, sql_text(row, 1));
		w->next = sql_int(row, 2);
	} else {
		xstrset(&w->cursor, "");
		if (w->conf->paused)
			xstrset(&w->paused, "the configuration");
	}
	sql_end(row);
}

void watch_start_all(struct engine *e)
{
	e->watches = xcalloc(e->conf->nsensors, sizeof(*e->watches));
	for (size_t i = 0; i < e->conf->nsensors; i++) {
		struct watch *w = &e->watches[e->nwatches++];
		struct err err = ERR_INIT;

		w->engine = e;
		w->conf = &e->conf->sensors[i];
		w->planned = TIME_NEVER;
		STAILQ_INIT(&w->waiters);
		w->timeout = event_new(e->base, -1, 0, on_timeout, w);
		load_row(w);
		watch_reload_keys(w);
		w->hints = hints_load(e->state, w->conf->name);
		if ((w->mem = w->conf->type->start(w->conf->opts, &err)) == NULL) {
			log_error("sensor %s cannot start, it stays paused: %s", w->conf->name, err.text);
			xstrset(&w->paused, "a failure to start");
		}
	}
	if (!e->local)
		tick_open_stores(e);
}

static void watch_stop(struct watch *w)
{
	struct err err = ERR_INIT;
	struct waiter *wt;

	if (w->tick != NULL) {
		if (!w->tick->done)
			w->conf->type->cancel(w->mem, w->tick);
		tick_free(w->tick);
	}
	err_set(&err, ERR_CANCELLED, "the sensor was stopped");
	while ((wt = STAILQ_FIRST(&w->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->waiters, link);
		wt->fn(NULL, &err, wt->arg);
		free(wt);
	}
	if (w->mem != NULL)
		w->conf->type->stop(w->mem);
	event_free(w->timeout);
	keyindex_free(w->keys);
	hints_free(w->hints);
	free(w->paused);
	free(w->cursor);
}

void watch_stop_all(struct engine *e)
{
	for (size_t i = 0; i < e->nwatches; i++)
		watch_stop(&e->watches[i]);
	free(e->watches);
	e->watches = NULL;
	e->nwatches = 0;
	tick_close_stores(e);
}

/* ---- what is announced ---- */

/* What senders of notifications call it: an S3 bucket by its name, anything else by the store's name here. */
static bool is_called(const struct conf_store *s, const char *bucket)
{
	return strcmp(s->type->bucket ? s->type->bucket(s->opts) : s->name, bucket) == 0;
}

static enum hint_fate watch_hint(struct watch *w, const char *store, const char *key)
{
	struct strbuf hint = STRBUF_INIT(SENSOR_HINT_MAX);
	bool added;

	if (w->conf->type->hint == NULL)
		return HINT_UNKNOWN;
	/* A sensor that could not start knows no keys: once it can, it looks at everything. */
	if (w->mem != NULL && !w->conf->type->hint(w->mem, store, key, &hint)) {
		strbuf_release(&hint);
		return HINT_UNKNOWN;
	}
	added = hints_add(w->hints, hint.buf, w->engine->now);
	strbuf_release(&hint);
	return added ? HINT_NEW : HINT_WAITS;
}

enum hint_fate engine_hint(struct engine *e, const char *bucket, const char *key)
{
	enum hint_fate fate = HINT_UNKNOWN;

	for (size_t s = 0; s < e->conf->nstores; s++) {
		if (!is_called(&e->conf->stores[s], bucket))
			continue;
		for (size_t i = 0; i < e->nwatches; i++)
			fate = MAX(fate, watch_hint(&e->watches[i], e->conf->stores[s].name, key));
	}
	if (fate == HINT_NEW)
		engine_kick(e);
	return fate;
}

/* ---- what people ask ---- */

static struct watch *watch_find(struct engine *e, const char *name, struct err *err)
{
	for (size_t i = 0; i < e->nwatches; i++)
		if (strcmp(e->watches[i].conf->name, name) == 0)
			return &e->watches[i];
	conf_missing(e->conf, "sensor", name, err);
	return NULL;
}

int engine_sensor_pause(struct engine *e, const char *name, bool paused, const char *who, struct err *err)
{
	struct watch *w = watch_find(e, name, err);

	if (w == NULL)
		return -1;
	if (!paused && w->mem == NULL)
		return err_code(err, ERR_PERMANENT, "refused", "the sensor could not be started; see the log");
	xstrset(&w->paused, paused ? who : NULL);
	sql_do(e->state->sql,
	    "INSERT INTO sensor(name, paused) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET paused = ?2", "ss",
	    name, w->paused);
	log_info("sensor %s %s by=%s", name, paused ? "paused" : "resumed", who);
	engine_kick(e);
	return 0;
}

int engine_sensor_tick(
    struct engine *e, const char *name, bool dry_run, engine_tick_fn *on_done, void *arg, struct err *err)
{
	struct watch *w = watch_find(e, name, err);
	struct waiter *wt;

	if (w == NULL)
		return -1;
	if (w->mem == NULL)
		return err_code(err, ERR_PERMANENT, "refused", "the sensor could not be started; see the log");
	if (e->draining)
		return err_code(err, ERR_TRANSIENT, "draining", "the daemon is stopping");
	wt = xcalloc(1, sizeof(*wt));
	*wt = (struct waiter){.fn = on_done, .arg = arg, .dry_run = dry_run};
	STAILQ_INSERT_TAIL(&w->waiters, wt, link);
	engine_kick(e);
	return 0;
}

const struct key_tally *watch_tally(const struct engine *e, const char *sensor)
{
	for (size_t i = 0; i < e->nwatches; i++)
		if (strcmp(e->watches[i].conf->name, sensor) == 0)
			return keyindex_tally(e->watches[i].keys);
	return NULL;
}
