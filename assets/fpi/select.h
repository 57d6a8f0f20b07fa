/* select.h: which files are frames of a night: by name, by time, by sun and moon. */
#ifndef FPI_SELECT_H
#define FPI_SELECT_H

#include "assets/fpi/setup.h"

#define FPI_LASER_KIND "L"

/*
 * Does a file name say it is a frame of this kind ("L" for laser, else a sky tag)?  "L20091103001.img",
 * "UAO_L_20091103_210000_001.img", "UAO_XR_20221129_121336.hdf5".
 */
bool fpi_name_is(const char *name, const char *kind);
/* Local solar noon of the date to the next; a frame belongs to the night when start < t < end. */
void fpi_night_window(const struct fpi_setup *, int64_t *start_us, int64_t *end_us);

#endif
