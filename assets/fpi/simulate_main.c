/* fpi-simulate: synthetic nights of a Fabry-Perot interferometer, with the truth behind them. */
#include "config.h"

#include "assets/fpi/simulate.h"
#include "assets/fpi/simulate_pack.h"
#include "assets/fpi/simulate_sensors.h"
#include "assets/fpi/sites.h"
#include "base/fs.h"
#include "base/mem.h"

#include <getopt.h>
#include <math.h>

#define TABLE_NAME  "sites-and-instruments.yaml"
#define PIECE_BYTES 5242880

struct options {
	const char *sites, *instrument, *site, *date, *truth;
	const char *format, *cloud_sensor, *tags; /* NULL: what suits the instrument */
	struct sim_spec spec;
	struct sim_output out;
	bool temperature_logs, quiet;
	/* Settings given before the instrument's defaults are known, applied afterwards. */
	struct {
		size_t row;
		double v;
	} set[32];
	size_t nset;
};

enum { OPT_NUMBER = 1000 };

/* Numbers of the spec: where they go, and what they may be. */
static const struct number {
	const char *name, *unit, *help;
	size_t off;
	char type; /* i int, d double, u uint64 */
	double min, max;
} numbers[] = {
#define NUM(field) offsetof(struct sim_spec, field)
    {"seed", "N", "another night of the same kind; default 1", NUM(seed), 'u', 0, 1e15},
    {"size", "PIXELS", "side of the square image; default 512", NUM(size), 'i', 64, SIM_SIZE_MAX},
    {"laser", "N", "laser frames; default 20", NUM(nlaser), 'i', 0, SIM_FRAMES_MAX},
    {"sky", "N", "sky frames of each tag; default 20", NUM(nsky), 'i', 0, SIM_FRAMES_MAX},
    {"cadence", "S", "seconds between starts; default: the frames fill the night", NUM(cadence_s), 'd', 0,
        86400},
    {"exposure", "S", "of sky frames; default: by brightness, 60 to 600", NUM(exposure_s), 'd', 1, 3600},
    {"laser-exposure", "S", "default 30", NUM(laser_exposure_s), 'd', 1, 3600},
    {"zonal", "M/S", "amplitude of the eastward wind; default 100", NUM(zonal_ms), 'd', -500, 500},
    {"meridional", "M/S", "amplitude of the northward wind; default 60", NUM(meridional_ms), 'd', -500, 500},
    {"vertical", "M/S", "amplitude of the upward wind; default 3", NUM(vertical_ms), 'd', -200, 200},
    {"temperature", "K", "of the red line at dusk; default 890", NUM(temperature_K), 'd', 100, 4000},
    {"cooling", "K", "how much less at dawn; default 160", NUM(cooling_K), 'd', -2000, 2000},
    {"brightness", "FACTOR", "of the airglow; default 1", NUM(brightness), 'd', 0.001, 1000},
    {"clouds", "PART", "of the night under clouds, 0 to 1; default 0", NUM(clouds), 'd', 0, 1},
    {"gap-drift", "NM", "swing of the etalon gap; default 3", NUM(gap_drift_nm), 'd', -100, 100},
    {"center-drift", "PIXELS", "of the ring centre; default 0.4", NUM(center_drift_px), 'd', -20, 20},
    {"laser-wavelength", "M", "default 632.8e-9, whatever the instrument is configured with",
        NUM(laser_lambda_m), 'd', 1e-7, 1e-5},
    {"read-noise", "COUNTS", "default 6", NUM(read_noise), 'd', 0, 1000},
    {"hot-pixels", "N", "on 512 x 512 pixels; default 60", NUM(hot_pixels), 'd', 0, SIM_HOT_MAX},
    {"cosmics", "FACTOR", "of the usual rate of cosmic rays; default 1", NUM(cosmics), 'd', 0, 100},
    {"ccd-temp", "C", "default -70", NUM(ccd_temp_C), 'i', -150, 60},
#undef NUM
};

enum {
	OPT_SITES = 256,
	OPT_INSTRUMENT,
	OPT_SITE,
	OPT_DATE,
	OPT_TAGS,
	OPT_FORMAT,
	OPT_MOON,
	OPT_UPLOAD,
	OPT_IMAGES,
	OPT_TRUTH,
	OPT_PIECE,
	OPT_CLOUD_SENSOR,
	OPT_TEMPERATURE_LOGS,
	OPT_THREADS,
	OPT_QUIET,
	OPT_HELP,
	OPT_VERSION,
};

