/* night_select.c: which sky frames of a line are analysed, and against which reference. */
#include "config.h"

#include "assets/fpi/night_sky.h"
#include "assets/fpi/select.h"
#include "base/mem.h"

#define HOT_CCD_C     -10.0
#define HOT_CCD_SHARE 0.9

static int check_found(struct sky_run *run, const struct shot_list *sky, struct err *err)
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

static int check_ccd(const struct sky_run *run, const struct shot_list *sky, struct err *err)
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
static int set_limits(struct sky_run *run, const struct shot_list *sky, struct err *err)
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
static int set_reference(struct sky_run *run, struct err *err)
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

static bool accept(struct sky_run *run, const struct shot *s)
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

static int select_frames(struct sky_run *run, const struct shot_list *sky, struct err *err)
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

int sky_select(struct sky_run *run, const struct shot_list *sky, struct err *err)
{
	night_note_bad(run->night, FPI_LASER_KIND, &run->notes);
	night_note_bad(run->night, run->r->tag, &run->notes);
	if (check_found(run, sky, err) == -1 || check_ccd(run, sky, err) == -1 ||
	    set_limits(run, sky, err) == -1 || set_reference(run, err) == -1)
		return -1;
	return select_frames(run, sky, err);
}
