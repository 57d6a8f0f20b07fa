/* quantile.c */
#include "config.h"

#include "assets/fpi/quantile.h"
#include "base/mem.h"

#include <math.h>

static int compare(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a > b) - (a < b);
}

static double sorted_quantile(const double *v, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;
	double low = v[i], high = v[MIN(i + 1, n - 1)];

	return low + (high - low) * (at - (double)i);
}

double fpi_quantile(double *v, size_t n, double q)
{
	qsort(v, n, sizeof(*v), compare);
	return sorted_quantile(v, n, q);
}

/* The k-th smallest pixel (from 0), by its histogram. */
static double histogram_at(const uint32_t *count, size_t k)
{
	size_t below = 0;

	for (uint32_t v = 0; v <= UINT16_MAX; v++) {
		below += count[v];
		if (below > k)
			return v;
	}
	return UINT16_MAX;
}

static void u16_quantiles(const uint16_t *v, size_t n, const double *q, size_t nq, double *out)
{
	uint32_t *count = xcalloc(UINT16_MAX + 1, sizeof(*count));

	for (size_t i = 0; i < n; i++)
		count[v[i]]++;
	for (size_t i = 0; i < nq; i++) {
		double at = q[i] * (double)(n - 1);
		size_t k = (size_t)at;
		double low = histogram_at(count, k), high = histogram_at(count, MIN(k + 1, n - 1));

		out[i] = low + (high - low) * (at - (double)k);
	}
	free(count);
}

void fpi_pixel_quantiles(const struct fpi_pixels *px, const double *q, size_t nq, double *out)
{
	size_t n = (size_t)px->width * (size_t)px->height;
	double *copy;

	if (px->u16 != NULL) {
		u16_quantiles(px->u16, n, q, nq, out);
		return;
	}
	copy = xmemdup(px->f64, n * sizeof(*copy));
	qsort(copy, n, sizeof(*copy), compare);
	for (size_t i = 0; i < nq; i++)
		out[i] = sorted_quantile(copy, n, q[i]);
	free(copy);
}
