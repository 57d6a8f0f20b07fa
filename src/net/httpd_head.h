/* httpd_head.h: the head of one request, strictly; pure functions over bytes. */
#ifndef HTTPD_HEAD_H
#define HTTPD_HEAD_H

#include "base/strvec.h"
#include "base/util.h"

struct httpd_head {
	char *target; /* as sent */
	char *path; /* decoded */
	struct strvec names, values; /* header fields, names in lower case */
	struct strvec params, pvalues; /* query, decoded */
	bool head, post, keep_alive;
	size_t body; /* bytes that follow the head; only with post */
	bool expects; /* they follow once they were asked for: "Expect: 100-continue" */
	int status; /* 0: good; otherwise what to answer */
	const char *why;
};

/*
 * head: the n bytes up to and with the empty line.  body_max: bytes a POST may bring along; 0: there is no POST.
 * Release in any case.
 */
void httpd_head_parse(struct httpd_head *, const char *head, size_t n, size_t body_max);
void httpd_head_release(struct httpd_head *);
/* As if a GET of the target had come, without any field but Host; -1: that would be refused.  Release in any case. */
int httpd_head_of_target(struct httpd_head *, const char *target);
const char *httpd_head_field(const struct httpd_head *, const char *name); /* the first by that name, or NULL */
const char *httpd_head_param(const struct httpd_head *, const char *name); /* the same of the query */
/*
 * Is the Host field's value one of ours?  Loopback names and addresses, `own` (host part of the listening address) and
 * hosts; any port.
 */
bool httpd_host_allowed(const char *value, const char *own, const struct strvec *hosts);

#endif
