/* laser_fit.c */
#include "config.h"

#include "assets/fpi/fringe.h"
#include "assets/fpi/laser_fit.h"
#include "assets/fpi/lsq.h"
#include "base/mem.h"

#include <math.h>

enum { GAPS = 50, STAGE_MAX = 10 };

/* Early stages only lead into the right valley; the last one is driven to the bottom. */
#define TOL_STAGE 1e-6
#define TOL_LAST  1e-12

struct stage {
	bool blur; /* left out when the instrument's blur is not estimated */
	int n;
	int which[STAGE_MAX];
};

static const struct stage stages[] = {
    {false, 1, {FPI_P_ALPHA}},
    {false, 2, {FPI_P_T, FPI_P_ALPHA}},
    {false, 2, {FPI_P_B, FPI_P_I}},
    {false, 1, {FPI_P_R}},
    {false, 7, {FPI_P_T, FPI_P_ALPHA, FPI_P_B, FPI_P_I, FPI_P_R, FPI_P_A1, FPI_P_A2}},
    {true, 10,
        {FPI_P_T, FPI_P_ALPHA, FPI_P_B, FPI_P_I, FPI_P_R, FPI_P_A1, FPI_P_A2, FPI_P_B0, FPI_P_B1, FPI_P_B2}},
};

/* With few fringes these are held at zero. */
static bool needs_many_fringes(int param)
{
	return param == FPI_P_A2 || param == FPI_P_B1 || param == FPI_P_B2;
}

static void start_values(const struct fpi_fringe *f, const struct fpi_instrument *in, double xbinning, double t,
    double p[FPI_NLASER])
{
	double min = INFINITY, max = -INFINITY;

	for (int i = 0; i < f->n; i++) {
		min = fmin(min, f->counts[i]);
		max = fmax(max, f->counts[i]);
	}
	p[FPI_P_N] = 1;
	p[FPI_P_T] = t;
	p[FPI_P_LAM] = in->lam_laser_m;
	p[FPI_P_R] = 0.5;
	p[FPI_P_ALPHA] = in->pix_size_m / in->focal_length_m * xbinning;
	p[FPI_P_I] = max - min;
	p[FPI_P_B] = min;
	p[FPI_P_A1] = -0.1;
	p[FPI_P_A2] = 0;
	p[FPI_P_B0] = 0.5;
	p[FPI_P_B1] = 0;
	p[FPI_P_B2] = 0;
}

/* cos of the angle between two vectors, not centred; the norm of b is left out */
static double alignment(const double *a, const double *b, int n)
{
	double ab = 0, aa = 0;

	for (int i = 0; i < n; i++) {
		ab += a[i] * b[i];
		aa += a[i] * a[i];
	}
	return ab / sqrt(aa);
}

double fpi_gap_search(
    const struct fpi_fringe *f, const struct fpi_instrument *in, double xbinning, double t_last)
{
	double p[FPI_NLASER], best = -INFINITY, t_best = t_last;
	double *scratch = fpi_vector(f->n), *model = fpi_vector(f->n);
	struct fpi_rings rings;
	struct fpi_blur blur;

	fpi_rings_init(&rings, f->r, f->n);
	fpi_blur_init(&blur, f->n);
	start_values(f, in, xbinning, t_last, p);
	for (int k = 0; k < GAPS; k++) {
		double c;

		p[FPI_P_T] = t_last + in->lam_laser_m * (-0.25 + 0.5 * k / (GAPS - 1));
		fpi_fringe_model(&rings, &blur, p, scratch, model);
		c = alignment(model, f->counts, f->n);
		if (c > best) {
			best = c;
			t_best = p[FPI_P_T];
		}
	}
	fpi_blur_release(&blur);
	fpi_rings_release(&rings);
	free(scratch);
	free(model);
	return t_best;
}

struct fit {
	struct fpi_rings rings;
	struct fpi_blur blur;
	double *scratch;
};

static void on_model(void *arg, const double *p, double *model)
{
	struct fit *f = arg;

	fpi_fringe_model(&f->rings, &f->blur, p, f->scratch, model);
}

static void on_jacobian(void *arg, const double *p, const int *which, int n, double *jac, size_t ld)
{
	struct fit *f = arg;

	fpi_fringe_jacobian(&f->rings, &f->blur, p, which, n, f->scratch, jac, ld);
}

static void run_stages(const struct fpi_lsq *q, const struct fpi_instrument *in, struct fpi_lsq_param *params,
    struct fpi_lsq_fit *fit)
{
	int last = in->estimate_blur ? (int)NITEMS(stages) - 1 : (int)NITEMS(stages) - 2;

	for (int s = 0; s <= last; s++) {
		int which[STAGE_MAX], n = 0;

		for (int k = 0; k < stages[s].n; k++)
			if (in->many_fringes || !needs_many_fringes(stages[s].which[k]))
				which[n++] = stages[s].which[k];
		fpi_lsq_run(q, params, which, n, s == last ? TOL_LAST : TOL_STAGE, s == last, fit);
	}
}

static int fit_take(const struct fpi_lsq_param *params, const struct fpi_lsq_fit *fit,
    struct fpi_laser_fit *out, struct err *err)
{
	for (int i = 0; i < FPI_NLASER; i++) {
		if (!isfinite(params[i].value) || !isfinite(params[i].error) || !fit->has_covariance)
			return err_code(err, ERR_BAD_DATA, "fit",
			    "the fit found no minimum (parameter %s = %g +- %g)", fpi_laser_param_name[i],
			    params[i].value, params[i].error);
		out->value[i] = params[i].value;
		out->error[i] = params[i].error;
	}
	out->redchi = fit->redchi;
	return 0;
}

int fpi_laser_fit(const struct fpi_fringe *f, const struct fpi_instrument *in, double xbinning, double t_start,
    struct fpi_laser_fit *out, struct err *err)
{
	int n = in->N1 - in->N0;
	struct fpi_lsq_param params[FPI_NLASER];
	struct fpi_lsq_fit fit;
	double p[FPI_NLASER];
	struct fit work;
	struct fpi_lsq q = {.m = (size_t)n,
	    .np = FPI_NLASER,
	    .data = f->counts + in->N0,
	    .sigma = f->sigma + in->N0,
	    .arg = &work,
	    .model = on_model,
	    .jacobian = on_jacobian,
	    .pad = FPI_PAD};
	int rc;

	start_values(f, in, xbinning, t_start, p);
	for (int i = 0; i < FPI_NLASER; i++)
		params[i] = (struct fpi_lsq_param){.value = p[i], .lo = -INFINITY, .hi = INFINITY};
	fpi_rings_init(&work.rings, f->r + in->N0, n);
	fpi_blur_init(&work.blur, n);
	work.scratch = xcalloc(2 * ((size_t)n + FPI_PAD), sizeof(double));
	run_stages(&q, in, params, &fit);
	rc = fit_take(params, &fit, out, err);
	free(work.scratch);
	fpi_blur_release(&work.blur);
	fpi_rings_release(&work.rings);
	return rc;
}
