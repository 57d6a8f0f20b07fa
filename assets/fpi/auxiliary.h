/* auxiliary.h: the cloud and temperature sensors of one night, from the files of the two local dates it touches. */
#ifndef FPI_AUXILIARY_H
#define FPI_AUXILIARY_H

#include "assets/fpi/source.h"
#include "assets/fpi/templog.h"
#include "base/strvec.h"

struct fpi_auxiliary {
	struct fpi_series cloud;
	struct fpi_templogs temp;
	struct strvec notes; /* for the night's log: what was found, what was not, lines skipped */
};

/*
 * Cloud_SITE_DATE.txt for the local dates of the first and the last sky sample, TempL*_SITE_DATE.txt for these and the
 * last UTC date; other files of the source are not read.  Of two files with one name the first in the source counts.  Bad
 * lines, damaged and missing files become notes; -1 only when a file cannot be fetched.  Release either way.
 */
int fpi_auxiliary_load(const struct fpi_source *, const struct fpi_site *, const struct tz *,
    int64_t first_utc_us, int64_t last_utc_us, struct fpi_auxiliary *out, struct err *err);
void fpi_auxiliary_release(struct fpi_auxiliary *);
/* Fill cloud, dome, inside, etalon_inside, etalon_outside of samples. */
void fpi_auxiliary_apply(const struct fpi_auxiliary *, struct fpi_sky *sky, size_t n);

#endif
