/* Multipart uploads: initiate -> mark -> parts -> complete -> unmark; from anywhere on an error: abort -> unmark. */
#include "config.h"

#include "store/s3_impl.h"

#include "base/codec.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#define AT_ONCE   4
#define PARTS_MAX 10000
#define ID_MAX    2048

/* A part on its way. */
struct slot {
	struct s3_upload *up;
	struct s3_call *call;
	size_t i;
	char number[24], md5[32], range[64];
	struct sigv4_pair query[2], header[4];
};

struct s3_upload {
	struct op op;
	struct s3_upload_options o;
	char *key;
	struct s3_call *call; /* everything but parts */
	struct strbuf id, body;
	struct slot slot[AT_ONCE];
	size_t next, done;
	char *mark, mark_sum[SHA256_HEX];
	bool marked, aborting, started;
	struct err err; /* why it is aborted; ERR_NONE while all is well */
	struct sigv4_pair query[2], header[2];
};

static void release(struct op *op)
{
	struct s3_upload *u = CONTAINER_OF(op, struct s3_upload, op);

	if (u->o.handle != NULL)
		*u->o.handle = NULL;
	s3_call_cancel(u->call);
	for (size_t k = 0; k < AT_ONCE; k++)
		s3_call_cancel(u->slot[k].call);
	free(u->key);
	free(u->mark);
	strbuf_release(&u->id);
	strbuf_release(&u->body);
	free(u);
}

static struct s3 *s3_of_upload(struct s3_upload *u)
{
	return s3_of(u->op.pub.store);
}

typedef void call_done(const struct http_response *, const struct err *, void *arg);
typedef int call_check(const struct http_response *, struct s3_error *, struct err *, void *arg);

/* The end of everything: tell the owner, if there still is one. */
static void finish(struct s3_upload *u)
{
	if (u->o.handle != NULL) {
		*u->o.handle = NULL;
		u->o.handle = NULL;
		u->o.on_done(u->err.class == ERR_NONE ? NULL : &u->err, u->o.arg);
	}
	op_end(&u->op);
}

static void on_unmarked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_upload *u = arg;

	u->call = NULL;
	op_enter(&u->op);
	finish(u); /* a mark that stays is removed by a later sweep */
	op_leave(&u->op);
}

static void unmark(struct s3_upload *u)
{
	struct s3_call_options o = {
	    .verb = "unmark", .method = "DELETE", .key = u->mark, .on_done = on_unmarked, .arg = u};

	if (u->marked)
		u->call = s3_call_start(s3_of_upload(u), &o);
	else
		finish(u);
}

static void on_aborted(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_upload *u = arg;

	u->call = NULL;
	op_enter(&u->op);
	if (err != NULL && !err_is(err, "not_found")) {
		log_warn("store %s: %s; its parts stay until the next sweep", u->op.pub.store->name, err->text);
		u->marked = false; /* keep the mark: it is how the sweep finds them */
	}
	unmark(u);
	op_leave(&u->op);
}

static void stop_parts(struct s3_upload *u)
{
	for (size_t k = 0; k < AT_ONCE; k++) {
		s3_call_cancel(u->slot[k].call);
		u->slot[k].call = NULL;
	}
}

static void abort_upload(struct s3_upload *u)
{
	struct s3_call_options o = {.verb = "abort the upload of",
	    .method = "DELETE",
	    .key = u->key,
	    .query = u->query,
	    .nquery = 1,
	    .on_done = on_aborted,
	    .arg = u};

	if (u->aborting)
		return;
	u->aborting = true;
	stop_parts(u);
	if (u->id.len == 0) {
		finish(u);
		return;
	}
	u->query[0] = (struct sigv4_pair){"uploadId", u->id.buf};
	u->call = s3_call_start(s3_of_upload(u), &o);
}

static void fail(struct s3_upload *u, const struct err *err)
{
	if (u->err.class == ERR_NONE)
		u->err = *err;
	abort_upload(u);
}

/* md5 of the parts' md5s, dash, number of parts: what a finished upload is known by. */
static void expected_etag(const struct s3_upload *u, char out[STORE_ETAG_MAX])
{
	struct digest *d = digest_new(DIGEST_MD5);
	char hex[MD5_HEX];

	for (size_t i = 0; i < u->o.nparts; i++) {
		unsigned char raw[16];

		if (strlen(u->o.part[i].etag) == MD5_HEX - 1 && hex_decode(u->o.part[i].etag, raw, 16) == 0)
			digest_update(d, raw, 16);
	}
	digest_final(d, hex);
	snprintf(out, STORE_ETAG_MAX, "%s-%zu", hex, u->o.nparts);
}

/* Completing failed, or its answer was lost; is the object there? */
static void on_looked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_upload *u = arg;
	char want[STORE_ETAG_MAX], have[STORE_ETAG_MAX] = "";

	u->call = NULL;
	op_enter(&u->op);
	expected_etag(u, want);
	if (err == NULL)
		s3_etag(http_header(resp, "etag"), have);
	if (strcmp(want, have) == 0) {
		u->err = ERR_INIT;
		unmark(u);
	} else {
		abort_upload(u);
	}
	op_leave(&u->op);
}

