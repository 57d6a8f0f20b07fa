/* Routes, a short-lived cache of rendered pages, and the life of the page as a whole. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_SLOTS 64
#define CACHE_MS    500 /* many readers of one page cost one rendering in this time */

struct cached {
	char *target;
	tm_ms until; /* monotonic */
	struct strbuf body;
	const char *content_type;
	int status;
	bool svg;
};

struct page_cache {
	struct cached slot[CACHE_SLOTS];
	size_t next;
};

/* '*' stands for one component, a final '**' for all the rest; the first route that fits counts. */
static const struct route {
	const char *pattern;
	page_fn *page;
	bool fresh; /* never from the cache */
	bool pictures; /* shows the pictures of the run that * stands for */
} routes[] = {
    {"/", page_overview, false},
    {"/nights", page_nights, false},
    {"/partition/**", page_partition, false},
    {"/runs", page_runs, false},
    {"/runs/*", page_run, false, true},
    {"/assets", page_assets, false},
    {"/assets/*", page_asset, false},
    {"/sensors", page_sensors, false},
    {"/sensors/*", page_sensor, false},
    {"/queue", page_queue, false},
    {"/deletions", page_deletions, false},
    {"/api/v1/status", api_status, false},
    {"/api/v1/runs", api_runs, false},
    {"/api/v1/runs/*", api_run, false},
    {"/api/v1/runs/*/logs", api_run_logs, false},
    {"/api/v1/assets", api_assets, false},
    {"/api/v1/assets/*", api_asset, false},
    {"/api/v1/sensors", api_sensors, false},
    {"/api/v1/sensors/*/keys", api_sensor_keys, false},
    {"/api/v1/sensors/*/ticks", api_sensor_ticks, false},
    {"/api/v1/nights", api_nights, false},
    {"/api/v1/events", api_events, false},
    {"/api/v1/why/**", api_why, false},
    {"/api/v1/openapi.json", page_static, true},
    {"/metrics", page_metrics, true},
    {"/livez", page_livez, true},
    {"/readyz", page_readyz, true},
    {"/feed.atom", page_feed, false},
    {"/badge/*", page_badge, false},
    {"/static/*", page_static, true},
    {"/favicon.ico", page_static, true},
};

