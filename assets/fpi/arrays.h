/*
 * arrays.h: a result as a list of named arrays: the one table behind every container (HDF5, npz).
 *
 * Names have a group where one helps ("sky_value/T").  Scalars have rank 0.  Texts are UTF-8 in cells of one width.
 */
#ifndef FPI_ARRAYS_H
#define FPI_ARRAYS_H

#include "assets/fpi/provenance.h"
#include "assets/fpi/result.h"

enum fpi_array_kind { FPI_DOUBLES, FPI_INTS, FPI_TEXTS };

struct fpi_array {
	char name[64];
	const char *unit, *help; /* literals; "" for none */
	enum fpi_array_kind kind;
	int rank;
	size_t dims[2];
	size_t n; /* cells: the product of dims */
	union {
		double *f;
		int64_t *i;
		char *text; /* n cells of width bytes, padded with NULs */
	};
	size_t width;
};

struct fpi_arrays {
	struct fpi_array *v;
	size_t n, cap;
};

void fpi_arrays_make(const struct fpi_result *, const struct fpi_provenance *, struct fpi_arrays *out);
void fpi_arrays_release(struct fpi_arrays *);

#endif
