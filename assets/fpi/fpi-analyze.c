/*
 * fpi-analyze.c: analyse folders of images from the command line and write the numbers as JSON, for comparing
 * implementations and for looking at a night without a store or a database.
 */
#include "config.h"

#include "assets/fpi/folder.h"
#include "assets/fpi/night.h"
#include "assets/fpi/sites.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"

#include <getopt.h>
#include <math.h>

static const char usage[] = "usage: fpi-analyze [options] INSTRUMENT SITE YYYYMMDD FOLDER...\n"
                            "  -t FILE   site table (default etc/sites-and-instruments.yaml)\n"
                            "  -a DIR    folder with cloud and temperature logs\n"
                            "  -T TAG    this tag only (default: all the instrument has)\n"
                            "  -z        zenith reference instead of laser\n"
                            "  -d WORD   Doppler statistic: grid exact median mean (default grid)\n"
                            "  -j N      threads (default: one per core)\n"
                            "  -f        add the annular sums of every frame\n"
                            "  -l        print the night's log on stderr\n"
                            "  -s        print times of the stages on stderr\n";

struct args {
	const char *table, *aux, *tag;
	struct fpi_options options;
	bool fringes, log, times;
};

/* Finite numbers as they are, others as text, which JSON has no numbers for. */
static json_t *number(double v)
{
	if (isfinite(v))
		return json_real(v);
	return json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

static json_t *numbers(const double *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, number(v[i]));
	return list;
}

static json_t *named(const double *v, const char *const *names, size_t n)
{
	json_t *map = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(map, names[i], number(v[i]));
	return map;
}

/* "2026-04-17T20:45:38.695216-05:00" */
static json_t *local_time(const struct fpi_frame *f)
{
	int64_t zone_min = (f->local_us - f->utc_us) / 60000000, us = f->local_us % 1000000;
	struct civil c;

	civil_from_ms(f->local_us / 1000, &c);
	return json_sprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06d%c%02d:%02d", c.year, c.month, c.day, c.hour,
	    c.minute, c.second, (int)us, zone_min < 0 ? '-' : '+', (int)(llabs(zone_min) / 60),
	    (int)(llabs(zone_min) % 60));
}

static json_t *fringe_json(const struct fpi_fringe *f)
{
	json_t *j = json_object();

	json_object_set_new(j, "r", numbers(f->r, (size_t)f->n));
	json_object_set_new(j, "counts", numbers(f->counts, (size_t)f->n));
	json_object_set_new(j, "sigma", numbers(f->sigma, (size_t)f->n));
	return j;
}

static json_t *sky_json(const struct fpi_sky *s, bool fringes)
{
	const struct {
		const char *key;
		double v;
	} row[] = {{"az", s->az}, {"ze", s->ze}, {"doppler_reference", s->doppler_reference},
	    {"LOSwind", s->wind}, {"sigma_LOSwind", s->sigma_wind}, {"sigma_fit_LOSwind", s->sigma_fit},
	    {"sigma_cal_LOSwind", s->sigma_cal}, {"T", s->T}, {"sigma_T", s->sigma_T}, {"skyI", s->skyI},
	    {"sigma_skyI", s->sigma_skyI}, {"skyB", s->skyB}, {"sigma_skyB", s->sigma_skyB}, {"ccdB", s->ccdB},
	    {"sigma_ccdB", s->sigma_ccdB}, {"sky_chisqr", s->redchi}, {"sky_intT", s->frame.exposure_s},
	    {"sky_ccd_temperature", s->frame.ccd_temp_C}, {"cloud_mean", s->cloud.mean},
	    {"lamc", s->value[FPI_S_LAMC]}, {"sigma_lamc", s->error[FPI_S_LAMC]},
	    {"t_used", s->instrument[FPI_P_T]}};
	json_t *j = json_object();

	json_object_set_new(j, "file", json_text_new(s->frame.name));
	json_object_set_new(j, "time_local", local_time(&s->frame));
	json_object_set_new(j, "direction", json_text_new(s->direction));
	for (size_t i = 0; i < NITEMS(row); i++)
		json_object_set_new(j, row[i].key, number(row[i].v));
	json_object_set_new(j, "wind_quality_flag", json_integer(s->wind_flag));
	json_object_set_new(j, "temp_quality_flag", json_integer(s->temp_flag));
	if (fringes)
		json_object_set_new(j, "fringe", fringe_json(&s->fringe));
	return j;
}

