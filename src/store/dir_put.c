/*
 * Writing an object: bytes into a temporary file a slice per turn, then made durable, then published under its name
 * by rename while the key's lock is held.  A crash before the rename leaves a temporary file that the next open
 * removes; a crash after it leaves the whole object.
 */
#include "config.h"

#include "store/dir_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* A lock is held for microseconds, and folders stay; longer means that a process was stopped in the middle. */
#define PATIENCE_MS 30000

enum source { FROM_MEMORY, FROM_FILE, FROM_OBJECT };

struct dir_put {
	struct op op;
	char *key;
	store_info_cb *cb;
	void *arg;
	enum source source;
	const char *bytes;
	char *owned_bytes;
	int from; /* FROM_FILE: the caller's descriptor; FROM_OBJECT: ours */
	char *from_key, *from_match;
	struct stat from_stat;
	bool no_copy_range;
	int64_t size, done;
	char *if_match, *sha256;
	bool if_absent, lazy, lent, started, sealed, made_parents;
	tm_ms waiting_since;
	const char *waits; /* for what */
	struct digest *digest; /* checks sha256 */
	int fd; /* the temporary file */
	char tmp[DIR_TMP_NAME];
};

static struct dir_store *store_of(struct dir_put *p)
{
	return CONTAINER_OF(p->op.pub.store, struct dir_store, store);
}

static void release(struct op *op)
{
	struct dir_put *p = CONTAINER_OF(op, struct dir_put, op);

	if (p->fd != -1) {
		if (p->tmp[0] != '\0')
			unlinkat(store_of(p)->tmp, p->tmp, 0);
		close(p->fd);
	}
	if (p->source == FROM_OBJECT && p->from != -1)
		close(p->from);
	digest_free(p->digest);
	free(p->key);
	free(p->owned_bytes);
	free(p->from_key);
	free(p->from_match);
	free(p->if_match);
	free(p->sha256);
	free(p);
}

static int begin(struct dir_put *p, struct err *err)
{
	char sum[SHA256_HEX];

	if (p->source == FROM_OBJECT) {
		p->from = dir_object_open(store_of(p), "copy", p->from_key, p->from_match, &p->from_stat, err);
		if (p->from == -1)
			return -1;
		p->size = p->from_stat.st_size;
		if (dir_sha256_get(p->from, &p->from_stat, sum))
			p->sha256 = xstrdup(sum);
	}
	p->fd = dir_tmp_create(store_of(p), p->tmp, err);
	if (p->fd == -1)
		return err_wrap(err, "put %s", p->key);
	/* A copy's sum was checked when the original was written, that of lent bytes just now by the caller. */
	if (p->sha256 != NULL && p->source != FROM_OBJECT && !p->lent)
		p->digest = digest_new(DIGEST_SHA256);
	return 0;
}

/* Write n bytes at the end of the temporary file. */
static int append(struct dir_put *p, const char *s, size_t n, struct err *err)
{
	if (p->digest != NULL)
		digest_update(p->digest, s, n);
	while (n > 0) {
		ssize_t w = pwrite(p->fd, s, n, p->done);

		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1)
			return dir_errno(err, "put", p->key);
		s += w;
		n -= (size_t)w;
		p->done += w;
	}
	return 0;
}

static bool copy_range_cannot(int e)
{
	return e == ENOSYS || e == EXDEV || e == EINVAL || e == EOPNOTSUPP || e == EBADF || e == EPERM;
}

static int append_from_file(struct dir_put *p, size_t n, struct err *err)
{
	struct dir_store *d = store_of(p);
	loff_t in = p->done, out = p->done;
	ssize_t r = -1;

	if (p->digest == NULL && !p->no_copy_range) {
		r = copy_file_range(p->from, &in, p->fd, &out, n, 0);
		if (r > 0) {
			p->done += r;
			return 0;
		}
		if (r == -1 && !copy_range_cannot(errno) && errno != EINTR)
			return dir_errno(err, "put", p->key);
		p->no_copy_range = true;
	}
	do
		r = pread(p->from, d->slice, n, p->done);
	while (r == -1 && errno == EINTR);
	if (r == -1)
		return dir_errno(err, "read for", p->key);
	if (r == 0)
		return err_code(err, ERR_TRANSIENT, "changed",
		    "put %s: the source ended after %lld of %lld bytes", p->key, (long long)p->done,
		    (long long)p->size);
	return append(p, d->slice, (size_t)r, err);
}

/* One slice.  1: all written, 0: more to do, -1: error. */
static int write_some(struct dir_put *p, struct err *err)
{
	size_t n = (size_t)MIN((int64_t)DIR_SLICE, p->size - p->done);
	int rc = 0;

	if (n > 0)
		rc = p->source == FROM_MEMORY ? append(p, p->bytes + p->done, n, err)
		                              : append_from_file(p, n, err);
	if (rc == -1)
		return -1;
	return p->done == p->size;
}

