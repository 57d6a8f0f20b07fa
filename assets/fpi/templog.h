/*
 * templog.h: the files of the temperature loggers: dome and inside (local time), etalon inside and outside (UTC).
 *
 * The number of columns tells the sensor and the style of the date its clock; the file's name tells nothing.
 */
#ifndef FPI_TEMPLOG_H
#define FPI_TEMPLOG_H

#include "assets/fpi/series.h"
#include "base/tz.h"

struct fpi_templogs {
	struct fpi_series dome, inside, etalon_inside, etalon_outside;
};

/* Add the readings of one file; returns the number of malformed lines.  Files that begin with "#Output" hold nothing. */
size_t fpi_templog_parse(const char *text, size_t n, const struct tz *, struct fpi_templogs *out);
void fpi_templogs_sort(struct fpi_templogs *);
void fpi_templogs_release(struct fpi_templogs *);

#endif
