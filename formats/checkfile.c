#include "config.h"

#include "formats/checkfile.h"

#include "base/codec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_DIGITS_MAX 18 /* fits int64_t whatever the digits */
#define NAMED_MAX         3 /* missing pieces listed by name in an error */

struct span {
	const char *p;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next line without the blanks around it; false at the end of the text. */
static bool next_line(struct span *text, struct span *line)
{
	const char *nl = memchr(text->p, '\n', text->n);
	size_t n = nl != NULL ? (size_t)(nl - text->p) : text->n;

	if (text->n == 0)
		return false;
	*line = (struct span){text->p, n};
	text->p += n + (nl != NULL);
	text->n -= n + (nl != NULL);
	while (line->n > 0 && is_blank(line->p[line->n - 1]))
		line->n--;
	for (; line->n > 0 && is_blank(line->p[0]); line->n--)
		line->p++;
	return true;
}

static int bad(struct err *err, const char *why)
{
	return err_code(err, ERR_BAD_DATA, "manifest", "check file: %s", why);
}

static int parse_name(struct span line, char out[CHECKFILE_NAME_MAX + 1], struct err *err)
{
	if (line.n == 0 || line.n > CHECKFILE_NAME_MAX)
		return bad(err, "line 1 is not the name of the first piece");
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
			return bad(err, "line 1 holds a control character");
	if (memchr(line.p, '/', line.n) != NULL || memchr(line.p, '\\', line.n) != NULL)
		return bad(err, "line 1 names a folder; a plain name is expected");
	if (!utf8_valid(line.p, line.n))
		return bad(err, "line 1 is not UTF-8");
	memcpy(out, line.p, line.n);
	out[line.n] = '\0';
	if (strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
		return bad(err, "line 1 is not the name of the first piece");
	return 0;
}

static int parse_number(struct span line, int64_t *out)
{
	int64_t v = 0;

	while (line.n > 1 && line.p[0] == '0') {
		line.p++;
		line.n--;
	}
	if (line.n == 0 || line.n > NUMBER_DIGITS_MAX)
		return -1;
	for (size_t i = 0; i < line.n; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return -1;
		v = v * 10 + (line.p[i] - '0');
	}
	*out = v;
	return 0;
}

int checkfile_parse(const char *text, size_t n, int64_t max_pieces, struct checkfile *out, struct err *err)
{
	struct span rest = {text, n}, line[3];
	struct checkfile cf;

	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		rest = (struct span){text + 3, n - 3};
	for (size_t i = 0; i < NITEMS(line); i++)
		if (!next_line(&rest, &line[i]))
			return bad(err, n == 0 ? "empty" : "fewer than three lines");
	if (parse_name(line[0], cf.first, err) == -1)
		return -1;
	if (parse_number(line[1], &cf.pieces) == -1)
		return bad(err, "line 2, the number of pieces, is not a whole number");
	if (parse_number(line[2], &cf.bytes) == -1)
		return bad(err, "line 3, the size, is not a whole number");
	if (cf.pieces > max_pieces)
		return err_code(err, ERR_BAD_DATA, "manifest",
		    "check file: %" PRId64 " pieces, at most %" PRId64 " are allowed", cf.pieces, max_pieces);
	if ((cf.pieces == 0) != (cf.bytes == 0))
		return err_code(err, ERR_BAD_DATA, "manifest",
		    "check file: %" PRId64 " pieces of together %" PRId64 " bytes", cf.pieces, cf.bytes);
	*out = cf;
	return 0;
}

bool checkfile_no_data(const struct checkfile *cf)
{
	return cf->pieces == 0;
}

static int by_index(const void *a, const void *b)
{
	const struct checkfile_piece *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* "000002, 000005 and 7 more" for the indices below `pieces` that v (sorted, distinct) lacks; returns their number. */
static int64_t name_missing(
    const struct checkfile *cf, const struct checkfile_piece *v, size_t n, char *text, size_t size)
{
	int64_t want = 0, missing = 0;
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i <= n && want < cf->pieces; i++) {
		int64_t next = i < n ? MIN(v[i].index, cf->pieces) : cf->pieces;

		for (int64_t k = want; k < next && missing + (k - want) < NAMED_MAX; k++)
			used +=
			    (size_t)snprintf(text + used, size - used, "%s%06" PRId64, used > 0 ? ", " : "", k);
		missing += next - want;
		want = next + 1;
	}
	if (missing > NAMED_MAX)
		snprintf(text + used, size - used, " and %" PRId64 " more", missing - NAMED_MAX);
	return missing;
}

int checkfile_compare(const struct checkfile *cf, struct checkfile_piece *v, size_t n, struct err *err)
{
	char missing[160];
	int64_t sum = 0;

	if (n > 1)
		qsort(v, n, sizeof(*v), by_index);
	for (size_t i = 1; i < n; i++)
		if (v[i].index == v[i - 1].index)
			return err_code(err, ERR_BAD_DATA, "chunks.duplicate",
			    "piece %06" PRId64 " twice: %s and %s", v[i].index, v[i - 1].name, v[i].name);
	if (name_missing(cf, v, n, missing, sizeof(missing)) > 0)
		return err_code(err, ERR_BAD_DATA, "chunks.missing", "%zu of %" PRId64 " pieces, %s missing", n,
		    cf->pieces, missing);
	if (n > (size_t)cf->pieces)
		return err_code(err, ERR_BAD_DATA, "chunks.extra",
		    "%zu pieces where the check file says %" PRId64 ", first extra %s", n, cf->pieces,
		    v[cf->pieces].name);
	for (size_t i = 0; i < n; i++)
		if (v[i].size < 0 || __builtin_add_overflow(sum, v[i].size, &sum))
			return err_code(
			    err, ERR_BAD_DATA, "chunks.size", "%s has an impossible size", v[i].name);
	if (sum != cf->bytes)
		return err_code(err, ERR_BAD_DATA, "chunks.size",
		    "%zu pieces of together %" PRId64 " bytes, %" PRId64 " expected", n, sum, cf->bytes);
	if (n > 0 && strcmp(v[0].name, cf->first) != 0)
		return err_code(err, ERR_BAD_DATA, "manifest", "check file: the first piece is %s, not %s",
		    v[0].name, cf->first);
	return 0;
}
