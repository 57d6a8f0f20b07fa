/*
 * Multipart uploads: mark the key -> begin -> mark the id -> parts -> complete -> unmark; from anywhere on an error:
 * abort -> unmark.  Whenever an upload may exist a mark says so, and what it says suffices to find that upload.
 */
#include "config.h"

#include "store/s3_impl.h"

#include "base/codec.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#define AT_ONCE 4
#define ID_MAX  2048

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
	char *content_type, *sha256;
	char *mark, mark_sum[SHA256_HEX];
	int begun; /* requests to begin it that were sent */
	bool started, beginning, marked, aborting;
	struct err err; /* why it is aborted; ERR_NONE while all is well */
	struct sigv4_pair query[2], header[3];
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
	free(u->content_type);
	free(u->sha256);
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
		unmark(u);
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

/* Completing failed, or its answer was lost; is the object there? */
static void on_looked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_upload *u = arg;
	char want[STORE_ETAG_MAX], have[STORE_ETAG_MAX] = "";

	u->call = NULL;
	op_enter(&u->op);
	s3_parts_etag(u->o.part, u->o.nparts, want);
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

static void begin(struct s3_upload *u);

static void on_marked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_upload *u = arg;

	u->call = NULL;
	op_enter(&u->op);
	if (err != NULL)
		log_warn("store %s: %s: an upload of %s cannot be marked; should this process die, its parts "
		         "stay in the bucket",
		    u->op.pub.store->name, err->text, u->key);
	if (u->id.len == 0)
		begin(u);
	else
		send_parts(u);
	op_leave(&u->op);
}

/* "<upload id>\n<key>"; no id: it is about to be begun. */
static void mark(struct s3_upload *u)
{
	char nonce[S3_NONCE];
	struct s3_call_options o = {
	    .verb = "mark", .method = "PUT", .payload = u->mark_sum, .on_done = on_marked, .arg = u};

	if (u->mark == NULL) {
		s3_nonce(nonce);
		u->mark = xasprintf(S3_MARKS "%s", nonce);
	}
	u->marked = true; /* from here on it may be there, whatever the answer */
	strbuf_reset(&u->body);
	strbuf_addf(&u->body, "%s\n%s", u->id.buf, u->key);
	sha256_hex(u->body.buf, u->body.len, u->mark_sum);
	o.key = u->mark;
	o.body = u->body.buf;
	o.body_size = (int64_t)u->body.len;
	u->call = s3_call_start(s3_of_upload(u), &o);
}

/* An upload that we know nothing of may have been begun: the mark of the key stays, for a sweep to look. */
static void leave_mark(struct s3_upload *u)
{
	free(u->mark);
	u->mark = NULL;
	u->marked = false;
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
	bool refused = err != NULL && (err->class == ERR_PERMANENT || err->class == ERR_CONFIG);

	u->call = NULL;
	u->beginning = false;
	op_enter(&u->op);
	if (err != NULL)
		strbuf_reset(&u->id);
	/* Of several requests each may have begun one, and we know the last at most. */
	if (u->begun > 1 || (err != NULL && !refused))
		leave_mark(u);
	if (err != NULL)
		fail(u, err);
	else if (u->err.class != ERR_NONE)
		abort_upload(u); /* cancelled meanwhile */
	else
		mark(u);
	op_leave(&u->op);
}

static void count_begin(struct s3_call_options *o, void *arg)
{
	struct s3_upload *u = arg;

	u->begun++;
}

static void begin(struct s3_upload *u)
{
	struct s3_call_options o = {.verb = "begin the upload of",
	    .method = "POST",
	    .key = u->key,
	    .query = u->query,
	    .nquery = 1,
	    .header = u->header,
	    .fresh = true,
	    .prepare = count_begin,
	    .check = check_initiated,
	    .on_done = on_initiated,
	    .arg = u};

	u->query[0] = (struct sigv4_pair){"uploads", ""};
	if (u->content_type != NULL)
		u->header[o.nheader++] = (struct sigv4_pair){"content-type", u->content_type};
	if (u->sha256 != NULL)
		u->header[o.nheader++] = (struct sigv4_pair){"x-amz-meta-sha256", u->sha256};
	if (u->op.pub.store->origin != NULL)
		u->header[o.nheader++] = (struct sigv4_pair){S3_ORIGIN_HEADER, u->op.pub.store->origin};
	u->beginning = true;
	u->call = s3_call_start(s3_of_upload(u), &o);
}

static void turn(struct op *op)
{
	struct s3_upload *u = CONTAINER_OF(op, struct s3_upload, op);

	if (u->started)
		return;
	u->started = true;
	mark(u);
}

static const struct op_ops upload_ops = {.turn = turn, .release = release};

void s3_upload_start(struct s3 *s3, const struct s3_upload_options *o)
{
	struct s3_upload *u = xcalloc(1, sizeof(*u));

	u->o = *o;
	u->key = xstrdup(o->key);
	xstrset(&u->content_type, o->content_type);
	xstrset(&u->sha256, o->sha256);
	strbuf_init(&u->id, ID_MAX);
	strbuf_init(&u->body, S3_PARTS_MAX * 160 + 4096);
	for (size_t k = 0; k < AT_ONCE; k++)
		u->slot[k].up = u;
	*o->handle = u;
	op_init(&u->op, &upload_ops, &s3->store, &s3->ops);
	s3_sweep(s3);
}

/*
 * What the caller lent is gone from here on: only what is ours is used.  A request to begin it is waited for, as its
 * answer has the id by which it can be aborted.
 */
void s3_upload_cancel(struct s3_upload *u)
{
	if (u == NULL)
		return;
	u->o.handle = NULL;
	err_set(&u->err, ERR_CANCELLED, "cancelled");
	op_enter(&u->op);
	stop_parts(u);
	if (!u->aborting && !u->beginning) {
		s3_call_cancel(u->call);
		u->call = NULL;
		abort_upload(u);
	}
	op_leave(&u->op);
}
