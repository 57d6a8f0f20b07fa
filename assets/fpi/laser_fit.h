/* laser_fit.h: the instrument's parameters from the annular sums of one laser frame. */
#ifndef FPI_LASER_FIT_H
#define FPI_LASER_FIT_H

#include "assets/fpi/result.h"
#include "base/err.h"

/*
 * Coarse search for the gap: the one of 50 gaps within lam/4 of t_last whose model, on all rings and with start values for
 * all else, correlates best with the sums.  Its result is the t_last of the next laser frame.
 */
double fpi_gap_search(const struct fpi_fringe *, const struct fpi_instrument *, double xbinning, double t_last);

struct fpi_laser_fit {
	double value[FPI_NLASER], error[FPI_NLASER];
	double redchi;
};

/* The fit proper, from the gap found by the search; rings N0..N1-1.  -1 with class BAD_DATA: no minimum with errors found. */
int fpi_laser_fit(const struct fpi_fringe *, const struct fpi_instrument *, double xbinning, double t_start,
    struct fpi_laser_fit *out, struct err *err);

#endif
