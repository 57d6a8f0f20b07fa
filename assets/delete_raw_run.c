#include "config.h"

#include "assets/cleanup/conf.h"
#include "assets/cleanup/deletion.h"
#include "assets/cleanup/durable.h"
#include "assets/cleanup/evidence.h"
#include "assets/cleanup/shared.h"
#include "assets/run_names.h"
#include "assets/unzip/manifest.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "metric/metric.h"
#include "step/asset.h"
#include "step/step.h"
#include "store/store.h"
#include "store/look.h"

#include <inttypes.h>

extern asset_run_fn asset_delete_raw_run;

/*
 *   COMPLETE -> EXTRACTED -> ANALYSED -> DURABLE -> ELIGIBLE -> INTENT -> DELETING -> VERIFIED -> SHARED -> DONE
 *
 * Each stage proves what it is named after by looking at the world.  Any failure before INTENT leaves every raw
 * object untouched; from INTENT on the same list is carried out by this attempt or a later one, which starts
 * there.
 */
enum stage {
	STAGE_COMPLETE,
	STAGE_EXTRACTED,
	STAGE_ANALYSED,
	STAGE_DURABLE,
	STAGE_ELIGIBLE,
	STAGE_INTENT,
	STAGE_DELETING,
	STAGE_VERIFIED,
	STAGE_SHARED,
	STAGE_DONE,
	STAGE_COUNT
};

struct cleanup {
	struct step *step;
	const struct cleanup_conf *conf;
	struct store *store;
	struct run_names names;
	char *prefix, *trash;
	json_t *manifest; /* of the unpacking; NULL until needed */
	json_t *results; /* [{"key", "sha256", "manifest"}, ...] of the analysis */
	const char *database; /* of the analysis; NULL: it used none */
	struct deletion raw;
	struct evidence evidence;
	char *kept_why; /* set: nothing is deleted, and that is no failure */
};

static int load_manifest(struct cleanup *c, struct err *err)
{
	const json_t *up = step_upstream(c->step, c->conf->unpack_asset);
	const json_t *m = json_object_get(up, "manifest");

	if (c->manifest != NULL)
		return 0;
	if (json_str(m, "key", NULL) == NULL || json_str(m, "sha256", NULL) == NULL)
		return err_code(err, ERR_PERMANENT, "not_extracted",
		    "asset %s of this run has recorded no manifest", c->conf->unpack_asset);
	c->manifest = manifest_get(c->store, json_str(m, "key", ""), "unzip", json_str(m, "sha256", ""), err);
	return c->manifest != NULL ? 0 : -1;
}

static int add_item(struct cleanup *c, const json_t *entry, struct err *err)
{
	const char *key = json_str(entry, "key", "");

	if (strncmp(key, c->prefix, strlen(c->prefix)) != 0 || key[strlen(c->prefix)] == '\0')
		return err_code(err, ERR_PERMANENT, "refused",
		    "%s lies outside of %s: not deleted, nor anything else", key, c->prefix);
	json_array_append_new(
	    c->raw.items, json_pack("{s:s, s:s, s:I}", "key", key, "etag", json_str(entry, "etag", ""), "size",
	                      (json_int_t)json_int(entry, "size", 0)));
	return 0;
}

/* What this run's unpacking has consumed, according to its manifest. */
static int enter_complete(struct cleanup *c, json_t **checked, struct err *err)
{
	const json_t *up = json_object_get(step_upstream(c->step, c->conf->unpack_asset), "manifest");
	const json_t *piece, *check;
	size_t i;

	if (load_manifest(c, err) == -1)
		return -1;
	json_array_foreach(json_object_get(c->manifest, "pieces"), i, piece)
	{
		if (add_item(c, piece, err) == -1)
			return -1;
	}
	check = json_object_get(c->manifest, "check_file");
	if (json_is_object(check) && add_item(c, check, err) == -1)
		return -1;
	*checked = json_pack("{s:I, s:s, s:s}", "raw_objects", (json_int_t)json_array_size(c->raw.items),
	    "manifest", json_str(up, "key", ""), "manifest_sha256", json_str(up, "sha256", ""));
	return 0;
}

