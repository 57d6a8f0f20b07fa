/* simulate_sky.h: the atmosphere and the instrument of a synthetic night as smooth functions of time. */
#ifndef FPI_SIMULATE_SKY_H
#define FPI_SIMULATE_SKY_H

#include "assets/fpi/simulate.h"

/* Where in the night: 0 at sunset, 1 at sunrise. */
double sim_phase(const struct sim_night *, double utc_s);
/* 0 clear .. 1 thick cloud. */
double sim_cloudiness(const struct sim_night *, double utc_s);
double sim_gap_at(const struct sim_night *, double utc_s);
void sim_center_at(const struct sim_night *, double utc_s, double *cx, double *cy);
/* Wind, temperature, brightness along the look direction, in the exposure's truth. */
void sim_sky_at(const struct sim_night *, double utc_s, bool green, struct sim_exposure *);

#endif
