#include "config.h"

#include "store/s3_xml.h"

#include "base/mem.h"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <string.h>

#define PATH_MAX_BYTES 4096

struct s3_xml {
	xmlParserCtxtPtr ctxt;
	char *expected, *root;
	bool error_ok, closed /* the document element has ended */, ended /* no more input */;
	size_t left; /* bytes still allowed */
	int depth;
	struct strbuf path, text;
	s3_xml_element *on_element;
	void *arg;
	struct err err; /* the first one */
};

static void fail(struct s3_xml *x, enum err_class class, const char *code, const char *fmt, ...) PRINTF(4, 5);

static void fail(struct s3_xml *x, enum err_class class, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (x->err.class != ERR_NONE)
		return;
	va_start(ap, fmt);
	err_vset(&x->err, class, code, fmt, ap);
	va_end(ap);
	if (x->ctxt != NULL)
		xmlStopParser(x->ctxt);
}

static void check_root(struct s3_xml *x, const char *name)
{
	x->root = xstrdup(name);
	if (strcmp(name, x->expected) != 0 && !(x->error_ok && strcmp(name, "Error") == 0))
		fail(x, ERR_BAD_DATA, "xml.root", "the answer is a %.40s document, expected %s", name,
		    x->expected);
}

static void on_start(void *arg, const xmlChar *localname, const xmlChar *prefix, const xmlChar *uri, int nns,
    const xmlChar **ns, int nattr, int ndefaulted, const xmlChar **attr)
{
	struct s3_xml *x = arg;
	const char *name = (const char *)localname;

	if (x->err.class != ERR_NONE)
		return;
	if (x->depth == 0)
		check_root(x, name);
	if (++x->depth > S3_XML_DEPTH_MAX)
		fail(
		    x, ERR_BAD_DATA, "xml.limit", "the answer nests deeper than %d elements", S3_XML_DEPTH_MAX);
	if (x->depth > 1)
		strbuf_addch(&x->path, '/');
	if (strbuf_addstr(&x->path, name) == -1)
		fail(x, ERR_BAD_DATA, "xml.limit", "the answer has element names longer than any of S3");
	strbuf_reset(&x->text);
}

static void on_end(void *arg, const xmlChar *localname, const xmlChar *prefix, const xmlChar *uri)
{
	struct s3_xml *x = arg;
	struct err err = ERR_INIT;

	if (x->err.class != ERR_NONE)
		return;
	if (x->on_element(x->arg, x->path.buf, x->text.buf, x->text.len, &err) == -1)
		fail(x, err.class, err.code, "%s", err.text);
	strbuf_reset(&x->text);
	x->depth--;
	x->closed = x->depth == 0;
	const char *slash = strrchr(x->path.buf, '/');
	strbuf_truncate(&x->path, slash ? (size_t)(slash - x->path.buf) : 0);
}

static void on_text(void *arg, const xmlChar *s, int n)
{
	struct s3_xml *x = arg;

	if (x->err.class == ERR_NONE && strbuf_add(&x->text, s, (size_t)n) == -1)
		fail(x, ERR_BAD_DATA, "xml.limit", "%s: text longer than %d bytes", x->path.buf,
		    S3_XML_TEXT_MAX);
}

static void on_doctype(void *arg, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	fail(arg, ERR_BAD_DATA, "xml.doctype", "the answer declares a document type");
}

static void on_parse_error(void *arg, xmlErrorPtr e)
{
	/* The verdict is taken from the parser's state; this only keeps libxml2 from writing to stderr. */
}

static xmlSAXHandler sax = {
    .initialized = XML_SAX2_MAGIC,
    .internalSubset = on_doctype,
    .startElementNs = on_start,
    .endElementNs = on_end,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .serror = on_parse_error,
};

struct s3_xml *s3_xml_new(
    const char *root, bool error_ok, size_t max_bytes, s3_xml_element *on_element, void *arg)
{
	struct s3_xml *x = xcalloc(1, sizeof(*x));

	x->expected = xstrdup(root);
	x->error_ok = error_ok;
	x->left = max_bytes;
	x->on_element = on_element;
	x->arg = arg;
	strbuf_init(&x->path, PATH_MAX_BYTES);
	strbuf_init(&x->text, S3_XML_TEXT_MAX);
	x->ctxt = xmlCreatePushParserCtxt(&sax, x, NULL, 0, NULL);
	if (x->ctxt == NULL)
		abort();
	xmlCtxtUseOptions(x->ctxt, XML_PARSE_NONET);
	return x;
}

void s3_xml_free(struct s3_xml *x)
{
	if (x == NULL)
		return;
	if (x->ctxt->myDoc != NULL)
		xmlFreeDoc(x->ctxt->myDoc);
	xmlFreeParserCtxt(x->ctxt);
	free(x->expected);
	free(x->root);
	strbuf_release(&x->path);
	strbuf_release(&x->text);
	free(x);
}

