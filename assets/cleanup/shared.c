#include "config.h"

#include "assets/cleanup/shared.h"

#include "assets/fpi/sites.h"
#include "assets/unzip/manifest.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "step/step.h"

/* Instruments stationed at the site of this run on its date, according to the table. */
static int stationed(const struct shared *s, struct strvec *out, struct err *err)
{
	const char *file = step_section_file(s->step, "sites"), *site = run_names_get(s->names, "site");
	const char *date = run_names_get(s->names, "observation_date");
	struct diags diags = DIAGS_INIT;
	struct fpi_table *table;
	struct civil day;
	int rc = -1;

	if (file == NULL)
		return err_set(err, ERR_CONFIG,
		    "shared: there is no section 'sites' that says how many instruments a site has");
	if (site == NULL || date == NULL || utctime_parse_yyyymmdd(date, &day) == -1)
		return err_set(err, ERR_USAGE, "shared: site and observation_date are needed");
	table = fpi_table_load(file, &diags);
	if (table == NULL)
		diags_to_err(&diags, err);
	else
		rc = fpi_table_stationed(table, site, &day, out, err);
	fpi_table_free(table);
	diags_release(&diags);
	return rc;
}

/* Is one of the pieces that an instrument's manifest lists still there? */
static int has_raw(const struct shared *s, const json_t *manifest, bool *has, struct err *err)
{
	const json_t *p;
	size_t i;

	*has = false;
	json_array_foreach(json_object_get(manifest, "pieces"), i, p)
	{
		struct store_entry e = {0};
		int rc = store_sync_head(s->store, json_str(p, "key", ""), &e, err);

		store_entry_release(&e);
		if (rc == 0)
			*has = true;
		else if (!err_is(err, "not_found"))
			return -1;
		if (*has)
			return 0;
	}
	*err = ERR_INIT;
	return 0;
}

/* Another instrument is done when it was unpacked and its own pieces are deleted. */
static int is_done(const struct shared *s, const char *instrument, bool *done, struct err *err)
{
	json_t *config = json_copy((json_t *)step_config(s->step)), *manifest = NULL;
	struct run_names names = {0};
	char *key = NULL;
	bool raw;
	int rc;

	json_object_set_new(config, "instrument_name", json_string(instrument));
	rc = run_names_init(&names, config, &s->conf->names, err);
	json_decref(config);
	*done = false;
	if (rc == 0)
		rc = (key = run_names_key(&names, s->conf->manifest, err)) != NULL ? 0 : -1;
	if (rc == 0 && (manifest = manifest_get(s->store, key, "unzip", NULL, err)) == NULL) {
		rc = err_is(err, "not_found") ? 0 : -1;
		*err = rc == 0 ? ERR_INIT : *err;
	} else if (rc == 0) {
		rc = has_raw(s, manifest, &raw, err);
		*done = rc == 0 && !raw;
	}
	json_decref(manifest);
	free(key);
	run_names_release(&names);
	return rc;
}

/* *why: the reason to keep it, to be freed, or NULL: nobody else needs it. */
static int reason_to_keep(const struct shared *s, const char *rule, char **why, struct err *err)
{
	const char *self = run_names_get(s->names, "instrument_name");
	struct strvec all = STRVEC_INIT;
	bool done = true;
	int rc = 0;

	*why = NULL;
	if (strcmp(rule, "never") == 0) {
		*why = xstrdup("it is never deleted");
		return 0;
	}
	rc = stationed(s, &all, err);
	if (rc == 0 && (self == NULL || !strvec_has(&all, self)))
		*why = xasprintf(
		    "%s is not stationed there according to the table", self != NULL ? self : "no instrument");
	else if (rc == 0 && strcmp(rule, "sole_instrument") == 0 && all.n != 1)
		*why = xasprintf("the site has %zu instruments on that date", all.n);
	for (size_t i = 0; rc == 0 && *why == NULL && i < all.n; i++) {
		if (strcmp(all.v[i], self) == 0)
			continue;
		rc = is_done(s, all.v[i], &done, err);
		if (rc == 0 && !done)
			*why = xasprintf("%s is not done with it", all.v[i]);
	}
	strvec_release(&all);
	return rc;
}

static const json_t *find_copy(const struct shared *s, const char *key)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(s->manifest, "copies"), i, c)
	{
		if (strcmp(json_str(c, "from", ""), key) == 0)
			return c;
	}
	return NULL;
}

/* The copy holds what the original held when it was made. */
static int check_copy(const struct shared *s, const json_t *copy, bool *same, struct err *err)
{
	char from[SHA256_HEX], to[SHA256_HEX];

	*same = false;
	if (store_sync_digest(s->store, json_str(copy, "to", ""), to, NULL, err) == -1 ||
	    store_sync_digest(s->store, json_str(copy, "from", ""), from, NULL, err) == -1) {
		if (!err_is(err, "not_found"))
			return -1;
		*err = ERR_INIT;
		return 0;
	}
	*same = strcmp(from, to) == 0;
	return 0;
}

static int decide(
    const struct shared *s, const char *key, const char *rule, json_t *items, json_t *checked, struct err *err)
{
	const json_t *copy = find_copy(s, key);
	char *why = NULL;
	bool same = false;

	if (copy == NULL)
		why = xstrdup("this run has not copied it");
	else if (reason_to_keep(s, rule, &why, err) == -1 ||
	         (why == NULL && check_copy(s, copy, &same, err) == -1))
		return err_wrap(err, "%s", key);
	else if (why == NULL && !same)
		why = xstrdup("its copy is missing or different");
	json_object_set_new(checked, key, json_string(why != NULL ? why : "to be deleted"));
	if (why != NULL && copy != NULL)
		step_warn(s->step, "warning:shared_kept", "%s is kept: %s", key, why);
	if (why == NULL)
		json_array_append_new(
		    items, json_pack("{s:s, s:s, s:I}", "key", key, "etag", json_str(copy, "etag", ""), "size",
		               (json_int_t)json_int(copy, "size", -1)));
	free(why);
	return 0;
}

int shared_decide(const struct shared *s, json_t *items, json_t **checked, struct err *err)
{
	json_t *seen = json_object();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->conf->shared.keys.n; i++) {
		char *key = run_names_key(s->names, s->conf->shared.keys.v[i], err);

		rc = key != NULL ? decide(s, key, s->conf->shared.values.v[i], items, seen, err) : -1;
		free(key);
	}
	if (rc == 0)
		*checked = seen;
	else
		json_decref(seen);
	return rc;
}
