/*
 * The life of a call: wait for credentials -> sign and send -> judge the answer -> done, or corrected and sent again
 * at once, or tried again after a delay.
 */
#include "config.h"

#include "store/s3_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/health.h"
#include "metric/metric.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <string.h>

#define SLOW_STALL_MS 600000
#define REDIRECTS_MAX 2

struct s3_call {
	struct s3 *s3;
	struct s3_call_options o;
	int attempt; /* from 1 */
	bool region_fixed, clock_fixed, credentials_fixed, paused;
	int redirects;
	char *authority; /* after a redirect */
	int64_t sent_us; /* monotonic */
	struct credentials_wait *wait;
	struct http_request *http;
	struct event *timer;
};

static void free_call(struct s3_call *c)
{
	if (c->http != NULL)
		http_cancel(c->http);
	if (c->wait != NULL)
		credentials_cancel(c->wait);
	event_free(c->timer);
	free(c->authority);
	free(c);
}

void s3_call_cancel(struct s3_call *c)
{
	if (c != NULL)
		free_call(c);
}

void s3_call_pause(struct s3_call *c, bool paused)
{
	c->paused = paused;
	if (c->http != NULL)
		http_pause(c->http, paused);
}

/* Whether the place answers: what it says of one object (not there, changed) is an answer. */
static void note_health(const struct s3_call *c, const struct err *err)
{
	bool hidden =
	    err != NULL && (err->class == ERR_TRANSIENT || err->class == ERR_CONFIG || err_is(err, "denied") ||
	                       err_is(err, "no_bucket") || err_is(err, "tls"));

	health_note(HEALTH_STORE, c->s3->store.name, hidden ? err : NULL);
}

/* One request that was sent, by its status or the kind of its failure. */
static void count_request(const struct s3_call *c, const struct http_response *resp, const struct err *net)
{
	char code[ERR_CODE_MAX], op[24];

	if (net != NULL)
		snprintf(code, sizeof(code), "%s", net->code);
	else
		snprintf(code, sizeof(code), "%d", resp->status);
	snprintf(op, sizeof(op), "%.*s", (int)strcspn(c->o.verb, " "), c->o.verb);
	metric_count(METRIC_S3_REQUESTS, op, code);
	metric_observe(METRIC_S3_REQUEST_DURATION, (double)(clock_mono_us() - c->sent_us) / 1e6, op, NULL);
	if (net == NULL)
		metric_add(METRIC_S3_BYTES, (double)c->o.body_size, "sent", NULL);
	if (resp != NULL)
		metric_add(METRIC_S3_BYTES, (double)resp->received, "received", NULL);
}

static void finish(struct s3_call *c, const struct http_response *resp, const struct err *err)
{
	note_health(c, err);
	c->o.on_done(err ? NULL : resp, err, c->o.arg);
	free_call(c);
}

static const char *name_of(const struct s3_call *c)
{
	return c->o.key ? c->o.key : c->s3->conf->bucket;
}

static void again(struct s3_call *c, tm_ms delay)
{
	struct timeval tv = {.tv_sec = delay / 1000, .tv_usec = delay % 1000 * 1000};

	if (delay > 0)
		evtimer_add(c->timer, &tv);
	else
		event_active(c->timer, EV_TIMEOUT, 0);
}

static bool fix_region(struct s3_call *c, const struct http_response *resp, const struct s3_error *doc)
{
	const char *region = resp ? http_header(resp, "x-amz-bucket-region") : NULL;

	if (region == NULL && doc->region[0] != '\0')
		region = doc->region;
	if (c->region_fixed || region == NULL || strlen(region) > 32 ||
	    strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region) ||
	    strcmp(region, c->s3->region) == 0)
		return false;
	c->region_fixed = true;
	log_warn("store %s: bucket %s is in region %s, not %s: using that", c->s3->store.name,
	    c->s3->conf->bucket, region, c->s3->region);
	xstrset(&c->s3->region, region);
	if (!c->s3->custom_endpoint) {
		free(c->s3->authority);
		c->s3->authority = xasprintf("s3.%s.amazonaws.com", region);
	}
	return true;
}

