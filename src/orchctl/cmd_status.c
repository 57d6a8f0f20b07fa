/* cmd_status.c: how it goes, and the story of one key or partition. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/run_text.h"
#include "orchctl/table.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- status */

static void put_daemon(const json_t *s)
{
	struct strbuf sb = STRBUF_INIT(500);

	if (json_bool(s, "daemon", false) && json_is_integer(json_object_get(s, "pid"))) {
		printf("orchd %s ", json_str(s, "version", ""));
		ctl_put(PAINT_GOOD, json_bool(s, "draining", false) ? "draining" : "running");
		text_between(&sb, json_object_get(s, "started_at"), NULL);
		printf(", process %" PRId64 ", for %s\n", json_int(s, "pid", 0), sb.buf);
	} else {
		fputs("orchd ", stdout);
		ctl_put(PAINT_WARN, "not running");
		puts("; this is what the state says");
	}
	strbuf_reset(&sb);
	text_size(&sb, json_int(s, "state_bytes", 0));
	ctl_put_field("config", json_str(s, "config_file", NULL));
	ctl_put_field("not in use", json_str(s, "config_problem", NULL));
	ctl_put_field("state", sb.buf);
	strbuf_release(&sb);
}

static void put_runs(const json_t *s)
{
	const json_t *runs = json_object_get(s, "runs");
	struct strbuf sb = STRBUF_INIT(500);
	int64_t failed = json_int(s, "failed_last_day", 0);

	strbuf_addf(&sb, "%" PRId64 " running, %" PRId64 " queued", json_int(runs, "running", 0),
	    json_int(runs, "queued", 0));
	if (json_is_integer(json_object_get(s, "steps_running")))
		strbuf_addf(&sb, ", %" PRId64 " step%s running", json_int(s, "steps_running", 0),
		    json_int(s, "steps_running", 0) == 1 ? "" : "s");
	ctl_put_field("runs", sb.buf);
	if (failed > 0) {
		strbuf_reset(&sb);
		strbuf_addf(&sb,
		    "%" PRId64 " failed in the last 24 hours, %" PRId64
		    " not made good since ('orchctl runs --state failed')",
		    failed, json_int(s, "failed_unmended", 0));
		ctl_put_field("", sb.buf);
	}
	strbuf_release(&sb);
}

/* A tick that asked for many runs gives a reason for each. */
static void put_reason(struct strbuf *sb, const char *reason)
{
	const char *more = strstr(reason, "; ");
	char *first = xstrndup(reason, more ? (size_t)(more - reason) : strlen(reason));
	size_t n = 0;

	for (; more != NULL; more = strstr(more + 2, "; "))
		n++;
	if (first[0] != '\0') {
		strbuf_addstr(sb, ", ");
		text_clean(sb, first);
	}
	if (n > 0)
		strbuf_addf(sb, ", and %zu more", n);
	free(first);
}

static void put_sensors(const json_t *sensors)
{
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *s;
	size_t i;

	json_array_foreach(sensors, i, s)
	{
		const json_t *last = json_object_get(s, "last");

		strbuf_reset(&sb);
		text_clean(&sb, json_str(s, "name", ""));
		if (json_bool(s, "paused", false))
			strbuf_addstr(&sb, " paused");
		strbuf_addstr(&sb, ", last tick ");
		text_ago(&sb, json_object_get(s, "last_tick_at"));
		if (json_is_object(last)) {
			strbuf_addstr(&sb, ": ");
			text_clean(&sb, json_str(last, "outcome", ""));
			put_reason(&sb, json_str(last, "reason", ""));
		}
		ctl_put_field(i == 0 ? "sensors" : "", sb.buf);
	}
	strbuf_release(&sb);
}

/* Those whose last answer was a failure; times have one form, so their texts sort as they do. */
static void put_places(const json_t *places, const char *kind)
{
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *p;
	size_t i;

	json_array_foreach(places, i, p)
	{
		const char *failed = json_str(p, "failed_at", NULL);

		if (failed == NULL || strcmp(failed, json_str(p, "ok_at", "")) <= 0)
			continue;
		strbuf_reset(&sb);
		text_clean(&sb, json_str(p, "name", ""));
		strbuf_addstr(&sb, " did not answer ");
		text_ago(&sb, json_object_get(p, "failed_at"));
		strbuf_addstr(&sb, ": ");
		text_clean(&sb, json_str(json_object_get(p, "error"), "text", ""));
		ctl_put_field(kind, sb.buf);
	}
	strbuf_release(&sb);
}

static void put_outbox(const json_t *outbox)
{
	struct strbuf sb = STRBUF_INIT(500);
	int64_t pending = json_int(outbox, "pending", 0), failed = json_int(outbox, "failed", 0);

	if (pending > 0) {
		strbuf_addf(&sb, "%" PRId64 " to be delivered, the oldest ", pending);
		text_ago(&sb, json_object_get(outbox, "oldest_at"));
	}
	if (failed > 0)
		strbuf_addf(&sb, "%s%" PRId64 " given up ('orchctl outbox --state failed')", sb.len ? ", " : "",
		    failed);
	if (sb.len > 0)
		ctl_put_field("notices", sb.buf);
	strbuf_release(&sb);
}

