/* One transfer: what libcurl is told, what it tells, and whether the end is a good one. */
#include "config.h"

#include "net/http_priv.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_MAX    (64 * 1024)
#define STALL_BYTES    1024L
#define STALL_MS       15000
#define RECEIVE_BUFFER (32 * 1024L) /* larger ones are cold by the time they are read */
#define SEND_BUFFER    (256 * 1024L)

const char *http_header(const struct http_response *r, const char *name)
{
	for (size_t i = r->names.n; i-- > 0;)
		if (strcmp(r->names.v[i], name) == 0)
			return r->values.v[i];
	return NULL;
}

void http_request_free(struct http_request *r)
{
	*r->link = r->next;
	if (r->next != NULL)
		r->next->link = r->link;
	if (r->added)
		curl_multi_remove_handle(r->http->multi, r->easy);
	curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	strvec_release(&r->resp.names);
	strvec_release(&r->resp.values);
	strbuf_release(&r->resp.body);
	free(r->host);
	free(r);
}

static const struct {
	CURLcode rc;
	enum err_class class;
	const char *code;
} curl_errors[] = {
    {CURLE_COULDNT_RESOLVE_HOST, ERR_TRANSIENT, "net.resolve"},
    {CURLE_COULDNT_RESOLVE_PROXY, ERR_TRANSIENT, "net.resolve"},
    {CURLE_COULDNT_CONNECT, ERR_TRANSIENT, "net.connect"},
    {CURLE_OPERATION_TIMEDOUT, ERR_TRANSIENT, "net.timeout"},
    {CURLE_PARTIAL_FILE, ERR_TRANSIENT, "http.truncated"},
    {CURLE_GOT_NOTHING, ERR_TRANSIENT, "net.reset"},
    {CURLE_SEND_ERROR, ERR_TRANSIENT, "net.reset"},
    {CURLE_RECV_ERROR, ERR_TRANSIENT, "net.reset"},
    {CURLE_SEND_FAIL_REWIND, ERR_TRANSIENT, "net.reset"},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_TRANSIENT, "http.garbage"},
    {CURLE_WEIRD_SERVER_REPLY, ERR_TRANSIENT, "http.garbage"},
    {CURLE_PEER_FAILED_VERIFICATION, ERR_PERMANENT, "tls"},
    {CURLE_SSL_CACERT_BADFILE, ERR_PERMANENT, "tls"},
    {CURLE_SSL_CERTPROBLEM, ERR_PERMANENT, "tls"},
    {CURLE_SSL_CIPHER, ERR_PERMANENT, "tls"},
    {CURLE_SSL_CONNECT_ERROR, ERR_PERMANENT, "tls"},
    {CURLE_SSL_ISSUER_ERROR, ERR_PERMANENT, "tls"},
    {CURLE_USE_SSL_FAILED, ERR_PERMANENT, "tls"},
    {CURLE_LOGIN_DENIED, ERR_PERMANENT, "login"},
    {CURLE_URL_MALFORMAT, ERR_CONFIG, "bad_url"},
};

/* What people have most often done when libcurl says this. */
static const struct {
	CURLcode rc;
	const char *text, *hint; /* text: what the message holds besides */
} curl_hints[] = {
    {CURLE_GOT_NOTHING, "", " (does it speak TLS there? then write https://)"},
    {CURLE_PEER_FAILED_VERIFICATION, "", " (name its authority in ca_file, or mend the certificate)"},
    {CURLE_SSL_CONNECT_ERROR, "wrong version number", " (does it speak TLS there?)"},
};

static const char *hint_for(const struct http_request *r, CURLcode rc, const char *text)
{
	char *scheme = NULL;

	curl_easy_getinfo(r->easy, CURLINFO_SCHEME, &scheme);
	if (rc == CURLE_GOT_NOTHING && (scheme == NULL || strcasecmp(scheme, "http") != 0))
		return "";
	for (size_t i = 0; i < NITEMS(curl_hints); i++)
		if (curl_hints[i].rc == rc && strstr(text, curl_hints[i].text) != NULL)
			return curl_hints[i].hint;
	return "";
}

/* A handshake that was merely cut is the network's fault, not the certificate's. */
static bool handshake_was_cut(const char *text)
{
	return strcasestr(text, "SSL_ERROR_SYSCALL") != NULL || strcasestr(text, "reset") != NULL ||
	       strcasestr(text, "unexpected eof") != NULL || strcasestr(text, "timed out") != NULL;
}

static int curl_failed(const struct http_request *r, CURLcode rc, struct err *err)
{
	const char *text = r->error[0] ? r->error : curl_easy_strerror(rc), *code = "net";
	enum err_class class = ERR_TRANSIENT;

	for (size_t i = 0; i < NITEMS(curl_errors); i++)
		if (curl_errors[i].rc == rc) {
			class = curl_errors[i].class;
			code = curl_errors[i].code;
		}
	if (rc == CURLE_OPERATION_TIMEDOUT && strstr(text, "too slow") != NULL)
		code = "net.stall";
	if (rc == CURLE_SSL_CONNECT_ERROR && handshake_was_cut(text)) {
		class = ERR_TRANSIENT;
		code = "net.reset";
	}
	return err_code(err, class, code, "%s: %s%s", r->host, text, hint_for(r, rc, text));
}

