#include "config.h"

#include "assets/fpi/plot.h"

#include <math.h>

#define FONT       "DejaVu Sans"
#define TICK_SIZE  13
#define LABEL_SIZE 14
#define TITLE_SIZE 15
#define CAP        3.0 /* half width of an error bar's end, pixels */
#define TICKS_MAX  40
#define LABEL_GAP  58 /* from the frame to the middle of the label on the left */

const struct plot_color plot_black = {0.10, 0.11, 0.13}, plot_grey = {0.45, 0.47, 0.50},
                        plot_blue = {0.12, 0.35, 0.80}, plot_red = {0.84, 0.15, 0.16};
static const struct plot_color grid_color = {0.89, 0.90, 0.92}, frame_color = {0.30, 0.32, 0.35};

/* fontconfig, behind cairo's texts, keeps what it has loaded; a leak check may not blame the program for it. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_LEAK_CHECK 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_LEAK_CHECK 1
#endif
#ifdef WITH_LEAK_CHECK
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfontconfig\n";
}
#endif

static void set_color(struct plot *p, struct plot_color c, double opacity)
{
	cairo_set_source_rgba(p->cr, c.r, c.g, c.b, opacity);
}

/* ---- the page */

void plot_init(struct plot *p, int width, int height)
{
	p->width = width;
	p->height = height;
	p->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
	p->cr = cairo_create(p->surface);
	cairo_set_source_rgb(p->cr, 1, 1, 1);
	cairo_paint(p->cr);
	cairo_set_line_join(p->cr, CAIRO_LINE_JOIN_ROUND);
}

