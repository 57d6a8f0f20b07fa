/*
 * shim.c: a library for LD_PRELOAD that disturbs a program at its i-th step into the outside world.
 *
 * Every call that leaves a trace outside the process (files, sockets, processes) is a point.  Points of one program are
 * numbered through by a counter in the file $ORCH_FAULT_FILE, which all processes of that program share, so "the 17th
 * point of orch-step" means one place in a whole night.  The file is also the order: what is to happen at which point; a
 * test may change it while programs run.  It is an array of struct order, one for each name in `programs`.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { DISK = 1, NET = 2, PROC = 4, RECEIVE = 8 }; /* kinds of points; an order counts those of its mask */

enum mode {
	WATCH, /* only count */
	CRASH, /* SIGKILL instead of the call */
	TORN, /* SIGKILL after half of what is written; else as CRASH */
	FAIL, /* the call fails with error, and those after it for error_ms */
	CUT, /* the connection is shut down, then the call is made; a file: as FAIL */
};

struct order { /* tests/crash/faults.py knows this layout */
	uint32_t kinds, mode, error, error_ms;
	uint64_t target; /* counted from 1 */
	_Atomic uint64_t count, fired; /* points seen; calls disturbed */
	_Atomic uint64_t fail_until; /* monotonic ns */
	char what[256]; /* the call that was met, for people */
};

static const char *const programs[] = {"orchd", "orch-step", "orch-exec", "orchctl"};
static struct order *order;

__attribute__((constructor)) static void find_order(void)
{
	const char *path = getenv("ORCH_FAULT_FILE");
	int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	size_t n = sizeof(programs) / sizeof(programs[0]);
	struct order *all;

	if (fd == -1)
		return;
	all = mmap(NULL, n * sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	for (size_t i = 0; all != MAP_FAILED && i < n; i++)
		if (strcmp(programs[i], program_invocation_short_name) == 0)
			order = &all[i];
}

/* ---- what happens at a point */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void note(uint64_t n, const char *call, int fd, const char *path)
{
	char link[64], target[160] = "";
	ssize_t len;

	if (path == NULL && fd >= 0) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		path = target;
	}
	snprintf(order->what, sizeof(order->what), "%lu %s %s", (unsigned long)n, call, path ? path : "");
}

static _Noreturn void die(void)
{
	for (;;)
		syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGKILL);
}

/* Whether an error may be met by this kind of call; where it may not, the next point that can takes it. */
static bool can_fail(int kind)
{
	return kind != PROC || order->error == EAGAIN || order->error == ENOMEM;
}

static bool is_due(uint64_t n, int kind)
{
	uint64_t now;

	if (order->mode == CRASH || order->mode == TORN)
		return n == order->target;
	if (n < order->target || !can_fail(kind))
		return false;
	now = now_ns();
	if (order->fired == 0)
		order->fail_until = now + (uint64_t)order->error_ms * 1000000U;
	else if (now >= order->fail_until)
		return false;
	return true;
}

/* True: the call must fail with errno as it is set.  half, when not NULL, writes half of what is to be written. */
static bool meet(int kind, const char *call, int fd, const char *path, void (*half)(void *), void *arg)
{
	int saved = errno;
	uint64_t n;

	if (order == NULL || (order->kinds & (uint32_t)kind) == 0)
		return false;
	n = atomic_fetch_add(&order->count, 1) + 1;
	if (order->mode == WATCH || !is_due(n, kind)) {
		errno = saved;
		return false;
	}
	if (atomic_fetch_add(&order->fired, 1) == 0)
		note(n, call, fd, path);
	switch (order->mode) {
	case TORN:
		if (half != NULL)
			half(arg);
		die();
	case CUT:
		if (kind == NET || kind == RECEIVE) {
			shutdown(fd, SHUT_RDWR);
			errno = saved;
			return false;
		}
		break;
	case FAIL: break;
	default: die();
	}
	errno = (int)order->error;
	return true;
}

/* Files and sockets; not terminals, pipes, and what wakes a loop, nor the program's own log. */
static int kind_of(int fd)
{
	struct stat st;
	int saved = errno, kind = 0;

	if (order != NULL && fd > 2 && fstat(fd, &st) == 0)
		kind = S_ISREG(st.st_mode) ? DISK : S_ISSOCK(st.st_mode) ? NET : 0;
	errno = saved;
	return kind;
}

#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	real = (__typeof__(real))dlsym(RTLD_NEXT, #name)

/* ---- files */

struct piece {
	int fd;
	const void *p;
	size_t n;
	off_t at; /* -1: where the file stands */
};

static void write_half(void *arg)
{
	const struct piece *w = arg;

	if (w->at == -1)
		syscall(SYS_write, w->fd, w->p, w->n / 2);
	else
		syscall(SYS_pwrite64, w->fd, w->p, w->n / 2, w->at);
}

