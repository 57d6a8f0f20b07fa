/* The table of sites and instruments: epochs, stations, nulls, and what is said about mistakes. */
#include "config.h"

#include "assets/fpi/sites.h"
#include "base/tz.h"
#include "conf/node.h"
#include "tests/tap.h"

#include <math.h>

static struct fpi_table *table;

static struct civil day(int year, int month, int date)
{
	return (struct civil){.year = year, .month = month, .day = date};
}

static bool resolve(const char *name, const char *site, struct civil date, struct fpi_setup *s)
{
	struct err err = ERR_INIT;
	bool found = fpi_table_resolve(table, name, site, &date, s, &err) == 0;

	if (!found)
		diag("%s", err.text);
	return found;
}

static void test_load(void)
{
	struct diags diags = DIAGS_INIT;
	struct strbuf sb = STRBUF_INIT(100000);

	table = fpi_table_load(test_src("etc/sites-and-instruments.yaml"), &diags);
	diags_print(&diags, &sb);
	ok(table != NULL && diags.n == 0, "the installed table loads without a word %s", sb.buf);
	strbuf_release(&sb);
	diags_release(&diags);
	if (table == NULL)
		tap_bail("no table");
}

static void test_epochs(void)
{
	static const struct {
		const char *name;
		struct civil date;
		double R, cx;
		int N1;
		const char *tag;
	} cases[] = {
	    {"minime01", {2015, 8, 4}, 0.77, 251.7, 500, "X"},
	    {"minime01", {2015, 8, 5}, 0.6959, 275.05, 500, "X"},
	    {"minime01", {2025, 8, 8}, 0.6959, 275.05, 500, "X"},
	    {"minime01", {2025, 8, 9}, 0.66198036, 247.54, 300, "X"},
	    {"minime01", {2025, 9, 30}, 0.66198036, 247.54, 300, "X"},
	    {"minime01", {2025, 10, 1}, 0.66198036, 247.54, 300, "XR"},
	    {"minime03", {2024, 11, 13}, 0.6098, 250.31, 500, "X"},
	    {"minime06", {2024, 4, 30}, 0.7763, 270.0, 500, "XR"},
	};
	struct fpi_setup s;

	for (size_t i = 0; i < NITEMS(cases); i++) {
		bool same = resolve(cases[i].name, NULL, cases[i].date, &s);

		same = same && s.instrument.defaults.R == cases[i].R &&
		       s.instrument.defaults.center_x == cases[i].cx && s.instrument.N1 == cases[i].N1 &&
		       strcmp(s.instrument.tags[0], cases[i].tag) == 0;
		ok(same, "%s on %d-%02d-%02d", cases[i].name, cases[i].date.year, cases[i].date.month,
		    cases[i].date.day);
	}
	ok(resolve("minime06", NULL, day(2018, 1, 2), &s) && s.instrument.pix_size_m == 2.4e-5 &&
	        s.instrument.sql_winds_id == 110,
	    "epochs add up");
	ok(resolve("minime03", NULL, day(2015, 7, 29), &s) && strcmp(s.site.timezone, "Africa/Casablanca") == 0,
	    "site, before");
	ok(resolve("minime03", NULL, day(2015, 7, 30), &s) && strcmp(s.site.timezone, "UTC") == 0,
	    "site epochs too");
}

