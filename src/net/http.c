/* The client of a loop: libcurl on the sockets and timers of libevent. */
#include "config.h"

#include "net/http_priv.h"

#include "base/mem.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#define HOST_CONNECTIONS 32L

/* One socket of libcurl's. */
struct sock {
	struct event *ev;
};

static struct http *loops;

static void after_curl(struct http *h);

static void enter(struct http *h)
{
	h->depth++;
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;
	int mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0), running;

	enter(h);
	curl_multi_socket_action(h->multi, fd, mask, &running);
	after_curl(h);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;
	int running;

	enter(h);
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	after_curl(h);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct http *h = arg;

	enter(h);
	for (struct http_request *r = h->first; r != NULL; r = r->next) {
		if (!r->resume || !r->added || r->dead)
			continue;
		/* Delivers at once what libcurl has held back. */
		r->resume = false;
		curl_easy_pause(r->easy, CURLPAUSE_CONT);
	}
	after_curl(h);
}

static int socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg, void *slot)
{
	struct http *h = arg;
	struct sock *s = slot;
	short mask =
	    (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);

	if (s != NULL) {
		event_free(s->ev);
		s->ev = NULL;
	}
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(h->multi, fd, NULL);
		free(s);
		return 0;
	}
	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		curl_multi_assign(h->multi, fd, s);
	}
	s->ev = event_new(h->base, fd, mask, on_socket, h);
	if (s->ev == NULL || event_add(s->ev, NULL) == -1)
		abort();
	return 0;
}

static int timer_cb(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (ms < 0)
		evtimer_del(h->timer);
	else
		evtimer_add(h->timer, &tv);
	return 0;
}

void http_kick(struct http *h)
{
	event_active(h->kicker, EV_TIMEOUT, 0);
}

/* OpenSSL writes with plain write(2), and libcurl guards it only when it may use signals, which it may not here. */
static void ignore_sigpipe(void)
{
	struct sigaction sa;

	if (sigaction(SIGPIPE, NULL, &sa) == 0 && sa.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

struct http *http_ref(struct event_base *base, struct err *err)
{
	static bool started;
	struct http *h;

	for (h = loops; h != NULL; h = h->next_loop)
		if (h->base == base && !h->closing) {
			h->refs++;
			return h;
		}
	if (!started && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		err_set(err, ERR_BUG, "libcurl does not start");
		return NULL;
	}
	started = true;
	ignore_sigpipe();
	h = xcalloc(1, sizeof(*h));
	h->base = base;
	h->refs = 1;
	h->multi = curl_multi_init();
	h->timer = evtimer_new(base, on_timer, h);
	h->kicker = evtimer_new(base, on_kick, h);
	if (h->multi == NULL || h->timer == NULL || h->kicker == NULL)
		abort();
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, socket_cb);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, timer_cb);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, HOST_CONNECTIONS);
	h->next_loop = loops;
	loops = h;
	return h;
}

static void destroy(struct http *h)
{
	struct http **p;

	while (h->first != NULL)
		http_request_free(h->first);
	curl_multi_cleanup(h->multi);
	event_free(h->timer);
	event_free(h->kicker);
	for (p = &loops; *p != h; p = &(*p)->next_loop)
		;
	*p = h->next_loop;
	free(h);
}

void http_unref(struct http *h)
{
	if (h == NULL || --h->refs > 0)
		return;
	h->closing = true;
	if (h->depth == 0)
		destroy(h);
}

static struct http_request *next_dead(struct http *h)
{
	struct http_request *r = h->first;

	while (r != NULL && !r->dead)
		r = r->next;
	return r;
}

/* Everything that must not happen inside libcurl's callbacks: ends, removals, additions. */
static void after_curl(struct http *h)
{
	struct http_request *r;
	CURLMsg *m;
	int left;

	if (h->depth > 1) {
		h->depth--;
		return;
	}
	while (!h->closing && (m = curl_multi_info_read(h->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		CURLcode rc = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
		if (!r->dead)
			http_request_finish(r, rc);
		http_request_free(r);
	}
	while ((r = next_dead(h)) != NULL)
		http_request_free(r);
	for (r = h->first; r != NULL && !h->closing; r = r->next)
		if (!r->added) {
			r->added = true;
			curl_multi_add_handle(h->multi, r->easy);
		}
	h->depth--;
	if (h->closing)
		destroy(h);
}
