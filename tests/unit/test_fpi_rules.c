/* test_fpi_rules.c: names, windows, centres, directions, references, errors and flags: the rules around the fits. */
#include "config.h"

#include "tests/tap.h"

#include "assets/fpi/center.h"
#include "assets/fpi/direction.h"
#include "assets/fpi/doppler.h"
#include "assets/fpi/flags.h"
#include "assets/fpi/quantile.h"
#include "assets/fpi/select.h"
#include "assets/fpi/sites.h"
#include "assets/fpi/wind.h"
#include "base/json.h"

#include <math.h>

static bool near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

/* ---- names and times */

static void test_names(void)
{
	static const struct {
		const char *name, *kind;
		bool is;
	} row[] = {
	    {"L20091103001.img", "L", true},
	    {"UAO_L_20091103_210000_001.img", "L", true},
	    {"UAO_L_20260417_201850.hdf5", "L", true},
	    {"UAO_XR_20221129_121336.hdf5", "XR", true},
	    {"UAO_XR_20221129_121336.hdf5", "X", false},
	    {"UAO_XR_20221129_121336.hdf5", "XG", false},
	    {"X20091103001.img", "X", true},
	    {"XR20091103001.img", "X", false},
	    {"L20091103001.hdf5", "L", false},
	    {"La_Silla.img", "L", false},
	    {"UAO_B_20260417_201850.hdf5", "L", false},
	    {"UAO_L_20260417_201850.hdf5.part", "L", false},
	    {"UAO_L_20260417_201850.txt", "L", false},
	    {".UAO_L_1.img", "L", false},
	    {"UAO_X_1.img", "", false},
	    {"L.img", "L", false},
	};

	for (size_t i = 0; i < NITEMS(row); i++)
		ok(fpi_name_is(row[i].name, row[i].kind) == row[i].is, "%s %s a frame of kind '%s'",
		    row[i].name, row[i].is ? "is" : "is not", row[i].kind);
}

static void test_window(void)
{
	struct fpi_setup s = {.date = {.year = 2026, .month = 4, .day = 17}, .site = {.lon_deg = -88.159}};
	struct civil c;
	int64_t start, end;

	fpi_night_window(&s, &start, &end);
	civil_from_ms(start / 1000, &c);
	ok(c.day == 17 && c.hour == 17 && c.minute == 52,
	    "local solar noon at 88 W is 17:52 UTC, not %02d:%02d", c.hour, c.minute);
	is_int(end - start, 86400000000, "the window is one day");
	s.site.lon_deg = 170;
	fpi_night_window(&s, &start, &end);
	civil_from_ms(start / 1000, &c);
	ok(c.day == 17 && c.hour == 0 && c.minute == 40, "at 170 E it is 00:40 UTC");
}

static void test_quantiles(void)
{
	double v[] = {4, 1, 3, 2}, one[] = {7}, q[3] = {0, 0.5, 0.7}, out[3];
	uint16_t u16[16 * 16];
	double f64[16 * 16];
	struct fpi_pixels px = {.width = 16, .height = 16, .u16 = u16},
	                  wide = {.width = 16, .height = 16, .f64 = f64};
	double again[3];

	ok(near(fpi_quantile(v, 4, 0.5), 2.5, 0) && near(fpi_quantile(v, 4, 0.1), 1.3, 1e-15) &&
	        fpi_quantile(v, 4, 1) == 4,
	    "quantiles are interpolated");
	ok(fpi_quantile(one, 1, 0.9) == 7, "one value is all of them");
	for (int i = 0; i < 256; i++)
		f64[i] = u16[i] = (uint16_t)(i * 37 % 251 * 260);
	fpi_pixel_quantiles(&px, q, 3, out);
	fpi_pixel_quantiles(&wide, q, 3, again);
	ok(memcmp(out, again, sizeof(out)) == 0, "both kinds of pixels give the same");
}

/* ---- centres */

