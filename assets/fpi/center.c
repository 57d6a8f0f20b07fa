/*
 * center.c: the ring centre of one laser frame.
 *
 * Pixels brighter than the 70th percentile inside a disc form ring-shaped regions; a circle is fitted to each and the
 * median of their centres taken.  Regions are found as runs of bright pixels joined between rows (4-connected).
 */
#include "config.h"

#include "assets/fpi/center.h"
#include "assets/fpi/kernel.h"
#include "assets/fpi/linear.h"
#include "assets/fpi/quantile.h"
#include "base/mem.h"

#include <math.h>

enum {
	REGION_MIN = 100, /* a region must have more pixels */
	FIT_ROUNDS = 100
};

struct run {
	int y, x0, x1; /* columns x0..x1-1 */
	uint32_t parent;
};

struct runs {
	struct run *v;
	uint32_t n, cap;
};

static uint32_t run_root(struct runs *rs, uint32_t i)
{
	while (rs->v[i].parent != i) {
		rs->v[i].parent = rs->v[rs->v[i].parent].parent;
		i = rs->v[i].parent;
	}
	return i;
}

/* The smaller index becomes the root, so regions are in the order of their first pixel. */
static void run_join(struct runs *rs, uint32_t a, uint32_t b)
{
	a = run_root(rs, a);
	b = run_root(rs, b);
	if (a < b)
		rs->v[b].parent = a;
	else
		rs->v[a].parent = b;
}

static void runs_add(struct runs *rs, int y, int x0, int x1)
{
	if (rs->n == rs->cap) {
		rs->cap = rs->cap ? rs->cap * 2 : 4096;
		rs->v = xreallocarray(rs->v, rs->cap, sizeof(*rs->v));
	}
	rs->v[rs->n] = (struct run){y, x0, x1, rs->n};
	rs->n++;
}

static bool bright(const struct fpi_pixels *px, size_t i, double limit)
{
	return px->u16 != NULL ? px->u16[i] > limit : px->f64[i] > limit;
}

static void row_runs(struct runs *rs, const struct fpi_pixels *px, int y, int x0, int x1, double limit)
{
	size_t row = (size_t)y * (size_t)px->width;

	for (int x = x0; x < x1; x++) {
		int from = x;

		while (x < x1 && bright(px, row + (size_t)x, limit))
			x++;
		if (x > from)
			runs_add(rs, y, from, x);
	}
}

/* Join the runs from..n-1 of a row with those of the row above. */
static void join_rows(struct runs *rs, uint32_t above, uint32_t from)
{
	uint32_t a = above;

	for (uint32_t i = from; i < rs->n; i++) {
		while (a < from && rs->v[a].x1 <= rs->v[i].x0)
			a++;
		for (uint32_t k = a; k < from && rs->v[k].x0 < rs->v[i].x1; k++)
			run_join(rs, k, i);
	}
}

/* All runs brighter than the limit, closer to the middle than 0.8 of the half height. */
static void find_runs(struct runs *rs, const struct fpi_pixels *px, double limit)
{
	int gx = px->width / 2, gy = px->height / 2;
	double radius = 0.8 * (px->height - gy);
	uint32_t above = 0;

	for (int y = 0; y < px->height; y++) {
		double left = radius * radius - (double)(y - gy) * (y - gy);
		int half = left > 0 ? (int)ceil(sqrt(left)) - 1 : -1; /* largest dx with dx^2 < left */
		uint32_t from = rs->n;

		if (half >= 0)
			row_runs(rs, px, y, MAX(0, gx - half), MIN(px->width, gx + half + 1), limit);
		join_rows(rs, above, from);
		above = from;
	}
}

/* Pixel coordinates of one region, about the middle of the frame. */
struct points {
	double *x, *y; /* room for 4 more */
	size_t n;
};

struct circle {
	double x, y, R;
};

static bool circle_start(const struct points *p, struct circle *c)
{
	double a[9] = {0}, b[3] = {0};

	for (size_t i = 0; i < p->n; i++) {
		double x = p->x[i], y = p->y[i], q = x * x + y * y;

		a[0] += x * x;
		a[1] += x * y;
		a[2] += x;
		a[4] += y * y;
		a[5] += y;
		b[0] += x * q;
		b[1] += y * q;
		b[2] += q;
	}
	a[3] = a[1];
	a[6] = a[2];
	a[7] = a[5];
	a[8] = (double)p->n;
	if (fpi_solve(a, b, 3) == -1)
		return false;
	*c = (struct circle){.x = b[0] / 2, .y = b[1] / 2};
	c->R = sqrt(b[2] + c->x * c->x + c->y * c->y);
	return isfinite(c->R);
}

/* Sums over the points of the normal equations of R - |p - c|: cost, gradient and matrix for (x, y, R). */
struct sums {
	double ff, fx, fy, f, xx, xy, yy, x, y;
};

