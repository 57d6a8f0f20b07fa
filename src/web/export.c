/* From one target to the next: render, lead the links, put the file, remember what it links to. */
#include "config.h"

#include "web/export.h"

#include "web/export_link.h"
#include "web/export_nights.h"
#include "web/export_plan.h"
#include "web/web_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "engine/loop.h"
#include "state/state.h"
#include "store/sync.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX   200000
#define PICTURE_MAX ((size_t)16 << 20)

struct exporter {
	const struct web_export_opts *opts;
	struct web_export_result *result;
	struct event_base *base;
	struct web *web;
	struct export_dir *dir;
	struct export_plan plan;
	struct strvec todo; /* targets, a stack */
	json_t *met,
	    *lost; /* sets of file names; those lost are pictures that their store does not have any more */
	struct err trouble; /* met where a link was led: class ERR_NONE while there is none */
};

/* ---- pictures: fetched as soon as a page shows one, so that no link leads to one that cannot be had ---- */

static void on_known(struct web *w, struct httpd_request *req, void *arg)
{
	*(bool *)arg = true;
}

/* A store that is away ends the export: better an older copy than one that lost its pictures. */
static int learn_pictures(struct exporter *x, int64_t run, struct err *err)
{
	bool known = false;

	if (!x->opts->pictures || run <= 0 || pictures_known(x->web->pictures, run) != NULL)
		return 0;
	pictures_look(x->web->pictures, run, NULL, on_known, &known, NULL);
	while (!known)
		event_base_loop(x->base, EVLOOP_ONCE);
	if (pictures_out_of_reach(x->web->pictures, run))
		return err_code(err, ERR_TRANSIENT, "unreachable",
		    "the manifests of run %" PRId64 " cannot be read from their store now", run);
	return 0;
}

/* Where a picture of a run is, NULL when the run has named none such. */
static const char *store_of_picture(struct exporter *x, int64_t run, const char *key)
{
	const json_t *one;
	size_t i;

	json_array_foreach(pictures_known(x->web->pictures, run), i, one)
	{
		if (strcmp(json_str(one, "key", ""), key) == 0)
			return json_str(one, "store", "");
	}
	return NULL;
}

/* 1: it is there, perhaps as an earlier export has left it; 0: its store has lost it; -1. */
static int fetch_picture(struct exporter *x, const char *path, const char *name, struct err *err)
{
	struct strbuf bytes = STRBUF_INIT(PICTURE_MAX);
	struct err why = ERR_INIT;
	char *end;
	int64_t run = strtoll(path + strlen("/picture/"), &end, 10);
	const char *key = *end == '/' ? end + 1 : end, *place;
	struct store *store;
	int rc = 1;

	if (learn_pictures(x, run, err) == -1)
		return -1;
	place = store_of_picture(x, run, key);
	store = place ? pictures_store(x->web->pictures, place) : NULL;
	if (store != NULL && store_sync_get(store, key, NULL, &bytes, NULL, &why) == 0 && !bytes.overflowed) {
		if (export_dir_put(x->dir, name, bytes.buf, bytes.len, false, err) == -1)
			rc = -1;
		x->result->pictures++;
	} else if (why.class == ERR_TRANSIENT || why.class == ERR_CANCELLED) {
		*err = why;
		rc = err_wrap(err, "picture %s", key);
	} else if (!export_dir_keep(x->dir, name)) {
		log_warn("export: picture %s: %s", key, why.text[0] ? why.text : "its store does not give it");
		x->result->pictures_missing++;
		rc = 0;
	}
	strbuf_release(&bytes);
	return rc;
}

static bool wants_picture(const struct exporter *x, const char *path)
{
	char *run = xstrndup(path + strlen("/picture/"), strcspn(path + strlen("/picture/"), "/"));
	bool wants = x->opts->pictures && json_object_get(x->plan.runs, run) != NULL;

	free(run);
	return wants;
}

static bool is_picture(const char *path)
{
	return strncmp(path, "/picture/", strlen("/picture/")) == 0;
}

static bool meet_picture(struct exporter *x, const struct httpd_head *t, struct strbuf *name)
{
	size_t from = name->len;
	int rc;

	if (!wants_picture(x, t->path) || x->trouble.class != ERR_NONE)
		return false;
	export_name(name, t);
	if (json_object_get(x->met, name->buf + from) == NULL &&
	    json_object_get(x->lost, name->buf + from) == NULL && json_object_size(x->met) < FILES_MAX &&
	    (rc = fetch_picture(x, t->path, name->buf + from, &x->trouble)) != -1)
		json_object_set_new(rc == 1 ? x->met : x->lost, name->buf + from, json_true());
	return json_object_get(x->met, name->buf + from) != NULL;
}

/* ---- where links lead ---- */

/* The file for a target that the plan has; it is made later unless it was met before. */
static bool meet(struct exporter *x, const struct httpd_head *t, const char *target, struct strbuf *name)
{
	size_t from = name->len;

	if (is_picture(t->path))
		return meet_picture(x, t, name);
	if (!export_plan_has(&x->plan, t))
		return false;
	export_name(name, t);
	if (json_object_get(x->met, name->buf + from) == NULL && json_object_size(x->met) < FILES_MAX) {
		json_object_set_new(x->met, name->buf + from, json_true());
		strvec_push(&x->todo, target);
	}
	return json_object_get(x->met, name->buf + from) != NULL;
}

