/*
 * Reading an object.  A transfer that breaks is taken up where it stopped, by Range and pinned to the ETag of its first
 * answer, so that no other content can be spliced in.  At the end the bytes must hash to what the store knows of
 * them: the SHA-256 we left with the object, or the MD5 that a plain ETag is; and to the CRC-32 that another writer left.
 */
#include "config.h"

#include "store/s3_impl.h"

#include "base/codec.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

struct s3_get {
	struct op op;
	struct s3_call *call;
	char *key, *if_match;
	struct store_get_cbs cbs;
	void *arg;
	int64_t offset; /* where the caller began */
	int64_t pos; /* next byte to deliver */
	int64_t skip; /* bytes of this answer that were delivered before */
	int64_t size; /* -1: not known yet */
	char etag[STORE_ETAG_MAX], want[SHA256_HEX]; /* want: hex the whole must hash to, or "" */
	struct digest *digest;
	bool has_crc;
	uint32_t crc, want_crc;
	struct err answer; /* what is wrong with the present answer */
	bool over; /* ended while paused: told when the caller goes on */
	struct err result;
	char range[40], quoted[STORE_ETAG_MAX + 2];
	struct sigv4_pair header[3];
};

static void release(struct op *op)
{
	struct s3_get *g = CONTAINER_OF(op, struct s3_get, op);

	s3_call_cancel(g->call);
	digest_free(g->digest);
	free(g->key);
	free(g->if_match);
	free(g);
}

static void prepare(struct s3_call_options *o, void *arg)
{
	struct s3_get *g = arg;

	o->nheader = 0;
	g->answer = ERR_INIT;
	g->header[o->nheader++] = (struct sigv4_pair){"x-amz-checksum-mode", "ENABLED"};
	if (g->etag[0] != '\0') {
		snprintf(g->quoted, sizeof(g->quoted), "\"%s\"", g->etag);
		g->header[o->nheader++] = (struct sigv4_pair){"if-match", g->quoted};
	}
	if (g->pos > 0) {
		snprintf(g->range, sizeof(g->range), "bytes=%" PRId64 "-", g->pos);
		g->header[o->nheader++] = (struct sigv4_pair){"range", g->range};
	}
}

/* "bytes 5-9/10": where it begins and the whole size. */
static bool parse_content_range(const char *s, int64_t *from, int64_t *size)
{
	int64_t to;
	int n = 0;

	return s != NULL &&
	       sscanf(s, "bytes %" SCNd64 "-%" SCNd64 "/%" SCNd64 "%n", from, &to, size, &n) == 3 &&
	       s[n] == '\0' && *from >= 0 && to == *size - 1;
}

/* Of the whole object: that of an upload in parts has a dash and is none. */
static bool read_crc(const char *base64, uint32_t *crc)
{
	struct strbuf raw = STRBUF_INIT(64);
	bool good = base64 != NULL && base64_decode(&raw, base64, strlen(base64)) == 0 && raw.len == 4;

	if (good)
		*crc = (uint32_t)(unsigned char)raw.buf[0] << 24 | (uint32_t)(unsigned char)raw.buf[1] << 16 |
		       (uint32_t)(unsigned char)raw.buf[2] << 8 | (uint32_t)(unsigned char)raw.buf[3];
	strbuf_release(&raw);
	return good;
}

/* Choose what the whole will be checked against. */
static void expect_digest(struct s3_get *g, const struct http_response *resp, const struct store_object *obj)
{
	const char *sse = http_header(resp, "x-amz-server-side-encryption");
	bool is_md5 = strlen(g->etag) == MD5_HEX - 1 && strspn(g->etag, "0123456789abcdef") == MD5_HEX - 1 &&
	              (sse == NULL || strcmp(sse, "AES256") == 0) &&
	              http_header(resp, "x-amz-server-side-encryption-customer-algorithm") == NULL;

	if (g->offset > 0)
		return;
	g->has_crc = read_crc(http_header(resp, "x-amz-checksum-crc32"), &g->want_crc);
	if (obj->sha256 == NULL && !is_md5)
		return;
	snprintf(g->want, sizeof(g->want), "%.*s", SHA256_HEX - 1, obj->sha256 ? obj->sha256 : g->etag);
	g->digest = digest_new(obj->sha256 ? DIGEST_SHA256 : DIGEST_MD5);
}

