/* night_sky.c: the sky frames of one tag: sums and fits, and the way through the parts. */
#include "config.h"

#include "assets/fpi/night_sky.h"
#include "base/mem.h"

#define WIND_GUESS_SIGMA 30.0 /* m/s: a fit this good tells where to look for the line in later frames */

static void annuli_item(struct fpi_night *night, void *arg, size_t i, int worker)
{
	struct sky_run *run = arg;
	struct sky_job *j = &run->jobs[i];
	const struct shot *s = &night->shots[j->shot];
	struct err err = ERR_INIT;
	double cx, cy;

	if (run->annuli[worker] == NULL)
		run->annuli[worker] = fpi_annuli_work_new();
	fpi_center_at(&run->r->center, s->image.frame.utc_us, &cx, &cy);
	if (fpi_annuli_sum(&s->image.px, cx, cy, night->req.setup.instrument.N, run->annuli[worker], &j->fringe,
	        &err) == -1)
		j->trouble = xstrdup(err.text);
	else if (!fpi_fringe_is_finite(&j->fringe))
		j->trouble = xstrdup("an annulus holds nothing but equal pixels");
}

static int sum_frames(struct sky_run *run, struct err *err)
{
	size_t kept = 0;

	if (stage_run(run->night, run->annuli_stage, run->njobs, annuli_item, run, err) == -1)
		return -1;
	for (size_t i = 0; i < run->njobs; i++) {
		struct sky_job *j = &run->jobs[i];

		if (j->trouble == NULL) {
			run->jobs[kept++] = *j;
			continue;
		}
		fpi_note(&run->notes, "%s not analyzed: %s. Ignoring this image...",
		    run->night->shots[j->shot].path, j->trouble);
		fpi_fringe_release(&j->fringe);
		free(j->trouble);
	}
	run->njobs = kept;
	if (kept == 0)
		return err_code(err, ERR_BAD_DATA, FPI_E_NO_USABLE_SKY,
		    "No usable %s sky images: none could be summed", run->r->tag);
	return 0;
}

static void default_instrument(const struct fpi_instrument *in, double value[FPI_NLASER])
{
	const struct fpi_defaults *d = &in->defaults;

	value[FPI_P_N] = 1;
	value[FPI_P_T] = in->nominal_gap_m;
	value[FPI_P_LAM] = in->lam_laser_m;
	value[FPI_P_R] = d->R;
	value[FPI_P_ALPHA] = d->alpha;
	value[FPI_P_I] = d->I;
	value[FPI_P_B] = d->B;
	value[FPI_P_A1] = d->a1;
	value[FPI_P_A2] = d->a2;
	value[FPI_P_B0] = d->b0;
	value[FPI_P_B1] = d->b1;
	value[FPI_P_B2] = d->b2;
}

static void fit_item(struct fpi_night *night, void *arg, size_t i, int worker)
{
	struct sky_run *run = arg;
	struct sky_job *j = &run->jobs[run->fit_from + i];
	const struct fpi_instrument *in = &night->req.setup.instrument;

	if (run->model[worker] == NULL)
		run->model[worker] = fpi_sky_model_new();
	if (run->lasers != NULL)
		fpi_laser_at(run->lasers->laser, run->lasers->nlaser, night->shots[j->shot].image.frame.utc_us,
		    j->instrument);
	else
		default_instrument(in, j->instrument);
	fpi_sky_fit(&j->fringe, in, j->instrument, run->r->lam0_m, run->lam_guess, run->model[worker], &j->fit);
}

/*
 * The line is looked for around lam0 until a first good fit says where it is, then around that for the rest of the
 * night: frames up to that fit go one by one, the others in parallel.
 */
static int fit_frames(struct sky_run *run, struct err *err)
{
	run->lam_guess = run->r->lam0_m;
	for (run->fit_from = 0; run->fit_from < run->njobs;) {
		const struct fpi_sky_fit *fit = &run->jobs[run->fit_from].fit;
		double sigma;

		if (stage_cancelled(run->night, err) == -1)
			return -1;
		fit_item(run->night, run, 0, 0);
		run->fit_from++;
		sigma = fpi_sigma_fit(fit->error[FPI_S_LAMC], run->r->lam0_m, &run->gap);
		if (sigma > 0 && sigma < WIND_GUESS_SIGMA) {
			run->lam_guess = fit->value[FPI_S_LAMC];
			break;
		}
	}
	return stage_run(run->night, run->fit_stage, run->njobs - run->fit_from, fit_item, run, err);
}

static int run_tag(struct sky_run *run, const struct shot_list *sky, struct err *err)
{
	if (sky_select(run, sky, err) == -1 || sum_frames(run, err) == -1 || fit_frames(run, err) == -1)
		return -1;
	return sky_results(run, err);
}

static struct fpi_result *result_new(const struct fpi_night *night, const char *tag)
{
	struct fpi_result *r = xcalloc(1, sizeof(*r));
	const struct fpi_instrument *in = &night->req.setup.instrument;

	r->setup = night->req.setup;
	snprintf(r->tag, sizeof(r->tag), "%s", tag);
	r->lam0_m = strchr(tag, 'G') != NULL ? in->lam0_green_m : in->lam0_m;
	r->window_start_us = night->start_us;
	r->window_end_us = night->end_us;
	return r;
}

static void run_release(struct sky_run *run)
{
	for (size_t i = 0; i < run->njobs; i++) {
		fpi_fringe_release(&run->jobs[i].fringe);
		free(run->jobs[i].trouble);
	}
	for (int k = 0; k < FPI_THREADS_MAX; k++) {
		fpi_annuli_work_free(run->annuli[k]);
		fpi_sky_model_free(run->model[k]);
	}
	free(run->jobs);
}

int fpi_sky_night(struct fpi_night *night, const char *tag, struct fpi_result **out, struct err *err)
{
	struct sky_run run = {.night = night, .r = result_new(night, tag)};
	struct shot_list sky = {0};
	struct err mine = ERR_INIT;
	int rc;

	snprintf(run.annuli_stage, sizeof(run.annuli_stage), "sky annuli %.31s", tag);
	snprintf(run.fit_stage, sizeof(run.fit_stage), "sky %.31s", tag);
	fpi_note(&run.notes, "Logfile Created");
	if (!(run.r->lam0_m > 0))
		rc = err_code(&mine, ERR_CONFIG, FPI_E_INSTRUMENT,
		    "%s has no wavelength for tag %s: set lam0_green_m", night->req.setup.instrument.name, tag);
	else
		rc = night_shots(night, tag, &sky, &mine);
	if (rc == 0)
		rc = run_tag(&run, &sky, &mine);
	if (rc == -1) {
		sky_drop_samples(run.r);
		fpi_note(&run.notes, "%s: %s", mine.code[0] != '\0' ? mine.code : err_class_name(mine.class),
		    mine.text);
		if (err != NULL)
			*err = mine;
	}
	run.r->log = run.notes.log;
	run.r->nlog = run.notes.nlog;
	run.r->warnings = run.notes.warnings;
	run.r->nwarnings = run.notes.nwarnings;
	*out = run.r;
	run_release(&run);
	shot_list_release(&sky);
	return rc;
}
