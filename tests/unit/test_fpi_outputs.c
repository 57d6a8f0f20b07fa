/* Products of a night: the Level-1 text byte for byte, containers read back by numpy and h5py, pictures, names, determinism. */
#include "config.h"

#include "assets/fpi/level1.h"
#include "assets/fpi/nightlog.h"
#include "assets/fpi/picture_parts.h"
#include "assets/fpi/pictures.h"
#include "assets/fpi/products.h"
#include "assets/fpi/sites.h"
#include "base/json.h"
#include "tests/tap.h"

#include <math.h>

static const struct fpi_provenance provenance = {.software = "orchd test", .run_id = "01RUN"};

/* ---- a result from the numbers of a reference run */

static double number(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return json_is_string(v) ? strtod(json_string_value(v), NULL) : json_number_value(v);
}

static void set_frame(struct fpi_frame *f, const json_t *j)
{
	const char *when = json_str(j, "time_local", "");
	tm_ms utc = 0, local = 0;
	char naive[20];

	snprintf(naive, sizeof(naive), "%.19s", when);
	if (utctime_parse(when, &utc) == -1)
		tap_bail("bad time %s", when);
	naive[10] = ' ';
	if (utctime_parse(naive, &local) == -1)
		tap_bail("bad time %s", naive);
	f->name = xstrdup(json_str(j, "file", ""));
	f->path = xstrdup(f->name);
	f->utc_us = utc * 1000;
	f->local_us = local * 1000 + utc % 1000 * 1000;
}

static void set_fringe(struct fpi_fringe *f, int n)
{
	f->n = n;
	f->r = xcalloc((size_t)n, sizeof(double));
	f->counts = xcalloc((size_t)n, sizeof(double));
	f->sigma = xcalloc((size_t)n, sizeof(double));
	for (int i = 0; i < n; i++)
		f->r[i] = i;
}

static void set_sky(struct fpi_sky *s, const json_t *j, bool fringe)
{
	set_frame(&s->frame, j);
	s->frame.exposure_s = number(j, "sky_intT");
	s->frame.ccd_temp_C = number(j, "sky_ccd_temperature");
	if (fringe)
		set_fringe(&s->fringe, 500);
	s->az = number(j, "az");
	s->ze = number(j, "ze");
	snprintf(s->direction, sizeof(s->direction), "%s", json_str(j, "direction", ""));
	s->wind = number(j, "LOSwind");
	s->sigma_wind = number(j, "sigma_LOSwind");
	s->sigma_fit = number(j, "sigma_fit_LOSwind");
	s->sigma_cal = number(j, "sigma_cal_LOSwind");
	s->doppler_reference = number(j, "doppler_reference");
	s->T = number(j, "T");
	s->sigma_T = number(j, "sigma_T");
	s->skyI = number(j, "skyI");
	s->sigma_skyI = number(j, "sigma_skyI");
	s->skyB = number(j, "skyB");
	s->sigma_skyB = number(j, "sigma_skyB");
	s->ccdB = number(j, "ccdB");
	s->sigma_ccdB = number(j, "sigma_ccdB");
	s->redchi = number(j, "sky_chisqr");
	s->value[FPI_S_LAMC] = number(j, "lamc");
	s->error[FPI_S_LAMC] = number(j, "sigma_lamc");
	s->instrument[FPI_P_T] = number(j, "t_used");
	s->cloud = (struct fpi_stats){number(j, "cloud_mean"), -20, -40};
	s->wind_flag = (int)number(j, "wind_quality_flag");
	s->temp_flag = (int)number(j, "temp_quality_flag");
}

static void set_laser(struct fpi_laser *l, const json_t *j)
{
	set_frame(&l->frame, j);
	set_fringe(&l->fringe, 500);
	l->cx = json_number_value(json_array_get(json_object_get(j, "center_xy"), 0));
	l->cy = json_number_value(json_array_get(json_object_get(j, "center_xy"), 1));
	l->redchi = number(j, "chisqr");
	for (int p = 0; p < FPI_NLASER; p++) {
		l->value[p] = number(json_object_get(j, "value"), fpi_laser_param_name[p]);
		l->error[p] = number(json_object_get(j, "stderr"), fpi_laser_param_name[p]);
	}
}

