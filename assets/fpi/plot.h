/*
 * plot.h: a little drawing on top of cairo: a page, panels with axes, points with error bars, lines, legends.
 *
 * Times are UTC seconds since 1970.  Values that are not finite are left out; what lies outside a panel is clipped, points
 * leave an arrow at the edge.
 */
#ifndef FPI_PLOT_H
#define FPI_PLOT_H

#include "base/err.h"
#include "base/strbuf.h"

#include <cairo.h>

struct plot_color {
	double r, g, b;
};

extern const struct plot_color plot_black, plot_grey, plot_blue, plot_red;

struct plot {
	cairo_surface_t *surface;
	cairo_t *cr;
	double width, height;
};

struct panel {
	double x, y, w, h; /* inside of the frame, pixels from the top left */
	double x0, x1, y0, y1; /* values at left, right, bottom, top */
	bool log_y;
};

void plot_init(struct plot *, int width, int height);
/* Append the page as PNG and release it; also after errors. */
int plot_finish(struct plot *, struct strbuf *out, struct err *err);

/* Anchor: 0 left or top, 0.5 middle, 1 right or bottom. */
void plot_text(struct plot *, double x, double y, double ax, double ay, double size, bool bold,
    struct plot_color, const char *text);
double plot_text_width(struct plot *, double size, bool bold, const char *text);
void plot_text_up(
    struct plot *, double x, double y, double size, const char *text); /* centred, read from below */

/* Frame, grid and numbers; hours of UT below when times is set, with the word "Universal Time" when named is. */
void panel_axes(
    struct plot *, const struct panel *, const char *title, const char *ylabel, bool times, bool named);
void panel_say(struct plot *, const struct panel *, const char *text); /* instead of data */
/* Limits around values with some air, at least span apart; unchanged without finite values. */
void panel_fit_y(struct panel *, const double *v, const double *error, size_t n, double span);
void panel_fit_log_y(struct panel *, const double *v, size_t n);
double panel_px(const struct panel *, double x);
double panel_py(const struct panel *, double y);

struct plot_points {
	const double *x, *y;
	const double *error; /* NULL: none */
	const double *opacity; /* NULL: 1 */
	size_t n;
	struct plot_color color;
	double radius; /* pixels; 0: no points */
	bool hollow;
	double line_width, line_opacity; /* width 0: not joined; lines break at missing values */
};
void panel_points(struct plot *, const struct panel *, const struct plot_points *);
void panel_level(struct plot *, const struct panel *, double y, struct plot_color, const char *label);

struct plot_key {
	const char *text;
	struct plot_color color;
	double opacity;
};
/* One row of points with texts, centred at x; returns its width. */
double plot_legend(struct plot *, double x, double y, double size, const struct plot_key *, size_t n);

#endif