/* Every member of the archive is an object of the same content. */
static int enter_extracted(struct cleanup *c, json_t **checked, struct err *err)
{
	return durable_objects(c->step, c->store, c->manifest, false, checked, err);
}

static void stop_here(struct cleanup *c, char *why)
{
	free(c->kept_why);
	c->kept_why = why;
}

static int enter_analysed(struct cleanup *c, json_t **checked, struct err *err)
{
	const json_t *up = step_upstream(c->step, c->conf->analysis_asset);
	const char *result = json_str(up, "result", NULL);

	if (result == NULL)
		return err_code(err, ERR_PERMANENT, "not_analysed",
		    "asset %s of this run has recorded no result", c->conf->analysis_asset);
	if (strncmp(result, "failed", 6) == 0 && !c->conf->delete_after_failed_analysis)
		stop_here(c, xasprintf("the analysis ended in %s", result));
	c->database = json_str(up, "database", NULL);
	if (c->database != NULL && c->conf->database != NULL)
		c->database = c->conf->database;
	*checked = json_pack("{s:s, s:I}", "result", result, "manifests",
	    (json_int_t)json_array_size(json_object_get(up, "manifests")));
	return 0;
}

static int read_results(struct cleanup *c, json_t *objects, struct err *err)
{
	const json_t *list = json_object_get(step_upstream(c->step, c->conf->analysis_asset), "manifests"), *m;
	json_t *checked;
	size_t i;

	json_array_foreach(list, i, m)
	{
		const char *key = json_str(m, "key", ""), *sha = json_str(m, "sha256", "");
		json_t *manifest = manifest_get(c->store, key, NULL, sha, err);

		if (manifest == NULL)
			return -1;
		json_array_append_new(
		    c->results, json_pack("{s:s, s:s, s:o}", "key", key, "sha256", sha, "manifest", manifest));
		if (durable_objects(c->step, c->store, manifest, true, &checked, err) == -1)
			return err_wrap(err, "%s", key);
		json_object_set_new(objects, key, checked);
	}
	return 0;
}

/* Results read back byte by byte, and the rows of the database over a new connection. */
static int enter_durable(struct cleanup *c, json_t **checked, struct err *err)
{
	json_t *objects = json_object(), *rows = json_null();
	int rc = read_results(c, objects, err);

	if (rc == 0 && json_array_size(c->results) == 0 && !c->conf->delete_after_failed_analysis)
		rc = err_code(err, ERR_PERMANENT, "not_durable",
		    "asset %s of this run has recorded no manifest of its results", c->conf->analysis_asset);
	if (rc == 0 && c->database != NULL && json_array_size(c->results) > 0)
		rc = durable_rows(c->step, c->database, &c->conf->rows, c->results, &rows, err);
	if (rc == 0)
		*checked = json_pack("{s:O, s:O}", "objects", objects, "rows", rows);
	json_decref(objects);
	json_decref(rows);
	return rc;
}

static int check_hold(const struct cleanup *c, struct err *err)
{
	const char *why = step_hold_reason(c->step);

	if (why != NULL)
		return err_code(err, ERR_PERMANENT, "hold", "the partition %s is on hold: %s",
		    step_partition(c->step), why);
	return 0;
}

/* Newest modification among the raw objects, and the first that is no longer what was unpacked. */
static int look_at_raw(struct cleanup *c, tm_ms *newest, char **changed, struct err *err)
{
	size_t n = json_array_size(c->raw.items);
	struct look *seen = xcalloc(n + 1, sizeof(*seen));
	int rc;

	*newest = 0;
	*changed = NULL;
	for (size_t i = 0; i < n; i++)
		seen[i].key = json_str(json_array_get(c->raw.items, i), "key", "");
	rc = durable_look(c->step, c->store, seen, n, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const char *etag = json_str(json_array_get(c->raw.items, i), "etag", "");

		*newest = MAX(*newest, seen[i].modified);
		if (*changed == NULL && seen[i].there && strcmp(seen[i].etag, etag) != 0)
			*changed = xstrdup(seen[i].key);
	}
	free(seen);
	return rc;
}

