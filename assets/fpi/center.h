/* center.h: where the rings of a laser frame are centred, and how the centre moves through the night. */
#ifndef FPI_CENTER_H
#define FPI_CENTER_H

#include "assets/fpi/image.h"

struct fpi_ring_center {
	double cx, cy; /* column, row; NAN when no ring was found */
	double contrast; /* P95 - P5 of the pixels, counts */
	size_t regions; /* bright regions the centre is the median of */
};

/* Needs some 40 bytes of working memory a pixel, allocated and freed inside. */
void fpi_ring_center(const struct fpi_pixels *, struct fpi_ring_center *out);

/* Least-squares polynomials through centres at times t (ascending, n >= 1), of a degree that grows with n. */
void fpi_center_fit(
    const int64_t *t_us, const double *cx, const double *cy, size_t n, struct fpi_center_curve *out);

enum fpi_center_verdict { FPI_CENTER_OK, FPI_CENTER_OUTLIER, FPI_CENTER_JUMP };
/*
 * Which of n centres to believe: when they scatter by more than `variation` pixels those 2 standard deviations off are
 * out; then both neighbours of every jump larger than `variation`.
 */
void fpi_center_screen(
    const double *cx, const double *cy, size_t n, double variation, enum fpi_center_verdict *out);

#endif
