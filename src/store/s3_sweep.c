/*
 * What a crash left behind: multipart uploads, found by their marks, and probes; gone when they are a day old.
 *
 * A mark has the upload's id and key; or the key alone, when its upload was to be begun and nobody heard whether it was.
 */
#include "config.h"

#include "store/s3_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <string.h>

#define AGE_MS   (24 * 3600 * (tm_ms)1000)
#define MARK_MAX 4096
#define OWN_MAX  1000 /* the rest is for the next sweep */
/* Longest time from the mark of a key to the last request to begin its upload; generous, with every attempt. */
#define BEGIN_MS (30 * 60 * (tm_ms)1000)

struct own {
	char *key;
	tm_ms modified;
};

struct s3_sweep {
	struct op op;
	struct store_op *store_op; /* list, get or delete */
	struct s3_call *call;
	struct s3_orphans *orphans;
	struct own *own; /* to be dealt with, from the last */
	size_t n;
	tm_ms old; /* what is older is nobody's any more, by the server's clock */
	struct strbuf text;
	char *id, *key;
	struct sigv4_pair query[1];
};

static void release(struct op *op)
{
	struct s3_sweep *w = CONTAINER_OF(op, struct s3_sweep, op);

	s3_call_cancel(w->call);
	s3_orphans_cancel(w->orphans);
	while (w->n > 0)
		free(w->own[--w->n].key);
	free(w->own);
	strbuf_release(&w->text);
	free(w);
}

static void next_own(struct s3_sweep *w);

static const struct own *last_own(const struct s3_sweep *w)
{
	return &w->own[w->n - 1];
}

static void on_unmarked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_sweep *w = arg;

	w->call = NULL;
	op_enter(&w->op);
	next_own(w);
	op_leave(&w->op);
}

static void remove_own(struct s3_sweep *w)
{
	struct s3_call_options o = {
	    .verb = "unmark", .method = "DELETE", .key = last_own(w)->key, .on_done = on_unmarked, .arg = w};

	w->call = s3_call_start(s3_of(w->op.pub.store), &o);
}

static void on_aborted(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_sweep *w = arg;

	w->call = NULL;
	op_enter(&w->op);
	if (err != NULL && !err_is(err, "not_found")) {
		log_warn("store %s: %s", w->op.pub.store->name, err->text);
		next_own(w);
	} else {
		log_info("store %s: aborted the unfinished upload of %s", w->op.pub.store->name, w->key);
		remove_own(w);
	}
	op_leave(&w->op);
}

static void on_orphans(size_t aborted, const struct err *err, void *arg)
{
	struct s3_sweep *w = arg;

	w->orphans = NULL;
	op_enter(&w->op);
	if (aborted > 0)
		log_info("store %s: aborted the unfinished upload of %s", w->op.pub.store->name, w->key);
	if (err != NULL) {
		log_warn("store %s: %s", w->op.pub.store->name, err->text);
		next_own(w);
	} else {
		remove_own(w);
	}
	op_leave(&w->op);
}

static void abort_orphans(struct s3_sweep *w)
{
	tm_ms marked = last_own(w)->modified;

	/* Servers tell whole seconds, and not always of the same clock. */
	w->orphans = s3_orphans_abort(
	    s3_of(w->op.pub.store), w->key, marked - 2000, MIN(marked + BEGIN_MS, w->old), on_orphans, w);
}

static void on_read(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_sweep *w = arg;
	struct s3_call_options o = {.verb = "abort the upload of",
	    .method = "DELETE",
	    .query = w->query,
	    .nquery = 1,
	    .on_done = on_aborted,
	    .arg = w};

	w->call = NULL;
	op_enter(&w->op);
	strbuf_reset(&w->text);
	if (err == NULL)
		strbuf_add(&w->text, resp->body.buf, resp->body.len);
	char *newline = strchr(w->text.buf, '\n');
	if (newline == NULL || strlen(w->text.buf) != w->text.len) {
		next_own(w);
	} else {
		*newline = '\0';
		o.key = w->key = newline + 1;
		w->query[0] = (struct sigv4_pair){"uploadId", w->text.buf};
		if (newline == w->text.buf)
			abort_orphans(w);
		else
			w->call = s3_call_start(s3_of(w->op.pub.store), &o);
	}
	op_leave(&w->op);
}

static void read_mark(struct s3_sweep *w)
{
	struct s3_call_options o = {.verb = "read the mark",
	    .method = "GET",
	    .key = last_own(w)->key,
	    .max_body = MARK_MAX,
	    .on_done = on_read,
	    .arg = w};

	w->call = s3_call_start(s3_of(w->op.pub.store), &o);
}

static void look_at_last(struct s3_sweep *w)
{
	if (w->n == 0)
		op_end(&w->op);
	else if (strncmp(last_own(w)->key, S3_PROBES, strlen(S3_PROBES)) == 0)
		remove_own(w);
	else
		read_mark(w);
}

/* The one just dealt with is the last. */
static void next_own(struct s3_sweep *w)
{
	free(w->own[--w->n].key);
	look_at_last(w);
}

static bool is_left(const struct s3_sweep *w, const struct store_object *obj)
{
	return obj->modified < w->old && (strncmp(obj->key, S3_MARKS, strlen(S3_MARKS)) == 0 ||
	                                     strncmp(obj->key, S3_PROBES, strlen(S3_PROBES)) == 0);
}

static void on_page(const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg)
{
	struct s3_sweep *w = arg;
	const struct s3 *s3 = s3_of(w->op.pub.store);

	op_enter(&w->op);
	/* With a clock that was found wrong, age is judged by the server's. */
	w->old = clock_now() + s3->skew - (s3->conf->sweep_age ? s3->conf->sweep_age : AGE_MS);
	w->own = xreallocarray(w->own, w->n + n + 1, sizeof(*w->own));
	for (size_t i = 0; i < n; i++)
		if (is_left(w, &objs[i]))
			w->own[w->n++] = (struct own){xstrdup(objs[i].key), objs[i].modified};
	if (last) {
		w->store_op = NULL;
		look_at_last(w);
	}
	op_leave(&w->op);
}

static void turn(struct op *op)
{
	struct s3_sweep *w = CONTAINER_OF(op, struct s3_sweep, op);

	w->store_op = s3_list(op->pub.store, S3_OWN, NULL, OWN_MAX, on_page, w);
}

static const struct op_ops sweep_ops = {.turn = turn, .release = release};

void s3_sweep(struct s3 *s3)
{
	struct s3_sweep *w;

	if (s3->swept)
		return;
	s3->swept = true;
	w = xcalloc(1, sizeof(*w));
	strbuf_init(&w->text, MARK_MAX);
	op_init(&w->op, &sweep_ops, &s3->store, &s3->ops);
}