static int check_completed(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct strbuf etag = STRBUF_INIT(STORE_ETAG_MAX);
	int rc = s3_xml_pick(resp->body.buf, resp->body.len, "CompleteMultipartUploadResult",
	    "CompleteMultipartUploadResult/ETag", &etag, doc, err);

	strbuf_release(&etag); /* empty from some servers; a HEAD tells it */
	return rc;
}

static void on_completed(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_upload *u = arg;
	struct s3_call_options o = {
	    .verb = "complete", .method = "HEAD", .key = u->key, .on_done = on_looked, .arg = u};

	u->call = NULL;
	op_enter(&u->op);
	if (err == NULL) {
		unmark(u);
	} else {
		u->err = *err;
		u->call = s3_call_start(s3_of_upload(u), &o);
	}
	op_leave(&u->op);
}

static void complete(struct s3_upload *u)
{
	struct s3_call_options o = {.verb = "complete",
	    .method = "POST",
	    .key = u->key,
	    .query = u->query,
	    .nquery = 1,
	    .payload = u->mark_sum,
	    .slow = true,
	    .check = check_completed,
	    .on_done = on_completed,
	    .arg = u};

	strbuf_reset(&u->body);
	strbuf_addstr(&u->body, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < u->o.nparts; i++)
		strbuf_addf(&u->body, "<Part><PartNumber>%zu</PartNumber><ETag>\"%s\"</ETag></Part>", i + 1,
		    u->o.part[i].etag);
	strbuf_addstr(&u->body, "</CompleteMultipartUpload>");
	sha256_hex(u->body.buf, u->body.len, u->mark_sum);
	o.body = u->body.buf;
	o.body_size = (int64_t)u->body.len;
	u->query[0] = (struct sigv4_pair){"uploadId", u->id.buf};
	u->call = s3_call_start(s3_of_upload(u), &o);
}

static void send_parts(struct s3_upload *u);

static int take_part_etag(struct s3_upload *u, struct s3_part *part, const char *etag, struct err *err)
{
	/* Goes into the XML of the completion: nothing but an ETag may get there. */
	s3_etag(etag, part->etag);
	if (part->etag[0] == '\0' || strpbrk(part->etag, "<>&\"'") != NULL)
		return err_code(err, ERR_TRANSIENT, "http.content", "the answer has no usable ETag");
	return 0;
}

static int check_part(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct slot *s = arg;
	struct s3_part *part = &s->up->o.part[s->i];
	struct strbuf etag = STRBUF_INIT(STORE_ETAG_MAX + 2);
	int rc;

	if (s->up->o.copy_source == NULL)
		return take_part_etag(s->up, part, http_header(resp, "etag"), err);
	rc = s3_xml_pick(
	    resp->body.buf, resp->body.len, "CopyPartResult", "CopyPartResult/ETag", &etag, doc, err);
	if (rc == 0)
		rc = take_part_etag(s->up, part, etag.buf, err);
	strbuf_release(&etag);
	return rc;
}

static void on_part(const struct http_response *resp, const struct err *err, void *arg)
{
	struct slot *s = arg;
	struct s3_upload *u = s->up;

	s->call = NULL;
	op_enter(&u->op);
	if (err != NULL) {
		fail(u, err);
	} else if (++u->done == u->o.nparts) {
		complete(u);
	} else {
		send_parts(u);
	}
	op_leave(&u->op);
}

static void send_part(struct s3_upload *u, struct slot *s, size_t i)
{
	struct s3_part *part = &u->o.part[i];
	struct s3_call_options o = {.verb = "put a part of",
	    .method = "PUT",
	    .key = u->key,
	    .query = s->query,
	    .nquery = 2,
	    .header = s->header,
	    .check = check_part,
	    .on_done = on_part,
	    .arg = s};

	s->i = i;
	snprintf(s->number, sizeof(s->number), "%zu", i + 1);
	s->query[0] = (struct sigv4_pair){"partNumber", s->number};
	s->query[1] = (struct sigv4_pair){"uploadId", u->id.buf};
	if (u->o.copy_source != NULL) {
		snprintf(s->range, sizeof(s->range), "bytes=%" PRId64 "-%" PRId64, part->offset,
		    part->offset + part->size - 1);
		s->header[o.nheader++] = (struct sigv4_pair){"x-amz-copy-source", u->o.copy_source};
		s->header[o.nheader++] = (struct sigv4_pair){"x-amz-copy-source-range", s->range};
		s->header[o.nheader++] = (struct sigv4_pair){"x-amz-copy-source-if-match", u->o.copy_etag};
		o.slow = true;
	} else {
		struct strbuf b64 = STRBUF_INIT(sizeof(s->md5) - 1);
		base64_encode(&b64, part->md5, sizeof(part->md5));
		snprintf(s->md5, sizeof(s->md5), "%s", b64.buf);
		strbuf_release(&b64);
		s->header[o.nheader++] = (struct sigv4_pair){"content-md5", s->md5};
		o.payload = part->sha256;
		o.body = u->o.body ? (const char *)u->o.body + part->offset : NULL;
		o.body_fd = u->o.fd;
		o.body_offset = part->offset;
		o.body_size = part->size;
		o.streaming = true;
	}
	s->call = s3_call_start(s3_of_upload(u), &o);
}

