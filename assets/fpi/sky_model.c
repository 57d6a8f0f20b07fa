/* sky_model.c */
#include "config.h"

#include "assets/fpi/sky_model.h"
#include "assets/fpi/vmath.h"
#include "base/mem.h"

#include <math.h>

enum { STRIDE = (FPI_LAMBDAS + 3) & ~3, SHAPES = 3 };

/* exp(-z^2) is below 1e-18 of its top beyond this. */
#define Z_MAX 6.5

struct fpi_sky_model {
	int n, cap;
	double lam0, lam_first, dlam, intA;
	struct fpi_rings rings;
	struct fpi_blur blur;
	double *G; /* n rows of STRIDE */
	double lam[STRIDE], inv_lam[STRIDE];
	double shape[SHAPES][STRIDE]; /* E, E z, E z^2 */
	int l0, l1; /* where they are not zero; multiples of 4 */
	double *base; /* A 1: the response to a flat spectrum */
	double *column[SHAPES]; /* blur (G shape) dlam */
	double *sharp;
	bool fresh[SHAPES]; /* column[] belongs to this point: */
	double lamc, T;
};

struct fpi_sky_model *fpi_sky_model_new(void)
{
	return xcalloc(1, sizeof(struct fpi_sky_model));
}

static void rings_drop(struct fpi_sky_model *m)
{
	fpi_rings_release(&m->rings);
	fpi_blur_release(&m->blur);
	free(m->G);
	free(m->base);
	free(m->sharp);
	for (int k = 0; k < SHAPES; k++)
		free(m->column[k]);
}

void fpi_sky_model_free(struct fpi_sky_model *m)
{
	if (m == NULL)
		return;
	rings_drop(m);
	free(m);
}

static void rings_set(struct fpi_sky_model *m, const double *r, int n)
{
	if (m->n == n && memcmp(m->rings.r, r, (size_t)n * sizeof(*r)) == 0)
		return;
	rings_drop(m);
	m->n = n;
	fpi_rings_init(&m->rings, r, n);
	fpi_blur_init(&m->blur, n);
	m->G = xcalloc((size_t)n * STRIDE, sizeof(*m->G));
	m->base = fpi_vector(n);
	m->sharp = fpi_vector(n);
	for (int k = 0; k < SHAPES; k++)
		m->column[k] = fpi_vector(n);
}

/* One row of G: the sharp fringe of one ring at all wavelengths, without background. */
FPI_KERNEL static void fill_fringes(const double *inv_lam, double path, double height, double F, double *row)
{
	for (int l = 0; l < STRIDE; l += 4) {
		v4d m = V4(path) * V4_LOAD(inv_lam + l), s2, s, f;

		v4_sin2pi(&m, &s2, &s, &f);
		V4_STORE(row + l, V4(height) / (V4(1.0) + V4(F) * s2));
	}
}

static void fill_G(struct fpi_sky_model *m, const double *p)
{
	double R = p[FPI_P_R], F = 4 * R / ((1 - R) * (1 - R));

	for (int i = 0; i < m->n; i++) {
		double ar = p[FPI_P_ALPHA] * m->rings.r[i], x = m->rings.x[i];
		double path = 2 * p[FPI_P_N] * p[FPI_P_T] / sqrt(1 + ar * ar);
		double height = p[FPI_P_I] * (1 + x * (p[FPI_P_A1] + x * p[FPI_P_A2])),
		       *row = m->G + (size_t)i * STRIDE;

		fill_fringes(m->inv_lam, path, height, F, row);
		for (int l = FPI_LAMBDAS; l < STRIDE; l++)
			row[l] = 0;
	}
}

/* out[i] = sum of G_il s_l over l0..l1-1 */
FPI_KERNEL static void times_G(const struct fpi_sky_model *m, const double *s, int l0, int l1, double *out)
{
	for (int i = 0; i < m->n; i++) {
		const double *row = m->G + (size_t)i * STRIDE;
		v4d a = {0}, b = {0};
		int l = l0;

		for (; l + 8 <= l1; l += 8) {
			a += V4_LOAD(row + l) * V4_LOAD(s + l);
			b += V4_LOAD(row + l + 4) * V4_LOAD(s + l + 4);
		}
		for (; l < l1; l += 4)
			a += V4_LOAD(row + l) * V4_LOAD(s + l);
		a += b;
		out[i] = V4_SUM(a);
	}
}

static void convolve(struct fpi_sky_model *m, const double *s, int l0, int l1, double *out)
{
	times_G(m, s, l0, l1, m->sharp);
	fpi_blur_apply(&m->blur, m->sharp, out);
	for (int i = 0; i < m->n; i++)
		out[i] *= m->dlam;
}

void fpi_sky_model_set(
    struct fpi_sky_model *m, const double *r, int n, const double instrument[FPI_NLASER], double lam0_m)
{
	double fsr = lam0_m * lam0_m / (2 * instrument[FPI_P_T]);

	rings_set(m, r, n);
	m->lam0 = lam0_m;
	m->lam_first = lam0_m - 2 * fsr;
	m->dlam = 4 * fsr / FPI_LAMBDAS;
	for (int l = 0; l < STRIDE; l++) {
		m->lam[l] = m->lam_first + l * m->dlam;
		m->inv_lam[l] = 1 / m->lam[l];
		m->shape[0][l] = 1;
	}
	fpi_blur_build(&m->blur, &m->rings, instrument);
	fill_G(m, instrument);
	convolve(m, m->shape[0], 0, STRIDE, m->base);
	m->intA = 0;
	for (int i = 0; i < n; i++)
		m->intA += m->base[i];
	m->intA /= n;
	m->lamc = m->T = NAN;
}

