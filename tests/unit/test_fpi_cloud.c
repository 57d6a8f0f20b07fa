/* Cloud sensors and temperature loggers: every format, every kind of bad line, averages over exposures. */
#include "config.h"

#include "assets/fpi/auxiliary.h"
#include "assets/fpi/cloud.h"
#include "base/utctime.h"
#include "tests/tap.h"

#include <math.h>

#define NEW_HEADER                                                                                             \
	"Date       Time        T  Ser# Firmw Serrs  Cldy VCldy Windy VWindy  Rain   Wet  DC   Day  Vday  Ty " \
	"SNBot SNTop EV WCC  ClarV\n"

static struct tz *zone; /* America/Recife, three hours behind UTC */

static int64_t utc_us(const char *text)
{
	tm_ms t = 0;

	if (utctime_parse(text, &t) == -1)
		tap_bail("bad time %s", text);
	return t * 1000;
}

static void test_formats(void)
{
	static const struct {
		const char *what, *text;
		enum fpi_cloud_format format;
		size_t skipped, n;
		const char *first_utc;
		double first, last;
	} cases[] = {
	    {"new Boltwood with its header",
	        NEW_HEADER "2016-08-05 15:49:24.65 M ~D 1 1 1 1 0 0 -34.7 10.3 2.1 48 0 0 00003\n"
	                   "2016-08-05 15:50:24,65 M ~D 1 1 1 1 0 0 -35.7 10.3 2.1 48 0 0 00003\n",
	        FPI_CLOUD_BOLTWOOD, 0, 2, "2016-08-05 18:49:24", -34.7, -35.7},
	    {"new Boltwood without header, other reports between",
	        "2016-08-05 15:49:24.65 M ~D 1 1 1 1 0 0 -34.7 10.3 2.1\n2016-08-05 15:49:25.65 M ~T 1 2 3\n"
	        "2016-08-05 15:49:26.65 M ~D 1 1 1 1 0 0 -20.1 10.3 2.1\n",
	        FPI_CLOUD_BOLTWOOD, 0, 2, "2016-08-05 18:49:24", -34.7, -20.1},
	    {"new Boltwood: wet is zero, no value is dropped, bad lines are skipped",
	        "2016-08-05 15:49:24.65 M ~D 1 1 1 1 0 0 -998 10.3 2.1\n2016-08-05 15:49:25.65 M ~D 1 1 1 1 0 "
	        "0 -999 10.3 2.1\n"
	        "2016-08-05 15:49 M ~D 1 1 1 1 0 0 -30 10.3 2.1\n2016-08-05 15:49:27.65 M ~D 1 1 1 1 0 0 -3x "
	        "10.3 2.1\n"
	        "2016-08-05 15:49:28.65 M ~D 1 1 1\n\n2016-08-05 15:49:29.65 M ~D 1 1 1 1 0 0 -12.5 10.3\n",
	        FPI_CLOUD_BOLTWOOD, 3, 2, "2016-08-05 18:49:24", 0, -12.5},
	    {"old Boltwood",
	        "Date       Time     FvrSkyTemAmbBlkHeaFlgC1sC1tVctSeqChk\n2012-01-02 03:04:05 x -21.5 10.0 1 "
	        "2 3 4 5 6\n"
	        "2012-01-02 03:04:06 x illegal 10.0\n2012-01-02 03:04:07 x -998 10.0\n2012-01-02 nonsense\n"
	        "2012-01-02 03:04:08 x -25.25 10.0\nDate again\n",
	        FPI_CLOUD_BOLTWOOD_OLD, 1, 2, "2012-01-02 06:04:05", -21.5, -25.25},
	    {"SkyAlert, Celsius and Fahrenheit",
	        "36)  2020-08-29 20:41:41.00 C K -9.1   21.2  21      0      59  12.6   000 0 0 00020 "
	        "044072.8622\n"
	        "37)  2020-08-29 20:42:41.00 F K 14.0   50.0  21      0\n38)  2020-08-29 20:43:41.00 X K 14.0  "
	        " 50.0\n39) broken\n",
	        FPI_CLOUD_SKYALERT, 2, 2, "2020-08-29 23:41:41", -30.3, -20},
	    {"SkyAlert Ethernet, a NUL in the date, one malformed line",
	        "2026-04-17 18:03:17 SAE1 10.35 -25.55 1012 80 44.2 3 1 990.0\n2026-04-17 18:05:17 SAE1 10.33\n"
	        "2026-04-17 18:07:17 SAE1 ten -25.19 1012\n2026-04-17 18:09:17 SAE1 10.25 -24.75 1012 80 44.0 "
	        "3 1 990.0\n",
	        FPI_CLOUD_SKYALERT_ETHERNET, 2, 2, "2026-04-17 21:03:17", -35.9, -35},
	    {"an empty file", "", FPI_CLOUD_BOLTWOOD, 0, 0, NULL, 0, 0},
	    {"no line end at the end", "2026-04-17 18:03:17 SAE1 10 -25", FPI_CLOUD_SKYALERT_ETHERNET, 0, 1,
	        "2026-04-17 21:03:17", -35, -35},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct fpi_series s = {0};
		size_t n = strlen(cases[i].text), skipped = fpi_cloud_parse(cases[i].text, n, zone, &s);

		is_str(fpi_cloud_format_name[fpi_cloud_format(cases[i].text, n)],
		    fpi_cloud_format_name[cases[i].format], cases[i].what);
		is_int(skipped, cases[i].skipped, "lines skipped");
		if (is_int(s.n, cases[i].n, "readings") && s.n > 0) {
			is_int(s.v[0].utc_us, utc_us(cases[i].first_utc), "time of the first");
			ok(fabs(s.v[0].value - cases[i].first) < 1e-9, "the first value: %g", s.v[0].value);
			ok(fabs(s.v[s.n - 1].value - cases[i].last) < 1e-9, "the last value: %g",
			    s.v[s.n - 1].value);
		}
		fpi_series_release(&s);
	}
}

