#include "config.h"

#include "orch-step/capture.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of one turn of the loop, so that a flood on one stream starves neither the other nor the signals. */
#define PUMP_READS 16

int capture_open(struct capture *c, const char *dir, const char *name, int64_t limit, struct err *err)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) == -1)
		return err_errno(err, "pipe");
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	*c = (struct capture){.path = fs_join(dir, name), .pipe = fd[0], .file = -1, .limit = limit};
	return fd[1];
}

static void remember(struct capture *c, const char *p, size_t n)
{
	if (n >= CAPTURE_TAIL) {
		memcpy(c->tail, p + n - CAPTURE_TAIL, CAPTURE_TAIL);
		c->ntail = CAPTURE_TAIL;
		return;
	}
	size_t keep = MIN(c->ntail, CAPTURE_TAIL - n);
	memmove(c->tail, c->tail + c->ntail - keep, keep);
	memcpy(c->tail + keep, p, n);
	c->ntail = keep + n;
}

/* What the disk does not take counts as dropped: a full disk must not fail a command that does not need it. */
static void store(struct capture *c, const char *p, size_t n)
{
	if (c->file == -1 && n > 0)
		c->file = open(c->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (c->file == -1 || fs_write_all(c->file, p, n, NULL) == -1)
		c->dropped += (int64_t)n;
	else
		c->kept += (int64_t)n;
}

bool capture_pump(struct capture *c)
{
	char buf[65536];
	bool any = false;

	for (int i = 0; i < PUMP_READS && c->pipe != -1; i++) {
		ssize_t got = read(c->pipe, buf, sizeof(buf));

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1 && errno == EAGAIN)
			break;
		if (got <= 0) {
			close(c->pipe);
			c->pipe = -1;
			break;
		}
		size_t n = (size_t)MIN((int64_t)got, MAX(c->limit - c->kept, 0));
		store(c, buf, n);
		c->dropped += (int64_t)((size_t)got - n);
		remember(c, buf, (size_t)got);
		any = true;
	}
	return any;
}

void capture_note(struct capture *c, const char *fmt, ...)
{
	struct strbuf line = STRBUF_INIT(1024);
	va_list ap;

	strbuf_addstr(&line, "\n[orch-exec: ");
	va_start(ap, fmt);
	strbuf_vaddf(&line, fmt, ap);
	va_end(ap);
	strbuf_addstr(&line, "]\n");
	store(c, line.buf, line.len);
	strbuf_release(&line);
}

void capture_close(struct capture *c)
{
	if (c->dropped > 0)
		capture_note(c, "%" PRId64 " more bytes were dropped", c->dropped);
	if (c->pipe != -1)
		close(c->pipe);
	if (c->file != -1)
		close(c->file);
	free(c->path);
	c->path = NULL;
	c->pipe = c->file = -1;
}

const char *capture_last_line(const struct capture *c, char *buf, size_t size)
{
	size_t end = c->ntail, start, n;

	while (end > 0 && (unsigned char)c->tail[end - 1] <= ' ')
		end--;
	for (start = end; start > 0 && c->tail[start - 1] != '\n'; start--)
		;
	n = MIN(end - start, size - 1);
	for (size_t i = 0; i < n; i++)
		buf[i] = (unsigned char)c->tail[start + i] < ' ' ? ' ' : c->tail[start + i];
	buf[n] = '\0';
	return buf;
}