static void test_ring_center(void)
{
	enum { SIDE = 200 };
	uint16_t *u16 = xcalloc(SIDE * SIDE, sizeof(*u16));
	struct fpi_pixels px = {.width = SIDE, .height = SIDE, .u16 = u16};
	struct fpi_ring_center c;

	for (int i = 0; i < SIDE * SIDE; i++) {
		double r = hypot(i % SIDE - 101.3, i / SIDE - 98.6);

		u16[i] = (uint16_t)(300 + 200 * exp(-pow(fmod(r, 24) - 12, 2) / 18));
	}
	fpi_ring_center(&px, &c);
	ok(c.regions >= 3 && near(c.cx, 101.3, 0.05) && near(c.cy, 98.6, 0.05),
	    "%zu rings are centred at (%.3f, %.3f)", c.regions, c.cx, c.cy);
	ok(c.contrast > 100, "their contrast is %.0f counts", c.contrast);
	u16[7 * SIDE + 9] = 0; /* a dead pixel is nothing special */
	fpi_ring_center(&px, &c);
	ok(near(c.cx, 101.3, 0.05) && near(c.cy, 98.6, 0.05), "a pixel of value 0 changes nothing");
	for (int i = 0; i < SIDE * SIDE; i++)
		u16[i] = 300;
	fpi_ring_center(&px, &c);
	ok(isnan(c.cx) && c.regions == 0 && c.contrast == 0, "a flat frame has no centre");
	free(u16);
}

static void test_screen(void)
{
	double x[10] = {100, 100.1, 100, 100.2, 100, 100.1, 100, 100.1, 100.2, 100}, y[10];
	enum fpi_center_verdict v[10];

	for (int i = 0; i < 10; i++)
		y[i] = 100 + 0.1 * (i % 3);
	fpi_center_screen(x, y, 10, 1.5, v);
	ok(v[0] == FPI_CENTER_OK && v[9] == FPI_CENTER_OK, "a steady centre is believed");
	x[4] = 110;
	fpi_center_screen(x, y, 10, 1.5, v);
	ok(v[4] == FPI_CENTER_OUTLIER && v[3] == FPI_CENTER_OK && v[5] == FPI_CENTER_OK,
	    "a wild one is an outlier");
	x[4] = 102;
	fpi_center_screen(x, y, 10, 1.5, v);
	ok(v[4] == FPI_CENTER_JUMP && v[3] == FPI_CENTER_JUMP && v[5] == FPI_CENTER_JUMP &&
	        v[2] == FPI_CENTER_OK,
	    "a small jump takes its neighbours along");
	fpi_center_screen(x, y, 0, 1.5, v);
	ok(true, "no centre at all is fine");
}

static void test_curve(void)
{
	enum { M = 60 };
	int64_t t[M];
	double x[M], y[M], cx, cy, worst = 0;
	struct fpi_center_curve c;

	for (int i = 0; i < M; i++) {
		double s = i / (double)M;

		t[i] = 1776470400000000 + i * 600000000LL;
		x[i] = 250 + 3 * s - 2 * s * s + s * s * s * s * s * s;
		y[i] = 248 - s * s * s;
	}
	fpi_center_fit(t, x, y, M, &c);
	is_int(c.degree, 6, "60 centres carry a polynomial of degree 6");
	for (int i = 0; i < M; i++) {
		fpi_center_at(&c, t[i], &cx, &cy);
		worst = fmax(worst, hypot(cx - x[i], cy - y[i]));
	}
	ok(worst < 1e-10, "which follows them to %.1e pixels", worst);
	fpi_center_fit(t, x, y, 9, &c);
	fpi_center_at(&c, t[30], &cx, &cy);
	ok(c.degree == 0 && near(cx, (x[0] + x[1] + x[2] + x[3] + x[4] + x[5] + x[6] + x[7] + x[8]) / 9, 1e-12),
	    "nine only have a mean");
	for (int i = 0; i < M; i++)
		t[i] = t[0];
	fpi_center_fit(t, x, y, M, &c);
	fpi_center_at(&c, t[0], &cx, &cy);
	ok(isfinite(cx) && isfinite(cy), "sixty at one instant still have a centre");
}

/* ---- directions */

