/*
 * gunzip.h: inflate a gzip stream that arrives in pieces, checking all that the format offers.
 *
 * Several gzip members in a row are one stream, as for gzip(1).  Checked: header and its optional CRC, CRC-32
 * and length of every member, nothing after a member but another one, and the ratio of bytes made to bytes
 * taken.
 *
 * All failures are of class BAD_DATA: "empty" (no byte at all), "truncated", "corrupt.gzip", "trailing",
 * "limit.ratio".
 */
#ifndef ARCHIVE_GUNZIP_H
#define ARCHIVE_GUNZIP_H

#include "base/err.h"

struct gunzip;

/* Takes inflated bytes, lent for the call; an error ends the push that caused it. */
typedef int gunzip_out_fn(void *arg, const void *p, size_t n, struct err *err);

/* max_ratio applies once ratio_after bytes came out; 0 means no limit. */
struct gunzip *gunzip_new(int64_t max_ratio, int64_t ratio_after, gunzip_out_fn *out, void *arg);
void gunzip_free(struct gunzip *); /* NULL is fine */
/* After a failure only gunzip_free may follow. */
int gunzip_push(struct gunzip *, const void *p, size_t n, struct err *err);
int gunzip_finish(struct gunzip *, struct err *err);

#endif
