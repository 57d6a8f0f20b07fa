/*
 * The life of a call: wait for credentials -> sign and send -> judge the answer -> done, or corrected and sent again
 * at once, or tried again after a delay.
 */
#include "config.h"

#include "store/s3_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "metric/health.h"
#include "metric/metric.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <string.h>

#define URL_MAX       (32 * 1024)
#define SLOW_STALL_MS 600000
#define REDIRECTS_MAX 2
#define SKEW_MAX_MS   (14 * 60 * 1000)

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

/* What a status means to callers of the store; the rest is refused without a code of its own. */
static const struct {
	int status;
	const char *code;
} status_code[] = {
    {401, "denied"},
    {403, "denied"},
    {404, "not_found"},
    {412, "precondition"},
    {416, "bad_range"},
    {501, "unsupported"},
};

static const struct {
	const char *code, *hint;
} hints[] = {
    {"AccessDenied", "the credentials may not do this"},
    {"InvalidAccessKeyId", "the access key is unknown there"},
    {"NoSuchBucket", "the server has no bucket of this name; is it the right endpoint?"},
    {"RequestTimeTooSkewed", "this machine's clock and the server's differ"},
    {"SignatureDoesNotMatch", "the secret key is wrong, or something between changed the request"},
};

static const char *hint_for(const char *code)
{
	for (size_t i = 0; i < NITEMS(hints); i++)
		if (strcmp(code, hints[i].code) == 0)
			return hints[i].hint;
	return "";
}

static void one_line(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
}

/* A refusal as an error of the store interface. */
static void refused(const struct s3_call *c, int status, struct s3_error *doc, const struct http_response *resp,
    struct err *err)
{
	enum s3_verdict v = s3_verdict(status, doc->code, NULL);
	const char *id = resp ? http_header(resp, "x-amz-request-id") : NULL, *hint = hint_for(doc->code);
	char code[ERR_CODE_MAX];

	one_line(doc->message);
	if (doc->code[0] != '\0')
		snprintf(code, sizeof(code), "s3.%.40s", doc->code);
	else
		snprintf(code, sizeof(code), "http.%d", status);
	for (size_t i = 0; i < NITEMS(status_code) && v == S3_FAIL; i++)
		if (status == status_code[i].status)
			snprintf(code, sizeof(code), "%s", status_code[i].code);
	if (strcmp(doc->code, "NoSuchBucket") == 0)
		snprintf(code, sizeof(code), "no_bucket");
	bool transient = v == S3_RETRY || v == S3_THROTTLED || v == S3_WRONG_CLOCK || v == S3_STALE_CREDENTIALS;
	err_code(err, transient ? ERR_TRANSIENT : ERR_PERMANENT, code, "%s %s: %d%s%s%s%s%s%s%s%s%s", c->o.verb,
	    name_of(c), status, doc->code[0] ? " " : "", doc->code, doc->message[0] ? ": " : "", doc->message,
	    *hint ? " (" : "", hint, *hint ? ")" : "", id ? ", request " : "", id ? id : "");
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

/*
 * Answers to HEAD have no body, so no code.  What we could correct shows in their headers: another region, a clock far
 * from ours (the server refuses at 15 minutes), and expired keys as a plain 400.
 */
static const char *code_from_headers(const struct s3_call *c, int status, const struct http_response *resp)
{
	const char *region = http_header(resp, "x-amz-bucket-region"), *date = http_header(resp, "date");
	const struct credential *cred = credentials_now(c->s3->credentials);
	time_t t = date ? curl_getdate(date, NULL) : -1;
	tm_ms off = t == -1 ? 0 : (tm_ms)t * 1000 - (clock_now() + c->s3->skew);

	if (strcmp(c->o.method, "HEAD") != 0 || (status != 400 && status != 403))
		return "";
	if (region != NULL && strcmp(region, c->s3->region) != 0)
		return "AuthorizationHeaderMalformed";
	if (off > SKEW_MAX_MS || off < -SKEW_MAX_MS)
		return "RequestTimeTooSkewed";
	if (status == 400 && cred != NULL && cred->session_token != NULL)
		return "ExpiredToken";
	return "";
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
			snprintf(doc.code, sizeof(doc.code), "%s", code_from_headers(c, status, resp));
	}
	refused(c, status, &doc, resp, &err);
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

/* "20260417T210305Z" by the server's clock as far as we know it. */
static void amz_date(const struct s3_call *c, char out[UTCTIME_MAX])
{
	struct civil t;

	civil_from_ms(clock_now() + c->s3->skew, &t);
	snprintf(
	    out, UTCTIME_MAX, "%04d%02d%02dT%02d%02d%02dZ", t.year, t.month, t.day, t.hour, t.minute, t.second);
}

struct parts {
	char *host;
	struct strbuf path, url;
};

static void address(const struct s3_call *c, struct parts *p)
{
	const struct s3 *s3 = c->s3;
	const char *authority = c->authority ? c->authority : s3->authority;

	p->host = s3->path_style ? xstrdup(authority) : xasprintf("%s.%s", s3->conf->bucket, authority);
	strbuf_init(&p->path, URL_MAX);
	strbuf_init(&p->url, URL_MAX);
	if (s3->path_style)
		strbuf_addf(&p->path, "/%s", s3->conf->bucket);
	if (c->o.key != NULL || !s3->path_style)
		strbuf_addch(&p->path, '/');
	if (c->o.key != NULL)
		sigv4_encode(&p->path, c->o.key, strlen(c->o.key), true);
	strbuf_addf(&p->url, "%s://%s%s", s3->scheme, p->host, p->path.buf);
	if (c->o.nquery > 0) {
		strbuf_addch(&p->url, '?');
		sigv4_query(&p->url, c->o.query, c->o.nquery);
	}
}

static void release_parts(struct parts *p)
{
	free(p->host);
	strbuf_release(&p->path);
	strbuf_release(&p->url);
}

#define SIGNED_MAX 24

static int sign(struct s3_call *c, const struct credential *cred, const struct parts *p, struct strvec *headers,
    struct err *err)
{
	struct sigv4_pair pair[SIGNED_MAX];
	const char *payload = c->o.payload ? c->o.payload : SIGV4_EMPTY;
	struct strbuf auth = STRBUF_INIT(8192);
	char date[UTCTIME_MAX];
	size_t n = 0;

