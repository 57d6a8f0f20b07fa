/* cmd_schedules.c: sensors that keep a calendar, and their next times. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/table.h"

#include <stdio.h>
#include <string.h>

/* ---- list */

static void show_list(struct ctl *ctl UNUSED, const json_t *result)
{
	struct table *t = table_new("schedule|times|job|last|next|result");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(result, "schedules"), i, s)
	{
		const char *outcome = json_str(json_object_get(s, "last"), "outcome", "");

		table_cell(t, PAINT_NONE, json_str(s, "name", ""));
		table_cell(t, PAINT_NONE, json_str(json_object_get(s, "schedule"), "text", ""));
		table_cell(t, PAINT_NONE, json_str(s, "job", ""));
		text_ago(&sb, json_object_get(s, "last_tick_at"));
		table_take(t, &sb);
		if (json_str(s, "paused", NULL) != NULL) {
			table_cell(t, PAINT_WARN, "paused");
		} else {
			text_ago(&sb, json_object_get(s, "next_tick_at"));
			table_take(t, &sb);
		}
		table_cell(t, text_state_paint(outcome, NULL), outcome);
	}
	table_end(t, 0, "no schedules: they are sensors of type cron");
	strbuf_release(&sb);
}

static int schedules_list(struct ctl *ctl, struct err *err)
{
	return ctl_show(ctl, "schedules.list", NULL, show_list, err);
}

const struct cmd cmd_schedules_list = {
    .noun = "schedules",
    .verb = "list",
    .alias = "ls",
    .flags = CMD_DEFAULT,
    .help = "list the sensors that keep a calendar",
    .more = "They are paused, resumed and ticked as sensors are.",
    .run = schedules_list,
};

/* ---- next */

static void show_times(const json_t *schedule)
{
	struct table *t = table_new("at|in|local|note");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *time;
	size_t i;

	json_array_foreach(json_object_get(schedule, "next"), i, time)
	{
		text_time(&sb, json_object_get(time, "at"));
		table_take(t, &sb);
		text_ago(&sb, json_object_get(time, "at"));
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, json_str(time, "local", ""));
		table_cell(
		    t, PAINT_DIM, json_bool(time, "clock_changed", false) ? "the clock has changed" : "");
	}
	table_end(t, 0, "no time is left");
	strbuf_release(&sb);
}

static const json_t *find(const json_t *result, const char *name)
{
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(result, "schedules"), i, s)
	{
		if (strcmp(json_str(s, "name", ""), name) == 0)
			return s;
	}
	return NULL;
}

static int schedules_next(struct ctl *ctl, struct err *err)
{
	const char *name = args_operand(&ctl->args, 0);
	json_t *args = json_object(), *result = NULL, *shown = NULL;
	const json_t *s = NULL;
	int64_t limit;
	int rc = args_number(&ctl->args, "limit", 10, 100, &limit, err);

	if (rc == 0) {
		json_object_set_new(args, "next", json_integer(limit));
		rc = ctl_ask(ctl, "schedules.list", args, &result, err);
	}
	if (rc == 0 && (s = find(result, name)) == NULL)
		rc = err_code(err, ERR_PERMANENT, "not_found", "no schedule '%s' in the configuration", name);
	if (rc == 0 && ctl->json)
		shown = json_pack("{s:O, s:[O]}", "schema", json_object_get(result, "schema"), "schedules", s);
	if (shown != NULL)
		ctl_print_json(shown);
	else if (rc == 0)
		show_times(json_object_get(s, "schedule"));
	json_decref(shown);
	json_decref(args);
	json_decref(result);
	return rc;
}

static const struct arg_opt next_opts[] = {
    {"limit", 'n', ARG_VALUE, "N", "how many, 10 if not said"},
    ARG_END,
};
const struct cmd cmd_schedules_next = {
    .noun = "schedules",
    .verb = "next",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .opts = next_opts,
    .help = "its next times, in UTC and on the wall clock that is meant",
    .run = schedules_next,
};