/* A file that was written to while we copied it may be torn. */
static int check_source(struct dir_put *p, struct err *err)
{
	struct stat st;

	if (p->source != FROM_OBJECT)
		return 0;
	if (fstat(p->from, &st) == -1)
		return dir_errno(err, "copy", p->from_key);
	if (st.st_size == p->from_stat.st_size && st.st_mtim.tv_sec == p->from_stat.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == p->from_stat.st_mtim.tv_nsec)
		return 0;
	if (p->from_match != NULL)
		return err_code(
		    err, ERR_PERMANENT, "precondition", "copy %s: it changed meanwhile", p->from_key);
	return err_code(err, ERR_TRANSIENT, "changed", "copy %s: it changed while it was read", p->from_key);
}

/* The kernel's stamp moves in ticks; a random part below the millisecond makes ours differ, and so the ETag. */
static int stamp(int fd)
{
	uint32_t r = 0;
	tm_ms now = clock_now();
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = now / 1000}};

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) == -1)
		r = (uint32_t)clock_mono_us();
	ts[1].tv_nsec = (long)(now % 1000 * 1000000 + r % 1000000);
	return futimens(fd, ts);
}

/* Everything about the content is settled: check it, stamp it, make it last. */
static int seal(struct dir_put *p, struct err *err)
{
	char sum[SHA256_HEX];

	if (check_source(p, err) == -1)
		return -1;
	if (p->digest != NULL) {
		digest_final(p->digest, sum);
		p->digest = NULL;
		if (strcasecmp(sum, p->sha256) != 0)
			return err_code(err, ERR_BAD_DATA, "corrupt",
			    "put %s: the bytes have sha256 %s, expected %s", p->key, sum, p->sha256);
	}
	if (stamp(p->fd) == -1)
		return dir_errno(err, "put", p->key);
	if (p->sha256 != NULL)
		dir_sha256_set(p->fd, p->sha256);
	if (!p->lazy && fsync(p->fd) == -1)
		return dir_errno(err, "put", p->key);
	p->sealed = true;
	return 0;
}

static int check_condition(struct dir_put *p, struct err *err)
{
	struct err why = ERR_INIT;
	struct stat st;

	if (p->if_match == NULL)
		return 0;
	if (dir_object_stat(store_of(p), "put", p->key, &st, &why) == -1) {
		if (err_is(&why, "not_found"))
			return err_code(
			    err, ERR_PERMANENT, "precondition", "put %s: the object is gone", p->key);
		*err = why;
		return -1;
	}
	return dir_match("put", p->key, p->if_match, &st, err);
}

