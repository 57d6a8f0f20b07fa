#include "config.h"

#include "store/s3_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/utctime.h"

#include <string.h>

#define URL_MAX (32 * 1024)

/* "20260417T210305Z" by the server's clock as far as we know it. */
static void amz_date(const struct s3 *s3, char out[UTCTIME_MAX])
{
	struct civil t;

	civil_from_ms(clock_now() + s3->skew, &t);
	snprintf(
	    out, UTCTIME_MAX, "%04d%02d%02dT%02d%02d%02dZ", t.year, t.month, t.day, t.hour, t.minute, t.second);
}

static void address(
    struct s3_request *p, const struct s3 *s3, const char *authority, const struct s3_call_options *o)
{
	p->host = s3->path_style ? xstrdup(authority) : xasprintf("%s.%s", s3->conf->bucket, authority);
	strbuf_init(&p->path, URL_MAX);
	strbuf_init(&p->url, URL_MAX);
	if (s3->path_style)
		strbuf_addf(&p->path, "/%s", s3->conf->bucket);
	if (o->key != NULL || !s3->path_style)
		strbuf_addch(&p->path, '/');
	if (o->key != NULL)
		sigv4_encode(&p->path, o->key, strlen(o->key), true);
	strbuf_addf(&p->url, "%s://%s%s", s3->scheme, p->host, p->path.buf);
	if (o->nquery > 0) {
		strbuf_addch(&p->url, '?');
		sigv4_query(&p->url, o->query, o->nquery);
	}
}

void s3_request_release(struct s3_request *p)
{
	free(p->host);
	strbuf_release(&p->path);
	strbuf_release(&p->url);
	strvec_release(&p->headers);
}

#define SIGNED_MAX 24

static int sign(struct s3_request *p, const struct s3 *s3, const struct s3_call_options *o,
    const struct credential *cred, struct err *err)
{
	struct sigv4_pair pair[SIGNED_MAX];
	const char *payload = o->payload ? o->payload : SIGV4_EMPTY;
	struct strbuf auth = STRBUF_INIT(8192);
	char date[UTCTIME_MAX];
	size_t n = 0;

	amz_date(s3, date);
	assert(o->nheader + 4 <= SIGNED_MAX);
	pair[n++] = (struct sigv4_pair){"x-amz-date", date};
	pair[n++] = (struct sigv4_pair){"x-amz-content-sha256", payload};
	if (cred->session_token != NULL)
		pair[n++] = (struct sigv4_pair){"x-amz-security-token", cred->session_token};
	for (size_t i = 0; i < o->nheader; i++)
		pair[n++] = o->header[i];
	/* Anonymous requests carry only what the call itself needs. */
	size_t first = cred->access_key ? 0 : n - o->nheader;
	for (size_t i = first; i < n; i++)
		strvec_pushf(&p->headers, "%s: %s", pair[i].name, pair[i].value);
	if (cred->access_key == NULL)
		return 0;
	pair[n++] = (struct sigv4_pair){"host", p->host};
	struct sigv4_request r = {.method = o->method,
	    .path = p->path.buf,
	    .query = o->query,
	    .nquery = o->nquery,
	    .header = pair,
	    .nheader = n,
	    .payload = payload,
	    .date = date,
	    .region = s3->region,
	    .service = "s3",
	    .access_key = cred->access_key,
	    .secret_key = cred->secret_key};
	int rc = sigv4_authorization(&r, &auth, err);
	strvec_pushf(&p->headers, "Authorization: %s", auth.buf);
	strbuf_release(&auth);
	return rc;
}

static bool has_header(const struct s3_call_options *o, const char *name)
{
	for (size_t i = 0; i < o->nheader; i++)
		if (strcasecmp(o->header[i].name, name) == 0)
			return true;
	return false;
}

int s3_request_make(struct s3_request *p, const struct s3 *s3, const char *authority,
    const struct s3_call_options *o, const struct credential *cred, struct err *err)
{
	*p = (struct s3_request){0};
	address(p, s3, authority, o);
	if (sign(p, s3, o, cred, err) == -1)
		return -1;
	if (!has_header(o, "content-type"))
		strvec_push(&p->headers, "Content-Type:"); /* libcurl would claim a form */
	return 0;
}
