/*
 * Fuzz target: an image file -> a frame, in both formats.  An input that begins like `.img` is taken for one, all others
 * for HDF5, whose structure must be walked before the library may see it.
 */
#include "config.h"

#include "assets/fpi/image.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

#define INPUT_MAX (1 << 20)

const char *const fuzz_corpus[] = {"tests/fuzz/corpus/image", NULL};

static void check_frame(const struct fpi_image *im)
{
	const struct fpi_frame *f = &im->frame;
	size_t n = (size_t)im->px.width * (size_t)im->px.height;

	FUZZ_PROMISE(im->px.width >= FPI_SIDE_MIN && im->px.width <= FPI_SIDE_MAX);
	FUZZ_PROMISE(im->px.height >= FPI_SIDE_MIN && im->px.height <= FPI_SIDE_MAX);
	FUZZ_PROMISE((im->px.u16 != NULL) != (im->px.f64 != NULL));
	FUZZ_PROMISE(f->exposure_s > 0 && isfinite(f->exposure_s) && isfinite(f->az) && isfinite(f->ze));
	FUZZ_PROMISE(f->xbinning >= 1 && f->local_us >= 0);
	for (size_t i = 0; i < n && im->px.f64 != NULL; i++)
		FUZZ_PROMISE(isfinite(im->px.f64[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *name = size >= 4 && memcmp(data, "A3OI", 4) == 0 ? "a.img" : "a.hdf5";
	struct fpi_image im = {0};
	struct err err = ERR_INIT;

	if (size > INPUT_MAX)
		return 0;
	if (fpi_image_decode(name, data, size, size & 1, &im, &err) == 0)
		check_frame(&im);
	else
		FUZZ_PROMISE(err.class == ERR_BAD_DATA && err_is(&err, "bad_image") && im.px.u16 == NULL &&
		             im.px.f64 == NULL);
	fpi_pixels_release(&im.px);
	return 0;
}
