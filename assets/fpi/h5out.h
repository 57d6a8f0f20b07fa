/* h5out.h: a result as an HDF5 file: arrays as datasets with their units, single values as attributes of their group. */
#ifndef FPI_H5OUT_H
#define FPI_H5OUT_H

#include "assets/fpi/arrays.h"
#include "base/err.h"
#include "base/strbuf.h"

int fpi_h5_write(const struct fpi_arrays *, struct strbuf *out, struct err *err);

#endif