ssize_t write(int fd, const void *p, size_t n)
{
	struct piece w = {fd, p, n, -1};
	int kind = kind_of(fd);

	REAL(write);
	if (kind != 0 && meet(kind, "write", fd, NULL, write_half, &w))
		return -1;
	return real(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct piece w = {fd, p, n, at};

	REAL(pwrite);
	if (meet(DISK, "pwrite", fd, NULL, write_half, &w))
		return -1;
	return real(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	struct piece w = {fd, p, n, at};

	REAL(pwrite64);
	if (meet(DISK, "pwrite", fd, NULL, write_half, &w))
		return -1;
	return real(fd, p, n, at);
}

ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
	REAL(copy_file_range);
	if (meet(DISK, "copy_file_range", out, NULL, NULL, NULL))
		return -1;
	return real(in, in_at, out, out_at, n, flags);
}

#define POINT(kind, result, name, params, fd, path, args)    \
	result name params                                   \
	{                                                    \
		REAL(name);                                  \
		if (meet(kind, #name, fd, path, NULL, NULL)) \
			return -1;                           \
		return real args;                            \
	}

POINT(DISK, int, fsync, (int fd), fd, NULL, (fd))
POINT(DISK, int, fdatasync, (int fd), fd, NULL, (fd))
POINT(DISK, int, syncfs, (int fd), fd, NULL, (fd))
POINT(DISK, int, ftruncate, (int fd, off_t n), fd, NULL, (fd, n))
POINT(DISK, int, ftruncate64, (int fd, off64_t n), fd, NULL, (fd, n))
POINT(DISK, int, mkdir, (const char *path, mode_t mode), -1, path, (path, mode))
POINT(DISK, int, mkdirat, (int at, const char *path, mode_t mode), -1, path, (at, path, mode))
POINT(DISK, int, rmdir, (const char *path), -1, path, (path))
POINT(DISK, int, unlink, (const char *path), -1, path, (path))
POINT(DISK, int, unlinkat, (int at, const char *path, int flags), -1, path, (at, path, flags))
POINT(DISK, int, rename, (const char *from, const char *to), -1, to, (from, to))
POINT(DISK, int, renameat, (int at, const char *from, int to_at, const char *to), -1, to, (at, from, to_at, to))
POINT(DISK, int, renameat2, (int at, const char *from, int to_at, const char *to, unsigned flags), -1, to,
    (at, from, to_at, to, flags))
POINT(DISK, int, linkat, (int at, const char *from, int to_at, const char *to, int flags), -1, to,
    (at, from, to_at, to, flags))
POINT(DISK, int, mkostemp, (char *path, int flags), -1, path, (path, flags))

static mode_t creation_mode(int flags, va_list ap)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

/* Opening is a point only when it may make a file. */
#define OPENS(name, params, at, path, args)                                            \
	int name params                                                                \
	{                                                                              \
		va_list ap;                                                            \
		mode_t mode;                                                           \
		REAL(name);                                                            \
		va_start(ap, flags);                                                   \
		mode = creation_mode(flags, ap);                                       \
		va_end(ap);                                                            \
		if ((flags & O_CREAT) != 0 && meet(DISK, #name, -1, path, NULL, NULL)) \
			return -1;                                                     \
		return real args;                                                      \
	}

OPENS(open, (const char *path, int flags, ...), -1, path, (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), -1, path, (path, flags, mode))
OPENS(openat, (int at, const char *path, int flags, ...), at, path, (at, path, flags, mode))
OPENS(openat64, (int at, const char *path, int flags, ...), at, path, (at, path, flags, mode))

/* ---- sockets */

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	struct piece w = {fd, p, n, -1};

	REAL(send);
	if (meet(NET, "send", fd, NULL, write_half, &w))
		return -1;
	return real(fd, p, n, flags);
}

ssize_t sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t len)
{
	struct piece w = {fd, p, n, -1};

	REAL(sendto);
	if (meet(NET, "sendto", fd, NULL, to == NULL ? write_half : NULL, &w))
		return -1;
	return real(fd, p, n, flags, to, len);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	struct piece w = {fd, n > 0 ? iov[0].iov_base : NULL, n > 0 ? iov[0].iov_len : 0, -1};
	int kind = kind_of(fd);

	REAL(writev);
	if (kind != 0 && meet(kind, "writev", fd, NULL, write_half, &w))
		return -1;
	return real(fd, iov, n);
}

ssize_t sendfile(int out, int in, off_t *at, size_t n)
{
	REAL(sendfile);
	if (meet(NET, "sendfile", out, NULL, NULL, NULL))
		return -1;
	return real(out, in, at, n);
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	REAL(connect);
	/* There is no connection to cut yet. */
	if (order != NULL && order->mode != CUT && meet(NET, "connect", fd, NULL, NULL, NULL))
		return -1;
	return real(fd, to, len);
}

POINT(RECEIVE, ssize_t, recv, (int fd, void *p, size_t n, int flags), fd, NULL, (fd, p, n, flags))
POINT(RECEIVE, ssize_t, recvfrom, (int fd, void *p, size_t n, int flags, struct sockaddr *from, socklen_t *len),
    fd, NULL, (fd, p, n, flags, from, len))

/* ---- processes */

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
    const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	REAL(posix_spawn);
	if (meet(PROC, "posix_spawn", -1, argv[1] ? argv[1] : path, NULL, NULL))
		return errno;
	return real(pid, path, fa, attr, argv, env);
}

int posix_spawnp(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
    const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	REAL(posix_spawnp);
	if (meet(PROC, "posix_spawnp", -1, path, NULL, NULL))
		return errno;
	return real(pid, path, fa, attr, argv, env);
}

POINT(PROC, int, kill, (pid_t pid, int sig), -1, NULL, (pid, sig))
