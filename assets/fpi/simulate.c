#include "config.h"

#include "assets/fpi/simulate.h"

#include "assets/fpi/image_write.h"
#include "assets/fpi/simulate_sky.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>

#define US_PER_S        1000000
#define C_LIGHT         299792458.0
#define BIAS_COUNTS     300.0
#define LASER_COUNTS    175.0 /* mean of the line in a laser frame */
#define LASER_RIPPLE    0.04
#define TARGET_COUNTS   18.0 /* mean of the line that the automatic exposure wants */
#define EXPOSURE_LEAST  60.0
#define EXPOSURE_MOST   600.0
#define READOUT_S       5.0
#define TWILIGHT_S      900.0 /* from the night's limits to the first and last frame */
#define MOON_MARGIN_DEG 40.0 /* the analysis drops frames nearer than 37 */
#define GAP_OFFSET      8.7e-5 /* real gaps are not quite the nominal ones; part of it */
#define SCALE_TOLERANCE 0.05
#define RIM_LEAST       0.2 /* of the light in the middle */
#define COSMICS_PER_S   0.065 /* on 512 x 512 pixels */
#define HOT_MOST_PER_S  20.0

enum stream { STREAM_HOT = 2000001, STREAM_NAMES = 2000002, STREAM_FRAMES = 3000000 };

static bool is_green(const char *tag)
{
	return strchr(tag, 'G') != NULL;
}

void sim_spec_default(const struct fpi_setup *setup, struct sim_spec *spec)
{
	const struct fpi_instrument *ins = &setup->instrument;

	*spec = (struct sim_spec){
	    .seed = 1,
	    .size = 512,
	    .nlaser = 20,
	    .nsky = 20,
	    .format = isnan(ins->lam0_green_m) ? SIM_IMG : SIM_HDF5,
	    .laser_exposure_s = 30,
	    .zonal_ms = 100,
	    .meridional_ms = 60,
	    .vertical_ms = 3,
	    .temperature_K = 890,
	    .cooling_K = 160,
	    .brightness = 1,
	    .gap_drift_nm = 3,
	    .center_drift_px = 0.4,
	    .laser_lambda_m = 632.8e-9,
	    .read_noise = 6,
	    .hot_pixels = 60,
	    .cosmics = 1,
	    .ccd_temp_C = -70,
	    .avoid_moon = true,
	};
	spec->ntags = MIN(ins->ntags, SIM_TAGS_MAX);
	for (size_t i = 0; i < spec->ntags; i++)
		memcpy(spec->tags[i], ins->tags[i], sizeof(spec->tags[i]));
}

/* ---- the instrument */

/*
 * Some rows of the table hold place-holders, under which no instrument could have worked: a falloff that leaves no light at
 * the rim, a scale that lens and pixels contradict.
 */
static void mend_optics(const struct fpi_instrument *ins, int binning, struct forward_optics *o)
{
	double nominal = ins->pix_size_m * binning / ins->focal_length_m;

	if (fabs(o->alpha / nominal - 1) > SCALE_TOLERANCE)
		o->alpha = nominal;
	if (1 + o->a1 * M_PI + o->a2 * M_PI * M_PI < RIM_LEAST) {
		o->a1 = -0.05;
		o->a2 = -0.02;
	}
}

static void init_optics(struct sim_night *n)
{
	const struct fpi_instrument *ins = &n->setup.instrument;
	const struct fpi_defaults *d = &ins->defaults;
	double half = n->spec.size / 2.0, scale = n->spec.size / 512.0;
	double off_x = fmax(-12, fmin(12, d->center_x - 256)), off_y = fmax(-12, fmin(12, d->center_y - 256));

	n->cx = half + off_x * scale;
	n->cy = half + off_y * scale;
	n->binning = MAX(1, (int)lround(d->alpha * ins->focal_length_m / ins->pix_size_m));
	n->optics = (struct forward_optics){
	    .gap_m = ins->nominal_gap_m * (1 + GAP_OFFSET),
	    .R = d->R,
	    .alpha = d->alpha,
	    .a1 = d->a1,
	    .a2 = d->a2,
	    .b0 = ins->estimate_blur ? d->b0 : 0.5,
	    .b1 = ins->estimate_blur ? d->b1 : 0,
	    .b2 = ins->estimate_blur ? d->b2 : 0,
	    .rmax = fmin(fmin(n->cx, n->spec.size - 1 - n->cx), fmin(n->cy, n->spec.size - 1 - n->cy)),
	};
	mend_optics(ins, n->binning, &n->optics);
}

