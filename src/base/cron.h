/*
 * cron.h: instants named by the five fields of crontab(5): minute, hour, day of month, month, day of week.
 *
 * The fields are read on the wall clock of a zone.  When clocks change, times are kept as Debian's cron keeps them: an hour
 * that stands there as numbers comes once a day (skipped by the change: as much later; twice there: in standard time),
 * while an hour field that begins with '*' follows real time, so that "every ten minutes" stays that.
 */
#ifndef CRON_H
#define CRON_H

#include "base/err.h"
#include "base/tz.h"

struct cron {
	uint64_t minute; /* bit n: the value n */
	uint32_t hour, day;
	uint16_t month;
	uint8_t weekday; /* 0 is Sunday */
	/* The field begins with '*'. */
	bool any_hour, any_day, any_weekday;
};

/*
 * Lists, ranges, steps of '*' or a range, three-letter English names of months and days, 7 for Sunday, and @hourly
 * @daily @midnight @weekly @monthly @yearly @annually.  With both days restricted, either is enough; otherwise both must
 * fit.  -1 with class CONFIG names the field; also when no date ever fits (30 February).
 */
int cron_parse(const char *text, struct cron *out, struct err *err);
/* The first instant after this one, always a whole minute; TIME_NEVER when there is none in forty years. */
tm_ms cron_next(const struct cron *, const struct tz *, tm_ms after);

#endif
