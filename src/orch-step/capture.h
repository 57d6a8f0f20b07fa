/*
 * capture.h: a command's stdout or stderr, kept in a file up to a limit.
 *
 * The head is kept, because that is where a program says what went wrong first; a last line tells how much was dropped.
 * The very end is remembered too, for the error text.  The file is made when the first byte arrives.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "base/err.h"

#define CAPTURE_TAIL 512

struct capture {
	char *path;
	int pipe; /* read end; -1 after the end of the stream */
	int file; /* -1: not made yet */
	int64_t limit, kept, dropped;
	char tail[CAPTURE_TAIL]; /* the last bytes, not terminated */
	size_t ntail;
};

/* Returns the write end of the pipe (close-on-exec), to be closed by the caller after the start. */
int capture_open(struct capture *c, const char *dir, const char *name, int64_t limit, struct err *err);
/* Take what is there, a bounded amount; false when nothing was. */
bool capture_pump(struct capture *c);
/* Note what was dropped, then close. */
void capture_close(struct capture *c);
/* The last line with anything in it, control characters blanked, into buf; "" when there is none. */
const char *capture_last_line(const struct capture *c, char *buf, size_t size);
/* Add a line of our own, beyond the limit. */
void capture_note(struct capture *c, const char *fmt, ...) PRINTF(2, 3);

#endif
