/* What runs with its progress, what waits and for what, and how full it is. */
#include "config.h"

#include "web/web_priv.h"

#define SHOWN 200

static void meter(struct page *p, const char *name, int64_t used, int64_t most)
{
	html(&p->body,
	    "<tr><td>%s</td><td><meter min=\"0\" max=\"%i\" value=\"%i\" aria-label=\"%s\"></meter></td><td "
	    "class=\"num\">%i of %i</td><td class=\"wide opt\">%r</td></tr>\n",
	    name, most, used, name, used, most, used >= most ? "full: more of them wait" : "");
}

static void capacity(struct page *p, const json_t *queue, int64_t running, int64_t queued)
{
	const json_t *limits = json_object_get(queue, "limits"), *pool;
	size_t i;

	html(&p->body, "<section><h2>How full it is</h2>");
	grid_begin(&p->body, "Limits and how much of them is in use", "=What|Share|#In use|-Note");
	meter(p, "runs at once", running, json_int(limits, "max_runs", 0));
	meter(p, "steps at once", json_int(queue, "steps_running", 0), json_int(limits, "max_steps", 0));
	json_array_foreach(json_object_get(queue, "pools"), i, pool)
	{
		json_t *name = json_sprintf("pool %s", json_str(pool, "name", ""));

		meter(p, json_string_value(name), json_int(pool, "used", 0), json_int(pool, "slots", 0));
		json_decref(name);
	}
	meter(p, "runs that may wait", queued, json_int(limits, "max_queued", 0));
	grid_end(&p->body);
	html(&p->body, "</section>\n");
}

static void waiting(struct page *p, const json_t *runs, int64_t queued)
{
	html(&p->body, "<section><h2>Waiting</h2>");
	if (json_array_size(runs) == 0)
		html(&p->body, "<p class=\"empty\">No run waits.</p>");
	else
		grid_runs(&p->body, runs);
	if (queued > SHOWN)
		html(&p->body, "<p><a href=\"/runs?state=queued\">All %i that wait</a></p>", queued);
	html(&p->body, "</section>\n");
}

void page_queue(struct page *p)
{
	struct run_filter f = {.state = "queued", .limit = SHOWN};
	const struct query *q = &p->web->query;
	struct err err = ERR_INIT;
	json_t *queue = query_queue(q, &err), *status = NULL, *runs = NULL;
	const json_t *counts;

	if (queue != NULL && (status = query_status(q, &err)) != NULL &&
	    (runs = query_runs(q, &f, &err)) != NULL) {
		counts = json_object_get(status, "runs");
		layout_begin(p, "Queue", "/queue");
		html(&p->body, "<section><h2>Under way</h2>");
		if (json_array_size(json_object_get(queue, "steps")) == 0)
			html(&p->body, "<p class=\"empty\">Nothing runs.</p>");
		else
			grid_steps(p, json_object_get(queue, "steps"));
		html(&p->body, "</section>\n");
		waiting(p, json_object_get(runs, "runs"), json_int(counts, "queued", 0));
		capacity(p, queue, json_int(counts, "running", 0), json_int(counts, "queued", 0));
		layout_end(p);
	} else {
		layout_error(p, &err);
	}
	json_decref(queue);
	json_decref(status);
	json_decref(runs);
}
