#include "config.h"

#include "web/web_priv.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "step/asset.h"

#include <stdlib.h>
#include <string.h>

#define BOX_W   168
#define BOX_H   44
#define GAP_X   56
#define GAP_Y   18
#define MARGIN  1 /* for the line around a box */
#define SINGLES 3 /* in a row */

struct place {
	int column, row;
	size_t group; /* the first of those it hangs together with */
};

struct layout {
	struct place *place; /* of each asset */
	size_t *members; /* of each group, by its first asset */
	int columns, rows;
};

/* Groups, and each asset one column right of the last of what it depends on; conf->assets is in that order. */
static void find_groups(struct layout *l, const struct conf *conf)
{
	for (size_t i = 0; i < conf->nassets; i++) {
		const struct conf_asset *a = &conf->assets[i];

		l->place[i].group = i;
		for (size_t k = 0; k < a->ndep; k++) {
			const struct place *dep = &l->place[a->dep[k]->index];
			size_t from = MAX(l->place[i].group, dep->group),
			       to = MIN(l->place[i].group, dep->group);

			l->place[i].column = MAX(l->place[i].column, dep->column + 1);
			for (size_t j = 0; j <= i; j++)
				if (l->place[j].group == from)
					l->place[j].group = to;
		}
	}
	for (size_t i = 0; i < conf->nassets; i++)
		l->members[l->place[i].group]++;
}

/* One group below the rows that are taken. */
static void place_group(struct layout *l, size_t n, size_t group)
{
	int *used = xcalloc(n + 1, sizeof(*used)), rows = 0;

	for (size_t i = group; i < n; i++) {
		struct place *p = &l->place[i];

		if (p->group != group)
			continue;
		p->row = l->rows + used[p->column]++;
		rows = MAX(rows, used[p->column]);
		l->columns = MAX(l->columns, p->column + 1);
	}
	l->rows += rows;
	free(used);
}

/* Those that stand alone fill rows of their own, at the end. */
static void place_single(struct layout *l, size_t i, int *n)
{
	l->columns = MAX(l->columns, MIN(*n + 1, SINGLES));
	l->place[i].column = *n % SINGLES;
	if (l->place[i].column == 0)
		l->rows++;
	l->place[i].row = l->rows - 1;
	++*n;
}

static bool is_drawn(const struct layout *l, size_t i, size_t only)
{
	return only == SIZE_MAX || l->place[i].group == only;
}

/* The group of here alone, or everything. */
static size_t lay_out(struct layout *l, const struct conf *conf, const char *here)
{
	size_t only = SIZE_MAX;
	int singles = 0;

	l->place = xcalloc(conf->nassets + 1, sizeof(*l->place));
	l->members = xcalloc(conf->nassets + 1, sizeof(*l->members));
	find_groups(l, conf);
	for (size_t i = 0; i < conf->nassets; i++)
		if (here != NULL && strcmp(here, conf->assets[i].name) == 0)
			only = l->place[i].group;
	for (size_t i = 0; i < conf->nassets; i++)
		if (l->members[i] > 1 && is_drawn(l, i, only))
			place_group(l, conf->nassets, i);
	for (size_t i = 0; i < conf->nassets; i++)
		if (l->members[i] == 1 && is_drawn(l, i, only))
			place_single(l, i, &singles);
	return only;
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

static void draw(struct strbuf *out, const struct conf *conf, const json_t *assets, const char *here,
    const struct layout *l, size_t only)
{
	int width = l->columns * (BOX_W + GAP_X) - GAP_X + 2 * MARGIN,
	    height = l->rows * (BOX_H + GAP_Y) - GAP_Y + 2 * MARGIN;

	html(out,
	    "<div class=\"scroll\"><svg class=\"graph\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
	    "role=\"group\" aria-label=\"Assets and what they depend on\">",
	    width, height, width, height);
	for (size_t i = 0; i < conf->nassets; i++)
		for (size_t k = 0; is_drawn(l, i, only) && k < conf->assets[i].ndep; k++)
			edge(out, l->place[conf->assets[i].dep[k]->index], l->place[i]);
	for (size_t i = 0; i < conf->nassets; i++)
		if (is_drawn(l, i, only))
			box(out, &conf->assets[i], l->place[i],
			    json_object_get(json_array_get(assets, i), "last"),
			    here != NULL && strcmp(here, conf->assets[i].name) == 0);
	html(out, "</svg></div>\n");
}

void graph_svg(struct strbuf *out, const struct conf *conf, const json_t *assets, const char *here)
{
	struct layout l = {0};
	size_t only = lay_out(&l, conf, here);

	if (l.rows > 0 && (only == SIZE_MAX || l.members[only] > 1))
		draw(out, conf, assets, here, &l, only);
	free(l.place);
	free(l.members);
}
