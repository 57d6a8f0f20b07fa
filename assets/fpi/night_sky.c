/* night_sky.c: the sky frames of one tag: selection, sums, fits, winds. */
#include "config.h"

#include "assets/fpi/annuli.h"
#include "assets/fpi/auxiliary.h"
#include "assets/fpi/direction.h"
#include "assets/fpi/doppler.h"
#include "assets/fpi/flags.h"
#include "assets/fpi/night_impl.h"
#include "assets/fpi/pool.h"
#include "assets/fpi/select.h"
#include "assets/fpi/sky_fit.h"
#include "assets/fpi/wind.h"
#include "base/mem.h"

#include <math.h>

#define HOT_CCD_C        -10.0
#define HOT_CCD_SHARE    0.9
#define WARM_CCD_C       -55.0
#define WIND_GUESS_SIGMA 30.0 /* m/s: a fit this good tells where to look for the line in later frames */

/* One frame on its way through the stages. */
struct job {
	size_t shot;
	struct fpi_fringe fringe;
	double instrument[FPI_NLASER];
	struct fpi_sky_fit fit;
	char *trouble; /* dropped: why */
};

struct run {
	struct fpi_night *night;
	struct fpi_result *r;
	struct fpi_notes notes;
	struct laser_work *lasers; /* NULL in zenith mode */
	struct fpi_gap gap;
	struct job *jobs;
	size_t njobs;
	size_t fit_from; /* jobs before this are fitted already */
	double lam_guess;
	struct fpi_annuli_work *annuli[FPI_THREADS_MAX];
	struct fpi_sky_model *model[FPI_THREADS_MAX];
	char annuli_stage[FPI_NAME_MAX + 16], fit_stage[FPI_NAME_MAX + 16];
};

/* ---- which frames */

static int check_found(struct run *run, const struct shot_list *sky, struct err *err)
{
	const struct fpi_setup *s = &run->night->req.setup;
	struct shot_list lasers;
	size_t nlasers;

	if (sky->n > 0)
		return 0;
	if (night_shots(run->night, FPI_LASER_KIND, &lasers, err) == -1)
		return -1;
	nlasers = lasers.n;
	shot_list_release(&lasers);
	if (nlasers == 0)
		return err_code(err, ERR_BAD_DATA, FPI_E_NO_LASER_IMAGES,
		    "No laser or %s sky images found for %s on %04d-%02d-%02d", run->r->tag, s->instrument.name,
		    s->date.year, s->date.month, s->date.day);
	return err_code(err, ERR_BAD_DATA, FPI_E_NO_SKY_IMAGES,
	    "No %s sky images found for %s on %04d-%02d-%02d", run->r->tag, s->instrument.name, s->date.year,
	    s->date.month, s->date.day);
}

static int check_ccd(const struct run *run, const struct shot_list *sky, struct err *err)
{
	size_t hot = 0;

	for (size_t i = 0; i < sky->n; i++)
		hot += run->night->shots[sky->v[i]].image.frame.ccd_temp_C > HOT_CCD_C;
	if ((double)hot <= HOT_CCD_SHARE * (double)sky->n)
		return 0;
	return err_code(err, ERR_BAD_DATA, FPI_E_HOT_CCD,
	    "%zu of %zu %s sky images have a CCD warmer than %.0f C. <HOTCCD>", hot, sky->n, run->r->tag,
	    HOT_CCD_C);
}

