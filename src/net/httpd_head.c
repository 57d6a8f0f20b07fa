#include "config.h"

#include "net/httpd_head.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "net/httpd.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64
#define TARGET_MAX 4096

static void refuse(struct httpd_head *h, int status, const char *why)
{
	if (h->status == 0) {
		h->status = status;
		h->why = why;
	}
}

static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && (s[i] == '\0' || strchr("!#$%&'*+-.^_`|~", s[i]) == NULL))
			return false;
	return n > 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode %xx once (and + in queries); NULL on bad sequences and on control characters in the result. */
static char *decode(const char *s, size_t n, bool plus)
{
	char *out = xmalloc(n + 1);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			bool room = i + 2 < n;
			int hi = room ? hex_value(s[i + 1]) : -1, lo = room ? hex_value(s[i + 2]) : -1;

			if (hi == -1 || lo == -1)
				goto bad;
			c = hi << 4 | lo;
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c < 0x20 || c == 0x7f)
			goto bad;
		out[k++] = (char)c;
	}
	out[k] = '\0';
	return out;
bad:
	free(out);
	return NULL;
}

static void parse_query(struct httpd_head *h, const char *s)
{
	while (s != NULL && *s != '\0') {
		size_t n = strcspn(s, "&"), eq = MIN(strcspn(s, "="), n);
		char *name = decode(s, eq, true),
		     *value = eq < n ? decode(s + eq + 1, n - eq - 1, true) : xstrdup("");

		if (name == NULL || value == NULL || h->params.n >= HTTPD_PARAMS_MAX) {
			refuse(h, 400, "bad query");
		} else if (name[0] != '\0') {
			strvec_push(&h->params, name);
			strvec_push(&h->pvalues, value);
		}
		free(name);
		free(value);
		s += n + (s[n] == '&');
	}
}

/* "http://host/path" is allowed by the standard; the host part must pass like a Host field, which the caller checks. */
static const char *skip_origin(const char *target, struct httpd_head *h)
{
	const char *rest;

	if (target[0] == '/')
		return target;
	if (strncasecmp(target, "http://", 7) != 0) {
		refuse(h, 400, "bad target");
		return "/";
	}
	rest = strchr(target + 7, '/');
	strvec_push(&h->names, ":authority");
	strvec_pushn(&h->values, target + 7, rest ? (size_t)(rest - target - 7) : strlen(target + 7));
	return rest ? rest : "/";
}

static void parse_target(struct httpd_head *h)
{
	const char *s = skip_origin(h->target, h), *q = strchr(s, '?');
	size_t n = q ? (size_t)(q - s) : strlen(s);

	if ((h->path = decode(s, n, false)) == NULL)
		refuse(h, 400, "bad path");
	if (q != NULL)
		parse_query(h, q + 1);
}

