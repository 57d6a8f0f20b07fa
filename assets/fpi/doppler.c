/* doppler.c */
#include "config.h"

#include "assets/fpi/doppler.h"
#include "assets/fpi/quantile.h"
#include "base/mem.h"

#include <math.h>

enum { GRID_MAX = 1000000 };

#define GRID_STEP 0.1 /* m/s */
#define POWER     0.1 /* nearly counts the samples that are off, whatever by how much: a mode, not a mean */

static double cost(const double *wind, const double *sigma, size_t n, double at)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += pow(fabs((wind[i] - at) / sigma[i]), POWER);
	return sum;
}

static double median(const double *v, size_t n)
{
	double *copy = xmemdup(v, n * sizeof(*v)), m = fpi_quantile(copy, n, 0.5);

	free(copy);
	return m;
}

/*
 * The cost has a cusp at every sample, which grid points meet by chance: the result is what others compute, not the
 * best estimate.
 */
static double offset_grid(const double *wind, const double *sigma, size_t n)
{
	double *copy = xmemdup(wind, n * sizeof(*wind)), lo = fpi_quantile(copy, n, 0.1),
	       hi = fpi_quantile(copy, n, 0.9);
	double points = floor((hi - lo) / GRID_STEP), best = INFINITY, at = lo;

	free(copy);
	if (!(points >= 1 && points <= GRID_MAX))
		return median(wind, n);
	for (int k = 0; k < (int)points; k++) {
		double d = points > 1 ? lo + k * ((hi - lo) / (points - 1)) : lo, c = cost(wind, sigma, n, d);

		if (c < best) {
			best = c;
			at = d;
		}
	}
	return at;
}

static double offset_exact(const double *wind, const double *sigma, size_t n)
{
	double best = INFINITY, at = wind[0];

	for (size_t i = 0; i < n; i++) {
		double c = cost(wind, sigma, n, wind[i]);

		if (c < best) {
			best = c;
			at = wind[i];
		}
	}
	return at;
}

static double mean(const double *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum / (double)n;
}

double fpi_doppler_offset(
    const double *wind, const double *sigma, size_t n, enum fpi_doppler_statistic statistic)
{
	switch (statistic) {
	case FPI_DOPPLER_EXACT: return offset_exact(wind, sigma, n);
	case FPI_DOPPLER_MEDIAN: return median(wind, n);
	case FPI_DOPPLER_MEAN: return mean(wind, n);
	case FPI_DOPPLER_GRID: break;
	}
	return offset_grid(wind, sigma, n);
}

/* The usable zenith samples, in time order. */
struct zenith {
	double *wind, *sigma;
	int64_t *t_us;
	size_t n;
};

static void zenith_collect(const struct fpi_sky *s, size_t n, struct zenith *z)
{
	z->wind = xcalloc(n + 1, sizeof(*z->wind));
	z->sigma = xcalloc(n + 1, sizeof(*z->sigma));
	z->t_us = xcalloc(n + 1, sizeof(*z->t_us));
	z->n = 0;
	for (size_t i = 0; i < n; i++) {
		size_t at = z->n;

		if (strcmp(s[i].direction, "Zenith") != 0 || !(s[i].sigma_wind < FPI_ZENITH_SIGMA_MAX) ||
		    !isfinite(s[i].wind))
			continue;
		for (; at > 0 && z->t_us[at - 1] > s[i].frame.utc_us; at--) {
			z->wind[at] = z->wind[at - 1];
			z->sigma[at] = z->sigma[at - 1];
			z->t_us[at] = z->t_us[at - 1];
		}
		z->wind[at] = s[i].wind;
		z->sigma[at] = s[i].sigma_wind;
		z->t_us[at] = s[i].frame.utc_us;
		z->n++;
	}
}

static void zenith_release(struct zenith *z)
{
	free(z->wind);
	free(z->sigma);
	free(z->t_us);
}

static double zenith_at(const struct zenith *z, int64_t t_us)
{
	size_t k = 0;

	if (z->n == 0)
		return NAN;
	if (t_us <= z->t_us[0])
		return z->wind[0];
	while (k + 1 < z->n && z->t_us[k + 1] < t_us)
		k++;
	if (k + 1 == z->n)
		return z->wind[k];
	return z->wind[k] + (z->wind[k + 1] - z->wind[k]) * (double)(t_us - z->t_us[k]) /
	                        (double)(z->t_us[k + 1] - z->t_us[k]);
}

int fpi_doppler_reference(const struct fpi_sky *s, size_t n, enum fpi_reference mode,
    enum fpi_doppler_statistic statistic, double *ref, struct err *err)
{
	struct zenith z;
	int rc = 0;

	zenith_collect(s, n, &z);
	if (mode == FPI_REF_LASER && z.n < 2)
		rc = err_code(err, ERR_BAD_DATA, FPI_E_BAD_DOPPLER,
		    "%zu zenith samples with an error below %.0f m/s; the Doppler reference needs two", z.n,
		    FPI_ZENITH_SIGMA_MAX);
	else if (mode == FPI_REF_LASER)
		for (size_t i = 0; i < n; i++)
			ref[i] = i > 0 ? ref[0] : fpi_doppler_offset(z.wind, z.sigma, z.n, statistic);
	else
		for (size_t i = 0; i < n; i++)
			ref[i] = zenith_at(&z, s[i].frame.utc_us);
	zenith_release(&z);
	return rc;
}
