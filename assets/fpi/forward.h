/*
 * forward.h: what the camera sees: the published forward model, evaluated continuously instead of annulus by annulus.
 *
 * A frame is a radial profile (Airy function of the etalon, filled by a laser line, a thermally broadened line and a continuum;
 * falloff; radial blur) laid around a centre and averaged over each pixel.  The analysis knows nothing of this code.
 */
#ifndef FPI_FORWARD_H
#define FPI_FORWARD_H

#include "assets/fpi/rng.h"

struct forward_optics {
	double gap_m, R, alpha; /* alpha: rad per pixel */
	double a1, a2; /* falloff 1 + a1 x + a2 x^2, x = pi r / rmax */
	double b0, b1, b2; /* blur width b0 + b1 cos x + b2 sin x, pixels */
	double rmax;
};

struct forward_light {
	double lambda_m; /* line centre as received */
	double temperature_K; /* 0: a line without width (laser) */
	double line_counts; /* mean over the disc r < rmax */
	double continuum_counts;
	double bias_counts; /* electronic, without photon noise */
};

/* Light on a grid uniform in r^2, on which the fringes are uniform too. */
struct forward_profile {
	double *v; /* expected counts above the bias */
	size_t n;
	double step; /* of r^2 */
	double bias, peak;
};

struct forward_frame {
	int width, height;
	double cx, cy; /* column, row */
	double exposure_s, read_noise;
	double cosmic_per_s; /* hits on the whole frame */
	const uint32_t *hot; /* pixel indices */
	const float *hot_rate; /* counts/s */
	size_t nhot;
	int cosmic_hits; /* out */
};

/* A profile that reaches to rim pixels from the centre; free v. */
void forward_profile_make(
    const struct forward_optics *, const struct forward_light *, double rim, struct forward_profile *);
/* Pixels with all noise, row by row, 0..65535. */
void forward_render(const struct forward_profile *, struct forward_frame *, struct rng *, uint16_t *pixels);

#endif
