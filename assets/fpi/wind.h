/* wind.h: from fitted line centres to winds, and how well the gap is known between laser frames. */
#ifndef FPI_WIND_H
#define FPI_WIND_H

#include "assets/fpi/result.h"

/* Instrument parameters at a time, linear between laser frames (n >= 1, in time order), constant beyond. */
void fpi_laser_at(const struct fpi_laser *, size_t n, int64_t utc_us, double value[FPI_NLASER]);
/*
 * Error of the wind from interpolating the gap: how far each laser frame's gap is from the line through its neighbours.
 * NAN before the first, after the last, and with fewer than three.
 */
double fpi_sigma_cal(const struct fpi_laser *, size_t n, int64_t utc_us);

/* What the laser frames say about the gap as a whole. */
struct fpi_gap {
	double median, median_error; /* m; error 0: not known */
};
void fpi_gap_median(const struct fpi_laser *, size_t n, struct fpi_gap *out);
/* Error of the wind from the fit and from that of the gap, m/s. */
double fpi_sigma_fit(double sigma_lamc, double lam0_m, const struct fpi_gap *);
/* Fill wind (before the Doppler reference), temperature, brightness and their errors from value[] and error[]. */
void fpi_sky_derive(struct fpi_sky *, double lam0_m, const struct fpi_gap *, double sigma_cal);

#endif