static int enter_eligible(struct cleanup *c, json_t **checked, struct err *err)
{
	char at[UTCTIME_MAX], *changed;
	tm_ms newest;

	if (check_hold(c, err) == -1 || look_at_raw(c, &newest, &changed, err) == -1)
		return -1;
	*checked =
	    json_pack("{s:s, s:I}", "newest", utctime_format(newest, at), "hold_ms", (json_int_t)c->conf->hold);
	/* Pieces of a new upload may equal old ones: deleting those would leave it incomplete for ever. */
	if (changed != NULL)
		stop_here(c, xasprintf("%s was sent again: a new upload is under way", changed));
	free(changed);
	if (c->kept_why == NULL && clock_now() - newest < c->conf->hold)
		return step_again(c->step, newest + c->conf->hold, err, "raw objects are kept until %s",
		    utctime_format(newest + c->conf->hold, at));
	return 0;
}

static void list_effects(struct cleanup *c, const json_t *items)
{
	json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		step_effect(c->step, "delete", json_str(item, "key", ""), json_int(item, "size", -1), NULL);
	}
}

static int enter_intent(struct cleanup *c, json_t **checked, struct err *err)
{
	if (check_hold(c, err) == -1 || deletion_intend(&c->raw, err) == -1)
		return -1;
	*checked = json_pack("{s:I}", "objects", (json_int_t)json_array_size(c->raw.items));
	return 0;
}

static int enter_deleting(struct cleanup *c, json_t **checked, struct err *err)
{
	/* A replay comes straight here. */
	if (check_hold(c, err) == -1 || deletion_run(&c->raw, err) == -1)
		return -1;
	*checked = deletion_summary(&c->raw);
	return 0;
}

static int enter_verified(struct cleanup *c, json_t **checked, struct err *err)
{
	if (deletion_verify(&c->raw, err) == -1)
		return -1;
	*checked = deletion_summary(&c->raw);
	return 0;
}

/*
 * After our own pieces are gone: of two instruments that end at the same time, the later one then sees that the
 * other is done.  The same three steps with a list of its own.
 */
static int enter_shared(struct cleanup *c, json_t **checked, struct err *err)
{
	const struct shared s = {c->step, c->store, c->conf, &c->names, c->manifest};
	json_t *decided = json_null(), *summary = NULL;
	struct deletion d;
	bool replay;
	int rc = deletion_init(&d, c->step, c->store, c->trash, "intent-shared.json", &replay, err);

	if (rc == 0 && !replay)
		rc = shared_decide(&s, d.items, &decided, err);
	if (rc == 0 && !replay && !step_dry_run(c->step) && json_array_size(d.items) > 0)
		rc = deletion_intend(&d, err);
	if (rc == 0 && step_dry_run(c->step))
		list_effects(c, d.items);
	else if (rc == 0 && (rc = deletion_run(&d, err)) == 0)
		rc = deletion_verify(&d, err);
	summary = deletion_summary(&d);
	if (rc == 0)
		*checked = json_pack("{s:O, s:O}", "decided", decided, "deleted", summary);
	json_decref(decided);
	json_decref(summary);
	deletion_release(&d);
	return rc;
}

static int enter_done(struct cleanup *c, json_t **checked, struct err *err)
{
	*checked = json_object();
	return 0;
}

static const struct {
	const char *name;
	int (*enter)(struct cleanup *, json_t **checked, struct err *);
	bool changes; /* left out of a dry run */
} stages[] = {
    [STAGE_COMPLETE] = {"COMPLETE", enter_complete, false},
    [STAGE_EXTRACTED] = {"EXTRACTED", enter_extracted, false},
    [STAGE_ANALYSED] = {"ANALYSED", enter_analysed, false},
    [STAGE_DURABLE] = {"DURABLE", enter_durable, false},
    [STAGE_ELIGIBLE] = {"ELIGIBLE", enter_eligible, false},
    [STAGE_INTENT] = {"INTENT", enter_intent, true},
    [STAGE_DELETING] = {"DELETING", enter_deleting, true},
    [STAGE_VERIFIED] = {"VERIFIED", enter_verified, true},
    [STAGE_SHARED] = {"SHARED", enter_shared, false},
    [STAGE_DONE] = {"DONE", enter_done, true},
};
static_assert(NITEMS(stages) == STAGE_COUNT, "every stage has its work");

