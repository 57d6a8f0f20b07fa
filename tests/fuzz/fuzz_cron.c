/* Crontab fields: what is read names instants that fit them, one after the other, on clocks that change and on those that do not. */
#include "config.h"

#include "base/cron.h"
#include "base/utctime.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_corpus[] = {"tests/fuzz/corpus/cron", NULL};

#define TEXT_MAX 200
#define BEGIN    INT64_C(1772841600000) /* 2026-03-07: Chicago's clock goes forward on the next day */
#define INSTANTS 20

static bool fits(const struct cron *c, int64_t local_s)
{
	struct civil at;

	civil_from_ms(local_s * 1000, &at);
	return (c->minute >> at.minute & 1) && (c->hour >> at.hour & 1) && (c->month >> at.month & 1) &&
	       ((c->day >> at.day & 1) || !c->any_day);
}

static void walk(const struct cron *c, const struct tz *tz, bool changes)
{
	tm_ms t = BEGIN;

	for (int i = 0; i < INSTANTS; i++) {
		tm_ms next = cron_next(c, tz, t);
		struct tz_local l;

		if (next == TIME_NEVER)
			return;
		tz_to_local(tz, next / 1000, &l);
		FUZZ_PROMISE(next > t && next % 60000 == 0);
		FUZZ_PROMISE(changes || fits(c, l.local_s));
		FUZZ_PROMISE(cron_next(c, tz, next - 1) == next);
		t = next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tz *utc, *chicago;
	char text[TEXT_MAX + 1];
	struct err err = ERR_INIT;
	struct cron c;

	if (utc == NULL &&
	    ((utc = tz_open("UTC", NULL)) == NULL || (chicago = tz_open("America/Chicago", NULL)) == NULL))
		abort();
	if (size > TEXT_MAX)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (cron_parse(text, &c, &err) == 0) {
		walk(&c, utc, false);
		walk(&c, chicago, true);
	} else {
		FUZZ_PROMISE(err.class == ERR_CONFIG && err.text[0] != '\0');
	}
	return 0;
}
