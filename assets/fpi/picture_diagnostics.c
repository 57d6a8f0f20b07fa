/* picture_diagnostics.c: eight panels by which an operator sees at a glance whether the instrument behaved. */
#include "config.h"

#include "assets/fpi/picture_parts.h"
#include "base/mem.h"

#include <math.h>

#define RAD           (M_PI / 180)
#define CLOUD_CAUTION (-22.0)
#define CLOUD_BAD     (-10.0)
#define CURVE_POINTS  200
#define ZENITH_MOST   90.0 /* rim of the polar plot, degrees */

/* One value per laser frame or sky sample, with times. */
struct values {
	double *x, *y, *error;
	size_t n;
};

typedef double value_fn(const void *row, double *error);

static struct values values_of(const struct fpi_result *r, bool laser, value_fn *value)
{
	size_t n = laser ? r->nlaser : r->nsky;
	struct values v = {
	    xcalloc(n + 1, sizeof(double)), xcalloc(n + 1, sizeof(double)), xcalloc(n + 1, sizeof(double)), n};

	for (size_t i = 0; i < n; i++) {
		v.x[i] = picture_time(laser ? &r->laser[i].frame : &r->sky[i].frame);
		v.error[i] = NAN;
		v.y[i] = value(laser ? (const void *)&r->laser[i] : (const void *)&r->sky[i], &v.error[i]);
	}
	return v;
}

static void values_release(struct values *v)
{
	free(v->x);
	free(v->y);
	free(v->error);
}

static struct panel grid_panel(const struct fpi_result *r, int row, int column)
{
	struct panel a = {.x = 92 + 590 * column, .y = 130 + 325 * row, .w = 478, .h = 230, .y0 = 0, .y1 = 1};

	picture_time_span(r, true, &a.x0, &a.x1);
	return a;
}

static void draw_values(
    struct plot *p, const struct panel *a, const struct values *v, struct plot_color color, double joined)
{
	struct plot_points s = {
	    .x = v->x,
	    .y = v->y,
	    .error = v->error,
	    .n = v->n,
	    .color = color,
	    .radius = 3.5,
	    .line_width = joined > 0 ? 1.8 : 0,
	    .line_opacity = joined,
	};

	panel_points(p, a, &s);
}

/* A joined series that sets its own limits. */
static void draw_series(struct plot *p, struct panel *a, const struct fpi_result *r, bool laser,
    value_fn *value, double span, const char *title, const char *ylabel)
{
	struct values v = values_of(r, laser, value);

	panel_fit_y(a, v.y, v.error, v.n, span);
	panel_axes(p, a, title, ylabel, true, false);
	if (v.n == 0)
		panel_say(p, a, "no laser frames");
	draw_values(p, a, &v, plot_black, 0.7);
	values_release(&v);
}

/* On the line of the panel's title, at its right end. */
static void legend_right(struct plot *p, const struct panel *a, const struct plot_key *keys, size_t n)
{
	const double size = 12.5;
	double width = 0;

	for (size_t i = 0; i < n; i++)
		width += plot_text_width(p, size, false, keys[i].text) + 2.6 * size;
	plot_legend(p, a->x + a->w - width / 2, a->y - 13, size, keys, n);
}

/* ---- the values */

static double laser_chi(const void *row, double *error)
{
	return ((const struct fpi_laser *)row)->redchi;
}

static double sky_chi(const void *row, double *error)
{
	return ((const struct fpi_sky *)row)->redchi;
}

static double laser_intensity(const void *row, double *error)
{
	const struct fpi_laser *l = row;
	double half_way = 1 + 0.5 * l->value[FPI_P_A1] + 0.25 * l->value[FPI_P_A2];

	*error = l->error[FPI_P_I] * fabs(half_way);
	return l->value[FPI_P_I] * half_way;
}

static double cloud_mean(const void *row, double *error)
{
	return ((const struct fpi_sky *)row)->cloud.mean;
}

/* ---- panels */

