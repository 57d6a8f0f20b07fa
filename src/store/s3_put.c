/*
 * Writing an object: hash it (a slice per turn), then one PUT, or parts when it is large.
 *
 * A PUT is repeatable: same key, same bytes.  Only a conditional one is not: when the answer to the first attempt is
 * lost, the second meets our own object and fails.  Therefore a conditional PUT carries a mark, and a failed
 * condition is checked against it.
 */
#include "config.h"

#include "store/s3_impl.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define SLICE       (256 * 1024)
#define MARK_HEADER "x-amz-meta-orch-put"

struct s3_put {
	struct op op;
	struct s3_call *call;
	struct s3_upload *upload;
	char *key, *content_type, *if_match, *want_sha256;
	bool if_absent;
	store_info_cb *cb;
	void *arg;
	const char *bytes;
	char *owned_bytes;
	int fd;
	int64_t size;
	/* Hashing. */
	int64_t hashed;
	struct digest *sha, *md5; /* of the whole */
	struct digest *part_sha, *part_md5;
	struct s3_part *part; /* NULL: in one piece */
	size_t nparts, at;
	char *slice;
	char sha256[SHA256_HEX], md5_hex[MD5_HEX], md5_base64[32];
	/* Sending. */
	char mark[S3_NONCE];
	struct sigv4_pair header[8];
	struct s3_object made;
};

static void release(struct op *op)
{
	struct s3_put *p = CONTAINER_OF(op, struct s3_put, op);

	s3_call_cancel(p->call);
	s3_upload_cancel(p->upload);
	digest_free(p->sha);
	digest_free(p->md5);
	digest_free(p->part_sha);
	digest_free(p->part_md5);
	free(p->key);
	free(p->content_type);
	free(p->if_match);
	free(p->want_sha256);
	free(p->owned_bytes);
	free(p->part);
	free(p->slice);
	free(p);
}

static void end(struct s3_put *p, const struct store_object *obj, const struct err *err)
{
	p->cb(obj, err, p->arg);
	op_end(&p->op);
}

static void plan_parts(struct s3_put *p)
{
	const struct s3 *s3 = s3_of(p->op.pub.store);

	if (p->size >= s3->conf->multipart_threshold)
		p->part = s3_parts_plan(s3, p->size, &p->nparts);
}

static void digest_final_raw(struct digest *d, unsigned char out[16])
{
	char hex[MD5_HEX];

	digest_final(d, hex);
	hex_decode(hex, out, 16);
}

static void hash_part(struct s3_put *p, const char *s, size_t n)
{
	struct s3_part *part = &p->part[p->at];

	if (p->part_sha == NULL) {
		p->part_sha = digest_new(DIGEST_SHA256);
		p->part_md5 = digest_new(DIGEST_MD5);
	}
	digest_update(p->part_sha, s, n);
	digest_update(p->part_md5, s, n);
	if (p->hashed + (int64_t)n < part->offset + part->size)
		return;
	digest_final(p->part_sha, part->sha256);
	digest_final_raw(p->part_md5, part->md5);
	p->part_sha = p->part_md5 = NULL;
	p->at++;
}

/* 1: all hashed, 0: more, -1: error. */
static int hash_some(struct s3_put *p, struct err *err)
{
	size_t n = (size_t)MIN((int64_t)SLICE, p->size - p->hashed);
	const char *s = p->bytes ? p->bytes + p->hashed : p->slice;

	if (p->part != NULL && n > 0) /* a slice belongs to one part */
		n = (size_t)MIN((int64_t)n, p->part[p->at].offset + p->part[p->at].size - p->hashed);
	if (n > 0 && p->bytes == NULL) {
		if (p->slice == NULL)
			s = p->slice = xmalloc(SLICE);
		ssize_t r = pread(p->fd, p->slice, n, p->hashed);
		if (r == -1)
			return errno == EINTR ? 0 : err_errno(err, "put %s: read", p->key);
		if (r == 0)
			return err_code(err, ERR_TRANSIENT, "changed",
			    "put %s: the source ended after %lld of %lld bytes", p->key, (long long)p->hashed,
			    (long long)p->size);
		n = (size_t)r;
	}
	if (n > 0) {
		if (p->sha != NULL)
			digest_update(p->sha, s, n);
		if (p->part != NULL)
			hash_part(p, s, n);
		else
			digest_update(p->md5, s, n);
	}
	p->hashed += (int64_t)n;
	return p->hashed == p->size;
}

