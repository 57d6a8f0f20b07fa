/* test_fpi_model.c: the formulas against the published vectors, and what derivatives and fits must satisfy. */
#include "config.h"

#include "tests/tap.h"

#include "assets/fpi/annuli.h"
#include "assets/fpi/laser_fit.h"
#include "assets/fpi/lsq.h"
#include "assets/fpi/sky_fit.h"
#include "assets/fpi/vmath.h"
#include "base/json.h"

#include <math.h>

enum { N = 500 };

static json_t *vectors;

static double num(const json_t *obj, const char *key)
{
	return json_number_value(json_object_get(obj, key));
}

static size_t list(const json_t *obj, const char *key, double *out, size_t max)
{
	const json_t *v = json_object_get(obj, key);
	size_t n = json_array_size(v);

	for (size_t i = 0; i < n && i < max; i++)
		out[i] = json_number_value(json_array_get(v, i));
	return n;
}

static double worst_relative(const double *got, const double *want, size_t n)
{
	double worst = 0;

	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, isfinite(got[i]) ? fabs(got[i] - want[i]) / fabs(want[i]) : INFINITY);
	return worst;
}

static void load(void)
{
	struct strbuf text = STRBUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	if (fs_read(test_src("tests/data/fpi/unit-vectors.json"), &text, &err) == -1 ||
	    (vectors = json_parse(text.buf, text.len, "unit-vectors.json", &err)) == NULL)
		tap_bail("%s", err.text);
	strbuf_release(&text);
}

static void instrument_params(const json_t *map, double p[FPI_NLASER])
{
	for (int k = 0; k < FPI_NLASER; k++)
		p[k] = num(map, fpi_laser_param_name[k]);
}

/* Radii of rings of equal area, as fpi_annuli_sum assigns them to the vectors' centre. */
static void vector_radii(double *r)
{
	list(json_object_get(vectors, "annuli"), "r", r, N);
}

static void test_vmath(void)
{
	double worst_exp = 0, worst_sin = 0;

	for (int i = 0; i < 40000; i++) {
		double x = -i * 1e-3, m = 47000.123 + i * 0.00173, e[4], s[4];
		v4d vx = V4(x), vm = V4(m), ve, vs, s1, f;

		v4_exp_neg(&vx, &ve);
		v4_sin2pi(&vm, &vs, &s1, &f);
		V4_STORE(e, ve);
		V4_STORE(s, vs);
		worst_exp = fmax(worst_exp, fabs(e[2] / exp(x) - 1));
		m -= floor(m); /* exact, unlike pi times a large number */
		worst_sin = fmax(worst_sin, fabs(s[1] - sin(M_PI * m) * sin(M_PI * m)));
	}
	ok(worst_exp < 4e-16, "exp of a negative number is right to %.1e", worst_exp);
	ok(worst_sin < 1e-15, "sin^2(pi m) is right to %.1e", worst_sin);
}

static void test_annuli_vectors(void)
{
	const json_t *v = json_object_get(vectors, "annuli");
	double want_r[N], want_n[N], got_n[N];
	uint32_t count[N];
	struct fpi_pixels px = {0};
	struct fpi_annuli_work *work = fpi_annuli_work_new();
	struct fpi_fringe f = {0};
	struct err err = ERR_INIT;

	is_int((int64_t)list(v, "r", want_r, N), N, "the vectors have 500 radii");
	list(v, "pixels_in_annulus", want_n, N);
	ok(fpi_annuli_count(512, 512, num(v, "cx"), num(v, "cy"), N, count, &err) == 0, "pixels are counted");
	for (int i = 0; i < N; i++)
		got_n[i] = count[i];
	ok(worst_relative(got_n, want_n, N) == 0, "every annulus holds the same number of pixels");
	ok(fpi_pixels_alloc(&px, 512, 512, &err) == 0, "a frame of 512 x 512");
	for (int i = 0; i < 512 * 512; i++)
		px.u16[i] = (uint16_t)(1000 + i * 2654435761U % 97);
	ok(fpi_annuli_sum(&px, num(v, "cx"), num(v, "cy"), N, work, &f, &err) == 0, "it is summed");
	ok(worst_relative(f.r, want_r, N) < 1e-9, "radii agree");
	fpi_fringe_release(&f);
	fpi_pixels_release(&px);
	fpi_annuli_work_free(work);
}

