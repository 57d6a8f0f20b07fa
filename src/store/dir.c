#include "config.h"

#include "store/dir.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/dir_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static struct dir_store *dir_of(struct store *st)
{
	return CONTAINER_OF(st, struct dir_store, store);
}

void dir_object_fill(struct dir_object *o, const char *key, int fd, const struct stat *st)
{
	o->obj = (struct store_object){.key = key, .size = st->st_size, .modified = dir_mtime(st)};
	o->obj.etag = dir_etag(st, o->etag);
	if (fd != -1 && dir_sha256_get(fd, st, o->sha256))
		o->obj.sha256 = o->sha256;
}

/* For readers, whatever stands in the way of a plain file means that there is no such object. */
static int reader_errno(struct err *err, const char *verb, const char *key)
{
	if (errno == ENOTDIR || errno == EISDIR || errno == ELOOP || errno == ENXIO || errno == ENODEV)
		errno = ENOENT;
	return dir_errno(err, verb, key);
}

int dir_match(const char *verb, const char *key, const char *if_match, const struct stat *st, struct err *err)
{
	char etag[DIR_ETAG_MAX];

	if (if_match == NULL || strcmp(dir_etag(st, etag), if_match) == 0)
		return 0;
	return err_code(err, ERR_PERMANENT, "precondition",
	    "%s %s: the object has changed (etag %s, expected %s)", verb, key, etag, if_match);
}

int dir_object_open(struct dir_store *d, const char *verb, const char *key, const char *if_match,
    struct stat *st, struct err *err)
{
	/* O_NONBLOCK: a FIFO in an object's place must not hang us before its type is known. */
	int fd = dir_open(d->root, key, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd == -1)
		return reader_errno(err, verb, key);
	if (fstat(fd, st) == -1) {
		dir_errno(err, verb, key);
		goto fail;
	}
	if (!S_ISREG(st->st_mode)) {
		errno = ENOENT;
		dir_errno(err, verb, key);
		goto fail;
	}
	if (dir_match(verb, key, if_match, st, err) == -1)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

int dir_object_stat(struct dir_store *d, const char *verb, const char *key, struct stat *st, struct err *err)
{
	int fd = dir_open(d->root, key, O_PATH);
	int rc = fd == -1 ? -1 : fstat(fd, st);
	int saved = errno;

	if (fd != -1)
		close(fd);
	errno = rc == 0 && !S_ISREG(st->st_mode) ? ENOENT : saved;
	if (rc == -1 || !S_ISREG(st->st_mode))
		return reader_errno(err, verb, key);
	return 0;
}

/* head, delete, barrier: one turn each. */
struct dir_small {
	struct op op;
	char *key, *if_match;
	store_info_cb *on_info;
	store_done_cb *on_done;
	void *arg;
	tm_ms since;
};

static void release_small(struct op *op)
{
	struct dir_small *s = CONTAINER_OF(op, struct dir_small, op);

	free(s->key);
	free(s->if_match);
	free(s);
}

static struct dir_small *new_small(
    struct store *st, const struct op_ops *ops, const char *key, const char *if_match, void *arg)
{
	struct dir_small *s = xcalloc(1, sizeof(*s));

	xstrset(&s->key, key);
	xstrset(&s->if_match, if_match);
	s->arg = arg;
	op_init(&s->op, ops, st, &dir_of(st)->ops);
	if (key != NULL)
		dir_key_check(key, &s->op.failed);
	return s;
}

static void turn_head(struct op *op)
{
	struct dir_small *s = CONTAINER_OF(op, struct dir_small, op);
	struct err err = op->failed;
	struct dir_object o;
	struct stat st;
	int fd = -1;

	if (err.class == ERR_NONE)
		fd = dir_object_open(dir_of(op->pub.store), "head", s->key, NULL, &st, &err);
	if (fd == -1) {
		s->on_info(NULL, &err, s->arg);
	} else {
		dir_object_fill(&o, s->key, fd, &st);
		close(fd);
		s->on_info(&o.obj, NULL, s->arg);
	}
	op_end(op);
}
static const struct op_ops head_ops = {.turn = turn_head, .release = release_small};

static struct store_op *dir_head(struct store *st, const char *key, store_info_cb *cb, void *arg)
{
	struct dir_small *s = new_small(st, &head_ops, key, NULL, arg);

