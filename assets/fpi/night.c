/* night.c: opening a night: which files there are, reading them, parallel stages. */
#include "config.h"

#include "assets/fpi/night_impl.h"
#include "assets/fpi/pool.h"
#include "assets/fpi/select.h"
#include "base/mem.h"

enum { SHOTS_MAX = 20000 };

#define PIXEL_BYTES_MAX ((size_t)2 << 30)

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

/* ---- stages */

struct stage {
	struct fpi_night *night;
	const char *name;
	size_t total, done;
	stage_work *work;
	void *arg;
};

static bool stage_stop(void *arg)
{
	struct stage *s = arg;
	struct fpi_night *night = s->night;
	bool stop;

	pthread_mutex_lock(&night->lock);
	if (!night->cancelled && night->req.cancel != NULL)
		night->cancelled = night->req.cancel(night->req.arg);
	stop = night->cancelled || night->err.class != ERR_NONE;
	pthread_mutex_unlock(&night->lock);
	return stop;
}

static void stage_item(void *arg, size_t i, int worker)
{
	struct stage *s = arg;

	s->work(s->night, s->arg, i, worker);
	pthread_mutex_lock(&s->night->lock);
	s->done++;
	if (s->night->req.progress != NULL)
		s->night->req.progress(s->night->req.arg, s->name, s->done, s->total);
	pthread_mutex_unlock(&s->night->lock);
}

int stage_run(struct fpi_night *night, const char *name, size_t n, stage_work *work, void *arg, struct err *err)
{
	struct stage s = {.night = night, .name = name, .total = n, .work = work, .arg = arg};

	fpi_pool_run(n, night->req.options.threads, stage_item, stage_stop, &s);
	if (night->err.class != ERR_NONE) {
		if (err != NULL)
			*err = night->err;
		night->err = ERR_INIT;
		return -1;
	}
	return stage_cancelled(night, err);
}

void stage_fail(struct fpi_night *night, const struct err *err)
{
	pthread_mutex_lock(&night->lock);
	if (night->err.class == ERR_NONE)
		night->err = *err;
	pthread_mutex_unlock(&night->lock);
}

int stage_cancelled(struct fpi_night *night, struct err *err)
{
	if (!night->cancelled && night->req.cancel != NULL)
		night->cancelled = night->req.cancel(night->req.arg);
	if (night->cancelled)
		return err_set(
		    err, ERR_CANCELLED, "analysis of %s stopped on request", night->req.setup.instrument.name);
	return 0;
}

/* ---- files */

static int fetch(struct fpi_night *night, const struct shot *s, struct strbuf *bytes, struct err *err)
{
	const struct fpi_source *src = night->req.images;
	int rc;

	if (src->files[s->file].size > FPI_FILE_MAX)
		return fpi_image_bad(err, "%llu bytes; no image is larger than %zu",
		    (unsigned long long)src->files[s->file].size, FPI_FILE_MAX);
	if (!src->concurrent)
		pthread_mutex_lock(&night->reading);
	rc = src->read(src->arg, s->file, bytes, err);
	if (!src->concurrent)
		pthread_mutex_unlock(&night->reading);
	return rc;
}

/* A file that is damaged is that file's trouble; one that cannot be fetched is the night's. */
static void shot_read(struct fpi_night *night, void *arg, size_t i, int worker)
{
	const struct shot_list *list = arg;
	struct shot *s = &night->shots[list->v[i]];
	struct strbuf bytes = STRBUF_INIT(FPI_FILE_MAX);
	struct err err = ERR_INIT;
	struct fpi_frame *f = &s->image.frame;

	(void)worker;
	s->state = SHOT_BAD;
	if (fetch(night, s, &bytes, &err) == 0 &&
	    fpi_image_decode(
	        s->name, bytes.buf, bytes.len, night->req.options.use_header_binning, &s->image, &err) == 0) {
		int64_t whole_s = f->local_us / 1000000;

		f->utc_us = f->local_us + (tz_to_utc(night->tz, whole_s) - whole_s) * 1000000;
		s->state = SHOT_READ;
		if (f->utc_us <= night->start_us || f->utc_us >= night->end_us) {
			s->state = SHOT_OUTSIDE;
			fpi_pixels_release(&s->image.px);
		}
	} else if (err.class == ERR_BAD_DATA) {
		s->trouble = xstrdup(err.text);
	} else {
		err_wrap(&err, "%s", s->path);
		stage_fail(night, &err);
	}
	strbuf_release(&bytes);
}

