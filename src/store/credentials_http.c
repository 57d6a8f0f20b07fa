/* Sources that are asked over HTTP: the container's endpoint and the instance's metadata service. */
#include "config.h"

#include "store/credentials_impl.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX  (64 * 1024)
#define CONTAINER   "http://169.254.170.2"
#define METADATA    "http://169.254.169.254"
#define ROLES_PATH  "/latest/meta-data/iam/security-credentials/"
#define TOKEN_PATH  "/latest/api/token"
#define TOKEN_TTL   "X-aws-ec2-metadata-token-ttl-seconds: 21600"
#define RETRY_AFTER 1 /* s */

/* ---- one request, perhaps repeated */

struct cred_http {
	struct fetch fetch;
	struct credentials *c;
	struct cred_http_options o;
	char *url, *body;
	struct strvec headers;
	struct http_request *req;
	struct event *timer;
	int attempt;
};

static void free_request(struct fetch *f)
{
	struct cred_http *h = CONTAINER_OF(f, struct cred_http, fetch);

	if (h->req != NULL)
		http_cancel(h->req);
	event_free(h->timer);
	for (size_t i = 0; i < h->headers.n; i++)
		explicit_bzero(h->headers.v[i], strlen(h->headers.v[i]));
	strvec_release(&h->headers);
	free(h->url);
	secret_free(h->body);
	free(h);
}

static bool is_worth_repeating(const struct http_response *resp, const struct err *err)
{
	return err ? err->class == ERR_TRANSIENT : resp->status >= 500 || resp->status == 429;
}

static void on_done(const struct http_response *resp, const struct err *err, void *arg)
{
	static const struct timeval pause = {.tv_sec = RETRY_AFTER};
	struct cred_http *h = arg;
	struct credentials *c = h->c;
	cred_http_cb *cb = h->o.cb;

	h->req = NULL;
	if (is_worth_repeating(resp, err) && h->attempt < h->o.attempts) {
		evtimer_add(h->timer, &pause);
		return;
	}
	c->fetch = NULL;
	free_request(&h->fetch);
	cb(c, resp, err);
}

static void send_it(struct cred_http *h)
{
	struct http_options o = {.method = h->o.method,
	    .url = h->url,
	    .headers = &h->headers,
	    .body = h->body,
	    .body_size = h->body ? (int64_t)strlen(h->body) : 0,
	    .connect_timeout = h->o.timeout,
	    .timeout = h->o.timeout,
	    .no_proxy = h->o.no_proxy,
	    .max_body = ANSWER_MAX,
	    .on_done = on_done,
	    .arg = h};

	h->attempt++;
	h->req = http_start(h->c->http, &o);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	send_it(arg);
}

void cred_http_start(struct credentials *c, const struct cred_http_options *o)
{
	struct cred_http *h = xcalloc(1, sizeof(*h));

	assert(c->fetch == NULL);
	h->c = c;
	h->o = *o;
	h->url = xstrdup(o->url);
	xstrset(&h->body, o->body);
	for (size_t i = 0; o->headers != NULL && i < o->headers->n; i++)
		strvec_push(&h->headers, o->headers->v[i]);
	h->timer = evtimer_new(c->base, on_timer, h);
	if (h->timer == NULL)
		abort();
	h->fetch.cancel = free_request;
	c->fetch = &h->fetch;
	send_it(h);
}

/* What is wrong with an answer as a whole, or 0. */
int cred_http_check(const struct http_response *resp, const struct err *err, struct err *out)
{
	if (err != NULL) {
		*out = *err;
		return -1;
	}
	if (resp->status != 200 || resp->body_cut)
		return err_code(out, resp->status >= 500 || resp->status == 429 ? ERR_TRANSIENT : ERR_PERMANENT,
		    "credentials", resp->body_cut ? "the answer is too large" : "the answer is status %d",
		    resp->status);
	return 0;
}

static void take_json(
    struct credentials *c, const char *where, const struct http_response *resp, const struct err *err)
{
	struct credential out = {0};
	struct err e = ERR_INIT;
	int rc = cred_http_check(resp, err, &e);

	if (rc == 0 && (rc = credential_from_json(&out, resp->body.buf, resp->body.len, where, &e)) == -1)
		e.class = ERR_TRANSIENT; /* somebody in between has answered */
	if (rc == -1)
		credentials_fetched(c, SOURCE_ERROR, NULL, &e);
	else
		credentials_fetched(c, SOURCE_FOUND, &out, NULL);
}

/* ---- container */

static void on_container(struct credentials *c, const struct http_response *resp, const struct err *err)
{
	take_json(c, "the container's credentials endpoint", resp, err);
}

/* Keys in clear text come from this machine or the container host only. */
static bool may_ask(const char *url)
{
	static const char *const hosts[] = {
	    "127.", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};

	if (strncmp(url, "https://", 8) == 0)
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	const char *host = url + 7;
	size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
	if (memchr(host, '@', strcspn(host, "/?#")) != NULL)
		return false;
	if (n > 4 && strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n)
		return true;
	for (size_t i = 1; i < NITEMS(hosts); i++)
		if (n == strlen(hosts[i]) && strncmp(host, hosts[i], n) == 0)
			return true;
	return false;
}