static void load_site(const char *abbr, struct fpi_site *out)
{
	static const char *const at[][3] = {{"uao", "minime13", "20260417"}, {"ann", "minime08", "20130101"},
	    {"car", "minime01", "20160807"}, {"mor", "minime03", "20140501"}, {"par", "minime06", "20130101"}};
	struct diags diags = DIAGS_INIT;
	struct fpi_table *table = fpi_table_load(test_src("etc/sites-and-instruments.yaml"), &diags);
	struct strvec names = STRVEC_INIT;
	struct fpi_setup setup;
	struct err err = ERR_INIT;
	struct civil date = {0};

	for (size_t i = 0; i < NITEMS(at); i++)
		if (strcmp(at[i][0], abbr) == 0)
			utctime_parse_yyyymmdd(at[i][2], &date);
	if (table == NULL || fpi_table_stationed(table, abbr, &date, &names, &err) == -1 || names.n == 0 ||
	    fpi_table_resolve(table, names.v[0], abbr, &date, &setup, &err) == -1)
		tap_bail("site %s: %s", abbr, err.text);
	*out = setup.site;
	strvec_release(&names);
	fpi_table_free(table);
	diags_release(&diags);
}

static json_t *vectors;

static void test_direction_vectors(void)
{
	const json_t *all = json_object_get(vectors, "look_directions");
	char have[FPI_NAME_MAX] = "";
	struct fpi_site *site = xcalloc(1, sizeof(*site));

	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *v = json_array_get(all, i);
		const char *abbr = json_str(v, "site", ""), *want = json_str(v, "direction", "");
		double az = json_number_value(json_object_get(v, "az")),
		       ze = json_number_value(json_object_get(v, "ze")), far;
		const char *got;

		if (strcmp(have, abbr) != 0)
			load_site(abbr, site);
		snprintf(have, sizeof(have), "%s", abbr);
		got = fpi_direction_find(site, az, ze, 10, &far);
		ok(strcmp(got, want) == 0 &&
		        near(far, json_number_value(json_object_get(v, "distance_deg")), 1e-9),
		    "%s az %.1f ze %.1f is %s at %.3f degrees, not %s", abbr, az, ze, want, far, got);
	}
	free(site);
}

static void test_direction_rules(void)
{
	struct fpi_site *s = xcalloc(1, sizeof(*s));
	struct fpi_setup *setup = xcalloc(1, sizeof(*setup));
	double az = 90, ze = -45;

	s->directions[s->ndirections++] = (struct fpi_direction){.name = "Nowhere"};
	s->directions[s->ndirections++] = (struct fpi_direction){.name = "Up", .has_angles = true};
	s->directions[s->ndirections++] = (struct fpi_direction){.name = "Zenith", .has_angles = true};
	s->directions[s->ndirections++] = (struct fpi_direction){.name = "Top", .has_angles = true};
	s->directions[s->ndirections++] =
	    (struct fpi_direction){.name = "East", .has_angles = true, .az = 90, .ze = 45};
	s->directions[s->ndirections++] =
	    (struct fpi_direction){.name = "Dawn", .has_angles = true, .az = 90, .ze = 45};
	is_str(fpi_direction_find(s, 0, 0, 10, NULL), "Zenith", "Zenith wins a tie");
	is_str(fpi_direction_find(s, 90, 44, 10, NULL), "East", "otherwise the first of the table");
	is_str(
	    fpi_direction_find(s, 270, -44, 10, NULL), "East", "a negative zenith angle looks the other way");
	is_str(fpi_direction_find(s, 90, 25, 10, NULL), "Unknown", "too far from all is Unknown");
	s->ndirections = 1;
	is_str(fpi_direction_find(s, 0, 0, 10, NULL), "Unknown", "a direction without angles never matches");
	fpi_direction_fold(&az, &ze);
	ok(az == 270 && ze == 45, "it is reported as az 270, ze 45");
	snprintf(setup->instrument.name, sizeof(setup->instrument.name), "minime90");
	setup->date = (struct civil){.year = 2011, .month = 11, .day = 17};
	ok(fpi_direction_header_az(setup, 30) == -30, "an early instrument counted azimuth the other way");
	setup->date.day = 18;
	ok(fpi_direction_header_az(setup, 30) == 30, "until that day");
	free(s);
	free(setup);
}

