/*
 * Does this server honour If-Match on DELETE?  Found out once: an object of our own is deleted under a condition that does
 * not hold, and is refused or gone.
 */
#include "config.h"

#include "store/s3_impl.h"

#include "base/log.h"
#include "base/mem.h"

#define NOT_ITS_ETAG "00000000000000000000000000000000"

struct s3_prober {
	struct op op;
	struct s3_call *call;
	char *key;
	struct sigv4_pair header[1];
	void (*on_done)(void *arg); /* may be NULL */
	void *arg;
};

static void release(struct op *op)
{
	struct s3_prober *p = CONTAINER_OF(op, struct s3_prober, op);
	struct s3 *s3 = s3_of(op->pub.store);

	s3_call_cancel(p->call);
	if (s3->delete_if_match == S3_PROBING)
		s3->delete_if_match = S3_UNKNOWN; /* cancelled on the way */
	free(p->key);
	free(p);
}

static void found(struct s3_prober *p, enum s3_probe result)
{
	struct s3 *s3 = s3_of(p->op.pub.store);

	s3->delete_if_match = result;
	log_debug(
	    "store %s: conditional deletes: %s", s3->store.name, result == S3_YES ? "yes" : "no, look first");
	if (result == S3_YES)
		s3->store.caps |= STORE_CAP_DELETE_IF_MATCH;
}

static void end(struct s3_prober *p)
{
	if (p->on_done != NULL && !p->op.dead)
		p->on_done(p->arg);
	op_end(&p->op);
}

static void remove_probe(struct s3_prober *p, const char *if_match,
    void (*on_done)(const struct http_response *, const struct err *, void *arg))
{
	struct s3_call_options o = {.verb = "probe",
	    .method = "DELETE",
	    .key = p->key,
	    .header = p->header,
	    .on_done = on_done,
	    .arg = p};

	if (if_match != NULL)
		p->header[o.nheader++] = (struct sigv4_pair){"if-match", if_match};
	p->call = s3_call_start(s3_of(p->op.pub.store), &o);
}

static void on_removed(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_prober *p = arg;

	p->call = NULL;
	op_enter(&p->op);
	end(p);
	op_leave(&p->op);
}

static void on_tried(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_prober *p = arg;

	p->call = NULL;
	op_enter(&p->op);
	found(p, err != NULL && err_is(err, "precondition") ? S3_YES : S3_NO);
	/* Also when the delete had an error: the probe must not stay. */
	if (err != NULL)
		remove_probe(p, NULL, on_removed);
	else
		end(p);
	op_leave(&p->op);
}

static void on_put(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_prober *p = arg;

	p->call = NULL;
	op_enter(&p->op);
	if (err == NULL) {
		remove_probe(p, NOT_ITS_ETAG, on_tried);
	} else {
		found(p, S3_NO); /* we may not write: nothing was lost, looking first always works */
		end(p);
	}
	op_leave(&p->op);
}

static void turn(struct op *op)
{
	struct s3_prober *p = CONTAINER_OF(op, struct s3_prober, op);
	struct s3_call_options o = {
	    .verb = "probe", .method = "PUT", .key = p->key, .on_done = on_put, .arg = p};

	p->call = s3_call_start(s3_of(op->pub.store), &o);
}

static const struct op_ops probe_ops = {.turn = turn, .release = release};

struct store_op *s3_probe_start(struct s3 *s3, void (*on_done)(void *arg), void *arg)
{
	struct s3_prober *p = xcalloc(1, sizeof(*p));
	char nonce[S3_NONCE];

	assert(s3->delete_if_match == S3_UNKNOWN);
	s3->delete_if_match = S3_PROBING;
	s3_nonce(nonce);
	p->key = xasprintf(S3_PROBES "%s", nonce);
	p->on_done = on_done;
	p->arg = arg;
	op_init(&p->op, &probe_ops, &s3->store, &s3->ops);
	return &p->op.pub;
}
