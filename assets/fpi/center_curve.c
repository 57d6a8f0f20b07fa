/* center_curve.c: the centres of a night as smooth curves, and which of them to believe. */
#include "config.h"

#include "assets/fpi/center.h"
#include "assets/fpi/linear.h"
#include "base/mem.h"

#include <math.h>

/* Chebyshev polynomials keep the fit well conditioned up to the highest degree. */
static void chebyshev(double u, int degree, double *t)
{
	t[0] = 1;
	if (degree > 0)
		t[1] = u;
	for (int k = 2; k <= degree; k++)
		t[k] = 2 * u * t[k - 1] - t[k - 2];
}

static double scaled_time(const struct fpi_center_curve *c, int64_t t_us)
{
	if (c->t1_us == c->t0_us)
		return 0;
	return ((double)(t_us - c->t0_us) - (double)(c->t1_us - t_us)) / (double)(c->t1_us - c->t0_us);
}

static void fit_axis(
    const struct fpi_center_curve *c, const int64_t *t_us, const double *v, size_t n, double *coef)
{
	int m = c->degree + 1;
	double *a = xcalloc(n * (size_t)m, sizeof(*a)), *b = xmemdup(v, n * sizeof(*b));

	for (size_t i = 0; i < n; i++)
		chebyshev(scaled_time(c, t_us[i]), c->degree, a + i * (size_t)m);
	if (fpi_least_squares(a, b, n, m) == 0)
		memcpy(coef, b, (size_t)m * sizeof(*coef));
	else
		coef[0] = v[0]; /* all frames at one instant */
	free(a);
	free(b);
}

void fpi_center_fit(
    const int64_t *t_us, const double *cx, const double *cy, size_t n, struct fpi_center_curve *out)
{
	*out = (struct fpi_center_curve){.t0_us = t_us[0], .t1_us = t_us[0]};
	for (size_t i = 1; i < n; i++) {
		out->t0_us = MIN(out->t0_us, t_us[i]);
		out->t1_us = MAX(out->t1_us, t_us[i]);
	}
	out->degree = (int)MIN((size_t)FPI_CURVE_DEGREE_MAX, n / 10);
	fit_axis(out, t_us, cx, n, out->x);
	fit_axis(out, t_us, cy, n, out->y);
}

void fpi_center_at(const struct fpi_center_curve *c, int64_t utc_us, double *cx, double *cy)
{
	double t[FPI_CURVE_DEGREE_MAX + 1];

	chebyshev(scaled_time(c, utc_us), c->degree, t);
	*cx = *cy = 0;
	for (int k = 0; k <= c->degree; k++) {
		*cx += c->x[k] * t[k];
		*cy += c->y[k] * t[k];
	}
}

static void mean_std(const double *v, size_t n, double *mean, double *std)
{
	double s = 0, ss = 0;

	for (size_t i = 0; i < n; i++)
		s += v[i];
	*mean = s / (double)n;
	for (size_t i = 0; i < n; i++)
		ss += (v[i] - *mean) * (v[i] - *mean);
	*std = sqrt(ss / (double)n);
}

static void screen_outliers(
    const double *cx, const double *cy, size_t n, double variation, enum fpi_center_verdict *out)
{
	double mx, my, sx, sy;

	mean_std(cx, n, &mx, &sx);
	mean_std(cy, n, &my, &sy);
	if (sx > variation || sy > variation)
		for (size_t i = 0; i < n; i++)
			if (fabs(cx[i] - mx) >= 2 * sx || fabs(cy[i] - my) >= 2 * sy)
				out[i] = FPI_CENTER_OUTLIER;
}

void fpi_center_screen(
    const double *cx, const double *cy, size_t n, double variation, enum fpi_center_verdict *out)
{
	size_t last = n;

	for (size_t i = 0; i < n; i++)
		out[i] = FPI_CENTER_OK;
	if (n == 0)
		return;
	screen_outliers(cx, cy, n, variation, out);
	for (size_t i = 0; i < n; i++) {
		if (out[i] == FPI_CENTER_OUTLIER)
			continue;
		if (last < n && hypot(cx[i] - cx[last], cy[i] - cy[last]) > variation)
			out[i] = out[last] = FPI_CENTER_JUMP;
		last = i;
	}
}
