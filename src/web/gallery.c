/* gallery.c: the pictures of a run, shown inline from the store. */
#include "config.h"

#include "web/web_priv.h"

#include "state/state.h"

#include <string.h>

static void picture_link(struct page *p, int64_t run, const char *key)
{
	html(&p->body, "/picture/%i/", run);
	part_path(&p->body, key);
}

static const char *last_component(const char *key)
{
	const char *slash = strrchr(key, '/');

	return slash ? slash + 1 : key;
}

/* One picture may lie under several prefixes; the first is shown. */
static bool shown_before(const json_t *found, size_t i, const char *key)
{
	while (i-- > 0)
		if (strcmp(last_component(json_str(json_array_get(found, i), "key", "")),
		        last_component(key)) == 0)
			return true;
	return false;
}

static void picture(struct page *p, int64_t run, const char *key)
{
	html(&p->body, "<figure><a href=\"");
	picture_link(p, run, key);
	html(&p->body, "\"><img loading=\"lazy\" src=\"");
	picture_link(p, run, key);
	html(&p->body, "\" alt=\"%s\"></a><figcaption title=\"%s\">%s</figcaption></figure>", key, key,
	    last_component(key));
}

/* The last that was named comes first: what the others led to. */
void gallery(struct page *p, int64_t run)
{
	const json_t *found = pictures_last_known(p->web->pictures, run);

	if (json_array_size(found) == 0) {
		if (run > 0 && pictures_out_of_reach(p->web->pictures, run))
			html(&p->body,
			    "<section><h2>Pictures</h2><p class=\"empty\">They cannot be shown now: a store of "
			    "theirs cannot be asked.</p></section>\n");
		return;
	}
	html(&p->body, "<section><h2>Pictures</h2><div class=\"pictures\">");
	for (size_t i = json_array_size(found); i-- > 0;) {
		const char *key = json_str(json_array_get(found, i), "key", "");

		if (!shown_before(found, i, key))
			picture(p, run, key);
	}
	html(&p->body, "</div></section>\n");
}

int64_t partition_pictures(struct web *w, const char *partition)
{
	int64_t run = sql_get_int(w->query.state->sql, 0,
	    "SELECT id FROM run WHERE partition = ?1 AND +state = 'succeeded' AND dry_run = 0 ORDER BY id DESC "
	    "LIMIT 1",
	    "s", partition);

	if (sql_error(w->query.state->sql) != NULL)
		sql_rollback(w->query.state->sql);
	return run;
}
