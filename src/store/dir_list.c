#include "config.h"

#include "base/log.h"
#include "base/mem.h"
#include "metric/health.h"
#include "store/dir_impl.h"
#include "store/dir_walk.h"

#include <string.h>

#define PAGE 1000
/* Names looked at per turn of the loop: about a millisecond. */
#define NAMES_PER_TURN 2000

struct dir_list {
	struct op op;
	struct dir_walk *walk;
	size_t left; /* of max; SIZE_MAX: all */
	store_list_cb *cb;
	void *arg;
	size_t n;
	struct store_object page[PAGE];
	size_t key_at[PAGE], etag_at[PAGE]; /* in text */
	struct strbuf text;
};

static void release(struct op *op)
{
	struct dir_list *l = CONTAINER_OF(op, struct dir_list, op);

	dir_walk_free(l->walk);
	strbuf_release(&l->text);
	free(l);
}

static void add(struct dir_list *l, const struct dir_entry *e)
{
	char etag[DIR_ETAG_MAX];

	dir_etag(&e->st, etag);
	l->page[l->n] = (struct store_object){.size = e->st.st_size, .modified = dir_mtime(&e->st)};
	l->key_at[l->n] = l->text.len;
	strbuf_add(&l->text, e->key, strlen(e->key) + 1);
	l->etag_at[l->n] = l->text.len;
	strbuf_add(&l->text, etag, strlen(etag) + 1);
	l->n++;
	l->left--;
}

static void warn_once(struct dir_list *l)
{
	struct dir_store *d = CONTAINER_OF(l->op.pub.store, struct dir_store, store);
	const char *name = dir_walk_skipped(l->walk);

	if (name == NULL || d->warned)
		return;
	d->warned = true;
	log_warn("store %s: %s/%s and names like it cannot be keys (not UTF-8 or too long): ignored",
	    d->store.name, d->path, name);
}

static void deliver(struct dir_list *l, bool last)
{
	size_t n = l->n;

	for (size_t i = 0; i < n; i++) {
		l->page[i].key = l->text.buf + l->key_at[i];
		l->page[i].etag = l->text.buf + l->etag_at[i];
	}
	l->n = 0;
	l->cb(l->page, n, last, NULL, l->arg);
	if (!l->op.dead)
		strbuf_reset(&l->text);
}

static void turn(struct op *op)
{
	struct dir_list *l = CONTAINER_OF(op, struct dir_list, op);
	enum dir_walk_result r = DIR_WALK_END;
	size_t budget = NAMES_PER_TURN;
	struct err err = ERR_INIT;
	struct dir_entry e;

	while (l->left > 0 && l->n < PAGE && (r = dir_walk_next(l->walk, &e, &budget, &err)) == DIR_WALK_ENTRY)
		add(l, &e);
	warn_once(l);
	if (r == DIR_WALK_ERROR) {
		health_note(HEALTH_STORE, op->pub.store->name, &err);
		l->cb(NULL, 0, true, &err, l->arg);
		op_end(op);
		return;
	}
	bool last = l->left == 0 || r == DIR_WALK_END;
	if (last)
		health_note(HEALTH_STORE, op->pub.store->name, NULL);
	if (last || l->n == PAGE)
		deliver(l, last);
	if (last)
		op_end(op);
	else
		op_kick(op);
}

static const struct op_ops list_ops = {.turn = turn, .release = release};

struct store_op *dir_list(
    struct store *st, const char *prefix, const char *start_after, size_t max, store_list_cb *cb, void *arg)
{
	struct dir_store *d = CONTAINER_OF(st, struct dir_store, store);
	struct dir_list *l = xcalloc(1, sizeof(*l));

	l->walk = dir_walk_new(d->root, prefix, start_after, 0);
	l->left = max ? max : SIZE_MAX;
	l->cb = cb;
	l->arg = arg;
	strbuf_init(&l->text, PAGE * (STORE_KEY_MAX + DIR_ETAG_MAX + 2));
	op_init(&l->op, &list_ops, st, &d->ops);
	return &l->op.pub;
}
