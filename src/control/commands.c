#include "config.h"

#include "control/commands.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "conf/conf.h"
#include "engine/engine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct command {
	struct command_caller *caller; /* not after a cancel */
	struct engine *engine;
	json_t *args;
	struct command_cbs cbs;
	void *arg;
	bool cancelled, answered, in_start;
	bool engine_holds; /* a callback of the engine's will still come: the command is freed then */
	json_t *result; /* waits for the commit */
	int64_t run_id; /* of runs.wait */
	struct engine_listener listener;
	bool listening;
};

enum verdict {
	DONE, /* c->result is the answer */
	LATER, /* it comes by command_answer */
	FAILED, /* err is the answer */
};

struct row {
	const char *name;
	bool changes;
	enum verdict (*fn)(struct command *c, struct err *err);
};

/* ---- arguments ---- */

static const char *arg_text(const struct command *c, const char *name)
{
	return json_str(c->args, name, NULL);
}

static const char *need_text(const struct command *c, const char *name, struct err *err)
{
	const char *s = arg_text(c, name);

	if (s == NULL)
		err_set(err, ERR_USAGE, "the argument '%s' (a text) is missing", name);
	return s;
}

/* A run by number, or by the text of its number or uid. */
static int64_t need_run(const struct command *c, struct err *err)
{
	const json_t *v = json_object_get(c->args, "id");
	const char *s = json_string_value(v), *dash;
	char *end;
	int64_t id = json_is_integer(v) ? json_integer_value(v) : 0;

	if (s != NULL) {
		dash = strrchr(s, '-');
		id = strtoll(dash ? dash + 1 : s, &end, 10);
		if (*end != '\0')
			id = 0;
	}
	if (id <= 0)
		err_set(err, ERR_USAGE, "the argument 'id' (a run's number) is missing or not a number");
	return MAX(id, (int64_t)0);
}

/* ---- answers ---- */

static void command_free(struct command *c)
{
	json_decref(c->args);
	json_decref(c->result);
	free(c);
}

static void stop_listening(struct command *c)
{
	if (c->listening)
		engine_unlisten(c->engine, &c->listener);
	c->listening = false;
}

static void command_answer(struct command *c, const json_t *result, const struct err *err)
{
	stop_listening(c);
	c->answered = true;
	if (!c->cancelled)
		c->cbs.on_answer(result, err, c->arg);
	if (!c->in_start && !c->engine_holds)
		command_free(c);
}

static void answer_after_commit(const struct err *failed, void *arg)
{
	struct command *c = arg;

	c->engine_holds = false;
	command_answer(c, failed ? NULL : c->result, failed);
}

static enum verdict after_commit(struct command *c, json_t *result)
{
	c->result = result;
	c->engine_holds = true;
	engine_after_commit(c->engine, answer_after_commit, c);
	return LATER;
}

static enum verdict give(struct command *c, json_t *result)
{
	c->result = result;
	return result ? DONE : FAILED;
}

static json_t *text_result(const char *key, const char *value)
{
	json_t *obj = query_object();

	json_object_set_new(obj, key, json_text_new(value));
	return obj;
}

static json_t *run_result(int64_t id)
{
	json_t *obj = query_object();

	json_object_set_new(obj, "run", json_integer(id));
	return obj;
}

/* ---- reading ---- */

static enum verdict cmd_status(struct command *c, struct err *err)
{
	return give(c, query_status(&c->caller->query, err));
}

static enum verdict cmd_runs_list(struct command *c, struct err *err)
{
	struct run_filter f = {.state = arg_text(c, "state"),
	    .job = arg_text(c, "job"),
	    .partition = arg_text(c, "partition"),
	    .origin = arg_text(c, "origin"),
	    .before = json_int(c->args, "before", 0),
	    .limit = json_int(c->args, "limit", 0)};

	return give(c, query_runs(&c->caller->query, &f, err));
}

static enum verdict cmd_runs_show(struct command *c, struct err *err)
{
	int64_t id = need_run(c, err);

	return id ? give(c, query_run(&c->caller->query, id, err)) : FAILED;
}