/* libcurl is content; are we? */
static int check_length(const struct http_request *r, struct err *err)
{
	if (!r->head_done)
		return err_code(
		    err, ERR_TRANSIENT, "http.truncated", "%s: the answer ends inside its headers", r->host);
	bool no_body = strcmp(r->o.method, "HEAD") == 0 || r->resp.status == 204 || r->resp.status == 304;
	if (no_body || r->resp.body_cut)
		return 0;
	if (r->resp.length == -1 && !r->chunked)
		return err_code(
		    err, ERR_TRANSIENT, "http.no_length", "%s: the answer does not tell its length", r->host);
	if (r->resp.length != -1 && r->resp.length != r->resp.received)
		return err_code(err, ERR_TRANSIENT, "http.truncated", "%s: the answer has %lld of %lld bytes",
		    r->host, (long long)r->resp.received, (long long)r->resp.length);
	return 0;
}

static void finish_easy(struct http_request *r, CURLcode rc)
{
	struct err err = ERR_INIT;
	long code = 0;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &code);
	if (rc != CURLE_OK)
		curl_failed(r, rc, &err);
	r->dead = true;
	r->on_end((int)code, err.class ? &err : NULL, r->o.arg);
}

void http_request_finish(struct http_request *r, CURLcode rc)
{
	struct err err = ERR_INIT;

	if (r->on_end != NULL) {
		finish_easy(r, rc);
		return;
	}

	if (rc == CURLE_WRITE_ERROR && r->resp.body_cut)
		rc = CURLE_OK; /* we stopped it ourselves: enough was read */
	if (r->header_bytes > HEADERS_MAX)
		err_code(&err, ERR_TRANSIENT, "http.garbage", "%s: headers of more than %d bytes", r->host,
		    HEADERS_MAX);
	else if (rc != CURLE_OK)
		curl_failed(r, rc, &err);
	else
		check_length(r, &err);
	r->dead = true;
	if (err.class == ERR_NONE)
		r->o.on_done(&r->resp, NULL, r->o.arg);
	else
		r->o.on_done(r->head_done ? &r->resp : NULL, &err, r->o.arg);
}

/* "Name: value\r\n" into the response. */
static void take_header(struct http_request *r, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n), *v;
	struct http_response *resp = &r->resp;

	if (colon == NULL)
		return;
	strvec_pushn(&resp->names, line, (size_t)(colon - line));
	for (char *p = resp->names.v[resp->names.n - 1]; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	v = colon + 1;
	const char *end = line + n;
	while (v < end && (*v == ' ' || *v == '\t'))
		v++;
	while (end > v && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	strvec_pushn(&resp->values, v, (size_t)(end - v));
}

static void head_complete(struct http_request *r)
{
	const char *length = http_header(&r->resp, "content-length"),
	           *te = http_header(&r->resp, "transfer-encoding");
	char *end;

	r->head_done = true;
	r->chunked = te != NULL && strcasecmp(te, "chunked") == 0;
	r->resp.length = -1;
	if (length != NULL && !r->chunked && length[0] >= '0' && length[0] <= '9') {
		int64_t n = strtoll(length, &end, 10);
		r->resp.length = *end == '\0' ? n : -1;
	}
	r->mode = r->o.on_head && !r->dead ? r->o.on_head(&r->resp, r->o.arg) : HTTP_COLLECT;
}

static size_t header_cb(char *line, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	long status = 0;

	n *= size;
	if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) {
		/* A new head: the one before was "100 Continue". */
		strvec_release(&r->resp.names);
		strvec_release(&r->resp.values);
		r->head_done = false;
	} else if (n <= 2 && (line[0] == '\r' || line[0] == '\n')) {
		curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
		r->resp.status = (int)status;
		if (status >= 200 && !r->head_done)
			head_complete(r);
	} else if (!r->head_done) {
		take_header(r, line, n);
	}
	r->header_bytes += n;
	return r->dead || r->header_bytes > HEADERS_MAX ? 0 : n;
}

static size_t write_cb(char *p, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;

	n *= size;
	if (r->dead)
		return 0;
	if (r->paused)
		return CURL_WRITEFUNC_PAUSE; /* the same bytes come again when it goes on */
	if (r->mode == HTTP_COLLECT) {
		size_t room = r->resp.body.limit - r->resp.body.len;
		strbuf_add(&r->resp.body, p, MIN(room, n));
		r->resp.body_cut = n > room;
		r->resp.received += (int64_t)n;
		return r->resp.body_cut ? 0 : n;
	}
	r->resp.received += (int64_t)n;
	if (r->o.on_body(p, n, r->o.arg) == -1 && !r->dead)
		r->resp.body_cut = true;
	return r->dead || r->resp.body_cut ? 0 : n;
}

