#include "config.h"

#include "assets/fpi/sunmoon.h"

#include "base/utctime.h"

#include <erfa.h>
#include <erfam.h>
#include <math.h>

#define DEG               ERFA_DR2D
#define RAD               ERFA_DD2R
#define SUN_RADIUS_AS     959.63 /* seen from one astronomical unit */
#define MOON_LIGHT_S      1.28
#define SEARCH_STEP_S     600.0
#define SEARCH_SPAN_S     90000.0
#define SEARCH_ACCURACY_S 0.001

/* One instant in the scales that ERFA asks for, each as day + fraction. */
struct instant {
	double day, utc, tt;
};

static struct instant instant_of(double utc_s)
{
	double days = floor(utc_s / ERFA_DAYSEC);
	struct instant t = {.day = 2440587.5 + days, .utc = (utc_s - days * ERFA_DAYSEC) / ERFA_DAYSEC};
	struct civil c;
	double leap = 0;

	/* The status "dubious year" only says that leap seconds beyond the library's release are not known. */
	civil_from_days((int64_t)days, &c);
	eraDat(c.year, c.month, c.day, t.utc, &leap);
	t.tt = t.utc + (leap + ERFA_TTMTAI) / ERFA_DAYSEC;
	return t;
}

/* A geocentric place (GCRS, any unit, with the site in the same unit) to azimuth and altitude. */
static void horizon_of(const struct place *p, const struct instant *t, const double gcrs[3],
    double metres_per_unit, struct horizon *out)
{
	double to_itrs[3][3], body[3], site[3], lon = p->lon_deg * RAD, lat = p->lat_deg * RAD;

	eraC2t06a(t->day, t->tt, t->day, t->utc, 0, 0, to_itrs);
	eraRxp(to_itrs, (double *)gcrs, body);
	eraGd2gc(ERFA_WGS84, lon, lat, p->alt_m, site);
	for (int i = 0; i < 3; i++)
		body[i] -= site[i] / metres_per_unit;

	double east = -sin(lon) * body[0] + cos(lon) * body[1];
	double out_axis = cos(lon) * body[0] + sin(lon) * body[1];
	double north = -sin(lat) * out_axis + cos(lat) * body[2];
	double up = cos(lat) * out_axis + sin(lat) * body[2];

	out->az_deg = eraAnp(atan2(east, north)) * DEG;
	out->alt_deg = atan2(up, hypot(east, north)) * DEG;
}

void sun_at(const struct place *p, double utc_s, struct horizon *out, double *radius_deg)
{
	struct instant t = instant_of(utc_s);
	double helio[2][3], bary[2][3], sun[3], distance;

	/* The status says only that the date is outside 1900-2100, where accuracy falls off slowly. */
	eraEpv00(t.day, t.tt, helio, bary);
	distance = eraPm(helio[0]);
	for (int i = 0; i < 3; i++) /* aberration: towards where the earth goes */
		sun[i] = -helio[0][i] + distance * bary[1][i] / ERFA_DC;
	horizon_of(p, &t, sun, ERFA_DAU, out);
	if (radius_deg != NULL)
		*radius_deg = SUN_RADIUS_AS / 3600 / distance;
}

/*
 * Refraction at an apparent altitude, 1010 hPa and 15 degrees C, by the low-altitude formula of the Almanac for Computers; it runs out at
 * -8.2 degrees.  Below the horizon it describes no air, but it is the standard that moon angles are compared by.
 */
static double refraction_deg(double apparent_deg)
{
	double a = apparent_deg, kelvin = 273 + 15;

	if (a > 15)
		return 7.888888e-5 * 1010 / (kelvin * tan(a * RAD)) * DEG;
	return fmax(
	    0, ((2e-5 * a + 1.96e-2) * a + 1.594e-1) * 1010 / (kelvin * ((8.45e-2 * a + 5.05e-1) * a + 1)));
}

static double apparent_deg(double true_deg)
{
	double lo = true_deg, hi = true_deg + 3;

	for (int i = 0; i < 30; i++) {
		double mid = (lo + hi) / 2;

		if (mid - refraction_deg(mid) < true_deg)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

void moon_at(const struct place *p, double utc_s, struct horizon *out)
{
	struct instant t = instant_of(utc_s);
	double pv[2][3];

	eraMoon98(t.day, t.tt - MOON_LIGHT_S / ERFA_DAYSEC, pv);
	horizon_of(p, &t, pv[0], ERFA_DAU, out);
	out->alt_deg = apparent_deg(out->alt_deg);
}

double moon_angle_deg(const struct place *p, double utc_s, double look_az_deg, double look_ze_deg)
{
	struct horizon moon;
	double az = look_az_deg * RAD, ze = look_ze_deg * RAD, maz, mze, c;

	moon_at(p, utc_s, &moon);
	maz = moon.az_deg * RAD;
	mze = (90 - moon.alt_deg) * RAD;
	c = cos(az) * sin(ze) * cos(maz) * sin(mze) + sin(az) * sin(ze) * sin(maz) * sin(mze) +
	    cos(ze) * cos(mze);
	return acos(fmin(1, fmax(-1, c))) * DEG;
}

/* Positive when the event is still to come: the limb's height above the limit at sunset, the reverse at sunrise. */
static double until_event(const struct place *p, enum sun_event event, double utc_s, double limb_alt_deg)
{
	struct horizon sun;
	double radius, above;

	sun_at(p, utc_s, &sun, &radius);
	above = sun.alt_deg + radius - limb_alt_deg;
	return event == SUN_SETS ? above : -above;
}

int sun_next(const struct place *p, enum sun_event event, double utc_s, double limb_alt_deg, double *when_s,
    struct err *err)
{
	double lo = utc_s, hi = utc_s, f = until_event(p, event, lo, limb_alt_deg), g = f;

	while (!(f > 0 && g <= 0)) {
		if (hi - utc_s > SEARCH_SPAN_S)
			return err_code(err, ERR_BAD_DATA, event == SUN_SETS ? "no_sunset" : "no_sunrise",
			    "the sun's upper limb does not %s %.1f degrees within a day at latitude %.3f, "
			    "longitude %.3f",
			    event == SUN_SETS ? "sink to" : "rise to", limb_alt_deg, p->lat_deg, p->lon_deg);
		lo = hi;
		f = g;
		hi = lo + SEARCH_STEP_S;
		g = until_event(p, event, hi, limb_alt_deg);
	}
	while (hi - lo > SEARCH_ACCURACY_S) {
		double mid = lo + (hi - lo) / 2;

		if (until_event(p, event, mid, limb_alt_deg) > 0)
			lo = mid;
		else
			hi = mid;
	}
	*when_s = hi;
	return 0;
}
