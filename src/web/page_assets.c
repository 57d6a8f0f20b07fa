/* The graph of assets, and one asset: what it is, what was made of it, its numbers over time. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

#define SPARK_W      160
#define SPARK_H      32
#define SPARKS_SHOWN 12

static void asset_row(struct page *p, const json_t *a)
{
	const json_t *last = json_object_get(a, "last");

	html(&p->body, "<tr><td><a href=\"/assets/%u\">%s</a></td><td>%s</td><td>", json_str(a, "name", ""),
	    json_str(a, "name", ""), json_str(a, "type", ""));
	if (json_is_object(last)) {
		part_state(&p->body, json_str(last, "outcome", ""));
		html(&p->body, "</td><td>");
		part_partition_link(&p->body, json_str(last, "partition", ""));
		html(&p->body, "</td><td>");
		part_time(&p->body, json_str(last, "at", NULL));
	} else {
		html(&p->body, "<span class=\"dim\">never made</span></td><td></td><td>");
	}
	html(&p->body, "</td><td class=\"wide\">%s</td></tr>\n", json_str(a, "description", ""));
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
	html(&p->body, "<div "
	               "class=\"scroll\"><table><thead><tr><th>Asset</th><th>Type</th><th>Newest</"
	               "th><th>Partition</th><th>Made (UTC)</th>"
	               "<th>Description</th></tr></thead><tbody>\n");
	json_array_foreach(list, i, a) asset_row(p, a);
	html(&p->body, "</tbody></table></div>\n");
	layout_end(p);
	json_decref(obj);
}

/* ---- one asset ---- */

/* The values of one number over the materializations, oldest left. */
static void spark(struct page *p, const char *key, const json_t *made)
{
	size_t n = json_array_size(made), shown = 0;
	double low = 0, high = 0, v = 0;

	for (size_t i = 0; i < n; i++) {
		const json_t *value =
		    json_object_get(json_object_get(json_array_get(made, i), "metadata"), key);

		if (!json_is_number(value))
			continue;
		v = json_number_value(value);
		low = shown ? MIN(low, v) : v;
		high = shown ? MAX(high, v) : v;
		shown++;
	}
	html(&p->body,
	    "<figure class=\"spark\"><figcaption>%s</figcaption><svg viewBox=\"0 0 %d %d\" role=\"img\" "
	    "aria-label=\"%s over time\"><polyline points=\"",
	    key, SPARK_W, SPARK_H, key);
	for (size_t i = n, at = 0; i-- > 0;) {
		const json_t *value =
		    json_object_get(json_object_get(json_array_get(made, i), "metadata"), key);
		double y = 0.5;

		if (!json_is_number(value))
			continue;
		v = json_number_value(value);
		if (high > low)
			y = (v - low) / (high - low);
		strbuf_addf(&p->body, "%.1f,%.1f ",
		    shown > 1 ? (double)at / (double)(shown - 1) * (SPARK_W - 4) + 2 : SPARK_W - 2.0,
		    SPARK_H - 3 - y * (SPARK_H - 6));
		at++;
	}
	html(&p->body, "\"/></svg><b>");
	part_json(&p->body, json_object_get(json_object_get(json_array_get(made, 0), "metadata"), key));
	html(&p->body, "</b></figure>");
}

static void sparks(struct page *p, const json_t *made)
{
	const json_t *newest = json_object_get(json_array_get(made, 0), "metadata"), *value;
	const char *key;
	int shown = 0;

	html(&p->body, "<div class=\"sparks\">");
	json_object_foreach((json_t *)newest, key, value)
	{
		if (json_is_number(value) && shown++ < SPARKS_SHOWN)
			spark(p, key, made);
	}
	html(&p->body, "</div>\n");
}

static void history(struct page *p, const json_t *made)
{
	const json_t *m;
	size_t i;

	html(&p->body, "<div class=\"scroll\"><table><thead><tr><th>Partition</th><th>Outcome</th><th>Made "
	               "(UTC)</th><th>Run</th></tr></thead><tbody>\n");
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
		html(&p->body, "</td></tr>\n");
	}
	html(&p->body, "</tbody></table></div>");
}

static void names(struct page *p, const char *title, const json_t *list)
{
	const json_t *name;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	html(&p->body, "<dt>%s</dt><dd>", title);
	json_array_foreach(list, i, name) html(&p->body, "%r<a href=\"/assets/%u\">%s</a>", i ? ", " : "",
	    json_string_value(name), json_string_value(name));
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
	    "<dt>Retries</dt><dd>%i</dd><dt>Make it</dt><dd><code>orchctl materialize %s</code></dd></dl>"
	    "<details><summary>Options</summary>",
	    json_int(a, "retries", 0), json_str(a, "name", ""));
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
	html(&p->body, "<p class=\"lead\">%s</p>", json_str(obj, "description", ""));
	graph_svg(&p->body, p->web->conf, json_object_get(all, "assets"), json_str(obj, "name", ""));
	html(&p->body, "<section><h2>What was made</h2>");
	if (json_array_size(made) == 0) {
		html(&p->body, "<p class=\"empty\">Nothing yet.</p>");
	} else {
		sparks(p, made);
		history(p, made);
	}
	html(&p->body, "</section>\n");
	definition(p, obj);
	layout_end(p);
	json_decref(obj);
	json_decref(all);
}
