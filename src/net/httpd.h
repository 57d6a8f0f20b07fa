/*
 * httpd.h: an HTTP/1.1 server that can only be asked, never told: GET and HEAD, no bodies.  Unless its owner says at the
 * start how much it may be told at once: then POST with a Content-Length up to that is taken too, by this server alone.
 *
 * It is our own because of what the page must refuse and the library at hand lets through: several or missing Host
 * fields, foreign hosts (DNS rebinding), folded lines, bare LF, NUL in values, bodies by any framing, slow senders, and
 * connections without number.  A request's head is at most HTTPD_HEAD_MAX bytes and the request must be whole, body and
 * all, within HTTPD_REQUEST_MS of its first byte; whatever is not plainly right is answered 400 and the connection closed.
 */
#ifndef HTTPD_H
#define HTTPD_H

#include "base/err.h"
#include "base/strbuf.h"
#include "base/strvec.h"

struct event_base;
struct httpd;
struct httpd_request;

#define HTTPD_HEAD_MAX   8192
#define HTTPD_REQUEST_MS 10000 /* first byte of a request to its last */
#define HTTPD_IDLE_MS    65000 /* a kept connection without a request */
#define HTTPD_STALL_MS   20000 /* an answer nobody reads */
#define HTTPD_LINGER_MS  2000 /* for a refused body to stop coming, lest the answer be lost in a reset */
#define HTTPD_ANSWER_MAX (64 << 20)
#define HTTPD_PARAMS_MAX 16

struct httpd_conf {
	const char *listen; /* "127.0.0.1:8080", "[::1]:8080" */
	const struct strvec
	    *hosts; /* names accepted in Host besides loopback names and the listening address */
	int64_t max_connections, max_per_peer;
	size_t post_body_max; /* 0: there is no POST */
	/*
	 * Before a POST's body is read: false when it was answered already (it may not bring anything), then the body is not
	 * looked at and the connection ends.  NULL: every good head may.
	 */
	bool (*may_post)(struct httpd_request *, void *arg);
	const char *option; /* the configuration's word for the section, for messages; NULL: "web" */
};

/*
 * Called from the loop for every good request; answers it now or later, exactly once, with httpd_reply or the
 * httpd_stream calls.  A request whose client goes away before is cancelled: see httpd_on_gone.
 */
typedef void httpd_handler(struct httpd_request *, void *arg);

struct httpd *httpd_new(
    struct event_base *base, const struct httpd_conf *conf, httpd_handler *handler, void *arg, struct err *err);
/* Closes every connection; requests not answered yet are cancelled; NULL is fine. */
void httpd_free(struct httpd *);
int httpd_port(const struct httpd *); /* the real one when 0 was asked for */

struct httpd_stats {
	int64_t connections; /* now; what was answered and refused is counted in metric.h */
};
const struct httpd_stats *httpd_stats(const struct httpd *);

/* The path, percent-decoded once, without the query; may hold any byte but NUL and control characters. */
const char *httpd_path(const struct httpd_request *);
/* A query parameter, decoded ('+' is a blank), or NULL. */
const char *httpd_param(const struct httpd_request *, const char *name);
const char *httpd_field(const struct httpd_request *, const char *name); /* lower-case name; NULL: absent */
bool httpd_is_head(const struct httpd_request *);
bool httpd_is_post(const struct httpd_request *);
/* What a POST brought, n bytes, lent until it is answered. */
const char *httpd_body(const struct httpd_request *, size_t *n);
/* The undecoded target, for links that come back to the same view. */
const char *httpd_target(const struct httpd_request *);

struct payload;

struct httpd_answer {
	int status;
	const char *content_type;
	const void *body;
	size_t n;
	/* Instead of body and n: text shared by many answers, not copied, packed for those who accept it. */
	struct payload *payload;
	const char *etag; /* without quotes; NULL: none.  A matching If-None-Match is answered 304 here */
	const char *location; /* for redirects within the page */
	const char *challenge; /* with 401: the WWW-Authenticate field */
	int retry_after; /* seconds, with 503; 0: not said */
	/*
	 * May be kept by the client for an hour.  Otherwise an answer with an etag may be kept by the client alone and is asked
	 * for again each time ("private, no-cache"), and one without leaves no copy ("no-store").
	 */
	bool immutable;
	bool inline_style; /* SVG made by us: style attributes allowed */
};
/* The body is copied, the payload referenced.  The request is gone afterwards. */
void httpd_reply(struct httpd_request *, const struct httpd_answer *);
void httpd_reply_error(struct httpd_request *, int status, const char *text);

/* A stream of server-sent events: headers now, pieces as they come, until the client or httpd_stream_end ends it. */
void httpd_stream_begin(struct httpd_request *, const char *content_type);
/* -1: the client does not keep up; the stream is over and gone. */
int httpd_stream_send(struct httpd_request *, const void *p, size_t n);
void httpd_stream_end(struct httpd_request *);

/* fn runs when the client goes away before the end; the request is gone after it, and must not be answered. */
void httpd_on_gone(struct httpd_request *, void (*fn)(void *arg), void *arg);

#endif
