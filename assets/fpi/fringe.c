/* fringe.c: the Airy model and its derivatives. */
#include "config.h"

#include "assets/fpi/fringe.h"
#include "assets/fpi/vmath.h"
#include "base/mem.h"

#include <math.h>

double *fpi_vector(int n)
{
	return xcalloc((size_t)n + FPI_PAD, sizeof(double));
}

void fpi_rings_init(struct fpi_rings *g, const double *r, int n)
{
	double max = 0;

	*g = (struct fpi_rings){
	    .n = n, .r = fpi_vector(n), .x = fpi_vector(n), .cosx = fpi_vector(n), .sinx = fpi_vector(n)};
	memcpy(g->r, r, (size_t)n * sizeof(*r));
	for (int i = 0; i < n; i++)
		max = fmax(max, r[i]);
	for (int i = 0; i < n; i++) {
		g->x[i] = M_PI * r[i] / max;
		g->cosx[i] = cos(g->x[i]);
		g->sinx[i] = sin(g->x[i]);
	}
}

void fpi_rings_release(struct fpi_rings *g)
{
	free(g->r);
	free(g->x);
	free(g->cosx);
	free(g->sinx);
	*g = (struct fpi_rings){0};
}

/* The quantities every derivative shares, for four rings. */
struct airy {
	v4d fall, s, m, denom, slope;
};

/* slope is d sin^2(pi m) / dm = pi sin(2 pi m). */
FPI_INLINE void airy_at(const struct fpi_rings *g, const double *p, double F, int i, struct airy *a)
{
	v4d r = V4_LOAD(g->r + i), x = V4_LOAD(g->x + i), ar = V4(p[FPI_P_ALPHA]) * r, q = V4(1.0) + ar * ar,
	    sin1, frac, c;

	for (int l = 0; l < 4; l++)
		q[l] = __builtin_sqrt(q[l]);
	a->m = V4(2 * p[FPI_P_N] * p[FPI_P_T] / p[FPI_P_LAM]) / q;
	v4_sin2pi(&a->m, &a->s, &sin1, &frac);
	/* sin(2 pi m) = 2 sin cos of the folded angle, which lies in [0, pi/4], with the sign of the fraction */
	c = V4(1.0) - sin1 * sin1;
	for (int l = 0; l < 4; l++)
		c[l] = __builtin_sqrt(c[l]);
	a->slope = V4(2 * M_PI) * sin1 * c;
	a->slope = V4_PICK(frac < V4(0.0), -a->slope, a->slope);
	a->fall = V4(1.0) + x * (V4(p[FPI_P_A1]) + V4(p[FPI_P_A2]) * x);
	a->denom = V4(1.0) + V4(F) * a->s;
}

static double finesse(double R)
{
	return 4 * R / ((1 - R) * (1 - R));
}

FPI_KERNEL static void sharp_fringe(const struct fpi_rings *g, const double *p, double *out)
{
	double F = finesse(p[FPI_P_R]);
	struct airy a;

	for (int i = 0; i < g->n; i += 4) {
		airy_at(g, p, F, i, &a);
		V4_STORE(out + i, a.fall * V4(p[FPI_P_I]) / a.denom + V4(p[FPI_P_B]));
	}
}

void fpi_fringe_sharp(const struct fpi_rings *g, const double p[FPI_NLASER], double *out)
{
	sharp_fringe(g, p, out);
}

void fpi_fringe_model(const struct fpi_rings *g, struct fpi_blur *blur, const double p[FPI_NLASER],
    double *scratch, double *model)
{
	fpi_blur_build(blur, g, p);
	fpi_fringe_sharp(g, p, scratch);
	fpi_blur_apply(blur, scratch, model);
}

/* d g / d p[which] before the blur. */
FPI_KERNEL static void sharp_slope(const struct fpi_rings *g, const double *p, int which, double *out)
{
	double R = p[FPI_P_R], F = finesse(R), dF = 4 * (1 + R) / ((1 - R) * (1 - R) * (1 - R));
	double I = p[FPI_P_I], alpha = p[FPI_P_ALPHA];
	struct airy a;

	for (int i = 0; i < g->n; i += 4) {
		v4d r = V4_LOAD(g->r + i), x = V4_LOAD(g->x + i), d, dm;

		airy_at(g, p, F, i, &a);
		dm = -(a.fall * V4(I * F) * a.slope) / (a.denom * a.denom);
		switch (which) {
		case FPI_P_I: d = a.fall / a.denom; break;
		case FPI_P_R: d = -(a.fall * V4(I * dF) * a.s) / (a.denom * a.denom); break;
		case FPI_P_T: d = dm * a.m / V4(p[FPI_P_T]); break;
		case FPI_P_ALPHA:
			d = -(dm * a.m * V4(alpha) * r * r) / (V4(1.0) + V4(alpha * alpha) * r * r);
			break;
		case FPI_P_A1: d = x * V4(I) / a.denom; break;
		case FPI_P_A2: d = x * x * V4(I) / a.denom; break;
		default: d = V4(0.0); break;
		}
		V4_STORE(out + i, d);
	}
}

void fpi_fringe_jacobian(const struct fpi_rings *g, struct fpi_blur *blur, const double p[FPI_NLASER],
    const int *which, int n, double *scratch, double *jac, size_t ld)
{
	double *sharp = scratch, *slope = scratch + g->n + FPI_PAD;
	bool have_slope = false;

	fpi_blur_build(blur, g, p);
	for (int k = 0; k < n; k++) {
		double *out = jac + (size_t)k * ld;
		const double *shape = which[k] == FPI_P_B1 ? g->cosx : which[k] == FPI_P_B2 ? g->sinx : NULL;

		if (which[k] == FPI_P_B) {
			for (int i = 0; i < g->n; i++)
				out[i] = 1;
		} else if (which[k] < FPI_P_B0) {
			sharp_slope(g, p, which[k], sharp);
			fpi_blur_apply(blur, sharp, out);
		} else {
			if (!have_slope) {
				fpi_fringe_sharp(g, p, sharp);
				fpi_blur_apply(blur, sharp, out);
				fpi_blur_slope(blur, g, sharp, out, slope);
				have_slope = true;
			}
			for (int i = 0; i < g->n; i++)
				out[i] = slope[i] * (shape != NULL ? shape[i] : 1.0);
		}
	}
}
