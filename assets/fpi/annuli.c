/*
 * annuli.c: pixels sorted into rings by one counting sort, then clipped ring by ring.
 *
 * Ring i holds e_i <= r < e_(i+1) with e_i = rho sqrt(i/n).  Squared, that is i = floor(n r^2 / rho^2): no square root and
 * no search.  The clipping keeps |v - mean| < 3 std until nothing falls out; since every round can only narrow the
 * interval of survivors, the pixels stay where they are and each round is one masked pass.
 */
#include "config.h"

#include "assets/fpi/annuli.h"
#include "assets/fpi/kernel.h"
#include "base/mem.h"

#include <math.h>

/* Copies of one pixel that land next to each other are read as a group of four; the tail is padding. */
enum { PAD = 4 };

struct fpi_annuli_work {
	size_t cap; /* pixels */
	uint16_t *ring;
	double *value;
	uint32_t start[FPI_ANNULI_MAX + 2];
};

struct disc {
	double cx, cy, rho2;
	int n;
};

struct fpi_annuli_work *fpi_annuli_work_new(void)
{
	return xcalloc(1, sizeof(struct fpi_annuli_work));
}

void fpi_annuli_work_free(struct fpi_annuli_work *w)
{
	if (w == NULL)
		return;
	free(w->ring);
	free(w->value);
	free(w);
}

static void work_reserve(struct fpi_annuli_work *w, size_t pixels)
{
	if (pixels <= w->cap)
		return;
	w->ring = xreallocarray(w->ring, pixels + PAD, sizeof(*w->ring));
	w->value = xreallocarray(w->value, pixels + PAD, sizeof(*w->value));
	w->cap = pixels;
}

static int disc_init(struct disc *d, int width, int height, double cx, double cy, int n, struct err *err)
{
	double rho = fmin(fmin(width - 1 - cx, cx), fmin(height - 1 - cy, cy));

	if (!(rho > 0))
		return err_code(err, ERR_BAD_DATA, "bad_center",
		    "the ring centre (%.1f, %.1f) is outside the image of %d x %d", cx, cy, width, height);
	*d = (struct disc){.cx = cx, .cy = cy, .rho2 = rho * rho, .n = n};
	return 0;
}

/* Columns that can hold pixels of the disc in a row. */
static void disc_span(const struct disc *d, int width, double dy2, int *x0, int *x1)
{
	double half = dy2 < d->rho2 ? sqrt(d->rho2 - dy2) : -1;

	if (half < 0) {
		*x0 = *x1 = 0;
		return;
	}
	*x0 = MAX(0, (int)floor(d->cx - half) - 1);
	*x1 = MIN(width, (int)ceil(d->cx + half) + 2);
}

/* Ring of each pixel of a row, n for those outside; writes up to PAD beyond x1. */
FPI_KERNEL static void row_rings(const struct disc *d, int x0, int x1, double dy2, uint16_t *ring)
{
	v4d lane = {0, 1, 2, 3}, n = V4((double)d->n), rho2 = V4(d->rho2), dy = V4(dy2);

	for (int x = x0; x < x1; x += 4) {
		v4d dx = V4((double)x - d->cx) + lane, k = (dx * dx + dy) * n / rho2;
		v4s whole = __builtin_convertvector(V4_PICK(k < n, k, n), v4s);

		for (int l = 0; l < 4; l++)
			ring[x + l] = (uint16_t)whole[l];
	}
}

/* Offsets of the rings in the sorted values: start[i]..start[i+1]; the last group is what lies outside. */
static void sort_count(struct fpi_annuli_work *w, const struct disc *d, int width, int height)
{
	uint32_t *count = w->start + 1, sum = 0;

	memset(w->start, 0, sizeof(w->start));
	for (int y = 0; y < height; y++) {
		double dy = y - d->cy;
		uint16_t *ring = w->ring + (size_t)y * (size_t)width;
		int x0, x1;

		disc_span(d, width, dy * dy, &x0, &x1);
		row_rings(d, x0, x1, dy * dy, ring);
		for (int x = x0; x < x1; x++)
			count[ring[x]]++;
	}
	for (int i = 0; i <= d->n; i++) {
		sum += count[i];
		count[i] = sum;
	}
}

static void sort_place(struct fpi_annuli_work *w, const struct disc *d, const struct fpi_pixels *px)
{
	uint32_t at[FPI_ANNULI_MAX + 1];

	memcpy(at, w->start, sizeof(at));
	for (int y = 0; y < px->height; y++) {
		size_t row = (size_t)y * (size_t)px->width;
		double dy = y - d->cy;
		int x0, x1;

		disc_span(d, px->width, dy * dy, &x0, &x1);
		if (px->u16 != NULL)
			for (int x = x0; x < x1; x++)
				w->value[at[w->ring[row + (size_t)x]]++] = px->u16[row + (size_t)x];
		else
			for (int x = x0; x < x1; x++)
				w->value[at[w->ring[row + (size_t)x]]++] = px->f64[row + (size_t)x];
	}
}

