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

static void note_absent(struct deletion *d)
{
	metric_count(METRIC_DELETES, "absent", NULL);
	d->absent++;
}

/* 1: a copy is safe; 0: the object is gone or changed, and that is settled; -1: error. */
static int copy_to_trash(struct deletion *d, const char *key, const char *etag, struct err *err)
{
	char *to = xasprintf("%s%s", d->trash, key);
	int rc = store_sync_copy(d->store, key, etag, to, NULL, err) == 0;

	if (rc == 1) {
		step_effect(d->step, "copy", to, -1, NULL);
	} else if (err_is(err, "not_found")) {
		*err = ERR_INIT;
		note_absent(d);
	} else if (err_is(err, "precondition")) {
		*err = ERR_INIT;
		keep(d, key, etag);
	} else {
		rc = err_wrap(err, "trash");
	}
	free(to);
	return rc;
}

/* Objects deleted in one go, and what is to be done about them afterwards. */
struct batch {
	struct deletion *d;
	struct store_deletion v[STORE_BATCH_MAX];
	const json_t *item[STORE_BATCH_MAX];
	bool changed[STORE_BATCH_MAX];
	size_t n;
	struct err err; /* the first */
};

static void on_item(size_t i, const struct err *err, void *arg)
{
	struct batch *b = arg;
	struct deletion *d = b->d;
	int64_t size = json_int(b->item[i], "size", -1);

	if (err == NULL) {
		metric_count(METRIC_DELETES, "deleted", NULL);
		d->deleted++;
		d->bytes += MAX(size, 0);
		step_effect(d->step, "delete", b->v[i].key, size, NULL);
	} else if (err_is(err, "not_found")) {
		note_absent(d);
	} else if (err_is(err, "precondition")) {
		b->changed[i] = true;
	} else if (b->err.class == ERR_NONE) {
		b->err = *err;
	}
}

/* What could not be deleted does not keep the rest of its batch from it. */
static int delete_batch(struct batch *b, struct err *err)
{
	int rc = store_sync_delete_many(b->d->store, b->v, b->n, on_item, b, err);

	for (size_t i = 0; i < b->n; i++)
		if (b->changed[i])
			keep(b->d, b->v[i].key, b->v[i].if_match);
	if (rc == 0 && b->err.class != ERR_NONE) {
		*err = b->err;
		rc = -1;
	}
	return rc;
}

/* Items from `from` on into a batch; returns where the next one begins, or -1. */
static int64_t fill_batch(struct batch *b, size_t from, struct err *err)
{
	struct deletion *d = b->d;

	for (; from < json_array_size(d->items) && b->n < STORE_BATCH_MAX; from++) {
		const json_t *item = json_array_get(d->items, from);
		const char *key = json_str(item, "key", ""), *etag = json_str(item, "etag", "");
		int rc = d->trash != NULL ? copy_to_trash(d, key, etag, err) : 1;

		if (rc == -1)
			return -1;
		if (rc == 0)
			continue;
		b->item[b->n] = item;
		b->v[b->n++] = (struct store_deletion){key, etag};
	}
	return (int64_t)from;
}

int deletion_run(struct deletion *d, struct err *err)
{
	size_t total = json_array_size(d->items);
	struct batch *b = xcalloc(1, sizeof(*b));
	int64_t next = 0;
	int rc = 0;

	while (rc == 0 && next < (int64_t)total) {
		*b = (struct batch){.d = d};
		if (step_cancelled(d->step))
			rc = err_set(err, ERR_CANCELLED, "cancelled while deleting; the next attempt goes on");
		else if ((next = fill_batch(b, (size_t)next, err)) == -1 || delete_batch(b, err) == -1)
			rc = -1;
		else
			step_progress(d->step, "objects", next, (int64_t)total);
	}
	free(b);
	return rc;
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
