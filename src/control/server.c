#include "config.h"

#include "control/server.h"

#include "control/protocol.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16
#define PENDING_MAX     32 /* unanswered requests of one connection */
#define OUTPUT_MAX      (32 << 20) /* unread answers: beyond it the connection is dropped */
#define ACCEPT_PAUSE_S  1

struct pending {
	LIST_ENTRY(pending) link;
	struct connection *conn;
	json_int_t id;
	struct command *command;
};

struct connection {
	LIST_ENTRY(connection) link;
	struct server *server;
	struct bufferevent *bev;
	struct event *deadline; /* of a request that was begun */
	struct command_caller caller;
	LIST_HEAD(, pending) pending;
	int npending;
	bool closing;
};

struct server {
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *resume; /* after descriptors ran out */
	struct command_caller template;
	char *path;
	LIST_HEAD(, connection) connections;
	int nconnections;
	gid_t group; /* of the socket */
};

static void connection_free(struct connection *conn)
{
	struct pending *p;

	while ((p = LIST_FIRST(&conn->pending)) != NULL) {
		LIST_REMOVE(p, link);
		if (p->command != NULL)
			command_cancel(p->command);
		free(p);
	}
	LIST_REMOVE(conn, link);
	conn->server->nconnections--;
	bufferevent_free(conn->bev);
	event_free(conn->deadline);
	free(conn);
}

static void send_object(struct connection *conn, json_t *obj)
{
	struct evbuffer *out = bufferevent_get_output(conn->bev);
	char *text = json_text(obj);
	size_t n = strlen(text);

	if (n > PROTOCOL_ANSWER_MAX || evbuffer_get_length(out) + n > OUTPUT_MAX) {
		log_warn("control: a client of %s does not read its answers; dropped", conn->caller.who);
		conn->closing = true;
	} else {
		evbuffer_add(out, text, n);
		evbuffer_add(out, "\n", 1);
	}
	free(text);
	json_decref(obj);
}

static void on_event(const json_t *event, void *arg)
{
	struct pending *p = arg;

	send_object(p->conn, json_pack("{s:I, s:O}", "id", p->id, "event", event));
}

static void send_error(struct connection *conn, json_int_t id, const struct err *err)
{
	send_object(conn, json_pack("{s:I, s:b, s:o}", "id", id, "ok", 0, "error", protocol_error_json(err)));
}

static void on_answer(const json_t *result, const struct err *err, void *arg)
{
	struct pending *p = arg;
	struct connection *conn = p->conn;

	if (err != NULL)
		send_error(conn, p->id, err);
	else
		send_object(conn, json_pack("{s:I, s:b, s:O}", "id", p->id, "ok", 1, "result", result));
	LIST_REMOVE(p, link);
	conn->npending--;
	free(p);
}

static void start_request(struct connection *conn, const char *line, size_t n)
{
	static const struct command_cbs cbs = {.on_event = on_event, .on_answer = on_answer};
	struct err err = ERR_INIT;
	json_t *req = protocol_parse_request(line, n, &err);
	struct pending *p;
	struct command *command;

	if (req == NULL || conn->npending >= PENDING_MAX) {
		if (req != NULL)
			err_set(&err, ERR_USAGE, "more than %d unanswered requests", PENDING_MAX);
		send_error(conn, req ? json_int(req, "id", 0) : 0, &err);
		json_decref(req);
		conn->closing = true;
		return;
	}
	p = xcalloc(1, sizeof(*p));
	*p = (struct pending){.conn = conn, .id = json_int(req, "id", 0)};
	LIST_INSERT_HEAD(&conn->pending, p, link);
	conn->npending++;
	command = command_start(&conn->caller, json_str(req, "cmd", ""), json_object_get(req, "args"), &cbs, p);
	if (command != NULL)
		p->command = command; /* still waits: p is alive until its answer */
	json_decref(req);
}

static void close_when_flushed(struct connection *conn)
{
	if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
		connection_free(conn);
	else
		bufferevent_disable(conn->bev, EV_READ);
}

static void arm_deadline(struct connection *conn, size_t unread)
{
	struct timeval tv = {.tv_sec = PROTOCOL_REQUEST_MS / 1000};

	if (unread == 0)
		event_del(conn->deadline);
	else if (!event_pending(conn->deadline, EV_TIMEOUT, NULL))
		event_add(conn->deadline, &tv);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct connection *conn = arg;
	struct err err = ERR_INIT;
	size_t n;
	char *line;

	while (!conn->closing && (line = evbuffer_readln(in, &n, EVBUFFER_EOL_LF)) != NULL) {
		event_del(conn->deadline);
		start_request(conn, line, n);
		free(line);
	}
	if (!conn->closing && evbuffer_get_length(in) >= PROTOCOL_REQUEST_MAX) {
		err_set(&err, ERR_USAGE, "a request is at most %d bytes", PROTOCOL_REQUEST_MAX);
		send_error(conn, 0, &err);
		conn->closing = true;
	}
	if (conn->closing) {
		close_when_flushed(conn);
		return;
	}
	arm_deadline(conn, evbuffer_get_length(in));
}

