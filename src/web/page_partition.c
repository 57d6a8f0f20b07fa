/* What is known of one partition, or of one key that a sensor saw: pictures first, then its assets, its story, its runs. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

static void holds(struct page *p, const json_t *list)
{
	const json_t *hold;
	size_t i;

	json_array_foreach(list, i, hold)
	{
		html(&p->body,
		    "<p class=\"verdict warn\"><b aria-hidden=\"true\">%r</b> %s is held by %s since ",
		    part_shape("held"), json_str(hold, "partition", ""), json_str(hold, "who", ""));
		part_time(&p->body, json_str(hold, "at", NULL));
		html(&p->body, " UTC");
		part_local(p, json_str(hold, "at", NULL), p->arg[0]);
		html(&p->body, ": %s</p>\n", json_str(hold, "reason", "no reason given"));
	}
}

static void moment(struct page *p, const char *at)
{
	html(&p->body, ", ");
	part_time(&p->body, at);
	html(&p->body, " UTC");
	part_local(p, at, p->arg[0]);
	if (p->web->copy)
		return;
	html(&p->body, ", ");
	part_ago(p, at);
}

/* What the newest run says, in one line: the answer to "what about this night?". */
static void lead(struct page *p, const json_t *obj)
{
	const json_t *runs = json_object_get(obj, "runs"),
	             *run = json_array_get(runs, json_array_size(runs) - 1),
	             *key = json_array_get(json_object_get(obj, "keys"), 0);

	html(&p->body, "<p class=\"lead\">");
	if (run != NULL) {
		part_state(&p->body, json_str(run, "outcome", json_str(run, "state", "")));
		html(&p->body, " by ");
		part_run_link(&p->body, json_int(run, "id", 0));
		moment(p,
		    json_str(run, "ended_at", json_str(run, "started_at", json_str(run, "created_at", NULL))));
		if (json_is_object(json_object_get(run, "error"))) {
			html(&p->body, ": ");
			part_error(&p->body, json_object_get(run, "error"));
		} else if (json_str(run, "wait_reason", NULL) != NULL) {
			html(&p->body, ", waits: %s", json_str(run, "wait_reason", ""));
		}
	} else if (key != NULL) {
		part_state(&p->body, json_str(key, "verdict", ""));
		html(&p->body, " %s", json_str(key, "reason", ""));
	}
	html(&p->body, "</p>\n");
}

static void assets(struct page *p, const json_t *list)
{
	const json_t *a;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	html(&p->body, "<section><h2>What was made</h2>");
	grid_begin(&p->body, "Assets of this partition", "Asset|Outcome|Made (UTC)|Run|Up to date");
	json_array_foreach(list, i, a)
	{
		html(&p->body, "<tr><td>");
		part_asset_link(&p->body, json_str(a, "name", ""));
		html(&p->body, "</td><td>");
		if (json_str(a, "outcome", NULL) != NULL)
			part_state(&p->body, json_str(a, "outcome", ""));
		html(&p->body, "</td><td>");
		part_time(&p->body, json_str(a, "at", NULL));
		part_local(p, json_str(a, "at", NULL), p->arg[0]);
		html(&p->body, "</td><td>");
		if (json_int(a, "run", 0) > 0)
			part_run_link(&p->body, json_int(a, "run", 0));
		html(&p->body, "</td><td class=\"wide\">");
		part_freshness(&p->body, json_object_get(a, "freshness"));
		html(&p->body, "</td></tr>\n");
	}
	grid_end(&p->body);
	html(&p->body, "</section>\n");
}

static void story(struct page *p, const json_t *lines)
{
	const json_t *line;
	size_t i;

	html(&p->body, "<section><h2>Its story (UTC)</h2><ol class=\"story\">");
	json_array_foreach(lines, i, line)
	{
		const char *text = json_string_value(line);
		size_t stamp = strspn(text, "0123456789-: ");

		/* "2026-04-08 15:00:12  what": the time in a column of its own. */
		if (stamp >= 19 && text[0] != ' ') {
			html(&p->body, "<li><time>");
			html_text_n(&p->body, text, 19);
			html(&p->body, "</time><span%r>%s</span></li>",
			    strncmp(text + 19, "    ", 4) == 0 ? " class=\"sub\"" : "",
			    text + 19 + strspn(text + 19, " "));
		} else {
			html(&p->body, "<li><time></time><span class=\"sub\">%s</span></li>",
			    text + strspn(text, " "));
		}
	}
	html(&p->body, "</ol></section>\n");
}

static void commands(struct page *p, const json_t *obj)
{
	const json_t *runs = json_object_get(obj, "runs"),
	             *newest = json_array_get(runs, json_array_size(runs) - 1);

	html(&p->body, "<section><h2>Do something about it</h2><dl>");
	if (newest != NULL) {
		html(&p->body, "<dt>Run it again</dt><dd><code>orchctl runs retry %i</code></dd>",
		    json_int(newest, "id", 0));
		if (strcmp(json_str(newest, "state", ""), "failed") == 0)
			html(&p->body,
			    "<dt>From the step that failed</dt><dd><code>orchctl runs retry %i "
			    "--from-failure</code></dd>",
			    json_int(newest, "id", 0));
		html(&p->body, "<dt>Keep the raw data</dt><dd><code>orchctl hold ");
		part_shell(&p->body, json_str(newest, "partition", ""));
		html(&p->body, "</code></dd>");
	}
	html(&p->body, "<dt>The same on a terminal</dt><dd><code>orchctl why ");
	part_shell(&p->body, p->arg[0]);
	html(&p->body, "</code></dd></dl></section>\n");
}

void page_partition(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_why(&p->web->query, p->arg[0], &err);

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, p->arg[0], "/nights");
	lead(p, obj);
	holds(p, json_object_get(obj, "holds"));
	gallery(p, partition_pictures(p->web, p->arg[0]));
	assets(p, json_object_get(obj, "assets"));
	if (json_array_size(json_object_get(obj, "keys")) > 0) {
		html(&p->body, "<section><h2>What came in</h2>");
		grid_keys(&p->body, json_object_get(obj, "keys"));
		html(&p->body, "</section>\n");
	}
	html(&p->body, "<section><h2>Runs</h2>");
	grid_runs(&p->body, json_object_get(obj, "runs"));
	html(&p->body, "</section>\n");
	story(p, json_object_get(obj, "lines"));
	commands(p, obj);
	layout_end(p);
	json_decref(obj);
}