static double width(const struct fpi_sky_model *m, double T)
{
	return m->lam0 / FPI_C * sqrt(FPI_K * T / (2 * FPI_M_O));
}

static void line_shapes(struct fpi_sky_model *m, double lamc, double w)
{
	double reach = 2 * w * Z_MAX;
	int l0 = (int)fmax(0, floor((lamc - reach - m->lam_first) / m->dlam));
	int l1 = (int)fmin(FPI_LAMBDAS, ceil((lamc + reach - m->lam_first) / m->dlam) + 1);

	m->l0 = MIN(l0, FPI_LAMBDAS - 1) & ~3;
	m->l1 = MAX(m->l0, (l1 + 3) & ~3);
	for (int l = m->l0; l < m->l1; l++) {
		double z = (lamc - m->lam[l]) / (2 * w), e = l < FPI_LAMBDAS ? exp(-z * z) : 0;

		m->shape[0][l] = e;
		m->shape[1][l] = e * z;
		m->shape[2][l] = e * z * z;
	}
}

static const double *line_column(struct fpi_sky_model *m, int k, const double p[FPI_NSKY])
{
	if (m->lamc != p[FPI_S_LAMC] || m->T != p[FPI_S_T]) {
		m->lamc = p[FPI_S_LAMC];
		m->T = p[FPI_S_T];
		memset(m->fresh, 0, sizeof(m->fresh));
		line_shapes(m, m->lamc, width(m, m->T));
	}
	if (!m->fresh[k]) {
		convolve(m, m->shape[k], m->l0, m->l1, m->column[k]);
		m->fresh[k] = true;
	}
	return m->column[k];
}

/* Factor between skyI and the line column: (w0 / w) / intA. */
static double line_gain(const struct fpi_sky_model *m, double T)
{
	return sqrt(1000 / T) / m->intA;
}

void fpi_sky_model_eval(struct fpi_sky_model *m, const double p[FPI_NSKY], double *out)
{
	const double *line = line_column(m, 0, p);
	double gain = p[FPI_S_SKYI] * line_gain(m, p[FPI_S_T]), flat = p[FPI_S_SKYB] / m->intA;

	for (int i = 0; i < m->n; i++)
		out[i] = gain * line[i] + flat * m->base[i] + p[FPI_S_CCDB];
}

/* w is proportional to sqrt T, so d/dT of (1/w) exp(-z^2) is (1/2T) (2 z^2 - 1) of the same. */
void fpi_sky_model_jacobian(
    struct fpi_sky_model *m, const double p[FPI_NSKY], const int *which, int n, double *jac, size_t ld)
{
	double gain = line_gain(m, p[FPI_S_T]), amp = p[FPI_S_SKYI] * gain, w = width(m, p[FPI_S_T]);

	for (int k = 0; k < n; k++) {
		double *out = jac + (size_t)k * ld;
		const double *a, *b;

		switch (which[k]) {
		case FPI_S_LAMC:
			a = line_column(m, 1, p);
			for (int i = 0; i < m->n; i++)
				out[i] = -amp / w * a[i];
			break;
		case FPI_S_T:
			a = line_column(m, 0, p);
			b = line_column(m, 2, p);
			for (int i = 0; i < m->n; i++)
				out[i] = amp / (2 * p[FPI_S_T]) * (2 * b[i] - a[i]);
			break;
		case FPI_S_SKYI:
			a = line_column(m, 0, p);
			for (int i = 0; i < m->n; i++)
				out[i] = gain * a[i];
			break;
		case FPI_S_SKYB:
			for (int i = 0; i < m->n; i++)
				out[i] = m->base[i] / m->intA;
			break;
		default:
			for (int i = 0; i < m->n; i++)
				out[i] = 1;
		}
	}
}

double fpi_sky_model_search(
    struct fpi_sky_model *m, const double p[FPI_NSKY], const double *data, double from, double step, int count)
{
	double try[FPI_NSKY], best = -INFINITY, at = from, *model = fpi_vector(m->n);

	memcpy(try, p, sizeof(try));
	for (int k = 0; k < count; k++) {
		double ab = 0, aa = 0;

		try[FPI_S_LAMC] = from + k * step;
		fpi_sky_model_eval(m, try, model);
		for (int i = 0; i < m->n; i++) {
			ab += model[i] * data[i];
			aa += model[i] * model[i];
		}
		if (ab / sqrt(aa) > best) {
			best = ab / sqrt(aa);
			at = try[FPI_S_LAMC];
		}
	}
	free(model);
	return at;
}

void fpi_sky_model_grid(const struct fpi_sky_model *m, double *lam_first, double *dlam, double *intA)
{
	*lam_first = m->lam_first;
	*dlam = m->dlam;
	*intA = m->intA;
}

void fpi_sky_model_row(const struct fpi_sky_model *m, int i, double *row)
{
	const double *w = m->blur.w + m->blur.at[i];

	for (int l = 0; l < FPI_LAMBDAS; l++) {
		double s = 0;

		for (int j = 0; j < m->blur.len[i] && m->blur.first[i] + j < m->n; j++)
			s += w[j] * m->G[(size_t)(m->blur.first[i] + j) * STRIDE + (size_t)l];
		row[l] = s * m->blur.norm[i] * m->dlam;
	}
}
