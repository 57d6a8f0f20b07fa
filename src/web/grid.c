/* grid.c: tables that several pages show. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

void grid_begin(struct strbuf *out, const char *caption, const char *heads)
{
	bool keep = *heads == '=';

	heads += keep;
	html(out, "<div class=\"scroll\"><table class=\"%r\"><caption class=\"hear\">%s</caption><thead><tr>",
	    keep ? "keep" : "flow", caption);
	while (*heads != '\0') {
		bool num = *heads == '#', opt = heads[num] == '-';
		size_t n;

		heads += num + opt;
		n = strcspn(heads, "|");
		html(out, "<th scope=\"col\"%r%r%r%r>", num || opt ? " class=\"" : "", num ? "num " : "",
		    opt ? "opt" : "", num || opt ? "\"" : "");
		html_text_n(out, heads, n);
		html(out, "</th>");
		heads += n + (heads[n] == '|');
	}
	html(out, "</tr></thead><tbody>\n");
}

void grid_end(struct strbuf *out)
{
	html(out, "</tbody></table></div>\n");
}

/* What a run is, in a word: its outcome where it says more than its state. */
static const char *run_word(const json_t *run)
{
	const char *outcome = json_str(run, "outcome", NULL);

	return outcome == NULL || strcmp(outcome, "ok") == 0 ? json_str(run, "state", "") : outcome;
}

static void run_row(struct strbuf *out, const json_t *run)
{
	const char *job = json_str(run, "job", NULL), *began = json_str(run, "started_at", NULL);

	html(out, "<tr><td class=\"num\"><a href=\"/runs/%i\">%i</a></td><td>", json_int(run, "id", 0),
	    json_int(run, "id", 0));
	part_state(out, run_word(run));
	html(out, "</td><td class=\"opt\">%s%r</td><td>",
	    job ? job : json_string_value(json_array_get(json_object_get(run, "assets"), 0)),
	    json_bool(run, "dry_run", false) ? " <span class=\"dim\">(dry run)</span>" : "");
	part_partition_link(out, json_str(run, "partition", ""));
	html(out, "</td><td>");
	part_time(out, began ? began : json_str(run, "created_at", NULL));
	html(out, "</td><td class=\"num\">");
	if (began != NULL)
		part_span(out, began, json_str(run, "ended_at", NULL));
	html(out, "</td><td class=\"wide\">");
	if (json_is_object(json_object_get(run, "error")))
		part_error(out, json_object_get(run, "error"));
	else
		html(
		    out, "%s", json_str(run, "wait_reason", json_str(run, "why", json_str(run, "origin", ""))));
	html(out, "</td></tr>\n");
}

void grid_runs(struct strbuf *out, const json_t *runs)
{
	const json_t *run;
	size_t i;

	if (json_array_size(runs) == 0) {
		html(out, "<p class=\"empty\">No runs.</p>");
		return;
	}
	grid_begin(out, "Runs, newest first", "#Run|State|-What|Partition|Began (UTC)|#Took|Why");
	json_array_foreach(runs, i, run) run_row(out, run);
	grid_end(out);
}

static void key_row(struct strbuf *out, const json_t *key)
{
	html(out, "<tr><td><a href=\"/partition/");
	part_path(out, json_str(key, "key", ""));
	html(out, "\"><code>%s</code></a></td><td>", json_str(key, "key", ""));
	part_state(out, json_str(key, "verdict", ""));
	html(out, "</td><td class=\"num\">");
	if (json_int(key, "expected", 0) > 0)
		html(out, "%i of %i", json_int(key, "present", 0), json_int(key, "expected", 0));
	html(out, "</td><td class=\"num\">");
	part_bytes(out, json_int(key, "bytes", 0));
	html(out, "</td><td class=\"opt\">");
	part_time(out, json_str(key, "newest", NULL));
	html(out, "</td><td class=\"wide\">%s%r</td><td>", json_str(key, "reason", ""),
	    json_str(key, "gone_at", NULL) ? " <span class=\"dim\">(left the store)</span>" : "");
	if (json_int(key, "run", 0) > 0)
		part_run_link(out, json_int(key, "run", 0));
	html(out, "</td></tr>\n");
}

void grid_keys(struct strbuf *out, const json_t *keys)
{
	const json_t *key;
	size_t i;

	if (json_array_size(keys) == 0) {
		html(out, "<p class=\"empty\">No keys.</p>");
		return;
	}
	grid_begin(
	    out, "Keys and what was decided about each", "Key|Verdict|#Pieces|#Size|-Newest (UTC)|Reason|Run");
	json_array_foreach(keys, i, key) key_row(out, key);
	grid_end(out);
}

static void step_row(struct page *p, const json_t *step)
{
	struct strbuf *out = &p->body;
	const char *state = json_str(step, "state", ""), *reason = json_str(step, "wait_reason", NULL),
	           *pool = json_str(step, "pool", NULL);

	html(out, "<tr><td class=\"num\"><a href=\"/runs/%i\">%i</a></td><td>", json_int(step, "run", 0),
	    json_int(step, "run", 0));
	part_state(out, state);
	html(out, "</td><td>");
	part_asset_link(out, json_str(step, "asset", ""));
	html(out, "</td><td>");
	part_partition_link(out, json_str(step, "partition", ""));
	html(out, "</td><td class=\"num\">");
	if (strcmp(state, "running") == 0)
		part_span(out, json_str(step, "started_at", NULL), NULL);
	html(out, "</td><td class=\"wide\">");
	if (strcmp(state, "running") == 0)
		part_progress(out, json_int(step, "run", 0), step);
	if (json_str(step, "not_before", NULL) != NULL && strcmp(state, "retrying") == 0) {
		html(out, "tried %i times, again ", json_int(step, "attempt", 0));
		part_ago(p, json_str(step, "not_before", NULL));
		html(out, " ");
		part_error(out, json_object_get(step, "error"));
	}
	if (reason != NULL)
		html(out, "%s%r%s%r", reason, pool ? " (" : "", pool ? pool : "", pool ? ")" : "");
	html(out, "</td></tr>\n");
}

void grid_steps(struct page *p, const json_t *steps)
{
	const json_t *step;
	size_t i;

	grid_begin(
	    &p->body, "Steps of active runs", "#Run|State|Step|Partition|#For|Progress, or what it waits for");
	json_array_foreach(steps, i, step) step_row(p, step);
	grid_end(&p->body);
}
