/* Manifests as they were recorded, and every object they list as they list it. */
#include "config.h"

#include "audit/audit_priv.h"

#include "base/mem.h"
#include "store/look.h"
#include "store/sync.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_MAX ((size_t)64 << 20)

/* Bytes that contradict what the store has noted of them are a finding; other trouble tells nothing about them. */
static void tell_failed(struct audit *a, const struct made *m, const char *what, const char *key,
    const char *expected, const struct err *err)
{
	if (err->class == ERR_BAD_DATA)
		audit_tell(a, m, m->store, FOUND_MISMATCHED, what, key, expected, err->text);
	else
		audit_unknown(a, what, m->store, key, err);
}

static json_t *parse(struct audit *a, const struct made *m, const struct strbuf *text)
{
	char sum[SHA256_HEX], expected[100], found[100];
	struct err err = ERR_INIT;
	json_t *j;

	sha256_hex(text->buf, text->len, sum);
	if (strcmp(sum, m->sha256) != 0) {
		snprintf(expected, sizeof(expected), "sha256 %s", m->sha256);
		snprintf(found, sizeof(found), "sha256 %s", sum);
		audit_tell(a, m, m->store, FOUND_MISMATCHED, "manifest", m->key, expected, found);
		return NULL;
	}
	if ((j = json_parse(text->buf, text->len, m->key, &err)) == NULL)
		audit_unknown(a, "manifest", m->store, m->key, &err);
	return j;
}

static json_t *read_manifest(struct audit *a, const struct made *m, struct store *st)
{
	struct strbuf text = STRBUF_INIT(MANIFEST_MAX);
	struct err err = ERR_INIT;
	json_t *j = NULL;

	if (store_sync_get(st, m->key, NULL, &text, NULL, &err) == 0)
		j = parse(a, m, &text);
	else if (err_is(&err, "not_found"))
		audit_tell(a, m, m->store, FOUND_MISSING, "manifest", m->key,
		    "the manifest that the step recorded", "nothing");
	else
		tell_failed(a, m, "manifest", m->key, "the manifest that the step recorded", &err);
	strbuf_release(&text);
	a->n.manifests++;
	return j;
}

/* ---- objects */

struct listed {
	const json_t *entry; /* lent from the manifest */
	bool copy; /* of something that others may copy there too, newer: it is there, and that is all */
	struct look seen;
};

static void describe(char out[140], int64_t size, const char *sha256)
{
	snprintf(out, 140, "%" PRId64 " bytes%s%s", size, sha256[0] ? ", sha256 " : "", sha256);
}

/* One that is there: its size, and its sum as the store keeps it or as its bytes have it now. */
static void compare(struct audit *a, const struct made *m, struct store *st, const struct listed *l)
{
	const char *want = json_str(l->entry, "sha256", "");
	int64_t want_size = json_int(l->entry, "size", -1), size = l->seen.size;
	char sum[SHA256_HEX], expected[140], found[140];
	struct err err = ERR_INIT;

	describe(expected, want_size, want);
	memcpy(sum, l->seen.sha256, sizeof(sum));
	if (a->opts->deep) {
		if (store_sync_digest(st, l->seen.key, sum, &size, &err) == -1) {
			tell_failed(a, m, "object", l->seen.key, expected, &err);
			return;
		}
		a->n.read_back++;
	}
	a->n.bytes += size;
	if (size == want_size && (sum[0] == '\0' || want[0] == '\0' || strcmp(sum, want) == 0))
		return;
	describe(found, size, sum);
	audit_tell(a, m, m->store, FOUND_MISMATCHED, "object", l->seen.key, expected, found);
}

static void judge(struct audit *a, const struct made *m, struct store *st, const struct listed *l)
{
	char expected[140];

	a->n.objects++;
	if (l->seen.there) {
		if (!l->copy)
			compare(a, m, st, l);
		return;
	}
	if (l->copy)
		snprintf(expected, sizeof(expected), "a copy of %.100s", json_str(l->entry, "from", ""));
	else
		describe(expected, json_int(l->entry, "size", -1), json_str(l->entry, "sha256", ""));
	audit_tell(a, m, m->store, FOUND_MISSING, "object", l->seen.key, expected, "nothing");
}

static void note_folder(struct audit *a, const char *store, const char *key)
{
	const char *slash = strrchr(key, '/');
	char *name;

	if (slash == NULL)
		return; /* the root of a store is everybody's */
	name = xasprintf("%s\n%.*s", store, (int)(slash + 1 - key), key);
	json_object_set_new(a->folders, name, json_true());
	free(name);
}

/* What this manifest has the newest word on. */
static size_t gather(struct audit *a, const struct made *m, const json_t *manifest, struct listed **out)
{
	const json_t *objects = json_object_get(manifest, "objects"),
	             *copies = json_object_get(manifest, "copies"), *e;
	struct listed *v = xcalloc(json_array_size(objects) + json_array_size(copies) + 1, sizeof(*v));
	size_t i, n = 0;

	json_array_foreach(objects, i, e)
	{
		const char *key = json_str(e, "key", NULL);

		if (key == NULL || store_key_check(key, NULL) == -1)
			continue;
		note_folder(a, m->store, key);
		if (keyset_add(a->known, m->store, key))
			v[n++] = (struct listed){.entry = e, .seen = {.key = key}};
	}
	json_array_foreach(copies, i, e)
	{
		const char *key = json_str(e, "to", NULL);

		if (key != NULL && store_key_check(key, NULL) == 0 && keyset_add(a->known, m->store, key))
			v[n++] = (struct listed){.entry = e, .copy = true, .seen = {.key = key}};
	}
	*out = v;
	return n;
}

static bool watch_stop(void *arg)
{
	return audit_stopped(arg);
}

static int look_and_judge(struct audit *a, const struct made *m, struct store *st, struct listed *v, size_t n)
{
	const struct look_watch watch = {.stop = watch_stop, .arg = a};
	struct look *looks = xcalloc(n + 1, sizeof(*looks));
	struct err err = ERR_INIT;
	int rc;

	for (size_t i = 0; i < n; i++)
		looks[i].key = v[i].seen.key;
	rc = look_all(st, looks, n, &watch, &err);
	if (rc == -1 && err.class != ERR_CANCELLED) {
		audit_unknown(a, "object", m->store, m->key, &err);
		rc = 0;
	} else if (rc == 0) {
		for (size_t i = 0; i < n && !audit_stopped(a); i++) {
			v[i].seen = looks[i];
			judge(a, m, st, &v[i]);
		}
	}
	free(looks);
	return rc;
}

static int check_one(struct audit *a, const struct made *m)
{
	struct store *st = audit_store(a, m->store);
	json_t *manifest;
	struct listed *v;
	size_t n;
	int rc;

	keyset_add(a->known, m->store, m->key);
	if (st == NULL || (manifest = read_manifest(a, m, st)) == NULL)
		return 0;
	note_folder(a, m->store, m->key);
	n = gather(a, m, manifest, &v);
	rc = look_and_judge(a, m, st, v, n);
	audit_rows_note(a, m, manifest);
	free(v);
	json_decref(manifest);
	return rc;
}

int audit_objects(struct audit *a, struct err *err)
{
	for (size_t i = 0; i < a->nmade; i++) {
		audit_progress(a, "manifests", (int64_t)i, (int64_t)a->nmade);
		if (check_one(a, &a->made[i]) == -1 || audit_stopped(a))
			return err_code(err, ERR_CANCELLED, "interrupted", "interrupted");
	}
	audit_progress(a, "manifests", (int64_t)a->nmade, (int64_t)a->nmade);
	return 0;
}
