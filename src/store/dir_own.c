#include "config.h"

#include "store/dir_impl.h"

#include "base/digest.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TMP_DIR   DIR_RESERVED "/tmp"
#define LOCK_FILE "lock"
/* Where locks do not work (some network file systems), age decides. */
#define TMP_MAX_AGE_S 3600

static int open_own(struct dir_store *d)
{
	if (mkdirat(d->root, DIR_RESERVED, 0777) == -1 && errno != EEXIST)
		return -1;
	int own = dir_open(d->root, DIR_RESERVED, O_PATH | O_DIRECTORY);
	if (own == -1)
		return -1;
	if (mkdirat(own, "tmp", 0777) == 0 || errno == EEXIST)
		d->tmp = dir_open(d->root, TMP_DIR, O_RDONLY | O_DIRECTORY);
	int saved = errno;
	if (d->tmp != -1)
		d->lock = openat(own, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (d->tmp != -1 && d->lock == -1) {
		saved = errno;
		close(d->tmp);
		d->tmp = -1;
	}
	close(own);
	errno = saved;
	return d->tmp == -1 ? -1 : 0;
}

int dir_own_open(struct dir_store *d, struct err *err)
{
	if (d->tmp != -1 || open_own(d) == 0)
		return 0;
	return dir_errno(err, "open", TMP_DIR);
}

static void sweep_one(int tmp, const char *name)
{
	struct stat st;
	int fd = openat(tmp, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1)
		return;
	bool abandoned = flock(fd, LOCK_EX | LOCK_NB) == 0;
	if (!abandoned && errno != EWOULDBLOCK)
		abandoned = fstat(fd, &st) == 0 && time(NULL) - st.st_ctim.tv_sec > TMP_MAX_AGE_S;
	/* Removed while the lock is held: a writer that created the file this instant sees that it has no link. */
	if (abandoned && unlinkat(tmp, name, 0) == 0)
		log_info("store: removed the unfinished object %s/%s", TMP_DIR, name);
	close(fd);
}

void dir_own_sweep(struct dir_store *d)
{
	int fd = dir_open(d->root, TMP_DIR, O_RDONLY | O_DIRECTORY);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (dir == NULL) {
		if (fd != -1)
			close(fd);
		return;
	}
	while ((de = readdir(dir)) != NULL)
		if (de->d_name[0] != '.')
			sweep_one(fd, de->d_name);
	closedir(dir);
}

int dir_tmp_create(struct dir_store *d, char name[DIR_TMP_NAME], struct err *err)
{
	if (dir_own_open(d, err) == -1)
		return -1;
	for (int i = 0; i < 1000; i++) {
		struct stat st;

		/*
		 * Never a name twice: who sweeps has opened a file before it knows that nobody holds it, and removes it by its
		 * name, which must not be that of a younger file by then.
		 */
		snprintf(name, DIR_TMP_NAME, "%ld-%016" PRIx64 "-%u", (long)getpid(), d->nonce, d->seq++);
		int fd = openat(d->tmp, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd == -1 && errno == EEXIST)
			continue;
		/* The reserved folder was removed by hand: make it again. */
		if (fd == -1 && errno == ENOENT && i == 0) {
			close(d->tmp);
			close(d->lock);
			d->tmp = d->lock = -1;
			if (dir_own_open(d, err) == -1)
				return -1;
			continue;
		}
		if (fd == -1)
			return dir_errno(err, "create", TMP_DIR);
		bool swept = flock(fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK;
		if (!swept && fstat(fd, &st) == 0 && st.st_nlink > 0)
			return fd;
		close(fd);
	}
	return err_code(err, ERR_TRANSIENT, "busy", "create %s: no temporary name is free", TMP_DIR);
}

static int byte_lock(struct dir_store *d, const char *key, short type)
{
	unsigned char sum[SHA256_BYTES];
	struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	sha256_raw(key, strlen(key), sum);
	fl.l_start = sum[0] | sum[1] << 8 | (sum[2] & 0xf) << 16;
	return fcntl(d->lock, F_OFD_SETLK, &fl);
}

int dir_key_lock(struct dir_store *d, const char *key)
{
	if (byte_lock(d, key, F_WRLCK) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? 1 : -1;
}

void dir_key_unlock(struct dir_store *d, const char *key)
{
	byte_lock(d, key, F_UNLCK);
}
