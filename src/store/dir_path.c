#include "config.h"

#include "store/dir_path.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SHA256_XATTR "user.orch.sha256"

static int check_component(const char *key, const char *s, size_t n, struct err *err)
{
	if (n == 0)
		return err_code(err, ERR_PERMANENT, "bad_key",
		    "key %s: a folder cannot hold a key that starts or ends with '/' or has '//' in it", key);
	if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
		return err_code(
		    err, ERR_PERMANENT, "bad_key", "key %s: a component must not be '.' or '..'", key);
	if (n > NAME_MAX)
		return err_code(err, ERR_PERMANENT, "bad_key",
		    "key %.80s...: a component is longer than %d bytes", key, NAME_MAX);
	if (s == key && n == strlen(DIR_RESERVED) && memcmp(s, DIR_RESERVED, n) == 0)
		return err_code(
		    err, ERR_PERMANENT, "bad_key", "key %s: '%s' is the store's own folder", key, DIR_RESERVED);
	return 0;
}

int dir_key_check(const char *key, struct err *err)
{
	if (store_key_check(key, err) == -1)
		return -1;
	for (const char *s = key;; s++) {
		size_t n = strcspn(s, "/");

		if (check_component(key, s, n, err) == -1)
			return -1;
		s += n;
		if (*s == '\0')
			return 0;
	}
}

