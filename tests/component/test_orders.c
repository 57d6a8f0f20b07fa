/*
 * Pages that are ordered: one in a turn of the loop, whoever goes away meanwhile.  The server and the orders have a loop each
 * here, so that all can have come, or gone, before the first page is made.
 */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "net/httpd.h"
#include "net/payload.h"
#include "web/orders.h"
#include "web/rendering.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define DEADLINE_MS 20000
#define CLIENTS     40
#define MADE_MAX    256

static struct {
	struct event_base *base, *kitchen; /* of the server, of the orders */
	struct httpd *server;
	struct orders *orders;
	int client[CLIENTS];
	struct strbuf got[CLIENTS];
	char *made[MADE_MAX]; /* targets, in the order of their making */
	bool awaited[MADE_MAX];
	size_t nmade, asked;
} g;

static void make(void *arg, const char *target, bool awaited, struct rendering *out)
{
	struct strbuf body = STRBUF_INIT(4096);

	if (g.nmade == MADE_MAX)
		abort();
	g.awaited[g.nmade] = awaited;
	g.made[g.nmade++] = xstrdup(target);
	if (!awaited)
		return;
	strbuf_addf(&body, "page %s\n", target);
	*out = (struct rendering){.status = 200, .content_type = "text/plain", .payload = payload_new(&body)};
}

static void handle(struct httpd_request *req, void *arg)
{
	g.asked++;
	if (!orders_join(g.orders, req) && !orders_wait(g.orders, req))
		httpd_reply_error(req, 503, "too many");
}

/* ---- the world: a server, its orders, and clients that do nothing by themselves ---- */

static void begin(void)
{
	struct strvec hosts = STRVEC_INIT;
	struct httpd_conf conf = {
	    .listen = "127.0.0.1:0", .hosts = &hosts, .max_connections = 100, .max_per_peer = 100};
	struct err err = ERR_INIT;

	g.base = event_base_new();
	g.kitchen = event_base_new();
	g.orders = orders_new(g.kitchen, make, NULL);
	if ((g.server = httpd_new(g.base, &conf, handle, NULL, &err)) == NULL)
		abort();
	for (size_t i = 0; i < CLIENTS; i++) {
		g.client[i] = -1;
		g.got[i] = STRBUF_INIT(1 << 20);
	}
	g.asked = 0;
}

static void hang_up(size_t i)
{
	if (g.client[i] != -1)
		close(g.client[i]);
	g.client[i] = -1;
}

static void forget_made(void)
{
	while (g.nmade > 0)
		free(g.made[--g.nmade]);
}

static void end(void)
{
	orders_free(g.orders);
	httpd_free(g.server);
	event_base_free(g.base);
	event_base_free(g.kitchen);
	for (size_t i = 0; i < CLIENTS; i++) {
		hang_up(i);
		strbuf_release(&g.got[i]);
	}
	forget_made();
}

static void ask(size_t i, const char *target)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)httpd_port(g.server))};
	struct strbuf text = STRBUF_INIT(4096);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (g.client[i] == -1) {
		g.client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(g.client[i], (struct sockaddr *)&sin, sizeof(sin)) == -1)
			abort();
		fcntl(g.client[i], F_SETFL, O_NONBLOCK);
	}
	strbuf_addf(&text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
	if (send(g.client[i], text.buf, text.len, MSG_NOSIGNAL) != (ssize_t)text.len)
		abort();
	strbuf_release(&text);
}