static void test_nul_in_date(void)
{
	static const char text[] = "\0"
	                           "2026-04-17 18:03:17 SAE1 10 -25\n"
	                           "\0\0"
	                           "2026-04-17 18:04:17 SAE1 10 -26\n";
	struct fpi_series s = {0};

	is_int(fpi_cloud_parse(text, sizeof(text) - 1, zone, &s), 0, "NULs before the date are stripped");
	is_int(s.n, 2, "both lines count");
	fpi_series_release(&s);
}

static void test_stats(void)
{
	struct fpi_series s = {0};
	struct fpi_stats st;

	for (int i = 9; i >= 0; i--)
		fpi_series_add(&s, i * 10000000, i);
	fpi_series_add(&s, 5, NAN);
	fpi_series_sort(&s);
	is_int(s.n, 10, "NAN is not kept");
	st = fpi_series_stats(&s, 20000000, 30);
	ok(st.mean == 3.5 && st.min == 2 && st.max == 5, "both ends of the exposure count");
	st = fpi_series_stats(&s, 20000001, 29.9);
	ok(st.mean == 3.5 && st.min == 3 && st.max == 4, "to the microsecond");
	st = fpi_series_stats(&s, 91000000, 100);
	ok(isnan(st.mean) && isnan(st.min) && isnan(st.max), "nothing after the last");
	st = fpi_series_stats(&(struct fpi_series){0}, 0, 100);
	ok(isnan(st.mean), "nothing at all");
	fpi_series_release(&s);
}

static void test_templogs(void)
{
	static const char dome[] =
	    "08/05/2016 21:04:24,18.25,20.5\n08/05/2016 21:03:24,18.0,20.0\n08/05/2016 21:05:24,x,20\n\n";
	static const char etalon[] = "2016/08/06 00:04:24,1,2,40.43,4\n2016/08/06 00:04:25,1,2,3\n";
	static const char outside[] = "2016/08/06 00:04:24, 25.5\r\n";
	struct fpi_templogs t = {0};

	is_int(fpi_templog_parse(dome, strlen(dome), zone, &t), 1, "dome and inside");
	is_int(fpi_templog_parse(etalon, strlen(etalon), zone, &t), 1,
	    "etalon inside; four columns are no sensor");
	is_int(fpi_templog_parse(outside, strlen(outside), zone, &t), 0, "etalon outside");
	is_int(fpi_templog_parse("#Output,1\n2016/08/06 00:04:24,9\n", 33, zone, &t), 0, "an output file");
	fpi_templogs_sort(&t);
	ok(t.dome.n == 2 && t.inside.n == 2 && t.dome.v[0].value == 18 && t.inside.v[1].value == 20.5,
	    "sorted by time");
	is_int(t.dome.v[1].utc_us, utc_us("2016-08-06 00:04:24"), "month first is local time");
	ok(t.etalon_inside.n == 1 && fabs(t.etalon_inside.v[0].value - 26) < 1e-9, "calibrated");
	is_int(t.etalon_inside.v[0].utc_us, utc_us("2016-08-06 00:04:24"), "year first is UTC");
	ok(t.etalon_outside.n == 1 && t.etalon_outside.v[0].value == 25.5, "outside");
	fpi_templogs_release(&t);
}