static json_t *laser_json(const struct fpi_laser *l, bool fringes)
{
	json_t *j = json_object();

	json_object_set_new(j, "file", json_text_new(l->frame.name));
	json_object_set_new(j, "time_local", local_time(&l->frame));
	json_object_set_new(j, "chisqr", number(l->redchi));
	json_object_set_new(j, "center_xy", numbers((double[]){l->cx, l->cy}, 2));
	json_object_set_new(j, "center_used", numbers((double[]){l->fringe.cx, l->fringe.cy}, 2));
	json_object_set_new(j, "value", named(l->value, fpi_laser_param_name, FPI_NLASER));
	json_object_set_new(j, "stderr", named(l->error, fpi_laser_param_name, FPI_NLASER));
	if (fringes)
		json_object_set_new(j, "fringe", fringe_json(&l->fringe));
	return j;
}

static json_t *result_json(const struct fpi_result *r, const struct err *err, bool fringes)
{
	json_t *j = json_object(), *sky = json_array(), *laser = json_array(), *warnings = json_array();

	for (size_t i = 0; i < r->nsky; i++)
		json_array_append_new(sky, sky_json(&r->sky[i], fringes));
	for (size_t i = 0; i < r->nlaser; i++)
		json_array_append_new(laser, laser_json(&r->laser[i], fringes));
	for (size_t i = 0; i < r->nwarnings; i++)
		json_array_append_new(warnings, json_text_new(r->warnings[i].label));
	json_object_set_new(j, "tag", json_text_new(r->tag));
	json_object_set_new(j, "reference_used", json_text_new(fpi_reference_name[r->reference]));
	json_object_set_new(j, "error", err->class == ERR_NONE ? json_null() : json_text_new(err->code));
	json_object_set_new(j, "lam0", number(r->lam0_m));
	json_object_set_new(j, "sunset_s", number((double)r->sunset_us / 1e6));
	json_object_set_new(j, "sunrise_s", number((double)r->sunrise_us / 1e6));
	json_object_set_new(j, "warning_labels", warnings);
	json_object_set_new(j, "sky", sky);
	json_object_set_new(j, "laser", laser);
	return j;
}

static void print_log(const struct fpi_result *r)
{
	char at[UTCTIME_MAX];

	for (size_t i = 0; i < r->nlog; i++)
		fprintf(stderr, "%s: %s\n", utctime_format(r->log[i].at, at), r->log[i].text);
}

/* The time since the last item of the stage before belongs to a stage, that up to its first item too. */
struct watch {
	char stage[64];
	int64_t since, last;
};

static void watch_print(const struct watch *w)
{
	if (w->stage[0] != '\0')
		fprintf(stderr, "%8.1f ms  %s\n", (double)(w->last - w->since) / 1e3, w->stage);
}

static void on_progress(void *arg, const char *stage, size_t done, size_t total)
{
	struct watch *w = arg;

	(void)done;
	(void)total;
	if (strcmp(w->stage, stage) != 0) {
		watch_print(w);
		snprintf(w->stage, sizeof(w->stage), "%s", stage);
		w->since = w->last;
	}
	w->last = clock_mono_us();
}

static json_t *run_tag(struct fpi_night *night, const char *tag, const struct args *a, int *failed)
{
	struct fpi_result *r;
	struct err err = ERR_INIT;
	json_t *j;

	if (fpi_sky_night(night, tag, &r, &err) == -1) {
		fprintf(stderr, "fpi-analyze: %s: %s: %s\n", tag, err.code, err.text);
		*failed = err_exit_code(&err);
	}
	if (a->log)
		print_log(r);
	j = result_json(r, &err, a->fringes);
	fpi_result_free(r);
	return j;
}

