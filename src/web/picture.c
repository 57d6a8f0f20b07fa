/*
 * Pictures that a run has named: learned from its steps' metadata and from the manifests that metadata names, shown from
 * the store they are in.  Nothing else of a store can be reached from the page.
 */
#include "config.h"

#include "web/web_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "store/store.h"
#include "web/picture_fetch.h"
#include "web/picture_memory.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MANIFEST_MAX  ((size_t)4 << 20)
#define MANIFESTS_MAX 16 /* read per run */
#define PICTURES_MAX  64 /* shown per run */
#define LOOK_MS       5000

/* A request that waits for a look to end. */
struct waiter {
	TAILQ_ENTRY(waiter) link;
	struct look *look;
	struct httpd_request *req;
	pictures_fn *fn;
	void *arg;
	void (*arg_free)(void *);
};

/* The manifests of one run being read. */
struct look {
	LIST_ENTRY(look) link;
	struct web_pictures *all;
	int64_t run;
	bool ended; /* the run has: what is found holds */
	bool failed, out_of_reach;
	json_t *pictures;
	LIST_HEAD(, manifest) open;
	TAILQ_HEAD(, waiter) waiters;
	struct event *deadline;
};

struct manifest {
	LIST_ENTRY(manifest) link;
	struct look *look;
	char *store;
	struct store_op *op;
	struct strbuf text;
};

struct web_pictures {
	struct web *web;
	struct store **store; /* by index in conf->stores; opened at first use */
	struct picture_memory *memory;
	LIST_HEAD(, look) looks;
	struct picture_fetches *fetches;
};

struct store *pictures_store(struct web_pictures *all, const char *name)
{
	const struct conf *conf = all->web->conf;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < conf->nstores; i++) {
		const struct conf_store *cs = &conf->stores[i];

		if (strcmp(cs->name, name) != 0)
			continue;
		if (all->store[i] == NULL &&
		    (all->store[i] = store_open(cs->type, cs->name, cs->opts, all->web->base, &err)) == NULL)
			log_warn("web: store %s: %s; its pictures are not shown", name, err.text);
		return all->store[i];
	}
	return NULL;
}

/* ---- what is known ---- */

const json_t *pictures_known(struct web_pictures *all, int64_t run)
{
	bool holds;
	const struct picture_names *names = picture_memory_find(all->memory, run, &holds);

	return names != NULL && holds ? names->pictures : NULL;
}

const json_t *pictures_last_known(struct web_pictures *all, int64_t run)
{
	bool holds;
	const struct picture_names *names = picture_memory_find(all->memory, run, &holds);

	return names ? names->pictures : NULL;
}

bool pictures_out_of_reach(struct web_pictures *all, int64_t run)
{
	bool holds;
	const struct picture_names *names = picture_memory_find(all->memory, run, &holds);

	return names != NULL && names->out_of_reach;
}

/* ---- a look ---- */

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

static void add_picture(json_t *pictures, const char *store, const char *key)
{
	const json_t *have;
	size_t i;

	json_array_foreach(pictures, i, have)
	{
		if (strcmp(json_str(have, "key", ""), key) == 0 &&
		    strcmp(json_str(have, "store", ""), store) == 0)
			return;
	}
	if (json_array_size(pictures) < PICTURES_MAX)
		json_array_append_new(pictures, json_pack("{s:s, s:s}", "store", store, "key", key));
}

/* Keys anywhere in a value: pictures into found, and manifests into manifests (NULL: they are not followed). */
static void collect(const json_t *value, const char *store, json_t *found, json_t *manifests)
{
	const char *key, *text = json_string_value(value);
	json_t *item;
	size_t i;

	if (text != NULL && ends_in(text, ".png"))
		add_picture(found, store, text);
	else if (text != NULL && ends_in(text, ".json") && manifests != NULL &&
	         json_array_size(manifests) < MANIFESTS_MAX)
		json_array_append_new(manifests, json_pack("{s:s, s:s}", "store", store, "key", text));
	else if (json_is_object(value))
		json_object_foreach((json_t *)value, key, item) collect(item, store, found, manifests);
	else if (json_is_array(value))
		json_array_foreach(value, i, item) collect(item, store, found, manifests);
}

