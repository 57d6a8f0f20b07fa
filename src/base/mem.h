/*
 * mem.h: allocation that aborts when memory is out.
 *
 * For small things only.  Whatever is sized by the outside world is capped first.
 */
#ifndef MEM_H
#define MEM_H

#include <stddef.h>

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* At most n bytes, fewer when a NUL comes before; s need not be terminated. */
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
/* A formatted string of its own; free() it. */
char *xasprintf(const char *fmt, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* Replace an owned string by a copy of s (NULL allowed on both sides). */
void xstrset(char **where, const char *s);

#endif
