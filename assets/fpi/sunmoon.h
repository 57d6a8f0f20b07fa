/*
 * sunmoon.h: where the sun and the moon stand for a site, and when the sun sets and rises.
 *
 * Times are UTC seconds since 1970; angles in degrees, azimuth from north through east.  Good to about 0.005 degrees (the earth's
 * rotation is taken from UTC without the published correction of less than a second); set and rise to about 1 s.
 */
#ifndef FPI_SUNMOON_H
#define FPI_SUNMOON_H

#include "base/err.h"

struct place {
	double lat_deg, lon_deg, alt_m; /* east positive; height above the ellipsoid */
};

struct horizon {
	double az_deg, alt_deg; /* of the centre, seen from the place */
};

enum sun_event { SUN_SETS, SUN_RISES };

/* Without refraction; radius_deg (may be NULL) gets the apparent radius of the disc. */
void sun_at(const struct place *, double utc_s, struct horizon *out, double *radius_deg);
/* With the standard refraction (1010 hPa, 15 degrees C). */
void moon_at(const struct place *, double utc_s, struct horizon *out);
/*
 * The angle between a look direction (header angles: signed, not reduced) and the moon: whatever the moon's altitude.
 */
double moon_angle_deg(const struct place *, double utc_s, double look_az_deg, double look_ze_deg);
/*
 * The first moment after utc_s at which the upper limb passes limb_alt_deg (-6 for the night's limits), neither refraction nor
 * dip counted.  -1 with BAD_DATA code "no_sunset" or "no_sunrise" when there is none within a day: polar summer or winter.
 */
int sun_next(
    const struct place *, enum sun_event, double utc_s, double limb_alt_deg, double *when_s, struct err *err);

#endif