static void draw_center(struct plot *p, const struct fpi_result *r)
{
	struct panel a = grid_panel(r, 0, 0);
	size_t n = r->nlaser, m = n > 0 ? CURVE_POINTS : 0;
	double *x = xcalloc(n + 1, sizeof(double)),
	       *d[2] = {xcalloc(n + 1, sizeof(double)), xcalloc(n + 1, sizeof(double))};
	double *all = xcalloc(2 * n + 2, sizeof(double)), t[CURVE_POINTS], c[2][CURVE_POINTS];
	static const struct plot_key keys[] = {
	    {"x (column)", {0.12, 0.35, 0.80}, 1}, {"y (row)", {0.84, 0.15, 0.16}, 1}};

	for (size_t i = 0; i < n; i++) {
		x[i] = picture_time(&r->laser[i].frame);
		all[2 * i] = d[0][i] = r->laser[i].cx - r->laser[0].cx;
		all[2 * i + 1] = d[1][i] = r->laser[i].cy - r->laser[0].cy;
	}
	for (size_t i = 0; i < m; i++) {
		t[i] = x[0] + (x[n - 1] - x[0]) * (double)i / (CURVE_POINTS - 1);
		fpi_center_at(&r->center, (int64_t)llround(t[i] * 1e6), &c[0][i], &c[1][i]);
		c[0][i] -= r->laser[0].cx;
		c[1][i] -= r->laser[0].cy;
	}
	panel_fit_y(&a, all, NULL, 2 * n, 0.5);
	panel_axes(p, &a, "Ring centre since the first frame", "[pixels]", true, false);
	if (n == 0)
		panel_say(p, &a, "no laser frames");
	for (int k = 0; k < 2; k++) {
		struct plot_points curve = {
		    .x = t, .y = c[k], .n = m, .color = keys[k].color, .line_width = 2, .line_opacity = 0.9};
		struct plot_points dots = {.x = x, .y = d[k], .n = n, .color = keys[k].color, .radius = 3.5};

		panel_points(p, &a, &curve);
		panel_points(p, &a, &dots);
	}
	if (n > 0)
		legend_right(p, &a, keys, NITEMS(keys));
	free(x);
	free(d[0]);
	free(d[1]);
	free(all);
}

/* In nanometres from the first frame's gap: the drift is a millionth of the gap itself. */
static void draw_gap(struct plot *p, const struct fpi_result *r)
{
	struct panel a = grid_panel(r, 2, 0);
	size_t n = r->nlaser, m = r->nsky;
	double *x = xcalloc(n + 1, sizeof(double)), *y = xcalloc(n + 1, sizeof(double)),
	       *e = xcalloc(n + 1, sizeof(double));
	double *sx = xcalloc(m + 1, sizeof(double)), *sy = xcalloc(m + 1, sizeof(double)),
	       base = n > 0 ? r->laser[0].value[FPI_P_T] : 0;
	char label[80] = "Etalon gap";

	for (size_t i = 0; i < n; i++) {
		x[i] = picture_time(&r->laser[i].frame);
		y[i] = (r->laser[i].value[FPI_P_T] - base) * 1e9;
		e[i] = r->laser[i].error[FPI_P_T] * 1e9;
	}
	for (size_t i = 0; i < m; i++) {
		sx[i] = picture_time(&r->sky[i].frame);
		sy[i] = (r->sky[i].instrument[FPI_P_T] - base) * 1e9;
	}
	if (n > 0)
		snprintf(label, sizeof(label), "Etalon gap \u2212 %.6f mm", base * 1e3);
	panel_fit_y(&a, y, e, n, 0.1);
	panel_axes(p, &a, label, "[nm]", true, false);
	if (n > 0)
		plot_text(
		    p, a.x + a.w, a.y - 8, 1, 1, 12, false, plot_grey, "rings: as used for the sky frames");
	if (n == 0) {
		panel_say(p, &a, "no laser frames");
	} else {
		struct plot_points lasers = {.x = x,
		    .y = y,
		    .error = e,
		    .n = n,
		    .color = plot_black,
		    .radius = 3.5,
		    .line_width = 1.8,
		    .line_opacity = 0.6};
		struct plot_points sky = {
		    .x = sx, .y = sy, .n = m, .color = plot_blue, .radius = 3, .hollow = true};

		panel_points(p, &a, &lasers);
		panel_points(p, &a, &sky);
	}
	free(x);
	free(y);
	free(e);
	free(sx);
	free(sy);
}