static bool fix_clock(struct s3_call *c, const struct http_response *resp)
{
	const char *date = resp ? http_header(resp, "date") : NULL;
	time_t t = date ? curl_getdate(date, NULL) : -1;

	if (c->clock_fixed || t == -1)
		return false;
	c->clock_fixed = true;
	c->s3->skew = (tm_ms)t * 1000 - clock_now();
	log_warn("store %s: this clock is %lld s %s the server's: signing with the server's time",
	    c->s3->store.name, (long long)(c->s3->skew < 0 ? -c->s3->skew : c->s3->skew) / 1000,
	    c->s3->skew < 0 ? "ahead of" : "behind");
	return true;
}

static bool fix_credentials(struct s3_call *c)
{
	if (c->credentials_fixed)
		return false;
	c->credentials_fixed = true;
	credentials_invalidate(c->s3->credentials);
	return true;
}

/* To another address of the same object: https stays https, and everything is signed anew. */
static bool follow(struct s3_call *c, const struct http_response *resp)
{
	const char *to = resp ? http_header(resp, "location") : NULL, *authority;
	size_t n;

	if (to == NULL || c->redirects++ == REDIRECTS_MAX)
		return false;
	if (strncmp(to, "https://", 8) == 0)
		authority = to + 8;
	else if (strncmp(to, "http://", 7) == 0 && strcmp(c->s3->scheme, "http") == 0)
		authority = to + 7;
	else
		return false;
	n = strcspn(authority, "/?#");
	if (n == 0 || n > 255 || memchr(authority, '@', n) != NULL ||
	    (to[4] == 's') != (strcmp(c->s3->scheme, "https") == 0))
		return false;
	/* In virtual-host style the name starts with the bucket already; we put it there ourselves. */
	size_t b = strlen(c->s3->conf->bucket);
	if (!c->s3->path_style && n > b && strncmp(authority, c->s3->conf->bucket, b) == 0 &&
	    authority[b] == '.')
		authority += b + 1, n -= b + 1;
	free(c->authority);
	c->authority = xstrndup(authority, n);
	return true;
}

static bool correct(
    struct s3_call *c, enum s3_verdict v, const struct http_response *resp, const struct s3_error *doc)
{
	switch (v) {
	case S3_WRONG_REGION: return fix_region(c, resp, doc);
	case S3_WRONG_CLOCK: return fix_clock(c, resp);
	case S3_STALE_CREDENTIALS: return fix_credentials(c);
	case S3_REDIRECTED: return follow(c, resp);
	default: return false;
	}
}

static void judge(struct s3_call *c, enum s3_verdict v, const struct http_response *resp,
    const struct s3_error *doc, struct err *err)
{
	bool worth = v == S3_RETRY || v == S3_THROTTLED;

	if (correct(c, v, resp, doc)) {
		again(c, 0);
		return;
	}
	if (worth && c->attempt < c->s3->conf->attempts) {
		tm_ms after = resp ? s3_retry_after(http_header(resp, "retry-after"),
		                         http_header(resp, "x-amz-retry-after"), clock_now())
		                   : 0;
		if (s3_budget_take(&c->s3->budget, err_is(err, "net.timeout") || err_is(err, "net.stall"))) {
			tm_ms delay = s3_retry_delay(c->attempt, v == S3_THROTTLED, after);
			log_debug("store %s: %s; attempt %d of %lld in %lld ms", c->s3->store.name, err->text,
			    c->attempt + 1, (long long)c->s3->conf->attempts, (long long)delay);
			again(c, delay);
			return;
		}
		err_wrap(err, "too many failures lately, not tried again");
	} else if (worth && c->attempt > 1) {
		char text[ERR_TEXT_MAX];
		snprintf(text, sizeof(text), "%s", err->text);
		snprintf(err->text, sizeof(err->text), "%.980s (%d attempts)", text, c->attempt);
	}
	/* Every attempt had the wrong bytes: that is no accident of the network. */
	if (err_is(err, "corrupt"))
		err->class = ERR_BAD_DATA;
	finish(c, resp, err);
}

