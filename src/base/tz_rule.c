#include "config.h"

#include "base/tz_rule.h"

#include "base/utctime.h"

#define DAY_S 86400

/* A number of at most max_digits digits within lo..hi. */
static int scan_number(const char **p, int max_digits, int lo, int hi, int *out)
{
	const char *s = *p;
	int v = 0;

	while (s - *p < max_digits && *s >= '0' && *s <= '9')
		v = v * 10 + (*s++ - '0');
	if (s == *p || v < lo || v > hi)
		return -1;
	*p = s;
	*out = v;
	return 0;
}

static bool scan_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static int scan_time(const char **p, int max_hours, int *out)
{
	int sign = scan_char(p, '-') ? -1 : 1, h, m = 0, s = 0;

	if (sign > 0)
		scan_char(p, '+');
	if (scan_number(p, 3, 0, max_hours, &h) == -1)
		return -1;
	if (scan_char(p, ':')) {
		if (scan_number(p, 2, 0, 59, &m) == -1)
			return -1;
		if (scan_char(p, ':') && scan_number(p, 2, 0, 59, &s) == -1)
			return -1;
	}
	*out = sign * (h * 3600 + m * 60 + s);
	return 0;
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Three or more letters, or <anything alphanumeric with signs>. */
static int scan_name(const char **p, char out[TZ_ABBR_MAX])
{
	bool quoted = scan_char(p, '<');
	const char *s = *p;
	size_t n;

	while (is_letter(*s) || (quoted && ((*s >= '0' && *s <= '9') || *s == '+' || *s == '-')))
		s++;
	n = (size_t)(s - *p);
	if (n < 3 || n >= TZ_ABBR_MAX)
		return -1;
	memcpy(out, *p, n);
	out[n] = '\0';
	*p = s;
	return quoted && !scan_char(p, '>') ? -1 : 0;
}

/* ",M3.2.0/2", ",J60", ",59/-1:30" */
static int scan_edge(const char **p, struct tz_edge *e)
{
	int r;

	if (!scan_char(p, ','))
		return -1;
	if (scan_char(p, 'M')) {
		e->day = TZ_DAY_OF_MONTH;
		r = scan_number(p, 2, 1, 12, &e->month) == -1 || !scan_char(p, '.') ||
		    scan_number(p, 1, 1, 5, &e->week) == -1 || !scan_char(p, '.') ||
		    scan_number(p, 1, 0, 6, &e->wday) == -1;
	} else if (scan_char(p, 'J')) {
		e->day = TZ_DAY_JULIAN;
		r = scan_number(p, 3, 1, 365, &e->n);
	} else {
		e->day = TZ_DAY_OF_YEAR;
		r = scan_number(p, 3, 0, 365, &e->n);
	}
	if (r != 0)
		return -1;
	e->time_s = 2 * 3600;
	return scan_char(p, '/') ? scan_time(p, 167, &e->time_s) : 0;
}

int tz_rule_parse(const char *text, struct tz_rule *rule)
{
	struct tz_rule r = {0};
	const char *p = text;
	int west;

	if (scan_name(&p, r.std.abbr) == -1 || scan_time(&p, 24, &west) == -1)
		return -1;
	r.std.offset_s = -west;
	if (*p != '\0') {
		r.has_dst = r.dst.is_dst = true;
		if (scan_name(&p, r.dst.abbr) == -1)
			return -1;
		r.dst.offset_s = r.std.offset_s + 3600;
		if (*p != ',') {
			if (scan_time(&p, 24, &west) == -1)
				return -1;
			r.dst.offset_s = -west;
		}
		if (scan_edge(&p, &r.begin) == -1 || scan_edge(&p, &r.end) == -1 || *p != '\0')
			return -1;
	}
	*rule = r;
	return 0;
}

/* Days since 1970 of an edge's day in a year. */
static int64_t edge_days(const struct tz_edge *e, int year)
{
	int64_t first = civil_days(year, 1, 1);
	bool leap = civil_is_date(year, 2, 29);

	if (e->day == TZ_DAY_OF_YEAR)
		return first + e->n;
	if (e->day == TZ_DAY_JULIAN)
		return first + e->n - 1 + (leap && e->n >= 60);

	int64_t day1 = civil_days(year, e->month, 1);
	int64_t next = e->month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, e->month + 1, 1);
	int wday1 = (int)(((day1 + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
	int64_t day = day1 + (e->wday - wday1 + 7) % 7 + 7 * (e->week - 1);

	while (day >= next)
		day -= 7;
	return day;
}

/* The two instants of a year at which summer time begins and ends; the clock read at an edge is the one before it. */
static void rule_year(const struct tz_rule *r, int year, int64_t *begin, int64_t *end)
{
	*begin = edge_days(&r->begin, year) * DAY_S + r->begin.time_s - r->std.offset_s;
	*end = edge_days(&r->end, year) * DAY_S + r->end.time_s - r->dst.offset_s;
}

static int year_of(int64_t utc_s)
{
	struct civil c;
	int64_t days = utc_s / DAY_S - (utc_s % DAY_S < 0);

	civil_from_days(days, &c);
	return c.year;
}

const struct tz_kind *tz_rule_at(const struct tz_rule *r, int64_t utc_s)
{
	const struct tz_kind *kind = &r->std;
	int64_t latest = INT64_MIN, begin, end;
	int year = year_of(utc_s);

	if (!r->has_dst)
		return kind;
	/* Edges may lie a week outside their year: take the latest one not after the instant, ends losing ties (all-year DST). */
	for (int y = year - 1; y <= year + 1; y++) {
		rule_year(r, y, &begin, &end);
		if (end <= utc_s && end > latest) {
			latest = end;
			kind = &r->std;
		}
		if (begin <= utc_s && begin >= latest) {
			latest = begin;
			kind = &r->dst;
		}
	}
	return kind;
}

bool tz_rule_next(const struct tz_rule *r, int64_t utc_s, int64_t *change_s)
{
	int64_t best = INT64_MAX, edge[2];
	int year = year_of(utc_s);

	for (int y = year - 1; r->has_dst && y <= year + 1; y++) {
		rule_year(r, y, &edge[0], &edge[1]);
		for (int i = 0; i < 2; i++)
			if (edge[i] > utc_s && edge[i] < best)
				best = edge[i];
	}
	if (best == INT64_MAX)
		return false;
	*change_s = best;
	return true;
}
