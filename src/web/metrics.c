/* Numbers for Prometheus: its text format, or OpenMetrics when that is asked for. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RECENT_RUNS 20000 /* `orchd_runs` counts ended runs among the newest of these */

struct exposition {
	struct strbuf *out;
	bool open_metrics;
};

/* name without _total; OpenMetrics names a counter's family so, the older format by the sample's own name. */
static void family(const struct exposition *x, const char *name, const char *type, const char *help)
{
	const char *total = strcmp(type, "counter") == 0 && !x->open_metrics ? "_total" : "";

	strbuf_addf(x->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, total, help, name, total, type);
}

static void label_value(struct strbuf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\' || *s == '"')
			strbuf_addch(out, '\\');
		if (*s == '\n')
			strbuf_addstr(out, "\\n");
		else
			strbuf_addch(out, *s);
	}
}

/* Labels as name and value in turn, ended by NULL. */
static void sample(const struct exposition *x, const char *name, const char *const *labels, double value)
{
	strbuf_addstr(x->out, name);
	for (size_t i = 0; labels != NULL && labels[i] != NULL; i += 2) {
		strbuf_addf(x->out, "%s%s=\"", i ? "," : "{", labels[i]);
		label_value(x->out, labels[i + 1] ? labels[i + 1] : "");
		strbuf_addch(x->out, '"');
	}
	strbuf_addf(x->out, labels != NULL && labels[0] != NULL ? "} %.17g\n" : " %.17g\n", value);
}

static void single(
    const struct exposition *x, const char *name, const char *type, const char *help, double value)
{
	char counter[80];

	family(x, name, type, help);
	snprintf(counter, sizeof(counter), "%s_total", name);
	sample(x, strcmp(type, "counter") == 0 ? counter : name, NULL, value);
}

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void about(const struct exposition *x, const struct web *w)
{
	family(x, "orchd_build_info", "gauge", "Version of the daemon.");
	sample(x, "orchd_build_info", LABELS("version", PACKAGE_VERSION), 1);
	if (w->engine == NULL)
		return;
	single(x, "orchd_start_time_seconds", "gauge", "When the daemon started.",
	    (double)engine_stats(w->engine)->started_at / 1000);
	single(x, "orchd_steps_running", "gauge", "Step processes under way.",
	    (double)engine_stats(w->engine)->steps_running);
	single(x, "orchd_state_commits", "counter", "Commits of the state database.",
	    (double)engine_stats(w->engine)->commits);
	single(x, "orchd_state_commit_failures", "counter", "Commits that failed.",
	    (double)engine_stats(w->engine)->commit_failures);
	single(x, "orchd_state_commit_max_seconds", "gauge", "Longest commit since the start.",
	    (double)engine_stats(w->engine)->commit_us_max / 1e6);
}

static void loop_lag(const struct exposition *x, const struct web_lag *lag)
{
	int64_t sum = 0;
	char bound[32];

	family(x, "orchd_loop_lag_seconds", "histogram", "How late the loop runs its timers.");
	for (size_t i = 0; i < LAG_BUCKETS; i++) {
		sum += lag->bucket[i];
		snprintf(bound, sizeof(bound), "%g", (double)lag_bound_us[i] / 1e6);
		sample(x, "orchd_loop_lag_seconds_bucket", LABELS("le", bound), (double)sum);
	}
	sample(x, "orchd_loop_lag_seconds_bucket", LABELS("le", "+Inf"), (double)lag->n);
	sample(x, "orchd_loop_lag_seconds_sum", NULL, (double)lag->sum_us / 1e6);
	sample(x, "orchd_loop_lag_seconds_count", NULL, (double)lag->n);
}

/* 0 for NULL or what is no time. */
static double seconds_of(const char *iso)
{
	tm_ms t;

	return iso != NULL && utctime_parse(iso, &t) == 0 ? (double)t / 1000 : 0;
}

static void sensors(const struct exposition *x, const struct web *w)
{
	json_t *obj = query_sensors(&w->query, NULL);
	const json_t *list = json_object_get(obj, "sensors"), *s, *n;
	const char *verdict;
	size_t i;

	family(x, "orchd_sensor_last_success_timestamp_seconds", "gauge",
	    "When a sensor last looked without failing.");
	json_array_foreach(list, i, s) sample(x, "orchd_sensor_last_success_timestamp_seconds",
	    LABELS("sensor", json_str(s, "name", "")), seconds_of(json_str(s, "last_ok_at", NULL)));
	family(x, "orchd_sensor_tick_duration_seconds", "gauge", "How long the newest tick took.");
	json_array_foreach(list, i, s)
	    sample(x, "orchd_sensor_tick_duration_seconds", LABELS("sensor", json_str(s, "name", "")),
	        (double)json_int(json_object_get(s, "last"), "duration_ms", 0) / 1000);
	family(x, "orchd_sensor_late", "gauge", "1 when a tick is overdue.");
	json_array_foreach(list, i, s) sample(x, "orchd_sensor_late", LABELS("sensor", json_str(s, "name", "")),
	    sensor_late_ms(s, w->conf, clock_now()) > 0);
	family(x, "orchd_sensor_keys", "gauge", "Keys a sensor sees, by what it decided about them.");
	json_array_foreach(list, i, s)
	{
		json_object_foreach((json_t *)json_object_get(s, "keys"), verdict, n)
		    sample(x, "orchd_sensor_keys", LABELS("sensor", json_str(s, "name", ""), "state", verdict),
		        json_number_value(n));
	}
	json_decref(obj);
}

