/* The graph of assets, and one asset: what it is, what was made of it, its numbers over time. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

#define SPARK_W      160
#define SPARK_H      32
#define SPARKS_SHOWN 12
#define SPARK_POINTS 50
#define MADE_SHOWN   50 /* as query_asset gives them */

static void asset_row(struct page *p, const json_t *a)
{
	const json_t *last = json_object_get(a, "last");

	html(&p->body, "<tr><td>");
	part_asset_link(&p->body, json_str(a, "name", ""));
	html(&p->body, "</td><td class=\"opt\">%s</td><td>", json_str(a, "type", ""));
	if (json_is_object(last)) {
		part_state(&p->body, json_str(last, "outcome", ""));
		html(&p->body, "</td><td>");
		part_partition_link(&p->body, json_str(last, "partition", ""));
		html(&p->body, "</td><td>");
		part_ago(p, json_str(last, "at", NULL));
		html(&p->body, "</td><td class=\"wide\">");
		part_freshness(&p->body, json_object_get(last, "freshness"));
	} else {
		html(&p->body,
		    "<span class=\"dim\">never made</span></td><td></td><td></td><td class=\"wide\">");
	}
	html(&p->body, "</td><td class=\"wide opt\">%s</td></tr>\n", json_str(a, "description", ""));
}

void page_assets(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_assets(&p->web->query, &err);
	const json_t *list = json_object_get(obj, "assets"), *a;
	size_t i;

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Assets", "/assets");
	graph_svg(&p->body, p->web->conf, list, NULL);
	if (json_array_size(list) == 0) {
		html(&p->body, "<p class=\"empty\">The configuration has no assets.</p>");
	} else {
		grid_begin(&p->body, "Assets, in the order of their making",
		    "Asset|-Type|Newest|Partition|Made|Up to date|-Description");
		json_array_foreach(list, i, a) asset_row(p, a);
		grid_end(&p->body);
	}
	layout_end(p);
	json_decref(obj);
}

/* ---- one asset ---- */

struct series {
	double v[SPARK_POINTS]; /* oldest first */
	size_t n;
	double low, high;
};

static void series_of(struct series *out, const char *key, const json_t *made)
{
	*out = (struct series){0};
	for (size_t i = json_array_size(made); i-- > 0 && out->n < SPARK_POINTS;) {
		const json_t *value =
		    json_object_get(json_object_get(json_array_get(made, i), "metadata"), key);
		double v = json_number_value(value);

		if (!json_is_number(value))
			continue;
		out->low = out->n ? MIN(out->low, v) : v;
		out->high = out->n ? MAX(out->high, v) : v;
		out->v[out->n++] = v;
	}
}

static double spark_x(const struct series *s, size_t i)
{
	return s->n > 1 ? 3 + (double)i * (SPARK_W - 6) / (double)(s->n - 1) : SPARK_W - 3;
}

static double spark_y(const struct series *s, size_t i)
{
	double part = s->high > s->low ? (s->v[i] - s->low) / (s->high - s->low) : 0.5;

	return SPARK_H - 4 - part * (SPARK_H - 8);
}

/* One number over the materializations, oldest left, the newest with a dot; the text has what the line cannot. */
static void spark(struct page *p, const char *key, const json_t *made)
{
	struct strbuf *out = &p->body;
	struct series s;

	series_of(&s, key, made);
	html(out,
	    "<figure class=\"spark\"><figcaption>%s</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" "
	    "aria-label=\"%s over time, oldest first\"><polyline points=\"",
	    key, SPARK_W, SPARK_H, key);
	for (size_t i = 0; i < s.n; i++)
		strbuf_addf(out, "%.1f,%.1f ", spark_x(&s, i), spark_y(&s, i));
	strbuf_addf(out, "\"/><circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/></svg>", spark_x(&s, s.n - 1),
	    spark_y(&s, s.n - 1));
	strbuf_addf(out, "<b>%.6g</b>", s.v[s.n - 1]);
	if (s.high > s.low)
		strbuf_addf(out, " <span class=\"dim\">%.6g to %.6g</span>", s.low, s.high);
	html(out, "</figure>");
}

static void sparks(struct page *p, const json_t *made)
{
	const json_t *newest = json_object_get(json_array_get(made, 0), "metadata"), *value;
	const char *key;
	int shown = 0;

	json_object_foreach((json_t *)newest, key, value)
	{
		if (!json_is_number(value) || shown == SPARKS_SHOWN)
			continue;
		if (shown++ == 0)
			html(&p->body, "<div class=\"sparks\">");
		spark(p, key, made);
	}
	if (shown > 0)
		html(&p->body, "</div>\n");
}

