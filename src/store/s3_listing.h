/*
 * s3_listing.h: the pages of one ListObjectsV2 walk: parsed, decoded, and checked against each other.  Private to the
 * s3 store; knows nothing of HTTP.
 *
 * Fed with the bodies of successive answers.  A page is delivered only when it was parsed to its end and everything in
 * it makes sense: keys decoded (only when the answer says that they are encoded), valid UTF-8, below the prefix asked
 * for, strictly increasing across pages.  Codes beyond those of s3_xml.h, all BAD_DATA: field.key field.size
 * field.date field.etag field.encoding proto.prefix proto.order proto.count proto.pagination.
 */
#ifndef STORE_S3_LISTING_H
#define STORE_S3_LISTING_H

#include "store/s3_xml.h"
#include "store/store.h"

#define S3_PAGE_MAX 1000

struct s3_listing;

struct s3_listing *s3_listing_new(const char *prefix, const char *start_after /* may be NULL */);
void s3_listing_free(struct s3_listing *);

/* A new answer (also the same page again, after a failed attempt). */
void s3_listing_begin(struct s3_listing *);
int s3_listing_feed(struct s3_listing *, const char *p, size_t n);
/*
 * The answer has ended.  0: a page of *n objects, lent until the next begin.  -1 with err; when the answer was an
 * <Error> document, its code is in s3_listing_error and err is left alone.
 */
int s3_listing_end(struct s3_listing *, const struct store_object **objs, size_t *n, struct err *err);
const struct s3_error *s3_listing_error(const struct s3_listing *); /* NULL: no error document */

/* After a page: is there another?  Ask for it by this token; when NULL, by start_after. */
bool s3_listing_more(const struct s3_listing *);
const char *s3_listing_token(const struct s3_listing *);
const char *s3_listing_start_after(const struct s3_listing *); /* NULL: from the beginning */

#endif
