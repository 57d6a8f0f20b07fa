#include "config.h"

#include "assets/fpi/series.h"

#include "base/mem.h"

#include <math.h>

void fpi_series_add(struct fpi_series *s, int64_t utc_us, double value)
{
	if (isnan(value) || s->n >= FPI_SERIES_MAX)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap > 0 ? 2 * s->cap : 1024;
		s->v = xreallocarray(s->v, s->cap, sizeof(*s->v));
	}
	s->v[s->n++] = (struct fpi_reading){utc_us, value};
}

static bool is_sorted(const struct fpi_series *s)
{
	for (size_t i = 1; i < s->n; i++)
		if (s->v[i].utc_us < s->v[i - 1].utc_us)
			return false;
	return true;
}

static void merge(struct fpi_reading *v, struct fpi_reading *tmp, size_t n)
{
	size_t half = n / 2, i = 0, j = half, k = 0;

	if (n < 2)
		return;
	merge(v, tmp, half);
	merge(v + half, tmp, n - half);
	memcpy(tmp, v, n * sizeof(*v));
	while (k < n)
		v[k++] = j == n || (i < half && tmp[i].utc_us <= tmp[j].utc_us) ? tmp[i++] : tmp[j++];
}

void fpi_series_sort(struct fpi_series *s)
{
	struct fpi_reading *tmp;

	if (is_sorted(s))
		return;
	tmp = xcalloc(s->n, sizeof(*tmp));
	merge(s->v, tmp, s->n);
	free(tmp);
}

void fpi_series_release(struct fpi_series *s)
{
	free(s->v);
	*s = (struct fpi_series){0};
}

struct fpi_stats fpi_series_stats(const struct fpi_series *s, int64_t start_us, double exposure_s)
{
	struct fpi_stats st = {NAN, NAN, NAN};
	int64_t end_us = start_us + llround(exposure_s * 1e6);
	size_t lo = 0, hi = s->n, first;
	double sum = 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].utc_us < start_us)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (first = lo; lo < s->n && s->v[lo].utc_us <= end_us; lo++) {
		sum += s->v[lo].value;
		st.max = fmax(st.max, s->v[lo].value); /* fmax and fmin pass over the NAN they start from */
		st.min = fmin(st.min, s->v[lo].value);
	}
	if (lo > first)
		st.mean = sum / (double)(lo - first);
	return st;
}
