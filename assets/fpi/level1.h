/* level1.h: the Level-1 text for the Madrigal database: one line per sky sample. */
#ifndef FPI_LEVEL1_H
#define FPI_LEVEL1_H

#include "assets/fpi/result.h"
#include "base/strbuf.h"

/* In time order, whatever the order of the samples.  Check out->overflowed. */
void fpi_level1_write(const struct fpi_result *, struct strbuf *out);

#endif
