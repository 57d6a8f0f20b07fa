/* picture_sky.c: the two pictures that show what was measured: temperatures and winds over the night. */
#include "config.h"

#include "assets/fpi/picture_parts.h"
#include "base/mem.h"

#include <math.h>

#define RAD            (M_PI / 180)
#define WIND_RANGE     200.0
#define WIND_SANE      200.0 /* vertical winds beyond are left out of the interpolation */
#define LOW_ZENITH_DEG 1.0 /* nearer to the zenith nothing can be projected */

static bool is_green(const struct fpi_result *r)
{
	return strchr(r->tag, 'G') != NULL;
}

static bool looks(const struct fpi_sky *s, const char *direction)
{
	return strcmp(s->direction, direction) == 0;
}

/* Vertical wind at a time: linear between zenith samples, none outside of them. */
static void vertical_at(const struct fpi_result *r, double t, double *w, double *sigma)
{
	const struct fpi_sky *before = NULL, *after = NULL;
	double f;

	*w = *sigma = 0;
	for (size_t i = 0; i < r->nsky; i++) {
		const struct fpi_sky *s = &r->sky[i];
		double v = s->wind - s->plot_reference, at = picture_time(&s->frame);

		if (!looks(s, "Zenith") || !(fabs(v) < WIND_SANE))
			continue;
		if (at <= t && (before == NULL || at >= picture_time(&before->frame)))
			before = s;
		if (at >= t && (after == NULL || at < picture_time(&after->frame)))
			after = s;
	}
	if (before == NULL || after == NULL)
		return;
	f = picture_time(&after->frame) - picture_time(&before->frame);
	f = f > 0 ? (t - picture_time(&before->frame)) / f : 0;
	*w = (1 - f) * (before->wind - before->plot_reference) + f * (after->wind - after->plot_reference);
	*sigma = (1 - f) * before->sigma_wind + f * after->sigma_wind;
}

void picture_wind(const struct fpi_result *r, size_t i, double *wind, double *error)
{
	const struct fpi_sky *s = &r->sky[i];
	double v = s->wind - s->plot_reference, w, sigma_w;

	*wind = v;
	*error = s->sigma_wind;
	if (looks(s, "Zenith"))
		return;
	vertical_at(r, picture_time(&s->frame), &w, &sigma_w);
	*wind = fabs(s->ze) < LOW_ZENITH_DEG ? (double)NAN : (v - w * cos(s->ze * RAD)) / sin(s->ze * RAD);
	*error = hypot(s->sigma_wind, sigma_w);
	if (looks(s, "South") || looks(s, "West"))
		*wind = -*wind;
}

struct curve {
	double *x, *y, *error, *opacity;
	size_t n;
};

static struct curve curve_of(const struct fpi_result *r, const char *direction, picture_value *value)
{
	struct curve c = {xcalloc(r->nsky + 1, sizeof(double)), xcalloc(r->nsky + 1, sizeof(double)),
	    xcalloc(r->nsky + 1, sizeof(double)), xcalloc(r->nsky + 1, sizeof(double)), 0};

	for (size_t i = 0; i < r->nsky; i++) {
		int flag;

		if (!looks(&r->sky[i], direction))
			continue;
		c.x[c.n] = picture_time(&r->sky[i].frame);
		value(r, i, &c.y[c.n], &c.error[c.n], &flag);
		c.opacity[c.n++] = picture_opacity(flag);
	}
	return c;
}

static void curve_release(struct curve *c)
{
	free(c->x);
	free(c->y);
	free(c->error);
	free(c->opacity);
}

void picture_curves(struct plot *p, const struct panel *a, const struct fpi_result *r, double radius,
    double joined, picture_value *value)
{
	size_t n;
	struct picture_direction *d = picture_directions(r, &n);

	for (size_t i = n; i-- > 0;) { /* the first of the legend comes on top */
		struct curve c = curve_of(r, d[i].name, value);
		struct plot_points s = {
		    .x = c.x,
		    .y = c.y,
		    .error = c.error,
		    .opacity = c.opacity,
		    .n = c.n,
		    .color = d[i].color,
		    .radius = radius,
		    .line_width = 2,
		    .line_opacity = joined,
		};

		panel_points(p, a, &s);
		curve_release(&c);
	}
	free(d);
}

static struct panel sky_panel(const struct plot *p, const struct fpi_result *r, double y0, double y1)
{
	struct panel a = {.x = 90, .y = 118, .w = p->width - 120, .h = p->height - 178, .y0 = y0, .y1 = y1};

	picture_time_span(r, false, &a.x0, &a.x1);
	return a;
}

static void temperature_value(const struct fpi_result *r, size_t i, double *y, double *error, int *flag)
{
	*y = r->sky[i].T;
	*error = r->sky[i].sigma_T;
	*flag = r->sky[i].temp_flag;
}

void picture_temperature(struct plot *p, const struct fpi_result *r)
{
	struct panel a = sky_panel(p, r, is_green(r) ? 0 : 300, is_green(r) ? 500 : 1500);

	picture_heading(p, r, "Neutral temperature");
	panel_axes(p, &a, NULL, "Temperature [K]", true, true);
	picture_legend(p, 88, r);
	picture_curves(p, &a, r, 5, 0.18, temperature_value);
}

static void wind_value(const struct fpi_result *r, size_t i, double *y, double *error, int *flag)
{
	picture_wind(r, i, y, error);
	*flag = r->sky[i].wind_flag;
}

void picture_winds(struct plot *p, const struct fpi_result *r)
{
	struct panel a = sky_panel(p, r, -WIND_RANGE, WIND_RANGE);
	char note[200];

	picture_heading(p, r, "Neutral winds");
	panel_axes(p, &a, NULL, "Wind [m/s], positive to the north, east, up", true, true);
	panel_level(p, &a, 0, plot_grey, NULL);
	picture_legend(p, 88, r);
	picture_curves(p, &a, r, 5, 0.3, wind_value);
	snprintf(note, sizeof(note), "zero of the winds: %s", r->setup.instrument.plot_ref);
	plot_text(p, a.x + a.w, a.y + a.h + 27, 1, 0, 12, false, plot_grey, note);
}
