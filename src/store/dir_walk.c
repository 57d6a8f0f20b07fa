#include "config.h"

#include "store/dir_walk.h"

#include "base/codec.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* One folder on the way down; names of folders carry their slash. */
struct frame {
	struct frame *up;
	size_t path_len; /* of the walk's path when this folder is current */
	uint32_t *name; /* offsets into text, sorted once the batch is complete */
	size_t n, cap, next;
	struct strbuf text;
	char *done; /* largest name of the batches before this one, or NULL */
	char *beyond; /* names from here on wait for the next batch, or NULL */
};

struct dir_walk {
	int root;
	size_t batch;
	struct strbuf path; /* of the current folder, with its slash; "" at the root */
	struct strbuf key; /* of the last entry */
	char *filter; /* part of the prefix that ends inside a component */
	char *start_after;
	struct frame *top;
	int fd; /* the current folder for stat, -1 when it must be opened again */
	DIR *reading; /* the batch of the current folder is being collected */
	char *skipped;
};

static void push(struct dir_walk *w)
{
	struct frame *f = xcalloc(1, sizeof(*f));

	f->up = w->top;
	f->path_len = w->path.len;
	strbuf_init(&f->text, (size_t)1 << 30);
	w->top = f;
}

static void close_fds(struct dir_walk *w)
{
	if (w->reading != NULL)
		closedir(w->reading);
	if (w->fd != -1)
		close(w->fd);
	w->reading = NULL;
	w->fd = -1;
}

static void pop(struct dir_walk *w)
{
	struct frame *f = w->top;

	close_fds(w);
	w->top = f->up;
	if (w->top != NULL)
		strbuf_truncate(&w->path, w->top->path_len);
	free(f->name);
	free(f->done);
	free(f->beyond);
	strbuf_release(&f->text);
	free(f);
}

struct dir_walk *dir_walk_new(int root, const char *prefix, const char *start_after, size_t batch)
{
	struct dir_walk *w = xcalloc(1, sizeof(*w));
	const char *slash = strrchr(prefix, '/');
	size_t n = slash ? (size_t)(slash - prefix) + 1 : 0;

	w->root = root;
	w->fd = -1;
	w->batch = batch ? batch : DIR_WALK_BATCH;
	strbuf_init(&w->path, 2 * STORE_KEY_MAX);
	strbuf_init(&w->key, 2 * STORE_KEY_MAX);
	w->filter = xstrdup(prefix + n);
	w->start_after = xstrdup(start_after ? start_after : "");
	strbuf_add(&w->path, prefix, n);
	/* A prefix no key of ours can have ("/x", "a//", "../", 300 bytes) has no keys below it. */
	struct strbuf probe = STRBUF_INIT(4 * STORE_KEY_MAX);
	strbuf_addf(&probe, "%.*sx", (int)n, prefix);
	if (!w->path.overflowed && dir_key_check(probe.buf, NULL) == 0)
		push(w);
	strbuf_release(&probe);
	return w;
}

void dir_walk_free(struct dir_walk *w)
{
	if (w == NULL)
		return;
	while (w->top != NULL)
		pop(w);
	strbuf_release(&w->path);
	strbuf_release(&w->key);
	free(w->filter);
	free(w->start_after);
	free(w->skipped);
	free(w);
}

const char *dir_walk_skipped(const struct dir_walk *w)
{
	return w->skipped;
}

/* Does start_after leave anything of this name? key = path + name. */
static bool after_start(const struct dir_walk *w, const char *name, bool is_dir)
{
	const char *rest = w->start_after;

	if (strncmp(rest, w->path.buf, w->path.len) != 0)
		return strcmp(w->path.buf, rest) > 0;
	rest += w->path.len;
	return strcmp(name, rest) > 0 || (is_dir && strncmp(rest, name, strlen(name)) == 0);
}

static bool can_be_key(struct dir_walk *w, const char *name)
{
	size_t n = strlen(name);

	if (utf8_valid(name, n) && w->path.len + n <= STORE_KEY_MAX)
		return true;
	if (w->skipped == NULL)
		w->skipped = xasprintf("%s%s", w->path.buf, name);
	return false;
}

static bool wanted(struct dir_walk *w, const char *name, bool is_dir)
{
	const struct frame *f = w->top;

	if (f->up == NULL && strncmp(name, w->filter, strlen(w->filter)) != 0)
		return false;
	if (w->path.len == 0 && strcmp(name, DIR_RESERVED "/") == 0)
		return false;
	if (f->done != NULL && strcmp(name, f->done) <= 0)
		return false;
	if (f->beyond != NULL && strcmp(name, f->beyond) >= 0)
		return false;
	return after_start(w, name, is_dir) && can_be_key(w, name);
}

static int by_name(const void *a, const void *b, void *text)
{
	return strcmp((const char *)text + *(const uint32_t *)a, (const char *)text + *(const uint32_t *)b);
}

static const char *name_at(const struct frame *f, size_t i)
{
	return f->text.buf + f->name[i];
}

/* Keep the smaller half of the names; what is dropped comes with a later reading. */
static void halve(struct frame *f, size_t keep)
{
	struct strbuf text;

	qsort_r(f->name, f->n, sizeof(f->name[0]), by_name, f->text.buf);
	xstrset(&f->beyond, name_at(f, keep));
	strbuf_init(&text, f->text.limit);
	for (size_t i = 0; i < keep; i++) {
		const char *s = name_at(f, i);
		f->name[i] = (uint32_t)text.len;
		strbuf_add(&text, s, strlen(s) + 1);
	}
	f->n = keep;
	strbuf_release(&f->text);
	f->text = text;
}

