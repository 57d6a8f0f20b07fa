#include "config.h"

#include "assets/fpi/arrays.h"

#include "base/mem.h"

#include <math.h>

/* ---- adding */

static struct fpi_array *add(
    struct fpi_arrays *a, enum fpi_array_kind kind, const char *name, const char *unit, const char *help)
{
	if (a->n == a->cap) {
		a->cap = a->cap > 0 ? 2 * a->cap : 64;
		a->v = xreallocarray(a->v, a->cap, sizeof(*a->v));
	}
	a->v[a->n] = (struct fpi_array){.kind = kind, .unit = unit, .help = help, .n = 1};
	snprintf(a->v[a->n].name, sizeof(a->v[a->n].name), "%s", name);
	return &a->v[a->n++];
}

static double *add_doubles(struct fpi_arrays *a, const char *name, const char *unit, const char *help, int rank,
    size_t rows, size_t columns)
{
	struct fpi_array *x = add(a, FPI_DOUBLES, name, unit, help);

	x->rank = rank;
	x->dims[0] = rows;
	x->dims[1] = columns;
	x->n = rank == 0 ? 1 : rank == 1 ? rows : rows * columns;
	x->f = xcalloc(x->n + 1, sizeof(*x->f));
	return x->f;
}

static void add_double(struct fpi_arrays *a, const char *name, const char *unit, const char *help, double v)
{
	*add_doubles(a, name, unit, help, 0, 1, 1) = v;
}

static int64_t *add_ints(struct fpi_arrays *a, const char *name, const char *help, int rank, size_t rows)
{
	struct fpi_array *x = add(a, FPI_INTS, name, "", help);

	x->rank = rank;
	x->dims[0] = x->n = rows;
	x->i = xcalloc(rows + 1, sizeof(*x->i));
	return x->i;
}

static void add_int(struct fpi_arrays *a, const char *name, const char *help, int64_t v)
{
	*add_ints(a, name, help, 0, 1) = v;
}

/* text(arg, i) lends the i-th cell until the next call. */
static void add_texts(struct fpi_arrays *a, const char *name, const char *help, int rank, size_t rows,
    const char *(*text)(const void *arg, size_t i), const void *arg)
{
	struct fpi_array *x = add(a, FPI_TEXTS, name, "", help);

	x->rank = rank;
	x->dims[0] = x->n = rows;
	x->width = 1;
	for (size_t i = 0; i < rows; i++)
		x->width = MAX(x->width, strlen(text(arg, i)));
	x->text = xcalloc(rows + 1, x->width);
	for (size_t i = 0; i < rows; i++) {
		const char *cell = text(arg, i);

		memcpy(x->text + i * x->width, cell, strlen(cell));
	}
}

static const char *same_text(const void *arg, size_t i)
{
	return arg;
}

static void add_text(struct fpi_arrays *a, const char *name, const char *help, const char *v)
{
	add_texts(a, name, help, 0, 1, same_text, v);
}

/* ---- per exposure */

#define SKY(f)   offsetof(struct fpi_sky, f)
#define LASER(f) offsetof(struct fpi_laser, f)

struct column {
	const char *name, *unit, *help;
	size_t off;
};