static void resolve(struct fpi_setup *s, const char *instrument, const char *date)
{
	struct diags diags = DIAGS_INIT;
	struct fpi_table *t = fpi_table_load(test_src("etc/sites-and-instruments.yaml"), &diags);
	struct civil c;

	if (t == NULL || utctime_parse_yyyymmdd(date, &c) == -1 ||
	    fpi_table_resolve(t, instrument, NULL, &c, s, NULL) == -1)
		tap_bail("no setup for %s on %s", instrument, date);
	fpi_table_free(t);
	diags_release(&diags);
}

static struct fpi_result *load(const char *night, const char *instrument, const char *date, const char *tag)
{
	struct fpi_result *r = xcalloc(1, sizeof(*r));
	struct strbuf sb = STRBUF_INIT(1 << 22);
	char path[200];
	json_t *all, *run, *sky, *laser;

	snprintf(path, sizeof(path), "tests/data/fpi/%s/reference.json", night);
	if (fs_read(test_src(path), &sb, NULL) == -1 || (all = json_parse(sb.buf, sb.len, path, NULL)) == NULL)
		tap_bail("no %s", path);
	run = json_array_get(json_object_get(all, "runs"), 0);
	sky = json_object_get(run, "sky");
	laser = json_object_get(run, "laser");
	resolve(&r->setup, instrument, date);
	snprintf(r->tag, sizeof(r->tag), "%s", tag);
	r->lam0_m = number(run, "lam0");
	r->nsky = json_array_size(sky);
	r->nlaser = json_array_size(laser);
	r->sky = xcalloc(r->nsky, sizeof(*r->sky));
	r->laser = xcalloc(r->nlaser, sizeof(*r->laser));
	r->has_cloud = true;
	for (size_t i = 0; i < r->nsky; i++)
		set_sky(&r->sky[i], json_array_get(sky, i), i != 1);
	for (size_t i = 0; i < r->nlaser; i++)
		set_laser(&r->laser[i], json_array_get(laser, i));
	r->center.t0_us = r->laser[0].frame.utc_us;
	r->center.t1_us = r->laser[r->nlaser - 1].frame.utc_us;
	r->center.x[0] = r->laser[0].cx;
	r->center.y[0] = r->laser[0].cy;
	json_decref(all);
	strbuf_release(&sb);
	return r;
}

/* ---- texts */

static void test_level1(void)
{
	static const struct {
		const char *night, *date;
	} nights[] = {{"tiny_img", "20160807"}, {"quick_img", "20160805"}};

	for (size_t i = 0; i < NITEMS(nights); i++) {
		struct fpi_result *r = load(nights[i].night, "minime01", nights[i].date, "X");
		struct strbuf got = STRBUF_INIT(1 << 20), want = STRBUF_INIT(1 << 20);
		struct fpi_sky first = r->sky[0];
		char path[200];

		r->sky[0] = r->sky[r->nsky - 1]; /* lines come in time order all the same */
		r->sky[r->nsky - 1] = first;
		snprintf(path, sizeof(path), "tests/data/fpi/%s/reference-files/minime01_car_%s.txt",
		    nights[i].night, nights[i].date);
		ok(fs_read(test_src(path), &want, NULL) == 0, "reference text of %s", nights[i].night);
		fpi_level1_write(r, &got);
		is_str(got.buf, want.buf, "Level-1 text byte for byte");
		strbuf_release(&got);
		strbuf_release(&want);
		fpi_result_free(r);
	}
}

static void test_level1_missing(void)
{
	struct fpi_result *r = load("tiny_img", "minime01", "20160807", "X");
	struct strbuf got = STRBUF_INIT(1 << 20);
	struct fpi_sky *s = &r->sky[0];

	s->wind = s->T = s->cloud.mean = -NAN;
	s->sigma_wind = s->sigma_T = INFINITY;
	s->wind_flag = s->temp_flag = 2;
	r->reference = FPI_REF_ZENITH;
	r->lam0_m = 557.7e-9;
	fpi_level1_write(r, &got);
	ok(strstr(got.buf, "2016-08-07 21:40:46     0.0    0.0      nan     inf      nan     inf") != NULL,
	    "nan and inf, no sign");
	ok(strstr(got.buf, "     nan  2  2  zenith  5.6e-07  NONE \n") != NULL, "flags, reference, wavelength");
	strbuf_release(&got);
	fpi_result_free(r);
}

