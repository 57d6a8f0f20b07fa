#include "config.h"

#include "base/cron.h"

#include "base/utctime.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define DAY_S 86400
#define HORIZON \
	(40 *   \
	    366) /* days: a 29 February of a given weekday comes within it, over a century's missing one too */
#define CHANGE_MAX 7200 /* seconds: no zone's clock is set back by more, other than by a whole day */

/* ---- reading ---- */

static const char *const month_names[] = {
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, NFIELDS };
static const struct field {
	const char *what;
	unsigned min, max;
	const char *const *names; /* of min and those that follow */
} fields[] = {
    [MINUTE] = {"minute", 0, 59, NULL},
    [HOUR] = {"hour", 0, 23, NULL},
    [DAY] = {"day of month", 1, 31, NULL},
    [MONTH] = {"month", 1, 12, month_names},
    [WEEKDAY] = {"day of week", 0, 7, day_names},
};

static const struct {
	const char *name, *text;
} nicknames[] = {
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

static int read_name(const struct field *f, const char **s, unsigned *out)
{
	for (unsigned i = 0; f->names != NULL && f->names[i] != NULL; i++)
		if (strncasecmp(*s, f->names[i], 3) == 0 && !isalpha((unsigned char)(*s)[3])) {
			*s += 3;
			*out = f->min + i;
			return 0;
		}
	return -1;
}

static int read_number(const char **s, unsigned *out)
{
	unsigned v = 0;
	int digits = 0;

	for (; isdigit((unsigned char)**s); (*s)++) {
		if (++digits > 2)
			return -1;
		v = v * 10 + (unsigned)(**s - '0');
	}
	*out = v;
	return digits > 0 ? 0 : -1;
}

static int read_value(const struct field *f, const char **s, unsigned *out)
{
	if (read_number(s, out) == -1 && read_name(f, s, out) == -1)
		return -1;
	return *out >= f->min && *out <= f->max ? 0 : -1;
}

/* '*', N or N-M, the first and last with /STEP. */
static int read_item(const struct field *f, const char **s, uint64_t *bits)
{
	unsigned from = f->min, to = f->max, step = 1;
	bool many = true;

	if (**s == '*') {
		(*s)++;
	} else {
		if (read_value(f, s, &from) == -1)
			return -1;
		to = from;
		if ((many = **s == '-')) {
			(*s)++;
			if (read_value(f, s, &to) == -1 || to < from)
				return -1;
		}
	}
	if (**s == '/') {
		(*s)++;
		if (!many || read_number(s, &step) == -1 || step == 0)
			return -1;
	}
	for (unsigned v = from; v <= to; v += step)
		*bits |= UINT64_C(1) << v;
	return 0;
}

/* A field, up to the blank behind it. */
static int read_field(const struct field *f, const char **s, uint64_t *bits)
{
	*bits = 0;
	for (;;) {
		if (read_item(f, s, bits) == -1)
			return -1;
		if (**s != ',')
			return **s == '\0' || **s == ' ' || **s == '\t' ? 0 : -1;
		(*s)++;
	}
}

static const char *skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

static int read_fields(const char *text, struct cron *out, struct err *err)
{
	uint64_t bits[NFIELDS];
	const char *s = text;

	*out = (struct cron){0};
	for (size_t i = 0; i < NFIELDS; i++) {
		const char *begin = s = skip_blanks(s);
		bool any = *s == '*';

		if (*s == '\0')
			return err_set(err, ERR_CONFIG,
			    "'%.60s' has no %s: there are five fields, minute hour day month weekday", text,
			    fields[i].what);
		if (read_field(&fields[i], &s, &bits[i]) == -1)
			return err_set(err, ERR_CONFIG, "'%.*s' is no %s",
			    (int)MIN(strcspn(begin, " \t"), (size_t)30), begin, fields[i].what);
		if (i == HOUR)
			out->any_hour = any;
		if (i == DAY)
			out->any_day = any;
		if (i == WEEKDAY)
			out->any_weekday = any;
	}
	if (*skip_blanks(s) != '\0')
		return err_set(err, ERR_CONFIG, "'%.30s' stands behind the five fields", skip_blanks(s));
	out->minute = bits[MINUTE];
	out->hour = (uint32_t)bits[HOUR];
	out->day = (uint32_t)bits[DAY];
	out->month = (uint16_t)bits[MONTH];
	out->weekday = (uint8_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f); /* 7 is Sunday too */
	return 0;
}

/* ---- days ---- */

static bool day_fits(const struct cron *c, int64_t day)
{
	int weekday = (int)((day + 4) % 7); /* 1970-01-01 was a Thursday */
	struct civil civil;
	bool of_month, of_week;

	civil_from_days(day, &civil);
	if ((c->month >> civil.month & 1) == 0)
		return false;
	of_month = c->day >> civil.day & 1;
	of_week = c->weekday >> (weekday < 0 ? weekday + 7 : weekday) & 1;
	return c->any_day || c->any_weekday ? of_month && of_week : of_month || of_week;
}

/* The first that fits, from this one on; -1: none within the horizon. */
static int64_t next_day(const struct cron *c, int64_t day)
{
	for (int64_t d = day; d < day + HORIZON; d++)
		if (day_fits(c, d))
			return d;
	return -1;
}

int cron_parse(const char *text, struct cron *out, struct err *err)
{
	for (size_t i = 0; i < NITEMS(nicknames); i++)
		if (strcasecmp(text, nicknames[i].name) == 0)
			text = nicknames[i].text;
	if (text[0] == '@')
		return err_set(err, ERR_CONFIG,
		    "'%.30s' is none of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually",
		    text);
	if (read_fields(text, out, err) == -1)
		return -1;
	if (next_day(out, 0) == -1)
		return err_set(err, ERR_CONFIG, "'%.60s' never comes: no such date", text);
	return 0;
}

/* ---- instants ---- */

/* Of the hours and minutes on this day of the wall clock, the first instant that is not before from. */
static int64_t first_of_day(const struct cron *c, const struct tz *tz, int64_t day, int64_t from)
{
	int64_t best = INT64_MAX;

	if (!day_fits(c, day))
		return best;
	for (int h = 0; h < 24; h++)
		for (int m = 0; m < 60 && (c->hour >> h & 1); m++) {
			int64_t t =
			    c->minute >> m & 1 ? tz_to_utc(tz, day * DAY_S + h * 3600 + m * 60) : INT64_MIN;

			if (t >= from)
				best = MIN(best, t);
		}
	return best;
}

static int64_t local_day(const struct tz *tz, int64_t utc_s)
{
	struct tz_local l;

	tz_to_local(tz, utc_s, &l);
	return l.local_s / DAY_S;
}

/*
 * Hours by number.  A change of the clock may put times of one day behind those that follow them, across midnight too:
 * so the least of two days counts.
 */
static int64_t next_by_calendar(const struct cron *c, const struct tz *tz, int64_t from)
{
	int64_t day = local_day(tz, from) - 1, best = INT64_MAX;

	for (int64_t end = day + HORIZON; best == INT64_MAX; day++) {
		if ((day = next_day(c, day)) == -1 || day > end)
			return INT64_MAX;
		best = first_of_day(c, tz, day, from);
	}
	return MIN(best, first_of_day(c, tz, day, from));
}

/* Any hour: minute after minute of real time, over days that do not fit at once. */
static int64_t next_by_clock(const struct cron *c, const struct tz *tz, int64_t from)
{
	for (int64_t t = from;;) {
		struct tz_local l;
		int64_t day, fits;

		tz_to_local(tz, t, &l);
		day = l.local_s / DAY_S;
		if ((fits = next_day(c, day)) == -1)
			return INT64_MAX;
		if (fits > day) {
			/* Its midnight may come twice: this is before both. */
			t = MAX(t + 60, tz_to_utc(tz, fits * DAY_S) - CHANGE_MAX);
			continue;
		}
		if ((c->hour >> (l.local_s % DAY_S / 3600) & 1) && (c->minute >> (l.local_s % 3600 / 60) & 1))
			return t;
		t += 60;
	}
}

tm_ms cron_next(const struct cron *c, const struct tz *tz, tm_ms after)
{
	int64_t from = (MAX(after, (tm_ms)0) / 60000 + 1) * 60;
	int64_t t = c->any_hour ? next_by_clock(c, tz, from) : next_by_calendar(c, tz, from);

	return t == INT64_MAX ? TIME_NEVER : t * 1000;
}
