/* picture_fetch.h: single pictures on their way from a store to a reader. */
#ifndef PICTURE_FETCH_H
#define PICTURE_FETCH_H

struct httpd_request;
struct picture_fetches;
struct store;

struct picture_fetches *picture_fetches_new(void);
void picture_fetches_free(struct picture_fetches *); /* readers are answered 503 */
/* The request is answered with the object if that is a PNG, sooner or later.  The store must outlive the fetches. */
void picture_fetch(struct picture_fetches *, struct store *, const char *key, struct httpd_request *);

#endif
