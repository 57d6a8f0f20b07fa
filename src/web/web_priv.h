/* web_priv.h: what the files of the page share. */
#ifndef WEB_PRIV_H
#define WEB_PRIV_H

#include "base/json.h"
#include "query/query.h"
#include "web/html.h"
#include "web/nights.h"
#include "web/zones.h"
#include "net/httpd.h"
#include "net/payload.h"
#include "web/web.h"

#define PAGE_MAX ((size_t)8 << 20)

struct conf;
struct conf_sensor;
struct event_base;
struct store;

struct web {
	struct event_base *base;
	struct conf *conf;
	struct engine *engine;
	struct query query;
	struct httpd *server;
	struct page_cache *cache;
	struct orders *orders;
	struct web_streams *streams;
	struct web_pictures *pictures;
	struct web_lag *lag;
	struct zones *zones;
	bool copy; /* rendered into files: nothing is live, nothing can be asked for */
};

/* Only what rendering needs, without a server: engine, streams and lag are NULL. */
struct web *web_new_copy(struct event_base *base, struct conf *conf, struct err *err);

/* What is asked of a page, whoever asks: a connection, or a program that keeps the page as files. */
struct page_ask {
	const char *path; /* decoded once */
	/* Known to a route that is fresh alone, for other pages are shared by all who ask for their target: */
	const char *host; /* what the asker calls us; NULL: links begin at the root of the page */
	const char *accept; /* may be NULL */
	const char *(*param)(void *arg, const char *name); /* of the query, decoded; NULL: not given */
	void *arg;
};

/* A page that is made at once. */
struct page {
	struct web *web;
	const struct page_ask *ask;
	const char *arg[2]; /* what stood for * in the route */
	struct strbuf body;
	size_t foot; /* where the part of body begins that tells the time alone; 0: there is none */
	const char *content_type;
	int status;
	bool immutable; /* the client may keep it */
	bool svg; /* a picture by itself, with styles of its own */
};

typedef void page_fn(struct page *);

/* ---- routes.c ---- */

struct route {
	const char *pattern;
	page_fn *page;
	bool fresh; /* made for each request, at once: it must cost little */
	int64_t (*pictures)(
	    struct web *, const char *arg); /* the run whose pictures it shows, 0: none; NULL: never any */
};

extern const struct route routes[]; /* ends with a NULL pattern */
/* NULL: none.  args are lent from *copy, which is the caller's to free. */
const struct route *route_find(const char *path, char **copy, const char *args[2]);
/* What answers where route_find knows nothing. */
const struct route *route_nowhere(const char *path);
/* The caller's to strbuf_release the body. */
void route_render(
    struct web *, const struct route *, const char *args[2], const struct page_ask *, struct page *out);

/* ---- layout.c: the frame of an HTML page; the body is written between the two ---- */

void layout_begin(struct page *, const char *title, const char *here);
void layout_end(struct page *);
/* A page that says what is wrong, with the status that fits. */
void layout_error(struct page *, const struct err *err);
int layout_error_status(const struct err *err);
/* What readers are told: not what is inside (statements, paths), which goes to the log. */
const char *layout_error_text(const struct err *err);

/* ---- parts.c: words, times, numbers and links ---- */

void part_state(struct strbuf *, const char *state); /* a word with its shape and colour */
const char *part_tone(const char *state); /* good, warn, bad, off, live, wait */
const char *part_shape(const char *state);
const char *part_word(const char *state);
void part_time(struct strbuf *, const char *iso); /* <time>, "-" for NULL */
/* "3 min ago", "in 5 min", with the time itself as its title; in a copy, which is read later, the time. */
void part_ago(struct page *, const char *iso);
/* " (08:00 MST)" where a component of the partition has a time zone, nothing elsewhere; with the date if that differs. */
void part_local(struct page *, const char *iso, const char *partition);
void part_span(struct strbuf *, const char *from, const char *to); /* how long; to NULL: until now */
void part_ms(struct strbuf *, int64_t ms);
void part_bytes(struct strbuf *, int64_t n);
void part_date(struct strbuf *, const char *date); /* eight digits as 2026-04-07 */
void part_run_link(struct strbuf *, int64_t id);
void part_asset_link(struct strbuf *, const char *name);
void part_partition_link(struct strbuf *, const char *partition);
void part_path(struct strbuf *, const char *path); /* percent-encoded component by component */
void part_shell(
    struct strbuf *, const char *text); /* for a command line, in quotes that nothing in it can end */
void part_error(struct strbuf *, const json_t *error);
void part_freshness(struct strbuf *, const json_t *freshness); /* its state, and the reasons after it */
void part_progress(
    struct strbuf *, int64_t run, const json_t *step); /* of a step with "live"; live.js keeps it so */
void part_json(struct strbuf *, const json_t *value); /* nested definition lists */
int64_t part_ms_between(const char *from, const char *to); /* -1: one is missing */
/* A parameter that is given and not empty, or NULL; and as a number, def when it is none. */
const char *page_param(const struct page *, const char *name);
int64_t page_number(const struct page *, const char *name, int64_t def);

/* ---- grid.c ---- */

/*
 * Until grid_end.  heads: names between '|'; '#' before one: a column of numbers, '-': left out where there is little
 * room; '=' before all: it stays a table there, others become lines.  The caption is for those who listen.
 */
