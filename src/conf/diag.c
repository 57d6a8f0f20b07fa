#include "config.h"

#include "conf/diag.h"

#include "base/codec.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT 1024

static const char *const level_name[] = {
    [DIAG_ERROR] = "error",
    [DIAG_WARNING] = "warning",
    [DIAG_NOTE] = "note",
};

/* Bytes of the UTF-8 character at s that must not reach a terminal (controls, bidirectional overrides), or 0. */
static size_t hidden_char(const unsigned char *s)
{
	if (s[0] < 0x20 || s[0] == 0x7f)
		return 1;
	if (s[0] == 0xc2 && s[1] < 0xa0)
		return 2;
	if (s[0] == 0xe2 && s[1] == 0x80 && ((s[2] >= 0xa8 && s[2] <= 0xae) || s[2] == 0x8e || s[2] == 0x8f))
		return 3;
	if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9)
		return 3;
	return 0;
}

static char *escaped(const char *text)
{
	struct strbuf sb = STRBUF_INIT(4 * TEXT_LIMIT + 1);
	bool utf8 = utf8_valid(text, strlen(text));

	for (const unsigned char *s = (const unsigned char *)text; *s != '\0';) {
		size_t n = !utf8 && *s >= 0x80 ? 1 : hidden_char(s);

		if (n == 0)
			strbuf_addch(&sb, (char)*s++);
		for (; n > 0; n--)
			strbuf_addf(&sb, "\\x%02x", *s++);
	}
	return strbuf_detach(&sb);
}

static const char *intern(struct diags *ds, const char *file)
{
	if (file == NULL)
		return NULL;
	for (size_t i = 0; i < ds->files.n; i++)
		if (strcmp(ds->files.v[i], file) == 0)
			return ds->files.v[i];
	strvec_push(&ds->files, file);
	return ds->files.v[ds->files.n - 1];
}

/* The place for one more problem, or NULL when there is none. */
static struct diag *diag_slot(struct diags *ds, enum diag_level level)
{
	if (ds->n < DIAGS_MAX_KEPT) {
		if (ds->cap == 0) {
			ds->cap = DIAGS_MAX_KEPT;
			ds->v = xcalloc(ds->cap, sizeof(*ds->v));
		}
		return &ds->v[ds->n++];
	}
	ds->dropped++;
	for (size_t i = ds->n; level == DIAG_ERROR && i-- > 0;) {
		if (ds->v[i].level == DIAG_ERROR)
			continue;
		free(ds->v[i].text);
		memmove(&ds->v[i], &ds->v[i + 1], (ds->n - i - 1) * sizeof(ds->v[0]));
		return &ds->v[ds->n - 1];
	}
	return NULL;
}

void diag_add(
    struct diags *ds, enum diag_level level, const struct mark *mark, const char *class, const char *fmt, ...)
{
	char text[TEXT_LIMIT];
	struct diag *d;
	va_list ap;

	ds->errors += level == DIAG_ERROR;
	if ((d = diag_slot(ds, level)) == NULL)
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) >= (int)sizeof(text))
		for (size_t n = strlen(text); n > 0 && ((unsigned char)text[n - 1] & 0x80) != 0; n--)
			text[n - 1] = '\0'; /* no half character at the cut */
	va_end(ap);
	*d = (struct diag){.level = level, .class = class, .text = escaped(text)};
	if (mark != NULL)
		d->mark = (struct mark){intern(ds, mark->file), mark->line, mark->column};
}

bool diags_full(const struct diags *ds)
{
	for (size_t i = 0; i < ds->n; i++)
		if (ds->v[i].level != DIAG_ERROR)
			return false;
	return ds->n == DIAGS_MAX_KEPT;
}

void diags_release(struct diags *ds)
{
	for (size_t i = 0; i < ds->n; i++)
		free(ds->v[i].text);
	free(ds->v);
	strvec_release(&ds->files);
	*ds = DIAGS_INIT;
}

static size_t file_rank(const struct diags *ds, const char *file)
{
	size_t i = 0;

	while (i < ds->files.n && ds->files.v[i] != file)
		i++;
	return file == NULL ? SIZE_MAX : i;
}

static bool comes_before(const struct diags *ds, const struct diag *a, const struct diag *b)
{
	size_t fa = file_rank(ds, a->mark.file), fb = file_rank(ds, b->mark.file);

	if (fa != fb)
		return fa < fb;
	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line;
	return a->mark.column < b->mark.column;
}

/* Indices of the kept problems in file order; equal places stay in the order they were found. */
static void file_order(const struct diags *ds, size_t order[DIAGS_MAX_KEPT])
{
	for (size_t i = 0; i < ds->n; i++) {
		size_t k = i;

		for (; k > 0 && comes_before(ds, &ds->v[i], &ds->v[order[k - 1]]); k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
}

static void add_place(const struct mark *m, struct strbuf *out)
{
	if (m->file == NULL)
		return;
	strbuf_addstr(out, m->file);
	if (m->line > 0)
		strbuf_addf(out, ":%d", m->line);
	if (m->line > 0 && m->column > 0)
		strbuf_addf(out, ":%d", m->column);
	strbuf_addstr(out, ": ");
}

void diags_print(const struct diags *ds, struct strbuf *out)
{
	size_t order[DIAGS_MAX_KEPT];

	file_order(ds, order);
	for (size_t i = 0; i < ds->n; i++) {
		const struct diag *d = &ds->v[order[i]];

		add_place(&d->mark, out);
		strbuf_addf(out, "%s: %s\n", level_name[d->level], d->text);
	}
	if (ds->dropped > 0)
		strbuf_addf(out, "%zu more not shown\n", ds->dropped);
}

int diags_to_err(const struct diags *ds, struct err *err)
{
	size_t order[DIAGS_MAX_KEPT];
	const struct diag *first = NULL;

	file_order(ds, order);
	for (size_t i = 0; i < ds->n && first == NULL; i++)
		if (ds->v[order[i]].level == DIAG_ERROR)
			first = &ds->v[order[i]];
	if (first == NULL)
		return 0;
	struct strbuf sb = STRBUF_INIT(ERR_TEXT_MAX + 4 * TEXT_LIMIT);
	add_place(&first->mark, &sb);
	strbuf_addstr(&sb, first->text);
	if (ds->errors > 1)
		strbuf_addf(&sb, " (and %zu more)", ds->errors - 1);
	err_code(err, ERR_CONFIG, first->class, "%s", sb.buf);
	strbuf_release(&sb);
	return -1;
}
