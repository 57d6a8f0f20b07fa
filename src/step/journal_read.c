#include "config.h"

#include "step/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536

static void note_bad(struct journal_reader *r, const char *why)
{
	if (r->bad++ == 0)
		snprintf(r->bad_text, sizeof(r->bad_text), "%.199s", why);
}

static int deliver(struct journal_reader *r, const char *line, size_t n, journal_fn *fn, void *arg)
{
	struct err err = ERR_INIT;
	struct journal_msg msg;
	int rc;

	if (n == 0)
		return 0;
	if (msg_decode(line, n, &msg, &err) == -1) {
		note_bad(r, err.text);
		return 0;
	}
	rc = fn(&msg, arg);
	msg_release(&msg);
	return rc;
}

/* Take the whole lines off the front of buf; non-zero when the callback wants no more. */
static int take_lines(struct journal_reader *r, struct strbuf *buf, journal_fn *fn, void *arg)
{
	size_t from = 0;
	int rc = 0;
	char *nl;

	while (rc == 0 && (nl = memchr(buf->buf + from, '\n', buf->len - from)) != NULL) {
		size_t n = (size_t)(nl - buf->buf) - from;

		*nl = '\0';
		if (r->skipping)
			r->skipping = false;
		else
			rc = deliver(r, buf->buf + from, n, fn, arg);
		from += n + 1;
	}
	/* What is left is longer than any line may be: drop it, and the rest of its line when that comes. */
	if (rc == 0 && buf->len - from >= JOURNAL_LINE_MAX) {
		if (!r->skipping)
			note_bad(r, "a line is longer than allowed");
		r->skipping = true;
		from = buf->len;
	}
	strbuf_drop(buf, from);
	r->offset += (int64_t)from;
	return rc;
}

static int open_journal(const char *path, int64_t offset, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;

	if (fd == -1)
		return errno == ENOENT ? -2 : err_errno(err, "open %s", path);
	if (fstat(fd, &st) == -1 || lseek(fd, offset, SEEK_SET) == -1) {
		err_errno(err, "read %s", path);
	} else if (!S_ISREG(st.st_mode)) {
		err_code(err, ERR_BAD_DATA, "not_a_file", "%s: not a regular file", path);
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

int64_t journal_read(
    struct journal_reader *r, const char *path, size_t max_bytes, journal_fn *fn, void *arg, struct err *err)
{
	struct strbuf buf = STRBUF_INIT(JOURNAL_LINE_MAX + CHUNK);
	int fd = open_journal(path, r->offset, err);
	int64_t start = r->offset;
	bool failed = false;

	if (fd < 0)
		return fd == -2 ? 0 : -1;
	while (max_bytes == 0 || r->offset - start < (int64_t)max_bytes) {
		char *room = strbuf_room(&buf, CHUNK);
		ssize_t got = read(fd, room, CHUNK);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1) {
			err_errno(err, "read %s", path);
			failed = true;
		}
		if (got <= 0)
			break;
		strbuf_grew(&buf, (size_t)got);
		if (take_lines(r, &buf, fn, arg) != 0)
			break;
	}
	close(fd);
	strbuf_release(&buf);
	return failed ? -1 : r->offset - start;
}
