/*
 * fringe.h: the instrument's response: a train of Airy fringes with falloff, seen through a blur that grows with the
 * radius (Harding, Gehrels and Makela, Appl. Opt. 53, 666, 2014).
 *
 *     m = 2 n t / lam cos(atan(alpha r))      g = (1 + a1 x + a2 x^2) I / (1 + F sin^2(pi m)) + B
 *     F = 4 R / (1 - R)^2                     x = pi r / max(r)
 *     model_i = sum_j w_ij g_j / sum_j w_ij   w_ij = exp(-((r_j - r_i) / b_i)^2),  b = b0 + b1 cos x + b2 sin x
 *
 * The blur runs over the rings as they are, without a weight for their spacing, and is cut off at both ends: results are
 * compared with those of others who do the same.
 */
#ifndef FPI_FRINGE_H
#define FPI_FRINGE_H

#include "assets/fpi/result.h"

/* Vectors over rings have room for this many more elements, which may be read and written as garbage. */
#define FPI_PAD 8

/* The radii a model is computed on. */
struct fpi_rings {
	int n;
	double *r, *x, *cosx, *sinx;
};
void fpi_rings_init(struct fpi_rings *, const double *r, int n);
void fpi_rings_release(struct fpi_rings *);

/* The blur as a banded matrix; entries beyond 6 |b| (2e-16 of the middle one) are left out. */
struct fpi_blur {
	int n;
	double b0, b1, b2; /* what it was built for */
	bool valid;
	int *first, *len; /* of each row; len is a multiple of 4, filled up with zeros */
	size_t *at; /* where the row starts in w */
	double *w, *norm; /* weights as in the formula; 1 / their sum */
	size_t cap;
};
void fpi_blur_init(struct fpi_blur *, int n);
void fpi_blur_release(struct fpi_blur *);
/* Builds anew only when b0, b1 or b2 changed.  The rings must be the same every time. */
void fpi_blur_build(struct fpi_blur *, const struct fpi_rings *, const double p[FPI_NLASER]);
void fpi_blur_apply(const struct fpi_blur *, const double *g, double *out);
/* d (blurred g)_i / d b_i, given the blurred g. */
void fpi_blur_slope(
    const struct fpi_blur *, const struct fpi_rings *, const double *g, const double *blurred, double *out);

/* Before the blur: g itself; room for n + FPI_PAD. */
void fpi_fringe_sharp(const struct fpi_rings *, const double p[FPI_NLASER], double *g);
/* The model. */
void fpi_fringe_model(
    const struct fpi_rings *, struct fpi_blur *, const double p[FPI_NLASER], double *scratch, double *model);
/*
 * Derivatives of the model along the parameters listed in which[0..n-1], column k at jac + k * ld (ld >= rings->n +
 * FPI_PAD).  scratch: 2 (rings->n + FPI_PAD).
 */
void fpi_fringe_jacobian(const struct fpi_rings *, struct fpi_blur *, const double p[FPI_NLASER],
    const int *which, int n, double *scratch, double *jac, size_t ld);

/* A vector over rings, zeroed; free() it. */
double *fpi_vector(int n);

#endif
