#include "config.h"

#include "store/credentials_impl.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secmem.h"
#include "base/utctime.h"

#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* Fetch anew when less than this is left, or half of what there was. */
#define REFRESH_BEFORE (10 * 60 * 1000)
/* But no source is asked more often than this: not one that fails, and not one whose keys look expired by our clock. */
#define ASK_AGAIN_MS 5000
#define SECRET_MAX   (16 * 1024)

struct credentials_wait {
	struct credentials *c;
	struct credentials_wait *next, **link;
	credentials_cb *cb;
	void *arg;
};

void secret_free(char *s)
{
	if (s == NULL)
		return;
	OPENSSL_cleanse(s, strlen(s));
	free(s);
}

void credential_release(struct credential *c)
{
	free(c->access_key);
	secmem_free(c->secret_key);
	secmem_free(c->session_token);
	*c = (struct credential){0};
}

enum source_result credential_pair(struct credential *out, const char *where, const char *access,
    const char *secret, const char *token, struct err *err)
{
	bool has_access = access != NULL && *access, has_secret = secret != NULL && *secret;

	if (!has_access && !has_secret)
		return SOURCE_ABSENT;
	if (!has_access || !has_secret) {
		err_code(err, ERR_CONFIG, "credentials",
		    "%s has an access key without a secret key or the reverse", where);
		return SOURCE_ERROR;
	}
	*out = (struct credential){
	    .access_key = xstrdup(access), .secret_key = secmem_dup(secret), .expires = TIME_NEVER};
	if (token != NULL && *token)
		out->session_token = secmem_dup(token);
	/* They become header values: nothing that could end a line. */
	for (const char *p = access; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			goto bad;
	for (const char *p = out->session_token ? out->session_token : ""; *p; p++)
		if ((unsigned char)*p <= 0x20 || *p == 0x7f)
			goto bad;
	return SOURCE_FOUND;
bad:
	credential_release(out);
	err_code(
	    err, ERR_CONFIG, "credentials", "%s has blanks or control characters in a key or token", where);
	return SOURCE_ERROR;
}

int credential_from_json(struct credential *out, const char *text, size_t n, const char *where, struct err *err)
{
	json_t *j = json_parse(text, n, where, err);
	const char *expires;
	int rc = -1;

	if (j == NULL)
		return -1;
	expires = json_str(j, "Expiration", NULL);
	enum source_result r = credential_pair(out, where, json_str(j, "AccessKeyId", NULL),
	    json_str(j, "SecretAccessKey", NULL), json_str(j, "Token", json_str(j, "SessionToken", NULL)), err);
	if (r == SOURCE_ABSENT)
		err_code(err, ERR_TRANSIENT, "credentials", "%s: the answer holds no keys", where);
	if (r == SOURCE_FOUND && expires != NULL && utctime_parse(expires, &out->expires) == -1) {
		credential_release(out);
		err_code(err, ERR_TRANSIENT, "credentials", "%s: the answer has a bad Expiration", where);
	} else if (r == SOURCE_FOUND) {
		rc = 0;
	}
	json_decref(j);
	return rc;
}

/* ---- the sources that answer at once */

static enum source_result source_config(struct credentials *c, struct credential *out, struct err *err)
{
	const struct secret_ref *ref[3] = {c->conf.access_key, c->conf.secret_key, c->conf.session_token};
	struct strbuf text[3];
	enum source_result r = SOURCE_FOUND;

	for (int i = 0; i < 3; i++) {
		text[i] = STRBUF_INIT(SECRET_MAX);
		if (ref[i] != NULL && ref[i]->source != SECRET_NONE && r == SOURCE_FOUND &&
		    secret_resolve(ref[i], &text[i], err) == -1)
			r = SOURCE_ERROR;
	}
	if (r == SOURCE_FOUND)
		r = credential_pair(out, "the configuration", text[0].buf, text[1].buf, text[2].buf, err);
	for (int i = 0; i < 3; i++)
		secret_wipe(&text[i]);
	return r;
}

static enum source_result source_environment(struct credentials *c, struct credential *out, struct err *err)
{
	return credential_pair(out, "the environment", getenv("AWS_ACCESS_KEY_ID"),
	    getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN"), err);
}

static bool read_credential(const char *dir, const char *name, struct strbuf *out)
{
	char *path = fs_join(dir, name);
	bool found = fs_read(path, out, NULL) == 0;

	while (out->len > 0 && (out->buf[out->len - 1] == '\n' || out->buf[out->len - 1] == '\r'))
		strbuf_truncate(out, out->len - 1);
	free(path);
	return found;
}

static enum source_result source_service(struct credentials *c, struct credential *out, struct err *err)
{
	static const char *const names[3] = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"};
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	struct strbuf text[3];
	enum source_result r;

	if (dir == NULL || *dir == '\0')
		return SOURCE_ABSENT;
	for (int i = 0; i < 3; i++) {
		text[i] = STRBUF_INIT(SECRET_MAX);
		read_credential(dir, names[i], &text[i]);
	}
	r = credential_pair(out, "CREDENTIALS_DIRECTORY", text[0].buf, text[1].buf, text[2].buf, err);
	for (int i = 0; i < 3; i++)
		secret_wipe(&text[i]);
	return r;
}

static const struct {
	const char *name;
	source_fn *fn;
} sources[] = {
    {"configuration", source_config},
    {"environment", source_environment},
    {"service credentials", source_service},
    {"shared files", source_profile},
    {"web identity", source_web_identity},
    {"container", source_container},
    {"instance metadata", source_metadata},
};

/* ---- the chain */

/*
 * Keys that were expired by our clock when they came are used all the same: it may be the clock that is wrong, and the
 * server knows better.
 */
static bool is_usable(const struct credentials *c)
{
	return c->now.source != NULL && !c->stale && (c->odd_clock || c->now.expires > clock_now());
}

const struct credential *credentials_now(struct credentials *c)
{
	return is_usable(c) && clock_mono() < c->renew_at ? &c->now : NULL;
}

static void wake(struct credentials *c)
{
	static const struct timeval now;

	evtimer_add(c->timer, &now);
}

/* Answer everybody who waits now; a callback may ask again, cancel another, or free us all. */
static void answer(struct credentials *c, const struct err *err)
{
	struct credentials_wait *w;
	bool freed = false;
	size_t n = 0;

	for (w = c->first; w != NULL; w = w->next)
		n++;
	c->freed = &freed;
	while (n-- > 0 && !freed && (w = c->first) != NULL) {
		credentials_cb *cb = w->cb;
		void *arg = w->arg;

		credentials_cancel(w);
		cb(err ? NULL : &c->now, err, arg);
	}
	if (freed)
		return;
	c->freed = NULL;
	if (c->first != NULL)
		wake(c);
}

static void nobody(struct credentials *c)
{
	struct err err = ERR_INIT;

	err_code(&err, ERR_CONFIG, "credentials",
	    "no credentials: not in the configuration, AWS_ACCESS_KEY_ID, the service's credentials, shared "
	    "files, web identity, container or instance metadata (set anonymous: yes for a public bucket)");
	answer(c, &err);
}

static void found(struct credentials *c, struct credential *out)
{
	tm_ms left = out->expires == TIME_NEVER ? TIME_NEVER : out->expires - clock_now();

	credential_release(&c->now);
	c->now = *out;
	c->now.source = sources[c->at].name;
	c->stale = false;
	c->odd_clock = left <= 0;
	c->renew_at = left == TIME_NEVER
	                  ? TIME_NEVER
	                  : clock_mono() + MAX(MAX(left - REFRESH_BEFORE, left / 2), (tm_ms)ASK_AGAIN_MS);
	log_debug("store credentials from %s", c->now.source);
	answer(c, NULL);
}

static void failed(struct credentials *c, const struct err *err)
{
	/* What we have may still do for a while. */
	if (is_usable(c)) {
		log_warn("store credentials cannot be renewed: %s; the old ones are used until they expire",
		    err->text);
		c->renew_at = clock_mono() + ASK_AGAIN_MS;
		answer(c, NULL);
		return;
	}
	answer(c, err);
}

/* Ask sources in order until one answers or has to be waited for. */
static void ask(struct credentials *c)
{
	struct credential out = {0};
	struct err err = ERR_INIT;

	for (; c->at < NITEMS(sources); c->at++) {
		switch (sources[c->at].fn(c, &out, &err)) {
		case SOURCE_ABSENT: continue;
		case SOURCE_PENDING: return;
		case SOURCE_FOUND: found(c, &out); return;
		case SOURCE_ERROR:
			err_wrap(&err, "credentials");
			failed(c, &err);
			return;
		}
	}
	nobody(c);
}

void credentials_fetched(
    struct credentials *c, enum source_result r, struct credential *out, const struct err *err)
{
	struct err e;

	c->fetch = NULL;
	if (r == SOURCE_FOUND) {
		found(c, out);
	} else if (r == SOURCE_ABSENT) {
		c->at++;
		ask(c);
	} else {
		e = *err;
		err_wrap(&e, "credentials from %s", sources[c->at].name);
		failed(c, &e);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct credentials *c = arg;

	if (c->first == NULL || c->fetch != NULL)
		return;
	if (credentials_now(c) != NULL) {
		answer(c, NULL);
		return;
	}
	c->at = 0;
	ask(c);
}

struct credentials *credentials_new(
    const struct credentials_conf *conf, struct event_base *base, struct http *http)
{
	struct credentials *c = xcalloc(1, sizeof(*c));

	c->conf = *conf;
	c->base = base;
	c->http = http;
	c->timer = evtimer_new(base, on_timer, c);
	if (c->timer == NULL)
		abort();
	if (conf->anonymous)
		c->now = (struct credential){.expires = TIME_NEVER, .source = "anonymous"};
	c->renew_at = TIME_NEVER; /* of what is there from the beginning */
	return c;
}

void credentials_free(struct credentials *c)
{
	if (c == NULL)
		return;
	while (c->first != NULL)
		credentials_cancel(c->first);
	if (c->fetch != NULL)
		c->fetch->cancel(c->fetch);
	if (c->freed != NULL)
		*c->freed = true;
	secret_free(c->metadata_token);
	credential_release(&c->now);
	event_free(c->timer);
	free(c);
}

struct credentials_wait *credentials_get(struct credentials *c, credentials_cb *cb, void *arg)
{
	struct credentials_wait *w = xcalloc(1, sizeof(*w)), **end = &c->first;

	while (*end != NULL)
		end = &(*end)->next;
	w->c = c;
	w->link = end;
	*end = w;
	w->cb = cb;
	w->arg = arg;
	wake(c);
	return w;
}

void credentials_cancel(struct credentials_wait *w)
{
	if (w == NULL)
		return;
	*w->link = w->next;
	if (w->next != NULL)
		w->next->link = w->link;
	free(w);
}

void credentials_invalidate(struct credentials *c)
{
	if (!c->conf.anonymous)
		c->stale = true;
}
