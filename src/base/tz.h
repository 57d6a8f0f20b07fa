/*
 * tz.h: time zones without the TZ environment: any number of zones at once, each read from its compiled file (RFC 8536).
 *
 * Times are whole seconds since 1970-01-01T00:00:00, of UTC or of the wall clock ("local seconds": the civil date and
 * time read as if it were UTC); fractions are the caller's and do not change.
 */
#ifndef TZ_H
#define TZ_H

#include "base/err.h"

#define TZ_ABBR_MAX 12

struct tz;

struct tz_local {
	int64_t local_s; /* the wall clock */
	int offset_s; /* local_s - utc_s */
	bool is_dst;
	char abbr[TZ_ABBR_MAX]; /* "CDT", "-03" */
};

/*
 * A zone by name, old names (US/Central, America/Buenos_Aires) mapped to the present ones; UTC needs no file.
 * NULL with class CONFIG code "unknown_zone", or BAD_DATA code "bad_zone" for a damaged file.  Free with tz_free.
 */
struct tz *tz_open(const char *name, struct err *err);
/* The same from another folder, or from bytes in memory (lent for the call). */
struct tz *tz_open_in(const char *dir, const char *name, struct err *err);
struct tz *tz_parse(const char *name, const void *bytes, size_t n, struct err *err);
void tz_free(struct tz *); /* NULL is fine */
const char *tz_name(const struct tz *); /* as given to tz_open */

void tz_to_local(const struct tz *, int64_t utc_s, struct tz_local *out);
/*
 * The UTC instant of a wall clock time.  A time that occurs twice is taken in standard time (the later instant when
 * neither or both are); one that a forward change skips is read with the offset before the change.
 */
int64_t tz_to_utc(const struct tz *, int64_t local_s);
/* The first change of offset, summer-time flag or name after an instant; false when there is none. */
bool tz_next_change(const struct tz *, int64_t utc_s, int64_t *change_s);

#endif