int dir_open_stepwise(int root, const char *path, int flags)
{
	int fd = root;
	const char *s = path;
	char name[NAME_MAX + 1];

	if (*path == '\0')
		return openat(root, ".", flags | O_CLOEXEC);
	for (;;) {
		size_t n = strcspn(s, "/");
		bool last = s[n] == '\0';
		int next;

		if (n > NAME_MAX) {
			errno = ENAMETOOLONG;
			next = -1;
		} else {
			memcpy(name, s, n);
			name[n] = '\0';
			next = openat(fd, name,
			    last ? flags | O_NOFOLLOW | O_CLOEXEC
			         : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		int saved = errno;
		if (fd != root)
			close(fd);
		errno = saved;
		if (next == -1 || last)
			return next;
		fd = next;
		s += n + 1;
	}
}

int dir_open(int root, const char *path, int flags)
{
	static bool lacking;
	struct open_how how = {.flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	long fd = -1;

	if (lacking)
		return dir_open_stepwise(root, path, flags);
	/* EAGAIN: a rename elsewhere raced with the look-up; the kernel cannot tell whether we would have escaped. */
	for (int i = 0; i < 100; i++) {
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
		if (fd != -1 || errno != EAGAIN)
			break;
	}
	if (fd == -1 && (errno == ENOSYS || errno == EPERM)) {
		fd = dir_open_stepwise(root, path, flags);
		lacking = fd != -1 ||
		          errno != EPERM; /* a sandbox answers EPERM to the call, a file system to the file */
	}
	return (int)fd;
}

/* Make the folders above key one by one. */
static int make_parents(int root, const char *key)
{
	char path[STORE_KEY_MAX + 1];
	const char *slash = key;

	while ((slash = strchr(slash, '/')) != NULL) {
		size_t n = (size_t)(slash - key);
		const char *leaf;

		memcpy(path, key, n);
		path[n] = '\0';
		int fd = dir_open_parent(root, path, false, &leaf);
		if (fd == -1)
			return -1;
		int rc = mkdirat(fd, leaf, 0777), saved = errno;
		close(fd);
		if (rc == -1 && saved != EEXIST) {
			errno = saved;
			return -1;
		}
		slash++;
	}
	return 0;
}

int dir_open_parent(int root, const char *key, bool make, const char **leaf)
{
	char path[STORE_KEY_MAX + 1];
	const char *slash = strrchr(key, '/');
	size_t n = slash ? (size_t)(slash - key) : 0;

	*leaf = slash ? slash + 1 : key;
	memcpy(path, key, n);
	path[n] = '\0';
	/* Folders vanish under us when somebody deletes the last object in them: make them again. */
	for (int i = 0;; i++) {
		int fd = dir_open(root, path, O_PATH | O_DIRECTORY);

		if (fd != -1 || !make || errno != ENOENT || i == DIR_FOLDER_TRIES)
			return fd;
		if (make_parents(root, key) == -1 && errno != ENOENT)
			return -1;
	}
}

void dir_prune(int root, const char *key)
{
	char *path = xstrdup(key), *slash;

	while ((slash = strrchr(path, '/')) != NULL) {
		const char *leaf;

		*slash = '\0';
		int fd = dir_open_parent(root, path, false, &leaf);
		int rc = fd == -1 ? -1 : unlinkat(fd, leaf, AT_REMOVEDIR);
		if (fd != -1)
			close(fd);
		if (rc == -1)
			break;
	}
	free(path);
}

static int sync_one(int root, const char *path)
{
	int fd = dir_open(root, path, O_RDONLY | O_DIRECTORY);
	int rc = fd == -1 ? -1 : fsync(fd);
	int saved = errno;

	if (fd != -1)
		close(fd);
	errno = saved;
	/* Gone meanwhile: whoever removed it removed what was to last. Some network file systems refuse the call. */
	return rc == -1 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EINVAL) ? 0 : rc;
}

int dir_sync_parents(int root, const char *key, bool up)
{
	char *path = xstrdup(key), *slash;
	int rc = 0;

	do {
		slash = strrchr(path, '/');
		if (slash != NULL)
			*slash = '\0';
		rc = sync_one(root, slash ? path : "");
	} while (rc == 0 && up && slash != NULL);
	free(path);
	return rc;
}

static uint64_t stamp(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
}

const char *dir_etag(const struct stat *st, char out[DIR_ETAG_MAX])
{
	snprintf(out, DIR_ETAG_MAX, "%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64, (uint64_t)st->st_ino,
	    (uint64_t)st->st_size, stamp(&st->st_mtim), stamp(&st->st_ctim));
	return out;
}

tm_ms dir_mtime(const struct stat *st)
{
	return (tm_ms)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static void sha256_tail(const struct stat *st, char out[48])
{
	snprintf(out, 48, " %" PRIu64 " %" PRIu64, (uint64_t)st->st_size, stamp(&st->st_mtim));
}

bool dir_sha256_get(int fd, const struct stat *st, char out[SHA256_HEX])
{
	char value[SHA256_HEX + 48], tail[48];
	ssize_t n = fgetxattr(fd, SHA256_XATTR, value, sizeof(value) - 1);

	if (n < SHA256_HEX)
		return false;
	value[n] = '\0';
	sha256_tail(st, tail);
	if (strcmp(value + SHA256_HEX - 1, tail) != 0 || strspn(value, "0123456789abcdef") != SHA256_HEX - 1)
		return false;
	memcpy(out, value, SHA256_HEX - 1);
	out[SHA256_HEX - 1] = '\0';
	return true;
}

void dir_sha256_set(int fd, const char *sha256)
{
	char value[SHA256_HEX + 48], tail[48];
	struct stat st;

	if (fstat(fd, &st) == -1)
		return;
	sha256_tail(&st, tail);
	int n = snprintf(value, sizeof(value), "%s%s", sha256, tail);
	fsetxattr(fd, SHA256_XATTR, value, (size_t)n, 0);
}

int dir_errno(struct err *err, const char *verb, const char *key)
{
	static const struct {
		int e;
		enum err_class class;
		const char *code, *text;
	} row[] = {
	    {ENOENT, ERR_PERMANENT, "not_found", "no such object"},
	    {EACCES, ERR_PERMANENT, "denied", NULL},
	    {EPERM, ERR_PERMANENT, "denied", NULL},
	    {EROFS, ERR_PERMANENT, "denied", NULL},
	    {ENAMETOOLONG, ERR_PERMANENT, "bad_key", "a component is longer than this file system allows"},
	    {EILSEQ, ERR_PERMANENT, "bad_key", "this file system does not take such names"},
	    {ENOTDIR, ERR_PERMANENT, "key_conflict",
	        "a component of the key is itself an object, and a folder cannot hold both"},
	    {EISDIR, ERR_PERMANENT, "key_conflict",
	        "other objects lie below this key, and a folder cannot hold both"},
	    {ELOOP, ERR_PERMANENT, "key_conflict", "a symbolic link is in the way; links are never followed"},
	    {EXDEV, ERR_PERMANENT, "key_conflict", "another file system is mounted inside the store"},
	    {ENOSPC, ERR_TRANSIENT, "disk_full", NULL},
	    {EDQUOT, ERR_TRANSIENT, "disk_full", NULL},
	    {ESTALE, ERR_TRANSIENT, "stale", NULL},
	};
	int e = errno;

	for (size_t i = 0; i < NITEMS(row); i++)
		if (row[i].e == e)
			return err_code(err, row[i].class, row[i].code, "%s %s: %s", verb, key,
			    row[i].text ? row[i].text : strerror(e));
	return err_errno(err, "%s %s", verb, key);
}
