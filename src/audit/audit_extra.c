/* What is there and nobody lists: objects among those of manifests, what interrupted writes left, folders of no run. */
#include "config.h"

#include "audit/audit_priv.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strvec.h"
#include "base/utctime.h"
#include "step/attempt_dir.h"
#include "step/journal.h"
#include "step/journal_msg.h"
#include "store/sync.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX  200000
#define OWN_PREFIX  ".orch/"
#define STALE_MS    (INT64_C(24) * 3600000)
#define SLACK_MS    60000 /* clocks of stores differ */
#define JOURNAL_MAX ((size_t)16 << 20)

struct extra {
	char *store, *key;
	int64_t size;
	tm_ms modified;
};

struct extras {
	struct audit *a;
	struct extra *v;
	size_t n, cap;
	tm_ms before; /* what is newer may be half of a run's work */
	struct keyset *puts; /* of journals; NULL: not read yet */
};

/* ---- what steps have put besides what their manifests list: the log of a night that could not be analysed */

static int on_journal(const struct journal_msg *m, void *arg)
{
	if (m->kind == MSG_EFFECT && m->text != NULL)
		keyset_add(arg, "", m->text);
	return 0;
}

/* The files of one name below a folder, some levels down. */
static void read_journals(struct keyset *puts, const char *dir, int levels)
{
	DIR *d = opendir(dir);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		char *path;

		if (de->d_name[0] == '.')
			continue;
		path = fs_join(dir, de->d_name);
		if (levels > 0) {
			read_journals(puts, path, levels - 1);
		} else if (strcmp(de->d_name, ATTEMPT_JOURNAL) == 0) {
			struct journal_reader r = {0};

			journal_read(&r, path, JOURNAL_MAX, on_journal, puts, NULL);
		}
		free(path);
	}
	if (d != NULL)
		closedir(d);
}

static bool was_put(struct extras *x, const char *key)
{
	if (x->puts == NULL) {
		char *runs = fs_join(x->a->state->dir, "runs");

		x->puts = keyset_new();
		read_journals(x->puts, runs, 3); /* runs/RUN/ASSET/ATTEMPT/ */
		free(runs);
	}
	return keyset_has(x->puts, "", key);
}

/* ---- objects */

static void add(struct extras *x, const char *store, const struct store_entry *e)
{
	if (x->n == x->cap) {
		x->cap = x->cap ? x->cap * 2 : 64;
		x->v = xreallocarray(x->v, x->cap, sizeof(*x->v));
	}
	x->v[x->n++] = (struct extra){
	    .store = xstrdup(store), .key = xstrdup(e->key), .size = e->size, .modified = e->modified};
}

static void list_folder(struct extras *x, const char *store, const char *prefix)
{
	struct audit *a = x->a;
	struct store *st = audit_store(a, store);
	struct store_listing listing = {0};
	struct err err = ERR_INIT;

	if (st == NULL)
		return;
	if (store_sync_list(st, prefix, LISTED_MAX, &listing, &err) == -1)
		audit_unknown(a, "folder", store, prefix, &err);
	a->n.listed += (int64_t)listing.n;
	for (size_t i = 0; i < listing.n; i++)
		if (listing.v[i].modified < x->before && !keyset_has(a->known, store, listing.v[i].key))
			add(x, store, &listing.v[i]);
	store_listing_release(&listing);
}

/* Sorted, so that a folder inside another one, which is listed with it, comes right after. */
static int list_folders(struct extras *x, struct err *err)
{
	struct strvec names = STRVEC_INIT;
	const char *name, *outer = NULL;
	json_t *value;
	int rc = 0;

	json_object_foreach(x->a->folders, name, value) strvec_push(&names, name);
	strvec_sort(&names);
	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		char *store = xstrndup(names.v[i], strcspn(names.v[i], "\n"));

		audit_progress(x->a, "folders", (int64_t)i, (int64_t)names.n);
		if (outer == NULL || strncmp(names.v[i], outer, strlen(outer)) != 0) {
			outer = names.v[i];
			list_folder(x, store, outer + strlen(store) + 1);
		}
		free(store);
		if (audit_stopped(x->a))
			rc = err_code(err, ERR_CANCELLED, "interrupted", "interrupted");
	}
	strvec_release(&names);
	return rc;
}

static void tell_extras(struct extras *x)
{
	char found[200], at[UTCTIME_MAX];

	for (size_t i = 0; i < x->n; i++) {
		const struct extra *e = &x->v[i];

		if (was_put(x, e->key))
			continue;
		snprintf(
		    found, sizeof(found), "%" PRId64 " bytes of %s", e->size, utctime_format(e->modified, at));
		audit_find(
		    x->a, &(struct finding){.kind = FOUND_EXTRA,
		              .what = "object",
		              .where = e->store,
		              .key = e->key,
		              .expected = "nothing: no manifest lists it and no step on record has put it",
		              .found = found,
		              .next = xstrdup("look whose it is; orchd leaves it alone")});
	}
}

/* ---- leftovers */

static void find_own(struct audit *a, const char *store)
{
	struct store *st = audit_store(a, store);
	struct store_listing listing = {0};
	char found[100], at[UTCTIME_MAX];

	if (st == NULL || store_sync_list(st, OWN_PREFIX, LISTED_MAX, &listing, NULL) == -1)
		return;
	for (size_t i = 0; i < listing.n; i++) {
		if (listing.v[i].modified > a->started - STALE_MS)
			continue;
		snprintf(found, sizeof(found), "begun at %s", utctime_format(listing.v[i].modified, at));
		audit_find(a, &(struct finding){.kind = FOUND_LEFTOVER,
		                  .what = "upload",
		                  .where = store,
		                  .key = listing.v[i].key,
		                  .expected = "no unfinished upload older than a day",
		                  .found = found,
		                  .next = xstrdup("the next large upload to this store ends it")});
	}
	store_listing_release(&listing);
}

static void find_folders(struct audit *a)
{
	char *path = fs_join(a->state->dir, "runs");
	DIR *d = opendir(path);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL) {
		char *end, *dir;
		int64_t id = strtoll(de->d_name, &end, 10);

		/* A run begins with its row, and its number only grows. */
		if (end == de->d_name || *end != '\0' ||
		    sql_get_int(a->state->sql, 0, "SELECT 1 FROM run WHERE id = ?1", "i", id) == 1)
			continue;
		dir = fs_join(path, de->d_name);
		audit_find(a, &(struct finding){.kind = FOUND_LEFTOVER,
		                  .what = "folder",
		                  .where = "state",
		                  .key = dir,
		                  .expected = "a run with this number",
		                  .found = "none",
		                  .next = xstrdup("the next start of orchd removes it")});
		free(dir);
	}
	if (d != NULL)
		closedir(d);
	free(path);
}

int audit_extras(struct audit *a, struct err *err)
{
	struct extras x = {.a = a};
	tm_ms oldest = sql_get_int(
	    a->state->sql, a->started, "SELECT min(created_at) FROM run WHERE ended_at IS NULL", "");
	int rc;

	x.before = oldest < a->started ? oldest - SLACK_MS : a->started;
	rc = list_folders(&x, err);
	if (rc == 0) {
		tell_extras(&x);
		for (size_t i = 0; i < a->conf->nstores; i++)
			if (a->stores[i] != NULL)
				find_own(a, a->conf->stores[i].name);
		find_folders(a);
	}
	for (size_t i = 0; i < x.n; i++) {
		free(x.v[i].store);
		free(x.v[i].key);
	}
	free(x.v);
	keyset_free(x.puts);
	return rc;
}
