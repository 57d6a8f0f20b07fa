/* What was deleted, with the proof that it could be; and what is held. */
#include "config.h"

#include "web/web_priv.h"

#include "conf/conf.h"
#include "step/asset.h"

#include <string.h>

static void holds(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_holds(&p->web->query, &err);
	const json_t *hold;
	size_t i;

	html(&p->body, "<section><h2>On hold</h2>");
	if (json_array_size(json_object_get(obj, "holds")) == 0)
		html(&p->body, "<p class=\"empty\">Nothing is held.</p>");
	else
		grid_begin(&p->body, "Partitions on hold", "Partition|Since (UTC)|By|Reason");
	json_array_foreach(json_object_get(obj, "holds"), i, hold)
	{
		html(&p->body, "<tr><td>");
		part_partition_link(&p->body, json_str(hold, "partition", ""));
		html(&p->body, "</td><td>");
		part_time(&p->body, json_str(hold, "at", NULL));
		html(&p->body, "</td><td>%s</td><td class=\"wide\">%s</td></tr>\n", json_str(hold, "who", ""),
		    json_str(hold, "reason", ""));
	}
	if (i > 0)
		grid_end(&p->body);
	html(&p->body, "</section>\n");
	json_decref(obj);
}

/* What was checked, in the order in which one link needed the one before it. */
static void chain(struct page *p, const json_t *evidence)
{
	const json_t *link;
	size_t i;

	html(&p->body, "<ol class=\"proof\">");
	json_array_foreach(evidence, i, link)
	{
		html(&p->body, "<li><b>%s</b>", json_str(link, "stage", ""));
		part_time(&p->body, json_str(link, "at", NULL));
		part_json(&p->body, json_object_get(link, "checked"));
		html(&p->body, "</li>");
	}
	html(&p->body, "</ol>");
}

static void counts(struct page *p, const json_t *metadata)
{
	if (!json_is_integer(json_object_get(metadata, "deleted")))
		return;
	html(&p->body, "%i deleted, ", json_int(metadata, "deleted", 0));
	part_bytes(&p->body, json_int(metadata, "deleted_bytes", 0));
	if (json_int(metadata, "already_absent", 0) > 0)
		html(&p->body, ", %i were gone already", json_int(metadata, "already_absent", 0));
	if (json_int(metadata, "kept", 0) > 0)
		html(&p->body, ", %i kept", json_int(metadata, "kept", 0));
}

/* A line each; the proof opens below it. */
static void deletion(struct page *p, const json_t *m)
{
	const json_t *metadata = json_object_get(m, "metadata"),
	             *evidence = json_object_get(metadata, "evidence");

	html(&p->body, "<details class=\"deletion\"><summary><span>%s</span><span>",
	    json_str(m, "partition", ""));
	part_time(&p->body, json_str(m, "at", NULL));
	part_local(p, json_str(m, "at", NULL), json_str(m, "partition", ""));
	html(&p->body, "</span><span>");
	part_state(&p->body, json_str(m, "outcome", ""));
	counts(p, metadata);
	html(&p->body, "</span></summary><p>Partition ");
	part_partition_link(&p->body, json_str(m, "partition", ""));
	html(&p->body, ", by ");
	part_run_link(&p->body, json_int(m, "run", 0));
	html(&p->body, ". Each of these was checked before the next, and all before anything was deleted:</p>");
	if (json_array_size(evidence) > 0)
		chain(p, evidence);
	else
		part_json(&p->body, metadata);
	html(&p->body, "</details>\n");
}

static void by_asset(struct page *p, const char *name)
{
	struct err err = ERR_INIT;
	json_t *obj = query_asset(&p->web->query, name, NULL, &err);
	const json_t *list = json_object_get(obj, "materializations"), *m;
	size_t i;

	html(&p->body, "<section><h2>By <a href=\"/assets/%u\">%s</a></h2>", name, name);
	if (json_array_size(list) == 0)
		html(&p->body, "<p class=\"empty\">Nothing was deleted.</p>");
	json_array_foreach(list, i, m) deletion(p, m);
	html(&p->body, "</section>\n");
	json_decref(obj);
}

void page_deletions(struct page *p)
{
	const struct conf *conf = p->web->conf;

	layout_begin(p, "Deletions", "/deletions");
	holds(p);
	for (size_t i = 0; i < conf->nassets; i++)
		if ((conf->assets[i].type->flags & ASSET_DELETES) != 0)
			by_asset(p, conf->assets[i].name);
	layout_end(p);
}
