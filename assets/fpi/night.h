/*
 * night.h: the analysis of one night: images in, winds and temperatures out.
 *
 * The work has two halves.  fpi_laser_night reads every file once and does what all lines share: ring centres, annular
 * sums and fits of the laser frames.  fpi_sky_night then fits the sky frames of one tag; it may be called for several
 * tags, and for a tag again.  No globals; calls on different nights may run at the same time.
 *
 * Failures of the data have class BAD_DATA and one of the codes below, which is also the name used in logs and issues.
 */
#ifndef FPI_NIGHT_H
#define FPI_NIGHT_H

#include "assets/fpi/result.h"
#include "assets/fpi/source.h"

#define FPI_E_NO_LASER_IMAGES  "NoLaserImagesError" /* no frame of either kind in the night's window */
#define FPI_E_NO_SKY_IMAGES    "NoSkyImagesError" /* none with this tag: a warning to the caller, not an error */
#define FPI_E_BAD_LASER        "BadLaserError" /* only seen with fall_back off */
#define FPI_E_BAD_DOPPLER      "BadDopplerReferenceError"
#define FPI_E_HOT_CCD          "HotCcdError"
#define FPI_E_NO_USABLE_SKY    "NoUsableSkyImagesError"
#define FPI_E_LASER_PROCESSING "LaserProcessingError"
#define FPI_E_INSTRUMENT       "InstrumentProcessingError"
#define FPI_E_PROCESSING       "ProcessingError"

/* The issue label of a failure ("error:laser_centerfinding"); "error:general" for any other. */
const char *fpi_error_label(const struct err *err);

enum fpi_doppler_statistic { FPI_DOPPLER_GRID, FPI_DOPPLER_EXACT, FPI_DOPPLER_MEDIAN, FPI_DOPPLER_MEAN };

struct fpi_options {
	enum fpi_reference reference; /* default LASER */
	bool fall_back; /* bad lasers: use the zenith reference instead; default true */
	enum fpi_doppler_statistic doppler_statistic; /* default GRID */
	bool skyI_rules_for_red; /* flag rules 1 and 9 also for tag XR; default false */
	bool use_header_binning; /* HDF5: believe XBinning instead of taking 2; default false */
	double moon_thresh_deg; /* 37 */
	double laser_contrast_min; /* P95 - P5, counts: 13 */
	double center_variation_max; /* pixels: 1.5 */
	double direction_tolerance_deg; /* 10 */
	double sun_horizon_deg; /* upper limb at dusk and dawn: -6 */
	int threads; /* 0: one per online core */
};
extern const struct fpi_options fpi_options_default;

/* From the caller's thread or a worker, never two at once; stage ("read", "laser fits", "sky XR"...) is lent for the call. */
typedef void fpi_progress_cb(void *arg, const char *stage, size_t done, size_t total);
/* Asked often, from any thread: true ends the work with class CANCELLED. */
typedef bool fpi_cancel_cb(void *arg);

struct fpi_request {
	struct fpi_setup setup;
	struct fpi_options options;
	/* candidates of the day folders D-1, D, D+1; what is no image by its name is ignored */
	const struct fpi_source *images;
	const struct fpi_source *aux; /* cloud and temperature logs by name; NULL: none */
	fpi_progress_cb *progress; /* NULL is fine */
	fpi_cancel_cb *cancel; /* NULL is fine */
	void *arg;
};

/* What the laser frames and the files as a whole gave; request and sources must outlive it. */
struct fpi_night;

/*
 * Read and sort the files, fit the laser frames.  Bad lasers are no failure here: they decide the reference mode of the
 * tags.  Neither are missing or damaged frames, which each tag reports for itself.  Fails on cancel, when a file cannot be
 * fetched and when the setup cannot be used.
 */
int fpi_laser_night(const struct fpi_request *, struct fpi_night **out, struct err *err);
/*
 * One line of the night.  On failure *out holds a result with log and warnings but no samples, so that the log can be
 * kept; free it either way.
 */
int fpi_sky_night(struct fpi_night *, const char *tag, struct fpi_result **out, struct err *err);
void fpi_night_free(struct fpi_night *); /* NULL is fine */

/* Both halves for one tag; *out may be NULL after a failure. */
int fpi_night_run(const struct fpi_request *, const char *tag, struct fpi_result **out, struct err *err);

#endif