static const char *const file_text[] = {
    "2016-08-05 23:59:00.00 M ~D 1 1 1 1 0 0 -30 10\n",
    "2016-08-06 00:01:00.00 M ~D 1 1 1 1 0 0 -40 10\n",
    "2016-08-07 00:01:00.00 M ~D 1 1 1 1 0 0 -99 10\n",
    "2016-08-05 23:59:00.00 M ~D 1 1 1 1 0 0 -77 10\n",
    "08/05/2016 23:59:30,18.25,20.5\nrubbish\n",
};

static int read_text(void *arg, size_t i, struct strbuf *out, struct err *err)
{
	if (arg != NULL && i == *(size_t *)arg)
		return err_set(err, ERR_TRANSIENT, "the store is down");
	return strbuf_addstr(out, file_text[i]);
}

static void test_load(void)
{
	static const struct fpi_file files[] = {
	    {"Cloud_car_20160805.txt", "a/1", 0},
	    {"Cloud_car_20160806.txt", "a/2", 0},
	    {"Cloud_car_20160807.txt", "a/3", 0},
	    {"Cloud_car_20160805.txt", "b/4", 0},
	    {"TempL_car_20160805.txt", "c/5", 0},
	};
	static const struct fpi_site car = {.abbr = "car"}, uao = {.abbr = "uao"};
	struct fpi_source src = {.files = files, .n = NITEMS(files), .read = read_text};
	struct fpi_sky sky[2] = {{.frame = {.utc_us = utc_us("2016-08-06 02:58:00"), .exposure_s = 300}}};
	struct fpi_auxiliary aux;
	struct err err = ERR_INIT;
	size_t fails = 1;

	sky[1] = sky[0];
	sky[1].frame.utc_us = utc_us("2016-08-06 04:00:00");
	is_int(fpi_auxiliary_load(&src, &car, zone, sky[0].frame.utc_us, sky[1].frame.utc_us, &aux, &err), 0,
	    "loaded");
	is_int(aux.cloud.n, 2, "the files of the two dates, each name once");
	fpi_auxiliary_apply(&aux, sky, 2);
	ok(sky[0].cloud.mean == -35 && sky[0].cloud.min == -40 && sky[0].cloud.max == -30,
	    "across local midnight");
	ok(isnan(sky[1].cloud.mean), "no reading during the second exposure");
	ok(sky[0].dome.mean == 18.25 && sky[0].inside.min == 20.5 && isnan(sky[0].etalon_inside.mean),
	    "temperatures");
	ok(strvec_has(&aux.notes, "TempL_car_20160805.txt: 1 malformed line skipped."), "a bad line is noted");
	ok(strvec_has(&aux.notes, "Found and loaded cloud sensor data."), "the sensor is noted");
	fpi_auxiliary_release(&aux);

	is_int(fpi_auxiliary_load(&src, &uao, zone, sky[0].frame.utc_us, sky[1].frame.utc_us, &aux, &err), 0,
	    "another site");
	ok(aux.cloud.n == 0 && strvec_has(&aux.notes, "No cloud sensor data found."),
	    "has none of these files");
	fpi_auxiliary_release(&aux);
	src.arg = &fails;
	is_int(fpi_auxiliary_load(&src, &car, zone, sky[0].frame.utc_us, sky[1].frame.utc_us, &aux, &err), -1,
	    "store down");
	ok(err.class == ERR_TRANSIENT, "its error is passed on");
	fpi_auxiliary_release(&aux);
	is_int(fpi_auxiliary_load(NULL, &car, zone, 0, 0, &aux, &err), 0, "no source is no sensor");
	fpi_auxiliary_release(&aux);
}

/* Rubbish of all kinds does no harm; the sanitizers watch. */
static void test_rubbish(void)
{
	static const char alphabet[] = "0123456789-:./, ECFM~D)\n\tTS";
	unsigned seed = 12345;
	char text[600];

	for (int round = 0; round < 2000; round++) {
		struct fpi_series s = {0};
		struct fpi_templogs t = {0};

		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = alphabet[(seed >> 16) % sizeof(alphabet)];
		}
		char *exact = xmemdup(text, sizeof(text));
		fpi_cloud_parse(exact, sizeof(text), zone, &s);
		fpi_templog_parse(exact, sizeof(text), zone, &t);
		free(exact);
		fpi_series_release(&s);
		fpi_templogs_release(&t);
	}
	ok(true, "rubbish does no harm");
}

int main(void)
{
	zone = tz_open("America/Recife", NULL);
	if (zone == NULL)
		tap_bail("no time zone data");
	tap_run(test_formats);
	tap_run(test_nul_in_date);
	tap_run(test_stats);
	tap_run(test_templogs);
	tap_run(test_load);
	tap_run(test_rubbish);
	tz_free(zone);
	return tap_done();
}
