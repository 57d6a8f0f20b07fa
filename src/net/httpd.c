#include "config.h"

#include "net/httpd_priv.h"

#include "base/log.h"
#include "base/mem.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define OWN_DESCRIPTORS 512 /* of the process's limit: for what it is there for, steps and stores */

/* ---- connections ---- */

void httpd_drop(struct httpd_request *c)
{
	if (c->on_gone != NULL)
		c->on_gone(c->gone_arg);
	if (c->has_head)
		httpd_head_release(&c->head);
	if (c->body != NULL)
		evbuffer_free(c->body);
	httpd_peer_leaves(c->peer);
	LIST_REMOVE(c, link);
	c->server->stats.connections--;
	bufferevent_free(c->bev);
	event_free(c->timer);
	free(c);
}

/* There are many timers and few durations: a queue for each of these is cheaper than a place in a heap for each of those. */
void httpd_arm(struct httpd_request *c, tm_ms ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(c->timer, event_base_init_common_timeout(c->server->base, &tv));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	httpd_drop(arg);
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
	httpd_drop(arg);
}

static void next_request(struct httpd_request *c);

/* Closing on bytes that were not read resets the connection, and the answer with it: let them come, and forget them. */
static void linger(struct httpd_request *c)
{
	c->phase = PHASE_LINGER;
	bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	bufferevent_enable(c->bev, EV_READ);
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	httpd_arm(c, HTTPD_LINGER_MS);
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
		httpd_drop(c);
	else if (c->phase == PHASE_IDLE)
		next_request(c);
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
			httpd_arm(c, HTTPD_IDLE_MS);
		return;
	}
	if (c->phase == PHASE_IDLE) {
		c->phase = PHASE_HEAD;
		httpd_arm(c, HTTPD_REQUEST_MS);
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

void httpd_adopt(struct httpd *s, evutil_socket_t fd, struct peer *peer)
{
	struct httpd_request *c = xcalloc(1, sizeof(*c));

	c->server = s;
	c->peer = peer;
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	c->timer = event_new(s->base, -1, 0, on_timer, c);
	c->phase = PHASE_HEAD; /* the first request's time runs from here */
	LIST_INSERT_HEAD(&s->connections, c, link);
	s->stats.connections++;
	bufferevent_setcb(c->bev, on_read, on_written, on_gone, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, HTTPD_HEAD_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	httpd_arm(c, HTTPD_REQUEST_MS);
}

/* ---- the server ---- */

/* Readers must not use up the descriptors that the process needs itself. */
static int64_t connections_possible(const struct httpd *s, int64_t wanted)
{
	struct rlimit rl;
	int64_t room;

	if (getrlimit(RLIMIT_NOFILE, &rl) == -1 || rl.rlim_cur == RLIM_INFINITY)
		return wanted;
	room = MAX((int64_t)rl.rlim_cur - OWN_DESCRIPTORS, (int64_t)rl.rlim_cur / 2);
	if (wanted > room)
		log_warn("%s: %" PRId64 " connections at most instead of %" PRId64
		         ": the limit of open files is %" PRId64,
		    s->option, room, wanted, (int64_t)rl.rlim_cur);
	return MIN(wanted, room);
}

struct httpd *httpd_new(
    struct event_base *base, const struct httpd_conf *conf, httpd_handler *handler, void *arg, struct err *err)
{
	struct httpd *s = xcalloc(1, sizeof(*s));
	const char *colon = strrchr(conf->listen, ':');

	s->base = base;
	s->handler = handler;
	s->arg = arg;
	s->max_per_peer = conf->max_per_peer;
	s->post_body_max = conf->post_body_max;
	s->may_post = conf->may_post;
	s->option = conf->option ? conf->option : "web";
	s->max_connections = connections_possible(s, conf->max_connections);
	s->own_host = xstrndup(conf->listen, colon ? (size_t)(colon - conf->listen) : strlen(conf->listen));
	for (size_t i = 0; conf->hosts != NULL && i < conf->hosts->n; i++)
		strvec_push(&s->hosts, conf->hosts->v[i]);
	LIST_INIT(&s->connections);
	if (httpd_listen(s, conf->listen, err) == -1) {
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
		httpd_drop(LIST_FIRST(&s->connections));
	httpd_unlisten(s);
	strvec_release(&s->hosts);
	free(s->own_host);
	free(s);
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
	return httpd_head_param(&c->head, name);
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

void httpd_on_gone(struct httpd_request *c, void (*fn)(void *arg), void *arg)
{
	c->on_gone = fn;
	c->gone_arg = arg;
}
