/* The sensor that watches the clock: asks for a run at the times of a crontab line, on the wall clock of a zone. */
#include "config.h"

#include "sensors/cron.h"

#include "base/cron.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "sensor/sensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The cursor is the instant up to which everything was asked for.  It moves in the transaction that makes the runs, so a
 * crash asks again for all or for nothing; the run key stops what is asked twice.
 */
struct cron_conf {
	char *cron, *time_zone, *missed;
	int64_t max_missed;
};

enum missed { MISSED_SKIP, MISSED_LAST, MISSED_ALL };
static const char *const missed_names[] = {
    [MISSED_SKIP] = "skip", [MISSED_LAST] = "last", [MISSED_ALL] = "all"};

/* An instant that is asked for no later than this was not missed: the daemon was busy, or is just restarting. */
#define ON_TIME_MS 60000
/* What was missed longer ago is forgotten, so that a daemon that was away for years does not count minutes. */
#define LOOK_BACK_MS (INT64_C(31) * 24 * 3600 * 1000)

#define CRON_OPT(field) .off = offsetof(struct cron_conf, field)
static const struct opt cron_opts[] = {
    {.name = "cron",
        .type = OPT_STRING,
        CRON_OPT(cron),
        .flags = OPT_REQUIRED,
        .help =
            "when: minute hour day-of-month month day-of-week as in crontab(5), or @hourly, @daily, @weekly, "
            "@monthly, @yearly"},
    {.name = "time_zone",
        .type = OPT_STRING,
        CRON_OPT(time_zone),
        .def = "UTC",
        .help =
            "the zone whose wall clock is meant, such as America/Chicago; an hour that a change of the clock "
            "skips comes as much later, one that is there twice comes once"},
    {.name = "missed",
        .type = OPT_STRING,
        CRON_OPT(missed),
        .def = "last",
        .help =
            "what is done about times that passed while the daemon was down or the schedule paused: skip, last "
            "(one run for the latest of them) or all"},
    {.name = "max_missed",
        .type = OPT_INT,
        CRON_OPT(max_missed),
        .def = "100",
        .min = "1",
        .max = "1000",
        .help = "with 'missed: all', the latest so many"},
    OPT_END,
};

/* ---- what a conf means ---- */

struct calendar {
	struct cron cron;
	struct tz *tz;
	enum missed missed;
};

static int read_missed(const char *word, enum missed *out, struct err *err)
{
	for (size_t i = 0; i < NITEMS(missed_names); i++)
		if (strcmp(word, missed_names[i]) == 0) {
			*out = (enum missed)i;
			return 0;
		}
	return err_set(err, ERR_CONFIG, "missed: '%.30s' is none of skip, last, all", word);
}

static void calendar_release(struct calendar *cal)
{
	tz_free(cal->tz);
}

/* To be released also after -1. */
static int calendar_read(const struct cron_conf *conf, struct calendar *cal, struct err *err)
{
	*cal = (struct calendar){0};
	if (read_missed(conf->missed, &cal->missed, err) == -1)
		return -1;
	if (cron_parse(conf->cron, &cal->cron, err) == -1)
		return err_wrap(err, "cron");
	if ((cal->tz = tz_open(conf->time_zone, err)) == NULL)
		return err_wrap(err, "time_zone");
	return 0;
}

static int cron_check(const void *conf, struct err *err)
{
	struct calendar cal;
	int rc = calendar_read(conf, &cal, err);

	calendar_release(&cal);
	return rc;
}

/* ---- the calendar ---- */

