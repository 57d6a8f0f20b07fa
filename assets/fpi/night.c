/* night.c: opening a night and closing it, defaults and names. */
#include "config.h"

#include "assets/fpi/night_impl.h"
#include "assets/fpi/pool.h"
#include "assets/fpi/select.h"
#include "base/mem.h"

enum { SHOTS_MAX = 20000 };

const struct fpi_options fpi_options_default = {
    .reference = FPI_REF_LASER,
    .fall_back = true,
    .doppler_statistic = FPI_DOPPLER_GRID,
    .moon_thresh_deg = 37,
    .laser_contrast_min = 13,
    .center_variation_max = 1.5,
    .direction_tolerance_deg = 10,
    .sun_horizon_deg = -6,
};

static const struct {
	const char *code, *label;
} labels[] = {
    {FPI_E_NO_LASER_IMAGES, "error:no_laser_images"},
    {FPI_E_NO_SKY_IMAGES, "error:no_sky_images"},
    {FPI_E_BAD_LASER, "error:laser_centerfinding"},
    {FPI_E_LASER_PROCESSING, "error:laser_general"},
    {FPI_E_INSTRUMENT, "error:instrument"},
    {FPI_E_BAD_DOPPLER, "error:bad_doppler_reference"},
    {FPI_E_PROCESSING, "error:processing_general"},
    {FPI_E_HOT_CCD, "error:processing_general"},
    {FPI_E_NO_USABLE_SKY, "error:processing_general"},
};

const char *fpi_error_label(const struct err *err)
{
	for (size_t i = 0; i < NITEMS(labels); i++)
		if (err_is(err, labels[i].code))
			return labels[i].label;
	return "error:general";
}

static int shot_compare(const void *a, const void *b)
{
	return strcmp(((const struct shot *)a)->path, ((const struct shot *)b)->path);
}

static bool is_image(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot != NULL && (strcmp(dot, ".img") == 0 || strcmp(dot, ".hdf5") == 0);
}

static int night_init(struct fpi_night *night, const struct fpi_request *req, struct err *err)
{
	const struct fpi_site *site = &req->setup.site;

	night->req = *req;
	night->place = (struct place){site->lat_deg, site->lon_deg, site->alt_m};
	pthread_mutex_init(&night->lock, NULL);
	pthread_mutex_init(&night->reading, NULL);
	fpi_night_window(&req->setup, &night->start_us, &night->end_us);
	night->shots = xcalloc(req->images->n + 1, sizeof(*night->shots));
	for (size_t i = 0; i < req->images->n; i++) {
		const struct fpi_file *f = &req->images->files[i];

		if (is_image(f->name))
			night->shots[night->nshots++] =
			    (struct shot){.file = i, .name = f->name, .path = f->path};
	}
	qsort(night->shots, night->nshots, sizeof(*night->shots), shot_compare);
	night->tz = tz_open(site->timezone, err);
	return night->tz == NULL ? -1 : 0;
}

static int check_setup(const struct fpi_request *req, struct err *err)
{
	const struct fpi_instrument *in = &req->setup.instrument;

	if (req->images->n > SHOTS_MAX)
		return err_code(err, ERR_BAD_DATA, "too_many",
		    "%zu files in the folders of the night; the limit is %d", req->images->n, SHOTS_MAX);
	if (in->N < 1 || in->N > FPI_ANNULI_MAX || in->N0 < 0 || in->N1 > in->N || in->N1 - in->N0 < 20)
		return err_code(err, ERR_CONFIG, FPI_E_INSTRUMENT,
		    "%s: annuli N %d, N0 %d, N1 %d cannot be used", in->name, in->N, in->N0, in->N1);
	if (!(in->nominal_gap_m > 0 && in->lam_laser_m > 0 && in->lam0_m > 0 && in->focal_length_m > 0 &&
	        in->pix_size_m > 0))
		return err_code(err, ERR_CONFIG, FPI_E_INSTRUMENT, "%s: lengths must be positive", in->name);
	return 0;
}

/*
 * The sun's limits come from the first sky frame of each tag; they nearly always agree, so the lasers can be fitted with
 * those of the first.  A night without sunset is for the tags to report.
 */
static int lasers_ahead(struct fpi_night *night, const struct shot_list *sky, struct err *err)
{
	double t0 = (double)night->shots[sky->v[0]].image.frame.utc_us / 1e6, set, rise;
	double limb = night->req.options.sun_horizon_deg;
	struct laser_work *w;

	if (sun_next(&night->place, SUN_SETS, t0 - 43200, limb, &set, NULL) == -1 ||
	    sun_next(&night->place, SUN_RISES, t0, limb, &rise, NULL) == -1)
		return 0;
	return night_lasers(night, (int64_t)(set * 1e6), (int64_t)(rise * 1e6), &w, err);
}

/* All files are read here, the lasers fitted for the limits of the first tag that has frames. */
static int night_read(struct fpi_night *night, struct err *err)
{
	const struct fpi_instrument *in = &night->req.setup.instrument;
	struct shot_list lasers = {0}, first = {0};
	int rc = night_shots(night, FPI_LASER_KIND, &lasers, err);

	shot_list_release(&lasers);
	for (size_t t = 0; t < in->ntags && rc == 0; t++) {
		struct shot_list sky;

		rc = night_shots(night, in->tags[t], &sky, err);
		if (first.n == 0) {
			shot_list_release(&first);
			first = sky;
		} else {
			shot_list_release(&sky);
		}
	}
	if (rc == 0 && first.n > 0 && night->req.options.reference == FPI_REF_LASER)
		rc = lasers_ahead(night, &first, err);
	shot_list_release(&first);
	return rc;
}

int fpi_laser_night(const struct fpi_request *req, struct fpi_night **out, struct err *err)
{
	struct fpi_night *night;

	if (check_setup(req, err) == -1)
		return -1;
	night = xcalloc(1, sizeof(*night));
	if (night_init(night, req, err) == -1 || night_read(night, err) == -1) {
		fpi_night_free(night);
		return -1;
	}
	*out = night;
	return 0;
}

void fpi_night_free(struct fpi_night *night)
{
	if (night == NULL)
		return;
	for (size_t i = 0; i < night->nshots; i++) {
		fpi_pixels_release(&night->shots[i].image.px);
		free(night->shots[i].trouble);
	}
	free(night->shots);
	laser_work_free(night->lasers);
	tz_free(night->tz);
	pthread_mutex_destroy(&night->lock);
	pthread_mutex_destroy(&night->reading);
	free(night);
}

int fpi_night_run(const struct fpi_request *req, const char *tag, struct fpi_result **out, struct err *err)
{
	struct fpi_request one = *req;
	struct fpi_night *night;
	int rc;

	/* only this tag's frames are read */
	one.setup.instrument.ntags = 1;
	snprintf(one.setup.instrument.tags[0], sizeof(one.setup.instrument.tags[0]), "%s", tag);
	*out = NULL;
	if (fpi_laser_night(&one, &night, err) == -1)
		return -1;
	rc = fpi_sky_night(night, tag, out, err);
	if (*out != NULL)
		(*out)->setup = req->setup;
	fpi_night_free(night);
	return rc;
}
