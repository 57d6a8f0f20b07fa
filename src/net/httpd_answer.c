/* httpd_answer.c: what goes back: status, fields, bodies and streams. */
#include "config.h"

#include "net/httpd_priv.h"

#include "metric/metric.h"
#include "net/payload.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#define STREAM_BEHIND_MAX (256 << 10) /* unread bytes of a stream before its client counts as gone */

static const struct {
	int status;
	const char *text;
} status_text[] = {
    {200, "OK"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

static const char *reason(int status)
{
	for (size_t i = 0; i < NITEMS(status_text); i++)
		if (status_text[i].status == status)
			return status_text[i].text;
	return "Status";
}

static const char security_headers[] = "X-Content-Type-Options: nosniff\r\n"
                                       "X-Frame-Options: DENY\r\n"
                                       "Referrer-Policy: no-referrer\r\n"
                                       "Cross-Origin-Resource-Policy: same-origin\r\n"
                                       "Cross-Origin-Opener-Policy: same-origin\r\n";

static const char policy[] =
    "Content-Security-Policy: default-src 'none'; style-src 'self'%s; img-src 'self'; script-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\n";

static void add_date(struct evbuffer *out)
{
	char date[64];

	if (evutil_date_rfc1123(date, sizeof(date), NULL) > 0)
		evbuffer_add_printf(out, "Date: %s\r\n", date);
}

static void add_common(struct evbuffer *out, int status, const char *content_type, bool inline_style)
{
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", status, reason(status));
	add_date(out);
	if (content_type != NULL)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", content_type);
	evbuffer_add(out, security_headers, sizeof(security_headers) - 1);
	evbuffer_add_printf(out, policy, inline_style ? " 'unsafe-inline'" : "");
}

/* The answer is in the buffer: wait for the next request, or close behind it. */
static void finish(struct httpd_request *c, bool keep)
{
	c->on_gone = NULL;
	if (c->has_head)
		httpd_head_release(&c->head);
	c->has_head = false;
	if (c->body != NULL)
		evbuffer_free(c->body);
	c->body = NULL;
	c->phase = keep ? PHASE_IDLE : PHASE_LAST;
	httpd_arm(c, HTTPD_STALL_MS);
	if (!keep)
		bufferevent_disable(c->bev, EV_READ);
	/* A write event follows in any case; the next pipelined request is looked at there. */
}

static bool etag_matches(const char *field, const char *etag)
{
	size_t n = strlen(etag);

	if (field != NULL && strcmp(field, "*") == 0)
		return true;
	for (const char *p = field; p != NULL && (p = strstr(p, etag)) != NULL; p += n)
		if (p > field && p[-1] == '"' && p[n] == '"')
			return true;
	return false;
}

/*
 * Who may keep an answer.  One with a tag may be kept by the reader alone, who asks again each time; that is what a tag is
 * for.  Anything else leaves no copy.
 */
static const char *cache_control(const struct httpd_answer *a)
{
	if (a->immutable)
		return "public, max-age=3600";
	return a->etag != NULL ? "private, no-cache" : "no-store";
}

static enum payload_form form_for(const struct httpd_request *c, const struct httpd_answer *a)
{
	if (a->payload == NULL || !c->has_head ||
	    !payload_accepted(httpd_head_field(&c->head, "accept-encoding")) ||
	    payload_length(a->payload, PAYLOAD_GZIP) == 0)
		return PAYLOAD_PLAIN;
	return PAYLOAD_GZIP;
}

/* The tag is weak: packed or plain, and with another time at its foot, a page is the same to those who read it. */
static void add_fields(const struct httpd_request *c, const struct httpd_answer *a, int status)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	evbuffer_add_printf(out, "Cache-Control: %s\r\n", cache_control(a));
	if (a->payload != NULL)
		evbuffer_add_printf(out, "Vary: Accept-Encoding\r\n");
	if (a->etag != NULL)
		evbuffer_add_printf(out, "ETag: W/\"%s\"\r\n", a->etag);
	if (a->location != NULL)
		evbuffer_add_printf(out, "Location: %s\r\n", a->location);
	if (status == 405)
		evbuffer_add_printf(
		    out, "Allow: GET, HEAD%s\r\n", c->server->post_body_max > 0 ? ", POST" : "");
	if (a->challenge != NULL)
		evbuffer_add_printf(out, "WWW-Authenticate: %s\r\n", a->challenge);
	if (a->retry_after > 0)
		evbuffer_add_printf(out, "Retry-After: %d\r\n", a->retry_after);
}

static void add_body(struct httpd_request *c, const struct httpd_answer *a, int status, bool keep)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	enum payload_form form = status == 304 ? PAYLOAD_PLAIN : form_for(c, a);
	size_t n = a->payload ? payload_length(a->payload, form) : a->n;

	if (form == PAYLOAD_GZIP)
		evbuffer_add_printf(out, "Content-Encoding: gzip\r\n");
	if (status != 304)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", n);
	evbuffer_add_printf(out, "Connection: %s\r\n\r\n", keep ? "keep-alive" : "close");
	if (status == 304 || (c->has_head && c->head.head))
		return;
	if (a->payload != NULL)
		payload_send(a->payload, form, out);
	else
		evbuffer_add(out, a->body, n);
}

static void count_answer(int status)
{
	char code[16];

	snprintf(code, sizeof(code), "%d", status);
	metric_count(METRIC_HTTP_REQUESTS, code, NULL);
}

void httpd_reply(struct httpd_request *c, const struct httpd_answer *a)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	bool keep = c->has_head && c->head.keep_alive && a->status < 500 && a->status != 400 && !c->body_due;
	int status = a->status;

	if (status == 200 && a->etag != NULL && c->has_head &&
	    etag_matches(httpd_head_field(&c->head, "if-none-match"), a->etag))
		status = 304;
	count_answer(status);
	add_common(out, status, a->content_type, a->inline_style);
	add_fields(c, a, status);
	add_body(c, a, status, keep);
	finish(c, keep);
}

void httpd_reply_error(struct httpd_request *c, int status, const char *text)
{
	struct strbuf body = STRBUF_INIT(4096);
	struct httpd_answer a = {.status = status, .content_type = "text/plain; charset=utf-8"};

	strbuf_addf(&body, "%d %s: %s\n", status, reason(status), text);
	a.body = body.buf;
	a.n = body.len;
	httpd_reply(c, &a);
	strbuf_release(&body);
}

void httpd_stream_begin(struct httpd_request *c, const char *content_type)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	count_answer(200);
	add_common(out, 200, content_type, false);
	evbuffer_add_printf(out, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
	c->phase = PHASE_STREAM;
	event_del(c->timer);
}

int httpd_stream_send(struct httpd_request *c, const void *p, size_t n)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	if (evbuffer_get_length(out) + n > STREAM_BEHIND_MAX) {
		c->on_gone = NULL;
		httpd_drop(c);
		return -1;
	}
	evbuffer_add(out, p, n);
	return 0;
}

void httpd_stream_end(struct httpd_request *c)
{
	finish(c, false);
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		httpd_drop(c);
}