/* ---- references */

static void test_doppler_vectors(void)
{
	const json_t *all = json_object_get(vectors, "doppler_mode");

	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *v = json_array_get(all, i), *w = json_object_get(v, "zenith_wind"),
		             *s = json_object_get(v, "sigma");
		size_t n = json_array_size(w);
		double wind[64], sigma[64], want = json_number_value(json_object_get(v, "offset")), got;

		for (size_t k = 0; k < n; k++) {
			wind[k] = json_number_value(json_array_get(w, k));
			sigma[k] = json_number_value(json_array_get(s, k));
		}
		got = fpi_doppler_offset(wind, sigma, n, FPI_DOPPLER_GRID);
		ok(near(got, want, 1e-9), "offset of %zu zenith winds is %.4f, not %.4f", n, want, got);
	}
}

static void test_doppler_rules(void)
{
	double same[3] = {5, 5.01, 5.05}, wind[5] = {0, 10, 10.1, 10.2, 50}, sigma[5] = {1, 1, 1, 1, 1},
	       far[2] = {-1e6, 1e6};

	ok(fpi_doppler_offset(same, sigma, 3, FPI_DOPPLER_GRID) == 5.01, "no room for a grid: the median");
	ok(fpi_doppler_offset(far, sigma, 2, FPI_DOPPLER_GRID) == 0, "too much room: the median");
	ok(fpi_doppler_offset(wind, sigma, 5, FPI_DOPPLER_EXACT) == 10.1,
	    "exact: the sample most others are near");
	ok(near(fpi_doppler_offset(wind, sigma, 5, FPI_DOPPLER_MEAN), 16.06, 1e-12), "mean");
	ok(fpi_doppler_offset(wind, sigma, 5, FPI_DOPPLER_MEDIAN) == 10.1, "median");
}

static void test_zenith_reference(void)
{
	struct fpi_sky s[6] = {0};
	double ref[6];
	struct err err = ERR_INIT;

	for (int i = 0; i < 6; i++) {
		s[i].frame.utc_us = i * 600000000LL;
		s[i].sigma_wind = 5;
		s[i].wind = 10 * i;
		snprintf(s[i].direction, FPI_NAME_MAX, "%s", i == 1 || i == 3 || i == 4 ? "Zenith" : "North");
	}
	s[4].sigma_wind = 150;
	ok(fpi_doppler_reference(s, 6, FPI_REF_ZENITH, FPI_DOPPLER_GRID, ref, &err) == 0,
	    "zenith winds as reference");
	ok(ref[0] == 10 && ref[1] == 10 && ref[2] == 20 && ref[3] == 30 && ref[5] == 30,
	    "are interpolated and held at the ends");
	s[1].sigma_wind = NAN;
	s[3].wind = NAN;
	ok(fpi_doppler_reference(s, 6, FPI_REF_ZENITH, FPI_DOPPLER_GRID, ref, &err) == 0 && isnan(ref[0]) &&
	        isnan(ref[5]),
	    "without any they are all unknown");
	is_int(fpi_doppler_reference(s, 6, FPI_REF_LASER, FPI_DOPPLER_GRID, ref, &err), -1,
	    "the laser reference needs two");
	is_str(err.code, FPI_E_BAD_DOPPLER, "and says so");
}

/* ---- winds and their errors */

