/*
 * The work of fpi_analysis: every instrument asked for, every line it observes, with the failure rules of the pipeline: a
 * line that cannot be analysed is an error or a warning of its own and never stops the others; the step fails only when
 * something around the data does (store, database, configuration), or when it was told to.
 */
#include "config.h"

#include "assets/fpi/fpi_schema.h"
#include "assets/fpi/night.h"
#include "assets/fpi/sites.h"
#include "assets/fpi_analysis.h"
#include "base/mem.h"
#include "database/database.h"
#include "step/asset.h"
#include "step/step.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

asset_run_fn asset_fpi_analysis_run;

struct tally {
	int64_t total, successful, errors, warnings;
	json_t *lines; /* one object per instrument and tag */
	json_t *manifests; /* {"key", "sha256"} */
	char *first_error; /* NULL: none */
};

struct work {
	struct step *step;
	const struct fpi_analysis_conf *conf;
	const struct fpi_analysis_run_conf *run;
	struct fpi_table *table;
	struct civil date;
	struct tally tally;
};

static void on_progress(void *arg, const char *stage, size_t done, size_t total)
{
	step_progress(arg, stage, (int64_t)done, (int64_t)total);
}

static bool on_cancel(void *arg)
{
	return step_cancelled(arg);
}

static struct fpi_options options_of(const struct fpi_analysis_conf *conf)
{
	static const struct {
		const char *name;
		enum fpi_doppler_statistic statistic;
	} statistics[] = {
	    {"grid", FPI_DOPPLER_GRID},
	    {"exact", FPI_DOPPLER_EXACT},
	    {"median", FPI_DOPPLER_MEDIAN},
	    {"mean", FPI_DOPPLER_MEAN},
	};
	struct fpi_options o = fpi_options_default;

	o.reference = strcmp(conf->reference, "zenith") == 0 ? FPI_REF_ZENITH : FPI_REF_LASER;
	o.fall_back = conf->zenith_fall_back;
	for (size_t i = 0; i < NITEMS(statistics); i++)
		if (strcmp(statistics[i].name, conf->doppler_statistic) == 0)
			o.doppler_statistic = statistics[i].statistic;
	o.skyI_rules_for_red = conf->skyI_rules_for_red;
	o.use_header_binning = conf->header_binning;
	o.threads = (int)conf->threads;
	return o;
}

static int load_table(struct work *w, struct err *err)
{
	const char *file = step_section_file(w->step, "instruments");
	struct diags diags = DIAGS_INIT;

	if (file == NULL)
		return err_code(err, ERR_CONFIG, "no_sites",
		    "no file of the configuration has the sections 'sites' and 'instruments'; include "
		    "sites-and-instruments.yaml");
	w->table = fpi_table_load(file, &diags);
	diags_to_err(&diags, err);
	diags_release(&diags);
	return w->table ? 0 : -1;
}

static int which_instruments(struct work *w, struct strvec *names, struct err *err)
{
	if (w->run->instrument_name != NULL && w->run->instrument_name[0] != '\0') {
		strvec_push(names, w->run->instrument_name);
		return 0;
	}
	if (fpi_table_stationed(w->table, w->run->site, &w->date, names, err) == -1)
		return -1;
	if (names->n == 0)
		return err_code(err, ERR_CONFIG, "not_stationed",
		    "no instrument is stationed at %s on %s according to the site table", w->run->site,
		    w->run->observation_date);
	return 0;
}

static json_t *line_json(const struct fpi_setup *setup, const char *tag, const char *outcome)
{
	return json_pack(
	    "{s:s, s:s, s:s}", "instrument", setup->instrument.name, "tag", tag, "outcome", outcome);
}

static void note_error(struct work *w, const struct fpi_setup *setup, const char *tag, const struct err *why)
{
	json_t *line = line_json(setup, tag, "error");

	w->tally.errors++;
	json_object_set_new(
	    line, "error", json_pack("{s:s, s:o}", "code", why->code, "text", json_text_new(why->text)));
	json_array_append_new(w->tally.lines, line);
	if (w->tally.first_error == NULL)
		w->tally.first_error = xasprintf("%s %s: %s", setup->instrument.name, tag, why->text);
	step_warn(w->step, fpi_error_label(why), "%s %s on %s: %s: %s", setup->instrument.name, tag,
	    w->run->observation_date, why->code, why->text);
}

