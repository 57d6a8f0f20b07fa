/* blur.c: the banded blur matrix of fringe.h. */
#include "config.h"

#include "assets/fpi/fringe.h"
#include "assets/fpi/vmath.h"
#include "base/mem.h"

#include <math.h>

#define REACH 6.0

void fpi_blur_init(struct fpi_blur *b, int n)
{
	*b = (struct fpi_blur){.n = n};
	b->first = xcalloc((size_t)n, sizeof(*b->first));
	b->len = xcalloc((size_t)n, sizeof(*b->len));
	b->at = xcalloc((size_t)n, sizeof(*b->at));
	b->norm = fpi_vector(n);
}

void fpi_blur_release(struct fpi_blur *b)
{
	free(b->first);
	free(b->len);
	free(b->at);
	free(b->w);
	free(b->norm);
	*b = (struct fpi_blur){0};
}

static double width_at(const struct fpi_blur *b, const struct fpi_rings *g, int i)
{
	return fabs(b->b0 + b->b1 * g->cosx[i] + b->b2 * g->sinx[i]);
}

/* Ring i sees first..last: both ends only move a little from ring to ring, as radii ascend. */
static size_t find_bands(struct fpi_blur *b, const struct fpi_rings *g)
{
	int lo = 0, hi = 0;
	size_t total = 0;

	for (int i = 0; i < b->n; i++) {
		double reach = REACH * width_at(b, g, i), r = g->r[i];

		while (lo < i && g->r[lo] < r - reach)
			lo++;
		while (lo > 0 && g->r[lo - 1] >= r - reach)
			lo--;
		hi = MAX(hi, i);
		while (hi < b->n - 1 && g->r[hi + 1] <= r + reach)
			hi++;
		while (hi > i && g->r[hi] > r + reach)
			hi--;
		b->first[i] = lo;
		b->len[i] = (hi - lo + 4) & ~3;
		b->at[i] = total;
		total += (size_t)b->len[i];
	}
	return total;
}

FPI_KERNEL static void fill_row(const double *r, int n, double ri, double width, double *w, double *norm)
{
	v4d sum = {0}, index = {0, 1, 2, 3}, end = V4((double)n), scale = V4(1 / width), at = V4(ri);

	for (int j = 0; j < n; j += 4) {
		v4d d = (V4_LOAD(r + j) - at) * scale, x = -(d * d), e;

		v4_exp_neg(&x, &e);
		e = V4_AND(e, index < end);
		V4_STORE(w + j, e);
		sum += e;
		index += V4(4.0);
	}
	*norm = 1 / V4_SUM(sum);
}

void fpi_blur_build(struct fpi_blur *b, const struct fpi_rings *g, const double p[FPI_NLASER])
{
	size_t total;

	if (b->valid && b->b0 == p[FPI_P_B0] && b->b1 == p[FPI_P_B1] && b->b2 == p[FPI_P_B2])
		return;
	b->b0 = p[FPI_P_B0];
	b->b1 = p[FPI_P_B1];
	b->b2 = p[FPI_P_B2];
	b->valid = true;
	total = find_bands(b, g);
	if (total > b->cap) {
		b->cap = total + total / 4;
		free(b->w);
		b->w = xcalloc(b->cap, sizeof(*b->w));
	}
	for (int i = 0; i < b->n; i++) {
		double width = width_at(b, g, i);
		int lo = b->first[i], n = b->len[i];

		/* without blur, or none that reaches a neighbour, the ring sees itself alone */
		if (!(width > 1e-9)) {
			memset(b->w + b->at[i], 0, (size_t)n * sizeof(*b->w));
			b->w[b->at[i] + (size_t)(i - lo)] = b->norm[i] = 1;
			continue;
		}
		fill_row(g->r + lo, MIN(n, b->n - lo), g->r[i], width, b->w + b->at[i], &b->norm[i]);
	}
}

FPI_KERNEL static void apply(const struct fpi_blur *b, const double *g, double *out)
{
	for (int i = 0; i < b->n; i++) {
		const double *w = b->w + b->at[i], *v = g + b->first[i];
		v4d sum = {0};

		for (int j = 0; j < b->len[i]; j += 4)
			sum += V4_LOAD(w + j) * V4_LOAD(v + j);
		out[i] = V4_SUM(sum) * b->norm[i];
	}
}

void fpi_blur_apply(const struct fpi_blur *b, const double *g, double *out)
{
	apply(b, g, out);
}

/*
 * With q = ((r_j - r_i) / b_i)^2: dw/db = w 2 q / b, and the quotient rule for sum w g / sum w.  g is measured from
 * the blurred value, which removes the second term.
 */
FPI_KERNEL static void slope_row(const double *w, const double *r, const double *g, int n, double ri,
    double width, double blurred, double *out)
{
	v4d sum = {0}, scale = V4(1 / width), at = V4(ri), mean = V4(blurred);

	for (int j = 0; j < n; j += 4) {
		v4d d = (V4_LOAD(r + j) - at) * scale;

		sum += V4_LOAD(w + j) * (d * d) * (V4_LOAD(g + j) - mean);
	}
	*out = V4_SUM(sum) * 2 / width;
}

void fpi_blur_slope(const struct fpi_blur *b, const struct fpi_rings *g, const double *sharp,
    const double *blurred, double *out)
{
	for (int i = 0; i < b->n; i++) {
		double width = b->b0 + b->b1 * g->cosx[i] + b->b2 * g->sinx[i];
		int lo = b->first[i];

		out[i] = 0;
		if (!(fabs(width) > 1e-9))
			continue;
		slope_row(
		    b->w + b->at[i], g->r + lo, sharp + lo, b->len[i], g->r[i], width, blurred[i], &out[i]);
		out[i] *= b->norm[i];
	}
}
