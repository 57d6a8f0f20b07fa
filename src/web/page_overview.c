/* The first page: is everything well, who is current, what is stuck and why, what runs. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "conf/conf.h"

#include <string.h>

#define RUNS_SHOWN   8
#define NIGHTS_SHOWN 10
#define STUCK_SHOWN  4

static void problems(struct page *p, const struct verdict *v)
{
	const json_t *one;
	size_t i;

	html(&p->body,
	    "<section class=\"verdict %r\" aria-label=\"Verdict\"><p role=\"status\"><b "
	    "aria-hidden=\"true\">%r</b> %s</p>",
	    part_tone(v->state), part_shape(v->state), json_string_value(v->headline));
	if (json_array_size(v->problems) > 0) {
		html(&p->body, "<ul>");
		json_array_foreach(v->problems, i, one) html(&p->body, "<li><a href=\"%s\">%s</a></li>",
		    json_str(one, "href", "/"), json_str(one, "text", ""));
		html(&p->body, "</ul>");
	}
	html(&p->body, "</section>\n");
}

/* ---- who sends nights, and how they stand ---- */

static void newest_night(struct page *p, const struct nights *m, const struct night_row *row)
{
	const struct night *n = nights_newest(m, row);
	const char *what = n == NULL ? NULL : n->partition ? n->partition : n->key;

	if (what != NULL) {
		html(&p->body, "<a href=\"/partition/");
		part_path(&p->body, what);
		html(&p->body, "\">");
	}
	part_date(&p->body, row->newest[0] != '\0' ? row->newest : NULL);
	html(&p->body, "%r</td><td class=\"wide\"><span class=\"told\">", what ? "</a>" : "");
	if (n != NULL)
		part_state(&p->body, n->state);
	if (n != NULL && n->text != NULL)
		html(&p->body, "<span class=\"why\">%s</span>", n->text);
	html(&p->body, "</span>");
}

static void source_row(struct page *p, const struct nights *m, const struct night_row *row)
{
	html(&p->body, "<tr><th scope=\"row\">%s</th><td>", row->name);
	part_state(&p->body, row->standing);
	html(&p->body, "</td><td>");
	newest_night(p, m, row);
	html(&p->body, "</td>");
	for (size_t k = 0; k < m->ndates; k++)
		nights_cell(p, row, m->date[k], &row->night[k]);
	html(&p->body, "</tr>\n");
}

static void sources(struct page *p, const struct nights *m)
{
	if (m->nrows == 0)
		return;
	html(&p->body,
	    "<section><h2>Who is current</h2><div class=\"scroll\"><table class=\"sources flow\"><caption "
	    "class=\"hear\">Sources of nights</caption><thead><tr><th scope=\"col\">Source</th><th "
	    "scope=\"col\">Standing</th><th scope=\"col\">Newest night</th><th scope=\"col\">What became of "
	    "it</th>");
	for (size_t k = 0; k < m->ndates; k++)
		html(&p->body, "<th scope=\"col\" class=\"day\" title=\"%s\">%s</th>", m->date[k],
		    m->date[k] + 6);
	html(&p->body, "</tr></thead><tbody>\n");
	for (size_t i = 0; i < m->nrows; i++)
		source_row(p, m, &m->row[i]);
	html(&p->body,
	    "</tbody></table></div><p class=\"more\"><a href=\"/nights\">All nights</a></p></section>\n");
}

/* ---- numbers ---- */

static void figure(struct page *p, const char *name, const char *href, int64_t n, const char *tone)
{
	html(&p->body, "<a class=\"figure\" href=\"%r\"><b%r%r%r>%i</b> %s</a>", href, n > 0 ? " class=\"" : "",
	    n > 0 ? tone : "", n > 0 ? "\"" : "", n, name);
}

