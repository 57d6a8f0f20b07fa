/* httpd_priv.h: what the files of the server share: its structures, and the life of a connection. */
#ifndef HTTPD_PRIV_H
#define HTTPD_PRIV_H

#include "net/httpd.h"
#include "net/httpd_head.h"

#include <event2/util.h>
#include <netinet/in.h>
#include <sys/queue.h>

#define HTTPD_PEER_BUCKETS 256

struct bufferevent;
struct event;
struct evbuffer;
struct evconnlistener;
struct peer;

enum phase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_HANDLED, PHASE_STREAM, PHASE_LAST, PHASE_LINGER };

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
	LIST_HEAD(, peer) peers[HTTPD_PEER_BUCKETS];
	int accepted; /* of this batch */
	struct httpd_stats stats;
};

/* ---- httpd.c ---- */

/* A new connection of peer, which counts it already. */
void httpd_adopt(struct httpd *, evutil_socket_t fd, struct peer *);
void httpd_drop(struct httpd_request *);
/* Close it after so long, unless it is armed again. */
void httpd_arm(struct httpd_request *, tm_ms ms);

/* ---- httpd_accept.c ---- */

/* Listens; connections beyond the limits are closed at once. */
int httpd_listen(struct httpd *, const char *address, struct err *err);
void httpd_unlisten(struct httpd *); /* also after httpd_listen failed, or before it */
/* One connection of the peer less. */
void httpd_peer_leaves(struct peer *);

#endif
