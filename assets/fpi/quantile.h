/* quantile.h: percentiles by linear interpolation between order statistics. */
#ifndef FPI_QUANTILE_H
#define FPI_QUANTILE_H

#include "assets/fpi/image.h"

/* q in [0, 1]; n > 0; reorders v.  NAN sorts last. */
double fpi_quantile(double *v, size_t n, double q);
/* The same of the pixels of a frame, several at once (nq <= 8). */
void fpi_pixel_quantiles(const struct fpi_pixels *, const double *q, size_t nq, double *out);

#endif
