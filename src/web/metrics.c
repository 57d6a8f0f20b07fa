/*
 * What Prometheus is shown: the counters of metric.h, and gauges, each a row of a table with the one who knows.
 *
 * A scrape costs no walk over anything that grows with the history: gauges come from memory, or by an index.
 */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "database/database.h"
#include "engine/engine.h"
#include "engine/view.h"
#include "metric/health.h"
#include "push/push.h"
#include "state/state.h"
#include "store/store.h"
#include "web/exposition.h"
#include "web/process.h"

#include <string.h>
#include <sys/statvfs.h>

/* A gauge being shown: samples go under its name. */
struct gauge {
	const struct exposition *x;
	const char *name;
	const struct web *web;
	const struct conf *conf;
	const struct engine *engine; /* never NULL for rows that need one */
	struct sql *sql;
};

static void put(const struct gauge *g, const char *const *labels, double value)
{
	exposition_sample(g->x, g->name, labels, value);
}

static double seconds(tm_ms t)
{
	return (double)t / 1000;
}

/* ---- the daemon ---- */

static void build_info(const struct gauge *g)
{
	put(g, LABELS("version", PACKAGE_VERSION), 1);
}

static void start_time(const struct gauge *g)
{
	put(g, NULL, seconds(engine_stats(g->engine)->started_at));
}

static void recovery_duration(const struct gauge *g)
{
	put(g, NULL, (double)engine_stats(g->engine)->recovery_us / 1e6);
}

static void draining(const struct gauge *g)
{
	put(g, NULL, engine_is_draining(g->engine));
}

static void state_bytes(const struct gauge *g)
{
	put(g, NULL,
	    (double)sql_get_int(g->sql, 0, "PRAGMA page_count", "") *
	        (double)sql_get_int(g->sql, 0, "PRAGMA page_size", ""));
}

static void disk_free(const struct gauge *g)
{
	struct statvfs vfs;

	if (statvfs(g->conf->state_dir, &vfs) == 0)
		put(g, NULL, (double)vfs.f_bavail * (double)vfs.f_frsize);
}

static void disk_size(const struct gauge *g)
{
	struct statvfs vfs;

	if (statvfs(g->conf->state_dir, &vfs) == 0)
		put(g, NULL, (double)vfs.f_blocks * (double)vfs.f_frsize);
}

static void connections(const struct gauge *g)
{
	if (g->web->server != NULL)
		put(g, NULL, (double)httpd_stats(g->web->server)->connections);
}

static void streams(const struct gauge *g)
{
	if (g->web->streams != NULL)
		put(g, NULL, (double)streams_count(g->web->streams));
}

/* ---- sensors ---- */

static void sensor_success(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nsensors; i++)
		put(g, LABELS("sensor", g->conf->sensors[i].name),
		    seconds(sensor_times(g->web, &g->conf->sensors[i]).last_ok_at));
}

static void sensor_late(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nsensors; i++)
		put(g, LABELS("sensor", g->conf->sensors[i].name),
		    sensor_times(g->web, &g->conf->sensors[i]).late_ms > 0);
}

static void sensor_paused(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nsensors; i++)
		put(g, LABELS("sensor", g->conf->sensors[i].name),
		    sensor_times(g->web, &g->conf->sensors[i]).paused);
}

static void sensor_keys(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nsensors; i++) {
		const char *name = g->conf->sensors[i].name;
		const struct key_tally *keys = view_keys(g->engine, name);

		for (int v = 0; keys != NULL && v < KEY_NVERDICTS; v++)
			put(g, LABELS("sensor", name, "state", key_verdict_name((enum key_verdict)v)),
			    (double)keys->n[v]);
	}
}

static void raw_held(const struct gauge *g)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < g->conf->nsensors; i++) {
		const struct key_tally *keys = view_keys(g->engine, g->conf->sensors[i].name);

		bytes += keys ? keys->bytes : 0;
	}
	put(g, NULL, (double)bytes);
}

