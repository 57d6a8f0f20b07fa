/* Schedules: what each asks for, what came of its times, and when it is next. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

#define TIMES_SHOWN 5

static void times_table(struct page *p, const json_t *times)
{
	const json_t *t;
	size_t i;

	grid_begin(&p->body, "Its next times", "At (UTC)|On its wall clock|In");
	json_array_foreach(times, i, t)
	{
		const char *at = json_str(t, "at", NULL);

		html(&p->body, "<tr><td>");
		part_time(&p->body, at);
		html(&p->body, "</td><td>%s%r</td><td>", json_str(t, "local", ""),
		    json_bool(t, "clock_changed", false) ? ", the clock has changed" : "");
		part_ago(p, at);
		html(&p->body, "</td></tr>\n");
	}
	grid_end(&p->body);
}

void schedule_times(struct page *p, const char *name)
{
	json_t *obj = query_schedules(&p->web->query, TIMES_SHOWN, NULL);
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(obj, "schedules"), i, s)
	{
		if (strcmp(json_str(s, "name", ""), name) != 0 || json_str(s, "paused", NULL) != NULL)
			continue;
		html(&p->body, "<section><h2>Next times</h2>");
		times_table(p, json_object_get(json_object_get(s, "schedule"), "next"));
		html(&p->body, "</section>\n");
	}
	json_decref(obj);
}

static void schedule(struct page *p, const json_t *s)
{
	const char *name = json_str(s, "name", "");
	const json_t *calendar = json_object_get(s, "schedule");
	struct err err = ERR_INIT;
	json_t *ticks = query_ticks(&p->web->query, name, SENSOR_TICKS_SHOWN, &err);

	html(&p->body, "<section><h2><a href=\"/sensors/%u\">%s</a></h2>", name, name);
	sensor_strip(p, json_object_get(ticks, "ticks"));
	sensor_facts(p, s);
	if (json_str(s, "paused", NULL) == NULL)
		times_table(p, json_object_get(calendar, "next"));
	html(&p->body, "</section>\n");
	json_decref(ticks);
}

void page_schedules(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_schedules(&p->web->query, TIMES_SHOWN, &err);
	const json_t *s;
	size_t i;

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Schedules", "/schedules");
	if (json_array_size(json_object_get(obj, "schedules")) == 0)
		html(&p->body, "<p class=\"empty\">The configuration has no schedules: sensors of type "
		               "<code>cron</code>.</p>");
	json_array_foreach(json_object_get(obj, "schedules"), i, s) schedule(p, s);
	layout_end(p);
	json_decref(obj);
}