static void figures(struct page *p, const json_t *status)
{
	const json_t *runs = json_object_get(status, "runs"), *outbox = json_object_get(status, "outbox");

	html(&p->body, "<div class=\"figures\">");
	figure(p, "running", "/queue", json_int(runs, "running", 0), "live");
	figure(p, "queued", "/queue", json_int(runs, "queued", 0), "live");
	figure(
	    p, "failed in the last day", "/runs?state=failed", json_int(status, "failed_last_day", 0), "bad");
	figure(p, "on hold", "/deletions", (int64_t)json_array_size(json_object_get(status, "holds")), "warn");
	figure(p, "notifications waiting", "/outbox", json_int(outbox, "pending", 0), "warn");
	html(&p->body, "</div>\n");
}

/* ---- sensors ---- */

static void sensor_row(struct page *p, const json_t *s)
{
	const json_t *last = json_object_get(s, "last"), *keys = json_object_get(s, "keys"), *n;
	const char *name = json_str(s, "name", ""), *verdict,
	           *state = json_str(s, "paused", NULL) ? "paused"
	                    : sensor_late_ms(s, p->web->conf, clock_now()) > 0
	                        ? "late"
	                        : json_str(last, "outcome", "waiting");

	html(&p->body, "<tr><td><a href=\"/sensors/%u\">%s</a></td><td>", name, name);
	part_state(&p->body, state);
	html(&p->body, "</td><td>");
	part_ago(p, json_str(s, "last_tick_at", NULL));
	html(&p->body, "</td><td>");
	part_ago(p, json_str(s, "paused", NULL) ? NULL : json_str(s, "next_tick_at", NULL));
	html(&p->body, "</td><td class=\"wide\">");
	json_object_foreach((json_t *)keys, verdict, n)
	{
		html(&p->body, "<a class=\"tally\" href=\"/sensors/%u?verdict=%u\">%i ", name, verdict,
		    (int64_t)json_integer_value(n));
		part_state(&p->body, verdict);
		html(&p->body, "</a> ");
	}
	html(&p->body, "</td></tr>\n");
}

static void sensors(struct page *p, const json_t *list)
{
	const json_t *s;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	html(&p->body, "<section><h2>Sensors</h2>");
	grid_begin(&p->body, "Sensors", "Sensor|Last tick|When|Next|Keys it sees");
	json_array_foreach(list, i, s) sensor_row(p, s);
	grid_end(&p->body);
	html(&p->body, "</section>\n");
}

/* ---- the machine ---- */

static void disk(struct page *p, const json_t *status)
{
	const json_t *d = json_object_get(status, "disk");
	int64_t free_bytes = json_int(d, "free_bytes", 0), total = json_int(d, "total_bytes", 0);

	html(&p->body, "<dt>State</dt><dd>");
	part_bytes(&p->body, json_int(status, "state_bytes", 0));
	if (total > 0) {
		html(&p->body, "; its disk has ");
		part_bytes(&p->body, free_bytes);
		html(&p->body, " of ");
		part_bytes(&p->body, total);
		html(&p->body, " free");
	}
	html(&p->body, "</dd>");
}

/* Stores and databases by what the last that asked them was told. */
static void places(struct page *p, const char *title, const json_t *list)
{
	const json_t *place;
	size_t i;

	json_array_foreach(list, i, place)
	{
		const char *at = json_str(place, place_fails(place) ? "failed_at" : "ok_at", NULL);

		html(&p->body, "<dt>%r %s</dt><dd>", title, json_str(place, "name", ""));
		part_state(&p->body, at == NULL ? "not asked yet" : place_fails(place) ? "failed" : "answers");
		html(&p->body, "<span class=\"dim\">%s%r", json_str(place, "type", ""), at ? ", " : "");
		if (at != NULL)
			part_ago(p, at);
		html(&p->body, "</span>");
		if (place_fails(place))
			part_error(&p->body, json_object_get(place, "error"));
		html(&p->body, "</dd>");
	}
}

