/*
 * The signer against published vectors: 31 cases of the general suite, each signed by header and by query, and 56 with
 * the rules of S3; stage by stage, so that a failure names the stage.
 */
#include "config.h"

#include "tests/tap.h"

#include "base/codec.h"
#include "base/json.h"
#include "store/sigv4.h"

#include <ctype.h>

enum { MAX_PAIRS = 40 };

/* A request under construction; strings are kept until the case is over. */
struct draft {
	struct sigv4_request r;
	struct sigv4_pair query[MAX_PAIRS], header[MAX_PAIRS];
	char *pool[200];
	size_t npool;
};

static char *keep(struct draft *d, char *s)
{
	assert(d->npool < NITEMS(d->pool));
	return d->pool[d->npool++] = s;
}

static void add(struct sigv4_pair *v, size_t *n, const char *name, const char *value)
{
	assert(*n < MAX_PAIRS);
	v[(*n)++] = (struct sigv4_pair){name, value};
}

static void add_query(struct draft *d, const char *name, const char *value)
{
	add(d->query, &d->r.nquery, name, value);
}

static void add_header(struct draft *d, const char *name, const char *value)
{
	add(d->header, &d->r.nheader, name, value);
}

static void done(struct draft *d)
{
	while (d->npool > 0)
		free(d->pool[--d->npool]);
}

static json_t *load(const char *name)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	json_t *j;

	if (fs_read(test_src(name), &sb, &err) == -1)
		tap_bail("%s", err.text);
	j = json_loadb(sb.buf, sb.len, 0, NULL);
	if (j == NULL)
		tap_bail("%s: not JSON", name);
	strbuf_release(&sb);
	return j;
}

static char *percent_decode(const char *s)
{
	char *out = xmalloc(strlen(s) + 1), *p = out;

	for (; *s; s++) {
		if (*s == '%' && hex_decode((const char[]){s[1], s[2], 0}, p, 1) == 0)
			s += 2;
		else
			*p = *s;
		p++;
	}
	*p = '\0';
	return out;
}

static void read_target(struct draft *d, char *target)
{
	struct strbuf path = STRBUF_INIT(4096);
	char *q = strchr(target, '?'), *one;

	if (q != NULL)
		*q++ = '\0';
	sigv4_encode(&path, target, strlen(target), true);
	d->r.path = keep(d, strbuf_detach(&path));
	while (q != NULL && (one = strsep(&q, "&")) != NULL) {
		char *eq = strchr(one, '=');

		if (eq != NULL)
			*eq++ = '\0';
		add_query(d, keep(d, percent_decode(one)), keep(d, percent_decode(eq ? eq : "")));
	}
}

/* The unsigned request of the general suite; returns its body. */
static const char *read_request(struct draft *d, const char *text)
{
	char *copy = keep(d, xstrdup(text)), *line;

	line = strsep(&copy, "\n");
	char *version = strrchr(line, ' ');
	*version = '\0';
	char *target = strchr(line, ' ');
	*target++ = '\0';
	d->r.method = line;
	read_target(d, target);
	while (copy != NULL && *copy != '\n' && (line = strsep(&copy, "\n")) != NULL && *line != '\0') {
		if (isspace((unsigned char)*line)) {
			/* A continuation: what strsep cut goes back, the signer folds it. */
			line[-1] = '\n';
			continue;
		}
		char *colon = strchr(line, ':');
		*colon = '\0';
		add_header(d, line, colon + 1);
	}
	return copy == NULL ? "" : *copy == '\n' ? copy + 1 : copy;
}

static char *amz_date(const char *iso)
{
	char *out = xmalloc(strlen(iso) + 1), *p = out;

	for (; *iso; iso++)
		if (*iso != '-' && *iso != ':')
			*p++ = *iso;
	*p = '\0';
	return out;
}

