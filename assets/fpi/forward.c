#include "config.h"

#include "assets/fpi/forward.h"

#include "base/mem.h"

#include <math.h>

#define C_LIGHT     299792458.0
#define BOLTZMANN   1.3806503e-23
#define MASS_O      2.65686432e-26
#define FINE_STEP   0.05 /* pixels, of the radial grid on which the blur is done */
#define SQUARE_STEP 8.0 /* pixels^2, of the lookup grid: 0.016 pixels at the rim */
#define BLUR_REACH  4.0 /* widths; beyond it 1e-7 of the light */
#define BLUR_LEAST  1e-3 /* pixels; below it the blur is left out */
#define HARMONICS   200
#define COSMIC_LOW  100.0
#define COSMIC_HIGH 6000.0

static double falloff(const struct forward_optics *o, double r)
{
	double x = M_PI * r / o->rmax;

	return fmax(0, 1 + o->a1 * x + o->a2 * x * x);
}

static double airy(double R, double order)
{
	double s = sin(M_PI * order);

	return 1 / (1 + 4 * R / ((1 - R) * (1 - R)) * s * s);
}

/*
 * The Airy function convolved with a Gaussian line: harmonic k of its Fourier series (1-R)/(1+R) (1 + 2 sum R^k cos 2 pi k m) is
 * damped by exp(-2 (pi k s)^2), s the line's width in orders.
 */
static double airy_thermal(double R, double order, double width)
{
	double sum = 1, c1 = cos(2 * M_PI * order), before = 1, here = c1, Rk = R;

	for (int k = 1; k < HARMONICS; k++) {
		double damp = Rk * exp(-2 * (M_PI * k * width) * (M_PI * k * width)), next;

		sum += 2 * damp * here;
		if (damp < 1e-12)
			break;
		next = 2 * c1 * here - before; /* cos((k+1) x) */
		before = here;
		here = next;
		Rk *= R;
	}
	return (1 - R) / (1 + R) * sum;
}

/* Line and continuum before the blur, on the fine radial grid. */
static void sharp_profile(
    const struct forward_optics *o, const struct forward_light *l, size_t n, double *line, double *continuum)
{
	double order0 = 2 * o->gap_m / l->lambda_m;
	double width = sqrt(BOLTZMANN * l->temperature_K / MASS_O) / C_LIGHT;

	for (size_t i = 0; i < n; i++) {
		double r = (double)i * FINE_STEP, order = order0 / sqrt(1 + o->alpha * r * o->alpha * r);

		line[i] = l->temperature_K > 0 ? airy_thermal(o->R, order, order * width) : airy(o->R, order);
		continuum[i] = falloff(o, r);
		line[i] *= continuum[i];
	}
}

/* Scale so that the mean over the disc r < rmax is as given. */
static void scale_to_mean(const struct forward_optics *o, double *v, size_t n, double mean)
{
	double sum = 0, weight = 0;

	for (size_t i = 0; i < n && (double)i * FINE_STEP < o->rmax; i++) {
		sum += v[i] * (double)i;
		weight += (double)i;
	}
	for (size_t i = 0; i < n; i++)
		v[i] *= sum > 0 ? mean * weight / sum : 0;
}

static void blur(const struct forward_optics *o, const double *in, size_t n, double *out)
{
	for (size_t i = 0; i < n; i++) {
		double x = M_PI * (double)i * FINE_STEP / o->rmax;
		double b = fabs(o->b0 + o->b1 * cos(x) + o->b2 * sin(x)), sum = 0, weight = 0;
		long reach = (long)(BLUR_REACH * b / FINE_STEP);
		double q = b > BLUR_LEAST ? exp(-FINE_STEP * FINE_STEP / (b * b)) : 0, w = 1, ratio = q,
		       q2 = q * q;

		/* exp(-(k step/b)^2) for k = 0, 1, ... by repeated multiplication. */
		for (long k = 0; k <= reach; k++) {
			long right = MIN((long)i + k, (long)n - 1), left = labs((long)i - k);

			sum += k == 0 ? in[i] : w * (in[right] + in[left]);
			weight += k == 0 ? 1 : 2 * w;
			w *= ratio;
			ratio *= q2;
		}
		out[i] = sum / weight;
	}
}

