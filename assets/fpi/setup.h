/*
 * setup.h: one instrument at one site on one observation date: everything the analysis must be told about them.
 *
 * Plain values without pointers, so a setup may be copied and outlives the table it was resolved from.  Lengths in
 * metres, angles in degrees, pixels 0-based.
 */
#ifndef FPI_SETUP_H
#define FPI_SETUP_H

#include "base/utctime.h"

#define FPI_NAME_MAX       32
#define FPI_TITLE_MAX      96
#define FPI_TAGS_MAX       8
#define FPI_DIRECTIONS_MAX 64
#define FPI_ANNULI_MAX     2048

struct fpi_direction {
	char name[FPI_NAME_MAX];
	bool has_angles; /* false: a name without angles, never matched */
	double az, ze; /* ze < 0 looks the other way */
	double exposure_s;
};

struct fpi_site {
	char abbr[FPI_NAME_MAX]; /* "uao" */
	char name[FPI_TITLE_MAX];
	double lat_deg, lon_deg, alt_m; /* lon in [-180, 180) */
	char timezone[FPI_TITLE_MAX]; /* as in the table, old names included */
	char network[FPI_NAME_MAX];
	int64_t sql_id;
	bool share, borders;
	double cloud_thresh_C, buffer_time_min;
	size_t ndirections;
	struct fpi_direction directions[FPI_DIRECTIONS_MAX]; /* in table order, which settles ties */
};

/* The instrument's parameters when there is no laser frame to measure them. */
struct fpi_defaults {
	double R, alpha, I, B, a1, a2, b0, b1, b2;
	double center_x, center_y; /* column, row */
};

struct fpi_instrument {
	char name[FPI_NAME_MAX]; /* "minime13" */
	int N, N0, N1; /* annuli; N0..N1-1 enter the fits */
	double focal_length_m, pix_size_m, nominal_gap_m;
	double lam_laser_m, lam0_m;
	double lam0_green_m; /* NAN when the instrument has no green line */
	bool many_fringes, estimate_blur;
	bool send_to_madrigal;
	int64_t sql_winds_id, sql_temperatures_id, sql_diagnostics_id;
	int64_t sql_green_winds_id, sql_green_temperatures_id; /* 0 without a green line */
	double skyI_thresh[2]; /* counts/s; -INFINITY never trips */
	double skyB_thresh; /* counts/s; INFINITY never trips */
	char plot_ref[FPI_NAME_MAX];
	size_t ntags;
	char tags[FPI_TAGS_MAX][FPI_NAME_MAX]; /* expected_tags: what is to be analysed, in this order */
	struct fpi_defaults defaults;
	int manual_wind_flag, manual_temp_flag; /* worst flag of the bad dates that hold the date; 0: none */
};

struct fpi_setup {
	struct civil date; /* the local evening's date; only year, month, day are set */
	struct fpi_site site;
	struct fpi_instrument instrument;
};

#endif
