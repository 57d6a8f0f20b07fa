/* Commands by which people change something: the engine decides, the answer comes when it is durable. */
#include "config.h"

#include "control/commands_priv.h"

#include "conf/conf.h"

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

enum verdict do_runs_cancel(struct command *c, struct err *err)
{
	int64_t id = command_need_run(c, err);

	if (id == 0 || engine_cancel(c->caller->engine, id, c->caller->who, err) == -1)
		return FAILED;
	return command_after_commit(c, run_result(id));
}

enum verdict do_runs_retry(struct command *c, struct err *err)
{
	int64_t id = command_need_run(c, err), made = 0;

	if (id != 0)
		made = engine_retry(
		    c->caller->engine, id, json_bool(c->args, "from_failure", false), c->caller->who, err);
	return made ? command_after_commit(c, run_result(made)) : FAILED;
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
	engine_after_commit(c->engine, command_answer_after_commit, c);
}

enum verdict do_sensors_tick(struct command *c, struct err *err)
{
	const char *name = command_need_text(c, "name", err);

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
	const char *name = command_need_text(c, "name", err);

	if (name == NULL || engine_sensor_pause(c->caller->engine, name, pause, c->caller->who, err) == -1)
		return FAILED;
	return command_after_commit(c, text_result("sensor", name));
}

enum verdict do_sensors_pause(struct command *c, struct err *err)
{
	return pause_or_resume(c, true, err);
}

enum verdict do_sensors_resume(struct command *c, struct err *err)
{
	return pause_or_resume(c, false, err);
}

enum verdict do_hold(struct command *c, struct err *err)
{
	const char *partition = command_need_text(c, "partition", err), *reason = command_text(c, "reason");

	if (partition == NULL || engine_hold(c->caller->engine, partition, reason ? reason : "no reason given",
	                             c->caller->who, err) == -1)
		return FAILED;
	return command_after_commit(c, text_result("partition", partition));
}

enum verdict do_release(struct command *c, struct err *err)
{
	const char *partition = command_need_text(c, "partition", err);
	json_t *runs = json_array(), *result;

	if (partition == NULL ||
	    engine_release(c->caller->engine, partition, c->caller->who, runs, err) == -1) {
		json_decref(runs);
		return FAILED;
	}
	result = text_result("partition", partition);
	json_object_set_new(result, "runs", runs);
	return command_after_commit(c, result);
}

enum verdict do_audit_record(struct command *c, struct err *err)
{
	json_t *result = query_object();
	int64_t id = 0;

	if (engine_audit(c->caller->engine, json_object_get(c->args, "result"), c->caller->who, &id, err) ==
	    -1) {
		json_decref(result);
		return FAILED;
	}
	json_object_set_new(result, "audit", json_integer(id));
	return command_after_commit(c, result);
}

static enum verdict launch(struct command *c, struct launch *l, struct err *err)
{
	json_t *config = json_object_get(c->args, "config"), *empty = json_object();
	int64_t id;

	l->config = config ? config : empty;
	l->partition = command_text(c, "partition");
	l->dry_run = json_bool(c->args, "dry_run", false);
	l->who = c->caller->who;
	id = engine_launch(c->caller->engine, l, err);
	json_decref(empty);
	return id ? command_after_commit(c, run_result(id)) : FAILED;
}

enum verdict do_materialize(struct command *c, struct err *err)
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

enum verdict do_launch(struct command *c, struct err *err)
{
	struct launch l = {.job = command_need_text(c, "job", err)};

	return l.job ? launch(c, &l, err) : FAILED;
}

enum verdict do_reload(struct command *c, struct err *err)
{
	if (c->caller->reload == NULL) {
		err_code(err, ERR_PERMANENT, "no_daemon", "there is no daemon to reload");
		return FAILED;
	}
	if (c->caller->reload(c->caller->reload_arg, err) == -1)
		return FAILED;
	return command_give(c, text_result("config_file", engine_conf(c->caller->engine)->file));
}
