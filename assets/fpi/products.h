/*
 * products.h: the files one analysed line of a night leaves behind, in memory: names, places, bytes.
 *
 * Where a place is in the store (prefix and year) is the caller's; names follow the stem <instrument>_<site>_<date>, with
 * "_<tag in lower case>" for tags other than X.
 */
#ifndef FPI_PRODUCTS_H
#define FPI_PRODUCTS_H

#include "assets/fpi/provenance.h"
#include "assets/fpi/result.h"
#include "base/err.h"
#include "base/strbuf.h"

enum fpi_place { FPI_PLACE_RESULTS, FPI_PLACE_PICTURES, FPI_PLACE_MADRIGAL, FPI_NPLACES };

struct fpi_product {
	enum fpi_place place;
	char *name;
	const char *content_type; /* literal */
	struct strbuf bytes;
};

struct fpi_products {
	struct fpi_product *v;
	size_t n;
	struct strvec failed; /* what could not be made and why: pictures must not fail a night */
};

/* "minime13_uao_20260417_xr"; out has room for 128. */
void fpi_stem(const struct fpi_setup *, const char *tag, char out[128]);
/* Name of the diagnostics picture: without the tag for green lines. */
void fpi_diagnostics_name(const struct fpi_setup *, const char *tag, char out[160]);

/* Everything of a success: HDF5, npz, log, Level-1 text where the instrument sends it, three pictures and their copies. */
int fpi_products_make(
    const struct fpi_result *, const struct fpi_provenance *, struct fpi_products *out, struct err *err);
/* Only the log, named <stem><suffix>: what remains of a failure. */
int fpi_products_make_log(
    const struct fpi_result *, const char *suffix, struct fpi_products *out, struct err *err);
void fpi_products_release(struct fpi_products *);

#endif