static void waiter_free(struct waiter *w)
{
	TAILQ_REMOVE(&w->look->waiters, w, link);
	if (w->arg_free != NULL)
		w->arg_free(w->arg);
	free(w);
}

static void on_waiter_gone(void *arg)
{
	waiter_free(arg);
}

static void manifest_free(struct manifest *m)
{
	LIST_REMOVE(m, link);
	store_op_cancel(m->op);
	strbuf_release(&m->text);
	free(m->store);
	free(m);
}

static void look_free(struct look *look)
{
	struct manifest *m;

	while ((m = LIST_FIRST(&look->open)) != NULL)
		manifest_free(m);
	LIST_REMOVE(look, link);
	event_free(look->deadline);
	json_decref(look->pictures);
	free(look);
}

/* Everything is read, or as much as could be in the time. */
static void look_end(struct look *look)
{
	struct web *web = look->all->web;
	struct waiter *w;

	picture_memory_keep(look->all->memory, look->run,
	    &(struct picture_names){.pictures = json_incref(look->pictures),
	        .final = look->ended && !look->failed,
	        .out_of_reach = look->out_of_reach});
	while ((w = TAILQ_FIRST(&look->waiters)) != NULL) {
		if (w->req != NULL)
			httpd_on_gone(w->req, NULL, NULL);
		w->fn(web, w->req, w->arg);
		waiter_free(w);
	}
	look_free(look);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct look *look = arg;

	look->failed = !LIST_EMPTY(&look->open);
	look->out_of_reach |= look->failed;
	look_end(look);
}

static void end_soon(struct look *look)
{
	event_active(look->deadline, 0, 0);
}

static void on_manifest_data(const void *p, size_t n, void *arg)
{
	struct manifest *m = arg;

	strbuf_add(&m->text, p, n);
}

static void on_manifest(const struct err *err, void *arg)
{
	struct manifest *m = arg;
	struct look *look = m->look;
	struct err bad = ERR_INIT;
	json_t *j = NULL;

	m->op = NULL;
	if (err == NULL && !m->text.overflowed &&
	    (j = json_parse(m->text.buf, m->text.len, "manifest", &bad)) != NULL)
		collect(j, m->store, look->pictures, NULL);
	else
		look->failed = true;
	look->out_of_reach |= err != NULL && err->class == ERR_TRANSIENT;
	json_decref(j);
	manifest_free(m);
	if (LIST_EMPTY(&look->open))
		end_soon(look);
}

static void read_manifest(struct look *look, const char *store_name, const char *key)
{
	static const struct store_get_cbs cbs = {.on_data = on_manifest_data, .on_done = on_manifest};
	struct store *store = pictures_store(look->all, store_name);
	struct manifest *m;

	if (store == NULL) {
		look->failed = look->out_of_reach = true;
		return;
	}
	m = xcalloc(1, sizeof(*m));
	m->look = look;
	m->store = xstrdup(store_name);
	m->text = STRBUF_INIT(MANIFEST_MAX);
	LIST_INSERT_HEAD(&look->open, m, link);
	m->op = store_get(store, key, NULL, 0, &cbs, m);
}

static void read_metadata(struct look *look, const json_t *run)
{
	json_t *manifests = json_array();
	const json_t *step, *m;
	size_t i;

	json_array_foreach(json_object_get(run, "steps"), i, step)
	{
		const json_t *metadata = json_object_get(step, "metadata");

		if (json_str(metadata, "store", NULL) != NULL)
			collect(metadata, json_str(metadata, "store", NULL), look->pictures, manifests);
	}
	json_array_foreach(manifests, i, m)
	    read_manifest(look, json_str(m, "store", ""), json_str(m, "key", ""));
	json_decref(manifests);
}

static struct look *look_begin(struct web_pictures *all, int64_t run)
{
	struct look *look = xcalloc(1, sizeof(*look));
	struct timeval tv = {.tv_sec = LOOK_MS / 1000};
	json_t *obj = query_run(&all->web->query, run, NULL);

