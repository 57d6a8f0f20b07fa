#include "config.h"

#include "base/utctime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)

/* Howard Hinnant's days_from_civil: years begin in March, so the leap day is the last of its year. */
int64_t civil_days(int year, int month, int day)
{
	int64_t y = month <= 2 ? (int64_t)year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

void civil_from_days(int64_t days, struct civil *c)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*c = (struct civil){0};
	c->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c->year = (int)(yoe + era * 400 + (c->month <= 2));
}

bool civil_is_date(int year, int month, int day)
{
	static const unsigned char length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > length[month - 1])
		return false;
	return month != 2 || day < 29 || leap;
}

tm_ms civil_to_ms(const struct civil *c)
{
	return civil_days(c->year, c->month, c->day) * DAY_MS +
	       (((int64_t)c->hour * 60 + c->minute) * 60 + c->second) * 1000 + c->ms;
}

void civil_from_ms(tm_ms t, struct civil *c)
{
	int64_t days = t / DAY_MS, rest = t % DAY_MS;

	if (rest < 0) {
		rest += DAY_MS;
		days--;
	}
	civil_from_days(days, c);
	c->ms = (int)(rest % 1000);
	rest /= 1000;
	c->second = (int)(rest % 60);
	c->minute = (int)(rest / 60 % 60);
	c->hour = (int)(rest / 3600);
}

const char *utctime_format(tm_ms t, char out[UTCTIME_MAX])
{
	struct civil c;

	civil_from_ms(t, &c);
	snprintf(out, UTCTIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year % 10000, c.month, c.day,
	    c.hour, c.minute, c.second, c.ms);
	return out;
}

const char *utctime_format_sql(tm_ms t, char out[UTCTIME_MAX])
{
	struct civil c;

	civil_from_ms(t, &c);
	snprintf(out, UTCTIME_MAX, "%04d-%02d-%02d %02d:%02d:%02d", c.year % 10000, c.month, c.day, c.hour,
	    c.minute, c.second);
	return out;
}

const char *utctime_format_sql_ms(tm_ms t, char out[UTCTIME_MAX])
{
	struct civil c;

	civil_from_ms(t, &c);
	snprintf(out, UTCTIME_MAX, "%04d-%02d-%02d %02d:%02d:%02d.%03d", c.year % 10000, c.month, c.day, c.hour,
	    c.minute, c.second, c.ms);
	return out;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Exactly n digits at *s; moves *s behind them. */
static int digits(const char **s, int n, int *value)
{
	*value = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (!is_digit(**s))
			return -1;
		*value = *value * 10 + (**s - '0');
	}
	return 0;
}

static int literal(const char **s, const char *set)
{
	while (*set != '\0' && *set != **s)
		set++;
	if (*set == '\0')
		return -1;
	(*s)++;
	return 0;
}

static int fraction_ms(const char **s, int *ms)
{
	int scale = 100;

	*ms = 0;
	if (**s != '.' && **s != ',')
		return 0;
	(*s)++;
	if (!is_digit(**s))
		return -1;
	for (; is_digit(**s); (*s)++, scale /= 10)
		*ms += (**s - '0') * scale;
	return 0;
}

static int zone_offset(const char **s, tm_ms *offset)
{
	int sign, h, m = 0;

	*offset = 0;
	if (**s == '\0')
		return 0;
	if (**s == 'Z' || **s == 'z') {
		(*s)++;
		return 0;
	}
	if (**s != '+' && **s != '-')
		return -1;
	sign = *(*s)++ == '-' ? -1 : 1;
	if (digits(s, 2, &h) == -1)
		return -1;
	if (**s == ':')
		(*s)++;
	if (**s != '\0' && digits(s, 2, &m) == -1)
		return -1;
	if (h > 23 || m > 59)
		return -1;
	*offset = sign * ((tm_ms)h * 60 + m) * 60000;
	return 0;
}

int utctime_parse(const char *s, tm_ms *t)
{
	struct civil c = {0};
	tm_ms offset;

	if (digits(&s, 4, &c.year) == -1 || literal(&s, "-") == -1 || digits(&s, 2, &c.month) == -1 ||
	    literal(&s, "-") == -1 || digits(&s, 2, &c.day) == -1 || literal(&s, "T t") == -1 ||
	    digits(&s, 2, &c.hour) == -1 || literal(&s, ":") == -1 || digits(&s, 2, &c.minute) == -1 ||
	    literal(&s, ":") == -1 || digits(&s, 2, &c.second) == -1 || fraction_ms(&s, &c.ms) == -1 ||
	    zone_offset(&s, &offset) == -1 || *s != '\0')
		return -1;
	if (!civil_is_date(c.year, c.month, c.day) || c.hour > 23 || c.minute > 59 || c.second > 59)
		return -1;
	*t = civil_to_ms(&c) - offset;
	return 0;
}

int utctime_parse_yyyymmdd(const char *s, struct civil *c)
{
	struct civil d = {0};

	if (digits(&s, 4, &d.year) == -1 || digits(&s, 2, &d.month) == -1 || digits(&s, 2, &d.day) == -1 ||
	    *s != '\0')
		return -1;
	if (!civil_is_date(d.year, d.month, d.day))
		return -1;
	*c = d;
	return 0;
}
