/* night_sample.c: samples from fits: winds, references, sensors, flags, and what people should know. */
#include "config.h"

#include "assets/fpi/auxiliary.h"
#include "assets/fpi/direction.h"
#include "assets/fpi/doppler.h"
#include "assets/fpi/flags.h"
#include "assets/fpi/night_sky.h"
#include "base/mem.h"

#include <math.h>

#define WARM_CCD_C -55.0

static void take_sample(struct sky_run *run, struct sky_job *j, struct fpi_sky *s)
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

static void take_samples(struct sky_run *run)
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

void sky_drop_samples(struct fpi_result *r)
{
	for (size_t i = 0; i < r->nsky; i++) {
		free(r->sky[i].frame.name);
		free(r->sky[i].frame.path);
		fpi_fringe_release(&r->sky[i].fringe);
	}
	r->nsky = 0;
}

static int apply_reference(struct sky_run *run, struct err *err)
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

static int load_sensors(struct sky_run *run, struct err *err)
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

static void note_concerns(struct sky_run *run)
{
	for (size_t k = 0; k < NITEMS(concerns); k++) {
		size_t n = count_samples(run->r, concerns[k].is);

		if (concerns[k].when_none ? n == 0 : n > 0)
			fpi_note_warning(&run->notes, concerns[k].label, "%zu of %zu %s %s.", n, run->r->nsky,
			    run->r->tag, concerns[k].text);
	}
}

static void set_flags(struct sky_run *run)
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

int sky_results(struct sky_run *run, struct err *err)
{
	take_samples(run);
	if (apply_reference(run, err) == -1 || load_sensors(run, err) == -1)
		return -1;
	note_concerns(run);
	fpi_note(&run->notes, "Laser and sky image analysis complete.");
	set_flags(run);
	return 0;
}
