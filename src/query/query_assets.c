#include "config.h"

#include "query/query_priv.h"

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/handover.h"
#include "step/asset.h"

#include <stdlib.h>
#include <string.h>

#define MATERIALIZATIONS_SHOWN 30

static json_t *names(const struct strvec *sv)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sv->n; i++)
		json_array_append_new(list, json_string(sv->v[i]));
	return list;
}

static json_t *last_of(const struct query *q, struct stale *st, const struct conf_asset *a)
{
	static const struct column columns[] = {
	    {"run", COLUMN_INT},
	    {"partition", COLUMN_TEXT},
	    {"at", COLUMN_TIME},
	    {"outcome", COLUMN_TEXT},
	    {0},
	};
	json_t *last = NULL;
	struct sql_row *row = sql_query(q->state->sql,
	    "SELECT run_id, partition, at, outcome FROM materialization WHERE id ="
	    " (SELECT max(id) FROM materialization WHERE asset = ?1)",
	    "s", a->name);

	if (sql_next(row))
		last = column_object(row, columns);
	sql_end(row);
	if (last != NULL)
		json_object_set_new(last, "freshness", stale_freshness(st, a, json_str(last, "partition", "")));
	return last ? last : json_null();
}

int64_t query_asset_made(const struct query *q, const struct conf_asset *a)
{
	return sql_get_int(q->state->sql, 0,
	    "SELECT at FROM materialization WHERE asset = ?1 ORDER BY id DESC LIMIT 1", "s", a->name);
}

int64_t query_asset_late(const struct query *q, const struct conf_asset *a)
{
	tm_ms since = a->fresh_within > 0 ? query_asset_made(q, a) : 0;

	if (a->fresh_within == 0)
		return 0;
	if (since == 0)
		since = q->engine ? engine_stats(q->engine)->started_at : clock_now();
	return MAX(clock_now() - since - a->fresh_within, (tm_ms)0);
}

static json_t *code_version(const struct conf_asset *a)
{
	char *text = handover_code_version(a);
	json_t *j = json_text_new(text);

	free(text);
	return j;
}

static json_t *asset_row(const struct query *q, struct stale *st, const struct conf_asset *a)
{
	json_t *obj = json_object();

	json_object_set_new(obj, "name", json_string(a->name));
	json_object_set_new(obj, "type", json_string(a->type->name));
	json_object_set_new(obj, "deps", names(&a->deps));
	json_object_set_new(obj, "tags", names(&a->tags));
	json_object_set_new(obj, "aliases", names(&a->aliases));
	json_object_set_new(obj, "pool", json_text_new(a->pool));
	json_object_set_new(obj, "description", json_text_new(a->description));
	json_object_set_new(obj, "code_version", code_version(a));
	json_object_set_new(obj, "last", last_of(q, st, a));
	json_object_set_new(
	    obj, "fresh_within_ms", a->fresh_within > 0 ? json_integer(a->fresh_within) : json_null());
	json_object_set_new(obj, "late_ms", json_integer(query_asset_late(q, a)));
	return obj;
}

json_t *query_assets(const struct query *q, struct err *err)
{
	json_t *obj = query_object(), *list = json_array();
	struct stale *st = stale_new(q);

	for (size_t i = 0; i < q->conf->nassets; i++)
		json_array_append_new(list, asset_row(q, st, &q->conf->assets[i]));
	stale_free(st);
	json_object_set_new(obj, "assets", list);
	return query_failed(q, obj, err);
}

static json_t *downstream_of(const struct query *q, const struct conf_asset *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < q->conf->nassets; i++)
		if (strvec_has(&q->conf->assets[i].deps, a->name))
			json_array_append_new(list, json_string(q->conf->assets[i].name));
	return list;
}

/* Newest first: the first one of each partition is what stands, the others were replaced by it. */
static void add_freshness(struct stale *st, const struct conf_asset *a, const json_t *list)
{
	json_t *seen = json_object(), *m;
	size_t i;

	json_array_foreach(list, i, m)
	{
		const char *partition = json_str(m, "partition", "");
		bool stands = json_object_get(seen, partition) == NULL;

		json_object_set_new(seen, partition, json_true());
		json_object_set_new(m, "freshness",
		    stands ? stale_freshness(st, a, partition)
		           : json_pack("{s:s, s:[]}", "state", "replaced", "reasons"));
	}
	json_decref(seen);
}

static json_t *materializations(
    const struct query *q, struct stale *st, const struct conf_asset *a, const char *partition)
{
	static const struct column columns[] = {
	    {"run", COLUMN_INT},
	    {"partition", COLUMN_TEXT},
	    {"at", COLUMN_TIME},
	    {"outcome", COLUMN_TEXT},
	    {"metadata", COLUMN_JSON},
	    {0},
	};
	struct sql_row *row;
	json_t *list;

	/* Two texts, so that each finds its index. */
	if (partition == NULL)
		row = sql_query(q->state->sql,
		    "SELECT run_id, partition, at, outcome, metadata FROM materialization"
		    " WHERE asset = ?1 ORDER BY id DESC LIMIT ?2",
		    "si", a->name, (int64_t)MATERIALIZATIONS_SHOWN);
	else
		row = sql_query(q->state->sql,
		    "SELECT run_id, partition, at, outcome, metadata FROM materialization"
		    " WHERE asset = ?1 AND partition = ?2 ORDER BY id DESC LIMIT ?3",
		    "ssi", a->name, partition, (int64_t)MATERIALIZATIONS_SHOWN);
	list = column_list(row, columns);
	add_freshness(st, a, list);
	return list;
}

json_t *query_asset(const struct query *q, const char *name, const char *partition, struct err *err)
{
	const struct conf_asset *a = conf_asset_find(q->conf, name);
	json_t *obj, *row, *made;
	struct stale *st;

	if (a == NULL) {
		conf_missing(q->conf, "asset", name, err);
		return NULL;
	}
	obj = query_object();
	st = stale_new(q);
	row = asset_row(q, st, a);
	json_object_update(obj, row);
	json_decref(row);
	json_object_set_new(obj, "options", opt_to_json(a->type->opts, a->opts));
	json_object_set_new(obj, "retries", json_integer(a->retries));
	json_object_set_new(obj, "timeout_ms", json_integer(a->timeout));
	json_object_set_new(obj, "partition_template", json_text_new(a->partition));
	json_object_set_new(obj, "downstream", downstream_of(q, a));
	made = materializations(q, st, a, partition);
	stale_free(st);
	json_object_set_new(
	    obj, "checks", query_checks(q, json_int(json_array_get(made, 0), "run", 0), a->name));
	json_object_set_new(obj, "materializations", made);
	return query_failed(q, obj, err);
}
