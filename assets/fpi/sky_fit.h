/* sky_fit.h: line centre, temperature and brightness from the annular sums of one sky frame. */
#ifndef FPI_SKY_FIT_H
#define FPI_SKY_FIT_H

#include "assets/fpi/sky_model.h"

struct fpi_sky_fit {
	bool ok; /* false: values NAN, errors INFINITY */
	double value[FPI_NSKY], error[FPI_NSKY];
	double redchi;
	const char *message; /* a literal for the log */
};

/*
 * Fit rings N0..N1-1 with the response of instrument[] to a line near lam0; the search for the line's centre covers one
 * free spectral range around lam_guess.
 */
void fpi_sky_fit(const struct fpi_fringe *, const struct fpi_instrument *, const double instrument[FPI_NLASER],
    double lam0_m, double lam_guess, struct fpi_sky_model *, struct fpi_sky_fit *out);

#endif
