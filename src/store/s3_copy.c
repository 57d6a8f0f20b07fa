/*
 * Server-side copy.  The source is looked at first: its size decides between one request and parts, and its ETag is
 * compared here because some servers ignore the condition.  After a plain copy the ETags must agree, so a source
 * replaced in between does not go unnoticed either.
 */
#include "config.h"

#include "store/s3_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <string.h>

#define ONE_COPY_MAX (INT64_C(5) << 30) /* what one request may copy */

struct s3_copy {
	struct op op;
	struct s3_call *call;
	struct s3_upload *upload;
	char *from, *to, *if_match, *source, *sha256, *content_type;
	store_info_cb *cb;
	void *arg;
	int64_t size;
	char etag[STORE_ETAG_MAX], result[STORE_ETAG_MAX];
	struct s3_part *part;
	struct sigv4_pair header[2];
};

static void release(struct op *op)
{
	struct s3_copy *c = CONTAINER_OF(op, struct s3_copy, op);

	s3_call_cancel(c->call);
	s3_upload_cancel(c->upload);
	free(c->from);
	free(c->to);
	free(c->if_match);
	free(c->source);
	free(c->sha256);
	free(c->content_type);
	free(c->part);
	free(c);
}

static void end(struct s3_copy *c, const struct store_object *obj, const struct err *err)
{
	c->cb(obj, err, c->arg);
	op_end(&c->op);
}

static void on_made(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_copy *c = arg;
	struct s3_object o;

	c->call = NULL;
	op_enter(&c->op);
	if (err == NULL)
		s3_object_fill(&o, c->to, resp);
	end(c, err ? NULL : &o.obj, err);
	op_leave(&c->op);
}

static int check_made(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_copy *c = arg;

	if (resp->length == c->size)
		return 0;
	return err_code(err, ERR_TRANSIENT, "corrupt", "the copy has %lld bytes, its source %lld",
	    (long long)resp->length, (long long)c->size);
}

static void look_at_copy(struct s3_copy *c)
{
	struct s3_call_options o = {
	    .verb = "copy", .method = "HEAD", .key = c->to, .check = check_made, .on_done = on_made, .arg = c};

	c->call = s3_call_start(s3_of(c->op.pub.store), &o);
}

static int check_copied(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_copy *c = arg;
	struct strbuf etag = STRBUF_INIT(STORE_ETAG_MAX + 2);
	int rc = s3_xml_pick(
	    resp->body.buf, resp->body.len, "CopyObjectResult", "CopyObjectResult/ETag", &etag, doc, err);

	s3_etag(etag.buf, c->result);
	strbuf_release(&etag);
	return rc;
}

static bool is_plain(const char *etag)
{
	return strlen(etag) == MD5_HEX - 1 && strspn(etag, "0123456789abcdef") == MD5_HEX - 1;
}

static void on_copied(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_copy *c = arg;
	struct err e = ERR_INIT;

	c->call = NULL;
	op_enter(&c->op);
	if (err != NULL) {
		end(c, NULL, err);
	} else if (c->if_match != NULL && is_plain(c->etag) && is_plain(c->result) &&
	           strcmp(c->etag, c->result) != 0) {
		err_code(&e, ERR_PERMANENT, "precondition", "copy %s: the object changed while it was copied",
		    c->from);
		end(c, NULL, &e);
	} else {
		look_at_copy(c);
	}
	op_leave(&c->op);
}

static void copy_whole(struct s3_copy *c)
{
	struct s3_call_options o = {.verb = "copy",
	    .method = "PUT",
	    .key = c->to,
	    .header = c->header,
	    .nheader = 2,
	    .slow = true,
	    .check = check_copied,
	    .on_done = on_copied,
	    .arg = c};

	c->header[0] = (struct sigv4_pair){"x-amz-copy-source", c->source};
	c->header[1] = (struct sigv4_pair){"x-amz-copy-source-if-match", c->etag};
	c->call = s3_call_start(s3_of(c->op.pub.store), &o);
}

static void on_uploaded(const struct err *err, void *arg)
{
	struct s3_copy *c = arg;

	c->upload = NULL;
	op_enter(&c->op);
	if (err != NULL)
		end(c, NULL, err);
	else
		look_at_copy(c);
	op_leave(&c->op);
}

static void copy_parts(struct s3_copy *c)
{
	struct s3 *s3 = s3_of(c->op.pub.store);
	struct s3_upload_options o = {.key = c->to,
	    .content_type = c->content_type,
	    .sha256 = c->sha256,
	    .copy_source = c->source,
	    .copy_etag = c->etag,
	    .on_done = on_uploaded,
	    .arg = c,
	    .handle = &c->upload};

	o.part = c->part = s3_parts_plan(s3, c->size, &o.nparts);
	s3_upload_start(s3, &o);
}

static void on_looked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_copy *c = arg;
	struct err e = ERR_INIT;
	struct s3_object o;

	c->call = NULL;
	op_enter(&c->op);
	if (err != NULL) {
		end(c, NULL, err);
		goto out;
	}
	s3_object_fill(&o, c->from, resp);
	if (c->if_match != NULL && strcmp(c->if_match, o.etag) != 0) {
		err_code(&e, ERR_PERMANENT, "precondition",
		    "copy %s: the object has changed (etag %s, expected %s)", c->from, o.etag, c->if_match);
		end(c, NULL, &e);
		goto out;
	}
	c->size = o.obj.size;
	memcpy(c->etag, o.etag, sizeof(c->etag));
	xstrset(&c->sha256, o.obj.sha256);
	xstrset(&c->content_type, http_header(resp, "content-type"));
	int64_t limit = s3_of(c->op.pub.store)->conf->copy_limit;
	if (c->size > (limit ? limit : ONE_COPY_MAX))
		copy_parts(c);
	else
		copy_whole(c);
out:
	op_leave(&c->op);
}

static void turn(struct op *op)
{
	struct s3_copy *c = CONTAINER_OF(op, struct s3_copy, op);
	struct s3_call_options o = {
	    .verb = "copy", .method = "HEAD", .key = c->from, .on_done = on_looked, .arg = c};

	if (op->failed.class != ERR_NONE)
		end(c, NULL, &op->failed);
	else
		c->call = s3_call_start(s3_of(op->pub.store), &o);
}

static const struct op_ops copy_ops = {.turn = turn, .release = release};

struct store_op *s3_copy(
    struct store *st, const char *from, const char *if_match, const char *to, store_info_cb *cb, void *arg)
{
	struct s3_copy *c = xcalloc(1, sizeof(*c));
	struct strbuf source = STRBUF_INIT(4 * STORE_KEY_MAX);

	c->from = xstrdup(from);
	c->to = xstrdup(to);
	xstrset(&c->if_match, if_match);
	c->cb = cb;
	c->arg = arg;
	op_init(&c->op, &copy_ops, st, &s3_of(st)->ops);
	if (store_key_check(from, &c->op.failed) == 0)
		store_key_check(to, &c->op.failed);
	strbuf_addf(&source, "/%s/", s3_of(st)->conf->bucket);
	sigv4_encode(&source, from, strnlen(from, STORE_KEY_MAX), true);
	c->source = strbuf_detach(&source);
	return &c->op.pub;
}