static const struct column sky_doubles[] = {
    {"LOSwind", "m/s", "line-of-sight wind, positive away from the instrument", SKY(wind)},
    {"sigma_LOSwind", "m/s", "its standard error", SKY(sigma_wind)},
    {"sigma_fit_LOSwind", "m/s", "part of the fits", SKY(sigma_fit)},
    {"sigma_cal_LOSwind", "m/s", "part of the interpolation between laser frames", SKY(sigma_cal)},
    {"doppler_reference", "m/s", "taken off the wind before it was reported", SKY(doppler_reference)},
    {"plot_reference", "m/s", "to be taken off LOSwind in pictures", SKY(plot_reference)},
    {"T", "K", "temperature", SKY(T)},
    {"sigma_T", "K", "", SKY(sigma_T)},
    {"skyI", "counts/s", "brightness of the line", SKY(skyI)},
    {"sigma_skyI", "counts/s", "", SKY(sigma_skyI)},
    {"skyB", "counts/s", "brightness of the continuum", SKY(skyB)},
    {"sigma_skyB", "counts/s", "", SKY(sigma_skyB)},
    {"ccdB", "counts", "camera background", SKY(ccdB)},
    {"sigma_ccdB", "counts", "", SKY(sigma_ccdB)},
    {"sky_chisqr", "", "reduced chi square of the fit", SKY(redchi)},
    {"az", "degrees", "azimuth of the look direction", SKY(az)},
    {"ze", "degrees", "zenith angle of the look direction", SKY(ze)},
    {"sky_intT", "s", "exposure time", SKY(frame.exposure_s)},
    {"sky_ccd_temperature", "C", "", SKY(frame.ccd_temp_C)},
};

static const struct column laser_doubles[] = {
    {"laser_chisqr", "", "reduced chi square of the fit", LASER(redchi)},
    {"laser_intT", "s", "exposure time", LASER(frame.exposure_s)},
    {"laser_ccd_temperature", "C", "", LASER(frame.ccd_temp_C)},
};

static const struct {
	const char *group;
	size_t off, has;
} sensors[] = {
    {"Clouds", SKY(cloud), offsetof(struct fpi_result, has_cloud)},
    {"Dome", SKY(dome), offsetof(struct fpi_result, has_dome)},
    {"Inside", SKY(inside), offsetof(struct fpi_result, has_inside)},
    {"EtalonInside", SKY(etalon_inside), offsetof(struct fpi_result, has_etalon_inside)},
    {"EtalonOutside", SKY(etalon_outside), offsetof(struct fpi_result, has_etalon_outside)},
};

/* n doubles, step bytes apart. */
static void add_column(struct fpi_arrays *a, const char *name, const char *unit, const char *help,
    const void *first, size_t step, size_t n)
{
	double *out = add_doubles(a, name, unit, help, 1, n, 1);

	for (size_t i = 0; i < n; i++)
		out[i] = *(const double *)(const void *)((const char *)first + i * step);
}

static void add_columns(
    struct fpi_arrays *a, const struct column *c, size_t ncolumns, const void *rows, size_t step, size_t n)
{
	for (size_t i = 0; i < ncolumns; i++)
		add_column(
		    a, c[i].name, c[i].unit, c[i].help, n > 0 ? (const char *)rows + c[i].off : NULL, step, n);
}

static void add_params(struct fpi_arrays *a, const char *group, const char *const *names, size_t nnames,
    const void *first, size_t step, size_t n)
{
	for (size_t p = 0; p < nnames; p++) {
		char name[64];

		snprintf(name, sizeof(name), "%s/%s", group, names[p]);
		add_column(a, name, "", "", n > 0 ? (const char *)first + p * sizeof(double) : NULL, step, n);
	}
}

static void add_sensor(struct fpi_arrays *a, const struct fpi_result *r, const char *group, size_t off)
{
	static const char *const stats[] = {"mean", "max", "min"};

	static_assert(offsetof(struct fpi_stats, max) == sizeof(double) &&
	                  offsetof(struct fpi_stats, min) == 2 * sizeof(double),
	    "in the order of the names");
	add_params(a, group, stats, NITEMS(stats), r->nsky > 0 ? (const char *)r->sky + off : NULL,
	    sizeof(*r->sky), r->nsky);
}

/* ---- texts and times */

static const struct fpi_frame *sky_frame(const struct fpi_result *r, size_t i)
{
	return &r->sky[i].frame;
}

static const struct fpi_frame *laser_frame(const struct fpi_result *r, size_t i)
{
	return &r->laser[i].frame;
}

