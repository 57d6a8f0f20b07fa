#include "config.h"

#include "engine/request.h"

#include "engine/engine_priv.h"
#include "engine/partition.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/template.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 4096

static const char *config_value(void *arg, const char *name, size_t *n)
{
	const char *s = json_str(arg, name, NULL);

	*n = s ? strlen(s) : 0;
	return s && *n > 0 ? s : NULL;
}

static const char *request_value(void *arg, const char *name, size_t *n)
{
	const struct run_request *req = arg;

	for (size_t i = 0; i < req->nnames; i++)
		if (strcmp(req->names[i].name, name) == 0) {
			*n = strlen(req->names[i].value);
			return req->names[i].value;
		}
	return NULL;
}

static char *expand(const char *text, const struct run_request *req, const char *what, struct err *err)
{
	struct strbuf out = STRBUF_INIT(VALUE_MAX);

	if (template_expand(text, request_value, (void *)req, &out, err) == -1) {
		strbuf_release(&out);
		err_wrap(err, "%s", what);
		return NULL;
	}
	return strbuf_detach(&out);
}

static json_t *expand_map(
    const struct strmap *map, const struct run_request *req, const char *what, struct err *err)
{
	json_t *obj = json_object();

	for (size_t i = 0; i < map->keys.n; i++) {
		char *value = expand(map->values.v[i], req, what, err);

		if (value == NULL || json_object_set_new(obj, map->keys.v[i], json_string(value)) == -1) {
			free(value);
			json_decref(obj);
			return NULL;
		}
		free(value);
	}
	return obj;
}

/* The partition: given, by the first template that is there, or none.  An asset's counts for runs without a job. */
static char *partition_of(const struct run *run, const char *given, const char *sensor_template,
    const struct run_request *req, struct err *err)
{
	const struct conf_job *job = run->job ? conf_job_find(run->conf, run->job) : NULL;
	const char *text = job ? job->partition : NULL;
	struct strbuf out = STRBUF_INIT(PARTITION_MAX);
	int rc;

	for (size_t i = 0; text == NULL && i < run->nsteps; i++)
		text = run->steps[i].conf->partition;
	if (given != NULL)
		rc = strbuf_addstr(&out, given) == -1 ? err_set(err, ERR_USAGE, "the partition is too long")
		                                      : partition_check(given, err);
	else if (sensor_template != NULL)
		rc = partition_expand(sensor_template, request_value, (void *)req, &out, err);
	else
		rc = partition_expand(text, config_value, run->config, &out, err);
	if (rc == -1) {
		strbuf_release(&out);
		return NULL;
	}
	return strbuf_detach(&out);
}

static int check_room(struct engine *e, struct err *err)
{
	if (e->draining)
		return err_code(err, ERR_TRANSIENT, "draining", "the daemon is stopping");
	if (e->stats.runs_queued >= e->conf->limits.max_queued)
		return err_code(err, ERR_TRANSIENT, "queue_full",
		    "the queue is full (limits.max_queued: %" PRId64 ")", e->conf->limits.max_queued);
	return 0;
}

static void insert(struct engine *e, struct run *run)
{
	run_insert(e->state, run, e->now);
	e->stats.runs_queued++;
	engine_run_add(e, run);
}

/* config checked against the assets' run options; a new reference, or NULL. */
static json_t *checked_config(
    const json_t *config, const char *where, struct conf_asset *const *assets, size_t n, struct err *err)
{
	struct diags diags = DIAGS_INIT;
	json_t *good = conf_check_run(config, where, assets, n, &diags);

	if (diags_to_err(&diags, err) == -1) {
		err->class = ERR_USAGE;
		json_decref(good);
		good = NULL;
	}
	diags_release(&diags);
	return good;
}

static struct run *new_run(struct engine *e, const char *job, struct conf_asset *const *assets, size_t n,
    const json_t *config, json_t *tags, const char *where, struct err *err)
{
	json_t *good = checked_config(config, where, assets, n, err);
	const struct conf_job *cj = job ? conf_job_find(e->conf, job) : NULL;
	struct run *run;

	if (good == NULL)
		return NULL;
	run = run_new(e->conf, assets, n, good, tags);
	json_decref(good);
	xstrset(&run->job, job);
	run->timeout = cj ? cj->timeout : 0;
	return run;
}

/* Has this run key been used?  REQUEST_MADE: no, or the policy is to run again for a new generation. */
static enum request_fate judge_key(struct engine *e, const struct conf_sensor *cs, const char *run_key,
    const struct run_request *req, int64_t *run_id)
{
	*run_id = sql_get_int(e->state->sql, 0,
	    "SELECT run_id FROM run_key WHERE sensor = ?1 AND run_key = ?2 AND generation = ?3", "sss",
	    cs->name, run_key, req->generation);
	if (*run_id != 0)
		return REQUEST_DUPLICATE;
	*run_id = sql_get_int(e->state->sql, 0,
	    "SELECT max(run_id) FROM run_key WHERE sensor = ?1 AND run_key = ?2", "ss", cs->name, run_key);
	return *run_id != 0 && !cs->rerun_changed ? REQUEST_CHANGED : REQUEST_MADE;
}

