/*
 * http.h: HTTP requests on the loop, for the s3 store, its credentials, and notifications.
 *
 * One libcurl multi handle per event loop, shared by all its stores, so connections are reused.  Nothing is followed
 * automatically, paths go out as they are, bodies are not decoded.  A success has a known length and exactly that many
 * bytes: an answer cut anywhere (also inside its headers, which libcurl alone takes for an empty success) is an error
 * of class TRANSIENT, code "http.truncated".
 *
 * Other codes: net.resolve net.connect net.timeout net.stall net.reset http.garbage http.no_length (TRANSIENT), tls
 * (PERMANENT: certificate or protocol; trying again does not help), bad_url (CONFIG).
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/err.h"
#include "base/strbuf.h"
#include "base/strvec.h"

struct event_base;
struct http;
struct http_request;
struct curl_slist;

/* The loop's client, made on first use; as many http_unref as http_ref. */
struct http *http_ref(struct event_base *base, struct err *err);
void http_unref(struct http *);

struct http_response {
	int status;
	int64_t length; /* of the body; -1: chunked */
	int64_t received; /* bytes of it until now */
	struct strvec names, values; /* names in lower case; last line wins for repeated ones */
	struct strbuf body; /* when collected */
	bool body_cut; /* not read to its end: larger than max_body, or on_body had enough */
};
const char *http_header(const struct http_response *, const char *lower_case_name); /* lent, or NULL */

enum http_body { HTTP_COLLECT, HTTP_STREAM };

struct http_options {
	const char *method; /* static text */
	const char *url;
	const struct strvec *headers; /* "Name: value" */
	/* What is sent: body bytes or a part of a file, both lent until the end; PUT, POST and PATCH send a length of 0 too. */
	const void *body;
	int body_fd; /* used when body is NULL and body_size > 0 */
	int64_t body_offset, body_size;

	tm_ms connect_timeout;
	tm_ms timeout; /* of the whole; 0: none */
	tm_ms stall; /* longest time below 1024 bytes/s; 0: 15 s */
	const char *ca_file; /* NULL: the system's */
	bool no_proxy;
	/* On a new connection: what a reused one leaves unanswered libcurl sends a second time by itself. */
	bool fresh;
	size_t max_body; /* of a collected answer */

	/* Status and headers are known; whether the body is streamed or collected.  NULL: collected. */
	enum http_body (*on_head)(const struct http_response *, void *arg);
	/* 0: go on; -1: enough, end the transfer as if the answer ended here (body_cut is set). */
	int (*on_body)(const void *p, size_t n, void *arg);
	/* Once, at the end, from the loop; the request is gone afterwards.  err: no usable answer (response may be NULL). */
	void (*on_done)(const struct http_response *, const struct err *err, void *arg);
	void *arg;
};

/* Never calls back from inside. */
struct http_request *http_start(struct http *, const struct http_options *);
/*
 * Another of libcurl's protocols on the same loop.  The handle is set up by the caller but for its error buffer and
 * private pointer; it and the list are ours from now on.  on_end: once, from the loop, with the last reply code of the
 * server (0: none); err NULL when all went well.
 */
struct http_request *http_start_easy(struct http *, void *easy, struct curl_slist *list, const char *host,
    void (*on_end)(int code, const struct err *err, void *arg), void *arg);
void http_pause(struct http_request *, bool paused);
/* No further callback; also from inside one. */
void http_cancel(struct http_request *);

#endif