/* The first good head tells what is being read; later ones must agree. */
static int accept_head(struct s3_get *g, const struct http_response *resp, struct s3_object *o, bool *first)
{
	int64_t from = 0, size = resp->length;

	s3_object_fill(o, g->key, resp);
	if (o->etag[0] == '\0' || resp->length == -1)
		return err_code(&g->answer, ERR_TRANSIENT, "http.content",
		    "the answer is not an object (no ETag or length)");
	if (resp->status == 206 && !parse_content_range(http_header(resp, "content-range"), &from, &size))
		return err_code(
		    &g->answer, ERR_TRANSIENT, "http.content", "the answer's Content-Range makes no sense");
	if (from != (resp->status == 206 ? g->pos : 0) || (resp->status == 206 && resp->length != size - from))
		return err_code(
		    &g->answer, ERR_TRANSIENT, "http.content", "the answer is another range than asked for");
	if (g->etag[0] != '\0' && strcmp(g->etag, o->etag) != 0)
		return err_code(&g->answer, ERR_PERMANENT, "precondition",
		    "the object has changed (etag %s, expected %s)", o->etag, g->etag);
	if (g->size != -1 && g->size != size)
		return err_code(
		    &g->answer, ERR_TRANSIENT, "http.content", "the answer has another size than before");
	*first = g->size == -1;
	g->size = o->obj.size = size;
	g->skip = g->pos - from;
	memcpy(g->etag, o->etag, sizeof(g->etag));
	return 0;
}

static enum http_body on_head(const struct http_response *resp, void *arg)
{
	struct s3_get *g = arg;
	bool first = false;
	struct s3_object o;

	if (accept_head(g, resp, &o, &first) == -1)
		return HTTP_STREAM; /* on_body ends it at once */
	if (first) {
		expect_digest(g, resp, &o.obj);
		op_enter(&g->op);
		if (g->cbs.on_start != NULL)
			g->cbs.on_start(&o.obj, g->arg);
		op_leave(&g->op);
	}
	return HTTP_STREAM;
}

static int on_body(const void *p, size_t n, void *arg)
{
	struct s3_get *g = arg;
	const char *s = p;

	if (g->answer.class != ERR_NONE)
		return -1;
	if (g->skip > 0) {
		size_t drop = (size_t)MIN(g->skip, (int64_t)n);
		g->skip -= (int64_t)drop;
		s += drop, n -= drop;
	}
	if (n == 0)
		return 0;
	if (g->digest != NULL)
		digest_update(g->digest, s, n);
	if (g->has_crc)
		g->crc = (uint32_t)crc32_z(g->crc, (const unsigned char *)s, n);
	g->pos += (int64_t)n;
	op_enter(&g->op);
	g->cbs.on_data(s, n, g->arg);
	op_leave(&g->op);
	return 0;
}

static int check(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_get *g = arg;
	char sum[SHA256_HEX];

	if (g->answer.class != ERR_NONE) {
		*err = g->answer;
		return -1;
	}
	if (g->pos != g->size)
		return err_code(err, ERR_TRANSIENT, "http.truncated", "%lld of %lld bytes came",
		    (long long)g->pos, (long long)g->size);
	/* The bytes are with the caller already, so what is wrong with them cannot be repaired here. */
	if (g->has_crc && g->crc != g->want_crc)
		return err_code(err, ERR_BAD_DATA, "corrupt",
		    "the bytes have the CRC-32 %08" PRIx32 ", the store says %08" PRIx32, g->crc, g->want_crc);
	if (g->digest == NULL)
		return 0;
	digest_final(g->digest, sum);
	g->digest = NULL;
	if (strcmp(sum, g->want) == 0)
		return 0;
	return err_code(err, ERR_BAD_DATA, "corrupt", "the bytes hash to %s, the store says %s", sum, g->want);
}