	amz_date(c, date);
	assert(c->o.nheader + 4 <= SIGNED_MAX);
	pair[n++] = (struct sigv4_pair){"x-amz-date", date};
	pair[n++] = (struct sigv4_pair){"x-amz-content-sha256", payload};
	if (cred->session_token != NULL)
		pair[n++] = (struct sigv4_pair){"x-amz-security-token", cred->session_token};
	for (size_t i = 0; i < c->o.nheader; i++)
		pair[n++] = c->o.header[i];
	/* Anonymous requests carry only what the call itself needs. */
	size_t first = cred->access_key ? 0 : n - c->o.nheader;
	for (size_t i = first; i < n; i++)
		strvec_pushf(headers, "%s: %s", pair[i].name, pair[i].value);
	if (cred->access_key == NULL)
		return 0;
	pair[n++] = (struct sigv4_pair){"host", p->host};
	struct sigv4_request r = {.method = c->o.method,
	    .path = p->path.buf,
	    .query = c->o.query,
	    .nquery = c->o.nquery,
	    .header = pair,
	    .nheader = n,
	    .payload = payload,
	    .date = date,
	    .region = c->s3->region,
	    .service = "s3",
	    .access_key = cred->access_key,
	    .secret_key = cred->secret_key};
	int rc = sigv4_authorization(&r, &auth, err);
	strvec_pushf(headers, "Authorization: %s", auth.buf);
	strbuf_release(&auth);
	return rc;
}

static bool has_header(const struct s3_call *c, const char *name)
{
	for (size_t i = 0; i < c->o.nheader; i++)
		if (strcasecmp(c->o.header[i].name, name) == 0)
			return true;
	return false;
}

static void send_request(struct s3_call *c, const struct credential *cred)
{
	const struct s3_conf *conf = c->s3->conf;
	struct strvec headers = STRVEC_INIT;
	struct err err = ERR_INIT;
	struct parts p;

	address(c, &p);
	if (sign(c, cred, &p, &headers, &err) == -1) {
		strvec_release(&headers);
		release_parts(&p);
		finish(c, NULL, &err);
		return;
	}
	if (!has_header(c, "content-type"))
		strvec_push(&headers, "Content-Type:"); /* libcurl would claim a form */
	struct http_options o = {.method = c->o.method,
	    .url = p.url.buf,
	    .headers = &headers,
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
	strvec_release(&headers);
	release_parts(&p);
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

void s3_etag(const char *quoted, char out[STORE_ETAG_MAX])
{
	size_t n = quoted ? strlen(quoted) : 0;

	if (n >= 2 && quoted[0] == '"' && quoted[n - 1] == '"')
		quoted++, n -= 2;
	if (n >= STORE_ETAG_MAX)
		n = 0;
	if (n > 0)
		memcpy(out, quoted, n);
	out[n] = '\0';
}

void s3_object_fill(struct s3_object *o, const char *key, const struct http_response *resp)
{
	const char *modified = http_header(resp, "last-modified"),
	           *sum = http_header(resp, "x-amz-meta-sha256");
	time_t t = modified ? curl_getdate(modified, NULL) : -1;

	s3_etag(http_header(resp, "etag"), o->etag);
	o->obj = (struct store_object){
	    .key = key, .size = resp->length, .etag = o->etag, .modified = t == -1 ? 0 : (tm_ms)t * 1000};
	if (sum != NULL && strlen(sum) == SHA256_HEX - 1 && strspn(sum, "0123456789abcdef") == SHA256_HEX - 1)
		o->obj.sha256 = sum;
}