static void history(struct page *p, const json_t *made)
{
	const json_t *m;
	size_t i;

	grid_begin(
	    &p->body, "What was made of it, newest first", "Partition|Outcome|Made (UTC)|Run|Up to date");
	json_array_foreach(made, i, m)
	{
		html(&p->body, "<tr><td>");
		part_partition_link(&p->body, json_str(m, "partition", ""));
		html(&p->body, "</td><td>");
		part_state(&p->body, json_str(m, "outcome", ""));
		html(&p->body, "</td><td>");
		part_time(&p->body, json_str(m, "at", NULL));
		html(&p->body, "</td><td>");
		part_run_link(&p->body, json_int(m, "run", 0));
		html(&p->body, "</td><td class=\"wide\">");
		part_freshness(&p->body, json_object_get(m, "freshness"));
		html(&p->body, "</td></tr>\n");
	}
	grid_end(&p->body);
}

/* The answer first: what there is of it now, and why it is not what it would be. */
static void standing(struct page *p, const json_t *a)
{
	const json_t *last = json_object_get(a, "last");

	if (!json_is_object(last))
		return;
	html(&p->body, "<p class=\"lead\">The newest is of ");
	part_partition_link(&p->body, json_str(last, "partition", ""));
	html(&p->body, ", made ");
	part_ago(p, json_str(last, "at", NULL));
	html(&p->body, " by ");
	part_run_link(&p->body, json_int(last, "run", 0));
	html(&p->body, ": ");
	part_state(&p->body, json_str(last, "outcome", ""));
	part_freshness(&p->body, json_object_get(last, "freshness"));
	html(&p->body, "</p>\n");
}

static void names(struct page *p, const char *title, const json_t *list)
{
	const json_t *name;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	html(&p->body, "<dt>%s</dt><dd>", title);
	json_array_foreach(list, i, name)
	{
		html(&p->body, i ? ", " : "");
		part_asset_link(&p->body, json_string_value(name));
	}
	html(&p->body, "</dd>");
}

static void definition(struct page *p, const json_t *a)
{
	html(&p->body, "<section><h2>What it is</h2><dl><dt>Type</dt><dd>%s</dd>", json_str(a, "type", ""));
	names(p, "Made from", json_object_get(a, "deps"));
	names(p, "Used by", json_object_get(a, "downstream"));
	if (json_str(a, "pool", NULL) != NULL)
		html(&p->body, "<dt>Pool</dt><dd>%s</dd>", json_str(a, "pool", ""));
	html(&p->body,
	    "<dt>Code version</dt><dd>%s</dd>"
	    "<dt>Retries</dt><dd>%i</dd><dt>Make it</dt><dd><code>orchctl materialize %s</code></dd></dl>"
	    "<details><summary>Options</summary>",
	    json_str(a, "code_version", ""), json_int(a, "retries", 0), json_str(a, "name", ""));
	part_json(&p->body, json_object_get(a, "options"));
	html(&p->body, "</details></section>\n");
}

void page_asset(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_asset(&p->web->query, p->arg[0], page_param(p, "partition"), &err), *all;
	const json_t *made = json_object_get(obj, "materializations");

	if (obj == NULL || (all = query_assets(&p->web->query, &err)) == NULL) {
		json_decref(obj);
		layout_error(p, &err);
		return;
	}
	layout_begin(p, json_str(obj, "name", ""), "/assets");
	html(&p->body, "<p class=\"dim\">%s</p>", json_str(obj, "description", ""));
	standing(p, obj);
	graph_svg(&p->body, p->web->conf, json_object_get(all, "assets"), json_str(obj, "name", ""));
	html(&p->body, "<section><h2>What was made</h2>");
	if (json_array_size(made) == 0) {
		html(&p->body, "<p class=\"empty\">Nothing yet.</p>");
	} else {
		sparks(p, made);
		history(p, made);
		if (json_array_size(made) == MADE_SHOWN)
			html(&p->body, "<p class=\"dim\">The newest %d are shown.</p>", MADE_SHOWN);
	}
	html(&p->body, "</section>\n");
	checks_section(p, "Checks of the newest run", json_object_get(obj, "checks"));
	definition(p, obj);
	layout_end(p);
	json_decref(obj);
	json_decref(all);
}
