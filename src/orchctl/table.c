#include "config.h"

#include "orchctl/table.h"

#include "base/mem.h"
#include "base/strvec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MAX  8192
#define WRAP_MIN  24 /* less room is too little to be read */
#define WIDTH_MAX 60 /* of a column; a longer cell moves the rest of its own row alone */

struct table {
	size_t ncol;
	bool wrap;
	bool right[TABLE_COLUMNS_MAX];
	struct strvec cells; /* headers first */
	enum paint *paints;
	size_t npaints;
};

static void add(struct table *t, enum paint paint, const char *clean)
{
	strvec_push(&t->cells, clean);
	t->paints = xreallocarray(t->paints, t->npaints + 1, sizeof(*t->paints));
	t->paints[t->npaints++] = paint;
}

struct table *table_new(const char *headers)
{
	struct table *t = xcalloc(1, sizeof(*t));
	char name[64];

	for (const char *p = headers; *p != '\0';) {
		size_t n = strcspn(p, "|");

		assert(t->ncol < TABLE_COLUMNS_MAX);
		t->right[t->ncol] = *p == '>';
		snprintf(name, sizeof(name), "%.*s", (int)n - t->right[t->ncol], p + t->right[t->ncol]);
		add(t, PAINT_BOLD, name);
		t->ncol++;
		p += n + (p[n] == '|');
	}
	return t;
}

void table_cell(struct table *t, enum paint paint, const char *text)
{
	struct strbuf sb = STRBUF_INIT(CELL_MAX);

	text_clean(&sb, text);
	add(t, paint, sb.buf);
	strbuf_release(&sb);
}

void table_cellf(struct table *t, const char *fmt, ...)
{
	struct strbuf sb = STRBUF_INIT(CELL_MAX);
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	table_cell(t, PAINT_NONE, sb.buf);
	strbuf_release(&sb);
}

void table_take(struct table *t, struct strbuf *sb)
{
	add(t, PAINT_NONE, sb->buf);
	strbuf_reset(sb);
}

void table_wrap(struct table *t)
{
	t->wrap = true;
}

size_t table_rows(const struct table *t)
{
	return t->cells.n / t->ncol - 1;
}

static void pad(size_t n)
{
	for (size_t i = 0; i < n; i++)
		putchar(' ');
}

/* s cut to `room` columns; 0: as it is. */
static void put_cut(const char *s, size_t room)
{
	size_t n = 0, width = 0;

	if (room == 0 || text_width(s) <= room) {
		fputs(s, stdout);
		return;
	}
	while (s[n] != '\0' && width < room - 1) {
		for (n++; ((unsigned char)s[n] & 0xc0) == 0x80; n++)
			;
		width++;
	}
	printf("%.*s~", (int)n, s);
}

/* As many words as there is room for; the next lines begin below the first. */
static void put_wrapped(const char *s, size_t room, size_t indent)
{
	size_t used = 0;

	while (*s != '\0') {
		size_t n = strcspn(s, " "), wide = 0;

		for (size_t i = 0; i < n; i++)
			wide += ((unsigned char)s[i] & 0xc0) != 0x80;
		if (used > 0 && used + 1 + wide > room) {
			putchar('\n');
			pad(indent);
			used = 0;
		}
		printf("%s%.*s", used > 0 ? " " : "", (int)n, s);
		used += wide + (used > 0);
		s += n + strspn(s + n, " ");
	}
}

/* Beside the other columns or, where these leave too little room, below them. */
static void put_last(const char *s, size_t used, size_t columns, size_t indent)
{
	if (columns < used + WRAP_MIN) {
		used = indent + 4;
		putchar('\n');
		pad(used);
	}
	put_wrapped(s, columns > used + 8 ? columns - used : 8, used);
}

static void print_row(const struct table *t, size_t row, const size_t *widths, int indent, size_t columns)
{
	size_t used = (size_t)indent;

	pad((size_t)indent);
	for (size_t c = 0; c < t->ncol; c++) {
		const char *s = t->cells.v[row * t->ncol + c];
		enum paint paint = t->paints[row * t->ncol + c];
		bool last = c + 1 == t->ncol;
		size_t wide = text_width(s), gap = widths[c] > wide ? widths[c] - wide : 0,
		       room = last && columns > used + 8 ? columns - used : 0;

		if (t->right[c])
			pad(gap);
		fputs(text_on(paint), stdout);
		if (t->wrap && last && columns > 0)
			put_last(s, used, columns, (size_t)indent);
		else
			put_cut(s, room);
		fputs(text_off(paint), stdout);
		if (!last)
			pad((t->right[c] ? 0 : gap) + 2);
		used += MAX(widths[c], wide) + 2;
	}
	putchar('\n');
}

void table_end(struct table *t, int indent, const char *without)
{
	size_t widths[TABLE_COLUMNS_MAX] = {0}, rows = t->cells.n / t->ncol;

	assert(t->cells.n % t->ncol == 0);
	for (size_t i = 0; i < t->cells.n; i++) {
		size_t wide = text_width(t->cells.v[i]);

		widths[i % t->ncol] = MAX(widths[i % t->ncol], wide > WIDTH_MAX ? 0 : wide);
	}
	if (rows > 1) {
		for (size_t r = 0; r < rows; r++)
			print_row(t, r, widths, indent, (size_t)text_columns());
	} else if (without != NULL) {
		pad((size_t)indent);
		puts(without);
	}
	strvec_release(&t->cells);
	free(t->paints);
	free(t);
}