static double at_radius(const double *v, size_t n, double r)
{
	double x = r / FINE_STEP;
	size_t i = (size_t)x;

	return i + 1 < n ? v[i] + (x - (double)i) * (v[i + 1] - v[i]) : v[n - 1];
}

void forward_profile_make(
    const struct forward_optics *o, const struct forward_light *l, double rim, struct forward_profile *p)
{
	size_t n = (size_t)(rim / FINE_STEP) + 3;
	double *line = xcalloc(n, sizeof(double)), *continuum = xcalloc(n, sizeof(double)),
	       *out = xcalloc(n, sizeof(double));

	sharp_profile(o, l, n, line, continuum);
	scale_to_mean(o, line, n, l->line_counts);
	scale_to_mean(o, continuum, n, l->continuum_counts);
	for (size_t i = 0; i < n; i++)
		line[i] += continuum[i];
	blur(o, line, n, out);

	*p = (struct forward_profile){
	    .n = (size_t)(rim * rim / SQUARE_STEP) + 3, .step = SQUARE_STEP, .bias = l->bias_counts};
	p->v = xcalloc(p->n, sizeof(double));
	for (size_t i = 0; i < p->n; i++) {
		p->v[i] = at_radius(out, n, sqrt((double)i * SQUARE_STEP));
		p->peak = fmax(p->peak, p->v[i]);
	}
	free(line);
	free(continuum);
	free(out);
}

static inline double lookup(const struct forward_profile *p, double r2)
{
	double x = r2 * (1 / SQUARE_STEP);
	size_t i = (size_t)x;

	return p->v[i] + (x - (double)i) * (p->v[i + 1] - p->v[i]);
}

/* Expected light of a pixel: its mean over the square, by the four points of Gauss and Legendre. */
static inline double pixel_light(const struct forward_profile *p, double dx, double dy)
{
	const double g = 0.28867513459481287;
	double xl = (dx - g) * (dx - g), xr = (dx + g) * (dx + g), yl = (dy - g) * (dy - g),
	       yr = (dy + g) * (dy + g);

	return 0.25 * (lookup(p, xl + yl) + lookup(p, xl + yr) + lookup(p, xr + yl) + lookup(p, xr + yr));
}

/* Particles leave short tracks. */
static void add_cosmics(struct forward_frame *f, struct rng *rng, float *v)
{
	f->cosmic_hits = (int)lround(rng_poisson(rng, f->cosmic_per_s * f->exposure_s));
	for (int i = 0; i < f->cosmic_hits; i++) {
		double x = rng_uniform(rng) * f->width, y = rng_uniform(rng) * f->height,
		       turn = 2 * M_PI * rng_uniform(rng);
		double charge = COSMIC_LOW * pow(COSMIC_HIGH / COSMIC_LOW, rng_uniform(rng));
		int length = 1 + (int)(4 * rng_uniform(rng) * rng_uniform(rng));

		for (int k = 0; k < length; k++) {
			int px = (int)(x + k * cos(turn)), py = (int)(y + k * sin(turn));

			if (px >= 0 && px < f->width && py >= 0 && py < f->height)
				v[(size_t)py * (size_t)f->width + (size_t)px] += (float)(charge / length);
		}
	}
}

void forward_render(const struct forward_profile *p, struct forward_frame *f, struct rng *rng, uint16_t *pixels)
{
	size_t n = (size_t)f->width * (size_t)f->height;
	float *extra = xcalloc(n, sizeof(*extra)); /* what does not come through the etalon */

	for (size_t i = 0; i < f->nhot; i++)
		extra[f->hot[i]] += (float)rng_poisson(rng, f->hot_rate[i] * f->exposure_s);
	add_cosmics(f, rng, extra);
	for (int y = 0; y < f->height; y++)
		for (int x = 0; x < f->width; x++) {
			size_t i = (size_t)y * (size_t)f->width + (size_t)x;
			double light = pixel_light(p, x - f->cx, y - f->cy);
			double v =
			    p->bias + rng_poisson(rng, light) + f->read_noise * rng_normal(rng) + extra[i];

			pixels[i] = (uint16_t)fmin(65535, fmax(0, v + 0.5));
		}
	free(extra);
}
