#include "config.h"

#include "store/store.h"

#include "base/codec.h"
#include "base/mem.h"
#include "metric/health.h"

#include <string.h>

const struct store_type *store_type_find(const char *name)
{
	for (size_t i = 0; store_types[i] != NULL; i++)
		if (strcmp(store_types[i]->name, name) == 0)
			return store_types[i];
	return NULL;
}

int store_key_check(const char *key, struct err *err)
{
	size_t n = strnlen(key, STORE_KEY_MAX + 1);

	if (n == 0)
		return err_code(err, ERR_PERMANENT, "bad_key", "an object key must not be empty");
	if (n > STORE_KEY_MAX)
		return err_code(
		    err, ERR_PERMANENT, "bad_key", "key %.40s...: longer than %d bytes", key, STORE_KEY_MAX);
	if (!utf8_valid(key, n))
		return err_code(err, ERR_PERMANENT, "bad_key", "key %s: not UTF-8", key);
	return 0;
}

struct store *store_open(
    const struct store_type *type, const char *name, const void *conf, struct event_base *base, struct err *err)
{
	struct err local = ERR_INIT;
	struct store *st = type->open(name, conf, base, &local);

	if (st == NULL) {
		health_note(HEALTH_STORE, name, &local);
		err_code(err, local.class, local.code, "store %s: %s", name, local.text);
	}
	return st;
}

void store_tend(struct store *st, bool deletes)
{
	if (st->ops->tend != NULL)
		st->ops->tend(st, deletes);
}

void store_set_origin(struct store *st, const char *run_uid)
{
	xstrset(&st->origin, run_uid);
}

void store_close(struct store *st)
{
	char *origin = st != NULL ? st->origin : NULL;

	if (st != NULL)
		st->ops->close(st);
	free(origin);
}

struct store_op *store_list(
    struct store *st, const char *prefix, const char *start_after, size_t max, store_list_cb *cb, void *arg)
{
	return st->ops->list(st, prefix, start_after, max, cb, arg);
}

struct store_op *store_head(struct store *st, const char *key, store_info_cb *cb, void *arg)
{
	return st->ops->head(st, key, cb, arg);
}

struct store_op *store_get(struct store *st, const char *key, const char *if_match, int64_t offset,
    const struct store_get_cbs *cbs, void *arg)
{
	return st->ops->get(st, key, if_match, offset, cbs, arg);
}

static const struct store_put_opts *or_default(const struct store_put_opts *opts)
{
	static const struct store_put_opts none;

	return opts ? opts : &none;
}

struct store_op *store_put(struct store *st, const char *key, const void *p, size_t n,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg)
{
	return st->ops->put(st, key, p, n, or_default(opts), cb, arg);
}

struct store_op *store_put_file(struct store *st, const char *key, int fd, int64_t size,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg)
{
	return st->ops->put_file(st, key, fd, size, or_default(opts), cb, arg);
}

struct store_op *store_copy(
    struct store *st, const char *from, const char *if_match, const char *to, store_info_cb *cb, void *arg)
{
	return st->ops->copy(st, from, if_match, to, cb, arg);
}

struct store_op *store_delete(
    struct store *st, const char *key, const char *if_match, store_done_cb *cb, void *arg)
{
	return st->ops->del(st, key, if_match, cb, arg);
}

struct store_op *store_delete_many(
    struct store *st, const struct store_deletion *v, size_t n, const struct store_delete_cbs *cbs, void *arg)
{
	return st->ops->delete_many(st, v, n, cbs, arg);
}

struct store_op *store_barrier(struct store *st, store_done_cb *cb, void *arg)
{
	return st->ops->barrier(st, cb, arg);
}

void store_op_pause(struct store_op *op, bool paused)
{
	op->store->ops->pause(op, paused);
}

void store_op_cancel(struct store_op *op)
{
	if (op != NULL)
		op->store->ops->cancel(op);
}

const char *store_location(struct store *st)
{
	return st->ops->location(st);
}
