/*
 * lsq.h: non-linear least squares (MINPACK's Levenberg-Marquardt with analytic derivatives), bounds by change of
 * variable, errors from the covariance scaled by the reduced chi^2.
 */
#ifndef FPI_LSQ_H
#define FPI_LSQ_H

#include <stdbool.h>
#include <stddef.h>

#define FPI_LSQ_MAX 16

/* Values outside every fit; -INFINITY and INFINITY mean no bound.  A lower bound alone, or both, are possible. */
struct fpi_lsq_param {
	double value;
	double lo, hi;
	double error; /* out: 0 when not varied */
};

struct fpi_lsq {
	size_t m; /* data points */
	int np; /* all parameters */
	double *sigma; /* of each data point; lent */
	double *data; /* lent */
	void *arg;
	/* model[0..m-1] at parameter values p[0..np-1] */
	void (*model)(void *arg, const double *p, double *model);
	/* d model / d p[which[k]] at jac + k * ld, for k < n; ld is m + pad */
	void (*jacobian)(void *arg, const double *p, const int *which, int n, double *jac, size_t ld);
	size_t pad; /* extra room the model wants behind each vector of m */
};

struct fpi_lsq_fit {
	bool converged; /* a minimum, not a limit on evaluations or a value that is not a number */
	bool has_covariance; /* and errors */
	double chisq, redchi;
	int evaluations;
};

/* Vary params[which[0..n-1]] from where they are; tol is relative, in chi^2 and in the parameters.  Errors only if wanted. */
void fpi_lsq_run(const struct fpi_lsq *, struct fpi_lsq_param *params, const int *which, int n, double tol,
    bool errors, struct fpi_lsq_fit *out);

#endif