/* ---- runs, steps, pools ---- */

static void runs(const struct gauge *g)
{
	for (size_t i = 0; i <= g->conf->njobs; i++) {
		const char *job = i < g->conf->njobs ? g->conf->jobs[i].name : NULL;
		struct view_runs v = view_runs(g->engine, job);

		put(g, LABELS("job", job ? job : METRIC_NONE, "state", "queued"), (double)v.queued);
		put(g, LABELS("job", job ? job : METRIC_NONE, "state", "running"), (double)v.running);
	}
}

static void run_wait(const struct gauge *g)
{
	for (size_t i = 0; i <= g->conf->njobs; i++) {
		const char *job = i < g->conf->njobs ? g->conf->jobs[i].name : NULL;
		tm_ms oldest = view_runs(g->engine, job).oldest;

		put(g, LABELS("job", job ? job : METRIC_NONE),
		    oldest ? seconds(MAX(clock_now() - oldest, (tm_ms)0)) : 0);
	}
}

static void steps_running(const struct gauge *g)
{
	put(g, NULL, (double)engine_stats(g->engine)->steps_running);
}

static void pool_slots(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->npools; i++) {
		const struct conf_pool *p = &g->conf->pools[i];
		int64_t used = view_pool(g->engine, p->name).used;

		put(g, LABELS("pool", p->name, "state", "used"), (double)used);
		put(g, LABELS("pool", p->name, "state", "free"), (double)MAX(p->slots - used, (int64_t)0));
	}
}

static void queue_age(const struct gauge *g)
{
	for (size_t i = 0; i <= g->conf->npools; i++) {
		const char *pool = i < g->conf->npools ? g->conf->pools[i].name : NULL;

		put(g, LABELS("pool", pool ? pool : METRIC_NONE),
		    (double)view_pool(g->engine, pool).oldest_us / 1e6);
	}
}

/* ---- assets ---- */

static void asset_made(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nassets; i++) {
		tm_ms at = query_asset_made(&g->web->query, &g->conf->assets[i]);

		if (at != 0)
			put(g, LABELS("asset", g->conf->assets[i].name), seconds(at));
	}
}

/* Of those that are expected at all. */
static void asset_late(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nassets; i++)
		if (g->conf->assets[i].fresh_within > 0)
			put(g, LABELS("asset", g->conf->assets[i].name),
			    query_asset_late(&g->web->query, &g->conf->assets[i]) > 0);
}

/* ---- the world outside ---- */

static void outbox_pending(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nnotifications; i++)
		put(g, LABELS("sink", g->conf->notifications[i].name),
		    (double)sql_get_int(g->sql, 0,
		        "SELECT count(*) FROM outbox WHERE sink = ?1 AND state = 'pending'", "s",
		        g->conf->notifications[i].name));
}

/* The first of a sink was written first. */
static void outbox_age(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nnotifications; i++) {
		tm_ms at = sql_get_int(g->sql, 0,
		    "SELECT created_at FROM outbox WHERE sink = ?1 AND state = 'pending' ORDER BY id LIMIT 1",
		    "s", g->conf->notifications[i].name);

		put(g, LABELS("sink", g->conf->notifications[i].name),
		    at ? seconds(MAX(clock_now() - at, (tm_ms)0)) : 0);
	}
}

static void store_up(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->nstores; i++) {
		const struct health *h = health_find(HEALTH_STORE, g->conf->stores[i].name);

		if (h != NULL)
			put(g, LABELS("store", h->name), health_is_good(h));
	}
}

static void mysql_up(const struct gauge *g)
{
	for (size_t i = 0; i < g->conf->ndatabases; i++) {
		const struct health *h = health_find(HEALTH_DATABASE, g->conf->databases[i].name);

		if (h != NULL && strcmp(g->conf->databases[i].type->name, "mysql") == 0)
			put(g, LABELS("database", h->name), health_is_good(h));
	}
}