static int settle_hashes(struct s3_put *p, struct err *err)
{
	struct strbuf b64 = STRBUF_INIT(40);
	unsigned char raw[16];

	if (p->sha != NULL)
		digest_final(p->sha, p->sha256);
	digest_final(p->md5, p->md5_hex);
	p->sha = p->md5 = NULL;
	hex_decode(p->md5_hex, raw, 16);
	base64_encode(&b64, raw, 16);
	snprintf(p->md5_base64, sizeof(p->md5_base64), "%s", b64.buf);
	strbuf_release(&b64);
	if (p->want_sha256 == NULL || strcasecmp(p->want_sha256, p->sha256) == 0)
		return 0;
	return err_code(err, ERR_BAD_DATA, "corrupt", "put %s: the bytes have sha256 %s, expected %s", p->key,
	    p->sha256, p->want_sha256);
}

/* A plain ETag is the MD5 of what arrived. */
static int check_put(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_put *p = arg;
	const char *sse = http_header(resp, "x-amz-server-side-encryption");

	s3_etag(http_header(resp, "etag"), p->made.etag);
	if (p->made.etag[0] == '\0')
		return err_code(err, ERR_TRANSIENT, "http.content", "the answer has no ETag");
	bool is_md5 = strlen(p->made.etag) == MD5_HEX - 1 && (sse == NULL || strcmp(sse, "AES256") == 0);
	if (!is_md5 || strcmp(p->made.etag, p->md5_hex) == 0)
		return 0;
	return err_code(err, ERR_TRANSIENT, "corrupt",
	    "the store has other bytes than were sent (etag %s, md5 %s)", p->made.etag, p->md5_hex);
}

static void report(struct s3_put *p)
{
	p->made.obj = (struct store_object){
	    .key = p->key, .size = p->size, .etag = p->made.etag, .sha256 = p->sha256, .modified = clock_now()};
	end(p, &p->made.obj, NULL);
}

/* The condition failed: was it our own object that stood in the way? */
static void on_mark_looked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_put *p = arg;
	const char *mark = err ? NULL : http_header(resp, MARK_HEADER);
	struct err e = ERR_INIT;

	p->call = NULL;
	op_enter(&p->op);
	if (mark != NULL && strcmp(mark, p->mark) == 0) {
		s3_etag(http_header(resp, "etag"), p->made.etag);
		report(p);
	} else {
		err_code(&e, ERR_PERMANENT, "precondition", "put %s: %s", p->key,
		    p->if_absent ? "the object exists already" : "the object has changed or is gone");
		end(p, NULL, &e);
	}
	op_leave(&p->op);
}

static void on_put(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_put *p = arg;

	p->call = NULL;
	op_enter(&p->op);
	bool conditional = p->if_absent || p->if_match != NULL;
	if (err == NULL) {
		report(p);
	} else if (conditional && (err_is(err, "precondition") || err_is(err, "not_found"))) {
		struct s3_call_options o = {
		    .verb = "put", .method = "HEAD", .key = p->key, .on_done = on_mark_looked, .arg = p};
		p->call = s3_call_start(s3_of(p->op.pub.store), &o);
	} else {
		end(p, NULL, err);
	}
	op_leave(&p->op);
}

static void put_whole(struct s3_put *p)
{
	struct s3_call_options o = {.verb = "put",
	    .method = "PUT",
	    .key = p->key,
	    .header = p->header,
	    .body = p->bytes,
	    .body_fd = p->fd,
	    .body_size = p->size,
	    .payload = p->sha256,
	    .streaming = true,
	    .check = check_put,
	    .on_done = on_put,
	    .arg = p};

	p->header[o.nheader++] = (struct sigv4_pair){"content-type", p->content_type};
	p->header[o.nheader++] = (struct sigv4_pair){"content-md5", p->md5_base64};
	p->header[o.nheader++] = (struct sigv4_pair){"x-amz-meta-sha256", p->sha256};
	if (p->op.pub.store->origin != NULL)
		p->header[o.nheader++] = (struct sigv4_pair){S3_ORIGIN_HEADER, p->op.pub.store->origin};
	if (p->if_absent)
		p->header[o.nheader++] = (struct sigv4_pair){"if-none-match", "*"};
	if (p->if_match != NULL)
		p->header[o.nheader++] = (struct sigv4_pair){"if-match", p->if_match};
	if (p->if_absent || p->if_match != NULL) {
		s3_nonce(p->mark);
		p->header[o.nheader++] = (struct sigv4_pair){MARK_HEADER, p->mark};
	}
	p->call = s3_call_start(s3_of(p->op.pub.store), &o);
}