/* Fill args with what the stars stand for (lent from a copy of the path that lives as long as the request's answer). */
static bool route_matches(const char *pattern, char *path, const char *args[2])
{
	size_t n = 0;

	while (*pattern != '\0') {
		if (strcmp(pattern, "**") == 0) {
			args[n] = path;
			return *path != '\0';
		}
		if (*pattern == '*') {
			char *slash = strchr(path, '/');

			if (*path == '\0' || *path == '/' || n == 2)
				return false;
			args[n++] = path;
			pattern++;
			if (slash == NULL)
				return *pattern == '\0';
			if (*pattern != '/')
				return false;
			*slash = '\0';
			path = slash + 1;
			pattern++;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static const struct route *find_route(const char *path, char **copy, const char *args[2])
{
	for (size_t i = 0; i < NITEMS(routes); i++) {
		*copy = xstrdup(path);
		args[0] = args[1] = NULL;
		if (route_matches(routes[i].pattern, *copy, args))
			return &routes[i];
		free(*copy);
	}
	*copy = NULL;
	return NULL;
}

static void reply_page(struct httpd_request *req, const struct strbuf *body, const char *type, int status,
    bool immutable, bool svg)
{
	struct httpd_answer a = {.status = status,
	    .content_type = type,
	    .body = body->buf,
	    .n = body->len,
	    .immutable = immutable,
	    .inline_style = svg};

	httpd_reply(req, &a);
}

static struct cached *cache_find(struct web *w, const char *target)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		struct cached *c = &w->cache->slot[i];

		if (c->target != NULL && c->until > clock_mono() && strcmp(c->target, target) == 0)
			return c;
	}
	return NULL;
}

static void cache_keep(struct web *w, const char *target, struct page *p)
{
	struct cached *c = &w->cache->slot[w->cache->next++ % CACHE_SLOTS];

	xstrset(&c->target, target);
	strbuf_release(&c->body);
	c->body = p->body;
	p->body = STRBUF_INIT(PAGE_MAX);
	c->until = clock_mono() + CACHE_MS;
	c->content_type = p->content_type;
	c->status = p->status;
	c->svg = p->svg;
}

static void render(struct web *w, struct httpd_request *req, const struct route *route, const char *args[2])
{
	struct page p = {.web = w,
	    .req = req,
	    .arg = {args[0], args[1]},
	    .body = STRBUF_INIT(PAGE_MAX),
	    .content_type = "text/html; charset=utf-8",
	    .status = 200};
	char *target = xstrdup(httpd_target(req));
	bool keep;

	route->page(&p);
	if (p.body.overflowed) {
		httpd_reply_error(req, 500, "the page would be larger than 8 MiB");
	} else {
		keep = !route->fresh && !p.immutable && p.status == 200;
		reply_page(req, &p.body, p.content_type, p.status, p.immutable, p.svg);
		if (keep)
			cache_keep(w, target, &p);
	}
	strbuf_release(&p.body);
	free(target);
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static void dispatch(struct web *w, struct httpd_request *req, bool looked);

static void on_pictures(struct web *w, struct httpd_request *req, void *arg)
{
	dispatch(w, req, true);
}

/* looked: the pictures of the run are known, or cannot be. */
static void dispatch(struct web *w, struct httpd_request *req, bool looked)
{
	const struct route *route;
	const char *args[2];
	struct cached *c;
	int64_t run;
	char *copy;

	if ((c = cache_find(w, httpd_target(req))) != NULL) {
		reply_page(req, &c->body, c->content_type, c->status, false, c->svg);
		return;
	}
	if ((route = find_route(httpd_path(req), &copy, args)) == NULL) {
		httpd_reply_error(req, 404, "there is no such page");
		return;
	}
	run = route->pictures ? strtoll(args[0], NULL, 10) : 0;
	if (run > 0 && !looked && pictures_known(w->pictures, run) == NULL)
		pictures_look(w->pictures, run, req, on_pictures, NULL, NULL);
	else
		render(w, req, route, args);
	free(copy);
}

static void on_request(struct httpd_request *req, void *arg)
{
	const char *path = httpd_path(req);
	struct web *w = arg;

	if (strcmp(path, "/events") == 0) {
		stream_open(w, req);
	} else if (starts_with(path, "/picture/") && strchr(path + 9, '/') != NULL) {
		char *run = xstrndup(path + 9, strcspn(path + 9, "/"));

		picture_open(w, req, run, path + 9 + strlen(run) + 1);
		free(run);
	} else {
		dispatch(w, req, false);
	}
}

void web_url(const struct web *w, char *out, size_t n)
{
	const char *listen = w->conf->web.listen, *colon = listen ? strrchr(listen, ':') : NULL;

	snprintf(out, n, "http://%.*s:%d/", colon ? (int)(colon - listen) : 0, listen ? listen : "",
	    httpd_port(w->server));
}

struct web *web_new(struct event_base *base, struct conf *conf, struct engine *engine, struct err *err)
{
	struct httpd_conf hc = {.listen = conf->web.listen,
	    .hosts = &conf->web.hosts,
	    .max_connections = conf->web.max_connections,
	    .max_per_peer = conf->web.max_per_peer};
	struct web *w = xcalloc(1, sizeof(*w));

	w->base = base;
	w->conf = conf_ref(conf);
	w->engine = engine;
	w->cache = xcalloc(1, sizeof(*w->cache));
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		w->cache->slot[i].body = STRBUF_INIT(PAGE_MAX);
	w->query = (struct query){.conf = conf, .engine = engine};
	w->lag = lag_new(base, engine);
	w->streams = streams_new(w);
	w->pictures = pictures_new(w);
	if ((w->query.state = state_open_reader(conf->state_dir, err)) == NULL ||
	    (w->server = httpd_new(base, &hc, on_request, w, err)) == NULL) {
		web_free(w);
		return NULL;
	}
	return w;
}

void web_reload(struct web *w, struct conf *conf)
{
	pictures_free(w->pictures); /* its stores are those of the old configuration */
	conf_unref(w->conf);
	w->conf = conf_ref(conf);
	w->query.conf = conf;
	w->pictures = pictures_new(w);
}

void web_free(struct web *w)
{
	if (w == NULL)
		return;
	lag_free(w->lag);
	streams_free(w->streams);
	pictures_free(w->pictures);
	httpd_free(w->server);
	state_close(w->query.state);
	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		free(w->cache->slot[i].target);
		strbuf_release(&w->cache->slot[i].body);
	}
	free(w->cache);
	conf_unref(w->conf);
	free(w);
}
