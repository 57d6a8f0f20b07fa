#include "config.h"

#include "store/sync.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One call under way: what its callbacks fill, until done. */
struct call {
	bool done;
	int rc;
	struct err *err;
	struct store_op *op;
	struct store_entry *entry;
	/* list */
	struct store_listing *listing;
	size_t cap, limit;
	const char *prefix;
	/* get */
	const char *key;
	struct strbuf *out;
	int fd;
	int64_t size, max;
	struct digest *digest;
	bool cancelled; /* by stopper */
};

#define LOOK_MS   200
#define SETTLE_MS 3000

static void finish(struct call *c, const struct err *err)
{
	c->done = true;
	c->rc = err ? -1 : 0;
	if (err != NULL && c->err != NULL)
		*c->err = *err;
}

/* A callback found a reason to stop; err is already filled. */
static void stop(struct call *c)
{
	c->done = true;
	c->rc = -1;
	store_op_cancel(c->op);
}

static struct {
	bool (*stop)(void *arg);
	void *arg;
} stopper;

void store_sync_stop_when(bool (*stop_fn)(void *arg), void *arg)
{
	stopper.stop = stop_fn;
	stopper.arg = arg;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct call *c = arg;

	if (c->done || !stopper.stop(stopper.arg))
		return;
	err_set(c->err, ERR_CANCELLED, "told to stop");
	c->cancelled = true;
	stop(c);
}

/* What a cancelled operation has to undo outside (parts of an upload) gets a moment. */
static void settle(struct event_base *base)
{
	tm_ms until = clock_mono() + SETTLE_MS;

	while (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > 0 && clock_mono() < until) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(2000);
	}
}

static int wait_for(struct call *c, struct store_op *op)
{
	static const struct timeval look = {.tv_usec = LOOK_MS * 1000};
	struct event_base *base = op->store->base;
	struct event *timer = NULL;
	int rc = 0;

	c->op = op;
	if (stopper.stop != NULL) {
		timer = event_new(base, -1, EV_PERSIST, on_look, c);
		if (timer == NULL || event_add(timer, &look) == -1)
			abort();
	}
	while (!c->done && rc != -1)
		rc = event_base_loop(base, EVLOOP_ONCE);
	if (timer != NULL)
		event_free(timer);
	if (rc == -1)
		return err_set(c->err, ERR_BUG, "the event loop failed");
	if (c->cancelled)
		settle(base);
	return c->rc;
}

static void take(struct store_entry *e, const struct store_object *obj)
{
	*e = (struct store_entry){.key = xstrdup(obj->key), .size = obj->size, .modified = obj->modified};
	snprintf(e->etag, sizeof(e->etag), "%s", obj->etag);
	snprintf(e->sha256, sizeof(e->sha256), "%s", obj->sha256 ? obj->sha256 : "");
}

void store_entry_release(struct store_entry *e)
{
	free(e->key);
	*e = (struct store_entry){0};
}

void store_listing_release(struct store_listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		store_entry_release(&l->v[i]);
	free(l->v);
	*l = (struct store_listing){0};
}

static void on_page(const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg)
{
	struct call *c = arg;
	struct store_listing *l = c->listing;

	if (l->n + n > c->limit) {
		err_code(c->err, ERR_BAD_DATA, "limit", "list %s: more than %zu objects", c->prefix, c->limit);
		stop(c);
		return;
	}
	if (l->n + n > c->cap) {
		c->cap = MAX(2 * c->cap, l->n + n);
		l->v = xreallocarray(l->v, c->cap, sizeof(l->v[0]));
	}
	for (size_t i = 0; i < n; i++)
		take(&l->v[l->n++], &objs[i]);
	if (last)
		finish(c, err);
}

int store_sync_list(
    struct store *st, const char *prefix, size_t limit, struct store_listing *out, struct err *err)
{
	struct store_listing l = {0};
	struct call c = {.err = err, .listing = &l, .limit = limit, .prefix = prefix};

	if (wait_for(&c, store_list(st, prefix, NULL, 0, on_page, &c)) == -1) {
		store_listing_release(&l);
		return -1;
	}
	*out = l;
	return 0;
}

static void on_info(const struct store_object *obj, const struct err *err, void *arg)
{
	struct call *c = arg;

	if (err == NULL && c->entry != NULL)
		take(c->entry, obj);
	finish(c, err);
}

static void on_done(const struct err *err, void *arg)
{
	finish(arg, err);
}

int store_sync_head(struct store *st, const char *key, struct store_entry *out, struct err *err)
{
	struct call c = {.err = err, .entry = out};

	return wait_for(&c, store_head(st, key, on_info, &c));
}

static void on_start(const struct store_object *obj, void *arg)
{
	struct call *c = arg;

	c->size = obj->size;
	if (c->entry != NULL)
		take(c->entry, obj);
	if (c->max >= 0 && obj->size > c->max) {
		err_code(c->err, ERR_BAD_DATA, "limit",
		    "get %s: %lld bytes, more than the %lld expected at most", c->key, (long long)obj->size,
		    (long long)c->max);
		stop(c);
	}
}

