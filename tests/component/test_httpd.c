/*
 * The server over real sockets: what it must refuse, what it must survive, and the headers of what it answers; once as
 * the page has it, and once taking POST.
 */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "base/err.h"
#include "net/httpd.h"
#include "net/payload.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <zlib.h>

#define DEADLINE_MS 20000
#define CONNECTIONS 40
#define PER_PEER    20

#define BODY_MAX   100000
#define PAGE_LINES 2000

static int port;
static pid_t server_pid;
static bool posting; /* the server takes POST; whatever else it must refuse is the same */

/* ---- the server: a process of its own ---- */

static void handle(struct httpd_request *req, void *arg)
{
	struct strbuf body = STRBUF_INIT(1 << 20);
	bool tagged = strncmp(httpd_path(req), "/tagged", 7) == 0;
	struct httpd_answer a = {
	    .status = 200, .content_type = "text/plain; charset=utf-8", .etag = tagged ? "v1" : NULL};

	if (strcmp(httpd_path(req), "/stream") == 0) {
		httpd_stream_begin(req, "text/event-stream; charset=utf-8");
		httpd_stream_send(req, "data: 1\n\n", 9);
		httpd_stream_end(req);
		return;
	}
	if (strcmp(httpd_path(req), "/missing") == 0) {
		httpd_reply_error(req, 404, "there is no such page");
		return;
	}
	strbuf_addf(
	    &body, "path=%s q=%s", httpd_path(req), httpd_param(req, "q") ? httpd_param(req, "q") : "-");
	if (httpd_is_post(req)) {
		size_t n;
		const char *p = httpd_body(req, &n);

		strbuf_addf(&body, " n=%zu body=", n);
		strbuf_add(&body, p, n);
	}
	if (tagged) {
		for (size_t i = 0; strcmp(httpd_path(req), "/tagged/page") == 0 && i < PAGE_LINES; i++)
			strbuf_addf(&body, "line %zu of a page that is read by many\n", i);
		a.payload = payload_new(&body);
	}
	a.body = body.buf;
	a.n = body.len;
	httpd_reply(req, &a);
	payload_unref(a.payload);
	strbuf_release(&body);
}

static bool may_post(struct httpd_request *req, void *arg)
{
	static const struct httpd_answer no = {
	    .status = 401, .content_type = "text/plain; charset=utf-8", .challenge = "Basic realm=\"x\""};

	if (strcmp(httpd_path(req), "/forbidden") != 0)
		return true;
	httpd_reply(req, &no);
	return false;
}

static void on_term(evutil_socket_t sig, short what, void *arg)
{
	event_base_loopbreak(arg);
}

static int serve(int out)
{
	struct event_base *base = event_base_new();
	struct strvec hosts = STRVEC_INIT;
	struct httpd_conf conf = {
	    .listen = "127.0.0.1:0", .hosts = &hosts, .max_connections = CONNECTIONS, .max_per_peer = PER_PEER};
	struct event *term = evsignal_new(base, SIGTERM, on_term, base);
	struct err err = ERR_INIT;
	struct httpd *s;
	int real;

	signal(SIGPIPE, SIG_IGN);
	event_add(term, NULL);
	strvec_push(&hosts, "status.example.org");
	if (posting) {
		conf.post_body_max = BODY_MAX;
		conf.may_post = may_post;
	}
	if ((s = httpd_new(base, &conf, handle, NULL, &err)) == NULL) {
		fprintf(stderr, "# %s\n", err.text);
		return 1;
	}
	real = httpd_port(s);
	if (write(out, &real, sizeof(real)) != sizeof(real))
		return 1;
	close(out);
	event_base_dispatch(base);
	httpd_free(s);
	event_free(term);
	event_base_free(base);
	strvec_release(&hosts);
	return 0;
}

