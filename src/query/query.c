#include "config.h"

#include "query/query_priv.h"

#include "base/clock.h"
#include "base/utctime.h"
#include "database/database.h"
#include "engine/engine.h"
#include "metric/health.h"
#include "store/store.h"
#include "push/push.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DAY_MS      INT64_C(86400000)
#define FAILED_SEEN 500

const struct column hold_columns[] = {
    {"partition", COLUMN_TEXT},
    {"reason", COLUMN_TEXT},
    {"who", COLUMN_TEXT},
    {"at", COLUMN_TIME},
    {0},
};

json_t *query_object(void)
{
	return json_pack("{s:s}", "schema", QUERY_SCHEMA);
}

json_t *query_time(tm_ms t)
{
	char text[UTCTIME_MAX];

	return t == 0 ? json_null() : json_string(utctime_format(t, text));
}

json_t *query_failed(const struct query *q, json_t *obj, struct err *err)
{
	const struct err *e = sql_error(q->state->sql);

	if (e == NULL)
		return obj;
	if (err != NULL)
		*err = *e;
	sql_rollback(q->state->sql);
	json_decref(obj);
	return NULL;
}

json_t *query_holds(const struct query *q, struct err *err)
{
	json_t *obj = query_object();

	json_object_set_new(obj, "holds",
	    column_list(sql_query(q->state->sql, "SELECT " HOLD_COLUMNS " FROM hold ORDER BY partition", ""),
	        hold_columns));
	return query_failed(q, obj, err);
}

static void add_engine(const struct query *q, json_t *obj)
{
	const struct engine_stats *st = engine_stats(q->engine);

	json_object_set_new(obj, "pid", json_integer(getpid()));
	json_object_set_new(obj, "started_at", query_time(st->started_at));
	json_object_set_new(obj, "draining", json_boolean(engine_is_draining(q->engine)));
	json_object_set_new(obj, "steps_running", json_integer(st->steps_running));
	json_object_set_new(obj, "turns", json_integer(st->turns));
	json_object_set_new(obj, "commits", json_integer(st->commits));
	json_object_set_new(obj, "commit_failures", json_integer(st->commit_failures));
	json_object_set_new(obj, "commit_max_ms", json_real((double)st->commit_us_max / 1000.0));
}

static json_t *place(enum health_kind kind, const char *name, const char *type)
{
	const struct health *h = health_find(kind, name);
	json_t *obj = json_pack("{s:s, s:s}", "name", name, "type", type);

	json_object_set_new(obj, "ok_at", query_time(h ? h->ok_at : 0));
	json_object_set_new(obj, "failed_at", query_time(h ? h->failed_at : 0));
	json_object_set_new(obj, "error",
	    h == NULL || h->failed_at == 0
	        ? json_null()
	        : json_pack("{s:s, s:o, s:o}", "class", err_class_name(h->err.class), "code",
	              json_text_new(h->err.code), "text", json_text_new(h->err.text)));
	return obj;
}

static void add_places(const struct query *q, json_t *obj)
{
	json_t *stores = json_array(), *databases = json_array();

	for (size_t i = 0; i < q->conf->nstores; i++)
		json_array_append_new(
		    stores, place(HEALTH_STORE, q->conf->stores[i].name, q->conf->stores[i].type->name));
	for (size_t i = 0; i < q->conf->ndatabases; i++)
		json_array_append_new(databases,
		    place(HEALTH_DATABASE, q->conf->databases[i].name, q->conf->databases[i].type->name));
	json_object_set_new(obj, "stores", stores);
	json_object_set_new(obj, "databases", databases);
}

/* pending: hints that wait, whoever heard of them. */
static json_t *push_summary(const struct query *q)
{
	const struct push_stats *s = q->push;
	json_t *obj;

	if (s == NULL || (s->address[0] == '\0' && s->requests == 0))
		return json_null();
	obj = json_pack("{s:o, s:I}", "address", json_text_new(s->address[0] != '\0' ? s->address : NULL),
	    "pending", (json_int_t)sql_get_int(q->state->sql, 0, "SELECT count(*) FROM hint", ""));
	const struct {
		const char *name;
		int64_t value;
	} counts[] = {{"requests", s->requests}, {"records", s->records}, {"accepted", s->accepted},
	    {"duplicates", s->duplicates}, {"ignored", s->ignored}, {"unknown", s->unknown}, {"bad", s->bad},
	    {"refused", s->refused}, {"malformed", s->malformed}, {"unavailable", s->unavailable}};
	for (size_t i = 0; i < NITEMS(counts); i++)
		json_object_set_new(obj, counts[i].name, json_integer(counts[i].value));
	json_object_set_new(obj, "last_at", query_time(s->last_at));
	json_object_set_new(
	    obj, "last_unknown", json_text_new(s->last_unknown[0] != '\0' ? s->last_unknown : NULL));
	return obj;
}

