/* Sensors, and one of them: its ticks as a strip, its keys with what was decided about each. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"

#include <string.h>

#define TICKS_SHOWN 60
#define KEYS_SHOWN  200

static void strip(struct page *p, const json_t *ticks)
{
	size_t n = json_array_size(ticks);

	html(&p->body,
	    "<svg class=\"strip\" viewBox=\"0 0 %d 30\" role=\"img\" aria-label=\"The last %d kinds of ticks, "
	    "oldest first\">",
	    TICKS_SHOWN * 12, (int)n);
	for (size_t i = 0; i < n; i++) {
		const json_t *t = json_array_get(ticks, n - 1 - i);
		const char *outcome = json_str(t, "outcome", "");
		bool many = json_int(t, "n", 1) > 1;
		int height = strcmp(outcome, "skipped") == 0 ? 10 : 24;

		html(&p->body,
		    "<rect class=\"bar %r\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"><title>%s "
		    "%s, %i ticks: %s</title></rect>",
		    part_tone(outcome), (int)i * 12, 27 - height, many ? 11 : 7, height,
		    json_str(t, "last_at", ""), outcome, json_int(t, "n", 1), json_str(t, "reason", ""));
	}
	html(&p->body, "</svg>");
}

static void facts(struct page *p, const json_t *s)
{
	int64_t late = sensor_late_ms(s, p->web->conf, clock_now());

	html(&p->body, "<p class=\"lead\">");
	part_state(&p->body, json_str(s, "paused", NULL) ? "paused"
	                     : late                      ? "late"
	                            : json_str(json_object_get(s, "last"), "outcome", "waiting"));
	html(&p->body, " %s</p><dl><dt>Type</dt><dd>%s</dd><dt>Asks for</dt><dd>%s</dd><dt>Every</dt><dd>",
	    json_str(s, "description", ""), json_str(s, "type", ""), json_str(s, "job", "-"));
	part_ms(&p->body, json_int(s, "every_ms", 0));
	html(&p->body, "</dd><dt>Last tick (UTC)</dt><dd>");
	part_time(&p->body, json_str(s, "last_tick_at", NULL));
	html(&p->body, "</dd><dt>Last good tick (UTC)</dt><dd>");
	part_time(&p->body, json_str(s, "last_ok_at", NULL));
	html(&p->body, "</dd><dt>Next tick (UTC)</dt><dd>");
	part_time(&p->body, json_str(s, "next_tick_at", NULL));
	if (json_str(s, "paused", NULL) != NULL)
		html(&p->body, "</dd><dt>Paused by</dt><dd>%s", json_str(s, "paused", ""));
	if (json_str(s, "cursor", "")[0] != '\0')
		html(&p->body, "</dd><dt>Cursor</dt><dd><code>%s</code>", json_str(s, "cursor", ""));
	html(&p->body, "</dd></dl>\n");
}

static void key_counts(struct page *p, const json_t *s)
{
	const json_t *n;
	const char *verdict;

	html(&p->body, "<p>");
	json_object_foreach((json_t *)json_object_get(s, "keys"), verdict, n)
	{
		html(&p->body, "<a href=\"/sensors/%u?verdict=%u\">%i ", json_str(s, "name", ""), verdict,
		    (int64_t)json_integer_value(n));
		part_state(&p->body, verdict);
		html(&p->body, "</a> ");
	}
	html(&p->body, "</p>\n");
}

void page_sensors(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_sensors(&p->web->query, &err);
	const json_t *s;
	size_t i;

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Sensors", "/sensors");
	if (json_array_size(json_object_get(obj, "sensors")) == 0)
		html(&p->body, "<p class=\"empty\">The configuration has no sensors.</p>");
	json_array_foreach(json_object_get(obj, "sensors"), i, s)
	{
		json_t *ticks = query_ticks(&p->web->query, json_str(s, "name", ""), TICKS_SHOWN, &err);

		html(&p->body, "<section><h2><a href=\"/sensors/%u\">%s</a></h2>", json_str(s, "name", ""),
		    json_str(s, "name", ""));
		strip(p, json_object_get(ticks, "ticks"));
		facts(p, s);
		key_counts(p, s);
		html(&p->body, "</section>\n");
		json_decref(ticks);
	}
	layout_end(p);
	json_decref(obj);
}

static void ticks_table(struct page *p, const json_t *ticks)
{
	const json_t *t;
	size_t i;

	html(&p->body, "<div class=\"scroll\"><table><thead><tr><th>From (UTC)</th><th>To (UTC)</th><th "
	               "class=\"num\">Ticks</th><th>Outcome</th>"
	               "<th class=\"num\">Runs asked for</th><th "
	               "class=\"num\">Took</th><th>Reason</th></tr></thead><tbody>\n");
	json_array_foreach(ticks, i, t)
	{
		html(&p->body, "<tr><td>");
		part_time(&p->body, json_str(t, "first_at", NULL));
		html(&p->body, "</td><td>");
		part_time(&p->body, json_str(t, "last_at", NULL));
		html(&p->body, "</td><td class=\"num\">%i</td><td>", json_int(t, "n", 0));
		part_state(&p->body, json_str(t, "outcome", ""));
		html(&p->body, "</td><td class=\"num\">%i</td><td class=\"num\">", json_int(t, "requested", 0));
		part_ms(&p->body, json_int(t, "duration_ms", 0));
		html(&p->body, "</td><td class=\"wide\">%s</td></tr>\n", json_str(t, "reason", ""));
	}
	html(&p->body, "</tbody></table></div>");
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

void page_sensor(struct page *p)
{
	const char *name = p->arg[0], *verdict = page_param(p, "verdict");
	struct err err = ERR_INIT;
	json_t *obj = query_sensors(&p->web->query, &err), *ticks = NULL, *keys = NULL;

	if (obj == NULL || (ticks = query_ticks(&p->web->query, name, TICKS_SHOWN, &err)) == NULL ||
	    (keys = query_keys(&p->web->query, name, verdict, page_param(p, "after"), KEYS_SHOWN, &err)) ==
	        NULL) {
		layout_error(p, &err);
		goto out;
	}
	layout_begin(p, name, "/sensors");
	strip(p, json_object_get(ticks, "ticks"));
	facts(p, find_sensor(obj, name));
	html(&p->body,
	    "<section><h2>Keys</h2><p class=\"pager\"><a href=\"/sensors/%u\">those that are there</a> "
	    "<a href=\"/sensors/%u?verdict=gone\">those that left</a></p>",
	    name, name);
	key_counts(p, find_sensor(obj, name));
	part_keys(&p->body, json_object_get(keys, "keys"));
	if (json_str(keys, "next", NULL) != NULL)
		html(&p->body,
		    "<p class=\"pager\"><a rel=\"next\" href=\"/sensors/%u?verdict=%u&amp;after=%u\">More "
		    "keys</a></p>",
		    name, verdict ? verdict : "", json_str(keys, "next", ""));
	html(&p->body, "</section>\n<section><h2>Ticks</h2>");
	ticks_table(p, json_object_get(ticks, "ticks"));
	html(&p->body, "</section>\n");
	layout_end(p);
out:
	json_decref(obj);
	json_decref(ticks);
	json_decref(keys);
}
