/* sky_fit.c */
#include "config.h"

#include "assets/fpi/lsq.h"
#include "assets/fpi/sky_fit.h"
#include "base/mem.h"

#include <math.h>

enum { CENTERS = 50, EDGE = 5 };

#define EDGE_SIGMA 10.0 /* the first and last rings count a hundred times less */
#define T_MIN      20.0
#define T_MAX      5000.0
#define TOL_STAGE  1e-6
#define TOL_LAST   1e-12

static const struct {
	int n, which[FPI_NSKY];
} stages[] = {
    {1, {FPI_S_SKYI}},
    {2, {FPI_S_SKYI, FPI_S_CCDB}},
    {3, {FPI_S_SKYI, FPI_S_CCDB, FPI_S_SKYB}},
    {5, {FPI_S_SKYI, FPI_S_CCDB, FPI_S_SKYB, FPI_S_LAMC, FPI_S_T}},
};

static void start_values(struct fpi_lsq_param *params, const double *data, int n)
{
	double min = INFINITY, max = -INFINITY;

	for (int i = 0; i < n; i++) {
		min = fmin(min, data[i]);
		max = fmax(max, data[i]);
	}
	for (int k = 0; k < FPI_NSKY; k++)
		params[k] = (struct fpi_lsq_param){.lo = -INFINITY, .hi = INFINITY};
	params[FPI_S_SKYI].value = max - min;
	params[FPI_S_SKYI].lo = 0;
	params[FPI_S_CCDB].value = min;
	params[FPI_S_T].value = 1000;
	params[FPI_S_T].lo = T_MIN;
	params[FPI_S_T].hi = T_MAX;
}

static double line_search(
    struct fpi_sky_model *m, const struct fpi_lsq_param *params, const double *data, double guess, double fsr)
{
	double p[FPI_NSKY];

	for (int k = 0; k < FPI_NSKY; k++)
		p[k] = params[k].value;
	return fpi_sky_model_search(m, p, data, guess - fsr / 2, fsr / (CENTERS - 1), CENTERS);
}

static void on_model(void *arg, const double *p, double *model)
{
	fpi_sky_model_eval(arg, p, model);
}

static void on_jacobian(void *arg, const double *p, const int *which, int n, double *jac, size_t ld)
{
	fpi_sky_model_jacobian(arg, p, which, n, jac, ld);
}

static void fit_take(const struct fpi_lsq_param *params, const struct fpi_lsq_fit *fit, struct fpi_sky_fit *out)
{
	out->ok = fit->converged && fit->has_covariance;
	out->redchi = fit->redchi;
	out->message = !fit->converged        ? "Fit did not converge."
	               : !fit->has_covariance ? "Fit has no covariance."
	                                      : "Fit succeeded.";
	for (int k = 0; k < FPI_NSKY; k++) {
		out->value[k] = params[k].value;
		out->error[k] = params[k].error;
		if (out->ok && !(params[k].error > 0)) {
			out->ok = false;
			out->message = "Fit has a parameter without error.";
		}
	}
	for (int k = 0; k < FPI_NSKY && !out->ok; k++) {
		out->value[k] = NAN;
		out->error[k] = INFINITY;
	}
}

void fpi_sky_fit(const struct fpi_fringe *f, const struct fpi_instrument *in,
    const double instrument[FPI_NLASER], double lam0_m, double lam_guess, struct fpi_sky_model *m,
    struct fpi_sky_fit *out)
{
	int n = in->N1 - in->N0;
	struct fpi_lsq_param params[FPI_NSKY];
	double *sigma = xmemdup(f->sigma + in->N0, (size_t)n * sizeof(*sigma)), *data = f->counts + in->N0;
	struct fpi_lsq q = {.m = (size_t)n,
	    .np = FPI_NSKY,
	    .data = data,
	    .sigma = sigma,
	    .arg = m,
	    .model = on_model,
	    .jacobian = on_jacobian,
	    .pad = FPI_PAD};
	struct fpi_lsq_fit fit = {0};

	for (int i = 0; i < n; i++)
		if (i < EDGE || i >= n - EDGE)
			sigma[i] *= EDGE_SIGMA;
	start_values(params, data, n);
	fpi_sky_model_set(m, f->r + in->N0, n, instrument, lam0_m);
	params[FPI_S_LAMC].value =
	    line_search(m, params, data, lam_guess, lam0_m * lam0_m / (2 * instrument[FPI_P_T]));
	for (size_t s = 0; s < NITEMS(stages); s++) {
		bool last = s == NITEMS(stages) - 1;

		fpi_lsq_run(&q, params, stages[s].which, stages[s].n, last ? TOL_LAST : TOL_STAGE, last, &fit);
	}
	fit_take(params, &fit, out);
	free(sigma);
}
