/* wind.c */
#include "config.h"

#include "assets/fpi/quantile.h"
#include "assets/fpi/sky_model.h"
#include "assets/fpi/wind.h"
#include "base/mem.h"

#include <math.h>

static double seconds(const struct fpi_laser *l, size_t i, int64_t utc_us)
{
	return (double)(utc_us - l[i].frame.utc_us) / 1e6;
}

/* The last frame at or before t, but not the very last one. */
static size_t segment(const struct fpi_laser *l, size_t n, int64_t utc_us)
{
	size_t k = 0;

	while (k + 2 < n && l[k + 1].frame.utc_us <= utc_us)
		k++;
	return k;
}

void fpi_laser_at(const struct fpi_laser *l, size_t n, int64_t utc_us, double value[FPI_NLASER])
{
	size_t k = segment(l, n, utc_us);
	double f = 0;

	if (n > 1)
		f = seconds(l, k, utc_us) / seconds(l, k, l[k + 1].frame.utc_us);
	f = fmin(1, fmax(0, f));
	for (int p = 0; p < FPI_NLASER; p++)
		value[p] = n > 1 ? l[k].value[p] + (l[k + 1].value[p] - l[k].value[p]) * f : l[0].value[p];
}

/* How far the gap of frame k, 1 <= k <= n - 2, is from the line through its neighbours, as a wind. */
static double gap_misfit(const struct fpi_laser *l, size_t k)
{
	double before = l[k - 1].value[FPI_P_T], gap = l[k].value[FPI_P_T], after = l[k + 1].value[FPI_P_T];
	double f = seconds(l, k - 1, l[k].frame.utc_us) / seconds(l, k - 1, l[k + 1].frame.utc_us);

	return fabs(FPI_C_ROUND / gap * (gap - (before + f * (after - before))));
}

double fpi_sigma_cal(const struct fpi_laser *l, size_t n, int64_t utc_us)
{
	size_t k = 1;
	double low, high, f;

	if (n < 3 || utc_us < l[0].frame.utc_us || utc_us > l[n - 1].frame.utc_us)
		return NAN;
	while (k + 2 < n - 1 && l[k + 1].frame.utc_us <= utc_us)
		k++;
	low = gap_misfit(l, k);
	if (n == 3)
		return low;
	high = gap_misfit(l, k + 1);
	f = seconds(l, k, utc_us) / seconds(l, k, l[k + 1].frame.utc_us);
	return low + (high - low) * fmin(1, fmax(0, f));
}

void fpi_gap_median(const struct fpi_laser *l, size_t n, struct fpi_gap *out)
{
	double *t = xcalloc(2 * n + 1, sizeof(*t)), *e = t + n;

	for (size_t i = 0; i < n; i++) {
		t[i] = l[i].value[FPI_P_T];
		e[i] = l[i].error[FPI_P_T];
	}
	out->median = fpi_quantile(t, n, 0.5);
	out->median_error = fpi_quantile(e, n, 0.5);
	free(t);
}

double fpi_sigma_fit(double sigma_lamc, double lam0_m, const struct fpi_gap *gap)
{
	return FPI_C / lam0_m * hypot(sigma_lamc, gap->median_error * lam0_m / gap->median);
}

void fpi_sky_derive(struct fpi_sky *s, double lam0_m, const struct fpi_gap *gap, double sigma_cal)
{
	s->wind = FPI_C * (s->value[FPI_S_LAMC] / lam0_m - 1);
	s->sigma_fit = fpi_sigma_fit(s->error[FPI_S_LAMC], lam0_m, gap);
	s->sigma_cal = sigma_cal;
	s->sigma_wind = hypot(s->sigma_fit, sigma_cal);
	if (isnan(sigma_cal)) /* hypot() of an infinity is infinite whatever the other is */
		s->sigma_wind = NAN;
	s->T = s->value[FPI_S_T];
	s->sigma_T = s->error[FPI_S_T];
	s->skyI = s->value[FPI_S_SKYI] / s->frame.exposure_s;
	s->sigma_skyI = s->error[FPI_S_SKYI] / s->frame.exposure_s;
	s->skyB = s->value[FPI_S_SKYB] / s->frame.exposure_s;
	s->sigma_skyB = s->error[FPI_S_SKYB] / s->frame.exposure_s;
	s->ccdB = s->value[FPI_S_CCDB];
	s->sigma_ccdB = s->error[FPI_S_CCDB];
}
