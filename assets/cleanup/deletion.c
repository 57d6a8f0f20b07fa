#include "config.h"

#include "assets/cleanup/deletion.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "metric/metric.h"
#include "step/step.h"
#include "store/sync.h"

#define INTENT_MAX_BYTES (32 << 20)

static int load(struct deletion *d, struct err *err)
{
	struct strbuf text = STRBUF_INIT(INTENT_MAX_BYTES);
	json_t *j = NULL;
	int rc = -1;

	if (fs_read(d->path, &text, err) == 0 && (j = json_parse(text.buf, text.len, d->path, err)) != NULL)
		rc = json_is_array(json_object_get(j, "items"))
		         ? 0
		         : err_set(err, ERR_BUG, "%s: no list of items", d->path);
	if (rc == 0)
		d->items = json_incref(json_object_get(j, "items"));
	json_decref(j);
	strbuf_release(&text);
	return rc;
}

int deletion_init(struct deletion *d, struct step *step, struct store *st, const char *trash, const char *name,
    bool *replay, struct err *err)
{
	*d = (struct deletion){.step = step, .store = st, .trash = trash, .kept = json_array()};
	d->path = fs_join(step_ledger_dir(step), name);
	*replay = fs_exists(d->path);
	if (*replay)
		return load(d, err);
	d->items = json_array();
	return 0;
}

void deletion_release(struct deletion *d)
{
	json_decref(d->items);
	json_decref(d->kept);
	free(d->path);
	*d = (struct deletion){0};
}

int deletion_intend(struct deletion *d, struct err *err)
{
	char at[UTCTIME_MAX], *text;
	json_t *j = json_pack("{s:s, s:s, s:s, s:i, s:s, s:O}", "schema", "orchd/1", "run",
	    step_run_id(d->step), "partition", step_partition(d->step), "attempt", step_attempt(d->step), "at",
	    utctime_format(clock_now(), at), "items", d->items);
	int rc;

	text = json_text(j);
	rc = fs_write_durable(d->path, text, strlen(text), 0600, err);
	free(text);
	json_decref(j);
	return rc == -1 ? err_wrap(err, "write down what will be deleted") : 0;
}

/* It is no longer what was consumed: a new upload, and somebody else's to judge. */
static void keep(struct deletion *d, const char *key, const char *etag)
{
	struct store_entry e = {0};
	const char *now = store_sync_head(d->store, key, &e, NULL) == 0 ? e.etag : "";

	step_warn(d->step, "warning:new_generation", "%s has changed since it was unpacked: kept", key);
	metric_count(METRIC_DELETES, "changed", NULL);
	json_array_append_new(d->kept, json_pack("{s:s, s:s, s:s}", "key", key, "etag", etag, "now", now));
	store_entry_release(&e);
}

/* 1: a copy is safe; 0: the object is gone or changed; -1: error. */
static int copy_to_trash(struct deletion *d, const char *key, const char *etag, struct err *err)
{
	char *to = xasprintf("%s%s", d->trash, key);
	int rc = store_sync_copy(d->store, key, etag, to, NULL, err) == 0;

	if (rc == 1)
		step_effect(d->step, "copy", to, -1, NULL);
	else if (err_is(err, "not_found"))
		*err = ERR_INIT;
	else if (!err_is(err, "precondition"))
		rc = err_wrap(err, "trash");
	free(to);
	return rc;
}

static int delete_one(struct deletion *d, const json_t *item, struct err *err)
{
	const char *key = json_str(item, "key", ""), *etag = json_str(item, "etag", "");
	struct store_entry e = {0};
	int rc = store_sync_head(d->store, key, &e, err);

	store_entry_release(&e);
	if (rc == -1 && !err_is(err, "not_found"))
		return -1;
	if (rc == -1) {
		*err = ERR_INIT;
		metric_count(METRIC_DELETES, "absent", NULL);
		d->absent++;
		return 0;
	}
	rc = d->trash != NULL ? copy_to_trash(d, key, etag, err) : 1;
	if (rc == 1)
		rc = store_sync_delete(d->store, key, etag, err);
	if (err_is(err, "precondition")) {
		*err = ERR_INIT;
		keep(d, key, etag);
		return 0;
	}
	if (rc == 0) {
		metric_count(METRIC_DELETES, "deleted", NULL);
		d->deleted++;
		d->bytes += json_int(item, "size", 0);
		step_effect(d->step, "delete", key, json_int(item, "size", -1), NULL);
	}
	return rc;
}

int deletion_run(struct deletion *d, struct err *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(d->items, i, item)
	{
		if (step_cancelled(d->step))
			return err_set(
			    err, ERR_CANCELLED, "cancelled while deleting; the next attempt goes on");
		if (delete_one(d, item, err) == -1)
			return -1;
		step_progress(d->step, "objects", (int64_t)i + 1, (int64_t)json_array_size(d->items));
	}
	return 0;
}

static bool is_kept(const struct deletion *d, const char *key)
{
	json_t *k;
	size_t i;

	json_array_foreach(d->kept, i, k)
	{
		if (strcmp(json_str(k, "key", ""), key) == 0)
			return true;
	}
	return false;
}

int deletion_verify(struct deletion *d, struct err *err)
{
	json_t *item;
	size_t i;

	json_array_foreach(d->items, i, item)
	{
		const char *key = json_str(item, "key", ""), *etag = json_str(item, "etag", "");
		struct store_entry e = {0};
		int rc = is_kept(d, key) ? 1 : store_sync_head(d->store, key, &e, err);
		bool same = rc == 0 && strcmp(e.etag, etag) == 0;

		store_entry_release(&e);
		if (same)
			return err_code(
			    err, ERR_TRANSIENT, "not_deleted", "%s is still there after it was deleted", key);
		if (rc == 0)
			keep(d, key, etag); /* sent again this very moment */
		else if (rc == -1 && !err_is(err, "not_found"))
			return -1;
		*err = ERR_INIT;
	}
	return 0;
}

json_t *deletion_summary(const struct deletion *d)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:O}", "objects", (json_int_t)json_array_size(d->items),
	    "deleted", (json_int_t)d->deleted, "absent", (json_int_t)d->absent, "bytes", (json_int_t)d->bytes,
	    "kept", d->kept);
}
