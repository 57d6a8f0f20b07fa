/* The matrix of nights, and what is known of one partition. */
#include "config.h"

#include "web/web_priv.h"

#include <stdio.h>
#include <string.h>

#define DAYS_SHOWN 21

static void legend(struct page *p)
{
	static const char *const words[] = {"ok", "warnings", "failed", "no_data", "running", "queued",
	    "complete", "pending", "stale", "invalid"};

	html(&p->body, "<p class=\"legend\"><span>\xc2\xb7 no upload</span> ");
	for (size_t i = 0; i < NITEMS(words); i++) {
		part_state(&p->body, words[i]);
		html(&p->body, " ");
	}
	html(&p->body, "<span>raw data: <b>D</b> deleted, <b>H</b> held, <b>K</b> kept</span></p>\n");
}

static void day_heading(struct page *p, const char *date, const char *before)
{
	/* The month where it changes, the day always; the whole date for those who listen. */
	bool month = before == NULL || strncmp(date, before, 6) != 0;

	html(&p->body, "<th scope=\"col\" title=\"%s\"><span class=\"month\">", date);
	if (month) {
		html_text_n(&p->body, date, 4);
		html(&p->body, "-");
		html_text_n(&p->body, date + 4, 2);
	}
	html(&p->body, "</span><span>%s</span></th>", date + 6);
}

static void cell(struct page *p, const char *row, const char *date, const json_t *c)
{
	const char *state = json_str(c, "state", NULL), *raw = json_str(c, "raw", NULL),
	           *text = json_str(c, "text", NULL);
	const char *partition = json_str(c, "partition", NULL);

	if (state == NULL) {
		html(&p->body,
		    "<td class=\"cell\"><span class=\"none\" title=\"%s %s: no upload\">\xc2\xb7<span "
		    "class=\"hear\">no upload</span></span></td>",
		    row, date);
		return;
	}
	html(&p->body, "<td class=\"cell\"><%r class=\"%r\" title=\"%s %s: %s%r%s%r%s\"",
	    partition ? "a" : "span", part_tone(state), row, date, part_word(state), text ? ", " : "",
	    text ? text : "", raw ? ", raw data " : "", raw ? raw : "");
	if (partition != NULL) {
		html(&p->body, " href=\"/partition/");
		part_path(&p->body, partition);
		html(&p->body, "\"");
	}
	html(&p->body, "><b aria-hidden=\"true\">%r</b><span class=\"hear\">%s %s %s</span>", part_shape(state),
	    part_word(state), text ? text : "", raw ? raw : "");
	if (raw != NULL)
		html(&p->body, "<i aria-hidden=\"true\">%r</i>",
		    raw[0] == 'd'   ? "D"
		    : raw[0] == 'h' ? "H"
		                    : "K");
	html(&p->body, "</%r></td>", partition ? "a" : "span");
}

static void matrix(struct page *p, const json_t *obj)
{
	const json_t *dates = json_object_get(obj, "dates"), *row, *date;
	const char *before = NULL;
	size_t i, k;

	html(
	    &p->body, "<div class=\"scroll\"><table class=\"matrix\"><thead><tr><th scope=\"col\">Nights</th>");
	json_array_foreach(dates, i, date)
	{
		day_heading(p, json_string_value(date), before);
		before = json_string_value(date);
	}
	html(&p->body, "</tr></thead><tbody>\n");
	json_array_foreach(json_object_get(obj, "rows"), i, row)
	{
		html(&p->body, "<tr><th scope=\"row\">%s</th>", json_str(row, "name", ""));
		json_array_foreach(dates, k, date) cell(p, json_str(row, "name", ""), json_string_value(date),
		    json_object_get(json_object_get(row, "cells"), json_string_value(date)));
		html(&p->body, "</tr>\n");
	}
	html(&p->body, "</tbody></table></div>\n");
}

void page_nights(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = nights_matrix(&p->web->query, page_param(p, "until"), DAYS_SHOWN, &err);

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Nights", "/nights");
	if (json_array_size(json_object_get(obj, "rows")) == 0) {
		html(&p->body, "<p class=\"empty\">Nothing dated has come in yet.</p>");
	} else {
		matrix(p, obj);
		html(&p->body, "<p class=\"pager\"><a href=\"/nights\">Newest</a>");
		if (json_str(obj, "earlier", NULL) != NULL)
			html(&p->body, " <a rel=\"next\" href=\"/nights?until=%u\">Earlier nights</a>",
			    json_str(obj, "earlier", ""));
		html(&p->body, "</p>");
		legend(p);
	}
	layout_end(p);
	json_decref(obj);
}

/* ---- one partition ---- */

static void holds(struct page *p, const json_t *list)
{
	const json_t *hold;
	size_t i;

	json_array_foreach(list, i, hold)
	{
		html(&p->body, "<p class=\"verdict warn\"><b aria-hidden=\"true\">%r</b> ", part_shape("held"));
		html(&p->body, "%s is held by %s: %s</p>\n", json_str(hold, "partition", ""),
		    json_str(hold, "who", ""), json_str(hold, "reason", ""));
	}
}

void page_partition(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_why(&p->web->query, p->arg[0], &err);
	const json_t *line;
	size_t i;

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, p->arg[0], "/nights");
	holds(p, json_object_get(obj, "holds"));
	html(&p->body, "<section><h2>Its story</h2><ol class=\"story\">");
	json_array_foreach(json_object_get(obj, "lines"), i, line)
	    html(&p->body, "<li>%s</li>", json_string_value(line));
	html(&p->body, "</ol></section>\n<section><h2>Runs</h2>");
	part_runs(&p->body, json_object_get(obj, "runs"));
	html(&p->body, "</section>\n");
	if (json_array_size(json_object_get(obj, "keys")) > 0) {
		html(&p->body, "<section><h2>What came in</h2>");
		part_keys(&p->body, json_object_get(obj, "keys"));
		html(&p->body, "</section>\n");
	}
	html(&p->body,
	    "<section><h2>Do something about it</h2><dl><dt>Run it again</dt><dd><code>orchctl materialize '*' "
	    "--partition '%s'</code></dd>"
	    "<dt>Keep the raw data</dt><dd><code>orchctl hold '%s'</code></dd></dl></section>\n",
	    p->arg[0], p->arg[0]);
	layout_end(p);
	json_decref(obj);
}
