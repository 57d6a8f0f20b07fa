/* Simulated nights through the whole analysis: winds and temperatures against what was put in. */
#include "config.h"

#include "assets/fpi/folder.h"
#include "assets/fpi/night.h"
#include "assets/fpi/simulate.h"
#include "assets/fpi/simulate_pack.h"
#include "assets/fpi/simulate_sensors.h"
#include "assets/fpi/sites.h"
#include "tests/tap.h"

#include <math.h>

struct kind {
	const char *instrument, *date;
	int size, nlaser, nsky;
	uint64_t seed;
	double clouds;
};

static void resolve(const struct kind *k, struct fpi_setup *s)
{
	struct diags diags = DIAGS_INIT;
	struct fpi_table *t = fpi_table_load(test_src("etc/sites-and-instruments.yaml"), &diags);
	struct civil c;

	if (t == NULL || utctime_parse_yyyymmdd(k->date, &c) == -1 ||
	    fpi_table_resolve(t, k->instrument, NULL, &c, s, NULL) == -1)
		tap_bail("no setup for %s on %s", k->instrument, k->date);
	fpi_table_free(t);
	diags_release(&diags);
}

static const struct sim_exposure *exposure_of(const struct sim_night *n, const char *file)
{
	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->exposure[i].file, file) == 0)
			return &n->exposure[i];
	tap_bail("no exposure %s", file);
}

/* The constant of the night comes from the vertical wind of the zenith samples, 3 m/s at most here, and their errors. */
static void check_line(const struct sim_night *n, const struct fpi_result *r, double T_tolerance)
{
	double bias = 0, pull2 = 0, T_bias = 0, T_pull2 = 0, wind_worst = 0;
	size_t flagged = 0;

	for (size_t i = 0; i < r->nsky; i++) {
		const struct fpi_sky *s = &r->sky[i];
		const struct sim_exposure *e = exposure_of(n, s->frame.name);

		bias += (s->wind - e->wind_los) / (double)r->nsky;
		T_bias += (s->T / e->temperature_K - 1) / (double)r->nsky;
		T_pull2 += pow((s->T - e->temperature_K) / s->sigma_T, 2) / (double)r->nsky;
		flagged += s->wind_flag > 0;
	}
	for (size_t i = 0; i < r->nsky; i++) {
		const struct fpi_sky *s = &r->sky[i];
		double d = s->wind - exposure_of(n, s->frame.name)->wind_los - bias;

		pull2 += d * d / (s->sigma_wind * s->sigma_wind) / (double)r->nsky;
		wind_worst = fmax(wind_worst, fabs(d) / s->sigma_wind);
	}
	ok(fabs(bias) < 8, "%s: mean wind error %.2f m/s", r->tag, bias);
	ok(sqrt(pull2) > 0.05 && sqrt(pull2) < 1.5 && wind_worst < 5,
	    "scatter %.2f of the error bars, worst %.1f", sqrt(pull2), wind_worst);
	ok(fabs(T_bias) < T_tolerance && sqrt(T_pull2) < 4, "temperature error %.2f %%, %.2f error bars",
	    100 * T_bias, sqrt(T_pull2));
	diag("%zu of %zu samples flagged", flagged, r->nsky);
}

static void analyse(const struct kind *k, struct sim_night *n, const char *images, const char *aux)
{
	struct fpi_folder *frames = fpi_folder_open(&images, 1, NULL),
	                  *sensors = fpi_folder_open(&aux, 1, NULL);
	struct fpi_request request = {.options = fpi_options_default};

	if (frames == NULL || sensors == NULL)
		tap_bail("no folder %s or %s", images, aux);
	request.setup = n->setup;
	request.images = fpi_folder_source(frames);
	request.aux = fpi_folder_source(sensors);
	for (size_t i = 0; i < n->spec.ntags; i++) {
		struct fpi_result *r = NULL;
		struct err err = ERR_INIT;

		if (ok(fpi_night_run(&request, n->spec.tags[i], &r, &err) == 0, "%s %s %s", k->instrument,
		        n->spec.tags[i], err.text)) {
			ok(r->nsky == (size_t)k->nsky && r->nlaser == (size_t)k->nlaser,
			    "%zu sky and %zu laser frames used", r->nsky, r->nlaser);
			ok(r->has_cloud && isfinite(r->sky[0].cloud.mean), "cloud values");
			ok(fabs((double)r->sunset_us / 1e6 - n->sunset_s) < 2 &&
			        fabs((double)r->sunrise_us / 1e6 - n->sunrise_s) < 2,
			    "the same night");
			check_line(n, r, 0.03);
		}
		fpi_result_free(r);
	}
	fpi_folder_free(frames);
	fpi_folder_free(sensors);
}

static void run_night(const struct kind *k)
{
	char images[500], aux[500], dated[520];
	struct sim_output out = {.images = images};
	struct sim_night n;
	struct sim_spec spec;
	struct fpi_setup setup;
	struct err err = ERR_INIT;

	snprintf(images, sizeof(images), "%s/%s/images", test_dir(), k->instrument);
	snprintf(aux, sizeof(aux), "%s/%s/aux", test_dir(), k->instrument);
	snprintf(dated, sizeof(dated), "%s/%s", images, k->date);
	fs_mkdirs(aux, 0755, NULL);
	resolve(k, &setup);
	sim_spec_default(&setup, &spec);
	spec.size = k->size;
	spec.nlaser = k->nlaser;
	spec.nsky = k->nsky;
	spec.seed = k->seed;
	spec.clouds = k->clouds;
	if (ok(sim_night_init(&n, &setup, &spec, &err) == 0 && sim_pack(&n, &out, &err) == 0 &&
	            sim_cloud_files(&n, SIM_CLOUD_BOLTWOOD, aux, &err) == 0,
	        "a night of %s %s", k->instrument, err.text))
		analyse(k, &n, dated, aux);
	sim_night_release(&n);
}

static void test_single_line(void)
{
	run_night(&(struct kind){"minime01", "20240310", 320, 16, 20, 7, 0});
}

static void test_two_lines(void)
{
	run_night(&(struct kind){"minime13", "20260417", 320, 16, 10, 3, 0});
}

/* South of the equator, another focal length, clouds in between. */
static void test_south(void)
{
	run_night(&(struct kind){"minime06", "20240620", 320, 16, 20, 5, 0.3});
}

int main(void)
{
	tap_run(test_single_line);
	tap_run(test_two_lines);
	tap_run(test_south);
	return tap_done();
}
