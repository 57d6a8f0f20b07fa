/* keyset.h: a set of many texts, kept as 16 bytes of SHA-256 each. */
#ifndef KEYSET_H
#define KEYSET_H

#include "base/util.h"

struct keyset;

struct keyset *keyset_new(void);
void keyset_free(struct keyset *); /* NULL is fine */
/* Two texts together are one member; true: it was not there before. */
bool keyset_add(struct keyset *, const char *a, const char *b);
bool keyset_has(const struct keyset *, const char *a, const char *b);

#endif