static int64_t state_bytes(const struct query *q)
{
	return sql_get_int(q->state->sql, 0, "PRAGMA page_count", "") *
	       sql_get_int(q->state->sql, 0, "PRAGMA page_size", "");
}

/* Of the file system that holds the state; null when it does not say. */
static json_t *disk_of(const struct query *q)
{
	struct statvfs fs;

	if (statvfs(q->state->dir, &fs) == -1)
		return json_null();
	return json_pack("{s:I, s:I}", "free_bytes", (json_int_t)fs.f_bavail * (json_int_t)fs.f_frsize,
	    "total_bytes", (json_int_t)fs.f_blocks * (json_int_t)fs.f_frsize);
}

/* Of the newest that failed in the last day those whose job has not succeeded since for the same partition. */
static int64_t failed_unmended(struct sql *sql)
{
	return sql_get_int(sql, 0,
	    "SELECT count(*) FROM (SELECT id, job, partition FROM run WHERE state = 'failed' AND ended_at > ?1"
	    "  AND id > (SELECT coalesce(max(id), 0) - 20000 FROM run) ORDER BY id DESC LIMIT ?2) AS r"
	    " WHERE r.partition = '' OR NOT EXISTS (SELECT 1 FROM run AS n INDEXED BY run_partition"
	    "  WHERE n.partition = r.partition AND n.id > r.id AND n.state = 'succeeded' AND n.dry_run = 0"
	    "  AND n.job IS r.job)",
	    "ti", clock_now() - DAY_MS, (int64_t)FAILED_SEEN);
}

json_t *query_status(const struct query *q, struct err *err)
{
	struct sql *sql = q->state->sql;
	json_t *obj = query_object(), *sensors = query_sensors(q, err), *holds = query_holds(q, err);

	json_object_set_new(obj, "as_of", query_time(clock_now()));
	json_object_set_new(obj, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(obj, "instance", json_string(q->state->instance));
	json_object_set_new(
	    obj, "epoch", json_integer(sql_get_int(sql, 0, "SELECT value FROM meta WHERE key = 'epoch'", "")));
	json_object_set_new(obj, "config_file", json_text_new(q->conf->file));
	json_object_set_new(
	    obj, "config_problem", json_text_new(q->engine ? engine_conf_problem(q->engine) : NULL));
	json_object_set_new(obj, "daemon", json_boolean(q->engine != NULL));
	json_object_set_new(obj, "runs",
	    json_pack("{s:I, s:I}", "queued",
	        (json_int_t)sql_get_int(
	            sql, 0, "SELECT count(*) FROM run WHERE ended_at IS NULL AND state = 'queued'", ""),
	        "running",
	        (json_int_t)sql_get_int(
	            sql, 0, "SELECT count(*) FROM run WHERE ended_at IS NULL AND state = 'running'", "")));
	json_object_set_new(obj, "failed_last_day",
	    json_integer(sql_get_int(sql, 0,
	        "SELECT count(*) FROM run WHERE state = 'failed' AND ended_at > ?1"
	        " AND id > (SELECT coalesce(max(id), 0) - 20000 FROM run)",
	        "t", clock_now() - DAY_MS)));
	json_object_set_new(obj, "failed_unmended", json_integer(failed_unmended(sql)));
	json_object_set(obj, "sensors", json_object_get(sensors, "sensors"));
	json_object_set(obj, "holds", json_object_get(holds, "holds"));
	json_object_set_new(obj, "outbox", query_outbox_summary(q));
	add_places(q, obj);
	json_object_set_new(obj, "audit", query_audit_summary(q));
	json_object_set_new(obj, "state_bytes", json_integer(state_bytes(q)));
	json_object_set_new(obj, "disk", disk_of(q));
	json_object_set_new(obj, "page", json_text_new(q->page != NULL && q->page[0] != '\0' ? q->page : NULL));
	json_object_set_new(obj, "push", push_summary(q));
	if (q->engine != NULL)
		add_engine(q, obj);
	json_decref(sensors);
	json_decref(holds);
	return query_failed(q, obj, err);
}
