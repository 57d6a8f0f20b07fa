#include "config.h"

#include "assets/unzip/loader.h"

#include "assets/archive/member_name.h"
#include "assets/unzip/fetch.h"
#include "assets/unzip/relay.h"
#include "assets/unzip/worker.h"
#include "base/mem.h"
#include "step/step.h"

#include <event2/event.h>

/* Store operations at a time: enough to hide a store's latency. */
#define IN_FLIGHT_MAX 12
#define TICK_MS       100

struct loader {
	const struct loader_conf *c;
	struct loader_result r;
	struct relay *relay;
	struct worker *worker;
	struct event *wake, *tick;

	struct fetch *fetch; /* NULL once it has ended */
	bool held;
	int64_t fed; /* bytes of the archive */
	bool moved; /* since the last report: a stalled store must not look busy */

	struct delivery *deliveries; /* under way */
	size_t ndeliveries;

	bool done;
	int rc;
	struct err err;
};

/* A member on its last way: maybe a look at what is there, then maybe a put. */
struct delivery {
	struct delivery *next, **link;
	struct loader *loader;
	struct parcel *parcel;
	struct store_op *op;
	char *key;
};

static void pump(struct loader *l);

/*
 * The first reason counts.  A bad archive's puts under way are waited for, not cancelled: a store may carry out
 * a request that nobody waits for any more, and what it then makes could not be taken back.
 */
static void fail(struct loader *l, const struct err *err)
{
	if (l->rc == -1)
		return;
	l->rc = -1;
	l->err = *err;
	l->done = err->class != ERR_BAD_DATA;
	relay_stop(l->relay);
	fetch_free(l->fetch);
	l->fetch = NULL;
}

/* ---- the archive in */

static void on_archive_data(size_t piece, const void *p, size_t n, void *arg)
{
	struct loader *l = arg;

	relay_feed(l->relay, piece, p, n);
	l->fed += (int64_t)n;
	l->moved = true;
	if (!l->held && !relay_hungry(l->relay)) {
		l->held = true;
		fetch_hold(l->fetch, true);
	}
}

static void on_archive_end(const struct err *err, void *arg)
{
	struct loader *l = arg;

	if (err != NULL)
		fail(l, err);
	else
		relay_feed_end(l->relay);
}

/* ---- members out */

static void delivery_end(struct delivery *d)
{
	struct loader *l = d->loader;

	if ((*d->link = d->next) != NULL)
		d->next->link = d->link;
	l->ndeliveries--;
	l->moved = true;
	relay_settle(l->relay, d->parcel);
	free(d->key);
	free(d);
}

/* A name that this store cannot hold makes the archive bad; the rest is the store's own trouble. */
static void fail_member(struct delivery *d, const struct err *why)
{
	struct err err = *why;
	char shown[MEMBER_NAME_SHOWN];

	if (err_is(why, "bad_key") || err_is(why, "key_conflict"))
		err_code(&err, ERR_BAD_DATA, "path.key", "%s", why->text);
	err_wrap(&err, "member '%s'", member_name_show(d->parcel->path, shown));
	fail(d->loader, &err);
}

static void on_put(const struct store_object *obj, const struct err *why, void *arg)
{
	struct delivery *d = arg;
	struct loader *l = d->loader;
	struct err err = ERR_INIT;

	d->op = NULL;
	if (why != NULL) {
		fail_member(d, why);
	} else if (written_add(l->c->written, d->key, obj->etag, &err) == -1) {
		fail(l, &err);
	} else {
		l->r.written++;
		if (l->c->report)
			step_effect(l->c->step, "put", d->key, d->parcel->size, d->parcel->sha256);
	}
	delivery_end(d);
	pump(l);
}

/* The object is to be written: do it, or say so. */
static void put(struct delivery *d)
{
	struct loader *l = d->loader;
	struct parcel *p = d->parcel;
	struct store_put_opts opts = {.lazy = true, .sha256 = p->sha256, .lent = true};

	if (l->c->write && p->bytes != NULL) {
		d->op = store_put(l->c->store, d->key, p->bytes, (size_t)p->size, &opts, on_put, d);
	} else if (l->c->write) {
		d->op = store_put_file(l->c->store, d->key, p->fd, p->size, &opts, on_put, d);
	} else {
		l->r.written++;
		if (l->c->report)
			step_effect(l->c->step, "put", d->key, p->size, p->sha256);
		delivery_end(d);
	}
}

static void on_look(const struct store_object *obj, const struct err *why, void *arg)
{
	struct delivery *d = arg;
	struct loader *l = d->loader;

	d->op = NULL;
	if (why != NULL && !err_is(why, "not_found"))
		fail_member(d, why);
	if (l->rc == -1) {
		delivery_end(d);
	} else if (why == NULL && obj->size == d->parcel->size && obj->sha256 != NULL &&
	           strcmp(obj->sha256, d->parcel->sha256) == 0) {
		l->r.present++;
		delivery_end(d);
	} else {
		put(d);
	}
	pump(l);
}

static int by_key(const void *key, const void *entry)
{
	return strcmp(key, ((const struct store_entry *)entry)->key);
}

/* The listing tells cheaply that there can be nothing equal. */
static bool may_be_present(const struct loader *l, const char *key, int64_t size)
{
	const struct store_listing *have = l->c->existing;
	const struct store_entry *e =
	    have->n > 0 ? bsearch(key, have->v, have->n, sizeof(*have->v), by_key) : NULL;

	return e != NULL && e->size == size;
}

