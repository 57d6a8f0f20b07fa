#include "config.h"

#include "assets/fpi_analysis.h"
#include "base/digest.h"
#include "base/mem.h"
#include "database/effect.h"
#include "step/step.h"
#include "store/sync.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A server that restarts, or a backup that locks its tables: waiting costs less than the analysis again. */
#define DATABASE_PATIENCE_MS 600000

/* The log of a failure beside results that stand: their own log is listed, and hashed, by their manifest. */
#define FAILED_LOG ".failed.log"

static const char *place_prefix(const struct fpi_analysis_conf *conf, enum fpi_place place)
{
	const char *const prefix[] = {
	    [FPI_PLACE_RESULTS] = conf->results,
	    [FPI_PLACE_PICTURES] = conf->summary_images,
	    [FPI_PLACE_MADRIGAL] = conf->madrigal,
	};
	static_assert(NITEMS(prefix) == FPI_NPLACES, "a prefix for every place");

	return prefix[place];
}

/* <prefix>/<year of the observation date>/<name> */
static char *place_key(
    const struct fpi_analysis_conf *conf, const struct fpi_setup *setup, enum fpi_place place, const char *name)
{
	const char *prefix = place_prefix(conf, place);
	size_t n = strlen(prefix);

	while (n > 0 && prefix[n - 1] == '/')
		n--;
	return xasprintf("%.*s%s%04d/%s", (int)n, prefix, n > 0 ? "/" : "", setup->date.year, name);
}

/* <prefix of results>/<year>/<stem><suffix> */
static char *result_key(const struct fpi_analysis_conf *conf, const struct fpi_result *res, const char *suffix)
{
	char stem[128], name[160];

	fpi_stem(&res->setup, res->tag, stem);
	snprintf(name, sizeof(name), "%s%s", stem, suffix);
	return place_key(conf, &res->setup, FPI_PLACE_RESULTS, name);
}

static int put(struct step *step, struct store *store, const char *key, const struct strbuf *bytes,
    const char *content_type, bool lazy, char sha256[SHA256_HEX], struct err *err)
{
	struct store_put_opts opts = {.content_type = content_type, .lazy = lazy, .sha256 = sha256};

	sha256_hex(bytes->buf, bytes->len, sha256);
	step_effect(step, "put", key, (int64_t)bytes->len, sha256);
	if (step_dry_run(step))
		return 0;
	if (store_sync_put(store, key, bytes->buf, bytes->len, &opts, NULL, err) == -1)
		return err_wrap(err, "%s", key);
	return 0;
}

static int put_products(struct step *step, struct store *store, const struct fpi_analysis_conf *conf,
    const struct fpi_setup *setup, const struct fpi_products *products, json_t *objects, struct err *err)
{
	for (size_t i = 0; i < products->n; i++) {
		const struct fpi_product *p = &products->v[i];
		char *key = place_key(conf, setup, p->place, p->name), sha256[SHA256_HEX];
		int rc = put(step, store, key, &p->bytes, p->content_type, true, sha256, err);

		if (rc == 0)
			json_array_append_new(objects, json_pack("{s:s, s:I, s:s}", "key", key, "size",
			                                   (json_int_t)p->bytes.len, "sha256", sha256));
		free(key);
		if (rc == -1)
			return -1;
	}
	return 0;
}

/* The name of this line's effect: several lines of one run have one each. */
static char *effect_asset(struct step *step, const char *stem)
{
	return xasprintf("%s:%s", step_asset(step), stem);
}

/* How to find the rows again: what stands in which column of a table. */
static json_t *rows_where(struct step *step, const struct fpi_result *res)
{
	return json_pack("{s:{s:s, s:[s]}, s:{s:s, s:[s]}, s:{s:s, s:o}}", "fpi_sky", "column", "run_id",
	    "values", step_run_id(step), "fpi_laser", "column", "run_id", "values", step_run_id(step),
	    "DataSet", "column", "SummaryImage", "values", fpi_rows_pictures(res));
}

static void manifest_text(struct step *step, const struct fpi_result *res, const struct fpi_analysis_conf *conf,
    const char *effect, json_t *objects, struct strbuf *out)
{
	json_t *rows = conf->database ? json_pack("{s:I, s:I, s:i}", "fpi_sky", (json_int_t)res->nsky,
	                                    "fpi_laser", (json_int_t)res->nlaser, "DataSet", 3)
	                              : json_object();
	json_t *m = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:o, s:o}", "schema",
	    "orchd/1", "run", step_run_id(step), "run_uid", step_run_uid(step), "asset", effect, "partition",
	    step_partition(step), "instrument", res->setup.instrument.name, "tag", res->tag, "reference",
	    fpi_reference_name[res->reference], "software", PACKAGE_STRING, "objects", objects, "rows", rows,
	    "rows_where", conf->database ? rows_where(step, res) : json_object());

	json_write(m, out);
	strbuf_addch(out, '\n');
	json_decref(m);
}

struct rows_work {
	const struct fpi_result *res;
	const char *run_id;
};

static int replace_rows(struct database *db, void *arg, struct err *err)
{
	const struct rows_work *w = arg;

	return fpi_rows_replace(db, w->res, w->run_id, err);
}