static void test_log(void)
{
	struct fpi_log_line lines[] = {
	    {.at = 0, .text = (char[]){"first"}}, {.at = 1792501264000, .text = (char[]){"a\n\t\tb"}}};
	struct fpi_result r = {.log = lines, .nlog = NITEMS(lines)};
	struct strbuf got = STRBUF_INIT(1000);

	fpi_nightlog_write(&r, &got);
	is_str(got.buf, "01/01/1970 00:00:00 AM: first\n10/20/2026 13:01:04 PM: a\n\t\tb\n", "log lines");
	strbuf_release(&got);
}

/* ---- containers */

static const struct fpi_product *find(const struct fpi_products *p, enum fpi_place place, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].place == place && strcmp(p->v[i].name, name) == 0)
			return &p->v[i];
	return NULL;
}

static void read_back(const struct fpi_products *p)
{
	char stem[300], command[1200], line[600];
	int checks = 0;
	FILE *f;

	for (size_t i = 0; i < p->n; i++) {
		char *path = fs_join(test_dir(), p->v[i].name);

		fs_write_atomic(path, p->v[i].bytes.buf, p->v[i].bytes.len, 0644, NULL);
		free(path);
	}
	if (system("/usr/bin/python3 -c 'import h5py, numpy' 2>/dev/null") != 0) {
		tap_skip("numpy or h5py is not installed for /usr/bin/python3");
		return;
	}
	snprintf(stem, sizeof(stem), "%s/minime01_car_20160807", test_dir());
	snprintf(command, sizeof(command), "/usr/bin/python3 '%s' %s '%s' 2>&1",
	    test_src("tests/unit/fpi_containers.py"), stem, test_src("tests/data/fpi/tiny_img/reference.json"));
	f = popen(command, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0) {
			ok(line[0] == 'o', "%s", strchr(line, 'k') + 2);
			checks++;
		} else {
			diag("%s", line);
		}
	}
	is_int(f != NULL ? pclose(f) : -1, 0, "the reader ended well");
	ok(checks > 40, "%d checks", checks);
}

static void test_products(void)
{
	static const struct {
		enum fpi_place place;
		const char *name;
	} want[] = {
	    {FPI_PLACE_RESULTS, "minime01_car_20160807.h5"},
	    {FPI_PLACE_RESULTS, "minime01_car_20160807.npz"},
	    {FPI_PLACE_RESULTS, "minime01_car_20160807.log"},
	    {FPI_PLACE_MADRIGAL, "minime01_car_20160807.txt"},
	    {FPI_PLACE_PICTURES, "minime01_car_20160807_diagnostics.png"},
	    {FPI_PLACE_PICTURES, "minime01_car_20160807_temperature.png"},
	    {FPI_PLACE_PICTURES, "minime01_car_20160807_winds.png"},
	    {FPI_PLACE_MADRIGAL, "minime01_car_20160807_temperature.png"},
	    {FPI_PLACE_MADRIGAL, "minime01_car_20160807_winds.png"},
	};
	struct fpi_result *r = load("tiny_img", "minime01", "20160807", "X");
	struct fpi_products p, again;
	struct err err = ERR_INIT;
	size_t equal = 0;

	snprintf(r->setup.site.name, sizeof(r->setup.site.name), "Cariri \u00e9\u4e2d");
	if (!ok(fpi_products_make(r, &provenance, &p, &err) == 0, "made %s", err.text))
		return;
	is_int(p.n, NITEMS(want), "products");
	is_int(p.failed.n, 0, "failures");
	for (size_t i = 0; i < NITEMS(want); i++)
		ok(find(&p, want[i].place, want[i].name) != NULL, "%s", want[i].name);
	fpi_products_make(r, &provenance, &again, &err);
	for (size_t i = 0; i < p.n && i < again.n; i++)
		equal += p.v[i].bytes.len == again.v[i].bytes.len &&
		         memcmp(p.v[i].bytes.buf, again.v[i].bytes.buf, p.v[i].bytes.len) == 0;
	is_int(equal, p.n, "made twice, equal bytes");
	read_back(&p);
	fpi_products_release(&p);
	fpi_products_release(&again);
	fpi_result_free(r);
}