static void push_last(const struct gauge *g)
{
	if (g->web->query.push != NULL && g->web->query.push->last_at != 0)
		put(g, NULL, seconds(g->web->query.push->last_at));
}

static const struct {
	const char *name, *unit, *help;
	void (*put)(const struct gauge *);
	bool engine; /* only a daemon knows */
} gauges[] = {
    {"orchd_build_info", NULL, "Version of the daemon.", build_info, false},
    {"orchd_start_time_seconds", "seconds", "When the daemon started, since 1970.", start_time, true},
    {"orchd_recovery_duration_seconds", "seconds", "How long the daemon needed to know where it was.",
        recovery_duration, true},
    {"orchd_draining", NULL, "1 while the daemon stops and starts nothing new.", draining, true},
    {"orchd_state_db_bytes", "bytes", "Size of the state database.", state_bytes, false},
    {"orchd_disk_free_bytes", "bytes", "Free space where the state is.", disk_free, false},
    {"orchd_disk_size_bytes", "bytes", "All the space there.", disk_size, false},
    {"orchd_sensor_last_success_timestamp_seconds", "seconds",
        "When a sensor last looked without failing, since 1970; 0 for never.", sensor_success, false},
    {"orchd_sensor_late", NULL, "1 when a tick is overdue.", sensor_late, false},
    {"orchd_sensor_paused", NULL, "1 while a sensor is paused.", sensor_paused, false},
    {"orchd_sensor_keys", NULL, "Keys a sensor sees, by what it decided about them.", sensor_keys, true},
    {"orchd_raw_held_bytes", "bytes", "Bytes of the keys that sensors see and do not ignore.", raw_held, true},
    {"orchd_runs", NULL, "Runs that have not ended.", runs, true},
    {"orchd_run_queue_oldest_age_seconds", "seconds", "How long the oldest queued run waits.", run_wait, true},
    {"orchd_steps_running", NULL, "Step processes under way.", steps_running, true},
    {"orchd_pool_slots", NULL, "Slots of a pool.", pool_slots, true},
    {"orchd_queue_oldest_age_seconds", "seconds", "How long the step that waits longest could have started.",
        queue_age, true},
    {"orchd_asset_last_materialization_timestamp_seconds", "seconds",
        "When an asset was last made, since 1970.", asset_made, false},
    {"orchd_asset_late", NULL, "1 when an asset was last made longer ago than its fresh_within.", asset_late,
        false},
    {"orchd_outbox_pending", NULL, "Notifications that wait.", outbox_pending, false},
    {"orchd_outbox_oldest_age_seconds", "seconds", "How long the oldest of them waits.", outbox_age, false},
    {"orchd_store_up", NULL, "1 when the store answered as it was last used.", store_up, true},
    {"orchd_mysql_up", NULL, "1 when the MySQL server answered as it was last used.", mysql_up, true},
    {"orchd_push_last_event_timestamp_seconds", "seconds",
        "When the last event of a store's notification came, since 1970.", push_last, true},
    {"orchd_http_connections", NULL, "Connections of the status page.", connections, false},
    {"orchd_http_streams", NULL, "Readers of live events.", streams, false},
};

/* ---- what the push endpoint keeps itself ---- */

static void push(const struct exposition *x, const struct push_stats *s)
{
	exposition_counter(
	    x, "orchd_push_events", NULL, "Events in notifications of stores, by what came of them.");
	if (s != NULL) {
		const char *name = "orchd_push_events_total";

		exposition_sample(x, name, LABELS("outcome", "accepted"), (double)s->accepted);
		exposition_sample(x, name, LABELS("outcome", "duplicate"), (double)s->duplicates);
		exposition_sample(x, name, LABELS("outcome", "ignored"), (double)s->ignored);
		exposition_sample(x, name, LABELS("outcome", "unknown"), (double)s->unknown);
		exposition_sample(x, name, LABELS("outcome", "bad"), (double)s->bad);
	}
	exposition_counter(
	    x, "orchd_push_requests", NULL, "Requests to the push endpoint, by how they were answered.");
	if (s != NULL) {
		const char *name = "orchd_push_requests_total";

		exposition_sample(x, name, LABELS("outcome", "taken"), (double)s->requests);
		exposition_sample(x, name, LABELS("outcome", "refused"), (double)s->refused);
		exposition_sample(x, name, LABELS("outcome", "malformed"), (double)s->malformed);
		exposition_sample(x, name, LABELS("outcome", "unavailable"), (double)s->unavailable);
	}
}