static void check(
    const struct draft *d, const char *what, const char *canonical, const char *to_sign, const char *signature)
{
	struct sigv4_signed s;
	struct err err = ERR_INIT;
	char label[200];

	if (!ok(sigv4_sign(&d->r, &s, &err) == 0, "%s: signed", what))
		return;
	snprintf(label, sizeof(label), "%s: canonical request", what);
	is_str(s.canonical.buf, canonical, label);
	snprintf(label, sizeof(label), "%s: string to sign", what);
	is_str(s.to_sign.buf, to_sign, label);
	snprintf(label, sizeof(label), "%s: signature", what);
	is_str(s.signature, signature, label);
	sigv4_signed_release(&s);
}

static void begin(struct draft *d, const json_t *c, const char *mode_date)
{
	const json_t *cred = json_object_get(c, "credentials");

	*d = (struct draft){.r = {.region = json_str(c, "region", ""), .service = json_str(c, "service", "")}};
	d->r.query = d->query;
	d->r.header = d->header;
	d->r.access_key = json_str(cred, "access_key_id", json_str(cred, "access_key", ""));
	d->r.secret_key = json_str(cred, "secret_access_key", json_str(cred, "secret_key", ""));
	d->r.date = keep(d, amz_date(mode_date));
}

static void add_presign(struct draft *d, int64_t expires, const char *signed_headers)
{
	add_query(d, "X-Amz-Algorithm", "AWS4-HMAC-SHA256");
	add_query(d, "X-Amz-Credential",
	    keep(d, xasprintf(
	                "%s/%.8s/%s/%s/aws4_request", d->r.access_key, d->r.date, d->r.region, d->r.service)));
	add_query(d, "X-Amz-Date", d->r.date);
	add_query(d, "X-Amz-Expires", keep(d, xasprintf("%" PRId64, expires)));
	add_query(d, "X-Amz-SignedHeaders", signed_headers);
}

/* The names as the signer would join them: sign once without the parameter and take them from there. */
static const char *names_of(struct draft *d)
{
	struct sigv4_signed s;

	if (sigv4_sign(&d->r, &s, NULL) == -1)
		return "";
	char *names = keep(d, xstrdup(s.headers.buf));
	sigv4_signed_release(&s);
	return names;
}

static void suite_case(const char *id, const json_t *c, bool by_header)
{
	const json_t *ctx = json_object_get(c, "context");
	const char *mode = by_header ? "header" : "query";
	const char *token = json_str(json_object_get(ctx, "credentials"), "token", NULL);
	char sum[SHA256_HEX], what[100], name[3][60];
	struct draft d;

	begin(&d, ctx, json_str(ctx, "timestamp", ""));
	const char *body = read_request(&d, json_str(c, "request", ""));
	bool token_signed = token != NULL && !json_bool(ctx, "omit_session_token", false);
	d.r.payload = SIGV4_EMPTY;
	if (json_bool(ctx, "sign_body", false)) {
		sha256_hex(body, strlen(body), sum);
		d.r.payload = sum;
	}
	if (by_header) {
		add_header(&d, "X-Amz-Date", d.r.date);
		if (token_signed)
			add_header(&d, "X-Amz-Security-Token", token);
		if (d.r.payload == sum)
			add_header(&d, "x-amz-content-sha256", sum);
	} else {
		add_presign(&d, json_int(ctx, "expiration_in_seconds", 0), names_of(&d));
		if (token_signed)
			add_query(&d, "X-Amz-Security-Token", token);
	}
	snprintf(what, sizeof(what), "%s by %s", id, mode);
	snprintf(name[0], sizeof(name[0]), "%s-canonical-request", mode);
	snprintf(name[1], sizeof(name[1]), "%s-string-to-sign", mode);
	snprintf(name[2], sizeof(name[2]), "%s-signature", mode);
	check(&d, what, json_str(c, name[0], NULL), json_str(c, name[1], NULL), json_str(c, name[2], NULL));
	done(&d);
}

static void test_suite(void)
{
	json_t *all = load("tests/data/sigv4/suite.json"), *c;
	const char *id;

	is_int(json_object_size(all), 31, "31 cases");
	json_object_foreach(all, id, c)
	{
		suite_case(id, c, true);
		suite_case(id, c, false);
	}
	json_decref(all);
}

