/*
 * test_fpi_nights.c: whole nights against the reference analysis of the same images, and nights that go wrong.
 *
 * The nights are synthetic; what the reference made of them lies beside the images.  The Doppler offset of a night sits
 * on a knife's edge (see doppler.c), so winds are compared with the median difference taken out, and the offset itself
 * apart.
 */
#include "config.h"

#include "tests/tap.h"

#include "assets/fpi/center.h"
#include "assets/fpi/quantile.h"
#include "tests/component/fpi_fixture.h"

#include <math.h>

static struct fpi_request request(
    const struct fixture *images, const struct fixture *aux, const struct fpi_setup *setup)
{
	struct fpi_request req = {.setup = *setup, .options = fpi_options_default, .images = &images->source};

	req.aux = aux != NULL ? &aux->source : NULL;
	return req;
}

/* ---- agreement */

static double num(const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

static const json_t *reference_run(const json_t *ref, const char *tag)
{
	const json_t *runs = json_object_get(ref, "runs");

	for (size_t i = 0; i < json_array_size(runs); i++)
		if (strcmp(json_string_value(json_object_get(json_array_get(runs, i), "tag")), tag) == 0)
			return json_array_get(runs, i);
	tap_bail("the reference has no tag %s", tag);
}

struct worst {
	double wind, T, sigma_wind, sigma_T, cloud, offset;
	size_t flags, directions, files, angles;
};

static void raise_to(double *worst, double v)
{
	if (!(v <= *worst))
		*worst = v;
}

static double median_difference(const struct fpi_result *r, const json_t *sky)
{
	double *d = xcalloc(r->nsky, sizeof(*d)), m;

	for (size_t i = 0; i < r->nsky; i++)
		d[i] = r->sky[i].wind - num(json_array_get(sky, i), "LOSwind");
	m = fpi_quantile(d, r->nsky, 0.5);
	free(d);
	return m;
}

static void compare_sample(const struct fpi_sky *s, const json_t *ref, double offset, struct worst *w)
{
	double sw = num(ref, "sigma_LOSwind"), st = num(ref, "sigma_T");

	raise_to(&w->wind, fabs(s->wind - num(ref, "LOSwind") - offset) / sw);
	raise_to(&w->T, fabs(s->T - num(ref, "T")) / st);
	raise_to(&w->sigma_wind, fabs(s->sigma_wind / sw - 1));
	raise_to(&w->sigma_T, fabs(s->sigma_T / st - 1));
	if (isnan(num(ref, "cloud_mean")) != isnan(s->cloud.mean))
		w->cloud = INFINITY;
	else if (!isnan(s->cloud.mean))
		raise_to(&w->cloud, fabs(s->cloud.mean - num(ref, "cloud_mean")));
	w->flags += s->wind_flag != (int)num(ref, "wind_quality_flag") ||
	            s->temp_flag != (int)num(ref, "temp_quality_flag");
	w->directions += strcmp(s->direction, json_string_value(json_object_get(ref, "direction"))) != 0;
	w->files += strcmp(s->frame.name, json_string_value(json_object_get(ref, "file"))) != 0;
	w->angles += fabs(s->az - num(ref, "az")) > 1e-9 || fabs(s->ze - num(ref, "ze")) > 1e-9;
}

static void compare_sky(const struct fpi_result *r, const json_t *run)
{
	const json_t *sky = json_object_get(run, "sky");
	struct worst w = {0};

	if (!is_int((int64_t)r->nsky, (int64_t)json_array_size(sky), "as many samples as the reference"))
		return;
	w.offset = median_difference(r, sky);
	for (size_t i = 0; i < r->nsky; i++)
		compare_sample(&r->sky[i], json_array_get(sky, i), w.offset, &w);
	ok(w.wind < 0.01, "winds within %.4f sigma, offset removed", w.wind);
	ok(fabs(w.offset) < 0.15, "the Doppler offset differs by %.4f m/s", w.offset);
	ok(w.T < 0.01, "temperatures within %.4f sigma", w.T);
	ok(w.sigma_wind < 0.005 && w.sigma_T < 0.005, "error bars within %.4f and %.4f", w.sigma_wind,
	    w.sigma_T);
	ok(w.cloud < 0.006, "cloud values within %.4f C", w.cloud);
	is_int((int64_t)w.flags, 0, "flags are the same");
	is_int((int64_t)w.directions, 0, "directions are the same");
	is_int((int64_t)w.files, 0, "files are the same, in the same order");
	is_int((int64_t)w.angles, 0, "reported angles are the same");
}

static void compare_laser(const struct fpi_result *r, const json_t *run)
{
	const json_t *laser = json_object_get(run, "laser");
	double center = 0, value = 0, error = 0;

	if (!is_int(
	        (int64_t)r->nlaser, (int64_t)json_array_size(laser), "as many laser frames as the reference"))
		return;
	for (size_t i = 0; i < r->nlaser; i++) {
		const json_t *ref = json_array_get(laser, i), *xy = json_object_get(ref, "center_xy");

		raise_to(&center, hypot(r->laser[i].cx - json_number_value(json_array_get(xy, 0)),
		                      r->laser[i].cy - json_number_value(json_array_get(xy, 1))));
		for (int k = 0; k < FPI_NLASER; k++) {
			double v = num(json_object_get(ref, "value"), fpi_laser_param_name[k]);
			double e = num(json_object_get(ref, "stderr"), fpi_laser_param_name[k]);

			raise_to(&value, fabs(r->laser[i].value[k] - v) / (e > 0 ? e : fabs(v)));
			raise_to(&error, e > 0 ? fabs(r->laser[i].error[k] / e - 1) : r->laser[i].error[k]);
		}
	}
	ok(center < 0.01, "ring centres within %.5f pixels", center);
	ok(value < 0.2, "laser parameters within %.4f of their errors", value);
	ok(error < 0.05, "their errors within %.4f", error);
}

static double fringe_difference(const struct fpi_fringe *f, const json_t *ref, const char *key)
{
	const json_t *v = json_object_get(ref, key);
	const double *mine = strcmp(key, "r") == 0 ? f->r : f->counts;
	double worst = json_array_size(v) == (size_t)f->n ? 0 : INFINITY;

	for (int i = 0; i < f->n; i++)
		raise_to(&worst, fabs(mine[i] / json_number_value(json_array_get(v, (size_t)i)) - 1));
	return worst;
}

static void compare_fringes(const struct fpi_result *r, const json_t *run)
{
	const json_t *laser = json_object_get(run, "first_laser_fringe"),
	             *sky = json_object_get(run, "first_sky_fringe");

	/* the centre of the last digit decides which ring a pixel on an edge falls into */
	ok(fringe_difference(&r->laser[0].fringe, laser, "r") < 1e-6, "radii of the first laser frame agree");
	ok(fringe_difference(&r->laser[0].fringe, laser, "counts") < 2e-3, "its sums agree within %.1e",
	    fringe_difference(&r->laser[0].fringe, laser, "counts"));
	ok(fringe_difference(&r->sky[0].fringe, sky, "counts") < 2e-3,
	    "those of the first sky frame within %.1e", fringe_difference(&r->sky[0].fringe, sky, "counts"));
}

struct watch {
	int laser_fits; /* times the stage began */
	size_t seen; /* progress calls */
};

static void on_progress(void *arg, const char *stage, size_t done, size_t total)
{
	struct watch *w = arg;

	w->seen++;
	w->laser_fits += strcmp(stage, "laser fits") == 0 && done == 1;
	if (done > total)
		tap_bail("%s: %zu of %zu", stage, done, total);
}

/* A night's tags through one fpi_laser_night. */
static void compare_night(const char *name, const char *instrument, const char *site, const char *date,
    struct fixture *images, const char *const *tags, size_t ntags)
{
	char file[128];
	struct fpi_setup setup;
	struct fixture aux;
	struct watch watch = {0};
	struct fpi_request req;
	struct fpi_night *night;
	struct err err = ERR_INIT;
	json_t *ref;
	int reread = 0;

	snprintf(file, sizeof(file), "%s/reference.json", name);
	ref = fixture_json(file);
	snprintf(file, sizeof(file), "tests/data/fpi/%s/upload", name);
	fixture_folder(&aux, test_src(file), "Cloud");
	fixture_setup(instrument, site, date, &setup);
	req = request(images, &aux, &setup);
	req.progress = on_progress;
	req.arg = &watch;
	if (!ok(fpi_laser_night(&req, &night, &err) == 0, "%s: laser frames %s", name, err.text))
		return;
	for (size_t t = 0; t < ntags; t++) {
		const json_t *run = reference_run(ref, tags[t]);
		struct fpi_result *r;

		if (ok(fpi_sky_night(night, tags[t], &r, &err) == 0, "%s %s: sky frames %s", name, tags[t],
		        err.text)) {
			compare_sky(r, run);
			compare_laser(r, run);
			compare_fringes(r, run);
			ok(r->reference == FPI_REF_LASER && r->nwarnings == 0, "laser reference, no warning");
		}
		fpi_result_free(r);
	}
	fpi_night_free(night);
	is_int(watch.laser_fits, 1, "the laser frames were fitted once");
	for (size_t i = 0; i < images->source.n; i++)
		reread += atomic_load(&images->files[i].reads) != 1;
	is_int(reread, 0, "each file was read once");
	json_decref(ref);
	fixture_release(&aux);
}

static void open_tiny(struct fixture *f)
{
	const char *piece = test_src("tests/data/fpi/tiny_img/upload/fpi01_car_20160807.tar.gz000000");

	fixture_archive(f, &piece, 1);
}

static void test_tiny_img(void)
{
	const char *tags[] = {"X"};
	struct fixture images;

	open_tiny(&images);
	compare_night("tiny_img", "minime01", "car", "20160807", &images, tags, 1);
	fixture_release(&images);
}

static void test_quick_hdf5(void)
{
	const char *archive = test_src("tests/data/fpi/quick_hdf5/images.tar.xz"), *tags[] = {"XG", "XR"};
	struct fixture images;

	fixture_archive(&images, &archive, 1);
	compare_night("quick_hdf5", "minime13", "uao", "20260417", &images, tags, 2);
	fixture_release(&images);
}

/* Its images are too large to come with the sources: FPI_NIGHTS names a folder with quick_img/upload. */
static void test_quick_img(void)
{
	const char *dir = getenv("FPI_NIGHTS"), *tags[] = {"X"};
	char path[3][512];
	struct fixture images;

	if (dir == NULL) {
		tap_skip("FPI_NIGHTS is not set");
		return;
	}
	for (int i = 0; i < 3; i++)
		snprintf(
		    path[i], sizeof(path[i]), "%s/quick_img/upload/fpi01_car_20160805.tar.gz00000%d", dir, i);
	fixture_archive(&images, (const char *[]){path[0], path[1], path[2]}, 3);
	compare_night("quick_img", "minime01", "car", "20160805", &images, tags, 1);
	fixture_release(&images);
}

/* ---- nights that go wrong: the tiny one, changed */

struct tiny {
	struct fixture images, aux;
	struct fpi_request req;
	struct fpi_result *r;
	struct err err;
	int rc;
};

static void tiny_open(struct tiny *t)
{
	struct fpi_setup setup;

	*t = (struct tiny){.err = ERR_INIT};
	open_tiny(&t->images);
	fixture_folder(&t->aux, test_src("tests/data/fpi/tiny_img/upload"), "Cloud");
	fixture_setup("minime01", "car", "20160807", &setup);
	t->req = request(&t->images, &t->aux, &setup);
}

static void tiny_run(struct tiny *t)
{
	fpi_result_free(t->r);
	t->r = NULL;
	t->err = ERR_INIT;
	t->rc = fpi_night_run(&t->req, "X", &t->r, &t->err);
}

static void tiny_close(struct tiny *t)
{
	fpi_result_free(t->r);
	fixture_release(&t->images);
	fixture_release(&t->aux);
}

static size_t warnings(const struct fpi_result *r, const char *label)
{
	size_t n = 0;

	for (size_t i = 0; r != NULL && i < r->nwarnings; i++)
		n += strcmp(r->warnings[i].label, label) == 0;
	return n;
}

static bool log_has(const struct fpi_result *r, const char *words)
{
	for (size_t i = 0; r != NULL && i < r->nlog; i++)
		if (strstr(r->log[i].text, words) != NULL)
			return true;
	return false;
}

static void is_failure(struct tiny *t, const char *code, const char *label)
{
	tiny_run(t);
	is_int(t->rc, -1, code);
	is_str(t->err.code, code, "it has its code");
	is_int(t->err.class, ERR_BAD_DATA, "it is the data's fault");
	is_str(fpi_error_label(&t->err), label, "its issue label");
	ok(t->r != NULL && t->r->nsky == 0 && log_has(t->r, code), "the log is kept and names it");
}

static void test_taxonomy(void)
{
	struct tiny t;
	int32_t hot = 20;

	tiny_open(&t);
	for (size_t i = 0; i < t.images.source.n; i++)
		if (strstr(t.images.files[i].name, "_X_") != NULL)
			fixture_patch_img(&t.images, i, 4, 36, &hot, sizeof(hot));
	is_failure(&t, FPI_E_HOT_CCD, "error:processing_general");
	fixture_keep(&t.images, "_X_", 0);
	is_failure(&t, FPI_E_NO_SKY_IMAGES, "error:no_sky_images");
	fixture_keep(&t.images, "_L_", 0);
	is_failure(&t, FPI_E_NO_LASER_IMAGES, "error:no_laser_images");
	tiny_close(&t);
}

static void test_bad_lasers(void)
{
	struct tiny t;

	tiny_open(&t);
	fixture_keep(&t.images, "_L_", 2);
	is_failure(&t, FPI_E_BAD_DOPPLER, "error:bad_doppler_reference");
	is_int((int64_t)warnings(t.r, "warning:laser_center"), 1, "two laser images are called few");
	fixture_keep(&t.images, "_L_", 1);
	t.req.options.fall_back = false;
	is_failure(&t, FPI_E_BAD_LASER, "error:laser_centerfinding");
	fixture_keep(&t.images, "_L_", 0);
	is_failure(&t, FPI_E_BAD_LASER, "error:laser_centerfinding");
	tiny_close(&t);
}

static void test_fall_back(void)
{
	struct tiny t;
	size_t cautious = 0;

	for (size_t lasers = 0; lasers < 2; lasers++) {
		tiny_open(&t);
		/* the hard-coded centre is that of the whole chip; the tiny frames are cut from its middle */
		t.req.setup.instrument.defaults.center_x = 127.3;
		t.req.setup.instrument.defaults.center_y = 128.3;
		fixture_keep(&t.images, "_L_", lasers);
		tiny_run(&t);
		ok(t.rc == 0 && t.r->nsky == 10, "%zu laser images: all samples with the zenith reference %s",
		    lasers, t.err.text);
		is_int(t.r->reference, FPI_REF_ZENITH, "which the result says");
		is_int((int64_t)t.r->nlaser, 0, "without laser frames");
		ok(log_has(t.r, "analyzed with zenith reference"), "a warning tells");
		for (size_t i = 0; i < t.r->nsky; i++) {
			const struct fpi_sky *s = &t.r->sky[i];

			cautious += s->wind_flag >= 1 && s->temp_flag >= 1;
			if (strcmp(s->direction, "Zenith") == 0 && s->sigma_wind < 150 && fabs(s->wind) > 1e-9)
				ok(false, "zenith wind %g of %s is not zero", s->wind, s->frame.name);
			if (s->sigma_cal != 0)
				ok(false, "%s has a calibration error", s->frame.name);
		}
		is_int((int64_t)cautious, 10, "all are flagged");
		cautious = 0;
		tiny_close(&t);
	}
}

static void test_no_usable_sky(void)
{
	struct tiny t;
	int16_t noonish[2] = {13, 0}; /* hour, minute */

	tiny_open(&t);
	for (size_t i = 0; i < t.images.source.n; i++)
		if (strstr(t.images.files[i].name, "_X_") != NULL)
			fixture_patch_img(&t.images, i, 4, 4 + 8, noonish, sizeof(noonish));
	is_failure(&t, FPI_E_NO_USABLE_SKY, "error:processing_general");
	ok(log_has(t.r, "Sun up during"), "the log says the sun was up");
	tiny_close(&t);
}

static void test_bad_images(void)
{
	struct tiny t, whole;
	size_t laser, sky;
	double worst = 0;

	tiny_open(&whole);
	tiny_run(&whole);
	tiny_open(&t);
	laser = fixture_find(&t.images, "_L_20160808_000802");
	sky = fixture_find(&t.images, "_X_20160807_191708");
	t.images.files[laser].n = 5000;
	memcpy(t.images.files[sky].bytes, "????", 4);
	tiny_run(&t);
	ok(t.rc == 0, "a truncated laser image and a sky image without magic do not end the night %s",
	    t.err.text);
	is_int((int64_t)t.r->nsky, 9, "the sky image is left out");
	is_int((int64_t)t.r->nlaser, 7, "so is the laser image");
	is_int((int64_t)warnings(t.r, "warning:bad_image"), 2, "a warning for each kind");
	ok(log_has(t.r, "000802_005.img cannot be read: 5000 bytes"), "the log says which and why");
	for (size_t i = 0, k = 0; i < t.r->nsky; i++, k++) {
		k += strcmp(t.r->sky[i].frame.name, whole.r->sky[k].frame.name) != 0;
		raise_to(&worst, fabs(t.r->sky[i].T - whole.r->sky[k].T) / whole.r->sky[k].sigma_T);
	}
	ok(worst < 1, "the others hardly change: temperatures by %.2f sigma", worst);
	tiny_close(&whole);
	tiny_close(&t);
}

static void test_not_fetched(void)
{
	struct tiny t;

	tiny_open(&t);
	t.images.fail_at = fixture_find(&t.images, "_X_20160807_191708");
	tiny_run(&t);
	is_int(t.rc, -1, "an image that cannot be fetched fails the night");
	is_int(t.err.class, ERR_TRANSIENT, "with the store's error class");
	is_str(t.err.code, "store_down", "and code");
	tiny_close(&t);
}

static void test_no_clouds(void)
{
	struct tiny t;
	size_t flagged = 0;

	tiny_open(&t);
	t.req.aux = NULL;
	tiny_run(&t);
	ok(t.rc == 0, "a night without cloud sensor");
	is_int((int64_t)warnings(t.r, "warning:cloud_sensor_data"), 1, "is a warning");
	for (size_t i = 0; i < t.r->nsky; i++)
		flagged +=
		    t.r->sky[i].wind_flag == 1 && t.r->sky[i].temp_flag == 1 && isnan(t.r->sky[i].cloud.mean);
	is_int((int64_t)flagged, 10, "and caution on every sample");
	tiny_close(&t);
}

static void test_manual_flags(void)
{
	struct tiny t;

	tiny_open(&t);
	t.req.setup.instrument.manual_wind_flag = 2;
	t.req.setup.instrument.manual_temp_flag = 1;
	tiny_run(&t);
	ok(t.rc == 0 && t.r->sky[0].wind_flag == 2 && t.r->sky[0].temp_flag == 1,
	    "manual flags land where they belong");
	tiny_close(&t);
}

static void test_other_nights_frames(void)
{
	struct tiny t;

	tiny_open(&t);
	t.req.setup.date.day++;
	is_failure(&t, FPI_E_NO_LASER_IMAGES, "error:no_laser_images");
	tiny_close(&t);
}

static void test_moon(void)
{
	struct tiny t;

	tiny_open(&t);
	t.req.options.moon_thresh_deg = 180;
	is_failure(&t, FPI_E_NO_USABLE_SKY, "error:processing_general");
	ok(log_has(t.r, "degrees from the moon"), "when every direction is too near the moon");
	tiny_close(&t);
}

static bool cancel_after(void *arg)
{
	int *left = arg;

	return (*left)-- <= 0;
}

static void test_cancel(void)
{
	struct tiny t;
	int cancelled = 0, done = 0;

	tiny_open(&t);
	t.req.cancel = cancel_after;
	for (int n = 0; n < 80; n += 4) {
		int left = n;

		t.req.arg = &left;
		tiny_run(&t);
		cancelled += t.rc == -1 && t.err.class == ERR_CANCELLED;
		done += t.rc == 0;
	}
	is_int(cancelled + done, 20, "cancelled at any moment, a night ends as cancelled or is complete");
	ok(cancelled > 10, "it was cancelled %d times", cancelled);
	tiny_close(&t);
}

static bool same_results(const struct fpi_result *a, const struct fpi_result *b)
{
	bool same = a->nsky == b->nsky && a->nlaser == b->nlaser;

	for (size_t i = 0; i < a->nsky && same; i++)
		same = memcmp(a->sky[i].value, b->sky[i].value, sizeof(a->sky[i].value)) == 0 &&
		       memcmp(a->sky[i].error, b->sky[i].error, sizeof(a->sky[i].error)) == 0 &&
		       a->sky[i].wind == b->sky[i].wind;
	for (size_t i = 0; i < a->nlaser && same; i++)
		same = memcmp(a->laser[i].value, b->laser[i].value, sizeof(a->laser[i].value)) == 0;
	return same;
}

static void test_threads(void)
{
	static const int threads[] = {1, 2, 3, 8};
	struct tiny first;

	tiny_open(&first);
	first.req.options.threads = 1;
	tiny_run(&first);
	for (size_t k = 0; k < NITEMS(threads); k++) {
		struct tiny t;

		tiny_open(&t);
		t.req.options.threads = threads[k];
		t.images.source.concurrent = k % 2 == 0;
		tiny_run(&t);
		ok(t.rc == 0 && same_results(first.r, t.r), "%d threads give the same bits", threads[k]);
		if (!t.images.source.concurrent)
			is_int(atomic_load(&t.images.most), 1, "one read at a time when the source wants that");
		tiny_close(&t);
	}
	tiny_close(&first);
}

static void test_statistics(void)
{
	static const enum fpi_doppler_statistic others[] = {
	    FPI_DOPPLER_EXACT, FPI_DOPPLER_MEDIAN, FPI_DOPPLER_MEAN};
	struct tiny t;

	tiny_open(&t);
	for (size_t k = 0; k < NITEMS(others); k++) {
		t.req.options.doppler_statistic = others[k];
		tiny_run(&t);
		ok(t.rc == 0 && fabs(t.r->sky[0].doppler_reference + 104) < 15,
		    "statistic %zu: offset %.2f m/s", k, t.r->sky[0].doppler_reference);
	}
	tiny_close(&t);
}

int main(void)
{
	tap_run(test_tiny_img);
	tap_run(test_quick_hdf5);
	tap_run(test_quick_img);
	tap_run(test_taxonomy);
	tap_run(test_bad_lasers);
	tap_run(test_fall_back);
	tap_run(test_no_usable_sky);
	tap_run(test_bad_images);
	tap_run(test_not_fetched);
	tap_run(test_no_clouds);
	tap_run(test_manual_flags);
	tap_run(test_other_nights_frames);
	tap_run(test_moon);
	tap_run(test_cancel);
	tap_run(test_threads);
	tap_run(test_statistics);
	return tap_done();
}