static void send_parts(struct s3_upload *u)
{
	for (size_t k = 0; k < AT_ONCE && u->next < u->o.nparts && !u->aborting; k++)
		if (u->slot[k].call == NULL)
			send_part(u, &u->slot[k], u->next++);
}

static void on_marked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_upload *u = arg;

	u->call = NULL;
	op_enter(&u->op);
	if (err != NULL)
		log_warn("store %s: %s: an upload of %s cannot be marked; should this process die, its parts "
		         "stay in the bucket",
		    u->op.pub.store->name, err->text, u->key);
	send_parts(u);
	op_leave(&u->op);
}

/* "<upload id>\n<key>" under a name made from the id. */
static void mark(struct s3_upload *u)
{
	char sum[SHA256_HEX];
	struct s3_call_options o = {
	    .verb = "mark", .method = "PUT", .payload = u->mark_sum, .on_done = on_marked, .arg = u};

	sha256_hex(u->id.buf, u->id.len, sum);
	u->mark = xasprintf(S3_MARKS "%.32s", sum);
	u->marked = true; /* from here on it may be there, whatever the answer */
	strbuf_reset(&u->body);
	strbuf_addf(&u->body, "%s\n%s", u->id.buf, u->key);
	sha256_hex(u->body.buf, u->body.len, u->mark_sum);
	o.key = u->mark;
	o.body = u->body.buf;
	o.body_size = (int64_t)u->body.len;
	u->call = s3_call_start(s3_of_upload(u), &o);
}

static int check_initiated(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_upload *u = arg;

	strbuf_reset(&u->id);
	if (s3_xml_pick(resp->body.buf, resp->body.len, "InitiateMultipartUploadResult",
	        "InitiateMultipartUploadResult/UploadId", &u->id, doc, err) == -1)
		return -1;
	if (u->id.len == 0 || strlen(u->id.buf) != u->id.len)
		return err_code(err, ERR_TRANSIENT, "http.content", "the answer has no upload id");
	return 0;
}

static void on_initiated(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_upload *u = arg;

	u->call = NULL;
	op_enter(&u->op);
	if (err != NULL) {
		strbuf_reset(&u->id);
		fail(u, err);
	} else {
		mark(u);
	}
	op_leave(&u->op);
}

static void turn(struct op *op)
{
	struct s3_upload *u = CONTAINER_OF(op, struct s3_upload, op);
	struct s3_call_options o = {.verb = "begin the upload of",
	    .method = "POST",
	    .key = u->key,
	    .query = u->query,
	    .nquery = 1,
	    .header = u->header,
	    .check = check_initiated,
	    .on_done = on_initiated,
	    .arg = u};

	if (u->started)
		return;
	u->started = true;
	u->query[0] = (struct sigv4_pair){"uploads", ""};
	if (u->o.content_type != NULL)
		u->header[o.nheader++] = (struct sigv4_pair){"content-type", u->o.content_type};
	if (u->o.sha256 != NULL)
		u->header[o.nheader++] = (struct sigv4_pair){"x-amz-meta-sha256", u->o.sha256};
	u->call = s3_call_start(s3_of_upload(u), &o);
}

static const struct op_ops upload_ops = {.turn = turn, .release = release};

void s3_upload_start(struct s3 *s3, const struct s3_upload_options *o)
{
	struct s3_upload *u = xcalloc(1, sizeof(*u));

	u->o = *o;
	u->key = xstrdup(o->key);
	strbuf_init(&u->id, ID_MAX);
	strbuf_init(&u->body, PARTS_MAX * 160 + 4096);
	for (size_t k = 0; k < AT_ONCE; k++)
		u->slot[k].up = u;
	*o->handle = u;
	op_init(&u->op, &upload_ops, &s3->store, &s3->ops);
	s3_sweep(s3);
}

/* What the caller lent is gone from here on: only the id and the key, which are ours, are used. */
void s3_upload_cancel(struct s3_upload *u)
{
	if (u == NULL)
		return;
	u->o.handle = NULL;
	err_set(&u->err, ERR_CANCELLED, "cancelled");
	op_enter(&u->op);
	stop_parts(u);
	if (!u->aborting) {
		s3_call_cancel(u->call);
		u->call = NULL;
		abort_upload(u);
	}
	op_leave(&u->op);
}

struct s3_part *s3_parts_plan(const struct s3 *s3, int64_t size, size_t *n)
{
	int64_t each = MAX(s3->conf->part_size, (size + PARTS_MAX - 1) / PARTS_MAX);
	struct s3_part *part;

	*n = (size_t)((size + each - 1) / each);
	part = xcalloc(*n, sizeof(*part));
	for (size_t i = 0; i < *n; i++) {
		part[i].offset = (int64_t)i * each;
		part[i].size = MIN(each, size - part[i].offset);
	}
	return part;
}
