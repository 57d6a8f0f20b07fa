#include "config.h"

#include "store/s3_plain.h"

#include <endian.h>
#include <string.h>

#define ELEMENTS_MAX 32 /* by path; listings have 15 */
#define DEPTH_MAX    7
#define NAMES_MAX    96
#define CLOSED_MAX   4

struct element;

/*
 * The tags that followed a text of an element, up to the next text.  All objects of a listing have the same tags, so those
 * of the object before are compared as one piece and need not be taken apart again.
 */
struct run {
	const char *tags; /* in the document */
	size_t n; /* 0: none yet, or too many of them */
	bool takes_text; /* the first tag is an end, of the element that the text is in */
	struct element *closed[CLOSED_MAX], *to; /* that ended in it; that is open behind it */
	size_t nclosed;
};

/* All elements of one path. */
struct element {
	struct element *parent; /* NULL: the root */
	const char *name; /* in the document */
	size_t n, depth;
	char path[NAMES_MAX];
	s3_xml_element *taker;
	struct run run;
};

struct reader {
	char *p; /* what comes next; a NUL ends it all */
	const char *end;
	struct element element[ELEMENTS_MAX], *at; /* the open one; NULL outside the document */
	size_t n;
	/* The text since the last tag: in the document, or in decoded when it has entities. */
	char *text;
	size_t ntext;
	char decoded[S3_XML_TEXT_MAX + 1];
	s3_plain_taker *taker_of;
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

static char *skip(char *p, unsigned what)
{
	while (kind[(unsigned char)*p] & what)
		p++;
	return p;
}

static bool skip_literal(struct reader *r, const char *s)
{
	size_t n = strlen(s);

	if (strncmp(r->p, s, n) != 0)
		return false;
	r->p += n;
	return true;
}

/* ---- text ---- */

/* skip(p, TEXT), sixteen bytes at a time as long as they are printable. */
static char *skip_text(char *p, const char *end)
{
	typedef unsigned char sixteen __attribute__((vector_size(16)));
	sixteen v;
	uint64_t stop[2];

	for (; end - p >= (ptrdiff_t)sizeof(v); p += sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		v = (sixteen)((v < ' ') | (v > '~') | (v == '&') | ((v | ('<' ^ '>')) == ('<' | '>')));
		memcpy(stop, &v, sizeof(stop));
		if (stop[0] != 0)
			return skip(p + __builtin_ctzll(le64toh(stop[0])) / 8, TEXT);
		if (stop[1] != 0)
			return skip(p + 8 + __builtin_ctzll(le64toh(stop[1])) / 8, TEXT);
	}
	return skip(p, TEXT);
}

/* One of the entities behind '&'; '\0': another. */
static char read_entity(struct reader *r)
{
#define ENTITY(name, c)                     \
	{                                   \
		(name), sizeof(name) - 1, c \
	}
	static const struct {
		const char *name;
		size_t n;
		char c;
	} known[] = {ENTITY("quot;", '"'), ENTITY("#34;", '"'), ENTITY("amp;", '&'), ENTITY("lt;", '<'),
	    ENTITY("gt;", '>'), ENTITY("apos;", '\''), ENTITY("#39;", '\'')};

	for (size_t i = 0; i < NITEMS(known); i++)
		if (*r->p == known[i].name[0] && strncmp(r->p, known[i].name, known[i].n) == 0) {
			r->p += known[i].n;
			return known[i].c;
		}
	return '\0';
}

static int decode_text(struct reader *r)
{
	char *from = r->text;
	size_t n = 0;

	for (;;) {
		size_t part = (size_t)(r->p - from);

		if (n + part + 1 > S3_XML_TEXT_MAX)
			return -1;
		memcpy(r->decoded + n, from, part);
		n += part;
		if (*r->p != '&')
			break;
		r->p++;
		if ((r->decoded[n++] = read_entity(r)) == '\0')
			return -1;
		from = r->p;
		r->p = skip_text(r->p, r->end);
	}
	r->text = r->decoded;
	r->ntext = n;
	return 0;
}

/* Up to the next tag. */
static int read_text(struct reader *r)
{
	r->text = r->p;
	r->p = skip_text(r->p, r->end);
	r->ntext = (size_t)(r->p - r->text);
	if (*r->p == '&' && decode_text(r) == -1)
		return -1;
	return *r->p == '<' && r->ntext <= S3_XML_TEXT_MAX ? 0 : -1;
}

/* ---- elements ---- */

static struct element *find_element(struct reader *r, const char *name, size_t n)
{
	for (size_t i = 0; i < r->n; i++) {
		struct element *e = &r->element[i];

		if (e->parent == r->at && e->n == n && memcmp(e->name, name, n) == 0)
			return e;
	}
	return NULL;
}

static struct element *new_element(struct reader *r, const char *name, size_t n)
{
	size_t depth = r->at ? r->at->depth + 1 : 1, before = r->at ? strlen(r->at->path) + 1 : 0;
	struct element *e = &r->element[r->n];

