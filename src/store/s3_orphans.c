/* Uploads whose id nobody knows: list those of the key -> has it a part? -> no: abort it, for each. */
#include "config.h"

#include "store/s3_impl.h"

#include "base/mem.h"
#include "base/strvec.h"
#include "base/utctime.h"

#include <string.h>

#define UPLOADS "ListMultipartUploadsResult"
#define PARTS   "ListPartsResult"

struct s3_orphans {
	struct s3 *s3;
	struct s3_call *call;
	char *key;
	tm_ms from, to;
	struct strvec ids; /* to be looked at, from the last */
	size_t aborted;
	struct err err; /* the first one */
	struct sigv4_pair query[3];
	void (*on_done)(size_t aborted, const struct err *err, void *arg);
	void *arg;
	/* What the answer being read has said. */
	char *its_key, *its_id;
	tm_ms begun;
	bool has_part;
};

void s3_orphans_cancel(struct s3_orphans *o)
{
	if (o == NULL)
		return;
	s3_call_cancel(o->call);
	strvec_release(&o->ids);
	free(o->key);
	free(o->its_key);
	free(o->its_id);
	free(o);
}

static int read_answer(
    const struct http_response *resp, const char *root, s3_xml_element *fn, void *arg, struct err *err)
{
	struct s3_xml *x = s3_xml_new(root, false, S3_XML_BODY_MAX, fn, arg);
	int rc;

	s3_xml_feed(x, resp->body.buf, resp->body.len);
	rc = s3_xml_finish(x, err);
	s3_xml_free(x);
	return rc;
}

static void look_at_last(struct s3_orphans *o);

/* The one just dealt with is the last. */
static void next_upload(struct s3_orphans *o, const struct err *err)
{
	if (err != NULL && !err_is(err, "not_found") && o->err.class == ERR_NONE)
		o->err = *err;
	free(o->ids.v[--o->ids.n]);
	o->ids.v[o->ids.n] = NULL;
	look_at_last(o);
}

static void on_aborted(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_orphans *o = arg;

	o->call = NULL;
	o->aborted += err == NULL;
	next_upload(o, err);
}

/* The upload whose id stands in the query. */
static void abort_upload(struct s3_orphans *o)
{
	struct s3_call_options c = {.verb = "abort the upload of",
	    .method = "DELETE",
	    .key = o->key,
	    .query = o->query,
	    .nquery = 1,
	    .on_done = on_aborted,
	    .arg = o};

	o->call = s3_call_start(o->s3, &c);
}

static int on_part_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_orphans *o = arg;

	if (strcmp(path, PARTS "/Part") == 0)
		o->has_part = true;
	return 0;
}

static int check_parts(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_orphans *o = arg;

	o->has_part = false;
	return read_answer(resp, PARTS, on_part_element, o, err);
}

static void on_parts(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_orphans *o = arg;

	o->call = NULL;
	if (err == NULL && !o->has_part)
		abort_upload(o);
	else
		next_upload(o, err);
}

static void look_at_last(struct s3_orphans *o)
{
	struct s3_call_options c = {.verb = "list the parts of",
	    .method = "GET",
	    .key = o->key,
	    .query = o->query,
	    .nquery = 2,
	    .max_body = S3_XML_BODY_MAX,
	    .check = check_parts,
	    .on_done = on_parts,
	    .arg = o};

	if (o->ids.n == 0) {
		o->on_done(o->aborted, o->err.class == ERR_NONE ? NULL : &o->err, o->arg);
		s3_orphans_cancel(o);
		return;
	}
	o->query[0] = (struct sigv4_pair){"uploadId", o->ids.v[o->ids.n - 1]};
	o->query[1] = (struct sigv4_pair){"max-parts", "1"};
	o->call = s3_call_start(o->s3, &c);
}

/* Other keys begin like ours, and other writers have uploads of their own. */
static void take_upload(struct s3_orphans *o)
{
	if (o->its_key != NULL && o->its_id != NULL && strcmp(o->its_key, o->key) == 0 && o->begun >= o->from &&
	    o->begun <= o->to)
		strvec_push(&o->ids, o->its_id);
	xstrset(&o->its_key, NULL);
	xstrset(&o->its_id, NULL);
	o->begun = 0;
}

static int on_upload_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_orphans *o = arg;

	if (strcmp(path, UPLOADS "/Upload/Key") == 0)
		xstrset(&o->its_key, text);
	else if (strcmp(path, UPLOADS "/Upload/UploadId") == 0)
		xstrset(&o->its_id, text);
	else if (strcmp(path, UPLOADS "/Upload/Initiated") == 0 && utctime_parse(text, &o->begun) == -1)
		return err_code(err, ERR_BAD_DATA, "field.date", "an upload has the date '%.40s'", text);
	else if (strcmp(path, UPLOADS "/Upload") == 0)
		take_upload(o);
	return 0;
}

static int check_uploads(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct s3_orphans *o = arg;

	while (o->ids.n > 0)
		free(o->ids.v[--o->ids.n]);
	return read_answer(resp, UPLOADS, on_upload_element, o, err);
}

static void on_uploads(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_orphans *o = arg;

	o->call = NULL;
	if (err != NULL)
		o->err = *err;
	look_at_last(o);
}

struct s3_orphans *s3_orphans_abort(struct s3 *s3, const char *key, tm_ms from, tm_ms to,
    void (*on_done)(size_t aborted, const struct err *err, void *arg), void *arg)
{
	struct s3_orphans *o = xcalloc(1, sizeof(*o));
	struct s3_call_options c = {.verb = "list the uploads of",
	    .method = "GET",
	    .query = o->query,
	    .nquery = 2,
	    .max_body = S3_XML_BODY_MAX,
	    .check = check_uploads,
	    .on_done = on_uploads,
	    .arg = o};

	o->s3 = s3;
	o->key = xstrdup(key);
	o->from = from;
	o->to = to;
	o->on_done = on_done;
	o->arg = arg;
	o->query[0] = (struct sigv4_pair){"uploads", ""};
	/* Sorted by key, so those of this key are the first of the one page that is read. */
	o->query[1] = (struct sigv4_pair){"prefix", o->key};
	o->call = s3_call_start(s3, &c);
	return o;
}
