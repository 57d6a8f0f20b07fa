/* Which manifest is the newest word on what: from the history of materializations. */
#include "config.h"

#include "audit/audit_priv.h"

#include "base/mem.h"
#include "engine/partition.h"

#include <string.h>

struct reader {
	struct audit *a;
	struct keyset *met; /* store + manifest: a newer materialization has named it */
};

static bool is_wanted(const struct audit *a, const struct sql_row *row)
{
	const struct audit_opts *o = a->opts;

	return (o->asset == NULL || strcmp(sql_text(row, 0), o->asset) == 0) &&
	       (o->partition == NULL || partition_covers(o->partition, sql_text(row, 1))) &&
	       sql_int(row, 3) >= o->since;
}

static void take(struct reader *r, const struct sql_row *row, const json_t *metadata, const json_t *manifest)
{
	const char *store = json_str(metadata, "store", NULL), *key = json_str(manifest, "key", NULL),
	           *sha256 = json_str(manifest, "sha256", NULL),
	           *database = json_str(metadata, "database", NULL);
	struct audit *a = r->a;

	if (store == NULL || key == NULL || sha256 == NULL || !keyset_add(r->met, store, key) ||
	    !is_wanted(a, row))
		return;
	if (a->nmade == a->capmade) {
		a->capmade = a->capmade ? a->capmade * 2 : 64;
		a->made = xreallocarray(a->made, a->capmade, sizeof(*a->made));
	}
	a->made[a->nmade++] = (struct made){
	    .store = xstrdup(store),
	    .database = database ? xstrdup(database) : NULL,
	    .key = xstrdup(key),
	    .sha256 = xstrdup(sha256),
	    .asset = xstrdup(sql_text(row, 0)),
	    .partition = xstrdup(sql_text(row, 1)),
	    .run = sql_int(row, 2),
	};
}

static void read_row(struct reader *r, const struct sql_row *row)
{
	json_t *metadata = json_loads(sql_text(row, 4), 0, NULL);
	const json_t *m;
	size_t i;

	r->a->n.materializations += is_wanted(r->a, row);
	take(r, row, metadata, json_object_get(metadata, "manifest"));
	json_array_foreach(json_object_get(metadata, "manifests"), i, m) take(r, row, metadata, m);
	json_decref(metadata);
}

int audit_records(struct audit *a, struct err *err)
{
	struct reader r = {.a = a, .met = keyset_new()};
	struct sql_row *row = sql_query(a->state->sql,
	    "SELECT asset, partition, run_id, at, metadata FROM materialization ORDER BY id DESC", "");

	while (sql_next(row))
		read_row(&r, row);
	sql_end(row);
	keyset_free(r.met);
	if (sql_error(a->state->sql) == NULL)
		return 0;
	*err = *sql_error(a->state->sql);
	return -1;
}
