#include "config.h"

#include "web/web_priv.h"

#include <string.h>

#define ROW   40 /* a name, and its bars below it */
#define BAR_Y 19
#define BAR_H 14
#define LEAST 0.5 /* per cent: what is short is still seen */
#define MARKS 4

/* Places are in per cent, so that the drawing has any width and its words keep their size. */
static double share(int64_t ms, int64_t total)
{
	return 100.0 * (double)ms / (double)total;
}

static void bar(
    struct strbuf *out, const char *asset, const json_t *attempt, int y, const char *t0, int64_t total)
{
	const char *a = json_str(attempt, "started_at", NULL), *b = json_str(attempt, "ended_at", NULL);
	const char *outcome = b ? json_str(attempt, "outcome", "") : "running";
	int64_t from = MAX(part_ms_between(t0, a), (int64_t)0), took = MAX(part_ms_between(a, b), (int64_t)0);
	double width = MAX(share(took, total), LEAST);

	strbuf_addf(out, "<rect x=\"%.2f%%\" y=\"%d\" width=\"%.2f%%\" height=\"%d\" rx=\"3\" ",
	    MIN(share(from, total), 100 - width), y + BAR_Y, width, BAR_H);
	html(out, "class=\"bar %r\"><title>%s, try %i: %s, ", part_tone(outcome), asset,
	    json_int(attempt, "n", 0), part_word(outcome));
	part_ms(out, took);
	html(out, "</title></rect>");
}

static void row(struct strbuf *out, const json_t *step, int y, const char *t0, int64_t total)
{
	const char *asset = json_str(step, "asset", "");
	const json_t *attempt;
	size_t i;

	html(out,
	    "<text x=\"0\" y=\"%d\">%s</text><line class=\"rule\" x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>",
	    y + 14, asset, y + ROW, y + ROW);
	json_array_foreach(json_object_get(step, "attempts"), i, attempt)
	    bar(out, asset, attempt, y, t0, total);
}

static void axis(struct strbuf *out, int bottom, int64_t total)
{
	static const char *const anchor[MARKS + 1] = {"start", "middle", "middle", "middle", "end"};

	for (int i = 0; i <= MARKS; i++) {
		html(out,
		    "<line class=\"rule\" x1=\"%d%%\" x2=\"%d%%\" y1=\"%d\" y2=\"%d\"/><text class=\"axis\" "
		    "text-anchor=\"%r\" x=\"%d%%\" y=\"%d\">",
		    100 * i / MARKS, 100 * i / MARKS, bottom, bottom + 5, anchor[i], 100 * i / MARKS,
		    bottom + 19);
		if (i == 0)
			strbuf_addch(out, '0');
		else
			part_ms(out, total * i / MARKS);
		html(out, "</text>");
	}
}

void gantt_svg(struct strbuf *out, const json_t *run)
{
	const char *t0 = json_str(run, "started_at", json_str(run, "created_at", NULL));
	const json_t *steps = json_object_get(run, "steps"), *step;
	int64_t total = MAX(part_ms_between(t0, json_str(run, "ended_at", NULL)), (int64_t)1);
	int bottom = (int)json_array_size(steps) * ROW;
	size_t i;

	html(out,
	    "<svg class=\"gantt\" width=\"100%%\" height=\"%d\" role=\"img\" aria-label=\"Steps over time; the "
	    "table "
	    "below has the numbers\">",
	    bottom + 24);
	axis(out, bottom, total);
	json_array_foreach(steps, i, step) row(out, step, (int)i * ROW, t0, total);
	html(out, "</svg>");
}
