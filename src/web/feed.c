/* The Atom feed of failed runs (RFC 4287): an entry for each, the newest first. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "state/state.h"

#include <string.h>

#define FAILURES_SHOWN 50

/* Feeds are read elsewhere, so their links say where the page is, when that is known. */
static void origin(struct page *p)
{
	if (p->ask->host != NULL)
		html(&p->body, "http://%s", p->ask->host);
}

/* A run fails once, so its entry never changes: its id is the run's own, its date that of its end. */
static void entry(struct page *p, const json_t *run)
{
	const json_t *error = json_object_get(run, "error");
	const char *job = json_str(run, "job", NULL), *partition = json_str(run, "partition", "");

	html(&p->body, "<entry><id>urn:orchd:run:%s</id><title>", json_str(run, "uid", ""));
	html(&p->body, *partition != '\0' ? "%s of %s failed</title>" : "%s failed%s</title>",
	    job ? job : "A run", partition);
	html(&p->body, "<updated>%s</updated><category term=\"%s\"/><link rel=\"alternate\" href=\"",
	    json_str(run, "ended_at", ""), json_str(error, "class", "failed"));
	origin(p);
	html(&p->body, "/runs/%i\"/><summary>%s</summary></entry>\n", json_int(run, "id", 0),
	    json_str(error, "text", "no reason given"));
}

/* When the newest of the entries ended; without one, when the daemon started: a feed without news does not change. */
static const char *newest(const struct page *p, const json_t *runs, char buf[UTCTIME_MAX])
{
	const struct engine *engine = p->web->engine;
	const char *at = NULL;
	const json_t *run;
	size_t i;

	json_array_foreach(runs, i, run)
	{
		const char *ended = json_str(run, "ended_at", "");

		if (at == NULL || strcmp(ended, at) > 0)
			at = ended;
	}
	return at ? at : utctime_format(engine ? engine_stats(engine)->started_at : 0, buf);
}

void page_feed(struct page *p)
{
	struct run_filter f = {.state = "failed", .limit = FAILURES_SHOWN};
	struct err err = ERR_INIT;
	json_t *obj = query_runs(&p->web->query, &f, &err);
	const json_t *runs = json_object_get(obj, "runs"), *run;
	char buf[UTCTIME_MAX];
	size_t i;

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	p->content_type = "application/atom+xml; charset=utf-8";
	html(&p->body,
	    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">"
	    "<id>urn:orchd:%s:failures</id><title>%s: failed runs</title><updated>%s</updated>"
	    "<author><name>orchd</name></author><generator version=\"%s\">orchd</generator>"
	    "<link rel=\"self\" type=\"application/atom+xml\" href=\"",
	    p->web->query.state->instance, p->web->conf->web.title, newest(p, runs, buf), PACKAGE_VERSION);
	origin(p);
	html(&p->body, "/feed.atom\"/><link rel=\"alternate\" type=\"text/html\" href=\"");
	origin(p);
	html(&p->body, "/runs?state=failed\"/>\n");
	json_array_foreach(runs, i, run) entry(p, run);
	html(&p->body, "</feed>\n");
	json_decref(obj);
}
