#include "config.h"

#include "web/export_dir.h"

#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strvec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARKER      ".orchd-export"
#define MARKER_LOCK ".orchd-export.lock"
#define MARKER_HEAD "orchd page export 1\n"
#define MARKER_MAX  ((size_t)64 << 20)
#define FILE_MAX    ((size_t)32 << 20)
#define PIECES      FS_TMP_PREFIX "export" /* what is put piece by piece, until its end */

struct export_dir {
	char *path;
	int lock, list; /* descriptors; the list is appended to */
	json_t *before, *now; /* sets of names */
	struct export_counts counts;
};

/* A name from the list may have been written by anybody: it must stay inside. */
static bool is_inside(const char *name)
{
	if (*name == '\0' || *name == '/')
		return false;
	for (;;) {
		size_t n = strcspn(name, "/");

		if (n == 0 || name[0] == '.')
			return false;
		if (name[n] == '\0')
			return true;
		name += n + 1;
	}
}

static int read_list(struct export_dir *d, const char *marker, struct err *err)
{
	struct strbuf text = STRBUF_INIT(MARKER_MAX);
	size_t head = strlen(MARKER_HEAD);
	int rc = fs_read(marker, &text, err);

	if (rc == 0 && strncmp(text.buf, MARKER_HEAD, head) != 0)
		rc = err_code(err, ERR_PERMANENT, "refused", "%s: not the mark of an export", marker);
	for (char *s = text.buf + head, *end; rc == 0 && (end = strchr(s, '\n')) != NULL; s = end + 1) {
		*end = '\0';
		if (is_inside(s))
			json_object_set_new(d->before, s, json_true());
	}
	strbuf_release(&text);
	return rc;
}