static const struct text {
	const char *name, *value, *help;
	int code;
} texts[] = {
    {"instrument", "NAME", "such as minime13 (required)", OPT_INSTRUMENT},
    {"date", "YYYYMMDD", "the local evening's date (required)", OPT_DATE},
    {"site", "ABBR", "check that the instrument is at this site then", OPT_SITE},
    {"sites", "FILE",
        "table of sites and instruments; default: " TABLE_NAME " in ./etc or where it was installed",
        OPT_SITES},
    {"tags", "TAG,...", "lines to take; default: those the instrument has on the date", OPT_TAGS},
    {"format", "img|hdf5", "default: hdf5 for instruments with a green line", OPT_FORMAT},
    {"ignore-moon", NULL, "also look at the moon; such frames are dropped by the analysis", OPT_MOON},
    {"upload", "DIR", "write what the instrument sends: pieces, check file, sensor files", OPT_UPLOAD},
    {"images", "DIR", "write the images to DIR/YYYYMMDD", OPT_IMAGES},
    {"truth", "FILE", "write what was put in, as JSON; - is the standard output", OPT_TRUTH},
    {"piece-size", "BYTES", "of the upload; default 5242880", OPT_PIECE},
    {"cloud-sensor", "KIND", "boltwood, skyalert, ethernet or none; default by format of the images",
        OPT_CLOUD_SENSOR},
    {"temperature-logs", NULL, "write those too", OPT_TEMPERATURE_LOGS},
    {"threads", "N", "default: one per core; the result is the same for any number", OPT_THREADS},
    {"quiet", NULL, "no summary", OPT_QUIET},
    {"help", NULL, "this text", OPT_HELP},
    {"version", NULL, "", OPT_VERSION},
};

static void help_line(const char *name, const char *value, const char *text)
{
	char left[64];

	snprintf(left, sizeof(left), "--%s%s%s", name, value ? " " : "", value ? value : "");
	printf("  %-24s %s\n", left, text);
}

static void print_help(void)
{
	printf("usage: fpi-simulate --instrument NAME --date YYYYMMDD [--upload DIR] [--images DIR] [--truth "
	       "FILE] [options]\n\n"
	       "Makes a synthetic night of a Fabry-Perot interferometer from the published forward model.\nThe "
	       "same options give the same "
	       "bytes.\n\n");
	for (size_t i = 0; i < NITEMS(texts); i++)
		if (texts[i].help[0] != '\0')
			help_line(texts[i].name, texts[i].value, texts[i].help);
	printf("\nThe night:\n");
	for (size_t i = 0; i < NITEMS(numbers); i++)
		help_line(numbers[i].name, numbers[i].unit, numbers[i].help);
}

static int usage(const struct err *err)
{
	fprintf(stderr, "fpi-simulate: %s\n", err->text);
	return err_exit_code(err);
}

/* ---- options */

static int parse_number(
    const char *name, const char *text, double min, double max, bool whole, double *v, struct err *err)
{
	char *end;

	*v = strtod(text, &end);
	if (*text == '\0' || *end != '\0' || !isfinite(*v) || (whole && *v != floor(*v)))
		return err_set(
		    err, ERR_USAGE, "--%s: '%s' is not a %snumber", name, text, whole ? "whole " : "");
	if (*v < min || *v > max)
		return err_set(err, ERR_USAGE, "--%s: %s is not between %g and %g", name, text, min, max);
	return 0;
}

static int take_number(struct options *o, size_t row, const char *text, struct err *err)
{
	const struct number *k = &numbers[row];

	if (o->nset == NITEMS(o->set))
		return err_set(err, ERR_USAGE, "too many options");
	o->set[o->nset].row = row;
	return parse_number(k->name, text, k->min, k->max, k->type != 'd', &o->set[o->nset++].v, err);
}

