/*
 * hash.h: 64 bits that tell bytes apart, not secret and not safe against those who look for collisions.
 *
 * The same on every machine and in every version: what was kept on disk must be found again.
 */
#ifndef HASH_H
#define HASH_H

#include "base/util.h"

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* h: HASH_START or what came before; the length counts, so "ab" and "c" is not "a" and "bc".  All bits are well mixed. */
uint64_t hash_bytes(uint64_t h, const void *p, size_t n);
/* NULL is a text of its own. */
uint64_t hash_text(uint64_t h, const char *s);

#endif
