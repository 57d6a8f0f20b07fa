/* httpd_accept.c: who may connect, and how many. */
#include "config.h"

#include "net/httpd_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ACCEPT_PAUSE_S 1
#define ACCEPT_BATCH   64 /* connections taken before others have their turn */
#define BACKLOG        4096 /* as far as the system's somaxconn goes */

static size_t peer_bucket(const struct in6_addr *addr)
{
	size_t sum = 0;

	for (size_t i = 0; i < sizeof(addr->s6_addr); i++)
		sum = sum * 31 + addr->s6_addr[i];
	return sum % HTTPD_PEER_BUCKETS;
}

static struct peer *peer_of(struct httpd *s, const struct sockaddr *sa)
{
	struct in6_addr addr = {0};
	struct peer *p;
	size_t bucket;

	if (sa->sa_family == AF_INET6)
		addr = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	else
		memcpy(
		    &addr, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, sizeof(struct in_addr));
	bucket = peer_bucket(&addr);
	LIST_FOREACH(p, &s->peers[bucket], link)
	if (memcmp(&p->addr, &addr, sizeof(addr)) == 0)
		return p;
	p = xcalloc(1, sizeof(*p));
	p->addr = addr;
	LIST_INSERT_HEAD(&s->peers[bucket], p, link);
	return p;
}

void httpd_peer_leaves(struct peer *p)
{
	if (--p->n > 0)
		return;
	LIST_REMOVE(p, link);
	free(p);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	static const struct timeval soon = {0};
	struct httpd *s = arg;
	struct peer *peer;

	if (++s->accepted >= ACCEPT_BATCH) {
		evconnlistener_disable(l);
		event_add(s->resume, &soon);
	}
	peer = peer_of(s, sa);
	peer->n++;
	if (s->stats.connections < s->max_connections && peer->n <= s->max_per_peer) {
		httpd_adopt(s, fd, peer);
		return;
	}
	metric_count(METRIC_HTTP_REFUSED, NULL, NULL);
	httpd_peer_leaves(peer);
	evutil_closesocket(fd);
}

static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct timeval tv = {.tv_sec = ACCEPT_PAUSE_S};
	struct httpd *s = arg;

	log_warn("%s: accept: %s; no new connections for %d s", s->option, strerror(errno), ACCEPT_PAUSE_S);
	evconnlistener_disable(l);
	event_add(s->resume, &tv);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct httpd *s = arg;

	s->accepted = 0;
	evconnlistener_enable(s->listener);
}

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

int httpd_listen(struct httpd *s, const char *address, struct err *err)
{
	unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	struct sockaddr_storage ss;
	int len = sizeof(ss), one = 1;

	for (size_t i = 0; i < HTTPD_PEER_BUCKETS; i++)
		LIST_INIT(&s->peers[i]);
	if (parse_address(address, &ss, &len) == -1)
		return err_set(err, ERR_CONFIG, "%s.listen: '%s' is not ADDRESS:PORT, such as 127.0.0.1:8080",
		    s->option, address);
	s->listener =
	    evconnlistener_new_bind(s->base, on_accept, s, flags, BACKLOG, (struct sockaddr *)&ss, len);
	if (s->listener == NULL)
		return err_errno(err, "%s.listen: %s", s->option, address);
	s->resume = event_new(s->base, -1, 0, on_resume, s);
	/* Inherited by accepted sockets: an answer with a body must not wait for an acknowledgement. */
	setsockopt(evconnlistener_get_fd(s->listener), IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	return 0;
}

void httpd_unlisten(struct httpd *s)
{
	if (s->listener == NULL)
		return;
	evconnlistener_free(s->listener);
	event_free(s->resume);
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