static int take_text(struct options *o, int code, const char *text, struct err *err)
{
	double v;

	switch (code) {
	case OPT_SITES: o->sites = text; break;
	case OPT_INSTRUMENT: o->instrument = text; break;
	case OPT_SITE: o->site = text; break;
	case OPT_DATE: o->date = text; break;
	case OPT_TAGS: o->tags = text; break;
	case OPT_FORMAT: o->format = text; break;
	case OPT_MOON: o->spec.avoid_moon = false; break;
	case OPT_UPLOAD: o->out.upload = text; break;
	case OPT_IMAGES: o->out.images = text; break;
	case OPT_TRUTH: o->truth = text; break;
	case OPT_CLOUD_SENSOR: o->cloud_sensor = text; break;
	case OPT_TEMPERATURE_LOGS: o->temperature_logs = true; break;
	case OPT_QUIET: o->quiet = true; break;
	case OPT_PIECE:
		if (parse_number("piece-size", text, 1024, 1e9, true, &v, err) == -1)
			return -1;
		o->out.piece_bytes = (size_t)v;
		break;
	case OPT_THREADS:
		if (parse_number("threads", text, 1, 64, true, &v, err) == -1)
			return -1;
		o->out.threads = (int)v;
		break;
	}
	return 0;
}

/* 0: go on; 1: done (help); -1: wrong. */
static int parse_options(int argc, char **argv, struct options *o, struct err *err)
{
	struct option longs[NITEMS(texts) + NITEMS(numbers) + 1] = {0};
	size_t n = 0;
	int c;

	for (size_t i = 0; i < NITEMS(texts); i++)
		longs[n++] = (struct option){
		    texts[i].name, texts[i].value ? required_argument : no_argument, NULL, texts[i].code};
	for (size_t i = 0; i < NITEMS(numbers); i++)
		longs[n++] = (struct option){numbers[i].name, required_argument, NULL, OPT_NUMBER + (int)i};
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == '?')
			return err_set(err, ERR_USAGE, "see fpi-simulate --help");
		if (c == OPT_HELP || c == 'h') {
			print_help();
			return 1;
		}
		if (c == OPT_VERSION) {
			printf("fpi-simulate %s\n", PACKAGE_VERSION);
			return 1;
		}
		if ((c >= OPT_NUMBER ? take_number(o, (size_t)(c - OPT_NUMBER), optarg, err)
		                     : take_text(o, c, optarg, err)) == -1)
			return -1;
	}
	if (optind < argc)
		return err_set(err, ERR_USAGE, "'%s' is not an option; see fpi-simulate --help", argv[optind]);
	if (o->instrument == NULL || o->date == NULL)
		return err_set(err, ERR_USAGE, "--instrument and --date are needed; see fpi-simulate --help");
	if (o->out.upload == NULL && o->out.images == NULL && o->truth == NULL)
		return err_set(err, ERR_USAGE, "nothing to write: give --upload, --images or --truth");
	return 0;
}

/* ---- the night */

static struct fpi_table *load_table(const char *given, struct err *err)
{
	static const char *const places[] = {
	    "etc/" TABLE_NAME, ORCH_SYSCONFDIR "/orch/" TABLE_NAME, ORCH_DATADIR "/" TABLE_NAME};
	const char *path = given;
	struct diags diags = DIAGS_INIT;
	struct fpi_table *t;

	for (size_t i = 0; path == NULL && i < NITEMS(places); i++)
		if (fs_exists(places[i]))
			path = places[i];
	if (path == NULL) {
		err_set(err, ERR_CONFIG,
		    "no table of sites and instruments in ./%s, %s or %s; name it with --sites", places[0],
		    places[1], places[2]);
		return NULL;
	}
	t = fpi_table_load(path, &diags);
	if (t == NULL)
		diags_to_err(&diags, err);
	diags_release(&diags);
	return t;
}