static void one_laser_model(const json_t *v, const double *r)
{
	int n0 = (int)num(v, "N0"), n1 = (int)num(v, "N1"), n = n1 - n0;
	double p[FPI_NLASER], want[N], *scratch = fpi_vector(n), *model = fpi_vector(n);
	struct fpi_rings rings;
	struct fpi_blur blur;

	instrument_params(json_object_get(v, "params"), p);
	list(v, "model", want, N);
	fpi_rings_init(&rings, r + n0, n);
	fpi_blur_init(&blur, n);
	fpi_fringe_model(&rings, &blur, p, scratch, model);
	ok(worst_relative(model, want, (size_t)n) < 1e-9, "laser model, rings %d..%d, b0 %g: within %.1e", n0,
	    n1 - 1, p[FPI_P_B0], worst_relative(model, want, (size_t)n));
	fpi_blur_release(&blur);
	fpi_rings_release(&rings);
	free(scratch);
	free(model);
}

static void test_laser_vectors(void)
{
	const json_t *all = json_object_get(vectors, "laser_model");
	double r[N];

	vector_radii(r);
	for (size_t i = 0; i < json_array_size(all); i++)
		one_laser_model(json_array_get(all, i), r);
}

static void sky_params(const json_t *map, double p[FPI_NSKY])
{
	for (int k = 0; k < FPI_NSKY; k++)
		p[k] = num(map, fpi_sky_param_name[k]);
}

static void one_sky_model(const json_t *v, const double *r)
{
	double instrument[FPI_NLASER], p[FPI_NSKY], want[N], row[FPI_LAMBDAS], want_row[FPI_LAMBDAS],
	    *model = fpi_vector(N);
	double lam0 = num(v, "lam0"), lam_first, dlam, intA;
	struct fpi_sky_model *m = fpi_sky_model_new();

	instrument_params(json_object_get(v, "instrument"), instrument);
	sky_params(json_object_get(v, "sky"), p);
	list(v, "model", want, N);
	list(v, "A_row_250", want_row, FPI_LAMBDAS);
	fpi_sky_model_set(m, r, N, instrument, lam0);
	fpi_sky_model_grid(m, &lam_first, &dlam, &intA);
	/* the vectors have the step as a difference of two wavelengths, good to 2e-10 */
	ok(fabs(lam_first / num(v, "lam_first") - 1) < 1e-14 && fabs(dlam / num(v, "dlam") - 1) < 1e-9,
	    "wavelengths around %.1f nm", lam0 * 1e9);
	ok(fabs(intA / num(v, "intA") - 1) < 1e-9, "its mean response is within %.1e",
	    fabs(intA / num(v, "intA") - 1));
	fpi_sky_model_row(m, 250, row);
	ok(worst_relative(row, want_row, FPI_LAMBDAS) < 1e-8, "a row of the matrix is within %.1e",
	    worst_relative(row, want_row, FPI_LAMBDAS));
	fpi_sky_model_eval(m, p, model);
	ok(worst_relative(model, want, N) < 1e-9, "the model is within %.1e", worst_relative(model, want, N));
	fpi_sky_model_free(m);
	free(model);
}

static void test_sky_vectors(void)
{
	const json_t *all = json_object_get(vectors, "sky_model");
	double r[N];

	vector_radii(r);
	for (size_t i = 0; i < json_array_size(all); i++)
		one_sky_model(json_array_get(all, i), r);
}

