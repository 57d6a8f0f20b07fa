/* linear.h: small dense linear algebra. */
#ifndef FPI_LINEAR_H
#define FPI_LINEAR_H

#include <stddef.h>

#define FPI_LINEAR_MAX 16

/* Solve a x = b, a n x n row-major, in place (x in b, a destroyed), by elimination with pivots; -1: singular. */
int fpi_solve(double *a, double *b, int n);
/* Least squares of m equations in n <= FPI_LINEAR_MAX unknowns, a row-major m x n, by Householder reflections; x in b[0..n-1]. */
int fpi_least_squares(double *a, double *b, size_t m, int n);

#endif