static void test_values(void)
{
	struct fpi_setup s;
	const struct fpi_instrument *ins = &s.instrument;

	if (!ok(resolve("minime13", "uao", day(2026, 4, 17), &s), "minime13 at uao"))
		return;
	is_str(s.site.abbr, "uao", "site");
	is_str(s.site.name, "Urbana Atmospheric Observatory", "its name");
	ok(s.site.lat_deg == 40.167 && s.site.lon_deg == -88.159 && s.site.alt_m == 200, "location");
	is_str(s.site.network, "nation", "network");
	is_int(s.site.sql_id, 6, "sql id");
	is_int(s.site.ndirections, 18, "directions");
	is_str(s.site.directions[0].name, "Laser", "in their order");
	ok(s.site.directions[3].has_angles && s.site.directions[3].ze == -45 && s.site.directions[3].az == 0,
	    "South looks back");
	ok(ins->lam0_green_m == 5.577e-7 && ins->lam_laser_m == 6.33e-7 && ins->nominal_gap_m == 0.012806,
	    "wavelengths and gap");
	ok(ins->skyI_thresh[0] == 3 && ins->skyI_thresh[1] == 1 && ins->skyB_thresh == 0.2, "thresholds");
	ok(ins->ntags == 2 && strcmp(ins->tags[0], "XG") == 0 && strcmp(ins->tags[1], "XR") == 0,
	    "tags in order");
	ok(!ins->send_to_madrigal && ins->many_fringes && ins->estimate_blur, "switches");
	is_str(ins->plot_ref, "zenith", "plot reference");
	is_int(ins->sql_green_temperatures_id, 142, "green id");

	ok(resolve("minime02", NULL, day(2013, 5, 1), &s) && ins->manual_temp_flag == 1 &&
	        ins->manual_wind_flag == 0,
	    "bad dates begin");
	ok(resolve("minime02", NULL, day(2013, 9, 21), &s) && ins->manual_temp_flag == 0,
	    "and end, the last day counting");
	ok(ins->skyI_thresh[0] == 0.0355 && isinf(ins->skyI_thresh[1]) && ins->skyI_thresh[1] < 0,
	    "null never trips below");
	ok(isinf(ins->skyB_thresh) && ins->skyB_thresh > 0, "null never trips above");
	ok(isnan(ins->lam0_green_m) && ins->sql_green_winds_id == 0, "no green line");
	ok(resolve("minime03", NULL, day(2020, 1, 1), &s) && !ins->estimate_blur, "no blur estimate");
}

/* The zone of every site is known here, and every instrument resolves on the first day of each of its stations. */
static void test_whole_table(void)
{
	static const char *const analysed[] = {
	    "minime01",
	    "minime02",
	    "minime03",
	    "minime04",
	    "minime05",
	    "minime06",
	    "minime07",
	    "minime08",
	    "minime09",
	    "minime10",
	    "minime11",
	    "minime12",
	    "minime13",
	    "minime80",
	    "minime90",
	    "minime91",
	    "minime92",
	    "minime94",
	    "minime95",
	};
	struct civil date = day(2026, 1, 1);
	size_t resolved = 0, zones = 0;
	struct fpi_setup s;

	for (size_t i = 0; i < NITEMS(analysed); i++) {
		struct tz *tz;

		if (!resolve(analysed[i], NULL, date, &s))
			continue;
		resolved++;
		tz = tz_open(s.site.timezone, NULL);
		zones += tz != NULL;
		tz_free(tz);
	}
	is_int(resolved, NITEMS(analysed) - 1, "all but minime13 work on 2026-01-01");
	is_int(zones, resolved, "with a known time zone each");
}

static void test_stationed(void)
{
	struct civil before = day(2026, 3, 31), after = day(2026, 4, 1);
	struct strvec v = STRVEC_INIT;
	struct err err = ERR_INIT;

	is_int(fpi_table_stationed(table, "uao", &before, &v, &err), 0, "asked for uao");
	ok(v.n == 1 && strcmp(v.v[0], "minime05") == 0, "one instrument before");
	strvec_release(&v);
	fpi_table_stationed(table, "uao", &after, &v, &err);
	ok(v.n == 2 && strcmp(v.v[0], "minime05") == 0 && strcmp(v.v[1], "minime13") == 0,
	    "two after, in table order");
	strvec_release(&v);
	ok(fpi_table_stationed(table, "xyz", &after, &v, &err) == -1 && err_is(&err, "unknown_site"), "%s",
	    err.text);
	is_int(v.n, 0, "nothing was added");
}

static void test_refusals(void)
{
	static const struct {
		const char *instrument, *site;
		struct civil date;
		enum err_class class;
		const char *code, *says;
	} cases[] = {
	    {"minime99", NULL, {2026, 4, 17}, ERR_CONFIG, "unknown_instrument", "did you mean"},
	    {"minime13", "uoa", {2026, 4, 17}, ERR_CONFIG, "unknown_site", "did you mean 'uao'"},
	    {"minime13", "uao", {2026, 3, 31}, ERR_CONFIG, "not_stationed", "uao 2026-04-01.."},
	    {"minime09", NULL, {2013, 8, 1}, ERR_CONFIG, "not_stationed", "par 2013-07-22..2013-07-31, vti"},
	    {"minime13", "car", {2026, 4, 17}, ERR_BAD_DATA, "other_site", "is at 'uao'"},
	    {"noto01", NULL, {2026, 4, 17}, ERR_CONFIG, "incomplete", "has no 'N'"},
	};
	struct fpi_setup s = {.date = {.year = -1}};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct err err = ERR_INIT;
		int r = fpi_table_resolve(table, cases[i].instrument, cases[i].site, &cases[i].date, &s, &err);

		ok(r == -1 && err.class == cases[i].class && err_is(&err, cases[i].code), "%s", err.text);
		ok(strstr(err.text, cases[i].says) != NULL, "it says \"%s\"", cases[i].says);
	}
	is_int(s.date.year, -1, "the result is untouched");
}