/* The night's limits as the first frame sees them, and the span of all frames. */
static int set_limits(struct run *run, const struct shot_list *sky, struct err *err)
{
	struct fpi_night *night = run->night;
	double t0 = (double)night->shots[sky->v[0]].image.frame.utc_us / 1e6, set, rise;
	double limb = night->req.options.sun_horizon_deg;
	struct fpi_result *r = run->r;

	if (sun_next(&night->place, SUN_SETS, t0 - 43200, limb, &set, err) == -1 ||
	    sun_next(&night->place, SUN_RISES, t0, limb, &rise, err) == -1)
		return -1;
	r->sunset_us = (int64_t)(set * 1e6);
	r->sunrise_us = (int64_t)(rise * 1e6);
	r->first_sky_us = INT64_MAX;
	r->last_sky_us = INT64_MIN;
	for (size_t i = 0; i < sky->n; i++) {
		int64_t t = night->shots[sky->v[i]].image.frame.utc_us;

		r->first_sky_us = MIN(r->first_sky_us, t);
		r->last_sky_us = MAX(r->last_sky_us, t);
	}
	return 0;
}

/* Laser mode when the lasers are good; else zenith mode, or the error when that is not wanted. */
static int set_reference(struct run *run, struct err *err)
{
	struct fpi_night *night = run->night;
	const struct fpi_defaults *d = &night->req.setup.instrument.defaults;
	const char *name = night->req.setup.instrument.name;

	run->r->reference = night->req.options.reference;
	if (run->r->reference == FPI_REF_LASER) {
		if (night_lasers(night, run->r->sunset_us, run->r->sunrise_us, &run->lasers, err) == -1)
			return -1;
		fpi_notes_append(&run->notes, &run->lasers->notes);
		if (run->lasers->trouble == NULL) {
			run->r->center = run->lasers->curve;
			fpi_gap_median(run->lasers->laser, run->lasers->nlaser, &run->gap);
			return 0;
		}
		fpi_note(&run->notes, "%s <BADLASER>", run->lasers->trouble);
		if (!night->req.options.fall_back)
			return err_code(err, ERR_BAD_DATA, FPI_E_BAD_LASER, "%s: %s <BADLASER>", name,
			    run->lasers->trouble);
		fpi_note_warning(&run->notes, "error:laser_centerfinding",
		    "Bad laser images - analyzed with zenith reference for %s: %s", name, run->lasers->trouble);
		run->lasers = NULL;
		run->r->reference = FPI_REF_ZENITH;
	}
	run->r->center.x[0] = d->center_x;
	run->r->center.y[0] = d->center_y;
	run->gap = (struct fpi_gap){.median = night->req.setup.instrument.nominal_gap_m};
	fpi_note(&run->notes, "Using zenith reference. Using hard-coded value of (%.1f, %.1f) as center pixel.",
	    d->center_x, d->center_y);
	return 0;
}

static bool accept(struct run *run, const struct shot *s)
{
	const struct fpi_result *r = run->r;
	const struct fpi_frame *f = &s->image.frame;
	double moon;

	if (f->utc_us <= r->sunset_us || f->utc_us >= r->sunrise_us) {
		fpi_note(&run->notes, "Sun up during %s. Ignoring this image...", s->path);
		return false;
	}
	if (run->lasers != NULL && (f->utc_us <= run->lasers->laser[0].frame.utc_us ||
	                               f->utc_us >= run->lasers->laser[run->lasers->nlaser - 1].frame.utc_us)) {
		fpi_note(&run->notes, "%s not bounded by laser images. Ignoring this image...", s->path);
		return false;
	}
	moon = moon_angle_deg(&run->night->place, (double)f->utc_us / 1e6, f->az, f->ze);
	if (moon < run->night->req.options.moon_thresh_deg) {
		fpi_note(
		    &run->notes, "%s is %.1f degrees from the moon. Ignoring this image...", s->path, moon);
		return false;
	}
	return true;
}

static int select_frames(struct run *run, const struct shot_list *sky, struct err *err)
{
	run->jobs = xcalloc(sky->n + 1, sizeof(*run->jobs));
	for (size_t i = 0; i < sky->n; i++)
		if (accept(run, &run->night->shots[sky->v[i]]))
			run->jobs[run->njobs++].shot = sky->v[i];
	if (run->njobs == 0)
		return err_code(err, ERR_BAD_DATA, FPI_E_NO_USABLE_SKY,
		    "No usable %s sky images found among %zu", run->r->tag, sky->n);
	return 0;
}