static void on_written(struct bufferevent *bev, void *arg)
{
	struct connection *conn = arg;

	if (conn->closing)
		connection_free(conn);
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
	connection_free(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	connection_free(arg);
}

/* ---- who asks ---- */

static bool in_group(int fd, gid_t wanted, gid_t primary)
{
	gid_t groups[256];
	socklen_t len = sizeof(groups);

	if (primary == wanted)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return false;
	for (size_t i = 0; i < len / sizeof(gid_t); i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static int identify(struct server *s, int fd, char who[64])
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return -1;
	/* Numbers, not names: a name service may block. */
	snprintf(who, 64, cred.uid == 0 ? "root" : "uid %u", (unsigned)cred.uid);
	return cred.uid == 0 || cred.uid == geteuid() || in_group(fd, s->group, cred.gid) ? 0 : -1;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr, int len, void *arg)
{
	struct server *s = arg;
	struct connection *conn;
	char who[64] = "";

	if (s->nconnections >= CONNECTIONS_MAX || identify(s, fd, who) == -1) {
		log_warn("control: connection refused (%s)", who[0] ? who : "unknown peer");
		close(fd);
		return;
	}
	conn = xcalloc(1, sizeof(*conn));
	conn->server = s;
	conn->caller = s->template;
	memcpy(conn->caller.who, who, sizeof(conn->caller.who));
	LIST_INIT(&conn->pending);
	conn->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	conn->deadline = event_new(s->base, -1, 0, on_deadline, conn);
	LIST_INSERT_HEAD(&s->connections, conn, link);
	s->nconnections++;
	bufferevent_setwatermark(conn->bev, EV_READ, 0, PROTOCOL_REQUEST_MAX);
	bufferevent_setcb(conn->bev, on_read, on_written, on_gone, conn);
	bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
}

static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct timeval tv = {.tv_sec = ACCEPT_PAUSE_S};
	struct server *s = arg;

	log_warn("control: accept: %s; no new connections for %d s", strerror(errno), ACCEPT_PAUSE_S);
	evconnlistener_disable(l);
	event_add(s->resume, &tv);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	evconnlistener_enable(((struct server *)arg)->listener);
}

/* ---- the socket ---- */

static int remove_stale(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? 0 : err_errno(err, "stat %s", path);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return err_set(
		    err, ERR_CONFIG, "%s: something that is not our socket stands in its place", path);
	return unlink(path) == -1 ? err_errno(err, "unlink %s", path) : 0;
}

static int bind_socket(const char *path, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t old;
	int fd, rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, ERR_CONFIG,
		    "%s: a socket's path is at most %zu bytes; choose a shorter state_dir", path,
		    sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) == -1)
		return err_errno(err, "socket");
	old = umask(0117);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(old);
	if (rc == -1 || listen(fd, CONNECTIONS_MAX) == -1) {
		err_errno(err, "listen on %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

struct server *server_new(
    struct event_base *base, const char *state_dir, const struct command_caller *template, struct err *err)
{
	struct server *s = xcalloc(1, sizeof(*s));
	struct stat st;
	int fd = -1;

	s->base = base;
	s->template = *template;
	s->path = fs_join(state_dir, PROTOCOL_SOCKET);
	LIST_INIT(&s->connections);
	s->resume = event_new(base, -1, 0, on_resume, s);
	if (remove_stale(s->path, err) == -1 || (fd = bind_socket(s->path, err)) == -1) {
		server_free(s);
		return NULL;
	}
	s->group = stat(s->path, &st) == 0 ? st.st_gid : getegid();
	s->listener =
	    evconnlistener_new(base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	evconnlistener_set_error_cb(s->listener, on_accept_error);
	return s;
}

void server_free(struct server *s)
{
	if (s == NULL)
		return;
	while (!LIST_EMPTY(&s->connections))
		connection_free(LIST_FIRST(&s->connections));
	if (s->listener != NULL) {
		evconnlistener_free(s->listener);
		unlink(s->path);
	}
	event_free(s->resume);
	free(s->path);
	free(s);
}