/* Largest difference between a derivative and the central difference of the model, relative to the derivative's top. */
static double slope_error(const double *slope, const double *up, const double *down, double step, int n)
{
	double top = 0, worst = 0;

	for (int i = 0; i < n; i++) {
		top = fmax(top, fabs(slope[i]));
		worst = fmax(worst, fabs((up[i] - down[i]) / (2 * step) - slope[i]));
	}
	return worst / top;
}

static void test_laser_slopes(void)
{
	static const struct {
		int which;
		double step;
	} row[] = {{FPI_P_T, 2e-11}, {FPI_P_ALPHA, 1e-10}, {FPI_P_I, 1e-2}, {FPI_P_B, 1e-2}, {FPI_P_R, 1e-6},
	    {FPI_P_A1, 1e-6}, {FPI_P_A2, 1e-6}, {FPI_P_B0, 1e-5}, {FPI_P_B1, 1e-5}, {FPI_P_B2, 1e-5}};
	const json_t *v = json_array_get(json_object_get(vectors, "laser_model"), 2);
	double r[N], p[FPI_NLASER], *up = fpi_vector(N), *down = fpi_vector(N), *slope = fpi_vector(N);
	double *scratch = xcalloc(2 * (N + FPI_PAD), sizeof(*scratch));
	struct fpi_rings rings;
	struct fpi_blur blur;

	vector_radii(r);
	instrument_params(json_object_get(v, "params"), p);
	fpi_rings_init(&rings, r, N);
	fpi_blur_init(&blur, N);
	for (size_t k = 0; k < NITEMS(row); k++) {
		double at = p[row[k].which], off;

		fpi_fringe_jacobian(&rings, &blur, p, &row[k].which, 1, scratch, slope, N + FPI_PAD);
		p[row[k].which] = at + row[k].step;
		fpi_fringe_model(&rings, &blur, p, scratch, up);
		p[row[k].which] = at - row[k].step;
		fpi_fringe_model(&rings, &blur, p, scratch, down);
		p[row[k].which] = at;
		off = slope_error(slope, up, down, row[k].step, N);
		ok(off < 2e-4, "laser model along %s: derivative within %.1e",
		    fpi_laser_param_name[row[k].which], off);
	}
	fpi_blur_release(&blur);
	fpi_rings_release(&rings);
	free(up);
	free(down);
	free(slope);
	free(scratch);
}

static void test_sky_slopes(void)
{
	static const double step[FPI_NSKY] = {[FPI_S_LAMC] = 1e-15,
	    [FPI_S_T] = 0.05,
	    [FPI_S_SKYI] = 0.01,
	    [FPI_S_SKYB] = 0.01,
	    [FPI_S_CCDB] = 0.01};
	const json_t *v = json_array_get(json_object_get(vectors, "sky_model"), 0);
	double r[N], instrument[FPI_NLASER], p[FPI_NSKY], *up = fpi_vector(N), *down = fpi_vector(N),
	                                                  *slope = fpi_vector(N);
	struct fpi_sky_model *m = fpi_sky_model_new();

	vector_radii(r);
	instrument_params(json_object_get(v, "instrument"), instrument);
	sky_params(json_object_get(v, "sky"), p);
	fpi_sky_model_set(m, r, N, instrument, num(v, "lam0"));
	for (int k = 0; k < FPI_NSKY; k++) {
		double at = p[k], off;

		fpi_sky_model_jacobian(m, p, &k, 1, slope, N + FPI_PAD);
		p[k] = at + step[k];
		fpi_sky_model_eval(m, p, up);
		p[k] = at - step[k];
		fpi_sky_model_eval(m, p, down);
		p[k] = at;
		off = slope_error(slope, up, down, step[k], N);
		ok(off < 1e-5, "sky model along %s: derivative within %.1e", fpi_sky_param_name[k], off);
	}
	fpi_sky_model_free(m);
	free(up);
	free(down);
	free(slope);
}