static int make_sensor_run(struct engine *e, const struct conf_sensor *cs, const struct run_request *req,
    const char *run_key, int64_t *run_id, struct err *err)
{
	const struct conf_job *job = conf_job_find(e->conf, cs->job);
	json_t *config = expand_map(&cs->config, req, "config", err), *tags = NULL;
	struct run *run = NULL;

	if (config != NULL && (tags = expand_map(&cs->tags, req, "tags", err)) != NULL)
		run = new_run(e, job->name, job->asset, job->nasset, config, tags, cs->name, err);
	json_decref(config);
	json_decref(tags);
	if (run == NULL)
		return -1;
	if ((run->partition = partition_of(run, NULL, cs->partition, req, err)) == NULL) {
		run_free(run);
		return -1;
	}
	run->origin = xasprintf("sensor:%s", cs->name);
	xstrset(&run->why, req->why);
	xstrset(&run->sensor, cs->name);
	xstrset(&run->sensor_key, req->key);
	xstrset(&run->run_key, run_key);
	xstrset(&run->generation, req->generation);
	insert(e, run);
	*run_id = run->id;
	sql_do(e->state->sql,
	    "INSERT INTO run_key(sensor, run_key, generation, run_id, at, key) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	    "sssits", cs->name, run_key, req->generation, run->id, e->now, req->key);
	sql_do(e->state->sql, "UPDATE sensor_key SET run_id = ?3 WHERE sensor = ?1 AND key = ?2", "ssi",
	    cs->name, req->key, run->id);
	return 0;
}

enum request_fate request_from_sensor(struct engine *e, const struct conf_sensor *cs,
    const struct run_request *req, bool dry_run, int64_t *run_id, struct err *err)
{
	char *run_key = expand(cs->run_key, req, "run_key", err);
	enum request_fate fate = REQUEST_BAD;

	if (run_key != NULL)
		fate = judge_key(e, cs, run_key, req, run_id);
	if (fate == REQUEST_MADE && !dry_run) {
		if (check_room(e, err) == -1)
			fate = REQUEST_NO_ROOM;
		else if (make_sensor_run(e, cs, req, run_key, run_id, err) == -1)
			fate = REQUEST_BAD;
	}
	free(run_key);
	return fate;
}

/* The assets of a launch: a job's, or those its terms select. */
static struct conf_asset **launch_assets(struct engine *e, const struct launch *l, size_t *n, struct err *err)
{
	const struct conf_job *job;
	struct conf_asset **assets = NULL;

	if (l->job == NULL) {
		*n = conf_select(e->conf, l->selection->v, l->selection->n, &assets, err);
		return assets;
	}
	if ((job = conf_job_find(e->conf, l->job)) == NULL) {
		conf_missing(e->conf, "job", l->job, err);
		return NULL;
	}
	*n = job->nasset;
	assets = xcalloc(job->nasset, sizeof(struct conf_asset *));
	memcpy(assets, job->asset, job->nasset * sizeof(struct conf_asset *));
	return assets;
}

int64_t engine_launch(struct engine *e, const struct launch *l, struct err *err)
{
	struct conf_asset **assets;
	json_t *tags = json_object();
	struct run *run = NULL;
	int64_t id = 0;
	size_t n;

	e->now = clock_now();
	if (check_room(e, err) == 0 && (assets = launch_assets(e, l, &n, err)) != NULL) {
		run = new_run(e, l->job, assets, n, l->config, tags, "config", err);
		free(assets);
	}
	if (run != NULL && (run->partition = partition_of(run, l->partition, NULL, NULL, err)) != NULL) {
		run->origin = xasprintf("user:%s", l->who);
		run->dry_run = l->dry_run;
		insert(e, run);
		id = run->id;
	} else {
		run_free(run);
	}
	json_decref(tags);
	return id;
}

struct old_run {
	char *job, *partition, *config, *tags, *assets, *sensor, *sensor_key, *generation;
	bool dry_run, ended;
};

static void old_run_release(struct old_run *o)
{
	free(o->job);
	free(o->partition);
	free(o->config);
	free(o->tags);
	free(o->assets);
	free(o->sensor);
	free(o->sensor_key);
	free(o->generation);
}

static int load_old_run(struct engine *e, int64_t id, struct old_run *o, struct err *err)
{
	struct sql_row *row = sql_query(e->state->sql,
	    "SELECT job, partition, config, tags, assets, sensor, sensor_key, generation, dry_run, ended_at IS "
	    "NOT NULL"
	    " FROM run WHERE id = ?1",
	    "i", id);
	char **const text[] = {&o->job, &o->partition, &o->config, &o->tags, &o->assets, &o->sensor,
	    &o->sensor_key, &o->generation};
	int rc = 0;

	*o = (struct old_run){0};
	if (!sql_next(row)) {
		rc = err_code(err, ERR_PERMANENT, "not_found", "no run %" PRId64, id);
	} else {
		for (size_t i = 0; i < NITEMS(text); i++)
			xstrset(text[i], sql_text(row, (int)i));
		o->dry_run = sql_int(row, 8) != 0;
		o->ended = sql_int(row, 9) != 0;
	}
	sql_end(row);
	if (rc == 0 && !o->ended)
		rc = err_code(
		    err, ERR_PERMANENT, "refused", "run %" PRId64 " has not ended; cancel it first", id);
	return rc;
}

static struct conf_asset **old_assets(struct engine *e, const char *list, size_t *n, struct err *err)
{
	json_t *names = json_loads(list, 0, NULL);
	struct conf_asset **assets = xcalloc(json_array_size(names), sizeof(struct conf_asset *));

	*n = 0;
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if ((assets[*n] = conf_asset_find(e->conf, name)) == NULL) {
			err_code(err, ERR_PERMANENT, "not_found",
			    "asset '%s' is no longer in the configuration", name);
			free(assets);
			assets = NULL;
			break;
		}
		(*n)++;
	}
	json_decref(names);
	return assets;
}

