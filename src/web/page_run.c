/* One run: its steps on a time line, what they made, why it ran, what it was given, what it said. */
#include "config.h"

#include "web/web_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOG_TAIL 8192

static void step_cells(struct page *p, const json_t *step, const char *state)
{
	html(&p->body, "<tr><td><a href=\"/assets/%u\">%s</a></td><td>", json_str(step, "asset", ""),
	    json_str(step, "asset", ""));
	part_state(&p->body, state);
	html(&p->body, "</td>");
}

/* How it ended where that says more than its outcome. */
static void attempt_note(struct page *p, const json_t *a)
{
	int64_t warnings = json_int(a, "warnings", 0);

	if (warnings > 0)
		html(&p->body, "%i warning%s ", warnings, warnings == 1 ? "" : "s");
	if (json_str(a, "kill_reason", NULL) != NULL)
		html(&p->body, "stopped: %s ", json_str(a, "kill_reason", ""));
	if (json_is_object(json_object_get(a, "error")))
		part_error(&p->body, json_object_get(a, "error"));
	else if (json_int(a, "exit_code", 0) != 0)
		html(&p->body, "<span class=\"dim\">exit code %i</span>", json_int(a, "exit_code", 0));
	else if (json_int(a, "signal", 0) != 0)
		html(&p->body, "<span class=\"dim\">signal %i</span>", json_int(a, "signal", 0));
}

static void attempt_row(struct page *p, int64_t run, const json_t *step, const json_t *a)
{
	const char *ended = json_str(a, "ended_at", NULL);
	double cpu =
	    json_number_value(json_object_get(a, "utime_s")) + json_number_value(json_object_get(a, "stime_s"));

	step_cells(p, step, ended ? json_str(a, "outcome", NULL) : "running");
	html(&p->body, "<td class=\"num opt\">%i</td><td>", json_int(a, "n", 0));
	part_time(&p->body, json_str(a, "started_at", NULL));
	html(&p->body, "</td><td class=\"num\">");
	part_span(&p->body, json_str(a, "started_at", NULL), ended);
	html(&p->body, "</td><td class=\"num opt\">");
	if (ended != NULL)
		strbuf_addf(&p->body, "%.2f s", cpu);
	html(&p->body, "</td><td class=\"num opt\">");
	if (json_int(a, "maxrss_kib", 0) > 0)
		part_bytes(&p->body, json_int(a, "maxrss_kib", 0) * 1024);
	html(&p->body, "</td><td class=\"wide\">");
	if (ended == NULL)
		part_progress(&p->body, run, step);
	attempt_note(p, a);
	html(&p->body, "</td></tr>\n");
}

static void step_rows(struct page *p, int64_t run, const json_t *step)
{
	const json_t *attempts = json_object_get(step, "attempts"), *a;
	size_t i;

	json_array_foreach(attempts, i, a) attempt_row(p, run, step, a);
	if (json_array_size(attempts) > 0 && json_str(step, "wait_reason", NULL) == NULL)
		return;
	step_cells(p, step, json_str(step, "state", ""));
	html(&p->body, "<td></td><td></td><td></td><td></td><td></td><td class=\"wide\">%s ",
	    json_str(step, "wait_reason", ""));
	part_error(&p->body, json_object_get(step, "error"));
	html(&p->body, "</td></tr>\n");
}

static void attempts_table(struct page *p, int64_t run, const json_t *steps)
{
	const json_t *step;
	size_t i;

	grid_begin(
	    &p->body, "Steps and their tries", "Step|State|#-Try|Began (UTC)|#Took|#-Processor|#-Memory|Note");
	json_array_foreach(steps, i, step) step_rows(p, run, step);
	grid_end(&p->body);
}

/* The command that asks for the same again, from the beginning. */
static void same_again(struct page *p, const json_t *run)
{
	const char *job = json_str(run, "job", NULL), *key;
	json_t *value;
	size_t i;

	html(&p->body, "<dt>The same again</dt><dd><code>orchctl ");
	if (job != NULL)
		html(&p->body, "launch %s", job);
	else
		html(&p->body, "materialize");
	json_array_foreach(json_object_get(run, "assets"), i, value) if (job == NULL)
	    html(&p->body, " %s", json_string_value(value));
	json_object_foreach(json_object_get(run, "config"), key, value)
	{
		if (!json_is_string(value))
			continue;
		html(&p->body, " -s %s=", key);
		part_shell(&p->body, json_string_value(value));
	}
	if (json_bool(run, "dry_run", false))
		html(&p->body, " --dry-run");
	html(&p->body, "</code></dd>");
}

