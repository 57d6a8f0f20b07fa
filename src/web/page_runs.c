/* The list of runs, newest first. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

static void filter_form(struct page *p)
{
	const char *state = page_param(p, "state"), *partition = page_param(p, "partition"),
	           *job = page_param(p, "job");

	html(&p->body,
	    "<form class=\"filter\" method=\"get\" action=\"/runs\"><label>State <select name=\"state\">"
	    "<option value=\"\">any</option>");
	for (const char *const *s = query_run_states; *s != NULL; s++)
		html(&p->body, "<option value=\"%s\"%r>%s</option>", *s,
		    state != NULL && strcmp(state, *s) == 0 ? " selected" : "", *s);
	html(&p->body,
	    "</select></label> <label>Partition <input name=\"partition\" value=\"%s\"></label> "
	    "<label>Job <input name=\"job\" value=\"%s\"></label> <button>Show</button></form>",
	    partition ? partition : "", job ? job : "");
}

void page_runs(struct page *p)
{
	struct run_filter f = {.state = page_param(p, "state"),
	    .partition = page_param(p, "partition"),
	    .job = page_param(p, "job"),
	    .before = page_number(p, "before", 0),
	    .limit = 50};
	struct err err = ERR_INIT;
	json_t *obj;

	if ((obj = query_runs(&p->web->query, &f, &err)) == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Runs", "/runs");
	if (!p->web->copy)
		filter_form(p);
	grid_runs(&p->body, json_object_get(obj, "runs"));
	if (json_is_integer(json_object_get(obj, "next")))
		html(&p->body,
		    "<p><a rel=\"next\" "
		    "href=\"/runs?before=%i&amp;state=%u&amp;partition=%u&amp;job=%u\">Older runs</a></p>",
		    json_int(obj, "next", 0), f.state ? f.state : "", f.partition ? f.partition : "",
		    f.job ? f.job : "");
	layout_end(p);
	json_decref(obj);
}