static size_t pixel_bytes(const struct fpi_night *night)
{
	size_t sum = 0;

	for (size_t i = 0; i < night->nshots; i++) {
		const struct fpi_pixels *px = &night->shots[i].image.px;

		if (px->u16 != NULL || px->f64 != NULL)
			sum += (size_t)px->width * (size_t)px->height * (px->u16 != NULL ? 2 : 8);
	}
	return sum;
}

/* Reads in portions, so that the limit on memory is noticed in time. */
static int read_shots(struct fpi_night *night, struct shot_list *list, struct err *err)
{
	enum { PORTION = 256 };

	for (size_t at = 0; at < list->n; at += PORTION) {
		struct shot_list some = {list->v + at, MIN(list->n - at, (size_t)PORTION)};

		if (stage_run(night, "read", some.n, shot_read, &some, err) == -1)
			return -1;
		if (pixel_bytes(night) > PIXEL_BYTES_MAX)
			return err_code(err, ERR_BAD_DATA, "too_large",
			    "the images of the night need more than %zu MiB", PIXEL_BYTES_MAX >> 20);
	}
	return 0;
}

static void list_add(struct shot_list *l, size_t shot)
{
	if ((l->n & (l->n - 1)) == 0)
		l->v = xreallocarray(l->v, l->n == 0 ? 1 : l->n * 2, sizeof(*l->v));
	l->v[l->n++] = shot;
}

void shot_list_release(struct shot_list *l)
{
	free(l->v);
	*l = (struct shot_list){0};
}

int night_shots(struct fpi_night *night, const char *kind, struct shot_list *out, struct err *err)
{
	struct shot_list unread = {0};
	int rc;

	*out = (struct shot_list){0};
	for (size_t i = 0; i < night->nshots; i++)
		if (night->shots[i].state == SHOT_UNREAD && fpi_name_is(night->shots[i].name, kind))
			list_add(&unread, i);
	rc = read_shots(night, &unread, err);
	shot_list_release(&unread);
	for (size_t i = 0; i < night->nshots && rc == 0; i++)
		if (night->shots[i].state == SHOT_READ && fpi_name_is(night->shots[i].name, kind))
			list_add(out, i);
	return rc;
}

void night_note_bad(const struct fpi_night *night, const char *kind, struct fpi_notes *notes)
{
	const struct shot *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < night->nshots; i++) {
		const struct shot *s = &night->shots[i];

		if (s->state != SHOT_BAD || !fpi_name_is(s->name, kind))
			continue;
		fpi_note(notes, "%s cannot be read: %s. Ignoring this image...", s->path, s->trouble);
		first = first == NULL ? s : first;
		count++;
	}
	if (count > 0)
		fpi_note_warning(notes, "warning:bad_image",
		    "%zu image%s ignored because of damage; the first: %s: %s", count, count == 1 ? "" : "s",
		    first->name, first->trouble);
}

void shot_frame(const struct shot *s, struct fpi_frame *out)
{
	*out = s->image.frame;
	out->name = xstrdup(s->name);
	out->path = xstrdup(s->path);
}

/* ---- the night */

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
	if (fpi_laser_night(&one, &night, err) == -1)
		return -1;
	rc = fpi_sky_night(night, tag, out, err);
	if (*out != NULL)
		(*out)->setup = req->setup;
	fpi_night_free(night);
	return rc;
}
