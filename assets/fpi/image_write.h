/* image_write.h: frames as the cameras' controllers write them: .img and HDF5. */
#ifndef FPI_IMAGE_WRITE_H
#define FPI_IMAGE_WRITE_H

#include "base/err.h"
#include "base/strbuf.h"

struct image_header {
	int width, height, binning;
	double exposure_s, az, ze;
	int ccd_temp_C;
	int64_t local_us; /* start of the exposure, wall clock */
	const char *site, *instrument;
	double lat_deg, lon_deg;
	double ambient_C, outside_C, pressure_Pa, humidity;
};

/* Append a whole file.  The .img clock has whole seconds. */
int image_write_img(const struct image_header *, const uint16_t *pixels, struct strbuf *out, struct err *err);
/* Not to be called from two threads at once. */
int image_write_hdf5(const struct image_header *, const uint16_t *pixels, struct strbuf *out, struct err *err);

#endif