/* "2026-04-17T20:45:38.695216-05:00" */
static const char *local_time(const struct fpi_frame *f)
{
	static _Thread_local char text[48];
	int64_t offset = (f->local_us - f->utc_us) / 60000000,
	        us = ((f->local_us % 1000000) + 1000000) % 1000000;
	struct civil c;

	civil_from_ms((f->local_us - us) / 1000, &c);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06d%c%02d:%02d", c.year, c.month, c.day,
	    c.hour, c.minute, c.second, (int)us, offset < 0 ? '-' : '+', (int)(llabs(offset) / 60),
	    (int)(llabs(offset) % 60));
	return text;
}

static const char *sky_time(const void *r, size_t i)
{
	return local_time(sky_frame(r, i));
}

static const char *laser_time(const void *r, size_t i)
{
	return local_time(laser_frame(r, i));
}

static const char *sky_name(const void *r, size_t i)
{
	return sky_frame(r, i)->name;
}

static const char *laser_name(const void *r, size_t i)
{
	return laser_frame(r, i)->name;
}

static const char *sky_direction(const void *r, size_t i)
{
	return ((const struct fpi_result *)r)->sky[i].direction;
}

static void add_unix(struct fpi_arrays *a, const char *name, const struct fpi_result *r, size_t n,
    const struct fpi_frame *(*frame)(const struct fpi_result *, size_t))
{
	double *out = add_doubles(a, name, "s", "start of the exposure, seconds since 1970-01-01 UTC", 1, n, 1);

	for (size_t i = 0; i < n; i++)
		out[i] = (double)frame(r, i)->utc_us / 1e6;
}

/* ---- fringes */

static const struct fpi_fringe *sky_fringe(const struct fpi_result *r, size_t i)
{
	return &r->sky[i].fringe;
}

static const struct fpi_fringe *laser_fringe(const struct fpi_result *r, size_t i)
{
	return &r->laser[i].fringe;
}

static void add_fringes(struct fpi_arrays *a, const char *kind, const struct fpi_result *r, size_t n,
    const struct fpi_fringe *(*fringe)(const struct fpi_result *, size_t))
{
	static const struct {
		const char *what, *unit, *help;
		size_t off;
	} parts[] = {
	    {"annuli", "pixels", "radius of each annulus", offsetof(struct fpi_fringe, r)},
	    {"fringes", "counts", "mean of each annulus", offsetof(struct fpi_fringe, counts)},
	    {"fringes_sigma", "counts", "its standard error", offsetof(struct fpi_fringe, sigma)},
	};
	int columns = 0;

	for (size_t i = 0; i < n; i++)
		columns = MAX(columns, fringe(r, i)->n);
	for (size_t p = 0; p < NITEMS(parts); p++) {
		char name[64];
		double *out;

		snprintf(name, sizeof(name), "%s_%s", kind, parts[p].what);
		out = add_doubles(a, name, parts[p].unit, parts[p].help, 2, n, (size_t)columns);
		for (size_t i = 0; i < n; i++) {
			const struct fpi_fringe *f = fringe(r, i);
			const double *v;

			memcpy(&v, (const char *)f + parts[p].off, sizeof(v));
			for (int k = 0; k < columns; k++)
				out[i * (size_t)columns + (size_t)k] = v != NULL && k < f->n ? v[k] : NAN;
		}
	}
}

