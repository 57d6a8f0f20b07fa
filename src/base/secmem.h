/* secmem.h: memory for secrets that are kept: no core file holds it, and it is wiped when freed. */
#ifndef SECMEM_H
#define SECMEM_H

#include <stddef.h>

/* Whole pages each, so for few and small things; zeroed.  Aborts when memory is out. */
void *secmem_alloc(size_t n) __attribute__((malloc, returns_nonnull));
char *secmem_dup(const char *s) __attribute__((malloc, returns_nonnull));
void secmem_free(void *p); /* NULL is fine */

#endif