static enum verdict cmd_runs_logs(struct command *c, struct err *err)
{
	int64_t id = need_run(c, err), bytes = json_int(c->args, "bytes", 65536);

	bytes = MIN(MAX(bytes, (int64_t)1), (int64_t)1 << 20);
	return id ? give(c, query_run_logs(&c->caller->query, id, arg_text(c, "asset"), (size_t)bytes, err))
	          : FAILED;
}

static enum verdict cmd_assets_list(struct command *c, struct err *err)
{
	return give(c, query_assets(&c->caller->query, err));
}

static enum verdict cmd_assets_show(struct command *c, struct err *err)
{
	const char *name = need_text(c, "name", err);

	return name ? give(c, query_asset(&c->caller->query, name, arg_text(c, "partition"), err)) : FAILED;
}

static enum verdict cmd_sensors_list(struct command *c, struct err *err)
{
	return give(c, query_sensors(&c->caller->query, err));
}

static enum verdict cmd_sensors_ticks(struct command *c, struct err *err)
{
	const char *name = need_text(c, "name", err);

	return name ? give(c, query_ticks(&c->caller->query, name, json_int(c->args, "limit", 0), err))
	            : FAILED;
}

static enum verdict cmd_sensors_keys(struct command *c, struct err *err)
{
	const char *name = need_text(c, "name", err);

	if (name == NULL)
		return FAILED;
	return give(c, query_keys(&c->caller->query, name, arg_text(c, "verdict"), arg_text(c, "after"),
	                   json_int(c->args, "limit", 0), err));
}

static enum verdict cmd_holds(struct command *c, struct err *err)
{
	return give(c, query_holds(&c->caller->query, err));
}

static enum verdict cmd_outbox(struct command *c, struct err *err)
{
	return give(
	    c, query_outbox(&c->caller->query, arg_text(c, "state"), json_int(c->args, "limit", 0), err));
}

static enum verdict cmd_audit_show(struct command *c, struct err *err)
{
	return give(c, query_audit(&c->caller->query, json_int(c->args, "id", 0), err));
}

static enum verdict cmd_why(struct command *c, struct err *err)
{
	const char *what = need_text(c, "what", err);

	return what ? give(c, query_why(&c->caller->query, what, err)) : FAILED;
}

/* ---- waiting ---- */

static bool run_has_ended(const json_t *run)
{
	return !json_is_null(json_object_get(run, "ended_at"));
}

static void answer_run(struct command *c)
{
	struct err err = ERR_INIT;
	json_t *run = query_run(&c->caller->query, c->run_id, &err);

	command_answer(c, run, run ? NULL : &err);
	json_decref(run);
}

static bool is_end_of_run(const struct engine_event *ev)
{
	const char *state = json_str(ev->data, "state", "");

	return strcmp(ev->kind, "run") == 0 && strcmp(state, "queued") != 0 && strcmp(state, "running") != 0;
}

static void on_run_event(const struct engine_event *ev, void *arg)
{
	struct command *c = arg;
	json_t *out;

	if (ev->run_id != c->run_id)
		return;
	if (is_end_of_run(ev)) {
		answer_run(c);
		return;
	}
	out = json_pack("{s:s, s:I, s:s?, s:O}", "kind", ev->kind, "run", (json_int_t)ev->run_id, "asset",
	    ev->asset, "data", ev->data);
	c->cbs.on_event(out, c->arg);
	json_decref(out);
}

static enum verdict cmd_runs_wait(struct command *c, struct err *err)
{
	json_t *run;

	if ((c->run_id = need_run(c, err)) == 0 || (run = query_run(&c->caller->query, c->run_id, err)) == NULL)
		return FAILED;
	if (run_has_ended(run) || c->caller->engine == NULL)
		return give(c, run);
	json_decref(run);
	c->listener = (struct engine_listener){.on_event = on_run_event, .arg = c};
	engine_listen(c->caller->engine, &c->listener);
	c->listening = true;
	return LATER;
}

/* ---- changing ---- */

static enum verdict cmd_runs_cancel(struct command *c, struct err *err)
{
	int64_t id = need_run(c, err);

