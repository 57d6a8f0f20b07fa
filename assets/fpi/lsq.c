/*
 * lsq.c: a bounded parameter v is varied through a free one u, as MINUIT does it: v = lo - 1 + sqrt(u^2 + 1), or
 * v = lo + (sin u + 1) (hi - lo) / 2.
 */
#include "config.h"

#include "assets/fpi/lsq.h"
#include "base/mem.h"
#include "base/util.h"

#include <assert.h>
#include <cminpack.h>
#include <math.h>

struct run {
	const struct fpi_lsq *q;
	const struct fpi_lsq_param *params;
	const int *which;
	int n;
	double p[FPI_LSQ_MAX]; /* all values, outside */
	double *model; /* m + pad */
	double *jac; /* n columns of m + pad */
	size_t ld;
};

static double to_inside(const struct fpi_lsq_param *p)
{
	if (isfinite(p->lo) && isfinite(p->hi))
		return asin(fmin(1, fmax(-1, 2 * (p->value - p->lo) / (p->hi - p->lo) - 1)));
	if (isfinite(p->lo))
		return sqrt(fmax(0, (p->value - p->lo + 1) * (p->value - p->lo + 1) - 1));
	return p->value;
}

static double to_outside(const struct fpi_lsq_param *p, double u)
{
	if (isfinite(p->lo) && isfinite(p->hi))
		return p->lo + (sin(u) + 1) * (p->hi - p->lo) / 2;
	if (isfinite(p->lo))
		return p->lo - 1 + sqrt(u * u + 1);
	return u;
}

/* dv/du */
static double slope(const struct fpi_lsq_param *p, double u)
{
	if (isfinite(p->lo) && isfinite(p->hi))
		return cos(u) * (p->hi - p->lo) / 2;
	if (isfinite(p->lo))
		return u / sqrt(u * u + 1);
	return 1;
}

static void set_point(struct run *r, const double *u)
{
	for (int k = 0; k < r->n; k++)
		r->p[r->which[k]] = to_outside(&r->params[r->which[k]], u[k]);
}

static double residuals(struct run *r, const double *u, double *f)
{
	const struct fpi_lsq *q = r->q;
	double chisq = 0;

	set_point(r, u);
	q->model(q->arg, r->p, r->model);
	for (size_t i = 0; i < q->m; i++) {
		f[i] = (r->model[i] - q->data[i]) / q->sigma[i];
		chisq += f[i] * f[i];
	}
	return chisq;
}

static void derivatives(struct run *r, const double *u, double *fjac, size_t ldfjac)
{
	const struct fpi_lsq *q = r->q;

	set_point(r, u);
	q->jacobian(q->arg, r->p, r->which, r->n, r->jac, r->ld);
	for (int k = 0; k < r->n; k++) {
		double s = slope(&r->params[r->which[k]], u[k]);
		const double *from = r->jac + (size_t)k * r->ld;
		double *to = fjac + (size_t)k * ldfjac;

		for (size_t i = 0; i < q->m; i++)
			to[i] = from[i] * s / q->sigma[i];
	}
}

static int on_minpack(
    void *arg, int m, int n, const double *u, double *fvec, double *fjac, int ldfjac, int iflag)
{
	struct run *r = arg;

	(void)m;
	(void)n;
	if (iflag == 1)
		return isfinite(residuals(r, u, fvec)) ? 0 : -1;
	derivatives(r, u, fjac, (size_t)ldfjac);
	return 0;
}