static void remember(struct dir_walk *w, const char *name)
{
	struct frame *f = w->top;

	if (f->n == 2 * w->batch)
		halve(f, w->batch);
	if (f->beyond != NULL && strcmp(name, f->beyond) >= 0)
		return;
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 64;
		f->name = xreallocarray(f->name, f->cap, sizeof(f->name[0]));
	}
	f->name[f->n++] = (uint32_t)f->text.len;
	strbuf_add(&f->text, name, strlen(name) + 1);
}

static void consider(struct dir_walk *w, const struct dirent *de)
{
	unsigned char type = de->d_type;
	char name[sizeof(de->d_name) + 2];
	struct stat st;

	if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
		return;
	if (type == DT_UNKNOWN) {
		if (fstatat(dirfd(w->reading), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			return;
		type = S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : DT_LNK;
	}
	if (type != DT_REG && type != DT_DIR)
		return;
	snprintf(name, sizeof(name), "%s%s", de->d_name, type == DT_DIR ? "/" : "");
	if (wanted(w, name, type == DT_DIR))
		remember(w, name);
}

/* The folder is not there (any more), or a link or file took its place: it holds no keys. */
static bool is_gone(int e)
{
	return e == ENOENT || e == ENOTDIR || e == ELOOP || e == ENAMETOOLONG;
}

static int open_current(struct dir_walk *w)
{
	char path[2 * STORE_KEY_MAX + 1];

	memcpy(path, w->path.buf, w->path.len);
	path[w->path.len ? w->path.len - 1 : 0] = '\0'; /* without the slash */
	return dir_open(w->root, path, O_RDONLY | O_DIRECTORY);
}

/* Start collecting a batch of the current folder.  1: begun, 0: no such folder, -1: error. */
static int begin_reading(struct dir_walk *w, struct err *err)
{
	int fd = open_current(w);

	if (fd == -1)
		return is_gone(errno) ? 0 : dir_errno(err, "list", w->path.buf);
	w->reading = fdopendir(fd);
	if (w->reading == NULL) {
		dir_errno(err, "list", w->path.buf);
		close(fd);
		return -1;
	}
	return 1;
}

/* 1: the batch is complete, 0: budget used up, -1: error. */
static int go_on_reading(struct dir_walk *w, size_t *budget, struct err *err)
{
	struct frame *f = w->top;

	while (*budget > 0) {
		errno = 0;
		struct dirent *de = readdir(w->reading);
		if (de == NULL && errno != 0)
			return dir_errno(err, "list", w->path.buf);
		if (de == NULL) {
			if (f->n > w->batch)
				halve(f, w->batch);
			else if (f->n > 1)
				qsort_r(f->name, f->n, sizeof(f->name[0]), by_name, f->text.buf);
			closedir(w->reading);
			w->reading = NULL;
			return 1;
		}
		--*budget;
		consider(w, de);
	}
	return 0;
}

/* The batch is used up: the next one of the same folder, or back to the one above. */
static void finish_batch(struct dir_walk *w)
{
	struct frame *f = w->top;

	if (f->beyond == NULL) {
		pop(w);
		return;
	}
	xstrset(&f->done, name_at(f, f->n - 1));
	free(f->beyond);
	f->beyond = NULL;
	f->n = f->next = 0;
	free(f->name);
	f->name = NULL;
	f->cap = 0;
	strbuf_reset(&f->text);
	close_fds(w);
}

static enum dir_walk_result visit(struct dir_walk *w, const char *name, struct dir_entry *out, struct err *err)
{
	size_t n = strlen(name);

	if (name[n - 1] == '/') {
		close_fds(w);
		strbuf_add(&w->path, name, n);
		push(w);
		return DIR_WALK_AGAIN;
	}
	if (w->fd == -1 && (w->fd = open_current(w)) == -1) {
		if (!is_gone(errno))
			return dir_errno(err, "list", w->path.buf), DIR_WALK_ERROR;
		pop(w);
		return DIR_WALK_AGAIN;
	}
	if (fstatat(w->fd, name, &out->st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (is_gone(errno))
			return DIR_WALK_AGAIN;
		return dir_errno(err, "list", name), DIR_WALK_ERROR;
	}
	if (!S_ISREG(out->st.st_mode))
		return DIR_WALK_AGAIN;
	strbuf_reset(&w->key);
	strbuf_add(&w->key, w->path.buf, w->path.len);
	strbuf_add(&w->key, name, n);
	out->key = w->key.buf;
	return DIR_WALK_ENTRY;
}

enum dir_walk_result dir_walk_next(struct dir_walk *w, struct dir_entry *out, size_t *budget, struct err *err)
{
	while (w->top != NULL) {
		struct frame *f = w->top;
		int rc;

		if (*budget == 0)
			return DIR_WALK_AGAIN;
		if (w->reading == NULL && f->name == NULL && f->next == 0) {
			rc = begin_reading(w, err);
			if (rc == -1)
				return DIR_WALK_ERROR;
			if (rc == 0) {
				pop(w);
				continue;
			}
		}
		if (w->reading != NULL) {
			rc = go_on_reading(w, budget, err);
			if (rc != 1)
				return rc == 0 ? DIR_WALK_AGAIN : DIR_WALK_ERROR;
		}
		if (f->next == f->n) {
			finish_batch(w);
			continue;
		}
		--*budget;
		enum dir_walk_result r = visit(w, name_at(f, f->next++), out, err);
		if (r != DIR_WALK_AGAIN)
			return r;
	}
	return DIR_WALK_END;
}
