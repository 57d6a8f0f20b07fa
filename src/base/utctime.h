/* utctime.h: UTC instants and civil dates as text and numbers; proleptic Gregorian, no time zones, no locale. */
#ifndef UTCTIME_H
#define UTCTIME_H

#include "base/util.h"

#define UTCTIME_MAX 32

struct civil {
	int year, month, day; /* month and day from 1 */
	int hour, minute, second; /* second 0..59 */
	int ms;
};

/* Days since 1970-01-01 of a civil date, and back. */
int64_t civil_days(int year, int month, int day);
void civil_from_days(int64_t days, struct civil *c);
bool civil_is_date(int year, int month, int day);
tm_ms civil_to_ms(const struct civil *c);
void civil_from_ms(tm_ms t, struct civil *c);

/* "2026-04-17T21:03:05.123Z" into out; returns out. */
const char *utctime_format(tm_ms t, char out[UTCTIME_MAX]);
/* "2026-04-17 21:03:05" into out; returns out. */
const char *utctime_format_sql(tm_ms t, char out[UTCTIME_MAX]);
/* "2026-04-17 21:03:05.123" into out; returns out. */
const char *utctime_format_sql_ms(tm_ms t, char out[UTCTIME_MAX]);
/* ISO 8601 with Z or a numeric offset, or "YYYY-MM-DD HH:MM:SS[.fff]" taken as UTC; -1 when it is none of these. */
int utctime_parse(const char *s, tm_ms *t);
/* Exactly eight digits that name a real date. */
int utctime_parse_yyyymmdd(const char *s, struct civil *c);

#endif
