/* night_sky.h: one line of a night on its way from files to results. */
#ifndef FPI_NIGHT_SKY_H
#define FPI_NIGHT_SKY_H

#include "assets/fpi/annuli.h"
#include "assets/fpi/night_impl.h"
#include "assets/fpi/pool.h"
#include "assets/fpi/sky_fit.h"
#include "assets/fpi/wind.h"

/* One frame on its way through the stages. */
struct sky_job {
	size_t shot;
	struct fpi_fringe fringe;
	double instrument[FPI_NLASER];
	struct fpi_sky_fit fit;
	char *trouble; /* dropped: why */
};

struct sky_run {
	struct fpi_night *night;
	struct fpi_result *r;
	struct fpi_notes notes;
	struct laser_work *lasers; /* NULL in zenith mode */
	struct fpi_gap gap;
	struct sky_job *jobs;
	size_t njobs;
	size_t fit_from; /* jobs before this are fitted already */
	double lam_guess;
	struct fpi_annuli_work *annuli[FPI_THREADS_MAX];
	struct fpi_sky_model *model[FPI_THREADS_MAX];
	char annuli_stage[FPI_NAME_MAX + 16], fit_stage[FPI_NAME_MAX + 16];
};

/* Limits of the night, reference mode, and the frames to analyse as jobs. */
int sky_select(struct sky_run *, const struct shot_list *sky, struct err *err);
/* From fitted jobs to samples: winds, Doppler reference, sensors, flags, warnings. */
int sky_results(struct sky_run *, struct err *err);
void sky_drop_samples(struct fpi_result *);

#endif
