/* The life of a command: found in the table, started, answered once, or forgotten by who asked. */
#include "config.h"

#include "control/commands_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/suggest.h"

#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

const char *command_text(const struct command *c, const char *name)
{
	return json_str(c->args, name, NULL);
}

const char *command_need_text(const struct command *c, const char *name, struct err *err)
{
	const char *s = command_text(c, name);

	if (s == NULL)
		err_set(err, ERR_USAGE, "the argument '%s' (a text) is missing", name);
	return s;
}

/* A run by number, or by the text of its number or uid. */
int64_t command_need_run(const struct command *c, struct err *err)
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

void command_answer(struct command *c, const json_t *result, const struct err *err)
{
	stop_listening(c);
	c->answered = true;
	if (!c->cancelled)
		c->cbs.on_answer(result, err, c->arg);
	if (!c->in_start && !c->engine_holds)
		command_free(c);
}

void command_answer_after_commit(const struct err *failed, void *arg)
{
	struct command *c = arg;

	c->engine_holds = false;
	command_answer(c, failed ? NULL : c->result, failed);
}

enum verdict command_after_commit(struct command *c, json_t *result)
{
	c->result = result;
	c->engine_holds = true;
	engine_after_commit(c->engine, command_answer_after_commit, c);
	return LATER;
}

enum verdict command_give(struct command *c, json_t *result)
{
	c->result = result;
	return result ? DONE : FAILED;
}

/* ---- the table ---- */

static const struct row {
	const char *name;
	bool changes;
	command_fn *fn;
} rows[] = {
    {"assets.list", false, do_assets_list},
    {"assets.show", false, do_assets_show},
    {"audit.record", true, do_audit_record},
    {"audit.show", false, do_audit_show},
    {"hold", true, do_hold},
    {"holds", false, do_holds},
    {"launch", true, do_launch},
    {"materialize", true, do_materialize},
    {"outbox", false, do_outbox},
    {"release", true, do_release},
    {"reload", true, do_reload},
    {"runs.cancel", true, do_runs_cancel},
    {"runs.list", false, do_runs_list},
    {"runs.logs", false, do_runs_logs},
    {"runs.retry", true, do_runs_retry},
    {"runs.show", false, do_runs_show},
    {"runs.wait", false, do_runs_wait},
    {"schedules.list", false, do_schedules_list},
    {"sensors.keys", false, do_sensors_keys},
    {"sensors.list", false, do_sensors_list},
    {"sensors.pause", true, do_sensors_pause},
    {"sensors.resume", true, do_sensors_resume},
    {"sensors.tick", true, do_sensors_tick},
    {"sensors.ticks", false, do_sensors_ticks},
    {"status", false, do_status},
    {"why", false, do_why},
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
