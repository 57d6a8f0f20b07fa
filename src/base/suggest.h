/* suggest.h: the nearest of some names, for "did you mean". */
#ifndef SUGGEST_H
#define SUGGEST_H

#include "base/util.h"

/* Edit distance with transpositions, case-insensitive; lengths beyond 64 count as far away. */
size_t suggest_distance(const char *a, const char *b);
/* name(arg, i) gives the i-th candidate or NULL at the end.  NULL when nothing is near enough to be worth saying. */
const char *suggest_nearest(const char *word, const char *(*name)(const void *arg, size_t i), const void *arg);

#endif
