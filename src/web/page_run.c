/* One run: its steps on a time line, what they made, why it ran, what it was given, what it said. */
#include "config.h"

#include "web/web_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOG_TAIL 8192

#define GANTT_ROW   26
#define GANTT_LEFT  170
#define GANTT_WIDTH 820

static void gantt_row(struct page *p, const json_t *step, int y, const char *t0, int64_t total)
{
	const json_t *attempt;
	size_t i;

	html(&p->body,
	    "<text x=\"0\" y=\"%d\">%s</text><line class=\"rule\" x1=\"0\" x2=\"1000\" y1=\"%d\" y2=\"%d\"/>",
	    y + 17, json_str(step, "asset", ""), y + GANTT_ROW, y + GANTT_ROW);
	json_array_foreach(json_object_get(step, "attempts"), i, attempt)
	{
		const char *a = json_str(attempt, "started_at", NULL), *b = json_str(attempt, "ended_at", NULL);
		const char *outcome = b ? json_str(attempt, "outcome", "") : "running";
		int64_t from = MAX(part_ms_between(t0, a), (int64_t)0),
		        took = MAX(part_ms_between(a, b), (int64_t)0);

		html(&p->body,
		    "<rect class=\"bar %r\" x=\"%i\" y=\"%d\" width=\"%i\" height=\"18\" rx=\"3\"><title>%s, "
		    "try %i: %s</title></rect>",
		    part_tone(outcome), GANTT_LEFT + from * GANTT_WIDTH / total, y + 4,
		    MAX(took * GANTT_WIDTH / total, (int64_t)4), json_str(step, "asset", ""),
		    json_int(attempt, "n", 0), part_word(outcome));
	}
}

/* One bar per attempt on the run's time; the table below it has the numbers for those who cannot see it. */
static void gantt(struct page *p, const json_t *run)
{
	const char *t0 = json_str(run, "started_at", json_str(run, "created_at", NULL));
	const json_t *steps = json_object_get(run, "steps"), *step;
	int64_t total = MAX(part_ms_between(t0, json_str(run, "ended_at", NULL)), (int64_t)1);
	int bottom = (int)json_array_size(steps) * GANTT_ROW;
	size_t i;

	html(&p->body,
	    "<div class=\"scroll\"><svg class=\"gantt\" viewBox=\"0 0 1000 %d\" role=\"img\" "
	    "aria-label=\"Steps over time\">",
	    bottom + 20);
	json_array_foreach(steps, i, step) gantt_row(p, step, (int)i * GANTT_ROW, t0, total);
	html(&p->body,
	    "<text class=\"axis\" x=\"%d\" y=\"%d\">0</text><text class=\"axis end\" x=\"990\" y=\"%d\">",
	    GANTT_LEFT, bottom + 16, bottom + 16);
	part_ms(&p->body, total);
	html(&p->body, "</text></svg></div>");
}

static void step_cells(struct page *p, const json_t *step, const char *state)
{
	html(&p->body, "<tr><td><a href=\"/assets/%u\">%s</a></td><td>", json_str(step, "asset", ""),
	    json_str(step, "asset", ""));
	part_state(&p->body, state);
	html(&p->body, "</td>");
}

static void progress_note(struct page *p, const json_t *step)
{
	const json_t *progress = json_object_get(json_object_get(step, "live"), "progress");

	html(&p->body, "<span data-progress=\"%s\">", json_str(step, "asset", ""));
	if (json_is_object(progress))
		html(&p->body, "%s %i of %i", json_str(progress, "what", ""), json_int(progress, "done", 0),
		    json_int(progress, "total", 0));
	html(&p->body, "</span>");
}

