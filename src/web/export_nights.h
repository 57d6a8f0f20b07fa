/* export_nights.h: the matrix of nights as one document, which the API gives page by page. */
#ifndef EXPORT_NIGHTS_H
#define EXPORT_NIGHTS_H

#include "web/export_dir.h"

struct query;

/*
 * Put what /api/v1/nights would give if it had no limits: every row, `days` of nights of each, "next" null.  Of the rows a
 * page at a time is in memory.
 */
int export_nights(struct export_dir *, const char *name, const struct query *, int64_t days, struct err *err);

#endif
