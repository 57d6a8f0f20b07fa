/* The event as it is, as CloudEvents 1.0 in structured JSON, posted to an address and signed. */
#include "config.h"

#include "notify/sinks.h"

#include "base/codec.h"
#include "base/digest.h"
#include "base/mem.h"
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

struct webhook_conf {
	char *url, *ca_file;
	struct secret_ref secret, token;
	struct strmap headers;
	tm_ms timeout;
};

struct webhook {
	struct http *http;
	struct http_request *request;
	char *body;
};

static void webhook_free(struct delivery *d)
{
	struct webhook *w = d->mem;

	http_unref(w->http);
	free(w->body);
	free(w);
	d->mem = NULL;
}

static void on_answer(const struct http_response *r, const struct err *failed, void *arg)
{
	const struct webhook_conf *c = ((struct delivery *)arg)->conf->opts;
	struct delivery *d = arg;
	struct err err = ERR_INIT;
	char *origin = url_origin(c->url);
	tm_ms retry_after = 0;

	/* A known status counts even when the rest of the answer was cut: nobody needs it. */
	if (r != NULL)
		http_judge(origin, r, &retry_after, &err);
	else
		err = *failed;
	free(origin);
	webhook_free(d);
	delivery_done(d, err.class ? &err : NULL, retry_after);
}

/* "X-Orchd-Signature: sha256=<hex HMAC-SHA256 of the body>" */
static int sign(const struct webhook_conf *c, const char *body, struct strvec *headers, struct err *err)
{
	struct strbuf key = STRBUF_INIT(SECRET_MAX);
	unsigned char mac[SHA256_BYTES];
	char hex[SHA256_HEX];

	if (secret_resolve(&c->secret, &key, err) == -1) {
		secret_wipe(&key);
		return -1;
	}
	sha256_hmac(key.buf, key.len, body, strlen(body), mac);
	secret_wipe(&key);
	hex_encode(mac, sizeof(mac), hex);
	strvec_pushf(headers, "X-Orchd-Signature: sha256=%s", hex);
	return 0;
}

static int make_headers(const struct delivery *d, const char *body, struct strvec *headers, struct err *err)
{
	const struct webhook_conf *c = d->conf->opts;

	strvec_push(headers, "Content-Type: application/cloudevents+json; charset=utf-8");
	strvec_push(headers, "Expect:");
	strvec_pushf(headers, "X-Orchd-Event: %s", d->id);
	for (size_t i = 0; i < c->headers.keys.n; i++)
		strvec_pushf(headers, "%s: %s", c->headers.keys.v[i], c->headers.values.v[i]);
	if (c->secret.source != SECRET_NONE && sign(c, body, headers, err) == -1)
		return -1;
	if (c->token.source != SECRET_NONE)
		return header_secret(headers, "Authorization: Bearer ", &c->token, err);
	return 0;
}

static int webhook_send(struct delivery *d, struct err *err)
{
	const struct webhook_conf *c = d->conf->opts;
	struct webhook *w = xcalloc(1, sizeof(*w));
	struct strvec headers = STRVEC_INIT;
	int rc = -1;

	d->mem = w;
	w->body = json_text(d->event);
	if (make_headers(d, w->body, &headers, err) == 0 && (w->http = http_ref(d->base, err)) != NULL) {
		w->request = http_start(w->http, &(struct http_options){.method = "POST",
		                                     .url = c->url,
		                                     .headers = &headers,
		                                     .body = w->body,
		                                     .body_size = (int64_t)strlen(w->body),
		                                     .connect_timeout = MIN(c->timeout, (tm_ms)10000),
		                                     .timeout = c->timeout,
		                                     .stall = c->timeout,
		                                     .ca_file = c->ca_file,
		                                     .fresh = true,
		                                     .max_body = 65536,
		                                     .on_done = on_answer,
		                                     .arg = d});
		rc = 0;
	} else {
		webhook_free(d);
	}
	headers_wipe(&headers);
	return rc;
}

static void webhook_cancel(struct delivery *d)
{
	http_cancel(((struct webhook *)d->mem)->request);
	webhook_free(d);
}

static int webhook_check(const void *conf, struct err *err)
{
	const struct webhook_conf *c = conf;

	for (size_t i = 0; i < c->headers.keys.n; i++)
		if (c->headers.keys.v[i][strspn(c->headers.keys.v[i],
		        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")] != '\0')
			return err_set(
			    err, ERR_CONFIG, "'%.60s' is not the name of a header", c->headers.keys.v[i]);
	return check_url(c->url, c->token.source != SECRET_NONE, err);
}

#define WEBHOOK(f) .off = offsetof(struct webhook_conf, f)
static const struct opt webhook_opts[] = {
    {.name = "url",
        .type = OPT_STRING,
        WEBHOOK(url),
        .flags = OPT_REQUIRED,
        .help = "where the event is posted, https:// or http://"},
    {.name = "secret",
        .type = OPT_SECRET,
        WEBHOOK(secret),
        .help = "key of the HMAC-SHA256 over the body, sent as 'X-Orchd-Signature: sha256=HEX'"},
    {.name = "token", .type = OPT_SECRET, WEBHOOK(token), .help = "sent as 'Authorization: Bearer TOKEN'"},
    {.name = "headers", .type = OPT_STRMAP, WEBHOOK(headers), .help = "further headers; no secrets"},
    {.name = "ca_file",
        .type = OPT_PATH,
        WEBHOOK(ca_file),
        .help = "certificates to trust instead of the system's"},
    {.name = "timeout",
        .type = OPT_DURATION,
        WEBHOOK(timeout),
        .def = "30s",
        .min = "100ms",
        .max = "10m",
        .help = "of one request"},
    OPT_END,
};

const struct sink_type sink_webhook = {
    .name = "webhook",
    .summary = "post each event as a CloudEvent in JSON",
    .opts = webhook_opts,
    .conf_size = sizeof(struct webhook_conf),
    .check = webhook_check,
    .send = webhook_send,
    .cancel = webhook_cancel,
};
