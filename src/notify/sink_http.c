/* What sinks that speak HTTP share: headers that carry secrets, the meaning of a status, addresses that may get them. */
#include "config.h"

#include "notify/sinks.h"

#include "base/clock.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_AFTER_MAX_MS INT64_C(86400000)
#define LIMITED_MS         60000

int header_secret(struct strvec *headers, const char *prefix, const struct secret_ref *ref, struct err *err)
{
	struct strbuf secret = STRBUF_INIT(SECRET_MAX);
	int rc = secret_resolve(ref, &secret, err);

	if (rc == 0 && strpbrk(secret.buf, "\r\n") != NULL)
		rc = err_set(err, ERR_CONFIG, "a secret that goes into a header has more than one line");
	if (rc == 0)
		strvec_pushf(headers, "%s%s", prefix, secret.buf);
	secret_wipe(&secret);
	return rc;
}

void headers_wipe(struct strvec *headers)
{
	for (size_t i = 0; i < headers->n; i++)
		explicit_bzero(headers->v[i], strlen(headers->v[i]));
	strvec_release(headers);
}

/* Seconds from now or from the epoch, or a date. */
static tm_ms wait_of(const struct http_response *r, const char *name, bool from_epoch)
{
	const char *s = http_header(r, name);
	char *end;
	long long v = s ? strtoll(s, &end, 10) : 0;

	if (s != NULL && (end == s || *end != '\0')) {
		v = (long long)curl_getdate(s, NULL);
		from_epoch = true;
	}
	if (v <= 0 || v > INT64_C(100000000000))
		return 0;
	return MIN(MAX(v * 1000 - (from_epoch ? clock_now() : 0), (tm_ms)0), RETRY_AFTER_MAX_MS);
}

/* GitHub may limit without a header; it wants a minute of silence then. */
static bool says_limited(const struct http_response *r)
{
	return (r->status == 403 || r->status == 429) &&
	       strcasestr(r->body.buf, "secondary rate limit") != NULL;
}

int http_judge(const char *what, const struct http_response *r, tm_ms *retry_after, struct err *err)
{
	const char *left = http_header(r, "x-ratelimit-remaining");
	bool limited = r->status == 429 || http_header(r, "retry-after") != NULL ||
	               (left != NULL && strcmp(left, "0") == 0) || says_limited(r);
	bool passing = r->status >= 500 || r->status == 408 || r->status == 425 ||
	               (limited && (r->status == 429 || r->status == 403));

	if (r->status >= 200 && r->status < 300)
		return 0;
	if (passing)
		*retry_after = MAX(wait_of(r, "retry-after", false),
		    left != NULL && strcmp(left, "0") == 0 ? wait_of(r, "x-ratelimit-reset", true) : (tm_ms)0);
	if (*retry_after == 0 && says_limited(r))
		*retry_after = LIMITED_MS;
	return err_code(
	    err, passing ? ERR_TRANSIENT : ERR_PERMANENT, "http.status", "%s: status %d", what, r->status);
}

char *url_origin(const char *url)
{
	const char *host = strstr(url, "://");

	host = host != NULL ? host + 3 : url;
	return xstrndup(url, (size_t)(host - url) + strcspn(host, "/?#"));
}

static bool is_local(const char *host)
{
	static const char *const here[] = {"localhost", "127.0.0.1", "[::1]"};

	for (size_t i = 0; i < NITEMS(here); i++) {
		size_t n = strlen(here[i]);

		if (strncmp(host, here[i], n) == 0 && (host[n] == '\0' || strchr(":/?", host[n]) != NULL))
			return true;
	}
	return false;
}

int check_url(const char *url, bool secret, struct err *err)
{
	bool plain = strncmp(url, "http://", 7) == 0;

	if (!plain && strncmp(url, "https://", 8) != 0)
		return err_set(err, ERR_CONFIG, "the address must begin with https:// or http://");
	if (strpbrk(url, " \t\"<>") != NULL)
		return err_set(err, ERR_CONFIG, "the address holds a blank or a quote");
	if (strchr(url, '@') != NULL &&
	    strcspn(strstr(url, "://") + 3, "/?") > strcspn(strstr(url, "://") + 3, "@"))
		return err_set(err, ERR_CONFIG, "a password must not stand in the address");
	if (plain && secret && !is_local(url + 7))
		return err_set(
		    err, ERR_CONFIG, "a secret would go to another machine unencrypted: use https://");
	return 0;
}