static void runs(const struct exposition *x, const struct web *w)
{
	struct sql_row *row = sql_query(w->query.state->sql,
	    "SELECT coalesce(job, ''), state, count(*) FROM run WHERE id > (SELECT coalesce(max(id), 0) FROM "
	    "run) - ?1"
	    " GROUP BY 1, 2 ORDER BY 1, 2",
	    "i", (int64_t)RECENT_RUNS);

	family(x, "orchd_runs", "gauge", "Runs by job and state, among the newest 20000.");
	while (sql_next(row))
		sample(x, "orchd_runs", LABELS("job", sql_text(row, 0), "state", sql_text(row, 1)),
		    (double)sql_int(row, 2));
	sql_end(row);
}

static void assets(const struct exposition *x, const struct web *w)
{
	json_t *obj = query_assets(&w->query, NULL);
	const json_t *a;
	size_t i;

	family(
	    x, "orchd_asset_last_materialization_timestamp_seconds", "gauge", "When an asset was last made.");
	json_array_foreach(json_object_get(obj, "assets"), i, a)
	{
		const char *at = json_str(json_object_get(a, "last"), "at", NULL);

		if (at != NULL)
			sample(x, "orchd_asset_last_materialization_timestamp_seconds",
			    LABELS("asset", json_str(a, "name", "")), seconds_of(at));
	}
	json_decref(obj);
}

/* Oldest wait of a run that is queued. */
static void queue(const struct exposition *x, const struct web *w)
{
	tm_ms oldest = sql_get_int(w->query.state->sql, 0,
	    "SELECT min(created_at) FROM run WHERE ended_at IS NULL AND state = 'queued'", "");

	single(x, "orchd_queue_oldest_age_seconds", "gauge", "How long the oldest queued run waits.",
	    oldest > 0 ? (double)(clock_now() - oldest) / 1000 : 0);
}

static void disk(const struct exposition *x, const struct web *w)
{
	struct statvfs vfs;

	single(x, "orchd_state_db_bytes", "gauge", "Size of the state database.",
	    (double)(sql_get_int(w->query.state->sql, 0, "PRAGMA page_count", "") *
	             sql_get_int(w->query.state->sql, 0, "PRAGMA page_size", "")));
	if (statvfs(w->conf->state_dir, &vfs) == 0)
		single(x, "orchd_disk_free_bytes", "gauge", "Free space where the state is.",
		    (double)vfs.f_bavail * (double)vfs.f_frsize);
}

static void http(const struct exposition *x, const struct web *w)
{
	static const char *const class[] = {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
	const struct httpd_stats *st = httpd_stats(w->server);

	family(x, "orchd_http_requests", "counter", "Requests of this page, by class of status.");
	for (size_t i = 2; i < NITEMS(class); i++)
		sample(x, "orchd_http_requests_total", LABELS("code", class[i]), (double)st->by_class[i]);
	single(x, "orchd_http_connections", "gauge", "Connections of this page.", (double)st->connections);
	single(x, "orchd_http_refused", "counter", "Connections refused by the limits.", (double)st->refused);
	single(x, "orchd_http_streams", "gauge", "Readers of live events.", (double)streams_count(w->streams));
}

static void process(const struct exposition *x)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long size, resident;

	if (f == NULL)
		return;
	if (fscanf(f, "%ld %ld", &size, &resident) == 2)
		single(x, "process_resident_memory_bytes", "gauge", "Memory in use.",
		    (double)resident * (double)sysconf(_SC_PAGESIZE));
	fclose(f);
}

void page_metrics(struct page *p)
{
	const char *accept = p->ask->accept;
	struct exposition x = {.out = &p->body,
	    .open_metrics = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL};

	p->content_type = x.open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
	                                 : "text/plain; version=0.0.4; charset=utf-8";
	about(&x, p->web);
	loop_lag(&x, p->web->lag);
	sensors(&x, p->web);
	runs(&x, p->web);
	queue(&x, p->web);
	assets(&x, p->web);
	disk(&x, p->web);
	http(&x, p->web);
	process(&x);
	if (x.open_metrics)
		strbuf_addstr(&p->body, "# EOF\n");
}
