/* direction.h: where a frame looks. */
#ifndef FPI_DIRECTION_H
#define FPI_DIRECTION_H

#include "assets/fpi/setup.h"

/*
 * The site's direction nearest in the flat polar plane (ze sin az, ze cos az) with signed angles; "Unknown" when it is
 * further than tolerance degrees.  Zenith wins a tie, else the first of the table.  The name is lent from the site;
 * *distance (NULL is fine) is in degrees.
 */
const char *fpi_direction_find(
    const struct fpi_site *, double az, double ze, double tolerance, double *distance);
/* The azimuth a frame's header means: two instruments counted it the other way round in their first years. */
double fpi_direction_header_az(const struct fpi_setup *, double az);
/* Angles as they are reported: the zenith angle not negative. */
void fpi_direction_fold(double *az, double *ze);

#endif
