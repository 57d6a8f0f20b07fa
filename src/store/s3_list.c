#include "config.h"

#include "store/s3_impl.h"

#include "base/mem.h"
#include "store/s3_listing.h"

#include <string.h>

struct s3_list {
	struct op op;
	struct s3_call *call;
	struct s3_listing *listing;
	char *prefix;
	size_t left; /* of max */
	store_list_cb *cb;
	void *arg;
	char max_keys[8];
	struct sigv4_pair query[5];
	const struct store_object *objs;
	size_t n;
};

static void release(struct op *op)
{
	struct s3_list *l = CONTAINER_OF(op, struct s3_list, op);

	s3_call_cancel(l->call);
	s3_listing_free(l->listing);
	free(l->prefix);
	free(l);
}

static void prepare(struct s3_call_options *o, void *arg)
{
	struct s3_list *l = arg;

	s3_listing_begin(l->listing);
}

static enum http_body on_head(const struct http_response *resp, void *arg)
{
	return HTTP_STREAM;
}

static int on_body(const void *p, size_t n, void *arg)
{
	struct s3_list *l = arg;

	return s3_listing_feed(l->listing, p, n);
}

static int check(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_list *l = arg;
	const char *type = http_header(resp, "content-type");

	if (type != NULL && strstr(type, "html") != NULL)
		return err_code(
		    err, ERR_TRANSIENT, "http.content", "the answer is an HTML page; is something in between?");
	if (s3_listing_end(l->listing, &l->objs, &l->n, err) == 0)
		return 0;
	if (s3_listing_error(l->listing) != NULL)
		*doc = *s3_listing_error(l->listing);
	return -1;
}

/* Without small objects of our own, no business of those who list; in place, the page is ours. */
static size_t hide_own(const struct s3_list *l, struct store_object *objs, size_t n)
{
	size_t kept = 0, asked = strlen(l->prefix);

	/* All of them, when that is what was asked for, or none. */
	if (asked >= strlen(S3_OWN) || strncmp(l->prefix, S3_OWN, asked) != 0)
		return n;
	for (size_t i = 0; i < n; i++)
		if (strncmp(objs[i].key, S3_OWN, strlen(S3_OWN)) != 0)
			objs[kept++] = objs[i];
	return kept;
}

static void on_done(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_list *l = arg;

	l->call = NULL;
	op_enter(&l->op);
	if (err != NULL) {
		l->cb(NULL, 0, true, err, l->arg);
		op_end(&l->op);
	} else {
		size_t n = MIN(hide_own(l, (struct store_object *)l->objs, l->n), l->left);
		bool last = !s3_listing_more(l->listing) || n == l->left;
		l->left -= n;
		l->cb(l->objs, n, last, NULL, l->arg);
		if (last)
			op_end(&l->op);
		else
			op_kick(&l->op);
	}
	op_leave(&l->op);
}

static void turn(struct op *op)
{
	struct s3_list *l = CONTAINER_OF(op, struct s3_list, op);
	const char *token = s3_listing_token(l->listing), *after = s3_listing_start_after(l->listing);
	size_t n = 4;

	snprintf(l->max_keys, sizeof(l->max_keys), "%zu", MIN(l->left, (size_t)S3_PAGE_MAX));
	l->query[0] = (struct sigv4_pair){"list-type", "2"};
	l->query[1] = (struct sigv4_pair){"encoding-type", "url"};
	l->query[2] = (struct sigv4_pair){"prefix", l->prefix};
	l->query[3] = (struct sigv4_pair){"max-keys", l->max_keys};
	if (token != NULL)
		l->query[n++] = (struct sigv4_pair){"continuation-token", token};
	else if (after != NULL)
		l->query[n++] = (struct sigv4_pair){"start-after", after};
	struct s3_call_options o = {.verb = "list",
	    .method = "GET",
	    .query = l->query,
	    .nquery = n,
	    .prepare = prepare,
	    .on_head = on_head,
	    .on_body = on_body,
	    .check = check,
	    .on_done = on_done,
	    .arg = l};
	l->call = s3_call_start(s3_of(op->pub.store), &o);
}

static const struct op_ops list_ops = {.turn = turn, .release = release};

struct store_op *s3_list(
    struct store *st, const char *prefix, const char *start_after, size_t max, store_list_cb *cb, void *arg)
{
	struct s3_list *l = xcalloc(1, sizeof(*l));

	l->listing = s3_listing_new(prefix, start_after);
	l->prefix = xstrdup(prefix);
	l->left = max ? max : SIZE_MAX;
	l->cb = cb;
	l->arg = arg;
	op_init(&l->op, &list_ops, st, &s3_of(st)->ops);
	return &l->op.pub;
}
