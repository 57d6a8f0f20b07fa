/* cmd_sensors.c: what is watched, what was seen, and ticks on request. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/table.h"
#include "orchctl/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- list */

/* "3 pending, 12 complete": the verdicts that have any. */
static void add_counts(struct strbuf *sb, const json_t *keys)
{
	const char *verdict;
	json_t *n;

	json_object_foreach((json_t *)(uintptr_t)keys, verdict, n) if (json_integer_value(n) > 0) strbuf_addf(
	    sb, "%s%" PRId64 " %s", sb->len > 0 ? ", " : "", (int64_t)json_integer_value(n), verdict);
	if (sb->len == 0)
		strbuf_addch(sb, '-');
}

static void add_result(struct strbuf *sb, const json_t *tick)
{
	text_clean(sb, json_str(tick, "outcome", NULL));
	if (json_str(tick, "reason", "")[0] != '\0') {
		strbuf_addstr(sb, ": ");
		text_clean(sb, json_str(tick, "reason", ""));
	}
}

static void show_list(struct ctl *ctl, const json_t *result)
{
	struct table *t = table_new("sensor|type|every|last tick|next|keys|result");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(result, "sensors"), i, s)
	{
		bool paused = json_bool(s, "paused", false);

		table_cell(t, PAINT_NONE, json_str(s, "name", ""));
		table_cell(t, PAINT_NONE, json_str(s, "type", ""));
		if (json_is_object(json_object_get(s, "schedule")))
			text_clean(&sb, json_str(json_object_get(s, "schedule"), "text", ""));
		else
			text_span(&sb, json_int(s, "every_ms", 0));
		table_take(t, &sb);
		text_ago(&sb, json_object_get(s, "last_tick_at"));
		table_take(t, &sb);
		if (paused) {
			table_cell(t, PAINT_WARN, "paused");
		} else {
			text_ago(&sb, json_object_get(s, "next_tick_at"));
			table_take(t, &sb);
		}
		add_counts(&sb, json_object_get(s, "keys"));
		table_take(t, &sb);
		add_result(&sb, json_object_get(s, "last"));
		table_take(t, &sb);
	}
	table_end(t, 0, "no sensors");
	strbuf_release(&sb);
}

static int sensors_list(struct ctl *ctl, struct err *err)
{
	return ctl_show(ctl, "sensors.list", NULL, show_list, err);
}

const struct cmd cmd_sensors_list = {
    .noun = "sensors",
    .verb = "list",
    .alias = "ls",
    .flags = CMD_DEFAULT,
    .help = "list sensors with their last ticks and what they see",
    .run = sensors_list,
};

/* ---- tick */

static void tell_tick(const json_t *result)
{
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *run;
	size_t i;

	add_result(&sb, result);
	printf("%s  %s%s\n", json_str(result, "sensor", ""),
	    json_bool(result, "dry_run", false) ? "(dry run) " : "", sb.buf);
	printf("  %" PRId64 " keys seen\n", json_int(result, "keys", 0));
	json_array_foreach(json_object_get(result, "runs"), i, run)
	{
		if (json_int(run, "run", 0) > 0)
			printf("  run %" PRId64 "  ", json_int(run, "run", 0));
		else
			fputs("  would run  ", stdout);
		ctl_put(PAINT_NONE, json_str(run, "key", ""));
		fputs("  ", stdout);
		ctl_put(PAINT_DIM, json_str(run, "why", ""));
		putchar('\n');
	}
	strbuf_release(&sb);
}

/*
 * All of them are followed, one after the other; the worst exit code counts.  Each gets the run as "result", so that
 * --json stays one object.
 */
static int wait_all(struct ctl *ctl, const json_t *runs, const struct wait_plan *plan, struct err *err)
{
	json_t *run;
	int worst = 0;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		int64_t id = json_int(run, "run", 0);
		json_t *shown = NULL;
		int rc = id > 0 ? wait_run(ctl, id, plan, &shown, err) : 0;

		if (rc == -1)
			return -1;
		if (shown != NULL)
			json_object_set_new(run, "result", shown);
		worst = MAX(worst, rc);
	}
	return worst;
}

static int sensors_tick(struct ctl *ctl, struct err *err)
{
	bool dry_run = args_has(&ctl->args, "dry-run");
	json_t *args, *result = NULL;
	struct wait_plan plan;
	int rc;

	if (wait_plan(ctl, &plan, err) == -1)
		return -1;
	args = json_object();
	json_object_set_new(args, "name", json_text_new(args_operand(&ctl->args, 0)));
	json_object_set_new(args, "dry_run", json_boolean(dry_run));
	rc = ctl_ask(ctl, "sensors.tick", args, &result, err);
	if (rc == 0) {
		if (!ctl->json)
			tell_tick(result);
		fflush(stdout);
		if (plan.wait && !dry_run)
			rc = wait_all(ctl, json_object_get(result, "runs"), &plan, err);
		if (ctl->json && rc != -1)
			ctl_print_json(result);
	}
	json_decref(args);
	json_decref(result);
	return rc;
}

static const struct arg_opt tick_opts[] = {
    {"dry-run", 'n', ARG_FLAG, NULL, "tell what it would ask for, record nothing"},
    WAIT_OPTS,
    ARG_END,
};
const struct cmd cmd_sensors_tick = {
    .noun = "sensors",
    .verb = "tick",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .opts = tick_opts,
    .help = "look now, and follow the runs it asks for",
    .run = sensors_tick,
};

/* ---- pause, resume */

