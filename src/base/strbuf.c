#include "config.h"

#include "base/strbuf.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char strbuf_empty[1];

void strbuf_init(struct strbuf *sb, size_t limit)
{
	*sb = STRBUF_INIT(limit);
}

void strbuf_release(struct strbuf *sb)
{
	if (sb->cap > 0)
		free(sb->buf);
	strbuf_init(sb, sb->limit);
}

void strbuf_reset(struct strbuf *sb)
{
	strbuf_truncate(sb, 0);
	sb->overflowed = false;
}

char *strbuf_detach(struct strbuf *sb)
{
	char *s = sb->cap > 0 ? sb->buf : xstrdup("");

	strbuf_init(sb, sb->limit);
	return s;
}

char *strbuf_room(struct strbuf *sb, size_t n)
{
	size_t want, cap;

	if (n > sb->limit || sb->len > sb->limit - n) {
		sb->overflowed = true;
		return NULL;
	}
	want = sb->len + n + 1;
	if (want > sb->cap) {
		cap = sb->cap < 64 ? 64 : sb->cap;
		while (cap < want)
			cap = cap > SIZE_MAX / 2 ? want : cap * 2;
		cap = MIN(cap, sb->limit + 1);
		sb->buf = xreallocarray(sb->cap > 0 ? sb->buf : NULL, cap, 1);
		sb->cap = cap;
		sb->buf[sb->len] = '\0';
	}
	return sb->buf + sb->len;
}

void strbuf_grew(struct strbuf *sb, size_t n)
{
	if (n == 0)
		return;
	assert(sb->len + n < sb->cap);
	sb->len += n;
	sb->buf[sb->len] = '\0';
}

int strbuf_add(struct strbuf *sb, const void *p, size_t n)
{
	char *room;

	if (n == 0)
		return 0;
	if ((room = strbuf_room(sb, n)) == NULL)
		return -1;
	memcpy(room, p, n);
	strbuf_grew(sb, n);
	return 0;
}

int strbuf_addstr(struct strbuf *sb, const char *s)
{
	return strbuf_add(sb, s, strlen(s));
}

int strbuf_addch(struct strbuf *sb, char c)
{
	return strbuf_add(sb, &c, 1);
}

int strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	char *room;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || (room = strbuf_room(sb, (size_t)n)) == NULL)
		return -1;
	if (n > 0) {
		vsnprintf(room, (size_t)n + 1, fmt, ap);
		strbuf_grew(sb, (size_t)n);
	}
	return 0;
}

int strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
	return rc;
}

void strbuf_drop(struct strbuf *sb, size_t n)
{
	assert(n <= sb->len);
	if (n == 0)
		return;
	memmove(sb->buf, sb->buf + n, sb->len - n + 1);
	sb->len -= n;
}

void strbuf_truncate(struct strbuf *sb, size_t len)
{
	assert(len <= sb->len);
	if (sb->cap > 0)
		sb->buf[len] = '\0';
	sb->len = len;
}