static int commit_rows(struct step *step, const struct fpi_analysis_conf *conf, const struct fpi_result *res,
    const char *effect, const char *manifest_sha256, struct err *err)
{
	struct db_effect row = {.run_uid = step_run_uid(step),
	    .asset = effect,
	    .partition_key = step_partition(step),
	    .manifest_sha256 = manifest_sha256};
	struct rows_work work = {.res = res, .run_id = step_run_id(step)};
	struct database *db;

	step_effect(step, "rows", "fpi_sky", (int64_t)res->nsky, NULL);
	step_effect(step, "rows", "fpi_laser", (int64_t)res->nlaser, NULL);
	step_effect(step, "rows", "DataSet", 3, NULL);
	if (step_dry_run(step))
		return 0;
	if ((db = step_database(step, conf->database, err)) == NULL)
		return -1;
	return db_transact(db, &row, replace_rows, &work, DATABASE_PATIENCE_MS, err);
}

static void warn_failed(struct step *step, const struct fpi_products *products)
{
	for (size_t i = 0; i < products->failed.n; i++)
		step_warn(step, "warning:plot", "%s", products->failed.v[i]);
}

/* An earlier failure's log has had its time.  After the manifest: what a crash leaves is a log too many. */
static int remove_failed_log(struct step *step, struct store *store, const struct fpi_analysis_conf *conf,
    const struct fpi_result *res, struct err *err)
{
	char *key = result_key(conf, res, FAILED_LOG);
	struct store_entry there;
	int rc = store_sync_head(store, key, &there, err);

	if (rc == -1 && err_is(err, "not_found")) {
		*err = ERR_INIT;
		rc = 0;
	} else if (rc == 0) {
		step_effect(step, "delete", key, there.size, NULL);
		if (!step_dry_run(step))
			rc = store_sync_delete(store, key, there.etag, err);
		store_entry_release(&there);
	}
	free(key);
	return rc;
}

static int publish_made(struct step *step, const struct fpi_analysis_conf *conf, const struct fpi_result *res,
    const struct fpi_products *products, struct fpi_published *out, struct err *err)
{
	struct store *store = step_store(step, conf->store, err);
	struct strbuf manifest = STRBUF_INIT(16 << 20);
	json_t *objects = json_array();
	char stem[128], *effect, *key = result_key(conf, res, ".manifest.json");
	int rc = store ? 0 : -1;

	fpi_stem(&res->setup, res->tag, stem);
	effect = effect_asset(step, stem);
	if (rc == 0)
		rc = put_products(step, store, conf, &res->setup, products, objects, err);
	if (rc == 0 && !step_dry_run(step))
		rc = store_sync_barrier(store, err);
	manifest_text(step, res, conf, effect, objects, &manifest);
	sha256_hex(manifest.buf, manifest.len, out->manifest_sha256);
	if (rc == 0 && conf->database != NULL)
		rc = commit_rows(step, conf, res, effect, out->manifest_sha256, err);
	if (rc == 0)
		rc = put(step, store, key, &manifest, "application/json", false, out->manifest_sha256, err);
	if (rc == 0)
		rc = remove_failed_log(step, store, conf, res, err);
	snprintf(out->manifest_key, sizeof(out->manifest_key), "%s", key);
	out->objects = (int64_t)json_array_size(objects);
	out->sky_rows = (int64_t)res->nsky;
	out->laser_rows = (int64_t)res->nlaser;
	json_decref(objects);
	strbuf_release(&manifest);
	free(key);
	free(effect);
	return rc;
}

int fpi_publish(struct step *step, const struct fpi_analysis_conf *conf, const struct fpi_result *res,
    struct fpi_published *out, struct err *err)
{
	struct fpi_provenance prov = {
	    .software = PACKAGE_STRING, .run_id = step_run_id(step), .run_uid = step_run_uid(step)};
	struct fpi_products products;
	int rc;

	*out = (struct fpi_published){0};
	if (fpi_products_make(res, &prov, &products, err) == -1)
		return -1;
	for (size_t i = 0; i < products.n; i++)
		out->bytes += (int64_t)products.v[i].bytes.len;
	warn_failed(step, &products);
	rc = publish_made(step, conf, res, &products, out, err);
	fpi_products_release(&products);
	return rc;
}

/* -1: it could not be asked. */
static int has_manifest(
    struct store *store, const struct fpi_analysis_conf *conf, const struct fpi_result *res, struct err *err)
{
	char *key = result_key(conf, res, ".manifest.json");
	struct store_entry there;
	int rc = store_sync_head(store, key, &there, err);

	free(key);
	if (rc == 0) {
		store_entry_release(&there);
		return 1;
	}
	if (!err_is(err, "not_found"))
		return -1;
	*err = ERR_INIT;
	return 0;
}

int fpi_publish_log(
    struct step *step, const struct fpi_analysis_conf *conf, const struct fpi_result *res, struct err *err)
{
	struct store *store = step_store(step, conf->store, err);
	int stands = store ? has_manifest(store, conf, res, err) : -1, rc = -1;
	struct fpi_products products;
	json_t *objects = json_array();

	if (stands != -1 && fpi_products_make_log(res, stands ? FAILED_LOG : ".log", &products, err) == 0) {
		rc = put_products(step, store, conf, &res->setup, &products, objects, err);
		fpi_products_release(&products);
	}
	json_decref(objects);
	return rc;
}
