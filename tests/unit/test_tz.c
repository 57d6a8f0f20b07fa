/* Zone files, rules and the two directions of conversion, against Python's own reader of the same files. */
#include "config.h"

#include "base/tz.h"
#include "base/tz_rule.h"
#include "base/utctime.h"
#include "tests/tap.h"

/* Every zone of the site table, and the odd ones: half hours, negative summer time, lost days, rules beyond midnight. */
static const char *const zones[] = {
    "America/Chicago",
    "America/New_York",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Recife",
    "America/Lima",
    "America/Puerto_Rico",
    "Africa/Casablanca",
    "Africa/Harare",
    "Africa/Addis_Ababa",
    "America/Argentina/Buenos_Aires",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/St_Johns",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Asia/Jerusalem",
    "America/Santiago",
    "America/Nuuk",
    "America/Havana",
    "Pacific/Chatham",
    "Africa/Cairo",
    "Asia/Gaza",
    "Atlantic/Azores",
    "Pacific/Kwajalein",
};

/* Where Python derives the summer-time flag instead of reading it, it may differ; the offset and the name may not. */
static bool reading_matches(const struct tz *tz, int64_t utc, int offset, int is_dst, const char *abbr)
{
	struct tz_local l;

	tz_to_local(tz, utc, &l);
	return l.offset_s == offset && l.local_s == utc + offset && l.is_dst == (is_dst != 0) &&
	       strcmp(l.abbr, abbr) == 0;
}

static void test_against_python(void)
{
	char command[4096], line[256], zone[64], abbr[32], kind;
	int64_t a, b, lines = 0, wrong = 0;
	struct tz *tz = NULL;
	int offset, is_dst;
	FILE *f;

	snprintf(command, sizeof(command), "/usr/bin/python3 '%s'", test_src("tests/unit/tz_zones.py"));
	for (size_t i = 0; i < NITEMS(zones); i++)
		snprintf(command + strlen(command), sizeof(command) - strlen(command), " %s", zones[i]);
	f = popen(command, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		bool good = false;

		if (sscanf(line, "%c %63s", &kind, zone) != 2)
			break;
		if (tz == NULL || strcmp(tz_name(tz), zone) != 0) {
			tz_free(tz);
			tz = tz_open(zone, NULL);
			ok(tz != NULL, "%s opens", zone);
			if (tz == NULL)
				break;
		}
		if (kind == 'u' &&
		    sscanf(line, "u %*s %" SCNd64 " %d %d %31s", &a, &offset, &is_dst, abbr) == 4)
			good = reading_matches(tz, a, offset, is_dst, abbr);
		else if (kind == 'l' && sscanf(line, "l %*s %" SCNd64 " %" SCNd64, &a, &b) == 2)
			good = tz_to_utc(tz, a) == b;
		lines++;
		if (!good && wrong++ < 10) {
			struct tz_local l;

			tz_to_local(tz, kind == 'u' ? a : tz_to_utc(tz, a), &l);
			diag("ours: utc %" PRId64 " offset %d dst %d %s", l.local_s - l.offset_s, l.offset_s,
			    l.is_dst, l.abbr);
			printf("# python: %s", line);
		}
	}
	tz_free(tz);
	is_int(f != NULL ? pclose(f) : -1, 0, "the reference ran");
	ok(lines > 50000, "%" PRId64 " readings compared", lines);
	is_int(wrong, 0, "readings that differ");
}

static void test_site_rule(void)
{
	static const struct {
		const char *zone;
		int local[6];
		const char *utc, *why;
	} cases[] = {
	    {"US/Central", {2026, 4, 17, 20, 18, 17}, "2026-04-18 01:18:17", "summer"},
	    {"US/Central", {2026, 11, 1, 0, 59, 59}, "2026-11-01 05:59:59", "last hour before the overlap"},
	    {"US/Central", {2026, 11, 1, 1, 30, 0}, "2026-11-01 07:30:00", "in the overlap: standard time"},
	    {"US/Central", {2026, 3, 8, 2, 30, 0}, "2026-03-08 08:30:00", "in the gap: standard time"},
	    {"US/Central", {2126, 7, 1, 0, 0, 0}, "2126-07-01 05:00:00", "beyond the table: the rule"},
	    {"America/Buenos_Aires", {2018, 9, 19, 20, 0, 0}, "2018-09-19 23:00:00", "an old name"},
	    {"Africa/Harare", {2018, 6, 1, 18, 0, 0}, "2018-06-01 16:00:00", "no summer time"},
	    {"UTC", {2018, 6, 1, 18, 0, 0}, "2018-06-01 18:00:00", "UTC needs no file"},
	};
	char text[UTCTIME_MAX];

	for (size_t i = 0; i < NITEMS(cases); i++) {
		const int *l = cases[i].local;
		struct civil c = {l[0], l[1], l[2], l[3], l[4], l[5], 0};
		struct tz *tz = tz_open(cases[i].zone, NULL);

		if (!ok(tz != NULL, "%s opens", cases[i].zone))
			continue;
		is_str(utctime_format_sql(tz_to_utc(tz, civil_to_ms(&c) / 1000) * 1000, text), cases[i].utc,
		    cases[i].why);
		tz_free(tz);
	}
}