static void end(struct s3_get *g, const struct err *err)
{
	g->cbs.on_done(err, g->arg);
	op_end(&g->op);
}

static void on_done(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_get *g = arg;

	g->call = NULL;
	g->over = true;
	if (err != NULL)
		g->result = *err;
	op_enter(&g->op);
	if (!g->op.paused)
		end(g, err);
	op_leave(&g->op);
}

static void start_get(struct s3_get *g)
{
	struct s3_call_options o = {.verb = "get",
	    .method = "GET",
	    .key = g->key,
	    .header = g->header,
	    .streaming = true,
	    .prepare = prepare,
	    .on_head = on_head,
	    .on_body = on_body,
	    .check = check,
	    .on_done = on_done,
	    .arg = g};
	g->call = s3_call_start(s3_of(g->op.pub.store), &o);
	if (g->op.paused)
		s3_call_pause(g->call, true);
}

/* With an offset: a range that starts at the end is an error to the server and an empty rest to us, so look first. */
static void on_looked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_get *g = arg;
	struct err e = ERR_INIT;
	struct s3_object o;

	g->call = NULL;
	op_enter(&g->op);
	if (err != NULL) {
		end(g, err);
		goto out;
	}
	s3_object_fill(&o, g->key, resp);
	if (g->if_match != NULL && strcmp(o.etag, g->if_match) != 0) {
		err_code(&e, ERR_PERMANENT, "precondition",
		    "get %s: the object has changed (etag %s, expected %s)", g->key, o.etag, g->if_match);
		end(g, &e);
	} else if (g->offset > o.obj.size) {
		err_code(&e, ERR_PERMANENT, "bad_range", "get %s: offset %lld is beyond its %lld bytes", g->key,
		    (long long)g->offset, (long long)o.obj.size);
		end(g, &e);
	} else if (g->offset == o.obj.size) {
		if (g->cbs.on_start != NULL)
			g->cbs.on_start(&o.obj, g->arg);
		if (!g->op.dead)
			end(g, NULL);
	} else {
		memcpy(g->etag, o.etag, sizeof(g->etag));
		start_get(g);
	}
out:
	op_leave(&g->op);
}

static void turn(struct op *op)
{
	struct s3_get *g = CONTAINER_OF(op, struct s3_get, op);

	if (g->over) {
		end(g, g->result.class == ERR_NONE ? NULL : &g->result);
		return;
	}
	if (g->call != NULL) {
		s3_call_pause(g->call, false); /* the kick of op_pause */
		return;
	}
	if (op->failed.class != ERR_NONE) {
		end(g, &op->failed);
		return;
	}
	if (g->offset == 0) {
		start_get(g);
		return;
	}
	struct s3_call_options o = {
	    .verb = "get", .method = "HEAD", .key = g->key, .on_done = on_looked, .arg = g};
	g->call = s3_call_start(s3_of(op->pub.store), &o);
}

static const struct op_ops get_ops = {.turn = turn, .release = release};

struct store_op *s3_get(struct store *st, const char *key, const char *if_match, int64_t offset,
    const struct store_get_cbs *cbs, void *arg)
{
	struct s3_get *g = xcalloc(1, sizeof(*g));

	g->key = xstrdup(key);
	xstrset(&g->if_match, if_match);
	g->cbs = *cbs;
	g->arg = arg;
	g->offset = g->pos = offset;
	g->size = -1;
	if (if_match != NULL)
		s3_etag(if_match, g->etag);
	op_init(&g->op, &get_ops, st, &s3_of(st)->ops);
	if (store_key_check(key, &g->op.failed) == 0 && offset < 0)
		err_code(&g->op.failed, ERR_PERMANENT, "bad_range", "get %s: a negative offset", key);
	return &g->op.pub;
}

void s3_get_pause(struct op *op, bool paused)
{
	struct s3_get *g = CONTAINER_OF(op, struct s3_get, op);

	op_pause(op, paused);
	if (paused && op->ops == &get_ops && g->call != NULL)
		s3_call_pause(g->call, true);
}
