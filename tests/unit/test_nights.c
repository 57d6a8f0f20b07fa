/* Dates in names, and how rows of nights stand. */
#include "config.h"

#include "tests/tap.h"

#include "base/utctime.h"
#include "web/night_name.h"
#include "web/standing.h"

#define DAY_MS     INT64_C(86400000)
#define HOUR_MS    INT64_C(3600000)
#define DATES      4
#define LATE_HOURS 20

static void test_find(void)
{
	static const struct {
		const char *s;
		int at; /* -1: none */
		const char *date;
		bool component;
	} rows[] = {
	    {"uao/20260417/minime13", 4, "20260417", true},
	    {"20260417", 0, "20260417", true},
	    {"20260417/minime13", 0, "20260417", true},
	    {"raw/fpi01_uao_20260417.txt", 14, "20260417", false},
	    {"123456789/20240229", 10, "20240229", true},
	    {"20230229/x", -1, NULL, false},
	    {"19491231", -1, NULL, false},
	    {"22000101", -1, NULL, false},
	    {"2026041", -1, NULL, false},
	    {"", -1, NULL, false},
	};

	for (size_t i = 0; i < NITEMS(rows); i++) {
		char text[NIGHT_DATE_MAX] = "";
		int64_t day = 0;
		int at = night_find(rows[i].s, &day);

		is_int(at, rows[i].at, rows[i].s);
		if (at == -1)
			continue;
		night_text(day, text);
		is_str(text, rows[i].date, "  its date");
		is_int(night_is_component(rows[i].s, at), rows[i].component, "  a component");
	}
}

static void test_without(void)
{
	static const struct {
		const char *s, *bare;
	} rows[] = {
	    {"uao/20260417/minime13", "uao/minime13"},
	    {"uao/20260417", "uao"},
	    {"20260417/minime13", "minime13"},
	    {"20260417", ""},
	    {"raw/fpi01_uao_20260417.txt", "raw/fpi01_uao.txt"},
	    {"fpi20260417x", "fpix"},
	};
	struct strbuf out = STRBUF_INIT(100);

	for (size_t i = 0; i < NITEMS(rows); i++) {
		int64_t day;

		night_without(&out, rows[i].s, night_find(rows[i].s, &day));
		is_str(out.buf, rows[i].bare, rows[i].s);
	}
	strbuf_release(&out);
}

/* One row whose nights are these states, newest first, and what is made of it so many hours after the newest one's noon. */
static const char *judged(const char *const states[DATES], tm_ms late_after, int64_t hours, size_t *nstuck)
{
	static char date[DATES][NIGHT_DATE_MAX];
	static struct night night[DATES];
	static struct night_row row;
	struct nights m = {.date = date, .ndates = DATES, .row = &row, .nrows = 1};
	int64_t day = civil_days(2026, 4, 17);

	row = (struct night_row){.night = night};
	for (size_t k = 0; k < DATES; k++) {
		night_text(day - (int64_t)k, date[k]);
		night[k] = (struct night){.state = (char *)states[k]};
		if (states[k] != NULL && row.newest[0] == '\0')
			memcpy(row.newest, date[k], NIGHT_DATE_MAX);
	}
	standing_judge(&m, late_after, day * DAY_MS + DAY_MS * 3 / 2 + hours * HOUR_MS);
	*nstuck = m.nstuck;
	free(m.stuck);
	is_int(standing_count(&m, row.standing), 1, "  and is counted");
	return row.standing;
}

static void test_standing(void)
{
	static const struct {
		const char *states[DATES];
		int64_t late_hours, hours;
		const char *standing;
		size_t nstuck;
		const char *what;
	} rows[] = {
	    {{"ok", "ok", "ok", "ok"}, LATE_HOURS, 1, "current", 0, "all well"},
	    {{"ok", "failed", "ok", "invalid"}, LATE_HOURS, 1, "current", 2,
	        "older nights are stuck, the newest is well"},
	    {{"failed", "ok", "ok", "ok"}, LATE_HOURS, 1, "stuck", 1, "the newest failed"},
	    {{"stale", NULL, NULL, NULL}, LATE_HOURS, 1, "stuck", 1, "the rest does not come"},
	    {{"pending", "ok", "ok", "ok"}, LATE_HOURS, LATE_HOURS - 1, "current", 0, "the rest may yet come"},
	    {{NULL, "pending", "ok", "ok"}, LATE_HOURS, 0, "late", 1, "nothing newer, and the rest is due"},
	    {{"ok", "ok", "ok", "ok"}, LATE_HOURS, LATE_HOURS + 1, "late", 0, "nothing newer for too long"},
	    {{"ok", "ok", "ok", "ok"}, 0, LATE_HOURS + 1, "current", 0, "nobody said how long is too long"},
	    {{"pending", "ok", "ok", "ok"}, 0, 100, "current", 0, "nor of the rest"},
	    {{"ok", "ok", "ok", "ok"}, LATE_HOURS, 15 * 24, "quiet", 0, "nothing for two weeks"},
	    {{NULL, NULL, NULL, NULL}, LATE_HOURS, 0, "quiet", 0, "nothing at all"},
	};

	for (size_t i = 0; i < NITEMS(rows); i++) {
		size_t nstuck;

		is_str(judged(rows[i].states, rows[i].late_hours * HOUR_MS, rows[i].hours, &nstuck),
		    rows[i].standing, rows[i].what);
		is_int(nstuck, rows[i].nstuck, "  stuck nights");
	}
}

int main(void)
{
	tap_run(test_find);
	tap_run(test_without);
	tap_run(test_standing);
	return tap_done();
}