	s->on_info = cb;
	return &s->op.pub;
}

/* The key is locked.  A missing object is a success. */
static int remove_object(struct dir_store *d, const char *key, const char *if_match, struct err *err)
{
	struct stat st;
	const char *leaf;
	int rc = 0;

	if (dir_object_stat(d, "delete", key, &st, err) == -1)
		return err_is(err, "not_found") ? 0 : -1;
	if (dir_match("delete", key, if_match, &st, err) == -1)
		return -1;
	int parent = dir_open_parent(d->root, key, false, &leaf);
	if (parent == -1 || (unlinkat(parent, leaf, 0) == -1 && errno != ENOENT))
		rc = dir_errno(err, "delete", key);
	if (parent != -1)
		close(parent);
	return rc;
}

/* 1: done, 0: the lock is taken, -1: error. */
static int delete_once(struct dir_store *d, const char *key, const char *if_match, struct err *err)
{
	struct stat st;

	/* Without the reserved folder yet: do not make it just to find that there is nothing to delete. */
	if (d->tmp == -1 && dir_object_stat(d, "delete", key, &st, err) == -1)
		return err_is(err, "not_found") ? 1 : -1;
	if (dir_own_open(d, err) == -1)
		return -1;
	int locked = dir_key_lock(d, key);
	if (locked == 1)
		return 0;
	if (locked == -1 && if_match != NULL)
		return dir_errno(err, "lock", key);
	int rc = remove_object(d, key, if_match, err);
	if (locked == 0)
		dir_key_unlock(d, key);
	if (rc == -1)
		return -1;
	dir_prune(d->root, key);
	/* So that a power cut does not bring the object back. */
	if (dir_sync_parents(d->root, key, true) == -1)
		return dir_errno(err, "delete", key);
	return 1;
}

static void turn_delete(struct op *op)
{
	struct dir_small *s = CONTAINER_OF(op, struct dir_small, op);
	struct err err = op->failed;
	int rc = err.class == ERR_NONE ? delete_once(dir_of(op->pub.store), s->key, s->if_match, &err) : -1;

	if (rc == 0 && clock_mono() - s->since < 30000) {
		op_kick_after(op, 1);
		return;
	}
	if (rc == 0)
		rc = err_code(
		    &err, ERR_TRANSIENT, "locked", "delete %s: another process holds the key's lock", s->key);
	s->on_done(rc == 1 ? NULL : &err, s->arg);
	op_end(op);
}
static const struct op_ops delete_ops = {.turn = turn_delete, .release = release_small};

static struct store_op *dir_delete(
    struct store *st, const char *key, const char *if_match, store_done_cb *cb, void *arg)
{
	struct dir_small *s = new_small(st, &delete_ops, key, if_match, arg);

	s->on_done = cb;
	s->since = clock_mono();
	return &s->op.pub;
}

static struct store_op *dir_delete_many(
    struct store *st, const struct store_deletion *v, size_t n, const struct store_delete_cbs *cbs, void *arg)
{
	return op_delete_many(st, &dir_of(st)->ops, v, n, cbs, arg);
}

static void turn_barrier(struct op *op)
{
	struct dir_small *s = CONTAINER_OF(op, struct dir_small, op);
	struct dir_store *d = dir_of(op->pub.store);
	struct err err = ERR_INIT;
	int rc = 0;

	if (d->undurable && syncfs(d->root) == -1)
		rc = dir_errno(&err, "sync", d->path);
	if (rc == 0)
		d->undurable = false;
	s->on_done(rc == 0 ? NULL : &err, s->arg);
	op_end(op);
}
static const struct op_ops barrier_ops = {.turn = turn_barrier, .release = release_small};

static struct store_op *dir_barrier(struct store *st, store_done_cb *cb, void *arg)
{
	struct dir_small *s = new_small(st, &barrier_ops, NULL, NULL, arg);

