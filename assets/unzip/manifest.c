#include "config.h"

#include "assets/unzip/manifest.h"

#include "base/mem.h"
#include "step/step.h"

static json_t *entry_json(const struct store_entry *e)
{
	return json_pack("{s:s, s:s, s:I}", "key", e->key, "etag", e->etag, "size", (json_int_t)e->size);
}

static json_t *objects_json(const char *destination, const struct members *members)
{
	json_t *list = json_array();

	for (size_t i = 0; i < members_count(members); i++) {
		const struct member *m = members_at(members, i);
		char *key = xasprintf("%s%s", destination, m->path);

		json_array_append_new(list,
		    json_pack("{s:s, s:I, s:s}", "key", key, "size", (json_int_t)m->size, "sha256", m->sha256));
		free(key);
	}
	return list;
}

json_t *manifest_new(const struct step *step, const struct pieces *ps, const char *destination,
    const struct members *members, json_t *copies)
{
	json_t *pieces = json_array();

	for (size_t i = 0; i < ps->n; i++)
		json_array_append_new(pieces, entry_json(&ps->v[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:O, s:o, s:{s:I, s:I, s:I, s:I}}",
	    "schema", "orchd/1", "kind", "unzip", "run", step_run_id(step), "run_uid", step_run_uid(step),
	    "asset", step_asset(step), "partition", step_partition(step), "destination", destination, "pieces",
	    pieces, "check_file", ps->check.key != NULL ? entry_json(&ps->check) : json_null(), "copies",
	    copies, "objects", objects_json(destination, members), "counts", "pieces", (json_int_t)ps->n,
	    "piece_bytes", (json_int_t)ps->bytes, "objects", (json_int_t)members_count(members), "bytes",
	    (json_int_t)members_bytes(members));
}

int manifest_put(
    struct store *st, const char *key, const json_t *manifest, char sha256[SHA256_HEX], struct err *err)
{
	char *text = json_text(manifest);
	struct store_put_opts opts = {.content_type = "application/json", .sha256 = sha256};
	int rc;

	sha256_hex(text, strlen(text), sha256);
	rc = store_sync_put(st, key, text, strlen(text), &opts, NULL, err);
	free(text);
	return rc == -1 ? err_wrap(err, "manifest") : 0;
}

static bool is_object_entry(const json_t *e)
{
	return json_str(e, "key", NULL) != NULL && json_int(e, "size", -1) >= 0 &&
	       strlen(json_str(e, "sha256", "")) == SHA256_HEX - 1;
}

static bool is_piece_entry(const json_t *e)
{
	return json_str(e, "key", NULL) != NULL && json_str(e, "etag", NULL) != NULL;
}

static bool all_are(const json_t *list, bool (*is)(const json_t *))
{
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		if (!is(e))
			return false;
	}
	return true;
}

static bool is_form(const json_t *m, const char *kind)
{
	const json_t *objects = json_object_get(m, "objects");

	return strcmp(json_str(m, "schema", ""), "orchd/1") == 0 &&
	       (kind == NULL || strcmp(json_str(m, "kind", ""), kind) == 0) && json_is_array(objects) &&
	       all_are(objects, is_object_entry) && all_are(json_object_get(m, "pieces"), is_piece_entry);
}

json_t *manifest_get(struct store *st, const char *key, const char *kind, const char *sha256, struct err *err)
{
	struct strbuf text = STRBUF_INIT(MANIFEST_MAX_BYTES);
	char sum[SHA256_HEX];
	json_t *m = NULL;

	if (store_sync_get(st, key, NULL, &text, NULL, err) == -1) {
		strbuf_release(&text);
		err_wrap(err, "manifest");
		return NULL;
	}
	sha256_hex(text.buf, text.len, sum);
	if (sha256 != NULL && strcmp(sum, sha256) != 0)
		err_code(err, ERR_BAD_DATA, "manifest", "manifest %s is not the one that was recorded", key);
	else
		m = json_parse(text.buf, text.len, key, err);
	strbuf_release(&text);
	if (m != NULL && !is_form(m, kind)) {
		err_code(err, ERR_BAD_DATA, "manifest", "manifest %s has not the expected form", key);
		json_decref(m);
		m = NULL;
	}
	return m;
}