static void why_it_ran(struct page *p, const json_t *run)
{
	const char *sensor = json_str(run, "sensor", NULL);
	int64_t id = json_int(run, "id", 0);

	html(&p->body, "<section><h2>Why it ran</h2><dl><dt>Asked for by</dt><dd>");
	if (sensor != NULL)
		html(&p->body, "the sensor <a href=\"/sensors/%u\">%s</a>", sensor, sensor);
	else
		html(&p->body, "%s", json_str(run, "origin", ""));
	html(&p->body, ", ");
	part_time(&p->body, json_str(run, "created_at", NULL));
	html(&p->body, " UTC</dd>");
	if (json_str(run, "why", NULL) != NULL)
		html(&p->body, "<dt>Because</dt><dd>%s</dd>", json_str(run, "why", ""));
	if (json_is_integer(json_object_get(run, "retry_of"))) {
		html(&p->body, "<dt>Retry of</dt><dd>");
		part_run_link(&p->body, json_int(run, "retry_of", 0));
		html(&p->body, "</dd>");
	}
	if (json_str(run, "cancel", NULL) != NULL)
		html(&p->body, "<dt>Cancelled by</dt><dd>%s</dd>", json_str(run, "cancel", ""));
	html(&p->body, "<dt>Run it again</dt><dd><code>orchctl runs retry %i</code></dd>", id);
	if (strcmp(json_str(run, "state", ""), "failed") == 0)
		html(&p->body,
		    "<dt>From the step that failed</dt><dd><code>orchctl runs retry %i "
		    "--from-failure</code></dd>",
		    id);
	same_again(p, run);
	html(&p->body, "</dl></section>\n");
}

/* ---- inputs and outputs ---- */

static void inputs(struct page *p, const json_t *run)
{
	const json_t *step, *config = json_object_get(run, "config");
	const char *key;
	json_t *value;
	size_t i;

	html(&p->body, "<section><h2>Inputs</h2><dl>");
	json_object_foreach((json_t *)config, key, value)
	{
		html(&p->body, "<dt>%s</dt><dd>", key);
		part_json(&p->body, value);
		html(&p->body, "</dd>");
	}
	if (json_str(run, "sensor_key", NULL) != NULL) {
		html(&p->body, "<dt>Key</dt><dd><a href=\"/partition/");
		part_path(&p->body, json_str(run, "sensor_key", ""));
		html(&p->body, "\"><code>%s</code></a></dd><dt>Run key</dt><dd><code>%s</code></dd>",
		    json_str(run, "sensor_key", ""), json_str(run, "run_key", ""));
		html(&p->body, "<dt>Generation</dt><dd><code>%s</code></dd>", json_str(run, "generation", ""));
	}
	json_array_foreach(json_object_get(run, "steps"), i, step)
	{
		if (json_str(step, "run_uid", NULL) != NULL)
			html(&p->body, "<dt>Identity of %s</dt><dd><code>%s</code>, code version %s</dd>",
			    json_str(step, "asset", ""), json_str(step, "run_uid", ""),
			    json_str(step, "code_version", "of orchd 0.1.0"));
	}
	html(&p->body, "</dl></section>\n");
}

static void effects_of(struct page *p, const json_t *one)
{
	const json_t *e;
	size_t i;

	html(&p->body, "<details><summary>%s, try %i: %i effect%r, ", json_str(one, "asset", ""),
	    json_int(one, "attempt", 0), json_int(one, "count", 0), json_int(one, "count", 0) == 1 ? "" : "s");
	part_bytes(&p->body, json_int(one, "bytes", 0));
	html(&p->body, "</summary>");
	grid_begin(&p->body, "What the step did to the outside", "Did|What|#Size|-SHA-256");
	json_array_foreach(json_object_get(one, "effects"), i, e)
	{
		html(&p->body, "<tr><td>%s</td><td class=\"wide\"><code>%s</code></td><td class=\"num\">",
		    json_str(e, "verb", ""), json_str(e, "what", ""));
		if (strcmp(json_str(e, "verb", ""), "rows") == 0)
			html(&p->body, "%i rows", json_int(e, "size", 0));
		else if (json_int(e, "size", 0) > 0)
			part_bytes(&p->body, json_int(e, "size", 0));
		html(&p->body, "</td><td class=\"opt\"><code>%s</code></td></tr>\n", json_str(e, "sha256", ""));
	}
	grid_end(&p->body);
	html(&p->body, "</details>\n");
}

