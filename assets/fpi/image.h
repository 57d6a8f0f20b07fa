/*
 * image.h: one exposure: what its header says and its pixels.
 *
 * Two formats, told by the name: `.img` of the old controller, `.hdf5` of the new one.  Files come from outside: every
 * offset, count and size is checked before it is used, and a file that fails is an error of class BAD_DATA, code
 * "bad_image", whose text says what is wrong with it.
 */
#ifndef FPI_IMAGE_H
#define FPI_IMAGE_H

#include "assets/fpi/result.h"
#include "base/err.h"

#define FPI_SIDE_MIN 16
#define FPI_SIDE_MAX 4096

/* Row-major; exactly one of the two is set: u16 when every pixel is an integer of 0..65535, which cameras give. */
struct fpi_pixels {
	int width, height;
	uint16_t *u16;
	double *f64;
};

struct fpi_image {
	struct fpi_frame frame; /* name, path and utc_us are left to the caller */
	struct fpi_pixels px;
};

/*
 * Decode a whole file.  header_binning: believe the x binning in an HDF5 file (otherwise 2, whatever it says).  On
 * failure *out is untouched.
 */
int fpi_image_decode(
    const char *name, const void *bytes, size_t n, bool header_binning, struct fpi_image *out, struct err *err);
void fpi_pixels_release(struct fpi_pixels *);

/* The parts, one per file format. */
int fpi_img_decode(const uint8_t *p, size_t n, struct fpi_image *out, struct err *err);
/* The structure of an HDF5 file, before the library may see it. */
int fpi_hdf5_check(const uint8_t *p, size_t n, struct err *err);
int fpi_hdf5_decode(const uint8_t *p, size_t n, bool header_binning, struct fpi_image *out, struct err *err);

/* For decoders: allocate u16 pixels after checking the dimensions; refuse header values no instrument has. */
int fpi_pixels_alloc(struct fpi_pixels *, int64_t width, int64_t height, struct err *err);
int fpi_frame_check(const struct fpi_frame *, struct err *err);
/* Bad image: -1 with class and code set. */
int fpi_image_bad(struct err *err, const char *fmt, ...) PRINTF(2, 3);

#endif
