/* DeleteObjects: up to a thousand keys in one request, with a verdict for each in its answer. */
#include "config.h"

#include "store/s3_impl.h"

#include "base/codec.h"
#include "base/mem.h"

#include <string.h>

#define BODY_MAX (STORE_BATCH_MAX * (7 * STORE_KEY_MAX + STORE_ETAG_MAX + 64))

struct s3_batch {
	struct op op;
	struct s3_call *call;
	struct store_op *probe; /* waited for */
	struct store_delete_cbs cbs;
	void *arg;
	size_t n;
	char **key, **etag;
	bool *sent; /* and no verdict yet */
	bool conditional; /* some are */
	struct strbuf body;
	char sum[SHA256_HEX], md5[32];
	struct sigv4_pair query[1], header[1];
	/* The verdict being read. */
	size_t at; /* where the last one was: answers keep the order of the request, mostly */
	struct strbuf named, code, message;
};

static void release(struct op *op)
{
	struct s3_batch *b = CONTAINER_OF(op, struct s3_batch, op);

	s3_call_cancel(b->call);
	if (!op->list->closing)
		store_op_cancel(b->probe);
	for (size_t i = 0; i < b->n; i++) {
		free(b->key[i]);
		free(b->etag[i]);
	}
	free(b->key);
	free(b->etag);
	free(b->sent);
	strbuf_release(&b->body);
	strbuf_release(&b->named);
	strbuf_release(&b->code);
	strbuf_release(&b->message);
	free(b);
}

static void settle(struct s3_batch *b, size_t i, const struct err *err)
{
	b->sent[i] = false;
	if (!b->op.dead)
		b->cbs.on_item(i, err, b->arg);
}

static void end(struct s3_batch *b)
{
	if (!b->op.dead)
		b->cbs.on_done(b->arg);
	op_end(&b->op);
}

/* XML 1.0 has no way to write these; such keys are deleted one by one. */
static bool fits_xml(const char *key)
{
	for (const unsigned char *s = (const unsigned char *)key; *s != '\0'; s++)
		if ((*s < 0x20 && strchr("\t\n\r", *s) == NULL) ||
		    (s[0] == 0xef && s[1] == 0xbf && (s[2] == 0xbe || s[2] == 0xbf)))
			return false;
	return true;
}

static void add_text(struct strbuf *out, const char *s)
{
	static const struct {
		char c;
		const char *text;
	} escapes[] = {
	    {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'\r', "&#13;"}, {'\n', "&#10;"}, {'\t', "&#9;"}};

	for (; *s != '\0'; s++) {
		const char *text = NULL;

		for (size_t i = 0; i < NITEMS(escapes); i++)
			if (*s == escapes[i].c)
				text = escapes[i].text;
		if (text != NULL)
			strbuf_addstr(out, text);
		else
			strbuf_addch(out, *s);
	}
}

static void add_object(struct s3_batch *b, const char *key, const char *etag)
{
	strbuf_addstr(&b->body, "<Object><Key>");
	add_text(&b->body, key);
	strbuf_addstr(&b->body, "</Key>");
	/* Only to servers that were found to honour conditions: others may take the element for a mistake. */
	if (etag != NULL && s3_of(b->op.pub.store)->delete_if_match == S3_YES) {
		strbuf_addstr(&b->body, "<ETag>");
		add_text(&b->body, etag);
		strbuf_addstr(&b->body, "</ETag>");
	}
	strbuf_addstr(&b->body, "</Object>");
}

/* ---- the answer */

static size_t find_key(const struct s3_batch *b, const char *key)
{
	for (size_t k = 0; k < b->n; k++) {
		size_t i = (b->at + k) % b->n;

		if (b->sent[i] && strcmp(b->key[i], key) == 0)
			return i;
	}
	return b->n;
}

static void refused(const struct s3_batch *b, const char *key, struct err *err)
{
	static const struct {
		const char *code, *ours;
	} known[] = {
	    {"AccessDenied", "denied"}, {"NoSuchKey", "not_found"}, {"PreconditionFailed", "precondition"}};
	enum s3_verdict v = s3_verdict(403, b->code.buf, NULL);
	char code[ERR_CODE_MAX];

	snprintf(code, sizeof(code), "s3.%.40s", b->code.buf);
	for (size_t i = 0; i < NITEMS(known); i++)
		if (strcmp(b->code.buf, known[i].code) == 0)
			snprintf(code, sizeof(code), "%s", known[i].ours);
	err_code(err, v == S3_FAIL ? ERR_PERMANENT : ERR_TRANSIENT, code, "delete %s: %s%s%s", key, b->code.buf,
	    b->message.len > 0 ? ": " : "", b->message.buf);
}

/* In the answer of a request whose outcome counts: a verdict on one key. */
static void take_verdict(struct s3_batch *b, bool deleted)
{
	size_t i = find_key(b, b->named.buf);
	struct err err;

	if (i < b->n) {
		b->at = i + 1;
		if (!deleted)
			refused(b, b->key[i], &err);
		settle(b, i, deleted ? NULL : &err);
	}
	strbuf_reset(&b->named);
	strbuf_reset(&b->code);
	strbuf_reset(&b->message);
}

#define RESULT "DeleteResult"

static int on_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_batch *b = arg;
	const struct {
		const char *path;
		struct strbuf *to;
	} texts[] = {{RESULT "/Deleted/Key", &b->named}, {RESULT "/Error/Key", &b->named},
	    {RESULT "/Error/Code", &b->code}, {RESULT "/Error/Message", &b->message}};

	for (size_t i = 0; i < NITEMS(texts); i++)
		if (strcmp(path, texts[i].path) == 0) {
			strbuf_reset(texts[i].to);
			strbuf_add(texts[i].to, text, n);
		}
	if (strcmp(path, RESULT "/Deleted") == 0)
		take_verdict(b, true);
	else if (strcmp(path, RESULT "/Error") == 0)
		take_verdict(b, false);
	return 0;
}