static void init_hot_pixels(struct sim_night *n)
{
	size_t pixels = (size_t)n->spec.size * (size_t)n->spec.size;
	struct rng r;

	rng_init(&r, n->spec.seed, STREAM_HOT);
	n->nhot = (size_t)fmin(SIM_HOT_MAX, n->spec.hot_pixels * (double)pixels / (512 * 512));
	n->hot = xcalloc(n->nhot + 1, sizeof(*n->hot));
	n->hot_rate = xcalloc(n->nhot + 1, sizeof(*n->hot_rate));
	for (size_t i = 0; i < n->nhot; i++) {
		n->hot[i] = (uint32_t)(rng_uniform(&r) * (double)pixels);
		n->hot_rate[i] = (float)(HOT_MOST_PER_S * pow(rng_uniform(&r), 3));
	}
}

/* ---- the schedule */

static const struct fpi_direction *find_direction(const struct fpi_site *site, const char *name)
{
	for (size_t i = 0; i < site->ndirections; i++)
		if (strcmp(site->directions[i].name, name) == 0 && site->directions[i].has_angles)
			return &site->directions[i];
	return NULL;
}

static const char *const turn_names[] = {"Zenith", "North", "East", "South", "West"};
#define NTURN NITEMS(turn_names)

/*
 * The sky directions take turns: of those clear of the moon, the one looked at least often, so that a direction which had to wait
 * catches up (without zenith frames a night has no Doppler reference).
 */
static const struct fpi_direction *choose_direction(const struct sim_night *n, int looked[NTURN], double utc_s)
{
	const struct fpi_direction *best = find_direction(&n->setup.site, turn_names[0]);
	bool best_clear = false;
	size_t at = 0;

	for (size_t k = 0; k < NTURN; k++) {
		const struct fpi_direction *d = find_direction(&n->setup.site, turn_names[k]);
		bool clear;

		if (d == NULL)
			continue;
		clear =
		    !n->spec.avoid_moon || moon_angle_deg(&n->place, utc_s, d->az, d->ze) >= MOON_MARGIN_DEG;
		if ((clear && !best_clear) || (clear == best_clear && looked[k] < looked[at])) {
			best = d;
			best_clear = clear;
			at = k;
		}
	}
	looked[at]++;
	return best;
}

/* Which frames are laser frames: the first, the last, and the rest spread evenly between the sky frames. */
static bool is_laser_slot(const struct sim_night *n, size_t i)
{
	size_t lasers = (size_t)n->spec.nlaser;

	if (lasers == 0)
		return false;
	if (lasers == 1)
		return i == 0;
	for (size_t k = 0; k < lasers; k++)
		if ((size_t)llround((double)k * (double)(n->n - 1) / (double)(lasers - 1)) == i)
			return true;
	return false;
}

static void set_times(const struct sim_night *n, double utc_s, struct sim_exposure *e)
{
	struct tz_local l;
	int64_t us = (int64_t)llround(utc_s * 1e6);

	if (n->spec.format == SIM_IMG) /* its clock has whole seconds */
		us -= us % US_PER_S;
	tz_to_local(n->tz, us / US_PER_S, &l);
	e->utc_us = us;
	e->local_us = us + (int64_t)l.offset_s * US_PER_S;
}