static int analyze(struct fpi_request *req, const struct args *a, json_t *runs, struct err *err)
{
	const struct fpi_instrument *in = &req->setup.instrument;
	struct watch watch = {.last = clock_mono_us()};
	struct fpi_night *night;
	int failed = 0;

	if (a->times) {
		req->progress = on_progress;
		req->arg = &watch;
	}
	if (fpi_laser_night(req, &night, err) == -1)
		return -1;
	for (size_t i = 0; i < (a->tag != NULL ? 1 : in->ntags); i++)
		json_array_append_new(runs, run_tag(night, a->tag != NULL ? a->tag : in->tags[i], a, &failed));
	if (a->times)
		watch_print(&watch);
	fpi_night_free(night);
	return failed;
}

static int setup(const struct args *a, char **words, struct fpi_setup *out, struct err *err)
{
	struct diags diags = DIAGS_INIT;
	struct fpi_table *table = fpi_table_load(a->table, &diags);
	struct civil date;
	int rc = -1;

	if (table == NULL)
		diags_to_err(&diags, err);
	else if (utctime_parse_yyyymmdd(words[2], &date) == -1)
		err_set(err, ERR_USAGE, "'%s' is not a date", words[2]);
	else
		rc = fpi_table_resolve(table, words[0], words[1], &date, out, err);
	fpi_table_free(table);
	diags_release(&diags);
	return rc;
}

static int run(const struct args *a, char **words, int n, struct err *err)
{
	struct fpi_request req = {.options = a->options};
	struct fpi_folder *images = NULL, *aux = NULL;
	json_t *out = json_object(), *runs = json_array();
	int rc = -1;

	json_object_set_new(out, "instrument", json_text_new(words[0]));
	json_object_set_new(out, "site", json_text_new(words[1]));
	json_object_set_new(out, "observation_date", json_text_new(words[2]));
	json_object_set_new(out, "runs", runs);
	if (setup(a, words, &req.setup, err) == 0 &&
	    (images = fpi_folder_open((const char *const *)words + 3, (size_t)n - 3, err)) != NULL &&
	    (a->aux == NULL || (aux = fpi_folder_open(&a->aux, 1, err)) != NULL)) {
		req.images = fpi_folder_source(images);
		req.aux = aux != NULL ? fpi_folder_source(aux) : NULL;
		rc = analyze(&req, a, runs, err);
	}
	if (rc != -1) {
		json_dumpf(out, stdout, JSON_REAL_PRECISION(17) | JSON_INDENT(1));
		putchar('\n');
	}
	json_decref(out);
	fpi_folder_free(images);
	fpi_folder_free(aux);
	return rc;
}

static int statistic(const char *word)
{
	static const char *const names[] = {[FPI_DOPPLER_GRID] = "grid",
	    [FPI_DOPPLER_EXACT] = "exact",
	    [FPI_DOPPLER_MEDIAN] = "median",
	    [FPI_DOPPLER_MEAN] = "mean"};

	for (size_t i = 0; i < NITEMS(names); i++)
		if (strcmp(word, names[i]) == 0)
			return (int)i;
	return -1;
}

int main(int argc, char **argv)
{
	struct args a = {.table = "etc/sites-and-instruments.yaml", .options = fpi_options_default};
	struct err err = ERR_INIT;
	int c, rc, s;

	while ((c = getopt(argc, argv, "t:a:T:zd:j:fls")) != -1) {
		switch (c) {
		case 't': a.table = optarg; break;
		case 'a': a.aux = optarg; break;
		case 'T': a.tag = optarg; break;
		case 'z': a.options.reference = FPI_REF_ZENITH; break;
		case 'd':
			if ((s = statistic(optarg)) == -1)
				return fputs(usage, stderr), 2;
			a.options.doppler_statistic = (enum fpi_doppler_statistic)s;
			break;
		case 'j': a.options.threads = (int)strtol(optarg, NULL, 10); break;
		case 'f': a.fringes = true; break;
		case 'l': a.log = true; break;
		case 's': a.times = true; break;
		default: return fputs(usage, stderr), 2;
		}
	}
	if (argc - optind < 4)
		return fputs(usage, stderr), 2;
	rc = run(&a, argv + optind, argc - optind, &err);
	if (rc == -1) {
		fprintf(stderr, "fpi-analyze: %s\n", err.text);
		return err_exit_code(&err);
	}
	return rc;
}