	if (id == 0 || engine_cancel(c->caller->engine, id, c->caller->who, err) == -1)
		return FAILED;
	return after_commit(c, run_result(id));
}

static enum verdict cmd_runs_retry(struct command *c, struct err *err)
{
	int64_t id = need_run(c, err), made = 0;

	if (id != 0)
		made = engine_retry(
		    c->caller->engine, id, json_bool(c->args, "from_failure", false), c->caller->who, err);
	return made ? after_commit(c, run_result(made)) : FAILED;
}

static void on_tick(const json_t *summary, const struct err *err, void *arg)
{
	struct command *c = arg;

	if (summary != NULL) {
		c->result = query_object();
		json_object_update(c->result, (json_t *)summary);
	}
	if (err != NULL) {
		c->engine_holds = false;
		command_answer(c, NULL, err);
		return;
	}
	engine_after_commit(c->engine, answer_after_commit, c);
}

static enum verdict cmd_sensors_tick(struct command *c, struct err *err)
{
	const char *name = need_text(c, "name", err);

	if (name == NULL)
		return FAILED;
	c->engine_holds = true;
	if (engine_sensor_tick(
	        c->caller->engine, name, json_bool(c->args, "dry_run", false), on_tick, c, err) == -1) {
		c->engine_holds = false;
		return FAILED;
	}
	return LATER;
}

static enum verdict pause_or_resume(struct command *c, bool pause, struct err *err)
{
	const char *name = need_text(c, "name", err);

	if (name == NULL || engine_sensor_pause(c->caller->engine, name, pause, c->caller->who, err) == -1)
		return FAILED;
	return after_commit(c, text_result("sensor", name));
}

static enum verdict cmd_sensors_pause(struct command *c, struct err *err)
{
	return pause_or_resume(c, true, err);
}

static enum verdict cmd_sensors_resume(struct command *c, struct err *err)
{
	return pause_or_resume(c, false, err);
}

static enum verdict cmd_hold(struct command *c, struct err *err)
{
	const char *partition = need_text(c, "partition", err), *reason = arg_text(c, "reason");

	if (partition == NULL || engine_hold(c->caller->engine, partition, reason ? reason : "no reason given",
	                             c->caller->who, err) == -1)
		return FAILED;
	return after_commit(c, text_result("partition", partition));
}

static enum verdict cmd_release(struct command *c, struct err *err)
{
	const char *partition = need_text(c, "partition", err);
	json_t *runs = json_array(), *result;

	if (partition == NULL ||
	    engine_release(c->caller->engine, partition, c->caller->who, runs, err) == -1) {
		json_decref(runs);
		return FAILED;
	}
	result = text_result("partition", partition);
	json_object_set_new(result, "runs", runs);
	return after_commit(c, result);
}

static enum verdict cmd_audit_record(struct command *c, struct err *err)
{
	json_t *result = query_object();
	int64_t id = 0;

	if (engine_audit(c->caller->engine, json_object_get(c->args, "result"), c->caller->who, &id, err) ==
	    -1) {
		json_decref(result);
		return FAILED;
	}
	json_object_set_new(result, "audit", json_integer(id));
	return after_commit(c, result);
}

static enum verdict launch(struct command *c, struct launch *l, struct err *err)
{
	json_t *config = json_object_get(c->args, "config"), *empty = json_object();
	int64_t id;

	l->config = config ? config : empty;
	l->partition = arg_text(c, "partition");
	l->dry_run = json_bool(c->args, "dry_run", false);
	l->who = c->caller->who;
	id = engine_launch(c->caller->engine, l, err);
	json_decref(empty);
	return id ? after_commit(c, run_result(id)) : FAILED;
}

static enum verdict cmd_materialize(struct command *c, struct err *err)
{
	const json_t *list = json_object_get(c->args, "selection");
	struct strvec terms = STRVEC_INIT;
	struct launch l = {.selection = &terms};
	enum verdict v = FAILED;

	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_is_string(json_array_get(list, i)))
			strvec_push(&terms, json_string_value(json_array_get(list, i)));
	if (terms.n == 0)
		err_set(err, ERR_USAGE, "the argument 'selection' (a list of terms) is missing or empty");
	else
		v = launch(c, &l, err);
	strvec_release(&terms);
	return v;
}

