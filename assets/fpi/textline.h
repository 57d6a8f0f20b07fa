/* textline.h: lines and words of sensor files, as pointer + length into bytes that may hold anything. */
#ifndef FPI_TEXTLINE_H
#define FPI_TEXTLINE_H

#include "base/util.h"

#define TEXTLINE_WORDS  24
#define TEXTWORD_NUMBER 48 /* longer texts are no numbers */

struct textword {
	const char *p;
	size_t n;
};

struct textline {
	const char *p; /* without line end */
	size_t n;
	struct textword word[TEXTLINE_WORDS]; /* further words are not split off */
	size_t nwords;
	size_t next; /* offset of the following line */
};

/* Start with a zeroed line.  sep ' ' splits at runs of blanks and tabs, any other at each occurrence, blanks trimmed. */
bool textline_next(struct textline *, const char *text, size_t n, char sep);
bool textline_has(const struct textline *, const char *what);

bool textword_is(const struct textword *, const char *what);
/* The word without leading and trailing bytes of one kind. */
struct textword textword_without(const struct textword *, char c);
/* Finite decimal number, point as in C. */
int textword_number(const struct textword *, double *v);
/* "2016-08-05" or "2016/08/05": sets *local_s to the start of the day. */
int textword_date(const struct textword *, int64_t *local_s);
/* "08/05/2016" */
int textword_date_us(const struct textword *, int64_t *local_s);
/* "21:04:24", a fraction after point or comma dropped: added to *local_s. */
int textword_time(const struct textword *, int64_t *local_s);

#endif
