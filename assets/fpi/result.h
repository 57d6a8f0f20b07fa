/*
 * result.h: what one night, one instrument and one emission line give.
 *
 * Winds in m/s, positive away from the instrument; temperatures in K; brightness in counts/s; times in microseconds
 * since 1970-01-01T00:00:00Z.  A value that could not be measured is NAN, its error INFINITY.
 */
#ifndef FPI_RESULT_H
#define FPI_RESULT_H

#include "assets/fpi/setup.h"
#include "base/strvec.h"

/* Parameters of the instrument model, in the order of every value[] and error[]. */
enum fpi_laser_param {
	FPI_P_N, /* refractive index, 1 */
	FPI_P_T, /* gap, m */
	FPI_P_LAM,
	FPI_P_R,
	FPI_P_ALPHA, /* rad per pixel */
	FPI_P_I,
	FPI_P_B,
	FPI_P_A1,
	FPI_P_A2,
	FPI_P_B0,
	FPI_P_B1,
	FPI_P_B2,
	FPI_NLASER
};
extern const char *const fpi_laser_param_name[FPI_NLASER]; /* "n", "t", "lam", ... */

enum fpi_sky_param { FPI_S_LAMC, FPI_S_T, FPI_S_SKYI, FPI_S_SKYB, FPI_S_CCDB, FPI_NSKY };
extern const char *const fpi_sky_param_name[FPI_NSKY]; /* "lamc", "T", "skyI", "skyB", "ccdB" */

enum fpi_reference { FPI_REF_LASER, FPI_REF_ZENITH };
extern const char *const fpi_reference_name[]; /* "laser", "zenith" */

/* Mean, maximum and minimum of a sensor during an exposure; NAN when it said nothing. */
struct fpi_stats {
	double mean, max, min;
};

/* The annular sums of one frame. */
struct fpi_fringe {
	double cx, cy; /* centre used: column, row */
	int n; /* annuli */
	double *r; /* radius assigned to each, pixels */
	double *counts; /* mean of the pixels that survive the clipping */
	double *sigma; /* its standard error */
};

/* What the image file says. */
struct fpi_frame {
	char *name, *path;
	int64_t local_us; /* start of the exposure, wall clock read as if it were UTC */
	int64_t utc_us;
	double exposure_s;
	double az, ze; /* signed, as in the header */
	double ccd_temp_C;
	int width, height;
	double xbinning;
};

struct fpi_laser {
	struct fpi_frame frame;
	double cx, cy; /* measured ring centre of this frame */
	struct fpi_fringe fringe;
	double value[FPI_NLASER], error[FPI_NLASER]; /* error 0: not varied */
	double redchi;
};

struct fpi_sky {
	struct fpi_frame frame;
	struct fpi_fringe fringe;
	double instrument[FPI_NLASER]; /* interpolated to the start of the exposure */
	double value[FPI_NSKY], error[FPI_NSKY]; /* as fitted: skyI, skyB per exposure */
	double redchi;
	double az, ze; /* reported: ze >= 0, az in [0, 360) when it was turned */
	char direction[FPI_NAME_MAX];
	double wind; /* after the Doppler reference: raw wind is wind + doppler_reference */
	double sigma_wind, sigma_fit, sigma_cal;
	double doppler_reference;
	double plot_reference; /* a second one, of the instrument's plot_ref, to take off `wind` in pictures */
	double T, sigma_T;
	double skyI, sigma_skyI, skyB, sigma_skyB; /* per second */
	double ccdB, sigma_ccdB;
	struct fpi_stats cloud, dome, inside, etalon_inside, etalon_outside;
	int wind_flag, temp_flag; /* 0 good, 1 caution, 2 bad */
};

/* Ring centre as a function of time: cx(s) = sum c_k T_k(u), u = (2 s - s0 - s1) / (s1 - s0), T_k Chebyshev. */
#define FPI_CURVE_DEGREE_MAX 10
struct fpi_center_curve {
	int degree;
	int64_t t0_us, t1_us; /* first and last frame used; equal: constant */
	double x[FPI_CURVE_DEGREE_MAX + 1], y[FPI_CURVE_DEGREE_MAX + 1];
};
void fpi_center_at(const struct fpi_center_curve *, int64_t utc_us, double *cx, double *cy);

struct fpi_warning {
	char *label; /* "warning:laser_center" */
	char *text;
};

struct fpi_log_line {
	tm_ms at; /* wall clock */
	char *text; /* may hold newlines and tabs, for continued entries */
};

struct fpi_result {
	struct fpi_setup setup;
	char tag[FPI_NAME_MAX];
	enum fpi_reference reference; /* the one used */
	double lam0_m;
	int64_t window_start_us, window_end_us; /* local solar noon to the next */
	int64_t sunset_us, sunrise_us;
	int64_t first_sky_us, last_sky_us; /* starts, of all sky frames in the window, used or not */
	struct fpi_center_curve center;
	struct fpi_laser *laser;
	size_t nlaser;
	struct fpi_sky *sky;
	size_t nsky; /* in order of their paths */
	bool has_cloud, has_dome, has_inside, has_etalon_inside, has_etalon_outside;
	bool laser_drift;
	struct fpi_warning *warnings;
	size_t nwarnings;
	struct fpi_log_line *log;
	size_t nlog;
};

void fpi_result_free(struct fpi_result *); /* NULL is fine */

#endif