static enum verdict cmd_launch(struct command *c, struct err *err)
{
	struct launch l = {.job = need_text(c, "job", err)};

	return l.job ? launch(c, &l, err) : FAILED;
}

static enum verdict cmd_reload(struct command *c, struct err *err)
{
	if (c->caller->reload == NULL) {
		err_code(err, ERR_PERMANENT, "no_daemon", "there is no daemon to reload");
		return FAILED;
	}
	if (c->caller->reload(c->caller->reload_arg, err) == -1)
		return FAILED;
	return give(c, text_result("config_file", engine_conf(c->caller->engine)->file));
}

static const struct row rows[] = {
    {"assets.list", false, cmd_assets_list},
    {"assets.show", false, cmd_assets_show},
    {"audit.record", true, cmd_audit_record},
    {"audit.show", false, cmd_audit_show},
    {"hold", true, cmd_hold},
    {"holds", false, cmd_holds},
    {"launch", true, cmd_launch},
    {"materialize", true, cmd_materialize},
    {"outbox", false, cmd_outbox},
    {"release", true, cmd_release},
    {"reload", true, cmd_reload},
    {"runs.cancel", true, cmd_runs_cancel},
    {"runs.list", false, cmd_runs_list},
    {"runs.logs", false, cmd_runs_logs},
    {"runs.retry", true, cmd_runs_retry},
    {"runs.show", false, cmd_runs_show},
    {"runs.wait", false, cmd_runs_wait},
    {"sensors.keys", false, cmd_sensors_keys},
    {"sensors.list", false, cmd_sensors_list},
    {"sensors.pause", true, cmd_sensors_pause},
    {"sensors.resume", true, cmd_sensors_resume},
    {"sensors.tick", true, cmd_sensors_tick},
    {"sensors.ticks", false, cmd_sensors_ticks},
    {"status", false, cmd_status},
    {"why", false, cmd_why},
};

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < NITEMS(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static const char *row_name(const void *arg, size_t i)
{
	return i < NITEMS(rows) ? rows[i].name : NULL;
}

bool command_changes(const char *cmd)
{
	const struct row *row = find_row(cmd);

	return row != NULL && row->changes;
}

static enum verdict start_row(struct command *c, const char *cmd, struct err *err)
{
	const struct row *row = find_row(cmd);

	if (row == NULL) {
		const char *near = suggest_nearest(cmd, row_name, NULL);

		err_code(err, ERR_USAGE, "unknown_command", "unknown command '%.60s'%s%s", cmd,
		    near ? "; did you mean " : "", near ? near : "");
		return FAILED;
	}
	if (row->changes && c->caller->engine == NULL) {
		err_code(err, ERR_PERMANENT, "no_daemon", "%s needs the daemon", cmd);
		return FAILED;
	}
	if (row->changes)
		log_debug("command %s by=%s", cmd, c->caller->who);
	return row->fn(c, err);
}

struct command *command_start(struct command_caller *caller, const char *cmd, const json_t *args,
    const struct command_cbs *cbs, void *arg)
{
	struct command *c = xcalloc(1, sizeof(*c));
	struct err err = ERR_INIT;
	enum verdict v;

	c->caller = caller;
	c->engine = caller->engine;
	c->args = args ? json_incref((json_t *)args) : json_object();
	c->cbs = *cbs;
	c->arg = arg;
	c->in_start = true;
	if (c->engine != NULL)
		caller->query.conf = engine_conf(c->engine); /* a reload may have changed it */
	v = start_row(c, cmd, &err);
	if (v != LATER)
		command_answer(c, v == DONE ? c->result : NULL, v == DONE ? NULL : &err);
	c->in_start = false;
	if (c->answered && !c->engine_holds) {
		command_free(c);
		return NULL;
	}
	return c;
}

void command_cancel(struct command *c)
{
	c->cancelled = true;
	stop_listening(c);
	if (!c->engine_holds)
		command_free(c);
}
