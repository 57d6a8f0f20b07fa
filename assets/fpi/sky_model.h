/*
 * sky_model.h: an airglow line as the instrument shows it: the convolution of a thermal (Gaussian) line with the
 * instrument's response.
 *
 *     lam_j = lam0 - 2 FSR + j 4 FSR / L,  FSR = lam0^2 / 2 t       A_ij = blur of the fringe at lam_j (without B) * dlam
 *     S_j = skyB / intA + skyI / intA (w0 / w) exp(-((lamc - lam_j) / 2 w)^2),  w = lam0 / c sqrt(k T / 2 M)
 *     model = A S + ccdB,   intA = mean over i of sum_j A_ij
 *
 * The blur does not depend on the wavelength and is linear, so A S = blur (G S) dlam with G the sharp fringes: A itself
 * is never formed.
 */
#ifndef FPI_SKY_MODEL_H
#define FPI_SKY_MODEL_H

#include "assets/fpi/fringe.h"

#define FPI_C       299792458.0 /* m/s */
#define FPI_C_ROUND 3.0e8 /* the value used for the calibration error */
#define FPI_K       1.3806503e-23 /* J/K */
#define FPI_M_O     (16 / 6.0221367e26) /* kg, an oxygen atom */

#define FPI_LAMBDAS 301

struct fpi_sky_model; /* working memory of one thread: about 1.5 MB for 500 rings */

struct fpi_sky_model *fpi_sky_model_new(void);
void fpi_sky_model_free(struct fpi_sky_model *);
/* Prepare for one frame: radii of the rings that take part, instrument parameters, line. */
void fpi_sky_model_set(
    struct fpi_sky_model *, const double *r, int n, const double instrument[FPI_NLASER], double lam0_m);
/* out: n + FPI_PAD */
void fpi_sky_model_eval(struct fpi_sky_model *, const double p[FPI_NSKY], double *out);
void fpi_sky_model_jacobian(
    struct fpi_sky_model *, const double p[FPI_NSKY], const int *which, int n, double *jac, size_t ld);
/*
 * Line centres k = 0..count-1 at from + k step (the other parameters from p): the one whose model correlates best,
 * without centring, with data.
 */
double fpi_sky_model_search(
    struct fpi_sky_model *, const double p[FPI_NSKY], const double *data, double from, double step, int count);

/* For tests: lam_0, dlam, intA, and row i of A (FPI_LAMBDAS values). */
void fpi_sky_model_grid(const struct fpi_sky_model *, double *lam_first, double *dlam, double *intA);
void fpi_sky_model_row(const struct fpi_sky_model *, int i, double *row);

#endif
