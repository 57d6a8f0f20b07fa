/* What a crash left behind: multipart uploads, found by their marks, and probes; gone when they are a day old. */
#include "config.h"

#include "store/s3_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strvec.h"

#include <string.h>

#define AGE_MS   (24 * 3600 * (tm_ms)1000)
#define MARK_MAX 4096

struct s3_sweep {
	struct op op;
	struct store_op *store_op; /* list, get or delete */
	struct s3_call *call;
	struct strvec marks;
	struct strbuf text;
	char *id, *key;
	struct sigv4_pair query[1];
};

static void release(struct op *op)
{
	struct s3_sweep *w = CONTAINER_OF(op, struct s3_sweep, op);

	s3_call_cancel(w->call);
	strvec_release(&w->marks);
	strbuf_release(&w->text);
	free(w);
}

static void next_mark(struct s3_sweep *w);

static void on_unmarked(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_sweep *w = arg;

	w->call = NULL;
	op_enter(&w->op);
	next_mark(w);
	op_leave(&w->op);
}

static void remove_own(struct s3_sweep *w)
{
	struct s3_call_options o = {.verb = "unmark",
	    .method = "DELETE",
	    .key = w->marks.v[w->marks.n - 1],
	    .on_done = on_unmarked,
	    .arg = w};

	w->call = s3_call_start(s3_of(w->op.pub.store), &o);
}

static void on_aborted(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_sweep *w = arg;

	w->call = NULL;
	op_enter(&w->op);
	if (err != NULL && !err_is(err, "not_found")) {
		log_warn("store %s: %s", w->op.pub.store->name, err->text);
		next_mark(w);
	} else {
		log_info("store %s: aborted the unfinished upload of %s", w->op.pub.store->name, w->key);
		remove_own(w);
	}
	op_leave(&w->op);
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
		next_mark(w);
	} else {
		*newline = '\0';
		w->key = newline + 1;
		w->query[0] = (struct sigv4_pair){"uploadId", w->text.buf};
		o.key = w->key;
		w->call = s3_call_start(s3_of(w->op.pub.store), &o);
	}
	op_leave(&w->op);
}

static void read_mark(struct s3_sweep *w)
{
	struct s3_call_options o = {.verb = "read the mark",
	    .method = "GET",
	    .key = w->marks.v[w->marks.n - 1],
	    .max_body = MARK_MAX,
	    .on_done = on_read,
	    .arg = w};

	w->call = s3_call_start(s3_of(w->op.pub.store), &o);
}

static void look_at_last(struct s3_sweep *w)
{
	if (w->marks.n == 0)
		op_end(&w->op);
	else if (strncmp(w->marks.v[w->marks.n - 1], S3_PROBES, strlen(S3_PROBES)) == 0)
		remove_own(w);
	else
		read_mark(w);
}

/* The one just dealt with is the last. */
static void next_mark(struct s3_sweep *w)
{
	free(w->marks.v[--w->marks.n]);
	w->marks.v[w->marks.n] = NULL;
	look_at_last(w);
}

static void on_page(const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg)
{
	struct s3_sweep *w = arg;
	const struct s3 *s3 = s3_of(w->op.pub.store);
	tm_ms now = clock_now() + s3->skew, age = s3->conf->sweep_age ? s3->conf->sweep_age : AGE_MS;

	op_enter(&w->op);
	/* With a clock that was found wrong, age is judged by the server's. */
	for (size_t i = 0; i < n; i++)
		if (now - objs[i].modified > age &&
		    (strncmp(objs[i].key, S3_MARKS, strlen(S3_MARKS)) == 0 ||
		        strncmp(objs[i].key, S3_PROBES, strlen(S3_PROBES)) == 0))
			strvec_push(&w->marks, objs[i].key);
	if (last) {
		w->store_op = NULL;
		look_at_last(w);
	}
	op_leave(&w->op);
}

static void turn(struct op *op)
{
	struct s3_sweep *w = CONTAINER_OF(op, struct s3_sweep, op);

	w->store_op = s3_list(op->pub.store, S3_OWN, NULL, 1000, on_page, w);
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
