/*
 * simulate.h: a synthetic night: which frames are taken, and the truth behind each of them.
 *
 * A plan is made first, cheap and single-threaded; frames are then drawn one by one in any order and from any thread.  The
 * same spec gives the same bytes.
 */
#ifndef FPI_SIMULATE_H
#define FPI_SIMULATE_H

#include "assets/fpi/forward.h"
#include "assets/fpi/setup.h"
#include "assets/fpi/sunmoon.h"
#include "base/tz.h"
#include "base/json.h"
#include "base/strbuf.h"

#define SIM_FRAMES_MAX 5000
#define SIM_SIZE_MAX   4096
#define SIM_TAGS_MAX   4
#define SIM_HOT_MAX    4096

enum sim_format { SIM_IMG, SIM_HDF5 };

struct sim_spec {
	uint64_t seed;
	int size; /* pixels on a side, after binning */
	int nlaser, nsky; /* frames; sky: of each tag */
	char tags[SIM_TAGS_MAX][FPI_NAME_MAX];
	size_t ntags;
	enum sim_format format;
	double cadence_s; /* between starts; 0: spread over the night */
	double exposure_s; /* of sky frames; 0: by brightness */
	double laser_exposure_s;
	double zonal_ms, meridional_ms, vertical_ms; /* amplitudes of the wind */
	double temperature_K, cooling_K; /* at dusk, and how much less at dawn */
	double brightness; /* factor */
	double clouds; /* part of the night under clouds, 0..1 */
	double gap_drift_nm, center_drift_px;
	double laser_lambda_m;
	double read_noise, hot_pixels, cosmics; /* counts; number; factor */
	int ccd_temp_C;
	bool avoid_moon;
};

/* What suits an instrument: format and tags as it has them now, 20 + 20 frames of 512 pixels. */
void sim_spec_default(const struct fpi_setup *, struct sim_spec *);

struct sim_exposure {
	char file[80];
	char tag[FPI_NAME_MAX]; /* "L" for laser frames */
	int64_t utc_us, local_us;
	double exposure_s, az, ze; /* as in the header */
	const char *direction; /* lent from the setup */
	double cx, cy;
	struct forward_light light;
	double gap_m;
	double sun_alt_deg, cloud_C, cloud_scatter;
	double moon_alt_deg, moon_angle_deg;
	double u, v, w, wind_los_clear, wind_los, temperature_K;
	double line_per_s, continuum_per_s;
	double peak_counts; /* filled when the frame is drawn */
	int cosmic_hits; /* likewise */
};

struct sim_night {
	struct fpi_setup setup;
	struct sim_spec spec;
	struct tz *tz;
	struct place place;
	double sunset_s, sunrise_s;
	struct forward_optics optics;
	double cx, cy;
	int binning;
	uint32_t *hot;
	float *hot_rate;
	size_t nhot;
	struct sim_exposure *exposure;
	size_t n;
};

/* The plan.  Fails with class USAGE when the frames do not fit into the night.  Release either way. */
int sim_night_init(struct sim_night *, const struct fpi_setup *, const struct sim_spec *, struct err *err);
void sim_night_release(struct sim_night *);
/* Draw frame i as a whole file; different frames may be drawn at the same time. */
int sim_night_draw(struct sim_night *, size_t i, struct strbuf *out, struct err *err);
/* The truth of the night; complete once all frames are drawn.  The caller's. */
json_t *sim_night_truth(const struct sim_night *);

/* Sky minus ambient temperature as the cloud sensor sees it, and the ambient temperature, C. */
double sim_cloud_at(const struct sim_night *, double utc_s);
double sim_ambient_at(const struct sim_night *, double utc_s);

#endif
