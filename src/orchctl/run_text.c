#include "config.h"

#include "orchctl/run_text.h"

#include "orchctl/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 100

enum paint run_text_state(struct strbuf *sb, const json_t *obj)
{
	const char *state = json_str(obj, "state", "?"), *outcome = json_str(obj, "outcome", "");

	text_clean(sb, state);
	if (outcome[0] != '\0' && strcmp(outcome, "ok") != 0 && strcmp(outcome, state) != 0) {
		strbuf_addstr(sb, ", ");
		text_clean(sb, outcome);
	}
	return text_state_paint(state, strcmp(state, "succeeded") == 0 ? outcome : NULL);
}

static void add_error(struct strbuf *sb, const json_t *error)
{
	if (!json_is_object(error))
		return;
	text_clean(sb, json_str(error, "class", ""));
	if (json_str(error, "code", "")[0] != '\0') {
		strbuf_addch(sb, ' ');
		text_clean(sb, json_str(error, "code", ""));
	}
	strbuf_addstr(sb, ": ");
	text_clean(sb, json_str(error, "text", ""));
}

static void put_errors(const json_t *run)
{
	struct strbuf sb = STRBUF_INIT(8192);
	size_t i, told = 0;
	json_t *step;

	json_array_foreach(json_object_get(run, "steps"), i, step)
	{
		if (!json_is_object(json_object_get(step, "error")) ||
		    strcmp(json_str(step, "state", ""), "skipped") == 0)
			continue;
		strbuf_reset(&sb);
		add_error(&sb, json_object_get(step, "error"));
		printf("  %s%s%s  %s\n", text_on(PAINT_BAD), json_str(step, "asset", ""), text_off(PAINT_BAD),
		    sb.buf);
		told++;
	}
	if (told == 0 && json_is_object(json_object_get(run, "error"))) {
		strbuf_reset(&sb);
		add_error(&sb, json_object_get(run, "error"));
		printf("  %s\n", sb.buf);
	}
	strbuf_release(&sb);
}

void run_text_verdict(const json_t *run)
{
	struct strbuf sb = STRBUF_INIT(1000);
	enum paint paint = run_text_state(&sb, run);

	printf("run %" PRId64 " %s%s%s", json_int(run, "id", 0), text_on(paint), sb.buf, text_off(paint));
	if (json_bool(run, "dry_run", false))
		fputs(" (dry run)", stdout);
	strbuf_reset(&sb);
	text_between(&sb, json_object_get(run, "started_at"), json_object_get(run, "ended_at"));
	printf(" in %s\n", sb.buf);
	put_errors(run);
	strbuf_release(&sb);
}

static void put_map(const char *label, const json_t *map)
{
	struct strbuf sb = STRBUF_INIT(65536);
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)map, key, value)
	{
		if (sb.len > 0)
			strbuf_addstr(&sb, "  ");
		text_clean(&sb, key);
		strbuf_addch(&sb, '=');
		text_value(&sb, value, VALUE_MAX);
	}
	ctl_put_field(label, sb.buf);
	strbuf_release(&sb);
}

static void put_times(const json_t *run)
{
	struct strbuf sb = STRBUF_INIT(500);

	text_time(&sb, json_object_get(run, "created_at"));
	ctl_put_field("asked for", sb.buf);
	if (json_is_string(json_object_get(run, "started_at"))) {
		strbuf_reset(&sb);
		text_time(&sb, json_object_get(run, "started_at"));
		strbuf_addstr(&sb, " (");
		text_ago(&sb, json_object_get(run, "started_at"));
		strbuf_addstr(
		    &sb, json_is_string(json_object_get(run, "ended_at")) ? "), took " : "), runs for ");
		text_between(&sb, json_object_get(run, "started_at"), json_object_get(run, "ended_at"));
		ctl_put_field("started", sb.buf);
	}
	strbuf_release(&sb);
}

static void put_head(const json_t *run)
{
	struct strbuf sb = STRBUF_INIT(4096);
	enum paint paint = run_text_state(&sb, run);

	printf("run %" PRId64 "  %s%s%s%s\n", json_int(run, "id", 0), text_on(paint), sb.buf, text_off(paint),
	    json_bool(run, "dry_run", false) ? "  (dry run)" : "");
	strbuf_reset(&sb);
	ctl_put_field("job", json_str(run, "job", NULL));
	ctl_put_field("partition", json_str(run, "partition", NULL));
	text_clean(&sb, json_str(run, "origin", ""));
	if (json_str(run, "why", "")[0] != '\0') {
		strbuf_addstr(&sb, sb.len > 0 ? ": " : "");
		text_clean(&sb, json_str(run, "why", ""));
	}
	ctl_put_field("why", sb.buf);
	ctl_put_field("run key", json_str(run, "run_key", NULL));
	if (json_is_integer(json_object_get(run, "retry_of"))) {
		strbuf_reset(&sb);
		strbuf_addf(&sb, "run %" PRId64, json_int(run, "retry_of", 0));
		ctl_put_field("retry of", sb.buf);
	}
	ctl_put_field("waits for", json_str(run, "wait_reason", NULL));
	put_times(run);
	put_map("config", json_object_get(run, "config"));
	put_map("tags", json_object_get(run, "tags"));
	strbuf_reset(&sb);
	add_error(&sb, json_object_get(run, "error"));
	ctl_put_field("error", sb.buf);
	strbuf_release(&sb);
}

