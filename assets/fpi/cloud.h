/*
 * cloud.h: the files of the cloud sensors: sky minus ambient temperature, C, in local time.
 *
 * Four formats, told apart by what stands in the lines.  A line that cannot be read is skipped and counted, never more than itself.
 */
#ifndef FPI_CLOUD_H
#define FPI_CLOUD_H

#include "assets/fpi/series.h"
#include "base/tz.h"

enum fpi_cloud_format {
	FPI_CLOUD_BOLTWOOD_OLD,
	FPI_CLOUD_BOLTWOOD,
	FPI_CLOUD_SKYALERT,
	FPI_CLOUD_SKYALERT_ETHERNET,
};
extern const char *const fpi_cloud_format_name[];

enum fpi_cloud_format fpi_cloud_format(const char *text, size_t n);
/* Add the readings of one file; returns the number of lines skipped as malformed (headers do not count). */
size_t fpi_cloud_parse(const char *text, size_t n, const struct tz *, struct fpi_series *out);

#endif
