#include "config.h"

#include "control/client.h"

#include "control/protocol.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* INT and TERM while a connection is open: they end the waiting for an answer, and nothing else. */
struct client_signals {
	sigset_t old;
	struct sigaction old_int, old_term;
};

struct client {
	int fd;
	struct client_signals signals;
	json_int_t last_id;
	struct strbuf in; /* what came after the last whole line */
};

static void on_signal(int sig)
{
	/* Nothing to do: ppoll returns. */
}

static void signals_take(struct client_signals *s)
{
	struct sigaction sa = {.sa_handler = on_signal};
	sigset_t set;

	/* Blocked but for the moments of waiting, so that none can come between two of them. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &s->old);
	sigaction(SIGINT, &sa, &s->old_int);
	sigaction(SIGTERM, &sa, &s->old_term);
}

static void signals_give_back(const struct client_signals *s)
{
	sigaction(SIGINT, &s->old_int, NULL);
	sigaction(SIGTERM, &s->old_term, NULL);
	sigprocmask(SIG_SETMASK, &s->old, NULL);
}

static int connect_to(const char *path, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_code(err, ERR_CONFIG, "no_daemon", "%s: too long for a socket's path", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return err_errno(err, "socket");
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
		err_code(err, ERR_TRANSIENT, "no_daemon", "no daemon listens at %s", path);
	else if (errno == EACCES)
		err_code(err, ERR_PERMANENT, "no_access", "%s: this user may not talk to the daemon", path);
	else
		err_errno(err, "connect %s", path);
	close(fd);
	return -1;
}

struct client *client_open(const char *state_dir, struct err *err)
{
	char *path = fs_join(state_dir, PROTOCOL_SOCKET);
	int fd = connect_to(path, err);
	struct client *c = NULL;

	if (fd != -1) {
		c = xcalloc(1, sizeof(*c));
		c->fd = fd;
		strbuf_init(&c->in, PROTOCOL_ANSWER_MAX);
		signals_take(&c->signals);
	}
	free(path);
	return c;
}

void client_close(struct client *c)
{
	if (c == NULL)
		return;
	signals_give_back(&c->signals);
	close(c->fd);
	strbuf_release(&c->in);
	free(c);
}

static int lost(struct err *err)
{
	return err_code(err, ERR_TRANSIENT, "lost", "the daemon closed the connection");
}

static int send_request(struct client *c, const char *cmd, const json_t *args, struct err *err)
{
	json_t *req = json_object();
	struct strbuf line = STRBUF_INIT(PROTOCOL_REQUEST_MAX);
	int rc = 0;

	json_object_set_new(req, "id", json_integer(++c->last_id));
	json_object_set_new(req, "cmd", json_string(cmd));
	json_object_set_new(req, "args", args ? json_incref((json_t *)(uintptr_t)args) : json_object());
	if (json_write(req, &line) == -1 || strbuf_addch(&line, '\n') == -1)
		rc = err_set(
		    err, ERR_USAGE, "%s: the request is longer than %d bytes", cmd, PROTOCOL_REQUEST_MAX);
	for (size_t sent = 0; rc == 0 && sent < line.len;) {
		ssize_t n = send(c->fd, line.buf + sent, line.len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno != EINTR)
			rc = lost(err);
	}
	json_decref(req);
	strbuf_release(&line);
	return rc;
}

/* ---- waiting */

static int await_input(struct client *c, tm_ms deadline, const sigset_t *mask, struct err *err)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	tm_ms left = deadline == TIME_NEVER ? 0 : MAX(deadline - clock_mono(), 0);
	struct timespec ts = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
	int n = ppoll(&p, 1, deadline == TIME_NEVER ? NULL : &ts, mask);

	if (n == -1 && errno == EINTR)
		return err_code(err, ERR_CANCELLED, "interrupted", "interrupted");
	if (n == -1)
		return err_errno(err, "poll");
	if (n == 0)
		return err_code(err, ERR_TRANSIENT, "wait_timeout", "no answer in time");
	return 0;
}

static int read_more(struct client *c, struct err *err)
{
	char *room = strbuf_room(&c->in, 65536);
	ssize_t n;

	if (room == NULL)
		return err_code(err, ERR_BUG, "limit", "an answer of more than %d bytes", PROTOCOL_ANSWER_MAX);
	n = recv(c->fd, room, 65536, 0);
	if (n <= 0)
		return lost(err);
	strbuf_grew(&c->in, (size_t)n);
	return 0;
}

/* One line of the daemon's.  1: the answer, in *result or err; 0: an event, or nothing of this request. */
static int take_line(struct client *c, const char *line, size_t n, client_event_fn *on_event, void *arg,
    json_t **result, struct err *err, int *rc)
{
	json_t *msg = json_parse(line, n, "answer", err), *event;
	int done = 1;

	*rc = -1;
	if (msg == NULL)
		return 1;
	if (json_integer_value(json_object_get(msg, "id")) != c->last_id) {
		done = 0;
	} else if ((event = json_object_get(msg, "event")) != NULL) {
		if (on_event != NULL)
			on_event(event, arg);
		done = 0;
	} else if (json_is_true(json_object_get(msg, "ok"))) {
		*result = json_incref(json_object_get(msg, "result"));
		*rc = 0;
	} else {
		protocol_error_parse(json_object_get(msg, "error"), err);
	}
	json_decref(msg);
	return done;
}

int client_call(struct client *c, const char *cmd, const json_t *args, tm_ms timeout_ms,
    client_event_fn *on_event, void *arg, json_t **result, struct err *err)
{
	tm_ms deadline = timeout_ms > 0 ? clock_mono() + timeout_ms : TIME_NEVER;
	bool done = false;
	int rc = -1;
	char *nl;

	if (send_request(c, cmd, args, err) == -1)
		return -1;
	while (!done) {
		nl = memchr(c->in.buf, '\n', c->in.len);
		if (nl != NULL) {
			size_t n = (size_t)(nl - c->in.buf);

			done = take_line(c, c->in.buf, n, on_event, arg, result, err, &rc) == 1;
			strbuf_drop(&c->in, n + 1);
		} else {
			done = await_input(c, deadline, &c->signals.old, err) == -1 || read_more(c, err) == -1;
		}
	}
	return rc;
}
