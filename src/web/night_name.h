/* night_name.h: dates in the names of partitions and keys; pure functions over text. */
#ifndef NIGHT_NAME_H
#define NIGHT_NAME_H

#include "base/strbuf.h"

#define NIGHT_DATE_LEN 8
#define NIGHT_DATE_MAX 16

/* The first run of exactly eight digits that is a date (between 1950 and 2199): where; -1: there is none. */
int night_find(const char *s, int64_t *day);
/* Is the date at `at` a whole component, as it is in the partition of a night? */
bool night_is_component(const char *partition, int at);
/* s without the date at `at`, and without a separator left double by that, in the place of what is in out. */
void night_without(struct strbuf *out, const char *s, int at);
void night_text(int64_t day, char out[NIGHT_DATE_MAX]); /* eight digits */

#endif