void grid_begin(struct strbuf *, const char *caption, const char *heads);
void grid_end(struct strbuf *);
void grid_runs(struct strbuf *, const json_t *runs); /* as they come from query_runs */
void grid_keys(struct strbuf *, const json_t *keys); /* as they come from query_keys */
void grid_steps(struct page *, const json_t *steps); /* as they come from query_queue */

/* ---- checks.c ---- */

void checks_section(struct page *, const char *title, const json_t *checks); /* unless there are none */

/* ---- page_nights.c ---- */

void nights_cell(
    struct page *, const struct night_row *, const char *date, const struct night *); /* one <td> */
void nights_stuck(struct page *, const struct nights *, size_t most); /* a section, unless there are none */

/* ---- page_sensors.c: of a row of query_sensors ---- */

#define SENSOR_TICKS_SHOWN 60
void sensor_strip(struct page *, const json_t *ticks); /* query_ticks' */
void sensor_facts(struct page *, const json_t *sensor);
/* A section with the next times of a sensor that keeps a calendar; nothing while it is paused. */
void schedule_times(struct page *, const char *name);

/* ---- gallery.c ---- */

void gallery(struct page *, int64_t run); /* the pictures a run has named, if they are known */
/* The newest run of a partition that may have pictures; 0: none. */
int64_t partition_pictures(struct web *, const char *partition);

/* ---- what routes lead to ---- */

page_fn page_overview, page_nights, page_partition, page_runs, page_run, page_assets, page_asset, page_sensors,
    page_sensor, page_schedules, page_queue, page_deletions, page_outbox, page_audit, page_missing;
page_fn api_status, api_runs, api_run, api_run_logs, api_assets, api_asset, api_sensors, api_sensor_keys,
    api_sensor_ticks, api_schedules, api_nights, api_events, api_why, api_queue, api_outbox, api_audit,
    api_missing;
page_fn page_metrics, page_livez, page_readyz, page_feed, page_badge, page_static;

/* ---- gantt_svg.c ---- */

/* One bar for each attempt of a run (query_run) over its time. */
void gantt_svg(struct strbuf *, const json_t *run);

/* ---- graph_svg.c ---- */

/*
 * Assets, dependencies to the left: those that hang together with `here`, which stands out (nothing
 * when it stands alone), or all for NULL.
 */
void graph_svg(struct strbuf *, const struct conf *conf, const json_t *assets, const char *here);

/* ---- verdict.c ---- */

/* One line about everything: its tone is part_tone's; urgent things first in problems, [{"text", "href"}]. */
struct verdict {
	const char *state; /* "ok", "warnings" or "failed" */
	json_t *problems;
	json_t *headline; /* a text */
	int64_t sensors, late;
};
/* status as from query_status; release with verdict_release. */
void verdict_of(const struct web *, const json_t *status, const struct nights *nights, struct verdict *);
void verdict_release(struct verdict *);
bool place_fails(const json_t *place); /* a store or database of query_status */
/* How late a sensor is beyond its period and some grace; 0: it is not. */
/* The same and more of one sensor, by its row alone. */
struct sensor_times {
	bool paused;
	tm_ms last_ok_at, late_ms; /* 0: never, not late */
};
struct sensor_times sensor_times(const struct web *, const struct conf_sensor *);
int64_t sensor_late_ms(const json_t *sensor, const struct conf *conf, tm_ms now);

/* ---- lag.c: how late the loop is, and whether commits failed in the last minute ---- */

struct web_lag {
	struct engine *engine;
	struct event *timer;
	int64_t due_us;
	int64_t last_us;
	tm_ms turned_at; /* monotonic */
	int64_t commit_failures;
	tm_ms failed_at; /* when the engine's count was last seen to grow; monotonic, 0: never */
};
struct web_lag *lag_new(struct event_base *, struct engine *); /* engine may be NULL */
bool lag_commits_fail(const struct web_lag *);
void lag_free(struct web_lag *);

/* ---- stream.c: server-sent events of the engine ---- */

void stream_open(struct web *, struct httpd_request *);
struct web_streams *streams_new(struct web *);
void streams_free(struct web_streams *);
int64_t streams_count(const struct web_streams *);

/* ---- picture.c: objects that a run has named, shown from the store ---- */

struct web_pictures *pictures_new(struct web *);
void pictures_free(struct web_pictures *); /* waiting requests are answered 503 */
/* The pictures of a run as [{"store", "key"}], lent; NULL while they are not known, or are to be looked for again. */
const json_t *pictures_known(struct web_pictures *, int64_t run);
/* The same, however long ago it was learned. */
const json_t *pictures_last_known(struct web_pictures *, int64_t run);
/* Answer req with fn once the pictures of the run are known (or could not be learned in time); req NULL: nobody asked. */
typedef void pictures_fn(struct web *, struct httpd_request *req, void *arg);
void pictures_look(struct web_pictures *, int64_t run, struct httpd_request *req, pictures_fn *fn, void *arg,
    void (*arg_free)(void *));
/* What is known may not be all: a store could not be asked. */
bool pictures_out_of_reach(struct web_pictures *, int64_t run);
/* A store of theirs by name, NULL when it cannot be opened. */
struct store *pictures_store(struct web_pictures *, const char *name);
/* Answer with one of them. */
void picture_open(struct web *, struct httpd_request *, const char *run, const char *key);

#endif