/* Inverse of a symmetric positive matrix through its Cholesky factor, after scaling the diagonal to 1; false: not positive. */
static bool invert_scaled(double *a, int n)
{
	double d[FPI_LSQ_MAX], l[FPI_LSQ_MAX * FPI_LSQ_MAX] = {0}, inv[FPI_LSQ_MAX * FPI_LSQ_MAX] = {0};

	for (int i = 0; i < n; i++) {
		if (!(a[i * n + i] > 0))
			return false;
		d[i] = 1 / sqrt(a[i * n + i]);
	}
	for (int i = 0; i < n; i++)
		for (int j = 0; j <= i; j++) {
			double s = a[i * n + j] * d[i] * d[j];

			for (int k = 0; k < j; k++)
				s -= l[i * n + k] * l[j * n + k];
			if (i == j && !(s > 1e-15))
				return false;
			l[i * n + j] = i == j ? sqrt(s) : s / l[j * n + j];
		}
	for (int c = 0; c < n; c++) /* columns of L^-1 */
		for (int i = c; i < n; i++) {
			double s = i == c;

			for (int k = c; k < i; k++)
				s -= l[i * n + k] * inv[k * n + c];
			inv[i * n + c] = s / l[i * n + i];
		}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++) {
			a[i * n + j] = 0;
			for (int k = MAX(i, j); k < n; k++)
				a[i * n + j] += inv[k * n + i] * inv[k * n + j];
			a[i * n + j] *= d[i] * d[j];
		}
	return true;
}

static bool errors_at(struct run *r, const double *u, struct fpi_lsq_param *params, double redchi)
{
	size_t m = r->q->m;
	double *fjac = xcalloc(m * (size_t)r->n, sizeof(*fjac)), c[FPI_LSQ_MAX * FPI_LSQ_MAX];
	bool fine;

	derivatives(r, u, fjac, m);
	for (int j = 0; j < r->n; j++)
		for (int k = 0; k <= j; k++) {
			double s = 0;

			for (size_t i = 0; i < m; i++)
				s += fjac[(size_t)j * m + i] * fjac[(size_t)k * m + i];
			c[j * r->n + k] = c[k * r->n + j] = s;
		}
	free(fjac);
	fine = invert_scaled(c, r->n);
	for (int k = 0; k < r->n; k++) {
		struct fpi_lsq_param *p = &params[r->which[k]];

		p->error = fine ? sqrt(c[k * r->n + k] * redchi) * fabs(slope(p, u[k])) : NAN;
	}
	return fine;
}

/* 5 is the limit on evaluations; 6 to 8 say that the tolerance asks for more than the arithmetic has. */
static bool is_minimum(int info)
{
	return (info >= 1 && info <= 4) || (info >= 6 && info <= 8);
}

void fpi_lsq_run(const struct fpi_lsq *q, struct fpi_lsq_param *params, const int *which, int n, double tol,
    bool errors, struct fpi_lsq_fit *out)
{
	struct run r = {.q = q, .params = params, .which = which, .n = n, .ld = q->m + q->pad};
	double u[FPI_LSQ_MAX], diag[FPI_LSQ_MAX], qtf[FPI_LSQ_MAX], wa[3 * FPI_LSQ_MAX];
	int ipvt[FPI_LSQ_MAX], nfev = 0, njev = 0, info;
	double *fvec = xcalloc(q->m, sizeof(*fvec)), *wa4 = xcalloc(q->m, sizeof(*wa4));
	double *fjac = xcalloc(q->m * (size_t)n, sizeof(*fjac));

	assert(n > 0 && n <= q->np && q->np <= FPI_LSQ_MAX && q->m > (size_t)n);
	r.model = xcalloc(r.ld, sizeof(*r.model));
	r.jac = xcalloc(r.ld * (size_t)n, sizeof(*r.jac));
	for (int i = 0; i < q->np; i++) {
		r.p[i] = params[i].value;
		params[i].error = 0;
	}
	for (int k = 0; k < n; k++)
		u[k] = to_inside(&params[which[k]]);
	info = lmder(on_minpack, &r, (int)q->m, n, u, fvec, fjac, (int)q->m, tol, tol, 0, 400 * (n + 1), diag,
	    1, 100, 0, &nfev, &njev, ipvt, qtf, wa, wa + FPI_LSQ_MAX, wa + 2 * FPI_LSQ_MAX, wa4);
	*out = (struct fpi_lsq_fit){.converged = is_minimum(info), .evaluations = nfev + njev};
	out->chisq = residuals(&r, u, fvec);
	out->redchi = out->chisq / (double)(q->m - (size_t)n);
	for (int k = 0; k < n; k++)
		params[which[k]].value = r.p[which[k]];
	if (errors)
		out->has_covariance = isfinite(out->chisq) && errors_at(&r, u, params, out->redchi);
	free(fvec);
	free(wa4);
	free(fjac);
	free(r.model);
	free(r.jac);
}
