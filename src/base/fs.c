#include "config.h"

#include "base/fs.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *fs_join(const char *dir, const char *name)
{
	return name[0] == '/' || dir[0] == '\0' ? xstrdup(name) : xasprintf("%s/%s", dir, name);
}

/* From the leaf up to what exists and back: mostly only the leaf is missing, and each try costs a walk of the path. */
static int make_dirs(char *path, mode_t mode)
{
	char *slash;
	int rc;

	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT || (slash = strrchr(path, '/')) == NULL || slash == path)
		return -1;
	*slash = '\0';
	rc = make_dirs(path, mode);
	*slash = '/';
	return rc == 0 && (mkdir(path, mode) == 0 || errno == EEXIST) ? 0 : -1;
}

int fs_mkdirs(const char *path, mode_t mode, struct err *err)
{
	char *copy = xstrdup(path);
	int rc = make_dirs(copy, mode) == 0 ? 0 : err_errno(err, "mkdir %s", path);

	free(copy);
	return rc;
}

int fs_sync_dir(const char *path, struct err *err)
{
	int rc = 0, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		return err_errno(err, "open %s", path);
	if (fsync(fd) == -1)
		rc = err_errno(err, "fsync %s", path);
	close(fd);
	return rc;
}

char *fs_dirname(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

int fs_sync_parent(const char *path, struct err *err)
{
	char *parent = fs_dirname(path);
	int rc = fs_sync_dir(parent, err);

	free(parent);
	return rc;
}

int fs_write_all(int fd, const void *p, size_t n, struct err *err)
{
	const char *s = p;

	while (n > 0) {
		ssize_t w = write(fd, s, n);

		if (w == -1 && errno == EINTR)
			continue;
		if (w == -1)
			return err_errno(err, "write");
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

static int write_beside(const char *path, const void *p, size_t n, mode_t mode, bool durable, struct err *err)
{
	char *parent = fs_dirname(path);
	char *tmp = xasprintf("%s/" FS_TMP_PREFIX "XXXXXX", parent);
	int rc = -1, fd = mkostemp(tmp, O_CLOEXEC);

	if (fd == -1) {
		err_errno(err, "create %s", tmp);
		goto out;
	}
	if (fchmod(fd, mode) == -1 || fs_write_all(fd, p, n, err) == -1 || (durable && fsync(fd) == -1)) {
		err_errno(err, "write %s", tmp);
		close(fd);
		unlink(tmp);
		goto out;
	}
	if (close(fd) == -1 || rename(tmp, path) == -1) {
		err_errno(err, "rename %s to %s", tmp, path);
		unlink(tmp);
		goto out;
	}
	rc = durable ? fs_sync_dir(parent, err) : 0;
out:
	free(tmp);
	free(parent);
	return rc;
}

int fs_write_durable(const char *path, const void *p, size_t n, mode_t mode, struct err *err)
{
	return write_beside(path, p, n, mode, true, err);
}

int fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode, struct err *err)
{
	return write_beside(path, p, n, mode, false, err);
}

int fs_read(const char *path, struct strbuf *sb, struct err *err)
{
	/* O_NONBLOCK so that a FIFO in a file's place cannot hang us before the type is known. */
	int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd == -1)
		return err_errno(err, "open %s", path);
	if (fstat(fd, &st) == -1) {
		rc = err_errno(err, "stat %s", path);
	} else if (!S_ISREG(st.st_mode)) {
		rc = err_code(err, ERR_PERMANENT, "not_a_file", "%s: not a regular file", path);
	}
	while (rc == 0) {
		size_t want = MIN((size_t)65536, sb->limit - sb->len + 1);
		char chunk[65536];
		ssize_t r = read(fd, chunk, want);

		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			rc = err_errno(err, "read %s", path);
		else if (r == 0)
			break;
		else if (strbuf_add(sb, chunk, (size_t)r) == -1)
			rc = err_code(err, ERR_BAD_DATA, "limit", "%s: larger than %zu bytes", path, sb->limit);
	}
	close(fd);
	return rc;
}

bool fs_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int remove_at(int dirfd, const char *name)
{
	struct dirent *de;
	DIR *d;
	int fd, rc = 0;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return -1;
	}
	while (rc == 0 && (de = readdir(d)) != NULL)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			rc = remove_at(fd, de->d_name);
	closedir(d);
	if (rc == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) == -1 && errno != ENOENT)
		rc = -1;
	return rc;
}

int fs_remove_tree(const char *path, struct err *err)
{
	if (remove_at(AT_FDCWD, path) == -1)
		return err_errno(err, "remove %s", path);
	return 0;
}

int fs_lock(const char *path, struct err *err)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return err_errno(err, "open %s", path);
	if (fcntl(fd, F_OFD_SETLK, &fl) == -1) {
		if (errno == EAGAIN || errno == EACCES)
			err_code(err, ERR_TRANSIENT, "locked", "%s: another process holds the lock", path);
		else
			err_errno(err, "lock %s", path);
		close(fd);
		return -1;
	}
	return fd;
}