/* What the analysis found odd goes where people look: the step's warnings. */
static void pass_warnings(struct work *w, const struct fpi_result *res)
{
	for (size_t i = 0; i < res->nwarnings; i++)
		step_warn(w->step, res->warnings[i].label, "%s %s: %s", res->setup.instrument.name, res->tag,
		    res->warnings[i].text);
	w->tally.warnings += (int64_t)res->nwarnings;
}

static void note_success(struct work *w, const struct fpi_result *res, const struct fpi_published *pub)
{
	json_t *line = line_json(&res->setup, res->tag, "ok");

	w->tally.successful++;
	json_object_set_new(line, "reference", json_string(fpi_reference_name[res->reference]));
	json_object_set_new(line, "sky", json_integer((json_int_t)res->nsky));
	json_object_set_new(line, "laser", json_integer((json_int_t)res->nlaser));
	json_object_set_new(line, "warnings", json_integer((json_int_t)res->nwarnings));
	json_object_set_new(line, "objects", json_integer(pub->objects + 1));
	json_object_set_new(line, "bytes", json_integer(pub->bytes));
	json_array_append_new(w->tally.lines, line);
	json_array_append_new(w->tally.manifests,
	    json_pack("{s:s, s:s}", "key", pub->manifest_key, "sha256", pub->manifest_sha256));
	step_log(w->step, LOG_INFO_, "%s %s: %zu sky and %zu laser frames, reference %s, %" PRId64 " objects",
	    res->setup.instrument.name, res->tag, res->nsky, res->nlaser, fpi_reference_name[res->reference],
	    pub->objects + 1);
}

/* -1 only for what is not the data's fault. */
static int do_tag(
    struct work *w, struct fpi_night *night, const struct fpi_setup *setup, const char *tag, struct err *err)
{
	struct fpi_result *res = NULL;
	struct fpi_published pub;
	struct err why = ERR_INIT;
	int rc = 0;

	w->tally.total++;
	if (fpi_sky_night(night, tag, &res, &why) == 0) {
		pass_warnings(w, res);
		if ((rc = fpi_publish(w->step, w->conf, res, &pub, err)) == 0)
			note_success(w, res, &pub);
	} else if (why.class != ERR_BAD_DATA) {
		*err = why;
		rc = -1;
	} else if (err_is(&why, FPI_E_NO_SKY_IMAGES)) {
		w->tally.warnings++;
		step_warn(w->step, "warning:no_sky_images", "No %s sky images found for %s on %s", tag,
		    setup->instrument.name, w->run->observation_date);
		json_array_append_new(w->tally.lines, line_json(setup, tag, "no_sky_images"));
	} else {
		note_error(w, setup, tag, &why);
		if (res != NULL && res->nlog > 0)
			rc = fpi_publish_log(w->step, w->conf, res, err);
	}
	fpi_result_free(res);
	return rc;
}

static int do_tags(struct work *w, const struct fpi_request *req, struct err *err)
{
	const struct fpi_setup *setup = &req->setup;
	struct fpi_night *night = NULL;
	struct err why = ERR_INIT;
	int rc = 0;

	if (fpi_laser_night(req, &night, &why) == -1) {
		if (why.class != ERR_BAD_DATA) {
			*err = why;
			return -1;
		}
		for (size_t i = 0; i < setup->instrument.ntags; i++) {
			w->tally.total++;
			note_error(w, setup, setup->instrument.tags[i], &why);
		}
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < setup->instrument.ntags; i++)
		rc = do_tag(w, night, setup, setup->instrument.tags[i], err);
	fpi_night_free(night);
	return rc;
}