/* First only whether it is a whole answer: verdicts are taken once, when nothing will be tried again. */
static int check(const struct http_response *resp, struct s3_error *doc, struct err *err, void *arg)
{
	struct strbuf none = STRBUF_INIT(0);

	return s3_xml_pick(resp->body.buf, resp->body.len, RESULT, "", &none, doc, err);
}

static void read_verdicts(struct s3_batch *b, const struct http_response *resp)
{
	struct s3_xml *x = s3_xml_new(RESULT, false, S3_XML_BODY_MAX, on_element, b);

	s3_xml_feed(x, resp->body.buf, resp->body.len);
	s3_xml_finish(x, NULL);
	s3_xml_free(x);
}

static void on_answer(const struct http_response *resp, const struct err *err, void *arg)
{
	struct s3_batch *b = arg;
	struct err e;

	b->call = NULL;
	op_enter(&b->op);
	if (err == NULL)
		read_verdicts(b, resp);
	for (size_t i = 0; i < b->n; i++) {
		if (!b->sent[i])
			continue;
		if (err == NULL)
			err_code(&e, ERR_TRANSIENT, "http.content", "delete %s: the answer says nothing of it",
			    b->key[i]);
		else if (err_is(err, "http.405") || err_is(err, "s3.MethodNotAllowed"))
			err_code(&e, ERR_PERMANENT, "unsupported", "%s", err->text);
		else
			e = *err;
		settle(b, i, &e);
	}
	end(b);
	op_leave(&b->op);
}

/* ---- the request */

static void write_body(struct s3_batch *b)
{
	struct digest *md5 = digest_new(DIGEST_MD5);
	struct strbuf b64 = STRBUF_INIT(sizeof(b->md5) - 1);
	char hex[MD5_HEX];
	unsigned char raw[16];

	strbuf_addstr(&b->body, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < b->n; i++)
		if (b->sent[i])
			add_object(b, b->key[i], b->etag[i]);
	strbuf_addstr(&b->body, "</Delete>");
	digest_update(md5, b->body.buf, b->body.len);
	digest_final(md5, hex);
	hex_decode(hex, raw, sizeof(raw));
	base64_encode(&b64, raw, sizeof(raw));
	snprintf(b->md5, sizeof(b->md5), "%s", b64.buf);
	strbuf_release(&b64);
	sha256_hex(b->body.buf, b->body.len, b->sum);
	b->query[0] = (struct sigv4_pair){"delete", ""};
	b->header[0] = (struct sigv4_pair){"content-md5", b->md5};
}

static void send_batch(struct s3_batch *b)
{
	struct s3_call_options o = {.verb = "delete many in",
	    .method = "POST",
	    .query = b->query,
	    .nquery = 1,
	    .header = b->header,
	    .nheader = 1,
	    .payload = b->sum,
	    .max_body = S3_XML_BODY_MAX,
	    .check = check,
	    .on_done = on_answer,
	    .arg = b};

	write_body(b);
	o.body = b->body.buf;
	o.body_size = (int64_t)b->body.len;
	b->call = s3_call_start(s3_of(b->op.pub.store), &o);
}

static void on_probed(void *arg)
{
	struct s3_batch *b = arg;

	b->probe = NULL;
	send_batch(b);
}

static void turn(struct op *op)
{
	struct s3_batch *b = CONTAINER_OF(op, struct s3_batch, op);
	struct s3 *s3 = s3_of(op->pub.store);
	bool any = false;
	struct err err;

	for (size_t i = 0; i < b->n; i++) {
		any |= b->sent[i];
		if (b->sent[i])
			continue;
		if (store_key_check(b->key[i], &err) == 0)
			err_code(&err, ERR_PERMANENT, "unsupported", "%s: no key for XML", b->key[i]);
		settle(b, i, &err);
	}
	if (!any)
		end(b);
	else if (b->conditional && s3->delete_if_match == S3_UNKNOWN)
		b->probe = s3_probe_start(s3, on_probed, b);
	else
		send_batch(b);
}

static const struct op_ops batch_ops = {.turn = turn, .release = release};

struct store_op *s3_delete_batch(
    struct store *st, const struct store_deletion *v, size_t n, const struct store_delete_cbs *cbs, void *arg)
{
	struct s3_batch *b = xcalloc(1, sizeof(*b));
	struct err err;

	b->cbs = *cbs;
	b->arg = arg;
	b->n = n;
	b->key = xcalloc(n + 1, sizeof(*b->key));
	b->etag = xcalloc(n + 1, sizeof(*b->etag));
	b->sent = xcalloc(n + 1, sizeof(*b->sent));
	b->body = STRBUF_INIT(BODY_MAX);
	b->named = STRBUF_INIT(S3_XML_TEXT_MAX);
	b->code = STRBUF_INIT(S3_XML_TEXT_MAX);
	b->message = STRBUF_INIT(S3_XML_TEXT_MAX);
	op_init(&b->op, &batch_ops, st, &s3_of(st)->ops);
	for (size_t i = 0; i < n; i++) {
		xstrset(&b->key[i], v[i].key);
		xstrset(&b->etag[i], v[i].if_match);
		b->sent[i] = store_key_check(v[i].key, &err) == 0 && fits_xml(v[i].key);
		b->conditional |= v[i].if_match != NULL;
	}
	return &b->op.pub;
}
