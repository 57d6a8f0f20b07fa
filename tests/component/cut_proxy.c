#include "config.h"

#include "tests/component/cut_proxy.h"

#include "tests/tap.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

const char *const cut_names[] = {
    [CUT_NONE] = "no cut",
    [CUT_BEFORE_COMMIT] = "before COMMIT",
    [CUT_INSIDE_COMMIT] = "inside COMMIT",
    [CUT_WITH_COMMIT] = "with COMMIT",
    [CUT_AFTER_COMMIT] = "after COMMIT",
    [CUT_COMMIT_LATE] = "COMMIT late",
    [CUT_COMMIT_DROPPED] = "COMMIT dropped",
    [CUT_ANYWHERE] = "anywhere",
};
static_assert(NITEMS(cut_names) == CUT_NKINDS, "a name for every cut");

/* Shared by the test and all processes of the proxy. */
struct plan {
	int kind;
	int64_t bytes;
	int late_ms;
};
static struct plan *plan;

/* A packet of the protocol: length, sequence number, COM_QUERY, text. */
static const char commit_packet[] = "\x07\0\0\0\x03"
                                    "COMMIT";
#define COMMIT_BYTES (sizeof(commit_packet) - 1)

static bool send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* The client's request to commit is in buf: do as planned.  The connection ends here. */
static void cut_commit(enum cut kind, int client, int server, const char *buf, size_t n)
{
	char answer[256];

	if (kind == CUT_INSIDE_COMMIT)
		send_all(server, buf, n - 3);
	if (kind == CUT_WITH_COMMIT || kind == CUT_AFTER_COMMIT)
		send_all(server, buf, n);
	if (kind == CUT_AFTER_COMMIT && recv(server, answer, sizeof(answer), 0) < 0)
		perror("proxy");
	close(client);
	if (kind == CUT_COMMIT_LATE || kind == CUT_COMMIT_DROPPED)
		usleep((useconds_t)plan->late_ms * 1000);
	if (kind == CUT_COMMIT_LATE) {
		send_all(server, buf, n);
		recv(server, answer, sizeof(answer), 0);
	}
	_exit(0);
}

/* Pass what is there; false when the connection is over. */
static bool pass(int client, int server, bool to_server)
{
	char buf[65536];
	ssize_t n = recv(to_server ? client : server, buf, sizeof(buf), 0);
	int kind = __atomic_load_n(&plan->kind, __ATOMIC_ACQUIRE);

	if (n <= 0)
		return false;
	if (kind == CUT_ANYWHERE && (plan->bytes -= n) < 0) {
		plan->kind = CUT_NONE;
		send_all(to_server ? server : client, buf, (size_t)MAX(n + plan->bytes, 0));
		return false;
	}
	if (to_server && kind != CUT_NONE && kind != CUT_ANYWHERE && (size_t)n == COMMIT_BYTES &&
	    memcmp(buf, commit_packet, COMMIT_BYTES) == 0) {
		__atomic_store_n(&plan->kind, CUT_NONE, __ATOMIC_RELEASE);
		cut_commit((enum cut)kind, client, server, buf, (size_t)n);
	}
	return send_all(to_server ? server : client, buf, (size_t)n);
}

static void serve(int client, int to_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)to_port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(server, (struct sockaddr *)&in, sizeof(in)) == -1)
		_exit(1);
	for (;;) {
		struct pollfd p[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};

		if (poll(p, 2, -1) < 0 || (p[0].revents && !pass(client, server, true)) ||
		    (p[1].revents && !pass(client, server, false)))
			_exit(0);
	}
}

static void accept_for_ever(int fd, int to_port)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (client != -1 && fork() == 0)
			serve(client, to_port);
		if (client != -1)
			close(client);
	}
}

int cut_proxy_start(const char *address, int to_port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &in.sin_addr);
	if (fd == -1 || bind(fd, (struct sockaddr *)&in, n) == -1 || listen(fd, 64) == -1 ||
	    getsockname(fd, (struct sockaddr *)&in, &n) == -1)
		tap_bail("proxy: no port on %s", address);
	if (plan == NULL)
		plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plan == MAP_FAILED)
		tap_bail("proxy: no memory");
	fflush(stdout);
	if (fork() == 0)
		accept_for_ever(fd, to_port);
	close(fd);
	return ntohs(in.sin_port);
}

void cut_proxy_set(enum cut kind, int64_t bytes, int late_ms)
{
	plan->bytes = bytes;
	plan->late_ms = late_ms;
	__atomic_store_n(&plan->kind, (int)kind, __ATOMIC_RELEASE);
}