	look->all = all;
	look->run = run;
	look->pictures = json_array();
	LIST_INIT(&look->open);
	TAILQ_INIT(&look->waiters);
	look->deadline = event_new(all->web->base, -1, 0, on_deadline, look);
	event_add(look->deadline, &tv);
	LIST_INSERT_HEAD(&all->looks, look, link);
	look->ended = json_is_string(json_object_get(obj, "ended_at"));
	read_metadata(look, obj);
	json_decref(obj);
	if (LIST_EMPTY(&look->open))
		end_soon(look);
	return look;
}

void pictures_look(struct web_pictures *all, int64_t run, struct httpd_request *req, pictures_fn *fn, void *arg,
    void (*arg_free)(void *))
{
	struct waiter *w = xcalloc(1, sizeof(*w));
	struct look *look;

	LIST_FOREACH(look, &all->looks, link)
	if (look->run == run)
		break;
	if (look == NULL)
		look = look_begin(all, run);
	*w = (struct waiter){.look = look, .req = req, .fn = fn, .arg = arg, .arg_free = arg_free};
	TAILQ_INSERT_TAIL(&look->waiters, w, link);
	if (req != NULL)
		httpd_on_gone(req, on_waiter_gone, w);
}

/* ---- one picture ---- */

struct wanted {
	int64_t run;
	char *key;
};

static void wanted_free(void *arg)
{
	struct wanted *wanted = arg;

	free(wanted->key);
	free(wanted);
}

static void give_picture(struct web *w, struct httpd_request *req, void *arg)
{
	const struct wanted *wanted = arg;
	const json_t *pictures = pictures_known(w->pictures, wanted->run), *one;
	size_t i;

	json_array_foreach(pictures, i, one)
	{
		if (strcmp(json_str(one, "key", ""), wanted->key) == 0) {
			struct store *store = pictures_store(w->pictures, json_str(one, "store", ""));

			if (store != NULL)
				picture_fetch(w->pictures->fetches, store, wanted->key, req);
			else
				httpd_reply_error(req, 503, "the store of this picture is not there");
			return;
		}
	}
	httpd_reply_error(req, 404, "the run has named no such picture");
}

void picture_open(struct web *w, struct httpd_request *req, const char *run, const char *key)
{
	struct wanted *wanted = xcalloc(1, sizeof(*wanted));
	char *end;

	wanted->run = strtoll(run, &end, 10);
	wanted->key = xstrdup(key);
	if (*end != '\0' || wanted->run <= 0 || !ends_in(key, ".png")) {
		httpd_reply_error(req, 404, "there is no such picture");
		wanted_free(wanted);
	} else if (pictures_known(w->pictures, wanted->run) != NULL) {
		give_picture(w, req, wanted);
		wanted_free(wanted);
	} else {
		pictures_look(w->pictures, wanted->run, req, give_picture, wanted, wanted_free);
	}
}

/* ---- all of them ---- */

struct web_pictures *pictures_new(struct web *w)
{
	struct web_pictures *all = xcalloc(1, sizeof(*all));

	all->web = w;
	all->store = xcalloc(MAX(w->conf->nstores, (size_t)1), sizeof(struct store *));
	all->memory = picture_memory_new();
	all->fetches = picture_fetches_new();
	LIST_INIT(&all->looks);
	return all;
}

static void answer_waiting(struct look *look)
{
	struct waiter *w;

	while ((w = TAILQ_FIRST(&look->waiters)) != NULL) {
		httpd_on_gone(w->req, NULL, NULL);
		httpd_reply_error(w->req, 503, "the configuration is being read again");
		waiter_free(w);
	}
}

void pictures_free(struct web_pictures *all)
{
	struct look *look;

	if (all == NULL)
		return;
	while ((look = LIST_FIRST(&all->looks)) != NULL) {
		answer_waiting(look);
		look_free(look);
	}
	picture_fetches_free(all->fetches);
	picture_memory_free(all->memory);
	for (size_t i = 0; i < all->web->conf->nstores; i++)
		store_close(all->store[i]);
	free(all->store);
	free(all);
}
