/* simulate_truth.c: what was put into a synthetic night, as JSON. */
#include "config.h"

#include "assets/fpi/simulate.h"

#define US_PER_S 1000000

static json_t *pair(double a, double b)
{
	return json_pack("[f, f]", a, b);
}

/* "2016-08-05 20:49:24.657550", with what the reader of these files expects behind it */
static json_t *instant_text(int64_t us, char between, const char *after)
{
	char text[UTCTIME_MAX], full[2 * UTCTIME_MAX];

	utctime_format_sql((us - us % US_PER_S) / 1000, text);
	text[10] = between;
	snprintf(full, sizeof(full), "%s.%06d%s", text, (int)(us % US_PER_S), after);
	return json_string(full);
}

static json_t *exposure_truth(const struct sim_exposure *e)
{
	json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:f, s:f, s:f, s:o, s:f, s:f, s:f, s:i, s:f}", "file",
	    e->file, "tag", e->tag, "local_time", instant_text(e->local_us, 'T', ""), "utc",
	    instant_text(e->utc_us, ' ', ""), "exposure_s", e->exposure_s, "az", e->az, "ze", e->ze,
	    "centre_xy", pair(e->cx, e->cy), "gap_m", e->gap_m, "sun_alt_deg", e->sun_alt_deg,
	    "cloud_sky_minus_ambient_C", e->cloud_C, "cosmic_ray_hits", e->cosmic_hits, "peak_counts",
	    e->peak_counts);

	if (strcmp(e->tag, "L") == 0) {
		json_object_set_new(j, "line_mean_counts", json_real(e->light.line_counts));
		return j;
	}
	json_t *sky = json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "direction",
	    e->direction, "wind_los", e->wind_los, "wind_los_clear_sky", e->wind_los_clear, "T",
	    e->temperature_K, "line_mean_counts_per_s", e->line_per_s, "continuum_counts_per_s",
	    e->continuum_per_s, "moon_angle_deg", e->moon_angle_deg, "moon_alt_deg", e->moon_alt_deg, "u", e->u,
	    "v", e->v, "w", e->w, "cloud_scatter_fraction", e->cloud_scatter);
	json_object_update(j, sky);
	json_decref(sky);
	return j;
}

static json_t *optics_truth(const struct sim_night *n)
{
	const struct forward_optics *o = &n->optics;

	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "t", o->gap_m, "R", o->R,
	    "alpha", o->alpha, "a1", o->a1, "a2", o->a2, "b0", o->b0, "b1", o->b1, "b2", o->b2, "rmax", o->rmax,
	    "center", pair(n->cx, n->cy));
}

json_t *sim_night_truth(const struct sim_night *n)
{
	const struct fpi_setup *s = &n->setup;
	char date[16];
	json_t *tags = json_array(), *exposures = json_array(), *j;

	snprintf(date, sizeof(date), "%04d%02d%02d", s->date.year, s->date.month, s->date.day);
	for (size_t i = 0; i < n->spec.ntags; i++)
		json_array_append_new(tags, json_string(n->spec.tags[i]));
	for (size_t i = 0; i < n->n; i++) {
		json_t *e = exposure_truth(&n->exposure[i]);

		json_object_set_new(e, "ccd_temp_C", json_integer(n->spec.ccd_temp_C));
		json_array_append_new(exposures, e);
	}
	j = json_pack("{s:s, s:s, s:s, s:s, s:o, s:[i, i], s:s, s:[f, f, f], s:o, s:f, s:o, s:o, s:I, s:o}",
	    "site", s->site.abbr, "instrument", s->instrument.name, "observation_date", date, "format",
	    n->spec.format == SIM_IMG ? "img" : "hdf5", "tags", tags, "image_shape", n->spec.size, n->spec.size,
	    "timezone", s->site.timezone, "location", s->site.lat_deg, s->site.lon_deg, s->site.alt_m, "optics",
	    optics_truth(n), "laser_wavelength_m", n->spec.laser_lambda_m, "sunset_utc",
	    instant_text((int64_t)(n->sunset_s * 1e6), ' ', "+00:00"), "sunrise_utc",
	    instant_text((int64_t)(n->sunrise_s * 1e6), ' ', "+00:00"), "seed", (json_int_t)n->spec.seed,
	    "exposures", exposures);
	return j;
}
