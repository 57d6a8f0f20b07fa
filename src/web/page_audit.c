/* The last reconciliation of the records with the world: what is missing, different, or there without a record. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

static const struct {
	const char *kind, *title;
} kinds[] = {
    {"missing", "Missing"},
    {"mismatched", "Different from the records"},
    {"unknown", "Could not be looked at"},
    {"extra", "On no record"},
    {"leftover", "Left over"},
};

static void verdict(struct page *p, const json_t *report)
{
	const json_t *found = json_object_get(report, "found");
	bool clean = json_bool(report, "clean", false), first = true;
	bool bad = json_int(found, "missing", 0) + json_int(found, "mismatched", 0) > 0;
	const char *state = bad ? "failed" : clean ? "ok" : "warnings";

	html(&p->body, "<p class=\"verdict %r\" role=\"status\"><b aria-hidden=\"true\">%r</b> ",
	    part_tone(state), part_shape(state));
	html(&p->body, clean ? "Everything on record is there" : "Found");
	for (size_t i = 0; i < NITEMS(kinds); i++) {
		if (json_int(found, kinds[i].kind, 0) == 0)
			continue;
		html(&p->body, "%r %i %s", first ? clean ? "; besides," : "" : ",",
		    json_int(found, kinds[i].kind, 0), kinds[i].kind);
		first = false;
	}
	html(&p->body, ".</p>\n");
}

static void fact(struct page *p, const char *name, const json_t *checked, const char *member)
{
	html(&p->body, "<dt>%s</dt><dd>%i</dd>", name, json_int(checked, member, 0));
}

static void scope(struct page *p, const json_t *report)
{
	const json_t *s = json_object_get(report, "scope"), *checked = json_object_get(report, "checked");

	html(&p->body, "<section><h2>What was looked at</h2><dl><dt>When (UTC)</dt><dd>");
	part_time(&p->body, json_str(report, "started_at", NULL));
	html(&p->body, ", took ");
	part_span(&p->body, json_str(report, "started_at", NULL), json_str(report, "ended_at", NULL));
	html(&p->body, ", by %s</dd><dt>Of</dt><dd>", json_str(report, "who", ""));
	if (json_str(s, "partition", NULL) != NULL)
		part_partition_link(&p->body, json_str(s, "partition", ""));
	else
		html(&p->body, "all partitions");
	if (json_str(s, "asset", NULL) != NULL)
		html(&p->body, ", asset %s", json_str(s, "asset", ""));
	if (json_str(s, "since", NULL) != NULL) {
		html(&p->body, ", since ");
		part_time(&p->body, json_str(s, "since", NULL));
	}
	html(&p->body, "</dd><dt>How</dt><dd>%s</dd>",
	    json_bool(s, "deep", false) ? "every object was read back and hashed"
	                                : "size and recorded sum of every object");
	fact(p, "Manifests", checked, "manifests");
	fact(p, "Objects", checked, "objects");
	html(&p->body, "<dt>Bytes</dt><dd>");
	part_bytes(&p->body, json_int(checked, "bytes", 0));
	html(&p->body, "</dd>");
	fact(p, "Effect rows", checked, "effects");
	fact(p, "Row counts", checked, "tables");
	fact(p, "Uploads", checked, "keys");
	fact(p, "Deletions", checked, "deletions");
	fact(p, "Belong to runs under way, not judged", checked, "under_way");
	html(&p->body, "</dl></section>\n");
}

static void finding(struct page *p, const json_t *f)
{
	const char *found = json_str(f, "found", "");

	html(&p->body,
	    "<tr><td>%s<br><span class=\"dim\">%s</span></td><td "
	    "class=\"wide\"><code>%s</code><details><summary>Next"
	    "</summary><code>%s</code></details></td><td>",
	    json_str(f, "what", ""), json_str(f, "where", ""), json_str(f, "key", ""), json_str(f, "next", ""));
	part_partition_link(&p->body, json_str(f, "partition", ""));
	if (json_int(f, "run", 0) > 0) {
		html(&p->body, "<br>");
		part_run_link(&p->body, json_int(f, "run", 0));
	}
	html(&p->body, "</td><td class=\"wide\">%s</td><td%r>%s</td></tr>\n", json_str(f, "expected", ""),
	    strlen(found) > 24 ? " class=\"wide\"" : "", found);
}

static void findings(struct page *p, const json_t *report)
{
	const json_t *list = json_object_get(report, "findings"), *found = json_object_get(report, "found"), *f;
	size_t i;

	for (size_t k = 0; k < NITEMS(kinds); k++) {
		if (json_int(found, kinds[k].kind, 0) == 0)
			continue;
		html(&p->body, "<section><h2>%s</h2>", kinds[k].title);
		grid_begin(&p->body, kinds[k].title, "What|Name|Partition|Expected|Found");
		json_array_foreach(list, i, f)
		{
			if (strcmp(json_str(f, "kind", ""), kinds[k].kind) == 0)
				finding(p, f);
		}
		grid_end(&p->body);
		html(&p->body, "</section>\n");
	}
	if (json_int(report, "findings_cut", 0) > 0)
		html(&p->body,
		    "<p class=\"dim\">%i more are not kept here; <code>orchctl audit</code> tells them "
		    "all.</p>\n",
		    json_int(report, "findings_cut", 0));
}

static void count(struct page *p, const json_t *a, const char *member)
{
	html(&p->body, "<td class=\"num opt\">%i</td>", json_int(a, member, 0));
}

static void earlier(struct page *p, const json_t *list)
{
	const json_t *a;
	size_t i;

	html(&p->body, "<section><h2>All on record</h2>");
	grid_begin(&p->body, "Audits, newest first",
	    "=Audit|Verdict|At (UTC)|-By|-Of|#-Missing|#-Mismatched|#-Unknown|#-Extra|#-Leftover");
	json_array_foreach(list, i, a)
	{
		bool bad = json_int(a, "missing", 0) + json_int(a, "mismatched", 0) > 0;

		html(&p->body, "<tr><td><a href=\"/audit?id=%i\">%i</a></td><td>", json_int(a, "id", 0),
		    json_int(a, "id", 0));
		part_state(&p->body, json_bool(a, "clean", false) ? "ok" : bad ? "failed" : "warnings");
		html(&p->body, "</td><td>");
		part_time(&p->body, json_str(a, "at", NULL));
		html(&p->body, "</td><td class=\"opt\">%s</td><td class=\"opt\">%r</td>",
		    json_str(a, "who", ""), json_bool(a, "narrow", false) ? "a part" : "all partitions");
		count(p, a, "missing");
		count(p, a, "mismatched");
		count(p, a, "unknown");
		count(p, a, "extra");
		count(p, a, "leftover");
		html(&p->body, "</tr>\n");
	}
	grid_end(&p->body);
	html(&p->body, "</section>\n");
}

void page_audit(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *obj = query_audit(&p->web->query, page_number(p, "id", 0), &err);
	const json_t *report = json_object_get(obj, "audit");

	if (obj == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Audit", "/audit");
	if (!json_is_object(report)) {
		html(&p->body, "<p class=\"empty\">Nothing was audited yet. <code>orchctl audit</code> "
		               "compares everything on "
		               "record with what is in the stores and databases.</p>");
	} else {
		verdict(p, report);
		findings(p, report);
		scope(p, report);
		earlier(p, json_object_get(obj, "audits"));
	}
	layout_end(p);
	json_decref(obj);
}
