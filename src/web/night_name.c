#include "config.h"

#include "web/night_name.h"

#include "base/utctime.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int night_find(const char *s, int64_t *day)
{
	for (size_t i = 0; s[i] != '\0'; i++) {
		size_t n = 0;
		struct civil c;
		char text[NIGHT_DATE_LEN + 1];

		while (is_digit(s[i + n]))
			n++;
		if (n == NIGHT_DATE_LEN) {
			memcpy(text, s + i, NIGHT_DATE_LEN);
			text[NIGHT_DATE_LEN] = '\0';
			if (utctime_parse_yyyymmdd(text, &c) == 0 && c.year >= 1950 && c.year < 2200) {
				*day = civil_days(c.year, c.month, c.day);
				return (int)i;
			}
		}
		if (n > 0)
			i += n - 1;
	}
	return -1;
}

void night_text(int64_t day, char out[NIGHT_DATE_MAX])
{
	struct civil c;

	civil_from_days(day, &c);
	snprintf(out, NIGHT_DATE_MAX, "%04d%02d%02d", c.year, c.month, c.day);
}

void night_without(struct strbuf *out, const char *s, int at)
{
	const char *after = s + at + NIGHT_DATE_LEN;
	size_t before = (size_t)at;

	if (before > 0 && strchr("/_-.", s[before - 1]) != NULL &&
	    (*after == '\0' || strchr("/_-.", *after) != NULL))
		before--;
	else if (before == 0 && *after != '\0' && strchr("/_-.", *after) != NULL)
		after++;
	strbuf_reset(out);
	strbuf_add(out, s, before);
	strbuf_addstr(out, after);
}

bool night_is_component(const char *partition, int at)
{
	char after = partition[at + NIGHT_DATE_LEN];

	return (at == 0 || partition[at - 1] == '/') && (after == '\0' || after == '/');
}
