/* pictures.h: the three summary pictures of a night and line, as PNG. */
#ifndef FPI_PICTURES_H
#define FPI_PICTURES_H

#include "assets/fpi/result.h"
#include "base/err.h"
#include "base/strbuf.h"

enum fpi_picture { FPI_PICTURE_DIAGNOSTICS, FPI_PICTURE_TEMPERATURE, FPI_PICTURE_WINDS, FPI_NPICTURES };

/* Append the PNG.  Needs at least one sky sample.  Equal results give equal bytes on one machine. */
int fpi_picture_draw(const struct fpi_result *, enum fpi_picture, struct strbuf *out, struct err *err);

#endif
