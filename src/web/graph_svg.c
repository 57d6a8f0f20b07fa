#include "config.h"

#include "web/web_priv.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "step/asset.h"

#include <stdlib.h>
#include <string.h>

#define BOX_W  168
#define BOX_H  44
#define GAP_X  56
#define GAP_Y  18
#define MARGIN 4

struct place {
	int column, row;
};

/* Each asset one column right of the last of what it depends on; conf->assets is in that order. */
static struct place *layout(const struct conf *conf, int *columns, int *rows)
{
	struct place *place = xcalloc(MAX(conf->nassets, (size_t)1), sizeof(*place));
	int *used = xcalloc(conf->nassets + 1, sizeof(*used));

	*columns = *rows = 0;
	for (size_t i = 0; i < conf->nassets; i++) {
		const struct conf_asset *a = &conf->assets[i];

		for (size_t k = 0; k < a->ndep; k++)
			place[i].column = MAX(place[i].column, place[a->dep[k]->index].column + 1);
		place[i].row = used[place[i].column]++;
		*columns = MAX(*columns, place[i].column + 1);
		*rows = MAX(*rows, place[i].row + 1);
	}
	free(used);
	return place;
}

static int left(struct place p)
{
	return MARGIN + p.column * (BOX_W + GAP_X);
}

static int middle(struct place p)
{
	return MARGIN + p.row * (BOX_H + GAP_Y) + BOX_H / 2;
}

static void edge(struct strbuf *out, struct place from, struct place to)
{
	int x1 = left(from) + BOX_W, y1 = middle(from), x2 = left(to), y2 = middle(to), half = (x2 - x1) / 2;

	html(out,
	    "<path class=\"edge\" d=\"M%d %dC%d %d %d %d %d %d\"/><path class=\"tip\" d=\"M%d %dl-7 -4v8z\"/>",
	    x1, y1, x1 + half, y1, x2 - half, y2, x2 - 6, y2, x2, y2);
}

static void box(struct strbuf *out, const struct conf_asset *a, struct place at, const json_t *last, bool here)
{
	const char *outcome = json_str(last, "outcome", NULL);

	html(out,
	    "<a href=\"/assets/%u\"><rect class=\"box%r\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
	    "rx=\"6\"/>"
	    "<text class=\"name\" x=\"%d\" y=\"%d\">%s</text><text class=\"sub %r\" x=\"%d\" y=\"%d\">%r "
	    "%s</text><title>%s</title></a>",
	    a->name, here ? " here" : "", left(at), middle(at) - BOX_H / 2, BOX_W, BOX_H, left(at) + 12,
	    middle(at) - 3, a->name, part_tone(outcome), left(at) + 12, middle(at) + 14,
	    outcome ? part_shape(outcome) : "", outcome ? part_word(outcome) : "never made",
	    a->description ? a->description : a->type->summary);
}

void graph_svg(struct strbuf *out, const struct conf *conf, const json_t *assets, const char *here)
{
	int columns, rows;
	struct place *place = layout(conf, &columns, &rows);

	html(out,
	    "<div class=\"scroll\"><svg class=\"graph\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
	    "role=\"group\" aria-label=\"Assets and what they depend on\">",
	    columns * (BOX_W + GAP_X) - GAP_X + 2 * MARGIN, rows * (BOX_H + GAP_Y) - GAP_Y + 2 * MARGIN,
	    columns * (BOX_W + GAP_X) - GAP_X + 2 * MARGIN, rows * (BOX_H + GAP_Y) - GAP_Y + 2 * MARGIN);
	for (size_t i = 0; i < conf->nassets; i++)
		for (size_t k = 0; k < conf->assets[i].ndep; k++)
			edge(out, place[conf->assets[i].dep[k]->index], place[i]);
	for (size_t i = 0; i < conf->nassets; i++)
		box(out, &conf->assets[i], place[i], json_object_get(json_array_get(assets, i), "last"),
		    here != NULL && strcmp(here, conf->assets[i].name) == 0);
	html(out, "</svg></div>\n");
	free(place);
}
