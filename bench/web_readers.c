/*
 * Readers of a page: many connections that are kept, each asking for its own page again and again, as a browser does that is
 * left open; and next to them slow senders, which never come to the end of their request.
 *
 * usage: web_readers PORT READERS PERIOD_MS SECONDS SLOW TARGET...
 *
 * Each reader has one of the targets and comes from one of several addresses of the loopback.  It asks at a random moment of its
 * first period, and then once a period, give or take a tenth; it accepts gzip and tells the tag of what it has.  A latency
 * runs from the moment the request was due to the last byte of its answer, so that a late reader counts as a late answer.
 * With the period 0 it asks again as soon as it has the answer, and tells no tag: how much can be served.
 * Prints one JSON object.
 */
#include "config.h"

#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PER_ADDRESS   2000
#define SLOTS         32768 /* of the wheel, a millisecond each; longer than any wait */
#define HEAD_MAX      2048
#define TAG_MAX       64
#define ANSWER_MS     10000 /* what takes longer is an error */
#define LATENCIES_MAX 20000000

enum kind { READER, SLOW };

struct client {
	LIST_ENTRY(client) due;
	enum kind kind;
	int fd, target;
	bool waits, has_head, connected; /* waits: for an answer */
	int64_t due_us, left, opened_us, closed_us; /* left: bytes of the body */
	char head[HEAD_MAX], tag[TAG_MAX];
	size_t n, sent; /* of head; bytes a slow sender has sent */
};

static struct {
	struct sockaddr_in server;
	int epoll;
	int64_t period_us, end_us, now_ms;
	char **target;
	int ntargets;
	LIST_HEAD(slot, client) wheel[SLOTS];
	float *latency; /* ms */
	size_t nlatency;
	int64_t full, same, bytes, errors, connected, by_error[5];
} g;

static const char *const error_name[] = {"connect", "closed", "status", "late", "head"};
enum { E_CONNECT, E_CLOSED, E_STATUS, E_LATE, E_HEAD };

static uint64_t random_state = 88172645463325252u;

static int64_t random_below(int64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (int64_t)(random_state % (uint64_t)n);
}

static void error(int kind)
{
	g.errors++;
	g.by_error[kind]++;
}

static void plan(struct client *c, int64_t at_us)
{
	int64_t ms = at_us / 1000;

	c->due_us = at_us;
	if (ms <= g.now_ms)
		ms = g.now_ms + 1;
	LIST_INSERT_HEAD(&g.wheel[ms % SLOTS], c, due);
}

static void leave(struct client *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->closed_us = clock_mono_us();
}

static void dial(struct client *c, int source)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	int one = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (unsigned)(source / PER_ADDRESS));
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (c->fd == -1 || bind(c->fd, (struct sockaddr *)&from, sizeof(from)) == -1 ||
	    (connect(c->fd, (struct sockaddr *)&g.server, sizeof(g.server)) == -1 && errno != EINPROGRESS) ||
	    epoll_ctl(g.epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1) {
		perror("web_readers: connect");
		exit(1);
	}
	c->opened_us = clock_mono_us();
}

static void ask(struct client *c)
{
	bool tagged = c->tag[0] != '\0' && g.period_us > 0;
	char request[1024];
	int n = snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: web_readers\r\nAccept: "
	    "text/html\r\nAccept-Encoding: gzip\r\n%s%s%s\r\n",
	    g.target[c->target], tagged ? "If-None-Match: " : "", tagged ? c->tag : "", tagged ? "\r\n" : "");

	c->waits = true;
	c->has_head = false;
	c->n = 0;
	if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n) {
		error(E_CLOSED);
		leave(c);
	}
}

static void ask_at_once(struct client *c, int64_t now)
{
	c->due_us = now;
	if (now < g.end_us)
		ask(c);
}

static void answered(struct client *c)
{
	int64_t now = clock_mono_us();
	float ms = (float)(now - c->due_us) / 1000;

	c->waits = false;
	if (g.nlatency < LATENCIES_MAX)
		g.latency[g.nlatency++] = ms;
	if (ms > ANSWER_MS)
		error(E_LATE);
	/* The next one is due by the clock, not by the answer. */
	if (g.period_us > 0)
		plan(c, c->due_us + g.period_us * 9 / 10 + random_below(g.period_us / 5));
	else
		ask_at_once(c, now);
}