/* ---- sums and fits */

static void annuli_item(struct fpi_night *night, void *arg, size_t i, int worker)
{
	struct run *run = arg;
	struct job *j = &run->jobs[i];
	const struct shot *s = &night->shots[j->shot];
	struct err err = ERR_INIT;
	double cx, cy;

	if (run->annuli[worker] == NULL)
		run->annuli[worker] = fpi_annuli_work_new();
	fpi_center_at(&run->r->center, s->image.frame.utc_us, &cx, &cy);
	if (fpi_annuli_sum(&s->image.px, cx, cy, night->req.setup.instrument.N, run->annuli[worker], &j->fringe,
	        &err) == -1)
		j->trouble = xstrdup(err.text);
	else if (!fpi_fringe_is_finite(&j->fringe))
		j->trouble = xstrdup("an annulus holds nothing but equal pixels");
}

static int sum_frames(struct run *run, struct err *err)
{
	size_t kept = 0;

	if (stage_run(run->night, run->annuli_stage, run->njobs, annuli_item, run, err) == -1)
		return -1;
	for (size_t i = 0; i < run->njobs; i++) {
		struct job *j = &run->jobs[i];

		if (j->trouble == NULL) {
			run->jobs[kept++] = *j;
			continue;
		}
		fpi_note(&run->notes, "%s not analyzed: %s. Ignoring this image...",
		    run->night->shots[j->shot].path, j->trouble);
		fpi_fringe_release(&j->fringe);
		free(j->trouble);
	}
	run->njobs = kept;
	if (kept == 0)
		return err_code(err, ERR_BAD_DATA, FPI_E_NO_USABLE_SKY,
		    "No usable %s sky images: none could be summed", run->r->tag);
	return 0;
}

static void default_instrument(const struct fpi_instrument *in, double value[FPI_NLASER])
{
	const struct fpi_defaults *d = &in->defaults;

	value[FPI_P_N] = 1;
	value[FPI_P_T] = in->nominal_gap_m;
	value[FPI_P_LAM] = in->lam_laser_m;
	value[FPI_P_R] = d->R;
	value[FPI_P_ALPHA] = d->alpha;
	value[FPI_P_I] = d->I;
	value[FPI_P_B] = d->B;
	value[FPI_P_A1] = d->a1;
	value[FPI_P_A2] = d->a2;
	value[FPI_P_B0] = d->b0;
	value[FPI_P_B1] = d->b1;
	value[FPI_P_B2] = d->b2;
}

static void fit_item(struct fpi_night *night, void *arg, size_t i, int worker)
{
	struct run *run = arg;
	struct job *j = &run->jobs[run->fit_from + i];
	const struct fpi_instrument *in = &night->req.setup.instrument;

	if (run->model[worker] == NULL)
		run->model[worker] = fpi_sky_model_new();
	if (run->lasers != NULL)
		fpi_laser_at(run->lasers->laser, run->lasers->nlaser, night->shots[j->shot].image.frame.utc_us,
		    j->instrument);
	else
		default_instrument(in, j->instrument);
	fpi_sky_fit(&j->fringe, in, j->instrument, run->r->lam0_m, run->lam_guess, run->model[worker], &j->fit);
}

/*
 * The line is looked for around lam0 until a first good fit says where it is, then around that for the rest of the
 * night: frames up to that fit go one by one, the others in parallel.
 */