/* What succeeded then counts as done now, with what it recorded. */
static void inherit_steps(struct engine *e, struct run *run, int64_t old)
{
	struct sql_row *row = sql_query(e->state->sql,
	    "SELECT asset, outcome, metadata, run_uid, ended_at, code_version FROM step WHERE run_id = ?1 AND "
	    "state = "
	    "'succeeded'",
	    "i", old);

	while (sql_next(row)) {
		struct run_step *s = run_step_find(run, sql_text(row, 0));

		if (s == NULL)
			continue;
		s->state = STEP_SUCCEEDED;
		s->outcome = result_parse(sql_text(row, 1));
		s->metadata = sql_is_null(row, 2) ? NULL : json_loads(sql_text(row, 2), 0, NULL);
		snprintf(s->run_uid, sizeof(s->run_uid), "%s", sql_text(row, 3) ? sql_text(row, 3) : "");
		s->ended_at = sql_int(row, 4);
		xstrset(&s->code_version, sql_text(row, 5));
	}
	sql_end(row);
}

/* A run without work would take the upload from the one that did it. */
static int need_work(const struct run *run, int64_t old, struct err *err)
{
	for (size_t i = 0; i < run->nsteps; i++)
		if (run->steps[i].state != STEP_SUCCEEDED)
			return 0;
	return err_code(err, ERR_PERMANENT, "refused",
	    "every step of run %" PRId64 " has succeeded; without --from-failure all of it is done again", old);
}

int64_t engine_retry(struct engine *e, int64_t old_id, bool from_failure, const char *who, struct err *err)
{
	struct old_run o;
	struct conf_asset **assets = NULL;
	json_t *config = NULL, *tags = NULL;
	struct run *run = NULL;
	int64_t id = 0;
	size_t n;

	e->now = clock_now();
	if (check_room(e, err) == 0 && load_old_run(e, old_id, &o, err) == 0) {
		config = json_loads(o.config, 0, NULL);
		tags = json_loads(o.tags, 0, NULL);
		if ((assets = old_assets(e, o.assets, &n, err)) != NULL)
			run = new_run(e, o.job, assets, n, config, tags, "config", err);
		if (run != NULL) {
			xstrset(&run->partition, o.partition);
			run->origin = xasprintf("user:%s", who);
			run->why = xasprintf(
			    "retry of run %" PRId64 "%s", old_id, from_failure ? " from its failure" : "");
			xstrset(&run->sensor, o.sensor);
			xstrset(&run->sensor_key, o.sensor_key);
			xstrset(&run->generation, o.generation);
			run->dry_run = o.dry_run;
			run->retry_of = old_id;
			if (from_failure)
				inherit_steps(e, run, old_id);
			if (need_work(run, old_id, err) == -1) {
				run_free(run);
			} else {
				insert(e, run);
				id = run->id;
				sql_do(e->state->sql,
				    "UPDATE sensor_key SET run_id = ?2 WHERE sensor = ?3 AND key = ?4 AND "
				    "run_id = ?1",
				    "iiss", old_id, id, o.sensor, o.sensor_key);
			}
		}
		old_run_release(&o);
	}
	free(assets);
	json_decref(config);
	json_decref(tags);
	return id;
}

int engine_cancel(struct engine *e, int64_t run_id, const char *who, struct err *err)
{
	struct run *run = engine_run_find(e, run_id);

	if (run == NULL && sql_get_int(e->state->sql, 0, "SELECT 1 FROM run WHERE id = ?1", "i", run_id) == 0)
		return err_code(err, ERR_PERMANENT, "not_found", "no run %" PRId64, run_id);
	if (run == NULL)
		return err_code(err, ERR_PERMANENT, "refused", "run %" PRId64 " has ended already", run_id);
	if (run->cancel != NULL)
		return 0;
	e->now = clock_now();
	xstrset(&run->cancel, who);
	sql_do(e->state->sql, "UPDATE run SET cancel = ?2 WHERE id = ?1", "is", run_id, who);
	run_event(e->state, run, NULL, 0, "cancel", e->now, "asked for by %s", who);
	log_info("run %" PRId64 " cancel by=%s", run_id, who);
	engine_kick(e);
	return 0;
}