static void start(void)
{
	int fds[2];

	if (pipe(fds) == -1)
		abort();
	fflush(stdout);
	if ((server_pid = fork()) == 0) {
		close(fds[0]);
		exit(serve(fds[1]));
	}
	close(fds[1]);
	ok(read(fds[0], &port, sizeof(port)) == sizeof(port) && port > 0,
	    "listens on a port of its own choice");
	close(fds[0]);
}

/* ---- a client that sends what it is told ---- */

static int dial(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Everything until the server closes (true) or nothing more comes for a while after something did. */
static bool read_all(int fd, struct strbuf *out, int quiet_ms)
{
	tm_ms end = clock_mono() + DEADLINE_MS;

	while (clock_mono() < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char buf[4096];
		ssize_t n;

		if (poll(&p, 1, out->len > 0 ? quiet_ms : DEADLINE_MS) <= 0)
			return false;
		if ((n = read(fd, buf, sizeof(buf))) <= 0)
			return true;
		strbuf_add(out, buf, (size_t)n);
	}
	return false;
}

/* Send n bytes; the answer's status (0: none), whether the server closed, and the whole answer. */
static int ask(const char *request, size_t n, bool *closed, struct strbuf *answer)
{
	int fd = dial(), status = 0;

	strbuf_reset(answer);
	for (size_t at = 0; at < n;) {
		ssize_t k = send(fd, request + at, n - at, MSG_NOSIGNAL);

		if (k <= 0)
			break;
		at += (size_t)k;
	}
	*closed = read_all(fd, answer, 150);
	close(fd);
	if (strncmp(answer->buf, "HTTP/1.1 ", 9) == 0)
		status = (int)strtol(answer->buf + 9, NULL, 10);
	return status;
}

#define H    "Host: 127.0.0.1\r\n"
#define END  "\r\n"
#define R(s) s, sizeof(s) - 1

static const struct row {
	const char *request;
	size_t n;
	int status, or_status;
	bool closes;
	const char *holds, *what;
} rows[] = {
    {R("GET / HTTP/1.1\r\n" H END), 200, 0, false, "path=/", "a plain request"},
    {R("HEAD / HTTP/1.1\r\n" H END), 200, 0, false, "Content-Length: 10\r\n",
        "HEAD has the length of the body it leaves out"},
    {R("GET / HTTP/1.0\r\n" H END), 200, 0, true, "path=/", "HTTP/1.0 is answered and closed"},
    {R("PUT / HTTP/1.1\r\n" H END), 405, 0, true, "Allow: GET, HEAD", "PUT"},
    {R("DELETE / HTTP/1.1\r\n" H END), 405, 0, true, "Allow: GET, HEAD", "DELETE"},
    {R("PATCH / HTTP/1.1\r\n" H END), 405, 0, true, "Allow: GET, HEAD", "PATCH"},
    {R("OPTIONS / HTTP/1.1\r\n" H END), 405, 501, true, NULL, "OPTIONS"},
    {R("TRACE / HTTP/1.1\r\n" H END), 405, 501, true, NULL, "TRACE"},
    {R("BREW / HTTP/1.1\r\n" H END), 501, 0, true, NULL, "a method nobody knows"},
    {R("CONNECT x:1 HTTP/1.1\r\n" H END), 405, 400, true, NULL, "CONNECT is closed"},
    {R("GET / HTTP/1.1\r\n" END), 400, 0, true, NULL, "no Host"},
    {R("GET / HTTP/1.1\r\n" H "Host: localhost\r\n" END), 400, 0, true, NULL, "two Hosts"},
    {R("GET / HTTP/1.1\r\nHost: evil.example\r\n" END), 421, 403, true, NULL, "a foreign Host"},
    {R("GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n" END), 421, 403, true, NULL,
        "a foreign Host that begins like ours"},
    {R("GET / HTTP/1.1\r\nHost: localhost:8080\r\n" END), 200, 0, false, NULL, "localhost with a port"},
    {R("GET / HTTP/1.1\r\nHost: [::1]:80\r\n" END), 200, 0, false, NULL, "the other loopback"},
    {R("GET / HTTP/1.1\r\nHost: status.example.org\r\n" END), 200, 0, false, NULL, "a configured name"},
    {R("GET / HTTP/1.9\r\n" H END), 400, 505, true, NULL, "HTTP/1.9"},
    {R("GET / HTTP/2.0\r\n" H END), 400, 505, true, NULL, "HTTP/2.0"},
    {R("GET http://localhost/abs HTTP/1.1\r\n" H END), 200, 0, false, "path=/abs",
        "an absolute URI is taken apart"},
    {R("GET http://evil.example/ HTTP/1.1\r\n" H END), 421, 403, true, NULL,
        "an absolute URI of a foreign host"},
    {R("GET /a/../b HTTP/1.1\r\n" H END), 200, 0, false, "path=/a/../b ", "dots are not followed"},
    {R("GET /%2e%2e/x HTTP/1.1\r\n" H END), 200, 0, false, "path=/../x ", "nor decoded ones"},
    {R("GET /%2541 HTTP/1.1\r\n" H END), 200, 0, false, "path=/%41 ", "decoded once only"},
    {R("GET /a%00b HTTP/1.1\r\n" H END), 400, 404, true, NULL, "%00 in the path"},
    {R("GET /a%0d%0ab HTTP/1.1\r\n" H END), 400, 404, true, NULL, "a line end in the path"},
    {R("GET /a%zz HTTP/1.1\r\n" H END), 400, 404, true, NULL, "a broken escape"},
    {R("GET /?q=a%20b+c HTTP/1.1\r\n" H END), 200, 0, false, "q=a b c", "a query is decoded"},
    {R("GET / HTTP/1.1\r\n" H "X: a\0b\r\n" END), 400, 0, true, NULL, "NUL in a value"},
    {R("GET / HTTP/1.1\n" H END), 400, 0, true, NULL, "bare LF after the request line"},
    {R("GET / HTTP/1.1\r\nHost: localhost\n" END), 400, 0, true, NULL, "bare LF after a field"},
    {R("GET / HTTP/1.1\nHost: localhost\n\n"), 400, 0, true, NULL, "only bare LFs"},
    {R("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n" END), 400, 0, true, NULL, "a folded line"},
    {R("GET / HTTP/1.1\r\nHost : localhost\r\n" END), 400, 0, true, NULL, "a blank before the colon"},
    {R("GET / HTTP/1.1\r\n" H "no colon\r\n" END), 400, 0, true, NULL, "a field without a colon"},
    {R("GET / HTTP/1.1\r\n" H "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n" END "0\r\n\r\n"), 400, 0,
        true, NULL, "length and chunks"},
    {R("GET / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n" END), 400, 0, true, NULL, "an unknown coding"},
    {R("GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" END "1;x=y\r\na\r\n0\r\n\r\n"), 400, 413, true,
        NULL, "chunks with an extension"},
    {R("GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n" END), 400, 0, true, NULL,
        "two different lengths"},
    {R("GET / HTTP/1.1\r\n" H "Content-Length: +3\r\n" END), 400, 413, true, NULL, "a signed length"},
    {R("GET / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n" END), 400, 413, true, NULL,
        "a length beyond numbers"},
    {R("GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n" END), 200, 0, false, NULL, "a body of nothing is none"},
    {R("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), 400, 501, true, NULL, "a TLS greeting"},
    {R("GET /tagged HTTP/1.1\r\n" H "If-None-Match: \"v1\"\r\n" END), 304, 0, false, "ETag: W/\"v1\"\r\n",
        "what the client has is not sent again"},
    {R("GET /tagged HTTP/1.1\r\n" H "If-None-Match: \"v0\", W/\"v1\"\r\n" END), 304, 0, false,
        "Cache-Control: private, no-cache\r\n", "one of several it has"},
    {R("GET /tagged HTTP/1.1\r\n" H "If-None-Match: *\r\n" END), 304, 0, false, NULL, "whatever it has"},
    {R("HEAD /tagged HTTP/1.1\r\n" H "If-None-Match: \"v1\"\r\n" END), 304, 0, false, NULL,
        "HEAD of what it has"},
    {R("GET /tagged HTTP/1.1\r\n" H "If-None-Match: \"v\", v1, \"v11\"\r\n" END), 200, 0, false, "path=/tagged",
        "what it has not"},
    {R("GET / HTTP/1.1\r\n" H "If-None-Match: *\r\n" END), 200, 0, false, "Cache-Control: no-store\r\n",
        "no tag, no copy"},
    {R("GET /tagged HTTP/1.1\r\n" H "Accept-Encoding: gzip\r\n" END), 200, 0, false, "\r\n\r\npath=/tagged",
        "what is short is not packed"},
    {R("HEAD /tagged/page HTTP/1.1\r\n" H "Accept-Encoding: gzip\r\n" END), 200, 0, false,
        "Content-Encoding: gzip\r\n", "HEAD of what is packed"},
    {R("GET /tagged/page HTTP/1.1\r\n" H "Accept-Encoding: gzip;q=0, br\r\n" END), 200, 0, false,
        "\r\n\r\npath=/tagged/page", "nothing is packed for who cannot unpack"},
    {R("GET / HTTP/1.1\r\n" H "Content-Length: 2\r\n" END "hi"), 413, 400, true, NULL, "GET with a body"},
    {R("GET /missing HTTP/1.1\r\n" H END), 404, 0, false, "Content-Security-Policy: default-src 'none'",
        "errors bear the same headers"},
    {R("GET /stream HTTP/1.1\r\n" H END), 200, 0, true, "data: 1\n\n", "a stream ends with its connection"},
};

/* Of a server that is only asked. */
static const struct row page_rows[] = {
    {R("POST / HTTP/1.1\r\n" H "Content-Length: 2\r\n" END "hi"), 405, 0, true, "Allow: GET, HEAD\r\n", "POST"},
    {R("POST / HTTP/1.1\r\n" H END), 405, 0, true, "Allow: GET, HEAD\r\n", "POST without a body"},
};

#define P "POST / HTTP/1.1\r\n" H

/* Of one that is told things. */
static const struct row post_rows[] = {
    {R(P "Content-Length: 2\r\n" END "hi"), 200, 0, false, "n=2 body=hi", "POST"},
    {R("POST /a?q=b HTTP/1.1\r\n" H "Content-Length: 2\r\n" END "hi"), 200, 0, false, "path=/a q=b n=2",
        "POST has a path and a query too"},
    {R("POST / HTTP/1.0\r\n" H "Content-Length: 2\r\n" END "hi"), 200, 0, true, "n=2 body=hi",
        "POST of HTTP/1.0"},
    {R(P "Content-Length: 0\r\n" END), 200, 0, false, "n=0 body=", "POST of nothing"},
    {R(P "Content-Length: 00002\r\n" END "hi"), 200, 0, false, "n=2 body=hi", "zeros before a length"},
    {R(P "Content-Length: 3\r\n" END "a\0\n"), 200, 0, false, "n=3 body=a", "a body of any bytes"},
    {R(P END), 411, 0, true, NULL, "POST without a length"},
    {R(P "Content-Length: 100001\r\n" END "hi"), 413, 0, true, NULL, "POST of more than is taken"},
    {R(P "Content-Length: 99999999999999999999\r\n" END), 413, 0, true, NULL, "a length beyond numbers"},
    {R(P "Content-Length: -1\r\n" END), 400, 0, true, NULL, "a negative length"},
    {R(P "Content-Length: +2\r\n" END "hi"), 400, 0, true, NULL, "a signed length"},
    {R(P "Content-Length: 2 \r\n" END "hi"), 200, 0, false, "n=2 ", "a blank behind a length"},
    {R(P "Content-Length: 0x2\r\n" END "hi"), 400, 0, true, NULL, "a length in hex"},
    {R(P "Content-Length:\r\n" END "hi"), 400, 0, true, NULL, "an empty length"},
    {R(P "Content-Length: 2, 2\r\n" END "hi"), 400, 0, true, NULL, "a list of lengths"},
    {R(P "Content-Length: 2\r\nContent-Length: 2\r\n" END "hi"), 400, 0, true, NULL, "a length said twice"},
    {R(P "Content-Length: 2\r\nContent-Length: 3\r\n" END "hi"), 400, 0, true, NULL, "two different lengths"},
    {R(P "Transfer-Encoding: chunked\r\n" END "2\r\nhi\r\n0\r\n\r\n"), 400, 0, true, NULL, "chunks"},
    {R(P "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n" END "hi"), 400, 0, true, NULL,
        "an unknown coding"},
    {R(P "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n" END "0\r\n\r\nGET /smuggled HTTP/1.1\r\n" H END),
        400, 0, true, NULL, "length and chunks: nothing is smuggled"},
    {R(P "Transfer-Encoding: identity\r\nContent-Length: 2\r\n" END "hi"), 400, 0, true, NULL, "any coding"},
    {R(P "Content-Length: 2\r\nExpect: 100-continue\r\n" END "hi"), 200, 0, false, NULL, NULL},
    {R(P "Content-Length: 2\r\nExpect: a miracle\r\n" END "hi"), 417, 0, true, NULL, "an unknown expectation"},
    {R("POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n" END "hi"), 421, 0, true, NULL,
        "POST to a foreign Host"},
    {R("POST / HTTP/1.1\r\nContent-Length: 2\r\n" END "hi"), 400, 0, true, NULL, "POST without Host"},
    {R("POST /forbidden HTTP/1.1\r\n" H "Content-Length: 2\r\n" END "hi"), 401, 0, true,
        "WWW-Authenticate: Basic realm=\"x\"\r\n", "who may not post is told so"},
    {R("POST /forbidden HTTP/1.1\r\n" H "Content-Length: 90000\r\nExpect: 100-continue\r\n" END), 401, 0, true,
        NULL, "and is not asked for the body"},
    {R("PUT / HTTP/1.1\r\n" H "Content-Length: 2\r\n" END "hi"), 405, 0, true, "Allow: GET, HEAD, POST\r\n",
        "PUT is still refused"},
};

static void check_row(const struct row *r, struct strbuf *answer)
{
	bool closed;
	int status = ask(r->request, r->n, &closed, answer);
	bool good = status == r->status || (r->or_status != 0 && status == r->or_status);

	if (r->what != NULL)
		ok(good && closed == r->closes && (r->holds == NULL || strstr(answer->buf, r->holds) != NULL),
		    "%s: %d%s", r->what, status, closed ? ", closed" : "");
	else
		ok(strncmp(answer->buf, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", 42) == 0 &&
		        strstr(answer->buf, "n=2 body=hi") != NULL,
		    "who waits to be asked for the body is asked for it");
	ok(strstr(answer->buf, "smuggled") == NULL, "one answer for one request");
}

static void test_table(void)
{
	struct strbuf answer = STRBUF_INIT(1 << 20);

	for (size_t i = 0; i < NITEMS(rows); i++)
		check_row(&rows[i], &answer);
	for (size_t i = 0; !posting && i < NITEMS(page_rows); i++)
		check_row(&page_rows[i], &answer);
	for (size_t i = 0; posting && i < NITEMS(post_rows); i++)
		check_row(&post_rows[i], &answer);
	strbuf_release(&answer);
}

/* The whole of what is taken at once, in pieces of every size, and refused ones whose answer must not be lost. */
static void test_bodies(void)
{
	static const struct {
		const char *path;
		size_t n;
		int status;
	} big[] = {{"/", 1, 200}, {"/", 8191, 200}, {"/", 8193, 200}, {"/", BODY_MAX, 200},
	    {"/", BODY_MAX + 1, 413}, {"/", 50 * BODY_MAX, 413}, {"/forbidden", BODY_MAX, 401}};

	for (size_t i = 0; i < NITEMS(big); i++) {
		struct strbuf request = STRBUF_INIT(8 << 20), answer = STRBUF_INIT(1 << 20);
		bool closed;
		int status;

		strbuf_addf(
		    &request, "POST %s HTTP/1.1\r\n" H "Content-Length: %zu\r\n" END, big[i].path, big[i].n);
		for (size_t k = 0; k < big[i].n; k++)
			strbuf_addch(&request, k + 1 < big[i].n ? 'x' : '!');
		status = ask(request.buf, request.len, &closed, &answer);
		ok(status == big[i].status && closed == (status != 200) &&
		        (status != 200 || (answer.len > big[i].n && answer.buf[answer.len - 1] == '!')),
		    "a body of %zu to %s: %d", big[i].n, big[i].path, status);
		strbuf_release(&request);
		strbuf_release(&answer);
	}
}

static void test_pipelined_bodies(void)
{
	static const char three[] =
	    "POST /one HTTP/1.1\r\n" H "Content-Length: 4\r\n" END "GET " P "Content-Length: 3\r\n" END "two"
	    "GET /three HTTP/1.1\r\n" H "Connection: close\r\n" END;
	struct strbuf answer = STRBUF_INIT(1 << 20);
	const char *one, *second, *third;
	bool closed;

	ask(three, sizeof(three) - 1, &closed, &answer);
	one = strstr(answer.buf, "path=/one q=- n=4 body=GET ");
	second = strstr(answer.buf, "path=/ q=- n=3 body=two");
	third = strstr(answer.buf, "path=/three");
	ok(one != NULL && second > one && third > second && closed, "a body ends where its length says");
	strbuf_release(&answer);
}

static void test_headers(void)
{
	static const char *const wanted[] = {"Content-Type: text/plain; charset=utf-8\r\n",
	    "Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self';",
	    "base-uri 'none'", "frame-ancestors 'none'", "X-Content-Type-Options: nosniff\r\n",
	    "X-Frame-Options: DENY\r\n", "Referrer-Policy: no-referrer\r\n",
	    "Cross-Origin-Resource-Policy: same-origin\r\n", "Cross-Origin-Opener-Policy: same-origin\r\n",
	    "Cache-Control: no-store\r\n"};
	static const char *const unwanted[] = {"Server:", "Access-Control-", "unsafe-inline", "unsafe-eval"};
	static const char request[] = "GET / HTTP/1.1\r\n" H END;
	struct strbuf answer = STRBUF_INIT(1 << 20);
	bool closed;

	ask(request, sizeof(request) - 1, &closed, &answer);
	for (size_t i = 0; i < NITEMS(wanted); i++)
		ok(strstr(answer.buf, wanted[i]) != NULL, "the answer has %.15s", wanted[i]);
	for (size_t i = 0; i < NITEMS(unwanted); i++)
		ok(strstr(answer.buf, unwanted[i]) == NULL, "the answer has no %s", unwanted[i]);
	strbuf_release(&answer);
}

/* A head of many bytes: one long value, many fields, or a long target. */
static void test_sizes(void)
{
	static const struct {
		const char *begin, *unit;
		size_t times;
		const char *end, *what;
	} big[] = {
	    {"GET / HTTP/1.1\r\n" H "X: ", "a", 9000, "\r\n\r\n", "a field of 9 kB"},
	    {"GET / HTTP/1.1\r\n" H "X: ", "a", 1000000, "\r\n\r\n", "a field of 1 MB"},
	    {"GET / HTTP/1.1\r\n" H, "X: y\r\n", 20000, "\r\n", "20,000 fields"},
	    {"GET / HTTP/1.1\r\n" H, "X: y\r\n", 500, "\r\n", "500 small fields"},
	    {"GET /", "a", 100000, " HTTP/1.1\r\n" H END, "a target of 100 kB"},
	    {"GET /", "a", 6000, " HTTP/1.1\r\n" H END, "a target of 6 kB"},
	    {"GET /?", "a=b&", 100, " HTTP/1.1\r\n" H END, "100 parameters"},
	};

	for (size_t i = 0; i < NITEMS(big); i++) {
		struct strbuf request = STRBUF_INIT(4 << 20), answer = STRBUF_INIT(1 << 20);
		bool closed;
		int status;

		strbuf_addstr(&request, big[i].begin);
		for (size_t k = 0; k < big[i].times; k++)
			strbuf_addstr(&request, big[i].unit);
		strbuf_addstr(&request, big[i].end);
		status = ask(request.buf, request.len, &closed, &answer);
		/* Bytes still on their way may turn the answer into a reset. */
		ok(closed && (status == 400 || status == 414 || status == 431 ||
		                 (status == 0 && request.len > 65536)),
		    "%s: %d", big[i].what, status);
		strbuf_release(&request);
		strbuf_release(&answer);
	}
}

static size_t length_in(const struct strbuf *answer)
{
	const char *field = strstr(answer->buf, "Content-Length: ");

	return field ? strtoul(field + 16, NULL, 10) : 0;
}

/* The same page, packed and plain, by GET and by HEAD. */
static void test_packed(void)
{
	static const char plain[] = "GET /tagged/page HTTP/1.1\r\n" H END,
	                  gzip[] = "GET /tagged/page HTTP/1.1\r\n" H "Accept-Encoding: gzip\r\n" END,
	                  head[] = "HEAD /tagged/page HTTP/1.1\r\n" H "Accept-Encoding: gzip\r\n" END;
	struct strbuf want = STRBUF_INIT(1 << 20), got = STRBUF_INIT(1 << 20), only = STRBUF_INIT(1 << 20);
	char *text = xmalloc(1 << 20), *body, *page;
	z_stream z = {.next_out = (unsigned char *)text, .avail_out = 1 << 20};
	bool closed;

	ask(plain, sizeof(plain) - 1, &closed, &want);
	ask(gzip, sizeof(gzip) - 1, &closed, &got);
	ask(head, sizeof(head) - 1, &closed, &only);
	page = strstr(want.buf, "\r\n\r\n") + 4;
	body = strstr(got.buf, "\r\n\r\n") + 4;
	is_int((int64_t)length_in(&want), want.buf + want.len - page, "plain: as long as it says");
	is_int((int64_t)length_in(&got), got.buf + got.len - body, "packed: as long as it says");
	ok(length_in(&got) < length_in(&want) / 4, "which is much shorter");
	is_int((int64_t)length_in(&only), (int64_t)length_in(&got), "HEAD tells the length of what GET brings");
	ok(strcmp(strstr(only.buf, "\r\n\r\n"), "\r\n\r\n") == 0, "and brings nothing");
	ok(strstr(want.buf, "Vary: Accept-Encoding\r\n") != NULL &&
	        strstr(got.buf, "Vary: Accept-Encoding\r\n") != NULL,
	    "both say what they depend on");
	z.next_in = (unsigned char *)body;
	z.avail_in = (unsigned)length_in(&got);
	ok(inflateInit2(&z, 15 + 16) == Z_OK && inflate(&z, Z_FINISH) == Z_STREAM_END &&
	        z.total_out == length_in(&want) && memcmp(text, page, z.total_out) == 0,
	    "unpacked it is the same page");
	inflateEnd(&z);
	free(text);
	strbuf_release(&want);
	strbuf_release(&got);
	strbuf_release(&only);
}

static void test_pipelining(void)
{
	static const char two[] =
	    "GET /one HTTP/1.1\r\n" H END "GET /two HTTP/1.1\r\n" H "Connection: close\r\n" END;
	struct strbuf answer = STRBUF_INIT(1 << 20);
	const char *one, *second;
	bool closed;

	ask(two, sizeof(two) - 1, &closed, &answer);
	one = strstr(answer.buf, "path=/one");
	second = strstr(answer.buf, "path=/two");
	ok(one != NULL && second > one && closed, "two requests at once are answered in order");
	strbuf_release(&answer);
}

/* Byte by byte, and never the end: it is over after the whole request's deadline, not after each byte's. */
static void check_slow(const char *head)
{
	tm_ms began = clock_mono();
	bool closed = false;
	int fd = dial();

	for (size_t i = 0; !closed && clock_mono() - began < 2 * HTTPD_REQUEST_MS; i++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char c = i < strlen(head) ? head[i] : 'a', buf[512];

		closed = send(fd, &c, 1, MSG_NOSIGNAL) != 1 ||
		         (poll(&p, 1, 100) == 1 && read(fd, buf, sizeof(buf)) <= 0);
	}
	ok(closed && clock_mono() - began < HTTPD_REQUEST_MS + 5000, "a slow sender is cut off after %d s",
	    HTTPD_REQUEST_MS / 1000);
	close(fd);
}

static void test_slow_sender(void)
{
	check_slow(posting ? P "Content-Length: 90000\r\n" END : "GET / HTTP/1.1\r\n" H "X: ");
}

/* How many of n connections are refused. */
static int count_refused(int n)
{
	int fd[PER_PEER + 5], refused = 0;

	for (int i = 0; i < n; i++)
		fd[i] = dial();
	for (int i = 0; i < n; i++) {
		struct pollfd p = {.fd = fd[i], .events = POLLIN};
		char c;

		refused += poll(&p, 1, i < PER_PEER ? 0 : DEADLINE_MS) == 1 && read(fd[i], &c, 1) <= 0;
	}
	for (int i = 0; i < n; i++)
		close(fd[i]);
	return refused;
}

static void test_many(void)
{
	static const char request[] = "GET / HTTP/1.1\r\n" H END;
	struct strbuf answer = STRBUF_INIT(1 << 20);
	tm_ms end = clock_mono() + DEADLINE_MS;
	int refused;
	bool closed;

	/* Until the server has seen the end of the connections before. */
	while ((refused = count_refused(PER_PEER + 5)) != 5 && clock_mono() < end)
		continue;
	is_int(refused, 5, "connections beyond the limit of one address are refused");
	for (end = clock_mono() + DEADLINE_MS; clock_mono() < end;)
		if (ask(request, sizeof(request) - 1, &closed, &answer) == 200)
			break;
	ok(strstr(answer.buf, "path=/") != NULL, "and once they left there is room again");
	strbuf_release(&answer);
}

/* Readers that leave in the middle of their answer must not take the server with them. */
static void test_leavers(void)
{
	static const char request[] = "GET / HTTP/1.1\r\n" H END;
	struct strbuf answer = STRBUF_INIT(1 << 20);
	struct linger hard = {.l_onoff = 1};
	bool closed;

	for (int i = 0; i < 200; i++) {
		int fd = dial();

		if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == -1)
			abort();
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
	}
	for (tm_ms end = clock_mono() + DEADLINE_MS; clock_mono() < end;)
		if (ask(request, sizeof(request) - 1, &closed, &answer) == 200)
			break;
	ok(strstr(answer.buf, "path=/") != NULL, "200 readers that left at once do no harm");
	strbuf_release(&answer);
}

static void test_end(void)
{
	int status;

	kill(server_pid, SIGTERM);
	ok(waitpid(server_pid, &status, 0) == server_pid && WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the server ends cleanly");
}

int main(void)
{
	tap_run(start);
	tap_run(test_table);
	tap_run(test_headers);
	tap_run(test_sizes);
	tap_run(test_packed);
	tap_run(test_pipelining);
	tap_run(test_many);
	tap_run(test_leavers);
	tap_run(test_slow_sender);
	tap_run(test_end);
	posting = true;
	tap_run(start);
	tap_run(test_table);
	tap_run(test_headers);
	tap_run(test_sizes);
	tap_run(test_pipelining);
	tap_run(test_bodies);
	tap_run(test_pipelined_bodies);
	tap_run(test_many);
	tap_run(test_leavers);
	tap_run(test_slow_sender);
	tap_run(test_end);
	return tap_done();
}
