/* annuli.h: rings of equal area around the centre, and the clipped mean of the pixels in each. */
#ifndef FPI_ANNULI_H
#define FPI_ANNULI_H

#include "assets/fpi/image.h"

/* Working memory of one thread, reused from frame to frame. */
struct fpi_annuli_work;
struct fpi_annuli_work *fpi_annuli_work_new(void);
void fpi_annuli_work_free(struct fpi_annuli_work *);

/*
 * Sum a frame in n rings that reach from the centre to the nearest edge of the image.  out->r, counts and sigma are
 * allocated here (fpi_fringe_release).  A ring whose pixels are all equal, so that none survives the clipping, has
 * counts NAN.  -1 with class BAD_DATA when the centre is outside the image or a ring holds no pixel at all.
 */
int fpi_annuli_sum(const struct fpi_pixels *, double cx, double cy, int n, struct fpi_annuli_work *,
    struct fpi_fringe *out, struct err *err);
bool fpi_fringe_is_finite(const struct fpi_fringe *);
void fpi_fringe_release(struct fpi_fringe *);

/* Number of pixels in each ring, before clipping: for tests. */
int fpi_annuli_count(int width, int height, double cx, double cy, int n, uint32_t *count, struct err *err);

#endif