static void test_names(void)
{
	struct fpi_setup s;
	char stem[128], name[160];

	resolve(&s, "minime13", "20260417");
	fpi_stem(&s, "XR", stem);
	is_str(stem, "minime13_uao_20260417_xr", "stem with a tag");
	fpi_stem(&s, "X", stem);
	is_str(stem, "minime13_uao_20260417", "stem of the tag X");
	fpi_diagnostics_name(&s, "XG", name);
	is_str(name, "minime13_uao_20260417_diagnostics.png", "green diagnostics lose their tag");
	fpi_diagnostics_name(&s, "XR", name);
	is_str(name, "minime13_uao_20260417_xr_diagnostics.png", "red ones keep it");
}

/* Not an instrument of Madrigal, no laser frame, no sensor; then nothing but a log. */
static void test_little(void)
{
	struct fpi_result *r = load("tiny_img", "minime01", "20160807", "X"), empty = {.tag = "XR"};
	struct fpi_products p;
	struct err err = ERR_INIT;
	size_t lasers = r->nlaser;

	r->setup.instrument.send_to_madrigal = false;
	r->nlaser = 0;
	r->has_cloud = false;
	ok(fpi_products_make(r, &provenance, &p, &err) == 0 && p.failed.n == 0, "no laser frames %s", err.text);
	is_int(p.n, 6, "nothing for Madrigal");
	fpi_products_release(&p);
	r->nlaser = lasers;
	fpi_result_free(r);

	resolve(&empty.setup, "minime13", "20260417");
	ok(fpi_products_make(&empty, &provenance, &p, &err) == 0, "a result without samples %s", err.text);
	is_int(p.failed.n, 3, "its pictures fail");
	is_int(p.n, 3, "the rest is there");
	fpi_products_release(&p);
	ok(fpi_products_make_log(&empty, ".log", &p, &err) == 0 && p.n == 1 &&
	        find(&p, FPI_PLACE_RESULTS, "minime13_uao_20260417_xr.log"),
	    "or the log alone");
	fpi_products_release(&p);
}

/* ---- pictures */

static void test_winds(void)
{
	struct fpi_sky sky[4] = {
	    {.frame = {.utc_us = 0}, .direction = "Zenith", .wind = 12, .plot_reference = 2, .sigma_wind = 3},
	    {.frame = {.utc_us = 1000000},
	        .direction = "East",
	        .ze = 45,
	        .wind = 57,
	        .plot_reference = 2,
	        .sigma_wind = 4},
	    {.frame = {.utc_us = 2000000},
	        .direction = "Zenith",
	        .wind = 32,
	        .plot_reference = 2,
	        .sigma_wind = 3},
	    {.frame = {.utc_us = 3000000},
	        .direction = "South",
	        .ze = 30,
	        .wind = 12,
	        .plot_reference = 2,
	        .sigma_wind = 4},
	};
	struct fpi_result r = {.sky = sky, .nsky = NITEMS(sky)};
	double w, e;

	picture_wind(&r, 0, &w, &e);
	ok(w == 10 && e == 3, "zenith: less the reference");
	picture_wind(&r, 1, &w, &e);
	ok(fabs(w - (55 - 20 * sqrt(0.5)) / sqrt(0.5)) < 1e-9 && fabs(e - 5) < 1e-9,
	    "east: vertical wind off, projected: %g +- %g", w, e);
	picture_wind(&r, 3, &w, &e);
	ok(fabs(w + 20) < 1e-9 && e == 4,
	    "south: turned round; no vertical wind after the last zenith sample: %g +- %g", w, e);
	sky[2].wind = 300;
	picture_wind(&r, 1, &w, &e);
	ok(fabs(w - 55 / sqrt(0.5)) < 1e-9, "wild vertical winds do not count: %g", w);
}

struct reader {
	const struct strbuf *png;
	size_t at;
};

