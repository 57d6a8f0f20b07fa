/* Head, delete and barrier: what needs an answer but no body. */
#include "config.h"

#include "store/s3_impl.h"

#include "base/mem.h"

#include <string.h>

struct s3_small {
	struct op op;
	struct s3_call *call;
	struct store_op *probe; /* waited for */
	char *key, *if_match;
	store_info_cb *on_info;
	store_done_cb *on_done;
	void *arg;
	char quoted[STORE_ETAG_MAX + 2];
	struct sigv4_pair header[1];
};

static void release(struct op *op)
{
	struct s3_small *s = CONTAINER_OF(op, struct s3_small, op);

	s3_call_cancel(s->call);
	if (!op->list->closing)
		store_op_cancel(s->probe);
	free(s->key);
	free(s->if_match);
	free(s);
}

static struct s3_small *new_small(
    struct store *st, const struct op_ops *ops, const char *key, const char *if_match, void *arg)
{
	struct s3_small *s = xcalloc(1, sizeof(*s));

	xstrset(&s->key, key);
	xstrset(&s->if_match, if_match);
	s->arg = arg;
	op_init(&s->op, ops, st, &s3_of(st)->ops);
	if (key != NULL)
		store_key_check(key, &s->op.failed);
	return s;
}

typedef void call_done(const struct http_response *, const struct err *, void *arg);

static void call(struct s3_small *s, const char *verb, const char *method, const char *key,
    const char *if_match, call_done *on_done)
{
	struct s3_call_options o = {
	    .verb = verb, .method = method, .key = key, .header = s->header, .on_done = on_done, .arg = s};

	if (if_match != NULL) {
		/* Bare: some servers take no quotes in conditions of anything but GET, others take both. */
		snprintf(s->quoted, sizeof(s->quoted), "%s", if_match);
		s->header[o.nheader++] = (struct sigv4_pair){"if-match", s->quoted};
	}
	s->call = s3_call_start(s3_of(s->op.pub.store), &o);
}

/* ---- head */

static void on_head(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_small *s = arg;
	struct s3_object o;

	s->call = NULL;
	op_enter(&s->op);
	if (err == NULL)
		s3_object_fill(&o, s->key, resp);
	s->on_info(err ? NULL : &o.obj, err, s->arg);
	op_end(&s->op);
	op_leave(&s->op);
}

/* A 2xx without an ETag or a length did not come from an object store. */
static int check_head(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	if (http_header(resp, "etag") != NULL && resp->length >= 0)
		return 0;
	return err_code(err, ERR_TRANSIENT, "http.content", "the answer is not an object (no ETag or length)");
}

static void turn_head(struct op *op)
{
	struct s3_small *s = CONTAINER_OF(op, struct s3_small, op);
	struct s3_call_options o = {
	    .verb = "head", .method = "HEAD", .key = s->key, .check = check_head, .on_done = on_head, .arg = s};

	if (op->failed.class != ERR_NONE) {
		s->on_info(NULL, &op->failed, s->arg);
		op_end(op);
		return;
	}
	s->call = s3_call_start(s3_of(op->pub.store), &o);
}
static const struct op_ops head_ops = {.turn = turn_head, .release = release};

struct store_op *s3_head(struct store *st, const char *key, store_info_cb *cb, void *arg)
{
	struct s3_small *s = new_small(st, &head_ops, key, NULL, arg);

	s->on_info = cb;
	return &s->op.pub;
}

/*
 * ---- delete
 *
 * Conditional: where the server was found to honour If-Match on DELETE (s3_probe.c) it is trusted with it, after a look;
 * elsewhere look and compare is all there is.
 */

static void end_delete(struct s3_small *s, const struct err *err)
{
	s->on_done(err && err_is(err, "not_found") ? NULL : err, s->arg);
	op_end(&s->op);
}

static void on_deleted(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_small *s = arg;

	s->call = NULL;
	op_enter(&s->op);
	end_delete(s, err);
	op_leave(&s->op);
}

static void on_looked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_small *s = arg;
	struct err e = ERR_INIT;
	struct s3_object o;

	s->call = NULL;
	op_enter(&s->op);
	if (err != NULL) {
		end_delete(s, err);
	} else {
		s3_object_fill(&o, s->key, resp);
		if (strcmp(o.etag, s->if_match) == 0) {
			call(s, "delete", "DELETE", s->key,
			    s3_of(s->op.pub.store)->delete_if_match == S3_YES ? s->if_match : NULL, on_deleted);
		} else {
			err_code(&e, ERR_PERMANENT, "precondition",
			    "delete %s: the object has changed (etag %s, expected %s)", s->key, o.etag,
			    s->if_match);
			end_delete(s, &e);
		}
	}
	op_leave(&s->op);
}

static void look(struct s3_small *s)
{
	call(s, "delete", "HEAD", s->key, NULL, on_looked);
}

static void on_probed(void *arg)
{
	struct s3_small *s = arg;

	s->probe = NULL;
	look(s);
}

static void turn_delete(struct op *op)
{
	struct s3_small *s = CONTAINER_OF(op, struct s3_small, op);
	struct s3 *s3 = s3_of(op->pub.store);

	if (op->failed.class != ERR_NONE) {
		end_delete(s, &op->failed);
	} else if (s->if_match == NULL) {
		call(s, "delete", "DELETE", s->key, NULL, on_deleted);
	} else if (s3->delete_if_match != S3_UNKNOWN) {
		/*
		 * Also where the server honours the condition: a missing object must be told from a changed one.  And
		 * while another call is probing: comparing here is what most servers leave us with anyway.
		 */
		look(s);
	} else {
		s->probe = s3_probe_start(s3, on_probed, s);
	}
}
static const struct op_ops delete_ops = {.turn = turn_delete, .release = release};

struct store_op *s3_delete(
    struct store *st, const char *key, const char *if_match, store_done_cb *cb, void *arg)
{
	struct s3_small *s = new_small(st, &delete_ops, key, if_match, arg);

	s->on_done = cb;
	return &s->op.pub;
}

/* ---- barrier: every acknowledged object is durable already */

static void turn_barrier(struct op *op)
{
	struct s3_small *s = CONTAINER_OF(op, struct s3_small, op);

	s->on_done(NULL, s->arg);
	op_end(op);
}
static const struct op_ops barrier_ops = {.turn = turn_barrier, .release = release};

struct store_op *s3_barrier(struct store *st, store_done_cb *cb, void *arg)
{
	struct s3_small *s = new_small(st, &barrier_ops, NULL, NULL, arg);

	s->on_done = cb;
	return &s->op.pub;
}
