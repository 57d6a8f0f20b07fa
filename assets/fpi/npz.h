/* npz.h: a result as an .npz archive, readable by numpy.load without pickle: one .npy member per array. */
#ifndef FPI_NPZ_H
#define FPI_NPZ_H

#include "assets/fpi/arrays.h"
#include "base/err.h"
#include "base/strbuf.h"

/* Groups become prefixes: "sky_value/T" is the member sky_value_T.npy.  Texts are fixed-width unicode ('<U'). */
int fpi_npz_write(const struct fpi_arrays *, struct strbuf *out, struct err *err);

#endif