static cairo_status_t take_bytes(void *arg, const unsigned char *bytes, unsigned n)
{
	return strbuf_add(arg, bytes, n) == 0 ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

int plot_finish(struct plot *p, struct strbuf *out, struct err *err)
{
	cairo_status_t status = cairo_status(p->cr);

	if (status == CAIRO_STATUS_SUCCESS)
		status = cairo_surface_write_to_png_stream(p->surface, take_bytes, out);
	cairo_destroy(p->cr);
	cairo_surface_destroy(p->surface);
	return status == CAIRO_STATUS_SUCCESS
	           ? 0
	           : err_set(err, ERR_BUG, "picture: %s", cairo_status_to_string(status));
}

/* ---- texts */

static void set_font(struct plot *p, double size, bool bold)
{
	cairo_select_font_face(
	    p->cr, FONT, CAIRO_FONT_SLANT_NORMAL, bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(p->cr, size);
}

double plot_text_width(struct plot *p, double size, bool bold, const char *text)
{
	cairo_text_extents_t e;

	set_font(p, size, bold);
	cairo_text_extents(p->cr, text, &e);
	return e.x_advance;
}

void plot_text(struct plot *p, double x, double y, double ax, double ay, double size, bool bold,
    struct plot_color color, const char *text)
{
	double width = plot_text_width(p, size, bold, text), rise = 0.73 * size; /* height of capitals */

	set_color(p, color, 1);
	cairo_move_to(p->cr, round(x - ax * width), round(y + rise * (1 - ay)));
	cairo_show_text(p->cr, text);
}

void plot_text_up(struct plot *p, double x, double y, double size, const char *text)
{
	double width = plot_text_width(p, size, false, text);

	cairo_save(p->cr);
	cairo_translate(p->cr, round(x), round(y + width / 2));
	cairo_rotate(p->cr, -M_PI / 2);
	set_color(p, plot_black, 1);
	cairo_move_to(p->cr, 0, round(0.36 * size));
	cairo_show_text(p->cr, text);
	cairo_restore(p->cr);
}

/* ---- axes */

double panel_px(const struct panel *a, double x)
{
	return a->x + (x - a->x0) / (a->x1 - a->x0) * a->w;
}

double panel_py(const struct panel *a, double y)
{
	double f = a->log_y ? log(y / a->y0) / log(a->y1 / a->y0) : (y - a->y0) / (a->y1 - a->y0);

	return a->y + (1 - f) * a->h;
}

/* 1, 2 or 5 times a power of ten that gives about n steps. */
static double nice_step(double span, double n)
{
	double raw = span / n, power = pow(10, floor(log10(raw))), m = raw / power;

	return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static void line(struct plot *p, double x0, double y0, double x1, double y1)
{
	cairo_move_to(p->cr, x0, y0);
	cairo_line_to(p->cr, x1, y1);
	cairo_stroke(p->cr);
}

static void grid_line(struct plot *p, bool vertical, const struct panel *a, double at)
{
	double v = floor(at) + 0.5; /* sharp */

	set_color(p, grid_color, 1);
	cairo_set_line_width(p->cr, 1);
	if (vertical)
		line(p, v, a->y, v, a->y + a->h);
	else
		line(p, a->x, v, a->x + a->w, v);
}

static void y_tick(struct plot *p, const struct panel *a, double v, const char *text)
{
	double y = panel_py(a, v);

	grid_line(p, false, a, y);
	if (text != NULL)
		plot_text(p, a->x - 7, y, 1, 0.5, TICK_SIZE, false, plot_black, text);
}

static void linear_ticks(struct plot *p, const struct panel *a)
{
	double step = nice_step(a->y1 - a->y0, fmax(2, a->h / 45)), first = ceil(a->y0 / step - 1e-9);
	int digits = (int)fmax(0, ceil(-log10(step) - 1e-9));
	char text[48];

	for (int i = 0; i < TICKS_MAX && (first + i) * step <= a->y1 + 1e-9 * step; i++) {
		double v = (first + i) * step;

		snprintf(text, sizeof(text), "%.*f", digits, fabs(v) < 1e-9 * step ? 0 : v);
		if (v < 0) { /* a real minus sign */
			char positive[40];

			snprintf(positive, sizeof(positive), "%.*f", digits, -v);
			snprintf(text, sizeof(text), "\u2212%s", positive);
		}
		y_tick(p, a, v, text);
	}
}

/* Decades, and 2 and 5 between them while there is room. */
static void log_ticks(struct plot *p, const struct panel *a)
{
	static const double between[] = {1, 2, 5};
	bool all = log10(a->y1 / a->y0) < 2.2;
	char text[32];

	for (double power = pow(10, floor(log10(a->y0))); power <= a->y1; power *= 10)
		for (size_t i = 0; i < (all ? NITEMS(between) : 1); i++) {
			double v = between[i] * power;

			snprintf(text, sizeof(text), "%g", v);
			if (v >= a->y0 * 0.999 && v <= a->y1 * 1.001)
				y_tick(p, a, v, text);
		}
}

static void time_ticks(struct plot *p, const struct panel *a)
{
	static const int steps_s[] = {300, 600, 1800, 3600, 7200, 10800, 21600};
	int step = steps_s[NITEMS(steps_s) - 1];
	char text[16];

	for (size_t i = NITEMS(steps_s); i-- > 0;)
		if ((a->x1 - a->x0) / steps_s[i] * (steps_s[i] < 3600 ? 100 : 34) <= a->w)
			step = steps_s[i];
	for (double t = ceil(a->x0 / step) * step; t <= a->x1; t += step) {
		int64_t s = (int64_t)t % 86400;

		snprintf(text, sizeof(text), step < 3600 ? "%02d:%02d" : "%02d", (int)(s / 3600),
		    (int)(s / 60 % 60));
		grid_line(p, true, a, panel_px(a, t));
		plot_text(p, panel_px(a, t), a->y + a->h + 7, 0.5, 0, TICK_SIZE, false, plot_black, text);
	}
}

void panel_axes(
    struct plot *p, const struct panel *a, const char *title, const char *ylabel, bool times, bool named)
{
	if (times)
		time_ticks(p, a);
	if (a->log_y)
		log_ticks(p, a);
	else
		linear_ticks(p, a);
	set_color(p, frame_color, 1);
	cairo_set_line_width(p->cr, 1);
	cairo_rectangle(p->cr, floor(a->x) + 0.5, floor(a->y) + 0.5, floor(a->w), floor(a->h));
	cairo_stroke(p->cr);
	if (title != NULL)
		plot_text(p, a->x, a->y - 8, 0, 1, TITLE_SIZE, true, plot_black, title);
	if (ylabel != NULL)
		plot_text_up(p, a->x - LABEL_GAP, a->y + a->h / 2, LABEL_SIZE, ylabel);
	if (named)
		plot_text(p, a->x + a->w / 2, a->y + a->h + 27, 0.5, 0, LABEL_SIZE, false, plot_black,
		    "Universal Time [h]");
}

void panel_say(struct plot *p, const struct panel *a, const char *text)
{
	plot_text(p, a->x + a->w / 2, a->y + a->h / 2, 0.5, 0.5, LABEL_SIZE, false, plot_grey, text);
}

void panel_fit_y(struct panel *a, const double *v, const double *error, size_t n, double span)
{
	double lo = INFINITY, hi = -INFINITY;

	for (size_t i = 0; i < n; i++) {
		double e = error != NULL && isfinite(error[i]) ? error[i] : 0;

		if (isfinite(v[i])) {
			lo = fmin(lo, v[i] - e);
			hi = fmax(hi, v[i] + e);
		}
	}
	if (lo > hi)
		return;
	if (hi - lo < span) {
		double middle = (lo + hi) / 2;

		lo = middle - span / 2;
		hi = middle + span / 2;
	}
	a->y0 = lo - 0.08 * (hi - lo);
	a->y1 = hi + 0.08 * (hi - lo);
}

void panel_fit_log_y(struct panel *a, const double *v, size_t n)
{
	double lo = INFINITY, hi = 0;

	for (size_t i = 0; i < n; i++)
		if (isfinite(v[i]) && v[i] > 0) {
			lo = fmin(lo, v[i]);
			hi = fmax(hi, v[i]);
		}
	a->log_y = true;
	if (hi <= 0)
		lo = 0.1, hi = 1;
	if (hi / lo < 3) {
		double middle = sqrt(hi * lo);

		lo = middle / sqrt(3);
		hi = middle * sqrt(3);
	}
	a->y0 = lo / pow(hi / lo, 0.08);
	a->y1 = hi * pow(hi / lo, 0.08);
}

/* ---- data */

static bool is_drawable(const struct panel *a, const struct plot_points *s, size_t i)
{
	return isfinite(s->x[i]) && isfinite(s->y[i]) && (!a->log_y || s->y[i] > 0);
}

static void join(struct plot *p, const struct panel *a, const struct plot_points *s)
{
	bool down = false;

	set_color(p, s->color, s->line_opacity);
	cairo_set_line_width(p->cr, s->line_width);
	for (size_t i = 0; i < s->n; i++) {
		if (!is_drawable(a, s, i)) {
			down = false;
			continue;
		}
		if (down)
			cairo_line_to(p->cr, panel_px(a, s->x[i]), panel_py(a, s->y[i]));
		else
			cairo_move_to(p->cr, panel_px(a, s->x[i]), panel_py(a, s->y[i]));
		down = true;
	}
	cairo_stroke(p->cr);
}

static void error_bar(struct plot *p, const struct panel *a, double x, double y, double e)
{
	double px = panel_px(a, x), top = panel_py(a, y + e),
	       bottom = panel_py(a, a->log_y ? fmax(y - e, a->y0 / 10) : y - e);

	cairo_set_line_width(p->cr, 1.5);
	line(p, px, top, px, bottom);
	line(p, px - CAP, top, px + CAP, top);
	line(p, px - CAP, bottom, px + CAP, bottom);
}

/* A point beyond the panel leaves an arrow at its edge. */
static void edge_arrow(struct plot *p, const struct panel *a, double x, bool up)
{
	double px = panel_px(a, x), tip = up ? a->y + 2 : a->y + a->h - 2, base = up ? tip + 9 : tip - 9;

	cairo_move_to(p->cr, px, tip);
	cairo_line_to(p->cr, px - 5, base);
	cairo_line_to(p->cr, px + 5, base);
	cairo_close_path(p->cr);
	cairo_fill(p->cr);
}

static void dot(struct plot *p, double x, double y, double radius, bool hollow)
{
	cairo_new_sub_path(p->cr);
	cairo_arc(p->cr, x, y, radius, 0, 2 * M_PI);
	if (hollow) {
		cairo_set_line_width(p->cr, 1.2);
		cairo_stroke(p->cr);
	} else {
		cairo_fill(p->cr);
	}
}

void panel_points(struct plot *p, const struct panel *a, const struct plot_points *s)
{
	cairo_save(p->cr);
	cairo_rectangle(p->cr, a->x - 6, a->y, a->w + 12, a->h);
	cairo_clip(p->cr);
	if (s->line_width > 0)
		join(p, a, s);
	for (size_t i = 0; i < s->n && s->radius > 0; i++) {
		if (!is_drawable(a, s, i))
			continue;
		set_color(p, s->color, s->opacity != NULL ? s->opacity[i] : 1);
		if (s->y[i] > a->y1 || s->y[i] < a->y0) {
			edge_arrow(p, a, s->x[i], s->y[i] > a->y1);
			continue;
		}
		if (s->error != NULL && isfinite(s->error[i]))
			error_bar(p, a, s->x[i], s->y[i], s->error[i]);
		dot(p, panel_px(a, s->x[i]), panel_py(a, s->y[i]), s->radius, s->hollow);
	}
	cairo_restore(p->cr);
}

void panel_level(struct plot *p, const struct panel *a, double y, struct plot_color color, const char *label)
{
	static const double dashes[] = {6, 4};
	double at = floor(panel_py(a, y)) + 0.5;

	if (!(y >= a->y0 && y <= a->y1))
		return;
	cairo_save(p->cr);
	set_color(p, color, 0.8);
	cairo_set_dash(p->cr, dashes, NITEMS(dashes), 0);
	cairo_set_line_width(p->cr, 1.2);
	line(p, a->x, at, a->x + a->w, at);
	cairo_restore(p->cr);
	if (label != NULL)
		plot_text(p, a->x + a->w - 6, at - 4, 1, 1, TICK_SIZE - 2, false, color, label);
}

double plot_legend(struct plot *p, double x, double y, double size, const struct plot_key *key, size_t n)
{
	double width = 0, at;

	for (size_t i = 0; i < n; i++)
		width += plot_text_width(p, size, false, key[i].text) + 2.6 * size;
	at = x - width / 2;
	for (size_t i = 0; i < n; i++) {
		set_color(p, key[i].color, key[i].opacity);
		dot(p, at + 0.6 * size, y, 0.36 * size, false);
		plot_text(p, at + 1.3 * size, y, 0, 0.5, size, false, plot_black, key[i].text);
		at += plot_text_width(p, size, false, key[i].text) + 2.6 * size;
	}
	return width;
}