static void put_push(const json_t *push)
{
	struct strbuf sb = STRBUF_INIT(1000);
	int64_t unknown = json_int(push, "unknown", 0), refused = json_int(push, "refused", 0);

	if (!json_is_object(push))
		return;
	text_clean(&sb, json_str(push, "address", "not listening; see the log"));
	strbuf_addf(&sb, ", %" PRId64 " taken, %" PRId64 " repeated, %" PRId64 " waiting",
	    json_int(push, "accepted", 0), json_int(push, "duplicates", 0), json_int(push, "pending", 0));
	if (json_is_string(json_object_get(push, "last_at"))) {
		strbuf_addstr(&sb, ", the last ");
		text_ago(&sb, json_object_get(push, "last_at"));
	}
	ctl_put_field("push", sb.buf);
	strbuf_reset(&sb);
	if (unknown > 0) {
		strbuf_addf(&sb, "%" PRId64 " that no sensor watches for, the last ", unknown);
		text_clean(&sb, json_str(push, "last_unknown", ""));
	}
	if (refused > 0)
		strbuf_addf(&sb, "%s%" PRId64 " without the token", sb.len ? "; " : "", refused);
	if (sb.len > 0)
		ctl_put_field("", sb.buf);
	strbuf_release(&sb);
}

static void put_audit(const json_t *audit)
{
	static const char *const counts[] = {"missing", "mismatched", "unknown"};
	struct strbuf sb = STRBUF_INIT(500);

	if (!json_is_object(audit))
		return;
	for (size_t i = 0; i < NITEMS(counts); i++)
		if (json_int(audit, counts[i], 0) > 0)
			strbuf_addf(&sb, "%s%" PRId64 " %s", sb.len ? ", " : "", json_int(audit, counts[i], 0),
			    counts[i]);
	strbuf_addstr(&sb, sb.len ? " ('orchctl audit --last'), " : "nothing is missing, ");
	text_ago(&sb, json_object_get(audit, "at"));
	ctl_put_field("audit", sb.buf);
	strbuf_release(&sb);
}

static void show_status(struct ctl *ctl, const json_t *s)
{
	const json_t *holds = json_object_get(s, "holds");
	struct strbuf sb = STRBUF_INIT(100);

	put_daemon(s);
	put_runs(s);
	put_sensors(json_object_get(s, "sensors"));
	put_places(json_object_get(s, "stores"), "store");
	put_places(json_object_get(s, "databases"), "database");
	put_push(json_object_get(s, "push"));
	put_outbox(json_object_get(s, "outbox"));
	put_audit(json_object_get(s, "audit"));
	if (json_array_size(holds) > 0) {
		strbuf_addf(&sb, "%zu ('orchctl hold' lists them)", json_array_size(holds));
		ctl_put_field("holds", sb.buf);
	}
	strbuf_release(&sb);
}

static int status(struct ctl *ctl, struct err *err)
{
	return ctl_show(ctl, "status", NULL, show_status, err);
}

const struct cmd cmd_status = {
    .noun = "status",
    .help = "how it goes: the daemon, runs, sensors, holds",
    .run = status,
};

/* ---- why */

static void put_why_keys(const json_t *keys)
{
	struct table *t = table_new("key|verdict|since|reason");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *key;
	size_t i;

	json_array_foreach(keys, i, key)
	{
		const char *verdict = json_str(key, "verdict", "");

		table_cell(t, PAINT_NONE, json_str(key, "key", ""));
		table_cell(t, text_state_paint(verdict, NULL), verdict);
		text_time(&sb, json_object_get(key, "since"));
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, json_str(key, "reason", ""));
	}
	if (table_rows(t) > 0)
		putchar('\n');
	table_end(t, 2, NULL);
	strbuf_release(&sb);
}

static void put_why_runs(const json_t *runs)
{
	struct table *t = table_new(">run|state|what|started|>took|why");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *run;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		enum paint paint = run_text_state(&sb, run);

		table_cellf(t, "%" PRId64, json_int(run, "id", 0));
		table_cell(t, paint, sb.buf);
		strbuf_reset(&sb);
		table_cell(t, PAINT_NONE,
		    json_str(run, "job", json_string_value(json_array_get(json_object_get(run, "assets"), 0))));
		text_time(&sb, json_object_get(run, "started_at"));
		table_take(t, &sb);
		text_between(&sb, json_object_get(run, "started_at"), json_object_get(run, "ended_at"));
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, json_str(run, "wait_reason", json_str(run, "why", "")));
	}
	if (table_rows(t) > 0)
		putchar('\n');
	table_end(t, 2, NULL);
	strbuf_release(&sb);
}

static void show_why(struct ctl *ctl, const json_t *result)
{
	const json_t *lines = json_object_get(result, "lines");
	json_t *line;
	size_t i;

	ctl_put(PAINT_BOLD, json_str(result, "what", ""));
	putchar('\n');
	json_array_foreach(lines, i, line)
	{
		fputs("  ", stdout);
		ctl_put(PAINT_NONE, json_string_value(line));
		putchar('\n');
	}
	put_why_keys(json_object_get(result, "keys"));
	put_why_runs(json_object_get(result, "runs"));
}

static int why(struct ctl *ctl, struct err *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "what", json_text_new(args_operand(&ctl->args, 0)));
	return ctl_show(ctl, "why", args, show_why, err);
}

const struct cmd cmd_why = {
    .noun = "why",
    .operands = "KEY|PARTITION",
    .min_operands = 1,
    .max_operands = 1,
    .help = "what happened to a key or a partition, and why",
    .run = why,
};
