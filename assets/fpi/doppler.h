/* doppler.h: the wind that counts as zero. */
#ifndef FPI_DOPPLER_H
#define FPI_DOPPLER_H

#include "assets/fpi/night.h"

/* A zenith sample with a larger error is no reference. */
#define FPI_ZENITH_SIGMA_MAX 150.0

/* The offset that n > 0 zenith winds suggest; winds and their errors are not changed. */
double fpi_doppler_offset(const double *wind, const double *sigma, size_t n, enum fpi_doppler_statistic);

/*
 * The reference of each of n samples, in ref[].  LASER: one constant; -1 with code FPI_E_BAD_DOPPLER when fewer than two
 * zenith samples are usable.  ZENITH: the zenith winds interpolated in time and held at the ends; NAN without any.
 */
int fpi_doppler_reference(const struct fpi_sky *, size_t n, enum fpi_reference, enum fpi_doppler_statistic,
    double *ref, struct err *err);

#endif