static void attempt_row(struct page *p, const json_t *step, const json_t *a)
{
	const char *ended = json_str(a, "ended_at", NULL);
	double cpu =
	    json_number_value(json_object_get(a, "utime_s")) + json_number_value(json_object_get(a, "stime_s"));

	step_cells(p, step, ended ? json_str(a, "outcome", NULL) : "running");
	html(&p->body, "<td class=\"num\">%i</td><td>", json_int(a, "n", 0));
	part_time(&p->body, json_str(a, "started_at", NULL));
	html(&p->body, "</td><td class=\"num\">");
	part_span(&p->body, json_str(a, "started_at", NULL), ended);
	html(&p->body, "</td><td class=\"num\">");
	if (ended != NULL)
		strbuf_addf(&p->body, "%.2f s", cpu);
	html(&p->body, "</td><td class=\"num\">");
	if (json_int(a, "maxrss_kib", 0) > 0)
		part_bytes(&p->body, json_int(a, "maxrss_kib", 0) * 1024);
	html(&p->body, "</td><td class=\"wide\">");
	if (ended == NULL)
		progress_note(p, step);
	if (json_int(a, "warnings", 0) > 0)
		html(&p->body, "%i warning%s ", json_int(a, "warnings", 0),
		    json_int(a, "warnings", 0) == 1 ? "" : "s");
	if (json_str(a, "kill_reason", NULL) != NULL)
		html(&p->body, "stopped: %s ", json_str(a, "kill_reason", ""));
	part_error(&p->body, json_object_get(a, "error"));
	html(&p->body, "</td></tr>\n");
}

static void step_rows(struct page *p, const json_t *step)
{
	const json_t *attempts = json_object_get(step, "attempts"), *a;
	size_t i;

	json_array_foreach(attempts, i, a) attempt_row(p, step, a);
	if (json_array_size(attempts) > 0 && json_str(step, "wait_reason", NULL) == NULL)
		return;
	step_cells(p, step, json_str(step, "state", ""));
	html(&p->body, "<td></td><td></td><td></td><td></td><td></td><td class=\"wide\">%s ",
	    json_str(step, "wait_reason", ""));
	part_error(&p->body, json_object_get(step, "error"));
	html(&p->body, "</td></tr>\n");
}

static void attempts_table(struct page *p, const json_t *steps)
{
	const json_t *step;
	size_t i;

	html(&p->body, "<div class=\"scroll\"><table><thead><tr><th>Step</th><th>State</th><th "
	               "class=\"num\">Try</th><th>Began (UTC)</th>"
	               "<th class=\"num\">Took</th><th class=\"num\">Processor</th><th "
	               "class=\"num\">Memory</th><th>Note</th></tr></thead><tbody>\n");
	json_array_foreach(steps, i, step) step_rows(p, step);
	html(&p->body, "</tbody></table></div>");
}

static void why_it_ran(struct page *p, const json_t *run)
{
	html(&p->body, "<section><h2>Why it ran</h2><dl><dt>Asked for by</dt><dd>%s</dd>",
	    json_str(run, "origin", ""));
	if (json_str(run, "why", NULL) != NULL)
		html(&p->body, "<dt>Because</dt><dd>%s</dd>", json_str(run, "why", ""));
	if (json_str(run, "run_key", NULL) != NULL)
		html(&p->body,
		    "<dt>Run "
		    "key</dt><dd><code>%s</code></dd><dt>Key</dt><dd><code>%s</code></dd><dt>Generation</"
		    "dt><dd><code>%s</code></dd>",
		    json_str(run, "run_key", ""), json_str(run, "sensor_key", ""),
		    json_str(run, "generation", ""));
	if (json_is_integer(json_object_get(run, "retry_of"))) {
		html(&p->body, "<dt>Retry of</dt><dd>");
		part_run_link(&p->body, json_int(run, "retry_of", 0));
		html(&p->body, "</dd>");
	}
	html(&p->body,
	    "<dt>Run it again</dt><dd><code>orchctl runs retry %i</code> or, from the step that failed, "
	    "<code>orchctl runs retry %i --from-failure</code></dd></dl></section>\n",
	    json_int(run, "id", 0), json_int(run, "id", 0));
}

static void picture_link(struct page *p, int64_t run, const char *key)
{
	html(&p->body, "/picture/%i/", run);
	part_path(&p->body, key);
}

static const char *last_component(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? slash + 1 : key;
}

/* One picture may lie under several prefixes; the first is shown. */
static bool shown_before(const json_t *found, size_t i, const char *key)
{
	while (i-- > 0)
		if (strcmp(last_component(json_str(json_array_get(found, i), "key", "")),
		        last_component(key)) == 0)
			return true;
	return false;
}