/* Series that begin before they count, so that their first event is an increase. */
static void expect(const struct conf *conf)
{
	static const char *const outcomes[] = {"ok", "warnings", "no_data", "failed", "canceled"};
	static const char *const ticks[] = {"requested", "skipped", "failed"};
	static const char *const instants[] = {"run", "skipped", "missed"};
	static const char *const deliveries[] = {"delivered", "failed", "expired"};
	static const char *const deletes[] = {"deleted", "absent", "changed", "kept", "refused"};

	for (size_t i = 0; i < conf->njobs; i++)
		for (size_t k = 0; k < NITEMS(outcomes); k++)
			metric_expect(METRIC_RUNS, conf->jobs[i].name, outcomes[k]);
	for (size_t i = 0; i < conf->nsensors; i++)
		for (size_t k = 0; k < NITEMS(ticks); k++)
			metric_expect(METRIC_SENSOR_TICKS, conf->sensors[i].name, ticks[k]);
	for (size_t i = 0; i < conf->nsensors; i++)
		for (size_t k = 0; conf->sensors[i].type->calendar != NULL && k < NITEMS(instants); k++)
			metric_expect(METRIC_SCHEDULE_TICKS, conf->sensors[i].name, instants[k]);
	for (size_t i = 0; i < conf->nnotifications; i++)
		for (size_t k = 0; k < NITEMS(deliveries); k++)
			metric_expect(METRIC_NOTIFICATIONS, conf->notifications[i].name, deliveries[k]);
	for (size_t i = 0; i < conf->nassets; i++)
		metric_expect(METRIC_STEP_RETRIES, conf->assets[i].name, err_class_name(ERR_TRANSIENT));
	for (size_t k = 0; k < NITEMS(deletes); k++)
		metric_expect(METRIC_DELETES, deletes[k], NULL);
	metric_expect(METRIC_S3_BYTES, "sent", NULL);
	metric_expect(METRIC_S3_BYTES, "received", NULL);
	metric_expect(METRIC_COMMIT_FAILURES, NULL, NULL);
	metric_expect(METRIC_HTTP_REQUESTS, "200", NULL);
	metric_expect(METRIC_HTTP_REFUSED, NULL, NULL);
	metric_expect(METRIC_STEP_START_DELAY, NULL, NULL);
}

void page_metrics(struct page *p)
{
	const struct web *w = p->web;
	struct exposition x = {.out = &p->body, .open_metrics = exposition_wants_open_metrics(p->ask->accept)};

	p->content_type = x.open_metrics ? exposition_type_open_metrics : exposition_type;
	expect(w->conf);
	for (size_t i = 0; i < NITEMS(gauges); i++) {
		struct gauge g = {.x = &x,
		    .name = gauges[i].name,
		    .web = w,
		    .conf = w->conf,
		    .engine = w->engine,
		    .sql = w->query.state->sql};

		if (gauges[i].engine && w->engine == NULL)
			continue;
		exposition_gauge(&x, g.name, gauges[i].unit, gauges[i].help);
		gauges[i].put(&g);
	}
	for (int m = 0; m < METRIC_COUNT; m++)
		exposition_metric(&x, (enum metric)m);
	push(&x, w->query.push);
	process_metrics(&x);
	exposition_end(&x);
}
