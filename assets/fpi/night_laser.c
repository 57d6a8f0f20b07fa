/* night_laser.c: the laser frames of a night: centres, sums, fits. */
#include "config.h"

#include "assets/fpi/annuli.h"
#include "assets/fpi/laser_fit.h"
#include "assets/fpi/night_impl.h"
#include "assets/fpi/pool.h"
#include "assets/fpi/select.h"
#include "base/mem.h"

#include <math.h>

/* One frame on its way through the stages. */
struct job {
	size_t shot;
	double cx, cy; /* measured */
	struct fpi_fringe fringe;
	double t_start; /* gap found by the search */
	struct fpi_laser_fit fit;
	char *trouble; /* dropped: why */
};

struct jobs {
	struct job *v;
	size_t n;
	const struct fpi_center_curve *curve;
	struct fpi_annuli_work *annuli[FPI_THREADS_MAX];
};

void laser_copy(const struct fpi_laser *from, struct fpi_laser *to)
{
	size_t n = (size_t)from->fringe.n * sizeof(double);

	*to = *from;
	to->frame.name = xstrdup(from->frame.name);
	to->frame.path = xstrdup(from->frame.path);
	to->fringe.r = xmemdup(from->fringe.r, n);
	to->fringe.counts = xmemdup(from->fringe.counts, n);
	to->fringe.sigma = xmemdup(from->fringe.sigma, n);
}

void laser_work_free(struct laser_work *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->nlaser; i++) {
		free(w->laser[i].frame.name);
		free(w->laser[i].frame.path);
		fpi_fringe_release(&w->laser[i].fringe);
	}
	free(w->laser);
	shot_list_release(&w->asked);
	fpi_notes_release(&w->notes);
	free(w->trouble);
	free(w);
}

static void center_item(struct fpi_night *night, void *arg, size_t i, int worker)
{
	const struct shot_list *list = arg;
	struct shot *s = &night->shots[list->v[i]];

	(void)worker;
	if (s->has_center)
		return;
	fpi_ring_center(&s->image.px, &s->center);
	s->has_center = true;
}

/* Frames with visible rings become jobs. */
static void jobs_init(
    struct fpi_night *night, const struct shot_list *list, struct jobs *jobs, struct fpi_notes *notes)
{
	jobs->v = xcalloc(list->n + 1, sizeof(*jobs->v));
	for (size_t i = 0; i < list->n; i++) {
		const struct shot *s = &night->shots[list->v[i]];

		if (s->center.contrast < night->req.options.laser_contrast_min) {
			fpi_note(notes, "%s laser fringes too dim (%.1f < %.1f). Ignoring this image...",
			    s->path, s->center.contrast, night->req.options.laser_contrast_min);
		} else if (!isfinite(s->center.cx) || !isfinite(s->center.cy)) {
			fpi_note(notes, "%s center not found. Ignoring this image...", s->path);
		} else {
			fpi_note(notes, "%s center: %.2f, %.2f", s->path, s->center.cx, s->center.cy);
			jobs->v[jobs->n++] =
			    (struct job){.shot = list->v[i], .cx = s->center.cx, .cy = s->center.cy};
		}
	}
}

/* How many may be dropped for one reason before people are told. */
static const struct {
	enum fpi_center_verdict verdict;
	size_t tolerated;
	const char *why;
} screens[] = {
    {FPI_CENTER_OUTLIER, 1, "the center is an outlier"},
    {FPI_CENTER_JUMP, 2, "the center jumped by too much"},
};

static void note_dropped(const enum fpi_center_verdict *verdict, size_t n, struct fpi_notes *notes)
{
	for (size_t k = 0; k < NITEMS(screens); k++) {
		size_t count = 0;

		for (size_t i = 0; i < n; i++)
			count += verdict[i] == screens[k].verdict;
		if (count > screens[k].tolerated)
			fpi_note_warning(notes, "warning:laser_center",
			    "%03zu laser images ignored because %s.", count, screens[k].why);
		else if (count > 0)
			fpi_note(
			    notes, "WARNING: %03zu laser images ignored because %s.", count, screens[k].why);
	}
}