	s->on_done = cb;
	return &s->op.pub;
}

struct dir_get {
	struct op op;
	char *key, *if_match;
	struct store_get_cbs cbs;
	void *arg;
	int fd;
	int64_t offset;
	struct stat st;
};

static void release_get(struct op *op)
{
	struct dir_get *g = CONTAINER_OF(op, struct dir_get, op);

	if (g->fd != -1)
		close(g->fd);
	free(g->key);
	free(g->if_match);
	free(g);
}

static int begin_get(struct dir_get *g, struct err *err)
{
	struct dir_object o;

	if (g->op.failed.class != ERR_NONE) {
		*err = g->op.failed;
		return -1;
	}
	g->fd = dir_object_open(dir_of(g->op.pub.store), "get", g->key, g->if_match, &g->st, err);
	if (g->fd == -1)
		return -1;
	if (g->offset < 0 || g->offset > g->st.st_size)
		return err_code(err, ERR_PERMANENT, "bad_range", "get %s: offset %lld is beyond its %lld bytes",
		    g->key, (long long)g->offset, (long long)g->st.st_size);
	dir_object_fill(&o, g->key, g->fd, &g->st);
	if (g->cbs.on_start != NULL)
		g->cbs.on_start(&o.obj, g->arg);
	return 0;
}

/* The file was written to in place while it was read: what was delivered may be torn. */
static int check_unchanged(struct dir_get *g, struct err *err)
{
	struct stat st;

	if (fstat(g->fd, &st) == -1)
		return dir_errno(err, "get", g->key);
	if (st.st_size == g->st.st_size && st.st_mtim.tv_sec == g->st.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == g->st.st_mtim.tv_nsec)
		return 0;
	if (g->if_match != NULL)
		return err_code(
		    err, ERR_PERMANENT, "precondition", "get %s: it changed while it was read", g->key);
	return err_code(err, ERR_TRANSIENT, "changed", "get %s: it changed while it was read", g->key);
}

/* 1: the end, 0: more, -1: error. */
static int read_some(struct dir_get *g, struct err *err)
{
	char *slice = dir_of(g->op.pub.store)->slice;
	size_t n = (size_t)MIN((int64_t)DIR_SLICE, g->st.st_size - g->offset);
	ssize_t r = 0;

	if (n > 0)
		r = pread(g->fd, slice, n, g->offset);
	if (r == -1)
		return errno == EINTR ? 0 : dir_errno(err, "get", g->key);
	if (r == 0)
		return check_unchanged(g, err) == -1 ? -1 : 1;
	g->offset += r;
	g->cbs.on_data(slice, (size_t)r, g->arg);
	return 0;
}

static void turn_get(struct op *op)
{
	struct dir_get *g = CONTAINER_OF(op, struct dir_get, op);
	struct err err = ERR_INIT;
	int rc = g->fd == -1 ? begin_get(g, &err) : 0;

	if (op->dead || (rc == 0 && op->paused))
		return;
	if (rc == 0)
		rc = read_some(g, &err);
	if (op->dead)
		return;
	if (rc == 0) {
		op_kick(op);
		return;
	}
	g->cbs.on_done(rc == 1 ? NULL : &err, g->arg);
	op_end(op);
}
static const struct op_ops get_ops = {.turn = turn_get, .release = release_get};

static struct store_op *dir_get(struct store *st, const char *key, const char *if_match, int64_t offset,
    const struct store_get_cbs *cbs, void *arg)
{
	struct dir_get *g = xcalloc(1, sizeof(*g));

	g->key = xstrdup(key);
	xstrset(&g->if_match, if_match);
	g->cbs = *cbs;
	g->arg = arg;
	g->offset = offset;
	g->fd = -1;
	op_init(&g->op, &get_ops, st, &dir_of(st)->ops);
	dir_key_check(key, &g->op.failed);
	return &g->op.pub;
}

static void dir_pause(struct store_op *op, bool paused)
{
	op_pause(CONTAINER_OF(op, struct op, pub), paused);
}

static void dir_cancel(struct store_op *op)
{
	op_cancel(CONTAINER_OF(op, struct op, pub));
}

static const char *dir_location(struct store *st)
{
	return dir_of(st)->location;
}

static void free_store(struct store *st)
{
	struct dir_store *d = dir_of(st);

	if (d->root != -1)
		close(d->root);
	if (d->tmp != -1)
		close(d->tmp);
	if (d->lock != -1)
		close(d->lock);
	free(d->slice);
	free(d->path);
	free(d->location);
	free(d->store.name);
	free(d);
}

static void dir_close(struct store *st)
{
	op_list_close(&dir_of(st)->ops, st, free_store);
}

static const struct store_ops dir_ops = {
    .close = dir_close,
    .list = dir_list,
    .head = dir_head,
    .get = dir_get,
    .put = dir_put,
    .put_file = dir_put_file,
    .copy = dir_copy,
    .del = dir_delete,
    .delete_many = dir_delete_many,
    .barrier = dir_barrier,
    .pause = dir_pause,
    .cancel = dir_cancel,
    .location = dir_location,
};

static int open_root(const struct store_dir_conf *conf, struct err *err)
{
	int fd;

	if (conf->create && fs_mkdirs(conf->path, 0777, err) == -1)
		return -1;
	fd = open(conf->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return err_code(
		    err, ERR_CONFIG, "not_found", "folder %s does not exist (and create is off)", conf->path);
	if (fd == -1 && errno == ENOTDIR)
		return err_code(err, ERR_CONFIG, NULL, "%s is not a folder", conf->path);
	if (fd == -1)
		return dir_errno(err, "open folder", conf->path);
	return fd;
}

static struct store *dir_open_store(
    const char *name, const void *opts, struct event_base *base, struct err *err)
{
	const struct store_dir_conf *conf = opts;
	int root = open_root(conf, err);

	if (root == -1)
		return NULL;
	struct dir_store *d = xcalloc(1, sizeof(*d));
	d->store = (struct store){.ops = &dir_ops,
	    .name = xstrdup(name),
	    .base = base,
	    .caps = STORE_CAP_DELETE_IF_MATCH | STORE_CAP_PUT_IF_ABSENT};
	d->root = root;
	d->tmp = d->lock = -1;
	d->path = xstrdup(conf->path);
	d->location = xasprintf("file://%s", conf->path);
	d->slice = xmalloc(DIR_SLICE);
	if (getrandom(&d->nonce, sizeof(d->nonce), 0) != sizeof(d->nonce))
		abort(); /* not on any kernel that we run on */
	dir_own_sweep(d);
	return &d->store;
}

static const struct opt dir_opts[] = {
    {.name = "path",
        .type = OPT_PATH,
        .off = offsetof(struct store_dir_conf, path),
        .flags = OPT_REQUIRED,
        .help = "folder that holds the objects"},
    {.name = "create",
        .type = OPT_BOOL,
        .off = offsetof(struct store_dir_conf, create),
        .def = "yes",
        .help = "make the folder when it is missing; say no when it is a mount point"},
    OPT_END,
};

const struct store_type store_dir = {
    .name = "dir",
    .summary = "a folder; keys are paths below it",
    .opts = dir_opts,
    .conf_size = sizeof(struct store_dir_conf),
    .open = dir_open_store,
};