static void test_calibration(void)
{
	struct fpi_laser l[4] = {0};
	double value[FPI_NLASER], want;
	struct fpi_gap gap;

	for (int i = 0; i < 4; i++) {
		l[i].frame.utc_us = i * 1000000000LL;
		l[i].value[FPI_P_T] = 0.015 + 1e-9 * i + (i == 1 ? 3e-11 : 0);
		l[i].error[FPI_P_T] = 1e-11 * (i + 1);
	}
	want = 3e8 / l[1].value[FPI_P_T] * 3e-11;
	ok(near(fpi_sigma_cal(l, 4, 500000000), want, 1e-3),
	    "before the second laser frame its misfit counts: %.4f m/s", want);
	ok(near(fpi_sigma_cal(l, 4, 1500000000), want * 0.75, 1e-3), "between two it is interpolated");
	ok(near(fpi_sigma_cal(l, 4, 2900000000), want / 2, 1e-3), "after the last but one that one's counts");
	ok(isnan(fpi_sigma_cal(l, 4, -1)) && isnan(fpi_sigma_cal(l, 4, 3000000001)) &&
	        isnan(fpi_sigma_cal(l, 2, 500000000)),
	    "outside, or with two frames, it is not known");
	ok(near(fpi_sigma_cal(l, 3, 1900000000), want, 1e-3), "three frames have one misfit");
	fpi_laser_at(l, 4, 500000000, value);
	ok(near(value[FPI_P_T], 0.015 + 0.5e-9 + 1.5e-11, 1e-16), "the gap is interpolated");
	fpi_laser_at(l, 1, 500000000, value);
	ok(value[FPI_P_T] == l[0].value[FPI_P_T], "one laser frame is constant");
	fpi_gap_median(l, 4, &gap);
	ok(near(gap.median_error, 2.5e-11, 1e-20) && near(gap.median, 0.015 + 1.515e-9, 1e-15),
	    "medians of gap and error");
	ok(near(fpi_sigma_fit(0, 630e-9, &gap), 299792458.0 * gap.median_error / gap.median, 1e-9),
	    "the gap's error is a wind error");
}

/* ---- flags */

struct flag_case {
	const char *what, *tag;
	enum fpi_reference reference;
	bool red, drift;
	double skyI, skyB, cloud, ccd, sigma_fit, sigma_T;
	int manual_wind, manual_temp, wind, temp;
};

static void test_flags(void)
{
	static const struct flag_case row[] = {
	    {"all is well", "X", FPI_REF_LASER, false, false, 5, 0, -30, -70, 5, 10, 0, 0, 0, 0},
	    {"skyI low", "X", FPI_REF_LASER, false, false, 2, 0, -30, -70, 5, 10, 0, 0, 1, 1},
	    {"skyI very low", "X", FPI_REF_LASER, false, false, 0.5, 0, -30, -70, 5, 10, 0, 0, 2, 2},
	    {"skyI very low in XR", "XR", FPI_REF_LASER, false, false, 0.5, 0, -30, -70, 5, 10, 0, 0, 0, 0},
	    {"skyI very low in XR, with the option", "XR", FPI_REF_LASER, true, false, 0.5, 0, -30, -70, 5, 10,
	        0, 0, 2, 2},
	    {"skyI very low in XG, with the option", "XG", FPI_REF_LASER, true, false, 0.5, 0, -30, -70, 5, 10,
	        0, 0, 0, 0},
	    {"skyB high", "X", FPI_REF_LASER, false, false, 5, 0.3, -30, -70, 5, 10, 0, 0, 1, 1},
	    {"zenith reference", "X", FPI_REF_ZENITH, false, false, 5, 0, -30, -70, 5, 10, 0, 0, 1, 1},
	    {"laser drift", "X", FPI_REF_LASER, false, true, 5, 0, -30, -70, 5, 10, 0, 0, 1, 0},
	    {"no cloud data", "X", FPI_REF_LASER, false, false, 5, 0, NAN, -70, 5, 10, 0, 0, 1, 1},
	    {"some clouds", "X", FPI_REF_LASER, false, false, 5, 0, -21.9, -70, 5, 10, 0, 0, 1, 1},
	    {"at the limit of clouds", "X", FPI_REF_LASER, false, false, 5, 0, -22, -70, 5, 10, 0, 0, 0, 0},
	    {"overcast", "X", FPI_REF_LASER, false, false, 5, 0, -9, -70, 5, 10, 0, 0, 2, 1},
	    {"warm CCD", "X", FPI_REF_LASER, false, false, 5, 0, -30, -59, 5, 10, 0, 0, 1, 1},
	    {"wind uncertain", "X", FPI_REF_LASER, false, false, 5, 0, -30, -70, 101, 10, 0, 0, 2, 2},
	    {"temperature uncertain", "X", FPI_REF_LASER, false, false, 5, 0, -30, -70, 5, 101, 0, 0, 2, 2},
	    {"a failed fit", "X", FPI_REF_LASER, false, false, NAN, NAN, -30, -70, INFINITY, INFINITY, 0, 0, 2,
	        2},
	    {"manual flags are not swapped", "X", FPI_REF_LASER, false, false, 5, 0, -30, -70, 5, 10, 2, 0, 2,
	        0},
	    {"manual flags never better a sample", "X", FPI_REF_LASER, false, false, 0.5, 0, -30, -70, 5, 10, 1,
	        1, 2, 2},
	};

	for (size_t i = 0; i < NITEMS(row); i++) {
		const struct flag_case *c = &row[i];
		struct fpi_result *r = xcalloc(1, sizeof(*r));
		struct fpi_sky s = {
		    .skyI = c->skyI, .skyB = c->skyB, .sigma_fit = c->sigma_fit, .sigma_T = c->sigma_T};
		struct strbuf marks = STRBUF_INIT(1024);

		snprintf(r->tag, sizeof(r->tag), "%s", c->tag);
		r->reference = c->reference;
		r->laser_drift = c->drift;
		r->setup.instrument.skyI_thresh[0] = 3;
		r->setup.instrument.skyI_thresh[1] = 1;
		r->setup.instrument.skyB_thresh = 0.2;
		r->setup.instrument.manual_wind_flag = c->manual_wind;
		r->setup.instrument.manual_temp_flag = c->manual_temp;
		s.cloud.mean = c->cloud;
		s.frame.ccd_temp_C = c->ccd;
		fpi_flags_set(r, c->red, &s, &marks);
		ok(s.wind_flag == c->wind && s.temp_flag == c->temp, "%s: W%dT%d %s", c->what, s.wind_flag,
		    s.temp_flag, marks.buf);
		strbuf_release(&marks);
		free(r);
	}
}

