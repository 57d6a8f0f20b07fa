#include "config.h"

#include "store/look.h"

#include <event2/event.h>

#define AT_A_TIME 16

struct looking {
	const struct look_watch *watch;
	struct store *store;
	struct look *v;
	size_t n, next, done;
	int rc;
	struct err err;
	struct one {
		struct looking *all;
		struct store_op *op;
		size_t i;
	} slot[AT_A_TIME];
};

static void start_next(struct one *o);

static void fail(struct looking *l, const struct err *err)
{
	if (l->rc == 0)
		l->err = *err;
	l->rc = -1;
}

static void on_info(const struct store_object *obj, const struct err *err, void *arg)
{
	struct one *o = arg;
	struct looking *l = o->all;
	struct look *k = &l->v[o->i];

	o->op = NULL;
	k->there = err == NULL;
	if (err == NULL) {
		k->size = obj->size;
		k->modified = obj->modified;
		snprintf(k->etag, sizeof(k->etag), "%s", obj->etag);
		snprintf(k->sha256, sizeof(k->sha256), "%s", obj->sha256 != NULL ? obj->sha256 : "");
	} else if (!err_is(err, "not_found")) {
		fail(l, err);
	}
	l->done++;
	if (l->watch->progress != NULL)
		l->watch->progress(l->done, l->n, l->watch->arg);
	start_next(o);
}

static void start_next(struct one *o)
{
	struct looking *l = o->all;
	const struct err cancelled = {.class = ERR_CANCELLED, .text = "cancelled while checking objects"};

	if (l->watch->stop != NULL && l->watch->stop(l->watch->arg))
		fail(l, &cancelled);
	if (l->rc == -1 || l->next == l->n)
		return;
	o->i = l->next++;
	o->op = store_head(l->store, l->v[o->i].key, on_info, o);
}

int look_all(struct store *st, struct look *v, size_t n, const struct look_watch *watch, struct err *err)
{
	struct looking l = {.watch = watch, .store = st, .v = v, .n = n};

	for (size_t i = 0; i < AT_A_TIME; i++) {
		l.slot[i].all = &l;
		start_next(&l.slot[i]);
	}
	while (l.rc == 0 && l.done < n)
		if (event_base_loop(st->base, EVLOOP_ONCE) == -1)
			l.rc = err_set(&l.err, ERR_BUG, "the event loop failed");
	for (size_t i = 0; i < AT_A_TIME; i++)
		store_op_cancel(l.slot[i].op);
	if (l.rc == -1 && err != NULL)
		*err = l.err;
	return l.rc;
}