static void test_errors(void)
{
	static const char *const bad_names[] = {
	    "", "/etc/passwd", "../../../etc/passwd", "America/../Chicago", "Mars/Olympus", "a b"};
	struct err err;

	for (size_t i = 0; i < NITEMS(bad_names); i++) {
		err = ERR_INIT;
		ok(tz_open(bad_names[i], &err) == NULL && err_is(&err, "unknown_zone") &&
		        err.class == ERR_CONFIG,
		    "'%s': %s", bad_names[i], err.text);
	}
	err = ERR_INIT;
	ok(tz_open("America", &err) == NULL && err.class != ERR_NONE, "a folder is no zone: %s", err.text);
}

/* Every cut and every single damaged byte of a real file is refused or read, never a crash or a reading past the end. */
static void test_damage(void)
{
	struct strbuf sb = STRBUF_INIT(100000);
	struct err err = ERR_INIT;
	struct tz_local l;
	int64_t next;
	size_t refused = 0;

	if (!ok(fs_read("/usr/share/zoneinfo/America/Chicago", &sb, NULL) == 0, "a zone file"))
		return;
	for (size_t n = 0; n < sb.len; n++) {
		char *copy = n > 0 ? xmemdup(sb.buf, n) : xmalloc(1);
		struct tz *tz = tz_parse("cut", copy, n, &err);

		refused += tz == NULL;
		tz_free(tz);
		free(copy);
	}
	is_int(refused, sb.len, "every cut file is refused");
	ok(err_is(&err, "bad_zone") && err.class == ERR_BAD_DATA, "as damaged: %s", err.text);
	for (size_t i = 0; i < sb.len; i++) {
		char saved = sb.buf[i];

		for (int v = 0; v < 256; v += 51) {
			sb.buf[i] = (char)v;
			struct tz *tz = tz_parse("damaged", sb.buf, sb.len, NULL);
			if (tz == NULL)
				continue;
			for (int64_t t = -4000000000; t < 5000000000; t += 400000000) {
				tz_to_local(tz, t, &l);
				tz_to_utc(tz, t);
				tz_next_change(tz, t, &next);
			}
			tz_free(tz);
		}
		sb.buf[i] = saved;
	}
	ok(true, "damaged bytes did no harm");
	strbuf_release(&sb);
}

static void test_rules(void)
{
	static const char *const good[] = {
	    "UTC0",
	    "<-03>3",
	    "EST5EDT,M3.2.0,M11.1.0",
	    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
	    "IST-2IDT,M3.4.4/26,M10.5.0",
	    "XXX-2<+01>-1,0/0,J365/23",
	    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
	};
	static const char *const bad[] = {
	    "",
	    "ES5",
	    "EST",
	    "EST5EDT,M3.2.0",
	    "EST5EDT,M13.2.0,M11.1.0",
	    "EST5EDT,M3.2.0,M11.1.0x",
	    "<EST5",
	    "EST25",
	    "EST5EDT",
	    "EST5EDT,J0,J1",
	    "EST5EDT,M3.2.0/168,M11.1.0",
	};
	struct tz_rule rule;
	int64_t next;

	for (size_t i = 0; i < NITEMS(good); i++)
		is_int(tz_rule_parse(good[i], &rule), 0, good[i]);
	for (size_t i = 0; i < NITEMS(bad); i++)
		is_int(tz_rule_parse(bad[i], &rule), -1, bad[i]);
	tz_rule_parse("XXX3EDT4,0/0,J365/23", &rule);
	ok(tz_rule_at(&rule, 1700000000)->is_dst && tz_rule_at(&rule, 1704078000)->is_dst,
	    "summer time all the year");
	tz_rule_parse("EST5EDT,J60,J300", &rule);
	ok(tz_rule_next(&rule, 1704067200, &next) && next == 1709276400,
	    "1 March in a leap year, 2 o'clock standard time");
}

int main(void)
{
	tap_run(test_against_python);
	tap_run(test_site_rule);
	tap_run(test_errors);
	tap_run(test_damage);
	tap_run(test_rules);
	return tap_done();
}
