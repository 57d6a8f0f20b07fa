#include "config.h"

#include "web/web_priv.h"

#include "base/mem.h"
#include "engine/engine.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define STREAMS_MAX 512
#define HEARTBEAT_S 15
#define MESSAGE_MAX 16384

struct stream {
	LIST_ENTRY(stream) link;
	struct web_streams *all;
	struct httpd_request *req;
};

struct web_streams {
	struct web *web;
	struct engine_listener listener;
	struct event *heartbeat;
	LIST_HEAD(, stream) open;
	int64_t n;
};

static void stream_forget(struct stream *s)
{
	LIST_REMOVE(s, link);
	s->all->n--;
	free(s);
}

static void on_gone(void *arg)
{
	stream_forget(arg);
}

static void send_all(struct web_streams *all, const char *text, size_t n)
{
	struct stream *s, *next;

	for (s = LIST_FIRST(&all->open); s != NULL; s = next) {
		next = LIST_NEXT(s, link);
		if (httpd_stream_send(s->req, text, n) == -1)
			stream_forget(s);
	}
}

static void on_event(const struct engine_event *ev, void *arg)
{
	struct strbuf text = STRBUF_INIT(MESSAGE_MAX);
	struct web_streams *all = arg;
	json_t *obj;

	if (LIST_EMPTY(&all->open))
		return;
	obj = json_pack("{s:s, s:I, s:s?, s:O?}", "kind", ev->kind, "run", (json_int_t)ev->run_id, "asset",
	    ev->asset, "data", ev->data);
	strbuf_addf(&text, "event: %s\ndata: ", ev->kind);
	json_write(obj, &text); /* compact JSON has no line ends, which would end the message */
	strbuf_addstr(&text, "\n\n");
	if (!text.overflowed)
		send_all(all, text.buf, text.len);
	strbuf_release(&text);
	json_decref(obj);
}

/* Tells proxies and both ends that the connection lives. */
static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	send_all(arg, ":\n\n", 3);
}

void stream_open(struct web *w, struct httpd_request *req)
{
	struct web_streams *all = w->streams;
	struct stream *s;

	if (w->engine == NULL || all->n >= STREAMS_MAX) {
		httpd_reply_error(req, 503, "too many streams; reload the page instead");
		return;
	}
	if (httpd_is_head(req)) {
		httpd_reply_error(req, 405, "a stream has no head of its own");
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->all = all;
	s->req = req;
	LIST_INSERT_HEAD(&all->open, s, link);
	all->n++;
	httpd_stream_begin(req, "text/event-stream; charset=utf-8");
	httpd_on_gone(req, on_gone, s);
	if (httpd_stream_send(req, "retry: 5000\n\n", 13) == -1)
		stream_forget(s);
}

struct web_streams *streams_new(struct web *w)
{
	struct web_streams *all = xcalloc(1, sizeof(*all));
	struct timeval tv = {.tv_sec = HEARTBEAT_S};

	all->web = w;
	all->listener = (struct engine_listener){.on_event = on_event, .arg = all};
	if (w->engine != NULL)
		engine_listen(w->engine, &all->listener);
	all->heartbeat = event_new(w->base, -1, EV_PERSIST, on_heartbeat, all);
	event_add(all->heartbeat, &tv);
	return all;
}

void streams_free(struct web_streams *all)
{
	struct stream *s;

	if (all == NULL)
		return;
	if (all->web->engine != NULL)
		engine_unlisten(all->web->engine, &all->listener);
	while ((s = LIST_FIRST(&all->open)) != NULL) {
		httpd_stream_end(s->req);
		stream_forget(s);
	}
	event_free(all->heartbeat);
	free(all);
}

int64_t streams_count(const struct web_streams *all)
{
	return all->n;
}