static void screen_centers(struct jobs *jobs, double variation, struct fpi_notes *notes)
{
	double *cx = xcalloc(2 * jobs->n + 1, sizeof(*cx)), *cy = cx + jobs->n;
	enum fpi_center_verdict *verdict = xcalloc(jobs->n + 1, sizeof(*verdict));
	size_t kept = 0;

	for (size_t i = 0; i < jobs->n; i++) {
		cx[i] = jobs->v[i].cx;
		cy[i] = jobs->v[i].cy;
	}
	fpi_center_screen(cx, cy, jobs->n, variation, verdict);
	note_dropped(verdict, jobs->n, notes);
	for (size_t i = 0; i < jobs->n; i++)
		if (verdict[i] == FPI_CENTER_OK)
			jobs->v[kept++] = jobs->v[i];
	jobs->n = kept;
	free(cx);
	free(verdict);
}

static void fit_curve(const struct fpi_night *night, const struct jobs *jobs, struct fpi_center_curve *curve)
{
	double *cx = xcalloc(2 * jobs->n, sizeof(*cx)), *cy = cx + jobs->n;
	int64_t *t = xcalloc(jobs->n, sizeof(*t));

	for (size_t i = 0; i < jobs->n; i++) {
		t[i] = night->shots[jobs->v[i].shot].image.frame.utc_us;
		cx[i] = jobs->v[i].cx;
		cy[i] = jobs->v[i].cy;
	}
	fpi_center_fit(t, cx, cy, jobs->n, curve);
	free(cx);
	free(t);
}

/* A few centres are thought poor, none at all leaves no frame to analyse. */
static void find_curve(struct fpi_night *night, struct jobs *jobs, struct laser_work *w)
{
	size_t found = jobs->n;

	if (found < 2) {
		w->trouble =
		    xasprintf("Centerfinding failed for all%s laser images.", found == 1 ? " but 1" : "");
		return;
	}
	screen_centers(jobs, night->req.options.center_variation_max, &w->notes);
	if (jobs->n == 0) {
		fpi_note_warning(
		    &w->notes, "warning:laser_center", "No usable center points: all %zu were dropped.", found);
		w->trouble = xstrdup("No laser image has a usable center.");
		return;
	}
	if (jobs->n < 6)
		fpi_note_warning(&w->notes, "warning:laser_center",
		    "Very few (%zu) laser images for center trending. Consider using Zenith reference.",
		    jobs->n);
	fit_curve(night, jobs, &w->curve);
}

static void annuli_item(struct fpi_night *night, void *arg, size_t i, int worker)
{
	struct jobs *jobs = arg;
	struct job *j = &jobs->v[i];
	const struct shot *s = &night->shots[j->shot];
	struct err err = ERR_INIT;
	double cx, cy;

	if (jobs->annuli[worker] == NULL)
		jobs->annuli[worker] = fpi_annuli_work_new();
	fpi_center_at(jobs->curve, s->image.frame.utc_us, &cx, &cy);
	if (fpi_annuli_sum(&s->image.px, cx, cy, night->req.setup.instrument.N, jobs->annuli[worker],
	        &j->fringe, &err) == -1)
		j->trouble = xstrdup(err.text);
	else if (!fpi_fringe_is_finite(&j->fringe))
		j->trouble = xstrdup("an annulus holds nothing but equal pixels");
}

static void fit_item(struct fpi_night *night, void *arg, size_t i, int worker)
{
	struct jobs *jobs = arg;
	struct job *j = &jobs->v[i];
	struct err err = ERR_INIT;

	(void)worker;
	if (j->trouble == NULL &&
	    fpi_laser_fit(&j->fringe, &night->req.setup.instrument, night->shots[j->shot].image.frame.xbinning,
	        j->t_start, &j->fit, &err) == -1)
		j->trouble = xstrdup(err.text);
}

