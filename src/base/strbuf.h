/*
 * strbuf.h: the one growable buffer.
 *
 * buf is never NULL and always terminated at buf[len]; it may hold NULs and any bytes.  Every buffer is born with a
 * hard limit for its purpose: an append that would pass it changes nothing, sets `overflowed` and returns -1, so a
 * writer may ignore single results and check the flag once at the end.
 */
#ifndef STRBUF_H
#define STRBUF_H

#include "base/util.h"

#include <stdarg.h>

struct strbuf {
	char *buf;
	size_t len;
	size_t cap; /* 0 while buf is the shared empty string */
	size_t limit; /* most bytes it may ever hold */
	bool overflowed;
};

extern char strbuf_empty[1];
#define STRBUF_INIT(max) ((struct strbuf){.buf = strbuf_empty, .limit = (max)})

void strbuf_init(struct strbuf *, size_t limit);
void strbuf_release(struct strbuf *); /* drops the contents; the buffer may be used again */
void strbuf_reset(struct strbuf *); /* keeps the memory */
/* The string is the caller's to free(); the buffer is empty again. */
char *strbuf_detach(struct strbuf *);

int strbuf_add(struct strbuf *, const void *p, size_t n);
int strbuf_addstr(struct strbuf *, const char *s);
int strbuf_addch(struct strbuf *, char c);
int strbuf_addf(struct strbuf *, const char *fmt, ...) PRINTF(2, 3);
int strbuf_vaddf(struct strbuf *, const char *fmt, va_list ap) PRINTF(2, 0);
/* Room for n more bytes at buf + len; NULL past the limit.  Commit with strbuf_grew. */
char *strbuf_room(struct strbuf *, size_t n);
void strbuf_grew(struct strbuf *, size_t n);
/* Drop the first n bytes. */
void strbuf_drop(struct strbuf *, size_t n);
void strbuf_truncate(struct strbuf *, size_t len);

#endif
