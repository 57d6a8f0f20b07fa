/*
 * http.h: an HTTP/1.1 server that can only be asked, never told: GET and HEAD, no bodies.
 *
 * It is our own because of what the page must refuse and the library at hand lets through: several or missing Host
 * fields, foreign hosts (DNS rebinding), folded lines, bare LF, NUL in values, bodies by any framing, slow senders, and
 * connections without number.  A request is at most HTTP_HEAD_MAX bytes and must be whole within HTTP_REQUEST_MS of its
 * first byte; whatever is not plainly right is answered 400 and the connection closed.
 */
#ifndef HTTP_H
#define HTTP_H

#include "base/err.h"
#include "base/strbuf.h"
#include "base/strvec.h"

struct event_base;
struct http_server;
struct http_request;

#define HTTP_HEAD_MAX   8192
#define HTTP_REQUEST_MS 10000 /* first byte of a request to its last */
#define HTTP_IDLE_MS    65000 /* a kept connection without a request */
#define HTTP_STALL_MS   20000 /* an answer nobody reads */
#define HTTP_ANSWER_MAX (64 << 20)
#define HTTP_PARAMS_MAX 16

struct http_conf {
	const char *listen; /* "127.0.0.1:8080", "[::1]:8080" */
	const struct strvec
	    *hosts; /* names accepted in Host besides loopback names and the listening address */
	int64_t max_connections, max_per_peer;
};

/*
 * Called from the loop for every good request; answers it now or later, exactly once, with http_reply or the
 * http_stream calls.  A request whose client goes away before is cancelled: see http_on_gone.
 */
typedef void http_handler(struct http_request *, void *arg);

struct http_server *http_server_new(
    struct event_base *base, const struct http_conf *conf, http_handler *handler, void *arg, struct err *err);
/* Closes every connection; requests not answered yet are cancelled; NULL is fine. */
void http_server_free(struct http_server *);
int http_server_port(const struct http_server *); /* the real one when 0 was asked for */

struct http_server_stats {
	int64_t requests, connections, refused, by_class[6]; /* 1xx..5xx by index */
};
const struct http_server_stats *http_server_stats(const struct http_server *);

/* The path, percent-decoded once, without the query; may hold any byte but NUL and control characters. */
const char *http_path(const struct http_request *);
/* A query parameter, decoded ('+' is a blank), or NULL. */
const char *http_param(const struct http_request *, const char *name);
const char *http_field(const struct http_request *, const char *name); /* lower-case name; NULL: absent */
bool http_is_head(const struct http_request *);
/* The undecoded target, for links that come back to the same view. */
const char *http_target(const struct http_request *);

struct http_answer {
	int status;
	const char *content_type;
	const void *body;
	size_t n;
	const char *etag; /* without quotes; NULL: none.  A matching If-None-Match is answered 304 here */
	const char *location; /* for redirects within the page */
	bool immutable; /* may be kept by the client for an hour; otherwise no-store */
	bool inline_style; /* SVG made by us: style attributes allowed */
};
/* The body is copied.  The request is gone afterwards. */
void http_reply(struct http_request *, const struct http_answer *);
void http_reply_error(struct http_request *, int status, const char *text);

/* A stream of server-sent events: headers now, pieces as they come, until the client or http_stream_end ends it. */
void http_stream_begin(struct http_request *, const char *content_type);
/* -1: the client does not keep up; the stream is over and gone. */
int http_stream_send(struct http_request *, const void *p, size_t n);
void http_stream_end(struct http_request *);

/* fn runs when the client goes away before the end; the request is gone after it, and must not be answered. */
void http_on_gone(struct http_request *, void (*fn)(void *arg), void *arg);

#endif
