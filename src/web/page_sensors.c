/* Sensors, and one of them: its ticks as a strip, its keys with what was decided about each. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"

#include <string.h>

#define KEYS_SHOWN 200

/* One bar for each row of ticks, oldest left: wide for many equal ones, low for those that found nothing. */
void sensor_strip(struct page *p, const json_t *ticks)
{
	size_t n = json_array_size(ticks);

	if (n == 0)
		return;
	html(&p->body,
	    "<svg class=\"strip\" viewBox=\"0 0 %d 30\" preserveAspectRatio=\"xMinYMid\" role=\"img\" "
	    "aria-label=\"The last "
	    "%d kinds of ticks, oldest first\"><line class=\"rule\" x1=\"0\" x2=\"%d\" y1=\"28\" y2=\"28\"/>",
	    SENSOR_TICKS_SHOWN * 12, (int)n, SENSOR_TICKS_SHOWN * 12);
	for (size_t i = 0; i < n; i++) {
		const json_t *t = json_array_get(ticks, n - 1 - i);
		const char *outcome = json_str(t, "outcome", "");
		bool many = json_int(t, "n", 1) > 1;
		int height = strcmp(outcome, "skipped") == 0 ? 10 : 24;

		html(&p->body,
		    "<rect class=\"bar %r\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"><title>%s "
		    "%s, %i tick%s: %s</title></rect>",
		    part_tone(outcome), (int)i * 12, 27 - height, many ? 11 : 7, height,
		    json_str(t, "last_at", ""), outcome, json_int(t, "n", 1), many ? "s" : "",
		    json_str(t, "reason", ""));
	}
	html(&p->body, "</svg>");
}

static void moment(struct page *p, const char *name, const char *iso)
{
	html(&p->body, "<dt>%s</dt><dd>", name);
	part_time(&p->body, iso);
	if (iso != NULL) {
		html(&p->body, " UTC, ");
		part_ago(p, iso);
	}
	html(&p->body, "</dd>");
}

static void lead(struct page *p, const json_t *s, int64_t late)
{
	const json_t *last = json_object_get(s, "last");
	const char *paused = json_str(s, "paused", NULL), *reason = json_str(last, "reason", NULL);

	html(&p->body, "<p class=\"lead told\">");
	part_state(&p->body, paused ? "paused" : late ? "late" : json_str(last, "outcome", "waiting"));
	if (paused != NULL)
		html(&p->body, "by %s", paused);
	else if (late > 0) {
		html(&p->body, "by ");
		part_ms(&p->body, late);
	} else if (strcmp(json_str(last, "outcome", ""), "failed") == 0)
		html(&p->body, "<span class=\"err\">%s</span>", reason ? reason : "");
	else if (reason != NULL)
		html(&p->body, "<span class=\"dim\" title=\"%s\">%s</span>", reason, reason);
	html(&p->body, "</p>\n");
}

void sensor_facts(struct page *p, const json_t *s)
{
	const json_t *schedule = json_object_get(s, "schedule");
	const char *job = json_str(s, "job", "");

	lead(p, s, sensor_late_ms(s, p->web->conf, clock_now()));
	html(&p->body, "<dl>");
	if (json_str(s, "description", "")[0] != '\0')
		html(&p->body, "<dt>%s</dt><dd>%s</dd>", json_is_object(schedule) ? "What for" : "Looks for",
		    json_str(s, "description", ""));
	html(&p->body, "<dt>Type</dt><dd>%s, asks for <a href=\"/runs?job=%u\">%s</a></dd><dt>%s</dt><dd>",
	    json_str(s, "type", ""), job, job, json_is_object(schedule) ? "Times" : "Looks every");
	if (json_is_object(schedule))
		html(&p->body, "<code>%s</code>", json_str(schedule, "text", ""));
	else
		part_ms(&p->body, json_int(s, "every_ms", 0));
	html(&p->body, "</dd>");
	moment(p, "Last tick", json_str(s, "last_tick_at", NULL));
	if (strcmp(json_str(s, "last_ok_at", ""), json_str(s, "last_tick_at", "")) != 0)
		moment(p, "Last good tick", json_str(s, "last_ok_at", NULL));
	if (json_str(s, "paused", NULL) == NULL)
		moment(p, "Next tick", json_str(s, "next_tick_at", NULL));
	if (json_str(s, "cursor", "")[0] != '\0' && !json_is_object(schedule))
		html(&p->body, "<dt>Cursor</dt><dd><code>%s</code></dd>", json_str(s, "cursor", ""));
	html(&p->body, "</dl>\n");
}

