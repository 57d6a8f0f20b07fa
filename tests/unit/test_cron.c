/* Crontab fields: what is read, what is refused, and the instants they name, against a search of Python's. */
#include "config.h"

#include "base/cron.h"
#include "base/utctime.h"
#include "tests/tap.h"

static void test_refused(void)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	    {"", "minute"},
	    {"   ", "minute"},
	    {"0 9 * *", "day of week"},
	    {"0 9 * * * *", "behind the five fields"},
	    {"60 * * * *", "'60' is no minute"},
	    {"* 24 * * *", "'24' is no hour"},
	    {"* * 0 * *", "'0' is no day of month"},
	    {"* * * 13 *", "'13' is no month"},
	    {"* * * * 8", "'8' is no day of week"},
	    {"5-1 * * * *", "'5-1' is no minute"},
	    {"*/0 * * * *", "'*/0' is no minute"},
	    {"5/10 * * * *", "'5/10' is no minute"},
	    {"1,,2 * * * *", "'1,,2' is no minute"},
	    {"1, * * * *", "'1,' is no minute"},
	    {"+1 * * * *", "'+1' is no minute"},
	    {"001 * * * *", "'001' is no minute"},
	    {"* * * juni *", "'juni' is no month"},
	    {"* * mon * *", "'mon' is no day of month"},
	    {"@often", "none of @hourly"},
	    {"0 0 30 2 *", "never comes"},
	    {"0 0 31 4,6,9,11 *", "never comes"},
	};

	for (size_t i = 0; i < NITEMS(bad); i++) {
		struct err err = ERR_INIT;
		struct cron c;

		ok(cron_parse(bad[i].text, &c, &err) == -1 && err.class == ERR_CONFIG &&
		        strstr(err.text, bad[i].says) != NULL,
		    "'%s': %s", bad[i].text, err.text);
	}
}

static tm_ms at(const char *iso)
{
	tm_ms t = 0;

	if (utctime_parse(iso, &t) == -1)
		tap_bail("%s", iso);
	return t;
}

/* Texts of the field's own manual, and the corners: what a person can check with a calendar. */
static void test_known(void)
{
	static const struct {
		const char *text, *zone, *after, *next;
	} known[] = {
	    {"30 9 * * *", "UTC", "2026-11-27T09:29:59.999Z", "2026-11-27T09:30:00Z"},
	    {"30 9 * * *", "UTC", "2026-11-27T09:30:00Z", "2026-11-28T09:30:00Z"},
	    {"30 9 * * *", "America/Chicago", "2026-11-27T00:00:00Z", "2026-11-27T15:30:00Z"},
	    {"@hourly", "UTC", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z"},
	    {"@weekly", "UTC", "2026-11-27T00:00:00Z", "2026-11-29T00:00:00Z"},
	    {"@YEARLY", "UTC", "2026-11-27T00:00:00Z", "2027-01-01T00:00:00Z"},
	    {"0 22 * * 1-5", "UTC", "2026-11-27T22:00:00Z", "2026-11-30T22:00:00Z"},
	    {"0 22 * * Mon-fri", "UTC", "2026-11-27T22:00:00Z", "2026-11-30T22:00:00Z"},
	    {"0 0 * * 7", "UTC", "2026-11-27T00:00:00Z", "2026-11-29T00:00:00Z"},
	    {"0 0 * * 5-7", "UTC", "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"},
	    /* Both days restricted: either. */
	    {"30 4 1,15 * 5", "UTC", "2026-11-27T05:00:00Z", "2026-12-01T04:30:00Z"},
	    {"30 4 1,15 * 5", "UTC", "2026-12-01T05:00:00Z", "2026-12-04T04:30:00Z"},
	    {"0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
	    {"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
	    {"0 0 31 * *", "UTC", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z"},
	    /* Clocks go forward: 02:30 is not there, it comes as much later; real time goes on. */
	    {"30 2 * * *", "America/Chicago", "2026-03-08T06:00:00Z", "2026-03-08T08:30:00Z"},
	    {"30 2 * * *", "America/Chicago", "2026-03-08T08:30:00Z", "2026-03-09T07:30:00Z"},
	    {"*/30 * * * *", "America/Chicago", "2026-03-08T07:30:00Z", "2026-03-08T08:00:00Z"},
	    /* And back: 01:30 is there twice, it comes once, in standard time; real time comes twice. */
	    {"30 1 * * *", "America/Chicago", "2026-11-01T05:00:00Z", "2026-11-01T07:30:00Z"},
	    {"30 1 * * *", "America/Chicago", "2026-11-01T07:30:00Z", "2026-11-02T07:30:00Z"},
	    {"30 * * * *", "America/Chicago", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"},
	    {"30 * * * *", "America/Chicago", "2026-11-01T06:30:00Z", "2026-11-01T07:30:00Z"},
	    /* Midnight itself is skipped there. */
	    {"0 0 * * *", "America/Havana", "2026-03-07T12:00:00Z", "2026-03-08T05:00:00Z"},
	};

	for (size_t i = 0; i < NITEMS(known); i++) {
		struct err err = ERR_INIT;
		struct tz *tz = tz_open(known[i].zone, &err);
		char got[UTCTIME_MAX], want[UTCTIME_MAX];
		struct cron c;

		if (!ok(tz != NULL && cron_parse(known[i].text, &c, &err) == 0, "'%s' in %s %s", known[i].text,
		        known[i].zone, err.text))
			continue;
		is_str(utctime_format(cron_next(&c, tz, at(known[i].after)), got),
		    utctime_format(at(known[i].next), want), known[i].next);
		tz_free(tz);
	}
}

/* A line of cron_times.py: ZONE|FIELDS|after|next. */
static bool line_holds(char *line, struct tz **tz)
{
	char *save, *zone = strtok_r(line, "|", &save), *text = strtok_r(NULL, "|", &save);
	char *after = strtok_r(NULL, "|", &save), *next = strtok_r(NULL, "|\n", &save);
	struct err err = ERR_INIT;
	struct cron c;
	tm_ms got;

	if (next == NULL)
		return false;
	if (*tz == NULL || strcmp(tz_name(*tz), zone) != 0) {
		tz_free(*tz);
		*tz = tz_open(zone, &err);
	}
	if (*tz == NULL || cron_parse(text, &c, &err) == -1) {
		diag("%s in %s: %s", text, zone, err.text);
		return false;
	}
	got = cron_next(&c, *tz, strtoll(after, NULL, 10) * 1000);
	if (got == strtoll(next, NULL, 10) * 1000)
		return true;
	diag("'%s' in %s after %s: %" PRId64 ", not %s", text, zone, after, got / 1000, next);
	return false;
}

static void test_against_python(void)
{
	const char *seed = getenv("ORCH_SEED");
	char command[1024], line[512];
	int64_t lines = 0, wrong = 0;
	struct tz *tz = NULL;
	FILE *f;

	snprintf(command, sizeof(command), "/usr/bin/python3 '%s' %s %s", test_src("tests/unit/cron_times.py"),
	    seed ? seed : "1", seed ? "1000" : "60");
	f = popen(command, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		lines++;
		if (!line_holds(line, &tz) && ++wrong > 20)
			break;
	}
	ok(f != NULL && pclose(f) == 0 && lines > 1000, "%" PRId64 " instants of Python's", lines);
	is_int(wrong, 0, "all of them the same");
	tz_free(tz);
}

int main(void)
{
	tap_run(test_refused);
	tap_run(test_known);
	tap_run(test_against_python);
	return tap_done();
}