static int do_instrument(struct work *w, const char *name, struct err *err)
{
	struct fpi_request req = {
	    .options = options_of(w->conf), .progress = on_progress, .cancel = on_cancel, .arg = w->step};
	bool asked_for = w->run->instrument_name != NULL;
	struct store *store = step_store(w->step, w->conf->store, err);
	struct fpi_inputs inputs;
	int rc = 0;

	if (store == NULL || fpi_table_resolve(w->table, name, w->run->site, &w->date, &req.setup, err) == -1 ||
	    fpi_inputs_find(w->conf, store, &req.setup, &inputs, err) == -1)
		return -1;
	req.images = &inputs.images;
	req.aux = &inputs.aux;
	if (inputs.images.n == 0 && !asked_for) {
		/* Nobody asked for this one by name: that it has nothing is worth a line, not an error. */
		step_log(w->step, LOG_INFO_, "%s: no images in its day folders, passed over", name);
		json_array_append_new(w->tally.lines, line_json(&req.setup, "-", "no_images"));
	} else {
		rc = do_tags(w, &req, err);
	}
	fpi_inputs_release(&inputs);
	return rc;
}

static char *result_text(const struct tally *t)
{
	return t->errors > 0 && t->successful == 0
	           ? xasprintf("failed_all_processing_%" PRId64 "_errors", t->errors)
	           : xstrdup("ok");
}

static int conclude(struct work *w, struct err *err)
{
	struct tally *t = &w->tally;
	char *result = result_text(t);
	bool failed = strcmp(result, "ok") != 0;

	step_metadata(w->step, "result", json_string(result));
	step_metadata(w->step, "total", json_integer(t->total));
	step_metadata(w->step, "successful", json_integer(t->successful));
	step_metadata(w->step, "errors", json_integer(t->errors));
	step_metadata(w->step, "warnings", json_integer(t->warnings));
	step_metadata(w->step, "lines", json_incref(t->lines));
	step_metadata(w->step, "manifests", json_incref(t->manifests));
	step_metadata(w->step, "store", json_string(w->conf->store));
	if (w->conf->database != NULL)
		step_metadata(w->step, "database", json_string(w->conf->database));
	free(result);
	if (failed && (w->conf->fail_on_all_errors || w->run->fail_on_all_errors))
		return err_code(err, ERR_BAD_DATA, "failed_all_processing",
		    "no line could be analysed (%" PRId64 " errors): %s", t->errors,
		    t->first_error ? t->first_error : "");
	if (t->total == 0)
		return err_code(err, ERR_BAD_DATA, FPI_E_NO_LASER_IMAGES,
		    "no images of any instrument at %s on %s: is the night unpacked, and the date right?",
		    w->run->site, w->run->observation_date);
	return 0;
}

/* A server that is down, or tables that will not do, are found out now and not by the last thing a long analysis does. */
static int prepare_database(const struct work *w, struct err *err)
{
	struct database *db;

	if (w->conf->database == NULL || step_dry_run(w->step))
		return 0;
	db = step_database(w->step, w->conf->database, err);
	return db != NULL ? db_migrate(db, &fpi_schema, err) : -1;
}

int asset_fpi_analysis_run(struct step *step, const void *conf, const void *run_conf, struct err *err)
{
	struct work w = {.step = step, .conf = conf, .run = run_conf};
	struct strvec names = STRVEC_INIT;
	int rc;

	w.tally.lines = json_array();
	w.tally.manifests = json_array();
	utctime_parse_yyyymmdd(w.run->observation_date, &w.date);
	rc = load_table(&w, err);
	if (rc == 0)
		rc = prepare_database(&w, err);
	if (rc == 0)
		rc = which_instruments(&w, &names, err);
	for (size_t i = 0; rc == 0 && i < names.n; i++)
		rc = do_instrument(&w, names.v[i], err);
	if (rc == 0)
		rc = conclude(&w, err);
	strvec_release(&names);
	free(w.tally.first_error);
	fpi_table_free(w.table);
	json_decref(w.tally.lines);
	json_decref(w.tally.manifests);
	return rc;
}
