#include "config.h"

#include "store/sigv4.h"

#include "base/codec.h"
#include "base/mem.h"

#include <openssl/crypto.h>
#include <string.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
/* Headers are a few kB at most; a query holds one key of 1024 bytes and one token. */
#define PART_MAX (64 * 1024)

/* An owned pair, for sorting. */
struct pair {
	char *name, *value;
	size_t order;
};

static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

void sigv4_encode(struct strbuf *out, const char *s, size_t n, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (is_unreserved(c) || (keep_slash && c == '/')) {
			strbuf_addch(out, (char)c);
		} else {
			char esc[3] = {'%', hex[c >> 4], hex[c & 15]};
			strbuf_add(out, esc, 3);
		}
	}
}

static int by_name_value(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : strcmp(x->value, y->value);
}

/* Stable, because values of repeated headers keep their order. */
static int by_name_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : x->order < y->order ? -1 : 1;
}

static void free_pairs(struct pair *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i].name), free(v[i].value);
	free(v);
}

static char *encoded(const char *s)
{
	struct strbuf sb = STRBUF_INIT(PART_MAX);

	sigv4_encode(&sb, s ? s : "", s ? strlen(s) : 0, false);
	return strbuf_detach(&sb);
}

void sigv4_query(struct strbuf *out, const struct sigv4_pair *query, size_t n)
{
	struct pair *v = xcalloc(n, sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = (struct pair){.name = encoded(query[i].name), .value = encoded(query[i].value)};
	if (n > 1)
		qsort(v, n, sizeof(*v), by_name_value);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(out, "%s%s=%s", i ? "&" : "", v[i].name, v[i].value);
	free_pairs(v, n);
}

static char *lower(const char *s)
{
	char *t = xstrdup(s);

	for (char *p = t; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return t;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Trimmed, runs of blanks squeezed to one. */
static char *squeezed(const char *s)
{
	char *t = xmalloc(strlen(s) + 1), *p = t;

	for (; *s; s++) {
		if (!is_blank(*s))
			*p++ = *s;
		else if (p > t && p[-1] != ' ')
			*p++ = ' ';
	}
	if (p > t && p[-1] == ' ')
		p--;
	*p = '\0';
	return t;
}

static void add_headers(const struct sigv4_request *r, struct sigv4_signed *out)
{
	struct pair *v = xcalloc(r->nheader, sizeof(*v));

	for (size_t i = 0; i < r->nheader; i++)
		v[i] = (struct pair){
		    .name = lower(r->header[i].name), .value = squeezed(r->header[i].value), .order = i};
	if (r->nheader > 1)
		qsort(v, r->nheader, sizeof(*v), by_name_order);
	for (size_t i = 0; i < r->nheader; i++) {
		bool repeated = i > 0 && strcmp(v[i].name, v[i - 1].name) == 0;

		if (repeated) {
			strbuf_addf(&out->canonical, ",%s", v[i].value);
			continue;
		}
		strbuf_addf(&out->canonical, "%s%s:%s", i ? "\n" : "", v[i].name, v[i].value);
		strbuf_addf(&out->headers, "%s%s", i ? ";" : "", v[i].name);
	}
	free_pairs(v, r->nheader);
}

static void hmac(const void *key, size_t n, const char *s, unsigned char out[SHA256_BYTES])
{
	sha256_hmac(key, n, s, strlen(s), out);
}

static void derive(const struct sigv4_request *r, const char *day, unsigned char key[SHA256_BYTES])
{
	struct strbuf first = STRBUF_INIT(PART_MAX);

	strbuf_addf(&first, "AWS4%s", r->secret_key);
	hmac(first.buf, first.len, day, key);
	hmac(key, SHA256_BYTES, r->region, key);
	hmac(key, SHA256_BYTES, r->service, key);
	hmac(key, SHA256_BYTES, "aws4_request", key);
	OPENSSL_cleanse(first.buf, first.len);
	strbuf_release(&first);
}

int sigv4_sign(const struct sigv4_request *r, struct sigv4_signed *out, struct err *err)
{
	unsigned char key[SHA256_BYTES], mac[SHA256_BYTES];
	char day[9], sum[SHA256_HEX];

	strbuf_init(&out->canonical, 4 * PART_MAX);
	strbuf_init(&out->headers, PART_MAX);
	strbuf_init(&out->to_sign, PART_MAX);
	strbuf_addf(&out->canonical, "%s\n%s\n", r->method, r->path);
	sigv4_query(&out->canonical, r->query, r->nquery);
	strbuf_addch(&out->canonical, '\n');
	add_headers(r, out);
	strbuf_addf(&out->canonical, "\n\n%s\n%s", out->headers.buf, r->payload);
	sha256_hex(out->canonical.buf, out->canonical.len, sum);
	snprintf(day, sizeof(day), "%.8s", r->date);
	strbuf_addf(&out->to_sign, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", r->date, day, r->region,
	    r->service, sum);
	if (out->canonical.overflowed || out->headers.overflowed || out->to_sign.overflowed)
		return err_set(err, ERR_PERMANENT, "sign: the request is too large");
	derive(r, day, key);
	hmac(key, sizeof(key), out->to_sign.buf, mac);
	hex_encode(mac, sizeof(mac), out->signature);
	OPENSSL_cleanse(key, sizeof(key));
	return 0;
}

void sigv4_signed_release(struct sigv4_signed *s)
{
	strbuf_release(&s->canonical);
	strbuf_release(&s->headers);
	strbuf_release(&s->to_sign);
}

int sigv4_authorization(const struct sigv4_request *r, struct strbuf *out, struct err *err)
{
	struct sigv4_signed s;
	int rc = sigv4_sign(r, &s, err);

	if (rc == 0)
		rc = strbuf_addf(out,
		    ALGORITHM " Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
		    r->access_key, r->date, r->region, r->service, s.headers.buf, s.signature);
	sigv4_signed_release(&s);
	return rc;
}