static size_t calendar_next(const void *conf, tm_ms after, struct calendar_time *times, size_t n)
{
	struct calendar cal;
	struct tz_local l;
	size_t i = 0;

	if (calendar_read(conf, &cal, NULL) == 0) {
		int offset;

		tz_to_local(cal.tz, after / 1000, &l);
		for (; i < n && (after = cron_next(&cal.cron, cal.tz, after)) != TIME_NEVER; i++) {
			struct civil c;

			offset = l.offset_s;
			tz_to_local(cal.tz, after / 1000, &l);
			civil_from_ms(l.local_s * 1000, &c);
			times[i].at = after;
			times[i].changed = l.offset_s != offset;
			snprintf(times[i].local, sizeof(times[i].local), "%04d-%02d-%02d %02d:%02d %s", c.year,
			    c.month, c.day, c.hour, c.minute, l.abbr);
		}
	}
	calendar_release(&cal);
	return i;
}

static void calendar_describe(const void *arg, struct strbuf *out)
{
	const struct cron_conf *conf = arg;

	strbuf_addf(out, "%s (%s)", conf->cron, conf->time_zone);
}

static const struct sensor_calendar cron_calendar = {calendar_next, calendar_describe};

/* ---- names for templates ---- */

enum { TIME, LOCAL, DATE, YEAR, MONTH, DAY, HOUR, MINUTE, YESTERDAY, NNAMES };
static const char *const name_words[] = {
    [TIME] = "time", /* 2026-11-27T15:30:00Z: tells every instant apart */
    [LOCAL] = "local", /* 2026-11-27T09:30 */
    [DATE] = "date", /* 20261127 */
    [YEAR] = "year",
    [MONTH] = "month",
    [DAY] = "day",
    [HOUR] = "hour",
    [MINUTE] = "minute",
    [YESTERDAY] = "yesterday", /* 20261126: the night that ended this morning */
};
static_assert(NITEMS(name_words) == NNAMES, "a word for every name");

static int cron_names(
    const void *conf UNUSED, void (*add)(void *arg, const char *name), void *arg, struct err *err UNUSED)
{
	for (size_t i = 0; i < NNAMES; i++)
		add(arg, name_words[i]);
	return 0;
}

struct names {
	char text[NNAMES][UTCTIME_MAX];
	struct name_value v[NNAMES];
};

static void iso_minute(tm_ms t, char out[UTCTIME_MAX])
{
	struct civil c;

	civil_from_ms(t, &c);
	snprintf(out, UTCTIME_MAX, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute,
	    c.second);
}

static void names_of(const struct tz *tz, tm_ms t, struct names *n)
{
	struct tz_local l;
	struct civil c, before;

	tz_to_local(tz, t / 1000, &l);
	civil_from_ms(l.local_s * 1000, &c);
	civil_from_days(civil_days(c.year, c.month, c.day) - 1, &before);
	iso_minute(t, n->text[TIME]);
	snprintf(
	    n->text[LOCAL], UTCTIME_MAX, "%04d-%02d-%02dT%02d:%02d", c.year, c.month, c.day, c.hour, c.minute);
	snprintf(n->text[DATE], UTCTIME_MAX, "%04d%02d%02d", c.year, c.month, c.day);
	snprintf(n->text[YEAR], UTCTIME_MAX, "%04d", c.year);
	snprintf(n->text[MONTH], UTCTIME_MAX, "%02d", c.month);
	snprintf(n->text[DAY], UTCTIME_MAX, "%02d", c.day);
	snprintf(n->text[HOUR], UTCTIME_MAX, "%02d", c.hour);
	snprintf(n->text[MINUTE], UTCTIME_MAX, "%02d", c.minute);
	snprintf(n->text[YESTERDAY], UTCTIME_MAX, "%04d%02d%02d", before.year, before.month, before.day);
	for (size_t i = 0; i < NNAMES; i++)
		n->v[i] = (struct name_value){name_words[i], n->text[i]};
}

/* ---- ticks ---- */

struct cron_sensor {
	const struct cron_conf *conf;
	struct calendar calendar;
};

static void cron_stop(void *mem)
{
	struct cron_sensor *cs = mem;

	calendar_release(&cs->calendar);
	free(cs);
}