/* What senders announce, where the configuration lets them. */
static void push(struct page *p, const json_t *push)
{
	if (!json_is_object(push))
		return;
	html(&p->body, "<dt>Announcements</dt><dd>%i taken, %i refused or not understood",
	    json_int(push, "accepted", 0),
	    json_int(push, "refused", 0) + json_int(push, "malformed", 0) + json_int(push, "bad", 0));
	if (json_str(push, "last_at", NULL) != NULL) {
		html(&p->body, "; the last ");
		part_ago(p, json_str(push, "last_at", NULL));
	}
	html(&p->body, "</dd>");
}

static void about(struct page *p, const json_t *status)
{
	html(&p->body, "<section><h2>This daemon</h2><dl><dt>Up since</dt><dd>");
	part_time(&p->body, json_str(status, "started_at", NULL));
	html(&p->body, " UTC</dd><dt>Configuration</dt><dd><code>%s</code></dd>",
	    json_str(status, "config_file", ""));
	disk(p, status);
	places(p, "Store", json_object_get(status, "stores"));
	places(p, "Database", json_object_get(status, "databases"));
	push(p, json_object_get(status, "push"));
	html(&p->body, "<dt>Commits</dt><dd>%i, the slowest took ", json_int(status, "commits", 0));
	strbuf_addf(&p->body, "%.1f ms", json_number_value(json_object_get(status, "commit_max_ms")));
	html(&p->body, "; %i failed</dd></dl></section>\n", json_int(status, "commit_failures", 0));
}

static void running(struct page *p, const json_t *queue)
{
	const json_t *steps = json_object_get(queue, "steps"), *pool;
	size_t i;

	if (json_array_size(steps) == 0)
		return;
	html(&p->body, "<section><h2>Under way</h2>");
	grid_steps(p, steps);
	html(&p->body, "<p class=\"more\"><a href=\"/queue\">The queue</a>");
	json_array_foreach(json_object_get(queue, "pools"), i, pool)
	    html(&p->body, " <span class=\"dim\">pool %s: %i of %i</span>", json_str(pool, "name", ""),
	        json_int(pool, "used", 0), json_int(pool, "slots", 0));
	html(&p->body, "</p></section>\n");
}

static void whole(
    struct page *p, const json_t *status, const struct nights *nights, const json_t *queue, const json_t *runs)
{
	struct verdict v;

	verdict_of(p->web, status, nights, &v);
	layout_begin(p, "Overview", "/");
	problems(p, &v);
	nights_stuck(p, nights, STUCK_SHOWN);
	sources(p, nights);
	figures(p, status);
	running(p, queue);
	html(&p->body, "<section><h2>Newest runs</h2>");
	grid_runs(&p->body, json_object_get(runs, "runs"));
	html(&p->body, "%r</section>\n",
	    json_array_size(json_object_get(runs, "runs")) > 0
	        ? "<p class=\"more\"><a href=\"/runs\">All runs</a></p>"
	        : "");
	sensors(p, json_object_get(status, "sensors"));
	if (!p->web->copy)
		about(p, status);
	layout_end(p);
	verdict_release(&v);
}

void page_overview(struct page *p)
{
	struct run_filter newest = {.limit = RUNS_SHOWN};
	struct err err = ERR_INIT;
	const struct query *q = &p->web->query;
	json_t *status = query_status(q, &err), *queue = NULL, *runs = NULL;
	struct nights *nights = NULL;

	if (status != NULL &&
	    (nights = nights_read(q, &(struct nights_ask){.days = NIGHTS_SHOWN}, clock_now(), &err)) != NULL &&
	    (queue = query_queue(q, &err)) != NULL && (runs = query_runs(q, &newest, &err)) != NULL)
		whole(p, status, nights, queue, runs);
	else
		layout_error(p, &err);
	json_decref(status);
	nights_free(nights);
	json_decref(queue);
	json_decref(runs);
}