static void add_sky(struct fpi_arrays *a, const struct fpi_result *r)
{
	int64_t *flag;

	add_texts(a, "sky_times", "start of the exposure, local time with its offset", 1, r->nsky, sky_time, r);
	add_unix(a, "sky_times_unix", r, r->nsky, sky_frame);
	add_texts(a, "sky_fns", "image files", 1, r->nsky, sky_name, r);
	add_texts(a, "direction", "name of the look direction", 1, r->nsky, sky_direction, r);
	add_columns(a, sky_doubles, NITEMS(sky_doubles), r->sky, sizeof(*r->sky), r->nsky);
	flag = add_ints(a, "wind_quality_flag", "0 good, 1 caution, 2 bad", 1, r->nsky);
	for (size_t i = 0; i < r->nsky; i++)
		flag[i] = r->sky[i].wind_flag;
	flag = add_ints(a, "temp_quality_flag", "0 good, 1 caution, 2 bad", 1, r->nsky);
	for (size_t i = 0; i < r->nsky; i++)
		flag[i] = r->sky[i].temp_flag;
	add_params(a, "sky_value", fpi_sky_param_name, FPI_NSKY, r->nsky > 0 ? r->sky[0].value : NULL,
	    sizeof(*r->sky), r->nsky);
	add_params(a, "sky_stderr", fpi_sky_param_name, FPI_NSKY, r->nsky > 0 ? r->sky[0].error : NULL,
	    sizeof(*r->sky), r->nsky);
	add_params(a, "sky_instrument", fpi_laser_param_name, FPI_NLASER,
	    r->nsky > 0 ? r->sky[0].instrument : NULL, sizeof(*r->sky), r->nsky);
	add_fringes(a, "sky", r, r->nsky, sky_fringe);
	for (size_t i = 0; i < NITEMS(sensors); i++)
		if (*(const bool *)((const char *)r + sensors[i].has))
			add_sensor(a, r, sensors[i].group, sensors[i].off);
}

static void add_laser(struct fpi_arrays *a, const struct fpi_result *r)
{
	double *center;

	add_texts(
	    a, "laser_times", "start of the exposure, local time with its offset", 1, r->nlaser, laser_time, r);
	add_unix(a, "laser_times_unix", r, r->nlaser, laser_frame);
	add_texts(a, "laser_fns", "image files", 1, r->nlaser, laser_name, r);
	add_columns(a, laser_doubles, NITEMS(laser_doubles), r->laser, sizeof(*r->laser), r->nlaser);
	add_params(a, "laser_value", fpi_laser_param_name, FPI_NLASER, r->nlaser > 0 ? r->laser[0].value : NULL,
	    sizeof(*r->laser), r->nlaser);
	add_params(a, "laser_stderr", fpi_laser_param_name, FPI_NLASER,
	    r->nlaser > 0 ? r->laser[0].error : NULL, sizeof(*r->laser), r->nlaser);
	center = add_doubles(a, "center_pixel", "pixels", "measured ring centre: column, row", 2, r->nlaser, 2);
	for (size_t i = 0; i < r->nlaser; i++) {
		center[2 * i] = r->laser[i].cx;
		center[2 * i + 1] = r->laser[i].cy;
	}
	add_fringes(a, "laser", r, r->nlaser, laser_fringe);
}

/* ---- site and instrument */

static const char *direction_name(const void *site, size_t i)
{
	return ((const struct fpi_site *)site)->directions[i].name;
}

static void add_site(struct fpi_arrays *a, const struct fpi_site *s)
{
	add_text(a, "site/abbr", "", s->abbr);
	add_text(a, "site/name", "", s->name);
	add_double(a, "site/lat_deg", "degrees", "", s->lat_deg);
	add_double(a, "site/lon_deg", "degrees", "east positive", s->lon_deg);
	add_double(a, "site/alt_m", "m", "", s->alt_m);
	add_text(a, "site/timezone", "", s->timezone);
	add_text(a, "site/network", "", s->network);
	add_int(a, "site/sql_id", "", s->sql_id);
	add_texts(a, "site/directions", "names of the look directions", 1, s->ndirections, direction_name, s);
	add_column(a, "site/directions_az", "degrees", "", &s->directions[0].az, sizeof(s->directions[0]),
	    s->ndirections);
	add_column(a, "site/directions_ze", "degrees", "", &s->directions[0].ze, sizeof(s->directions[0]),
	    s->ndirections);
}