FPI_KERNEL static void circle_sums(const struct points *p, const struct circle *c, struct sums *out)
{
	v4d ff = {0}, fx = {0}, fy = {0}, fs = {0}, xx = {0}, xy = {0}, yy = {0}, sx = {0}, sy = {0};
	v4d cx = V4(c->x), cy = V4(c->y), R = V4(c->R), index = {0, 1, 2, 3}, end = V4((double)p->n),
	    tiny = V4(1e-12);

	for (size_t i = 0; i < p->n; i += 4) {
		v4i in = index < end;
		v4d dx = V4_LOAD(p->x + i) - cx, dy = V4_LOAD(p->y + i) - cy, d2 = dx * dx + dy * dy, d, f;

		for (int l = 0; l < 4; l++)
			d[l] = sqrt(d2[l]);
		d = V4_PICK(d > tiny, d, tiny); /* a pixel right on the centre has no direction */
		f = V4_AND(R - d, in);
		dx = V4_AND(dx / d, in);
		dy = V4_AND(dy / d, in);
		ff += f * f;
		fx += f * dx;
		fy += f * dy;
		fs += f;
		xx += dx * dx;
		xy += dx * dy;
		yy += dy * dy;
		sx += dx;
		sy += dy;
		index += V4(4.0);
	}
	*out = (struct sums){V4_SUM(ff), V4_SUM(fx), V4_SUM(fy), V4_SUM(fs), V4_SUM(xx), V4_SUM(xy), V4_SUM(yy),
	    V4_SUM(sx), V4_SUM(sy)};
}

static bool circle_step(const struct sums *s, double n, double damp, struct circle *c)
{
	double a[9] = {s->xx * damp, s->xy, s->x, s->xy, s->yy * damp, s->y, s->x, s->y, n * damp};
	double b[3] = {-s->fx, -s->fy, -s->f};

	if (fpi_solve(a, b, 3) == -1)
		return false;
	c->x += b[0];
	c->y += b[1];
	c->R += b[2];
	return true;
}

/* Levenberg-Marquardt; the derivative of R - d along the centre is +(p - c)/d, along R it is 1. */
static bool circle_fit(const struct points *p, struct circle *c)
{
	struct sums now, next;
	double lambda = 0;

	if (!circle_start(p, c))
		return false;
	circle_sums(p, c, &now);
	for (int round = 0; round < FIT_ROUNDS; round++) {
		struct circle to = *c;
		double moved;

		if (!circle_step(&now, (double)p->n, 1 + lambda, &to))
			return false;
		moved = hypot(to.x - c->x, to.y - c->y);
		circle_sums(p, &to, &next);
		if (next.ff <= now.ff) {
			*c = to;
			now = next;
			lambda /= 10;
		} else {
			lambda = lambda > 0 ? lambda * 10 : 1e-3;
		}
		if (moved < 1e-9 * (1 + fabs(c->R)))
			break;
	}
	return isfinite(c->x) && isfinite(c->y);
}

/* The runs of each region next to each other: order[] lists runs by root, size[] counts pixels at the root. */
static uint32_t *group_runs(struct runs *rs, uint32_t *size)
{
	uint32_t *start = xcalloc((size_t)rs->n + 1, sizeof(*start)),
	         *order = xcalloc((size_t)rs->n + 1, sizeof(*order));

	for (uint32_t i = 0; i < rs->n; i++) {
		uint32_t root = run_root(rs, i);

		size[root] += (uint32_t)(rs->v[i].x1 - rs->v[i].x0);
		start[root + 1]++;
	}
	for (uint32_t i = 0; i < rs->n; i++)
		start[i + 1] += start[i];
	for (uint32_t i = 0; i < rs->n; i++)
		order[start[run_root(rs, i)]++] = i;
	free(start);
	return order;
}

static uint32_t region_points(
    struct runs *rs, const uint32_t *order, uint32_t at, int gx, int gy, struct points *p)
{
	uint32_t root = run_root(rs, order[at]);

	p->n = 0;
	for (; at < rs->n && run_root(rs, order[at]) == root; at++) {
		const struct run *r = &rs->v[order[at]];

		for (int x = r->x0; x < r->x1; x++) {
			p->x[p->n] = x - gx;
			p->y[p->n++] = r->y - gy;
		}
	}
	return at;
}

/* Fits every large region; writes their centres and returns how many. */
static size_t fit_regions(struct runs *rs, int gx, int gy, double *cx, double *cy)
{
	uint32_t *size = xcalloc((size_t)rs->n + 1, sizeof(*size)), *order = group_runs(rs, size), largest = 0,
	         at = 0;
	struct points p = {0};
	size_t n = 0;

	for (uint32_t i = 0; i < rs->n; i++)
		largest = MAX(largest, size[i]);
	p.x = xcalloc((size_t)largest + 4, sizeof(*p.x));
	p.y = xcalloc((size_t)largest + 4, sizeof(*p.y));
	while (at < rs->n) {
		uint32_t pixels = size[run_root(rs, order[at])];
		struct circle c;

		at = region_points(rs, order, at, gx, gy, &p);
		if (pixels > REGION_MIN && circle_fit(&p, &c)) {
			cx[n] = c.x + gx;
			cy[n++] = c.y + gy;
		}
	}
	free(p.x);
	free(p.y);
	free(order);
	free(size);
	return n;
}

void fpi_ring_center(const struct fpi_pixels *px, struct fpi_ring_center *out)
{
	static const double q[3] = {0.05, 0.70, 0.95};
	double level[3], *cx, *cy;
	struct runs rs = {0};
	size_t most;

	fpi_pixel_quantiles(px, q, NITEMS(q), level);
	find_runs(&rs, px, level[1]);
	most = (size_t)px->width * (size_t)px->height / REGION_MIN + 1;
	cx = xcalloc(most, sizeof(*cx));
	cy = xcalloc(most, sizeof(*cy));
	*out = (struct fpi_ring_center){.cx = NAN, .cy = NAN, .contrast = level[2] - level[0]};
	out->regions = fit_regions(&rs, px->width / 2, px->height / 2, cx, cy);
	if (out->regions > 0) {
		out->cx = fpi_quantile(cx, out->regions, 0.5);
		out->cy = fpi_quantile(cy, out->regions, 0.5);
	}
	free(cx);
	free(cy);
	free(rs.v);
}
