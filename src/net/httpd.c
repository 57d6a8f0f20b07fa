#include "config.h"

#include "net/httpd.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/httpd_head.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define ACCEPT_PAUSE_S    1
#define STREAM_BEHIND_MAX (256 << 10) /* unread bytes of a stream before its client counts as gone */

enum phase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_HANDLED, PHASE_STREAM, PHASE_LAST, PHASE_LINGER };

struct peer;

struct httpd_request { /* and its connection: one request at a time */
	LIST_ENTRY(httpd_request) link;
	struct httpd *server;
	struct bufferevent *bev;
	struct event *timer;
	struct peer *peer;
	enum phase phase;
	struct httpd_head head;
	bool has_head, body_due; /* body_due: bytes of it are still to come, or to be left alone */
	struct evbuffer *body; /* whole; NULL: none */
	void (*on_gone)(void *);
	void *gone_arg;
};

struct peer { /* connections by address */
	LIST_ENTRY(peer) link;
	struct in6_addr addr;
	int64_t n;
};

struct httpd {
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *resume;
	httpd_handler *handler;
	void *arg;
	char *own_host;
	struct strvec hosts;
	int64_t max_connections, max_per_peer;
	size_t post_body_max;
	bool (*may_post)(struct httpd_request *, void *arg);
	const char *option;
	LIST_HEAD(, httpd_request) connections;
	LIST_HEAD(, peer) peers;
	struct httpd_stats stats;
};

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

/* ---- connections ---- */

static void connection_free(struct httpd_request *c)
{
	if (c->on_gone != NULL)
		c->on_gone(c->gone_arg);
	if (c->has_head)
		httpd_head_release(&c->head);
	if (c->body != NULL)
		evbuffer_free(c->body);
	if (--c->peer->n == 0) {
		LIST_REMOVE(c->peer, link);
		free(c->peer);
	}
	LIST_REMOVE(c, link);
	c->server->stats.connections--;
	bufferevent_free(c->bev);
	event_free(c->timer);
	free(c);
}

static void arm(struct httpd_request *c, tm_ms ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(c->timer, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	connection_free(arg);
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
	connection_free(arg);
}

static void next_request(struct httpd_request *c);

/* Closing on bytes that were not read resets the connection, and the answer with it: let them come, and forget them. */
static void linger(struct httpd_request *c)
{
	c->phase = PHASE_LINGER;
	bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	bufferevent_enable(c->bev, EV_READ);
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	arm(c, HTTPD_LINGER_MS);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct httpd_request *c = arg;

	/* Also runs when writing was enabled with nothing to write, and then perhaps only after an answer was added. */
	if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
		return;
	if (c->phase == PHASE_LAST && c->body_due)
		linger(c);
	else if (c->phase == PHASE_LAST)
		connection_free(c);
	else if (c->phase == PHASE_IDLE)
		next_request(c);
}

/* ---- answers ---- */

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
	arm(c, HTTPD_STALL_MS);
	if (!keep)
		bufferevent_disable(c->bev, EV_READ);
	/* A write event follows in any case; the next pipelined request is looked at there. */
}

static bool etag_matches(const char *field, const char *etag)
{
	size_t n = strlen(etag);

	for (const char *p = field; p != NULL && (p = strstr(p, etag)) != NULL; p += n)
		if (p > field && p[-1] == '"' && p[n] == '"')
			return true;
	return false;
}

void httpd_reply(struct httpd_request *c, const struct httpd_answer *a)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	bool keep = c->has_head && c->head.keep_alive && a->status < 500 && a->status != 400 && !c->body_due;
	int status = a->status;

	if (status == 200 && a->etag != NULL && c->has_head &&
	    etag_matches(httpd_head_field(&c->head, "if-none-match"), a->etag))
		status = 304;
	c->server->stats.requests++;
	c->server->stats.by_class[MIN(status / 100, 5)]++;
	add_common(out, status, a->content_type, a->inline_style);
	evbuffer_add_printf(out, "Cache-Control: %s\r\n", a->immutable ? "public, max-age=3600" : "no-store");
	if (a->etag != NULL)
		evbuffer_add_printf(out, "ETag: \"%s\"\r\n", a->etag);
	if (a->location != NULL)
		evbuffer_add_printf(out, "Location: %s\r\n", a->location);
	if (status == 405)
		evbuffer_add_printf(
		    out, "Allow: GET, HEAD%s\r\n", c->server->post_body_max > 0 ? ", POST" : "");
	if (a->challenge != NULL)
		evbuffer_add_printf(out, "WWW-Authenticate: %s\r\n", a->challenge);
	if (a->retry_after > 0)
		evbuffer_add_printf(out, "Retry-After: %d\r\n", a->retry_after);
	if (status != 304)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", a->n);
	evbuffer_add_printf(out, "Connection: %s\r\n\r\n", keep ? "keep-alive" : "close");
	if (status != 304 && !(c->has_head && c->head.head))
		evbuffer_add(out, a->body, a->n);
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

	c->server->stats.requests++;
	c->server->stats.by_class[2]++;
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
		connection_free(c);
		return -1;
	}
	evbuffer_add(out, p, n);
	return 0;
}

