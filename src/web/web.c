/* Requests, and the life of the page as a whole. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *request_param(void *arg, const char *name)
{
	return httpd_param(arg, name);
}

static void render(struct web *w, struct httpd_request *req, const struct route *route, const char *args[2])
{
	const struct page_ask ask = {.path = httpd_path(req),
	    .host = httpd_field(req, "host"),
	    .accept = httpd_field(req, "accept"),
	    .param = request_param,
	    .arg = req};
	char *target = xstrdup(httpd_target(req));
	tm_ms began = clock_mono();
	struct rendering r;
	struct page p;

	route_render(w, route, args, &ask, &p);
	if (p.body.overflowed) {
		strbuf_release(&p.body);
		httpd_reply_error(req, 500, "the page would be larger than 8 MiB");
	} else {
		rendering_of(&p, &r);
		rendering_reply(req, &r);
		if (!route->fresh && !r.immutable && r.status == 200)
			cache_keep(w->cache, target, &r, clock_mono() - began);
		else
			payload_unref(r.payload);
	}
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
	const struct rendering *r;
	int64_t run;
	char *copy;

	if ((r = cache_find(w->cache, httpd_target(req))) != NULL) {
		rendering_reply(req, r);
		return;
	}
	if ((route = route_find(httpd_path(req), &copy, args)) == NULL)
		route = route_nowhere(httpd_path(req));
	run = route->pictures ? route->pictures(w, args[0]) : 0;
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
	w->cache = cache_new(base);
	w->zones = zones_new(conf);
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

struct web *web_new_copy(struct event_base *base, struct conf *conf, struct err *err)
{
	struct web *w = xcalloc(1, sizeof(*w));

	w->base = base;
	w->conf = conf_ref(conf);
	w->zones = zones_new(conf);
	w->query = (struct query){.conf = conf};
	w->pictures = pictures_new(w);
	w->copy = true;
	if ((w->query.state = state_open_reader(conf->state_dir, err)) == NULL) {
		web_free(w);
		return NULL;
	}
	return w;
}

void web_show_push(struct web *w, const struct push_stats *stats)
{
	w->query.push = stats;
}

void web_reload(struct web *w, struct conf *conf)
{
	pictures_free(w->pictures); /* its stores are those of the old configuration */
	conf_unref(w->conf);
	w->conf = conf_ref(conf);
	w->query.conf = conf;
	zones_free(w->zones);
	w->zones = zones_new(conf);
	w->pictures = pictures_new(w);
}

void web_free(struct web *w)
{
	if (w == NULL)
		return;
	zones_free(w->zones);
	lag_free(w->lag);
	streams_free(w->streams);
	pictures_free(w->pictures);
	httpd_free(w->server);
	state_close(w->query.state);
	cache_free(w->cache);
	conf_unref(w->conf);
	free(w);
}