/* Links to its keys by verdict; shown: the one that is shown, NULL for all. */
static void key_choices(struct page *p, const json_t *s, const char *shown, bool all)
{
	const char *name = json_str(s, "name", ""), *verdict;
	const json_t *n;

	html(&p->body, "<p class=\"choices\">");
	if (all)
		html(&p->body, "<a href=\"/sensors/%u\"%r>all that are there</a> ", name,
		    shown == NULL ? " aria-current=\"true\"" : "");
	json_object_foreach((json_t *)json_object_get(s, "keys"), verdict, n)
	{
		html(&p->body, "<a href=\"/sensors/%u?verdict=%u\"%r>%i ", name, verdict,
		    shown != NULL && strcmp(shown, verdict) == 0 ? " aria-current=\"true\"" : "",
		    (int64_t)json_integer_value(n));
		part_state(&p->body, verdict);
		html(&p->body, "</a> ");
	}
	if (all)
		html(&p->body, "<a href=\"/sensors/%u?verdict=gone\"%r>those that left</a>", name,
		    shown != NULL && strcmp(shown, "gone") == 0 ? " aria-current=\"true\"" : "");
	html(&p->body, "</p>\n");
}

void page_sensors(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_sensors(&p->web->query, &err);
	const json_t *s;
	size_t i, shown = 0;

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Sensors", "/sensors");
	json_array_foreach(json_object_get(obj, "sensors"), i, s)
	{
		json_t *ticks;

		if (json_is_object(json_object_get(s, "schedule")))
			continue; /* has a page of its own */
		shown++;
		ticks = query_ticks(&p->web->query, json_str(s, "name", ""), SENSOR_TICKS_SHOWN, &err);

		html(&p->body, "<section><h2><a href=\"/sensors/%u\">%s</a></h2>", json_str(s, "name", ""),
		    json_str(s, "name", ""));
		sensor_strip(p, json_object_get(ticks, "ticks"));
		sensor_facts(p, s);
		key_choices(p, s, NULL, false);
		html(&p->body, "</section>\n");
		json_decref(ticks);
	}
	if (shown == 0)
		html(&p->body, "<p class=\"empty\">The configuration has no sensors.</p>");
	layout_end(p);
	json_decref(obj);
}

static void ticks_table(struct page *p, const json_t *ticks)
{
	const json_t *t;
	size_t i;

	grid_begin(&p->body, "Ticks, newest first; equal ones in a row are one line",
	    "From (UTC)|To (UTC)|#Ticks|Outcome|#-Runs asked for|#-Took|Reason");
	json_array_foreach(ticks, i, t)
	{
		html(&p->body, "<tr><td>");
		part_time(&p->body, json_str(t, "first_at", NULL));
		html(&p->body, "</td><td>");
		part_time(&p->body, json_str(t, "last_at", NULL));
		html(&p->body, "</td><td class=\"num\">%i \xc3\x97</td><td>", json_int(t, "n", 0));
		part_state(&p->body, json_str(t, "outcome", ""));
		html(&p->body, "</td><td class=\"num opt\">%i</td><td class=\"num opt\">",
		    json_int(t, "requested", 0));
		part_ms(&p->body, json_int(t, "duration_ms", 0));
		html(&p->body,
		    "</td><td class=\"wide\"><span class=\"told\" title=\"%s\">%s</span></td></tr>\n",
		    json_str(t, "reason", ""), json_str(t, "reason", ""));
	}
	grid_end(&p->body);
}

static const json_t *find_sensor(const json_t *obj, const char *name)
{
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(obj, "sensors"), i, s)
	{
		if (strcmp(json_str(s, "name", ""), name) == 0)
			return s;
	}
	return NULL;
}

static void keys_section(struct page *p, const json_t *sensor, const json_t *keys)
{
	const char *name = json_str(sensor, "name", ""), *verdict = page_param(p, "verdict");

	html(&p->body, "<section><h2>Keys</h2>");
	key_choices(p, sensor, verdict, true);
	grid_keys(&p->body, json_object_get(keys, "keys"));
	if (json_str(keys, "next", NULL) != NULL)
		html(&p->body,
		    "<p class=\"pager\"><a rel=\"next\" href=\"/sensors/%u?verdict=%u&amp;after=%u\">More "
		    "keys</a></p>",
		    name, verdict ? verdict : "", json_str(keys, "next", ""));
	html(&p->body, "</section>\n");
}

void page_sensor(struct page *p)
{
	const char *name = p->arg[0], *verdict = page_param(p, "verdict");
	const json_t *sensor;
	bool calendar;
	struct err err = ERR_INIT;
	json_t *obj = query_sensors(&p->web->query, &err), *ticks = NULL, *keys = NULL;

	if (obj == NULL || (ticks = query_ticks(&p->web->query, name, SENSOR_TICKS_SHOWN, &err)) == NULL ||
	    (keys = query_keys(&p->web->query, name, verdict, page_param(p, "after"), KEYS_SHOWN, &err)) ==
	        NULL) {
		layout_error(p, &err);
		goto out;
	}
	sensor = find_sensor(obj, name);
	calendar = json_is_object(json_object_get(sensor, "schedule"));
	layout_begin(p, name, calendar ? "/schedules" : "/sensors");
	sensor_strip(p, json_object_get(ticks, "ticks"));
	sensor_facts(p, sensor);
	if (calendar)
		schedule_times(p, name);
	else
		keys_section(p, sensor, keys);
	html(&p->body, "<section><h2>Ticks</h2>");
	ticks_table(p, json_object_get(ticks, "ticks"));
	html(&p->body, "</section>\n");
	layout_end(p);
out:
	json_decref(obj);
	json_decref(ticks);
	json_decref(keys);
}