static void *cron_start(const void *conf, struct err *err)
{
	struct cron_sensor *cs = xcalloc(1, sizeof(*cs));

	cs->conf = conf;
	if (calendar_read(conf, &cs->calendar, err) == 0)
		return cs;
	cron_stop(cs);
	return NULL;
}

static int ask_for(const struct cron_sensor *cs, struct tick *tick, tm_ms t, struct err *err)
{
	struct strbuf why = STRBUF_INIT(256);
	struct names names;
	struct run_request req = {.names = names.v, .nnames = NNAMES};
	int rc;

	names_of(cs->calendar.tz, t, &names);
	strbuf_addf(&why, "due at %s (%s)", names.text[LOCAL], cs->conf->time_zone);
	req.key = req.generation = names.text[TIME];
	req.why = why.buf;
	rc = tick_request(tick, &req, err);
	strbuf_release(&why);
	return rc;
}

/* Instants after one and up to now, and how many of them are on time. */
struct due {
	int64_t n, on_time;
};

static struct due count_due(const struct cron_sensor *cs, tm_ms after, tm_ms now)
{
	struct due due = {0};

	for (tm_ms t = after; (t = cron_next(&cs->calendar.cron, cs->calendar.tz, t)) <= now; due.n++)
		due.on_time += t > now - ON_TIME_MS;
	return due;
}

/* How many of those that are due are asked for: the latest. */
static int64_t wanted(const struct cron_sensor *cs, const struct due *due)
{
	switch (cs->calendar.missed) {
	case MISSED_SKIP: return due->on_time;
	case MISSED_LAST: return MIN(due->n, (int64_t)1);
	case MISSED_ALL: return MIN(due->n, cs->conf->max_missed);
	}
	abort();
}

/*
 * Where the last tick ended; now when there was none.  When the clock has been set back since, whatever is on time counts:
 * it may be new, and if it is not, the run key knows it.
 */
static tm_ms begin(const struct tick *tick, tm_ms now)
{
	tm_ms cursor;

	if (utctime_parse(tick_cursor(tick), &cursor) == -1)
		return now;
	return cursor > now ? now - ON_TIME_MS : MAX(cursor, now - LOOK_BACK_MS);
}

static char *next_text(const struct cron_sensor *cs, tm_ms now)
{
	tm_ms next = cron_next(&cs->calendar.cron, cs->calendar.tz, now);
	struct names names;

	if (next == TIME_NEVER)
		return xstrdup("nothing is due, ever");
	names_of(cs->calendar.tz, next, &names);
	return xasprintf("nothing is due before %s (%s)", names.text[LOCAL], cs->conf->time_zone);
}

static int cron_tick(void *mem, struct tick *tick, struct err *err)
{
	const struct cron_sensor *cs = mem;
	tm_ms now = tick_now(tick), t = begin(tick, now);
	struct due due = count_due(cs, t, now);
	int64_t keep = wanted(cs, &due);
	char cursor[UTCTIME_MAX], *skip;

	for (int64_t i = 0; i < due.n; i++) {
		t = cron_next(&cs->calendar.cron, cs->calendar.tz, t);
		if (i >= due.n - keep && ask_for(cs, tick, t, err) == -1)
			return -1;
	}
	tick_missed(tick, due.n - keep);
	tick_set_cursor(tick, utctime_format(now, cursor));
	skip = next_text(cs, now);
	tick_done(tick, skip, NULL);
	free(skip);
	return 0;
}

/* A tick ends before it returns: there is never one to be dropped. */
static void cron_cancel(void *mem UNUSED, struct tick *tick UNUSED)
{
}

const struct sensor_type sensor_cron = {
    .name = "cron",
    .summary = "a schedule: asks for a run at the times of a crontab line, in any time zone",
    .opts = cron_opts,
    .conf_size = sizeof(struct cron_conf),
    .run_key = "{time}",
    .names = cron_names,
    .check = cron_check,
    .calendar = &cron_calendar,
    .start = cron_start,
    .stop = cron_stop,
    .tick = cron_tick,
    .cancel = cron_cancel,
};
