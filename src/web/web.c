/* Requests, and the life of the page as a whole. */
#include "config.h"

#include "web/web_priv.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "net/httpd_head.h"
#include "state/state.h"
#include "web/orders.h"
#include "web/page_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param_of(void *arg, const char *name)
{
	return httpd_head_param(arg, name);
}

/* ---- pages that readers share: made from their target alone ---- */

/* The run whose pictures are to be looked for before the page is made; 0: there is none. */
static int64_t run_to_look_at(struct web *w, const struct route *route, const char *arg)
{
	int64_t run = route->pictures ? route->pictures(w, arg) : 0;

	return run > 0 && pictures_known(w->pictures, run) == NULL ? run : 0;
}

static void make(void *arg, const char *target, bool awaited, struct rendering *out)
{
	struct web *w = arg;
	struct httpd_head head;
	struct page_ask ask = {.param = param_of, .arg = &head};
	const struct route *route = NULL;
	const char *args[2];
	char *copy = NULL;
	struct page p;

	if (httpd_head_of_target(&head, target) == 0)
		route = route_find(head.path, &copy, args);
	ask.path = head.path;
	/* With pictures yet to be looked for, it is not made anew behind its readers: the next of them waits for the look. */
	if (route != NULL && (awaited || run_to_look_at(w, route, args[0]) == 0)) {
		route_render(w, route, args, &ask, &p);
		rendering_of(&p, out);
		if (out->status == 200 && !out->immutable)
			page_cache_keep(w->cache, target, out);
	}
	free(copy);
	httpd_head_release(&head);
}

static bool give_kept(struct web *w, struct httpd_request *req)
{
	bool ageing;
	const struct rendering *r = page_cache_find(w->cache, httpd_target(req), &ageing);

	if (r == NULL)
		return false;
	if (ageing)
		orders_renew(w->orders, httpd_target(req));
	rendering_reply(req, r);
	return true;
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static void order(struct web *w, struct httpd_request *req)
{
	static const char for_people[] = "503 Service Unavailable: too many pages are asked for at once\n",
	                  for_programs[] =
	                      "{\"schema\":\"" QUERY_SCHEMA "\",\"error\":{\"class\":\"transient\","
	                      "\"code\":\"busy\",\"text\":\"too many pages are asked for at once\"}}\n";
	bool api = starts_with(httpd_path(req), "/api/");
	const struct httpd_answer busy = {.status = 503,
	    .content_type = api ? "application/json" : "text/plain; charset=utf-8",
	    .body = api ? for_programs : for_people,
	    .n = (api ? sizeof(for_programs) : sizeof(for_people)) - 1,
	    .retry_after = 1};

	if (!orders_wait(w->orders, req))
		httpd_reply(req, &busy);
}

static void on_pictures(struct web *w, struct httpd_request *req, void *arg)
{
	order(w, req);
}

/* ---- pages of one reader: now, and of the request itself ---- */

static const char *request_param(void *arg, const char *name)
{
	return httpd_param(arg, name);
}

static void give_fresh(struct web *w, struct httpd_request *req, const struct route *route, const char *args[2])
{
	const struct page_ask ask = {.path = httpd_path(req),
	    .host = httpd_field(req, "host"),
	    .accept = httpd_field(req, "accept"),
	    .param = request_param,
	    .arg = req};
	struct rendering r;
	struct page p;

	route_render(w, route, args, &ask, &p);
	rendering_of(&p, &r);
	rendering_reply(req, &r);
	payload_unref(r.payload);
}

/* ---- requests ---- */

static void dispatch(struct web *w, struct httpd_request *req)
{
	const struct route *route;
	const char *args[2];
	int64_t run;
	char *copy;

	if (give_kept(w, req) || orders_join(w->orders, req))
		return;
	if ((route = route_find(httpd_path(req), &copy, args)) == NULL)
		route = route_nowhere(httpd_path(req));
	if (route->fresh)
		give_fresh(w, req, route, args);
	else if ((run = run_to_look_at(w, route, args[0])) != 0)
		pictures_look(w->pictures, run, req, on_pictures, NULL, NULL);
	else
		order(w, req);
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
		dispatch(w, req);
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
	w->cache = page_cache_new();
	w->orders = orders_new(base, make, w);
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
	orders_free(w->orders);
	httpd_free(w->server);
	state_close(w->query.state);
	page_cache_free(w->cache);
	conf_unref(w->conf);
	free(w);
}
