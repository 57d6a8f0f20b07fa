/* Badges to put on other pages: an asset or a sensor in one word, with its colour. */
#include "config.h"

#include "web/web_priv.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "state/state.h"

#include <stdlib.h>
#include <string.h>

#define ENDING     ".svg"
#define RECENT_RUN 1000 /* an asset's last failure is looked for among the newest of these */
#define GLYPH      7 /* about as wide as a letter is */

/* A failure since it was last made says more than what was made; so does that it should have been made again. */
static const char *asset_word(const struct web *w, const struct conf_asset *a)
{
	struct sql *sql = w->query.state->sql;
	const char *word = "never made";
	struct sql_row *row = sql_query(sql,
	    "SELECT state = 'failed' FROM step WHERE run_id > (SELECT coalesce(max(id), 0) FROM run) - ?1"
	    " AND asset = ?2 AND state IN ('succeeded', 'failed') ORDER BY run_id DESC LIMIT 1",
	    "is", (int64_t)RECENT_RUN, a->name);
	bool failed = sql_next(row) && sql_int(row, 0) != 0;

	sql_end(row);
	if (failed)
		return "failed";
	if (query_asset_late(&w->query, a) > 0)
		return "late";
	row = sql_query(
	    sql, "SELECT outcome FROM materialization WHERE asset = ?1 ORDER BY id DESC LIMIT 1", "s", a->name);
	if (sql_next(row))
		word = strcmp(sql_text(row, 0), "warnings") == 0  ? "warnings"
		       : strcmp(sql_text(row, 0), "no_data") == 0 ? "no_data"
		                                                  : "ok";
	sql_end(row);
	return word;
}

static const char *sensor_word(const struct web *w, const struct conf_sensor *s)
{
	struct sensor_times t = sensor_times(w, s);
	struct sql_row *row;
	bool failed;

	if (t.paused)
		return "paused";
	if (t.late_ms > 0)
		return "late";
	row = sql_query(w->query.state->sql,
	    "SELECT outcome = 'failed' FROM tick WHERE sensor = ?1 ORDER BY id DESC LIMIT 1", "s", s->name);
	failed = sql_next(row) && sql_int(row, 0) != 0;
	sql_end(row);
	return failed ? "failed" : t.last_ok_at == 0 ? "waiting" : "ok";
}

static const struct {
	const char *tone, *colour;
} colours[] = {{"good", "#2a7d4f"}, {"warn", "#9a6200"}, {"bad", "#b3382c"}};

static const char *colour_of(const char *word)
{
	for (size_t i = 0; i < NITEMS(colours); i++)
		if (strcmp(colours[i].tone, part_tone(word)) == 0)
			return colours[i].colour;
	return "#666";
}

static int width(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n * GLYPH + 2 * GLYPH;
}

static void draw(struct page *p, const char *name, const char *word)
{
	int left = width(name), right = width(part_word(word));

	p->content_type = "image/svg+xml";
	html(&p->body,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"20\" role=\"img\" "
	    "aria-label=\"%s: %s\">"
	    "<title>%s: %s</title><rect width=\"%d\" height=\"20\" rx=\"3\" fill=\"%r\"/>"
	    "<path d=\"M3 0h%dv20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z\" fill=\"#444\"/>",
	    left + right, name, part_word(word), name, part_word(word), left + right, colour_of(word),
	    left - 3);
	html(&p->body,
	    "<g fill=\"#fff\" font-family=\"DejaVu Sans,Verdana,sans-serif\" font-size=\"11\">"
	    "<text x=\"%d\" y=\"14\">%s</text><text x=\"%d\" y=\"14\">%s</text></g></svg>\n",
	    GLYPH, name, left + GLYPH, part_word(word));
}

/* /badge/NAME.svg; of an asset and a sensor of one name it is the asset. */
void page_badge(struct page *p)
{
	const struct conf *conf = p->web->conf;
	size_t n = strlen(p->arg[0]), ending = strlen(ENDING);
	char *name = n > ending && strcmp(p->arg[0] + n - ending, ENDING) == 0 ? xstrndup(p->arg[0], n - ending)
	                                                                       : xstrdup("");
	const struct conf_asset *a = conf_asset_find(conf, name);
	const struct conf_sensor *s = conf_sensor_find(conf, name);
	struct err err = ERR_INIT;

	if (a != NULL) {
		draw(p, a->name, asset_word(p->web, a));
	} else if (s != NULL) {
		draw(p, s->name, sensor_word(p->web, s));
	} else {
		err_code(&err, ERR_PERMANENT, "not_found", "there is no asset or sensor '%.200s'", name);
		layout_error(p, &err);
	}
	free(name);
}