static int set_tags(struct sim_spec *s, const char *text, struct err *err)
{
	s->ntags = 0;
	while (*text != '\0') {
		size_t n = strcspn(text, ",");

		if (n == 0 || n >= FPI_NAME_MAX || s->ntags == SIM_TAGS_MAX ||
		    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") < n || (n == 1 && *text == 'L'))
			return err_set(err, ERR_USAGE,
			    "--tags: one to %d tags such as X, XR or XG, with commas between", SIM_TAGS_MAX);
		snprintf(s->tags[s->ntags++], FPI_NAME_MAX, "%.*s", (int)n, text);
		text += n + (text[n] == ',');
	}
	return 0;
}

static int set_spec(struct options *o, const struct fpi_setup *setup, struct err *err)
{
	bool avoid_moon = o->spec.avoid_moon;

	sim_spec_default(setup, &o->spec);
	o->spec.avoid_moon = avoid_moon;
	for (size_t i = 0; i < o->nset; i++) {
		const struct number *k = &numbers[o->set[i].row];
		void *at = (char *)&o->spec + k->off;

		if (k->type == 'd')
			*(double *)at = o->set[i].v;
		else if (k->type == 'i')
			*(int *)at = (int)o->set[i].v;
		else
			*(uint64_t *)at = (uint64_t)o->set[i].v;
	}
	if (o->format != NULL && strcmp(o->format, "img") != 0 && strcmp(o->format, "hdf5") != 0)
		return err_set(err, ERR_USAGE, "--format: '%s' is neither img nor hdf5", o->format);
	if (o->format != NULL)
		o->spec.format = strcmp(o->format, "img") == 0 ? SIM_IMG : SIM_HDF5;
	return o->tags != NULL ? set_tags(&o->spec, o->tags, err) : 0;
}

static int cloud_sensor(const struct options *o, enum sim_cloud_sensor *sensor, struct err *err)
{
	static const char *const names[] = {
	    [SIM_CLOUD_NONE] = "none",
	    [SIM_CLOUD_BOLTWOOD] = "boltwood",
	    [SIM_CLOUD_SKYALERT] = "skyalert",
	    [SIM_CLOUD_ETHERNET] = "ethernet",
	};

	*sensor = o->spec.format == SIM_IMG ? SIM_CLOUD_BOLTWOOD : SIM_CLOUD_ETHERNET;
	if (o->cloud_sensor == NULL)
		return 0;
	for (size_t i = 0; i < NITEMS(names); i++)
		if (strcmp(o->cloud_sensor, names[i]) == 0) {
			*sensor = (enum sim_cloud_sensor)i;
			return 0;
		}
	return err_set(err, ERR_USAGE, "--cloud-sensor: '%s' is not boltwood, skyalert, ethernet or none",
	    o->cloud_sensor);
}

static int write_truth(const struct sim_night *n, const char *path, struct err *err)
{
	json_t *j = sim_night_truth(n);
	char *text = json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
	int r;

	if (strcmp(path, "-") == 0)
		r = puts(text) == EOF || fflush(stdout) == EOF ? err_errno(err, "standard output") : 0;
	else
		r = fs_write_atomic(path, text, strlen(text), 0644, err);
	free(text);
	json_decref(j);
	return r;
}

static int write_night(const struct options *o, struct sim_night *n, struct err *err)
{
	enum sim_cloud_sensor sensor;

	if (cloud_sensor(o, &sensor, err) == -1)
		return -1;
	if (o->out.upload != NULL && fs_mkdirs(o->out.upload, 0755, err) == -1)
		return -1;
	if (o->out.upload != NULL && sim_cloud_files(n, sensor, o->out.upload, err) == -1)
		return -1;
	if (o->out.upload != NULL && o->temperature_logs && sim_temperature_files(n, o->out.upload, err) == -1)
		return -1;
	if (sim_pack(n, &o->out, err) == -1)
		return -1;
	if (o->truth != NULL && write_truth(n, o->truth, err) == -1)
		return -1;
	if (!o->quiet && (o->truth == NULL || strcmp(o->truth, "-") != 0))
		printf("%s at %s, night of %s: %zu frames of %d x %d pixels\n", n->setup.instrument.name,
		    n->setup.site.abbr, o->date, n->n, n->spec.size, n->spec.size);
	return 0;
}

static int simulate(struct options *o, struct err *err)
{
	struct fpi_table *table = load_table(o->sites, err);
	struct fpi_setup setup;
	struct sim_night night = {0};
	struct civil date;
	int r = -1;

	if (table == NULL)
		return -1;
	if (utctime_parse_yyyymmdd(o->date, &date) == -1)
		err_set(err, ERR_USAGE, "--date: '%s' is not a date as YYYYMMDD", o->date);
	else if (fpi_table_resolve(table, o->instrument, o->site, &date, &setup, err) == 0 &&
	         set_spec(o, &setup, err) == 0 && sim_night_init(&night, &setup, &o->spec, err) == 0)
		r = write_night(o, &night, err);
	sim_night_release(&night);
	fpi_table_free(table);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = {.spec.avoid_moon = true, .out.piece_bytes = PIECE_BYTES};
	struct err err = ERR_INIT;
	int r = parse_options(argc, argv, &o, &err);

	if (r == 1)
		return 0;
	if (r == -1 || simulate(&o, &err) == -1)
		return usage(&err);
	return 0;
}