static size_t read_cb(char *p, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	size_t want = (size_t)MIN((int64_t)(n * size), r->o.body_size - r->sent);
	ssize_t got = (ssize_t)want;

	if (r->dead)
		return CURL_READFUNC_ABORT;
	if (r->o.body != NULL)
		memcpy(p, (const char *)r->o.body + r->sent, want);
	else if (want > 0)
		got = pread(r->o.body_fd, p, want, r->o.body_offset + r->sent);
	if (got < 0 || (got == 0 && want > 0))
		return CURL_READFUNC_ABORT;
	r->sent += got;
	return (size_t)got;
}

static int seek_cb(void *arg, curl_off_t offset, int origin)
{
	struct http_request *r = arg;

	if (origin != SEEK_SET || offset < 0 || offset > r->o.body_size)
		return CURL_SEEKFUNC_FAIL;
	r->sent = offset;
	return CURL_SEEKFUNC_OK;
}

static char *host_of(const char *url)
{
	const char *p = strstr(url, "://"), *host = p ? p + 3 : url;

	return xstrndup(host, strcspn(host, "/?"));
}

static void set_method(struct http_request *r)
{
	const char *m = r->o.method;
	CURL *e = r->easy;

	if (strcmp(m, "HEAD") == 0) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
		return;
	}
	if (strcmp(m, "PUT") == 0) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->o.body_size);
	} else if (strcmp(m, "POST") == 0 || strcmp(m, "PATCH") == 0) {
		if (m[1] == 'A')
			curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, m);
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->o.body_size);
	} else if (strcmp(m, "GET") != 0) {
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, m);
	}
}

static void set_limits(struct http_request *r)
{
	const struct http_options *o = &r->o;
	CURL *e = r->easy;

	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)o->timeout);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)((o->stall ? o->stall : STALL_MS) + 999) / 1000);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
}

static void set_trust(struct http_request *r)
{
	CURL *e = r->easy;

	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	if (r->o.ca_file != NULL)
		curl_easy_setopt(e, CURLOPT_CAINFO, r->o.ca_file);
	if (r->o.no_proxy)
		curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
}

static void set_callbacks(struct http_request *r)
{
	CURL *e = r->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, r);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, header_cb);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, write_cb);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(e, CURLOPT_READFUNCTION, read_cb);
	curl_easy_setopt(e, CURLOPT_READDATA, r);
	curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, seek_cb);
	curl_easy_setopt(e, CURLOPT_SEEKDATA, r);
}

static void enqueue(struct http *h, struct http_request *r)
{
	r->next = h->first;
	if (r->next != NULL)
		r->next->link = &r->next;
	r->link = &h->first;
	h->first = r;
	http_kick(h);
}

struct http_request *http_start(struct http *h, const struct http_options *o)
{
	struct http_request *r = xcalloc(1, sizeof(*r));

	r->http = h;
	r->o = *o;
	r->host = host_of(o->url);
	strbuf_init(&r->resp.body, o->max_body);
	r->easy = curl_easy_init();
	if (r->easy == NULL)
		abort();
	curl_easy_setopt(r->easy, CURLOPT_URL, o->url);
	curl_easy_setopt(r->easy, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
	for (size_t i = 0; o->headers != NULL && i < o->headers->n; i++)
		r->headers = curl_slist_append(r->headers, o->headers->v[i]);
	curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
	set_method(r);
	set_limits(r);
	set_trust(r);
	set_callbacks(r);
	if (o->fresh)
		curl_easy_setopt(r->easy, CURLOPT_FRESH_CONNECT, 1L);
	/* Copied by libcurl where it needs them; nothing below may use the caller's texts any more. */
	r->o.url = r->o.ca_file = NULL;
	r->o.headers = NULL;
	enqueue(h, r);
	return r;
}

struct http_request *http_start_easy(struct http *h, void *easy, struct curl_slist *list, const char *host,
    void (*on_end)(int code, const struct err *err, void *arg), void *arg)
{
	struct http_request *r = xcalloc(1, sizeof(*r));

	r->http = h;
	r->easy = easy;
	r->headers = list;
	r->host = xstrdup(host);
	r->on_end = on_end;
	r->o.arg = arg;
	strbuf_init(&r->resp.body, 0);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error);
	enqueue(h, r);
	return r;
}

/* Pausing takes effect in write_cb. */
void http_pause(struct http_request *r, bool paused)
{
	if (r->paused == paused)
		return;
	r->paused = paused;
	r->resume = !paused;
	if (!paused)
		http_kick(r->http);
}

void http_cancel(struct http_request *r)
{
	struct http *h = r->http;

	r->dead = true;
	if (h->depth == 0)
		http_request_free(r);
	else
		http_kick(h);
}
