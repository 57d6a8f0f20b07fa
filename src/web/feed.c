/* The Atom feed of failures, and badges to put on other pages. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "state/state.h"

#include <string.h>

#define FAILURES_SHOWN 50

/* Feeds are read elsewhere, so their links say where the page is, when that is known. */
static void origin(struct page *p)
{
	if (p->ask->host != NULL)
		html(&p->body, "http://%s", p->ask->host);
}

static void entry(struct page *p, const json_t *run)
{
	const json_t *error = json_object_get(run, "error");

	html(&p->body,
	    "<entry><id>urn:orchd:%s</id><title>Run %i of %s failed</title><updated>%s</updated><link href=\"",
	    json_str(run, "uid", ""), json_int(run, "id", 0), json_str(run, "partition", ""),
	    json_str(run, "ended_at", ""));
	origin(p);
	html(&p->body, "/runs/%i\"/><summary>%s</summary></entry>\n", json_int(run, "id", 0),
	    json_str(error, "text", "no reason given"));
}

void page_feed(struct page *p)
{
	struct run_filter f = {.state = "failed", .limit = FAILURES_SHOWN};
	struct err err = ERR_INIT;
	json_t *obj = query_runs(&p->web->query, &f, &err);
	const json_t *runs = json_object_get(obj, "runs"), *run;
	char now[UTCTIME_MAX];
	size_t i;

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	p->content_type = "application/atom+xml; charset=utf-8";
	html(&p->body,
	    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed "
	    "xmlns=\"http://www.w3.org/2005/Atom\"><id>urn:orchd:%s:failures</id>"
	    "<title>%s: failed runs</title><updated>%s</updated><link rel=\"self\" href=\"",
	    p->web->query.state->instance, p->web->conf->web.title,
	    json_str(json_array_get(runs, 0), "ended_at", utctime_format(clock_now(), now)));
	origin(p);
	html(&p->body, "/feed.atom\"/><author><name>orchd</name></author>\n");
	json_array_foreach(runs, i, run) entry(p, run);
	html(&p->body, "</feed>\n");
	json_decref(obj);
}

static const struct {
	const char *tone, *colour;
} colours[] = {{"good", "#2a7d4f"}, {"warn", "#9a6200"}, {"bad", "#b3382c"}};

/* /badge/NAME.svg: what was last made of an asset. */
void page_badge(struct page *p)
{
	size_t n = strlen(p->arg[0]);
	struct strbuf name = STRBUF_INIT(256);
	struct err err = ERR_INIT;
	const char *word, *colour = "#666";
	json_t *obj;
	int left, right;

	if (n > 4 && n < 200 && strcmp(p->arg[0] + n - 4, ".svg") == 0)
		strbuf_add(&name, p->arg[0], n - 4);
	if ((obj = query_asset(&p->web->query, name.buf, NULL, &err)) == NULL) {
		layout_error(p, &err);
		strbuf_release(&name);
		return;
	}
	word = json_str(json_object_get(obj, "last"), "outcome", "never made");
	for (size_t i = 0; i < NITEMS(colours); i++)
		if (strcmp(colours[i].tone, part_tone(word)) == 0)
			colour = colours[i].colour;
	left = (int)name.len * 7 + 14;
	right = (int)strlen(part_word(word)) * 7 + 14;
	p->content_type = "image/svg+xml";
	html(&p->body,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"20\" role=\"img\" "
	    "aria-label=\"%s: %s\">"
	    "<rect width=\"%d\" height=\"20\" rx=\"3\" fill=\"%r\"/><path d=\"M3 0h%dv20H3a3 3 0 0 1-3-3V3a3 3 "
	    "0 0 1 3-3z\" fill=\"#444\"/>"
	    "<g fill=\"#fff\" font-family=\"DejaVu Sans,Verdana,sans-serif\" font-size=\"11\"><text x=\"7\" "
	    "y=\"14\">%s</text>"
	    "<text x=\"%d\" y=\"14\">%s</text></g></svg>\n",
	    left + right, name.buf, part_word(word), left + right, colour, left - 3, name.buf, left + 7,
	    part_word(word));
	json_decref(obj);
	strbuf_release(&name);
}
