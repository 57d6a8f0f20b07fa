/* Sun and moon against an independent ephemeris: positions, angles, night limits. */
#include "config.h"

#include "assets/fpi/sunmoon.h"
#include "base/json.h"
#include "base/utctime.h"
#include "tests/tap.h"

#include <math.h>

static json_t *vectors(const char *list)
{
	static json_t *all;
	struct strbuf sb = STRBUF_INIT(1 << 20);

	if (all == NULL) {
		if (fs_read(test_src("tests/data/fpi/unit-vectors.json"), &sb, NULL) == 0)
			all = json_parse(sb.buf, sb.len, "unit-vectors.json", NULL);
		strbuf_release(&sb);
	}
	if (list == NULL) {
		json_decref(all);
		return NULL;
	}
	return json_object_get(all, list);
}

static double number(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

static double instant(const json_t *j, const char *key)
{
	tm_ms t = 0;

	utctime_parse(json_str(j, key, ""), &t);
	return (double)t / 1000;
}

static struct place place_of(const json_t *j)
{
	return (struct place){.lat_deg = number(j, "lat"), .lon_deg = number(j, "lon")};
}

static void test_night_limits(void)
{
	double worst = 0;
	json_t *v;
	size_t i;

	ok(json_array_size(vectors("sun_events_upper_limb_minus_6")) > 50, "there are vectors");
	json_array_foreach(vectors("sun_events_upper_limb_minus_6"), i, v)
	{
		struct place p = place_of(v);
		double set = 0, rise = 0;
		struct err err = ERR_INIT;

		ok(sun_next(&p, SUN_SETS, instant(v, "from_utc"), -6, &set, &err) == 0 &&
		        sun_next(&p, SUN_RISES, set, -6, &rise, &err) == 0,
		    "%s from %s: night found %s", json_str(v, "site", ""), json_str(v, "from_utc", ""),
		    err.text);
		worst = fmax(worst, fabs(set - instant(v, "sunset_utc")));
		worst = fmax(worst, fabs(rise - instant(v, "sunrise_utc")));
	}
	ok(worst < 2, "night limits within 2 s; worst %.2f s", worst);
}

static void test_positions(void)
{
	double moon_worst = 0, angle_worst = 0, sun_worst = 0;
	json_t *v;
	size_t i;

	json_array_foreach(vectors("moon_and_sun"), i, v)
	{
		struct place p = place_of(v);
		double t = instant(v, "utc");
		struct horizon moon, sun;

		moon_at(&p, t, &moon);
		sun_at(&p, t, &sun, NULL);
		moon_worst = fmax(moon_worst, fabs(moon.alt_deg - number(v, "moon_alt_deg")));
		moon_worst = fmax(moon_worst, fabs(remainder(moon.az_deg - number(v, "moon_az_deg"), 360)) *
		                                  cos(moon.alt_deg * M_PI / 180));
		sun_worst = fmax(sun_worst, fabs(sun.alt_deg - number(v, "sun_alt_no_refraction_deg")));
		angle_worst =
		    fmax(angle_worst, fabs(moon_angle_deg(&p, t, number(v, "look_az"), number(v, "look_ze")) -
		                           number(v, "moon_angle_deg")));
	}
	ok(i >= 60, "%zu instants", i);
	ok(moon_worst < 0.01, "the moon within 0.01 degrees; worst %.4f", moon_worst);
	ok(angle_worst < 0.01, "its angle from the look direction within 0.01 degrees; worst %.4f",
	    angle_worst);
	ok(sun_worst < 0.01, "the sun within 0.01 degrees; worst %.4f", sun_worst);
}

static void test_polar(void)
{
	struct place north = {.lat_deg = 78.2, .lon_deg = 15.6};
	struct err err = ERR_INIT;
	double when;
	tm_ms june = 0, december = 0;

	utctime_parse("2026-06-21 12:00:00", &june);
	utctime_parse("2026-12-21 12:00:00", &december);
	ok(sun_next(&north, SUN_SETS, (double)june / 1000, -6, &when, &err) == -1 && err_is(&err, "no_sunset"),
	    "midnight sun: %s", err.text);
	ok(sun_next(&north, SUN_RISES, (double)december / 1000, -6, &when, &err) == -1 &&
	        err_is(&err, "no_sunrise"),
	    "polar night: %s", err.text);
}

int main(void)
{
	tap_run(test_night_limits);
	tap_run(test_positions);
	tap_run(test_polar);
	vectors(NULL);
	return tap_done();
}