static int admit(struct loader *l, struct parcel *p, struct err *err)
{
	if (p->bytes != NULL)
		sha256_hex(p->bytes, (size_t)p->size, p->sha256);
	return members_add(l->r.members, p->path, p->size, p->sha256, err);
}

static void deliver(struct loader *l, struct parcel *p)
{
	struct err err = ERR_INIT;
	int rc = admit(l, p, &err);
	struct delivery *d;

	if (rc != 1) {
		if (rc == -1)
			fail(l, &err);
		else
			step_warn(l->c->step, "warning:repeated_member",
			    "'%s' comes twice with the same content", p->path);
		l->r.repeated += rc == 0;
		relay_settle(l->relay, p);
		return;
	}
	d = xcalloc(1, sizeof(*d));
	d->loader = l;
	d->parcel = p;
	d->key = xasprintf("%s%s", l->c->destination, p->path);
	if ((d->next = l->deliveries) != NULL)
		d->next->link = &d->next;
	d->link = &l->deliveries;
	l->deliveries = d;
	l->ndeliveries++;
	if (strlen(d->key) > STORE_KEY_MAX) {
		err_code(
		    &err, ERR_PERMANENT, "bad_key", "its key would be longer than %d bytes", STORE_KEY_MAX);
		fail_member(d, &err);
		delivery_end(d);
	} else if (may_be_present(l, d->key, p->size)) {
		d->op = store_head(l->c->store, d->key, on_look, d);
	} else {
		put(d);
	}
}

/* ---- the pass */

/* Move on whatever can: the only place that does, called after every change. */
static void pump(struct loader *l)
{
	struct err err = ERR_INIT;
	struct parcel *p;
	int rc = 0;

	if (l->held && l->fetch != NULL && relay_hungry(l->relay)) {
		l->held = false;
		fetch_hold(l->fetch, false);
	}
	while (l->rc == 0 && l->ndeliveries < IN_FLIGHT_MAX && (p = relay_take(l->relay)) != NULL)
		deliver(l, p);
	bool ended = l->rc == -1 || relay_ended(l->relay, &rc, &err);
	if (rc == -1)
		fail(l, &err);
	if (ended && l->ndeliveries == 0)
		l->done = true;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loader *l = arg;

	relay_heard(l->relay);
	pump(l);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loader *l = arg;

	if (l->moved)
		step_progress(l->c->step, "bytes", l->fed, l->c->pieces->bytes);
	l->moved = false;
}

static void stop(struct loader *l)
{
	relay_stop(l->relay);
	fetch_free(l->fetch);
	while (l->deliveries != NULL) {
		store_op_cancel(l->deliveries->op);
		delivery_end(l->deliveries);
	}
	worker_join(l->worker);
	event_free(l->wake);
	event_free(l->tick);
	relay_free(l->relay);
}

static int start(struct loader *l, const char *const *names, struct err *err)
{
	const struct loader_conf *c = l->c;
	const struct worker_conf wc = {.limits = &c->conf->limits,
	    .flatten = c->conf->flatten,
	    .dir = step_workdir(c->step),
	    .piece_names = names,
	    .npieces = c->pieces->n};
	static const struct fetch_cbs cbs = {.on_data = on_archive_data, .on_end = on_archive_end};
	const struct timeval tick = {0, TICK_MS * 1000};

	l->wake = event_new(c->store->base, relay_fd(l->relay), EV_READ | EV_PERSIST, on_wake, l);
	l->tick = event_new(c->store->base, -1, EV_PERSIST, on_tick, l);
	if (l->wake == NULL || l->tick == NULL || event_add(l->wake, NULL) == -1 ||
	    event_add(l->tick, &tick) == -1)
		abort(); /* out of memory, as every small allocation */
	if ((l->worker = worker_start(l->relay, &wc, err)) == NULL)
		return -1;
	l->fetch = fetch_start(c->store, c->pieces, &cbs, l);
	return 0;
}

/* Asked after every event: a night's rest may take less than a tick. */
static void notice_cancel(struct loader *l)
{
	struct err err = ERR_INIT;

	if (l->done || !step_cancelled(l->c->step))
		return;
	err_set(&err, ERR_CANCELLED, "cancelled while unpacking");
	fail(l, &err);
	l->done = true;
}

int loader_run(const struct loader_conf *c, struct loader_result *out, struct err *err)
{
	struct loader l = {.c = c};
	const char **names = xcalloc(c->pieces->n + 1, sizeof(*names));

	for (size_t i = 0; i < c->pieces->n; i++)
		names[i] = pieces_base_name(c->pieces->v[i].key);
	l.relay = relay_new(err);
	if (l.relay == NULL) {
		l.rc = -1;
	} else {
		l.r.members = members_new(c->conf->flatten);
		l.rc = start(&l, names, &l.err);
		while (!l.done && (l.rc == 0 || l.ndeliveries > 0)) {
			if (event_base_loop(c->store->base, EVLOOP_ONCE) == -1) {
				l.rc = err_set(&l.err, ERR_BUG, "the event loop failed");
				break;
			}
			notice_cancel(&l);
		}
		stop(&l);
		if (l.rc == 0)
			*out = l.r;
		else if (err != NULL)
			*err = l.err;
	}
	if (l.rc == -1)
		members_free(l.r.members);
	else
		step_progress(c->step, "bytes", c->pieces->bytes, c->pieces->bytes);
	free(names);
	return l.rc;
}