#define SITE_OK                                                                                         \
	"  aa:\n    name: A\n    location: {lat_deg: 1, lon_deg: 2, alt_m: 3}\n    timezone: UTC\n    " \
	"directions: {Zenith: {az: 0, ze: 0}}\n"
#define TABLE(more) "version: 1\nsites:\n" SITE_OK more

static void test_mistakes(void)
{
	static const struct {
		const char *text, *says;
		int line;
	} cases[] = {
	    {TABLE("    altitude: 7\ninstruments: {}\n"), "unknown key 'altitude'", 8},
	    {TABLE("    sharee: true\ninstruments: {}\n"), "did you mean 'share'", 8},
	    {TABLE("    share: perhaps\ninstruments: {}\n"), "'share' must be true or false, not 'perhaps'", 8},
	    {TABLE("    epochs: [{from: 2020-01-01, set: {timezone: UTC}}, {from: 2019-01-01, set: "
	           "{}}]\ninstruments: {}\n"),
	        "in order of 'from'", 8},
	    {TABLE("    epochs: [{from: 2020-13-01, set: {}}]\ninstruments: {}\n"), "'from' must be a date", 8},
	    {TABLE("instruments:\n  m1: {stations: [{site: bb, start: 2020-01-01, stop: null}], params: {}}\n"),
	        "no site 'bb'", 9},
	    {TABLE("instruments:\n  m1: {stations: [{site: aa, start: 2020-01-02, stop: 2020-01-01}], params: "
	           "{}}\n"),
	        "stop lies before start", 9},
	    {TABLE("instruments:\n  m1: {stations: [], params: {N: many}}\n"),
	        "'N' must be a whole number, not 'many'", 9},
	    {TABLE("instruments:\n  m1: {stations: [], params: {N: 5000}}\n"), "between 10 and 2048", 9},
	    {TABLE("instruments:\n  m1: {stations: [], params: {skyI_quality_thresh: [1]}}\n"),
	        "list of two numbers", 9},
	    {TABLE("instruments:\n  m1: {stations: [], params: {expected_tags: [x]}}\n"), "capital letters", 9},
	    {TABLE("instruments:\n  m1: {stations: [], params: {default_params: {R: 0.5}}}\n"),
	        "default_params has no 'alpha'", 9},
	    {TABLE("instruments:\n  m1: {stations: []}\n"), "an instrument has no 'params'", 9},
	    {"version: 2\nsites: {}\ninstruments: {}\n", "only version 1", 1},
	    {"version: 1\ninstruments: {}\n", "the table has no 'sites'", 1},
	    {"- 1\n", "must be a mapping", 1},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct diags diags = DIAGS_INIT;
		struct strbuf sb = STRBUF_INIT(100000);
		struct fpi_table *t = fpi_table_parse("t.yaml", cases[i].text, strlen(cases[i].text), &diags);
		char at[32];

		diags_print(&diags, &sb);
		snprintf(at, sizeof(at), "t.yaml:%d:", cases[i].line);
		ok(t == NULL && diags.errors >= 1, "refused: case %zu", i);
		if (!ok(strstr(sb.buf, cases[i].says) != NULL && strncmp(sb.buf, at, strlen(at)) == 0, "%s",
		        cases[i].says))
			diag("%s", sb.buf);
		fpi_table_free(t);
		strbuf_release(&sb);
		diags_release(&diags);
	}
}

int main(void)
{
	tap_run(test_load);
	tap_run(test_epochs);
	tap_run(test_values);
	tap_run(test_whole_table);
	tap_run(test_stationed);
	tap_run(test_refusals);
	tap_run(test_mistakes);
	fpi_table_free(table);
	return tap_done();
}