/* Only if there is nothing of that name. */
static int move_if_absent(struct dir_put *p, int parent, const char *leaf)
{
	int tmp = store_of(p)->tmp;

	/* One step where the file system can; link and unlink leave a second name behind if we die in between. */
	if (renameat2(tmp, p->tmp, parent, leaf, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(tmp, p->tmp, parent, leaf, 0) == -1)
		return -1;
	unlinkat(tmp, p->tmp, 0);
	return 0;
}

static int move_into_place(struct dir_put *p)
{
	struct dir_store *d = store_of(p);

	/* ENOENT: the folder was removed after its last object was deleted; EISDIR: perhaps an empty one is left over. */
	for (int i = 0;; i++) {
		const char *leaf;
		int parent = dir_open_parent(d->root, p->key, true, &leaf);

		if (parent == -1)
			return -1;
		p->made_parents = true;
		int rc =
		    p->if_absent ? move_if_absent(p, parent, leaf) : renameat(d->tmp, p->tmp, parent, leaf);
		int e = errno;
		bool again = rc == -1 && i < DIR_FOLDER_TRIES && e == ENOENT;
		struct stat st;
		if (rc == -1 && (e == EISDIR || e == EEXIST) &&
		    fstatat(parent, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
			e = EISDIR;
			again = i < 100 && unlinkat(parent, leaf, AT_REMOVEDIR) == 0;
		}
		close(parent);
		errno = e;
		if (!again)
			return rc;
	}
}

/* Under the key's lock, where there is one.  1: done, 0: come again, -1: error. */
static int move_once(struct dir_put *p, struct err *err)
{
	if (check_condition(p, err) == -1)
		return -1;
	if (move_into_place(p) == 0) {
		p->tmp[0] = '\0';
		return 1;
	}
	if (errno == EEXIST)
		return err_code(
		    err, ERR_PERMANENT, "precondition", "put %s: the object exists already", p->key);
	if (errno != ENOENT)
		return dir_errno(err, "put", p->key);
	if (faccessat(store_of(p)->tmp, p->tmp, F_OK, AT_SYMLINK_NOFOLLOW) == -1)
		return err_code(err, ERR_TRANSIENT, "swept",
		    "put %s: somebody has removed the temporary file that it was written to", p->key);
	p->waits = "others remove its folder as often as it is made";
	return 0;
}

/* 1: done, 0: come again, -1: error. */
static int publish(struct dir_put *p, struct err *err)
{
	struct dir_store *d = store_of(p);
	int rc, locked = dir_key_lock(d, p->key);

	if (locked == 1) {
		p->waits = "another process holds the key's lock";
		return 0;
	}
	if (locked == -1 && p->if_match != NULL)
		return dir_errno(err, "lock", p->key);
	rc = move_once(p, err);
	if (locked == 0)
		dir_key_unlock(d, p->key);
	if (rc == -1 && p->made_parents)
		dir_prune(d->root, p->key);
	if (rc != 1)
		return rc;
	if (p->lazy)
		d->undurable = true;
	else if (dir_sync_parents(d->root, p->key, true) == -1)
		return dir_errno(err, "put", p->key);
	return 1;
}

/* 1: done, 0: come again, -1: error. */
static int go_on(struct dir_put *p, struct err *err)
{
	int rc;

	if (p->op.failed.class != ERR_NONE) {
		*err = p->op.failed;
		return -1;
	}
	if (!p->started) {
		if (begin(p, err) == -1)
			return -1;
		p->started = true;
	}
	if (!p->sealed) {
		rc = write_some(p, err);
		if (rc != 1)
			return rc;
		if (seal(p, err) == -1)
			return -1;
		p->waiting_since = clock_mono();
	}
	rc = publish(p, err);
	if (rc == 0 && clock_mono() - p->waiting_since > PATIENCE_MS)
		return err_code(err, ERR_TRANSIENT, "locked", "put %s: %s", p->key, p->waits);
	return rc;
}

static void turn(struct op *op)
{
	struct dir_put *p = CONTAINER_OF(op, struct dir_put, op);
	struct err err = ERR_INIT;
	struct dir_object obj;
	struct stat st;
	int rc = go_on(p, &err);

	if (rc == 0) {
		op_kick_after(op, p->sealed ? 1 : 0);
		return;
	}
	if (rc == 1 && fstat(p->fd, &st) == -1)
		rc = dir_errno(&err, "put", p->key);
	if (rc == 1) {
		dir_object_fill(&obj, p->key, p->fd, &st);
		p->cb(&obj.obj, NULL, p->arg);
	} else {
		p->cb(NULL, &err, p->arg);
	}
	op_end(op);
}

static const struct op_ops put_ops = {.turn = turn, .release = release};

static struct dir_put *new_put(
    struct store *st, const char *key, enum source source, store_info_cb *cb, void *arg)
{
	struct dir_put *p = xcalloc(1, sizeof(*p));

	p->key = xstrdup(key);
	p->source = source;
	p->cb = cb;
	p->arg = arg;
	p->fd = p->from = -1;
	op_init(&p->op, &put_ops, st, &CONTAINER_OF(st, struct dir_store, store)->ops);
	dir_key_check(key, &p->op.failed);
	return p;
}

static void take_opts(struct dir_put *p, const struct store_put_opts *opts)
{
	xstrset(&p->if_match, opts->if_match);
	xstrset(&p->sha256, opts->sha256);
	p->if_absent = opts->if_absent;
	p->lazy = opts->lazy;
}

struct store_op *dir_put(struct store *st, const char *key, const void *bytes, size_t n,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg)
{
	struct dir_put *p = new_put(st, key, FROM_MEMORY, cb, arg);

	take_opts(p, opts);
	p->lent = opts->lent;
	p->bytes = opts->lent || n == 0 ? bytes : (p->owned_bytes = xmemdup(bytes, n));
	p->size = (int64_t)n;
	return &p->op.pub;
}

struct store_op *dir_put_file(struct store *st, const char *key, int fd, int64_t size,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg)
{
	struct dir_put *p = new_put(st, key, FROM_FILE, cb, arg);

	take_opts(p, opts);
	p->from = fd;
	p->size = size;
	return &p->op.pub;
}

struct store_op *dir_copy(
    struct store *st, const char *from, const char *if_match, const char *to, store_info_cb *cb, void *arg)
{
	struct dir_put *p = new_put(st, to, FROM_OBJECT, cb, arg);

	p->from_key = xstrdup(from);
	xstrset(&p->from_match, if_match);
	if (p->op.failed.class == ERR_NONE)
		dir_key_check(from, &p->op.failed);
	return &p->op.pub;
}
