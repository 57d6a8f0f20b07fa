/* series.h: the readings of one sensor over a night, and what they say about one exposure. */
#ifndef FPI_SERIES_H
#define FPI_SERIES_H

#include "assets/fpi/result.h"

#define FPI_SERIES_MAX 2000000 /* readings; further ones are dropped */

struct fpi_reading {
	int64_t utc_us;
	double value;
};

struct fpi_series {
	struct fpi_reading *v;
	size_t n, cap;
};

void fpi_series_add(struct fpi_series *, int64_t utc_us, double value); /* NAN is dropped */
void fpi_series_sort(struct fpi_series *); /* by time; equal times keep their order */
void fpi_series_release(struct fpi_series *);
/* Over start <= time <= start + exposure of a sorted series; all NAN when there is no reading. */
struct fpi_stats fpi_series_stats(const struct fpi_series *, int64_t start_us, double exposure_s);

#endif
