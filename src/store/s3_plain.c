#include "config.h"

#include "store/s3_plain.h"

#include <string.h>

#define OPEN_MAX       8
#define PATH_MAX_BYTES 256

struct open_element {
	const char *name; /* in the document */
	size_t n;
	size_t path; /* length of the path without it */
};

struct reader {
	char *p; /* what comes next; a NUL ends it all */
	const char *end;
	struct open_element open[OPEN_MAX];
	size_t depth;
	char path[PATH_MAX_BYTES];
	size_t npath;
	/* The text since the last tag: in the document, or in decoded when it has entities. */
	char *text;
	size_t ntext;
	struct strbuf decoded;
	s3_xml_element *on_element;
	void *arg;
	struct err err; /* nobody's: only that something was refused counts */
};

/* What may stand in text, and what in a name; everything else is for the general parser. */
enum { TEXT = 1 << 0, NAME = 1 << 1, SPACE = 1 << 2 };

static const unsigned char kind[256] = {
    ['\t'] = TEXT | SPACE,
    ['\n'] = TEXT | SPACE,
    [' '] = TEXT | SPACE,
    ['!' ... '%'] = TEXT, /* not '&' */
    ['\'' ... '/'] = TEXT,
    ['0' ... '9'] = TEXT | NAME,
    [':'] = TEXT,
    [';'] = TEXT,
    ['='] = TEXT, /* not '<' and '>' */
    ['?'] = TEXT,
    ['@'] = TEXT,
    ['A' ... 'Z'] = TEXT | NAME,
    ['[' ... '`'] = TEXT,
    ['a' ... 'z'] = TEXT | NAME,
    ['{' ... '~'] = TEXT,
};

static void skip(struct reader *r, unsigned what)
{
	char *p = r->p;

	while (kind[(unsigned char)*p] & what)
		p++;
	r->p = p;
}

static bool skip_literal(struct reader *r, const char *s)
{
	size_t n = strlen(s);

	if (strncmp(r->p, s, n) != 0)
		return false;
	r->p += n;
	return true;
}

/* One of the entities behind '&'; '\0': another. */
static char read_entity(struct reader *r)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"quot;", '"'}, {"#34;", '"'}, {"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"apos;", '\''},
	    {"#39;", '\''}};

	for (size_t i = 0; i < NITEMS(known); i++)
		if (*r->p == known[i].name[0] && skip_literal(r, known[i].name))
			return known[i].c;
	return '\0';
}

static int decode_text(struct reader *r)
{
	char *from = r->text, c;

	strbuf_reset(&r->decoded);
	while (*r->p == '&') {
		strbuf_add(&r->decoded, from, (size_t)(r->p - from));
		r->p++;
		if ((c = read_entity(r)) == '\0')
			return -1;
		strbuf_addch(&r->decoded, c);
		from = r->p;
		skip(r, TEXT);
	}
	strbuf_add(&r->decoded, from, (size_t)(r->p - from));
	r->text = r->decoded.buf;
	r->ntext = r->decoded.len;
	return r->decoded.overflowed ? -1 : 0;
}

/* Up to the next tag. */
static int read_text(struct reader *r)
{
	r->text = r->p;
	skip(r, TEXT);
	r->ntext = (size_t)(r->p - r->text);
	if (*r->p == '&' && decode_text(r) == -1)
		return -1;
	return *r->p == '<' && r->ntext <= S3_XML_TEXT_MAX ? 0 : -1;
}

static int open_element(struct reader *r)
{
	struct open_element *e = &r->open[r->depth];
	char *name = r->p;

	skip(r, NAME);
	e->name = name;
	e->n = (size_t)(r->p - name);
	e->path = r->npath;
	if (e->n == 0 || (*name >= '0' && *name <= '9') || r->depth == OPEN_MAX - 1 ||
	    r->npath + e->n + 2 > sizeof(r->path))
		return -1;
	if (r->depth++ > 0)
		r->path[r->npath++] = '/';
	memcpy(r->path + r->npath, name, e->n);
	r->npath += e->n;
	r->path[r->npath] = '\0';
	return 0;
}

static int close_element(struct reader *r)
{
	char after = r->text[r->ntext];
	int rc;

	r->text[r->ntext] = '\0';
	rc = r->on_element(r->arg, r->path, r->text, r->ntext, &r->err);
	r->text[r->ntext] = after;
	r->npath = r->open[--r->depth].path;
	r->path[r->npath] = '\0';
	return rc;
}

/* A tag at p, of the root's inside or the root's end. */
static int read_tag(struct reader *r)
{
	const struct open_element *e = &r->open[r->depth - 1];

	if (r->p[1] == '/') {
		r->p += 2;
		if ((size_t)(r->end - r->p) <= e->n || memcmp(r->p, e->name, e->n) != 0 || r->p[e->n] != '>')
			return -1;
		r->p += e->n + 1;
		return close_element(r);
	}
	r->p++;
	if (open_element(r) == -1)
		return -1;
	if (*r->p == '>') {
		r->p++;
		return 0;
	}
	r->ntext = 0;
	return skip_literal(r, "/>") ? close_element(r) : -1;
}

/* The declaration, if there is one, and the root's start. */
static int read_start(struct reader *r, const char *root)
{
	if (skip_literal(r, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"))
		skip(r, SPACE);
	if (!skip_literal(r, "<") || open_element(r) == -1 || strcmp(r->path, root) != 0)
		return -1;
	skip_literal(r, " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"");
	return skip_literal(r, ">") ? 0 : -1;
}

static int read_document(struct reader *r, const char *root)
{
	if (read_start(r, root) == -1)
		return -1;
	while (r->depth > 0)
		if (read_text(r) == -1 || read_tag(r) == -1)
			return -1;
	skip(r, SPACE);
	return r->p == r->end ? 0 : -1;
}

int s3_plain_read(char *p, size_t n, const char *root, s3_xml_element *on_element, void *arg)
{
	struct reader r = {.p = p,
	    .end = p + n,
	    .decoded = STRBUF_INIT(S3_XML_TEXT_MAX),
	    .on_element = on_element,
	    .arg = arg};
	int rc = read_document(&r, root);

	strbuf_release(&r.decoded);
	return rc;
}
