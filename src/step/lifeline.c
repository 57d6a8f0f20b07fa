#include "config.h"

#include "step/lifeline.h"

#include "base/fs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LIFELINE_FILE "lifeline"
#define PID_FILE      "pid"

int lifeline_take(const char *dir, struct err *err)
{
	char *path = fs_join(dir, LIFELINE_FILE);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1) {
		err_errno(err, "open %s", path);
	} else if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		err_errno(err, "lock %s", path);
		close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

enum lifeline lifeline_state(const char *dir)
{
	char *path = fs_join(dir, LIFELINE_FILE);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	enum lifeline state = LIFELINE_NONE;

	if (fd != -1) {
		state = flock(fd, LOCK_EX | LOCK_NB) == 0 ? LIFELINE_FREE : LIFELINE_HELD;
		close(fd);
	}
	free(path);
	return state;
}

/* Field 22 of /proc/PID/stat: start time in clock ticks since boot; 0 when there is no such process. */
static uint64_t start_time(pid_t pid)
{
	char path[64], buf[1024], *s;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	/* The name in field 2 may hold blanks and brackets: count from its last bracket. */
	if ((s = strrchr(buf, ')')) == NULL)
		return 0;
	for (int field = 2; field < 22 && s != NULL; field++)
		s = strchr(s + 1, ' ');
	return s ? strtoull(s + 1, NULL, 10) : 0;
}

pid_t lifeline_read_pid(const char *dir)
{
	char *path = fs_join(dir, PID_FILE);
	struct strbuf text = STRBUF_INIT(100);
	uint64_t start = 0;
	int pid = 0;

	if (fs_read(path, &text, NULL) == 0 && sscanf(text.buf, "%d %" SCNu64, &pid, &start) == 2 &&
	    (pid <= 1 || start == 0 || start_time(pid) != start))
		pid = 0;
	strbuf_release(&text);
	free(path);
	return pid;
}

bool lifeline_was_announced(const char *dir)
{
	char *path = fs_join(dir, PID_FILE);
	bool there = fs_exists(path);

	free(path);
	return there;
}

int lifeline_announce(const char *dir, struct err *err)
{
	char *path = fs_join(dir, PID_FILE), text[64];
	int rc;

	fcntl(LIFELINE_FD, F_SETFD, FD_CLOEXEC);
	snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)getpid(), start_time(getpid()));
	rc = fs_write_atomic(path, text, strlen(text), 0600, err);
	free(path);
	return rc;
}
