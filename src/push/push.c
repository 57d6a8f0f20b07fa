#include "config.h"

#include "push/push.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/conf_opts.h"
#include "conf/secret.h"
#include "engine/engine.h"
#include "net/httpd.h"
#include "push/notification.h"
#include "push/recent.h"
#include "push/token.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define RETRY_AFTER_S 2 /* the engine starts over in one */

/* A notification that was taken apart; its answer waits for the commit. */
struct taken {
	LIST_ENTRY(taken) link;
	struct push *push; /* NULL: gone */
	struct httpd_request *req; /* NULL: gone */
	int64_t accepted, duplicates, ignored, unknown, bad;
};

struct push {
	struct event_base *base;
	struct engine *engine;
	struct httpd *server; /* NULL: not listening */
	char *conf_text; /* what it listens by, to see whether that changed */
	struct token token;
	struct recent *recent;
	LIST_HEAD(, taken) waiting;
	struct push_stats stats;
};

/* ---- answers ---- */

static void answer_unavailable(struct push *p, struct httpd_request *req)
{
	static const char text[] = "503: not journaled; repeat it\n";
	struct httpd_answer a = {.status = 503,
	    .content_type = "text/plain; charset=utf-8",
	    .body = text,
	    .n = sizeof(text) - 1,
	    .retry_after = RETRY_AFTER_S};

	p->stats.unavailable++;
	httpd_reply(req, &a);
}

static void answer_taken(struct push *p, const struct taken *t)
{
	char text[200];
	struct httpd_answer a = {
	    .status = 200, .content_type = "application/json; charset=utf-8", .body = text};

	p->stats.requests++;
	p->stats.records += t->accepted + t->duplicates + t->ignored + t->unknown + t->bad;
	p->stats.accepted += t->accepted;
	p->stats.duplicates += t->duplicates;
	p->stats.ignored += t->ignored;
	p->stats.unknown += t->unknown;
	p->stats.bad += t->bad;
	if (t->req == NULL)
		return;
	a.n = (size_t)snprintf(text, sizeof(text),
	    "{\"accepted\":%" PRId64 ",\"duplicates\":%" PRId64 ",\"ignored\":%" PRId64 ",\"unknown\":%" PRId64
	    ",\"bad\":%" PRId64 "}\n",
	    t->accepted, t->duplicates, t->ignored, t->unknown, t->bad);
	httpd_reply(t->req, &a);
}

/* ---- notifications ---- */

static void taken_free(struct taken *t)
{
	if (t->push != NULL)
		LIST_REMOVE(t, link);
	free(t);
}

static void on_commit(const struct err *err, void *arg)
{
	struct taken *t = arg;

	if (t->push != NULL && err != NULL) {
		/* What this turn heard is forgotten, so it must not count as heard. */
		recent_clear(t->push->recent);
		if (t->req != NULL)
			answer_unavailable(t->push, t->req);
	} else if (t->push != NULL) {
		answer_taken(t->push, t);
	}
	taken_free(t);
}

static void on_gone(void *arg)
{
	struct taken *t = arg;

	t->req = NULL;
}

static void on_record(const struct announced *a, void *arg)
{
	struct taken *t = arg;
	struct push *p = t->push;
	enum hint_fate fate;

	p->stats.last_at = clock_now();
	if (a->what != ANNOUNCED_CREATED) {
		t->ignored++;
		return;
	}
	if (recent_has(p->recent, a)) {
		t->duplicates++;
		return;
	}
	fate = engine_hint(p->engine, a->bucket, a->key);
	if (a->raw != NULL)
		fate = MAX(fate, engine_hint(p->engine, a->bucket, a->raw));
	if (fate == HINT_UNKNOWN) {
		t->unknown++;
		snprintf(p->stats.last_unknown, sizeof(p->stats.last_unknown), "%s/%s", a->bucket, a->key);
		return;
	}
	t->accepted++;
	recent_add(p->recent, a);
}

static void take(struct push *p, struct httpd_request *req)
{
	struct taken *t = xcalloc(1, sizeof(*t));
	struct err err = ERR_INIT;
	const char *body;
	size_t n;

	*t = (struct taken){.push = p, .req = req};
	LIST_INSERT_HEAD(&p->waiting, t, link);
	body = httpd_body(req, &n);
	if (notification_read(body, n, on_record, t, &t->bad, &err) == -1) {
		p->stats.malformed++;
		httpd_reply_error(req, err_is(&err, "too_many") ? 413 : 400, err.text);
		taken_free(t);
	} else if (t->accepted + t->duplicates > 0) {
		httpd_on_gone(req, on_gone, t);
		engine_after_commit(p->engine, on_commit, t);
	} else {
		answer_taken(p, t);
		taken_free(t);
	}
}