static int check_empty(const char *path, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *de;
	int rc = 0;

	if (dir == NULL)
		return err_errno(err, "open %s", path);
	while (rc == 0 && (de = readdir(dir)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0 &&
		    strcmp(de->d_name, MARKER_LOCK) != 0)
			rc = err_code(err, ERR_PERMANENT, "refused",
			    "%s is neither empty nor a former export (it holds %s)", path, de->d_name);
	closedir(dir);
	return rc;
}

/* The lock comes before the look, and goes again with the folder's own refusal. */
static int open_marked(struct export_dir *d, struct err *err)
{
	char *marker = fs_join(d->path, MARKER), *lock = fs_join(d->path, MARKER_LOCK);
	bool marked = fs_exists(marker);
	int rc = marked ? 0 : check_empty(d->path, err);

	if (rc == 0 && (d->lock = fs_lock(lock, err)) == -1)
		rc = -1;
	if (rc == 0 && !marked)
		rc = fs_write_durable(marker, MARKER_HEAD, strlen(MARKER_HEAD), 0644, err);
	if (rc == 0)
		rc = read_list(d, marker, err);
	if (rc == 0 && (d->list = open(marker, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW)) == -1)
		rc = err_errno(err, "open %s", marker);
	free(marker);
	free(lock);
	return rc;
}

struct export_dir *export_dir_open(const char *path, struct err *err)
{
	struct export_dir *d = xcalloc(1, sizeof(*d));

	d->path = xstrdup(path);
	d->lock = d->list = -1;
	d->before = json_object();
	d->now = json_object();
	if (fs_mkdirs(path, 0755, err) == -1 || open_marked(d, err) == -1) {
		export_dir_close(d);
		return NULL;
	}
	return d;
}

void export_dir_close(struct export_dir *d)
{
	if (d == NULL)
		return;
	if (d->list != -1)
		close(d->list);
	if (d->lock != -1)
		close(d->lock);
	json_decref(d->before);
	json_decref(d->now);
	free(d->path);
	free(d);
}

/* From the stamp's tag to the end of the element: layout.c writes it once. */
static void blank_stamp(struct strbuf *b)
{
	char *s = strstr(b->buf, "<time id=\"as-of\""), *end = s ? strstr(s, "</time>") : NULL;

	if (end != NULL)
		memset(s, ' ', (size_t)(end - s));
}

static bool is_same(const char *file, const void *p, size_t n, bool stamped)
{
	struct strbuf have = STRBUF_INIT(FILE_MAX), want = STRBUF_INIT(FILE_MAX);
	bool same = fs_read(file, &have, NULL) == 0 && have.len == n;

	if (same && stamped) {
		strbuf_add(&want, p, n);
		blank_stamp(&want);
		blank_stamp(&have);
		p = want.buf;
	}
	same = same && memcmp(have.buf, p, n) == 0;
	strbuf_release(&have);
	strbuf_release(&want);
	return same;
}

static int announce(struct export_dir *d, const char *name, struct err *err)
{
	char *line;
	int rc;

	json_object_set_new(d->now, name, json_true());
	if (json_object_get(d->before, name) != NULL)
		return 0;
	line = xasprintf("%s\n", name);
	rc = fs_write_all(d->list, line, strlen(line), err);
	free(line);
	return rc;
}

static int write_file(const char *file, const void *p, size_t n, struct err *err)
{
	char *dir = fs_dirname(file);
	int rc = fs_mkdirs(dir, 0755, err);

	if (rc == 0)
		rc = fs_write_atomic(file, p, n, 0644, err);
	free(dir);
	return rc;
}

int export_dir_put(
    struct export_dir *d, const char *name, const void *p, size_t n, bool stamped, struct err *err)
{
	char *file = fs_join(d->path, name);
	int rc = announce(d, name, err);

	assert(is_inside(name));
	if (rc == 0 && !is_same(file, p, n, stamped)) {
		rc = write_file(file, p, n, err);
		d->counts.written += rc == 0;
	}
	d->counts.files++;
	d->counts.bytes += (int64_t)n;
	free(file);
	return rc;
}

/* ---- piece by piece ---- */

struct export_file {
	struct export_dir *dir;
	char *name, *tmp;
	int fd;
	int64_t bytes;
};

struct export_file *export_dir_begin(struct export_dir *d, const char *name, struct err *err)
{
	struct export_file *f = xcalloc(1, sizeof(*f));

	assert(is_inside(name));
	*f = (struct export_file){.dir = d, .name = xstrdup(name), .tmp = fs_join(d->path, PIECES)};
	f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (f->fd != -1)
		return f;
	err_errno(err, "open %s", f->tmp);
	export_dir_end(f, false, NULL);
	return NULL;
}

int export_dir_add(struct export_file *f, const void *p, size_t n, struct err *err)
{
	f->bytes += (int64_t)n;
	return fs_write_all(f->fd, p, n, err);
}

static bool are_same(const char *a, const char *b)
{
	int fd[2] = {open(a, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), open(b, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
	bool same = fd[0] != -1 && fd[1] != -1;
	ssize_t n = 1;

	while (same && n > 0) {
		char chunk[2][16384];

		/* Files of ours that nobody writes to: a read is short at the end alone. */
		n = read(fd[0], chunk[0], sizeof(chunk[0]));
		same = n >= 0 && read(fd[1], chunk[1], sizeof(chunk[1])) == n &&
		       memcmp(chunk[0], chunk[1], (size_t)n) == 0;
	}
	for (int i = 0; i < 2; i++)
		if (fd[i] != -1)
			close(fd[i]);
	return same;
}

static int take_place(struct export_file *f, struct err *err)
{
	struct export_dir *d = f->dir;
	char *file = fs_join(d->path, f->name), *folder = fs_dirname(file);
	int rc = announce(d, f->name, err);

	if (rc == 0 && !are_same(f->tmp, file)) {
		rc = fs_mkdirs(folder, 0755, err);
		if (rc == 0 && rename(f->tmp, file) == -1)
			rc = err_errno(err, "rename to %s", file);
		d->counts.written += rc == 0;
	}
	d->counts.files++;
	d->counts.bytes += f->bytes;
	free(folder);
	free(file);
	return rc;
}

int export_dir_end(struct export_file *f, bool whole, struct err *err)
{
	int rc = 0;

	if (f->fd != -1 && close(f->fd) == -1 && whole)
		rc = err_errno(err, "close %s", f->tmp);
	if (whole && rc == 0)
		rc = take_place(f, err);
	unlink(f->tmp); /* unless it was renamed */
	free(f->tmp);
	free(f->name);
	free(f);
	return rc;
}

bool export_dir_keep(struct export_dir *d, const char *name)
{
	char *file = fs_join(d->path, name);
	struct stat st;
	bool there = json_object_get(d->before, name) != NULL && lstat(file, &st) == 0 && S_ISREG(st.st_mode);

	if (there) {
		json_object_set_new(d->now, name, json_true());
		d->counts.files++;
		d->counts.bytes += st.st_size;
	}
	free(file);
	return there;
}

/* The file, and the folders that it leaves empty. */
static void remove_file(struct export_dir *d, const char *name)
{
	char *file = fs_join(d->path, name);
	size_t root = strlen(d->path);

	d->counts.removed += unlink(file) == 0;
	for (char *slash; (slash = strrchr(file, '/')) != NULL && (size_t)(slash - file) > root;) {
		*slash = '\0';
		if (rmdir(file) == -1)
			break;
	}
	free(file);
}

int export_dir_finish(struct export_dir *d, struct err *err)
{
	struct strbuf text = STRBUF_INIT(MARKER_MAX);
	struct strvec names = STRVEC_INIT;
	char *marker = fs_join(d->path, MARKER);
	const char *name;
	json_t *value;
	int rc;

	json_object_foreach(d->before, name, value)
	{
		if (json_object_get(d->now, name) == NULL)
			remove_file(d, name);
	}
	json_object_foreach(d->now, name, value) strvec_push(&names, name);
	strvec_sort(&names);
	strbuf_addstr(&text, MARKER_HEAD);
	for (size_t i = 0; i < names.n; i++)
		strbuf_addf(&text, "%s\n", names.v[i]);
	rc = fs_write_durable(marker, text.buf, text.len, 0644, err);
	strvec_release(&names);
	strbuf_release(&text);
	free(marker);
	return rc;
}

const struct export_counts *export_dir_counts(const struct export_dir *d)
{
	return &d->counts;
}
