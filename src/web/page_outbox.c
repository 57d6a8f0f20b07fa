/* Whom the daemon tells what: what waits to be told, what was given up, and why. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

#define SHOWN 100

static void notifications(struct page *p, const json_t *list)
{
	const json_t *n, *kind;
	size_t i, k;

	html(&p->body, "<section><h2>Who is told</h2>");
	if (json_array_size(list) == 0) {
		html(&p->body, "<p class=\"empty\">Nobody: the configuration has no "
		               "<code>notifications</code>.</p></section>\n");
		return;
	}
	grid_begin(&p->body, "Notifications",
	    "=Name|-Type|-Told of|#Waiting|#Sent|#Given up|Oldest waits since|-Description");
	json_array_foreach(list, i, n)
	{
		html(&p->body, "<tr><td>%s</td><td class=\"opt\">%s</td><td class=\"opt\">",
		    json_str(n, "name", ""), json_str(n, "type", ""));
		json_array_foreach(json_object_get(n, "on"), k, kind)
		    html(&p->body, "%r%s", k ? ", " : "", json_string_value(kind));
		html(&p->body,
		    "</td><td class=\"num\">%i</td><td class=\"num\">%i</td><td class=\"num\">%i</td><td>",
		    json_int(n, "pending", 0), json_int(n, "sent", 0), json_int(n, "failed", 0));
		part_ago(p, json_str(n, "oldest_at", NULL));
		html(&p->body, "</td><td class=\"opt wide\">%s</td></tr>\n", json_str(n, "description", ""));
	}
	grid_end(&p->body);
	html(&p->body, "</section>\n");
}

/* "run/51" and "key/SENSOR/KEY" have pages of their own. */
static void subject(struct page *p, const char *text)
{
	const char *run = strncmp(text, "run/", 4) == 0 ? text + 4 : NULL,
	           *key = strncmp(text, "key/", 4) == 0 ? strchr(text + 4, '/') : NULL;

	if (run == NULL && key == NULL) {
		html(&p->body, "%s", text);
		return;
	}
	html(&p->body, "<a href=\"/%r/", run ? "runs" : "partition");
	part_path(&p->body, run ? run : key + 1);
	html(&p->body, "\">%s</a>", run ? text : key + 1);
}

static void row(struct page *p, const json_t *r)
{
	const char *state = json_str(r, "state", ""), *ended = json_str(r, "ended_at", NULL);
	int64_t tries = json_int(r, "attempts", 0);
	const json_t *label;
	size_t i;

	html(&p->body, "<tr><td class=\"num\">%i</td><td>", json_int(r, "id", 0));
	part_state(&p->body, strcmp(state, "pending") == 0 && tries > 0 ? "retrying" : state);
	html(&p->body, "</td><td>%s</td><td>%s</td><td>", json_str(r, "notification", ""),
	    json_str(r, "kind", ""));
	subject(p, json_str(r, "subject", ""));
	json_array_foreach(json_object_get(r, "labels"), i, label) if (json_is_string(label))
	    html(&p->body, "<span class=\"why\">%s</span>", json_string_value(label));
	html(&p->body, "</td><td>");
	part_time(&p->body, json_str(r, "created_at", NULL));
	html(&p->body, "</td><td class=\"num opt\">%i</td><td class=\"wide\">", tries);
	part_error(&p->body, json_object_get(r, "error"));
	if (ended == NULL && part_ms_between(json_str(r, "next_at", NULL), NULL) >= 0) {
		html(&p->body, "%rwaits its turn", tries > 0 ? "; " : "");
	} else if (ended == NULL) {
		html(&p->body, tries > 0 ? "; again " : "due ");
		part_ago(p, json_str(r, "next_at", NULL));
	} else if (strcmp(state, "sent") == 0) {
		html(&p->body, "taken ");
		part_time(&p->body, ended);
	}
	html(&p->body, "</td></tr>\n");
}

static void choices(struct page *p, const char *state)
{
	static const struct {
		const char *state, *text;
	} choice[] = {{NULL, "all"}, {"pending", "waiting"}, {"failed", "given up"}, {"sent", "sent"}};

	html(&p->body, "<p class=\"choices\">");
	for (size_t i = 0; i < NITEMS(choice); i++) {
		const char *s = choice[i].state;
		bool here = s == NULL || state == NULL ? s == state : strcmp(s, state) == 0;

		html(&p->body, "<a href=\"/outbox%r%r\"%r>%r</a> ", s ? "?state=" : "", s ? s : "",
		    here ? " aria-current=\"true\"" : "", choice[i].text);
	}
	html(&p->body, "</p>\n");
}

void page_outbox(struct page *p)
{
	const char *state = page_param(p, "state");
	struct err err = ERR_INIT;
	json_t *obj = query_outbox(&p->web->query, state, SHOWN, &err);
	const json_t *rows = json_object_get(obj, "rows"), *r;
	size_t i;

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Outbox", "/outbox");
	notifications(p, json_object_get(obj, "notifications"));
	html(&p->body, "<section><h2>Notifications, newest first</h2>");
	choices(p, state);
	if (json_array_size(rows) == 0) {
		html(&p->body, "<p class=\"empty\">There are none.</p>");
	} else {
		grid_begin(&p->body, "Notifications, newest first",
		    "#No|State|To|Kind|About|Since (UTC)|#-Tries|What became of it");
		json_array_foreach(rows, i, r) row(p, r);
		grid_end(&p->body);
	}
	if (json_array_size(rows) == SHOWN)
		html(&p->body,
		    "<p class=\"dim\">These are the newest %d; <code>orchctl outbox list -n 1000</code> has "
		    "more.</p>",
		    SHOWN);
	html(&p->body, "</section>\n");
	layout_end(p);
	json_decref(obj);
}