static void show_paused(struct ctl *ctl, const json_t *result)
{
	if (!ctl->quiet)
		printf("%s is %sd\n", json_str(result, "sensor", ""), ctl->cmd->verb);
}

static int set_paused(struct ctl *ctl, struct err *err)
{
	char name[40];
	json_t *args = json_object();

	snprintf(name, sizeof(name), "sensors.%s", ctl->cmd->verb);
	json_object_set_new(args, "name", json_text_new(args_operand(&ctl->args, 0)));
	return ctl_show(ctl, name, args, show_paused, err);
}

const struct cmd cmd_sensors_pause = {
    .noun = "sensors",
    .verb = "pause",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .help = "stop its ticks until it is resumed",
    .run = set_paused,
};

const struct cmd cmd_sensors_resume = {
    .noun = "sensors",
    .verb = "resume",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .help = "let it tick again",
    .run = set_paused,
};

/* ---- ticks */

static void show_ticks(struct ctl *ctl, const json_t *result)
{
	struct table *t = table_new("last|>times|outcome|>runs|>took|reason");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *tick;
	size_t i;

	json_array_foreach(json_object_get(result, "ticks"), i, tick)
	{
		const char *outcome = json_str(tick, "outcome", "");

		text_time(&sb, json_object_get(tick, "last_at"));
		table_take(t, &sb);
		table_cellf(t, "%" PRId64, json_int(tick, "n", 1));
		table_cell(t, text_state_paint(outcome, NULL), outcome);
		table_cellf(t, "%" PRId64, json_int(tick, "requested", 0));
		text_span(&sb, json_int(tick, "duration_ms", 0));
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, json_str(tick, "reason", ""));
	}
	table_end(t, 0, "no ticks yet");
	strbuf_release(&sb);
}

static int sensors_ticks(struct ctl *ctl, struct err *err)
{
	json_t *args;
	int64_t limit;

	if (args_number(&ctl->args, "limit", 20, CTL_LIST_MAX, &limit, err) == -1)
		return -1;
	args = json_object();
	json_object_set_new(args, "name", json_text_new(args_operand(&ctl->args, 0)));
	json_object_set_new(args, "limit", json_integer(limit));
	return ctl_show(ctl, "sensors.ticks", args, show_ticks, err);
}

static const struct arg_opt ticks_opts[] = {
    {"limit", 'n', ARG_VALUE, "N", "how many, 20 if not said"},
    ARG_END,
};
const struct cmd cmd_sensors_ticks = {
    .noun = "sensors",
    .verb = "ticks",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .opts = ticks_opts,
    .help = "the history of its ticks, newest first; equal ones in a row are one line",
    .run = sensors_ticks,
};

/* ---- keys */

static void add_present(struct strbuf *sb, const json_t *key)
{
	int64_t expected = json_int(key, "expected", 0);

	strbuf_addf(sb, "%" PRId64, json_int(key, "present", 0));
	if (expected > 0)
		strbuf_addf(sb, " of %" PRId64, expected);
}

static void show_keys(struct ctl *ctl, const json_t *result)
{
	struct table *t = table_new("key|verdict|>parts|>size|newest|>run|reason");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *key;
	size_t i;

	json_array_foreach(json_object_get(result, "keys"), i, key)
	{
		const char *verdict = json_str(key, "verdict", "");

		table_cell(t, PAINT_NONE, json_str(key, "key", ""));
		table_cell(t, text_state_paint(verdict, NULL), verdict);
		add_present(&sb, key);
		table_take(t, &sb);
		text_size(&sb, json_int(key, "bytes", 0));
		table_take(t, &sb);
		text_ago(&sb, json_object_get(key, "newest"));
		table_take(t, &sb);
		if (json_is_integer(json_object_get(key, "run")))
			table_cellf(t, "%" PRId64, json_int(key, "run", 0));
		else
			table_cell(t, PAINT_NONE, NULL);
		table_cell(t, PAINT_NONE, json_str(key, "reason", ""));
	}
	table_end(t, 0, "no keys");
	if (!ctl->quiet && json_is_string(json_object_get(result, "next"))) {
		fputs("further ones: --after '", stdout);
		ctl_put(PAINT_NONE, json_str(result, "next", ""));
		puts("'");
	}
	strbuf_release(&sb);
}

static int sensors_keys(struct ctl *ctl, struct err *err)
{
	static const char *const passed[] = {"verdict", "after", NULL};
	json_t *args;
	int64_t limit;

	if (args_number(&ctl->args, "limit", 100, CTL_LIST_MAX, &limit, err) == -1)
		return -1;
	args = json_object();
	json_object_set_new(args, "name", json_text_new(args_operand(&ctl->args, 0)));
	json_object_set_new(args, "limit", json_integer(limit));
	ctl_pass_options(ctl, args, passed);
	return ctl_show(ctl, "sensors.keys", args, show_keys, err);
}

static const struct arg_opt keys_opts[] = {
    {"verdict", 0, ARG_VALUE, "WORD", "only pending, complete, no_data, stale, ignored, invalid or gone ones"},
    {"after", 0, ARG_VALUE, "KEY", "those that follow this one"},
    {"limit", 'n', ARG_VALUE, "N", "how many, 100 if not said"},
    ARG_END,
};
const struct cmd cmd_sensors_keys = {
    .noun = "sensors",
    .verb = "keys",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .opts = keys_opts,
    .help = "the keys it sees, and what it thinks of each",
    .run = sensors_keys,
};