	if (r->n == ELEMENTS_MAX || depth > DEPTH_MAX || before + n >= NAMES_MAX)
		return NULL;
	*e = (struct element){.parent = r->at, .name = name, .n = n, .depth = depth};
	if (before > 0) {
		memcpy(e->path, r->at->path, before - 1);
		e->path[before - 1] = '/';
	}
	memcpy(e->path + before, name, n);
	e->taker = r->taker_of(e->path);
	r->n++;
	return e;
}

/* At the name of a start tag. */
static int open_element(struct reader *r)
{
	char *name = r->p;
	size_t n;

	r->p = skip(r->p, NAME);
	n = (size_t)(r->p - name);
	if (n == 0 || (*name >= '0' && *name <= '9'))
		return -1;
	struct element *e = find_element(r, name, n);
	if (e == NULL && (e = new_element(r, name, n)) == NULL)
		return -1;
	r->at = e;
	return 0;
}

static int deliver(struct reader *r, const struct element *e, char *text, size_t n)
{
	char after = text[n];
	int rc;

	if (e->taker == NULL)
		return 0;
	text[n] = '\0';
	rc = e->taker(r->arg, e->path, text, n, &r->err);
	text[n] = after;
	return rc;
}

static int deliver_empty(struct reader *r, const struct element *e)
{
	char empty[1] = "";

	return deliver(r, e, empty, 0);
}

/* ---- tags ---- */

static void note_closed(struct run *run, struct element *e)
{
	if (run->nclosed < CLOSED_MAX)
		run->closed[run->nclosed] = e;
	run->nclosed++;
}

/* One tag; the text before it stands at r->text. */
static int read_tag(struct reader *r, struct run *run)
{
	struct element *e = r->at;
	int rc = 0;

	if (r->p[1] == '/') {
		r->p += 2;
		if ((size_t)(r->end - r->p) <= e->n || memcmp(r->p, e->name, e->n) != 0 || r->p[e->n] != '>')
			return -1;
		r->p += e->n + 1;
		rc = deliver(r, e, r->text, r->ntext);
	} else {
		r->p++;
		if (open_element(r) == -1)
			return -1;
		if (*r->p == '>') {
			r->p++;
			return 0;
		}
		e = r->at;
		rc = skip_literal(r, "/>") ? deliver_empty(r, e) : -1;
	}
	note_closed(run, e);
	r->at = e->parent;
	return rc;
}

/* Tags taken apart, and remembered for the next text of this element. */
static int read_run(struct reader *r)
{
	struct element *from = r->at;
	struct run run = {.tags = r->p, .takes_text = r->p[1] == '/'};

	do {
		if (read_tag(r, &run) == -1)
			return -1;
		r->text = r->p;
		r->ntext = 0;
	} while (r->at != NULL && *r->p == '<');
	run.n = run.nclosed <= CLOSED_MAX ? (size_t)(r->p - run.tags) : 0;
	run.to = r->at;
	from->run = run;
	return 0;
}

/* The same tags as behind the text before of this element? */
static bool is_run(const struct reader *r, const struct run *run)
{
	return run->n > 0 && (size_t)(r->end - r->p) >= run->n && memcmp(r->p, run->tags, run->n) == 0;
}

static int follow_run(struct reader *r, const struct run *run)
{
	r->p += run->n;
	r->at = run->to;
	if (run->takes_text && deliver(r, run->closed[0], r->text, r->ntext) == -1)
		return -1;
	for (size_t i = run->takes_text; i < run->nclosed; i++)
		if (deliver_empty(r, run->closed[i]) == -1)
			return -1;
	return 0;
}

/* ---- the document ---- */

/* The declaration, if there is one, and the root's start. */
static int read_start(struct reader *r, const char *root)
{
	if (skip_literal(r, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"))
		r->p = skip(r->p, SPACE);
	if (!skip_literal(r, "<") || open_element(r) == -1 || strcmp(r->at->path, root) != 0)
		return -1;
	skip_literal(r, " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"");
	return skip_literal(r, ">") ? 0 : -1;
}

static int read_document(struct reader *r, const char *root)
{
	if (read_start(r, root) == -1)
		return -1;
	while (r->at != NULL) {
		const struct run *run = &r->at->run;

		if (read_text(r) == -1 || (is_run(r, run) ? follow_run(r, run) : read_run(r)) == -1)
			return -1;
	}
	r->p = skip(r->p, SPACE);
	return r->p == r->end ? 0 : -1;
}

int s3_plain_read(char *p, size_t n, const char *root, s3_plain_taker *taker_of, void *arg)
{
	struct reader r = {.p = p, .end = p + n, .taker_of = taker_of, .arg = arg};

	return read_document(&r, root);
}