static void on_data(const void *p, size_t n, void *arg)
{
	struct call *c = arg;

	if (c->digest != NULL)
		digest_update(c->digest, p, n);
	if (c->out != NULL && strbuf_add(c->out, p, n) == -1) {
		err_code(
		    c->err, ERR_BAD_DATA, "limit", "get %s: does not fit %zu bytes", c->key, c->out->limit);
		stop(c);
	} else if (c->fd != -1 && fs_write_all(c->fd, p, n, c->err) == -1) {
		err_wrap(c->err, "get %s", c->key);
		stop(c);
	}
}

static int get(struct call *c, struct store *st, const char *key, const char *if_match)
{
	static const struct store_get_cbs cbs = {.on_start = on_start, .on_data = on_data, .on_done = on_done};
	struct store_entry entry = {0}, *out = c->entry;

	c->key = key;
	c->entry = out ? &entry : NULL;
	int rc = wait_for(c, store_get(st, key, if_match, 0, &cbs, c));
	if (rc == 0 && out != NULL)
		*out = entry;
	else
		store_entry_release(&entry);
	return rc;
}

int store_sync_get(struct store *st, const char *key, const char *if_match, struct strbuf *out,
    struct store_entry *entry, struct err *err)
{
	struct call c = {.err = err, .out = out, .entry = entry, .fd = -1};
	size_t before = out->len;

	c.max = (int64_t)(out->limit - out->len);
	int rc = get(&c, st, key, if_match);
	if (rc == -1)
		strbuf_truncate(out, before);
	return rc;
}

int store_sync_get_file(
    struct store *st, const char *key, const char *if_match, int fd, int64_t limit, struct err *err)
{
	struct call c = {.err = err, .fd = fd, .max = limit};

	return get(&c, st, key, if_match);
}

int store_sync_digest(
    struct store *st, const char *key, char sha256[SHA256_HEX], int64_t *size, struct err *err)
{
	struct call c = {.err = err, .fd = -1, .max = -1, .digest = digest_new(DIGEST_SHA256)};

	if (get(&c, st, key, NULL) == -1) {
		digest_free(c.digest);
		return -1;
	}
	digest_final(c.digest, sha256);
	if (size != NULL)
		*size = c.size;
	return 0;
}

int store_sync_put(struct store *st, const char *key, const void *p, size_t n,
    const struct store_put_opts *opts, struct store_entry *out, struct err *err)
{
	struct call c = {.err = err, .entry = out};
	struct store_put_opts o = opts ? *opts : (struct store_put_opts){0};

	/* This call outlasts the operation; but lent bytes would have their sum believed. */
	o.lent = o.lent || o.sha256 == NULL;
	return wait_for(&c, store_put(st, key, p, n, &o, on_info, &c));
}

int store_sync_put_file(struct store *st, const char *key, const char *path, const struct store_put_opts *opts,
    struct store_entry *out, struct err *err)
{
	struct call c = {.err = err, .entry = out};
	int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat sb;

	if (fd == -1)
		return err_errno(err, "open %s", path);
	if (fstat(fd, &sb) == -1)
		err_errno(err, "stat %s", path);
	else if (!S_ISREG(sb.st_mode))
		err_code(err, ERR_PERMANENT, "not_a_file", "%s: not a regular file", path);
	else
		rc = wait_for(&c, store_put_file(st, key, fd, sb.st_size, opts, on_info, &c));
	close(fd);
	return rc;
}

int store_sync_copy(struct store *st, const char *from, const char *if_match, const char *to,
    struct store_entry *out, struct err *err)
{
	struct call c = {.err = err, .entry = out};

	return wait_for(&c, store_copy(st, from, if_match, to, on_info, &c));
}

int store_sync_delete(struct store *st, const char *key, const char *if_match, struct err *err)
{
	struct call c = {.err = err};

	return wait_for(&c, store_delete(st, key, if_match, on_done, &c));
}

/* Its callbacks share one argument: ours, which knows the caller's. */
struct many {
	struct call call;
	void (*on_item)(size_t i, const struct err *err, void *arg);
	void *arg;
};

static void on_many_item(size_t i, const struct err *err, void *arg)
{
	struct many *m = arg;

	m->on_item(i, err, m->arg);
}

static void on_many_done(void *arg)
{
	struct many *m = arg;

	finish(&m->call, NULL);
}

int store_sync_delete_many(struct store *st, const struct store_deletion *v, size_t n,
    void (*on_item)(size_t i, const struct err *err, void *arg), void *arg, struct err *err)
{
	static const struct store_delete_cbs cbs = {.on_item = on_many_item, .on_done = on_many_done};
	struct many m = {.call = {.err = err}, .on_item = on_item, .arg = arg};

	return wait_for(&m.call, store_delete_many(st, v, n, &cbs, &m));
}

int store_sync_barrier(struct store *st, struct err *err)
{
	struct call c = {.err = err};

	return wait_for(&c, store_barrier(st, on_done, &c));
}