static int check_made(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_put *p = arg;

	if (resp->length != p->size)
		return err_code(err, ERR_TRANSIENT, "corrupt", "the store has %lld bytes of it, %lld were sent",
		    (long long)resp->length, (long long)p->size);
	return 0;
}

static void on_made(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_put *p = arg;

	p->call = NULL;
	op_enter(&p->op);
	if (err != NULL) {
		end(p, NULL, err);
	} else {
		s3_etag(http_header(resp, "etag"), p->made.etag);
		report(p);
	}
	op_leave(&p->op);
}

static void on_uploaded(const struct err *err, void *arg)
{
	struct s3_put *p = arg;

	p->upload = NULL;
	op_enter(&p->op);
	if (err != NULL) {
		end(p, NULL, err);
	} else {
		struct s3_call_options o = {.verb = "put",
		    .method = "HEAD",
		    .key = p->key,
		    .check = check_made,
		    .on_done = on_made,
		    .arg = p};
		p->call = s3_call_start(s3_of(p->op.pub.store), &o);
	}
	op_leave(&p->op);
}

static void put_parts(struct s3_put *p)
{
	struct s3_upload_options o = {.key = p->key,
	    .content_type = p->content_type,
	    .sha256 = p->sha256,
	    .body = p->bytes,
	    .fd = p->fd,
	    .part = p->part,
	    .nparts = p->nparts,
	    .on_done = on_uploaded,
	    .arg = p,
	    .handle = &p->upload};

	s3_upload_start(s3_of(p->op.pub.store), &o);
}

static void turn(struct op *op)
{
	struct s3_put *p = CONTAINER_OF(op, struct s3_put, op);
	struct err err = op->failed;
	int rc = err.class == ERR_NONE ? hash_some(p, &err) : -1;

	if (rc == 0) {
		op_kick(op);
		return;
	}
	if (rc == 1)
		rc = settle_hashes(p, &err) == 0 ? 1 : -1;
	if (rc == -1)
		end(p, NULL, &err);
	else if (p->part != NULL)
		put_parts(p);
	else
		put_whole(p);
}

static const struct op_ops put_ops = {.turn = turn, .release = release};

static struct s3_put *new_put(struct store *st, const char *key, int64_t size,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg)
{
	struct s3_put *p = xcalloc(1, sizeof(*p));

	p->key = xstrdup(key);
	p->content_type = xstrdup(opts->content_type ? opts->content_type : "application/octet-stream");
	xstrset(&p->if_match, opts->if_match);
	xstrset(&p->want_sha256, opts->sha256);
	p->if_absent = opts->if_absent;
	p->size = size;
	p->cb = cb;
	p->arg = arg;
	p->fd = -1;
	p->sha = digest_new(DIGEST_SHA256);
	p->md5 = digest_new(DIGEST_MD5);
	op_init(&p->op, &put_ops, st, &s3_of(st)->ops);
	/* Conditions hold for single PUTs only: servers ignore them when parts are completed. */
	if (store_key_check(key, &p->op.failed) == 0 && !p->if_absent && p->if_match == NULL)
		plan_parts(p);
	return p;
}

struct store_op *s3_put(struct store *st, const char *key, const void *bytes, size_t n,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg)
{
	struct s3_put *p = new_put(st, key, (int64_t)n, opts, cb, arg);

	/* The sum of lent bytes was just made by the caller; the server checks it all the same. */
	if (opts->lent && opts->sha256 != NULL && strlen(opts->sha256) == SHA256_HEX - 1 &&
	    strspn(opts->sha256, "0123456789abcdef") == SHA256_HEX - 1) {
		digest_free(p->sha);
		p->sha = NULL;
		memcpy(p->sha256, opts->sha256, SHA256_HEX);
	}
	p->bytes = opts->lent && n > 0 ? bytes : (p->owned_bytes = xmemdup(n ? bytes : "", n ? n : 1));
	return &p->op.pub;
}

struct store_op *s3_put_file(struct store *st, const char *key, int fd, int64_t size,
    const struct store_put_opts *opts, store_info_cb *cb, void *arg)
{
	struct s3_put *p = new_put(st, key, size, opts, cb, arg);

	p->fd = fd;
	return &p->op.pub;
}