static int fit_frames(struct run *run, struct err *err)
{
	run->lam_guess = run->r->lam0_m;
	for (run->fit_from = 0; run->fit_from < run->njobs;) {
		const struct fpi_sky_fit *fit = &run->jobs[run->fit_from].fit;
		double sigma;

		if (stage_cancelled(run->night, err) == -1)
			return -1;
		fit_item(run->night, run, 0, 0);
		run->fit_from++;
		sigma = fpi_sigma_fit(fit->error[FPI_S_LAMC], run->r->lam0_m, &run->gap);
		if (sigma > 0 && sigma < WIND_GUESS_SIGMA) {
			run->lam_guess = fit->value[FPI_S_LAMC];
			break;
		}
	}
	return stage_run(run->night, run->fit_stage, run->njobs - run->fit_from, fit_item, run, err);
}

/* ---- results */

static void take_sample(struct run *run, struct job *j, struct fpi_sky *s)
{
	const struct fpi_night *night = run->night;
	const struct shot *shot = &night->shots[j->shot];
	double cal = 0;

	shot_frame(shot, &s->frame);
	s->fringe = j->fringe;
	j->fringe = (struct fpi_fringe){0};
	memcpy(s->instrument, j->instrument, sizeof(s->instrument));
	memcpy(s->value, j->fit.value, sizeof(s->value));
	memcpy(s->error, j->fit.error, sizeof(s->error));
	s->redchi = j->fit.redchi;
	if (run->lasers != NULL)
		cal = fpi_sigma_cal(run->lasers->laser, run->lasers->nlaser, s->frame.utc_us);
	fpi_sky_derive(s, run->r->lam0_m, &run->gap, cal);
	s->az = fpi_direction_header_az(&night->req.setup, s->frame.az);
	s->ze = s->frame.ze;
	snprintf(s->direction, sizeof(s->direction), "%s",
	    fpi_direction_find(
	        &night->req.setup.site, s->az, s->ze, night->req.options.direction_tolerance_deg, NULL));
	fpi_direction_fold(&s->az, &s->ze);
	fpi_note(&run->notes, "%s reduced chisqr: %.4f.\n\t\t\tMessage:\"%s\"", shot->path, s->redchi,
	    j->fit.message);
}

static void take_samples(struct run *run)
{
	struct fpi_result *r = run->r;

	r->sky = xcalloc(run->njobs, sizeof(*r->sky));
	for (size_t i = 0; i < run->njobs; i++)
		take_sample(run, &run->jobs[i], &r->sky[r->nsky++]);
	if (run->lasers == NULL)
		return;
	r->laser = xcalloc(run->lasers->nlaser, sizeof(*r->laser));
	for (size_t i = 0; i < run->lasers->nlaser; i++)
		laser_copy(&run->lasers->laser[i], &r->laser[r->nlaser++]);
}

static void drop_samples(struct fpi_result *r)
{
	for (size_t i = 0; i < r->nsky; i++) {
		free(r->sky[i].frame.name);
		free(r->sky[i].frame.path);
		fpi_fringe_release(&r->sky[i].fringe);
	}
	r->nsky = 0;
}

static int apply_reference(struct run *run, struct err *err)
{
	struct fpi_result *r = run->r;
	enum fpi_doppler_statistic statistic = run->night->req.options.doppler_statistic;
	double *ref = xcalloc(r->nsky, sizeof(*ref));
	enum fpi_reference plot =
	    strcmp(r->setup.instrument.plot_ref, "laser") == 0 ? FPI_REF_LASER : FPI_REF_ZENITH;
	int rc = fpi_doppler_reference(r->sky, r->nsky, r->reference, statistic, ref, err);

	for (size_t i = 0; i < r->nsky && rc == 0; i++) {
		r->sky[i].doppler_reference = ref[i];
		r->sky[i].wind -= ref[i];
	}
	/* pictures may want another one; without it they show the winds as they are */
	if (rc == 0 && fpi_doppler_reference(r->sky, r->nsky, plot, statistic, ref, NULL) == 0)
		for (size_t i = 0; i < r->nsky; i++)
			r->sky[i].plot_reference = ref[i];
	free(ref);
	return rc;
}

