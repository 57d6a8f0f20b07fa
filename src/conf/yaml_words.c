#include "config.h"

#include "conf/node_yaml.h"

#include "base/codec.h"

#include <string.h>

/* The place of an offset; columns count characters, as libyaml does. */
static struct mark mark_at(const char *file, const char *text, size_t at)
{
	struct mark m = {file, 1, 1};

	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			m.line++;
			m.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			m.column++;
		}
	}
	return m;
}

/* Length of the valid UTF-8 character at s, 0 when it is not one. */
static size_t char_length(const char *s, size_t n)
{
	for (size_t len = 1; len <= 4 && len <= n; len++)
		if (utf8_valid(s, len))
			return len;
	return 0;
}

/* len: of the character at this place, 0 when it is none. */
static int bad_byte(const char *file, const char *text, size_t at, size_t len, struct diags *diags)
{
	struct mark m = mark_at(file, text, at);
	unsigned char c = (unsigned char)text[at];

	if (len == 0)
		diag_add(
		    diags, DIAG_ERROR, &m, "encoding", "byte 0x%02X is not UTF-8; save the file as UTF-8", c);
	else if (c == 0)
		diag_add(diags, DIAG_ERROR, &m, "encoding", "a NUL byte; this is not a text file");
	else
		diag_add(diags, DIAG_ERROR, &m, "encoding", "a control character (0x%02X); remove it",
		    (unsigned char)text[at + len - 1]);
	return -1;
}

int yaml_check_bytes(const char *file, const char *text, size_t n, struct diags *diags)
{
	struct mark top = {file, 1, 1};

	if (n >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
		diag_add(diags, DIAG_ERROR, &top, "encoding", "the file is UTF-16; save it as UTF-8");
		return -1;
	}
	for (size_t i = 0, len; i < n; i += len) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80) {
			len = char_length(text + i, n - i);
			if (len == 0 || (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0))
				return bad_byte(file, text, i, len, diags);
			continue;
		}
		len = 1;
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
			return bad_byte(file, text, i, len, diags);
	}
	return 0;
}

/*
 * What libyaml says, and what a person needs to hear.  The first row whose texts occur in the problem and its context is
 * taken.  %d is the line where the surrounding thing begins; at_context puts the message there.
 */
static const struct {
	const char *problem, *context, *text;
	bool at_context;
} words[] = {
    {"tab character", NULL, "a tab in the indentation; indent with blanks"},
    {"unexpected end of stream", "quoted scalar", "the quote that opens here is never closed", true},
    {"unexpected document indicator", "quoted scalar", "the quote that opens here is never closed", true},
    {"did not find expected ',' or ']'", NULL, "expected ',' or ']' in the list that begins on line %d"},
    {"did not find expected ',' or '}'", NULL, "expected ',' or '}' in the mapping that begins on line %d"},
    {"did not find expected alphabetic", "alias", "a value that begins with '*' must stand in quotes"},
    {"did not find expected alphabetic", "anchor", "a value that begins with '&' must stand in quotes"},
    {"mapping values are not allowed", NULL,
        "a ':' where no mapping can begin; quote a value that holds ': ', or mend the indentation"},
    {"block sequence entries are not allowed", NULL,
        "a list item '-' cannot begin here; put it on a line of its own"},
    {"mapping keys are not allowed", NULL, "a key cannot begin here"},
    {"did not find expected '-' indicator", NULL,
        "expected a list item '-' as in the list that begins on line %d; mend the indentation"},
    {"did not find expected key", NULL,
        "expected a key as in the mapping that begins on line %d; mend the indentation, or quote the value "
        "above"},
    {"could not find expected ':'", NULL, "no ':' after the key on line %d"},
    {"did not find expected node content", NULL, "a value is missing here"},
    {"unknown escape character", NULL,
        "unknown escape in double quotes; write \\\\ for a backslash, or use single quotes"},
    {"hexdecimal number", NULL, "an escape in double quotes needs hexadecimal digits here"},
    {"invalid Unicode character escape", NULL, "an escape in double quotes names no character"},
    {"incompatible YAML document", NULL, "this version of YAML is not supported; leave the %%YAML line out"},
    {"did not find expected <document start>", NULL,
        "text after the end of the document; one file holds one document"},
    {"control characters are not allowed", NULL, "a control character"},
    {"undefined tag handle", NULL, "tags (!name) are not allowed; quote a value that begins with '!'"},
};

/* The character at a place that libyaml gives as line and column; it counts characters where we hold bytes. */
static char char_at(const struct mark *m, const char *text, size_t n)
{
	const char *end = text + n;
	int column = 1;

	for (int line = 1; line < m->line; line++) {
		if ((text = memchr(text, '\n', (size_t)(end - text))) == NULL)
			return '\0';
		text++;
	}
	for (; text < end && (column < m->column || ((unsigned char)*text & 0xc0) == 0x80); text++)
		column += ((unsigned char)*text & 0xc0) != 0x80;
	return text < end ? *text : '\0';
}

static bool is_in(const char *what, const char *text)
{
	return what == NULL || (text != NULL && strstr(text, what) != NULL);
}

void yaml_explain(
    const yaml_parser_t *parser, const char *file, const char *text, size_t n, struct diags *diags)
{
	const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
	struct mark at = {file, (int)parser->problem_mark.line + 1, (int)parser->problem_mark.column + 1};
	struct mark around = {file, (int)parser->context_mark.line + 1, (int)parser->context_mark.column + 1};
	char c;

	if (parser->error == YAML_READER_ERROR) {
		at = mark_at(file, text, MIN(parser->problem_offset, n));
		diag_add(diags, DIAG_ERROR, &at, "encoding", "not acceptable text: %s", problem);
		return;
	}
	if (parser->error == YAML_MEMORY_ERROR) {
		diag_add(diags, DIAG_ERROR, &at, "limit", "out of memory");
		return;
	}
	if (strstr(problem, "cannot start any token") != NULL && (c = char_at(&at, text, n)) != '\0') {
		if (c == '\t')
			diag_add(
			    diags, DIAG_ERROR, &at, "yaml", "a tab in the indentation; indent with blanks");
		else
			diag_add(diags, DIAG_ERROR, &at, "yaml",
			    "a value cannot begin with '%c'; put it in quotes", c);
		return;
	}
	for (size_t i = 0; i < NITEMS(words); i++) {
		if (!is_in(words[i].problem, problem) || !is_in(words[i].context, parser->context))
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		diag_add(
		    diags, DIAG_ERROR, words[i].at_context ? &around : &at, "yaml", words[i].text, around.line);
#pragma GCC diagnostic pop
		return;
	}
	diag_add(diags, DIAG_ERROR, &at, "yaml", "not acceptable YAML: %s%s%s", problem,
	    parser->context ? " " : "", parser->context ? parser->context : "");
}