static void brightness_value(const struct fpi_result *r, size_t i, double *y, double *error, int *flag)
{
	*y = r->sky[i].skyI;
	*error = NAN;
	*flag = r->sky[i].wind_flag;
}

static void draw_brightness(struct plot *p, const struct fpi_result *r)
{
	struct panel a = grid_panel(r, 2, 1);
	const double *thresh = r->setup.instrument.skyI_thresh;
	size_t ndirections, n = 0, nkeys = 0;
	struct picture_direction *d = picture_directions(r, &ndirections);
	double *all = xcalloc(r->nsky + 2, sizeof(double));
	struct plot_key keys[8];

	for (size_t i = 0; i < r->nsky; i++)
		all[n++] = r->sky[i].skyI;
	for (int i = 0; i < 2; i++)
		if (thresh[i] > 0)
			all[n++] = thresh[i];
	panel_fit_log_y(&a, all, n);
	panel_axes(p, &a, "Line brightness", "[counts/s]", true, true);
	panel_level(p, &a, thresh[0], plot_grey, "caution below");
	panel_level(p, &a, thresh[1], plot_grey, "bad below");
	picture_curves(p, &a, r, 3.5, 0.35, brightness_value);
	for (size_t k = 0; k < ndirections && k < NITEMS(keys); k++)
		keys[nkeys++] = (struct plot_key){d[k].name, d[k].color, 1};
	legend_right(p, &a, keys, nkeys);
	free(all);
	free(d);
}

static void draw_cloud(struct plot *p, const struct fpi_result *r)
{
	struct panel a = grid_panel(r, 3, 0);
	struct values v = values_of(r, false, cloud_mean);

	a.y0 = -50;
	a.y1 = 5;
	panel_axes(p, &a, "Cloud sensor, sky less ambient temperature", "[\u00b0C]", true, true);
	panel_level(p, &a, CLOUD_CAUTION, plot_grey, "caution above");
	panel_level(p, &a, CLOUD_BAD, plot_red, "bad above");
	if (!r->has_cloud)
		panel_say(p, &a, "no cloud sensor data");
	draw_values(p, &a, &v, plot_black, 0.7);
	cairo_save(p->cr);
	cairo_set_source_rgba(p->cr, plot_black.r, plot_black.g, plot_black.b, 0.35);
	cairo_set_line_width(p->cr, 2);
	for (size_t i = 0; i < r->nsky; i++) /* from the least to the greatest reading of each exposure */
		if (isfinite(r->sky[i].cloud.min) && isfinite(r->sky[i].cloud.max)) {
			cairo_move_to(
			    p->cr, panel_px(&a, v.x[i]), panel_py(&a, fmax(a.y0, r->sky[i].cloud.min)));
			cairo_line_to(
			    p->cr, panel_px(&a, v.x[i]), panel_py(&a, fmin(a.y1, r->sky[i].cloud.max)));
			cairo_stroke(p->cr);
		}
	cairo_restore(p->cr);
	values_release(&v);
}

/* ---- look directions */

struct polar {
	double x, y, radius;
};

/* North is up, east is right: as on a map, not as seen from below. */
static void polar_at(const struct polar *c, double az, double ze, double *x, double *y)
{
	*x = c->x + c->radius * ze / ZENITH_MOST * sin(az * RAD);
	*y = c->y - c->radius * ze / ZENITH_MOST * cos(az * RAD);
}

static void draw_cross(struct plot *p, double x, double y)
{
	cairo_move_to(p->cr, x - 5, y - 5);
	cairo_line_to(p->cr, x + 5, y + 5);
	cairo_move_to(p->cr, x - 5, y + 5);
	cairo_line_to(p->cr, x + 5, y - 5);
	cairo_stroke(p->cr);
}