static void add_instrument(struct fpi_arrays *a, const struct fpi_instrument *ins)
{
	static const struct column doubles[] = {
	    {"focal_length_m", "m", "", offsetof(struct fpi_instrument, focal_length_m)},
	    {"pix_size_m", "m", "", offsetof(struct fpi_instrument, pix_size_m)},
	    {"lam_laser_m", "m", "", offsetof(struct fpi_instrument, lam_laser_m)},
	    {"lam0_m", "m", "", offsetof(struct fpi_instrument, lam0_m)},
	    {"lam0_green_m", "m", "", offsetof(struct fpi_instrument, lam0_green_m)},
	    {"nominal_gap_m", "m", "", offsetof(struct fpi_instrument, nominal_gap_m)},
	    {"skyB_quality_thresh", "counts/s", "", offsetof(struct fpi_instrument, skyB_thresh)},
	};
	static const char *const default_names[] = {
	    "R", "alpha", "I", "B", "a1", "a2", "b0", "b1", "b2", "center_x", "center_y"};
	char name[64];

	static_assert(sizeof(struct fpi_defaults) == NITEMS(default_names) * sizeof(double), "a name for each");
	add_text(a, "instrument/name", "", ins->name);
	add_int(a, "instrument/N", "annuli", ins->N);
	add_int(a, "instrument/N0", "first annulus of the fits", ins->N0);
	add_int(a, "instrument/N1", "one past the last", ins->N1);
	for (size_t i = 0; i < NITEMS(doubles); i++) {
		snprintf(name, sizeof(name), "instrument/%s", doubles[i].name);
		add_double(a, name, doubles[i].unit, "",
		    *(const double *)(const void *)((const char *)ins + doubles[i].off));
	}
	memcpy(add_doubles(a, "instrument/skyI_quality_thresh", "counts/s", "caution and bad below", 1, 2, 1),
	    ins->skyI_thresh, sizeof(ins->skyI_thresh));
	add_int(a, "instrument/many_fringes", "", ins->many_fringes);
	add_int(a, "instrument/estimate_blur", "", ins->estimate_blur);
	add_text(a, "instrument/plot_ref", "", ins->plot_ref);
	for (size_t i = 0; i < NITEMS(default_names); i++) {
		double v;

		memcpy(&v, (const char *)&ins->defaults + i * sizeof(v), sizeof(v));
		snprintf(name, sizeof(name), "instrument/default_%s", default_names[i]);
		add_double(a, name, "", "used without laser frames", v);
	}
}

static const char *text_or_none(const char *s)
{
	return s != NULL ? s : "";
}

static void add_night(struct fpi_arrays *a, const struct fpi_result *r, const struct fpi_provenance *p)
{
	char date[16];

	snprintf(date, sizeof(date), "%04d%02d%02d", r->setup.date.year % 10000, r->setup.date.month % 100,
	    r->setup.date.day % 100);
	add_text(a, "observation_date", "the local evening's date", date);
	add_text(a, "tag", "emission line", r->tag);
	add_text(a, "reference", "where the zero of the winds comes from", fpi_reference_name[r->reference]);
	add_double(a, "lam0", "m", "wavelength of the line", r->lam0_m);
	add_double(a, "sunset_unix", "s", "begin of the night, UTC", (double)r->sunset_us / 1e6);
	add_double(a, "sunrise_unix", "s", "end of the night, UTC", (double)r->sunrise_us / 1e6);
	add_int(a, "laser_drift", "1: the laser drifted, winds are flagged", r->laser_drift);
	add_text(a, "SVNRevision", "kept for readers of older files", "NONE");
	add_text(a, "software", "", text_or_none(p->software));
	add_text(a, "run_id", "", text_or_none(p->run_id));
	add_text(a, "run_uid", "", text_or_none(p->run_uid));
}

void fpi_arrays_make(const struct fpi_result *r, const struct fpi_provenance *p, struct fpi_arrays *out)
{
	*out = (struct fpi_arrays){0};
	add_night(out, r, p);
	add_site(out, &r->setup.site);
	add_instrument(out, &r->setup.instrument);
	add_sky(out, r);
	add_laser(out, r);
}

void fpi_arrays_release(struct fpi_arrays *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i].f); /* whichever member it is */
	free(a->v);
	*a = (struct fpi_arrays){0};
}
