#include "config.h"

#include "web/web_priv.h"

#include <string.h>

#define ROW   26
#define LEFT  170
#define WIDTH 810
#define MARKS 4

static int64_t place(int64_t ms, int64_t total)
{
	return LEFT + ms * WIDTH / total;
}

static void bar(
    struct strbuf *out, const char *asset, const json_t *attempt, int y, const char *t0, int64_t total)
{
	const char *a = json_str(attempt, "started_at", NULL), *b = json_str(attempt, "ended_at", NULL);
	const char *outcome = b ? json_str(attempt, "outcome", "") : "running";
	int64_t from = MAX(part_ms_between(t0, a), (int64_t)0), took = MAX(part_ms_between(a, b), (int64_t)0);

	html(out,
	    "<rect class=\"bar %r\" x=\"%i\" y=\"%d\" width=\"%i\" height=\"16\" rx=\"3\"><title>%s, try %i: "
	    "%s, ",
	    part_tone(outcome), place(from, total), y + 5, MAX(took * WIDTH / total, (int64_t)3), asset,
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
	    "<text x=\"0\" y=\"%d\">%s</text><line class=\"rule\" x1=\"0\" x2=\"1000\" y1=\"%d\" y2=\"%d\"/>",
	    y + 17, asset, y + ROW, y + ROW);
	json_array_foreach(json_object_get(step, "attempts"), i, attempt)
	    bar(out, asset, attempt, y, t0, total);
}

static void axis(struct strbuf *out, int bottom, int64_t total)
{
	for (int i = 0; i <= MARKS; i++) {
		int x = LEFT + WIDTH * i / MARKS;

		html(out,
		    "<line class=\"rule\" x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\"/><text class=\"axis%r\" "
		    "x=\"%d\" y=\"%d\">",
		    x, x, bottom + 4,
		    i == 0       ? ""
		    : i == MARKS ? " end"
		                 : " middle",
		    i == MARKS ? x + 18 : x, bottom + 18);
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
	    "<div class=\"scroll\"><svg class=\"gantt\" viewBox=\"0 0 1000 %d\" role=\"img\" "
	    "aria-label=\"Steps over time; "
	    "the table below has the numbers\">",
	    bottom + 24);
	axis(out, bottom, total);
	json_array_foreach(steps, i, step) row(out, step, (int)i * ROW, t0, total);
	html(out, "</svg></div>");
}