void httpd_stream_end(struct httpd_request *c)
{
	finish(c, false);
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		connection_free(c);
}

void httpd_on_gone(struct httpd_request *c, void (*fn)(void *arg), void *arg)
{
	c->on_gone = fn;
	c->gone_arg = arg;
}

/* ---- requests ---- */

static void read_body(struct httpd_request *c);

static void handle(struct httpd_request *c, const char *head, size_t n)
{
	struct httpd *s = c->server;
	const char *host, *authority;

	httpd_head_parse(&c->head, head, n, s->post_body_max);
	c->has_head = true;
	c->body_due = c->head.body > 0 || (c->head.post && c->head.status == 413);
	c->phase = PHASE_HANDLED;
	host = httpd_head_field(&c->head, "host");
	authority = httpd_head_field(&c->head, ":authority");
	if (c->head.status == 0 &&
	    (!httpd_host_allowed(host, s->own_host, &s->hosts) ||
	        (authority != NULL && !httpd_host_allowed(authority, s->own_host, &s->hosts)))) {
		c->head.status = 421;
		c->head.why = "this host name is not served here; see the option hosts";
	}
	if (c->head.status != 0) {
		c->head.keep_alive = false;
		httpd_reply_error(c, c->head.status, c->head.why);
	} else if (c->head.post && s->may_post != NULL && !s->may_post(c, s->arg)) {
		return;
	} else if (c->body_due) {
		if (c->head.expects)
			evbuffer_add_printf(bufferevent_get_output(c->bev), "HTTP/1.1 100 Continue\r\n\r\n");
		c->phase = PHASE_BODY;
		bufferevent_setwatermark(c->bev, EV_READ, 0, MAX(c->head.body, (size_t)HTTPD_HEAD_MAX));
		read_body(c);
	} else {
		event_del(c->timer);
		s->handler(c, s->arg);
	}
}

/* The deadline that began with the first byte of the head is still running. */
static void read_body(struct httpd_request *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	if (evbuffer_get_length(in) < c->head.body)
		return;
	c->body = evbuffer_new();
	evbuffer_remove_buffer(in, c->body, c->head.body);
	bufferevent_setwatermark(c->bev, EV_READ, 0, HTTPD_HEAD_MAX);
	c->body_due = false;
	c->phase = PHASE_HANDLED;
	event_del(c->timer);
	c->server->handler(c, c->server->arg);
}

static void too_large(struct httpd_request *c)
{
	c->phase = PHASE_HANDLED;
	httpd_reply_error(c, 431, "the request is larger than 8 KiB");
}

/* If a whole head has arrived: handle it.  Otherwise wait, but not for ever. */
static void next_request(struct httpd_request *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct evbuffer_ptr end;
	size_t have = evbuffer_get_length(in), n;
	char head[HTTPD_HEAD_MAX];

	if (c->phase != PHASE_IDLE && c->phase != PHASE_HEAD)
		return;
	if (have == 0) {
		if (c->phase == PHASE_IDLE)
			arm(c, HTTPD_IDLE_MS);
		return;
	}
	if (c->phase == PHASE_IDLE) {
		c->phase = PHASE_HEAD;
		arm(c, HTTPD_REQUEST_MS);
	}
	end = evbuffer_search(in, "\n\r\n", 3, NULL);
	if (end.pos == -1) {
		/* "\n\n" would end a head of bare LFs: it must not wait for the deadline. */
		struct evbuffer_ptr lf = evbuffer_search(in, "\n\n", 2, NULL);

		if (lf.pos == -1) {
			if (have >= HTTPD_HEAD_MAX)
				too_large(c);
			return;
		}
		end.pos = lf.pos - 1;
	}
	n = (size_t)end.pos + 3;
	if (n > HTTPD_HEAD_MAX) {
		too_large(c);
		return;
	}
	evbuffer_remove(in, head, n);
	handle(c, head, n);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct httpd_request *c = arg;

	if (c->phase == PHASE_BODY) {
		read_body(c);
	} else if (c->phase == PHASE_LINGER) {
		struct evbuffer *in = bufferevent_get_input(bev);

		evbuffer_drain(in, evbuffer_get_length(in));
	} else {
		next_request(c);
	}
}

/* ---- accepting ---- */

static struct peer *peer_of(struct httpd *s, const struct sockaddr *sa)
{
	struct in6_addr addr = {0};
	struct peer *p;

	if (sa->sa_family == AF_INET6)
		addr = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	else
		memcpy(
		    &addr, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, sizeof(struct in_addr));
	LIST_FOREACH(p, &s->peers, link)
	if (memcmp(&p->addr, &addr, sizeof(addr)) == 0)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->addr = addr;
	LIST_INSERT_HEAD(&s->peers, p, link);
	return p;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct httpd *s = arg;
	struct httpd_request *c;
	struct peer *peer;

