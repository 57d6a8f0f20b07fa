/* Commands that tell what is known, and the one that waits for the end of a run. */
#include "config.h"

#include "control/commands_priv.h"

#include <string.h>

enum verdict do_status(struct command *c, struct err *err)
{
	return command_give(c, query_status(&c->caller->query, err));
}

enum verdict do_runs_list(struct command *c, struct err *err)
{
	struct run_filter f = {.state = command_text(c, "state"),
	    .job = command_text(c, "job"),
	    .partition = command_text(c, "partition"),
	    .origin = command_text(c, "origin"),
	    .before = json_int(c->args, "before", 0),
	    .limit = json_int(c->args, "limit", 0)};

	return command_give(c, query_runs(&c->caller->query, &f, err));
}

enum verdict do_runs_show(struct command *c, struct err *err)
{
	int64_t id = command_need_run(c, err);

	return id ? command_give(c, query_run(&c->caller->query, id, err)) : FAILED;
}

enum verdict do_runs_logs(struct command *c, struct err *err)
{
	int64_t id = command_need_run(c, err), bytes = json_int(c->args, "bytes", 65536);

	bytes = MIN(MAX(bytes, (int64_t)1), (int64_t)1 << 20);
	return id ? command_give(
	                c, query_run_logs(&c->caller->query, id, command_text(c, "asset"), (size_t)bytes, err))
	          : FAILED;
}

enum verdict do_assets_list(struct command *c, struct err *err)
{
	return command_give(c, query_assets(&c->caller->query, err));
}

enum verdict do_assets_show(struct command *c, struct err *err)
{
	const char *name = command_need_text(c, "name", err);

	return name ? command_give(c, query_asset(&c->caller->query, name, command_text(c, "partition"), err))
	            : FAILED;
}

enum verdict do_schedules_list(struct command *c, struct err *err)
{
	return command_give(c, query_schedules(&c->caller->query, json_int(c->args, "next", 0), err));
}

enum verdict do_sensors_list(struct command *c, struct err *err)
{
	return command_give(c, query_sensors(&c->caller->query, err));
}

enum verdict do_sensors_ticks(struct command *c, struct err *err)
{
	const char *name = command_need_text(c, "name", err);

	return name ? command_give(c, query_ticks(&c->caller->query, name, json_int(c->args, "limit", 0), err))
	            : FAILED;
}

enum verdict do_sensors_keys(struct command *c, struct err *err)
{
	const char *name = command_need_text(c, "name", err);

	if (name == NULL)
		return FAILED;
	return command_give(c, query_keys(&c->caller->query, name, command_text(c, "verdict"),
	                           command_text(c, "after"), json_int(c->args, "limit", 0), err));
}

enum verdict do_holds(struct command *c, struct err *err)
{
	return command_give(c, query_holds(&c->caller->query, err));
}

enum verdict do_outbox(struct command *c, struct err *err)
{
	return command_give(
	    c, query_outbox(&c->caller->query, command_text(c, "state"), json_int(c->args, "limit", 0), err));
}

enum verdict do_audit_show(struct command *c, struct err *err)
{
	return command_give(c, query_audit(&c->caller->query, json_int(c->args, "id", 0), err));
}

enum verdict do_why(struct command *c, struct err *err)
{
	const char *what = command_need_text(c, "what", err);

	return what ? command_give(c, query_why(&c->caller->query, what, err)) : FAILED;
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

enum verdict do_runs_wait(struct command *c, struct err *err)
{
	json_t *run;

	if ((c->run_id = command_need_run(c, err)) == 0 ||
	    (run = query_run(&c->caller->query, c->run_id, err)) == NULL)
		return FAILED;
	if (run_has_ended(run) || c->caller->engine == NULL)
		return command_give(c, run);
	json_decref(run);
	c->listener = (struct engine_listener){.on_event = on_run_event, .arg = c};
	engine_listen(c->caller->engine, &c->listener);
	c->listening = true;
	return LATER;
}
