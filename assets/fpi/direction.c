/* direction.c */
#include "config.h"

#include "assets/fpi/direction.h"

#include <math.h>

#define RAD (M_PI / 180)

/* Not the great circle: a table entry and a frame are compared as points of a map with the zenith in the middle. */
static double map_distance(double az1, double ze1, double az2, double ze2)
{
	return hypot(ze1 * sin(az1 * RAD) - ze2 * sin(az2 * RAD), ze1 * cos(az1 * RAD) - ze2 * cos(az2 * RAD));
}

static const struct {
	const char *instrument;
	int64_t before; /* yyyymmdd */
} mirrored[] = {
    {"minime90", 20111118},
    {"minime91", 20111201},
};

double fpi_direction_header_az(const struct fpi_setup *s, double az)
{
	int64_t date = s->date.year * 10000 + s->date.month * 100 + s->date.day;

	for (size_t i = 0; i < NITEMS(mirrored); i++)
		if (strcmp(s->instrument.name, mirrored[i].instrument) == 0 && date < mirrored[i].before)
			return -az;
	return az;
}

const char *fpi_direction_find(
    const struct fpi_site *site, double az, double ze, double tolerance, double *distance)
{
	const char *name = "Unknown";
	double best = INFINITY;

	for (size_t i = 0; i < site->ndirections; i++) {
		const struct fpi_direction *d = &site->directions[i];
		double at;

		if (!d->has_angles)
			continue;
		at = map_distance(az, ze, d->az, d->ze);
		if (at < best || (at == best && strcmp(d->name, "Zenith") == 0)) {
			best = at;
			name = d->name;
		}
	}
	if (distance != NULL)
		*distance = best;
	return best > tolerance ? "Unknown" : name;
}

void fpi_direction_fold(double *az, double *ze)
{
	if (*ze < 0) {
		*ze = -*ze;
		*az = fmod(fmod(*az + 180, 360) + 360, 360);
	}
}