/* A view that is not kept leads to the same page without its query, if that is. */
static bool lead(struct strbuf *name, const char *target, void *arg)
{
	struct exporter *x = arg;
	struct httpd_head t, plain;
	bool leads = false;
	char *path;

	if (export_target(&t, target) == 0 && !(leads = meet(x, &t, target, name)) && t.params.n > 0) {
		path = xstrndup(target, strcspn(target, "?"));
		leads = export_target(&plain, path) == 0 && meet(x, &plain, path, name);
		httpd_head_release(&plain);
		free(path);
	}
	httpd_head_release(&t);
	return leads;
}

/* ---- pages ---- */

static const char *param_of(void *arg, const char *name)
{
	return httpd_head_param(arg, name);
}

static bool is_markup(const char *type)
{
	return strncmp(type, "text/html", 9) == 0 || strncmp(type, "application/atom+xml", 20) == 0;
}

/* What others link to must be there. */
static const char too_large[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Too large"
    "</title></head><body><p>a copy, as of then: this page would be too large.</p></body></html>\n";

static int put_page(struct exporter *x, const struct page *p, const char *name, struct err *err)
{
	struct strbuf led = STRBUF_INIT(2 * PAGE_MAX);
	bool markup = is_markup(p->content_type);
	const struct strbuf *body = markup ? &led : &p->body;
	bool is_first = strcmp(name, "index.html") == 0; /* tells when the copy was made, always */
	int rc = 0;

	if (markup)
		export_rewrite(&led, &p->body, name, lead, x);
	if (x->trouble.class != ERR_NONE) {
		*err = x->trouble;
		rc = -1;
	} else if (p->body.overflowed || led.overflowed) {
		rc = export_dir_put(x->dir, name, too_large, strlen(too_large), false, err);
	} else {
		rc = export_dir_put(x->dir, name, body->buf, body->len, markup && !is_first, err);
	}
	strbuf_release(&led);
	return rc;
}

static int export_page(struct exporter *x, const struct httpd_head *t, const char *name, struct err *err)
{
	const struct page_ask ask = {.path = t->path, .param = param_of, .arg = (void *)t};
	const char *args[2];
	struct page p;
	char *copy;
	const struct route *route = route_find(t->path, &copy, args);
	int rc;

	if (route->pictures && learn_pictures(x, route->pictures(x->web, args[0]), err) == -1) {
		free(copy);
		return -1;
	}
	route_render(x->web, route, args, &ask, &p);
	if (p.status == 503)
		rc = err_set(err, ERR_TRANSIENT, "%s cannot be made: the state cannot be read", name);
	else
		rc = put_page(x, &p, name, err);
	strbuf_release(&p.body);
	free(copy);
	return rc;
}

/* ---- all of it ---- */

/* What the API gives page by page, and a program that reads files wants whole. */
static bool is_streamed(const struct httpd_head *t)
{
	return strcmp(t->path, "/api/v1/nights") == 0;
}

static int export_one(struct exporter *x, const char *target, struct err *err)
{
	struct strbuf name = STRBUF_INIT(65536);
	struct httpd_head t;
	int rc = export_target(&t, target);

	if (rc == 0) {
		export_name(&name, &t);
		rc = is_streamed(&t) ? export_nights(x->dir, name.buf, &x->web->query, x->opts->days, err)
		                     : export_page(x, &t, name.buf, err);
	}
	httpd_head_release(&t);
	strbuf_release(&name);
	return rc;
}

static void begin(struct exporter *x)
{
	struct strvec seeds = STRVEC_INIT;
	struct strbuf name = STRBUF_INIT(65536);

	export_plan_seeds(&x->plan, &seeds);
	for (size_t i = 0; i < seeds.n; i++) {
		strbuf_reset(&name);
		lead(&name, seeds.v[i], x);
	}
	strvec_release(&seeds);
	strbuf_release(&name);
}

static int work(struct exporter *x, struct err *err)
{
	int rc = 0;

	begin(x);
	while (rc == 0 && x->todo.n > 0) {
		char *target = x->todo.v[--x->todo.n];

		x->todo.v[x->todo.n] = NULL;
		rc = export_one(x, target, err);
		free(target);
		if (x->opts->on_progress != NULL)
			x->opts->on_progress(export_dir_counts(x->dir)->files, x->opts->arg);
		if (rc == 0 && x->opts->stop != NULL && x->opts->stop(x->opts->arg))
			rc = err_code(err, ERR_CANCELLED, "interrupted", "interrupted; what is there stays");
	}
	if (rc == 0)
		rc = export_dir_finish(x->dir, err);
	x->result->files = *export_dir_counts(x->dir);
	x->result->runs = (int64_t)json_object_size(x->plan.runs);
	return rc;
}

int web_export(
    struct conf *conf, const struct web_export_opts *opts, struct web_export_result *result, struct err *err)
{
	struct exporter x = {
	    .opts = opts, .result = result, .base = loop_new(), .met = json_object(), .lost = json_object()};
	int rc = -1;

	*result = (struct web_export_result){0};
	if ((x.web = web_new_copy(x.base, conf, err)) != NULL &&
	    export_plan_make(&x.plan, &x.web->query, opts->days, opts->runs, err) == 0 &&
	    (x.dir = export_dir_open(opts->dir, err)) != NULL)
		rc = work(&x, err);
	export_dir_close(x.dir);
	export_plan_release(&x.plan);
	web_free(x.web);
	event_base_free(x.base);
	strvec_release(&x.todo);
	json_decref(x.met);
	json_decref(x.lost);
	return rc;
}