static enum source_result authorization(struct strvec *headers, struct err *err)
{
	const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
	           *text = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct strbuf sb = STRBUF_INIT(16 * 1024);

	if (file != NULL && *file) {
		if (fs_read(file, &sb, err) == -1)
			return SOURCE_ERROR;
		text = sb.buf;
	}
	size_t n = text ? strcspn(text, "\r\n") : 0;
	if (n > 0)
		strvec_pushf(headers, "Authorization: %.*s", (int)n, text);
	secret_wipe(&sb);
	return SOURCE_PENDING;
}

enum source_result source_container(struct credentials *c, struct credential *out, struct err *err)
{
	const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
	           *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct strvec headers = STRVEC_INIT;
	char *url;

	if (relative != NULL && *relative)
		url = xasprintf(CONTAINER "%s", relative);
	else if (full != NULL && *full)
		url = xstrdup(full);
	else
		return SOURCE_ABSENT;
	enum source_result r = authorization(&headers, err);
	if (!may_ask(url)) {
		err_code(err, ERR_CONFIG, "credentials",
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this machine or a container "
		    "host");
		r = SOURCE_ERROR;
	}
	struct cred_http_options o = {.method = "GET",
	    .url = url,
	    .headers = &headers,
	    .timeout = 2000,
	    .attempts = 3,
	    .no_proxy = true,
	    .cb = on_container};
	if (r == SOURCE_PENDING)
		cred_http_start(c, &o);
	strvec_release(&headers);
	free(url);
	return r;
}

/* ---- instance metadata, version 2: a session token first, then the role's name, then its keys */

static char *metadata_url(const char *path, const char *name)
{
	const char *at = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	size_t n;

	at = at && *at ? at : METADATA;
	n = strlen(at);
	while (n > 0 && at[n - 1] == '/')
		n--;
	return xasprintf("%.*s%s%s", (int)n, at, path, name);
}

static void ask_metadata(struct credentials *c, const char *method, const char *path, const char *name,
    const char *header, cred_http_cb *cb)
{
	struct strvec headers = STRVEC_INIT;
	char *url = metadata_url(path, name);

	strvec_push(&headers, header);
	struct cred_http_options o = {.method = method,
	    .url = url,
	    .headers = &headers,
	    .timeout = 1000,
	    .attempts = 1,
	    .no_proxy = true,
	    .cb = cb};
	cred_http_start(c, &o);
	strvec_release(&headers);
	free(url);
}

static void on_metadata_keys(struct credentials *c, const struct http_response *resp, const struct err *err)
{
	take_json(c, "the instance's metadata", resp, err);
}

/* One line of printable characters of an answer, or NULL. */
static char *first_line(const struct http_response *resp, size_t max)
{
	size_t n = strcspn(resp->body.buf, "\r\n");

	if (n == 0 || n > max)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (resp->body.buf[i] <= 0x20 || resp->body.buf[i] == 0x7f)
			return NULL;
	return xstrndup(resp->body.buf, n);
}

static void on_metadata_role(struct credentials *c, const struct http_response *resp, const struct err *err)
{
	struct err e = ERR_INIT;
	char *role;

	if (err == NULL && resp->status == 404) { /* an instance without a role */
		credentials_fetched(c, SOURCE_ABSENT, NULL, NULL);
		return;
	}
	if (cred_http_check(resp, err, &e) == -1) {
		credentials_fetched(c, SOURCE_ERROR, NULL, &e);
		return;
	}
	role = first_line(resp, 128);
	if (role == NULL ||
	    strspn(role, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-") !=
	        strlen(role)) {
		err_code(&e, ERR_TRANSIENT, "credentials", "the metadata service names no role");
		credentials_fetched(c, SOURCE_ERROR, NULL, &e);
	} else {
		ask_metadata(c, "GET", ROLES_PATH, role, c->metadata_token, on_metadata_keys);
	}
	free(role);
}

static void on_metadata_token(struct credentials *c, const struct http_response *resp, const struct err *err)
{
	char *token = err == NULL && resp->status == 200 && !resp->body_cut ? first_line(resp, 10000) : NULL;

	/* Nobody there, or something that does not speak version 2: this is no such instance. */
	if (token == NULL) {
		credentials_fetched(c, SOURCE_ABSENT, NULL, NULL);
		return;
	}
	secret_free(c->metadata_token);
	c->metadata_token = xasprintf("X-aws-ec2-metadata-token: %s", token);
	secret_free(token);
	ask_metadata(c, "GET", ROLES_PATH, "", c->metadata_token, on_metadata_role);
}

enum source_result source_metadata(struct credentials *c, struct credential *out, struct err *err)
{
	const char *off = getenv("AWS_EC2_METADATA_DISABLED");

	if (off != NULL && strcasecmp(off, "true") == 0)
		return SOURCE_ABSENT;
	ask_metadata(c, "PUT", TOKEN_PATH, "", TOKEN_TTL, on_metadata_token);
	return SOURCE_PENDING;
}
