/* rendering.h: a page that was made, as it is given to any number of readers. */
#ifndef RENDERING_H
#define RENDERING_H

#include "base/util.h"

#define RENDERING_TAG_MAX 33

struct httpd_request;
struct page;
struct payload;

struct rendering {
	struct payload *payload; /* referenced */
	const char *content_type;
	int status;
	bool immutable, svg;
	char tag[RENDERING_TAG_MAX]; /* empty: none */
};

/*
 * Takes the body; the payload is the caller's to unref.  A page that grew beyond its limit becomes one that says so, with the
 * status 500.
 */
void rendering_of(struct page *, struct rendering *out);
void rendering_reply(struct httpd_request *, const struct rendering *);

#endif