static void draw_polar_grid(struct plot *p, const struct polar *c)
{
	static const char *const names[] = {"N", "NE", "E", "SE", "S", "SW", "W", "NW"};
	char text[16];
	double x, y;

	cairo_set_line_width(p->cr, 1);
	for (int ze = 30; ze <= 90; ze += 30) {
		double grey = ze == 90 ? 0.3 : 0.87;

		cairo_set_source_rgb(p->cr, grey, grey, grey);
		cairo_new_sub_path(p->cr);
		cairo_arc(p->cr, c->x, c->y, c->radius * ze / ZENITH_MOST, 0, 2 * M_PI);
		cairo_stroke(p->cr);
	}
	cairo_set_source_rgb(p->cr, 0.87, 0.87, 0.87);
	for (int az = 0; az < 180; az += 45) {
		polar_at(c, az, 90, &x, &y);
		cairo_move_to(p->cr, x, y);
		polar_at(c, az + 180, 90, &x, &y);
		cairo_line_to(p->cr, x, y);
		cairo_stroke(p->cr);
	}
	for (int i = 0; i < 8; i++) {
		polar_at(c, 45 * i, 99, &x, &y);
		plot_text(p, x, y, 0.5, 0.5, 13, false, plot_black, names[i]);
	}
	for (int ze = 30; ze <= 60; ze += 30) {
		polar_at(c, 20, ze, &x, &y);
		snprintf(text, sizeof(text), "%d\u00b0", ze);
		plot_text(p, x, y, 0.5, 0.5, 11, false, plot_grey, text);
	}
}

static void draw_looks(struct plot *p, const struct fpi_result *r)
{
	struct panel a = grid_panel(r, 3, 1);
	struct polar c = {a.x + 0.36 * a.w, a.y + a.h / 2 + 10, a.h / 2 - 4};
	static const char *const keys[] = {"in the table", "observed", "observed, not in the table"};
	size_t unknown = 0;
	double x, y;

	plot_text(p, a.x, a.y - 8, 0, 1, 15, true, plot_black, "Look directions");
	draw_polar_grid(p, &c);
	cairo_set_source_rgb(p->cr, plot_black.r, plot_black.g, plot_black.b);
	cairo_set_line_width(p->cr, 1.3);
	for (size_t i = 0; i < r->setup.site.ndirections; i++) {
		const struct fpi_direction *d = &r->setup.site.directions[i];

		if (!d->has_angles || fabs(d->ze) > ZENITH_MOST)
			continue;
		polar_at(&c, d->az, d->ze, &x, &y);
		draw_cross(p, x, y);
	}
	for (size_t i = 0; i < r->nsky; i++) {
		bool is_unknown = strcmp(r->sky[i].direction, "Unknown") == 0;
		struct plot_color color = is_unknown ? plot_red : plot_black;

		unknown += is_unknown;
		if (!(fabs(r->sky[i].ze) <= ZENITH_MOST))
			continue;
		polar_at(&c, r->sky[i].az, r->sky[i].ze, &x, &y);
		cairo_set_source_rgb(p->cr, color.r, color.g, color.b);
		cairo_new_sub_path(p->cr);
		cairo_arc(p->cr, x, y, 4, 0, 2 * M_PI);
		cairo_fill(p->cr);
	}
	for (size_t i = 0; i < NITEMS(keys) - (unknown == 0); i++) {
		double kx = a.x + 0.70 * a.w, ky = a.y + 20 + 24 * (double)i;
		struct plot_color color = i == 2 ? plot_red : plot_black;

		cairo_set_source_rgb(p->cr, color.r, color.g, color.b);
		if (i == 0) {
			draw_cross(p, kx, ky);
		} else {
			cairo_new_sub_path(p->cr);
			cairo_arc(p->cr, kx, ky, 4, 0, 2 * M_PI);
			cairo_fill(p->cr);
		}
		plot_text(p, kx + 14, ky, 0, 0.5, 13, false, plot_black, keys[i]);
	}
}

void picture_diagnostics(struct plot *p, const struct fpi_result *r)
{
	struct panel laser = grid_panel(r, 0, 1), intensity = grid_panel(r, 1, 0), sky = grid_panel(r, 1, 1);

	picture_heading(p, r, "Diagnostics");
	draw_center(p, r);
	draw_series(p, &laser, r, true, laser_chi, 1, "Laser fits, reduced \u03c7\u00b2", NULL);
	draw_series(p, &intensity, r, true, laser_intensity, 10, "Laser intensity at half radius", "[counts]");
	draw_series(p, &sky, r, false, sky_chi, 0.2, "Sky fits, reduced \u03c7\u00b2", NULL);
	draw_gap(p, r);
	draw_brightness(p, r);
	draw_cloud(p, r);
	draw_looks(p, r);
}
