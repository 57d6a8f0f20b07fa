/* image.c: what both image formats share. */
#include "config.h"

#include "assets/fpi/image.h"
#include "base/mem.h"

#include <math.h>

int fpi_image_bad(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vset(err, ERR_BAD_DATA, "bad_image", fmt, ap);
	va_end(ap);
	return -1;
}

int fpi_pixels_alloc(struct fpi_pixels *px, int64_t width, int64_t height, struct err *err)
{
	if (width < FPI_SIDE_MIN || height < FPI_SIDE_MIN || width > FPI_SIDE_MAX || height > FPI_SIDE_MAX)
		return fpi_image_bad(err, "image of %lld x %lld pixels; sides of %d to %d are possible",
		    (long long)width, (long long)height, FPI_SIDE_MIN, FPI_SIDE_MAX);
	px->u16 = malloc((size_t)(width * height) * sizeof(*px->u16));
	if (px->u16 == NULL)
		return err_set(err, ERR_TRANSIENT, "no memory for an image of %lld x %lld pixels",
		    (long long)width, (long long)height);
	px->f64 = NULL;
	px->width = (int)width;
	px->height = (int)height;
	return 0;
}

void fpi_pixels_release(struct fpi_pixels *px)
{
	free(px->u16);
	free(px->f64);
	px->u16 = NULL;
	px->f64 = NULL;
}

int fpi_frame_check(const struct fpi_frame *f, struct err *err)
{
	if (!(f->exposure_s > 0 && f->exposure_s <= 86400))
		return fpi_image_bad(err, "exposure time %g s", f->exposure_s);
	if (!(fabs(f->az) <= 3600 && fabs(f->ze) <= 3600))
		return fpi_image_bad(err, "look direction az %g, ze %g degrees", f->az, f->ze);
	if (!(f->ccd_temp_C >= -273 && f->ccd_temp_C <= 1000))
		return fpi_image_bad(err, "CCD temperature %g C", f->ccd_temp_C);
	if (!(f->xbinning >= 1 && f->xbinning <= 256))
		return fpi_image_bad(err, "x binning %g", f->xbinning);
	return 0;
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

int fpi_image_decode(
    const char *name, const void *bytes, size_t n, bool header_binning, struct fpi_image *out, struct err *err)
{
	struct fpi_image im = {0};
	int rc;

	if (has_suffix(name, ".hdf5"))
		rc = fpi_hdf5_decode(bytes, n, header_binning, &im, err);
	else
		rc = fpi_img_decode(bytes, n, &im, err);
	if (rc == -1 || fpi_frame_check(&im.frame, err) == -1) {
		fpi_pixels_release(&im.px);
		return -1;
	}
	im.frame.width = im.px.width;
	im.frame.height = im.px.height;
	*out = im;
	return 0;
}
