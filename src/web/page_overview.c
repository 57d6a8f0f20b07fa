/* The first page: is everything well, and if not, what is not. */
#include "config.h"

#include "web/web_priv.h"

#include "conf/conf.h"
#include "engine/engine.h"

#include <string.h>

#define RUNS_SHOWN 12

static void problems(struct page *p, const struct verdict *v)
{
	const json_t *text;
	size_t i;

	html(&p->body, "<p class=\"verdict %r\" role=\"status\"><b aria-hidden=\"true\">%r</b> ",
	    part_tone(v->state), part_shape(v->state));
	if (json_array_size(v->problems) == 0)
		html(&p->body, "All is well: %r.",
		    v->sensors == 0   ? "there is no sensor, runs are asked for by people"
		    : v->sensors == 1 ? "the sensor is on time and nothing failed in the last day"
		                      : "all sensors are on time and nothing failed in the last day");
	else
		html(&p->body, "%s", json_string_value(json_array_get(v->problems, 0)));
	html(&p->body, "</p>\n");
	if (json_array_size(v->problems) < 2)
		return;
	html(&p->body, "<ul class=\"problems\">");
	json_array_foreach(v->problems, i, text)
	{
		if (i > 0)
			html(&p->body, "<li>%s</li>", json_string_value(text));
	}
	html(&p->body, "</ul>\n");
}

static void figure(struct page *p, const char *name, const char *href, int64_t n)
{
	html(&p->body, "<a class=\"figure\" href=\"%s\"><b>%i</b> %s</a>", href, n, name);
}

static void figures(struct page *p, const json_t *status)
{
	const json_t *runs = json_object_get(status, "runs");

	html(&p->body, "<div class=\"figures\">");
	figure(p, "running", "/queue", json_int(runs, "running", 0));
	figure(p, "queued", "/queue", json_int(runs, "queued", 0));
	figure(p, "failed in a day", "/runs?state=failed", json_int(status, "failed_last_day", 0));
	figure(p, "on hold", "/deletions", (int64_t)json_array_size(json_object_get(status, "holds")));
	html(&p->body, "</div>\n");
}

static void sensor_row(struct page *p, const json_t *s)
{
	const json_t *last = json_object_get(s, "last"), *keys = json_object_get(s, "keys"), *n;
	const char *verdict,
	    *state = json_str(s, "paused", NULL) ? "paused" : json_str(last, "outcome", "waiting");

	html(&p->body, "<tr><td><a href=\"/sensors/%u\">%s</a></td><td>", json_str(s, "name", ""),
	    json_str(s, "name", ""));
	part_state(&p->body, state);
	html(&p->body, "</td><td>");
	part_time(&p->body, json_str(s, "last_tick_at", NULL));
	html(&p->body, "</td><td>");
	part_time(&p->body, json_str(s, "next_tick_at", NULL));
	html(&p->body, "</td><td>");
	json_object_foreach((json_t *)keys, verdict, n)
	{
		html(&p->body, "%i ", (int64_t)json_integer_value(n));
		part_state(&p->body, verdict);
		html(&p->body, " ");
	}
	html(&p->body, "</td></tr>\n");
}

static void sensors(struct page *p, const json_t *list)
{
	const json_t *s;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	html(&p->body, "<section><h2>Sensors</h2><div "
	               "class=\"scroll\"><table><thead><tr><th>Sensor</th><th>Last tick</th><th>At (UTC)</th>"
	               "<th>Next (UTC)</th><th>Keys</th></tr></thead><tbody>\n");
	json_array_foreach(list, i, s) sensor_row(p, s);
	html(&p->body, "</tbody></table></div></section>\n");
}

static void about(struct page *p, const json_t *status)
{
	html(&p->body, "<section><h2>This daemon</h2><dl><dt>Up since (UTC)</dt><dd>");
	part_time(&p->body, json_str(status, "started_at", NULL));
	html(&p->body, "</dd><dt>Configuration</dt><dd><code>%s</code></dd><dt>State database</dt><dd>",
	    json_str(status, "config_file", ""));
	part_bytes(&p->body, json_int(status, "state_bytes", 0));
	html(&p->body, "</dd><dt>Steps running</dt><dd>%i</dd></dl></section>\n",
	    json_int(status, "steps_running", 0));
}

void page_overview(struct page *p)
{
	struct run_filter newest = {.limit = RUNS_SHOWN};
	struct err err = ERR_INIT;
	json_t *status = query_status(&p->web->query, &err), *runs;
	struct verdict v;

	if (status == NULL || (runs = query_runs(&p->web->query, &newest, &err)) == NULL) {
		json_decref(status);
		layout_error(p, &err);
		return;
	}
	verdict_of(p->web, status, &v);
	layout_begin(p, "Overview", "/");
	problems(p, &v);
	figures(p, status);
	html(&p->body, "<section><h2>Newest runs</h2>");
	part_runs(&p->body, json_object_get(runs, "runs"));
	html(&p->body, "<p><a href=\"/runs\">All runs</a></p></section>\n");
	sensors(p, json_object_get(status, "sensors"));
	if (!p->web->copy)
		about(p, status);
	layout_end(p);
	verdict_release(&v);
	json_decref(status);
	json_decref(runs);
}
