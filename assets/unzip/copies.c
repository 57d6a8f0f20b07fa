#include "config.h"

#include "assets/unzip/copies.h"

#include "assets/unzip/pieces.h"
#include "base/mem.h"
#include "step/step.h"

struct copier {
	struct step *step;
	struct store *store;
	const struct run_names *names;
	json_t *done;
};

/* The target is known to hold the source's bytes. */
static bool is_same(struct copier *c, const struct store_entry *from, const char *to)
{
	struct store_entry have = {0};
	bool same = false;

	if (from->sha256[0] != '\0' && store_sync_head(c->store, to, &have, NULL) == 0)
		same = have.size == from->size && strcmp(have.sha256, from->sha256) == 0;
	store_entry_release(&have);
	return same;
}

/* Worth a warning only when it was never copied: after a clean-up the copy is all there is. */
static void tell_missing(struct copier *c, const char *from, const char *to, bool wanted)
{
	struct store_entry have = {0};
	bool copied = store_sync_head(c->store, to, &have, NULL) == 0;

	if (wanted && !copied)
		step_warn(c->step, "warning:missing_copy", "%s is not there: not copied to %s", from, to);
	else
		step_log(c->step, LOG_INFO_, "%s is not there: %s", from,
		    copied ? "it was copied before" : "not copied");
	store_entry_release(&have);
}

static int copy(struct copier *c, const char *from, const char *to, bool wanted, struct err *err)
{
	struct store_entry source = {0};
	int rc = 0;

	if (store_sync_head(c->store, from, &source, err) == -1) {
		if (!err_is(err, "not_found"))
			return err_wrap(err, "copy along");
		*err = ERR_INIT;
		tell_missing(c, from, to, wanted);
		return 0;
	}
	if (!is_same(c, &source, to)) {
		if (!step_dry_run(c->step))
			rc = store_sync_copy(c->store, from, source.etag, to, NULL, err);
		if (rc == 0)
			step_effect(
			    c->step, "copy", to, source.size, source.sha256[0] != '\0' ? source.sha256 : NULL);
	}
	/* Replaced between look and copy: the next attempt finds the new one. */
	if (rc == -1 && err_is(err, "precondition"))
		err_code(err, ERR_TRANSIENT, "changed", "%s changed while it was copied", from);
	if (rc == 0)
		json_array_append_new(c->done, json_pack("{s:s, s:s, s:s, s:I}", "from", from, "to", to, "etag",
		                                   source.etag, "size", (json_int_t)source.size));
	store_entry_release(&source);
	return rc;
}

/* A target that is a folder gets the source's name. */
static char *target(struct copier *c, const char *from, const char *template, struct err *err)
{
	char *to = run_names_key(c->names, template, err), *whole;
	size_t n = to != NULL ? strlen(to) : 0;

	if (to == NULL || (n > 0 && to[n - 1] != '/'))
		return to;
	whole = xasprintf("%s%s", to, pieces_base_name(from));
	free(to);
	return whole;
}

static int copy_to(struct copier *c, const char *from, const char *template, bool wanted, struct err *err)
{
	char *to = target(c, from, template, err);
	int rc = to != NULL ? copy(c, from, to, wanted, err) : -1;

	free(to);
	return rc;
}

static int copy_map(struct copier *c, const struct strmap *map, bool wanted, struct err *err)
{
	for (size_t i = 0; i < map->keys.n; i++) {
		char *from = run_names_key(c->names, map->keys.v[i], err);
		int rc = from != NULL ? copy_to(c, from, map->values.v[i], wanted, err) : -1;

		free(from);
		if (rc == -1)
			return -1;
	}
	return 0;
}

/* Named by the run: into the folder of the first entry. */
static int copy_given(struct copier *c, const struct strvec *keys, const struct strmap *map, struct err *err)
{
	if (map->keys.n == 0)
		return err_set(err, ERR_USAGE,
		    "cloud_files: this asset copies nothing along (its option copies is empty)");
	for (size_t i = 0; i < keys->n; i++)
		if (store_key_check(keys->v[i], err) == -1 ||
		    copy_to(c, keys->v[i], map->values.v[0], true, err) == -1)
			return -1;
	return 0;
}

int copies_run(struct step *step, struct store *st, const struct unzip_conf *conf,
    const struct unzip_run_conf *run, const struct run_names *names, json_t **out, struct err *err)
{
	struct copier c = {.step = step, .store = st, .names = names, .done = json_array()};
	int rc;

	if (run->cloud_files.n > 0)
		rc = copy_given(&c, &run->cloud_files, &conf->copies, err);
	else
		rc = copy_map(&c, &conf->copies, true, err);
	if (rc == 0)
		rc = copy_map(&c, &conf->copies_if_present, false, err);
	if (rc == 0)
		*out = c.done;
	else
		json_decref(c.done);
	return rc;
}
