/* What runs and what waits, and for what. */
#include "config.h"

#include "web/web_priv.h"

#include "conf/conf.h"

#define SHOWN 200

static void one_state(struct page *p, const char *state, const char *title, const char *none)
{
	struct run_filter f = {.state = state, .limit = SHOWN};
	struct err err = ERR_INIT;
	json_t *obj = query_runs(&p->web->query, &f, &err);
	const json_t *runs = json_object_get(obj, "runs");

	html(&p->body, "<section><h2>%s</h2>", title);
	if (obj == NULL)
		html(&p->body, "<p class=\"err\">%s</p>", layout_error_text(&err));
	else if (json_array_size(runs) == 0)
		html(&p->body, "<p class=\"empty\">%s</p>", none);
	else
		part_runs(&p->body, runs);
	html(&p->body, "</section>\n");
	json_decref(obj);
}

void page_queue(struct page *p)
{
	const struct conf *conf = p->web->conf;

	layout_begin(p, "Queue", "/queue");
	one_state(p, "running", "Running", "Nothing runs.");
	one_state(p, "queued", "Waiting", "Nothing waits.");
	html(&p->body,
	    "<section><h2>Limits</h2><dl><dt>Runs at once</dt><dd>%i</dd><dt>Steps at "
	    "once</dt><dd>%i</dd><dt>Runs waiting at most</dt><dd>%i</dd>",
	    conf->limits.max_runs, conf->limits.max_steps, conf->limits.max_queued);
	for (size_t i = 0; i < conf->npools; i++)
		html(&p->body, "<dt>Pool %s</dt><dd>%i</dd>", conf->pools[i].name, conf->pools[i].slots);
	html(&p->body, "</dl></section>\n");
	layout_end(p);
}