/* What a step is doing, waits for, or failed of. */
static void add_note(struct strbuf *sb, const json_t *step)
{
	const json_t *live = json_object_get(step, "live"), *progress = json_object_get(live, "progress");

	if (json_is_object(progress)) {
		strbuf_addf(sb, "%" PRId64, json_int(progress, "done", 0));
		if (json_int(progress, "total", 0) > 0)
			strbuf_addf(sb, " of %" PRId64, json_int(progress, "total", 0));
		strbuf_addch(sb, ' ');
		text_clean(sb, json_str(progress, "what", ""));
	} else if (json_is_object(json_object_get(step, "error"))) {
		add_error(sb, json_object_get(step, "error"));
	} else if (json_str(step, "wait_reason", "")[0] != '\0') {
		text_clean(sb, json_str(step, "wait_reason", ""));
	}
}

static void put_steps(const json_t *steps)
{
	struct table *t = table_new("step|state|>tries|started|>took|note");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		enum paint paint;

		table_cell(t, PAINT_NONE, json_str(step, "asset", ""));
		paint = run_text_state(&sb, step);
		table_cell(t, paint, sb.buf);
		table_cellf(t, "%zu", json_array_size(json_object_get(step, "attempts")));
		strbuf_reset(&sb);
		text_time(&sb, json_object_get(step, "started_at"));
		table_take(t, &sb);
		text_between(&sb, json_object_get(step, "started_at"), json_object_get(step, "ended_at"));
		table_take(t, &sb);
		add_note(&sb, step);
		table_take(t, &sb);
	}
	putchar('\n');
	table_end(t, 2, "no steps");
	strbuf_release(&sb);
}

static void add_cause(struct strbuf *sb, const json_t *attempt)
{
	const char *kill = json_str(attempt, "kill_reason", "");

	add_error(sb, json_object_get(attempt, "error"));
	if (sb->len == 0 && kill[0] != '\0')
		text_clean(sb, kill);
	if (sb->len == 0)
		text_clean(sb, json_str(attempt, "outcome", "runs"));
}

static void attempt_row(struct table *t, const json_t *step, const json_t *a)
{
	struct strbuf sb = STRBUF_INIT(8192);
	int64_t rss = json_int(a, "maxrss_kib", 0);
	double cpu =
	    json_number_value(json_object_get(a, "utime_s")) + json_number_value(json_object_get(a, "stime_s"));

	table_cell(t, PAINT_NONE, json_str(step, "asset", ""));
	table_cellf(t, "%" PRId64, json_int(a, "n", 0));
	text_between(&sb, json_object_get(a, "started_at"), json_object_get(a, "ended_at"));
	table_take(t, &sb);
	text_span(&sb, (tm_ms)(cpu * 1000));
	table_take(t, &sb);
	text_size(&sb, rss * 1024);
	table_take(t, &sb);
	table_cellf(t, "%" PRId64, json_int(a, "warnings", 0));
	add_cause(&sb, a);
	table_take(t, &sb);
	strbuf_release(&sb);
}

static void put_attempts(const json_t *steps)
{
	struct table *t = table_new("step|>try|>took|>cpu|>memory|>warnings|result");
	json_t *step, *attempt;
	size_t i, k;

	json_array_foreach(steps, i, step) json_array_foreach(json_object_get(step, "attempts"), k, attempt)
	    attempt_row(t, step, attempt);
	if (table_rows(t) > 0)
		putchar('\n');
	table_end(t, 2, NULL);
}

static void put_metadata(const json_t *steps)
{
	struct table *t = table_new("step|metadata|value");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *step, *value;
	const char *key;
	size_t i;

	json_array_foreach(steps, i, step) json_object_foreach(json_object_get(step, "metadata"), key, value)
	{
		table_cell(t, PAINT_NONE, json_str(step, "asset", ""));
		table_cell(t, PAINT_NONE, key);
		text_value(&sb, value, VALUE_MAX);
		table_take(t, &sb);
	}
	if (table_rows(t) > 0)
		putchar('\n');
	table_end(t, 2, NULL);
	strbuf_release(&sb);
}

static void put_events(const json_t *events, size_t most)
{
	size_t n = json_array_size(events), first = n > most ? n - most : 0;
	struct table *t = table_new("time|step|event|text");
	struct strbuf sb = STRBUF_INIT(8192);

	for (size_t i = first; i < n; i++) {
		const json_t *e = json_array_get(events, i);

		text_time(&sb, json_object_get(e, "at"));
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, json_str(e, "asset", NULL));
		table_cell(t, PAINT_NONE, json_str(e, "kind", ""));
		table_cell(t, PAINT_NONE, json_str(e, "text", ""));
	}
	if (n > 0)
		putchar('\n');
	if (first > 0)
		printf("  %zu earlier events; --events=%zu shows all\n", first, n);
	table_end(t, 2, NULL);
	strbuf_release(&sb);
}

void run_text_show(const json_t *run, size_t max_events)
{
	const json_t *steps = json_object_get(run, "steps");

	put_head(run);
	put_steps(steps);
	put_attempts(steps);
	put_metadata(steps);
	put_events(json_object_get(run, "events"), max_events);
}
