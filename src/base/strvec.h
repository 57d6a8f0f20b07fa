/* strvec.h: a vector of owned strings, NULL-terminated so that it can be handed to exec. */
#ifndef STRVEC_H
#define STRVEC_H

#include "base/util.h"

struct strvec {
	char **v; /* v[n] is NULL once anything was pushed; NULL while empty */
	size_t n, cap;
};

#define STRVEC_INIT ((struct strvec){0})

void strvec_push(struct strvec *, const char *s);
void strvec_pushn(struct strvec *, const char *s, size_t n);
void strvec_pushf(struct strvec *, const char *fmt, ...) PRINTF(2, 3);
void strvec_release(struct strvec *);
void strvec_wipe(struct strvec *); /* release, of texts that may be secret */
bool strvec_has(const struct strvec *, const char *s);
void strvec_sort(struct strvec *);

#endif
