/* The matrix of nights: who sends them by night, and what became of each. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"

#include <string.h>

#define STUCK_SHOWN 20

static void legend(struct page *p)
{
	static const char *const words[] = {"ok", "warnings", "failed", "no_data", "running", "queued",
	    "complete", "pending", "stale", "invalid"};
	static const char *const standings[] = {"current", "late", "stuck", "quiet"};

	html(&p->body, "<p class=\"legend\"><span>\xc2\xb7 no upload</span> ");
	for (size_t i = 0; i < NITEMS(words); i++) {
		part_state(&p->body, words[i]);
		html(&p->body, " ");
	}
	html(&p->body, "<span>raw data: <b>D</b> deleted, <b>H</b> held, <b>K</b> kept</span></p>\n<p "
	               "class=\"legend\"><span>before a name:</span> ");
	for (size_t i = 0; i < NITEMS(standings); i++) {
		part_state(&p->body, standings[i]);
		html(&p->body, " ");
	}
	html(&p->body, "</p>\n");
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

/* In the corner of a cell: what is there of a night that is not complete, or what became of its raw data. */
static void corner(struct page *p, const json_t *c)
{
	const char *raw = json_str(c, "raw", NULL);
	bool pending = json_int(c, "expected", 0) > 0 && json_int(c, "present", 0) < json_int(c, "expected", 0);

	if (pending && json_str(c, "partition", NULL) == NULL)
		html(&p->body, "<i aria-hidden=\"true\">%i/%i</i>", json_int(c, "present", 0),
		    json_int(c, "expected", 0));
	else if (raw != NULL)
		html(&p->body, "<i aria-hidden=\"true\">%r</i>",
		    raw[0] == 'd'   ? "D"
		    : raw[0] == 'h' ? "H"
		                    : "K");
}

void night_cell(struct page *p, const char *row, const char *date, const json_t *c)
{
	const char *state = json_str(c, "state", NULL), *raw = json_str(c, "raw", NULL),
	           *text = json_str(c, "text", NULL);
	const char *what = json_str(c, "partition", json_str(c, "key", NULL));

	if (state == NULL) {
		html(&p->body,
		    "<td class=\"cell\"><span class=\"none\" title=\"%s %s: no upload\">\xc2\xb7<span "
		    "class=\"hear\">no upload</span></span></td>",
		    row, date);
		return;
	}
	html(&p->body, "<td class=\"cell\"><%r class=\"%r\" title=\"%s %s: %s%r%s%r%s\"", what ? "a" : "span",
	    part_tone(state), row, date, part_word(state), text ? ", " : "", text ? text : "",
	    raw ? ", raw data " : "", raw ? raw : "");
	if (what != NULL) {
		html(&p->body, " href=\"/partition/");
		part_path(&p->body, what);
		html(&p->body, "\"");
	}
	html(&p->body, "><b aria-hidden=\"true\">%r</b><span class=\"hear\">%s %s %s</span>", part_shape(state),
	    part_word(state), text ? text : "", raw ? raw : "");
	corner(p, c);
	html(&p->body, "</%r></td>", what ? "a" : "span");
}

static void matrix(struct page *p, const json_t *obj)
{
	const json_t *dates = json_object_get(obj, "dates"), *row, *date;
	const char *before = NULL;
	size_t i, k;

	html(&p->body,
	    "<div class=\"scroll\"><table class=\"matrix\"><caption class=\"hear\">Nights, newest first, by "
	    "who sends them</caption><thead><tr><th scope=\"col\">Night of</th>");
	json_array_foreach(dates, i, date)
	{
		day_heading(p, json_string_value(date), before);
		before = json_string_value(date);
	}
	html(&p->body, "</tr></thead><tbody>\n");
	json_array_foreach(json_object_get(obj, "rows"), i, row)
	{
		html(&p->body, "<tr><th scope=\"row\"><span class=\"%r\" title=\"%r\">%r</span> %s</th>",
		    part_tone(json_str(row, "standing", "")), part_word(json_str(row, "standing", "")),
		    part_shape(json_str(row, "standing", "")), json_str(row, "name", ""));
		json_array_foreach(dates, k, date)
		    night_cell(p, json_str(row, "name", ""), json_string_value(date),
		        json_object_get(json_object_get(row, "cells"), json_string_value(date)));
		html(&p->body, "</tr>\n");
	}
	html(&p->body, "</tbody></table></div>\n");
}

static void stuck_row(struct page *p, const json_t *one)
{
	const char *what = json_str(one, "partition", json_str(one, "key", "")),
	           *text = json_str(one, "text", "");

	html(&p->body, "<li>");
	part_state(&p->body, json_str(one, "state", ""));
	html(&p->body, "<a href=\"/partition/");
	part_path(&p->body, what);
	html(&p->body, "\">%s, ", json_str(one, "row", ""));
	part_date(&p->body, json_str(one, "date", ""));
	html(&p->body, "</a>%r<span class=\"dim\">%s</span></li>\n", text[0] ? ": " : "", text);
}

void nights_stuck(struct page *p, const json_t *list, size_t most)
{
	const json_t *one;
	size_t i, n = json_array_size(list);

	if (n == 0)
		return;
	html(&p->body, "<section class=\"attention\"><h2>Stuck nights</h2><ul class=\"stuck\">");
	json_array_foreach(list, i, one)
	{
		if (i == most)
			break;
		stuck_row(p, one);
	}
	html(&p->body, "</ul>");
	if (n > most)
		html(
		    &p->body, "<p class=\"more\"><a href=\"/nights\">and %i more</a></p>", (int64_t)(n - most));
	html(&p->body, "</section>\n");
}

void page_nights(struct page *p)
{
	struct err err = ERR_INIT;
	const struct nights_ask ask = {
	    .until = page_param(p, "until"), .after = page_param(p, "after"), .days = NIGHTS_DAYS};
	json_t *obj = nights_matrix(&p->web->query, &ask, &err);

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	standing_add(obj, p->web->conf, clock_now());
	layout_begin(p, "Nights", "/nights");
	if (json_array_size(json_object_get(obj, "rows")) == 0) {
		html(&p->body, "<p class=\"empty\">Nothing dated has come in yet.</p>");
	} else {
		matrix(p, obj);
		html(&p->body, "<p class=\"pager\"><a href=\"/nights\">Newest</a>");
		if (json_str(obj, "earlier", NULL) != NULL)
			html(&p->body, " <a rel=\"next\" href=\"/nights?until=%u%r%u\">Earlier nights</a>",
			    json_str(obj, "earlier", ""), ask.after ? "&amp;after=" : "",
			    ask.after ? ask.after : "");
		if (json_str(obj, "next", NULL) != NULL)
			html(&p->body, " <a href=\"/nights?%r%u%rafter=%u\">More rows</a>",
			    ask.until ? "until=" : "", ask.until ? ask.until : "", ask.until ? "&amp;" : "",
			    json_str(obj, "next", ""));
		html(&p->body, "</p>");
		legend(p);
		nights_stuck(p, json_object_get(obj, "stuck"), STUCK_SHOWN);
	}
	layout_end(p);
	json_decref(obj);
}