static void parse_method(struct httpd_head *h, const char *s, size_t n, bool may_post)
{
	static const char *const known[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH"};

	if ((n == 3 && memcmp(s, "GET", 3) == 0) || (n == 4 && memcmp(s, "HEAD", 4) == 0)) {
		h->head = n == 4;
		return;
	}
	if (may_post && n == 4 && memcmp(s, "POST", 4) == 0) {
		h->post = true;
		return;
	}
	for (size_t i = 0; i < NITEMS(known); i++)
		if (strlen(known[i]) == n && memcmp(known[i], s, n) == 0) {
			refuse(h, 405, may_post ? "only POST brings something" : "this page is read-only");
			return;
		}
	refuse(h, is_token(s, n) ? 501 : 400, "unknown method");
}

static void parse_request_line(struct httpd_head *h, const char *s, size_t n, bool may_post)
{
	const char *sp1 = memchr(s, ' ', n),
	           *sp2 = sp1 ? memchr(sp1 + 1, ' ', (size_t)(s + n - sp1 - 1)) : NULL;

	h->target = xstrdup("/");
	if (sp2 == NULL || memchr(sp2 + 1, ' ', (size_t)(s + n - sp2 - 1)) != NULL) {
		refuse(h, 400, "bad request line");
		return;
	}
	parse_method(h, s, (size_t)(sp1 - s), may_post);
	if (s + n - sp2 - 1 != 8 ||
	    (memcmp(sp2 + 1, "HTTP/1.1", 8) != 0 && memcmp(sp2 + 1, "HTTP/1.0", 8) != 0)) {
		refuse(h, memcmp(sp2 + 1, "HTTP/", MIN((size_t)5, (size_t)(s + n - sp2 - 1))) == 0 ? 505 : 400,
		    "HTTP/1.1 is spoken here");
		return;
	}
	h->keep_alive = sp2[8] == '1';
	if (sp2 - sp1 - 1 > TARGET_MAX) {
		refuse(h, 414, "the target is too long");
		return;
	}
	free(h->target);
	h->target = xstrndup(sp1 + 1, (size_t)(sp2 - sp1 - 1));
	for (const char *p = h->target; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			refuse(h, 400, "bad byte in the target");
	parse_target(h);
}

static void parse_field(struct httpd_head *h, const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t len = colon ? (size_t)(colon - s) : 0;
	char *name;

	if (!is_token(s, len) || h->names.n >= FIELDS_MAX) {
		refuse(h, h->names.n >= FIELDS_MAX ? 431 : 400, "bad header field");
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f) {
			refuse(h, 400, "control character in a header field");
			return;
		}
	name = xstrndup(s, len);
	for (char *p = name; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	for (colon++, n -= len + 1; n > 0 && (*colon == ' ' || *colon == '\t'); colon++)
		n--;
	while (n > 0 && (colon[n - 1] == ' ' || colon[n - 1] == '\t'))
		n--;
	strvec_push(&h->names, name);
	strvec_pushn(&h->values, colon, n);
	free(name);
}

static size_t count_field(const struct httpd_head *h, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < h->names.n; i++)
		count += strcmp(h->names.v[i], name) == 0;
	return count;
}

/* Digits alone, and a number that max holds; -1 otherwise, with what is to be answered. */
static int64_t read_length(struct httpd_head *h, const char *length, size_t max)
{
	size_t n = strlen(length);
	int64_t value = 0;

	if (n == 0 || strspn(length, "0123456789") < n) {
		refuse(h, 400, "a length is a decimal number");
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		if ((value = value * 10 + (length[i] - '0')) > (int64_t)max) {
			refuse(h, 413, max > 0 ? "the body is too large" : "a request has no body here");
			return -1;
		}
	return value;
}

/* The one framing there is: a single Content-Length.  Chunks are what smuggling is made of, and no sender needs them. */
static void judge_body(struct httpd_head *h, size_t body_max)
{
	const char *length = httpd_head_field(h, "content-length"), *expect = httpd_head_field(h, "expect");
	int64_t n = 0;

	if (httpd_head_field(h, "transfer-encoding") != NULL || count_field(h, "content-length") > 1)
		refuse(h, 400,
		    h->post ? "one Content-Length is the only framing here" : "a request has no body here");
	else if (length != NULL)
		n = read_length(h, length, h->post ? body_max : 0);
	else if (h->post)
		refuse(h, 411, "Content-Length is missing");
	if (h->post && expect != NULL && strcasecmp(expect, "100-continue") != 0)
		refuse(h, 417, "unknown expectation");
	h->body = n > 0 ? (size_t)n : 0;
	h->expects = expect != NULL && h->body > 0;
}

static void judge_fields(struct httpd_head *h, size_t body_max)
{
	const char *connection = httpd_head_field(h, "connection");

	if (count_field(h, "host") != 1)
		refuse(h, 400, "exactly one Host field is needed");
	judge_body(h, body_max);
	if (connection != NULL && strcasecmp(connection, "close") == 0)
		h->keep_alive = false;
	else if (connection != NULL && strcasecmp(connection, "keep-alive") == 0)
		h->keep_alive = true;
}

void httpd_head_parse(struct httpd_head *h, const char *head, size_t n, size_t body_max)
{
	const char *s = head, *end = head + n;
	bool first = true;

	*h = (struct httpd_head){0};
	while (s < end) {
		const char *lf = memchr(s, '\n', (size_t)(end - s));
		size_t len = lf ? (size_t)(lf - s) : (size_t)(end - s);

		/* CRLF alone ends a line: whoever sends LF, or folds lines, is not a client we know. */
		if (lf == NULL || len == 0 || s[len - 1] != '\r') {
			refuse(h, 400, "lines end with CRLF");
			break;
		}
		if (--len == 0)
			break;
		if (first)
			parse_request_line(h, s, len, body_max > 0);
		else
			parse_field(h, s, len);
		first = false;
		s = lf + 1;
	}
	if (first)
		refuse(h, 400, "empty request");
	judge_fields(h, body_max);
	if (h->target == NULL)
		h->target = xstrdup("/");
	if (h->path == NULL)
		h->path = xstrdup("/");
}

int httpd_head_of_target(struct httpd_head *h, const char *target)
{
	char *head = xasprintf("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);

	httpd_head_parse(h, head, strlen(head), 0);
	free(head);
	return h->status == 0 ? 0 : -1;
}

void httpd_head_release(struct httpd_head *h)
{
	free(h->target);
	free(h->path);
	strvec_release(&h->names);
	strvec_release(&h->values);
	strvec_release(&h->params);
	strvec_release(&h->pvalues);
	*h = (struct httpd_head){0};
}

static const char *value_of(const struct strvec *names, const struct strvec *values, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->v[i], name) == 0)
			return values->v[i];
	return NULL;
}

const char *httpd_head_field(const struct httpd_head *h, const char *name)
{
	return value_of(&h->names, &h->values, name);
}

const char *httpd_head_param(const struct httpd_head *h, const char *name)
{
	return value_of(&h->params, &h->pvalues, name);
}

static bool is_port(const char *s)
{
	return strspn(s, "0123456789") == strlen(s) && strlen(s) <= 5;
}

/* The host without its port; brackets of IPv6 kept. */
static size_t host_length(const char *value)
{
	const char *end = value[0] == '[' ? strchr(value, ']') : strchr(value, ':');

	if (value[0] == '[')
		end = end ? end + 1 : NULL;
	if (end == NULL)
		return value[0] == '[' ? 0 : strlen(value);
	if (*end != '\0' && (*end != ':' || !is_port(end + 1)))
		return 0;
	return (size_t)(end - value);
}

static bool same_host(const char *value, size_t n, const char *host)
{
	return strlen(host) == n && strncasecmp(value, host, n) == 0;
}

bool httpd_host_allowed(const char *value, const char *own, const struct strvec *hosts)
{
	static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};
	size_t n = host_length(value);

	if (n == 0)
		return false;
	for (size_t i = 0; i < NITEMS(loopback); i++)
		if (same_host(value, n, loopback[i]))
			return true;
	if (same_host(value, n, own))
		return true;
	for (size_t i = 0; hosts != NULL && i < hosts->n; i++)
		if (same_host(value, n, hosts->v[i]))
			return true;
	return false;
}