/* A frame without noise: the fit must return what went in. */
static void test_sky_fit_closes(void)
{
	const json_t *v = json_array_get(json_object_get(vectors, "sky_model"), 0);
	double r[N], instrument[FPI_NLASER], p[FPI_NSKY], *counts = fpi_vector(N), *sigma = fpi_vector(N);
	struct fpi_sky_model *m = fpi_sky_model_new();
	struct fpi_instrument in = {.N = N, .N1 = N};
	struct fpi_fringe f = {.n = N, .r = r, .counts = counts, .sigma = sigma};
	struct fpi_sky_fit fit;

	vector_radii(r);
	instrument_params(json_object_get(v, "instrument"), instrument);
	sky_params(json_object_get(v, "sky"), p);
	fpi_sky_model_set(m, r, N, instrument, num(v, "lam0"));
	fpi_sky_model_eval(m, p, counts);
	for (int i = 0; i < N; i++)
		sigma[i] = 0.5 + 0.1 * sin(i);
	fpi_sky_fit(&f, &in, instrument, num(v, "lam0"), num(v, "lam0"), m, &fit);
	ok(fit.value[FPI_S_T] > 852.99 && fit.value[FPI_S_T] < 853.01, "temperature %.4f K comes back",
	    fit.value[FPI_S_T]);
	ok(fabs(fit.value[FPI_S_LAMC] / p[FPI_S_LAMC] - 1) * FPI_C < 1e-3,
	    "the line centre comes back within 1 mm/s");
	for (int i = 0; i < N; i++)
		counts[i] = NAN;
	fpi_sky_fit(&f, &in, instrument, num(v, "lam0"), num(v, "lam0"), m, &fit);
	ok(!fit.ok && isnan(fit.value[FPI_S_T]) && isinf(fit.error[FPI_S_T]),
	    "a fit that fails has values NAN, errors infinite");
	fpi_sky_model_free(m);
	free(counts);
	free(sigma);
}

static void test_laser_fit_closes(void)
{
	double r[N],
	    p[FPI_NLASER] = {1, 0.01500003, 632.8e-9, 0.7, 8.67e-5, 1100, 300, -0.02, -0.015, 0.7, -0.05, 0.1};
	double *counts = fpi_vector(N), *sigma = fpi_vector(N), *scratch = fpi_vector(N), worst = 0;
	struct fpi_instrument in = {.N = N,
	    .N1 = N,
	    .focal_length_m = 0.3,
	    .pix_size_m = 13e-6,
	    .lam_laser_m = 632.8e-9,
	    .nominal_gap_m = 0.015,
	    .many_fringes = true,
	    .estimate_blur = true};
	struct fpi_fringe f = {.n = N, .r = r, .counts = counts, .sigma = sigma};
	struct fpi_rings rings;
	struct fpi_blur blur;
	struct fpi_laser_fit fit;
	struct err err = ERR_INIT;
	double t;

	vector_radii(r);
	fpi_rings_init(&rings, r, N);
	fpi_blur_init(&blur, N);
	fpi_fringe_model(&rings, &blur, p, scratch, counts);
	for (int i = 0; i < N; i++)
		sigma[i] = 1 + 0.2 * cos(i);
	t = fpi_gap_search(&f, &in, 2, in.nominal_gap_m);
	ok(fabs(t - p[FPI_P_T]) < in.lam_laser_m / 50, "the search finds the gap's order");
	ok(fpi_laser_fit(&f, &in, 2, t, &fit, &err) == 0, "the fit ends: %s", err.text);
	for (int k = 0; k < FPI_NLASER; k++)
		worst = fmax(worst, fabs(fit.value[k] - p[k]) / fmax(fabs(p[k]), 1e-12));
	ok(worst < 1e-5, "all twelve parameters come back, within %.1e", worst);
	ok(fit.error[FPI_P_LAM] == 0 && fit.error[FPI_P_N] == 0, "what was not varied has error 0");
	in.estimate_blur = false;
	ok(fpi_laser_fit(&f, &in, 2, t, &fit, &err) == 0 && fit.value[FPI_P_B0] == 0.5 &&
	        fit.error[FPI_P_B0] == 0,
	    "without estimate_blur the blur stays at its start");
	in.estimate_blur = true;
	in.many_fringes = false;
	ok(fpi_laser_fit(&f, &in, 2, t, &fit, &err) == 0 && fit.value[FPI_P_A2] == 0 &&
	        fit.error[FPI_P_B1] == 0 && fit.error[FPI_P_B0] > 0,
	    "with few fringes a2, b1 and b2 stay 0");
	counts[100] = NAN;
	is_int(fpi_laser_fit(&f, &in, 2, t, &fit, &err), -1, "a value that is not a number is an error");
	is_int(err.class, ERR_BAD_DATA, "of the data");
	fpi_blur_release(&blur);
	fpi_rings_release(&rings);
	free(counts);
	free(sigma);
	free(scratch);
}

