/*
 * Many deletions as one operation: look and compare, several at a time; what is as expected goes in batches where the
 * store has them, and the rest one by one.
 */
#include "config.h"

#include "base/mem.h"
#include "store/op.h"

#include <string.h>

#define AT_A_TIME 16

enum state { LOOK, BATCH, SINGLE, SETTLED };

struct slot {
	struct deletions *all;
	size_t i;
	struct store_op *op; /* NULL: free */
};

struct deletions {
	struct op op;
	struct store_delete_cbs cbs;
	void *arg;
	size_t n;
	char **key, **etag;
	enum state *state;
	struct slot slot[AT_A_TIME];
	size_t busy, next[SETTLED]; /* where to look for the next of a state */
	struct store_op *batch_op;
	struct store_deletion batch[STORE_BATCH_MAX];
	size_t of[STORE_BATCH_MAX], nbatch; /* which they are */
};

static struct deletions *deletions_of(struct op *op)
{
	return CONTAINER_OF(op, struct deletions, op);
}

static void release(struct op *op)
{
	struct deletions *d = deletions_of(op);

	/* When the store is being closed its list of operations takes care of these too. */
	for (size_t k = 0; k < AT_A_TIME && !op->list->closing; k++)
		store_op_cancel(d->slot[k].op);
	if (!op->list->closing)
		store_op_cancel(d->batch_op);
	for (size_t i = 0; i < d->n; i++) {
		free(d->key[i]);
		free(d->etag[i]);
	}
	free(d->key);
	free(d->etag);
	free(d->state);
	free(d);
}

static void settle(struct deletions *d, size_t i, const struct err *err)
{
	d->state[i] = SETTLED;
	if (!d->op.dead)
		d->cbs.on_item(i, err, d->arg);
}

/* The next item in that state, or n.  States only advance, so what was passed over need not be seen again. */
static size_t next_in(struct deletions *d, enum state state)
{
	size_t *i = &d->next[state];

	while (*i < d->n && d->state[*i] != state)
		(*i)++;
	return *i;
}

static void on_looked(const struct store_object *obj, const struct err *err, void *arg)
{
	struct slot *s = arg;
	struct deletions *d = s->all;
	struct err changed;

	s->op = NULL;
	d->busy--;
	op_enter(&d->op);
	if (err == NULL && strcmp(obj->etag, d->etag[s->i]) != 0) {
		err_code(&changed, ERR_PERMANENT, "precondition",
		    "delete %s: the object has changed (etag %s, expected %s)", d->key[s->i], obj->etag,
		    d->etag[s->i]);
		err = &changed;
	}
	if (err != NULL)
		settle(d, s->i, err);
	else
		d->state[s->i] = BATCH;
	op_kick(&d->op);
	op_leave(&d->op);
}

static void on_deleted(const struct err *err, void *arg)
{
	struct slot *s = arg;
	struct deletions *d = s->all;

	s->op = NULL;
	d->busy--;
	op_enter(&d->op);
	settle(d, s->i, err);
	op_kick(&d->op);
	op_leave(&d->op);
}

/* As many of that state as there are free slots; false: none is left, nor under way. */
static bool start_each(struct deletions *d, enum state state)
{
	struct store *st = d->op.pub.store;

	for (size_t k = 0; k < AT_A_TIME; k++) {
		struct slot *s = &d->slot[k];
		size_t i = next_in(d, state);

		if (s->op != NULL || i == d->n)
			continue;
		d->next[state]++;
		*s = (struct slot){.all = d, .i = i};
		d->busy++;
		if (state == LOOK)
			s->op = store_head(st, d->key[i], on_looked, s);
		else
			s->op = store_delete(st, d->key[i], d->etag[i], on_deleted, s);
	}
	return d->busy > 0;
}

/* What a batch cannot hold, or a server that knows none, is left for single deletions. */
static void settle_or_leave(struct deletions *d, size_t i, const struct err *err)
{
	if (err != NULL && err_is(err, "unsupported"))
		d->state[i] = SINGLE;
	else
		settle(d, i, err);
}

static void on_batch_item(size_t k, const struct err *err, void *arg)
{
	struct deletions *d = arg;

	op_enter(&d->op);
	if (d->state[d->of[k]] == BATCH)
		settle_or_leave(d, d->of[k], err);
	op_leave(&d->op);
}

static void on_batch_done(void *arg)
{
	struct deletions *d = arg;

	d->batch_op = NULL;
	op_kick(&d->op);
}

static bool start_batch(struct deletions *d)
{
	static const struct store_delete_cbs cbs = {.on_item = on_batch_item, .on_done = on_batch_done};
	struct store *st = d->op.pub.store;
	size_t i;

	if (d->batch_op != NULL)
		return true;
	for (d->nbatch = 0; d->nbatch < STORE_BATCH_MAX && (i = next_in(d, BATCH)) < d->n; d->nbatch++) {
		d->next[BATCH]++;
		d->of[d->nbatch] = i;
		d->batch[d->nbatch] = (struct store_deletion){d->key[i], d->etag[i]};
	}
	if (d->nbatch == 0)
		return false;
	d->batch_op = st->ops->delete_batch(st, d->batch, d->nbatch, &cbs, d);
	return true;
}

static void turn(struct op *op)
{
	struct deletions *d = deletions_of(op);

	if (start_each(d, LOOK))
		return;
	if (op->pub.store->ops->delete_batch == NULL ? start_each(d, BATCH)
	                                             : start_batch(d) || start_each(d, SINGLE))
		return;
	d->cbs.on_done(d->arg);
	op_end(op);
}

static const struct op_ops delete_many_ops = {.turn = turn, .release = release};

struct store_op *op_delete_many(struct store *st, struct op_list *list, const struct store_deletion *v,
    size_t n, const struct store_delete_cbs *cbs, void *arg)
{
	struct deletions *d = xcalloc(1, sizeof(*d));

	d->cbs = *cbs;
	d->arg = arg;
	d->n = n;
	d->key = xcalloc(n + 1, sizeof(*d->key));
	d->etag = xcalloc(n + 1, sizeof(*d->etag));
	d->state = xcalloc(n + 1, sizeof(*d->state));
	for (size_t i = 0; i < n; i++) {
		xstrset(&d->key[i], v[i].key);
		xstrset(&d->etag[i], v[i].if_match);
		d->state[i] = v[i].if_match != NULL ? LOOK : BATCH;
	}
	op_init(&d->op, &delete_many_ops, st, list);
	return &d->op.pub;
}