static void pictures(struct page *p, int64_t run)
{
	const json_t *found = pictures_known(p->web->pictures, run), *one;
	size_t i;

	if (json_array_size(found) == 0)
		return;
	html(&p->body, "<section><h2>Pictures</h2><div class=\"pictures\">");
	json_array_foreach(found, i, one)
	{
		const char *key = json_str(one, "key", "");

		if (shown_before(found, i, key))
			continue;
		html(&p->body, "<figure><a href=\"");
		picture_link(p, run, key);
		html(&p->body, "\"><img loading=\"lazy\" src=\"");
		picture_link(p, run, key);
		html(&p->body, "\" alt=\"%s\"></a><figcaption title=\"%s\">%s</figcaption></figure>", key, key,
		    last_component(key));
	}
	html(&p->body, "</div></section>\n");
}

static void metadata(struct page *p, const json_t *run)
{
	const json_t *step;
	size_t i;

	html(&p->body, "<section><h2>What it was given</h2>");
	part_json(&p->body, json_object_get(run, "config"));
	html(&p->body, "</section>");
	json_array_foreach(json_object_get(run, "steps"), i, step)
	{
		if (!json_is_object(json_object_get(step, "metadata")))
			continue;
		html(&p->body, "<details><summary>What %s recorded</summary>", json_str(step, "asset", ""));
		part_json(&p->body, json_object_get(step, "metadata"));
		html(&p->body, "</details>\n");
	}
}

static void events(struct page *p, const json_t *run)
{
	const json_t *e;
	size_t i;

	html(&p->body,
	    "<section><h2>What happened</h2><div class=\"scroll\"><table class=\"events\"><thead><tr><th>At "
	    "(UTC)</th><th>Step</th><th>Kind</th><th>What</th></tr></thead><tbody>");
	json_array_foreach(json_object_get(run, "events"), i, e)
	{
		html(&p->body, "<tr><td>");
		part_time(&p->body, json_str(e, "at", NULL));
		html(&p->body, "</td><td>%s</td><td>%s</td><td class=\"wide\">%s</td></tr>",
		    json_str(e, "asset", ""), json_str(e, "kind", ""), json_str(e, "text", ""));
	}
	html(&p->body, "</tbody></table></div></section>");
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

void page_run(struct page *p)
{
	struct err err = ERR_INIT;
	char *end;
	int64_t id = strtoll(p->arg[0], &end, 10);
	json_t *run = query_run(&p->web->query, *end == '\0' ? id : 0, &err);
	const char *job;
	char title[64];

	if (run == NULL) {
		layout_error(p, &err);
		return;
	}
	job = json_str(run, "job", NULL);
	snprintf(title, sizeof(title), "Run %" PRId64, id);
	layout_begin(p, title, "/runs");
	html(&p->body, "<p class=\"lead\" data-run=\"%i\">", id);
	part_state(&p->body, json_str(run, "outcome", json_str(run, "state", "")));
	html(&p->body, " %s for ", job ? job : "assets");
	part_partition_link(&p->body, json_str(run, "partition", ""));
	html(&p->body, ", began ");
	part_time(&p->body, json_str(run, "started_at", json_str(run, "created_at", NULL)));
	html(&p->body, " UTC, ");
	part_span(&p->body, json_str(run, "started_at", NULL), json_str(run, "ended_at", NULL));
	if (json_str(run, "wait_reason", NULL) != NULL)
		html(&p->body, ", waits: %s", json_str(run, "wait_reason", ""));
	html(&p->body, "</p>");
	if (json_is_object(json_object_get(run, "error"))) {
		html(&p->body, "<p>");
		part_error(&p->body, json_object_get(run, "error"));
		html(&p->body, "</p>");
	}
	html(&p->body, "<section><h2>Steps</h2>");
	gantt(p, run);
	attempts_table(p, json_object_get(run, "steps"));
	html(&p->body, "</section>");
	pictures(p, id);
	why_it_ran(p, run);
	metadata(p, run);
	events(p, run);
	logs(p, id);
	layout_end(p);
	json_decref(run);
}