static int run_stages(struct cleanup *c, enum stage first, struct err *err)
{
	for (enum stage s = first; s < STAGE_COUNT && c->kept_why == NULL; s++) {
		json_t *checked = NULL;

		if (stages[s].changes && step_dry_run(c->step))
			continue;
		if (s == STAGE_SHARED && load_manifest(c, err) == -1)
			return -1;
		if (stages[s].enter(c, &checked, err) == -1) {
			json_decref(checked);
			return err_wrap(err, "%s", stages[s].name);
		}
		if (step_dry_run(c->step))
			json_decref(checked);
		else if (evidence_add(&c->evidence, stages[s].name, step_attempt(c->step), checked, err) == -1)
			return -1;
	}
	if (c->kept_why == NULL && step_dry_run(c->step))
		list_effects(c, c->raw.items);
	return 0;
}

static int prepare(struct cleanup *c, bool *replay, struct err *err)
{
	if ((c->store = step_store(c->step, c->conf->store, err)) == NULL)
		return -1;
	if (!step_dry_run(c->step))
		store_tend(c->store, true);
	if (run_names_init(&c->names, step_config(c->step), &c->conf->names, err) == -1)
		return -1;
	if ((c->prefix = run_names_key(&c->names, c->conf->prefix, err)) == NULL)
		return -1;
	if (c->conf->trash != NULL && (c->trash = run_names_key(&c->names, c->conf->trash, err)) == NULL)
		return -1;
	c->results = json_array();
	evidence_init(&c->evidence, step_ledger_dir(c->step));
	return deletion_init(&c->raw, c->step, c->store, c->trash, "intent.json", replay, err);
}

static void record(struct cleanup *c)
{
	struct step *s = c->step;

	if (c->kept_why != NULL) {
		step_warn(s, "warning:raw_kept", "nothing is deleted: %s", c->kept_why);
		step_metadata(s, "kept_because", json_string(c->kept_why));
	}
	step_metadata(s, "deleted", json_integer(c->raw.deleted));
	step_metadata(s, "already_absent", json_integer(c->raw.absent));
	step_metadata(s, "deleted_bytes", json_integer(c->raw.bytes));
	step_metadata(s, "kept", json_integer((json_int_t)json_array_size(c->raw.kept)));
	step_metadata(s, "evidence", json_incref(c->evidence.stages));
}

/* What is not deleted one by one: all that is kept for a reason, or that the evidence did not allow to go. */
static void count(const struct cleanup *c, int rc, const struct err *err)
{
	double objects = (double)MAX(json_array_size(c->raw.items), (size_t)1);

	if (step_dry_run(c->step))
		return;
	if (rc == 0 && c->kept_why != NULL)
		metric_add(METRIC_DELETES, objects, "kept", NULL);
	else if (rc == -1 && (err->class == ERR_PERMANENT || err->class == ERR_BAD_DATA))
		metric_add(METRIC_DELETES, objects, "refused", NULL);
}

static void release(struct cleanup *c)
{
	deletion_release(&c->raw);
	evidence_release(&c->evidence);
	json_decref(c->manifest);
	json_decref(c->results);
	free(c->kept_why);
	free(c->trash);
	free(c->prefix);
	run_names_release(&c->names);
}

/* A dry run of the whole job: nothing was unpacked, so there is nothing that could be verified. */
static bool has_nothing_to_check(const struct step *step, const struct cleanup_conf *conf)
{
	return step_dry_run(step) &&
	       json_object_get(step_upstream(step, conf->unpack_asset), "manifest") == NULL;
}

int asset_delete_raw_run(struct step *step, const void *conf, const void *run_conf, struct err *err)
{
	struct cleanup c = {.step = step, .conf = conf};
	bool replay = false;
	int rc;

	if (has_nothing_to_check(step, conf)) {
		step_log(step, LOG_INFO_, "would delete the raw objects after %s, once everything was verified",
		    c.conf->unpack_asset);
		return 0;
	}
	rc = prepare(&c, &replay, err);
	if (rc == 0)
		rc = run_stages(&c, replay ? STAGE_DELETING : STAGE_COMPLETE, err);
	if (rc == 0)
		record(&c);
	count(&c, rc, err);
	release(&c);
	return rc;
}
