/* linear.c */
#include "config.h"

#include "assets/fpi/linear.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void swap(double *a, double *b)
{
	double t = *a;

	*a = *b;
	*b = t;
}

/* Bring the largest element of column k, from row k down, onto the diagonal; false: all zero or not a number. */
static bool pivot(double *a, double *b, int n, int k, double scale)
{
	int best = k;

	for (int i = k + 1; i < n; i++)
		if (fabs(a[i * n + k]) > fabs(a[best * n + k]))
			best = i;
	if (!(fabs(a[best * n + k]) > scale))
		return false;
	if (best != k) {
		for (int j = 0; j < n; j++)
			swap(&a[k * n + j], &a[best * n + j]);
		swap(&b[k], &b[best]);
	}
	return true;
}

int fpi_solve(double *a, double *b, int n)
{
	double largest = 0;

	for (int i = 0; i < n * n; i++)
		largest = fmax(largest, fabs(a[i]));
	for (int k = 0; k < n; k++) {
		if (!pivot(a, b, n, k, largest * 1e-15))
			return -1;
		for (int i = k + 1; i < n; i++) {
			double f = a[i * n + k] / a[k * n + k];

			for (int j = k; j < n; j++)
				a[i * n + j] -= f * a[k * n + j];
			b[i] -= f * b[k];
		}
	}
	for (int k = n - 1; k >= 0; k--) {
		for (int j = k + 1; j < n; j++)
			b[k] -= a[k * n + j] * b[j];
		b[k] /= a[k * n + k];
	}
	return 0;
}

int fpi_least_squares(double *a, double *b, size_t m, int n)
{
	assert(n <= FPI_LINEAR_MAX && m >= (size_t)n);
	for (int k = 0; k < n; k++) {
		double norm = 0, vv = 0, *col = a + k;

		for (size_t i = (size_t)k; i < m; i++)
			norm = hypot(norm, col[i * (size_t)n]);
		if (!(norm > 0))
			return -1;
		norm = col[(size_t)k * (size_t)n] > 0 ? -norm : norm;
		col[(size_t)k * (size_t)n] -= norm; /* the column now holds the reflector below the diagonal */
		for (size_t i = (size_t)k; i < m; i++)
			vv += col[i * (size_t)n] * col[i * (size_t)n];
		for (int j = k + 1; j <= n; j++) {
			double *other = j < n ? a + j : b, dot = 0;
			size_t step = j < n ? (size_t)n : 1;

			for (size_t i = (size_t)k; i < m; i++)
				dot += col[i * (size_t)n] * other[i * step];
			for (size_t i = (size_t)k; i < m; i++)
				other[i * step] -= 2 * dot / vv * col[i * (size_t)n];
		}
		/* b and later columns are done; keep R's diagonal in place of the reflector's head, which nobody reads again */
		col[(size_t)k * (size_t)n] = norm;
	}
	for (int k = n - 1; k >= 0; k--) {
		for (int j = k + 1; j < n; j++)
			b[k] -= a[k * n + j] * b[j];
		b[k] /= a[k * n + k];
	}
	return 0;
}