static void keep_tag(struct client *c)
{
	const char *field = strstr(c->head, "\r\nETag: "), *end;

	c->tag[0] = '\0';
	if (field == NULL || (end = strstr(field + 8, "\r\n")) == NULL || end - field - 8 >= TAG_MAX)
		return;
	memcpy(c->tag, field + 8, (size_t)(end - field - 8));
	c->tag[end - field - 8] = '\0';
}

/* The head is whole: what does it say? */
static void read_head(struct client *c, size_t rest)
{
	const char *length = strstr(c->head, "\r\nContent-Length: ");
	long status = strncmp(c->head, "HTTP/1.1 ", 9) == 0 ? strtol(c->head + 9, NULL, 10) : 0;

	c->has_head = true;
	c->left = (length ? strtoll(length + 18, NULL, 10) : 0) - (int64_t)rest;
	keep_tag(c);
	if (status == 200)
		g.full++;
	else if (status == 304)
		g.same++;
	else
		error(E_STATUS);
}

static void take(struct client *c, const char *p, size_t n)
{
	g.bytes += (int64_t)n;
	if (!c->waits) {
		error(E_HEAD);
	} else if (c->has_head) {
		c->left -= (int64_t)n;
	} else {
		size_t k = MIN(n, HEAD_MAX - 1 - c->n), whole;
		char *end;

		memcpy(c->head + c->n, p, k);
		c->head[c->n + k] = '\0';
		if ((end = strstr(c->head, "\r\n\r\n")) == NULL) {
			if ((c->n += k) == HEAD_MAX - 1)
				error(E_HEAD);
			return;
		}
		whole = (size_t)(end + 4 - c->head) - c->n;
		end[2] = '\0';
		read_head(c, n - whole);
	}
	if (c->waits && c->left <= 0)
		answered(c);
}

static void on_socket(struct client *c, uint32_t events)
{
	static char buf[256 << 10];
	ssize_t n;

	if (!c->connected && (events & (EPOLLERR | EPOLLHUP)) == 0) {
		c->connected = true;
		g.connected++;
	} else if (!c->connected) {
		error(E_CONNECT);
		leave(c);
		return;
	}
	while (c->fd != -1 && (n = read(c->fd, buf, sizeof(buf))) != -1) {
		if (n == 0) {
			if (c->kind == READER)
				error(E_CLOSED);
			leave(c);
		} else if (c->kind == READER) {
			take(c, buf, (size_t)n);
		}
	}
	if (c->fd != -1 && errno != EAGAIN) {
		if (c->kind == READER)
			error(E_CLOSED);
		leave(c);
	}
}

/* One more byte of a request that has no end, once a second. */
static void dribble(struct client *c)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ";
	char byte = c->sent < sizeof(head) - 1 ? head[c->sent] : 'a';

	if (c->fd == -1)
		return;
	if (send(c->fd, &byte, 1, MSG_NOSIGNAL) == 1)
		c->sent++;
	plan(c, c->due_us + 1000000);
}

/* Not connected yet: a moment later, but due since now. */
static void ask_later(struct client *c)
{
	int64_t due_us = c->due_us;

	plan(c, clock_mono_us() + 5000);
	c->due_us = due_us;
}

static void on_due(struct client *c)
{
	if (c->kind == SLOW)
		dribble(c);
	else if (c->fd == -1 || clock_mono_us() >= g.end_us)
		return;
	else if (c->connected)
		ask(c);
	else
		ask_later(c);
}

static void turn_wheel(void)
{
	struct client *c;

	for (int64_t ms = clock_mono_us() / 1000; g.now_ms < ms;) {
		struct slot *now = &g.wheel[++g.now_ms % SLOTS];

		/* What is planned meanwhile goes into later slots. */
		while ((c = LIST_FIRST(now)) != NULL) {
			LIST_REMOVE(c, due);
			on_due(c);
		}
	}
}

