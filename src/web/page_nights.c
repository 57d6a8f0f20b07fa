/* The matrix of nights: who sends them by night, and what became of each. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"

#include <string.h>

#define STUCK_SHOWN 20

static void legend(struct page *p)
{
	static const char *const words[] = {"ok", "warnings", "failed", "no_data", "running", "queued",
	    "complete", "pending", "stale", "invalid"};
	static const char *const standings[] = {"current", "late", "stuck", "quiet"};

	html(&p->body, "<p class=\"legend\"><span>\xc2\xb7 no upload</span> ");
	for (size_t i = 0; i < NITEMS(words); i++) {
		part_state(&p->body, words[i]);
		html(&p->body, " ");
	}
	html(&p->body, "<span>raw data: <b>D</b> deleted, <b>H</b> held, <b>K</b> kept</span></p>\n<p "
	               "class=\"legend\"><span>before a name:</span> ");
	for (size_t i = 0; i < NITEMS(standings); i++) {
		part_state(&p->body, standings[i]);
		html(&p->body, " ");
	}
	html(&p->body, "</p>\n");
}

static void day_heading(struct page *p, const char *date, const char *before)
{
	/* The month where it changes, the day always; the whole date for those who listen. */
	bool month = before == NULL || strncmp(date, before, 6) != 0;

	html(&p->body, "<th scope=\"col\" title=\"%s\"><span class=\"month\">", date);
	if (month) {
		html_text_n(&p->body, date, 4);
		html(&p->body, "-");
		html_text_n(&p->body, date + 4, 2);
	}
	html(&p->body, "</span><span>%s</span></th>", date + 6);
}

/* In the corner of a cell: what is there of a night that is not complete, or what became of its raw data. */
static void corner(struct page *p, const struct night *n)
{
	if (n->run == 0 && n->present < n->expected)
		html(&p->body, "<i aria-hidden=\"true\">%i/%i</i>", n->present, n->expected);
	else if (n->raw != NULL)
		html(&p->body, "<i aria-hidden=\"true\">%r</i>",
		    n->raw[0] == 'd'   ? "D"
		    : n->raw[0] == 'h' ? "H"
		                       : "K");
}

void nights_cell(struct page *p, const struct night_row *row, const char *date, const struct night *n)
{
	const char *what = n->partition ? n->partition : n->key, *word, *raw = n->raw;

	if (n->state == NULL) {
		html(&p->body,
		    "<td class=\"cell\"><span class=\"none\" title=\"%s %s: no upload\">\xc2\xb7<span "
		    "class=\"hear\">no upload</span></span></td>",
		    row->name, date);
		return;
	}
	word = part_word(n->state);
	html(&p->body, "<td class=\"cell\"><%r class=\"%r\" title=\"%s %s: %s%r%s%r%s\"", what ? "a" : "span",
	    part_tone(n->state), row->name, date, word, n->text ? ", " : "", n->text, raw ? ", raw data " : "",
	    raw);
	if (what != NULL) {
		html(&p->body, " href=\"/partition/");
		part_path(&p->body, what);
		html(&p->body, "\"");
	}
	html(&p->body, "><b aria-hidden=\"true\">%r</b><span class=\"hear\">%s %s %s</span>",
	    part_shape(n->state), word, n->text, raw);
	corner(p, n);
	html(&p->body, "</%r></td>", what ? "a" : "span");
}

static void matrix(struct page *p, const struct nights *m)
{
	html(&p->body,
	    "<div class=\"scroll\"><table class=\"matrix\"><caption class=\"hear\">Nights, newest first, by "
	    "who sends them</caption><thead><tr><th scope=\"col\">Night of</th>");
	for (size_t k = 0; k < m->ndates; k++)
		day_heading(p, m->date[k], k > 0 ? m->date[k - 1] : NULL);
	html(&p->body, "</tr></thead><tbody>\n");
	for (size_t i = 0; i < m->nrows; i++) {
		const struct night_row *row = &m->row[i];

		html(&p->body,
		    "<tr><th scope=\"row\"><span class=\"%r\" title=\"%r\"><b aria-hidden=\"true\">%r</b><span "
		    "class=\"hear\">%r</span></span> %s</th>",
		    part_tone(row->standing), part_word(row->standing), part_shape(row->standing),
		    part_word(row->standing), row->name);
		for (size_t k = 0; k < m->ndates; k++)
			nights_cell(p, row, m->date[k], &row->night[k]);
		html(&p->body, "</tr>\n");
	}
	html(&p->body, "</tbody></table></div>\n");
}

static void stuck_row(struct page *p, const struct nights *m, const struct night_at *at)
{
	const struct night_row *row = &m->row[at->row];
	const struct night *n = &row->night[at->date];

	html(&p->body, "<li>");
	part_state(&p->body, n->state);
	html(&p->body, "<a href=\"/partition/");
	part_path(&p->body, n->partition ? n->partition : n->key);
	html(&p->body, "\">%s, ", row->name);
	part_date(&p->body, m->date[at->date]);
	html(&p->body, "</a>%r<span class=\"dim\">%s</span></li>\n", n->text ? ": " : "", n->text);
}

void nights_stuck(struct page *p, const struct nights *m, size_t most)
{
	if (m->nstuck == 0)
		return;
	html(&p->body, "<section class=\"attention\"><h2>Stuck nights</h2><ul class=\"stuck\">");
	for (size_t i = 0; i < MIN(m->nstuck, most); i++)
		stuck_row(p, m, &m->stuck[i]);
	html(&p->body, "</ul>");
	if (m->nstuck > most)
		html(&p->body, "<p class=\"more\"><a href=\"/nights\">and %i more</a></p>",
		    (int64_t)(m->nstuck - most));
	html(&p->body, "</section>\n");
}

/* To the nights before, and to the rows behind. */
static void pager(struct page *p, const struct nights *m, const struct nights_ask *ask)
{
	html(&p->body, "<p class=\"pager\"><a href=\"/nights\">Newest</a>");
	if (m->earlier[0] != '\0')
		html(&p->body, " <a rel=\"next\" href=\"/nights?until=%u%r%u\">Earlier nights</a>", m->earlier,
		    ask->after ? "&amp;after=" : "", ask->after);
	if (m->next != NULL)
		html(&p->body, " <a href=\"/nights?%r%u%rafter=%u\">More rows</a>", ask->until ? "until=" : "",
		    ask->until, ask->until ? "&amp;" : "", m->next);
	html(&p->body, "</p>");
}

void page_nights(struct page *p)
{
	struct err err = ERR_INIT;
	const struct nights_ask ask = {
	    .until = page_param(p, "until"), .after = page_param(p, "after"), .days = NIGHTS_DAYS};
	struct nights *m = nights_read(&p->web->query, &ask, clock_now(), &err);

	if (m == NULL) {
		layout_error(p, &err);
		return;
	}
	layout_begin(p, "Nights", "/nights");
	if (m->nrows == 0) {
		html(&p->body, "<p class=\"empty\">Nothing dated has come in yet.</p>");
	} else {
		matrix(p, m);
		pager(p, m, &ask);
		legend(p);
		nights_stuck(p, m, STUCK_SHOWN);
	}
	layout_end(p);
	nights_free(m);
}