static int load_sensors(struct run *run, struct err *err)
{
	struct fpi_result *r = run->r;
	struct fpi_auxiliary aux = {0};
	int rc = fpi_auxiliary_load(run->night->req.aux, &r->setup.site, run->night->tz, r->sky[0].frame.utc_us,
	    r->sky[r->nsky - 1].frame.utc_us, &aux, err);

	if (rc == 0) {
		fpi_auxiliary_apply(&aux, r->sky, r->nsky);
		for (size_t i = 0; i < aux.notes.n; i++)
			fpi_note(&run->notes, "%s", aux.notes.v[i]);
		r->has_cloud = aux.cloud.n > 0;
		r->has_dome = aux.temp.dome.n > 0;
		r->has_inside = aux.temp.inside.n > 0;
		r->has_etalon_inside = aux.temp.etalon_inside.n > 0;
		r->has_etalon_outside = aux.temp.etalon_outside.n > 0;
		if (!r->has_cloud)
			fpi_note_warning(&run->notes, "warning:cloud_sensor_data",
			    "No cloud sensor data found for %s.", r->setup.site.name);
	}
	fpi_auxiliary_release(&aux);
	return rc;
}

/* ---- what people should know */

static size_t count_samples(
    const struct fpi_result *r, bool (*is)(const struct fpi_result *, const struct fpi_sky *))
{
	size_t n = 0;

	for (size_t i = 0; i < r->nsky; i++)
		n += is(r, &r->sky[i]);
	return n;
}

static bool is_unknown(const struct fpi_result *r, const struct fpi_sky *s)
{
	(void)r;
	return strcmp(s->direction, "Unknown") == 0;
}

static bool is_warm(const struct fpi_result *r, const struct fpi_sky *s)
{
	(void)r;
	return s->frame.ccd_temp_C > WARM_CCD_C;
}

static bool is_uncalibrated(const struct fpi_result *r, const struct fpi_sky *s)
{
	return r->reference == FPI_REF_LASER && isnan(s->sigma_cal);
}

static bool is_other_exposure(const struct fpi_result *r, const struct fpi_sky *s)
{
	return s->frame.exposure_s != r->sky[0].frame.exposure_s;
}

/* A warning when the number of such samples is not zero (or is: none differs). */
static const struct {
	bool (*is)(const struct fpi_result *, const struct fpi_sky *);
	bool when_none;
	const char *label, *text;
} concerns[] = {
    {is_unknown, false, "warning:unknown_direction", "samples look in a direction the site does not list"},
    {is_warm, false, "warning:ccd_temperature", "samples were taken with a CCD warmer than -55 C"},
    {is_uncalibrated, false, "warning:wind_calibration",
        "samples have no calibration error: too few laser images around them"},
    {is_other_exposure, true, "warning:static_exposure_time",
        "samples differ in exposure time: it was never adapted"},
};

static void note_concerns(struct run *run)
{
	for (size_t k = 0; k < NITEMS(concerns); k++) {
		size_t n = count_samples(run->r, concerns[k].is);

		if (concerns[k].when_none ? n == 0 : n > 0)
			fpi_note_warning(&run->notes, concerns[k].label, "%zu of %zu %s %s.", n, run->r->nsky,
			    run->r->tag, concerns[k].text);
	}
}

static void set_flags(struct run *run)
{
	struct fpi_result *r = run->r;
	struct strbuf text = STRBUF_INIT(1 << 20), marks = STRBUF_INIT(4096);

	r->laser_drift = r->reference == FPI_REF_LASER && fpi_laser_drift(r->laser, r->nlaser, r->sky, r->nsky);
	strbuf_addf(&text,
	    " Quality Flag Calculation:\n\t\tManual Wind Flag: %d\n\t\tManual Temperature Flag: %d\n\t\tLaser "
	    "Drift: %s\n"
	    "\t\tSample-specific flags:",
	    r->setup.instrument.manual_wind_flag, r->setup.instrument.manual_temp_flag,
	    r->laser_drift ? "True" : "False");
	for (size_t i = 0; i < r->nsky; i++) {
		struct fpi_sky *s = &r->sky[i];

		strbuf_reset(&marks);
		fpi_flags_set(r, run->night->req.options.skyI_rules_for_red, s, &marks);
		strbuf_addf(
		    &text, "\n\t\t%s %s[FINAL: W%dT%d]", s->frame.name, marks.buf, s->wind_flag, s->temp_flag);
	}
	fpi_note(&run->notes, "%s", text.buf);
	strbuf_release(&text);
	strbuf_release(&marks);
}

