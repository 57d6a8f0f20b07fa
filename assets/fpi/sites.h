/*
 * sites.h: the table of sites and instruments (sites-and-instruments.yaml), and what it says about one night.
 *
 * The whole table is checked when it is loaded: unknown keys, wrong types, dates out of order and stations at unknown sites
 * are all reported at once with their places.  A night's setup is the parameters of the first day overlaid by every
 * epoch that has begun.
 */
#ifndef FPI_SITES_H
#define FPI_SITES_H

#include "assets/fpi/setup.h"
#include "base/err.h"
#include "base/strvec.h"
#include "conf/diag.h"

struct fpi_table;

/* NULL with every problem in diags.  The path must outlive diags.  Free with fpi_table_free. */
struct fpi_table *fpi_table_load(const char *path, struct diags *diags);
struct fpi_table *fpi_table_parse(const char *file, const char *text, size_t n, struct diags *diags);
void fpi_table_free(struct fpi_table *); /* NULL is fine */

/*
 * One instrument on one observation date (year, month, day).  site, when given, is where the data claim to come from.
 * Codes: "unknown_instrument", "unknown_site", "not_stationed", "incomplete" (class CONFIG), "other_site" (BAD_DATA): the table
 * and the caller disagree on where the instrument is.
 */
int fpi_table_resolve(const struct fpi_table *, const char *instrument, const char *site,
    const struct civil *date, struct fpi_setup *out, struct err *err);
/* Names of the instruments stationed at a site on a date, in table order, appended; "unknown_site" as above. */
int fpi_table_stationed(
    const struct fpi_table *, const char *site, const struct civil *date, struct strvec *out, struct err *err);

#endif