static void on_request(struct httpd_request *req, void *arg)
{
	static const char text[] = "S3 event notifications are taken here, by POST and with the token\n";
	static const struct httpd_answer hello = {
	    .status = 200, .content_type = "text/plain; charset=utf-8", .body = text, .n = sizeof(text) - 1};
	struct push *p = arg;

	if (!httpd_is_post(req))
		httpd_reply(req, &hello);
	else if (engine_is_draining(p->engine))
		answer_unavailable(p, req);
	else
		take(p, req);
}

static bool may_post(struct httpd_request *req, void *arg)
{
	static const char text[] = "401: the token is missing or wrong\n";
	static const struct httpd_answer no = {.status = 401,
	    .content_type = "text/plain; charset=utf-8",
	    .body = text,
	    .n = sizeof(text) - 1,
	    .challenge = "Basic realm=\"orchd push\", Bearer realm=\"orchd push\""};
	struct push *p = arg;

	if (token_shown(&p->token, httpd_field(req, "authorization")))
		return true;
	p->stats.refused++;
	httpd_reply(req, &no);
	return false;
}

/* ---- listening ---- */

static int read_token(struct push *p, const struct conf_push *cp, struct err *err)
{
	struct strbuf text = STRBUF_INIT(SECRET_MAX);
	int rc = secret_resolve(&cp->token, &text, err);

	if (rc == 0 && text.len < TOKEN_MIN)
		rc = err_set(err, ERR_CONFIG, "push.token: it has fewer than %d bytes", TOKEN_MIN);
	if (rc == 0)
		token_set(&p->token, text.buf, text.len);
	secret_wipe(&text);
	return rc;
}

static void stop_listening(struct push *p)
{
	httpd_free(p->server);
	p->server = NULL;
	p->stats.address[0] = '\0';
	free(p->conf_text);
	p->conf_text = NULL;
}

static int listen_as(struct push *p, const struct conf_push *cp, struct err *err)
{
	struct httpd_conf hc = {.listen = cp->listen,
	    .hosts = &cp->hosts,
	    .max_connections = cp->max_connections,
	    .max_per_peer = cp->max_connections,
	    .post_body_max = (size_t)cp->max_body,
	    .may_post = may_post,
	    .option = "push"};
	const char *colon = strrchr(cp->listen, ':');

	if ((p->server = httpd_new(p->base, &hc, on_request, p, err)) == NULL)
		return -1;
	snprintf(p->stats.address, sizeof(p->stats.address), "http://%.*s:%d/",
	    (int)(colon ? colon - cp->listen : 0), cp->listen, httpd_port(p->server));
	log_info("push endpoint: %s", p->stats.address);
	return 0;
}

static char *text_of(const struct conf_push *cp)
{
	json_t *j = opt_to_json(conf_push_opts, cp);
	char *text = json_text(j);

	json_decref(j);
	return text;
}

void push_use(struct push *p, struct conf *conf)
{
	const struct conf_push *cp = &conf->push;
	struct err err = ERR_INIT;
	char *text;

	recent_clear(p->recent); /* other sensors may want what was told before */
	if (cp->listen == NULL || read_token(p, cp, &err) == -1) {
		stop_listening(p);
	} else {
		text = text_of(cp);
		if (p->server != NULL && strcmp(text, p->conf_text) == 0) {
			free(text);
			return;
		}
		stop_listening(p);
		p->conf_text = text;
		listen_as(p, cp, &err);
	}
	if (err.class != ERR_NONE)
		log_error("there is no push endpoint: %s; a reload tries again", err.text);
}

struct push *push_new(struct event_base *base, struct engine *engine)
{
	struct push *p = xcalloc(1, sizeof(*p));

	p->base = base;
	p->engine = engine;
	p->recent = recent_new();
	LIST_INIT(&p->waiting);
	return p;
}

void push_free(struct push *p)
{
	struct taken *t;

	if (p == NULL)
		return;
	stop_listening(p);
	/* The engine still has them for after its commit. */
	while ((t = LIST_FIRST(&p->waiting)) != NULL) {
		LIST_REMOVE(t, link);
		t->push = NULL;
	}
	recent_free(p->recent);
	free(p);
}

const struct push_stats *push_stats(const struct push *p)
{
	return &p->stats;
}
