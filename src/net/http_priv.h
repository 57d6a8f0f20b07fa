/* http_priv.h: what the client and its transfers share.  Private to http*.c. */
#ifndef NET_HTTP_PRIV_H
#define NET_HTTP_PRIV_H

#include "net/http.h"

#include <curl/curl.h>

struct event;

struct http {
	struct http *next_loop;
	struct event_base *base;
	int refs;
	CURLM *multi;
	struct event *timer; /* libcurl's */
	struct event *kicker; /* ours: something is to be added, resumed or reaped */
	struct http_request *first;
	int depth; /* libcurl or one of our callbacks is on the stack */
	bool closing; /* no references left; destroyed when depth is 0 */
};

struct http_request {
	struct http *http;
	struct http_request *next, **link;
	CURL *easy;
	struct curl_slist *headers;
	struct http_options o;
	int64_t sent;
	struct http_response resp;
	size_t header_bytes;
	bool added, dead;
	bool head_done; /* the blank line after the final status was seen */
	bool chunked, paused, resume;
	enum http_body mode;
	char error[CURL_ERROR_SIZE];
	void (*on_end)(int code, const struct err *err, void *arg); /* of another protocol */
	char *host; /* for error texts: no path, no query */
};

/* Work that must not be done inside libcurl's callbacks, nor inside our own calls, waits for the next turn. */
void http_kick(struct http *);

/* libcurl has ended it so: the one who asked is told. */
void http_request_finish(struct http_request *, CURLcode);
/* Taken from the client's list, without a word to anybody. */
void http_request_free(struct http_request *);

#endif