static cairo_status_t give(void *arg, unsigned char *out, unsigned n)
{
	struct reader *r = arg;

	if (r->at + n > r->png->len)
		return CAIRO_STATUS_READ_ERROR;
	memcpy(out, r->png->buf + r->at, n);
	r->at += n;
	return CAIRO_STATUS_SUCCESS;
}

static bool is_near(uint32_t a, uint32_t b)
{
	for (int shift = 0; shift < 24; shift += 8)
		if (abs((int)(a >> shift & 255) - (int)(b >> shift & 255)) > 2)
			return false;
	return true;
}

/* Pixels of a colour (rounding apart) inside the plot, below heading and legend; -1 when the picture is no PNG of 1200 pixels. */
static long count_pixels(const struct strbuf *png, uint32_t rgb)
{
	struct reader r = {png, 0};
	cairo_surface_t *s = cairo_image_surface_create_from_png_stream(give, &r);
	long n = cairo_surface_status(s) == CAIRO_STATUS_SUCCESS && cairo_image_surface_get_width(s) == 1200
	             ? 0
	             : -1;

	for (int y = 112; n >= 0 && y < cairo_image_surface_get_height(s); y++) {
		const unsigned char *row =
		    cairo_image_surface_get_data(s) + (ptrdiff_t)y * cairo_image_surface_get_stride(s);

		for (int x = 0; x < 1200; x++) {
			uint32_t pixel;

			memcpy(&pixel, row + 4 * x, 4);
			n += is_near(pixel, rgb);
		}
	}
	cairo_surface_destroy(s);
	return n;
}

static long draw_and_count(const struct fpi_result *r, enum fpi_picture which, uint32_t rgb)
{
	struct strbuf png = STRBUF_INIT(8 << 20);
	struct err err = ERR_INIT;
	long n = -2;

	if (fpi_picture_draw(r, which, &png, &err) == 0)
		n = count_pixels(&png, rgb);
	else
		diag("%s", err.text);
	strbuf_release(&png);
	return n;
}

static void test_pictures(void)
{
	const uint32_t north = 0xd62629; /* its colour in every picture */
	struct fpi_result *r = load("quick_img", "minime01", "20160805", "X");
	long winds, points = 0;

	for (size_t i = 0; i < r->nsky; i++)
		points += strcmp(r->sky[i].direction, "North") == 0;
	winds = draw_and_count(r, FPI_PICTURE_WINDS, north);
	ok(points > 2 && winds > 50 * points && winds < 250 * points, "%ld points to the north: %ld pixels",
	    points, winds);
	ok(draw_and_count(r, FPI_PICTURE_TEMPERATURE, north) > 50 * points, "in the temperatures too");
	ok(draw_and_count(r, FPI_PICTURE_DIAGNOSTICS, north) > 15 * points, "and the brightness");
	for (size_t i = 0; i < r->nsky; i++)
		if (strcmp(r->sky[i].direction, "North") == 0)
			r->sky[i].wind_flag = 2;
	is_int(draw_and_count(r, FPI_PICTURE_WINDS, north), 0, "bad samples fade");
	ok(draw_and_count(r, FPI_PICTURE_TEMPERATURE, north) > 50 * points,
	    "by the flag of the picture's own quantity");
	for (size_t i = 0; i < r->nsky; i++) {
		r->sky[i].wind = r->sky[i].T = r->sky[i].skyI = r->sky[i].redchi = NAN;
		r->sky[i].sigma_wind = r->sky[i].sigma_T = INFINITY;
	}
	for (int which = 0; which < FPI_NPICTURES; which++)
		ok(draw_and_count(r, (enum fpi_picture)which, 0) >= 0, "nothing to show is no failure");
	r->nsky = 1;
	for (int which = 0; which < FPI_NPICTURES; which++)
		ok(draw_and_count(r, (enum fpi_picture)which, 0) >= 0, "nor is a single sample");
	r->nsky = 20;
	fpi_result_free(r);
}

int main(void)
{
	tap_run(test_level1);
	tap_run(test_level1_missing);
	tap_run(test_log);
	tap_run(test_products);
	tap_run(test_names);
	tap_run(test_little);
	tap_run(test_winds);
	tap_run(test_pictures);
	return tap_done();
}