/* Each search starts where the last one ended: this is the one part that must go frame by frame. */
static int search_gaps(struct fpi_night *night, struct jobs *jobs, struct err *err)
{
	const struct fpi_instrument *in = &night->req.setup.instrument;
	double t_last = in->nominal_gap_m;

	for (size_t i = 0; i < jobs->n; i++) {
		struct job *j = &jobs->v[i];

		if (j->trouble == NULL)
			t_last = j->t_start =
			    fpi_gap_search(&j->fringe, in, night->shots[j->shot].image.frame.xbinning, t_last);
		if (stage_cancelled(night, err) == -1)
			return -1;
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct fpi_laser *la = a, *lb = b;
	int64_t ta = la->frame.utc_us, tb = lb->frame.utc_us;

	return ta != tb ? (ta > tb) - (ta < tb) : strcmp(la->frame.path, lb->frame.path);
}

static void take_fits(struct fpi_night *night, struct jobs *jobs, struct laser_work *w)
{
	w->laser = xcalloc(jobs->n + 1, sizeof(*w->laser));
	for (size_t i = 0; i < jobs->n; i++) {
		struct job *j = &jobs->v[i];
		const struct shot *s = &night->shots[j->shot];
		struct fpi_laser *l = &w->laser[w->nlaser];

		if (j->trouble != NULL) {
			fpi_note(&w->notes, "%s not analyzed: %s. Ignoring this image...", s->path, j->trouble);
			continue;
		}
		fpi_note(&w->notes, "%s reduced chisqr: %.4f", s->path, j->fit.redchi);
		shot_frame(s, &l->frame);
		l->cx = j->cx;
		l->cy = j->cy;
		l->fringe = j->fringe;
		j->fringe = (struct fpi_fringe){0};
		memcpy(l->value, j->fit.value, sizeof(l->value));
		memcpy(l->error, j->fit.error, sizeof(l->error));
		l->redchi = j->fit.redchi;
		w->nlaser++;
	}
	qsort(w->laser, w->nlaser, sizeof(*w->laser), by_time);
	if (w->nlaser == 0)
		w->trouble = xstrdup("No laser image could be fitted.");
}

static void jobs_release(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->n; i++) {
		fpi_fringe_release(&jobs->v[i].fringe);
		free(jobs->v[i].trouble);
	}
	for (size_t k = 0; k < NITEMS(jobs->annuli); k++)
		fpi_annuli_work_free(jobs->annuli[k]);
	free(jobs->v);
}

static int work_fill(struct fpi_night *night, struct laser_work *w, struct err *err)
{
	struct jobs jobs = {.curve = &w->curve};
	int rc = 0;

	if (stage_run(night, "centers", w->asked.n, center_item, &w->asked, err) == -1)
		return -1;
	jobs_init(night, &w->asked, &jobs, &w->notes);
	find_curve(night, &jobs, w);
	if (w->trouble == NULL) {
		if (stage_run(night, "laser annuli", jobs.n, annuli_item, &jobs, err) == -1 ||
		    search_gaps(night, &jobs, err) == -1 ||
		    stage_run(night, "laser fits", jobs.n, fit_item, &jobs, err) == -1)
			rc = -1;
		else
			take_fits(night, &jobs, w);
	}
	jobs_release(&jobs);
	return rc;
}

static bool same_list(const struct shot_list *a, const struct shot_list *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

int night_lasers(
    struct fpi_night *night, int64_t sunset_us, int64_t sunrise_us, struct laser_work **out, struct err *err)
{
	struct laser_work *w = xcalloc(1, sizeof(*w));
	struct shot_list all;

	if (night_shots(night, FPI_LASER_KIND, &all, err) == -1) {
		laser_work_free(w);
		return -1;
	}
	w->asked.v = xcalloc(all.n + 1, sizeof(*w->asked.v));
	for (size_t i = 0; i < all.n; i++) {
		const struct shot *s = &night->shots[all.v[i]];

		if (s->image.frame.utc_us > sunset_us && s->image.frame.utc_us < sunrise_us)
			w->asked.v[w->asked.n++] = all.v[i];
		else
			fpi_note(&w->notes, "Sun up during %s. Ignoring this image...", s->path);
	}
	if (all.n == 0)
		w->trouble = xasprintf(
		    "No %s laser data found in the night. Sky data found.", night->req.setup.instrument.name);
	shot_list_release(&all);
	if (night->lasers != NULL && same_list(&night->lasers->asked, &w->asked)) {
		laser_work_free(w);
		*out = night->lasers;
		return 0;
	}
	if (w->trouble == NULL && work_fill(night, w, err) == -1) {
		laser_work_free(w);
		return -1;
	}
	laser_work_free(night->lasers);
	*out = night->lasers = w;
	return 0;
}