static void s3_case(const json_t *c)
{
	const json_t *expect = json_object_get(c, "expect"), *p;
	const json_t *cred = json_object_get(c, "credentials");
	const char *token = json_str(cred, "session_token", json_str(cred, "token", NULL));
	bool presign = strcmp(json_str(c, "mode", ""), "presign") == 0;
	struct strbuf path = STRBUF_INIT(8192), key = STRBUF_INIT(2000), auth = STRBUF_INIT(4096);
	const char *bucket = json_str(c, "bucket_in_path", NULL), *b64 = json_str(c, "key_b64", NULL);
	struct draft d;
	size_t i;

	begin(&d, c, json_str(c, "date", ""));
	d.r.method = json_str(c, "method", "");
	strbuf_addstr(&path, "/");
	if (bucket != NULL)
		strbuf_addf(&path, "%s%s", bucket, b64 ? "/" : "");
	if (b64 != NULL && base64_decode(&key, b64, strlen(b64)) == 0)
		sigv4_encode(&path, key.buf, key.len, true);
	d.r.path = path.buf;
	is_str(path.buf, json_str(expect, "request_path", NULL), json_str(c, "id", ""));
	json_array_foreach(json_object_get(c, "query"), i, p)
	    add_query(&d, json_string_value(json_array_get(p, 0)), json_string_value(json_array_get(p, 1)));
	add_header(&d, "Host", json_str(c, "host", ""));
	json_array_foreach(json_object_get(c, "headers"), i, p)
	    add_header(&d, json_string_value(json_array_get(p, 0)), json_string_value(json_array_get(p, 1)));
	d.r.payload = json_str(c, "payload", "");
	if (!presign) {
		add_header(&d, "x-amz-date", d.r.date);
		add_header(&d, "x-amz-content-sha256", d.r.payload);
		if (token != NULL)
			add_header(&d, "x-amz-security-token", token);
	} else {
		add_presign(&d, json_int(c, "expires", 0), names_of(&d));
		if (token != NULL)
			add_query(&d, "X-Amz-Security-Token", token);
	}
	check(&d, json_str(c, "id", ""), json_str(expect, "canonical_request", NULL),
	    json_str(expect, "string_to_sign", NULL), json_str(expect, "signature", NULL));
	if (!presign) {
		sigv4_authorization(&d.r, &auth, NULL);
		is_str(auth.buf, json_str(expect, "authorization", NULL), "the whole Authorization");
	}
	strbuf_release(&path), strbuf_release(&key), strbuf_release(&auth);
	done(&d);
}

static void test_s3(void)
{
	json_t *all = load("tests/data/sigv4/s3-vectors.json"), *c;
	size_t i;

	is_int(json_array_size(json_object_get(all, "cases")), 56, "56 cases");
	json_array_foreach(json_object_get(all, "cases"), i, c) s3_case(c);
	json_decref(all);
}

static void test_encode(void)
{
	struct strbuf sb = STRBUF_INIT(100);

	sigv4_encode(&sb, "a/b c+\xff~", 8, true);
	is_str(sb.buf, "a/b%20c%2B%FF~", "bytes above 0x7f, plus and blank");
	strbuf_reset(&sb);
	sigv4_encode(&sb, "a/b", 3, false);
	is_str(sb.buf, "a%2Fb", "a slash inside a query value");
	strbuf_reset(&sb);
	sigv4_query(&sb, (const struct sigv4_pair[]){{"uploads", NULL}, {"b", "2"}, {"a", "z"}, {"a", "%"}}, 4);
	is_str(sb.buf, "a=%25&a=z&b=2&uploads=", "sorted by name, then value; a bare name gets its '='");
	strbuf_release(&sb);
}

int main(void)
{
	tap_run(test_encode);
	tap_run(test_suite);
	tap_run(test_s3);
	return tap_done();
}