static void test_drift(void)
{
	struct fpi_laser l[8] = {0};
	struct fpi_sky s[12] = {0};

	for (int i = 0; i < 8; i++)
		l[i].value[FPI_P_I] = i < 3 ? 1300 : 1000;
	for (int i = 0; i < 12; i++) {
		snprintf(s[i].direction, FPI_NAME_MAX, "Zenith");
		s[i].wind = i < 6 ? 0 : 31;
	}
	ok(fpi_laser_drift(l, 8, s, 12), "zenith winds apart and three unsteady laser frames: drift");
	l[0].value[FPI_P_I] = 1000;
	ok(!fpi_laser_drift(l, 8, s, 12), "two unsteady ones are not enough");
	l[0].value[FPI_P_I] = 1300;
	s[9].wind = s[10].wind = s[11].wind = 29;
	ok(!fpi_laser_drift(l, 8, s, 12), "nor are winds 29 m/s apart");
	ok(!fpi_laser_drift(l, 8, s, 0) && !fpi_laser_drift(l, 0, s, 12), "nor is nothing at all");
}

int main(void)
{
	struct strbuf text = STRBUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	if (fs_read(test_src("tests/data/fpi/unit-vectors.json"), &text, &err) == -1 ||
	    (vectors = json_parse(text.buf, text.len, "unit-vectors.json", &err)) == NULL)
		tap_bail("%s", err.text);
	strbuf_release(&text);
	tap_run(test_names);
	tap_run(test_window);
	tap_run(test_quantiles);
	tap_run(test_ring_center);
	tap_run(test_screen);
	tap_run(test_curve);
	tap_run(test_direction_vectors);
	tap_run(test_direction_rules);
	tap_run(test_doppler_vectors);
	tap_run(test_doppler_rules);
	tap_run(test_zenith_reference);
	tap_run(test_calibration);
	tap_run(test_flags);
	tap_run(test_drift);
	json_decref(vectors);
	return tap_done();
}