/* "CAR_X_20160805_182047_001.img" by start and number, "UAO_XR_20260417_203525.hdf5" by the end. */
static void set_name(const struct sim_night *n, struct sim_exposure *e, int number)
{
	char site[FPI_NAME_MAX];
	struct civil c;
	bool img = n->spec.format == SIM_IMG;

	snprintf(site, sizeof(site), "%s", n->setup.site.abbr);
	for (char *p = site; *p != '\0'; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
	civil_from_ms(e->local_us / 1000 + (img ? 0 : (int64_t)(e->exposure_s * 1000) + 3000), &c);
	snprintf(e->file, sizeof(e->file), "%s_%s_%04d%02d%02d_%02d%02d%02d", site, e->tag, c.year, c.month,
	    c.day, c.hour, c.minute, c.second);
	if (img)
		snprintf(e->file + strlen(e->file), sizeof(e->file) - strlen(e->file), "_%03d.img", number);
	else
		snprintf(e->file + strlen(e->file), sizeof(e->file) - strlen(e->file), ".hdf5");
}

static void plan_laser(const struct sim_night *n, double utc_s, struct sim_exposure *e)
{
	const struct fpi_direction *d = find_direction(&n->setup.site, "Laser");

	e->direction = "Laser";
	e->az = d != NULL ? d->az : 0;
	e->ze = d != NULL ? d->ze : 180;
	e->exposure_s = n->spec.laser_exposure_s;
	e->cloud_C = sim_cloud_at(n, utc_s);
	e->light = (struct forward_light){
	    .lambda_m = n->spec.laser_lambda_m,
	    .line_counts =
	        LASER_COUNTS * e->exposure_s / 30 * (1 + LASER_RIPPLE * sin(12 * sim_phase(n, utc_s))),
	    .bias_counts = BIAS_COUNTS,
	};
}

static void plan_sky(const struct sim_night *n, double utc_s, double slot_s, struct sim_exposure *e)
{
	double lam0 = is_green(e->tag) ? n->setup.instrument.lam0_green_m : n->setup.instrument.lam0_m, most;

	e->moon_angle_deg = moon_angle_deg(&n->place, utc_s, e->az, e->ze);
	sim_sky_at(n, utc_s, is_green(e->tag), e);
	most = fmin(EXPOSURE_MOST, slot_s - READOUT_S);
	e->exposure_s = n->spec.exposure_s > 0
	                    ? n->spec.exposure_s
	                    : fmin(most, fmax(EXPOSURE_LEAST, round(TARGET_COUNTS / e->line_per_s)));
	e->exposure_s = fmax(1, floor(fmin(e->exposure_s, most)));
	e->light = (struct forward_light){
	    .lambda_m = lam0 * (1 + e->wind_los / C_LIGHT),
	    .temperature_K = e->temperature_K,
	    .line_counts = e->line_per_s * e->exposure_s,
	    .continuum_counts = e->continuum_per_s * e->exposure_s,
	    .bias_counts = BIAS_COUNTS,
	};
}

/* A small irregularity in the HDF5 controller's start times; .img nights run by whole seconds. */
static double start_of(const struct sim_night *n, size_t i, double first_s, double slot_s, struct rng *r)
{
	double jitter = rng_uniform(r);

	return first_s + (double)i * slot_s + (n->spec.format == SIM_HDF5 ? jitter : 0);
}

static void plan_frames(struct sim_night *n, double first_s, double slot_s)
{
	int numbers[SIM_TAGS_MAX + 1] = {0};
	const struct fpi_direction *d = NULL;
	int looked[NTURN] = {0};
	size_t sky = 0;
	struct rng r;

	rng_init(&r, n->spec.seed, STREAM_NAMES);
	for (size_t i = 0; i < n->n; i++) {
		struct sim_exposure *e = &n->exposure[i];
		double utc_s = start_of(n, i, first_s, slot_s, &r);
		bool laser = is_laser_slot(n, i);
		size_t tag = laser ? SIM_TAGS_MAX : sky % n->spec.ntags;
		struct horizon sun, moon;

		set_times(n, utc_s, e);
		utc_s = (double)e->utc_us / 1e6;
		sun_at(&n->place, utc_s, &sun, NULL);
		moon_at(&n->place, utc_s, &moon);
		e->sun_alt_deg = sun.alt_deg;
		e->moon_alt_deg = moon.alt_deg;
		e->gap_m = sim_gap_at(n, utc_s);
		sim_center_at(n, utc_s, &e->cx, &e->cy);
		if (laser) {
			snprintf(e->tag, sizeof(e->tag), "L");
			plan_laser(n, utc_s, e);
		} else {
			if (tag == 0 || d == NULL) /* all lines look the same way in turn */
				d = choose_direction(n, looked, utc_s);
			snprintf(e->tag, sizeof(e->tag), "%s", n->spec.tags[tag]);
			e->az = d->az;
			e->ze = d->ze;
			e->direction = d->name;
			plan_sky(n, utc_s, slot_s, e);
			sky++;
		}
		set_name(n, e, ++numbers[tag]);
	}
}

static int plan(struct sim_night *n, struct err *err)
{
	double first_s = n->sunset_s + TWILIGHT_S,
	       last_s = n->sunrise_s - TWILIGHT_S - n->spec.laser_exposure_s, slot_s;

	n->n = (size_t)n->spec.nlaser + (size_t)n->spec.nsky * n->spec.ntags;
	slot_s = n->n > 1 ? (last_s - first_s) / (double)(n->n - 1) : 0;
	if (n->spec.cadence_s > 0) {
		if (n->spec.cadence_s > slot_s && n->n > 1)
			return err_set(err, ERR_USAGE,
			    "%zu frames every %g s do not fit into a night of %.0f s; at most every %.0f s",
			    n->n, n->spec.cadence_s, last_s - first_s, floor(slot_s));
		slot_s = n->spec.cadence_s;
	}
	if (slot_s < n->spec.laser_exposure_s + READOUT_S && n->n > 1)
		return err_set(err, ERR_USAGE,
		    "%zu frames do not fit into the night: one every %.0f s, and a laser frame takes %.0f s",
		    n->n, slot_s, n->spec.laser_exposure_s + READOUT_S);
	n->exposure = xcalloc(n->n + 1, sizeof(*n->exposure));
	plan_frames(n, first_s, slot_s);
	return 0;
}

static int check_spec(const struct fpi_setup *setup, const struct sim_spec *s, struct err *err)
{
	if (s->size < 64 || s->size > SIM_SIZE_MAX)
		return err_set(err, ERR_USAGE, "an image of %d pixels on a side; possible are 64 to %d",
		    s->size, SIM_SIZE_MAX);
	if (s->nlaser < 0 || s->nsky < 0 || s->ntags == 0 || s->ntags > SIM_TAGS_MAX ||
	    s->nlaser + s->nsky == 0 || (size_t)s->nlaser + (size_t)s->nsky * s->ntags > SIM_FRAMES_MAX)
		return err_set(err, ERR_USAGE, "%d laser and %d sky frames of %zu tags; together 1 to %d",
		    s->nlaser, s->nsky, s->ntags, SIM_FRAMES_MAX);
	for (size_t i = 0; i < s->ntags; i++)
		if (is_green(s->tags[i]) && isnan(setup->instrument.lam0_green_m))
			return err_set(err, ERR_USAGE, "tag %s: instrument %s has no green line", s->tags[i],
			    setup->instrument.name);
	if (find_direction(&setup->site, "Zenith") == NULL)
		return err_set(err, ERR_CONFIG, "site %s has no direction 'Zenith'", setup->site.abbr);
	return 0;
}

int sim_night_init(
    struct sim_night *n, const struct fpi_setup *setup, const struct sim_spec *spec, struct err *err)
{
	struct civil date = setup->date;
	double noon_s;

	*n = (struct sim_night){.setup = *setup, .spec = *spec};
	n->place = (struct place){setup->site.lat_deg, setup->site.lon_deg, setup->site.alt_m};
	if (check_spec(setup, spec, err) == -1 || (n->tz = tz_open(setup->site.timezone, err)) == NULL)
		return -1;
	noon_s =
	    (double)civil_days(date.year, date.month, date.day) * 86400 + 43200 - 240 * setup->site.lon_deg;
	if (sun_next(&n->place, SUN_SETS, noon_s, -6, &n->sunset_s, err) == -1 ||
	    sun_next(&n->place, SUN_RISES, n->sunset_s, -6, &n->sunrise_s, err) == -1)
		return -1;
	init_optics(n);
	init_hot_pixels(n);
	return plan(n, err);
}

void sim_night_release(struct sim_night *n)
{
	tz_free(n->tz);
	free(n->hot);
	free(n->hot_rate);
	free(n->exposure);
	*n = (struct sim_night){0};
}

/* ---- drawing */

static int write_image(const struct sim_night *n, const struct sim_exposure *e, const uint16_t *pixels,
    struct strbuf *out, struct err *err)
{
	static pthread_mutex_t hdf5 = PTHREAD_MUTEX_INITIALIZER;
	double utc_s = (double)e->utc_us / 1e6;
	struct image_header h = {
	    .width = n->spec.size,
	    .height = n->spec.size,
	    .binning = n->binning,
	    .exposure_s = e->exposure_s,
	    .az = e->az,
	    .ze = e->ze,
	    .ccd_temp_C = n->spec.ccd_temp_C,
	    .local_us = e->local_us,
	    .site = n->setup.site.abbr,
	    .instrument = n->setup.instrument.name,
	    .lat_deg = n->setup.site.lat_deg,
	    .lon_deg = n->setup.site.lon_deg,
	    .ambient_C = sim_ambient_at(n, utc_s),
	    .outside_C = sim_ambient_at(n, utc_s) - 0.4,
	    .pressure_Pa = 101325,
	    .humidity = 45,
	};
	int r;

	if (n->spec.format == SIM_IMG)
		return image_write_img(&h, pixels, out, err);
	pthread_mutex_lock(&hdf5);
	r = image_write_hdf5(&h, pixels, out, err);
	pthread_mutex_unlock(&hdf5);
	return r;
}

int sim_night_draw(struct sim_night *n, size_t i, struct strbuf *out, struct err *err)
{
	struct sim_exposure *e = &n->exposure[i];
	size_t pixels = (size_t)n->spec.size * (size_t)n->spec.size;
	struct forward_optics optics = n->optics;
	struct forward_frame f = {
	    .width = n->spec.size,
	    .height = n->spec.size,
	    .cx = e->cx,
	    .cy = e->cy,
	    .exposure_s = e->exposure_s,
	    .read_noise = n->spec.read_noise,
	    .cosmic_per_s = n->spec.cosmics * COSMICS_PER_S * (double)pixels / (512 * 512),
	    .hot = n->hot,
	    .hot_rate = n->hot_rate,
	    .nhot = n->nhot,
	};
	double far_x = fmax(e->cx, f.width - 1 - e->cx) + 1, far_y = fmax(e->cy, f.height - 1 - e->cy) + 1;
	uint16_t *image = xcalloc(pixels, sizeof(*image));
	struct forward_profile profile;
	struct rng rng;
	int r;

	rng_init(&rng, n->spec.seed, STREAM_FRAMES + i);
	optics.gap_m = e->gap_m;
	forward_profile_make(&optics, &e->light, hypot(far_x, far_y), &profile);
	forward_render(&profile, &f, &rng, image);
	e->peak_counts = profile.peak;
	e->cosmic_hits = f.cosmic_hits;
	r = write_image(n, e, image, out, err);
	free(profile.v);
	free(image);
	return r;
}