/* y = a exp(-b x), b bounded; the minimum may lie beyond the bound. */
static void decay(void *arg, const double *p, double *model)
{
	const int *n = arg;

	for (int i = 0; i < *n; i++)
		model[i] = p[0] * exp(-p[1] * i / *n);
}

static void decay_slopes(void *arg, const double *p, const int *which, int n, double *jac, size_t ld)
{
	const int *m = arg;

	for (int k = 0; k < n; k++)
		for (int i = 0; i < *m; i++)
			jac[(size_t)k * ld + (size_t)i] =
			    (which[k] == 0 ? 1 : -p[0] * i / *m) * exp(-p[1] * i / *m);
}

static void test_lsq_bounds(void)
{
	enum { M = 50 };
	double data[M], sigma[M];
	int m = M, both[2] = {0, 1};
	struct fpi_lsq q = {
	    .m = M, .np = 2, .sigma = sigma, .data = data, .arg = &m, .model = decay, .jacobian = decay_slopes};
	struct fpi_lsq_param p[2] = {{.value = 1, .lo = 0, .hi = INFINITY}, {.value = 0.5, .lo = 0.1, .hi = 4}};
	struct fpi_lsq_fit fit;

	for (int i = 0; i < M; i++) {
		sigma[i] = 0.1;
		data[i] = 5 * exp(-2.0 * i / M) + (i % 2 ? 0.05 : -0.05);
	}
	fpi_lsq_run(&q, p, both, 2, 1e-12, true, &fit);
	ok(fit.converged && fit.has_covariance, "a fit inside its bounds ends with errors");
	ok(fabs(p[0].value - 5) < 0.1 && fabs(p[1].value - 2) < 0.05, "at a = %.3f, b = %.3f", p[0].value,
	    p[1].value);
	ok(p[0].error > 0.01 && p[0].error < 0.05, "error of a is %.4f", p[0].error);
	p[1] = (struct fpi_lsq_param){.value = 0.5, .lo = 0.1, .hi = 1};
	fpi_lsq_run(&q, p, both, 2, 1e-12, true, &fit);
	ok(fabs(p[1].value - 1) < 1e-6, "a minimum beyond a bound ends at the bound, b = %.9f", p[1].value);
	sigma[3] = 0;
	fpi_lsq_run(&q, p, both, 2, 1e-12, true, &fit);
	ok(!fit.converged || !fit.has_covariance, "an error of 0 does not pass for a fit");
}

int main(void)
{
	load();
	tap_run(test_vmath);
	tap_run(test_annuli_vectors);
	tap_run(test_laser_vectors);
	tap_run(test_sky_vectors);
	tap_run(test_laser_slopes);
	tap_run(test_sky_slopes);
	tap_run(test_sky_fit_closes);
	tap_run(test_laser_fit_closes);
	tap_run(test_lsq_bounds);
	json_decref(vectors);
	return tap_done();
}