/* What the parser itself found, as one of our codes. */
static void parser_failed(struct s3_xml *x)
{
	const xmlError *e = xmlCtxtGetLastError(x->ctxt);
	char reason[120] = "";

	if (e != NULL && e->message != NULL)
		snprintf(reason, sizeof(reason), ": %.*s", (int)strcspn(e->message, "\n"), e->message);
	if (x->closed)
		fail(x, ERR_TRANSIENT, "xml.trailing", "something follows the answer's document%s", reason);
	else if (x->ended)
		fail(x, ERR_TRANSIENT, "xml.truncated", "the answer's XML ends early%s", reason);
	else
		fail(x, ERR_TRANSIENT, "xml.malformed", "the answer is not well-formed XML%s", reason);
}

int s3_xml_feed(struct s3_xml *x, const char *p, size_t n)
{
	if (x->err.class != ERR_NONE)
		return -1;
	if (n > x->left) {
		fail(x, ERR_BAD_DATA, "xml.limit", "the answer is larger than any of S3");
		return -1;
	}
	x->left -= n;
	if (xmlParseChunk(x->ctxt, p, (int)n, 0) != 0 || !x->ctxt->wellFormed)
		parser_failed(x);
	return x->err.class == ERR_NONE ? 0 : -1;
}

int s3_xml_finish(struct s3_xml *x, struct err *err)
{
	x->ended = true;
	/* Without this call a document cut between two elements would pass. */
	if (x->err.class == ERR_NONE &&
	    (xmlParseChunk(x->ctxt, NULL, 0, 1) != 0 || !x->ctxt->wellFormed || !x->closed))
		parser_failed(x);
	if (x->err.class == ERR_NONE)
		return 0;
	if (err != NULL)
		*err = x->err;
	return -1;
}

const char *s3_xml_root(const struct s3_xml *x)
{
	return x->root;
}

const char *s3_xml_where(const struct s3_xml *x)
{
	return x->path.buf;
}

int s3_error_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_error *e = arg;
	const struct {
		const char *path;
		char *field;
		size_t size;
	} row[] = {
	    {"Error/Code", e->code, sizeof(e->code)},
	    {"Error/Region", e->region, sizeof(e->region)},
	    {"Error/RequestId", e->request_id, sizeof(e->request_id)},
	    {"Error/ServerTime", e->server_time, sizeof(e->server_time)},
	    {"Error/Message", e->message, sizeof(e->message)},
	    {"Error/BucketName", e->bucket, sizeof(e->bucket)},
	    {"Error/Endpoint", e->endpoint, sizeof(e->endpoint)},
	};

	for (size_t i = 0; i < NITEMS(row); i++)
		if (strcmp(path, row[i].path) == 0)
			snprintf(row[i].field, row[i].size, "%.*s", (int)MIN(n, row[i].size - 1), text);
	return 0;
}

int s3_error_refuses(const struct s3_error *e, struct err *err)
{
	if (e->code[0] == '\0')
		err_code(err, ERR_TRANSIENT, "http.content", "the answer is an error document without a code");
	return -1;
}

int s3_error_parse(const char *body, size_t n, struct s3_error *out)
{
	struct s3_xml *x = s3_xml_new("Error", false, S3_XML_ERROR_MAX, s3_error_element, out);
	int rc = -1;

	*out = (struct s3_error){0};
	if (s3_xml_feed(x, body, n) == 0 && s3_xml_finish(x, NULL) == 0 && out->code[0] != '\0')
		rc = 0;
	s3_xml_free(x);
	return rc;
}

struct pick {
	const char *path;
	struct strbuf *out;
	struct s3_error *doc;
};

static int pick_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct pick *p = arg;

	if (strcmp(path, p->path) != 0)
		return s3_error_element(p->doc, path, text, n, err);
	strbuf_reset(p->out);
	if (strbuf_add(p->out, text, n) == -1)
		return err_code(err, ERR_BAD_DATA, "xml.limit", "%s: text too long", path);
	return 0;
}

int s3_xml_pick(const char *body, size_t n, const char *root, const char *path, struct strbuf *out,
    struct s3_error *doc, struct err *err)
{
	struct pick p = {.path = path, .out = out, .doc = doc};
	struct s3_xml *x = s3_xml_new(root, true, S3_XML_BODY_MAX, pick_element, &p);

	s3_xml_feed(x, body, n);
	int rc = s3_xml_finish(x, err);
	if (rc == 0 && strcmp(s3_xml_root(x), "Error") == 0)
		rc = s3_error_refuses(doc, err);
	s3_xml_free(x);
	return rc;
}