/* ---- one tag */

static int run_tag(struct run *run, const struct shot_list *sky, struct err *err)
{
	night_note_bad(run->night, FPI_LASER_KIND, &run->notes);
	night_note_bad(run->night, run->r->tag, &run->notes);
	if (check_found(run, sky, err) == -1 || check_ccd(run, sky, err) == -1 ||
	    set_limits(run, sky, err) == -1 || set_reference(run, err) == -1 ||
	    select_frames(run, sky, err) == -1 || sum_frames(run, err) == -1 || fit_frames(run, err) == -1)
		return -1;
	take_samples(run);
	if (apply_reference(run, err) == -1 || load_sensors(run, err) == -1)
		return -1;
	note_concerns(run);
	fpi_note(&run->notes, "Laser and sky image analysis complete.");
	set_flags(run);
	return 0;
}

static struct fpi_result *result_new(const struct fpi_night *night, const char *tag)
{
	struct fpi_result *r = xcalloc(1, sizeof(*r));
	const struct fpi_instrument *in = &night->req.setup.instrument;

	r->setup = night->req.setup;
	snprintf(r->tag, sizeof(r->tag), "%s", tag);
	r->lam0_m = strchr(tag, 'G') != NULL ? in->lam0_green_m : in->lam0_m;
	r->window_start_us = night->start_us;
	r->window_end_us = night->end_us;
	return r;
}

static void run_release(struct run *run)
{
	for (size_t i = 0; i < run->njobs; i++) {
		fpi_fringe_release(&run->jobs[i].fringe);
		free(run->jobs[i].trouble);
	}
	for (int k = 0; k < FPI_THREADS_MAX; k++) {
		fpi_annuli_work_free(run->annuli[k]);
		fpi_sky_model_free(run->model[k]);
	}
	free(run->jobs);
}

int fpi_sky_night(struct fpi_night *night, const char *tag, struct fpi_result **out, struct err *err)
{
	struct run run = {.night = night, .r = result_new(night, tag)};
	struct shot_list sky = {0};
	struct err mine = ERR_INIT;
	int rc;

	snprintf(run.annuli_stage, sizeof(run.annuli_stage), "sky annuli %.31s", tag);
	snprintf(run.fit_stage, sizeof(run.fit_stage), "sky %.31s", tag);
	fpi_note(&run.notes, "Logfile Created");
	if (!(run.r->lam0_m > 0))
		rc = err_code(&mine, ERR_CONFIG, FPI_E_INSTRUMENT,
		    "%s has no wavelength for tag %s: set lam0_green_m", night->req.setup.instrument.name, tag);
	else
		rc = night_shots(night, tag, &sky, &mine);
	if (rc == 0)
		rc = run_tag(&run, &sky, &mine);
	if (rc == -1) {
		drop_samples(run.r);
		fpi_note(&run.notes, "%s: %s", mine.code[0] != '\0' ? mine.code : err_class_name(mine.class),
		    mine.text);
		if (err != NULL)
			*err = mine;
	}
	run.r->log = run.notes.log;
	run.r->nlog = run.notes.nlog;
	run.r->warnings = run.notes.warnings;
	run.r->nwarnings = run.notes.nwarnings;
	*out = run.r;
	run_release(&run);
	shot_list_release(&sky);
	return rc;
}