static void on_http_done(const struct http_response *resp, const struct err *net, void *arg)
{
	struct s3_call *c = arg;
	struct s3_error doc = {0};
	struct err err = ERR_INIT;
	int status = resp ? resp->status : 0;

	c->http = NULL;
	count_request(c, resp, net);
	if (net != NULL && (status == 0 || status / 100 == 2)) {
		err = *net;
		err_wrap(&err, "%s %s", c->o.verb, name_of(c));
		judge(c, s3_verdict(status, "", &err), resp, &doc, &err);
		return;
	}
	if (status / 100 == 2) {
		if (c->o.check == NULL || c->o.check(resp, &doc, &err, c->o.arg) == 0) {
			s3_budget_earn(&c->s3->budget);
			finish(c, resp, NULL);
			return;
		}
		if (doc.code[0] == '\0') {
			err_wrap(&err, "%s %s", c->o.verb, name_of(c));
			judge(c, s3_verdict(status, "", &err), resp, &doc, &err);
			return;
		}
		status = 500; /* an error document under 200 */
	} else {
		if (s3_error_parse(resp->body.buf, resp->body.len, &doc) == -1)
			snprintf(doc.code, sizeof(doc.code), "%s",
			    s3_code_from_headers(c->s3, c->o.method, status, resp));
	}
	s3_refused(&c->o, name_of(c), status, &doc, resp, &err);
	judge(c, s3_verdict(status, doc.code, &err), resp, &doc, &err);
}

static enum http_body on_http_head(const struct http_response *resp, void *arg)
{
	struct s3_call *c = arg;

	return resp->status / 100 == 2 && c->o.on_head ? c->o.on_head(resp, c->o.arg) : HTTP_COLLECT;
}

static int on_http_body(const void *p, size_t n, void *arg)
{
	struct s3_call *c = arg;

	return c->o.on_body(p, n, c->o.arg);
}

static void send_request(struct s3_call *c, const struct credential *cred)
{
	const struct s3_conf *conf = c->s3->conf;
	struct err err = ERR_INIT;
	struct s3_request p;

	if (s3_request_make(&p, c->s3, c->authority ? c->authority : c->s3->authority, &c->o, cred, &err) ==
	    -1) {
		s3_request_release(&p);
		finish(c, NULL, &err);
		return;
	}
	struct http_options o = {.method = c->o.method,
	    .url = p.url.buf,
	    .headers = &p.headers,
	    .body = c->o.body,
	    .body_fd = c->o.body_fd,
	    .body_offset = c->o.body_offset,
	    .body_size = c->o.body_size,
	    .connect_timeout = conf->connect_timeout,
	    .timeout = c->o.slow || c->o.streaming ? 0 : conf->timeout,
	    .stall = c->o.slow ? SLOW_STALL_MS : 0,
	    .ca_file = conf->ca_file,
	    .fresh = c->o.fresh,
	    .max_body = c->o.max_body ? c->o.max_body : S3_XML_ERROR_MAX,
	    .on_head = on_http_head,
	    .on_body = on_http_body,
	    .on_done = on_http_done,
	    .arg = c};
	c->sent_us = clock_mono_us();
	c->http = http_start(c->s3->http, &o);
	if (c->paused)
		http_pause(c->http, true);
	s3_request_release(&p);
}

static void on_credentials(const struct credential *cred, const struct err *err, void *arg)
{
	struct s3_call *c = arg;
	struct err e;

	c->wait = NULL;
	if (err == NULL) {
		send_request(c, cred);
		return;
	}
	e = *err;
	err_wrap(&e, "%s %s", c->o.verb, name_of(c));
	finish(c, NULL, &e);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct s3_call *c = arg;
	const struct credential *cred = credentials_now(c->s3->credentials);

	c->attempt++;
	if (c->o.prepare != NULL)
		c->o.prepare(&c->o, c->o.arg);
	if (cred != NULL)
		send_request(c, cred);
	else
		c->wait = credentials_get(c->s3->credentials, on_credentials, c);
}

struct s3_call *s3_call_start(struct s3 *s3, const struct s3_call_options *o)
{
	struct s3_call *c = xcalloc(1, sizeof(*c));

	c->s3 = s3;
	c->o = *o;
	c->timer = evtimer_new(s3->store.base, on_timer, c);
	if (c->timer == NULL)
		abort();
	again(c, 0);
	return c;
}