static void outputs(struct page *p, const json_t *run)
{
	struct err err = ERR_INIT;
	json_t *obj = query_effects(&p->web->query, json_int(run, "id", 0), &err);
	const json_t *steps = json_object_get(run, "steps"), *one;
	size_t i;

	html(&p->body, "<section><h2>Outputs</h2>");
	if (json_array_size(json_object_get(obj, "steps")) == 0)
		html(&p->body, "<p class=\"empty\">No step reported what it wrote.</p>");
	json_array_foreach(json_object_get(obj, "steps"), i, one) effects_of(p, one);
	json_array_foreach(steps, i, one)
	{
		if (json_object_size(json_object_get(one, "metadata")) == 0)
			continue;
		html(&p->body, "<details><summary>What %s recorded</summary>", json_str(one, "asset", ""));
		part_json(&p->body, json_object_get(one, "metadata"));
		html(&p->body, "</details>\n");
	}
	html(&p->body, "</section>\n");
	json_decref(obj);
}

static void events(struct page *p, const json_t *list)
{
	const json_t *e;
	size_t i;

	html(&p->body, "<section><h2>What happened</h2>");
	grid_begin(&p->body, "Events of the run", "At (UTC)|Step|Kind|What");
	json_array_foreach(list, i, e)
	{
		html(&p->body, "<tr><td>");
		part_time(&p->body, json_str(e, "at", NULL));
		html(&p->body, "</td><td>%s</td><td>%s</td><td class=\"wide\">%s</td></tr>",
		    json_str(e, "asset", ""), json_str(e, "kind", ""), json_str(e, "text", ""));
	}
	grid_end(&p->body);
	html(&p->body, "</section>\n");
}

static void logs(struct page *p, int64_t id)
{
	struct err err = ERR_INIT;
	json_t *obj = query_run_logs(&p->web->query, id, NULL, LOG_TAIL, &err);
	const json_t *log;
	size_t i;

	json_array_foreach(json_object_get(obj, "logs"), i, log)
	{
		if (strcmp(json_str(log, "stream", ""), "journal") == 0)
			continue;
		html(&p->body, "<section><h2>%s of %s, try %i</h2>", json_str(log, "stream", ""),
		    json_str(log, "asset", ""), json_int(log, "attempt", 0));
		if (json_int(log, "from", 0) > 0)
			html(&p->body, "<p class=\"dim\">the last %d bytes</p>", LOG_TAIL);
		html(&p->body, "<pre>%s</pre></section>", json_str(log, "text", ""));
	}
	json_decref(obj);
}

static void lead(struct page *p, const json_t *run)
{
	const char *job = json_str(run, "job", NULL), *began = json_str(run, "started_at", NULL);

	html(&p->body, "<p class=\"lead\" data-run=\"%i\">", json_int(run, "id", 0));
	part_state(&p->body, json_str(run, "outcome", json_str(run, "state", "")));
	html(
	    &p->body, " %s%r for ", job ? job : "assets", json_bool(run, "dry_run", false) ? " (dry run)" : "");
	part_partition_link(&p->body, json_str(run, "partition", ""));
	html(&p->body, began ? ", began " : ", asked for ");
	part_time(&p->body, began ? began : json_str(run, "created_at", NULL));
	html(&p->body, " UTC");
	part_local(p, began ? began : json_str(run, "created_at", NULL), json_str(run, "partition", ""));
	if (began != NULL) {
		html(&p->body, json_str(run, "ended_at", NULL) ? ", took " : ", for ");
		part_span(&p->body, began, json_str(run, "ended_at", NULL));
	}
	if (json_str(run, "wait_reason", NULL) != NULL)
		html(&p->body, ", waits: %s", json_str(run, "wait_reason", ""));
	html(&p->body, "</p>\n");
	if (json_is_object(json_object_get(run, "error"))) {
		html(&p->body, "<p class=\"verdict bad\">");
		part_error(&p->body, json_object_get(run, "error"));
		html(&p->body, "</p>\n");
	}
}

void page_run(struct page *p)
{
	struct err err = ERR_INIT;
	char *end;
	int64_t id = strtoll(p->arg[0], &end, 10);
	json_t *run = query_run(&p->web->query, *end == '\0' ? id : 0, &err);
	char title[64];

	if (run == NULL) {
		layout_error(p, &err);
		return;
	}
	snprintf(title, sizeof(title), "Run %" PRId64, id);
	layout_begin(p, title, "/runs");
	lead(p, run);
	html(&p->body, "<section><h2>Steps</h2>");
	gantt_svg(&p->body, run);
	attempts_table(p, id, json_object_get(run, "steps"));
	html(&p->body, "</section>\n");
	gallery(p, id);
	checks_section(p, "Checks", json_object_get(run, "checks"));
	why_it_ran(p, run);
	inputs(p, run);
	outputs(p, run);
	events(p, json_object_get(run, "events"));
	logs(p, id);
	layout_end(p);
	json_decref(run);
}