static void serve(void)
{
	char buf[4096];
	ssize_t n;

	event_base_loop(g.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	for (size_t i = 0; i < CLIENTS; i++)
		while (g.client[i] != -1 && (n = read(g.client[i], buf, sizeof(buf))) > 0)
			strbuf_add(&g.got[i], buf, (size_t)n);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

static size_t answers(void)
{
	size_t n = 0;

	for (size_t i = 0; i < CLIENTS; i++)
		n += count(g.got[i].buf, "HTTP/1.1 ");
	return n;
}

static bool have_come(size_t asked)
{
	tm_ms last = clock_mono() + DEADLINE_MS;

	while (g.asked < asked && clock_mono() < last)
		serve();
	return g.asked == asked;
}

static bool are_left(int64_t connections)
{
	tm_ms last = clock_mono() + DEADLINE_MS;

	while (httpd_stats(g.server)->connections > connections && clock_mono() < last)
		serve();
	return httpd_stats(g.server)->connections == connections;
}

static bool have_answers(size_t n)
{
	tm_ms last = clock_mono() + DEADLINE_MS;

	while (answers() < n && clock_mono() < last)
		serve();
	return answers() == n;
}

/* Turns of the orders' loop until there is nothing to do; the most that was made in one of them. */
static size_t make_all(void)
{
	size_t most = 0, before;

	do {
		before = g.nmade;
		event_base_loop(g.kitchen, EVLOOP_ONCE);
		most = MAX(most, g.nmade - before);
	} while (event_base_get_num_events(g.kitchen, EVENT_BASE_COUNT_ADDED) > 0);
	return most;
}

static bool answered_with(size_t i, const char *target)
{
	char *line = xasprintf("page %s\n", target);
	bool yes = strstr(g.got[i].buf, line) != NULL;

	free(line);
	return yes;
}

static bool made_in_order(const char *const *targets)
{
	size_t i = 0;

	while (targets[i] != NULL && i < g.nmade && strcmp(g.made[i], targets[i]) == 0)
		i++;
	return targets[i] == NULL && i == g.nmade;
}
#define MADE(...) made_in_order((const char *const[]){__VA_ARGS__, NULL})

/* ---- tests ---- */

static void test_one_in_a_turn(void)
{
	char target[32];
	size_t right = 0;

	begin();
	for (size_t i = 0; i < CLIENTS; i++) {
		snprintf(target, sizeof(target), "/page/%zu", i);
		ask(i, target);
	}
	ok(have_come(CLIENTS), "many ask for a page each");
	is_int(make_all(), 1, "never are two made in one turn");
	is_int(g.nmade, CLIENTS, "each is made once");
	ok(have_answers(CLIENTS), "all are answered");
	for (size_t i = 0; i < CLIENTS; i++) {
		snprintf(target, sizeof(target), "/page/%zu", i);
		right += answered_with(i, target);
	}
	is_int(right, CLIENTS, "with what they asked for");
	end();
}

static void test_same_page(void)
{
	begin();
	for (size_t i = 0; i < CLIENTS; i++)
		ask(i, i % 2 ? "/odd" : "/even");
	have_come(CLIENTS);
	make_all();
	is_int(g.nmade, 2, "a page that many ask for is made once");
	ok(g.awaited[0] && g.awaited[1], "for those who wait");
	ok(have_answers(CLIENTS) && answered_with(0, "/even") && answered_with(CLIENTS - 1, "/odd"),
	    "and all are given it");
	end();
}

/* The order of one connection's requests is the order of their answers. */
static void test_pipelined(void)
{
	const char *a, *b;

	begin();
	ask(0, "/first");
	ask(0, "/second");
	ok(have_come(1), "of two requests at once on one connection the first comes first");
	make_all();
	ok(have_come(2), "the second when that is answered");
	make_all();
	ok(have_answers(2), "then both are");
	a = strstr(g.got[0].buf, "page /first\n");
	b = strstr(g.got[0].buf, "page /second\n");
	ok(a != NULL && b != NULL && a < b, "in their order");
	end();
}

static void test_gone(void)
{
	struct linger reset = {.l_onoff = 1};

	begin();
	for (size_t i = 0; i < 6; i++)
		ask(i, i < 3 ? "/shared" : i == 3 ? "/alone" : i == 4 ? "/reset" : "/stays");
	ok(have_come(6), "six wait");
	hang_up(0);
	hang_up(3);
	setsockopt(g.client[4], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	hang_up(4);
	ok(are_left(3), "three go away");
	make_all();
	ok(g.nmade == 2 && (strcmp(g.made[0], "/shared") == 0 || strcmp(g.made[1], "/shared") == 0),
	    "a page that nobody waits for any more is not made");
	ok(have_answers(3) && answered_with(1, "/shared") && answered_with(2, "/shared") &&
	        answered_with(5, "/stays"),
	    "who stayed is answered");
	ask(7, "/alone");
	have_come(7);
	make_all();
	ok(have_answers(4) && answered_with(7, "/alone"), "and who comes for it afterwards");
	end();
}

static void test_all_gone(void)
{
	begin();
	for (size_t i = 0; i < CLIENTS; i++)
		ask(i, i % 2 ? "/odd" : "/even");
	have_come(CLIENTS);
	for (size_t i = 0; i < CLIENTS; i++)
		hang_up(i);
	ok(are_left(0), "all who wait go away");
	event_base_loop(g.kitchen, EVLOOP_ONCE);
	is_int(g.nmade, 0, "nothing is made");
	end();
}

/* The server's end is the end of those who wait, and the orders outlive it or not. */
static void test_server_ends_first(void)
{
	begin();
	for (size_t i = 0; i < 10; i++)
		ask(i, i % 2 ? "/odd" : "/even");
	have_come(10);
	httpd_free(g.server);
	g.server = NULL;
	event_base_loop(g.kitchen, EVLOOP_ONCE);
	is_int(g.nmade, 0, "without a server nobody waits");
	end();
}

static void test_orders_end_first(void)
{
	begin();
	for (size_t i = 0; i < 10; i++)
		ask(i, i % 2 ? "/odd" : "/even");
	have_come(10);
	orders_free(g.orders);
	g.orders = NULL;
	ok(have_answers(10), "who waits when the orders end is answered");
	is_int(count(g.got[0].buf, "HTTP/1.1 503 "), 1, "that it cannot be");
	end();
}

static void test_renewals(void)
{
	begin();
	orders_renew(g.orders, "/renewed");
	orders_renew(g.orders, "/nothing");
	orders_renew(g.orders, "/renewed");
	is_int(make_all(), 1, "what is renewed is made without a reader, one in a turn");
	ok(MADE("/renewed", "/nothing"), "each once, in their order");
	ok(!g.awaited[0] && !g.awaited[1], "and it is said that nobody waits");
	end();
}

static void test_readers_first(void)
{
	begin();
	orders_renew(g.orders, "/first");
	orders_renew(g.orders, "/joined");
	ask(0, "/page");
	have_come(1);
	ask(1, "/joined");
	have_come(2);
	orders_renew(g.orders, "/page");
	make_all();
	ok(MADE("/page", "/joined", "/first"), "readers go before renewals, and may make one theirs");
	ok(g.awaited[0] && g.awaited[1] && !g.awaited[2], "which is said");
	ok(have_answers(2) && answered_with(0, "/page") && answered_with(1, "/joined"), "both are answered");
	end();
}

static void test_too_many(void)
{
	char target[32];

	begin();
	for (size_t i = 0; i < ORDERS_MAX; i++) {
		snprintf(target, sizeof(target), "/nothing/%zu", i);
		orders_renew(g.orders, target);
	}
	ask(0, "/one-more");
	ask(1, "/nothing/7");
	ok(have_come(2) && have_answers(1), "one page more than may wait is not taken");
	ok(strstr(g.got[0].buf, "503 Service Unavailable: too many") != NULL, "and the caller's to answer");
	is_int(g.got[1].len, 0, "a reader of one that waits already waits with it");
	orders_renew(g.orders, "/another");
	end();
}

int main(void)
{
	tap_run(test_one_in_a_turn);
	tap_run(test_same_page);
	tap_run(test_pipelined);
	tap_run(test_gone);
	tap_run(test_all_gone);
	tap_run(test_server_ends_first);
	tap_run(test_orders_end_first);
	tap_run(test_renewals);
	tap_run(test_readers_first);
	tap_run(test_too_many);
	return tap_done();
}
