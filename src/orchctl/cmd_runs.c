/* cmd_runs.c: looking at runs, and changing their course. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/run_text.h"
#include "orchctl/table.h"
#include "orchctl/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EVENTS_SHOWN 15
#define LIST_DEFAULT 20

/* ---- list */

static void show_list(struct ctl *ctl, const json_t *result)
{
	struct table *t = table_new(">run|state|what|partition|started|>took|why");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *run;
	size_t i;

	json_array_foreach(json_object_get(result, "runs"), i, run)
	{
		json_t *assets = json_object_get(run, "assets");
		enum paint paint = run_text_state(&sb, run);

		table_cellf(t, "%" PRId64, json_int(run, "id", 0));
		table_cell(t, paint, sb.buf);
		strbuf_reset(&sb);
		if (json_str(run, "job", "")[0] != '\0') {
			text_clean(&sb, json_str(run, "job", ""));
		} else {
			text_clean(&sb, json_string_value(json_array_get(assets, 0)));
			if (json_array_size(assets) > 1)
				strbuf_addf(&sb, " and %zu more", json_array_size(assets) - 1);
		}
		if (json_bool(run, "dry_run", false))
			strbuf_addstr(&sb, " (dry)");
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, json_str(run, "partition", NULL));
		text_ago(&sb, json_object_get(run, "started_at"));
		table_take(t, &sb);
		text_between(&sb, json_object_get(run, "started_at"), json_object_get(run, "ended_at"));
		table_take(t, &sb);
		text_clean(
		    &sb, json_str(run, "wait_reason", json_str(run, "why", json_str(run, "origin", ""))));
		table_take(t, &sb);
	}
	table_end(t, 0, "no runs");
	if (!ctl->quiet && json_is_integer(json_object_get(result, "next")))
		printf("older ones: --before %" PRId64 "\n", json_int(result, "next", 0));
	strbuf_release(&sb);
}

static int runs_list(struct ctl *ctl, struct err *err)
{
	static const char *const passed[] = {"state", "job", "partition", "origin", NULL};
	json_t *args = json_object();
	int64_t limit, before;

	if (args_number(&ctl->args, "limit", LIST_DEFAULT, CTL_LIST_MAX, &limit, err) == -1 ||
	    args_number(&ctl->args, "before", 0, INT64_MAX, &before, err) == -1) {
		json_decref(args);
		return -1;
	}
	json_object_set_new(args, "limit", json_integer(limit));
	if (before > 0)
		json_object_set_new(args, "before", json_integer(before));
	ctl_pass_options(ctl, args, passed);
	return ctl_show(ctl, "runs.list", args, show_list, err);
}

static const struct arg_opt list_opts[] = {
    {"state", 's', ARG_VALUE, "STATE", "queued, running, succeeded, failed or canceled"},
    {"job", 'j', ARG_VALUE, "JOB", "runs of this job"},
    {"partition", 'p', ARG_VALUE, "KEY", "runs of this partition and those below it"},
    {"origin", 0, ARG_VALUE, "WHO", "what asked for them, such as sensor"},
    {"before", 0, ARG_VALUE, "ID", "runs older than this one"},
    {"limit", 'n', ARG_VALUE, "N", "how many, 20 if not said"},
    ARG_END,
};
const struct cmd cmd_runs_list = {
    .noun = "runs",
    .verb = "list",
    .alias = "ls",
    .opts = list_opts,
    .flags = CMD_DEFAULT,
    .help = "list runs, newest first",
    .run = runs_list,
};

/* ---- show */

static json_t *id_args(int64_t id)
{
	json_t *args = json_object();

	json_object_set_new(args, "id", json_integer(id));
	return args;
}

static void show_run(struct ctl *ctl, const json_t *run)
{
	int64_t most = EVENTS_SHOWN;

	args_number(&ctl->args, "events", EVENTS_SHOWN, 100000, &most, NULL);
	run_text_show(run, (size_t)most);
}

static int runs_show(struct ctl *ctl, struct err *err)
{
	int64_t id, events;

	if (ctl_run_id(ctl, &id, err) == -1 ||
	    args_number(&ctl->args, "events", EVENTS_SHOWN, 100000, &events, err) == -1)
		return -1;
	return ctl_show(ctl, "runs.show", id_args(id), show_run, err);
}

static const struct arg_opt show_opts[] = {
    {"events", 'e', ARG_VALUE, "N", "how many of its last events, 15 if not said"},
    ARG_END,
};
const struct cmd cmd_runs_show = {
    .noun = "runs",
    .verb = "show",
    .operands = "ID",
    .min_operands = 1,
    .max_operands = 1,
    .opts = show_opts,
    .help = "what a run did: steps, attempts, times, results, and why",
    .run = runs_show,
};

/* ---- cancel, retry */

static void show_canceled(struct ctl *ctl, const json_t *result)
{
	if (!ctl->quiet)
		printf("run %" PRId64 " is being canceled\n", json_int(result, "run", 0));
}

static int runs_cancel(struct ctl *ctl, struct err *err)
{
	int64_t id;

	return ctl_run_id(ctl, &id, err) == -1 ? -1
	                                       : ctl_show(ctl, "runs.cancel", id_args(id), show_canceled, err);
}

const struct cmd cmd_runs_cancel = {
    .noun = "runs",
    .verb = "cancel",
    .operands = "ID",
    .min_operands = 1,
    .max_operands = 1,
    .help = "stop a run: its steps get TERM, and KILL after their grace",
    .run = runs_cancel,
};

static int runs_retry(struct ctl *ctl, struct err *err)
{
	struct wait_plan plan;
	json_t *args, *result = NULL;
	int64_t id;
	int rc;

	if (ctl_run_id(ctl, &id, err) == -1 || wait_plan(ctl, &plan, err) == -1)
		return -1;
	args = id_args(id);
	json_object_set_new(args, "from_failure", json_boolean(args_has(&ctl->args, "from-failure")));
	rc = ctl_ask(ctl, "runs.retry", args, &result, err);
	if (rc == 0)
		rc = wait_or_tell(ctl, result, &plan, err);
	json_decref(args);
	json_decref(result);
	return rc;
}

static const struct arg_opt retry_opts[] = {
    {"from-failure", 0, ARG_FLAG, NULL, "keep what succeeded, and begin with what did not"},
    WAIT_OPTS,
    ARG_END,
};
const struct cmd cmd_runs_retry = {
    .noun = "runs",
    .verb = "retry",
    .operands = "ID",
    .min_operands = 1,
    .max_operands = 1,
    .opts = retry_opts,
    .help = "a new run with the same assets, config and partition",
    .run = runs_retry,
};
