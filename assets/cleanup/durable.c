#include "config.h"

#include "assets/cleanup/durable.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "database/database.h"
#include "database/effect.h"
#include "step/step.h"
#include "store/look.h"
#include "store/sync.h"

#include <inttypes.h>

static int not_durable(struct err *err, const char *key, const char *why)
{
	return err_code(err, ERR_BAD_DATA, "not_durable", "%s: %s", key, why);
}

static bool is_cancelled(void *arg)
{
	return step_cancelled(arg);
}

static void tell_progress(size_t done, size_t n, void *arg)
{
	step_progress(arg, "objects", (int64_t)done, (int64_t)n);
}

int durable_look(struct step *step, struct store *st, struct look *v, size_t n, struct err *err)
{
	const struct look_watch watch = {.stop = is_cancelled, .progress = tell_progress, .arg = step};

	return look_all(st, v, n, &watch, err);
}

/* The sum is the store's own record, or that of the bytes read back now. */
static int check_object(struct store *st, const json_t *want, const struct look *seen, bool read_back,
    int64_t *nread, struct err *err)
{
	char sum[SHA256_HEX];
	int64_t size = seen->size;

	if (!seen->there)
		return not_durable(err, seen->key, "it is not in the store");
	memcpy(sum, seen->sha256, sizeof(sum));
	if (read_back || sum[0] == '\0') {
		if (store_sync_digest(st, seen->key, sum, &size, err) == -1)
			return err_is(err, "not_found") ? not_durable(err, seen->key, "it is not in the store")
			                                : -1;
		++*nread;
	}
	if (size != json_int(want, "size", -1))
		return not_durable(err, seen->key, "its size is not the recorded one");
	if (strcmp(sum, json_str(want, "sha256", "")) != 0)
		return not_durable(err, seen->key, "its content is not the recorded one");
	return 0;
}

static int check_objects(struct step *step, struct store *st, const json_t *objects, const struct look *seen,
    bool read_back, json_t **checked, struct err *err)
{
	int64_t bytes = 0, nread = 0;
	size_t n = json_array_size(objects);

	for (size_t i = 0; i < n; i++) {
		if (step_cancelled(step))
			return err_set(err, ERR_CANCELLED, "cancelled while checking objects");
		if (check_object(st, json_array_get(objects, i), &seen[i], read_back, &nread, err) == -1)
			return -1;
		bytes += seen[i].size;
		if (read_back)
			step_progress(step, "objects", (int64_t)i + 1, (int64_t)n);
	}
	*checked = json_pack("{s:I, s:I, s:I}", "objects", (json_int_t)n, "bytes", (json_int_t)bytes,
	    "read_back", (json_int_t)nread);
	return 0;
}

int durable_objects(struct step *step, struct store *st, const json_t *manifest, bool read_back,
    json_t **checked, struct err *err)
{
	const json_t *objects = json_object_get(manifest, "objects");
	size_t n = json_array_size(objects);
	struct look *seen = xcalloc(n + 1, sizeof(*seen));
	int rc;

	for (size_t i = 0; i < n; i++)
		seen[i].key = json_str(json_array_get(objects, i), "key", "");
	rc = durable_look(step, st, seen, n, err);
	if (rc == 0)
		rc = check_objects(step, st, objects, seen, read_back, checked, err);
	free(seen);
	return rc;
}

static int check_effect(struct database *db, const json_t *entry, struct err *err)
{
	const json_t *m = json_object_get(entry, "manifest");
	const struct db_effect effect = {.run_uid = json_str(m, "run_uid", ""),
	    .asset = json_str(m, "asset", ""),
	    .partition_key = json_str(m, "partition", ""),
	    .manifest_sha256 = json_str(entry, "sha256", "")};
	bool exists = false;

	if (db_effect_exists(db, &effect, &exists, err) == -1)
		return -1;
	if (!exists)
		return err_code(err, ERR_BAD_DATA, "not_durable",
		    "%s: no effect row of asset %s for manifest %.12s...", db_location(db), effect.asset,
		    effect.manifest_sha256);
	return 0;
}

/* What the manifests say of one table, together: tags of one night share it. */
static int64_t rows_expected(const json_t *manifests, const char *table, const char **run, const char **run_uid)
{
	const json_t *entry;
	int64_t sum = -1;
	size_t i;

	json_array_foreach(manifests, i, entry)
	{
		const json_t *m = json_object_get(entry, "manifest");
		int64_t n = json_int(json_object_get(m, "rows"), table, -1);

		*run = json_str(m, "run", "");
		*run_uid = json_str(m, "run_uid", "");
		if (n >= 0)
			sum = MAX(sum, 0) + n;
	}
	return sum;
}

static int check_table(struct database *db, const char *table, const char *column, const json_t *manifests,
    json_t *checked, struct err *err)
{
	const char *run = "", *run_uid = "";
	int64_t want = rows_expected(manifests, table, &run, &run_uid), have = 0;
	struct strbuf sql = STRBUF_INIT(512);
	int rc;

	if (want == -1)
		return 0;
	/* Both names are identifiers from the configuration, checked when it was read. */
	strbuf_addf(&sql, "SELECT COUNT(*) FROM %s WHERE %s IN (?, ?)", table, column);
	struct db_value v[] = {db_text(run), db_text(run_uid)};
	rc = db_query_int(db, sql.buf, v, NITEMS(v), &have, err);
	strbuf_release(&sql);
	if (rc == -1)
		return err_wrap(err, "count rows of %s", table);
	if (have != want)
		return err_code(err, ERR_BAD_DATA, "not_durable",
		    "%s: table %s holds %" PRId64 " rows of run %s, %" PRId64 " were written", db_location(db),
		    table, have, run, want);
	json_object_set_new(checked, table, json_integer(have));
	return 0;
}

int durable_rows(struct step *step, const char *database, const struct strmap *rows, const json_t *manifests,
    json_t **checked, struct err *err)
{
	struct database *db = step_database_fresh(step, database, err);
	json_t *counts = json_object();
	size_t i;
	int rc = db != NULL ? 0 : -1;

	for (i = 0; rc == 0 && i < json_array_size(manifests); i++)
		rc = check_effect(db, json_array_get(manifests, i), err);
	for (i = 0; rc == 0 && i < rows->keys.n; i++)
		rc = check_table(db, rows->keys.v[i], rows->values.v[i], manifests, counts, err);
	if (rc == 0)
		*checked = json_pack("{s:s, s:I, s:O}", "database", db_location(db), "effects",
		    (json_int_t)json_array_size(manifests), "rows", counts);
	json_decref(counts);
	db_close(db);
	return rc;
}