	peer = peer_of(s, sa);
	if (s->stats.connections >= s->max_connections || peer->n >= s->max_per_peer) {
		s->stats.refused++;
		if (peer->n == 0) {
			LIST_REMOVE(peer, link);
			free(peer);
		}
		evutil_closesocket(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->peer = peer;
	peer->n++;
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	c->timer = event_new(s->base, -1, 0, on_timer, c);
	LIST_INSERT_HEAD(&s->connections, c, link);
	s->stats.connections++;
	bufferevent_setcb(c->bev, on_read, on_written, on_gone, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, HTTPD_HEAD_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	arm(c, HTTPD_REQUEST_MS);
}

static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct timeval tv = {.tv_sec = ACCEPT_PAUSE_S};
	struct httpd *s = arg;

	log_warn("web: accept: %s; no new connections for %d s", strerror(errno), ACCEPT_PAUSE_S);
	evconnlistener_disable(l);
	event_add(s->resume, &tv);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	evconnlistener_enable(((struct httpd *)arg)->listener);
}

/* ---- the server ---- */

/* As the library parses it, and port 0: any that is free. */
static int parse_address(const char *address, struct sockaddr_storage *ss, int *len)
{
	size_t n = strlen(address);
	bool any = n > 2 && strcmp(address + n - 2, ":0") == 0;
	char *text = any ? xasprintf("%.*s:1", (int)n - 2, address) : xstrdup(address);
	int rc = evutil_parse_sockaddr_port(text, (struct sockaddr *)ss, len);

	free(text);
	if (rc == 0 && any && ss->ss_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)ss)->sin6_port = 0;
	else if (rc == 0 && any)
		((struct sockaddr_in *)(void *)ss)->sin_port = 0;
	return rc;
}

static struct evconnlistener *listen_on(struct httpd *s, const char *address, struct err *err)
{
	unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	struct sockaddr_storage ss;
	int len = sizeof(ss), one = 1;
	struct evconnlistener *l;

	if (parse_address(address, &ss, &len) == -1) {
		err_set(err, ERR_CONFIG, "%s.listen: '%s' is not ADDRESS:PORT, such as 127.0.0.1:8080",
		    s->option, address);
		return NULL;
	}
	l = evconnlistener_new_bind(s->base, on_accept, s, flags, 1024, (struct sockaddr *)&ss, len);
	if (l == NULL) {
		err_errno(err, "%s.listen: %s", s->option, address);
		return NULL;
	}
	/* Inherited by accepted sockets: an answer with a body must not wait for an acknowledgement. */
	setsockopt(evconnlistener_get_fd(l), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	evconnlistener_set_error_cb(l, on_accept_error);
	return l;
}

struct httpd *httpd_new(
    struct event_base *base, const struct httpd_conf *conf, httpd_handler *handler, void *arg, struct err *err)
{
	struct httpd *s = xcalloc(1, sizeof(*s));
	const char *colon = strrchr(conf->listen, ':');

	s->base = base;
	s->handler = handler;
	s->arg = arg;
	s->max_connections = conf->max_connections;
	s->max_per_peer = conf->max_per_peer;
	s->post_body_max = conf->post_body_max;
	s->may_post = conf->may_post;
	s->option = conf->option ? conf->option : "web";
	s->own_host = xstrndup(conf->listen, colon ? (size_t)(colon - conf->listen) : strlen(conf->listen));
	for (size_t i = 0; conf->hosts != NULL && i < conf->hosts->n; i++)
		strvec_push(&s->hosts, conf->hosts->v[i]);
	LIST_INIT(&s->connections);
	LIST_INIT(&s->peers);
	s->resume = event_new(base, -1, 0, on_resume, s);
	if ((s->listener = listen_on(s, conf->listen, err)) == NULL) {
		httpd_free(s);
		return NULL;
	}
	return s;
}

void httpd_free(struct httpd *s)
{
	if (s == NULL)
		return;
	while (!LIST_EMPTY(&s->connections))
		connection_free(LIST_FIRST(&s->connections));
	if (s->listener != NULL)
		evconnlistener_free(s->listener);
	event_free(s->resume);
	strvec_release(&s->hosts);
	free(s->own_host);
	free(s);
}

int httpd_port(const struct httpd *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&ss, &len) == -1)
		return 0;
	return ss.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&ss)->sin6_port)
	                                : ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

const struct httpd_stats *httpd_stats(const struct httpd *s)
{
	return &s->stats;
}

const char *httpd_path(const struct httpd_request *c)
{
	return c->head.path;
}

const char *httpd_target(const struct httpd_request *c)
{
	return c->head.target;
}

const char *httpd_param(const struct httpd_request *c, const char *name)
{
	for (size_t i = 0; i < c->head.params.n; i++)
		if (strcmp(c->head.params.v[i], name) == 0)
			return c->head.pvalues.v[i];
	return NULL;
}

const char *httpd_field(const struct httpd_request *c, const char *name)
{
	return httpd_head_field(&c->head, name);
}

bool httpd_is_head(const struct httpd_request *c)
{
	return c->head.head;
}

bool httpd_is_post(const struct httpd_request *c)
{
	return c->head.post;
}

const char *httpd_body(const struct httpd_request *c, size_t *n)
{
	*n = c->body ? evbuffer_get_length(c->body) : 0;
	return *n > 0 ? (const char *)evbuffer_pullup(c->body, -1) : "";
}
