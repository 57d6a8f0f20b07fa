/* checks.c: what steps have checked, on the page of a run and of an asset. */
#include "config.h"

#include "web/web_priv.h"

#include <string.h>

/* A failure that only warns looks like one. */
static const char *verdict_of_check(const json_t *check)
{
	if (json_bool(check, "passed", false))
		return "passed";
	return strcmp(json_str(check, "severity", ""), "WARN") == 0 ? "warned" : "failed";
}

static void found(struct strbuf *out, const json_t *check)
{
	const json_t *metadata = json_object_get(check, "metadata");
	int64_t cut = json_int(check, "metadata_cut", 0);

	if (json_is_object(metadata))
		part_json(out, metadata);
	if (cut > 0)
		html(out, "<span class=\"dim\">%i more in the journal</span>", cut);
}

void checks_section(struct page *p, const char *title, const json_t *checks)
{
	const json_t *check;
	size_t i;

	if (json_array_size(checks) == 0)
		return;
	html(&p->body, "<section><h2>%s</h2>", title);
	grid_begin(&p->body, title, "Verdict|Check|Asset|#-Try|At (UTC)|-Run|Found");
	json_array_foreach(checks, i, check)
	{
		html(&p->body, "<tr><td>");
		part_state(&p->body, verdict_of_check(check));
		html(&p->body, "</td><td>%s</td><td>", json_str(check, "check", ""));
		part_asset_link(&p->body, json_str(check, "asset", ""));
		html(&p->body, "</td><td class=\"num opt\">%i</td><td>", json_int(check, "attempt", 0));
		part_time(&p->body, json_str(check, "at", NULL));
		html(&p->body, "</td><td class=\"opt\">");
		part_run_link(&p->body, json_int(check, "run", 0));
		html(&p->body, "</td><td class=\"wide\">");
		found(&p->body, check);
		html(&p->body, "</td></tr>\n");
	}
	grid_end(&p->body);
	html(&p->body, "</section>\n");
}