static void run_until(int64_t until_us)
{
	struct epoll_event ev[256];

	while (clock_mono_us() < until_us) {
		int n = epoll_wait(g.epoll, ev, (int)NITEMS(ev), 1);

		for (int i = 0; i < n; i++)
			on_socket(ev[i].data.ptr, ev[i].events);
		turn_wheel();
	}
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double percentile(double p)
{
	return g.nlatency == 0 ? 0 : (double)g.latency[MIN((size_t)(p * (double)g.nlatency), g.nlatency - 1)];
}

static void report(const struct client *slow, int nslow, int64_t took_us)
{
	int64_t first = INT64_MAX, last = 0, dropped = 0;

	for (int i = 0; i < nslow; i++) {
		int64_t us = slow[i].closed_us - slow[i].opened_us;

		if (slow[i].fd != -1)
			continue;
		dropped++;
		first = MIN(first, us);
		last = MAX(last, us);
	}
	qsort(g.latency, g.nlatency, sizeof(g.latency[0]), by_size);
	printf("{\"requests\": %zu, \"full\": %" PRId64 ", \"not_modified\": %" PRId64 ", \"errors\": %" PRId64
	       ", \"bytes\": %" PRId64
	       ", \"seconds\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f, \"max_ms\": %.2f",
	    g.nlatency, g.full, g.same, g.errors, g.bytes, (double)took_us / 1e6, percentile(.5),
	    percentile(.99), percentile(.999), percentile(1));
	for (size_t i = 0; i < NITEMS(error_name); i++)
		printf(", \"error_%s\": %" PRId64, error_name[i], g.by_error[i]);
	printf(", \"slow\": %d, \"slow_dropped\": %" PRId64
	       ", \"slow_first_s\": %.1f, \"slow_last_s\": %.1f}\n",
	    nslow, dropped, dropped ? (double)first / 1e6 : 0, (double)last / 1e6);
}

/* Some at a time, so that the measurement is of reading and not of a flood of new connections; each asks within so long. */
static void connect_all(struct client *all, int n, int first, int64_t within_us)
{
	for (int i = 0; i < n; i++) {
		dial(&all[i], first + i);
		plan(&all[i], clock_mono_us() + 1000 + random_below(within_us));
		if (i % 100 == 99)
			run_until(clock_mono_us() + 10000);
	}
}

int main(int argc, char **argv)
{
	int nreaders, nslow;
	struct client *readers, *slow;
	struct rlimit rl;
	int64_t began, seconds;

	if (argc < 7) {
		fprintf(stderr, "usage: web_readers PORT READERS PERIOD_MS SECONDS SLOW TARGET...\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	g.server =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(argv[1], NULL, 10))};
	g.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	nreaders = (int)strtol(argv[2], NULL, 10);
	g.period_us = strtoll(argv[3], NULL, 10) * 1000;
	seconds = strtoll(argv[4], NULL, 10);
	nslow = (int)strtol(argv[5], NULL, 10);
	g.target = argv + 6;
	g.ntargets = argc - 6;
	g.epoll = epoll_create1(EPOLL_CLOEXEC);
	g.now_ms = clock_mono_us() / 1000;
	g.end_us = INT64_MAX;
	g.latency = xcalloc(LATENCIES_MAX, sizeof(g.latency[0]));
	readers = xcalloc((size_t)nreaders, sizeof(*readers));
	slow = xcalloc((size_t)nslow + 1, sizeof(*slow));

	for (int i = 0; i < nreaders; i++)
		readers[i].target = i % g.ntargets;
	for (int i = 0; i < nslow; i++)
		slow[i].kind = SLOW;
	connect_all(readers, nreaders, 0, MAX(g.period_us, (int64_t)10000));
	run_until(clock_mono_us() + MAX(g.period_us, (int64_t)100000));
	/* All are there and have their page: from here on it counts. */
	g.nlatency = 0;
	g.full = g.same = g.bytes = 0;
	began = clock_mono_us();
	connect_all(slow, nslow, nreaders, 500000);
	g.end_us = began + seconds * 1000000;
	run_until(g.end_us);
	run_until(g.end_us + 500000); /* the last answers */
	report(slow, nslow, clock_mono_us() - began);
	return g.errors > 0;
}