struct moments {
	double n, mean, std, min, max;
};

/*
 * Of the values in (lo, hi).  Sums are taken about the first value, where they are exact for pixels that are integers.
 * v may be read up to PAD beyond n.
 */
FPI_KERNEL static void masked_moments(const double *v, size_t n, double lo, double hi, struct moments *out)
{
	v4d count = {0}, s = {0}, ss = {0}, min = V4(INFINITY), max = V4(-INFINITY), one = V4(1.0);
	v4d vlo = V4(lo), vhi = V4(hi), shift = V4(v[0]), index = {0, 1, 2, 3}, end = V4((double)n);

	for (size_t i = 0; i < n; i += 4) {
		v4d x = V4_LOAD(v + i), dx = x - shift;
		v4i in = (x > vlo) & (x < vhi) & (index < end);

		dx = V4_AND(dx, in);
		count += V4_AND(one, in);
		s += dx;
		ss += dx * dx;
		min = V4_PICK(in & (x < min), x, min);
		max = V4_PICK(in & (x > max), x, max);
		index += V4(4.0);
	}
	out->n = V4_SUM(count);
	out->mean = V4_SUM(s) / out->n;
	out->std = sqrt(fmax(0, V4_SUM(ss) / out->n - out->mean * out->mean));
	out->mean += v[0];
	out->min = fmin(fmin(min[0], min[1]), fmin(min[2], min[3]));
	out->max = fmax(fmax(max[0], max[1]), fmax(max[2], max[3]));
}

static void clip(const double *v, size_t n, double *mean, double *sigma)
{
	double lo = -INFINITY, hi = INFINITY;
	struct moments m;

	for (;;) {
		masked_moments(v, n, lo, hi, &m);
		if (!(m.std > 0)) {
			*mean = *sigma = NAN;
			return;
		}
		lo = fmax(lo, m.mean - 3 * m.std);
		hi = fmin(hi, m.mean + 3 * m.std);
		if (m.min > lo && m.max < hi)
			break;
	}
	*mean = m.mean;
	*sigma = m.std / sqrt(m.n);
}

static int sort_check(const struct fpi_annuli_work *w, int n, struct err *err)
{
	for (int i = 0; i < n; i++)
		if (w->start[i] == w->start[i + 1])
			return err_code(err, ERR_BAD_DATA, "bad_center",
			    "ring %d of %d holds no pixel: the centre is too near the edge", i, n);
	return 0;
}

int fpi_annuli_sum(const struct fpi_pixels *px, double cx, double cy, int n, struct fpi_annuli_work *w,
    struct fpi_fringe *out, struct err *err)
{
	struct disc d;

	assert(n > 0 && n <= FPI_ANNULI_MAX);
	if (disc_init(&d, px->width, px->height, cx, cy, n, err) == -1)
		return -1;
	work_reserve(w, (size_t)px->width * (size_t)px->height);
	sort_count(w, &d, px->width, px->height);
	if (sort_check(w, n, err) == -1)
		return -1;
	sort_place(w, &d, px);
	*out = (struct fpi_fringe){.cx = cx, .cy = cy, .n = n};
	out->r = xcalloc((size_t)n, sizeof(double));
	out->counts = xcalloc((size_t)n, sizeof(double));
	out->sigma = xcalloc((size_t)n, sizeof(double));
	for (int i = 0; i < n; i++) {
		double rho = sqrt(d.rho2);

		out->r[i] = (rho * sqrt((double)i / n) + rho * sqrt((i + 1.0) / n)) / 2;
		clip(w->value + w->start[i], w->start[i + 1] - w->start[i], &out->counts[i], &out->sigma[i]);
	}
	return 0;
}

int fpi_annuli_count(int width, int height, double cx, double cy, int n, uint32_t *count, struct err *err)
{
	struct fpi_annuli_work *w = fpi_annuli_work_new();
	struct disc d;
	int rc = disc_init(&d, width, height, cx, cy, n, err);

	if (rc == 0) {
		work_reserve(w, (size_t)width * (size_t)height);
		sort_count(w, &d, width, height);
		for (int i = 0; i < n; i++)
			count[i] = w->start[i + 1] - w->start[i];
	}
	fpi_annuli_work_free(w);
	return rc;
}

bool fpi_fringe_is_finite(const struct fpi_fringe *f)
{
	for (int i = 0; i < f->n; i++)
		if (!isfinite(f->counts[i]) || !isfinite(f->sigma[i]))
			return false;
	return true;
}

void fpi_fringe_release(struct fpi_fringe *f)
{
	free(f->r);
	free(f->counts);
	free(f->sigma);
	*f = (struct fpi_fringe){0};
}
