#include "config.h"

#include "engine/tick.h"

#include "engine/engine_priv.h"
#include "engine/hints.h"
#include "engine/keyindex.h"

#include "base/mem.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#define REPORTS_MAX  100000 /* changed keys of one tick; the rest waits for the next */
#define REQUESTS_MAX 10000

/* ---- stores shared by all sensors ---- */

struct shared_store {
	struct shared_store *next;
	struct store *store;
};

static struct store *shared_store(struct engine *e, const char *name, struct err *err)
{
	const struct conf_store *cs;
	struct shared_store *s;
	struct store *store;

	for (s = e->stores; s != NULL; s = s->next)
		if (strcmp(s->store->name, name) == 0)
			return s->store;
	if ((cs = conf_store_find(e->conf, name)) == NULL) {
		err_set(err, ERR_CONFIG, "no store '%s'", name);
		return NULL;
	}
	if ((store = store_open(cs->type, cs->name, cs->opts, e->base, err)) == NULL)
		return NULL;
	store_tend(store, false);
	s = xcalloc(1, sizeof(*s));
	*s = (struct shared_store){.next = e->stores, .store = store};
	e->stores = s;
	return store;
}

/* Those of all sensors, so that what they do on their own behalf need not wait for a tick; its errors will be the tick's. */
void tick_open_stores(struct engine *e)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < e->conf->nsensors; i++) {
		const struct conf_sensor *cs = &e->conf->sensors[i];

		for (const struct opt *o = cs->type->opts; o->name != NULL; o++)
			if (o->type == OPT_STORE && (o->flags & OPT_IGNORED) == 0) {
				const char *name = *(char *const *)((const char *)cs->opts + o->off);

				if (name != NULL)
					shared_store(e, name, &err);
			}
	}
}

void tick_close_stores(struct engine *e)
{
	struct shared_store *s;

	while ((s = e->stores) != NULL) {
		e->stores = s->next;
		store_close(s->store);
		free(s);
	}
}

/* ---- the tick's services, as sensor.h promises them ---- */

struct store *tick_store(struct tick *t, const char *name, struct err *err)
{
	return shared_store(t->engine, name, err);
}

tm_ms tick_now(const struct tick *t)
{
	return t->at;
}

const char *tick_cursor(const struct tick *t)
{
	return t->cursor;
}

void tick_set_cursor(struct tick *t, const char *cursor)
{
	xstrset(&t->cursor, cursor);
}

void tick_missed(struct tick *t, int64_t n)
{
	t->missed += n;
}

tm_ms tick_key_since(const struct tick *t, const char *key, const char *fingerprint)
{
	tm_ms since = keyindex_since(t->keys, key, fingerprint);

	return since != 0 ? since : t->at;
}

static char *dup(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

void tick_report(struct tick *t, const struct key_report *r)
{
	struct key_report *copy;

	t->seen++;
	if (t->nreports >= REPORTS_MAX) {
		t->cut = true;
		return;
	}
	if (!keyindex_see(t->keys, r))
		return;
	if (t->nreports == t->capreports) {
		t->capreports = t->capreports ? t->capreports * 2 : 64;
		t->reports = xreallocarray(t->reports, t->capreports, sizeof(*t->reports));
	}
	copy = &t->reports[t->nreports++];
	*copy = *r;
	copy->key = dup(r->key);
	copy->reason = dup(r->reason);
	copy->fingerprint = dup(r->fingerprint);
}

void tick_reported_all(struct tick *t)
{
	t->whole = true;
}

int tick_request(struct tick *t, const struct run_request *req, struct err *err)
{
	struct request_copy *c;

	if (t->nrequests >= REQUESTS_MAX) {
		t->again = true;
		return err_code(err, ERR_TRANSIENT, "limit",
		    "more than %d runs in one tick; the rest comes with the next", REQUESTS_MAX);
	}
	if (t->nrequests == t->caprequests) {
		t->caprequests = t->caprequests ? t->caprequests * 2 : 8;
		t->requests = xreallocarray(t->requests, t->caprequests, sizeof(*t->requests));
	}
	c = &t->requests[t->nrequests++];
	c->req = *req;
	c->req.key = dup(req->key);
	c->req.generation = dup(req->generation ? req->generation : "");
	c->req.why = dup(req->why);
	c->req.names = c->names = xcalloc(req->nnames, sizeof(*c->names));
	for (size_t i = 0; i < req->nnames; i++) {
		c->names[i].name = dup(req->names[i].name);
		c->names[i].value = dup(req->names[i].value);
	}
	return 0;
}

const char *const *tick_hints(const struct tick *t, size_t *n)
{
	*n = 0;
	return t->pushed ? hints_taken(t->hints, n) : NULL;
}

void tick_again(struct tick *t)
{
	t->again = true;
}

void tick_done(struct tick *t, const char *skip_reason, const struct err *err)
{
	assert(!t->done);
	t->done = true;
	xstrset(&t->skip_reason, skip_reason);
	if (err != NULL)
		t->err = *err;
	event_del(t->timeout);
	engine_kick(t->engine);
}

void tick_free(struct tick *t)
{
	for (size_t i = 0; i < t->nreports; i++) {
		free((char *)t->reports[i].key);
		free((char *)t->reports[i].reason);
		free((char *)t->reports[i].fingerprint);
	}
	for (size_t i = 0; i < t->nrequests; i++) {
		struct request_copy *c = &t->requests[i];

		for (size_t k = 0; k < c->req.nnames; k++) {
			free((char *)c->names[k].name);
			free((char *)c->names[k].value);
		}
		free(c->names);
		free((char *)c->req.key);
		free((char *)c->req.generation);
		free((char *)c->req.why);
	}
	free(t->reports);
	free(t->requests);
	free(t->cursor);
	free(t->skip_reason);
	free(t);
}
